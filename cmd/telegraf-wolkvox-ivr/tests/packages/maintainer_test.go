//go:build integration

package packages

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
)

// The user telegraf may own the folders in which root's scripts work. The scripts must not follow links there, and
// nothing there may prevent the removal of the package. These tests run the packages' own scripts; TestPackages covers
// the rest.

const foreign = "/etc/foreign" // target of a link that somebody has put in place of a file

// scriptsMachine returns a machine with user and group telegraf, a foreign file and a foreign folder.
func scriptsMachine(t *testing.T) *machine {
	t.Helper()
	if os.Geteuid() != 0 {
		testbed.SkipWithout(t, "no root, to run the packages' scripts")
	}
	m := newMachine(t)
	m.script("rpm-pre.sh", "1")
	m.write(foreign, "foreign")
	require.NoError(t, os.Mkdir(m.path(foreign+".d"), 0o755)) //nolint:gosec // G301: like any folder of root
	return m
}

// script runs one of a package's scripts on the machine. It must succeed.
func (m *machine) script(name string, args ...string) string {
	m.t.Helper()
	script := testbed.ReadSource(m.t, testbed.ProgramDir+"packaging/"+name)
	return testbed.Execute(m.t, "", "chroot", append([]string{m.root, "sh", "-c", script, name}, args...)...)
}

// link creates a link in place of a file.
func (m *machine) link(target, path string) {
	m.t.Helper()
	require.NoError(m.t, os.Symlink(target, m.path(path)))
}

// requireLink requires a link to be unchanged.
func (m *machine) requireLink(target, path string) {
	m.t.Helper()
	found, err := os.Readlink(m.path(path))
	require.NoError(m.t, err)
	require.Equal(m.t, target, found)
}

// requireForeign requires the foreign file and folder to be unchanged.
func (m *machine) requireForeign() {
	m.t.Helper()
	m.requireFile(foreign, "644 root:root")
	require.Equal(m.t, "foreign", m.read(foreign))
	files, err := os.ReadDir(m.path(foreign + ".d"))
	require.NoError(m.t, err)
	require.Empty(m.t, files)
	require.NoFileExists(m.t, m.path("/nowhere"))
}

//promise:scripts
func TestInstallFollowsNoLink(t *testing.T) {
	t.Parallel()
	for name, arg := range map[string]string{"deb-postinst.sh": "configure", "rpm-post.sh": "1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := scriptsMachine(t)
			m.link(foreign, testbed.PluginConf)
			m.link("/nowhere", "/var/lib/telegraf")
			require.NotContains(t, m.script(name, arg, ""), "install: ")
			m.requireLink("/nowhere", "/var/lib/telegraf")
			m.requireForeign()

			require.NoError(t, os.Remove(m.path("/var/lib/telegraf")))
			m.script(name, arg, "")
			m.requireFile("/var/lib/telegraf", "770 root:telegraf")
		})
	}
}

// TestMovesFollowNoLink: the configuration is moved away on removal, and back on the next installation.
//
//promise:scripts
func TestMovesFollowNoLink(t *testing.T) {
	t.Parallel()
	const removed = testbed.TelegrafConf + ".removed"
	m := scriptsMachine(t)
	m.write(testbed.TelegrafConf, "edited")
	m.link(foreign+".d", removed)
	m.script("deb-postrm.sh", "remove")
	m.requireForeign()
	require.Equal(t, "edited", m.read(removed))

	// Another user's link is in its place, and its target does not exist.
	m.link("/nowhere", testbed.TelegrafConf)
	m.script("deb-preinst.sh", "install")
	m.requireLink("/nowhere", testbed.TelegrafConf)
	require.Equal(t, "edited", m.read(removed))

	// A link is moved like a file, except back if its target is a folder, because dpkg would not install over it.
	for _, target := range []string{"/nowhere", foreign, foreign + ".d"} {
		require.NoError(t, os.Remove(m.path(testbed.TelegrafConf)))
		m.link(target, testbed.TelegrafConf)
		m.script("deb-postrm.sh", "remove")
		m.requireLink(target, removed)
		m.script("deb-preinst.sh", "install")
		if target != foreign+".d" {
			m.requireLink(target, testbed.TelegrafConf)
		}
		require.Len(t, m.pluginFiles(), 1)
		m.requireForeign()
	}
	m.requireLink(foreign+".d", removed)

	// A folder in place of either file is not moved.
	require.NoError(t, os.Remove(m.path(removed)))
	require.NoError(t, os.Mkdir(m.path(removed), 0o700))
	m.write(testbed.TelegrafConf, "edited")
	require.Contains(t, m.script("deb-postrm.sh", "remove"), "Telegraf will not start until you move "+testbed.TelegrafConf+" away.\n")
	require.Equal(t, "edited", m.read(testbed.TelegrafConf))
	require.NoError(t, os.Remove(m.path(testbed.TelegrafConf)))
	m.script("deb-preinst.sh", "install")
	require.Equal(t, []string{removed}, m.pluginFiles())
	require.NoError(t, os.Rename(m.path(removed), m.path(testbed.TelegrafConf)))
	m.script("deb-postrm.sh", "remove")
	require.Equal(t, []string{testbed.TelegrafConf}, m.pluginFiles())
}

// TestPurge: purging succeeds whatever is in place of the package's files, and leaves folders alone.
//
//promise:scripts
func TestPurge(t *testing.T) {
	t.Parallel()
	testbed.Need(t, "dpkg")
	m, deb := scriptsMachine(t), scriptsDeb(t)
	places := []string{testbed.TelegrafConf + ".removed", testbed.StateFile, testbed.StateFile + ".lock",
		testbed.StateFile + ".tmp", testbed.StateFile + ".rejected-1764201600"}
	others := []func(path string) error{
		func(path string) error { return os.Symlink(foreign, path) },
		func(path string) error { return os.Symlink(foreign+".d", path) },
		func(path string) error { return os.Symlink("/nowhere", path) },
		func(path string) error { return syscall.Mkfifo(path, 0o600) },
	}
	for i, place := range append(slices.Clone(places), "") { // where the folder is, if there is one
		m.dpkg("--install", deb)
		m.dpkg("--remove", "telegraf-wolkvox-ivr")
		require.NoError(t, os.Remove(m.path(testbed.TelegrafConf+".removed")))
		var left []string
		for j, path := range places {
			if path == place {
				require.NoError(t, os.MkdirAll(m.path(path+"/wolkvox"), 0o700))
				left = []string{path, path + "/wolkvox"}
				continue
			}
			require.NoError(t, others[(i+j)%len(others)](m.path(path)))
		}
		printed := m.dpkg("--purge", "telegraf-wolkvox-ivr")
		require.Equal(t, left, m.pluginFiles())
		require.NotContains(t, m.read("/var/lib/dpkg/status"), "telegraf-wolkvox-ivr", "purged")
		m.requireForeign()
		if place == "" {
			require.NotContains(t, printed, "does not own")
			continue
		}
		require.Contains(t, printed, fmt.Sprintf("rm: cannot remove '%s': Is a directory\n", place))
		require.Contains(t, printed, "not removed, because the package does not own a folder.\n")
		require.NoError(t, os.RemoveAll(m.path(place)))
	}
}

// scriptsDeb builds a .deb with only the real one's scripts and configuration, which takes no time.
func scriptsDeb(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(path, content string, mode os.FileMode) {
		path = filepath.Join(dir, "raw", path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755)) //nolint:gosec // G301: like the folders of every package
		require.NoError(t, os.WriteFile(path, []byte(content), mode))
	}
	write("DEBIAN/control", "Package: telegraf-wolkvox-ivr\nVersion: 1.0.0\nArchitecture: all\nMaintainer: none\nDescription: none\n", 0o644)
	write("DEBIAN/conffiles", testbed.TelegrafConf+"\n"+testbed.PluginConf+"\n", 0o644)
	for _, script := range []string{"preinst", "postinst", "postrm"} {
		write("DEBIAN/"+script, testbed.ReadSource(t, testbed.ProgramDir+"packaging/deb-"+script+".sh"), 0o755)
	}
	write(testbed.TelegrafConf, testbed.ReadSource(t, testbed.ProgramDir+"packaging/telegraf.d.conf"), 0o644)
	write(testbed.PluginConf, testbed.ReadSource(t, testbed.ProgramDir+"packaging/wolkvox_ivr.conf"), 0o640)
	testbed.Execute(t, dir, "dpkg-deb", "-Znone", "--root-owner-group", "--build", "raw", "scripts.deb")
	return filepath.Join(dir, "scripts.deb")
}
