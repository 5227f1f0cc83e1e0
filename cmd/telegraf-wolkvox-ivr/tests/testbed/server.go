package testbed

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Server is a real server started by a test.
type Server struct {
	t    *testing.T
	Cmd  *exec.Cmd
	path string // of its log
	done chan struct{}
}

// StartServer starts a program of bin, and kills it at the end of the test.
func StartServer(t *testing.T, env []string, program string, args ...string) *Server {
	t.Helper()
	cmd := exec.Command(ProgramPath(t, program), args...)
	cmd.Env = append(os.Environ(), env...)
	return StartCommand(t, cmd)
}

// StartCommand starts a server, and kills it at the end of the test.
func StartCommand(t *testing.T, cmd *exec.Cmd) *Server {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	defer log.Close()
	s := &Server{t: t, Cmd: cmd, path: log.Name(), done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start())
	go func() {
		defer close(s.done)
		_ = cmd.Wait() // the exit code is in Cmd
	}()
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("The log of %s:\n%s", filepath.Base(cmd.Path), s.log())
		}
	})
	return s
}

// log returns the output of the server.
func (s *Server) log() string {
	s.t.Helper()
	content, err := os.ReadFile(s.path)
	require.NoError(s.t, err)
	return string(content)
}

// AwaitLog waits until the server's output matches the expression, and returns the first group.
func (s *Server) AwaitLog(expression *regexp.Regexp) string {
	s.t.Helper()
	var match []string
	Await(s.t, "a server to log "+expression.String(), func() bool {
		match = expression.FindStringSubmatch(s.log())
		return match != nil
	})
	return match[1]
}

// Stop stops the server as a service manager does.
func (s *Server) Stop() {
	s.t.Helper()
	require.NoError(s.t, s.Cmd.Process.Signal(syscall.SIGTERM))
	AwaitClosed(s.t, "a server to end", s.done)
}

// Kill kills the server, as a power failure does.
func (s *Server) Kill() {
	_ = s.Cmd.Process.Kill() // fails if it has already ended
	<-s.done
}
