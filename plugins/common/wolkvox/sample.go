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
	// maxSample bounds a sample, in bytes, and maxSampleText a text in it.
	maxSample     = 600
	maxSampleText = 40
)

// Sample returns what shows the form of a body and little of its content: of each list, or rows by index, the first item, digits as they
// are, words shortened to three letters. It is without tokens, so it can be sent to a stranger. It is empty if the body is not JSON.
func Sample(body []byte) string {
	decoder := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, []byte(byteOrderMark))))
	decoder.UseNumber()
	var out strings.Builder
	if err := writeSample(&out, decoder); err != nil && out.Len() < maxSample {
		return ""
	}
	return Bound(out.String(), maxSample)
}

// SampleRow returns the Sample of a row of a report, at a position from 1.
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

// writeSample writes the sample of the next value. It ends with an error where the JSON is wrong, or the sample is long enough.
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
	isLikeFirst := opening == '['
	for n := 0; decoder.More(); n++ {
		key := ""
		if opening == '{' {
			next, err := decoder.Token()
			if err != nil {
				return err
			}
			key = fmt.Sprint(next)
			isLikeFirst = isIndex(key) && (n == 0 || isLikeFirst)
		}
		if n > 0 && isLikeFirst {
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

// sampleOf returns a string shortened, and numbers, booleans and null as they are.
func sampleOf(scalar json.Token) string {
	switch v := scalar.(type) {
	case nil:
		return "null"
	case string:
		return Quote(shorten(redacted(v)), maxSampleText)
	}
	return fmt.Sprint(scalar)
}

// shorten returns the text on one line, each of its words cut to three letters.
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
