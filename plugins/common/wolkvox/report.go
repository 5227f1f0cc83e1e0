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

const (
	maxProblems = 5
	// maxRows is how many rows a report has at most (vendor documentation).
	maxRows = 60_000
)

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

	if !e.hasRows() {
		return &Report{Window: w, Time: r.Time()}, nil
	}
	isDecimal := c.decimalComma.Load()
	f := c.file(r, e, w, isDecimal, false)
	decided, refusesPoints := f.commas.areDecimal(isDecimal), f.commas.refusesPoints(isDecimal)
	c.decimalComma.Store(decided)
	if decided != isDecimal && f.commas.areAmbiguous || refusesPoints {
		f = c.file(r, e, w, decided, refusesPoints)
	}
	report := f.report
	switch {
	case report.Listed > maxRows:
		return nil, r.newFailure(FailedResponse, fmt.Sprintf("more than %d rows", maxRows))
	case f.isDateless && w.From.Of()+w.Hours() > hours.Day:
		return nil, r.newFailure(FailedResponse, "its rows have an hour without a date, which can be read only in windows of one day")
	case report.Unreadable > 0 && len(report.Rows)+report.Strays+f.ignored == 0:
		p := report.Problems[0]
		return nil, r.newFailure(FailedResponse, fmt.Sprintf("none of its %d row(s) can be read, for example row %d: %s", report.Listed, p.Position, p.Reason))
	case len(report.Rows)+report.Unreadable == 0 && report.Strays > 0:
		return nil, r.newFailure(FailedResponse, fmt.Sprintf("all of its %d row(s) are for hours that were not requested, such as %s", report.Strays, f.stray))
	}
	return report, nil
}

// file sorts the rows of a response by the hours of w. A comma in minutes that may mean thousands is decimal if isDecimal, else refused; a
// point is decimal unless refusesPoints.
func (c *Client) file(r *Response, e *envelope, w hours.Window, isDecimal, refusesPoints bool) *filing {
	f := newFiling(c.Calendar, &Report{Window: w, Time: r.Time()})
	f.isDecimal, f.refusesPoints = isDecimal, refusesPoints
	e.eachRow(func(row gjson.Result) bool {
		f.report.Listed++
		f.add(row)
		return f.report.Listed <= maxRows
	})
	f.finish()
	return f
}

// filing sorts rows by the hours of a window.
type filing struct {
	report        *Report
	calendar      hours.Calendar
	changes       bool       // the clock changes within the window or near it
	slots         []slot     // one for each hour of the window
	stray         hours.Hour // the last one
	ignored       int        // rows of nothing but placeholders, and zeros of hours that the clock skips
	isDateless    bool       // there are rows of an hour without a date: it is taken as one of the window's first day
	isDecimal     bool       // how to read a comma in minutes that may mean thousands
	refusesPoints bool       // that may mean thousands
	commas        commas
	compared      int // bytes of rows
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

func newFiling(calendar hours.Calendar, report *Report) *filing {
	f := &filing{report: report, calendar: calendar, slots: make([]slot, report.Window.Hours())}
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
	hour    gjson.Result // the hour of the day, with or without a date beside it (seen in public clients of sibling reports)
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
		case "hour":
			raw.hour = value
		case "calls":
			raw.calls = value
		case "ivr_minutes":
			raw.minutes = value
		}
		return true
	})
	return raw
}

// isLabelled reports whether the row has something to name its hour.
func (raw *rawRow) isLabelled() bool {
	return raw.date.Exists() || raw.day.Exists() || raw.hour.Exists()
}

// isWhole reports whether an object is a row: it has all of its columns.
func (raw *rawRow) isWhole() bool {
	_, hasCalls := textOf(raw.calls)
	_, hasMinutes := textOf(raw.minutes)
	return hasCalls && hasMinutes && raw.isLabelled()
}

// label is what names the hour of a row.
type label struct {
	field  string // "date", "day", or "hour" where there is no date
	value  gjson.Result
	text   string // of the value
	isText bool   // the value has one
	clock  string // of the field "hour" beside a date
}

func labelOf(raw *rawRow) label {
	l := label{field: "date", value: raw.date}
	l.text, l.isText = textOf(raw.date)
	if day, isText := textOf(raw.day); isText && isPlaceholder(l.text) {
		l.field, l.value, l.text, l.isText = "day", raw.day, day, true
	}
	clock, _ := textOf(raw.hour)
	switch {
	case isPlaceholder(clock):
	case l.isText && !isPlaceholder(l.text):
		l.clock = clock
	case l.isText || !l.value.Exists():
		l.field, l.value, l.text, l.isText = "hour", raw.hour, clock, true
	}
	return l
}

// hourOf reads the hour of a row; or the reason why it can't be read.
func (f *filing) hourOf(l *label) (hour hours.Hour, reason string) {
	if l.field == "hour" {
		of, ok := parseClock(l.text)
		if !ok {
			return 0, f.describe(l.field, l.value, "an hour of the day such as 08 or 08:00")
		}
		f.isDateless = true
		from := f.report.Window.From
		return from - hours.Hour(from.Of()-of), ""
	}
	hour, ok := parseHour(l.text)
	if l.clock != "" {
		of, isClock := parseClock(l.clock)
		switch {
		case ok && isClock && of != hour.Of():
			return 0, f.describe(l.field, l.value, "an hour that agrees with "+Quote(l.clock, maxClock)+` in field "hour"`)
		case ok: // it needs no other
			l.clock = ""
		case isClock:
			hour, ok = parseHour(l.text + " 00") // a date alone
			hour += hours.Hour(of)
		}
	}
	if !l.isText || !ok {
		return 0, f.describe(l.field, l.value, "an hour such as 2026-01-18-19")
	}
	return hour, ""
}

// maxClock bounds a quoted hour of the day.
const maxClock = 10

// add files the next row of the report.
func (f *filing) add(content gjson.Result) {
	r := f.report
	if !content.IsObject() {
		r.Undated = true
		r.problem(r.Listed, "it is not an object")
		return
	}
	raw := readRow(content)
	l := labelOf(&raw)
	row, reason := f.figures(&raw)
	isZero := reason == "" && row.Calls == 0 && row.Minutes == 0
	if l.isText && isPlaceholder(l.text) && isZero {
		f.ignored++
		return
	}
	hour, unreadable := f.hourOf(&l)
	if unreadable != "" {
		r.Undated = true
		r.problem(r.Listed, unreadable)
		return
	}
	row.Hour = hour
	if reason == "" {
		r.Form.learn(&l, &raw)
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
		f.report.problem(f.report.Listed, fmt.Sprintf("hour %s does not exist in %s: clocks were set forward", row.Hour, f.calendar.Location))
	case s.count < most:
		s.rows[s.count] = row
		s.count++
	case s.differs || !f.areEqual(row, s.rows[most-1]):
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
	calls, ok := textOf(raw.calls)
	if ok {
		row.Calls, ok = parseCalls(calls)
	}
	text, isText := textOf(raw.minutes)
	f.commas.see(text, row.Calls)
	if !ok {
		f.commas.seeCalls(calls)
		return Row{}, f.describe("calls", raw.calls, "a whole number of calls")
	}
	if isText {
		row.Minutes, isText = parseMinutes(text, f.isDecimal)
		isText = isText && !(f.refusesPoints && isPointOfThousands(text))
	}
	if !isText {
		return Row{}, f.describe("ivr_minutes", raw.minutes, "a number of minutes or HH:MM:SS")
	}
	row.NoMinutes = row.Calls > 0 && isPlaceholder(text)
	return row, ""
}

// describe returns what a field has in place of what is wanted, bounded and without the token.
func (f *filing) describe(field string, v gjson.Result, wanted string) string {
	if len(f.report.Problems) == maxProblems { // no more are logged
		return "like the rows before"
	}
	if !v.Exists() {
		return fmt.Sprintf("field %q is missing", field)
	}
	is := "a boolean"
	switch text, ok := textOf(v); {
	case ok:
		is = Quote(text, 40)
	case v.IsObject():
		is = "an object"
	case v.IsArray():
		is = "a list"
	}
	return fmt.Sprintf("field %q is %s, expected %s", field, is, wanted)
}

// maxCompared bounds the JSON of the rows of a report that are compared by their columns, in bytes: a month that is listed twice has half
// of it. All others must be equal byte by byte. A hostile response could otherwise take long, and much memory.
const maxCompared = 256 << 10

// areEqual reports whether the rows are the same in every column.
func (f *filing) areEqual(a, b filed) bool {
	if a.content == b.content || a.Row != b.Row {
		return a.content == b.content
	}
	if f.compared += len(a.content) + len(b.content); f.compared > maxCompared {
		return false
	}
	return reflect.DeepEqual(otherColumns(a.content), otherColumns(b.content))
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
