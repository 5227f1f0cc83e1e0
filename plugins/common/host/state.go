package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"time"

	"github.com/influxdata/telegraf"
)

// stateFile keeps the inputs' states in the file that [agent] statefile names, in the format of Telegraf's own, so that
// an input may move between here and Telegraf. Unlike Telegraf's it is written whenever a state has changed, and in one
// step: a crash leaves the old file or the new one. Without a path nothing is kept.
type stateFile struct {
	path string
	lock *os.File // held as long as the file is ours
	wake chan struct{}

	mu      sync.Mutex
	states  map[string][]byte // JSON by ID, those of inputs that are not configured now included
	changed bool

	saving sync.Mutex
	failed bool // the last save, and that has been logged
}

// openStateFile reads the file at path, if there is one, and makes sure that it can be written and that no other
// process does so. A file that is no state file is set aside.
func openStateFile(path string) (*stateFile, error) {
	f := &stateFile{path: path, wake: make(chan struct{}, 1), states: make(map[string][]byte)}
	if path == "" {
		return f, nil
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		f.path = target
	}

	var err error
	if f.lock, err = lockFile(f.path + ".lock"); err != nil {
		return nil, err
	}
	temp, err := f.createTemp()
	if err != nil {
		return nil, err
	}
	temp.Close()
	os.Remove(temp.Name())

	content, err := os.ReadFile(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(content, &f.states); err != nil || f.states == nil {
		f.states = make(map[string][]byte)
		f.setAside(errors.New("it is not a state file"))
	}
	return f, nil
}

// restore gives the plugins, by ID, the states they had. One that its plugin refuses is dropped, and the file set
// aside: the plugin starts afresh.
func (f *stateFile) restore(plugins map[string]telegraf.StatefulPlugin) {
	var refused []error
	for id, plugin := range plugins {
		serialized, found := f.states[id]
		if !found {
			continue
		}
		state := reflect.New(reflect.TypeOf(plugin.GetState()))
		err := json.Unmarshal(serialized, state.Interface())
		if err == nil {
			err = plugin.SetState(state.Elem().Interface())
		}
		if err != nil {
			refused = append(refused, fmt.Errorf("state of %q: %w", id, err))
			delete(f.states, id)
		}
	}
	if len(refused) > 0 {
		f.setAside(errors.Join(refused...))
	}
}

func (f *stateFile) setAside(reason error) {
	aside := fmt.Sprintf("%s.rejected-%d", f.path, time.Now().Unix())
	if err := os.Rename(f.path, aside); err != nil {
		aside = fmt.Sprintf("lost (%v)", err)
	}
	log.Warnf("State file %s is not usable, starting without; it is now %s: %v", f.path, aside, reason)
	f.changed = len(f.states) > 0
}

// snapshot is a plugin's state at one moment, to be kept later.
func snapshot(plugin telegraf.StatefulPlugin) ([]byte, error) {
	return json.Marshal(plugin.GetState())
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

// createTemp opens the file that the next state is written to: always the same, so that a crash leaves no more than one.
func (f *stateFile) createTemp() (*os.File, error) {
	return os.OpenFile(f.path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0600)
}

func (f *stateFile) close() {
	if f.lock != nil {
		f.lock.Close()
	}
}
