package hours

import "time"

// TooWide describes windows, such as those of several days, that fail while narrower ones succeed. They are retried at increasing intervals,
// up to a day.
type TooWide struct {
	Hours int           `json:"hours"` // width of the narrowest such window, a multiple of Day; 0 if there is none
	Until time.Time     `json:"until"` // when the next retry is due
	Pause time.Duration `json:"pause"` // before Until
}

// spannedHours returns the hours of the days that a window touches, or the hours of the window if it spans a day at most.
func spannedHours(w Window) int {
	if w.Hours() <= Day {
		return w.Hours()
	}
	return Window{w.From.startOfDay(), (w.To - 1).endOfDay()}.Hours()
}

// isTooWide reports whether windows of this many hours fail and aren't due for a retry.
func (l *ledger) isTooWide(hours int, now time.Time) bool {
	left := l.TooWide.Until.Sub(now)
	return hours >= l.TooWide.Hours && left > 0 && left <= l.TooWide.Pause // otherwise Until is from a clock that was ahead
}

// recordWidthFailure records that a window failed. Its width is to blame if the next window succeeds and is narrower.
func (l *ledger) recordWidthFailure(w Window) {
	if l.failedWidth = spannedHours(w); l.failedWidth <= Day {
		l.failedWidth = 0
	}
}

// recordWidthSuccess records that a window didn't fail.
func (l *ledger) recordWidthSuccess(w Window, now time.Time) {
	hours, t := spannedHours(w), &l.TooWide
	switch {
	case t.Hours > 0 && hours >= t.Hours:
		*t = TooWide{}
	case l.failedWidth <= hours:
		return
	case t.Hours == 0 || l.failedWidth < t.Hours:
		*t = TooWide{l.failedWidth, now.Add(retryPause), retryPause}
	default:
		t.Pause = min(2*t.Pause, longestPause)
		t.Until = now.Add(t.Pause)
	}
	l.failedWidth = 0
}

// limitToLastDay returns a history window, cut to its last day if a window that touches two days may fail.
func (l *ledger) limitToLastDay(w Window, now time.Time) Window {
	if l.TooWide.Hours > 0 && (w.Hours() <= Day || l.isTooWide(spannedHours(w), now)) {
		w.From = max(w.From, (w.To - 1).startOfDay())
	}
	return w
}
