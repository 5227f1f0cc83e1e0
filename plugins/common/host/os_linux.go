package host

import (
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

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

// lockFile makes the file this process's own until it is closed, or the process gone. A predecessor is given time to end.
func lockFile(name string) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0600)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(50 * time.Millisecond) {
		if err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			return file, nil
		}
		if time.Now().After(deadline) {
			file.Close()
			return nil, fmt.Errorf("%s is held by another process that uses the same state file: %w", name, err)
		}
	}
}

// unread returns the number of bytes in the pipe that its reader has not taken yet, 0 if the file is no pipe.
func unread(pipe *os.File) int {
	var n int32
	//nolint:gosec // G103: the standard library has no other way
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, pipe.Fd(), syscall.TIOCINQ, uintptr(unsafe.Pointer(&n))); errno != 0 {
		return 0
	}
	return int(n)
}

// hasReader returns whether somebody may still read what is written to the file, which is true of all but a pipe
// without a reader.
func hasReader(pipe *os.File) bool {
	fds := []unix.PollFd{{Fd: int32(pipe.Fd())}}
	_, err := unix.Poll(fds, 0)
	return err != nil || fds[0].Revents&unix.POLLERR == 0
}
