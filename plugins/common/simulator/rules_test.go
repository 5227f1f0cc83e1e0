package simulator

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

//promise:simulator
func TestRules(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := newTest(t, now, Operation{})
	require.NoError(t, s.Add(Operation{Server: "0002", Token: "another"}))
	require.NoError(t, s.Add(Operation{Server: "0002", Token: "sharing", Form: Form{MixedCase: true}}))
	const good = "api=diagram_1_2&date_ini=20260119000000&date_end=20260119235959"
	for name, test := range map[string]struct {
		target, token string
		status        int
		text          string
	}{
		"good":            {"/wv0001" + reportPath + "?" + good, token, 200, ""},
		"good by host":    {"http://wv0001.wolkvox.com" + reportPath + "?" + good, token, 200, ""},
		"shared server":   {"/wv0002" + reportPath + "?" + good, "sharing", 200, ""},
		"no token":        {"/wv0001" + reportPath + "?" + good, "", 401, "PLEASE ENTER THE WOLKVOX-TOKEN"},
		"unknown token":   {"/wv0001" + reportPath + "?" + good, "x", 403, "PLEASE VALIDATE TOKEN"},
		"other's token":   {"/wv0001" + reportPath + "?" + good, "another", 403, "PLEASE VALIDATE TOKEN"},
		"unknown server":  {"/wv0003" + reportPath + "?" + good, token, 404, "Not Found"},
		"no server":       {reportPath + "?" + good, token, 404, "Not Found"},
		"unknown path":    {"/wv0001/api/v2/else.php?" + good, token, 404, "Not Found"},
		"unknown api":     {"/wv0001" + reportPath + "?api=diagram_9", token, 400, "THE API YOU WANT TO CONSULT DOES NOT EXIST"},
		"mixed case":      {"/wv0002" + reportPath + "?api=diagram_9", "sharing", 400, "The api you want to consult does not exist"},
		"api of other":    {"/wv0001" + infoPath + "?" + good, token, 400, "THE API YOU WANT TO CONSULT DOES NOT EXIST"},
		"no api":          {"/wv0001" + reportPath, token, 400, "SOME PARAMETERS ARE REQUIRED"},
		"no date_ini":     {"/wv0001" + reportPath + "?api=diagram_1_2&date_end=20260119235959", token, 400, "SOME PARAMETERS ARE REQUIRED"},
		"no date_end":     {reportTarget("20260119000000", ""), token, 400, "SOME PARAMETERS ARE REQUIRED"},
		"short date":      {reportTarget("20260119", "20260119235959"), token, 400, "DATES MUST HAVE THE FORMAT"},
		"not digits":      {reportTarget("20260119000000", "2026-01-19 23:5"), token, 400, "DATES MUST HAVE THE FORMAT"},
		"fractions":       {reportTarget("20260119000000", "20260119235959.5"), token, 400, "DATES MUST HAVE THE FORMAT"},
		"no such day":     {reportTarget("20260229000000", "20260301235959"), token, 400, "DATES MUST HAVE THE FORMAT"},
		"no such hour":    {reportTarget("20260228000000", "20260228240000"), token, 400, "DATES MUST HAVE THE FORMAT"},
		"backwards":       {reportTarget("20260119000001", "20260119000000"), token, 400, "DATE_INI MUST NOT BE LATER"},
		"a second":        {reportTarget("20260119000000", "20260119000000"), token, 404, "Validate dates entered"},
		"31 days":         {reportTarget("20260101000000", "20260131235959"), token, 200, ""},
		"32 days":         {reportTarget("20260101235959", "20260201000000"), token, 400, "SPAN MORE THAN 31 DAYS"},
		"31 days, no row": {reportTarget("20270101000000", "20270131235959"), token, 404, "Validate dates entered"},
	} {
		// Not in parallel, because more than two simultaneous requests are refused.
		w := get(s, test.target, test.token)
		require.Equal(t, test.status, w.Code, name)
		require.Contains(t, w.Body.String(), test.text, name)
		if test.text != "Not Found" {
			require.Equal(t, "application/json; charset=utf-8", w.Header().Get("Content-Type"), name)
			require.True(t, json.Valid(w.Body.Bytes()), name)
		}
	}

	w := httptest.NewRecorder()
	r := newRequest("/wv0001"+reportPath+"?"+good, token)
	r.Method = http.MethodPost
	s.ServeHTTP(w, r)
	require.Equal(t, http.StatusMethodNotAllowed, w.Code)
	require.Equal(t, http.MethodGet, w.Header().Get("Allow"))
}

// The limit is in calendar days, including those on which the clock is set forward or back.
//
//promise:simulator
func TestLongestWindow(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"America/Bogota", "America/New_York", "Australia/Lord_Howe"} {
		s := newTest(t, time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), Operation{Timezone: name, PeakCalls: 1, Form: Form{EmptyHours: "zeros"}})
		for day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() == 2026; day = day.AddDate(0, 0, 15) {
			from := day.Format(requestLayout)
			w := get(s, reportTarget(from, day.AddDate(0, 0, 31).Add(-time.Second).Format(requestLayout)), token)
			require.Equal(t, http.StatusOK, w.Code, from)
			require.InDelta(t, 744, strings.Count(w.Body.String(), `"date"`), 1)
			w = get(s, reportTarget(from, day.AddDate(0, 0, 31).Format(requestLayout)), token)
			require.Equal(t, http.StatusBadRequest, w.Code, from)
		}
	}
}

// hold starts count requests that hang, and returns once they do. end ends them.
func hold(t *testing.T, s *Simulator, token string, count int) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range count {
		s.Script(token, FaultHang)
		r := newRequest(reportTarget("20260119000000", "20260119235959"), token).WithContext(ctx)
		wg.Go(func() { s.ServeHTTP(httptest.NewRecorder(), r) })
	}
	require.Eventually(t, func() bool {
		hanging := 0
		for _, r := range s.Ledger() {
			if r.Fault == FaultHang && r.End.IsZero() {
				hanging++
			}
		}
		return hanging == count
	}, time.Minute, time.Millisecond)
	return func() {
		cancel()
		wg.Wait()
	}
}

//promise:simulator
func TestAtMostTwoRequestsAtATime(t *testing.T) {
	t.Parallel()
	s := newTest(t, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Operation{})
	require.NoError(t, s.Add(Operation{Server: "0001", Token: "another"}))
	target := reportTarget("20260119000000", "20260119235959")

	end := hold(t, s, token, 1)
	require.Equal(t, http.StatusOK, get(s, target, token).Code)
	end()
	s.ResetLedger()
	end = hold(t, s, token, 2)
	w := get(s, target, token)
	require.Equal(t, http.StatusForbidden, w.Code)
	require.Contains(t, w.Body.String(), "EXCEEDS THE LIMIT OF SIMULTANEOUS REQUESTS PER TOKEN (2)")
	require.Equal(t, http.StatusOK, get(s, target, "another").Code)
	end()
	require.Equal(t, http.StatusOK, get(s, target, token).Code)

	requests := s.Ledger()
	require.Len(t, requests, 5)
	for i, inFlight := range []int{0, 0, 3, 1, 1} {
		if inFlight > 0 { // the first two arrived in either order
			require.Equal(t, inFlight, requests[i].InFlight)
		}
	}
}

func tokenInfo(t *testing.T, s *Simulator, token string) map[string]string {
	t.Helper()
	w := get(s, "/wv0001"+infoPath+"?api=token_info", token)
	require.Equal(t, http.StatusOK, w.Code)
	var envelope struct {
		Data []map[string]string `json:"data"`
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &envelope))
	require.Len(t, envelope.Data, 1)
	return envelope.Data[0]
}

//promise:simulator
func TestQuotaIsPerLocalDay(t *testing.T) {
	t.Parallel()
	midnight := time.Date(2026, 3, 2, 0, 0, 0, 0, zone(t, "Asia/Kolkata"))
	s := newTest(t, midnight.Add(-time.Second), Operation{Timezone: "Asia/Kolkata", Licences: 2})
	target := reportTarget("20260119100000", "20260119105959")
	for i := range 999 {
		require.Equal(t, http.StatusOK, get(s, target, token).Code, i)
		require.Equal(t, http.StatusBadRequest, get(s, "/wv0001"+reportPath+"?api=x", token).Code, i) // counts as well
	}
	require.Equal(t, http.StatusForbidden, get(s, target, "unknown").Code) // does not count
	s.SetToken(token, "new")
	require.Equal(t, map[string]string{
		"token_limit": "2000", "token_use_today": "1", "all_token_today": "1999", "available_consumption_options": "1",
	}, tokenInfo(t, s, "new"))
	require.Equal(t, http.StatusOK, get(s, target, "new").Code)
	for range 3 {
		w := get(s, target, "new")
		require.Equal(t, http.StatusForbidden, w.Code)
		require.Contains(t, w.Body.String(), "TOKEN LIMIT EXCEEDED")
	}
	s.SetClock(clock(midnight))
	require.Equal(t, http.StatusOK, get(s, target, "new").Code)
	require.Equal(t, map[string]string{
		"token_limit": "2000", "token_use_today": "2", "all_token_today": "2", "available_consumption_options": "1998",
	}, tokenInfo(t, s, "new"))
}

//promise:simulator
func TestNewTokenKeepsTheCalls(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 19, 15, 0, 0, 0, time.UTC)
	s := newTest(t, at.AddDate(0, 1, 0), Operation{})
	truth := s.Truth(token, at)
	s.SetToken(token, "new")
	require.Equal(t, truth, s.Truth("new", at))
	w := get(s, reportTarget("20260119100000", "20260119105959"), token)
	require.Equal(t, http.StatusForbidden, w.Code)
	require.Contains(t, w.Body.String(), "PLEASE VALIDATE TOKEN")
	require.Panics(t, func() { s.Truth(token, at) })
	require.Panics(t, func() { s.SetToken("new", "") })
	require.Panics(t, func() { s.SetToken("new", "new") })
}

func TestInvalidOperationsAreRejected(t *testing.T) {
	t.Parallel()
	for text, o := range map[string]Operation{
		"must be digits": {Server: "wv0001", Token: token},
		"token must not": {Server: "0001"},
		"or contain":     {Server: "0001", Token: "a b"},
		"time zone":      {Server: "0001", Token: token, Timezone: "Mars/Olympus"},
		"licences":       {Server: "0001", Token: token, Licences: -1},
		"peak calls":     {Server: "0001", Token: token, PeakCalls: -1},
		"repeated hour":  {Server: "0001", Token: token, RepeatedHour: "thrice"},
		"form: ":         {Server: "0001", Token: token, Form: Form{Key: "hours"}},
	} {
		_, err := New(Options{Operations: []Operation{o}})
		require.ErrorContains(t, err, text)
	}
	s := newTest(t, time.Time{}, Operation{})
	require.ErrorContains(t, s.Add(Operation{Server: "0002", Token: token}), "same token")
}
