//go:build linux

package host

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const nobody = 65534

// publicDir returns a folder that any user may enter.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "host-test-") //nolint:usetesting // others may not enter the test's own
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0755)) //nolint:gosec // G302: for another user
	return dir
}

// asNobody makes a child run as user nobody, in a folder that the user may enter.
func asNobody(t *testing.T, dir string) func(*exec.Cmd) {
	t.Helper()
	program, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(dir+"/host", program, 0755)) //nolint:gosec // G306: likewise
	return func(c *exec.Cmd) {
		c.Path, c.Dir = dir+"/host", dir
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
}

// A run as root leaves files that Telegraf's user can't use. The error names their owner and the command that fixes it.
//
//promise:state-user
func TestStateFileOfAnotherUser(t *testing.T) {
	needRoot(t)
	for _, tt := range []struct {
		name  string
		leave func(t *testing.T, state string)
		file  string
	}{
		{"state", func(t *testing.T, state string) { require.NoError(t, os.WriteFile(state, []byte("{}"), 0600)) }, "STATE"},
		{"lock", func(t *testing.T, state string) { require.NoError(t, os.WriteFile(state+".lock", nil, 0600)) }, "STATE.lock"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := publicDir(t)
			folder := dir + "/telegraf"
			require.NoError(t, os.Mkdir(folder, 0700))
			require.NoError(t, os.Chown(folder, nobody, nobody))
			state := folder + "/state"
			tt.leave(t, state)
			conf := dir + "/test.conf"
			content := fmt.Appendf(nil, "[agent]\nstatefile = %q\n[[inputs.plain]]\n", state)
			require.NoError(t, os.WriteFile(conf, content, 0644)) //nolint:gosec // G306: likewise
			status, _, logged := startChild(t, "", Options{Config: []string{conf}}, asNobody(t, dir)).end()
			require.Equal(t, 1, status)
			file := state + tt.file[len("STATE"):]
			require.Contains(t, logged[len(logged)-1], "permission denied: "+file+" belongs to root, who has run this program before, but "+
				"this process runs as nobody. If that is Telegraf's user: sudo chown -h nobody "+file)
			require.Equal(t, file, LeftByRoot(state))

			_, command, _ := strings.Cut(logged[len(logged)-1], ": sudo ")
			require.NoError(t, exec.Command("sh", "-c", command).Run())
			c := startChild(t, "", Options{Config: []string{conf}}, asNobody(t, dir))
			require.NoError(t, c.in.Close())
			status, _, logged = c.end()
			require.Zero(t, status, logged)
		})
	}
}

//promise:state-user
func TestStateFolderOfAnotherUser(t *testing.T) {
	needRoot(t)
	dir := publicDir(t)
	conf := dir + "/test.conf"
	require.NoError(t, os.WriteFile(conf, []byte("[agent]\nstatefile = \"state\"\n[[inputs.plain]]\n"), 0644)) //nolint:gosec // G306: likewise
	status, _, logged := startChild(t, "", Options{Config: []string{conf}}, asNobody(t, dir)).end()
	require.Equal(t, 1, status)
	require.Contains(t, logged[len(logged)-1], "permission denied: . belongs to root, but this process runs as nobody. If that is Telegraf's user, "+
		"use a statefile in a folder that it can write to: sudo install -d -o nobody -m 750 wolkvox_ivr")
}

//promise:state-user
func TestConfigurationOfAnotherUser(t *testing.T) {
	needRoot(t)
	dir := publicDir(t)
	conf := dir + "/test.conf"
	require.NoError(t, os.WriteFile(conf, []byte("[[inputs.plain]]\n"), 0600))
	status, _, logged := startChild(t, "", Options{Config: []string{conf}}, asNobody(t, dir)).end()
	require.Equal(t, 1, status)
	require.Equal(t, "E! reading the configuration failed: open "+conf+": permission denied. This is user nobody: run it as Telegraf's user, with "+
		"\"sudo -u telegraf\" before the command. If this is Telegraf's user: sudo chgrp telegraf "+conf+" && sudo chmod 640 "+conf, logged[len(logged)-1])
}

// Running the command of [[inputs.execd]] in a terminal, even as root, does not affect the service.
//
//promise:trials
func TestStartedByHand(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		skipWithout(t, fmt.Sprintf("no terminal: %v", err))
	}
	defer terminal.Close()
	require.NoError(t, unix.IoctlSetPointerInt(int(terminal.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	state := filepath.Join(t.TempDir(), "state")
	c := startChild(t, fmt.Sprintf("[agent]\nstatefile = %q\n[[inputs.probe]]\nserver = \"a\"\n", state), Options{}, func(c *exec.Cmd) {
		c.Args = []string{"sh", "-c", fmt.Sprintf("exec %s </dev/pts/%d", c.Path, number)}
		c.Path = "/bin/sh"
	})
	require.Contains(t, c.row(), "probe")
	require.NoError(t, c.Process.Signal(syscall.SIGINT))
	status, _, logged := c.end()
	require.Zero(t, status, logged)
	require.Contains(t, strings.Join(logged, "\n"), "W! Started by hand: Telegraf normally starts this program through inputs.execd. "+
		"It gathers and prints metrics until Ctrl-C, and does not change the state.")
	require.NoFileExists(t, state)
	require.NoFileExists(t, lockPath(state))
}

//promise:state
func TestNoStatefile(t *testing.T) {
	for conf, warnings := range map[string]int{"[[inputs.probe]]\nserver = \"a\"": 1, "[[inputs.plain]]": 0} { // plain has no state
		c := startChild(t, conf, Options{})
		require.NoError(t, c.in.Close())
		_, _, logged := c.end()
		require.Equal(t, warnings, strings.Count(strings.Join(logged, "\n"), "W! No statefile in [agent]: hours missed while this program is down"), logged)
	}
}
