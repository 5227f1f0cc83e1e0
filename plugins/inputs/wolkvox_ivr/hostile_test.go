package wolkvox_ivr

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"log"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/influxdata/telegraf/config"
	"github.com/influxdata/telegraf/testutil"
)

// most is the memory that the plugin may add to a process that is to stay below 64 MiB.
const most = 40 << 20

// Whatever a server does, a gather ends in time with an error that says what was wrong, within bounded memory, and the
// next one works.
func TestHostileServer(t *testing.T) {
	const soon = 300 * time.Millisecond
	head := `{"code": "200", "error": null, "msg": "` // of which the rest may be anything
	row := `{"date": "2026-01-18-16", "calls": "141", "ivr_minutes": "305.117"},`

	cases := []struct {
		name     string
		answer   http.HandlerFunc
		timeout  time.Duration // the default's, if 0
		expected string
	}{
		{"endless text", endless("", head, strings.Repeat("x", 4096)), 0, "longer than 8 MiB"},
		{"endless words", endless("", head, strings.Repeat("x ", 2048)), 0, "longer than 8 MiB"},
		{"endless blanks", endless("", "", strings.Repeat(" ", 4096)), 0, "longer than 8 MiB"},
		{"endless blanks after the report", endless("", testReport, strings.Repeat("\n", 4096)), 0, "longer than 8 MiB"},
		{"endless rows", endless("", `{"data": [`, strings.Repeat(row, 50)), 0, "longer than 8 MiB"},
		{"endless unreadable rows",
			endless("", `{"data": [`, strings.Repeat(`{"date": "soon", "calls": "141", "ivr_minutes": "305.117"},`, 50)), 0, "longer than 8 MiB"},
		{"endless keys", endless("", `{`, strings.Repeat(`"`+strings.Repeat("x", 500)+`":1,`, 10)), 0, "longer than 8 MiB"},
		{"endless row", endless("", `{"data": [{`, strings.Repeat(`"x":"y",`, 500)), 0, "longer than 8 MiB"},
		{"gzip bomb", endless("gzip", head, strings.Repeat("x", 64<<10)), 0, "longer than 8 MiB"},
		{"gzip bomb of rows", endless("gzip", `{"data": [`, strings.Repeat(row, 1000)), 0, "longer than 8 MiB"},
		{"a million rows", func(w http.ResponseWriter, _ *http.Request) {
			begin := `{"data": [`
			for range 1_000_000 / 50 {
				if _, err := io.WriteString(w, begin+strings.Repeat(row, 50)); err != nil {
					return
				}
				begin = ""
			}
		}, 0, "longer than 8 MiB"},
		{"a failure without end", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			endless("", head, strings.Repeat("x", 4096))(w, r)
		}, 0, "the server failed (HTTP status 502"},
		{"deep lists", endless("", `{"data": `, strings.Repeat("[", 4096)), 0, "longer than 8 MiB"},
		{"deep rows", endless("", `{"data": [`, strings.Repeat("[", 4096)), 0, "longer than 8 MiB"},
		{"deep objects", endless("", `{"x": `, strings.Repeat(`{"x":`, 1000)), 0, "longer than 8 MiB"},
		{"endless headers", endlessHead("HTTP/1.1 200 OK\r\n", strings.Repeat("X: y\r\n", 500)), 0, "server response headers exceeded 65536 bytes"},
		{"endless header", endlessHead("HTTP/1.1 200 OK\r\nX: ", strings.Repeat("x", 4096)), 0, "server response headers exceeded 65536 bytes"},
		{"endless status", endlessHead("HTTP/1.1 200 ", strings.Repeat("x", 4096)), 0, "server response headers exceeded 65536 bytes"},
		{"endless interim answers", endlessHead("", strings.Repeat("HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n", 100)), 0, failedConnection.what},
		{"body a byte at a time", drip, soon, "the server gave no whole answer in time (the answer did not end)"},
		{"no answer", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, soon, failedTimeout.what},
		{"no end of the body", func(w http.ResponseWriter, r *http.Request) {
			say(http.StatusOK, testReport[:200])(w, r)
			if err := http.NewResponseController(w).Flush(); err == nil {
				<-r.Context().Done()
			}
		}, soon, "the server gave no whole answer in time (the answer did not end)"},
		{"no end after the report", func(w http.ResponseWriter, r *http.Request) {
			say(http.StatusOK, testReport)(w, r)
			if err := http.NewResponseController(w).Flush(); err == nil {
				<-r.Context().Done()
			}
		}, soon, "the server gave no whole answer in time (the answer did not end)"},
		{"chunk cut short", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + testReport[:100]), 0, "empty or cut short"},
		{"chunk missing", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n" + testReport[:100] + "\r\n"), 0, "empty or cut short"},
		{"chunk of no size", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"), 0, "invalid byte in chunk length"},
		{"length too long", raw("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + testReport), 0, "empty or cut short"},
		{"length too short", raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + testReport), 0, "empty or cut short"},
		{"two lengths", raw("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}"), 0, failedConnection.what},
		{"no HTTP", raw("SSH-2.0-Invented\r\n\r\n"), 0, "malformed HTTP response"},
		{"nothing", raw(""), 0, failedConnection.what},
		{"reset", reset(""), 0, failedConnection.what},
		{"reset in the body", reset("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + testReport[:100]), 0, "connection reset by peer"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var good atomic.Bool
			plugin, clock, logger := newPlugin(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
				if good.Load() {
					say(http.StatusOK, testReport)(w, r)
					return
				}
				c.answer(w, r)
			}))
			if c.timeout != 0 {
				plugin.Timeout = config.Duration(c.timeout)
			}
			start(t, plugin)
			plugin.Interval = 1 // ns, so that there is no time to try again

			var acc testutil.Accumulator
			var err error
			begin := time.Now()
			require.Less(t, peak(func() { err = plugin.Gather(&acc) }), uint64(most))
			require.Less(t, time.Since(begin), time.Duration(plugin.Timeout)+20*time.Second)
			require.ErrorContains(t, err, c.expected)
			require.Less(t, len(err.Error()), 1000)
			require.Empty(t, acc.Metrics)
			require.Empty(t, acc.Errors)
			require.Empty(t, logger.Errors())

			good.Store(true)
			plugin.client.timeout = time.Minute
			clock.advance(5 * time.Minute)
			require.NoError(t, plugin.Gather(&acc))
			require.Len(t, acc.Metrics, 1+4, "the running hour is asked for first after a failure")
		})
	}
}

// peak returns by how much the heap grows at most while f runs.
func peak(f func()) uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	before, highest := stats.HeapInuse, stats.HeapInuse

	done, sampled := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(sampled)
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			runtime.ReadMemStats(&stats)
			highest = max(highest, stats.HeapInuse)
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	}()
	f()
	close(done)
	<-sampled
	return highest - before
}

// endless returns a handler whose body doesn't end.
func endless(encoding, begin, again string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		var body io.Writer = w
		if encoding == "gzip" {
			w.Header().Set("Content-Encoding", encoding)
			zipped := gzip.NewWriter(w)
			defer zipped.Close()
			body = zipped
		}
		more := []byte(again)
		_, err := io.WriteString(body, begin)
		for err == nil {
			_, err = body.Write(more)
		}
	}
}

// endlessHead returns a handler whose status and headers don't end.
func endlessHead(begin, again string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer connection.Close()
		_, err = io.WriteString(connection, begin)
		for err == nil {
			_, err = io.WriteString(connection, again)
		}
	}
}

// drip gives a good answer, in an hour.
func drip(w http.ResponseWriter, r *http.Request) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for i := range testReport {
		if _, err := io.WriteString(w, testReport[i:i+1]); err != nil {
			return
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// reset returns a handler that writes to the connection and breaks it off.
func reset(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer connection.Close()
		_, err = io.WriteString(connection, text)
		if tcp, ok := connection.(*net.TCPConn); !ok || err != nil || tcp.SetLinger(0) != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// What a server sends unasked is nobody's, and net/http would log it. It can't run beside other tests, whose log it takes.
func TestUnaskedAnswer(t *testing.T) {
	var logged bytes.Buffer
	before := log.Writer()
	log.SetOutput(&logged)
	defer log.SetOutput(before)

	ended := make(chan struct{})
	plugin, _, _ := newPlugin(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		raw("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"data\": []}HTTP/1.1 200 OK\r\nX: "+testToken+"\r\n\r\n")(w, r)
	}))
	start(t, plugin)
	require.NoError(t, plugin.Gather(&testutil.Accumulator{}))
	<-ended
	plugin.Stop()
	require.NotContains(t, logged.String(), testToken)
	require.NotContains(t, logged.String(), "Unsolicited")
}

// A server that accepts connections and never reads from them.
func TestDeafServer(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	plugin, _, _ := newPlugin(t, "http://"+listener.Addr().String())
	plugin.Timeout = config.Duration(100 * time.Millisecond)
	start(t, plugin)
	require.ErrorContains(t, plugin.Gather(&testutil.Accumulator{}), failedTimeout.what)
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	plugin, _, _ := newPlugin(t, "http://"+listener.Addr().String())
	start(t, plugin)
	err = plugin.Gather(&testutil.Accumulator{})
	require.ErrorContains(t, err, failedConnection.what)
	require.ErrorContains(t, err, "connection refused")
	require.ErrorContains(t, err, "registered in the operation's firewall at wolkvox")
}

// FuzzAnswer has a server send anything, status and headers included.
func FuzzAnswer(f *testing.F) {
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"data\": []}",
		"HTTP/1.1 200 OK\r\n\r\n" + testReport,
		"HTTP/1.1 403 Forbidden\r\n\r\n{\"code\": \"403\", \"error\": \"TOKEN LIMIT EXCEEDED " + testToken + "\"}",
		"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n",
		"HTTP/1.1 503 \r\nRetry-After: 5\r\nContent-Type: text/html\r\n\r\n<html>",
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b",
	} {
		f.Add([]byte(answer))
	}
	plugin, clock, logger := newPlugin(f, "http://127.0.0.1:1")
	start(f, plugin)
	asked := plugin.scope.live(plugin.scope.begin(newLedger(), clock.Now()), clock.Now())
	f.Fuzz(func(t *testing.T, answer []byte) {
		logger.Clear()
		plugin.client.http.Transport = canned(answer)
		a, err := plugin.client.read(t.Context(), asked)
		if err == nil {
			checkRows(t, a, asked)
		} else {
			require.Nil(t, a)
			require.NotContains(t, err.Error(), testToken)
			require.Less(t, len(err.Error()), 1500)
		}
		for _, entry := range logger.Messages() {
			require.NotContains(t, entry.Text, testToken)
		}
	})
}

// canned is a transport that has the bytes of one answer for all requests.
type canned []byte

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return http.ReadResponse(bufio.NewReader(bytes.NewReader(c)), r)
}
