package wolkvox_ivr

import (
	"fmt"
	"time"

	"github.com/influxdata/telegraf"

	"telegraf-wolkvox-ivr/plugins/common/hours"
	"telegraf-wolkvox-ivr/plugins/common/wolkvox"
)

const (
	// minHidingResponses is how many consecutive responses must hide known calls before the plugin logs it.
	minHidingResponses = 3
	// notHidingAfter is how long responses must have hidden no known calls before the plugin logs that this is over.
	notHidingAfter = time.Hour
	// noCallsAfter is how long the report may show no calls after the first start before the plugin logs it.
	noCallsAfter = time.Hour
)

// logged tracks what has been logged, so that messages don't repeat with each gather. Apart from messages, it only affects how often an
// unreadable row counts as an error.
type logged struct {
	isConnected, isWithoutCalls, isAhead, isStalled, isHiding, isRereading bool

	form            wolkvox.Form
	hidingResponses int       // consecutive responses that hid known calls
	lastHiddenAt    time.Time // when a response last hid known calls
	badRows         map[string]bool
	lastBadRows     map[string]bool // of the previous response
	repeated        hours.Hour      // newest repeated hour that the report listed only once
	noMinutes       hours.Hour      // newest hour sent without minutes
	historyHours    int             // most open hours since history was last complete
	historyLeft     int             // open hours after the last response
	postponed       map[hours.Window]bool
	probeFailure    *wolkvox.Failure
}

func (w *WolkvoxIVR) logShortInterval() {
	if w.Interval == 0 || time.Duration(w.Interval) >= wolkvox.MinInterval {
		return
	}
	requests := int(24 * time.Hour / time.Duration(w.Interval))
	w.Log.Warnf("interval is shorter than wolkvox's minimum of %s: %d requests per day require the quota of %d licence(s). Each licence has %d requests "+
		"per day, shared by all tokens of the operation",
		wolkvox.MinInterval, requests, (requests+wolkvox.QuotaPerLicence-1)/wolkvox.QuotaPerLicence, wolkvox.QuotaPerLicence)
}

func (w *WolkvoxIVR) logReread(reread hours.Window) {
	if !reread.IsEmpty() {
		w.Log.Infof("%s: reread: reading hours %s again", w.name(), reread)
	}
	if w.planner.PendingReread != nil && !w.logged.isRereading {
		w.logged.isRereading = true
		w.Log.Infof("%s: reread: days from %s on will be read once their hours are before the watermark", w.name(),
			w.planner.PendingReread.From.Format(time.DateOnly))
	}
}

// logClock logs that the local clock is wrong, or right again.
func (w *WolkvoxIVR) logClock() {
	text := "ahead of"
	switch offset := w.apiTime.offset; {
	case offset.Abs() <= clockTolerance:
		w.Log.Infof("%s: this machine's clock agrees with the API's again", w.name())
		return
	case offset > 0:
		text = "behind"
	}
	w.Log.Warnf("%s: this machine's clock is %s %s the API's: set it. Until then, hours follow the API's clock", w.name(),
		w.apiTime.offset.Abs().Round(time.Second), text)
}

// reportProblems adds an error for each unreadable row, once as long as it recurs. It also logs the first response, the format of the rows,
// and calls in the future.
func (w *WolkvoxIVR) reportProblems(acc telegraf.Accumulator, report *wolkvox.Report, now time.Time) {
	if !w.logged.isConnected {
		w.logged.isConnected = true
		text := "no calls yet"
		for _, row := range report.Rows {
			if row.Calls > 0 {
				text = "newest hour " + row.Hour.String()
			}
		}
		w.Log.Infof("%s: connected, %s", w.name(), text)
	}
	if len(report.Rows) > 0 && report.Form != w.logged.form {
		w.logged.form = report.Form
		w.Log.Debugf("%d row(s) for hours %s: %s", len(report.Rows), report.Window, report.Form)
	}
	if report.Strays > 0 {
		w.Log.Debugf("Ignored %d row(s) for hours that were not requested", report.Strays)
	}

	w.logged.lastBadRows, w.logged.badRows = w.logged.badRows, make(map[string]bool)
	fresh := 0
	for _, problem := range report.Problems {
		if !w.logged.lastBadRows[problem.Reason] && !w.logged.badRows[problem.Reason] {
			acc.AddError(fmt.Errorf("%s: %s", w.name(), problem))
			fresh++
		}
		w.logged.badRows[problem.Reason] = true
	}
	if more := report.Unreadable - len(report.Problems); more > 0 && fresh > 0 {
		acc.AddError(fmt.Errorf("%s: %d more rows can't be read", w.name(), more))
	}
	if newest := newestCalls(report); newest > w.options.Calendar.HourAt(now) && !w.apiTime.isUnconfirmed && !w.logged.isAhead {
		w.logged.isAhead = true
		w.Log.Warnf("%s: the report shows calls in hour %s, which is in the future: the time is now %s in timezone = %q. Find the right time zone with --check",
			w.name(), newest, now.In(w.options.Calendar.Location).Format("15:04"), w.Timezone)
	}
}

// newestCalls returns the newest hour with calls, or 0 if there is none.
func newestCalls(report *wolkvox.Report) (newest hours.Hour) {
	for _, row := range report.Rows {
		if row.Calls > 0 {
			newest = row.Hour
		}
	}
	return newest
}

// logRows logs rows that were sent without minutes, or only for the first occurrence of a repeated hour.
func (w *WolkvoxIVR) logRows(report *wolkvox.Report, sent []hours.Row, now time.Time) {
	current := w.options.Calendar.HourAt(now)
	starts := make(map[hours.Hour]int)
	for _, row := range sent {
		starts[row.Hour]++
	}
	for _, row := range report.Rows {
		switch {
		case starts[row.Hour] == 0:
		case row.NoMinutes && row.Hour > w.logged.noMinutes:
			w.logged.noMinutes = row.Hour
			w.Log.Warnf("%s: hour %s has %d calls but no minutes: sending 0 minutes", w.name(), row.Hour, row.Calls)
		case starts[row.Hour] == 1 && row.Hour < current && row.Hour > w.logged.repeated && len(w.options.Calendar.Starts(row.Hour)) == 2:
			w.logged.repeated = row.Hour
			w.Log.Infof("%s: hour %s occurs twice because clocks were set back, but the report lists it once: it is sent as the first of the two",
				w.name(), row.Hour)
		}
	}
}

// logLive logs when the report starts to hide calls, stalls or shows no calls at all, and when that ends.
func (w *WolkvoxIVR) logLive(result hours.Result, now time.Time) {
	l := &w.logged
	switch {
	case result.Hidden > 0:
		l.hidingResponses++
		l.lastHiddenAt = now
	case result.HasCalls: // a response without calls proves nothing
		l.hidingResponses = 0
	}
	switch {
	case l.hidingResponses >= minHidingResponses && !l.isHiding:
		l.isHiding = true
		w.Log.Warnf("%s: the report no longer shows %d hour(s) that had calls before. Their figures are kept. Until the report shows these hours "+
			"again, other hours stay open", w.name(), result.Hidden)
	case l.isHiding && l.hidingResponses == 0 && now.Sub(l.lastHiddenAt) >= notHidingAfter:
		l.isHiding = false
		w.Log.Infof("%s: the report shows all known calls again", w.name())
	}

	age, isUnusual := w.planner.Stall(now)
	switch {
	case isUnusual && !l.isStalled && !l.isHiding:
		l.isStalled = true
		w.Log.Warnf("%s: the report has shown no calls after hour %s, %d hours ago, which is unusual for this operation. If there were calls, "+
			"the report is late: hours stay open until it shows them", w.name(), w.planner.Newest, age)
	case !isUnusual && l.isStalled:
		l.isStalled = false
		w.Log.Infof("%s: the report shows newer calls again, up to %s", w.name(), w.planner.Newest)
	}

	switch {
	case w.planner.Newest == 0 && now.Sub(w.planner.Started) >= noCallsAfter && !l.isWithoutCalls:
		l.isWithoutCalls = true
		w.Log.Warnf("%s: the report has shown no calls at all since %s: check that server, token and timezone belong to this operation",
			w.name(), w.planner.Started.In(w.options.Calendar.Location).Format(time.RFC3339))
	case w.planner.Newest != 0:
		l.isWithoutCalls = false
	}
}

// logHistory logs how many hours are final and, once no other hours are left, which ones are postponed.
func (w *WolkvoxIVR) logHistory(q hours.Request, now time.Time) {
	l := &w.logged
	left, postponed := w.planner.Backlog(now)
	l.historyHours = max(l.historyHours, left)
	isProgress := left < l.historyLeft && (!q.IsLive() || l.historyHours > hours.Day) // otherwise an hour became final as usual
	l.historyLeft = left
	switch {
	case w.planner.Newest == 0: // no hour can become final
	case left > 0 && isProgress:
		w.Log.Infof("%s: history: %d of %d hours are final", w.name(), l.historyHours-left, l.historyHours)
	case left == 0 && isProgress && postponed == 0:
		w.Log.Infof("%s: history: all %d hours are final", w.name(), l.historyHours)
	case left == 0 && isProgress:
		w.Log.Infof("%s: history: all %d hours are final or postponed", w.name(), l.historyHours)
	}
	if left > 0 {
		return
	}
	l.historyHours = 0
	if postponed > 0 {
		w.logPostponed(now)
	}
}

// logPostponed logs the postponed ranges, each once.
func (w *WolkvoxIVR) logPostponed(now time.Time) {
	l := &w.logged
	known := l.postponed
	l.postponed = make(map[hours.Window]bool)
	for _, r := range w.planner.Status(now).Open {
		if !r.Postponed {
			continue
		}
		l.postponed[r.Window] = true
		if known[r.Window] {
			continue
		}
		reason := r.Reason
		if l.probeFailure != nil && r.Failing {
			reason = fmt.Sprintf("%s (%s)", reason, l.probeFailure.Summary())
		}
		if w.planner.Oldest != 0 && r.To <= w.planner.Oldest && !r.Failing {
			reason = "the report shows no calls before " + w.planner.Oldest.String() + ": the operation may be newer, or wolkvox may not keep older reports"
		}
		which := fmt.Sprintf("hours %s are", r.Window)
		if r.Hours() == 1 {
			which = fmt.Sprintf("hour %s is", r.From)
		}
		w.Log.Warnf("%s: %s postponed: %s. The plugin retries at increasing intervals of up to a day", w.name(), which, reason)
	}
}
