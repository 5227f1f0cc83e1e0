package wolkvox_ivr

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/influxdata/telegraf/plugins/parsers/json_v2"
	"github.com/influxdata/telegraf/testutil"
)

// BenchmarkTelegrafParser reads the reports of BenchmarkReport with Telegraf's own parser for JSON.
func BenchmarkTelegrafParser(b *testing.B) {
	for _, rows := range reportSizes {
		_, _, report := reportOf(rows)
		b.Run(fmt.Sprintf("rows=%d/json_v2", rows), func(b *testing.B) {
			parser := &json_v2.Parser{
				Configs: []json_v2.Config{{
					MeasurementName: "wolkvox_ivr",
					JSONObjects: []json_v2.Object{{
						Path:            "data",
						TimestampKey:    "date",
						TimestampFormat: "2006-01-02 15:04:05",
						Fields:          map[string]string{"calls": "int", "ivr_minutes": "float"},
					}},
				}},
				Log: testutil.Logger{Quiet: true},
			}
			require.NoError(b, parser.Init())
			b.ReportAllocs()
			b.SetBytes(int64(len(report)))
			for b.Loop() {
				metrics, err := parser.Parse(report)
				require.NoError(b, err)
				require.Len(b, metrics, rows)
			}
		})
	}
}
