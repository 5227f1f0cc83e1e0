package wolkvox_ivr

import (
	"errors"
	"fmt"
	"time"

	"telegraf-wolkvox-ivr/plugins/common/wolkvox"
)

// firstSummary is how long after its beginning a lasting failure is logged again; the interval then doubles each time.
const firstSummary = 30 * time.Minute

// outage keeps a failure that lasts from filling the log: it is logged when it begins, at increasing intervals, and when it ends.
type outage struct {
	since    time.Time
	failures int
	logged   map[*wolkvox.Class]bool
	next     time.Time // summary
}

// fail counts a failed gather. It returns the error for the gather to return: a repeated one if it need not be logged.
func (o *outage) fail(now time.Time, err error) error {
	var class *wolkvox.Class
	var failure *wolkvox.Failure
	if errors.As(err, &failure) {
		class = failure.Class // details may differ each time
	}
	if o.failures == 0 {
		*o = outage{since: now, logged: make(map[*wolkvox.Class]bool), next: now.Add(firstSummary)}
	}
	o.failures++
	lasting := now.Sub(o.since)
	if o.failures > 1 {
		err = fmt.Errorf("failing for %s, %d gathers so far: %w", lasting.Round(time.Minute), o.failures, err)
	}
	switch {
	case !o.logged[class]:
		o.logged[class] = true
	case !now.Before(o.next):
		o.next = now.Add(lasting)
	default:
		return &repeatedError{err}
	}
	return err
}

// end returns a text about the outage that a successful gather ends, or "" if there was none.
func (o *outage) end(now time.Time) string {
	if o.failures == 0 {
		return ""
	}
	text := fmt.Sprintf("Working again after %s and %d failed gather(s)", now.Sub(o.since).Round(time.Second), o.failures)
	*o = outage{}
	return text
}

// repeatedError is one that was returned before. Telegraf counts and logs it like any other; what runs the input may count it alone.
type repeatedError struct{ error }

// Repeated tells what runs the input that it need not log the error.
func (*repeatedError) Repeated() bool { return true }

// Unwrap is for errors.As.
func (e *repeatedError) Unwrap() error { return e.error }
