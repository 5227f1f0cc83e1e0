//go:build integration && unix

package telegraf

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// tableRow matches a row of the table: the hour, calls and minutes of today, if there are any, and those of last week.
var tableRow = regexp.MustCompile(`^(\d\d) (?: +(\d+) +(\d+\.\d)| +) +(\d+) +(\d+\.\d)( +current)?$`)

// TestMakeRun: `make run` shows a table of hours, and an explained row, within 15 seconds, and leaves nothing behind.
// It does not run in parallel because of the time limit.
//
//promise:run
func TestMakeRun(t *testing.T) {
	for _, program := range []string{"telegraf", "telegraf-wolkvox-ivr", "wolkvox-simulator", "influxd", "influx"} {
		testbed.ProgramPath(t, program)
	}
	// Under nohup, all child processes would ignore SIGHUP, unlike those of a terminal.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for name, tt := range map[string]struct {
		signal syscall.Signal
		group  bool // the signal goes to all processes, as from a terminal
	}{
		"Ctrl-C":           {syscall.SIGINT, true},
		"terminal closed":  {syscall.SIGHUP, true},
		"make told to end": {syscall.SIGTERM, false},
		"all told to end":  {syscall.SIGTERM, true},
	} {
		t.Run(name, func(t *testing.T) {
			testbed.Await(t, "no hour to end while this test runs", func() bool {
				return time.Until(time.Now().Truncate(time.Hour).Add(time.Hour)) > 20*time.Second
			})
			stdout, inherited, err := os.Pipe()
			require.NoError(t, err)
			defer stdout.Close()
			cmd := exec.Command("sh", "testdata/run/run.sh")
			cmd.Dir = testbed.Root
			cmd.Env = append(os.Environ(), "WOLKVOX_SERVER=", "WOLKVOX_TOKEN=")
			cmd.Stdout, cmd.Stderr = inherited, inherited
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			require.NoError(t, cmd.Start())
			require.NoError(t, inherited.Close())
			defer func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }() // fails if nothing is left
			require.NoError(t, stdout.SetReadDeadline(time.Now().Add(15*time.Second)))
			var shown []string
			for lines := bufio.NewScanner(stdout); len(shown) == 0 || !strings.HasPrefix(shown[len(shown)-1], "To query more:"); {
				require.True(t, lines.Scan(), "%v\n%s", lines.Err(), strings.Join(shown, "\n"))
				shown = append(shown, lines.Text())
			}
			now := time.Now()

			to := cmd.Process.Pid
			if tt.group {
				to = -to
			}
			require.NoError(t, syscall.Kill(to, tt.signal))
			require.NoError(t, stdout.SetReadDeadline(time.Now().Add(testbed.Timeout)))
			_, err = io.Copy(io.Discard, stdout) // until the last process has closed its end
			require.NoError(t, err, "something is left")
			require.NoError(t, cmd.Wait())

			require.Contains(t, shown[0], "Ctrl-C")
			requireTable(t, shown, now)
			requireExplained(t, shown)
			requireReadmeShows(t, shown)
		})
	}
}

// requireReadmeShows requires the lines in the READMEs to be those printed, except for numbers and the rows of hours.
func requireReadmeShows(t *testing.T, shown []string) {
	t.Helper()
	numbers := regexp.MustCompile(`[\d.]+`)
	printed := numbers.ReplaceAllString(strings.Join(shown, "\n"), "N")
	printed = strings.Join(strings.Fields(printed), " ")
	for _, readme := range []string{"README.md", "README.es.md"} {
		_, block, found := strings.Cut(testbed.ReadSource(t, readme), "```text\n$ make run\n")
		require.True(t, found, readme)
		block, _, _ = strings.Cut(block, "```")
		for line := range strings.Lines(block) {
			if hour := regexp.MustCompile(`^(\d|…)`); !hour.MatchString(line) {
				require.Contains(t, printed, strings.Join(strings.Fields(numbers.ReplaceAllString(line, "N")), " "), readme)
			}
		}
	}
}

// requireTable requires the table to show today's hours and those of a week before, as the simulator of `make run` has
// them.
func requireTable(t *testing.T, shown []string, now time.Time) {
	t.Helper()
	var rows [][]string
	for _, line := range shown {
		if match := tableRow.FindStringSubmatch(line); match != nil {
			rows = append(rows, match[1:])
		}
	}
	o := simulator.Operation{Server: "0001", Token: "simulated-token-0001", PeakCalls: 20_000}
	s, err := simulator.New(simulator.Options{Seed: 1, Operations: []simulator.Operation{o}})
	require.NoError(t, err)
	require.Len(t, rows, 24, strings.Join(shown, "\n"))
	shows := func(f simulator.Figures) []string { return strings.Fields(fmt.Sprintf("%d %.1f", f.Calls, f.Minutes)) }
	current := testbed.HourOf(t, o, now)
	for i, row := range rows {
		hour := current.Add(time.Duration(i-current.Hour()) * time.Hour)
		require.Equal(t, hour.Format("15"), row[0])
		require.Equal(t, hour.Equal(current), row[5] != "", "current: %s", row)
		require.Equal(t, shows(s.Truth(o.Token, hour.AddDate(0, 0, -7))), row[3:5], row)
		switch {
		case hour.Add(time.Hour + simulator.LongestCall).Before(now):
			require.Equal(t, shows(s.Truth(o.Token, hour)), row[1:3], row)
		case hour.After(now):
			require.Equal(t, []string{"", ""}, row[1:3])
		}
	}
}

// requireExplained requires a row in line protocol, and a text for each of its parts.
func requireExplained(t *testing.T, shown []string) {
	t.Helper()
	text := strings.Join(shown, "\n")
	row := regexp.MustCompile(`(?m)^(wolkvox_ivr),(hour=\d\d),(source=wv0001\.wolkvox\.com) (calls=\d+i),(minutes=[\d.]+) (\d{19})$`).FindStringSubmatch(text)
	require.NotNil(t, row, text)
	for i, part := range []string{"measurement", "tag: ", "tag: ", "field: ", "field: ", "timestamp: "} {
		require.Regexp(t, `(?m)^  `+regexp.QuoteMeta(row[1+i])+` +`+part, text)
	}
}
