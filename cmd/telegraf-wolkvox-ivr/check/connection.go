package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"syscall"

	"telegraf-wolkvox-ivr/plugins/common/wolkvox"
)

// connection is how far the connection of a request got.
type connection struct {
	dialed    string // the last address tried
	connected bool
	isTLS     bool                 // a handshake was started
	tls       *tls.ConnectionState // of the last successful handshake
}

// tracedConnection traces a connection, which may continue after its request has ended.
type tracedConnection struct {
	sync.Mutex
	connection
}

// trace returns a context that traces the connection of a request.
func (c *tracedConnection) trace(ctx context.Context) context.Context {
	note := func(change func()) {
		c.Lock()
		defer c.Unlock()
		change()
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		ConnectStart:      func(_, addr string) { note(func() { c.dialed = addr }) },
		ConnectDone:       func(_, _ string, err error) { note(func() { c.connected = c.connected || err == nil }) },
		TLSHandshakeStart: func() { note(func() { c.isTLS = true }) },
		TLSHandshakeDone: func(state tls.ConnectionState, err error) {
			if err == nil {
				note(func() { c.tls = &state })
			}
		},
	})
}

// snapshot returns how far the connection has got.
func (c *tracedConnection) snapshot() connection {
	c.Lock()
	defer c.Unlock()
	return c.connection
}

// isReady reports whether the connection to the server was ready for a request.
func (t *table) isReady(c connection) bool {
	return c.tls != nil || c.connected && strings.HasPrefix(t.client.URL, "http:")
}

// proxyPassword returns the password of the configured proxy, or "".
func (t *table) proxyPassword() string {
	u, err := url.Parse(t.plugin.HTTPProxyURL)
	if err != nil || u.User == nil {
		return ""
	}
	password, _ := u.User.Password()
	return password
}

// proxy returns the proxy in use, without user and password, or "".
func (t *table) proxy() string {
	transport, isHTTP := t.client.HTTP.Transport.(*http.Transport)
	base, err := url.Parse(t.client.URL)
	if err != nil || !isHTTP || transport.Proxy == nil {
		return ""
	}
	proxy, err := transport.Proxy(&http.Request{URL: base})
	if err != nil || proxy == nil {
		return ""
	}
	return proxy.Scheme + "://" + proxy.Host
}

// host returns the name of the server that gets the requests.
func (t *table) host() string {
	base, err := url.Parse(t.client.URL)
	if err != nil {
		return t.client.URL
	}
	return base.Hostname()
}

// addConnection adds a finding about a connection that works.
func (t *table) addConnection(c connection) {
	text := fmt.Sprintf("%s responds at %s", t.host(), c.dialed)
	if proxy := t.proxy(); proxy != "" {
		text = fmt.Sprintf("%s responds through the proxy %s", t.host(), proxy)
	}
	switch {
	case c.tls == nil:
		t.add("server", good, "%s, over plain http, which is allowed only for loopback addresses", text)
		return
	case t.plugin.InsecureSkipVerify:
		t.add("server", warn, "%s, but its certificate is not verified because insecure_skip_verify is set: set tls_ca to its CA instead", text)
		return
	}
	certificate := c.tls.PeerCertificates[0]
	t.add("server", good, "%s, %s, certificate for %s valid until %s", text, tls.VersionName(c.tls.Version), namesOf(certificate),
		certificate.NotAfter.Format("2006-01-02"))
}

// namesOf returns the first three names of a certificate, and how many more there are.
func namesOf(certificate *x509.Certificate) string {
	names := certificate.DNSNames
	for _, ip := range certificate.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		names = []string{certificate.Subject.CommonName}
	}
	text := strings.Join(names[:min(len(names), 3)], ", ")
	if more := len(names) - 3; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// registerAdvice is advice for when nothing responds: the API does not respond to unregistered addresses (seen by clients).
const registerAdvice = "register this machine's public IP address in the operation's firewall at wolkvox, which responds only to registered " +
	"addresses, and allow the connection in your own firewall"

// explain describes why there is no response, with advice.
func (t *table) explain(c connection, err error) string {
	var failure *wolkvox.Failure
	if !errors.As(err, &failure) || failure.Cause == nil {
		return err.Error()
	}
	err = failure.Cause
	isTimeout := failure.Class == wolkvox.FailedTimeout
	to := t.host()
	if proxy := t.proxy(); proxy != "" {
		if !c.connected || !c.isTLS && !isTimeout || isProxyConnect(err) {
			return explainProxy(c, proxy, err)
		}
		to += " through the proxy " + proxy
	}
	if text := t.explainCertificate(to, err); text != "" {
		return text
	}
	var dns *net.DNSError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Sprintf("the name %s does not exist: check server, and url if it is set", dns.Name)
	case errors.As(err, &dns):
		return fmt.Sprintf("the name %s can't be resolved (%s): check this machine's DNS", dns.Name, dns.Err)
	case failure.Class == wolkvox.FailedRedirect:
		return to + " sent a redirect, and redirects are not followed: check url"
	case errors.As(err, &record):
		return fmt.Sprintf("%s does not speak TLS at %s: check url and its port", to, c.dialed)
	case isTimeout && !c.connected:
		return fmt.Sprintf("no connection to %s at %s within %s: %s", to, c.dialed, t.client.Timeout, registerAdvice)
	case isTimeout:
		return fmt.Sprintf("%s accepts connections at %s, but does not respond within %s: %s", to, c.dialed, t.client.Timeout, registerAdvice)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "no connection can be made from this machine's address: check local_address"
	case !c.connected && c.dialed == "":
		return fmt.Sprintf("no connection to %s was attempted: check the proxy in http_proxy_url, HTTPS_PROXY and NO_PROXY", to)
	case !c.connected:
		return fmt.Sprintf("no connection to %s at %s (%s): check server and url; %s", to, c.dialed, reasonOf(err), registerAdvice)
	case c.isTLS && c.tls == nil:
		return fmt.Sprintf("no trusted connection to %s (%s): check url, the tls_ options, and any proxy in between", to, reasonOf(err))
	case failure.Class == wolkvox.FailedResponse:
		return fmt.Sprintf("%s responds at %s, but not with valid HTTP (%s): check url, its port, and any proxy in between", to, c.dialed, reasonOf(err))
	}
	return fmt.Sprintf("%s closes the connection without a response (%s): run the check again; if the error persists, %s", to, reasonOf(err), registerAdvice)
}

// explainCertificate describes what is wrong with the server's certificate, or returns "".
func (t *table) explainCertificate(to string, err error) string {
	const layout = "2006-01-02"
	var expired x509.CertificateInvalidError
	var otherName x509.HostnameError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &expired) && expired.Reason == x509.Expired:
		return fmt.Sprintf("the certificate of %s is valid from %s to %s, and this machine's clock shows %s: set the clock if that is wrong; "+
			"otherwise the certificate of the server or proxy must be renewed", to, expired.Cert.NotBefore.Format(layout),
			expired.Cert.NotAfter.Format(layout), t.now.Format(layout))
	case errors.As(err, &otherName):
		return fmt.Sprintf("the certificate of %s is for %s: another server responds, so check server, url and tls_server_name, this machine's DNS, "+
			"and any proxy in between", to, namesOf(otherName.Certificate))
	case errors.As(err, &unknown):
		return fmt.Sprintf("the certificate of %s is issued by %s, which this machine does not trust: if that is your own proxy, set tls_ca to its CA; "+
			"otherwise install the system's CA certificates", to, issuerOf(unknown.Cert))
	}
	return ""
}

// isProxyConnect reports whether the connection to a proxy failed.
func isProxyConnect(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "proxyconnect"
}

// explainProxy describes a failure before a proxy has made the connection.
func explainProxy(c connection, proxy string, err error) string {
	if !c.connected || isProxyConnect(err) {
		return fmt.Sprintf("no connection to the proxy %s (%s): check http_proxy_url, or the environment's HTTPS_PROXY and NO_PROXY", proxy, reasonOf(err))
	}
	return fmt.Sprintf("the proxy %s refuses the connection (%s): check its access rules, and the user and password in http_proxy_url", proxy, reasonOf(err))
}

func issuerOf(certificate *x509.Certificate) string {
	if certificate == nil {
		return "an authority"
	}
	return wolkvox.Quote(certificate.Issuer.String(), 80)
}

// reasonOf returns the innermost text of an error of net/http, at most 200 bytes.
func reasonOf(err error) string {
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		err = urlErr.Err
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return wolkvox.Bound(err.Error(), 200)
}
