//go:build integration

package telegraf

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

//promise:right
//promise:native
func TestMetricsAreTheTruth(t *testing.T) {
	t.Parallel()
	for name, native := range map[string]bool{"behind execd": false, "compiled in": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, start := testbed.StartWolkvox(t, testbed.Busy), time.Now()
			options := []string{`lookback = "48h"`}
			if native {
				options = append(options, `interval = "1s"`) // compiled in, it first gathers after an interval
			}
			tg := testbed.StartTelegraf(t, testbed.Setup{Plugin: w.Table(testbed.Busy, options...), Native: native})
			from, to := testbed.FinalHours(t, testbed.Busy, start, 48*time.Hour)
			metrics := tg.AwaitMetrics("all settled hours", func(metrics []telegraf.Metric) bool {
				return len(testbed.Between(metrics, from, to)) >= len(w.TruthOf(t, testbed.Busy, from, to))
			})
			w.RequireTruth(t, testbed.Busy, metrics, start, 48*time.Hour)
			if !native { // compiled in, the plugin warns about the interval
				require.Empty(t, tg.Problems())
			}
			tg.Stop()
		})
	}
}

//promise:trials
func TestOnce(t *testing.T) {
	t.Parallel()
	w, start := testbed.StartWolkvox(t, testbed.Busy), time.Now()
	tg := testbed.NewTelegraf(t, testbed.Setup{Plugin: w.Table(testbed.Busy)})
	result := tg.Run("--once")
	require.Zero(t, result.Code, result.Stderr)
	w.RequireTruth(t, testbed.Busy, tg.Metrics(), start, 3*time.Hour)
}

//promise:trials
func TestTest(t *testing.T) {
	t.Parallel()
	w, start := testbed.StartWolkvox(t, testbed.Busy), time.Now()
	w.SetLatency(2*time.Second, 2*time.Second) // shorter than execd waits
	for name, execd := range map[string]string{"none": `signal = "none"`, "STDIN": `signal = "STDIN"`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tg := testbed.NewTelegraf(t, testbed.Setup{Plugin: w.Table(testbed.Busy), Execd: execd})
			result := tg.Run("--test")
			require.Zero(t, result.Code, result.Stderr)
			require.Contains(t, result.Stderr, "Telegraf runs with --test: gathering once, without changing the state")
			w.RequireTruth(t, testbed.Busy, testbed.Parse(t, result.Stdout), start, 3*time.Hour)
		})
	}
}

// TestTrialsLeaveTheStateAlone: a trial of Telegraf's configuration does not affect the service, and works beside it.
//
//promise:trials
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
			w, start := testbed.StartWolkvox(t, testbed.Busy), time.Now()
			s := testbed.Setup{Plugin: testbed.WithState + w.Table(testbed.Busy, `interval = "1s"`, fmt.Sprintf(`backfill = "%dh"`, past/time.Hour))}
			if name == "with HOST_PROC" {
				s.Env = []string{"HOST_PROC=/nowhere"}
			}
			tg := testbed.NewTelegraf(t, s)
			if name == "other names" { // names of Telegraf, and of a shell in between
				conf, dir := tg.Read("telegraf.conf"), t.TempDir()
				shell, err := exec.LookPath("sh")
				require.NoError(t, err)
				require.NoError(t, os.Symlink(tg.Program, dir+"/collector"))
				require.NoError(t, os.Symlink(shell, dir+"/telegraf-shell"))
				tg.Program = dir + "/collector"
				tg.Write("telegraf.conf", strings.Replace(conf, "command = [", `command = ["`+dir+`/telegraf-shell", "-c", '"$@" && true', "", `, 1))
			}
			try := func() {
				result := tg.Run(args...)
				require.Zero(t, result.Code, result.Stderr)
				if name != "other names" { // the shell keeps the streams open for a moment after the plugin
					require.NotContains(t, result.Stderr, "E! ")
				}
				shown := append(testbed.Parse(t, result.Stdout), tg.Metrics()...)
				from, to := testbed.FinalHours(t, testbed.Busy, start, 3*time.Hour)
				require.Subset(t, lines(shown), lines(w.TruthOf(t, testbed.Busy, from, to)))
			}

			try()
			require.NoFileExists(t, tg.Dir+"/wolkvox_ivr.state")
			require.NoError(t, os.RemoveAll(tg.Dir+"/metrics.out"))

			from, to := testbed.FinalHours(t, testbed.Busy, start, past)
			truth := w.TruthOf(t, testbed.Busy, from, to)
			tg.Start()
			tg.AwaitMetrics("all hours", func(metrics []telegraf.Metric) bool { return len(testbed.Between(metrics, from, to)) >= len(truth) })
			try()
			tg.Stop()
			state := tg.Read("wolkvox_ivr.state")
			require.NotEmpty(t, state)
			try()
			require.Equal(t, state, tg.Read("wolkvox_ivr.state"))
		})
	}
}

// lines returns the metrics as text, for comparison.
func lines(metrics []telegraf.Metric) (lines []string) {
	for _, m := range metrics {
		lines = append(lines, fmt.Sprint(m.Name(), m.Tags(), m.Fields(), m.Time().UnixNano()))
	}
	return lines
}

//promise:trials
func TestPluginTest(t *testing.T) {
	t.Parallel()
	other := simulator.Operation{Server: "0002", Token: "invented-token-2", Timezone: "Asia/Kolkata", PeakCalls: 20_000}
	w, start := testbed.StartWolkvox(t, testbed.Busy, other), time.Now()
	conf := testbed.WriteConfig(t, w.Table(testbed.Busy, `lookback = "48h"`)+w.Table(other, `lookback = "48h"`))

	result := testbed.RunPlugin(t, "--config", conf, "--test")
	require.Zero(t, result.Code, result.Stderr)
	require.Empty(t, testbed.ProblemsIn(result.Stderr))
	bySource := make(map[string][]telegraf.Metric)
	for _, m := range testbed.Parse(t, result.Stdout) {
		source, _ := m.GetTag("source")
		bySource[source] = append(bySource[source], m)
	}
	require.Len(t, bySource, 2)
	w.RequireTruth(t, testbed.Busy, bySource["wv0001.wolkvox.com"], start, 48*time.Hour)
	w.RequireTruth(t, other, bySource["wv0002.wolkvox.com"], start, 48*time.Hour)
}

//promise:stop
func TestNothingOutlivesTelegraf(t *testing.T) {
	t.Parallel()
	w := testbed.StartWolkvox(t, testbed.Busy)
	w.SetLatency(time.Hour, time.Hour) // so that a request is always in flight
	tg := testbed.StartTelegraf(t, testbed.Setup{Plugin: w.Table(testbed.Busy)})
	requested := func(n int) {
		testbed.Await(t, "a request", func() bool { return len(w.Ledger()) == n })
	}

	requested(1)
	before := tg.Plugin()
	tg.Signal(syscall.SIGHUP)
	tg.AwaitLog("Reloading Telegraf config")
	tg.Await("another plugin after the reload", func() bool { return tg.Plugin() != before })

	requested(2)
	tg.Kill()
	testbed.AwaitClosed(t, "the plugin to end after Telegraf was killed", tg.Gone())

	tg.Start()
	requested(3)
	tg.Stop()
}
