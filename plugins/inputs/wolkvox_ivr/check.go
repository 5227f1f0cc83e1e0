package wolkvox_ivr

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// Status is how a step of a check went.
type Status string

// The statuses. One failure fails the check.
const (
	OK   Status = "ok"
	Warn Status = "warn"
	Fail Status = "fail"
)

// Finding is what a step of a check has found, and where it is not as it should be, what to do.
type Finding struct {
	Step   string `json:"step"`
	Status Status `json:"status"`
	Text   string `json:"text"`
}

// Surroundings are what a check has to be told of the configuration around a table.
type Surroundings struct {
	TokenFrom string        // where the token comes from, such as "the secret store docker"
	Interval  time.Duration // between gathers
	PerDay    int           // requests a day of all tables that share the operation's quota, one a gather
}

// slightlyOff is how far a clock may be off without a word.
const slightlyOff = 2 * time.Minute

// shortToken is fewer characters than a token may be expected to have.
const shortToken = 8

// Redactor returns a function that takes the tokens of all these plugins out of a text.
func Redactor(plugins []*WolkvoxIVR) func(text string) string {
	tokens := make([]string, 0, len(plugins))
	for _, w := range plugins {
		secret, err := w.Token.Get()
		if err != nil {
			continue
		}
		if token := strings.TrimSpace(secret.String()); len(token) >= shortToken {
			tokens = append(tokens, token)
		}
		secret.Destroy()
	}
	return redactor(tokens...)
}

// SharesQuota says whether both are of one operation, by name or by token, so that wolkvox counts their requests together.
func (w *WolkvoxIVR) SharesQuota(other *WolkvoxIVR) bool {
	if w.ID() == other.ID() {
		return true
	}
	own, err := w.client.currentToken()
	if err != nil {
		return false
	}
	theirs, err := other.client.currentToken()
	return err == nil && own == theirs
}

// Check asks the API for what can be known at once, and says what it has found in the order in which things fail. It makes
// four requests at most, and returns how many; neither metrics nor the ledger have anything of it. It takes an Init before.
func (w *WolkvoxIVR) Check(ctx context.Context, around Surroundings, say func(Finding)) (requests int) {
	c := &checking{WolkvoxIVR: w, around: around, tell: say}
	c.now = w.Clock.Now().Round(0)
	if c.checkToken() && c.checkServer(ctx) {
		c.checkReport(ctx)
	}
	return c.requests
}

// checking is a check under way.
type checking struct {
	*WolkvoxIVR
	around   Surroundings
	tell     func(Finding)
	now      time.Time
	token    string // as last used
	answers  bool   // the server does, which has been said
	requests int
}

// say tells a finding, in which nothing that a server has sent may show the token.
func (c *checking) say(step string, status Status, format string, args ...any) {
	secrets := []string{c.proxyPassword()}
	if len(c.token) >= shortToken { // of a shorter one nothing is left to hide, and our own words would suffer
		secrets = append(secrets, c.token)
	}
	c.tell(Finding{step, status, redactor(secrets...)(fmt.Sprintf(format, args...))})
}

// checkToken tells what can be told of the token without using it. It returns whether it can be used.
func (c *checking) checkToken() bool {
	token, err := c.client.currentToken()
	if err != nil {
		c.say("token", Fail, "%v", err)
		return false
	}
	c.token = token
	if len(token) < shortToken {
		c.say("token", Warn, "from %s: %s, which is short for a token: copy it again", c.around.TokenFrom, looks(token))
		return true
	}
	c.say("token", OK, "from %s: %s", c.around.TokenFrom, looks(token))
	return true
}

// looks describes a token without giving it away.
func looks(token string) string {
	var kinds []string
	for _, k := range []struct {
		name string
		is   func(rune) bool
	}{
		{"letters", unicode.IsLetter},
		{"digits", unicode.IsDigit},
		{"other characters", func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }},
	} {
		if strings.ContainsFunc(token, k.is) {
			kinds = append(kinds, k.name)
		}
	}
	return fmt.Sprintf("%d characters, %s", len(token), strings.Join(kinds, " and "))
}

// reply is an answer, read as far as it came.
type reply struct {
	*http.Response
	body    []byte
	bodyErr error
}

// ask makes a request, with the token's turn. What came of the connection is in the trace.
func (c *checking) ask(ctx context.Context, path string, query url.Values) (*reply, *connectionTrace, error) {
	ctx, cancel := context.WithTimeout(ctx, c.client.timeout)
	defer cancel()
	token, release, err := c.client.turn(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer release()
	trace := &connectionTrace{}
	c.token = token
	c.requests++
	resp, err := c.client.get(trace.in(ctx), path, query, token)
	if err != nil {
		return nil, trace, err
	}
	defer resp.Body.Close()
	r := &reply{Response: resp}
	r.body, r.bodyErr = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	return r, trace, nil
}

// checkServer checks the way to the server, the clock and the quota, all by one request. It returns whether to go on.
func (c *checking) checkServer(ctx context.Context) bool {
	r, trace, err := c.ask(ctx, infoPath, url.Values{"api": {quotaAPI}})
	switch {
	case ctx.Err() != nil:
		return false
	case err != nil && trace != nil && c.isMade(trace) && !errors.Is(err, errRedirect):
		return true // this may be all that the API does not answer: the report shows it
	case err != nil:
		c.say("server", Fail, "%s", c.explain(trace, err))
		return false
	}
	c.sayServer(r, trace)
	return c.checkQuota(r)
}

// sayServer tells of a server that has answered.
func (c *checking) sayServer(r *reply, trace *connectionTrace) {
	c.answers = true
	c.sayConnection(trace)
	c.checkClock(r)
}

// checkClock compares the time of the answer with this machine's.
func (c *checking) checkClock(r *reply) {
	date, err := http.ParseTime(r.Header.Get("Date"))
	if err != nil || date.Year() < earliestNow.Year() || date.Year() > 2200 {
		c.say("clock", Warn, "the answer tells no time to compare this machine's clock with: see that it is right, as hours go by it")
		return
	}
	off := c.Clock.Now().Sub(date).Round(time.Second)
	switch size := off.Abs(); {
	case size <= slightlyOff:
		c.say("clock", OK, "this machine's is within two minutes of the server's")
	case size <= slowClock:
		c.say("clock", Warn, "this machine's is %s the server's: set it, as hours go by it", distanceOf(off))
	default:
		c.say("clock", Fail, "this machine's is %s the server's: set it, or hours are read too early or late", distanceOf(off))
	}
}

func distanceOf(off time.Duration) string {
	if off < 0 {
		return fmt.Sprintf("%s behind", -off)
	}
	return fmt.Sprintf("%s ahead of", off)
}

// checkQuota tells what is left of the day's requests. It returns false if none are.
func (c *checking) checkQuota(r *reply) bool {
	_, err := c.answerOf(r, window{})
	var failure *apiError
	switch isFailure := errors.As(err, &failure); {
	case isFailure && failure.kind == failedQuota:
		c.say("quota", Fail, "%v", failure)
		return false
	case isFailure && failure.kind == failedToken:
		return true // the report tells whether it is any good
	}
	q, found := findQuota(r.body)
	switch planned := c.planned(); {
	case !found && c.around.PerDay > quotaPerLicence:
		c.say("quota", Warn, "this API does not tell it (HTTP status %d). %s, which takes more than one licence's %d", r.StatusCode, planned, quotaPerLicence)
	case !found:
		c.say("quota", OK, "this API does not tell it (HTTP status %d). %s of the %d that each licence has", r.StatusCode, planned, quotaPerLicence)
	case q.available <= 0:
		c.say("quota", Fail, "%s: nothing is read until it is renewed. %s; if this comes again, set a longer interval or find which other clients use it",
			q, planned)
		return false
	case c.around.PerDay > q.limit:
		c.say("quota", Warn, "%s. %s, which is more than there are: set a longer interval", q, planned)
	case c.untilMidnight() > q.available:
		c.say("quota", Warn, "%s. %s, %d of them until midnight: other clients have used too many today for it to last", q, planned, c.untilMidnight())
	default:
		c.say("quota", OK, "%s. %s: it lasts", q, planned)
	}
	return true
}

// answerOf reads a reply as the report of the hours of w.
func (c *checking) answerOf(r *reply, w window) (*answer, error) {
	if r.bodyErr != nil {
		return nil, classify(r.Response, nil, r.bodyErr, c.token, c.now)
	}
	a, err := readAnswer(bytes.NewReader(r.body), c.scope.calendar, w, c.token)
	return a, classify(r.Response, a, err, c.token, c.now)
}

// planned says how many requests a day there will be.
func (c *checking) planned() string {
	own := int(day / c.around.Interval)
	if c.around.PerDay > own {
		return fmt.Sprintf("This table makes %d requests a day, all tables of this operation %d", own, c.around.PerDay)
	}
	return fmt.Sprintf("This table makes %d requests a day", own)
}

// untilMidnight returns how many requests all tables of the operation make until then.
func (c *checking) untilMidnight() int {
	left := c.scope.endOfDay(c.now).Sub(c.now)
	return int(int64(c.around.PerDay) * int64(left) / int64(day))
}

// quota is what token_info tells (vendor documentation).
type quota struct {
	limit     int // token_limit
	byToken   int // token_use_today
	used      int // all_token_today, of the whole operation
	available int // available_consumption_options
}

func (q quota) String() string {
	return fmt.Sprintf("%d requests a day, %d used today (%d with this token), %d left", q.limit, q.used, q.byToken, q.available)
}

// findQuota looks for the names of the quota in whatever form they come: no answer of it has been published.
func findQuota(body []byte) (q quota, found bool) {
	decoder := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, []byte(byteOrderMark))))
	decoder.UseNumber()
	var content any
	if decoder.Decode(&content) != nil {
		return quota{}, false
	}
	if q.limit, found = findNumber(content, "token_limit"); !found || q.limit == 0 {
		return quota{}, false
	}
	q.byToken, _ = findNumber(content, "token_use_today")
	all, hasAll := findNumber(content, "all_token_today")
	q.used = max(all, q.byToken)
	available, hasAvailable := findNumber(content, "available_consumption_options")
	switch {
	case !hasAvailable:
		q.available = max(q.limit-q.used, 0)
	case !hasAll:
		q.available, q.used = available, max(q.used, q.limit-available)
	default:
		q.available = available
	}
	return q, true
}

// mostCalls is more than any quota.
const mostCalls = 1_000_000_000

// findNumber looks for a whole number, or a string that is one, under the name at any depth.
func findNumber(content any, name string) (number int, found bool) {
	switch v := content.(type) {
	case map[string]any:
		if n, ok := parseCalls(strings.TrimSpace(fmt.Sprint(v[name]))); ok && n < mostCalls {
			return int(n), true
		}
		for _, inner := range v {
			if n, found := findNumber(inner, name); found {
				return n, true
			}
		}
	case []any:
		for _, inner := range v {
			if n, found := findNumber(inner, name); found {
				return n, true
			}
		}
	}
	return 0, false
}
