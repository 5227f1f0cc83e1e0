// Package redact removes secrets and parts of URLs from texts for logs and messages.
package redact

import (
	"crypto/sha256"
	"html"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const (
	// minSecret is the fewest characters of a secret: words would suffer from shorter ones.
	minSecret = 4
	// maxOverhang is how many bytes after a cut are searched for the end of a secret.
	maxOverhang = 3 << 10
	// maxEscapes is how many times a secret may have been escaped.
	maxEscapes = 4
)

// Secrets are secrets to remove from texts, known by their hashes alone. The zero value has none. It may be used concurrently.
type Secrets struct {
	mu       sync.RWMutex
	byLength map[int]map[[sha256.Size]byte]struct{}
}

// NewSecrets returns the set of these secrets.
func NewSecrets(secrets ...string) *Secrets {
	s := &Secrets{}
	for _, secret := range secrets {
		s.Add(secret)
	}
	return s
}

// Add adds a secret. One of fewer than 4 characters is ignored.
func (s *Secrets) Add(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byLength == nil {
		s.byLength = make(map[int]map[[sha256.Size]byte]struct{})
	}
	for level := range levels(secret) {
		if n := len(level.plain); n >= minSecret {
			if s.byLength[n] == nil {
				s.byLength[n] = make(map[[sha256.Size]byte]struct{})
			}
			s.byLength[n][sha256.Sum256(level.plain)] = struct{}{}
		}
	}
}

// Redact returns the text with "<token>" in place of each secret: in any case of ASCII, and escaped as in URLs, JSON, Go's quotes or HTML, up to
// four times.
func (s *Secrets) Redact(text string) string { return s.RedactFirst(text, len(text)) }

// RedactFirst redacts the text as Redact does, and cuts it to its first bytes. Nothing is shown of a secret across the cut.
func (s *Secrets) RedactFirst(text string, most int) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	shown := min(most, len(text))
	text = text[:min(shown+maxOverhang, len(text))]
	isSecret := make([]bool, len(text))
	found := false
	for level := range levels(text) {
		for length, secrets := range s.byLength {
			for from := 0; from+length <= len(level.plain); from++ {
				if _, known := secrets[sha256.Sum256(level.plain[from:from+length])]; known {
					found = true
					for i := level.offsets[from]; i < level.offsets[from+length]; i++ {
						isSecret[i] = true
					}
				}
			}
		}
	}
	if !found && shown == len(text) {
		return text
	}
	var out strings.Builder
	for i := range shown {
		switch {
		case !isSecret[i]:
			out.WriteByte(text[i])
		case i == 0 || !isSecret[i-1]:
			out.WriteString("<token>")
		}
	}
	if shown < len(text) {
		return out.String() + "…"
	}
	return out.String()
}

// escape matches a character as it is escaped in URLs, JSON, Go's quotes or HTML.
var escape = regexp.MustCompile(`(?i)%u[0-9a-f]{4}|%[0-9a-f]{2}|\\u[0-9a-f]{4}|\\x[0-9a-f]{2}|\\[^ux]|&#\d{1,12};?|&#x[0-9a-f]{1,12};?|&\w{1,8};`)

// level is a text in lower case without some levels of escapes, and for each of its bytes, and its end, the offset in the text.
type level struct {
	plain   []byte
	offsets []int
}

// levels returns the text as it is, and without one more level of escapes each time. A secret may be found at any of them: what stands
// before it may look like the beginning of an escape.
func levels(text string) iter.Seq[level] {
	l := level{[]byte(text), make([]int, len(text)+1)}
	for i := range l.offsets {
		l.offsets[i] = i
	}
	return func(yield func(level) bool) {
		for range maxEscapes + 1 {
			if !yield(level{lower(l.plain), l.offsets}) {
				return
			}
			places := escape.FindAllIndex(l.plain, -1)
			if len(places) == 0 {
				return
			}
			l = l.without(places)
		}
	}
}

// without returns the text without these escapes.
func (l level) without(places [][]int) level {
	plain, offsets := make([]byte, 0, len(l.plain)), make([]int, 0, len(l.offsets))
	end := 0
	for _, place := range places {
		plain, offsets = append(plain, l.plain[end:place[0]]...), append(offsets, l.offsets[end:place[0]]...)
		for i, b := range []byte(character(string(l.plain[place[0]:place[1]]))) {
			plain, offsets = append(plain, b), append(offsets, l.offsets[min(place[0]+i, place[1]-1)])
		}
		end = place[1]
	}
	return level{append(plain, l.plain[end:]...), append(offsets, l.offsets[end:]...)}
}

func lower(text []byte) []byte {
	text = slices.Clone(text)
	for i, b := range text {
		if b >= 'A' && b <= 'Z' {
			text[i] += 'a' - 'A'
		}
	}
	return text
}

// character returns what an escape stands for.
func character(escape string) string {
	switch {
	case escape[0] == '&':
		return html.UnescapeString(escape)
	case len(escape) == len("%uXXXX"):
		code, _ := strconv.ParseUint(escape[2:], 16, 32) //nolint:errcheck // the expression has matched it
		return string(rune(code))
	case escape[0] == '%', len(escape) == len(`\xXX`):
		code, _ := strconv.ParseUint(escape[len(escape)-2:], 16, 8) //nolint:errcheck // the expression has matched it
		return string([]byte{byte(code)})
	}
	if control := strings.IndexByte("nrt", escape[1]); control >= 0 {
		return "\n\r\t"[control : control+1]
	}
	return escape[1:]
}
