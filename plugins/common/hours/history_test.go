package hours

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Two history failures narrow the window, even if enough general failures to end history's turn follow each of them.
//
//promise:postponed
func TestHistoryIsNarrowedBetweenGeneralFailures(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 40 * Day * time.Hour })
	now := start
	var history []Request
	for len(history) < 2*(1+maxGeneralFailures)+1 {
		p.Start(now)
		q := p.Next(now)
		if q.IsLive() {
			respond(p, q, now, everyHour)
		} else {
			history = append(history, q)
			p.Fail(q, now, len(history)%(1+maxGeneralFailures) != 1)
		}
		now = now.Add(5 * time.Minute)
	}
	last := history[len(history)-1].Window.Hours()
	require.Equal(t, longestWindow/Day/2*Day, last, "hours after two failures and six general ones")
}

// After three general failures, such as lost connections, it is the live window's turn.
//
//promise:postponed
func TestGeneralFailuresOfHistory(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 40 * Day * time.Hour })
	now := runGathers(p, start, 1)
	var isLive []bool
	for range 5 {
		q := p.Next(now)
		isLive = append(isLive, q.IsLive())
		p.Fail(q, now, true)
	}
	require.Equal(t, []bool{false, false, false, true, true}, isLive)
}

// A window excludes the day after it if the two together are too wide.
//
//promise:postponed
func TestDayAfterAWindowThatIsTooWide(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 20 * Day * time.Hour })
	now := runGathers(p, start, 30)
	require.Empty(t, p.openHours(p.liveWindow(now).From, now))
	open := HourOf(2026, 11, 15, 12)
	p.reopen(Window{open - 6*Day, open + 1})
	p.Shown = Set{{open - 6*Day, open + 3*Day}}
	p.TooWide = TooWide{3 * Day, now.Add(time.Hour), time.Hour}
	q, found := p.NextHistory(now)
	require.True(t, found)
	require.Equal(t, "2026-11-14 00:00 to 2026-11-15 23:00", q.Window.String())
	p.TooWide = TooWide{}
	q, _ = p.NextHistory(now)
	require.Equal(t, "2026-11-16 23:00", (q.Window.To - 1).String())
}

// A request includes older open hours, up to its width or to failing hours.
//
//promise:backfill
func TestOpenHoursInOneRequest(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 20 * Day * time.Hour })
	now := runGathers(p, start, 30)
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
	failing := func(from, to Hour) *Postponed { return newPostponed(Window{day + from, day + to}, Failing, now) }
	p.Postponed = []*Postponed{failing(-3*Day, -2*Day-1), failing(-5*Day, -5*Day+1), failing(Day, 2*Day)}
	p.Width = 6 * Day
	require.Equal(t, "2026-11-13 00:00 to 2026-11-15 23:00", request())
	p.Postponed = []*Postponed{failing(-3, 0)}
	require.Equal(t, "2026-11-15 00:00 to 2026-11-15 23:00", request())
	p.Width = 12
	require.Equal(t, "2026-11-15 00:00 to 2026-11-15 00:00", request())
}

// While the live window is the current hour alone, history requests today separately, because the API may store it elsewhere.
//
//promise:postponed
func TestTodayAsHistory(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 5 * Day * time.Hour })
	late := start.Add(9 * time.Hour)
	p.Start(late)
	p.form = currentHour
	q, found := p.NextHistory(late)
	require.True(t, found)
	require.Equal(t, "2026-11-22 00:00 to 2026-11-22 23:00", q.Window.String())
}

// A successful retry ends a failure, even without a reading. An unsuccessful one doubles the pause.
//
//promise:postponed
func TestRetries(t *testing.T) {
	for name, tt := range map[string]struct {
		reason      Reason
		result      Result
		isPostponed bool
	}{
		"works":               {Failing, Result{}, false},
		"is not credible":     {Inconclusive, Result{}, true},
		"yields a reading":    {Inconclusive, Result{hasNewReading: true}, false},
		"yields one, failing": {Failing, Result{hasNewReading: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlanner(func(o *Options) { o.Backfill = 20 * Day * time.Hour })
			p.Start(start)
			r := newPostponed(Window{p.firstWanted() + 10, p.firstWanted() + 20}, tt.reason, start)
			other := newPostponed(Window{p.firstWanted(), p.firstWanted() + 1}, tt.reason, start)
			p.Postponed = []*Postponed{r, other}
			p.Final = Set{{p.firstWanted() + 10, p.firstWanted() + 12}}
			due := r.Due
			p.recordSuccess(Request{Window: Window{p.firstWanted() + 19, p.firstWanted() + 20}, purpose: retry, postponed: r}, &tt.result, due)
			require.Contains(t, p.Postponed, other)
			require.Len(t, p.Postponed, map[bool]int{true: 2, false: 1}[tt.isPostponed])
			if tt.isPostponed {
				require.Equal(t, &Postponed{
					From: p.firstWanted() + 12, To: p.firstWanted() + 20, Reason: tt.reason, Since: start,
					Due: due.Add(2 * time.Hour), Pause: 2 * time.Hour, Tries: 1, FailingFrom: p.firstWanted() + 12,
				}, p.Postponed[1])
			}
		})
	}
}

// Adjacent inconclusive hours are postponed as one range, with the earliest Since. Failing hours stay separate.
//
//promise:postponed
func TestAdjacentPostponedHours(t *testing.T) {
	p := newPlanner(nil)
	h := HourOf(2026, 11, 1, 0)
	p.Postponed = []*Postponed{newPostponed(Window{h + 5, h + 6}, Failing, start)}
	p.postpone([]Hour{h + 3, h + 4}, start)
	later := start.Add(time.Hour)
	p.postpone([]Hour{h + 2, h + 8, h + 12}, later)
	p.postpone([]Hour{h + 9}, later.Add(time.Hour))
	p.postpone([]Hour{h + 20}, start)
	p.postpone([]Hour{h + 22}, later)
	p.postpone([]Hour{h + 21}, later.Add(time.Hour))
	windows := make(map[string]time.Time)
	for _, r := range p.Postponed {
		windows[string(r.Reason)+" "+r.window().String()] = r.Since
		require.Equal(t, r.From, r.FailingFrom)
	}
	require.Equal(t, map[string]time.Time{
		"failing 2026-11-01 05:00 to 2026-11-01 05:00":      start,
		"inconclusive 2026-11-01 02:00 to 2026-11-01 04:00": start,
		"inconclusive 2026-11-01 08:00 to 2026-11-01 09:00": later,
		"inconclusive 2026-11-01 12:00 to 2026-11-01 12:00": later,
		"inconclusive 2026-11-01 20:00 to 2026-11-01 22:00": start,
	}, windows)
}

// A retry covers no more hours than a run of rows, fewer each time, and all retries together cover every postponed hour.
//
//promise:postponed
func TestRetryWindow(t *testing.T) {
	for _, widestRun := range []int{0, 5, 1000} {
		r := newPostponed(Window{1000, 1030}, Inconclusive, start)
		var tried Set
		for ; r.Tries < 200; r.Tries++ {
			w := r.retryWindow(widestRun)
			require.Equal(t, w, w.intersect(r.window()))
			require.Equal(t, max(min(widestRun, 30)>>r.Tries, 1), w.Hours())
			tried = tried.Add(w)
		}
		require.Equal(t, Set{r.window()}, tried)
	}
}

// A failing range skips as many older hours as are known to fail, and stops at an hour that isn't open.
//
//promise:postponed
func TestSkippedHours(t *testing.T) {
	r := newPostponed(Window{1000, 1001}, Failing, start)
	r.extend(Set{{900, 2000}})
	require.Equal(t, []Hour{997, 999}, []Hour{r.From, r.FailingFrom}, "999 fails too, so two are skipped")
	require.False(t, r.IsFullyTested())
	r.FailingFrom = r.From
	require.True(t, r.IsFullyTested())
	r.extend(Set{{995, 2000}})
	require.Equal(t, []Hour{995, 996}, []Hour{r.From, r.FailingFrom})
}

// A window of up to a day counts its own hours; a wider one counts the days that it touches.
//
//promise:postponed
func TestWideWindows(t *testing.T) {
	h := HourOf(2026, 11, 1, 0)
	require.Equal(t, 24, spannedHours(Window{h + 5, h + 29}))
	require.Equal(t, 48, spannedHours(Window{h + 5, h + 30}))
	require.Equal(t, 72, spannedHours(Window{h + 23, h + 49}))

	p := newPlanner(nil)
	wide, clock := Window{h + 12, h + 40}, start
	require.Equal(t, wide, p.limitToLastDay(wide, clock))
	p.TooWide = TooWide{2 * Day, clock.Add(time.Hour), time.Hour}
	require.Equal(t, Window{h + 24, h + 40}, p.limitToLastDay(wide, clock))
	require.Equal(t, Window{h + 24, h + 30}, p.limitToLastDay(Window{h + 12, h + 30}, clock), "it touches two days")
	require.Equal(t, Window{h + 24, h + 36}, p.limitToLastDay(Window{h + 12, h + 36}, clock))
	clock = clock.Add(time.Hour)
	require.Equal(t, wide, p.limitToLastDay(wide, clock), "a retry is due")
	require.False(t, p.isTooWide(2*Day, clock.Add(-2*time.Hour)), "the clock was ahead")
}

// Retries and open hours alternate.
//
//promise:postponed
func TestRetriesAlternate(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 20 * Day * time.Hour })
	now := runGathers(p, start, 1)
	for i := range Hour(30) {
		p.Postponed = append(p.Postponed, newPostponed(Window{p.firstWanted() + 10*i, p.firstWanted() + 10*i + 1}, Failing, start.Add(-time.Hour)))
	}
	var purposes []purpose
	for range 6 {
		q, found := p.NextHistory(now)
		require.True(t, found)
		purposes = append(purposes, q.purpose)
		p.failedOnce[false] = true // so this failure counts
		p.Fail(q, now, false)
	}
	require.Equal(t, []purpose{retry, past, retry, past, retry, past}, purposes)
}

// Before there are any calls, hours of the last week are read once a day, because the report may be late, and older hours once.
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
		require.Fail(t, "history never ends")
		return nil
	}
	p.Width = 3
	today := p.Calendar.HourAt(start).startOfDay()
	all := read(start)
	require.Equal(t, Set{{p.firstWanted().startOfDay(), today}}, all)
	require.Equal(t, Day, p.Width)
	require.Empty(t, read(start.Add(23*time.Hour)).Within(Window{0, today}))
	reread := read(start.Add(48 * time.Hour))
	require.Equal(t, today+2*Day, reread[len(reread)-1].To)
	require.InDelta(t, 7*Day+14, reread.Hours(), Day)
}

// Silence that isn't credible because the window is too wide also narrows windows below a day.
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
