//go:build integration

package telegraf

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/testutil"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// never is an interval that does not elapse during a test.
const never = `interval = "8760h"`

// child is one of several [[inputs.execd]] in a Telegraf.
type child struct {
	name  string // name of its configuration file without ".conf"
	conf  string
	flags []string // flags of the plugin
	under []string // command that runs the plugin
	execd string   // options of its own [[inputs.execd]]
}

// newTelegrafWith prepares a Telegraf that runs the plugin several times, which is cheaper than several Telegrafs.
func newTelegrafWith(t *testing.T, s testbed.Setup, children []child) *testbed.Telegraf {
	t.Helper()
	for _, c := range children {
		command := append(slices.Clone(c.under), testbed.ProgramPath(t, "telegraf-wolkvox-ivr"), "--config", c.name+".conf")
		s.Tables += testbed.Execd(append(command, c.flags...), c.execd)
	}
	tg := testbed.NewTelegraf(t, s)
	for _, c := range children {
		tg.Write(c.name+".conf", c.conf)
	}
	return tg
}

// variant is a table with options that Telegraf gives to every input.
type variant struct {
	operation simulator.Operation
	options   []string
	change    func(telegraf.Metric) bool // changes an hour's true metric as the table does, and reports whether the table lets it through
}

func variants() []variant {
	operations := testbed.Operations(4, testbed.Busy)
	operations[2].Timezone = "Asia/Kolkata"
	return []variant{
		{operations[0], []string{`alias = "plain"`}, func(telegraf.Metric) bool { return true }},
		{
			operations[1],
			[]string{`alias = "renamed"`, `name_override = "ivr"`, `fieldexclude = ["min*"]`, `tags = {site = "north"}`, `empty_hours = "zero"`},
			func(m telegraf.Metric) bool {
				m.SetName("ivr")
				m.AddTag("site", "north")
				m.RemoveField("minutes")
				return true
			},
		},
		{
			operations[2],
			[]string{`name_prefix = "wv_"`, `tagexclude = ["hour"]`, `metricpass = 'tags.hour == "10"'`, `operation = "sales"`, `hours = "ended"`},
			func(m telegraf.Metric) bool {
				hour, _ := m.GetTag("hour")
				m.AddPrefix("wv_")
				m.AddTag("operation", "sales")
				m.RemoveTag("hour")
				return hour == "10"
			},
		},
		{
			operations[3],
			[]string{`name_suffix = "_day"`, `fieldinclude = ["calls"]`, "[inputs.wolkvox_ivr.tagpass]\nhour = [\"1*\"]"},
			func(m telegraf.Metric) bool {
				hour, _ := m.GetTag("hour")
				m.AddSuffix("_day")
				m.RemoveField("minutes")
				return hour[0] == '1'
			},
		},
	}
}

// servedVariants has the plugin's configuration and the metrics that it must send for the final hours, in [from, to).
type servedVariants struct {
	conf     string
	from, to time.Time
	want     []telegraf.Metric
}

func serveVariants(t *testing.T, interval string) (s servedVariants) {
	t.Helper()
	var operations []simulator.Operation
	for _, v := range variants() {
		operations = append(operations, v.operation)
	}
	w := testbed.StartWolkvox(t, operations...)
	from, to := testbed.FinalHours(t, testbed.Busy, time.Now(), 48*time.Hour)
	s.from, s.to = from.Add(time.Hour), to.Add(-time.Hour) // in Kolkata, hours begin half an hour later
	var tables []string
	for _, v := range variants() {
		tables = append(tables, w.Table(v.operation, append([]string{interval, `lookback = "48h"`}, v.options...)...))
		for _, m := range w.TruthOf(t, v.operation, s.from, s.to) {
			if v.change(m) {
				s.want = append(s.want, m)
			}
		}
	}
	require.NotEmpty(t, s.want)
	s.conf = strings.Join(tables, "")
	return s
}

// in returns the metrics of final hours.
func (s servedVariants) in(metrics []telegraf.Metric) []telegraf.Metric {
	return testbed.Between(metrics, s.from, s.to)
}

// shownIn reports whether the metrics of all final hours are there.
func (s servedVariants) shownIn(metrics []telegraf.Metric) bool {
	return len(s.in(metrics)) >= len(s.want)
}

// TestSeveralTables: each table has its own naming, tags and filters, and no two tables may write the same series.
//
//promise:tables
func TestSeveralTables(t *testing.T) {
	t.Parallel()
	variants := serveVariants(t, never)
	tg := testbed.StartTelegraf(t, testbed.Setup{Plugin: variants.conf})
	metrics := tg.AwaitMetrics("all settled hours", variants.shownIn)
	testutil.RequireMetricsEqual(t, variants.want, variants.in(metrics), testutil.SortMetrics())
	require.Empty(t, tg.Problems())

	tg.Write("wolkvox_ivr.conf", variants.conf+"\n"+variants.conf)
	tg.Signal(syscall.SIGHUP)
	tg.AwaitLog(fmt.Sprintf("E! [inputs.execd] wolkvox_ivr.conf:%d: this [[inputs.wolkvox_ivr]] would write the same series as the one at "+
		"wolkvox_ivr.conf:1: remove one, or give it its own operation", strings.Count(variants.conf, "\n")+2))
	tg.Stop()
}

// TestMistakesAreNamed: a mistake is logged as one error line in Telegraf's log, with its file and line.
//
//promise:mistakes
func TestMistakesAreNamed(t *testing.T) {
	t.Parallel()
	const table = "[[inputs.wolkvox_ivr]]\nserver = \"0001\"\ntoken = \"invented-token-1\"\n"
	mistakes := []struct{ name, conf, want string }{
		{"misspelt", table + `lookbak = "3h"`, `misspelt.conf:4: unknown option "lookbak" in [[inputs.wolkvox_ivr]]: did you mean "lookback"?`},
		{"unknown", table + `colour = "red"`, `unknown.conf:4: unknown option "colour" in [[inputs.wolkvox_ivr]]`},
		{"delay", table + `delay = "3h"`, `delay.conf:4: unknown option "delay" in [[inputs.wolkvox_ivr]]`},
		{"flush", table + `flush_interval = "3h"`, `flush.conf:4: unknown option "flush_interval" in [[inputs.wolkvox_ivr]]`},
		{"table", "\n[[input.wolkvox_ivr]]", `table.conf:2: unknown table "input": did you mean "inputs"?`},
		{"plugin", "\n[[inputs.wolkvox_ivt]]", `plugin.conf:2: unknown input plugin "wolkvox_ivt": did you mean "wolkvox_ivr"?`},
		{"filter", table + `metricpass = "("`, `filter.conf: error parsing wolkvox_ivr, ERROR: `}, // the reason has several lines
		{"outputs", table + "[[outputs.file]]",
			`outputs.conf:4: [[outputs.file]] belongs in Telegraf's own configuration, beside [[inputs.execd]]`},
		{"none", "", `none.conf: no input: add a table [[inputs.NAME]], where NAME is one of internal, wolkvox_ivr`},
		{"unset", strings.Replace(table, "invented-token-1", "${WOLKVOX_TEST_UNSET}", 1), `unset.conf:3: environment variable WOLKVOX_TEST_UNSET is not set`},
		{"value", table + `timezone = "America/Bogta"`, `[inputs.wolkvox_ivr] value.conf:1: `},
	}
	var children []child
	for _, m := range mistakes {
		children = append(children, child{name: m.name, conf: m.conf, execd: "stop_on_error = true"})
	}
	tg := newTelegrafWith(t, testbed.Setup{}, children)
	tg.Start()
	tg.Await("all to have ended", func() bool {
		return tg.Count("E! [inputs.execd] Process quit with message: exit status 1") == len(mistakes)
	})
	for _, m := range mistakes {
		if !strings.HasSuffix(m.want, ": ") {
			m.want += "\n"
		}
		require.Contains(t, strings.Join(tg.Lines(), "\n"), "\nE! [inputs.execd] "+m.want)
	}
	require.Len(t, tg.Problems(), 2*len(mistakes))
	tg.Stop()
}

// TestBadConfigurationEnds: execd restarts a plugin with an invalid configuration, or leaves it stopped, depending on
// its options.
//
//promise:mistakes
func TestBadConfigurationEnds(t *testing.T) {
	t.Parallel()
	operations := testbed.Operations(2, testbed.Busy)
	w := testbed.StartWolkvox(t, operations...)
	const bad = "[[inputs.wolkvox_ivr]]\nservr = \"0001\"\n"
	tg := newTelegrafWith(t, testbed.Setup{}, []child{
		{name: "again", conf: bad, execd: "restart_delay = \"500ms\""},
		{name: "left", conf: bad, execd: "restart_delay = \"500ms\"\nstop_on_error = true"},
	})
	tg.Start()
	errorCount := func(name string) int {
		return tg.Count("E! [inputs.execd] " + name + ".conf:2: unknown option \"servr\" in [[inputs.wolkvox_ivr]]: did you mean \"server\"?")
	}
	tg.Await("the error to be logged again", func() bool { return errorCount("again") >= 2 })
	tg.AwaitLog("exited: exit status 1")
	tg.AwaitLog("I! [inputs.execd] Restarting in 500ms...")
	tg.AwaitLog("E! [inputs.execd] Process quit with message: exit status 1")

	tg.Write("left.conf", w.Table(operations[1]))
	tg.Write("again.conf", w.Table(operations[0]))
	tg.AwaitMetrics("metrics", testbed.HasMetrics("wolkvox_ivr"))
	require.Equal(t, 1, errorCount("left"))
	require.Empty(t, w.RequestsWith(operations[1].Token))
	require.Len(t, tg.Problems(), 2+2*errorCount("again")) // including Telegraf's message that the process has ended
	tg.Stop()
}

// TestEnvironment: variables come from Telegraf's environment and execd's option environment. The plugin adds the tags
// of its own file.
//
//promise:environment
func TestEnvironment(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		agent  string // [agent] of Telegraf
		plugin string // start of the plugin's file
		want   map[string]string
	}{
		"no host":         {testbed.FastFlush, "", map[string]string{}},
		"Telegraf's host": {strings.Replace(testbed.FastFlush, "true", "false", 1) + `hostname = "monitor"`, "", map[string]string{"host": "monitor"}},
		"own host":        {testbed.FastFlush, "[agent]\nhostname = \"edge\"\n", map[string]string{"host": "edge"}},
		"global tags":     {testbed.FastFlush, "[global_tags]\nsite = \"${WOLKVOX_TEST_SITE}\"\n", map[string]string{"site": "north"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := testbed.StartWolkvox(t, testbed.Busy)
			fromEnvironment := testbed.Busy
			fromEnvironment.Token = "${WOLKVOX_TEST_TOKEN}"
			tg := testbed.StartTelegraf(t, testbed.Setup{
				Plugin:   tt.plugin + w.Table(fromEnvironment, `tags = {rack = "${WOLKVOX_TEST_RACK:-r0}"}`),
				Telegraf: tt.agent,
				Execd:    "signal = \"none\"\nenvironment = [\"WOLKVOX_TEST_TOKEN=" + testbed.Busy.Token + "\"]",
				Env:      []string{"WOLKVOX_TEST_SITE=north"},
			})
			for _, m := range tg.AwaitMetrics("metrics", testbed.HasMetrics("wolkvox_ivr")) {
				tt.want["hour"], _ = m.GetTag("hour")
				tt.want["source"] = "wv0001.wolkvox.com"
				tt.want["rack"] = "r0"
				require.Equal(t, tt.want, m.Tags())
			}
			require.Empty(t, tg.Problems())
			tg.Stop()
		})
	}
}

// TestSecretsFromStores: tokens come from stores, and a changed token is used at the next request.
//
//promise:rotation
//promise:environment
func TestSecretsFromStores(t *testing.T) {
	t.Parallel()
	operations := testbed.Operations(3, testbed.Busy)
	w, secrets := testbed.StartWolkvox(t, operations...), t.TempDir()
	put := func(name, token string) { // with a newline, as an editor leaves it
		require.NoError(t, os.WriteFile(filepath.Join(secrets, name), []byte(token+"\n"), 0o600))
	}
	put("first", operations[0].Token)
	put("second", operations[1].Token)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"third": "`+operations[2].Token+`"}`) //nolint:errcheck // a failed write fails the test
	}))
	defer server.Close()
	tables := []string{`
[[secretstores.docker]]
id = "once"
path = "` + secrets + `"
[[secretstores.docker]]
id = "dynamic"
path = "` + secrets + `"
dynamic = true
[[secretstores.http]]
id = "web"
url = "` + server.URL + `"
`}
	for i, reference := range []string{"@{once:first}", "@{dynamic:second}", "@{web:third}"} {
		stored := operations[i]
		stored.Token = reference
		tables = append(tables, w.Table(stored, `interval = "1s"`))
	}
	tg := testbed.StartTelegraf(t, testbed.Setup{Plugin: strings.Join(tables, "")})
	for _, o := range operations {
		tg.Await("a request with "+o.Token, func() bool { return w.Successes(o.Token) > 0 })
	}
	plugin := tg.Plugin()
	w.SetToken(operations[1].Token, "invented-token-new")
	put("second", "invented-token-new")
	tg.Await("the new token to be used", func() bool { return w.Successes("invented-token-new") > 0 })
	require.Equal(t, plugin, tg.Plugin(), "the plugin was started again")
	tg.Stop()
}

// Too little lockable memory is reported in one line. --unprotected needs none.
//
//promise:protection
func TestLockedMemoryIsTooLittle(t *testing.T) {
	t.Parallel()
	under := []string{"sh", "-c", `ulimit -l 16 && exec "$@"`, "sh"}
	if os.Getuid() == 0 { // root has no limit
		under = append(under, "setpriv", "--bounding-set", "-ipc_lock")
		if err := exec.Command("setpriv", "--bounding-set", "-ipc_lock", "true").Run(); err != nil {
			testbed.SkipWithout(t, fmt.Sprintf("no setpriv that takes a right from the plugin of root: %v", err))
		}
	}
	operations := testbed.Operations(2, testbed.Busy)
	w := testbed.StartWolkvox(t, operations...)
	tg := newTelegrafWith(t, testbed.Setup{}, []child{
		{name: "protected", conf: w.Table(operations[0]), under: under, execd: "stop_on_error = true"},
		{name: "unprotected", conf: w.Table(operations[1]), under: under, flags: []string{"--unprotected"}},
	})
	tg.Start()
	tg.AwaitLog("E! [inputs.execd] protecting 1 secret(s) takes 20 KiB of locked memory, more than this process may lock " +
		"(cannot allocate memory): raise the limit (LimitMEMLOCK= in the systemd unit, ulimit -l in a shell), or run with --unprotected\n")
	tg.AwaitLog("Process quit with message: exit status 1")
	tg.AwaitLog("W! [inputs.execd] Running without secret protection!\n")
	tg.AwaitMetrics("metrics", testbed.HasMetrics("wolkvox_ivr"))
	require.Empty(t, w.RequestsWith(operations[0].Token))
	require.Len(t, tg.Problems(), 3)
	tg.Stop()
}

// TestLogLevels: log lines arrive with their level and the table's name, if the plugin's options include them.
//
//promise:log
func TestLogLevels(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		agent  string // [agent] of the plugin's file
		option string // option of the table
		flags  []string
		want   string // levels that arrive
	}{
		{name: "default", want: "IW"},
		{name: "flag", flags: []string{"--debug"}, want: "DIW"},
		{name: "debug", agent: "debug = true", want: "DIW"},
		{name: "quiet", agent: "quiet = true", want: ""},
		{name: "both", agent: "quiet = true", flags: []string{"--debug"}, want: "DIW"},
		{name: "more", option: `log_level = "debug"`, want: "DIW"},
		{name: "less", option: `log_level = "warn"`, want: "W"},
	}
	operations := testbed.Operations(2*len(cases), testbed.Busy)
	w := testbed.StartWolkvox(t, operations...)
	var children []child
	for i, c := range cases {
		good, bad := operations[2*i], operations[2*i+1]
		w.SetFaultsFor(bad.Token, 1, simulator.FaultBadToken)
		children = append(children, child{name: c.name, flags: c.flags, conf: "[agent]\n" + c.agent + "\n" +
			w.Table(good, `alias = "`+c.name+`"`, `interval = "1s"`, `backfill = "24h"`, c.option) +
			w.Table(bad, `alias = "`+c.name+`-bad"`, never)})
	}
	tg := newTelegrafWith(t, testbed.Setup{Telegraf: testbed.FastFlush + "debug = true"}, children) // otherwise Telegraf drops debug messages
	tg.Start()
	for i, c := range cases {
		// When a later gather makes its request, the first one is over and has logged everything.
		tg.Await("requests of "+c.name, func() bool { return len(w.RequestsWith(operations[2*i].Token)) >= 4 })
		prefix := " [inputs.execd] [inputs.wolkvox_ivr::" + c.name
		tg.AwaitLog("E!" + prefix + "-bad] Error in plugin: request to wv" + operations[2*i+1].Server + ".wolkvox.com")
		for _, level := range c.want {
			tg.AwaitLog(string(level) + "!" + prefix + "] ")
		}
	}
	tg.Stop()
	for _, c := range cases {
		for _, level := range "DIWE" {
			n := tg.Count(string(level) + "! [inputs.execd] [inputs.wolkvox_ivr::" + c.name + "] ")
			require.Equal(t, strings.ContainsRune(c.want, level), n > 0, "%s: %c!", c.name, level)
		}
	}
	require.NotContains(t, tg.Log(), `stderr: "`)
	require.NotContains(t, tg.Log(), "file already closed")
}

// TestSchedule: a table is gathered at once, then on its own interval, or on Telegraf's if execd sends it lines.
//
//promise:schedule
func TestSchedule(t *testing.T) {
	t.Parallel()
	t.Run("intervals", func(t *testing.T) {
		t.Parallel()
		operations := testbed.Operations(3, testbed.Busy)
		w := testbed.StartWolkvox(t, operations...)
		often, jittered, rarely := operations[0], operations[1], operations[2]
		tg := testbed.StartTelegraf(t, testbed.Setup{Plugin: w.Table(often, `interval = "1s"`) +
			w.Table(jittered, `interval = "1s"`, `collection_jitter = "8760h"`) + w.Table(rarely, never)})
		tg.Await("gathers on whole seconds", func() bool {
			requests := w.RequestsWith(often.Token)
			return len(requests) >= 4 && slices.ContainsFunc(requests[1:], func(r simulator.Request) bool {
				return r.Start.Sub(r.Start.Truncate(time.Second)) < 250*time.Millisecond
			})
		})
		requests := w.RequestsWith(often.Token)
		require.Greater(t, requests[3].Start.Sub(requests[0].Start), time.Second)
		require.Len(t, w.RequestsWith(jittered.Token), 1)
		require.Len(t, w.RequestsWith(rarely.Token), 1)
		w.RequireOneAtATime(t)
		tg.Stop()
	})

	t.Run("lines on stdin", func(t *testing.T) {
		t.Parallel()
		w := testbed.StartWolkvox(t, testbed.Busy)
		tg := testbed.StartTelegraf(t, testbed.Setup{
			Plugin:   w.Table(testbed.Busy, `interval = "50ms"`),
			Telegraf: testbed.FastFlush + "interval = \"1s\"",
			Execd:    `signal = "STDIN"`,
			Flags:    []string{"--poll_interval_disabled"},
		})
		tg.Await("three gathers", func() bool { return len(w.Ledger()) >= 3 })
		requests := w.Ledger()
		require.Greater(t, requests[2].Start.Sub(requests[0].Start), time.Second)

		w.SetLatency(1500*time.Millisecond, 1500*time.Millisecond) // lines arrive during a gather
		before := len(requests)
		tg.Await("a gather right after one during which a line came", func() bool {
			requests := w.Ledger()[before:]
			for i := range requests[:max(0, len(requests)-1)] {
				if requests[i+1].Start.Sub(requests[i].End) < 250*time.Millisecond { // and not only at the next line
					return true
				}
			}
			return false
		})
		w.RequireOneAtATime(t)
		tg.Stop()
	})
}

// TestStops: whatever the API does, the plugin ends at once, with its rows written and its state saved.
//
//promise:stop
func TestStops(t *testing.T) {
	t.Parallel()
	direct := func(s syscall.Signal) func(*testbed.Telegraf) {
		return func(tg *testbed.Telegraf) {
			require.NoError(tg.T, syscall.Kill(tg.Plugin(), s))
			tg.AwaitLog("exited: <nil>")
			require.Empty(tg.T, testbed.ChildrenOf(tg.T, tg.Cmd.Process.Pid))
		}
	}
	for name, tt := range map[string]struct {
		fault simulator.Fault
		stop  func(*testbed.Telegraf)
	}{
		"stdin":                {simulator.FaultHang, (*testbed.Telegraf).Stop},
		"stdin, slow response": {simulator.FaultSlow, (*testbed.Telegraf).Stop},
		"SIGTERM":              {simulator.FaultHang, direct(syscall.SIGTERM)},
		"SIGINT":               {simulator.FaultHang, direct(syscall.SIGINT)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, start := testbed.StartWolkvox(t, testbed.Busy), time.Now()
			w.Script(testbed.Busy.Token, "", tt.fault)
			tg := testbed.StartTelegraf(t, testbed.Setup{
				Plugin: "[agent]\nstatefile = \"state\"\n" + w.Table(testbed.Busy, `interval = "1s"`),
				Execd:  "signal = \"none\"\nrestart_delay = \"1h\"",
			})
			tg.Await("the second request", func() bool { return len(w.Ledger()) == 2 })
			before := tg.Read("state")

			begin := time.Now()
			tt.stop(tg)
			// The plugin's limit is one second. After five, execd would have sent SIGTERM. Four leaves time for a slow
			// machine.
			require.Less(t, time.Since(begin), 4*time.Second)
			require.Contains(t, tg.Read("state"), "inputs.wolkvox_ivr wv0001.wolkvox.com")
			require.NotEqual(t, before, tg.Read("state"), "the state is saved at the stop")
			require.NotContains(t, tg.Log(), "Stopping without waiting")
			require.NotContains(t, tg.Log(), "file already closed", "it left while execd was still reading")
			if tg.Cmd.ProcessState == nil {
				tg.Stop()
			}
			w.RequireTruth(t, testbed.Busy, tg.Metrics(), start, 3*time.Hour)
			require.Len(t, w.Ledger(), 2)
		})
	}
}

// TestInternalStatistics: [[inputs.internal]] reports the same in the plugin's process as in Telegraf's own.
//
//promise:statistics
func TestInternalStatistics(t *testing.T) {
	t.Parallel()
	operations := testbed.Operations(2, testbed.Busy)
	shapes := make(map[bool][]string)
	for _, native := range []bool{false, true} {
		w := testbed.StartWolkvox(t, operations...)
		w.SetFaultsFor(operations[1].Token, 1, simulator.FaultBadToken)
		tg := testbed.StartTelegraf(t, testbed.Setup{Native: native, Plugin: "[[inputs.internal]]\ninterval = \"1s\"\n" +
			w.Table(operations[0], `alias = "good"`, `interval = "1s"`) +
			w.Table(operations[1], `alias = "bad"`, `interval = "1s"`, `operation = "sales"`, `backfill = "720h"`)})
		for _, want := range []struct {
			name, tag, value string
			fields           []string // above zero
		}{
			{"internal_gather", "alias", "good", []string{"gather_time_ns", "metrics_gathered"}},
			{"internal_gather", "alias", "bad", []string{"gather_time_ns", "errors"}},
			{"internal_wolkvox_ivr", "source", "wv0001.wolkvox.com", []string{"requests", "rows", "api_time_ns"}},
			{"internal_wolkvox_ivr", "operation", "sales", []string{"requests", "failures_token", "api_time_ns", "backlog_hours"}},
		} {
			metrics := tg.AwaitMetrics(fmt.Sprintf("%+v", want), func(metrics []telegraf.Metric) bool {
				return slices.ContainsFunc(metrics, func(m telegraf.Metric) bool {
					tag, _ := m.GetTag(want.tag)
					return m.Name() == want.name && tag == want.value && !slices.ContainsFunc(want.fields, func(field string) bool {
						value, _ := m.GetField(field)
						n, _ := value.(int64)
						return n <= 0
					})
				})
			})
			for _, m := range metrics {
				if tag, _ := m.GetTag(want.tag); m.Name() == want.name && tag == want.value {
					var fields []string
					for _, field := range m.FieldList() {
						fields = append(fields, fmt.Sprintf("%s=%T", field.Key, field.Value))
					}
					slices.Sort(fields)
					if !native {
						require.True(t, m.HasTag("process"), "Telegraf's own series have none")
						m.RemoveTag("process")
					}
					shapes[native] = append(shapes[native], fmt.Sprintln(m.Name(), m.Tags(), fields))
				}
			}
		}
		tg.Stop()
		slices.Sort(shapes[native])
		shapes[native] = slices.Compact(shapes[native])
	}
	require.Len(t, shapes[false], 4)
	require.Equal(t, shapes[true], shapes[false])
}
