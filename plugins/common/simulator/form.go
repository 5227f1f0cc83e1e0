package simulator

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Form describes how an operation's responses are written. It covers all forms that the vendor documents or that public
// clients have seen. The zero value is the first form in the documentation. Except for Layout and the bools, each field
// is one of the words in its comment.
type Form struct {
	Code  string // "number" (default): 200; "string": "200"; "blank": ""
	Error string // without an error: "null" (default): null; "empty": ""; "word": "null"
	Msg   string // "english" (default): "3 records were found"; "miscounted": with a wrong count; "indented": with a leading blank; "spanish"

	Data        string // the rows in data: "list" (default); "row": a single row without a list; "index": an object by index; "index-1": the same from 1
	Key         string // key of a row's hour: "date" (default); "day"; "hour": "08:00" without a date; "date-hour": only a date in "date", "08" in "hour"
	Layout      string // format of a row's hour for package time; default "2006010215"
	NumericDate bool   // the hour is a JSON number if it is all digits or without a date

	Numbers bool // calls and minutes are JSON numbers, not strings
	Comma   bool // minutes have a decimal comma, and are always a string
	Clock   bool // minutes are HH:MM:SS, rounded to the second, and are always a string

	EmptyHours string // hours without calls: "omitted" (default), or listed with "zeros", "empty" "", "blank" " ", "dash" "-", or "null"
	Stray      bool   // adds a row with a partial total for the hour before the window

	NoRecords string // a response without rows: "refused" (default): 404 "Validate dates entered"; "empty": 200 and []; "null": 200 and null

	Text      string // the field with an error's text: "both" (default), "error", or "msg"
	MixedCase bool   // an error's text is not in upper case
}

// check returns an error about the first invalid field.
func (f Form) check() error {
	for _, field := range []struct {
		name, value string
		words       []string
	}{
		{"Code", f.Code, []string{"number", "string", "blank"}},
		{"Error", f.Error, []string{"null", "empty", "word"}},
		{"Msg", f.Msg, []string{"english", "miscounted", "indented", "spanish"}},
		{"Data", f.Data, []string{"list", "row", "index", "index-1"}},
		{"Key", f.Key, []string{"date", "day", "hour", "date-hour"}},
		{"EmptyHours", f.EmptyHours, []string{"omitted", "zeros", "empty", "blank", "dash", "null"}},
		{"NoRecords", f.NoRecords, []string{"refused", "empty", "null"}},
		{"Text", f.Text, []string{"both", "error", "msg"}},
	} {
		if field.value != "" && !slices.Contains(field.words, field.value) {
			return fmt.Errorf("form: %s must be one of %s, not %q", field.name, strings.Join(field.words, ", "), field.value)
		}
	}
	example := time.Date(2026, 11, 22, 13, 0, 0, 0, time.UTC)
	if read, err := time.Parse(f.layout(), example.Format(f.layout())); err != nil || !read.Equal(example) {
		return fmt.Errorf("form: layout %q does not specify year, month, day and hour", f.Layout)
	}
	return nil
}

func (f Form) layout() string {
	if f.Layout == "" {
		return "2006010215"
	}
	return f.Layout
}

// Preset is a form with a name.
type Preset struct {
	Name string
	Help string // how it differs from the default
	Form Form
}

// Presets returns one form for each documented variation, starting with the default.
func Presets() []Preset {
	return []Preset{
		{"default", "as documented", Form{}},
		{"code-string", `code is "200"`, Form{Code: "string"}},
		{"code-blank", `code is ""`, Form{Code: "blank"}},
		{"error-empty", `error is ""`, Form{Error: "empty"}},
		{"error-word", `error is "null"`, Form{Error: "word"}},
		{"msg-miscounted", "msg has a wrong count", Form{Msg: "miscounted"}},
		{"msg-indented", "msg has a leading space", Form{Msg: "indented"}},
		{"msg-spanish", "msg is in Spanish", Form{Msg: "spanish"}},
		{"day", "the hour's key is \"day\"", Form{Key: "day"}},
		{"hour", "08:00 without a date", Form{Key: "hour"}},
		{"hour-number", "8 as a number without a date", Form{Key: "hour", NumericDate: true}},
		{"date-hour", "date and hour have separate keys", Form{Key: "date-hour"}},
		{"date-dashes", "2026-01-18-19", Form{Layout: "2006-01-02-15"}},
		{"date-blank", "2026-01-18 19", Form{Layout: "2006-01-02 15"}},
		{"date-minutes", "2026-01-18 19:00", Form{Layout: "2006-01-02 15:04"}},
		{"date-seconds", "2026-01-18 19:00:00", Form{Layout: "2006-01-02 15:04:05"}},
		{"date-slashes", "2026/01/18 19:00:00", Form{Layout: "2006/01/02 15:04:05"}},
		{"date-t", "2026-01-18T19:00:00", Form{Layout: "2006-01-02T15:04:05"}},
		{"date-digits", "20260118190000", Form{Layout: "20060102150405"}},
		{"date-number", "2026011819 as a number", Form{NumericDate: true}},
		{"data-row", "a single row is not in a list", Form{Data: "row"}},
		{"data-index", "rows are keyed by index", Form{Data: "index"}},
		{"data-index-1", "rows are keyed by index, from 1", Form{Data: "index-1"}},
		{"numbers", "calls and minutes are numbers", Form{Numbers: true}},
		{"comma", "minutes have a decimal comma", Form{Comma: true}},
		{"clock", "minutes are HH:MM:SS", Form{Clock: true}},
		{"hours-zeros", "empty hours are zeros", Form{EmptyHours: "zeros"}},
		{"hours-zero-numbers", "empty hours are zeros, and figures are numbers", Form{EmptyHours: "zeros", Numbers: true}},
		{"hours-empty", `empty hours are ""`, Form{EmptyHours: "empty"}},
		{"hours-blank", `empty hours are " "`, Form{EmptyHours: "blank"}},
		{"hours-dash", `empty hours are "-"`, Form{EmptyHours: "dash"}},
		{"hours-null", "empty hours are null", Form{EmptyHours: "null"}},
		{"stray", "an extra row with a partial total for the hour before the window", Form{Stray: true}},
		{"nothing-empty", "no records: 200 and []", Form{NoRecords: "empty"}},
		{"nothing-null", "no records: 200 and null", Form{NoRecords: "null"}},
		{"text-in-error", "errors have their text in error", Form{Text: "error"}},
		{"text-in-msg", "errors have their text in msg", Form{Text: "msg"}},
		{"mixed-case", "errors are in mixed case", Form{MixedCase: true}},
	}
}
