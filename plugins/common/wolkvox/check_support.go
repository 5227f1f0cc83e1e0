package wolkvox

import "github.com/tidwall/gjson"

// HasRows reports whether the response is a report with rows, even if Parse fails because all rows are unreadable or outside the window.
// Rows with an hour but no date don't count, because Parse can read them if a single day is requested.
func (r *Response) HasRows() bool {
	if r.BodyErr != nil {
		return false
	}
	e, err := readEnvelope(r.Body)
	if r.failure(e, err) != nil {
		return false
	}
	hasRows := false
	e.eachRow(func(row gjson.Result) bool {
		raw := readRow(row)
		l := labelOf(&raw)
		hasRows = l.field != "hour"
		return !hasRows
	})
	return hasRows
}
