package hours

import "time"

// Calendar converts between instants and the hours of a local clock.
type Calendar struct {
	Location *time.Location
}

// maxUTCOffset exceeds the UTC offset of every time zone.
const maxUTCOffset = 24 * time.Hour

// HourAt returns the hour that the local clock shows at t.
func (c Calendar) HourAt(t time.Time) Hour {
	_, offset := t.In(c.Location).Zone()
	return Hour(t.Add(time.Duration(offset)*time.Second).Truncate(time.Hour).Unix() / 3600)
}

// Starts returns the instants at which the hour starts: usually one, two if the clock repeats the hour, none if it skips it. On Lord Howe
// Island, where clocks change by half an hour, one hour per year lasts 90 minutes and another lasts 30.
func (c Calendar) Starts(h Hour) []time.Time {
	shown := h.clock()
	starts := make([]time.Time, 0, 1)
	for t := shown.Add(-maxUTCOffset).In(c.Location); ; { // between two clock changes, the hour starts at most once
		from, to := t.ZoneBounds()
		_, offset := t.Zone()
		start := shown.Add(-time.Duration(offset) * time.Second).In(c.Location)
		switch end := start.Add(time.Hour); {
		case !to.IsZero() && !start.Before(to), !from.Before(end): // not within this period
		case !start.Before(from):
			starts = append(starts, start)
		case c.HourAt(from.Add(-1)) != h: // otherwise it started in the previous period
			starts = append(starts, from)
		}
		if to.IsZero() || to.Sub(shown) > maxUTCOffset {
			return starts
		}
		t = to
	}
}

// EndOfDay returns the first instant of the next local day.
func (c Calendar) EndOfDay(t time.Time) time.Time {
	for h := c.HourAt(t).endOfDay(); ; h++ { // some zones skip the first hour of a day, and Samoa once skipped a whole day
		if starts := c.Starts(h); len(starts) > 0 {
			return starts[0]
		}
	}
}
