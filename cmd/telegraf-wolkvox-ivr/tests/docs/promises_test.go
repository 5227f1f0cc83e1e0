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
	{"right", "Every hour's total ends up as the report finally has it, whatever the API, the network, the clock or a restart does meanwhile."},
	{"final", "An hour is final only once it lies before the watermark and two readings in a row agree."},
	{"once", "`hours = \"final\"` sends each hour once, across restarts too; one sent before the watermark has passed it, once more if it changes."},
	{"silence", "No 0 is sent for an hour that has calls, or whose silence is not credible, and a 0 never overwrites calls."},
	{"modes", "`lookback`, `hours`, `empty_hours` and minutes that are not there yet decide which hours are sent, and when."},
	{"metric", "An hour is one row of `wolkvox_ivr` at the instant when it began, in one of 24 series an operation; no text of a response becomes a tag."},
	{"late", "A report that fails, stands still, comes late or hides calls costs no hour, and the log says what it does."},
	{"postponed", "Windows that the API refuses are narrowed, hours that can't be settled postponed; both are retried ever more seldom, and hold up nothing."},
	{"requests", "A gather makes one request, 288 a day by default whatever fails, and requests are 5 minutes apart, across restarts too."},
	{"quota", "A spent daily quota or a `Retry-After` pauses the requests, across restarts too, and a shorter `interval` is a warning."},
	{"backfill", "A year of `backfill` takes 28 requests at most, in turns with the live window, or 5 minutes apart between rare gathers."},
	{"reread", "`reread` brings days once more, each time its value is new, and with them what a database had rejected."},
	{"dst", "Where clocks are set forward or back, each hour keeps its instant, and one that comes twice is two rows."},
	{"timezone", "A corrected `timezone` brings every hour once more under the right one; once the old rows are deleted, sums are right."},
	{"clock", "Hours go by the API's time: a wrong local clock, `Date`, or time in the state costs no hour and makes no 0."},

	{"", "State"},
	{"killed", "Whenever the plugin or Telegraf is killed, every settled hour is in the database in the end."},
	{"state", "The state file is replaced in one step and counts as done what has been written alone; the plugin goes on where it was. None is a warning."},
	{"state-damaged", "A state that can't be right is set aside and logged, and its table starts afresh; the others lose nothing."},
	{"state-safe", "No link of another user, FIFO or device is opened as state file, another file stays as it is, and only the owner can read the state."},
	{"state-user", "An error about files of another user names the owner and the command that helps."},

	{"", "API client"},
	{"https", "The token goes to the configured host alone, in a header, by verified TLS, and no redirect is followed; plain http is for loopback, " +
		"for configurations too."},
	{"leaks", "The token, and logins and queries of URLs, are in no log and no error, in whatever form a server sends them back."},
	{"simultaneous", "In a process no token is in two requests at a time; waiting for it is no failure, and other tokens don't wait."},
	{"rotation", "A token that changes in its store is used at the next request, without a restart."},
	{"forms", "Every form of the response that the vendor's documentation and public clients show is read."},
	{"unreadable", "What can't be read is reported with position and field and never guessed at: its hour stays open, and the other rows are sent."},
	{"failures", "A failed request names operation, hours and cause, quotes the API and says what to do; it yields no row and changes no state."},
	{"repeated", "An error that lasts is counted each time, and logged at increasing intervals."},
	{"hostile", "Whatever a server sends, a request ends within `timeout`, in bounded memory, and the other operations go on."},
	{"injection", "Texts of a server or of the configuration make no further lines of the log and no terminal sequences."},

	{"", "Input in Telegraf"},
	{"options", "`sample.conf` names each option with its default, and a wrong value is refused with what to write instead."},
	{"statistics", "`[[inputs.internal]]` reports requests, rows, failures, open and postponed hours, and gathers, as in Telegraf itself."},
	{"native", "The same configuration makes the same lines, compiled in and behind execd, or is refused by both."},
	{"oldest", "It runs under Telegraf 1.32 and later."},

	{"", "Host"},
	{"tables", "Each table has its own name, tags, filters, precision and state; two that would write the same series are refused."},
	{"mistakes", "A mistake in the configuration ends the program with one line that names the file, the remedy and, where it is known, the line."},
	{"environment", "`${VAR}`, secret stores, `[global_tags]` and the tag `host` work as in Telegraf; a variable that is not set is refused."},
	{"protection", "A token is kept encrypted in locked memory, and the configuration's text is dropped; too little memory is one line that says so."},
	{"log", "Log lines arrive at their level under their table's name, by `--debug`, `debug`, `quiet` and `log_level`; suppressed ones cost nothing."},
	{"schedule", "A table is gathered at once, then on its own interval and jitter, or at each line on stdin, never twice at a time."},
	{"trials", "`--test`, `--once` and a start by hand show metrics, and leave the state alone."},
	{"stop", "A stop ends the program within a second whatever is under way, with rows written and state saved, and none outlives Telegraf."},
	{"shim", "The host runs any input, by the protocol and with the state file of Telegraf."},

	{"", "`--check`, `--status` and other flags"},
	{"check", "`--check` tests each step, says how to fix what fails, makes four requests a table at most and leaves no file behind."},
	{"status", "`--status` says which hours are final, open and postponed, and why, beside a running service and without a request."},
	{"flags", "Each flag does what `--help` and the manual page say; a wrong one ends with 2 and one line."},

	{"", "Fleets and cost"},
	{"fleet", "One process gathers many operations, of one file or of a folder, each with its token from a store."},
	{"standby", "Several hosts may gather or stand by for an operation without a wrong or missing figure."},
	{"footprint", "One operation starts within a second and takes 30 MiB at most, a thousand 3 seconds a round and 150 MiB; nothing grows."},
	{"cost", "Reading a report takes a number of allocations that does not grow with its rows."},

	{"", "Destinations"},
	{"destinations", "With the output file of each destination, a month arrives hour by hour as it truly was."},
	{"outages", "With the buffer on disk, a destination or relay that is down loses no hour, and Telegraf may be restarted meanwhile."},
	{"append", "Where rows are appended, `hours = \"final\"` brings each hour once, and `changes.conf` each change of it."},
	{"host-tag", "A renamed machine begins no new series."},

	{"", "Dashboard and alert rules"},
	{"dashboard", "Each panel of the dashboard shows the truth, in both languages, and is drawn without an error."},
	{"alerts", "Each alert rule fires for those for whom it should, and for nobody else."},

	{"", "Packages, image and release"},
	{"packages", "Packages and archives install what the guide lists, with its modes; an upgrade keeps what was edited, a removal the state."},
	{"scripts", "The packages' scripts follow no link in folders of the user telegraf, and purge ends well whatever lies there."},
	{"image", "The image runs as its user, with server and token from the environment or from Kubernetes, and the compose file goes with it."},
	{"reproducible", "The same commit makes the same bytes, with checksums, an SBOM and the licences of all that is compiled in."},
	{"release", "Versions rise from commit to commit; no release is made unless all is ready, and the job that publishes runs no code of the repository."},
	{"newcomer", "The commands of the ten-minute page lead from a clean Debian to rows in InfluxDB."},

	{"", "Trying it out, and the guides"},
	{"run", "`make run` shows a table of hours within 15 seconds, and leaves nothing behind."},
	{"simulator", "The simulated wolkvox keeps the documented rules of the API, and knows the truth of each hour."},
	{"guides", "Guides agree with each other, and with what they tell of: options, tests, errors, links, commands and versions."},
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
	read := func(name string) string { return testbed.ReadDoc(t, name) }
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
