//go:build integration

package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/stretchr/testify/require"
)

const (
	pluginConf   = "/etc/telegraf/wolkvox_ivr.conf"
	telegrafConf = "/etc/telegraf/telegraf.d/wolkvox_ivr.conf"
	stateFile    = "/var/lib/telegraf/wolkvox_ivr.state"
)

// makePackages runs `make package` for this machine in a folder of the source, and returns the folder with the packages.
func makePackages(t *testing.T, source string, variables ...string) string {
	t.Helper()
	dist := filepath.Join(t.TempDir(), "dist")
	args := append([]string{"package", "DIST=" + dist, "SYSTEMS=linux_" + runtime.GOARCH}, variables...)
	result := execute(t, source, "make", args...)
	require.Contains(t, result, ".deb")
	return dist
}

// execute runs a program to its good end, without what a make around this test has put into the environment for its own kind.
func execute(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MFLAGS=", "MAKELEVEL=", "LC_ALL=C")
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", cmd, output)
	return string(output)
}

// only returns the one file that the pattern matches.
func only(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.Len(t, files, 1, pattern)
	return files[0]
}

// copySource copies what packages are made of, besides git's history, and returns the folder it is in.
func copySource(t *testing.T, source string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"Makefile", "go.mod", "go.sum", "cmd", "plugins", "sample.conf", "README.md", "CHANGELOG.md", "LICENSE"} {
		execute(t, source, "cp", "-R", name, dir)
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "bin"), 0o700))
	nfpm := built(t, "nfpm")
	for _, name := range []string{"nfpm", ".nfpm"} { // not to be built again
		execute(t, "", "cp", "-p", filepath.Join(filepath.Dir(nfpm), name), filepath.Join(dir, "bin"))
	}
	return dir
}

func TestPackages(t *testing.T) {
	t.Parallel()
	source := copySource(t, "../..") // or else what is edited meanwhile makes a difference
	variables := []string{"VERSION=1.0.0", "SOURCE_DATE_EPOCH=1700000000"}
	dist := makePackages(t, source, variables...)

	t.Run("reproducible", func(t *testing.T) {
		t.Parallel()
		// Another folder, where all files are younger and have other modes, in another time zone.
		source := copySource(t, source)
		execute(t, source, "chmod", "-R", "u=rwX,go=", ".")
		other := makePackages(t, source, append(variables, "TZ=Asia/Kolkata")...)

		files, err := os.ReadDir(dist)
		require.NoError(t, err)
		require.Len(t, files, 4) // .deb, .rpm, .tar.gz, SHA256SUMS
		slices.Reverse(files)    // the checksums last, since they differ where anything does
		for _, file := range files {
			want, err := os.ReadFile(filepath.Join(dist, file.Name()))
			require.NoError(t, err)
			got, err := os.ReadFile(filepath.Join(other, file.Name()))
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got), "%s differs", file.Name())
		}
	})
	t.Run("checksums", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, 3, strings.Count(execute(t, dist, "sha256sum", "--check", "SHA256SUMS"), ": OK\n"))
	})
	t.Run("tar.gz", func(t *testing.T) {
		t.Parallel()
		checkArchive(t, dist)
	})
	t.Run("zip", func(t *testing.T) {
		t.Parallel()
		archive := filepath.Join(t.TempDir(), "name.zip")
		execute(t, source, "env", "SOURCE_DATE_EPOCH=1700000000", "go", "run", "./cmd/telegraf-wolkvox-ivr/package/archive.go", archive, "sample.conf")
		reader, err := zip.OpenReader(archive)
		require.NoError(t, err)
		defer reader.Close()
		require.Len(t, reader.File, 1)
		require.Equal(t, "name/sample.conf", reader.File[0].Name)
		require.Equal(t, fs.FileMode(0o644), reader.File[0].Mode())
		require.Equal(t, int64(1700000000), reader.File[0].Modified.Unix())
	})
	t.Run("rpm", func(t *testing.T) {
		t.Parallel()
		checkRPM(t, only(t, dist+"/*.rpm"))
	})
	t.Run("deb", func(t *testing.T) {
		t.Parallel()
		if _, err := exec.LookPath("dpkg"); err != nil || os.Geteuid() != 0 {
			leaveOut(t, "no dpkg, or not root")
		}
		checkDeb(t, only(t, dist+"/*.deb"))
	})
}

// checkArchive checks the .tar.gz for this machine, and the program in it.
func checkArchive(t *testing.T, dist string) {
	t.Helper()
	name := "telegraf-wolkvox-ivr_1.0.0_linux_" + runtime.GOARCH
	file, err := os.Open(filepath.Join(dist, name+".tar.gz"))
	require.NoError(t, err)
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	require.NoError(t, err)
	var names []string
	for archive := tar.NewReader(unzipped); ; {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		require.Zero(t, header.Uid+header.Gid)
		require.Equal(t, int64(1700000000), header.ModTime.Unix())
		names = append(names, fmt.Sprintf("%o %s", header.Mode, header.Name))
		if strings.HasSuffix(header.Name, "/telegraf-wolkvox-ivr") {
			content, err := io.ReadAll(archive)
			require.NoError(t, err)
			program := filepath.Join(t.TempDir(), "program")
			require.NoError(t, os.WriteFile(program, content, 0o700)) //nolint:gosec // G306: a program has to be one
			require.Contains(t, execute(t, "", program, "--version"), "telegraf-wolkvox-ivr 1.0.0 (")
		}
	}
	require.Equal(t, []string{"755 " + name + "/telegraf-wolkvox-ivr", "644 " + name + "/sample.conf", "644 " + name + "/README.md",
		"644 " + name + "/CHANGELOG.md", "644 " + name + "/LICENSE"}, names)
}

// checkRPM checks what matters in the header of an .rpm: a machine that has rpm is not needed for it.
func checkRPM(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	_, length := rpmHeader(t, content[96:]) // behind the lead, the header of signatures
	header, _ := rpmHeader(t, content[96+(length+7)/8*8:])

	const (
		name, version, preIn, postIn, modes, flags, owners, groups        = 1000, 1001, 1023, 1024, 1030, 1037, 1039, 1040
		dirIndexes, baseNames, dirNames, recommends                       = 1116, 1117, 1118, 5046
		configNoReplace                                            uint32 = 1<<0 | 1<<4
	)
	text := func(tag uint32) []string { return strings.Split(string(header[tag]), "\x00") }
	require.Equal(t, "telegraf-wolkvox-ivr", text(name)[0])
	require.Equal(t, "1.0.0", text(version)[0])
	require.Equal(t, "telegraf", text(recommends)[0])
	require.Contains(t, text(preIn)[0], "groupadd")
	require.Contains(t, text(postIn)[0], "/var/lib/telegraf")
	var files []string
	for i, base := range text(baseNames)[:len(header[modes])/2] {
		dir := text(dirNames)[binary.BigEndian.Uint32(header[dirIndexes][4*i:])]
		files = append(files, fmt.Sprintf("%o %s:%s %t %s", binary.BigEndian.Uint16(header[modes][2*i:]), text(owners)[i], text(groups)[i],
			binary.BigEndian.Uint32(header[flags][4*i:])&configNoReplace == configNoReplace, dir+base))
	}
	require.Equal(t, []string{
		"100644 root:root true " + telegrafConf,
		"100640 root:telegraf true " + pluginConf,
		"100755 root:root false /usr/bin/telegraf-wolkvox-ivr",
		"40755 root:root false /usr/share/doc/telegraf-wolkvox-ivr",
		"100644 root:root false /usr/share/doc/telegraf-wolkvox-ivr/CHANGELOG.md",
		"100644 root:root false /usr/share/doc/telegraf-wolkvox-ivr/README.md",
		"100644 root:root false /usr/share/doc/telegraf-wolkvox-ivr/copyright",
		"100644 root:root false /usr/share/doc/telegraf-wolkvox-ivr/sample.conf",
	}, files)
}

// rpmHeader returns what each tag of a header at the start of content has, up to the end of all, and the header's length.
func rpmHeader(t *testing.T, content []byte) (tags map[uint32][]byte, length int) {
	t.Helper()
	require.Equal(t, []byte{0x8e, 0xad, 0xe8, 1}, content[:4])
	count, size := int(binary.BigEndian.Uint32(content[8:])), int(binary.BigEndian.Uint32(content[12:]))
	store := content[16+16*count:][:size]
	offsets := []int{size}
	for i := range count {
		offsets = append(offsets, int(binary.BigEndian.Uint32(content[16+16*i+8:])))
	}
	slices.Sort(offsets)
	tags = make(map[uint32][]byte, count)
	for i := range count {
		index := content[16+16*i:]
		start := int(binary.BigEndian.Uint32(index[8:]))
		end := offsets[slices.Index(offsets, start)+1]
		tags[binary.BigEndian.Uint32(index)] = store[start:end]
	}
	return tags, 16 + 16*count + size
}

func TestPackageVersions(t *testing.T) {
	t.Parallel()
	// As git describes commits, from the earliest to the latest.
	described := []struct{ git, version string }{
		{"", "0.0.0"},
		{"0123456", "0.0.0+git.0123456"},
		{"0123456-dirty", "0.0.0+git.0123456.dirty"},
		{"1.2.3-rc.1", "1.2.3-rc.1"},
		{"1.2.3-rc.1-4-gabcdef0", "1.2.3-rc.1+4.gabcdef0"},
		{"1.2.3", "1.2.3"},
		{"1.2.3-4-gabcdef0", "1.2.3+4.gabcdef0"},
		{"1.2.3-4-gabcdef0-dirty", "1.2.3+4.gabcdef0.dirty"},
		{"1.2.3-11-gabcdef0", "1.2.3+11.gabcdef0"},
		{"1.2.4", "1.2.4"},
		{"1.2.4-dirty", "1.2.4+dirty"},
	}
	earlier := ""
	for _, d := range described {
		version := execute(t, "", "sh", "package/version.sh", d.git)
		require.Equal(t, d.version+"\n", version)
		if _, err := exec.LookPath("dpkg"); err == nil {
			version = strings.Replace(d.version, "-", "~", 1) // as nfpm writes it
			execute(t, "", "dpkg", "--compare-versions", earlier, "lt", version)
			earlier = version
		}
	}
}

// machine is a Debian in a folder: no more of it than the package's scripts and Telegraf need.
type machine struct {
	t    *testing.T
	root string
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{t, t.TempDir()}
	require.NoError(t, os.Chmod(m.root, 0o755)) //nolint:gosec // G302: Telegraf's user has to get in
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
	for _, program := range []string{"chgrp", "chmod", "chown", "getent", "groupadd", "mkdir", "mv", "rm", "rmdir", "sh", "stat", "useradd"} {
		path, err := exec.LookPath(program)
		require.NoError(t, err)
		m.copy(path, path)
		for _, match := range library.FindAllStringSubmatch(execute(t, "", "ldd", path), -1) {
			m.copy(match[1], match[1])
		}
	}
	m.copy(built(t, "telegraf"), "/usr/bin/telegraf")
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
		execute(m.t, "", "cp", "-L", from, m.path(to))
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
	require.NoError(m.t, os.WriteFile(m.path(path), []byte(edited), 0o600)) // keeps owner and mode of what there is
}

// dpkg runs dpkg on the machine, its scripts with the machine's folder as their root.
func (m *machine) dpkg(args ...string) string {
	m.t.Helper()
	return execute(m.t, "", "dpkg", append([]string{"--root=" + m.root, "--log=/dev/null"}, args...)...)
}

// requireFile requires a file or a folder to have the mode and owners.
func (m *machine) requireFile(path, want string) {
	m.t.Helper()
	stat := execute(m.t, "", "chroot", m.root, "stat", "-c", "%a %U:%G", path)
	require.Equal(m.t, want+"\n", stat, path)
}

// ours lists what there is of the plugin, but not the folder of its documents.
func (m *machine) ours() []string {
	m.t.Helper()
	var found []string
	require.NoError(m.t, filepath.WalkDir(m.root, func(path string, d fs.DirEntry, err error) error {
		inside := strings.TrimPrefix(path, m.root)
		switch {
		case err != nil:
			return err
		case inside == "/usr/share/doc/telegraf-wolkvox-ivr", inside == "/var/lib/dpkg":
			return fs.SkipDir
		case strings.Contains(d.Name(), "wolkvox"):
			found = append(found, inside)
		}
		return nil
	}))
	return found
}

// telegraf starts Telegraf on the machine as its package's service does, and stops it at the test's end.
func (m *machine) telegraf() *agent {
	m.t.Helper()
	a := &agent{t: m.t, dir: m.path("tmp"), program: "chroot", args: []string{"--userspec=telegraf:telegraf", m.root, "/usr/bin/telegraf",
		"--strict-env-handling", "-config", "/etc/telegraf/telegraf.conf", "-config-directory", "/etc/telegraf/telegraf.d"}}
	require.NoError(m.t, os.RemoveAll(m.path("tmp/metrics.out")))
	require.NoError(m.t, os.RemoveAll(m.path("tmp/telegraf.log")))
	a.start()
	m.t.Cleanup(func() {
		a.kill()
		if m.t.Failed() {
			m.t.Logf("Telegraf's log:\n%s", a.log())
		}
	})
	return a
}

// checkDeb installs, upgrades, removes and purges the .deb, and runs Telegraf on what is there in between.
func checkDeb(t *testing.T, deb string) {
	t.Helper()
	m := newMachine(t)

	// Installed, before anything has been edited: nothing else is disturbed.
	require.Contains(t, m.dpkg("--install", deb), "set server and token in "+pluginConf)
	require.Equal(t, []string{telegrafConf, pluginConf, "/usr/bin/telegraf-wolkvox-ivr"}, m.ours())
	m.requireFile("/usr/bin/telegraf-wolkvox-ivr", "755 root:root")
	m.requireFile(pluginConf, "640 root:telegraf")
	m.requireFile(telegrafConf, "644 root:root")
	m.requireFile("/var/lib/telegraf", "770 root:telegraf")
	for _, name := range []string{"sample.conf", "README.md", "CHANGELOG.md", "copyright"} {
		m.requireFile("/usr/share/doc/telegraf-wolkvox-ivr/"+name, "644 root:root")
	}
	tg := m.telegraf()
	tg.awaitLog("E! [inputs.execd] [inputs.wolkvox_ivr] " + pluginConf + ":9: server is empty: set it to")
	tg.awaitLog("Restarting in 1m0s")
	tg.awaitMetrics("the other input's metrics", hasMetrics("internal_agent"))
	tg.stop()

	// From there to metrics: one file is edited, and Telegraf is restarted.
	w, start := startWolkvox(t, operation), time.Now()
	m.replace(pluginConf, `server = ""`, fmt.Sprintf("server = %q\nurl = %q\nlookback = \"24h\"", operation.Server, w.url),
		`token = ""`, fmt.Sprintf("token = %q", operation.Token))
	tg = m.telegraf()
	gathered := func(metrics []telegraf.Metric) bool {
		from, to := settled(t, operation, start, 24*time.Hour)
		return len(between(metrics, from, to)) >= len(w.truth(t, operation, from, to)) && hasMetrics("wolkvox_ivr")(metrics)
	}
	metrics := tg.awaitMetrics("the operation's", gathered)
	w.requireTruth(t, operation, slices.DeleteFunc(metrics, func(m telegraf.Metric) bool { return m.Name() != "wolkvox_ivr" }), start, 24*time.Hour)
	require.Empty(t, tg.complaints()) // at the stop, Telegraf may complain of its closed pipes
	tg.stop()
	m.requireFile(stateFile, "600 telegraf:telegraf")

	// The next version has other defaults, which only files that were not edited get.
	edited := m.read(pluginConf)
	deb = nextVersion(t, deb)
	require.Contains(t, m.dpkg("--install", deb), "restart Telegraf")
	require.Equal(t, edited, m.read(pluginConf))
	m.requireFile(pluginConf, "640 root:telegraf")
	require.Contains(t, m.read(telegrafConf), "2m")

	// Removed: what was configured stays, and Telegraf starts.
	m.dpkg("--remove", "telegraf-wolkvox-ivr")
	require.Equal(t, []string{telegrafConf + ".removed", pluginConf, stateFile, stateFile + ".lock"}, m.ours())
	require.Equal(t, edited, m.read(pluginConf))
	tg = m.telegraf()
	tg.awaitMetrics("the other input's metrics", hasMetrics("internal_agent"))
	require.Empty(t, tg.complaints())
	tg.stop()

	// Back again, it goes on.
	w.ResetLedger()
	m.replace(telegrafConf+".removed", "2m", "3m")
	m.dpkg("--install", deb)
	require.Equal(t, edited, m.read(pluginConf))
	require.Contains(t, m.read(telegrafConf), "3m")
	tg = m.telegraf()
	tg.awaitMetrics("the operation's", hasMetrics("wolkvox_ivr"))
	require.Empty(t, tg.complaints())
	tg.stop()

	// Purged, nothing is left of it, but all that is Telegraf's.
	m.write("/var/lib/telegraf/statefile", "{}")
	m.dpkg("--purge", "telegraf-wolkvox-ivr")
	require.Empty(t, m.ours())
	require.NoDirExists(t, m.path("/usr/share/doc/telegraf-wolkvox-ivr"))
	require.FileExists(t, m.path("/etc/telegraf/telegraf.conf"))

	// User, group and folder may all be there before: Telegraf's own package makes the same.
	users, groups := m.read("/etc/passwd"), m.read("/etc/group")
	execute(t, "", "chmod", "750", m.path("/var/lib/telegraf"))
	m.dpkg("--install", deb)
	m.requireFile(pluginConf, "640 root:telegraf")
	m.requireFile("/var/lib/telegraf", "750 root:telegraf")
	require.Equal(t, users, m.read("/etc/passwd"))
	require.Equal(t, groups, m.read("/etc/group"))
	m.dpkg("--purge", "telegraf-wolkvox-ivr")
	require.FileExists(t, m.path("/var/lib/telegraf/statefile"))
}

// nextVersion returns a package of the next version, with other defaults.
func nextVersion(t *testing.T, deb string) string {
	t.Helper()
	dir := t.TempDir()
	execute(t, dir, "dpkg-deb", "--raw-extract", deb, "raw")
	for file, pair := range map[string][2]string{
		"DEBIAN/control": {"Version: 1.0.0", "Version: 1.0.1"},
		telegrafConf:     {"1m", "2m"},
	} {
		path := filepath.Join(dir, "raw", file)
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		changed := strings.Replace(string(content), pair[0], pair[1], 1)
		require.NotEqual(t, string(content), changed)
		require.NoError(t, os.WriteFile(path, []byte(changed), 0o600)) //nolint:gosec // G703: a file of the package
	}
	execute(t, dir, "dpkg-deb", "-Znone", "--build", "raw", "next.deb")
	return filepath.Join(dir, "next.deb")
}
