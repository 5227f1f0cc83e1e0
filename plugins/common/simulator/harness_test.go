package simulator

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const token = "a-token"

// clock returns a clock that stands.
func clock(now time.Time) func() time.Time { return func() time.Time { return now } }

// newTest returns a simulator whose clock stands, with one operation; what the operation leaves out is filled in.
func newTest(t testing.TB, now time.Time, o Operation) *Simulator {
	t.Helper()
	if o.Server == "" {
		o.Server = "0001"
	}
	if o.Token == "" {
		o.Token = token
	}
	s, err := New(Options{Seed: 7, Now: clock(now), Operations: []Operation{o}})
	require.NoError(t, err)
	return s
}

func reportTarget(from, to string) string {
	return "/wv0001" + reportPath + "?" + url.Values{"api": {reportAPI}, "date_ini": {from}, "date_end": {to}}.Encode()
}

func newRequest(target, token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, http.NoBody)
	if token != "" {
		r.Header.Set("wolkvox-token", token)
	}
	return r
}

// ask answers a request without a network.
func ask(s *Simulator, target, token string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, newRequest(target, token))
	return w
}

// reading of a row in any form; blank where it holds a placeholder.
type reading struct {
	label string // digits, ten of them
	Figures
	blank bool
}

var notDigits = regexp.MustCompile(`\D`)

// read reads an answer in any form.
func read(t testing.TB, w *httptest.ResponseRecorder) []reading {
	t.Helper()
	var envelope struct {
		Data []map[string]any `json:"data"`
	}
	decoder := json.NewDecoder(w.Body)
	decoder.UseNumber()
	require.NoError(t, decoder.Decode(&envelope))
	if w.Code == http.StatusNotFound {
		require.Empty(t, envelope.Data)
		return nil
	}
	require.Equal(t, http.StatusOK, w.Code)

	text := func(value any) string {
		switch value := value.(type) {
		case nil:
			return ""
		case json.Number:
			return value.String()
		case string:
			return strings.Trim(value, " -")
		}
		require.Failf(t, "unexpected type", "%T", value)
		return ""
	}
	var rows []reading
	for _, fields := range envelope.Data {
		require.Len(t, fields, 3)
		label, found := fields["date"]
		if !found {
			label = fields["day"]
		}
		row := reading{label: notDigits.ReplaceAllString(text(label), "")[:10]}
		calls, minutes := text(fields["calls"]), text(fields["ivr_minutes"])
		if calls == "" {
			require.Empty(t, minutes)
			row.blank = true
			rows = append(rows, row)
			continue
		}
		var err error
		row.Calls, err = strconv.ParseInt(calls, 10, 64)
		require.NoError(t, err)
		if parts := strings.Split(minutes, ":"); len(parts) == 3 {
			for i, size := range []float64{60, 1, 1. / 60} {
				n, err := strconv.Atoi(parts[i])
				require.NoError(t, err)
				row.Minutes += float64(n) * size
			}
		} else {
			row.Minutes, err = strconv.ParseFloat(strings.Replace(minutes, ",", ".", 1), 64)
			require.NoError(t, err)
		}
		rows = append(rows, row)
	}
	return rows
}

func readReport(t testing.TB, s *Simulator, from, to string) []reading {
	t.Helper()
	return read(t, ask(s, reportTarget(from, to), token))
}

// total of readings; minutes in thousandths, so that totals can be compared.
func total(rows []reading) (calls, thousandths int64) {
	for _, r := range rows {
		calls += r.Calls
		thousandths += int64(r.Minutes*1000 + 0.5)
	}
	return calls, thousandths
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	location, err := time.LoadLocation(name)
	require.NoError(t, err)
	return location
}
