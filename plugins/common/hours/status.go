package hours

import "time"

// Status reports how complete the hours of an operation are.
type Status struct {
	Newest    Hour        // newest hour that has shown calls, 0 before there is any
	Watermark Hour        // hours below it can become final, 0 before there is any
	Complete  Hour        // newest hour up to which all hours since the oldest known calls are final, 0 if there is none
	Final     Set         // all final hours
	Open      []OpenRange // wanted hours that are not final, in order
}

// OpenRange is a range of wanted hours that aren't final.
type OpenRange struct {
	Window
	Reason    string
	Since     time.Time // zero if unknown
	Due       time.Time // when the next retry is due; zero means in the next gathers
	Postponed bool
	Failing   bool // requests fail, rather than return inconclusive responses
}

// Reasons of open hours.
const (
	reasonUnread         = "no reading yet"
	reasonReread         = "waiting to be read again"
	reasonOneReading     = "read once; the next reading must agree"
	reasonAboveWatermark = "not before the watermark: waiting for newer calls"
	reasonNoCalls        = "the report has shown no calls yet"
	reasonFailing        = "requests for a single hour fail"
	reasonInconclusive   = "the report is inconclusive, or their rows can't be read"
	reasonBeforeOldest   = "earlier than any known calls"
)

// StatusOf returns the status of a saved state at now. Unlike Restore, it doesn't reopen hours that an output may not have stored. It
// returns the same errors as Restore.
func StatusOf(options Options, s State, now time.Time) (Status, error) {
	if err := s.validate(); err != nil {
		return Status{}, err
	}
	p := New(options)
	p.State = s
	return p.Status(now), nil
}

// Status returns the status at now of all hours that have begun. It is empty before the first gather.
func (p *Planner) Status(now time.Time) Status {
	s := Status{Newest: p.Newest, Final: p.Final}
	if p.Started.IsZero() {
		return s
	}
	current, watermark := p.Calendar.HourAt(now), p.watermark(now)
	if p.Newest != 0 {
		s.Watermark = watermark
	}
	open := p.wanted().Without(p.Final).Within(Window{-maxHour, current + 1})
	for _, w := range open {
		if first := max(w.From, p.Oldest); first < w.To { // hours before the oldest known calls are no gap
			if p.Final.Contains(first - 1) {
				s.Complete = first - 1
			}
			break
		}
	}
	postponed := make(map[Hour]*Postponed)
	for _, r := range p.Postponed {
		for h := r.From; h < r.To; h++ {
			postponed[h] = r
		}
	}
	for _, w := range open {
		for h := w.From; h < w.To; h++ {
			s.add(h, p.openRange(h, postponed[h], watermark, now))
		}
	}
	return s
}

// add adds an open hour, extending the last range if it has the same reason and due time.
func (s *Status) add(h Hour, r OpenRange) {
	if n := len(s.Open); n > 0 {
		last := &s.Open[n-1]
		if last.To == h && last.Reason == r.Reason && last.Due.Equal(r.Due) {
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

// openRange returns why an hour is open, and since when. postponed is the postponed range that contains the hour, or nil.
func (p *Planner) openRange(h Hour, postponed *Postponed, watermark Hour, now time.Time) OpenRange {
	if postponed != nil {
		r := OpenRange{Reason: reasonInconclusive, Since: postponed.Since, Postponed: true, Failing: postponed.Reason == Failing}
		if postponed.IsFullyTested() && !postponed.isDue(now) {
			r.Due = postponed.Due
		}
		switch {
		case r.Failing:
			r.Reason = reasonFailing
		case h < p.Oldest:
			r.Reason = reasonBeforeOldest
		}
		return r
	}
	switch o := p.Open[h]; {
	case p.Newest == 0 && !p.Time.IsZero():
		return OpenRange{Reason: reasonNoCalls, Since: p.Started}
	case p.Newest != 0 && h >= watermark:
		return OpenRange{Reason: reasonAboveWatermark, Since: p.NewestAt}
	case o != nil:
		return OpenRange{Reason: reasonOneReading, Since: o.shownAt}
	case p.ToReread.Contains(h):
		return OpenRange{Reason: reasonReread}
	}
	r := OpenRange{Reason: reasonUnread, Since: p.Started}
	if starts := p.Calendar.Starts(h); len(starts) > 0 && starts[0].After(r.Since) {
		r.Since = starts[0]
	}
	return r
}

// Backlog returns the number of hours that ended `lookback` ago and aren't final: those waiting for requests, and those postponed. Hours at
// or above the watermark count as waiting only if no response has covered them for an hour.
func (p *Planner) Backlog(now time.Time) (waiting, postponed int) {
	due := Window{-maxHour, p.Calendar.HourAt(now.Add(-p.Lookback))}
	open := p.wanted().Without(p.Final).Within(due)
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

// Stall returns the age of the newest calls in hours, and whether that is unusual for the operation. It is never unusual before
// the rows of a response have spanned a whole day.
func (p *Planner) Stall(now time.Time) (hours int, isUnusual bool) {
	if p.Newest == 0 {
		return 0, false
	}
	hours = int(p.Calendar.HourAt(now) - p.Newest)
	return hours, p.WidestRun >= Day && hours > 2*p.LongestGap+2
}
