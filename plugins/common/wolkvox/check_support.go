package wolkvox

// HasRows reports whether the response is a report with rows, even if Parse fails because none of them can be read or is of the window.
func (r *Response) HasRows() bool {
	if r.BodyErr != nil {
		return false
	}
	e, err := readEnvelope(r.Body)
	return r.failure(e, err) == nil && e.hasRows()
}
