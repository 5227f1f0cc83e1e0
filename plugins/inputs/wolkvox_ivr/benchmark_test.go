package wolkvox_ivr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// reportSizes are the rows of the longest window that one request may span, and the most that the API returns.
var reportSizes = []int{744, 60000}

// BenchmarkReport compares the plugin with the plainest way to read a report in Go.
func BenchmarkReport(b *testing.B) {
	for _, rows := range reportSizes {
		pl, asked, report := reportOf(rows)

		b.Run(fmt.Sprintf("rows=%d/plugin", rows), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(report)))
			for b.Loop() {
				a, err := readAnswer(bytes.NewReader(report), pl, asked, testToken)
				require.NoError(b, err)
				require.Len(b, a.rows, rows)
			}
		})
		b.Run(fmt.Sprintf("rows=%d/encoding_json", rows), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(report)))
			for b.Loop() {
				var plain struct {
					Data []struct {
						Date    string `json:"date"`
						Calls   string `json:"calls"`
						Minutes string `json:"ivr_minutes"`
					} `json:"data"`
				}
				require.NoError(b, json.Unmarshal(report, &plain))
				require.Len(b, plain.Data, rows)
			}
		})
	}
}

// reportOf returns an answer of so many rows, and what was asked for.
func reportOf(rows int) (calendar, window, []byte) {
	pl := calendar{location: time.UTC}
	to := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	asked := window{to.Add(-time.Duration(rows) * time.Hour), to}

	var report strings.Builder
	report.WriteString(`{"code":"200","error":null,"msg":"records were found","data":[`)
	for i, hour := range pl.hours(asked) {
		if i > 0 {
			report.WriteByte(',')
		}
		fmt.Fprintf(&report, `{"date":"%s","calls":"%d","ivr_minutes":"%d.%03d"}`, hour.Format("2006-01-02 15:04:05"), i%500, i%1000, i%997)
	}
	report.WriteString("]}")
	return pl, asked, []byte(report.String())
}
