// Package wolkvox is a client for wolkvox's hourly IVR report, "1.2. IVR calls and minutes by time" in the vendor documentation: it makes
// one request, and returns the rows of the hours that were requested, or a Failure with advice. It retries nothing, and remembers nothing
// but how the report writes decimals.
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
	// ReportPath is the path of reports (vendor documentation).
	ReportPath = "/api/v2/reports_manager.php"
	// InfoPath is the path of information on the operation (vendor documentation).
	InfoPath = "/api/v2/information.php"
	// QuotaAPI is the `api` parameter of a request to InfoPath for the operation's quota (vendor documentation).
	QuotaAPI  = "token_info"
	reportAPI = "diagram_1_2"

	// MaxHeaderBytes is what HTTP's transport should accept of response headers. Those of usual servers have 1 KiB.
	MaxHeaderBytes = 8 << 10
)

// Client makes requests to one operation's server. Its methods may be called concurrently.
type Client struct {
	URL       string         // of the server, without a slash at its end
	Token     *config.Secret // read anew for each request, as a secret store may change it
	Timeout   time.Duration  // of a request, from the moment the token is free to the end of the response
	Calendar  hours.Calendar // of the operation, which labels the hours of its report
	HTTP      *http.Client   // with RefuseRedirect, without keep-alives, see there, and with HandshakeTimeout
	UserAgent string
	Log       telegraf.Logger          // gets one debug line per request
	OnRequest func(took time.Duration) // called after each request, if set; waiting for the token does not count

	decimalComma atomic.Bool // the latest response that could tell had minutes with a decimal comma
}

// Report requests the report of the hours of w. Its error is a *Failure, or ctx's once ctx has ended.
func (c *Client) Report(ctx context.Context, w hours.Window) (*Report, error) {
	r, err := c.Do(ctx, ReportPath, c.Query(w))
	if err != nil {
		return nil, err
	}
	defer r.Release()
	return c.Parse(r, w)
}

// Query returns the parameters of a request for the report of the hours of w: "date_ini" and "date_end" as local time YYYYmmddHHMMSS,
// the latter inclusive (vendor documentation, seen in public clients).
func (*Client) Query(w hours.Window) url.Values {
	const layout = "2006010215"
	return url.Values{
		"api":      {reportAPI},
		"date_ini": {w.From.Format(layout) + "0000"},
		"date_end": {(w.To - 1).Format(layout) + "5959"},
	}
}

// Response is a response of the API with whatever status, as Client.Do makes it.
type Response struct {
	HTTP    *http.Response // whose own body has been read
	Body    []byte         // uncompressed, up to the limit of 2 MiB
	BodyErr error          // of reading the body

	turn turns // that the body has, if it is large
}

// Do makes one GET request with the token, as soon as no other request of this process uses it, and reads the body. Its error is a
// *Failure where there is no response, or ctx's once ctx has ended. The response has to be released, as few may be large at a time.
func (c *Client) Do(ctx context.Context, path string, query url.Values) (*Response, error) {
	token, err := c.CurrentToken()
	if err != nil {
		return nil, err
	}
	release, err := acquire(ctx, token)
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
	req.Header.Set("Accept-Encoding", "identity") // or else net/http decompresses, which takes 40 KiB for each response under way
	req.Header.Set("User-Agent", c.UserAgent)
	resp, err := c.HTTP.Do(req)
	if err != nil {
		c.Log.Debugf("Requested %s: no response", query.Encode())
		return nil, requestFailure(err, connected)
	}
	defer resp.Body.Close()

	r := &Response{HTTP: resp}
	resp.Header = pick(resp.Header, "Content-Encoding", "Content-Type", "Date", "Age", "Retry-After")
	r.readBody(ctx)
	c.Log.Debugf("Requested %s: HTTP status %d, %d bytes", query.Encode(), resp.StatusCode, len(r.Body))
	return r, nil
}

// pick returns the headers of these names. The others may take ten times the memory that their bytes have.
func pick(header http.Header, names ...string) http.Header {
	picked := make(http.Header, len(names))
	for _, name := range names {
		if value := header.Get(name); value != "" {
			picked.Set(name, value)
		}
	}
	return picked
}

// RefuseRedirect is for an http.Client's CheckRedirect: net/http would send the token along, and each redirect costs a call of the quota.
// Keep-alives should be disabled for a similar reason: net/http logs what a server sends unrequested on a kept connection, which may be
// the token, and may repeat a request there that nobody counts.
func RefuseRedirect(*http.Request, []*http.Request) error {
	return ErrRedirect
}

// ErrRedirect is the error of RefuseRedirect.
var ErrRedirect = errors.New("redirect refused")

func (r *Response) isSuccess() bool {
	return r.HTTP.StatusCode >= 200 && r.HTTP.StatusCode <= 299
}

// Time returns the API's time by the Date header. It is zero where that is missing, before 2015 or after 2200, or may be old, as a cache
// has added an Age header.
func (r *Response) Time() time.Time {
	date, err := http.ParseTime(r.HTTP.Header.Get("Date"))
	if err != nil || date.Year() < 2015 || date.Year() > 2200 || r.HTTP.Header.Get("Age") != "" {
		return time.Time{}
	}
	return date
}

// retryAfter returns what the header of that name demands, in seconds or as a date (RFC 9110): between none and a day.
func (r *Response) retryAfter() time.Duration {
	const most = 24 * time.Hour
	text := r.HTTP.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 64); err == nil {
		return time.Duration(min(seconds, uint64(most/time.Second))) * time.Second
	}
	until, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now := r.Time()
	if now.IsZero() {
		now = time.Now()
	}
	return min(max(until.Sub(now), 0), most)
}

// contentType returns the header of that name for messages.
func (r *Response) contentType() string {
	return Quote(r.HTTP.Header.Get("Content-Type"), 80)
}
