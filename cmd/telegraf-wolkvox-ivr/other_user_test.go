//go:build integration && linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCheckOfAnotherUsersState: root has run the program once by hand, and the check of Telegraf's user says whose file that is, and the
// command that mends it.
func TestCheckOfAnotherUsersState(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		leaveOut(t, "no root, to become another user")
	}
	const nobody = 65534
	dir, err := os.MkdirTemp("/tmp", "other-user-") //nolint:usetesting // others may not enter the test's own
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chown(dir, nobody, nobody))
	program := filepath.Join(dir, "telegraf-wolkvox-ivr")
	execute(t, "", "cp", built(t, "telegraf-wolkvox-ivr"), program)
	w := startWolkvox(t, operation)
	conf, state := filepath.Join(dir, "wolkvox_ivr.conf"), filepath.Join(dir, "x.state")
	require.NoError(t, os.WriteFile(conf, []byte("[agent]\nstatefile = \""+state+"\"\n"+w.table(operation)), 0o644)) //nolint:gosec // G306: for all
	require.NoError(t, os.WriteFile(state, []byte("{}"), 0o600))
	check := func() result {
		cmd := exec.Command(program, "--config", conf, "--check")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		return finish(t, cmd)
	}
	result := check()
	require.Equal(t, 1, result.code)
	require.Contains(t, result.stdout, "FAIL  state          "+state+" can't be used: open "+state+": permission denied: "+state+" belongs to root, "+
		"as root has run this program before, and this is nobody. If that is Telegraf's user: sudo chown -h nobody "+state+"\n")
	execute(t, "", "sh", "-c", "chown -h nobody "+state)
	require.NotContains(t, check().stdout, "FAIL")
}
