// Command source makes the dashboard's files, one a language, of the one in which each text has them all.
package main

import (
	"bytes"
	"encoding/json"
	"log"
	"os"
	"path/filepath"
)

// files are what is made, by language.
var files = map[string]string{"en": "wolkvox_ivr.json", "es": "wolkvox_ivr.es.json"}

// main writes them into the folder that is the only argument.
func main() {
	source, err := os.ReadFile("testdata/grafana/source/dashboard.json")
	if err != nil {
		log.Fatal(err)
	}
	for language, name := range files {
		var dashboard any
		if err := json.Unmarshal(source, &dashboard); err != nil {
			log.Fatal(err)
		}
		var made bytes.Buffer
		encoder := json.NewEncoder(&made)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(in(language, dashboard)); err != nil {
			log.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(os.Args[1], name), made.Bytes(), 0o644); err != nil { //nolint:gosec // they are to be read
			log.Fatal(err)
		}
	}
}

// in returns a value of the source with the texts of a language: each is an object with a text for each language and nothing else.
func in(language string, value any) any {
	switch v := value.(type) {
	case []any:
		for i := range v {
			v[i] = in(language, v[i])
		}
	case map[string]any:
		if text, ok := v[language]; ok && len(v) == len(files) {
			return text
		}
		for key := range v {
			v[key] = in(language, v[key])
		}
	}
	return value
}
