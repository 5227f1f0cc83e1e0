//go:build integration

package destinations

import (
	"strings"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// TestVictoriaMetrics: history keeps its times, and an hour that is read again has one value, also after a restart of
// VictoriaMetrics.
//
//promise:destinations
//promise:outages
func TestVictoriaMetrics(t *testing.T) {
	t.Parallel()
	o := simulator.Operation{Server: "0001", Token: "invented-token-1", PeakCalls: 1000, Timezone: testbed.Afternoon()}
	w, start, db := testbed.StartWolkvox(t, o, testbed.Far), time.Now(), testbed.StartVictoriaMetrics(t)
	truth := w.MonthOf(t, o, "", start)
	tg := testbed.NewRecipe(t, "victoriametrics.conf", testbed.WithState+
		w.Table(o, `backfill = "744h"`, testbed.ShortInterval)+
		w.Table(testbed.Far, `backfill = "744h"`, testbed.ShortInterval, `operation = "far"`), "VICTORIAMETRICS_URL="+db.URL())
	tg.Start()
	tg.Await("the past to be read", func() bool { return strings.Count(tg.Log(), testbed.HistoryDone) == 2 })
	gathers := len(w.Ledger())
	tg.Await("another gather", func() bool { return len(w.Ledger()) > gathers })
	db.Stop()
	gathers = len(w.Ledger())
	tg.Await("a gather meanwhile", func() bool { return len(w.Ledger()) > gathers })
	db.Start()

	// Hours, days and minutes per call, as panels show them
	const only = `{source="wv0001.wolkvox.com"}`
	first, last := testbed.Span(truth)
	to := testbed.HourOf(t, o, last).Add(time.Hour)
	hour, day := testbed.HourOf(t, o, first), testbed.HourOf(t, o, first)
	for day.Hour() != 0 {
		day = day.Add(time.Hour)
	}
	byHour := `sum(sum_over_time(wolkvox_ivr_calls$[1h]))`
	tg.Await("all hours", func() bool {
		return len(db.QueryRange(strings.ReplaceAll(byHour, "$", only), hour, to, time.Hour)) >= len(truth)
	})
	calls := func(metrics []telegraf.Metric) float64 { return sum(metrics, "calls") }
	for expression, query := range map[string]struct {
		from   time.Time
		step   time.Duration
		figure func([]telegraf.Metric) float64
	}{
		`sum(sum_over_time(wolkvox_ivr_calls$[1h]))`:             {hour, time.Hour, calls},
		`sum(sum_over_time(wolkvox_ivr_calls$[1d] offset -23h))`: {day, 24 * time.Hour, calls},
		`sum(sum_over_time(wolkvox_ivr_minutes$[1d] offset -23h)) / sum(sum_over_time(wolkvox_ivr_calls$[1d] offset -23h))`: {
			day, 24 * time.Hour, func(metrics []telegraf.Metric) float64 { return sum(metrics, "minutes") / calls(metrics) },
		},
	} {
		require.Contains(t, testbed.CodeOf(t, "testdata/README.md", "promql"), strings.ReplaceAll(expression, "$", ""))
		expected := make(map[int64]float64)
		at := query.from
		for ; !at.Add(query.step).After(to); at = at.Add(query.step) {
			if metrics := testbed.Between(truth, at, at.Add(query.step)); len(metrics) > 0 {
				expected[at.Unix()] = query.figure(metrics)
			}
		}
		require.Greater(t, len(expected), 25)
		found := db.QueryRange(strings.ReplaceAll(expression, "$", only), query.from, at, query.step)
		require.InDeltaMapValues(t, expected, found, 1e-6, expression)
	}
	// Each gather has read these hours again, but they have one value.
	tg.Stop()
	db.Flush()
	from := testbed.HourOf(t, o, start.Add(-2*time.Hour))
	reread := db.QueryRange(strings.ReplaceAll(byHour, "$", only), from, from.Add(2*time.Hour), time.Hour)
	require.Len(t, reread, 2)
	for at, n := range reread {
		require.LessOrEqual(t, n, float64(w.At(o.Token, time.Unix(at, 0), time.Now()).Calls))
	}
	tg.RequireNoProblems("interval is shorter", "longer than expected", "outputs.influxdb")
}

// sum returns the sum of a field.
func sum(metrics []telegraf.Metric, field string) (total float64) {
	for _, m := range metrics {
		switch value := m.Fields()[field].(type) {
		case int64:
			total += float64(value)
		case float64:
			total += value
		}
	}
	return total
}
