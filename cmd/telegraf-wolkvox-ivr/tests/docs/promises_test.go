package docs

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
)

// promise is what the project promises its users. Without an id it is a heading.
type promise struct{ id, text string }

var promises = []promise{
	{"", "Hours and figures"},
	{"right", "Every hour ends up with the report's final total, despite failures of the API or network, wrong clocks and restarts."},
	{"final", "An hour becomes final only when it is before the watermark and two readings in a row agree."},
	{"once", "`hours = \"final\"` sends each hour once, even across restarts. An hour sent before the watermark passed it is sent again if it changes."},
	{"silence", "No 0 is sent for an hour that has calls or whose silence is inconclusive. A 0 never overwrites calls."},
	{"modes", "`lookback`, `hours` and `empty_hours` determine which hours are sent and when, and hours without minutes have their own rule."},
	{"metric", "An hour is one row of `wolkvox_ivr` timestamped with the start of the hour, in one of 24 series per operation. No " +
		"text from a response becomes a tag."},
	{"late", "No hour is lost if the report fails, stalls, is late or hides calls, and the plugin logs the problem."},
	{"postponed", "Rejected windows are narrowed, and hours that can't become final are postponed. Both are retried at increasing " +
		"intervals and block nothing."},
	{"requests", "A gather makes one request: 288 per day by default, whatever fails. Requests are 5 minutes apart, even across restarts."},
	{"quota", "A used-up daily quota or a `Retry-After` pauses requests, even across restarts. The plugin warns if `interval` is less than 5 minutes."},
	{"backfill", "A year of `backfill` takes at most 28 requests. They alternate with requests for the live window or, if gathers " +
		"are infrequent, are made between them, 5 minutes apart."},
	{"reread", "`reread` sends days again each time its value changes, including rows that a database rejected."},
	{"dst", "When clocks go forward or back, each hour keeps its correct timestamp, and a repeated hour becomes two rows."},
	{"timezone", "After `timezone` is corrected, every hour is sent again at the right time. Once the old rows are deleted, sums are right."},
	{"clock", "Hours follow the API's time. A wrong local clock, `Date` header or time in the state causes no lost hours and no false 0."},

	{"", "State"},
	{"killed", "Whenever the plugin or Telegraf is killed, the database ends up with every final hour."},
	{"state", "The state file is replaced atomically and covers only rows that were written. The plugin resumes from it, and warns if there is none."},
	{"state-damaged", "A state that can't be right is set aside and logged, and its table starts afresh. Other tables lose nothing."},
	{"state-safe", "Another user's link, a FIFO or a device is never opened as a state file. Files of other kinds are not changed. " +
		"Only the owner can read the state."},
	{"state-user", "An error about another user's files names the owner and the command that fixes it."},

	{"", "API client"},
	{"https", "The token goes only to the configured host, in a header, over verified TLS. No redirect is followed. Plain http works only for " +
		"loopback addresses, even to load configurations."},
	{"leaks", "The token, and the credentials and query strings in URLs, appear in no log and no error, whatever form a server returns them in."},
	{"simultaneous", "A process makes one request at a time per token. Waiting for a token is not a failure, and requests with other " +
		"tokens don't wait."},
	{"rotation", "A token that changes in its store is used from the next request, without a restart."},
	{"forms", "Every response format that appears in the vendor's documentation or in public clients can be read."},
	{"unreadable", "Unreadable data is logged with position and field, never guessed at. Its hour stays open, and the other rows are sent."},
	{"failures", "A failed request names the operation, hours and cause, quotes the API and says what to do. It sends no row and changes no state."},
	{"repeated", "Persistent errors are counted each time and logged at increasing intervals."},
	{"hostile", "Whatever a server sends, a request ends within `timeout`, in bounded memory, and other operations continue."},
	{"injection", "Text from a server or the configuration can't add lines to the log or send terminal escape sequences."},

	{"", "Input in Telegraf"},
	{"options", "`sample.conf` has every option with its default, and an error about a wrong value says what to write instead."},
	{"statistics", "`[[inputs.internal]]` reports requests, rows, failures, open hours, postponed hours and, as in Telegraf, gathers."},
	{"native", "The same configuration gives the same metrics compiled in and behind execd, or is rejected in both cases."},
	{"oldest", "The plugin runs under Telegraf 1.32 and later."},

	{"", "Host"},
	{"tables", "Each table has its own name, tags, filters, precision and state. Two tables that would write the same series are rejected."},
	{"mistakes", "A mistake in the configuration ends the program with a one-line error that gives the file, the fix and, if known, the line number."},
	{"environment", "`${VAR}`, secret stores, `[global_tags]` and the `host` tag work as in Telegraf. An unset variable is rejected."},
	{"protection", "Tokens are kept encrypted in locked memory, and the configuration's text is discarded after loading. Too little " +
		"lockable memory is reported in one line."},
	{"log", "Log lines keep their level and their table's name, and obey `--debug`, `debug`, `quiet` and `log_level`. Suppressed lines cost nothing."},
	{"schedule", "A table gathers at once, then at its own interval and jitter, or for each line on stdin, but never runs two gathers at a time."},
	{"trials", "`--test`, `--once` and a manual start show metrics and leave the state alone."},
	{"stop", "A stop ends the program within a second, whatever is running, with rows written and state saved. No process outlives Telegraf."},
	{"shim", "The host runs any input, with Telegraf's protocol and state file."},

	{"", "`--check`, `--status` and other flags"},
	{"check", "`--check` tests each step, says how to fix what fails, makes at most four requests per table and leaves no file behind."},
	{"status", "`--status` shows which hours are final, open or postponed, and why, even while the service is running and without making a request."},
	{"flags", "Each flag does what `--help` and the manual page say. An invalid flag makes the program exit with 2 and a one-line message."},

	{"", "Fleets and cost"},
	{"fleet", "One process gathers many operations, from one file or a folder, each with its token from a store."},
	{"standby", "Several hosts can gather or stand by for an operation without wrong or missing figures."},
	{"footprint", "With one operation, the program starts within a second and uses at most 30 MiB. With a thousand, it gathers " +
		"within 3 seconds and 150 MiB. Nothing grows over time."},
	{"cost", "The number of allocations to read a report doesn't grow with its rows."},

	{"", "Destinations"},
	{"destinations", "With the output file of each destination, every hour of a month arrives with its true figures."},
	{"outages", "With the disk buffer, an outage of a destination or relay loses no hour, even if Telegraf restarts in the meantime."},
	{"append", "Where rows are appended, `hours = \"final\"` writes each hour once, and `changes.conf` writes each change of an hour."},
	{"host-tag", "A renamed machine starts no new series."},

	{"", "Dashboard and alert rules"},
	{"dashboard", "Each panel of the dashboard shows the true figures, in both languages, and renders without an error."},
	{"alerts", "Each alert rule fires for exactly the operations it should."},

	{"", "Packages, image and release"},
	{"packages", "Packages and archives install what the guide lists, with the file modes it gives. Upgrading keeps edited files, " +
		"and removal keeps the state."},
	{"scripts", "The packages' scripts follow no links in folders owned by the telegraf user, and purge succeeds whatever is there."},
	{"image", "The image runs as its own user, with server and token from the environment or Kubernetes, and works with the compose file."},
	{"reproducible", "The same commit builds the same bytes, with checksums, an SBOM and the licences of everything compiled in."},
	{"release", "Version numbers increase from commit to commit. A release is made only if everything is ready, and the publishing " +
		"job runs no code from the repository."},
	{"newcomer", "The commands of the ten-minute page lead from a clean Debian to rows in InfluxDB."},

	{"", "Trying it out, and the guides"},
	{"run", "`make run` shows a table of hours within 15 seconds and leaves nothing behind."},
	{"simulator", "The simulated wolkvox follows the documented rules of the API and knows each hour's true figures."},
	{"guides", "Guides agree with each other and with the options, tests, errors, links, commands and versions they mention."},
}

const (
	promisesPage = ".github/CONTRIBUTING.md"
	tableBegins  = "<!-- The table of promises begins; it is generated. -->\n\n"
	tableEnds    = "\n\n<!-- The table of promises ends. -->\n"
)

var update = flag.Bool("update", false, "write the table of promises anew")

// The tests say which promises they guard, and the page for contributors has them all.
//
//promise:guides
func TestPromises(t *testing.T) {
	read := func(name string) string { return testbed.ReadSource(t, name) }
	page := read(promisesPage)
	expected, faults := withTable(page, promises, pages(t, "_test.go"), read)
	require.Empty(t, faults)
	if *update {
		page = expected
		require.NoError(t, os.WriteFile(filepath.Join(testbed.Root, promisesPage), []byte(page), 0o600))
	}
	require.Equal(t, expected, page, "run this test with -update")
}

func TestFaultsOfPromises(t *testing.T) {
	const kept = "package x\n\n// Doc.\n//\n//promise:kept\nfunc TestX(t *testing.T) {}\n\n//promise:kept\nfunc FuzzX(f *testing.F) {}\n"
	const page = "before\n" + tableBegins + "| Promise | Tests |\n|---|---|\n" +
		"| **Heading** | |\n| `kept`: It is kept. | `x.TestX`, `x.FuzzX` |" + tableEnds + "after\n"
	for _, tt := range []struct{ source, page, fault string }{
		{kept, page, ""},
		{kept, strings.ReplaceAll(page, "TestX", "TestZ"), ""},
		{kept + "\n//promise:keptt\nfunc TestY(t *testing.T) {}\n", page, "there is no promise keptt, which `x.TestY` guards"},
		{kept + "\n//promise:kept\n\nfunc TestY(t *testing.T) {}\n", page, "a/x/x_test.go: a promise is in no test's doc comment"},
		{kept + "\n//promise:kept\nfunc testY() {}\n", page, "a/x/x_test.go: a promise is in no test's doc comment"},
		{"package x\n", page, "no test guards the promise kept"},
		{"package", page, "a/x/x_test.go:1:8: expected 'IDENT', found 'EOF'"},
	} {
		promises := []promise{{"", "Heading"}, {"kept", "It is kept."}}
		made, faults := withTable(tt.page, promises, []string{"a/x/x_test.go"}, func(string) string { return tt.source })
		require.Equal(t, tt.fault, strings.Join(faults, "\n"))
		require.True(t, made == page || tt.fault != "", made)
	}
}

// withTable returns the page with the table of promises and of the tests that guard them in these sources.
func withTable(page string, promises []promise, sources []string, read func(string) string) (made string, faults []string) {
	guards := make(map[string][]string)
	for _, name := range sources {
		file, err := parser.ParseFile(token.NewFileSet(), name, read(name), parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return "", []string{err.Error()}
		}
		found := 0
		for _, declared := range file.Decls {
			f, ok := declared.(*ast.FuncDecl)
			if !ok || f.Doc == nil || !strings.HasPrefix(f.Name.Name, "Test") && !strings.HasPrefix(f.Name.Name, "Fuzz") {
				continue
			}
			for _, comment := range f.Doc.List {
				if id, ok := strings.CutPrefix(comment.Text, "//promise:"); ok {
					guards[id] = append(guards[id], "`"+filepath.Base(filepath.Dir(name))+"."+f.Name.Name+"`")
					found++
				}
			}
		}
		if found != strings.Count(read(name), "\n//promise:") {
			faults = append(faults, name+": a promise is in no test's doc comment")
		}
	}
	rows := []string{"| Promise | Tests |", "|---|---|"}
	for _, p := range promises {
		if p.id == "" {
			rows = append(rows, "| **"+p.text+"** | |")
			continue
		}
		rows = append(rows, "| `"+p.id+"`: "+p.text+" | "+strings.Join(slices.Compact(guards[p.id]), ", ")+" |")
		if guards[p.id] == nil {
			faults = append(faults, "no test guards the promise "+p.id)
		}
		delete(guards, p.id)
	}
	for id, tests := range guards {
		faults = append(faults, fmt.Sprintf("there is no promise %s, which %s guards", id, strings.Join(tests, ", ")))
	}
	before, rest, _ := strings.Cut(page, tableBegins)
	_, after, _ := strings.Cut(rest, tableEnds)
	return before + tableBegins + strings.Join(rows, "\n") + tableEnds + after, faults
}
