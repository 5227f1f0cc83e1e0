package wolkvox

import "github.com/tidwall/gjson"

// HasRows reports whether the response is a report with rows, even if Parse fails because none of them can be read or is of the window. It
// does not count rows of an hour without a date: Parse can read those of a single day.
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
