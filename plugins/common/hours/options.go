package hours

import "time"

// Mode selects which readings to send.
type Mode int

// The modes, named after the values of the option `hours`.
const (
	All   Mode = iota // every reading, including the current hour
	Ended             // every reading except the current hour
	Final             // each hour once, when final
)

// Options are the user options that decide which hours to request and send.
type Options struct {
	Calendar              Calendar
	Lookback              time.Duration // how long after its end an hour may still change
	Backfill              time.Duration // how much history to read from before the first start
	Mode                  Mode
	SendZeros             bool   // send credible silence as 0 calls
	HistoryBetweenGathers bool   // request history between gathers, so every gather covers the live window
	Reread                string // option `reread`: whenever it changes, RereadDays are reread
	// RereadDays are whole local days. They are reread once they are below the watermark.
	RereadDays Window
}

// minMargin is the least time that rows are given to reach an output's database.
const minMargin = time.Hour

// margin returns how long rows may take to reach an output's database.
func (o *Options) margin() time.Duration { return max(o.Lookback, minMargin) }
