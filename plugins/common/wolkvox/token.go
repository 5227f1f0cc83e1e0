package wolkvox

import (
	"context"
	"crypto/sha256"
	"errors"
	"regexp"
	"strings"
	"sync"

	"telegraf-wolkvox-ivr/plugins/common/redact"
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
	HideToken(token)
	if err := CheckToken(token); err != nil {
		return "", &Failure{Class: FailedToken, Detail: err.Error()}
	}
	return token, nil
}

// CheckToken returns why a text can't be a token, without quoting it.
func CheckToken(token string) error {
	switch {
	case token == "":
		return errors.New(`token is empty: set it to the operation's wolkvox-token, e.g. token = "${WOLKVOX_TOKEN}"`)
	case unsetVariable.MatchString(token):
		return errors.New("the environment variable in token is not set: set it in Telegraf's environment")
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("the token has spaces or characters that are never part of a token: copy it again")
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

// known are the tokens of all operations in this process: a gateway that they share may send back another's.
var known redact.Secrets

// HideToken has the token removed from all texts of this package, whatever client they are of.
func HideToken(token string) { known.Add(token) }

// Redact returns a text without tokens, and without logins and queries of URLs.
func Redact(text string) string { return redact.URLs(known.Redact(text)) }

// maxRedacted is more than is quoted of a text, in bytes.
const maxRedacted = 1 << 10

// redacted returns the first KiB of a text of others, without tokens, and without logins and queries of URLs.
func redacted(text string) string { return redact.URLs(known.RedactFirst(text, maxRedacted)) }
