//go:build !portable

package host

import (
	"os"

	"golang.org/x/sys/unix"
)

// unread returns the number of bytes in the pipe that its reader has not taken yet, 0 if the file is no pipe.
func unread(pipe *os.File) int {
	n, err := unix.IoctlGetInt(int(pipe.Fd()), unix.TIOCINQ)
	if err != nil {
		return 0
	}
	return n
}
