package testbed

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/metric"
	"github.com/stretchr/testify/require"
)

// VictoriaMetrics is a real VictoriaMetrics in its own folder.
type VictoriaMetrics struct {
	t      *testing.T
	dir    string
	addr   string
	server *Server
}

// StartVictoriaMetrics starts a VictoriaMetrics.
func StartVictoriaMetrics(t *testing.T) *VictoriaMetrics {
	t.Helper()
	db := &VictoriaMetrics{t: t, dir: t.TempDir(), addr: "127.0.0.1:0"}
	db.Start()
	return db
}

var victoriaMetricsStarted = regexp.MustCompile(`started server at http://(\S+?)/`)

// Start starts the database with the flags from the recipe, on a free port and, when called again, on the same port.
func (db *VictoriaMetrics) Start() {
	db.t.Helper()
	flags := []string{"-storageDataPath", db.dir, "-httpListenAddr", db.addr}
	required := regexp.MustCompile(`(?m)^##   (-.*)$`).FindStringSubmatch(ReadRecipe(db.t, "victoriametrics.conf"))
	require.NotNil(db.t, required)
	db.server = StartServer(db.t, nil, "victoria-metrics", append(flags, strings.Fields(required[1])...)...)
	db.addr = db.server.AwaitLog(victoriaMetricsStarted)
}

// URL returns the URL of the database.
func (db *VictoriaMetrics) URL() string { return "http://" + db.addr }

// Stop stops the database.
func (db *VictoriaMetrics) Stop() { db.server.Stop() }

// Flush makes the latest rows visible to queries.
func (db *VictoriaMetrics) Flush() {
	db.t.Helper()
	response, err := http.Get(db.URL() + "/internal/force_flush")
	require.NoError(db.t, err)
	require.NoError(db.t, response.Body.Close())
	require.Equal(db.t, http.StatusOK, response.StatusCode)
}

// QueryRange returns the values of an expression for a single series, at from and at each step before to, by Unix time.
func (db *VictoriaMetrics) QueryRange(expression string, from, to time.Time, step time.Duration) map[int64]float64 {
	db.t.Helper()
	response, err := http.PostForm(db.URL()+"/api/v1/query_range", url.Values{
		"query": {expression},
		"start": {strconv.FormatInt(from.Unix(), 10)},
		"end":   {strconv.FormatInt(to.Unix()-1, 10)},
		"step":  {strconv.Itoa(int(step.Seconds()))},
		// VictoriaMetrics aligns times to multiples of the step if it may cache the result.
		"nocache": {"1"},
	})
	require.NoError(db.t, err)
	defer response.Body.Close()
	var result struct {
		Error string
		Data  struct {
			Result []struct{ Values [][2]any }
		}
	}
	require.NoError(db.t, json.NewDecoder(response.Body).Decode(&result))
	require.Empty(db.t, result.Error, expression)
	values := make(map[int64]float64)
	require.LessOrEqual(db.t, len(result.Data.Result), 1, expression)
	for _, series := range result.Data.Result {
		for _, value := range series.Values {
			number, err := strconv.ParseFloat(value[1].(string), 64)
			require.NoError(db.t, err)
			values[int64(value[0].(float64))] = number
		}
	}
	return values
}

// Sum returns the number of calls in the hours in [from, to).
func (db *VictoriaMetrics) Sum(from, to time.Time) (calls int64) {
	db.t.Helper()
	db.Flush()
	for _, value := range db.QueryRange(`sum(sum_over_time(wolkvox_ivr_calls[1h]))`, from, to, time.Hour) {
		calls += int64(value)
	}
	return calls
}

// Execute runs a command line from a guide.
func (db *VictoriaMetrics) Execute(command string, _ []string) {
	db.t.Helper()
	Shell(db.t, strings.Replace(command, "127.0.0.1:8428", db.addr, 1))
}

// Write writes line protocol.
func (db *VictoriaMetrics) Write(lines string) {
	db.t.Helper()
	response, err := http.Post(db.URL()+"/write", "text/plain", strings.NewReader(lines))
	require.NoError(db.t, err)
	defer response.Body.Close()
	require.Equal(db.t, http.StatusNoContent, response.StatusCode)
	db.Flush()
}

// Metrics returns all rows.
func (db *VictoriaMetrics) Metrics() (metrics []telegraf.Metric) {
	db.t.Helper()
	response, err := http.PostForm(db.URL()+"/api/v1/export", url.Values{"match[]": {"{__name__=~\"wolkvox_ivr_.*\"}"}})
	require.NoError(db.t, err)
	defer response.Body.Close()
	rows := make(map[string]telegraf.Metric)
	for decoder := json.NewDecoder(response.Body); decoder.More(); {
		var series struct {
			Metric     map[string]string
			Values     []float64
			Timestamps []int64 // milliseconds
		}
		require.NoError(db.t, decoder.Decode(&series))
		field := strings.TrimPrefix(series.Metric["__name__"], "wolkvox_ivr_")
		delete(series.Metric, "__name__")
		delete(series.Metric, "db")
		for i, at := range series.Timestamps {
			key := fmt.Sprint(series.Metric, at)
			if rows[key] == nil {
				rows[key] = metric.New("wolkvox_ivr", series.Metric, nil, time.UnixMilli(at))
				metrics = append(metrics, rows[key])
			}
			if rows[key].AddField(field, series.Values[i]); field == "calls" {
				rows[key].AddField(field, int64(series.Values[i]))
			}
		}
	}
	return metrics
}
