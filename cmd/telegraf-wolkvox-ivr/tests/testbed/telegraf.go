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

// ShortInterval is an interval at which a month is final within seconds.
const ShortInterval = `interval = "200ms"`

// WithState is the plugin's [agent] with a state file in the test's directory, where Telegraf runs the plugin.
const WithState = "[agent]\nstatefile = \"wolkvox_ivr.state\"\n\n"

// HistoryDone is in the plugin's log when it has sent the whole backfill.
const HistoryDone = "history: all"

// Agent has the options of [agent] that every test needs. Telegraf logs a warning without the last one.
const Agent = "omit_hostname = true\nskip_processors_after_aggregators = true\n"

// FastFlush is what [agent] contains in tests that don't set Setup.Telegraf. Other tests append to it.
const FastFlush = "flush_interval = \"100ms\"\n" + Agent

// intoFile is the output that Metrics reads.
const intoFile = "[[outputs.file]]\nfiles = [\"metrics.out\"]\ndata_format = \"influx\"\n"

// Setup configures a Telegraf. If one of the first three fields is empty, its default applies.
type Setup struct {
	Plugin   string   // the plugin's configuration file; none by default
	Telegraf string   // options of [agent]; by default it flushes every 100ms and omits the host
	Execd    string   // options of [[inputs.execd]] besides command; signal = "none" by default
	Flags    []string // additional flags of the plugin
	Tables   string   // additional tables of Telegraf's configuration
	Env      []string // additional environment of Telegraf and the plugin
	Native   bool     // the plugin is compiled into Telegraf instead of run by execd
	Program  string   // the plugin's program in bin; telegraf-wolkvox-ivr by default
}

// Telegraf is a real Telegraf that runs the plugin and writes to a file. All its files are in Dir, its working
// directory.
type Telegraf struct {
	T    *testing.T
	Dir  string
	Cmd  *exec.Cmd
	done chan struct{} // closed when Cmd has ended

	Program string
	Args    []string
	Env     []string

	// The read end of a pipe. Telegraf and all processes that it starts inherit the write end, which closes when they
	// end.
	alive *os.File
}

// StartTelegraf starts a Telegraf, and kills it at the end of the test.
func StartTelegraf(t *testing.T, s Setup) *Telegraf {
	t.Helper()
	a := NewTelegraf(t, s)
	a.Start()
	return a
}

// NewTelegraf prepares a Telegraf for Run or Start.
func NewTelegraf(t *testing.T, s Setup) *Telegraf {
	t.Helper()
	a := &Telegraf{T: t, Dir: t.TempDir(), Program: ProgramPath(t, "telegraf"), Env: s.Env}
	a.Args = []string{"--strict-env-handling", "--config", "telegraf.conf"} // the default, but Telegraf logs a warning without the flag
	if s.Telegraf == "" {
		s.Telegraf = FastFlush
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
		command := append([]string{ProgramPath(t, s.Program), "--config", "wolkvox_ivr.conf"}, s.Flags...)
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

// NewRecipe prepares a Telegraf with the configuration of a destination: an output beside the package's
// [[inputs.execd]], as users have it, or a whole configuration. plugin is the plugin's configuration, and env has
// additional variables as NAME=value.
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
	t.Cleanup(func() { // otherwise the plugin, which ends after Telegraf, might write its state into a directory that is being removed
		a.Kill()
		if a.Cmd != nil {
			<-a.Gone()
		}
	})
	return a
}

// ShippedExecd returns the package's [[inputs.execd]] with the program and the configuration of the test.
func ShippedExecd(t *testing.T) string {
	t.Helper()
	return strings.NewReplacer("/usr/bin/telegraf-wolkvox-ivr", ProgramPath(t, "telegraf-wolkvox-ivr"), PluginConf, "wolkvox_ivr.conf").
		Replace(ReadSource(t, ProgramDir+"packaging/telegraf.d.conf"))
}

// ReadRecipe returns a configuration from testdata: an output, or a whole one.
func ReadRecipe(t *testing.T, recipe string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(Root, "testdata", "outputs", recipe))
	if errors.Is(err, os.ErrNotExist) {
		content, err = os.ReadFile(filepath.Join(Root, "testdata", recipe))
	}
	require.NoError(t, err)
	return string(content)
}

// Execd returns an [[inputs.execd]] that runs the command, with additional options.
func Execd(command []string, options string) string {
	quoted := make([]string, len(command))
	for i, word := range command {
		quoted[i] = strconv.Quote(word)
	}
	return "[[inputs.execd]]\ncommand = [" + strings.Join(quoted, ", ") + "]\n" + options + "\n"
}

// Add adds a configuration to those that Telegraf is started with.
func (a *Telegraf) Add(name, content string) {
	a.T.Helper()
	a.Write(name, content)
	a.Args = append(a.Args, "--config", name)
}

// AddFileOutput adds an output to a file, so that a test can compare the first output with it.
func (a *Telegraf) AddFileOutput() {
	a.T.Helper()
	a.Add("second.conf", intoFile)
}

// Write writes a file into Telegraf's directory.
func (a *Telegraf) Write(name, content string) {
	a.T.Helper()
	require.NoError(a.T, os.WriteFile(filepath.Join(a.Dir, name), []byte(content), 0o600))
}

// Read returns a file of Telegraf's directory, or "" if there is none.
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

// Run runs Telegraf until it ends, for --once, --test and invalid configurations.
func (a *Telegraf) Run(args ...string) Result {
	a.T.Helper()
	cmd := exec.Command(a.Program, append(slices.Clone(a.Args), args...)...)
	cmd.Dir = a.Dir
	cmd.Env = append(os.Environ(), a.Env...)
	return Finish(a.T, cmd)
}

// Log returns everything that Telegraf has logged since the first start.
func (a *Telegraf) Log() string {
	a.T.Helper()
	return a.Read("telegraf.log")
}

// Problems returns the warnings and errors in the log.
func (a *Telegraf) Problems() []string {
	a.T.Helper()
	return ProblemsIn(a.Log())
}

// RequireNoProblems requires the log to have no warnings or errors, except those that contain one of the texts.
func (a *Telegraf) RequireNoProblems(except ...string) {
	a.T.Helper()
	// From execd when it ends a plugin, from this test's short intervals, from buffers on disk, and from a history that
	// begins with a quiet night
	except = append(except, "file already closed", "within its flush interval", "experimental feature", "the report shows no calls before")
	require.Empty(a.T, slices.DeleteFunc(a.Problems(), func(problem string) bool {
		return slices.ContainsFunc(except, func(text string) bool { return strings.Contains(problem, text) })
	}))
}

// Lines returns the lines of Telegraf's log without their times.
func (a *Telegraf) Lines() []string {
	a.T.Helper()
	return strings.Split(regexp.MustCompile(`(?m)^\d\S+Z `).ReplaceAllString(a.Log(), ""), "\n")
}

// Count returns how many lines of the log start with the text.
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

// Metrics returns everything that Telegraf has written since the first start.
func (a *Telegraf) Metrics() []telegraf.Metric {
	a.T.Helper()
	content := a.Read("metrics.out")
	return Parse(a.T, content[:strings.LastIndexByte(content, '\n')+1]) // the last line may be half written
}

// AwaitMetrics waits until the written metrics fulfill the condition, and returns them.
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

// Plugin waits until the plugin is the only process that Telegraf has started, and returns its ID.
func (a *Telegraf) Plugin() int {
	a.T.Helper()
	var children []int
	a.Await("Telegraf to have one child", func() bool {
		children = ChildrenOf(a.T, a.Cmd.Process.Pid)
		return len(children) == 1
	})
	return children[0]
}

// Stop stops Telegraf as a service manager does. Telegraf must exit with 0, and all processes that it started must end.
func (a *Telegraf) Stop() {
	a.T.Helper()
	a.Signal(syscall.SIGTERM)
	a.awaitEnd()
	require.Zero(a.T, a.Cmd.ProcessState.ExitCode(), "Telegraf's exit code")
}

// awaitEnd waits until Telegraf and all processes that it started have ended.
func (a *Telegraf) awaitEnd() {
	a.T.Helper()
	AwaitClosed(a.T, "Telegraf to end", a.done)
	AwaitClosed(a.T, "all that Telegraf started to end", a.Gone())
}

// Gone returns a channel that is closed when Telegraf and all processes that it started have ended.
func (a *Telegraf) Gone() <-chan struct{} {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = a.alive.Read(make([]byte, 1)) // nobody writes: it returns when all write ends are closed
	}()
	return gone
}

// Kill kills Telegraf if it runs, and waits for its end. Processes that it started may still run.
func (a *Telegraf) Kill() {
	if a.Cmd == nil {
		return
	}
	_ = a.Cmd.Process.Kill() // fails if it has already ended
	<-a.done
}
