package wolkvox

import (
	"context"
	"crypto/tls"
	"net/http/httptrace"
	"time"
)

// semaphore limits how many requests of this process do something at a time, because each takes memory. Its capacity is the limit.
type semaphore chan struct{}

// acquire waits for a slot. It returns false if ctx ends first.
func (s semaphore) acquire(ctx context.Context) bool {
	select {
	case s <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s semaphore) release() { <-s }

// HandshakeTimeout is the TLS handshake timeout that the HTTP transport should set, including the wait for a slot. It is needed because
// net/http continues handshakes after the request has ended.
const HandshakeTimeout = 10 * time.Second

// handshakes limits concurrent TLS handshakes. A server's certificates may take 256 KiB.
var handshakes = make(semaphore, 64)

// limitHandshakes returns a context in which a request's TLS handshakes, with proxy and server, wait for a slot.
func limitHandshakes(ctx context.Context) context.Context {
	slots, isHeld := handshakes, false
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		TLSHandshakeStart: func() { isHeld = slots.acquire(ctx) },
		TLSHandshakeDone: func(tls.ConnectionState, error) {
			if isHeld {
				slots.release()
			}
		},
	})
}
