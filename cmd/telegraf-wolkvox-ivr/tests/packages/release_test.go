//go:build integration

package packages

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-semver/semver"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
)

// repository is a git repository in a folder, with the files that determine versions and releases.
type repository struct {
	t    *testing.T
	dir  string
	time time.Time // of the next commit
}

func newRepository(t *testing.T) *repository {
	t.Helper()
	r := &repository{t, t.TempDir(), time.Date(2026, 1, 31, 22, 0, 0, 0, time.UTC)}
	r.write("CHANGELOG.md", "## [Unreleased]\n")
	r.git("init", "--quiet", "--initial-branch=main")
	return r
}

func (r *repository) write(name, content string) {
	r.t.Helper()
	require.NoError(r.t, os.MkdirAll(filepath.Dir(filepath.Join(r.dir, name)), 0o700))
	require.NoError(r.t, os.WriteFile(filepath.Join(r.dir, name), []byte(content), 0o600))
}

func (r *repository) git(args ...string) string {
	r.t.Helper()
	date := r.time.Format(time.RFC3339)
	return testbed.Execute(r.t, r.dir, "env", append([]string{"GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_DATE=" + date, "GIT_COMMITTER_DATE=" + date,
		"git", "-c", "user.name=Author", "-c", "user.email=author@example.org"}, args...)...)
}

func (r *repository) commit() {
	r.t.Helper()
	r.git("add", ".")
	r.git("commit", "--quiet", "--allow-empty", "--message=change")
	r.time = r.time.Add(time.Hour)
}

func (r *repository) version() string {
	r.t.Helper()
	return strings.TrimSpace(testbed.Execute(r.t, r.dir, "sh", versionScript()))
}

func versionScript() string {
	return filepath.Join(testbed.Root, testbed.ProgramDir, "packaging", "version.sh")
}

// Each commit has a higher version than the one before, by the rules of semver, dpkg and rpm.
//
//promise:release
func TestVersions(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	hash := func() string { return strings.TrimSpace(r.git("rev-parse", "--short=10", "HEAD")) }
	versions := []string{r.version()}
	require.Equal(t, "0.0.0", versions[0], "without history")
	next := func(want string) {
		t.Helper()
		version := r.version()
		require.Equal(t, strings.ReplaceAll(want, "HASH", "g"+hash()), version)
		versions = append(versions, version)
	}

	r.commit()
	next("0.0.1-git20260131.1.HASH")
	r.write("new", "")
	require.Equal(t, versions[1], r.version(), "what git does not know is no change")
	r.write("CHANGELOG.md", "## [Unreleased]\n\n- More.\n")
	next("0.0.1-git20260131.1.HASH.dirty")
	for commits := 2; commits <= 12; commits++ { // includes 9 to 10, the end of the day and a wrong clock
		if commits == 7 {
			r.time = r.time.AddDate(0, 0, -3)
		}
		r.commit()
		next(fmt.Sprintf("0.0.1-git%s.%d.HASH", map[bool]string{true: "20260131", false: "20260201"}[commits < 3], commits))
	}

	// Tags determine releases. Without tags, the changelog does.
	r.write("CHANGELOG.md", "## [1.2.2] - 2026-02-02\n\n- More.\n")
	r.commit()
	next("1.2.2")
	r.commit()
	next("1.2.3-git20260201.1.HASH")
	r.git("tag", "v1.2.3-rc.1")
	next("1.2.3-rc.1")
	r.commit()
	next("1.2.3-rc.1.git20260201.1.HASH")
	r.git("tag", "--annotate", "--message=second", "v1.2.3-rc.2")
	next("1.2.3-rc.2")
	r.commit()
	r.commit()
	r.git("tag", "v1.2.3")
	r.git("tag", "unrelated")
	next("1.2.3")
	r.time = time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)
	r.commit()
	next("1.2.4-git20261231.1.HASH")
	r.time = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	r.commit()
	next("1.2.4-git20270101.2.HASH")
	r.git("tag", "v1.3.0")
	next("1.3.0")
	r.git("tag", "--delete", "v1.3.0")
	r.commit()
	r.git("tag", "v1.10.0")
	next("1.10.0")
	r.write("CHANGELOG.md", "")
	next("1.10.1-git20270101.0.HASH.dirty")

	// The version does not claim what git does not know.
	r.commit()
	shallow := &repository{t: t, dir: filepath.Join(t.TempDir(), "shallow"), time: r.time}
	r.write("CHANGELOG.md", "## [1.11.0] - 2027-01-01\n")
	r.commit()
	r.commit()
	r.git("clone", "--quiet", "--depth=1", "--no-tags", "file://"+r.dir, shallow.dir)
	require.Equal(t, "1.11.1-git20270101.1.g"+hash(), shallow.version(), "not the release, which may be older")
	refused := exec.Command("sh", versionScript())
	refused.Dir, refused.Env = r.dir, append(os.Environ(), "GIT_TEST_ASSUME_DIFFERENT_OWNER=1", "GIT_CONFIG_GLOBAL=/dev/null")
	result := testbed.Finish(t, refused)
	require.NotZero(t, result.Code)
	require.Empty(t, result.Stdout)
	require.Contains(t, result.Stderr, "dubious ownership")

	// A folder within another repository does not get that repository's version.
	inside := filepath.Join(r.dir, "unpacked")
	r.write("unpacked/CHANGELOG.md", "## [1.1.0] - 2026-01-01\n")
	r.dir = inside
	require.Equal(t, "1.1.0", r.version())
	r.write("CHANGELOG.md", "## [Unreleased]\n\n## [1.1.0] - 2026-01-01\n")
	require.Equal(t, "1.1.0", r.version())
	r.write("CHANGELOG.md", "## [Unreleased]\n\n- More.\n\n## [1.1.0] - 2026-01-01\n")
	require.Equal(t, "1.1.1-unreleased", r.version())

	// ascend requires each version to be lower than the next.
	ascend := func(t *testing.T, less func(earlier, later string)) {
		t.Helper()
		for i, later := range versions[1:] {
			less(versions[i], later)
		}
	}
	packaged := func(version string) string { return strings.Replace(version, "-", "~", 1) }
	t.Run("semver", func(t *testing.T) {
		t.Parallel()
		ascend(t, func(earlier, later string) {
			a, err := semver.NewVersion(earlier)
			require.NoError(t, err)
			b, err := semver.NewVersion(later)
			require.NoError(t, err)
			require.Negative(t, a.Compare(*b), "%s %s", earlier, later)
		})
	})
	t.Run("deb", func(t *testing.T) {
		t.Parallel()
		testbed.Need(t, "dpkg")
		ascend(t, func(earlier, later string) {
			testbed.Execute(t, "", "dpkg", "--compare-versions", packaged(earlier), "lt", packaged(later))
		})
	})
	t.Run("rpm", func(t *testing.T) {
		t.Parallel()
		testbed.Need(t, "rpm")
		ascend(t, func(earlier, later string) {
			compare := fmt.Sprintf("%%{lua:print(rpm.vercmp(%q, %q))}", packaged(earlier), packaged(later))
			require.Equal(t, "-1\n", testbed.Execute(t, "", "rpm", "--eval", compare))
		})
	})
}

// A release is refused unless everything is ready. The steps that it runs then have their own tests.
//
//promise:release
func TestRelease(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	r.write("release.sh", testbed.ReadSource(t, testbed.ProgramDir+"packaging/release.sh"))
	r.write(".gitignore", "/dist/\n/log\n")
	r.write("make", "#!/bin/sh\necho make \"$@\" >>log\n! [ \"$1\" = \"$FAILING\" ]\n")
	require.NoError(t, os.Chmod(filepath.Join(r.dir, "make"), 0o700)) //nolint:gosec // G302: programs must be executable
	r.commit()
	release := func(env ...string) testbed.Result {
		cmd := exec.Command("sh", "release.sh")
		cmd.Dir = r.dir
		cmd.Env = append(append(os.Environ(), "VERSION=1.0.0", "DIST=dist", "MAKE=./make"), env...)
		return testbed.Finish(t, cmd)
	}
	refused := func(reason string, env ...string) {
		t.Helper()
		result := release(env...)
		require.NotZero(t, result.Code)
		require.Contains(t, result.Stderr, reason)
	}

	refused("VERSION is one: set it", "VERSION=one")
	changes := func(changelog string) {
		t.Helper()
		r.write("CHANGELOG.md", changelog)
		refused("M CHANGELOG.md")
		r.commit()
	}
	for _, changelog := range []string{"## [1.0.1] - 2026-01-31\n\n- First.\n", "## [1.0.0] - 2026-01-31\n\n## [0.9.0] - 2025-01-31\n- Older.\n"} {
		changes(changelog)
		refused("Nothing of version 1.0.0 is in CHANGELOG.md: write ## [1.0.0] - 2")
	}
	for _, heading := range []string{"## [1.0.0]", "## [1.0.0] - 2026-31-01"} {
		changes(heading + "\n\n- First.\n")
		refused("Version 1.0.0 in CHANGELOG.md has no date")
	}
	changes("## [Unreleased]\n\n- More.\n\n## [1.0.0] - 2026-01-31\n\n- First.\n")
	refused("Unreleased changes are in CHANGELOG.md")
	changes("# Changes\n\n## [Unreleased]\n\n## [1.0.0] - 2026-01-31\n\n### Added\n\n- First.\n\n## [0.9.0] - 2025-01-31\n- Older.\n")
	r.write("left", "")
	refused("?? left")
	require.NoError(t, os.Remove(filepath.Join(r.dir, "left")))
	r.git("tag", "v1.0.0", "HEAD~1")
	refused("The tag v1.0.0 is another commit")
	r.git("tag", "--force", "v1.0.0")
	require.NoFileExists(t, filepath.Join(r.dir, "log"), "nothing has been made yet")

	require.NotZero(t, release("FAILING=test").Code)
	log := filepath.Join(r.dir, "log")
	content, err := os.ReadFile(log)
	require.NoError(t, err)
	require.Equal(t, "make test\n", string(content))
	require.NoError(t, os.Remove(log))

	result := release()
	require.Zero(t, result.Code, result.Stderr)
	content, err = os.ReadFile(log)
	require.NoError(t, err)
	require.Equal(t, "make test\nmake package-all VERSION=1.0.0 DIST=dist\nmake image VERSION=1.0.0 DIST=dist\n", string(content))
	notes, err := os.ReadFile(filepath.Join(r.dir, "dist", "NOTES.md"))
	require.NoError(t, err)
	require.Equal(t, "### Added\n\n- First.\n\n", string(notes))
}

//promise:release
func TestWorkflows(t *testing.T) {
	t.Parallel()
	require.Empty(t, testbed.Execute(t, testbed.Root, testbed.ProgramPath(t, "actionlint"), "-no-color"))
	ci, security := testbed.ReadSource(t, ".github/workflows/ci.yml"), testbed.ReadSource(t, ".github/workflows/security.yml")
	require.Contains(t, ci, ".ci/run")
	require.Contains(t, ci, "make release VERSION=")
	require.Contains(t, security, "make vuln")
	goMod := testbed.ReadSource(t, "go.mod")
	for _, line := range strings.Split(ci+security, "\n") {
		if version, ok := strings.CutPrefix(strings.TrimSpace(line), "go-version: "); ok {
			require.Contains(t, goMod, "\ngo "+strings.Trim(version, `"`))
		}
		if _, action, ok := strings.Cut(line, "uses: "); ok {
			require.Regexp(t, `^[a-z/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`, action, "a tag can be moved")
		}
	}

	// Dependabot looks for updates in folders that exist.
	var dependabot struct {
		Updates []struct {
			Directory   string
			Directories []string
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(testbed.ReadSource(t, ".github/dependabot.yml")), &dependabot))
	for _, update := range dependabot.Updates {
		for _, dir := range append(update.Directories, update.Directory) {
			require.DirExists(t, filepath.Join(testbed.Root, dir))
		}
	}
}
