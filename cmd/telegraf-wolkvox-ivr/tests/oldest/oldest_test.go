//go:build integration

package oldest

import (
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// TestOldestTelegraf: with the oldest Telegraf that the README claims, and the shipped [[inputs.execd]] and output,
// metrics are the truth, log lines have their levels, a stop is clean, and trials are recognized.
//
//promise:oldest
func TestOldestTelegraf(t *testing.T) {
	t.Parallel()
	refused := simulator.Operation{Server: "0003", Token: "invented-token-3"}
	w, start, db := testbed.StartWolkvox(t, testbed.Near, testbed.Far, refused), time.Now(), testbed.StartInfluxDB(t)
	w.SetFaultsFor(refused.Token, 1, simulator.FaultBadToken)
	truth := slices.Concat(w.MonthOf(t, testbed.Near, "", start), w.MonthOf(t, testbed.Far, "far", start))
	tg := testbed.NewTelegraf(t, testbed.Setup{Plugin: testbed.WithState +
		w.Table(testbed.Near, `backfill = "744h"`, testbed.ShortInterval) +
		w.Table(testbed.Far, `backfill = "744h"`, testbed.ShortInterval, `operation = "far"`) +
		w.Table(refused, `interval = "1s"`, `alias = "refused"`), Env: []string{"INFLUX_URL=" + db.URL()}})
	tg.Program, tg.Args = testbed.ProgramPath(t, "telegraf-oldest"), []string{"--config", "telegraf.conf"}
	version := testbed.Finish(t, exec.Command(tg.Program, "--version")).Stdout
	require.Contains(t, version, "Telegraf "+testbed.OldestTelegraf(t)+"\n", "run make bin/telegraf-oldest")
	// Buffers are in memory, because those on disk do not work in all later versions.
	tg.Write("telegraf.conf", "[agent]\nflush_interval = \"100ms\"\nstatefile = \"telegraf.state\"\n"+testbed.ShippedExecd(t))
	tg.Add("influxdb.conf", testbed.ReadRecipe(t, "influxdb.conf"))
	tg.AddFileOutput()

	tg.Start()
	db.AwaitMonth(tg, truth)
	from, to := testbed.Span(truth)
	tg.AwaitMetrics("the month in the file, too", func(metrics []telegraf.Metric) bool { return len(testbed.Between(metrics, from, to)) >= len(truth) })
	tg.AwaitLog(testbed.HistoryDone)

	// It logs at the level of the line, and not as an error that quotes the line.
	require.Positive(t, tg.Count("I! [inputs.execd] [inputs.wolkvox_ivr] "))
	require.Positive(t, tg.Count("E! [inputs.execd] [inputs.wolkvox_ivr::refused] Error in plugin: request to wv0003.wolkvox.com"))
	require.NotContains(t, tg.Log(), "stderr: ")
	tg.RequireNoProblems("interval is shorter", "longer than expected", "[inputs.wolkvox_ivr::refused]")

	// A stop during a request ends before execd sends SIGTERM, after five seconds.
	w.Script(testbed.Near.Token, simulator.FaultHang)
	tg.Await("a request that hangs", func() bool {
		requests := w.RequestsWith(testbed.Near.Token)
		last := requests[len(requests)-1]
		return last.Fault == simulator.FaultHang && last.End.IsZero()
	})
	begin := time.Now()
	tg.Stop()
	require.Less(t, time.Since(begin), 4*time.Second)
	require.NotContains(t, tg.Log(), "Stopping without waiting")
	state := tg.Read("wolkvox_ivr.state")
	require.Contains(t, state, "inputs.wolkvox_ivr wv0001.wolkvox.com")

	w.SetFaultsFor(refused.Token, 0) // otherwise Telegraf counts its error as an error of the trial
	for _, flag := range []string{"--test", "--once"} {
		result := tg.Run(flag)
		require.Zero(t, result.Code, result.Stderr)
		require.Contains(t, result.Stderr, "I! [inputs.execd] Telegraf runs with "+flag+": gathering once, without changing the state")
		if flag == "--test" {
			require.NotEmpty(t, testbed.Between(testbed.Parse(t, result.Stdout), start.Add(-4*time.Hour), time.Now()), result.Stderr)
		}
		require.Equal(t, state, tg.Read("wolkvox_ivr.state"))
	}

	// After a restart, it resumes.
	w.ResetLedger()
	tg.Start()
	tg.Await("a gather after the restart", func() bool { return w.Successes(testbed.Near.Token) > 0 })
	tg.Stop()
	for _, request := range w.RequestsWith(testbed.Near.Token) {
		require.Greater(t, request.From, start.Add(-48*time.Hour), "the month was requested again")
	}
}
