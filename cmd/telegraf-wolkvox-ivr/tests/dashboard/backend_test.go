//go:build integration

package dashboard

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
)

// frame is a query's result as Grafana's server returns it: columns of equal length.
type frame struct {
	RefID  string
	Fields []column
}

type column struct {
	Name, DisplayName string
	Values            []any // strings, float64s, times or nil
}

func (fr *frame) rows() int {
	if len(fr.Fields) == 0 {
		return 0
	}
	return len(fr.Fields[0].Values)
}

// database is a database with an edition of the dashboard. It does what Grafana's server does between database and
// browser.
type database interface {
	// query runs one of a panel's queries. The browser's variables are already replaced, the server's are not.
	query(q target, queries int, v *view) []frame
	// values runs the query of a variable.
	values(query string) []string
}

var left = regexp.MustCompile(`\$_\w|\$\{`)

// filled replaces the variables that Grafana's server replaces, and now() by the given time.
func filled(t *testing.T, query, now string, server ...string) string {
	t.Helper()
	query = strings.NewReplacer(append(server, "now()", now)...).Replace(query)
	require.NotRegexp(t, left, query, "a variable that this test does not know")
	return query
}

type influxDB struct {
	t  *testing.T
	db *testbed.InfluxDB
}

func (i influxDB) query(q target, _ int, v *view) (frames []frame) {
	i.t.Helper()
	result := i.db.Query(filled(i.t, q.Query, "'"+v.now.UTC().Format(time.RFC3339Nano)+"'",
		"$timeFilter", fmt.Sprintf("time >= %dms and time <= %dms", v.from.UnixMilli(), v.to.UnixMilli())))
	var table frame
	for _, s := range result {
		fr := frame{q.RefID, []column{{Name: "Time"}}}
		tags := slices.Sorted(maps.Keys(s.Tags))
		for _, name := range append(tags, s.Columns[1:]...) {
			fr.Fields = append(fr.Fields, column{Name: name})
		}
		for _, row := range s.Values {
			fr.Fields[0].Values = append(fr.Fields[0].Values, time.Unix(0, testbed.Number(i.t, row[0], true).(int64)))
			for n, tag := range tags {
				fr.Fields[1+n].Values = append(fr.Fields[1+n].Values, s.Tags[tag])
			}
			for n, value := range row[1:] {
				if value != nil {
					value = testbed.Number(i.t, value, false)
				}
				fr.Fields[1+len(tags)+n].Values = append(fr.Fields[1+len(tags)+n].Values, value)
			}
		}
		switch {
		case q.ResultFormat == "time_series":
			fr.Fields[1].DisplayName = q.RefID
			fr.Fields[1].Name = "Value"
			frames = append(frames, fr)
		case table.Fields == nil:
			table = fr
		default:
			for n := range table.Fields {
				table.Fields[n].Values = append(table.Fields[n].Values, fr.Fields[n].Values...)
			}
		}
	}
	if table.Fields != nil {
		frames = append(frames, table)
	}
	return frames
}

func (i influxDB) values(query string) (values []string) {
	i.t.Helper()
	for _, s := range i.db.Query(query) {
		for _, row := range s.Values {
			values = append(values, row[1].(string))
		}
	}
	return values
}

type postgreSQL struct {
	t  *testing.T
	db *testbed.PostgreSQL
}

func (p postgreSQL) query(q target, _ int, v *view) []frame {
	p.t.Helper()
	quoted := func(at time.Time) string { return "'" + at.UTC().Format("2006-01-02T15:04:05.999Z") + "'" }
	sql := filled(p.t, q.RawSQL, "'"+v.now.UTC().Format(time.RFC3339Nano)+"'::timestamptz",
		"$__timeFilter(time)", "time BETWEEN "+quoted(v.from)+" AND "+quoted(v.to),
		"$__timeFrom()", quoted(v.from), "$__timeTo()", quoted(v.to))
	types := strings.Split(p.db.Run(sql+` \gdesc`), "\n")
	rows, err := csv.NewReader(strings.NewReader(p.db.Run(`\pset format csv` + "\n" + `\pset null NULL` + "\n" + sql + ";"))).ReadAll()
	require.NoError(p.t, err)
	if len(rows) == 0 {
		return nil
	}
	fr := frame{RefID: q.RefID}
	for n, described := range types {
		name, columnType, _ := strings.Cut(described, "|")
		c := column{Name: name}
		if name != "Time" && q.Format == "time_series" {
			c.DisplayName = name
		}
		for _, row := range rows {
			c.Values = append(c.Values, p.value(row[n], columnType))
		}
		fr.Fields = append(fr.Fields, c)
	}
	return []frame{fr}
}

// value returns a column's value as Grafana does.
func (p postgreSQL) value(text, columnType string) any {
	p.t.Helper()
	switch {
	case text == "NULL":
		return nil
	case columnType == "text":
		return text
	case columnType == "timestamp with time zone":
		at, err := time.Parse("2006-01-02 15:04:05.999999-07", text)
		require.NoError(p.t, err)
		return at
	default:
		number, err := strconv.ParseFloat(text, 64)
		require.NoError(p.t, err, columnType)
		return number
	}
}

func (p postgreSQL) values(query string) []string {
	p.t.Helper()
	return strings.Split(p.db.Run(query), "\n")
}

type victoriaMetrics struct {
	t  *testing.T
	db *testbed.VictoriaMetrics
}

// get requests a path of VictoriaMetrics' API, and decodes the data of the response.
func (vm victoriaMetrics) get(path string, form url.Values, data any) {
	vm.t.Helper()
	response, err := http.PostForm(vm.db.URL()+path, form)
	require.NoError(vm.t, err)
	defer response.Body.Close()
	reply := struct {
		Error string
		Data  any
	}{Data: data}
	require.NoError(vm.t, json.NewDecoder(response.Body).Decode(&reply))
	require.Empty(vm.t, reply.Error, form.Get("query"))
}

// step is the step of range queries, the shortest that the panels allow.
const step = time.Hour

func (vm victoriaMetrics) query(q target, queries int, v *view) (frames []frame) {
	vm.t.Helper()
	query := filled(vm.t, q.Expr, strconv.FormatFloat(float64(v.now.UnixMilli())/1000, 'f', 3, 64),
		"${__range_ms}", strconv.FormatInt(v.to.Sub(v.from).Milliseconds(), 10))
	var data struct {
		Result []struct {
			Metric map[string]string
			Value  [2]any
			Values [][2]any
		}
	}
	form := url.Values{"query": {query}, "time": {fmt.Sprintf("%.3f", float64(v.to.UnixMilli())/1000)}, "nocache": {"1"}}
	path := "/api/v1/query"
	if !q.Instant {
		path += "_range"
		_, offset := v.to.In(v.zone).Zone()
		aligned := func(at time.Time) string { // to the viewer's clock
			east := time.Duration(offset) * time.Second
			return strconv.FormatInt(at.Add(east).Truncate(step).Add(-east).Unix(), 10)
		}
		form.Set("start", aligned(v.from))
		form.Set("end", aligned(v.to))
		form.Set("step", strconv.Itoa(int(step.Seconds())))
	}
	vm.get(path, form, &data)

	// A table has a column for each label that any series has. With several queries, its value column is named after
	// the query.
	labels := make(map[string]bool)
	for _, series := range data.Result {
		for label := range series.Metric {
			labels[label] = true
		}
	}
	name := "Value"
	if queries > 1 {
		name += " #" + q.RefID
	}
	table := frame{q.RefID, []column{{Name: "Time"}}}
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		table.Fields = append(table.Fields, column{Name: label})
	}
	table.Fields = append(table.Fields, column{Name: name})
	for _, series := range data.Result {
		values := series.Values
		if q.Instant {
			values = append(values, series.Value)
		}
		fr := frame{q.RefID, []column{{Name: "Time"}, {Name: "Value", DisplayName: q.RefID}}}
		for _, pair := range values {
			at, value := time.UnixMilli(int64(math.Round(pair[0].(float64)*1000))), any(nil)
			if number, err := strconv.ParseFloat(pair[1].(string), 64); err == nil && !math.IsNaN(number) {
				value = number
			}
			fr.Fields[0].Values, fr.Fields[1].Values = append(fr.Fields[0].Values, at), append(fr.Fields[1].Values, value)
			for n, c := range table.Fields {
				var cell any = series.Metric[c.Name]
				switch c.Name {
				case "Time":
					cell = at
				case name:
					cell = value
				}
				table.Fields[n].Values = append(c.Values, cell)
			}
		}
		frames = append(frames, fr)
	}
	if q.Format == "time_series" {
		return frames
	}
	return []frame{table} // even without rows
}

var labelValues = regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)

func (vm victoriaMetrics) values(query string) (values []string) {
	vm.t.Helper()
	request := labelValues.FindStringSubmatch(query)
	require.NotNil(vm.t, request, query)
	vm.get("/api/v1/label/"+request[2]+"/values", url.Values{"match[]": {request[1]}, "start": {"0"}}, &values)
	return values
}

// serve returns a handler that does what Grafana's server does for the browser.
func serve(t *testing.T, db database, zone *time.Location) http.HandlerFunc {
	t.Helper()
	return func(w http.ResponseWriter, r *http.Request) {
		var request struct {
			Target   target
			Targets  int
			From, To int64 // milliseconds
			Variable string
		}
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var response any
		if request.Variable != "" {
			response = db.values(request.Variable)
		} else {
			response = toJSON(db.query(request.Target, request.Targets, &view{
				from: time.UnixMilli(request.From), to: time.UnixMilli(request.To), now: time.Now(), zone: zone}))
		}
		var body bytes.Buffer
		if err := json.NewEncoder(&body).Encode(response); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = body.WriteTo(w)
	}
}

// toJSON converts frames for the page, with times in milliseconds.
func toJSON(frames []frame) []any {
	found := make([]any, 0, len(frames))
	for _, fr := range frames {
		fields := make([]map[string]any, 0, len(fr.Fields))
		for _, c := range fr.Fields {
			columnType := "number"
			values := slices.Clone(c.Values)
			for n, value := range values {
				switch v := value.(type) {
				case time.Time:
					columnType, values[n] = "time", v.UnixMilli()
				case string:
					columnType = "string"
				}
			}
			fields = append(fields, map[string]any{"name": c.Name, "displayName": c.DisplayName, "type": columnType, "values": values})
		}
		found = append(found, map[string]any{"refId": fr.RefID, "fields": fields})
	}
	return found
}
