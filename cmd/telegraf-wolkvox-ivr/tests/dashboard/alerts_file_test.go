package dashboard

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/alerting"
	"github.com/grafana/grafana-foundation-sdk/go/expr"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
)

// alertRule has the parts of a rule that the tests need.
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
		RefID         string `yaml:"refId"`
		DatasourceUID string `yaml:"datasourceUid"`
		Model         alertModel
	}
}

// alertModel is a query, which has no type, or an expression.
type alertModel struct {
	RefID        string `yaml:"refId"`
	RawQuery     bool   `yaml:"rawQuery"`
	ResultFormat string `yaml:"resultFormat"`
	Query        string
	Type         string
	Expression   string
}

func (rule *alertRule) model(t *testing.T, refID string) *alertModel {
	t.Helper()
	for i := range rule.Data {
		if rule.Data[i].RefID == refID {
			return &rule.Data[i].Model
		}
	}
	t.Fatalf("%s has no %s", rule.Title, refID)
	return nil
}

const alertsFile = "testdata/grafana/alerts.yaml"

func readAlerts(t *testing.T) []*alertRule {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []*alertRule }
	}
	require.NoError(t, yaml.Unmarshal([]byte(testbed.ReadSource(t, alertsFile)), &file))
	require.Len(t, file.Groups, 1)
	return file.Groups[0].Rules
}

// alertGuide returns the guide's section on alert rules.
func alertGuide(t *testing.T) string {
	t.Helper()
	_, guide, found := strings.Cut(testbed.ReadSource(t, "testdata/grafana/README.md"), "\n## Alert rules\n")
	require.True(t, found)
	guide, _, found = strings.Cut(guide, "\n## ")
	require.True(t, found)
	return guide
}

// strict decodes a part of Grafana's input with its SDK, and returns the errors: unknown fields, missing fields and
// wrong types.
func strict(t *testing.T, part any, as interface{ UnmarshalJSONStrict(raw []byte) error }) (wrong []string) {
	t.Helper()
	raw, err := json.Marshal(part)
	require.NoError(t, err)
	if err := as.UnmarshalJSONStrict(raw); err != nil && err.Error() != "" { // an empty list of errors is not nil
		return strings.Split(err.Error(), "\n")
	}
	return nil
}

// The file matches the SDK's schema. A rule takes folder, group and organization from its group, and the SDK has no
// model of queries to InfluxDB.
//
//promise:alerts
func TestAlertsSchema(t *testing.T) {
	t.Parallel()
	var file struct {
		APIVersion int `yaml:"apiVersion"`
		Groups     []struct {
			OrgID                  int `yaml:"orgId"`
			Name, Folder, Interval string
			Rules                  []map[string]any
		}
	}
	decoder := yaml.NewDecoder(bytes.NewBufferString(testbed.ReadSource(t, alertsFile)))
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(&file))
	require.Equal(t, 1, file.APIVersion)
	for _, group := range file.Groups {
		require.NotEmpty(t, group.Name)
		_, err := time.ParseDuration(group.Interval)
		require.NoError(t, err)
		for _, rule := range group.Rules {
			rule["folderUID"], rule["ruleGroup"], rule["orgID"] = group.Folder, group.Name, group.OrgID
			title := rule["title"].(string)
			require.Empty(t, strict(t, rule, &alerting.Rule{}), title)
			_, err := time.ParseDuration(rule["for"].(string))
			require.NoError(t, err, title)
			for _, d := range rule["data"].([]any) {
				model := d.(map[string]any)["model"].(map[string]any)
				switch model["type"] {
				case "math":
					require.Empty(t, strict(t, model, &expr.TypeMath{}), title)
				case "reduce":
					require.Empty(t, strict(t, model, &expr.TypeReduce{}), title)
				default:
					require.ElementsMatch(t, []string{"refId", "rawQuery", "resultFormat", "query"}, slices.Collect(maps.Keys(model)), title)
				}
			}
		}
	}
}

// variable matches a reference to another query or expression in a math expression.
var variable = regexp.MustCompile(`\$(\w+)`)

// These mistakes would keep Grafana from starting or a rule from being evaluated, but no schema catches them.
//
//promise:alerts
func TestAlertsFile(t *testing.T) {
	t.Parallel()
	sources := testbed.ReadSource(t, testbed.ProgramDir+"packaging/container/grafana-datasources.yaml")
	uids := make(map[string]bool)
	for _, rule := range readAlerts(t) {
		require.Regexp(t, `^[\w-]{1,40}$`, rule.UID)
		require.False(t, uids[rule.UID], rule.UID)
		uids[rule.UID] = true
		require.Contains(t, []string{"OK", "Alerting"}, rule.NoDataState, rule.Title)
		require.Equal(t, "Error", rule.ExecErrState, rule.Title)
		require.Equal(t, map[bool]string{true: "0s", false: "15m"}[rule.Title == "Quota used up"], rule.For, rule.Title)
		for _, label := range rule.Labels {
			require.NotContains(t, label, "$", "Grafana would take it for a variable of its environment")
		}
		for _, text := range rule.Annotations {
			require.NotContains(t, text, "${", "Grafana would take it for a variable of its environment")
		}

		known := make(map[string]bool)
		for _, d := range rule.Data {
			require.Regexp(t, `^[a-z_]+$`, d.RefID, rule.Title)
			require.False(t, known[d.RefID], "%s %s", rule.Title, d.RefID)
			known[d.RefID] = true
			require.Equal(t, d.RefID, d.Model.RefID, rule.Title)
		}
		require.True(t, known[rule.Condition], rule.Title)
		for _, d := range rule.Data {
			switch d.Model.Type {
			case "reduce":
				require.True(t, known[d.Model.Expression], "%s %s", rule.Title, d.RefID)
			case "math":
				for _, match := range variable.FindAllStringSubmatch(d.Model.Expression, -1) {
					require.True(t, known[match[1]], "%s %s", rule.Title, match[0])
				}
			default:
				require.Contains(t, sources, "uid: "+d.DatasourceUID+"\n")
				require.True(t, d.Model.RawQuery, rule.Title)
				require.Equal(t, "time_series", d.Model.ResultFormat, rule.Title)
				require.NotRegexp(t, `\$\w`, d.Model.Query, "there are no variables in alert rules")
			}
		}
	}
}

// Grafana accepts a dashboard's uid only with the ID of a panel, which must be the same in both languages.
//
//promise:alerts
func TestAlertsShowPanels(t *testing.T) {
	t.Parallel()
	english, spanish := readDashboard(t, "influxdb/wolkvox_ivr.json"), readDashboard(t, "influxdb/wolkvox_ivr.es.json")
	for _, rule := range readAlerts(t) {
		require.Equal(t, english.UID, rule.Annotations["__dashboardUid__"], rule.Title)
		id, err := strconv.Atoi(rule.Annotations["__panelId__"])
		require.NoError(t, err, rule.Title)
		english.panel(t, id)
		spanish.panel(t, id)
	}
	require.Contains(t, alertGuide(t), "`__dashboardUid__: "+spanish.UID+"`")
}

// render expands an annotation as Grafana does: as a Go template with Prometheus's rules.
func (rule *alertRule) render(t *testing.T, annotation string, labels map[string]string, values map[string]float64) string {
	t.Helper()
	type value struct{ Value float64 }
	data := struct {
		Labels map[string]string
		Values map[string]value
	}{labels, make(map[string]value)}
	for name, v := range values {
		data.Values[name] = value{v}
	}
	text := "{{ $labels := .Labels }}{{ $values := .Values }}" + rule.Annotations[annotation]
	parsed, err := template.New(rule.Title).Option("missingkey=invalid").Parse(text)
	require.NoError(t, err, rule.Title)
	var expanded strings.Builder
	require.NoError(t, parsed.Execute(&expanded, data), rule.Title)
	return strings.ReplaceAll(expanded.String(), "<no value>", "[no value]")
}

// Each text is a sentence: with an operation, without one, and without a source for a database that is empty or can't
// be queried.
//
//promise:alerts
func TestAlertTexts(t *testing.T) {
	t.Parallel()
	for _, rule := range readAlerts(t) {
		values := make(map[string]float64)
		for _, d := range rule.Data {
			if d.Model.Type != "" {
				values[d.RefID] = 1234.5
			}
		}
		for _, annotation := range []string{"summary", "resumen"} {
			texts := []string{
				rule.render(t, annotation, map[string]string{"source": "wv0001.wolkvox.com", "operation": "sales"}, values),
				rule.render(t, annotation, map[string]string{"source": "wv0001.wolkvox.com", "operation": ""}, values),
				rule.render(t, annotation, map[string]string{"source": "wv0001.wolkvox.com"}, values),
				rule.render(t, annotation, nil, nil),
			}
			require.Regexp(t, `^wv0001\.wolkvox\.com \(sales\): \S`, texts[0])
			require.Regexp(t, `^wv0001\.wolkvox\.com: \S`, texts[1])
			require.Equal(t, texts[1], texts[2])
			require.Regexp(t, `^(No|InfluxDB|Ninguna) `, texts[3])
			for _, text := range texts {
				require.True(t, strings.HasSuffix(text, "."), text)
				require.NotRegexp(t, `\[no value\]|NaN|%!|  |[{}]|\d[.,]\d`, strings.ReplaceAll(text, "wv0001.wolkvox.com", ""))
			}
		}
	}
}
