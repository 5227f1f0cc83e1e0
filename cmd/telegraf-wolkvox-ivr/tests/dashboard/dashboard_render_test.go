//go:build integration

package dashboard

import (
	"cmp"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// drawing is the dashboard as Grafana's code drew it: in a language, light or dark.
type drawing struct {
	Language, Mode string
	Complaints     []string // of the browser
	Text           string
	Panels         []struct {
		Title, Type, State, Text string
		Errors                   []string
		Ink                      int // pixels of its graph
		Fields                   []struct {
			Name   string
			Values []any // numbers as float64, times in milliseconds
		}
	}
}

// TestDashboardRendering has Grafana's own code draw the dashboard, into DASHBOARD_PICTURES if that is set.
//
//promise:dashboard
func TestDashboardRendering(t *testing.T) {
	t.Parallel()
	testbed.Need(t, "node")
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		testbed.LeaveOut(t, "no chromium")
	}
	modules := testbed.Root + "/bin/dashboard/node_modules"
	if _, err := os.Stat(modules); err != nil {
		testbed.LeaveOut(t, "nothing that draws the dashboard, which `make bin/dashboard` fetches by npm")
	}
	zone := testbed.Afternoon()
	sales := simulator.Operation{Server: "0001", Token: "invented-token-1", PeakCalls: 400, Timezone: zone}
	support := simulator.Operation{Server: "0002", Token: "invented-token-2", PeakCalls: 150, Timezone: zone}
	awaitQuietHour(t, 2*time.Minute)
	w, start, db := testbed.StartWolkvox(t, sales, support), time.Now(), testbed.StartInfluxDB(t)
	gathered(t, w, db, w.Table(sales, dashboardOptions...), w.Table(support, append(dashboardOptions, `operation = "support"`)...))

	folder := t.TempDir()
	draw := exec.Command("node", testbed.Root+"/testdata/grafana/render/render.mjs", modules, zone, folder)
	draw.Env = append(os.Environ(), "INFLUX_URL="+db.URL(), "CHROMIUM="+chromium)
	output, err := draw.CombinedOutput()
	require.NoError(t, err, string(output))

	content, err := os.ReadFile(filepath.Join(folder, "shown.json"))
	require.NoError(t, err)
	var drawings []drawing
	require.NoError(t, json.Unmarshal(content, &drawings))
	require.Len(t, drawings, 4)
	points := db.Metrics(start.Add(-2*history), time.Now())
	for _, d := range drawings {
		require.FileExists(t, filepath.Join(cmp.Or(os.Getenv("DASHBOARD_PICTURES"), folder), d.Language+"-"+d.Mode+".png"))
		d.requireNothingAmiss(t)
		d.requireFigures(t, points, testbed.HourOf(t, sales, start))
	}
}

// requireNothingAmiss requires every panel of the file to have been drawn, without a complaint.
func (d *drawing) requireNothingAmiss(t *testing.T) {
	t.Helper()
	what := d.Language + " " + d.Mode
	file := map[string]string{"en": "wolkvox_ivr.json", "es": "wolkvox_ivr.es.json"}[d.Language]
	panels := readDashboard(t, file).Panels
	require.Len(t, d.Panels, len(panels))
	for i, p := range d.Panels {
		require.Equal(t, panels[i].Title, p.Title)
		require.Empty(t, p.Errors, p.Title)
		require.Equal(t, "Done", p.State, p.Title)
		require.True(t, len(p.Fields) > 0 || i == 3, p.Title) // in the running hour no call may have ended yet
		require.Contains(t, p.Text, p.Title)
		if p.Type == "timeseries" || p.Type == "trend" {
			require.Greater(t, p.Ink, 10_000, p.Title)
		} else {
			require.Regexp(t, `\d|ago|hace`, strings.TrimPrefix(p.Text, p.Title), p.Title)
		}
	}
	for _, bad := range []string{"No data", "Error", "error", "NaN", "undefined", "Infinity", "Invalid"} {
		require.NotContains(t, d.Text, bad, what)
	}
	require.Empty(t, d.Complaints, what)
}

// requireFigures requires what the panels' own transformations make to be what it should.
func (d *drawing) requireFigures(t *testing.T, points []telegraf.Metric, current time.Time) {
	t.Helper()
	today := time.Date(current.Year(), current.Month(), current.Day(), 0, 0, 0, 0, current.Location())
	in := func(from, to time.Time) []telegraf.Metric { return testbed.Between(points, from, to) }
	atHour := func(day time.Time, hour int) float64 {
		return calls(in(day.Add(time.Duration(hour)*time.Hour), day.Add(time.Duration(hour+1)*time.Hour)))
	}

	usual := d.field(t, 6)
	if len(usual) == 5 { // no call of the running hour has ended yet
		usual = slices.Insert(usual, 2, make([]any, 24))
	}
	for hour := range 24 {
		var before []float64
		for week := 1; week <= 4; week++ {
			before = append(before, atHour(today.AddDate(0, 0, -7*week), hour))
		}
		require.InDelta(t, slices.Min(before), usual[3][hour], 1e-6, "fewest at %d", hour)
		require.InDelta(t, slices.Max(before), usual[4][hour], 1e-6, "most at %d", hour)
		require.InDelta(t, (before[0]+before[1]+before[2]+before[3])/4, usual[5][hour], 1e-6, "mean at %d", hour)
		switch {
		case hour < current.Hour():
			require.InDelta(t, atHour(today, hour), usual[1][hour], 1e-6, "today at %d", hour)
			require.Nil(t, usual[2][hour])
		case hour == current.Hour() && atHour(today, hour) > 0:
			require.InDelta(t, atHour(today, hour), usual[2][hour], 1e-6, "the running hour")
			require.Nil(t, usual[1][hour])
		default:
			require.Nil(t, usual[1][hour])
		}
	}

	month := time.Date(current.Year(), current.Month(), 1, 0, 0, 0, 0, current.Location())
	soFar := minutes(in(month, month.AddDate(0, 1, 0)))
	left := minutes(in(current.AddDate(0, 0, -35).Add(time.Hour), month.AddDate(0, 1, -35)))
	require.InDelta(t, soFar, d.field(t, 7)[0][0], 1e-6)
	require.InDelta(t, soFar+left, d.field(t, 7)[1][0], 1e-6)

	week := d.field(t, 10)
	require.Len(t, week, 1+24)
	require.Equal(t, []any{"1", "2", "3", "4", "5", "6", "7"}, week[0])
	for weekday := range 7 {
		for hour := range 24 {
			var sum float64
			for _, m := range in(current.AddDate(0, 0, -28), current) {
				if local := m.Time().In(current.Location()); (int(local.Weekday())+6)%7 == weekday && local.Hour() == hour {
					sum += calls([]telegraf.Metric{m})
				}
			}
			require.InDelta(t, sum/4, week[1+hour][weekday], 1e-6, "weekday %d, hour %d", weekday, hour)
		}
	}
}

// field returns the values of a panel's fields.
func (d *drawing) field(t *testing.T, panel int) (values [][]any) {
	t.Helper()
	for _, f := range d.Panels[panel].Fields {
		values = append(values, f.Values)
	}
	return values
}
