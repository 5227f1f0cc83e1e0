package wolkvox

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const testRow = `{"date": "2026010100", "calls": 1, "ivr_minutes": 2}`

//promise:forms
//promise:failures
func TestClass(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300)
	cases := []struct {
		name, body string
		status     int
		class      *FailureClass // nil if it is a report
		rows       int
	}{
		{"rows", `{"code": 200, "error": null, "msg": "1 records were found", "data": [` + testRow + `]}`, 200, nil, 1},
		{"code as a text", `{"code": "200", "data": [` + testRow + `]}`, 200, nil, 1},
		{"blank texts", `{"code": "", "error": "", "msg": "", "data": [` + testRow + `]}`, 200, nil, 1},
		{"blank code", `{"code": " ", "error": null, "msg": "4 registros encontrados", "data": [` + testRow + `]}`, 200, nil, 1},
		{"texts of blanks and null", `{"code": "200", "error": "null", "msg": " 4 records were found", "data": [` + testRow + `]}`, 200, nil, 1},
		{"data first, and more", `{"data": [` + testRow + `], "msg": "1 records were found", "code": 200, "more": [{"x": [1, {}]}]}`, 200, nil, 1},
		{"wrong count", `{"msg": "4 records were found", "data": [` + testRow + `]}`, 200, nil, 1},
		{"on lines of their own", "{\n    \"code\": 200,\n    \"data\": [\n        " + testRow + "\n    ]\n}\n", 200, nil, 1},
		{"mark", byteOrderMark + ` {"data": [` + testRow + "]}\n", 200, nil, 1},
		{"keys in other cases", `{"DATA": 5, "data": [` + testRow + `], "Code": 403, "ERROR": "TOKEN LIMIT EXCEEDED"}`, 200, nil, 1},
		{"keys twice", `{"error": "x", "data": 5, "data": [` + testRow + `], "error": ""}`, 200, nil, 1},
		{"data in another case", `{"DATA": [` + testRow + `]}`, 200, FailedResponse, 0},
		{"all in other cases", `{"CODE": "200", "Error": "", "Msg": "", "Data": [` + testRow + `]}`, 200, FailedResponse, 0},
		{"code of success and another status", `{"code": 200, "data": [` + testRow + `]}`, 500, FailedServer, 0},
		{"no records and another status", `{"error": "Validate dates entered"}`, 500, FailedServer, 0},
		{"no records, no shape and another status", `{"msg": "0 records were found", "data": "many"}`, 500, FailedServer, 0},
		{"code that is no status", `{"code": 5000, "data": [` + testRow + `]}`, 200, FailedResponse, 0},
		{"code of no success yet", `{"code": 100, "data": [` + testRow + `]}`, 200, FailedRequest, 0},
		{"last code of success", `{"code": 299, "error": "something minor", "data": []}`, 200, FailedResponse, 0},
		{"empty list", `{"data": []}`, 200, nil, 0},
		{"empty list, with a count", `{"code": 200, "error": null, "msg": "1 records were found", "data": []}`, 200, nil, 0},
		{"empty list, with none", `{"code": 200, "error": null, "msg": "0 records were found", "data": []}`, 200, nil, 0},
		{"empty object", `{"data": {}}`, 200, nil, 0},
		{"empty text", `{"code": "", "data": ""}`, 200, nil, 0},
		{"null", `{"code": 200, "error": null, "msg": "", "data": null}`, 200, nil, 0},
		{"null, with none", `{"code": "200", "error": "", "msg": " 0 records were found", "data": null}`, 200, nil, 0},
		{"wide empty list", `{"data": [` + strings.Repeat(" ", 5000) + `]}`, 200, nil, 0},
		{"null as a text", `{"code": "200", "data": "null"}`, 200, nil, 0},
		{"no data", `{"code": 200, "error": null, "msg": null}`, 200, FailedResponse, 0},
		{"empty object alone", `{}`, 200, FailedResponse, 0},
		{"no data though found", `{"msg": "4 records were found"}`, 200, FailedResponse, 0},
		{"text instead of data", `{"msg": "No records were found."}`, 200, nil, 0},
		{"no records", `{"code": "404", "error": "Validate dates entered", "msg": null, "data": null}`, 404, nil, 0},
		{"no records by code alone", `{"code": "404", "error": "Validate dates entered"}`, 200, nil, 0},
		{"no records by count", `{"code": 404, "error": "", "msg": "0 records were found"}`, 404, nil, 0},
		{"no records by msg", `{"code": 404, "error": null, "msg": "VALIDATE DATES ENTERED"}`, 404, nil, 0},
		{"no records by both texts", `{"error": "VALIDATE DATES ENTERED", "msg": "0 records were found"}`, 404, nil, 0},
		{"no records and an error", `{"error": "No such report", "msg": "0 records were found"}`, 404, FailedNotFound, 0},
		{"no records and rows", `{"code": 404, "error": "Validate dates entered", "data": [` + testRow + `]}`, 404, FailedNotFound, 0},
		{"404 with success", `{"msg": "1 records were found"}`, 404, FailedNotFound, 0},
		{"404 without a text", `{}`, 404, FailedNotFound, 0},
		{"404 page", "<html>", 404, FailedNotFound, 0},
		{"404 of another text", `{"code": 404, "error": "No report of that name", "msg": "", "data": null}`, 404, FailedNotFound, 0},
		{"token", `{"code": "403", "error": "PLEASE VALIDATE TOKEN"}`, 403, FailedToken, 0},
		{"token in the body", `{"code": 403, "error": null, "msg": "PLEASE VALIDATE TOKEN", "data": null}`, 200, FailedToken, 0},
		{"token beside no rows", `{"code": 200, "error": "", "msg": "Please validate  token", "data": []}`, 200, FailedToken, 0},
		{"token beside rows", `{"msg": "Please  validate token", "data": [` + testRow + `]}`, 200, FailedToken, 0},
		{"token not sent", `{"code": "401", "error": "PLEASE ENTER THE WOLKVOX-TOKEN"}`, 401, FailedToken, 0},
		{"unauthorized", "", 401, FailedToken, 0},
		{"quota", `{"code": "403", "error": "TOKEN LIMIT EXCEEDED", "data": false}`, 403, FailedQuota, 0},
		{"quota without a code", `{"code": "", "error": "Token limit exceeded", "msg": "", "data": null}`, 403, FailedQuota, 0},
		{"quota with a code of success", `{"code": 200, "error": "TOKEN LIMIT EXCEEDED", "msg": "", "data": null}`, 200, FailedQuota, 0},
		{"quota behind another text", `{"code": 403, "error": "Forbidden", "msg": "Token limit exceeded"}`, 403, FailedQuota, 0},
		{"quota in the body", `{"data": {"x": [{}]}, "code": "403", "msg": "Token limit exceeded"}`, 200, FailedQuota, 0},
		{"quota beside no records", `{"error": "TOKEN LIMIT EXCEEDED", "msg": "0 records were found"}`, 200, FailedQuota, 0},
		{"simultaneous", `{"code": 403, "msg": "EXCEEDS THE LIMIT OF SIMULTANEOUS REQUESTS PER TOKEN (2)"}`, 200, FailedBusy, 0},
		{"conflict", "", 409, FailedBusy, 0},
		{"conflict with a text", `{"code": "409", "error": "Conflict"}`, 409, FailedBusy, 0},
		{"overload", `{"code": "429", "error": "Slow down"}`, 429, FailedOverload, 0},
		{"api", `{"code": "400", "error": "THE API YOU WANT TO CONSULT DOES NOT EXIST"}`, 400, FailedRequest, 0},
		{"parameters", `{"code": "", "error": "Some parameters are required"}`, 200, FailedRequest, 0},
		{"parameters in upper case", `{"code": "400", "error": "SOME PARAMETERS ARE REQUIRED", "msg": "", "data": null}`, 400, FailedRequest, 0},
		{"redirect to nowhere", "", 302, FailedRequest, 0},
		{"teapot", "", 418, FailedRequest, 0},
		{"disabled", `{"code": "403", "error": "API consumption is temporarily disabled"}`, 403, FailedDisabled, 0},
		{"forbidden", "", 403, FailedDisabled, 0},
		{"forbidden page", "<html>", 403, FailedDisabled, 0},
		{"forbidden without a text", `{}`, 403, FailedDisabled, 0},
		{"forbidden with a text", `{"code": "403", "error": "Forbidden", "msg": "", "data": null}`, 403, FailedDisabled, 0},
		{"forbidden in the body", `{"code": "403"}`, 200, FailedDisabled, 0},
		{"forbidden in the body, beside rows", `{"code": 403, "msg": "1 records were found", "data": [` + testRow + `]}`, 200, FailedDisabled, 0},
		{"maintenance", `{"code": "", "msg": "EN MANTENIMIENTO", "data": null}`, 200, FailedDisabled, 0},
		{"server", "<html>", 500, FailedServer, 0},
		{"server without a body", "", 500, FailedServer, 0},
		{"server with a text", `{"code": "503", "error": "Try later", "msg": "", "data": null}`, 503, FailedServer, 0},
		{"server in the body alone", `{"code": 500, "error": null, "msg": "Something broke", "data": null}`, 200, FailedServer, 0},
		{"server in the body", `{"code": 500, "data": [` + testRow + `]}`, 200, FailedServer, 0},
		{"slow", "", 408, FailedServer, 0},
		{"early", "", 425, FailedServer, 0},
		{"code in words", `{"code": "error", "data": [` + testRow + `]}`, 200, FailedResponse, 0},
		{"code is an object", `{"code": {}, "data": []}`, 200, FailedResponse, 0},
		{"permission", `{"error": "USER WITHOUT PERMISSION: 0 records", "data": []}`, 200, FailedResponse, 0},
		{"permission beside rows", `{"msg": "USER WITHOUT PERMISSION: 0 records", "data": [` + testRow + `]}`, 200, FailedResponse, 0},
		{"warning beside rows", `{"error": "something minor", "msg": "1 records were found", "data": [` + testRow + `]}`, 200, FailedResponse, 0},
		{"warning without rows", `{"code": 200, "error": "Surprise", "data": null}`, 200, FailedResponse, 0},
		{"object beside rows", `{"error": {"a": 1}, "data": [` + testRow + `]}`, 200, FailedResponse, 0},
		{"long text", `{"msg": "ok` + strings.Repeat(" ", 2*maxText) + `x", "data": []}`, 200, FailedResponse, 0},
		{"very long text", `{"msg": "` + strings.Repeat(long, 20) + `"}`, 200, FailedResponse, 0},
		{"data is an object", `{"data": {"2026-01-18-16": {"calls": 1}}}`, 200, FailedResponse, 0},
		{"data is a row", `{"data": ` + testRow + `}`, 200, nil, 1},
		{"data is a row of placeholders", `{"data": {"date": "", "calls": "", "ivr_minutes": ""}}`, 200, nil, 0},
		{"data is a row of an hour", `{"data": {"hour": "2", "calls": 1, "ivr_minutes": 2}}`, 200, nil, 1},
		{"data is a row without calls", `{"data": {"date": "2026010100", "ivr_minutes": 2}}`, 200, FailedResponse, 0},
		{"data is a row without an hour", `{"data": {"calls": 1, "ivr_minutes": 2}}`, 200, FailedResponse, 0},
		{"data has columns", `{"data": {"date": ["2026010100"], "calls": [1], "ivr_minutes": [2]}}`, 200, FailedResponse, 0},
		{"data is an error", `{"data": {"message": "many"}}`, 200, FailedResponse, 0},
		{"rows by index", `{"data": {"0": ` + testRow + `, "1": {"date": "2026010101", "calls": 3, "ivr_minutes": 4}}}`, 200, nil, 2},
		{"rows by index, from 1 and in any order", `{"data": {"2": ` + testRow + `, "1": {"date": "2026010101", "calls": 3, "ivr_minutes": 4}}}`, 200, nil, 2},
		{"rows by index, with gaps", `{"data": {"7": ` + testRow + `, "60000": {"date": "2026010101", "calls": 3, "ivr_minutes": 4}}}`, 200, nil, 2},
		{"rows by index and success beside", `{"msg": "2 records were found", "data": {"0": ` + testRow + `}}`, 200, nil, 1},
		{"rows by index and 404", `{"code": 404, "error": "Validate dates entered", "data": {"0": ` + testRow + `}}`, 404, FailedNotFound, 0},
		{"rows by index and another key", `{"data": {"0": ` + testRow + `, "total": ` + testRow + `}}`, 200, FailedResponse, 0},
		{"rows by index and another key behind", `{"data": {"0": ` + testRow + `, "1": ` + testRow + `, "total": 2}}`, 200, FailedResponse, 0},
		{"rows by index, of days", `{"data": {"0": {"day": "2026010100", "calls": 1, "ivr_minutes": 2}}}`, 200, nil, 1},
		{"rows by index and a number", `{"data": {"0": ` + testRow + `, "1": 5}}`, 200, FailedResponse, 0},
		{"rows by date", `{"data": {"20260101": ` + testRow + `}}`, 200, FailedResponse, 0},
		{"rows by hour", `{"data": {"00": ` + testRow + `}}`, 200, FailedResponse, 0},
		{"rows by hour alone", `{"data": {"8": {"calls": 1, "ivr_minutes": 2}, "9": {"calls": 1, "ivr_minutes": 2}}}`, 200, FailedResponse, 0},
		{"rows by names", `{"data": {"": ` + testRow + `, "x": ` + testRow + `}}`, 200, FailedResponse, 0},
		{"PHP notice", "<br />\n<b>Notice</b>:  x in <b>/x.php</b> on line <b>3</b><br />\n" + testReport, 200, FailedPHP, 0},
		{"PHP notice and no records", "\nNotice: x in /x.php on line 3\n" + `{"error": "Validate dates entered"}`, 404, FailedPHP, 0},
		{"PHP notice and another status", "\nNotice: x in /x.php on line 3\n", 500, FailedServer, 0},
		{"PHP notice within", `{"msg": "1 records were found", "data": [{"x": "Notice: x in /x.php on line 3", ` + testRow[1:] + `]}`, 200, nil, 1},
		{"data is a text", `{"data": "many", "msg": "no records found"}`, 200, FailedResponse, 0},
		{"data is a text alone", `{"data": "many"}`, 200, FailedResponse, 0},
		{"data is a number", `{"data": 5}`, 200, FailedResponse, 0},
		{"data is true", `{"data": true}`, 200, FailedResponse, 0},
		{"list", "[]", 200, FailedResponse, 0},
		{"null alone", "null", 200, FailedResponse, 0},
		{"number", "200", 200, FailedResponse, 0},
		{"text", `"data"`, 200, FailedResponse, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			report, err := inUTC().Parse(respond(c.status, c.body, "Content-Type", "text/html"), newYear) // the content type must not matter
			if c.class == nil {
				require.NoError(t, err)
				require.Len(t, report.Rows, c.rows)
				return
			}
			require.Nil(t, report)
			var failure *Failure
			require.ErrorAs(t, err, &failure)
			require.Equal(t, c.class.Name, failure.Class.Name, err)
			require.Less(t, len(err.Error()), 800)
		})
	}
}

//promise:forms
//promise:unreadable
func TestKnownTexts(t *testing.T) {
	t.Parallel()
	text := func(form, text string) error {
		_, err := inUTC().Parse(respond(200, fmt.Sprintf(form, text)), newYear)
		return err
	}
	quoted := func(s string) string {
		q, err := json.Marshal(s)
		require.NoError(t, err)
		return string(q)
	}
	none := []string{
		"no records found", "No records were found.", " 0 records were found", "0 records", "sin registros", "No hay datos", "no se encontraron registros",
		"NO SE ENCONTRARON RESULTADOS", "no se encontraron", "Validate  dates\nentered", "0 registros encontrados", "se encontraron 0 registros",
		"no existen registros", "no existe información", "no data available", "No records found for the selected dates",
		"no hay registros para las fechas seleccionadas",
	}
	successes := []string{
		"1 records were found", "12 record(s) found", "records were found", "Se encontraron 12 registros", "12 registros encontrados", "ok", "Success",
		"SUCCESSFUL.",
	}
	for _, s := range append(none, successes...) {
		require.NoError(t, text(`{"msg": %s, "data": [`+testRow+`]}`, quoted(s)), s)
		require.NoError(t, text(`{"error": %s, "data": []}`, quoted(s)), s)
	}
	for _, s := range none {
		require.NoError(t, text(`{"error": %s}`, quoted(s)), s)
		require.NoError(t, text(`{"msg": %s}`, quoted(s)), s)
	}
	for _, s := range []string{`null`, `""`, `" "`, `"null"`, `"NONE"`, `false`, `0`, `"0"`, `[]`, `{ }`} {
		require.NoError(t, text(`{"error": %s, "data": [`+testRow+`]}`, s), s)
	}
	for _, s := range []string{
		"USER WITHOUT PERMISSION: 0 records", "0 records: user without permission", "no records, as the report failed", "ok?", "not ok", "error: no data",
		"no", "records", "sin registros: sin permiso", "1", "true",
	} {
		require.Error(t, text(`{"msg": %s, "data": [`+testRow+`]}`, quoted(s)), s)
		require.Error(t, text(`{"error": %s, "data": []}`, quoted(s)), s)
	}
}

//promise:failures
//promise:injection
func TestFailureText(t *testing.T) {
	t.Parallel()
	html := []string{"Content-Type", "text/" + testToken}
	cases := []struct{ name, body, expected string }{
		{"empty", "", `empty or cut short; HTTP status 200, content type "text/<token>"`},
		{"mark alone", byteOrderMark + "\n", "empty or cut short; "},
		{"blank", " \n", "empty or cut short; "},
		{"cut", testReport[:100], "empty or cut short; "},
		{"cut in a text", `{"code": "20`, "empty or cut short; "},
		{"cut behind a row", `{"data": [` + testRow, "empty or cut short; "},
		{"no end", testReport[:len(testReport)-1], "empty or cut short; "},
		{"list", "[]", errShape.Error()},
		{"page", "<html>", "invalid character '<' looking for beginning of value"},
		{"two", testReport + "{}", "after top-level value"},
		{"page behind", testReport + "<br>", "invalid character '<' after top-level value"},
		{"comma", `{"data": [{},]}`, "invalid character ']' looking for beginning of value"},
		{"deep row", `{"data": [` + strings.Repeat("[", maxBody-100), "exceeded max depth"},
		{"deep value", `{"x": ` + strings.Repeat(`{"x":`, 20000), "exceeded max depth"},
		{"text", `{"error": "a\nE! b\u001b[0m ` + testToken + `", "code": 500}`, `the server failed (HTTP status 200, "a\nE! b\x1b[0m <token>", code "500")`},
		{"two texts", `{"error": "a", "msg": "b"}`, `(HTTP status 200, "a b")`},
		{"same texts", `{"error": "a", "msg": "a"}`, `(HTTP status 200, "a")`},
		{"no text", `{"code": "` + testToken + `"}`, `(HTTP status 200, no message, code "<token>")`},
		{"code of another status", `{"code": 403, "error": "PLEASE VALIDATE TOKEN"}`, `(HTTP status 200, "PLEASE VALIDATE TOKEN", code "403")`},
		{"long text", `{"error": "` + strings.Repeat("x", 3000) + `"}`, `(HTTP status 200, "` + strings.Repeat("x", maxQuote) + `"…)`},
		{"object", `{"error": {"a": [1]}}`, `(HTTP status 200, "{\"a\": [1]}")`},
	}
	for _, c := range cases {
		_, err := inUTC().Parse(respond(200, c.body, html...), newYear)
		require.ErrorContains(t, err, c.expected, c.name)
	}
	_, err := inUTC().Parse(respond(502, "<html>", html...), newYear)
	require.EqualError(t, err, `the server failed (HTTP status 502, content type "text/<token>"): the missing hours are read later`)

	_, err = inUTC().Parse(respond(403, `{"code": "200", "error": "TOKEN LIMIT EXCEEDED", "msg": "", "data": null}`), newYear)
	requireClass(t, FailedQuota, err)
	require.ErrorContains(t, err, `(HTTP status 403, "TOKEN LIMIT EXCEEDED", code "200")`)

	r := respond(200, testReport[:50])
	r.BodyErr = errors.New("connection broke")
	_, err = inUTC().Parse(r, newYear)
	require.ErrorContains(t, err, "connection broke; HTTP status 200")
}

// The error names a PHP notice before or after the JSON. A notice further inside is ignored.
//
//promise:failures
func TestPHPNotice(t *testing.T) {
	t.Parallel()
	const (
		tagged = "<br />\n<b>Notice</b>:  Undefined index: x in <b>/var/www/x.php</b> on line <b>3</b><br />\n"
		quoted = `HTTP status 200, "Notice: Undefined index: x in /var/www/x.php on line 3"): this is a fault in wolkvox's server`
	)
	plain := anyTag.ReplaceAllString(tagged, "")
	for _, c := range []struct{ name, body, expected string }{
		{"before", tagged + testReport, quoted},
		{"after", testReport + tagged, quoted},
		{"many", strings.Repeat(tagged, 1000) + testReport, quoted},
		{"after many rows", `{"data": [` + strings.Repeat(testRow+",", 1000) + testRow + "]}" + tagged, quoted},
		{"plain before", plain + testReport, quoted},
		{"plain after", testReport + plain, quoted},
		{"alone", tagged, quoted},
		{"after a mark", byteOrderMark + tagged + testReport, quoted},
		{"of the command line", "PHP " + strings.TrimSpace(plain) + "\n" + testReport, quoted},
		{"warning", strings.Replace(tagged, "Notice", "Warning", 1) + testReport, `"Warning: Undefined index: x in /var/www/x.php on line 3"`},
		{"deprecated", strings.Replace(plain, "Notice", "Deprecated", 1) + testReport, `"Deprecated: Undefined index: x in`},
		{"fatal error", strings.Replace(tagged, "Notice", "Fatal error", 1), `"Fatal error: Undefined index: x in`},
		{"token", strings.Replace(tagged, "index: x", "index: "+testToken+" in &quot;a&quot;", 1),
			`"Notice: Undefined index: <token> in \"a\" in /var/www/x.php on line 3"`},
		{"long", strings.Replace(tagged, "index: x", strings.Repeat("x", 3000), 1), strings.Repeat("x", maxQuote-len("Notice: Undefined ")) + `"…`},
	} {
		_, err := inUTC().Parse(respond(200, c.body), newYear)
		requireClass(t, FailedPHP, err)
		require.ErrorContains(t, err, c.expected, c.name)
		require.NotContains(t, err.Error(), "\n")
	}
	for _, body := range []string{
		strings.Repeat("x", 2*maxNotice) + tagged + strings.Repeat("x", 2*maxNotice), "<html>Notice: we are closed</html>",
		"Notice: x", "ThisNotice: x in /x.php on line 3", "<br />\n<b>Notice</b>:  Undefined index: x", testReport[:100],
	} {
		_, err := inUTC().Parse(respond(200, body), newYear)
		requireClass(t, FailedResponse, err)
	}
	r := respond(200, tagged)
	r.BodyErr = errors.New("connection broke")
	_, err := inUTC().Parse(r, newYear)
	requireClass(t, FailedResponse, err)
}

//promise:postponed
func TestClasses(t *testing.T) {
	t.Parallel()
	var general []string
	names := make(map[string]bool)
	for _, class := range FailureClasses {
		names[class.Name] = true
		require.NotEmpty(t, class.Message)
		require.NotEmpty(t, class.Advice)
		if class.General {
			general = append(general, class.Name)
		}
	}
	require.Len(t, names, len(FailureClasses))
	require.Equal(t, []string{"token", "quota", "busy", "overload", "connection", "tls", "redirect"}, general)
}

//promise:quota
func TestTimeAndRetryAfter(t *testing.T) {
	t.Parallel()
	const date = "Mon, 19 Jan 2026 00:34:31 GMT"
	now := time.Date(2026, 1, 19, 0, 34, 31, 0, time.UTC)
	for _, c := range []struct {
		name       string
		headers    []string
		time       time.Time
		retryAfter time.Duration
	}{
		{"seconds", []string{"Date", date, "Retry-After", "20"}, now, 20 * time.Second},
		{"date", []string{"Date", date, "Retry-After", "Mon, 19 Jan 2026 00:35:21 GMT"}, now, 50 * time.Second},
		{"past date", []string{"Date", date, "Retry-After", "Mon, 19 Jan 2026 00:30:00 GMT"}, now, 0},
		{"nonsense", []string{"Date", "today", "Retry-After", "soon"}, time.Time{}, 0},
		{"negative", []string{"Retry-After", "-5"}, time.Time{}, 0},
		{"far", []string{"Retry-After", "18446744073709551615"}, time.Time{}, 24 * time.Hour},
		{"far date", []string{"Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT"}, time.Time{}, 24 * time.Hour},
		{"past date by this machine's clock", []string{"Retry-After", date}, time.Time{}, 0},
		{"cached", []string{"Date", date, "Age", "0"}, time.Time{}, 0},
		{"early", []string{"Date", "Thu, 01 Jan 1970 00:00:00 GMT"}, time.Time{}, 0},
		{"latest", []string{"Date", "Wed, 31 Dec 2200 23:59:59 GMT"}, time.Date(2200, 12, 31, 23, 59, 59, 0, time.UTC), 0},
		{"late", []string{"Date", "Fri, 01 Jan 2201 00:00:00 GMT"}, time.Time{}, 0},
	} {
		_, err := inUTC().Parse(respond(503, "", c.headers...), newYear)
		var failure *Failure
		require.ErrorAs(t, err, &failure, c.name)
		require.True(t, c.time.Equal(failure.Time), c.name)
		require.Equal(t, c.retryAfter, failure.RetryAfter, c.name)

		report, err := inUTC().Parse(respond(200, `{"data": []}`, c.headers...), newYear)
		require.NoError(t, err)
		require.True(t, c.time.Equal(report.Time), c.name)
	}
}

// An error text that only repeats the status is ignored.
//
//promise:failures
func TestErrorThatRepeatsTheStatus(t *testing.T) {
	t.Parallel()
	_, err := inUTC().Parse(respond(404, `{"code":"404","error":"404","msg":"Validate dates entered","data":null}`), newYear)
	require.NoError(t, err)
	_, err = inUTC().Parse(respond(404, `{"code":"404","error":"404","msg":"No such report","data":null}`), newYear)
	require.ErrorContains(t, err, `the report or server does not exist (HTTP status 404, "No such report")`)
}
