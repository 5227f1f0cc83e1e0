//go:build !portable

package host

import (
	"os"

	"golang.org/x/sys/unix"
)

// canInspectPipes is whether this system can tell if the reader of a pipe has read everything.
const canInspectPipes = true

// unread returns the number of bytes in the pipe that have not been read yet, 0 if the file is not a pipe.
func unread(pipe *os.File) int {
	n, err := unix.IoctlGetInt(int(pipe.Fd()), unix.TIOCINQ)
	if err != nil {
		return 0
	}
	return n
}

// hasReader reports whether a pipe still has a reader. It returns true for any other file.
func hasReader(pipe *os.File) bool {
	fds := []unix.PollFd{{Fd: int32(pipe.Fd()), Events: unix.POLLOUT}}
	_, err := unix.Poll(fds, 0)
	return err != nil || fds[0].Revents&(unix.POLLERR|unix.POLLHUP) == 0
}
