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

// TestPostgreSQL: an operation sends all hours, another the final ones. Hours that are read again, at each gather and from the beginning,
// Telegraf's death and PostgreSQL's leave one row an hour.
//
//promise:destinations
//promise:outages
func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	w, start, db := testbed.StartWolkvox(t, testbed.Near, testbed.Far), time.Now(), testbed.StartPostgreSQL(t)
	nearTruth, farTruth := w.MonthOf(t, testbed.Near, "", start), final(w.MonthOf(t, testbed.Far, "far", start), w.Newest(t, testbed.Far, start))
	tg := testbed.NewRecipe(t, "postgresql.conf", testbed.Remembering+
		w.Table(testbed.Near, `backfill = "744h"`, testbed.Often)+
		w.Table(testbed.Far, `hours = "final"`, `backfill = "744h"`, testbed.Often, `operation = "far"`), db.Env("telegraf"))
	tg.Start()
	db.AwaitTruth(tg, nearTruth, farTruth)

	// The table being there, fewer rights will do.
	db.Query("CREATE ROLE writer LOGIN")
	db.Query("GRANT SELECT, INSERT, UPDATE ON wolkvox_ivr TO writer")
	db.Query("UPDATE wolkvox_ivr SET calls = 0") // so that hours can be seen to come again

	// PostgreSQL dies while rows are being written, which Telegraf takes for their fault. Started afresh while PostgreSQL is away, it reads the
	// month once more, and PostgreSQL comes back.
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
	read := strings.Count(tg.Log(), testbed.PastRead)
	tg.Start()
	tg.Await("the month to be read again", func() bool { return strings.Count(tg.Log(), testbed.PastRead) == read+2 })
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

	// What a report writer looks up.
	expected := make(map[string]int64)
	for _, m := range nearTruth {
		expected[testbed.HourOf(t, testbed.Near, m.Time()).Format(time.DateOnly)] += m.Fields()["calls"].(int64)
	}
	delete(expected, testbed.HourOf(t, testbed.Near, start).Format(time.DateOnly)) // not settled yet
	for day := range expected {
		found := db.Query("SELECT calls FROM (" + testbed.CodeOf(t, "testdata/README.md", "sql") + ") AS days WHERE day = '" + day + "'")
		dayOf := func(at time.Time) string { return testbed.HourOf(t, testbed.Near, at).Format(time.DateOnly) }
		if day > dayOf(start.Add(-testbed.Month)) && day < dayOf(start.Add(-24*time.Hour)) {
			require.Equal(t, strconv.FormatInt(expected[day], 10), found, day)
		}
	}
}
