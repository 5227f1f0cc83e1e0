package check

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/plugins/common/wolkvox"
)

//promise:check
func TestNamesThatCannotBeResolved(t *testing.T) {
	checked := &table{client: &wolkvox.Client{URL: "https://wv0001.wolkvox.com", HTTP: &http.Client{Transport: &http.Transport{}}}}
	explain := func(err error) string {
		cause := &url.Error{Op: "Get", URL: "https://wv0001.wolkvox.com", Err: &net.OpError{Op: "dial", Net: "tcp", Err: err}}
		return checked.explain(connection{dialed: "203.0.113.5:443"}, &wolkvox.Failure{Class: wolkvox.FailedConnection, Cause: cause})
	}
	require.Equal(t, "the name wv0001.wolkvox.com does not exist: check server, and url if it is set",
		explain(&net.DNSError{Err: "no such host", Name: "wv0001.wolkvox.com", IsNotFound: true}))
	require.Equal(t, "the name wv0001.wolkvox.com can't be resolved (server misbehaving): check this machine's DNS",
		explain(&net.DNSError{Err: "server misbehaving", Name: "wv0001.wolkvox.com"}))
	require.Contains(t, explain(errors.New("network is unreachable")), "(network is unreachable)")
}
