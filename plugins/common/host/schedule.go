package host

import (
	"math/rand/v2"
	"time"
)

// schedule says when an input gathers without being prompted, as Telegraf's agent does: every interval, at multiples of
// the interval if aligned, shifted by offset and delayed by a random part of jitter. Unlike the agent, it skips
// intervals that were slept through, and a clock that is set back delays nothing.
type schedule struct {
	interval, jitter, offset time.Duration
	aligned                  bool

	slot time.Time // the tick that next last returned, without jitter
}

// start starts the schedule at now, and returns how long to wait for the first tick. The caller does the gather at the
// start.
func (s *schedule) start(now time.Time) time.Duration {
	s.slot = now.Add(s.offset)
	if s.aligned {
		s.slot = s.align(now).Add(-s.interval)
	}
	return s.next(now)
}

// next advances to the next tick, and returns how long to wait for it.
func (s *schedule) next(now time.Time) time.Duration {
	s.slot = s.slot.Add(s.interval)
	if wait := s.slot.Sub(now); wait < 0 || wait > s.interval+s.offset {
		s.slot = now.Add(s.interval)
		if s.aligned {
			s.slot = s.align(now)
		}
	}
	wait := s.slot.Sub(now)
	if s.jitter > 0 {
		wait += rand.N(s.jitter)
	}
	return wait
}

// align returns the first slot after now. It skips a slot that is nearer than a hundredth of the interval, as Telegraf
// does, because a timer may fire a little early.
func (s *schedule) align(now time.Time) time.Time {
	now = now.Add(s.interval/100 - s.offset)
	return now.Truncate(s.interval).Add(s.interval).Add(s.offset)
}
