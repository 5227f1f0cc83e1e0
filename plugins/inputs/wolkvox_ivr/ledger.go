package wolkvox_ivr

import (
	"slices"
	"time"
)

const (
	// ledgerVersion is that of the layout of ledger.
	ledgerVersion = 2

	// unconfirmedDays bounds how far back, in calendar days, a first start counts that only the machine's clock vouches for.
	unconfirmedDays = 366

	// day bounds the pauses between attempts to read what can't be read.
	day      = 24 * time.Hour
	dayHours = 24
)

// scope is what the options ask for.
type scope struct {
	calendar
	lookback  time.Duration
	backfill  time.Duration
	interval  time.Duration // between gathers
	reread    days
	zeros     bool // whole past hours without a row are filled
	onlyFinal bool // hours are handed on once, when they are final
}

// days are local days, named as in the option `reread`; the zero value is none.
type days struct {
	text        string
	first, last time.Time // at any time of these days in UTC
}

// ledger is which hours of an operation are final, and on what evidence. It is the plugin's state. Its methods return
// another ledger and leave theirs as it is.
type ledger struct {
	Version  int    `json:"version"`
	Timezone string `json:"timezone"` // under which the hours below were read

	// Started is the time of the first gather: all hours since are wanted, with `lookback` and `backfill` before it.
	Started time.Time `json:"started,omitzero"`
	// Confirmed is whether a report has shown since that the clock was right.
	Confirmed bool `json:"confirmed,omitempty"`
	// Seen is the time by the clock at the last gather.
	Seen time.Time `json:"seen,omitzero"`
	// Sure is whether a report has shown that the clock is not ahead, and it has gone on steadily since.
	Sure bool `json:"sure,omitempty"`

	// Final are the hours that are final: sorted, disjoint, merged where they touch.
	Final []window `json:"final,omitempty"`
	// Assumed are those of them for which the clock alone says that they had ended for long enough when they were read.
	Assumed []window `json:"assumed,omitempty"`
	// Recent are those of them that were handed on so lately that they may not have been flushed.
	Recent []reading `json:"recent,omitempty"`
	// Again are hours that are wanted once more, whatever the options say of them, until they are final for good.
	Again []window `json:"again,omitempty"`
	// Reread is the value of the option of that name that Again has taken in.
	Reread string `json:"reread,omitempty"`
	// PutOff are hours that could not be read, and when to try again.
	PutOff []putOff `json:"put_off,omitempty"`

	// First is the earliest hour that the API was seen to have, at FirstSeen. It may drop hours as they grow old: what it
	// leaves out of those that are older than First was then may have had calls.
	First     time.Time `json:"first,omitzero"`
	FirstSeen time.Time `json:"first_seen,omitzero"`
	// Unfilled are final hours before First without a row. They are filled with zeros once First turns out to be earlier.
	Unfilled []window `json:"unfilled,omitempty"`
	// Newest is the newest hour in which the API has shown calls.
	Newest time.Time `json:"newest,omitzero"`
	// API is how the API was seen to answer.
	API habits `json:"api"`

	Clean bool `json:"clean"` // saved by an orderly stop

	goesOn bool // the program has gathered before: if much time seems to have passed since, its clock was set
}

// reading is a window and when its rows were handed on.
type reading struct {
	window
	At time.Time `json:"at"`
}

// answered is what an answer to a request shows.
type answered struct {
	window                // that was asked for
	rows      []time.Time // hours with a row, in order
	listed    int         // rows, of whatever hours
	unknown   []time.Time // hours with a row that can't be read
	newest    time.Time   // the newest hour with calls
	anyHour   bool        // there are rows whose hour can't be read: each hour without one may be theirs
	hasFuture bool        // there are calls in hours that have not begun
}

// isEmpty says whether the answer has no row.
func (a *answered) isEmpty() bool {
	return len(a.rows) == 0 && len(a.unknown) == 0 && !a.anyHour
}

// newLedger returns the ledger of an operation of which nothing is known.
func newLedger() ledger {
	return ledger{Version: ledgerVersion, API: newHabits()}
}

// clone returns a ledger that shares nothing with this one.
func (l ledger) clone() ledger {
	l.Final, l.Assumed, l.Again = slices.Clone(l.Final), slices.Clone(l.Assumed), slices.Clone(l.Again)
	l.Recent, l.PutOff, l.Unfilled = slices.Clone(l.Recent), slices.Clone(l.PutOff), slices.Clone(l.Unfilled)
	return l
}

// restore returns a saved ledger as one to go on from: what may not have been flushed isn't final. After an unclean end
// that is all that was handed on lately. After an orderly one it is the latest hours, since an output that failed before
// may have lost them; where each hour is to be handed on once, nothing.
func (s scope) restore(l ledger) ledger {
	after := time.Time{}
	if l.Clean {
		after = s.floor(l.Seen.Add(-s.lookback - s.margin()))
	}
	if !l.Clean || !s.onlyFinal {
		for _, r := range l.Recent {
			w := window{later(r.From, after), r.To}
			l.Final, l.Assumed = remove(l.Final, w), remove(l.Assumed, w)
		}
	}
	l.Clean = false
	return l
}

// margin is how long handed-on rows may take to be flushed.
func (s scope) margin() time.Duration {
	return max(s.lookback, time.Hour)
}

// settledBefore is the end of the hours that ended `lookback` before now.
func (s scope) settledBefore(now time.Time) time.Time {
	return s.floor(now.Add(-s.lookback))
}

// begin returns the ledger as a gather at now starts with it.
func (s scope) begin(l ledger, now time.Time) ledger {
	if name := s.location.String(); l.Timezone != name {
		l = s.changeZone(l, name)
	}
	passed := now.Sub(l.Seen)
	hasJumped := !l.Seen.IsZero() && (passed < 0 || passed > max(time.Hour, 2*s.interval))
	if now.Before(l.Seen) {
		if !l.Confirmed { // the clock may have been ahead from the beginning
			l.Started = now.Add(l.Started.Sub(l.Seen))
		}
		l = l.forgetAssumed()
		l.First, l.FirstSeen = now, time.Time{}
	}
	l.Seen = now
	if l.Started.IsZero() {
		l.Started = now
	}
	if hasJumped {
		l.Sure = false
		if !l.Confirmed {
			l.Started = earlier(l.Started, now)
		}
	}
	if l.Newest.Sub(now) > 2*day { // it was shown to a clock that was far ahead
		l.Newest = time.Time{}
	}
	if s.reread.text != l.Reread {
		l.Reread = s.reread.text
		if w := s.rereadWindow(now); !w.isEmpty() {
			l.Final, l.Assumed, l.Again = remove(l.Final, w), remove(l.Assumed, w), add(l.Again, w)
			l.PutOff = dropPutOff(l.PutOff, w)
		}
	}

	leap := time.Duration(0)
	if hasJumped && l.goesOn {
		leap = max(passed, 0) // nothing was flushed by it
	}
	l.Recent = slices.Clone(l.Recent)
	for i := range l.Recent {
		l.Recent[i].At = earlier(l.Recent[i].At.Add(leap), s.mark(now)) // unless the clock was ahead
	}
	l.Recent = slices.DeleteFunc(l.Recent, func(r reading) bool { return now.Sub(r.At) > s.margin() })
	done := without(l.Final, l.Assumed)
	for _, r := range l.Recent {
		done = remove(done, r.window)
	}
	l.Again = without(l.Again, done)

	missing := s.missing(l, now)
	list := make([]putOff, 0, len(l.PutOff))
	for _, p := range l.PutOff {
		parts := within(missing, p.window)
		if len(parts) == 0 {
			continue
		}
		p.window = window{parts[0].From, parts[len(parts)-1].To}
		p.Failed = earlier(later(p.Failed, p.From), p.To)
		p.Due = earlier(p.Due, now.Add(day)) // unless it was set by a clock that was ahead
		list = append(list, p)
	}
	l.PutOff = list
	l.API = l.API.at(now)
	l.goesOn = true
	return l
}

// changeZone has all that was read under another time zone read again under this one.
func (s scope) changeZone(l ledger, name string) ledger {
	isFirst := l.Timezone == ""
	l.Timezone = name
	if isFirst {
		return l
	}
	again := make([]window, 0, len(l.Final)+len(l.Again))
	for _, w := range slices.Concat(l.Final, l.Again) {
		again = add(again, s.whole(w))
	}
	l.Again = again
	l.Final, l.Assumed, l.Recent, l.PutOff = nil, nil, nil, nil
	l.First, l.FirstSeen, l.Unfilled = time.Time{}, time.Time{}, nil
	l.Newest, l.Sure = time.Time{}, false
	return l
}

// forgetAssumed returns the ledger without what the clock alone vouches for.
func (l ledger) forgetAssumed() ledger {
	l.Final, l.Assumed = without(l.Final, l.Assumed), nil
	return l
}

// rereadWindow returns the hours of the option `reread` that have settled.
func (s scope) rereadWindow(now time.Time) window {
	if s.reread.text == "" {
		return window{}
	}
	year, month, first := s.reread.first.Date()
	from := s.startOfDay(year, month, first)
	year, month, last := s.reread.last.Date()
	return window{from, earlier(s.startOfDay(year, month, last+1), s.settledBefore(now))}
}

// missing returns the hours that are wanted and not final, up to `lookback` before now: the hours since then are asked
// for at each gather.
func (s scope) missing(l ledger, now time.Time) []window {
	end := s.settledBefore(now)
	wanted := remove(l.Again, window{end, end.AddDate(1000, 0, 0)})
	started := l.Started
	if !l.Confirmed {
		started = later(started, s.daysBefore(now, unconfirmedDays))
	}
	wanted = add(wanted, window{s.floor(started.Add(-max(s.lookback, s.backfill))), end})
	return without(wanted, l.Final)
}

// isEvidence says whether the hours without a row in an answer are hours without calls.
func (s scope) isEvidence(l ledger, a *answered) bool {
	switch {
	case a.anyHour, a.hasFuture:
		return false
	case !a.isEmpty():
		return true
	case a.contains(l.Newest): // it had calls
		return false
	}
	return s.isSingle(a.window) || a.width() <= l.API.Answered
}

// proven returns the part of an answer, which is whole as far as its hours have begun, that it shows in any case: an API may
// cut short in silence what is long. That is what lies between its rows, and all of it if no more than a day was asked for, or it
// is shorter than others have been.
func (s scope) proven(h habits, a *answered, whole window) window {
	if len(a.rows) == 0 || a.width() <= dayHours || a.width() <= h.Spanned && a.listed < h.Listed*3/4 {
		return whole
	}
	spanned := s.spanned(a)
	return window{spanned.From, earlier(spanned.To, whole.To)}
}

// spanned returns the window from the first row of an answer to its last.
func (s scope) spanned(a *answered) window {
	return s.whole(window{a.rows[0], a.rows[len(a.rows)-1].Add(time.Nanosecond)})
}

// isSingle says whether the window is one hour by its label.
func (c calendar) isSingle(w window) bool {
	return !c.next(w.From).Before(w.To)
}

// record returns the ledger after an answer at now whose rows, and zeros, were handed on. Where the clock is known to be
// wrong, an hour is final only once the API has shown calls `lookback` after it.
//
// It returns the hours that are to be handed on as final by it, and the hours without a row that are without calls.
func (s scope) record(l ledger, a *answered, now time.Time, clockIsWrong bool) (after ledger, final, empty []window) {
	current := s.floor(now)
	whole := window{a.From, earlier(a.To, current)}
	proven := s.proven(l.API, a, whole)
	settled := add(nil, proven)
	known := make([]window, 0, len(a.rows))
	for _, hour := range a.rows {
		known = append(known, s.whole(window{hour, hour.Add(time.Nanosecond)}))
	}
	known = mergeSorted(known)
	if s.isEvidence(l, a) {
		empty = without(settled, known)
	} else {
		settled = remove(known, window{current, later(a.To, current)})
	}
	for _, hour := range a.unknown {
		w := s.whole(window{hour, hour.Add(time.Nanosecond)})
		known = append(known, w)
		settled, empty = remove(settled, w), remove(empty, w)
	}

	if !a.isEmpty() && a.width() > l.API.Answered {
		l.API.Answered = a.width()
		l.PutOff = slices.DeleteFunc(slices.Clone(l.PutOff), func(p putOff) bool { return p.Why == whyUnsure })
	}
	if len(a.rows) > 0 {
		l.API.Spanned, l.API.Listed = max(l.API.Spanned, s.spanned(a).width()), max(l.API.Listed, a.listed)
	}
	l.Newest = later(l.Newest, a.newest)
	if !l.Newest.Before(current) { // nobody has called in the future
		if !l.Confirmed {
			l.Started = earlier(later(l.Started, s.daysBefore(now, unconfirmedDays)), now)
		}
		l.Confirmed, l.Sure, l.Assumed = true, true, nil
	}

	l, empty, final = s.fill(l, a, known, empty, now)
	missing := s.missing(l, now)
	candidates := within(settled, window{a.From, s.settledBefore(now)})
	confirmed := s.floor(l.Newest.Add(-s.lookback))
	for _, w := range candidates {
		assumed := window{later(w.From, confirmed), w.To}
		if l.Sure {
			assumed = window{}
		}
		if clockIsWrong {
			w.To = earlier(w.To, later(w.From, confirmed))
			assumed = window{}
		}
		for _, part := range within(missing, w) {
			final = append(final, part)
			l.Final = add(l.Final, part)
			l.Recent = addReading(l.Recent, reading{part, s.mark(now)})
			l.Assumed = add(l.Assumed, window{later(part.From, assumed.From), earlier(part.To, assumed.To)})
		}
	}
	if proven == whole { // else the rest is asked for at once
		l.PutOff = s.putOffUnsettled(l, a, now)
	}
	return l, final, empty
}

// fill finds out which of the hours without a row that an answer shows are to be filled with zeros: none that lies before
// what the API is known to have, but where it is seen to have more, also those that were read before. The hours of the
// answer that have a row are known. It returns those to fill, and those of them that were final before.
func (s scope) fill(l ledger, a *answered, known, empty []window, now time.Time) (after ledger, fill, before []window) {
	if l.FirstSeen.IsZero() {
		l.First = now
	} else {
		l.First = earlier(l.First.Add(max(now.Sub(l.FirstSeen), 0)), now)
	}
	l.FirstSeen = now
	first := l.First
	if a.anyHour {
		first = earlier(first, a.From)
	}
	for _, w := range known {
		first = earlier(first, w.From)
	}
	l.First = first
	// No API drops what is a day old, and of what is new since the first start all is known.
	isNew := later(s.floor(s.settledBefore(now).Add(-day)), s.settledBefore(l.Started))
	isShown := window{earlier(s.ceiling(first), isNew), s.floor(now)}
	fill = within(empty, isShown)
	if !s.zeros {
		return l, fill, nil
	}
	for _, w := range within(l.Unfilled, isShown) {
		for _, w := range without([]window{w}, known) {
			before, fill = append(before, w), add(fill, w)
			l.Recent = addReading(l.Recent, reading{w, s.mark(now)})
		}
	}
	missing := s.missing(l, now)
	for _, w := range without(empty, []window{isShown}) {
		for _, w := range within(missing, w) {
			l.Unfilled = add(l.Unfilled, w)
		}
	}
	l.Unfilled = remove(l.Unfilled, isShown)
	return l, fill, before
}

// mark returns the time by which a reading at now is noted: rounded up, to keep them few.
func (s scope) mark(now time.Time) time.Time {
	step := s.margin() / 128
	return now.Truncate(step).Add(step)
}

// addReading adds a reading, to one of an hour before or after if both were noted at the same time.
func addReading(readings []reading, r reading) []reading {
	readings = slices.Clone(readings)
	for i, other := range readings {
		if touches := !other.To.Before(r.From) && !r.To.Before(other.From); touches && r.At.Equal(other.At) {
			readings[i].window = window{earlier(r.From, other.From), later(r.To, other.To)}
			return readings
		}
	}
	return append(readings, r)
}

// mergeSorted merges windows that touch, in order of time.
func mergeSorted(windows []window) []window {
	merged := make([]window, 0, len(windows))
	for _, w := range windows {
		if n := len(merged); n > 0 && !merged[n-1].To.Before(w.From) {
			merged[n-1].To = later(merged[n-1].To, w.To)
			continue
		}
		merged = append(merged, w)
	}
	return merged
}
