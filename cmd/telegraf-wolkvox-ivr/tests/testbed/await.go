package testbed

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Patience is how long a test waits for what has to come. Only failures take so long.
const Patience = 90 * time.Second

// Await waits for a condition.
func Await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Patience); ; {
		asked := time.Now()
		if condition() {
			return
		}
		require.True(t, time.Now().Before(deadline), "waited %s for %s", Patience, what)
		time.Sleep(max(20*time.Millisecond, 3*time.Since(asked))) // or asking what takes long would hold up what is waited for
	}
}

// AwaitClosed waits for a channel to be closed.
func AwaitClosed(t *testing.T, what string, closed <-chan struct{}) {
	t.Helper()
	select {
	case <-closed:
	case <-time.After(Patience):
		require.FailNow(t, "waited too long", "%s for %s", Patience, what)
	}
}
