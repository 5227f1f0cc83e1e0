package host

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// loadConf loads and initializes the configuration as run does.
func loadConf(t *testing.T, paths ...string) ([]*instance, error) {
	t.Helper()
	logs, stop, err := startLogging(io.Discard, false)
	require.NoError(t, err)
	defer stop()
	cfg, instances, err := load(&Options{Config: paths, PollInterval: time.Minute}, logs)
	if err != nil {
		return nil, err
	}
	if err := initialize(cfg, instances); err != nil {
		return nil, err
	}
	return instances, nil
}

//promise:mistakes
//promise:environment
func TestConfigErrors(t *testing.T) {
	t.Setenv("HOST_TEST_SET", "x")
	t.Setenv("HOST_TEST_EMPTY", "")
	t.Setenv("HOST_TEST_NUMBER", "five")
	t.Setenv("HOST_TEST_NEGATIVE", "-5m")
	const syntax = "invalid TOML syntax: a quote, a bracket or an equals sign is missing, or a backslash in double quotes is not doubled"
	for _, tt := range []struct{ name, conf, want string }{
		{"nothing at all", "", `FILE: no input: add a table [[inputs.NAME]], where NAME is one of internal, plain, probe`},
		{"only comments", "# [[inputs.probe]]\n# server = \"${HOST_TEST_UNSET}\"",
			`FILE: no input: add a table [[inputs.NAME]], where NAME is one of internal, plain, probe`},
		{"no TOML", "[agent\n", "FILE:1: " + syntax},
		{"no TOML at the end", "[agent]\n[[inputs.probe]]\nserver", "FILE:3: " + syntax},
		{"unclosed text", "[[inputs.probe]]\nserver = \"a\n\n[[inputs.probe]]\n", "FILE:2: " + syntax},
		{"unclosed list", "[[inputs.probe]]\nservers = [\n\"a\",\n\"b\"\n\n[[inputs.probe]]\n", "FILE:2: " + syntax},
		{"unclosed long text", "[[inputs.probe]]\nserver = \"\"\"\n" + strings.Repeat("\n", 200), "FILE: line 203: invalid TOML syntax"},
		{"number with zeros", "[[inputs.plain]]\nserver = 0042\n", `FILE:2: a number can't begin with 0: write it in quotes`},
		{"option twice", "[[inputs.probe]]\nserver = \"a\"\nserver = \"b\"",
			"FILE: line 3: key `server' is in conflict with line 2: define each table and each option only once"},

		{"unknown table", "[agents]\n", `FILE:1: unknown table "agents": did you mean "agent"?`},
		{"nothing like it", "\n[[things.x]]\n", `FILE:2: unknown table "things"`},
		{"forgotten inputs", "\n[[probe]]\n", `FILE:2: unknown table "probe": did you mean [[inputs.probe]]?`},
		{"outside of tables", "interval = \"5m\"\n", `FILE:1: option "interval" is outside any table: move it below [agent] or an [[inputs.NAME]]`},
		{"output", "[[inputs.plain]]\n[[outputs.file]]\n",
			`FILE:2: [[outputs.file]] belongs in Telegraf's own configuration, beside [[inputs.execd]]`},
		{"processor", "[[processors.dedup]]",
			`FILE:1: [[processors.dedup]] belongs in Telegraf's own configuration, beside [[inputs.execd]]`},
		{"aggregator", "[[aggregators.x]]",
			`FILE:1: [[aggregators.x]] belongs in Telegraf's own configuration, beside [[inputs.execd]]`},
		{"value for agent", "agent = 5", `FILE: invalid configuration, error parsing agent table`},
		{"array for agent", "[[agent]]", `FILE: invalid configuration, error parsing agent table`},
		{"value for inputs", "inputs = 5", `FILE: invalid configuration, error parsing field "inputs" as table`},
		{"value for an input", "[inputs]\nprobe = 5", `FILE: unsupported config format: probe`},
		{"value for tags", "global_tags = 5", `FILE: invalid configuration, bad table name "global_tags"`},
		{"unknown input", "\n[[inputs.prob]]", `FILE:2: unknown input plugin "prob": did you mean "probe"?`},
		{"execd in here", "[[inputs.execd]]", `FILE:1: unknown input plugin "execd"`},
		{"unknown store", "[[secretstores.vault]]", `FILE:1: unknown secret store "vault"`},

		{"token as an option", "[[inputs.probe]]\ntoken = \"invented-token\"\ninvented-token = 5", `FILE:3: unknown option "<token>" in [[inputs.probe]]`},
		{"misspelt option", "[[inputs.probe]]\n  server = \"a\"\n  tmeout = \"1s\"\n",
			`FILE:3: unknown option "tmeout" in [[inputs.probe]]: did you mean "timeout"?`},
		{"misspelt common option", "[[inputs.plain]]\nnameoverride = \"a\"",
			`FILE:2: unknown option "nameoverride" in [[inputs.plain]]: did you mean "name_override"?`},
		{"misspelt embedded option", "[[inputs.probe]]\nproxi = \"a\"", `FILE:2: unknown option "proxi" in [[inputs.probe]]: did you mean "proxy"?`},
		{"nothing like that option", "[[inputs.plain]]\ncolour = \"a\"", `FILE:2: unknown option "colour" in [[inputs.plain]]`},
		{"unknown in a sub-table", "[[inputs.probe]]\n[inputs.probe.nested]\ndept = 1", `FILE:2: unknown option "dept" in "nested" of [[inputs.probe]]`},
		{"the first of several", "[[inputs.plain]]\n\n\nb = 1\n[[inputs.probe]]\na = 1\n", `FILE:4: unknown option "b" in [[inputs.plain]]`},
		{"second table", "[[inputs.plain]]\n[[inputs.plain]]\nb = 1", `FILE:3: unknown option "b" in [[inputs.plain]]`},
		{"legacy table", "[inputs.plain]\nb = 1", `FILE:2: unknown option "b" in [[inputs.plain]]`},
		{"legacy table without inputs", "[plain]\nb = 1", `FILE:2: unknown option "b" in [[inputs.plain]]`},
		{"hidden field", "[[inputs.probe]]\nLog = 1",
			`FILE:2: invalid "Log" in [[inputs.probe]]: field corresponding to ` + "`Log' in host.probe cannot be set through TOML"},

		{"agent, misspelt", "[agent]\nintervall = \"5m\"", `FILE:2: unknown option "intervall" in [agent]: did you mean "interval"?`},
		{"agent, type", "[agent]\ndebug = \"yes\"", `FILE:2: invalid "debug" in [agent]: cannot unmarshal TOML string into bool`},
		{"agent, interval", "[[inputs.plain]]\n[agent]\ninterval = \"0s\"", `FILE: interval in [agent] must be positive`},

		{"wrong type", "[[inputs.probe]]\nserver = 1234", `FILE:2: invalid "server" in [[inputs.probe]]: cannot unmarshal TOML integer into string`},
		{"wrong duration", "[[inputs.probe]]\ntimeout = \"1 hour\"",
			`FILE:2: invalid "timeout" in [[inputs.probe]]: time: unknown unit " hour" in duration "1 hour": write it as "90m", "12h" or "365d"`},
		{"option of the agent", "[[inputs.plain]]\nstatefile = \"x\"",
			`FILE:2: unknown option "statefile" in [[inputs.plain]]: it belongs in the table [agent]`},
		{"option of the agent outside of tables", "statefile = \"x\"\n", `FILE:1: option "statefile" is outside any table: move it below [agent]`},
		{"half of a name", "[[inputs.prob]]", `FILE:1: unknown input plugin "prob": did you mean "probe"?`},
		{"common, type", "[[inputs.plain]]\nalias = 5", `FILE:2: invalid "alias" in [[inputs.plain]]: cannot unmarshal TOML integer into string`},
		{"common, no duration", "[[inputs.plain]]\ninterval = 300", `FILE:2: invalid "interval" in [[inputs.plain]]: expected a duration such as "5m"`},
		{"common, below zero", "[[inputs.plain]]\ninterval = \"-5m\"", `FILE:2: invalid "interval" in [[inputs.plain]]: expected a duration such as "5m"`},
		{"common, no list", "[[inputs.plain]]\nnamepass = \"x\"",
			`FILE:2: invalid "namepass" in [[inputs.plain]]: cannot unmarshal TOML string into []string`},
		{"common, wrong list", "[[inputs.plain]]\nnamepass = [1]",
			`FILE:2: invalid "namepass" in [[inputs.plain]]: cannot unmarshal TOML integer into string`},
		{"common, tag of a number", "[[inputs.plain]]\n[inputs.plain.tags]\nrack = 5",
			`FILE:2: invalid "tags" in [[inputs.plain]]: cannot unmarshal TOML integer into string`},
		{"common, level", "[[inputs.plain]]\nlog_level = \"all\"",
			`FILE:2: invalid "log_level" in [[inputs.plain]]: expected "error", "warn", "info", "debug" or "trace"`},

		{"unset variable", "[[inputs.probe]]\n\nserver = \"${HOST_TEST_UNSET}\"", `FILE:3: environment variable HOST_TEST_UNSET is not set`},
		{"unset variable in a list", "[[inputs.plain]]\nnamepass = [\n\"a\",\n\"${HOST_TEST_UNSET}\",\n]\n",
			`FILE:4: environment variable HOST_TEST_UNSET is not set`},
		{"unset variable in text", "[[inputs.probe]]\ntoken = \"é\"\nserver = \"a${HOST_TEST_SET}${HOST_TEST_UNSET}\"",
			`FILE:3: environment variable HOST_TEST_UNSET is not set`},
		{"unset variable in a secret", "[[inputs.probe]]\nserver = \"é\"\ntoken = \"a${HOST_TEST_SET}${HOST_TEST_UNSET}\"",
			`FILE:3: an environment variable in "token" is not set: write $$ for a literal $`},
		{"required variable", "[[inputs.probe]]\nserver = \"${HOST_TEST_UNSET:?say which}\"",
			`FILE:2: environment variable HOST_TEST_UNSET is not set: say which`},
		{"required variable, no reason", "[[inputs.probe]]\nserver = \"${HOST_TEST_UNSET:?}\"", `FILE:2: environment variable HOST_TEST_UNSET is not set`},
		{"required variable, empty", "[[inputs.probe]]\nserver = \"${HOST_TEST_EMPTY:?say which}\"",
			`FILE:2: environment variable HOST_TEST_EMPTY is not set: say which`},
		{"unset variable in a default", "[[inputs.probe]]\nserver = \"${HOST_TEST_EMPTY:-${HOST_TEST_UNSET}}\"",
			`FILE:2: environment variable HOST_TEST_UNSET is not set`},
		{"unset variable after a default", "[[inputs.probe]]\nserver = \"${HOST_TEST_UNSET:-a}${HOST_TEST_UNSET2}\"",
			`FILE:2: environment variable HOST_TEST_UNSET2 is not set`},
		{"duration from a variable", "[[inputs.probe]]\nserver = \"a\"\ntimeout = \"${HOST_TEST_NUMBER}\"",
			`FILE: error parsing probe, line 3: (host.probe.Timeout) time: invalid duration "five"`},
		{"interval from a variable", "[[inputs.plain]]\n[[inputs.plain]]\ninterval = \"${HOST_TEST_NUMBER}\"",
			`FILE: error parsing plain, line 2:{17 66}: error parsing duration: time: invalid duration "five"`},

		{"negative interval from a variable", "[[inputs.plain]]\ninterval = \"${HOST_TEST_NEGATIVE}\"",
			`[inputs.plain] FILE:1: interval must not be negative`},
		{"negative jitter from a variable", "[[inputs.plain]]\ncollection_jitter = \"${HOST_TEST_NEGATIVE}\"",
			`[inputs.plain] FILE:1: collection_jitter must not be negative`},

		{"name of a comment", "[[inputs.plain]]\nname_override = \"#x\"",
			`[inputs.plain] FILE:1: a name that begins with # turns its rows into comments`},
		{"prefix of a comment", "[[inputs.plain]]\nname_prefix = \"# \"",
			`[inputs.plain] FILE:1: a name that begins with # turns its rows into comments`},

		{"loader, filter", "[[inputs.plain]]\n\n[[inputs.plain]]\nmetricpass = \"(\"", `FILE: error parsing plain, `},
		{"unknown store's secret", "[[inputs.probe]]\nserver = \"a\"\ntoken = \"@{keep:token}\"", `FILE: unknown secret store for "@{keep:token}": ` +
			"put its [[secretstores.NAME]] in this file, because those in Telegraf's own configuration are not available"},
		{"init", "[[inputs.plain]]\n\n[[inputs.probe]]\n[[inputs.probe]]\nserver = \"a\"", "[inputs.probe] FILE:3: server is\nrequired"},
		{"init, the second", "[[inputs.probe]]\nserver = \"a\"\n\n[[inputs.probe]]\nalias = \"b\"", "[inputs.probe::b] FILE:4: server is\nrequired"},
		{"init, time source", "[[inputs.probe]]\nserver = \"a\"\nstartup_error_behavior = \"shrug\"",
			`[inputs.probe] FILE:1: invalid 'startup_error_behavior' setting "shrug"`},

		{"same series", "[[inputs.probe]]\nserver = \"a\"\n[[inputs.probe]]\nserver = \"a\"\ntimeout = \"3s\"",
			`FILE:3: this [[inputs.probe]] would write the same series as the one at FILE:1: remove one, or give it its own tags or name_override`},
		{"same series, same filter", "[[inputs.plain]]\nfieldinclude = [\"v\"]\n[[inputs.plain]]\nfieldinclude = [\"v\"]",
			`FILE:3: this [[inputs.plain]] would write the same series as the one at FILE:1: remove one, or give it its own tags or name_override`},
		{"same series, same tags", "[[inputs.plain]]\n[inputs.plain.tags]\na = \"1\"\nb = \"2\"\n[[inputs.plain]]\ntags = {b = \"2\", a = \"1\"}",
			`FILE:5: this [[inputs.plain]] would write the same series as the one at FILE:1: remove one, or give it its own tags or name_override`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := confFile(t, tt.conf)
			_, err := loadConf(t, path)
			require.Error(t, err)
			got := strings.ReplaceAll(err.Error(), path, "FILE")
			if strings.HasSuffix(tt.want, " ") {
				require.Contains(t, got, tt.want)
				return
			}
			require.Equal(t, tt.want, got)
		})
	}
}

// Telegraf accepts these options with every plugin, but they have no effect on an input.
//
//promise:mistakes
func TestOptionsWithoutEffectAreRejected(t *testing.T) {
	for _, option := range []string{
		"always_include_local_tags", "buffer_strategy", "buffer_directory", "buffer_disk_sync", "data_format", "data_type", "delay",
		"drop_original", "flush_interval", "flush_jitter", "grace", "id", "influx_parser_type", "lvm", "metric_batch_size",
		"metric_buffer_limit", "order", "period",
	} {
		_, err := loadConf(t, confFile(t, "[[inputs.plain]]\n"+option+" = \"1s\""))
		require.ErrorContains(t, err, `:2: unknown option "`+option+`" in [[inputs.plain]]`)
	}
}

//promise:mistakes
func TestConfigPaths(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0600))
		return path
	}
	b := write("b.conf", "[[inputs.plain]]\nalias = \"b\"\n")
	a := write("a.conf", "\n[[inputs.plain]]\nalias = \"a\"\n[[inputs.plain]]\nalias = \"c\"\n")
	write("other.txt", "no configuration")

	instances, err := loadConf(t, dir)
	require.NoError(t, err)
	var at []string
	for _, i := range instances {
		at = append(at, i.Config.Alias+" "+i.at)
	}
	require.Equal(t, []string{"a " + a + ":2", "c " + a + ":4", "b " + b + ":1"}, at)

	_, err = loadConf(t)
	require.EqualError(t, err, "no configuration: name a file, or a folder of *.conf files, with --config")
	_, err = loadConf(t, t.TempDir())
	require.EqualError(t, err, "no configuration: name a file, or a folder of *.conf files, with --config")
	_, err = loadConf(t, filepath.Join(dir, "c.conf"))
	require.ErrorIs(t, err, os.ErrNotExist)

	write("c.conf", "[[inputs.plain]]\nalias = \"a\"")
	_, err = loadConf(t, dir)
	require.EqualError(t, err, dir+"/c.conf:1: this [[inputs.plain]] would write the same series as the one at "+a+":2: "+
		"remove one, or give it its own tags or name_override")
}

// Telegraf's own code applies names, tags, filters and time. This test shows that it is called.
//
//promise:tables
//promise:environment
func TestMetrics(t *testing.T) {
	t.Setenv("HOST_TEST_RACK", "r1")
	for _, tt := range []struct{ name, conf, want string }{
		{"as it is", ``, `plain v=1i`},
		{"name", `name_override = "x"`, `x v=1i`},
		{"prefix and suffix", "name_prefix = \"a_\"\nname_suffix = \"_z\"", `a_plain_z v=1i`},
		{"tags", `tags = {rack = "${HOST_TEST_RACK}", unset = "${HOST_TEST_UNSET:-none}"}`, `plain,rack=r1,unset=none v=1i`},
		{"default that is not needed", `tags = {rack = "${HOST_TEST_RACK:-${HOST_TEST_UNSET}}"}`, `plain,rack=r1 v=1i`},
		{"only if set", `tags = {rack = "${HOST_TEST_RACK}${HOST_TEST_UNSET:+x}", row = "a${HOST_TEST_RACK:+x}"}`, `plain,rack=r1,row=ax v=1i`},

		{"tag excluded", "tags = {rack = \"1\", row = \"2\"}\ntagexclude = [\"r[a]ck\"]", `plain,row=2 v=1i`},
		{"field excluded", `fieldexclude = ["v"]`, ``},
		{"metric dropped", `metricpass = "fields.v > 1"`, ``},
		{"name dropped", `namedrop = ["^pl", "pl*"]`, ``},
		{"dollars", `tags = {a = "^a$", b = "${1}", c = "$${HOST_TEST_UNSET}", d = "$5"}`, `plain,a=^a$,b=${1},c=${HOST_TEST_UNSET},d=$5 v=1i`},
		{"global tags", "[global_tags]\nsite = \"s\"", `plain,site=s v=1i`},
		{"host", "[agent]\nhostname = \"h\"", `plain,host=h v=1i`},
		{"no host", "[agent]\nhostname = \"h\"\nomit_hostname = true", `plain v=1i`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			instances, err := loadConf(t, confFile(t, "\xef\xbb\xbf[[inputs.plain]]\n"+tt.conf))
			require.NoError(t, err)
			var got []string
			for _, line := range gatherOnce(t, instances[0]) {
				got = append(got, withoutTime(line))
			}
			require.False(t, instances[0].hasFailed.Load())
			require.Equal(t, tt.want, strings.Join(got, "\n"))
		})
	}
}

//promise:schedule
func TestSchedulesOfTables(t *testing.T) {
	instances, err := loadConf(t, confFile(t, `
[agent]
  interval = "10s"
  collection_jitter = "1s"
  collection_offset = "2s"
  precision = "1ms"
  round_interval = false
[[inputs.plain]]
[[inputs.plain]]
  interval = "20s"
  collection_jitter = "0s"
  collection_offset = "4s"
  precision = "1us"
`))
	require.NoError(t, err)
	require.Equal(t, schedule{interval: 10 * time.Second, jitter: time.Second, offset: 2 * time.Second}, instances[0].schedule)
	require.Equal(t, time.Millisecond, instances[0].precision)
	require.Equal(t, schedule{interval: 20 * time.Second, offset: 4 * time.Second}, instances[1].schedule)
	require.Equal(t, time.Microsecond, instances[1].precision)

	instances, err = loadConf(t, confFile(t, "[[inputs.plain]]"))
	require.NoError(t, err)
	require.Equal(t, schedule{interval: time.Minute, aligned: true}, instances[0].schedule)
	require.Equal(t, time.Second, instances[0].precision)
}

// A block copied from Telegraf's own configuration does no harm.
//
//promise:mistakes
func TestAgentOptionsWithoutEffect(t *testing.T) {
	out, logs := captureLog(t, false)
	path := confFile(t, "[[inputs.plain]]\n[agent]\nmetric_batch_size = 1000\nlogfile = \"x\"\ninterval = \"10s\"")
	cfg, _, err := load(&Options{Config: []string{path}, PollInterval: time.Minute}, logs)
	require.NoError(t, err)
	require.EqualValues(t, 10*time.Second, cfg.Agent.Interval)
	require.Contains(t, out.String(),
		"W! "+path+":2: these options have no effect in this [agent]; set them in Telegraf's own configuration: logfile, metric_batch_size\n")
}

// Tables of one input may select different parts of its metrics.
//
//promise:tables
func TestTablesSplitByFilters(t *testing.T) {
	for _, filter := range []string{"tagpass = {hour = [\"%s\"]}", "tagdrop = {hour = [\"%s\"]}", "fieldinclude = [\"%s\"]", "metricpass = \"name == '%s'\""} {
		table := "[[inputs.probe]]\nserver = \"x\"\n" + filter + "\n"
		conf := fmt.Sprintf(table, "a") + fmt.Sprintf(table, "b")
		instances, err := loadConf(t, confFile(t, conf))
		require.NoError(t, err)
		require.NotEqual(t, instances[0].stateID, instances[1].stateID)
	}
}

//promise:shim
func TestTranslatorIsSet(t *testing.T) {
	instances, err := loadConf(t, confFile(t, "[agent]\nsnmp_translator = \"gosmi\"\n[[inputs.probe]]\nserver = \"a\""))
	require.NoError(t, err)
	require.Equal(t, "gosmi", instances[0].Input.(*probe).translator)
}

//promise:state
//promise:tables
func TestStateIDs(t *testing.T) {
	instances, err := loadConf(t, confFile(t, `
[[inputs.probe]]
  server = "alone"
[[inputs.probe]]
  server = "shared"
[[inputs.probe]]
  server = "shared"
  name_override = "other"
  tags = {b = "2", a = "1"}
`))
	require.NoError(t, err)
	var ids []string
	for _, i := range instances {
		ids = append(ids, i.stateID)
	}
	require.Equal(t, []string{
		"probe alone",
		`probe shared probe override="" prefix="" suffix="" tags=map[]`,
		`probe shared probe override="other" prefix="" suffix="" tags=map["a":"1" "b":"2"]`,
	}, ids)
}

// Checking decodes the configuration a second time, which must not count a secret twice.
//
//promise:protection
func TestSecretsAreCounted(t *testing.T) {
	logs, stop, err := startLogging(io.Discard, false)
	require.NoError(t, err)
	defer stop()
	path := confFile(t, "[[inputs.probe]]\ntoken = \"a\"\n[[inputs.probe]]\ntoken = \"b\"\n[[inputs.probe]]\n")
	for range 2 {
		_, secrets, err := readAll([]string{path}, logs)
		require.NoError(t, err)
		require.EqualValues(t, 2, secrets)
	}
}

//promise:protection
func TestSecretsAreProtected(t *testing.T) {
	_, logs := captureLog(t, false)
	for _, unprotected := range []bool{false, true} {
		path := confFile(t, "[[inputs.probe]]\nserver = \"a\"\ntoken = \"b\"")
		_, instances, err := load(&Options{Config: []string{path}, Unprotected: unprotected, PollInterval: time.Minute}, logs)
		require.NoError(t, err)
		token, err := instances[0].Input.(*probe).Token.Get()
		require.NoError(t, err)
		require.Equal(t, unprotected, fmt.Sprintf("%T", token) == "*config.unlockedBuffer")
		token.Destroy()
	}
}

// The configuration is decoded twice, but each warning is logged once.
//
//promise:log
func TestNothingIsLoggedTwice(t *testing.T) {
	out, logs := captureLog(t, false)
	path := confFile(t, "[[inputs.probe]]\nserver = \"a\"\ntoken = \"@{a-b:c}\"")
	_, _, err := load(&Options{Config: []string{path}, PollInterval: time.Minute}, logs)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(out.String(), "W! Secret"), out.String())
	require.Equal(t, 2, strings.Count(out.String(), "\n"), out.String())
}

// Telegraf's loader visits the plugins in random order.
func TestInstancesKeepTheFilesOrder(t *testing.T) {
	path := confFile(t, "[[inputs.internal]]\n[[inputs.plain]]\n[[inputs.probe]]\nserver = \"a\"")
	for range 50 {
		instances, err := loadConf(t, path)
		require.NoError(t, err)
		var names []string
		for _, i := range instances {
			names = append(names, i.Config.Name)
		}
		require.Equal(t, []string{"internal", "plain", "probe"}, names)
	}
}

// Plain http is only allowed from this machine, and the credentials in a URL are never shown.
//
//promise:https
//promise:leaks
func TestConfigurationByHTTP(t *testing.T) {
	for _, scheme := range []string{"http", "HTTP"} {
		for _, host := range []string{"192.0.2.1", "config.example.org", "127.0.0.1.example.org", "[2001:db8::1]:8080"} {
			_, err := loadConf(t, scheme+"://somebody:invented@"+host+"/a.conf?key=invented")
			require.EqualError(t, err, "reading the configuration failed: http://…@"+host+
				"/a.conf?… would be fetched over the network unencrypted, secrets included: use https")
		}
	}

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "somebody" || password != "invented" || r.URL.RawQuery != "key=invented" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, "[[inputs.probe]]\nserver = \"a\"\n[[inputs.probe]]\n")
	}))
	t.Cleanup(server.Close)
	out, _ := captureLog(t, false)
	address := strings.TrimPrefix(server.URL, "http://")
	_, err := loadConf(t, "http://somebody:invented@"+address+"/a.conf?key=invented")
	require.EqualError(t, err, "[inputs.probe] http://…@"+address+"/a.conf?…:3: server is\nrequired")
	require.NotContains(t, out.String(), "invented")
}
