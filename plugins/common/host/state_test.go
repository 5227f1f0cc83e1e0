package host

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/models"
	"github.com/influxdata/telegraf/persister"
)

// inputsByID returns instances for pairs of a state's ID and an input.
func inputsByID(pairs ...any) (instances []*instance) {
	for n := 0; n+1 < len(pairs); n += 2 {
		input := models.NewRunningInput(pairs[n+1].(telegraf.Input), &models.InputConfig{Name: "probe"})
		instances = append(instances, &instance{RunningInput: input, stateID: pairs[n].(string)})
	}
	return instances
}

func openStates(t *testing.T, path string) *stateFile {
	t.Helper()
	f, err := openStateFile(path)
	require.NoError(t, err)
	t.Cleanup(f.close)
	return f
}

// A state file can move from Telegraf to the host and back.
//
//promise:shim
func TestStateFileIsCompatibleWithTelegraf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	a, b := &probe{state: probeState{Gathers: 7}}, &probe{state: probeState{Gathers: 8}}
	native := persister.Persister{Filename: path}
	require.NoError(t, native.Init())
	require.NoError(t, native.Register("a", a))
	require.NoError(t, native.Register("b", b))
	require.NoError(t, native.Store())

	a.state, b.state = probeState{}, probeState{}
	f := openStates(t, path)
	f.restore(inputsByID("a", a)) // b is not configured any more
	require.Equal(t, probeState{Gathers: 7}, a.state)
	f.set("a", []byte(`{"gathers":8}`))
	f.save()
	f.close()

	a.state, b.state = probeState{}, probeState{}
	require.NoError(t, native.Load())
	require.Equal(t, probeState{Gathers: 8}, a.state)
	require.Equal(t, probeState{Gathers: 8}, b.state, "the state of an input that was not configured is lost")
}

//promise:state-damaged
func TestUnusableStateFiles(t *testing.T) {
	for _, tt := range []struct{ name, content, reason, left string }{
		{"cut off", `{"inputs.probe a":"eyJnYXRoZXJz`, "it is damaged", ""},
		{"cut off, of Telegraf", `{"` + strings.Repeat("0a", 32) + `":"eyJ`, "it is damaged", ""},
		{"other values", `{"inputs.probe a":5}`, "it is damaged", ""},
		{"zeros", strings.Repeat("\x00", 100), "it is damaged", ""},
		{"state is no JSON", `{"inputs.a":"eyJn","inputs.b":"eyJnYXRoZXJzIjozfQ=="}`, `state of "inputs.a": unexpected end of JSON input`,
			`{"inputs.b":"eyJnYXRoZXJzIjozfQ=="}`},
		{"state of another shape", `{"inputs.a":"WzFd"}`, `state of "inputs.a": json: cannot unmarshal array into Go value of type host.probeState`, ""},
		{"state refused", `{"inputs.a":"eyJnYXRoZXJzIjotMX0="}`, `state of "inputs.a": gathers below zero`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, _ := captureLog(t, false)
			path := filepath.Join(t.TempDir(), "state")
			require.NoError(t, os.WriteFile(path, []byte(tt.content), 0600))
			a, b := &probe{}, &probe{}
			f := openStates(t, path)
			f.restore(inputsByID("inputs.a", a, "inputs.b", b))
			require.Zero(t, a.state)

			aside, err := filepath.Glob(path + ".rejected-*")
			require.NoError(t, err)
			require.Len(t, aside, 1)
			content, err := os.ReadFile(aside[0])
			require.NoError(t, err)
			require.Equal(t, tt.content, string(content))
			warning := fmt.Sprintf("W! State file %s can't be used (%s): starting without it. It was renamed to %s\n", path, tt.reason, aside[0])
			require.Equal(t, warning, out.String())

			f.save()
			left, err := os.ReadFile(path)
			if tt.left == "" {
				require.ErrorIs(t, err, os.ErrNotExist)
				return
			}
			require.NoError(t, err)
			require.JSONEq(t, tt.left, string(left))
			require.Equal(t, 3, b.state.Gathers)
		})
	}
}

// An input may reject its state during a gather. The file is set aside once, and the other states are saved in the new
// one.
//
//promise:state-damaged
func TestStatesRejectedDuringGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, _ := captureLog(t, false)
		path := filepath.Join(t.TempDir(), "state")
		const old = `{"other":"MQ==","probe 0":"eyJnYXRoZXJzIjo3fQ==","probe 1":"eyJnYXRoZXJzIjo4fQ==","probe 2":"eyJnYXRoZXJzIjo0fQ=="}`
		require.NoError(t, os.WriteFile(path, []byte(old), 0600))
		fromTheFuture := func(p *probe, acc telegraf.Accumulator) error {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.state.Gathers > 5 {
				p.state, p.rejected = probeState{Gathers: 1}, errors.New("gathers of tomorrow")
			}
			acc.AddFields("probe", map[string]any{"n": 1}, nil)
			return nil
		}
		probes := []*probe{{gather: fromTheFuture}, {gather: fromTheFuture}, {}}
		states := openStates(t, path)
		h, stub := prepareHost(t, false, states, probes...)
		stub.hold = make(chan struct{})
		states.restore(h.instances)
		require.Equal(t, 4, probes[2].state.Gathers)
		require.NoError(t, h.start())
		gather := func(n int) {
			h.running[n].prompts <- struct{}{}
			synctest.Wait()
		}
		left := func() string {
			synctest.Wait()
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			return string(content)
		}

		gather(0)
		require.JSONEq(t, `{"other":"MQ==","probe 1":"eyJnYXRoZXJzIjo4fQ==","probe 2":"eyJnYXRoZXJzIjo0fQ=="}`, left(), "the row is not written yet")
		stub.hold <- struct{}{}
		want := `{"other":"MQ==","probe 0":"eyJnYXRoZXJzIjoxfQ==","probe 1":"eyJnYXRoZXJzIjo4fQ==","probe 2":"eyJnYXRoZXJzIjo0fQ=="}`
		require.JSONEq(t, want, left())
		gather(1)
		stub.hold <- struct{}{}
		gather(2)
		require.JSONEq(t, strings.NewReplacer("o4fQ", "oxfQ", "o0fQ", "o1fQ").Replace(want), left())

		aside, err := filepath.Glob(path + ".rejected-*")
		require.NoError(t, err)
		require.Len(t, aside, 1)
		content, err := os.ReadFile(aside[0])
		require.NoError(t, err)
		require.JSONEq(t, old, string(content))
		var log strings.Builder
		for _, id := range []string{"probe 0", "probe 1"} {
			fmt.Fprintf(&log, "W! State file %s can't be used (state of %q: gathers of tomorrow): starting without it. It was renamed to %s\n",
				path, id, aside[0])
		}
		require.Equal(t, log.String(), out.String())
		stopHost(t, h)
	})
}

// Without a state file, nothing is kept, and there is nothing to set aside.
func TestWithoutStateFile(t *testing.T) {
	out, _ := captureLog(t, false)
	f := openStates(t, "")
	f.reject("a", errors.New("gathers of tomorrow"))
	f.set("b", []byte("1"))
	f.save()
	require.Empty(t, out.String())
	require.NoFileExists(t, ".tmp")
	require.NoFileExists(t, ".lock")
}

// An administrator may create an empty file to set its owner.
//
//promise:state
func TestEmptyStateFile(t *testing.T) {
	out, _ := captureLog(t, false)
	path := filepath.Join(t.TempDir(), "state")
	require.NoError(t, os.WriteFile(path, []byte("\n"), 0600))
	f := openStates(t, path)
	f.restore(inputsByID("a", &probe{}))
	require.Empty(t, out.String())
	f.set("a", []byte("1"))
	f.save()
	states, err := ReadStates(path)
	require.NoError(t, err)
	require.Equal(t, map[string][]byte{"a": []byte("1")}, states)
}

//promise:status
func TestReadStates(t *testing.T) {
	t.Chdir(t.TempDir())
	_, err := ReadStates("state")
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = ReadStates(".")
	require.EqualError(t, err, "it is not a regular file")
	require.NoError(t, os.WriteFile("damaged", []byte(`{"inputs.probe`), 0600))
	_, err = ReadStates("damaged")
	require.ErrorIs(t, err, ErrDamaged)
	require.NoError(t, os.Remove("damaged"))

	f := openStates(t, "state") // holds the lock
	f.set("a", []byte("1"))
	f.save()
	require.NoError(t, os.Symlink("state", "link"))
	for _, path := range []string{"state", "link"} {
		states, err := ReadStates(path)
		require.NoError(t, err)
		require.Equal(t, map[string][]byte{"a": []byte("1")}, states)
	}
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	require.Len(t, entries, 3, "the state, its lock and the link")
}

// A statefile that is another file by mistake stays unchanged.
//
//promise:state-safe
func TestOtherFileAsStatefile(t *testing.T) {
	for name, content := range map[string]string{
		"null": "null", "JSON": `{"name": "x", "version": 5}`, "texts in base64": `{"name":"AAAA"}`,
		"cut off": `{"a":`, "list": "[1]", "many states": `{` + strings.Repeat(`"a":"MA==",`, maxStates) + `"b":"MA=="}`,
		"binary": "\x7fELF\x00\x00", "blank zeros": "\x00 \x00",
		"text": "root:x:0:0::/root:/bin/sh\n", "TOML": "[agent]\n  interval = \"5m\"\n", "long": strings.Repeat("\n", maxStateFile+1),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			require.NoError(t, os.WriteFile(path, []byte(content), 0640))
			for _, use := range []func(string) error{
				func(path string) error { _, err := openStateFile(path); return err },
				func(path string) error { _, err := ReadStates(path); return err },
				CheckStatefile,
			} {
				require.EqualError(t, use(path), "it is not a state file and was not changed: use another file, or move it away")
				after, err := os.ReadFile(path)
				require.NoError(t, err)
				require.True(t, bytes.Equal([]byte(content), after))
				info, err := os.Stat(path)
				require.NoError(t, err)
				require.Equal(t, os.FileMode(0640), info.Mode())
				others, err := filepath.Glob(path + ".*")
				require.NoError(t, err)
				require.Empty(t, others)
			}
		})
	}
}

//promise:state-safe
func TestStateFileThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	_, err := openStateFile(filepath.Join(dir, "missing", "state"))
	require.ErrorIs(t, err, os.ErrNotExist)
	// A socket stands for any device, because a mistake here must not delete /dev/null.
	socket, err := net.Listen("unix", filepath.Join(dir, "socket"))
	require.NoError(t, err)
	defer socket.Close()
	for _, path := range []string{dir, filepath.Join(dir, "socket")} {
		_, err = openStateFile(path)
		require.EqualError(t, err, "it is not a regular file; without a statefile, no state is kept")
		require.NoFileExists(t, path+".lock")
	}

	first := openStates(t, filepath.Join(dir, "state"))
	synctest.Test(t, func(t *testing.T) { // waiting takes no time in a bubble
		_, err := openStateFile(filepath.Join(dir, "state"))
		require.ErrorContains(t, err, "is held by another process that uses the same state file")
	})
	first.close()
	openStates(t, filepath.Join(dir, "state"))
}

//promise:state-damaged
func TestMissingStatesAreLogged(t *testing.T) {
	const warning = "W! State file PATH has no state for any input in this configuration, so they all start fresh. If another program also writes it, " +
		"such as a Telegraf whose own [agent] names the same statefile, give each its own file\n"
	for _, tt := range []struct{ name, content, want string }{
		{"no file", "", ""},
		{"all there", `{"a":"e30=","b":"e30=","other":"e30="}`, ""},
		{"one is new", `{"a":"e30="}`, "I! State file PATH has no state for [\"b\"] yet, so it starts fresh\n"},
		{"wiped by Telegraf", `{}`, warning},
		{"Telegraf's", `{"other":"e30="}`, warning},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, _ := captureLog(t, false)
			path := filepath.Join(t.TempDir(), "state")
			if tt.content != "" {
				require.NoError(t, os.WriteFile(path, []byte(tt.content), 0600))
			}
			openStates(t, path).restore(inputsByID("a", &probe{}, "b", &probe{}, "stateless", &plain{}))
			require.Equal(t, tt.want, strings.ReplaceAll(out.String(), path, "PATH"))
		})
	}
}

//promise:state
func TestStateFileBehindALink(t *testing.T) {
	dir := t.TempDir()
	target, middle, link := filepath.Join(dir, "target"), filepath.Join(dir, "middle"), filepath.Join(dir, "link")
	require.NoError(t, os.Symlink("middle", link))
	require.NoError(t, os.Symlink(target, middle))
	for n, want := range []string{`{"a":"MA=="}`, `{"a":"MQ=="}`} { // the target does not exist at first
		f := openStates(t, link)
		f.set("a", fmt.Append(nil, n))
		f.save()
		f.close()
		content, err := os.ReadFile(target)
		require.NoError(t, err)
		require.JSONEq(t, want, string(content))
	}
	require.NoError(t, os.Remove(target))
	require.NoError(t, os.Symlink("link", target))
	_, err := openStateFile(link)
	require.Error(t, err, "links in a circle")
}

// The old file stays until the new one is complete.
//
//promise:state
func TestStateFileIsReplacedInOneStep(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	f := openStates(t, path)
	f.set("a", bytes.Repeat([]byte("1"), 1<<20))
	f.save()
	old, err := os.Open(path)
	require.NoError(t, err)
	defer old.Close()
	f.set("a", []byte("2"))
	f.save()

	before, err := old.Stat()
	require.NoError(t, err)
	require.Greater(t, before.Size(), int64(1<<20), "the file was changed in place")
	now, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0600), now.Mode())
	require.Equal(t, int64(len(`{"a":"Mg=="}`)), now.Size())
	require.NoFileExists(t, path+".tmp")

	require.NoError(t, os.Remove(path))
	f.set("a", []byte("2"))
	f.save()
	require.NoFileExists(t, path, "written without a change")
}

//promise:state
func TestFailedSavesAreLoggedOnceAndRetried(t *testing.T) {
	out, _ := captureLog(t, false)
	dir := filepath.Join(t.TempDir(), "states")
	require.NoError(t, os.Mkdir(dir, 0700))
	f := openStates(t, filepath.Join(dir, "state"))
	require.NoError(t, os.RemoveAll(dir))
	for n := range 3 {
		f.set("a", fmt.Append(nil, n))
		f.save()
	}
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
	require.Contains(t, out.String(), "E! Saving the state failed: ")

	require.NoError(t, os.Mkdir(dir, 0700))
	f.save()
	content, err := os.ReadFile(f.path)
	require.NoError(t, err)
	require.JSONEq(t, `{"a":"Mg=="}`, string(content))
	require.NoError(t, os.RemoveAll(dir))
	f.set("a", []byte("9"))
	f.save()
	require.Equal(t, 2, strings.Count(out.String(), "\n"))
}
