package wolkvox_ivr

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/config"
)

const (
	// reportPath and infoPath are where reports and information are (vendor documentation).
	reportPath = "/api/v2/reports_manager.php"
	infoPath   = "/api/v2/information.php"
	// reportAPI names the report "1.2. IVR calls and minutes by time" (vendor documentation).
	reportAPI = "diagram_1_2"
	// quotaAPI names what tells how many calls a day the operation has, and has made (vendor documentation).
	quotaAPI = "token_info"

	// maxHeaderBytes bounds the headers of an answer.
	maxHeaderBytes = 64 << 10
)

// client asks one operation's server for reports.
type client struct {
	base     string // the URL of the server, without a slash at its end
	token    *config.Secret
	timeout  time.Duration // for a request
	calendar calendar
	http     *http.Client
	clock    Clock
	log      telegraf.Logger
	stats    *statistics
}

// read makes one request for the hours of w. It returns an *apiError if the API or the way to it fails, and ctx's error
// if that ends.
func (c *client) read(ctx context.Context, w window) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	a, err := c.attempt(ctx, w)
	c.stats.failure(err)
	return a, err
}

func (c *client) attempt(ctx context.Context, w window) (*answer, error) {
	token, release, err := c.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer release()

	start := time.Now()
	a, err := c.request(ctx, w, token)
	c.stats.request(time.Since(start))
	return a, err
}

// turn returns the token when it is this client's turn to make a request with it, until release is called.
func (c *client) turn(ctx context.Context) (token string, release func(), err error) {
	if token, err = c.currentToken(); err != nil {
		return "", nil, err
	}
	if release, err = acquire(ctx, token); err != nil {
		return "", nil, &apiError{kind: failedTimeout, detail: "another request with the same token is still running"}
	}
	return token, release, nil
}

func (c *client) request(ctx context.Context, w window, token string) (*answer, error) {
	query := c.reportOf(w)
	resp, err := c.get(ctx, reportPath, query, token)
	if err != nil {
		return nil, connectionError(err, token)
	}
	defer resp.Body.Close()

	a, err := readAnswer(resp.Body, c.calendar, w, token)
	c.log.Debugf("Asked for %s to %s: HTTP status %d", query.Get("date_ini"), query.Get("date_end"), resp.StatusCode)
	if err := classify(resp, a, err, token, c.clock.Now()); err != nil {
		return nil, err
	}
	return a, nil
}

// reportOf returns the parameters of a request for the report of the hours of w.
func (c *client) reportOf(w window) url.Values {
	return url.Values{
		"api":      {reportAPI},
		"date_ini": {fmt.Sprintf("%d0000", c.calendar.label(w.From))},
		"date_end": {fmt.Sprintf("%d5959", c.calendar.label(w.To.Add(-time.Nanosecond)))}, // inclusive (seen in public clients)
	}
}

// get makes one request, whose answer is to be closed. Its errors are net/http's.
func (c *client) get(ctx context.Context, path string, query url.Values, token string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("wolkvox-token", token)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "telegraf-wolkvox-ivr/"+Version)
	return c.http.Do(req)
}

// currentToken reads the token anew for each request, since a secret store may have changed it.
func (c *client) currentToken() (string, error) {
	secret, err := c.token.Get()
	if err != nil {
		return "", &apiError{kind: failedToken, detail: "getting the token failed: " + quote(err.Error(), maxSaid)}
	}
	defer secret.Destroy()
	token := strings.TrimSpace(secret.String()) // stores such as docker's keep the line's end
	if err := checkToken(token); err != nil {
		return "", &apiError{kind: failedToken, detail: err.Error()}
	}
	return token, nil
}

func checkToken(token string) error {
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

// refuseRedirect refuses them all: net/http would send the token along, and each is a request of the quota.
func refuseRedirect(*http.Request, []*http.Request) error {
	return errRedirect
}

var errRedirect = errors.New("redirected, which was refused")

// requests holds, for each token in use, the right to make a request with it: the API forbids simultaneous use.
var requests = struct {
	sync.Mutex
	turns map[[sha256.Size]byte]*tokenTurn
}{turns: make(map[[sha256.Size]byte]*tokenTurn)}

type tokenTurn struct {
	taken chan struct{}
	users int
}

// acquire waits for the turn to make a request with the token. Tokens don't wait for each other.
func acquire(ctx context.Context, token string) (release func(), err error) {
	key := sha256.Sum256([]byte(token))
	requests.Lock()
	t, found := requests.turns[key]
	if !found {
		t = &tokenTurn{taken: make(chan struct{}, 1)}
		requests.turns[key] = t
	}
	t.users++
	requests.Unlock()

	leave := func() {
		requests.Lock()
		defer requests.Unlock()
		if t.users--; t.users == 0 {
			delete(requests.turns, key)
		}
	}
	select {
	case t.taken <- struct{}{}:
		return func() { <-t.taken; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}

// retryAfter reads the header of that name, in seconds or as a date (RFC 9110).
func retryAfter(resp *http.Response, now time.Time) time.Duration {
	text := resp.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 64); err == nil {
		return time.Duration(min(seconds, 24*60*60)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return at.Sub(now)
	}
	return 0
}
