package testbed

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/influxdata/telegraf"
	"github.com/stretchr/testify/require"
)

// Often is an interval at which the month is final within seconds.
const Often = `interval = "200ms"`

// Remembering is the plugin's [agent] with a state file. Telegraf runs it in the directory that is the test's own.
const Remembering = "[agent]\nstatefile = \"wolkvox_ivr.state\"\n\n"

// PastRead is what the plugin logs when it has handed on all of the backfill.
const PastRead = "history: all"

// Agent has the options of [agent] that every test needs. Without the last, Telegraf logs a warning.
const Agent = "omit_hostname = true\nskip_processors_after_aggregators = true\n"

// Quickly are the options of [agent] by default, for more to be added.
const Quickly = "flush_interval = \"100ms\"\n" + Agent

// intoFile is the output that Metrics reads.
const intoFile = "[[outputs.file]]\nfiles = [\"metrics.out\"]\ndata_format = \"influx\"\n"

// Setup is what one Telegraf differs in from the next. Each of the first three texts replaces its default.
type Setup struct {
	Plugin   string   // the plugin's configuration file; by default there is none
	Telegraf string   // options of [agent]; by default it flushes every 100ms and omits the host
	Execd    string   // options of [[inputs.execd]] besides command; by default signal = "none"
	Flags    []string // the plugin's further flags
	Tables   string   // further tables of Telegraf's configuration
	Env      []string // further environment of Telegraf and the plugin
	Native   bool     // the plugin is compiled into Telegraf, not run by execd
	Program  string   // the plugin's in bin; by default telegraf-wolkvox-ivr
}

// Telegraf is a real Telegraf that runs the plugin and writes to a file. All that it has and makes lies in Dir, its working directory.
type Telegraf struct {
	T    *testing.T
	Dir  string
	Cmd  *exec.Cmd
	done chan struct{} // closed when Cmd has ended

	Program string
	Args    []string
	Env     []string

	// The end for reading of a pipe whose other end Telegraf and all that it starts inherit, and close by ending.
	alive *os.File
}

// StartTelegraf starts one, and stops it at the test's end.
func StartTelegraf(t *testing.T, s Setup) *Telegraf {
	t.Helper()
	a := NewTelegraf(t, s)
	a.Start()
	return a
}

// NewTelegraf prepares one for Run or Start.
func NewTelegraf(t *testing.T, s Setup) *Telegraf {
	t.Helper()
	a := &Telegraf{T: t, Dir: t.TempDir(), Program: Built(t, "telegraf"), Env: s.Env}
	a.Args = []string{"--strict-env-handling", "--config", "telegraf.conf"} // the default, but without the flag there is a warning
	if s.Telegraf == "" {
		s.Telegraf = Quickly
	}
	if s.Execd == "" {
		s.Execd = `signal = "none"`
	}
	conf := "[agent]\n" + s.Telegraf + "\n\n" + intoFile
	switch {
	case s.Native:
		a.Args = append(a.Args, "--config", "wolkvox_ivr.conf")
	case s.Plugin != "":
		if s.Program == "" {
			s.Program = "telegraf-wolkvox-ivr"
		}
		command := append([]string{Built(t, s.Program), "--config", "wolkvox_ivr.conf"}, s.Flags...)
		conf += "\n" + Execd(command, s.Execd)
	}
	a.Write("telegraf.conf", conf+"\n"+s.Tables)
	a.Write("wolkvox_ivr.conf", s.Plugin)
	a.T.Cleanup(func() {
		a.Kill()
		if t.Failed() {
			t.Logf("Telegraf's log:\n%s", a.Log())
		}
	})
	return a
}

// NewRecipe prepares a Telegraf with one of the destinations' configurations: an output beside the package's [[inputs.execd]], as users
// have it, or a whole configuration. The plugin's configuration is given, and further environment as NAME=value.
func NewRecipe(t *testing.T, recipe, plugin string, env ...string) *Telegraf {
	t.Helper()
	a := NewTelegraf(t, Setup{Plugin: plugin})
	conf := ReadRecipe(t, recipe)
	if strings.Contains(conf, "[agent]\n") {
		a.Write("telegraf.conf", strings.Replace(conf, "[agent]\n", "[agent]\nflush_interval = \"100ms\"\n", 1))
	} else {
		onDisk := strings.Replace(CodeOf(t, "testdata/README.md", "toml"), "/var/lib/telegraf/buffers", "buffers", 1)
		a.Write("telegraf.conf", onDisk+"flush_interval = \"100ms\"\nstatefile = \"telegraf.state\"\nskip_processors_after_aggregators = true\n"+
			ShippedExecd(t))
		a.Add(recipe, conf)
	}
	a.Env = append([]string{"TELEGRAF_BUFFERS=buffers"}, env...)
	t.Cleanup(func() { // or the plugin, which ends a moment after Telegraf, may write its state into a directory that is being removed
		a.Kill()
		if a.Cmd != nil {
			<-a.Gone()
		}
	})
	return a
}

// ShippedExecd returns the package's [[inputs.execd]], with the program and the configuration of a test.
func ShippedExecd(t *testing.T) string {
	t.Helper()
	return strings.NewReplacer("/usr/bin/telegraf-wolkvox-ivr", Built(t, "telegraf-wolkvox-ivr"), PluginConf, "wolkvox_ivr.conf").
		Replace(ReadDoc(t, Ours+"packaging/telegraf.d.conf"))
}

// ReadRecipe returns a configuration of testdata: an output, or a whole one.
func ReadRecipe(t *testing.T, recipe string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(Root, "testdata", "outputs", recipe))
	if errors.Is(err, os.ErrNotExist) {
		content, err = os.ReadFile(filepath.Join(Root, "testdata", recipe))
	}
	require.NoError(t, err)
	return string(content)
}

// Execd returns an [[inputs.execd]] of the command, with further options.
func Execd(command []string, options string) string {
	quoted := make([]string, len(command))
	for i, word := range command {
		quoted[i] = strconv.Quote(word)
	}
	return "[[inputs.execd]]\ncommand = [" + strings.Join(quoted, ", ") + "]\n" + options + "\n"
}

// Add adds a further configuration to those that Telegraf is started with.
func (a *Telegraf) Add(name, content string) {
	a.T.Helper()
	a.Write(name, content)
	a.Args = append(a.Args, "--config", name)
}

// AddFile adds a second output. It gets what the first gets, and shows when it has it.
func (a *Telegraf) AddFile() {
	a.T.Helper()
	a.Add("second.conf", intoFile)
}

// Write puts a file into Telegraf's directory.
func (a *Telegraf) Write(name, content string) {
	a.T.Helper()
	require.NoError(a.T, os.WriteFile(filepath.Join(a.Dir, name), []byte(content), 0o600))
}

// Read returns a file of Telegraf's directory, empty when there is none.
func (a *Telegraf) Read(name string) string {
	a.T.Helper()
	content, err := os.ReadFile(filepath.Join(a.Dir, name))
	if !errors.Is(err, os.ErrNotExist) {
		require.NoError(a.T, err)
	}
	return string(content)
}

// Start starts Telegraf, for the first time or again.
func (a *Telegraf) Start() {
	a.T.Helper()
	log, err := os.OpenFile(filepath.Join(a.Dir, "telegraf.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(a.T, err)
	defer log.Close()
	alive, inherited, err := os.Pipe()
	require.NoError(a.T, err)
	defer inherited.Close()

	cmd, done := exec.Command(a.Program, a.Args...), make(chan struct{})
	cmd.Dir = a.Dir
	cmd.Env = append(os.Environ(), a.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{inherited}
	require.NoError(a.T, cmd.Start())
	if a.alive != nil {
		a.alive.Close()
	}
	a.Cmd, a.done, a.alive = cmd, done, alive
	go func() {
		defer close(done)
		_ = cmd.Wait() // the exit code is in Cmd
	}()
}

// Run runs Telegraf to its end, for --once, --test and wrong configurations.
func (a *Telegraf) Run(args ...string) Result {
	a.T.Helper()
	cmd := exec.Command(a.Program, append(slices.Clone(a.Args), args...)...)
	cmd.Dir = a.Dir
	cmd.Env = append(os.Environ(), a.Env...)
	return Finish(a.T, cmd)
}

// Log returns all that Telegraf has logged since the first start.
func (a *Telegraf) Log() string {
	a.T.Helper()
	return a.Read("telegraf.log")
}

// Complaints returns the warnings and errors in the log.
func (a *Telegraf) Complaints() []string {
	a.T.Helper()
	return ComplaintsIn(a.Log())
}

// RequireNoComplaints requires the log to have no warnings and errors but those that contain one of the texts.
func (a *Telegraf) RequireNoComplaints(but ...string) {
	a.T.Helper()
	// execd when it ends a plugin, the hurry of these tests, buffers on disk, and a history that begins with a quiet night
	but = append(but, "file already closed", "within its flush interval", "experimental feature", "the report shows no calls before")
	require.Empty(a.T, slices.DeleteFunc(a.Complaints(), func(complaint string) bool {
		return slices.ContainsFunc(but, func(text string) bool { return strings.Contains(complaint, text) })
	}))
}

// Lines returns the lines of Telegraf's log without their times.
func (a *Telegraf) Lines() []string {
	a.T.Helper()
	return strings.Split(regexp.MustCompile(`(?m)^\d\S+Z `).ReplaceAllString(a.Log(), ""), "\n")
}

// Count returns how many lines of the log begin so.
func (a *Telegraf) Count(beginning string) (n int) {
	a.T.Helper()
	for _, line := range a.Lines() {
		if strings.HasPrefix(line, beginning) {
			n++
		}
	}
	return n
}

// AwaitLog waits until the log contains the text.
func (a *Telegraf) AwaitLog(text string) {
	a.T.Helper()
	a.Await("the log to contain "+strconv.Quote(text), func() bool { return strings.Contains(a.Log(), text) })
}

// Metrics returns all that Telegraf has written since the first start.
func (a *Telegraf) Metrics() []telegraf.Metric {
	a.T.Helper()
	content := a.Read("metrics.out")
	return Parse(a.T, content[:strings.LastIndexByte(content, '\n')+1]) // the last line may be half written
}

// AwaitMetrics waits until the metrics written fulfil the condition, and returns them.
func (a *Telegraf) AwaitMetrics(what string, condition func([]telegraf.Metric) bool) []telegraf.Metric {
	a.T.Helper()
	var metrics []telegraf.Metric
	a.Await(what, func() bool {
		metrics = a.Metrics()
		return condition(metrics)
	})
	return metrics
}

// Await waits for a condition while Telegraf runs.
func (a *Telegraf) Await(what string, condition func() bool) {
	a.T.Helper()
	Await(a.T, what, func() bool {
		if condition() {
			return true
		}
		select {
		case <-a.done:
			require.FailNow(a.T, "Telegraf ended", "while waiting for %s", what)
		default:
		}
		return false
	})
}

// Signal sends Telegraf a signal.
func (a *Telegraf) Signal(s os.Signal) {
	a.T.Helper()
	require.NoError(a.T, a.Cmd.Process.Signal(s))
}

// Plugin waits for the plugin's process to be there, and to be the only one that Telegraf has started, and returns its ID.
func (a *Telegraf) Plugin() int {
	a.T.Helper()
	var children []int
	a.Await("Telegraf to have one child", func() bool {
		children = ChildrenOf(a.T, a.Cmd.Process.Pid)
		return len(children) == 1
	})
	return children[0]
}

// Stop stops Telegraf as a service manager does. It has to end well, with all that it started.
func (a *Telegraf) Stop() {
	a.T.Helper()
	a.Signal(syscall.SIGTERM)
	a.awaitEnd()
	require.Zero(a.T, a.Cmd.ProcessState.ExitCode(), "Telegraf's exit code")
}

// awaitEnd waits until Telegraf and all that it started have ended.
func (a *Telegraf) awaitEnd() {
	a.T.Helper()
	AwaitClosed(a.T, "Telegraf to end", a.done)
	AwaitClosed(a.T, "all that Telegraf started to end", a.Gone())
}

// Gone returns a channel that is closed when nothing that Telegraf was or started is left.
func (a *Telegraf) Gone() <-chan struct{} {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = a.alive.Read(make([]byte, 1)) // nobody writes: it ends when nobody is left to
	}()
	return gone
}

// Kill kills Telegraf if it runs, and waits for its end, but not for that of what it started.
func (a *Telegraf) Kill() {
	if a.Cmd == nil {
		return
	}
	_ = a.Cmd.Process.Kill() // fails when it has ended already
	<-a.done
}
