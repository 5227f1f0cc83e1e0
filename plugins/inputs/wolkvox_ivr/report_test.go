package wolkvox_ivr

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

// newYear is a window of the first four hours of 2026 in a location without clock changes.
func newYear() (calendar, window) {
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return calendar{location: time.UTC}, window{from, from.Add(4 * time.Hour)}
}

func readString(body string) (*answer, error) {
	pl, asked := newYear()
	return readAnswer(strings.NewReader(body), pl, asked, testToken)
}

func TestParseHour(t *testing.T) {
	t.Parallel()
	good := []string{
		"2026011819", "2026-01-18-19", "2026-01-18 19:34:31", "2026-01-18T19:34:31", "2026/01/18 19:34:31", "2026/01/18/19", "2026-01-18 19",
		"2026-01-18 19:34", "20260118193431", "202601181934", "20260118 19", "20260118T193431", "2026:01:18:19", "2026 01 18 19", "2026-01-18-19-34-31",
	}
	for _, date := range good {
		hour, ok := parseHour(date)
		require.True(t, ok, date)
		require.Equal(t, label(2026011819), hour, date)
	}
	for date, expected := range map[string]label{"0001010100": 1010100, "9999123123": 9999123123, "2024022900": 2024022900, "2000-02-29-23": 2000022923} {
		hour, ok := parseHour(date)
		require.True(t, ok, date)
		require.Equal(t, expected, hour, date)
	}
	bad := []string{
		"", "-", " ", "today", "19", "2026", "202601", "20260118", "2026-01-18", "2026-01-18-", "2026-01-18-1", "2026-1-18-19", "2026-01-18-19-",
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

func TestParseMinutes(t *testing.T) {
	t.Parallel()
	good := map[string]float64{
		"0": 0, "2.887": 2.887, "2,88": 2.88, "0,887": 0.887, "1234,567": 1234.567,
		"287.45": 287.45, "0.5": 0.5, "0,5": 0.5, "3": 3, "003.250": 3.25, "": 0, "-": 0, "1.000": 1,
		"02:02:47": 122 + 47.0/60, "00:00:00": 0, "0:00:30": 0.5, "100:00:00": 6000, "00:59:59": 59 + 59.0/60, "4294967295:00:00": 4294967295 * 60,
	}
	for text, expected := range good {
		minutes, ok := parseMinutes(text)
		require.True(t, ok, text)
		require.InDelta(t, expected, minutes, 1e-9, text)
	}
	bad := []string{
		"some", "-1", "-0.5", "+1", "1e309", "1e3", "1E-3", "NaN", "nan", "Inf", "-Inf", "infinity", "0x1p4", "1_0", ".", ",", ".5", "5.", "1.2.3", "1,234",
		"12,345", "123,456",
		"1,234.5",
		"1.234,5", "1,2,3", "02:47", "1:02:03:04", "00:60:00", "00:00:60", "00:00:61", "0:1:2", "-1:00:00", "+1:00:00", ":00:00", "00::00", "aa:00:00",
		"00:00:0x", "4294967296:00:00", "1:00:00.5", strings.Repeat("9", 400), "١٢",
	}
	for _, text := range bad {
		_, ok := parseMinutes(text)
		require.False(t, ok, text)
	}
}

func TestUnreadableRow(t *testing.T) {
	t.Parallel()
	const (
		hour    = "which is no hour such as 2026-01-18-19"
		calls   = "which is no whole number of calls"
		minutes = "which is no number of minutes or HH:MM:SS"
	)
	cases := []struct{ row, expected string }{
		{`{"calls": 1, "ivr_minutes": 2}`, `field "date" is missing`},
		{`{"date": null, "calls": 1, "ivr_minutes": 2}`, `field "date" is "", ` + hour},
		{`{"date": "", "calls": 1, "ivr_minutes": 2}`, `field "date" is "", ` + hour},
		{`{"date": "", "calls": "x", "ivr_minutes": 2}`, `field "date" is "", ` + hour},
		{`{"date": 20260101, "calls": 1, "ivr_minutes": 2}`, `field "date" is "20260101", ` + hour},
		{`{"date": {"hour": 1}, "calls": 1, "ivr_minutes": 2}`, `field "date" is an object, ` + hour},
		{`{"day": "01", "calls": 1, "ivr_minutes": 2}`, `field "day" is "01", ` + hour},
		{`{"date": "-", "day": "01", "calls": 1, "ivr_minutes": 2}`, `field "day" is "01", ` + hour},
		{`{"date": "2026010100", "ivr_minutes": 2}`, `field "calls" is missing`},
		{`{"date": "2026010100", "calls": true, "ivr_minutes": 2}`, `field "calls" is a boolean, ` + calls},
		{`{"date": "2026010100", "calls": [1], "ivr_minutes": 2}`, `field "calls" is a list, ` + calls},
		{`{"date": "2026010100", "calls": {}, "ivr_minutes": 2}`, `field "calls" is an object, ` + calls},
		{`{"date": "2026010100", "calls": -1, "ivr_minutes": 2}`, `field "calls" is "-1", ` + calls},
		{`{"date": "2026010100", "calls": 1.5e0, "ivr_minutes": 2}`, `field "calls" is "1.5e0", ` + calls},
		{`{"date": "2026010100", "calls": "a\u0000\nb", "ivr_minutes": 2}`, `field "calls" is "a\x00\nb", ` + calls},
		{`{"date": "2026010100", "calls": "` + strings.Repeat("é", 30) + `", "ivr_minutes": 2}`,
			`field "calls" is "` + strings.Repeat("é", 20) + `"…, ` + calls},
		{`{"date": "2026010100", "calls": "x` + strings.Repeat("é", 30) + `", "ivr_minutes": 2}`,
			`field "calls" is "x` + strings.Repeat("é", 19) + `"…, ` + calls},
		{`{"date": "2026010100", "calls": "` + testToken + `", "ivr_minutes": 2}`, `field "calls" is "<token>", ` + calls},
		{`{"date": "2026010100", "calls": "` + strings.Repeat("x", 35) + testToken + `", "ivr_minutes": 2}`,
			`field "calls" is "` + strings.Repeat("x", 35) + `<toke"…, ` + calls},
		{`{"date": "2026010100", "calls": "\u0069nvented-token-1", "ivr_minutes": 2}`, `field "calls" is "<token>", ` + calls},
		{`{"date": "2026010100", "calls": 1}`, `field "ivr_minutes" is missing`},
		{`{"date": "2026010100", "calls": 1, "ivr_minutes": "1e309"}`, `field "ivr_minutes" is "1e309", ` + minutes},
		{`{"date": "2026010100", "calls": 1, "ivr_minutes": false}`, `field "ivr_minutes" is a boolean, ` + minutes},
		{`null`, "it is no object"},
		{`{}`, `field "date" is missing`},
		{`[]`, `it is no object`},
		{`"2026010100"`, `it is no object`},
		{`1`, `it is no object`},
		{`true`, `it is no object`},
	}
	for _, c := range cases {
		a, err := readString(`{"data": [{"date": "2026010101", "calls": 3, "ivr_minutes": 4}, ` + c.row +
			`, {"date": "2026010103", "calls": 5, "ivr_minutes": 6}]}`)
		require.NoError(t, err, c.row)
		require.Len(t, a.rows, 2, c.row)
		require.Equal(t, 1, a.unreadable, c.row)
		require.Len(t, a.problems, 1, c.row)
		require.Equal(t, "row 2 can't be read: "+c.expected, a.problems[0].Error())
	}
}

func TestUnreadableRowsAreBounded(t *testing.T) {
	t.Parallel()
	a, err := readString(`{"data": [` + strings.Repeat(`"x",`, 9999) + `"x"]}`)
	require.NoError(t, err)
	require.Equal(t, 10000, a.unreadable)
	require.Len(t, a.problems, maxProblems)
	require.True(t, a.dateless)
}

func TestAnswerKnowsWhichHoursAreUnknown(t *testing.T) {
	t.Parallel()
	_, asked := newYear()
	at := func(hour int) time.Time { return asked.From.Add(time.Duration(hour) * time.Hour) }

	a, err := readString(`{"data": [
		{"date": "2026010100", "calls": 1, "ivr_minutes": 2}, {"date": "2026010101", "calls": "x", "ivr_minutes": 2},
		{"date": "2026010102", "calls": 1, "ivr_minutes": 2}, {"date": "2026010102", "calls": 1, "ivr_minutes": 3},
		{"date": "2025123123", "calls": 1, "ivr_minutes": 2}, {"date": "2026010104", "calls": "x", "ivr_minutes": 2}]}`)
	require.NoError(t, err)
	require.Equal(t, []row{{at(0), 1, 2}}, a.rows)
	require.Equal(t, []time.Time{at(1), at(2)}, a.unknown)
	require.Equal(t, 2, a.unreadable)
	require.Equal(t, 2, a.strays)
	require.False(t, a.dateless)
}

func TestReadAnswerFails(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, body, expected string }{
		{"empty", "", errCutShort.Error()},
		{"truncated", testReport[:100], errCutShort.Error()},
		{"list", "[]", errShape.Error()},
		{"not JSON", "<html>", "invalid character '<' looking for beginning of value"},
		{"two answers", testReport + "{}", "after top-level value"},
		{"no end", testReport[:len(testReport)-1], errCutShort.Error()},
		{"deep row", `{"data": [` + strings.Repeat("[", 20000), "exceeded max depth"},
		{"deep extra", `{"x": ` + strings.Repeat(`{"x":`, 20000), "exceeded max depth"},
		{"long", testReport + strings.Repeat(" ", maxAnswer), errTooLong.Error()},
		{"long text", `{"msg": "` + strings.Repeat("x", maxAnswer), errTooLong.Error()},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, err := readString(c.body)
			require.ErrorContains(t, err, c.expected)
			require.Nil(t, a)
		})
	}
}

func TestReadAnswerSaysHowReadingFailed(t *testing.T) {
	t.Parallel()
	pl, asked := newYear()
	broken := errors.New("connection broke")
	for _, size := range []int{0, 1, 10, len(testReport) / 2, len(testReport)} {
		a, err := readAnswer(io.MultiReader(strings.NewReader(testReport[:size]), iotest.ErrReader(broken)), pl, asked, testToken)
		require.ErrorIs(t, err, broken, "after %d bytes", size)
		require.Nil(t, a)
	}
}

func TestReadAnswerTakesAnySplit(t *testing.T) {
	t.Parallel()
	pl, asked := newYear()
	body := byteOrderMark + `{"data": [{"date": "2026\/01\/01 02:00:00", "calls": "1", "ivr_minutes": "2,5"}]}` + "\n"
	a, err := readAnswer(iotest.OneByteReader(strings.NewReader(body)), pl, asked, testToken)
	require.NoError(t, err)
	require.Equal(t, []row{{asked.From.Add(2 * time.Hour), 1, 2.5}}, a.rows)
}

func TestSixtyThousandRows(t *testing.T) {
	t.Parallel()
	pl, asked, report := reportOf(60000)
	require.Less(t, len(report), maxAnswer/2, "the API's limit of records is not to be near the plugin's of bytes")
	a, err := readAnswer(strings.NewReader(string(report)), pl, asked, testToken)
	require.NoError(t, err)
	require.Len(t, a.rows, 60000)
	for i, r := range a.rows {
		if !r.hour.Equal(asked.From.Add(time.Duration(i)*time.Hour)) || r.calls != int64(i%500) {
			require.Failf(t, "wrong row", "row %d is %v", i, r)
		}
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	require.Equal(t, `""`, quote("", 5))
	require.Equal(t, `"abcde"`, quote("abcde", 5))
	require.Equal(t, `"abcde"…`, quote("abcdef", 5))
	require.Equal(t, `"abcd"…`, quote("abcdé", 5))
	require.Equal(t, `"\"\n\x1b"`, quote("\"\n\x1b", 5))
}

func FuzzReport(f *testing.F) {
	location, err := time.LoadLocation("Europe/Madrid")
	require.NoError(f, err)
	pl := calendar{location: location}
	asked := window{time.Date(2026, 10, 24, 22, 0, 0, 0, time.UTC), time.Date(2026, 10, 25, 3, 0, 0, 0, time.UTC)} // 02 comes twice

	f.Add([]byte(testReport))
	f.Add([]byte(`{"data":[{"day":"2026102502","calls":1,"ivr_minutes":"02:02:47"},{"date":"2026-10-25 02:00:00","calls":"2","ivr_minutes":"2,5"}]}`))
	f.Add([]byte(`{"code":"404","error":"Validate dates entered","data":null}`))
	f.Add([]byte(`{"data":[1,null,"x",{},{"date":"2026\/10\/25 03:59:59","calls":"-","ivr_minutes":null}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := readAnswer(strings.NewReader(string(body)), pl, asked, testToken)
		if err != nil {
			require.Nil(t, a)
			return
		}
		checkRows(t, a, asked)
		require.LessOrEqual(t, len(a.problems), min(a.unreadable, maxProblems))
		for _, p := range a.problems {
			require.NotContains(t, p.Error(), testToken)
			require.LessOrEqual(t, len(p.Error()), 300)
		}
	})
}

// checkRows checks what holds for the rows of any answer.
func checkRows(t *testing.T, a *answer, asked window) {
	t.Helper()
	var last time.Time
	for _, r := range a.rows {
		require.False(t, r.hour.Before(asked.From) || !r.hour.Before(asked.To), "hour outside of the window")
		require.True(t, r.hour.After(last), "hours in order, each once")
		last = r.hour
		require.GreaterOrEqual(t, r.calls, int64(0))
		require.GreaterOrEqual(t, r.minutes, 0.0)
		require.False(t, math.IsInf(r.minutes, 0) || math.IsNaN(r.minutes))
	}
	for _, hour := range a.unknown {
		for _, r := range a.rows {
			require.False(t, r.hour.Equal(hour), "a row of an unknown hour")
		}
	}
}

func FuzzHour(f *testing.F) {
	for _, date := range []string{"2026011819", "2026-01-18-19", "2026-01-18 19:34:31", "2026/01/18T19:34", "2024-02-29-00", "2026-02-29-00", ""} {
		f.Add(date)
	}
	f.Fuzz(func(t *testing.T, date string) {
		hour, ok := parseHour(date)
		if !ok {
			return
		}
		// What was read is an hour of the calendar, and the figures that it began with.
		digits := strings.Map(func(r rune) rune {
			if strings.ContainsRune("-/:T ", r) {
				return -1
			}
			return r
		}, date)
		require.True(t, strings.HasPrefix(digits, fmt.Sprintf("%010d", hour)), date)
		parsed, err := time.Parse("2006010215", digits[:10])
		require.NoError(t, err)
		require.Equal(t, (calendar{location: time.UTC}).label(parsed), hour)
		require.Equal(t, hour, (calendar{location: time.UTC}).label(hour.time(time.UTC)))
	})
}

func FuzzFigures(f *testing.F) {
	for _, text := range []string{"132", "1,000", "2.887", "02:02:47", "1e309", "-", "NaN"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		calls, ok := parseCalls(text)
		require.True(t, ok || calls == 0 || calls == math.MaxInt64)
		require.GreaterOrEqual(t, calls, int64(0))
		minutes, ok := parseMinutes(text)
		if ok {
			require.GreaterOrEqual(t, minutes, 0.0)
			require.False(t, math.IsInf(minutes, 0))
		}
	})
}
