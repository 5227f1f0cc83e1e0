package configcheck

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/influxdata/telegraf/config"
	"github.com/stretchr/testify/require"
)

// inputOptions must match the options that the loader of the built-in Telegraf reads, also after an upgrade.
//
//promise:mistakes
func TestInputOptionsAreTelegrafs(t *testing.T) {
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", "github.com/influxdata/telegraf/config").Output()
	require.NoError(t, err)
	source, err := parser.ParseFile(token.NewFileSet(), filepath.Join(strings.TrimSpace(string(dir)), "config.go"), nil, 0)
	require.NoError(t, err)
	read := map[string][]string{}
	for _, declaration := range source.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok || !slices.Contains([]string{"buildInput", "buildFilter", "missingTomlField", "matchesLabelSelection"}, function.Name.Name) {
			continue
		}
		ast.Inspect(function, func(n ast.Node) bool {
			var keys []ast.Expr
			switch n := n.(type) {
			case *ast.CallExpr: // getFieldString and the like
				if method, ok := n.Fun.(*ast.SelectorExpr); ok && strings.HasPrefix(method.Sel.Name, "getField") {
					keys = n.Args[1:]
				}
			case *ast.IndexExpr: // tbl.Fields["tags"]
				keys = []ast.Expr{n.Index}
			case *ast.CaseClause:
				keys = n.List
			}
			for _, key := range keys {
				if literal, ok := key.(*ast.BasicLit); ok && literal.Kind == token.STRING {
					name, err := strconv.Unquote(literal.Value)
					require.NoError(t, err)
					read[function.Name.Name] = append(read[function.Name.Name], name)
				}
			}
			return true
		})
	}
	accepted := read["missingTomlField"]
	require.NotEmpty(t, accepted)
	var want []string
	for _, name := range slices.Concat(read["buildInput"], read["buildFilter"], read["matchesLabelSelection"]) {
		if slices.Contains(accepted, name) { // other options are rejected
			want = append(want, name)
		}
	}
	require.ElementsMatch(t, want, optionNames(&inputOptions{}))
	require.Subset(t, optionNames(&config.AgentConfig{}), agentOptions)
}
