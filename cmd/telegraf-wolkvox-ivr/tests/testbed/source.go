package testbed

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// ProgramDir is the program's folder in the source.
const ProgramDir = "cmd/telegraf-wolkvox-ivr/"

// Root is the root folder of the source, from wherever in it the test runs.
var Root = root()

func root() string {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	panic("this test runs outside of the source")
}

// ReadSource returns a file of the source.
func ReadSource(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(Root, name))
	require.NoError(t, err)
	return string(content)
}
