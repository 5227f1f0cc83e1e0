package hours

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var start = time.Date(2026, 11, 22, 14, 20, 0, 0, time.UTC)

func newPlanner(change func(*Options)) *Planner {
	options := Options{Calendar: Calendar{time.UTC}, Lookback: 3 * time.Hour}
	if change != nil {
		change(&options)
	}
	return New(options)
}

// respond records a response with seven calls in each hour up to the current one for which `has` is true.
func respond(p *Planner, q Request, now time.Time, has func(Hour) bool) Result {
	response := NewResponse(q.Window)
	for h := q.Window.From; h < q.Window.To && h <= p.Calendar.HourAt(now); h++ {
		if has(h) {
			response.At(h).Reading = Reading{Rows: 1, First: Figures{7, 7.5}}
		}
	}
	return p.Record(q, response, now)
}

func everyHour(Hour) bool { return true }

// runGathers runs gathers 5 minutes apart, with calls in every hour, and returns the time of the next one.
func runGathers(p *Planner, from time.Time, gathers int) (now time.Time) {
	for now = from; gathers > 0; gathers-- {
		p.Start(now)
		respond(p, p.Next(now), now, everyHour)
		now = now.Add(5 * time.Minute)
	}
	return now
}

//promise:postponed
func TestFormsOfTheLiveWindow(t *testing.T) {
	p := newPlanner(nil)
	now := runGathers(p, start, 2)
	expected := []string{
		"2026-11-22 00:00 to 2026-11-22 23:00", "2026-11-22 00:00 to 2026-11-22 23:00", // repeated
		"2026-11-22 00:00 to 2026-11-22 14:00", "2026-11-22 00:00 to 2026-11-22 14:00",
		"2026-11-22 14:00 to 2026-11-22 14:00", "2026-11-22 14:00 to 2026-11-22 14:00",
		"2026-11-22 00:00 to 2026-11-22 13:00", "2026-11-22 00:00 to 2026-11-22 13:00",
		"2026-11-22 00:00 to 2026-11-22 23:00",
	}
	for _, window := range expected {
		q := p.Next(now)
		require.True(t, q.IsLive())
		require.Equal(t, window, q.Window.String())
		p.Fail(q, now, false)
		now = now.Add(time.Minute)
	}

	// General failures don't count.
	p = newPlanner(nil)
	now = runGathers(p, start, 2)
	for range 10 {
		q := p.Next(now)
		require.Equal(t, expected[0], q.Window.String())
		p.Fail(q, now, true)
	}

	// While a narrower form works, the whole window is probed after every 12 live requests: an hour's worth.
	p = newPlanner(nil)
	now = runGathers(p, start, 2)
	probes := 0
	for range 36 {
		q := p.Next(now)
		if q.IsLive() && q.Window.To > p.Calendar.HourAt(now)+1 {
			if q.IsProbe() {
				probes++
			}
			p.Fail(q, now, false)
		} else {
			respond(p, q, now, everyHour)
		}
		now = now.Add(5 * time.Minute)
	}
	require.Equal(t, 2, probes)
}

// At any interval, a form of the live window that works is found, and then used for most requests.
//
//promise:postponed
func TestFormsAtLongIntervals(t *testing.T) {
	for name, isRefused := range map[string]func(w Window, current Hour) bool{
		"windows that end ahead of now":            func(w Window, current Hour) bool { return w.To > current+1 },
		"windows that reach into the current hour": func(w Window, current Hour) bool { return w.To > current },
		"windows over 12 h":                        func(w Window, _ Hour) bool { return w.Hours() > 12 },
		"windows over 24 h":                        func(w Window, _ Hour) bool { return w.Hours() > Day },
	} {
		for _, interval := range []time.Duration{5 * time.Minute, time.Hour, 24 * time.Hour} {
			t.Run(name+"/"+interval.String(), func(t *testing.T) {
				p := newPlanner(func(o *Options) { o.Lookback = 30 * time.Hour })
				succeeded := 0 // in the second half
				const gathers = 60
				for n := range gathers {
					now := start.Add(time.Duration(n) * interval)
					p.Start(now)
					if q := p.Next(now); isRefused(q.Window, p.Calendar.HourAt(now)) {
						p.Fail(q, now, false)
					} else {
						respond(p, q, now, everyHour)
						if n >= gathers/2 {
							succeeded++
						}
					}
				}
				require.Greater(t, succeeded, gathers/2/2)
			})
		}
	}
}

// While windows of several days fail and single days work, single days are requested, today every second time. Several days are probed after
// one hour, then two, four, up to a day, across restarts, until they work.
//
//promise:postponed
func TestOnlySingleDaysWork(t *testing.T) {
	set := func(o *Options) { o.Lookback, o.Backfill = 48*time.Hour, 20*Day*time.Hour }
	p := newPlanner(set)
	var failedAt []time.Duration // since the start
	days := make(map[string]int)
	run := func(from time.Time, gathers int, works bool) (now time.Time) {
		for now = from; gathers > 0; gathers-- {
			p.Start(now)
			if q := p.Next(now); works || q.Window.From.startOfDay() == (q.Window.To-1).startOfDay() {
				if q.IsLive() {
					days[q.Window.From.Format("02")]++
				}
				respond(p, q, now, everyHour)
			} else {
				require.True(t, q.IsProbe() || len(failedAt) < 6, "only the first failures are unexpected")
				failedAt = append(failedAt, now.Sub(start).Round(time.Hour))
				p.Fail(q, now, false)
			}
			now = now.Add(5 * time.Minute)
		}
		return now
	}
	now := run(start, 20, false)
	require.LessOrEqual(t, len(failedAt), 8, "all days, the latest days, and history")
	now = run(now, 4*24*12, false)
	require.Greater(t, days["23"], days["22"], "today")
	require.Positive(t, days["22"])
	require.Equal(t, 48, p.TooWide.Hours)
	state := p.Save(false)
	p = newPlanner(set)
	require.NoError(t, p.Restore(state))
	before := len(failedAt)
	now = run(now, 20*24*12, false)
	require.LessOrEqual(t, before, 18, "with pauses of 1, 2, 4, 8, 16 and 24 hours")
	require.LessOrEqual(t, len(failedAt)-before, 2*20, "one retry per day, repeated once")
	require.True(t, p.Final.Contains(HourOf(2026, 11, 3, 0)))
	require.Empty(t, p.Postponed)
	run(now, 24*12, true)
	require.Zero(t, p.TooWide)
}

// Requests for a live window wider than a day alternate with requests for one of its days: today whenever newer calls have appeared.
//
//promise:requests
func TestOneDayOfTheLiveWindow(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Lookback = 48 * time.Hour })
	var windows []string
	now := start
	for i := range 10 {
		if i == 8 { // the next hour begins
			now = now.Add(time.Hour)
		}
		p.Start(now)
		q := p.Next(now)
		windows = append(windows, q.Window.String())
		respond(p, q, now, everyHour)
		now = now.Add(5 * time.Minute)
	}
	day := func(n int) string { return fmt.Sprintf("2026-11-%d 00:00 to 2026-11-%d 23:00", n, n) }
	whole := "2026-11-20 00:00 to 2026-11-22 23:00"
	require.Equal(t, []string{whole, day(22), whole, day(21), whole, day(20), whole, day(22), whole, day(22)}, windows)
}

// Hours more than 31 days old are left to history.
//
//promise:requests
func TestLiveWindowIsBounded(t *testing.T) {
	p := newPlanner(nil)
	now := runGathers(p, start, 3).AddDate(0, 2, 0)
	p.isSingleDay = true
	require.Equal(t, "2026-12-23 00:00 to 2027-01-22 23:00", p.nextLive(now).Window.String())
}

// The live window contains the current hour even after the clock is set back.
//
//promise:clock
func TestLiveWindowWhenClockGoesBack(t *testing.T) {
	p := newPlanner(nil)
	runGathers(p, start, 3)
	before := start.AddDate(0, 0, -10)
	require.Equal(t, "2026-11-12 00:00 to 2026-11-12 23:00", p.nextLive(before).Window.String())
}

// A response that only lacks calls in the current hour hides nothing; a response that lacks known calls in an earlier hour does.
//
//promise:late
func TestNewestCallsAreHidden(t *testing.T) {
	p := newPlanner(nil)
	now := runGathers(p, start, 1)
	current := p.Calendar.HourAt(now)
	respond(p, p.nextLive(now), now, func(h Hour) bool { return h < current })
	require.False(t, p.isDown)
	respond(p, p.nextLive(now), now, func(Hour) bool { return false })
	require.True(t, p.isDown, "the response is empty")
	respond(p, p.nextLive(now), now, everyHour)
	require.False(t, p.isDown)
	now = now.Add(time.Hour)
	respond(p, p.nextLive(now), now, func(h Hour) bool { return h < current })
	require.True(t, p.isDown)
}

// Due times from a clock that was far ahead are ignored.
//
//promise:clock
func TestTimesFarAhead(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 48 * time.Hour })
	now := runGathers(p, start, 12)
	first := p.firstWanted()
	p.Postponed = []*Postponed{{From: first, To: first + 1, FailingFrom: first, Reason: Failing, Due: now.AddDate(1, 0, 0), Pause: time.Hour}}
	q, found := p.NextHistory(now)
	require.True(t, found)
	require.Equal(t, retry, q.purpose)
}

//promise:clock
func TestFirstStartWithWrongClock(t *testing.T) {
	p := newPlanner(nil)
	ahead := start.AddDate(0, 0, 1)
	p.Start(ahead)
	p.SyncClock(start, -24*time.Hour)
	require.Equal(t, start, p.Started)
	p.SyncClock(start, -24*time.Hour)
	require.Equal(t, start, p.Started, "the API's time is known")
	p.Start(start.Add(-time.Hour))
	require.Equal(t, start, p.Started)
	p.SyncClock(start.Add(time.Hour), time.Hour)
	require.Equal(t, start, p.Started)

	p = newPlanner(nil)
	p.Start(start.Add(-time.Hour))
	p.SyncClock(start.Add(time.Minute), time.Hour)
	require.Equal(t, start, p.Started, "the clock was behind")

	p = newPlanner(nil) // crash before the API's time is known
	p.Start(ahead)
	next := newPlanner(nil)
	require.NoError(t, next.Restore(p.Save(false)))
	next.Start(start)
	next.SyncClock(start, -24*time.Hour)
	require.Equal(t, start, next.Started)

	p = newPlanner(nil) // without a Date header
	p.Start(ahead)
	p.Start(start)
	require.Equal(t, start, p.Started)
}

// Days are reread once each, as soon as they are below the watermark.
//
//promise:reread
func TestReread(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 50 * time.Hour })
	now := runGathers(p, start, 12*12) // past midnight
	today := HourOf(2026, 11, 23, 0)
	p.Options.Reread, p.RereadDays = "x", Window{today - 2*Day, today + Day}
	require.Equal(t, Window{today - 2*Day, today - Day}, p.Start(now), "the watermark is at 23:00")
	require.False(t, p.Final.Contains(today-2*Day))
	require.Equal(t, &Window{today - Day, today + Day}, p.PendingReread)
	require.True(t, p.Start(now).IsEmpty())
	now = runGathers(p, now, 12*2)
	require.Equal(t, &Window{today, today + Day}, p.PendingReread)
	now = runGathers(p, now, 12*30)
	require.Nil(t, p.PendingReread)
	require.True(t, p.Final.Contains(today-2*Day))
	require.Empty(t, p.ToReread)

	past := Window{today - 9*Day, today - 8*Day} // before the first wanted hour
	p.Options.Reread, p.RereadDays = "y", past
	require.Equal(t, past, p.Start(now))
	require.Nil(t, p.PendingReread)
	require.Equal(t, past.Hours(), p.openHours(today, now).Hours())
	now = runGathers(p, now, 12)
	require.Empty(t, past.Hours()-p.Final.Within(past).Hours())

	p.Options.Reread, p.RereadDays = "z", Window{today + Day, today + 2*Day}
	p.Start(now)
	p.Options.Reread, p.RereadDays = "", Window{}
	p.Start(now)
	require.Nil(t, p.PendingReread, "the option was removed")
}

// Reopened hours lose their readings and retries.
//
//promise:reread
func TestReopen(t *testing.T) {
	p := newPlanner(nil)
	runGathers(p, start, 1)
	h := p.Calendar.HourAt(start)
	p.Postponed = []*Postponed{newPostponed(Window{h - 2, h - 1}, Inconclusive, start), newPostponed(Window{h - 9, h - 8}, Failing, start)}
	p.reopen(Window{h - 3, h})
	require.NotContains(t, p.Open, h-1)
	require.Contains(t, p.Open, h)
	require.Len(t, p.Postponed, 1)
	require.Equal(t, h-9, p.Postponed[0].From)
}

// If history is requested between gathers, every gather covers the live window.
//
//promise:backfill
func TestHistoryBetweenGathersOnly(t *testing.T) {
	for _, between := range []bool{false, true} {
		p := newPlanner(func(o *Options) { o.HistoryBetweenGathers, o.Backfill = between, 48*time.Hour })
		now := runGathers(p, start, 1)
		require.Equal(t, between, p.Next(now).IsLive())
		_, found := p.NextHistory(now)
		require.True(t, found)
	}
}
