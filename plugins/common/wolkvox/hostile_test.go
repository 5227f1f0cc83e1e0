package wolkvox

import (
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/influxdata/telegraf/config"
)

// maxHeap is what one request may add to the heap of a process that must stay below 64 MiB.
const maxHeap = 40 << 20

// Whatever a server does, the request ends in time and in bounded memory, the error names the cause, and the next request works.
//
//promise:hostile
func TestHostileServer(t *testing.T) {
	const soon = 300 * time.Millisecond
	head := `{"code": "200", "error": null, "msg": "`
	row := `{"date": "2026-01-18-16", "calls": "141", "ivr_minutes": "305.117"},`

	cases := []struct {
		name     string
		response http.HandlerFunc
		timeout  time.Duration // the client's, if 0
		expected string
	}{
		{"endless text", endless("", head, strings.Repeat("x", 4096)), 0, "longer than 2 MiB"},
		{"endless words", endless("", head, strings.Repeat("x ", 2048)), 0, "longer than 2 MiB"},
		{"endless blanks", endless("", "", strings.Repeat(" ", 4096)), 0, "longer than 2 MiB"},
		{"endless blanks after the report", endless("", testReport, strings.Repeat("\n", 4096)), 0, "longer than 2 MiB"},
		{"endless rows", endless("", `{"data": [`, strings.Repeat(row, 50)), 0, "longer than 2 MiB"},
		{"endless unreadable rows",
			endless("", `{"data": [`, strings.Repeat(`{"date": "soon", "calls": "141", "ivr_minutes": "305.117"},`, 50)), 0, "longer than 2 MiB"},
		{"endless keys", endless("", `{`, strings.Repeat(`"`+strings.Repeat("x", 500)+`":1,`, 10)), 0, "longer than 2 MiB"},
		{"endless row", endless("", `{"data": [{`, strings.Repeat(`"x":"y",`, 500)), 0, "longer than 2 MiB"},
		{"gzip bomb", endless("gzip", head, strings.Repeat("x", 64<<10)), 0, "longer than 2 MiB"},
		{"gzip bomb of rows", endless("gzip", `{"data": [`, strings.Repeat(row, 1000)), 0, "longer than 2 MiB"},
		{"a million rows", func(w http.ResponseWriter, _ *http.Request) {
			begin := `{"data": [`
			for range 1_000_000 / 50 {
				if _, err := io.WriteString(w, begin+strings.Repeat(row, 50)); err != nil {
					return
				}
				begin = ""
			}
		}, 0, "longer than 2 MiB"},
		{"a failure without end", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			endless("", head, strings.Repeat("x", 4096))(w, r)
		}, 0, "the server failed (HTTP status 502"},
		{"deep lists", endless("", `{"data": `, strings.Repeat("[", 4096)), 0, "longer than 2 MiB"},
		{"deep rows", endless("", `{"data": [`, strings.Repeat("[", 4096)), 0, "longer than 2 MiB"},
		{"deep objects", endless("", `{"x": `, strings.Repeat(`{"x":`, 1000)), 0, "longer than 2 MiB"},
		{"endless headers", endlessHead("HTTP/1.1 200 OK\r\n", strings.Repeat("X: y\r\n", 500)), 0, "server response headers exceeded 8192 bytes"},
		{"endless header", endlessHead("HTTP/1.1 200 OK\r\nX: ", strings.Repeat("x", 4096)), 0, "server response headers exceeded 8192 bytes"},
		{"endless status", endlessHead("HTTP/1.1 200 ", strings.Repeat("x", 4096)), 0, "server response headers exceeded 8192 bytes"},
		{"endless interim responses", endlessHead("", strings.Repeat("HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n", 100)), 0, FailedResponse.Message},
		{"body a byte at a time", drip, soon, "no complete response in time (the response did not end)"},
		{"no response", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, soon, FailedTimeout.Message},
		{"no end of the body", func(w http.ResponseWriter, r *http.Request) {
			always(http.StatusOK, testReport[:200])(w, r)
			if err := http.NewResponseController(w).Flush(); err == nil {
				<-r.Context().Done()
			}
		}, soon, "no complete response in time (the response did not end)"},
		{"no end after the report", func(w http.ResponseWriter, r *http.Request) {
			always(http.StatusOK, testReport)(w, r)
			if err := http.NewResponseController(w).Flush(); err == nil {
				<-r.Context().Done()
			}
		}, soon, "no complete response in time (the response did not end)"},
		{"chunk cut short", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + testReport[:100]), 0, "empty or cut short"},
		{"chunk missing", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n" + testReport[:100] + "\r\n"), 0, "empty or cut short"},
		{"chunk of no size", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"), 0, "invalid byte in chunk length"},
		{"length too long", raw("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + testReport), 0, "empty or cut short"},
		{"length too short", raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + testReport), 0, "empty or cut short"},
		{"two lengths", raw("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}"), 0, FailedResponse.Message},
		{"no HTTP", raw("SSH-2.0-Invented\r\n\r\n"), 0, "malformed HTTP response"},
		{"nothing", raw(""), 0, FailedServer.Message},
		{"reset", reset(""), 0, FailedServer.Message},
		{"reset in the body", reset("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + testReport[:100]), 0, "connection reset by peer"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var good atomic.Bool
			client, _ := newClient(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
				if good.Load() {
					always(http.StatusOK, testReport)(w, r)
					return
				}
				c.response(w, r)
			}))
			if c.timeout != 0 {
				client.Timeout = c.timeout
			}
			var report *Report
			var err error
			begin := time.Now()
			require.Less(t, peak(func() { report, err = client.Report(t.Context(), testDay) }), uint64(maxHeap))
			require.Less(t, time.Since(begin), client.Timeout+20*time.Second)
			require.ErrorContains(t, err, c.expected)
			require.Less(t, len(err.Error()), 1000)
			require.Nil(t, report)

			good.Store(true)
			client.Timeout = time.Minute
			report, err = client.Report(t.Context(), testDay)
			require.NoError(t, err)
			require.Len(t, report.Rows, 4)
		})
	}
}

// The largest responses that are accepted, and the smallest that are too large.
//
//promise:hostile
func TestResponsesAtTheLimits(t *testing.T) {
	window, month := reportOf(744)
	wide := strings.ReplaceAll(month, `,"calls"`, `,"x":"`+strings.Repeat("y", 2700)+`","calls"`)
	for name, c := range map[string]struct {
		body     string
		expected string
	}{
		"744 rows of 2.8 KiB":     {wide, ""},
		"blanks up to the limit":  {month + strings.Repeat(" ", maxBody-len(month)), ""},
		"blanks above the limit":  {month + strings.Repeat(" ", maxBody-len(month)+1), "longer than 2 MiB"},
		"60,000 rows of a digit":  {`{"data":[` + strings.Repeat("0,", maxRows-1) + "0]}", "none of its 60000 row(s) can be read"},
		"a row more":              {`{"data":[` + strings.Repeat("0,", maxRows) + "0]}", "the response is not a report (more than 60000 rows)"},
		"a million of a digit":    {`{"data":[` + strings.Repeat("0,", 1_000_000) + "0]}", "more than 60000 rows"},
		"many objects":            {`{"data":[` + strings.Repeat("{},", 600_000) + "{}]}", "more than 60000 rows"},
		"rows by index":           {`{"data":{` + strings.Repeat(`"1":{"day":""},`, 100_000) + `"1":{}}}`, "more than 60000 rows"},
		"many keys":               {"{" + strings.Repeat(`"x":1,`, 300_000) + `"data":[0]}`, "none of its 1 row(s) can be read"},
		"keys of a row":           {`{"data":[{` + strings.Repeat(`"calls":1,`, 200_000) + `"x":1}]}`, "none of its 1 row(s) can be read"},
		"deep lists":              {`{"data":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}", "exceeded max depth"},
		"deep objects":            {strings.Repeat(`{"data":`, 100_000) + "1" + strings.Repeat("}", 100_000), "exceeded max depth"},
		"a small body":            {month[:smallBody-1], "empty or cut short"},
		"just no small body":      {month[:smallBody], "empty or cut short"},
		"a text of escapes":       {`{"error":"` + strings.Repeat(`\u0025`, 250_000) + `"}`, "the response is not a report"},
		"a list in place of text": {`{"error":[` + strings.Repeat(`"%25",`, 300_000) + `0]}`, "the response is not a report"},
	} {
		for _, encoding := range []string{"", "gzip"} {
			if encoding != "" && !strings.Contains(name, "million") && !strings.Contains(name, "744") {
				continue
			}
			t.Run(name+" "+encoding, func(t *testing.T) {
				client, _ := newClient(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Encoding", encoding)
					var body io.Writer = w
					if encoding != "" {
						zipped := gzip.NewWriter(w)
						defer zipped.Close()
						body = zipped
					}
					if _, err := io.WriteString(body, c.body); err != nil {
						panic(http.ErrAbortHandler)
					}
				}))
				var err error
				require.Less(t, peak(func() { _, err = client.Report(t.Context(), window) }), uint64(maxHeap))
				if c.expected == "" {
					require.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, c.expected)
			})
		}
	}
}

// Responses that are expensive to parse don't take long.
//
//promise:hostile
func TestCostlyResponses(t *testing.T) {
	if testing.Short() {
		t.Skip("timing is meaningless beside other tests or under the race detector")
	}
	unread := strings.Repeat("q", 8000)
	for i := range 20 { // tokens of many lengths
		HideToken(strings.Repeat("z", 30+i))
	}
	thousands := `{"date":"2026-01-18-20","calls":1,"ivr_minutes":"1.234"},{"date":"2026-01-18-21","calls":1,"ivr_minutes":"1,5"},` // read twice
	rows := func(first, row string) string {
		return `{"data":[` + thousands + first + strings.Repeat(row+",", (maxBody-len(first)-1000)/(len(row)+1)) + "0]}"
	}
	for name, body := range map[string]string{
		"rows of one hour": rows(`{"day":2026011800,"calls":0,"ivr_minutes":0,"x":[`+strings.Repeat("{},", 1200)+`0],"x":0},`,
			`{"day":2026011800,"calls":0,"ivr_minutes":0,"x":0}`),
		"dates that are no dates": rows("", `{"date":"`+unread+`"}`),
		"dates of URLs":           rows("", `{"date":"`+strings.Repeat("a://a:", 1300)+`"}`),
		"dates of escapes":        rows("", `{"date":"`+strings.Repeat("%25", 2600)+`"}`),
		"calls of URLs":           rows("", `{"date":"2026-01-18-05","calls":"`+strings.Repeat("a://a:", 60)+`"}`),
		"error of URLs":           `{"error":"` + strings.Repeat("a://a:", maxBody/7) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := newClient(t, serve(t, always(http.StatusOK, body)))
			begin := time.Now()
			_, err := client.Report(t.Context(), testDay)
			require.Less(t, time.Since(begin), 5*time.Second, "some 0.2 s, but a machine that runs tests may be slow: %v", err)
		})
	}
}

// Endless gzip without content ends too.
//
//promise:hostile
func TestEmptyGzip(t *testing.T) {
	var empty strings.Builder
	require.NoError(t, gzip.NewWriter(&empty).Close())
	header := empty.String()[:10]
	for name, parts := range map[string][2]string{
		"members": {"", empty.String()}, "blocks": {header, "\x00\x00\x00\xff\xff"},
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := newClient(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Encoding", "gzip")
				endless("", parts[0], strings.Repeat(parts[1], 1000))(w, r)
			}))
			client.Timeout = 20 * time.Second
			_, err := client.Report(t.Context(), testDay)
			requireClass(t, FailedResponse, err)
		})
	}
}

// Concurrent handshakes are limited. A server that stalls one blocks others no longer than its timeout.
//
//promise:hostile
func TestHandshakesAreLimited(t *testing.T) {
	before := handshakes
	handshakes = make(semaphore, 2)
	t.Cleanup(func() { handshakes = before })
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { silent.Close() })
	server := httptest.NewTLSServer(always(http.StatusOK, testReport))
	t.Cleanup(server.Close)
	errs := make(chan error)
	request := func(url string, timeout time.Duration) {
		client, _ := newClient(t, url)
		transport := server.Client().Transport.(*http.Transport).Clone()
		transport.DisableKeepAlives, transport.TLSHandshakeTimeout = true, timeout
		client.HTTP.Transport = transport
		token := config.NewSecret(fmt.Appendf(nil, "%s-%p", testToken, client))
		client.Token = &token
		go func() {
			_, err := client.Report(t.Context(), testDay)
			errs <- err
		}()
	}
	for range cap(handshakes) {
		request("https://"+silent.Addr().String(), 500*time.Millisecond)
	}
	await(t, func() bool { return len(handshakes) == cap(handshakes) })
	request(server.URL, time.Minute)
	good := 0
	for range cap(handshakes) + 1 {
		err := <-errs
		if err == nil {
			good++
			continue
		}
		requireClass(t, FailedTimeout, err)
		require.ErrorContains(t, err, "TLS handshake timeout")
	}
	require.Equal(t, 1, good)
	await(t, func() bool { return len(handshakes) == 0 })
}

func await(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 10*time.Second, time.Millisecond)
}

// Only a few large responses are read at a time, to limit memory. Responses for a day aren't held up meanwhile.
//
//promise:hostile
func TestLargeResponsesAreLimited(t *testing.T) {
	var isHostile atomic.Bool
	isHostile.Store(true)
	blanks := strings.Repeat(" ", maxBody-1)
	window, month := reportOf(744)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if !isHostile.Load() {
			always(http.StatusOK, month)(w, r)
			return
		}
		always(http.StatusOK, blanks)(w, r)
		if err := http.NewResponseController(w).Flush(); err == nil {
			<-r.Context().Done()
		}
	})
	errs := make(chan error)
	const operations = 100
	request := func(timeout time.Duration) {
		for i := range operations {
			client, _ := newClient(t, url)
			token := config.NewSecret(fmt.Appendf(nil, "%s-%d", testToken, i))
			client.Token, client.Timeout = &token, timeout
			go func() {
				_, err := client.Report(t.Context(), window)
				errs <- err
			}()
		}
	}
	require.Less(t, peak(func() {
		request(time.Second)
		time.Sleep(500 * time.Millisecond)
		day, _ := newClient(t, serve(t, always(http.StatusOK, testReport)))
		_, err := day.Report(t.Context(), testDay)
		require.NoError(t, err)
		queued := 0
		for range operations {
			err := <-errs
			requireClass(t, FailedTimeout, err)
			if strings.Contains(err.Error(), errQueued.Error()) {
				queued++
			}
		}
		require.Positive(t, queued)
	}), uint64(64<<20), "each takes 4 MiB, the server's part included")

	isHostile.Store(false)
	request(time.Minute)
	for range operations {
		require.NoError(t, <-errs)
	}
}

// peak returns the largest growth of the heap while f runs, in bytes.
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

// endless returns a handler whose body never ends.
func endless(encoding, begin, rest string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		var body io.Writer = w
		if encoding == "gzip" {
			w.Header().Set("Content-Encoding", encoding)
			zipped := gzip.NewWriter(w)
			defer zipped.Close()
			body = zipped
		}
		more := []byte(rest)
		_, err := io.WriteString(body, begin)
		for err == nil {
			_, err = body.Write(more)
		}
	}
}

// endlessHead returns a handler whose status and headers never end.
func endlessHead(begin, rest string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer connection.Close()
		_, err = io.WriteString(connection, begin)
		for err == nil {
			_, err = io.WriteString(connection, rest)
		}
	}
}

// drip sends a valid response, one byte every 10 ms.
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

// reset returns a handler that writes to the connection and then resets it.
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

// raw returns a handler that writes to the connection and then closes it.
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
