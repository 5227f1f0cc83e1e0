//go:build integration && unix

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// A row of the table: the hour, and the calls and minutes of today, where there are any, and of last week.
var tableRow = regexp.MustCompile(`^(\d\d) (?: +(\d+) +(\d+\.\d)| +) +(\d+) +(\d+\.\d)( +running)?$`)

func TestMakeRunInfluxDB(t *testing.T) {
	t.Parallel()
	await(t, "no hour to end while this test runs", func() bool { return time.Until(time.Now().Truncate(time.Hour).Add(time.Hour)) > 15*time.Second })
	stdout, inherited, err := os.Pipe()
	require.NoError(t, err)
	defer stdout.Close()
	cmd := exec.Command("sh", "testdata/run/run.sh")
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "WOLKVOX_SERVER=", "WOLKVOX_TOKEN=", "OUTPUT=influxdb")
	cmd.Stdout, cmd.Stderr = inherited, inherited
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	require.NoError(t, inherited.Close())
	defer func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }() // fails when all is well
	require.NoError(t, stdout.SetReadDeadline(time.Now().Add(patience)))

	var shown []string
	var rows [][]string
	for lines := bufio.NewScanner(stdout); ; {
		require.True(t, lines.Scan(), "%v\n%s", lines.Err(), strings.Join(shown, "\n"))
		shown = append(shown, lines.Text())
		if match := tableRow.FindStringSubmatch(lines.Text()); match != nil {
			rows = append(rows, match[1:])
		}
		if strings.HasPrefix(lines.Text(), "To ask more:") {
			break
		}
	}
	now := time.Now()
	require.NoError(t, syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)) // as Ctrl-C does
	require.NoError(t, stdout.SetReadDeadline(time.Now().Add(patience)))
	_, err = io.Copy(io.Discard, stdout) // until the last process has closed its end
	require.NoError(t, err, "something is left")
	require.NoError(t, cmd.Wait())

	// The simulator of `make run` always has the same calls.
	o := simulator.Operation{Server: "0001", Token: "simulated-token-0001", PeakCalls: 20_000}
	s, err := simulator.New(simulator.Options{Seed: 1, Operations: []simulator.Operation{o}})
	require.NoError(t, err)
	require.Len(t, rows, 24, strings.Join(shown, "\n"))
	shows := func(f simulator.Figures) []string { return strings.Fields(fmt.Sprintf("%d %.1f", f.Calls, f.Minutes)) }
	current := hourOf(t, o, now)
	for i, row := range rows {
		hour := current.Add(time.Duration(i-current.Hour()) * time.Hour)
		require.Equal(t, hour.Format("15"), row[0])
		require.Equal(t, hour.Equal(current), row[5] != "", "running: %s", row)
		require.Equal(t, shows(s.Truth(o.Token, hour.AddDate(0, 0, -7))), row[3:5], row)
		switch {
		case hour.Add(time.Hour + simulator.LongestCall).Before(now):
			require.Equal(t, shows(s.Truth(o.Token, hour)), row[1:3], row)
		case hour.After(now):
			require.Equal(t, []string{"", ""}, row[1:3])
		}
	}
}
