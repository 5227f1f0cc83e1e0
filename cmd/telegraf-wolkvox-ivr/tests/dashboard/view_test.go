//go:build integration

package dashboard

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/stretchr/testify/require"
)

// view is what a user looks at: values of the dashboard's variables.
type view struct {
	from, to           time.Time // both inclusive
	now                time.Time
	zone               *time.Location
	sources, operation []string // chosen values; all if empty
	absolute           bool     // an absolute time range, such as a zoomed one
}

// of returns the view of a panel, which may have its own time range. Grafana extends an absolute one to whole days or
// months.
func (v *view) of(t *testing.T, p *panel) *view {
	t.Helper()
	own, from, to := *v, v.from.In(v.zone), v.to.In(v.zone)
	if !v.absolute {
		from, to = v.now.In(v.zone), v.now.In(v.zone)
	}
	day := func(at time.Time, days int) time.Time { return v.midnight(at).AddDate(0, 0, days) }
	month := func(at time.Time, months int) time.Time { return day(at, 1-at.Day()).AddDate(0, months, 0) }
	const last = -time.Millisecond
	before := 0
	if !v.absolute {
		before = 1 // only a relative range begins N days or months before the period in which it ends
	}
	switch p.TimeFrom + " " + p.TimeShift {
	case " ":
	case "now/M 0M/M":
		own.from, own.to = month(from, 0), month(to, 1).Add(last)
	case "now-34d/d 0d/d":
		own.from, own.to = day(from, -34*before), day(to, 1).Add(last)
	case "now-12M/M 0M/M":
		own.from, own.to = month(from, -12*before), month(to, 1).Add(last)
	case "29d ":
		if !v.absolute {
			own.from, own.to = from.AddDate(0, 0, -29), to
		}
	default:
		require.FailNow(t, "a time range that this test does not know", "%s: %s %s", p.Title, p.TimeFrom, p.TimeShift)
	}
	return &own
}

// fill replaces a query's variables as Grafana does in the browser.
func (v *view) fill(query string) string {
	return strings.NewReplacer(
		"${__from}", strconv.FormatInt(v.from.UnixMilli(), 10),
		"${__to}", strconv.FormatInt(v.to.UnixMilli(), 10),
		"$__timezone", v.zone.String(),
		"${source:regex}", inRegex(v.sources),
		"${operation:regex}", inRegex(v.operation),
	).Replace(query)
}

var special = regexp.MustCompile(`[\\^$*+?.()|[\]{}/]`)

// inRegex formats chosen values as Grafana's format regex does.
func inRegex(chosen []string) string {
	if len(chosen) == 0 {
		return ".*" // the variables' value for all
	}
	var escaped []string
	for _, value := range chosen {
		escaped = append(escaped, special.ReplaceAllString(value, `\$0`))
	}
	if len(escaped) == 1 {
		return escaped[0]
	}
	return "(" + strings.Join(escaped, "|") + ")"
}

// shows reports whether the view includes a point.
func (v *view) shows(m telegraf.Metric) bool {
	return (len(v.sources) == 0 || slices.Contains(v.sources, m.Tags()["source"])) &&
		(len(v.operation) == 0 || slices.Contains(v.operation, m.Tags()["operation"]))
}

// before returns the instant that many weeks earlier: by the local clock, or 7 times 24 hours for each if the database
// cannot know the clock.
func (v *view) before(at time.Time, weeks int, byClock bool) time.Time {
	if byClock {
		return at.In(v.zone).AddDate(0, 0, -7*weeks)
	}
	return at.Add(-time.Duration(weeks) * 7 * 24 * time.Hour)
}

// midnight returns the start of a day.
func (v *view) midnight(at time.Time) time.Time {
	at = at.In(v.zone)
	return time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, v.zone)
}

// figures are values of a panel's queries, by column and group: "week1 wv0001.wolkvox.com". Values of 0 are left out,
// because some databases return 0 where others return nothing.
type figures map[string]float64

func (f figures) add(column, group string, value float64) {
	key := strings.TrimSpace(column + " " + group)
	if f[key] += value; f[key] == 0 {
		delete(f, key)
	}
}

// grouping returns a function that returns the group of a point in a panel.
func (v *view) grouping(p *panel) func(at time.Time, source, operation, hour string) string {
	local := func(layout string) func(time.Time, string, string, string) string {
		return func(at time.Time, _, _, _ string) string { return at.In(v.zone).Format(layout) }
	}
	switch p.ID {
	case panelCalls, panelMinutes, panelMinutesPerCall, panelCurrentHour, panelNewestHour, panelLastReading, panelAgainstUsual, panelMonth, panelPlan:
		return func(time.Time, string, string, string) string { return "" }
	case panelUsualDay:
		return func(_ time.Time, _, _, hour string) string { return hour }
	case panelByOperation:
		return func(_ time.Time, source, operation, _ string) string { return source + " " + operation }
	case panelMinutesByHour, panelMinutesPerCallByHour:
		return local(time.RFC3339)
	case panelByDay:
		return local(time.DateOnly)
	case panelByMonth:
		return local("2006-01")
	case panelUsualWeek:
		return func(at time.Time, _, _, hour string) string { return fmt.Sprint(at.In(v.zone).Weekday(), " ", hour) }
	}
	return nil
}

// IDs of the panels
const (
	panelCalls                = 1
	panelMinutes              = 2
	panelMinutesPerCall       = 3
	panelCurrentHour          = 4
	panelNewestHour           = 5
	panelLastReading          = 6
	panelUsualDay             = 7
	panelMonth                = 8
	panelByDay                = 9
	panelMinutesByHour        = 10
	panelUsualWeek            = 11
	panelMinutesPerCallByHour = 12
	panelAgainstUsual         = 13
	panelByOperation          = 14
	panelByMonth              = 17
	panelPlan                 = 18
	panelLimits               = 19
)

// expected returns the figures that a panel's queries have to return for the points.
func (v *view) expected(t *testing.T, p *panel, points []telegraf.Metric, byClock bool) figures {
	t.Helper()
	f, group, hourAgo := make(figures), v.grouping(p), v.now.Add(-time.Hour)
	type sums struct{ calls, minutes float64 }
	byGroup := make(map[string]*sums)
	within := func(at time.Time, weeks int) bool {
		return !at.Before(v.before(v.from, weeks, byClock)) && !at.After(v.before(v.to, weeks, byClock))
	}
	for _, m := range points {
		if !v.shows(m) || m.Time().After(v.now) {
			continue
		}
		at, tags := m.Time(), m.Tags()
		n, mins := float64(m.Fields()["calls"].(int64)), m.Fields()["minutes"].(float64)
		g := group(at, tags["source"], tags["operation"], tags["hour"])
		add := func(column string, value float64) { f.add(column, g, value) }
		running := at.After(hourAgo)
		whole := !running
		projection := func() {
			if within(at, 0) {
				add("so_far", mins)
			}
			if at.After(v.now.Add(-35*24*time.Hour)) && !at.After(v.to.Add(-35*24*time.Hour)) {
				add("rest", mins)
			}
		}
		newest := func(column string) {
			if key := strings.TrimSpace(column + " " + g); n > 0 {
				f[key] = max(f[key], float64(at.Unix()))
			}
		}
		switch p.ID {
		case panelCalls, panelMinutes, panelMinutesPerCall, panelMinutesByHour, panelMinutesPerCallByHour, panelByDay, panelByMonth:
			if !within(at, 0) {
				continue
			}
			switch {
			case p.ID == panelCalls:
				add("calls", n)
			case p.ID == panelMinutes:
				add("minutes", mins)
			case p.ID == panelByDay || p.ID == panelByMonth:
				add("calls", n)
				add("minutes", mins)
			case p.ID == panelMinutesByHour && running:
				add("running", mins)
			case p.ID == panelMinutesByHour && whole:
				add("minutes", mins)
				add("lines", mins/60)
			case p.ID == panelMinutesPerCall || whole:
				if byGroup[g] == nil {
					byGroup[g] = &sums{}
				}
				byGroup[g].calls += n
				byGroup[g].minutes += mins
			}
		case panelCurrentHour:
			if running {
				add("running", n)
			}
		case panelNewestHour:
			newest("newest")
		case panelAgainstUsual, panelUsualDay:
			if within(at, 0) && whole {
				add(map[int]string{panelAgainstUsual: "today", panelUsualDay: "calls"}[p.ID], n)
			}
			if within(at, 0) && running && p.ID == panelUsualDay {
				add("running", n)
			}
			for weeks := 1; weeks <= 4; weeks++ {
				if within(at, weeks) && (p.ID == panelUsualDay || !at.After(v.before(hourAgo, weeks, byClock))) {
					add(fmt.Sprint("week", weeks), n)
				}
			}
		case panelMonth, panelPlan:
			projection()
		case panelByOperation:
			for weeks := 0; weeks <= 4; weeks++ {
				if !at.Before(v.midnight(v.before(v.now, weeks, byClock))) && !at.After(v.before(hourAgo, weeks, byClock)) {
					add([]string{"today", "week1", "week2", "week3", "week4"}[weeks], n)
				}
			}
			if running {
				add("running", n)
			}
			projection()
			newest("newest")
		case panelUsualWeek:
			if whole && at.After(hourAgo.Add(-28*24*time.Hour)) {
				add("calls", n/4)
			}
		default:
			require.FailNow(t, "what do this panel's queries have to return?", p.Title)
		}
	}
	for g, s := range byGroup {
		switch {
		case s.calls == 0:
		case p.ID == panelMinutesPerCallByHour && s.calls < 10:
			f.add("few", g, s.minutes/s.calls)
		default:
			f.add("mean", g, s.minutes/s.calls)
		}
	}
	return f
}

// returned returns the figures in the frames that a panel's queries have returned.
func (v *view) returned(t *testing.T, p *panel, frames []frame) figures {
	t.Helper()
	f, group := make(figures), v.grouping(p)
	for _, fr := range frames {
		// InfluxQL can only return a time in the column Time.
		isTime := (fr.RefID == "newest" || fr.RefID == "reading") &&
			!slices.ContainsFunc(fr.Fields, func(c column) bool { return strings.HasPrefix(c.Name, "Value") })
		for row := range fr.rows() {
			text := make(map[string]string)
			var at time.Time
			for _, c := range fr.Fields {
				switch value := c.Values[row].(type) {
				case string:
					text[c.Name] = value
				case time.Time:
					if c.Name == "Time" {
						at = value
					}
				}
			}
			g := group(at, text["source"], text["operation"], text["hour"])
			for _, c := range fr.Fields {
				switch value := c.Values[row].(type) {
				case float64:
					column := strings.TrimPrefix(c.Name, "Value #")
					if column == "Value" {
						column = fr.RefID
					}
					if column == "newest" || column == "reading" { // in milliseconds
						value /= 1000
					}
					if !isTime {
						f.add(column, g, value)
					}
				case time.Time:
					switch {
					case c.Name == "newest":
						f.add("newest", g, float64(value.Unix()))
					case c.Name == "Time" && isTime:
						f.add(fr.RefID, g, float64(value.Unix()))
					}
				}
			}
		}
	}
	return f
}

// requireFigures requires figures to be equal, except for rounding.
func requireFigures(t *testing.T, expected, actual figures, what string) {
	t.Helper()
	require.Empty(t, differences(expected, actual), what)
}

func differences(expected, actual figures) (found []string) {
	for key := range expected {
		if a, ok := actual[key]; !ok || max(a-expected[key], expected[key]-a) > 1e-6*max(1, expected[key]) {
			found = append(found, fmt.Sprintf("%s: expected %v, found %v", key, expected[key], a))
		}
	}
	for key := range actual {
		if _, ok := expected[key]; !ok {
			found = append(found, fmt.Sprintf("%s: found %v", key, actual[key]))
		}
	}
	slices.Sort(found)
	return found[:min(len(found), 10)]
}
