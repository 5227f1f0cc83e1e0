// Package redact removes secrets and parts of URLs from texts for logs and messages.
package redact

import (
	"crypto/sha256"
	"html"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

const (
	// minSecret is the fewest characters of a secret: words would suffer from shorter ones.
	minSecret = 4
	// maxText bounds a text in bytes: messages quote a few hundred. As much again is searched, for a secret that begins in it.
	maxText = 8 << 10
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
	plain, _ := unescape(secret)
	if len(plain) < minSecret {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byLength == nil {
		s.byLength = make(map[int]map[[sha256.Size]byte]struct{})
	}
	if s.byLength[len(plain)] == nil {
		s.byLength[len(plain)] = make(map[[sha256.Size]byte]struct{})
	}
	s.byLength[len(plain)][sha256.Sum256(plain)] = struct{}{}
}

// Redact returns the text with "<token>" in place of each secret: in any case of ASCII, and escaped as in URLs, JSON, Go's quotes or HTML, up to
// four times. A text of more than 8 KiB is cut.
func (s *Secrets) Redact(text string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.byLength) == 0 {
		return text
	}
	shown := len(text)
	if shown > maxText {
		text, shown = text[:min(shown, 2*maxText)], maxText
	}
	plain, offsets := unescape(text)
	isSecret := make([]bool, len(text))
	found := false
	for length, secrets := range s.byLength {
		for from := 0; from+length <= len(plain); from++ {
			if _, known := secrets[sha256.Sum256(plain[from:from+length])]; known {
				found = true
				for i := offsets[from]; i < offsets[from+length]; i++ {
					isSecret[i] = true
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
		return strings.ToValidUTF8(out.String(), "") + "…"
	}
	return out.String()
}

// escape matches a character as it is escaped in URLs, JSON, Go's quotes or HTML.
var escape = regexp.MustCompile(`(?i)%[0-9a-f]{2}|\\u[0-9a-f]{4}|\\x[0-9a-f]{2}|\\[^ux]|&#?\w{1,8};`)

// unescape returns the text in lower case without escapes, and for each of its bytes, and its end, the offset in the text.
func unescape(text string) (plain []byte, offsets []int) {
	plain = []byte(text)
	offsets = make([]int, len(plain)+1)
	for i := range offsets {
		offsets[i] = i
	}
	for range maxEscapes {
		places := escape.FindAllIndex(plain, -1)
		if len(places) == 0 {
			break
		}
		shorter, from := make([]byte, 0, len(plain)), make([]int, 0, len(offsets))
		end := 0
		for _, place := range places {
			shorter, from = append(shorter, plain[end:place[0]]...), append(from, offsets[end:place[0]]...)
			for i, b := range []byte(character(string(plain[place[0]:place[1]]))) {
				shorter, from = append(shorter, b), append(from, offsets[min(place[0]+i, place[1]-1)])
			}
			end = place[1]
		}
		plain, offsets = append(shorter, plain[end:]...), append(from, offsets[end:]...)
	}
	for i, b := range plain {
		if b >= 'A' && b <= 'Z' {
			plain[i] += 'a' - 'A'
		}
	}
	return plain, offsets
}

// character returns what an escape stands for.
func character(escape string) string {
	switch {
	case escape[0] == '&':
		return html.UnescapeString(escape)
	case escape[0] == '%', escape[1] == 'x', escape[1] == 'X':
		code, _ := strconv.ParseUint(strings.TrimLeft(escape, `%\xX`), 16, 8) //nolint:errcheck // the expression has matched it
		return string([]byte{byte(code)})
	case len(escape) > 2:
		code, _ := strconv.ParseUint(escape[2:], 16, 32) //nolint:errcheck // the expression has matched it
		return string(rune(code))
	}
	if control := strings.IndexByte("nrt", escape[1]); control >= 0 {
		return "\n\r\t"[control : control+1]
	}
	return escape[1:]
}
