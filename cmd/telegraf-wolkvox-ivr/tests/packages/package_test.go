//go:build integration

package packages

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/toml"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
)

// makePackages runs `make package` for this machine and Windows in a folder of the source, and returns the folder with the packages.
func makePackages(t *testing.T, source string, variables ...string) string {
	t.Helper()
	dist := filepath.Join(t.TempDir(), "dist")
	args := append([]string{"package", "DIST=" + dist, "SYSTEMS=" + testbed.ThisSystem + " windows_amd64"}, variables...)
	result := testbed.Execute(t, source, "make", args...)
	require.Contains(t, result, ".deb")
	require.NotContains(t, result, "~", "in the names of files")
	return dist
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
	for _, name := range []string{"Makefile", ".ci", "go.mod", "go.sum", "cmd", "plugins", "testdata", "sample.conf", "README.md", "README.es.md",
		"CHANGELOG.md", "LICENSE"} {
		testbed.Execute(t, source, "cp", "-R", name, dir)
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "bin"), 0o700))
	for _, tool := range []string{"nfpm", "cyclonedx-gomod"} {
		program := testbed.Built(t, tool)
		for _, name := range []string{tool, "." + tool} { // not to be built again
			testbed.Execute(t, "", "cp", "-p", filepath.Join(filepath.Dir(program), name), filepath.Join(dir, "bin"))
		}
	}
	return dir
}

// documents returns all that is written for users, by the source's paths: what every package has. The rule is one of its own, so that
// what package.sh forgets is noticed.
func documents(t *testing.T, source string) []string {
	t.Helper()
	files := []string{"sample.conf", testbed.Ours + "packaging/kubernetes.yaml", testbed.Ours + "packaging/telegraf.d.conf"}
	require.NoError(t, filepath.WalkDir(source, func(path string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(strings.TrimPrefix(path, source), "/")
		dir, base := filepath.Split(name)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (base == "bin" || base == "dist" || name != "" && strings.HasPrefix(base, ".")),
			d.IsDir() && (dir == "testdata/" && (base == "run" || base == "kafka") || dir == "testdata/grafana/"): // belong to `make`
			return fs.SkipDir
		case d.IsDir() || dir == "testdata/bench/" && !strings.HasSuffix(name, ".md"):
		case strings.HasSuffix(name, ".md"),
			strings.HasSuffix(name, ".svg"),
			strings.HasPrefix(name, "testdata/"),
			regexp.MustCompile("^" + testbed.Ours + "packaging/(container|systemd|windows)/").MatchString(name):
			files = append(files, name)
		}
		return nil
	}))
	slices.Sort(files)
	return files
}

// entry is a file of an archive or a package.
type entry struct {
	name    string // with the path
	listed  string // with mode and owners, as a golden list has it
	content []byte
}

// tarEntries returns what a tar file has, the folders with a slash at their ends.
func tarEntries(t *testing.T, in io.Reader) map[string]entry {
	t.Helper()
	entries := make(map[string]entry)
	for archive := tar.NewReader(in); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return entries
		}
		require.NoError(t, err)
		require.Equal(t, sourceDate, header.ModTime.Unix(), header.Name)
		require.NotContains(t, entries, header.Name)
		content, err := io.ReadAll(archive)
		require.NoError(t, err)
		if header.Typeflag == tar.TypeSymlink {
			folder := filepath.Dir(strings.TrimPrefix(header.Name, "."))
			header.Mode, content = 0o777, []byte(filepath.Join(folder, header.Linkname)) //nolint:gosec // G305: nothing is extracted
		}
		owner := fmt.Sprintf("%s:%s", header.Uname, header.Gname)
		require.Zero(t, header.Uid+header.Gid, header.Name)
		name := strings.TrimPrefix(header.Name, ".")
		entries[name] = entry{name, fmt.Sprintf("%o %s %s", header.Mode, owner, name), content}
	}
}

// shared is what users copy, or point other programs at: in a .deb and an .rpm it lies beside the documents, which have links to it.
var shared = regexp.MustCompile(`^testdata/(outputs/.*|grafana/.*\.(?:json|yaml))$`)

// requireEntries requires the files, but not the folders, to be those of the golden list and the documents in a folder.
func requireEntries(t *testing.T, entries map[string]entry, source, folder, documentsListed string, golden ...string) {
	t.Helper()
	for _, document := range documents(t, source) {
		if match := shared.FindStringSubmatch(document); match != nil && strings.HasPrefix(folder, "/") {
			golden = append(golden, "644 root:root /usr/share/telegraf-wolkvox-ivr/"+match[1], "777 root:root "+folder+document)
			continue
		}
		golden = append(golden, fmt.Sprintf(documentsListed, folder+document))
	}
	var listed []string
	for name, entry := range entries {
		if !strings.HasSuffix(name, "/") {
			listed = append(listed, entry.listed)
		}
	}
	slices.Sort(golden)
	slices.Sort(listed)
	require.Equal(t, golden, listed)
	requireLinks(t, entries, folder)
}

// requireLinks requires what documents refer to, to be where they say.
func requireLinks(t *testing.T, entries map[string]entry, folder string) {
	t.Helper()
	for name, document := range entries {
		if !strings.HasSuffix(name, ".md") {
			continue
		}
		for _, link := range testbed.LinksOf(string(document.content)) {
			target := filepath.Join(filepath.Dir(name), link.File)
			found := target+"/" == folder || link.File == ""
			for name := range entries {
				found = found || name == target || strings.HasPrefix(name, target+"/")
			}
			require.True(t, found, "%s refers to %s, which is not in the package", name, target)
		}
	}
}

// requireLicences requires the licences of every module that a program has in it.
func requireLicences(t *testing.T, copyright, program []byte) {
	t.Helper()
	info, err := buildinfo.Read(bytes.NewReader(program))
	require.NoError(t, err)
	require.NotEmpty(t, info.Deps)
	require.Contains(t, string(copyright), "\nFiles: Go@"+info.GoVersion+"/*\n")
	names := make(map[string]bool)
	for _, match := range regexp.MustCompile(`(?m)^License: (.*)\n `).FindAllSubmatch(copyright, -1) {
		names[string(match[1])] = true
	}
	for _, module := range info.Deps {
		version := module.Version
		if module.Replace != nil {
			version = module.Replace.Version
		}
		stanza := regexp.MustCompile(`\nFiles: ` + regexp.QuoteMeta(module.Path+"@"+version) + `/\*\nCopyright: .+(?:\n .+)*\nLicense: (.+)\n`)
		match := stanza.FindSubmatch(copyright)
		require.NotNil(t, match, "no licence of %s %s", module.Path, version)
		require.True(t, names[string(match[1])], "no text of the licence %s", match[1])
	}
}

// requireSBOM requires every module that a program has in it to be named.
func requireSBOM(t *testing.T, path string, program []byte, version string) {
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
	require.Equal(t, version, sbom.Metadata.Component.Version)
	var named []string
	for _, component := range sbom.Components {
		named = append(named, component.Name+" "+component.Version)
	}
	info, err := buildinfo.Read(bytes.NewReader(program))
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

// sourceDate is that of the packages that are tested: after every release in CHANGELOG.md, as Debian's changelogs have to be in order.
var sourceDate = time.Now().Unix()

func TestPackages(t *testing.T) {
	t.Parallel()
	source := copySource(t, testbed.Root) // or else what is edited meanwhile makes a difference
	variables := []string{"VERSION=1.0.0", fmt.Sprintf("SOURCE_DATE_EPOCH=%d", sourceDate)}
	dist := makePackages(t, source, variables...)

	t.Run("reproducible", func(t *testing.T) {
		t.Parallel()
		// Another folder, where all files are younger and have other modes, in another time zone.
		source := copySource(t, source)
		testbed.Execute(t, source, "chmod", "-R", "u=rwX,go=", ".")
		other := makePackages(t, source, append(variables, "TZ=Asia/Kolkata")...)

		files, err := os.ReadDir(dist)
		require.NoError(t, err)
		require.Len(t, files, 7) // .deb, .rpm, .tar.gz, .zip, two SBOMs, SHA256SUMS
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
		require.Equal(t, 6, strings.Count(testbed.Execute(t, dist, "sha256sum", "--check", "SHA256SUMS"), ": OK\n"))
	})
	t.Run("tar.gz", func(t *testing.T) {
		t.Parallel()
		checkTarGz(t, source, dist)
	})
	t.Run("zip", func(t *testing.T) {
		t.Parallel()
		checkZip(t, source, dist)
	})
	t.Run("rpm", func(t *testing.T) {
		t.Parallel()
		checkRPM(t, source, only(t, dist+"/*.rpm"))
	})
	t.Run("rpmlint", func(t *testing.T) {
		t.Parallel()
		testbed.Need(t, "rpmlint")
		require.Contains(t, testbed.Execute(t, source, "rpmlint", "-c", testbed.Ours+"packaging/rpmlint.toml", only(t, dist+"/*.rpm")), "0 errors, 0 warnings")
	})
	t.Run("lintian", func(t *testing.T) {
		t.Parallel()
		testbed.Need(t, "lintian")
		require.Empty(t, testbed.Execute(t, "", "lintian", "--allow-root", "--fail-on", "none", only(t, dist+"/*.deb")))
	})
	t.Run("deb", func(t *testing.T) {
		t.Parallel()
		testbed.Need(t, "dpkg")
		checkDebFiles(t, source, only(t, dist+"/*.deb"))
	})
	t.Run("installed", func(t *testing.T) {
		t.Parallel()
		if os.Geteuid() != 0 {
			testbed.LeaveOut(t, "no root, to install packages")
		}
		older := makePackages(t, source, "VERSION=1.0.0-git20260131.7.g0123456789", "SYSTEMS="+testbed.ThisSystem)
		t.Run("deb", func(t *testing.T) {
			t.Parallel()
			testbed.Need(t, "dpkg")
			checkDeb(t, only(t, older+"/*.deb"), only(t, dist+"/*.deb"))
		})
		t.Run("rpm", func(t *testing.T) {
			t.Parallel()
			testbed.Need(t, "rpm")
			checkInstalledRPM(t, only(t, older+"/*.rpm"), only(t, dist+"/*.rpm"))
		})
	})
}

// TestInstallFromSource: the commands that the guide has in place of a package, in a folder in place of the root.
func TestInstallFromSource(t *testing.T) {
	t.Parallel()
	program := testbed.Built(t, "telegraf-wolkvox-ivr")
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(root+"/usr/bin", 0o700))
	require.NoError(t, os.MkdirAll(root+filepath.Dir(testbed.TelegrafConf), 0o700))
	there := strings.NewReplacer(" /usr/", " "+root+"/usr/", " /etc/", " "+root+"/etc/", "-g telegraf", fmt.Sprint("-g ", os.Getgid()))
	for _, command := range regexp.MustCompile(`(?m)^sudo (install .*)$`).FindAllStringSubmatch(testbed.ReadDoc(t, testbed.Ours+"packaging/README.md"), -1) {
		testbed.Execute(t, testbed.Root, "sh", "-c", there.Replace(command[1]))
	}
	require.Equal(t, testbed.Execute(t, "", program, "--version"), testbed.Execute(t, "", root+"/usr/bin/telegraf-wolkvox-ivr", "--version"))
	content, err := os.ReadFile(root + testbed.TelegrafConf)
	require.NoError(t, err)
	require.Equal(t, testbed.ReadDoc(t, testbed.Ours+"packaging/telegraf.d.conf"), string(content))
	info, err := os.Stat(root + testbed.PluginConf)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o640), info.Mode())
	require.Zero(t, info.Size())
}

// checkTarGz checks the .tar.gz for this machine, and the program in it.
func checkTarGz(t *testing.T, source, dist string) {
	t.Helper()
	name := "telegraf-wolkvox-ivr_1.0.0_" + testbed.ThisSystem
	file, err := os.Open(filepath.Join(dist, name+".tar.gz"))
	require.NoError(t, err)
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	require.NoError(t, err)
	entries := tarEntries(t, unzipped)
	requireEntries(t, entries, source, name+"/", "644 root:root %s",
		"755 root:root "+name+"/telegraf-wolkvox-ivr",
		"644 root:root "+name+"/telegraf-wolkvox-ivr.1",
		"644 root:root "+name+"/LICENSE",
		"644 root:root "+name+"/copyright",
	)
	content := entries[name+"/telegraf-wolkvox-ivr"].content
	program := filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(program, content, 0o700)) //nolint:gosec // G306: a program has to be one
	require.Contains(t, testbed.Execute(t, "", program, "--version"), "telegraf-wolkvox-ivr 1.0.0 (")
	requireLicences(t, entries[name+"/copyright"].content, content)
	requireSBOM(t, filepath.Join(dist, name+".cdx.json"), content, "1.0.0")
}

// checkZip checks the .zip for Windows, and that its configurations go together.
func checkZip(t *testing.T, source, dist string) {
	t.Helper()
	name := "telegraf-wolkvox-ivr_1.0.0_windows_amd64"
	archive, err := zip.OpenReader(filepath.Join(dist, name+".zip"))
	require.NoError(t, err)
	defer archive.Close()
	entries := make(map[string]entry)
	for _, file := range archive.File {
		require.Equal(t, sourceDate, file.Modified.Unix())
		reader, err := file.Open()
		require.NoError(t, err)
		content, err := io.ReadAll(reader)
		require.NoError(t, err)
		entries[file.Name] = entry{file.Name, fmt.Sprintf("%o %s", file.Mode(), file.Name), content}
	}
	requireEntries(t, entries, source, name+"/", "644 %s",
		"755 "+name+"/telegraf-wolkvox-ivr.exe",
		"644 "+name+"/LICENSE",
		"644 "+name+"/copyright",
		"644 "+name+"/telegraf.d/wolkvox_ivr.conf",
		"644 "+name+"/wolkvox_ivr.conf",
	)
	program := entries[name+"/telegraf-wolkvox-ivr.exe"].content
	requireLicences(t, entries[name+"/copyright"].content, program)
	requireSBOM(t, filepath.Join(dist, name+".cdx.json"), program, "1.0.0")

	// The guide says to unpack all of it into Telegraf's folder.
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
	require.NoError(t, toml.Unmarshal(entries[name+"/telegraf.d/wolkvox_ivr.conf"].content, &conf))
	folder := `C:\Program Files\Telegraf\`
	require.Equal(t, []string{folder + "telegraf-wolkvox-ivr.exe", "--config", folder + "wolkvox_ivr.conf"}, conf.Inputs.Execd[0].Command)
	require.Contains(t, string(entries[name+"/"+testbed.Ours+"packaging/README.md"].content), `"`+strings.TrimSuffix(folder, `\`)+`"`)
	path := filepath.Join(t.TempDir(), "wolkvox_ivr.conf")
	require.NoError(t, os.WriteFile(path, entries[name+"/wolkvox_ivr.conf"].content, 0o600))
	result := testbed.RunPlugin(t, "--config", path, "--test")
	require.Contains(t, result.Stderr, path+":"+tableLine(t, "windows/wolkvox_ivr.conf")+": server is empty", "all else is right")
}

// checkRPM checks what matters in the header of an .rpm: a machine that has rpm is not needed for it.
func checkRPM(t *testing.T, source, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	_, length := rpmHeader(t, content[96:]) // behind the lead, the header of signatures
	header, _ := rpmHeader(t, content[96+(length+7)/8*8:])

	const (
		name, version, preIn, postIn, modes, flags, owners, groups        = 1000, 1001, 1023, 1024, 1030, 1037, 1039, 1040
		dirIndexes, baseNames, dirNames, recommends                       = 1116, 1117, 1118, 5046
		configNoReplace, isDocument, isLicence                     uint32 = 1<<0 | 1<<4, 1 << 1, 1 << 7
	)
	text := func(tag uint32) []string { return strings.Split(string(header[tag]), "\x00") }
	require.Equal(t, "telegraf-wolkvox-ivr", text(name)[0])
	require.Equal(t, "1.0.0", text(version)[0])
	require.Equal(t, "telegraf", text(recommends)[0])
	require.Contains(t, text(preIn)[0], "groupadd")
	require.Contains(t, text(postIn)[0], "/var/lib/telegraf")
	entries := make(map[string]entry)
	for i, base := range text(baseNames)[:len(header[modes])/2] {
		name := text(dirNames)[binary.BigEndian.Uint32(header[dirIndexes][4*i:])] + base
		mode := binary.BigEndian.Uint16(header[modes][2*i:])
		if mode&syscall.S_IFMT == syscall.S_IFDIR {
			name += "/"
		}
		kind := ""
		if mode&syscall.S_IFMT == syscall.S_IFLNK {
			mode = 0o777
		}
		switch flags := binary.BigEndian.Uint32(header[flags][4*i:]); {
		case flags&configNoReplace == configNoReplace:
			kind = "config "
		case flags&isDocument != 0:
			kind = "doc "
		case flags&isLicence != 0:
			kind = "license "
		}
		entries[name] = entry{name: name, listed: fmt.Sprintf("%s%o %s:%s %s", kind, mode&0o7777, text(owners)[i], text(groups)[i], name)}
	}
	requireEntries(t, entries, source, "/usr/share/doc/telegraf-wolkvox-ivr/", "doc 644 root:root %s",
		"config 640 root:telegraf "+testbed.PluginConf,
		"config 644 root:root "+testbed.TelegrafConf,
		"755 root:root /usr/bin/telegraf-wolkvox-ivr",
		"license 644 root:root /usr/share/licenses/telegraf-wolkvox-ivr/copyright",
		"doc 644 root:root /usr/share/man/man1/telegraf-wolkvox-ivr.1.gz",
	)
	for name := range entries { // or rpm leaves the folder behind when it removes the package
		for dir := filepath.Dir(name); strings.Contains(dir, "telegraf-wolkvox-ivr"); dir = filepath.Dir(dir) {
			require.Equal(t, "755 root:root "+dir+"/", entries[dir+"/"].listed)
		}
	}
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

	// Upgraded, what was edited stays.
	m.replace(testbed.PluginConf, `server = ""`, `server = "0001"`)
	edited := m.read(testbed.PluginConf)
	done("--upgrade", "--nodeps", newer)
	require.Equal(t, "1.0.0", done("--query", "--queryformat=%{VERSION}", "telegraf-wolkvox-ivr"))
	require.Equal(t, edited, m.read(testbed.PluginConf))
	m.requireFile(testbed.PluginConf, "640 root:telegraf")
	result := testbed.Finish(t, rpm("--upgrade", "--nodeps", older))
	require.NotZero(t, result.Code)
	require.Contains(t, result.Stderr, "which is newer than")

	// Removed, it leaves what was edited and the state, and nothing that Telegraf would load.
	m.write(testbed.StateFile, "{}")
	done("--erase", "--nodeps", "telegraf-wolkvox-ivr")
	require.Equal(t, []string{testbed.PluginConf + ".rpmsave", testbed.StateFile}, m.ours())
	require.Equal(t, edited, m.read(testbed.PluginConf+".rpmsave"))
	require.NoDirExists(t, m.path("/usr/share/doc/telegraf-wolkvox-ivr"))
	require.NoDirExists(t, m.path("/usr/share/licenses/telegraf-wolkvox-ivr"))
}

// machine is a system in a folder: no more of it than the packages' scripts and Telegraf need.
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
	for _, program := range []string{"cat", "chgrp", "getent", "groupadd", "install", "mv", "rm", "rmdir", "sh", "stat", "useradd"} {
		path, err := exec.LookPath(program)
		require.NoError(t, err)
		m.copy(path, path)
		for _, match := range library.FindAllStringSubmatch(testbed.Execute(t, "", "ldd", path), -1) {
			m.copy(match[1], match[1])
		}
	}
	m.copy(testbed.Built(t, "telegraf"), "/usr/bin/telegraf")
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
	require.NoError(m.t, os.WriteFile(m.path(path), []byte(edited), 0o600)) // keeps owner and mode of what there is
}

// dpkg runs dpkg on the machine, its scripts with the machine's folder as their root.
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

// requireFile requires a file or a folder to have the mode and owners.
func (m *machine) requireFile(path, want string) {
	m.t.Helper()
	stat := testbed.Execute(m.t, "", "chroot", m.root, "stat", "-c", "%a %U:%G", path)
	require.Equal(m.t, want+"\n", stat, path)
}

// ours lists what there is of the plugin, but not its documents.
func (m *machine) ours() []string {
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

// telegraf starts Telegraf on the machine as its package's service does, and stops it at the test's end.
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

// checkDebFiles checks what is in the .deb.
func checkDebFiles(t *testing.T, source, deb string) {
	t.Helper()
	entries := tarEntries(t, strings.NewReader(testbed.Execute(t, "", "dpkg-deb", "--fsys-tarfile", deb)))
	doc := "/usr/share/doc/telegraf-wolkvox-ivr/"
	requireEntries(t, entries, source, doc, "644 root:root %s",
		"640 root:root "+testbed.PluginConf,
		"644 root:root "+testbed.TelegrafConf,
		"755 root:root /usr/bin/telegraf-wolkvox-ivr",
		"644 root:root "+doc+"changelog.gz",
		"644 root:root "+doc+"copyright",
		"644 root:root /usr/share/lintian/overrides/telegraf-wolkvox-ivr",
		"644 root:root /usr/share/man/man1/telegraf-wolkvox-ivr.1.gz",
	)
	for name, link := range entries {
		if strings.HasPrefix(link.listed, "777 ") {
			require.Contains(t, entries, string(link.content), name)
		}
	}
	requireLicences(t, entries[doc+"copyright"].content, entries["/usr/bin/telegraf-wolkvox-ivr"].content)
	require.Contains(t, unzip(t, entries[doc+"changelog.gz"].content), "telegraf-wolkvox-ivr (1.0.0) stable;")

	// The page says what --help says, in its own markup.
	page := regexp.MustCompile(`\\f[BIR]|\\`).ReplaceAllString(unzip(t, entries["/usr/share/man/man1/telegraf-wolkvox-ivr.1.gz"].content), "")
	for _, word := range strings.Fields(strings.ReplaceAll(testbed.RunPlugin(t, "--help").Stdout, "'", "(aq")) {
		require.Contains(t, page, strings.TrimSuffix(word, "."))
	}
}

func unzip(t *testing.T, content []byte) string {
	t.Helper()
	reader, err := gzip.NewReader(bytes.NewReader(content))
	require.NoError(t, err)
	unzipped, err := io.ReadAll(reader)
	require.NoError(t, err)
	return string(unzipped)
}

// checkDeb installs, upgrades, removes and purges the .deb, and runs Telegraf on what there is in between.
func checkDeb(t *testing.T, older, deb string) {
	t.Helper()
	m := newMachine(t)

	// An older one first, which is not put back over the newer one.
	m.dpkg("--install", older)
	m.requireVersion("1.0.0~git20260131.7.g0123456789")
	m.dpkg("--install", deb)
	m.requireVersion("1.0.0")
	require.Contains(t, m.dpkg("--refuse-downgrade", "--install", older), "will not downgrade")
	m.requireVersion("1.0.0")
	m.dpkg("--purge", "telegraf-wolkvox-ivr")
	require.Empty(t, m.ours())

	// Installed, before anything has been edited: nothing else is disturbed.
	requireCommands(t, m.dpkg("--install", deb))
	require.Equal(t, []string{testbed.TelegrafConf, testbed.PluginConf, "/usr/bin/telegraf-wolkvox-ivr"}, m.ours())
	m.requireFile("/usr/bin/telegraf-wolkvox-ivr", "755 root:root")
	m.requireFile(testbed.PluginConf, "640 root:telegraf")
	m.requireFile(testbed.TelegrafConf, "644 root:root")
	m.requireFile("/var/lib/telegraf", "770 root:telegraf")
	tg := m.telegraf()
	tg.AwaitLog("E! [inputs.execd] [inputs.wolkvox_ivr] " + testbed.PluginConf + ":" + tableLine(t, "wolkvox_ivr.conf") + ": server is empty: set it to")
	tg.AwaitLog("Restarting in 1m0s")
	tg.AwaitMetrics("the other input's metrics", testbed.HasMetrics("internal_agent"))
	tg.Stop()

	// From there to metrics: one file is edited, and Telegraf is restarted.
	w, start := testbed.StartWolkvox(t, testbed.Operation), time.Now()
	m.replace(testbed.PluginConf, `server = ""`, fmt.Sprintf("server = %q\nurl = %q\nlookback = \"24h\"", testbed.Operation.Server, w.URL),
		`token = ""`, fmt.Sprintf("token = %q", testbed.Operation.Token))
	tg = m.telegraf()
	gathered := func(metrics []telegraf.Metric) bool {
		from, to := testbed.Settled(t, testbed.Operation, start, 24*time.Hour)
		return len(testbed.Between(metrics, from, to)) >= len(w.TruthOf(t, testbed.Operation, from, to)) && testbed.HasMetrics("wolkvox_ivr")(metrics)
	}
	metrics := tg.AwaitMetrics("the operation's", gathered)
	w.RequireTruth(t, testbed.Operation, slices.DeleteFunc(metrics, func(m telegraf.Metric) bool { return m.Name() != "wolkvox_ivr" }), start, 24*time.Hour)
	require.Empty(t, tg.Complaints()) // at the stop, Telegraf may complain of its closed pipes
	tg.Stop()
	m.requireFile(testbed.StateFile, "600 telegraf:telegraf")

	// The next version has other defaults, which only files that were not edited get.
	edited := m.read(testbed.PluginConf)
	deb = nextVersion(t, deb)
	require.Contains(t, m.dpkg("--install", deb), "sudo systemctl restart telegraf")
	require.Equal(t, edited, m.read(testbed.PluginConf))
	m.requireFile(testbed.PluginConf, "640 root:telegraf")
	require.Contains(t, m.read(testbed.TelegrafConf), "2m")
	m.requireVersion("1.0.1")

	// Removed: what was configured stays, and Telegraf starts.
	m.dpkg("--remove", "telegraf-wolkvox-ivr")
	require.Equal(t, []string{testbed.TelegrafConf + ".removed", testbed.PluginConf, testbed.StateFile, testbed.StateFile + ".lock"}, m.ours())
	require.Equal(t, edited, m.read(testbed.PluginConf))
	tg = m.telegraf()
	tg.AwaitMetrics("the other input's metrics", testbed.HasMetrics("internal_agent"))
	require.Empty(t, tg.Complaints())
	tg.Stop()

	// Back again, hours later, it goes on.
	testbed.Age(t, m.path(testbed.StateFile), 2*time.Hour)
	w.ResetLedger()
	m.replace(testbed.TelegrafConf+".removed", "2m", "3m")
	m.dpkg("--install", deb)
	require.Equal(t, edited, m.read(testbed.PluginConf))
	require.Contains(t, m.read(testbed.TelegrafConf), "3m")
	tg = m.telegraf()
	tg.AwaitMetrics("the operation's", testbed.HasMetrics("wolkvox_ivr"))
	require.Empty(t, tg.Complaints())
	tg.Stop()

	// Purged, nothing is left of it, but all that is Telegraf's.
	m.write("/var/lib/telegraf/statefile", "{}")
	require.Contains(t, m.dpkg("--purge", "telegraf-wolkvox-ivr"), "what stays is not the package's alone: the user and the group telegraf, ")
	require.Empty(t, m.ours())
	require.NoDirExists(t, m.path("/usr/share/doc/telegraf-wolkvox-ivr"))
	require.NoDirExists(t, m.path("/usr/share/telegraf-wolkvox-ivr"))
	require.FileExists(t, m.path("/etc/telegraf/telegraf.conf"))

	// User, group and folder may all be there before: Telegraf's own package makes the same.
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
	before, _, found := strings.Cut(testbed.ReadDoc(t, testbed.Ours+"packaging/"+file), "[[inputs.wolkvox_ivr]]")
	require.True(t, found)
	return strconv.Itoa(1 + strings.Count(before, "\n"))
}

// requireCommands requires an installer to print the commands of the guide that come after the installation, and no others.
func requireCommands(t *testing.T, printed string) {
	t.Helper()
	var commands []string
	for _, match := range regexp.MustCompile(`(?m)^ +(sudo.*)$`).FindAllStringSubmatch(printed, -1) {
		commands = append(commands, match[1])
	}
	require.Len(t, commands, 3)
	guide := testbed.ReadDoc(t, "README.md")
	for _, command := range commands {
		require.Regexp(t, `(?m)^ *`+regexp.QuoteMeta(command)+`(?: +#.*)?$`, guide)
	}
}

// nextVersion returns a package of the next version, with other defaults.
func nextVersion(t *testing.T, deb string) string {
	t.Helper()
	dir := t.TempDir()
	testbed.Execute(t, dir, "dpkg-deb", "--raw-extract", deb, "raw")
	for file, pair := range map[string][2]string{
		"DEBIAN/control":     {"Version: 1.0.0", "Version: 1.0.1"},
		testbed.TelegrafConf: {"1m", "2m"},
	} {
		path := filepath.Join(dir, "raw", file)
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		changed := strings.Replace(string(content), pair[0], pair[1], 1)
		require.NotEqual(t, string(content), changed)
		require.NoError(t, os.WriteFile(path, []byte(changed), 0o600))
	}
	testbed.Execute(t, dir, "dpkg-deb", "-Znone", "--build", "raw", "next.deb")
	return filepath.Join(dir, "next.deb")
}
