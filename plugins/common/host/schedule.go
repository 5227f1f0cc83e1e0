package host

import (
	"math/rand/v2"
	"time"
)

// schedule says when an input gathers by itself, as Telegraf's agent does: every interval, on whole intervals of the
// clock if aligned, shifted by offset, each time a random part of jitter later. It differs where the clock jumps:
// intervals that were slept through are skipped instead of made up for, and a clock set back delays nothing.
type schedule struct {
	interval, jitter, offset time.Duration
	aligned                  bool

	slot time.Time // of the last tick, without jitter
}

// start begins the schedule at now, and returns how long to wait for the first tick. The gather at the start itself is
// the caller's.
func (s *schedule) start(now time.Time) time.Duration {
	s.slot = now.Add(s.offset)
	if s.aligned {
		s.slot = s.align(now).Add(-s.interval)
	}
	return s.next(now)
}

// next moves on by one tick, and returns how long to wait for it.
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

// align returns the first slot after now. One that is nearer than a hundredth of the interval is skipped, as Telegraf
// does, since a timer may fire a little early.
func (s *schedule) align(now time.Time) time.Time {
	now = now.Add(s.interval/100 - s.offset)
	return now.Truncate(s.interval).Add(s.interval).Add(s.offset)
}
