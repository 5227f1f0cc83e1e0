package testbed

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/metric"
	"github.com/influxdata/telegraf/testutil"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// Month is the history that these tests send to a destination. It takes several gathers, because each makes one request
// and each window is read twice.
const Month = 31 * 24 * time.Hour

// Near and Far have calls at each hour of the day in a month, but not in each hour of the month: nights are quiet. Far
// is on the other side of the world, off by half an hour, and has a name.
var (
	Near = simulator.Operation{Server: "0001", Token: "invented-token-1", PeakCalls: 1000}
	Far  = simulator.Operation{Server: "0002", Token: "invented-token-2", PeakCalls: 1000, Timezone: "Asia/Kolkata"}
)

// Busy is an operation that has calls in nearly every hour, even at night.
var Busy = simulator.Operation{Server: "0001", Token: "invented-token-1", PeakCalls: 20_000}

// FleetOperations are the operations in testdata/fleet/operations.yml, by name.
var FleetOperations = map[string]simulator.Operation{
	"sales":   {Server: "0001", Token: "invented-token-sales", PeakCalls: 20_000},
	"support": {Server: "0001", Token: "invented-token-support", PeakCalls: 20_000},
	"north":   {Server: "0042", Token: "invented-token-north", PeakCalls: 20_000, Timezone: "America/Mexico_City"},
}

// Operations returns n operations like the given one, each with its own server and token.
func Operations(n int, like simulator.Operation) []simulator.Operation {
	operations := make([]simulator.Operation, n)
	for i := range operations {
		like.Server = fmt.Sprintf("%04d", i+1)
		like.Token = "invented-token-" + like.Server
		operations[i] = like
	}
	return operations
}

// Wolkvox is a simulator that is being served.
type Wolkvox struct {
	*simulator.Simulator
	URL string // value of the plugin's option url
}

// StartWolkvox serves a simulator of the operations.
func StartWolkvox(t *testing.T, operations ...simulator.Operation) *Wolkvox {
	t.Helper()
	s, err := simulator.New(simulator.Options{Operations: operations})
	require.NoError(t, err)
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		server.CloseClientConnections() // requests may hang
		server.Close()
	})
	return &Wolkvox{Simulator: s, URL: server.URL + "/wv{server}"}
}

// Table returns the [[inputs.wolkvox_ivr]] of an operation, with additional options.
func (w *Wolkvox) Table(o simulator.Operation, options ...string) string {
	lines := []string{
		`[[inputs.wolkvox_ivr]]`,
		fmt.Sprintf(`server = %q`, o.Server),
		fmt.Sprintf(`token = %q`, o.Token),
		fmt.Sprintf(`url = %q`, w.URL),
	}
	if o.Timezone != "" {
		lines = append(lines, fmt.Sprintf(`timezone = %q`, o.Timezone))
	}
	return strings.Join(append(lines, options...), "\n") + "\n"
}

// RequestsWith returns the requests made with the token.
func (w *Wolkvox) RequestsWith(token string) (requests []simulator.Request) {
	for _, request := range w.Ledger() {
		if request.Token == token {
			requests = append(requests, request)
		}
	}
	return requests
}

// Successes returns how many requests with the token got a response with status 200.
func (w *Wolkvox) Successes(token string) (n int) {
	for _, request := range w.RequestsWith(token) {
		if request.Status == http.StatusOK {
			n++
		}
	}
	return n
}

// RequireOneAtATime requires that no token was in two requests at the same time.
func (w *Wolkvox) RequireOneAtATime(t *testing.T) {
	t.Helper()
	for _, r := range w.Ledger() {
		require.Equal(t, 1, r.InFlight, "token %s", r.Token)
	}
}

// TruthOf returns the final metrics of the operation's hours that begin in [from, to).
func (w *Wolkvox) TruthOf(t *testing.T, o simulator.Operation, from, to time.Time) []telegraf.Metric {
	t.Helper()
	var metrics []telegraf.Metric
	for hour := HourOf(t, o, from); hour.Before(to); hour = hour.Add(time.Hour) {
		figures := w.Truth(o.Token, hour)
		if hour.Before(from) || figures.Calls == 0 {
			continue
		}
		metrics = append(metrics, metric.New("wolkvox_ivr",
			map[string]string{"hour": hour.Format("15"), "source": "wv" + o.Server + ".wolkvox.com"},
			map[string]any{"calls": figures.Calls, "minutes": figures.Minutes},
			hour))
	}
	return metrics
}

// MonthOf returns the final hours of the operation's last month, with name as the tag operation unless it is empty.
func (w *Wolkvox) MonthOf(t *testing.T, o simulator.Operation, name string, now time.Time) []telegraf.Metric {
	t.Helper()
	from, to := FinalHours(t, o, now, Month)
	truth := w.TruthOf(t, o, from, to)
	require.NotEmpty(t, truth)
	if name != "" {
		for _, m := range truth {
			m.AddTag("operation", name)
		}
	}
	return truth
}

// Newest returns the newest hour with calls that the report shows at the given time.
func (w *Wolkvox) Newest(t *testing.T, o simulator.Operation, at time.Time) time.Time {
	t.Helper()
	hour := HourOf(t, o, at)
	for w.At(o.Token, hour, at).Calls == 0 {
		hour = hour.Add(-time.Hour)
	}
	return hour
}

// HourOf returns the start of the hour of the operation's clock that contains the instant.
func HourOf(t *testing.T, o simulator.Operation, instant time.Time) time.Time {
	t.Helper()
	name := o.Timezone
	if name == "" {
		name = "America/Bogota"
	}
	zone, err := time.LoadLocation(name)
	require.NoError(t, err)
	local := instant.In(zone)
	into := time.Duration(local.Minute())*time.Minute + time.Duration(local.Second())*time.Second + time.Duration(local.Nanosecond())
	return local.Add(-into)
}

// Afternoon returns a time zone in which it is about 3 p.m., when there are calls.
func Afternoon() string { return ZoneAt(15) }

// ZoneAt returns a time zone in which it is about that hour.
func ZoneAt(hour int) string {
	east := hour - time.Now().UTC().Hour()
	if east < -12 {
		east += 24
	}
	if east > 12 {
		east -= 24
	}
	return fmt.Sprintf("Etc/GMT%+d", -east) // in these names, the sign means west
}

// FinalHours returns the range of hours that a first gather at now, with this lookback, must show with their final
// figures. They are whole hours of the clock. The earliest one is left out, because a gather a moment later may begin
// after it.
func FinalHours(t *testing.T, o simulator.Operation, now time.Time, lookback time.Duration) (from, to time.Time) {
	t.Helper()
	return HourOf(t, o, now.Add(-lookback)).Add(time.Hour), HourOf(t, o, now.Add(-simulator.LongestCall))
}

// RequireTruth requires the metrics to be those that a first gather between start and now shows of the operation: final
// hours exactly, later hours as they were at some time in between, and nothing else.
func (w *Wolkvox) RequireTruth(t *testing.T, o simulator.Operation, metrics []telegraf.Metric, start time.Time, lookback time.Duration) {
	t.Helper()
	from, to := FinalHours(t, o, start, lookback)
	testutil.RequireMetricsEqual(t, w.TruthOf(t, o, from, to), Between(metrics, from, to), testutil.SortMetrics())

	for _, m := range metrics {
		hour, figures := m.Time(), w.At(o.Token, m.Time(), time.Now())
		require.True(t, hour.Equal(HourOf(t, o, hour)), "not the start of an hour: %s", hour)
		require.False(t, hour.Before(from.Add(-time.Hour)), "older than the lookback: %s", hour)
		calls, ok := m.GetField("calls")
		require.True(t, ok)
		require.LessOrEqual(t, calls, figures.Calls, hour)
		require.GreaterOrEqual(t, calls, w.At(o.Token, hour, start).Calls, hour)
	}
}
