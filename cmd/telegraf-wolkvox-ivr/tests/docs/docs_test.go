package docs

import (
	"cmp"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
	api "telegraf-wolkvox-ivr/plugins/common/wolkvox"
	"telegraf-wolkvox-ivr/plugins/inputs/wolkvox_ivr"
)

//promise:options
func TestSampleConfIsThePlugins(t *testing.T) {
	require.Equal(t, new(wolkvox_ivr.WolkvoxIVR).SampleConfig(), testbed.ReadSource(t, "sample.conf"))
}

// The Spanish edition has the same options and values, and is on the Spanish page of the plugin.
//
//promise:guides
func TestSpanishSampleConf(t *testing.T) {
	options := func(conf string) string { return regexp.MustCompile(`(?m)^( *##|#) .*\n`).ReplaceAllString(conf, "") }
	spanish := testbed.ReadSource(t, "sample.es.conf")
	require.Equal(t, options(testbed.ReadSource(t, "sample.conf")), options(spanish))
	require.Contains(t, testbed.ReadSource(t, "plugins/inputs/wolkvox_ivr/README.es.md"), "```toml @sample.es.conf\n"+spanish+"```\n")
}

// optionTable matches the rows of a README's table of options: name and default.
var optionTable = regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (?:`([^`]*)`)? ?\\|")

//promise:guides
func TestReadmeListsTheOptions(t *testing.T) {
	rows := optionTable.FindAllStringSubmatch(testbed.ReadSource(t, "README.md"), -1)
	require.NotEmpty(t, rows)

	sample := testbed.ReadSource(t, "sample.conf")
	own, _, _ := strings.Cut(sample, "## HTTP connection settings") // the README refers to sample.conf for the rest
	options := regexp.MustCompile(`(?m)^ +(# )?(\w+) = (.*)$`).FindAllStringSubmatch(own, -1)
	names := make(map[string]string)
	for _, option := range options {
		value := option[3]
		if option[1] == "" || value == `""` {
			value = "" // required, or none
		}
		names[option[2]] = value
	}
	listed := make(map[string]string)
	for _, row := range rows {
		listed[row[1]] = row[2]
	}
	require.Equal(t, names, listed)
}

//promise:guides
func TestReadmeNamesTests(t *testing.T) {
	var code strings.Builder
	for _, source := range pages(t, "_test.go") {
		code.WriteString(testbed.ReadSource(t, source))
	}
	for _, page := range []string{"cmd/telegraf-wolkvox-ivr/README.md", ".github/SECURITY.md"} {
		names := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(testbed.ReadSource(t, page), -1)
		require.NotEmpty(t, names)
		for _, name := range names {
			require.Contains(t, code.String(), "func "+name[1]+"(", "%s names a test that isn't there", page)
		}
	}
}

// Users look up log messages in the README.
//
//promise:failures
//promise:guides
func TestReadmesListTheFailures(t *testing.T) {
	for _, class := range api.FailureClasses {
		require.Contains(t, testbed.ReadSource(t, "README.md"), "| `"+class.Message+"` |")
		require.Contains(t, testbed.ReadSource(t, "README.es.md"), "| `"+class.Message+"` |")
	}
}

// A Spanish guide is not a literal translation, but has the same commands, configurations and tables.
//
//promise:guides
func TestGuidesAgree(t *testing.T) {
	for _, guide := range pages(t, ".es.md") {
		t.Run(guide, func(t *testing.T) {
			english, spanish := testbed.ReadSource(t, strings.TrimSuffix(guide, ".es.md")+".md"), testbed.ReadSource(t, guide)
			require.Equal(t, testbed.CodeBlocks(english), testbed.CodeBlocks(spanish))
			require.Equal(t, optionTable.FindAllStringSubmatch(english, -1), optionTable.FindAllStringSubmatch(spanish, -1))
			levels, _ := headings(english)
			spanishLevels, _ := headings(spanish)
			require.Equal(t, levels, spanishLevels, "levels of headings")
			require.Equal(t, tableRows(english), tableRows(spanish), "rows of tables")
		})
	}
}

// pages returns the names of all documents with the suffix.
func pages(t *testing.T, suffix string) (names []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(testbed.Root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && slices.Contains([]string{".git", "bin", "dist", "node_modules"}, entry.Name()) {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, suffix) {
			name, err := filepath.Rel(testbed.Root, path)
			require.NoError(t, err)
			names = append(names, name)
		}
		return err
	}))
	require.Greater(t, len(names), 1)
	return names
}

//promise:guides
func TestLinksLeadToFilesAndHeadings(t *testing.T) {
	for _, page := range pages(t, ".md") {
		for _, link := range testbed.LinksOf(testbed.ReadSource(t, page)) {
			target := page
			if link.File != "" {
				target = filepath.Join(filepath.Dir(page), link.File)
			}
			_, err := os.Stat(filepath.Join(testbed.Root, target))
			require.NoError(t, err, page)
			if link.Anchor != "" {
				_, anchors := headings(testbed.ReadSource(t, target))
				require.Contains(t, anchors, link.Anchor, "%s refers to this heading of %s", page, target)
			}
		}
	}
}

// The README's example of --check agrees with the golden files, except for what differs between operations.
//
//promise:guides
func TestReadmeShowsTheCheck(t *testing.T) {
	variable := regexp.MustCompile(`\S*(?:[\d"]|ADDRESS|\S\.\S)\S*`)
	var printed []string
	files, err := filepath.Glob(filepath.Join(testbed.Root, testbed.ProgramDir, "check", "testdata", "*.txt"))
	require.NoError(t, err)
	for _, name := range files {
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		printed = append(printed, strings.Split(variable.ReplaceAllString(string(content), "…"), "\n")...)
	}
	shown := regexp.MustCompile(`(?m)^ *((?:ok|warn|FAIL) .*?)(?:, …)?$`).FindAllStringSubmatch(testbed.ReadSource(t, "README.md"), -1)
	require.NotEmpty(t, shown)
	for _, line := range shown {
		shown := variable.ReplaceAllString(line[1], "…")
		begins := func(step string) bool { return strings.HasPrefix(step, shown) }
		require.True(t, slices.ContainsFunc(printed, begins), "no check prints %q", line[1])
	}
}

// The page of destinations lists all configurations, and the versions that the tests run.
//
//promise:destinations
//promise:guides
func TestDestinationsAreListed(t *testing.T) {
	page := testbed.ReadSource(t, "testdata/README.md")
	for _, folder := range []string{"", "outputs/"} {
		recipes, err := filepath.Glob(testbed.Root + "/testdata/" + folder + "*.conf")
		require.NoError(t, err)
		require.NotEmpty(t, recipes)
		for _, recipe := range recipes {
			require.Contains(t, page, "]("+folder+filepath.Base(recipe)+")")
		}
	}
	for _, link := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(page, -1) {
		require.FileExists(t, testbed.Root+"/testdata/"+link[1])
	}
	for _, name := range []string{"influxdb", "influxdb/v2", "nats-server/v2", "VictoriaMetrics"} {
		version := regexp.MustCompile("/" + name + `(?:/(?:app|cmd)/\S+)?@v([\d.]+)`).FindStringSubmatch(testbed.ReadSource(t, ".ci/build"))
		require.NotNil(t, version, name)
		require.Contains(t, page, " "+version[1], name)
	}
	kafka := regexp.MustCompile(`(?s)kafka_2.13</artifactId>\s*<version>(.*?)<`).FindStringSubmatch(testbed.ReadSource(t, "testdata/kafka/pom.xml"))
	require.NotNil(t, kafka)
	require.Contains(t, page, "Apache Kafka "+kafka[1])
}

// notInAnchors matches characters that a heading has but its anchor has not.
var notInAnchors = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)

func headings(readme string) (levels, anchors []string) {
	for _, line := range strings.Split(testbed.CodeBlock.ReplaceAllString(readme, ""), "\n") {
		if level, name, ok := strings.Cut(line, " "); ok && strings.Trim(level, "#") == "" && level != "" {
			levels = append(levels, level)
			anchors = append(anchors, strings.ReplaceAll(notInAnchors.ReplaceAllString(strings.ToLower(name), ""), " ", "-"))
		}
	}
	return levels, anchors
}

func tableRows(readme string) int {
	return len(regexp.MustCompile(`(?m)^\|`).FindAllString(readme, -1))
}

// All make targets in guides exist in the Makefile.
//
//promise:guides
func TestGuidesNameTargetsOfTheMakefile(t *testing.T) {
	makefile := testbed.ReadSource(t, "Makefile") + testbed.ReadSource(t, testbed.ProgramDir+"packaging/packages.mk")
	for _, page := range []string{"README.md", ".github/CONTRIBUTING.md", "testdata/bench/README.md", testbed.ProgramDir + "packaging/README.md"} {
		targets := regexp.MustCompile(`\bmake ([a-z-]+)`).FindAllStringSubmatch(testbed.CodeText(testbed.ReadSource(t, page)), -1)
		require.NotEmpty(t, targets, page)
		for _, target := range targets {
			require.Regexp(t, `(?m)^`+target[1]+`:`, makefile, page)
		}
	}
}

// A renamed machine or a new container must not start new series, so every [[inputs.execd]] that users copy leaves out
// the tag host.
//
//promise:host-tag
func TestShippedExecdLeavesOutTheHost(t *testing.T) {
	shipped := 0
	require.NoError(t, filepath.WalkDir(testbed.Root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && slices.Contains([]string{".git", "bin", "dist", "node_modules"}, entry.Name()) {
			return cmp.Or(err, fs.SkipDir)
		}
		if entry.IsDir() || !slices.Contains([]string{".conf", ".yaml", ".yml", ".j2", ".md"}, filepath.Ext(path)) {
			return nil
		}
		content, err := os.ReadFile(path) //nolint:gosec // G122: nobody else writes there
		for _, table := range regexp.MustCompile(`(?m)^ *\[\[inputs\.execd\]\]\n(?: *[^\[\n ].*\n)*`).FindAllString(string(content), -1) {
			require.Contains(t, table, `tagexclude = ["host"]`, path)
			shipped++
		}
		return err
	}))
	require.GreaterOrEqual(t, shipped, 4, "the package's, Windows', Kubernetes' and `make run`'s")
}

// TestReadmeShowsTheFleet: the guide shows the files that are tested.
//
//promise:guides
func TestReadmeShowsTheFleet(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(testbed.Root + "/testdata/fleet/README.md")
	require.NoError(t, err)
	for _, name := range []string{"operations.yml", "wolkvox_ivr.conf.j2", "playbook.yml", "monitor-1.conf"} {
		content, err := os.ReadFile(testbed.Root + "/testdata/fleet/" + name)
		require.NoError(t, err)
		require.Contains(t, string(readme), "\n"+string(content)+"```\n", name)
	}
}

// TestOldestTelegrafIsClaimed: the READMEs name the oldest version that is tested.
//
//promise:oldest
//promise:guides
func TestOldestTelegrafIsClaimed(t *testing.T) {
	minor := strings.TrimSuffix(testbed.OldestTelegraf(t), ".0")
	require.Contains(t, testbed.ReadSource(t, "README.md"), "Telegraf "+minor+" or later")
	require.Contains(t, testbed.ReadSource(t, "README.es.md"), "Telegraf "+minor)
}

// The README's commands from nothing to metrics are also on the newcomer's page.
//
//promise:newcomer
func TestReadmeIsTheNewcomersPage(t *testing.T) {
	_, guide, _ := strings.Cut(testbed.ReadSource(t, "README.md"), "## From scratch to metrics")
	guide, _, _ = strings.Cut(guide, "\n## ")
	page := testbed.CommandsOf(t, testbed.NewcomersPage)
	for _, block := range testbed.CodeBlocks(guide) {
		for command := range strings.Lines(strings.TrimPrefix(block, "sh\n")) {
			if strings.HasPrefix(block, "sh\n") {
				require.Contains(t, page, strings.TrimSpace(command))
			}
		}
	}
}

// storeEnd matches the end of a secret store's table: the next table, or the end of a code block, of a template's text
// or of a document.
var storeEnd = regexp.MustCompile("(?m)^ *(\\[|```|\\{%|---)")

// TestSecretsAreReadAgain: no shipped or shown configuration keeps the token that it started with.
//
//promise:rotation
func TestSecretsAreReadAgain(t *testing.T) {
	t.Parallel()
	extensions := []string{".conf", ".yaml", ".yml", ".j2", ".md"}
	source, stores := os.DirFS(testbed.Root), 0
	for _, folder := range []string{"cmd", "testdata"} {
		require.NoError(t, fs.WalkDir(source, folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !slices.Contains(extensions, filepath.Ext(path)) {
				return err
			}
			content, err := fs.ReadFile(source, path)
			if err != nil {
				return err
			}
			for _, store := range strings.Split(string(content), "[[secretstores.docker]]")[1:] {
				stores++
				require.Regexp(t, `(?m)^ *dynamic = true$`, storeEnd.Split(store, 2)[0], path)
			}
			return nil
		}))
	}
	require.Greater(t, stores, 4)
}

// TestWorkflowsKeepCredentialsFromCode: jobs that run code of the repository or of its modules have no token that can
// write.
//
//promise:release
func TestWorkflowsKeepCredentialsFromCode(t *testing.T) {
	t.Parallel()
	type job struct {
		If, Needs   string
		Permissions map[string]string
		Steps       []struct {
			Uses, Run string
			With      map[string]any
		}
	}
	jobs := make(map[string]job)
	read := map[string]string{"contents": "read"}
	for _, file := range []string{"ci.yml", "security.yml"} {
		var workflow struct {
			Permissions map[string]string
			Jobs        map[string]job
		}
		require.NoError(t, yaml.Unmarshal([]byte(testbed.ReadSource(t, ".github/workflows/"+file)), &workflow))
		require.Equal(t, read, workflow.Permissions)
		maps.Copy(jobs, workflow.Jobs)
	}
	require.Len(t, jobs, 6)
	for name, job := range jobs {
		switch name {
		case "publish":
			require.Equal(t, map[string]string{"contents": "write", "id-token": "write", "attestations": "write"}, job.Permissions)
		case "codeql": // only its action gets the token
			require.Equal(t, map[string]string{"contents": "read", "security-events": "write"}, job.Permissions)
		default:
			require.Equal(t, read, job.Permissions, name)
		}
		for _, step := range job.Steps {
			switch action, _, _ := strings.Cut(step.Uses, "@"); action {
			case "actions/checkout":
				require.NotEqual(t, "publish", name)
				require.Equal(t, false, step.With["persist-credentials"], name)
			case "actions/upload-artifact":
				require.Equal(t, "release", name)
			}
			if name == "publish" && step.Run != "" {
				require.Regexp(t, `^(cosign sign-blob|gh release create) .*$`, step.Run, "one line, and so one command")
			}
		}
	}
	require.Equal(t, "release", jobs["publish"].Needs)
	require.Equal(t, jobs["release"].If, jobs["publish"].If)
}

// The files that the compose file takes from the source exist and fit together.
//
//promise:image
func TestCompose(t *testing.T) {
	t.Parallel()
	folder := testbed.ProgramDir + "packaging/container"
	type service struct {
		Build       struct{ Context, Dockerfile string }
		Command     []string
		Environment map[string]string
		Volumes     []string
		Secrets     []string
	}
	var compose struct {
		Services map[string]service
		Secrets  map[string]struct{ File string }
		Volumes  map[string]any
	}
	require.NoError(t, yaml.Unmarshal([]byte(testbed.ReadSource(t, folder+"/compose.yaml")), &compose))
	mounted := make(map[string]string) // source by path in the container
	for _, s := range compose.Services {
		for _, volume := range s.Volumes {
			from, to, _ := strings.Cut(volume, ":")
			if !strings.HasPrefix(from, ".") {
				require.Contains(t, compose.Volumes, from)
				continue
			}
			require.FileExists(t, filepath.Join(testbed.Root, folder, from))
			mounted[strings.TrimSuffix(to, ":ro")] = filepath.Clean(filepath.Join(folder, from))
		}
	}
	tg := compose.Services["telegraf"]
	require.FileExists(t, filepath.Join(testbed.Root, folder, tg.Build.Context, tg.Build.Dockerfile))
	require.Equal(t, []string{"wolkvox_token"}, tg.Secrets)
	require.Contains(t, compose.Secrets, "wolkvox_token")
	require.Contains(t, testbed.ReadSource(t, mounted["/etc/telegraf/wolkvox_ivr.conf"]), `token = "@{secrets:wolkvox_token}"`)
	output := testbed.ReadSource(t, mounted[tg.Command[len(tg.Command)-1]+"/influxdb.conf"])
	for variable := range tg.Environment {
		if variable != "WOLKVOX_SERVER" { // read by the plugin
			require.Contains(t, output, "${"+variable+":-")
		}
	}

	// All provisioning files of Grafana are mounted, and the dashboard is where Grafana looks for it.
	for _, pattern := range []string{"*.yaml", "influxdb/*.json"} {
		files, err := filepath.Glob(testbed.Root + "/testdata/grafana/" + pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			if filepath.Base(file) != "datasource.yaml" { // for another machine
				require.Contains(t, strings.Join(compose.Services["grafana"].Volumes, "\n"), "/"+strings.TrimPrefix(file, testbed.Root+"/")+":/")
			}
		}
	}
	provider := testbed.ReadSource(t, mounted["/etc/grafana/provisioning/dashboards/wolkvox_ivr.yaml"])
	for at, file := range mounted {
		if strings.HasSuffix(file, ".json") {
			require.Contains(t, provider, "path: "+filepath.Dir(at)+"\n")
		}
	}
	require.Contains(t, testbed.ReadSource(t, mounted["/etc/grafana/provisioning/datasources/wolkvox_ivr.yaml"]), "url: "+tg.Environment["INFLUX_URL"]+"\n")
}
