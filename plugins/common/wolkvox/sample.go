package wolkvox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"github.com/tidwall/gjson"
)

const (
	// maxSample is the most bytes of a sample, and maxSampleText of a text in it.
	maxSample     = 600
	maxSampleText = 40
)

// Sample returns an excerpt that shows the format of a body but little of its content: the first item of each list or object with rows by
// index, with digits intact and words cut to three letters. It contains no tokens, so it can be shared. It is empty if the body isn't JSON.
func Sample(body []byte) string {
	decoder := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, []byte(byteOrderMark))))
	decoder.UseNumber()
	var out strings.Builder
	if err := writeSample(&out, decoder); err != nil && out.Len() < maxSample {
		return ""
	}
	return Bound(out.String(), maxSample)
}

// SampleRow returns the Sample of the row at a position, counted from 1.
func SampleRow(body []byte, position int) string {
	e, err := readEnvelope(body)
	if err != nil {
		return ""
	}
	sample := ""
	e.eachRow(func(row gjson.Result) bool {
		if position--; position == 0 {
			sample = Sample([]byte(row.Raw))
		}
		return position > 0
	})
	return sample
}

// writeSample writes the sample of the next value. It returns an error if the JSON is invalid, or once the sample is long enough.
func writeSample(out *strings.Builder, decoder *json.Decoder) error {
	if out.Len() >= maxSample {
		return errTooLong
	}
	next, err := decoder.Token()
	if err != nil {
		return err
	}
	opening, isNested := next.(json.Delim)
	if !isNested {
		out.WriteString(sampleOf(next))
		return nil
	}
	out.WriteString(opening.String())
	skipRest := opening == '['
	for n := 0; decoder.More(); n++ {
		key := ""
		if opening == '{' {
			next, err := decoder.Token()
			if err != nil {
				return err
			}
			key = fmt.Sprint(next)
			skipRest = isIndex(key) && (n == 0 || skipRest)
		}
		if n > 0 && skipRest {
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
			fmt.Fprintf(out, "%s:", Quote(key, maxSampleText))
		}
		if err := writeSample(out, decoder); err != nil {
			return err
		}
	}
	closing, err := decoder.Token()
	if err == nil {
		fmt.Fprint(out, closing)
	}
	return err
}

// sampleOf shortens strings, and returns numbers, booleans and null unchanged.
func sampleOf(scalar json.Token) string {
	switch v := scalar.(type) {
	case nil:
		return "null"
	case string:
		return Quote(shorten(redacted(v)), maxSampleText)
	}
	return fmt.Sprint(scalar)
}

// shorten returns the text on one line, with each word cut to three letters.
func shorten(text string) string {
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
	}, text)
}
