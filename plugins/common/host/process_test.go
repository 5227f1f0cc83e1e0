//go:build !windows

package host

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

//promise:log
func TestRowsAndLogsOfAProcess(t *testing.T) {
	c := startChild(t, `
[agent]
  debug = true
[[inputs.probe]]
  server = "a"
  alias = "x"
  does = "log"
  log_level = "trace"
[[inputs.plain]]
  interval = "1h"
`, Options{})
	rows := []string{withoutTime(c.row()), withoutTime(c.row())}
	require.ElementsMatch(t, []string{"probe,server=a n=0i", "plain v=1i"}, rows)
	require.NoError(t, c.in.Close())
	status, rest, logged := c.end()
	require.Zero(t, status, logged)
	require.Empty(t, rest)
	var probes []string
	for _, line := range logged {
		require.Regexp(t, `^[EWIDT]! `, line)
		if strings.Contains(line, "[inputs.probe::x]") {
			probes = append(probes, line)
		}
	}
	require.Equal(t, []string{"D! [inputs.probe::x] initialising", "E! [inputs.probe::x] an error", "W! [inputs.probe::x] a warning",
		"I! [inputs.probe::x] an info", "D! [inputs.probe::x] a debug", "T! [inputs.probe::x] a trace"}, probes)
}

//promise:state
func TestGathersAtEachLineOnStdin(t *testing.T) {
	conf := "[agent]\nstatefile = \"" + t.TempDir() + "/state\"\n[[inputs.probe]]\nserver = \"a\""
	for _, counts := range [][]int{{0, 1, 2}, {3, 4}} { // the second process resumes where the first one stopped
		c := startChild(t, conf, Options{PollIntervalDisabled: true})
		for _, n := range counts {
			_, err := c.in.Write([]byte("\n"))
			require.NoError(t, err)
			require.Equal(t, fmt.Sprintf("probe,server=a n=%di", n), withoutTime(c.row()))
		}
		require.NoError(t, c.in.Close())
		status, rest, logged := c.end()
		require.Zero(t, status, logged)
		require.Empty(t, rest)
	}
}

// Everything that execd relies on is as in Telegraf's shim.
//
//promise:shim
func TestShimProtocol(t *testing.T) {
	asShim := func(c *exec.Cmd) { c.Env = append(c.Env, shimEnv+"=1") }
	for name, adjust := range map[string]func(*exec.Cmd){"shim": asShim, "host": func(*exec.Cmd) {}} {
		for end, stop := range map[string]func(c *child) error{
			"stdin":   func(c *child) error { return c.in.Close() },
			"SIGTERM": func(c *child) error { return c.Process.Signal(syscall.SIGTERM) },
			"SIGINT":  func(c *child) error { return c.Process.Signal(syscall.SIGINT) },
		} {
			t.Run(name+" "+end, func(t *testing.T) {
				c := startChild(t, "[[inputs.plain]]", Options{PollIntervalDisabled: true}, adjust)
				for range 3 {
					_, err := c.in.Write([]byte("\n"))
					require.NoError(t, err)
					require.Regexp(t, `^plain v=1i \d{19}$`, c.row())
				}
				require.NoError(t, stop(c))
				status, rest, logged := c.end()
				require.Zero(t, status, logged)
				require.Empty(t, rest)
			})
		}
	}
}

//promise:mistakes
func TestProcessThatCannotStart(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct{ name, conf, want string }{
		{"configuration", "[[inputs.plan]]", `E! FILE:1: unknown input plugin "plan": did you mean "plain"?`},
		{"init", "\n[[inputs.probe]]", "E! [inputs.probe] FILE:2: server is required"},
		{"start", "[agent]\nstatefile = \"" + dir + "/state\"\n[[inputs.probe]]\nserver = \"a\"\nat_start = \"no\\nway\"",
			"E! [inputs.probe] FILE:3: starting failed: no way"},
		{"state file", "[agent]\nstatefile = \"" + dir + "/missing/state\"\n[[inputs.plain]]",
			"E! the state file " + dir + "/missing/state can't be used: open " + dir + "/missing/state.lock: no such file or directory: " +
				"the folder " + dir + "/missing is missing: create it with sudo install -d -o " + nameOf(os.Getuid()) + " -m 750 " + dir + "/missing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := confFile(t, tt.conf)
			status, rows, logged := startChild(t, "", Options{Config: []string{path}}).end()
			require.Equal(t, 1, status)
			require.Empty(t, rows)
			var errs []string
			for _, line := range logged {
				if !strings.HasPrefix(line, "I! ") {
					errs = append(errs, strings.ReplaceAll(line, path, "FILE"))
				}
			}
			require.Equal(t, []string{tt.want}, errs)
		})
	}
}

// The process exits within a second, whatever stops it and whatever an input or the reader does, and the state of all
// rows written is saved. The test allows for more time on a busy machine.
//
//promise:stop
func TestStop(t *testing.T) {
	t.Parallel()
	require.Less(t, stopTime+abortTime, time.Second)
	closeStdin := func(t *testing.T, c *child) { require.NoError(t, c.in.Close()) }
	send := func(s os.Signal) func(*testing.T, *child) {
		return func(t *testing.T, c *child) { require.NoError(t, c.Process.Signal(s)) }
	}
	for _, tt := range []struct {
		name    string
		does    string
		stop    func(*testing.T, *child)
		status  int
		warning string
	}{
		{"stdin", "", closeStdin, 0, ""},
		{"stdin after a SIGHUP", "", func(t *testing.T, c *child) {
			require.NoError(t, c.Process.Signal(syscall.SIGHUP))
			time.Sleep(50 * time.Millisecond)
			closeStdin(t, c)
		}, 0, ""},
		{"SIGTERM", "", send(syscall.SIGTERM), 0, ""},
		{"SIGINT", "", send(syscall.SIGINT), 0, ""},
		{"stdin during a gather", "hang", closeStdin, 0, ""},
		{"SIGTERM during a gather", "hang", send(syscall.SIGTERM), 0, ""},
		{"state changes at the stop", "count stop", closeStdin, 0, ""},
		{"gather does not let go", "deaf", closeStdin, 1, "W! Stopping without waiting any longer for [inputs.probe::busy] FILE:6"},
		{"gather does not let go of SIGTERM", "deaf", send(syscall.SIGTERM), 1, "W! Stopping without waiting any longer for [inputs.probe::busy] FILE:6"},
		{"stop does not return", "deaf stop", closeStdin, 1, "W! Stopping without waiting any longer for [inputs.probe::busy] FILE:6"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "state")
			c := startChild(t, `
[agent]
  statefile = "`+path+`"
[[inputs.probe]]
  server = "quick"
[[inputs.probe]]
  server = "busy"
  alias = "busy"
  does = "`+tt.does+`"
`, Options{})
			require.NotEmpty(t, c.row())
			if tt.does != "hang" && tt.does != "deaf" {
				require.NotEmpty(t, c.row())
			} else {
				c.waitForLog("hanging")
				c.waitForState(path, "probe quick", 1)
			}

			begin := time.Now()
			tt.stop(t, c)
			status, rows, logged := c.end()
			require.Less(t, time.Since(begin), 5*time.Second)
			require.Equal(t, tt.status, status, logged)
			if tt.warning != "" {
				require.Equal(t, tt.warning, configPath.ReplaceAllString(logged[len(logged)-1], "FILE:"))
			}
			if tt.does == "hang" {
				require.Len(t, rows, 1, "the rows of a stopped gather are lost")
			}
			require.Equal(t, 1, gathersIn(t, path, "probe quick"))
			switch tt.does {
			case "hang":
				require.Equal(t, 1, gathersIn(t, path, "probe busy"))
			case "count stop":
				require.Equal(t, 101, gathersIn(t, path, "probe busy"), "the state after Stop is lost")
			}
		})
	}
}

// The state after Stop is saved only if all rows have been read, by a Telegraf that keeps running.
//
//promise:killed
func TestStopIsNotCleanIfRowsAreUnread(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(c *child, path string){
		"Telegraf dies": func(c *child, _ string) {
			require.NoError(t, c.in.Close())
			time.Sleep(time.Millisecond)
			require.NoError(t, c.out.Close())
		},
		"a row is not taken": func(c *child, path string) {
			_, err := c.in.Write([]byte("\n"))
			require.NoError(t, err)
			c.waitForState(path, "probe a", 2)
			require.NoError(t, c.in.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "state")
			conf := "[agent]\nstatefile = \"" + path + "\"\n[[inputs.probe]]\nserver = \"a\"\ndoes = \"count stop\""
			c := startChild(t, conf, Options{PollIntervalDisabled: true})
			_, err := c.in.Write([]byte("\n"))
			require.NoError(t, err)
			require.NotEmpty(t, c.row())
			c.waitForState(path, "probe a", 1)
			stop(c, path)
			for range c.logged { // until the process has exited
			}
			require.Less(t, gathersIn(t, path, "probe a"), 100)
		})
	}
}

// configPath matches the path of a configuration before a line number.
var configPath = regexp.MustCompile(`\S+test\.conf:`)

//promise:stop
func TestSignalDuringStart(t *testing.T) {
	t.Parallel()
	c := startChild(t, "[[inputs.probe]]\nserver = \"a\"\nat_start = \"hang\"", Options{})
	c.waitForLog("starting")
	require.NoError(t, c.Process.Signal(syscall.SIGTERM))
	status, _, logged := c.end()
	require.Equal(t, 1, status)
	require.Regexp(t, `Stopping without waiting any longer for \[inputs\.probe\] \S+:1$`, logged[len(logged)-1])
}

// If one input fails to start, rows of the others are written, and the others are stopped within a second.
//
//promise:stop
func TestFailedStart(t *testing.T) {
	t.Parallel()
	failing := "\n[[inputs.probe]]\nserver = \"b\"\nat_start = \"no way\""
	status, rows, logged := startChild(t, "[[inputs.probe]]\nserver = \"a\"\nat_start = \"row\""+failing, Options{}).end()
	require.Equal(t, 1, status)
	require.Len(t, rows, 1)
	require.Contains(t, logged[len(logged)-1], "starting failed: no way")

	begin := time.Now()
	status, _, logged = startChild(t, "[[inputs.probe]]\nserver = \"a\"\ndoes = \"deaf stop\""+failing, Options{}).end()
	require.Equal(t, 1, status)
	require.Contains(t, logged[len(logged)-1], "starting failed: no way")
	require.Less(t, time.Since(begin), 10*time.Second)
}

//promise:stop
func TestStopWhileNobodyReadsTheLog(t *testing.T) {
	t.Parallel()
	c := startChild(t, "[[inputs.probe]]\nserver = \"a\"\ndoes = \"flood\"", Options{})
	require.Eventually(t, func() bool { return len(c.logged) == cap(c.logged) }, 30*time.Second, time.Millisecond)
	begin := time.Now()
	require.NoError(t, c.in.Close())
	require.Empty(t, c.row())
	require.Less(t, time.Since(begin), 5*time.Second)
	status, _, _ := c.end()
	require.Equal(t, 1, status)
}

//promise:log
func TestDebugFlagBeatsQuiet(t *testing.T) {
	_, _, logged := startChild(t, "[agent]\nquiet = true\n[[inputs.probe]]\nserver = \"a\"", Options{Test: true, Debug: true}).end()
	require.Contains(t, logged, "D! [inputs.probe] initialising")
	_, _, logged = startChild(t, "[agent]\nquiet = true\n[[inputs.probe]]\nserver = \"a\"\ndoes=\"log\"", Options{Test: true}).end()
	require.Equal(t, []string{"E! [inputs.probe] an error"}, logged[len(logged)-1:])
}

// Rows that can't be written because nobody reads stdout do not count as done in the state.
//
//promise:killed
func TestStateWaitsForStdout(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	conf := `
[agent]
  statefile = "` + path + `"
[[inputs.probe]]
  server = "a"
  rows = 10000
`
	c := startChild(t, conf, Options{PollIntervalDisabled: true})
	_, err := c.in.Write([]byte("\n"))
	require.NoError(t, err)
	require.NotEmpty(t, c.row()) // the rest fills the pipe
	begin := time.Now()
	require.NoError(t, c.in.Close())
	for line := range c.logged {
		require.NotContains(t, line, "E! ")
	}
	require.Less(t, time.Since(begin), 5*time.Second)
	status, _, _ := c.end()
	require.Equal(t, 1, status)
	require.Zero(t, gathersIn(t, path, "probe a"), "rows were lost for good")

	c = startChild(t, conf, Options{PollIntervalDisabled: true})
	_, err = c.in.Write([]byte("\n"))
	require.NoError(t, err)
	for range 10000 {
		require.Equal(t, "probe,server=a n=0i", withoutTime(c.row()))
	}
	c.waitForState(path, "probe a", 1)
	require.NoError(t, c.in.Close())
	status, _, logged := c.end()
	require.Zero(t, status, logged)
}

//promise:stop
func TestBrokenStdoutEndsTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	c := startChild(t, "[agent]\nstatefile = \""+path+"\"\n[[inputs.probe]]\nserver = \"a\"\n", Options{PollIntervalDisabled: true})
	prompt := func() {
		_, err := c.in.Write([]byte("\n"))
		require.NoError(t, err)
	}
	prompt()
	require.NotEmpty(t, c.row())
	c.waitForState(path, "probe a", 1)
	require.NoError(t, c.out.Close())
	prompt()
	c.waitForLog("E! stdout is broken")
	status, _, _ := c.end()
	require.Equal(t, 1, status)
	require.Equal(t, 1, gathersIn(t, path, "probe a"))
}

//promise:shim
func TestPanicEndsTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	c := startChild(t, `
[agent]
  statefile = "`+path+`"
[[inputs.probe]]
  server = "good"
[[inputs.probe]]
  server = "bad"
  does = "panic"
`, Options{PollIntervalDisabled: true})
	_, err := c.in.Write([]byte("\n"))
	require.NoError(t, err)
	status, _, logged := c.end()
	require.Equal(t, 1, status)
	text := strings.Join(logged, "\n")
	require.Contains(t, text, "E! [inputs.probe] FATAL: panicked: out of cheese, Stack:\nE! [inputs.probe] goroutine ")
	require.Contains(t, text, "(*probe).Gather")
	for _, line := range logged {
		require.Regexp(t, `^[EWIDT]! `, line)
	}
}

// A metric that line protocol can't express is dropped. It would end Telegraf's shim.
//
//promise:shim
func TestUnserializableMetricsAreDropped(t *testing.T) {
	c := startChild(t, "[[inputs.probe]]\nserver = \"a\"\ndoes = \"nan\"\n[[inputs.plain]]\nlog_level = \"debug\"", Options{Debug: true})
	c.waitForLog("D! Dropped a metric: ")
	require.Equal(t, "plain v=1i", withoutTime(c.row()))
	require.NoError(t, c.in.Close())
	status, _, logged := c.end()
	require.Zero(t, status, logged)
}

//promise:trials
func TestTestMode(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	agent := "[agent]\nstatefile = \"" + state + "\"\n"
	for _, tt := range []struct {
		name, conf string
		status     int
		rows       []string
		err        string
	}{
		{"good", "[[inputs.probe]]\nserver = \"a\"\nrows = 2\n[[inputs.plain]]", 0, []string{"probe,server=a n=0i", "probe,server=a n=0i", "plain v=1i"}, ""},
		{"gather fails", "[[inputs.probe]]\nserver = \"a\"\ndoes = \"fail\"\n[[inputs.plain]]", 1, []string{"plain v=1i"},
			"E! gathering failed for 1 of 2 inputs"},
		{"error with rows", "[[inputs.probe]]\nserver = \"a\"\ndoes = \"error\"", 1, []string{"probe,server=a n=0i"}, "E! gathering failed for 1 of 1 inputs"},
		{"start fails", "[[inputs.probe]]\nserver = \"a\"\nat_start = \"no\"", 1, nil, "E! gathering failed for 1 of 1 inputs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, rows, logged := startChild(t, agent+tt.conf, Options{Test: true}).end()
			require.Equal(t, tt.status, status, logged)
			for n := range rows {
				rows[n] = withoutTime(rows[n])
			}
			require.ElementsMatch(t, tt.rows, rows)
			if tt.err != "" {
				require.Equal(t, tt.err, logged[len(logged)-1])
			}
			require.NoFileExists(t, state)
		})
	}
}

// memguard hangs if it can't lock memory for secrets. Root has no limit, so this runs as another user.
//
//promise:protection
func TestLockedMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems have other limits")
	}
	needRoot(t)
	dir, err := os.MkdirTemp("/tmp", "host-test-") //nolint:usetesting // the other user may not enter the test's own
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	require.NoError(t, os.Chmod(dir, 0755)) //nolint:gosec // G302: for another user
	program, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(dir+"/host", program, 0755)) //nolint:gosec // G306: likewise
	conf := dir + "/test.conf"
	write := func(secrets int) {
		var b strings.Builder
		for n := range secrets {
			fmt.Fprintf(&b, "[[inputs.probe]]\nserver = \"%d\"\ndoes = \"secret\"\ntoken = \"1234\"\n", n)
		}
		require.NoError(t, os.WriteFile(conf, []byte(b.String()), 0644)) //nolint:gosec // G306: likewise
	}
	asNobody := func(limit string) func(*exec.Cmd) {
		return func(c *exec.Cmd) {
			c.Path, c.Args = "/bin/sh", []string{"sh", "-c", "ulimit -l " + limit + "; exec " + dir + "/host"}
			c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			c.Dir = dir
		}
	}
	run := func(limit string, unprotected bool) (int, []string, []string) {
		return startChild(t, "", Options{Config: []string{conf}, Test: true, Unprotected: unprotected}, asNobody(limit)).end()
	}

	write(1)
	status, rows, logged := run("16", false)
	require.Equal(t, 1, status)
	require.Empty(t, rows)
	require.Equal(t, []string{"E! protecting 1 secret(s) takes 20 KiB of locked memory, more than this process may lock (cannot allocate memory): " +
		"raise the limit (LimitMEMLOCK= in the systemd unit, ulimit -l in a shell), or run with --unprotected"}, logged)

	status, rows, logged = run("16", true)
	require.Zero(t, status, logged)
	require.Len(t, rows, 1)
	require.Equal(t, "W! Running without secret protection!", logged[0])

	status, rows, logged = run("20", false) // just enough
	require.Zero(t, status, logged)
	require.Len(t, rows, 1)

	write(1000)
	status, rows, logged = run("8192", false) // the limit on most systems
	require.Zero(t, status, logged)
	require.Len(t, rows, 1000)
}

func TestUnread(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	require.Zero(t, unread(w))
	_, err = w.WriteString("12345")
	require.NoError(t, err)
	if runtime.GOOS == "linux" {
		require.Equal(t, 5, unread(w))
	}
	_, err = bufio.NewReader(r).ReadByte()
	require.NoError(t, err)
	require.Zero(t, unread(w))
}

// gathersIn returns the number of gathers in the state of id, 0 if there is none.
func gathersIn(t *testing.T, path, id string) int {
	t.Helper()
	content, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return 0
	}
	require.NoError(t, err)
	var states map[string][]byte
	require.NoError(t, json.Unmarshal(content, &states))
	var state probeState
	if states[id] != nil {
		require.NoError(t, json.Unmarshal(states[id], &state))
	}
	return state.Gathers
}

// waitForState waits until the state of id has the given number of gathers.
func (c *child) waitForState(path, id string, gathers int) {
	c.t.Helper()
	require.Eventually(c.t, func() bool { return gathersIn(c.t, path, id) == gathers }, 30*time.Second, 5*time.Millisecond)
}

// execd stops reading when the process exits, because cmd.Wait closes the pipe.
//
//promise:stop
func TestReaderGetsEverythingBeforeTheEnd(t *testing.T) {
	c := startChild(t, "[[inputs.probe]]\nserver = \"a\"\ndoes = \"hang\"\nrows = 1000\n[[inputs.plain]]", Options{})
	first := make([]byte, 1)
	_, err := c.out.Read(first)
	require.NoError(t, err)

	rows := make(chan int)
	go func() {
		n, buffer := 0, make([]byte, 4096)
		for {
			time.Sleep(time.Millisecond) // Telegraf may be busy
			read, err := c.out.Read(buffer)
			n += bytes.Count(buffer[:read], []byte("\n"))
			if err != nil {
				rows <- n
				return
			}
		}
	}()
	require.NoError(t, c.in.Close())
	require.NoError(t, c.Wait())
	require.Equal(t, 1001, <-rows)
}
