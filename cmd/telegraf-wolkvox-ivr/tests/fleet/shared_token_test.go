//go:build integration

package fleet

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
)

// TestSharedToken: tables with the same token take turns, and no table mistakes its wait for an unresponsive server.
//
//promise:simultaneous
func TestSharedToken(t *testing.T) {
	t.Parallel()
	const latency = 1200 * time.Millisecond
	w, start := testbed.StartWolkvox(t, testbed.Busy), time.Now()
	w.SetLatency(latency, latency)
	names := []string{"sales", "service", "support"}
	tables := []string{testbed.WithState}
	for _, name := range names {
		tables = append(tables, w.Table(testbed.Busy, `timeout = "2s"`, `interval = "1s"`, fmt.Sprintf("operation = %q", name)))
	}
	tg := testbed.StartTelegraf(t, testbed.Setup{Plugin: strings.Join(tables, "")})

	from, to := testbed.FinalHours(t, testbed.Busy, start, 3*time.Hour)
	truth := w.TruthOf(t, testbed.Busy, from, to)
	require.NotEmpty(t, truth)
	tg.AwaitMetrics("the rows of all tables", func(metrics []telegraf.Metric) bool {
		for _, name := range names {
			if len(testbed.Between(operationIn(metrics, name), from, to)) < len(truth) {
				return false
			}
		}
		return true
	})
	tg.Await("each table to have waited for the others again", func() bool { return len(w.Ledger()) >= 3*len(names) })
	metrics := tg.Metrics()
	for _, name := range names {
		w.RequireTruth(t, testbed.Busy, operationIn(metrics, name), start, 3*time.Hour)
	}
	w.RequireOneAtATime(t)
	tg.RequireNoProblems("interval is shorter", "longer than expected")
	require.NotRegexp(t, `(?i)firewall|no complete response|timeout|deadline`, tg.Log())
	tg.Stop()
}
