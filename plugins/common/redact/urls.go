package redact

import "regexp"

var (
	// login matches what stands between :// and @ of a URL, where a password may have characters that no URL may have.
	login = regexp.MustCompile(`(://)(?:[^\s"'<>]*|[^\s/:"@]+:[^"\n]{1,200})@`)
	// query matches the query and fragment of a URL.
	query = regexp.MustCompile(`(\b[A-Za-z][A-Za-z0-9+.-]*://[^\s"'<>?#]*[?#])[^\s"'<>]+`)
)

// URLs returns the text without logins, queries and fragments of URLs.
func URLs(text string) string {
	return query.ReplaceAllString(login.ReplaceAllString(text, "${1}…@"), "${1}…")
}
