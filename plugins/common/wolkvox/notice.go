package wolkvox

import (
	"html"
	"regexp"
	"strings"
)

// maxNotice is how many bytes at each end of a body are searched for a notice.
const maxNotice = 4096

var (
	// phpNotice matches an error that PHP writes into a page, with or without tags (PHP manual: display_errors).
	phpNotice = regexp.MustCompile(`(?s)(?:^|[\s>])((?:Notice|Warning|Deprecated|Strict Standards|Parse error|Fatal error)(?:</b>)?:\s.+? on line (?:<b>)?\d+)`)
	anyTag    = regexp.MustCompile(`<[^>]*>`)
)

// notice returns an error that PHP wrote around the JSON, on one line and without tags, or "".
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
