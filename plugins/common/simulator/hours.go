package simulator

import "time"

// hour is an hour of a local clock: a period in which the clock shows one hour and runs evenly. If the clock is set
// forward or back within an hour, it is the part before or after. If daylight saving time repeats an hour, it is one of
// the two.
type hour struct {
	start  time.Time
	length time.Duration
	wall   time.Time // local time at the start, as a time in UTC, so that labels can be compared and counted
}

func (h hour) end() time.Time   { return h.start.Add(h.length) }
func (h hour) label() time.Time { return h.wall.Truncate(time.Hour) }

// hourAt returns the hour that contains t on the clock of t's location.
func hourAt(t time.Time) hour {
	wall := wallOf(t)
	into := wall.Sub(wall.Truncate(time.Hour))
	start, end := t.Add(-into), t.Add(time.Hour-into)
	since, until := t.ZoneBounds()
	if !since.IsZero() && since.After(start) && shifts(since) {
		start = since
	}
	if !until.IsZero() && until.Before(end) && shifts(until) {
		end = until
	}
	return hour{start: start, length: end.Sub(start), wall: wall.Add(start.Sub(t))}
}

// shifts reports whether the clock jumps at t. A zone may also change only its name.
func shifts(t time.Time) bool {
	_, before := t.Add(-1).Zone()
	_, after := t.Zone()
	return before != after
}

// wallOf returns the local time of t's location, as a time in UTC.
func wallOf(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// instantOf is the inverse of wallOf where there is one. It returns an instant at or near which the zone's clock shows
// wall.
func instantOf(wall time.Time, zone *time.Location) time.Time {
	return time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), zone)
}
