package dashboard

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
)

// alertRule is a rule as Grafana's provisioning has it.
type alertRule struct {
	UID          string `yaml:"uid"`
	Title        string
	Condition    string
	For          string
	NoDataState  string `yaml:"noDataState"`
	ExecErrState string `yaml:"execErrState"`
	Labels       map[string]string
	Annotations  map[string]string
	Data         []struct {
		RefID             string                  `yaml:"refId"`
		DatasourceUID     string                  `yaml:"datasourceUid"`
		RelativeTimeRange *struct{ From, To int } `yaml:"relativeTimeRange"`
		Model             struct {
			RefID        string `yaml:"refId"`
			RawQuery     bool   `yaml:"rawQuery"`
			ResultFormat string `yaml:"resultFormat"`
			Query        string
			Type         string
			Reducer      string
			Expression   string
		}
	}
}

// readAlerts reads the rules, and refuses unknown fields.
func readAlerts(t *testing.T) []alertRule {
	t.Helper()
	var file struct {
		APIVersion int `yaml:"apiVersion"`
		Groups     []struct {
			OrgID                  int `yaml:"orgId"`
			Name, Folder, Interval string
			Rules                  []alertRule
		}
	}
	decoder := yaml.NewDecoder(bytes.NewBufferString(testbed.ReadDoc(t, "testdata/grafana/alerts.yaml")))
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(&file))
	require.Equal(t, 1, file.APIVersion)
	require.Len(t, file.Groups, 1)
	require.Equal(t, "5m", file.Groups[0].Interval)
	require.NotEmpty(t, file.Groups[0].Name)
	require.NotEmpty(t, file.Groups[0].Folder)
	require.Equal(t, 1, file.Groups[0].OrgID)
	return file.Groups[0].Rules
}

// variable is what a math expression takes from another.
var variable = regexp.MustCompile(`\$([A-Z])\b`)

var openingHours = regexp.MustCompile(`"hour" =~ /(.*?)/`)

//promise:alerts
func TestAlertsFile(t *testing.T) {
	t.Parallel()
	dashboards := testbed.ReadDoc(t, "testdata/grafana/wolkvox_ivr.json")
	sources := testbed.ReadDoc(t, testbed.Ours+"packaging/container/grafana-datasources.yaml")
	uids := make(map[string]bool)
	for _, rule := range readAlerts(t) {
		require.Regexp(t, `^[\w-]{1,40}$`, rule.UID)
		require.False(t, uids[rule.UID], rule.UID)
		uids[rule.UID] = true
		_, err := time.ParseDuration(rule.For)
		require.NoError(t, err, rule.Title)
		require.Contains(t, []string{"OK", "Alerting"}, rule.NoDataState, rule.Title)
		require.Equal(t, "Error", rule.ExecErrState, rule.Title)
		require.Contains(t, dashboards, `"uid": "`+rule.Annotations["__dashboardUid__"]+`"`)
		require.NotEmpty(t, rule.Annotations["summary"], rule.Title)
		require.NotEmpty(t, rule.Annotations["resumen"], rule.Title)
		for _, label := range rule.Labels {
			require.NotContains(t, label, "$", "Grafana would take it for a variable of its environment")
		}

		known := make(map[string]bool)
		for _, d := range rule.Data {
			require.False(t, known[d.RefID], "%s %s", rule.Title, d.RefID)
			require.Equal(t, d.RefID, d.Model.RefID, rule.Title)
			if d.DatasourceUID == "__expr__" {
				require.Contains(t, []string{"reduce", "math"}, d.Model.Type, rule.Title)
				used := []string{d.Model.Expression}
				if d.Model.Type == "math" {
					used = used[:0]
					for _, match := range variable.FindAllStringSubmatch(d.Model.Expression, -1) {
						used = append(used, match[1])
					}
				}
				require.Subset(t, slices.Collect(maps.Keys(known)), used, "%s %s", rule.Title, d.RefID)
			} else {
				require.Contains(t, sources, "uid: "+d.DatasourceUID+"\n")
				require.Empty(t, d.Model.Type, rule.Title)
				require.True(t, d.Model.RawQuery, rule.Title)
				require.Equal(t, "time_series", d.Model.ResultFormat, rule.Title)
				require.NotRegexp(t, `\$\w`, d.Model.Query, "there are no variables in alert rules")
				if match := openingHours.FindStringSubmatch(d.Model.Query); match != nil {
					for hour := range 24 {
						require.Equal(t, hour >= 8 && hour <= 17, regexp.MustCompile(match[1]).MatchString(fmt.Sprintf("%02d", hour)))
					}
				}
				require.Greater(t, d.RelativeTimeRange.From, d.RelativeTimeRange.To, rule.Title)
			}
			known[d.RefID] = true
		}
		require.True(t, known[rule.Condition], rule.Title)
	}
}
