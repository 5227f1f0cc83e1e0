//go:build !unix

package host

const openSafely = 0

// ownerOf returns the user that a file belongs to, if that is known.
func ownerOf(string) (uid int, known bool) { return 0, false }

func ownedByRoot(string) bool { return true }

func tryLockMemory(int) error { return nil }
