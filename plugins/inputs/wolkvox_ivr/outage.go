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
	said     map[string]bool // the failures already said
	next     time.Time
}

// failed notes a failed gather. It returns the error to report, or nil if it was reported before.
func (o *outage) failed(now time.Time, err error) error {
	what := err.Error()
	var failure *apiError
	if errors.As(err, &failure) {
		what = failure.kind.name // details may differ each time
	}

	if o.failures == 0 {
		*o = outage{since: now, said: make(map[string]bool), next: now.Add(firstSummary)}
	}
	o.failures++
	switch {
	case !o.said[what]:
		o.said[what] = true
		return err
	case !now.Before(o.next):
		lasting := now.Sub(o.since)
		o.next = now.Add(lasting)
		return fmt.Errorf("failing for %s, %d gathers so far: %w", lasting.Round(time.Minute), o.failures, err)
	}
	return nil
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
