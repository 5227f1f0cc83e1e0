package check

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"

	"telegraf-wolkvox-ivr/plugins/common/host"
	"telegraf-wolkvox-ivr/plugins/common/hours"
	"telegraf-wolkvox-ivr/plugins/common/redact"
	"telegraf-wolkvox-ivr/plugins/common/wolkvox"
	"telegraf-wolkvox-ivr/plugins/inputs/wolkvox_ivr"
)

const (
	// maxFindings is more than a table can have, so that a check never waits for its findings to be printed.
	maxFindings = 32
	day         = 24 * time.Hour
	// shortToken is the length in bytes below which a token is suspiciously short.
	shortToken = 8
	// slightlyOff is how far a clock may be off without a warning, and farOff without a failure.
	slightlyOff = 2 * time.Minute
	farOff      = 15 * time.Minute
)

// table is a wolkvox_ivr table: its findings, and the state of its check.
type table struct {
	At        string    `json:"at"` // file and line
	Server    string    `json:"server,omitempty"`
	Operation string    `json:"operation,omitempty"`
	Requests  int       `json:"requests"`
	Findings  []finding `json:"findings"`

	found chan finding // closed at the end of the check

	input       *host.InspectedInput
	plugin      *wolkvox_ivr.WolkvoxIVR
	client      *wolkvox.Client
	hasState    bool // the configuration has a statefile
	perDay      int  // requests per day of all tables that share the operation's quota, one per gather
	now         time.Time
	isTimeKnown bool   // now is the API's time
	token       string // last used, "" if it can't be read
	responds    bool   // whether the server has responded, which is among the findings
	sameToken   *table // the table of another operation with the same token, or nil
}

// operationOf returns the input as a wolkvox_ivr input, if it is one.
func operationOf(input *host.InspectedInput) (plugin *wolkvox_ivr.WolkvoxIVR, isOperation bool) {
	plugin, isOperation = input.Input.(*wolkvox_ivr.WolkvoxIVR)
	return plugin, isOperation
}

// tablesOf returns the tables to check.
func tablesOf(conf *host.Inspection) []*table {
	tables := make([]*table, 0, len(conf.Inputs))
	for _, input := range conf.Inputs {
		plugin, isOperation := operationOf(input)
		if !isOperation {
			continue
		}
		t := &table{At: input.At, Server: string(plugin.Server), Operation: plugin.Operation, found: make(chan finding, maxFindings),
			input: input, plugin: plugin, client: plugin.Client(), hasState: conf.Statefile != ""}
		if secret, err := plugin.Token.Get(); err == nil {
			t.token = strings.TrimSpace(secret.String())
			secret.Destroy()
		}
		tables = append(tables, t)
	}
	for _, t := range tables {
		for _, other := range tables {
			if t.input.Err != nil || other.input.Err != nil {
				continue
			}
			if t.sharesQuota(other) {
				t.perDay += other.gathersPerDay()
			}
			if t.token != "" && t.token == other.token && t.plugin.ID() != other.plugin.ID() {
				t.sameToken = other
			}
		}
	}
	return tables
}

// secretsOf returns the tokens and proxy passwords of all tables.
func secretsOf(tables []*table) *redact.Secrets {
	secrets := redact.NewSecrets()
	for _, t := range tables {
		secrets.Add(t.proxyPassword())
		if len(t.token) >= shortToken { // redacting a shorter one would hide little and mangle other text
			secrets.Add(t.token)
		}
	}
	return secrets
}

// sharesQuota reports whether both tables belong to one operation, by name or by token. wolkvox counts their requests
// together.
func (t *table) sharesQuota(other *table) bool {
	return t.token != "" && t.token == other.token || t.plugin.ID() == other.plugin.ID()
}

func (t *table) gathersPerDay() int {
	return int(day / max(t.input.Interval, time.Second))
}

// title returns the table's name in the output.
func (t *table) title() string {
	name := "server " + t.Server
	if t.Operation != "" {
		name += ", operation " + t.Operation
	}
	return fmt.Sprintf("[[inputs.wolkvox_ivr]] at %s (%s)", t.At, name)
}

// add adds a finding.
func (t *table) add(step string, s status, format string, args ...any) {
	t.found <- finding{step, s, fmt.Sprintf(format, args...)}
}

// check checks the table, each step after those that it depends on. It makes at most four requests.
func (t *table) check(ctx context.Context) {
	if t.input.Err != nil {
		t.add("options", fail, "%v", t.input.Err)
		return
	}
	t.client.OnRequest = func(time.Duration) { t.Requests++ }
	t.now = t.plugin.Clock.Now().Round(0)
	t.checkOptions()
	if t.checkToken() && t.checkServer(ctx) {
		t.checkReport(ctx)
	}
}

// checkOptions warns about options that are valid but likely mistakes.
func (t *table) checkOptions() {
	s, texts := good, []string{fmt.Sprintf("gathers every %s; hours can become final %s after they end",
		brief(t.input.Interval), brief(time.Duration(t.plugin.Lookback)))}
	if t.input.Interval < wolkvox.MinInterval {
		s = warn
		texts = append(texts, `interval is shorter than wolkvox's minimum of 5 minutes: set interval = "5m"`)
	}
	if t.plugin.Backfill > 0 && !t.hasState {
		s = warn
		texts = append(texts, "backfill without a statefile is read again at each start: set a statefile in [agent]")
	}
	t.add("options", s, "%s", strings.Join(texts, "; "))
}

// brief returns a duration in its short form, such as 5m.
func brief(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// checkToken checks the token without using it. It reports whether the token can be used.
func (t *table) checkToken() bool {
	token, err := t.client.CurrentToken()
	if err != nil {
		t.add("token", fail, "%v", err)
		return false
	}
	t.token = token
	origin := t.input.Origin("token")
	switch quote := token[:1]; {
	case (quote == `"` || quote == "'") && strings.HasSuffix(token, quote):
		t.add("token", warn, "from %s: the token is in quotes (%s), which the API treats as part of it. Environment files for containers keep quotes: "+
			"remove them there", origin.Name, quote)
		return true
	case origin.HasVariable:
		t.add("token", warn, "from %s: Telegraf has replaced a part that begins with $ with the value of an environment variable. If the $ is part of "+
			"the token, write it as $$", origin.Name)
		return true
	case t.sameToken != nil:
		t.add("token", warn, "from %s: it is also the token of %s. wolkvox identifies operations by their tokens, so both get the same calls: "+
			"give each its own token", origin.Name, t.sameToken.title())
		return true
	case len(token) < shortToken:
		t.add("token", warn, "from %s: %s, which looks too short for a token: copy it again", origin.Name, describeToken(token))
		return true
	}
	t.add("token", good, "from %s: %s", origin.Name, describeToken(token))
	return true
}

// describeToken describes a token without revealing it.
func describeToken(token string) string {
	var classes []string
	for _, class := range []struct {
		name string
		has  func(rune) bool
	}{
		{"letters", unicode.IsLetter},
		{"digits", unicode.IsDigit},
		{"other characters", func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }},
	} {
		if strings.ContainsFunc(token, class.has) {
			classes = append(classes, class.name)
		}
	}
	return fmt.Sprintf("%d characters (%s)", len(token), strings.Join(classes, ", "))
}

// request makes a request. It also returns how far the connection got.
func (t *table) request(ctx context.Context, path string, query url.Values) (*wolkvox.Response, connection, error) {
	if token, err := t.client.CurrentToken(); err == nil { // a secret store may have changed it
		t.token = token
	}
	var c tracedConnection
	r, err := t.client.Do(c.trace(ctx), path, query)
	if r != nil {
		r.Release() // at once, as few tables are checked at a time
	}
	return r, c.snapshot(), err
}

// checkServer checks the connection, the clock and the quota with one request. It reports whether to continue.
func (t *table) checkServer(ctx context.Context) bool {
	r, c, err := t.request(ctx, wolkvox.InfoPath, url.Values{"api": {wolkvox.QuotaAPI}})
	switch {
	case ctx.Err() != nil:
		return false
	case err != nil && t.isReady(c) && classOf(err) != wolkvox.FailedRedirect:
		return true // perhaps only this API does not respond, which the report shows
	case err != nil:
		t.add("server", fail, "%s", t.explain(c, err))
		return false
	}
	t.addServer(r, c)
	return t.checkQuota(r)
}

// addServer adds findings about a server that has responded.
func (t *table) addServer(r *wolkvox.Response, c connection) {
	t.responds = true
	t.addConnection(c)
	t.checkClock(r)
}

// checkClock compares the time of the response with this machine's.
func (t *table) checkClock(r *wolkvox.Response) {
	date := r.Time()
	if date.IsZero() {
		t.add("clock", warn, "the response has no Date header to compare this machine's clock with: make sure that the clock is "+
			"right, because hours depend on it")
		return
	}
	off := t.plugin.Clock.Now().Sub(date).Round(time.Second)
	t.now, t.isTimeKnown = date, true
	side := "ahead of"
	if off < 0 {
		side = "behind"
	}
	switch size := off.Abs(); {
	case size <= slightlyOff:
		t.add("clock", good, "this machine's clock is within two minutes of the server's")
	case size <= farOff:
		t.add("clock", warn, "this machine's clock is %s %s the server's: set it. The plugin uses the server's time", size, side)
	default:
		t.add("clock", fail, "this machine's clock is %s %s the server's: set it. The plugin uses the server's time, but TLS and Telegraf do not", size, side)
	}
}

// addUnknownQuota compares the planned requests with the quota of one licence.
func (t *table) addUnknownQuota(detail string) {
	if t.perDay > wolkvox.QuotaPerLicence {
		t.add("quota", warn, "the API does not report it%s. %s, more than the %d of one licence", detail, t.planned(), wolkvox.QuotaPerLicence)
		return
	}
	t.add("quota", good, "the API does not report it%s. %s; each licence has %d", detail, t.planned(), wolkvox.QuotaPerLicence)
}

// checkQuota checks how many of the day's requests are left. It returns false if none are.
func (t *table) checkQuota(r *wolkvox.Response) bool {
	_, err := t.client.Parse(r, hours.Window{})
	switch classOf(err) {
	case wolkvox.FailedQuota:
		t.add("quota", fail, "%v", err)
		return false
	case wolkvox.FailedToken:
		return true // the report shows whether the token is valid
	}
	status := r.HTTP.StatusCode
	q, found := wolkvox.FindQuota(r.Body)
	switch planned := t.planned(); {
	case !found:
		t.addUnknownQuota(fmt.Sprintf(" (HTTP status %d)", status))
	case q.Available <= 0:
		t.add("quota", fail, "%s: nothing is read until the quota resets. %s; if this happens again, set a longer interval, or find out "+
			"which other clients use the quota",
			q, planned)
		return false
	case t.perDay > q.Limit:
		t.add("quota", fail, "%s. %s, more than the quota: set a longer interval", q, planned)
	case t.untilMidnight() > q.Available:
		t.add("quota", warn, "%s. %s, %d of them before midnight: too few are left for today, because other clients use the quota too",
			q, planned, t.untilMidnight())
	default:
		t.add("quota", good, "%s. %s, which is within the quota", q, planned)
	}
	return true
}

// planned describes the number of requests per day.
func (t *table) planned() string {
	own := t.gathersPerDay()
	if t.perDay > own {
		return fmt.Sprintf("This table makes %d requests per day, and all tables of this operation together make %d", own, t.perDay)
	}
	return fmt.Sprintf("This table makes %d requests per day", own)
}

// untilMidnight returns how many requests all tables of the operation make until midnight.
func (t *table) untilMidnight() int {
	left := t.client.Calendar.EndOfDay(t.now).Sub(t.now)
	return int(int64(t.perDay) * int64(left) / int64(day))
}

// classOf returns the class of a failure, or nil for any other error.
func classOf(err error) *wolkvox.FailureClass {
	var failure *wolkvox.Failure
	if errors.As(err, &failure) {
		return failure.Class
	}
	return nil
}
