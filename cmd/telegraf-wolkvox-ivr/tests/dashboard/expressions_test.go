package dashboard

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// number is what Grafana's expressions calculate with: a value with the labels of its series.
type number struct {
	labels map[string]string
	value  float64
}

// numbers are the result of a query or an expression. A query without a result has noData, and so has any expression
// with it.
type numbers []number

var noData numbers

// calculate evaluates a math expression as Grafana does. Go has the same operators with the same precedence.
func calculate(expression string, values map[string]numbers) (numbers, error) {
	root, err := parser.ParseExpr(strings.ReplaceAll(expression, "$", ""))
	if err != nil {
		return nil, err
	}
	return evaluate(root, values)
}

func evaluate(node ast.Expr, values map[string]numbers) (numbers, error) {
	switch node := node.(type) {
	case *ast.ParenExpr:
		return evaluate(node.X, values)
	case *ast.BasicLit:
		value, err := strconv.ParseFloat(node.Value, 64)
		return numbers{{value: value}}, err
	case *ast.Ident:
		values, ok := values[node.Name]
		if !ok {
			return nil, fmt.Errorf("there is no %s", node.Name)
		}
		return values, nil
	case *ast.UnaryExpr:
		values, err := evaluate(node.X, values)
		if node.Op != token.SUB {
			err = fmt.Errorf("the test knows no %s", node.Op)
		}
		return each(values, func(value float64) float64 { return -value }), err
	case *ast.CallExpr:
		if name, ok := node.Fun.(*ast.Ident); !ok || name.Name != "abs" || len(node.Args) != 1 {
			return nil, fmt.Errorf("the test knows no function %v", node.Fun)
		}
		values, err := evaluate(node.Args[0], values)
		return each(values, math.Abs), err
	case *ast.BinaryExpr:
		a, err := evaluate(node.X, values)
		if err != nil {
			return nil, err
		}
		b, err := evaluate(node.Y, values)
		if err != nil {
			return nil, err
		}
		operate, ok := operators[node.Op]
		if !ok {
			return nil, fmt.Errorf("the test knows no %s", node.Op)
		}
		return join(a, b, operate), nil
	}
	return nil, fmt.Errorf("the test knows no %T", node)
}

func each(values numbers, f func(float64) float64) (results numbers) {
	for _, n := range values {
		results = append(results, number{n.labels, f(n.value)})
	}
	return results
}

// join combines numbers as Grafana does. Numbers belong together if they have the same labels or if the labels of one
// contain the labels of the other, none at all for instance. If nothing belongs together and both sides have one
// number, these are combined, without labels. All other numbers are dropped.
func join(a, b numbers, operate func(a, b float64) float64) (results numbers) {
	for _, x := range a {
		for _, y := range b {
			switch {
			case contains(x.labels, y.labels):
				results = append(results, number{x.labels, operate(x.value, y.value)})
			case contains(y.labels, x.labels):
				results = append(results, number{y.labels, operate(x.value, y.value)})
			}
		}
	}
	if len(results) == 0 && len(a) == 1 && len(b) == 1 {
		return numbers{{value: operate(a[0].value, b[0].value)}}
	}
	return results
}

// contains reports whether a series has all of the labels.
func contains(series, labels map[string]string) bool {
	for name, value := range labels {
		if own, ok := series[name]; !ok || own != value {
			return false
		}
	}
	return true
}

var operators = map[token.Token]func(a, b float64) float64{
	token.ADD:  func(a, b float64) float64 { return a + b },
	token.SUB:  func(a, b float64) float64 { return a - b },
	token.MUL:  func(a, b float64) float64 { return a * b },
	token.QUO:  func(a, b float64) float64 { return a / b },
	token.REM:  math.Mod,
	token.EQL:  func(a, b float64) float64 { return truth(a == b) },
	token.LSS:  func(a, b float64) float64 { return truth(a < b) },
	token.LEQ:  func(a, b float64) float64 { return truth(a <= b) },
	token.GTR:  func(a, b float64) float64 { return truth(a > b) },
	token.GEQ:  func(a, b float64) float64 { return truth(a >= b) },
	token.LAND: func(a, b float64) float64 { return truth(a != 0 && b != 0) },
	token.LOR:  func(a, b float64) float64 { return truth(a != 0 || b != 0) },
}

func truth(holds bool) float64 {
	if holds {
		return 1
	}
	return 0
}

// The rules depend on how Grafana handles labels.
func TestExpressions(t *testing.T) {
	t.Parallel()
	sales, support := map[string]string{"source": "a", "operation": "sales"}, map[string]string{"source": "a", "operation": "support"}
	values := map[string]numbers{
		"both":    {{sales, 6}, {support, 7}},
		"sales":   {{sales, 2}},
		"support": {{support, 4}},
		"source":  {{map[string]string{"source": "a"}, 10}},
		"other":   {{map[string]string{"source": "b"}, 10}, {map[string]string{"source": "c"}, 10}},
		"plain":   {{nil, 3}},
		"nothing": noData,
	}
	for expression, expected := range map[string]numbers{
		"1 + 2 * 3":              {{nil, 7}},
		"$both - 1":              {{sales, 5}, {support, 6}},
		"$both % 4 * $plain":     {{sales, 6}, {support, 9}},
		"$both / $sales":         {{sales, 3}},
		"$both + $source":        {{sales, 16}, {support, 17}},
		"$sales + $support":      {{nil, 6}}, // unrelated
		"$both + $other":         noData,
		"$both + $nothing":       noData,
		"$nothing":               noData,
		"abs(-$plain) == $plain": {{nil, 1}},
		"$both > 6 && $both < 8": {{sales, 0}, {support, 1}},
		"$both >= 7 || $both <= 5 && $plain == 4": {{sales, 0}, {support, 1}},
	} {
		results, err := calculate(expression, values)
		require.NoError(t, err, expression)
		require.Len(t, results, len(expected), expression)
		for i := range expected {
			require.True(t, maps.Equal(expected[i].labels, results[i].labels), "%s: %v", expression, results)
			require.InDelta(t, expected[i].value, results[i].value, 1e-9, expression)
		}
	}
	for _, expression := range []string{"$unknown", "$both +", "round($both)", "!$both", "$both << 1"} {
		_, err := calculate(expression, values)
		require.Error(t, err, expression)
	}
}
