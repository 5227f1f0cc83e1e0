// Package redact removes secrets, and the logins and queries of URLs, from texts for logs and messages.
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
	// minSecret is the minimum length of a secret in bytes, because shorter ones would also match parts of words.
	minSecret = 4
	// maxOverhang is how many bytes after a cut are searched for the rest of a secret.
	maxOverhang = 3 << 10
	// maxEscapes is how many levels of escapes are removed.
	maxEscapes = 4
)

// Secrets is a set of secrets to remove from texts, stored only as hashes. The zero value is empty. It is safe for concurrent use.
type Secrets struct {
	mu       sync.RWMutex
	byLength map[int]map[[sha256.Size]byte]struct{}
}

// NewSecrets returns a set with these secrets.
func NewSecrets(secrets ...string) *Secrets {
	s := &Secrets{}
	for _, secret := range secrets {
		s.Add(secret)
	}
	return s
}

// Add adds a secret. Secrets of less than 4 bytes are ignored.
func (s *Secrets) Add(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byLength == nil {
		s.byLength = make(map[int]map[[sha256.Size]byte]struct{})
	}
	for level := range levels(secret) {
		if length := len(level.plain); length >= minSecret {
			if s.byLength[length] == nil {
				s.byLength[length] = make(map[[sha256.Size]byte]struct{})
			}
			s.byLength[length][sha256.Sum256(level.plain)] = struct{}{}
		}
	}
}

// Redact returns the text with each secret replaced by "<token>". It ignores ASCII case, and also finds secrets escaped up to four times as in
// URLs, JSON, Go strings or HTML.
func (s *Secrets) Redact(text string) string { return s.RedactFirst(text, len(text)) }

// RedactFirst redacts the first n bytes of the text as Redact does, and replaces the rest by "…". A secret across the cut is redacted too.
func (s *Secrets) RedactFirst(text string, n int) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	shown := min(n, len(text))
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

// escape matches an escaped character of URLs, JSON, Go strings or HTML.
var escape = regexp.MustCompile(`(?i)%u[0-9a-f]{4}|%[0-9a-f]{2}|\\u[0-9a-f]{4}|\\x[0-9a-f]{2}|\\[^ux]|&#\d{1,12};?|&#x[0-9a-f]{1,12};?|&\w{1,8};`)

// level is a text after removing some levels of escapes, with the offset in the original text of each byte and of the end.
type level struct {
	plain   []byte
	offsets []int
}

// levels yields the text in lower case, first unchanged, then with one more level of escapes removed each time. Every level must be searched,
// because text before a secret may look like the start of an escape.
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
			l = l.unescaped(places)
		}
	}
}

// unescaped returns the text with these escapes replaced by the characters they stand for.
func (l level) unescaped(places [][]int) level {
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

// character returns the character that an escape stands for.
func character(escape string) string {
	switch {
	case escape[0] == '&':
		return html.UnescapeString(escape)
	case len(escape) == len("%uXXXX"):
		code, _ := strconv.ParseUint(escape[2:], 16, 32) //nolint:errcheck // matched by the expression
		return string(rune(code))
	case escape[0] == '%', len(escape) == len(`\xXX`):
		code, _ := strconv.ParseUint(escape[len(escape)-2:], 16, 8) //nolint:errcheck // matched by the expression
		return string([]byte{byte(code)})
	}
	if control := strings.IndexByte("nrt", escape[1]); control >= 0 {
		return "\n\r\t"[control : control+1]
	}
	return escape[1:]
}
