//go:build integration

package telegraf

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
)

// comparison is a configuration of the plugin, and its result behind execd. The result is the same in a Telegraf that
// the plugin is compiled into, unless differs gives a reason. TABLE and OTHER stand for the tables of two operations,
// OPTIONS for the options of the first one, and STORED for the first one with its token in a file of the folder STORE.
type comparison struct {
	name, conf string
	want       string // the error, if it is refused
	differs    string
	crlf       bool // Windows line endings
}

// Reasons why Telegraf accepts what is refused here, or the other way round
const (
	ignores   = "Telegraf silently ignores values of the wrong type and options that don't apply to an input"
	notHere   = "the file is the plugin's alone: what comes after inputs belongs in Telegraf's"
	unset     = "Telegraf leaves a variable that is not set as it is"
	sameTwice = "Telegraf has each of the two gather"
	noLines   = "execd treats lines that begin with # as comments"
	noText    = "Telegraf accepts invalid UTF-8, which a tag would lose for good"
	ownHost   = "the file's [agent] is not Telegraf's"
)

var comparisons = []comparison{
	{name: "plain", conf: "TABLE"},
	{name: "two tables", conf: "TABLE\nOTHER"},
	{name: "alias", conf: "TABLE\nalias = 'north'"},

	{name: "name", conf: "TABLE\nname_override = 'ivr'"},
	{name: "name with prefix and suffix", conf: "TABLE\nname_override = 'ivr'\nname_prefix = 'a_'\nname_suffix = '_z'"},
	{name: "prefix and suffix", conf: "TABLE\nname_prefix = 'a_'\nname_suffix = '_z'"},
	{name: "name to be escaped", conf: `TABLE` + "\n" + `name_override = "i v,r=1"`},
	{name: "name of a comment", conf: "TABLE\nname_override = '#x'", want: "[inputs.wolkvox_ivr] FILE:1: a name that begins with #", differs: noLines},
	{name: "tags", conf: "TABLE\n[inputs.wolkvox_ivr.tags]\nsite = 'north'\nrack = \"\"\n"},
	{name: "tags in a line", conf: "TABLE\ntags = {site = 'north', floor = '2'}\nOTHER"},
	{name: "tags to be escaped", conf: `TABLE` + "\n" + `tags = {"a b" = "c d", comma = "a,b=c", quote = "\"q\"", path = "C:\\x\\y", city = "Bogotá ☎"}`},
	{name: "backslash at the end", conf: `TABLE` + "\n" + `tags = {path = "C:\\"}`},
	{name: "line's end in a tag", conf: `TABLE` + "\n" + `tags = {two = "a\nb\tc"}`},
	{name: "tags of its own", conf: "TABLE\ntags = {hour = 'x', source = 'y'}"},
	{name: "tags of numbers", conf: "TABLE\ntags = {rack = 5}", want: `FILE:6: invalid "tags" in [[inputs.wolkvox_ivr]]: `},
	{name: "option behind tags", conf: "TABLE\n[inputs.wolkvox_ivr.tags]\nsite = 'north'\ntimezone = 'x'"},
	{name: "global tags", conf: "[global_tags]\nsite = 'north'\nTABLE\nOTHER\ntags = {site = 'south'}"},
	{name: "global tags of old", conf: "[tags]\nsite = 'north'\nTABLE"},
	{name: "global tags always",
		conf: "TABLE\nname_override = 'ivr'\ntaginclude = ['hour']\n[global_tags]\nsite = 'north'\n[agent]\nalways_include_global_tags = true"},

	{name: "fields included", conf: "TABLE\nfieldinclude = ['c*']"},
	{name: "fields excluded", conf: "TABLE\nfieldexclude = ['call?']"},
	{name: "fields by options of old", conf: "TABLE\nfieldpass = ['calls']\nOTHER\nfielddrop = ['calls']"},
	{name: "fields by older options", conf: "TABLE\npass = ['calls']\nOTHER\ndrop = ['calls']"},
	{name: "all fields excluded", conf: "TABLE\nfieldexclude = ['*']"},
	{name: "names passed", conf: "TABLE\nnamepass = ['wolk*']\nOTHER\nnamepass = ['x']"},
	{name: "names dropped", conf: "TABLE\nnamedrop = ['wolk*']\nOTHER\nnamedrop = ['x']"},
	{name: "names by their parts", conf: "TABLE\nname_override = 'a.b.c'\nnamepass = ['a.*.c']\nnamepass_separator = '.'"},
	{name: "tags passed", conf: "TABLE\n[inputs.wolkvox_ivr.tagpass]\nhour = ['0[0-3]', '1?']"},
	{name: "tags dropped", conf: "TABLE\n[inputs.wolkvox_ivr.tagdrop]\nhour = ['0*']\nsource = ['x']"},
	{name: "tags included", conf: "TABLE\ntaginclude = ['hour']"},
	{name: "tags excluded", conf: "TABLE\ntagexclude = ['so*']"},
	{name: "metrics passed", conf: "TABLE\nmetricpass = 'fields.calls > 5 && tags.hour < \"12\"'"},
	{name: "metrics passed by what is wrong", conf: "TABLE\nmetricpass = '('", want: "FILE: error parsing wolkvox_ivr, "},
	{name: "wrong pattern", conf: "TABLE\nnamepass = ['[']", want: "FILE: error parsing wolkvox_ivr, "},
	{name: "operation split by tags", conf: "TABLE\ntagpass = {hour = ['0*']}\nTABLE\ntagdrop = {hour = ['0*']}"},
	{name: "operation split by fields", conf: "TABLE\nfieldinclude = ['calls']\nTABLE\nfieldexclude = ['calls']"},
	{name: "operation by two names", conf: "TABLE\nTABLE\nname_override = 'again'"},
	{name: "operation twice", conf: "TABLE\nTABLE", want: "FILE:6: this [[inputs.wolkvox_ivr]] would write the same series as", differs: sameTwice},

	{name: "precision", conf: "TABLE\nprecision = '2h'"},
	{name: "precision of all", conf: "[agent]\nprecision = '2h'\nTABLE"},
	{name: "schedule", conf: "[agent]\ninterval = '10m'\ncollection_jitter = '1s'\nTABLE\ninterval = '1h'\ncollection_jitter = '0s'\ncollection_offset = '1m'"},
	{name: "interval of none", conf: "TABLE\ninterval = ''", want: `FILE:6: invalid "interval" in [[inputs.wolkvox_ivr]]: expected a duration such as "5m"`},
	{name: "interval without unit", conf: "TABLE\ninterval = '300'", want: `FILE:6: invalid "interval"`},
	{name: "interval in days", conf: "TABLE\ninterval = '1d'", want: `FILE:6: invalid "interval"`},
	{name: "interval as a number", conf: "TABLE\ninterval = 300", want: `FILE:6: invalid "interval"`, differs: ignores},
	{name: "negative offset", conf: "TABLE\ncollection_offset = '-1s'", want: `FILE:6: invalid "collection_offset"`},
	{name: "negative precision", conf: "TABLE\nprecision = '-1s'", want: `FILE:6: invalid "precision"`, differs: ignores},
	{name: "log level", conf: "TABLE\nlog_level = 'error'"},
	{name: "no log level", conf: "TABLE\nlog_level = 'loud'", want: `FILE:6: invalid "log_level"`, differs: ignores},
	{name: "alias as a number", conf: "TABLE\nalias = 5", want: `FILE:6: invalid "alias"`, differs: ignores},
	{name: "pattern instead of a list", conf: "TABLE\nnamepass = 'wolk*'", want: `FILE:6: invalid "namepass"`},
	{name: "startup errors", conf: "TABLE\nstartup_error_behavior = 'retry'\nOTHER\nstartup_error_behavior = 'ignore'"},
	{name: "unknown startup errors", conf: "TABLE\nstartup_error_behavior = 'shrug'", want: "[inputs.wolkvox_ivr] FILE:1: invalid 'startup_error_behavior'"},
	{name: "labels", conf: "TABLE\nlabels = {site = 'north'}"},
	{name: "what outputs have", conf: "TABLE\nmetric_batch_size = 10", want: `FILE:6: unknown option "metric_batch_size"`, differs: ignores},
	{name: "what parsers have", conf: "TABLE\ndata_format = 'json'", want: `FILE:6: unknown option "data_format"`, differs: ignores},
	{name: "what aggregators have", conf: "TABLE\nperiod = '1m'", want: `FILE:6: unknown option "period"`, differs: ignores},
	{name: "what only services have", conf: "TABLE\ntime_source = 'metric'", want: `FILE:6: unknown option "time_source"`},
	{name: "unknown option", conf: "TABLE\ncolour = 'red'", want: `FILE:6: unknown option "colour"`},
	{name: "unknown sub-table", conf: "TABLE\n[inputs.wolkvox_ivr.colours]\nred = 1", want: `FILE:6: unknown option "colours"`},
	{name: "option twice", conf: "TABLE\nhours = 'all'\nhours = 'all'", want: "FILE: line 7: key `hours' is in conflict with line 6"},
	{name: "option of another type", conf: "TABLE\noperation = 5", want: `FILE:6: invalid "operation"`},
	{name: "option out of range", conf: "TABLE\nhours = 'some'", want: "[inputs.wolkvox_ivr] FILE:1: "},
	{name: "durations in days and numbers", conf: "TABLE\nbackfill = '1d'\ntimeout = 30"},
	{name: "no server", conf: "[[inputs.wolkvox_ivr]]\ntoken = 'x'", want: "[inputs.wolkvox_ivr] FILE:1: "},
	{name: "missing certificate", conf: "TABLE\ntls_ca = '/missing.pem'", want: "FILE: error parsing wolkvox_ivr, "},

	{name: "hours", conf: "TABLE\nhours = 'ended'\nempty_hours = 'zero'"},
	{name: "history", conf: "TABLE\nbackfill = '240h'\nhours = 'ended'"},

	{name: "variables", conf: "TABLE\ntags = {a = '${SET}', b = 'x${SET}y', c = '$SET'}\nalias = '''${SET}'''"},
	{name: "defaults", conf: "TABLE\ntags = {a = '${UNSET:-none}', b = '${EMPTY:-none}', c = '${EMPTY-none}', d = '${SET:+yes}${UNSET:+no}'}"},
	{name: "default that is a variable", conf: "TABLE\ntags = {a = '${UNSET:-${SET}}'}"},
	{name: "default that is not needed", conf: "TABLE\ntags = {a = '${SET:-${UNSET}}'}"},
	{name: "required", conf: "TABLE\ntags = {a = '${UNSET:?say which}'}", want: "FILE:6: environment variable UNSET is not set: say which"},
	{name: "variable that is not set", conf: "TABLE\ntags = {a = '${UNSET}'}", want: "FILE:6: environment variable UNSET is not set", differs: unset},
	{name: "variable in a comment", conf: "# ${UNSET:?why}\nTABLE\n# ${UNSET}"},
	{name: "variable for a number", conf: "TABLE\ntimeout = ${SET}", want: "FILE:6: "},
	{name: "variable for a table", conf: "${SET}\nTABLE", want: "FILE:1: "},
	{name: "variable for a key", conf: "TABLE\ntags = {\"${SET}\" = 'x'}"},
	{name: "variable for an option", conf: "TABLE\ntimeout = '${SECONDS}'\nurl2 = ''", want: `FILE:7: unknown option "url2"`},
	{name: "variable that TOML would read", conf: "TABLE\ntags = {a = \"${TOML}\"}"},
	{name: "dollars", conf: "TABLE\ntags = {a = '$$', b = '$${SET}', c = '^a$', d = '$5', e = '${1}'}"},

	{name: "store", conf: "[[secretstores.docker]]\nid = 'files'\npath = 'STORE'\nSTORED"},
	{name: "store behind the table", conf: "STORED\n[[secretstores.docker]]\nid = 'files'\npath = 'STORE'"},
	{name: "store in a tag", conf: "TABLE\ntags = {a = '@{files:token}'}"},
	{name: "store that is missing", conf: "STORED", want: `FILE: unknown secret store for "@{files:case`},
	{name: "secret that is missing", conf: "[[secretstores.docker]]\nid = 'files'\npath = '/'\nSTORED", want: "FILE: retrieving resolver failed: "},
	{name: "store without an id", conf: "[[secretstores.docker]]\npath = 'STORE'\nTABLE", want: "FILE: error parsing docker, "},
	{name: "store twice", conf: "[[secretstores.docker]]\nid = 'f'\npath = 'STORE'\n[[secretstores.docker]]\nid = 'f'\npath = 'STORE'\nTABLE", want: "FILE"},

	{name: "mark at the beginning", conf: "\xef\xbb\xbfTABLE"},
	{name: "lines of Windows", crlf: true, conf: "TABLE\ntags = {site = 'north'}\n\n# the end\nOTHER"},
	{name: "no line's end", conf: "TABLE\nhours = 'ended'"},
	{name: "blanks", conf: "\t \nTABLE\n \t hours\t=  'ended'  # five\n\n\n[ inputs.wolkvox_ivr.tags ]\n\t\tsite='north'"},
	{name: "texts of several lines", conf: "TABLE\ntags = {a = \"\"\"x\\\n   y\"\"\", b = '''z'''}"},
	{name: "escapes", conf: "TABLE\ntags = {a = \"\\u0041\\U0001F600\"}"},
	{name: "wrong escape", conf: "TABLE\ntags = {a = \"\\q\"}", want: "FILE:6: "},
	{name: "keys in quotes", conf: "TABLE\n\"alias\" = 'x'"},
	{name: "lists over lines", conf: "TABLE\nnamepass = [\n  'a', # first\n  'wolk*',\n]"},
	{name: "not UTF-8", conf: "TABLE\ntags = {a = \"\xff\xfe\"}", want: "FILE:6: invalid UTF-8", differs: noText},
	{name: "table of old", conf: "[inputs.wolkvox_ivr]\nOPTIONS"},
	{name: "table of old without inputs", conf: "[wolkvox_ivr]\nOPTIONS"},
	{name: "tables without inputs", conf: "[[wolkvox_ivr]]\nOPTIONS", want: `FILE:1: unknown table "wolkvox_ivr": did you mean [[inputs.wolkvox_ivr]]?`},
	{name: "table named plugins", conf: "[[plugins.wolkvox_ivr]]\nOPTIONS"},
	{name: "table in quotes", conf: "[[ inputs . \"wolkvox_ivr\" ]]\nOPTIONS"},
	{name: "sub-table first", conf: "[inputs.wolkvox_ivr.tags]\nsite = 'north'\nTABLE", want: "FILE"},
	{name: "table within a table", conf: "TABLE\n[[inputs.wolkvox_ivr.tags]]\nsite = 'north'", want: `FILE:6: invalid "tags"`, differs: ignores},
	{name: "dotted keys", conf: "TABLE\ntags.site = 'north'", want: "FILE:6: "},
	{name: "no TOML", conf: "TABLE\n]", want: "FILE:6: "},
	{name: "cut off", conf: "TABLE\noperation = 'nor", want: "FILE:6: "},
	{name: "long", conf: "# " + strings.Repeat("x", 1<<20) + "\n" + strings.Repeat("\n# y", 10_000) + "\nTABLE"},
	{name: "many tags", conf: "TABLE\n[inputs.wolkvox_ivr.tags]\n" + manyTags()},

	{name: "agent", conf: "[agent]\nround_interval = false\ndebug = true\nTABLE"},
	{name: "agent with a host", conf: "[agent]\nhostname = 'edge'\nTABLE", differs: ownHost},
	{name: "agent with what is about outputs", conf: "[agent]\nmetric_batch_size = 10\nflush_interval = '1s'\nTABLE"},
	{name: "agent misspelt", conf: "[agent]\nintervall = '1m'\nTABLE", want: `FILE:2: unknown option "intervall" in [agent]`},
	{name: "agents", conf: "[[agent]]\ninterval = '1m'\nTABLE", want: "FILE: invalid configuration, error parsing agent table"},
	{name: "option without a table", conf: "interval = '1m'\nTABLE", want: `FILE:1: option "interval" is outside any table`},
	{name: "unknown table", conf: "[[things]]\nTABLE", want: `FILE:1: unknown table "things"`},
	{name: "unknown input", conf: "[[inputs.wolkvox]]\nTABLE", want: `FILE:1: unknown input plugin "wolkvox"`},
	{name: "output", conf: "TABLE\n[[outputs.file]]\nfiles = ['more.out']", want: "FILE:6: [[outputs.file]] belongs in Telegraf's", differs: notHere},
	{name: "processor", conf: "TABLE\n[[processors.dedup]]", want: "FILE:6: [[processors.dedup]] belongs in Telegraf's own configuration", differs: notHere},
	{name: "nothing", conf: "", want: "FILE: no input"},
}

// manyTags returns more tags than any user has.
func manyTags() string {
	var b strings.Builder
	for n := range 500 {
		fmt.Fprintf(&b, "tag%d = 'value %d'\n", n, n)
	}
	return b.String()
}

// TestNativeAndExecdAgree: the same configuration makes the same lines, compiled in and behind execd, or is refused by
// both.
//
//promise:native
//promise:tables
//promise:mistakes
//promise:environment
func TestNativeAndExecdAgree(t *testing.T) {
	t.Parallel()
	const inPart = 32
	for first := 0; first < len(comparisons); first += inPart {
		t.Run(comparisons[first].name, func(t *testing.T) {
			t.Parallel()
			compareNative(t, comparisons[first:min(first+inPart, len(comparisons))])
		})
	}
}

func compareNative(t *testing.T, comparisons []comparison) {
	operations, secrets := testbed.Operations(2*len(comparisons), testbed.Busy), t.TempDir()
	w := testbed.StartWolkvox(t, operations...)
	from, to := testbed.FinalHours(t, testbed.Busy, time.Now(), 24*time.Hour)
	env := []string{"SET=x", "EMPTY=", "SECONDS=30s", "TOML=\"\\n'"}
	const refused = "refused"
	outcome := func(metrics []telegraf.Metric) string {
		metrics = slices.DeleteFunc(metrics, func(m telegraf.Metric) bool { return m.Time().Before(from) || !m.Time().Before(to) })
		return strings.Join(slices.Compact(slices.Sorted(slices.Values(lines(metrics)))), "\n")
	}

	var children []child
	var native []string
	for n, c := range comparisons {
		first, second := operations[2*n], operations[2*n+1]
		name := "case" + strconv.Itoa(n)
		require.NoError(t, os.WriteFile(filepath.Join(secrets, name), []byte(first.Token+"\n"), 0o600))
		stored := first
		stored.Token = "@{files:" + name + "}"
		_, options, _ := strings.Cut(strings.TrimSpace(w.Table(first, `lookback = "24h"`)), "\n")
		conf := strings.NewReplacer("TABLE", "[[inputs.wolkvox_ivr]]\n"+options, "OPTIONS", options, "OTHER", strings.TrimSpace(w.Table(second)),
			"STORED", w.Table(stored), "STORE", secrets).Replace(c.conf)
		if c.crlf {
			conf = strings.ReplaceAll(conf, "\n", "\r\n")
		}
		children = append(children, child{name: name, conf: conf,
			execd: "alias = \"" + name + "\"\nstop_on_error = true\n[inputs.execd.tags]\ncase = \"" + name + "\""})

		result := testbed.NewTelegraf(t, testbed.Setup{Native: true, Plugin: conf, Env: env}).Run("--test")
		if result.Code != 0 {
			native = append(native, refused)
			continue
		}
		native = append(native, outcome(testbed.Parse(t, result.Stdout)))
	}

	tg := newTelegrafWith(t, testbed.Setup{Env: env}, children)
	execd := func(n int) string {
		name := children[n].name
		if tg.Count("E! [inputs.execd::"+name+"] Process quit with message: exit status 1") > 0 {
			return refused
		}
		var metrics []telegraf.Metric
		for _, m := range tg.Metrics() {
			if value, _ := m.GetTag("case"); value == name {
				m.RemoveTag("case")
				metrics = append(metrics, m)
			}
		}
		return outcome(metrics)
	}
	tg.Start()
	for n, c := range comparisons {
		tg.Await(c.name, func() bool {
			now := execd(n)
			return now == native[n] && (now != "" || len(w.RequestsWith(operations[2*n].Token)) > 1) || now != "" && c.differs != ""
		})
	}
	tg.Stop()
	for n, c := range comparisons {
		require.Equal(t, c.differs == "", execd(n) == native[n], "%s\ncompiled in:\n%s\nbehind execd:\n%s", c.name, native[n], execd(n))
		require.Equal(t, c.want != "", execd(n) == refused, c.name)
		if c.want != "" {
			want := strings.ReplaceAll(c.want, "FILE", children[n].name+".conf")
			require.Contains(t, strings.Join(tg.Lines(), "\n"), "E! [inputs.execd::"+children[n].name+"] "+want, c.name)
		}
	}
}
