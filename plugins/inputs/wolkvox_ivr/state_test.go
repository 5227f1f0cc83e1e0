package wolkvox_ivr

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
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
		row:   rowOf(7),
	}
	api.url = serve(t, api.answer)
	return api
}

// rowOf makes all rows show these calls.
func rowOf(calls int) func(time.Time) string {
	return func(hour time.Time) string {
		return fmt.Sprintf(`{"date": %q, "calls": "%d", "ivr_minutes": "%d.5"}`, hour.Format("2006-01-02-15"), calls, calls)
	}
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
	for hour := first; hour.Before(last); hour = hour.Add(time.Hour) {
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
func state(t *testing.T, plugin *WolkvoxIVR) []byte {
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
	require.Equal(t, []string{"11-22 11 11-22 14", "10-23 00 11-22 10", "09-22 00 10-22 23"}, requests)
	require.Len(t, metrics, 4+30*24+11+31*24)
	require.Equal(t, []string{"Reading the past: 1475 of 8757 hours done"}, history(logger))

	_, requests = api.gather(plugin)
	require.Equal(t, []string{"11-22 11 11-22 14", "08-22 00 09-21 23", "07-22 00 08-21 23"}, requests)
	require.Len(t, history(logger), 2)

	// A stop in between costs nothing but a longer live window.
	plugin.Stop()
	plugin, logger = api.plugin(state(t, plugin), withBackfill(8760*time.Hour))
	_, requests = api.gather(plugin)
	require.Equal(t, []string{"11-22 07 11-22 14", "06-21 00 07-21 23", "05-21 00 06-20 23"}, requests)

	hours := 1475 + 2*744 + 2*744
	for gathers := 0; hours < 8757; gathers++ {
		require.Less(t, gathers, 3)
		metrics, requests = api.gather(plugin)
		require.Equal(t, "11-22 1", requests[0][:7], "the live window comes first")
		require.LessOrEqual(t, len(requests), 3)
		hours += len(metrics) - 4
	}
	require.Equal(t, 8757, hours)
	require.Equal(t, "11-22 14", requests[len(requests)-1][:8])
	require.Equal(t, "Reading the past: all 5794 hours done", history(logger)[3])

	// Nothing is left, neither now nor after a stop.
	_, requests = api.gather(plugin)
	require.Len(t, requests, 1)
	plugin.Stop()
	plugin, logger = api.plugin(state(t, plugin), withBackfill(8760*time.Hour))
	_, requests = api.gather(plugin)
	require.Len(t, requests, 1)
	require.Empty(t, history(logger))

	// More history can be asked for later.
	plugin.Stop()
	plugin, _ = api.plugin(state(t, plugin), withBackfill(8784*time.Hour))
	_, requests = api.gather(plugin)
	require.Equal(t, []string{"11-21 15 11-22 13"}, requests[1:])
}

func TestOutageIsHealed(t *testing.T) {
	tests := []struct {
		name     string
		lasts    time.Duration
		expected [][]string // requests by gather, once the API works again
		log      []string
	}{
		{"of an hour", time.Hour, [][]string{
			{"11-22 11 11-22 15"},
			{"11-22 12 11-22 15"},
		}, nil},
		{"of three days", 72 * time.Hour, [][]string{
			{"11-24 00 11-25 14", "11-22 11 11-23 23"},
			{"11-25 11 11-25 14"},
		}, []string{"Reading the past: all 37 hours done"}},
		{"of three months", 92 * 24 * time.Hour, [][]string{
			{"02-21 00 02-22 14", "01-21 00 02-20 23", "12-21 00 01-20 23"},
			{"02-22 11 02-22 14", "11-22 11 12-20 23"},
			{"02-22 11 02-22 14"},
		}, []string{"Reading the past: 1488 of 2173 hours done", "Reading the past: all 2173 hours done"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			api := newHourAPI(t)
			plugin, logger := api.plugin(nil)
			api.gather(plugin)
			api.fails = func(time.Time, time.Time) bool { return true }
			api.clock.advance(-5 * time.Minute)
			for range 4 {
				api.clock.advance(tt.lasts / 4)
				_, requests := api.gather(plugin)
				require.Len(t, requests, 1, "nothing but the live window is tried while it fails")
				api.clock.advance(-5 * time.Minute)
			}
			api.fails = func(time.Time, time.Time) bool { return false }

			for i, expected := range tt.expected {
				_, requests := api.gather(plugin)
				require.Equal(t, expected, requests, "gather %d", i+1)
			}
			require.Equal(t, tt.log, history(logger))
		})
	}
}

func TestSleepOfThreeMonthsIsHealed(t *testing.T) {
	api := newHourAPI(t)
	plugin, _ := api.plugin(nil)
	api.gather(plugin)
	api.clock.advance(92 * 24 * time.Hour)
	plugin, logger := api.plugin(state(t, plugin))
	_, requests := api.gather(plugin)
	require.Equal(t, []string{"01-23 00 02-22 14", "12-23 00 01-22 23", "11-22 11 12-22 23"}, requests)
	require.Equal(t, []string{"Reading the past: all 1477 hours done"}, history(logger))

	// The next one is counted anew.
	api.gather(plugin)
	api.clock.advance(40 * 24 * time.Hour)
	_, requests = api.gather(plugin)
	require.Equal(t, []string{"03-04 00 04-03 14", "02-22 11 03-03 23"}, requests)
	require.Equal(t, "Reading the past: all 229 hours done", history(logger)[1])
}

func TestRestart(t *testing.T) {
	api := newHourAPI(t)
	saved, _ := api.plugin(nil, withBackfill(12*24*time.Hour))
	api.gather(saved)
	api.clock.advance(24 * time.Hour)
	api.gather(saved)

	unclean := state(t, saved)
	saved.Stop()
	clean := state(t, saved)

	tests := []struct {
		name     string
		state    []byte
		after    time.Duration
		expected []string
	}{
		{"clean", clean, 0, []string{"11-23 07 11-23 14"}},
		{"clean, much later", clean, 48 * time.Hour, []string{"11-23 07 11-25 14"}},
		{"unclean, the outage before is read again", unclean, 0, []string{"11-23 07 11-23 14", "11-22 11 11-23 06"}},
		{"no state", nil, 0, []string{"11-23 11 11-23 14"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			clock := api.clock
			api.clock = &manualClock{now: clock.now.Add(tt.after)}
			defer func() { api.clock = clock }()
			plugin, _ := api.plugin(tt.state)
			_, requests := api.gather(plugin)
			require.Equal(t, tt.expected, requests)
			_, requests = api.gather(plugin)
			require.Len(t, requests, 1, "and not again")
		})
	}
}

func TestUncleanEndRepeatsHistoryOnce(t *testing.T) {
	api := newHourAPI(t)
	plugin, _ := api.plugin(nil, withBackfill(60*24*time.Hour))
	_, requests := api.gather(plugin)
	require.Equal(t, []string{"11-22 11 11-22 14", "10-23 00 11-22 10", "09-23 14 10-22 23"}, requests)

	// Handed on five minutes before the end.
	plugin, _ = api.plugin(state(t, plugin), withBackfill(60*24*time.Hour))
	_, requests = api.gather(plugin)
	require.Equal(t, []string{"11-22 07 11-22 14", "10-23 00 11-22 06", "09-23 14 10-22 23"}, requests)

	// Handed on more than the lookback before the end.
	for range 38 {
		_, requests = api.gather(plugin)
		require.Len(t, requests, 1)
	}
	plugin, _ = api.plugin(state(t, plugin), withBackfill(60*24*time.Hour))
	_, requests = api.gather(plugin)
	require.Len(t, requests, 1)
}

func TestSetStateRefuses(t *testing.T) {
	plugin, _, _ := newPlugin(t, "http://127.0.0.1:1")
	start(t, plugin)
	require.EqualError(t, plugin.SetState(17), "state has wrong type int")
	require.EqualError(t, plugin.SetState(&progress{Version: 1}), "state has wrong type *wolkvox_ivr.progress")
	require.EqualError(t, plugin.SetState(progress{Version: 2}), "state has version 2, where this version of the plugin reads 1")
	require.EqualError(t, setState(t, plugin, []byte(`{}`)), "state has version 0, where this version of the plugin reads 1")
	require.Equal(t, progress{Version: 1}, plugin.GetState())
}

func TestStateIsACopy(t *testing.T) {
	api := newHourAPI(t)
	plugin, _ := api.plugin(nil, withBackfill(90*24*time.Hour))
	api.gather(plugin)
	before := state(t, plugin)
	saved, ok := plugin.GetState().(progress)
	require.True(t, ok)
	require.False(t, saved.Clean)
	saved.Backlog[0], saved.Recent[0] = window{}, reading{}
	require.Equal(t, string(before), string(state(t, plugin)))
	plugin.Stop()
	require.Contains(t, string(state(t, plugin)), `"clean":true`)
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
		{"omit", func(*WolkvoxIVR) {}, only(rowOf(7), "11-22 12"), []string{"11-22 12 7"}},
		{"zero", zeroEmptyHours, only(rowOf(7), "11-22 12"), []string{"11-22 11 0", "11-22 12 7", "11-22 13 0"}},
		{"nothing at all", zeroEmptyHours, only(nil), []string{"11-22 11 0", "11-22 12 0", "11-22 13 0"}},
		{"running hour", zeroEmptyHours, only(rowOf(7), "11-22 14"), []string{"11-22 11 0", "11-22 12 0", "11-22 13 0", "11-22 14 7"}},
		{"all", zeroEmptyHours, rowOf(7), []string{"11-22 11 7", "11-22 12 7", "11-22 13 7", "11-22 14 7"}},
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

func TestEmptyHoursBeforeHistory(t *testing.T) {
	api := newHourAPI(t)
	api.row = only(rowOf(7), "10-01 05", "11-22 12") // and nothing before
	plugin, _ := api.plugin(nil, zeroEmptyHours, withBackfill(90*24*time.Hour))

	// The year's third window begins with October's row: the second, empty, is filled when that is known.
	metrics, requests := api.gather(plugin)
	require.Equal(t, []string{"11-22 11 11-22 14", "10-23 00 11-22 10", "09-22 00 10-22 23"}, requests)
	lines := brief(t, metrics)
	require.Equal(t, []string{"11-22 11 0", "11-22 12 7", "11-22 13 0", "10-01 05 7", "10-01 06 0"}, lines[:5])
	require.Equal(t, "11-22 10 0", lines[len(lines)-1])
	require.Len(t, lines, 3+52*24+6)

	metrics, requests = api.gather(plugin)
	require.Equal(t, []string{"11-22 11 11-22 14", "08-24 14 09-21 23"}, requests)
	require.Len(t, metrics, 3, "no zeros before the first row")
}

// TestEmptyHoursThatWereNotRead has history begin on 18 November, and something wrong two days later. The API allows a
// day at once, so that what comes after has been read as empty before it is known that there is history.
func TestEmptyHoursThatWereNotRead(t *testing.T) {
	good := only(rowOf(7), "11-18 05", "11-22 12")
	bad := func(format string) func(time.Time) string {
		return func(hour time.Time) string {
			if hour.Format("01-02 15") == "11-20 09" {
				return hour.Format(format)
			}
			return good(hour)
		}
	}
	all := 19 + 3*24 + 14
	tests := []struct {
		name     string
		failing  string // day that fails
		row      func(time.Time) string
		empty    string // hours that must not become zeros begin so
		expected int    // hours in the database
	}{
		{"nothing wrong", "", good, "11-18 04", all},
		{"a day that fails", "11-20", good, "11-20", all - 24},
		{"an unreadable row", "", bad(`{"date": "2006-01-02-15", "calls": "many", "ivr_minutes": "1"}`), "11-20 09", all - 1},
		{"an unreadable hour", "", bad(`{"date": "January", "calls": "1", "ivr_minutes": "1"}`), "11-20", all - 24},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			api := newHourAPI(t)
			api.row = tt.row
			api.fails = func(first, last time.Time) bool {
				return first.Day() != last.Day() || first.Format("01-02") == tt.failing
			}
			plugin, _ := api.plugin(nil, zeroEmptyHours, withBackfill(5*24*time.Hour))
			database := make(map[string]bool)
			for range 20 {
				var acc testutil.Accumulator
				if err := plugin.Gather(&acc); err != nil {
					t.Log(err) // where it is to fail is for the database to show
				}
				api.clock.advance(time.Minute)
				for _, line := range brief(t, acc.GetTelegrafMetrics()) {
					database[line] = true
				}
			}
			require.True(t, database["11-18 05 7"])
			require.True(t, database["11-22 12 7"])
			for line := range database {
				require.False(t, strings.HasPrefix(line, tt.empty), line)
			}
			require.Len(t, database, tt.expected)
		})
	}
}

// TestZerosOfRepeatedHours has an hour come twice that the report lists once, or not at all.
func TestZerosOfRepeatedHours(t *testing.T) {
	for _, calls := range []int{0, 7} {
		api := newHourAPI(t)
		api.clock.now = at(t, "2026-10-25T05:10:00+01:00")
		api.row = func(time.Time) string { return "" }
		if calls > 0 {
			api.row = only(rowOf(calls), "10-25 02")
		}
		plugin, _ := api.plugin(nil, zeroEmptyHours, func(w *WolkvoxIVR) {
			w.Timezone = "Europe/Madrid"
			w.Lookback = config.Duration(5 * time.Hour)
		})
		metrics, _ := api.gather(plugin)
		var lines []string
		for _, m := range metrics {
			lines = append(lines, fmt.Sprint(show(m.Time(), zone(t, "Europe/Madrid")), " ", m.Fields()["calls"]))
		}
		require.Equal(t, []string{
			"2026-10-25T01:00:00+02:00 0",
			fmt.Sprintf("2026-10-25T02:00:00+02:00 %d", calls),
			"2026-10-25T03:00:00+01:00 0",
			"2026-10-25T04:00:00+01:00 0",
		}, lines)
	}
}

func TestCurrentHourOmitted(t *testing.T) {
	omit := func(w *WolkvoxIVR) { w.CurrentHour = "omit" }
	api := newHourAPI(t)
	plugin, _ := api.plugin(nil, omit)
	metrics, requests := api.gather(plugin)
	require.Equal(t, []string{"11-22 11 11-22 13"}, requests)
	require.Len(t, metrics, 3)

	// Without lookback there is something to ask for only when an hour has ended.
	plugin, _ = api.plugin(nil, omit, func(w *WolkvoxIVR) { w.Lookback = 0 })
	for range 7 {
		_, requests = api.gather(plugin)
		require.Empty(t, requests)
	}
	_, requests = api.gather(plugin)
	require.Equal(t, []string{"11-22 14 11-22 14"}, requests)
	_, requests = api.gather(plugin)
	require.Empty(t, requests)
}

// TestNoOlderTotalOverwrites has an hour's calls grow until an hour after its end, and everything fail now and then.
func TestNoOlderTotalOverwrites(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 1))
	api := newHourAPI(t)
	bogota := zone(t, "America/Bogota")
	total := func(hour time.Time) int {
		start := time.Date(hour.Year(), hour.Month(), hour.Day(), hour.Hour(), 0, 0, 0, bogota)
		return int(min(api.clock.Now().Sub(start), 2*time.Hour) / time.Second)
	}
	api.row = func(hour time.Time) string { return rowOf(total(hour))(hour) }
	api.fails = func(time.Time, time.Time) bool { return dice.IntN(3) == 0 }

	largest := make(map[int64]int64) // by the hour's second
	plugin, _ := api.plugin(nil, withBackfill(40*24*time.Hour))
	for range 1000 {
		metrics, _ := api.gather(plugin)
		for _, m := range metrics {
			calls, ok := m.Fields()["calls"].(int64)
			require.True(t, ok)
			require.GreaterOrEqual(t, calls, largest[m.Time().Unix()], m.Time())
			largest[m.Time().Unix()] = calls
		}
		switch dice.IntN(20) {
		case 0:
			api.clock.advance(time.Duration(dice.Int64N(int64(40 * time.Hour))))
		case 1:
			plugin.Stop()
			plugin, _ = api.plugin(state(t, plugin), withBackfill(40*24*time.Hour))
		case 2:
			plugin, _ = api.plugin(state(t, plugin), withBackfill(40*24*time.Hour))
		}
	}
	api.fails = func(time.Time, time.Time) bool { return false }
	for range 10 {
		metrics, _ := api.gather(plugin)
		for _, m := range metrics {
			largest[m.Time().Unix()] = m.Fields()["calls"].(int64)
		}
	}
	now := api.clock.Now()
	settled := 0
	for hour := at(t, "2026-11-22T11:00:00-05:00").AddDate(0, 0, -39); hour.Before(now.Add(-3 * time.Hour)); hour = hour.Add(time.Hour) {
		require.Equal(t, int64(7200), largest[hour.Unix()], hour)
		settled++
	}
	require.Greater(t, settled, 40*24)
}

func TestFailingDayIsLeftForLater(t *testing.T) {
	api := newHourAPI(t)
	poison := time.Date(2026, 10, 30, 0, 0, 0, 0, time.UTC)
	api.fails = func(first, last time.Time) bool {
		return !first.After(poison.Add(23*time.Hour)) && !last.Before(poison)
	}
	plugin, logger := api.plugin(nil, withBackfill(60*24*time.Hour))
	read := make(map[string]bool)
	for gathers := 1; plugin.progress.backlogHours() != 24; gathers++ {
		require.LessOrEqual(t, gathers, 15, "windows must grow again")
		metrics, requests := api.gather(plugin)
		require.Equal(t, "11-22 1", requests[0][:7], "the live window comes first")
		for _, m := range metrics {
			read[m.Time().In(zone(t, "America/Bogota")).Format("01-02")] = true
		}
	}
	require.Len(t, read, 60, "all days but one")
	require.False(t, read["10-30"])

	api.fails = func(time.Time, time.Time) bool { return false }
	for range 2 {
		api.gather(plugin)
	}
	require.Zero(t, plugin.progress.backlogHours())
	lines := history(logger)
	require.Equal(t, "Reading the past: all 1437 hours done", lines[len(lines)-1])
}

func TestHistoryWaitsWhereTimeIsUp(t *testing.T) {
	api := newHourAPI(t)
	plugin, logger := api.plugin(nil, withBackfill(60*24*time.Hour))
	plugin.Interval = 1
	plugin.historyEnd = bogotaTime(t, "11-03 00")
	_, requests := api.gather(plugin)
	require.Equal(t, []string{"11-22 11 11-22 14"}, requests)
	require.Empty(t, history(logger))
	require.Equal(t, bogotaTime(t, "11-03 00"), plugin.historyEnd, "what fails is still left for later")
}

// TestStateOfAnotherTimeZone makes sure that windows saved under one zone aren't asked for off another one's hours.
func TestStateOfAnotherTimeZone(t *testing.T) {
	api := newHourAPI(t)
	plugin, _ := api.plugin(nil, withBackfill(90*24*time.Hour), zeroEmptyHours)
	api.gather(plugin)
	plugin, _ = api.plugin(state(t, plugin), withBackfill(90*24*time.Hour), zeroEmptyHours, func(w *WolkvoxIVR) { w.Timezone = "Asia/Kolkata" })
	for range 3 {
		metrics, _ := api.gather(plugin)
		for _, m := range metrics {
			require.Equal(t, ":00:00", m.Time().In(zone(t, "Asia/Kolkata")).Format(":04:05"))
		}
	}
	require.Zero(t, plugin.progress.backlogHours())
}

// runningClock shows the real time, with what Go adds to measure elapsed time.
type runningClock struct{ manualClock }

func (*runningClock) Now() time.Time { return time.Now() }

func TestHoursGoByTheWallClock(t *testing.T) {
	api := newHourAPI(t)
	plugin, _ := api.plugin(nil, withBackfill(90*24*time.Hour), func(w *WolkvoxIVR) { w.Clock = &runningClock{} })
	_, requests := api.gather(plugin)
	require.Len(t, requests, 3)
	s := plugin.progress
	instants := []time.Time{s.Covered, s.Since, s.First, s.Recent[0].At, s.Recent[0].From, s.Recent[0].To, s.Backlog[0].From, s.Backlog[0].To}
	for _, instant := range instants {
		require.NotContains(t, instant.String(), "m=", "it must not matter to the state that the clock is set")
	}
}

func TestPauseOfAClockThatWasAhead(t *testing.T) {
	api := newHourAPI(t)
	plugin, _ := api.plugin(nil)
	plugin.pausedUntil = api.clock.Now().Add(25 * time.Hour)
	_, requests := api.gather(plugin)
	require.Empty(t, requests)
	plugin.pausedUntil = api.clock.Now().Add(25*time.Hour + time.Second)
	_, requests = api.gather(plugin)
	require.Len(t, requests, 1)
}

func TestClockSetBack(t *testing.T) {
	api := newHourAPI(t)
	plugin, _ := api.plugin(nil)
	api.gather(plugin)
	api.clock.advance(60 * 24 * time.Hour)
	api.gather(plugin)
	api.clock.advance(-50 * 24 * time.Hour)
	_, requests := api.gather(plugin)
	require.Equal(t, []string{"11-22 11 12-02 14"}, requests, "all since the first start, up to the running hour")
	_, requests = api.gather(plugin)
	require.Equal(t, []string{"12-02 11 12-02 14"}, requests)
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
		var s progress
		require.NoError(t, json.Unmarshal(state(t, plugin), &s))
		for _, w := range s.Backlog {
			require.True(t, w.From.Before(w.To))
		}
	}
	require.Zero(t, plugin.progress.backlogHours())
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
