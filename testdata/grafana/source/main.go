// Command source generates the dashboard's files from dashboard.json, one for each database and language. In that file,
// an object whose keys are languages is a text in each language, and an object whose keys are databases has a value for
// each database. $uid stands for the dashboard's uid, and $shown for the condition that selects the chosen servers and
// operations.
package main

import (
	"bytes"
	"encoding/json"
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const source = "testdata/grafana/source/dashboard.json"

// grafanaVersion is the version of Grafana whose code draws the dashboard in tests.
const grafanaVersion = "13.2.2"

var languages = []string{"en", "es"}

// dataSource is a type of database that has its own edition of the dashboard.
type dataSource struct {
	name     string // in dashboard.json, and name of the folder
	plugin   string // Grafana's data source plugin
	title    string
	shown    string // replaces $shown
	queryKey string
	// valueName is the name of a table's value column if the query can't name it. If a panel has several queries,
	// dashboard.json has to rename these columns.
	valueName string
	target    func(target map[string]any) // sets the options of a query besides its text and name
}

var dataSources = []dataSource{{
	name: "influxdb", plugin: "influxdb", title: "InfluxDB", queryKey: "query",
	shown: `"source" =~ /^${source:regex}$/ AND "operation" =~ /^${operation:regex}$/`,
	target: func(target map[string]any) {
		target["rawQuery"] = true
		target["resultFormat"] = map[string]string{"table": "table", "rows": "table", "series": "time_series"}[target["format"].(string)]
		if target["resultFormat"] == "time_series" {
			target["alias"] = target["refId"]
		}
		delete(target, "format")
	},
}, {
	name: "postgresql", plugin: "grafana-postgresql-datasource", title: "PostgreSQL", queryKey: "rawSql",
	shown: "source ~ $x$^(${source:regex})$$x$ AND operation ~ $x$^(${operation:regex})$$x$",
	target: func(target map[string]any) {
		target["rawQuery"] = true
		target["editorMode"] = "code"
		target["format"] = map[string]string{"table": "table", "rows": "table", "series": "time_series"}[target["format"].(string)]
	},
}, {
	name: "victoriametrics", plugin: "prometheus", title: "Prometheus", queryKey: "expr", valueName: "Value",
	shown: "source=~`${source:regex}`,operation=~`${operation:regex}`",
	target: func(target map[string]any) {
		format := target["format"].(string)
		target["editorMode"] = "code"
		target["instant"] = format == "table"
		target["range"] = format != "table"
		target["format"] = map[string]string{"table": "table", "rows": "table", "series": "time_series"}[format]
		target["legendFormat"] = target["refId"]
	},
}}

// main writes the files into the folder given as the only argument.
func main() {
	content, err := os.ReadFile(source)
	if err != nil {
		log.Fatal(err)
	}
	for _, ds := range dataSources {
		for _, language := range languages {
			var dashboard any
			if err := json.Unmarshal(content, &dashboard); err != nil {
				log.Fatal(err)
			}
			edition := choose(choose(dashboard, dataSourceNames(), ds.name), languages, language).(map[string]any)
			if err := write(filepath.Join(os.Args[1], fileName(ds.name, language)), ds.complete(edition)); err != nil {
				log.Fatal(err)
			}
		}
	}
}

func dataSourceNames() (names []string) {
	for _, ds := range dataSources {
		names = append(names, ds.name)
	}
	return names
}

// fileName returns the name of an edition's file.
func fileName(dataSource, language string) string {
	name := "wolkvox_ivr.json"
	if language != languages[0] {
		name = "wolkvox_ivr." + language + ".json"
	}
	return filepath.Join(dataSource, name)
}

// choose replaces each object that has only these keys by its value for one of them. An array element without a value
// for that key is dropped.
func choose(value any, keys []string, key string) any {
	switch v := value.(type) {
	case []any:
		chosen := make([]any, 0, len(v))
		for _, element := range v {
			if element = choose(element, keys, key); element != nil {
				chosen = append(chosen, element)
			}
		}
		return chosen
	case map[string]any:
		if len(v) > 0 && !slices.ContainsFunc(slices.Collect(maps.Keys(v)), func(k string) bool { return !slices.Contains(keys, k) }) {
			return choose(v[key], keys, key)
		}
		for k := range v {
			v[k] = choose(v[k], keys, key)
		}
	}
	return value
}

// complete adds what every panel and query of a data source needs.
func (ds *dataSource) complete(dashboard map[string]any) map[string]any {
	reference := map[string]any{"type": ds.plugin, "uid": "${datasource}"}
	types := make(map[string]bool)
	for _, element := range dashboard["panels"].([]any) {
		panel := element.(map[string]any)
		types[panel["type"].(string)] = true
		if targets, ok := panel["targets"].([]any); ok {
			panel["datasource"] = reference
			queries := ds.targets(targets, reference)
			panel["targets"] = queries
			if ds.valueName != "" && len(queries) == 1 && queries[0].(map[string]any)["format"] == "table" {
				rename := map[string]any{"regex": "^" + ds.valueName + "$", "renamePattern": queries[0].(map[string]any)["refId"]}
				transformations, _ := panel["transformations"].([]any)
				panel["transformations"] = append([]any{map[string]any{"id": "renameByRegex", "options": rename}}, transformations...)
			}
		}
	}
	for _, element := range dashboard["templating"].(map[string]any)["list"].([]any) {
		if variable := element.(map[string]any); variable["type"] == "query" {
			variable["datasource"] = reference
			variable["definition"] = variable["query"]
		}
	}
	requires := make([]any, 0, 2+len(types))
	requires = append(requires,
		map[string]any{"type": "grafana", "id": "grafana", "name": "Grafana", "version": grafanaVersion},
		map[string]any{"type": "datasource", "id": ds.plugin, "name": ds.title, "version": "1.0.0"})
	for _, name := range slices.Sorted(maps.Keys(types)) {
		requires = append(requires, map[string]any{"type": "panel", "id": name, "name": name, "version": ""})
	}
	dashboard["__requires"] = requires
	return dashboard
}

// targets returns a panel's queries for the data source.
func (ds *dataSource) targets(targets []any, reference map[string]any) (queries []any) {
	for _, element := range targets {
		target := element.(map[string]any)
		query, found := target[ds.name].(string)
		for _, name := range dataSourceNames() {
			delete(target, name)
		}
		if !found {
			continue
		}
		target[ds.queryKey] = strings.ReplaceAll(query, "$shown", ds.shown)
		target["datasource"] = reference
		ds.target(target)
		queries = append(queries, target)
	}
	return queries
}

// write writes a file, and creates its folder if necessary.
func write(file string, dashboard map[string]any) error {
	var content bytes.Buffer
	encoder := json.NewEncoder(&content)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(dashboard); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // others read it
		return err
	}
	return os.WriteFile(file, bytes.ReplaceAll(content.Bytes(), []byte("$uid"), []byte(dashboard["uid"].(string))), 0o644) //nolint:gosec // others read it
}
