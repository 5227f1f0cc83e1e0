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

// envelope is the part of a body around its rows. Its texts may be numbers, null or missing, and its numbers may be texts.
type envelope struct {
	code, error, message, data gjson.Result

	shape shape // of data
}

// readEnvelope parses the body of a response. Keys are case-sensitive, and the last of duplicate keys counts.
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

// checkJSON returns an error unless the content is a single, complete JSON value. It uses encoding/json, because gjson's check overflows
// the stack on deep nesting.
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

// shape is the structure in which data holds the rows.
type shape int

const (
	noShape      shape = iota // not a report
	shapeEmpty                // no rows
	shapeList                 // as documented
	shapeRow                  // one row instead of a list (seen in public clients of other endpoints)
	shapeByIndex              // an object with rows by index, as PHP encodes a list with gaps
)

func shapeOf(data gjson.Result) shape {
	switch {
	case isBlank(data):
		return shapeEmpty
	case data.IsArray():
		return shapeList
	case !data.IsObject():
		return noShape
	}
	if row := readRow(data); row.isComplete() {
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

// isIndex reports whether the key is the index of a row, at most 60,000 (vendor documentation), unlike "08" or "2026011808".
func isIndex(key string) bool {
	return len(key) <= len("60000") && isDigits(key) && (key[0] != '0' || key == "0")
}

// hasShape reports whether the data is empty, or has rows in a known shape.
func (e *envelope) hasShape() bool {
	return e.shape != noShape
}

// hasRows reports whether the data has rows in a known shape.
func (e *envelope) hasRows() bool {
	return e.shape > shapeEmpty
}

// eachRow calls each for every row, in order of appearance, until it returns false.
func (e *envelope) eachRow(each func(row gjson.Result) bool) {
	if e.shape == shapeRow {
		each(e.data)
		return
	}
	if e.hasRows() {
		e.data.ForEach(func(_, row gjson.Result) bool { return each(row) })
	}
}

// texts returns error and message of the body, without duplicates, blanks and texts that only repeat the status or code.
func (e *envelope) texts(status int) []string {
	var texts []string
	for _, v := range []gjson.Result{e.error, e.message} {
		switch text := textOrJSON(v); {
		case isBlank(v), text == strconv.Itoa(status), text == textOrJSON(e.code):
		case len(texts) == 0 || text != texts[0]:
			texts = append(texts, text)
		}
	}
	return texts
}

// isBlank reports whether the value is one of those that PHP code uses for no value.
func isBlank(v gjson.Result) bool {
	text, isText := textOf(v)
	if !isText && len(v.Raw) < maxText {
		text = strings.Join(strings.Fields(v.Raw), "")
	} else if !isText {
		return false
	}
	return len(text) <= len("false") && slices.Contains([]string{"", "null", "none", "false", "0", "[]", "{}"}, strings.ToLower(text))
}

// classTexts maps parts of the API's error texts, in lower case, to failure classes (vendor documentation).
var classTexts = []struct {
	text  string
	class *FailureClass
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
	// noRecords matches texts that mean a window without records. The API sends "Validate dates entered" in this case even if the dates are
	// valid (seen in live responses of a sibling report).
	noRecords = regexp.MustCompile(`^(validate dates entered|(0|no|sin) ` + nouns + found + `?|se encontraron 0 ` + nouns +
		`|no (existen?|hay|tiene|se (encontraron|encontró|encontro))( ` + nouns + `)?` + found + `?)` + dates + `$`)
	// success matches texts that come with records. Counts in them are unreliable (seen in live responses of sibling reports).
	success = regexp.MustCompile(`^(ok|success|successful|(\d+ )?` + nouns + found + `|se (encontraron|encontró|encontro) (\d+ )?` + nouns + `)$`)
	// neutralCode matches codes that mean neither success nor failure.
	neutralCode = regexp.MustCompile(`(?i)^(|null|true|ok|success)$`)
)

// maxText is how many bytes of a text are used to classify it.
const maxText = 4096

// normalize returns the text in lower case, with white space collapsed and without a final full stop. A cut text never matches a known one.
func normalize(text string) string {
	if len(text) > maxText {
		text = text[:maxText] + "…"
	}
	return strings.TrimSpace(strings.TrimSuffix(strings.Join(strings.Fields(strings.ToLower(text)), " "), "."))
}

// failure returns the failure that status, code and texts of a response indicate, or nil. err is the error from reading the envelope.
func (r *Response) failure(e *envelope, err error) *Failure {
	if err != nil {
		// Status 404 may mean no records, which is a success.
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

// statusCode parses the code of the body as a whole number, also if it is written as 200.0.
func statusCode(code string) (status int, isNumber bool) {
	number, err := strconv.ParseFloat(code, 64)
	return int(number), err == nil && number == math.Trunc(number) && math.Abs(number) < 1000
}

// classOf classifies a failure by its text, or else by its status.
func classOf(status int, text string) *FailureClass {
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
