package hours

import "time"

// maxGeneralFailures is the number of general failures after which the live window has its turn again. A general failure is one that any
// request would have run into, whatever its window.
const maxGeneralFailures = 3

// retryWholeAfter is how many live requests of another form must succeed before the whole window is retried: an hour's worth by default.
const retryWholeAfter = 12

// Planner chooses one request per gather, alternating between the live window and history, and records the responses. Its methods must not
// be called concurrently.
type Planner struct {
	history

	startIsProvisional bool // Started is from the local clock, because the API's time isn't known yet
	isHistoryTurn      bool
	failedOnce         map[bool]bool // by IsLive: the last such request failed and is repeated before the failure counts
	isDown             bool          // the last live request failed, or its response hid known calls

	generalFailures int // modulo maxGeneralFailures

	form            form
	formSuccesses   int  // consecutive live requests that succeeded
	formShowedCalls bool // a response to this form has shown calls
	isSingleDay     bool // the last live request was for one day of a longer live window
	daysBack        int  // the day of the next such request, counted back from today
}

// New returns a planner without any state.
func New(options Options) *Planner {
	return &Planner{
		history:     history{ledger: newLedger(&options)},
		failedOnce:  make(map[bool]bool),
		isSingleDay: true, // so the first request covers the whole live window
	}
}

// Start must be called at the beginning of each gather. The first call determines which hours are wanted. Start returns the days to reread
// from now on, if any.
func (p *Planner) Start(now time.Time) (reread Window) {
	p.startIsProvisional = p.startIsProvisional || p.Started.IsZero()
	if p.Started.IsZero() || p.startIsProvisional && now.Before(p.Started) {
		p.Started = now
	}
	if p.State.Reread != p.Options.Reread {
		p.State.Reread, p.PendingReread = p.Options.Reread, nil
		if days := p.RereadDays; !days.IsEmpty() {
			p.PendingReread = &days
		}
	}
	if p.PendingReread == nil {
		return Window{}
	}
	reread = Window{p.PendingReread.From, min(p.PendingReread.To, p.watermark(now).startOfDay())}
	if reread.IsEmpty() {
		return Window{}
	}
	if p.PendingReread.From = reread.To; p.PendingReread.IsEmpty() {
		p.PendingReread = nil
	}
	p.reopen(reread)
	return reread
}

// SyncClock tells the planner that the API's time is now, and that the clock used in earlier calls was behind it by `by`. It corrects the
// time of a first start, and the times that the last response set.
func (p *Planner) SyncClock(now time.Time, by time.Duration) {
	if p.startIsProvisional {
		p.Started = p.Started.Add(by)
	}
	if p.startIsProvisional = false; p.Started.After(now) { // saved before the API's time was known
		p.Started = now
	}
	if by > 0 { // if negative, the last response was already recorded with the API's time
		p.shiftLastResponse(by)
	}
}

// NextHistory returns the next request for history, if any. There is none while live requests fail or hide calls.
func (p *Planner) NextHistory(now time.Time) (Request, bool) {
	if p.isDown {
		return Request{}, false
	}
	current := p.Calendar.HourAt(now)
	to, end := p.liveWindow(now).From, current+1
	switch p.form {
	case whole:
		end = current.endOfDay()
	case currentHour:
		to = current
	case ended:
		end = current
	}
	return p.history.next(to, end, now)
}

// Next returns the next request. It doesn't change the planner.
func (p *Planner) Next(now time.Time) Request {
	if p.isHistoryTurn && !p.HistoryBetweenGathers {
		if q, found := p.NextHistory(now); found {
			return q
		}
	}
	return p.nextLive(now)
}

func (p *Planner) nextLive(now time.Time) Request {
	q := Request{form: p.form}
	if p.form != whole && p.formSuccesses >= retryWholeAfter {
		q.form, q.isWideProbe = whole, true
	}
	q.Window = p.liveWindow(now)
	// Of a window wider than a day, every second request covers just one day, because the API may not show all of the window: today, then
	// one day further back each time until newer calls appear.
	if q.isSingleDay = q.Window.Hours() > Day && !p.isSingleDay && !q.isWideProbe; q.isSingleDay {
		to := q.Window.To - Hour(p.daysBack%(q.Window.Hours()/Day)*Day)
		q.Window = Window{to - Day, to}
	}
	if p.isTooWide(q.Window.Hours(), now) { // request only today instead
		q.Window.From = q.Window.To - Day
	}
	current := p.Calendar.HourAt(now)
	switch q.form {
	case untilNow:
		q.Window.To = min(q.Window.To, current+1)
	case currentHour:
		q.Window = Window{current, current + 1}
	case ended:
		q.Window = Window{min(q.Window.From, (current - 1).startOfDay()), min(q.Window.To, current)}
	}
	q.isWideProbe = q.isWideProbe || p.TooWide.Hours > 0 && spannedHours(q.Window) >= p.TooWide.Hours && !p.isDown
	return q
}

// liveWindow returns the window from the day of the watermark to the end of today, cut to the latest days that one request may span.
func (p *Planner) liveWindow(now time.Time) Window {
	from := p.watermark(now)
	if p.Newest == 0 {
		from = p.Calendar.HourAt(now.Add(-p.Lookback))
	}
	for p.Open[from-1] != nil { // awaits its second reading
		from--
	}
	to := p.Calendar.HourAt(now).endOfDay()
	return Window{max(from.startOfDay(), to-longestWindow), to}
}

// Fail records that a request failed. After a first failure the next request repeats it, because the API may only have wanted a longer
// pause; the second failure counts. A general failure, which any request would have met, doesn't count against the window.
func (p *Planner) Fail(q Request, now time.Time, isGeneral bool) {
	p.MarkRunning(now)
	if q.IsLive() && !q.isWideProbe {
		p.isDown = true
	}
	if isGeneral {
		p.generalFailures = (p.generalFailures + 1) % maxGeneralFailures
		p.isHistoryTurn = p.generalFailures > 0
		return
	}
	isRepeated := p.failedOnce[q.IsLive()] || q.isWideProbe
	p.failedOnce[q.IsLive()] = !isRepeated
	if isRepeated {
		p.recordWidthFailure(q.Window)
	}
	p.isHistoryTurn = q.IsLive() == isRepeated // repeat the same kind of request once, then switch
	switch {
	case !isRepeated:
	case q.IsLive():
		p.tryNextForm(q)
	default:
		p.history.recordFailure(q, now)
	}
}

func (p *Planner) tryNextForm(q Request) {
	p.isSingleDay = q.isSingleDay
	p.formSuccesses = 0
	if !q.isWideProbe || !p.formShowedCalls {
		p.form, p.formShowedCalls = (p.form+1)%formCount, false
	}
}

// Record records the response to a request and returns the rows to send.
func (p *Planner) Record(q Request, response *Response, now time.Time) Result {
	delete(p.failedOnce, q.IsLive())
	p.isHistoryTurn = q.IsLive()
	p.recordWidthSuccess(q.Window, now)
	newest := p.Newest
	r := p.record(response, now, q.IsLive())
	isHiding := r.Hidden > 0 && !r.HasCalls ||
		response.Contains(newest) && newest < p.Calendar.HourAt(now) && !response.At(newest).hasCalls()
	if q.IsLive() {
		switch {
		case p.Newest != newest:
			p.daysBack = 0
		case q.isSingleDay:
			p.daysBack++
		}
		p.isDown = isHiding // then responses for history can't be trusted either
		// If calls stay absent, other forms of the window may show some.
		if isHiding || q.isWideProbe && !r.HasCalls || p.Newest == 0 && now.Sub(p.Started) >= retryPause {
			p.tryNextForm(q)
		} else {
			p.isSingleDay, p.form = q.isSingleDay, q.form
			p.formSuccesses++
			p.formShowedCalls = p.formShowedCalls || r.HasCalls
		}
	} else {
		p.history.recordSuccess(q, &r, now)
	}
	return r
}
