package wolkvox

import (
	"context"
	"crypto/tls"
	"net/http/httptrace"
	"time"
)

// turns bound how many requests of this process do something at a time, as each takes memory.
type turns chan struct{}

// take waits for a turn. It returns false if the context ends before.
func (t turns) take(ctx context.Context) bool {
	select {
	case t <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (t turns) giveBack() { <-t }

// HandshakeTimeout is what HTTP's transport should give a TLS handshake, from when it could begin: net/http goes on with it when the request
// is over.
const HandshakeTimeout = 10 * time.Second

// handshakes are those of TLS under way. A server's certificates may take 256 KiB.
var handshakes = make(turns, 64)

// limitHandshakes returns a context in which the TLS handshakes of a request, with a proxy and the server, wait for their turns.
func limitHandshakes(ctx context.Context) context.Context {
	turns, hasTurn := handshakes, false
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		TLSHandshakeStart: func() { hasTurn = turns.take(ctx) },
		TLSHandshakeDone: func(tls.ConnectionState, error) {
			if hasTurn {
				turns.giveBack()
			}
		},
	})
}
