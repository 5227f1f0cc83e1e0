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

// The user telegraf may own the folders that root's scripts work in: no link there is followed, and nothing there keeps the package from
// being removed. The tests run the packages' own scripts; TestPackages covers the rest.

const foreign = "/etc/foreign" // what a link leads to that somebody has put in the place of a file

// scriptsMachine returns a machine with the user and the group, a foreign file, and a foreign folder.
func scriptsMachine(t *testing.T) *machine {
	t.Helper()
	if os.Geteuid() != 0 {
		testbed.LeaveOut(t, "no root, to run the packages' scripts")
	}
	m := newMachine(t)
	m.script("rpm-pre.sh", "1")
	m.write(foreign, "foreign")
	require.NoError(t, os.Mkdir(m.path(foreign+".d"), 0o755)) //nolint:gosec // G301: as any of root's
	return m
}

// script runs one of a package's scripts on the machine, to its good end.
func (m *machine) script(name string, args ...string) string {
	m.t.Helper()
	return testbed.Execute(m.t, "", "chroot", append([]string{m.root, "sh", "-c", testbed.ReadDoc(m.t, testbed.Ours+"packaging/"+name), name}, args...)...)
}

// link puts a link in the place of a file.
func (m *machine) link(target, path string) {
	m.t.Helper()
	require.NoError(m.t, os.Symlink(target, m.path(path)))
}

// requireLink requires a link to be there, as it was.
func (m *machine) requireLink(target, path string) {
	m.t.Helper()
	found, err := os.Readlink(m.path(path))
	require.NoError(m.t, err)
	require.Equal(m.t, target, found)
}

// requireForeign requires what is foreign to be as it was.
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

// TestMovesFollowNoLink: away at a removal, and back at the next installation.
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

	// Another's link is in its place, which leads nowhere.
	m.link("/nowhere", testbed.TelegrafConf)
	m.script("deb-preinst.sh", "install")
	m.requireLink("/nowhere", testbed.TelegrafConf)
	require.Equal(t, "edited", m.read(removed))

	// A link goes both ways as any file does, but for one over which dpkg would not install.
	for _, target := range []string{"/nowhere", foreign, foreign + ".d"} {
		require.NoError(t, os.Remove(m.path(testbed.TelegrafConf)))
		m.link(target, testbed.TelegrafConf)
		m.script("deb-postrm.sh", "remove")
		m.requireLink(target, removed)
		m.script("deb-preinst.sh", "install")
		if target != foreign+".d" {
			m.requireLink(target, testbed.TelegrafConf)
		}
		require.Len(t, m.ours(), 1)
		m.requireForeign()
	}
	m.requireLink(foreign+".d", removed)

	// A folder in the place of either is nobody's to move.
	require.NoError(t, os.Remove(m.path(removed)))
	require.NoError(t, os.Mkdir(m.path(removed), 0o700))
	m.write(testbed.TelegrafConf, "edited")
	require.Contains(t, m.script("deb-postrm.sh", "remove"), "Telegraf will not start until you move "+testbed.TelegrafConf+" away.\n")
	require.Equal(t, "edited", m.read(testbed.TelegrafConf))
	require.NoError(t, os.Remove(m.path(testbed.TelegrafConf)))
	m.script("deb-preinst.sh", "install")
	require.Equal(t, []string{removed}, m.ours())
	require.NoError(t, os.Rename(m.path(removed), m.path(testbed.TelegrafConf)))
	m.script("deb-postrm.sh", "remove")
	require.Equal(t, []string{testbed.TelegrafConf}, m.ours())
}

// TestPurge: it comes to its end whatever lies in the place of the package's files, and leaves folders alone.
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
	for i, place := range append(slices.Clone(places), "") { // where the folder lies, if there is one
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
		require.Equal(t, left, m.ours())
		require.NotContains(t, m.read("/var/lib/dpkg/status"), "telegraf-wolkvox-ivr", "purged")
		m.requireForeign()
		if place == "" {
			require.NotContains(t, printed, "stays: ")
			continue
		}
		require.Contains(t, printed, fmt.Sprintf("rm: cannot remove '%s': Is a directory\n", place))
		require.Contains(t, printed, "a folder in the place of a file is not the package's.\n")
		require.NoError(t, os.RemoveAll(m.path(place)))
	}
}

// scriptsDeb makes a .deb with the real one's scripts and configuration alone, which takes no time.
func scriptsDeb(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(path, content string, mode os.FileMode) {
		path = filepath.Join(dir, "raw", path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755)) //nolint:gosec // G301: as every package's folders
		require.NoError(t, os.WriteFile(path, []byte(content), mode))
	}
	write("DEBIAN/control", "Package: telegraf-wolkvox-ivr\nVersion: 1.0.0\nArchitecture: all\nMaintainer: none\nDescription: none\n", 0o644)
	write("DEBIAN/conffiles", testbed.TelegrafConf+"\n"+testbed.PluginConf+"\n", 0o644)
	for _, script := range []string{"preinst", "postinst", "postrm"} {
		write("DEBIAN/"+script, testbed.ReadDoc(t, testbed.Ours+"packaging/deb-"+script+".sh"), 0o755)
	}
	write(testbed.TelegrafConf, testbed.ReadDoc(t, testbed.Ours+"packaging/telegraf.d.conf"), 0o644)
	write(testbed.PluginConf, testbed.ReadDoc(t, testbed.Ours+"packaging/wolkvox_ivr.conf"), 0o640)
	testbed.Execute(t, dir, "dpkg-deb", "-Znone", "--root-owner-group", "--build", "raw", "scripts.deb")
	return filepath.Join(dir, "scripts.deb")
}
