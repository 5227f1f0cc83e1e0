package simulator

import (
	"sync"
	"time"
)

// LedgerSize is the maximum number of requests in the ledger. Older requests are dropped.
const LedgerSize = 100_000

// Request is the ledger's record of a request.
type Request struct {
	Start, End       time.Time // real time, from arrival to the last bytes of the response; End is zero until then
	SimStart, SimEnd time.Time // the same by the simulated clock; the response shows figures as visible at SimStart
	Server           string    // digits; empty if neither path nor host names one
	Token            string    // as sent, valid or not
	API              string    // as sent, e.g. "diagram_1_2"
	From, To         time.Time // the window in the operation's zone, including the second To; zero if there is no valid window
	Query            string    // as sent
	UserAgent        string
	Status           int   // HTTP status of the response; 0 if there is none, or none yet
	InFlight         int   // requests of this token in flight at its start, including this one; 0 if the token is invalid
	Fault            Fault // the fault that was applied; empty if none
}

// ledger stores the latest requests, as a ring once it is full.
type ledger struct {
	mu      sync.Mutex
	entries []*Request
	oldest  int
}

// Ledger returns the latest requests in the order of their arrival, up to LedgerSize. A client that has read a whole
// response finds that request complete.
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

// ResetLedger removes all requests.
func (s *Simulator) ResetLedger() {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	s.ledger.entries, s.ledger.oldest = nil, 0
}

// add adds a request. It may only be changed through update afterwards.
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

// update changes an entry while holding the lock.
func (l *ledger) update(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}
