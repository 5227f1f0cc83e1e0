package wolkvox_ivr

import (
	"errors"
	"fmt"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/metric"

	"telegraf-wolkvox-ivr/plugins/common/hours"
	"telegraf-wolkvox-ivr/plugins/common/wolkvox"
)

const (
	// longInterval leaves time for more history requests before the next gather.
	longInterval = 2 * wolkvox.LeastInterval
	// longestRetryAfter bounds how long a response may have requests wait.
	longestRetryAfter = time.Hour
)

// earliestNow is before this plugin was written: a clock that shows less is that of a machine that has lost its time.
var earliestNow = time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC)

// interval returns the time between gathers as far as the table tells it.
func (w *WolkvoxIVR) interval() time.Duration {
	if w.Interval > 0 {
		return time.Duration(w.Interval)
	}
	return wolkvox.LeastInterval
}

// Gather makes one request, in turns for the latest hours and for history.
func (w *WolkvoxIVR) Gather(acc telegraf.Accumulator) error {
	w.requesting.Lock()
	defer w.requesting.Unlock()
	now := w.time.now()
	switch {
	case w.ctx.Err() != nil:
		return nil
	case now.Before(earliestNow):
		return fmt.Errorf("%s: this machine's clock shows %s: set it, because hours depend on it", w.name(), now.Format(time.RFC3339))
	case w.pause.holds(now):
		w.Log.Debugf("Pausing until %s", w.pause.until.Format(time.RFC3339))
		w.mu.Lock()
		w.planner.Acknowledge(now)
		w.mu.Unlock()
		return w.outage.fail(now, w.pause.err)
	case w.isTooEarly(now):
		w.Log.Debugf("Skipping this gather: the last request was %s ago", now.Sub(w.requested).Round(time.Second))
		return nil
	}
	w.mu.Lock()
	reread := w.planner.Start(now)
	q := w.planner.Next(now)
	w.mu.Unlock()
	w.logReread(reread)
	err := w.request(acc, q)
	if err == nil && w.interval() > longInterval {
		w.background.Go(func() { w.requestHistory(acc, now.Add(w.interval())) })
	}
	return err
}

// isTooEarly reports whether the last request was made too short a time ago: by an earlier process, or because the table sets no interval
// and Telegraf's own is shorter. An interval that the table sets is the user's choice. Jitter makes some intervals shorter.
func (w *WolkvoxIVR) isTooEarly(now time.Time) bool {
	passed := now.Sub(w.requested)
	return (w.Interval == 0 || !w.hasRequested) && passed >= 0 && passed < min(w.interval(), wolkvox.LeastInterval)*9/10
}

// requestHistory makes history requests at the pace that the vendor asks for, until the next gather is near. In Telegraf, a Gather that
// took so long could not be stopped.
func (w *WolkvoxIVR) requestHistory(acc telegraf.Accumulator, nextGather time.Time) {
	for w.time.now().Add(2 * wolkvox.LeastInterval).Before(nextGather) {
		select {
		case <-w.Clock.After(wolkvox.LeastInterval):
		case <-w.ctx.Done():
			return
		}
		if !w.requestOpenHistory(acc) {
			return
		}
	}
}

// requestOpenHistory makes a history request if there is one to make. It returns false if there is none, or it fails.
func (w *WolkvoxIVR) requestOpenHistory(acc telegraf.Accumulator) bool {
	w.requesting.Lock()
	defer w.requesting.Unlock()
	now := w.time.now()
	if w.ctx.Err() != nil || w.pause.holds(now) || w.isTooEarly(now) {
		return false
	}
	w.mu.Lock()
	q, found := w.planner.NextHistory(now)
	w.mu.Unlock()
	if !found {
		return false
	}
	if err := w.request(acc, q); err != nil {
		acc.AddError(err)
		return false
	}
	return true
}

// request makes a request, and sends the rows that come of it. A failed probe is no error.
func (w *WolkvoxIVR) request(acc telegraf.Accumulator, q hours.Request) error {
	w.mu.Lock()
	w.requested, w.hasRequested = w.time.now(), true
	w.mu.Unlock()
	report, err := w.client.Report(w.ctx, q.Window)
	if w.ctx.Err() != nil {
		return nil //nolint:nilerr // being stopped is no failure
	}
	var failure *wolkvox.Failure
	if err != nil && !errors.As(err, &failure) {
		return err
	}
	w.stats.failure(err)

	if failure != nil {
		return w.fail(q, failure, w.observe(failure.Time))
	}
	now := w.observe(report.Time)
	w.verifyState(report.Time)
	w.record(acc, q, report, now)
	return nil
}

// observe takes in the time of a response, zero if it has none, and returns the API's time.
func (w *WolkvoxIVR) observe(date time.Time) time.Time {
	now, by := w.time.observe(date)
	if !date.IsZero() {
		w.stats.clock.Set(w.time.candidate.Nanoseconds())
	}
	if !date.IsZero() && !w.time.isInDoubt {
		w.mu.Lock()
		w.planner.ClockKnown(now, by)
		w.mu.Unlock()
	}
	if by != 0 {
		w.logClock()
	}
	return now
}

// fail takes in that a request has failed.
func (w *WolkvoxIVR) fail(q hours.Request, failure *wolkvox.Failure, now time.Time) error {
	w.mu.Lock()
	w.planner.Fail(q, now, failure.Class.General)
	err := w.pauseAfter(now, failure)
	w.mu.Unlock()
	w.setBacklog(now)
	err = fmt.Errorf("requesting %s, hours %s, failed: %w", w.name(), q.Window, err)
	if q.IsProbe() && !failure.Class.General {
		w.Log.Debugf("%v", err)
		w.log.probeFailure = failure
		return nil
	}
	return w.outage.fail(now, err)
}

// pauseAfter has requests pause if the failure demands it. It returns the failure with what was decided.
func (w *WolkvoxIVR) pauseAfter(now time.Time, failure *wolkvox.Failure) error {
	var err error = failure
	switch {
	case failure.Class == wolkvox.FailedQuota:
		until := w.options.Calendar.EndOfDay(now)
		if since := now.Sub(w.pause.until); since >= 0 && since < time.Hour && now.Add(time.Hour).Before(until) {
			until = now.Add(time.Hour) // the API's day begins later than the operation's
		}
		err = fmt.Errorf("%w; pausing until %s", err, until.Format(time.RFC3339))
		w.pause = pause{until, err}
	case failure.RetryAfter > 0:
		w.pause = pause{now.Add(min(failure.RetryAfter, longestRetryAfter)), err}
	}
	return err
}

// record takes in a report, and sends the rows that are due.
func (w *WolkvoxIVR) record(acc telegraf.Accumulator, q hours.Request, report *wolkvox.Report, now time.Time) {
	w.logReport(acc, report, now)
	response := responseOf(report)
	w.mu.Lock()
	result := w.planner.Record(q, response, now)
	w.mu.Unlock()
	for _, row := range result.Rows {
		w.send(acc, row)
	}
	w.stats.rows.Incr(int64(len(result.Rows)))
	w.setBacklog(now)
	w.logRows(report, result.Rows, now)
	if q.IsLive() {
		w.logLive(result, now)
		if text := w.outage.end(now); text != "" {
			w.Log.Infof("%s; %d hour(s) to catch up", text, w.stats.backlog.Get())
		}
	}
	w.logHistory(q, now)
}

// responseOf returns what the report shows of the requested hours.
func responseOf(report *wolkvox.Report) *hours.Response {
	response := hours.NewResponse(report.Window)
	response.Undated = report.Undated
	for _, row := range report.Rows {
		shown := response.At(row.Hour)
		if shown.Rows++; shown.Rows == 1 {
			shown.First = row.Figures
		} else {
			shown.Second = row.Figures
		}
		shown.NoMinutes = shown.NoMinutes || row.NoMinutes
	}
	for _, h := range report.UnreadableHours {
		response.At(h).Unreadable = true
	}
	return response
}

func (w *WolkvoxIVR) send(acc telegraf.Accumulator, row hours.Row) {
	tags := map[string]string{"hour": row.Hour.Format("15"), "source": w.source}
	if w.Operation != "" {
		tags["operation"] = w.Operation
	}
	m := metric.New("wolkvox_ivr", tags, nil, row.Start)
	m.AddField("calls", row.Calls)
	m.AddField("minutes", row.Minutes)
	acc.AddMetric(m)
}

func (w *WolkvoxIVR) setBacklog(now time.Time) {
	w.mu.Lock()
	waiting, postponed := w.planner.Backlog(now)
	w.mu.Unlock()
	w.stats.backlog.Set(int64(waiting))
	w.stats.postponed.Set(int64(postponed))
}
