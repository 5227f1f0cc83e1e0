package wolkvox_ivr

import (
	"bufio"
	"bytes"
	"flag"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/config"
	"github.com/influxdata/telegraf/plugins/inputs"
	"github.com/influxdata/telegraf/plugins/parsers/influx"
	influxserializer "github.com/influxdata/telegraf/plugins/serializers/influx"
	"github.com/influxdata/telegraf/testutil"
)

const (
	testToken = "invented-token-1"

	// testNow is the default time of test cases.
	testNow = "2026-01-18T19:34:31-05:00"

	// testReport is a response with the four hours that a plugin with default options sends at testNow.
	testReport = `{"code": "200", "error": null, "msg": "4 records were found", "data": [
		{"date": "2026-01-18-16", "calls": "141", "ivr_minutes": "305.117"},
		{"date": "2026-01-18-17", "calls": "98", "ivr_minutes": "201.5"},
		{"date": "2026-01-18-18", "calls": "57", "ivr_minutes": "120.25"},
		{"date": "2026-01-18-19", "calls": "21", "ivr_minutes": "40.75"}]}`
)

// manualClock shows the time it was set to. Waits end at once and are recorded.
type manualClock struct {
	mu    sync.Mutex
	now   time.Time
	waits []time.Duration
}

func newClock(t testing.TB, now string) *manualClock {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339, now)
	require.NoError(t, err)
	return &manualClock{now: parsed}
}

func (c *manualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *manualClock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waits = append(c.waits, d)
	elapsed := make(chan time.Time, 1)
	elapsed <- c.now.Add(d)
	return elapsed
}

func (c *manualClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// newPlugin returns a plugin with the real defaults for the server at url, with a clock at testNow.
func newPlugin(t testing.TB, url string) (*WolkvoxIVR, *manualClock, *testutil.CaptureLogger) {
	t.Helper()
	clock := newClock(t, testNow)
	logger := &testutil.CaptureLogger{Name: "wolkvox_ivr"}
	plugin, ok := inputs.Inputs["wolkvox_ivr"]().(*WolkvoxIVR)
	require.True(t, ok)
	plugin.Server = "0001"
	plugin.Token = config.NewSecret([]byte(testToken))
	plugin.Interval = config.Duration(5 * time.Minute)
	plugin.URL = url
	plugin.Log = logger
	plugin.Clock = clock
	return plugin, clock, logger
}

// start initialises and starts a plugin, and stops it at the end of the test.
func start(t testing.TB, plugin *WolkvoxIVR) {
	t.Helper()
	require.NoError(t, plugin.Init())
	t.Cleanup(plugin.Stop)
	require.NoError(t, plugin.Start(nil))
}

// serve returns the URL of a server that runs until the end of the test. Its responses have no Date header, because it would have the real time.
func serve(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Date"] = nil
		handler(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// respondWith returns a handler that always responds with the same body.
func respondWith(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if _, err := io.WriteString(w, body); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

var update = flag.Bool("update", false, "rewrite the expected results of test cases")

// expect compares a result of a test case with its file, which must not exist if nothing is expected.
func expect(t *testing.T, path, name, actual string) {
	t.Helper()
	if *update {
		file := filepath.Join(path, name)
		if actual == "" {
			require.NoError(t, os.RemoveAll(file))
			return
		}
		require.NoError(t, os.WriteFile(file, []byte(actual), 0o600))
	}
	require.Equal(t, readFile(t, path, name), actual)
}

// TestCases runs each folder in testcases. All files are optional: the default for telegraf.conf is a minimal configuration, and other
// missing files mean that no such result is expected.
//
//promise:silence
//promise:modes
//promise:metric
//promise:dst
//promise:forms
//promise:unreadable
//promise:failures
func TestCases(t *testing.T) {
	folders, err := os.ReadDir(filepath.Join("testdata", "testcases"))
	require.NoError(t, err)
	require.NotEmpty(t, folders)

	for _, folder := range folders {
		path := filepath.Join("testdata", "testcases", folder.Name())
		t.Run(folder.Name(), func(t *testing.T) {
			respond := readResponse(t, path)
			request := make(chan string, 1)
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				request <- r.URL.Query().Get("date_ini") + "\n" + r.URL.Query().Get("date_end") + "\n"
				respond(w, r)
			})

			cfg := config.NewConfig()
			table := readFile(t, path, "telegraf.conf")
			if table == "" {
				table = "[[inputs.wolkvox_ivr]]\n  server = \"0001\"\n  token = \"invented-token-1\"\n"
			}
			require.NoError(t, cfg.LoadConfigData([]byte(table), config.EmptySourcePath))
			require.Len(t, cfg.Inputs, 1)
			plugin, ok := cfg.Inputs[0].Input.(*WolkvoxIVR)
			require.True(t, ok)
			now := testNow
			if content := readFile(t, path, "now"); content != "" {
				now = strings.TrimSpace(content)
			}
			logger := &testutil.CaptureLogger{Name: "wolkvox_ivr"}
			plugin.Interval = config.Duration(5 * time.Minute)
			plugin.URL = url + "/wv{server}"
			plugin.Clock = newClock(t, now)
			plugin.Log = logger
			start(t, plugin)

			var acc testutil.Accumulator
			failure := plugin.Gather(&acc)

			if *update {
				serializer := &influxserializer.Serializer{SortFields: true}
				require.NoError(t, serializer.Init())
				lines, err := serializer.SerializeBatch(acc.GetTelegrafMetrics())
				require.NoError(t, err)
				expect(t, path, "expected.out", string(lines))
			}
			parser := &influx.Parser{}
			require.NoError(t, parser.Init())
			expected, err := parser.Parse([]byte(readFile(t, path, "expected.out")))
			require.NoError(t, err)
			testutil.RequireMetricsEqual(t, expected, acc.GetTelegrafMetrics(), testutil.SortMetrics())

			var problems strings.Builder
			for _, err := range acc.Errors {
				problems.WriteString(err.Error() + "\n")
			}
			if failure != nil {
				problems.WriteString(failure.Error() + "\n")
			}
			expect(t, path, "expected.err", problems.String())

			var logged strings.Builder
			for _, entry := range logger.Messages() {
				if entry.Level != testutil.LevelDebug && !strings.Contains(entry.Text, ": connected, ") {
					logged.WriteString(string(entry.Level) + "! " + entry.Text + "\n")
				}
			}
			expect(t, path, "expected.log", logged.String())

			if readFile(t, path, "expected.request") != "" {
				expect(t, path, "expected.request", <-request)
			}
		})
	}
}

// readResponse returns a handler that sends the test case's response.json, or its response.http with status and headers.
func readResponse(t *testing.T, path string) http.HandlerFunc {
	t.Helper()
	raw := readFile(t, path, "response.http")
	if raw == "" {
		return respondWith(readFile(t, path, "response.json"))
	}
	response, err := http.ReadResponse(bufio.NewReader(strings.NewReader(raw)), nil)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return func(w http.ResponseWriter, _ *http.Request) {
		maps.Copy(w.Header(), response.Header)
		if len(response.Header["Content-Type"]) == 0 {
			w.Header()["Content-Type"] = nil // otherwise the server guesses one
		}
		w.WriteHeader(response.StatusCode)
		_, err := io.Copy(w, bytes.NewReader(body))
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// readFile returns the content of a test case's file, or "" if it doesn't exist.
func readFile(t *testing.T, path, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(path, name))
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	return string(content)
}

func TestRegistered(t *testing.T) {
	t.Parallel()
	require.Contains(t, inputs.Inputs, "wolkvox_ivr")
	var _ telegraf.ServiceInput = &WolkvoxIVR{}
	var _ telegraf.StatefulPlugin = &WolkvoxIVR{}
	var _ telegraf.PluginWithID = &WolkvoxIVR{}
}
