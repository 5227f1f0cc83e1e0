package dashboard

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	sdk "github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
)

// bogota is the dashboard's time zone.
const bogota = "America/Bogota"

// dashboard has the parts of Grafana's JSON that the tests need.
type dashboard struct {
	UID, Title, Timezone string
	Time                 struct{ From, To string }
	Templating           struct {
		List []struct{ Name, Type, Query, AllValue string }
	}
	Panels []*panel
}

type panel struct {
	ID                       int
	Title, Type, Description string
	Interval                 string
	MaxDataPoints            int
	TimeFrom, TimeShift      string
	Targets                  []target
	FieldConfig              struct {
		Overrides []struct {
			Matcher    struct{ Options string }
			Properties []struct {
				ID    string
				Value any
			}
		}
	}
}

// target is a query. Each data source has its own key for the text.
type target struct {
	RefID, Query, RawSQL, Expr string
	ResultFormat, Format       string
	Instant                    bool
}

// text returns the text of a query.
func (q *target) text() string { return q.Query + q.RawSQL + q.Expr }

// readDashboard reads a dashboard's file.
func readDashboard(t *testing.T, file string) *dashboard {
	t.Helper()
	content, err := os.ReadFile(testbed.Root + "/testdata/grafana/" + file)
	require.NoError(t, err)
	d := &dashboard{}
	require.NoError(t, json.Unmarshal(content, d))
	return d
}

// panel returns the panel with the ID.
func (d *dashboard) panel(t *testing.T, id int) *panel {
	t.Helper()
	for _, p := range d.Panels {
		if p.ID == id {
			return p
		}
	}
	require.FailNow(t, "no such panel", id)
	return nil
}

// dashboardFiles are the files of all editions, one for each data source and language.
var dashboardFiles = []string{
	"influxdb/wolkvox_ivr.json", "influxdb/wolkvox_ivr.es.json",
	"postgresql/wolkvox_ivr.json", "postgresql/wolkvox_ivr.es.json",
	"victoriametrics/wolkvox_ivr.json", "victoriametrics/wolkvox_ivr.es.json",
}

var (
	queryZone = regexp.MustCompile(`tz\('(.*?)'\)|TIME ZONE '(.*?)'|timezone_offset\("(.*?)"\)`)
	chosen    = regexp.MustCompile(`\$\{?(source|operation)\b[^}]*\}?`)
)

// TestDashboardFile checks that parts of the JSON that must change together agree.
//
//promise:dashboard
func TestDashboardFile(t *testing.T) {
	t.Parallel()
	generated := t.TempDir()
	testbed.Execute(t, testbed.Root, "go", "run", "./testdata/grafana/source", generated)
	written, err := filepath.Glob(generated + "/*/*")
	require.NoError(t, err)
	require.Len(t, written, len(dashboardFiles))
	uids := make(map[string]bool)
	panels := make(map[string][]int) // by language
	for _, file := range dashboardFiles {
		expected, err := os.ReadFile(filepath.Join(generated, file))
		require.NoError(t, err)
		content := testbed.ReadSource(t, "testdata/grafana/"+file)
		require.Equal(t, string(expected), content, "not what its source makes: make dashboard-files")
		require.NotRegexp(t, `"(en|es|influxdb|postgresql|victoriametrics)":|\$shown`, content, "something that lacks a choice")
		require.Equal(t, 1, strings.Count(content, bogota), "the time zone is in one place")
		d := readDashboard(t, file)
		require.Equal(t, []string{"now/d", "now/d"}, []string{d.Time.From, d.Time.To}) // "today"
		require.False(t, uids[d.UID], d.UID)
		uids[d.UID] = true
		var ids []int
		titles := make(map[string]bool)
		for _, p := range d.Panels {
			ids = append(ids, p.ID)
			require.NotEmpty(t, p.Description, p.Title)
			require.False(t, titles[p.Title], p.Title)
			titles[p.Title] = true
			for _, q := range p.Targets {
				for _, match := range queryZone.FindAllStringSubmatch(q.text(), -1) {
					require.Equal(t, "$__timezone", match[1]+match[2]+match[3], p.Title)
				}
				for _, match := range chosen.FindAllString(q.text(), -1) {
					require.Contains(t, []string{"${source:regex}", "${operation:regex}"}, match, p.Title)
				}
				require.Contains(t, q.text(), "${source:regex}", p.Title)
				require.Contains(t, q.text(), "${operation:regex}", p.Title)
			}
		}
		slices.Sort(ids)
		require.Equal(t, ids, slices.Compact(slices.Clone(ids)))
		panels[file] = ids
		require.Equal(t, panels[dashboardFiles[0]], ids, "alert rules name panels, and links name dashboards")
	}
	require.Contains(t, testbed.ReadSource(t, testbed.ProgramDir+"packaging/container/compose.yaml"), "grafana/grafana:"+grafanaVersion(t)+"\n",
		"the Grafana whose code drew it")
	require.Contains(t, testbed.ReadSource(t, "testdata/grafana/influxdb/wolkvox_ivr.json"), `"version": "`+grafanaVersion(t)+`"`)
}

// grafanaVersion returns the version of the packages that draw the dashboard.
func grafanaVersion(t *testing.T) string {
	t.Helper()
	version := regexp.MustCompile(`"@grafana/ui": "(.*)"`).FindStringSubmatch(testbed.ReadSource(t, "testdata/grafana/render/package.json"))
	require.NotNil(t, version)
	return version[1]
}

// TestDashboardSchema decodes the files with Grafana's SDK, which has no model of queries to InfluxDB and PostgreSQL.
// Missing fields are fine, because Grafana has defaults, and __requires is only in exported dashboards.
//
//promise:dashboard
func TestDashboardSchema(t *testing.T) {
	t.Parallel()
	plugins.RegisterDefaultPlugins()
	for _, file := range dashboardFiles {
		var content map[string]any
		require.NoError(t, json.Unmarshal([]byte(testbed.ReadSource(t, "testdata/grafana/"+file)), &content))
		delete(content, "__requires")
		for _, wrong := range strict(t, content, &sdk.Dashboard{}) { //nolint:staticcheck // newer Grafanas have a second schema, and read the first one
			require.Contains(t, wrong, "required field is missing", file)
		}
	}
}
