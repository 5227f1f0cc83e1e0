package hours

import "time"

// Calendar converts between instants and the hours of a local clock.
type Calendar struct {
	Location *time.Location
}

// farFromUTC is more than any clock differs from UTC.
const farFromUTC = 24 * time.Hour

// HourAt returns the hour that the local clock shows at the instant.
func (c Calendar) HourAt(t time.Time) Hour {
	_, offset := t.In(c.Location).Zone()
	return Hour(t.Add(time.Duration(offset)*time.Second).Truncate(time.Hour).Unix() / 3600)
}

// Starts returns the instants at which the hour starts: one, two where the clock repeats the hour, none where it skips the hour. Lord Howe
// Island, which changes its clocks by half an hour, has one hour of 90 minutes a year and one of 30.
func (c Calendar) Starts(h Hour) []time.Time {
	shown := h.clock()
	starts := make([]time.Time, 0, 1)
	for t := shown.Add(-farFromUTC).In(c.Location); ; { // in each period without a change the hour starts once at most
		from, to := t.ZoneBounds()
		_, offset := t.Zone()
		start := shown.Add(-time.Duration(offset) * time.Second).In(c.Location)
		switch end := start.Add(time.Hour); {
		case !to.IsZero() && !start.Before(to), !from.Before(end): // the period does not show it
		case !start.Before(from):
			starts = append(starts, start)
		case c.HourAt(from.Add(-1)) != h: // else it goes on
			starts = append(starts, from)
		}
		if to.IsZero() || to.Sub(shown) > farFromUTC {
			return starts
		}
		t = to
	}
}

// EndOfDay returns the first instant of the next local day.
func (c Calendar) EndOfDay(t time.Time) time.Time {
	for h := c.HourAt(t).endOfDay(); ; h++ { // some zones skip the first hour of a day, one has skipped a day
		if starts := c.Starts(h); len(starts) > 0 {
			return starts[0]
		}
	}
}
