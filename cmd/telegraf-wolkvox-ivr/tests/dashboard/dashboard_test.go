//go:build integration

package dashboard

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/metric"
	"github.com/influxdata/telegraf/testutil"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// edition is an edition of the dashboard with its database.
type edition struct {
	file    string
	db      database
	recipe  string
	env     []string
	points  func() []telegraf.Metric
	write   func(points []telegraf.Metric)
	lines   func(lineProtocol string)
	byClock func(panel int) bool // the panel's weeks follow the local clock instead of 7 times 24 hours
	// relativeWeek is whether the panel of the usual week needs a relative time range.
	relativeWeek bool
}

func never(int) bool { return false }

// editions are functions that start a database each.
var editions = map[string]func(t *testing.T) *edition{
	"InfluxDB 1.8": func(t *testing.T) *edition { return influxEdition(t, testbed.StartInfluxDB(t)) },
	"InfluxDB 2.7": func(t *testing.T) *edition {
		e := influxEdition(t, testbed.StartInfluxDB2(t))
		e.recipe = "influxdb_v2.conf"
		return e
	},
	"PostgreSQL": func(t *testing.T) *edition {
		db := testbed.StartPostgreSQL(t)
		return &edition{
			file: "postgresql/wolkvox_ivr.json", db: postgreSQL{t, db}, recipe: "postgresql.conf", env: []string{db.Env("telegraf")},
			points: db.Metrics, byClock: func(int) bool { return true },
			write: func(points []telegraf.Metric) {
				create := regexp.MustCompile(`(?s)CREATE TABLE .*?\n {4}\)`).FindString(testbed.ReadRecipe(t, "postgresql.conf"))
				var sql strings.Builder
				sql.WriteString(strings.ReplaceAll(create, "{{ .table }}", "wolkvox_ivr") + ";\n")
				for _, m := range points {
					fmt.Fprintf(&sql, "INSERT INTO wolkvox_ivr VALUES (to_timestamp(%d), '%s', '%s', '%s', %d, %f);\n", m.Time().Unix(),
						m.Tags()["source"], strings.ReplaceAll(m.Tags()["operation"], "'", "''"), m.Tags()["hour"], m.Fields()["calls"], m.Fields()["minutes"])
				}
				db.Run("BEGIN;" + sql.String() + "COMMIT;")
			},
		}
	},
	"VictoriaMetrics": func(t *testing.T) *edition {
		db := testbed.StartVictoriaMetrics(t)
		return &edition{
			file: "victoriametrics/wolkvox_ivr.json", db: victoriaMetrics{t, db}, recipe: "victoriametrics.conf",
			env:    []string{"VICTORIAMETRICS_URL=" + db.URL()},
			points: func() []telegraf.Metric { db.Flush(); return db.Metrics() }, byClock: func(panel int) bool { return panel == panelByOperation },
			write: func(points []telegraf.Metric) { db.Write(lineProtocol(t, points)) },
			lines: db.Write, relativeWeek: true,
		}
	},
}

func influxEdition(t *testing.T, db *testbed.InfluxDB) *edition {
	t.Helper()
	lines := func(lineProtocol string) {
		if db.Token == "" {
			db.Query("CREATE DATABASE telegraf")
		}
		db.Write(lineProtocol)
	}
	return &edition{
		file: "influxdb/wolkvox_ivr.json", db: influxDB{t, db}, recipe: "influxdb.conf",
		env: []string{"INFLUX_URL=" + db.URL(), "INFLUX2_URL=" + db.URL(), "INFLUX_TOKEN=" + db.Token, "INFLUX_ORG=ivr", "INFLUX_BUCKET=telegraf"},
		points: func() []telegraf.Metric {
			return db.Metrics(time.Unix(0, 0), time.Now())
		},
		byClock: never,
		write:   func(points []telegraf.Metric) { lines(lineProtocol(t, points)) },
		lines:   lines,
	}
}

// history is how far back the dashboard looks, except for its panel of months: a whole month, and the five weeks before
// it, from which the rest of the current month is projected.
const history = (31 + 35 + 1) * 24 * time.Hour

// dashboardOptions are the options of the operations that a dashboard shows.
var dashboardOptions = []string{fmt.Sprintf("backfill = %q", history), `empty_hours = "zero"`, testbed.ShortInterval}

// gather runs the plugin to write the history of operations and the plugin's own statistics into the database.
func (e *edition) gather(t *testing.T, w *testbed.Wolkvox, tables ...string) {
	t.Helper()
	tg := testbed.NewRecipe(t, e.recipe, testbed.WithState+"[[inputs.internal]]\ninterval = \"1s\"\n"+strings.Join(tables, ""), e.env...)
	tg.Start()
	tg.Await("all of the past to be read", func() bool { return strings.Count(tg.Log(), testbed.HistoryDone) == len(tables) })
	gathers := len(w.Ledger())
	tg.Await("one more gather", func() bool { return len(w.Ledger()) > gathers+1 })
	d := readDashboard(t, e.file)
	tg.Await("the time of a reading", func() bool {
		return len(e.figures(t, d.panel(t, panelLastReading), &view{now: time.Now(), from: time.Now(), to: time.Now(), zone: time.UTC})) > 0
	})
	// A stop does not wait for rows that Telegraf has not read yet. They would be sent after the next start.
	tg.Await("all rows of the history", func() bool { return complete(e.points()) == len(tables) })
	tg.Stop()
}

// complete returns how many operations have every hour of the history. Hours without calls have zeros.
func complete(points []telegraf.Metric) (operations int) {
	byOperation := make(map[string][]telegraf.Metric)
	for _, m := range points {
		byOperation[m.Tags()["source"]+m.Tags()["operation"]] = append(byOperation[m.Tags()["source"]+m.Tags()["operation"]], m)
	}
	for _, rows := range byOperation {
		from, to := testbed.Span(rows)
		if long := to.Sub(from); long > history-24*time.Hour && len(rows) == int(long/time.Hour)+1 {
			operations++
		}
	}
	return operations
}

// figures returns the figures of a panel's queries.
func (e *edition) figures(t *testing.T, p *panel, v *view) figures {
	t.Helper()
	var frames []frame
	for _, q := range p.Targets {
		q.Query, q.RawSQL, q.Expr = v.fill(q.Query), v.fill(q.RawSQL), v.fill(q.Expr)
		frames = append(frames, e.db.query(q, len(p.Targets), v)...)
	}
	return v.returned(t, p, frames)
}

// requireQueries requires every query of the dashboard to return the figures of the points.
func (e *edition) requireQueries(t *testing.T, v *view, points []telegraf.Metric, name string) {
	t.Helper()
	for _, p := range readDashboard(t, e.file).Panels {
		if p.ID == panelLastReading || p.ID == panelLimits || p.ID == panelUsualWeek && v.absolute && e.relativeWeek {
			continue
		}
		own := v.of(t, p)
		if p.MaxDataPoints > 0 {
			require.Less(t, int(own.to.Sub(own.from)/step), p.MaxDataPoints, "%s: Grafana makes the interval longer", p.Title)
		}
		requireFigures(t, own.expected(t, p, points, e.byClock(p.ID)), e.figures(t, p, own), name+": "+p.Title)
	}
}

// TestDashboard runs every query on every database, with the history that the plugin has written there.
//
//promise:dashboard
func TestDashboard(t *testing.T) {
	t.Parallel()
	for name, start := range editions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := start(t)
			sales := simulator.Operation{Server: "0001", Token: "invented-token-1", PeakCalls: 100}
			support := simulator.Operation{Server: "0002", Token: "invented-token-2", PeakCalls: 100}
			awaitQuietHour(t, 2*time.Minute)
			w, start := testbed.StartWolkvox(t, sales, support), time.Now()
			e.gather(t, w, w.Table(sales, dashboardOptions...), w.Table(support, append(dashboardOptions, `operation = "support"`)...))
			truth := slices.Concat(w.MonthOf(t, sales, "", start), w.MonthOf(t, support, "support", start))
			from, to := testbed.Span(truth)
			points := e.points()
			final := slices.DeleteFunc(testbed.Between(points, from, to), func(m telegraf.Metric) bool { return m.Fields()["calls"] == int64(0) })
			testutil.RequireMetricsEqual(t, truth, final, testutil.SortMetrics())

			zone, now := location(t, bogota), time.Now()
			local := now.In(zone)
			today := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, zone)
			tomorrow := today.AddDate(0, 0, 1).Add(-time.Millisecond)
			for name, v := range map[string]view{
				"today":                 {from: today, to: tomorrow},
				"today, one source":     {from: today, to: tomorrow, sources: []string{"wv0001.wolkvox.com"}},
				"today, both sources":   {from: today, to: tomorrow, sources: []string{"wv0001.wolkvox.com", "wv0002.wolkvox.com"}},
				"today, one operation":  {from: today, to: tomorrow, operation: []string{"support"}},
				"yesterday":             {from: today.AddDate(0, 0, -1), to: today.Add(-time.Millisecond)},
				"three weeks":           {from: today.AddDate(0, 0, -20), to: tomorrow},
				"a source without data": {from: today, to: tomorrow, sources: []string{"nowhere"}},
			} {
				v.now, v.zone = now, zone
				e.requireQueries(t, &v, points, name)
			}
			require.Greater(t, len(e.figures(t, readDashboard(t, e.file).panel(t, panelUsualWeek), &view{
				from: now.AddDate(0, 0, -29), to: now, now: now, zone: zone})), 6*24, "so that not all rests on the test's own sums")

			variables := make(map[string][]string)
			for _, variable := range readDashboard(t, e.file).Templating.List {
				if variable.Type == "query" {
					require.Equal(t, ".*", variable.AllValue)
					variables[variable.Name] = e.db.values((&view{zone: zone}).fill(variable.Query))
					slices.Sort(variables[variable.Name])
				}
			}
			require.Equal(t, map[string][]string{"source": {"wv0001.wolkvox.com", "wv0002.wolkvox.com"}, "operation": {"support"}}, variables)

			read := e.figures(t, readDashboard(t, e.file).panel(t, panelLastReading), &view{from: today, to: tomorrow, now: time.Now(), zone: zone})
			require.InDelta(t, float64(start.Unix()), read["reading"], time.Since(start).Seconds()+60)
		})
	}
}

// TestDashboardAtOtherTimes tests midnight, the first of a month, days of 23 and 25 hours and days around such clock
// changes, time zones that differ from the operations', absolute time ranges, and names with special characters in
// queries.
//
//promise:dashboard
func TestDashboardAtOtherTimes(t *testing.T) {
	t.Parallel()
	moments := make(map[string]time.Time) // by the source that is shown at that time
	operationZones := map[string]*time.Location{"elsewhere": location(t, "Europe/Madrid")}
	for source, moment := range map[string]struct{ zone, at string }{
		"midnight":      {bogota, "2026-04-01 00:30"},
		"before-spring": {"Europe/Madrid", "2026-03-10 09:10"},
		"spring":        {"Europe/Madrid", "2026-03-29 12:20"},
		"after-spring":  {"Europe/Madrid", "2026-04-01 09:10"},
		"autumn":        {"Europe/Madrid", "2026-10-25 12:20"},
		"long-day":      {"Europe/Madrid", "2026-10-25 23:30"},
		"half-hours":    {"Asia/Kolkata", "2026-07-15 14:40"},
		"elsewhere":     {bogota, "2026-07-15 14:40"},
		"on-the-hour":   {bogota, "2026-05-05 15:00"},
	} {
		var err error
		moments[source], err = time.ParseInLocation("2006-01-02 15:04", moment.at, location(t, moment.zone))
		require.NoError(t, err)
	}
	names := []string{"", "Ventas/Sur (1+1)", `back\slash "quoted" it's`, "Ventas/Sur (1+1) 2"}
	random := rand.New(rand.NewPCG(1, 2))
	var points []telegraf.Metric
	for source, now := range moments {
		local := now
		if zone := operationZones[source]; zone != nil {
			local = now.In(zone)
		}
		for at := local.Add(-time.Duration(local.Minute()) * time.Minute); at.After(now.Add(-history)); at = at.Add(-time.Hour) {
			for _, name := range names {
				tags := map[string]string{"source": source, "hour": at.Format("15")}
				if name != "" {
					tags["operation"] = name
				}
				n := random.Int64N(30) * random.Int64N(3)
				if age := now.Sub(at).Truncate(time.Hour); source == "midnight" && age < 4*time.Hour { // the newest hour has no calls
					n = int64(age / (3 * time.Hour))
				}
				if source == "autumn" && name != "" { // only the unnamed operation has calls
					n = 0
				}
				points = append(points, metric.New("wolkvox_ivr", tags, map[string]any{"calls": n, "minutes": float64(n) * 2.25}, at))
			}
		}
	}
	for name, start := range editions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := start(t)
			e.write(points)
			for source, now := range moments {
				today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
				v := view{from: today, to: today.AddDate(0, 0, 1).Add(-time.Millisecond), now: now, zone: now.Location(), sources: []string{source}}
				e.requireQueries(t, &v, points, source)
				for _, chosen := range [][]string{{"Ventas/Sur (1+1)"}, {"Ventas/Sur (1+1)", `back\slash "quoted" it's`}} {
					v.operation = chosen
					e.requireQueries(t, &v, points, fmt.Sprint(source, chosen))
				}
				zoomed := view{from: today.AddDate(0, -1, -2).Add(9 * time.Hour), absolute: true, now: now, zone: now.Location(), sources: []string{source}}
				zoomed.to = zoomed.from.Add(5 * time.Hour)
				e.requireQueries(t, &zoomed, points, source+", zoomed")
			}
		})
	}
}

func lineProtocol(t *testing.T, points []telegraf.Metric) string {
	t.Helper()
	escape := strings.NewReplacer(" ", `\ `, ",", `\,`, "=", `\=`)
	var lines strings.Builder
	for _, m := range points {
		fmt.Fprintf(&lines, "wolkvox_ivr,source=%s,hour=%s", m.Tags()["source"], m.Tags()["hour"])
		if name := m.Tags()["operation"]; name != "" {
			lines.WriteString(",operation=" + escape.Replace(name))
		}
		fmt.Fprintf(&lines, " calls=%di,minutes=%f %d\n", m.Fields()["calls"], m.Fields()["minutes"], m.Time().UnixNano())
	}
	return lines.String()
}

// awaitQuietHour waits, if necessary, until the current hour lasts at least that long.
func awaitQuietHour(t *testing.T, long time.Duration) {
	t.Helper()
	for time.Until(time.Now().Truncate(time.Hour).Add(time.Hour)) < long {
		time.Sleep(time.Second)
	}
}

// A gather without rows is not a reading, nor is a restart of the plugin, after which its counters begin at 0.
//
//promise:dashboard
func TestDashboardLastReading(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"InfluxDB 1.8", "VictoriaMetrics"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := editions[name](t)
			now := time.Now().Truncate(time.Minute)
			var lines strings.Builder
			for _, reading := range []struct {
				source string
				ago    time.Duration
				rows   int
			}{
				{"a", 50 * time.Minute, 10}, {"a", 45 * time.Minute, 14}, {"a", 40 * time.Minute, 14},
				{"b", 60 * time.Minute, 10}, {"b", 55 * time.Minute, 14}, {"b", 20 * time.Minute, 0}, {"b", 15 * time.Minute, 0},
			} {
				at := now.Add(-reading.ago).UnixNano()
				fmt.Fprintf(&lines, "internal_wolkvox_ivr,input=wolkvox_ivr,source=%s rows=%di %d\n", reading.source, reading.rows, at)
			}
			e.lines(lines.String())
			v := &view{from: now, to: now, now: time.Now(), zone: time.UTC}
			found := e.figures(t, readDashboard(t, e.file).panel(t, panelLastReading), v)
			require.InDelta(t, float64(now.Add(-45*time.Minute).Unix()), found["reading"], 15)
		})
	}
}
