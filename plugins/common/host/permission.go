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

// explainStatefile adds the cause to an error about the state file at path and, if possible, the command that fixes it.
// The usual cause is an earlier run as another user, which left files behind.
func explainStatefile(path string, err error) error {
	if target, err := followLinks(path); err == nil {
		path = target
	}
	folder, me := folderOf(path), nameOf(os.Getuid())
	if _, missing := os.Stat(folder); errors.Is(err, fs.ErrNotExist) && errors.Is(missing, fs.ErrNotExist) {
		if strings.HasPrefix(path, "~") {
			return fmt.Errorf("%w: ~ is not expanded: use the full path", err)
		}
		return fmt.Errorf("%w: the folder %s is missing: create it with sudo install -d -o %s -m 750 %s", err, folder, me, quoted(folder))
	}
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	if others := filesOfOthers(path, os.Getuid()); len(others) > 0 {
		owner, _ := ownerOf(others[0])
		return fmt.Errorf("%w: %s belongs to %s, who has run this program before, but this process runs as %s. If that is Telegraf's user: "+
			"sudo chown -h %s %s",
			err, others[0], nameOf(owner), me, me, quoted(others...))
	}
	if owner, known := ownerOf(folder); known {
		return fmt.Errorf("%w: %s belongs to %s, but this process runs as %s. If that is Telegraf's user, use a statefile in a folder that it can write to: "+
			"sudo install -d -o %s -m 750 %s", err, folder, nameOf(owner), me, me, quoted(filepath.Join(folder, "wolkvox_ivr")))
	}
	return err
}

// folderOf returns the folder of a file, with links resolved if the folder exists.
func folderOf(path string) string {
	folder := filepath.Dir(path)
	if target, err := filepath.EvalSymlinks(folder); err == nil {
		return target
	}
	return folder
}

// filesOfOthers returns the state file, its temporary file and its lock, if they belong to a user other than uid.
// Commands name each file because the user's shell may not be able to list the folder.
func filesOfOthers(path string, uid int) (others []string) {
	for _, file := range []string{path, path + tempSuffix, lockPath(path)} {
		if owner, known := ownerOf(file); known && owner != uid {
			others = append(others, file)
		}
	}
	return others
}

// plainWord matches a word that a shell needs no quotes for.
var plainWord = regexp.MustCompile(`^[\w@%+=:,./-]+$`)

// quoted returns the words in quotes for a shell where they need them.
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

// nameOf returns the name of a user, or "user" and the number if there is no name.
func nameOf(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return "user " + strconv.Itoa(uid)
}

// LeftByRoot returns the files of a state that root owns in a folder of another user or group, quoted for a shell. A
// service that runs as that user can't use them. It returns "" if there are none, or if this user is not root.
func LeftByRoot(path string) string {
	if os.Getuid() != 0 || ownedByRoot(folderOf(path)) {
		return ""
	}
	const noUser = -1 // owns no file, so filesOfOthers returns all files
	return quoted(slices.DeleteFunc(filesOfOthers(path, noUser), func(file string) bool {
		owner, _ := ownerOf(file)
		return owner != 0
	})...)
}
