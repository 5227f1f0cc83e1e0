package check_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/fatih/color"
	"github.com/gofrs/flock"
	"github.com/stretchr/testify/require"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/plugins/inputs"
	_ "github.com/influxdata/telegraf/plugins/secretstores/http"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/check"
	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
	"telegraf-wolkvox-ivr/plugins/common/host"
	"telegraf-wolkvox-ivr/plugins/common/simulator"
	"telegraf-wolkvox-ivr/plugins/inputs/wolkvox_ivr"
)

var update = flag.Bool("update", false, "update the golden files of --check")

const checkedToken = "Invented-Token-4711-abc"

// checkNow is a Wednesday, 10:40 in Bogota.
var checkNow = time.Date(2026, 11, 18, 15, 40, 0, 0, time.UTC)

// atTime makes the plugins of this test use a clock that shows now.
func atTime(t *testing.T, now time.Time) {
	t.Helper()
	create := inputs.Inputs["wolkvox_ivr"]
	inputs.Inputs["wolkvox_ivr"] = func() telegraf.Input {
		plugin := create()
		plugin.(*wolkvox_ivr.WolkvoxIVR).Clock = testbed.NewClock(now)
		return plugin
	}
	t.Cleanup(func() { inputs.Inputs["wolkvox_ivr"] = create })
}

// checkCase is a configuration and the server that it refers to.
type checkCase struct {
	name      string
	now       time.Time                       // checkNow, if zero
	clock     time.Duration                   // how far this machine's clock is ahead
	operation simulator.Operation             // of the simulated server
	script    func(*simulator.Simulator)      // sets up faults
	handler   func(http.Handler) http.Handler // wraps the simulated server
	tls       *tls.Config                     // serves https with this configuration
	options   string                          // of the table
	agent     string                          // of [agent]; a statefile by default
	config    string                          // the whole file instead of options and agent
	prepare   func(t *testing.T)              // runs in the folder of the configuration
	json      bool
}

// volatile matches what differs between runs.
var volatile = regexp.MustCompile(`127\.0\.0\.1:\d+|\.check-\d+`)

//promise:leaks
//promise:injection
//promise:check
func TestCheck(t *testing.T) {
	certificates := testbed.NewAuthority(t)
	cases := []checkCase{
		{name: "ok"},
		{name: "json", json: true},
		{name: "config_option_misspelt", options: `tokem = "x"`},
		{name: "config_not_there", config: "-"},
		{name: "config_variable_not_set", config: "[[inputs.wolkvox_ivr]]\nserver = \"0001\"\ntoken = \"${WOLKVOX_TOKEN}\"\n"},
		{name: "config_server_without_zeros", config: "[[inputs.wolkvox_ivr]]\nserver = 1\ntoken = \"" + checkedToken + "\"\n"},
		{name: "config_timezone_unknown", options: `timezone = "Bogota"`},
		{name: "config_interval_short", options: `interval = "1m"`},
		{name: "config_backfill_without_statefile", agent: "debug = false", options: `backfill = "8760h"`},
		{name: "config_option_without_effect", agent: "statefile = \"x.state\"\nflush_interval = \"10s\""},
		{name: "config_utf16", prepare: func(t *testing.T) {
			content, err := os.ReadFile("wolkvox_ivr.conf")
			require.NoError(t, err)
			wide := []byte("\xff\xfe")
			for _, unit := range utf16.Encode([]rune(strings.ReplaceAll(string(content), "\n", "\r\n"))) {
				wide = binary.LittleEndian.AppendUint16(wide, unit)
			}
			require.NoError(t, os.WriteFile("wolkvox_ivr.conf", wide, 0o600))
		}},
		{name: "config_empty", config: "\n"},
		{name: "config_no_input", config: "[agent]\nstatefile = \"x.state\"\n"},
		{name: "config_input_unknown", config: "[[inputs.wolkvox]]\nserver = \"0001\"\n"},
		{name: "config_output", config: tableOf("a") + "[[outputs.influxdb]]\nurls = [\"http://127.0.0.1:8086\"]\n"},
		{name: "config_statefile_in_table", options: `statefile = "x.state"`},
		{name: "config_statefile_outside", config: "statefile = \"x.state\"\n" + tableOf("a")},
		{name: "config_option_outside", config: "server = \"0001\"\n" + tableOf("a")},
		{name: "config_option_of_outputs", options: `flush_interval = "10s"`},
		{name: "config_option_twice", options: `server = "0001"`},
		{name: "config_token_without_quotes", config: "[[inputs.wolkvox_ivr]]\nserver = \"0001\"\ntoken = " + checkedToken + "\n"},
		{name: "config_server_without_quotes", config: "[[inputs.wolkvox_ivr]]\nserver = 0001\ntoken = \"" + checkedToken + "\"\n"},
		{name: "config_quote_missing", options: `timezone = "America/Bogota`},
		{name: "config_path_with_backslashes", agent: `statefile = "C:\ProgramData\Telegraf\wolkvox_ivr.state"`},
		{name: "config_timezone_offset", options: `timezone = "-05:00"`},
		{name: "config_backfill_year", options: `backfill = "1y"`},
		{name: "config_backfill_days", options: `backfill = "365d"`},
		{name: "config_lookback_without_unit", options: `lookback = "3"`},
		{name: "config_interval_number", options: `interval = 300`},
		{name: "config_hours_unknown", options: `hours = "complete"`},
		{name: "config_empty_hours_unknown", options: `empty_hours = "zeros"`},
		{name: "config_reread_unreadable", options: `reread = "march"`},
		{name: "config_operation_with_blank", options: `operation = "sales "`},
		{name: "config_url_plain_http", options: `url = "http://wv0001.wolkvox.com"`},
		{name: "config_url_with_token", options: `url = "https://wv0001.wolkvox.com/?token=` + checkedToken + `"`},
		{name: "config_operations_without_names", config: strings.Repeat("[[inputs.wolkvox_ivr]]\nserver = \"0001\"\ntoken = \""+checkedToken+"\"\n", 2)},
		{name: "config_store_not_there", config: "[[inputs.wolkvox_ivr]]\nserver = \"0001\"\ntoken = \"@{secrets:token}\"\n"},
		{name: "server_before_login", config: "[[inputs.wolkvox_ivr]]\nserver = \"manager.wolkvox.com\"\ntoken = \"" + checkedToken + "\"\n"},
		{name: "server_address", config: "[[inputs.wolkvox_ivr]]\nserver = \"https://wv0001.wolkvox.com\"\ntoken = \"" + checkedToken + "\"\n"},
		{name: "token_in_quotes", config: "[[inputs.wolkvox_ivr]]\nserver = \"0001\"\ntoken = '\"" + checkedToken + "\"'\nurl = \"URL\"\n"},
		{name: "token_of_two_operations", config: tableOf("a") + strings.ReplaceAll(tableOf("b"), "0001", "0002"), // in any order
			handler: info(`{"data":[{"token_limit":"1000","token_use_today":"0","all_token_today":"0","available_consumption_options":"1000"}]}`)},
		{name: "token_not_utf8", config: "[[inputs.wolkvox_ivr]]\nserver = \"0001\"\ntoken = \"${CHECKED_TOKEN}\"\nurl = \"URL\"\n",
			prepare: func(t *testing.T) { t.Setenv("CHECKED_TOKEN", "t\xf3ken-abc123") }},
		{name: "token_with_dollar", config: "[[inputs.wolkvox_ivr]]\nserver = \"0001\"\ntoken = \"ab$Secret99-invented\"\nurl = \"URL\"\n"},
		{name: "token_variable_in_part", config: "[[inputs.wolkvox_ivr]]\nserver = \"0001\"\ntoken = \"ab$CHECKED_TOKEN\"\nurl = \"URL\"\n",
			prepare: func(t *testing.T) { t.Setenv("CHECKED_TOKEN", "another-token") }},
		{name: "token_unset_in_part", config: "[[inputs.wolkvox_ivr]]\nserver = \"0001\"\ntoken = \"ab${Secret99}-invented\"\nurl = \"URL\"\n"},
		{name: "config_readable_by_all", prepare: func(t *testing.T) {
			require.NoError(t, os.Chmod("wolkvox_ivr.conf", 0o644)) //nolint:gosec // G302: the case
		}},
		{name: "config_readable_without_secret", config: "[[inputs.wolkvox_ivr]]\nserver = \"0001\"\ntoken = \"${CHECKED_TOKEN}\"\nurl = \"URL\"\n",
			prepare: func(t *testing.T) {
				t.Setenv("CHECKED_TOKEN", checkedToken)
				require.NoError(t, os.Chmod("wolkvox_ivr.conf", 0o644)) //nolint:gosec // G302: the case
			}},
		{name: "config_operation_with_backslash", options: `operation = 'a\'`},
		{name: "config_latin1", options: "operation = \"Atenci\xf3n\""},
		{name: "config_typographic_quotes", options: "timezone = “America/Bogota”"},
		{name: "config_agent_twice", options: "[agent]\ninterval = \"5m\""},
		{name: "config_server_in_agent", agent: "server = \"0001\""},
		{name: "config_backfill_without_unit", options: "backfill = 365"},
		{name: "state_tilde", agent: `statefile = "~/x.state"`},
		{name: "state_empty", prepare: func(t *testing.T) { require.NoError(t, os.WriteFile("x.state", nil, 0o600)) }},
		{name: "config_internal", config: "[agent]\nstatefile = \"x.state\"\n[[inputs.internal]]\n" + tableOf("a")},
		{name: "config_internal_refused", config: "[[inputs.internal]]\nname_override = \"#x\"\n" + tableOf("a")},
		{name: "state_folder_missing", agent: `statefile = "nowhere/x.state"`},
		{name: "state_no_file", agent: `statefile = "."`},
		{name: "state_other_file", agent: `statefile = "wolkvox_ivr.conf"`},
		{name: "state_damaged", prepare: func(t *testing.T) {
			require.NoError(t, os.WriteFile("x.state", []byte(`{"inputs.wolkvox_ivr wv0001.wolkvox.com":"eyJ2`), 0o600))
		}},
		{name: "state_lock_folder", prepare: func(t *testing.T) { require.NoError(t, os.Mkdir("x.state.lock", 0o700)) }},
		{name: "state_lock_link", prepare: func(t *testing.T) { require.NoError(t, os.Symlink("precious", "x.state.lock")) }},
		{name: "state_held", prepare: func(t *testing.T) {
			lock := flock.New("x.state.lock")
			require.NoError(t, lock.Lock())
			t.Cleanup(func() { lock.Close() })
		}},
		{name: "token_from_variable", config: "[[inputs.wolkvox_ivr]]\nserver = \"0001\"\ntoken = \"${CHECKED_TOKEN}\"\nurl = \"URL\"\n",
			prepare: func(t *testing.T) { t.Setenv("CHECKED_TOKEN", checkedToken) }},
		{name: "token_empty", config: "[[inputs.wolkvox_ivr]]\nserver = \"0001\"\ntoken = \"\"\n"},
		{name: "token_wrong", config: "[[inputs.wolkvox_ivr]]\nserver = \"0001\"\ntoken = \"invented-but-wrong\"\nurl = \"URL\"\n"},
		{name: "token_with_blank", config: "[[inputs.wolkvox_ivr]]\nserver = \"0001\"\ntoken = \"invented token\"\n"},
		{name: "token_store_unreachable", config: "[[secretstores.http]]\nid = \"vault\"\nurl = \"http://127.0.0.1:1\"\n" +
			"[[inputs.wolkvox_ivr]]\nserver = \"0001\"\ntoken = \"@{vault:token}\"\nurl = \"URL\"\n"},
		{name: "server_other", config: "[[inputs.wolkvox_ivr]]\nserver = \"0002\"\ntoken = \"" + checkedToken + "\"\nurl = \"URL\"\n"},
		{name: "server_refuses", options: `url = "http://127.0.0.1:1"`},
		{name: "server_hangs", handler: hang, options: `timeout = "100ms"`},
		{name: "server_redirects", handler: always(http.RedirectHandler("https://login.example.org/", http.StatusFound))},
		{name: "server_speaks_plain_http", options: `url = "https://ADDRESS"`},
		{name: "tls_ok", tls: certificates.ServerConfig(t, true, "127.0.0.1"), options: `tls_ca = "ca.pem"`},
		{name: "tls_expired", tls: certificates.ServerConfig(t, false, "127.0.0.1"), options: `tls_ca = "ca.pem"`},
		{name: "tls_other_name", tls: certificates.ServerConfig(t, true, "wv0002.wolkvox.com"), options: `tls_ca = "ca.pem"`},
		{name: "tls_unknown_authority", tls: certificates.ServerConfig(t, true, "127.0.0.1")},
		{name: "tls_not_verified", tls: certificates.ServerConfig(t, true, "127.0.0.1"), options: `insecure_skip_verify = true`},
		{name: "proxy_ok", tls: certificates.ServerConfig(t, true, "wv0001.wolkvox.com"),
			options: "tls_ca = \"ca.pem\"\nurl = \"https://wv{server}.wolkvox.com\"\nhttp_proxy_url = \"http://operator:invented@PROXY\""},
		{name: "proxy_opens_tls", tls: certificates.ServerConfig(t, true, "wv0001.wolkvox.com"),
			options: "url = \"https://wv{server}.wolkvox.com\"\nhttp_proxy_url = \"http://PROXY\""},
		{name: "proxy_refuses", options: "url = \"https://forbidden.example.org\"\nhttp_proxy_url = \"http://PROXY\""},
		{name: "proxy_not_there", options: "url = \"https://wv{server}.wolkvox.com\"\nhttp_proxy_url = \"http://127.0.0.1:1\""},
		{name: "proxy_unreadable", options: "http_proxy_url = \"http://operator:invented#@127.0.0.1:1\""},
		{name: "proxy_echoes_password", options: "url = \"https://forbidden.example.org\"\nhttp_proxy_url = \"http://operator:invented@PROXY\""},
		{name: "server_speaks_no_http", handler: always(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			raw, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = io.WriteString(raw, "220 mail.example.org\r\n\r\n")
				raw.Close()
			}
		}))},
		{name: "server_with_escapes", config: "[[inputs.wolkvox_ivr]]\nserver = \"\\u001b[31m\\nok\"\ntoken = \"" + checkedToken + "\"\n"},
		{name: "server_is_the_token", config: "[[inputs.wolkvox_ivr]]\nserver = \"" + checkedToken + "\"\ntoken = \"" + checkedToken + "\"\nurl = \"URL\"\n"},
		{name: "token_short", config: "[[inputs.wolkvox_ivr]]\nserver = \"0001\"\ntoken = \"a\"\nurl = \"URL\"\n"},
		{name: "quota_hangs", handler: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/information.php") {
					<-r.Context().Done()
					return
				}
				next.ServeHTTP(w, r)
			})
		}, options: `timeout = "300ms"`},
		{name: "quota_unbelievable", handler: info(`{"token_limit":"1.000","token_use_today":-5,"available_consumption_options":"NaN"}`)},
		{name: "clock_ahead", clock: 5 * time.Minute},
		{name: "clock_far_behind", clock: -26 * time.Hour},
		{name: "clock_unknown", handler: date("")},
		{name: "quota_spent", script: func(s *simulator.Simulator) { s.SetFaults(1, simulator.FaultQuota) }},
		{name: "quota_nothing_left", handler: info(`{"code":200,"data":[{"token_limit":"1000","token_use_today":"600","all_token_today":"1000",` +
			`"available_consumption_options":"0"}]}`)},
		{name: "quota_will_not_last", handler: info(`{"data":{"token_limit":1000,"all_token_today":900,"available_consumption_options":100}}`)},
		{name: "quota_too_small", handler: info(`{"token_limit":"100","token_use_today":3}`), options: `interval = "10m"`},
		{name: "quota_not_told", handler: info(`<html>Not Found</html>`)},
		{name: "quota_shared", config: tableOf("a") + tableOf("b"),
			handler: info(`{"data":[{"token_limit":"500","token_use_today":"0","all_token_today":"0","available_consumption_options":"500"}]}`)},
		{name: "report_narrow_only", handler: reports(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.URL.Query().Get("date_ini")[:8] != r.URL.Query().Get("date_end")[:8] {
				fail(w, http.StatusBadRequest, `{"code":400,"error":"RANGE TOO WIDE"}`)
				return
			}
			next.ServeHTTP(w, r)
		})},
		{name: "report_past_only", handler: reports(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.URL.Query().Get("date_end") >= "2026111810" {
				fail(w, http.StatusOK, `{"code":200,"error":null,"msg":"0 records were found","data":[]}`)
				return
			}
			next.ServeHTTP(w, r)
		})},
		{name: "report_past_only_refused", handler: reports(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.URL.Query().Get("date_end") >= "2026111810" {
				fail(w, http.StatusBadRequest, `{"code":400,"error":"DATE_END IS IN THE FUTURE"}`)
				return
			}
			next.ServeHTTP(w, r)
		})},
		{name: "report_never_any_call", operation: simulator.Operation{Since: checkNow.Add(time.Hour)}},
		{name: "form_unknown_keys", handler: rows(`{"fecha":"2026-11-18","hora":"09","llamadas":"12","agente":"Invented Name"}`)},
		{name: "form_day_first", handler: rows(`{"date":"18/11/2026 09","calls":"12","ivr_minutes":"20.5"}`)},
		{name: "form_some_unreadable", handler: rows(`{"date":"2026111809","calls":"12","ivr_minutes":"20.5"},` +
			`{"date":"2026111808","calls":"1,057","ivr_minutes":"3"}`)},
		{name: "form_object", handler: reports(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			fail(w, http.StatusOK, `{"code":200,"data":{"2026111809":{"calls":12}}}`)
		})},
		{name: "form_error_beside_rows", handler: reports(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			fail(w, http.StatusOK, `{"code":200,"error":"ONLY A PART IS SHOWN","data":[{"date":"2026111809","calls":"12","ivr_minutes":"20.5"}]}`)
		})},
		{name: "form_upper_case", handler: rows(`{"Date":"2026111809","Calls":"12","Ivr_minutes":"20.5"}`)},
		{name: "form_other_hours", handler: rows(`{"date":"2025111809","calls":"12","ivr_minutes":"20.5"}`)},
		{name: "token_echoed", handler: rows(`{"date":"` + checkedToken + `","` + checkedToken + `":"` + strings.ToUpper(checkedToken) + `"}`)},
		{name: "zone_too_far_west", options: `timezone = "America/Tijuana"`},
		{name: "zone_too_far_east", options: `timezone = "Europe/Madrid"`},
		{name: "zone_two_hours_east", options: `timezone = "America/Sao_Paulo"`},
		{name: "zone_hour_begins", now: time.Date(2026, 11, 18, 15, 5, 0, 0, time.UTC)},
		{name: "zone_hour_begins_one_west", now: time.Date(2026, 11, 18, 15, 5, 0, 0, time.UTC), options: `timezone = "America/Costa_Rica"`},
		{name: "zone_hour_begins_one_east", now: time.Date(2026, 11, 18, 15, 5, 0, 0, time.UTC), options: `timezone = "America/Caracas"`},
		{name: "zone_hour_ends", now: time.Date(2026, 11, 18, 15, 55, 0, 0, time.UTC)},
		{name: "zone_hour_ends_one_west", now: time.Date(2026, 11, 18, 15, 55, 0, 0, time.UTC), options: `timezone = "America/Costa_Rica"`},
		{name: "zone_hour_ends_one_east", now: time.Date(2026, 11, 18, 15, 55, 0, 0, time.UTC), options: `timezone = "America/Caracas"`},
		{name: "zone_before_midnight", now: time.Date(2026, 11, 19, 4, 40, 0, 0, time.UTC)},
		{name: "zone_clock_unknown", now: time.Date(2026, 11, 18, 15, 55, 0, 0, time.UTC), options: `timezone = "America/Costa_Rica"`, handler: date("")},
		{name: "zone_far_west_at_night", now: time.Date(2026, 11, 18, 20, 40, 0, 0, time.UTC), options: `timezone = "America/Los_Angeles"`,
			handler: reports(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				fail(w, http.StatusOK, `{"code":200,"data":[{"date":"2026111823","calls":"50","ivr_minutes":"90.5"}]}`)
			})},
		{name: "zone_clock_unknown_but_right", handler: date("")},
		{name: "zone_few_calls", operation: simulator.Operation{PeakCalls: 5}},
		{name: "zone_report_late", handler: reports(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			var rows []string
			for h := checkNow.Add(-8 * 24 * time.Hour); h.Before(checkNow.Add(-34 * time.Hour)); h = h.Add(time.Hour) {
				rows = append(rows, fmt.Sprintf(`{"date":%q,"calls":"50","ivr_minutes":"90.5"}`, h.Format("2006010215")))
			}
			fail(w, http.StatusOK, `{"code":200,"data":[`+strings.Join(rows, ",")+`]}`)
		})},
		{name: "zone_none_so_far", options: `timezone = "Pacific/Auckland"`, handler: reports(func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			fail(w, http.StatusOK, `{"code":200,"data":[{"date":"`+r.URL.Query().Get("date_end")[:10]+`","calls":"50","ivr_minutes":"90.5"}]}`)
		})},
		{name: "zone_night", now: time.Date(2026, 11, 18, 8, 40, 0, 0, time.UTC), options: `timezone = "Europe/Madrid"`,
			operation: simulator.Operation{PeakCalls: 5}},
		{name: "empty_zeros", operation: simulator.Operation{PeakCalls: 5, Form: simulator.Form{EmptyHours: "zeros"}}},
		{name: "empty_filled", operation: simulator.Operation{PeakCalls: 5}, options: `empty_hours = "zero"`},
	}
	for _, fault := range simulator.Faults() {
		cases = append(cases, checkCase{name: "fault_" + strings.ReplaceAll(string(fault), "-", "_"), options: `timeout = "1s"`,
			script: func(s *simulator.Simulator) { s.Script(checkedToken, "", fault, fault, fault) }})
	}
	for _, preset := range simulator.Presets() {
		cases = append(cases, checkCase{name: "preset_" + strings.ReplaceAll(preset.Name, "-", "_"),
			operation: simulator.Operation{Form: preset.Form, PeakCalls: 20}})
	}
	names := make(map[string]bool, len(cases))
	for _, c := range cases {
		names[c.name+".txt"] = true
		t.Run(c.name, func(t *testing.T) { c.run(t, certificates) })
	}
	files, err := os.ReadDir("testdata")
	require.NoError(t, err)
	for _, f := range files {
		require.Contains(t, names, f.Name(), "there is no such case")
	}
}

func tableOf(operation string) string {
	return fmt.Sprintf("[[inputs.wolkvox_ivr]]\nserver = \"0001\"\noperation = %q\ntoken = %q\nurl = \"URL\"\n", operation, checkedToken)
}

// run checks a configuration.
func run(path string, asJSON bool, stdout io.Writer) int {
	return check.Run(host.Options{Config: []string{path}, PollInterval: 5 * time.Minute}, asJSON, stdout)
}

// run compares the output of --check with the golden file.
func (c *checkCase) run(t *testing.T, certificates *testbed.Authority) {
	golden, err := filepath.Abs(filepath.Join("testdata", c.name+".txt"))
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	now := c.now
	if now.IsZero() {
		now = checkNow
	}
	atTime(t, now.Add(c.clock))
	url, s := c.serve(t, now)
	proxy := httptest.NewServer(&testbed.Proxy{To: strings.TrimPrefix(url, "https://")})
	t.Cleanup(proxy.Close)

	conf := c.config
	if conf == "" {
		agent, options := c.agent, c.options
		if agent == "" {
			agent = `statefile = "x.state"`
		}
		if !strings.Contains(options, "url =") {
			options += "\nurl = \"URL\""
		}
		conf = fmt.Sprintf("[agent]\n%s\n[[inputs.wolkvox_ivr]]\nserver = \"0001\"\ntoken = %q\n%s\n", agent, checkedToken, options)
	}
	address := regexp.MustCompile(`^https?://`).ReplaceAllString(url, "")
	conf = strings.NewReplacer("URL", url, "ADDRESS", address, "PROXY", strings.TrimPrefix(proxy.URL, "http://")).Replace(conf)
	require.NoError(t, os.WriteFile("ca.pem", certificates.PEM, 0o600))
	if c.config != "-" {
		require.NoError(t, os.WriteFile("wolkvox_ivr.conf", []byte(conf), 0o600))
	}
	if c.prepare != nil {
		c.prepare(t)
	}
	before, err := os.ReadDir(".")
	require.NoError(t, err)

	var stdout bytes.Buffer
	status := run("wolkvox_ivr.conf", c.json, &stdout)
	text := volatile.ReplaceAllString(stdout.String(), "ADDRESS")
	require.NotContains(t, strings.ToLower(text), strings.ToLower(checkedToken))
	require.NotContains(t, text, "invented")
	require.NotContains(t, text, "\x1b")
	if c.json {
		require.True(t, json.Valid(stdout.Bytes()))
	}
	require.Equal(t, strings.Contains(text, "FAIL "), status == 1)
	require.LessOrEqual(t, len(s.Ledger()), 4*strings.Count(conf, "[[inputs."))

	after, err := os.ReadDir(".")
	require.NoError(t, err)
	require.Equal(t, fmt.Sprint(before), fmt.Sprint(after), "a check must leave no files")

	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(golden), 0o750))
		require.NoError(t, os.WriteFile(golden, []byte(text), 0o600))
	}
	expected, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(expected), text)
}

// serve serves the case's simulated server, and returns the address to configure.
func (c *checkCase) serve(t *testing.T, now time.Time) (url string, s *simulator.Simulator) {
	t.Helper()
	o := c.operation
	o.Server, o.Token = "0001", checkedToken
	s, err := simulator.New(simulator.Options{Now: func() time.Time { return now }, Operations: []simulator.Operation{o}})
	require.NoError(t, err)
	if c.script != nil {
		c.script(s)
	}
	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", now.Format(http.TimeFormat))
		if !strings.HasPrefix(r.URL.Path, "/wv") {
			r.URL.Path = "/wv0001" + r.URL.Path
		}
		s.ServeHTTP(w, r)
	}))
	if c.handler != nil {
		handler = c.handler(handler)
	}
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = nil
	url = "http://"
	if server.TLS = c.tls; c.tls != nil {
		server.StartTLS()
		url = "https://"
	} else {
		server.Start()
	}
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return url + server.Listener.Addr().String(), s
}

func always(h http.Handler) func(http.Handler) http.Handler {
	return func(http.Handler) http.Handler { return h }
}

func hang(http.Handler) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
}

// date sets the time of responses to text, or removes it if text is empty.
func date(text string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(dated{w, text}, r)
		})
	}
}

type dated struct {
	http.ResponseWriter
	date string
}

func (d dated) WriteHeader(status int) {
	d.Header()["Date"] = nil
	if d.date != "" {
		d.Header().Set("Date", d.date)
	}
	d.ResponseWriter.WriteHeader(status)
}

func fail(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Date", checkNow.Format(http.TimeFormat))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // the client would notice
}

// info responds to token_info with the body.
func info(body string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/information.php") {
				fail(w, http.StatusOK, body)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// reports responds to the report with the function.
func reports(respond func(w http.ResponseWriter, r *http.Request, next http.Handler)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/reports_manager.php") {
				respond(w, r, next)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// rows responds to the report with these rows.
func rows(rows string) func(http.Handler) http.Handler {
	return reports(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		fail(w, http.StatusOK, `{"code":200,"error":null,"msg":"2 records were found","data":[`+rows+`]}`)
	})
}

// TestCheckLeadsToMetrics fixes a configuration with one mistake of each kind, by following the output.
//
//promise:check
func TestCheckLeadsToMetrics(t *testing.T) {
	atTime(t, checkNow)
	url, _ := (&checkCase{}).serve(t, checkNow)
	t.Chdir(t.TempDir())
	t.Setenv("CHECKED_TOKEN", checkedToken+"-of-another-operation")
	conf := "[agent]\nstatefile = \"x.state\"\n[[inputs.wolkvox_ivr]]\nsrever = 1\ntoken = \"${CHECKD_TOKEN}\"\n" +
		"timezone = \"America/Mexico_City\"\nurl = \"" + url + "\"\n"
	for _, step := range []struct{ want, from, to string }{
		{`FAIL  configuration  wolkvox_ivr.conf:4: unknown option "srever" in [[inputs.wolkvox_ivr]]: did you mean "server"?`, "srever", "server"},
		{`FAIL  configuration  wolkvox_ivr.conf:5: environment variable CHECKD_TOKEN is not set`, "CHECKD_TOKEN", "CHECKED_TOKEN"},
		{`write server = "0001"`, "server = 1", `server = "0001"`},
		{"FAIL  token ", "", ""},
		{`set timezone = "America/Bogota"`, "America/Mexico_City", "America/Bogota"},
	} {
		require.NoError(t, os.WriteFile("wolkvox_ivr.conf", []byte(conf), 0o600))
		var stdout bytes.Buffer
		require.Equal(t, 1, run("wolkvox_ivr.conf", false, &stdout), stdout.String())
		require.Equal(t, 1, strings.Count(stdout.String(), "FAIL  "), stdout.String())
		require.Contains(t, stdout.String(), step.want)
		conf = strings.Replace(conf, step.from, step.to, 1)
		if step.from == "" {
			t.Setenv("CHECKED_TOKEN", checkedToken)
		}
	}
	require.NoError(t, os.WriteFile("wolkvox_ivr.conf", []byte(conf), 0o600))
	var stdout bytes.Buffer
	require.Zero(t, run("wolkvox_ivr.conf", false, &stdout), stdout.String())
	require.NotContains(t, stdout.String(), "warn")
}

//promise:check
func TestCheckInterrupted(t *testing.T) {
	atTime(t, checkNow)
	requested := make(chan bool, 4)
	url, _ := (&checkCase{handler: always(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		requested <- true
		<-r.Context().Done()
	}))}).serve(t, checkNow)
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("wolkvox_ivr.conf", []byte(strings.ReplaceAll(tableOf("a"), "URL", url)), 0o600))
	self, err := os.FindProcess(os.Getpid())
	require.NoError(t, err)
	go func() {
		<-requested
		_ = self.Signal(syscall.SIGTERM)
	}()
	var stdout bytes.Buffer
	require.Equal(t, 1, run("wolkvox_ivr.conf", false, &stdout))
	require.Equal(t, 1, strings.Count(stdout.String(), "FAIL"), stdout.String())
	require.Contains(t, stdout.String(), "FAIL  check          interrupted")
}

// full is a full disk.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

//promise:check
func TestCheckThatCannotPrint(t *testing.T) {
	atTime(t, checkNow)
	url, _ := (&checkCase{}).serve(t, checkNow)
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("wolkvox_ivr.conf", []byte(strings.ReplaceAll(tableOf("a"), "URL", url)), 0o600))
	require.Equal(t, 1, run("wolkvox_ivr.conf", false, full{}))
	require.Equal(t, 1, run("wolkvox_ivr.conf", true, full{}))
}

func TestCheckColours(t *testing.T) {
	color.NoColor = false
	defer func() { color.NoColor = true }()
	var stdout bytes.Buffer
	require.Equal(t, 1, run("nowhere.conf", false, &stdout))
	require.Contains(t, stdout.String(), "\x1b[31mFAIL\x1b[0m")
}
