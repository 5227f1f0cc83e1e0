//go:build integration

package telegraf

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// TestRotatedSecret: with the shipped configurations, a token that kubelet replaces is used without a restart.
//
//promise:rotation
func TestRotatedSecret(t *testing.T) {
	t.Parallel()
	for name, shipped := range map[string]func(*testing.T) string{
		"Kubernetes": func(t *testing.T) string { return manifestFile(t, "wolkvox_ivr.conf") },
		"container": func(t *testing.T) string {
			return testbed.ReadSource(t, testbed.ProgramDir+"packaging/container/wolkvox_ivr-secret.conf")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const replacement = "invented-token-new"
			o := testbed.Busy
			w, secrets := testbed.StartWolkvox(t, o), t.TempDir()
			rotate(t, secrets, "..2026_a", o.Token)
			stores, table, found := strings.Cut(shipped(t), "[[inputs.wolkvox_ivr]]\n")
			require.True(t, found)
			table, _, _ = strings.Cut(table, "[[inputs.")
			stores = regexp.MustCompile(`path = "/run/secrets[^"]*"`).ReplaceAllString(stores, `path = "`+secrets+`"`)
			stores = strings.Replace(stores, "/var/lib/telegraf/", "", 1)
			require.Contains(t, stores, secrets)
			tg := testbed.StartTelegraf(t, testbed.Setup{
				Plugin: stores + "[[inputs.wolkvox_ivr]]\n  interval = \"500ms\"\n  url = \"" + w.URL + "\"\n" + table,
				Env:    []string{"WOLKVOX_SERVER=" + o.Server, "WOLKVOX_BACKFILL=0s"},
			})
			tg.Await("two gathers with the old token", func() bool { return w.Successes(o.Token) >= 2 })
			plugin := tg.Plugin()

			w.SetToken(o.Token, replacement)
			rotate(t, secrets, "..2026_b", replacement)
			swapped := time.Now()
			tg.Await("two gathers with the new token", func() bool { return w.Successes(replacement) >= 2 })
			late := 0
			for _, request := range w.RequestsWith(o.Token) {
				if request.Start.After(swapped) {
					late++
				}
			}
			require.LessOrEqual(t, late, 1, "requests with the old token, besides one that had read it before the swap")
			require.Equal(t, plugin, tg.Plugin(), "the plugin was started again")
			tg.Stop()
		})
	}
}

// rotate replaces a token in a folder as kubelet does: with a new folder, and a link to it that atomically replaces the
// old link.
func rotate(t *testing.T, folder, version, token string) {
	t.Helper()
	const secret = "wolkvox_token"
	at := func(name string) string { return filepath.Join(folder, name) }
	require.NoError(t, os.Mkdir(at(version), 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(at(version), secret), []byte(token), 0o600))
	before, err := os.Readlink(at("..data"))
	require.NoError(t, os.Symlink(version, at("..data_tmp")))
	require.NoError(t, os.Rename(at("..data_tmp"), at("..data")))
	if err != nil { // the first time
		require.NoError(t, os.Symlink("..data/"+secret, at(secret)))
		return
	}
	require.NoError(t, os.RemoveAll(at(before)))
}

// manifestFile returns a file of the ConfigMap in the manifest for Kubernetes.
func manifestFile(t *testing.T, name string) string {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(testbed.ReadSource(t, testbed.ProgramDir+"packaging/kubernetes.yaml")))
	for {
		var object struct {
			Kind string
			Data map[string]string
		}
		require.NoError(t, decoder.Decode(&object), "no ConfigMap with "+name)
		if object.Kind == "ConfigMap" && object.Data[name] != "" {
			return object.Data[name]
		}
	}
}

// TestSecretsOfAnotherFile: in a folder of configurations, each file can use the secrets of all others, as the guide to
// fleets warns.
//
//promise:fleet
func TestSecretsOfAnotherFile(t *testing.T) {
	t.Parallel()
	sales, support := testbed.FleetOperations["sales"], testbed.FleetOperations["support"]
	own, other := testbed.StartWolkvox(t, sales), testbed.StartWolkvox(t, sales, support)
	dir, salesSecrets, supportSecrets := t.TempDir(), t.TempDir(), t.TempDir()
	write := func(path, content string) {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	store := func(id, folder string) string {
		return fmt.Sprintf("[[secretstores.docker]]\nid = %q\npath = %q\ndynamic = true\n", id, folder)
	}
	stored := func(w *testbed.Wolkvox, o simulator.Operation, name, secret string) string {
		o.Token = secret
		return w.Table(o, fmt.Sprintf("operation = %q", name))
	}
	write(filepath.Join(salesSecrets, "token"), sales.Token)
	write(filepath.Join(supportSecrets, "token"), support.Token)
	write(filepath.Join(dir, "a.conf"), store("sales", salesSecrets)+stored(own, sales, "sales", "@{sales:token}"))
	write(filepath.Join(dir, "b.conf"), stored(other, sales, "used", "@{sales:token}")+
		store("foreign", supportSecrets)+stored(other, support, "read", "@{foreign:token}"))

	result := testbed.RunPlugin(t, "--config", dir, "--test")
	require.Zero(t, result.Code, result.Stderr)
	require.NotEmpty(t, own.RequestsWith(sales.Token))
	require.NotEmpty(t, other.RequestsWith(sales.Token), "by the store of the other file")
	require.NotEmpty(t, other.RequestsWith(support.Token), "by a store over a foreign folder")
	for _, guide := range []string{"README.md", "README.es.md"} {
		require.Contains(t, testbed.ReadSource(t, "testdata/fleet/"+guide), "`@{store:key}`")
	}
}
