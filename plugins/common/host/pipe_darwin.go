//go:build !portable

package host

import "os"

// unread returns the number of bytes in the pipe that its reader has not taken yet, 0 if the file is no pipe. FIONREAD
// would tell of the end for writing itself, which holds nothing; the size is that of the other end.
func unread(pipe *os.File) int {
	info, err := pipe.Stat()
	if err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return 0
	}
	return int(info.Size())
}
