//go:build integration

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/stretchr/testify/require"
)

// TestTimezoneIsCorrected: with the wrong rows deleted as the page of destinations says, sums are right again.
func TestTimezoneIsCorrected(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		destination string
		start       func(t *testing.T) (db summing, recipe string, env []string)
	}{
		{"InfluxDB 1.x", func(t *testing.T) (summing, string, []string) {
			db := startInfluxDB(t)
			return db, "influxdb.conf", []string{"INFLUX_URL=" + db.url()}
		}},
		{"InfluxDB 2", func(t *testing.T) (summing, string, []string) {
			db := startInfluxDB2(t)
			return db, "influxdb_v2.conf", []string{"INFLUX2_URL=" + db.url(), "INFLUX_TOKEN=" + db.token, "INFLUX_ORG=ivr", "INFLUX_BUCKET=telegraf"}
		}},
		{"PostgreSQL", func(t *testing.T) (summing, string, []string) {
			db := startPostgreSQL(t)
			return db, "postgresql.conf", []string{db.env("telegraf")}
		}},
		{"VictoriaMetrics", func(t *testing.T) (summing, string, []string) {
			db := startVictoriaMetrics(t)
			return db, "victoriametrics.conf", []string{"VICTORIAMETRICS_URL=http://" + db.addr}
		}},
	} {
		t.Run(tt.destination, func(t *testing.T) {
			t.Parallel()
			db, recipe, env := tt.start(t)
			w, start := startWolkvox(t, near), time.Now()
			from, to := settled(t, near, start, 48*time.Hour)
			truth := w.truth(t, near, from, to)
			wrong, right := w.table(near, `backfill = "72h"`, often, `timezone = "Etc/GMT+9"`), w.table(near, `backfill = "72h"`, often)
			tg := newRecipe(t, recipe, remembering+wrong, env...)
			gather := func() {
				read := strings.Count(tg.log(), pastRead)
				tg.start()
				tg.await("the past to be read", func() bool { return strings.Count(tg.log(), pastRead) > read })
				tg.stop() // which flushes
			}
			gather()
			require.Positive(t, db.sum(from, to))
			db.execute(correction(t, tt.destination), env)
			require.Zero(t, db.sum(from, to))
			tg.write("wolkvox_ivr.conf", remembering+right)
			gather()
			require.Equal(t, sumOf(truth), db.sum(from, to))
			require.Contains(t, tg.log(), `timezone has changed from "Etc/GMT+9" to "America/Bogota"`)
		})
	}
}

// Where a user has not deleted them first, reread brings all hours once more.
func TestTimezoneIsCorrectedLate(t *testing.T) {
	t.Parallel()
	w, start, db := startWolkvox(t, near), time.Now(), startInfluxDB(t)
	today := hourOf(t, near, start)
	today = today.Add(-time.Duration(today.Hour()) * time.Hour)
	from, to := settled(t, near, today, 48*time.Hour) // hours of today are read again tomorrow
	truth := w.truth(t, near, from, to)
	tg := newRecipe(t, "influxdb.conf", remembering+w.table(near, `backfill = "72h"`, often, `timezone = "Etc/GMT+9"`), "INFLUX_URL="+db.url())
	for _, options := range [][]string{nil, {`empty_hours = "zero"`}} {
		read := strings.Count(tg.log(), pastRead)
		tg.start()
		tg.await("the past to be read", func() bool { return strings.Count(tg.log(), pastRead) > read })
		tg.stop()
		tg.write("wolkvox_ivr.conf", remembering+w.table(near, append(options, `backfill = "72h"`, often)...))
	}
	require.Greater(t, db.sum(from, to), sumOf(truth), "databases keep both")
	db.execute(correction(t, "InfluxDB 1.x"), nil)
	days := start.Add(-96*time.Hour).Format(time.DateOnly) + "/" + start.Format(time.DateOnly)
	tg.write("wolkvox_ivr.conf", remembering+w.table(near, `backfill = "72h"`, often, fmt.Sprintf("reread = %q", days)))
	tg.start()
	tg.await("all to be there again", func() bool { return db.count(from, to) == len(truth) })
	tg.stop()
	require.Equal(t, sumOf(truth), db.sum(from, to))
}

// TestRejectedRows: Telegraf drops what InfluxDB rejects, and the page of destinations has what its log says, and what brings the rows.
func TestRejectedRows(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ log, prepare string }{
		{"field type conflict: ", "CREATE DATABASE telegraf"},
		{"points beyond retention policy", "CREATE DATABASE telegraf WITH DURATION 24h"},
	} {
		t.Run(tt.log, func(t *testing.T) {
			t.Parallel()
			w, start, db := startWolkvox(t, near), time.Now(), startInfluxDB(t)
			today := hourOf(t, near, start)
			today = today.Add(-time.Duration(today.Hour()) * time.Hour)
			from, to := settled(t, near, today, 48*time.Hour)
			truth := w.truth(t, near, from, to)
			db.query(tt.prepare)
			if strings.HasPrefix(tt.log, "field") {
				db.write(fmt.Sprintf("wolkvox_ivr,hour=08,source=wv0001.wolkvox.com calls=5.0 %d", start.Add(-time.Hour).UnixNano()))
			}
			tg := newRecipe(t, "influxdb.conf", remembering+w.table(near, `backfill = "96h"`, often), "INFLUX_URL="+db.url())
			tg.start()
			tg.awaitLog(pastRead)
			tg.stop()
			row := regexp.MustCompile("(?m)^\\| `(" + regexp.QuoteMeta(tt.log) + ".*?)`.* \\| `(influx .*?)`.*\\|$")
			page := row.FindStringSubmatch(readDoc(t, "testdata/README.md"))
			require.NotNil(t, page)
			require.Contains(t, tg.log(), page[1])
			require.Less(t, db.count(from, to), len(truth))

			db.execute(page[2], nil)
			days := start.Add(-120*time.Hour).Format(time.DateOnly) + "/" + start.Format(time.DateOnly)
			tg.write("wolkvox_ivr.conf", remembering+w.table(near, `backfill = "96h"`, often, fmt.Sprintf("reread = %q", days)))
			tg.start()
			tg.await("all to be there", func() bool { return db.count(from, to) == len(truth) })
			tg.stop()
			require.Equal(t, sumOf(truth), db.sum(from, to))
		})
	}
}

// TestHostIsRenamed: the machine that gathers is no part of the figures, so another one's rows overwrite them.
func TestHostIsRenamed(t *testing.T) {
	t.Parallel()
	w, start, db := startWolkvox(t, near), time.Now(), startInfluxDB(t)
	from, to := settled(t, near, start, 48*time.Hour)
	truth := w.truth(t, near, from, to)
	tg := newRecipe(t, "influxdb.conf", remembering+w.table(near, `backfill = "72h"`, often), "INFLUX_URL="+db.url())
	conf := tg.read("telegraf.conf")
	for _, host := range []string{"invented-1", "invented-2"} {
		tg.write("telegraf.conf", strings.Replace(conf, "[agent]\n", fmt.Sprintf("[agent]\nhostname = %q\n", host), 1))
		require.NoError(t, os.RemoveAll(filepath.Join(tg.dir, "wolkvox_ivr.state")))
		read := strings.Count(tg.log(), pastRead)
		tg.start()
		tg.await("the past to be read", func() bool { return strings.Count(tg.log(), pastRead) > read })
		tg.stop()
	}
	require.Equal(t, sumOf(truth), db.sum(from, to))
}

// summing is a destination that adds calls up.
type summing interface {
	sum(from, to time.Time) int64         // calls of the hours in [from, to)
	execute(command string, env []string) // a command of the page of destinations
}

func sumOf(metrics []telegraf.Metric) (calls int64) {
	for _, m := range metrics {
		calls += m.Fields()["calls"].(int64)
	}
	return calls
}

// correction returns the command that the page of destinations has for deleting rows.
func correction(t *testing.T, destination string) string {
	t.Helper()
	match := regexp.MustCompile("(?m)^ +\\| " + regexp.QuoteMeta(destination) + " \\| `(.*)` \\|$").FindStringSubmatch(readDoc(t, "testdata/README.md"))
	require.NotNil(t, match, destination)
	return match[1]
}

// shell runs a command line with the programs of bin.
func shell(t *testing.T, command string, env ...string) {
	t.Helper()
	program, _, _ := strings.Cut(command, " ")
	if program == "curl" {
		need(t, "curl")
	}
	cmd := exec.Command("sh", "-c", command)
	cmd.Env = append(os.Environ(), append(env, "PATH="+filepath.Dir(built(t, "telegraf"))+":"+os.Getenv("PATH"))...)
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", command, output)
}

func (db *influxdb) sum(from, to time.Time) int64 {
	db.t.Helper()
	statement := fmt.Sprintf(`SELECT sum("calls") FROM "wolkvox_ivr" WHERE time >= %d AND time < %d`, from.UnixNano(), to.UnixNano())
	for _, s := range db.query(statement) {
		return number(db.t, s.Values[0][1], true).(int64)
	}
	return 0
}

func (db *influxdb) execute(command string, env []string) {
	db.t.Helper()
	built(db.t, "influx")
	shell(db.t, strings.Replace(command, "influx ", "influx -port "+db.url()[strings.LastIndex(db.url(), ":")+1:]+" ", 1), env...)
}

func (db *postgresql) sum(from, to time.Time) int64 {
	db.t.Helper()
	calls, err := strconv.ParseInt(db.query(fmt.Sprintf("SELECT coalesce(sum(calls), 0)::bigint FROM wolkvox_ivr "+
		"WHERE time >= to_timestamp(%d) AND time < to_timestamp(%d)", from.Unix(), to.Unix())), 10, 64)
	require.NoError(db.t, err)
	return calls
}

func (db *postgresql) execute(command string, _ []string) {
	db.t.Helper()
	shell(db.t, strings.Replace(command, "psql ", filepath.Join(db.bin, "psql")+" --host "+db.dir+" --username telegraf ", 1))
}

func (db *victoriaMetrics) sum(from, to time.Time) (calls int64) {
	db.t.Helper()
	shell(db.t, "curl -fsS http://"+db.addr+"/internal/force_flush")
	for _, value := range db.query(`sum(sum_over_time(wolkvox_ivr_calls[1h]))`, from, to, time.Hour) {
		calls += int64(value)
	}
	return calls
}

func (db *victoriaMetrics) execute(command string, _ []string) {
	db.t.Helper()
	shell(db.t, strings.Replace(command, "127.0.0.1:8428", db.addr, 1))
}
