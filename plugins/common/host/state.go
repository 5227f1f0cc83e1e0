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

// stateFile stores the inputs' states in the file that [agent] statefile names, in Telegraf's own format, so that an
// input can move between this host and Telegraf. Unlike Telegraf, it saves each change, and replaces the file in one
// step: a crash leaves the old file or the new one. Without a path it stores nothing.
type stateFile struct {
	path       string
	lock       *flock.Flock // held while the file is in use
	hadContent bool         // whether the file had content when it was opened
	wake       chan struct{}

	mu           sync.Mutex
	states       map[string][]byte // JSON by ID, including the states of inputs that are not configured
	changed      bool
	originalFate string // for the log: that the original file was renamed, or why it will be overwritten; "" until it is set aside

	saving    sync.Mutex
	hasFailed bool // whether the last save failed, which has been logged
}

// lockTimeout is how long to wait for an earlier process to release the state file.
const lockTimeout = 2 * time.Second

// maxStateFile is the maximum size of a state file in bytes, and maxStates the maximum number of its states. A thousand
// operations need about 2 MiB.
const (
	maxStateFile = 32 << 20
	maxStates    = 100_000
)

var (
	errNotStateFile = errors.New("it is not a state file and was not changed: use another file, or move it away")
	errNotRegular   = errors.New("it is not a regular file")

	// ErrDamaged means that a state file can't be read. A service sets it aside and starts without states.
	ErrDamaged = errors.New("it is damaged")
)

// tempSuffix is the suffix of the temporary file that replaces the state file.
const tempSuffix = ".tmp"

// lockPath returns the path of the state file's lock.
func lockPath(path string) string { return path + ".lock" }

// openStateFile locks and reads the state file at path, which need not exist, and checks that it can be replaced. It
// sets a damaged state file aside. A file that is not a state file is an error and stays unchanged.
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
		return nil, fmt.Errorf("%w; without a statefile, no state is kept", errNotRegular)
	}

	if _, err := readStates(f.path); errors.Is(err, errNotStateFile) { // no lock is left beside such a file
		return nil, err
	}

	ctx, cancel := context.WithTimeout(context.Background(), lockTimeout)
	defer cancel()
	f.lock = newLock(f.path, os.O_CREATE)
	if _, err := f.lock.TryLockContext(ctx, 50*time.Millisecond); errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("%s is held by another process that uses the same state file", f.lock.Path())
	} else if err := explainLock(f.path, err); err != nil {
		f.close()
		return nil, err
	}
	if err := f.load(); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// followLinks returns the file that path refers to, which need not exist. It follows only links of root or of this
// user, because anybody who can write to the folder could make a link to any file.
func followLinks(path string) (string, error) {
	for range 40 { // Linux has the same limit
		target, owner, err := readLink(path)
		if err != nil {
			return path, nil //nolint:nilerr // not a link
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

// newLock returns the lock of a state file, not yet held. Locking neither follows a link nor blocks on a FIFO that is
// in the lock file's place.
func newLock(path string, flags int) *flock.Flock {
	return flock.New(lockPath(path), flock.SetFlag(os.O_RDONLY|openSafely|flags), flock.SetPermissions(0600))
}

// explainLock returns an error if the lock of the state file is not a regular file, even if locking succeeded, and err
// otherwise.
func explainLock(path string, err error) error {
	if info, statErr := os.Lstat(lockPath(path)); statErr == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file: remove it", lockPath(path))
	}
	return err
}

// readRegular reads a state file. It returns an error for a link, a FIFO and other special files, and errNotStateFile
// for a file above maxStateFile.
func readRegular(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|openSafely, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	content, err := io.ReadAll(io.LimitReader(file, maxStateFile+1))
	if err == nil && len(content) > maxStateFile {
		err = errNotStateFile
	}
	return content, err
}

// load reads the states, sets a damaged file aside, and checks that the file can be replaced by replacing it.
func (f *stateFile) load() error {
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
	f.hadContent = len(bytes.TrimSpace(content)) > 0
	if f.states, err = parseStates(content); errors.Is(err, ErrDamaged) {
		f.states = make(map[string][]byte)
		f.setAside(err)
		return nil
	} else if err != nil {
		return err
	}
	if err := f.write(content); err != nil && !errors.Is(err, syscall.ENOSPC) { // the next save reports a full disk
		return fmt.Errorf("it can't be replaced, but each save replaces it; if it is mounted into a container, mount its folder instead: %w", err)
	}
	return nil
}

// stateFileStart matches the start of a state file: an input's own ID or one that Telegraf has generated.
var stateFileStart = regexp.MustCompile(`^\s*\{\s*"(inputs\.\w|[0-9a-f]{64}")`)

// parseStates parses the content of a state file. An empty file has no states: somebody may have created it to set its
// owner. Content that starts like a state file or is all zeros, as a system crash may leave it, is ErrDamaged. Anything
// else is errNotStateFile.
func parseStates(content []byte) (states map[string][]byte, err error) {
	if len(bytes.TrimSpace(content)) == 0 {
		return make(map[string][]byte), nil
	}
	if bytes.Count(content, []byte(":")) > maxStates {
		return nil, errNotStateFile
	}
	err = json.Unmarshal(content, &states)
	switch {
	case err == nil && states != nil && (stateFileStart.Match(content) || areJSON(states)):
		return states, nil
	case stateFileStart.Match(content), len(bytes.Trim(content, "\x00")) == 0:
		return nil, ErrDamaged
	}
	return nil, errNotStateFile
}

// areJSON reports whether all values are states in JSON, and not other text in base64.
func areJSON(states map[string][]byte) bool {
	for _, state := range states {
		if !json.Valid(state) {
			return false
		}
	}
	return true
}

// restore sets the inputs' states. If an input refuses its state, the state is dropped, the file is set aside, and the
// input starts fresh. An input without a state in an existing file also starts fresh.
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
	case !f.hadContent || len(missing) == 0:
	case restored == 0:
		log.Warnf("State file %s has no state for any input in this configuration, so they all start fresh. If another program also writes it, such as "+
			"a Telegraf whose own [agent] names the same statefile, give each its own file", f.path)
	default:
		log.Infof("State file %s has no state for %q yet, so it starts fresh", f.path, missing)
	}
}

// reject drops a state that its input accepted but has since found to be unusable. The other states are saved soon.
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

// setAside renames the original file. It does so once, because that file has the states of all inputs.
func (f *stateFile) setAside(reason error) {
	if f.originalFate == "" {
		rejected := fmt.Sprintf("%s.rejected-%d", f.path, time.Now().Unix())
		f.originalFate = "It was renamed to " + rejected
		if err := os.Rename(f.path, rejected); err != nil {
			f.originalFate = fmt.Sprintf("It will be overwritten, because it could not be renamed (%v)", err)
		}
	}
	log.Warnf("State file %s can't be used (%v): starting without it. %s", f.path, reason, f.originalFate)
	f.hadContent = false
	f.changed = len(f.states) > 0
}

// set stores the state of id, to be saved soon if it has changed.
func (f *stateFile) set(id string, state []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.path == "" || bytes.Equal(f.states[id], state) {
		return
	}
	f.states[id] = state
	f.changed = true
	f.wakeUp()
}

// wakeUp makes saveChanges save soon.
func (f *stateFile) wakeUp() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// saveChanges saves changed states until the context ends. Changes during a save go into the next one together.
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

// save writes the file if anything has changed. It logs the first of several failures in a row.
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
		f.hasFailed = false
		return
	}
	f.mu.Lock()
	f.changed = true
	f.mu.Unlock()
	if !f.hasFailed {
		log.Errorf("Saving the state failed: %v", err)
	}
	f.hasFailed = true
}

// write replaces the file in one step, after the new content is on the disk.
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
		dir.Sync() //nolint:errcheck // not all file systems support it, and the file is complete without it
		dir.Close()
	}
	return nil
}

// createTemp creates the temporary file that replaces the state file. It always has the same name, so a crash leaves at
// most one. An existing file is removed rather than written to, because it may be a link.
func (f *stateFile) createTemp() (*os.File, error) {
	if err := os.Remove(f.path + tempSuffix); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	temp, err := os.OpenFile(f.path+tempSuffix, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0600)
	if err != nil {
		return nil, err
	}
	temp.Chmod(0600) //nolint:errcheck // undoes the umask; not all file systems have modes
	return temp, nil
}

func (f *stateFile) close() {
	if f.lock != nil {
		f.lock.Close()
	}
}
