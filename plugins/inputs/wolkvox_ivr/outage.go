package wolkvox_ivr

import (
	"errors"
	"fmt"
	"time"

	"telegraf-wolkvox-ivr/plugins/common/wolkvox"
)

// firstSummary is how long after its start a persistent failure is logged again. The interval then doubles each time.
const firstSummary = 30 * time.Minute

// outage keeps persistent failures from flooding the log: they are logged at the start, at increasing intervals, and at the end.
type outage struct {
	since    time.Time
	failures int
	logged   map[*wolkvox.FailureClass]bool
	next     time.Time // of the next summary
}

// fail counts a failed gather. It returns the error for the gather, as a *repeatedError if it need not be logged.
func (o *outage) fail(now time.Time, err error) error {
	var class *wolkvox.FailureClass
	var failure *wolkvox.Failure
	if errors.As(err, &failure) {
		class = failure.Class // its details may differ each time
	}
	if o.failures == 0 {
		*o = outage{since: now, logged: make(map[*wolkvox.FailureClass]bool), next: now.Add(firstSummary)}
	}
	o.failures++
	lasting := now.Sub(o.since)
	if o.failures > 1 {
		err = fmt.Errorf("has been failing for %s (%d gathers so far): %w", lasting.Round(time.Minute), o.failures, err)
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

// end ends the outage after a successful gather. It returns a message about it, or "" if there was none.
func (o *outage) end(now time.Time) string {
	if o.failures == 0 {
		return ""
	}
	text := fmt.Sprintf("Working again after %s and %d failed gather(s)", now.Sub(o.since).Round(time.Second), o.failures)
	*o = outage{}
	return text
}

// repeatedError is an error that was returned before. Telegraf counts and logs it like any other; other hosts may only count it.
type repeatedError struct{ error }

// Repeated tells the host that it need not log the error.
func (*repeatedError) Repeated() bool { return true }

// Unwrap returns the original error.
func (e *repeatedError) Unwrap() error { return e.error }
