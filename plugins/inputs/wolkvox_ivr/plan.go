package wolkvox_ivr

import (
	"time"
)

const (
	// widest is more hours than these days have: no limit.
	widest = (maxDays + 1) * 24
	// maxRequests is how many requests a gather makes at most, whatever fails: an API that fails all day must not use up
	// the daily quota of one licence. With at most 744 rows each, three of four operations fit into Telegraf's default
	// metric_buffer_limit of 10,000.
	maxRequests = 3
)

// habits are how an operation's API was seen to answer.
type habits struct {
	// Answered is how many hours the widest window had that was answered with rows. What is empty is known to be without
	// calls no wider than that.
	Answered int `json:"answered"`
	// Spanned is how many hours an answer had from its first row to its last, at the most, and Listed how many rows one had.
	// What is shorter by both was not cut short.
	Spanned int `json:"spanned,omitempty"`
	Listed  int `json:"listed,omitempty"`
	// Limit is how many hours to ask for at most, and Wider when to try more.
	Limit int     `json:"limit"`
	Wider waiting `json:"wider,omitzero"`
	// Step is how many hours of history to ask for next, up to Limit.
	Step int `json:"step"`
	// TooWide is how many hours the last window of history had that failed, and Unproven the last that was empty without
	// being evidence; 0 if it was neither.
	TooWide  int `json:"too_wide,omitempty"`
	Unproven int `json:"unproven,omitempty"`
	// Until is how far into the future a window may reach, and Farther when to try more.
	Until   reach   `json:"until,omitempty"`
	Farther waiting `json:"farther,omitzero"`
	// Refusals is how many gathers in a row read the hours before the running one, but not that: the API may refuse all
	// windows that end in the future.
	Refusals int `json:"refusals,omitempty"`
	// Failures is how many gathers in a row read neither then. Each halves what is asked for before the running hour.
	Failures int `json:"failures,omitempty"`
}

// reach is how far into the future windows may reach.
type reach int

const (
	untilDayEnds  reach = iota // to the end of the running day, which shows a time zone that is too far west
	untilHourEnds              // to the end of the running hour
)

// waiting is a time until which something isn't tried again.
type waiting struct {
	Due   time.Time     `json:"due"`
	Pause time.Duration `json:"pause"`
}

// longer returns the wait after another failure at now: twice as long if it had been waited for, up to a day.
func (w waiting) longer(now time.Time) waiting {
	if !now.Before(w.Due) {
		w.Pause = min(max(2*w.Pause, firstPause), day)
	}
	w.Due = now.Add(w.Pause)
	return w
}

func newHabits() habits {
	return habits{Limit: widest, Step: widest}
}

// at returns the habits as they are taken for at now.
func (h habits) at(now time.Time) habits {
	h.Wider.Due = earlier(h.Wider.Due, now.Add(day)) // unless it was set by a clock that was ahead
	h.Farther.Due = earlier(h.Farther.Due, now.Add(day))
	return h
}

// tooWide returns the habits after a window of so many hours was not answered where a narrower one was.
func (h habits) tooWide(hours int, now time.Time) habits {
	h.Limit = max(hours/2, 1)
	if h.Answered < hours {
		h.Limit = max(h.Limit, h.Answered)
	}
	h.Step = min(h.Step, h.Limit)
	h.Wider = h.Wider.longer(now)
	h.TooWide, h.Unproven = 0, 0
	return h
}

// wideEnough returns the habits after a window of so many hours was answered.
func (h habits) wideEnough(hours int, now time.Time) habits {
	if hours >= h.Limit && h.Limit < widest && !now.Before(h.Wider.Due) {
		h.Limit = min(2*hours, widest)
	}
	if h.Limit == widest {
		h.Wider = waiting{}
	}
	return h
}

// limit returns how many hours to ask for at most.
func (h habits) limit(now time.Time) int {
	if h.Limit < widest && !now.Before(h.Wider.Due) {
		return min(2*h.Limit, widest)
	}
	return h.Limit
}

// uncut returns how many hours to ask for where the newest must not be cut off.
func (h habits) uncut() int {
	if h.Listed == 0 {
		return widest
	}
	return max(min(h.Spanned, h.Listed), dayHours)
}

// result is what became of a request.
type result int

const (
	isAnswered result = iota
	isEmpty           // without being evidence
	isFailure         // which may be due to the window
	isRefusal         // which is not: any window would fail
)

// part is what a request for the latest hours asks for.
type part int

const (
	allLatest   part = iota // as much as seems right
	runningHour             // nothing but the running hour
	hoursBefore             // those before the running hour, so that nothing lies in the future
)

// request is one that was made for the latest hours.
type request struct {
	part
	result  result
	hasRows bool
	isWrong bool // it is empty, though it has hours that are known to have calls
	passes  bool // the failure may, within the gather
}

func (r *request) isRead() bool { return r != nil && r.result <= isEmpty }

// turn is what one gather asks for of the latest hours: the running hour in any case, be it alone.
type turn struct {
	windows   [3]window // by part
	isCareful bool      // the gather before could not read the running hour: ask for it first
	made      []request // in order
}

// begins returns the turn of a gather at now.
func (s scope) begins(l ledger, now time.Time, isCareful bool) turn {
	current := s.floor(now)
	live := s.live(l, now)
	hours := l.API.Answered
	if l.API.Refusals > 0 {
		hours = l.API.limit(now) >> l.API.Failures
	}
	before := s.clip(window{earlier(live.From, s.last(current)), current}, max(hours, 1))
	return turn{
		windows:   [...]window{live, {current, s.next(current)}, before},
		isCareful: isCareful || l.API.Refusals > 0,
	}
}

// find returns the last request for a part, or nil.
func (t *turn) find(p part) *request {
	for i := len(t.made) - 1; i >= 0; i-- {
		if t.made[i].part == p {
			return &t.made[i]
		}
	}
	return nil
}

// next returns what to ask for next, as long as the latest hours have not been read.
func (t *turn) next(h habits) (p part, found bool) {
	hour, before := t.find(runningHour), t.find(hoursBefore)
	isHour := t.windows[allLatest] == t.windows[runningHour]
	switch {
	case len(t.made) == 0 && (t.isCareful || isHour):
		return runningHour, true
	case len(t.made) == 0:
		return allLatest, true
	case len(t.made) == maxRequests:
		return 0, false
	}
	last := t.made[len(t.made)-1]
	switch {
	case last.result == isRefusal && !last.passes:
		return 0, false
	case last.part == runningHour && last.isRead():
		all := t.find(allLatest)
		isOnce := all != nil && all.result == isFailure && all.passes && len(t.made) == 2 && h.Limit == widest
		return allLatest, !isHour && (all == nil || isOnce)
	case last.part == allLatest && last.result == isEmpty:
		return runningHour, hour == nil
	case last.isRead():
		return 0, false
	case last.part == allLatest && hour.isRead():
		return 0, false
	case last.part == allLatest:
		isGood := last.result == isRefusal || t.windows[allLatest].width() <= h.Answered
		if isGood && last.passes && len(t.made) == 1 {
			return allLatest, true
		}
		return runningHour, true
	case last.part == runningHour && last.result == isFailure && before == nil && (!last.passes || t.isCareful):
		return hoursBefore, true
	case last.part == hoursBefore && t.isCareful:
		return 0, false // what is left is for the past
	}
	return runningHour, last.passes
}

// isRead says whether the running hour was read.
func (t *turn) isRead() bool {
	return t.find(runningHour).isRead() || t.find(allLatest).isRead()
}

// learn returns the habits after a turn at now.
func (t *turn) learn(h habits, now time.Time) habits {
	all, hour, before := t.find(allLatest), t.find(runningHour), t.find(hoursBefore)
	asked, end := t.windows[allLatest], t.windows[runningHour].To
	switch {
	case all != nil && all.result == isAnswered:
		if h = h.wideEnough(asked.width(), now); asked.To.After(end) {
			h.Until, h.Farther = untilDayEnds, waiting{}
		}
	case all != nil && hour.isRead() && (all.result == isFailure || all.isWrong || all.result == isEmpty && hour.hasRows):
		if asked.To.After(end) {
			h.Until, h.Farther = untilHourEnds, h.Farther.longer(now)
		} else {
			h = h.tooWide(asked.width(), now)
		}
	case hour == nil || hour.result != isFailure || before == nil || before.result == isRefusal:
	case before.result == isAnswered:
		hours := t.windows[hoursBefore].width()
		if h.Failures > 0 {
			h = h.tooWide(2*hours, now)
		}
		h.Refusals++
		h.Failures = 0
		h = h.wideEnough(hours, now)
	case before.result == isEmpty && !before.isWrong:
		h.Unproven = max(h.Unproven, t.windows[hoursBefore].width())
	case h.Refusals > 0 && t.windows[hoursBefore].width() > h.Answered:
		h = h.tooWide(t.windows[hoursBefore].width(), now)
	case h.Refusals > 0 && t.windows[hoursBefore].width() > 1:
		h.Failures++ // the API may have become narrower
	}
	if hour.isRead() || all.isRead() {
		h.Refusals, h.Failures = 0, 0
	}
	return h
}

// live returns the window that keeps the latest hours current: those of `lookback`, and with them what is missing before
// them, as far as no answer can be cut short there. Where they are without calls it begins with the newest that had some, so
// that its answer shows something.
func (s scope) live(l ledger, now time.Time) window {
	current := s.floor(now)
	h := l.API
	to := s.next(current)
	if h.Until == untilDayEnds || !now.Before(h.Farther.Due) {
		to = s.endOfDay(now)
	}
	limit := h.limit(now)
	start := s.settledBefore(now)
	w := window{earlier(start, s.last(to)), to}
	if w.width() > limit && w.To.After(s.next(current)) {
		w.To = s.next(current)
	}
	reachable := s.clip(window{w.From.AddDate(0, -2, 0), w.To}, limit).From
	for _, p := range l.PutOff {
		if p.Why != whyUnsure || p.To.Before(now.Add(-2*day)) {
			reachable = later(reachable, earlier(p.To, w.From))
		}
	}
	w.From = later(w.From, reachable)
	if !w.From.After(start) {
		switch missed := within(s.missing(l, now), window{later(reachable, s.settledBefore(l.Started)), w.From}); {
		case len(missed) > 0:
			w.From = earlier(w.From, later(missed[0].From, s.clip(window{reachable, s.next(current)}, h.uncut()).From))
		case l.Newest.IsZero() && start.After(l.Started):
			w.From = later(reachable, earlier(w.From, s.floor(now.Add(-day))))
		}
		if l.Newest.Before(w.From) && !l.Newest.Before(reachable) && !l.Newest.IsZero() {
			if from := s.floor(l.Newest); (window{from, current}).width() <= dayHours || (window{from, w.To}).width() <= h.Spanned {
				w.From = from
			}
		}
		if s.zeros && w.From.Before(l.First) && start.Sub(w.From) > day {
			w.From = reachable // whether the API reaches back that far may be shown by what is before it
		}
	}
	return w
}

// ask is what to ask for of the past.
type ask struct {
	window
	isProof bool // hours with calls, in a window as wide as an empty one: is it answered?
}

// history returns what to ask for of the hours before the live window at now.
func (s scope) history(l ledger, now time.Time) (a ask, found bool) {
	if l.Newest.Sub(now) > day {
		return ask{}, false // the clock is behind, by more than any time zone
	}
	limit := l.API.limit(now)
	if l.API.Unproven > 0 && !l.Newest.IsZero() {
		to := s.next(s.floor(l.Newest))
		return ask{s.clip(window{to.AddDate(0, -2, 0), to}, l.API.Unproven), true}, true
	}
	missing := s.missing(l, now)
	gaps := without(missing, putOffWindows(l.PutOff, now))
	for _, p := range l.PutOff {
		skipped := p.skipped()
		if skipped.isEmpty() {
			continue
		}
		before := window{s.last(p.From), p.From}
		switch {
		case isIn(gaps, before.From):
			return ask{window: before}, true
		case isIn(l.Final, before.From):
			middle := s.floor(skipped.From.Add(skipped.To.Sub(skipped.From) / 2))
			return ask{window: window{middle, s.next(middle)}}, true
		default: // nothing before it is wanted
			return ask{window: window{p.From, s.next(p.From)}}, true
		}
	}
	for _, p := range l.PutOff {
		if p.Why == whyFailing && !now.Before(p.Due) {
			if parts := within(missing, p.window); len(parts) > 0 {
				newest := p
				newest.window = parts[len(parts)-1]
				return ask{window: s.retry(newest, min(l.API.Step, limit))}, true
			}
		}
	}
	if len(gaps) == 0 {
		return ask{}, false
	}
	w := gaps[len(gaps)-1]
	hours := min(l.API.Step, limit)
	if l.API.Answered == 0 && w.To.After(s.settledBefore(l.Started)) {
		hours = 1 // nothing but an hour asked for alone is known to be answered
	}
	from := s.clip(window{w.To.AddDate(0, -2, 0), w.To}, hours).From
	for _, p := range putOffWindows(l.PutOff, now) {
		from = later(from, earlier(p.To, w.From))
	}
	if w.From = within(gaps, window{from, w.To})[0].From; s.zeros && w.From.Equal(gaps[0].From) && w.From.Before(l.First) {
		w.From = from // as in live
	}
	return ask{window: w}, true
}

// historyFailed returns the ledger after a window of history failed, although the API works.
func (s scope) historyFailed(l ledger, a ask, now time.Time) ledger {
	hours := a.width()
	switch {
	case a.isProof:
		l.API = l.API.tooWide(max(l.API.Unproven, hours), now)
	case s.isSingle(a.window):
		gap := a.window
		for _, w := range without(s.missing(l, now), putOffWindows(l.PutOff, now)) {
			if w.contains(a.From) {
				gap = w
			}
		}
		l.PutOff = s.putOffFailed(l.PutOff, gap, a.window, now)
	default:
		for i, p := range l.PutOff {
			if len(within([]window{p.window}, a.window)) > 0 {
				l = l.clone()
				l.PutOff[i] = p.again(now)
				if p.Why == whyFailing {
					return l
				}
			}
		}
		l.API.Step = max(hours/2, 1)
		if hours > l.API.Answered {
			l.API.TooWide = hours
		}
	}
	return l
}

// historyAnswered returns the ledger after a window of history was answered and recorded, with rows or empty.
func (s scope) historyAnswered(l ledger, a ask, result result, hasRows bool, now time.Time) ledger {
	hours := a.width()
	switch {
	case a.isProof && !hasRows:
		return s.historyFailed(l, a, now)
	case a.isProof:
		l.API.Unproven = 0
		l.API.Step = min(l.API.Step, hours) // the calendar may have made it a little narrower
		l.API = l.API.wideEnough(hours, now)
	case result == isEmpty && l.API.Answered == 0:
		// An operation that never had a call: there is nothing to compare with.
	case result == isEmpty:
		if l.Newest.IsZero() {
			l.API.Step = max(hours/2, 1)
		} else {
			l.API.Unproven = hours
		}
	case hasRows && len(without(within(s.missing(l, now), a.window), putOffWindows(l.PutOff, now))) > 0:
		l.API.Step = max(hours/2, 1) // it may have been cut short
	case hasRows && l.API.TooWide > hours && hours >= l.API.Step:
		l.API = l.API.tooWide(l.API.TooWide, now)
		l.API.Limit, l.API.Step = max(l.API.Limit, hours), hours
	default:
		l.API = l.API.wideEnough(hours, now)
		l.API.TooWide = 0
		switch {
		case hours < l.API.Step:
		case hasRows:
			l.API.Step = min(2*l.API.Step, widest)
		default: // what is empty may go on, and be no evidence any wider
			l.API.Step = max(l.API.Step, min(2*l.API.Step, l.API.Answered))
		}
	}
	return l
}
