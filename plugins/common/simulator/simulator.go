// Package simulator is a wolkvox server for tests and demonstrations: it answers the report "1.2. IVR calls and minutes by time"
// (api=diagram_1_2) for any number of operations, enforces the API's rules, and misbehaves on demand.
//
// Calls arrive by a seeded random process. A call belongs to the hour of the operation's clock in which it began and counts once it has
// ended, so a running hour grows and an ended hour settles for up to LongestCall. Everything follows from the seed, the operation and the
// hour alone: any window of any year can be asked for, nothing is stored, and Truth tells what an hour's figures will finally be.
package simulator

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
	_ "time/tzdata" // zones must load in an empty container too
)

// Options of a simulator.
type Options struct {
	Seed       uint64           // every figure and every drawn fault and latency follows from it
	Now        func() time.Time // the simulated clock; default time.Now
	Operations []Operation      // more can be added at run time
}

// Figures of one hour, as the report gives them. Minutes have three decimals and compare equal to the parsed answer.
type Figures struct {
	Calls   int64
	Minutes float64
}

// Simulator is an http.Handler that behaves as the servers of all its operations. Its methods may be called at any time from any
// goroutine. Those that take a token panic when no operation has it: that is a mistake in the caller, which must not pass silently.
type Simulator struct {
	seed   uint64
	ledger ledger

	mu         sync.RWMutex
	now        func() time.Time
	operations map[string]*operation // by token
	servers    map[string]bool
	latency    [2]time.Duration

	chance    sync.Mutex // guards what follows
	dice      *rand.Rand
	failures  failures
	perToken  map[*operation]*failures
	dripPause time.Duration
}

// New checks the operations and makes a simulator of them; see Operation for what is wrong with one.
func New(options Options) (*Simulator, error) {
	s := &Simulator{
		seed:       options.Seed,
		now:        options.Now,
		operations: make(map[string]*operation, len(options.Operations)),
		servers:    make(map[string]bool),
		dice:       rand.New(rand.NewPCG(scatter(options.Seed), 0)),
		perToken:   make(map[*operation]*failures),
		dripPause:  250 * time.Millisecond,
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

// Add puts one more operation into service. It fails when a field is wrong or when another operation has the same token.
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

// SetForm changes how the operation's answers look from now on. It panics when the form is wrong.
func (s *Simulator) SetForm(token string, form Form) {
	if err := form.check(); err != nil {
		panic("simulator: " + err.Error())
	}
	s.operation(token).form.Store(&form)
}

// SetToken replaces an operation's token: its calls, quota, scripts and form stay, and the old token becomes invalid.
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

// SetLatency makes every request that is not refused wait between least and most, in real time, before its answer starts.
func (s *Simulator) SetLatency(least, most time.Duration) {
	if least < 0 || most < least {
		panic("simulator: a latency must not be negative nor end before it starts")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency = [2]time.Duration{least, most}
}

// Truth returns the figures of the hour of the operation's clock that contains the instant, as they will be once all its calls have
// ended. Where daylight saving repeats an hour, each of the two has figures of its own, so truths always add up; a report with
// RepeatedHour "once" shows their sum.
func (s *Simulator) Truth(token string, hour time.Time) Figures {
	o := s.operation(token)
	return o.tally(hourAt(hour.In(o.zone)), everEnded).figures()
}

// At returns what Truth does, but as visible at now: counting only the calls that have ended by then.
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
