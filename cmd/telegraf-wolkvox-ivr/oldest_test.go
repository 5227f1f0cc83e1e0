//go:build integration

package main

import (
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// oldestTelegraf returns TELEGRAF_OLDEST of the Makefile, less the "v".
func oldestTelegraf(t *testing.T) string {
	t.Helper()
	match := regexp.MustCompile(`(?m)^TELEGRAF_OLDEST +:= v(1\.\d+\.0)$`).FindStringSubmatch(readDoc(t, "Makefile"))
	require.NotNil(t, match)
	return match[1]
}

// TestOldestTelegrafIsClaimed: the READMEs name the version that is tested here.
func TestOldestTelegrafIsClaimed(t *testing.T) {
	minor := strings.TrimSuffix(oldestTelegraf(t), ".0")
	require.Contains(t, readDoc(t, "README.md"), "Telegraf "+minor+" or later")
	require.Contains(t, readDoc(t, "README.es.md"), "Telegraf "+minor)
}

// TestOldestTelegraf: under the oldest Telegraf that the README claims, with the [[inputs.execd]] and the output that are shipped, metrics
// are the truth, log lines have their levels, a stop is orderly, and trials are recognized.
func TestOldestTelegraf(t *testing.T) {
	t.Parallel()
	refused := simulator.Operation{Server: "0003", Token: "invented-token-3"}
	w, start, db := startWolkvox(t, near, far, refused), time.Now(), startInfluxDB(t)
	w.SetFaultsFor(refused.Token, 1, simulator.FaultBadToken)
	truth := slices.Concat(w.monthOf(t, near, "", start), w.monthOf(t, far, "far", start))
	tg := newTelegraf(t, setup{plugin: remembering +
		w.table(near, `backfill = "744h"`, often) +
		w.table(far, `backfill = "744h"`, often, `operation = "far"`) +
		w.table(refused, `interval = "1s"`, `alias = "refused"`), env: []string{"INFLUX_URL=" + db.url()}})
	tg.program, tg.args = built(t, "telegraf-oldest"), []string{"--config", "telegraf.conf"}
	require.Contains(t, finish(t, exec.Command(tg.program, "--version")).stdout, "Telegraf "+oldestTelegraf(t)+"\n", "run make telegraf-oldest")
	// Buffers are in memory: those on disk do not work in all of the versions since.
	tg.write("telegraf.conf", "[agent]\nflush_interval = \"100ms\"\nstatefile = \"telegraf.state\"\n"+shippedExecd(t))
	tg.add("influxdb.conf", readRecipe(t, "influxdb.conf"))
	tg.add("second.conf", "[[outputs.file]]\nfiles = [\"metrics.out\"]\ndata_format = \"influx\"\n")

	tg.start()
	db.awaitMonth(tg, truth)
	from, to := span(truth)
	tg.awaitMetrics("the month in the file, too", func(metrics []telegraf.Metric) bool { return len(between(metrics, from, to)) >= len(truth) })
	tg.awaitLog(pastRead)

	// It says what it does at the level of the line, not as an error that quotes one.
	require.Positive(t, tg.count("I! [inputs.execd] [inputs.wolkvox_ivr] "))
	require.Positive(t, tg.count("E! [inputs.execd] [inputs.wolkvox_ivr::refused] Error in plugin: requesting wv0003.wolkvox.com"))
	require.NotContains(t, tg.log(), "stderr: ")
	tg.requireNoComplaints("interval is shorter", "longer than expected", "[inputs.wolkvox_ivr::refused]")

	// A stop during a request is over before execd sends SIGTERM, which it does after five seconds.
	w.Script(near.Token, simulator.FaultHang)
	tg.await("a request that hangs", func() bool {
		requests := w.requestsWith(near.Token)
		last := requests[len(requests)-1]
		return last.Fault == simulator.FaultHang && last.End.IsZero()
	})
	begin := time.Now()
	tg.stop()
	require.Less(t, time.Since(begin), 4*time.Second)
	require.NotContains(t, tg.log(), "Ending without waiting")
	state := tg.read("wolkvox_ivr.state")
	require.Contains(t, state, "inputs.wolkvox_ivr wv0001.wolkvox.com")

	w.SetFaultsFor(refused.Token, 0) // or Telegraf counts its line as an error of the trial
	for _, flag := range []string{"--test", "--once"} {
		result := tg.run(flag)
		require.Zero(t, result.code, result.stderr)
		require.Contains(t, result.stderr, "I! [inputs.execd] Telegraf runs with "+flag+": gathering once, and leaving the state alone")
		if flag == "--test" {
			require.NotEmpty(t, between(parse(t, result.stdout), start.Add(-4*time.Hour), time.Now()), result.stderr)
		}
		require.Equal(t, state, tg.read("wolkvox_ivr.state"))
	}

	// Started again, it goes on where it was.
	w.ResetLedger()
	tg.start()
	tg.await("a gather after the restart", func() bool {
		return slices.ContainsFunc(w.requestsWith(near.Token), func(r simulator.Request) bool { return r.Status == http.StatusOK })
	})
	tg.stop()
	for _, request := range w.requestsWith(near.Token) {
		require.Greater(t, request.From, start.Add(-48*time.Hour), "the month was requested again")
	}
}
