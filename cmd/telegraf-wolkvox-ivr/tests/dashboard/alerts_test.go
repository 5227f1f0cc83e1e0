//go:build integration

package dashboard

import (
	"fmt"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
)

// firing evaluates a rule's queries and expressions as Grafana does, and returns the series for which its condition holds.
func (rule *alertRule) firing(t *testing.T, db *testbed.InfluxDB) (series []string) {
	t.Helper()
	values := make(map[string]map[string]float64) // of a series, by refId
	for _, d := range rule.Data {
		values[d.RefID] = make(map[string]float64)
		switch d.Model.Type {
		case "":
			for _, s := range db.Query(d.Model.Query) {
				last := s.Values[len(s.Values)-1]
				values[d.RefID][strings.TrimSpace(s.Tags["source"]+" "+s.Tags["operation"])] = testbed.Number(t, last[1], false).(float64)
			}
		case "reduce":
			values[d.RefID] = values[d.Model.Expression]
		case "math":
			values[d.RefID] = calculate(t, d.Model.Expression, values)
		}
	}
	for s, holds := range values[rule.Condition] {
		if holds != 0 {
			series = append(series, s)
		}
	}
	slices.Sort(series)
	return series
}

// calculate returns the value of a math expression for each series that has all of its variables. Go has the same operators.
func calculate(t *testing.T, expression string, values map[string]map[string]float64) map[string]float64 {
	t.Helper()
	used := variable.FindAllStringSubmatch(expression, -1)
	require.NotEmpty(t, used, expression)
	results := make(map[string]float64)
	for s := range values[used[0][1]] {
		if slices.ContainsFunc(used, func(match []string) bool { _, ok := values[match[1]][s]; return !ok }) {
			continue
		}
		filled := variable.ReplaceAllStringFunc(expression, func(name string) string { return fmt.Sprintf("(%f)", values[name[1:]][s]) })
		result, err := types.Eval(token.NewFileSet(), nil, token.NoPos, filled)
		require.NoError(t, err, filled)
		switch {
		case result.Value.Kind() != constant.Bool:
			results[s], _ = constant.Float64Val(result.Value)
		case constant.BoolVal(result.Value):
			results[s] = 1
		default:
			results[s] = 0
		}
	}
	return results
}

//promise:alerts
func TestAlerts(t *testing.T) {
	t.Parallel()
	awaitQuietHour(t, 15*time.Second)
	db := testbed.StartInfluxDB(t)
	db.Query("CREATE DATABASE telegraf")
	current := time.Now().Truncate(time.Hour)
	var lines strings.Builder
	hours := func(source, tag string, calls, from, to int) { // ago, both included
		for ago := from; ago <= to; ago++ {
			fmt.Fprintf(&lines, "wolkvox_ivr,source=%s,hour=%s calls=%di,minutes=0 %d\n",
				source, tag, calls, current.Add(-time.Duration(ago)*time.Hour).UnixNano())
		}
	}
	statistics := func(source, field string, counts ...int) { // the last now, the others an hour apart before it
		for i, count := range counts {
			fmt.Fprintf(&lines, "internal_wolkvox_ivr,input=wolkvox_ivr,source=%s %s=%di %d\n",
				source, field, count, current.Add(-time.Duration(len(counts)-1-i)*time.Hour).UnixNano())
		}
	}
	const opened, closed, days = "10", "03", 29 * 24
	hours("steady", opened, 100, 0, days)
	hours("fallen-silent", opened, 100, 4, days)
	hours("silent-for-two-hours", opened, 100, 3, days)
	hours("new", opened, 100, 0, 5)
	hours("few-calls", opened, 3, 5, days)
	hours("few-calls", opened, 0, 0, 3)
	hours("few-calls", opened, 30, 4, 4)
	hours("idle", opened, 0, 1, 1)
	hours("closed", closed, 0, 1, 1)
	hours("half", opened, 100, 5, days)
	hours("half", opened, 49, 1, 4)
	hours("nearly-half", opened, 100, 5, days)
	hours("nearly-half", opened, 51, 1, 4)
	hours("twice", opened, 100, 5, days)
	hours("twice", opened, 201, 1, 4)
	statistics("spent", "failures_quota", 0, 0, 1, 1)
	statistics("spent-yesterday", "failures_quota", 0, 1, 1, 1, 1, 1, 1, 1, 1, 1)
	statistics("restarted", "failures_quota", 2, 2, 0)
	statistics("greedy", "requests", 0, 400, 500, 0, 301)
	statistics("modest", "requests", 0, 400, 500, 0, 300)
	db.Write(lines.String())

	expected := map[string][]string{
		"No calls in opening hours": {"few-calls", "idle"},
		"No data":                   {"fallen-silent"},
		"Far from usual":            {"half", "silent-for-two-hours", "twice"},
		"Quota spent":               {"spent"},
		"Quota nearly spent":        {"greedy"},
	}
	fired := make(map[string][]string)
	for _, rule := range readAlerts(t) {
		fired[rule.Title] = rule.firing(t, db)
	}
	require.Equal(t, expected, fired)
}
