//go:build integration

package destinations

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// victoriaMetrics is a real one, with a database folder of its own.
type victoriaMetrics struct {
	t      *testing.T
	dir    string
	addr   string
	server *testbed.Server
}

func startVictoriaMetrics(t *testing.T) *victoriaMetrics {
	t.Helper()
	db := &victoriaMetrics{t: t, dir: t.TempDir(), addr: "127.0.0.1:0"}
	db.start()
	return db
}

var victoriaMetricsStarted = regexp.MustCompile(`started server at http://(\S+?)/`)

// start starts it with the flags that the recipe asks for: at first on a free port, and then on the same one again.
func (db *victoriaMetrics) start() {
	db.t.Helper()
	flags := []string{"-storageDataPath", db.dir, "-httpListenAddr", db.addr}
	asked := regexp.MustCompile(`(?m)^##   (-.*)$`).FindStringSubmatch(testbed.ReadRecipe(db.t, "victoriametrics.conf"))
	require.NotNil(db.t, asked)
	db.server = testbed.StartServer(db.t, nil, "victoria-metrics", append(flags, strings.Fields(asked[1])...)...)
	db.addr = db.server.AwaitLog(victoriaMetricsStarted)
}

// query returns the values of an expression for a single series at from and at each step up to to, by the seconds of their times.
func (db *victoriaMetrics) query(expression string, from, to time.Time, step time.Duration) map[int64]float64 {
	db.t.Helper()
	response, err := http.PostForm("http://"+db.addr+"/api/v1/query_range", url.Values{
		"query": {expression},
		"start": {strconv.FormatInt(from.Unix(), 10)},
		"end":   {strconv.FormatInt(to.Unix()-1, 10)},
		"step":  {strconv.Itoa(int(step.Seconds()))},
		// VictoriaMetrics moves the times of what it may keep in its cache to multiples of the step.
		"nocache": {"1"},
	})
	require.NoError(db.t, err)
	defer response.Body.Close()
	var answer struct {
		Error string
		Data  struct {
			Result []struct{ Values [][2]any }
		}
	}
	require.NoError(db.t, json.NewDecoder(response.Body).Decode(&answer))
	require.Empty(db.t, answer.Error, expression)
	values := make(map[int64]float64)
	require.LessOrEqual(db.t, len(answer.Data.Result), 1, expression)
	for _, series := range answer.Data.Result {
		for _, value := range series.Values {
			number, err := strconv.ParseFloat(value[1].(string), 64)
			require.NoError(db.t, err)
			values[int64(value[0].(float64))] = number
		}
	}
	return values
}

// TestVictoriaMetrics: history keeps its times, and of an hour that is read again there is one value, also after VictoriaMetrics' restart.
//
//promise:destinations
//promise:outages
func TestVictoriaMetrics(t *testing.T) {
	t.Parallel()
	o := simulator.Operation{Server: "0001", Token: "invented-token-1", PeakCalls: 1000, Timezone: testbed.Afternoon()}
	w, start, db := testbed.StartWolkvox(t, o, testbed.Far), time.Now(), startVictoriaMetrics(t)
	truth := w.MonthOf(t, o, "", start)
	tg := testbed.NewRecipe(t, "victoriametrics.conf", testbed.Remembering+
		w.Table(o, `backfill = "744h"`, testbed.Often)+
		w.Table(testbed.Far, `backfill = "744h"`, testbed.Often, `operation = "far"`), "VICTORIAMETRICS_URL=http://"+db.addr)
	tg.Start()
	tg.Await("the past to be read", func() bool { return strings.Count(tg.Log(), testbed.PastRead) == 2 })
	gathers := len(w.Ledger())
	tg.Await("another gather", func() bool { return len(w.Ledger()) > gathers })
	db.server.Stop()
	gathers = len(w.Ledger())
	tg.Await("a gather meanwhile", func() bool { return len(w.Ledger()) > gathers })
	db.start()

	// Hours, days and what a call takes, as panels show them.
	const only = `{source="wv0001.wolkvox.com"}`
	first, last := testbed.Span(truth)
	to := testbed.HourOf(t, o, last).Add(time.Hour)
	hour, day := testbed.HourOf(t, o, first), testbed.HourOf(t, o, first)
	for day.Hour() != 0 {
		day = day.Add(time.Hour)
	}
	byHour := `sum(sum_over_time(wolkvox_ivr_calls$[1h]))`
	tg.Await("all hours", func() bool {
		return len(db.query(strings.ReplaceAll(byHour, "$", only), hour, to, time.Hour)) >= len(truth)
	})
	calls := func(metrics []telegraf.Metric) float64 { return sum(metrics, "calls") }
	for expression, is := range map[string]struct {
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
		at := is.from
		for ; !at.Add(is.step).After(to); at = at.Add(is.step) {
			if metrics := testbed.Between(truth, at, at.Add(is.step)); len(metrics) > 0 {
				expected[at.Unix()] = is.figure(metrics)
			}
		}
		require.Greater(t, len(expected), 25)
		found := db.query(strings.ReplaceAll(expression, "$", only), is.from, at, is.step)
		require.InDeltaMapValues(t, expected, found, 1e-6, expression)
	}
	// Each gather has read these, and left one value.
	tg.Stop()
	response, err := http.Get("http://" + db.addr + "/internal/force_flush") // or the last second is not seen yet
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	from := testbed.HourOf(t, o, start.Add(-2*time.Hour))
	again := db.query(strings.ReplaceAll(byHour, "$", only), from, from.Add(2*time.Hour), time.Hour)
	require.Len(t, again, 2)
	for at, n := range again {
		require.LessOrEqual(t, n, float64(w.At(o.Token, time.Unix(at, 0), time.Now()).Calls))
	}
	tg.RequireNoComplaints("interval is shorter", "longer than expected", "outputs.influxdb")
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
