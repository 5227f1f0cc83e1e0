package hours

import "time"

// Calendar converts between instants and the hours of a local clock.
type Calendar struct {
	Location *time.Location
}

// longestChange is more than any time zone has ever set its clocks forward or back: a day, and an hour to spare.
const longestChange = 25 * time.Hour

// HourAt returns the hour that the local clock shows at the instant.
func (c Calendar) HourAt(t time.Time) Hour {
	t = t.In(c.Location)
	year, month, day := t.Date()
	return HourOf(year, int(month), day, t.Hour())
}

// Starts returns the instants at which the hour starts: one, two where the clock repeats the hour, none where it skips the hour.
func (c Calendar) Starts(h Hour) []time.Time {
	shown := h.clock()
	t := time.Date(shown.Year(), shown.Month(), shown.Day(), shown.Hour(), 0, 0, 0, c.Location)
	changed, changes := t.ZoneBounds()
	if (changed.IsZero() || t.Sub(changed) > longestChange) && (changes.IsZero() || changes.Sub(t) > longestChange) {
		return []time.Time{t}
	}
	var starts []time.Time
	for s := c.start(t.Add(-longestChange)); s.Before(t.Add(longestChange)); s = c.nextStart(s) {
		if c.HourAt(s) == h {
			starts = append(starts, s)
		}
	}
	return starts
}

// EndOfDay returns the first instant of the next local day.
func (c Calendar) EndOfDay(t time.Time) time.Time {
	for h := c.HourAt(t).endOfDay(); ; h++ { // some zones skip the first hour of a day, one has skipped a day
		if starts := c.Starts(h); len(starts) > 0 {
			return starts[0]
		}
	}
}

// start returns the start of the hour that is running at t: the latest instant at which the clock showed a full hour or was set
// forward into one. In nearly all cases that is t less its minutes; Lord Howe Island, which changes its clocks by half an hour, has
// one hour of 90 minutes a year and one of 30.
func (c Calendar) start(t time.Time) time.Time {
	t = t.In(c.Location)
	start := t.Add(-time.Duration(t.Minute())*time.Minute - time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
	change, _ := t.ZoneBounds()
	if change.IsZero() || !start.Before(change) {
		return start
	}
	before := change.Add(-time.Nanosecond)
	if change.Minute() != 0 && c.HourAt(before) == c.HourAt(change) {
		return c.start(before)
	}
	return change
}

func (c Calendar) nextStart(start time.Time) time.Time {
	for step := time.Hour; ; step += time.Hour / 2 {
		if next := c.start(start.Add(step)); next.After(start) {
			return next
		}
	}
}
