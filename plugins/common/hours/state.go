package hours

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// stateVersion is the only version of State that is accepted.
const stateVersion = 4

// State is everything that a planner knows, saved as JSON.
type State struct {
	Version  int       `json:"version"`
	Timezone string    `json:"timezone"` // in which hours were sent
	Time     time.Time `json:"time"`     // when the program was last running
	Started  time.Time `json:"started"`  // time of the first gather

	Newest     Hour      `json:"newest"` // newest and oldest hours that have shown calls, 0 before there are any
	Oldest     Hour      `json:"oldest"`
	NewestAt   time.Time `json:"newest_at"`   // when Newest appeared
	WidestRun  int       `json:"widest_run"`  // most hours from the first to the last with calls of a response
	LongestGap int       `json:"longest_gap"` // most consecutive hours without calls seen so far

	Final          Set          `json:"final"`
	ToReread       Set          `json:"to_reread,omitempty"` // wanted regardless of the options: to reread, or to resend
	Reopened       Set          `json:"reopened,omitempty"`  // hours of ToReread that were final; which of them had calls is unknown
	Shown          Set          `json:"shown,omitempty"`     // hours that have shown calls, on the days that a request may cover
	Open           OpenHours    `json:"open,omitempty"`
	Postponed      []*Postponed `json:"postponed,omitempty"`
	Unacknowledged []SentWindow `json:"unacknowledged,omitempty"`
	Reread         string       `json:"reread,omitempty"`         // option `reread`
	PendingReread  *Window      `json:"pending_reread,omitempty"` // its days that weren't below the watermark yet

	Width     int `json:"width"`      // hours per history request
	GoodWidth int `json:"good_width"` // widest that has succeeded recently

	TooWide TooWide `json:"too_wide,omitzero"` // of live and history requests alike

	StoppedCleanly bool `json:"stopped_cleanly"`
}

// SentWindow is a window of final hours that were sent so recently that an output may not have stored them.
type SentWindow struct {
	Window Window    `json:"window"`
	At     time.Time `json:"at"`
}

// unacknowledged returns the hours of the windows that were sent.
func unacknowledged(sent []SentWindow) Set {
	windows := make([]Window, 0, len(sent))
	for _, s := range sent {
		windows = append(windows, s.Window)
	}
	return setOf(windows)
}

// OpenHours are the hours that have a reading but aren't final.
type OpenHours map[Hour]*openHour

// openHour is what is known of one open hour.
type openHour struct {
	isSent        bool
	reading, sent Reading   // the last reading, and the last one sent
	shownAt       time.Time // when a response last showed the reading
	sentAt        time.Time
}

// openRun is the saved form of consecutive open hours with the same times. Each hour is a list of the calls and minutes of its rows.
type openRun struct {
	From    Hour        `json:"from"`
	ShownAt time.Time   `json:"shown_at"`
	SentAt  time.Time   `json:"sent_at,omitzero"` // zero if another reading was sent, or none
	Rows    [][]float64 `json:"rows"`
}

// MarshalJSON writes the hours as runs, without readings that were sent earlier.
func (o OpenHours) MarshalJSON() ([]byte, error) {
	var runs []*openRun
	var run *openRun
	for _, h := range slices.Sorted(maps.Keys(o)) {
		open := o[h]
		sentAt := time.Time{}
		if open.isSent && open.sent == open.reading {
			sentAt = open.sentAt
		}
		if run == nil || run.From+Hour(len(run.Rows)) != h || !run.ShownAt.Equal(open.shownAt) || !run.SentAt.Equal(sentAt) {
			run = &openRun{From: h, ShownAt: open.shownAt, SentAt: sentAt}
			runs = append(runs, run)
		}
		rows := make([]float64, 0, 2)
		for _, f := range []Figures{open.reading.First, open.reading.Second}[:open.reading.Rows] {
			rows = append(rows, float64(f.Calls), f.Minutes)
		}
		run.Rows = append(run.Rows, rows)
	}
	return json.Marshal(runs)
}

// UnmarshalJSON reads the format of MarshalJSON.
func (o *OpenHours) UnmarshalJSON(content []byte) error {
	var runs []openRun
	if err := json.Unmarshal(content, &runs); err != nil {
		return err
	}
	*o = make(OpenHours)
	for _, run := range runs {
		for i, rows := range run.Rows {
			if len(rows) > 4 || len(rows)%2 != 0 {
				return errors.New("an open hour must have the calls and minutes of at most two rows")
			}
			var figures [2]Figures
			for n := range len(rows) / 2 {
				figures[n] = Figures{int64(rows[2*n]), rows[2*n+1]}
			}
			reading := Reading{len(rows) / 2, figures[0], figures[1]}
			(*o)[run.From+Hour(i)] = &openHour{!run.SentAt.IsZero(), reading, reading, run.ShownAt, run.SentAt}
		}
	}
	return nil
}

// clone returns a copy that later changes don't affect. Sets are immutable, so they are shared.
func (s *State) clone() State {
	c := *s
	c.Open = make(OpenHours, len(s.Open))
	for h, o := range s.Open {
		open := *o
		c.Open[h] = &open
	}
	c.Postponed = make([]*Postponed, len(s.Postponed))
	for i, p := range s.Postponed {
		postponed := *p
		c.Postponed[i] = &postponed
	}
	c.Unacknowledged = slices.Clone(s.Unacknowledged)
	return c
}

const (
	// maxHours limits the hours that a state may name. It allows two windows, with two hours each, per day for 27 years.
	maxHours = 40_000
	// maxPostponed limits the total hours of all postponed windows, which may overlap.
	maxPostponed = 1_000_000
)

// hours returns all hours that the state names: single hours, the hours of its times, and the first and last hour of each window.
func (s *State) hours() []Hour {
	windows := slices.Concat(s.Final, s.ToReread, s.Reopened, s.Shown, s.postponedHours(), unacknowledged(s.Unacknowledged))
	if s.PendingReread != nil {
		windows = append(windows, *s.PendingReread)
	}
	hours := slices.Collect(maps.Keys(s.Open))
	for _, w := range windows {
		hours = append(hours, w.From, w.To-1)
	}
	for _, h := range []Hour{s.Newest, s.Oldest} {
		if h != 0 {
			hours = append(hours, h)
		}
	}
	for _, t := range []time.Time{s.Time, s.Started, s.NewestAt} {
		if !t.IsZero() {
			hours = append(hours, Hour(t.Unix()/3600))
		}
	}
	return hours
}

const (
	maxSaved    = 2 << 20 // bytes of a state
	maxElements = 200_000 // values in its lists and objects
)

// CheckSaved returns an error if a saved state, as JSON, has another version, or is larger than any state that this program saves.
func CheckSaved(saved []byte) error {
	if len(saved) > maxSaved || bytes.Count(saved, []byte(",")) > maxElements {
		return fmt.Errorf("state has more than %d KiB or %d values", maxSaved>>10, maxElements)
	}
	var s struct{ Version int }
	if err := json.Unmarshal(saved, &s); err != nil {
		return err
	}
	if s.Version != stateVersion {
		return (&State{Version: s.Version}).validate()
	}
	return nil
}

// validate returns an error if no planner can have saved the state.
func (s *State) validate() error {
	if s.Version != stateVersion {
		return fmt.Errorf("state has version %d, but this program reads version %d", s.Version, stateVersion)
	}
	postponed := 0
	for _, p := range s.Postponed {
		if p == nil || p.FailingFrom < p.From || p.FailingFrom >= p.To || p.Pause <= 0 || p.Tries < 0 {
			return errors.New("state has postponed hours out of order")
		}
		if postponed += p.window().Hours(); postponed > maxPostponed {
			return errors.New("state has too many postponed hours")
		}
	}
	switch hours, t := s.hours(), s.TooWide; {
	case len(hours) > maxHours:
		return fmt.Errorf("state names more than %d hours", maxHours)
	case slices.ContainsFunc(hours, func(h Hour) bool { return !IsSupported(h) }):
		return errors.New("state has hours outside the years 2000 to 2200")
	case t != TooWide{} && (t.Hours < 2*Day || t.Hours > longestWindow+Day || t.Pause <= 0):
		return fmt.Errorf("state has a window limit of %d hours, which must be %d to %d", t.Hours, 2*Day, longestWindow+Day)
	case s.Width < 1 || s.GoodWidth < 1 || max(s.Width, s.GoodWidth) > longestWindow:
		return fmt.Errorf("state has a width of %d or %d hours, which must be 1 to %d", s.Width, s.GoodWidth, longestWindow)
	case s.WidestRun < 0 || s.LongestGap < 0 || s.Newest < s.Oldest:
		return errors.New("state has hours out of order")
	case !s.Final.isValid() || !s.ToReread.isValid() || !s.Reopened.isValid() || !s.Shown.isValid():
		return errors.New("state has windows out of order")
	}
	return nil
}

// IsAhead reports whether the state has times more than 10 minutes ahead of now, or hours more than three days ahead: with a wrong time
// zone, hours may be ahead by a day plus the difference between two time zones.
func (s *State) IsAhead(now time.Time) bool {
	hours := []Hour{s.Newest}
	for _, set := range []Set{s.Final, s.Shown} {
		if len(set) > 0 {
			hours = append(hours, set[len(set)-1].To)
		}
	}
	latest := slices.MaxFunc([]time.Time{s.Time, s.Started, s.NewestAt}, time.Time.Compare)
	for h, o := range s.Open {
		hours = append(hours, h)
		latest = slices.MaxFunc([]time.Time{latest, o.shownAt, o.sentAt}, time.Time.Compare)
	}
	return slices.Max(hours) > Hour(now.Unix()/3600)+3*Day || latest.Sub(now) > 10*time.Minute
}
