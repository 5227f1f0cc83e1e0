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

// state is what is saved of an operation.
type state struct {
	hours.State
	Requested   time.Time `json:"requested"`             // the last request
	PausedUntil time.Time `json:"paused_until,omitzero"` // no request before
	PausedBy    string    `json:"paused_by,omitempty"`   // name of the failure's class
}

// UnmarshalJSON refuses other versions first, as their fields may have other forms, and what is too large to be read.
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

// pause is a time in which no request is made.
type pause struct {
	until time.Time
	err   error // why
}

// maxPause is the longest day: clocks are set back by an hour at most. A longer pause was set by a clock that was ahead.
const maxPause = 25 * time.Hour

func (p *pause) holds(now time.Time) bool {
	left := p.until.Sub(now)
	return left > 0 && left <= maxPause
}

// GetState returns a copy of the state, to be saved.
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

// SetState goes on from a saved state.
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
		w.Log.Warnf("%s: timezone has changed from %q to %q: all hours are read and sent again. Rows sent before have other values of the tag \"hour\", "+
			"so databases keep both, and sums count calls twice: delete the old rows, and set reread to their days, as described under \"Correcting the "+
			"time zone\" in the destinations guide", w.name(), before, now)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.planner, w.restored, w.requested = planner, &s.State, s.Requested
	if i := slices.IndexFunc(wolkvox.Classes, func(c *wolkvox.Class) bool { return c.Name == s.PausedBy }); i >= 0 {
		until := s.PausedUntil.In(w.options.Calendar.Location).Format(time.RFC3339)
		w.pause = pause{s.PausedUntil, &wolkvox.Failure{Class: wolkvox.Classes[i], Detail: "from before the restart; pausing until " + until}}
	}
	return nil
}

// verifyState gives up a restored state that is from the future by the API's time and by the local clock: one of them may be wrong, and
// the state right. A response without a date leaves the local clock.
func (w *WolkvoxIVR) verifyState(date time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.restored == nil {
		return
	}
	now := w.time.now()
	if (date.IsZero() || w.restored.IsAhead(date)) && w.restored.IsAhead(now) {
		w.rejected = fmt.Errorf("the state has times ahead of %s", now.Format(time.RFC3339))
		w.Log.Errorf("%s: %v, so it is invalid: starting without it", w.name(), w.rejected)
		w.planner = hours.New(w.options)
		w.planner.Start(now)
	}
	w.restored = nil
}

// RejectedState returns, once, why the state that was restored is not used, for what has saved it to set it aside.
func (w *WolkvoxIVR) RejectedState() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.rejected
	w.rejected = nil
	return err
}
