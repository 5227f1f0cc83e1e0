package wolkvox_ivr

import (
	"encoding/json"
	"fmt"
	"time"
)

// state is a ledger as it is saved.
type state struct {
	ledger
	before *progress // the state of the version before, if that is what was saved
}

// progress is the state of version 1, which kept instants in place of hours.
type progress struct {
	Covered time.Time `json:"covered"` // when the latest hours were last read; those up to `lookback` before are final
	Since   time.Time `json:"since"`   // the earliest hour that was ever to be read
	First   time.Time `json:"first"`   // the earliest hour known to be in the API's history
	Backlog []window  `json:"backlog"` // hours since then that are still to be read
	Recent  []reading `json:"recent"`  // history handed on so shortly ago that it may not have been flushed
}

// UnmarshalJSON reads a saved state of this version or the one before.
func (s *state) UnmarshalJSON(content []byte) error {
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(content, &version); err != nil {
		return err
	}
	switch version.Version {
	case 1:
		s.before = &progress{}
		s.ledger = newLedger()
		s.Clean = false
		return json.Unmarshal(content, s.before)
	case ledgerVersion:
		return json.Unmarshal(content, &s.ledger)
	}
	return fmt.Errorf("state has version %d, where this version of the plugin reads 1 and %d", version.Version, ledgerVersion)
}

// carryOver returns the ledger that says what the state of version 1 said. What was read lately is read again.
func (s scope) carryOver(p *progress) ledger {
	l := newLedger()
	if p.Covered.IsZero() {
		return l
	}
	l.Timezone = s.location.String()
	// Version 1 went no further back either for what was missed, and Since may be that of a backfill withdrawn.
	since := later(p.Since, p.Covered.AddDate(-1, 0, -1))
	l.Started = earlier(since.Add(max(s.lookback, s.backfill)), p.Covered)
	l.First, l.FirstSeen, l.Seen, l.Confirmed = s.floor(p.First), p.Covered, p.Covered, true
	l.Final = add(nil, window{s.floor(p.Since), s.floor(p.Covered.Add(-s.lookback - s.margin() - time.Hour))})
	for _, w := range p.Backlog {
		l.Final = remove(l.Final, s.whole(w))
	}
	for _, r := range p.Recent {
		l.Final = remove(l.Final, s.whole(r.window))
	}
	return l
}
