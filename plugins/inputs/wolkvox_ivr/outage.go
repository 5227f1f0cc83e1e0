package wolkvox_ivr

import (
	"errors"
	"fmt"
	"time"
)

// firstSummary is how long after its beginning a lasting failure is said again; the distance then doubles each time.
const firstSummary = 30 * time.Minute

// outage keeps a failure that lasts from filling the log: it is said when it begins, at growing distances, and when
// it ends.
type outage struct {
	since    time.Time
	failures int
	said     map[*kind]bool // the failures already said
	next     time.Time
}

// failed notes a failed gather. It returns the error for the gather to return: a repeated one if it was said before.
func (o *outage) failed(now time.Time, err error) error {
	var what *kind
	var failure *apiError
	if errors.As(err, &failure) {
		what = failure.kind // details may differ each time
	}

	if o.failures == 0 {
		*o = outage{since: now, said: make(map[*kind]bool), next: now.Add(firstSummary)}
	}
	o.failures++
	lasting := now.Sub(o.since)
	if o.failures > 1 {
		err = fmt.Errorf("failing for %s, %d gathers so far: %w", lasting.Round(time.Minute), o.failures, err)
	}
	switch {
	case !o.said[what]:
		o.said[what] = true
	case !now.Before(o.next):
		o.next = now.Add(lasting)
	default:
		return &repeatedError{err}
	}
	return err
}

// ended notes that a gather succeeded. It returns what to say about the outage that this ends, or "" if there was none.
func (o *outage) ended(now time.Time) string {
	if o.failures == 0 {
		return ""
	}
	text := fmt.Sprintf("Working again after %s and %d failed gather(s)", now.Sub(o.since).Round(time.Second), o.failures)
	*o = outage{}
	return text
}

// repeatedError is one that was returned before. Telegraf counts and prints it like any other; what runs the input may
// count it alone.
type repeatedError struct{ error }

// Repeated says so to what runs the input.
func (*repeatedError) Repeated() bool { return true }

// Unwrap is for errors.As.
func (e *repeatedError) Unwrap() error { return e.error }
