package wolkvox

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/influxdata/telegraf/config"
	"github.com/influxdata/telegraf/testutil"

	"telegraf-wolkvox-ivr/plugins/common/hours"
)

// testReport is a report with four hours of testDay.
const testReport = `{"code": "200", "error": null, "msg": "4 records were found", "data": [
		{"date": "2026-01-18-16", "calls": "141", "ivr_minutes": "305.117"},
		{"date": "2026-01-18-17", "calls": "98", "ivr_minutes": "201.5"},
		{"date": "2026-01-18-18", "calls": "57", "ivr_minutes": "120.25"},
		{"date": "2026-01-18-19", "calls": "21", "ivr_minutes": "40.75"}]}`

var testDay = hours.Window{From: hours.HourOf(2026, 1, 18, 0), To: hours.HourOf(2026, 1, 19, 0)}

// newClient returns a client for the server, with its own token.
func newClient(t testing.TB, server string) (*Client, *testutil.CaptureLogger) {
	t.Helper()
	logger := &testutil.CaptureLogger{}
	c := inZone(t, "America/Bogota")
	token := config.NewSecret([]byte(testToken + t.Name()))
	c.URL, c.Token, c.Timeout, c.UserAgent, c.Log = server, &token, time.Minute, "invented/1", logger
	c.HTTP = &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: MaxHeaderBytes},
		CheckRedirect: RefuseRedirect,
	}
	return c, logger
}

// serve returns the URL of a server that runs until the end of the test.
func serve(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// always returns a handler that always sends the same response.
func always(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if _, err := io.WriteString(w, body); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// roundTripper makes a function an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// canned returns a transport that always receives these bytes.
func canned(response []byte) roundTripper {
	return func(r *http.Request) (*http.Response, error) {
		return http.ReadResponse(bufio.NewReader(bytes.NewReader(response)), r)
	}
}

func requireClass(t *testing.T, class *FailureClass, err error) {
	t.Helper()
	var failure *Failure
	require.ErrorAs(t, err, &failure)
	require.Equal(t, class.Name, failure.Class.Name, err)
}

//promise:https
func TestRequest(t *testing.T) {
	t.Parallel()
	requests := make(chan *http.Request, 1)
	c, logger := newClient(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests <- r
		always(http.StatusOK, testReport)(w, r)
	})+"/wv0001")
	token := config.NewSecret([]byte(testToken + "\n")) // with a newline, as in Docker's secrets
	c.Token = &token
	var took []time.Duration
	c.OnRequest = func(d time.Duration) { took = append(took, d) }
	connected := false
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected = true }})
	report, err := c.Report(ctx, testDay)
	require.NoError(t, err)
	require.Len(t, report.Rows, 4)
	require.Equal(t, Row{Hour: hours.HourOf(2026, 1, 18, 16), Figures: hours.Figures{Calls: 141, Minutes: 305.117}}, report.Rows[0])
	require.WithinDuration(t, time.Now(), report.Time, time.Minute)
	require.True(t, connected, "the caller's trace must work too")
	require.Len(t, took, 1)
	require.Positive(t, took[0])

	r := <-requests
	require.Equal(t, http.MethodGet, r.Method)
	require.Equal(t, "/wv0001/api/v2/reports_manager.php", r.URL.Path)
	require.Equal(t, "api=diagram_1_2&date_end=20260118235959&date_ini=20260118000000", r.URL.RawQuery)
	require.Equal(t, []string{testToken}, r.Header.Values("wolkvox-token"))
	require.Equal(t, "invented/1", r.Header.Get("User-Agent"))
	require.Equal(t, "application/json", r.Header.Get("Accept"))
	require.Equal(t, "identity", r.Header.Get("Accept-Encoding"))
	require.Len(t, logger.Messages(), 1)
	require.Equal(t, fmt.Sprintf("Requested %s: HTTP status 200, %d bytes", r.URL.RawQuery, len(testReport)), logger.Messages()[0].Text)
}

// Only headers that are needed are kept, and no error shows the login of a URL.
//
//promise:leaks
func TestKeptHeaders(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Other", "x")
		w.Header().Set("Retry-After", "7")
		always(http.StatusOK, testReport)(w, r)
	}))
	r, err := c.Do(t.Context(), ReportPath, c.Query(testDay))
	require.NoError(t, err)
	r.Release()
	require.Empty(t, r.HTTP.Header.Values("X-Other"))
	require.Equal(t, "7", r.HTTP.Header.Get("Retry-After"))

	c.HTTP.Transport = roundTripper(func(*http.Request) (*http.Response, error) {
		return nil, errors.New(`invalid proxy address "http://somebody:invented pw@127.0.0.1:1"`)
	})
	_, err = c.Report(t.Context(), testDay)
	require.ErrorContains(t, err, `http://…@127.0.0.1:1`)
	require.NotContains(t, err.Error(), "invented")
}

// The error names a body that isn't gzip although its header says so.
//
//promise:failures
func TestInvalidGzip(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t, "http://127.0.0.1:1")
	c.HTTP.Transport = canned([]byte("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + testReport))
	_, err := c.Report(t.Context(), testDay)
	requireClass(t, FailedResponse, err)
	require.ErrorContains(t, err, "gzip: invalid header")
}

//promise:failures
func TestBrokenConnections(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err   error
		class *FailureClass
	}{
		"refused":        {&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, FailedConnection},
		"reset":          {&net.OpError{Op: "read", Err: syscall.ECONNRESET}, FailedServer},
		"closed":         {io.EOF, FailedServer},
		"proxy's status": {errors.New("proxy authentication required"), FailedConnection},
		"timeout":        {context.DeadlineExceeded, FailedTimeout},
		"http for https": {http.ErrSchemeMismatch, FailedTLS},
		"TLS alert":      {&net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}, FailedTLS},
	} {
		client, _ := newClient(t, "http://127.0.0.1:1")
		client.HTTP.Transport = roundTripper(func(*http.Request) (*http.Response, error) { return nil, c.err })
		_, err := client.Report(t.Context(), testDay)
		requireClass(t, c.class, err)
		var failure *Failure
		require.ErrorAs(t, err, &failure)
		require.ErrorIs(t, failure.Cause, c.err, name)
	}
}

//promise:failures
func TestConnectionRefused(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	c, logger := newClient(t, "http://"+listener.Addr().String())
	_, err = c.Report(t.Context(), testDay)
	requireClass(t, FailedConnection, err)
	require.ErrorContains(t, err, "connection refused")
	require.ErrorContains(t, err, "registered in the operation's firewall at wolkvox")
	require.NotContains(t, err.Error(), ReportPath)
	require.Len(t, logger.Messages(), 1)
}

func TestTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(always(http.StatusOK, testReport))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	c, _ := newClient(t, server.URL)
	_, err := c.Report(t.Context(), testDay)
	requireClass(t, FailedTLS, err)
	c.URL = "https://" + strings.TrimPrefix(serve(t, always(http.StatusOK, testReport)), "http://")
	_, err = c.Report(t.Context(), testDay)
	requireClass(t, FailedTLS, err)
	require.ErrorContains(t, err, "server gave HTTP response to HTTPS client")
}

//promise:stop
func TestCancel(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]string{"before the response": "", "in the body": testReport[:50]} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			c, _ := newClient(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
				if begin != "" {
					always(http.StatusOK, begin)(w, r)
					if err := http.NewResponseController(w).Flush(); err != nil {
						return
					}
				}
				cancel()
				<-r.Context().Done()
			}))
			_, err := c.Report(ctx, testDay)
			require.Equal(t, context.Canceled, err)
		})
	}
}

// A complete response counts even if the plugin is being stopped.
//
//promise:stop
func TestCancelAfterTheResponse(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c, _ := newClient(t, "http://127.0.0.1:1")
	c.HTTP.Transport = canned([]byte("HTTP/1.1 200 OK\r\n\r\n" + testReport))
	c.OnRequest = func(time.Duration) { cancel() }
	report, err := c.Report(ctx, testDay)
	require.NoError(t, err)
	require.Len(t, report.Rows, 4)
}

//promise:failures
func TestTimeout(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0") // accepts connections, but never reads from them
	require.NoError(t, err)
	defer listener.Close()
	c, _ := newClient(t, "http://"+listener.Addr().String())
	c.Timeout = 50 * time.Millisecond
	_, err = c.Report(t.Context(), testDay)
	requireClass(t, FailedTimeout, err)
}

// gauge is a handler that counts concurrent requests.
type gauge struct {
	mu        sync.Mutex
	now, most int
	meet      chan struct{} // if not nil, a request waits in the handler for another one
}

func (g *gauge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.count(1)
	if g.meet != nil {
		select {
		case g.meet <- struct{}{}:
		case <-g.meet:
		case <-r.Context().Done():
		}
	}
	g.count(-1)
	always(http.StatusOK, testReport)(w, r)
}

func (g *gauge) count(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now += n
	g.most = max(g.most, g.now)
}

// requestAll makes requests concurrently, with one client per token.
func requestAll(t *testing.T, server string, tokens ...string) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, len(tokens))
	for i, token := range tokens {
		c, _ := newClient(t, server)
		secret := config.NewSecret([]byte(token))
		c.Token = &secret
		wg.Go(func() {
			for range 5 {
				_, err := c.Report(t.Context(), testDay)
				errs[i] = errors.Join(errs[i], err)
			}
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
}

//promise:simultaneous
func TestSameTokenNeverTwiceAtOnce(t *testing.T) {
	t.Parallel()
	g := &gauge{}
	requestAll(t, serve(t, g.ServeHTTP), "invented-token-shared", "invented-token-shared", "invented-token-shared", "invented-token-shared")
	require.Equal(t, 1, g.most)
}

//promise:simultaneous
func TestOtherTokensDoNotWait(t *testing.T) {
	t.Parallel()
	g := &gauge{meet: make(chan struct{})} // a request ends once another one has begun
	requestAll(t, serve(t, g.ServeHTTP), "invented-token-one", "invented-token-other")
	require.Equal(t, 2, g.most)
}

// The timeout doesn't limit the wait for the token, and the wait isn't a failure.
//
//promise:simultaneous
func TestWaitForToken(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t, serve(t, always(http.StatusOK, testReport)))
	c.OnRequest = func(time.Duration) { t.Error("no request was made") }
	token, err := c.CurrentToken()
	require.NoError(t, err)
	release, err := acquireToken(t.Context(), token)
	require.NoError(t, err)

	timeout := c.Timeout
	c.Timeout = time.Nanosecond
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = c.Report(ctx, testDay)
	require.Equal(t, context.DeadlineExceeded, err)

	c.OnRequest, c.Timeout = nil, timeout
	ended := make(chan error)
	go func() {
		_, err := c.Report(t.Context(), testDay)
		ended <- err
	}()
	release()
	require.NoError(t, <-ended)

	tokens.Lock()
	defer tokens.Unlock()
	require.NotContains(t, tokens.locks, sha256.Sum256([]byte(token)), "unused locks must be dropped")
}

// A server, or a gateway that operations share, may send back any operation's token in any place and form.
//
//promise:leaks
func TestTokensInResponses(t *testing.T) {
	t.Parallel()
	own, others := "Invented/token+1", "Other/invented+token"
	HideToken(others)
	php := func(text string) string { return strings.ReplaceAll(text, "/", `\/`) }
	for _, sent := range []string{own, others} {
		for name, body := range map[string]string{
			"text":             `{"error": "no such token: ` + php(sent) + `"}`,
			"object as error":  `{"error": {"token": "` + php(sent) + `"}}`,
			"list as error":    `{"error": ["` + php(sent) + `", 1]}`,
			"object as msg":    `{"code": 500, "msg": {"headers": {"wolkvox-token": ["` + php(sent) + `"]}}}`,
			"list as code":     `{"code": ["` + php(sent) + `"]}`,
			"key of an object": `{"code": {"` + php(sent) + `": 1}}`,
			"path":             `{"error": "GET /` + url.PathEscape(sent) + ` failed"}`,
			"query":            `{"error": "GET /?token=` + url.QueryEscape(sent) + ` failed"}`,
			"code points":      `{"error": {"a": "` + strings.ReplaceAll(sent, "n", `\u006e`) + `"}}`,
			"JSON in a text":   `{"error": "{\"token\": \"` + strings.ReplaceAll(sent, "/", `\\/`) + `\"}"}`,
			"HTML":             `{"error": "<b>` + strings.ReplaceAll(sent, "/", "&#x2F;") + `</b>"}`,
			"a row":            `{"data": [{"date": "` + php(sent) + `", "calls": 1, "ivr_minutes": 2}]}`,
			"calls":            `{"data": [{"date": "2026-01-18-10", "calls": "` + php(sent) + `", "ivr_minutes": 2}]}`,
			"PHP's notice":     `Notice: Undefined index: ` + sent + ` in /var/www/x.php on line 3 {"data": []}`,
		} {
			client, logger := newClient(t, serve(t, always(http.StatusOK, body)))
			token := config.NewSecret([]byte(own))
			client.Token = &token
			_, err := client.Report(t.Context(), testDay)
			require.Error(t, err, name)
			require.Contains(t, err.Error(), "<token>", name)
			require.NotContains(t, strings.ToLower(err.Error()), "token+", name)
			require.NotContains(t, strings.ToLower(err.Error()), "invented", name)
			for _, message := range logger.Messages() {
				require.NotContains(t, message.Text, sent)
			}
		}
	}
}

//promise:rotation
func TestTokenChanges(t *testing.T) {
	t.Parallel()
	used := make(chan string, 1)
	c, _ := newClient(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		used <- r.Header.Get("wolkvox-token")
		always(http.StatusForbidden, `{"error": "`+r.Header.Get("wolkvox-token")+`"}`)(w, r)
	}))
	for _, token := range []string{"invented-token-old", "invented-token-new"} {
		require.NoError(t, c.Token.Set([]byte(token)))
		_, err := c.Report(t.Context(), testDay)
		require.ErrorContains(t, err, `"<token>"`)
		require.Equal(t, token, <-used)
	}
	require.NoError(t, CheckToken("~"))
	for token, expected := range map[string]string{
		"two words":        "the token has spaces or characters that are never part of a token",
		" ":                "token is empty",
		"${WOLKVOX_TOKEN}": "the environment variable in token is not set",
		"$WOLKVOX_TOKEN":   "the environment variable in token is not set",
		"té":               "the token has spaces or characters",
	} {
		require.NoError(t, c.Token.Set([]byte(token)))
		_, err := c.Report(t.Context(), testDay)
		requireClass(t, FailedToken, err)
		require.ErrorContains(t, err, expected)
		require.Empty(t, used, "no request is made")
	}
}

//promise:https
func TestRedirects(t *testing.T) {
	t.Parallel()
	var tokens atomic.Int64
	other := serve(t, func(http.ResponseWriter, *http.Request) { tokens.Add(1) })
	_, port, err := net.SplitHostPort(strings.TrimPrefix(other, "http://"))
	require.NoError(t, err)
	for _, location := range []string{
		other + "/", "http://localhost:" + port + "/", "https://{host}/", "http://x@127.0.0.1:" + port + "/", "//127.0.0.1:" + port + "/",
		"http://127.0.0.1.example.com/", "/elsewhere", "http://{host}/elsewhere", "elsewhere",
	} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			var requests int
			c, _ := newClient(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
				requests++
				http.Redirect(w, r, strings.ReplaceAll(location, "{host}", r.Host), status)
			}))
			_, err := c.Report(t.Context(), testDay)
			requireClass(t, FailedRedirect, err)
			require.Equal(t, 1, requests, "each counts toward the quota")
		}
	}
	c, _ := newClient(t, serve(t, always(http.StatusFound, "")))
	_, err = c.Report(t.Context(), testDay)
	requireClass(t, FailedRequest, err)
	require.ErrorContains(t, err, "HTTP status 302", "without a location")
	require.Zero(t, tokens.Load())
}

// The token is in the request header and nowhere else, wherever the server sends it back.
//
//promise:leaks
func TestTokenLeaksNowhere(t *testing.T) {
	t.Parallel()
	const marked = `invented-"marked\token'1`
	quoted, err := json.Marshal(marked)
	require.NoError(t, err)
	in := string(quoted)
	escaped := strings.NewReplacer("%", "%25", `"`, "%22", `\`, "%5C").Replace(marked)
	responses := map[string]http.HandlerFunc{
		"error":        always(403, `{"code": "403", "error": `+in+`}`),
		"message":      always(500, `{"code": 500, "msg": `+in+`}`),
		"code":         always(200, `{"code": `+in+`, "error": "x"}`),
		"long text":    always(500, `{"error": "`+strings.Repeat("x", 190)+strings.Trim(in, `"`)+`"}`),
		"object":       always(500, `{"error": {`+in+`: [`+in+`]}}`),
		"body":         always(200, marked),
		"body failed":  always(500, marked),
		"row":          always(200, `{"data": [`+in+`]}`),
		"date":         always(200, `{"data": [{"date": `+in+`, "calls": 1, "ivr_minutes": 1}]}`),
		"calls":        always(200, `{"data": [{"date": "2026011816", "calls": `+in+`, "ivr_minutes": 1}]}`),
		"calls, long":  always(200, `{"data": [{"date": "2026011816", "calls": "`+strings.Repeat("x", 30)+strings.Trim(in, `"`)+`", "ivr_minutes": 1}]}`),
		"calls object": always(200, `{"data": [{"date": "2026011816", "calls": {`+in+`: 1}, "ivr_minutes": 1}]}`),
		"minutes":      always(200, `{"data": [1, {"date": "", "calls": "", "ivr_minutes": ""}, {"date": "2026011816", "calls": 1, "ivr_minutes": `+in+`}]}`),
		"key":          always(200, `{`+in+`: 1, "data": [{`+in+`: 1}]}`),
		"content type": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", marked) },
		"header": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Token", marked)
			w.Header().Set("Retry-After", marked)
			w.Header().Set("Set-Cookie", marked)
			always(500, "")(w, r)
		},
		"encoding":                  raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: " + marked + "\r\n\r\n"),
		"length":                    raw("HTTP/1.1 200 OK\r\nContent-Length: " + marked + "\r\n\r\n"),
		"status text":               raw("HTTP/1.1 403 " + marked + "\r\nContent-Length: 0\r\n\r\n"),
		"status line":               raw("HTTP/1.1 " + marked + "\r\n\r\n"),
		"protocol":                  raw(marked + "\r\n\r\n"),
		"header line":               raw("HTTP/1.1 200 OK\r\n" + marked + "\r\n\r\n"),
		"redirect":                  http.RedirectHandler("http://127.0.0.1:1/?"+escaped, http.StatusFound).ServeHTTP,
		"redirect on the same host": http.RedirectHandler("/?"+escaped, http.StatusFound).ServeHTTP,
		"redirect that is no URL":   raw("HTTP/1.1 302 Found\r\nLocation: ::" + marked + "\r\n\r\n"),
		"redirect to a scheme":      raw("HTTP/1.1 302 Found\r\nLocation: " + marked + "://x\r\n\r\n"),
	}
	for name, response := range responses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, logger := newClient(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("wolkvox-token") != marked {
					t.Error("another token")
				}
				response(w, r)
			}))
			token := config.NewSecret([]byte(marked))
			c.Token = &token
			report, err := c.Report(t.Context(), testDay)
			require.NotContains(t, fmt.Sprint(report, err, logger.Messages()), "marked", "not even part of it")
		})
	}
}

// An unsolicited response isn't logged, as net/http would do on a kept connection. The test isn't parallel because it captures the global log.
//
//promise:leaks
func TestUnrequestedResponse(t *testing.T) {
	var logged bytes.Buffer
	before := log.Writer()
	log.SetOutput(&logged)
	defer log.SetOutput(before)

	ended := make(chan struct{})
	c, _ := newClient(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		raw("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"data\": []}HTTP/1.1 200 OK\r\nX: "+testToken+"\r\n\r\n")(w, r)
	}))
	_, err := c.Report(t.Context(), testDay)
	require.NoError(t, err)
	<-ended
	c.HTTP.CloseIdleConnections()
	require.NotContains(t, logged.String(), testToken)
	require.NotContains(t, logged.String(), "Unsolicited")
}

// FuzzResponse sends arbitrary responses, including status and headers.
//
//promise:leaks
//promise:failures
func FuzzResponse(f *testing.F) {
	for _, response := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"data\": []}",
		"HTTP/1.1 200 OK\r\n\r\n" + testReport,
		"HTTP/1.1 403 Forbidden\r\n\r\n{\"code\": \"403\", \"error\": \"TOKEN LIMIT EXCEEDED " + testToken + "\"}",
		"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n",
		"HTTP/1.1 503 \r\nRetry-After: 5\r\nContent-Type: text/html\r\n\r\n<html>",
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b",
	} {
		f.Add([]byte(response))
	}
	c, logger := newClient(f, "http://127.0.0.1:1")
	token := config.NewSecret([]byte(testToken))
	c.Token = &token
	f.Fuzz(func(t *testing.T, response []byte) {
		logger.Clear()
		c.HTTP.Transport = canned(response)
		report, err := c.Report(t.Context(), testDay)
		if err == nil {
			checkReport(t, report, testDay)
		} else {
			var failure *Failure
			require.ErrorAs(t, err, &failure)
			require.Nil(t, report)
			require.NotContains(t, err.Error(), testToken)
			require.Less(t, len(err.Error()), 1500)
		}
		for _, entry := range logger.Messages() {
			require.NotContains(t, entry.Text, testToken)
		}
	})
}
