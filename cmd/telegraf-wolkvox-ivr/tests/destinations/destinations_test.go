//go:build integration

package destinations

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/testutil"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// final returns the hours that are final once the report has shown calls of the newest one, with the default lookback.
func final(hours []telegraf.Metric, newest time.Time) []telegraf.Metric {
	return slices.DeleteFunc(hours, func(m telegraf.Metric) bool { return !m.Time().Add(3 * time.Hour).Before(newest) })
}

var natsListening = regexp.MustCompile(`Listening for client connections on (\S+)`)

//promise:destinations
func TestNATS(t *testing.T) {
	t.Parallel()
	w, start := testbed.StartWolkvox(t, testbed.Near, testbed.Far), time.Now()
	nats := testbed.StartServer(t, nil, "nats-server", "--addr", "127.0.0.1", "--port", "-1", "--jetstream", "--store_dir", t.TempDir())
	at := "NATS_URL=nats://" + nats.AwaitLog(natsListening)
	truth := slices.Concat(w.MonthOf(t, testbed.Near, "", start), w.MonthOf(t, testbed.Far, "far", start))

	producer := testbed.NewRecipe(t, "nats.conf", testbed.WithState+
		w.Table(testbed.Near, `backfill = "744h"`, testbed.ShortInterval)+
		w.Table(testbed.Far, `backfill = "744h"`, testbed.ShortInterval, `operation = "far"`), at)
	producer.AddFileOutput()
	producer.Start()
	from, to := testbed.Span(truth)
	producer.AwaitMetrics("the month to be in Telegraf", func(metrics []telegraf.Metric) bool { return len(testbed.Between(metrics, from, to)) == len(truth) })
	producer.Stop()

	// The consumer starts after everything was sent.
	consumer := testbed.NewRecipe(t, "nats_consumer.conf", "", at, "METRICS_FILE=metrics.out")
	consumer.Start()
	var arrived []telegraf.Metric
	consumer.AwaitMetrics("the month", func(metrics []telegraf.Metric) bool {
		arrived = testbed.Between(metrics, from, to)
		return len(arrived) >= len(truth)
	})
	testutil.RequireMetricsEqual(t, truth, arrived, testutil.SortMetrics())
	consumer.Stop()
	producer.RequireNoProblems("interval is shorter", "longer than expected")
	consumer.RequireNoProblems()
}

// sample matches a line that Prometheus scrapes.
var (
	sample              = regexp.MustCompile(`(?m)^wolkvox_ivr_(calls|minutes)\{(.*)\} (\S+)$`)
	prometheusListening = regexp.MustCompile(`Listening on (http://\S+)`)
)

//promise:destinations
func TestPrometheus(t *testing.T) {
	t.Parallel()
	o := simulator.Operation{Server: "0001", Token: "invented-token-1", PeakCalls: 1000, Timezone: testbed.Afternoon()}
	w, start := testbed.StartWolkvox(t, o), time.Now()
	tg := testbed.NewRecipe(t, "prometheus.conf", testbed.WithState+w.Table(o, `backfill = "168h"`, testbed.ShortInterval),
		"PROMETHEUS_LISTEN=127.0.0.1:0", "PROMETHEUS_EXPIRATION=5s")
	tg.Start()
	tg.AwaitLog("Listening on ")
	scrape := func() map[string]string {
		t.Helper()
		response, err := http.Get(prometheusListening.FindStringSubmatch(tg.Log())[1])
		require.NoError(t, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		samples := make(map[string]string)
		for _, match := range sample.FindAllStringSubmatch(string(body), -1) {
			samples[match[1]+" "+match[2]] = match[3]
		}
		require.Len(t, samples, strings.Count(string(body), "\nwolkvox_ivr"), "a sample that has another form, such as a timestamp:\n%s", body)
		return samples
	}
	from, to := testbed.FinalHours(t, o, start, 23*time.Hour)
	truth := w.TruthOf(t, o, from, to)
	require.Greater(t, len(truth), 12)
	// The history is sent once and after the latest hours, but each hour of the day only shows its latest figures.
	tg.Await("the latest day", func() bool {
		samples := scrape()
		others := len(samples)/2 - len(truth) // the current hour, the hour before it, and the earliest one
		return others >= 0 && others <= 3 && !slices.ContainsFunc(truth, func(m telegraf.Metric) bool {
			labels := fmt.Sprintf(`hour=%q,source="wv0001.wolkvox.com"`, m.Tags()["hour"])
			return samples["calls "+labels] != fmt.Sprint(m.Fields()["calls"]) || samples["minutes "+labels] != fmt.Sprint(m.Fields()["minutes"])
		})
	})
	// Hours that are no longer read expire.
	tg.Await("all but the hours of the lookback to expire", func() bool { return len(scrape()) <= 2*4 })
	require.NotEmpty(t, scrape())
	tg.RequireNoProblems("interval is shorter", "longer than expected")
}

// TestRelay: two Telegrafs, each with an operation, write through a third one. It is stopped meanwhile, as is InfluxDB.
//
//promise:destinations
//promise:outages
func TestRelay(t *testing.T) {
	t.Parallel()
	w, start, db := testbed.StartWolkvox(t, testbed.Busy, testbed.Far), time.Now(), testbed.StartInfluxDB(t)
	truth := slices.Concat(w.MonthOf(t, testbed.Busy, "", start), w.MonthOf(t, testbed.Far, "far", start))
	const token = "invented-relay-token"
	listen := freeAddress(t)
	relay := testbed.NewRecipe(t, "relay.conf", "", "INFLUX_URL="+db.URL(), "RELAY_LISTEN="+listen, "RELAY_TOKEN="+token)
	relay.Start()
	relay.AwaitLog("Started HTTP listener service on")
	var edges []*testbed.Telegraf
	for _, table := range []string{
		w.Table(testbed.Busy, `backfill = "744h"`, testbed.ShortInterval),
		w.Table(testbed.Far, `backfill = "744h"`, testbed.ShortInterval, `operation = "far"`),
	} {
		edge := testbed.NewRecipe(t, "influxdb_v2.conf", testbed.WithState+table, "INFLUX2_URL=http://"+listen, "INFLUX_TOKEN="+token)
		edge.Start()
		edges = append(edges, edge)
	}
	relay.Await("some hours", func() bool { return db.Count(time.Unix(0, 0), time.Now()) > 0 })
	db.Stop()
	relay.Stop()
	for _, edge := range edges {
		edge.AwaitLog(testbed.HistoryDone)
	}
	relay.Start()
	db.Start()
	db.AwaitMonth(relay, truth)

	// Later figures win: figures that have grown are not overwritten by earlier ones.
	for _, edge := range edges {
		edge.Stop()
	}
	relay.Stop()
	latest := db.Metrics(start.Add(-3*time.Hour), start)
	require.NotEmpty(t, latest) // testbed.Busy has calls at any hour
	for _, m := range latest {
		o := testbed.Busy
		if m.HasTag("operation") {
			o = testbed.Far
		}
		require.GreaterOrEqual(t, m.Fields()["calls"], w.At(o.Token, m.Time(), start).Calls, m.Time())
	}
	wrong := testbed.NewRecipe(t, "influxdb_v2.conf", testbed.WithState+w.Table(testbed.Busy, `empty_hours = "zero"`),
		"INFLUX2_URL=http://"+listen, "INFLUX_TOKEN=wrong")
	relay.Start()
	wrong.Start()
	wrong.AwaitLog("401 Unauthorized")
}
