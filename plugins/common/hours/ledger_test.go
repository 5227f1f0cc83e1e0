package hours

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// show records a response to a live request for w that shows these hours.
func show(p *Planner, w Window, now time.Time, shown map[Hour]Shown) Result {
	response := NewResponse(w)
	for h, s := range shown {
		*response.At(h) = s
	}
	return p.Record(Request{Window: w}, response, now)
}

// calls is what a response shows for an hour with seven calls.
var calls = Shown{Reading: Reading{1, Figures{7, 7.5}, Figures{}}}

// rowsOf returns the hours of rows.
func rowsOf(r Result) (hours []Hour) {
	for _, row := range r.Rows {
		hours = append(hours, row.Hour)
	}
	return hours
}

// If the report hides a single hour for a day, it has dropped the hour, and the last reading is final.
//
//promise:final
//promise:late
func TestDroppedHour(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Mode = Final })
	now := runGathers(p, start, 12)
	dropped := p.Calendar.HourAt(start)
	var sent time.Time
	for now.Before(start.Add(50 * time.Hour)) {
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

// A response that hides several hours, such as an empty one, doesn't mean that they were dropped.
//
//promise:final
func TestSeveralHiddenHours(t *testing.T) {
	p := newPlanner(nil)
	runGathers(p, start, 1)
	h := p.Calendar.HourAt(start) - 2
	show(p, Window{h + Day, h + 2*Day}, start.Add(26*time.Hour), map[Hour]Shown{h + Day: calls})
	today := Window{h.startOfDay(), h.endOfDay()}
	require.Greater(t, show(p, today, start.Add(27*time.Hour), nil).Hidden, 1)
	require.Greater(t, show(p, today, start.Add(27*time.Hour), map[Hour]Shown{h - 1: calls}).Hidden, 1)
	require.False(t, p.Final.Contains(h))
	require.Equal(t, 1, show(p, Window{h, h + 1}, start.Add(28*time.Hour), nil).Hidden)
	require.False(t, p.Final.Contains(h), "a response for one hour is inconclusive")
}

// A reopened hour may have had calls that the report has since dropped: its silence becomes final, but no zero is sent.
//
//promise:silence
//promise:reread
func TestSilenceOfReopenedHours(t *testing.T) {
	set := func(o *Options) { o.SendZeros, o.Backfill = true, 72*time.Hour }
	p := newPlanner(set)
	now := runGathers(p, start, 12*12)
	day := Window{HourOf(2026, 11, 20, 0), HourOf(2026, 11, 21, 0)}
	p.Options.Reread, p.RereadDays = "x", day
	require.Equal(t, day, p.Start(now))
	require.Equal(t, Set{day}, p.Reopened)
	for range 12 {
		q := p.Next(now)
		for _, row := range respond(p, q, now, func(h Hour) bool { return !day.Contains(h) }).Rows {
			require.False(t, day.Contains(row.Hour), row.Hour)
		}
		now = now.Add(5 * time.Minute)
	}
	require.Empty(t, p.Reopened)
	require.Equal(t, day.Hours(), p.Final.Within(day).Hours())

	p = newPlanner(set) // crashes
	now = runGathers(p, start, 12)
	next := newPlanner(set)
	require.NoError(t, next.Restore(p.Save(false)))
	require.Positive(t, next.ToReread.Within(day).Hours())
	for range 12 {
		next.Start(now)
		for _, row := range respond(next, next.Next(now), now, func(h Hour) bool { return !day.Contains(h) }).Rows {
			require.False(t, day.Contains(row.Hour), row.Hour)
		}
		now = now.Add(5 * time.Minute)
	}
}

// Mode Final waits at most 12 hours for newer calls, but never sends an hour until lookback has passed since its end.
//
//promise:once
func TestFinalByTheClock(t *testing.T) {
	for lookback, expected := range map[time.Duration]time.Duration{3 * time.Hour: 12 * time.Hour, 20 * time.Hour: 20*time.Hour + 40*time.Minute} {
		p := newPlanner(func(o *Options) { o.Mode, o.SendZeros, o.Lookback = Final, true, lookback })
		p.Start(start)
		newest := p.Calendar.HourAt(start)
		day := Window{newest.startOfDay(), newest.endOfDay()}
		var sent []time.Duration
		for n := range 12 * 24 {
			now := start.Add(time.Duration(n) * 5 * time.Minute)
			for _, row := range show(p, day, now, map[Hour]Shown{newest: calls}).Rows {
				require.Equal(t, newest, row.Hour, "silence needs newer calls")
				sent = append(sent, now.Sub(start))
			}
		}
		require.Equal(t, []time.Duration{expected}, sent, lookback)
		require.Empty(t, p.Final)
		changed := Shown{Reading: Reading{1, Figures{8, 8.5}, Figures{}}}
		now := start.Add(24 * time.Hour)
		require.Empty(t, show(p, day, now, map[Hour]Shown{newest: changed}).Rows)
		require.Len(t, show(p, day, now.Add(time.Minute), map[Hour]Shown{newest: changed}).Rows, 1, "the hour changed")
	}
}

// Calls in the future, as with a wrong time zone, are sent once their hour has begun, even if it becomes final with the next reading.
//
//promise:timezone
func TestCallsAheadOfNow(t *testing.T) {
	for _, mode := range []Mode{All, Ended} {
		p := newPlanner(func(o *Options) { o.Mode = mode })
		p.Start(start)
		current := p.Calendar.HourAt(start)
		day := Window{current.startOfDay(), current.endOfDay()}
		shown := map[Hour]Shown{current: calls, current + 2: calls}
		require.Len(t, show(p, day, start, shown).Rows, map[Mode]int{All: 1, Ended: 0}[mode])
		shown[current+9] = calls
		require.Contains(t, rowsOf(show(p, day, start.Add(9*time.Hour), shown)), current+2)
		require.True(t, p.Final.Contains(current+2))
	}
}

// An hour with calls but no minutes is sent once it is below the watermark, with 0 minutes.
//
//promise:modes
func TestHourWithoutMinutes(t *testing.T) {
	p := newPlanner(nil)
	p.Start(start)
	h := p.Calendar.HourAt(start) - 1
	day := Window{h.startOfDay(), h.endOfDay()}
	shown := map[Hour]Shown{h: {Reading: Reading{1, Figures{7, 0}, Figures{}}, NoMinutes: true}}
	require.Empty(t, show(p, day, start, shown).Rows)
	shown[h+5] = calls
	require.Contains(t, rowsOf(show(p, day, start.Add(6*time.Hour), shown)), h)
}

// An hour that had calls without minutes and was hidden since has no reading that could become final.
//
//promise:final
func TestHiddenHourWithoutAReading(t *testing.T) {
	p := newPlanner(nil)
	runGathers(p, start, 1)
	h := p.Calendar.HourAt(start) - 2
	delete(p.Open, h)
	later := start.Add(48 * time.Hour)
	today := Window{h.startOfDay(), h.endOfDay()}
	shown := map[Hour]Shown{}
	for other := today.From; other < today.To; other++ {
		shown[other] = calls
	}
	shown[h] = Shown{}
	require.Equal(t, 1, show(p, today, later, shown).Hidden)
	require.False(t, p.Final.Contains(h))
}

// An hour isn't final while rows can't be assigned to hours, or while its own row can't be read.
//
//promise:final
//promise:unreadable
func TestUnreadableRows(t *testing.T) {
	for name, corrupt := range map[string]func(*Response, Hour){
		"undated":    func(r *Response, _ Hour) { r.Undated = true },
		"unreadable": func(r *Response, h Hour) { r.At(h).Unreadable = true },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlanner(func(o *Options) { o.SendZeros = true })
			now := runGathers(p, start, 3)
			quiet := p.Calendar.HourAt(start) + 1
			for range 12 * 36 {
				p.Start(now)
				q := p.Next(now)
				response := NewResponse(q.Window)
				for h := q.Window.From; h < q.Window.To && h <= p.Calendar.HourAt(now); h++ {
					if h != quiet {
						response.At(h).Reading = Reading{Rows: 1, First: Figures{7, 7.5}}
					}
				}
				if q.Window.Contains(quiet) {
					corrupt(response, quiet)
				}
				for _, row := range p.Record(q, response, now).Rows {
					require.NotEqual(t, quiet, row.Hour)
				}
				if quiet >= p.watermark(now) {
					require.Empty(t, p.Postponed)
				}
				now = now.Add(5 * time.Minute)
			}
			require.False(t, p.Final.Contains(quiet))
			require.True(t, p.Final.Contains(quiet+1))
			waiting, postponed := p.Backlog(now)
			require.Equal(t, []int{0, 1}, []int{waiting, postponed})
			for range 12 * 48 { // the hour becomes readable
				p.Start(now)
				respond(p, p.Next(now), now, everyHour)
				now = now.Add(5 * time.Minute)
			}
			require.True(t, p.Final.Contains(quiet))
		})
	}
}

// A row that can't be read doesn't count as hiding the calls of its hour.
//
//promise:unreadable
func TestUnreadableRowHidesNothing(t *testing.T) {
	p := newPlanner(nil)
	runGathers(p, start, 1)
	today := Window{HourOf(2026, 11, 22, 0), HourOf(2026, 11, 23, 0)}
	shown := map[Hour]Shown{}
	for h := today.From; h <= p.Calendar.HourAt(start); h++ {
		shown[h] = calls
	}
	shown[today.From+13] = Shown{Unreadable: true}
	require.Zero(t, show(p, today, start, shown).Hidden)
}

// Zeros for hours that have ended are sent at once if the silence is credible.
//
//promise:silence
func TestZerosAboveTheWatermark(t *testing.T) {
	today := HourOf(2026, 11, 22, 0)
	day := Window{today, today + Day}
	set := func(o *Options) { o.Lookback, o.SendZeros = 48*time.Hour, true }

	p := newPlanner(set)
	p.Start(start)
	require.Equal(t, []Hour{today + 10, today + 11, today + 12}, rowsOf(show(p, day, start, map[Hour]Shown{today + 10: calls, today + 12: calls})),
		"only hours between two rows; later rows may still be missing")

	p = newPlanner(set)
	p.Start(start)
	response := NewResponse(day)
	response.Undated = true
	*response.At(today + 10), *response.At(today + 13) = calls, calls
	require.Equal(t, []Hour{today + 10, today + 13}, rowsOf(p.Record(Request{Window: day}, response, start)), "the undated row may be between them")

	p = newPlanner(set)
	p.Start(start)
	show(p, day, start, map[Hour]Shown{today: calls, today + 14: calls})
	narrow := Window{today - 10, today}
	require.Empty(t, show(p, narrow, start, nil).Rows, "they precede the earliest known calls")
	show(p, Window{today - Day, today}, start, map[Hour]Shown{today - 12: calls})
	require.Len(t, show(p, narrow, start, nil).Rows, 10, "the window is no wider than a run of rows and follows the earliest known calls")
}

// Sent hours stay unacknowledged until outputs must have stored them, regardless of the order in which they became final.
//
//promise:killed
func TestUnacknowledgedHours(t *testing.T) {
	p := newPlanner(nil)
	h := HourOf(2026, 11, 22, 0)
	finish := func(w Window, sentAt time.Time) {
		for i := w.From; i < w.To; i++ {
			p.Open[i] = &openHour{isSent: true, sentAt: sentAt}
		}
		p.markFinal(Set{w})
	}
	early, late := start.Add(-time.Hour), start
	finish(Window{h + 10, h + 13}, early)
	finish(Window{h + 14, h + 15}, early)
	finish(Window{h + 5, h + 7}, early)
	finish(Window{h + 7, h + 8}, early)
	finish(Window{h + 8, h + 9}, late)
	require.Equal(t, []SentWindow{
		{Window{h + 10, h + 13}, early}, {Window{h + 14, h + 15}, early}, {Window{h + 5, h + 8}, early}, {Window{h + 8, h + 9}, late},
	}, p.Unacknowledged)
	p.MarkRunning(early.Add(p.margin() + 1))
	require.Equal(t, []SentWindow{{Window{h + 8, h + 9}, late}}, p.Unacknowledged)
}

// If the clock was behind, only the times that the last response set are corrected.
//
//promise:clock
func TestTimesOfTheLastResponseAreCorrected(t *testing.T) {
	p := newPlanner(nil)
	now := runGathers(p, start, 1)
	before := start.Add(-time.Hour)
	h := p.Calendar.HourAt(start)
	p.Open[h-1].sentAt = before
	p.Unacknowledged = []SentWindow{{Window{h - 5, h - 4}, before}, {Window{h - 4, h - 3}, start}}
	p.SyncClock(now, time.Minute)
	require.Equal(t, start.Add(time.Minute), p.NewestAt)
	require.Equal(t, start.Add(time.Minute), p.Open[h].sentAt)
	require.Equal(t, before, p.Open[h-1].sentAt)
	require.Equal(t, []time.Time{before, start.Add(time.Minute)}, []time.Time{p.Unacknowledged[0].At, p.Unacknowledged[1].At})

	p = newPlanner(nil)
	now = runGathers(p, start, 1)
	p.SyncClock(now, -time.Minute)
	require.Equal(t, start, p.NewestAt, "the response was recorded with the right time")
}

// The second occurrence of a repeated hour isn't sent before it has begun, even if the report already has two rows.
//
//promise:dst
func TestRepeatedHourBeforeItsSecond(t *testing.T) {
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

// Both rows of a repeated hour are sent, even if one or both are zeros, or the report drops them later.
//
//promise:dst
func TestRowsOfARepeatedHour(t *testing.T) {
	now := time.Date(2026, 10, 25, 9, 20, 0, 0, time.UTC)
	day := Window{HourOf(2026, 10, 25, 0), HourOf(2026, 10, 26, 0)}
	repeated := day.From + 2
	sent := func(p *Planner, reading Reading, now time.Time) (rows []Row) {
		p.Start(now)
		for _, row := range show(p, day, now, map[Hour]Shown{day.From + 1: calls, repeated: {Reading: reading}, day.From + 9: calls}).Rows {
			if row.Hour == repeated {
				rows = append(rows, row)
			}
		}
		return rows
	}
	final := func(o *Options) { o.Calendar, o.Mode, o.Backfill = Calendar{madrid}, Final, 24*time.Hour }
	for _, reading := range []Reading{{2, Figures{}, Figures{7, 7.5}}, {2, Figures{7, 7.5}, Figures{}}, {Rows: 2}} {
		p := newPlanner(final)
		require.Empty(t, sent(p, reading, now))
		rows := sent(p, reading, now.Add(time.Minute))
		require.Equal(t, []Figures{reading.First, reading.Second}, []Figures{rows[0].Figures, rows[1].Figures})
		require.Equal(t, time.Hour, rows[1].Start.Sub(rows[0].Start))
	}

	p := newPlanner(final)
	require.Empty(t, sent(p, Reading{2, Figures{7, 7.5}, Figures{8, 8.5}}, now))
	require.Len(t, sent(p, Reading{}, now.Add(25*time.Hour)), 2, "the report dropped the hour")
}

// Calls in an hour that the clock skips aren't sent.
//
//promise:dst
func TestCallsInASkippedHour(t *testing.T) {
	p := newPlanner(func(o *Options) { o.Calendar, o.Lookback = Calendar{madrid}, 0 })
	now := time.Date(2026, 3, 29, 1, 20, 0, 0, time.UTC) // 3:20
	p.Start(now)
	day := Window{HourOf(2026, 3, 29, 0), HourOf(2026, 3, 30, 0)}
	require.Empty(t, show(p, day, now, map[Hour]Shown{day.From + 2: calls}).Rows)
	require.Equal(t, day.From+3, p.watermark(now))
}
