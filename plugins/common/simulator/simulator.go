// Package simulator is a wolkvox server for tests and demonstrations. It serves the report "1.2. IVR calls and minutes
// by time" (api=diagram_1_2) for any number of operations, enforces the API's rules, and fails on demand.
//
// Calls arrive at random from a seed. A call belongs to the hour of the operation's clock in which it began, and counts
// once it has ended. So the current hour grows, and an hour is final LongestCall after its end. Figures depend only on
// the seed, the operation and the hour: any window of any year can be requested, nothing is stored, and Truth returns
// the final figures of an hour.
package simulator

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
	_ "time/tzdata" // time zones must load even in an empty container
)

// Options are the options of a simulator.
type Options struct {
	Seed       uint64           // determines all figures, and all random faults and latencies
	Now        func() time.Time // the simulated clock; default time.Now
	Operations []Operation      // see Add for adding more later
}

// Figures are the figures of one hour in the report. Minutes have three decimals, and are equal to the parsed response.
type Figures struct {
	Calls   int64
	Minutes float64
}

// Simulator is an http.Handler that behaves as the servers of all its operations. Its methods may be called at any time
// from any goroutine. Methods with a token panic if no operation has it, because that is a mistake of the caller.
type Simulator struct {
	seed   uint64
	ledger ledger

	mu         sync.RWMutex
	now        func() time.Time
	operations map[string]*operation // by token
	servers    map[string]bool
	latency    [2]time.Duration

	faultMu             sync.Mutex // guards the fields below
	rng                 *rand.Rand
	failures            failures
	failuresByOperation map[*operation]*failures
	dripPause           time.Duration
}

// New returns a simulator with the given operations. It returns an error if Add does for one of them.
func New(options Options) (*Simulator, error) {
	s := &Simulator{
		seed:                options.Seed,
		now:                 options.Now,
		operations:          make(map[string]*operation, len(options.Operations)),
		servers:             make(map[string]bool),
		rng:                 rand.New(rand.NewPCG(splitMix64(options.Seed), 0)),
		failuresByOperation: make(map[*operation]*failures),
		dripPause:           250 * time.Millisecond,
	}
	if s.now == nil {
		s.now = time.Now
	}
	for _, o := range options.Operations {
		if err := s.Add(o); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Add adds an operation. It returns an error if a field is invalid or if another operation has the same token.
func (s *Simulator) Add(o Operation) error {
	added, err := newOperation(s.seed, o)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.operations[o.Token] != nil {
		return fmt.Errorf("operation of server %q: another operation has the same token", o.Server)
	}
	s.operations[o.Token] = added
	s.servers[o.Server] = true
	return nil
}

// SetForm changes the form of the operation's responses. It panics if the form is invalid.
func (s *Simulator) SetForm(token string, form Form) {
	if err := form.check(); err != nil {
		panic("simulator: " + err.Error())
	}
	s.operation(token).form.Store(&form)
}

// SetToken replaces an operation's token, and makes the old one invalid. Calls, quota, scripts and form stay. It panics
// if the new token is empty or in use.
func (s *Simulator) SetToken(old, replacement string) {
	o := s.operation(old)
	s.mu.Lock()
	defer s.mu.Unlock()
	if replacement == "" || s.operations[replacement] != nil {
		panic("simulator: the new token is empty or in use")
	}
	delete(s.operations, old)
	s.operations[replacement] = o
	o.mu.Lock()
	defer o.mu.Unlock()
	o.usedByToken = 0
}

// SetClock replaces the simulated clock.
func (s *Simulator) SetClock(now func() time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = now
}

// SetLatency delays the response to every request that is not refused by a random time between least and most, in real
// time. It panics if they are invalid.
func (s *Simulator) SetLatency(least, most time.Duration) {
	if least < 0 || most < least {
		panic("simulator: a latency must not be negative or end before it starts")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency = [2]time.Duration{least, most}
}

// Truth returns the final figures of the hour of the operation's clock that contains the instant. If daylight saving
// time repeats an hour, each of the two has its own figures, so truths always add up. A report with RepeatedHour "once"
// shows their sum.
func (s *Simulator) Truth(token string, hour time.Time) Figures {
	o := s.operation(token)
	return o.tally(hourAt(hour.In(o.zone)), endOfTime).figures()
}

// At is like Truth, but counts only the calls that have ended by now.
func (s *Simulator) At(token string, hour, now time.Time) Figures {
	o := s.operation(token)
	return o.tally(hourAt(hour.In(o.zone)), now).figures()
}

// Now returns the simulated time.
func (s *Simulator) Now() time.Time {
	s.mu.RLock()
	now := s.now
	s.mu.RUnlock()
	return now()
}

func (s *Simulator) operation(token string) *operation {
	o := s.lookup(token)
	if o == nil {
		panic(fmt.Sprintf("simulator: no operation has the token %q", token))
	}
	return o
}

func (s *Simulator) lookup(token string) *operation {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.operations[token]
}

func (s *Simulator) hasServer(server string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.servers[server]
}
