package hours

import "time"

// patience is the number of failures that any request would have met after which it is the live window's turn again.
const patience = 3

// retryWholeAfter is how many live requests of another form have to work before the whole window is tried again: those of an hour by default.
const retryWholeAfter = 12

// Planner chooses one request per gather, in turns for the live window and for history, and records the responses. Its methods must not
// be called at the same time.
type Planner struct {
	history

	isFirstStart  bool // Started goes by the local clock, while the API's time is not known
	isHistoryTurn bool
	hasFailed     map[bool]bool // by IsLive: the last such request, for the first time: it is repeated before that counts
	isDown        bool          // the last live request failed, or its response did not show known calls

	unlucky int // general failures, up to patience

	form       form
	formWorked int  // live requests in a row
	formShows  bool // it has shown calls
	isDay      bool // the last live request was for one day of the live window
	daysBack   int  // which one is next, counted from today
}

// New returns a planner that knows nothing yet.
func New(options Options) *Planner {
	return &Planner{
		history:   history{ledger: newLedger(&options)},
		hasFailed: make(map[bool]bool),
		isDay:     true, // so that the first request is for the whole live window
	}
}

// Start is called before each request. The first call decides which hours are wanted. It returns the days that are to be read again from
// now on, if there are any.
func (p *Planner) Start(now time.Time) (reread Window) {
	p.isFirstStart = p.isFirstStart || p.Started.IsZero()
	if p.Started.IsZero() || p.isFirstStart && now.Before(p.Started) {
		p.Started = now
	}
	if p.State.Reread != p.Options.Reread {
		p.State.Reread, p.Rereading = p.Options.Reread, nil
		if days := p.RereadDays; !days.IsEmpty() {
			p.Rereading = &days
		}
	}
	if p.Rereading == nil {
		return Window{}
	}
	settled := Window{p.Rereading.From, min(p.Rereading.To, p.watermark(now).startOfDay())}
	if settled.IsEmpty() {
		return Window{}
	}
	if p.Rereading.From = settled.To; p.Rereading.IsEmpty() {
		p.Rereading = nil
	}
	p.readAgain(settled)
	return settled
}

// ClockKnown takes in that the API's time is known to be now, and that it differs from the clock of the calls before by so much. It
// corrects the time of a first start, and when the last response came.
func (p *Planner) ClockKnown(now time.Time, by time.Duration) {
	if p.isFirstStart {
		p.Started = p.Started.Add(by)
	}
	if p.isFirstStart = false; p.Started.After(now) { // a start that was saved before the time was known
		p.Started = now
	}
	if by > 0 { // else the response had the earlier time already
		p.recordedLater(by)
	}
}

// NextHistory returns the next request for history, if there is any to make. There is none while live requests fail or hide calls.
func (p *Planner) NextHistory(now time.Time) (Request, bool) {
	if p.isDown {
		return Request{}, false
	}
	running := p.Calendar.HourAt(now)
	to, end := p.liveWindow(now).From, running+1
	switch p.form {
	case whole:
		end = running.endOfDay()
	case runningHour:
		to = running
	case ended:
		end = running
	}
	return p.history.next(to, end, now)
}

// Next returns the next request. It changes nothing.
func (p *Planner) Next(now time.Time) Request {
	if p.isHistoryTurn && !p.Between {
		if q, found := p.NextHistory(now); found {
			return q
		}
	}
	return p.nextLive(now)
}

func (p *Planner) nextLive(now time.Time) Request {
	q := Request{form: p.form}
	if p.form != whole && p.formWorked >= retryWholeAfter {
		q.form, q.isRetried = whole, true
	}
	q.Window = p.liveWindow(now)
	// If it is wider than a day, every second request is for one day: the API may not show all of it. It is today, then one day further
	// back each time until newer calls appear.
	if q.isDay = q.Window.Hours() > Day && !p.isDay && !q.isRetried; q.isDay {
		to := q.Window.To - Hour(p.daysBack%(q.Window.Hours()/Day)*Day)
		q.Window = Window{to - Day, to}
	}
	if p.isTooWide(q.Window.Hours(), now) { // today takes the place of the whole
		q.Window.From = q.Window.To - Day
	}
	running := p.Calendar.HourAt(now)
	switch q.form {
	case untilNow:
		q.Window.To = min(q.Window.To, running+1)
	case runningHour:
		q.Window = Window{running, running + 1}
	case ended:
		q.Window = Window{min(q.Window.From, (running - 1).startOfDay()), min(q.Window.To, running)}
	}
	q.isRetried = q.isRetried || p.TooWide.Hours > 0 && wideness(q.Window) >= p.TooWide.Hours && !p.isDown
	return q
}

// liveWindow runs from the day of the watermark to the end of today, in as many days as one request may span.
func (p *Planner) liveWindow(now time.Time) Window {
	from := p.watermark(now)
	if p.Newest == 0 {
		from = p.Calendar.HourAt(now.Add(-p.Lookback))
	}
	for p.Open[from-1] != nil { // it lacks its second reading
		from--
	}
	to := p.Calendar.HourAt(now).endOfDay()
	return Window{max(from.startOfDay(), to-longestWindow), to}
}

// Fail takes in that a request has failed. A first failure is repeated by the next request before it counts: the API may only have asked
// for more time in between. One that any request would have met (isGeneral) does not count against the window.
func (p *Planner) Fail(q Request, now time.Time, isGeneral bool) {
	p.Acknowledge(now)
	if q.IsLive() && !q.isRetried {
		p.isDown = true
	}
	if isGeneral {
		p.unlucky = (p.unlucky + 1) % patience
		p.isHistoryTurn = p.unlucky > 0
		return
	}
	isRepeated := p.hasFailed[q.IsLive()] || q.isRetried
	p.hasFailed[q.IsLive()] = !isRepeated
	if isRepeated {
		p.widthFailed(q.Window)
	}
	p.isHistoryTurn = q.IsLive() == isRepeated // the repeated request is of the same kind, the one after that of the other
	switch {
	case !isRepeated:
	case q.IsLive():
		p.liveFailed(q)
	default:
		p.history.failed(q, now)
	}
}

func (p *Planner) liveFailed(q Request) {
	p.isDay = q.isDay
	p.formWorked = 0
	if !q.isRetried || !p.formShows {
		p.form, p.formShows = (p.form+1)%forms, false
	}
}

// Record takes in the response to a request, and returns the rows to send.
func (p *Planner) Record(q Request, response *Response, now time.Time) Result {
	delete(p.hasFailed, q.IsLive())
	p.isHistoryTurn = q.IsLive()
	p.widthWorks(q.Window, now)
	newest := p.Newest
	r := p.record(response, now, q.IsLive())
	isHiding := r.Hidden > 0 && !r.HasCalls ||
		response.Contains(newest) && newest < p.Calendar.HourAt(now) && !response.At(newest).hasCalls()
	if q.IsLive() {
		switch {
		case p.Newest != newest:
			p.daysBack = 0
		case q.isDay:
			p.daysBack++
		}
		p.isDown = isHiding // its history can't be trusted either
		// If there have been no calls for long, other forms may show some.
		if isHiding || q.isRetried && !r.HasCalls || p.Newest == 0 && now.Sub(p.Started) >= retryPause {
			p.liveFailed(q)
		} else {
			p.isDay, p.form = q.isDay, q.form
			p.formWorked++
			p.formShows = p.formShows || r.HasCalls
		}
	} else {
		p.history.recorded(q, &r, now)
	}
	return r
}
