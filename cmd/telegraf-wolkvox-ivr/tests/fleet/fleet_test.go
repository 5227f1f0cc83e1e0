//go:build integration

package fleet

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// onThisMachine returns a configuration from testdata/fleet with the simulator's URL and this test's folders.
func onThisMachine(t *testing.T, w *testbed.Wolkvox, name string) string {
	t.Helper()
	content, err := os.ReadFile(testbed.Root + "/testdata/fleet/" + name)
	require.NoError(t, err)
	dir := t.TempDir()
	for name, operation := range testbed.FleetOperations { // with a newline, as an editor leaves it
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+"_token"), []byte(operation.Token+"\n"), 0o600))
	}
	return strings.NewReplacer(
		"/etc/telegraf/secrets", dir,
		"/var/lib/telegraf/", dir+"/",
		"[[inputs.wolkvox_ivr]]", "[[inputs.wolkvox_ivr]]\nurl = \""+w.URL+"\"\n",
	).Replace(string(content))
}

// hasFinalHours returns a condition that is true if there are metrics of all final hours.
func hasFinalHours(t *testing.T, w *testbed.Wolkvox, o simulator.Operation, start time.Time, lookback time.Duration) func([]telegraf.Metric) bool {
	return func(metrics []telegraf.Metric) bool {
		from, to := testbed.FinalHours(t, o, start, lookback)
		return len(testbed.Between(metrics, from, to)) >= len(w.TruthOf(t, o, from, to))
	}
}

// tables returns the tables of all operations, each with the options.
func tables(w *testbed.Wolkvox, operations []simulator.Operation, options ...string) string {
	var all strings.Builder
	for _, o := range operations {
		all.WriteString(w.Table(o, options...))
	}
	return all.String()
}

// served returns the requests that have got their response.
func served(w *testbed.Wolkvox) []simulator.Request {
	return slices.DeleteFunc(w.Ledger(), func(r simulator.Request) bool { return r.End.IsZero() })
}

// withCalls returns the tokens of the requests whose response showed calls of the last hours. Their operations have
// rows, because these hours were read for the first time.
func withCalls(t *testing.T, w *testbed.Wolkvox, requests []simulator.Request) map[string]bool {
	t.Helper()
	tokens := make(map[string]bool)
	for _, r := range requests {
		hour := testbed.HourOf(t, simulator.Operation{}, r.SimStart.Add(-3*time.Hour))
		for ; r.Status == 200 && hour.Before(r.SimStart); hour = hour.Add(time.Hour) {
			if w.At(r.Token, hour, r.SimStart).Calls > 0 {
				tokens[r.Token] = true
			}
		}
	}
	return tokens
}

func startFleet(t *testing.T) *testbed.Wolkvox {
	t.Helper()
	return testbed.StartWolkvox(t, testbed.FleetOperations["sales"], testbed.FleetOperations["support"], testbed.FleetOperations["north"])
}

// operationIn returns the metrics of one of the fleet's operations, without the tag operation.
func operationIn(metrics []telegraf.Metric, name string) []telegraf.Metric {
	var found []telegraf.Metric
	for _, m := range metrics {
		if operation, _ := m.GetTag("operation"); operation == name {
			untagged := m.Copy()
			untagged.RemoveTag("operation")
			found = append(found, untagged)
		}
	}
	return found
}

// TestFleetOfTwoHosts: with the configurations that the template generates for two hosts, each operation is gathered
// once, with tokens from a store.
//
//promise:fleet
func TestFleetOfTwoHosts(t *testing.T) {
	t.Parallel()
	w, start := startFleet(t), time.Now()
	for host, operations := range map[string][]string{"monitor-1": {"sales", "north"}, "monitor-2": {"support"}} {
		tg := testbed.StartTelegraf(t, testbed.Setup{Plugin: onThisMachine(t, w, host+".conf")})
		var metrics []telegraf.Metric
		for _, name := range operations {
			tg.AwaitMetrics(name, func(all []telegraf.Metric) bool {
				metrics = all
				return hasFinalHours(t, w, testbed.FleetOperations[name], start, 3*time.Hour)(operationIn(all, name))
			})
		}
		found := 0
		for _, name := range operations {
			own := operationIn(metrics, name)
			found += len(own)
			w.RequireTruth(t, testbed.FleetOperations[name], own, start, 3*time.Hour)
		}
		require.Len(t, metrics, found, "metrics of other operations")
		require.Empty(t, tg.Problems())
		tg.Stop()
	}
	requests := make(map[string]int)
	for _, request := range w.Ledger() {
		requests[request.Token]++
	}
	require.Equal(t, map[string]int{"invented-token-sales": 1, "invented-token-support": 1, "invented-token-north": 1}, requests)
}

// TestFleetDirectory: a folder with one file per operation.
//
//promise:tables
//promise:fleet
func TestFleetDirectory(t *testing.T) {
	t.Parallel()
	w, start := startFleet(t), time.Now()
	dir := t.TempDir()
	write := func(name, content string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	write("agent.conf", "[agent]\n  statefile = \""+dir+"/state\"\n")
	for name, operation := range testbed.FleetOperations {
		write(name+".conf", w.Table(operation, `operation = "`+name+`"`))
	}
	write("notes.txt", "no configuration")
	result := testbed.RunPlugin(t, "--config", dir, "--test")
	require.Zero(t, result.Code, result.Stderr)
	for name, operation := range testbed.FleetOperations {
		w.RequireTruth(t, operation, operationIn(testbed.Parse(t, result.Stdout), name), start, 3*time.Hour)
	}

	// An operation is in two files, as when it is moved and the old file stays.
	write("south.conf", w.Table(testbed.FleetOperations["north"], `operation = "north"`))
	result = testbed.RunPlugin(t, "--config", dir, "--test")
	require.Equal(t, 1, result.Code)
	require.Contains(t, result.Stderr, "south.conf:1: this [[inputs.wolkvox_ivr]] would write the same series as the one at "+dir+"/north.conf:1")

	// An invalid file stops all of them, and the error names it.
	write("south.conf", "[[inputs.wolkvox_ivr]]\nserver = \"0042\"\ntokn = \"\"\n")
	result = testbed.RunPlugin(t, "--config", dir, "--test")
	require.Equal(t, 1, result.Code)
	require.Contains(t, result.Stderr, `south.conf:3: unknown option "tokn"`)
	require.Empty(t, result.Stdout)
}

// TestTwoActive: two Telegrafs gather one operation at the same time.
//
//promise:standby
func TestTwoActive(t *testing.T) {
	t.Parallel()
	w, start := testbed.StartWolkvox(t, testbed.Busy), time.Now()
	var all []telegraf.Metric
	for range 2 {
		tg := testbed.StartTelegraf(t, testbed.Setup{Plugin: w.Table(testbed.Busy)})
		all = append(all, tg.AwaitMetrics("metrics", hasFinalHours(t, w, testbed.Busy, start, 3*time.Hour))...)
		require.Empty(t, tg.Problems())
	}
	// Each row is sent twice, but is one row in a database. Each request counts twice in the quota.
	from, _ := testbed.FinalHours(t, testbed.Busy, start, 3*time.Hour)
	require.Less(t, len(testbed.Between(all, from, time.Now())), len(all))
	w.RequireTruth(t, testbed.Busy, testbed.Between(all, from.Add(-time.Hour), time.Now()), start, 3*time.Hour)
	require.Len(t, w.Ledger(), 2)
}

// TestThreeActive: wolkvox serves two requests of a token at a time. A third one is refused, which is logged, and a
// later gather makes up for it.
//
//promise:standby
func TestThreeActive(t *testing.T) {
	t.Parallel()
	w, start := testbed.StartWolkvox(t, testbed.Busy), time.Now()
	w.SetLatency(time.Hour, time.Hour)
	one := testbed.StartTelegraf(t, testbed.Setup{Plugin: w.Table(testbed.Busy)})
	testbed.StartTelegraf(t, testbed.Setup{Plugin: w.Table(testbed.Busy)})
	testbed.Await(t, "two requests under way", func() bool { return len(w.Ledger()) == 2 })
	w.SetLatency(0, 0)

	three := testbed.StartTelegraf(t, testbed.Setup{Plugin: w.Table(testbed.Busy, `interval = "1s"`)})
	three.AwaitLog("another client is using the token at the same time (HTTP status 403")
	one.Kill()
	three.AwaitMetrics("metrics", hasFinalHours(t, w, testbed.Busy, start, 3*time.Hour))
	three.AwaitLog("Working again after")
}

// TestStandbyBySharedState: of two Telegrafs with the same state file, one gathers. The other takes over when the first
// one is gone.
//
//promise:standby
func TestStandbyBySharedState(t *testing.T) {
	t.Parallel()
	w := testbed.StartWolkvox(t, testbed.Busy)
	statefile := filepath.Join(t.TempDir(), "state")
	s := testbed.Setup{
		Plugin: "[agent]\nstatefile = \"" + statefile + "\"\n" + w.Table(testbed.Busy, `interval = "1s"`),
		Execd:  "signal = \"none\"\nrestart_delay = \"1s\"",
	}

	active := testbed.StartTelegraf(t, s)
	active.AwaitMetrics("metrics", testbed.HasMetrics("wolkvox_ivr"))
	standby := testbed.StartTelegraf(t, s)
	standby.AwaitLog("is held by another process that uses the same state file")
	standby.AwaitLog("Restarting in 1s")
	require.Empty(t, standby.Metrics())

	active.Kill()
	gathers := len(w.Ledger())
	standby.AwaitMetrics("metrics", testbed.HasMetrics("wolkvox_ivr"))
	require.Greater(t, len(w.Ledger()), gathers)
	require.NotContains(t, standby.Log(), "starting without it")
	standby.Stop()
}

// TestStandbyStarts: what a standby that another program starts reads after three days without a gather.
//
//promise:state
//promise:standby
func TestStandbyStarts(t *testing.T) {
	t.Parallel()
	const away = 72 * time.Hour
	for name, tt := range map[string]struct {
		state  bool   // its own, from when it was last active
		option string // an additional option
		reads  time.Duration
	}{
		"without a state":              {reads: 3 * time.Hour},
		"without a state, by backfill": {option: `backfill = "96h"` + "\n" + testbed.ShortInterval, reads: 96 * time.Hour},
		"with its own state":           {state: true, reads: away + 3*time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, start := testbed.StartWolkvox(t, testbed.Busy), time.Now()
			statefile := filepath.Join(t.TempDir(), "state")
			s := testbed.Setup{Plugin: "[agent]\nstatefile = \"" + statefile + "\"\n" + w.Table(testbed.Busy, tt.option)}
			if tt.state {
				before := testbed.StartTelegraf(t, s)
				before.AwaitMetrics("metrics", testbed.HasMetrics("wolkvox_ivr"))
				before.Stop()
				testbed.Age(t, statefile, away)
			}
			tg := testbed.StartTelegraf(t, s)
			metrics := tg.AwaitMetrics("all hours", hasFinalHours(t, w, testbed.Busy, start, tt.reads))
			require.False(t, slices.ContainsFunc(metrics, func(m telegraf.Metric) bool {
				return m.Time().Before(start.Add(-tt.reads - 3*time.Hour))
			}))
			if tt.reads == 3*time.Hour {
				require.Len(t, w.Ledger(), 1)
			}
			tg.RequireNoProblems("interval is shorter", "longer than expected")
			tg.Stop()
		})
	}
}
