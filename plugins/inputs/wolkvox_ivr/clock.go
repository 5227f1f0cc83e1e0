package wolkvox_ivr

import "time"

// Clock is the time that the plugin goes by, and waits by. Simulations replace it.
type Clock interface {
	// Now returns the time of day.
	Now() time.Time
	// After returns a channel on which the time is sent once d has passed.
	After(d time.Duration) <-chan time.Time
}

// systemClock is the time of the machine.
type systemClock struct{}

// Now implements Clock.
func (systemClock) Now() time.Time { return time.Now() }

// After implements Clock.
func (systemClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// clockTolerance is how far two clocks may differ without a word.
const clockTolerance = 2 * time.Minute

// apiTime is the API's time: the local clock, corrected by the Date headers of responses. A single header may be wrong, so a new
// difference counts once two in a row agree.
type apiTime struct {
	clock     Clock
	offset    time.Duration // of the API's time from the local clock
	candidate time.Duration // the difference that the last response showed
	isInDoubt bool          // it differs from the offset
}

// now returns the API's time. Hours go by the time of day, even if the clock is set: it is without Go's monotonic reading.
func (a *apiTime) now() time.Time { return a.clock.Now().Round(0).Add(a.offset) }

// observe takes in the time of a response, zero if it has none. It returns the time to go by for what the response shows, the earlier one
// in case of doubt, and whether the offset has changed.
func (a *apiTime) observe(date time.Time) (now time.Time, by time.Duration) {
	now = a.now()
	if date.IsZero() {
		return now, 0
	}
	difference := date.Sub(a.clock.Now().Round(0))
	isConfirmed := (difference - a.candidate).Abs() <= clockTolerance
	a.candidate = difference
	a.isInDoubt = (difference - a.offset).Abs() > clockTolerance
	switch {
	case !a.isInDoubt:
		return now, 0
	case isConfirmed:
		by, a.offset, a.isInDoubt = difference-a.offset, difference, false
		return a.now(), by
	case date.Before(now):
		return date, 0
	}
	return now, 0
}
