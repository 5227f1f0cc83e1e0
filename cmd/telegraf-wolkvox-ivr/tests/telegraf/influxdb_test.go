//go:build integration

package telegraf

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
)

//promise:metric
//promise:destinations
func TestInfluxDB(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		recipe string
		start  func(t *testing.T) *testbed.InfluxDB
		env    []string
	}{
		"1.8": {recipe: "influxdb.conf", start: testbed.StartInfluxDB},
		"1.8 by the API of 2": {recipe: "influxdb_v2.conf", start: func(t *testing.T) *testbed.InfluxDB {
			db := testbed.StartInfluxDB(t)
			db.Query("CREATE DATABASE telegraf") // buckets must exist
			return db
		}},
		"2.7": {"influxdb_v2.conf", testbed.StartInfluxDB2, []string{"INFLUX_TOKEN=invented-influxdb-token", "INFLUX_ORG=ivr", "INFLUX_BUCKET=telegraf"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, start, db := testbed.StartWolkvox(t, testbed.Near, testbed.Far), time.Now(), tt.start(t)
			truth := slices.Concat(w.MonthOf(t, testbed.Near, "", start), w.MonthOf(t, testbed.Far, "far", start))
			tg := testbed.NewRecipe(t, tt.recipe, testbed.WithState+
				w.Table(testbed.Near, `backfill = "744h"`, testbed.ShortInterval)+
				w.Table(testbed.Far, `backfill = "744h"`, testbed.ShortInterval, `operation = "far"`),
				append(tt.env, "INFLUX_URL="+db.URL(), "INFLUX2_URL="+db.URL())...)

			tg.Start()
			db.AwaitMonth(tg, truth)
			gathers := len(w.Ledger())
			tg.Await("some more gathers", func() bool { return len(w.Ledger()) >= gathers+2 })
			tg.Stop()

			// Without its state, the plugin reads and writes the whole month again.
			require.NoError(t, os.Remove(filepath.Join(tg.Dir, "wolkvox_ivr.state")))
			read := strings.Count(tg.Log(), testbed.HistoryDone)
			tg.Start()
			tg.Await("the month to be read again", func() bool { return strings.Count(tg.Log(), testbed.HistoryDone) == read+2 })
			tg.Stop() // a stop flushes
			db.AwaitMonth(tg, truth)

			require.Equal(t, []testbed.Series{{Name: "wolkvox_ivr", Columns: []string{"fieldKey", "fieldType"}, Values: [][]any{
				{"calls", "integer"}, {"minutes", "float"},
			}}}, db.Query(`SHOW FIELD KEYS FROM "wolkvox_ivr"`))
			var expected []any
			for hour := range 24 {
				expected = append(expected,
					fmt.Sprintf("wolkvox_ivr,hour=%02d,operation=far,source=wv0002.wolkvox.com", hour),
					fmt.Sprintf("wolkvox_ivr,hour=%02d,source=wv0001.wolkvox.com", hour))
			}
			var actual []any
			for _, row := range db.Query(`SHOW SERIES`)[0].Values {
				actual = append(actual, row...)
			}
			require.ElementsMatch(t, expected, actual)
			tg.RequireNoProblems("interval is shorter", "longer than expected")
		})
	}
}

//promise:outages
func TestInfluxDBIsDown(t *testing.T) {
	t.Parallel()
	w, start, db := testbed.StartWolkvox(t, testbed.Near), time.Now(), testbed.StartInfluxDB(t)
	from, to := testbed.FinalHours(t, testbed.Near, start, testbed.Month)
	truth := w.TruthOf(t, testbed.Near, from, to)
	tg := testbed.NewRecipe(t, "influxdb.conf", testbed.WithState+w.Table(testbed.Near, testbed.ShortInterval), "INFLUX_URL="+db.URL())
	tg.AddFileOutput()
	tg.Start()
	tg.Await("the first hours", func() bool { return db.Count(time.Unix(0, 0), time.Now()) > 0 })
	db.Stop()
	tg.Stop()

	// The month is read while InfluxDB is down, and is never requested again.
	tg.Write("wolkvox_ivr.conf", testbed.WithState+w.Table(testbed.Near, `backfill = "744h"`, testbed.ShortInterval))
	tg.Start()
	tg.AwaitLog(testbed.HistoryDone)
	tg.AwaitMetrics("the month to be in Telegraf", func(metrics []telegraf.Metric) bool { return len(testbed.Between(metrics, from, to)) == len(truth) })
	tg.Stop()
	w.ResetLedger()
	tg.Start()
	tg.Await("a gather after the restart", func() bool { return len(w.Ledger()) > 0 })

	db.Start()
	db.AwaitMonth(tg, truth)
	// Only the latest hours are requested again, in whole days, because an output may have held them back.
	for _, request := range w.Ledger() {
		require.Greater(t, request.From, start.Add(-48*time.Hour), "the month was requested again")
	}
}
