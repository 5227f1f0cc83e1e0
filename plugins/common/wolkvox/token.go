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

// unsetVariable matches a reference to an unset environment variable, which Telegraf leaves in place.
var unsetVariable = regexp.MustCompile(`\$\{[^}]*\}|^\$[A-Za-z_]\w*$`)

// CurrentToken returns the token that the next request would use. The error is a *Failure of class FailedToken.
func (c *Client) CurrentToken() (string, error) {
	secret, err := c.Token.Get()
	if err != nil {
		return "", &Failure{Class: FailedToken, Detail: "getting the token failed: " + Quote(err.Error(), maxQuote)}
	}
	defer secret.Destroy()
	token := strings.TrimSpace(secret.String()) // stores such as Docker's keep a trailing newline
	HideToken(token)
	if err := CheckToken(token); err != nil {
		return "", &Failure{Class: FailedToken, Detail: err.Error()}
	}
	return token, nil
}

// CheckToken returns an error if the text can't be a token. The error doesn't quote it.
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

// tokens holds a lock for each token in use or waited for, by hash, because the API forbids concurrent use (vendor documentation).
var tokens = struct {
	sync.Mutex
	locks map[[sha256.Size]byte]*tokenLock
}{locks: make(map[[sha256.Size]byte]*tokenLock)}

type tokenLock struct {
	held  chan struct{}
	users int // requests that hold the lock or wait for it
}

// acquireToken waits until no other request of this process uses the token. The error is ctx.Err().
func acquireToken(ctx context.Context, token string) (release func(), err error) {
	key := sha256.Sum256([]byte(token))
	tokens.Lock()
	lock, found := tokens.locks[key]
	if !found {
		lock = &tokenLock{held: make(chan struct{}, 1)}
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
	case lock.held <- struct{}{}:
		return func() { <-lock.held; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}

// secrets are the tokens of all operations in this process, because a gateway that they share may send back another operation's.
var secrets redact.Secrets

// HideToken makes all texts of this package, for all clients, leave out the token from now on.
func HideToken(token string) { secrets.Add(token) }

// Redact removes tokens, and the logins and queries of URLs, from a text.
func Redact(text string) string { return redact.URLs(secrets.Redact(text)) }

// maxRedacted is how many bytes of a foreign text are redacted. No message quotes that many.
const maxRedacted = 1 << 10

// redacted returns the first KiB of a foreign text, redacted like Redact does.
func redacted(text string) string { return redact.URLs(secrets.RedactFirst(text, maxRedacted)) }
