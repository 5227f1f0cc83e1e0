package redact

import "regexp"

var (
	// login matches the login of a URL, between :// and @. Passwords may contain characters that are invalid in URLs.
	login = regexp.MustCompile(`(://)(?:[^\s"'<>]*|[^\s/:"@]+:[^"\n]{1,200})@`)
	// query matches the query and fragment of a URL.
	query = regexp.MustCompile(`(\b[A-Za-z][A-Za-z0-9+.-]*://[^\s"'<>?#]*[?#])[^\s"'<>]+`)
)

// URLs returns the text with the logins, queries and fragments of URLs replaced by "…".
func URLs(text string) string {
	return query.ReplaceAllString(login.ReplaceAllString(text, "${1}…@"), "${1}…")
}
