//go:build !linux

package host

import "os"

// readLink returns what a link stands for and the user that it belongs to, 0 if that is not known.
func readLink(path string) (target string, owner int, err error) {
	target, err = os.Readlink(path)
	owner, _ = ownerOf(path)
	return target, owner, err
}
