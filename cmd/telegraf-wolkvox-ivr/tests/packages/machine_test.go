//go:build integration

package packages

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
)

// machine is a system in a folder, with only what the packages' scripts and Telegraf need.
type machine struct {
	t    *testing.T
	root string
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{t, t.TempDir()}
	require.NoError(t, os.Chmod(m.root, 0o755)) //nolint:gosec // G302: Telegraf's user needs access
	for _, dir := range []string{"dev", "etc/telegraf/telegraf.d", "tmp", "usr/bin", "usr/lib", "usr/lib64", "usr/sbin",
		"var/lib/dpkg/info", "var/lib/dpkg/updates"} {
		require.NoError(t, os.MkdirAll(m.path(dir), 0o755)) //nolint:gosec // G301: likewise
	}
	require.NoError(t, os.Chmod(m.path("tmp"), 0o777)) //nolint:gosec // G302: likewise
	for _, dir := range []string{"bin", "lib", "lib64", "sbin"} {
		require.NoError(t, os.Symlink("usr/"+dir, m.path(dir)))
	}
	m.write("/dev/null", "")
	require.NoError(t, os.Chmod(m.path("dev/null"), 0o666)) //nolint:gosec // G302: likewise
	m.write("/var/lib/dpkg/status", "Package: passwd\nStatus: install ok installed\nVersion: 1:4.13\nArchitecture: all\n"+
		"Maintainer: none\nDescription: none\n")
	m.write("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
	m.write("/etc/group", "root:x:0:\n")

	library := regexp.MustCompile(`(/\S+) \(0x`)
	for _, program := range []string{"cat", "chgrp", "getent", "groupadd", "install", "mv", "rm", "rmdir", "sh", "stat", "useradd"} {
		path, err := exec.LookPath(program)
		require.NoError(t, err)
		m.copy(path, path)
		for _, match := range library.FindAllStringSubmatch(testbed.Execute(t, "", "ldd", path), -1) {
			m.copy(match[1], match[1])
		}
	}
	m.copy(testbed.ProgramPath(t, "telegraf"), "/usr/bin/telegraf")
	m.write("/etc/telegraf/telegraf.conf", `
[agent]
  interval = "1s"
  flush_interval = "100ms"
  omit_hostname = true
  skip_processors_after_aggregators = true

[[outputs.file]]
  files = ["/tmp/metrics.out"]

# Stands for all else that this Telegraf does.
[[inputs.internal]]
  namepass = ["internal_agent"]
`)
	return m
}

func (m *machine) path(path string) string {
	return filepath.Join(m.root, path)
}

func (m *machine) copy(from, to string) {
	m.t.Helper()
	if _, err := os.Stat(m.path(to)); err != nil {
		require.NoError(m.t, os.MkdirAll(filepath.Dir(m.path(to)), 0o755)) //nolint:gosec // G301: likewise
		testbed.Execute(m.t, "", "cp", "-L", from, m.path(to))
	}
}

func (m *machine) write(path, content string) {
	m.t.Helper()
	require.NoError(m.t, os.WriteFile(m.path(path), []byte(content), 0o644)) //nolint:gosec // G306: likewise
}

func (m *machine) read(path string) string {
	m.t.Helper()
	content, err := os.ReadFile(m.path(path))
	require.NoError(m.t, err)
	return string(content)
}

// replace edits a file as an administrator does.
func (m *machine) replace(path string, pairs ...string) {
	m.t.Helper()
	content := m.read(path)
	edited := strings.NewReplacer(pairs...).Replace(content)
	require.NotEqual(m.t, content, edited)
	require.NoError(m.t, os.WriteFile(m.path(path), []byte(edited), 0o600)) // keeps owner and mode of an existing file
}

// dpkg runs dpkg on the machine. Scripts run with the machine's folder as their root.
func (m *machine) dpkg(args ...string) string {
	m.t.Helper()
	return testbed.Execute(m.t, "", "dpkg", append([]string{"--root=" + m.root, "--log=/dev/null"}, args...)...)
}

// requireVersion requires a version of the package to be installed.
func (m *machine) requireVersion(want string) {
	m.t.Helper()
	query := testbed.Execute(m.t, "", "dpkg-query", "--admindir="+m.path("/var/lib/dpkg"), "--show", "--showformat=${Version}", "telegraf-wolkvox-ivr")
	require.Equal(m.t, want, query)
}

// requireFile requires a file or folder to have the mode and owners.
func (m *machine) requireFile(path, want string) {
	m.t.Helper()
	stat := testbed.Execute(m.t, "", "chroot", m.root, "stat", "-c", "%a %U:%G", path)
	require.Equal(m.t, want+"\n", stat, path)
}

// pluginFiles returns the plugin's files on the machine, except documents.
func (m *machine) pluginFiles() []string {
	m.t.Helper()
	var found []string
	require.NoError(m.t, filepath.WalkDir(m.root, func(path string, d fs.DirEntry, err error) error {
		inside := strings.TrimPrefix(path, m.root)
		switch {
		case err != nil:
			return err
		case inside == "/usr/share", inside == "/var/lib/dpkg":
			return fs.SkipDir
		case strings.Contains(d.Name(), "wolkvox"):
			found = append(found, inside)
		}
		return nil
	}))
	return found
}

// telegraf starts Telegraf on the machine as its package's service does, and kills it at the end of the test.
func (m *machine) telegraf() *testbed.Telegraf {
	m.t.Helper()
	a := &testbed.Telegraf{T: m.t, Dir: m.path("tmp"), Program: "chroot", Args: []string{"--userspec=telegraf:telegraf", m.root, "/usr/bin/telegraf",
		"--strict-env-handling", "-config", "/etc/telegraf/telegraf.conf", "-config-directory", "/etc/telegraf/telegraf.d"}}
	require.NoError(m.t, os.RemoveAll(m.path("tmp/metrics.out")))
	require.NoError(m.t, os.RemoveAll(m.path("tmp/telegraf.log")))
	a.Start()
	m.t.Cleanup(func() {
		a.Kill()
		if m.t.Failed() {
			m.t.Logf("Telegraf's log:\n%s", a.Log())
		}
	})
	return a
}
