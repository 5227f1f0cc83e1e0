package wolkvox

import (
	"html"
	"regexp"
	"strings"
)

// maxNotice bounds how much of a body's beginning and end is searched for a notice, in bytes.
const maxNotice = 4096

var (
	// phpNotice matches what PHP writes into a page where its errors are displayed, with or without tags (PHP manual: display_errors).
	phpNotice = regexp.MustCompile(`(?s)(?:^|[\s>])((?:Notice|Warning|Deprecated|Strict Standards|Parse error|Fatal error)(?:</b>)?:\s.+? on line (?:<b>)?\d+)`)
	anyTag    = regexp.MustCompile(`<[^>]*>`)
)

// notice returns what PHP has written around the JSON, on one line and without tags or token, or "".
func (r *Response) notice() string {
	if r.BodyErr != nil {
		return ""
	}
	for _, part := range [][]byte{r.Body[:min(len(r.Body), maxNotice)], r.Body[max(len(r.Body)-maxNotice, 0):]} {
		if found := phpNotice.FindSubmatch(part); found != nil {
			text := html.UnescapeString(anyTag.ReplaceAllString(string(found[1]), ""))
			return strings.Join(strings.Fields(text), " ")
		}
	}
	return ""
}
