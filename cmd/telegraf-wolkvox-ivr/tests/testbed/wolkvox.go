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

// Month is the history that the plugin brings to a destination in these tests: some gathers, as each makes one request, and each part is
// read twice.
const Month = 31 * 24 * time.Hour

// These two have calls in each hour of the day in a month, but not in each hour of the month: the nights are quiet. The second one is on the
// other side of the world, half an hour off, and named.
var (
	Near = simulator.Operation{Server: "0001", Token: "invented-token-1", PeakCalls: 1000}
	Far  = simulator.Operation{Server: "0002", Token: "invented-token-2", PeakCalls: 1000, Timezone: "Asia/Kolkata"}
)

// Operation is busy enough to have calls in nearly every hour of the night.
var Operation = simulator.Operation{Server: "0001", Token: "invented-token-1", PeakCalls: 20_000}

// FleetOperations are the operations in testdata/fleet/operations.yml, by name.
var FleetOperations = map[string]simulator.Operation{
	"sales":   {Server: "0001", Token: "invented-token-sales", PeakCalls: 20_000},
	"support": {Server: "0001", Token: "invented-token-support", PeakCalls: 20_000},
	"north":   {Server: "0042", Token: "invented-token-north", PeakCalls: 20_000, Timezone: "America/Mexico_City"},
}

// Operations returns operations like this one, each with a server and a token of its own.
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
	URL string // what the plugin's option of that name has to be
}

// StartWolkvox serves a simulator of the operations.
func StartWolkvox(t *testing.T, operations ...simulator.Operation) *Wolkvox {
	t.Helper()
	s, err := simulator.New(simulator.Options{Operations: operations})
	require.NoError(t, err)
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		server.CloseClientConnections() // of requests that hang
		server.Close()
	})
	return &Wolkvox{Simulator: s, URL: server.URL + "/wv{server}"}
}

// Table returns the [[inputs.wolkvox_ivr]] of an operation, with further options.
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

// Answers returns how many requests with the token have had a response with status 200.
func (w *Wolkvox) Answers(token string) (n int) {
	for _, request := range w.RequestsWith(token) {
		if request.Status == http.StatusOK {
			n++
		}
	}
	return n
}

// RequireTurns requires that no token was ever in two requests at once.
func (w *Wolkvox) RequireTurns(t *testing.T) {
	t.Helper()
	for _, r := range w.Ledger() {
		require.Equal(t, 1, r.InFlight, "token %s", r.Token)
	}
}

// TruthOf returns the metrics of the operation's hours that begin in [from, to), as they are once settled.
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

// MonthOf returns the settled hours of the operation's last month, with its tag `operation` if it has one.
func (w *Wolkvox) MonthOf(t *testing.T, o simulator.Operation, name string, now time.Time) []telegraf.Metric {
	t.Helper()
	from, to := Settled(t, o, now, Month)
	truth := w.TruthOf(t, o, from, to)
	require.NotEmpty(t, truth)
	if name != "" {
		for _, m := range truth {
			m.AddTag("operation", name)
		}
	}
	return truth
}

// Newest returns the newest hour with calls in the report at the given time.
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

// Afternoon returns a time zone in which it is about three o'clock, when there are calls.
func Afternoon() string { return ZoneAt(15) }

// ZoneAt returns a time zone in which it is about so many o'clock.
func ZoneAt(hour int) string {
	east := hour - time.Now().UTC().Hour()
	if east < -12 {
		east += 24
	}
	if east > 12 {
		east -= 24
	}
	return fmt.Sprintf("Etc/GMT%+d", -east) // where the sign means west
}

// Settled returns the hours that a first gather at now, with this lookback, has to show as they are for ever: whole hours of the clock, the
// earliest left out because a gather some moments later may begin after it.
func Settled(t *testing.T, o simulator.Operation, now time.Time, lookback time.Duration) (from, to time.Time) {
	t.Helper()
	return HourOf(t, o, now.Add(-lookback)).Add(time.Hour), HourOf(t, o, now.Add(-simulator.LongestCall))
}

// RequireTruth requires the metrics to be the operation's, as a first gather between start and now shows them: the settled hours exactly,
// the later ones as they were at some time in between, and nothing else.
func (w *Wolkvox) RequireTruth(t *testing.T, o simulator.Operation, metrics []telegraf.Metric, start time.Time, lookback time.Duration) {
	t.Helper()
	from, to := Settled(t, o, start, lookback)
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
