package wolkvox_ivr

import (
	"math"
	"sync"
	"time"
)

const (
	// leastInterval is how often the API may be used (vendor documentation: one consumption every 5 minutes).
	leastInterval = 5 * time.Minute
	// quotaPerLicence is how many calls a day an operation has for each of its licences (vendor documentation).
	quotaPerLicence = 1000
	// measuredDistances is how many distances between gathers make a mean that jitter doesn't change much.
	measuredDistances = 12
)

// intervals knows how often each operation is gathered, to warn once about what that makes of the quota.
var intervals = &intervalBook{of: make(map[*WolkvoxIVR]time.Duration)}

type intervalBook struct {
	mu   sync.Mutex
	of   map[*WolkvoxIVR]time.Duration
	said bool
}

func (b *intervalBook) join(w *WolkvoxIVR) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.of[w] = time.Duration(w.Interval)
	if w.Interval <= 0 {
		b.of[w] = leastInterval
	}
}

func (b *intervalBook) leave(w *WolkvoxIVR) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.of, w)
	if len(b.of) == 0 {
		b.said = false
	}
}

// set notes the interval of w. It returns how many operations are gathered too often, of how many, and the most requests
// a day that one of them makes; or zeros if there are none or they were returned before.
func (b *intervalBook) set(w *WolkvoxIVR, interval time.Duration) (often, all, requests int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.of[w] = interval
	if b.said || interval >= leastInterval {
		return 0, 0, 0
	}
	b.said = true

	perDay := make(map[string]float64, len(b.of))
	shortest := make(map[string]time.Duration, len(b.of))
	for instance, interval := range b.of {
		id := instance.ID()
		perDay[id] += float64(24*time.Hour) / float64(interval)
		if known, found := shortest[id]; !found || interval < known {
			shortest[id] = interval
		}
	}
	for id, interval := range shortest {
		if interval < leastInterval {
			often++
			requests = max(requests, int(math.Ceil(perDay[id])))
		}
	}
	return often, len(perDay), requests
}

// gatherInterval returns the time that a gather has. Where the plugin's table sets no interval it is measured, since
// Telegraf doesn't tell its own.
func (w *WolkvoxIVR) gatherInterval(now time.Time) time.Duration {
	if w.Interval > 0 {
		return time.Duration(w.Interval)
	}
	last := w.lastGather
	w.lastGather = now
	if last.IsZero() || !now.After(last) {
		return leastInterval
	}
	// Jitter makes single distances short, and so is the first one after a start, until a round time. Their mean tells.
	if w.distances++; w.distances == 1 {
		w.measuredFrom = now
	}
	if w.distances > measuredDistances {
		if mean := now.Sub(w.measuredFrom) / measuredDistances; mean < leastInterval*9/10 {
			w.sayInterval(mean.Round(time.Second))
		}
		w.distances = 0
	}
	return min(now.Sub(last), leastInterval)
}

func (w *WolkvoxIVR) sayInterval(interval time.Duration) {
	if interval <= 0 {
		return
	}
	if often, all, requests := intervals.set(w, interval); often > 0 {
		w.Log.Warnf("%d of %d operation(s) are gathered more often than every %s, which wolkvox asks for: up to %d requests a day each, "+
			"for which the daily quota of %d calls a licence, shared by all tokens of an operation, lasts with %d licence(s) or more",
			often, all, leastInterval, requests, quotaPerLicence, (requests+quotaPerLicence-1)/quotaPerLicence)
	}
}
