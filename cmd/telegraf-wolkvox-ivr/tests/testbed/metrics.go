package testbed

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/plugins/parsers/influx"
	"github.com/stretchr/testify/require"
)

// Span returns the times from, and up to, which there are such metrics.
func Span(metrics []telegraf.Metric) (from, to time.Time) {
	for i, m := range metrics {
		if i == 0 || m.Time().Before(from) {
			from = m.Time()
		}
		if !m.Time().Before(to) {
			to = m.Time().Add(1)
		}
	}
	return from, to
}

// HasMetrics says whether there are any of this name.
func HasMetrics(name string) func([]telegraf.Metric) bool {
	return func(metrics []telegraf.Metric) bool {
		return slices.ContainsFunc(metrics, func(m telegraf.Metric) bool { return m.Name() == name })
	}
}

// complaint is a warning or an error in a log of Telegraf, or of the plugin, which has no times.
var complaint = regexp.MustCompile(`(?m)^(\S+ )?[WE]! .*$`)

// ComplaintsIn returns the warnings and errors in a log.
func ComplaintsIn(log string) []string {
	return slices.DeleteFunc(complaint.FindAllString(log, -1), func(line string) bool { // which most tests do without
		return strings.Contains(line, "No statefile in [agent]: ")
	})
}

// Parse reads line protocol, as written by outputs.file or shown by --test.
func Parse(t *testing.T, text string) []telegraf.Metric {
	t.Helper()
	parser := &influx.Parser{}
	require.NoError(t, parser.Init())
	metrics, err := parser.Parse([]byte(strings.ReplaceAll("\n"+text, "\n> ", "\n")))
	require.NoError(t, err, text)
	return metrics
}

// Between returns the metrics with timestamps in [from, to), each series' last at a time only, as a database would have them.
func Between(metrics []telegraf.Metric, from, to time.Time) []telegraf.Metric {
	type key struct {
		series uint64
		time   int64
	}
	place := make(map[key]int)
	var last []telegraf.Metric
	for _, m := range metrics {
		if m.Time().Before(from) || !m.Time().Before(to) {
			continue
		}
		k := key{m.HashID(), m.Time().UnixNano()}
		if i, known := place[k]; known {
			last[i] = m
			continue
		}
		place[k] = len(last)
		last = append(last, m)
	}
	return last
}
