package simulator

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

//promise:simulator
func TestFinalHoursAreTheTruthInEveryForm(t *testing.T) {
	t.Parallel()
	for _, preset := range Presets() {
		t.Run(preset.Name, func(t *testing.T) {
			t.Parallel()
			location := zone(t, defaultTimezone)
			s := newTest(t, time.Date(2026, 3, 1, 0, 0, 0, 0, location), Operation{Form: preset.Form})
			rows := readReport(t, s, "20260118000000", "20260120235959")
			if preset.Form.Key == "hour" {
				rows = nil
				for _, day := range []string{"20260118", "20260119", "20260120"} {
					for _, row := range readReport(t, s, day+"000000", day+"235959") {
						row.label = day + row.label
						rows = append(rows, row)
					}
				}
			}
			if preset.Form.Stray {
				require.Equal(t, "2026011723", rows[0].label)
				require.Positive(t, rows[0].Calls)
				rows = rows[1:]
			}
			listed := 0
			for at := time.Date(2026, 1, 18, 0, 0, 0, 0, location); at.Day() < 21; at = at.Add(time.Hour) {
				truth := s.Truth(token, at)
				if truth.Calls == 0 && preset.Form.EmptyHours == "" {
					continue
				}
				row := rows[listed]
				listed++
				require.Equal(t, at.Format("2006010215"), row.label)
				require.Equal(t, truth.Calls, row.Calls)
				require.Equal(t, truth.Calls == 0 && preset.Form.EmptyHours != "zeros", row.blank)
				if preset.Form.Clock {
					require.InDelta(t, truth.Minutes, row.Minutes, 0.5/60+1e-9)
				} else {
					require.Equal(t, truth.Minutes, row.Minutes)
				}
			}
			require.Len(t, rows, listed)
			if preset.Form.EmptyHours == "" {
				require.Less(t, listed, 72, "there are hours without calls")
			}
		})
	}
}

// TestForms compares whole bodies: for an hour with calls and for one without.
//
//promise:simulator
func TestForms(t *testing.T) {
	t.Parallel()
	const (
		some = `{"date":"2026011910","calls":"115","ivr_minutes":"305.308"}`
		ok   = `{"code":200,"error":null,"msg":"1 records were found","data":[` + some + `]}`
		no   = `{"code":404,"error":"Validate dates entered","msg":"Validate dates entered","data":null}`
	)
	row := func(row string) string {
		return `{"code":200,"error":null,"msg":"1 records were found","data":[` + row + `]}`
	}
	for name, test := range map[string]struct {
		form           Form
		busy, nothing  string
		statusOfNoRows int
	}{
		"default":     {Form{}, ok, no, 404},
		"code string": {Form{Code: "string"}, `{"code":"200"` + ok[11:], `{"code":"404"` + no[11:], 404},
		"code blank":  {Form{Code: "blank"}, `{"code":""` + ok[11:], `{"code":""` + no[11:], 404},
		"error empty": {Form{Error: "empty", NoRecords: "empty"}, `{"code":200,"error":""` + ok[24:],
			`{"code":200,"error":"","msg":"0 records were found","data":[]}`, 200},
		"error word": {Form{Error: "word", NoRecords: "null"}, `{"code":200,"error":"null"` + ok[24:],
			`{"code":200,"error":"null","msg":"0 records were found","data":null}`, 200},
		"indented": {Form{Msg: "indented", Text: "msg"}, `{"code":200,"error":null,"msg":" 1 records were found","data":[` + some + `]}`,
			`{"code":404,"error":null,"msg":"Validate dates entered","data":null}`, 404},
		"spanish": {Form{Msg: "spanish", Text: "error"}, `{"code":200,"error":null,"msg":"Se encontraron 1 registros","data":[` + some + `]}`,
			`{"code":404,"error":"Validate dates entered","msg":"","data":null}`, 404},
		"miscounted":   {Form{Msg: "miscounted"}, `{"code":200,"error":null,"msg":"2 records were found","data":[` + some + `]}`, no, 404},
		"day, layout":  {Form{Key: "day", Layout: "2006/01/02T15:04"}, row(`{"day":"2026/01/19T10:00","calls":"115","ivr_minutes":"305.308"}`), no, 404},
		"numeric date": {Form{NumericDate: true}, row(`{"date":2026011910,"calls":"115","ivr_minutes":"305.308"}`), no, 404},
		"data row":     {Form{Data: "row"}, `{"code":200,"error":null,"msg":"1 records were found","data":` + some + `}`, no, 404},
		"data index":   {Form{Data: "index"}, `{"code":200,"error":null,"msg":"1 records were found","data":{"0":` + some + `}}`, no, 404},
		"data index 1": {Form{Data: "index-1"}, `{"code":200,"error":null,"msg":"1 records were found","data":{"1":` + some + `}}`, no, 404},
		"hour":         {Form{Key: "hour"}, row(`{"hour":"10:00","calls":"115","ivr_minutes":"305.308"}`), no, 404},
		"hour number": {Form{Key: "hour", NumericDate: true, EmptyHours: "zeros"}, row(`{"hour":10,"calls":"115","ivr_minutes":"305.308"}`),
			row(`{"hour":3,"calls":"0","ivr_minutes":"0.000"}`), 200},
		"date and hour": {Form{Key: "date-hour"}, row(`{"date":"2026-01-19","hour":"10","calls":"115","ivr_minutes":"305.308"}`), no, 404},
		"not numeric": {Form{NumericDate: true, Layout: "2006-01-02-15"},
			row(`{"date":"2026-01-19-10","calls":"115","ivr_minutes":"305.308"}`), no, 404},
		"numbers": {Form{Numbers: true, EmptyHours: "zeros"}, row(`{"date":"2026011910","calls":115,"ivr_minutes":305.308}`),
			row(`{"date":"2026011803","calls":0,"ivr_minutes":0.000}`), 200},
		"comma": {Form{Comma: true, Numbers: true, EmptyHours: "dash"}, row(`{"date":"2026011910","calls":115,"ivr_minutes":"305,308"}`),
			row(`{"date":"2026011803","calls":"-","ivr_minutes":"-"}`), 200},
		"clock": {Form{Clock: true, EmptyHours: "null"}, row(`{"date":"2026011910","calls":"115","ivr_minutes":"05:05:18"}`),
			row(`{"date":"2026011803","calls":null,"ivr_minutes":null}`), 200},
		"stray": {Form{Stray: true},
			`{"code":200,"error":null,"msg":"2 records were found","data":[{"date":"2026011909","calls":"4","ivr_minutes":"6.855"},` + some + `]}`,
			row(`{"date":"2026011802","calls":"1","ivr_minutes":"0.050"}`), 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTest(t, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Operation{})
			s.SetForm(token, test.form)
			w := get(s, reportTarget("20260119100000", "20260119105959"), token)
			require.Equal(t, http.StatusOK, w.Code)
			require.Equal(t, test.busy, w.Body.String())
			w = get(s, reportTarget("20260118030000", "20260118035959"), token)
			require.Equal(t, test.statusOfNoRows, w.Code)
			require.Equal(t, test.nothing, w.Body.String())
		})
	}
}

func TestInvalidFormsAreRejected(t *testing.T) {
	t.Parallel()
	for _, form := range []Form{
		{Code: "x"}, {Data: "x"}, {Error: "x"}, {Msg: "x"}, {Key: "x"}, {EmptyHours: "x"}, {NoRecords: "x"}, {Text: "x"},
		{Layout: "2006-01-02"}, {Layout: "15"},
	} {
		_, err := New(Options{Operations: []Operation{{Server: "0001", Token: token, Form: form}}})
		require.ErrorContains(t, err, "form: ")
		s := newTest(t, time.Time{}, Operation{})
		require.Panics(t, func() { s.SetForm(token, form) })
	}
}
