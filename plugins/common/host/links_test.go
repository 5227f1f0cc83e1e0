//go:build linux

package host

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A link that another user has put in place of one of the state's files is never followed, even by root.
//
//promise:state-safe
func TestStateFilesThatAreLinks(t *testing.T) {
	needRoot(t)
	const precious = "precious content\n"
	for _, suffix := range []string{"", tempSuffix, lockPath("")} {
		for _, dangling := range []bool{false, true} {
			folder := t.TempDir()
			path, target := filepath.Join(folder, "state"), filepath.Join(t.TempDir(), "target")
			if !dangling {
				require.NoError(t, os.WriteFile(target, []byte(precious), 0600))
			}
			if suffix != "" {
				require.NoError(t, os.WriteFile(path, []byte(`{"inputs.probe a":"MA=="}`), 0600))
			}
			require.NoError(t, os.Symlink(target, path+suffix))
			require.NoError(t, os.Lchown(path+suffix, nobody, nobody))

			err := CheckStatefile(path)
			f, openErr := openStateFile(path)
			switch suffix {
			case "":
				const refusal = "/state is a link that belongs to nobody and is not followed: use the path of its target"
				require.ErrorContains(t, err, refusal)
				require.ErrorContains(t, openErr, refusal)
			case tempSuffix:
				require.NoError(t, err)
				require.NoError(t, openErr)
				f.set("inputs.probe a", []byte("1"))
				f.save()
				f.close()
				content, err := os.ReadFile(path)
				require.NoError(t, err)
				require.JSONEq(t, `{"inputs.probe a":"MQ=="}`, string(content))
			default:
				require.ErrorContains(t, err, "/state.lock is not a regular file: remove it")
				require.ErrorContains(t, openErr, "/state.lock is not a regular file: remove it")
			}
			content, err := os.ReadFile(target)
			if dangling {
				require.ErrorIs(t, err, os.ErrNotExist, "a link was followed")
				continue
			}
			require.NoError(t, err)
			require.Equal(t, precious, string(content), "a link was followed")
		}
	}
}

// No link is followed even if another user keeps swapping the state file with a link while root opens it, and keeps
// creating one at the temporary file's path.
//
//promise:state-safe
func TestLinksThatAreSwapped(t *testing.T) {
	needRoot(t)
	folder, victims := t.TempDir(), t.TempDir()
	path, link := filepath.Join(folder, "state"), filepath.Join(folder, "link")
	require.NoError(t, os.WriteFile(path, []byte("{}"), 0600))
	require.NoError(t, os.Symlink(filepath.Join(victims, "state"), link))
	require.NoError(t, os.Lchown(link, nobody, nobody))
	var exchanging sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	exchange := func(once func()) {
		exchanging.Go(func() {
			for ctx.Err() == nil {
				once()
			}
		})
	}
	exchange(func() { _ = unix.Renameat2(unix.AT_FDCWD, path, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE) }) // the file may have been replaced
	exchange(func() { _ = os.Symlink(filepath.Join(victims, "next"), path+tempSuffix) })                    // the link may exist
	for begin := time.Now(); time.Since(begin) < time.Second; {
		if f, err := openStateFile(path); err == nil {
			f.close()
		}
		_ = CheckStatefile(path)
	}
	cancel()
	exchanging.Wait()
	left, err := os.ReadDir(victims)
	require.NoError(t, err)
	require.Empty(t, left, "a link of another user was followed")
}

// A FIFO must not block the host.
//
//promise:state-safe
func TestStateFilesThatAreFIFOs(t *testing.T) {
	for suffix, expected := range map[string]string{
		"": "it is not a regular file", tempSuffix: "", lockPath(""): "state.lock is not a regular file: remove it",
	} {
		path := filepath.Join(t.TempDir(), "state")
		require.NoError(t, unix.Mkfifo(path+suffix, 0600))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		errs := make(chan error, 3)
		go func() {
			errs <- CheckStatefile(path)
			f, err := openStateFile(path)
			if err == nil {
				f.close()
			}
			errs <- err
			if suffix == "" {
				_, err = ReadStates(path)
			}
			errs <- err
		}()
		for range cap(errs) {
			select {
			case err := <-errs:
				if expected == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, expected)
				}
			case <-ctx.Done():
				require.Fail(t, "a FIFO was waited for", suffix)
			}
		}
		cancel()
	}
}

//promise:state-safe
func TestUmask(t *testing.T) {
	for _, umask := range []int{0, 0777} {
		path := filepath.Join(t.TempDir(), "state")
		before := unix.Umask(umask)
		f := openStates(t, path)
		f.set("a", []byte("1"))
		f.save()
		unix.Umask(before)
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0600), info.Mode())
		lock, err := os.Stat(lockPath(path))
		require.NoError(t, err)
		require.Zero(t, lock.Mode()&0077)
	}
}

// The text of a configuration, and with it the secrets, must not stay in memory.
//
//promise:protection
func TestConfigurationIsForgotten(t *testing.T) {
	const lines, marker = 100_000, "invented-marker" // far more than Go's allocator retains
	var conf strings.Builder
	for n := range lines {
		fmt.Fprintf(&conf, "# %s-%d in a comment\n", marker, n)
	}
	conf.WriteString("[[inputs.probe]]\nserver = \"a\"\n")
	c := startChild(t, conf.String(), Options{})
	require.Contains(t, c.row(), "probe,server=a n=0i")
	require.Less(t, strings.Count(memoryOf(t, c.Process.Pid), marker), lines/2)
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", c.Process.Pid))
	require.NoError(t, err)
	require.Regexp(t, `Max core file size +0 +0 `, string(limits), "a crash would write memory to a file")
}

//promise:footprint
func TestMemoryLimit(t *testing.T) {
	for set, want := range map[string]int{"": 1<<30 + 2<<20, "2GiB": 2 << 30} {
		t.Setenv("GOMEMLIMIT", set)
		c := startChild(t, "[[inputs.internal]]\ncollect_gostats = true\n[[inputs.plain]]\n", Options{Memory: 1 << 30, MemoryPerTable: 1 << 20})
		require.Eventually(t, func() bool { return strings.Contains(c.row(), fmt.Sprintf("gc_gomemlimit_bytes=%d", want)) }, time.Minute, time.Millisecond)
	}
}

// memoryOf returns all readable memory of a process.
func memoryOf(t *testing.T, pid int) string {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	require.NoError(t, err)
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	require.NoError(t, err)
	defer memory.Close()
	var all strings.Builder
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		if _, err := fmt.Sscanf(line, "%x-%x r", &from, &to); err != nil || strings.Contains(line, "[v") {
			continue
		}
		part := make([]byte, to-from)
		if n, err := memory.ReadAt(part, from); err == nil {
			all.Write(part[:n])
		}
	}
	return all.String()
}

// The disk is full at the start, and has space again later.
//
//promise:state
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		skipWithout(t, fmt.Sprintf("no small disk: %v", err))
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, 0)) })
	out, _ := captureLog(t, false)
	path, filler := filepath.Join(dir, "state"), filepath.Join(dir, "filler")
	require.NoError(t, os.WriteFile(path, []byte(`{"a":"MA=="}`), 0600))
	require.ErrorIs(t, os.WriteFile(filler, make([]byte, 1<<20), 0600), unix.ENOSPC)
	f := openStates(t, path)
	t.Cleanup(f.close) // before the unmount
	f.set("a", []byte("1"))
	f.save()
	require.Equal(t, "E! Saving the state failed: write "+path+".tmp: no space left on device\n", out.String())
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.JSONEq(t, `{"a":"MA=="}`, string(content))

	require.NoError(t, os.Remove(filler))
	f.save()
	content, err = os.ReadFile(path)
	require.NoError(t, err)
	require.JSONEq(t, `{"a":"MQ=="}`, string(content))
}
