package hours

import (
	"maps"
	"math"
	"slices"
	"time"
)

const (
	// quietTime is how long no newer calls have to appear for Mode Final to send what would be final by the clock.
	quietTime = 12 * time.Hour
	// droppedAfter is how long the report has to hide a single hour for its last reading to become final.
	droppedAfter = 24 * time.Hour

	maxHour = Hour(math.MaxInt32)
)

// ledger is everything known about the hours of an operation.
type ledger struct {
	*Options
	State
	readAt     map[Hour]time.Time // when a response last covered an hour that is not final
	recordedAt time.Time          // the last response
	suspect    int                // hours of the last request if it has failed and was for more than a day
	// isHidden tells, by IsLive, whether such requests currently bring none of the known calls. Then a narrow window proves no silence.
	isHidden map[bool]bool
}

func newLedger(options *Options) ledger {
	return ledger{
		Options: options,
		State: State{
			Version: stateVersion, Timezone: options.Calendar.Location.String(), Open: make(OpenHours),
			Width: longestWindow, GoodWidth: longestWindow,
		},
		readAt:   make(map[Hour]time.Time),
		isHidden: make(map[bool]bool),
	}
}

// begin returns the first hour that is wanted in any case.
func (l *ledger) begin() Hour {
	return l.Calendar.HourAt(l.Started.Add(-max(l.Lookback, l.Backfill)))
}

func (l *ledger) wanted() Set { return l.Again.Add(Window{l.begin(), maxHour}) }

// watermark returns the hour below which hours can become final: `lookback` before the newest hour that has shown calls, or before
// now if that lies ahead of now. Before there are any calls it lies before all known hours.
func (l *ledger) watermark(now time.Time) Hour {
	latest := l.Calendar.HourAt(now.Add(-l.Lookback))
	if starts := l.Calendar.Starts(l.Newest); len(starts) > 0 {
		latest = min(latest, l.Calendar.HourAt(starts[0].Add(-l.Lookback)))
	}
	return latest
}

// reader records one response.
type reader struct {
	*ledger
	response    *Response
	now         time.Time
	running     Hour
	watermark   Hour
	first, last Hour // hours with calls in the response; last < first if there are none
	isNarrow    bool // no wider than the widest run of rows
	finals      Set
	Result
}

// record takes in a response at now.
func (l *ledger) record(response *Response, now time.Time, isLive bool) Result {
	calls := response.calls()
	hidden := l.Shown.Within(response.Window).Without(calls)
	r := reader{ledger: l, response: response, now: now, running: l.Calendar.HourAt(now), isNarrow: response.Window.Hours() <= l.WidestRun, first: maxHour}
	for _, w := range hidden {
		for h := w.From; h < w.To; h++ {
			if !response.At(h).Unreadable {
				r.Hidden++
			}
		}
	}
	if r.Hidden > 0 || len(calls) > 0 {
		l.isHidden[isLive] = len(calls) == 0
	}
	if r.HasCalls = len(calls) > 0; r.HasCalls {
		r.first, r.last = calls[0].From, calls[len(calls)-1].To-1
		l.addCalls(calls, r.first, r.last, now)
	}
	r.watermark = l.watermark(now)
	for _, w := range l.wanted().Within(response.Window).Without(l.Final) {
		for h := w.From; h < w.To; h++ {
			if r.HasCalls || response.Window.Hours() <= Day { // else it may be too wide to show any
				l.readAt[h] = now
			}
			r.recordHour(h)
		}
	}
	l.finish(r.finals)
	l.Acknowledge(now)
	l.forget()
	l.recordedAt = now
	return r.Result
}

// addCalls notes in which hours a response has shown calls.
func (l *ledger) addCalls(calls Set, first, last Hour, now time.Time) {
	if l.Newest == 0 {
		l.Oldest, l.Width = last, longestWindow
	}
	if last > l.Newest {
		if l.Newest != 0 && now.Sub(l.recordedAt) <= time.Hour { // else nobody has looked
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

// recordHour takes in what the response shows of a wanted hour that is not final.
func (r *reader) recordHour(h Hour) {
	shown := r.response.At(h)
	isBelow := h < r.watermark
	switch {
	case shown.Unreadable:
		r.doubtful = append(r.doubtful, h)
	case shown.NoMinutes && !isBelow: // the minutes may follow
	case shown.hasCalls():
		r.isNew = r.isNew || isBelow
		r.addReading(h, shown.Reading)
	case !isBelow:
		r.sendSilence(h)
	case r.Shown.Contains(h):
		r.recordHidden(h)
	case r.response.Undated || h < r.Oldest && r.isCredible(h):
		r.doubtful = append(r.doubtful, h)
	case !r.isCredible(h):
		r.tooWide = append(r.tooWide, h)
	default:
		r.isNew = true
		r.addReading(h, Reading{})
	}
}

// isCredible reports whether the silence of an hour that has never shown calls is no artefact of the response: nothing known is
// missing, and the hour lies between two rows or in a window that the API is known to fill.
func (r *reader) isCredible(h Hour) bool {
	isBetween := r.first < h && h < r.last
	return r.Hidden == 0 && (isBetween || r.isNarrow && !r.isHidden[true] && !r.isHidden[false])
}

// sendSilence sends the zeros of an hour that can't be final yet. Its silence is no reading, and mode Final does not send it.
func (r *reader) sendSilence(h Hour) {
	isKnown := h < r.running && h > r.Oldest && !r.response.Undated && r.isCredible(h)
	if r.Mode != Final && isKnown && r.isSentAsZero(h) {
		r.send(h, Reading{}, false)
	}
}

// recordHidden takes in that the response does not show an hour that has shown calls.
func (r *reader) recordHidden(h Hour) {
	o := r.Open[h]
	if r.Hidden == 1 && r.HasCalls && o != nil && r.now.Sub(o.shownAt) > droppedAfter {
		r.finalize(h, o)
		return
	}
	r.doubtful = append(r.doubtful, h)
}

// addReading adds a reading. The second of two that agree makes an hour below the watermark final.
func (r *reader) addReading(h Hour, reading Reading) {
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
	case !reading.hasCalls(): // it is sent when it is final
	case h > r.running, h == r.running && r.Mode == Ended:
	default:
		o.isSent, o.sent, o.sentAt = true, reading, r.now
		r.send(h, reading, false)
	}
}

// isFinalByClock reports whether Mode Final sends an hour that is not below the watermark.
func (r *reader) isFinalByClock(h Hour) bool {
	return r.now.Sub(r.NewestAt) >= quietTime && h < r.Calendar.HourAt(r.now.Add(-r.Lookback))
}

// finalize makes the last reading of an hour final.
func (r *reader) finalize(h Hour, o *openHour) {
	r.finals.extend(h)
	if o.reading.hasCalls() || r.isSentAsZero(h) {
		r.sendOnce(h, o)
	}
}

// isSentAsZero reports whether the silence of an hour is to be sent: always with Zeros, else if the report lists the hour. It would
// overwrite the calls of a reopened hour that the report has dropped.
func (r *reader) isSentAsZero(h Hour) bool {
	return (r.Zeros || r.response.At(h).Rows > 0) && !r.Reopened.Contains(h)
}

// sendOnce sends a final reading unless the same one has been sent.
func (r *reader) sendOnce(h Hour, o *openHour) {
	if !o.isSent || o.sent != o.reading {
		o.isSent, o.sent, o.sentAt = true, o.reading, r.now
		r.send(h, o.reading, true)
	}
}

// send sends a reading. Where the clock repeats the hour, its first row belongs to the first of the two.
func (r *reader) send(h Hour, reading Reading, isFinal bool) {
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

// finish makes hours final, and forgets what is known of them but for those that an output may not have stored.
func (l *ledger) finish(finals Set) {
	for _, w := range finals {
		l.Final = l.Final.Add(w)
		for h := w.From; h < w.To; h++ {
			if o := l.Open[h]; o.isSent {
				l.acknowledgeLater(Window{w.From, h + 1}, o.sentAt)
			}
			delete(l.Open, h)
			delete(l.readAt, h)
		}
	}
}

// acknowledgeLater notes when the last hour of a window that became final was sent, in one entry with those before if at the same time.
func (l *ledger) acknowledgeLater(w Window, sentAt time.Time) {
	if n := len(l.Unacknowledged); n > 0 {
		if last := &l.Unacknowledged[n-1]; last.Window.To >= w.From && last.Window.To < w.To && last.At.Equal(sentAt) {
			last.Window.To = w.To
			return
		}
	}
	l.Unacknowledged = append(l.Unacknowledged, Sending{Window{w.To - 1, w.To}, sentAt})
}

// Acknowledge notes that the program has run until now, and forgets what was sent so long ago that outputs must have stored it.
func (l *ledger) Acknowledge(now time.Time) {
	l.Time = now
	l.Unacknowledged = slices.DeleteFunc(l.Unacknowledged, func(s Sending) bool { return now.Sub(s.At) > l.margin() })
}

// recordedLater corrects the times that the last response has left.
func (l *ledger) recordedLater(by time.Duration) {
	correct := func(t *time.Time) {
		if t.Equal(l.recordedAt) {
			*t = t.Add(by)
		}
	}
	correct(&l.NewestAt)
	for _, o := range l.Open {
		correct(&o.sentAt)
	}
	for i := range l.Unacknowledged {
		correct(&l.Unacknowledged[i].At)
	}
}

// forget drops from Again what is final and acknowledged, and from Shown the days that no request covers any more.
func (l *ledger) forget() {
	sent := unacknowledged(l.Unacknowledged)
	l.Again = l.Again.Without(l.Final.Without(sent))
	l.Reopened = l.Reopened.Without(l.Final)
	open := l.wanted().Without(l.Final.Without(sent))
	days := make([]Window, 0, len(open))
	for _, w := range open {
		days = append(days, Window{w.From.startOfDay(), w.To.endOfDay() + Day})
	}
	l.Shown = l.Shown.Intersect(setOf(days))
}

// readAgain makes hours wanted as if they had never been read.
func (l *ledger) readAgain(w Window) {
	l.Again, l.Reopened = l.Again.Add(w), l.Reopened.Union(l.Final.Within(w))
	l.Final = l.Final.Remove(w)
	maps.DeleteFunc(l.Open, func(h Hour, _ *openHour) bool { return w.Contains(h) })
	l.Postponed = slices.DeleteFunc(l.Postponed, func(d *Postponed) bool { return !d.window().intersect(w).IsEmpty() })
}
