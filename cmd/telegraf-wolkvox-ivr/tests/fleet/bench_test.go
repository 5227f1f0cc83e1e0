//go:build integration && bench && linux

package fleet

import (
	"bytes"
	"cmp"
	"encoding/pem"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/config"
	_ "github.com/influxdata/telegraf/plugins/inputs/exec"
	_ "github.com/influxdata/telegraf/plugins/inputs/http"
	_ "github.com/influxdata/telegraf/plugins/parsers/influx"
	_ "github.com/influxdata/telegraf/plugins/parsers/json_v2"
	"github.com/influxdata/telegraf/testutil"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
	"telegraf-wolkvox-ivr/plugins/common/simulator"
	"telegraf-wolkvox-ivr/plugins/inputs/wolkvox_ivr"
)

const (
	benchRounds   = 5
	benchGathers  = 20 // per round
	benchInterval = 250 * time.Millisecond

	// hourLayout is the layout of hours in the simulator's responses, and in the API's parameters before minutes and
	// seconds.
	hourLayout = "2006010215"
)

// measuredWolkvox is a simulated wolkvox behind TLS, as the real one is, that counts the bytes it sends. Every request
// has its own connection, as have requests that are 5 minutes apart.
type measuredWolkvox struct {
	*testbed.Wolkvox
	ca   string // file with the server's certificate
	sent atomic.Int64
}

func startMeasuredWolkvox(t *testing.T, o simulator.Operation) *measuredWolkvox {
	t.Helper()
	s, err := simulator.New(simulator.Options{Operations: []simulator.Operation{o}})
	require.NoError(t, err)
	w := &measuredWolkvox{ca: filepath.Join(t.TempDir(), "ca.pem")}
	server := httptest.NewUnstartedServer(s)
	server.Listener = &countingListener{server.Listener, &w.sent}
	server.Config.SetKeepAlivesEnabled(false)
	server.StartTLS()
	t.Cleanup(server.Close)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	require.NoError(t, os.WriteFile(w.ca, certificate, 0o600))
	w.Wolkvox = &testbed.Wolkvox{Simulator: s, URL: server.URL + "/wv{server}"}
	return w
}

// countingListener counts all bytes written to its connections.
type countingListener struct {
	net.Listener
	written *atomic.Int64
}

func (l *countingListener) Accept() (net.Conn, error) {
	connection, err := l.Listener.Accept()
	return &countingConn{connection, l.written}, err
}

type countingConn struct {
	net.Conn
	written *atomic.Int64
}

func (c *countingConn) Write(content []byte) (int, error) {
	n, err := c.Conn.Write(content)
	c.written.Add(int64(n))
	return n, err
}

// approach is a way to get the report into Telegraf.
type approach struct {
	name  string
	setup func(w *measuredWolkvox, now time.Time) testbed.Setup
	table func(w *measuredWolkvox, now time.Time) string // the gathering input, for the simulated day; nil if it is the same as another approach's
}

const benchSource = "wv0001.wolkvox.com"

var benchOperation = simulator.Operation{Server: "0001", Token: "invented-token-1", PeakCalls: 20_000, Licences: 1_000_000}

func pluginTable(w *measuredWolkvox, _ time.Time) string {
	return w.Table(benchOperation, fmt.Sprintf("interval = %q\ntls_ca = %q", benchInterval, w.ca))
}

func execTable(lookback int) func(*measuredWolkvox, time.Time) string {
	return func(w *measuredWolkvox, _ time.Time) string {
		script := testbed.Root + "/testdata/bench/wolkvox.sh"
		return fmt.Sprintf(`
[[inputs.exec]]
  interval = %q
  commands = [%q]
  environment = ["WOLKVOX_URL=%s", "WOLKVOX_SOURCE=%s", "WOLKVOX_TOKEN=%s", "WOLKVOX_CA=%s", "LOOKBACK=%d"]
  timeout = "60s"
  data_format = "influx"
`, benchInterval, script, strings.ReplaceAll(w.URL, "{server}", benchOperation.Server), benchSource, benchOperation.Token, w.ca, lookback)
	}
}

// httpTable always requests the window of the start, because inputs.http can't change its URL.
func httpTable(window func(now time.Time) (from, last time.Time)) func(*measuredWolkvox, time.Time) string {
	return func(w *measuredWolkvox, now time.Time) string {
		from, last := window(now)
		return fmt.Sprintf(`
[[inputs.http]]
  interval = %q
  urls = ["%s/api/v2/reports_manager.php?api=diagram_1_2&date_ini=%s0000&date_end=%s5959"]
  headers = {"wolkvox-token" = %q}
  tls_ca = %q
  timeout = "60s"
  tagexclude = ["url"]
  data_format = "json_v2"
  [inputs.http.tags]
    source = %q
  [[inputs.http.json_v2]]
    measurement_name = "wolkvox_ivr"
    [[inputs.http.json_v2.object]]
      path = "data"
      timestamp_key = "date"
      timestamp_format = %q
      timestamp_timezone = "America/Bogota"
      [inputs.http.json_v2.object.renames]
        ivr_minutes = "minutes"
      [inputs.http.json_v2.object.fields]
        calls = "int"
        ivr_minutes = "float"
`, benchInterval, strings.ReplaceAll(w.URL, "{server}", benchOperation.Server), from.Format(hourLayout), last.Format(hourLayout),
			benchOperation.Token, w.ca, benchSource, hourLayout)
	}
}

// today returns today's window, which the plugin requests first.
func today(now time.Time) (from, last time.Time) {
	year, month, day := now.Date()
	from = time.Date(year, month, day, 0, 0, 0, 0, now.Location())
	return from, from.Add(23 * time.Hour)
}

// monthFrom returns the longest window that the API allows, starting today.
func monthFrom(now time.Time) (from, last time.Time) {
	from, _ = today(now)
	return from, from.AddDate(0, 0, 31).Add(-time.Hour)
}

// monthAround returns the longest window that the API allows, with today in the middle.
func monthAround(now time.Time) (from, last time.Time) { return monthFrom(now.AddDate(0, 0, -15)) }

func inTelegraf(table func(*measuredWolkvox, time.Time) string) func(*measuredWolkvox, time.Time) testbed.Setup {
	return func(w *measuredWolkvox, now time.Time) testbed.Setup { return testbed.Setup{Tables: table(w, now)} }
}

// approaches returns the approaches to compare. The others are compared with the first one.
func approaches() []approach {
	return []approach{
		{name: "plugin under execd", table: pluginTable, setup: func(w *measuredWolkvox, now time.Time) testbed.Setup {
			return testbed.Setup{Plugin: pluginTable(w, now)}
		}},
		{name: "plugin compiled in", setup: func(w *measuredWolkvox, now time.Time) testbed.Setup {
			return testbed.Setup{Plugin: pluginTable(w, now), Native: true}
		}},
		{name: "inputs.http, the same day", setup: inTelegraf(httpTable(today)), table: httpTable(today)},
		{name: "inputs.http, 31 days", setup: inTelegraf(httpTable(monthAround)), table: httpTable(monthFrom)},
		{name: "inputs.exec, 4 hours", setup: inTelegraf(execTable(3)), table: execTable(3)},
		{name: "inputs.exec, the current hour", table: execTable(0)},
	}
}

func needScriptTools(t *testing.T) bool {
	t.Helper()
	for _, tool := range []string{"curl", "jq"} {
		if _, err := exec.LookPath(tool); err != nil {
			fmt.Printf("No %s: inputs.exec with a script of curl and jq is left out.\n", tool)
			return false
		}
	}
	return true
}

// cost is the cost of one gather.
type cost struct {
	cpu      time.Duration
	bytes    int64
	resident int
}

// TestBenchGather compares the cost of one gather, measured on whole processes.
func TestBenchGather(t *testing.T) {
	compared := slices.DeleteFunc(approaches(), func(a approach) bool { return a.setup == nil })
	if !needScriptTools(t) {
		compared = slices.DeleteFunc(compared, func(a approach) bool { return strings.HasPrefix(a.name, "inputs.exec") })
	}
	costs := make([][]cost, len(compared))
	for range benchRounds { // alternating, so that other load on the machine affects all alike
		for i, a := range compared {
			t.Run(a.name, func(t *testing.T) { costs[i] = append(costs[i], a.measure(t)) })
		}
	}
	require.False(t, t.Failed())

	table := newTable("a gather", "CPU", "× execd", "bytes received", "resident memory")
	for i, a := range compared {
		table.row(a.name,
			fmt.Sprintf("%.1f ms", float64(median(costs[i], func(c cost) time.Duration { return c.cpu }).Microseconds())/1000),
			fmt.Sprintf("%.1f", ratioOf(costs[i], costs[0])),
			strconv.FormatInt(median(costs[i], func(c cost) int64 { return c.bytes }), 10),
			fmt.Sprintf("%d MiB", median(costs[i], func(c cost) int { return c.resident })/mebibyte))
	}
	table.print()
}

// ratioOf returns the median of the rounds' ratios.
func ratioOf(a, b []cost) float64 {
	var ratios []float64
	for i := range a {
		ratios = append(ratios, float64(a[i].cpu)/float64(b[i].cpu))
	}
	return median(ratios, func(r float64) float64 { return r })
}

func (a *approach) measure(t *testing.T) cost {
	w := startMeasuredWolkvox(t, benchOperation)
	s := a.setup(w, testbed.HourOf(t, benchOperation, time.Now()))
	tg := testbed.StartTelegraf(t, s)
	tg.AwaitMetrics("the first metrics", func(metrics []telegraf.Metric) bool { return len(metrics) > 0 })
	pid := tg.Cmd.Process.Pid
	// settle waits until no gather is running.
	settle := func() (time.Duration, int, int64) {
		n := len(served(w.Wolkvox))
		tg.Await("a response", func() bool { return len(served(w.Wolkvox)) > n })
		tg.Await("the rest of the gather", func() bool { return s.Plugin != "" || len(testbed.ChildrenOf(t, pid)) == 0 })
		return cpuOfTree(t, pid), len(served(w.Wolkvox)), w.sent.Load()
	}

	cpu, requests, sent := settle()
	var resident []int
	tg.Await("gathers", func() bool {
		resident = append(resident, residentOfTree(t, pid))
		time.Sleep(50 * time.Millisecond)
		return len(served(w.Wolkvox)) >= requests+benchGathers
	})
	cpuAfter, requestsAfter, sentAfter := settle()
	gathers := requestsAfter - requests // one request per gather, see TestBenchDay
	require.NotRegexp(t, `(?m)^\S+ E! `, tg.Log())
	return cost{
		cpu:      (cpuAfter - cpu) / time.Duration(gathers),
		bytes:    (sentAfter - sent) / int64(gathers),
		resident: median(resident, func(n int) int { return n }),
	}
}

// cpuOfTree returns the CPU time of a process and all processes that it has started, including those that have ended.
func cpuOfTree(t *testing.T, pid int) time.Duration {
	t.Helper()
	// The clock of a process, as found by clock_getcpuclockid(3), is exact. For child processes that have ended there
	// is only a sum in hundredths of a second.
	var own syscall.Timespec
	//nolint:gosec // G103: the standard library has no other way
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(^pid<<3|2), uintptr(unsafe.Pointer(&own)), 0)
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errno != 0 || err != nil {
		return 0 // has ended since
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+2:]))
	total := time.Duration(own.Nano())
	for _, ended := range fields[13:15] { // cutime and cstime
		ticks, err := strconv.Atoi(ended)
		require.NoError(t, err)
		total += time.Duration(ticks) * 10 * time.Millisecond
	}
	for _, child := range testbed.ChildrenOf(t, pid) {
		total += cpuOfTree(t, child)
	}
	return total
}

// residentOfTree returns the resident memory of a process and its running child processes, in bytes.
func residentOfTree(t *testing.T, pid int) int {
	t.Helper()
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0 // has ended since
	}
	pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
	require.NoError(t, err)
	total := pages * os.Getpagesize()
	for _, child := range testbed.ChildrenOf(t, pid) {
		total += residentOfTree(t, child)
	}
	return total
}

// TestBenchDay gathers every 5 minutes of a simulated day with each approach, through an outage of the API, and for
// another hour, after which every hour of the day is final. Each approach is the real plugin of Telegraf with the
// configuration of TestBenchGather, without the agent's ticker. wolkvox_ivr gets the simulated time from its Clock, the
// script from NOW, and inputs.http needs none.
func TestBenchDay(t *testing.T) {
	outages := []time.Duration{time.Hour, 8 * time.Hour}
	table := newTable("a day's gathers", "requests", "bytes received", "right hours after an outage of 1 h", "of 8 h")
	withScript := needScriptTools(t)
	for _, a := range approaches() {
		isScript := strings.HasPrefix(a.name, "inputs.exec")
		if a.table == nil || isScript && !withScript {
			continue
		}
		cells := []string{strings.TrimSuffix(a.name, " under execd")}
		for _, outage := range outages {
			d := a.day(t, outage)
			if len(cells) == 1 {
				cells = append(cells, strconv.Itoa(d.requests), strconv.FormatInt(d.bytes, 10))
			}
			cells = append(cells, fmt.Sprintf("%d of 24", d.right))
			if a.name == approaches()[0].name {
				require.Equal(t, 24, d.right)
			}
		}
		table.row(cells...)
	}
	table.print()
}

type day struct {
	requests, right int
	bytes           int64
}

func (a *approach) day(t *testing.T, outage time.Duration) day {
	t.Helper()
	w := startMeasuredWolkvox(t, benchOperation)
	zone, err := time.LoadLocation("America/Bogota")
	require.NoError(t, err)
	start := time.Date(2026, 3, 4, 0, 0, 0, 0, zone)
	clock := testbed.NewClock(start.Add(2 * time.Minute))
	w.SetClock(clock.Now)

	cfg := config.NewConfig()
	options := strings.Replace(a.table(w, clock.Now().In(zone)), fmt.Sprintf("interval = %q", benchInterval), "interval = \"5m\"\nlog_level = \"error\"", 1)
	require.NoError(t, cfg.LoadConfigData([]byte(options), "bench.conf"))
	require.NoError(t, cfg.LoadAll()) // links the secrets to their stores
	require.Len(t, cfg.Inputs, 1)
	input := cfg.Inputs[0]
	if plugin, ok := input.Input.(*wolkvox_ivr.WolkvoxIVR); ok {
		plugin.Clock = clock
	}
	require.NoError(t, input.Init())
	acc := &testutil.Accumulator{}
	require.NoError(t, input.Start(acc))
	defer input.Stop()

	fails, recovers := start.Add(8*time.Hour+10*time.Minute), start.Add(8*time.Hour+10*time.Minute+outage)
	database := make(map[int64]simulator.Figures)
	for ; clock.Now().Before(start.Add(25 * time.Hour)); clock.Forward(5 * time.Minute) {
		now := clock.Now()
		rate := 0.0
		if !now.Before(fails) && now.Before(recovers) {
			rate = 1
		}
		w.SetFaults(rate, simulator.FaultServerError)
		before := len(w.Ledger())
		t.Setenv("NOW", strconv.FormatInt(now.Unix(), 10))
		acc.ClearMetrics()
		acc.Errors = nil
		acc.AddError(input.Gather(acc))
		if rate == 1 {
			require.Empty(t, acc.Metrics)
			continue
		}
		require.Len(t, w.Ledger(), before+1)
		if !strings.HasPrefix(a.name, "inputs.http") { // for which 404 is an error, while the window has no calls yet
			require.Empty(t, acc.Errors, now)
		}
		for _, m := range acc.Metrics {
			calls, _ := m.Fields["calls"].(int64)
			minutes, _ := m.Fields["minutes"].(float64)
			database[m.Time.Unix()] = simulator.Figures{Calls: calls, Minutes: minutes}
		}
	}

	d := day{requests: len(w.Ledger()), bytes: w.sent.Load()}
	for hour := start; hour.Before(start.Add(24 * time.Hour)); hour = hour.Add(time.Hour) {
		if database[hour.Unix()] == w.Truth(benchOperation.Token, hour) {
			d.right++
		}
	}
	return d
}

// TestBenchStart measures the time from the start of the program to its first metric, with an API that responds at
// once.
func TestBenchStart(t *testing.T) {
	table := newTable("start of the program", "first metric", "all metrics", "resident memory at its highest")
	for _, n := range []int{1, 1000} {
		operations := testbed.Operations(n, simulator.Operation{Licences: 1000, PeakCalls: 2000})
		w := testbed.StartWolkvox(t, operations...)
		var firsts, alls []time.Duration
		var most []int
		for range 3 * benchRounds {
			w.ResetLedger()
			b := startBare(t, tables(w, operations))
			testbed.Await(t, "all responses", func() bool { return len(served(w)) == n })
			testbed.Await(t, "no more lines", func() bool {
				_, last, _ := b.output()
				return !last.IsZero() && time.Since(last) > 200*time.Millisecond
			})
			first, last, _ := b.output()
			firsts, alls = append(firsts, first.Sub(b.started)), append(alls, last.Sub(b.started))
			most = append(most, memory(t, b.cmd.Process.Pid, "VmHWM"))
			b.kill()
		}
		same := func(d time.Duration) time.Duration { return d }
		table.row(fmt.Sprintf("%d operation(s)", n), median(firsts, same).Round(time.Millisecond).String(),
			median(alls, same).Round(time.Millisecond).String(), fmt.Sprintf("%d MiB", median(most, func(n int) int { return n })/mebibyte))
	}
	table.print()
}

var benchmarkLine = regexp.MustCompile(`\s(\d+) B/op\s+(\d+) allocs/op`)

// TestBenchReading runs the client's own benchmark, which compares ways to read a report. It measures the CPU time of
// whole processes, including garbage collection, because that depends less on other processes than elapsed time does.
func TestBenchReading(t *testing.T) {
	program := filepath.Join(t.TempDir(), "wolkvox.test")
	build := exec.Command("go", "test", "-c", "-o", program, "./plugins/common/wolkvox")
	build.Dir = testbed.Root
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s", output)

	type key struct {
		rows int
		way  string
	}
	times, memory := make(map[key][]float64), make(map[key][]string)
	// measure measures the additional cost of that many readings over one, which excludes the preparation.
	measure := func(rows int, way string, readings int) {
		cpu := func(readings int) time.Duration {
			cmd := exec.Command(program, "-test.run", "^$", "-test.bench", fmt.Sprintf("^BenchmarkReport$/^rows=%d$/^%s$", rows, way),
				"-test.benchtime", fmt.Sprintf("%dx", readings))
			output, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", output)
			found := benchmarkLine.FindStringSubmatch(string(output))
			require.NotEmpty(t, found, "%s", output)
			memory[key{rows, way}] = found[1:]
			return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		}
		once := cpu(1)
		times[key{rows, way}] = append(times[key{rows, way}], float64(cpu(1+readings)-once)/float64(readings))
	}
	took := func(rows int, way string) float64 {
		return median(times[key{rows, way}], func(n float64) float64 { return n })
	}
	// ratio returns the median of the rounds' ratios. A value that was measured once is compared with the first round.
	ratio := func(rows int, way, other string) float64 {
		var ratios []float64
		for round := range min(len(times[key{rows, way}]), len(times[key{rows, other}])) {
			ratios = append(ratios, times[key{rows, way}][round]/times[key{rows, other}][round])
		}
		return median(ratios, func(n float64) float64 { return n })
	}
	ways := []string{"wolkvox", "encoding_json", "json_v2"}
	for round := range benchRounds {
		for _, way := range ways {
			measure(744, way, 600)
			if way != "json_v2" {
				measure(60_000, way, 8)
			} else if round == 0 { // one round takes long enough
				measure(60_000, way, 1)
			}
		}
	}

	table := newTable("reading a report", "rows", "CPU", "× plugin", "allocated", "allocations")
	for _, rows := range []int{744, 60_000} {
		for _, way := range ways {
			table.row(way, strconv.Itoa(rows), fmt.Sprintf("%.2f ms", took(rows, way)/1e6), fmt.Sprintf("%.2f", ratio(rows, way, "wolkvox")),
				memory[key{rows, way}][0]+" B", memory[key{rows, way}][1])
		}
	}
	table.print()
}

// table is a Markdown table.
type table struct{ lines []string }

func newTable(columns ...string) *table {
	t := &table{}
	t.row(columns...)
	t.lines = append(t.lines, "|"+strings.Repeat("---|", len(columns)))
	return t
}

func (t *table) row(cells ...string) { t.lines = append(t.lines, "| "+strings.Join(cells, " | ")+" |") }

func (t *table) print() { fmt.Printf("\n%s\n\n", strings.Join(t.lines, "\n")) }

// median returns the median of the function's values for the elements.
func median[T any, V cmp.Ordered](list []T, value func(T) V) V {
	values := make([]V, len(list))
	for i, element := range list {
		values[i] = value(element)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
