package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// explainStatefile adds to an error about the state file at path who owns what this user may not use, and the command that mends it. The
// usual cause is one run as another user, whose files stay.
func explainStatefile(path string, err error) error {
	if target, err := followLinks(path); err == nil {
		path = target
	}
	folder, me := folderOf(path), nameOf(os.Getuid())
	if _, missing := os.Stat(folder); errors.Is(err, fs.ErrNotExist) && errors.Is(missing, fs.ErrNotExist) {
		if strings.HasPrefix(path, "~") {
			return fmt.Errorf("%w: ~ is not expanded, use the full path", err)
		}
		return fmt.Errorf("%w: the folder %s is missing: sudo install -d -o %s -m 750 %s", err, folder, me, quoted(folder))
	}
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	if others := filesOfOthers(path, os.Getuid()); len(others) > 0 {
		owner, _ := ownerOf(others[0])
		return fmt.Errorf("%w: %s belongs to %s, because %s has run this program before, and this process runs as %s. If that is Telegraf's user: sudo chown -h %s %s",
			err, others[0], nameOf(owner), nameOf(owner), me, me, quoted(others...))
	}
	if owner, known := ownerOf(folder); known {
		return fmt.Errorf("%w: %s belongs to %s, and this process runs as %s. If that is Telegraf's user, use a statefile in a folder that it can write to: "+
			"sudo install -d -o %s -m 750 %s", err, folder, nameOf(owner), me, me, quoted(filepath.Join(folder, "wolkvox_ivr")))
	}
	return err
}

// folderOf returns the folder of a file, behind all links if it is there.
func folderOf(path string) string {
	folder := filepath.Dir(path)
	if target, err := filepath.EvalSymlinks(folder); err == nil {
		return target
	}
	return folder
}

// filesOfOthers returns those of the state file's files that belong to another user than the one given. They are named one by one in
// commands, since a user's shell may not list the folder.
func filesOfOthers(path string, uid int) (others []string) {
	for _, file := range []string{path, path + tempSuffix, lockPath(path)} {
		if owner, known := ownerOf(file); known && owner != uid {
			others = append(others, file)
		}
	}
	return others
}

// plainWord matches what a shell takes as it is.
var plainWord = regexp.MustCompile(`^[\w@%+=:,./-]+$`)

// quoted returns words for a shell.
func quoted(words ...string) string {
	quotes := make([]string, 0, len(words))
	for _, word := range words {
		if !plainWord.MatchString(word) {
			word = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		quotes = append(quotes, word)
	}
	return strings.Join(quotes, " ")
}

// nameOf returns the name of a user, or the number where there is none.
func nameOf(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return "user " + strconv.Itoa(uid)
}

// LeftByRoot returns, for a shell, the files of a state that are root's in a folder of another user or group, if this is root: a service
// that runs as that one can't use them. It returns "" if there are none.
func LeftByRoot(path string) string {
	if os.Getuid() != 0 || isRoots(folderOf(path)) {
		return ""
	}
	const anybody = -1
	return quoted(slices.DeleteFunc(filesOfOthers(path, anybody), func(file string) bool {
		owner, _ := ownerOf(file)
		return owner != 0
	})...)
}
