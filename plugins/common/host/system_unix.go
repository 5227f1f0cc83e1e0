//go:build unix

package host

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// openSafely are open flags: don't follow a link, and don't wait for the other end of a FIFO.
const openSafely = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// ownerOf returns the owner of a file or link, if it is known.
func ownerOf(path string) (uid int, known bool) {
	stat, known := statOf(path)
	if !known {
		return 0, false
	}
	return int(stat.Uid), true
}

// ownedByRoot reports whether a folder belongs to user root and group root.
func ownedByRoot(folder string) bool {
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

// tryLockMemory returns an error if size bytes of memory can't be locked. It has to try, because limits depend on the
// user, its capabilities and the container.
func tryLockMemory(size int) error {
	memory, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return err
	}
	defer unix.Munmap(memory) //nolint:errcheck // also unlocks it
	return unix.Mlock(memory)
}
