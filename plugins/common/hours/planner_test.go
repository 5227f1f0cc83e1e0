package hours

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
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

// respond records a response with seven calls in each hour up to the running one that `has` accepts, and returns the rows to send.
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

// forward lets gathers go by, all with calls in every hour.
func forward(p *Planner, from time.Time, gathers int) (now time.Time) {
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
	now := forward(p, start, 2)
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

	// Failures that any request would have met do not count.
	p = newPlanner(nil)
	now = forward(p, start, 2)
	for range 10 {
		q := p.Next(now)
		require.Equal(t, expected[0], q.Window.String())
		p.Fail(q, now, true)
	}

	// The whole window is a probe while a narrower one works: after an hour's requests, and again after as many.
	p = newPlanner(nil)
	now = forward(p, start, 2)
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

// A form of the live window that works is found whatever the interval is, and then used for most requests.
//
//promise:postponed
func TestFormsAtLongIntervals(t *testing.T) {
	for name, isRefused := range map[string]func(w Window, running Hour) bool{
		"windows that end ahead of now":            func(w Window, running Hour) bool { return w.To > running+1 },
		"windows that reach into the running hour": func(w Window, running Hour) bool { return w.To > running },
		"windows over 12 h":                        func(w Window, _ Hour) bool { return w.Hours() > 12 },
		"windows over 24 h":                        func(w Window, _ Hour) bool { return w.Hours() > Day },
	} {
		for _, interval := range []time.Duration{5 * time.Minute, time.Hour, 24 * time.Hour} {
			t.Run(name+"/"+interval.String(), func(t *testing.T) {
				p := newPlanner(func(o *Options) { o.Lookback = 30 * time.Hour })
				lately := 0
				const gathers = 60
				for n := range gathers {
					now := start.Add(time.Duration(n) * interval)
					p.Start(now)
					if q := p.Next(now); isRefused(q.Window, p.Calendar.HourAt(now)) {
						p.Fail(q, now, false)
					} else {
						respond(p, q, now, everyHour)
						if n >= gathers/2 {
							lately++
						}
					}
				}
				require.Greater(t, lately, gathers/2/2)
			})
		}
	}
}

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
	first, last := history[0].Window.Hours(), history[len(history)-1].Window.Hours()
	require.Equal(t, first/Day/2*Day, last, "hours after two failures and six general ones")
}

// While windows of several days fail and single days don't, those are requested: today every second time. Several days are tried again as a
// probe after one hour, then two, four, up to a day, also after a restart, until they work.
//
//promise:postponed
func TestOnlySingleDaysWork(t *testing.T) {
	set := func(o *Options) { o.Lookback, o.Backfill = 48*time.Hour, 20*Day*time.Hour }
	p := newPlanner(set)
	var wide []time.Duration // since the start
	days := make(map[string]int)
	play := func(from time.Time, gathers int, works bool) (now time.Time) {
		for now = from; gathers > 0; gathers-- {
			p.Start(now)
			if q := p.Next(now); works || q.Window.From.startOfDay() == (q.Window.To-1).startOfDay() {
				if q.IsLive() {
					days[q.Window.From.Format("02")]++
				}
				respond(p, q, now, everyHour)
			} else {
				require.True(t, q.IsProbe() || len(wide) < 2, "at first it is not known")
				wide = append(wide, now.Sub(start).Round(time.Hour))
				p.Fail(q, now, false)
			}
			now = now.Add(5 * time.Minute)
		}
		return now
	}
	now := play(start, 11, false)
	require.Len(t, wide, 4, "of the latest days, and of history")
	now = play(now, 4*24*12, false)
	require.Greater(t, days["23"], days["22"], "today")
	require.Positive(t, days["22"])
	content, err := json.Marshal(p.State)
	require.NoError(t, err)
	require.Contains(t, string(content), `"too_wide":{"hours":48,`)
	p = newPlanner(set)
	require.NoError(t, json.Unmarshal(content, &p.State))
	before := len(wide)
	now = play(now, 20*24*12, false)
	require.LessOrEqual(t, before, 18, "with pauses of 1, 2, 4, 8, 16 and 24 hours")
	require.LessOrEqual(t, len(wide)-before, 2*20, "a try and its repetition a day")
	require.True(t, p.Final.Contains(HourOf(2026, 11, 3, 0)))
	require.Empty(t, p.Postponed)
	play(now, 24*12, true)
	require.Zero(t, p.TooWide)
}

// A window that is wider than a day is requested every second time, one of its days in between: today, if newer calls have appeared.
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

// What is more than 31 days before today is left to history.
//
//promise:requests
func TestLiveWindowIsBounded(t *testing.T) {
	p := newPlanner(nil)
	now := forward(p, start, 3).AddDate(0, 2, 0)
	p.isDay = true
	require.Equal(t, "2026-12-23 00:00 to 2027-01-22 23:00", p.nextLive(now).Window.String())
}

// Times that a clock far ahead has set do not hold.
//
//promise:clock
func TestTimesFarAhead(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 48 * time.Hour })
	now := forward(p, start, 12)
	p.Postponed = []*Postponed{{From: p.begin(), To: p.begin() + 1, FailingFrom: p.begin(), Reason: Fails, Due: now.AddDate(1, 0, 0), Pause: time.Hour}}
	q, found := p.NextHistory(now)
	require.True(t, found)
	require.Equal(t, retry, q.purpose)
}

//promise:clock
func TestFirstStartByAWrongClock(t *testing.T) {
	p := newPlanner(nil)
	ahead := start.AddDate(0, 0, 1)
	p.Start(ahead)
	p.ClockKnown(start, -24*time.Hour)
	require.Equal(t, start, p.Started)
	p.ClockKnown(start, -24*time.Hour)
	require.Equal(t, start, p.Started, "it is known")

	p = newPlanner(nil) // after a crash before the time was known
	p.Start(ahead)
	next := newPlanner(nil)
	require.NoError(t, next.Restore(p.Save(false)))
	next.Start(start)
	next.ClockKnown(start, -24*time.Hour)
	require.Equal(t, start, next.Started)

	p = newPlanner(nil) // without a Date header
	p.Start(ahead)
	p.Start(start)
	require.Equal(t, start, p.Started)
}

// A single hour that the report hides for a day has been dropped: its last reading is final.
//
//promise:final
//promise:late
func TestDroppedHour(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Mode = Final })
	now := forward(p, start, 12)
	dropped := p.Calendar.HourAt(start)
	var sent time.Time
	for now.Before(start.Add(40 * time.Hour)) {
		p.Start(now)
		for _, row := range respond(p, p.Next(now), now, func(h Hour) bool { return h != dropped }).Rows {
			if row.Hour == dropped {
				require.Equal(t, Figures{7, 7.5}, row.Figures)
				sent = now
			}
		}
		now = now.Add(5 * time.Minute)
	}
	require.Greater(t, sent.Sub(start), 24*time.Hour)
	require.True(t, p.Final.Contains(dropped))
}

// Nothing is final while rows can't be assigned to hours, or while a row can't be read.
//
//promise:final
//promise:unreadable
func TestUnreadableRows(t *testing.T) {
	for name, spoil := range map[string]func(*Response, Hour){
		"undated":    func(r *Response, _ Hour) { r.Undated = true },
		"unreadable": func(r *Response, h Hour) { r.At(h).Unreadable = true },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlanner(func(o *Options) { o.Zeros = true })
			now := forward(p, start, 3)
			quiet := p.Calendar.HourAt(start) + 1
			for range 12 * 12 {
				p.Start(now)
				q := p.Next(now)
				response := NewResponse(q.Window)
				for h := q.Window.From; h < q.Window.To && h <= p.Calendar.HourAt(now); h++ {
					if h != quiet {
						response.At(h).Reading = Reading{Rows: 1, First: Figures{7, 7.5}}
					}
				}
				if q.Window.Contains(quiet) {
					spoil(response, quiet)
				}
				for _, row := range p.Record(q, response, now).Rows {
					require.NotEqual(t, quiet, row.Hour)
				}
				now = now.Add(5 * time.Minute)
			}
			require.False(t, p.Final.Contains(quiet))
			require.True(t, p.Final.Contains(quiet+1))
			waiting, postponed := p.Backlog(now)
			require.Equal(t, 1, waiting+postponed)
			for range 12 * 48 { // it can be read again
				p.Start(now)
				respond(p, p.Next(now), now, everyHour)
				now = now.Add(5 * time.Minute)
			}
			require.True(t, p.Final.Contains(quiet))
		})
	}
}

//promise:state
func TestStateIsSavedWhole(t *testing.T) {
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
	forward(p, start, 20)
	known := HourOf(2026, 1, 1, 0)
	disordered := Set{{known + 4, known + 6}, {known, known + 1}}
	for name, spoil := range map[string]func(*State){
		"version":       func(s *State) { s.Version = 2 },
		"width":         func(s *State) { s.Width = 0 },
		"wide":          func(s *State) { s.GoodWidth = 745 },
		"run":           func(s *State) { s.WidestRun = -1 },
		"newest":        func(s *State) { s.Newest = s.Oldest - 1 },
		"good width":    func(s *State) { s.GoodWidth = 0 },
		"final windows": func(s *State) { s.Final = disordered },
		"again windows": func(s *State) { s.Again = disordered },
		"shown windows": func(s *State) { s.Shown = disordered },
		"postponed":     func(s *State) { s.Postponed = []*Postponed{{From: known, To: known, FailingFrom: known, Pause: 1}} },
		"tries": func(s *State) {
			s.Postponed = []*Postponed{{From: known, To: known + 1, FailingFrom: known, Pause: 1, Tries: -1}}
		},
		"widest window":         func(s *State) { s.TooWide.Hours = longestWindow + Day + 1 },
		"pause of wide windows": func(s *State) { s.TooWide.Pause = -1 },
		"no postponed":          func(s *State) { s.Postponed = []*Postponed{nil} },
		"years":                 func(s *State) { s.Final = s.Final.Add(Window{HourOf(1999, 12, 31, 23), HourOf(2000, 1, 1, 0)}) },
		"year of a time":        func(s *State) { s.Started = time.Date(2, 1, 1, 0, 0, 0, 0, time.UTC) },
		"years ahead":           func(s *State) { s.Again = Set{{HourOf(2200, 12, 31, 23), HourOf(2201, 1, 1, 1)}} },
		"too wide":              func(s *State) { s.TooWide.Hours = -1 },
		"many windows":          func(s *State) { s.Shown = everyOther(HourOf(2000, 1, 1, 0), maxWindows) },
		"many open hours": func(s *State) {
			for h := range Hour(maxWindows) {
				s.Open[HourOf(2010, 1, 1, 0)+h] = &openHour{}
			}
		},
		"postponed, overlapping": func(s *State) {
			for h := range Hour(100) {
				s.Postponed = append(s.Postponed, newPostponed(Window{HourOf(2010, 1, 1, 0) + h, HourOf(2020, 1, 1, 0)}, Doubtful, start))
			}
		},
		"postponed, pause": func(s *State) { s.Postponed = []*Postponed{{From: known, To: known + 1, FailingFrom: known}} },
	} {
		state := p.Save(true)
		require.NoError(t, newPlanner(nil).Restore(state))
		spoil(&state)
		require.Error(t, newPlanner(nil).Restore(state), name)
	}
}

func everyOther(from Hour, n int) (set Set) {
	for i := range n {
		h := from + Hour(2*i)
		set = append(set, Window{h, h + 1})
	}
	return set
}

// The largest state that is accepted costs little.
//
//promise:state-damaged
func TestLargestState(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 3650 * Day * time.Hour })
	forward(p, start, 20)
	s := p.Save(false)
	const each = maxWindows/5 - 100
	from := p.Calendar.HourAt(start) - 2*each - 100
	s.Final, s.Again, s.Shown = everyOther(from, each).Union(s.Final), everyOther(from, each), everyOther(from, each).Union(s.Shown)
	for i := range each {
		h := from + Hour(2*i)
		s.Unacknowledged = append(s.Unacknowledged, Sending{Window{h, h + 1}, start})
		s.Postponed = append(s.Postponed, newPostponed(Window{h + 1, h + 2}, Doubtful, start))
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
		require.ErrorContains(t, CheckSaved([]byte(`{"version":3,"open":[`+content+"{}]}")), "state has more than 2048 KiB or 200000 values")
	}
}

// After an unclean end, what was sent within the margin comes once more, and nothing else; after a clean one the latest hours.
//
//promise:once
//promise:killed
func TestSentAgainAfterARestart(t *testing.T) {
	for name, tt := range map[string]struct {
		mode    Mode
		isClean bool
		again   int // hours that become open again
	}{
		"killed": {All, false, 3}, "stopped": {All, true, 3}, "killed, final": {Final, false, 3}, "stopped, final": {Final, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlanner(func(o *Options) { o.Mode, o.Backfill = tt.mode, 100*time.Hour })
			forward(p, start, 12*10)
			state := p.Save(tt.isClean)
			next := newPlanner(func(o *Options) { o.Mode, o.Backfill = tt.mode, 100*time.Hour })
			require.NoError(t, next.Restore(state))
			require.Equal(t, tt.again, p.Final.Hours()-next.Final.Hours())

			h := p.Calendar.HourAt(state.Time) - 1
			state.Open = OpenHours{h: {isSent: true, sentAt: state.Time}}
			require.NoError(t, next.Restore(state))
			require.Equal(t, tt.again == 0, next.Open[h].isSent, "an open hour that was sent")
		})
	}
}

// It counts even if the clock was behind when it was sent.
//
//promise:clock
func TestSentAgainAfterAWrongClock(t *testing.T) {
	by := 5 * time.Hour
	p := newPlanner(nil)
	forward(p, start.Add(-by), 1)
	p.ClockKnown(start, by)
	forward(p, start, 2)
	next := newPlanner(nil)
	require.NoError(t, next.Restore(p.Save(false)))
	require.Empty(t, next.Final)
	for h, o := range next.Open {
		require.False(t, o.isSent, h)
	}
}

// Of an hour that the clock shows twice, the second is not sent before it has begun, though the report may have two rows.
//
//promise:dst
func TestRepeatedHourBeforeItsSecond(t *testing.T) {
	madrid, err := time.LoadLocation("Europe/Madrid")
	require.NoError(t, err)
	p := newPlanner(func(o *Options) { o.Calendar = Calendar{madrid} })
	first := time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC)
	for i, now := range []time.Time{first, first.Add(time.Hour)} {
		p.Start(now)
		q := p.Next(now)
		response := NewResponse(q.Window)
		response.At(p.Calendar.HourAt(now)).Reading = Reading{2, Figures{7, 7.5}, Figures{7, 7.5}}
		require.Len(t, p.Record(q, response, now).Rows, i+1)
	}
}

// Readings of a repeated hour survive a restart, and no list of another length is taken for one.
//
//promise:dst
//promise:state
func TestOpenHoursAsJSON(t *testing.T) {
	h := HourOf(2026, 10, 25, 2)
	reading := Reading{2, Figures{7, 7.5}, Figures{8, 8.5}}
	before := OpenHours{h: {isSent: true, reading: reading, sent: reading, shownAt: start, sentAt: start}}
	content, err := json.Marshal(before)
	require.NoError(t, err)
	var after OpenHours
	require.NoError(t, json.Unmarshal(content, &after))
	require.Equal(t, before, after)
	for _, rows := range []string{"[1]", "[1,2,3]", "[1,2,3,4,5,6]"} {
		require.Error(t, json.Unmarshal([]byte(`[{"from":"2026-10-25T02","rows":[`+rows+`]}]`), &after), rows)
	}
}

//promise:state-damaged
func TestCheckSaved(t *testing.T) {
	require.NoError(t, CheckSaved([]byte(`{"version":3}`)))
	require.ErrorContains(t, CheckSaved([]byte(`{"version":2}`)), "state has version 2, this program reads version 3")
	require.Error(t, CheckSaved([]byte(`[]`)))
}

// Days are read once more when they lie below the watermark, each once.
//
//promise:reread
func TestReread(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 50 * time.Hour })
	now := forward(p, start, 12*12) // past midnight
	today := HourOf(2026, 11, 23, 0)
	p.Options.Reread, p.RereadDays = "x", Window{today - 2*Day, today + Day}
	require.Equal(t, Window{today - 2*Day, today - Day}, p.Start(now), "the watermark is at 23 o'clock")
	require.False(t, p.Final.Contains(today-2*Day))
	require.Equal(t, &Window{today - Day, today + Day}, p.Rereading)
	require.True(t, p.Start(now).IsEmpty())
	now = forward(p, now, 12*2)
	require.Equal(t, &Window{today, today + Day}, p.Rereading)
	forward(p, now, 12*30)
	require.Nil(t, p.Rereading)
	require.True(t, p.Final.Contains(today-2*Day))
}

// Hours that wait count apart from those that are postponed. Of those that are final nothing else is kept.
//
//promise:statistics
func TestBacklog(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 10 * time.Hour })
	now := forward(p, start, 12)
	waiting, postponed := p.Backlog(now)
	require.Zero(t, waiting+postponed)
	require.NotContains(t, p.readAt, p.Calendar.HourAt(start)-5)

	first := p.begin()
	p.Final = p.Final.Remove(Window{first, first + 5})
	p.Postponed = []*Postponed{newPostponed(Window{first, first + 2}, Fails, now)}
	waiting, postponed = p.Backlog(now)
	require.Equal(t, []int{3, 2}, []int{waiting, postponed})

	waiting, _ = p.Backlog(now.Add(5 * time.Hour)) // no response has covered these hours yet
	require.Equal(t, 3+5, waiting)
}

// It is unusual if the newest calls are older than twice the longest gap and two hours, once a day has been seen.
//
//promise:late
func TestStall(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 30 * time.Hour })
	_, isUnusual := p.Stall(start)
	require.False(t, isUnusual)
	now := start
	for range 4 {
		p.Start(now)
		respond(p, p.Next(now), now, func(h Hour) bool { return h.Of() < 6 || h.Of() > 9 })
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

//promise:status
func TestStatusOfHours(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Backfill = 24 * time.Hour })
	require.Empty(t, p.Status(start).Open)
	p.Start(start)
	require.Len(t, p.Status(start).Open, 1)
	require.Equal(t, whyUnread, p.Status(start).Open[0].Why)
	respond(p, p.Next(start), start, everyHour)
	reasons := make([]string, 0, 3)
	for _, r := range p.Status(start).Open {
		reasons = append(reasons, r.Why)
	}
	require.Equal(t, []string{whyUnread, whyOnce, whyNewer}, reasons)
	now := forward(p, start, 12)
	s := p.Status(now)
	require.Equal(t, "2026-11-22 15:00", s.Newest.String())
	require.Equal(t, "2026-11-22 12:00", s.Watermark.String())
	require.Equal(t, "2026-11-22 11:00", s.Complete.String())
	require.Len(t, s.Open, 1)
	require.Equal(t, whyNewer, s.Open[0].Why)
	require.Equal(t, "2026-11-22 12:00 to 2026-11-22 15:00", s.Open[0].Window.String())
}
