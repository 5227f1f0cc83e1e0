package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer is a response before it is sent, or spoilt.
type answer struct {
	status      int
	contentType string
	header      map[string]string // further headers
	body        string
	measured    bool // sent with a Content-Length, in place of chunked as the API does
}

const (
	jsonType = "application/json; charset=utf-8" // source: seen in public clients
	htmlType = "text/html; charset=utf-8"
)

// page is an answer from something that is not the API.
func page(status int, text string) answer {
	body := fmt.Sprintf("<!DOCTYPE html>\n<html><head><title>%[1]d %[2]s</title></head>\n<body><h1>%[2]s</h1></body></html>\n", status, text)
	return answer{status: status, contentType: htmlType, body: body}
}

// envelope writes the object that all answers of the API are.
func (f Form) envelope(status, code int, failure, msg, data string) answer {
	written := strconv.Itoa(code)
	switch {
	case f.Code == "string", f.Code == "blank" && code != status: // where the code is all that tells of an error, it is there
		written = quote(written)
	case f.Code == "blank":
		written = `""`
	}
	switch {
	case failure != "":
		failure = quote(failure)
	case f.Error == "empty":
		failure = `""`
	case f.Error == "word":
		failure = `"null"`
	default:
		failure = "null"
	}
	body := fmt.Sprintf(`{"code":%s,"error":%s,"msg":%s,"data":%s}`, written, failure, quote(msg), data)
	return answer{status: status, contentType: jsonType, body: body}
}

// refuse answers with an error; status and code agree except in the fault in which they don't.
func (f Form) refuse(status, code int, text string) answer {
	if f.MixedCase && text != "" {
		text = text[:1] + strings.ToLower(text[1:])
	}
	failure, msg := text, text
	switch f.Text {
	case "error":
		msg = ""
	case "msg":
		failure = ""
	}
	return f.envelope(status, code, failure, msg, "null")
}

// records answers with rows that are written already.
func (f Form) records(rows []string) answer {
	count := len(rows)
	if f.Msg == "miscounted" {
		count++
	}
	msg := fmt.Sprintf("%d records were found", count)
	switch f.Msg {
	case "indented":
		msg = " " + msg
	case "spanish":
		msg = fmt.Sprintf("Se encontraron %d registros", count)
	}
	if len(rows) > 0 {
		return f.envelope(http.StatusOK, http.StatusOK, "", msg, f.data(rows))
	}
	switch f.NoRecords {
	case "empty":
		return f.envelope(http.StatusOK, http.StatusOK, "", msg, "[]")
	case "null":
		return f.envelope(http.StatusOK, http.StatusOK, "", msg, "null")
	}
	return f.refuse(errNoRecords.status, errNoRecords.status, errNoRecords.text)
}

// data writes one or more rows as the form has them.
func (f Form) data(rows []string) string {
	first := 0
	switch f.Data {
	case "row":
		if len(rows) == 1 {
			return rows[0]
		}
		fallthrough
	default:
		return "[" + strings.Join(rows, ",") + "]"
	case "index-1":
		first = 1
	case "index":
	}
	named := make([]string, len(rows))
	for i, row := range rows {
		named[i] = fmt.Sprintf(`"%d":%s`, first+i, row)
	}
	return "{" + strings.Join(named, ",") + "}"
}

// row writes one row; rows without calls are written only where the form lists empty hours.
func (f Form) row(r row) (text string, listed bool) {
	calls, minutes := f.figures(r.sum)
	if r.sum.calls == 0 {
		switch f.EmptyHours {
		case "zeros":
		case "empty":
			calls, minutes = `""`, `""`
		case "blank":
			calls, minutes = `" "`, `" "`
		case "dash":
			calls, minutes = `"-"`, `"-"`
		case "null":
			calls, minutes = "null", "null"
		default:
			return "", false
		}
	}
	return fmt.Sprintf(`{%s,"calls":%s,"ivr_minutes":%s}`, f.label(r.label), calls, minutes), true
}

// label writes what names an hour, with its key.
func (f Form) label(hour time.Time) string {
	switch {
	case f.Key == "hour" && f.NumericDate:
		return fmt.Sprintf(`"hour":%d`, hour.Hour())
	case f.Key == "hour":
		return hour.Format(`"hour":"15:04"`)
	case f.Key == "date-hour":
		return hour.Format(`"date":"2006-01-02","hour":"15"`)
	}
	key := f.Key
	if key == "" {
		key = "date"
	}
	label := hour.Format(f.layout())
	if !f.NumericDate || strings.Trim(label, "0123456789") != "" {
		label = quote(label)
	}
	return fmt.Sprintf("%q:%s", key, label)
}

// figures writes a sum as the two values of a row.
func (f Form) figures(s sum) (calls, minutes string) {
	calls = strconv.FormatInt(s.calls, 10)
	minutes = fmt.Sprintf("%d.%03d", s.length/thousandth/1000, s.length/thousandth%1000)
	if f.Comma {
		minutes = strings.Replace(minutes, ".", ",", 1)
	}
	if f.Clock {
		seconds := int64(s.length.Seconds() + 0.5)
		minutes = fmt.Sprintf("%02d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
	}
	if !f.Numbers {
		return quote(calls), quote(minutes)
	}
	if f.Comma || f.Clock {
		minutes = quote(minutes)
	}
	return calls, minutes
}

// quote writes a JSON string.
func quote(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // strings never fail
	}
	return string(quoted)
}
