package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// response is a response before it is sent.
type response struct {
	status      int
	contentType string
	header      map[string]string // additional headers
	body        string
	hasLength   bool // sent with a Content-Length; the API's responses are chunked
}

const (
	jsonType = "application/json; charset=utf-8" // source: seen in public clients
	htmlType = "text/html; charset=utf-8"
)

// page returns an HTML page from something other than the API.
func page(status int, text string) response {
	body := fmt.Sprintf("<!DOCTYPE html>\n<html><head><title>%[1]d %[2]s</title></head>\n<body><h1>%[2]s</h1></body></html>\n", status, text)
	return response{status: status, contentType: htmlType, body: body}
}

// envelope returns a response with the object that all responses of the API have.
func (f Form) envelope(status, code int, failure, msg, data string) response {
	written := strconv.Itoa(code)
	switch {
	case f.Code == "string", f.Code == "blank" && code != status: // never blank if only the code shows the error
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
	return response{status: status, contentType: jsonType, body: body}
}

// refuse returns an error response. Status and code differ only for some faults.
func (f Form) refuse(status, code int, text string) response {
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

// records returns a response with rows that are already in JSON.
func (f Form) records(rows []string) response {
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

// data returns one or more rows in the form's JSON.
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

// row returns one row in JSON. listed is false for an hour without calls, unless the form lists empty hours.
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

// label returns the hour of a row in JSON, with its key.
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

// figures returns a sum as the two values of a row, in JSON.
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

// quote returns text as a JSON string.
func quote(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // strings can always be marshaled
	}
	return string(quoted)
}
