// Package wolkvox is a client for wolkvox's hourly IVR report, "1.2. IVR calls and minutes by time" in the vendor documentation. It makes
// one request and returns the rows of the requested hours, or a Failure with advice. It never retries. Between requests it remembers only
// how the report writes decimals, and which tokens to redact.
package wolkvox

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/config"

	"telegraf-wolkvox-ivr/plugins/common/hours"
)

const (
	// ReportPath is the path for reports (vendor documentation).
	ReportPath = "/api/v2/reports_manager.php"
	// InfoPath is the path for information about the operation (vendor documentation).
	InfoPath = "/api/v2/information.php"
	// QuotaAPI is the `api` parameter that requests the operation's quota from InfoPath (vendor documentation).
	QuotaAPI  = "token_info"
	reportAPI = "diagram_1_2"

	// MaxHeaderBytes is the limit on response headers that the HTTP transport should set. Typical headers take 1 KiB.
	MaxHeaderBytes = 8 << 10
)

// Client makes requests to one operation's server. Its methods may be called concurrently.
type Client struct {
	URL       string         // of the server, without a trailing slash
	Token     *config.Secret // read for each request, because a secret store may change it
	Timeout   time.Duration  // per request, from when the token is free to the end of the response
	Calendar  hours.Calendar // of the operation; labels the hours of its report
	HTTP      *http.Client   // with RefuseRedirect and HandshakeTimeout, without keep-alives (see RefuseRedirect)
	UserAgent string
	Log       telegraf.Logger          // receives one debug line per request
	OnRequest func(took time.Duration) // if set, called after each request; took excludes the wait for the token

	decimalComma atomic.Bool // the latest conclusive response used a decimal comma in minutes
}

// Report requests the report for the hours of w. The error is a *Failure, or ctx.Err() once ctx has ended.
func (c *Client) Report(ctx context.Context, w hours.Window) (*Report, error) {
	r, err := c.Do(ctx, ReportPath, c.Query(w))
	if err != nil {
		return nil, err
	}
	defer r.Release()
	return c.Parse(r, w)
}

// Query returns the request parameters for the report for the hours of w: "date_ini" and "date_end" in local time as YYYYmmddHHMMSS,
// the latter inclusive (vendor documentation, seen in public clients).
func (*Client) Query(w hours.Window) url.Values {
	const layout = "2006010215"
	return url.Values{
		"api":      {reportAPI},
		"date_ini": {w.From.Format(layout) + "0000"},
		"date_end": {(w.To - 1).Format(layout) + "5959"},
	}
}

// Response is a response of the API with any status, as returned by Client.Do.
type Response struct {
	HTTP    *http.Response // its own Body has been consumed
	Body    []byte         // uncompressed, at most 2 MiB
	BodyErr error          // error from reading the body

	held semaphore // the semaphore in which a large body holds a slot
}

// Do makes one GET request with the token, once no other request of this process uses it, and reads the body. The error is a *Failure if
// there is no response, or ctx.Err() once ctx has ended. The caller must release the response, because few large ones are read at a time.
func (c *Client) Do(ctx context.Context, path string, query url.Values) (*Response, error) {
	token, err := c.CurrentToken()
	if err != nil {
		return nil, err
	}
	release, err := acquireToken(ctx, token)
	if err != nil {
		return nil, err
	}
	defer release()

	start := time.Now()
	r, err := c.request(ctx, path, query, token)
	if c.OnRequest != nil {
		c.OnRequest(time.Since(start))
	}
	if ctx.Err() != nil && (err != nil || r.BodyErr != nil) {
		if r != nil {
			r.Release()
		}
		return nil, ctx.Err()
	}
	return r, err
}

func (c *Client) request(ctx context.Context, path string, query url.Values, token string) (*Response, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	connected := false
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected = true }})
	ctx = limitHandshakes(ctx)

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, requestFailure(err, connected)
	}
	req.Header.Set("wolkvox-token", token)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "identity") // otherwise net/http decompresses, which takes 40 KiB per response in progress
	req.Header.Set("User-Agent", c.UserAgent)
	resp, err := c.HTTP.Do(req)
	if err != nil {
		c.Log.Debugf("Requested %s: no response", query.Encode())
		return nil, requestFailure(err, connected)
	}
	defer resp.Body.Close()

	r := &Response{HTTP: resp}
	resp.Header = selectHeaders(resp.Header, "Content-Encoding", "Content-Type", "Date", "Age", "Retry-After")
	r.readBody(ctx)
	c.Log.Debugf("Requested %s: HTTP status %d, %d bytes", query.Encode(), resp.StatusCode, len(r.Body))
	return r, nil
}

// selectHeaders returns only the named headers. Others may take ten times their size in memory.
func selectHeaders(header http.Header, names ...string) http.Header {
	picked := make(http.Header, len(names))
	for _, name := range names {
		if value := header.Get(name); value != "" {
			picked.Set(name, value)
		}
	}
	return picked
}

// RefuseRedirect is a CheckRedirect function for http.Client. It fails all redirects, because net/http would send the token to the new
// address, and each redirect counts toward the quota. Keep-alives should be disabled for similar reasons: on a kept connection, net/http
// logs unsolicited responses, which may contain the token, and may repeat requests without counting them.
func RefuseRedirect(*http.Request, []*http.Request) error {
	return ErrRedirect
}

// ErrRedirect is the error that RefuseRedirect returns.
var ErrRedirect = errors.New("redirect refused")

func (r *Response) isSuccess() bool {
	return r.HTTP.StatusCode >= 200 && r.HTTP.StatusCode <= 299
}

// Time returns the API's time from the Date header. It is zero if the header is missing, before 2015 or after 2200, or if an Age header
// shows that the response comes from a cache.
func (r *Response) Time() time.Time {
	date, err := http.ParseTime(r.HTTP.Header.Get("Date"))
	if err != nil || date.Year() < 2015 || date.Year() > 2200 || r.HTTP.Header.Get("Age") != "" {
		return time.Time{}
	}
	return date
}

// retryAfter returns the wait that the Retry-After header requests, in seconds or as a date (RFC 9110): 0 to 24 h.
func (r *Response) retryAfter() time.Duration {
	const longest = 24 * time.Hour
	text := r.HTTP.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 64); err == nil {
		return time.Duration(min(seconds, uint64(longest/time.Second))) * time.Second
	}
	until, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now := r.Time()
	if now.IsZero() {
		now = time.Now()
	}
	return min(max(until.Sub(now), 0), longest)
}

// contentType returns the Content-Type header, quoted for messages.
func (r *Response) contentType() string {
	return Quote(r.HTTP.Header.Get("Content-Type"), 80)
}
