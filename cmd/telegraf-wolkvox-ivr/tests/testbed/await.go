package testbed

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Timeout is how long a test waits for a condition. Only failing tests wait that long.
const Timeout = 90 * time.Second

// Await waits for a condition.
func Await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Timeout); ; {
		begin := time.Now()
		if condition() {
			return
		}
		require.True(t, time.Now().Before(deadline), "waited %s for %s", Timeout, what)
		time.Sleep(max(20*time.Millisecond, 3*time.Since(begin))) // a slow condition must not hold up what it waits for
	}
}

// AwaitClosed waits for a channel to be closed.
func AwaitClosed(t *testing.T, what string, closed <-chan struct{}) {
	t.Helper()
	select {
	case <-closed:
	case <-time.After(Timeout):
		require.FailNow(t, "waited too long", "%s for %s", Timeout, what)
	}
}
