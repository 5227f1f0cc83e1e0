package host

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/config"
	"github.com/influxdata/telegraf/metric"
	"github.com/influxdata/telegraf/plugins/common/shim"
	"github.com/influxdata/telegraf/plugins/inputs"
)

// childEnv makes the test binary run the host instead of the tests. Its value is the Options in JSON.
const childEnv = "HOST_TEST_OPTIONS"

// shimEnv makes the test binary run an input with Telegraf's own shim.
const shimEnv = "HOST_TEST_SHIM"

func TestMain(m *testing.M) {
	if os.Getenv(shimEnv) != "" {
		s := shim.New()
		if err := errors.Join(s.AddInput(&plain{}), s.Run(shim.PollIntervalDisabled)); err != nil {
			panic(err)
		}
		os.Exit(0)
	}
	if options := os.Getenv(childEnv); options != "" {
		var opts Options
		if err := json.Unmarshal([]byte(options), &opts); err != nil {
			panic(err)
		}
		status := Run(opts)
		CloseOutput()
		os.Exit(status)
	}
	os.Exit(m.Run())
}

func init() {
	inputs.Add("probe", func() telegraf.Input { return &probe{Rows: 1, Timeout: config.Duration(time.Second)} })
	inputs.Add("plain", func() telegraf.Input { return &plain{} })
}

// embedded stands for options of an embedded struct, such as those for TLS and proxies.
type embedded struct {
	Proxy string `toml:"proxy"`
}

// probe is an input that does what its table says. Its state counts its gathers.
type probe struct {
	Server  string            `toml:"server"`
	Token   config.Secret     `toml:"token"`
	Timeout config.Duration   `toml:"timeout"`
	Rows    int               `toml:"rows"`     // per gather
	Does    string            `toml:"does"`     // see Gather
	AtStart string            `toml:"at_start"` // see Start; anything else is the error of Start
	Labels2 map[string]string `toml:"headers"`
	Nested  struct {
		Depth int `toml:"depth"`
	} `toml:"nested"`
	NoTag int
	embedded

	Log telegraf.Logger `toml:"-"`

	gather func(*probe, telegraf.Accumulator) error // replaces what Does says
	notify func(event string)                       // called by Stop

	translator string

	mu       sync.Mutex
	state    probeState
	rejected error
	cancel   context.CancelFunc
	ctx      context.Context
}

type probeState struct {
	Gathers int `json:"gathers"`
}

func (*probe) SampleConfig() string { return "" }

func (p *probe) ID() string { return "probe " + p.Server }

// SetTranslator is called before Init.
func (p *probe) SetTranslator(name string) { p.translator = name }

func (p *probe) Init() error {
	p.Log.Debug("initialising")
	if p.Server == "" {
		return errors.New("server is\nrequired")
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return nil
}

func (p *probe) Start(acc telegraf.Accumulator) error {
	switch p.AtStart {
	case "":
		return nil
	case "hang":
		p.Log.Info("starting")
		select {}
	case "row":
		acc.AddFields("started", map[string]any{"n": 1}, nil, time.Unix(1, 499_999_999))
		return nil
	default:
		return errors.New(p.AtStart)
	}
}

// Cancel ends a running Gather.
func (p *probe) Cancel() { p.cancel() }

func (p *probe) Stop() {
	switch p.Does {
	case "notify stop":
		p.notify("stopped")
	case "deaf stop":
		select {}
	case "count stop":
		p.mu.Lock()
		p.state.Gathers += 100
		p.mu.Unlock()
	}
}

func (p *probe) GetState() any {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

func (p *probe) SetState(state any) error {
	s, ok := state.(probeState)
	if !ok {
		return fmt.Errorf("state has wrong type %T", state)
	}
	if s.Gathers < 0 {
		return errors.New("gathers below zero")
	}
	p.state = s
	return nil
}

// RejectedState returns once why the restored state is not used.
func (p *probe) RejectedState() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.rejected
	p.rejected = nil
	return err
}

func (p *probe) Gather(acc telegraf.Accumulator) error {
	p.mu.Lock()
	n := p.state.Gathers
	p.state.Gathers++
	p.mu.Unlock()
	if p.gather != nil {
		return p.gather(p, acc)
	}

	value := any(n)
	switch p.Does {
	case "fail":
		return errors.New("no response:\nnone at all")
	case "panic":
		panic("out of cheese")
	case "hang":
		p.Log.Info("hanging")
		<-p.ctx.Done()
	case "deaf":
		p.Log.Info("hanging")
		select {}
	case "flood":
		for {
			p.Log.Error("an error")
		}
	case "nan":
		value = math.NaN()
	case "secret":
		token, err := p.Token.Get()
		if err != nil {
			return err
		}
		defer token.Destroy()
		value = token.Size()
	case "log":
		p.Log.Error("an error")
		p.Log.Warn("a warning")
		p.Log.Info("an info")
		p.Log.Debug("a debug")
		p.Log.Trace("a trace")
	case "error":
		acc.AddError(errors.New("half of it is missing"))
	case "fail repeatedly":
		return fmt.Errorf("gathering failed: %w", outage(n > 0))
	}
	for range p.Rows {
		acc.AddFields("probe", map[string]any{"n": value}, map[string]string{"server": p.Server})
	}
	return nil
}

// outage is an error that reports whether it was returned before.
type outage bool

func (outage) Error() string    { return "no response" }
func (o outage) Repeated() bool { return bool(o) }

// plain is an input with nothing but Gather.
type plain struct{}

func (*plain) SampleConfig() string { return "" }

func (*plain) Gather(acc telegraf.Accumulator) error {
	acc.AddFields("plain", map[string]any{"v": 1}, nil)
	return nil
}

// skipWithout skips a test that needs something missing on this machine. With TEST_EVERYTHING, as in .ci/run, it fails
// the test.
func skipWithout(t *testing.T, missing string) {
	t.Helper()
	require.Empty(t, os.Getenv("TEST_EVERYTHING"), "TEST_EVERYTHING is set, but there is "+missing)
	t.Skip("left out: there is " + missing)
}

// needRoot skips a test that runs processes as another user, unless this user is root.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		skipWithout(t, "no right to become another user, which root has")
	}
}

// confFile writes a configuration file and returns its path.
func confFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.conf")
	require.NoError(t, os.WriteFile(path, []byte(content), 0600))
	return path
}

// child is the host in its own process.
type child struct {
	*exec.Cmd
	t      *testing.T
	in     io.WriteCloser
	out    io.ReadCloser
	rows   *bufio.Scanner
	logged chan string // lines of stderr
}

// startChild runs the host with the configuration. The adjust functions may change the command before it starts.
func startChild(t *testing.T, conf string, opts Options, adjust ...func(*exec.Cmd)) *child {
	t.Helper()
	if opts.Config == nil {
		opts.Config = []string{confFile(t, conf)}
	}
	if opts.PollInterval == 0 {
		opts.PollInterval = time.Hour
	}
	options, err := json.Marshal(opts)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	c := &child{t: t, logged: make(chan string, 10000)}
	c.Cmd = exec.CommandContext(ctx, os.Args[0])
	// Otherwise the race detector waits a second at exit.
	c.Env = append(os.Environ(), childEnv+"="+string(options), "GORACE=atexit_sleep_ms=0")
	for _, f := range adjust {
		f(c.Cmd)
	}
	c.in, err = c.StdinPipe()
	require.NoError(t, err)
	c.out, err = c.StdoutPipe()
	require.NoError(t, err)
	c.rows = bufio.NewScanner(c.out)
	stderr, err := c.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	go func() {
		defer close(c.logged)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			c.logged <- lines.Text()
		}
	}()
	return c
}

// row returns the next line on stdout, or "" when stdout is closed.
func (c *child) row() string {
	c.rows.Scan()
	return c.rows.Text()
}

// waitForLog waits for a log line that contains text.
func (c *child) waitForLog(text string) {
	c.t.Helper()
	for line := range c.logged {
		if strings.Contains(line, text) {
			return
		}
	}
	require.Fail(c.t, "never logged: "+text)
}

// end waits for the process to exit, and returns its exit status and the rest of stdout and of the log.
func (c *child) end() (status int, rows, logged []string) {
	c.t.Helper()
	for c.rows.Scan() {
		rows = append(rows, c.rows.Text())
	}
	for line := range c.logged {
		logged = append(logged, line)
	}
	var exit *exec.ExitError
	if err := c.Wait(); err != nil {
		require.ErrorAs(c.t, err, &exit)
	}
	return c.ProcessState.ExitCode(), rows, logged
}

// gatherOnce starts an instance, gathers once and returns its rows.
func gatherOnce(t *testing.T, i *instance) []string {
	t.Helper()
	h, stub := newHost([]*instance{i}), &stdoutStub{}
	h.states, h.stdout, h.gathersOnce, h.exit = &stateFile{}, stub, true, func(int) {}
	defer h.cancel()
	require.NoError(t, h.start())
	require.NoError(t, h.finishStop())
	return stub.lines
}

// withoutTime removes the timestamp from a line.
func withoutTime(line string) string {
	return line[:max(0, strings.LastIndex(line, " "))]
}

// agentDefaults are the defaults of [agent].
var agentDefaults = config.AgentConfig{Interval: config.Duration(time.Minute), RoundInterval: true}

func newMetric(name string) telegraf.Metric {
	return metric.New(name, nil, map[string]any{"n": 1}, time.Unix(0, 0))
}
