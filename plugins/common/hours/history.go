package hours

import (
	"slices"
	"time"
)

// widenAfter is the number of consecutive history requests that must succeed before a wider window is tried.
const widenAfter = 4

// history chooses the requests for hours outside the live window, newest first, and adapts their width.
type history struct {
	ledger
	successes    int  // consecutive ones
	lastWasRetry bool // the last request was a retry, so open hours come next
}

// openHours returns the hours before `to` to request: wanted, not final and not postponed. Hours at or above the watermark, which only a
// narrow live window leaves out, are requested again an hour after a response covered them. Before there are any calls, hours of the last
// week are requested once a day, because the report may be late, and older hours once.
func (h *history) openHours(to Hour, now time.Time) Set {
	open := h.wanted().Within(Window{-maxHour, to}).Without(h.Final).Without(h.postponedHours())
	pause, oldest := retryPause, Hour(0)
	if h.Newest == 0 {
		pause, oldest = longestPause, h.Calendar.HourAt(now)-7*Day
	}
	var recent Set // covered by a recent response
	for hour := max(h.watermark(now), h.firstWanted()); hour < to; hour++ {
		if readAt := h.readAt[hour]; now.Sub(readAt).Abs() < pause || hour < oldest && !readAt.IsZero() {
			recent.extend(hour)
		}
	}
	return open.Without(recent)
}

// next returns the next request for hours before `to`, if any. Its window ends at `end` at the latest.
func (h *history) next(to, end Hour, now time.Time) (Request, bool) {
	q, found := h.choose(to, end, now)
	q.Window = h.limitToLastDay(q.Window, now)
	return q, found
}

func (h *history) choose(to, end Hour, now time.Time) (Request, bool) {
	for _, p := range h.Postponed {
		if p.From < p.FailingFrom {
			middle := (p.From + p.FailingFrom) / 2
			return Request{Window: Window{middle, middle + 1}, purpose: bisect, postponed: p}, true
		}
	}
	open := h.openHours(to, now)
	for _, p := range h.Postponed {
		if p.isDue(now) && (!h.lastWasRetry || len(open) == 0) {
			w := p.retryWindow(h.WidestRun)
			if p.Reason == Inconclusive && p.Tries%2 == 0 {
				w = h.window(w, end, now) // can prove silence or a dropped hour, but may contain failing hours
			}
			return Request{Window: w, purpose: retry, postponed: p}, true
		}
	}
	if len(open) == 0 {
		return Request{}, false
	}
	newest := open[len(open)-1]
	for _, p := range h.Postponed {
		if p.Reason == Failing && p.From == newest.To {
			return Request{Window: Window{newest.To - 1, newest.To}, purpose: extend, postponed: p}, true
		}
	}
	if width := h.width(now); width > Day { // include older open hours, down to the next failing ones
		from := newest.To - Hour(width)
		for _, p := range h.Postponed {
			if p.Reason == Failing && p.To <= newest.From {
				from = max(from, p.To)
			}
		}
		newest.From = open.Within(Window{from, newest.To})[0].From
	}
	return Request{Window: h.window(newest, end, now), purpose: past}, true
}

// width returns how many hours a request may currently span.
func (h *history) width(now time.Time) int {
	if h.isTooWide(h.Width, now) {
		return h.TooWide.Hours - Day
	}
	return h.Width
}

// window returns the newest part of the open hours that fits the width, in whole days unless the width is less than a day.
func (h *history) window(open Window, end Hour, now time.Time) Window {
	width := h.width(now)
	w := Window{max(open.From, open.To-Hour(width)), open.To}
	if width < Day {
		return w
	}
	days := Hour(width / Day * Day)
	w.To = (w.To - 1).endOfDay()
	if today := (end - 1).startOfDay(); w.To > today { // today alone: the API may store it elsewhere
		return Window{today, end}
	}
	// If the next day is known to have calls, including it bounds the silence and exposes a response that hides calls.
	if days > Day && !h.isTooWide(int(days)+Day, now) && len(h.Shown.Within(Window{w.To, w.To + Day})) > 0 {
		w.To += Day
	}
	w.From = max(w.From.startOfDay(), w.To-days)
	w.To = min(w.To, end)
	return w
}

// recordSuccess adapts the width after a response, and postpones the hours that it leaves inconclusive.
func (h *history) recordSuccess(q Request, r *Result, now time.Time) {
	h.lastWasRetry = q.purpose == retry
	switch q.purpose {
	case bisect:
		q.postponed.From = q.Window.To
	case retry:
		h.finishRetry(q.postponed, r.hasNewReading || q.postponed.Reason == Failing, now)
	default:
		h.postpone(r.inconclusive, now)
		isTooWide := len(r.tooWide) > 0 && !r.hasNewReading
		switch {
		case isTooWide && h.Width > 1:
			h.narrow(now)
		case isTooWide:
			h.postpone(r.tooWide, now)
		case !r.HasCalls && q.Window.To > h.watermark(now):
			if q.Window.Hours() > Day { // maybe too wide to show the newest calls
				h.narrow(now)
			} else if h.Width < Day {
				h.widen(now)
			}
		case len(r.tooWide) == 0:
			h.widen(now)
		}
	}
}

// recordFailure halves the width after a failed request, or postpones the hour if the request was for a single one.
func (h *history) recordFailure(q Request, now time.Time) {
	h.lastWasRetry = q.purpose == retry
	switch {
	case q.purpose == bisect:
		q.postponed.FailingFrom = q.Window.From
	case q.purpose == extend:
		q.postponed.extend(h.wanted().Without(h.Final))
	case q.purpose == retry:
		h.finishRetry(q.postponed, false, now)
	case q.Window.Hours() == 1: // the hour is at fault, not the width
		h.Postponed = append(h.Postponed, newPostponed(q.Window, Failing, now))
		h.Width, h.TooWide = h.GoodWidth, TooWide{}
	default:
		h.narrow(now)
	}
}

// narrow halves the width, keeping whole days while it is at least a day.
func (h *history) narrow(now time.Time) {
	h.Width, h.successes = h.width(now), 0
	if h.Width >= 2*Day {
		h.Width = h.Width / Day / 2 * Day
		return
	}
	h.Width /= 2
}

// widen doubles the width after widenAfter consecutive successes.
func (h *history) widen(now time.Time) {
	if h.isTooWide(h.Width, now) { // the request was narrower than h.Width
		return
	}
	h.GoodWidth = h.Width
	wider := min(2*h.Width, longestWindow)
	if h.successes++; h.successes >= widenAfter && !h.isTooWide(wider, now) {
		h.Width, h.successes = wider, 0
	}
}

// finishRetry removes postponed hours after a retry. Unless they are resolved, those still open are postponed again for twice as long.
func (h *history) finishRetry(p *Postponed, isResolved bool, now time.Time) {
	h.Postponed = slices.DeleteFunc(h.Postponed, func(other *Postponed) bool { return other == p })
	left := h.wanted().Within(p.window()).Without(h.Final)
	if isResolved || len(left) == 0 {
		return
	}
	next := *p
	next.From, next.To = left[0].From, left[len(left)-1].To
	next.FailingFrom = next.From
	next.Pause = min(2*p.Pause, longestPause)
	next.Due = now.Add(next.Pause)
	next.Tries++
	h.Postponed = append(h.Postponed, &next)
}

// postpone postpones hours as inconclusive, merging them with adjacent ones.
func (h *history) postpone(hours []Hour, now time.Time) {
	var runs Set
	for _, hour := range hours {
		runs.extend(hour)
	}
	for _, w := range runs {
		next := newPostponed(w, Inconclusive, now)
		h.Postponed = slices.DeleteFunc(h.Postponed, func(p *Postponed) bool {
			if p.Reason != Inconclusive || p.From > next.To || next.From > p.To {
				return false
			}
			next.From, next.To = min(next.From, p.From), max(next.To, p.To)
			if p.Since.Before(next.Since) {
				next.Since = p.Since
			}
			return true
		})
		next.FailingFrom = next.From
		h.Postponed = append(h.Postponed, next)
	}
}
