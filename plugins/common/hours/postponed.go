package hours

import (
	"math"
	"time"
)

// Reason is why hours are postponed.
type Reason string

// The reasons.
const (
	Failing      Reason = "failing"      // requests for a single one of them fail
	Inconclusive Reason = "inconclusive" // their silence is not credible, or their row can't be read
)

const (
	// retryPause is the pause before the first retry. It doubles with each retry, up to longestPause.
	retryPause   = time.Hour
	longestPause = 24 * time.Hour
)

// Postponed is a range of hours that could not become final. It isn't requested until Due, and nothing else waits for it.
type Postponed struct {
	From        Hour          `json:"from"`
	To          Hour          `json:"to"`
	Reason      Reason        `json:"reason"`
	Since       time.Time     `json:"since"`
	Due         time.Time     `json:"due"`
	Pause       time.Duration `json:"pause"` // before Due
	Tries       int           `json:"tries"`
	FailingFrom Hour          `json:"failing_from"` // hours from here on are known to fail; earlier ones were skipped untested
}

func newPostponed(w Window, reason Reason, now time.Time) *Postponed {
	return &Postponed{From: w.From, To: w.To, Reason: reason, Since: now, Due: now.Add(retryPause), Pause: retryPause, FailingFrom: w.From}
}

func (p *Postponed) window() Window { return Window{p.From, p.To} }

// postponedHours returns the hours that are postponed.
func (s *State) postponedHours() Set {
	windows := make([]Window, 0, len(s.Postponed))
	for _, p := range s.Postponed {
		windows = append(windows, p.window())
	}
	return setOf(windows)
}

// IsFullyTested reports whether all hours of the range are known to fail, with none skipped.
func (p *Postponed) IsFullyTested() bool { return p.From >= p.FailingFrom }

// retryWindow returns the part to retry. It moves with each try (golden-ratio sequence) and shrinks, so every hour that works again is found.
func (p *Postponed) retryWindow(widestRun int) Window {
	hours := max(min(widestRun, p.window().Hours())>>p.Tries, 1)
	_, part := math.Modf(float64(p.Tries) * (math.Phi - 1))
	to := p.To - Hour(part*float64(p.window().Hours()-hours+1))
	return Window{to - Hour(hours), to}
}

// extend adds the preceding hour, which fails too, and skips as many open hours before it as are known to fail.
func (p *Postponed) extend(open Set) {
	p.From--
	p.FailingFrom = p.From
	for least := 2*p.From - p.To; p.From > least && open.Contains(p.From-1); {
		p.From--
	}
}

// isDue reports whether it is time to retry. A due time too far in the future comes from a clock that was ahead, and is ignored.
func (p *Postponed) isDue(now time.Time) bool {
	left := p.Due.Sub(now)
	return left <= 0 || left > longestPause
}
