package wolkvox

import (
	"fmt"
	"strings"

	"github.com/tidwall/gjson"
)

// Form is the format of a report's rows, as far as the rows show it. Two forms can be compared with ==.
type Form struct {
	key      string // names the hour: "date", "day", "hour", "date and hour" or "day and hour"
	layout   string // format of the hour, such as YYYY-MM-DD-HH
	calls    string // "strings" or "numbers"
	minutes  string // likewise
	notation string // of the minutes: "with a decimal point", "with a decimal comma" or "as HH:MM:SS"
}

// String returns the form for messages, such as "hour in date as YYYY-MM-DD-HH, figures as strings, minutes with a decimal point".
func (f Form) String() string {
	figures := fmt.Sprintf("calls as %s, minutes as %s", f.calls, f.minutes)
	if f.calls == f.minutes {
		figures = "figures as " + f.calls
	}
	if f.notation != "" {
		figures += ", minutes " + f.notation
	}
	return fmt.Sprintf("hour in %s as %s, %s", f.key, f.layout, figures)
}

// Or returns the form, with missing parts taken from the other one.
func (f Form) Or(other Form) Form {
	for _, field := range []struct{ own, other *string }{
		{&f.key, &other.key}, {&f.layout, &other.layout}, {&f.calls, &other.calls}, {&f.minutes, &other.minutes}, {&f.notation, &other.notation},
	} {
		if *field.own == "" {
			*field.own = *field.other
		}
	}
	return f
}

// learn fills in missing parts from a row that can be read.
func (f *Form) learn(l *label, raw *rawRow) {
	if f.key == "" {
		f.key, f.layout = l.form()
	}
	if f.calls == "" {
		f.calls = typeOf(raw.calls)
	}
	if f.minutes == "" {
		f.minutes = typeOf(raw.minutes)
	}
	if text, _ := textOf(raw.minutes); f.notation != "" {
		return
	} else if strings.Contains(text, ":") {
		f.notation = "as HH:MM:SS"
	} else if strings.Contains(text, ",") {
		f.notation = "with a decimal comma"
	} else if strings.Contains(text, ".") {
		f.notation = "with a decimal point"
	}
}

// typeOf returns the JSON type of a figure, "strings" or "numbers", or "" for a placeholder.
func typeOf(v gjson.Result) string {
	text, _ := textOf(v)
	switch {
	case isPlaceholder(text):
		return ""
	case v.Type == gjson.String:
		return "strings"
	}
	return "numbers"
}

// form returns the key and the layout of a label.
func (l *label) form() (key, layout string) {
	switch {
	case l.field == "hour":
		return l.field, layoutOf(l.text, "HHMMSS")
	case l.clock != "":
		return l.field + " and hour", layoutOf(l.text+" "+l.clock, "YYYYMMDDHHMMSS")
	}
	return l.field, layoutOf(l.text, "YYYYMMDDHHMMSS")
}

// layoutOf returns the layout of a readable date or hour: its digits are replaced by the letters, in order.
func layoutOf(date, letters string) string {
	rest := letters
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' || rest == "" {
			return r
		}
		letter := rune(rest[0])
		rest = rest[1:]
		return letter
	}, date)
}
