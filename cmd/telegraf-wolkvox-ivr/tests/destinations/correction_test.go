//go:build integration

package destinations

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
)

// TestTimezoneIsCorrected deletes the wrong rows as the page of destinations describes. Sums are right afterwards.
//
//promise:timezone
func TestTimezoneIsCorrected(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		destination string
		start       func(t *testing.T) (db summing, recipe string, env []string)
	}{
		{"InfluxDB 1.x", func(t *testing.T) (summing, string, []string) {
			db := testbed.StartInfluxDB(t)
			return db, "influxdb.conf", []string{"INFLUX_URL=" + db.URL()}
		}},
		{"InfluxDB 2", func(t *testing.T) (summing, string, []string) {
			db := testbed.StartInfluxDB2(t)
			return db, "influxdb_v2.conf", []string{"INFLUX2_URL=" + db.URL(), "INFLUX_TOKEN=" + db.Token, "INFLUX_ORG=ivr", "INFLUX_BUCKET=telegraf"}
		}},
		{"PostgreSQL", func(t *testing.T) (summing, string, []string) {
			db := testbed.StartPostgreSQL(t)
			return db, "postgresql.conf", []string{db.Env("telegraf")}
		}},
		{"VictoriaMetrics", func(t *testing.T) (summing, string, []string) {
			db := testbed.StartVictoriaMetrics(t)
			return db, "victoriametrics.conf", []string{"VICTORIAMETRICS_URL=" + db.URL()}
		}},
	} {
		t.Run(tt.destination, func(t *testing.T) {
			t.Parallel()
			db, recipe, env := tt.start(t)
			w, start := testbed.StartWolkvox(t, testbed.Near), time.Now()
			from, to := testbed.FinalHours(t, testbed.Near, start, 48*time.Hour)
			truth := w.TruthOf(t, testbed.Near, from, to)
			wrong := w.Table(testbed.Near, `backfill = "72h"`, testbed.ShortInterval, `timezone = "Etc/GMT+9"`)
			right := w.Table(testbed.Near, `backfill = "72h"`, testbed.ShortInterval)
			tg := testbed.NewRecipe(t, recipe, testbed.WithState+wrong, env...)
			gather := func() {
				read := strings.Count(tg.Log(), testbed.HistoryDone)
				tg.Start()
				tg.Await("the past to be read", func() bool { return strings.Count(tg.Log(), testbed.HistoryDone) > read })
				tg.Stop() // a stop flushes
			}
			gather()
			require.Positive(t, db.Sum(from, to))
			db.Execute(correction(t, tt.destination), env)
			require.Zero(t, db.Sum(from, to))
			tg.Write("wolkvox_ivr.conf", testbed.WithState+right)
			gather()
			require.Equal(t, sumOf(truth), db.Sum(from, to))
			require.Contains(t, tg.Log(), `timezone has changed from "Etc/GMT+9" to "America/Bogota"`)
		})
	}
}

// If the wrong rows were not deleted first, reread sends all hours again.
//
//promise:reread
//promise:timezone
func TestTimezoneIsCorrectedLate(t *testing.T) {
	t.Parallel()
	w, start, db := testbed.StartWolkvox(t, testbed.Near), time.Now(), testbed.StartInfluxDB(t)
	today := testbed.HourOf(t, testbed.Near, start)
	today = today.Add(-time.Duration(today.Hour()) * time.Hour)
	from, to := testbed.FinalHours(t, testbed.Near, today, 48*time.Hour) // today's hours are read again tomorrow
	truth := w.TruthOf(t, testbed.Near, from, to)
	wrong := w.Table(testbed.Near, `backfill = "72h"`, testbed.ShortInterval, `timezone = "Etc/GMT+9"`)
	tg := testbed.NewRecipe(t, "influxdb.conf", testbed.WithState+wrong, "INFLUX_URL="+db.URL())
	for _, options := range [][]string{nil, {`empty_hours = "zero"`}} {
		read := strings.Count(tg.Log(), testbed.HistoryDone)
		tg.Start()
		tg.Await("the past to be read", func() bool { return strings.Count(tg.Log(), testbed.HistoryDone) > read })
		tg.Stop()
		tg.Write("wolkvox_ivr.conf", testbed.WithState+w.Table(testbed.Near, append(options, `backfill = "72h"`, testbed.ShortInterval)...))
	}
	require.Greater(t, db.Sum(from, to), sumOf(truth), "databases keep both")
	db.Execute(correction(t, "InfluxDB 1.x"), nil)
	days := start.Add(-96*time.Hour).Format(time.DateOnly) + "/" + start.Format(time.DateOnly)
	tg.Write("wolkvox_ivr.conf", testbed.WithState+w.Table(testbed.Near, `backfill = "72h"`, testbed.ShortInterval, fmt.Sprintf("reread = %q", days)))
	tg.Start()
	tg.Await("all to be there again", func() bool { return db.Count(from, to) == len(truth) })
	tg.Stop()
	require.Equal(t, sumOf(truth), db.Sum(from, to))
}

// TestRejectedRows: Telegraf drops rows that InfluxDB rejects. The page of destinations has the log message and the
// command that brings the rows back.
//
//promise:reread
func TestRejectedRows(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ log, prepare string }{
		{"field type conflict: ", "CREATE DATABASE telegraf"},
		{"points beyond retention policy", "CREATE DATABASE telegraf WITH DURATION 24h"},
	} {
		t.Run(tt.log, func(t *testing.T) {
			t.Parallel()
			w, start, db := testbed.StartWolkvox(t, testbed.Near), time.Now(), testbed.StartInfluxDB(t)
			today := testbed.HourOf(t, testbed.Near, start)
			today = today.Add(-time.Duration(today.Hour()) * time.Hour)
			from, to := testbed.FinalHours(t, testbed.Near, today, 48*time.Hour)
			truth := w.TruthOf(t, testbed.Near, from, to)
			db.Query(tt.prepare)
			if strings.HasPrefix(tt.log, "field") {
				db.Write(fmt.Sprintf("wolkvox_ivr,hour=08,source=wv0001.wolkvox.com calls=5.0 %d", start.Add(-time.Hour).UnixNano()))
			}
			tg := testbed.NewRecipe(t, "influxdb.conf", testbed.WithState+w.Table(testbed.Near, `backfill = "96h"`, testbed.ShortInterval),
				"INFLUX_URL="+db.URL())
			tg.Start()
			tg.AwaitLog(testbed.HistoryDone)
			tg.Stop()
			row := regexp.MustCompile("(?m)^\\| `(" + regexp.QuoteMeta(tt.log) + ".*?)`.* \\| `(influx .*?)`.*\\|$")
			page := row.FindStringSubmatch(testbed.ReadSource(t, "testdata/README.md"))
			require.NotNil(t, page)
			require.Contains(t, tg.Log(), page[1])
			require.Less(t, db.Count(from, to), len(truth))

			db.Execute(page[2], nil)
			days := start.Add(-120*time.Hour).Format(time.DateOnly) + "/" + start.Format(time.DateOnly)
			tg.Write("wolkvox_ivr.conf", testbed.WithState+w.Table(testbed.Near, `backfill = "96h"`, testbed.ShortInterval, fmt.Sprintf("reread = %q", days)))
			tg.Start()
			tg.Await("all to be there", func() bool { return db.Count(from, to) == len(truth) })
			tg.Stop()
			require.Equal(t, sumOf(truth), db.Sum(from, to))
		})
	}
}

// TestHostIsRenamed: rows do not depend on the machine that gathers, so rows of a renamed machine overwrite the old
// ones.
//
//promise:host-tag
func TestHostIsRenamed(t *testing.T) {
	t.Parallel()
	w, start, db := testbed.StartWolkvox(t, testbed.Near), time.Now(), testbed.StartInfluxDB(t)
	from, to := testbed.FinalHours(t, testbed.Near, start, 48*time.Hour)
	truth := w.TruthOf(t, testbed.Near, from, to)
	tg := testbed.NewRecipe(t, "influxdb.conf", testbed.WithState+w.Table(testbed.Near, `backfill = "72h"`, testbed.ShortInterval), "INFLUX_URL="+db.URL())
	conf := tg.Read("telegraf.conf")
	for _, host := range []string{"invented-1", "invented-2"} {
		tg.Write("telegraf.conf", strings.Replace(conf, "[agent]\n", fmt.Sprintf("[agent]\nhostname = %q\n", host), 1))
		require.NoError(t, os.RemoveAll(filepath.Join(tg.Dir, "wolkvox_ivr.state")))
		read := strings.Count(tg.Log(), testbed.HistoryDone)
		tg.Start()
		tg.Await("the past to be read", func() bool { return strings.Count(tg.Log(), testbed.HistoryDone) > read })
		tg.Stop()
	}
	require.Equal(t, sumOf(truth), db.Sum(from, to))
}

// summing is a destination that can sum calls.
type summing interface {
	Sum(from, to time.Time) int64         // calls of the hours in [from, to)
	Execute(command string, env []string) // runs a command of the page of destinations
}

func sumOf(metrics []telegraf.Metric) (calls int64) {
	for _, m := range metrics {
		calls += m.Fields()["calls"].(int64)
	}
	return calls
}

// correction returns the command for deleting rows from the page of destinations.
func correction(t *testing.T, destination string) string {
	t.Helper()
	row := regexp.MustCompile("(?m)^ +\\| " + regexp.QuoteMeta(destination) + " \\| `(.*)` \\|$")
	match := row.FindStringSubmatch(testbed.ReadSource(t, "testdata/README.md"))
	require.NotNil(t, match, destination)
	return match[1]
}
