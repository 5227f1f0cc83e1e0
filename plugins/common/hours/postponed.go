package hours

import (
	"math"
	"time"
)

// Reason is why hours are postponed.
type Reason string

// The reasons.
const (
	Fails    Reason = "fails"    // a request for a single one of them fails
	Doubtful Reason = "doubtful" // responses do not show them, which is not credible, or show a row that can't be read
)

const (
	// retryPause is the time before the first retry of what has failed. That of postponed hours doubles with each, up to longestPause.
	retryPause   = time.Hour
	longestPause = 24 * time.Hour
)

// Postponed are hours that could not be settled. They are left alone until Due, and nothing else waits for them.
type Postponed struct {
	From        Hour          `json:"from"`
	To          Hour          `json:"to"`
	Reason      Reason        `json:"reason"`
	Since       time.Time     `json:"since"`
	Due         time.Time     `json:"due"`
	Pause       time.Duration `json:"pause"` // before Due
	Tries       int           `json:"tries"`
	FailingFrom Hour          `json:"failing_from"` // the hours from here on are known to fail; those before were skipped
}

func newPostponed(w Window, reason Reason, now time.Time) *Postponed {
	return &Postponed{From: w.From, To: w.To, Reason: reason, Since: now, Due: now.Add(retryPause), Pause: retryPause, FailingFrom: w.From}
}

func (d *Postponed) window() Window { return Window{d.From, d.To} }

// postponedHours returns the hours that are postponed.
func (s *State) postponedHours() Set {
	windows := make([]Window, 0, len(s.Postponed))
	for _, d := range s.Postponed {
		windows = append(windows, d.window())
	}
	return setOf(windows)
}

// IsBounded reports whether it is known which hours fail.
func (d *Postponed) IsBounded() bool { return d.From >= d.FailingFrom }

// retryWindow returns the part to retry: never the same twice in a row, and smaller each time, so that any hour that works again is found
// (golden-ratio sequence).
func (d *Postponed) retryWindow(widestRun int) Window {
	hours := max(min(widestRun, d.window().Hours())>>d.Tries, 1)
	_, part := math.Modf(float64(d.Tries) * (math.Phi - 1))
	to := d.To - Hour(part*float64(d.window().Hours()-hours+1))
	return Window{to - Hour(hours), to}
}

// extend takes in that the hour before fails too, and skips as many hours as are known to fail.
func (d *Postponed) extend(open Set) {
	d.From--
	d.FailingFrom = d.From
	for least := 2*d.From - d.To; d.From > least && open.Contains(d.From-1); {
		d.From--
	}
}

// isDue reports whether it is time to retry. A time too far ahead was set by a clock that was.
func (d *Postponed) isDue(now time.Time) bool {
	left := d.Due.Sub(now)
	return left <= 0 || left > longestPause
}
