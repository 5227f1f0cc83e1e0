package wolkvox_ivr

import (
	"fmt"
	"slices"
	"time"

	"github.com/influxdata/telegraf"
)

// watchZone warns where the newest calls show that the time zone is wrong.
func (w *WolkvoxIVR) watchZone(a *answer, now time.Time) {
	for _, r := range slices.Backward(a.rows) {
		if r.calls == 0 {
			continue
		}
		if text := w.zone.observe(w.scope.calendar, now, w.scope.floor(r.hour), w.interval()); text != "" {
			w.Log.Warn(text)
		}
		if w.zone.east > 0 {
			w.change(ledger.forgetAssumed)
		}
		return
	}
}

// sayRows reports the rows that can't be read, each once as long as it comes again.
func (w *WolkvoxIVR) sayRows(acc telegraf.Accumulator, a *answer, now time.Time) {
	if a.strays > 0 {
		w.Log.Debugf("Left out %d row(s) of hours that were not asked for", a.strays)
	}
	for _, hour := range a.merged {
		if next := w.scope.nextHour(hour); !now.Before(next) && hour.After(w.lastMerged) {
			w.lastMerged = hour
			w.Log.Infof("Hour %s comes twice, as clocks are set back, but the report lists it once: its figures are filed under the first",
				w.scope.label(hour))
		}
	}
	w.sayForm(a)
	fresh := 0
	for _, p := range a.problems {
		if !w.saidRows[p.reason] && !w.badRows[p.reason] {
			acc.AddError(fmt.Errorf("%s: %w", w.name(), p))
			fresh++
		}
		w.badRows[p.reason] = true
	}
	if more := a.unreadable - len(a.problems); more > 0 && fresh > 0 {
		acc.AddError(fmt.Errorf("%s: %d more rows can't be read", w.name(), more))
	}
}

// sayForm logs what form the rows of an answer have: the first time, and when it changes.
func (w *WolkvoxIVR) sayForm(a *answer) {
	if len(a.rows) == 0 || a.form.calls == "" { // hours without calls may have but placeholders
		return
	}
	known := w.knownForm
	w.knownForm = a.form.or(known)
	if known.or(a.form) == w.knownForm && known != (form{}) {
		return
	}
	newest := a.rows[len(a.rows)-1].hour.In(w.scope.location)
	w.Log.Infof("source %s: %d row(s), %s, newest hour %s", w.name(), len(a.rows), a.form, newest.Format("15:04"))
}

// sayProgress logs how far the reading of the past has come, if a gather that began with so many hours left read some.
func (w *WolkvoxIVR) sayProgress(now time.Time, before int64) {
	left := hoursOf(w.scope.missing(w.ledger, now))
	w.historyHours = max(w.historyHours, before)
	switch {
	case left >= before:
	case left == 0:
		w.Log.Infof("Reading the past: all %d hours done", w.historyHours)
		w.historyHours = 0
	default:
		w.Log.Infof("Reading the past: %d of %d hours done", w.historyHours-left, w.historyHours)
	}
}

// sayPutOff warns, once, about hours that can't be read although others can, as soon as it is known which these are.
func (w *WolkvoxIVR) sayPutOff(now time.Time, err error) {
	w.change(func(l ledger) ledger {
		l = l.clone()
		missing := w.scope.missing(l, now)
		gaps := without(missing, putOffWindows(l.PutOff, now))
		for i, p := range l.PutOff {
			before := w.scope.last(p.From)
			isStart := !isIn(missing, before) && !isIn(l.Final, before) // nothing before it is wanted
			if p.Said || p.Why != whyFailing || isIn(gaps, before) || !p.skipped().isEmpty() {
				continue
			}
			l.PutOff[i].Said = true
			hours := fmt.Sprintf("%s to %s", w.scope.label(p.From), w.scope.label(p.To.Add(-time.Nanosecond)))
			if isStart {
				l.PutOff[i].Pause, l.PutOff[i].Due = day, now.Add(day)
				w.Log.Warnf("%s: the API gives no hour before %s. Hours %s are asked for once a day from now on",
					w.name(), w.scope.label(p.To), hours)
				continue
			}
			if err == nil {
				w.Log.Warnf("%s: hours %s can't be read, though those around them can. They are asked for again at growing distances, up to a day",
					w.name(), hours)
				continue
			}
			w.Log.Warnf("%s: hours %s can't be read, though those around them can: %v. They are asked for again at growing distances, up to a day",
				w.name(), hours, err)
		}
		return l
	})
}

// name is how messages call the operation.
func (w *WolkvoxIVR) name() string {
	if w.Operation == "" {
		return w.source
	}
	return w.source + " (" + w.Operation + ")"
}
