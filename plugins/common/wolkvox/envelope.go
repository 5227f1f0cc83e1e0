package wolkvox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

var (
	errShape    = errors.New("not the JSON of a report")
	errCutShort = errors.New("empty or cut short")
)

const byteOrderMark = "\ufeff"

// envelope is what a body has around its rows. Its texts may be numbers, null or missing, and numbers may be texts.
type envelope struct {
	code, error, message, data gjson.Result

	shape shape // of data
}

// readEnvelope reads the body of a response. Keys are case-sensitive; of equal ones the last counts.
func readEnvelope(body []byte) (*envelope, error) {
	content := bytes.TrimSpace(bytes.TrimPrefix(body, []byte(byteOrderMark)))
	if err := checkJSON(content); err != nil {
		return nil, err
	}
	if content[0] != '{' {
		return nil, errShape
	}
	e := &envelope{}
	gjson.ParseBytes(content).ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "code":
			e.code = value
		case "error":
			e.error = value
		case "msg":
			e.message = value
		case "data":
			e.data = value
		}
		return true
	})
	e.shape = shapeOf(e.data)
	return e, nil
}

// checkJSON returns why the content is not one whole JSON value. It is encoding/json's check, since gjson's overflows the stack on deep
// nesting.
func checkJSON(content []byte) error {
	if json.Valid(content) {
		return nil
	}
	var unread json.RawMessage
	err := json.Unmarshal(content, &unread)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) && strings.HasPrefix(syntax.Error(), "unexpected end") {
		return errCutShort
	}
	return err
}

// shape is how data holds the rows.
type shape int

const (
	noShape      shape = iota // not that of a report
	shapeEmpty                // there are none
	shapeList                 // as documented
	shapeRow                  // one row in place of a list (seen in public clients of other endpoints)
	shapeByIndex              // an object of rows by their index, as PHP writes a list with gaps
)

func shapeOf(data gjson.Result) shape {
	switch {
	case isNothing(data):
		return shapeEmpty
	case data.IsArray():
		return shapeList
	case !data.IsObject():
		return noShape
	}
	if row := readRow(data); row.isWhole() {
		return shapeRow
	}
	found := noShape
	data.ForEach(func(key, value gjson.Result) bool {
		switch {
		case !isIndex(key.Str), !value.IsObject():
			found = noShape
		case found == shapeByIndex:
			return true
		default:
			if row := readRow(value); row.isLabelled() {
				found = shapeByIndex
			}
		}
		return found == shapeByIndex
	})
	return found
}

// isIndex reports whether the key is a row's index, 60,000 at most (vendor documentation). Keys such as "08" or "2026011808" are not.
func isIndex(key string) bool {
	return len(key) <= len("60000") && isDigits(key) && (key[0] != '0' || key == "0")
}

// hasShape reports whether the data is rows in a known shape, or nothing.
func (e *envelope) hasShape() bool {
	return e.shape != noShape
}

// hasRows reports whether the data is rows in a known shape.
func (e *envelope) hasRows() bool {
	return e.shape > shapeEmpty
}

// eachRow calls a function with each row, in order of appearance, until it returns false.
func (e *envelope) eachRow(each func(row gjson.Result) bool) {
	if e.shape == shapeRow {
		each(e.data)
		return
	}
	if e.hasRows() {
		e.data.ForEach(func(_, row gjson.Result) bool { return each(row) })
	}
}

// texts returns error and message of the body, once where they are the same, without those that mean nothing or repeat the status.
func (e *envelope) texts(status int) []string {
	var texts []string
	for _, v := range []gjson.Result{e.error, e.message} {
		switch text := textOrJSON(v); {
		case isNothing(v), text == strconv.Itoa(status), text == textOrJSON(e.code):
		case len(texts) == 0 || text != texts[0]:
			texts = append(texts, text)
		}
	}
	return texts
}

// isNothing reports whether the value is one that PHP and its programmers write for nothing.
func isNothing(v gjson.Result) bool {
	text, isText := textOf(v)
	if !isText && len(v.Raw) < maxText {
		text = strings.Join(strings.Fields(v.Raw), "")
	} else if !isText {
		return false
	}
	return len(text) <= len("false") && slices.Contains([]string{"", "null", "none", "false", "0", "[]", "{}"}, strings.ToLower(text))
}

// classTexts are parts of the API's error texts, in lower case, and their classes (vendor documentation).
var classTexts = []struct {
	text  string
	class *Class
}{
	{"token limit exceeded", FailedQuota},
	{"simultaneous requests", FailedBusy},
	{"validate token", FailedToken},
	{"enter the wolkvox-token", FailedToken},
	{"api you want to consult does not exist", FailedRequest},
	{"parameters are required", FailedRequest},
	{"temporarily disabled", FailedDisabled},
	{"maintenance", FailedDisabled},
	{"mantenimiento", FailedDisabled},
}

const (
	nouns = `(records?|record\(s\)|rows?|results?|registros?|registro\(s\)|resultados?|data|datos|información|informacion)`
	found = `( (were |was |have been |has been )?(found|returned|available)| encontrad[oa]s?| disponibles?)`
	dates = `( (for|in|within) (the|this|these) ((selected|requested|entered|given|specified) )?(dates?|date range|time range|range|period|day)` +
		`| (para|en) (el|la|los|las|este|esta|estas) (fechas?|rango|rango de fechas|periodo|período|día|dia)` +
		`( (seleccionad|solicitad|consultad|ingresad|indicad)[oa]s?)?)?`
)

var (
	// noRecords matches texts for a window without records. "Validate dates entered" is one even if the dates are fine (seen in live
	// responses of a sibling report).
	noRecords = regexp.MustCompile(`^(validate dates entered|(0|no|sin) ` + nouns + found + `?|se encontraron 0 ` + nouns +
		`|no (existen?|hay|tiene|se (encontraron|encontró|encontro))( ` + nouns + `)?` + found + `?)` + dates + `$`)
	// success matches texts beside records. Their count is unreliable (seen in live responses of sibling reports).
	success = regexp.MustCompile(`^(ok|success|successful|(\d+ )?` + nouns + found + `|se (encontraron|encontró|encontro) (\d+ )?` + nouns + `)$`)
	// neutralCode matches a body's code that means neither success nor failure.
	neutralCode = regexp.MustCompile(`(?i)^(|null|true|ok|success)$`)
)

// maxText bounds what is read of a text to classify it, in bytes.
const maxText = 4096

// normalize returns the text in lower case, white space folded, without a final full stop. A cut text ends so that it is no known one.
func normalize(text string) string {
	if len(text) > maxText {
		text = text[:maxText] + "…"
	}
	return strings.TrimSpace(strings.TrimSuffix(strings.Join(strings.Fields(strings.ToLower(text)), " "), "."))
}

// failure returns the failure that status, code and texts of a response mean, or nil. err is that of reading the envelope.
func (r *Response) failure(e *envelope, err error) *Failure {
	if err != nil {
		// A status of 404 may mean no records, and thus success.
		if notice := r.notice(); notice != "" && (r.isSuccess() || r.HTTP.StatusCode == http.StatusNotFound) {
			return r.newFailure(FailedPHP, fmt.Sprintf("HTTP status %d, %s", r.HTTP.StatusCode, Quote(notice, maxQuote)))
		}
		if r.isSuccess() {
			return r.bodyFailure(err)
		}
		detail := fmt.Sprintf("HTTP status %d, content type %s", r.HTTP.StatusCode, r.contentType())
		return r.newFailure(classOf(r.HTTP.StatusCode, ""), detail)
	}

	status, code := r.HTTP.StatusCode, textOrJSON(e.code)
	isSuccess := r.isSuccess()
	if number, isNumber := statusCode(code); isSuccess && isNumber {
		status, isSuccess = number, number >= 200 && number <= 299
	} else if isSuccess {
		isSuccess = neutralCode.MatchString(code)
	}

	texts := e.texts(r.HTTP.StatusCode)
	isKnown, isEmpty := true, false
	for _, text := range texts {
		text = normalize(text)
		none := noRecords.MatchString(text)
		isKnown = isKnown && (none || success.MatchString(text))
		isEmpty = isEmpty || none
	}
	switch {
	case isKnown && isSuccess && !e.hasShape():
		return r.bodyFailure(errShape)
	case isKnown && isSuccess && (e.data.Exists() || isEmpty):
		return nil
	case isKnown && status == http.StatusNotFound && isEmpty && !e.hasRows():
		return nil
	}

	text := strings.Join(texts, " ")
	detail := fmt.Sprintf("HTTP status %d, no message", r.HTTP.StatusCode)
	if text != "" {
		detail = fmt.Sprintf("HTTP status %d, %s", r.HTTP.StatusCode, Quote(text, maxQuote))
	}
	if code != "" && code != strconv.Itoa(r.HTTP.StatusCode) {
		detail += ", code " + Quote(code, maxQuote)
	}
	return r.newFailure(classOf(status, text), detail)
}

// statusCode returns the body's code as a number, which 200.0 is, too.
func statusCode(code string) (status int, isNumber bool) {
	number, err := strconv.ParseFloat(code, 64)
	return int(number), err == nil && number == math.Trunc(number) && math.Abs(number) < 1000
}

// classOf returns the class of a failure by its text or else its status.
func classOf(status int, text string) *Class {
	text = normalize(text)
	for _, t := range classTexts {
		if strings.Contains(text, t.text) {
			return t.class
		}
	}
	switch {
	case status >= 200 && status <= 299:
		return FailedResponse
	case status == http.StatusUnauthorized:
		return FailedToken
	case status == http.StatusForbidden:
		return FailedDisabled
	case status == http.StatusNotFound:
		return FailedNotFound
	case status == http.StatusConflict:
		return FailedBusy
	case status == http.StatusTooManyRequests:
		return FailedOverload
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status >= 500:
		return FailedServer
	}
	return FailedRequest
}
