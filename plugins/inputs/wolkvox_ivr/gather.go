package wolkvox_ivr

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/metric"
)

// maxPause is the longest day: clocks are set back by an hour at most.
const maxPause = 25 * time.Hour

// earliestNow is before this plugin was written: a clock that shows less is that of a machine that has lost its time.
var earliestNow = time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC)

// Gather asks for the latest hours first, then for some of the past, so that the past never holds up the present.
func (w *WolkvoxIVR) Gather(acc telegraf.Accumulator) error {
	// Hours go by the clock on the wall, even if it is set: without what Go adds to measure elapsed time.
	now := w.Clock.Now().Round(0)
	since := now.Sub(w.lastGather)
	switch pause := w.pause.until.Sub(now); {
	case w.isStopping():
		return nil
	case now.Before(earliestNow):
		return fmt.Errorf("%s: this machine's clock shows %s: set it, as hours go by it", w.name(), now.Format(time.RFC3339))
	case pause > 0 && pause <= maxPause: // a longer one is of a clock that was ahead
		w.Log.Debugf("Pausing until %s", w.pause.until.Format(time.RFC3339))
		return w.liveOutage.failed(now, w.pause.err)
	case w.Interval == 0 && since >= 0 && since < leastInterval*9/10:
		// Telegraf's own interval may be of seconds, for which no quota lasts. Jitter makes some distances shorter.
		w.Log.Debugf("Gathered %s ago, which is less than %s", since.Round(time.Second), leastInterval)
		return nil
	}

	w.lastGather = now
	l := w.scope.begin(w.ledger, now)
	w.setLedger(l)
	w.saidRows, w.badRows = w.badRows, make(map[string]bool)
	turn, err := w.readLatest(acc, now)
	if w.ctx.Err() != nil {
		return nil //nolint:nilerr // being stopped is no failure
	}
	if !turn.isRead() {
		err = w.liveOutage.failed(now, w.pauseAfter(now, err))
	} else {
		err = nil
		if text := w.liveOutage.ended(now); text != "" {
			w.Log.Infof("%s; catching up %d hour(s)", text, hoursOf(w.scope.missing(l, now)))
		}
	}
	if isUp := turn.isRead() || turn.find(hoursBefore).isRead(); isUp || turn.made[len(turn.made)-1].result == isFailure {
		if failure := w.readPast(acc, now, maxRequests-len(turn.made), isUp); err == nil {
			err = failure
		}
	}
	missing := w.scope.missing(w.ledger, now)
	w.stats.backlog.Set(hoursOf(missing))
	w.stats.putOff.Set(hoursOf(missing) - hoursOf(without(missing, putOffWindows(w.ledger.PutOff, now))))
	if w.ctx.Err() != nil {
		return nil //nolint:nilerr // being stopped is no failure
	}
	return err
}

func (w *WolkvoxIVR) isStopping() bool { return w.ctx.Err() != nil }

// pauseAfter returns the failure of a gather at now, after it has seen to the pause that follows from it.
func (w *WolkvoxIVR) pauseAfter(now time.Time, err error) error {
	var failure *apiError
	if !errors.As(err, &failure) {
		return err
	}
	if failure.kind == failedQuota {
		until := w.scope.endOfDay(now)
		if since := now.Sub(w.pause.until); since >= 0 && since < time.Hour {
			until = earlier(until, now.Add(time.Hour)) // the API's day begins later than the operation's
		}
		err = fmt.Errorf("%w; pausing until %s", err, until.Format(time.RFC3339))
		w.pause = pause{until, err}
	}
	if failure.retryAfter > 0 {
		w.pause = pause{later(w.pause.until, now.Add(min(failure.retryAfter, time.Hour))), err}
	}
	return err
}

// readLatest reads the hours that still grow, with new attempts and narrower ones where it fails.
func (w *WolkvoxIVR) readLatest(acc telegraf.Accumulator, now time.Time) (turn, error) {
	t := w.scope.begins(w.ledger, now, w.liveOutage.failures > 0)
	pauses := backoff.NewExponentialBackOff(backoff.WithInitialInterval(time.Second), backoff.WithMaxElapsedTime(0))
	end := now.Add(w.interval())
	var failure error // the last to read the running hour
	for failed := false; ; {
		part, found := t.next(w.ledger.API)
		if !found || failed && !w.wait(pauses, failure, end) {
			break
		}
		r := request{part: part}
		var err error
		r.result, r.hasRows, err = w.read(acc, t.windows[part], now, true)
		if w.ctx.Err() != nil {
			return t, err
		}
		if failed = err != nil; failed && part != hoursBefore {
			failure = err
		}
		var api *apiError
		r.passes = errors.As(err, &api) && api.kind.transient
		r.isWrong = r.result == isEmpty && t.windows[part].contains(w.ledger.Newest)
		t.made = append(t.made, r)
	}
	w.change(func(l ledger) ledger {
		l.API = t.learn(l.API, now)
		return l
	})
	if w.scope.zeros && !w.scope.onlyFinal && w.ledger.API.Answered == 0 && t.isRead() && t.find(allLatest).isRead() {
		// An operation that never had a call: nothing can show that its empty answers are right, and none of this is final.
		ended := within([]window{t.windows[allLatest]}, window{w.scope.settledBefore(now), w.scope.floor(now)})
		for _, r := range w.withZeros(nil, ended) {
			w.send(acc, r)
		}
	}
	if w.ledger.API.Refusals == 2 {
		w.Log.Warnf("%s: the API gives the hours before the running one, but not that: %v", w.name(), failure)
	}
	return t, failure
}

// wait lets the time pass that a new attempt after the failure has to keep. It returns false if there is none left until end.
func (w *WolkvoxIVR) wait(pauses *backoff.ExponentialBackOff, failure error, end time.Time) bool {
	var api *apiError
	if !errors.As(failure, &api) || !api.kind.transient {
		return true // another window is asked for, or nothing would help
	}
	pause := max(pauses.NextBackOff(), api.retryAfter)
	if w.Clock.Now().Add(pause).After(end) || pause > time.Duration(w.Timeout) {
		return false
	}
	w.Log.Debugf("Trying again in %s: %v", pause.Round(time.Millisecond), failure)
	select {
	case <-w.Clock.After(pause):
		return true
	case <-w.ctx.Done():
		return false
	}
}

// readPast reads what is missing of the hours before the latest, by so many requests at most. A failure says something
// about what was asked for only if the API is known to be up.
func (w *WolkvoxIVR) readPast(acc telegraf.Accumulator, now time.Time, requests int, isUp bool) error {
	before := hoursOf(w.scope.missing(w.ledger, now))
	defer func() { w.sayProgress(now, before) }()
	end := now.Add(w.interval())
	for range requests {
		ask, found := w.scope.history(w.ledger, now)
		if !found || w.Clock.Now().After(end) {
			break
		}
		result, hasRows, err := w.read(acc, ask.window, now, false)
		var failure *apiError
		switch {
		case w.ctx.Err() != nil:
			return err
		case err == nil:
			w.change(func(l ledger) ledger { return w.scope.historyAnswered(l, ask, result, hasRows, now) })
		case !isUp:
			return nil
		case !errors.As(err, &failure) || failure.kind.general:
			return w.pastOutage.failed(now, w.pauseAfter(now, err))
		default:
			w.Log.Debugf("Leaving it for later: %v", err)
			w.change(func(l ledger) ledger { return w.scope.historyFailed(l, ask, now) })
		}
		w.sayPutOff(now, err)
	}
	if text := w.pastOutage.ended(now); text != "" {
		w.Log.Infof("%s to read the past", text)
	}
	return nil
}

// read asks for the hours of a window, hands on their rows, and records them.
func (w *WolkvoxIVR) read(acc telegraf.Accumulator, asked window, now time.Time, isLatest bool) (res result, hasRows bool, err error) {
	a, err := w.client.read(w.ctx, asked)
	if err != nil {
		res = isFailure
		var failure *apiError
		if !errors.As(err, &failure) || failure.kind.general {
			res = isRefusal
		}
		return res, false, fmt.Errorf("reading %s, hours %s to %s, failed: %w",
			w.name(), w.scope.label(asked.From), w.scope.label(asked.To.Add(-time.Nanosecond)), err)
	}
	w.sayRows(acc, a, now)

	shown := a.shows(asked, now)
	if isLatest && asked.To.After(w.scope.floor(now)) {
		w.watchZone(a, now)
	}
	before := w.ledger
	isEvidence := w.scope.isEvidence(before, shown)
	after, final, empty := w.scope.record(before, shown, now, w.zone.east > 0)
	rows := a.rows
	if w.scope.zeros {
		rows = w.withZeros(rows, empty)
	}
	due := w.due(before, now, final)
	sent := int64(0)
	for _, r := range rows {
		if isIn(due, r.hour) {
			w.send(acc, r)
			sent++
		}
	}
	w.stats.rows.Incr(sent)
	w.setLedger(after)
	if !isEvidence && shown.isEmpty() {
		res = isEmpty
	}
	return res, !shown.isEmpty(), nil
}

// due returns the hours of which rows are to be handed on at now, by the ledger before they were read and those that
// turned final by it.
func (w *WolkvoxIVR) due(before ledger, now time.Time, final []window) []window {
	if w.scope.onlyFinal {
		return final
	}
	end := w.scope.floor(now)
	if w.Hours == "all" {
		end = w.scope.next(end)
	}
	due := add(w.scope.missing(before, now), window{w.scope.settledBefore(now), end})
	for _, w := range slices.Concat(final, before.Assumed) {
		due = add(due, w)
	}
	return due
}

func (w *WolkvoxIVR) send(acc telegraf.Accumulator, r row) {
	tags := map[string]string{"hour": fmt.Sprintf("%02d", r.hour.In(w.scope.location).Hour()), "source": w.source}
	if w.Operation != "" {
		tags["operation"] = w.Operation
	}
	m := metric.New("wolkvox_ivr", tags, nil, r.hour)
	m.AddField("calls", r.calls)
	m.AddField("minutes", r.minutes)
	acc.AddMetric(m)
}

// withZeros returns the rows with zeros for the empty hours, in order. The second of an hour that comes twice has none:
// its calls may yet be filed under the first.
func (w *WolkvoxIVR) withZeros(rows []row, empty []window) []row {
	rows = slices.Clone(rows)
	for _, part := range empty {
		for _, hour := range w.scope.hours(part) {
			if w.scope.floor(hour).Equal(hour) {
				rows = append(rows, row{hour: hour})
			}
		}
	}
	slices.SortFunc(rows, func(x, y row) int { return x.hour.Compare(y.hour) })
	return rows
}
