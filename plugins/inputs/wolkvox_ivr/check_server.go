package wolkvox_ivr

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"syscall"
)

// connectionTrace is how far a request's connection came.
type connectionTrace struct {
	dialed    string // address, the last one tried
	connected bool
	tls       *tls.ConnectionState // of the last handshake that succeeded
	isTLS     bool                 // a handshake was begun
}

// in returns a context that has the connection of a request noted.
func (t *connectionTrace) in(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		ConnectStart:      func(_, addr string) { t.dialed = addr },
		ConnectDone:       func(_, _ string, err error) { t.connected = t.connected || err == nil },
		TLSHandshakeStart: func() { t.isTLS = true },
		TLSHandshakeDone: func(state tls.ConnectionState, err error) {
			if err == nil {
				t.tls = &state
			}
		},
	})
}

// isMade says whether the connection to the server was ready for a request.
func (c *checking) isMade(t *connectionTrace) bool {
	return t.tls != nil || t.connected && strings.HasPrefix(c.client.base, "http:")
}

// proxyPassword returns the password of the proxy that is set, or "".
func (c *checking) proxyPassword() string {
	u, err := url.Parse(c.HTTPProxyURL)
	if err != nil || u.User == nil {
		return ""
	}
	password, _ := u.User.Password()
	return password
}

// proxy returns the proxy in use, without user and password, or "".
func (c *checking) proxy() string {
	transport := c.client.http.Transport.(*http.Transport)
	base, err := url.Parse(c.client.base)
	if err != nil || transport.Proxy == nil {
		return ""
	}
	proxy, err := transport.Proxy(&http.Request{URL: base})
	if err != nil || proxy == nil {
		return ""
	}
	return proxy.Scheme + "://" + proxy.Host
}

// host is the name of the server that is asked.
func (c *checking) host() string {
	base, err := url.Parse(c.client.base)
	if err != nil {
		return c.client.base
	}
	return base.Hostname()
}

// sayConnection tells of a connection that works.
func (c *checking) sayConnection(t *connectionTrace) {
	text := fmt.Sprintf("%s answers at %s", c.host(), t.dialed)
	if proxy := c.proxy(); proxy != "" {
		text = fmt.Sprintf("%s answers through the proxy %s", c.host(), proxy)
	}
	switch {
	case t.tls == nil:
		c.say("server", OK, "%s, over plain http, as loopback addresses may", text)
		return
	case c.InsecureSkipVerify:
		c.say("server", Warn, "%s, but its certificate is not verified, as insecure_skip_verify is set: name its CA in tls_ca instead", text)
		return
	}
	certificate := t.tls.PeerCertificates[0]
	c.say("server", OK, "%s, %s, certificate for %s until %s", text, tls.VersionName(t.tls.Version), namesOf(certificate),
		certificate.NotAfter.Format("2006-01-02"))
}

// namesOf lists the first names of a certificate.
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

// register is what to do where nothing answers: the API gives addresses that it does not know no answer (seen by clients).
const register = "wolkvox answers registered addresses only, so register this machine's public address in the operation's firewall there, " +
	"and let this machine reach it through your own firewall"

// explain says what failed on the way to an answer, and what to do about it.
func (c *checking) explain(t *connectionTrace, err error) string {
	var failure *apiError
	if errors.As(err, &failure) {
		return failure.Error()
	}
	to := c.host()
	if proxy := c.proxy(); proxy != "" {
		if text, isProxys := explainProxy(t, proxy, err); isProxys {
			return text
		}
		to += " through the proxy " + proxy
	}
	var dns *net.DNSError
	var expired x509.CertificateInvalidError
	var otherName x509.HostnameError
	var unknown x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Sprintf("the name %s does not exist: check server, and url if it is set", dns.Name)
	case errors.As(err, &dns):
		return fmt.Sprintf("the name %s can't be resolved (%s): check this machine's DNS", dns.Name, dns.Err)
	case errors.Is(err, errRedirect):
		return to + " redirects, which is not followed: check url"
	case errors.As(err, &expired) && expired.Reason == x509.Expired:
		return fmt.Sprintf("the certificate of %s is valid from %s to %s, and this machine's clock shows %s: set the clock if that is wrong; "+
			"else the server's, or a proxy's, has to be renewed", to, expired.Cert.NotBefore.Format("2006-01-02"),
			expired.Cert.NotAfter.Format("2006-01-02"), c.now.Format("2006-01-02"))
	case errors.As(err, &otherName):
		return fmt.Sprintf("the certificate of %s is for %s: another server answers, so check server, url and tls_server_name, this machine's DNS, "+
			"and any proxy in between", to, namesOf(otherName.Certificate))
	case errors.As(err, &unknown):
		return fmt.Sprintf("the certificate of %s comes from %s, which this machine does not trust: if that is your own proxy, name its CA in tls_ca; "+
			"else install the system's CA certificates", to, issuerOf(unknown.Cert))
	case errors.As(err, &record):
		return fmt.Sprintf("%s does not speak TLS at %s: check url, and its port", to, t.dialed)
	case isTimeout(err) && !t.connected:
		return fmt.Sprintf("no connection to %s at %s within %s: %s", to, t.dialed, c.client.timeout, register)
	case isTimeout(err):
		return fmt.Sprintf("%s takes connections at %s, but gives no answer within %s: %s", to, t.dialed, c.client.timeout, register)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "no connection can be made from this machine's address: check local_address"
	case !t.connected && t.dialed == "":
		return fmt.Sprintf("no connection to %s could be tried: check the proxy in http_proxy_url, HTTPS_PROXY and NO_PROXY", to)
	case !t.connected:
		return fmt.Sprintf("no connection to %s at %s (%s): check server and url; %s", to, t.dialed, reasonOf(err), register)
	case t.isTLS && t.tls == nil:
		return fmt.Sprintf("no trusted connection to %s (%s): check url, the tls_ options, and any proxy in between", to, reasonOf(err))
	}
	var broken *net.OpError
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, &broken) {
		return fmt.Sprintf("%s answers at %s, but not in proper HTTP (%s): check url, its port, and any proxy in between", to, t.dialed, reasonOf(err))
	}
	return fmt.Sprintf("%s closes the connection without an answer (%s): try again; if it stays so, %s", to, reasonOf(err), register)
}

// explainProxy says what failed before a proxy had made the connection.
func explainProxy(t *connectionTrace, proxy string, err error) (text string, isProxys bool) {
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "proxyconnect", !t.connected:
		return fmt.Sprintf("no connection to the proxy %s (%s): check http_proxy_url, or the environment's HTTPS_PROXY and NO_PROXY",
			proxy, reasonOf(err)), true
	case !t.isTLS && !isTimeout(err):
		return fmt.Sprintf("the proxy %s makes no connection (%s): check its access rules, and the user and password in http_proxy_url",
			proxy, reasonOf(err)), true
	}
	return "", false
}

func issuerOf(certificate *x509.Certificate) string {
	if certificate == nil {
		return "an authority"
	}
	return quote(certificate.Issuer.String(), 80)
}

// reasonOf returns the innermost words of an error in getting an answer, bounded.
func reasonOf(err error) string {
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		err = urlErr.Err
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return bound(err.Error(), maxSaid)
}
