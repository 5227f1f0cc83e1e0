package hours

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

//promise:state
func TestStateRoundTrip(t *testing.T) {
	p := newPlanner(func(o *Options) {
		o.Backfill, o.Reread, o.RereadDays = 2000*time.Hour, "2026-11-20/2026-11-25", Window{HourOf(2026, 11, 20, 0), HourOf(2026, 11, 26, 0)}
	})
	now := start
	for n := range 40 {
		p.Start(now)
		if q := p.Next(now); n%7 == 3 {
			p.Fail(q, now, false)
		} else {
			respond(p, q, now, func(h Hour) bool { return h%5 != 0 })
		}
		before, err := json.Marshal(p.Save(false))
		require.NoError(t, err)
		var state State
		require.NoError(t, json.Unmarshal(before, &state))
		after, err := json.Marshal(state)
		require.NoError(t, err)
		require.JSONEq(t, string(before), string(after))
		require.NoError(t, newPlanner(nil).Restore(state))
		now = now.Add(5 * time.Minute)
	}
}

//promise:state-damaged
func TestRestoreRefuses(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 100 * time.Hour })
	runGathers(p, start, 20)
	known := HourOf(2026, 1, 1, 0)
	disordered := Set{{known + 4, known + 6}, {known, known + 1}}
	for name, corrupt := range map[string]func(*State){
		"version":           func(s *State) { s.Version = 2 },
		"width":             func(s *State) { s.Width = 0 },
		"wide":              func(s *State) { s.GoodWidth = 745 },
		"run":               func(s *State) { s.WidestRun = -1 },
		"newest":            func(s *State) { s.Newest = s.Oldest - 1 },
		"good width":        func(s *State) { s.GoodWidth = 0 },
		"wide width":        func(s *State) { s.Width = 745 },
		"gap":               func(s *State) { s.LongestGap = -1 },
		"final windows":     func(s *State) { s.Final = disordered },
		"windows to reread": func(s *State) { s.ToReread = disordered },
		"shown windows":     func(s *State) { s.Shown = disordered },
		"reopened":          func(s *State) { s.Reopened = disordered },
		"postponed":         func(s *State) { s.Postponed = []*Postponed{{From: known, To: known, FailingFrom: known, Pause: 1}} },
		"tries": func(s *State) {
			s.Postponed = []*Postponed{{From: known, To: known + 1, FailingFrom: known, Pause: 1, Tries: -1}}
		},
		"widest window":         func(s *State) { s.TooWide = TooWide{longestWindow + Day + 1, start, time.Hour} },
		"pause of wide windows": func(s *State) { s.TooWide = TooWide{2 * Day, start, 0} },
		"no postponed":          func(s *State) { s.Postponed = []*Postponed{nil} },
		"years":                 func(s *State) { s.Final = s.Final.Add(Window{HourOf(1999, 12, 31, 23), HourOf(2000, 1, 1, 0)}) },
		"year of a time":        func(s *State) { s.Started = time.Date(2, 1, 1, 0, 0, 0, 0, time.UTC) },
		"years ahead":           func(s *State) { s.ToReread = Set{{HourOf(2200, 12, 31, 23), HourOf(2201, 1, 1, 1)}} },
		"too wide":              func(s *State) { s.TooWide = TooWide{2*Day - 1, start, time.Hour} },
		"year of a day":         func(s *State) { s.PendingReread = &Window{known, HourOf(2201, 1, 1, 1)} },
		"year of an hour":       func(s *State) { s.Oldest = 24 },
		"failing, after": func(s *State) {
			s.Postponed = []*Postponed{{From: known, To: known + 1, FailingFrom: known + 2, Pause: 1}}
		},
		"failing, before": func(s *State) {
			s.Postponed = []*Postponed{{From: known, To: known + 1, FailingFrom: known - 1, Pause: 1}}
		},
		"many windows": func(s *State) { s.Shown = everyOther(HourOf(2000, 1, 1, 0), maxHours/2) },
		"many open hours": func(s *State) {
			for h := range Hour(maxHours) {
				s.Open[HourOf(2010, 1, 1, 0)+h] = &openHour{}
			}
		},
		"postponed, overlapping": func(s *State) {
			for h := range Hour(100) {
				s.Postponed = append(s.Postponed, newPostponed(Window{HourOf(2010, 1, 1, 0) + h, HourOf(2020, 1, 1, 0)}, Inconclusive, start))
			}
		},
		"postponed, pause": func(s *State) { s.Postponed = []*Postponed{{From: known, To: known + 1, FailingFrom: known}} },
	} {
		state := p.Save(true)
		require.NoError(t, newPlanner(nil).Restore(state))
		corrupt(&state)
		require.Error(t, newPlanner(nil).Restore(state), name)
	}
	state := p.Save(true)
	state.Width, state.GoodWidth, state.TooWide = 1, 1, TooWide{2 * Day, start, time.Hour}
	state.Final = Set{{HourOf(2000, 1, 1, 0), HourOf(2201, 1, 1, 0)}}
	require.NoError(t, newPlanner(nil).Restore(state))
}

// A state is ahead of the clock if one of its times is more than 10 minutes ahead, or one of its hours more than 3 days.
//
//promise:clock
func TestStateIsAhead(t *testing.T) {
	now := start
	h := Hour(now.Unix() / 3600)
	for name, tt := range map[string]struct {
		change   func(s *State)
		expected bool
	}{
		"now":              {func(*State) {}, false},
		"time":             {func(s *State) { s.Time = now.Add(11 * time.Minute) }, true},
		"time, nearly":     {func(s *State) { s.Time = now.Add(9 * time.Minute) }, false},
		"started":          {func(s *State) { s.Started = now.Add(11 * time.Minute) }, true},
		"newest calls":     {func(s *State) { s.NewestAt = now.Add(11 * time.Minute) }, true},
		"shown":            {func(s *State) { s.Open[h].shownAt = now.Add(11 * time.Minute) }, true},
		"sent":             {func(s *State) { s.Open[h].sentAt = now.Add(11 * time.Minute) }, true},
		"newest hour":      {func(s *State) { s.Newest = h + 3*Day + 1 }, true},
		"final hour":       {func(s *State) { s.Final = Set{{h - 5, h - 4}, {h + 3*Day, h + 3*Day + 1}} }, true},
		"hours with calls": {func(s *State) { s.Shown = Set{{h - 5, h - 4}, {h + 3*Day, h + 3*Day + 1}} }, true},
		"open hour":        {func(s *State) { s.Open[h+3*Day+1] = &openHour{} }, true},
		"two days":         {func(s *State) { s.Open[h+2*Day] = &openHour{} }, false},
	} {
		p := newPlanner(nil)
		runGathers(p, start, 1)
		tt.change(&p.State)
		require.Equal(t, tt.expected, p.IsAhead(now), name)
	}
}

// Later changes to the planner don't affect a saved state.
//
//promise:state
func TestSaveIsACopy(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 48 * time.Hour })
	now := runGathers(p, start, 6)
	p.Postponed = []*Postponed{newPostponed(Window{p.firstWanted(), p.firstWanted() + 1}, Failing, now)}
	saved := p.Save(true)
	require.True(t, saved.StoppedCleanly)
	before, err := json.Marshal(saved)
	require.NoError(t, err)
	p.Postponed[0].Tries++
	p.Unacknowledged[0].Window.To++
	for _, o := range p.Open {
		o.sentAt = now.Add(time.Hour)
	}
	after, err := json.Marshal(saved)
	require.NoError(t, err)
	require.JSONEq(t, string(before), string(after))
}

// In another time zone, hours keep their labels but start at other instants, so all are reread and resent.
//
//promise:timezone
func TestTimezoneOfAStateChanges(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 48 * time.Hour })
	runGathers(p, start, 12)
	require.NotEmpty(t, p.Final)
	in := func(o *Options) { o.Calendar = Calendar{madrid} }
	next := newPlanner(in)
	require.NoError(t, next.Restore(p.Save(true)))
	require.Empty(t, next.Final)
	require.Empty(t, next.Open)
	require.Equal(t, p.Final, next.ToReread)
	runGathers(next, start.Add(time.Hour), 12)
	after := newPlanner(in)
	require.NoError(t, after.Restore(next.Save(true)))
	require.NotEmpty(t, after.Final, "only once")
}

func everyOther(from Hour, n int) (set Set) {
	for i := range n {
		h := from + Hour(2*i)
		set = append(set, Window{h, h + 1})
	}
	return set
}

// Even the largest state that is accepted takes little time and memory.
//
//promise:state-damaged
func TestLargestState(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 3650 * Day * time.Hour })
	runGathers(p, start, 20)
	s := p.Save(false)
	const each = maxHours/10 - 100
	from := p.Calendar.HourAt(start) - 2*each - 100
	s.Final, s.ToReread, s.Shown = everyOther(from, each).Union(s.Final), everyOther(from, each), everyOther(from, each).Union(s.Shown)
	for i := range each {
		h := from + Hour(2*i)
		s.Unacknowledged = append(s.Unacknowledged, SentWindow{Window{h, h + 1}, start})
		s.Postponed = append(s.Postponed, newPostponed(Window{h + 1, h + 2}, Inconclusive, start))
	}
	now := start.Add(24 * time.Hour)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin := time.Now()
	require.NoError(t, p.Restore(s))
	for range 4 {
		p.Start(now)
		q := p.Next(now)
		p.Record(q, NewResponse(q.Window), now)
		p.Backlog(now)
		now = now.Add(5 * time.Minute)
	}
	p.Status(now)
	runtime.ReadMemStats(&after)
	require.Less(t, time.Since(begin), 10*time.Second)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(300<<20))

	for _, content := range []string{strings.Repeat("x", maxSaved), strings.Repeat("{},", maxElements), strings.Repeat("null,", maxElements)} {
		require.ErrorContains(t, CheckSaved([]byte(`{"version":4,"open":[`+content+"{}]}")), "state has more than 2048 KiB or 200000 values")
	}
}

// After a crash, only hours sent within the margin are reread; after a clean stop, the latest hours.
//
//promise:once
//promise:killed
func TestRereadAfterRestart(t *testing.T) {
	for name, tt := range map[string]struct {
		mode     Mode
		lookback time.Duration
		hours    int // that the program has run
		isClean  bool
		reopened int // hours
	}{
		"killed":                    {All, 3 * time.Hour, 10, false, 3},
		"stopped":                   {All, 3 * time.Hour, 10, true, 3},
		"killed, final":             {Final, 3 * time.Hour, 10, false, 3},
		"stopped, final":            {Final, 3 * time.Hour, 10, true, 0},
		"killed, without lookback":  {All, 0, 10, false, 1},
		"killed after history":      {All, 3 * time.Hour, 1, false, 98}, // all that are final
		"stopped after history":     {All, 3 * time.Hour, 1, true, 3},
		"stopped after final hours": {Final, 3 * time.Hour, 1, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			set := func(o *Options) { o.Mode, o.Lookback, o.Backfill = tt.mode, tt.lookback, 100*time.Hour }
			p := newPlanner(set)
			runGathers(p, start, 12*tt.hours)
			state := p.Save(tt.isClean)
			next := newPlanner(set)
			require.NoError(t, next.Restore(state))
			require.Equal(t, tt.reopened, p.Final.Hours()-next.Final.Hours())
			after := newPlanner(set)
			require.NoError(t, after.Restore(next.Save(false)))
			require.Equal(t, next.Final, after.Final, "each hour is reread once")

			h := p.Calendar.HourAt(state.Time) - 1
			state.Open = OpenHours{h: {isSent: true, sentAt: state.Time}}
			require.NoError(t, next.Restore(state))
			require.Equal(t, tt.reopened == 0, next.Open[h].isSent, "an open hour that was sent")
			content, err := json.Marshal(next.Save(true))
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(content, &state))
			require.NoError(t, after.Restore(state))
			require.Equal(t, tt.reopened == 0, after.Open[h].isSent, "after another restart")
		})
	}
}

// Hours are reread after a crash even if the clock was behind when they were sent.
//
//promise:clock
func TestRereadAfterWrongClock(t *testing.T) {
	by := 5 * time.Hour
	p := newPlanner(nil)
	runGathers(p, start.Add(-by), 1)
	p.SyncClock(start, by)
	runGathers(p, start, 2)
	next := newPlanner(nil)
	require.NoError(t, next.Restore(p.Save(false)))
	require.Empty(t, next.Final)
	for h, o := range next.Open {
		require.False(t, o.isSent, h)
	}
}

// Readings of a repeated hour survive a restart, and lists of any other length are refused.
//
//promise:dst
//promise:state
func TestOpenHoursAsJSON(t *testing.T) {
	h := HourOf(2026, 10, 25, 2)
	reading, other := Reading{2, Figures{7, 7.5}, Figures{8, 8.5}}, Reading{1, Figures{9, 9.5}, Figures{}}
	later := start.Add(time.Minute)
	before := OpenHours{
		h:     {isSent: true, reading: reading, sent: reading, shownAt: start, sentAt: start},
		h + 1: {isSent: true, reading: other, sent: other, shownAt: start, sentAt: start},
		h + 2: {isSent: true, reading: other, sent: other, shownAt: later, sentAt: start},
		h + 3: {isSent: true, reading: other, sent: other, shownAt: later, sentAt: later},
		h + 5: {isSent: true, reading: other, sent: other, shownAt: later, sentAt: later},
		h + 6: {reading: other, sent: other, shownAt: later},
		h + 7: {shownAt: later},
	}
	content, err := json.Marshal(before)
	require.NoError(t, err)
	require.Equal(t, 5, strings.Count(string(content), `"from"`), "one run per pair of times")
	var after OpenHours
	require.NoError(t, json.Unmarshal(content, &after))
	require.Equal(t, before, after)

	content, err = json.Marshal(OpenHours{h: {isSent: true, reading: reading, sent: other, shownAt: later, sentAt: start}})
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, &after))
	require.False(t, after[h].isSent, "another reading was sent")
	for _, rows := range []string{"[1]", "[1,2,3]", "[1,2,3,4,5,6]", `"x"`} {
		require.Error(t, json.Unmarshal([]byte(`[{"from":"2026-10-25T02","rows":[`+rows+`]}]`), &after), rows)
	}
}

//promise:state-damaged
func TestCheckSaved(t *testing.T) {
	require.NoError(t, CheckSaved([]byte(`{"version":4}`)))
	require.ErrorContains(t, CheckSaved([]byte(`{"version":2}`)), "state has version 2, but this program reads version 4")
	require.ErrorContains(t, CheckSaved([]byte(`[]`)), "cannot unmarshal")
}
