//go:build integration && linux

package telegraf

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
)

// TestCheckOfAnotherUsersState: after root has run the program by hand, the check of Telegraf's user names the file's
// owner and the command that fixes it.
//
//promise:state-user
//promise:check
func TestCheckOfAnotherUsersState(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		testbed.SkipWithout(t, "no root, to become another user")
	}
	const nobody = 65534
	dir, err := os.MkdirTemp("/tmp", "other-user-") //nolint:usetesting // others may not enter the test's own
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chown(dir, nobody, nobody))
	program := filepath.Join(dir, "telegraf-wolkvox-ivr")
	testbed.Execute(t, "", "cp", testbed.ProgramPath(t, "telegraf-wolkvox-ivr"), program)
	w := testbed.StartWolkvox(t, testbed.Busy)
	conf, state := filepath.Join(dir, "wolkvox_ivr.conf"), filepath.Join(dir, "x.state")
	require.NoError(t, os.WriteFile(conf, []byte("[agent]\nstatefile = \""+state+"\"\n"+w.Table(testbed.Busy)), 0o644)) //nolint:gosec // G306: for all
	require.NoError(t, os.WriteFile(state, []byte("{}"), 0o600))
	check := func() testbed.Result {
		cmd := exec.Command(program, "--config", conf, "--check")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		return testbed.Finish(t, cmd)
	}
	result := check()
	require.Equal(t, 1, result.Code)
	require.Contains(t, result.Stdout, "FAIL  state          "+state+" can't be used: open "+state+": permission denied: "+state+" belongs to root, "+
		"who has run this program before, but this process runs as nobody. If that is Telegraf's user: sudo chown -h nobody "+state+"\n")
	testbed.Execute(t, "", "sh", "-c", "chown -h nobody "+state)
	require.NotContains(t, check().Stdout, "FAIL")
}
