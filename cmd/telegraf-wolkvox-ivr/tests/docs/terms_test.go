package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
)

const contributing = ".github/CONTRIBUTING.md"

// TestTerms requires guides, configurations, messages and the manual page to use the terms of CONTRIBUTING.md.
//
//promise:guides
func TestTerms(t *testing.T) {
	t.Parallel()
	before, section, _ := strings.Cut(testbed.ReadSource(t, contributing), "## Terms\n")
	table, after, _ := strings.Cut(section, "\n## ")
	refused := make(map[string]*regexp.Regexp) // by term
	for _, row := range regexp.MustCompile(`(?m)^\| ([a-z].*?) \|.*\| (.*) ?\|$`).FindAllStringSubmatch(table, -1) {
		for _, phrase := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[2], -1) {
			pattern := strings.NewReplacer("*", `\pL*`, " ", `\s+`).Replace(phrase[1])
			refused[row[1]+": "+phrase[1]] = regexp.MustCompile(`(?i)(?:^|[^\pL_])(` + pattern + `)(?:$|[^\pL_])`)
		}
	}
	require.Greater(t, len(refused), 25)

	texts := map[string]string{contributing: before + after}
	for _, page := range slices.Concat(pages(t, ".md"), pages(t, ".conf"), []string{testbed.ProgramDir + "packaging/telegraf-wolkvox-ivr.1"}) {
		if page != contributing {
			texts[page] = testbed.ReadSource(t, page)
		}
	}
	for page, text := range texts {
		texts[page] = testbed.Prose(text)
	}
	for _, source := range pages(t, ".go") {
		if !strings.HasSuffix(source, "_test.go") && !strings.Contains(source, "/tests/") {
			texts[source] = stringsOf(t, source)
		}
	}
	for page, text := range texts {
		for term, pattern := range refused {
			for _, match := range pattern.FindAllStringIndex(text, -1) {
				t.Errorf("%s: %q: use the term of %s: %s", page, text[max(0, match[0]-40):match[1]], contributing, term)
			}
		}
	}
}

// stringsOf returns the strings of a Go file that are sentences rather than names.
func stringsOf(t *testing.T, source string) string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), testbed.Root+"/"+source, nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	var texts strings.Builder
	ast.Inspect(file, func(node ast.Node) bool {
		if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if text, err := strconv.Unquote(literal.Value); err == nil && strings.Contains(text, " ") {
				texts.WriteString(text + "\n")
			}
		}
		return true
	})
	return texts.String()
}
