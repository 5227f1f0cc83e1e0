package simulator

import (
	"sync"
	"time"
)

// LedgerSize is how many requests the ledger remembers; older ones are forgotten.
const LedgerSize = 100_000

// Request is what the ledger notes of one request.
type Request struct {
	Start, End       time.Time // real time, from arrival to the last bytes of the answer; End is zero while it is being answered
	SimStart, SimEnd time.Time // the same by the simulated clock; the answer shows figures as visible at SimStart
	Server           string    // digits; empty when neither path nor host name one
	Token            string    // as sent, valid or not
	API              string    // as sent, e.g. "diagram_1_2"
	From, To         time.Time // the window in the operation's zone, To being the last second included; zero when there is no valid one
	Query            string    // as sent
	UserAgent        string
	Status           int   // HTTP status answered; 0 when none was, as yet or at all
	InFlight         int   // requests of this token in flight at its start, itself included; 0 when the token is not valid
	Fault            Fault // the fault it met; empty when it was answered by the rules
}

// ledger keeps the latest requests, as a ring once it is full.
type ledger struct {
	mu      sync.Mutex
	entries []*Request
	oldest  int
}

// Ledger returns the latest requests in the order of their arrival, up to LedgerSize. A client that has read an answer to its end finds
// that request complete.
func (s *Simulator) Ledger() []Request {
	l := &s.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	requests := make([]Request, len(l.entries))
	for i := range requests {
		requests[i] = *l.entries[(l.oldest+i)%len(l.entries)]
	}
	return requests
}

// ResetLedger forgets all requests.
func (s *Simulator) ResetLedger() {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	s.ledger.entries, s.ledger.oldest = nil, 0
}

// add enters a request, which may be changed through note afterwards.
func (l *ledger) add(r *Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.entries) < LedgerSize {
		l.entries = append(l.entries, r)
		return
	}
	l.entries[l.oldest] = r
	l.oldest = (l.oldest + 1) % LedgerSize
}

// note makes a change to an entry.
func (l *ledger) note(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}
