package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/influxdata/toml"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// The program prints a valid configuration, and serves its operations until it is stopped.
//
//promise:run
func TestPrintsTheConfigurationAndServes(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reader, writer := io.Pipe()
	status := make(chan int, 1)
	go func() {
		defer writer.Close()
		status <- run(ctx, []string{"-addr", "127.0.0.1:0", "-operations", "5", "-timezone", "Asia/Kolkata"}, writer, io.Discard)
	}()
	var text strings.Builder
	lines := bufio.NewScanner(reader)
	for lines.Scan() {
		text.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "# ...") {
			break
		}
	}
	require.Contains(t, text.String(), `up to server "0005" with token "simulated-token-0005"`)
	var configuration struct {
		Inputs struct {
			WolkvoxIVR []struct{ Server, Token, URL, Timezone string } `toml:"wolkvox_ivr"`
		}
	}
	require.NoError(t, toml.Unmarshal([]byte(text.String()), &configuration))
	require.Len(t, configuration.Inputs.WolkvoxIVR, maxPrinted)
	for _, o := range configuration.Inputs.WolkvoxIVR {
		require.Equal(t, "Asia/Kolkata", o.Timezone)
		address := strings.Replace(o.URL, "{server}", o.Server, 1) + "/api/v2/information.php?api=token_info"
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
		require.NoError(t, err)
		r.Header.Set("wolkvox-token", o.Token)
		response, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusOK, response.StatusCode)
	}
	cancel()
	require.Zero(t, <-status)
}

func TestConfigurationNamesAnAddressToConnectTo(t *testing.T) {
	t.Parallel()
	for address, url := range map[string]string{
		"0.0.0.0:1": "http://127.0.0.1:1/wv{server}", "[::]:1": "http://127.0.0.1:1/wv{server}", "[::1]:1": "http://[::1]:1/wv{server}",
	} {
		tcp, err := net.ResolveTCPAddr("tcp", address)
		require.NoError(t, err)
		require.Contains(t, configuration([]simulator.Operation{{Server: "0001", Token: "a"}}, tcp), url)
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	var stdout strings.Builder
	require.Zero(t, run(t.Context(), []string{"--help"}, &stdout, io.Discard))
	for _, f := range simulator.Faults() {
		require.Regexp(t, `(?m)^  `+regexp.QuoteMeta(string(f))+" ", stdout.String())
	}
	for _, p := range simulator.Presets() {
		require.Regexp(t, `(?m)^  `+regexp.QuoteMeta(p.Name)+" ", stdout.String())
	}
}

func TestErrorsAreOneLine(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	for args, want := range map[string]struct {
		status int
		text   string
	}{
		"-nonsense":                      {2, "not defined: -nonsense"},
		"-seed x":                        {2, "-seed"},
		"-since yesterday":               {2, "not a date"},
		"-operations 0":                  {2, "-operations must be"},
		"-fault-rate 2":                  {2, "-fault-rate must be"},
		"-latency -1s":                   {2, "-latency must"},
		"-faults reset,x":                {2, `there is no fault "x"`},
		"-form x":                        {2, `there is no form "x"`},
		"-timezone Mars":                 {2, "unknown time zone Mars"},
		"-repeated-hour x":               {2, "repeated hour"},
		"x":                              {2, `unexpected argument "x"`},
		"-addr " + taken.Addr().String(): {1, "address already in use"},
	} {
		var stderr strings.Builder
		require.Equal(t, want.status, run(t.Context(), strings.Fields(args), io.Discard, &stderr), args)
		require.Contains(t, stderr.String(), want.text)
		require.Equal(t, 1, strings.Count(stderr.String(), "\n"), stderr.String())
	}
}

func TestMixedForms(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"-form", "mixed", "-operations", "100", "-since", "2026-01-18"})
	require.NoError(t, err)
	presets := simulator.Presets()
	for i, operation := range o.all() {
		require.Equal(t, presets[i%len(presets)].Form, operation.Form)
		require.Equal(t, 2026, operation.Since.Year())
	}
}
