package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/require"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/plugins/inputs"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
	"telegraf-wolkvox-ivr/plugins/common/hours"
	"telegraf-wolkvox-ivr/plugins/inputs/wolkvox_ivr"
)

const statusToken = "Invented-Token-0815-xyz"

// statusNow is a Tuesday, 14:07:30 in Bogota.
var statusNow = time.Date(2026, 3, 31, 19, 7, 30, 0, time.UTC)

// noRequests is a transport that fails the test on any request.
type noRequests struct{ t *testing.T }

func (n noRequests) RoundTrip(r *http.Request) (*http.Response, error) {
	n.t.Errorf("request for %s", r.URL)
	return nil, http.ErrServerClosed
}

// savedState is the input's state in JSON.
type savedState struct {
	hours.State
	Requested   time.Time `json:"requested"`
	PausedUntil time.Time `json:"paused_until,omitzero"`
	PausedBy    string    `json:"paused_by,omitempty"`
}

func inBogota(t *testing.T) *time.Location {
	t.Helper()
	location, err := time.LoadLocation("America/Bogota")
	require.NoError(t, err)
	return location
}

// march returns an hour of March 2026.
func march(day, hour int) hours.Hour { return hours.HourOf(2026, 3, day, hour) }

// ago returns the time d before statusNow.
func ago(d time.Duration) time.Time { return statusNow.Add(-d) }

// running returns the state of a service that has run since the beginning of March.
func running(t *testing.T) *savedState {
	t.Helper()
	s := &savedState{State: hours.New(hours.Options{Calendar: hours.Calendar{Location: inBogota(t)}}).Save(false)}
	s.Requested, s.Time = ago(2*time.Minute), ago(2*time.Minute)
	s.Started = time.Date(2026, 3, 1, 3, 0, 0, 0, inBogota(t))
	s.Oldest, s.Newest, s.NewestAt = march(1, 6), march(31, 14), ago(2*time.Minute)
	s.Final = hours.Set{{From: march(1, 0), To: march(31, 11)}}
	return s
}

// postponed returns hours that were postponed the given time before statusNow and are due the given time after it.
func postponed(from, to hours.Hour, reason hours.Reason, since, due time.Duration) *hours.Postponed {
	return &hours.Postponed{From: from, To: to, FailingFrom: from, Reason: reason, Since: ago(since), Due: ago(-due), Pause: time.Hour}
}

// encode returns a state as it is in a state file.
func encode(t *testing.T, state any) []byte {
	t.Helper()
	saved, err := json.Marshal(state)
	require.NoError(t, err)
	return saved
}

func writeStates(t *testing.T, states map[string][]byte) {
	t.Helper()
	require.NoError(t, os.WriteFile("x.state", encode(t, states), 0o600))
}

// files lists the working directory with contents and modification times.
func files(t *testing.T) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, entry := range entries {
		info, err := entry.Info()
		require.NoError(t, err)
		content, _ := os.ReadFile(entry.Name()) //nolint:errcheck // a folder has none
		list = append(list, fmt.Sprint(info.Name(), info.Mode(), info.ModTime(), string(content)))
	}
	return list
}

// statusOf runs --status in its own directory, and requires that it changes no file and makes no request.
func statusOf(t *testing.T, config string, prepare func(), args ...string) (status int, printed string) {
	t.Helper()
	t.Chdir(t.TempDir())
	create := inputs.Inputs["wolkvox_ivr"]
	inputs.Inputs["wolkvox_ivr"] = func() telegraf.Input {
		plugin := create().(*wolkvox_ivr.WolkvoxIVR)
		plugin.Clock, plugin.Transport = testbed.NewClock(statusNow), noRequests{t}
		return plugin
	}
	defer func() { inputs.Inputs["wolkvox_ivr"] = create }()
	require.NoError(t, os.WriteFile("x.conf", []byte(config), 0o600))
	prepare()
	before := files(t)

	var stdout, stderr bytes.Buffer
	status = run(append([]string{"--config", "x.conf", "--status"}, args...), &stdout, &stderr)
	require.Empty(t, stderr.String())
	require.Equal(t, before, files(t), "--status changes nothing")
	require.NotContains(t, strings.ToLower(stdout.String()), strings.ToLower(statusToken))
	return status, stdout.String()
}

// statusTable returns a table. After statusAgent it begins at line 3.
func statusTable(options string) string {
	return fmt.Sprintf("[[inputs.wolkvox_ivr]]\nserver = \"0001\"\ntoken = %q\n%s\n", statusToken, options)
}

const statusAgent = "[agent]\nstatefile = \"x.state\"\n"

const (
	idPlain = "inputs.wolkvox_ivr wv0001.wolkvox.com"
	idSales = idPlain + " sales"
)

//promise:status
func TestStatus(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options string
		change  func(s *savedState)
		want    string // without the title
	}{
		{name: "a service that runs", change: func(*savedState) {}, want: `
  timezone       America/Bogota
  last request   2026-03-31 14:05
  newest calls   2026-03-31 14:00
  watermark      2026-03-31 11:00
  complete up to 2026-03-31 10:00
  final          2026-03-01 00:00 to 2026-03-31 10:00
  open           2026-03-31 11:00 to 14:00  not before the watermark: waiting for newer calls (since 2026-03-31 14:05); will be read soon
`},
		{name: "history is being read", options: `backfill = "72h"`, change: func(s *savedState) {
			s.Started = time.Date(2026, 3, 31, 10, 0, 30, 0, s.Started.Location())
			s.Final = hours.Set{{From: march(31, 7), To: march(31, 11)}}
			const open = `[{"from":"2026-03-30T00","shown_at":"2026-03-31T14:00:00-05:00","rows":[[12,20.5],[],[7,9]]}]`
			require.NoError(t, json.Unmarshal([]byte(open), &s.Open))
		}, want: `
  timezone       America/Bogota
  last request   2026-03-31 14:05
  newest calls   2026-03-31 14:00
  watermark      2026-03-31 11:00
  complete up to none: 2026-03-28 10:00 is open
  final          2026-03-31 07:00 to 10:00
  open           2026-03-28 10:00 to 2026-03-29 23:00  no reading yet (since 2026-03-31 10:00); will be read soon
  open           2026-03-30 00:00 to 02:00             read once; the next reading must agree (since 2026-03-31 14:00); will be read soon
  open           2026-03-30 03:00 to 2026-03-31 06:00  no reading yet (since 2026-03-31 10:00); will be read soon
  open           2026-03-31 11:00 to 14:00             not before the watermark: waiting for newer calls (since 2026-03-31 14:05); will be read soon
`},
		{name: "postponed hours", options: `backfill = "24h"`, change: func(s *savedState) {
			s.Oldest = march(1, 6)
			s.Final = hours.Set{
				{From: march(1, 6), To: march(2, 5)}, {From: march(2, 6), To: march(5, 0)},
				{From: march(6, 0), To: march(20, 0)}, {From: march(20, 3), To: march(31, 11)},
			}
			s.Postponed = []*hours.Postponed{
				postponed(march(2, 5), march(2, 6), hours.Failing, 30*time.Hour, time.Hour),
				postponed(march(5, 0), march(6, 0), hours.Failing, time.Hour, time.Hour),
				postponed(march(1, 0)-48, march(1, 6), hours.Inconclusive, 72*time.Hour, 20*time.Hour),
				postponed(march(20, 0), march(20, 3), hours.Inconclusive, 72*time.Hour, -time.Minute),
			}
			s.Postponed[1].FailingFrom = march(5, 12) // it is not known yet whether the hours before fail
		}, want: `
  timezone       America/Bogota
  last request   2026-03-31 14:05
  newest calls   2026-03-31 14:00
  watermark      2026-03-31 11:00
  complete up to 2026-03-02 04:00
  final          2026-03-01 06:00 to 2026-03-02 04:00
  final          2026-03-02 06:00 to 2026-03-04 23:00
  final          2026-03-06 00:00 to 2026-03-19 23:00
  final          2026-03-20 03:00 to 2026-03-31 10:00
  postponed      2026-02-28 03:00 to 2026-03-01 05:00  EARLIER (since 2026-03-28 14:07); next retry 2026-04-01 10:07
  postponed      2026-03-02 05:00                      requests for a single hour fail (since 2026-03-30 08:07); next retry 2026-03-31 15:07
  postponed      2026-03-05 00:00 to 23:00             requests for a single hour fail (since 2026-03-31 13:07); will be read soon
  postponed      2026-03-20 00:00 to 02:00             DOUBTED (since 2026-03-28 14:07); will be read soon
  open           2026-03-31 11:00 to 14:00             not before the watermark: waiting for newer calls (since 2026-03-31 14:05); will be read soon
`},
		{name: "paused since the night", change: func(s *savedState) {
			s.Time, s.NewestAt, s.Newest = ago(10*time.Hour), ago(10*time.Hour), march(31, 3)
			s.Final = hours.Set{{From: march(1, 0), To: march(31, 0)}}
			s.PausedUntil, s.PausedBy = ago(-9*time.Hour-52*time.Minute-30*time.Second), "quota"
		}, want: `
  timezone       America/Bogota
  last request   2026-03-31 14:05
  paused until   2026-04-01 00:00: the operation's daily quota of API requests is used up
  newest calls   2026-03-31 03:00
  watermark      2026-03-31 00:00
  complete up to 2026-03-30 23:00
  final          2026-03-01 00:00 to 2026-03-30 23:00
  open           2026-03-31 00:00 to 14:00  not before the watermark: waiting for newer calls (since 2026-03-31 04:07); will be read soon
`},
		{name: "a pause that is over", change: func(s *savedState) { s.PausedUntil, s.PausedBy = ago(time.Minute), "overload" }, want: `
  timezone       America/Bogota
  last request   2026-03-31 14:05
  newest calls   2026-03-31 14:00
  watermark      2026-03-31 11:00
  complete up to 2026-03-31 10:00
  final          2026-03-01 00:00 to 2026-03-31 10:00
  open           2026-03-31 11:00 to 14:00  not before the watermark: waiting for newer calls (since 2026-03-31 14:05); will be read soon
`},
		{name: "an hour without a reading", change: func(s *savedState) {
			s.Final = s.Final.Remove(hours.Window{From: march(30, 8), To: march(30, 9)})
		}, want: `
  timezone       America/Bogota
  last request   2026-03-31 14:05
  newest calls   2026-03-31 14:00
  watermark      2026-03-31 11:00
  complete up to 2026-03-30 07:00
  final          2026-03-01 00:00 to 2026-03-30 07:00
  final          2026-03-30 09:00 to 2026-03-31 10:00
  open           2026-03-30 08:00           no reading yet (since 2026-03-30 08:00); will be read soon
  open           2026-03-31 11:00 to 14:00  not before the watermark: waiting for newer calls (since 2026-03-31 14:05); will be read soon
`},
		{name: "days waiting to be read again", options: `reread = "2026-03-10"`, change: func(s *savedState) {
			s.Final = s.Final.Remove(hours.Window{From: march(10, 0), To: march(11, 0)})
			s.ToReread = hours.Set{{From: march(10, 0), To: march(11, 0)}}
		}, want: `
  timezone       America/Bogota
  last request   2026-03-31 14:05
  newest calls   2026-03-31 14:00
  watermark      2026-03-31 11:00
  complete up to 2026-03-09 23:00
  final          2026-03-01 00:00 to 2026-03-09 23:00
  final          2026-03-11 00:00 to 2026-03-31 10:00
  open           2026-03-10 00:00 to 23:00  waiting to be read again; will be read soon
  open           2026-03-31 11:00 to 14:00  not before the watermark: waiting for newer calls (since 2026-03-31 14:05); will be read soon
`},
		{name: "hours that an output may not have stored are final", change: func(s *savedState) {
			s.Unacknowledged = []hours.SentWindow{{Window: hours.Window{From: march(31, 8), To: march(31, 11)}, At: ago(2 * time.Minute)}}
		}, want: `
  timezone       America/Bogota
  last request   2026-03-31 14:05
  newest calls   2026-03-31 14:00
  watermark      2026-03-31 11:00
  complete up to 2026-03-31 10:00
  final          2026-03-01 00:00 to 2026-03-31 10:00
  open           2026-03-31 11:00 to 14:00  not before the watermark: waiting for newer calls (since 2026-03-31 14:05); will be read soon
`},
		{name: "no calls so far", change: func(s *savedState) {
			s.Started = ago(time.Hour)
			s.Oldest, s.Newest, s.NewestAt, s.Final = 0, 0, time.Time{}, nil
		}, want: `
  timezone       America/Bogota
  last request   2026-03-31 14:05
  newest calls   none yet
  watermark      none yet
  complete up to none: 2026-03-31 10:00 is open
  open           2026-03-31 10:00 to 14:00  the report has shown no calls yet (since 2026-03-31 13:07); will be read soon
`},
		{name: "no gather so far", change: func(s *savedState) {
			*s = savedState{State: hours.New(hours.Options{Calendar: hours.Calendar{Location: s.Started.Location()}}).Save(false)}
		}, want: `
  timezone       America/Bogota
  last request   none yet
  newest calls   none yet
  watermark      none yet
  complete up to none yet
`},
		{name: "another time zone", options: `timezone = "Europe/Madrid"`, change: func(*savedState) {}, want: `
  timezone       America/Bogota
  note           the configuration has timezone = "Europe/Madrid": the service will read all hours again
  last request   2026-03-31 14:05
  newest calls   2026-03-31 14:00
  watermark      2026-03-31 11:00
  complete up to 2026-03-31 10:00
  final          2026-03-01 00:00 to 2026-03-31 10:00
  open           2026-03-31 11:00 to 14:00  not before the watermark: waiting for newer calls (since 2026-03-31 14:05); will be read soon
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := running(t)
			tt.change(s)
			status, printed := statusOf(t, statusAgent+statusTable(tt.options), func() { writeStates(t, map[string][]byte{idPlain: encode(t, s)}) })
			want := strings.NewReplacer("EARLIER", "earlier than any known calls",
				"DOUBTED", "the report is inconclusive, or their rows can't be read").Replace(tt.want)
			require.Equal(t, "[[inputs.wolkvox_ivr]] at x.conf:3 (server 0001)"+want, printed)
			require.Zero(t, status, "open hours are no error")
		})
	}
}

// --status works while a service holds the lock. It leaves out tables of other inputs and states of other programs.
//
//promise:status
func TestStatusOfSeveralTables(t *testing.T) {
	config := statusAgent + statusTable("") + "[[inputs.internal]]\n" + statusTable(`operation = "sales"`) + statusTable(`operation = "new"`)
	status, printed := statusOf(t, config, func() {
		writeStates(t, map[string][]byte{idPlain: encode(t, running(t)), idSales: encode(t, running(t)), "inputs.other": []byte("{}")})
		lock := flock.New("x.state.lock")
		require.NoError(t, lock.Lock())
		t.Cleanup(func() { lock.Close() })
	})
	block := `  timezone       America/Bogota
  last request   2026-03-31 14:05
  newest calls   2026-03-31 14:00
  watermark      2026-03-31 11:00
  complete up to 2026-03-31 10:00
  final          2026-03-01 00:00 to 2026-03-31 10:00
  open           2026-03-31 11:00 to 14:00  not before the watermark: waiting for newer calls (since 2026-03-31 14:05); will be read soon
`
	require.Equal(t, "[[inputs.wolkvox_ivr]] at x.conf:3 (server 0001)\n"+block+
		"\n[[inputs.wolkvox_ivr]] at x.conf:8 (server 0001, operation sales)\n"+block+
		"\n[[inputs.wolkvox_ivr]] at x.conf:12 (server 0001, operation new)\n"+
		"  error          no state yet: the file has none for this table; the table's first gather writes it\n", printed)
	require.Equal(t, 1, status)
}

//promise:status
func TestStatusAsJSON(t *testing.T) {
	s := running(t)
	s.Final = hours.Set{{From: march(1, 0), To: march(30, 5)}, {From: march(30, 6), To: march(31, 11)}}
	s.Postponed = []*hours.Postponed{postponed(march(30, 5), march(30, 6), hours.Failing, 30*time.Hour, time.Hour)}
	s.PausedUntil, s.PausedBy = ago(-time.Minute), "overload"
	status, printed := statusOf(t, statusAgent+statusTable("")+statusTable(`operation = "<new>"`), func() {
		writeStates(t, map[string][]byte{idPlain: encode(t, s)})
	}, "--json")
	require.JSONEq(t, `{
  "ok": false,
  "statefile": "x.state",
  "tables": [
    {
      "at": "x.conf:3",
      "server": "0001",
      "timezone": "America/Bogota",
      "last_request": "2026-03-31T14:05:30-05:00",
      "paused_until": "2026-03-31T14:08:30-05:00",
      "paused_by": "overload",
      "newest_calls": "2026-03-31T14:00:00-05:00",
      "watermark": "2026-03-31T11:00:00-05:00",
      "complete_up_to": "2026-03-30T04:00:00-05:00",
      "final": [
        {
          "first_hour": "2026-03-01T00:00:00-05:00",
          "last_hour": "2026-03-30T04:00:00-05:00"
        },
        {
          "first_hour": "2026-03-30T06:00:00-05:00",
          "last_hour": "2026-03-31T10:00:00-05:00"
        }
      ],
      "open": [
        {
          "first_hour": "2026-03-30T05:00:00-05:00",
          "last_hour": "2026-03-30T05:00:00-05:00",
          "postponed": true,
          "why": "requests for a single hour fail",
          "since": "2026-03-30T08:07:30-05:00",
          "next_try": "2026-03-31T15:07:30-05:00"
        },
        {
          "first_hour": "2026-03-31T11:00:00-05:00",
          "last_hour": "2026-03-31T14:00:00-05:00",
          "postponed": false,
          "why": "not before the watermark: waiting for newer calls",
          "since": "2026-03-31T14:05:30-05:00"
        }
      ]
    },
    {
      "at": "x.conf:7",
      "server": "0001",
      "operation": "<new>",
      "error": "no state yet: the file has none for this table; the table's first gather writes it",
      "final": [],
      "open": []
    }
  ]
}
`, printed)
	require.Contains(t, printed, "\n      \"operation\": \"<new>\",\n")
	require.Equal(t, 1, status)

	status, printed = statusOf(t, statusAgent+statusTable(""), func() {}, "--json")
	require.JSONEq(t, `{"ok":false,"statefile":"x.state","tables":[],
		"error":"no state yet: the service writes x.state after its first gather"}`, printed)
	require.Equal(t, 1, status)
}

// The input would reject these states.
//
//promise:status
func TestStatusOfRejectedStates(t *testing.T) {
	const advice = ": the service will set the file aside and start without it"
	for _, tt := range []struct {
		name, options string
		saved         func(s *savedState) any
		want          string
	}{
		{"another version", "", func(s *savedState) any { s.Version = 2; return s }, "state has version 2, but this program reads version 4" + advice},
		{"another version and shape", "", func(*savedState) any { return map[string]any{"version": 1, "final": "none", "width": "wide"} },
			"state has version 1, but this program reads version 4" + advice},
		{"no object", "", func(*savedState) any { return []int{1} }, "json: cannot unmarshal array into Go value of type struct { Version int }" + advice},
		{"another shape", "", func(*savedState) any { return map[string]any{"version": 4, "final": "none"} },
			"state can't be read: json: cannot unmarshal string into Go struct field plain.State.final of type hours.Set" + advice},
		{"a width below 1", "", func(s *savedState) any { s.Width = 0; return s }, "state has a width of 0 or 744 hours, which must be 1 to 744" + advice},
		{"from the future", "", func(s *savedState) any { s.Time = ago(-time.Hour); return s },
			"state contains times later than 2026-03-31T19:07:30Z: either it is invalid, or this machine's clock is behind" + advice},
		{"of a table that can't be used", `lookback = "9999h"`, func(s *savedState) any { return s },
			`lookback = "9999h0m0s" is out of range: set it between "0s" and "720h"; use backfill for older hours`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, printed := statusOf(t, statusAgent+statusTable(tt.options), func() {
				writeStates(t, map[string][]byte{idPlain: encode(t, tt.saved(running(t)))})
			})
			require.Equal(t, "[[inputs.wolkvox_ivr]] at x.conf:3 (server 0001)\n  error          "+tt.want+"\n", printed)
			require.Equal(t, 1, status)
		})
	}
}

//promise:status
func TestStatusThatCannotBeRead(t *testing.T) {
	const (
		advice  = ". Check statefile in [agent]\n"
		damaged = ". The service will set it aside and start without it\n"
		other   = "it is not a state file and was not changed: use another file, or move it away"
	)
	write := func(content string) func() {
		return func() { require.NoError(t, os.WriteFile("x.state", []byte(content), 0o600)) }
	}
	type test struct {
		name, config string
		prepare      func()
		want         string
	}
	tests := []test{
		{"missing", "", func() {}, "no state yet: the service writes x.state after its first gather\n"},
		{"cut off", "", write(`{"inputs.wolkvox_ivr wv0001.wolkvox.com":"eyJ2`), "x.state can't be read: it is damaged" + damaged},
		{"null", "", write("null"), "x.state can't be read: " + other + advice},
		{"a folder", "", func() { require.NoError(t, os.Mkdir("x.state", 0o700)) }, "x.state can't be read: it is not a regular file" + advice},
		{"not configured", statusTable(""), func() {},
			"no statefile, so no state is kept: set one in [agent], such as \"/var/lib/telegraf/wolkvox_ivr.state\"\n"},
		{"no such table", statusAgent + "[[inputs.internal]]\n", write("{}"), "the configuration has no table [[inputs.wolkvox_ivr]]\n"},
		{"no configuration", "[agent]\nstatefil = \"x.state\"\n", func() {}, "x.conf:2: "},
	}
	if os.Geteuid() != 0 { // root may read everything
		forbid := func() { require.NoError(t, os.WriteFile("x.state", nil, 0)) }
		tests = append(tests, test{"forbidden", "", forbid, "open x.state: permission denied: run --status as Telegraf's user\n"})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := tt.config
			if config == "" {
				config = statusAgent + statusTable("")
			}
			status, printed := statusOf(t, config, tt.prepare)
			require.True(t, strings.HasPrefix(printed, "error: "+tt.want), printed)
			require.Equal(t, 1, strings.Count(printed, "\n"))
			require.Equal(t, 1, status)
		})
	}
}

// Tokens in the wrong option and terminal sequences are not printed.
//
//promise:leaks
//promise:injection
func TestStatusOfOptionsThatMustNotBePrinted(t *testing.T) {
	config := statusAgent + fmt.Sprintf("[[inputs.wolkvox_ivr]]\nserver = %q\ntoken = %q\n", statusToken, statusToken) +
		fmt.Sprintf("[[inputs.wolkvox_ivr]]\nserver = \"\\u001b[31m\"\ntoken = %q\n", statusToken)
	status, printed := statusOf(t, config, func() { writeStates(t, map[string][]byte{}) })
	require.Contains(t, printed, "(server <token>)\n")
	require.Contains(t, printed, "(server \ufffd[31m)\n")
	require.Equal(t, 1, status)
}

// If the clock skips an hour, the hour starts with the next one.
//
//promise:dst
//promise:status
func TestStatusOverAClockChange(t *testing.T) {
	location, err := time.LoadLocation("America/Santiago") // 2026-04-05 00:00 comes twice, 2025-09-07 00:00 never
	require.NoError(t, err)
	calendar := hours.Calendar{Location: location}
	require.Equal(t, "2025-09-07T01:00:00-03:00", startOf(calendar, hours.HourOf(2025, 9, 7, 0)).Format(time.RFC3339))
	require.Equal(t, "2025-09-07T01:00:00-03:00", startOf(calendar, hours.HourOf(2025, 9, 7, 1)).Format(time.RFC3339))
	require.Equal(t, "2026-04-04T23:00:00-03:00", startOf(calendar, hours.HourOf(2026, 4, 4, 23)).Format(time.RFC3339))
}

//promise:flags
func TestStatusFlags(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--json"}, "--json requires --check or --status"},
		{[]string{"--status", "--check"}, "--status can't be combined with --check or --test"},
		{[]string{"--status", "--test"}, "--status can't be combined with --check or --test"},
		{[]string{"--status", "--test", "--json"}, "--status can't be combined with --check or --test"},
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, 2, run(tt.args, &stdout, &stderr), tt.args)
		require.Equal(t, "E! "+tt.want+"; see telegraf-wolkvox-ivr --help\n", stderr.String())
		require.Empty(t, stdout.String())
	}
}
