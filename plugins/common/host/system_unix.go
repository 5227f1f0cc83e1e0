//go:build unix

package host

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// noFollow has a file opened without following a link, and without waiting for the other end of a FIFO.
const noFollow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// ownerOf returns the user that a file, or a link, belongs to, if that is known.
func ownerOf(path string) (uid int, known bool) {
	stat, known := statOf(path)
	if !known {
		return 0, false
	}
	return int(stat.Uid), true
}

// isRoots reports whether a folder belongs to root and its group.
func isRoots(folder string) bool {
	stat, known := statOf(folder)
	return known && stat.Uid == 0 && stat.Gid == 0
}

func statOf(path string) (stat *syscall.Stat_t, known bool) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, false
	}
	stat, known = info.Sys().(*syscall.Stat_t)
	return stat, known
}

// lockMemory tries whether so much memory can be locked, the only way to know: limits differ by user, rights and
// container.
func lockMemory(size int) error {
	memory, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return err
	}
	defer unix.Munmap(memory) //nolint:errcheck // unlocks too
	return unix.Mlock(memory)
}
