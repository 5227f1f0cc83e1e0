//go:build unix

package testbed

import (
	"encoding/json"
	"fmt"
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
)

// PostgreSQL is a real PostgreSQL in its own folder, which also has its socket.
type PostgreSQL struct {
	t      *testing.T
	bin    string
	dir    string
	as     *syscall.Credential // PostgreSQL refuses to run as root
	server *Server
}

// StartPostgreSQL starts the newest version that is installed.
func StartPostgreSQL(t *testing.T) *PostgreSQL {
	t.Helper()
	installed, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // Debian's path, which is not on the PATH
	require.NoError(t, err)
	if path, err := exec.LookPath("initdb"); err == nil && len(installed) == 0 {
		installed = []string{path}
	}
	if len(installed) == 0 {
		SkipWithout(t, "no PostgreSQL")
	}
	dir, err := os.MkdirTemp("/tmp", "postgresql-") //nolint:usetesting // t.TempDir is too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	db := &PostgreSQL{t: t, bin: filepath.Dir(slices.Max(installed)), dir: dir}
	if os.Geteuid() == 0 {
		const nobody = 65534
		db.as = &syscall.Credential{Uid: nobody, Gid: nobody, NoSetGroups: true}
		require.NoError(t, os.Chown(dir, nobody, nobody))
	}
	output, err := db.command("initdb", "--pgdata", "data", "--username", "telegraf", "--auth", "trust", "--no-sync", "--no-instructions").CombinedOutput()
	require.NoError(t, err, "%s", output)
	db.Start()
	db.queryIn("postgres", "CREATE DATABASE telegraf")
	return db
}

// command returns a command that runs a program of PostgreSQL.
func (db *PostgreSQL) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(db.bin, program), args...)
	cmd.Dir = db.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: db.as}
	return cmd
}

var postgresqlReady = regexp.MustCompile(`(database system is ready to accept connections)`)

// Start starts the database, for the first time or again.
func (db *PostgreSQL) Start() {
	db.t.Helper()
	db.server = StartCommand(db.t, db.command("postgres", "-D", "data", "-k", db.dir, "-c", "listen_addresses="))
	db.server.AwaitLog(postgresqlReady)
}

// Crash kills the database with all its processes, as a power failure does.
func (db *PostgreSQL) Crash() {
	db.t.Helper()
	children := ChildrenOf(db.t, db.server.Cmd.Process.Pid)
	db.server.Kill()
	for _, child := range children {
		_ = syscall.Kill(child, syscall.SIGKILL) // fails if it has already ended
	}
	Await(db.t, "all of PostgreSQL to end", func() bool {
		return !slices.ContainsFunc(children, func(child int) bool { return syscall.Kill(child, 0) == nil })
	})
}

// Env returns the environment variable that connects a recipe to the database.
func (db *PostgreSQL) Env(user string) string {
	return "POSTGRES_CONNECTION=host=" + db.dir + " user=" + user + " dbname=telegraf sslmode=disable"
}

// Psql returns a command that runs statements, and prints their results without decoration.
func (db *PostgreSQL) Psql(statements, database string) *exec.Cmd {
	return db.command("psql", "--host", db.dir, "--username", "telegraf", "--dbname", database, "--no-psqlrc", "--quiet",
		"--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1", "--command", statements)
}

// Query returns the results of statements.
func (db *PostgreSQL) Query(statements string) string {
	db.t.Helper()
	return db.queryIn("telegraf", statements)
}

func (db *PostgreSQL) queryIn(database, statements string) string {
	db.t.Helper()
	output, err := db.Psql(statements, database).CombinedOutput()
	require.NoError(db.t, err, "%s\n%s", statements, output)
	return strings.TrimSpace(string(output))
}

// Run runs a psql script and returns its output. Its time zone has daylight saving time, which must not affect any
// query.
func (db *PostgreSQL) Run(script string) string {
	db.t.Helper()
	cmd := db.command("psql", "--host", db.dir, "--username", "telegraf", "--dbname", "telegraf", "--no-psqlrc", "--quiet",
		"--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1")
	cmd.Env, cmd.Stdin = append(os.Environ(), "PGTZ=Europe/Madrid"), strings.NewReader(script)
	output, err := cmd.CombinedOutput()
	require.NoError(db.t, err, "%.2000s\n%s", script, output)
	return strings.TrimSpace(string(output))
}

// Count returns how many rows the table has, 0 if it does not exist yet.
func (db *PostgreSQL) Count() int {
	db.t.Helper()
	if db.Query("SELECT to_regclass('wolkvox_ivr')") == "" {
		return 0
	}
	n, err := strconv.Atoi(db.Query("SELECT count(*) FROM wolkvox_ivr"))
	require.NoError(db.t, err)
	return n
}

// Metrics returns all rows.
func (db *PostgreSQL) Metrics() (metrics []telegraf.Metric) {
	db.t.Helper()
	var rows []struct {
		Source, Operation, Hour string
		Time                    int64
		Calls                   int64
		Minutes                 float64
	}
	found := db.Query(`SELECT json_agg(row) FROM (
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

// AwaitTruth waits until the database has as many hours of each operation as its truth, and requires them to be equal
// to it.
func (db *PostgreSQL) AwaitTruth(a *Telegraf, truths ...[]telegraf.Metric) {
	db.t.Helper()
	for _, truth := range truths {
		from, to := Span(truth)
		source := truth[0].Tags()["source"]
		var metrics []telegraf.Metric
		a.Await("the month to be in the database", func() bool {
			if db.Count() < len(truth) {
				return false
			}
			metrics = slices.DeleteFunc(Between(db.Metrics(), from, to), func(m telegraf.Metric) bool { return m.Tags()["source"] != source })
			return len(metrics) >= len(truth)
		})
		testutil.RequireMetricsEqual(db.t, truth, metrics, testutil.SortMetrics())
	}
}

// Sum returns the number of calls in the hours in [from, to).
func (db *PostgreSQL) Sum(from, to time.Time) int64 {
	db.t.Helper()
	calls, err := strconv.ParseInt(db.Query(fmt.Sprintf("SELECT coalesce(sum(calls), 0)::bigint FROM wolkvox_ivr "+
		"WHERE time >= to_timestamp(%d) AND time < to_timestamp(%d)", from.Unix(), to.Unix())), 10, 64)
	require.NoError(db.t, err)
	return calls
}

// Execute runs a command line from a guide.
func (db *PostgreSQL) Execute(command string, _ []string) {
	db.t.Helper()
	Shell(db.t, strings.Replace(command, "psql ", filepath.Join(db.bin, "psql")+" --host "+db.dir+" --username telegraf ", 1))
}
