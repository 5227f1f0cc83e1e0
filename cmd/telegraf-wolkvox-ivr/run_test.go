//go:build integration && unix

package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMakeRun: what `make run` starts shows metrics of the running and earlier hours within 10 seconds, and leaves nothing behind. It runs
// alone, for the 10 seconds' sake.
func TestMakeRun(t *testing.T) {
	built(t, "telegraf")
	built(t, "telegraf-wolkvox-ivr")
	built(t, "wolkvox-simulator")
	// Under nohup SIGHUP would be ignored by all that is started here, as it is by no terminal's processes.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for name, tt := range map[string]struct {
		signal syscall.Signal
		group  bool // the signal goes to all processes at once, as it does from a terminal
	}{
		"Ctrl-C":           {syscall.SIGINT, true},
		"terminal closed":  {syscall.SIGHUP, true},
		"make told to end": {syscall.SIGTERM, false},
		"all told to end":  {syscall.SIGTERM, true},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, inherited, err := os.Pipe()
			require.NoError(t, err)
			defer stdout.Close()
			cmd := exec.Command("sh", "testdata/run/run.sh")
			cmd.Dir = "../.."
			cmd.Env = append(os.Environ(), "WOLKVOX_SERVER=", "WOLKVOX_TOKEN=")
			cmd.Stdout, cmd.Stderr = inherited, inherited
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			require.NoError(t, cmd.Start())
			require.NoError(t, inherited.Close())
			defer func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }() // fails when all is well
			require.NoError(t, stdout.SetReadDeadline(time.Now().Add(10*time.Second)))

			lines := bufio.NewScanner(stdout)
			require.True(t, lines.Scan(), lines.Err())
			require.Contains(t, lines.Text(), "Ctrl-C")
			var shown []string
			for len(shown) < 3 && lines.Scan() {
				require.Regexp(t, `^wolkvox_ivr,hour=\d\d,source=wv0001\.wolkvox\.com `, lines.Text())
				shown = append(shown, lines.Text())
			}
			require.Len(t, shown, 3, lines.Err())

			to := cmd.Process.Pid
			if tt.group {
				to = -to
			}
			require.NoError(t, syscall.Kill(to, tt.signal))
			require.NoError(t, stdout.SetReadDeadline(time.Now().Add(patience)))
			_, err = io.Copy(io.Discard, stdout) // until the last process has closed its end
			require.NoError(t, err, "something is left")
			require.NoError(t, cmd.Wait())
		})
	}
}
