package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
)

// explainStatefile adds to an error about the state file at path who owns what this user may not use, and the command that mends it. The
// usual cause is one run as another user, whose files stay.
func explainStatefile(path string, err error) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	folder, me := filepath.Dir(path), nameOf(os.Getuid())
	if _, missing := os.Stat(folder); errors.Is(err, fs.ErrNotExist) && errors.Is(missing, fs.ErrNotExist) {
		return fmt.Errorf("%w: the folder %s is missing: sudo install -d -o %s -m 750 %s", err, folder, me, folder)
	}
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	for _, file := range []string{path, path + tempSuffix, lockPath(path)} {
		if owner, known := ownerOf(file); known && owner != os.Getuid() {
			return fmt.Errorf("%w: %s belongs to %s, as %s has run this program before, and this is %s. If that is Telegraf's user: sudo chown %s %s*",
				err, file, nameOf(owner), nameOf(owner), me, me, path)
		}
	}
	if owner, known := ownerOf(folder); known {
		return fmt.Errorf("%w: %s belongs to %s, and this is %s. If that is Telegraf's user, name a statefile in a folder that it may write to: "+
			"sudo install -d -o %s -m 750 %s", err, folder, nameOf(owner), me, me, filepath.Join(folder, "wolkvox_ivr"))
	}
	return err
}

// nameOf returns the name of a user, or the number where there is none.
func nameOf(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return "user " + strconv.Itoa(uid)
}

// IsLeftByRoot reports whether this is root, and the state file is root's in a folder of another user or group: a service that runs as
// that one can't use it.
func IsLeftByRoot(path string) bool {
	owner, known := ownerOf(path)
	return known && owner == 0 && os.Getuid() == 0 && !isRoots(filepath.Dir(path))
}
