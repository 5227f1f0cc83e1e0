package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/influxdata/telegraf/plugins/inputs"
	"github.com/influxdata/telegraf/plugins/secretstores"
)

//promise:flags
func TestFlags(t *testing.T) {
	sample := "[agent]\n  ## Records which hours are final. The file must survive restarts.\n  statefile = \"/var/lib/telegraf/wolkvox_ivr.state\"\n\n" +
		inputs.Inputs["wolkvox_ivr"]().SampleConfig() +
		"\n## The plugin's own statistics, for the dashboard and the alert rules\n[[inputs.internal]]\n  namepass = [\"internal_wolkvox_ivr\"]\n"
	for _, tt := range []struct {
		name           string
		args           []string
		status         int
		stdout, stderr string
	}{
		{"help", []string{"--help"}, 0, usage, ""},
		{"short help", []string{"-h"}, 0, usage, ""},
		{"sample", []string{"--sample-config"}, 0, sample, ""},
		{"one dash", []string{"-sample-config"}, 0, sample, ""},
		{"unknown", []string{"--interval", "5m"}, 2, "", "E! flag provided but not defined: -interval; see telegraf-wolkvox-ivr --help\n"},
		{"no duration", []string{"--poll_interval", "5"}, 2, "",
			"E! invalid value \"5\" for flag -poll_interval: parse error; see telegraf-wolkvox-ivr --help\n"},
		{"zero", []string{"--poll_interval", "0s"}, 2, "", "E! --poll_interval must be positive; see telegraf-wolkvox-ivr --help\n"},
		{"argument", []string{"x.conf"}, 2, "", "E! unexpected argument \"x.conf\"; see telegraf-wolkvox-ivr --help\n"},
		{"JSON of nothing", []string{"--json"}, 2, "", "E! --json requires --check or --status; see telegraf-wolkvox-ivr --help\n"},
		{"check and test", []string{"--check", "--test"}, 2, "", "E! --check and --test can't be combined; see telegraf-wolkvox-ivr --help\n"},
		{"no value", []string{"--config"}, 2, "", "E! flag needs an argument: -config; see telegraf-wolkvox-ivr --help\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			require.Equal(t, tt.status, run(tt.args, &stdout, &stderr))
			require.Equal(t, tt.stdout, stdout.String())
			require.Equal(t, tt.stderr, stderr.String())
		})
	}

	var stdout bytes.Buffer
	require.Zero(t, run([]string{"--version"}, &stdout, &stdout))
	require.Regexp(t, `^telegraf-wolkvox-ivr dev \(go.*\)\n$`, stdout.String())
	require.Equal(t, 1, run([]string{"--config", t.TempDir() + "/missing.conf"}, &stdout, &stdout))
}

//promise:flags
func TestCheckFlags(t *testing.T) {
	for flag, want := range map[string]string{"": "FAIL  configuration  ", "--json": `"status": "fail"`} {
		args := []string{"--config", t.TempDir() + "/missing.conf", "--check"}
		if flag != "" {
			args = append(args, flag)
		}
		var stdout, stderr bytes.Buffer
		require.Equal(t, 1, run(args, &stdout, &stderr))
		require.Contains(t, stdout.String(), want)
		require.Empty(t, stderr.String())
	}
}

//promise:environment
func TestSecretStores(t *testing.T) {
	for _, name := range []string{"docker", "http", "jose", "oauth2", "os", "systemd"} {
		require.Contains(t, secretstores.SecretStores, name)
	}
}
