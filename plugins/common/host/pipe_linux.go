//go:build !portable

package host

import (
	"os"

	"golang.org/x/sys/unix"
)

// pipesTell is whether this system can tell if the reader of a pipe has taken everything.
const pipesTell = true

// unread returns the number of bytes in the pipe that its reader has not taken yet, 0 if the file is no pipe.
func unread(pipe *os.File) int {
	n, err := unix.IoctlGetInt(int(pipe.Fd()), unix.TIOCINQ)
	if err != nil {
		return 0
	}
	return n
}

// hasReader returns whether somebody may still read what is written to the file, which is true of all but a pipe
// without a reader.
func hasReader(pipe *os.File) bool {
	fds := []unix.PollFd{{Fd: int32(pipe.Fd()), Events: unix.POLLOUT}}
	_, err := unix.Poll(fds, 0)
	return err != nil || fds[0].Revents&(unix.POLLERR|unix.POLLHUP) == 0
}
