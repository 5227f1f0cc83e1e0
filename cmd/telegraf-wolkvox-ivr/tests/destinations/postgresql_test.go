//go:build integration

package destinations

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/metric"
	"github.com/influxdata/telegraf/testutil"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
)

// postgresql is a real PostgreSQL with a database folder of its own, reached by a socket in it.
type postgresql struct {
	t      *testing.T
	bin    string
	dir    string
	as     *syscall.Credential // it doesn't run as root
	server *testbed.Server
}

// startPostgreSQL starts the newest that is installed.
func startPostgreSQL(t *testing.T) *postgresql {
	t.Helper()
	installed, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // where Debian has it, not on the PATH
	require.NoError(t, err)
	if path, err := exec.LookPath("initdb"); err == nil && len(installed) == 0 {
		installed = []string{path}
	}
	if len(installed) == 0 {
		testbed.LeaveOut(t, "no PostgreSQL")
	}
	dir, err := os.MkdirTemp("/tmp", "postgresql-") //nolint:usetesting // t.TempDir is too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	db := &postgresql{t: t, bin: filepath.Dir(slices.Max(installed)), dir: dir}
	if os.Geteuid() == 0 {
		const nobody = 65534
		db.as = &syscall.Credential{Uid: nobody, Gid: nobody, NoSetGroups: true}
		require.NoError(t, os.Chown(dir, nobody, nobody))
	}
	output, err := db.command("initdb", "--pgdata", "data", "--username", "telegraf", "--auth", "trust", "--no-sync", "--no-instructions").CombinedOutput()
	require.NoError(t, err, "%s", output)
	db.start()
	db.queryIn("postgres", "CREATE DATABASE telegraf")
	return db
}

// command returns a program of PostgreSQL.
func (db *postgresql) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(db.bin, program), args...)
	cmd.Dir = db.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: db.as}
	return cmd
}

var postgresqlReady = regexp.MustCompile(`(database system is ready to accept connections)`)

// start starts it, for the first time or again.
func (db *postgresql) start() {
	db.t.Helper()
	db.server = testbed.StartCommand(db.t, db.command("postgres", "-D", "data", "-k", db.dir, "-c", "listen_addresses="))
	db.server.AwaitLog(postgresqlReady)
}

// crash kills it with all its processes, which a power failure does, too.
func (db *postgresql) crash() {
	db.t.Helper()
	children := testbed.ChildrenOf(db.t, db.server.Cmd.Process.Pid)
	db.server.Kill()
	for _, child := range children {
		_ = syscall.Kill(child, syscall.SIGKILL) // fails when it has ended already
	}
	testbed.Await(db.t, "all of PostgreSQL to end", func() bool {
		return !slices.ContainsFunc(children, func(child int) bool { return syscall.Kill(child, 0) == nil })
	})
}

// env is the environment that leads a recipe to the database.
func (db *postgresql) env(user string) string {
	return "POSTGRES_CONNECTION=host=" + db.dir + " user=" + user + " dbname=telegraf sslmode=disable"
}

// psql returns the command that runs statements, and prints what they return without decoration.
func (db *postgresql) psql(statements, database string) *exec.Cmd {
	return db.command("psql", "--host", db.dir, "--username", "telegraf", "--dbname", database, "--no-psqlrc", "--quiet",
		"--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1", "--command", statements)
}

// query returns what statements return.
func (db *postgresql) query(statements string) string {
	db.t.Helper()
	return db.queryIn("telegraf", statements)
}

func (db *postgresql) queryIn(database, statements string) string {
	db.t.Helper()
	output, err := db.psql(statements, database).CombinedOutput()
	require.NoError(db.t, err, "%s\n%s", statements, output)
	return strings.TrimSpace(string(output))
}

// count returns how many rows the table has, if it is there yet.
func (db *postgresql) count() int {
	db.t.Helper()
	if db.query("SELECT to_regclass('wolkvox_ivr')") == "" {
		return 0
	}
	n, err := strconv.Atoi(db.query("SELECT count(*) FROM wolkvox_ivr"))
	require.NoError(db.t, err)
	return n
}

// metrics returns all rows.
func (db *postgresql) metrics() (metrics []telegraf.Metric) {
	db.t.Helper()
	var rows []struct {
		Source, Operation, Hour string
		Time                    int64
		Calls                   int64
		Minutes                 float64
	}
	found := db.query(`SELECT json_agg(row) FROM (
		SELECT source, operation, hour, extract(epoch FROM time)::bigint AS time, calls, minutes FROM wolkvox_ivr
	) AS row`)
	require.NoError(db.t, json.Unmarshal([]byte(found), &rows))
	for _, row := range rows {
		tags := map[string]string{"source": row.Source, "hour": row.Hour}
		if row.Operation != "" {
			tags["operation"] = row.Operation
		}
		metrics = append(metrics, metric.New("wolkvox_ivr", tags, map[string]any{"calls": row.Calls, "minutes": row.Minutes}, time.Unix(row.Time, 0)))
	}
	return metrics
}

// awaitTruth waits until the database has as many of each operation's hours as its truth, and requires them to be the truth.
func (db *postgresql) awaitTruth(a *testbed.Telegraf, truths ...[]telegraf.Metric) {
	db.t.Helper()
	for _, truth := range truths {
		from, to := testbed.Span(truth)
		source := truth[0].Tags()["source"]
		var metrics []telegraf.Metric
		a.Await("the month to be in the database", func() bool {
			if db.count() < len(truth) {
				return false
			}
			metrics = slices.DeleteFunc(testbed.Between(db.metrics(), from, to), func(m telegraf.Metric) bool { return m.Tags()["source"] != source })
			return len(metrics) >= len(truth)
		})
		testutil.RequireMetricsEqual(db.t, truth, metrics, testutil.SortMetrics())
	}
}

// TestPostgreSQL: an operation sends all hours, another the final ones. Hours that are read again, at each gather and from the beginning,
// Telegraf's death and PostgreSQL's leave one row an hour.
//
//promise:destinations
//promise:outages
func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	w, start, db := testbed.StartWolkvox(t, testbed.Near, testbed.Far), time.Now(), startPostgreSQL(t)
	nearTruth, farTruth := w.MonthOf(t, testbed.Near, "", start), final(w.MonthOf(t, testbed.Far, "far", start), w.Newest(t, testbed.Far, start))
	tg := testbed.NewRecipe(t, "postgresql.conf", testbed.Remembering+
		w.Table(testbed.Near, `backfill = "744h"`, testbed.Often)+
		w.Table(testbed.Far, `hours = "final"`, `backfill = "744h"`, testbed.Often, `operation = "far"`), db.env("telegraf"))
	tg.Start()
	db.awaitTruth(tg, nearTruth, farTruth)

	// The table being there, fewer rights will do.
	db.query("CREATE ROLE writer LOGIN")
	db.query("GRANT SELECT, INSERT, UPDATE ON wolkvox_ivr TO writer")
	db.query("UPDATE wolkvox_ivr SET calls = 0") // so that hours can be seen to come again

	// PostgreSQL dies while rows are being written, which Telegraf takes for their fault. Started afresh while PostgreSQL is away, it reads the
	// month once more, and PostgreSQL comes back.
	testbed.StartCommand(t, db.psql("BEGIN; LOCK TABLE wolkvox_ivr IN SHARE MODE; SELECT pg_sleep(600)", "telegraf"))
	tg.Await("rows to wait", func() bool {
		return db.query("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'copy%' AND wait_event_type = 'Lock'") == "1"
	})
	db.crash()
	tg.AwaitLog("dropping sub-batch")
	tg.Kill()
	<-tg.Gone()
	require.NoError(t, os.Remove(filepath.Join(tg.Dir, "wolkvox_ivr.state")))
	tg.Env = append(tg.Env, db.env("writer"))
	read := strings.Count(tg.Log(), testbed.PastRead)
	tg.Start()
	tg.Await("the month to be read again", func() bool { return strings.Count(tg.Log(), testbed.PastRead) == read+2 })
	db.start()
	tg.Await("the month to be written again", func() bool { return db.query("SELECT count(*) FROM wolkvox_ivr WHERE calls = 0") == "0" })
	db.awaitTruth(tg, nearTruth, farTruth)
	tg.Stop()

	newest := w.Newest(t, testbed.Far, time.Now())
	for _, m := range db.metrics() {
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
		found := db.query("SELECT calls FROM (" + testbed.CodeOf(t, "testdata/README.md", "sql") + ") AS days WHERE day = '" + day + "'")
		dayOf := func(at time.Time) string { return testbed.HourOf(t, testbed.Near, at).Format(time.DateOnly) }
		if day > dayOf(start.Add(-testbed.Month)) && day < dayOf(start.Add(-24*time.Hour)) {
			require.Equal(t, strconv.FormatInt(expected[day], 10), found, day)
		}
	}
}
