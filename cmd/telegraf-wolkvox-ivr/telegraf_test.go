//go:build integration

package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/testutil"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// operation is busy enough to have calls in nearly every hour of the night.
var operation = simulator.Operation{Server: "0001", Token: "invented-token-1", PeakCalls: 20_000}

// settled returns the hours that a first gather at now, with this lookback, has to show as they are for ever: whole hours of the clock, the
// earliest left out because a gather some moments later may begin after it.
func settled(t *testing.T, o simulator.Operation, now time.Time, lookback time.Duration) (from, to time.Time) {
	t.Helper()
	return hourOf(t, o, now.Add(-lookback)).Add(time.Hour), hourOf(t, o, now.Add(-simulator.LongestCall))
}

// requireTruth requires the metrics to be the operation's, as a first gather between start and now shows them: the settled hours exactly,
// the later ones as they were at some time in between, and nothing else.
func (w *wolkvox) requireTruth(t *testing.T, o simulator.Operation, metrics []telegraf.Metric, start time.Time, lookback time.Duration) {
	t.Helper()
	from, to := settled(t, o, start, lookback)
	testutil.RequireMetricsEqual(t, w.truth(t, o, from, to), between(metrics, from, to), testutil.SortMetrics())

	for _, m := range metrics {
		hour, figures := m.Time(), w.At(o.Token, m.Time(), time.Now())
		require.True(t, hour.Equal(hourOf(t, o, hour)), "not the start of an hour: %s", hour)
		require.False(t, hour.Before(from.Add(-time.Hour)), "older than the lookback: %s", hour)
		calls, ok := m.GetField("calls")
		require.True(t, ok)
		require.LessOrEqual(t, calls, figures.Calls, hour)
		require.GreaterOrEqual(t, calls, w.At(o.Token, hour, start).Calls, hour)
	}
}

func TestMetricsAreTheTruth(t *testing.T) {
	t.Parallel()
	for name, native := range map[string]bool{"behind execd": false, "compiled in": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, start := startWolkvox(t, operation), time.Now()
			options := []string{`lookback = "48h"`}
			if native {
				options = append(options, `interval = "1s"`) // it gathers after an interval, not at the start
			}
			tg := startTelegraf(t, setup{plugin: w.table(operation, options...), native: native})
			from, to := settled(t, operation, start, 48*time.Hour)
			metrics := tg.awaitMetrics("all settled hours", func(metrics []telegraf.Metric) bool {
				return len(between(metrics, from, to)) >= len(w.truth(t, operation, from, to))
			})
			w.requireTruth(t, operation, metrics, start, 48*time.Hour)
			if !native { // where the plugin dislikes the interval
				require.Empty(t, tg.complaints())
			}
			tg.stop()
		})
	}
}

func TestOnce(t *testing.T) {
	t.Parallel()
	w, start := startWolkvox(t, operation), time.Now()
	tg := newTelegraf(t, setup{plugin: w.table(operation)})
	result := tg.run("--once")
	require.Zero(t, result.code, result.stderr)
	w.requireTruth(t, operation, tg.metrics(), start, 3*time.Hour)
}

func TestTest(t *testing.T) {
	t.Parallel()
	w, start := startWolkvox(t, operation), time.Now()
	w.SetLatency(2*time.Second, 2*time.Second) // execd waits longer
	for name, execd := range map[string]string{"none": `signal = "none"`, "STDIN": `signal = "STDIN"`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tg := newTelegraf(t, setup{plugin: w.table(operation), execd: execd})
			result := tg.run("--test")
			require.Zero(t, result.code, result.stderr)
			require.Contains(t, result.stderr, "Telegraf runs with --test: gathering once, and leaving the state alone")
			w.requireTruth(t, operation, parse(t, result.stdout), start, 3*time.Hour)
		})
	}
}

// TestTrialsLeaveTheStateAlone: trying Telegraf's configuration out changes nothing of what the service does next, and
// works beside it.
func TestTrialsLeaveTheStateAlone(t *testing.T) {
	t.Parallel()
	const past = 400 * time.Hour
	for name, args := range map[string][]string{
		"test":           {"--test"},
		"once":           {"--once"},
		"test and wait":  {"--test", "--test-wait", "2"},
		"wait":           {"--test-wait=1"},
		"with HOST_PROC": {"--test"},
		"other names":    {"--test"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, start := startWolkvox(t, operation), time.Now()
			s := setup{plugin: remembering + w.table(operation, `interval = "1s"`, fmt.Sprintf(`backfill = "%dh"`, past/time.Hour))}
			if name == "with HOST_PROC" {
				s.env = []string{"HOST_PROC=/nowhere"}
			}
			tg := newTelegraf(t, s)
			if name == "other names" { // of Telegraf, and of a shell in between
				conf, dir := tg.read("telegraf.conf"), t.TempDir()
				shell, err := exec.LookPath("sh")
				require.NoError(t, err)
				require.NoError(t, os.Symlink(tg.program, dir+"/collector"))
				require.NoError(t, os.Symlink(shell, dir+"/telegraf-shell"))
				tg.program = dir + "/collector"
				tg.write("telegraf.conf", strings.Replace(conf, "command = [", `command = ["`+dir+`/telegraf-shell", "-c", '"$@" && true', "", `, 1))
			}
			try := func() {
				result := tg.run(args...)
				require.Zero(t, result.code, result.stderr)
				if name != "other names" { // where the shell holds the streams for a moment after the plugin
					require.NotContains(t, result.stderr, "E! ")
				}
				shown := append(parse(t, result.stdout), tg.metrics()...)
				from, to := settled(t, operation, start, 3*time.Hour)
				require.Subset(t, lines(shown), lines(w.truth(t, operation, from, to)))
			}

			try()
			require.NoFileExists(t, tg.dir+"/wolkvox_ivr.state")
			require.NoError(t, os.RemoveAll(tg.dir+"/metrics.out"))

			from, to := settled(t, operation, start, past)
			truth := w.truth(t, operation, from, to)
			tg.start()
			tg.awaitMetrics("all hours", func(metrics []telegraf.Metric) bool { return len(between(metrics, from, to)) >= len(truth) })
			try()
			tg.stop()
			state := tg.read("wolkvox_ivr.state")
			require.NotEmpty(t, state)
			try()
			require.Equal(t, state, tg.read("wolkvox_ivr.state"))
		})
	}
}

// lines returns the metrics as text, to be compared.
func lines(metrics []telegraf.Metric) (lines []string) {
	for _, m := range metrics {
		lines = append(lines, fmt.Sprint(m.Name(), m.Tags(), m.Fields(), m.Time().UnixNano()))
	}
	return lines
}

func TestPluginTest(t *testing.T) {
	t.Parallel()
	other := simulator.Operation{Server: "0002", Token: "invented-token-2", Timezone: "Asia/Kolkata", PeakCalls: 20_000}
	w, start := startWolkvox(t, operation, other), time.Now()
	conf := writeConfig(t, w.table(operation, `lookback = "48h"`)+w.table(other, `lookback = "48h"`))

	result := runPlugin(t, "--config", conf, "--test")
	require.Zero(t, result.code, result.stderr)
	require.Empty(t, complaintsIn(result.stderr))
	bySource := make(map[string][]telegraf.Metric)
	for _, m := range parse(t, result.stdout) {
		source, _ := m.GetTag("source")
		bySource[source] = append(bySource[source], m)
	}
	require.Len(t, bySource, 2)
	w.requireTruth(t, operation, bySource["wv0001.wolkvox.com"], start, 48*time.Hour)
	w.requireTruth(t, other, bySource["wv0002.wolkvox.com"], start, 48*time.Hour)
}

func TestPluginTestFails(t *testing.T) {
	t.Parallel()
	w := startWolkvox(t, operation)
	w.SetFaults(1, simulator.FaultBadToken)
	for name, tt := range map[string]struct{ conf, says string }{
		"no file":       {"nowhere.conf", "nowhere.conf"},
		"not TOML":      {writeConfig(t, "[[inputs.wolkvox_ivr]\n"), "wolkvox_ivr.conf:1"},
		"no input":      {writeConfig(t, ""), "inputs.NAME"},
		"no token":      {writeConfig(t, "[[inputs.wolkvox_ivr]]\nserver = \"0001\"\n"), "token is empty"},
		"refused token": {writeConfig(t, w.table(operation)), "the token was not accepted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result := runPlugin(t, "--config", tt.conf, "--test")
			require.Equal(t, 1, result.code)
			require.Empty(t, result.stdout)
			complaints := complaintsIn(result.stderr)
			require.NotEmpty(t, complaints)
			require.Regexp(t, `^E! .*`+regexp.QuoteMeta(tt.says), complaints[0])
			if name != "refused token" {
				require.Len(t, complaints, 1)
			}
		})
	}
}

func TestNoStatefileIsLogged(t *testing.T) {
	t.Parallel()
	w := startWolkvox(t, operation)
	startTelegraf(t, setup{plugin: w.table(operation)}).awaitLog("W! [inputs.execd] No statefile in [agent]: what is missed while this program is down ")
}

func TestPluginFlags(t *testing.T) {
	t.Parallel()
	sample, err := os.ReadFile("../../sample.conf")
	require.NoError(t, err)
	result := runPlugin(t, "--sample-config")
	require.Zero(t, result.code, result.stderr)
	require.Contains(t, result.stdout, string(sample))

	result = runPlugin(t, "--version")
	require.Zero(t, result.code, result.stderr)
	require.Regexp(t, `^telegraf-wolkvox-ivr \S+ \(.+\)\n$`, result.stdout)

	require.NotZero(t, runPlugin(t, "--no-such-flag").code)
}

func TestNothingOutlivesTelegraf(t *testing.T) {
	t.Parallel()
	w := startWolkvox(t, operation)
	w.SetLatency(time.Hour, time.Hour) // so that requests are under way all the time
	tg := startTelegraf(t, setup{plugin: w.table(operation)})
	requested := func(n int) {
		await(t, "a request", func() bool { return len(w.Ledger()) == n })
	}

	requested(1)
	before := tg.plugin()
	tg.signal(syscall.SIGHUP)
	tg.awaitLog("Reloading Telegraf config")
	tg.await("another plugin after the reload", func() bool { return tg.plugin() != before })

	requested(2)
	tg.kill()
	awaitClosed(t, "the plugin to end after Telegraf was killed", tg.gone())

	tg.start()
	requested(3)
	tg.stop()
}

// writeConfig writes a configuration of the plugin, and returns its path.
func writeConfig(t *testing.T, content string) string {
	t.Helper()
	path := t.TempDir() + "/wolkvox_ivr.conf"
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}
