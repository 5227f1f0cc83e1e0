package wolkvox

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"telegraf-wolkvox-ivr/plugins/common/hours"
)

// Report is what a response shows of the hours that were requested.
type Report struct {
	Window hours.Window
	Time   time.Time // the API's time, see Response.Time

	Rows   []Row // in order of hours, each hour once; where the clock repeats the hour once or twice, then in the order of the report
	Listed int   // rows of the response, of whatever hours
	Strays int   // rows of hours outside the window, which are ignored
	Form   Form  // of the rows that can be read

	Problems        []Problem    // the first 5 rows that can't be read
	Unreadable      int          // rows that can't be read
	UnreadableHours []hours.Hour // hours of the window that have such a row, in order; they have no Row
	Undated         bool         // there is a row whose hour can't be read: it may belong to any hour
}

// Row has the figures of one hour.
type Row struct {
	Hour hours.Hour
	hours.Figures
	NoMinutes bool // there are calls, but "", "-" or null in place of minutes
}

// Problem is a row that can't be read.
type Problem struct {
	Position int    // in the response, from 1
	Reason   string // with the field and its value, without the token
}

// String returns the problem for messages.
func (p Problem) String() string {
	return fmt.Sprintf("row %d can't be read: %s", p.Position, p.Reason)
}

const maxProblems = 5

func (r *Report) problem(position int, reason string) {
	r.Unreadable++
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, Problem{position, reason})
	}
}

// Parse reads a response as the report of the hours of w. Its error is a *Failure: where status, code or texts mean one, where the body
// is not a report, where no row can be read, and where all rows are of other hours.
func (c *Client) Parse(r *Response, w hours.Window) (*Report, error) {
	var e *envelope
	err := r.BodyErr
	if err == nil {
		e, err = readEnvelope(r.Body)
	}
	if failure := r.failure(e, err); failure != nil {
		return nil, failure
	}

	report := &Report{Window: w, Time: r.Time()}
	if !e.hasRows() {
		return report, nil
	}
	f := newFiling(c.Calendar, report, r.redact)
	e.data.ForEach(func(_, row gjson.Result) bool {
		report.Listed++
		f.add(row)
		return true
	})
	f.finish()
	switch {
	case report.Unreadable > 0 && len(report.Rows)+report.Strays+f.ignored == 0:
		p := report.Problems[0]
		return nil, r.newFailure(FailedResponse, fmt.Sprintf("none of its %d row(s) can be read, such as row %d: %s", report.Listed, p.Position, p.Reason))
	case len(report.Rows)+report.Unreadable == 0 && report.Strays > 0:
		return nil, r.newFailure(FailedResponse, fmt.Sprintf("all of its %d row(s) are of hours that were not requested, such as %s", report.Strays, f.stray))
	}
	return report, nil
}

// filing sorts rows by the hours of a window.
type filing struct {
	report   *Report
	calendar hours.Calendar
	changes  bool // the clock changes within the window or near it
	redact   func(string) string
	slots    []slot     // one for each hour of the window
	stray    hours.Hour // the last one
	ignored  int        // rows of nothing but placeholders, and zeros of hours that the clock skips
}

// slot is an hour of the window with its rows.
type slot struct {
	rows       [2]filed
	count      int
	unreadable bool
	differs    bool // there are more rows than the hour can have
}

// filed is a row with its JSON, for comparison with another of the hour.
type filed struct {
	Row
	content string
}

func newFiling(calendar hours.Calendar, report *Report, redact func(string) string) *filing {
	f := &filing{report: report, calendar: calendar, redact: redact, slots: make([]slot, report.Window.Hours())}
	// Two days are more than any clock differs from UTC and was ever changed by.
	const far = 48 * 60 * 60
	_, change := time.Unix(int64(report.Window.From)*3600-far, 0).In(calendar.Location).ZoneBounds()
	f.changes = !change.IsZero() && change.Unix() < int64(report.Window.To)*3600+far
	return f
}

// starts returns how often the hour occurs: nearly always once.
func (f *filing) starts(h hours.Hour) int {
	if !f.changes {
		return 1
	}
	return len(f.calendar.Starts(h))
}

// rawRow is a row as the report has it. Keys are case-sensitive; of equal ones the last counts.
type rawRow struct {
	date    gjson.Result // the hour in the field tables of the vendor documentation
	day     gjson.Result // the same, in one of its samples
	calls   gjson.Result
	minutes gjson.Result
}

func readRow(row gjson.Result) rawRow {
	var raw rawRow
	row.ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "date":
			raw.date = value
		case "day":
			raw.day = value
		case "calls":
			raw.calls = value
		case "ivr_minutes":
			raw.minutes = value
		}
		return true
	})
	return raw
}

// add files the next row of the report.
func (f *filing) add(content gjson.Result) {
	r := f.report
	if !content.IsObject() {
		r.Undated = true
		r.problem(r.Listed, "it is no object")
		return
	}
	raw := readRow(content)
	field, key := "date", raw.date
	date, ok := textOf(key)
	if day, isText := textOf(raw.day); isText && isPlaceholder(date) {
		field, key, date, ok = "day", raw.day, day, true
	}
	row, reason := f.figures(&raw)
	isZero := reason == "" && row.Calls == 0 && row.Minutes == 0
	if ok && isPlaceholder(date) && isZero {
		f.ignored++
		return
	}
	if ok {
		row.Hour, ok = parseHour(date)
	}
	if !ok {
		r.Undated = true
		r.problem(r.Listed, f.describe(field, key, "hour such as 2026-01-18-19"))
		return
	}
	if reason == "" {
		r.Form.learn(field, date, &raw)
	}
	if !r.Window.Contains(row.Hour) {
		r.Strays++
		f.stray = row.Hour
		return
	}
	f.file(filed{row, content.Raw}, reason, isZero)
}

// file files a row of an hour of the window, or the reason why its figures can't be read.
func (f *filing) file(row filed, reason string, isZero bool) {
	s := &f.slots[row.Hour-f.report.Window.From]
	if reason != "" {
		s.unreadable = true
		f.report.problem(f.report.Listed, reason)
		return
	}
	most := f.starts(row.Hour)
	switch {
	case most == 0 && isZero:
		f.ignored++
	case most == 0:
		f.report.problem(f.report.Listed, fmt.Sprintf("hour %s doesn't exist in %s, where clocks were set forward then", row.Hour, f.calendar.Location))
	case s.count < most:
		s.rows[s.count] = row
		s.count++
	case s.differs || !row.equals(s.rows[most-1]):
		s.unreadable, s.differs = true, true
		f.report.problem(f.report.Listed, fmt.Sprintf("hour %s is listed more than once with different columns", row.Hour))
	}
}

// finish moves what was filed into the report.
func (f *filing) finish() {
	f.report.Rows = make([]Row, 0, min(f.report.Listed, 2*len(f.slots)))
	for i := range f.slots {
		s := &f.slots[i]
		if s.unreadable {
			f.report.UnreadableHours = append(f.report.UnreadableHours, f.report.Window.From+hours.Hour(i))
			continue
		}
		for _, row := range s.rows[:s.count] {
			f.report.Rows = append(f.report.Rows, row.Row)
		}
	}
}

// figures reads calls and minutes; or the reason why they can't be read.
func (f *filing) figures(raw *rawRow) (row Row, reason string) {
	text, ok := textOf(raw.calls)
	if ok {
		row.Calls, ok = parseCalls(text)
	}
	if !ok {
		return Row{}, f.describe("calls", raw.calls, "whole number of calls")
	}
	text, ok = textOf(raw.minutes)
	if ok {
		row.Minutes, ok = parseMinutes(text)
	}
	if !ok {
		return Row{}, f.describe("ivr_minutes", raw.minutes, "number of minutes or HH:MM:SS")
	}
	row.NoMinutes = row.Calls > 0 && isPlaceholder(text)
	return row, ""
}

// describe returns what a field has in place of what is wanted, bounded and without the token.
func (f *filing) describe(field string, v gjson.Result, wanted string) string {
	if !v.Exists() {
		return fmt.Sprintf("field %q is missing", field)
	}
	is := "a boolean"
	switch text, ok := textOf(v); {
	case ok:
		is = Quote(f.redact(text), 40)
	case v.IsObject():
		is = "an object"
	case v.IsArray():
		is = "a list"
	}
	return fmt.Sprintf("field %q is %s, which is no %s", field, is, wanted)
}

// maxCompared bounds the JSON of rows that are compared by their columns, in bytes; longer ones must be equal byte by byte. A hostile
// response could otherwise take long, and much memory.
const maxCompared = 4096

// equals reports whether the rows are the same in every column.
func (r *filed) equals(other filed) bool {
	switch {
	case r.content == other.content:
		return true
	case r.Row != other.Row || len(r.content)+len(other.content) > maxCompared:
		return false
	}
	return reflect.DeepEqual(otherColumns(r.content), otherColumns(other.content))
}

// otherColumns returns the columns of a row except for its figures, which may be written in different ways.
func otherColumns(content string) map[string]any {
	decoder := json.NewDecoder(strings.NewReader(content))
	decoder.UseNumber()
	var columns map[string]any
	if err := decoder.Decode(&columns); err != nil {
		return nil // never, as the body was checked
	}
	delete(columns, "calls")
	delete(columns, "ivr_minutes")
	return columns
}
