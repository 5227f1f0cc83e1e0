package wolkvox_ivr

import (
	"math"
	"slices"
	"time"
)

// putOff is a range of hours that could not be read, although others could.
type putOff struct {
	window
	Why   string        `json:"why"`
	Due   time.Time     `json:"due"`   // when to ask for some of it again
	Pause time.Duration `json:"pause"` // that was made before Due
	Tries int           `json:"tries,omitempty"`
	// Failed is where the hours begin that were asked for and failed. Those before it were skipped, and nobody knows.
	Failed time.Time `json:"failed,omitzero"`
	Said   bool      `json:"said,omitempty"` // in the log
}

// Reasons for putting hours off.
const (
	whyFailing    = "failing"    // asked for alone, they are answered by an error
	whyUnreadable = "unreadable" // they have a row that can't be read
	whyUnsure     = "unsure"     // the answer was no evidence
)

// firstPause is how long hours that can't be read are left alone at first. It doubles, up to a day.
const firstPause = time.Hour

// again returns the range put off once more.
func (p putOff) again(now time.Time) putOff {
	p.Pause = min(max(2*p.Pause, firstPause), day)
	p.Due = now.Add(p.Pause)
	p.Tries++
	return p
}

// skipped returns the hours that were put off without asking.
func (p putOff) skipped() window {
	if p.Why != whyFailing {
		return window{}
	}
	return window{p.From, p.Failed}
}

// retry returns the part to ask for when the time has come: never the same twice in a row, so that any hour that works
// again is found, at the price of a request.
func (c calendar) retry(p putOff, hours int) window {
	hours = max(hours>>p.Tries, 1)
	rest := time.Duration(p.width()-hours) * time.Hour
	if rest <= 0 {
		return p.window
	}
	_, part := math.Modf(float64(p.Tries) * math.Phi)
	end := c.floor(p.To.Add(-time.Duration(part * float64(rest)).Truncate(time.Hour)))
	return c.clip(window{p.From, later(end, c.next(p.From))}, hours)
}

// putOffFailed returns the list with the one hour w in it, which failed although the API works. How long such a stretch
// is, is found by skipping as many hours before it as are known to fail, and asking for the one before those.
func (s scope) putOffFailed(list []putOff, gap, w window, now time.Time) []putOff {
	list = cut(list, w, func(p putOff) bool { return p.Why != whyFailing })
	for i, p := range list {
		if p.Why != whyFailing {
			continue
		}
		switch {
		case w.To.Equal(p.From):
			p.Failed = w.From
			known := window{w.From, p.To}
			p.From = later(gap.From, s.floor(w.From.Add(-time.Duration(known.width())*time.Hour)))
		case p.skipped().contains(w.From):
			p.Failed = w.From
		case p.contains(w.From):
			p = p.again(now)
		default:
			continue
		}
		list[i] = p
		return list
	}
	list = append(list, putOff{window: w, Why: whyFailing, Failed: w.From}.again(now))
	slices.SortFunc(list, func(a, b putOff) int { return a.From.Compare(b.From) })
	return list
}

// putOffUnsettled returns the list after the answer a was recorded: without what it settled, and with what it should
// have, but did not.
func (s scope) putOffUnsettled(l ledger, a *answered, now time.Time) []putOff {
	var list []putOff
	before := putOff{}
	for _, p := range l.PutOff {
		if p.To.Before(a.From) || a.To.Before(p.From) || len(within([]window{p.window}, a.window)) == 0 {
			list = append(list, p)
			continue
		}
		switch {
		case p.Why != whyFailing:
			before.Pause, before.Tries = max(before.Pause, p.Pause), max(before.Tries, p.Tries)
			list = append(list, cut([]putOff{p}, a.window, nil)...)
		case !a.To.After(p.Failed): // it works where nobody had asked: so may all that is before
			if p.From = a.To; !p.isEmpty() {
				list = append(list, p)
			}
		}
		// Else it works again, and the rest is asked for as usual.
	}

	if a.isEmpty() && l.API.Answered > 0 && !s.isSingle(a.window) && !s.isEvidence(l, a) {
		return list // it may have been too wide: it is asked for in other ways at once
	}
	why := whyUnsure
	if a.anyHour || len(a.unknown) > 0 {
		why = whyUnreadable
	}
	for _, w := range within(s.missing(l, now), a.window) {
		next := putOff{window: w, Why: why, Pause: before.Pause, Tries: before.Tries}.again(now)
		list = slices.DeleteFunc(list, func(p putOff) bool {
			if p.Why != why || p.To.Before(w.From) || w.To.Before(p.From) {
				return false
			}
			next.window = window{earlier(p.From, next.From), later(p.To, next.To)}
			return true
		})
		list = append(list, next)
	}
	slices.SortFunc(list, func(a, b putOff) int { return a.From.Compare(b.From) })
	return list
}

// cut returns the list without the hours of w, as far as the ranges meet the condition, if there is one.
func cut(list []putOff, w window, condition func(putOff) bool) []putOff {
	rest := make([]putOff, 0, len(list)+1)
	for _, p := range list {
		if condition != nil && !condition(p) {
			rest = append(rest, p)
			continue
		}
		for _, part := range remove([]window{p.window}, w) {
			p.window = part
			rest = append(rest, p)
		}
	}
	return rest
}

// dropPutOff returns the list without the ranges that w touches.
func dropPutOff(list []putOff, w window) []putOff {
	return slices.DeleteFunc(slices.Clone(list), func(p putOff) bool {
		return len(within([]window{p.window}, w)) > 0
	})
}

// putOffWindows returns the hours of the list that are not to be asked for at now like any other.
func putOffWindows(list []putOff, now time.Time) []window {
	windows := make([]window, 0, len(list))
	for _, p := range list {
		if p.Why == whyFailing || now.Before(p.Due) {
			windows = append(windows, p.window)
		}
	}
	return windows
}
