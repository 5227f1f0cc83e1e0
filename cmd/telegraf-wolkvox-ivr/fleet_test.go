//go:build integration

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// fleetOperations are the operations in testdata/fleet/operations.yml, by name.
var fleetOperations = map[string]simulator.Operation{
	"sales":   {Server: "0001", Token: "invented-token-sales", PeakCalls: 20_000},
	"support": {Server: "0001", Token: "invented-token-support", PeakCalls: 20_000},
	"north":   {Server: "0042", Token: "invented-token-north", PeakCalls: 20_000, Timezone: "America/Mexico_City"},
}

func startFleet(t *testing.T) *wolkvox {
	t.Helper()
	return startWolkvox(t, fleetOperations["sales"], fleetOperations["support"], fleetOperations["north"])
}

// onThisMachine returns a configuration from testdata/fleet with the simulator's address and this test's folders.
func (w *wolkvox) onThisMachine(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile("../../testdata/fleet/" + name)
	require.NoError(t, err)
	dir := t.TempDir()
	for name, operation := range fleetOperations { // with a line's end, as an editor leaves it
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+"_token"), []byte(operation.Token+"\n"), 0o600))
	}
	return strings.NewReplacer(
		"/etc/telegraf/secrets", dir,
		"/var/lib/telegraf/", dir+"/",
		"[[inputs.wolkvox_ivr]]", "[[inputs.wolkvox_ivr]]\nurl = \""+w.url+"\"\n",
	).Replace(string(content))
}

// operationIn returns the metrics of one of the fleet's operations, less the tag that says so.
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

// has says whether there are metrics of the settled hours.
func (w *wolkvox) has(t *testing.T, o simulator.Operation, start time.Time, lookback time.Duration) func([]telegraf.Metric) bool {
	return func(metrics []telegraf.Metric) bool {
		from, to := settled(t, o, start, lookback)
		return len(between(metrics, from, to)) >= len(w.truth(t, o, from, to))
	}
}

// TestFleetOfTwoHosts: what the template makes for two hosts gathers each operation once, with tokens from a store.
func TestFleetOfTwoHosts(t *testing.T) {
	t.Parallel()
	w, start := startFleet(t), time.Now()
	for host, operations := range map[string][]string{"monitor-1": {"sales", "north"}, "monitor-2": {"support"}} {
		tg := startTelegraf(t, setup{plugin: w.onThisMachine(t, host+".conf")})
		var metrics []telegraf.Metric
		for _, name := range operations {
			tg.awaitMetrics(name, func(all []telegraf.Metric) bool {
				metrics = all
				return w.has(t, fleetOperations[name], start, 3*time.Hour)(operationIn(all, name))
			})
		}
		found := 0
		for _, name := range operations {
			own := operationIn(metrics, name)
			found += len(own)
			w.requireTruth(t, fleetOperations[name], own, start, 3*time.Hour)
		}
		require.Len(t, metrics, found, "metrics of other operations")
		require.Empty(t, tg.complaints())
		tg.stop()
	}
	asked := make(map[string]int)
	for _, request := range w.Ledger() {
		asked[request.Token]++
	}
	require.Equal(t, map[string]int{"invented-token-sales": 1, "invented-token-support": 1, "invented-token-north": 1}, asked)
}

// TestFleetTokenChanges: a store's new token is used from the next request on.
func TestFleetTokenChanges(t *testing.T) {
	t.Parallel()
	w := startFleet(t)
	conf := strings.Replace(w.onThisMachine(t, "monitor-2.conf"), "[[inputs.wolkvox_ivr]]", "[[inputs.wolkvox_ivr]]\ninterval = \"1s\"", 1)
	conf = strings.Replace(conf, "collection_jitter", "# collection_jitter", 1)
	tg := startTelegraf(t, setup{plugin: conf})
	tg.awaitMetrics("metrics", hasMetrics("wolkvox_ivr"))
	w.SetToken("invented-token-support", "invented-token-new")
	tg.awaitLog("the token was not accepted")

	dir := regexp.MustCompile(`path = "(.*)"`).FindStringSubmatch(conf)[1]
	require.NoError(t, os.WriteFile(filepath.Join(dir, "support_token"), []byte("invented-token-new\n"), 0o600))
	tg.awaitLog("Working again after")
	tg.stop()
}

// TestFleetDirectory: a file an operation.
func TestFleetDirectory(t *testing.T) {
	t.Parallel()
	w, start := startFleet(t), time.Now()
	dir := t.TempDir()
	write := func(name, content string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	write("agent.conf", "[agent]\n  statefile = \""+dir+"/state\"\n")
	for name, operation := range fleetOperations {
		write(name+".conf", w.table(operation, `operation = "`+name+`"`))
	}
	write("notes.txt", "no configuration")
	result := runPlugin(t, "--config", dir, "--test")
	require.Zero(t, result.code, result.stderr)
	for name, operation := range fleetOperations {
		w.requireTruth(t, operation, operationIn(parse(t, result.stdout), name), start, 3*time.Hour)
	}

	// One operation in two files, as when it moves and the old file stays.
	write("south.conf", w.table(fleetOperations["north"], `operation = "north"`))
	result = runPlugin(t, "--config", dir, "--test")
	require.Equal(t, 1, result.code)
	require.Contains(t, result.stderr, "south.conf:1: this [[inputs.wolkvox_ivr]] would write the same series as the one at "+dir+"/north.conf:1")

	// A wrong file stops them all, and is named.
	write("south.conf", "[[inputs.wolkvox_ivr]]\nserver = \"0042\"\ntokn = \"\"\n")
	result = runPlugin(t, "--config", dir, "--test")
	require.Equal(t, 1, result.code)
	require.Contains(t, result.stderr, `south.conf:3: unknown option "tokn"`)
	require.Empty(t, result.stdout)
}

// TestTwoActive: two Telegrafs gather one operation at once.
func TestTwoActive(t *testing.T) {
	t.Parallel()
	w, start := startWolkvox(t, operation), time.Now()
	var all []telegraf.Metric
	for range 2 {
		tg := startTelegraf(t, setup{plugin: w.table(operation)})
		all = append(all, tg.awaitMetrics("metrics", w.has(t, operation, start, 3*time.Hour))...)
		require.Empty(t, tg.complaints())
	}
	// Each row comes twice and is one in a database; each request counts twice in the quota.
	from, _ := settled(t, operation, start, 3*time.Hour)
	require.Less(t, len(between(all, from, time.Now())), len(all))
	w.requireTruth(t, operation, between(all, from.Add(-time.Hour), time.Now()), start, 3*time.Hour)
	require.Len(t, w.Ledger(), 2)
}

// TestThreeActive: wolkvox serves two requests of a token at a time. A third is refused, which is logged, and a later gather makes up for it.
func TestThreeActive(t *testing.T) {
	t.Parallel()
	w, start := startWolkvox(t, operation), time.Now()
	w.SetLatency(time.Hour, time.Hour)
	one := startTelegraf(t, setup{plugin: w.table(operation)})
	startTelegraf(t, setup{plugin: w.table(operation)})
	await(t, "two requests under way", func() bool { return len(w.Ledger()) == 2 })
	w.SetLatency(0, 0)

	three := startTelegraf(t, setup{plugin: w.table(operation, `interval = "1s"`)})
	three.awaitLog("the token is being used by another client at the same time (HTTP status 403")
	one.kill()
	three.awaitMetrics("metrics", w.has(t, operation, start, 3*time.Hour))
	three.awaitLog("Working again after")
}

// TestStandbyBySharedState: of two Telegrafs with the same state file one gathers, and the other takes over once that has gone.
func TestStandbyBySharedState(t *testing.T) {
	t.Parallel()
	w := startWolkvox(t, operation)
	statefile := filepath.Join(t.TempDir(), "state")
	s := setup{
		plugin: "[agent]\nstatefile = \"" + statefile + "\"\n" + w.table(operation, `interval = "1s"`),
		execd:  "signal = \"none\"\nrestart_delay = \"1s\"",
	}

	active := startTelegraf(t, s)
	active.awaitMetrics("metrics", hasMetrics("wolkvox_ivr"))
	standby := startTelegraf(t, s)
	standby.awaitLog("is held by another process that uses the same state file")
	standby.awaitLog("Restarting in 1s")
	require.Empty(t, standby.metrics())

	active.kill()
	gathers := len(w.Ledger())
	standby.awaitMetrics("metrics", hasMetrics("wolkvox_ivr"))
	require.Greater(t, len(w.Ledger()), gathers)
	require.NotContains(t, standby.log(), "is not usable")
	standby.stop()
}

// TestStandbyStarts: what a standby that another program starts reads after three days without anybody.
func TestStandbyStarts(t *testing.T) {
	t.Parallel()
	const away = 72 * time.Hour
	for name, tt := range map[string]struct {
		state  bool   // of its own, from when it was last active
		option string // one more
		reads  time.Duration
	}{
		"without a state":              {reads: 3 * time.Hour},
		"without a state, by backfill": {option: `backfill = "96h"` + "\n" + often, reads: 96 * time.Hour},
		"with its own state":           {state: true, reads: away + 3*time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, start := startWolkvox(t, operation), time.Now()
			statefile := filepath.Join(t.TempDir(), "state")
			s := setup{plugin: "[agent]\nstatefile = \"" + statefile + "\"\n" + w.table(operation, tt.option)}
			if tt.state {
				before := startTelegraf(t, s)
				before.awaitMetrics("metrics", hasMetrics("wolkvox_ivr"))
				before.stop()
				age(t, statefile, away)
			}
			tg := startTelegraf(t, s)
			metrics := tg.awaitMetrics("all hours", w.has(t, operation, start, tt.reads))
			require.False(t, slices.ContainsFunc(metrics, func(m telegraf.Metric) bool {
				return m.Time().Before(start.Add(-tt.reads - 3*time.Hour))
			}))
			if tt.reads == 3*time.Hour {
				require.Len(t, w.Ledger(), 1)
			}
			tg.requireNoComplaints("interval is shorter", "longer than expected")
			tg.stop()
		})
	}
}

// earlier returns a JSON value with all its times and hours so much earlier.
func earlier(value any, by time.Duration) any {
	switch v := value.(type) {
	case string:
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15"} {
			if at, err := time.Parse(layout, v); err == nil {
				return at.Add(-by).Format(layout)
			}
		}
	case []any:
		for n := range v {
			v[n] = earlier(v[n], by)
		}
	case map[string]any:
		for key := range v {
			v[key] = earlier(v[key], by)
		}
	}
	return value
}

// age makes a state as old as if it had been saved so long ago.
func age(t *testing.T, statefile string, by time.Duration) {
	t.Helper()
	content, err := os.ReadFile(statefile)
	require.NoError(t, err)
	var states map[string][]byte
	require.NoError(t, json.Unmarshal(content, &states))
	require.Len(t, states, 1)
	for id, state := range states {
		var ledger map[string]any
		require.NoError(t, json.Unmarshal(state, &ledger))
		states[id], err = json.Marshal(earlier(ledger, by))
		require.NoError(t, err)
	}
	content, err = json.Marshal(states)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(statefile, content, 0o600))
}

// TestReadmeShowsTheFleet: what the guide shows is what is tested here.
func TestReadmeShowsTheFleet(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../testdata/fleet/README.md")
	require.NoError(t, err)
	for _, name := range []string{"operations.yml", "wolkvox_ivr.conf.j2", "playbook.yml", "monitor-1.conf"} {
		content, err := os.ReadFile("../../testdata/fleet/" + name)
		require.NoError(t, err)
		require.Contains(t, string(readme), "\n"+string(content)+"```\n", name)
	}
}
