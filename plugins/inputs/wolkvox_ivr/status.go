package wolkvox_ivr

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"telegraf-wolkvox-ivr/plugins/common/hours"
	"telegraf-wolkvox-ivr/plugins/common/wolkvox"
)

// Status describes a saved state. Missing times are zero.
type Status struct {
	hours.Status
	Calendar    hours.Calendar        // of the state; it has another time zone if the option has changed since
	Requested   time.Time             // time of the last request
	PausedUntil time.Time             // no requests before
	PausedBy    *wolkvox.FailureClass // class of the failure that paused requests
}

// Status returns the status of a saved state, as JSON, at now. It uses only the options, and has no side effects. It returns an error if
// the operation would not resume from the state.
func (w *WolkvoxIVR) Status(saved []byte, now time.Time) (*Status, error) {
	var s state
	if err := json.Unmarshal(saved, &s); err != nil {
		return nil, err
	}
	options := w.options
	if location, err := loadLocation(s.Timezone); err == nil {
		options.Calendar.Location = location
	}
	hoursStatus, err := hours.StatusOf(options, s.State, now)
	if err != nil {
		return nil, err
	}
	if s.IsAhead(now) {
		return nil, fmt.Errorf("state contains times later than %s: either it is invalid, or this machine's clock is behind", now.Format(time.RFC3339))
	}
	status := &Status{Status: hoursStatus, Calendar: options.Calendar, Requested: s.Requested}
	by := slices.IndexFunc(wolkvox.FailureClasses, func(c *wolkvox.FailureClass) bool { return c.Name == s.PausedBy })
	if p := (pause{until: s.PausedUntil}); by >= 0 && p.isActive(now) {
		status.PausedUntil, status.PausedBy = s.PausedUntil, wolkvox.FailureClasses[by]
	}
	return status, nil
}
