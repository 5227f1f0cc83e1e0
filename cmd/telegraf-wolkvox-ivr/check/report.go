package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"telegraf-wolkvox-ivr/plugins/common/hours"
	"telegraf-wolkvox-ivr/plugins/common/wolkvox"
	"telegraf-wolkvox-ivr/plugins/inputs/wolkvox_ivr"
)

// checkedDays is how many days before today a check requests. A week shows how many calls an hour usually has.
const checkedDays = 7

// windows returns the windows to request, in order, until a response has rows: today and the days before, today up to
// the current hour, and the past 24 whole hours. It is not known which windows the API accepts.
func (t *table) windows() []hours.Window {
	current := t.client.Calendar.HourAt(t.now)
	today := current - hours.Hour(current.OfDay())
	return []hours.Window{
		{From: today - checkedDays*hours.Day, To: today + hours.Day},
		{From: today, To: current + 1},
		{From: current - hours.Day, To: current},
	}
}

// checkReport requests the report, and checks its rows, the time zone and hours without calls.
func (t *table) checkReport(ctx context.Context) {
	var failed, empty *attempt // the first failed and the first empty one
	for _, w := range t.windows() {
		a := t.attempt(ctx, w)
		switch {
		case ctx.Err() != nil:
			return
		case a.err == nil && len(a.report.Rows)+a.report.Unreadable > 0:
			t.checkRows(a, failed, empty)
			if len(a.report.Rows) > 0 {
				t.checkZone(a.report)
				t.checkEmptyHours(a.report)
			}
			return
		case a.err != nil && a.response != nil && a.response.HasRows(): // rows of another window can't be used, either
			t.addFailure(a)
			return
		case a.err == nil && empty == nil:
			empty = a
		case a.err != nil && failed == nil:
			failed = a
		}
		class := classOf(a.err)
		if class != nil && class.General || a.err != nil && !t.responds {
			break // another window would fail, too
		}
	}
	if empty == nil {
		t.addFailure(failed)
		return
	}
	text := fmt.Sprintf("no rows for %s", empty.Window)
	if failed != nil {
		text += fmt.Sprintf("; requesting %s failed: %v", failed.Window, failed.err)
	}
	t.add("report", warn, "%s. If the operation's IVR had calls then, check that token and server belong to this operation", text)
}

// attempt is a request for the report.
type attempt struct {
	hours.Window
	response *wolkvox.Response // nil if there was none
	report   *wolkvox.Report
	err      error // a *wolkvox.Failure if there was a response
}

func (t *table) attempt(ctx context.Context, w hours.Window) *attempt {
	r, c, err := t.request(ctx, wolkvox.ReportPath, t.client.Query(w))
	if err != nil {
		return &attempt{Window: w, err: errors.New(t.explain(c, err))}
	}
	if !t.responds {
		t.addServer(r, c)
		t.addUnknownQuota("")
	}
	report, err := t.client.Parse(r, w)
	return &attempt{w, r, report, err}
}

// addFailure adds a finding about a failed attempt.
func (t *table) addFailure(a *attempt) {
	if a.response == nil {
		t.add("server", fail, "%v", a.err)
		return
	}
	step, shown := "report", ""
	switch classOf(a.err) {
	case wolkvox.FailedToken:
		step = "token"
	case wolkvox.FailedQuota:
		step = "quota"
	case wolkvox.FailedTimeout:
		step = "server"
	case wolkvox.FailedResponse:
		shown = bugReport(wolkvox.Sample(a.response.Body))
	}
	t.add(step, fail, "requesting %s failed: %v%s", a.Window, a.err, shown)
}

// bugReport returns a request to report an unknown form, with the sample, or "" without a sample.
func bugReport(sample string) string {
	if sample == "" {
		return ""
	}
	return ". If the error persists, report it with this shortened sample of the response: " + sample
}

// checkRows checks which rows there are, and their form.
func (t *table) checkRows(a, failed, empty *attempt) {
	r, s := a.report, good
	text := fmt.Sprintf("%d row(s) for the %d hours from %s", len(r.Rows), a.Hours(), a.Window)
	if len(r.Rows) > 0 {
		text += ": " + r.Form.String()
	}
	if first, newest := firstAndNewestCalls(r.Rows); newest != 0 {
		text += fmt.Sprintf("; calls from %s to %s", first, newest)
	} else {
		text += "; no calls"
	}
	if r.Strays > 0 {
		text += fmt.Sprintf("; %d row(s) for other hours were ignored", r.Strays)
	}
	if failed != nil || empty != nil {
		s = warn
		text += unavailable(failed, empty)
	}
	if r.Unreadable > 0 {
		s = warn
		if len(r.Rows) == 0 {
			s = fail
		}
		p := r.Problems[0]
		text += fmt.Sprintf("; %d row(s) can't be read, for example row %d: %s%s", r.Unreadable, p.Position, p.Reason,
			bugReport(wolkvox.SampleRow(a.response.Body, p.Position)))
	}
	t.add("report", s, "%s", text)
}

// unavailable describes the windows that failed or were empty before one had rows.
func unavailable(failed, empty *attempt) string {
	text := fmt.Sprintf("; %s can't be read in one request, so the plugin will use shorter windows", cmp.Or(failed, empty).Window)
	if failed == nil {
		return text
	}
	var failure *wolkvox.Failure
	if errors.As(failed.err, &failure) {
		return text + ": " + failure.Summary()
	}
	return text + ": " + failed.err.Error()
}

// firstAndNewestCalls returns the first and the newest hour with calls, 0 if there is none.
func firstAndNewestCalls(rows []wolkvox.Row) (first, newest hours.Hour) {
	for _, r := range rows {
		if r.Calls == 0 {
			continue
		}
		if first == 0 {
			first = r.Hour
		}
		newest = r.Hour
	}
	return first, newest
}

// checkEmptyHours checks how the report shows past hours without calls.
func (t *table) checkEmptyHours(r *wolkvox.Report) {
	calls := make(map[hours.Hour]int64, len(r.Rows))
	for _, row := range r.Rows {
		calls[row.Hour] += row.Calls
	}
	past, zeros, absent := 0, 0, 0
	for h := r.Window.From; h < min(r.Window.To, t.client.Calendar.HourAt(t.now)); h++ {
		if len(t.client.Calendar.Starts(h)) == 0 { // the clock skips it
			continue
		}
		past++
		if n, isListed := calls[h]; !isListed {
			absent++
		} else if n == 0 {
			zeros++
		}
	}
	effect := "no rows are sent for them"
	if t.plugin.EmptyHours == wolkvox_ivr.ZeroEmpty {
		effect = "they are sent as 0 calls"
	}
	switch {
	case absent == 0 && zeros == 0:
		t.add("empty hours", good, "each of the past %d hours had calls, so how the report writes hours without calls is unknown", past)
	case absent == 0:
		t.add("empty hours", good, "the report lists %d of the past %d hours as zeros, which are sent as 0 calls whatever empty_hours is", zeros, past)
	case zeros == 0:
		t.add("empty hours", good, "the report omits %d of the past %d hours: with empty_hours = %q, %s", absent, past, t.plugin.EmptyHours, effect)
	default:
		t.add("empty hours", good, "the report lists %d of the past %d hours as zeros, which are sent as 0 calls, and omits %d: with empty_hours = %q, %s",
			zeros, past, absent, t.plugin.EmptyHours, effect)
	}
}
