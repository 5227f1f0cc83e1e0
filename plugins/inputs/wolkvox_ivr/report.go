package wolkvox_ivr

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// maxAnswer bounds the bytes of an answer, uncompressed. The API's own limit of 60,000 records (vendor documentation)
// stays below it in every known form; the 744 hours of the longest window take some 50 KB.
const maxAnswer = 8 << 20

// row is the total of one hour.
type row struct {
	hour    time.Time // the instant at which the hour began
	calls   int64
	minutes float64
}

// answer is what the API said to one request.
type answer struct {
	code       string // of the body: "200", "403", … or "" where it has none
	failure    string // the body's error
	message    string // the body's msg
	hasData    bool   // the body has data, be it null
	wrongShape bool   // the data is neither a list of rows nor nothing
	rows       []row  // in order of time, each hour once
	listed     int    // rows of the report, of whatever hours

	problems   []problem // rows that can't be read, the first maxProblems
	unreadable int       // how many there are

	strays   int         // rows of hours outside the window
	stray    label       // one of them
	merged   []time.Time // repeated hours that the report lists once: rows has the first, which may stand for both
	unknown  []time.Time // hours with rows that can't be read
	dateless bool        // there are rows whose hour can't be read

	form form // of the rows that can be read
}

// maxProblems bounds how many unreadable rows of one answer are described.
const maxProblems = 5

// problem is a row that can't be read.
type problem struct {
	position int    // from 1
	reason   string // with the field and its value
}

func (p problem) Error() string {
	return fmt.Sprintf("row %d can't be read: %s", p.position, p.reason)
}

func (a *answer) problem(position int, reason string) {
	a.unreadable++
	if len(a.problems) < maxProblems {
		a.problems = append(a.problems, problem{position, reason})
	}
}

var (
	errShape    = errors.New("not the JSON of a report")
	errCutShort = errors.New("empty or cut short")
	errTooLong  = fmt.Errorf("longer than %d MiB", maxAnswer>>20)
)

const byteOrderMark = "\ufeff"

// envelope is what the rows come in. Numbers may be strings, and strings numbers or null.
type envelope struct {
	Code    value `json:"code"`
	Error   value `json:"error"`
	Message value `json:"msg"`
	Data    value `json:"data"`
}

// readAnswer reads the body of an answer, whose rows it files under the hours of w. What it quotes of them is without the token.
// It returns an error, and no answer, if the body isn't a whole JSON object in the form of a report.
func readAnswer(body io.Reader, c calendar, w window, token string) (*answer, error) {
	content, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, err
	case len(content) > maxAnswer:
		return nil, errTooLong
	}
	content = bytes.TrimSpace(bytes.TrimPrefix(content, []byte(byteOrderMark)))
	if len(content) == 0 {
		return nil, errCutShort
	}

	var e envelope
	if err := unmarshal(content, &e); err != nil {
		return nil, err
	}
	if content[0] != '{' {
		return nil, errShape
	}
	a := &answer{code: e.Code.said(), failure: e.Error.said(), message: e.Message.said(), hasData: len(e.Data) > 0}
	if e.Error.isNothing() {
		a.failure = ""
	}
	if strings.EqualFold(a.message, "null") {
		a.message = ""
	}
	var rows []value
	switch {
	case e.Data.isNothing():
	case e.Data[0] == '[':
		if err := unmarshal(e.Data, &rows); err != nil {
			return nil, err
		}
	default:
		a.wrongShape = true
	}
	a.listed = len(rows)
	f := newFiling(c, w, token)
	for i, content := range rows {
		var raw rawRow
		if len(content) == 0 || content[0] != '{' || json.Unmarshal(content, &raw) != nil {
			a.dateless = true
			a.problem(i+1, "it is no object")
			continue
		}
		f.file(a, i+1, &raw)
	}
	f.finish(a)
	return a, nil
}

// unmarshal is json.Unmarshal with errors that say what it means for a report.
func unmarshal(content []byte, target interface{}) error {
	err := json.Unmarshal(content, target)
	var syntax *json.SyntaxError
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax) && syntax.Offset >= int64(len(content)) && strings.HasPrefix(syntax.Error(), "unexpected end"):
		return errCutShort
	case errors.As(err, &mismatch):
		return errShape
	}
	return err
}

// said returns the text of a code or message: that of a string or number, and the JSON of anything else.
func (v value) said() string {
	if text, ok := v.text(); ok {
		return text
	}
	return string(v)
}

// rawRow is a row as the report has it.
type rawRow struct {
	Date    value `json:"date"` // the hour's key in the field tables of the vendor documentation
	Day     value `json:"day"`  // the same, in one of its sample answers
	Calls   value `json:"calls"`
	Minutes value `json:"ivr_minutes"`
}

// filing files rows under the hours of a window.
type filing struct {
	calendar
	token  string
	slots  []slot
	places map[label]int // of the slots
}

// slot is a local hour as the report names it, with the hours of the window that it stands for.
type slot struct {
	label label
	cells []cell
}

// cell is an hour of the window and its row.
type cell struct {
	row
	filled, contradicted bool
}

func newFiling(c calendar, w window, token string) *filing {
	hours := c.hours(w)
	f := &filing{calendar: c, token: token, slots: make([]slot, 0, len(hours)), places: make(map[label]int, len(hours))}
	cells := make([]cell, len(hours))
	for i, hour := range hours {
		l := c.label(hour)
		cells[i].hour = hour
		if place, repeated := f.places[l]; repeated {
			f.slots[place].cells = append(f.slots[place].cells, cells[i])
			continue
		}
		f.places[l] = len(f.slots)
		f.slots = append(f.slots, slot{l, cells[i : i+1 : i+1]})
	}
	return f
}

// file adds a row to the answer, or says why it can't be read.
func (f *filing) file(a *answer, position int, raw *rawRow) {
	field, key := "date", raw.Date
	date, ok := key.text()
	if day, isText := raw.Day.text(); isText && isPlaceholder(date) {
		field, key, date, ok = "day", raw.Day, day, true
	}
	calls, minutes, reason := f.figures(raw)
	if ok && isPlaceholder(date) && reason == "" && calls == 0 && minutes == 0 {
		return // a row of nothing but placeholders says nothing
	}
	var l label
	if ok {
		l, ok = parseHour(date)
	}
	if !ok {
		a.dateless = true
		a.problem(position, f.describe(field, key, "hour such as 2026-01-18-19"))
		return
	}

	if reason == "" {
		a.form = a.form.or(formOf(field, date, raw))
	}
	place, found := f.places[l]
	if !found {
		f.outside(a, position, l, calls, minutes)
		return
	}
	cells := f.slots[place].cells
	if reason != "" {
		for i := range cells {
			cells[i].contradicted = true
		}
		a.problem(position, reason)
		return
	}
	for i := range cells {
		if !cells[i].filled {
			cells[i].filled, cells[i].calls, cells[i].minutes = true, calls, minutes
			return
		}
	}
	if last := &cells[len(cells)-1]; last.calls != calls || last.minutes != minutes {
		last.contradicted = true
		a.problem(position, fmt.Sprintf("hour %s came before with other figures", l))
	}
}

// outside deals with a row whose hour isn't in the window: outside of what was asked for it is a part-total.
func (f *filing) outside(a *answer, position int, l label, calls int64, minutes float64) {
	if start := l.time(f.location); f.label(start) == l {
		a.strays++
		a.stray = l
	} else if calls != 0 || minutes != 0 {
		a.problem(position, fmt.Sprintf("hour %s doesn't exist in %s, where clocks were set forward then", l, f.location))
	}
}

// finish moves the filed rows into the answer, in order of time.
func (f *filing) finish(a *answer) {
	for _, s := range f.slots {
		cells := s.cells
		for i, c := range cells {
			switch {
			case c.contradicted:
				a.unknown = append(a.unknown, c.hour)
			case c.filled:
				a.rows = append(a.rows, c.row)
			case i > 0 && cells[0].filled:
				a.merged = append(a.merged, cells[0].hour)
			}
		}
	}
	slices.SortFunc(a.rows, func(x, y row) int { return x.hour.Compare(y.hour) })
}

// figures reads calls and minutes; a reason says why they can't be read.
func (f *filing) figures(raw *rawRow) (calls int64, minutes float64, reason string) {
	text, ok := raw.Calls.text()
	if ok {
		calls, ok = parseCalls(text)
	}
	if !ok {
		return 0, 0, f.describe("calls", raw.Calls, "whole number of calls")
	}
	text, ok = raw.Minutes.text()
	if ok {
		minutes, ok = parseMinutes(text)
	}
	if !ok {
		return 0, 0, f.describe("ivr_minutes", raw.Minutes, "number of minutes or HH:MM:SS")
	}
	return calls, minutes, ""
}

// describe says what a field holds in place of what is wanted, bounded and without the token, which a server may send back.
func (f *filing) describe(field string, v value, wanted string) string {
	if len(v) == 0 {
		return fmt.Sprintf("field %q is missing", field)
	}
	is := "a boolean"
	switch text, ok := v.text(); {
	case ok:
		is = quote(redact(text, f.token), 40)
	case v[0] == '{':
		is = "an object"
	case v[0] == '[':
		is = "a list"
	}
	return fmt.Sprintf("field %q is %s, which is no %s", field, is, wanted)
}

// shows returns what the answer shows of the window that was asked for at now.
func (a *answer) shows(w window, now time.Time) *answered {
	shown := &answered{window: w, unknown: a.unknown, anyHour: a.dateless, listed: a.listed, rows: make([]time.Time, 0, len(a.rows))}
	for _, r := range a.rows {
		shown.rows = append(shown.rows, r.hour)
		if r.calls > 0 {
			shown.newest = r.hour
			shown.hasFuture = shown.hasFuture || r.hour.Sub(now) > slowClock
		}
	}
	return shown
}
