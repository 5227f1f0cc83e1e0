package testbed

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Shell runs a command line with the programs of bin on the PATH.
func Shell(t *testing.T, command string, env ...string) {
	t.Helper()
	program, _, _ := strings.Cut(command, " ")
	if program == "curl" {
		Need(t, "curl")
	}
	cmd := exec.Command("sh", "-c", command)
	cmd.Env = append(os.Environ(), append(env, "PATH="+filepath.Dir(ProgramPath(t, "telegraf"))+":"+os.Getenv("PATH"))...)
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", command, output)
}

// earlier returns a JSON value with all times and hours moved back.
func earlier(value any, by time.Duration) any {
	switch v := value.(type) {
	case string:
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15"} {
			if at, err := time.Parse(layout, v); err == nil {
				return at.Add(-by).Format(layout)
			}
		}
	case []any:
		for n := range v {
			v[n] = earlier(v[n], by)
		}
	case map[string]any:
		for key := range v {
			v[key] = earlier(v[key], by)
		}
	}
	return value
}

// Age makes a state look as if it had been saved that much earlier.
func Age(t *testing.T, statefile string, by time.Duration) {
	t.Helper()
	content, err := os.ReadFile(statefile)
	require.NoError(t, err)
	var states map[string][]byte
	require.NoError(t, json.Unmarshal(content, &states))
	require.Len(t, states, 1)
	for id, state := range states {
		var ledger map[string]any
		require.NoError(t, json.Unmarshal(state, &ledger))
		states[id], err = json.Marshal(earlier(ledger, by))
		require.NoError(t, err)
	}
	content, err = json.Marshal(states)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(statefile, content, 0o600))
}

// ProgramPath returns the path of a program in bin.
func ProgramPath(t *testing.T, program string) string {
	t.Helper()
	path := filepath.Join(Root, "bin", program)
	require.FileExists(t, path, "not built yet: `make test` and `make test-everything` build it")
	return path
}

// SkipWithout skips a test that needs something missing on this machine. With TEST_EVERYTHING, as in .ci/run, it fails
// the test.
func SkipWithout(t *testing.T, missing string) {
	t.Helper()
	if os.Getenv("TEST_EVERYTHING") != "" {
		require.FailNow(t, "TEST_EVERYTHING is set, but there is "+missing)
	}
	t.Skip("left out: there is " + missing)
}

// Result is the output and the exit code of a program.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// RunPlugin runs the plugin until it ends, without Telegraf.
func RunPlugin(t *testing.T, args ...string) Result {
	t.Helper()
	return Finish(t, exec.Command(ProgramPath(t, "telegraf-wolkvox-ivr"), args...))
}

// Finish runs a program until it ends.
func Finish(t *testing.T, cmd *exec.Cmd) Result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Start())
	overdue := time.AfterFunc(Timeout, func() { _ = cmd.Process.Kill() }) // fails if it has already ended
	err := cmd.Wait()
	require.True(t, overdue.Stop(), "%s did not end\nstdout: %s\nstderr: %s", cmd, &stdout, &stderr)
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return Result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// ChildrenOf returns the running processes that a process has started. It needs /proc.
func ChildrenOf(t *testing.T, parent int) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	require.NotEmpty(t, files, "this test needs /proc")
	var children []int
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			continue // has ended in the meantime
		}
		// "pid (name) state parent …", where the name may contain anything
		rest := strings.Fields(string(content[bytes.LastIndexByte(content, ')')+1:]))
		if rest[0] != "Z" && rest[1] == strconv.Itoa(parent) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			require.NoError(t, err)
			children = append(children, pid)
		}
	}
	return children
}

// Paths at which a package installs files
const (
	PluginConf   = "/etc/telegraf/wolkvox_ivr.conf"
	TelegrafConf = "/etc/telegraf/telegraf.d/wolkvox_ivr.conf"
	StateFile    = "/var/lib/telegraf/wolkvox_ivr.state"
)

// ThisSystem is the system in the names of the packages that can be installed here.
const ThisSystem = "linux_" + runtime.GOARCH

// Execute runs a program that must succeed. It hides the MAKEFLAGS of a make that runs this test.
func Execute(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MFLAGS=", "MAKELEVEL=", "LC_ALL=C")
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", cmd, output)
	return string(output)
}

// Need skips the test if a program is missing.
func Need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		SkipWithout(t, "no "+program)
	}
}

// WriteConfig writes a configuration of the plugin and returns its path.
func WriteConfig(t *testing.T, content string) string {
	t.Helper()
	path := t.TempDir() + "/wolkvox_ivr.conf"
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}
