package hours

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Hours waiting for requests and postponed hours are counted separately. Final hours leave no other record.
//
//promise:statistics
func TestBacklog(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 10 * time.Hour })
	now := runGathers(p, start, 12)
	waiting, postponed := p.Backlog(now)
	require.Zero(t, waiting+postponed)
	require.NotContains(t, p.readAt, p.Calendar.HourAt(start)-5)

	first := p.firstWanted()
	p.Final = p.Final.Remove(Window{first, first + 5})
	p.Postponed = []*Postponed{newPostponed(Window{first, first + 2}, Failing, now)}
	waiting, postponed = p.Backlog(now)
	require.Equal(t, []int{3, 2}, []int{waiting, postponed})

	waiting, _ = p.Backlog(now.Add(5 * time.Hour)) // no response has covered these hours yet
	require.Equal(t, 3+5, waiting)
	for later := now; later.Before(now.Add(5 * time.Hour)); later = later.Add(5 * time.Minute) {
		respond(p, p.nextLive(later), later, func(h Hour) bool { return h < p.Calendar.HourAt(now) })
	}
	waiting, _ = p.Backlog(now.Add(5 * time.Hour))
	require.Zero(t, waiting, "hours above the watermark have just been read")
}

// A stall is unusual if the newest calls are older than twice the longest gap plus two hours, once rows have spanned a day.
//
//promise:late
func TestStall(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 30 * time.Hour })
	age, isUnusual := p.Stall(start)
	require.Zero(t, age)
	require.False(t, isUnusual)
	now := start
	for range 4 {
		p.Start(now)
		respond(p, p.Next(now), now, func(h Hour) bool { return (h.OfDay() < 6 || h.OfDay() > 9) && h.OfDay() != 12 })
		now = now.Add(5 * time.Minute)
	}
	require.Equal(t, 4, p.LongestGap)
	p.WidestRun = Day
	for hours, expected := range map[int]bool{0: false, 10: false, 11: true} {
		age, isUnusual := p.Stall(start.Add(time.Duration(hours) * time.Hour))
		require.Equal(t, hours, age)
		require.Equal(t, expected, isUnusual, hours)
	}
	p.WidestRun = Day - 1
	_, isUnusual = p.Stall(start.Add(100 * time.Hour))
	require.False(t, isUnusual)
}

// A delay of the report counts as a usual gap, unless no requests were made during it.
//
//promise:late
func TestUsualDelay(t *testing.T) {
	for name, tt := range map[string]struct {
		interval time.Duration // between gathers
		expected int
	}{"watched": {5 * time.Minute, 5}, "not watched": {2 * time.Hour, 0}} {
		p := newPlanner(nil)
		p.Start(start)
		day := Window{HourOf(2026, 11, 22, 0), HourOf(2026, 11, 23, 0)}
		show(p, day, start.Add(-5*time.Minute), nil)
		shown := make(map[Hour]Shown)
		for h := day.From; h <= p.Calendar.HourAt(start); h++ {
			shown[h] = calls
		}
		end := start.Add(6 * time.Hour)
		for now := start; now.Before(end); now = now.Add(tt.interval) {
			show(p, day, now, shown)
		}
		for h := day.From; h <= p.Calendar.HourAt(end); h++ {
			shown[h] = calls
		}
		show(p, day, end, shown)
		require.Equal(t, tt.expected, p.LongestGap, name)
		shown[p.Newest+1] = calls
		show(p, day, end.Add(40*time.Minute), shown)
		require.Equal(t, tt.expected, p.LongestGap, name)
	}
}

//promise:status
func TestStatusOfHours(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 24 * time.Hour })
	require.Empty(t, p.Status(start).Open)
	p.Start(start)
	require.Len(t, p.Status(start).Open, 1)
	require.Equal(t, reasonUnread, p.Status(start).Open[0].Reason)
	respond(p, p.Next(start), start, everyHour)
	reasons := make([]string, 0, 3)
	for _, r := range p.Status(start).Open {
		reasons = append(reasons, r.Reason)
	}
	require.Equal(t, []string{reasonUnread, reasonOneReading, reasonAboveWatermark}, reasons)
	now := runGathers(p, start, 12)
	s := p.Status(now)
	require.Equal(t, "2026-11-22 15:00", s.Newest.String())
	require.Equal(t, "2026-11-22 12:00", s.Watermark.String())
	require.Equal(t, "2026-11-22 11:00", s.Complete.String())
	require.Len(t, s.Open, 1)
	require.Equal(t, reasonAboveWatermark, s.Open[0].Reason)
	require.Equal(t, "2026-11-22 12:00 to 2026-11-22 15:00", s.Open[0].Window.String())
}

//promise:status
func TestStatusNamesReasons(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 48 * time.Hour })
	now := runGathers(p, start, 12*6)
	require.Len(t, p.Status(now).Open, 1, "hours at or above the watermark")
	first := p.firstWanted()
	p.Oldest = first + 5
	later, past := now.Add(time.Hour), now.Add(-time.Hour)
	postponed := func(from, hours Hour, reason Reason, since, due time.Time) *Postponed {
		r := newPostponed(Window{first + from, first + from + hours}, reason, since)
		r.Due = due
		p.Postponed = append(p.Postponed, r)
		return r
	}
	postponed(2, 1, Inconclusive, now, later)
	postponed(5, 1, Inconclusive, now, later)
	postponed(12, 1, Failing, now, later)
	postponed(13, 1, Failing, past, later)
	postponed(14, 1, Failing, now, later)
	postponed(15, 1, Failing, now, later.Add(time.Hour))
	postponed(16, 1, Inconclusive, past, past)
	postponed(18, 3, Failing, past, later).FailingFrom++ // one hour is skipped, so how many fail isn't known yet
	p.ToReread = Set{{first + 30, first + 31}}
	p.Open[first+32] = &openHour{shownAt: past}
	begun := p.Calendar.HourAt(start) + 2
	for _, h := range []Hour{2, 5, 12, 13, 14, 15, 16, 18, 19, 20, 30, 32, 34, begun - first} {
		p.Final = p.Final.Remove(Window{first + h, first + h + 1})
	}
	window := func(from, to Hour) Window { return Window{first + from, first + to} }
	s := p.Status(now)
	require.Equal(t, []OpenRange{
		{window(2, 3), reasonBeforeOldest, now, later, true, false},
		{window(5, 6), reasonInconclusive, now, later, true, false},
		{window(12, 15), reasonFailing, past, later, true, true},
		{window(15, 16), reasonFailing, now, later.Add(time.Hour), true, true},
		{window(16, 17), reasonInconclusive, past, time.Time{}, true, false},
		{window(18, 21), reasonFailing, past, time.Time{}, true, true},
		{Window: window(30, 31), Reason: reasonReread},
		{window(32, 33), reasonOneReading, past, time.Time{}, false, false},
		{window(34, 35), reasonUnread, start, time.Time{}, false, false},
		{Window{begun, begun + 1}, reasonUnread, p.Calendar.Starts(begun)[0], time.Time{}, false, false},
	}, s.Open[:10])
	require.Equal(t, first+4, s.Complete, "hours before the oldest known calls are no gap")
	p.Final = p.Final.Remove(window(0, 6))
	require.Zero(t, p.Status(now).Complete, "the oldest known calls are open")
	p.Oldest, p.Final = first+11, p.Final.Remove(window(0, 11))
	require.Equal(t, first+11, p.Status(now).Complete)

	p = newPlanner(nil)
	p.Start(start)
	respond(p, p.Next(start), start, func(Hour) bool { return false })
	s = p.Status(start)
	require.Zero(t, s.Watermark)
	require.Equal(t, reasonNoCalls, s.Open[0].Reason)
	skips := newPlanner(func(o *Options) { o.Calendar = Calendar{madrid} })
	skips.Start(time.Date(2026, 3, 28, 22, 0, 0, 0, time.UTC))
	skips.Newest = HourOf(2026, 3, 29, 23)
	require.Equal(t, reasonUnread, skips.Status(time.Date(2026, 3, 29, 22, 0, 0, 0, time.UTC)).Open[0].Reason)
	_, err := StatusOf(Options{}, State{}, start)
	require.Error(t, err)
	saved := p.Save(true)
	s, err = StatusOf(*p.Options, saved, start)
	require.NoError(t, err)
	require.Equal(t, p.Status(start), s)
}
