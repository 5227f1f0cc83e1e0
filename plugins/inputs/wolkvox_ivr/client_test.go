package wolkvox_ivr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/influxdata/telegraf/config"
	"github.com/influxdata/telegraf/selfstat"
	"github.com/influxdata/telegraf/testutil"
)

func TestRequest(t *testing.T) {
	t.Parallel()
	requests := make(chan *http.Request, 1)
	plugin, _, _ := newPlugin(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests <- r
		say(http.StatusOK, testReport)(w, r)
	})+"/wv{server}/")
	plugin.Token = config.NewSecret([]byte(testToken + "\n")) // as docker's secrets have it
	start(t, plugin)
	var acc testutil.Accumulator
	require.NoError(t, plugin.Gather(&acc))
	require.Len(t, acc.Metrics, 4)

	r := <-requests
	require.Equal(t, http.MethodGet, r.Method)
	require.Equal(t, "/wv0001/api/v2/reports_manager.php", r.URL.Path)
	require.Equal(t, "api=diagram_1_2&date_end=20260118235959&date_ini=20260118160000", r.URL.RawQuery)
	require.Equal(t, []string{testToken}, r.Header.Values("wolkvox-token"))
	require.Equal(t, "telegraf-wolkvox-ivr/"+Version, r.Header.Get("User-Agent"))
	require.Equal(t, "application/json", r.Header.Get("Accept"))
}

func TestRetry(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name     string
		answers  []http.HandlerFunc // the last one is given from then on
		requests int
		waits    int
		err      string
	}{
		{"works at once", []http.HandlerFunc{say(200, testReport)}, 1, 0, ""},
		{"works at the second", []http.HandlerFunc{say(500, ""), say(200, testReport)}, 3, 1, ""},
		{"works at the last", []http.HandlerFunc{hangUp, say(200, "<html>"), say(200, testReport)}, 3, 2, ""},
		{"never works", []http.HandlerFunc{say(500, "")}, maxRequests, 2, "the server failed (HTTP status 500"},
		{"busy", []http.HandlerFunc{say(409, "")}, maxRequests, 2, failedBusy.what},
		{"disabled", []http.HandlerFunc{say(403, "")}, maxRequests, 2, failedDisabled.what},
		{"overload", []http.HandlerFunc{say(429, "")}, maxRequests, 2, failedOverload.what},
		{"no report", []http.HandlerFunc{say(200, "<html>")}, maxRequests, 2, failedAnswer.what},
		{"hangs up", []http.HandlerFunc{hangUp}, maxRequests, 2, failedConnection.what},
		{"becomes permanent", []http.HandlerFunc{say(500, ""), say(401, "")}, 2, 1, failedToken.what},
		{"token", []http.HandlerFunc{say(403, `{"error": "PLEASE VALIDATE TOKEN"}`)}, 1, 0, failedToken.what},
		{"unauthorized", []http.HandlerFunc{say(401, "")}, 1, 0, failedToken.what},
		{"quota", []http.HandlerFunc{say(403, `{"error": "TOKEN LIMIT EXCEEDED"}`)}, 1, 0, failedQuota.what},
		{"quota, data false", []http.HandlerFunc{say(403, `{"error": "TOKEN LIMIT EXCEEDED", "data": false}`)}, 1, 0, failedQuota.what},
		{"quota, data of another kind", []http.HandlerFunc{say(200, `{"data": {"x": [{}]}, "code": "403", "msg": "TOKEN LIMIT EXCEEDED"}`)}, 1, 0,
			failedQuota.what},
		{"code in words", []http.HandlerFunc{say(200, `{"code": "error", "msg": "GONE AWAY", "data": []}`)}, maxRequests, 2, failedAnswer.what},
		{"maintenance", []http.HandlerFunc{say(200, `{"code": "", "msg": "UNDER MAINTENANCE", "data": null}`)}, maxRequests, 2, failedDisabled.what},
		{"request", []http.HandlerFunc{say(400, "")}, 3, 0, failedRequest.what},
		{"not found", []http.HandlerFunc{say(404, "")}, 3, 0, failedNotFound.what},
		{"redirect", []http.HandlerFunc{http.RedirectHandler("http://127.0.0.1:1/", http.StatusFound).ServeHTTP}, 1, 0, failedRedirect.what},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int64
			plugin, clock, _ := newPlugin(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
				n := int(requests.Add(1))
				c.answers[min(n, len(c.answers))-1](w, r)
			}))
			start(t, plugin)
			var acc testutil.Accumulator
			err := plugin.Gather(&acc)
			require.EqualValues(t, c.requests, requests.Load())

			// A pause comes before a new attempt, half as long again as the one before, give or take half of it.
			require.Len(t, clock.waits, c.waits)
			for i, wait := range clock.waits {
				require.InDelta(t, math.Pow(1.5, float64(i)), wait.Seconds(), 0.5*math.Pow(1.5, float64(i)))
			}
			if c.err == "" {
				require.NoError(t, err)
				require.NotEmpty(t, acc.Metrics)
			} else {
				require.ErrorContains(t, err, c.err)
				require.Empty(t, acc.Metrics)
			}
		})
	}
}

// hangUp ends the connection without an answer.
func hangUp(http.ResponseWriter, *http.Request) {
	panic(http.ErrAbortHandler)
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, header string
		least, most  time.Duration // of the pause; none if 0
	}{
		{"seconds", "20", 20 * time.Second, 20 * time.Second},
		{"less than the plugin's own pause", "0", 500 * time.Millisecond, 1500 * time.Millisecond},
		{"date", "Mon, 19 Jan 2026 00:35:21 GMT", 50 * time.Second, 50 * time.Second}, // the clock shows 00:34:31
		{"past date", "Mon, 19 Jan 2026 00:30:00 GMT", 500 * time.Millisecond, 1500 * time.Millisecond},
		{"nonsense", "soon", 500 * time.Millisecond, 1500 * time.Millisecond},
		{"negative", "-5", 500 * time.Millisecond, 1500 * time.Millisecond},
		{"beyond the timeout", "61", 0, 0},
		{"far beyond", "18446744073709551615", 0, 0},
		{"far date", "Fri, 31 Dec 9999 23:59:59 GMT", 0, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int64
			plugin, clock, _ := newPlugin(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
				if requests.Add(1) == 1 {
					w.Header().Set("Retry-After", c.header)
					say(http.StatusServiceUnavailable, "")(w, r)
					return
				}
				say(http.StatusOK, testReport)(w, r)
			}))
			start(t, plugin)
			err := plugin.Gather(&testutil.Accumulator{})
			if c.most == 0 {
				require.ErrorContains(t, err, failedServer.what)
				require.Empty(t, clock.waits)
				return
			}
			require.NoError(t, err)
			require.Len(t, clock.waits, 1)
			require.GreaterOrEqual(t, clock.waits[0], c.least)
			require.LessOrEqual(t, clock.waits[0], c.most)
		})
	}
}

func TestNoRetryBeyondInterval(t *testing.T) {
	t.Parallel()
	plugin, clock, _ := newPlugin(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "31")
		say(http.StatusServiceUnavailable, "")(w, r)
	}))
	plugin.Timeout = config.Duration(10 * time.Minute)
	plugin.Interval = config.Duration(30 * time.Second)
	require.NoError(t, plugin.Init()) // without Start, which warns of the interval
	t.Cleanup(plugin.Stop)
	require.Error(t, plugin.Gather(&testutil.Accumulator{}))
	require.Empty(t, clock.waits)
}

func TestStopEndsRequest(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	plugin, _, logger := newPlugin(t, serve(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	}))
	plugin.Operation = "stopped"
	start(t, plugin)
	var acc testutil.Accumulator
	ended := make(chan error)
	go func() { ended <- plugin.Gather(&acc) }()
	<-arrived
	plugin.Stop()
	require.NoError(t, <-ended)
	require.Empty(t, acc.Metrics)
	require.Empty(t, acc.Errors)
	require.Empty(t, logger.Errors())
	require.Zero(t, plugin.stats.failures[failedConnection].Get())
}

// lastingClock is a clock whose pauses don't end.
type lastingClock struct{ manualClock }

func (c *lastingClock) After(d time.Duration) <-chan time.Time {
	c.manualClock.After(d)
	return nil
}

func TestStopEndsPause(t *testing.T) {
	t.Parallel()
	answered := make(chan struct{}, maxRequests)
	plugin, clock, _ := newPlugin(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		say(http.StatusInternalServerError, "")(w, r)
		answered <- struct{}{}
	}))
	plugin.Clock = &lastingClock{manualClock{now: clock.now}}
	start(t, plugin)
	ended := make(chan error)
	go func() { ended <- plugin.Gather(&testutil.Accumulator{}) }()
	<-answered
	plugin.Stop()
	require.NoError(t, <-ended)
	require.Empty(t, answered)
}

func TestTimeoutSpansAllAttempts(t *testing.T) {
	t.Parallel()
	plugin, clock, _ := newPlugin(t, serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	plugin.Timeout = config.Duration(50 * time.Millisecond)
	start(t, plugin)
	begin := time.Now()
	require.ErrorContains(t, plugin.Gather(&testutil.Accumulator{}), failedTimeout.what)
	require.Less(t, time.Since(begin), 5*time.Second)
	require.Empty(t, clock.waits)
}

// gauge is a handler that knows how many requests were in it at once.
type gauge struct {
	mu        sync.Mutex
	now, most int
	meet      chan struct{} // if not nil, requests wait for each other in it
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
	say(http.StatusOK, testReport)(w, r)
}

func (g *gauge) count(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now += n
	g.most = max(g.most, g.now)
}

func gatherAll(t *testing.T, plugins ...*WolkvoxIVR) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, len(plugins))
	for i, plugin := range plugins {
		start(t, plugin)
		wg.Go(func() {
			for range 5 {
				if err := plugin.Gather(&testutil.Accumulator{}); err != nil {
					errs[i] = err
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
}

func TestSameTokenNeverTwiceAtOnce(t *testing.T) {
	t.Parallel()
	g := &gauge{}
	url := serve(t, g.ServeHTTP)
	plugins := make([]*WolkvoxIVR, 0, 4)
	for i := range 4 {
		plugin, _, _ := newPlugin(t, url)
		plugin.Server = textOption(fmt.Sprintf("000%d", i))
		plugin.Token = config.NewSecret([]byte("invented-token-shared"))
		plugins = append(plugins, plugin)
	}
	gatherAll(t, plugins...)
	require.Equal(t, 1, g.most)
}

func TestOtherTokensDoNotWait(t *testing.T) {
	t.Parallel()
	g := &gauge{meet: make(chan struct{})} // a request ends once there is another one
	url := serve(t, g.ServeHTTP)
	one, _, _ := newPlugin(t, url)
	other, _, _ := newPlugin(t, url)
	one.Token = config.NewSecret([]byte("invented-token-one"))
	other.Token = config.NewSecret([]byte("invented-token-other"))
	gatherAll(t, one, other)
	require.Equal(t, 2, g.most)
}

func TestWaitForTokenEnds(t *testing.T) {
	t.Parallel()
	release, err := acquire(t.Context(), "invented-token-held")
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = acquire(ctx, "invented-token-held")
	require.ErrorIs(t, err, context.DeadlineExceeded)

	plugin, _, _ := newPlugin(t, serve(t, say(http.StatusOK, testReport)))
	plugin.Token = config.NewSecret([]byte("invented-token-held"))
	plugin.Timeout = config.Duration(time.Millisecond)
	start(t, plugin)
	require.ErrorContains(t, plugin.Gather(&testutil.Accumulator{}), "(another request with the same token is still running)")

	release()
	release, err = acquire(t.Context(), "invented-token-held")
	require.NoError(t, err)
	release()
	requests.Lock()
	defer requests.Unlock()
	for _, turn := range requests.turns {
		require.Positive(t, turn.users, "turns that nobody needs are forgotten")
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	var tokens atomic.Int64
	other := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("wolkvox-token") != "" {
			tokens.Add(1)
		}
	})
	_, port, err := net.SplitHostPort(strings.TrimPrefix(other, "http://"))
	require.NoError(t, err)

	refused := map[string]string{
		"other port":        other + "/",
		"other host":        "http://localhost:" + port + "/",
		"other scheme":      "https://{host}/",
		"user in the URL":   "http://x@" + strings.TrimPrefix(other, "http://") + "/",
		"without scheme":    strings.TrimPrefix(other, "http:") + "/",
		"other host suffix": "http://127.0.0.1.example.com/",
	}
	for name, location := range refused {
		for _, status := range []int{301, 302, 303, 307, 308} {
			t.Run(fmt.Sprintf("%s %d", name, status), func(t *testing.T) {
				t.Parallel()
				plugin, _, _ := newPlugin(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
					http.Redirect(w, r, strings.ReplaceAll(location, "{host}", r.Host), status)
				}))
				start(t, plugin)
				err := plugin.Gather(&testutil.Accumulator{})
				require.ErrorContains(t, err, failedRedirect.what)
				require.Zero(t, tokens.Load())
			})
		}
	}

	for _, location := range []string{"/elsewhere", "http://{host}/elsewhere", "elsewhere"} {
		t.Run("same server "+location, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int64
			plugin, _, _ := newPlugin(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				http.Redirect(w, r, strings.ReplaceAll(location, "{host}", r.Host), http.StatusFound)
			}))
			start(t, plugin)
			require.ErrorContains(t, plugin.Gather(&testutil.Accumulator{}), failedRedirect.what)
			require.EqualValues(t, 1, requests.Load(), "each costs a call of the quota")
		})
	}
}

func TestTokenChanges(t *testing.T) {
	t.Parallel()
	var accepted atomic.Value
	accepted.Store("invented-token-old")
	plugin, clock, _ := newPlugin(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("wolkvox-token") != accepted.Load() {
			say(http.StatusForbidden, `{"code": "403", "error": "PLEASE VALIDATE TOKEN"}`)(w, r)
			return
		}
		say(http.StatusOK, testReport)(w, r)
	}))
	plugin.Token = config.NewSecret([]byte("invented-token-old"))
	start(t, plugin)
	require.NoError(t, plugin.Gather(&testutil.Accumulator{}))

	accepted.Store("invented-token-new")
	clock.advance(5 * time.Minute)
	require.ErrorContains(t, plugin.Gather(&testutil.Accumulator{}), failedToken.what)

	require.NoError(t, plugin.Token.Set([]byte("invented-token-new")))
	clock.advance(5 * time.Minute)
	var acc testutil.Accumulator
	require.NoError(t, plugin.Gather(&acc))
	require.Len(t, acc.Metrics, 1+4, "the running hour is asked for first after a failure")

	require.NoError(t, plugin.Token.Set([]byte("two words")))
	clock.advance(5 * time.Minute)
	require.ErrorContains(t, plugin.Gather(&acc), "the token has blanks or characters that no wolkvox-token has")
}

func TestQuotaPauses(t *testing.T) {
	t.Parallel()
	var requests, spent atomic.Int64
	spent.Store(1)
	plugin, clock, logger := newPlugin(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if spent.Load() == 1 {
			say(http.StatusForbidden, `{"code": "403", "error": "TOKEN LIMIT EXCEEDED"}`)(w, r)
			return
		}
		say(http.StatusOK, `{"data": []}`)(w, r)
	}))
	start(t, plugin)

	require.EqualError(t, plugin.Gather(&testutil.Accumulator{}),
		`reading wv0001.wolkvox.com, hours 2026-01-18 16:00 to 2026-01-18 23:00, failed: the operation's daily quota of API calls is spent `+
			`(HTTP status 403, "TOKEN LIMIT EXCEEDED"): nothing is lost, the hours are read when it is renewed; `+
			`if this comes again, set a longer interval or find which other clients use the operation's tokens; pausing until 2026-01-19T00:00:00-05:00`)
	require.EqualValues(t, 1, requests.Load())

	midnight := time.Date(2026, 1, 19, 5, 0, 0, 0, time.UTC) // in Bogotá
	for clock.advance(5 * time.Minute); clock.Now().Before(midnight); clock.advance(5 * time.Minute) {
		require.ErrorContains(t, plugin.Gather(&testutil.Accumulator{}), failedQuota.what)
	}
	require.EqualValues(t, 1, requests.Load())
	require.Empty(t, logger.Errors())

	spent.Store(0)
	require.NoError(t, plugin.Gather(&testutil.Accumulator{}))
	require.EqualValues(t, 1+2, requests.Load(), "the running hour, and all that is due")
	require.Equal(t, "Working again after 4h30m0s and 54 failed gather(s); catching up 5 hour(s)", lastInfo(logger))
}

// Where the API's day begins two hours after the operation's, two hours are lost, not a day.
func TestQuotaOfAnotherDay(t *testing.T) {
	t.Parallel()
	renewed := time.Date(2026, 1, 19, 7, 0, 0, 0, time.UTC)
	var plugin *WolkvoxIVR
	var requests, answered int
	plugin, clock, _ := newPlugin(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests++
		if plugin.Clock.Now().Before(renewed) {
			say(http.StatusForbidden, `{"error": "TOKEN LIMIT EXCEEDED"}`)(w, r)
			return
		}
		answered++
		say(http.StatusOK, `{"data": []}`)(w, r)
	}))
	start(t, plugin)
	require.ErrorContains(t, plugin.Gather(&testutil.Accumulator{}), "pausing until 2026-01-19T00:00:00-05:00")
	for clock.Now().Before(renewed.Add(time.Hour)) {
		clock.advance(5 * time.Minute)
		if err := plugin.Gather(&testutil.Accumulator{}); err != nil {
			require.ErrorContains(t, err, failedQuota.what)
		}
	}
	require.NotZero(t, answered)
	require.Equal(t, 1+2, requests-answered, "once an hour after midnight")
}

// A wait that is too long for one gather holds for those that follow.
func TestRetryAfterHoldsForLaterGathers(t *testing.T) {
	t.Parallel()
	var requests int
	plugin, clock, _ := newPlugin(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests++
		w.Header().Set("Retry-After", "1800")
		say(http.StatusTooManyRequests, "")(w, r)
	}))
	start(t, plugin)
	require.ErrorContains(t, plugin.Gather(&testutil.Accumulator{}), failedOverload.what)
	for range 5 {
		clock.advance(5 * time.Minute)
		require.ErrorContains(t, plugin.Gather(&testutil.Accumulator{}), failedOverload.what)
	}
	require.Equal(t, 1, requests)
	clock.advance(5 * time.Minute)
	require.ErrorContains(t, plugin.Gather(&testutil.Accumulator{}), "failing for 30m0s")
	require.Equal(t, 2, requests)
}

func lastInfo(logger *testutil.CaptureLogger) string {
	var last string
	for _, entry := range logger.Messages() {
		if entry.Level == testutil.LevelInfo {
			last = entry.Text
		}
	}
	return last
}

func TestLogDiscipline(t *testing.T) {
	t.Parallel()
	var works atomic.Bool
	plugin, clock, logger := newPlugin(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if works.Load() {
			say(http.StatusOK, `{"data": []}`)(w, r)
			return
		}
		say(http.StatusInternalServerError, fmt.Sprintf(`{"error": "incident %d"}`, time.Now().UnixNano()))(w, r)
	}))
	start(t, plugin)
	plugin.Interval = 1 // ns, so that there is no time to try again

	begin := clock.Now()
	var said []time.Duration
	for clock.Now().Before(begin.Add(24 * time.Hour)) {
		err := plugin.Gather(&testutil.Accumulator{})
		require.ErrorContains(t, err, failedServer.what)
		var repeated *repeatedError
		if !errors.As(err, &repeated) {
			after := clock.Now().Sub(begin)
			if after > 0 {
				require.ErrorContains(t, err, fmt.Sprintf("failing for %s, %d gathers so far: ", after, 1+after/(5*time.Minute)))
			}
			said = append(said, after)
		}
		clock.advance(5 * time.Minute)
	}
	require.Equal(t, []time.Duration{0, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 16 * time.Hour}, said)
	for _, entry := range logger.Messages() {
		require.EqualValues(t, testutil.LevelDebug, entry.Level, entry.Text)
	}

	works.Store(true)
	logger.Clear()
	require.NoError(t, plugin.Gather(&testutil.Accumulator{}))
	require.Equal(t, "Working again after 24h0m0s and 288 failed gather(s); catching up 24 hour(s)", lastInfo(logger))
	logger.Clear()
	clock.advance(5 * time.Minute)
	require.NoError(t, plugin.Gather(&testutil.Accumulator{}))
	require.Empty(t, lastInfo(logger))
}

func TestOutageSaysEachKindOnce(t *testing.T) {
	t.Parallel()
	var o outage
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	server, network := &apiError{kind: failedServer}, &apiError{kind: failedConnection}
	isRepeated := func(err error) bool {
		require.Error(t, err)
		var repeated interface{ Repeated() bool }
		return errors.As(err, &repeated) && repeated.Repeated()
	}
	require.False(t, isRepeated(o.failed(now, server)))
	require.False(t, isRepeated(o.failed(now, network)))
	for range 10 {
		require.True(t, isRepeated(o.failed(now, server)))
		require.True(t, isRepeated(o.failed(now, network)))
	}
	require.Equal(t, "Working again after 1m0s and 22 failed gather(s)", o.ended(now.Add(time.Minute)))
	require.Empty(t, o.ended(now))
	require.Equal(t, error(server), o.failed(now, server), "a new outage")
}

func TestRowsAreReportedOnce(t *testing.T) {
	t.Parallel()
	plugin, clock, _ := newPlugin(t, serve(t, say(http.StatusOK, `{"data": [{"date": "soon", "calls": 1, "ivr_minutes": 2}]}`)))
	start(t, plugin)
	var acc testutil.Accumulator
	for range 3 {
		require.NoError(t, plugin.Gather(&acc))
		clock.advance(5 * time.Minute)
	}
	require.Len(t, acc.Errors, 1)
}

func TestIntervalWarning(t *testing.T) {
	t.Parallel()
	for interval, expected := range map[time.Duration][]string{
		0:               nil,
		5 * time.Minute: nil,
		// A day has 12342.9 times 7 seconds.
		7 * time.Second: {"W! [wolkvox_ivr] interval is shorter than the 5m0s that wolkvox asks for: 12342 requests a day or more, for which the " +
			"daily quota of 1000 calls a licence, shared by all tokens of an operation, lasts with 13 licence(s) or more"},
	} {
		plugin, _, logger := newPlugin(t, "http://127.0.0.1:1")
		plugin.Interval = config.Duration(interval)
		start(t, plugin)
		require.Equal(t, expected, logger.Warnings())
	}
}

// Compiled in, an interval that isn't set means Telegraf's own, which may be of seconds.
func TestGathersAreSkippedWhereNoIntervalIsSet(t *testing.T) {
	t.Parallel()
	for _, answer := range []http.HandlerFunc{say(http.StatusOK, testReport), say(http.StatusUnauthorized, "")} {
		var requests atomic.Int64
		plugin, clock, _ := newPlugin(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			answer(w, r)
		}))
		plugin.Interval = 0
		start(t, plugin)
		for range 6 * 60 {
			if err := plugin.Gather(&testutil.Accumulator{}); err != nil {
				require.ErrorContains(t, err, failedToken.what)
			}
			clock.advance(10 * time.Second)
		}
		require.InDelta(t, 12, requests.Load(), 2, "in an hour")
	}
}

func TestStatistics(t *testing.T) {
	t.Parallel()
	answers := make(chan http.HandlerFunc, 5)
	plugin, clock, _ := newPlugin(t, serve(t, func(w http.ResponseWriter, r *http.Request) { (<-answers)(w, r) }))
	plugin.Operation = "counted"
	plugin.Statistics = selfstat.NewCollector(map[string]string{"alias": "invented-alias"})
	plugin.Timeout = config.Duration(10 * time.Second)
	start(t, plugin)
	answers <- hangUp
	answers <- say(http.StatusInternalServerError, "")
	answers <- say(http.StatusOK, testReport)
	require.NoError(t, plugin.Gather(&testutil.Accumulator{}))
	answers <- say(http.StatusForbidden, `{"error": "PLEASE VALIDATE TOKEN"}`)
	clock.advance(5 * time.Minute)
	require.Error(t, plugin.Gather(&testutil.Accumulator{}))
	require.NoError(t, plugin.Token.Set([]byte(" ")))
	clock.advance(5 * time.Minute)
	require.ErrorContains(t, plugin.Gather(&testutil.Accumulator{}), failedToken.what)

	fields := make(map[string]interface{})
	for _, m := range selfstat.Metrics() {
		if operation, _ := m.GetTag("operation"); m.Name() == "internal_wolkvox_ivr" && operation == "counted" {
			require.Equal(t, map[string]string{"alias": "invented-alias", "operation": "counted", "source": "wv0001.wolkvox.com"}, m.Tags())
			for name, value := range m.Fields() {
				fields[name] = value
			}
		}
	}
	require.Positive(t, fields["api_time_ns"])
	delete(fields, "api_time_ns")
	expected := map[string]interface{}{"requests": int64(4), "rows": int64(1), "backlog_hours": int64(0), "put_off_hours": int64(0)}
	for _, k := range kinds {
		expected["failures_"+k.name] = int64(0)
	}
	expected["failures_server"], expected["failures_connection"], expected["failures_token"] = int64(1), int64(1), int64(2)
	require.Equal(t, expected, fields)
}

// The token is in the header of the request and nowhere else, wherever the server sends it back to.
func TestTokenLeaksNowhere(t *testing.T) {
	t.Parallel()
	const marked = `invented-"marked\token'1`
	quoted, err := json.Marshal(marked)
	require.NoError(t, err)
	in := string(quoted)
	escaped := strings.NewReplacer("%", "%25", `"`, "%22", `\`, "%5C").Replace(marked)
	answers := map[string]http.HandlerFunc{
		"error":        say(403, `{"code": "403", "error": `+in+`}`),
		"message":      say(500, `{"code": 500, "msg": `+in+`}`),
		"code":         say(200, `{"code": `+in+`, "error": "x"}`),
		"long text":    say(500, `{"error": "`+strings.Repeat("x", 190)+strings.Trim(in, `"`)+`"}`),
		"object":       say(500, `{"error": {`+in+`: [`+in+`]}}`),
		"body":         say(200, marked),
		"body failed":  say(500, marked),
		"row":          say(200, `{"data": [`+in+`]}`),
		"date":         say(200, `{"data": [{"date": `+in+`, "calls": 1, "ivr_minutes": 1}]}`),
		"calls":        say(200, `{"data": [{"date": "2026011816", "calls": `+in+`, "ivr_minutes": 1}]}`),
		"calls, long":  say(200, `{"data": [{"date": "2026011816", "calls": "`+strings.Repeat("x", 30)+strings.Trim(in, `"`)+`", "ivr_minutes": 1}]}`),
		"calls object": say(200, `{"data": [{"date": "2026011816", "calls": {`+in+`: 1}, "ivr_minutes": 1}]}`),
		"minutes":      say(200, `{"data": [{"date": "2026011816", "calls": 1, "ivr_minutes": `+in+`}]}`),
		"key":          say(200, `{`+in+`: 1, "data": [{`+in+`: 1}]}`),
		"content type": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", marked) },
		"header": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Token", marked)
			w.Header().Set("Retry-After", marked)
			say(500, "")(w, r)
		},
		"cookie":                    func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Set-Cookie", marked) },
		"encoding":                  raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: " + marked + "\r\n\r\n"),
		"length":                    raw("HTTP/1.1 200 OK\r\nContent-Length: " + marked + "\r\n\r\n"),
		"status text":               raw("HTTP/1.1 403 " + marked + "\r\nContent-Length: 0\r\n\r\n"),
		"status line":               raw("HTTP/1.1 " + marked + "\r\n\r\n"),
		"protocol":                  raw(marked + "\r\n\r\n"),
		"header line":               raw("HTTP/1.1 200 OK\r\n" + marked + "\r\n\r\n"),
		"redirect":                  http.RedirectHandler("http://127.0.0.1:1/?"+escaped, http.StatusFound).ServeHTTP,
		"redirect on the same host": http.RedirectHandler("/?"+escaped, http.StatusFound).ServeHTTP,
		"redirect that is no URL": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "::"+marked)
			w.WriteHeader(302)
		},
		"redirect to another scheme": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", marked+"://x")
			w.WriteHeader(302)
		},
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plugin, clock, logger := newPlugin(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("wolkvox-token") != marked || strings.Contains(r.URL.RawQuery, "data_ini") {
					w.WriteHeader(http.StatusNotFound)
					return
				}
				answer(w, r)
			}))
			plugin.Token = config.NewSecret([]byte(marked))
			plugin.EmptyHours = "zero"
			start(t, plugin)
			var acc testutil.Accumulator
			var out strings.Builder
			for range 2 {
				fmt.Fprintln(&out, plugin.Gather(&acc))
				clock.advance(time.Hour)
			}
			for _, err := range acc.Errors {
				fmt.Fprintln(&out, err)
			}
			for _, m := range acc.GetTelegrafMetrics() {
				fmt.Fprintln(&out, m)
			}
			for _, entry := range logger.Messages() {
				fmt.Fprintln(&out, entry.Text)
			}
			state, err := json.Marshal(plugin.GetState())
			require.NoError(t, err)
			fmt.Fprintln(&out, string(state), plugin.ID())
			require.NotContains(t, out.String(), "marked", "half of it is too much")
		})
	}
}

// raw returns a handler that writes to the connection and ends it.
func raw(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer connection.Close()
		if _, err := io.WriteString(connection, text); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}
