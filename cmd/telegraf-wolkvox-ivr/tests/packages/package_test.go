//go:build integration

package packages

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/toml"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
)

const (
	sourceDate = 1_764_201_600
	docFolder  = "/usr/share/doc/telegraf-wolkvox-ivr/"
)

// makePackages runs `make package` in a folder of the source, with the tools of bin.
func makePackages(source, dist, systems string, variables ...string) error {
	args := append([]string{"package", "-o", "bin/nfpm", "-o", "bin/cyclonedx-gomod", "-o", "bin/go-licenses",
		"DIST=" + dist, "SYSTEMS=" + systems, fmt.Sprintf("SOURCE_DATE_EPOCH=%d", sourceDate)}, variables...)
	cmd := exec.Command("make", args...)
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MFLAGS=", "MAKELEVEL=")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, output)
	}
	return nil
}

var (
	dist = filepath.Join(testbed.Root, "bin", "packages")
	made = sync.OnceValue(func() error {
		return makePackages(testbed.Root, dist, testbed.ThisSystem+" windows_amd64", "VERSION=1.0.0")
	})
)

// packaged returns the package that matches a pattern. All tests share the packages, which are for this machine and
// Windows.
func packaged(t *testing.T, pattern string) string {
	t.Helper()
	require.NoError(t, made())
	return only(t, filepath.Join(dist, pattern))
}

// only returns the only file that the pattern matches.
func only(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.Len(t, files, 1, pattern)
	return files[0]
}

// copySource copies the sources of the packages without git's history, and returns the folder.
func copySource(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"Makefile", ".ci", "go.mod", "go.sum", "cmd", "plugins", "testdata", "sample.conf", "sample.es.conf", "README.md",
		"README.es.md", "CHANGELOG.md", "LICENSE"} {
		testbed.Execute(t, testbed.Root, "cp", "-R", name, dir)
	}
	require.NoError(t, os.Symlink(filepath.Join(testbed.Root, "bin"), filepath.Join(dir, "bin")))
	return dir
}

// documents returns the source paths of all documents for users, which every package contains. It has its own rule, so
// that it notices what package.sh forgets.
func documents(t *testing.T) []string {
	t.Helper()
	files := []string{"sample.conf", "sample.es.conf", testbed.ProgramDir + "packaging/kubernetes.yaml", testbed.ProgramDir + "packaging/telegraf.d.conf"}
	require.NoError(t, filepath.WalkDir(testbed.Root, func(path string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(strings.TrimPrefix(path, testbed.Root), "/")
		dir, base := filepath.Split(name)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (base == "bin" || base == "dist" || name != "" && strings.HasPrefix(base, ".")),
			d.IsDir() && slices.Contains([]string{"testdata/run", "testdata/kafka", "testdata/grafana/render", "testdata/grafana/source"}, name): // make's
			return fs.SkipDir
		case d.IsDir() || dir == "testdata/bench/" && !strings.HasSuffix(name, ".md"):
		case strings.HasSuffix(name, ".md"),
			strings.HasSuffix(name, ".svg"),
			strings.HasPrefix(name, "testdata/"),
			regexp.MustCompile("^" + testbed.ProgramDir + "packaging/(container|systemd|windows)/").MatchString(name):
			files = append(files, name)
		}
		return nil
	}))
	slices.Sort(files)
	return files
}

// tarEntries returns the content of each file in a tar file, by mode and name.
func tarEntries(t *testing.T, in io.Reader) map[string]string {
	t.Helper()
	entries := make(map[string]string)
	for archive := tar.NewReader(in); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return entries
		}
		require.NoError(t, err)
		content, err := io.ReadAll(archive)
		require.NoError(t, err)
		name := strings.TrimPrefix(header.Name, ".")
		switch header.Typeflag {
		case tar.TypeXGlobalHeader, tar.TypeDir:
			continue
		case tar.TypeSymlink:
			header.Mode = 0o777
			content = []byte(filepath.Join(filepath.Dir(name), header.Linkname)) //nolint:gosec // G305: nothing is extracted
		}
		require.EqualValues(t, sourceDate, header.ModTime.Unix(), name)
		require.Zero(t, header.Uid+header.Gid, name)
		entries[fmt.Sprintf("%o %s", header.Mode, name)] = string(content)
	}
}

// shared matches files that users copy or point other programs to. A .deb or .rpm has them outside of the documents,
// which link to them.
var shared = regexp.MustCompile(`^testdata/(outputs/.*|zabbix/.*|grafana/.*\.(?:json|yaml))$`)

// requireFiles requires the listed files to be the documents, each in its form, and the further files.
func requireFiles(t *testing.T, listed []string, document, sharedFile, link string, further ...string) {
	t.Helper()
	for _, name := range documents(t) {
		if match := shared.FindStringSubmatch(name); match != nil && link != "" {
			further = append(further, sharedFile+"/usr/share/telegraf-wolkvox-ivr/"+match[1], link+name)
			continue
		}
		further = append(further, document+name)
	}
	require.ElementsMatch(t, further, listed)
}

// requireLicences requires the licences of every module in a program.
func requireLicences(t *testing.T, licences, program string) {
	t.Helper()
	info, err := buildinfo.Read(strings.NewReader(program))
	require.NoError(t, err)
	require.NotEmpty(t, info.Deps)
	for _, module := range append(info.Deps, &debug.Module{Path: "Go"}) {
		require.Regexp(t, `(?m)^==== `+regexp.QuoteMeta(module.Path)+`/.* ====\n\n(.*\n){5}`, licences)
	}
}

// requireSBOM requires the SBOM to list every module in a program.
func requireSBOM(t *testing.T, path, program string) {
	t.Helper()
	var sbom struct {
		BOMFormat  string
		Metadata   struct{ Component struct{ Version string } }
		Components []struct{ Name, Version string }
	}
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, &sbom))
	require.Equal(t, "CycloneDX", sbom.BOMFormat)
	require.Equal(t, "1.0.0", sbom.Metadata.Component.Version)
	var named []string
	for _, component := range sbom.Components {
		named = append(named, component.Name+" "+component.Version)
	}
	info, err := buildinfo.Read(strings.NewReader(program))
	require.NoError(t, err)
	want := []string{"std " + info.GoVersion}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		want = append(want, module.Path+" "+module.Version)
	}
	require.ElementsMatch(t, want, named)
}

//promise:packages
//promise:reproducible
func TestPackages(t *testing.T) {
	t.Parallel()
	archive := "telegraf-wolkvox-ivr_1.0.0_" + testbed.ThisSystem
	t.Run("tar.gz", func(t *testing.T) {
		t.Parallel()
		file, err := os.Open(packaged(t, archive+".tar.gz"))
		require.NoError(t, err)
		defer file.Close()
		unzipped, err := gzip.NewReader(file)
		require.NoError(t, err)
		entries := tarEntries(t, unzipped)
		folder := " " + archive + "/"
		requireFiles(t, slices.Collect(maps.Keys(entries)), "644"+folder, "", "",
			"755"+folder+"telegraf-wolkvox-ivr", "644"+folder+"telegraf-wolkvox-ivr.1", "644"+folder+"LICENSE", "644"+folder+"third-party-licences.txt")
		content := entries["755"+folder+"telegraf-wolkvox-ivr"]
		program := filepath.Join(t.TempDir(), "program")
		require.NoError(t, os.WriteFile(program, []byte(content), 0o700)) //nolint:gosec // G306: programs must be executable
		require.Contains(t, testbed.Execute(t, "", program, "--version"), "telegraf-wolkvox-ivr 1.0.0 (")
		requireLicences(t, entries["644"+folder+"third-party-licences.txt"], content)
		requireSBOM(t, packaged(t, archive+".cdx.json"), content)

		for _, document := range documents(t) { // files that they refer to are in the package
			if !strings.HasSuffix(document, ".md") {
				continue
			}
			for _, link := range testbed.LinksOf(entries["644"+folder+document]) {
				target := filepath.Join(filepath.Dir(document), link.File)
				found := link.File == "" || target == "."
				for name := range entries {
					name = strings.TrimPrefix(name, "644"+folder)
					found = found || name == target || strings.HasPrefix(name, target+"/")
				}
				require.True(t, found, "%s refers to %s, which is not in the package", document, target)
			}
		}
	})
	t.Run("zip", func(t *testing.T) {
		t.Parallel()
		checkZip(t)
	})
	t.Run("deb", func(t *testing.T) {
		t.Parallel()
		testbed.Need(t, "dpkg")
		entries := tarEntries(t, strings.NewReader(testbed.Execute(t, "", "dpkg-deb", "--fsys-tarfile", packaged(t, "*.deb"))))
		requireFiles(t, slices.Collect(maps.Keys(entries)), "644 "+docFolder, "644 ", "777 "+docFolder,
			"640 "+testbed.PluginConf, "644 "+testbed.TelegrafConf, "755 /usr/bin/telegraf-wolkvox-ivr", "644 "+docFolder+"changelog.Debian.gz",
			"644 "+docFolder+"copyright", "644 "+docFolder+"third-party-licences.txt", "644 /usr/share/lintian/overrides/telegraf-wolkvox-ivr",
			"644 /usr/share/man/man1/telegraf-wolkvox-ivr.1.gz")
		for name, target := range entries {
			if strings.HasPrefix(name, "777 ") {
				require.Contains(t, entries, "644 "+target)
			}
		}
		require.Equal(t, testbed.ReadSource(t, "LICENSE"), entries["644 "+docFolder+"copyright"])
		requireLicences(t, entries["644 "+docFolder+"third-party-licences.txt"], entries["755 /usr/bin/telegraf-wolkvox-ivr"])
	})
	t.Run("rpm", func(t *testing.T) {
		t.Parallel()
		testbed.Need(t, "rpm")
		rpm := packaged(t, "*.rpm")
		require.Equal(t, "telegraf-wolkvox-ivr 1.0.0-1 telegraf", testbed.Execute(t, "", "rpm", "-qp", "--qf", "%{NAME} %{EVR} %{RECOMMENDS}", rpm))
		const format = "[%{FILEFLAGS:fflags} %{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILENAMES}\n]"
		var files []string
		for line := range strings.Lines(testbed.Execute(t, "", "rpm", "-qp", "--qf", format, rpm)) {
			if line = strings.TrimSpace(line); !strings.HasPrefix(line, "drwxr-xr-x root:root ") {
				files = append(files, line)
			}
		}
		const licences = "l -rw-r--r-- root:root /usr/share/licenses/telegraf-wolkvox-ivr/"
		requireFiles(t, files, "d -rw-r--r-- root:root "+docFolder, "-rw-r--r-- root:root ", "l--------- root:root "+docFolder,
			"cn -rw-r----- root:telegraf "+testbed.PluginConf, "cn -rw-r--r-- root:root "+testbed.TelegrafConf,
			"-rwxr-xr-x root:root /usr/bin/telegraf-wolkvox-ivr", "d -rw-r--r-- root:root /usr/share/man/man1/telegraf-wolkvox-ivr.1.gz",
			licences+"LICENSE", licences+"third-party-licences.txt")
	})
	t.Run("rpmlint", func(t *testing.T) {
		t.Parallel()
		testbed.Need(t, "rpmlint")
		checked := testbed.Execute(t, testbed.Root, "rpmlint", "-c", testbed.ProgramDir+"packaging/rpmlint.toml", packaged(t, "*.rpm"))
		require.Contains(t, checked, "0 errors, 0 warnings")
	})
	t.Run("lintian", func(t *testing.T) {
		t.Parallel()
		testbed.Need(t, "lintian")
		require.Empty(t, testbed.Execute(t, "", "lintian", "--allow-root", "--fail-on", "none", packaged(t, "*.deb")))
	})
	t.Run("again", func(t *testing.T) {
		t.Parallel()
		checkAgain(t)
	})
}

// checkAgain builds the same packages again, and an older version with other defaults, which the new version replaces.
func checkAgain(t *testing.T) {
	t.Helper()
	sums := filepath.Join(filepath.Dir(packaged(t, "*.deb")), "SHA256SUMS")
	want, err := os.ReadFile(sums)
	require.NoError(t, err)
	require.Equal(t, 6, strings.Count(testbed.Execute(t, filepath.Dir(sums), "sha256sum", "--check", sums), ": OK\n"))

	// In another folder, with newer files of other modes, in another time zone
	source, other := copySource(t), filepath.Join(t.TempDir(), "dist")
	testbed.Execute(t, source, "chmod", "-R", "u=rwX,go=", "cmd", "plugins", "testdata", "README.md", "LICENSE")
	require.NoError(t, makePackages(source, other, testbed.ThisSystem+" windows_amd64", "VERSION=1.0.0", "TZ=Asia/Kolkata"))
	got, err := os.ReadFile(filepath.Join(other, "SHA256SUMS"))
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "the same source makes the same bytes")

	if os.Geteuid() != 0 {
		testbed.SkipWithout(t, "no root, to install packages")
	}
	conf := filepath.Join(source, testbed.ProgramDir, "packaging", "telegraf.d.conf")
	testbed.Execute(t, "", "sed", "-i", "s/1m/2m/", conf)
	require.NoError(t, makePackages(source, other, testbed.ThisSystem, "VERSION=1.0.0-git20260131.7.g0123456789"))
	files, err := filepath.Glob(other + "/*~*")
	require.NoError(t, err)
	require.Empty(t, files, "hosts of releases keep no tilde")
	t.Run("deb", func(t *testing.T) {
		t.Parallel()
		testbed.Need(t, "dpkg")
		checkDeb(t, only(t, other+"/*.deb"), packaged(t, "*.deb"))
	})
	t.Run("rpm", func(t *testing.T) {
		t.Parallel()
		testbed.Need(t, "rpm")
		checkInstalledRPM(t, only(t, other+"/*.rpm"), packaged(t, "*.rpm"))
	})
}

// checkZip checks the .zip for Windows, and that its configurations fit together.
func checkZip(t *testing.T) {
	t.Helper()
	const folder = "telegraf-wolkvox-ivr_1.0.0_windows_amd64/"
	archive, err := zip.OpenReader(packaged(t, "*_windows_amd64.zip"))
	require.NoError(t, err)
	defer archive.Close()
	entries := make(map[string]string)
	for _, file := range archive.File {
		if strings.HasSuffix(file.Name, "/") {
			continue
		}
		require.EqualValues(t, sourceDate, file.Modified.Unix())
		reader, err := file.Open()
		require.NoError(t, err)
		content, err := io.ReadAll(reader)
		require.NoError(t, err)
		entries[file.Name] = string(content)
	}
	requireFiles(t, slices.Collect(maps.Keys(entries)), folder, "", "", folder+"telegraf-wolkvox-ivr.exe", folder+"LICENSE",
		folder+"third-party-licences.txt", folder+"telegraf.d/wolkvox_ivr.conf", folder+"wolkvox_ivr.conf")
	program := entries[folder+"telegraf-wolkvox-ivr.exe"]
	requireLicences(t, entries[folder+"third-party-licences.txt"], program)
	requireSBOM(t, packaged(t, "*_windows_amd64.cdx.json"), program)

	// The guide tells users to unpack it into Telegraf's folder.
	var conf struct {
		Inputs struct {
			Execd []struct {
				Command      []string
				Signal       string
				RestartDelay string
				TagExclude   []string `toml:"tagexclude"`
			}
		}
	}
	require.NoError(t, toml.Unmarshal([]byte(entries[folder+"telegraf.d/wolkvox_ivr.conf"]), &conf))
	installed := `C:\Program Files\Telegraf\`
	require.Equal(t, []string{installed + "telegraf-wolkvox-ivr.exe", "--config", installed + "wolkvox_ivr.conf"}, conf.Inputs.Execd[0].Command)
	require.Contains(t, entries[folder+testbed.ProgramDir+"packaging/README.md"], `"`+strings.TrimSuffix(installed, `\`)+`"`)
	path := filepath.Join(t.TempDir(), "wolkvox_ivr.conf")
	require.NoError(t, os.WriteFile(path, []byte(entries[folder+"wolkvox_ivr.conf"]), 0o600))
	result := testbed.RunPlugin(t, "--config", path, "--test")
	require.Contains(t, result.Stderr, path+":"+tableLine(t, "windows/wolkvox_ivr.conf")+": server is empty", "all else is right")
}

// The manual page agrees with --help.
//
//promise:flags
func TestManual(t *testing.T) {
	t.Parallel()
	page := regexp.MustCompile(`\\f[BIR]|\\`).ReplaceAllString(testbed.ReadSource(t, testbed.ProgramDir+"packaging/telegraf-wolkvox-ivr.1"), "")
	summary, options, _ := strings.Cut(testbed.RunPlugin(t, "--help").Stdout, "\n")
	require.Contains(t, page, strings.TrimSuffix(strings.TrimPrefix(summary, "telegraf-wolkvox-ivr "), "."))
	for _, option := range regexp.MustCompile(`(?m)^  (--\S+(?: [A-Z]+)?) +(.*)$`).FindAllStringSubmatch(options, -1) {
		require.Contains(t, page, "\n"+option[1]+"\n"+option[2]+"\n")
	}
	require.Equal(t, strings.Count(options, "\n  --"), strings.Count(page, ".TP\n--"))
}

// TestInstallFromSource runs the guide's commands for an installation without a package, in a folder instead of the
// root.
//
//promise:packages
func TestInstallFromSource(t *testing.T) {
	t.Parallel()
	program := testbed.ProgramPath(t, "telegraf-wolkvox-ivr")
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(root+"/usr/bin", 0o700))
	require.NoError(t, os.MkdirAll(root+filepath.Dir(testbed.TelegrafConf), 0o700))
	there := strings.NewReplacer(" /usr/", " "+root+"/usr/", " /etc/", " "+root+"/etc/", "-g telegraf", fmt.Sprint("-g ", os.Getgid()))
	guide := testbed.ReadSource(t, testbed.ProgramDir+"packaging/README.md")
	for _, command := range regexp.MustCompile(`(?m)^sudo (install .*)$`).FindAllStringSubmatch(guide, -1) {
		testbed.Execute(t, testbed.Root, "sh", "-c", there.Replace(command[1]))
	}
	require.Equal(t, testbed.Execute(t, "", program, "--version"), testbed.Execute(t, "", root+"/usr/bin/telegraf-wolkvox-ivr", "--version"))
	content, err := os.ReadFile(root + testbed.TelegrafConf)
	require.NoError(t, err)
	require.Equal(t, testbed.ReadSource(t, testbed.ProgramDir+"packaging/telegraf.d.conf"), string(content))
	info, err := os.Stat(root + testbed.PluginConf)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o640), info.Mode())
	require.Zero(t, info.Size())
}

// checkInstalledRPM installs, upgrades and removes the .rpm.
func checkInstalledRPM(t *testing.T, older, newer string) {
	t.Helper()
	m := newMachine(t)
	rpm := func(args ...string) *exec.Cmd {
		return exec.Command("rpm", append([]string{"--root=" + m.root, "--dbpath=/usr/lib/sysimage/rpm"}, args...)...)
	}
	done := func(args ...string) string {
		result := testbed.Finish(t, rpm(args...))
		require.Zero(t, result.Code, result.Stderr)
		return result.Stdout
	}
	requireCommands(t, done("--install", "--nodeps", older))
	m.requireFile(testbed.PluginConf, "640 root:telegraf")
	m.requireFile("/var/lib/telegraf", "770 root:telegraf")
	require.Empty(t, done("--verify", "--nodeps", "telegraf-wolkvox-ivr"))

	// An upgrade keeps edited files.
	m.replace(testbed.PluginConf, `server = ""`, `server = "0001"`)
	edited := m.read(testbed.PluginConf)
	done("--upgrade", "--nodeps", newer)
	require.Equal(t, "1.0.0", done("--query", "--queryformat=%{VERSION}", "telegraf-wolkvox-ivr"))
	require.Equal(t, edited, m.read(testbed.PluginConf))
	m.requireFile(testbed.PluginConf, "640 root:telegraf")
	result := testbed.Finish(t, rpm("--upgrade", "--nodeps", older))
	require.NotZero(t, result.Code)
	require.Contains(t, result.Stderr, "which is newer than")

	// A removal leaves edited files and the state, but nothing that Telegraf would load.
	m.write(testbed.StateFile, "{}")
	done("--erase", "--nodeps", "telegraf-wolkvox-ivr")
	require.Equal(t, []string{testbed.PluginConf + ".rpmsave", testbed.StateFile}, m.pluginFiles())
	require.Equal(t, edited, m.read(testbed.PluginConf+".rpmsave"))
	require.NoDirExists(t, m.path("/usr/share/doc/telegraf-wolkvox-ivr"))
	require.NoDirExists(t, m.path("/usr/share/licenses/telegraf-wolkvox-ivr"))
	require.NoDirExists(t, m.path("/usr/share/telegraf-wolkvox-ivr"))
}

// checkDeb installs, upgrades, removes and purges the .deb, and runs Telegraf in between.
func checkDeb(t *testing.T, older, deb string) {
	t.Helper()
	m := newMachine(t)

	// After the installation and before any edit, nothing else is disturbed.
	requireCommands(t, m.dpkg("--install", older))
	m.requireVersion("1.0.0~git20260131.7.g0123456789-1")
	require.Equal(t, []string{testbed.TelegrafConf, testbed.PluginConf, "/usr/bin/telegraf-wolkvox-ivr"}, m.pluginFiles())
	m.requireFile("/usr/bin/telegraf-wolkvox-ivr", "755 root:root")
	m.requireFile(testbed.PluginConf, "640 root:telegraf")
	m.requireFile(testbed.TelegrafConf, "644 root:root")
	m.requireFile("/var/lib/telegraf", "770 root:telegraf")
	tg := m.telegraf()
	tg.AwaitLog("E! [inputs.execd] [inputs.wolkvox_ivr] " + testbed.PluginConf + ":" + tableLine(t, "wolkvox_ivr.conf") + ": server is empty: set it to")
	tg.AwaitLog("Restarting in 2m0s")
	tg.AwaitMetrics("the other input's metrics", testbed.HasMetrics("internal_agent"))
	tg.Stop()

	// To get metrics, one file is edited and Telegraf is restarted.
	w, start := testbed.StartWolkvox(t, testbed.Busy), time.Now()
	m.replace(testbed.PluginConf, `server = ""`, fmt.Sprintf("server = %q\nurl = %q\nlookback = \"24h\"", testbed.Busy.Server, w.URL),
		`token = ""`, fmt.Sprintf("token = %q", testbed.Busy.Token))
	tg = m.telegraf()
	gathered := func(metrics []telegraf.Metric) bool {
		from, to := testbed.FinalHours(t, testbed.Busy, start, 24*time.Hour)
		return len(testbed.Between(metrics, from, to)) >= len(w.TruthOf(t, testbed.Busy, from, to)) && testbed.HasMetrics("wolkvox_ivr")(metrics)
	}
	metrics := tg.AwaitMetrics("the operation's", gathered)
	w.RequireTruth(t, testbed.Busy, slices.DeleteFunc(metrics, func(m telegraf.Metric) bool { return m.Name() != "wolkvox_ivr" }), start, 24*time.Hour)
	require.Empty(t, tg.Problems()) // at the stop, Telegraf may log errors about its closed pipes
	tg.Stop()
	m.requireFile(testbed.StateFile, "600 telegraf:telegraf")

	// The next version has other defaults, which only unedited files get. A downgrade is refused.
	edited := m.read(testbed.PluginConf)
	require.Contains(t, m.dpkg("--install", deb), "sudo systemctl restart telegraf")
	require.Equal(t, edited, m.read(testbed.PluginConf))
	m.requireFile(testbed.PluginConf, "640 root:telegraf")
	require.Contains(t, m.read(testbed.TelegrafConf), "1m")
	require.Contains(t, m.dpkg("--refuse-downgrade", "--install", older), "will not downgrade")
	m.requireVersion("1.0.0-1")

	// After a removal, edited files stay, and Telegraf starts.
	m.dpkg("--remove", "telegraf-wolkvox-ivr")
	require.Equal(t, []string{testbed.TelegrafConf + ".removed", testbed.PluginConf, testbed.StateFile, testbed.StateFile + ".lock"}, m.pluginFiles())
	require.Equal(t, edited, m.read(testbed.PluginConf))
	tg = m.telegraf()
	tg.AwaitMetrics("the other input's metrics", testbed.HasMetrics("internal_agent"))
	require.Empty(t, tg.Problems())
	tg.Stop()

	// Installed again hours later, the plugin resumes.
	testbed.Age(t, m.path(testbed.StateFile), 2*time.Hour)
	w.ResetLedger()
	m.replace(testbed.TelegrafConf+".removed", "1m", "3m")
	m.dpkg("--install", deb)
	require.Equal(t, edited, m.read(testbed.PluginConf))
	require.Contains(t, m.read(testbed.TelegrafConf), "3m")
	tg = m.telegraf()
	tg.AwaitMetrics("the operation's", testbed.HasMetrics("wolkvox_ivr"))
	require.Empty(t, tg.Problems())
	tg.Stop()

	// A purge removes everything except Telegraf's own files.
	m.write("/var/lib/telegraf/statefile", "{}")
	require.Contains(t, m.dpkg("--purge", "telegraf-wolkvox-ivr"), "not removed, because others may use them: the user and the group telegraf, ")
	require.Empty(t, m.pluginFiles())
	require.NoDirExists(t, m.path("/usr/share/doc/telegraf-wolkvox-ivr"))
	require.NoDirExists(t, m.path("/usr/share/telegraf-wolkvox-ivr"))
	require.FileExists(t, m.path("/etc/telegraf/telegraf.conf"))

	// User, group and folder may already exist, because Telegraf's own package creates the same.
	users, groups := m.read("/etc/passwd"), m.read("/etc/group")
	testbed.Execute(t, "", "chmod", "750", m.path("/var/lib/telegraf"))
	m.dpkg("--install", deb)
	m.requireFile(testbed.PluginConf, "640 root:telegraf")
	m.requireFile("/var/lib/telegraf", "750 root:telegraf")
	require.Equal(t, users, m.read("/etc/passwd"))
	require.Equal(t, groups, m.read("/etc/group"))
	m.dpkg("--purge", "telegraf-wolkvox-ivr")
	require.FileExists(t, m.path("/var/lib/telegraf/statefile"))
}

// tableLine returns the line at which the table of a packaged configuration begins.
func tableLine(t *testing.T, file string) string {
	t.Helper()
	before, _, found := strings.Cut(testbed.ReadSource(t, testbed.ProgramDir+"packaging/"+file), "[[inputs.wolkvox_ivr]]")
	require.True(t, found)
	return strconv.Itoa(1 + strings.Count(before, "\n"))
}

// requireCommands requires an installer to print exactly the guide's commands for after the installation.
func requireCommands(t *testing.T, printed string) {
	t.Helper()
	var commands []string
	for _, match := range regexp.MustCompile(`(?m)^ +(sudo.*)$`).FindAllStringSubmatch(printed, -1) {
		commands = append(commands, match[1])
	}
	require.Len(t, commands, 3)
	guide := testbed.ReadSource(t, "README.md")
	for _, command := range commands {
		require.Regexp(t, `(?m)^ *`+regexp.QuoteMeta(command)+`(?: +#.*)?$`, guide)
	}
}
