package hours

import "time"

// Status is how complete the hours of an operation are.
type Status struct {
	Newest    Hour        // the newest hour that has shown calls, 0 before there is any
	Watermark Hour        // hours below it can become final, 0 before there is any
	Complete  Hour        // the newest final hour without a gap between the oldest known calls and it, 0 if there is none
	Final     Set         // all final hours
	Open      []OpenRange // wanted hours that are not final, in order
}

// OpenRange are hours that are not final.
type OpenRange struct {
	Window
	Why       string
	Since     time.Time // zero if it is not known
	Due       time.Time // of the next retry, zero for the next gathers
	Postponed bool
	Fails     bool // requests fail, rather than responses that are not credible
}

// Reasons of open hours.
const (
	whyUnread  = "no reading yet"
	whyAgain   = "waiting to be read again"
	whyOnce    = "read once; the next reading must agree"
	whyNewer   = "not before the watermark: waiting for newer calls in the report"
	whyNever   = "the report has shown no calls yet"
	whyFails   = "requests for a single hour fail"
	whyDoubted = "the report is inconclusive, or their rows can't be read"
	whyEarlier = "earlier than any known calls"
)

// StatusOf returns the status at now of a saved state as it is: it does not have hours read once more that an output may not have stored,
// as Restore does. It refuses what Restore refuses.
func StatusOf(options Options, s State, now time.Time) (Status, error) {
	if err := s.validate(); err != nil {
		return Status{}, err
	}
	p := New(options)
	p.State = s
	return p.Status(now), nil
}

// Status returns the status at now, of all hours that have begun. Before the first gather there are none.
func (p *Planner) Status(now time.Time) Status {
	s := Status{Newest: p.Newest, Final: p.Final}
	if p.Started.IsZero() {
		return s
	}
	running, watermark := p.Calendar.HourAt(now), p.watermark(now)
	if p.Newest != 0 {
		s.Watermark = watermark
	}
	open := p.wanted().Without(p.Final).Within(Window{-maxHour, running + 1})
	for _, w := range open {
		if first := max(w.From, p.Oldest); first < w.To { // what is before the oldest known calls is no gap
			if p.Final.Contains(first - 1) {
				s.Complete = first - 1
			}
			break
		}
	}
	postponed := make(map[Hour]*Postponed)
	for _, d := range p.Postponed {
		for h := d.From; h < d.To; h++ {
			postponed[h] = d
		}
	}
	for _, w := range open {
		for h := w.From; h < w.To; h++ {
			s.add(h, p.openRange(h, postponed[h], watermark, now))
		}
	}
	return s
}

// add adds an hour, to the last range if that is open for the same reason.
func (s *Status) add(h Hour, r OpenRange) {
	if n := len(s.Open); n > 0 {
		last := &s.Open[n-1]
		if last.To == h && last.Why == r.Why && last.Due.Equal(r.Due) {
			last.To++
			if r.Since.Before(last.Since) {
				last.Since = r.Since
			}
			return
		}
	}
	r.Window = Window{h, h + 1}
	s.Open = append(s.Open, r)
}

// openRange returns why an hour, which may be postponed, is open, and since when.
func (p *Planner) openRange(h Hour, d *Postponed, watermark Hour, now time.Time) OpenRange {
	if d != nil {
		r := OpenRange{Why: whyDoubted, Since: d.Since, Postponed: true, Fails: d.Reason == Fails}
		if d.IsBounded() && !d.isDue(now) {
			r.Due = d.Due
		}
		switch {
		case r.Fails:
			r.Why = whyFails
		case h < p.Oldest:
			r.Why = whyEarlier
		}
		return r
	}
	switch o := p.Open[h]; {
	case p.Newest == 0 && !p.Time.IsZero():
		return OpenRange{Why: whyNever, Since: p.Started}
	case p.Newest != 0 && h >= watermark:
		return OpenRange{Why: whyNewer, Since: p.NewestAt}
	case o != nil:
		return OpenRange{Why: whyOnce, Since: o.shownAt}
	case p.Again.Contains(h):
		return OpenRange{Why: whyAgain}
	}
	r := OpenRange{Why: whyUnread, Since: p.Started}
	if starts := p.Calendar.Starts(h); len(starts) > 0 && starts[0].After(r.Since) {
		r.Since = starts[0]
	}
	return r
}

// Backlog returns how many hours should be final by the clock and are not: those that wait for requests, and those that are postponed.
// Hours at or above the watermark count if no response has covered them for an hour.
func (p *Planner) Backlog(now time.Time) (waiting, postponed int) {
	settled := Window{-maxHour, p.Calendar.HourAt(now.Add(-p.Lookback))}
	open := p.wanted().Without(p.Final).Within(settled)
	all := open.Hours()
	open = open.Without(p.postponedHours())
	postponed = all - open.Hours()
	watermark := p.watermark(now)
	waiting = open.Within(Window{-maxHour, watermark}).Hours()
	for _, w := range open.Within(Window{watermark, maxHour}) {
		for h := w.From; h < w.To; h++ {
			if now.Sub(p.readAt[h]) > retryPause {
				waiting++
			}
		}
	}
	return waiting, postponed
}

// Stall returns how many hours old the newest calls are, and whether that is unusually long for the operation. It never is before a whole
// day has been seen.
func (p *Planner) Stall(now time.Time) (hours int, isUnusual bool) {
	if p.Newest == 0 {
		return 0, false
	}
	hours = int(p.Calendar.HourAt(now) - p.Newest)
	return hours, p.WidestRun >= Day && hours > 2*p.LongestGap+2
}
