package host

import (
	"os"

	"golang.org/x/sys/unix"
)

// readLink returns the target and the owner of a link. It reads both from one file descriptor, because another user may
// replace the link at any time.
func readLink(path string) (target string, owner int, err error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", 0, &os.PathError{Op: "readlink", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return "", 0, err
	}
	text := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", text)
	if err != nil {
		return "", 0, err
	}
	return string(text[:n]), int(stat.Uid), nil
}
