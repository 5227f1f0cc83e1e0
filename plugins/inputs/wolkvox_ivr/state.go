package wolkvox_ivr

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"telegraf-wolkvox-ivr/plugins/common/hours"
	"telegraf-wolkvox-ivr/plugins/common/wolkvox"
)

// state is the saved state of an operation.
type state struct {
	hours.State
	Requested   time.Time `json:"requested"`             // time of the last request
	PausedUntil time.Time `json:"paused_until,omitzero"` // no requests before
	PausedBy    string    `json:"paused_by,omitempty"`   // name of the failure class
}

// UnmarshalJSON first refuses other versions, whose fields may have other types, and states that are too large.
func (s *state) UnmarshalJSON(content []byte) error {
	if err := hours.CheckSaved(content); err != nil {
		return err
	}
	type plain state
	if err := json.Unmarshal(content, (*plain)(s)); err != nil {
		return fmt.Errorf("state can't be read: %w", err)
	}
	return nil
}

// pause is a period without requests.
type pause struct {
	until time.Time
	err   error // reason
}

// maxPause is the longest possible day, since clocks are set back by at most an hour. A longer pause comes from a clock that was ahead.
const maxPause = 25 * time.Hour

func (p *pause) isActive(now time.Time) bool {
	left := p.until.Sub(now)
	return left > 0 && left <= maxPause
}

// GetState returns a copy of the state for saving.
func (w *WolkvoxIVR) GetState() interface{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := state{State: w.planner.Save(w.stopped), Requested: w.requested}
	var failure *wolkvox.Failure
	if errors.As(w.pause.err, &failure) {
		s.PausedUntil, s.PausedBy = w.pause.until, failure.Class.Name
	}
	return s
}

// SetState resumes from a saved state.
func (w *WolkvoxIVR) SetState(saved interface{}) error {
	s, ok := saved.(state)
	if !ok {
		return fmt.Errorf("state has wrong type %T", saved)
	}
	planner := hours.New(w.options)
	if err := planner.Restore(s.State); err != nil {
		return err
	}
	if before, now := s.Timezone, w.options.Calendar.Location.String(); before != now {
		w.Log.Warnf("%s: timezone has changed from %q to %q: all hours are read and sent again. Rows sent earlier have different values of the \"hour\" tag, "+
			"so databases keep old and new rows, and sums count calls twice: delete the old rows, and set reread to their days, as described under "+
			"\"Correcting the time zone\" in the destinations guide", w.name(), before, now)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.planner, w.restored, w.requested = planner, &s.State, s.Requested
	if i := slices.IndexFunc(wolkvox.FailureClasses, func(c *wolkvox.FailureClass) bool { return c.Name == s.PausedBy }); i >= 0 {
		until := s.PausedUntil.In(w.options.Calendar.Location).Format(time.RFC3339)
		w.pause = pause{s.PausedUntil, &wolkvox.Failure{Class: wolkvox.FailureClasses[i], Detail: "since before the restart; pausing until " + until}}
	}
	return nil
}

// discardStateFromFuture discards a restored state that is from the future according to both the response's date and the plugin's clock,
// because one of the two may be wrong and the state right. Without a date, the clock alone decides.
func (w *WolkvoxIVR) discardStateFromFuture(date time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.restored == nil {
		return
	}
	now := w.apiTime.now()
	if (date.IsZero() || w.restored.IsAhead(date)) && w.restored.IsAhead(now) {
		w.rejected = fmt.Errorf("the state contains times later than %s", now.Format(time.RFC3339))
		w.Log.Errorf("%s: %v, so it is invalid: starting without it", w.name(), w.rejected)
		w.planner = hours.New(w.options)
		w.planner.Start(now)
	}
	w.restored = nil
}

// RejectedState returns, once, why the restored state was discarded, so that the host can set the saved file aside.
func (w *WolkvoxIVR) RejectedState() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.rejected
	w.rejected = nil
	return err
}
