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

// Span returns the time range of the metrics, from inclusive and to exclusive.
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

// HasMetrics returns a condition that is true if there are metrics with the name.
func HasMetrics(name string) func([]telegraf.Metric) bool {
	return func(metrics []telegraf.Metric) bool {
		return slices.ContainsFunc(metrics, func(m telegraf.Metric) bool { return m.Name() == name })
	}
}

// problem matches a warning or an error in a log of Telegraf, or of the plugin, whose lines have no times.
var problem = regexp.MustCompile(`(?m)^(\S+ )?[WE]! .*$`)

// ProblemsIn returns the warnings and errors in a log.
func ProblemsIn(log string) []string {
	return slices.DeleteFunc(problem.FindAllString(log, -1), func(line string) bool { // most tests have no state file
		return strings.Contains(line, "No statefile in [agent]: ")
	})
}

// Parse parses line protocol, as written by outputs.file or printed by --test.
func Parse(t *testing.T, text string) []telegraf.Metric {
	t.Helper()
	parser := &influx.Parser{}
	require.NoError(t, parser.Init())
	metrics, err := parser.Parse([]byte(strings.ReplaceAll("\n"+text, "\n> ", "\n")))
	require.NoError(t, err, text)
	return metrics
}

// Between returns the metrics with timestamps in [from, to), and only the last one of a series at a time, as a database
// keeps them.
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
