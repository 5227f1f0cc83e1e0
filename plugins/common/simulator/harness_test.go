package simulator

import (
	"encoding/json"
	"fmt"
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

// clock returns a clock that always shows now.
func clock(now time.Time) func() time.Time { return func() time.Time { return now } }

// newTest returns a simulator with a stopped clock and one operation. Empty fields of the operation get defaults.
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

// get serves a request without a network.
func get(s *Simulator, target, token string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, newRequest(target, token))
	return w
}

// reading is a row of any form. blank is set if the row has placeholders.
type reading struct {
	label string // ten digits, or two without a date
	Figures
	blank bool
}

var notDigits = regexp.MustCompile(`\D`)

// read parses a response of any form.
func read(t testing.TB, w *httptest.ResponseRecorder) []reading {
	t.Helper()
	var envelope struct {
		Data any `json:"data"`
	}
	decoder := json.NewDecoder(w.Body)
	decoder.UseNumber()
	require.NoError(t, decoder.Decode(&envelope))
	if w.Code == http.StatusNotFound {
		require.Nil(t, envelope.Data)
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
	for _, fields := range list(t, envelope.Data) {
		var parts strings.Builder
		for _, key := range []string{"date", "day", "hour"} {
			if part, found := fields[key]; found {
				fmt.Fprintf(&parts, "%02s", notDigits.ReplaceAllString(text(part), ""))
			}
		}
		label := parts.String()
		if label = label[:min(len(label), 10)]; fields["date"] == nil && fields["day"] == nil {
			label = label[:2]
		}
		row := reading{label: label}
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

// list returns the rows of data.
func list(t testing.TB, data any) (rows []map[string]any) {
	t.Helper()
	switch data := data.(type) {
	case []any:
		for _, row := range data {
			rows = append(rows, row.(map[string]any))
		}
	case map[string]any:
		if _, isRow := data["calls"]; isRow {
			return []map[string]any{data}
		}
		for i := range len(data) + 1 {
			if row, found := data[strconv.Itoa(i)]; found {
				rows = append(rows, row.(map[string]any))
			}
		}
		require.Len(t, rows, len(data))
	}
	return rows
}

func readReport(t testing.TB, s *Simulator, from, to string) []reading {
	t.Helper()
	return read(t, get(s, reportTarget(from, to), token))
}

// total sums readings. Minutes are in thousandths, so that totals can be compared exactly.
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
