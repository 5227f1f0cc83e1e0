//go:build (linux || darwin) && !portable

package host

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// lockMemory tries whether so much memory can be locked, the only way to know: limits differ by user, rights and
// container.
func lockMemory(size int) error {
	memory, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return err
	}
	defer syscall.Munmap(memory) //nolint:errcheck // unlocks too
	return syscall.Mlock(memory)
}

// hasReader returns whether somebody may still read what is written to the file, which is true of all but a pipe
// without a reader.
func hasReader(pipe *os.File) bool {
	fds := []unix.PollFd{{Fd: int32(pipe.Fd()), Events: unix.POLLOUT}}
	_, err := unix.Poll(fds, 0)
	return err != nil || fds[0].Revents&(unix.POLLERR|unix.POLLHUP) == 0
}
