//go:build integration

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/metric"
	"github.com/influxdata/telegraf/testutil"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// month is the history that the plugin brings to a destination in these tests: some gathers, as each makes one request, and each part is
// read twice.
const month = 31 * 24 * time.Hour

// often is an interval at which the month is final within seconds.
const often = `interval = "200ms"`

// newRecipe prepares a Telegraf with one of the destinations' configurations: an output beside the package's [[inputs.execd]], as users
// have it, or a whole configuration. The plugin's configuration is given, and further environment as NAME=value.
func newRecipe(t *testing.T, recipe, plugin string, env ...string) *agent {
	t.Helper()
	a := newTelegraf(t, setup{plugin: plugin})
	conf := readRecipe(t, recipe)
	if strings.Contains(conf, "[agent]\n") {
		a.write("telegraf.conf", strings.Replace(conf, "[agent]\n", "[agent]\nflush_interval = \"100ms\"\n", 1))
	} else {
		onDisk := strings.Replace(codeOf(t, "testdata/README.md", "toml"), "/var/lib/telegraf/buffers", "buffers", 1)
		a.write("telegraf.conf", onDisk+"flush_interval = \"100ms\"\nstatefile = \"telegraf.state\"\nskip_processors_after_aggregators = true\n"+
			shippedExecd(t))
		a.add(recipe, conf)
	}
	a.env = append([]string{"TELEGRAF_BUFFERS=buffers"}, env...)
	t.Cleanup(func() { // or the plugin, which ends a moment after Telegraf, may write its state into a directory that is being removed
		a.kill()
		if a.cmd != nil {
			<-a.gone()
		}
	})
	return a
}

// shippedExecd returns the package's [[inputs.execd]], with the program and the configuration of a test.
func shippedExecd(t *testing.T) string {
	t.Helper()
	return strings.NewReplacer("/usr/bin/telegraf-wolkvox-ivr", built(t, "telegraf-wolkvox-ivr"), pluginConf, "wolkvox_ivr.conf").
		Replace(readDoc(t, ours+"package/telegraf.d.conf"))
}

// readRecipe returns a configuration of testdata: an output, or a whole one.
func readRecipe(t *testing.T, recipe string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "testdata", "outputs", recipe))
	if errors.Is(err, os.ErrNotExist) {
		content, err = os.ReadFile(filepath.Join("..", "..", "testdata", recipe))
	}
	require.NoError(t, err)
	return string(content)
}

// add adds a further configuration to those that Telegraf is started with.
func (a *agent) add(name, content string) {
	a.t.Helper()
	a.write(name, content)
	a.args = append(a.args, "--config", name)
}

// requireNoComplaints requires the log to have no warnings and errors but those that contain one of the texts.
func (a *agent) requireNoComplaints(but ...string) {
	a.t.Helper()
	// execd when it ends a plugin, the hurry of these tests, buffers on disk, and a history that begins with a quiet night
	but = append(but, "file already closed", "within its flush interval", "experimental feature", "the report shows no calls before")
	require.Empty(a.t, slices.DeleteFunc(a.complaints(), func(complaint string) bool {
		return slices.ContainsFunc(but, func(text string) bool { return strings.Contains(complaint, text) })
	}))
}

// remembering is the plugin's [agent] with a state file. Telegraf runs it in the directory that is the test's own.
const remembering = "[agent]\nstatefile = \"wolkvox_ivr.state\"\n\n"

// pastRead is what the plugin logs when it has handed on all of the backfill.
const pastRead = "history: all"

// server is a real server that a test has started.
type server struct {
	t    *testing.T
	cmd  *exec.Cmd
	path string // of its log
	done chan struct{}
}

// startServer starts a program of bin, and kills it at the test's end.
func startServer(t *testing.T, env []string, program string, args ...string) *server {
	t.Helper()
	cmd := exec.Command(built(t, program), args...)
	cmd.Env = append(os.Environ(), env...)
	return startCommand(t, cmd)
}

// startCommand starts any server, and kills it at the test's end.
func startCommand(t *testing.T, cmd *exec.Cmd) *server {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	defer log.Close()
	s := &server{t: t, cmd: cmd, path: log.Name(), done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start())
	go func() {
		defer close(s.done)
		_ = cmd.Wait() // the exit code is in cmd
	}()
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			t.Logf("The log of %s:\n%s", filepath.Base(cmd.Path), s.log())
		}
	})
	return s
}

// log returns all that the server has said.
func (s *server) log() string {
	s.t.Helper()
	content, err := os.ReadFile(s.path)
	require.NoError(s.t, err)
	return string(content)
}

// awaitLog waits for the server to say something, and returns the first group of the expression.
func (s *server) awaitLog(expression *regexp.Regexp) string {
	s.t.Helper()
	var match []string
	await(s.t, "a server to say "+expression.String(), func() bool {
		match = expression.FindStringSubmatch(s.log())
		return match != nil
	})
	return match[1]
}

// stop stops the server as a service manager does.
func (s *server) stop() {
	s.t.Helper()
	require.NoError(s.t, s.cmd.Process.Signal(syscall.SIGTERM))
	awaitClosed(s.t, "a server to end", s.done)
}

// kill ends the server as a power failure does.
func (s *server) kill() {
	_ = s.cmd.Process.Kill() // fails when it has ended already
	<-s.done
}

// influxdb is a real InfluxDB 1.8, or 2.7, on a database folder of its own.
type influxdb struct {
	t      *testing.T
	dir    string
	addr   string
	token  string // of InfluxDB 2.7
	server *server
}

func startInfluxDB(t *testing.T) *influxdb {
	t.Helper()
	db := &influxdb{t: t, dir: t.TempDir(), addr: "127.0.0.1:0"}
	db.start()
	return db
}

var listening2 = regexp.MustCompile(`msg=Listening .* port=(\d+)`)

// startInfluxDB2 starts an InfluxDB 2.7 with the bucket telegraf.
func startInfluxDB2(t *testing.T) *influxdb {
	t.Helper()
	if _, err := os.Stat("../../bin/influxd2"); err != nil {
		t.Skip("left out: there is no InfluxDB 2, which make influxd2 builds by Rust")
	}
	db := &influxdb{t: t, dir: t.TempDir(), token: "invented-influxdb-token"}
	db.server = startServer(t, nil, "influxd2", "--bolt-path", filepath.Join(db.dir, "bolt"), "--engine-path", filepath.Join(db.dir, "engine"),
		"--http-bind-address", "127.0.0.1:0", "--reporting-disabled")
	db.addr = "127.0.0.1:" + db.server.awaitLog(listening2)
	setup := fmt.Sprintf(`{"username":"admin","password":"invented-password","org":"ivr","bucket":"telegraf","token":%q}`, db.token)
	response, err := http.Post(db.url()+"/api/v2/setup", "application/json", strings.NewReader(setup))
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusCreated, response.StatusCode)
	return db
}

func (db *influxdb) url() string { return "http://" + db.addr }

var listening = regexp.MustCompile(`msg="Listening on HTTP" .* addr=(\S+)`)

// start starts it: at first on a free port, and then on the same one again.
func (db *influxdb) start() {
	db.t.Helper()
	db.server = startServer(db.t, []string{
		"INFLUXDB_META_DIR=" + filepath.Join(db.dir, "meta"),
		"INFLUXDB_DATA_DIR=" + filepath.Join(db.dir, "data"),
		"INFLUXDB_DATA_WAL_DIR=" + filepath.Join(db.dir, "wal"),
		"INFLUXDB_HTTP_BIND_ADDRESS=" + db.addr,
		"INFLUXDB_BIND_ADDRESS=127.0.0.1:0",
		"INFLUXDB_REPORTING_DISABLED=true",
		"INFLUXDB_MONITOR_STORE_ENABLED=false",
		"INFLUXDB_HTTP_LOG_ENABLED=false",
		"INFLUXDB_DATA_QUERY_LOG_ENABLED=false",
	}, "influxd", "run")
	db.addr = db.server.awaitLog(listening)
}

func (db *influxdb) stop() { db.server.stop() }

// series is a part of a result: the rows of one group.
type series struct {
	Name    string
	Tags    map[string]string
	Columns []string
	Values  [][]any // numbers as json.Number
}

// query returns the results of a statement, on the database telegraf. Times are nanoseconds.
func (db *influxdb) query(statement string) []series {
	db.t.Helper()
	form := url.Values{"db": {"telegraf"}, "epoch": {"ns"}, "q": {statement}}
	request, err := http.NewRequest(http.MethodPost, db.url()+"/query?"+form.Encode(), nil)
	require.NoError(db.t, err)
	request.Header.Set("Authorization", "Token "+db.token)
	response, err := http.DefaultClient.Do(request)
	require.NoError(db.t, err)
	defer response.Body.Close()
	var answer struct {
		Error   string
		Results []struct {
			Error  string
			Series []series
		}
	}
	decoder := json.NewDecoder(response.Body)
	decoder.UseNumber()
	require.NoError(db.t, decoder.Decode(&answer), statement)
	require.Empty(db.t, answer.Error, statement)
	require.Len(db.t, answer.Results, 1, "one statement at a time: %s", statement)
	if strings.HasPrefix(answer.Results[0].Error, "database not found") {
		return nil // Telegraf is about to make it
	}
	require.Empty(db.t, answer.Results[0].Error, statement)
	return answer.Results[0].Series
}

// write writes line protocol to the database telegraf.
func (db *influxdb) write(lines string) {
	db.t.Helper()
	response, err := http.Post(db.url()+"/write?db=telegraf", "text/plain", strings.NewReader(lines))
	require.NoError(db.t, err)
	defer response.Body.Close()
	require.Equal(db.t, http.StatusNoContent, response.StatusCode)
}

// metrics returns all points of the measurement with timestamps in [from, to), each with the types that the database has.
func (db *influxdb) metrics(from, to time.Time) []telegraf.Metric {
	db.t.Helper()
	var metrics []telegraf.Metric
	for _, s := range db.query(fmt.Sprintf(`SELECT * FROM "wolkvox_ivr" WHERE time >= %d AND time < %d GROUP BY *`, from.UnixNano(), to.UnixNano())) {
		for tag, value := range s.Tags {
			if value == "" { // that other series have
				delete(s.Tags, tag)
			}
		}
		for _, row := range s.Values {
			fields := make(map[string]any)
			for i, column := range s.Columns[1:] {
				if value, ok := row[1+i].(json.Number); ok {
					fields[column] = number(db.t, value, column == "calls")
				}
			}
			metrics = append(metrics, metric.New(s.Name, s.Tags, fields, time.Unix(0, number(db.t, row[0], true).(int64))))
		}
	}
	return metrics
}

// count returns how many points the measurement has with timestamps in [from, to).
func (db *influxdb) count(from, to time.Time) int {
	db.t.Helper()
	statement := fmt.Sprintf(`SELECT count("calls") FROM "wolkvox_ivr" WHERE time >= %d AND time < %d`, from.UnixNano(), to.UnixNano())
	for _, s := range db.query(statement) {
		return int(number(db.t, s.Values[0][1], true).(int64))
	}
	return 0
}

// number returns a number of a result, as an integer or as a float.
func number(t *testing.T, value any, integer bool) any {
	t.Helper()
	text, ok := value.(json.Number)
	require.True(t, ok, "not a number: %v", value)
	if integer {
		n, err := text.Int64()
		require.NoError(t, err)
		return n
	}
	f, err := text.Float64()
	require.NoError(t, err)
	return f
}

// awaitMonth waits until the database has as many settled hours as the truth, and requires them to be the truth.
func (db *influxdb) awaitMonth(a *agent, truth []telegraf.Metric) {
	db.t.Helper()
	from, to := span(truth)
	var metrics []telegraf.Metric
	db.t.Cleanup(func() {
		if db.t.Failed() {
			db.t.Logf("There were %d of %d hours in the database.", len(metrics), len(truth))
		}
	})
	a.await("the month to be in the database", func() bool {
		if db.count(from, to) < len(truth) {
			return false
		}
		metrics = db.metrics(from, to)
		return true
	})
	testutil.RequireMetricsEqual(db.t, truth, metrics, testutil.SortMetrics())
}

// span returns the times from, and up to, which there are such metrics.
func span(metrics []telegraf.Metric) (from, to time.Time) {
	for i, m := range metrics {
		if i == 0 || m.Time().Before(from) {
			from = m.Time()
		}
		if !m.Time().Before(to) {
			to = m.Time().Add(1)
		}
	}
	return from, to
}

// monthOf returns the settled hours of the operation's last month, with its tag `operation` if it has one.
func (w *wolkvox) monthOf(t *testing.T, o simulator.Operation, name string, now time.Time) []telegraf.Metric {
	t.Helper()
	from, to := settled(t, o, now, month)
	truth := w.truth(t, o, from, to)
	require.NotEmpty(t, truth)
	if name != "" {
		for _, m := range truth {
			m.AddTag("operation", name)
		}
	}
	return truth
}

// newest returns the newest hour of which the report shows calls at the instant.
func (w *wolkvox) newest(t *testing.T, o simulator.Operation, at time.Time) time.Time {
	t.Helper()
	hour := hourOf(t, o, at)
	for w.At(o.Token, hour, at).Calls == 0 {
		hour = hour.Add(-time.Hour)
	}
	return hour
}

// final returns those of the hours that are final once the report has shown calls of the newest, with the default lookback.
func final(hours []telegraf.Metric, newest time.Time) []telegraf.Metric {
	return slices.DeleteFunc(hours, func(m telegraf.Metric) bool { return !m.Time().Add(3 * time.Hour).Before(newest) })
}

// These two have calls in each hour of the day in a month, but not in each hour of the month: the nights are quiet. The second one is on the
// other side of the world, half an hour off, and named.
var (
	near = simulator.Operation{Server: "0001", Token: "invented-token-1", PeakCalls: 1000}
	far  = simulator.Operation{Server: "0002", Token: "invented-token-2", PeakCalls: 1000, Timezone: "Asia/Kolkata"}
)

func TestInfluxDB(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		recipe string
		start  func(t *testing.T) *influxdb
		env    []string
	}{
		"1.8": {recipe: "influxdb.conf", start: startInfluxDB},
		"1.8 by the API of 2": {recipe: "influxdb_v2.conf", start: func(t *testing.T) *influxdb {
			db := startInfluxDB(t)
			db.query("CREATE DATABASE telegraf") // as buckets have to exist
			return db
		}},
		"2.7": {"influxdb_v2.conf", startInfluxDB2, []string{"INFLUX_TOKEN=invented-influxdb-token", "INFLUX_ORG=ivr", "INFLUX_BUCKET=telegraf"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, start, db := startWolkvox(t, near, far), time.Now(), tt.start(t)
			truth := slices.Concat(w.monthOf(t, near, "", start), w.monthOf(t, far, "far", start))
			tg := newRecipe(t, tt.recipe, remembering+
				w.table(near, `backfill = "744h"`, often)+
				w.table(far, `backfill = "744h"`, often, `operation = "far"`),
				append(tt.env, "INFLUX_URL="+db.url(), "INFLUX2_URL="+db.url())...)

			tg.start()
			db.awaitMonth(tg, truth)
			gathers := len(w.Ledger())
			tg.await("some more gathers", func() bool { return len(w.Ledger()) >= gathers+2 })
			tg.stop()

			// Started afresh, it reads and writes all of the month once more.
			require.NoError(t, os.Remove(filepath.Join(tg.dir, "wolkvox_ivr.state")))
			read := strings.Count(tg.log(), pastRead)
			tg.start()
			tg.await("the month to be read again", func() bool { return strings.Count(tg.log(), pastRead) == read+2 })
			tg.stop() // which flushes
			db.awaitMonth(tg, truth)

			require.Equal(t, []series{{Name: "wolkvox_ivr", Columns: []string{"fieldKey", "fieldType"}, Values: [][]any{
				{"calls", "integer"}, {"minutes", "float"},
			}}}, db.query(`SHOW FIELD KEYS FROM "wolkvox_ivr"`))
			var expected []any
			for hour := range 24 {
				expected = append(expected,
					fmt.Sprintf("wolkvox_ivr,hour=%02d,operation=far,source=wv0002.wolkvox.com", hour),
					fmt.Sprintf("wolkvox_ivr,hour=%02d,source=wv0001.wolkvox.com", hour))
			}
			var actual []any
			for _, row := range db.query(`SHOW SERIES`)[0].Values {
				actual = append(actual, row...)
			}
			require.ElementsMatch(t, expected, actual)
			tg.requireNoComplaints("interval is shorter", "longer than expected")
		})
	}
}

func TestInfluxDBIsDown(t *testing.T) {
	t.Parallel()
	w, start, db := startWolkvox(t, near), time.Now(), startInfluxDB(t)
	from, to := settled(t, near, start, month)
	truth := w.truth(t, near, from, to)
	tg := newRecipe(t, "influxdb.conf", remembering+w.table(near, often), "INFLUX_URL="+db.url())
	// The second output gets what the first gets, and shows when it has it.
	tg.add("second.conf", "[[outputs.file]]\nfiles = [\"metrics.out\"]\ndata_format = \"influx\"\n")
	tg.start()
	tg.await("the first hours", func() bool { return db.count(time.Unix(0, 0), time.Now()) > 0 })
	db.stop()
	tg.stop()

	// The month is read while InfluxDB is away, and is never requested again.
	tg.write("wolkvox_ivr.conf", remembering+w.table(near, `backfill = "744h"`, often))
	tg.start()
	tg.awaitLog(pastRead)
	tg.awaitMetrics("the month to be in Telegraf", func(metrics []telegraf.Metric) bool { return len(between(metrics, from, to)) == len(truth) })
	tg.stop()
	w.ResetLedger()
	tg.start()
	tg.await("a gather after the restart", func() bool { return len(w.Ledger()) > 0 })

	db.start()
	db.awaitMonth(tg, truth)
	// The latest hours are, as an output may have held them back, in whole days.
	for _, request := range w.Ledger() {
		require.Greater(t, request.From, start.Add(-48*time.Hour), "the month was requested again")
	}
}

var natsListening = regexp.MustCompile(`Listening for client connections on (\S+)`)

func TestNATS(t *testing.T) {
	t.Parallel()
	w, start := startWolkvox(t, near, far), time.Now()
	nats := startServer(t, nil, "nats-server", "--addr", "127.0.0.1", "--port", "-1", "--jetstream", "--store_dir", t.TempDir())
	at := "NATS_URL=nats://" + nats.awaitLog(natsListening)
	truth := slices.Concat(w.monthOf(t, near, "", start), w.monthOf(t, far, "far", start))

	producer := newRecipe(t, "nats.conf", remembering+
		w.table(near, `backfill = "744h"`, often)+
		w.table(far, `backfill = "744h"`, often, `operation = "far"`), at)
	// The second output gets what the first gets, and shows when it has it.
	producer.add("second.conf", "[[outputs.file]]\nfiles = [\"metrics.out\"]\ndata_format = \"influx\"\n")
	producer.start()
	from, to := span(truth)
	producer.awaitMetrics("the month to be in Telegraf", func(metrics []telegraf.Metric) bool { return len(between(metrics, from, to)) == len(truth) })
	producer.stop()

	// The consumer was not there when it all was sent.
	consumer := newRecipe(t, "nats_consumer.conf", "", at, "METRICS_FILE=metrics.out")
	consumer.start()
	var arrived []telegraf.Metric
	consumer.awaitMetrics("the month", func(metrics []telegraf.Metric) bool {
		arrived = between(metrics, from, to)
		return len(arrived) >= len(truth)
	})
	testutil.RequireMetricsEqual(t, truth, arrived, testutil.SortMetrics())
	consumer.stop()
	producer.requireNoComplaints("interval is shorter", "longer than expected")
	consumer.requireNoComplaints()
}

// sample is a line of what Prometheus scrapes.
var (
	sample              = regexp.MustCompile(`(?m)^wolkvox_ivr_(calls|minutes)\{(.*)\} (\S+)$`)
	prometheusListening = regexp.MustCompile(`Listening on (http://\S+)`)
)

func TestPrometheus(t *testing.T) {
	t.Parallel()
	o := simulator.Operation{Server: "0001", Token: "invented-token-1", PeakCalls: 1000, Timezone: afternoon()}
	w, start := startWolkvox(t, o), time.Now()
	tg := newRecipe(t, "prometheus.conf", remembering+w.table(o, `backfill = "168h"`, often),
		"PROMETHEUS_LISTEN=127.0.0.1:0", "PROMETHEUS_EXPIRATION=5s")
	tg.start()
	tg.awaitLog("Listening on ")
	scrape := func() map[string]string {
		t.Helper()
		response, err := http.Get(prometheusListening.FindStringSubmatch(tg.log())[1])
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
	from, to := settled(t, o, start, 23*time.Hour)
	truth := w.truth(t, o, from, to)
	require.Greater(t, len(truth), 12)
	// Of the history, which comes once, and after the latest hours, each hour of the day shows its latest figures only.
	tg.await("the latest day", func() bool {
		samples := scrape()
		others := len(samples)/2 - len(truth) // the running hour, the one before it, and the earliest
		return others >= 0 && others <= 3 && !slices.ContainsFunc(truth, func(m telegraf.Metric) bool {
			labels := fmt.Sprintf(`hour=%q,source="wv0001.wolkvox.com"`, m.Tags()["hour"])
			return samples["calls "+labels] != fmt.Sprint(m.Fields()["calls"]) || samples["minutes "+labels] != fmt.Sprint(m.Fields()["minutes"])
		})
	})
	// Hours that are not read again any more expire.
	tg.await("all but the hours of the lookback to expire", func() bool { return len(scrape()) <= 2*4 })
	require.NotEmpty(t, scrape())
	tg.requireNoComplaints("interval is shorter", "longer than expected")
}

// TestRelay: two Telegrafs, each with an operation, write through a third one, which is stopped on the way, as InfluxDB is.
func TestRelay(t *testing.T) {
	t.Parallel()
	w, start, db := startWolkvox(t, near, far), time.Now(), startInfluxDB(t)
	truth := slices.Concat(w.monthOf(t, near, "", start), w.monthOf(t, far, "far", start))
	const token = "invented-relay-token"
	listen := freeAddress(t)
	relay := newRecipe(t, "relay.conf", "", "INFLUX_URL="+db.url(), "RELAY_LISTEN="+listen, "RELAY_TOKEN="+token)
	relay.start()
	relay.awaitLog("Started HTTP listener service on")
	var edges []*agent
	for _, table := range []string{
		w.table(near, `backfill = "744h"`, often),
		w.table(far, `backfill = "744h"`, often, `operation = "far"`),
	} {
		edge := newRecipe(t, "influxdb_v2.conf", remembering+table, "INFLUX2_URL=http://"+listen, "INFLUX_TOKEN="+token)
		edge.start()
		edges = append(edges, edge)
	}
	relay.await("some hours", func() bool { return db.count(time.Unix(0, 0), time.Now()) > 0 })
	db.stop()
	relay.stop()
	for _, edge := range edges {
		edge.awaitLog(pastRead)
	}
	relay.start()
	db.start()
	db.awaitMonth(relay, truth)

	// What comes later holds: figures that have grown are not overwritten by those before.
	for _, edge := range edges {
		edge.stop()
	}
	relay.stop()
	for _, m := range db.metrics(start.Add(-3*time.Hour), start) {
		o := near
		if m.HasTag("operation") {
			o = far
		}
		require.GreaterOrEqual(t, m.Fields()["calls"], w.At(o.Token, m.Time(), start).Calls, m.Time())
	}
	wrong := newRecipe(t, "influxdb_v2.conf", remembering+w.table(near, `empty_hours = "zero"`), "INFLUX2_URL=http://"+listen, "INFLUX_TOKEN=wrong")
	relay.start()
	wrong.start()
	wrong.awaitLog("401 Unauthorized")
}
