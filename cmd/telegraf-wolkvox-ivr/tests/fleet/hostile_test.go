//go:build integration && linux

package fleet

import (
	"compress/gzip"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
)

// hostileServer alternates between the costliest responses that we can think of, and keeps connections open as long as
// clients do.
type hostileServer struct {
	requests atomic.Int64
}

const hostileLimit = 2 * mebibyte // maximum size of a body that is accepted

var hostileBodies = []string{
	strings.Repeat(" ", hostileLimit-1),                                          // blanks
	`{"data":[` + strings.Repeat("0,", 59_999) + "0]}",                           // as many rows as the API documents
	`{"data":[` + strings.Repeat("0,", hostileLimit/2-20) + "0]}",                // as many as fit into the body
	`{"data":[` + strings.Repeat("{},", hostileLimit/3-20) + "{}]}",              // the same, of objects
	`{"data":[{"calls":1,"x":"` + strings.Repeat("x", hostileLimit-100) + `"}]}`, // a long row
	`{"error":"` + strings.Repeat(`\\u0025`, hostileLimit/8) + `"}`,              // a text full of escapes
	strings.Repeat("[", hostileLimit-1),                                          // deeply nested lists
	`{"data":{` + strings.Repeat(`"1":{"date":"2026-01-18-16"},`, hostileLimit/30) + `"2":{}}}`,
	strings.Repeat("x", 8<<10-1), // just below the size that is always read immediately
	strings.Repeat(`{"a":`, hostileLimit/6),
}

func (s *hostileServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := int(s.requests.Add(1))
	body := hostileBodies[n%len(hostileBodies)]
	for i := range n % 2 * 600 { // just below the limit of headers
		w.Header()[fmt.Sprintf("%03d", i)] = []string{""}
	}
	var out io.Writer = w
	if n/len(hostileBodies)%2 == 1 {
		w.Header().Set("Content-Encoding", "gzip")
		zipped, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
		if err != nil {
			panic(err)
		}
		defer zipped.Close()
		out = zipped
	}
	if _, err := io.WriteString(out, body); err != nil {
		return
	}
	if n%3 == 0 {
		_ = http.NewResponseController(w).Flush() // the client may be gone
		<-r.Context().Done()
	}
}

// Memory stays within bounds whatever servers send.
//
//promise:hostile
func TestMemoryWithHostileServers(t *testing.T) {
	for _, c := range []struct {
		tables   int
		interval string
		requests int64
		limit    int // MiB
	}{{1, "50ms", 30, 64}, {4, "50ms", 90, 64}, {1000, "3s", 1200, 150}} {
		server := &hostileServer{}
		web := httptest.NewUnstartedServer(server)
		web.Config.ErrorLog = log.New(io.Discard, "", 0)
		web.StartTLS()
		w := &testbed.Wolkvox{URL: web.URL + "/wv{server}"}
		operations := testbed.Operations(c.tables, testbed.Busy)
		tables := tables(w, operations, fmt.Sprintf("interval = %q", c.interval), `timeout = "500ms"`, `insecure_skip_verify = true`)
		a := testbed.StartTelegraf(t, testbed.Setup{Plugin: tables})
		a.Await("requests", func() bool { return server.requests.Load() >= c.requests })
		highest := memory(t, a.Plugin(), "VmHWM")
		t.Logf("%d table(s), %d requests: %d MiB", c.tables, server.requests.Load(), highest/mebibyte)
		require.Less(t, highest, c.limit*mebibyte)
		a.Stop()
		web.CloseClientConnections()
		web.Close()
	}
}

// --check can be interrupted while it waits for a configuration.
//
//promise:check
func TestCheckEndsWhileItWaitsForAFile(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "wolkvox_ivr.conf")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	cmd := exec.Command(testbed.ProgramPath(t, "telegraf-wolkvox-ivr"), "--config", fifo, "--check")
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // ended by the signal
		close(ended)
	}()
	time.Sleep(300 * time.Millisecond) // it opens the file and waits for a writer
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	testbed.AwaitClosed(t, "the program's end", ended)
}

// A redirect must not lead to a configuration over plain http.
//
//promise:https
//promise:leaks
func TestConfigurationIsRedirected(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.RedirectHandler("http://me:invented@192.0.2.1/a.conf?key=invented", http.StatusFound))
	t.Cleanup(server.Close)
	r := testbed.RunPlugin(t, "--config", server.URL, "--check") // Telegraf's loader retries for 30 s
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Stdout, "http://…@192.0.2.1/a.conf?… would be fetched over the network unencrypted, secrets included: use https")
	require.NotContains(t, r.Stdout+r.Stderr, "invented")
}
