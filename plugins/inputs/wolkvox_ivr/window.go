package wolkvox_ivr

import (
	"slices"
	"time"
)

const (
	// maxDays is the most calendar days that one request may span (vendor documentation: 31).
	maxDays = 31
	// maxOutageDays bounds what is read again after an outage, in calendar days: a clock that was set to 1970 and back
	// isn't one of decades.
	maxOutageDays = 366
	// rhythm is a time in which the live window is read at least once, as long as nothing fails.
	rhythm = time.Hour
)

// window is a range of whole local hours, From inclusive, To exclusive.
type window struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// reading is a window of history and when its rows were handed on.
type reading struct {
	window
	At time.Time `json:"at"`
}

// progress is what has been read and what remains to be read. It is the plugin's state.
type progress struct {
	Version int       `json:"version"`
	Covered time.Time `json:"covered"`           // when the live window was last read; its hours up to `lookback` before are final
	Rewound bool      `json:"rewound,omitempty"` // restore has moved Covered back, and the live window was not read since
	Since   time.Time `json:"since"`             // the earliest hour that was ever to be read
	First   time.Time `json:"first"`             // the earliest hour known to be in the API's history
	Backlog []window  `json:"backlog,omitempty"` // hours before the live window still to be read, oldest first, disjoint
	Recent  []reading `json:"recent,omitempty"`  // history handed on so shortly ago that it may not be flushed yet
	Clean   bool      `json:"clean"`             // saved by an orderly stop
}

func (s progress) backlogHours() int64 {
	var hours int64
	for _, w := range s.Backlog {
		hours += hoursIn(w)
	}
	return hours
}

func hoursIn(w window) int64 {
	return int64(w.To.Sub(w.From) / time.Hour)
}

// planner holds the options that decide which hours to ask for. Its methods are functions of their arguments alone.
type planner struct {
	location    *time.Location
	lookback    time.Duration
	backfill    time.Duration
	omitCurrent bool
}

// restore turns a saved state into one to go on from. Rows that were handed on shortly before the end may never have
// been written, so the live window starts earlier and, after an unclean end, recent history is read again. The hours of
// the state are made whole ones, which they aren't if it was saved under another time zone.
func (pl *planner) restore(s progress) progress {
	backlog, recent := s.Backlog, s.Recent
	s.Backlog, s.Recent = nil, nil
	for _, w := range backlog {
		s.Backlog = add(s.Backlog, pl.whole(w))
	}
	for _, r := range recent {
		r.window = pl.whole(r.window)
		if s.Clean {
			s.Recent = append(s.Recent, r)
		} else {
			s.Backlog = add(s.Backlog, r.window)
		}
	}
	s.Clean = false
	if s.Covered.IsZero() {
		return s
	}
	s.Since, s.First = pl.floor(s.Since), pl.floor(s.First)
	if !s.Rewound {
		sooner := earlier(s.Covered, s.Since.Add(pl.lookback)) // nothing before Since was read
		s.Covered = later(s.Covered.Add(-pl.margin()-rhythm), sooner)
		s.Rewound = true
	}
	return s
}

// live returns the window that keeps the running hour current, from `lookback` before the last success. What does not
// fit into `days` calendar days goes to the backlog of the returned state, as does history that is asked for.
func (pl *planner) live(s progress, now time.Time, days int) (window, progress) {
	s.Backlog = slices.Clone(s.Backlog)
	s.Recent = slices.Clone(s.Recent)

	if s.Covered.IsZero() {
		s.Covered = now
		s.Since = pl.floor(now.Add(-pl.lookback))
		s.First = s.Since
	}
	oldest := pl.daysBefore(now, maxOutageDays)
	if ahead := s.Covered.Sub(now); ahead > pl.margin() {
		// The clock was far ahead for an unknown time: nothing that was read in it is sure to be final.
		if s.Since.After(now) {
			s.Since = oldest
		}
		s.Covered = earlier(now, s.Since.Add(pl.lookback))
	} else if ahead > 0 {
		s.Covered = now
	}
	s.Covered = later(s.Covered, oldest.Add(pl.lookback))
	s.Recent = slices.DeleteFunc(s.Recent, func(r reading) bool {
		age := now.Sub(r.At)
		return age > pl.margin() || age < -pl.margin()
	})

	if pl.backfill > 0 {
		if start := pl.floor(now.Add(-pl.backfill)); start.Before(s.Since) {
			s.Backlog = add(s.Backlog, window{start, s.Since})
			s.Since = start
		}
	}

	current := pl.floor(now)
	w := window{From: pl.floor(s.Covered.Add(-pl.lookback)), To: current}
	if !pl.omitCurrent {
		w.To = pl.next(current)
	}
	if earliest := pl.daysBefore(w.To, days); w.From.Before(earliest) {
		s.Backlog = add(s.Backlog, window{w.From, earliest})
		w.From = earliest
	}
	s.Backlog = remove(s.Backlog, w)
	return w, s
}

// liveDone returns the state after the live window w, asked for at now, was read.
func (pl *planner) liveDone(s progress, w window, now time.Time) progress {
	s.Covered = now
	s.Rewound = false
	// What restore goes back to anyway needs no note.
	if again := pl.floor(now.Add(-rhythm - pl.lookback)); w.From.Before(again) {
		s.Recent = append(slices.Clone(s.Recent), reading{window{w.From, again}, now})
	}
	return s
}

// history returns the newest window of the backlog before end, of at most `days` calendar days.
func (pl *planner) history(s progress, days int, end time.Time) (w window, found bool) {
	backlog := remove(s.Backlog, window{end, end.AddDate(1000, 0, 0)})
	if len(backlog) == 0 {
		return window{}, false
	}
	w = backlog[len(backlog)-1]
	if earliest := pl.daysBefore(w.To, days); w.From.Before(earliest) {
		w.From = earliest
	}
	return w, true
}

// historyDone returns the state after the window w of the backlog was read and handed on at now.
func (*planner) historyDone(s progress, w window, now time.Time) progress {
	s.Backlog = remove(s.Backlog, w)
	s.Recent = append(slices.Clone(s.Recent), reading{w, now})
	return s
}

// margin is how long handed-on rows may take to be flushed.
func (pl *planner) margin() time.Duration {
	return max(pl.lookback, time.Hour)
}

// whole returns the window made to start and end on whole local hours.
func (pl *planner) whole(w window) window {
	return window{pl.floor(w.From), pl.next(pl.floor(w.To.Add(-time.Nanosecond)))}
}

// label is a local hour as the report names it: YYYYMMDDHH as a number.
type label int

func (pl *planner) label(t time.Time) label {
	t = t.In(pl.location)
	year, month, day := t.Date()
	return label(((year*100+int(month))*100+day)*100 + t.Hour())
}

// hours returns the starts of the hours in w, in order.
func (pl *planner) hours(w window) []time.Time {
	if !w.From.Before(w.To) {
		return nil
	}
	starts := make([]time.Time, 0, w.To.Sub(w.From)/time.Hour+1)
	for t := w.From; t.Before(w.To); t = pl.nextHour(t) {
		starts = append(starts, t)
	}
	return starts
}

// floor returns the start of the local hour of t. Where clocks are set back and an hour repeats, it is the start of
// the first: the report's label means both, so no window may part them.
func (pl *planner) floor(t time.Time) time.Time {
	start := pl.hour(t)
	if before := start.Add(-time.Nanosecond); pl.label(before) == pl.label(start) {
		return pl.hour(before)
	}
	return start
}

// next returns the start of the local hour after the one that starts at t, beyond its repetition if there is one.
func (pl *planner) next(t time.Time) time.Time {
	end := pl.nextHour(t)
	if pl.label(end) == pl.label(t) {
		return pl.nextHour(end)
	}
	return end
}

// daysBefore returns the start of the local day that makes `days` calendar days with the one that ends at, or contains, end.
func (pl *planner) daysBefore(end time.Time, days int) time.Time {
	year, month, day := end.Add(-time.Nanosecond).In(pl.location).Date()
	return pl.startOfDay(year, month, day-days+1)
}

// startOfDay returns the first instant of a local day, which is not always 00:00: some zones change their clocks at midnight.
func (pl *planner) startOfDay(year int, month time.Month, day int) time.Time {
	noon := time.Date(year, month, day, 12, 0, 0, 0, pl.location)
	start := pl.hour(noon)
	for before := start.Add(-time.Nanosecond); before.Day() == noon.Day(); before = start.Add(-time.Nanosecond) {
		start = pl.hour(before)
	}
	return start
}

// hour returns the start of the hour of t on the local clock: the latest instant at which the clock showed a full
// hour or was set forward into one. In nearly all cases that is t less its minutes; Lord Howe Island, which changes
// its clocks by half an hour, has one hour of 90 minutes a year and one of 30.
func (pl *planner) hour(t time.Time) time.Time {
	t = t.In(pl.location)
	start := t.Add(-time.Duration(t.Minute())*time.Minute - time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
	change, _ := t.ZoneBounds()
	if change.IsZero() || !start.Before(change) {
		return start
	}
	before := change.Add(-time.Nanosecond)
	if change.Minute() != 0 && pl.label(before) == pl.label(change) {
		return pl.hour(before)
	}
	return change
}

func (pl *planner) nextHour(start time.Time) time.Time {
	for step := time.Hour; ; step += time.Hour / 2 {
		if next := pl.hour(start.Add(step)); next.After(start) {
			return next
		}
	}
}

// add returns the windows with w added: sorted, and merged where they touch.
func add(windows []window, w window) []window {
	if !w.From.Before(w.To) {
		return windows
	}
	merged := make([]window, 0, len(windows)+1)
	for _, other := range windows {
		if other.To.Before(w.From) || w.To.Before(other.From) {
			merged = append(merged, other)
			continue
		}
		w.From = earlier(w.From, other.From)
		w.To = later(w.To, other.To)
	}
	merged = append(merged, w)
	slices.SortFunc(merged, func(a, b window) int { return a.From.Compare(b.From) })
	return merged
}

// remove returns the windows without the hours of w.
func remove(windows []window, w window) []window {
	rest := make([]window, 0, len(windows)+1)
	for _, other := range windows {
		if before := (window{other.From, earlier(other.To, w.From)}); before.From.Before(before.To) {
			rest = append(rest, before)
		}
		if after := (window{later(other.From, w.To), other.To}); after.From.Before(after.To) {
			rest = append(rest, after)
		}
	}
	return rest
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
