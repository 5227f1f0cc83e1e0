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

// Report is what a response shows for the requested hours.
type Report struct {
	Window hours.Window
	Time   time.Time // the API's time, see Response.Time

	Rows   []Row // by hour, one per hour; up to two if the clock repeats the hour, in the order of the report
	Listed int   // all rows of the response
	Strays int   // rows for hours outside the window, ignored
	Form   Form  // of the readable rows

	Problems        []Problem    // the first 5 unreadable rows
	Unreadable      int          // unreadable rows
	UnreadableHours []hours.Hour // hours of the window with an unreadable row, in order; they have no Row
	Undated         bool         // some row has an unreadable hour, so it may belong to any hour
}

// Row has the figures of one hour.
type Row struct {
	Hour hours.Hour
	hours.Figures
	NoMinutes bool // there are calls, but "", "-" or null instead of minutes
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
	// maxRows is the most rows of a report (vendor documentation).
	maxRows = 60_000
)

func (r *Report) addProblem(position int, reason string) {
	r.Unreadable++
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, Problem{position, reason})
	}
}

// Parse parses a response as the report for the hours of w. The error is a *Failure if status, code or texts indicate one, or if the body
// isn't a report, has too many rows or none that can be read, has only rows for other hours, or has hours without a date for a window of
// several days.
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
	b := c.build(r, e, w, isDecimal, false)
	decided, refusesPoints := b.commas.areCommasDecimal(isDecimal), b.commas.arePointsAmbiguous(isDecimal)
	c.decimalComma.Store(decided)
	if decided != isDecimal && b.commas.hasAmbiguous || refusesPoints {
		b = c.build(r, e, w, decided, refusesPoints)
	}
	report := b.report
	switch {
	case report.Listed > maxRows:
		return nil, r.newFailure(FailedResponse, fmt.Sprintf("more than %d rows", maxRows))
	case b.lacksDates && w.From.OfDay()+w.Hours() > hours.Day:
		return nil, r.newFailure(FailedResponse, "its rows have an hour without a date, which can be read only in windows of one day")
	case report.Unreadable > 0 && len(report.Rows)+report.Strays+b.ignored == 0:
		p := report.Problems[0]
		return nil, r.newFailure(FailedResponse, fmt.Sprintf("none of its %d row(s) can be read, for example row %d: %s", report.Listed, p.Position, p.Reason))
	case len(report.Rows)+report.Unreadable == 0 && report.Strays > 0:
		return nil, r.newFailure(FailedResponse, fmt.Sprintf("all of its %d row(s) are for hours that were not requested, such as %s", report.Strays, b.stray))
	}
	return report, nil
}

// build sorts the rows of a response by hour. An ambiguous comma in minutes, which may separate thousands, is decimal if isDecimal, else
// refused; an ambiguous point is decimal unless refusesPoints.
func (c *Client) build(r *Response, e *envelope, w hours.Window, isDecimal, refusesPoints bool) *reportBuilder {
	b := newReportBuilder(c.Calendar, &Report{Window: w, Time: r.Time()})
	b.isDecimal, b.refusesPoints = isDecimal, refusesPoints
	e.eachRow(func(row gjson.Result) bool {
		b.report.Listed++
		b.add(row)
		return b.report.Listed <= maxRows
	})
	b.finish()
	return b
}

// reportBuilder builds a report from rows in any order.
type reportBuilder struct {
	report         *Report
	calendar       hours.Calendar
	hasClockChange bool       // the clock changes in or near the window
	byHour         []hourRows // one per hour of the window
	stray          hours.Hour // hour of the last stray row
	ignored        int        // rows of placeholders, and zeros for hours that the clock skips
	lacksDates     bool       // some rows have an hour without a date, read as an hour of the window's first day
	isDecimal      bool       // ambiguous commas in minutes are decimal
	refusesPoints  bool       // ambiguous points in minutes can't be read
	commas         commaEvidence
	compared       int // bytes of rows compared by columns
}

// hourRows holds the rows of one hour.
type hourRows struct {
	rows       [2]listedRow
	count      int
	unreadable bool
	conflict   bool // there are more different rows than the hour can have
}

// listedRow is a row with its JSON, for comparison with other rows of the hour.
type listedRow struct {
	Row
	content string
}

func newReportBuilder(calendar hours.Calendar, report *Report) *reportBuilder {
	b := &reportBuilder{report: report, calendar: calendar, byHour: make([]hourRows, report.Window.Hours())}
	// Two days exceed every UTC offset and every clock change.
	const far = 48 * 60 * 60
	_, change := time.Unix(int64(report.Window.From)*3600-far, 0).In(calendar.Location).ZoneBounds()
	b.hasClockChange = !change.IsZero() && change.Unix() < int64(report.Window.To)*3600+far
	return b
}

// occurrences returns how often the hour occurs: once, except at clock changes.
func (b *reportBuilder) occurrences(h hours.Hour) int {
	if !b.hasClockChange {
		return 1
	}
	return len(b.calendar.Starts(h))
}

// rawRow is a row as listed in the report. Keys are case-sensitive, and the last of duplicate keys counts.
type rawRow struct {
	date    gjson.Result // the hour, according to the field tables of the vendor documentation
	day     gjson.Result // the hour, according to a sample in the vendor documentation
	hour    gjson.Result // the hour of the day, with or without a date in another field (seen in public clients of sibling reports)
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

// isLabelled reports whether the row has a field for its hour.
func (raw *rawRow) isLabelled() bool {
	return raw.date.Exists() || raw.day.Exists() || raw.hour.Exists()
}

// isComplete reports whether the row has calls, minutes and a field for its hour.
func (raw *rawRow) isComplete() bool {
	_, hasCalls := textOf(raw.calls)
	_, hasMinutes := textOf(raw.minutes)
	return hasCalls && hasMinutes && raw.isLabelled()
}

// label is the field, or pair of fields, that identifies the hour of a row.
type label struct {
	field  string // "date", "day", or "hour" if there is no date
	value  gjson.Result
	text   string // of the value
	isText bool   // the value is a string, number or null
	clock  string // text of the field "hour" if there is also a date
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

// hourOf parses the hour of a row, or returns the reason why it can't.
func (b *reportBuilder) hourOf(l *label) (hour hours.Hour, reason string) {
	if l.field == "hour" {
		of, ok := parseClock(l.text)
		if !ok {
			return 0, b.describe(l.field, l.value, "an hour of the day such as 08 or 08:00")
		}
		b.lacksDates = true
		from := b.report.Window.From
		return from - hours.Hour(from.OfDay()-of), ""
	}
	hour, ok := parseHour(l.text)
	if l.clock != "" {
		of, isClock := parseClock(l.clock)
		switch {
		case ok && isClock && of != hour.OfDay():
			return 0, b.describe(l.field, l.value, "an hour that agrees with "+Quote(l.clock, maxClock)+` in field "hour"`)
		case ok: // the date includes the hour
			l.clock = ""
		case isClock:
			hour, ok = parseHour(l.text + " 00") // a date without an hour
			hour += hours.Hour(of)
		}
	}
	if !l.isText || !ok {
		return 0, b.describe(l.field, l.value, "an hour such as 2026-01-18-19")
	}
	return hour, ""
}

// maxClock is the most bytes of an hour of the day that are quoted.
const maxClock = 10

// add adds the next row of the response.
func (b *reportBuilder) add(content gjson.Result) {
	r := b.report
	if !content.IsObject() {
		r.Undated = true
		r.addProblem(r.Listed, "it is not an object")
		return
	}
	raw := readRow(content)
	l := labelOf(&raw)
	row, reason := b.figures(&raw)
	isZero := reason == "" && row.Calls == 0 && row.Minutes == 0
	if l.isText && isPlaceholder(l.text) && isZero {
		b.ignored++
		return
	}
	hour, unreadable := b.hourOf(&l)
	if unreadable != "" {
		r.Undated = true
		r.addProblem(r.Listed, unreadable)
		return
	}
	row.Hour = hour
	if reason == "" {
		r.Form.learn(&l, &raw)
	}
	if !r.Window.Contains(row.Hour) {
		r.Strays++
		b.stray = row.Hour
		return
	}
	b.addToHour(listedRow{row, content.Raw}, reason, isZero)
}

// addToHour adds a row to its hour, which must be in the window. reason is why its figures can't be read, or "".
func (b *reportBuilder) addToHour(row listedRow, reason string, isZero bool) {
	s := &b.byHour[row.Hour-b.report.Window.From]
	if reason != "" {
		s.unreadable = true
		b.report.addProblem(b.report.Listed, reason)
		return
	}
	occurrences := b.occurrences(row.Hour)
	switch {
	case occurrences == 0 && isZero:
		b.ignored++
	case occurrences == 0:
		b.report.addProblem(b.report.Listed, fmt.Sprintf("hour %s does not exist in %s: clocks were set forward", row.Hour, b.calendar.Location))
	case s.count < occurrences:
		s.rows[s.count] = row
		s.count++
	case s.conflict || !b.areEqual(row, s.rows[occurrences-1]):
		s.unreadable, s.conflict = true, true
		b.report.addProblem(b.report.Listed, fmt.Sprintf("hour %s is listed more than once with different columns", row.Hour))
	}
}

// finish moves the rows into the report.
func (b *reportBuilder) finish() {
	b.report.Rows = make([]Row, 0, min(b.report.Listed, 2*len(b.byHour)))
	for i := range b.byHour {
		s := &b.byHour[i]
		if s.unreadable {
			b.report.UnreadableHours = append(b.report.UnreadableHours, b.report.Window.From+hours.Hour(i))
			continue
		}
		for _, row := range s.rows[:s.count] {
			b.report.Rows = append(b.report.Rows, row.Row)
		}
	}
}

// figures parses calls and minutes, or returns the reason why it can't.
func (b *reportBuilder) figures(raw *rawRow) (row Row, reason string) {
	calls, ok := textOf(raw.calls)
	if ok {
		row.Calls, ok = parseCalls(calls)
	}
	text, isText := textOf(raw.minutes)
	b.commas.add(text, row.Calls)
	if !ok {
		b.commas.addUnreadableCalls(calls)
		return Row{}, b.describe("calls", raw.calls, "a whole number of calls")
	}
	if isText {
		row.Minutes, isText = parseMinutes(text, b.isDecimal)
		isText = isText && !(b.refusesPoints && mayHaveThousandsPoint(text))
	}
	if !isText {
		return Row{}, b.describe("ivr_minutes", raw.minutes, "a number of minutes or HH:MM:SS")
	}
	row.NoMinutes = row.Calls > 0 && isPlaceholder(text)
	return row, ""
}

// describe returns the reason why a field can't be read: its value, cut and without the token, and the expected format.
func (b *reportBuilder) describe(field string, v gjson.Result, wanted string) string {
	if len(b.report.Problems) == maxProblems { // further problems aren't kept
		return "it has the same kinds of problems as earlier rows"
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

// maxCompared is how many bytes of JSON are compared column by column per report, twice the size of a month listed twice. Further
// rows must be identical byte by byte. Otherwise a hostile response could take much time and memory.
const maxCompared = 256 << 10

// areEqual reports whether the rows agree in every column.
func (b *reportBuilder) areEqual(x, y listedRow) bool {
	if x.content == y.content || x.Row != y.Row {
		return x.content == y.content
	}
	if b.compared += len(x.content) + len(y.content); b.compared > maxCompared {
		return false
	}
	return reflect.DeepEqual(otherColumns(x.content), otherColumns(y.content))
}

// otherColumns returns the columns of a row without its figures, which may be written in different ways.
func otherColumns(content string) map[string]any {
	decoder := json.NewDecoder(strings.NewReader(content))
	decoder.UseNumber()
	var columns map[string]any
	if err := decoder.Decode(&columns); err != nil {
		return nil // never happens, because the body was checked
	}
	delete(columns, "calls")
	delete(columns, "ivr_minutes")
	return columns
}
