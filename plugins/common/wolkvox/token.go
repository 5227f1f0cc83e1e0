package wolkvox

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// unsetVariable matches what Telegraf leaves of a reference to an environment variable that is not set.
var unsetVariable = regexp.MustCompile(`\$\{[^}]*\}|^\$[A-Za-z_]\w*$`)

// CurrentToken returns the token as the next request would use it. Its error is a *Failure of FailedToken.
func (c *Client) CurrentToken() (string, error) {
	secret, err := c.Token.Get()
	if err != nil {
		return "", &Failure{Class: FailedToken, Detail: "getting the token failed: " + Quote(err.Error(), maxQuote)}
	}
	defer secret.Destroy()
	token := strings.TrimSpace(secret.String()) // stores such as docker's keep the line's end
	if err := CheckToken(token); err != nil {
		return "", &Failure{Class: FailedToken, Detail: err.Error()}
	}
	return token, nil
}

// CheckToken returns why a text can't be a token, without quoting it.
func CheckToken(token string) error {
	switch {
	case token == "":
		return errors.New(`token is empty: set it to the operation's wolkvox-token, e.g. by token = "${WOLKVOX_TOKEN}"`)
	case unsetVariable.MatchString(token):
		return errors.New("the environment variable that token names isn't set: set it where Telegraf is started")
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("the token has blanks or characters that no wolkvox-token has: copy it again")
	}
	return nil
}

// tokens has a lock for each token in use or waited for, by its hash: the API forbids simultaneous use (vendor documentation).
var tokens = struct {
	sync.Mutex
	locks map[[sha256.Size]byte]*tokenLock
}{locks: make(map[[sha256.Size]byte]*tokenLock)}

type tokenLock struct {
	taken chan struct{}
	users int // those who hold it or wait for it
}

// acquire waits until no other request of this process uses the token. Its error is ctx's.
func acquire(ctx context.Context, token string) (release func(), err error) {
	key := sha256.Sum256([]byte(token))
	tokens.Lock()
	lock, found := tokens.locks[key]
	if !found {
		lock = &tokenLock{taken: make(chan struct{}, 1)}
		tokens.locks[key] = lock
	}
	lock.users++
	tokens.Unlock()

	leave := func() {
		tokens.Lock()
		defer tokens.Unlock()
		if lock.users--; lock.users == 0 {
			delete(tokens.locks, key)
		}
	}
	select {
	case lock.taken <- struct{}{}:
		return func() { <-lock.taken; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}

// redact returns a function that removes the token from texts of others, since a server may send it back.
func (c *Client) redact(token string) func(string) string {
	c.redactor.Lock()
	defer c.redactor.Unlock()
	if c.redactor.apply == nil || c.redactor.token != token {
		c.redactor.token, c.redactor.apply = token, Redactor(token)
	}
	return c.redactor.apply
}

// Redactor returns a function that replaces all of the secrets in a text by "<token>": plain, quoted or as part of a URL, in any case.
func Redactor(secrets ...string) func(string) string {
	var forms []string
	for _, secret := range secrets {
		for _, form := range []string{secret, strings.Trim(strconv.Quote(secret), `"`), url.QueryEscape(secret)} {
			if form != "" && utf8.ValidString(form) { // else it is no token, and messages have it quoted
				forms = append(forms, regexp.QuoteMeta(form))
			}
		}
	}
	if len(forms) == 0 {
		return func(text string) string { return text }
	}
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	anyForm := regexp.MustCompile("(?i)" + strings.Join(forms, "|"))
	return func(text string) string { return anyForm.ReplaceAllLiteralString(text, "<token>") }
}
