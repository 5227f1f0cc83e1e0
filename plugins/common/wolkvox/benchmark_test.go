package wolkvox

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/influxdata/telegraf/plugins/parsers/json_v2"
	"github.com/influxdata/telegraf/testutil"

	"telegraf-wolkvox-ivr/plugins/common/hours"
)

// reportSizes are the rows of the longest window per request, and the most rows that the API returns.
var reportSizes = []int{744, 60000}

// BenchmarkReport compares the package with the plainest way to parse a report in Go, and with Telegraf's JSON parser.
func BenchmarkReport(b *testing.B) {
	for _, rows := range reportSizes {
		window, body := reportOf(rows)
		run := func(name string, read func() int) {
			b.Run(fmt.Sprintf("rows=%d/%s", rows, name), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(body)))
				for b.Loop() {
					require.Equal(b, rows, read())
				}
			})
		}
		c, response := inUTC(), respond(200, body)
		run("wolkvox", func() int {
			report, err := c.Parse(response, window)
			require.NoError(b, err)
			return len(report.Rows)
		})
		run("encoding_json", func() int {
			var plain struct {
				Data []struct {
					Date    string `json:"date"`
					Calls   string `json:"calls"`
					Minutes string `json:"ivr_minutes"`
				} `json:"data"`
			}
			require.NoError(b, json.Unmarshal([]byte(body), &plain))
			return len(plain.Data)
		})
		parser := &json_v2.Parser{
			Configs: []json_v2.Config{{
				MeasurementName: "wolkvox_ivr",
				JSONObjects: []json_v2.Object{{
					Path: "data", TimestampKey: "date", TimestampFormat: "2006-01-02 15:04:05",
					Fields: map[string]string{"calls": "int", "ivr_minutes": "float"},
				}},
			}},
			Log: testutil.Logger{Quiet: true},
		}
		require.NoError(b, parser.Init())
		run("json_v2", func() int {
			metrics, err := parser.Parse([]byte(body))
			require.NoError(b, err)
			return len(metrics)
		})
	}
}

//promise:cost
func TestAllocations(t *testing.T) {
	window, body := reportOf(744)
	c, r := inUTC(), respond(200, body)
	require.Less(t, testing.AllocsPerRun(10, func() {
		if _, err := c.Parse(r, window); err != nil {
			panic(err)
		}
	}), 50.0)
}

//promise:hostile
func TestSixtyThousandRows(t *testing.T) {
	t.Parallel()
	window, body := reportOf(60000)
	report, err := inUTC().Parse(respond(200, body), window)
	require.NoError(t, err)
	require.Len(t, report.Rows, 60000)
	for i, row := range report.Rows {
		if row.Hour != window.From+hours.Hour(i) || row.Calls != int64(i%500) {
			require.Failf(t, "wrong row", "row %d is %v", i, row)
		}
	}
}

// reportOf returns a report with this many rows, and its window.
func reportOf(rows int) (window hours.Window, body string) {
	to := hours.HourOf(2026, 1, 1, 0)
	window = hours.Window{From: to - hours.Hour(rows), To: to}
	var report strings.Builder
	report.WriteString(`{"code":"200","error":null,"msg":"records were found","data":[`)
	for i := range rows {
		if i > 0 {
			report.WriteByte(',')
		}
		hour := window.From + hours.Hour(i)
		fmt.Fprintf(&report, `{"date":"%s:00","calls":"%d","ivr_minutes":"%d.%03d"}`, hour, i%500, i%1000, i%997)
	}
	report.WriteString("]}")
	return window, report.String()
}
