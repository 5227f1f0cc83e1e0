//go:build integration

package dashboard

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// drawing is a dashboard for Grafana's code to draw: in a language, in light or dark mode, and with variables chosen.
type drawing struct {
	File     string         `json:"file"`
	Language string         `json:"language"`
	Mode     string         `json:"mode"`
	Chosen   map[string]any `json:"chosen,omitempty"`
}

// timeRange is an absolute time range, chosen instead of today.
type timeRange struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// drawn is the result of a drawing.
type drawn struct {
	drawing
	Problems []string // errors of the browser
	Text     string
	Panels   []struct {
		Title, Type, State, Text string
		Errors                   []string
		Ink                      int // pixels in its graph
		Links                    []string
		Fields                   []struct {
			Name   string
			Values []any // numbers as float64, times in milliseconds
		}
	}
}

const (
	price    = 0.05
	included = 200_000
	// oddName is a name with special characters in regular expressions, queries and links.
	oddName = "Cobros (1+2)/Sur"
)

var contract = map[string]any{"price": fmt.Sprint(price), "included": strconv.Itoa(included)}

// TestDashboardRendering draws each edition with Grafana's own code. The pictures of InfluxDB's are in the guides, and
// are copied to DASHBOARD_PICTURES.
//
//promise:dashboard
func TestDashboardRendering(t *testing.T) {
	t.Parallel()
	testbed.Need(t, "node")
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		testbed.SkipWithout(t, "no chromium")
	}
	modules := testbed.Root + "/bin/dashboard/node_modules"
	if _, err := os.Stat(modules); err != nil {
		testbed.SkipWithout(t, "nothing that draws the dashboard, which `make bin/dashboard` fetches by npm")
	}
	pictures, zone := os.Getenv("DASHBOARD_PICTURES"), testbed.Afternoon()
	if pictures != "" {
		zone = bogota // the guides name it
	}
	lastMonth := time.Now().AddDate(0, -1, -3).Truncate(time.Hour)
	zoomed := timeRange{lastMonth, lastMonth.Add(3 * time.Hour)}
	for name, drawings := range map[string][]drawing{
		"InfluxDB 1.8": {
			{"influxdb/wolkvox_ivr.json", "en", "light", contract}, {"influxdb/wolkvox_ivr.json", "en", "dark", contract},
			{"influxdb/wolkvox_ivr.es.json", "es", "light", contract}, {"influxdb/wolkvox_ivr.es.json", "es", "dark", contract},
		},
		"PostgreSQL": {
			{"postgresql/wolkvox_ivr.json", "en", "light", nil},
			{"postgresql/wolkvox_ivr.json", "en", "dark", map[string]any{"time": zoomed, "price": contract["price"]}},
			{"postgresql/wolkvox_ivr.es.json", "es", "dark", map[string]any{"operation": []string{oddName}}},
		},
		"VictoriaMetrics": {
			{"victoriametrics/wolkvox_ivr.json", "en", "light", nil},
			{"victoriametrics/wolkvox_ivr.es.json", "es", "dark", map[string]any{"operation": []string{oddName, "Soporte"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			operations := map[string]simulator.Operation{
				"Ventas":  {Server: "0001", Token: "invented-token-1", PeakCalls: 400, Timezone: zone},
				"Soporte": {Server: "0002", Token: "invented-token-2", PeakCalls: 150, Timezone: zone},
				oddName:   {Server: "0002", Token: "invented-token-3", PeakCalls: 60, Timezone: zone},
			}
			awaitQuietHour(t, 4*time.Minute)
			e := editions[name](t)
			var simulated []simulator.Operation
			for _, o := range operations {
				simulated = append(simulated, o)
			}
			w := testbed.StartWolkvox(t, simulated...)
			var tables []string
			for operation, o := range operations {
				tables = append(tables, w.Table(o, append(slices.Clone(dashboardOptions), fmt.Sprintf("operation = %q", operation))...))
			}
			e.gather(t, w, tables...)
			points := e.points()

			server := httptest.NewServer(serve(t, e.db, location(t, zone)))
			t.Cleanup(server.Close)
			folder := t.TempDir()
			arguments, err := json.Marshal(drawings)
			require.NoError(t, err)
			draw := exec.Command("node", testbed.Root+"/testdata/grafana/render/render.mjs", modules, zone, folder, string(arguments))
			draw.Env = append(os.Environ(), "BACKEND="+server.URL, "CHROMIUM="+chromium)
			output, err := draw.CombinedOutput()
			require.NoError(t, err, string(output))
			if pictures != "" && name == "InfluxDB 1.8" {
				testbed.Execute(t, folder, "sh", "-c", "cp *.png "+pictures)
			}

			content, err := os.ReadFile(filepath.Join(folder, "shown.json"))
			require.NoError(t, err)
			var all []*drawn
			require.NoError(t, json.Unmarshal(content, &all))
			require.Len(t, all, len(drawings))
			for i, d := range all {
				d.drawing = drawings[i]
				v := &view{now: time.Now(), zone: location(t, zone)}
				if chosen, ok := d.Chosen["operation"]; ok {
					v.operation = chosen.([]string)
				}
				if zoomed, ok := d.Chosen["time"].(timeRange); ok {
					v.from, v.to, v.absolute = zoomed.From, zoomed.To, true
				} else {
					v.from = v.midnight(v.now)
					v.to = v.from.AddDate(0, 0, 1).Add(-time.Millisecond)
				}
				d.requireDrawn(t, v)
				d.requireFigures(t, v, points, e.byClock)
			}
		})
	}
}

// requireDrawn requires every panel of the file to be drawn without an error.
func (d *drawn) requireDrawn(t *testing.T, v *view) {
	t.Helper()
	require.Empty(t, d.Problems, d.drawing)
	panels := readDashboard(t, d.File).Panels
	require.Len(t, d.Panels, len(panels))
	for i, p := range d.Panels {
		own := v.of(t, panels[i])
		title := strings.NewReplacer("${__from}", own.from.Format(time.DateTime), "${__to}", own.to.Format(time.DateTime)).Replace(panels[i].Title)
		require.Equal(t, title, p.Title)
		require.Empty(t, p.Errors, p.Title)
		require.Contains(t, p.Text, p.Title)
		if p.Type == "text" {
			require.Greater(t, len(p.Text), len(p.Title)+50)
			continue
		}
		require.Equal(t, "Done", p.State, p.Title)
		require.True(t, len(p.Fields) > 0 || panels[i].ID == panelCurrentHour, p.Title) // no call of the current hour may have ended yet
		if p.Type == "timeseries" || p.Type == "trend" {
			require.Greater(t, p.Ink, 5_000, p.Title)
		} else {
			require.Regexp(t, `\d|ago|hace|–`, strings.TrimPrefix(p.Text, p.Title), p.Title)
		}
	}
	for _, bad := range []string{"No data", "Error", "error", "NaN", "undefined", "Infinity", "∞", "Invalid"} {
		require.NotContains(t, d.Text, bad, d.drawing)
	}
	if d.Language == "es" {
		require.Empty(t, regexp.MustCompile(`\d\.\d{1,2}\b`).FindAllString(d.Text, -1), "decimals have a comma in Spanish")
	}
}

// fields returns the values that a panel shows, by their names in the file.
func (d *drawn) fields(t *testing.T, id int) map[string][]any {
	t.Helper()
	fields := make(map[string][]any)
	for i, p := range readDashboard(t, d.File).Panels {
		if p.ID == id {
			for _, f := range d.Panels[i].Fields {
				fields[p.internalName(f.Name)] = f.Values
			}
		}
	}
	return fields
}

// requireFigures requires the panels to show the figures of the points after their transformations.
func (d *drawn) requireFigures(t *testing.T, v *view, points []telegraf.Metric, byClock func(int) bool) {
	t.Helper()
	file := readDashboard(t, d.File)
	expected := func(id int) figures {
		p := file.panel(t, id)
		return v.of(t, p).expected(t, p, points, byClock(id))
	}
	weeks := func(f figures, group string) (found []float64) {
		for week := 1; week <= 4; week++ {
			found = append(found, f[strings.TrimSpace(fmt.Sprintf("week%d %s", week, group))])
		}
		return found
	}
	mean := func(values []float64) float64 { return (values[0] + values[1] + values[2] + values[3]) / 4 }
	equal := func(expected float64, actual any, what ...any) {
		t.Helper()
		if actual == nil {
			actual = 0.0
		}
		require.InDelta(t, expected, actual, 1e-6*max(1, expected), append(what, d.drawing)...)
	}

	shown, day := d.fields(t, panelUsualDay), expected(panelUsualDay)
	for row, hour := range shown["hour"] {
		tag := fmt.Sprintf("%02.f", hour)
		before := weeks(day, tag)
		equal(slices.Min(before), shown["min"][row], "fewest", tag)
		equal(slices.Max(before), shown["max"][row], "most", tag)
		equal(mean(before), shown["mean"][row], "mean", tag)
		equal(day["calls "+tag], shown["calls"][row], "calls", tag)
		if shown["running"] != nil {
			equal(day["running "+tag], shown["running"][row], "running", tag)
		}
	}
	require.Len(t, shown["hour"], map[bool]int{false: 24, true: 4}[v.absolute])

	against := expected(panelAgainstUsual)
	usual := mean(weeks(against, ""))
	equal((against["today"]-usual)/usual, d.fields(t, panelAgainstUsual)["difference"][0])

	minutes := expected(panelMonth)
	soFar, end := minutes["so_far"], minutes["so_far"]+minutes["rest"]
	equal(soFar, d.fields(t, panelMonth)["so_far"][0])
	equal(end, d.fields(t, panelMonth)["month"][0])
	contracted, unknown := d.fields(t, panelPlan), 0
	free := 0.0
	if d.Chosen["included"] != nil {
		free = included
		equal(free, contracted["included"][0])
		equal(soFar/free, contracted["plan"][0])
		equal(end/free, contracted["plan_month"][0])
	} else {
		unknown += 3
	}
	if d.Chosen["price"] != nil {
		equal(max(0, soFar-free)*price, contracted["cost"][0])
		equal(max(0, end-free)*price, contracted["cost_month"][0])
	} else {
		unknown += 2
	}
	i := slices.IndexFunc(file.Panels, func(p *panel) bool { return p.ID == panelPlan })
	require.Equal(t, unknown, strings.Count(strings.TrimPrefix(d.Panels[i].Text, d.Panels[i].Title), "–"), d.Panels[i].Text)

	table, operations := d.fields(t, panelByOperation), expected(panelByOperation)
	require.Equal(t, len(v.operation) == 1, len(table["operation"]) == 1)
	for row, operation := range table["operation"] {
		group := fmt.Sprint(table["source"][row], " ", operation)
		usual := mean(weeks(operations, group))
		equal(operations["today "+group], table["calls_today"][row], group)
		equal(usual, table["usual"][row], group)
		equal((operations["today "+group]-usual)/usual, table["difference"][row], group)
		equal(operations["running "+group], table["running"][row], group)
		equal(operations["so_far "+group], table["so_far"][row], group)
		equal(operations["so_far "+group]+operations["rest "+group], table["month"][row], group)
		equal(operations["newest "+group]*1000, table["newest"][row], group)
	}

	for i, p := range file.Panels {
		if p.ID != panelByOperation {
			continue
		}
		require.Len(t, d.Panels[i].Links, 2*len(table["operation"]))
		for row, operation := range table["operation"] {
			link, err := url.Parse(d.Panels[i].Links[2*row])
			require.NoError(t, err)
			require.Equal(t, "/d/"+file.UID, link.Path)
			require.Equal(t, table["source"][row], link.Query().Get("var-source"))
			if operation != oddName { // Grafana decodes links, so + becomes a space
				require.Equal(t, operation, link.Query().Get("var-operation"))
			}
			require.Equal(t, "now/d", link.Query().Get("from"))
		}
	}

	days, byDays := d.fields(t, panelByDay), expected(panelByDay)
	require.Len(t, days["Time"], map[bool]int{false: 35, true: 1}[v.absolute])
	for row, at := range days["Time"] {
		day := time.UnixMilli(int64(at.(float64))).In(v.zone)
		require.Equal(t, "00:00", day.Format("15:04"))
		equal(byDays["calls "+day.Format(time.DateOnly)], days["calls (sum)"][row], day)
		equal(byDays["minutes "+day.Format(time.DateOnly)], days["minutes (sum)"][row], day)
	}
	months, byMonths := d.fields(t, panelByMonth), expected(panelByMonth)
	require.GreaterOrEqual(t, len(months["Time"]), map[bool]int{false: 3, true: 1}[v.absolute])
	for row, at := range months["Time"] {
		equal(byMonths["calls "+at.(string)], months["calls (sum)"][row], at)
		equal(byMonths["minutes "+at.(string)]/byMonths["calls "+at.(string)], months["mean"][row], at)
	}

	week, usualHours := d.fields(t, panelUsualWeek), expected(panelUsualWeek)
	require.Equal(t, []any{"1", "2", "3", "4", "5", "6", "7"}, week[`Time\hour`])
	for weekday := range 7 {
		for hour := range 24 {
			tag := fmt.Sprintf("%02d", hour)
			equal(usualHours[fmt.Sprintf("calls %s %s", time.Weekday((weekday+1)%7), tag)], week[tag][weekday], weekday, tag)
		}
	}
}

// internalName returns a field's name in the file, before it is renamed for display.
func (p *panel) internalName(shown string) string {
	for _, o := range p.FieldConfig.Overrides {
		for _, property := range o.Properties {
			if property.ID == "displayName" && property.Value == shown {
				return o.Matcher.Options
			}
		}
	}
	if hour, err := strconv.Atoi(shown); err == nil {
		return fmt.Sprintf("%02d", hour)
	}
	return shown
}
