//go:build integration

package telegraf

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/metric"
	"github.com/influxdata/telegraf/testutil"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
)

// TestHostRunsAnyInput runs the program from the host's guide with its own input, an input that needs a parser, and one
// with startup_error_behavior.
//
//promise:shim
func TestHostRunsAnyInput(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile(testbed.Root + "/plugins/common/host/README.md")
	require.NoError(t, err)
	program := regexp.MustCompile("(?s)```go\n(.*?)```").FindSubmatch(guide)
	require.NotNil(t, program)
	const mem = "\t_ \"github.com/influxdata/telegraf/plugins/inputs/mem\"\n"
	require.Contains(t, string(program[1]), mem)
	more := strings.Replace(mem, "mem", "http", 1) + strings.Replace(mem, "mem", "nvidia_smi", 1) +
		strings.Replace(mem, "inputs/mem", "parsers/influx", 1)
	source := strings.Replace(string(program[1]), mem, mem+more, 1)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600))
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "telegraf-any"), filepath.Join(dir, "main.go"))
	output, err := build.CombinedOutput()
	require.NoError(t, err, string(output))

	fails, err := exec.LookPath("false")
	require.NoError(t, err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "weather,city=Bogota celsius=14.5\n") //nolint:errcheck // a failed write fails the test
	}))
	defer server.Close()
	tg := testbed.NewTelegraf(t, testbed.Setup{Tables: "[[inputs.execd]]\ncommand = [\"" + dir + "/telegraf-any\", \"--config\", \"any.conf\"]\n"})
	tg.Write("any.conf", `
[[inputs.mem]]
  interval = "1s"
  fieldinclude = ["total"]
[[inputs.http]]
  urls = ["`+server.URL+`"]
  data_format = "influx"
  name_suffix = "_now"
  tags = {site = "north"}
[[inputs.nvidia_smi]]
  alias = "absent"
  bin_path = "/missing"
  startup_error_behavior = "ignore"
[[inputs.nvidia_smi]]
  alias = "failing"
  bin_path = "`+fails+`"
  startup_error_behavior = "probe"
`)
	tg.Start()
	count := map[string]int{}
	for _, m := range tg.AwaitMetrics("both inputs, and one again", func(metrics []telegraf.Metric) bool {
		clear(count)
		for _, m := range metrics {
			count[m.Name()]++
		}
		return count["mem"] > 1 && count["weather_now"] > 0
	}) {
		if m.Name() == "mem" {
			require.Len(t, m.FieldList(), 1)
			require.Empty(t, m.Tags())
			continue
		}
		testutil.RequireMetricEqual(t, metric.New("weather_now", map[string]string{"city": "Bogota", "site": "north", "url": server.URL},
			map[string]any{"celsius": 14.5}, m.Time()), m)
	}
	require.Contains(t, tg.Log(), "I! [inputs.execd] [agent] Failed to start inputs.nvidia_smi::absent, shutting down plugin: ")
	require.Contains(t, tg.Log(), "I! [inputs.execd] [agent] Failed to probe inputs.nvidia_smi::failing, shutting down plugin: ")
	require.Empty(t, tg.Problems())
	tg.Stop()

	tg.Write("any.conf", "[[inputs.mem]]\n\n[[inputs.http]]\nurl = \"x\"\ndata_format = \"influx\"\n")
	tg.Start()
	tg.AwaitLog("E! [inputs.execd] any.conf: plugin inputs.http: line 1: configuration specified the fields [\"url\"], but they were not used")
	tg.Stop()
}
