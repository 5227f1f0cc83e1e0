//go:build integration

package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/stretchr/testify/require"
)

// TestSharedToken: tables with the same token take turns, and none of them takes its wait for a server that does not answer.
func TestSharedToken(t *testing.T) {
	t.Parallel()
	const latency = 1200 * time.Millisecond
	w, start := startWolkvox(t, operation), time.Now()
	w.SetLatency(latency, latency)
	names := []string{"sales", "service", "support"}
	tables := []string{remembering}
	for _, name := range names {
		tables = append(tables, w.table(operation, `timeout = "2s"`, `interval = "1s"`, fmt.Sprintf("operation = %q", name)))
	}
	tg := startTelegraf(t, setup{plugin: strings.Join(tables, "")})

	from, to := settled(t, operation, start, 3*time.Hour)
	truth := w.truth(t, operation, from, to)
	require.NotEmpty(t, truth)
	of := func(metrics []telegraf.Metric, name string) (own []telegraf.Metric) {
		for _, m := range metrics {
			if operation, _ := m.GetTag("operation"); operation == name {
				m.RemoveTag("operation")
				own = append(own, m)
			}
		}
		return own
	}
	tg.awaitMetrics("the rows of all tables", func(metrics []telegraf.Metric) bool {
		for _, name := range names {
			if len(between(of(metrics, name), from, to)) < len(truth) {
				return false
			}
		}
		return true
	})
	tg.await("each table to have waited for the others again", func() bool { return len(w.Ledger()) >= 3*len(names) })
	metrics := tg.metrics()
	for _, name := range names {
		w.requireTruth(t, operation, of(metrics, name), start, 3*time.Hour)
	}
	for _, request := range w.Ledger() {
		require.Equal(t, 1, request.InFlight)
	}
	tg.requireNoComplaints("interval is shorter", "longer than expected")
	require.NotRegexp(t, `(?i)firewall|no complete response|timeout|deadline`, tg.log())
	tg.stop()
}
