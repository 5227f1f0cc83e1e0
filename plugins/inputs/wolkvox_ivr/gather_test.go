package wolkvox_ivr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/config"
	"github.com/influxdata/telegraf/selfstat"
	"github.com/influxdata/telegraf/testutil"

	"telegraf-wolkvox-ivr/plugins/common/wolkvox"
)

// fakeAPI responds to requests without a network, using the plugin's clock. By default, each hour up to the current one has seven calls.
type fakeAPI struct {
	t     *testing.T
	clock *manualClock
	skew  time.Duration // API's time minus clock
	log   *testutil.CaptureLogger

	mu       sync.Mutex
	requests []string                                   // "MM-DD HH MM-DD HH", first and last hour
	respond  func(first, last time.Time) *http.Response // nil for rows
	row      func(hour time.Time) string                // row of an hour, given as UTC with the report's label; "" for none
	header   http.Header                                // of all responses
	block    func(ctx context.Context)                  // called before the response
}

func newFakeAPI(t *testing.T) *fakeAPI {
	t.Helper()
	return &fakeAPI{t: t, clock: newClock(t, "2026-11-22T14:20:00-05:00"), row: sevenCalls, header: http.Header{}}
}

func sevenCalls(hour time.Time) string { return rowOf(hour, "7") }

func rowOf(hour time.Time, calls string) string {
	return fmt.Sprintf(`{"date": %q, "calls": %q, "ivr_minutes": "7.5"}`, hour.Format("2006-01-02-15"), calls)
}

func responseWith(status int, body string) *http.Response {
	header := http.Header{"Content-Type": {"application/json"}}
	return &http.Response{StatusCode: status, ProtoMajor: 1, Header: header, Body: io.NopCloser(strings.NewReader(body))}
}

// always responds to every request with the same status and body.
func always(status int, body string) func(time.Time, time.Time) *http.Response {
	return func(time.Time, time.Time) *http.Response { return responseWith(status, body) }
}

// RoundTrip implements http.RoundTripper.
func (a *fakeAPI) RoundTrip(r *http.Request) (*http.Response, error) {
	if a.block != nil {
		a.block(r.Context())
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	first, err := time.Parse("20060102150405", r.URL.Query().Get("date_ini"))
	require.NoError(a.t, err)
	last, err := time.Parse("20060102150405", r.URL.Query().Get("date_end"))
	require.NoError(a.t, err)
	a.requests = append(a.requests, first.Format("01-02 15")+" "+last.Format("01-02 15"))
	now := a.clock.Now().Add(a.skew)
	response := (*http.Response)(nil)
	if a.respond != nil {
		response = a.respond(first, last)
	}
	if response == nil {
		var rows []string
		current := now.In(time.UTC).Add(-5 * time.Hour) // the label in Bogota
		for hour := first; hour.Before(last) && !hour.After(current); hour = hour.Add(time.Hour) {
			if row := a.row(hour); row != "" {
				rows = append(rows, row)
			}
		}
		response = responseWith(http.StatusOK, `{"code": 200, "error": null, "msg": "", "data": [`+strings.Join(rows, ",")+`]}`)
	}
	for name, values := range a.header {
		response.Header[name] = values
	}
	if len(response.Header["Date"]) == 0 {
		response.Header.Set("Date", now.UTC().Format(http.TimeFormat))
	}
	return response, nil
}

// takeRequests returns the requests since its previous call.
func (a *fakeAPI) takeRequests() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	requests := a.requests
	a.requests = nil
	return requests
}

// plugin starts a plugin with the state that another one saved, if any.
func (a *fakeAPI) plugin(state []byte, set ...func(*WolkvoxIVR)) *WolkvoxIVR {
	a.t.Helper()
	plugin, _, log := newPlugin(a.t, "https://wv{server}.example.com")
	a.log = log
	plugin.Clock, plugin.Transport = a.clock, a
	for _, change := range set {
		change(plugin)
	}
	require.NoError(a.t, plugin.Init())
	a.t.Cleanup(plugin.Stop)
	if state != nil {
		require.NoError(a.t, setState(a.t, plugin, state))
	}
	require.NoError(a.t, plugin.Start(nil))
	return plugin
}

// gather gathers and advances the clock by five minutes. It returns the metrics as "MM-DD HH calls" and the error.
func (a *fakeAPI) gather(plugin *WolkvoxIVR) ([]string, error) {
	a.t.Helper()
	var acc testutil.Accumulator
	err := plugin.Gather(&acc)
	a.clock.advance(5 * time.Minute)
	return summarize(a.t, acc.GetTelegrafMetrics()), err
}

// run gathers for the duration d. It returns the last calls of each hour, and the errors that must be logged.
func (a *fakeAPI) run(plugin *WolkvoxIVR, d time.Duration) (metrics map[string]string, errs []string) {
	a.t.Helper()
	metrics = make(map[string]string)
	for end := a.clock.Now().Add(d); a.clock.Now().Before(end); {
		lines, err := a.gather(plugin)
		for _, line := range lines {
			metrics[line[:8]] = line[9:]
		}
		var repeated *repeatedError
		if err != nil && !errors.As(err, &repeated) {
			errs = append(errs, err.Error())
		}
	}
	return metrics, errs
}

// logged returns the number of messages of a level that contain the text.
func (a *fakeAPI) logged(level byte, text string) (n int) {
	for _, entry := range a.log.Messages() {
		if entry.Level == level && strings.Contains(entry.Text, text) {
			n++
		}
	}
	return n
}

// saved returns the state of a plugin, as saved by Telegraf.
func saved(t *testing.T, plugin *WolkvoxIVR) []byte {
	t.Helper()
	content, err := json.Marshal(plugin.GetState())
	require.NoError(t, err)
	return content
}

// setState restores a saved state like Telegraf does.
func setState(t *testing.T, plugin *WolkvoxIVR, content []byte) error {
	t.Helper()
	target := reflect.New(reflect.TypeOf(plugin.GetState()))
	if err := json.Unmarshal(content, target.Interface()); err != nil {
		return err
	}
	return plugin.SetState(target.Elem().Interface())
}

// summarize formats metrics as "MM-DD HH calls" in Bogota's time.
func summarize(t *testing.T, metrics []telegraf.Metric) []string {
	t.Helper()
	bogota, err := time.LoadLocation("America/Bogota")
	require.NoError(t, err)
	lines := make([]string, 0, len(metrics))
	for _, m := range metrics {
		calls, ok := m.GetField("calls")
		require.True(t, ok)
		lines = append(lines, fmt.Sprintf("%s %v", m.Time().In(bogota).Format("01-02 15"), calls))
	}
	return lines
}

func withBackfill(d time.Duration) func(*WolkvoxIVR) {
	return func(w *WolkvoxIVR) { w.Backfill = config.Duration(d) }
}

func zeroEmptyHours(w *WolkvoxIVR) { w.EmptyHours = ZeroEmpty }

func finalHours(w *WolkvoxIVR) { w.Hours = FinalHours }

const levelWarn = testutil.LevelWarn

//promise:modes
//promise:requests
func TestRequest(t *testing.T) {
	api := newFakeAPI(t)
	lines, err := api.gather(api.plugin(nil))
	require.NoError(t, err)
	require.Equal(t, []string{"11-22 00 11-22 23"}, api.takeRequests(), "a whole day")
	require.Equal(t, []string{"11-22 11 7", "11-22 12 7", "11-22 13 7", "11-22 14 7"}, lines, "lookback, and the current hour")
	require.Equal(t, 1, api.logged(testutil.LevelInfo, "wv0001.wolkvox.com: connected, newest hour 2026-11-22 14:00"))
}

// A year of history takes at most 28 requests, alternating with the latest hours, and leaves a small state.
//
//promise:requests
//promise:backfill
func TestBackfillOfAYear(t *testing.T) {
	api := newFakeAPI(t)
	plugin := api.plugin(nil, withBackfill(8760*time.Hour))
	metrics, _ := api.run(plugin, 6*time.Hour)
	require.Len(t, metrics, 8760, "each hour of the year")
	history := 0
	requests := api.takeRequests()
	for n, request := range requests {
		if !strings.HasSuffix(request, "11-22 23") {
			history++
			require.NotEqual(t, requests[n-1], request)
			require.True(t, strings.HasSuffix(requests[n-1], "11-22 23"), "every second request is for the latest hours")
		}
	}
	require.LessOrEqual(t, history, 28)
	require.Len(t, requests, 72, "one request per gather")
	require.Less(t, len(saved(t, plugin)), 4096)
	require.Equal(t, 1, api.logged(testutil.LevelInfo, "history: all 8757 hours are final"))

	// No history is left, even after a restart, but more can be configured later.
	plugin.Stop()
	plugin = api.plugin(saved(t, plugin), withBackfill(9000*time.Hour))
	api.run(plugin, time.Hour)
	history = 0
	for _, request := range api.takeRequests() {
		if !strings.HasSuffix(request, "11-22 23") {
			history++
		}
	}
	require.LessOrEqual(t, history, 4)
}

//promise:silence
//promise:modes
func TestSentHours(t *testing.T) {
	for name, tt := range map[string]struct {
		set      func(*WolkvoxIVR)
		row      func(time.Time) string
		expected []string
	}{
		"all":     {func(*WolkvoxIVR) {}, sevenCalls, []string{"11-22 11 7", "11-22 12 7", "11-22 13 7", "11-22 14 7"}},
		"ended":   {func(w *WolkvoxIVR) { w.Hours = EndedHours }, sevenCalls, []string{"11-22 11 7", "11-22 12 7", "11-22 13 7"}},
		"final":   {finalHours, sevenCalls, nil},
		"omit":    {func(*WolkvoxIVR) {}, only("09", "14"), []string{"11-22 14 7"}},
		"zero":    {zeroEmptyHours, only("09", "14"), []string{"11-22 11 0", "11-22 12 0", "11-22 13 0", "11-22 14 7"}},
		"nothing": {zeroEmptyHours, only(), nil},
		"too new": {zeroEmptyHours, only("14"), []string{"11-22 14 7"}},
	} {
		t.Run(name, func(t *testing.T) {
			api := newFakeAPI(t)
			api.row = tt.row
			lines, err := api.gather(api.plugin(nil, tt.set))
			require.NoError(t, err)
			require.ElementsMatch(t, tt.expected, lines)
		})
	}
}

// only returns rows for some hours of the day.
func only(hours ...string) func(time.Time) string {
	return func(hour time.Time) string {
		for _, h := range hours {
			if hour.Format("15") == h {
				return sevenCalls(hour)
			}
		}
		return ""
	}
}

// Each hour is sent once, lookback after its end, and not again after a clean stop.
//
//promise:once
func TestFinalHoursComeOnce(t *testing.T) {
	api := newFakeAPI(t)
	plugin := api.plugin(nil, finalHours)
	var lines []string
	for n := range 60 {
		if n == 20 || n == 40 {
			plugin.Stop()
			plugin = api.plugin(saved(t, plugin), finalHours)
		}
		more, err := api.gather(plugin)
		require.NoError(t, err)
		lines = append(lines, more...)
	}
	require.Equal(t, []string{"11-22 11 7", "11-22 12 7", "11-22 13 7", "11-22 14 7", "11-22 15 7"}, lines)
}

// With hours = "final", the last hours of the evening are sent after 12 hours without newer calls, and again only if they change.
//
//promise:once
func TestFinalHoursOfAClosedEvening(t *testing.T) {
	api := newFakeAPI(t)
	changed := ""
	api.row = func(hour time.Time) string {
		switch name := hour.Format("01-02 15"); {
		case name == changed:
			return rowOf(hour, "8")
		case name <= "11-22 18":
			return sevenCalls(hour)
		}
		return ""
	}
	plugin := api.plugin(nil, finalHours)
	metrics, _ := api.run(plugin, 15*time.Hour)
	require.Equal(t, "11-22 14", maxKey(metrics), "only hours below the watermark")
	metrics, _ = api.run(plugin, 3*time.Hour)
	require.Equal(t, map[string]string{"11-22 15": "7", "11-22 16": "7", "11-22 17": "7", "11-22 18": "7"}, metrics)
	changed = "11-22 17"
	metrics, _ = api.run(plugin, 3*time.Hour)
	require.Equal(t, map[string]string{"11-22 17": "8"}, metrics)
}

func maxKey(metrics map[string]string) (newest string) {
	for key := range metrics {
		newest = max(newest, key)
	}
	return newest
}

//promise:quota
func TestQuotaPauses(t *testing.T) {
	api := newFakeAPI(t)
	api.respond = always(http.StatusForbidden, `{"code": "403", "error": "TOKEN LIMIT EXCEEDED"}`)
	plugin := api.plugin(nil)
	_, err := api.gather(plugin)
	require.EqualError(t, err, `request to wv0001.wolkvox.com for hours 2026-11-22 00:00 to 2026-11-22 23:00 failed: the operation's daily quota of API `+
		`requests is used up (HTTP status 403, "TOKEN LIMIT EXCEEDED"): the missing hours are read after the quota resets; `+
		`if this happens often, set a longer interval, or find out which other clients use the operation's tokens; pausing until 2026-11-23T00:00:00-05:00`)
	for n := range 24 {
		if n == 12 { // a restart doesn't end the pause
			plugin = api.plugin(saved(t, plugin))
		}
		_, err = api.gather(plugin)
		require.ErrorContains(t, err, wolkvox.FailedQuota.Message)
	}
	require.Len(t, api.takeRequests(), 1)

	// If the API's day begins later than the operation's, there is one request per hour from midnight on.
	api.run(plugin, 10*time.Hour)
	require.Len(t, api.takeRequests(), 3)
	api.respond = nil
	api.run(plugin, time.Hour)
	require.Equal(t, 1, api.logged(testutil.LevelInfo, "Working again after"))
}

// Outputs have stored hours sent before a pause by its end, so they aren't sent again even if the process is killed during the pause.
//
//promise:once
func TestNothingIsResentAfterPause(t *testing.T) {
	api := newFakeAPI(t)
	plugin := api.plugin(nil, finalHours)
	before, _ := api.run(plugin, 5*time.Hour)
	require.NotEmpty(t, before)
	api.respond = always(http.StatusForbidden, `{"code": "403", "error": "TOKEN LIMIT EXCEEDED"}`)
	api.run(plugin, 3*time.Hour)
	api.respond = nil
	after, _ := api.run(api.plugin(saved(t, plugin), finalHours), 8*time.Hour)
	require.NotEmpty(t, after)
	for hour := range before {
		require.NotContains(t, after, hour)
	}
}

//promise:quota
func TestRetryAfterHoldsForLaterGathersAndRestarts(t *testing.T) {
	api := newFakeAPI(t)
	api.header.Set("Retry-After", "1800")
	api.respond = always(http.StatusTooManyRequests, "")
	plugin := api.plugin(nil)
	for n := range 6 {
		if n == 3 {
			plugin = api.plugin(saved(t, plugin))
		}
		_, err := api.gather(plugin)
		require.ErrorContains(t, err, wolkvox.FailedOverload.Message)
	}
	require.Len(t, api.takeRequests(), 1)
	_, err := api.gather(plugin)
	require.Error(t, err)
	require.Len(t, api.takeRequests(), 1)
}

// A pause set by a clock that was far ahead is ignored.
//
//promise:clock
func TestPauseSetByClockAhead(t *testing.T) {
	api := newFakeAPI(t)
	plugin := api.plugin(nil)
	plugin.pause = pause{api.clock.Now().Add(25 * time.Hour), errors.New("invented")}
	_, err := api.gather(plugin)
	require.Error(t, err)
	require.Empty(t, api.takeRequests())
	plugin.pause.until = api.clock.Now().Add(25*time.Hour + time.Second)
	_, err = api.gather(plugin)
	require.NoError(t, err)
	require.Len(t, api.takeRequests(), 1)
}

// Requests are 5 minutes apart, as wolkvox asks for, even across restarts and if Telegraf's own interval, which the plugin doesn't know, is
// shorter. An interval in the table is the user's choice.
//
//promise:requests
func TestRequestInterval(t *testing.T) {
	for interval, expected := range map[time.Duration]int{0: 12, time.Minute: 60} {
		api := newFakeAPI(t)
		set := func(w *WolkvoxIVR) { w.Interval = config.Duration(interval) }
		plugin := api.plugin(nil, set)
		for n := range 6 * 60 {
			if n%50 == 49 {
				plugin.Stop()
				plugin = api.plugin(saved(t, plugin), set)
			}
			if interval == 0 || n%6 == 0 {
				require.NoError(t, plugin.Gather(&testutil.Accumulator{}))
			}
			api.clock.advance(10 * time.Second)
		}
		require.InDelta(t, expected, len(api.takeRequests()), 2, interval)
	}

	api := newFakeAPI(t)
	for range 6 { // restarted every minute
		plugin := api.plugin(nil)
		require.NoError(t, plugin.Gather(&testutil.Accumulator{}))
		api.clock.advance(time.Minute)
		plugin.Stop()
		plugin = api.plugin(saved(t, plugin))
		require.NoError(t, plugin.Gather(&testutil.Accumulator{}))
		require.Len(t, api.takeRequests(), 1)
	}
}

// A failed gather makes one request, sends no row and changes no state.
//
//promise:requests
//promise:failures
func TestOneRequestPerGather(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 409, 418, 429, 500, 503} {
		api := newFakeAPI(t)
		api.respond = always(status, "")
		plugin := api.plugin(nil, withBackfill(240*time.Hour))
		metrics, errs := api.run(plugin, time.Hour)
		require.Empty(t, metrics)
		require.Len(t, errs, 2, "at the beginning, and after half an hour")
		require.Len(t, api.takeRequests(), 12)
		require.Zero(t, plugin.planner.Newest)
	}
}

//promise:stop
func TestStopEndsRequest(t *testing.T) {
	api := newFakeAPI(t)
	arrived := make(chan struct{})
	api.block = func(ctx context.Context) {
		close(arrived)
		<-ctx.Done()
	}
	plugin := api.plugin(nil)
	var acc testutil.Accumulator
	ended := make(chan error)
	go func() { ended <- plugin.Gather(&acc) }()
	<-arrived
	plugin.Cancel()
	require.NoError(t, <-ended)
	plugin.Stop()
	require.Empty(t, acc.Errors)
	require.Empty(t, api.log.Errors())
	require.Contains(t, string(saved(t, plugin)), `"stopped_cleanly":true`)
}

//promise:repeated
func TestLastingFailureIsLoggedAtIncreasingIntervals(t *testing.T) {
	api := newFakeAPI(t)
	api.respond = always(http.StatusInternalServerError, `{"error": "incident"}`)
	plugin := api.plugin(nil)
	_, errs := api.run(plugin, 24*time.Hour)
	require.Len(t, errs, 7, "0 h, 0.5 h, 1 h, 2 h, 4 h, 8 h, 16 h")
	require.Contains(t, errs[6], "failing for 16h0m0s (193 gathers so far): ")
	require.Zero(t, api.logged(levelWarn, ""))

	api.respond = nil
	api.run(plugin, 10*time.Minute)
	require.Equal(t, 1, api.logged(testutil.LevelInfo, "Working again after 24h0m0s and 288 failed gather(s); "))
}

//promise:repeated
func TestOutageLogsEachClassOnce(t *testing.T) {
	var o outage
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	server, network := &wolkvox.Failure{Class: wolkvox.FailedServer}, &wolkvox.Failure{Class: wolkvox.FailedConnection}
	isRepeated := func(err error) bool {
		var repeated interface{ Repeated() bool }
		return errors.As(err, &repeated) && repeated.Repeated()
	}
	require.False(t, isRepeated(o.fail(now, server)))
	require.False(t, isRepeated(o.fail(now, network)))
	require.True(t, isRepeated(o.fail(now, server)))
	require.True(t, isRepeated(o.fail(now, network)))
	require.Equal(t, "Working again after 1m0s and 4 failed gather(s)", o.end(now.Add(time.Minute)))
	require.Empty(t, o.end(now))
	require.Equal(t, error(server), o.fail(now, server), "a new outage")
}

// With a local clock that is ahead or behind, hours follow the API's time: no hour is missing, and no zero is in the future.
//
//promise:clock
func TestLocalClockIsWrong(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"ahead": 24 * time.Hour, "behind": -30 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			api := newFakeAPI(t)
			api.row = func(hour time.Time) string {
				if hour.Hour()%2 == 1 {
					return ""
				}
				return sevenCalls(hour)
			}
			api.clock.advance(ahead)
			api.skew = -ahead
			plugin := api.plugin(nil, zeroEmptyHours)
			metrics, _ := api.run(plugin, 6*time.Minute)
			for hour := range metrics {
				require.LessOrEqual(t, hour, "11-22 14")
			}
			metrics, _ = api.run(plugin, 2*time.Hour)
			require.Equal(t, map[string]string{"11-22 11": "0", "11-22 12": "7", "11-22 13": "0", "11-22 14": "7", "11-22 15": "0", "11-22 16": "7"}, metrics)
			require.Equal(t, 1, api.logged(levelWarn, "this machine's clock is "+ahead.Abs().String()))
		})
	}
}

// A single wrong Date header, or one from a cache, has no effect.
//
//promise:clock
func TestDateOfAResponseIsWrong(t *testing.T) {
	for name, header := range map[string]http.Header{
		"a year ahead": {"Date": {"Mon, 22 Nov 2027 19:20:00 GMT"}},
		"a year old":   {"Date": {"Sat, 22 Nov 2025 19:20:00 GMT"}},
		"from a cache": {"Date": {"Sun, 22 Nov 2026 12:20:00 GMT"}, "Age": {"25200"}},
	} {
		t.Run(name, func(t *testing.T) {
			api := newFakeAPI(t)
			plugin := api.plugin(nil, zeroEmptyHours)
			api.run(plugin, 10*time.Minute)
			api.header = header
			_, err := api.gather(plugin)
			require.NoError(t, err)
			api.header = http.Header{}
			metrics, _ := api.run(plugin, 5*time.Hour)
			require.Len(t, metrics, 9)
			require.Zero(t, api.logged(levelWarn, ""))
		})
	}
}

//promise:clock
func TestClockBefore2015(t *testing.T) {
	api := newFakeAPI(t)
	api.clock = newClock(t, "1970-01-01T00:05:00Z")
	_, err := api.gather(api.plugin(nil))
	require.EqualError(t, err, "wv0001.wolkvox.com: this machine's clock shows 1970-01-01T00:05:00Z: set it, because hours depend on it")
	require.Empty(t, api.takeRequests())
}

//promise:state-damaged
func TestSetStateRefuses(t *testing.T) {
	api := newFakeAPI(t)
	plugin := api.plugin(nil)
	require.EqualError(t, plugin.SetState(17), "state has wrong type int")
	api.run(plugin, time.Hour)
	good := string(saved(t, plugin))
	require.NoError(t, setState(t, plugin, []byte(good)))
	for change, expected := range map[[2]string]string{
		{`"version":4`, `"version":2`}:          "state has version 2, but this program reads version 4",
		{`"width":744`, `"width":0`}:            "state has a width of 0 or 744 hours, which must be 1 to 744",
		{`"good_width":744`, `"good_width":-1`}: "state has a width of 744 or -1 hours, which must be 1 to 744",
		{`"newest":"2026`, `"newest":"2025`}:    "state has hours out of order",
		{`"newest":"2026`, `"newest":"1999`}:    "state has hours outside the years 2000 to 2200",
	} {
		require.Contains(t, good, change[0])
		require.EqualError(t, setState(t, plugin, []byte(strings.Replace(good, change[0], change[1], 1))), expected)
	}
	for _, content := range []string{`[]`, `{}`, `{"version":4,"final":[["2026-01-02T00","2026-01-01T00"]]}`, `{"version":4,"final":[{"from":1}]}`} {
		require.Error(t, json.Unmarshal([]byte(content), &state{}), content)
	}
}

// A state from the future is discarded once the API's time is known, but not because the local clock is behind.
//
//promise:clock
//promise:state-damaged
func TestStateFromTheFuture(t *testing.T) {
	api := newFakeAPI(t)
	plugin := api.plugin(nil)
	api.run(plugin, 24*time.Hour)
	content := saved(t, plugin)

	api.clock.advance(-30 * 24 * time.Hour)
	plugin = api.plugin(content)
	lines, err := api.gather(plugin)
	require.NoError(t, err)
	require.NotEmpty(t, lines)
	require.ErrorContains(t, plugin.RejectedState(), "the state contains times later than 2026-10-24T")
	require.NoError(t, plugin.RejectedState(), "only once")
	require.Len(t, api.log.Errors(), 1)

	api.skew = 30 * 24 * time.Hour // the API's time is right
	plugin = api.plugin(content)
	_, err = api.gather(plugin)
	require.NoError(t, err)
	require.NoError(t, plugin.RejectedState())
	require.Equal(t, "2026-11-23 14:00", plugin.planner.Newest.String())
}

//promise:state
func TestStateIsACopy(t *testing.T) {
	api := newFakeAPI(t)
	plugin := api.plugin(nil)
	api.run(plugin, time.Hour)
	copied := plugin.GetState()
	before, err := json.Marshal(copied)
	require.NoError(t, err)
	api.run(plugin, 3*time.Hour)
	after, err := json.Marshal(copied)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))
}

//promise:state
func TestStateIsSavedWhileGathering(t *testing.T) {
	api := newFakeAPI(t)
	plugin := api.plugin(nil, withBackfill(2000*time.Hour))
	done := make(chan struct{})
	go func() {
		defer close(done)
		api.run(plugin, 2*time.Hour)
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
			saved(t, plugin)
		}
	}
}

// After timezone changes, all hours are resent with the right timestamps.
//
//promise:timezone
func TestTimezoneChanges(t *testing.T) {
	api := newFakeAPI(t)
	plugin := api.plugin(nil, withBackfill(100*time.Hour), func(w *WolkvoxIVR) { w.Timezone = "America/Mexico_City" })
	api.run(plugin, 2*time.Hour)
	plugin.Stop()
	plugin = api.plugin(saved(t, plugin), withBackfill(100*time.Hour))
	metrics, _ := api.run(plugin, 2*time.Hour)
	require.GreaterOrEqual(t, len(metrics), 100)
}

//promise:reread
func TestReread(t *testing.T) {
	api := newFakeAPI(t)
	plugin := api.plugin(nil, withBackfill(240*time.Hour))
	api.run(plugin, 2*time.Hour)
	api.takeRequests()
	plugin.Stop()
	plugin = api.plugin(saved(t, plugin), withBackfill(240*time.Hour), func(w *WolkvoxIVR) { w.Reread = "2026-11-15/2026-11-23" })
	metrics, _ := api.run(plugin, 2*time.Hour)
	require.Contains(t, metrics, "11-15 00")
	require.Contains(t, metrics, "11-21 23")
	require.NotContains(t, metrics, "11-14 23")
	require.Equal(t, 1, api.logged(testutil.LevelInfo, "reread: reading hours 2026-11-15 00:00 to 2026-11-21 23:00 again"))
	require.Equal(t, 1, api.logged(testutil.LevelInfo, "reread: days from 2026-11-22 on will be read once their hours are before the watermark"))

	plugin.Stop()
	plugin = api.plugin(saved(t, plugin), withBackfill(240*time.Hour), func(w *WolkvoxIVR) { w.Reread = "2026-11-15/2026-11-23" })
	metrics, _ = api.run(plugin, 12*time.Hour) // until the 22nd is below the watermark
	require.Contains(t, metrics, "11-22 05")
	require.NotContains(t, metrics, "11-15 05")
	metrics, _ = api.run(plugin, 30*time.Hour)
	require.Contains(t, metrics, "11-23 05")
	require.NotContains(t, metrics, "11-22 05")
}

// instantClock advances the clock when the plugin waits, so the wait ends at once.
type instantClock struct{ *manualClock }

func (c instantClock) After(d time.Duration) <-chan time.Time {
	c.advance(d)
	return c.manualClock.After(d)
}

// With a long interval, history is requested every 5 minutes until shortly before the next gather, or until a stop.
//
//promise:backfill
func TestHistoryBetweenGathers(t *testing.T) {
	api := newFakeAPI(t)
	daily := func(w *WolkvoxIVR) {
		w.Interval = config.Duration(24 * time.Hour)
		w.Clock = instantClock{api.clock}
	}
	plugin := api.plugin(nil, withBackfill(8760*time.Hour), daily)
	start := api.clock.Now()
	require.NoError(t, plugin.Gather(&testutil.Accumulator{}))
	plugin.background.Wait()
	require.InDelta(t, 27, len(api.takeRequests()), 2)
	require.Less(t, api.clock.Now().Sub(start), 3*time.Hour)
	waiting, postponed := plugin.planner.Backlog(api.clock.Now())
	require.LessOrEqual(t, waiting+postponed, 3, "hours that have ended since the gather")

	for interval, expected := range map[time.Duration]int{10 * time.Minute: 1, 30 * time.Minute: 5} {
		plugin = api.plugin(nil, withBackfill(8760*time.Hour), daily, func(w *WolkvoxIVR) { w.Interval = config.Duration(interval) })
		require.NoError(t, plugin.Gather(&testutil.Accumulator{}))
		plugin.background.Wait()
		require.Len(t, api.takeRequests(), expected, interval)
	}

	plugin = api.plugin(nil, withBackfill(8760*time.Hour), daily, func(w *WolkvoxIVR) { w.Clock = stoppedClock{api.clock} })
	require.NoError(t, plugin.Gather(&testutil.Accumulator{}))
	plugin.Stop()
	require.Len(t, api.takeRequests(), 1)
}

// stoppedClock is a clock on which waits never end.
type stoppedClock struct{ *manualClock }

func (stoppedClock) After(time.Duration) <-chan time.Time { return nil }

//promise:silence
//promise:late
func TestHiddenCallsAreLogged(t *testing.T) {
	api := newFakeAPI(t)
	plugin := api.plugin(nil)
	api.run(plugin, time.Hour)
	api.respond = always(http.StatusOK, `{"code": 200, "msg": "0 records were found", "data": []}`)
	_, err := api.gather(plugin)
	require.NoError(t, err)
	require.Zero(t, api.logged(levelWarn, ""))
	metrics, _ := api.run(plugin, 8*time.Hour)
	require.Empty(t, metrics)
	require.Equal(t, 1, api.logged(levelWarn, "the report no longer shows "))
	api.respond = nil
	metrics, _ = api.run(plugin, 2*time.Hour)
	require.Contains(t, metrics, "11-22 16")
	require.Contains(t, metrics, "11-22 23")
	require.Equal(t, 1, api.logged(levelWarn, ""))
	require.Equal(t, 1, api.logged(testutil.LevelInfo, "the report shows all known calls again"))
}

//promise:late
func TestStandstillIsLogged(t *testing.T) {
	api := newFakeAPI(t)
	plugin := api.plugin(nil)
	api.run(plugin, 36*time.Hour)
	stalled := api.clock.Now().Add(-5 * time.Hour).UTC()
	api.row = func(hour time.Time) string {
		if hour.After(stalled) {
			return ""
		}
		return sevenCalls(hour)
	}
	api.run(plugin, 6*time.Hour)
	require.Equal(t, 1, api.logged(levelWarn, "the report has shown no calls after hour 2026-11-24 02:00"))
	api.row = sevenCalls
	metrics, _ := api.run(plugin, 2*time.Hour)
	require.Contains(t, metrics, "11-24 03")
	require.Equal(t, 1, api.logged(testutil.LevelInfo, "the report shows newer calls again, up to 2026-11-24 08:00"))
	require.Equal(t, 1, api.logged(levelWarn, ""))
}

//promise:silence
//promise:late
func TestOperationWithoutCallsIsLogged(t *testing.T) {
	api := newFakeAPI(t)
	api.row = only()
	plugin := api.plugin(nil, withBackfill(72*time.Hour))
	api.run(plugin, time.Hour)
	require.Zero(t, api.logged(levelWarn, ""))
	api.run(plugin, 5*time.Hour)
	require.Zero(t, api.logged(testutil.LevelInfo, "hours are final"), "silence isn't credible")
	require.Equal(t, 1, api.logged(levelWarn, "the report has shown no calls at all since 2026-11-22T14:20:00-05:00: check that server, token and timezone"))
	require.Equal(t, 1, api.logged(levelWarn, ""))
}

//promise:late
//promise:timezone
func TestCallsAheadOfNowAreLogged(t *testing.T) {
	api := newFakeAPI(t)
	api.skew = 0
	plugin := api.plugin(nil, func(w *WolkvoxIVR) { w.Timezone = "America/Tijuana" })
	api.run(plugin, 2*time.Hour)
	require.Equal(t, 1, api.logged(levelWarn,
		`the report shows calls in hour 2026-11-22 14:00, which is in the future: the time is now 11:20 in timezone = "America/Tijuana"`))
	require.Equal(t, 1, api.logged(levelWarn, ""))
}

//promise:postponed
func TestPostponedHoursAreLogged(t *testing.T) {
	api := newFakeAPI(t)
	api.respond = func(first, last time.Time) *http.Response {
		if bad := time.Date(2026, 11, 12, 10, 0, 0, 0, time.UTC); first.After(bad) || last.Before(bad) {
			return nil
		}
		return responseWith(http.StatusInternalServerError, `{"error": "CORRUPT"}`)
	}
	plugin := api.plugin(nil, withBackfill(20*24*time.Hour))
	metrics, errs := api.run(plugin, 24*time.Hour)
	require.Empty(t, errs, "the latest hours can be read")
	require.Contains(t, metrics, "11-12 09")
	require.Contains(t, metrics, "11-12 11")
	require.NotContains(t, metrics, "11-12 10")
	require.Equal(t, 1, api.logged(levelWarn, `hour 2026-11-12 10:00 is postponed: requests for a single hour fail (the server failed `+
		`(HTTP status 500, "CORRUPT")). The plugin retries at increasing intervals of up to a day`))
	require.Equal(t, 1, api.logged(levelWarn, ""))
	require.EqualValues(t, 1, plugin.stats.postponed.Get())
	require.Zero(t, plugin.stats.backlog.Get())
}

// Minutes may appear later than calls. If they don't, the calls are sent once the hour is below the watermark.
//
//promise:modes
func TestCallsWithoutMinutes(t *testing.T) {
	api := newFakeAPI(t)
	api.row = func(hour time.Time) string {
		minutes := "7.5"
		if name := hour.Format("01-02 15"); name == "11-22 12" || name == "11-22 13" && api.clock.Now().Hour() < 16 {
			minutes = "-"
		}
		return fmt.Sprintf(`{"date": %q, "calls": "7", "ivr_minutes": %q}`, hour.Format("2006-01-02-15"), minutes)
	}
	plugin := api.plugin(nil)
	metrics, _ := api.run(plugin, time.Hour)
	require.NotContains(t, metrics, "11-22 12")
	require.NotContains(t, metrics, "11-22 13")
	metrics, _ = api.run(plugin, 3*time.Hour)
	require.Contains(t, metrics, "11-22 12")
	require.Contains(t, metrics, "11-22 13")
	require.Equal(t, 1, api.logged(levelWarn, "hour 2026-11-22 12:00 has 7 calls but no minutes: sending 0 minutes"))
	require.Equal(t, 1, api.logged(levelWarn, ""))
}

//promise:unreadable
func TestBadRowIsLoggedOnceWhileItLasts(t *testing.T) {
	api := newFakeAPI(t)
	isBad := true
	api.row = func(hour time.Time) string {
		if isBad && hour.Format("01-02 15") == "11-22 13" {
			return rowOf(hour, "none")
		}
		return sevenCalls(hour)
	}
	plugin := api.plugin(nil)
	errorsOf := func() int {
		var acc testutil.Accumulator
		require.NoError(t, plugin.Gather(&acc))
		api.clock.advance(5 * time.Minute)
		return len(acc.Errors)
	}
	require.Equal(t, 1, errorsOf())
	require.Zero(t, errorsOf(), "unchanged")
	isBad = false
	require.Zero(t, errorsOf())
	isBad = true
	require.Equal(t, 1, errorsOf(), "bad again")
}

//promise:quota
func TestIntervalWarning(t *testing.T) {
	for interval, expected := range map[time.Duration][]string{
		0:               nil,
		5 * time.Minute: nil,
		// A day has 12342.9 intervals of 7 seconds.
		7 * time.Second: {"W! [wolkvox_ivr] interval is shorter than wolkvox's minimum of 5m0s: 12342 requests per day require the quota " +
			"of 13 licence(s). Each licence has 1000 requests per day, shared by all tokens of the operation"},
	} {
		api := newFakeAPI(t)
		api.plugin(nil, func(w *WolkvoxIVR) { w.Interval = config.Duration(interval) })
		require.Equal(t, expected, api.log.Warnings())
	}
}

//promise:state
func TestID(t *testing.T) {
	id := func(change func(*WolkvoxIVR)) string {
		plugin, _, _ := newPlugin(t, "http://127.0.0.1:1")
		change(plugin)
		start(t, plugin)
		return plugin.ID()
	}
	same := id(func(*WolkvoxIVR) {})
	require.Equal(t, "inputs.wolkvox_ivr wv0001.wolkvox.com", same)
	require.Equal(t, same, id(func(w *WolkvoxIVR) { w.Token = config.NewSecret([]byte("invented-token-2")) }))
	require.Equal(t, same, id(func(w *WolkvoxIVR) { w.Server = "wv0001.wolkvox.com" }))
	require.Equal(t, same, id(func(w *WolkvoxIVR) { w.Lookback, w.Interval, w.EmptyHours = 0, 0, ZeroEmpty }))
	require.NotEqual(t, same, id(func(w *WolkvoxIVR) { w.Server = "0002" }))
	require.Equal(t, same+" sales", id(func(w *WolkvoxIVR) { w.Operation = "sales" }))
}

//promise:statistics
func TestStatistics(t *testing.T) {
	api := newFakeAPI(t)
	api.skew = -90 * time.Second
	plugin := api.plugin(nil, func(w *WolkvoxIVR) {
		w.Operation = "counted"
		w.Statistics = selfstat.NewCollector(map[string]string{"alias": "invented-alias"})
	})
	_, err := api.gather(plugin)
	require.NoError(t, err)
	api.respond = always(http.StatusInternalServerError, "")
	_, errs := api.run(plugin, 6*time.Hour)
	require.NotEmpty(t, errs)

	fields := make(map[string]interface{})
	for _, m := range selfstat.Metrics() {
		if operation, _ := m.GetTag("operation"); m.Name() == "internal_wolkvox_ivr" && operation == "counted" {
			require.Equal(t, map[string]string{"alias": "invented-alias", "operation": "counted", "source": "wv0001.wolkvox.com"}, m.Tags())
			for name, value := range m.Fields() {
				fields[name] = value
			}
		}
	}
	delete(fields, "api_time_ns")
	expected := map[string]interface{}{"requests": int64(73), "rows": int64(4), "backlog_hours": int64(6), "postponed_hours": int64(0),
		"clock_difference_ns": int64(-90 * time.Second)}
	for _, class := range wolkvox.FailureClasses {
		expected["failures_"+class.Name] = int64(0)
	}
	expected["failures_server"] = int64(72)
	require.Equal(t, expected, fields)
}
