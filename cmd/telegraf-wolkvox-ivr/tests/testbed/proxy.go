package testbed

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// Proxy connects every request to the same address, except requests for hosts that begin with "forbidden.".
type Proxy struct{ To string }

func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.Host, "forbidden.") {
		raw, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			login, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(r.Header.Get("Proxy-Authorization"), "Basic "))
			fmt.Fprintf(raw, "HTTP/1.1 407 not \x1b[31m %s %v\r\n\r\n", login, err)
			raw.Close()
		}
		return
	}
	upstream, err := net.Dial("tcp", p.To)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer upstream.Close()
	downstream, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer downstream.Close()
	_, _ = io.WriteString(downstream, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() {
		_, _ = io.Copy(upstream, downstream)
		_ = upstream.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(downstream, upstream)
}
