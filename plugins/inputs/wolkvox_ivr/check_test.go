package wolkvox_ivr

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSample(t *testing.T) {
	for _, tt := range []struct{ name, body, expected string }{
		{"row", `{"date":"2026-01-18-19","calls":"12","agent":"Invented Name"}`, `{"date":"2026-01-18-19","calls":"12","agent":"Inv Nam"}`},
		{"list", `{"data":[{"a":1},{"a":2}],"next":null,"more":true}`, `{"data":[{"a":1}],"next":null,"more":true}`},
		{"list of lists", "[[1.50,2],[3]]", "[[1.50]]"},
		{"with a mark", byteOrderMark + `[ ]`, "[]"},
		{"control characters", `["a\u0007\nb"]`, `["a  b"]`},
		{"long text", `["` + strings.Repeat("1", 100) + `"]`, `["` + strings.Repeat("1", maxSampleText) + `"…]`},
		{"token", `{"` + testToken + `":["` + strings.ToUpper(testToken) + `"]}`, `{"<token>":["<tok>"]}`},
		{"escaped token", `["\u0069` + testToken[1:] + `"]`, `["<tok>"]`},
		{"page", "<html></html>", ""},
		{"cut short", `{"data":[{"a":`, ""},
		{"nothing", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			shown := sample([]byte(tt.body), testToken)
			require.NotContains(t, strings.ToLower(shown), strings.ToLower(testToken))
			require.Equal(t, tt.expected, shown)
		})
	}
	for _, nested := range []string{strings.Repeat("[", 4<<20), "[1," + strings.Repeat("[", 4<<20), strings.Repeat(`{"a":`, 1<<20)} {
		require.LessOrEqual(t, len(sample([]byte(nested), testToken)), maxSample+len("…"))
	}
}

func TestCheckExplainsNames(t *testing.T) {
	c := &checking{WolkvoxIVR: &WolkvoxIVR{client: &client{base: "https://wv0001.wolkvox.com", http: &http.Client{Transport: &http.Transport{}}}}}
	explain := func(err error) string {
		return c.explain(&connectionTrace{dialed: "203.0.113.5:443"},
			&url.Error{Op: "Get", URL: "https://wv0001.wolkvox.com", Err: &net.OpError{Op: "dial", Net: "tcp", Err: err}})
	}
	require.Equal(t, "the name wv0001.wolkvox.com does not exist: check server, and url if it is set",
		explain(&net.DNSError{Err: "no such host", Name: "wv0001.wolkvox.com", IsNotFound: true}))
	require.Equal(t, "the name wv0001.wolkvox.com can't be resolved (server misbehaving): check this machine's DNS",
		explain(&net.DNSError{Err: "server misbehaving", Name: "wv0001.wolkvox.com"}))
	require.Contains(t, explain(errors.New("network is unreachable")), "(network is unreachable)")
}

func TestFindQuota(t *testing.T) {
	for _, tt := range []struct {
		body     string
		expected quota
		found    bool
	}{
		{`{"data":[{"token_limit":"1000","token_use_today":"3","all_token_today":"5","available_consumption_options":"995"}]}`, quota{1000, 3, 5, 995}, true},
		{`{"data":{"token_limit":1000,"token_use_today":3,"all_token_today":5}}`, quota{1000, 3, 5, 995}, true},
		{`{"token_limit":1000.0,"token_use_today":3}`, quota{1000, 3, 3, 997}, true},
		{`{"data":[{"token_limit":"1000","available_consumption_options":"900"}]}`, quota{1000, 0, 100, 900}, true},
		{`{"data":[{"token_limit":"many"}]}`, quota{}, false},
		{`{"data":[]}`, quota{}, false},
		{`<html>`, quota{}, false},
	} {
		q, found := findQuota([]byte(tt.body))
		require.Equal(t, tt.expected, q, tt.body)
		require.Equal(t, tt.found, found, tt.body)
	}
}
