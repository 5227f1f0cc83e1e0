//go:build integration

package dashboard

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// instance is an alert instance: the labels for which a rule fires.
type instance struct {
	labels map[string]string
	values map[string]float64 // by refId
}

// firing evaluates a rule at a time, as Grafana does.
func (rule *alertRule) firing(t *testing.T, db *testbed.InfluxDB, now time.Time) (instances []instance) {
	t.Helper()
	return rule.firingBy(t, db, "'"+now.UTC().Format(time.RFC3339)+"'")
}

// firingBy is like firing. now replaces now() in the queries.
func (rule *alertRule) firingBy(t *testing.T, db *testbed.InfluxDB, now string) (instances []instance) {
	t.Helper()
	results := make(map[string]numbers)
	var evaluate func(refID string)
	evaluate = func(refID string) {
		if _, done := results[refID]; done {
			return
		}
		var values numbers
		switch model := rule.model(t, refID); model.Type {
		case "reduce": // to the last value, the only one that a query here returns
			evaluate(model.Expression)
			values = results[model.Expression]
		case "math":
			for _, match := range variable.FindAllStringSubmatch(model.Expression, -1) {
				evaluate(match[1])
			}
			var err error
			values, err = calculate(model.Expression, results)
			require.NoError(t, err, rule.Title)
		default:
			for _, s := range db.Query(strings.ReplaceAll(model.Query, "now()", now)) {
				last := s.Values[len(s.Values)-1]
				values = append(values, number{s.Tags, testbed.Number(t, last[1], false).(float64)})
			}
		}
		results[refID] = values
	}
	evaluate(rule.Condition)
	if len(results[rule.Condition]) == 0 && rule.NoDataState == "Alerting" {
		return []instance{{}}
	}
	for _, n := range results[rule.Condition] {
		if n.value == 0 {
			continue
		}
		values := make(map[string]float64)
		for refID, of := range results {
			for _, result := range of {
				if contains(n.labels, result.labels) {
					values[refID] = result.value
				}
			}
		}
		instances = append(instances, instance{n.labels, values})
	}
	return instances
}

// series returns the names of the series for which a rule fires.
func series(instances []instance) (names []string) {
	for _, i := range instances {
		names = append(names, strings.TrimSpace(i.labels["source"]+" "+i.labels["operation"]))
	}
	slices.Sort(names)
	return names
}

// rows builds rows of hours that began some hours before now's. A name is a source, or a source and an operation.
type rows struct {
	strings.Builder
	now  time.Time
	zone *time.Location
}

func tagsOf(name string) string {
	source, operation, found := strings.Cut(name, " ")
	if found {
		operation = ",operation=" + operation
	}
	return "source=" + source + operation
}

// calls adds the hours from one number of hours ago to another, both inclusive. The function returns the calls of an
// hour of the day.
func (r *rows) calls(name string, from, to int, calls func(hour int) int) {
	for ago := from; ago <= to; ago++ {
		start := r.now.Truncate(time.Hour).Add(-time.Duration(ago) * time.Hour)
		hour := start.In(r.zone).Hour()
		fmt.Fprintf(r, "wolkvox_ivr,%s,hour=%02d calls=%di,minutes=%d %d\n", tagsOf(name), hour, calls(hour), 2*calls(hour), start.UnixNano())
	}
}

// statistics adds values of a field, an hour apart, the last one at now.
func (r *rows) statistics(name, field string, values ...int) {
	for i, value := range values {
		at := r.now.Add(-time.Duration(len(values)-1-i) * time.Hour)
		fmt.Fprintf(r, "internal_wolkvox_ivr,input=wolkvox_ivr,%s %s=%di %d\n", tagsOf(name), field, value, at.UnixNano())
	}
}

func always(calls int) func(int) int { return func(int) int { return calls } }

// onInfluxDB runs a test on an empty database of each version of InfluxDB.
func onInfluxDB(t *testing.T, test func(t *testing.T, db *testbed.InfluxDB)) {
	t.Helper()
	t.Run("InfluxDB 1.8", func(t *testing.T) {
		t.Parallel()
		db := testbed.StartInfluxDB(t)
		db.Query("CREATE DATABASE telegraf")
		test(t, db)
	})
	t.Run("InfluxDB 2.7", func(t *testing.T) {
		t.Parallel()
		test(t, testbed.StartInfluxDB2(t))
	})
}

func location(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	require.NoError(t, err)
	return zone
}

// Each rule fires for the right series, and no others, on a Wednesday in opening hours.
//
//promise:alerts
func TestAlerts(t *testing.T) {
	t.Parallel()
	onInfluxDB(t, func(t *testing.T, db *testbed.InfluxDB) {
		zone := location(t, bogota)
		r := &rows{zone: zone, now: time.Date(2025, 6, 11, 10, 20, 0, 0, zone)}
		const days = 29 * 24
		r.calls("steady", 0, days, always(100))
		r.calls("steady sales", 0, days, always(50))
		r.calls("fallen-silent", 4, days, always(100))
		r.calls("silent-for-two-hours", 3, days, always(100))
		r.calls("silent-till-now", 0, 0, always(100))
		r.calls("silent-till-now", 4, days, always(100))
		r.calls("dead-for-8-days", 8*24, days, always(100))
		r.calls("dead-for-200-days", 200*24, 210*24, always(100))
		r.calls("dead-for-a-year", 366*24, 370*24, always(100))
		r.calls("renamed old", 72, days, always(100))
		r.calls("renamed new", 0, 71, always(300))
		r.calls("new", 0, 2, always(100))
		r.calls("three-weeks-old", 0, 21*24+4, func(hour int) int { return 100 * hour })
		r.calls("four-weeks-and-an-hour-old", 0, 28*24+1, always(100))
		r.calls("idle", 0, 0, always(5))
		r.calls("idle", 1, 1, always(0))
		r.calls("idle", 2, days, always(10))
		r.calls("idle-an-hour-ago", 2, 2, always(0))
		r.calls("idle-an-hour-ago", 1, 1, always(1))
		r.calls("idle-now", 0, 0, always(0))
		r.calls("idle-now", 1, 1, always(1))
		for name, today := range map[string]int{"half": 49, "nearly-half": 51, "nearly-twice": 199, "twice": 201} {
			r.calls(name, 5, days, always(100))
			r.calls(name, 1, 4, always(today))
			r.calls(name, 0, 0, always(0))
		}
		r.calls("just-too-few", 5, days, always(13))
		r.calls("just-too-few", 1, 4, always(1))
		r.calls("just-enough", 5, days, always(14))
		r.calls("just-enough", 1, 4, always(1))
		r.calls("other-hours", 5, days, func(hour int) int { return map[bool]int{true: 100, false: 1000}[hour >= 7 && hour <= 9] })
		r.calls("other-hours", 0, 4, always(100))
		for week, calls := range []int{45, 50, 50, 50, 250} {
			r.calls("less-than-half-the-mean-alone", 7*24*week, 7*24*week+5, always(calls))
		}
		r.statistics("spent sales", "failures_quota", 0, 0, 1, 1)
		r.statistics("spent-yesterday", "failures_quota", 0, 1, 1, 1, 1, 1, 1, 1, 1, 1)
		r.statistics("restarted", "failures_quota", 2, 2, 0)
		r.statistics("restarted-and-spent", "failures_quota", 2, 2, 0, 1)
		r.statistics("greedy", "requests", 0, 400, 500, 0, 301)
		r.statistics("greedy sales", "requests", 0, 900)
		r.statistics("modest", "requests", 0, 400, 500, 0, 300)
		r.statistics("greedy-before", "requests", append([]int{0, 900}, slices.Repeat([]int{900}, 24)...)...)
		seconds := int(time.Second)
		r.statistics("clock-ahead", "clock_difference_ns", 0, 121*seconds)
		r.statistics("clock-behind sales", "clock_difference_ns", -125*seconds)
		r.statistics("clock-near", "clock_difference_ns", 200*seconds, 119*seconds)
		r.statistics("clock-near sales", "clock_difference_ns", -200*seconds, -119*seconds)
		r.statistics("clock-set-right", "clock_difference_ns", 0)
		for name, ago := range map[string]time.Duration{"clock-set-right": 20 * time.Minute, "clock-of-a-plugin-that-has-ended": 31 * time.Minute} {
			before := &rows{now: r.now.Add(-ago)}
			before.statistics(name, "clock_difference_ns", 300*seconds)
			db.Write(before.String())
		}
		db.Write(r.String())

		expected := map[string][]string{
			"No calls in opening hours":  {"idle"},
			"No data":                    {"dead-for-200-days", "dead-for-8-days", "fallen-silent", "renamed old", "silent-till-now"},
			"Far from usual":             {"half", "just-enough", "less-than-half-the-mean-alone", "twice"},
			"Contracted minutes used up": nil,
			"Quota used up":              {"restarted-and-spent", "spent sales"},
			"Quota nearly used up":       {"greedy", "greedy sales"},
			"Clocks differ":              {"clock-ahead", "clock-behind sales"},
		}
		fired, texts := make(map[string][]string), make(map[string][]string)
		for _, rule := range readAlerts(t) {
			instances := rule.firing(t, db, r.now)
			fired[rule.Title] = series(instances)
			for _, i := range instances {
				texts[rule.Title] = append(texts[rule.Title], rule.render(t, "summary", i.labels, i.values), rule.render(t, "resumen", i.labels, i.values))
			}
		}
		require.Equal(t, expected, fired)
		for title, text := range map[string]string{
			"No calls in opening hours": "idle: no calls in the last whole hour, which is an opening hour.",
			"No data":                   "renamed (old): no data for the last three whole hours.",
			"Far from usual":            "half: 147 calls in the last three whole hours. 300 are usual at this time on this weekday.",
			"Quota nearly used up":      "greedy (sales): 900 API requests in 24 hours.",
		} {
			require.Contains(t, texts[title], text)
		}
		require.Contains(t, texts["Clocks differ"], "clock-ahead: the API's clock is 121 seconds ahead of that of the plugin's machine.")
		require.Contains(t, texts["Clocks differ"], "clock-behind (sales): el reloj de la API está 125 segundos atrasado respecto al del equipo del plugin.")
	})
}

// Exactly half and exactly twice are not far from usual, and exactly 40 calls are enough. InfluxDB computes some of
// these with an error in the last digit.
//
//promise:alerts
func TestAlertsAtTheLimits(t *testing.T) {
	t.Parallel()
	onInfluxDB(t, func(t *testing.T, db *testbed.InfluxDB) {
		zone := location(t, bogota)
		r := &rows{zone: zone, now: time.Date(2025, 6, 11, 10, 20, 0, 0, zone)}
		add := func(name string, today, usual [3]int) {
			for hour := range 3 {
				r.calls(name, 1+hour, 1+hour, always(today[hour]))
				for week := 1; week <= 4; week++ {
					r.calls(name, 7*24*week+1+hour, 7*24*week+1+hour, always(usual[hour]))
				}
			}
		}
		var far []string
		for n := 19; n <= 120; n++ { // number of calls in three hours
			half, twice := [3]int{n / 3, (n + 1) / 3, (n + 2) / 3}, [3]int{2 * n / 3, (2*n + 1) / 3, (2*n + 2) / 3}
			less, more := [3]int{half[0] - 1, half[1], half[2]}, [3]int{twice[0], twice[1], twice[2] + 1}
			add(fmt.Sprintf("half-of-%d", 2*n), half, twice)
			add(fmt.Sprintf("twice-%d", n), twice, half)
			add(fmt.Sprintf("less-than-half-of-%d", 2*n), less, twice)
			add(fmt.Sprintf("more-than-twice-%d", n), more, half)
			if 2*n >= 40 {
				far = append(far, fmt.Sprintf("less-than-half-of-%d", 2*n))
			}
			if n >= 40 {
				far = append(far, fmt.Sprintf("more-than-twice-%d", n))
			}
		}
		for _, forty := range [][3]int{{3, 23, 14}, {14, 23, 3}, {3, 28, 9}, {9, 28, 3}, {3, 33, 4}, {4, 33, 3}} {
			name := fmt.Sprintf("exactly-40-as-%d-%d-%d", forty[0], forty[1], forty[2])
			add(name, [3]int{1, 1, 1}, forty)
			far = append(far, name)
		}
		db.Write(r.String())
		slices.Sort(far)
		require.Equal(t, far, series(ruleOf(t, "Far from usual").firing(t, db, r.now)))
	})
}

// A plugin that starts when the quota is spent first reports 0 refusals, because its statistics precede the API's first
// response.
//
//promise:alerts
func TestAlertOfAQuotaSpentBeforeTheStart(t *testing.T) {
	t.Parallel()
	w := testbed.StartWolkvox(t, testbed.Near)
	w.SetLatency(2*time.Second, 2*time.Second)
	w.SetFaults(1, simulator.FaultQuota)
	db := testbed.StartInfluxDB(t)
	tg := testbed.NewRecipe(t, "influxdb.conf", "[agent]\nround_interval = false\n"+ // at whole seconds, the first two could have the same time
		w.Table(testbed.Near)+"[[inputs.internal]]\ninterval = \"1s\"\n", "INFLUX_URL="+db.URL())
	rule := ruleOf(t, "Quota used up")
	tg.Start()
	tg.Await("the alert", func() bool {
		return slices.Equal(series(rule.firingBy(t, db, "now()")), []string{"wv0001.wolkvox.com"})
	})
}

// The contracted minutes are set in a single expression of the rule. Until they are, the rule never fires.
//
//promise:alerts
func TestAlertMinutes(t *testing.T) {
	t.Parallel()
	onInfluxDB(t, func(t *testing.T, db *testbed.InfluxDB) {
		zone := location(t, bogota)
		r := &rows{zone: zone, now: time.Date(2025, 6, 11, 10, 20, 0, 0, zone)}
		r.calls("above", 0, 30*24-1, always(7))
		r.calls("above", 0, 0, always(8))
		r.calls("as-many", 0, 40*24, always(7))
		db.Write(r.String())
		rule := ruleOf(t, "Contracted minutes used up")
		require.Empty(t, rule.firing(t, db, r.now))
		rule.model(t, "contract").Expression = "10080"
		instances := rule.firing(t, db, r.now)
		require.Equal(t, []string{"above"}, series(instances))
		require.Equal(t, "above: 10082 minutes in the last 30 days. The contract includes 10080 per month.",
			rule.render(t, "summary", instances[0].labels, instances[0].values))
	})
}

func ruleOf(t *testing.T, title string) *alertRule {
	t.Helper()
	rules := readAlerts(t)
	i := slices.IndexFunc(rules, func(rule *alertRule) bool { return rule.Title == title })
	require.GreaterOrEqual(t, i, 0, title)
	return rules[i]
}

// An empty database fires one alert.
//
//promise:alerts
func TestAlertsOfAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	onInfluxDB(t, func(t *testing.T, db *testbed.InfluxDB) {
		for _, rule := range readAlerts(t) {
			instances := rule.firingBy(t, db, "now()")
			if rule.Title != "No data" {
				require.Empty(t, instances, rule.Title)
				continue
			}
			require.Len(t, instances, 1)
			require.Equal(t, "No operation has any data, or InfluxDB can't be queried.", rule.render(t, "summary", nil, nil))
		}
	})
}

// If the only operation is renamed, its old name has no data, and its new name is not compared with it.
//
//promise:alerts
func TestAlertsOfARenamedOperation(t *testing.T) {
	t.Parallel()
	onInfluxDB(t, func(t *testing.T, db *testbed.InfluxDB) {
		zone := location(t, bogota)
		r := &rows{zone: zone, now: time.Date(2025, 6, 11, 10, 20, 0, 0, zone)}
		r.calls("a old", 72, 29*24, always(100))
		r.calls("a new", 0, 71, always(10))
		db.Write(r.String())
		for _, rule := range readAlerts(t) {
			var expected []string
			if rule.Title == "No data" {
				expected = []string{"a old"}
			}
			require.Equal(t, expected, series(rule.firing(t, db, r.now)), rule.Title)
		}
	})
}

// In each hour of an ordinary weekend and of the days around clock changes, the rule knows weekday and hour by each
// operation's clock, also in time zones with half hours, and whether it is an opening hour.
//
//promise:alerts
func TestAlertsInOpeningHours(t *testing.T) {
	t.Parallel()
	onInfluxDB(t, func(t *testing.T, db *testbed.InfluxDB) {
		zones := make(map[string]*time.Location)
		for _, name := range []string{"Etc/GMT+12", "America/Santiago", "America/New_York", "America/St_Johns", "America/Bogota", "Europe/Madrid",
			"Africa/Cairo", "Asia/Kolkata", "Australia/Sydney"} {
			zones[name] = location(t, name)
		}
		lastWholeHour := func(name string, now time.Time) time.Time {
			local := now.In(zones[name])
			return local.Add(-time.Hour - time.Duration(local.Minute())*time.Minute)
		}
		rule := ruleOf(t, "No calls in opening hours")
		open := rule.model(t, "open").Expression
		rule.model(t, "open").Expression = "$day > 0 && $hour >= 0"
		for first, days := range map[string]int{
			"2025-06-06": 4, // from a Friday to a Monday
			"2025-03-29": 3, // Madrid
			"2025-04-05": 3, // Santiago, Sydney
			"2025-09-06": 3, // Santiago
			"2025-10-25": 3, // Madrid
			"2025-10-30": 5, // Cairo, New York, St. John's
		} {
			from, err := time.Parse(time.DateOnly, first)
			require.NoError(t, err)
			to := from.AddDate(0, 0, days)
			var lines strings.Builder
			for now := from; !now.After(to); now = now.Add(time.Hour) {
				for name := range zones {
					start := lastWholeHour(name, now)
					fmt.Fprintf(&lines, "wolkvox_ivr,source=%s,hour=%s calls=0i,minutes=0 %d\n", name, start.Format("15"), start.UnixNano())
				}
			}
			db.Write(lines.String())
			for now := from; now.Before(to); now = now.Add(59 * time.Minute) {
				instances := rule.firing(t, db, now)
				require.Len(t, instances, len(zones), now)
				for _, i := range instances {
					start := lastWholeHour(i.labels["source"], now)
					hour, day := start.Hour(), (int(start.Weekday())+6)%7+1 // Sunday is 7
					require.InDelta(t, hour, i.values["hour"], 1e-9, start)
					require.InDelta(t, day, i.values["day"], 1e-9, start)
					isOpen, err := calculate(open, map[string]numbers{"day": {{value: i.values["day"]}}, "hour": {{value: i.values["hour"]}}})
					require.NoError(t, err)
					expected := day <= 5 && hour >= 8 && hour < 18 || day == 6 && hour >= 9 && hour < 13
					require.Equal(t, numbers{{value: truth(expected)}}, isOpen, start)
				}
			}
		}
	})
}

// An operation gets its own opening hours as the guide describes. The rule continues for all others, also for those
// without the tag.
//
//promise:alerts
func TestAlertsWithOtherOpeningHours(t *testing.T) {
	t.Parallel()
	conditions := regexp.MustCompile("`(AND \"operation\" (?:=|<>) 'sales')`").FindAllStringSubmatch(strings.Join(strings.Fields(alertGuide(t)), " "), -1)
	require.Len(t, conditions, 2)
	ruleWith := func(condition string) *alertRule {
		rule := ruleOf(t, "No calls in opening hours")
		calls := rule.model(t, "query_calls")
		require.Equal(t, 1, strings.Count(calls.Query, " GROUP BY "))
		calls.Query = strings.Replace(calls.Query, " GROUP BY ", " "+condition+" GROUP BY ", 1)
		return rule
	}
	sales, others := ruleWith(conditions[0][1]), ruleWith(conditions[1][1])
	sales.model(t, "open").Expression = "$hour >= 12 && $hour < 20"
	onInfluxDB(t, func(t *testing.T, db *testbed.InfluxDB) {
		zone := location(t, bogota)
		at := func(hour int) time.Time { return time.Date(2025, 6, 11, hour, 20, 0, 0, zone) }
		r := &rows{zone: zone, now: at(22)}
		for _, name := range []string{"a sales", "a support", "b", "b sales"} {
			r.calls(name, 0, 48, always(0))
		}
		r.calls("c sales", 0, 48, always(1))
		db.Write(r.String())
		for hour, expected := range map[int][2][]string{
			10: {nil, {"a support", "b"}},
			15: {{"a sales", "b sales"}, {"a support", "b"}},
			20: {{"a sales", "b sales"}, nil},
			22: {nil, nil},
		} {
			require.Equal(t, expected[0], series(sales.firing(t, db, at(hour))), hour)
			require.Equal(t, expected[1], series(others.firing(t, db, at(hour))), hour)
		}
	})
}

// After a clock change, hours are compared with hours of the same name. The hours beside them have three times or a
// third of the calls.
//
//promise:alerts
func TestAlertsOfUsualHoursWhereClocksChange(t *testing.T) {
	t.Parallel()
	onInfluxDB(t, func(t *testing.T, db *testbed.InfluxDB) {
		madrid := location(t, "Europe/Madrid")
		rule := ruleOf(t, "Far from usual")
		for _, change := range []time.Time{time.Date(2025, 3, 30, 3, 0, 0, 0, madrid), time.Date(2025, 10, 26, 3, 0, 0, 0, madrid)} {
			r := &rows{zone: madrid, now: change.AddDate(0, 0, 36)}
			r.calls("rising", 0, 66*24, func(hour int) int { return int(math.Pow(3, float64(hour))) })
			r.calls("falling", 0, 66*24, func(hour int) int { return int(math.Pow(3, float64(30-hour))) })
			db.Write(r.String())
			for day := -2; day <= 34; day++ {
				for hour := 0; hour <= 23; hour++ {
					if day%7 != 0 && hour%4 != 3 { // all hours, on the weekday of the change
						continue
					}
					now := time.Date(change.Year(), change.Month(), change.Day()+day, hour, 5, 0, 0, madrid)
					require.Empty(t, rule.firing(t, db, now), now)
				}
			}
			now := time.Date(change.Year(), change.Month(), change.Day()+3, 12, 5, 0, 0, madrid)
			less := &rows{zone: madrid, now: now}
			less.calls("rising", 1, 3, func(hour int) int { return int(math.Pow(3, float64(hour-1))) })
			db.Write(less.String())
			require.Equal(t, []string{"rising"}, series(rule.firing(t, db, now)))
		}
	})
}
