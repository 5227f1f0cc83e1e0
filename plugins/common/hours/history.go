package hours

import (
	"slices"
	"time"
)

// widenAfter is how many history requests in a row have to succeed before a wider window is tried.
const widenAfter = 4

// history chooses the requests for what the live window leaves out, from the newest hour to the oldest, and adapts how much each spans.
type history struct {
	ledger
	successes  int  // requests in a row
	hasRetried bool // the last request was a retry, so that open hours come next
}

// openHours returns the hours up to `to` that are wanted, not final and not postponed. Those at or above the watermark, which only a narrow
// live window leaves out, are open again an hour after they have been read. Before there are any calls, hours of the last week are open again
// after a day, as the report may be late, and older ones are not.
func (h *history) openHours(to Hour, now time.Time) Set {
	open := h.wanted().Within(Window{-maxHour, to}).Without(h.Final).Without(h.postponedHours())
	pause, oldest := retryPause, Hour(0)
	if h.Newest == 0 {
		pause, oldest = longestPause, h.Calendar.HourAt(now)-7*Day
	}
	var fresh Set
	for hour := max(h.watermark(now), h.begin()); hour < to; hour++ {
		if readAt := h.readAt[hour]; now.Sub(readAt).Abs() < pause || hour < oldest && !readAt.IsZero() {
			fresh.extend(hour)
		}
	}
	return open.Without(fresh)
}

// next returns the next request for hours up to `to`, if there is any to make. Its window ends at `end` at the latest.
func (h *history) next(to, end Hour, now time.Time) (Request, bool) {
	q, found := h.choose(to, end, now)
	q.Window = h.withinDay(q.Window, now)
	return q, found
}

func (h *history) choose(to, end Hour, now time.Time) (Request, bool) {
	for _, d := range h.Postponed {
		if d.From < d.FailingFrom {
			middle := (d.From + d.FailingFrom) / 2
			return Request{Window: Window{middle, middle + 1}, purpose: bisect, of: d}, true
		}
	}
	open := h.openHours(to, now)
	for _, d := range h.Postponed {
		if d.isDue(now) && (!h.hasRetried || len(open) == 0) {
			w := d.retryWindow(h.WidestRun)
			if d.Reason == Doubtful && d.Tries%2 == 0 {
				w = h.window(w, end, now) // which can prove silence, and that an hour was dropped, but may contain hours that fail
			}
			return Request{Window: w, purpose: retry, of: d}, true
		}
	}
	if len(open) == 0 {
		return Request{}, false
	}
	newest := open[len(open)-1]
	for _, d := range h.Postponed {
		if d.Reason == Fails && d.From == newest.To {
			return Request{Window: Window{newest.To - 1, newest.To}, purpose: extend, of: d}, true
		}
	}
	if width := h.width(now); width > Day { // older open hours come along, up to those that fail
		from := newest.To - Hour(width)
		for _, d := range h.Postponed {
			if d.Reason == Fails && d.To <= newest.From {
				from = max(from, d.To)
			}
		}
		newest.From = open.Within(Window{from, newest.To})[0].From
	}
	return Request{Window: h.window(newest, end, now), purpose: past}, true
}

// width returns how many hours a request may span now.
func (h *history) width(now time.Time) int {
	if h.isTooWide(h.Width, now) {
		return h.TooWide.Hours - Day
	}
	return h.Width
}

// window returns the newest part of the open hours that the width allows, in whole days unless it is less than a day.
func (h *history) window(open Window, end Hour, now time.Time) Window {
	width := h.width(now)
	w := Window{max(open.From, open.To-Hour(width)), open.To}
	if width < Day {
		return w
	}
	days := Hour(width / Day * Day)
	w.To = (w.To - 1).endOfDay()
	if today := (end - 1).startOfDay(); w.To > today { // alone: the API may have it from elsewhere
		return Window{today, end}
	}
	// The next day, if it is known to have calls, bounds the silence and exposes a response that hides calls.
	if days > Day && !h.isTooWide(int(days)+Day, now) && len(h.Shown.Within(Window{w.To, w.To + Day})) > 0 {
		w.To += Day
	}
	w.From = max(w.From.startOfDay(), w.To-days)
	w.To = min(w.To, end)
	return w
}

// recorded adapts the width, and postpones what could not be settled.
func (h *history) recorded(q Request, r *Result, now time.Time) {
	h.hasRetried = q.purpose == retry
	switch q.purpose {
	case bisect:
		q.of.From = q.Window.To
	case retry:
		h.retried(q.of, r.isNew || q.of.Reason == Fails, now)
	default:
		h.postpone(r.doubtful, now)
		isTooWide := len(r.tooWide) > 0 && !r.isNew
		switch {
		case isTooWide && h.Width > 1:
			h.narrow(now)
		case isTooWide:
			h.postpone(r.tooWide, now)
		case !r.HasCalls && q.Window.To > h.watermark(now):
			if q.Window.Hours() > Day { // it may be too wide to show the newest calls
				h.narrow(now)
			} else if h.Width < Day {
				h.widen(now)
			}
		case len(r.tooWide) == 0:
			h.widen(now)
		}
	}
}

// failed halves the width, and postpones a single hour.
func (h *history) failed(q Request, now time.Time) {
	h.hasRetried = q.purpose == retry
	switch {
	case q.purpose == bisect:
		q.of.FailingFrom = q.Window.From
	case q.purpose == extend:
		q.of.extend(h.wanted().Without(h.Final))
	case q.purpose == retry:
		h.retried(q.of, false, now)
	case q.Window.Hours() == 1: // it is this hour, not the width
		h.Postponed = append(h.Postponed, newPostponed(q.Window, Fails, now))
		h.Width, h.TooWide = h.GoodWidth, TooWide{}
	default:
		h.narrow(now)
	}
}

// narrow halves the width, in whole days down to one.
func (h *history) narrow(now time.Time) {
	h.Width, h.successes = h.width(now), 0
	if h.Width >= 2*Day {
		h.Width = h.Width / Day / 2 * Day
		return
	}
	h.Width /= 2
}

// widen doubles the width after some successes.
func (h *history) widen(now time.Time) {
	if h.isTooWide(h.Width, now) { // it was not for so many
		return
	}
	h.GoodWidth = h.Width
	wider := min(2*h.Width, longestWindow)
	if h.successes++; h.successes >= widenAfter && !h.isTooWide(wider, now) {
		h.Width, h.successes = wider, 0
	}
}

// retried takes in what came of a retry: hours that are still not settled are postponed again for longer, unless they can be read now.
func (h *history) retried(d *Postponed, works bool, now time.Time) {
	h.Postponed = slices.DeleteFunc(h.Postponed, func(other *Postponed) bool { return other == d })
	left := h.wanted().Within(d.window()).Without(h.Final)
	if works || len(left) == 0 {
		return
	}
	next := *d
	next.From, next.To = left[0].From, left[len(left)-1].To
	next.FailingFrom = next.From
	next.Pause = min(2*d.Pause, longestPause)
	next.Due = now.Add(next.Pause)
	next.Tries++
	h.Postponed = append(h.Postponed, &next)
}

// postpone postpones doubtful hours, merged with those that they touch.
func (h *history) postpone(hours []Hour, now time.Time) {
	var runs Set
	for _, hour := range hours {
		runs.extend(hour)
	}
	for _, w := range runs {
		next := newPostponed(w, Doubtful, now)
		h.Postponed = slices.DeleteFunc(h.Postponed, func(d *Postponed) bool {
			if d.Reason != Doubtful || d.From > next.To || next.From > d.To {
				return false
			}
			next.From, next.To = min(next.From, d.From), max(next.To, d.To)
			if d.Since.Before(next.Since) {
				next.Since = d.Since
			}
			return true
		})
		next.FailingFrom = next.From
		h.Postponed = append(h.Postponed, next)
	}
}
