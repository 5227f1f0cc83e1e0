//go:build integration

package destinations

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
)

// TestPostgreSQL: one operation sends all hours, the other final ones. There is one row per hour, although hours are
// read again at each gather and from the start, and although Telegraf and PostgreSQL crash.
//
//promise:destinations
//promise:outages
func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	w, start, db := testbed.StartWolkvox(t, testbed.Near, testbed.Far), time.Now(), testbed.StartPostgreSQL(t)
	nearTruth, farTruth := w.MonthOf(t, testbed.Near, "", start), final(w.MonthOf(t, testbed.Far, "far", start), w.Newest(t, testbed.Far, start))
	tg := testbed.NewRecipe(t, "postgresql.conf", testbed.WithState+
		w.Table(testbed.Near, `backfill = "744h"`, testbed.ShortInterval)+
		w.Table(testbed.Far, `hours = "final"`, `backfill = "744h"`, testbed.ShortInterval, `operation = "far"`), db.Env("telegraf"))
	tg.Start()
	db.AwaitTruth(tg, nearTruth, farTruth)

	// Once the table exists, fewer privileges suffice.
	db.Query("CREATE ROLE writer LOGIN")
	db.Query("GRANT SELECT, INSERT, UPDATE ON wolkvox_ivr TO writer")
	db.Query("UPDATE wolkvox_ivr SET calls = 0") // shows which hours are sent again

	// PostgreSQL crashes while rows are being written, and Telegraf blames the rows. Restarted without a state while
	// PostgreSQL is down, the plugin reads the month again, and PostgreSQL comes back.
	testbed.StartCommand(t, db.Psql("BEGIN; LOCK TABLE wolkvox_ivr IN SHARE MODE; SELECT pg_sleep(600)", "telegraf"))
	tg.Await("rows to wait", func() bool {
		return db.Query("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'copy%' AND wait_event_type = 'Lock'") == "1"
	})
	db.Crash()
	tg.AwaitLog("dropping sub-batch")
	tg.Kill()
	<-tg.Gone()
	require.NoError(t, os.Remove(filepath.Join(tg.Dir, "wolkvox_ivr.state")))
	tg.Env = append(tg.Env, db.Env("writer"))
	read := strings.Count(tg.Log(), testbed.HistoryDone)
	tg.Start()
	tg.Await("the month to be read again", func() bool { return strings.Count(tg.Log(), testbed.HistoryDone) == read+2 })
	db.Start()
	tg.Await("the month to be written again", func() bool { return db.Query("SELECT count(*) FROM wolkvox_ivr WHERE calls = 0") == "0" })
	db.AwaitTruth(tg, nearTruth, farTruth)
	tg.Stop()

	newest := w.Newest(t, testbed.Far, time.Now())
	for _, m := range db.Metrics() {
		if m.HasTag("operation") {
			require.NotEmpty(t, final([]telegraf.Metric{m}, newest), "%s was not final", m.Time())
		}
	}

	// The query in the guide
	expected := make(map[string]int64)
	for _, m := range nearTruth {
		expected[testbed.HourOf(t, testbed.Near, m.Time()).Format(time.DateOnly)] += m.Fields()["calls"].(int64)
	}
	delete(expected, testbed.HourOf(t, testbed.Near, start).Format(time.DateOnly)) // not final yet
	for day := range expected {
		found := db.Query("SELECT calls FROM (" + testbed.CodeOf(t, "testdata/README.md", "sql") + ") AS days WHERE day = '" + day + "'")
		dayOf := func(at time.Time) string { return testbed.HourOf(t, testbed.Near, at).Format(time.DateOnly) }
		if day > dayOf(start.Add(-testbed.Month)) && day < dayOf(start.Add(-24*time.Hour)) {
			require.Equal(t, strconv.FormatInt(expected[day], 10), found, day)
		}
	}
}
