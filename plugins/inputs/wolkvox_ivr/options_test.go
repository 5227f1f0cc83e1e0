package wolkvox_ivr

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/influxdata/toml"
	"github.com/stretchr/testify/require"

	"github.com/influxdata/telegraf/config"
	"github.com/influxdata/telegraf/plugins/inputs"
	parsers "github.com/influxdata/telegraf/plugins/parsers/influx"
	serializers "github.com/influxdata/telegraf/plugins/serializers/influx"
	"github.com/influxdata/telegraf/testutil"

	"telegraf-wolkvox-ivr/plugins/common/wolkvox"
)

//promise:leaks
//promise:options
func TestInitFail(t *testing.T) {
	const days = `: use a day, or the first and last of several, such as "2026-03-01/2026-03-15"`
	const (
		noURL  = `: use one such as "https://wv{server}.wolkvox.com"`
		noZone = ` is unknown: use the IANA name of the operation's time zone, such as "America/Bogota", ` +
			`or "Etc/GMT+5" for five hours behind UTC`
		noBlank  = "the token has spaces or characters that are never part of a token: copy it again"
		noPlain  = ` would send the token over the network unencrypted: use https (plain http is allowed for loopback addresses only)`
		noServer = `server has no digits: use those of wvNNNN in the address that your browser shows after you log in at ` +
			`manager.wolkvox.com, e.g. "0001" for https://wv0001.wolkvox.com`
		unset = " is not set: set it in Telegraf's environment"
	)
	cases := []struct {
		name     string
		set      func(*WolkvoxIVR)
		expected string
	}{
		{"server empty", func(w *WolkvoxIVR) { w.Server = "" },
			`server is empty: set it to the operation's server, e.g. "0001" for wv0001.wolkvox.com`},
		{"server unset", func(w *WolkvoxIVR) { w.Server = "${WOLKVOX_SERVER}" }, `an environment variable in server = "${WOLKVOX_SERVER}"` + unset},
		{"server unset, in part", func(w *WolkvoxIVR) { w.Server = "wv${N}" }, `an environment variable in server = "wv${N}"` + unset},
		{"server unset, short form", func(w *WolkvoxIVR) { w.Server = "$WOLKVOX_SERVER" }, `an environment variable in server = "$WOLKVOX_SERVER"` + unset},
		{"server without its zeros", func(w *WolkvoxIVR) { w.Server = "1" },
			`server = "1" has fewer than four digits: unquoted numbers lose their leading zeros, so write server = "0001"`},
		{"server wv42", func(w *WolkvoxIVR) { w.Server = "wv42" },
			`server = "wv42" has fewer than four digits: unquoted numbers lose their leading zeros, so write server = "0042"`},
		{"server URL", func(w *WolkvoxIVR) { w.Server = "https://wv0001.wolkvox.com" },
			noServer},
		{"server before login", func(w *WolkvoxIVR) { w.Server = "manager.wolkvox.com" }, noServer},
		{"server with a letter", func(w *WolkvoxIVR) { w.Server = "00x1" }, noServer},
		{"server of a token", func(w *WolkvoxIVR) { w.Server = "invented-token-1" }, noServer},
		{"server elsewhere", func(w *WolkvoxIVR) { w.Server = "wv0001.example.com" },
			noServer},
		{"server with a line", func(w *WolkvoxIVR) { w.Server = "0001\r\nx" },
			noServer},
		{"token empty", func(w *WolkvoxIVR) { w.Token = config.Secret{} },
			`token is empty: set it to the operation's wolkvox-token, e.g. token = "${WOLKVOX_TOKEN}"`},
		{"token blank", func(w *WolkvoxIVR) { w.Token = config.NewSecret([]byte(" \n")) },
			`token is empty: set it to the operation's wolkvox-token, e.g. token = "${WOLKVOX_TOKEN}"`},
		{"token unset", func(w *WolkvoxIVR) { w.Token = config.NewSecret([]byte("${WOLKVOX_TOKEN}")) },
			"the environment variable in token" + unset},
		{"token with a blank", func(w *WolkvoxIVR) { w.Token = config.NewSecret([]byte("invented token")) }, noBlank},
		{"token with a line", func(w *WolkvoxIVR) { w.Token = config.NewSecret([]byte("invented\r\ntoken")) }, noBlank},
		{"token with a zero", func(w *WolkvoxIVR) { w.Token = config.NewSecret([]byte("invented\x00token")) }, noBlank},
		{"token with a letter of another script", func(w *WolkvoxIVR) { w.Token = config.NewSecret([]byte("inventedé")) }, noBlank},
		{"operation unset", func(w *WolkvoxIVR) { w.Operation = "${OPERATION}" }, `an environment variable in operation = "${OPERATION}"` + unset},
		{"operation with a blank", func(w *WolkvoxIVR) { w.Operation = "sales " },
			`operation = "sales " has leading or trailing spaces, or control characters: use a plain name`},
		{"operation with a line", func(w *WolkvoxIVR) { w.Operation = "sa\nles" },
			`operation = "sa\nles" has leading or trailing spaces, or control characters: use a plain name`},
		{"operation with a backslash at its end", func(w *WolkvoxIVR) { w.Operation = `sales\` },
			`operation = "sales\\" ends with a backslash, which would be lost: use a plain name`},
		{"token in another option", func(w *WolkvoxIVR) { w.Hours, w.Token = "pasted-token", config.NewSecret([]byte("pasted-token")) },
			`hours = "<token>" is unknown: set it to "all", "ended" or "final"`},
		{"timezone empty", func(w *WolkvoxIVR) { w.Timezone = "" }, `timezone = ""` + noZone},
		{"timezone unknown", func(w *WolkvoxIVR) { w.Timezone = "America/Nowhere" }, `timezone = "America/Nowhere"` + noZone},
		{"timezone path", func(w *WolkvoxIVR) { w.Timezone = "../../etc/passwd" }, `timezone = "../../etc/passwd"` + noZone},
		{"timezone of the machine", func(w *WolkvoxIVR) { w.Timezone = "Local" }, `timezone = "Local"` + noZone},
		{"lookback without unit", func(w *WolkvoxIVR) { w.Lookback = config.Duration(3 * time.Second) },
			`lookback = "3s" is less than a minute: a number without a unit is in seconds, so write hours as "3h"`},
		{"backfill without unit", func(w *WolkvoxIVR) { w.Backfill = config.Duration(365 * time.Second) },
			`backfill = "6m5s" is less than an hour: a number without a unit is in seconds, so write days as "365d"`},
		{"lookback negative", func(w *WolkvoxIVR) { w.Lookback = config.Duration(-time.Second) },
			`lookback = "-1s" is out of range: set it between "0s" and "720h"; use backfill for older hours`},
		{"lookback long", func(w *WolkvoxIVR) { w.Lookback = config.Duration(721 * time.Hour) },
			`lookback = "721h0m0s" is out of range: set it between "0s" and "720h"; use backfill for older hours`},
		{"backfill negative", func(w *WolkvoxIVR) { w.Backfill = config.Duration(-time.Hour) },
			`backfill = "-1h0m0s" is out of range: set it between "0s" and ten years, e.g. "365d" for one year`},
		{"backfill long", func(w *WolkvoxIVR) { w.Backfill = config.Duration(maxBackfill + time.Hour) },
			`backfill = "87841h0m0s" is out of range: set it between "0s" and ten years, e.g. "365d" for one year`},
		{"timeout zero", func(w *WolkvoxIVR) { w.Timeout = 0 }, `timeout = "0s" is out of range: set it above "0s", e.g. "60s"`},
		{"timeout negative", func(w *WolkvoxIVR) { w.Timeout = -1 }, `timeout = "-1ns" is out of range: set it above "0s", e.g. "60s"`},
		{"hours", func(w *WolkvoxIVR) { w.Hours = "yes" }, `hours = "yes" is unknown: set it to "all", "ended" or "final"`},
		{"hours empty", func(w *WolkvoxIVR) { w.Hours = "" }, `hours = "" is unknown: set it to "all", "ended" or "final"`},
		{"reread", func(w *WolkvoxIVR) { w.Reread = "yesterday" }, `reread = "yesterday" is invalid` + days},
		{"reread no day", func(w *WolkvoxIVR) { w.Reread = "2026-02-29" }, `reread = "2026-02-29" is invalid` + days},
		{"reread inverted", func(w *WolkvoxIVR) { w.Reread = "2026-03-15/2026-03-01" },
			`reread = "2026-03-15/2026-03-01" ends before it begins: write the earlier day first`},
		{"reread long", func(w *WolkvoxIVR) { w.Reread = "2001-01-01/2026-03-01" },
			`reread = "2001-01-01/2026-03-01" is longer than ten years: use a shorter range`},
		{"reread long ago", func(w *WolkvoxIVR) { w.Reread = "1999-12-31" },
			`reread = "1999-12-31" is outside the years 2000 to 2200: use days that have reports`},
		{"reread far ahead", func(w *WolkvoxIVR) { w.Reread = "2200-12-31/2201-01-01" },
			`reread = "2200-12-31/2201-01-01" is outside the years 2000 to 2200: use days that have reports`},
		{"empty_hours", func(w *WolkvoxIVR) { w.EmptyHours = "Zero" }, `empty_hours = "Zero" is unknown: set it to "omit" or "zero"`},
		{"url empty", func(w *WolkvoxIVR) { w.URL = "" }, `url = "" is not the URL of a server` + noURL},
		{"url unset", func(w *WolkvoxIVR) { w.URL = "${WOLKVOX_URL}" }, `an environment variable in url = "${WOLKVOX_URL}"` + unset},
		{"url without scheme", func(w *WolkvoxIVR) { w.URL = "wv0001.wolkvox.com" }, `url = "wv0001.wolkvox.com" is not the URL of a server` + noURL},
		{"url without host", func(w *WolkvoxIVR) { w.URL = "https:///api" }, `url = "https:///api" is not the URL of a server` + noURL},
		{"url with a port alone", func(w *WolkvoxIVR) { w.URL = "https://:8443" }, `url = "https://:8443" is not the URL of a server` + noURL},
		{"url ftp", func(w *WolkvoxIVR) { w.URL = "ftp://example.com" }, `url = "ftp://example.com" is not the URL of a server` + noURL},
		{"url unreadable", func(w *WolkvoxIVR) { w.URL = "https://exa mple.com" }, "url is invalid" + noURL},
		{"url with a user", func(w *WolkvoxIVR) { w.URL = "https://me:pw@example.com" },
			"url has a user, a query or a fragment: remove them, because the token is the only credential"},
		{"url with a query", func(w *WolkvoxIVR) { w.URL = "https://example.com/?a=b" },
			"url has a user, a query or a fragment: remove them, because the token is the only credential"},
		{"url with a fragment", func(w *WolkvoxIVR) { w.URL = "https://example.com/#a" },
			"url has a user, a query or a fragment: remove them, because the token is the only credential"},
		{"url with a user and no host", func(w *WolkvoxIVR) { w.URL = "https://me:invented@/?token=invented" },
			"url has a user, a query or a fragment: remove them, because the token is the only credential"},
		{"url plain", func(w *WolkvoxIVR) { w.URL = "http://wv{server}.wolkvox.com" }, `url = "http://wv0001.wolkvox.com"` + noPlain},
		{"url plain, private address", func(w *WolkvoxIVR) { w.URL = "http://192.168.1.1" }, `url = "http://192.168.1.1"` + noPlain},
		{"url plain, like loopback", func(w *WolkvoxIVR) { w.URL = "http://127.0.0.1.example.com" }, `url = "http://127.0.0.1.example.com"` + noPlain},
		{"tls_ca", func(w *WolkvoxIVR) { w.TLSCA = "missing.pem" },
			`creating TLS configuration failed: could not read certificate "missing.pem": open missing.pem: no such file or directory`},
		{"tls_min_version", func(w *WolkvoxIVR) { w.TLSMinVersion = "TLS9" }, ``},
		{"http_proxy_url", func(w *WolkvoxIVR) { w.HTTPProxyURL = "http://operator:invented#@proxy.example.org:3128" },
			`http_proxy_url is invalid: use one such as "http://proxy.example.org:3128", and percent-encode special characters of a ` +
				`password, such as %23 for #`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			plugin, _, logger := newPlugin(t, "http://127.0.0.1:1")
			c.set(plugin)
			err := plugin.Init()
			if c.expected == "" {
				require.Error(t, err)
			} else {
				require.EqualError(t, err, c.expected)
			}
			require.NotContains(t, err.Error(), "invented")
			require.Empty(t, logger.Messages())
		})
	}
}

//promise:requests
func TestInitConnectsToNothing(t *testing.T) {
	t.Parallel()
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ConnState = func(net.Conn, http.ConnState) { connections.Add(1) }
	server.Start()
	defer server.Close()

	plugin, _, _ := newPlugin(t, server.URL)
	start(t, plugin)
	plugin.Stop()
	require.Zero(t, connections.Load())
}

// Every accepted operation survives line protocol unchanged.
//
//promise:metric
func TestOperationInLineProtocol(t *testing.T) {
	serializer := &serializers.Serializer{}
	require.NoError(t, serializer.Init())
	parser := &parsers.Parser{}
	require.NoError(t, parser.Init())
	for _, operation := range []string{"sales", "Ventas/Sur (1+1)", `a,b=c d`, `"quoted"`, `back\slash`, "ivr,source=x calls=1i", "é 😀", "#", "a\u2028b"} {
		plugin, _, _ := newPlugin(t, serve(t, respondWith(testReport)))
		plugin.Operation = operation
		start(t, plugin)
		var acc testutil.Accumulator
		require.NoError(t, plugin.Gather(&acc))
		lines, err := serializer.SerializeBatch(acc.GetTelegrafMetrics())
		require.NoError(t, err)
		metrics, err := parser.Parse(lines)
		require.NoError(t, err)
		require.Len(t, metrics, 4)
		for _, m := range metrics {
			require.Equal(t, operation, m.Tags()["operation"])
			require.Len(t, m.FieldList(), 2)
		}
	}
}

//promise:options
func TestServerName(t *testing.T) {
	t.Parallel()
	forms := map[string]string{
		"0001": "0001", "wv0001": "0001", "wv0001.wolkvox.com": "0001", "WV0001.Wolkvox.COM": "0001", "0068": "0068", "12345": "12345", "\t0001\n": "0001",
		"0001.wolkvox.com": "0001",
	}
	for option, expected := range forms {
		name, err := serverDigits(option)
		require.NoError(t, err, option)
		require.Equal(t, expected, name, option)
	}
	bad := []string{
		"", " ", "wv", "wv.wolkvox.com", ".wolkvox.com", "0001.", "00 01", "0001/", "0001:443", "0001@x", "0001#", "0001?x", "-001", "0001-", "../0001", "００01",
		"test", "wvtest-1", "manager.wolkvox.com", "00x1", "wv0001.wolkvox.com.example.com", "wv0001_1", "00\n01", "%30001", strings.Repeat("0", 62), "999",
	}
	for _, option := range bad {
		_, err := serverDigits(option)
		require.Error(t, err, option)
	}
}

//promise:https
//promise:options
func FuzzServer(f *testing.F) {
	for _, option := range []string{"0001", "wv0001", "wv0001.wolkvox.com", "1", "https://wv0001.wolkvox.com", "${X}", "a.b", ""} {
		f.Add(option)
	}
	hostName := regexp.MustCompile(`^https://wv[0-9]{1,61}\.wolkvox\.com$`)
	f.Fuzz(func(t *testing.T, option string) {
		name, err := serverDigits(option)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		base, err := baseURL("https://wv{server}.wolkvox.com", name)
		require.NoError(t, err)
		require.Regexp(t, hostName, base)
	})
}

//promise:https
func TestBaseURL(t *testing.T) {
	t.Parallel()
	for option, expected := range map[string]string{
		"https://wv{server}.wolkvox.com":      "https://wv0001.wolkvox.com",
		"https://wv{server}.wolkvox.com/":     "https://wv0001.wolkvox.com",
		"https://example.com:8443/{server}//": "https://example.com:8443/0001",
		"http://127.0.0.1:8080/wv{server}":    "http://127.0.0.1:8080/wv0001",
		"http://127.8.9.10":                   "http://127.8.9.10",
		"http://[::1]:8080":                   "http://[::1]:8080",
		"http://localhost:8080":               "http://localhost:8080",
		"HTTPS://example.com":                 "https://example.com",
	} {
		base, err := baseURL(option, "0001")
		require.NoError(t, err, option)
		require.Equal(t, expected, base, option)
	}
}

// A TOML number loses its leading zeros before the plugin sees it.
//
//promise:options
func TestServerAsNumber(t *testing.T) {
	cfg := config.NewConfig()
	require.NoError(t, cfg.LoadConfigData([]byte("[[inputs.wolkvox_ivr]]\nserver = 1\ntoken = \"invented-token-1\"\n"), config.EmptySourcePath))
	require.ErrorContains(t, cfg.Inputs[0].Init(), `write server = "0001"`)
}

// uncommented returns sample.conf with its commented-out options enabled.
func uncommented() string {
	return regexp.MustCompile(`(?m)^  # ([a-z_]+ = )`).ReplaceAllString(sampleConfig, "  $1")
}

//promise:options
func TestSampleConfigNamesAllOptions(t *testing.T) {
	t.Parallel()
	table, err := toml.Parse([]byte(uncommented()))
	require.NoError(t, err)
	var sample struct {
		Inputs map[string][]map[string]interface{} `toml:"inputs"`
	}
	require.NoError(t, toml.UnmarshalTable(table, &sample))
	require.Len(t, sample.Inputs["wolkvox_ivr"], 1)

	var named []string
	for option := range sample.Inputs["wolkvox_ivr"][0] {
		named = append(named, option)
	}
	deprecated := map[string]bool{"ssl_ca": true, "ssl_cert": true, "ssl_key": true} // by Telegraf
	var defined []string
	for _, option := range optionsOf(reflect.TypeFor[WolkvoxIVR]()) {
		if !deprecated[option] {
			defined = append(defined, option)
		}
	}
	require.ElementsMatch(t, defined, named)
}

// optionsOf returns the option names of a type, including embedded types.
func optionsOf(structure reflect.Type) []string {
	var options []string
	for i := range structure.NumField() {
		field := structure.Field(i)
		tag := field.Tag.Get("toml")
		switch {
		case field.Anonymous && tag == "":
			options = append(options, optionsOf(field.Type)...)
		case tag != "" && tag != "-":
			options = append(options, tag)
		}
	}
	return options
}

// Commented-out options in sample.conf show their defaults, except for options that show an example.
//
//promise:options
func TestSampleConfigShowsDefaults(t *testing.T) {
	examples := regexp.MustCompile(`(?m)^  # tls_(enable|ca|cert|key|server_name|min_version|cipher_suites|renegotiation_method) = .*\n`)
	text := strings.NewReplacer("${WOLKVOX_SERVER}", "0001", "${WOLKVOX_TOKEN}", testToken).
		Replace(regexp.MustCompile(`(?m)^  # ([a-z_]+ = )`).ReplaceAllString(examples.ReplaceAllString(sampleConfig, ""), "  $1"))
	cfg := config.NewConfig()
	require.NoError(t, cfg.LoadConfigData([]byte(text), config.EmptySourcePath))
	require.Len(t, cfg.Inputs, 1)
	shown, ok := cfg.Inputs[0].Input.(*WolkvoxIVR)
	require.True(t, ok)
	defaults, ok := inputs.Inputs["wolkvox_ivr"]().(*WolkvoxIVR)
	require.True(t, ok)

	if shown.Interval != 0 {
		require.Equal(t, config.Duration(wolkvox.MinInterval), shown.Interval)
	}
	shown.Interval = defaults.Interval
	defaults.Server = "0001"
	defaults.Token, shown.Token = config.Secret{}, config.Secret{}
	defaults.Log, shown.Log = nil, nil
	defaults.Statistics, shown.Statistics = nil, nil
	require.Equal(t, defaults, shown)
}

//promise:guides
func TestReadmeShowsSampleConfig(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, block, found := strings.Cut(string(readme), "```toml @sample.conf\n")
	require.True(t, found)
	block, _, found = strings.Cut(block, "```")
	require.True(t, found)
	require.Equal(t, sampleConfig, block)
	require.Equal(t, sampleConfig, (&WolkvoxIVR{}).SampleConfig())
}

//promise:https
func TestOnlyMinTLSVersion(t *testing.T) {
	t.Parallel()
	plugin, _, _ := newPlugin(t, "http://127.0.0.1:1")
	plugin.TLSMinVersion = "TLS13"
	transport, err := plugin.transport("https://wv0001.wolkvox.com")
	require.NoError(t, err)
	require.NotNil(t, transport.TLSClientConfig)
	require.EqualValues(t, 0x0304, transport.TLSClientConfig.MinVersion)
	require.EqualValues(t, wolkvox.MaxHeaderBytes, transport.MaxResponseHeaderBytes)
	require.Equal(t, wolkvox.HandshakeTimeout, transport.TLSHandshakeTimeout)
}

// A secret store that is unavailable at startup doesn't prevent the start.
//
//promise:environment
func TestTokenStoreUnavailableAtStart(t *testing.T) {
	t.Parallel()
	plugin, _, _ := newPlugin(t, serve(t, respondWith(testReport)))
	plugin.Token = config.NewSecret([]byte("@{store:key}")) // not linked to a store
	start(t, plugin)
	var acc testutil.Accumulator
	err := plugin.Gather(&acc)
	require.ErrorContains(t, err, "the token was rejected (getting the token failed: ")
	require.Empty(t, acc.Metrics)
}
