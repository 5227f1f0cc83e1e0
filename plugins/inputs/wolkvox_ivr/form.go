package wolkvox_ivr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// form is how an answer writes its rows, as far as they show it: what no row shows is empty.
type form struct {
	key     string // of the hour: "date" or "day"
	layout  string // of the hour, such as YYYY-MM-DD-HH
	calls   string // "strings" or "numbers"
	minutes string // the same
	parts   string // of the minutes: "with a decimal point", "with a decimal comma" or "as HH:MM:SS"
}

// String names the form in the words of messages.
func (f form) String() string {
	figures := fmt.Sprintf("calls as %s, minutes as %s", f.calls, f.minutes)
	if f.calls == f.minutes {
		figures = "figures as " + f.calls
	}
	if f.parts != "" {
		figures += ", minutes " + f.parts
	}
	return fmt.Sprintf("key %s, %s, %s", f.key, f.layout, figures)
}

// or returns the form, with what it lacks as in the other one.
func (f form) or(other form) form {
	for _, field := range []struct{ own, other *string }{
		{&f.key, &other.key}, {&f.layout, &other.layout}, {&f.calls, &other.calls}, {&f.minutes, &other.minutes}, {&f.parts, &other.parts},
	} {
		if *field.own == "" {
			*field.own = *field.other
		}
	}
	return f
}

// formOf returns the form of a row whose hour is under the key, with the text of its date. All of it can be read.
func formOf(key, date string, raw *rawRow) form {
	f := form{key: key, layout: layoutOf(date), calls: kindOfValue(raw.Calls), minutes: kindOfValue(raw.Minutes)}
	if text, _ := raw.Minutes.text(); strings.Contains(text, ":") {
		f.parts = "as HH:MM:SS"
	} else if strings.Contains(text, ",") {
		f.parts = "with a decimal comma"
	} else if strings.Contains(text, ".") {
		f.parts = "with a decimal point"
	}
	return f
}

// kindOfValue names the JSON kind of a figure; a placeholder has none.
func kindOfValue(v value) string {
	text, _ := v.text()
	switch {
	case isPlaceholder(text):
		return ""
	case v[0] == '"':
		return "strings"
	}
	return "numbers"
}

// layoutOf returns the layout of a date that parseHour can read: its digits in order are of year, month, day, hour, minute
// and second.
func layoutOf(date string) string {
	rest := "YYYYMMDDHHMMSS"
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' || rest == "" {
			return r
		}
		letter := rune(rest[0])
		rest = rest[1:]
		return letter
	}, date)
}

const (
	// maxSample bounds a sample, in bytes, and maxSampleText a text in it.
	maxSample     = 600
	maxSampleText = 40
)

// sample returns what shows the form of a body and little of its content: of each list the first item, digits as they are,
// words shortened to three letters. It has no token, so it can be sent to a stranger. Of what is no JSON it shows nothing.
func sample(body []byte, token string) string {
	decoder := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, []byte(byteOrderMark))))
	decoder.UseNumber()
	var out strings.Builder
	if err := writeSample(&out, decoder, token); err != nil && out.Len() < maxSample {
		return ""
	}
	return bound(redact(out.String(), token), maxSample)
}

// writeSample writes the sample of the next value. It ends with an error where the text is none, or long enough.
func writeSample(out *strings.Builder, decoder *json.Decoder, token string) error {
	if out.Len() >= maxSample {
		return errTooLong
	}
	next, err := decoder.Token()
	if err != nil {
		return err
	}
	opening, isNested := next.(json.Delim)
	if !isNested {
		out.WriteString(sampleOf(next, token))
		return nil
	}
	out.WriteString(opening.String())
	for n := 0; decoder.More(); n++ {
		if opening == '[' && n > 0 { // the others are like the first
			var other json.RawMessage
			if err := decoder.Decode(&other); err != nil {
				return err
			}
			continue
		}
		if n > 0 {
			out.WriteByte(',')
		}
		if opening == '{' {
			key, err := decoder.Token()
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "%s:", quote(redact(fmt.Sprint(key), token), maxSampleText))
		}
		if err := writeSample(out, decoder, token); err != nil {
			return err
		}
	}
	closing, err := decoder.Token()
	if err == nil {
		fmt.Fprint(out, closing)
	}
	return err
}

// sampleOf returns a string shortened, and numbers, booleans and null as they are.
func sampleOf(scalar json.Token, token string) string {
	switch v := scalar.(type) {
	case nil:
		return "null"
	case string:
		return quote(shorten(v, token), maxSampleText)
	}
	return fmt.Sprint(scalar)
}

// shorten returns the text without the token, on one line, each of its words cut to three letters.
func shorten(text, token string) string {
	letters := 0
	return strings.Map(func(r rune) rune {
		if letters++; !unicode.IsLetter(r) {
			letters = 0
		}
		switch {
		case letters > 3:
			return -1
		case unicode.IsControl(r):
			return ' '
		}
		return r
	}, redact(text, token))
}
