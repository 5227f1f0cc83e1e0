package host

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

//promise:trials
func TestTrialFlag(t *testing.T) {
	for args, want := range map[string]string{
		"":                                "",
		"--config x.conf --test":          "--test",
		"-test":                           "--test",
		"--once --debug":                  "--once",
		"--test=true":                     "--test",
		"--test=false":                    "",
		"--test-wait 5":                   "--test-wait",
		"--test-wait=5":                   "--test-wait",
		"--test-wait 0":                   "",
		"--test-wait":                     "",
		"--config test once --watch once": "",
		"--testing ---test":               "",
	} {
		require.Equal(t, want, trialFlag(strings.Fields(args)), args)
	}
}
