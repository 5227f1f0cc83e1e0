package wolkvox_ivr

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"telegraf-wolkvox-ivr/plugins/common/hours"
	"telegraf-wolkvox-ivr/plugins/common/wolkvox"
)

// Status is what a saved state shows of the operation. Times are zero where there is none.
type Status struct {
	hours.Status
	Calendar    hours.Calendar // of the state, which was saved with another timezone if the option has changed since
	Requested   time.Time      // the last request
	PausedUntil time.Time      // no request before
	PausedBy    *wolkvox.Class // what requests pause for
}

// Status returns what a saved state, as JSON, shows at now. It uses nothing but the options, and changes nothing. Its error is why the
// operation would not go on from the state.
func (w *WolkvoxIVR) Status(saved []byte, now time.Time) (*Status, error) {
	var s state
	if err := json.Unmarshal(saved, &s); err != nil {
		return nil, err
	}
	options := w.options
	if location, err := loadLocation(s.Timezone); err == nil {
		options.Calendar.Location = location
	}
	known, err := hours.StatusOf(options, s.State, now)
	if err != nil {
		return nil, err
	}
	if s.IsAhead(now) {
		return nil, fmt.Errorf("state has times ahead of %s, unless this machine's clock is behind", now.Format(time.RFC3339))
	}
	status := &Status{Status: known, Calendar: options.Calendar, Requested: s.Requested}
	by := slices.IndexFunc(wolkvox.Classes, func(c *wolkvox.Class) bool { return c.Name == s.PausedBy })
	if p := (pause{until: s.PausedUntil}); by >= 0 && p.holds(now) {
		status.PausedUntil, status.PausedBy = s.PausedUntil, wolkvox.Classes[by]
	}
	return status, nil
}
