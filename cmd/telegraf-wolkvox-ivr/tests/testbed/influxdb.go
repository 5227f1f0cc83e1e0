package testbed

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/metric"
	"github.com/influxdata/telegraf/testutil"
	"github.com/stretchr/testify/require"
)

// InfluxDB is a real InfluxDB 1.8 or 2.7 in its own folder.
type InfluxDB struct {
	t      *testing.T
	dir    string
	addr   string
	Token  string // of InfluxDB 2.7
	server *Server
}

// StartInfluxDB starts an InfluxDB 1.8.
func StartInfluxDB(t *testing.T) *InfluxDB {
	t.Helper()
	db := &InfluxDB{t: t, dir: t.TempDir(), addr: "127.0.0.1:0"}
	db.Start()
	return db
}

var listening2 = regexp.MustCompile(`msg=Listening .* port=(\d+)`)

// StartInfluxDB2 starts an InfluxDB 2.7 with the bucket telegraf.
func StartInfluxDB2(t *testing.T) *InfluxDB {
	t.Helper()
	if _, err := os.Stat(Root + "/bin/influxd2"); err != nil {
		t.Skip("left out: there is no InfluxDB 2; make influxd2 builds it with Rust")
	}
	db := &InfluxDB{t: t, dir: t.TempDir(), Token: "invented-influxdb-token"}
	db.server = StartServer(t, nil, "influxd2", "--bolt-path", filepath.Join(db.dir, "bolt"), "--engine-path", filepath.Join(db.dir, "engine"),
		"--http-bind-address", "127.0.0.1:0", "--reporting-disabled")
	db.addr = "127.0.0.1:" + db.server.AwaitLog(listening2)
	setup := fmt.Sprintf(`{"username":"admin","password":"invented-password","org":"ivr","bucket":"telegraf","token":%q}`, db.Token)
	response, err := http.Post(db.URL()+"/api/v2/setup", "application/json", strings.NewReader(setup))
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusCreated, response.StatusCode)
	return db
}

// URL returns the URL of the database.
func (db *InfluxDB) URL() string { return "http://" + db.addr }

var listening = regexp.MustCompile(`msg="Listening on HTTP" .* addr=(\S+)`)

// Start starts the database on a free port and, when called again, on the same port.
func (db *InfluxDB) Start() {
	db.t.Helper()
	db.server = StartServer(db.t, []string{
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
	db.addr = db.server.AwaitLog(listening)
}

func (db *InfluxDB) Stop() { db.server.Stop() }

// Series is one group of rows in a result.
type Series struct {
	Name    string
	Tags    map[string]string
	Columns []string
	Values  [][]any // numbers as json.Number
}

// Query returns the results of a statement on the database telegraf, with times in nanoseconds.
func (db *InfluxDB) Query(statement string) []Series {
	db.t.Helper()
	form := url.Values{"db": {"telegraf"}, "epoch": {"ns"}, "q": {statement}}
	request, err := http.NewRequest(http.MethodPost, db.URL()+"/query?"+form.Encode(), nil)
	require.NoError(db.t, err)
	request.Header.Set("Authorization", "Token "+db.Token)
	response, err := http.DefaultClient.Do(request)
	require.NoError(db.t, err)
	defer response.Body.Close()
	var result struct {
		Error   string
		Results []struct {
			Error  string
			Series []Series
		}
	}
	decoder := json.NewDecoder(response.Body)
	decoder.UseNumber()
	require.NoError(db.t, decoder.Decode(&result), statement)
	require.Empty(db.t, result.Error, statement)
	require.Len(db.t, result.Results, 1, "one statement at a time: %s", statement)
	if strings.HasPrefix(result.Results[0].Error, "database not found") {
		return nil // Telegraf has yet to create it
	}
	require.Empty(db.t, result.Results[0].Error, statement)
	return result.Results[0].Series
}

// Write writes line protocol to the database telegraf.
func (db *InfluxDB) Write(lines string) {
	db.t.Helper()
	request, err := http.NewRequest(http.MethodPost, db.URL()+"/write?db=telegraf", strings.NewReader(lines))
	require.NoError(db.t, err)
	request.Header.Set("Authorization", "Token "+db.Token)
	response, err := http.DefaultClient.Do(request)
	require.NoError(db.t, err)
	defer response.Body.Close()
	require.Equal(db.t, http.StatusNoContent, response.StatusCode)
}

// Metrics returns all points of the measurement with timestamps in [from, to), with the types of the database.
func (db *InfluxDB) Metrics(from, to time.Time) []telegraf.Metric {
	db.t.Helper()
	var metrics []telegraf.Metric
	for _, s := range db.Query(fmt.Sprintf(`SELECT * FROM "wolkvox_ivr" WHERE time >= %d AND time < %d GROUP BY *`, from.UnixNano(), to.UnixNano())) {
		for tag, value := range s.Tags {
			if value == "" { // a tag that only other series have
				delete(s.Tags, tag)
			}
		}
		for _, row := range s.Values {
			fields := make(map[string]any)
			for i, column := range s.Columns[1:] {
				if value, ok := row[1+i].(json.Number); ok {
					fields[column] = Number(db.t, value, column == "calls")
				}
			}
			metrics = append(metrics, metric.New(s.Name, s.Tags, fields, time.Unix(0, Number(db.t, row[0], true).(int64))))
		}
	}
	return metrics
}

// Count returns how many points the measurement has with timestamps in [from, to).
func (db *InfluxDB) Count(from, to time.Time) int {
	db.t.Helper()
	statement := fmt.Sprintf(`SELECT count("calls") FROM "wolkvox_ivr" WHERE time >= %d AND time < %d`, from.UnixNano(), to.UnixNano())
	for _, s := range db.Query(statement) {
		return int(Number(db.t, s.Values[0][1], true).(int64))
	}
	return 0
}

// Sum returns the number of calls in the hours in [from, to).
func (db *InfluxDB) Sum(from, to time.Time) int64 {
	db.t.Helper()
	statement := fmt.Sprintf(`SELECT sum("calls") FROM "wolkvox_ivr" WHERE time >= %d AND time < %d`, from.UnixNano(), to.UnixNano())
	for _, s := range db.Query(statement) {
		return Number(db.t, s.Values[0][1], true).(int64)
	}
	return 0
}

// Execute runs a command line from a guide.
func (db *InfluxDB) Execute(command string, env []string) {
	db.t.Helper()
	ProgramPath(db.t, "influx")
	Shell(db.t, strings.Replace(command, "influx ", "influx -port "+db.URL()[strings.LastIndex(db.URL(), ":")+1:]+" ", 1), env...)
}

// Number returns a number of a result, as an integer or as a float.
func Number(t *testing.T, value any, integer bool) any {
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

// AwaitMonth waits until the database has as many final hours as the truth, and requires them to be equal to it.
func (db *InfluxDB) AwaitMonth(a *Telegraf, truth []telegraf.Metric) {
	db.t.Helper()
	from, to := Span(truth)
	var metrics []telegraf.Metric
	db.t.Cleanup(func() {
		if db.t.Failed() {
			db.t.Logf("There were %d of %d hours in the database.", len(metrics), len(truth))
		}
	})
	a.Await("the month to be in the database", func() bool {
		if db.Count(from, to) < len(truth) {
			return false
		}
		metrics = db.Metrics(from, to)
		return true
	})
	testutil.RequireMetricsEqual(db.t, truth, metrics, testutil.SortMetrics())
}
