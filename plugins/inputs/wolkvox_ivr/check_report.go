package wolkvox_ivr

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// checkedDays are the days before today that a check asks for, too: a week shows what is usual at an hour.
	checkedDays = 7
	// tellingCalls is how many calls must be usual in hours that have none before that says something of the time zone.
	tellingCalls = 8
)

// attempts returns the windows to ask for, in order, until one is answered with rows: today and the days before, today up
// to the running hour, and the whole hours of a day, as nothing is known of what the API takes.
func (c *checking) attempts() []window {
	current := c.scope.floor(c.now)
	year, month, today := c.now.In(c.scope.location).Date()
	return []window{
		{c.scope.startOfDay(year, month, today-checkedDays), c.scope.endOfDay(c.now)},
		{c.scope.startOfDay(year, month, today), c.scope.next(current)},
		{c.scope.floor(current.Add(-day)), current},
	}
}

// checkReport asks for the report, and tells what it says of rows, the time zone and hours without calls.
func (c *checking) checkReport(ctx context.Context) {
	var failed, empty *attempt // the first that was so
	for _, w := range c.attempts() {
		t := c.attempt(ctx, w)
		switch {
		case ctx.Err() != nil:
			return
		case t.err == nil && !t.answer.shows(w, c.now).isEmpty():
			c.sayRows(t, failed, empty)
			if len(t.answer.rows) > 0 {
				c.checkZone(t)
				c.checkEmptyHours(t)
			}
			return
		case t.err == nil && empty == nil:
			empty = t
		case t.err != nil && failed == nil:
			failed = t
		}
		if t.isGeneral() || t.err != nil && !c.answers {
			break
		}
	}
	if empty == nil && failed.body == nil {
		c.say("server", Fail, "%v", failed.err)
		return
	}
	if empty == nil {
		shown := ""
		if failed.is(failedAnswer) {
			shown = c.bugReport(failed.body)
		}
		c.say(failed.step(), Fail, "asking for %s failed: %v%s", c.spanOf(failed.window), failed.err, shown)
		return
	}
	text := "no rows for " + c.spanOf(empty.window)
	if failed != nil {
		text += fmt.Sprintf("; asking for %s failed: %v", c.spanOf(failed.window), failed.err)
	}
	c.say("report", Warn, "%s. If the operation's IVR had calls then, see that token and server are this operation's", text)
}

// attempt is one request for the report.
type attempt struct {
	window
	body   []byte
	answer *answer
	err    error
}

func (c *checking) attempt(ctx context.Context, w window) *attempt {
	r, trace, err := c.ask(ctx, reportPath, c.client.reportOf(w))
	if err != nil {
		return &attempt{window: w, err: errors.New(c.explain(trace, err))}
	}
	if !c.answers {
		c.sayServer(r, trace)
		c.say("quota", OK, "this API does not tell it. %s of the %d that each licence has", c.planned(), quotaPerLicence)
	}
	a, err := c.answerOf(r, w)
	return &attempt{w, r.body, a, err}
}

// is says whether the attempt failed in one of these ways.
func (t *attempt) is(kinds ...*kind) bool {
	var failure *apiError
	return errors.As(t.err, &failure) && slices.Contains(kinds, failure.kind)
}

// seen says how the attempt failed, without what to do about it.
func (t *attempt) seen() string {
	var failure *apiError
	if errors.As(t.err, &failure) {
		return failure.seen()
	}
	return t.err.Error()
}

// isGeneral says whether another window would fail, too.
func (t *attempt) isGeneral() bool {
	var failure *apiError
	return errors.As(t.err, &failure) && failure.kind.general
}

// step is what the failure is about.
func (t *attempt) step() string {
	switch {
	case t.is(failedToken):
		return "token"
	case t.is(failedQuota):
		return "quota"
	case t.is(failedTimeout, failedConnection):
		return "server"
	}
	return "report"
}

func (c *checking) spanOf(w window) string {
	return fmt.Sprintf("%s to %s", c.scope.label(w.From), c.scope.label(w.To.Add(-time.Nanosecond)))
}

// bugReport asks for a report of a form that is not known, if there is something of it to show.
func (c *checking) bugReport(body []byte) string {
	shown := sample(body, c.token)
	if shown == "" {
		return ""
	}
	return ". If that goes on, report it with this sample of the answer, whose words are shortened: " + shown
}

// sayRows tells which rows came, in which form.
func (c *checking) sayRows(t, failed, empty *attempt) {
	a, status := t.answer, OK
	text := fmt.Sprintf("%d row(s) for the %d hours %s", len(a.rows), t.hours(), c.spanOf(t.window))
	if len(a.rows) > 0 {
		text += ": " + a.form.String()
	}
	if first, newest := callsOf(a.rows); !newest.IsZero() {
		text += fmt.Sprintf("; calls from %s to %s", c.scope.label(first), c.scope.label(newest))
	} else {
		text += "; no calls"
	}
	if a.strays > 0 {
		text += fmt.Sprintf("; %d row(s) of other hours are left out", a.strays)
	}
	if failed != nil {
		status = Warn
		text += fmt.Sprintf("; %s can't be had at once, which the plugin finds out by itself: %s", c.spanOf(failed.window), failed.seen())
	} else if empty != nil {
		status = Warn
		text += fmt.Sprintf("; %s can't be had at once, which the plugin finds out by itself", c.spanOf(empty.window))
	}
	if a.unreadable > 0 {
		status = Warn
		if len(a.rows) == 0 {
			status = Fail
		}
		p := a.problems[0]
		text += fmt.Sprintf("; %d row(s) can't be read, such as row %d: %s%s", a.unreadable, p.position, p.reason, c.bugReport(rowAt(t.body, p.position)))
	}
	c.say("report", status, "%s", text)
}

// rowAt returns a row of a report, counted from 1.
func rowAt(body []byte, position int) []byte {
	var e struct {
		Data []json.RawMessage `json:"data"`
	}
	if json.Unmarshal(bytes.TrimPrefix(body, []byte(byteOrderMark)), &e) != nil || position > len(e.Data) {
		return nil
	}
	return e.Data[position-1]
}

// callsOf returns the first and the newest hour with calls.
func callsOf(rows []row) (first, newest time.Time) {
	for _, r := range rows {
		if r.calls == 0 {
			continue
		}
		if first.IsZero() {
			first = r.hour
		}
		newest = r.hour
	}
	return first, newest
}

// checkZone tells what the newest calls say of the time zone: none are of hours that have not begun, and where many are
// usual, some are of the hour that is running.
func (c *checking) checkZone(t *attempt) {
	_, newest := callsOf(t.answer.rows)
	newest = c.scope.floor(newest)
	// What is younger may have no calls that have ended.
	current := c.scope.floor(c.now.Add(-slowClock))
	usual := c.usual(t.answer.rows)
	missed := 0.0
	for hour := c.scope.next(newest); !hour.After(current); hour = c.scope.next(hour) {
		missed += usual(hour) * min(1, c.now.Add(-slowClock).Sub(hour).Hours())
	}
	switch hours := hoursBetween(newest, current); {
	case t.answer.shows(t.window, c.now).hasFuture:
		ahead := hoursBetween(c.scope.floor(c.now), newest)
		c.say("time zone", Fail, "timezone = %q is too far west: there are calls %d hour(s) ahead of now. If this machine's clock is right, set timezone = %q "+
			"or whatever is the operation's at that distance from UTC", c.scope.location, ahead, fittingZone(c.scope.location, c.now, -ahead))
	case missed >= tellingCalls:
		c.say("time zone", Warn, "timezone = %q seems to be too far east: the newest calls are %d hour(s) old, though %.0f would be usual since. If "+
			"nobody has called since, all is well; else set timezone = %q or whatever is the operation's at that distance from UTC",
			c.scope.location, hours, missed, fittingZone(c.scope.location, c.now, hours))
	case newest.Before(current):
		c.say("time zone", OK, "too few calls to tell whether timezone = %q fits: try again when there are calls all the time", c.scope.location)
	default:
		c.say("time zone", OK, "timezone = %q fits: calls reach the running hour, and none lie ahead", c.scope.location)
	}
}

// usual returns how many calls are to be expected in an hour: as many as a week before, or in the mean of the days before,
// whatever is less.
func (c *checking) usual(rows []row) func(hour time.Time) float64 {
	calls := make(map[label]int64, len(rows))
	for _, r := range rows {
		calls[c.scope.label(r.hour)] += r.calls
	}
	return func(hour time.Time) float64 {
		sum, weekBefore := 0.0, 0.0
		for days := 1; days <= checkedDays; days++ {
			weekBefore = float64(calls[c.scope.label(hour.In(c.scope.location).AddDate(0, 0, -days))])
			sum += weekBefore
		}
		return min(sum/checkedDays, weekBefore)
	}
}

// checkEmptyHours tells what becomes of past hours without calls.
func (c *checking) checkEmptyHours(t *attempt) {
	rows := make(map[time.Time]bool, len(t.answer.rows))
	zeros, absent := 0, 0
	current := c.scope.floor(c.now)
	for _, r := range t.answer.rows {
		rows[r.hour] = true
		if r.calls == 0 && r.hour.Before(current) {
			zeros++
		}
	}
	past := c.scope.hours(window{t.From, earlier(t.To, current)})
	for _, hour := range past {
		if !rows[hour] {
			absent++
		}
	}
	effect := "get no point"
	if c.scope.zeros {
		effect = "become 0 calls"
	}
	switch {
	case absent == 0 && zeros == 0:
		c.say("empty hours", OK, "there were calls in each of the past %d hours, so it is open how the report writes hours without", len(past))
	case absent == 0:
		c.say("empty hours", OK, "the report lists them as zeros, %d of %d: they come as 0 calls, whatever empty_hours is", zeros, len(past))
	case zeros == 0:
		c.say("empty hours", OK, "the report leaves them out, %d of %d: with empty_hours = %q they %s", absent, len(past), c.EmptyHours, effect)
	default:
		c.say("empty hours", OK, "the report lists some as zeros, %d of %d, which come as 0 calls, and leaves out %d: with empty_hours = %q these %s",
			zeros, len(past), absent, c.EmptyHours, effect)
	}
}
