//go:build integration

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/testutil"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// dashboard is what the tests need of Grafana's JSON.
type dashboard struct {
	Timezone   string
	Time       struct{ From, To string }
	Templating struct {
		List []struct{ Name, Type, Query, AllValue string }
	}
	Panels []struct {
		Title, Type     string
		Interval        string
		Transformations []struct {
			ID      string
			Options struct{ Timezone string }
		}
		Targets []struct{ RefID, Query, ResultFormat string }
	}
}

func readDashboard(t *testing.T) *dashboard {
	t.Helper()
	content, err := os.ReadFile("../../testdata/grafana/wolkvox_ivr.json")
	require.NoError(t, err)
	d := &dashboard{}
	require.NoError(t, json.Unmarshal(content, d))
	return d
}

// view is what someone looks at: values of the dashboard's variables.
type view struct {
	from, to          time.Time
	interval          time.Duration // that a point stands for, which Grafana chooses
	source, operation string        // as Grafana fills them into regular expressions
}

var unfilled = regexp.MustCompile(`\$\w|\$\{`)

// fill does what Grafana does before it sends a query.
func (v *view) fill(t *testing.T, query string) string {
	t.Helper()
	from, to := strconv.FormatInt(v.from.UnixMilli(), 10), strconv.FormatInt(v.to.UnixMilli(), 10)
	query = strings.NewReplacer(
		"$timeFilter", "time >= "+from+"ms and time <= "+to+"ms",
		"$__interval", fmt.Sprintf("%.0fh", v.interval.Hours()),
		"${__from}", from,
		"${__to}", to,
		"$source", v.source,
		"$operation", v.operation,
	).Replace(query)
	require.NotRegexp(t, unfilled, query, "a variable that this test does not know")
	return query
}

// shows tells whether a point is one of the sources and operations looked at.
func (v *view) shows(m telegraf.Metric) bool {
	return regexp.MustCompile("^"+v.source+"$").MatchString(m.Tags()["source"]) && regexp.MustCompile("^"+v.operation+"$").MatchString(m.Tags()["operation"])
}

// pane is what a query has to return: the points that count, what makes a group of them, and the value of a group.
type pane struct {
	counts func(v *view, m telegraf.Metric) bool
	group  func(v *view, m telegraf.Metric) string
	value  func(points []telegraf.Metric) float64
}

// expected returns a value for each group, as the database would if it were asked for the pane's figures.
func (p pane) expected(v *view, points []telegraf.Metric) map[string]float64 {
	groups := make(map[string][]telegraf.Metric)
	for _, m := range points {
		if p.counts(v, m) {
			group := ""
			if p.group != nil {
				group = p.group(v, m)
			}
			groups[group] = append(groups[group], m)
		}
	}
	values := make(map[string]float64)
	for group, points := range groups {
		values[group] = p.value(points)
	}
	return values
}

func calls(points []telegraf.Metric) (sum float64) {
	for _, m := range points {
		sum += float64(m.Fields()["calls"].(int64))
	}
	return sum
}

func minutes(points []telegraf.Metric) (sum float64) {
	for _, m := range points {
		sum += m.Fields()["minutes"].(float64)
	}
	return sum
}

func minutesACall(points []telegraf.Metric) float64 {
	if calls(points) == 0 {
		return 0 // as InfluxDB has it
	}
	return minutes(points) / calls(points)
}

// bogota is the time zone of the dashboard and of the operations in its test.
var bogota = time.FixedZone("America/Bogota", -5*60*60) // all year

func byTime(v *view, m telegraf.Metric) string {
	local := m.Time().In(bogota)
	if v.interval == 24*time.Hour {
		return time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, bogota).UTC().String()
	}
	return local.Truncate(v.interval).UTC().String()
}

func byHour(_ *view, m telegraf.Metric) string { return m.Tags()["hour"] }

func byWeekdayAndHour(_ *view, m telegraf.Metric) string {
	return m.Time().In(bogota).Weekday().String() + " " + m.Tags()["hour"]
}

func byOperation(_ *view, m telegraf.Metric) string {
	return m.Tags()["source"] + m.Tags()["operation"]
}

// panes returns what each query of the dashboard has to return, at a time.
func panes(now time.Time) map[string]pane {
	current := now.Truncate(time.Hour) // as it is in the test's time zone
	shown := func(v *view, m telegraf.Metric) bool {
		return v.shows(m) && !m.Time().Before(v.from) && !m.Time().After(v.to)
	}
	whole := func(v *view, m telegraf.Metric) bool { return shown(v, m) && m.Time().Before(current) }
	running := func(v *view, m telegraf.Metric) bool { return shown(v, m) && m.Time().Equal(current) }
	ever := func(v *view, m telegraf.Metric) bool { return v.shows(m) && m.Time().Equal(current) }
	withCalls := func(v *view, m telegraf.Metric) bool { return shown(v, m) && m.Fields()["calls"] != int64(0) }
	weekBefore := func(v *view, m telegraf.Metric) bool {
		earlier := *v
		earlier.from, earlier.to = v.from.AddDate(0, 0, -7), v.to.AddDate(0, 0, -7)
		return shown(&earlier, m)
	}
	fourWeeks := func(v *view, m telegraf.Metric) bool {
		return v.shows(m) && m.Time().Before(current) && !m.Time().Before(current.AddDate(0, 0, -28))
	}
	opening := func(_ *view, m telegraf.Metric) bool {
		return m.Time().Equal(current.Add(-time.Hour)) && m.Tags()["hour"] >= "08" && m.Tags()["hour"] <= "17"
	}
	lastThree := func(_ *view, m telegraf.Metric) bool {
		return m.Time().Before(current) && !m.Time().Before(current.Add(-3*time.Hour))
	}
	return map[string]pane{
		"Calls A":                                           {shown, nil, calls},
		"Minutes A":                                         {shown, nil, minutes},
		"Minutes a call A":                                  {shown, nil, minutesACall},
		"Calls in the running hour A":                       {ever, nil, calls},
		"Calls by hour A":                                   {whole, byTime, calls},
		"Calls by hour B":                                   {running, byTime, calls},
		"Minutes by hour A":                                 {whole, byTime, minutes},
		"Minutes by hour B":                                 {running, byTime, minutes},
		"Minutes a call by hour A":                          {withCalls, byTime, minutesACall},
		"Hours of the day against a week before A":          {weekBefore, byHour, calls},
		"Hours of the day against a week before B":          {whole, byHour, calls},
		"Hours of the day against a week before C":          {running, byHour, calls},
		"Mean calls by weekday and hour, last four weeks A": {fourWeeks, byWeekdayAndHour, func(points []telegraf.Metric) float64 { return calls(points) / 4 }},
		"Calls in the last whole hour of opening times A":   {opening, byOperation, calls},
		"Hours with data, of the last three whole ones A":   {lastThree, byOperation, func(points []telegraf.Metric) float64 { return float64(len(points)) }},
	}
}

// returned returns the values of a result, for each group of the pane, as its panel shows them.
func returned(t *testing.T, panel string, result []series) map[string]float64 {
	t.Helper()
	values := make(map[string]float64)
	for _, s := range result {
		for _, row := range s.Values {
			require.Len(t, row, 2, panel)
			at, value := time.Unix(0, number(t, row[0], true).(int64)), number(t, row[1], false).(float64)
			switch {
			case strings.HasPrefix(panel, "Mean calls by weekday"): // the panel adds up the days
				values[at.In(bogota).Weekday().String()+" "+s.Tags["hour"]] += value
			case strings.HasPrefix(panel, "Hours with data"): // an alert looks at the last
				values[s.Tags["source"]+s.Tags["operation"]] = value
			case strings.Contains(panel, "by hour"):
				values[at.UTC().String()] += value
			default:
				values[s.Tags["source"]+s.Tags["operation"]+s.Tags["hour"]] += value
			}
		}
	}
	return values
}

func requireValues(t *testing.T, expected, actual map[string]float64, what string) {
	t.Helper()
	require.ElementsMatch(t, slices.Collect(maps.Keys(expected)), slices.Collect(maps.Keys(actual)), what)
	require.InDeltaMapValues(t, expected, actual, 1e-6, what)
}

func TestDashboard(t *testing.T) {
	t.Parallel()
	sales := simulator.Operation{Server: "0001", Token: "invented-token-1", PeakCalls: 100}
	support := simulator.Operation{Server: "0002", Token: "invented-token-2", PeakCalls: 100}
	await(t, "no hour to end while this test runs", func() bool { return time.Until(time.Now().Truncate(time.Hour).Add(time.Hour)) > 15*time.Second })
	w, start, db := startWolkvox(t, sales, support), time.Now(), startInfluxDB(t)
	truth := slices.Concat(w.monthOf(t, sales, "", start), w.monthOf(t, support, "support", start))
	tg := newRecipe(t, "influxdb.conf", remembering+
		w.table(sales, `backfill = "744h"`, `empty_hours = "zero"`)+
		w.table(support, `backfill = "744h"`, `empty_hours = "zero"`, `operation = "support"`), "INFLUX_URL="+db.url())
	tg.start()
	from, to := span(truth)
	tg.await("the month to be in the database", func() bool {
		result := db.query(fmt.Sprintf(`SELECT count("calls") FROM "wolkvox_ivr" WHERE "calls" > 0 AND time >= %d AND time < %d`,
			from.UnixNano(), to.UnixNano()))
		return len(result) == 1 && number(t, result[0].Values[0][1], true) == int64(len(truth))
	})
	tg.stop()
	points := db.metrics(from.Add(-time.Hour), time.Now())
	settledPoints := slices.DeleteFunc(between(points, from, to), func(m telegraf.Metric) bool { return m.Fields()["calls"] == int64(0) })
	testutil.RequireMetricsEqual(t, truth, settledPoints, testutil.SortMetrics())

	d := readDashboard(t)
	local := time.Now().In(bogota)
	today := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, bogota)
	tomorrow := today.AddDate(0, 0, 1).Add(-time.Millisecond)
	expected := panes(time.Now())
	for name, v := range map[string]*view{
		"today":                 {today, tomorrow, time.Hour, ".*", ".*"},
		"today, one source":     {today, tomorrow, time.Hour, `(wv0001\.wolkvox\.com)`, ".*"},
		"today, both sources":   {today, tomorrow, time.Hour, `(wv0001\.wolkvox\.com|wv0002\.wolkvox\.com)`, ".*"},
		"today, one operation":  {today, tomorrow, time.Hour, ".*", "(support)"},
		"yesterday":             {today.AddDate(0, 0, -1), today.Add(-time.Millisecond), time.Hour, ".*", ".*"},
		"three weeks, by day":   {today.AddDate(0, 0, -20), tomorrow, 24 * time.Hour, ".*", ".*"},
		"a source without data": {today, tomorrow, time.Hour, "(nowhere)", ".*"},
	} {
		for _, panel := range d.Panels {
			for _, target := range panel.Targets {
				query := panel.Title + " " + target.RefID
				require.Contains(t, expected, query, "what has this query to return?")
				result := db.query(v.fill(t, target.Query))
				requireValues(t, expected[query].expected(v, points), returned(t, panel.Title, result), query+": "+name)
			}
		}
	}
	// Figures of the truth itself, so that not all rests on the test's own sums.
	require.Len(t, expected["Mean calls by weekday and hour, last four weeks A"].expected(&view{source: ".*", operation: ".*"}, points), 7*24)

	variables := make(map[string][]any)
	for _, variable := range d.Templating.List {
		if variable.Type == "query" {
			require.Equal(t, ".*", variable.AllValue)
			for _, s := range db.query(strings.ReplaceAll(variable.Query, "$source", ".*")) {
				for _, row := range s.Values {
					variables[variable.Name] = append(variables[variable.Name], row[1])
				}
			}
		}
	}
	require.Equal(t, map[string][]any{"source": {"wv0001.wolkvox.com", "wv0002.wolkvox.com"}, "operation": {"support"}}, variables)

	alerts(t, d, db)
}

// alerts looks at the queries for alert rules again, with an operation that has fallen silent and one that had no calls in the last hour.
func alerts(t *testing.T, d *dashboard, db *influxdb) {
	t.Helper()
	current := time.Now().Truncate(time.Hour)
	point := func(server string, calls int, hour time.Time) string {
		return fmt.Sprintf("wolkvox_ivr,hour=%s,source=%s calls=%di,minutes=0 %d\n", hour.In(bogota).Format("15"), server, calls, hour.UnixNano())
	}
	db.write(point("silent", 5, current.Add(-5*time.Hour)) + point("silent", 5, current.Add(-4*time.Hour)) + point("idle", 0, current.Add(-time.Hour)))
	for _, panel := range d.Panels {
		for _, target := range panel.Targets {
			switch panel.Title {
			case "Hours with data, of the last three whole ones":
				values := returned(t, panel.Title, db.query(target.Query))
				requireValues(t, map[string]float64{"silent": 0, "idle": 1, "wv0001.wolkvox.com": 3, "wv0002.wolkvox.comsupport": 3}, values, panel.Title)
			case "Calls in the last whole hour of opening times":
				hours := regexp.MustCompile(`=~ /(.*?)/`).FindStringSubmatch(target.Query)[1]
				for hour := range 24 {
					require.Equal(t, hour >= 8 && hour <= 17, regexp.MustCompile(hours).MatchString(fmt.Sprintf("%02d", hour)))
				}
				last := current.Add(-time.Hour).In(bogota).Format("15")
				values := returned(t, panel.Title, db.query(strings.Replace(target.Query, hours, last, 1)))
				require.Contains(t, values, "wv0001.wolkvox.com")
				require.Zero(t, values["idle"])
				require.Contains(t, values, "idle")
				require.NotContains(t, values, "silent") // the other rule's business
				require.Empty(t, db.query(strings.Replace(target.Query, hours, current.Add(-2*time.Hour).In(bogota).Format("15"), 1)), "after hours")
			}
		}
	}
}

// What holds for the JSON as such: what a change of one part must not forget in another.
func TestDashboardFile(t *testing.T) {
	t.Parallel()
	d := readDashboard(t)
	require.Equal(t, "America/Bogota", d.Timezone)
	require.Equal(t, []string{"now/d", "now/d"}, []string{d.Time.From, d.Time.To}) // "today"
	expected := panes(time.Now())
	for _, panel := range d.Panels {
		for _, transformation := range panel.Transformations {
			if transformation.ID == "formatTime" {
				require.Equal(t, d.Timezone, transformation.Options.Timezone)
			}
		}
		for _, target := range panel.Targets {
			delete(expected, panel.Title+" "+target.RefID)
			for _, match := range regexp.MustCompile(`tz\('(.*?)'\)`).FindAllStringSubmatch(target.Query, -1) {
				require.Equal(t, d.Timezone, match[1])
			}
			if strings.Contains(target.Query, "$__interval") {
				require.Equal(t, "1h", panel.Interval, "the least that is of use")
				require.Contains(t, target.Query, "tz(")
			}
			table := panel.Type == "table" || panel.Type == "barchart"
			require.Equal(t, table, target.ResultFormat == "table", panel.Title)
		}
	}
	require.Empty(t, expected, "panels that are no more")
}
