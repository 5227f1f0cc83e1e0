package wolkvox_ivr

import "time"

// Clock is the plugin's source of time. Simulations replace it.
type Clock interface {
	// Now returns the current time.
	Now() time.Time
	// After returns a channel that receives the time once d has passed.
	After(d time.Duration) <-chan time.Time
}

// systemClock is the machine's clock.
type systemClock struct{}

// Now implements Clock.
func (systemClock) Now() time.Time { return time.Now() }

// After implements Clock.
func (systemClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// clockTolerance is the largest difference between two clocks that is ignored.
const clockTolerance = 2 * time.Minute

// apiTime is the API's time: the local clock, corrected by the Date headers of responses. A single header may be wrong, so a new difference
// counts only once two consecutive ones agree.
type apiTime struct {
	clock         Clock
	offset        time.Duration // API's time minus local clock
	candidate     time.Duration // difference shown by the last response
	isUnconfirmed bool          // the candidate differs from the offset
}

// now returns the API's time, without a monotonic reading, because hours follow the wall clock even if it is set.
func (a *apiTime) now() time.Time { return a.clock.Now().Round(0).Add(a.offset) }

// observe updates the offset with date, the time of a response. date is zero if the response has none. It returns the time to use for the
// response (the earlier candidate while a new difference is unconfirmed), and the change of the offset.
func (a *apiTime) observe(date time.Time) (now time.Time, by time.Duration) {
	now = a.now()
	if date.IsZero() {
		return now, 0
	}
	difference := date.Sub(a.clock.Now().Round(0))
	isConfirmed := (difference - a.candidate).Abs() <= clockTolerance
	a.candidate = difference
	a.isUnconfirmed = (difference - a.offset).Abs() > clockTolerance
	switch {
	case !a.isUnconfirmed:
		return now, 0
	case isConfirmed:
		by, a.offset, a.isUnconfirmed = difference-a.offset, difference, false
		return a.now(), by
	case date.Before(now):
		return date, 0
	}
	return now, 0
}
