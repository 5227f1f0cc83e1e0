package wolkvox_ivr

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/config"
	"github.com/influxdata/telegraf/testutil"
)

// hourAPI answers with one row for each hour asked for. It fails the test if a request is off the hour or spans too much.
type hourAPI struct {
	t     *testing.T
	url   string
	clock *manualClock

	mu       sync.Mutex
	requests []string                          // "MM-DD HH MM-DD HH", first and last hour
	fails    func(first, last time.Time) bool  // which requests are answered by an error
	row      func(hour time.Time) (row string) // of an hour, in UTC as the report names it; "" for none
}

func newHourAPI(t *testing.T) *hourAPI {
	t.Helper()
	api := &hourAPI{
		t:     t,
		clock: newClock(t, "2026-11-22T14:20:00-05:00"),
		fails: func(time.Time, time.Time) bool { return false },
		row:   rowOfSeven,
	}
	api.url = serve(t, api.answer)
	return api
}

// rowOfSeven is a row of seven calls.
func rowOfSeven(hour time.Time) string {
	return fmt.Sprintf(`{"date": %q, "calls": "7", "ivr_minutes": "7.5"}`, hour.Format("2006-01-02-15"))
}

func (a *hourAPI) answer(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	first, err := time.Parse("20060102150405", r.URL.Query().Get("date_ini"))
	if err != nil || first.Format("0405") != "0000" {
		a.t.Errorf("starts off the hour: %s", r.URL.RawQuery)
	}
	last, err := time.Parse("20060102150405", r.URL.Query().Get("date_end"))
	if err != nil || last.Format("0405") != "5959" || !first.Before(last) {
		a.t.Errorf("ends off the hour: %s", r.URL.RawQuery)
	}
	if last.Truncate(24*time.Hour).Sub(first.Truncate(24*time.Hour)) > 30*24*time.Hour {
		a.t.Errorf("spans more than 31 days: %s", r.URL.RawQuery)
	}
	a.requests = append(a.requests, first.Format("01-02 15")+" "+last.Format("01-02 15"))
	if a.fails(first, last) {
		http.Error(w, "INVENTED FAILURE", http.StatusBadRequest) // which isn't tried again
		return
	}
	var rows []string
	running := a.clock.Now().Add(-5 * time.Hour).UTC() // as Bogota's clock names it
	for hour := first; hour.Before(last) && !hour.After(running); hour = hour.Add(time.Hour) {
		if row := a.row(hour); row != "" {
			rows = append(rows, row)
		}
	}
	say(http.StatusOK, `{"code": 200, "error": null, "msg": "", "data": [`+strings.Join(rows, ",")+`]}`)(w, r)
}

// taken returns the requests since it was called before.
func (a *hourAPI) taken() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	requests := a.requests
	a.requests = nil
	return requests
}

// plugin starts a plugin that asks the API, with the state that another one saved, if any.
func (a *hourAPI) plugin(state []byte, set ...func(*WolkvoxIVR)) (*WolkvoxIVR, *testutil.CaptureLogger) {
	a.t.Helper()
	plugin, _, logger := newPlugin(a.t, a.url)
	plugin.Clock = a.clock
	for _, change := range set {
		change(plugin)
	}
	require.NoError(a.t, plugin.Init())
	a.t.Cleanup(plugin.Stop)
	if state != nil {
		require.NoError(a.t, setState(a.t, plugin, state))
	}
	require.NoError(a.t, plugin.Start(nil))
	return plugin, logger
}

// gather gathers and lets five minutes go by. It returns the metrics, and the requests made.
func (a *hourAPI) gather(plugin *WolkvoxIVR) ([]telegraf.Metric, []string) {
	a.t.Helper()
	var acc testutil.Accumulator
	if err := plugin.Gather(&acc); err != nil {
		a.t.Log(err) // where it is to fail is for the requests to show
	}
	require.Empty(a.t, acc.Errors)
	a.clock.advance(5 * time.Minute)
	return acc.GetTelegrafMetrics(), a.taken()
}

// state returns what is saved of a plugin, as Telegraf does it.
func saved(t *testing.T, plugin *WolkvoxIVR) []byte {
	t.Helper()
	content, err := json.Marshal(plugin.GetState())
	require.NoError(t, err)
	return content
}

// setState gives a plugin what was saved, as Telegraf does it.
func setState(t *testing.T, plugin *WolkvoxIVR, content []byte) error {
	t.Helper()
	target := reflect.New(reflect.TypeOf(plugin.GetState()))
	require.NoError(t, json.Unmarshal(content, target.Interface()))
	return plugin.SetState(target.Elem().Interface())
}

// history returns the lines about the past in a log.
func history(logger *testutil.CaptureLogger) []string {
	var lines []string
	for _, entry := range logger.Messages() {
		if entry.Level == testutil.LevelInfo && strings.HasPrefix(entry.Text, "Reading the past") {
			lines = append(lines, entry.Text)
		}
	}
	return lines
}

func withBackfill(d time.Duration) func(*WolkvoxIVR) {
	return func(w *WolkvoxIVR) { w.Backfill = config.Duration(d) }
}

func zeroEmptyHours(w *WolkvoxIVR) { w.EmptyHours = "zero" }

func TestBackfillOfAYear(t *testing.T) {
	api := newHourAPI(t)
	plugin, logger := api.plugin(nil, withBackfill(8760*time.Hour))

	metrics, requests := api.gather(plugin)
	require.Equal(t, []string{"11-22 11 11-22 23", "10-23 00 11-22 10", "09-22 00 10-22 23"}, requests)
	require.Len(t, metrics, 4+30*24+11+31*24)
	require.Equal(t, []string{"Reading the past: 1475 of 8757 hours done"}, history(logger))

	_, requests = api.gather(plugin)
	require.Equal(t, []string{"11-22 11 11-22 23", "08-22 00 09-21 23", "07-22 00 08-21 23"}, requests)
	require.Len(t, history(logger), 2)

	// A stop in between costs nothing but the latest hours once more.
	plugin.Stop()
	plugin, _ = api.plugin(saved(t, plugin), withBackfill(8760*time.Hour))
	_, requests = api.gather(plugin)
	require.Equal(t, []string{"11-22 11 11-22 23", "11-22 08 11-22 10", "06-21 00 07-21 23"}, requests)

	hours := 1475 + 2*744 + 744
	for gathers := 0; hours < 8757; gathers++ {
		require.Less(t, gathers, 4)
		metrics, requests = api.gather(plugin)
		require.Equal(t, "11-22 1", requests[0][:7], "the latest hours come first")
		require.LessOrEqual(t, len(requests), 3)
		hours += len(metrics) - 4
	}
	require.Equal(t, 8757, hours)
	require.Equal(t, "11-22 14", requests[len(requests)-1][:8])

	// Nothing is left, neither now nor after a stop.
	_, requests = api.gather(plugin)
	require.Len(t, requests, 1)
	plugin.Stop()
	plugin, logger = api.plugin(saved(t, plugin), withBackfill(8760*time.Hour))
	for range 2 {
		_, requests = api.gather(plugin)
		require.LessOrEqual(t, len(requests), 2)
	}
	require.Len(t, requests, 1)
	require.LessOrEqual(t, len(history(logger)), 1)

	// More history can be asked for later.
	plugin.Stop()
	plugin, _ = api.plugin(saved(t, plugin), withBackfill(9000*time.Hour))
	_, requests = api.gather(plugin)
	require.Contains(t, requests, "11-12 14 11-22 13")
}

func TestSetStateRefuses(t *testing.T) {
	plugin, _, _ := newPlugin(t, "http://127.0.0.1:1")
	start(t, plugin)
	const reads = ", where this version of the plugin reads 1 and 2"
	require.EqualError(t, plugin.SetState(17), "state has wrong type int")
	require.EqualError(t, plugin.SetState(&state{}), "state has wrong type *wolkvox_ivr.state")
	for content, expected := range map[string]string{
		`{}`: "state has version 0" + reads, `{"version": 3}`: "state has version 3" + reads, `{"version": "2"}`: "cannot unmarshal string",
		`[]`: "cannot unmarshal array",
	} {
		require.ErrorContains(t, json.Unmarshal([]byte(content), &state{}), expected)
	}
	require.Equal(t, state{ledger: newLedger()}, plugin.GetState())
}

func TestStateIsACopy(t *testing.T) {
	api := newHourAPI(t)
	plugin, _ := api.plugin(nil, withBackfill(90*24*time.Hour))
	api.gather(plugin)
	before := saved(t, plugin)
	copied, ok := plugin.GetState().(state)
	require.True(t, ok)
	require.False(t, copied.Clean)
	copied.Final[0], copied.Recent[0] = window{}, reading{}
	require.Equal(t, string(before), string(saved(t, plugin)))
	plugin.Stop()
	require.Contains(t, string(saved(t, plugin)), `"clean":true`)
}

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
	require.Equal(t, same, id(func(w *WolkvoxIVR) { w.Timeout = config.Duration(time.Second) }))
	require.Equal(t, same, id(func(w *WolkvoxIVR) { w.Server = "wv0001.wolkvox.com" }))
	require.Equal(t, same, id(func(w *WolkvoxIVR) { w.Lookback, w.Interval, w.EmptyHours = 0, 0, "zero" }))
	require.NotEqual(t, same, id(func(w *WolkvoxIVR) { w.Server = "0002" }))
	require.Equal(t, same+" sales", id(func(w *WolkvoxIVR) { w.Operation = "sales" }))
}

// brief writes metrics as "MM-DD HH calls", in Bogota's time.
func brief(t *testing.T, metrics []telegraf.Metric) []string {
	t.Helper()
	lines := make([]string, 0, len(metrics))
	for _, m := range metrics {
		calls, ok := m.GetField("calls")
		require.True(t, ok)
		local := m.Time().In(zone(t, "America/Bogota"))
		hour, _ := m.GetTag("hour")
		require.Equal(t, local.Format("15:00:00"), hour+":00:00")
		lines = append(lines, fmt.Sprintf("%s %v", local.Format("01-02 15"), calls))
	}
	return lines
}

// only keeps the rows of some hours, such as "11-22 12".
func only(row func(time.Time) string, hours ...string) func(time.Time) string {
	return func(hour time.Time) string {
		for _, h := range hours {
			if hour.Format("01-02 15") == h {
				return row(hour)
			}
		}
		return ""
	}
}

func TestEmptyHours(t *testing.T) {
	tests := []struct {
		name     string
		set      func(*WolkvoxIVR)
		row      func(time.Time) string
		expected []string
	}{
		{"omit", func(*WolkvoxIVR) {}, only(rowOfSeven, "11-22 12"), []string{"11-22 12 7"}},
		{"zero", zeroEmptyHours, only(rowOfSeven, "11-22 12"), []string{"11-22 11 0", "11-22 12 7", "11-22 13 0"}},
		{"nothing at all", zeroEmptyHours, only(nil), []string{"11-22 11 0", "11-22 12 0", "11-22 13 0"}},
		{"running hour", zeroEmptyHours, only(rowOfSeven, "11-22 14"), []string{"11-22 11 0", "11-22 12 0", "11-22 13 0", "11-22 14 7"}},
		{"all", zeroEmptyHours, rowOfSeven, []string{"11-22 11 7", "11-22 12 7", "11-22 13 7", "11-22 14 7"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			api := newHourAPI(t)
			api.row = tt.row
			plugin, _ := api.plugin(nil, tt.set)
			metrics, _ := api.gather(plugin)
			require.Equal(t, tt.expected, brief(t, metrics))
		})
	}

	t.Run("failure", func(t *testing.T) {
		api := newHourAPI(t)
		api.fails = func(time.Time, time.Time) bool { return true }
		plugin, _ := api.plugin(nil, zeroEmptyHours)
		metrics, _ := api.gather(plugin)
		require.Empty(t, metrics)
	})
}

func TestHoursSent(t *testing.T) {
	for hours, expected := range map[string][]string{
		"all":   {"11-22 11 7", "11-22 12 7", "11-22 13 7", "11-22 14 7"},
		"ended": {"11-22 11 7", "11-22 12 7", "11-22 13 7"},
		"final": {},
	} {
		api := newHourAPI(t)
		plugin, _ := api.plugin(nil, func(w *WolkvoxIVR) { w.Hours = hours })
		metrics, _ := api.gather(plugin)
		require.Equal(t, expected, brief(t, metrics), hours)
	}

	// Each hour once, lookback after its end, and not again after an orderly stop.
	api := newHourAPI(t)
	final := func(w *WolkvoxIVR) { w.Hours = "final" }
	plugin, _ := api.plugin(nil, final)
	var lines []string
	for n := range 48 {
		if n == 20 {
			plugin.Stop()
			plugin, _ = api.plugin(saved(t, plugin), final)
		}
		metrics, _ := api.gather(plugin)
		lines = append(lines, brief(t, metrics)...)
	}
	require.Equal(t, []string{"11-22 11 7", "11-22 12 7", "11-22 13 7", "11-22 14 7"}, lines)
}

// runningClock shows the real time, with what Go adds to measure elapsed time.
type runningClock struct{ manualClock }

func (*runningClock) Now() time.Time { return time.Now() }

func TestHoursGoByTheWallClock(t *testing.T) {
	api := newHourAPI(t)
	plugin, _ := api.plugin(nil, withBackfill(90*24*time.Hour), func(w *WolkvoxIVR) { w.Clock = &runningClock{} })
	_, requests := api.gather(plugin)
	require.Len(t, requests, 3)
	l := plugin.ledger
	for _, instant := range []time.Time{l.Started, l.Seen, l.First, l.Newest, l.Final[0].From, l.Final[0].To, l.Recent[0].At} {
		require.NotContains(t, instant.String(), "m=", "it must not matter to the state that the clock is set")
	}
}

func TestPauseOfAClockThatWasAhead(t *testing.T) {
	api := newHourAPI(t)
	plugin, _ := api.plugin(nil)
	plugin.pause = pause{api.clock.Now().Add(25 * time.Hour), errRedirect}
	_, requests := api.gather(plugin)
	require.Empty(t, requests)
	plugin.pause.until = api.clock.Now().Add(25*time.Hour + time.Second)
	_, requests = api.gather(plugin)
	require.Len(t, requests, 2, "the running hour, after a failure, and all that is due")
}

func TestStateIsSavedWhileGathering(t *testing.T) {
	api := newHourAPI(t)
	plugin, _ := api.plugin(nil, withBackfill(8760*time.Hour))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 8 {
			_, _ = api.gather(plugin)
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		var s state
		require.NoError(t, json.Unmarshal(saved(t, plugin), &s))
		for _, w := range s.Final {
			require.True(t, w.From.Before(w.To))
		}
	}
	require.Empty(t, plugin.scope.missing(plugin.ledger, api.clock.Now().Add(-5*time.Minute)))
}

func TestBadRowIsSaidOnceWhileItLasts(t *testing.T) {
	t.Parallel()
	api := newHourAPI(t)
	bad := true
	api.row = func(hour time.Time) string {
		calls := "1"
		if bad && hour.Hour() == 13 { // of the live window, and of each day of the history that is read meanwhile
			calls = "none on " + hour.Format(time.DateOnly)
		}
		return fmt.Sprintf(`{"date": %q, "calls": %q, "ivr_minutes": "1"}`, hour.Format("2006010215"), calls)
	}
	plugin, _ := api.plugin(nil, func(w *WolkvoxIVR) { w.Backfill = config.Duration(4 * 31 * 24 * time.Hour) })
	timesSaid := func() (times int) {
		var acc testutil.Accumulator
		require.NoError(t, plugin.Gather(&acc))
		api.clock.advance(5 * time.Minute)
		for _, err := range acc.Errors {
			times += strings.Count(err.Error(), "none on 2026-11-22")
		}
		return times
	}
	require.Equal(t, 1, timesSaid())
	require.Zero(t, timesSaid(), "it lasts")
	bad = false
	require.Zero(t, timesSaid())
	bad = true
	require.Equal(t, 1, timesSaid(), "it comes again")
}
