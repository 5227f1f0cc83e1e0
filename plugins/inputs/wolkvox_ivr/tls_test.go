package wolkvox_ivr

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/influxdata/telegraf/config"
	"github.com/influxdata/telegraf/testutil"

	"telegraf-wolkvox-ivr/plugins/common/wolkvox"
)

// authority issues certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	file        string // path of its certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	a := &authority{key: key}
	a.certificate = &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "invented authority"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		KeyUsage:              x509.KeyUsageCertSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, a.certificate, a.certificate, key.Public(), key)
	require.NoError(t, err)
	a.file = writePEM(t, "CERTIFICATE", der)
	return a
}

// issue returns a certificate for a server with that name, or a client, that is valid until end.
func (a *authority) issue(t *testing.T, name string, end time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	certificate := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: name},
		DNSNames:     []string{name},
		NotBefore:    end.Add(-2 * time.Hour),
		NotAfter:     end,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if name == "127.0.0.1" {
		certificate.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	der, err := x509.CreateCertificate(rand.Reader, certificate, a.certificate, key.Public(), a.key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func writePEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "invented.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return file
}

// serveTLS returns the URL of a TLS server that sends testReport.
func serveTLS(t *testing.T, cfg *tls.Config) string {
	t.Helper()
	server := httptest.NewUnstartedServer(respondWith(testReport))
	server.TLS = cfg
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

//promise:https
//promise:failures
func TestTLS(t *testing.T) {
	t.Parallel()
	ours, theirs := newAuthority(t), newAuthority(t)
	later := time.Now().Add(time.Hour)
	server := ours.issue(t, "127.0.0.1", later)
	clients := x509.NewCertPool()
	clientCA, err := os.ReadFile(ours.file)
	require.NoError(t, err)
	require.True(t, clients.AppendCertsFromPEM(clientCA))
	client := ours.issue(t, "invented client", later)
	clientFile := writePEM(t, "CERTIFICATE", client.Certificate[0])
	der, err := x509.MarshalPKCS8PrivateKey(client.PrivateKey)
	require.NoError(t, err)
	keyFile := writePEM(t, "PRIVATE KEY", der)

	cases := []struct {
		name     string
		server   *tls.Config
		set      func(*WolkvoxIVR)
		expected string // "" if it works
	}{
		{"known authority", &tls.Config{Certificates: []tls.Certificate{server}}, func(*WolkvoxIVR) {}, ""},
		{"unknown authority", &tls.Config{Certificates: []tls.Certificate{theirs.issue(t, "127.0.0.1", later)}}, func(*WolkvoxIVR) {},
			"certificate signed by unknown authority"},
		{"no authority set", &tls.Config{Certificates: []tls.Certificate{server}}, func(w *WolkvoxIVR) { w.TLSCA = "" },
			"certificate signed by unknown authority"},
		{"expired", &tls.Config{Certificates: []tls.Certificate{ours.issue(t, "127.0.0.1", time.Now().Add(-time.Minute))}}, func(*WolkvoxIVR) {},
			"no trusted connection to the server (the server's certificate has expired or is not yet valid, by this machine's clock): " +
				wolkvox.FailedTLS.Advice},
		{"not yet valid", &tls.Config{Certificates: []tls.Certificate{ours.issue(t, "127.0.0.1", time.Now().Add(3*time.Hour))}}, func(*WolkvoxIVR) {},
			"the server's certificate has expired or is not yet valid, by this machine's clock"},
		{"other name", &tls.Config{Certificates: []tls.Certificate{ours.issue(t, "other.example.com", later)}}, func(*WolkvoxIVR) {},
			"certificate for 127.0.0.1"},
		{"other name, expected", &tls.Config{Certificates: []tls.Certificate{ours.issue(t, "other.example.com", later)}},
			func(w *WolkvoxIVR) { w.ServerName = "other.example.com" }, ""},
		{"not verified", &tls.Config{Certificates: []tls.Certificate{theirs.issue(t, "other.example.com", later)}},
			func(w *WolkvoxIVR) { w.TLSCA, w.InsecureSkipVerify = "", true }, ""},
		{"client certificate", &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients},
			func(w *WolkvoxIVR) { w.TLSCert, w.TLSKey = clientFile, keyFile }, ""},
		{"no client certificate", &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients},
			func(*WolkvoxIVR) {}, "certificate required"},
		{"version", &tls.Config{Certificates: []tls.Certificate{server}, MaxVersion: tls.VersionTLS12}, //nolint:gosec // an old server
			func(w *WolkvoxIVR) { w.TLSMinVersion = "TLS12" }, ""},
		{"old version", &tls.Config{Certificates: []tls.Certificate{server}, MaxVersion: tls.VersionTLS12}, //nolint:gosec // an old server
			func(w *WolkvoxIVR) { w.TLSMinVersion = "TLS13" }, "protocol version not supported"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			plugin, clock, _ := newPlugin(t, serveTLS(t, c.server))
			plugin.TLSCA = ours.file
			c.set(plugin)
			start(t, plugin)
			var acc testutil.Accumulator
			err := plugin.Gather(&acc)
			if c.expected == "" {
				require.NoError(t, err)
				require.Len(t, acc.Metrics, 4)
				return
			}
			require.ErrorContains(t, err, wolkvox.FailedTLS.Message)
			require.ErrorContains(t, err, c.expected)
			require.Empty(t, clock.waits, "no retry")
		})
	}
}

// HTTP/2 has no benefit, and its log with GODEBUG=http2debug=2 contains the token. Go only uses it by default if no TLS option is set, so the
// test makes its authority the system's.
//
//promise:leaks
func TestOnlyHTTP1(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	protocols := make(chan string, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocols <- r.Proto
		respondWith(testReport)(w, r)
	}))
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "127.0.0.1", time.Now().Add(time.Hour))}}
	server.StartTLS()
	t.Cleanup(server.Close)
	output := gatherInProcess(t, server.URL, "SSL_CERT_FILE="+ca.file, "GODEBUG=http2debug=2")
	require.Contains(t, output, "gathered 4 rows")
	require.Equal(t, "HTTP/1.1", <-protocols)
	require.NotContains(t, output, testToken)
}

//promise:https
func TestInsecureIsLogged(t *testing.T) {
	t.Parallel()
	plugin, _, logger := newPlugin(t, "https://127.0.0.1:1")
	plugin.InsecureSkipVerify = true
	start(t, plugin)
	require.Len(t, logger.Messages(), 1)
	require.Contains(t, logger.Messages()[0].Text, "insecure_skip_verify = true: anyone who intercepts the connection gets the token")
}

// No error contains the login of a proxy, even if its URL can't be parsed.
//
//promise:leaks
func TestProxyLogin(t *testing.T) {
	t.Parallel()
	for _, login := range []string{"somebody:invented-pw%", "somebody:invented pw", "somebody:invented"} {
		output := gatherInProcess(t, "https://wv{server}.wolkvox.com", "HTTPS_PROXY=http://"+login+"@127.0.0.1:1", "NO_PROXY=", "no_proxy=")
		require.Contains(t, output, "the server can't be reached")
		require.NotContains(t, strings.ReplaceAll(output, testToken, ""), "invented")
	}
}

// forwardProxy is a forward proxy that records requests. It fails the test if it sees the token of an https request.
type forwardProxy struct {
	t      *testing.T
	target string // address to which it connects all requests
	status int    // if not 0, response status instead of a connection

	mu       sync.Mutex
	requests []string
}

func (p *forwardProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.requests = append(p.requests, r.Method+" "+r.Host)
	p.mu.Unlock()
	if p.status != 0 {
		w.WriteHeader(p.status)
		return
	}
	if r.Method != http.MethodConnect {
		r.RequestURI = ""
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer response.Body.Close()
		w.WriteHeader(response.StatusCode)
		if _, err := io.Copy(w, response.Body); err != nil {
			p.t.Error(err)
		}
		return
	}

	for name := range r.Header {
		if strings.EqualFold(name, "wolkvox-token") {
			p.t.Error("the proxy got the token")
		}
	}
	upstream, err := net.Dial("tcp", p.target)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer upstream.Close()
	downstream, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer downstream.Close()
	if _, err := io.WriteString(downstream, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	ended := make(chan struct{}, 2) // receives when either side ends
	tunnel := func(to io.Writer, from io.Reader) {
		defer func() { ended <- struct{}{} }()
		if _, err := io.Copy(to, from); err != nil {
			return
		}
	}
	go tunnel(upstream, buffered)
	go tunnel(downstream, upstream)
	<-ended
}

//promise:https
func TestProxy(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	server := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "wv0001.wolkvox.com", time.Now().Add(time.Hour))}})
	target := strings.TrimPrefix(server, "https://")

	t.Run("https", func(t *testing.T) {
		t.Parallel()
		proxy := &forwardProxy{t: t, target: target}
		plugin, _, _ := newPlugin(t, "https://wv{server}.wolkvox.com")
		plugin.TLSCA = ca.file
		plugin.HTTPProxyURL = serve(t, proxy.ServeHTTP)
		start(t, plugin)
		var acc testutil.Accumulator
		require.NoError(t, plugin.Gather(&acc))
		require.Len(t, acc.Metrics, 4)
		require.Equal(t, []string{"CONNECT wv0001.wolkvox.com:443"}, proxy.requests)
	})

	// Plain http is only for loopback addresses, and a proxy would see the token.
	t.Run("http", func(t *testing.T) {
		t.Parallel()
		proxy := &forwardProxy{t: t}
		plugin, _, _ := newPlugin(t, serve(t, respondWith(testReport)))
		plugin.HTTPProxyURL = serve(t, proxy.ServeHTTP)
		start(t, plugin)
		var acc testutil.Accumulator
		require.NoError(t, plugin.Gather(&acc))
		require.Len(t, acc.Metrics, 4)
		require.Empty(t, proxy.requests)
	})

	t.Run("refuses", func(t *testing.T) {
		t.Parallel()
		proxy := &forwardProxy{t: t, status: http.StatusProxyAuthRequired}
		plugin, _, _ := newPlugin(t, "https://wv{server}.wolkvox.com")
		plugin.HTTPProxyURL = strings.Replace(serve(t, proxy.ServeHTTP), "http://", "http://somebody:invented-password@", 1)
		start(t, plugin)
		err := plugin.Gather(&testutil.Accumulator{})
		require.ErrorContains(t, err, `the server can't be reached ("Proxy Authentication Required")`)
		require.NotContains(t, err.Error(), "invented-password")
	})

	// net/http reads the environment's proxies once per process, so this needs another process.
	t.Run("environment", func(t *testing.T) {
		t.Parallel()
		proxy := &forwardProxy{t: t, target: target}
		output := gatherInProcess(t, "https://wv{server}.wolkvox.com", "HTTPS_PROXY="+serve(t, proxy.ServeHTTP), "NO_PROXY=", "no_proxy=",
			"SSL_CERT_FILE="+ca.file)
		require.Contains(t, output, "gathered 4 rows")
		require.Equal(t, []string{"CONNECT wv0001.wolkvox.com:443"}, proxy.requests)
	})
}

// gatherInProcess gathers once in a new process with this environment, and returns its output.
func gatherInProcess(t *testing.T, url string, env ...string) string {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(program, "-test.run=^TestGatherInProcess$", "-test.v")
	cmd.Env = append(append(os.Environ(), "GATHER_FROM="+url), env...)
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, string(output))
	return string(output)
}

// TestGatherInProcess is the process that gatherInProcess starts.
func TestGatherInProcess(t *testing.T) {
	url := os.Getenv("GATHER_FROM")
	if url == "" {
		t.Skip("run by other tests")
	}
	plugin, _, _ := newPlugin(t, url)
	plugin.Token = config.NewSecret([]byte(testToken))
	start(t, plugin)
	var acc testutil.Accumulator
	err := plugin.Gather(&acc)
	t.Logf("gathered %d rows: %v", len(acc.Metrics), err)
}
