//go:build !linux

package host

import "os"

// readLink returns the target and the owner of a link. The owner is 0 if unknown.
func readLink(path string) (target string, owner int, err error) {
	target, err = os.Readlink(path)
	owner, _ = ownerOf(path)
	return target, owner, err
}
