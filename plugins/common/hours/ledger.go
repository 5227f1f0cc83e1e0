package hours

import (
	"maps"
	"math"
	"slices"
	"time"
)

const (
	// quietPeriod is how long newer calls must be absent before mode Final sends hours that are final by the clock alone.
	quietPeriod = 12 * time.Hour
	// droppedAfter is how long the report must hide a single hour before the hour's last reading becomes final.
	droppedAfter = 24 * time.Hour

	maxHour = Hour(math.MaxInt32)
)

// ledger is everything known about the hours of an operation.
type ledger struct {
	*Options
	State
	readAt      map[Hour]time.Time // when a response last covered an hour that isn't final
	recordedAt  time.Time          // when the last response was recorded
	failedWidth int                // hours in the last request if it failed and spanned more than a day, else 0
	// hidesCalls says, for live requests (true) and history (false), whether the latest response that had or hid calls showed none. While
	// it is true for either, narrow windows prove no silence.
	hidesCalls map[bool]bool
}

func newLedger(options *Options) ledger {
	return ledger{
		Options: options,
		State: State{
			Version: stateVersion, Timezone: options.Calendar.Location.String(), Open: make(OpenHours),
			Width: longestWindow, GoodWidth: longestWindow,
		},
		readAt:     make(map[Hour]time.Time),
		hidesCalls: make(map[bool]bool),
	}
}

// firstWanted returns the first hour that is wanted by the options alone.
func (l *ledger) firstWanted() Hour {
	return l.Calendar.HourAt(l.Started.Add(-max(l.Lookback, l.Backfill)))
}

func (l *ledger) wanted() Set { return l.ToReread.Add(Window{l.firstWanted(), maxHour}) }

// watermark returns the hour below which hours can become final: `lookback` before the newest hour that has shown calls, or before now if
// that hour is in the future. Before there are any calls, it precedes all supported hours.
func (l *ledger) watermark(now time.Time) Hour {
	latest := l.Calendar.HourAt(now.Add(-l.Lookback))
	if starts := l.Calendar.Starts(l.Newest); len(starts) > 0 {
		latest = min(latest, l.Calendar.HourAt(starts[0].Add(-l.Lookback)))
	}
	return latest
}

// recorder records one response.
type recorder struct {
	*ledger
	response    *Response
	now         time.Time
	current     Hour
	watermark   Hour
	first, last Hour // with calls in the response; last < first if there are none
	isNarrow    bool // the window is no wider than the widest run of rows
	finals      Set
	Result
}

// record records a response received at now.
func (l *ledger) record(response *Response, now time.Time, isLive bool) Result {
	calls := response.calls()
	hidden := l.Shown.Within(response.Window).Without(calls)
	r := recorder{ledger: l, response: response, now: now, current: l.Calendar.HourAt(now), isNarrow: response.Window.Hours() <= l.WidestRun, first: maxHour}
	for _, w := range hidden {
		for h := w.From; h < w.To; h++ {
			if !response.At(h).Unreadable {
				r.Hidden++
			}
		}
	}
	if r.Hidden > 0 || len(calls) > 0 {
		l.hidesCalls[isLive] = len(calls) == 0
	}
	if r.HasCalls = len(calls) > 0; r.HasCalls {
		r.first, r.last = calls[0].From, calls[len(calls)-1].To-1
		l.addCalls(calls, r.first, r.last, now)
	}
	r.watermark = l.watermark(now)
	for _, w := range l.wanted().Within(response.Window).Without(l.Final) {
		for h := w.From; h < w.To; h++ {
			if r.HasCalls || response.Window.Hours() <= Day { // otherwise the window may be too wide to show any
				l.readAt[h] = now
			}
			r.recordHour(h)
		}
	}
	l.markFinal(r.finals)
	l.MarkRunning(now)
	l.forget()
	l.recordedAt = now
	return r.Result
}

// addCalls records the hours in which a response shows calls.
func (l *ledger) addCalls(calls Set, first, last Hour, now time.Time) {
	if l.Newest == 0 {
		l.Oldest, l.Width = last, longestWindow
	}
	if last > l.Newest {
		if l.Newest != 0 && now.Sub(l.recordedAt) <= time.Hour { // otherwise the gap may only be a gap in requests
			l.LongestGap = max(l.LongestGap, int(l.Calendar.HourAt(now)-l.Newest)-1)
		}
		l.Newest, l.NewestAt = last, now
	}
	l.Oldest = min(l.Oldest, first)
	l.WidestRun = max(l.WidestRun, int(last-first)+1)
	for i := 1; i < len(calls); i++ {
		l.LongestGap = max(l.LongestGap, int(calls[i].From-calls[i-1].To))
	}
	l.Shown = l.Shown.Union(calls)
}

// recordHour records what the response shows for a wanted hour that isn't final.
func (r *recorder) recordHour(h Hour) {
	shown := r.response.At(h)
	isBelow := h < r.watermark
	switch {
	case shown.Unreadable:
		r.inconclusive = append(r.inconclusive, h)
	case shown.NoMinutes && !isBelow: // the minutes may follow
	case shown.hasCalls():
		r.hasNewReading = r.hasNewReading || isBelow
		r.addReading(h, shown.Reading)
	case !isBelow:
		r.sendSilence(h)
	case r.Shown.Contains(h):
		r.recordHidden(h)
	case r.response.Undated || h < r.Oldest && r.isCredible(h):
		r.inconclusive = append(r.inconclusive, h)
	case !r.isCredible(h):
		r.tooWide = append(r.tooWide, h)
	default:
		r.hasNewReading = true
		r.addReading(h, Reading{})
	}
}

// isCredible reports whether to believe the silence of an hour that has never shown calls: the response hides no known calls, and the hour
// lies between two rows or in a window that the API is known to fill.
func (r *recorder) isCredible(h Hour) bool {
	isBetween := r.first < h && h < r.last
	return r.Hidden == 0 && (isBetween || r.isNarrow && !r.hidesCalls[true] && !r.hidesCalls[false])
}

// sendSilence sends zeros for an hour that can't be final yet, except in mode Final. Its silence doesn't count as a reading.
func (r *recorder) sendSilence(h Hour) {
	canSend := h < r.current && h > r.Oldest && !r.response.Undated && r.isCredible(h)
	if r.Mode != Final && canSend && r.sendsZero(h) {
		r.send(h, Reading{}, false)
	}
}

// recordHidden records that the response doesn't show an hour that has shown calls.
func (r *recorder) recordHidden(h Hour) {
	o := r.Open[h]
	if r.Hidden == 1 && r.HasCalls && o != nil && r.now.Sub(o.shownAt) > droppedAfter {
		r.finalize(h, o)
		return
	}
	r.inconclusive = append(r.inconclusive, h)
}

// addReading adds a reading. If it agrees with the previous one, an hour below the watermark becomes final.
func (r *recorder) addReading(h Hour, reading Reading) {
	o, isRead := r.Open[h]
	if !isRead {
		o = &openHour{}
		r.Open[h] = o
	}
	agrees := isRead && o.reading == reading
	o.reading, o.shownAt = reading, r.now
	switch {
	case agrees && h < r.watermark:
		r.finalize(h, o)
	case r.Mode == Final:
		if agrees && r.isFinalByClock(h) {
			r.sendOnce(h, o)
		}
	case !reading.hasCalls(): // sent once final
	case h > r.current, h == r.current && r.Mode == Ended:
	default:
		o.isSent, o.sent, o.sentAt = true, reading, r.now
		r.send(h, reading, false)
	}
}

// isFinalByClock reports whether mode Final sends an hour that isn't below the watermark.
func (r *recorder) isFinalByClock(h Hour) bool {
	return r.now.Sub(r.NewestAt) >= quietPeriod && h < r.Calendar.HourAt(r.now.Add(-r.Lookback))
}

// finalize makes the last reading of an hour final.
func (r *recorder) finalize(h Hour, o *openHour) {
	r.finals.extend(h)
	if o.reading.hasCalls() || r.sendsZero(h) {
		r.sendOnce(h, o)
	}
}

// sendsZero reports whether to send zeros for a silent hour: with SendZeros always, otherwise if the report lists the hour. Reopened hours
// get none, because zeros would overwrite calls that the report may have dropped since.
func (r *recorder) sendsZero(h Hour) bool {
	return (r.SendZeros || r.response.At(h).Rows > 0) && !r.Reopened.Contains(h)
}

// sendOnce sends the last reading as final, unless the same reading was already sent.
func (r *recorder) sendOnce(h Hour, o *openHour) {
	if !o.isSent || o.sent != o.reading {
		o.isSent, o.sent, o.sentAt = true, o.reading, r.now
		r.send(h, o.reading, true)
	}
}

// send adds the rows of a reading to the result. If the clock repeats the hour, the first row belongs to the first occurrence.
func (r *recorder) send(h Hour, reading Reading, isFinal bool) {
	starts := r.Calendar.Starts(h)
	figures := [...]Figures{reading.First, reading.Second}
	rows := max(reading.Rows, r.response.At(h).Rows, 1)
	for i := range min(rows, len(starts)) {
		if starts[i].After(r.now) {
			break
		}
		r.Rows = append(r.Rows, Row{h, starts[i], figures[i], isFinal})
	}
}

// markFinal makes hours final and drops their readings. Hours that were sent stay unacknowledged until outputs must have stored them.
func (l *ledger) markFinal(finals Set) {
	for _, w := range finals {
		l.Final = l.Final.Add(w)
		for h := w.From; h < w.To; h++ {
			if o := l.Open[h]; o.isSent {
				l.addUnacknowledged(Window{w.From, h + 1}, o.sentAt)
			}
			delete(l.Open, h)
			delete(l.readAt, h)
		}
	}
}

// addUnacknowledged records when the last hour of a final window was sent. Hours of the window sent at the same time share an entry, which
// also covers unsent hours between them.
func (l *ledger) addUnacknowledged(w Window, sentAt time.Time) {
	if n := len(l.Unacknowledged); n > 0 {
		if last := &l.Unacknowledged[n-1]; last.Window.To >= w.From && last.Window.To < w.To && last.At.Equal(sentAt) {
			last.Window.To = w.To
			return
		}
	}
	l.Unacknowledged = append(l.Unacknowledged, SentWindow{Window{w.To - 1, w.To}, sentAt})
}

// MarkRunning records that the program was running at now. It also drops the unacknowledged hours that were sent so long ago that outputs
// must have stored them.
func (l *ledger) MarkRunning(now time.Time) {
	l.Time = now
	l.Unacknowledged = slices.DeleteFunc(l.Unacknowledged, func(s SentWindow) bool { return now.Sub(s.At) > l.margin() })
}

// shiftLastResponse shifts the times that the last response set, once the clock turns out to be wrong.
func (l *ledger) shiftLastResponse(by time.Duration) {
	shift := func(t *time.Time) {
		if t.Equal(l.recordedAt) {
			*t = t.Add(by)
		}
	}
	shift(&l.NewestAt)
	for _, o := range l.Open {
		shift(&o.sentAt)
	}
	for i := range l.Unacknowledged {
		shift(&l.Unacknowledged[i].At)
	}
}

// forget removes final, acknowledged hours from ToReread, and removes from Shown the days that no request can cover any more.
func (l *ledger) forget() {
	sent := unacknowledged(l.Unacknowledged)
	l.ToReread = l.ToReread.Without(l.Final.Without(sent))
	l.Reopened = l.Reopened.Without(l.Final)
	open := l.wanted().Without(l.Final.Without(sent))
	days := make([]Window, 0, len(open))
	for _, w := range open {
		days = append(days, Window{w.From.startOfDay(), w.To.endOfDay() + Day})
	}
	l.Shown = l.Shown.Intersect(setOf(days))
}

// reopen makes hours open and wanted, as if they had never been read.
func (l *ledger) reopen(w Window) {
	l.ToReread, l.Reopened = l.ToReread.Add(w), l.Reopened.Union(l.Final.Within(w))
	l.Final = l.Final.Remove(w)
	maps.DeleteFunc(l.Open, func(h Hour, _ *openHour) bool { return w.Contains(h) })
	l.Postponed = slices.DeleteFunc(l.Postponed, func(p *Postponed) bool { return !p.window().intersect(w).IsEmpty() })
}
