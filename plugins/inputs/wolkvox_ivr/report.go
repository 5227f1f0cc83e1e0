package wolkvox_ivr

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxAnswer bounds the bytes of an answer, uncompressed. The API's own limit of 60,000 records (vendor documentation)
// stays below it in every known form; the 744 hours of the longest window take some 50 KB.
const maxAnswer = 8 << 20

// maxValue bounds the bytes of one value in it, such as a row.
const maxValue = 1 << 20

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

	problems   []problem // rows that can't be read, the first maxProblems
	unreadable int       // how many there are

	strays   int         // rows of hours outside the window
	merged   []time.Time // repeated hours that the report lists once: rows has the first, which may stand for both
	unknown  []time.Time // hours with rows that can't be read
	dateless bool        // there are rows whose hour can't be read
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

// errShape says that a body is JSON, but not the report's.
var errShape = errors.New("not the JSON of a report")

// maxText bounds the bytes that are kept of a code or message.
const maxText = 16 << 10

const byteOrderMark = "\ufeff"

// readAnswer reads the body of an answer, whose rows it files under the hours of w. What it quotes of them is without the token.
// It returns an error, and no answer, if the body isn't a whole JSON object in the form of a report.
func readAnswer(body io.Reader, pl *planner, w window, token string) (*answer, error) {
	bounded := &boundedReader{Reader: body, body: maxAnswer, value: maxValue}
	buffered := bufio.NewReader(bounded)
	if start, err := buffered.Peek(len(byteOrderMark)); err == nil && string(start) == byteOrderMark {
		if _, err := buffered.Discard(len(byteOrderMark)); err != nil {
			return nil, err
		}
	}
	return readObject(&decoder{json.NewDecoder(buffered), bounded}, newFiling(pl, w, token))
}

// boundedReader fails where a body is too long, as a whole or in one value.
type boundedReader struct {
	io.Reader
	body, value int // the bytes left
}

func (r *boundedReader) Read(p []byte) (int, error) {
	switch {
	case r.body <= 0:
		return 0, fmt.Errorf("longer than %d MiB", maxAnswer>>20)
	case r.value <= 0:
		return 0, fmt.Errorf("a value or blanks longer than %d MiB", maxValue>>20)
	}
	n, err := r.Reader.Read(p[:min(len(p), r.body, r.value)])
	r.body -= n
	r.value -= n
	return n, err
}

// decoder is a JSON decoder whose values are bounded, since it holds each in memory.
type decoder struct {
	json    *json.Decoder
	bounded *boundedReader
}

func (d *decoder) more() bool {
	return d.json.More()
}

func (d *decoder) token() (json.Token, error) {
	d.bounded.value = maxValue
	return d.json.Token()
}

func (d *decoder) decode(v interface{}) error {
	d.bounded.value = maxValue
	return d.json.Decode(v)
}

func readObject(dec *decoder, f *filing) (*answer, error) {
	if err := expect(dec, json.Delim('{')); err != nil {
		return nil, err
	}
	a := &answer{}
	for dec.more() {
		key, err := dec.token()
		if err != nil {
			return nil, err
		}
		switch name, _ := key.(string); strings.ToLower(name) {
		case "data":
			a.hasData = true
			err = readRows(dec, f, a)
		case "code":
			a.code, err = readText(dec)
		case "error":
			a.failure, err = readText(dec)
		case "msg":
			a.message, err = readText(dec)
		default:
			err = dec.decode(new(json.RawMessage))
		}
		if err != nil {
			return nil, err
		}
	}
	if err := expect(dec, json.Delim('}')); err != nil {
		return nil, err
	}
	switch _, err := dec.token(); {
	case err == nil:
		return nil, errors.New("something follows the JSON")
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	f.finish(a)
	return a, nil
}

func expect(dec *decoder, want json.Delim) error {
	token, err := dec.token()
	if err != nil {
		return err
	}
	if token != want {
		return errShape
	}
	return nil
}

// readText reads a string, a number or null; the string "null" counts as null.
func readText(dec *decoder) (string, error) {
	var v value
	if err := dec.decode(&v); err != nil {
		return "", err
	}
	text, ok := v.text()
	if !ok {
		text = v
	}
	if string(text) == "null" {
		text = nil
	}
	return string(text[:min(len(text), maxText)]), nil
}

func readRows(dec *decoder, f *filing, a *answer) error {
	token, err := dec.token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('['):
	case json.Delim('{'): // an empty list, as some encoders write it
		a.wrongShape = dec.more()
		return skip(dec)
	case nil, "", "null", false: // PHP's ways of saying nothing
		return nil
	default:
		a.wrongShape = true
		return nil
	}

	var raw rawRow
	for position := 1; dec.more(); position++ {
		raw.reset()
		if err := dec.decode(&raw); err != nil {
			var mismatch *json.UnmarshalTypeError
			if !errors.As(err, &mismatch) {
				return err
			}
			a.dateless = true
			a.problem(position, "it is no object")
			continue
		}
		f.file(a, position, &raw)
	}
	return expect(dec, json.Delim(']'))
}

// skip reads to the end of the object or list that has begun.
func skip(dec *decoder) error {
	for depth := 1; depth > 0; {
		token, err := dec.token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
	return nil
}

// rawRow is a row as the report has it.
type rawRow struct {
	Date    value `json:"date"` // the hour's key in the field tables of the vendor documentation
	Day     value `json:"day"`  // the same, in one of its sample answers
	Calls   value `json:"calls"`
	Minutes value `json:"ivr_minutes"`
}

func (r *rawRow) reset() {
	r.Date, r.Day, r.Calls, r.Minutes = r.Date[:0], r.Day[:0], r.Calls[:0], r.Minutes[:0]
}

// value is a JSON value, unread. It is empty where the field is missing.
type value []byte

// UnmarshalJSON keeps a copy, for which it uses the memory of the last one again.
func (v *value) UnmarshalJSON(b []byte) error {
	*v = append((*v)[:0], b...)
	return nil
}

// text returns the text of a string or number, without the blanks around it, and "" for null.
// It returns false for anything else.
func (v value) text() ([]byte, bool) {
	switch {
	case len(v) == 0:
		return nil, false
	case v[0] == '"':
		if bytes.IndexByte(v, '\\') < 0 {
			return bytes.TrimSpace(v[1 : len(v)-1]), true
		}
		var s string
		err := json.Unmarshal(v, &s)
		return []byte(strings.TrimSpace(s)), err == nil
	case string(v) == "null":
		return nil, true
	case v[0] == '-' || v[0] >= '0' && v[0] <= '9':
		return v, true
	}
	return nil, false
}

func isPlaceholder(text string) bool {
	return text == "" || text == "-"
}

// filing files rows under the hours of a window.
type filing struct {
	planner *planner
	token   string
	slots   []slot
	places  map[label]int // of the slots
	next    int           // place of the row that comes next, if the rows are in order
	filled  int           // cells
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

func newFiling(pl *planner, w window, token string) *filing {
	hours := pl.hours(w)
	f := &filing{planner: pl, token: token, slots: make([]slot, 0, len(hours)), places: make(map[label]int, len(hours))}
	cells := make([]cell, len(hours))
	for i, hour := range hours {
		l := pl.label(hour)
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
	if day, isText := raw.Day.text(); isText && isPlaceholder(string(date)) {
		field, key, date, ok = "day", raw.Day, day, true
	}
	calls, minutes, reason := f.figures(raw)
	if ok && isPlaceholder(string(date)) && reason == "" && calls == 0 && minutes == 0 {
		return // a row of nothing but placeholders says nothing
	}
	var l label
	if ok {
		l, ok = parseHour(string(date))
	}
	if !ok {
		a.dateless = true
		a.problem(position, f.describe(field, key, "hour such as 2026-01-18-19"))
		return
	}

	cells := f.find(l)
	if len(cells) == 0 {
		f.outside(a, position, l, calls, minutes)
		return
	}
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
			f.filled++
			return
		}
	}
	if last := &cells[len(cells)-1]; last.calls != calls || last.minutes != minutes {
		last.contradicted = true
		a.problem(position, fmt.Sprintf("hour %s came before with other figures", l))
	}
}

// find returns the hours that the label stands for.
func (f *filing) find(l label) []cell {
	place := f.next
	if place >= len(f.slots) || f.slots[place].label != l {
		var found bool
		if place, found = f.places[l]; !found {
			return nil
		}
	}
	f.next = place + 1
	return f.slots[place].cells
}

// outside deals with a row whose hour isn't in the window: outside of what was asked for it is a part-total.
func (f *filing) outside(a *answer, position int, l label, calls int64, minutes float64) {
	if start := l.time(f.planner.location); f.planner.label(start) == l {
		a.strays++
	} else if calls != 0 || minutes != 0 {
		a.problem(position, fmt.Sprintf("hour %s doesn't exist in %s, where clocks were set forward then", l, f.planner.location))
	}
}

// finish moves the filed rows into the answer, in order of time.
func (f *filing) finish(a *answer) {
	a.rows = slices.Grow(a.rows, f.filled)
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
				a.unknown = append(a.unknown, c.hour)
			}
		}
	}
	slices.SortFunc(a.rows, func(x, y row) int { return x.hour.Compare(y.hour) })
}

// figures reads calls and minutes; a reason says why they can't be read.
func (f *filing) figures(raw *rawRow) (calls int64, minutes float64, reason string) {
	text, ok := raw.Calls.text()
	if ok {
		calls, ok = parseCalls(string(text))
	}
	if !ok {
		return 0, 0, f.describe("calls", raw.Calls, "whole number of calls")
	}
	text, ok = raw.Minutes.text()
	if ok {
		minutes, ok = parseMinutes(string(text))
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
		is = quote(redact(string(text), f.token), 40)
	case v[0] == '{':
		is = "an object"
	case v[0] == '[':
		is = "a list"
	}
	return fmt.Sprintf("field %q is %s, which is no %s", field, is, wanted)
}

// quote returns the text, at most n of its bytes, in quotes and with control characters escaped.
func quote(text string, n int) string {
	if len(text) > n {
		return strconv.Quote(strings.ToValidUTF8(text[:n], "")) + "…"
	}
	return strconv.Quote(text)
}

// bound returns the text, or what fits of it into n bytes.
func bound(text string, n int) string {
	if len(text) > n {
		return strings.ToValidUTF8(text[:n], "") + "…"
	}
	return text
}

// parseHour reads the hour of a date such as 2026011819, 2026-01-18-19 or 2026-01-18 19:34:31: year, month, day and
// hour, with minutes and seconds or without, and -, /, :, T or a blank between any two of them or nothing.
func parseHour(date string) (label, bool) {
	const parts = 6
	var part [parts]int
	rest, n := date, 0
	for ; n < parts && rest != ""; n++ {
		if n > 0 && strings.IndexByte("-/:T ", rest[0]) >= 0 {
			rest = rest[1:]
		}
		width := 2
		if n == 0 {
			width = 4
		}
		if len(rest) < width {
			return 0, false
		}
		for _, digit := range []byte(rest[:width]) {
			if digit < '0' || digit > '9' {
				return 0, false
			}
			part[n] = part[n]*10 + int(digit-'0')
		}
		rest = rest[width:]
	}
	year, month, day, hour, minute, second := part[0], part[1], part[2], part[3], part[4], part[5]
	if rest != "" || n < 4 || year == 0 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) ||
		hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	return label(((year*100+month)*100+day)*100 + hour), true
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

func (l label) String() string {
	return l.time(time.UTC).Format("2006-01-02 15:00")
}

// time returns an instant within the hour in the location, if the location has such an hour.
func (l label) time(location *time.Location) time.Time {
	return time.Date(int(l/1_000_000), time.Month(l/10_000%100), int(l/100%100), int(l%100), 59, 59, 0, location)
}

// parseCalls reads a whole number, which may be written with decimals that are zero, though not with three of them, which
// may be thousands. A placeholder is none.
func parseCalls(text string) (int64, bool) {
	if isPlaceholder(text) {
		return 0, true
	}
	whole, fraction, _ := strings.Cut(strings.Replace(text, ",", ".", 1), ".")
	if !isDigits(whole) || strings.Trim(fraction, "0") != "" || len(fraction) == 3 {
		return 0, false
	}
	calls, err := strconv.ParseInt(whole, 10, 64)
	return calls, err == nil
}

// parseMinutes reads minutes with a decimal point or comma, or a duration HH:MM:SS. A placeholder is none.
func parseMinutes(text string) (float64, bool) {
	if isPlaceholder(text) {
		return 0, true
	}
	if strings.Contains(text, ":") {
		return parseDuration(text)
	}
	text = strings.Replace(text, ",", ".", 1)
	whole, fraction, decimals := strings.Cut(text, ".")
	if !isDigits(whole) || decimals && !isDigits(fraction) {
		return 0, false
	}
	minutes, err := strconv.ParseFloat(text, 64)
	return minutes, err == nil
}

// parseDuration reads the minutes of HH:MM:SS.
func parseDuration(text string) (float64, bool) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return 0, false
	}
	hours, err := strconv.ParseUint(parts[0], 10, 32)
	minutes, okMinutes := parseSixty(parts[1])
	seconds, okSeconds := parseSixty(parts[2])
	return float64(hours)*60 + minutes + seconds/60, err == nil && okMinutes && okSeconds
}

// parseSixty reads two digits below 60.
func parseSixty(text string) (float64, bool) {
	if len(text) != 2 || !isDigits(text) || text[0] > '5' {
		return 0, false
	}
	return float64(text[0]-'0')*10 + float64(text[1]-'0'), true
}

func isDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}
