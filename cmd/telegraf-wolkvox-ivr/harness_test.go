//go:build integration

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/metric"
	"github.com/influxdata/telegraf/plugins/parsers/influx"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// How long a test waits for what has to come. Only failures take so long.
const patience = 90 * time.Second

// wolkvox is a simulator that is being served.
type wolkvox struct {
	*simulator.Simulator
	url string // what the plugin's option of that name has to be
}

func startWolkvox(t *testing.T, operations ...simulator.Operation) *wolkvox {
	t.Helper()
	s, err := simulator.New(simulator.Options{Operations: operations})
	require.NoError(t, err)
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		server.CloseClientConnections() // of requests that hang
		server.Close()
	})
	return &wolkvox{Simulator: s, url: server.URL + "/wv{server}"}
}

// table returns the [[inputs.wolkvox_ivr]] of an operation, with further options.
func (w *wolkvox) table(o simulator.Operation, options ...string) string {
	lines := []string{
		`[[inputs.wolkvox_ivr]]`,
		fmt.Sprintf(`server = %q`, o.Server),
		fmt.Sprintf(`token = %q`, o.Token),
		fmt.Sprintf(`url = %q`, w.url),
	}
	if o.Timezone != "" {
		lines = append(lines, fmt.Sprintf(`timezone = %q`, o.Timezone))
	}
	return strings.Join(append(lines, options...), "\n") + "\n"
}

// truth returns the metrics of the operation's hours that begin in [from, to), as they are once settled.
func (w *wolkvox) truth(t *testing.T, o simulator.Operation, from, to time.Time) []telegraf.Metric {
	t.Helper()
	var metrics []telegraf.Metric
	for hour := hourOf(t, o, from); hour.Before(to); hour = hour.Add(time.Hour) {
		figures := w.Truth(o.Token, hour)
		if hour.Before(from) || figures.Calls == 0 {
			continue
		}
		metrics = append(metrics, metric.New("wolkvox_ivr",
			map[string]string{"hour": hour.Format("15"), "source": "wv" + o.Server + ".wolkvox.com"},
			map[string]any{"calls": figures.Calls, "minutes": figures.Minutes},
			hour))
	}
	return metrics
}

// hourOf returns the start of the hour of the operation's clock that contains the instant.
func hourOf(t *testing.T, o simulator.Operation, instant time.Time) time.Time {
	t.Helper()
	name := o.Timezone
	if name == "" {
		name = "America/Bogota"
	}
	zone, err := time.LoadLocation(name)
	require.NoError(t, err)
	local := instant.In(zone)
	into := time.Duration(local.Minute())*time.Minute + time.Duration(local.Second())*time.Second + time.Duration(local.Nanosecond())
	return local.Add(-into)
}

// setup is what one Telegraf differs in from the next. Each of the first three texts replaces its default.
type setup struct {
	plugin  string   // the plugin's configuration file; by default there is none
	agent   string   // options of [agent]; by default it flushes every 100ms and omits the host
	execd   string   // options of [[inputs.execd]] besides command; by default signal = "none"
	flags   []string // the plugin's further flags
	tables  string   // further tables of Telegraf's configuration
	env     []string // further environment of Telegraf and the plugin
	native  bool     // the plugin is compiled into Telegraf, not run by execd
	program string   // the plugin's in bin; by default telegraf-wolkvox-ivr
}

// agent is a real Telegraf that runs the plugin and writes to a file. All that it has and makes lies in dir, its working directory.
type agent struct {
	t    *testing.T
	dir  string
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has ended

	program string
	args    []string
	env     []string

	// The end for reading of a pipe whose other end Telegraf and all that it starts inherit, and close by ending.
	alive *os.File
}

// startTelegraf starts one, and stops it at the test's end.
func startTelegraf(t *testing.T, s setup) *agent {
	t.Helper()
	a := newTelegraf(t, s)
	a.start()
	return a
}

// newTelegraf prepares one for run or start.
func newTelegraf(t *testing.T, s setup) *agent {
	t.Helper()
	a := &agent{t: t, dir: t.TempDir(), program: built(t, "telegraf"), env: s.env}
	a.args = []string{"--strict-env-handling", "--config", "telegraf.conf"} // the default, but without the flag there is a warning
	if s.agent == "" {
		s.agent = "flush_interval = \"100ms\"\nomit_hostname = true\nskip_processors_after_aggregators = true" // unset, the last is a warning
	}
	if s.execd == "" {
		s.execd = `signal = "none"`
	}
	conf := "[agent]\n" + s.agent + "\n\n[[outputs.file]]\nfiles = [\"metrics.out\"]\ndata_format = \"influx\"\n"
	switch {
	case s.native:
		a.program = built(t, "telegraf-native")
		a.args = append(a.args, "--config", "wolkvox_ivr.conf")
	case s.plugin != "":
		if s.program == "" {
			s.program = "telegraf-wolkvox-ivr"
		}
		command := append([]string{built(t, s.program), "--config", "wolkvox_ivr.conf"}, s.flags...)
		for i, word := range command {
			command[i] = strconv.Quote(word)
		}
		conf += "\n[[inputs.execd]]\ncommand = [" + strings.Join(command, ", ") + "]\n" + s.execd + "\n"
	}
	a.write("telegraf.conf", conf+"\n"+s.tables)
	a.write("wolkvox_ivr.conf", s.plugin)
	a.t.Cleanup(func() {
		a.kill()
		if t.Failed() {
			t.Logf("Telegraf's log:\n%s", a.log())
		}
	})
	return a
}

// built returns the path of a program in bin.
func built(t *testing.T, program string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "bin", program))
	require.NoError(t, err)
	require.FileExists(t, path, "not built yet: `make integration` does it")
	return path
}

// leaveOut skips a test for which something is missing here. Where nothing may be left out, as in .ci/run, it fails the test.
func leaveOut(t *testing.T, missing string) {
	t.Helper()
	if os.Getenv("TEST_EVERYTHING") != "" {
		require.FailNow(t, "TEST_EVERYTHING is set, but there is "+missing)
	}
	t.Skip("left out: there is " + missing)
}

// write puts a file into Telegraf's directory.
func (a *agent) write(name, content string) {
	a.t.Helper()
	require.NoError(a.t, os.WriteFile(filepath.Join(a.dir, name), []byte(content), 0o600))
}

// read returns a file of Telegraf's directory, empty when there is none.
func (a *agent) read(name string) string {
	a.t.Helper()
	content, err := os.ReadFile(filepath.Join(a.dir, name))
	if !errors.Is(err, os.ErrNotExist) {
		require.NoError(a.t, err)
	}
	return string(content)
}

// start starts Telegraf, for the first time or again.
func (a *agent) start() {
	a.t.Helper()
	log, err := os.OpenFile(filepath.Join(a.dir, "telegraf.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(a.t, err)
	defer log.Close()
	alive, inherited, err := os.Pipe()
	require.NoError(a.t, err)
	defer inherited.Close()

	cmd, done := exec.Command(a.program, a.args...), make(chan struct{})
	cmd.Dir = a.dir
	cmd.Env = append(os.Environ(), a.env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{inherited}
	require.NoError(a.t, cmd.Start())
	a.cmd, a.done, a.alive = cmd, done, alive
	go func() {
		defer close(done)
		_ = cmd.Wait() // the exit code is in cmd
	}()
}

// run runs Telegraf to its end, for --once, --test and wrong configurations.
func (a *agent) run(args ...string) result {
	a.t.Helper()
	cmd := exec.Command(a.program, append(slices.Clone(a.args), args...)...)
	cmd.Dir = a.dir
	cmd.Env = append(os.Environ(), a.env...)
	return finish(a.t, cmd)
}

// log returns all that Telegraf has logged since the first start.
func (a *agent) log() string {
	a.t.Helper()
	return a.read("telegraf.log")
}

// complaints returns the warnings and errors in the log.
func (a *agent) complaints() []string {
	a.t.Helper()
	return complaintsIn(a.log())
}

// awaitLog waits until the log contains the text.
func (a *agent) awaitLog(text string) {
	a.t.Helper()
	a.await("the log to contain "+strconv.Quote(text), func() bool { return strings.Contains(a.log(), text) })
}

// metrics returns all that Telegraf has written since the first start.
func (a *agent) metrics() []telegraf.Metric {
	a.t.Helper()
	content := a.read("metrics.out")
	return parse(a.t, content[:strings.LastIndexByte(content, '\n')+1]) // the last line may be half written
}

// awaitMetrics waits until the metrics written fulfil the condition, and returns them.
func (a *agent) awaitMetrics(what string, condition func([]telegraf.Metric) bool) []telegraf.Metric {
	a.t.Helper()
	var metrics []telegraf.Metric
	a.await(what, func() bool {
		metrics = a.metrics()
		return condition(metrics)
	})
	return metrics
}

// await waits for a condition while Telegraf runs.
func (a *agent) await(what string, condition func() bool) {
	a.t.Helper()
	await(a.t, what, func() bool {
		if condition() {
			return true
		}
		select {
		case <-a.done:
			require.FailNow(a.t, "Telegraf ended", "while waiting for %s", what)
		default:
		}
		return false
	})
}

// signal sends Telegraf a signal.
func (a *agent) signal(s os.Signal) {
	a.t.Helper()
	require.NoError(a.t, a.cmd.Process.Signal(s))
}

// plugin waits for the plugin's process to be there, and to be the only one that Telegraf has started, and returns its ID.
func (a *agent) plugin() int {
	a.t.Helper()
	var children []int
	a.await("Telegraf to have one child", func() bool {
		children = childrenOf(a.t, a.cmd.Process.Pid)
		return len(children) == 1
	})
	return children[0]
}

// stop stops Telegraf as a service manager does. It has to end well, with all that it started.
func (a *agent) stop() {
	a.t.Helper()
	a.signal(syscall.SIGTERM)
	a.awaitEnd()
	require.Zero(a.t, a.cmd.ProcessState.ExitCode(), "Telegraf's exit code")
}

// awaitEnd waits until Telegraf and all that it started have ended.
func (a *agent) awaitEnd() {
	a.t.Helper()
	awaitClosed(a.t, "Telegraf to end", a.done)
	awaitClosed(a.t, "all that Telegraf started to end", a.gone())
}

// gone returns a channel that is closed when nothing that Telegraf was or started is left.
func (a *agent) gone() <-chan struct{} {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = a.alive.Read(make([]byte, 1)) // nobody writes: it ends when nobody is left to
	}()
	return gone
}

// kill kills Telegraf if it runs, and waits for its end, but not for that of what it started.
func (a *agent) kill() {
	if a.cmd == nil {
		return
	}
	_ = a.cmd.Process.Kill() // fails when it has ended already
	<-a.done
}

// result is what a program that ran to its end left.
type result struct {
	stdout, stderr string
	code           int
}

// complaint is a warning or an error in a log of Telegraf, or of the plugin, which has no times.
var complaint = regexp.MustCompile(`(?m)^(\S+ )?[WE]! .*$`)

// complaintsIn returns the warnings and errors in a log.
func complaintsIn(log string) []string {
	return slices.DeleteFunc(complaint.FindAllString(log, -1), func(line string) bool { // which most tests do without
		return strings.Contains(line, "No statefile in [agent]: ")
	})
}

// runPlugin runs the plugin to its end, without a Telegraf.
func runPlugin(t *testing.T, args ...string) result {
	t.Helper()
	return finish(t, exec.Command(built(t, "telegraf-wolkvox-ivr"), args...))
}

// finish runs a program to its end.
func finish(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Start())
	overdue := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() }) // fails when it has ended already
	err := cmd.Wait()
	require.True(t, overdue.Stop(), "%s did not end by itself\nstdout: %s\nstderr: %s", cmd, &stdout, &stderr)
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// parse reads line protocol, as written by outputs.file or shown by --test.
func parse(t *testing.T, text string) []telegraf.Metric {
	t.Helper()
	parser := &influx.Parser{}
	require.NoError(t, parser.Init())
	metrics, err := parser.Parse([]byte(strings.ReplaceAll("\n"+text, "\n> ", "\n")))
	require.NoError(t, err, text)
	return metrics
}

// between returns the metrics with timestamps in [from, to), each series' last at a time only, as a database would have them.
func between(metrics []telegraf.Metric, from, to time.Time) []telegraf.Metric {
	type key struct {
		series uint64
		time   int64
	}
	place := make(map[key]int)
	var last []telegraf.Metric
	for _, m := range metrics {
		if m.Time().Before(from) || !m.Time().Before(to) {
			continue
		}
		k := key{m.HashID(), m.Time().UnixNano()}
		if i, known := place[k]; known {
			last[i] = m
			continue
		}
		place[k] = len(last)
		last = append(last, m)
	}
	return last
}

// await waits for a condition.
func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(20 * time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "waited %s for %s", patience, what)
	}
}

// awaitClosed waits for a channel to be closed.
func awaitClosed(t *testing.T, what string, closed <-chan struct{}) {
	t.Helper()
	select {
	case <-closed:
	case <-time.After(patience):
		require.FailNow(t, "waited too long", "%s for %s", patience, what)
	}
}

// childrenOf returns the processes that a process has started and that have not ended, on Linux.
func childrenOf(t *testing.T, parent int) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	require.NotEmpty(t, files, "this test needs /proc")
	var children []int
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			continue // has ended since
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
