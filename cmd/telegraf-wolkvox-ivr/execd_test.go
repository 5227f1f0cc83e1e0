//go:build integration

package main

import (
	"fmt"
	"io"
	"net/http"
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
	"github.com/influxdata/telegraf/testutil"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// quickly are the harness's options of [agent], for more to be added.
const quickly = "flush_interval = \"100ms\"\nomit_hostname = true\nskip_processors_after_aggregators = true\n"

// never is an interval that does not pass while a test runs.
const never = `interval = "8760h"`

// busy returns operations like `operation`, each with a server and a token of its own.
func busy(n int) (operations []simulator.Operation) {
	for i := range n {
		operations = append(operations, simulator.Operation{
			Server: fmt.Sprintf("%04d", i+1), Token: fmt.Sprintf("invented-token-%d", i+1), PeakCalls: operation.PeakCalls,
		})
	}
	return operations
}

// child is one of several [[inputs.execd]] in one Telegraf.
type child struct {
	name  string // of its configuration file, less ".conf"
	conf  string
	flags []string // the plugin's
	under []string // a command that runs the plugin
	execd string   // options of its own [[inputs.execd]]
}

// newTelegrafWith prepares a Telegraf that runs the plugin several times, which costs less than several Telegrafs.
func newTelegrafWith(t *testing.T, s setup, children []child) *agent {
	t.Helper()
	for _, c := range children {
		command := append(slices.Clone(c.under), built(t, "telegraf-wolkvox-ivr"), "--config", c.name+".conf")
		command = append(command, c.flags...)
		for i, word := range command {
			command[i] = strconv.Quote(word)
		}
		s.tables += "[[inputs.execd]]\ncommand = [" + strings.Join(command, ", ") + "]\n" + c.execd + "\n"
	}
	tg := newTelegraf(t, s)
	for _, c := range children {
		tg.write(c.name+".conf", c.conf)
	}
	return tg
}

// lines returns the lines of Telegraf's log without their times.
func (a *agent) lines() []string {
	a.t.Helper()
	return strings.Split(regexp.MustCompile(`(?m)^\d\S+Z `).ReplaceAllString(a.log(), ""), "\n")
}

// count returns how many lines of the log begin so.
func (a *agent) count(beginning string) (n int) {
	a.t.Helper()
	for _, line := range a.lines() {
		if strings.HasPrefix(line, beginning) {
			n++
		}
	}
	return n
}

// requestsWith returns the requests made with the token.
func (w *wolkvox) requestsWith(token string) (requests []simulator.Request) {
	for _, request := range w.Ledger() {
		if request.Token == token {
			requests = append(requests, request)
		}
	}
	return requests
}

// variant is a table with options that Telegraf gives to every input.
type variant struct {
	operation simulator.Operation
	options   []string
	change    func(telegraf.Metric) bool // makes of an hour's true metric what the table lets through, if it does
}

func variants() []variant {
	operations := busy(4)
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

// servedVariants are the plugin's configuration and what it has to show of settled hours, those in [from, to).
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
	w := startWolkvox(t, operations...)
	from, to := settled(t, operation, time.Now(), 48*time.Hour)
	s.from, s.to = from.Add(time.Hour), to.Add(-time.Hour) // where hours begin half an hour later, in Kolkata, too
	var tables []string
	for _, v := range variants() {
		tables = append(tables, w.table(v.operation, append([]string{interval, `lookback = "48h"`}, v.options...)...))
		for _, m := range w.truth(t, v.operation, s.from, s.to) {
			if v.change(m) {
				s.want = append(s.want, m)
			}
		}
	}
	require.NotEmpty(t, s.want)
	s.conf = strings.Join(tables, "")
	return s
}

// in returns the metrics of settled hours.
func (s servedVariants) in(metrics []telegraf.Metric) []telegraf.Metric {
	return between(metrics, s.from, s.to)
}

// shownIn says whether the metrics of all settled hours are there.
func (s servedVariants) shownIn(metrics []telegraf.Metric) bool {
	return len(s.in(metrics)) >= len(s.want)
}

// TestSeveralTables: each table's naming, tags and filters are its own, and no two may write the same series.
func TestSeveralTables(t *testing.T) {
	t.Parallel()
	variants := serveVariants(t, never)
	tg := startTelegraf(t, setup{plugin: variants.conf})
	metrics := tg.awaitMetrics("all settled hours", variants.shownIn)
	testutil.RequireMetricsEqual(t, variants.want, variants.in(metrics), testutil.SortMetrics())
	require.Empty(t, tg.complaints())

	tg.write("wolkvox_ivr.conf", variants.conf+"\n"+variants.conf)
	tg.signal(syscall.SIGHUP)
	tg.awaitLog(fmt.Sprintf("E! [inputs.execd] wolkvox_ivr.conf:%d: this [[inputs.wolkvox_ivr]] would write the same series as the one at "+
		"wolkvox_ivr.conf:1: remove one, or give it its own operation", strings.Count(variants.conf, "\n")+2))
	tg.stop()
}

// TestMistakesAreNamed: a mistake is one line in Telegraf's log, at the level of an error, with its file and line.
func TestMistakesAreNamed(t *testing.T) {
	t.Parallel()
	const table = "[[inputs.wolkvox_ivr]]\nserver = \"0001\"\ntoken = \"invented-token-1\"\n"
	mistakes := []struct{ name, conf, says string }{
		{"misspelt", table + `lookbak = "3h"`, `misspelt.conf:4: unknown option "lookbak" in [[inputs.wolkvox_ivr]]: did you mean "lookback"?`},
		{"unknown", table + `colour = "red"`, `unknown.conf:4: unknown option "colour" in [[inputs.wolkvox_ivr]]`},
		{"delay", table + `delay = "3h"`, `delay.conf:4: unknown option "delay" in [[inputs.wolkvox_ivr]]`},
		{"flush", table + `flush_interval = "3h"`, `flush.conf:4: unknown option "flush_interval" in [[inputs.wolkvox_ivr]]`},
		{"table", "\n[[input.wolkvox_ivr]]", `table.conf:2: unknown table "input": did you mean "inputs"?`},
		{"plugin", "\n[[inputs.wolkvox_ivt]]", `plugin.conf:2: unknown input plugin "wolkvox_ivt": did you mean "wolkvox_ivr"?`},
		{"filter", table + `metricpass = "("`, `filter.conf:1: `}, // where the reason has several lines
		{"outputs", table + "[[outputs.file]]",
			`outputs.conf:4: [[outputs.file]] does not belong here, but in Telegraf's own configuration, beside [[inputs.execd]]`},
		{"none", "", `none.conf: no input: add a table [[inputs.NAME]], NAME being one of internal, wolkvox_ivr`},
		{"unset", strings.Replace(table, "invented-token-1", "${WOLKVOX_TEST_UNSET}", 1), `unset.conf:3: environment variable WOLKVOX_TEST_UNSET is not set`},
		{"value", table + `timezone = "America/Bogta"`, `[inputs.wolkvox_ivr] value.conf:1: `},
	}
	var children []child
	for _, m := range mistakes {
		children = append(children, child{name: m.name, conf: m.conf, execd: "stop_on_error = true"})
	}
	tg := newTelegrafWith(t, setup{}, children)
	tg.start()
	tg.await("all to have ended", func() bool {
		return tg.count("E! [inputs.execd] Process quit with message: exit status 1") == len(mistakes)
	})
	for _, m := range mistakes {
		if !strings.HasSuffix(m.says, ": ") {
			m.says += "\n"
		}
		require.Contains(t, strings.Join(tg.lines(), "\n"), "\nE! [inputs.execd] "+m.says)
	}
	require.Len(t, tg.complaints(), 2*len(mistakes))
	tg.stop()
}

// TestBadConfigurationEnds: execd starts a plugin whose configuration is wrong again, or leaves it down, as it is told.
func TestBadConfigurationEnds(t *testing.T) {
	t.Parallel()
	operations := busy(2)
	w := startWolkvox(t, operations...)
	const bad = "[[inputs.wolkvox_ivr]]\nservr = \"0001\"\n"
	tg := newTelegrafWith(t, setup{}, []child{
		{name: "again", conf: bad, execd: "restart_delay = \"500ms\""},
		{name: "left", conf: bad, execd: "restart_delay = \"500ms\"\nstop_on_error = true"},
	})
	tg.start()
	says := func(name string) int {
		return tg.count("E! [inputs.execd] " + name + ".conf:2: unknown option \"servr\" in [[inputs.wolkvox_ivr]]: did you mean \"server\"?")
	}
	tg.await("the error to be said again", func() bool { return says("again") >= 2 })
	tg.awaitLog("exited: exit status 1")
	tg.awaitLog("I! [inputs.execd] Restarting in 500ms...")
	tg.awaitLog("E! [inputs.execd] Process quit with message: exit status 1")

	tg.write("left.conf", w.table(operations[1]))
	tg.write("again.conf", w.table(operations[0]))
	tg.awaitMetrics("metrics", hasMetrics("wolkvox_ivr"))
	require.Equal(t, 1, says("left"))
	require.Empty(t, w.requestsWith(operations[1].Token))
	require.Len(t, tg.complaints(), 2+2*says("again")) // with Telegraf's word that the process has ended
	tg.stop()
}

// TestEnvironment: variables are Telegraf's and those of execd's environment. Of tags, the plugin adds what its file says.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		agent  string // of Telegraf
		plugin string // the head of the plugin's file
		want   map[string]string
	}{
		"no host":         {quickly, "", map[string]string{}},
		"Telegraf's host": {strings.Replace(quickly, "true", "false", 1) + `hostname = "monitor"`, "", map[string]string{"host": "monitor"}},
		"own host":        {quickly, "[agent]\nhostname = \"edge\"\n", map[string]string{"host": "edge"}},
		"global tags":     {quickly, "[global_tags]\nsite = \"${WOLKVOX_TEST_SITE}\"\n", map[string]string{"site": "north"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startWolkvox(t, operation)
			fromEnvironment := operation
			fromEnvironment.Token = "${WOLKVOX_TEST_TOKEN}"
			tg := startTelegraf(t, setup{
				plugin: tt.plugin + w.table(fromEnvironment, `tags = {rack = "${WOLKVOX_TEST_RACK:-r0}"}`),
				agent:  tt.agent,
				execd:  "signal = \"none\"\nenvironment = [\"WOLKVOX_TEST_TOKEN=" + operation.Token + "\"]",
				env:    []string{"WOLKVOX_TEST_SITE=north"},
			})
			for _, m := range tg.awaitMetrics("metrics", hasMetrics("wolkvox_ivr")) {
				tt.want["hour"], _ = m.GetTag("hour")
				tt.want["source"] = "wv0001.wolkvox.com"
				tt.want["rack"] = "r0"
				require.Equal(t, tt.want, m.Tags())
			}
			require.Empty(t, tg.complaints())
			tg.stop()
		})
	}
}

// TestSecretsFromStores: tokens come from stores, and one that changes there is used at the next request.
func TestSecretsFromStores(t *testing.T) {
	t.Parallel()
	operations := busy(3)
	w, secrets := startWolkvox(t, operations...), t.TempDir()
	put := func(name, token string) { // with a line's end, as an editor leaves it
		require.NoError(t, os.WriteFile(filepath.Join(secrets, name), []byte(token+"\n"), 0o600))
	}
	put("first", operations[0].Token)
	put("second", operations[1].Token)
	server := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, _ *http.Request) {
		io.WriteString(answer, `{"third": "`+operations[2].Token+`"}`) //nolint:errcheck // the test fails without it
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
		tables = append(tables, w.table(stored, `interval = "1s"`))
	}
	tg := startTelegraf(t, setup{plugin: strings.Join(tables, "")})
	answered := func(token string) bool {
		return slices.ContainsFunc(w.requestsWith(token), func(r simulator.Request) bool { return r.Status == http.StatusOK })
	}
	for _, o := range operations {
		tg.await("a request with "+o.Token, func() bool { return answered(o.Token) })
	}
	plugin := tg.plugin()
	w.SetToken(operations[1].Token, "invented-token-new")
	put("second", "invented-token-new")
	tg.await("the new token to be used", func() bool { return answered("invented-token-new") })
	require.Equal(t, plugin, tg.plugin(), "the plugin was started again")
	tg.stop()
}

// TestLockedMemoryIsTooLittle: that is said, and --unprotected does without.
func TestLockedMemoryIsTooLittle(t *testing.T) {
	t.Parallel()
	under := []string{"sh", "-c", `ulimit -l 16 && exec "$@"`, "sh"}
	if os.Getuid() == 0 { // who may lock as much as it likes
		under = append(under, "setpriv", "--bounding-set", "-ipc_lock")
		if err := exec.Command("setpriv", "--bounding-set", "-ipc_lock", "true").Run(); err != nil {
			leaveOut(t, fmt.Sprintf("no setpriv that takes a right from the plugin of root: %v", err))
		}
	}
	operations := busy(2)
	w := startWolkvox(t, operations...)
	tg := newTelegrafWith(t, setup{}, []child{
		{name: "protected", conf: w.table(operations[0]), under: under, execd: "stop_on_error = true"},
		{name: "unprotected", conf: w.table(operations[1]), under: under, flags: []string{"--unprotected"}},
	})
	tg.start()
	tg.awaitLog("E! [inputs.execd] protecting 1 secret(s) takes 20 KiB of locked memory, which this process does not get " +
		"(cannot allocate memory): raise the limit (LimitMEMLOCK= in the systemd unit, ulimit -l in a shell), or run with --unprotected\n")
	tg.awaitLog("Process quit with message: exit status 1")
	tg.awaitLog("W! [inputs.execd] Running without secret protection!\n")
	tg.awaitMetrics("metrics", hasMetrics("wolkvox_ivr"))
	require.Empty(t, w.requestsWith(operations[0].Token))
	require.Len(t, tg.complaints(), 3)
	tg.stop()
}

// TestLogLevels: lines arrive at their own levels under the table's name, those that the plugin is told to log.
func TestLogLevels(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		agent  string // of the plugin's file
		option string // of the table
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
	operations := busy(2 * len(cases))
	w := startWolkvox(t, operations...)
	var children []child
	for i, c := range cases {
		good, bad := operations[2*i], operations[2*i+1]
		w.SetFaultsFor(bad.Token, 1, simulator.FaultBadToken)
		children = append(children, child{name: c.name, flags: c.flags, conf: "[agent]\n" + c.agent + "\n" +
			w.table(good, `alias = "`+c.name+`"`, `interval = "1s"`, `backfill = "24h"`, c.option) +
			w.table(bad, `alias = "`+c.name+`-bad"`, never)})
	}
	tg := newTelegrafWith(t, setup{agent: quickly + "debug = true"}, children) // or Telegraf itself shows no debug messages
	tg.start()
	for i, c := range cases {
		// Its first gather is over, and all is said, when a third one asks.
		tg.await("requests of "+c.name, func() bool { return len(w.requestsWith(operations[2*i].Token)) >= 4 })
		prefix := " [inputs.execd] [inputs.wolkvox_ivr::" + c.name
		tg.awaitLog("E!" + prefix + "-bad] Error in plugin: requesting wv" + operations[2*i+1].Server + ".wolkvox.com")
		for _, level := range c.want {
			tg.awaitLog(string(level) + "!" + prefix + "] ")
		}
	}
	tg.stop()
	for _, c := range cases {
		for _, level := range "DIWE" {
			n := tg.count(string(level) + "! [inputs.execd] [inputs.wolkvox_ivr::" + c.name + "] ")
			require.Equal(t, strings.ContainsRune(c.want, level), n > 0, "%s: %c!", c.name, level)
		}
	}
	require.NotContains(t, tg.log(), `stderr: "`)
	require.NotContains(t, tg.log(), "file already closed")
}

// TestSchedule: a table is gathered at once, then on its own interval; or at Telegraf's, if execd sends it lines.
func TestSchedule(t *testing.T) {
	t.Parallel()
	neverTwice := func(t *testing.T, w *wolkvox) {
		for _, request := range w.Ledger() {
			require.Equal(t, 1, request.InFlight)
		}
	}

	t.Run("intervals", func(t *testing.T) {
		t.Parallel()
		operations := busy(3)
		w := startWolkvox(t, operations...)
		often, jittered, rarely := operations[0], operations[1], operations[2]
		tg := startTelegraf(t, setup{plugin: w.table(often, `interval = "1s"`) +
			w.table(jittered, `interval = "1s"`, `collection_jitter = "8760h"`) + w.table(rarely, never)})
		tg.await("gathers on whole seconds", func() bool {
			requests := w.requestsWith(often.Token)
			return len(requests) >= 4 && slices.ContainsFunc(requests[1:], func(r simulator.Request) bool {
				return r.Start.Sub(r.Start.Truncate(time.Second)) < 250*time.Millisecond
			})
		})
		requests := w.requestsWith(often.Token)
		require.Greater(t, requests[3].Start.Sub(requests[0].Start), time.Second)
		require.Len(t, w.requestsWith(jittered.Token), 1)
		require.Len(t, w.requestsWith(rarely.Token), 1)
		neverTwice(t, w)
		tg.stop()
	})

	t.Run("lines on stdin", func(t *testing.T) {
		t.Parallel()
		w := startWolkvox(t, operation)
		tg := startTelegraf(t, setup{
			plugin: w.table(operation, `interval = "50ms"`),
			agent:  quickly + "interval = \"1s\"",
			execd:  `signal = "STDIN"`,
			flags:  []string{"--poll_interval_disabled"},
		})
		tg.await("three gathers", func() bool { return len(w.Ledger()) >= 3 })
		requests := w.Ledger()
		require.Greater(t, requests[2].Start.Sub(requests[0].Start), time.Second)

		w.SetLatency(1500*time.Millisecond, 1500*time.Millisecond) // lines come meanwhile
		before := len(requests)
		tg.await("a line that came during a gather to be answered after it", func() bool {
			requests := w.Ledger()[before:]
			for i := range requests[:max(0, len(requests)-1)] {
				if requests[i+1].Start.Sub(requests[i].End) < 250*time.Millisecond { // and not at the next line
					return true
				}
			}
			return false
		})
		neverTwice(t, w)
		tg.stop()
	})
}

// TestStops: whatever the API does, the plugin ends at once, with what it has read written out and its state saved.
func TestStops(t *testing.T) {
	t.Parallel()
	direct := func(s syscall.Signal) func(*agent) {
		return func(tg *agent) {
			require.NoError(tg.t, syscall.Kill(tg.plugin(), s))
			tg.awaitLog("exited: <nil>")
			require.Empty(tg.t, childrenOf(tg.t, tg.cmd.Process.Pid))
		}
	}
	for name, tt := range map[string]struct {
		fault simulator.Fault
		stop  func(*agent)
	}{
		"stdin":                       {simulator.FaultHang, (*agent).stop},
		"stdin, during a slow answer": {simulator.FaultSlow, (*agent).stop},
		"SIGTERM":                     {simulator.FaultHang, direct(syscall.SIGTERM)},
		"SIGINT":                      {simulator.FaultHang, direct(syscall.SIGINT)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, start := startWolkvox(t, operation), time.Now()
			w.Script(operation.Token, "", tt.fault)
			tg := startTelegraf(t, setup{
				plugin: "[agent]\nstatefile = \"state\"\n" + w.table(operation, `interval = "1s"`),
				execd:  "signal = \"none\"\nrestart_delay = \"1h\"",
			})
			tg.await("the second request", func() bool { return len(w.Ledger()) == 2 })
			before := tg.read("state")

			begin := time.Now()
			tt.stop(tg)
			// The plugin's limit is a second. After five execd would have sent SIGTERM: this shows that it did not, on a slow machine too.
			require.Less(t, time.Since(begin), 4*time.Second)
			require.Contains(t, tg.read("state"), "inputs.wolkvox_ivr wv0001.wolkvox.com")
			require.NotEqual(t, before, tg.read("state"), "the state is saved at the stop")
			require.NotContains(t, tg.log(), "Ending without waiting")
			require.NotContains(t, tg.log(), "file already closed", "it left while execd was still reading")
			if tg.cmd.ProcessState == nil {
				tg.stop()
			}
			w.requireTruth(t, operation, tg.metrics(), start, 3*time.Hour)
			require.Len(t, w.Ledger(), 2)
		})
	}
}

// TestInternalStatistics: [[inputs.internal]] reports in the plugin's process what it does in Telegraf's own.
func TestInternalStatistics(t *testing.T) {
	t.Parallel()
	operations := busy(2)
	shapes := make(map[bool][]string)
	for _, native := range []bool{false, true} {
		w := startWolkvox(t, operations...)
		w.SetFaultsFor(operations[1].Token, 1, simulator.FaultBadToken)
		tg := startTelegraf(t, setup{native: native, plugin: "[[inputs.internal]]\ninterval = \"1s\"\n" +
			w.table(operations[0], `alias = "good"`, `interval = "1s"`) +
			w.table(operations[1], `alias = "bad"`, `interval = "1s"`, `operation = "sales"`, `backfill = "720h"`)})
		for _, want := range []struct {
			name, tag, value string
			fields           []string // above zero
		}{
			{"internal_gather", "alias", "good", []string{"gather_time_ns", "metrics_gathered"}},
			{"internal_gather", "alias", "bad", []string{"gather_time_ns", "errors"}},
			{"internal_wolkvox_ivr", "source", "wv0001.wolkvox.com", []string{"requests", "rows", "api_time_ns"}},
			{"internal_wolkvox_ivr", "operation", "sales", []string{"requests", "failures_token", "api_time_ns", "backlog_hours"}},
		} {
			metrics := tg.awaitMetrics(fmt.Sprintf("%+v", want), func(metrics []telegraf.Metric) bool {
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
		tg.stop()
		slices.Sort(shapes[native])
		shapes[native] = slices.Compact(shapes[native])
	}
	require.Len(t, shapes[false], 4)
	require.Equal(t, shapes[true], shapes[false])
}

// hasMetrics says whether there are any of this name.
func hasMetrics(name string) func([]telegraf.Metric) bool {
	return func(metrics []telegraf.Metric) bool {
		return slices.ContainsFunc(metrics, func(m telegraf.Metric) bool { return m.Name() == name })
	}
}
