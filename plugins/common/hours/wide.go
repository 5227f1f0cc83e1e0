package hours

import "time"

// TooWide is what is known of windows that fail while narrower ones don't, such as those of several days. They are tried again at
// increasing intervals, up to a day.
type TooWide struct {
	Hours int           `json:"hours"` // of the narrowest, in whole days; 0 if there are none
	Until time.Time     `json:"until"` // of the next try
	Pause time.Duration `json:"pause"` // before it
}

// wideness returns the hours of a window, or of the days that it touches if it is wider than one.
func wideness(w Window) int {
	if w.Hours() <= Day {
		return w.Hours()
	}
	return Window{w.From.startOfDay(), (w.To - 1).endOfDay()}.Hours()
}

// isTooWide reports whether windows of so many hours fail, and it is not yet time to try again.
func (l *ledger) isTooWide(hours int, now time.Time) bool {
	left := l.TooWide.Until.Sub(now)
	return hours >= l.TooWide.Hours && left > 0 && left <= l.TooWide.Pause // else a clock was ahead
}

// widthFailed takes in that a window has failed. That may be due to its width if the next ones work, and if they are narrower.
func (l *ledger) widthFailed(w Window) {
	if l.suspect = wideness(w); l.suspect <= Day {
		l.suspect = 0
	}
}

// widthWorks takes in that a window has not failed.
func (l *ledger) widthWorks(w Window, now time.Time) {
	hours, t := wideness(w), &l.TooWide
	switch {
	case t.Hours > 0 && hours >= t.Hours:
		*t = TooWide{}
	case l.suspect <= hours:
		return
	case t.Hours == 0 || l.suspect < t.Hours:
		*t = TooWide{l.suspect, now.Add(retryPause), retryPause}
	default:
		t.Pause = min(2*t.Pause, longestPause)
		t.Until = now.Add(t.Pause)
	}
	l.suspect = 0
}

// withinDay returns a window for history, or the part of it in its last day, as a window over two days may fail.
func (l *ledger) withinDay(w Window, now time.Time) Window {
	if l.TooWide.Hours > 0 && (w.Hours() <= Day || l.isTooWide(wideness(w), now)) {
		w.From = max(w.From, (w.To - 1).startOfDay())
	}
	return w
}
