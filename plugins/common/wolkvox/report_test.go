package wolkvox

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/plugins/common/hours"
)

const testToken = "invented-token-1"

// newYear is the first four hours of 2026.
var newYear = hours.Window{From: hours.HourOf(2026, 1, 1, 0), To: hours.HourOf(2026, 1, 1, 4)}

func inUTC() *Client {
	return &Client{Calendar: hours.Calendar{Location: time.UTC}}
}

func inZone(t testing.TB, zone string) *Client {
	t.Helper()
	location, err := time.LoadLocation(zone)
	require.NoError(t, err)
	return &Client{Calendar: hours.Calendar{Location: location}}
}

// respond returns a response with this body. Headers are pairs of name and value.
func respond(status int, body string, headers ...string) *Response {
	HideToken(testToken)
	header := make(http.Header, len(headers)/2)
	for pair := range slices.Chunk(headers, 2) {
		header.Set(pair[0], pair[1])
	}
	return &Response{HTTP: &http.Response{StatusCode: status, Header: header}, Body: []byte(body)}
}

// parseRows parses a response with these rows for newYear.
func parseRows(rows string) (*Report, error) {
	return inUTC().Parse(respond(200, `{"data": [`+rows+`]}`), newYear)
}

//promise:forms
func TestParse(t *testing.T) {
	t.Parallel()
	at := func(hour int) hours.Hour { return newYear.From + hours.Hour(hour) }
	const one, other = `{"date": "2026010100", "calls": "1", "ivr_minutes": "2.5"}`, `{"date": "2026010101", "calls": 3, "ivr_minutes": 4}`
	first, second := Row{Hour: at(0), Figures: hours.Figures{Calls: 1, Minutes: 2.5}}, Row{Hour: at(1), Figures: hours.Figures{Calls: 3, Minutes: 4}}
	cases := []struct {
		name, rows string
		expected   Report // without Window and Form
	}{
		{"sorted", other + "," + one, Report{Listed: 2, Rows: []Row{first, second}}},
		{"numbers", `{"date": 2026010100, "calls": 1, "ivr_minutes": 2.5}`, Report{Listed: 1, Rows: []Row{first}}},
		{"blanks around", `{"date": " 2026-01-01-00 ", "calls": " 1 ", "ivr_minutes": "\t2.5"}`, Report{Listed: 1, Rows: []Row{first}}},
		{"escapes", `{"date": "\u0032026\/01\/01 00:00:00", "calls": "\u0031", "ivr_minutes": "2\u002e5"}`, Report{Listed: 1, Rows: []Row{first}}},
		{"decimals", `{"date": "2026010100", "calls": 1.0, "ivr_minutes": "2.50"}, {"date": "2026010101", "calls": "3,00", "ivr_minutes": "4.0"}`,
			Report{Listed: 2, Rows: []Row{first, second}}},
		{"comma", `{"date": "2026010100", "calls": "1", "ivr_minutes": "2,5"}`, Report{Listed: 1, Rows: []Row{first}}},
		{"duration", `{"date": "2026010100", "calls": "1", "ivr_minutes": "00:02:30"}`, Report{Listed: 1, Rows: []Row{first}}},
		{"three digits after the point", `{"date": "2026010100", "calls": "1", "ivr_minutes": "2.887"}`,
			Report{Listed: 1, Rows: []Row{{Hour: at(0), Figures: hours.Figures{Calls: 1, Minutes: 2.887}}}}},
		{"other columns", `{"agent": "", "date": "2026010100", "id": 7, "calls": "1", "list": [1, {"calls": 2}], "ivr_minutes": "2.5"}`,
			Report{Listed: 1, Rows: []Row{first}}},
		{"day", `{"day": "2026-01-01-00", "calls": "1", "ivr_minutes": "2.5"}, {"day": "2026010101", "calls": 3, "ivr_minutes": 4}`,
			Report{Listed: 2, Rows: []Row{first, second}}},
		{"day beside a placeholder", `{"date": "", "day": "2026010100", "calls": 1, "ivr_minutes": 2.5},
			{"date": null, "day": "2026010101", "calls": 3, "ivr_minutes": 4}, {"date": " ", "day": "2026010102", "calls": 1, "ivr_minutes": 2.5},
			{"date": "-", "day": "2026010103", "calls": 3, "ivr_minutes": 4}`, Report{Listed: 4, Rows: []Row{first, second,
			{Hour: at(2), Figures: first.Figures}, {Hour: at(3), Figures: second.Figures}}}},
		{"day beside a date", `{"date": "2026010100", "day": "18", "calls": 1, "ivr_minutes": 2.5}`, Report{Listed: 1, Rows: []Row{first}}},
		{"placeholders", `{"date": "", "calls": "", "ivr_minutes": " "}, {"day": "-", "calls": null, "ivr_minutes": "0"}`,
			Report{Listed: 2, Rows: make([]Row, 0)}},
		{"placeholder of zeros", `{"date": null, "calls": 0, "ivr_minutes": "0"}`, Report{Listed: 1, Rows: make([]Row, 0)}},
		{"zeros", `{"date": "2026010100", "calls": "0", "ivr_minutes": "-"}`, Report{Listed: 1, Rows: []Row{{Hour: at(0)}}}},
		{"no minutes", `{"date": "2026010100", "calls": "5", "ivr_minutes": null}`,
			Report{Listed: 1, Rows: []Row{{Hour: at(0), Figures: hours.Figures{Calls: 5}, NoMinutes: true}}}},
		{"hour of the day", `{"hour": "3", "calls": 1, "ivr_minutes": 2.5}, {"hour": 0, "calls": 3, "ivr_minutes": 4},
			{"hour": "01:00", "calls": 5, "ivr_minutes": 6}, {"date": null, "hour": "02:00:00", "calls": 7, "ivr_minutes": 8},
			{"hour": "23", "calls": 9, "ivr_minutes": 9}, {"hour": "24", "calls": 9, "ivr_minutes": 9}`, Report{Listed: 6, Strays: 1,
			Rows: []Row{{Hour: at(0), Figures: hours.Figures{Calls: 3, Minutes: 4}}, {Hour: at(1), Figures: hours.Figures{Calls: 5, Minutes: 6}},
				{Hour: at(2), Figures: hours.Figures{Calls: 7, Minutes: 8}}, {Hour: at(3), Figures: first.Figures}},
			Unreadable: 1, Undated: true, Problems: []Problem{{6, `field "hour" is "24", expected an hour of the day such as 08 or 08:00`}}}},
		{"date and hour", `{"date": "2026-01-01", "hour": "1", "calls": 3, "ivr_minutes": 4},
			{"day": 20260101, "hour": "00:00", "calls": 1, "ivr_minutes": 2.5},
			{"date": "2026-01-02", "hour": "00", "calls": 9, "ivr_minutes": 9}`, Report{Listed: 3, Strays: 1, Rows: []Row{first, second}}},
		{"date with an hour, and hour", `{"date": "2026010100", "hour": "00", "calls": 1, "ivr_minutes": 2.5}, {"date": "2026010101", "hour": "x",
			"calls": 3, "ivr_minutes": 4}, {"date": "2026-01-01 00:00:00", "hour": "08", "calls": 9, "ivr_minutes": 9}`, Report{Listed: 3,
			Rows: []Row{first, second}, Unreadable: 1, Undated: true, Problems: []Problem{
				{3, `field "date" is "2026-01-01 00:00:00", expected an hour that agrees with "08" in field "hour"`}}}},
		{"placeholder of an hour", one + `, {"date": "", "hour": "-", "calls": "", "ivr_minutes": ""}`, Report{Listed: 2, Rows: []Row{first}}},
		{"strays", one + `, {"date": "2026010104", "calls": "x"}, {"date": "2025123123", "calls": 1, "ivr_minutes": 1}`,
			Report{Listed: 3, Rows: []Row{first}, Strays: 2}},
		{"strays and unreadable", `{"date": "2026010100", "calls": "x"}, {"date": "2025123123", "calls": 1, "ivr_minutes": 1}`,
			Report{Listed: 2, Rows: make([]Row, 0), Strays: 1, Unreadable: 1, UnreadableHours: []hours.Hour{at(0)},
				Problems: []Problem{{1, `field "calls" is "x", expected a whole number of calls`}}}},
		{"keys in other cases", `{"Date": "2026010101", "date": "2026010100", "calls": "1", "CALLS": "9", "ivr_minutes": "2.5", "Ivr_Minutes": 1}`,
			Report{Listed: 1, Rows: []Row{first}}},
		{"keys twice", `{"calls": "x", "date": "?", "date": "2026010100", "calls": "1", "ivr_minutes": [], "ivr_minutes": "2.5"}`,
			Report{Listed: 1, Rows: []Row{first}}},
		{"alike", one + "," + one, Report{Listed: 2, Rows: []Row{first}}},
		{"alike but for order, escapes and types", one + `, {"ivr_minutes": 2.50, "calls":1, "date": "2026\u003010100"}`,
			Report{Listed: 2, Rows: []Row{first}}},
		{"other figures", one + `, {"date": "2026010100", "calls": "1", "ivr_minutes": "3"}, ` + other, Report{Listed: 3, Rows: []Row{second},
			Unreadable: 1, UnreadableHours: []hours.Hour{at(0)},
			Problems: []Problem{{2, "hour 2026-01-01 00:00 is listed more than once with different columns"}}}},
		{"another column", other + `, {"date": "2026010101", "calls": 3, "ivr_minutes": 4, "skill": "sales"}, ` + one + "," + other,
			Report{Listed: 4, Rows: []Row{first}, Unreadable: 2, UnreadableHours: []hours.Hour{at(1)}, Problems: []Problem{
				{2, "hour 2026-01-01 01:00 is listed more than once with different columns"},
				{4, "hour 2026-01-01 01:00 is listed more than once with different columns"}}}},
		{"another half hour", other + `, {"date": "2026-01-01 00:00:00", "calls": 1, "ivr_minutes": 1},
			{"date": "2026-01-01 00:30:00", "calls": 1, "ivr_minutes": 1}`,
			Report{Listed: 3, Rows: []Row{second}, Unreadable: 1, UnreadableHours: []hours.Hour{at(0)},
				Problems: []Problem{{3, "hour 2026-01-01 00:00 is listed more than once with different columns"}}}},
		{"zero and placeholder", `{"date": "2026010100", "calls": 1, "ivr_minutes": 0}, {"date": "2026010100", "calls": 1, "ivr_minutes": "-"}, ` + other,
			Report{Listed: 3, Rows: []Row{second}, Unreadable: 1, UnreadableHours: []hours.Hour{at(0)},
				Problems: []Problem{{2, "hour 2026-01-01 00:00 is listed more than once with different columns"}}}},
		{"unreadable beside readable", `{"date": "2026010100", "calls": "x"}, ` + one + "," + other, Report{Listed: 3, Rows: []Row{second},
			Unreadable: 1, UnreadableHours: []hours.Hour{at(0)}, Problems: []Problem{{1, `field "calls" is "x", expected a whole number of calls`}}}},
		{"undated", one + `, 7`, Report{Listed: 2, Rows: []Row{first}, Unreadable: 1, Undated: true, Problems: []Problem{{2, "it is not an object"}}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			report, err := parseRows(c.rows)
			require.NoError(t, err)
			report.Form, c.expected.Window = Form{}, newYear
			require.Equal(t, &c.expected, report)
		})
	}
}

//promise:unreadable
func TestNoUsableRow(t *testing.T) {
	t.Parallel()
	for rows, expected := range map[string]string{
		`{"date": "soon", "calls": 1, "ivr_minutes": 2}, 7`: `the response is not a report (none of its 2 row(s) can be read, for example row 1: ` +
			`field "date" is "soon", expected an hour such as 2026-01-18-19): ` + FailedResponse.Advice,
		`{"date": "2026010100", "calls": 1, "ivr_minutes": 2, "skill": "a"}, {"date": "2026010100", "calls": 1, "ivr_minutes": 2}`: "none of its " +
			"2 row(s) can be read, for example row 2: hour 2026-01-01 00:00 is listed more than once with different columns",
		`{"date": "2025123123", "calls": 1, "ivr_minutes": 2}`: "all of its 1 row(s) are for hours that were not requested, such as 2025-12-31 23:00",
	} {
		report, err := parseRows(rows)
		require.Nil(t, report)
		require.ErrorContains(t, err, expected)
	}
	for _, others := range []string{"", `, {"date": "2026010100", "calls": 1, "ivr_minutes": 2}`} {
		report, err := parseRows(`{"date": "", "calls": "", "ivr_minutes": ""}, 7` + others)
		require.NoError(t, err)
		require.True(t, report.Undated)
	}
}

//promise:unreadable
//promise:injection
func TestUnreadableRow(t *testing.T) {
	t.Parallel()
	const (
		hour    = "expected an hour such as 2026-01-18-19"
		calls   = "expected a whole number of calls"
		minutes = "expected a number of minutes or HH:MM:SS"
	)
	cases := []struct{ row, expected string }{
		{`{"calls": 1, "ivr_minutes": 2}`, `field "date" is missing`},
		{`{"date": null, "calls": 1, "ivr_minutes": 2}`, `field "date" is "", ` + hour},
		{`{"date": "", "calls": "x", "ivr_minutes": 2}`, `field "date" is "", ` + hour},
		{`{"date": "", "calls": 1, "ivr_minutes": 0}`, `field "date" is "", ` + hour},
		{`{"date": "", "calls": 0, "ivr_minutes": 2}`, `field "date" is "", ` + hour},
		{`{"calls": 0, "ivr_minutes": 0}`, `field "date" is missing`},
		{`{"date": 20260101, "calls": 1, "ivr_minutes": 2}`, `field "date" is "20260101", ` + hour},
		{`{"date": {"hour": 1}, "calls": 1, "ivr_minutes": 2}`, `field "date" is an object, ` + hour},
		{`{"day": "01", "calls": 1, "ivr_minutes": 2}`, `field "day" is "01", ` + hour},
		{`{"date": "-", "day": "01", "calls": 1, "ivr_minutes": 2}`, `field "day" is "01", ` + hour},
		{`{"day": "01", "hour": "02", "calls": 1, "ivr_minutes": 2}`, `field "day" is "01", ` + hour},
		{`{"date": "20260101", "hour": "noon", "calls": 1, "ivr_minutes": 2}`, `field "date" is "20260101", ` + hour},
		{`{"date": {"hour": 1}, "hour": "02", "calls": 1, "ivr_minutes": 2}`, `field "date" is an object, ` + hour},
		{`{"hour": true, "calls": 1, "ivr_minutes": 2}`, `field "date" is missing`},
		{`{"date": "2026010100", "Calls": 1, "ivr_minutes": 2}`, `field "calls" is missing`},
		{`{"date": "2026010100", "calls": true, "ivr_minutes": 2}`, `field "calls" is a boolean, ` + calls},
		{`{"date": "2026010100", "calls": [1], "ivr_minutes": 2}`, `field "calls" is a list, ` + calls},
		{`{"date": "2026010100", "calls": {}, "ivr_minutes": 2}`, `field "calls" is an object, ` + calls},
		{`{"date": "2026010100", "calls": -1, "ivr_minutes": 2}`, `field "calls" is "-1", ` + calls},
		{`{"date": "2026010100", "calls": 1.5e0, "ivr_minutes": 2}`, `field "calls" is "1.5e0", ` + calls},
		{`{"date": "2026010100", "calls": "a\u0000\nb", "ivr_minutes": 2}`, `field "calls" is "a\x00\nb", ` + calls},
		{`{"date": "2026010100", "calls": "x` + strings.Repeat("é", 30) + `", "ivr_minutes": 2}`,
			`field "calls" is "x` + strings.Repeat("é", 19) + `"…, ` + calls},
		{`{"date": "2026010100", "calls": "` + strings.Repeat("x", 35) + testToken + `", "ivr_minutes": 2}`,
			`field "calls" is "` + strings.Repeat("x", 35) + `<toke"…, ` + calls},
		{`{"date": "2026010100", "calls": "\u0069nvented-token-1", "ivr_minutes": 2}`, `field "calls" is "<token>", ` + calls},
		{`{"date": "2026010100", "calls": 1}`, `field "ivr_minutes" is missing`},
		{`{"date": "2026010100", "calls": 1, "ivr_minutes": "1e309"}`, `field "ivr_minutes" is "1e309", ` + minutes},
		{`null`, "it is not an object"},
		{`{}`, `field "date" is missing`},
		{`[]`, `it is not an object`},
		{`"2026010100"`, `it is not an object`},
	}
	for _, c := range cases {
		report, err := parseRows(`{"date": "2026010101", "calls": 3, "ivr_minutes": 4}, ` + c.row + `, {"date": "2026010103", "calls": 5, "ivr_minutes": 6}`)
		require.NoError(t, err, c.row)
		require.Len(t, report.Rows, 2, c.row)
		require.Equal(t, 1, report.Unreadable, c.row)
		require.Equal(t, "row 2 can't be read: "+c.expected, report.Problems[0].String())
	}
}

//promise:hostile
func TestUnreadableRowsAreBounded(t *testing.T) {
	t.Parallel()
	report, err := parseRows(strings.Repeat(`"x",`, 10000) + `{"date": "2026010101", "calls": 3, "ivr_minutes": 4}`)
	require.NoError(t, err)
	require.Equal(t, 10000, report.Unreadable)
	require.Len(t, report.Problems, maxProblems)
	require.True(t, report.Undated)
}

// Comparing many rows of one hour takes little memory.
//
//promise:hostile
func TestManyLongRowsOfOneHour(t *testing.T) {
	t.Parallel()
	row := `{"date": "2026010101", "calls": 3, "ivr_minutes": 4, "x": [` + strings.Repeat("0, ", 500_000) + `0]}`
	short := `{"calls": 3, "date": "2026010101", "ivr_minutes": 4},`
	require.Less(t, peak(func() {
		report, err := parseRows(strings.Repeat(short, maxRows-2) + row + `, {"date": "2026010100", "calls": 3, "ivr_minutes": 4}`)
		require.NoError(t, err)
		require.Len(t, report.Rows, 1)
	}), uint64(maxHeap))
}

//promise:dst
func TestClockChanges(t *testing.T) {
	t.Parallel()
	day := func(year, month, day int) hours.Window {
		from := hours.HourOf(year, month, day, 0)
		return hours.Window{From: from, To: from + hours.Day}
	}
	row := func(hour, calls int) string {
		return fmt.Sprintf(`{"date": "2026-10-25-%02d", "calls": %d, "ivr_minutes": 1}`, hour, calls)
	}
	madrid := inZone(t, "Europe/Madrid")
	for _, c := range []struct {
		rows       []string
		calls      []int64
		unreadable int
	}{
		{[]string{row(2, 1)}, []int64{1}, 0},
		{[]string{row(2, 1), row(3, 5), row(2, 2)}, []int64{1, 2, 5}, 0},
		{[]string{row(2, 1), row(2, 1)}, []int64{1, 1}, 0},
		{[]string{row(2, 1), row(2, 2), row(2, 2)}, []int64{1, 2}, 0},
		{[]string{row(3, 5), row(2, 1), row(2, 2), row(2, 1)}, []int64{5}, 1},
		{[]string{row(3, 5), row(1, 1), row(1, 2)}, []int64{5}, 1},
	} {
		report, err := madrid.Parse(respond(200, `{"data": [`+strings.Join(c.rows, ",")+`]}`), day(2026, 10, 25))
		require.NoError(t, err)
		calls := make([]int64, 0, len(report.Rows))
		for _, row := range report.Rows {
			calls = append(calls, row.Calls)
		}
		require.Equal(t, c.calls, calls, c.rows)
		require.Equal(t, c.unreadable, report.Unreadable, c.rows)
		require.Len(t, report.UnreadableHours, c.unreadable)
	}

	report, err := madrid.Parse(respond(200, `{"data": [{"date": "2026032901", "calls": 1, "ivr_minutes": 1},
		{"date": "2026032902", "calls": 0, "ivr_minutes": ""}]}`), day(2026, 3, 29))
	require.NoError(t, err)
	require.Len(t, report.Rows, 1)
	require.Zero(t, report.Unreadable)

	report, err = madrid.Parse(respond(200, `{"data": [{"date": "2026032901", "calls": 1, "ivr_minutes": 1},
		{"date": "2026032902", "calls": 7, "ivr_minutes": 1}]}`), day(2026, 3, 29))
	require.NoError(t, err)
	require.Len(t, report.Rows, 1)
	require.Equal(t, []Problem{{2, "hour 2026-03-29 02:00 does not exist in Europe/Madrid: clocks were set forward"}}, report.Problems)
	require.Empty(t, report.UnreadableHours, "the hour doesn't exist")
}

// An hour without a date belongs to the requested day, whichever hours of that day are requested.
//
//promise:forms
func TestHourWithoutDate(t *testing.T) {
	t.Parallel()
	c, from := inUTC(), newYear.From
	r := respond(200, `{"data": [{"hour": "8", "calls": 1, "ivr_minutes": 2}, {"hour": "23", "calls": 3, "ivr_minutes": 4}]}`)
	for _, w := range []hours.Window{{From: from, To: from + 24}, {From: from + 8, To: from + 24}, {From: from + 6, To: from + 23}} {
		report, err := c.Parse(r, w)
		require.NoError(t, err)
		require.Equal(t, "2026-01-01 08:00", report.Rows[0].Hour.String())
		require.Len(t, report.Rows, 2-report.Strays)
		require.Equal(t, "hour in hour as H, figures as numbers", report.Form.String())
	}
	for _, w := range []hours.Window{{From: from, To: from + 25}, {From: from - 1, To: from + 1}, {From: from, To: from + 48}} {
		_, err := c.Parse(r, w)
		requireClass(t, FailedResponse, err)
		require.ErrorContains(t, err, "its rows have an hour without a date")
	}
	r = respond(200, `{"data": [{"date": "2026-01-02", "hour": "08:00", "calls": 1, "ivr_minutes": 2}]}`)
	report, err := c.Parse(r, hours.Window{From: from, To: from + 48})
	require.NoError(t, err)
	require.Equal(t, "2026-01-02 08:00", report.Rows[0].Hour.String())
	require.Equal(t, "hour in date and hour as YYYY-MM-DD HH:MM, figures as numbers", report.Form.String())

	r = respond(200, `{"data": [{"hour": "8", "calls": 1, "ivr_minutes": 2}]}`)
	require.False(t, r.HasRows(), "a request for a single day may have some")
	require.True(t, respond(200, `{"data": [{"hour": "8", "date": "x", "calls": 1, "ivr_minutes": 2}]}`).HasRows())
	require.True(t, respond(200, `{"data": {"3": 7, "date": "x", "calls": 1, "ivr_minutes": 2}}`).HasRows())
	require.False(t, respond(200, `{"data": {"3": 7}}`).HasRows())
	require.False(t, respond(200, `{"data": {"date": "2026010100", "ivr_minutes": 2}}`).HasRows(), "no calls")
	require.False(t, respond(200, `{"data": {"date": "2026010100", "calls": 1}}`).HasRows(), "no minutes")
}

// A comma before three digits is decimal if something in the response proves it and nothing speaks against it.
//
//promise:forms
//promise:unreadable
func TestDecimalComma(t *testing.T) {
	t.Parallel()
	at := func(hour, calls int, minutes string) string {
		return fmt.Sprintf(`{"date": "20260101%02d", "calls": %d, "ivr_minutes": %q}`, hour, calls, minutes)
	}
	ambiguous := at(0, 400, "305,117")                                               // 0.8 minutes a call, or 763
	const thousands = `{"date": "2026010100", "calls": 100, "ivr_minutes": "3,051"}` // 0.03 minutes a call, or 30.5
	for _, c := range []struct {
		name, rows string
		readable   int // rows
		later      int // readable rows when a later response has only `thousands`
	}{
		{"two digits", thousands + "," + at(1, 7, "2,88"), 2, 1},
		{"four digits", thousands + "," + at(1, 7, "2,8875"), 2, 1},
		{"no whole", thousands + "," + at(1, 7, "0,887"), 2, 1},
		{"four digits before it", thousands + "," + at(1, 7, "1234,567"), 2, 1},
		{"absurd thousands", ambiguous, 1, 1},
		{"absurd in the mean", ambiguous + "," + at(1, 400, "1,117") + "," + at(2, 0, "-"), 3, 1},
		{"nothing else", thousands + "," + at(1, 7, "3"), 1, 0},
		{"absurd decimals", at(0, 141, "1,234") + "," + at(1, 98, "201,5"), 1, 0},
		{"no calls", at(0, 0, "305,117") + "," + at(1, 7, "3"), 1, 0},
		{"point beside", ambiguous + "," + at(1, 7, "2.5"), 1, 0},
		{"point and proof beside", ambiguous + "," + at(1, 7, "2.5") + "," + at(2, 7, "2,5"), 2, 0},
		{"thousands and a point beside", ambiguous + "," + at(1, 7, "1,234.5") + "," + at(2, 7, "2,5"), 1, 0},
		{"the other way round", ambiguous + "," + at(1, 7, "1.234,5") + "," + at(2, 7, "2,5"), 1, 0},
		{"millions beside", ambiguous + "," + at(1, 7, "1,234,567") + "," + at(2, 7, "2,5"), 1, 0},
		{"thousands of calls beside", ambiguous + `, {"date": "2026010101", "calls": "1,234", "ivr_minutes": 5}, ` + at(2, 7, "2,5"), 1, 0},
		{"comma behind a point beside", ambiguous + "," + at(1, 7, "1.2,3") + "," + at(2, 7, "2,5"), 1, 0},
		{"point behind a comma beside", ambiguous + "," + at(1, 7, "1,2.345") + "," + at(2, 7, "2,5"), 1, 0},
		{"duration beside", ambiguous + "," + at(1, 7, "02:02:47"), 2, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := inUTC()
			parse := func(rows string) int {
				report, err := client.Parse(respond(200, `{"data": [`+rows+`, `+at(3, 1, "7")+`]}`), newYear)
				require.NoError(t, err)
				for _, row := range report.Rows {
					require.Less(t, row.Minutes, 2000.0)
				}
				require.Equal(t, report.Listed, len(report.Rows)+report.Unreadable)
				return len(report.Rows) - 1
			}
			require.Equal(t, c.readable, parse(c.rows))
			require.Equal(t, c.later, parse(thousands))
			require.Equal(t, 1, parse(thousands+","+at(1, 7, "2.5")), "a decimal point refutes the comma")
			require.Zero(t, parse(thousands), "and is remembered")
		})
	}
}

//promise:check
func TestForm(t *testing.T) {
	t.Parallel()
	report, err := parseRows(`{"day": "2026/01/01 00:30", "calls": 1, "ivr_minutes": "-"}, {"day": "2026010101", "calls": "1", "ivr_minutes": "2,5"}`)
	require.NoError(t, err)
	require.Equal(t, "hour in day as YYYY/MM/DD HH:MM, calls as numbers, minutes as strings, minutes with a decimal comma", report.Form.String())
	other, err := parseRows(`{"date": "2026010100", "hour": "00", "calls": "1", "ivr_minutes": ""}`)
	require.NoError(t, err)
	require.Equal(t, "hour in date as YYYYMMDDHH, calls as strings, minutes as , minutes with a decimal comma",
		other.Form.Or(Form{key: "day", notation: report.Form.notation}).String())
}

//promise:forms
//promise:unreadable
func TestParseHour(t *testing.T) {
	t.Parallel()
	good := []string{
		"2026011819", "2026-01-18-19", "2026-01-18 19:34:31", "2026-01-18T19:34:31", "2026/01/18 19:34:31", "2026/01/18/19", "2026-01-18 19",
		"2026-01-18 19:34", "20260118193431", "202601181934", "20260118 19", "20260118T19", "20260118T193431", "2026-01-18 19:59:59",
		"2026:01:18:19", "2026 01 18 19", "2026-01-18-19-34-31",
	}
	for _, date := range good {
		hour, ok := parseHour(date)
		require.True(t, ok, date)
		require.Equal(t, hours.HourOf(2026, 1, 18, 19), hour, date)
	}
	for date, expected := range map[string]string{
		"0001010100": "0001-01-01 00:00", "9999123123": "9999-12-31 23:00", "2024022900": "2024-02-29 00:00", "2000-02-29-23": "2000-02-29 23:00",
	} {
		hour, ok := parseHour(date)
		require.True(t, ok, date)
		require.Equal(t, expected, hour.String())
	}
	bad := []string{
		"", "-", " ", "today", "19", "2026", "202601", "20260118", "2026-01-18", "2026-01-18-", "2026-01-18-1", "2026-01-18--9", "20-6011819",
		"2026-1-18-19", "2026-01-18-19-",
		"2026--01-18-19", "2026-01-18  19", "2026-13-18-19", "2026-00-18-19", "2026-01-00-19", "2026-01-32-19", "2026-02-29-19", "1900-02-29-19",
		"2026-01-18-24", "2026-01-18 19:60", "2026-01-18 19:34:60", "0000-01-18-19", "2026-01-18T19:34:31Z", "2026-01-18T19:34:31-05:00",
		"2026-01-18 19:34:31.5", "2026-01-18 07 PM", "18-01-2026-19", "2026.01.18.19", "-2026011819", "+2026011819", "2026_01_18_19", "202601181", "２０２６011819",
		"2026-01-18-19-34-31-00", "20260118193431000",
	}
	for _, date := range bad {
		_, ok := parseHour(date)
		require.False(t, ok, date)
	}
}

//promise:forms
func TestParseClock(t *testing.T) {
	t.Parallel()
	for text, expected := range map[string]int{
		"0": 0, "8": 8, "08": 8, "08:00": 8, "8:00": 8, "08:00:00": 8, "23:59:59": 23, "8:30": 8, "23": 23,
	} {
		hour, ok := parseClock(text)
		require.True(t, ok, text)
		require.Equal(t, expected, hour, text)
	}
	for _, text := range []string{
		"", "-", "24", "008", "-8", "+8", "8.0", "8h", "08:", "08:0", "08:60", "08:00:", "08:00:60", "08:00:00:00", ":00", "08 AM", "0800", "08-09", "٨",
	} {
		_, ok := parseClock(text)
		require.False(t, ok, text)
	}
}

//promise:unreadable
func TestParseCalls(t *testing.T) {
	t.Parallel()
	good := map[string]int64{
		"0": 0, "1": 1, "007": 7, "132": 132, "132.0": 132, "132.00": 132, "132,0": 132, "132.": 132, "132.0000": 132, "": 0, "-": 0,
		"9223372036854775807": math.MaxInt64,
	}
	for text, expected := range good {
		calls, ok := parseCalls(text)
		require.True(t, ok, text)
		require.Equal(t, expected, calls, text)
	}
	bad := []string{
		"many", "-1", "+1", "1.5", "1,5", "1e3", "1E3", "0x10", "0b1", "1_000", "NaN", "Inf", "9223372036854775808", "1.2.3", ".", ".0", "..", "1..",
		"1,000", "1.000", "12,345", "1,000,000", "1 000", "00:01:00", "١٢", "--", "−1", "1\n2",
	}
	for _, text := range bad {
		_, ok := parseCalls(text)
		require.False(t, ok, text)
	}
}

//promise:unreadable
func TestParseMinutes(t *testing.T) {
	t.Parallel()
	good := map[string]float64{
		"0": 0, "2.887": 2.887, "2,88": 2.88, "0,887": 0.887, "1234,567": 1234.567, "05,887": 5.887,
		"287.45": 287.45, "0.5": 0.5, "0,5": 0.5, "3": 3, "003.250": 3.25, "": 0, "-": 0, "1.000": 1,
		"02:02:47": 122 + 47.0/60, "00:00:00": 0, "0:00:30": 0.5, "100:00:00": 6000, "00:59:59": 59 + 59.0/60,
		"9007199254740991.5": 9007199254740991.5, "4294967295:00:00": 4294967295 * 60,
	}
	for text, expected := range good {
		minutes, ok := parseMinutes(text, false)
		require.True(t, ok, text)
		require.InDelta(t, expected, minutes, 1e-9, text)
	}
	bad := []string{
		"some", "-1", "-0.5", "+1", "1e309", "1e3", "1E-3", "NaN", "nan", "Inf", "-Inf", "infinity", "0x1p4", "1_0", ".", ",", ".5", "5.", "1.2.3", "1,234",
		"12,345", "123,456", "1,234.5", "1.234,5", "1,2,3", "02:47", "1:02:03:04", "00:60:00", "00:00:60", "00:00:61", "0:1:2", "-1:00:00", "+1:00:00",
		":00:00", "00::00", "aa:00:00", "00:00:0x", "4294967296:00:00", "1:00:00.5", strings.Repeat("9", 400), "١٢",
	}
	for _, text := range bad {
		_, ok := parseMinutes(text, false)
		require.False(t, ok, text)
	}
}

//promise:injection
func TestQuote(t *testing.T) {
	t.Parallel()
	require.Equal(t, `""`, Quote("", 5))
	require.Equal(t, `"abcde"`, Quote("abcde", 5))
	require.Equal(t, `"abcde"…`, Quote("abcdef", 5))
	require.Equal(t, `"abcd"…`, Quote("abcdé", 5))
	require.Equal(t, `"\"\n\x1b"`, Quote("\"\n\x1b", 5))
	require.Equal(t, "abcd…", Bound("abcdé", 5))
	require.Equal(t, `"\x80\x80\x80\x80"…`, Quote(strings.Repeat("\x80", 9), 8), "invalid bytes")
}

//promise:check
func TestSample(t *testing.T) {
	t.Parallel()
	HideToken(testToken)
	for _, c := range []struct{ name, body, expected string }{
		{"row", `{"date":"2026-01-18-19","calls":"12","agent":"Invented Name"}`, `{"date":"2026-01-18-19","calls":"12","agent":"Inv Nam"}`},
		{"list", `{"data":[{"a":1},{"a":2}],"next":null,"more":true}`, `{"data":[{"a":1}],"next":null,"more":true}`},
		{"rows by index", `{"data":{"1":{"a":1},"0":{"a":2}},"more":true}`, `{"data":{"1":{"a":1}},"more":true}`},
		{"keys beside an index", `{"1":1,"a":2,"2":3}`, `{"1":1,"a":2,"2":3}`},
		{"list of lists", "[[1.50,2],[3]]", "[[1.50]]"},
		{"with a mark", byteOrderMark + `[ ]`, "[]"},
		{"control characters", `["a\u0007\nb"]`, `["a  b"]`},
		{"long text", `["` + strings.Repeat("1", 100) + `"]`, `["` + strings.Repeat("1", maxSampleText) + `"…]`},
		{"token", `{"` + testToken + `":["` + strings.ToUpper(testToken) + `"]}`, `{"<token>":["<tok>"]}`},
		{"escaped token", `["\u0069` + testToken[1:] + `"]`, `["<tok>"]`},
		{"page", "<html></html>", ""},
		{"cut short", `{"data":[{"a":`, ""},
		{"nothing", "", ""},
	} {
		require.Equal(t, c.expected, Sample([]byte(c.body)), c.name)
	}
	for _, nested := range []string{strings.Repeat("[", 4<<20), "[1," + strings.Repeat("[", 4<<20), strings.Repeat(`{"a":`, 1<<20)} {
		require.LessOrEqual(t, len(Sample([]byte(nested))), maxSample+len("…"))
	}
	require.Equal(t, strings.Repeat("[", maxSample), Sample([]byte(strings.Repeat("[", 2*maxSample))))
	body := []byte(byteOrderMark + `{"data": [1, {"name": "Invented Name"}]}`)
	require.JSONEq(t, `{"name":"Inv Nam"}`, SampleRow(body, 2))
	require.Empty(t, SampleRow(body, 3))
	require.Empty(t, SampleRow([]byte(`{"data": {}}`), 1))
	body = []byte(`{"data": {"2": {"date": "x"}, "1": {"name": "Invented Name"}}}`)
	require.JSONEq(t, `{"name":"Inv Nam"}`, SampleRow(body, 2))
	require.Empty(t, SampleRow(body, 3))
	require.Empty(t, SampleRow(body, 0))
	body = []byte(`{"data": {"date": "2026", "calls": 1, "ivr_minutes": 2}}`)
	require.JSONEq(t, `{"date": "2026", "calls": 1, "ivr_minutes": 2}`, SampleRow(body, 1))
	require.Empty(t, SampleRow(body, 2))
}

//promise:check
func TestFindQuota(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body     string
		expected Quota
		found    bool
	}{
		{`{"data":[{"token_limit":"1000","token_use_today":"3","all_token_today":"5","available_consumption_options":"995"}]}`, Quota{1000, 3, 5, 995}, true},
		{`{"data":{"token_limit":1000,"token_use_today":3,"all_token_today":5}}`, Quota{1000, 3, 5, 995}, true},
		{`{"token_limit":1000.0,"token_use_today":3}`, Quota{1000, 3, 3, 997}, true},
		{`{"data":[{"token_limit":"1000","available_consumption_options":"900"}]}`, Quota{1000, 0, 100, 900}, true},
		{`{"token_limit":"many","x":{"token_limit":7}}`, Quota{7, 0, 0, 7}, true},
		{`{"token_limit":7,"token_use_today":9}`, Quota{7, 9, 9, 0}, true},
		{`{"token_limit":7,"token_use_today":5,"available_consumption_options":4}`, Quota{7, 5, 5, 4}, true},
		{`{"token_limit":"-","x":{"token_limit":7,"x":{"token_limit":8}}}`, Quota{7, 0, 0, 7}, true},
		{`{"token_limit":1000000000,"x":{"token_limit":7}}`, Quota{7, 0, 0, 7}, true},
		{strings.Repeat(`{"x":`, maxDepth-1) + `{"token_limit":7}` + strings.Repeat("}", maxDepth-1), Quota{7, 0, 0, 7}, true},
		{strings.Repeat(`{"x":`, maxDepth) + `{"token_limit":7}` + strings.Repeat("}", maxDepth), Quota{}, false},
		{`{"data":[{"token_limit":"many"}]}`, Quota{}, false},
		{`{"data":[]}`, Quota{}, false},
		{`<html>`, Quota{}, false},
	} {
		q, found := FindQuota([]byte(c.body))
		require.Equal(t, c.expected, q, c.body)
		require.Equal(t, c.found, found, c.body)
	}
}

//promise:unreadable
func FuzzReport(f *testing.F) {
	c := inZone(f, "Europe/Madrid")
	window := hours.Window{From: hours.HourOf(2026, 10, 25, 0), To: hours.HourOf(2026, 10, 25, 4)} // 02 occurs twice
	f.Add([]byte(testReport))
	f.Add([]byte(`{"data":[{"day":"2026102502","calls":1,"ivr_minutes":"02:02:47"},{"date":"2026-10-25 02:00:00","calls":"2","ivr_minutes":"2,5"}]}`))
	f.Add([]byte(`{"code":"404","error":"Validate dates entered","data":null}`))
	f.Add([]byte(`{"data":{"1":{"hour":"2","calls":1,"ivr_minutes":"305,117"},"0":{"day":"20261025","hour":"03:00","calls":9,"ivr_minutes":"2,5"}}}`))
	f.Add([]byte(`{"data":{"hour":2,"calls":1,"ivr_minutes":"1,234.5"}}`))
	f.Add([]byte(`{"data":[1,null,"x",{},{"date":"2026\/10\/25 03:59:59","calls":"-","ivr_minutes":null}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		report, err := c.Parse(respond(200, string(body)), window)
		if err != nil {
			var failure *Failure
			require.ErrorAs(t, err, &failure)
			require.Nil(t, report)
			return
		}
		checkReport(t, report, window)
	})
}

// checkReport checks the invariants of any report.
func checkReport(t *testing.T, report *Report, window hours.Window) {
	t.Helper()
	times := make(map[hours.Hour]int)
	last := window.From
	for _, row := range report.Rows {
		require.True(t, window.Contains(row.Hour))
		require.GreaterOrEqual(t, row.Hour, last)
		last = row.Hour
		times[row.Hour]++
		require.LessOrEqual(t, times[row.Hour], 2)
		require.GreaterOrEqual(t, row.Calls, int64(0))
		require.GreaterOrEqual(t, row.Minutes, 0.0)
		require.False(t, math.IsInf(row.Minutes, 0) || math.IsNaN(row.Minutes))
	}
	for _, hour := range report.UnreadableHours {
		require.Zero(t, times[hour])
	}
	require.LessOrEqual(t, len(report.Rows)+report.Strays+report.Unreadable, report.Listed)
	require.Len(t, report.Problems, min(report.Unreadable, maxProblems))
	for _, p := range report.Problems {
		require.NotContains(t, p.String(), testToken)
		require.LessOrEqual(t, len(p.String()), 300)
	}
}

//promise:unreadable
func FuzzHour(f *testing.F) {
	for _, date := range []string{"2026011819", "2026-01-18-19", "2026-01-18 19:34:31", "2026/01/18T19:34", "2024-02-29-00", "2026-02-29-00", ""} {
		f.Add(date)
	}
	f.Fuzz(func(t *testing.T, date string) {
		hour, ok := parseHour(date)
		if !ok {
			return
		}
		// The hour exists, and its digits are those that the date begins with.
		digits := strings.Map(func(r rune) rune {
			if strings.ContainsRune("-/:T ", r) {
				return -1
			}
			return r
		}, date)
		parsed, err := time.Parse("2006010215", digits[:10])
		require.NoError(t, err)
		require.Equal(t, (hours.Calendar{Location: time.UTC}).HourAt(parsed), hour)
		require.Equal(t, digits[:10], hour.Format("2006010215"))
	})
}

//promise:unreadable
func FuzzFigures(f *testing.F) {
	for _, text := range []string{"132", "1,000", "2.887", "02:02:47", "1e309", "-", "NaN"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		calls, ok := parseCalls(text)
		require.True(t, ok || calls == 0 || calls == math.MaxInt64)
		require.GreaterOrEqual(t, calls, int64(0))
		minutes, ok := parseMinutes(text, calls%2 == 0)
		if ok {
			require.GreaterOrEqual(t, minutes, 0.0)
			require.False(t, math.IsInf(minutes, 0))
		}
	})
}

// A point before three digits is decimal, as in the vendor documentation, unless the report has commas or durations elsewhere. Then it may
// separate thousands, and the row is refused rather than off by a factor of a thousand.
//
//promise:unreadable
func TestAmbiguousPoints(t *testing.T) {
	t.Parallel()
	const ambiguous = `{"date": "2026010100", "calls": "700", "ivr_minutes": "1.234"}`
	for other, isRefused := range map[string]bool{
		`{"date": "2026010101", "calls": "12", "ivr_minutes": "20,5"}`:                                                               true,
		`{"date": "2026010101", "calls": "12", "ivr_minutes": "1.234,50"}, {"date": "2026010102", "calls": "1", "ivr_minutes": "1"}`: true,
		`{"date": "2026010101", "calls": "12", "ivr_minutes": "08:32:10"}`:                                                           true,
		`{"date": "2026010101", "calls": "12", "ivr_minutes": "20.5"}`:                                                               false,
		`{"date": "2026010101", "calls": "12", "ivr_minutes": "12"}`:                                                                 false,
	} {
		report, err := parseRows(ambiguous + "," + other)
		require.NoError(t, err, other)
		require.Equal(t, isRefused, slices.Contains(report.UnreadableHours, newYear.From), other)
	}

	c := inUTC()
	parse := func(rows string) (*Report, error) { return c.Parse(respond(200, `{"data": [`+rows+`]}`), newYear) }
	_, err := parse(`{"date": "2026010101", "calls": "12", "ivr_minutes": "20,5"}`)
	require.NoError(t, err)
	_, err = parse(ambiguous)
	require.ErrorContains(t, err, `field "ivr_minutes" is "1.234"`)
	report, err := parse(ambiguous + `, {"date": "2026010101", "calls": "12", "ivr_minutes": "20.5"}`)
	require.NoError(t, err)
	require.Len(t, report.Rows, 2, "a decimal point refutes the comma")
}
