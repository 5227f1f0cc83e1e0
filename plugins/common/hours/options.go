package hours

import "time"

// Mode selects which readings are sent.
type Mode int

// The modes, as the option `hours` names them.
const (
	All   Mode = iota // every reading, the running hour included
	Ended             // every reading, without the running hour
	Final             // each hour once, when it is final
)

// Options are the user's, as far as they decide about hours.
type Options struct {
	Calendar Calendar
	Lookback time.Duration // how long after its end an hour may still change
	Backfill time.Duration // how much history before the first start is wanted
	Mode     Mode
	Zeros    bool   // credible silence is sent as 0 calls
	Between  bool   // requests for history are made between gathers, so that each gather is for the live window
	Reread   string // the option of that name: a new value has RereadDays read again
	// RereadDays are whole local days. They are read again once they lie below the watermark.
	RereadDays Window
}

// leastMargin is how long rows may be on their way to an output, where lookback is not longer.
const leastMargin = time.Hour

// margin is how long rows that were written may need to reach the output's database.
func (o *Options) margin() time.Duration { return max(o.Lookback, leastMargin) }
