package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"sync"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	"github.com/influxdata/telegraf"
)

// stateFile keeps the inputs' states in the file that [agent] statefile names, in the format of Telegraf's own, so that
// an input may move between here and Telegraf. Unlike Telegraf's it is written whenever a state has changed, and in one
// step: a crash leaves the old file or the new one. Without a path nothing is kept.
type stateFile struct {
	path    string
	lock    *flock.Flock // held as long as the file is ours
	existed bool         // when it was opened, as a state file
	wake    chan struct{}

	mu      sync.Mutex
	states  map[string][]byte // JSON by ID, those of inputs that are not configured now included
	changed bool
	aside   string // what became of the file as it was, if it had to be set aside

	saving sync.Mutex
	failed bool // the last save, and that has been logged
}

// lockPatience is how long a predecessor is given to leave the state file.
const lockPatience = 2 * time.Second

// maxStateFile bounds a state file in bytes, and maxStates its states. A thousand operations have some 2 MiB.
const (
	maxStateFile = 32 << 20
	maxStates    = 100_000
)

var (
	errNoStates   = errors.New("it is not a state file and was not changed: use another file, or move it away")
	errNotRegular = errors.New("it is not a regular file")

	// ErrDamaged says that a state file can't be read. A service that starts with it sets it aside, and begins without.
	ErrDamaged = errors.New("it is damaged")
)

// tempSuffix is that of the file that the next state is written to.
const tempSuffix = ".tmp"

// lockPath is the file that is locked for the state file.
func lockPath(path string) string { return path + ".lock" }

// openStateFile reads the file at path, if there is one, and makes sure that it can be replaced and that no other
// process does so. A damaged state file is set aside, and a file that is none stays as it is.
func openStateFile(path string) (*stateFile, error) {
	f := &stateFile{path: path, wake: make(chan struct{}, 1), states: make(map[string][]byte)}
	if path == "" {
		return f, nil
	}
	var err error
	if f.path, err = followLinks(path); err != nil {
		return nil, err
	}
	if info, err := os.Lstat(f.path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w; without statefile no state is kept", errNotRegular)
	}

	if _, err := readStates(f.path); errors.Is(err, errNoStates) { // and needs no lock beside it
		return nil, err
	}

	ctx, cancel := context.WithTimeout(context.Background(), lockPatience)
	defer cancel()
	f.lock = newLock(f.path, os.O_CREATE)
	if _, err := f.lock.TryLockContext(ctx, 50*time.Millisecond); errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("%s is held by another process that uses the same state file", f.lock.Path())
	} else if err := explainLock(f.path, err); err != nil {
		f.close()
		return nil, err
	}
	if err := f.read(); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// followLinks returns the file that path names in the end, which need not be there yet. Whoever may write to its folder could make a link
// to any file, so only links of root or of this user are followed.
func followLinks(path string) (string, error) {
	for range 40 { // as many as Linux follows
		target, owner, err := readLink(path)
		if err != nil {
			return path, nil //nolint:nilerr // it is no link
		}
		if owner > 0 && owner != os.Getuid() {
			return "", fmt.Errorf("%s is a link that belongs to %s and is not followed: use the path of its target", path, nameOf(owner))
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	return "", fmt.Errorf("%s is a link to itself", path)
}

// newLock returns the lock of a state file, not yet held. A link or a FIFO in its place is neither followed nor waited for.
func newLock(path string, flags int) *flock.Flock {
	return flock.New(lockPath(path), flock.SetFlag(os.O_RDONLY|noFollow|flags), flock.SetPermissions(0600))
}

// explainLock returns why the lock of a state file can't be had, with the error of trying, or nil.
func explainLock(path string, err error) error {
	if info, statErr := os.Lstat(lockPath(path)); statErr == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file: remove it", lockPath(path))
	}
	return err
}

// readRegular reads a state file that is no link. It waits for no FIFO, and refuses one that is too long to be a state file.
func readRegular(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	content, err := io.ReadAll(io.LimitReader(file, maxStateFile+1))
	if err == nil && len(content) > maxStateFile {
		err = errNoStates
	}
	return content, err
}

func (f *stateFile) read() error {
	content, err := readRegular(f.path)
	if errors.Is(err, os.ErrNotExist) {
		temp, err := f.createTemp()
		if err != nil {
			return err
		}
		return errors.Join(temp.Close(), os.Remove(temp.Name()))
	}
	if err != nil {
		return err
	}
	f.existed = len(bytes.TrimSpace(content)) > 0
	if f.states, err = parseStates(content); errors.Is(err, ErrDamaged) {
		f.states = make(map[string][]byte)
		f.setAside(err)
		return nil
	} else if err != nil {
		return err
	}
	if err := f.write(content); err != nil && !errors.Is(err, syscall.ENOSPC) { // a full disk is told of by the next save
		return fmt.Errorf("it cannot be replaced, which each save does; if it is mounted into a container, mount its folder instead: %w", err)
	}
	return nil
}

// begins matches the beginning of a state file: the ID of an input's state, which may be Telegraf's own.
var begins = regexp.MustCompile(`^\s*\{\s*"(inputs\.\w|[0-9a-f]{64}")`)

// parseStates reads the content of a state file. An empty file has no states: somebody may have made it to give it an owner. Another
// content is ErrDamaged if it begins as a state file or has nothing but zeros, as a crash of the system may leave it, and else
// errNoStates.
func parseStates(content []byte) (states map[string][]byte, err error) {
	if len(bytes.TrimSpace(content)) == 0 {
		return make(map[string][]byte), nil
	}
	if bytes.Count(content, []byte(":")) > maxStates {
		return nil, errNoStates
	}
	err = json.Unmarshal(content, &states)
	switch {
	case err == nil && states != nil && (begins.Match(content) || areJSON(states)):
		return states, nil
	case begins.Match(content), len(bytes.Trim(content, "\x00")) == 0:
		return nil, ErrDamaged
	}
	return nil, errNoStates
}

// areJSON reports whether the values are states in JSON, rather than any other text in base64.
func areJSON(states map[string][]byte) bool {
	for _, state := range states {
		if !json.Valid(state) {
			return false
		}
	}
	return true
}

// restore gives the inputs the states they had. One that its input refuses is dropped, and the file set aside: the
// input starts afresh. So does an input that a file which was there has no state of.
func (f *stateFile) restore(instances []*instance) {
	var missing []string
	var refused []error
	restored := 0
	for _, i := range instances {
		plugin, ok := i.Input.(telegraf.StatefulPlugin)
		if !ok {
			continue
		}
		serialized, found := f.states[i.stateID]
		if !found {
			missing = append(missing, i.stateID)
			continue
		}
		state := reflect.New(reflect.TypeOf(plugin.GetState()))
		err := json.Unmarshal(serialized, state.Interface())
		if err == nil {
			err = plugin.SetState(state.Elem().Interface())
		}
		if err != nil {
			refused = append(refused, fmt.Errorf("state of %q: %w", i.stateID, err))
			delete(f.states, i.stateID)
			continue
		}
		restored++
	}
	switch {
	case len(refused) > 0:
		f.setAside(errors.Join(refused...))
	case !f.existed || len(missing) == 0:
	case restored == 0:
		log.Warnf("State file %s has no state of any input here, so all of them start fresh. If another program also writes it, such as "+
			"a Telegraf whose own [agent] names the same statefile, give each its own file", f.path)
	default:
		log.Infof("State file %s has no state of %q yet: starting fresh", f.path, missing)
	}
}

// reject drops a state that its input has taken, but found to be unusable since. The others are saved at once.
func (f *stateFile) reject(id string, reason error) {
	f.saving.Lock()
	defer f.saving.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.path == "" {
		return
	}
	delete(f.states, id)
	f.setAside(fmt.Errorf("state of %q: %w", id, reason))
	f.wakeUp()
}

// setAside keeps the file as it was under another name. Once is enough: it has the states of all inputs.
func (f *stateFile) setAside(reason error) {
	if f.aside == "" {
		f.aside = fmt.Sprintf("%s.rejected-%d", f.path, time.Now().Unix())
		if err := os.Rename(f.path, f.aside); err != nil {
			f.aside = fmt.Sprintf("to be overwritten, because it could not be renamed (%v)", err)
		}
	}
	log.Warnf("State file %s can't be used, starting without it; it is now %s: %v", f.path, f.aside, reason)
	f.existed = false
	f.changed = len(f.states) > 0
}

// keep has the state of id saved soon, if it differs from the one known.
func (f *stateFile) keep(id string, state []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.path == "" || bytes.Equal(f.states[id], state) {
		return
	}
	f.states[id] = state
	f.changed = true
	f.wakeUp()
}

// wakeUp has saveChanges save soon.
func (f *stateFile) wakeUp() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// saveChanges saves what keep is given, until the context ends. States that change while it writes go into one save.
func (f *stateFile) saveChanges(ctx context.Context) {
	for {
		select {
		case <-f.wake:
			f.save()
		case <-ctx.Done():
			return
		}
	}
}

// save writes the file if anything has changed. That it fails is logged once, until it works again.
func (f *stateFile) save() {
	f.saving.Lock()
	defer f.saving.Unlock()

	f.mu.Lock()
	content, err := json.Marshal(f.states)
	changed := f.changed
	f.changed = false
	f.mu.Unlock()
	if !changed {
		return
	}

	if err == nil {
		err = f.write(content)
	}
	if err == nil {
		f.failed = false
		return
	}
	f.mu.Lock()
	f.changed = true
	f.mu.Unlock()
	if !f.failed {
		log.Errorf("Saving the state failed: %v", err)
	}
	f.failed = true
}

// write replaces the file by one with the content: complete and on the disk before it takes the name.
func (f *stateFile) write(content []byte) error {
	temp, err := f.createTemp()
	if err != nil {
		return err
	}
	_, err = temp.Write(content)
	if err == nil {
		err = temp.Sync()
	}
	if err := errors.Join(err, temp.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), f.path); err != nil {
		return err
	}
	if dir, err := os.Open(filepath.Dir(f.path)); err == nil {
		dir.Sync() //nolint:errcheck // not every file system can, and the file is whole without
		dir.Close()
	}
	return nil
}

// createTemp makes the file that the next state is written to: always of the same name, so that a crash leaves no more than one. What has
// that name is removed, not written to: it may be a link.
func (f *stateFile) createTemp() (*os.File, error) {
	if err := os.Remove(f.path + tempSuffix); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	temp, err := os.OpenFile(f.path+tempSuffix, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0600)
	if err != nil {
		return nil, err
	}
	temp.Chmod(0600) //nolint:errcheck // whatever umask has made it; not every file system has modes
	return temp, nil
}

func (f *stateFile) close() {
	if f.lock != nil {
		f.lock.Close()
	}
}
