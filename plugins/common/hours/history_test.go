package hours

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Two failures of history narrow its window, even if each is followed by as many general ones as end its turn.
//
//promise:postponed
func TestHistoryIsNarrowedBetweenGeneralFailures(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 40 * Day * time.Hour })
	now := start
	var history []Request
	for len(history) < 2*(1+patience)+1 {
		p.Start(now)
		q := p.Next(now)
		if q.IsLive() {
			respond(p, q, now, everyHour)
		} else {
			history = append(history, q)
			p.Fail(q, now, len(history)%(1+patience) != 1)
		}
		now = now.Add(5 * time.Minute)
	}
	last := history[len(history)-1].Window.Hours()
	require.Equal(t, longestWindow/Day/2*Day, last, "hours after two failures and six general ones")
}

// After three failures that any request would have met, such as lost connections, it is the live window's turn.
//
//promise:postponed
func TestGeneralFailuresOfHistory(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 40 * Day * time.Hour })
	now := forward(p, start, 1)
	var turns []bool
	for range 5 {
		q := p.Next(now)
		turns = append(turns, q.IsLive())
		p.Fail(q, now, true)
	}
	require.Equal(t, []bool{false, false, false, true, true}, turns)
}

// The day after a window is left out if both together are too wide.
//
//promise:postponed
func TestDayAfterAWindowThatIsTooWide(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 20 * Day * time.Hour })
	now := forward(p, start, 30)
	require.Empty(t, p.openHours(p.liveWindow(now).From, now))
	open := HourOf(2026, 11, 15, 12)
	p.readAgain(Window{open - 6*Day, open + 1})
	p.Shown = Set{{open - 6*Day, open + 3*Day}}
	p.TooWide = TooWide{3 * Day, now.Add(time.Hour), time.Hour}
	q, found := p.NextHistory(now)
	require.True(t, found)
	require.Equal(t, "2026-11-14 00:00 to 2026-11-15 23:00", q.Window.String())
	p.TooWide = TooWide{}
	q, _ = p.NextHistory(now)
	require.Equal(t, "2026-11-16 23:00", (q.Window.To - 1).String())
}

// A request takes older open hours along, up to its width or to hours that fail.
//
//promise:backfill
func TestOpenHoursOfARequest(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 20 * Day * time.Hour })
	now := forward(p, start, 30)
	day := HourOf(2026, 11, 15, 0)
	for _, h := range []Hour{day, day - 2*Day, day - 4*Day, day - 9*Day} {
		p.Final = p.Final.Remove(Window{h, h + 1})
	}
	p.Width, p.Shown = 6*Day, nil
	request := func() string {
		q, found := p.NextHistory(now)
		require.True(t, found)
		return q.Window.String()
	}
	require.Equal(t, "2026-11-11 00:00 to 2026-11-15 23:00", request())
	p.Width = 3 * Day
	require.Equal(t, "2026-11-13 00:00 to 2026-11-15 23:00", request())
	fails := func(from, to Hour) *Postponed { return newPostponed(Window{day + from, day + to}, Fails, now) }
	p.Postponed = []*Postponed{fails(-3*Day, -2*Day-1), fails(-5*Day, -5*Day+1), fails(Day, 2*Day)}
	p.Width = 6 * Day
	require.Equal(t, "2026-11-13 00:00 to 2026-11-15 23:00", request())
	p.Postponed = []*Postponed{fails(-3, 0)}
	require.Equal(t, "2026-11-15 00:00 to 2026-11-15 23:00", request())
	p.Width = 12
	require.Equal(t, "2026-11-15 00:00 to 2026-11-15 00:00", request())
}

// While the live window is the running hour alone, history requests today by itself, as the API may store it elsewhere.
//
//promise:postponed
func TestTodayAsHistory(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 5 * Day * time.Hour })
	late := start.Add(9 * time.Hour)
	p.Start(late)
	p.form = runningHour
	q, found := p.NextHistory(late)
	require.True(t, found)
	require.Equal(t, "2026-11-22 00:00 to 2026-11-22 23:00", q.Window.String())
}

// A successful retry ends a failure, even without a reading. A failed retry doubles the pause.
//
//promise:postponed
func TestRetries(t *testing.T) {
	for name, tt := range map[string]struct {
		reason Reason
		result Result
		again  bool
	}{
		"works":                 {Fails, Result{}, false},
		"is not credible":       {Doubtful, Result{}, true},
		"brings a reading":      {Doubtful, Result{isNew: true}, false},
		"brings one, of failed": {Fails, Result{isNew: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlanner(func(o *Options) { o.Backfill = 20 * Day * time.Hour })
			p.Start(start)
			d := newPostponed(Window{p.begin() + 10, p.begin() + 20}, tt.reason, start)
			other := newPostponed(Window{p.begin(), p.begin() + 1}, tt.reason, start)
			p.Postponed = []*Postponed{d, other}
			p.Final = Set{{p.begin() + 10, p.begin() + 12}}
			due := d.Due
			p.recorded(Request{Window: Window{p.begin() + 19, p.begin() + 20}, purpose: retry, of: d}, &tt.result, due)
			require.Contains(t, p.Postponed, other)
			require.Len(t, p.Postponed, map[bool]int{true: 2, false: 1}[tt.again])
			if tt.again {
				require.Equal(t, &Postponed{
					From: p.begin() + 12, To: p.begin() + 20, Reason: tt.reason, Since: start,
					Due: due.Add(2 * time.Hour), Pause: 2 * time.Hour, Tries: 1, FailingFrom: p.begin() + 12,
				}, p.Postponed[1])
			}
		})
	}
}

// Adjacent doubtful hours are postponed as one range, with the earliest Since. Hours that fail stay separate.
//
//promise:postponed
func TestPostponedHoursThatTouch(t *testing.T) {
	p := newPlanner(nil)
	h := HourOf(2026, 11, 1, 0)
	p.Postponed = []*Postponed{newPostponed(Window{h + 5, h + 6}, Fails, start)}
	p.postpone([]Hour{h + 3, h + 4}, start)
	later := start.Add(time.Hour)
	p.postpone([]Hour{h + 2, h + 8, h + 12}, later)
	p.postpone([]Hour{h + 9}, later.Add(time.Hour))
	p.postpone([]Hour{h + 20}, start)
	p.postpone([]Hour{h + 22}, later)
	p.postpone([]Hour{h + 21}, later.Add(time.Hour))
	windows := make(map[string]time.Time)
	for _, d := range p.Postponed {
		windows[string(d.Reason)+" "+d.window().String()] = d.Since
		require.Equal(t, d.From, d.FailingFrom)
	}
	require.Equal(t, map[string]time.Time{
		"fails 2026-11-01 05:00 to 2026-11-01 05:00":    start,
		"doubtful 2026-11-01 02:00 to 2026-11-01 04:00": start,
		"doubtful 2026-11-01 08:00 to 2026-11-01 09:00": later,
		"doubtful 2026-11-01 12:00 to 2026-11-01 12:00": later,
		"doubtful 2026-11-01 20:00 to 2026-11-01 22:00": start,
	}, windows)
}

// The part of postponed hours that is retried is no wider than a run of rows, smaller each time, and finds each hour that works again.
//
//promise:postponed
func TestRetryWindow(t *testing.T) {
	for _, widestRun := range []int{0, 5, 1000} {
		d := newPostponed(Window{1000, 1030}, Doubtful, start)
		var tried Set
		for ; d.Tries < 200; d.Tries++ {
			w := d.retryWindow(widestRun)
			require.Equal(t, w, w.intersect(d.window()))
			require.Equal(t, max(min(widestRun, 30)>>d.Tries, 1), w.Hours())
			tried = tried.Add(w)
		}
		require.Equal(t, Set{d.window()}, tried)
	}
}

// A failing range skips as many older hours as are known to fail, and stops at one that is not open.
//
//promise:postponed
func TestSkippedHours(t *testing.T) {
	d := newPostponed(Window{1000, 1001}, Fails, start)
	d.extend(Set{{900, 2000}})
	require.Equal(t, []Hour{997, 999}, []Hour{d.From, d.FailingFrom}, "999 fails too, so two are skipped")
	require.False(t, d.IsBounded())
	d.FailingFrom = d.From
	require.True(t, d.IsBounded())
	d.extend(Set{{995, 2000}})
	require.Equal(t, []Hour{995, 996}, []Hour{d.From, d.FailingFrom})
}

// A window of a day counts as such wherever it lies; a wider one as the days that it touches.
//
//promise:postponed
func TestWideWindows(t *testing.T) {
	h := HourOf(2026, 11, 1, 0)
	require.Equal(t, 24, wideness(Window{h + 5, h + 29}))
	require.Equal(t, 48, wideness(Window{h + 5, h + 30}))
	require.Equal(t, 72, wideness(Window{h + 23, h + 49}))

	p := newPlanner(nil)
	wide, clock := Window{h + 12, h + 40}, start
	require.Equal(t, wide, p.withinDay(wide, clock))
	p.TooWide = TooWide{2 * Day, clock.Add(time.Hour), time.Hour}
	require.Equal(t, Window{h + 24, h + 40}, p.withinDay(wide, clock))
	require.Equal(t, Window{h + 24, h + 30}, p.withinDay(Window{h + 12, h + 30}, clock), "it touches two days")
	require.Equal(t, Window{h + 24, h + 36}, p.withinDay(Window{h + 12, h + 36}, clock))
	clock = clock.Add(time.Hour)
	require.Equal(t, wide, p.withinDay(wide, clock), "it is time to try again")
	require.False(t, p.isTooWide(2*Day, clock.Add(-2*time.Hour)), "a clock was ahead")
}

// Retries and open hours take turns.
//
//promise:postponed
func TestRetriesTakeTurns(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 20 * Day * time.Hour })
	now := forward(p, start, 1)
	for i := range Hour(30) {
		p.Postponed = append(p.Postponed, newPostponed(Window{p.begin() + 10*i, p.begin() + 10*i + 1}, Fails, start.Add(-time.Hour)))
	}
	var purposes []purpose
	for range 6 {
		q, found := p.NextHistory(now)
		require.True(t, found)
		purposes = append(purposes, q.purpose)
		p.hasFailed[false] = true // it is repeated
		p.Fail(q, now, false)
	}
	require.Equal(t, []purpose{retry, past, retry, past, retry, past}, purposes)
}

// Before there are any calls, hours of the last week are read once a day, as the report may be late, and older ones once.
//
//promise:requests
func TestHoursOfAnOperationWithoutCalls(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 20 * Day * time.Hour })
	read := func(now time.Time) (read Set) {
		for range 100 {
			p.Start(now)
			q, found := p.NextHistory(now)
			if !found {
				return read
			}
			read = read.Add(q.Window)
			respond(p, q, now, func(Hour) bool { return false })
		}
		require.Fail(t, "there is no end")
		return nil
	}
	p.Width = 3
	today := p.Calendar.HourAt(start).startOfDay()
	all := read(start)
	require.Equal(t, Set{{p.begin().startOfDay(), today}}, all)
	require.Equal(t, Day, p.Width)
	require.Empty(t, read(start.Add(23*time.Hour)).Within(Window{0, today}))
	again := read(start.Add(48 * time.Hour))
	require.Equal(t, today+2*Day, again[len(again)-1].To)
	require.InDelta(t, 7*Day+14, again.Hours(), Day)
}

// Silence that is not credible because of the window's width narrows it below a day too.
//
//promise:postponed
func TestEmptyWindowsBelowADay(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 48 * time.Hour })
	p.Start(start)
	today := HourOf(2026, 11, 22, 0)
	show(p, Window{today, today + Day}, start, map[Hour]Shown{today + 12: calls})
	p.Width = 12
	q := Request{Window: Window{today + 4, today + 12}, purpose: past}
	p.Record(q, NewResponse(q.Window), start)
	require.Equal(t, 6, p.Width)
}
