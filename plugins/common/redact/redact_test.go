package redact

import (
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const secret = `Invented/Token+1"%41&%25é`

// A secret is found regardless of how a server, a library or a message escapes it.
//
//promise:leaks
func TestSecrets(t *testing.T) {
	jsonOf := func(text string) string {
		content, err := json.Marshal(text)
		require.NoError(t, err)
		return string(content)
	}
	unicode := func(text string) string {
		var out strings.Builder
		for _, r := range text {
			fmt.Fprintf(&out, `\u%04X`, r)
		}
		return out.String()
	}
	entities := func(text string) string {
		var out strings.Builder
		for i, r := range text {
			fmt.Fprintf(&out, []string{"&#%d;", "&#x%X;"}[i%2], r)
		}
		return out.String()
	}
	php := func(text string) string { return strings.ReplaceAll(jsonOf(text), "/", `\/`) }
	s := NewSecrets("another-one", secret)
	for name, text := range map[string]string{
		"plain":            secret,
		"in capitals":      strings.ToUpper("another-one"),
		"query":            url.QueryEscape(secret),
		"path":             url.PathEscape(secret),
		"path, lower case": strings.ToLower(url.PathEscape("another-one")) + strings.ReplaceAll("another-one", "a", "%61"),
		"query twice":      url.QueryEscape(url.QueryEscape(secret)),
		"JSON":             jsonOf(secret),
		"PHP's JSON":       php(secret),
		"JSON in JSON":     php(php(secret)),
		"code points":      unicode(secret),
		"HTML":             html.EscapeString(secret),
		"entities":         entities(secret),
		"quoted by Go":     fmt.Sprintf("%q", secret),
		"ASCII by Go":      fmt.Sprintf("%+q", secret),
		"in a quoted URL":  fmt.Sprintf("Get %q: EOF", "https://example.org/"+url.PathEscape(secret)),
	} {
		got := s.Redact("a " + text + " b")
		require.Contains(t, got, "<token>", name)
		require.NotContains(t, strings.ToLower(got), "invented", name)
		require.True(t, strings.HasPrefix(got, "a ") && strings.HasSuffix(got, " b"), got)
		require.Less(t, len(got), 60, name)
	}
	require.Equal(t, "<token>", NewSecrets("twice", "unused").Redact("twice%74wice"))
	require.Equal(t, `a "<token>"`, NewSecrets("t\xf3ken-abc123").Redact(fmt.Sprintf("a %q", "t\xf3ken-abc123")))
	require.Equal(t, "a<token>b", NewSecrets("over-lap", "lap-over").Redact("aover-lap-overb"))
}

func TestOtherTextIsUnchanged(t *testing.T) {
	for _, text := range []string{"", "100%", `\`, `\u12`, "&amp;", "50%25", "a\xffb", "<token>", `C:\new\temp`} {
		require.Equal(t, text, NewSecrets("invented").Redact(text))
	}
	require.Equal(t, "inventing", (&Secrets{}).Redact("inventing"))
	require.Equal(t, "a abc", NewSecrets("", "a", "abc").Redact("a abc"), "too short to hide")
}

// A secret is found next to text that looks like an escape.
//
//promise:leaks
func TestSecretsBesideEscapes(t *testing.T) {
	s := NewSecrets("7b69645f-Abcdef", "abc%41def", `a\b/c"d&amp;e`)
	for _, before := range []string{"%", `\x`, `\u00`, "%25", "&#", "&", `\`, "%2"} {
		for _, after := range []string{"", "%", "41", "amp;", ";"} {
			for _, text := range []string{"7b69645f-Abcdef", "abc%41def", `a\b/c"d&amp;e`} {
				got := s.Redact(before + text + after)
				require.Contains(t, got, "<token>", before+text+after)
				require.NotContains(t, strings.ToLower(got), "def", before+text+after)
			}
		}
	}
	for _, text := range []string{"%u0037b69645f-Abcdef", "&#0000000055;b69645f-Abcdef", "&#55;b69645f-Abcdef", "7b69645f&#x2D;Abcdef", "7b69645f&#45Abcdef"} {
		require.Equal(t, "<token>", s.Redact(text), text)
	}
}

// A text that is cut shows no part of a secret.
//
//promise:leaks
func TestRedactFirst(t *testing.T) {
	const limit = 1000
	s := NewSecrets(secret)
	for _, before := range []int{0, limit - 10, limit, 3 * limit} {
		got := s.RedactFirst(strings.Repeat("x", before)+strings.Repeat(secret, 100), limit)
		require.NotContains(t, strings.ToLower(got), "inv", before)
		require.LessOrEqual(t, len(got), limit+len("<token>…"))
		require.True(t, strings.HasSuffix(got, "…"))
	}
	require.Equal(t, "ab", s.RedactFirst("ab", 2))
}

//promise:leaks
func TestURLs(t *testing.T) {
	for text, want := range map[string]string{
		"https://example.org/a.conf":                                "https://example.org/a.conf",
		"https://user:pass@example.org:8080/a.conf?key=k#part":      "https://…@example.org:8080/a.conf?…",
		`invalid proxy address "http://user:p/a@s?s@127.0.0.1:1"`:   `invalid proxy address "http://…@127.0.0.1:1"`,
		`parse "socks5://user:a b@c":: x`:                           `parse "socks5://…@c":: x`,
		"https://manager.wolkvox.com, e.g. \"0001\" for a@b":        "https://manager.wolkvox.com, e.g. \"0001\" for a@b",
		"http://a.example/?x=1 and https://b.example/#y, then more": "http://a.example/?… and https://b.example/#… then more",
		"no URL? a:b@c #1": "no URL? a:b@c #1",
	} {
		require.Equal(t, want, URLs(text))
	}
}
