package wolkvox_ivr

import (
	"slices"
	"time"
)

// maxDays is the most calendar days that one request may span (vendor documentation: 31).
const maxDays = 31

// calendar is the local clock of an operation's reports.
type calendar struct {
	location *time.Location
}

// window is a range of whole local hours, From inclusive, To exclusive.
type window struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// hours returns how many hours the window lasts.
func (w window) hours() int {
	return int(w.To.Sub(w.From) / time.Hour)
}

// width returns how many hours the API may take the window for: those it lasts, or by its labels seems to last where clocks
// are set forward in between.
func (w window) width() int {
	_, before := w.From.Zone()
	_, after := w.To.Zone()
	return int((w.To.Sub(w.From) + max(time.Duration(after-before)*time.Second, 0)) / time.Hour)
}

func (w window) isEmpty() bool {
	return !w.From.Before(w.To)
}

func (w window) contains(t time.Time) bool {
	return !t.Before(w.From) && t.Before(w.To)
}

// label is a local hour as the report names it: YYYYMMDDHH as a number.
type label int

func (c calendar) label(t time.Time) label {
	t = t.In(c.location)
	year, month, day := t.Date()
	return label(((year*100+int(month))*100+day)*100 + t.Hour())
}

// hours returns the starts of the hours in w, in order.
func (c calendar) hours(w window) []time.Time {
	if w.isEmpty() {
		return nil
	}
	starts := make([]time.Time, 0, w.hours()+1)
	for t := w.From; t.Before(w.To); t = c.nextHour(t) {
		starts = append(starts, t)
	}
	return starts
}

// floor returns the start of the local hour of t. Where clocks are set back and an hour repeats, it is the start of
// the first: the report's label means both, so no window may part them.
func (c calendar) floor(t time.Time) time.Time {
	start := c.hour(t)
	if before := start.Add(-time.Nanosecond); c.label(before) == c.label(start) {
		return c.hour(before)
	}
	return start
}

// next returns the start of the local hour after the one that starts at t, beyond its repetition if there is one.
func (c calendar) next(t time.Time) time.Time {
	end := c.nextHour(t)
	if c.label(end) == c.label(t) {
		return c.nextHour(end)
	}
	return end
}

// ceiling returns the start of the first local hour that does not begin before t.
func (c calendar) ceiling(t time.Time) time.Time {
	if start := c.floor(t); start.Before(t) {
		return c.next(start)
	}
	return c.floor(t)
}

// last returns the start of the last hour of a window that ends at `end`.
func (c calendar) last(end time.Time) time.Time {
	return c.floor(end.Add(-time.Nanosecond))
}

// whole returns the window made to start and end on whole local hours.
func (c calendar) whole(w window) window {
	return window{c.floor(w.From), c.next(c.last(w.To))}
}

// clip returns the newest part of w that spans at most so many hours, and the days of a request; it has one hour at least.
func (c calendar) clip(w window, hours int) window {
	from := later(w.From, c.daysBefore(w.To, maxDays))
	if (window{from, w.To}).width() > hours {
		start := w.To.Add(-time.Duration(hours) * time.Hour)
		for from = c.floor(start); from.Before(start) || (window{from, w.To}).width() > hours; {
			from = c.next(from)
		}
	}
	return window{earlier(from, c.last(w.To)), w.To}
}

// daysBefore returns the start of the local day that makes `days` calendar days with the one that ends at, or contains, end.
func (c calendar) daysBefore(end time.Time, days int) time.Time {
	year, month, day := end.Add(-time.Nanosecond).In(c.location).Date()
	return c.startOfDay(year, month, day-days+1)
}

// endOfDay returns the end of the local day that contains t.
func (c calendar) endOfDay(t time.Time) time.Time {
	year, month, day := t.In(c.location).Date()
	return c.startOfDay(year, month, day+1)
}

// startOfDay returns the first instant of a local day, which is not always 00:00: some zones change their clocks at midnight.
func (c calendar) startOfDay(year int, month time.Month, day int) time.Time {
	noon := time.Date(year, month, day, 12, 0, 0, 0, c.location)
	start := c.hour(noon)
	for before := start.Add(-time.Nanosecond); before.Day() == noon.Day(); before = start.Add(-time.Nanosecond) {
		start = c.hour(before)
	}
	return start
}

// hour returns the start of the hour of t on the local clock: the latest instant at which the clock showed a full
// hour or was set forward into one. In nearly all cases that is t less its minutes; Lord Howe Island, which changes
// its clocks by half an hour, has one hour of 90 minutes a year and one of 30.
func (c calendar) hour(t time.Time) time.Time {
	t = t.In(c.location)
	start := t.Add(-time.Duration(t.Minute())*time.Minute - time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
	change, _ := t.ZoneBounds()
	if change.IsZero() || !start.Before(change) {
		return start
	}
	before := change.Add(-time.Nanosecond)
	if change.Minute() != 0 && c.label(before) == c.label(change) {
		return c.hour(before)
	}
	return change
}

func (c calendar) nextHour(start time.Time) time.Time {
	for step := time.Hour; ; step += time.Hour / 2 {
		if next := c.hour(start.Add(step)); next.After(start) {
			return next
		}
	}
}

// add returns the windows with w added: sorted, and merged where they touch.
func add(windows []window, w window) []window {
	if w.isEmpty() {
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
	if w.isEmpty() {
		return windows
	}
	rest := make([]window, 0, len(windows)+1)
	for _, other := range windows {
		if before := (window{other.From, earlier(other.To, w.From)}); !before.isEmpty() {
			rest = append(rest, before)
		}
		if after := (window{later(other.From, w.To), other.To}); !after.isEmpty() {
			rest = append(rest, after)
		}
	}
	return rest
}

// without returns the windows without the hours of all others.
func without(windows, others []window) []window {
	for _, w := range others {
		windows = remove(windows, w)
	}
	return windows
}

// within returns the parts of the windows that lie in w.
func within(windows []window, w window) []window {
	if w.isEmpty() {
		return nil
	}
	return without([]window{w}, without([]window{w}, windows))
}

func hoursOf(windows []window) int64 {
	var hours int64
	for _, w := range windows {
		hours += int64(w.hours())
	}
	return hours
}

func isIn(windows []window, t time.Time) bool {
	return slices.ContainsFunc(windows, func(w window) bool { return w.contains(t) })
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
