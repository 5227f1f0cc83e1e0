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
	// longInterval is the interval above which there is time for history requests between gathers.
	longInterval = 2 * wolkvox.MinInterval
	// maxRetryAfter is the longest pause that a Retry-After header can cause.
	maxRetryAfter = time.Hour
)

// earliestNow is before this plugin existed: a clock that shows an earlier time was never set.
var earliestNow = time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC)

// interval returns the interval of the table, or the vendor's minimum if it sets none.
func (w *WolkvoxIVR) interval() time.Duration {
	if w.Interval > 0 {
		return time.Duration(w.Interval)
	}
	return wolkvox.MinInterval
}

// Gather makes at most one request, alternating between the latest hours and history. With a long interval, it starts further history
// requests in the background.
func (w *WolkvoxIVR) Gather(acc telegraf.Accumulator) error {
	w.requestMu.Lock()
	defer w.requestMu.Unlock()
	now := w.apiTime.now()
	switch {
	case w.ctx.Err() != nil:
		return nil
	case now.Before(earliestNow):
		return fmt.Errorf("%s: this machine's clock shows %s: set it, because hours depend on it", w.name(), now.Format(time.RFC3339))
	case w.pause.isActive(now):
		w.Log.Debugf("Pausing until %s", w.pause.until.Format(time.RFC3339))
		w.mu.Lock()
		w.planner.MarkRunning(now)
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
		w.background.Go(func() { w.requestHistoryUntil(acc, now.Add(w.interval())) })
	}
	return err
}

// isTooEarly reports whether the last request is too recent: an earlier process made it, or the table sets no interval and Telegraf's own is
// shorter. An interval in the table is the user's choice. The limit is 10% below the interval because jitter shortens some intervals.
func (w *WolkvoxIVR) isTooEarly(now time.Time) bool {
	passed := now.Sub(w.requested)
	return (w.Interval == 0 || !w.hasRequested) && passed >= 0 && passed < min(w.interval(), wolkvox.MinInterval)*9/10
}

// requestHistoryUntil makes history requests at the vendor's minimum interval until shortly before the next gather. It runs in the
// background because Telegraf couldn't stop such a long Gather.
func (w *WolkvoxIVR) requestHistoryUntil(acc telegraf.Accumulator, nextGather time.Time) {
	for w.apiTime.now().Add(2 * wolkvox.MinInterval).Before(nextGather) {
		select {
		case <-w.Clock.After(wolkvox.MinInterval):
		case <-w.ctx.Done():
			return
		}
		if !w.requestHistoryOnce(acc) {
			return
		}
	}
}

// requestHistoryOnce makes a history request if one is due. It returns false if none is, or if it fails.
func (w *WolkvoxIVR) requestHistoryOnce(acc telegraf.Accumulator) bool {
	w.requestMu.Lock()
	defer w.requestMu.Unlock()
	now := w.apiTime.now()
	if w.ctx.Err() != nil || w.pause.isActive(now) || w.isTooEarly(now) {
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

// request makes a request and sends the resulting rows. A failed probe is not an error.
func (w *WolkvoxIVR) request(acc telegraf.Accumulator, q hours.Request) error {
	w.mu.Lock()
	w.requested, w.hasRequested = w.apiTime.now(), true
	w.mu.Unlock()
	report, err := w.client.Report(w.ctx, q.Window)
	if w.ctx.Err() != nil {
		return nil //nolint:nilerr // being stopped is not a failure
	}
	var failure *wolkvox.Failure
	if err != nil && !errors.As(err, &failure) {
		return err
	}
	w.stats.countFailure(err)

	if failure != nil {
		return w.fail(q, failure, w.observe(failure.Time))
	}
	now := w.observe(report.Time)
	w.discardStateFromFuture(report.Time)
	w.record(acc, q, report, now)
	return nil
}

// observe updates the API's time with the time of a response, zero if it has none, and returns the time to use for the response.
func (w *WolkvoxIVR) observe(date time.Time) time.Time {
	now, by := w.apiTime.observe(date)
	if !date.IsZero() {
		w.stats.clock.Set(w.apiTime.candidate.Nanoseconds())
	}
	if !date.IsZero() && !w.apiTime.isUnconfirmed {
		w.mu.Lock()
		w.planner.SyncClock(now, by)
		w.mu.Unlock()
	}
	if by != 0 {
		w.logClock()
	}
	return now
}

// fail records a failed request. It returns the error for the gather, or nil for a failed probe.
func (w *WolkvoxIVR) fail(q hours.Request, failure *wolkvox.Failure, now time.Time) error {
	w.mu.Lock()
	w.planner.Fail(q, now, failure.Class.General)
	err := w.pauseAfter(now, failure)
	w.mu.Unlock()
	w.setBacklog(now)
	err = fmt.Errorf("request to %s for hours %s failed: %w", w.name(), q.Window, err)
	if q.IsProbe() && !failure.Class.General {
		w.Log.Debugf("%v", err)
		w.logged.probeFailure = failure
		return nil
	}
	return w.outage.fail(now, err)
}

// pauseAfter pauses requests if the failure demands it. It returns the failure, with the end of the pause for a spent quota.
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
		w.pause = pause{now.Add(min(failure.RetryAfter, maxRetryAfter)), err}
	}
	return err
}

// record records a report and sends the rows that are due.
func (w *WolkvoxIVR) record(acc telegraf.Accumulator, q hours.Request, report *wolkvox.Report, now time.Time) {
	w.reportProblems(acc, report, now)
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
			w.Log.Infof("%s; %d hour(s) to catch up on", text, w.stats.backlog.Get())
		}
	}
	w.logHistory(q, now)
}

// responseOf converts a report for the planner.
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
