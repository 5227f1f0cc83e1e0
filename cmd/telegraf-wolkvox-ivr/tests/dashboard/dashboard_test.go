//go:build integration

package dashboard

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/testutil"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// dashboard is what the tests need of Grafana's JSON.
type dashboard struct {
	Timezone   string
	Time       struct{ From, To string }
	Templating struct {
		List []struct{ Name, Type, Query, AllValue string }
	}
	Panels []panel
}

type panel struct {
	Title, Type, Description string
	Interval                 string
	TimeFrom, TimeShift      string
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []struct{ RefID, Query, ResultFormat string }
}

// readDashboard reads the file in a language.
func readDashboard(t *testing.T, file string) *dashboard {
	t.Helper()
	content, err := os.ReadFile(testbed.Root + "/testdata/grafana/" + file)
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
	now               time.Time
}

// of returns what a panel makes of it: one with a time range of its own shows the month.
func (v *view) of(p *panel) *view {
	own := *v
	if p.TimeFrom == "now/M" && p.TimeShift == "0M/M" {
		local := v.now.In(bogota)
		own.from = time.Date(local.Year(), local.Month(), 1, 0, 0, 0, 0, bogota)
		own.to = own.from.AddDate(0, 1, 0).Add(-time.Millisecond)
	}
	return &own
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
		"$__timezone", bogota.String(),
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

// panes returns what each query of the dashboard has to return, at a time.
func panes(now time.Time) map[string]pane {
	current := now.Truncate(time.Hour) // as it is in the test's time zone
	shown := func(v *view, m telegraf.Metric) bool {
		return v.shows(m) && !m.Time().Before(v.from) && !m.Time().After(v.to)
	}
	whole := func(v *view, m telegraf.Metric) bool { return shown(v, m) && m.Time().Before(current) }
	running := func(v *view, m telegraf.Metric) bool { return shown(v, m) && m.Time().Equal(current) }
	ever := func(v *view, m telegraf.Metric) bool { return v.shows(m) && m.Time().Equal(current) }
	withCalls := func(v *view, m telegraf.Metric) bool { return whole(v, m) && m.Fields()["calls"] != int64(0) }
	before := func(weeks int) func(v *view, m telegraf.Metric) bool {
		return func(v *view, m telegraf.Metric) bool {
			earlier := *v
			earlier.from, earlier.to = v.from.AddDate(0, 0, -7*weeks), v.to.AddDate(0, 0, -7*weeks)
			return shown(&earlier, m)
		}
	}
	left := func(v *view, m telegraf.Metric) bool {
		return v.shows(m) && m.Time().After(v.now.AddDate(0, 0, -35)) && !m.Time().After(v.to.AddDate(0, 0, -35))
	}
	called := func(v *view, m telegraf.Metric) bool { return v.shows(m) && m.Fields()["calls"] != int64(0) }
	newest := func(points []telegraf.Metric) (newest float64) {
		for _, m := range points {
			newest = max(newest, float64(m.Time().Unix()))
		}
		return newest
	}
	fourWeeks := func(v *view, m telegraf.Metric) bool {
		return v.shows(m) && m.Time().Before(current) && !m.Time().Before(current.AddDate(0, 0, -28))
	}
	return map[string]pane{
		"Calls A":                                     {shown, nil, calls},
		"Minutes A":                                   {shown, nil, minutes},
		"Minutes a call A":                            {shown, nil, minutesACall},
		"Calls this hour A":                           {ever, nil, calls},
		"Newest hour A":                               {called, nil, newest},
		"Calls today against a usual day A":           {whole, byHour, calls},
		"Calls today against a usual day B":           {running, byHour, calls},
		"Calls today against a usual day C":           {before(1), byHour, calls},
		"Calls today against a usual day D":           {before(2), byHour, calls},
		"Calls today against a usual day E":           {before(3), byHour, calls},
		"Calls today against a usual day F":           {before(4), byHour, calls},
		"Minutes this month A":                        {shown, nil, minutes},
		"Minutes this month B":                        {left, nil, minutes},
		"Calls by hour A":                             {whole, byTime, calls},
		"Calls by hour B":                             {running, byTime, calls},
		"Minutes by hour A":                           {whole, byTime, minutes},
		"Minutes by hour B":                           {running, byTime, minutes},
		"The usual week: calls by weekday and hour A": {fourWeeks, byWeekdayAndHour, func(points []telegraf.Metric) float64 { return calls(points) / 4 }},
		"Minutes a call by hour A":                    {withCalls, byTime, minutesACall},
	}
}

// returned returns the values of a result, for each group of the pane, as its panel shows them.
func returned(t *testing.T, panel string, result []testbed.Series) map[string]float64 {
	t.Helper()
	values := make(map[string]float64)
	for _, s := range result {
		for _, row := range s.Values {
			require.Len(t, row, 2, panel)
			at, value := time.Unix(0, testbed.Number(t, row[0], true).(int64)), testbed.Number(t, row[1], false).(float64)
			switch {
			case panel == "Newest hour":
				values[""] = float64(at.Unix())
			case strings.HasPrefix(panel, "The usual week"): // the panel adds up the days
				values[at.In(bogota).Weekday().String()+" "+s.Tags["hour"]] += value
			case strings.HasSuffix(panel, "by hour"):
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

// history is how much of the past the dashboard looks at: this month, and the rest of it as it was five weeks before.
const history = (31 + 35 + 1) * 24 * time.Hour

// gathered brings the history of some operations, and the plugin's own statistics, into a database as the plugin does.
func gathered(t *testing.T, w *testbed.Wolkvox, db *testbed.InfluxDB, tables ...string) {
	t.Helper()
	recipe := "influxdb.conf"
	if db.Token != "" {
		recipe = "influxdb_v2.conf"
	}
	tg := testbed.NewRecipe(t, recipe, testbed.Remembering+"[[inputs.internal]]\ninterval = \"1s\"\n"+strings.Join(tables, ""),
		"INFLUX_URL="+db.URL(), "INFLUX2_URL="+db.URL(), "INFLUX_TOKEN="+db.Token, "INFLUX_ORG=ivr", "INFLUX_BUCKET=telegraf")
	tg.Start()
	tg.Await("all of the past to be read", func() bool { return strings.Count(tg.Log(), testbed.PastRead) == len(tables) })
	gathers := len(w.Ledger())
	tg.Await("one more gather", func() bool { return len(w.Ledger()) > gathers })
	tg.Await("the statistics of it", func() bool { return len(db.Query(lastReading(t))) > 0 })
	tg.Stop()
}

// lastReading returns the query of the panel of that name.
func lastReading(t *testing.T) string {
	t.Helper()
	for _, p := range readDashboard(t, "wolkvox_ivr.json").Panels {
		if p.Title == "Last reading" {
			return (&view{source: ".*", operation: ".*"}).fill(t, p.Targets[0].Query)
		}
	}
	require.FailNow(t, "no panel shows the last reading")
	return ""
}

// dashboardOptions are those of operations that a dashboard is looked at with.
var dashboardOptions = []string{fmt.Sprintf("backfill = %q", history), `empty_hours = "zero"`, testbed.Often}

//promise:dashboard
func TestDashboard(t *testing.T) {
	t.Parallel()
	for version, start := range map[string]func(*testing.T) *testbed.InfluxDB{"1.8": testbed.StartInfluxDB, "2.7": testbed.StartInfluxDB2} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			requireQueries(t, start(t))
		})
	}
}

// requireQueries requires every query of the dashboard to return what it should, on the database.
func requireQueries(t *testing.T, db *testbed.InfluxDB) {
	t.Helper()
	sales := simulator.Operation{Server: "0001", Token: "invented-token-1", PeakCalls: 100}
	support := simulator.Operation{Server: "0002", Token: "invented-token-2", PeakCalls: 100}
	awaitQuietHour(t, 30*time.Second)
	w, start := testbed.StartWolkvox(t, sales, support), time.Now()
	gathered(t, w, db, w.Table(sales, dashboardOptions...), w.Table(support, append(dashboardOptions, `operation = "support"`)...))
	truth := slices.Concat(w.MonthOf(t, sales, "", start), w.MonthOf(t, support, "support", start))
	from, to := testbed.Span(truth)
	points := db.Metrics(start.Add(-2*history), time.Now())
	settledPoints := slices.DeleteFunc(testbed.Between(points, from, to), func(m telegraf.Metric) bool { return m.Fields()["calls"] == int64(0) })
	testutil.RequireMetricsEqual(t, truth, settledPoints, testutil.SortMetrics())

	d := readDashboard(t, "wolkvox_ivr.json")
	now := time.Now()
	local := now.In(bogota)
	today := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, bogota)
	tomorrow := today.AddDate(0, 0, 1).Add(-time.Millisecond)
	expected := panes(now)
	for name, v := range map[string]*view{
		"today":                 {today, tomorrow, time.Hour, ".*", ".*", now},
		"today, one source":     {today, tomorrow, time.Hour, `(wv0001\.wolkvox\.com)`, ".*", now},
		"today, both sources":   {today, tomorrow, time.Hour, `(wv0001\.wolkvox\.com|wv0002\.wolkvox\.com)`, ".*", now},
		"today, one operation":  {today, tomorrow, time.Hour, ".*", "(support)", now},
		"yesterday":             {today.AddDate(0, 0, -1), today.Add(-time.Millisecond), time.Hour, ".*", ".*", now},
		"three weeks, by day":   {today.AddDate(0, 0, -20), tomorrow, 24 * time.Hour, ".*", ".*", now},
		"a source without data": {today, tomorrow, time.Hour, "(nowhere)", ".*", now},
	} {
		for _, panel := range d.Panels {
			if panel.Title == "Last reading" {
				continue
			}
			for _, target := range panel.Targets {
				query, v := panel.Title+" "+target.RefID, v.of(&panel)
				require.Contains(t, expected, query, "what has this query to return?")
				result := db.Query(v.fill(t, target.Query))
				requireValues(t, expected[query].expected(v, points), returned(t, panel.Title, result), query+": "+name)
			}
		}
	}
	// Figures of the truth itself, so that not all rests on the test's own sums.
	require.Len(t, expected["The usual week: calls by weekday and hour A"].expected(&view{source: ".*", operation: ".*"}, points), 7*24)

	variables := make(map[string][]any)
	for _, variable := range d.Templating.List {
		if variable.Type == "query" {
			require.Equal(t, ".*", variable.AllValue)
			for _, s := range db.Query(strings.ReplaceAll(variable.Query, "$source", ".*")) {
				for _, row := range s.Values {
					variables[variable.Name] = append(variables[variable.Name], row[1])
				}
			}
		}
	}
	require.Equal(t, map[string][]any{"source": {"wv0001.wolkvox.com", "wv0002.wolkvox.com"}, "operation": {"support"}}, variables)

	read := time.Unix(0, testbed.Number(t, db.Query(lastReading(t))[0].Values[0][0], true).(int64))
	require.WithinRange(t, read, start, time.Now())
}

// awaitQuietHour waits until no hour ends for so long, if need be.
func awaitQuietHour(t *testing.T, long time.Duration) {
	t.Helper()
	for time.Until(time.Now().Truncate(time.Hour).Add(time.Hour)) < long {
		time.Sleep(time.Second)
	}
}

// A gather that hands nothing on is no reading, nor is a plugin's new start, after which it counts from nothing.
//
//promise:dashboard
func TestDashboardLastReading(t *testing.T) {
	t.Parallel()
	db := testbed.StartInfluxDB(t)
	db.Query("CREATE DATABASE telegraf")
	now := time.Now().Truncate(time.Minute)
	for _, reading := range []struct {
		source string
		ago    time.Duration
		rows   int
	}{
		{"a", 50 * time.Minute, 10}, {"a", 45 * time.Minute, 14}, {"a", 40 * time.Minute, 14},
		{"b", 60 * time.Minute, 10}, {"b", 55 * time.Minute, 14}, {"b", 20 * time.Minute, 0}, {"b", 15 * time.Minute, 0},
	} {
		db.Write(fmt.Sprintf("internal_wolkvox_ivr,input=wolkvox_ivr,source=%s rows=%di %d\n",
			reading.source, reading.rows, now.Add(-reading.ago).UnixNano()))
	}
	result := db.Query(lastReading(t))
	require.Len(t, result, 1)
	require.Equal(t, now.Add(-45*time.Minute).UnixNano(), testbed.Number(t, result[0].Values[0][0], true))
}

// grafanaVersion returns that of the packages that draw the dashboard.
func grafanaVersion(t *testing.T) string {
	t.Helper()
	version := regexp.MustCompile(`"@grafana/ui": "(.*)"`).FindStringSubmatch(testbed.ReadDoc(t, "testdata/grafana/render/package.json"))
	require.NotNil(t, version)
	return version[1]
}

// What holds for the JSON as such: what a change of one part must not forget in another.
//
//promise:dashboard
func TestDashboardFile(t *testing.T) {
	t.Parallel()
	made := t.TempDir()
	testbed.Execute(t, testbed.Root, "go", "run", "./testdata/grafana/source", made)
	titles := make(map[string]bool)
	for _, file := range []string{"wolkvox_ivr.json", "wolkvox_ivr.es.json"} {
		expected, err := os.ReadFile(filepath.Join(made, file))
		require.NoError(t, err)
		require.Equal(t, string(expected), testbed.ReadDoc(t, "testdata/grafana/"+file), "not what its source makes: make dashboard-files")
		require.NotRegexp(t, `"(en|es)":`, string(expected), "a text that lacks a language")
		d := readDashboard(t, file)
		require.Equal(t, []string{"now/d", "now/d"}, []string{d.Time.From, d.Time.To}) // "today"
		require.Equal(t, 1, strings.Count(string(expected), bogota.String()), "the time zone is in one place")
		for _, panel := range d.Panels {
			require.NotEmpty(t, panel.Description, panel.Title)
			require.False(t, titles[panel.Title], panel.Title)
			titles[panel.Title] = true
			for _, target := range panel.Targets {
				for _, match := range regexp.MustCompile(`tz\('(.*?)'\)`).FindAllStringSubmatch(target.Query, -1) {
					require.Equal(t, "$__timezone", match[1])
				}
				if strings.Contains(target.Query, "$__interval") {
					require.Equal(t, "1h", panel.Interval, "the least that is of use")
					require.Contains(t, target.Query, "tz(")
				}
				if panel.Type == "table" || panel.Type == "trend" {
					require.Equal(t, "table", target.ResultFormat, panel.Title)
				}
			}
		}
	}
	require.Contains(t, testbed.ReadDoc(t, testbed.Ours+"packaging/container/compose.yaml"), "grafana/grafana:"+grafanaVersion(t)+"\n",
		"the Grafana whose code drew it")
	expected := panes(time.Now())
	for _, panel := range readDashboard(t, "wolkvox_ivr.json").Panels {
		for _, target := range panel.Targets {
			delete(expected, panel.Title+" "+target.RefID)
		}
	}
	require.Empty(t, expected, "panels that are no more")
}
