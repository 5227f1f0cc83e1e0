package testbed

import (
	"sync/atomic"
	"time"
)

// Clock is a clock for plugins and the simulator that only moves when told to. Pauses take no time.
type Clock struct{ nanoseconds atomic.Int64 }

// NewClock returns a clock that shows now.
func NewClock(now time.Time) *Clock {
	c := &Clock{}
	c.nanoseconds.Store(now.UnixNano())
	return c
}

// Now implements wolkvox_ivr.Clock.
func (c *Clock) Now() time.Time { return time.Unix(0, c.nanoseconds.Load()) }

// Forward sets the clock forward.
func (c *Clock) Forward(d time.Duration) { c.nanoseconds.Add(int64(d)) }

// After implements wolkvox_ivr.Clock.
func (c *Clock) After(time.Duration) <-chan time.Time {
	over := make(chan time.Time, 1)
	over <- c.Now()
	return over
}
