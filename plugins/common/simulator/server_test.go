package simulator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var finalDay = reportTarget("20260119000000", "20260119235959")

// serve serves a simulator over the network, and returns its URL and a client that neither keeps connections nor
// retries.
func serve(t *testing.T, s *Simulator) (base string, client *http.Client) {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
}

// fetch returns the response and its body, or the error of reading it.
func fetch(ctx context.Context, client *http.Client, address string) (*http.Response, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("wolkvox-token", token)
	r.Header.Set("User-Agent", "test/1")
	response, err := client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response, body, err
}

func TestResponsesLookLikeTheAPIs(t *testing.T) {
	t.Parallel()
	base, client := serve(t, newTest(t, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Operation{}))
	response, body, err := fetch(t.Context(), client, base+finalDay)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.True(t, json.Valid(body))
	require.Equal(t, []string{"chunked"}, response.TransferEncoding)
	require.Equal(t, "application/json; charset=utf-8", response.Header.Get("Content-Type"))
	require.Equal(t, "Apache", response.Header.Get("Server"))
}

//promise:simulator
func TestFaults(t *testing.T) {
	t.Parallel()
	type result struct {
		status int
		text   string // in the body; a leading "!" means that the body is not JSON
		err    string // of the request or of reading the body
		header string
	}
	expected := map[Fault]result{
		FaultUnknownAPI:       {status: 400, text: "THE API YOU WANT TO CONSULT DOES NOT EXIST"},
		FaultParameters:       {status: 400, text: "SOME PARAMETERS ARE REQUIRED"},
		FaultNoToken:          {status: 401, text: "PLEASE ENTER THE WOLKVOX-TOKEN"},
		FaultBadToken:         {status: 403, text: `"code":403,"error":"PLEASE VALIDATE TOKEN"`},
		FaultQuota:            {status: 403, text: "TOKEN LIMIT EXCEEDED"},
		FaultSimultaneous:     {status: 403, text: "EXCEEDS THE LIMIT OF SIMULTANEOUS REQUESTS PER TOKEN (2)"},
		FaultMaintenance:      {status: 403, text: "API consumption is temporarily disabled"},
		FaultMaintenanceEmpty: {status: 403, text: "!"},
		FaultNoRecords:        {status: 404, text: "Validate dates entered"},
		FaultNotFound:         {status: 404, text: "!<!DOCTYPE html>"},
		FaultConflict:         {status: 409, text: `"code":409`},
		FaultTooMany:          {status: 429, text: `"code":429`, header: "Retry-After"},
		FaultServerError:      {status: 500, text: `"code":500`},
		FaultUnavailable:      {status: 503, text: "!<!DOCTYPE html>", header: "Retry-After"},
		FaultBody403:          {status: 200, text: `"code":403,"error":"PLEASE VALIDATE TOKEN"`},
		FaultBody500:          {status: 200, text: `"code":500`},
		FaultHTML:             {status: 200, text: "!<!DOCTYPE html>"},
		FaultHTMLError:        {status: 502, text: "!<!DOCTYPE html>"},
		FaultEmptyBody:        {status: 200, text: "!", header: "Content-Length"},
		FaultWrongShape:       {status: 200, text: `"data":"`},
		FaultNotice:           {status: 200, text: "!<br />\n<b>Notice</b>:  Undefined index: date_ini in <b>/var/www/html"},
		FaultNoticeAfter:      {status: 200, text: `!{"code":200`},
		FaultTruncated:        {status: 200, text: `!{"code":200`, header: "Content-Length"},
		FaultDropped:          {status: 200, text: `!{"code":200`, err: "unexpected EOF", header: "Content-Length"},
		FaultDroppedChunk:     {status: 200, text: `!{"code":200`, err: "unexpected EOF"},
		FaultReset:            {err: "connection reset"},
		FaultHang:             {err: "context canceled"},
		FaultSlow:             {status: 200, text: `{"code":200`},
	}
	for _, fault := range Faults() {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			want, known := expected[fault]
			require.True(t, known)
			require.NotEmpty(t, fault.Help())
			s := newTest(t, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Operation{})
			s.dripPause = time.Millisecond
			base, client := serve(t, s)
			s.Script(token, fault, "")

			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if fault == FaultHang {
				go func() {
					for len(s.Ledger()) == 0 || s.Ledger()[0].Fault == "" {
						time.Sleep(time.Millisecond)
					}
					cancel()
				}()
			}
			response, body, err := fetch(ctx, client, base+finalDay)
			if want.err == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, want.err)
			}
			if want.status != 0 {
				require.Equal(t, want.status, response.StatusCode)
				require.Equal(t, !strings.HasPrefix(want.text, "!"), json.Valid(body), string(body))
				require.Contains(t, string(body), strings.TrimPrefix(want.text, "!"))
				if want.header != "" {
					require.NotEmpty(t, response.Header.Get(want.header))
				}
			}
			_, body, err = fetch(t.Context(), client, base+finalDay)
			require.NoError(t, err, "the script is over")
			require.True(t, json.Valid(body))

			requests := s.Ledger()
			require.Equal(t, fault, requests[0].Fault)
			require.Equal(t, want.status, requests[0].Status)
			require.Empty(t, requests[1].Fault)
		})
	}
}

func TestFaultsByRate(t *testing.T) {
	t.Parallel()
	s := newTest(t, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Operation{Licences: 100})
	for _, name := range []string{"spared", "worse"} {
		require.NoError(t, s.Add(Operation{Server: "0001", Token: name, Licences: 100}))
	}
	s.SetFaults(0.2, FaultQuota, FaultConflict)
	s.SetFaultsFor("spared", 0)
	s.SetFaultsFor("worse", 1, FaultServerError)
	s.Script("", FaultHTML)
	count := func(token string) map[int]int {
		statuses := make(map[int]int)
		for range 1000 {
			statuses[get(s, reportTarget("20260119100000", "20260119105959"), token).Code]++
		}
		return statuses
	}
	statuses := count(token)
	require.InDelta(t, 800, statuses[200], 50)
	require.InDelta(t, 100, statuses[403], 40)
	require.InDelta(t, 100, statuses[409], 40)
	require.Equal(t, FaultHTML, s.Ledger()[0].Fault)
	require.Equal(t, map[int]int{200: 1000}, count("spared"))
	require.Equal(t, map[int]int{500: 1000}, count("worse"))
	s.SetFaults(0)
	require.Equal(t, map[int]int{200: 1000}, count(token))

	require.Panics(t, func() { s.SetFaults(1.5) })
	require.Panics(t, func() { s.SetFaults(1, "x") })
	require.Panics(t, func() { s.Script(token, "x") })
}

func TestParseFaults(t *testing.T) {
	t.Parallel()
	faults, err := ParseFaults(" reset, hang")
	require.NoError(t, err)
	require.Equal(t, []Fault{FaultReset, FaultHang}, faults)
	faults, err = ParseFaults("")
	require.NoError(t, err)
	require.Equal(t, Faults(), faults)
	_, err = ParseFaults("reset,x")
	require.EqualError(t, err, `there is no fault "x"`)
}

func TestLedger(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	s := newTest(t, now, Operation{Timezone: "Asia/Kolkata"})
	base, client := serve(t, s)
	began := time.Now()
	_, _, err := fetch(t.Context(), client, base+finalDay)
	require.NoError(t, err)
	requests := s.Ledger()
	require.Len(t, requests, 1)
	r := requests[0]
	require.False(t, r.Start.Before(began))
	require.False(t, r.End.Before(r.Start))
	r.Start, r.End = time.Time{}, time.Time{}
	location := s.operation(token).zone
	require.Equal(t, Request{
		SimStart: now, SimEnd: now, Server: "0001", Token: token, API: reportAPI, UserAgent: "test/1", Status: 200, InFlight: 1,
		From: time.Date(2026, 1, 19, 0, 0, 0, 0, location), To: time.Date(2026, 1, 19, 23, 59, 59, 0, location),
		Query: "api=diagram_1_2&date_end=20260119235959&date_ini=20260119000000",
	}, r)

	get(s, finalDay, "x")
	require.Equal(t, Request{Server: "0001", Token: "x", Status: 403}, func(r Request) Request {
		return Request{Server: r.Server, Token: r.Token, Status: r.Status, InFlight: r.InFlight, Fault: r.Fault}
	}(s.Ledger()[1]))
	s.ResetLedger()
	require.Empty(t, s.Ledger())
}

func TestLedgerForgetsTheOldest(t *testing.T) {
	t.Parallel()
	var s Simulator
	for i := range LedgerSize + 10 {
		s.ledger.add(&Request{InFlight: i})
	}
	requests := s.Ledger()
	require.Len(t, requests, LedgerSize)
	for i, r := range requests {
		require.Equal(t, i+10, r.InFlight)
	}
}

// Sequential requests of a client are never in flight at the same time.
func TestSequentialRequestsAreNeverSimultaneous(t *testing.T) {
	t.Parallel()
	s := newTest(t, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Operation{PeakCalls: 5})
	s.dripPause = 0
	base, client := serve(t, s)
	for i := range 300 {
		s.Script(token, []Fault{"", FaultTruncated, FaultDropped, FaultSlow, FaultReset, FaultDroppedChunk}[i%6])
		_, _, _ = fetch(t.Context(), client, base+finalDay)
	}
	for _, r := range s.Ledger() {
		require.Equal(t, 1, r.InFlight)
		require.False(t, r.End.IsZero())
	}
}

func TestManyOperationsAtOnce(t *testing.T) {
	t.Parallel()
	const count = 1000
	operations := make([]Operation, count)
	for i := range operations {
		operations[i] = Operation{Server: fmt.Sprintf("%04d", i), Token: fmt.Sprint("token-", i)}
	}
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	s, err := New(Options{Now: clock(now), Operations: operations})
	require.NoError(t, err)
	s.SetLatency(0, time.Millisecond)
	var wg sync.WaitGroup
	codes := make([]int, 2*count)
	for i := range codes {
		wg.Go(func() {
			o := operations[i%count]
			codes[i] = get(s, strings.Replace(finalDay, "0001", o.Server, 1), o.Token).Code
		})
		if i%100 == 0 {
			s.SetFaults(0)
			s.SetForm(operations[i%count].Token, Form{Numbers: true})
			s.SetClock(clock(now))
			require.NoError(t, s.Add(Operation{Server: "9999", Token: fmt.Sprint("added-", i)}))
			s.Ledger()
		}
	}
	wg.Wait()
	for _, code := range codes {
		require.Equal(t, http.StatusOK, code)
	}
}

func TestLatencyEndsWhenTheClientLeaves(t *testing.T) {
	t.Parallel()
	s := newTest(t, time.Now(), Operation{})
	s.SetLatency(time.Hour, 2*time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.ServeHTTP(httptest.NewRecorder(), newRequest(finalDay, token).WithContext(ctx))
	require.Zero(t, s.Ledger()[0].Status)
	require.False(t, s.Ledger()[0].End.IsZero())
	require.Panics(t, func() { s.SetLatency(2, 1) })
}

func TestServeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := newTest(t, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Operation{})
	for range 2 { // it can be served again
		s.ResetLedger()
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(ctx, listener) }()

		base := "http://" + listener.Addr().String()
		client := &http.Client{Transport: &http.Transport{}} // keeps a connection
		_, body, err := fetch(t.Context(), client, base+finalDay)
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(body, []byte("{")))

		s.Script(token, FaultHang)
		left := make(chan struct{})
		go func() {
			defer close(left)
			_, _, _ = fetch(t.Context(), client, base+finalDay)
		}()
		require.Eventually(t, func() bool { return len(s.Ledger()) == 2 && s.Ledger()[1].Fault == FaultHang }, time.Minute, time.Millisecond)
		cancel()
		select {
		case err := <-ended:
			require.NoError(t, err)
		case <-time.After(10 * time.Second):
			require.Fail(t, "Serve did not return")
		}
		<-left
	}
}
