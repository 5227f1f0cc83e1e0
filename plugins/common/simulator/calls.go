package simulator

import (
	"iter"
	"math"
	"math/rand/v2"
	"time"
)

// LongestCall is the maximum length of a call. An hour's figures are final this long after its end.
const LongestCall = 40 * time.Minute

// A call's length is a whole number of thousandths of a minute, so that sums are exact however a window is split.
const (
	thousandth   = time.Minute / 1000
	shortestCall = 3 * time.Second / thousandth
	medianCall   = 1.6 // minutes
	callSpread   = 0.95
)

// logMedian is the logarithm of the median length. Lengths are log-normal, with a mean of about 2.5 minutes.
var logMedian = math.Log(medianCall)

// endOfTime is later than the end of any call.
var endOfTime = time.Date(292277, 1, 1, 0, 0, 0, 0, time.UTC)

// The shape of a week: the relative number of calls by hour of the day and by weekday, at most 1. Nights are quiet
// enough to have hours without calls.
var (
	byHour = [24]float64{
		0.012, 0.007, 0.005, 0.005, 0.007, 0.020, 0.110, 0.420, 0.760, 0.940, 1.000, 0.930,
		0.720, 0.640, 0.830, 0.910, 0.860, 0.700, 0.450, 0.260, 0.150, 0.080, 0.040, 0.020,
	}
	byWeekday = [7]float64{0.12, 1.00, 0.95, 0.92, 0.93, 0.97, 0.45}
)

// call is one call of an hour.
type call struct {
	begin  time.Duration // since the hour's start
	length time.Duration
}

// calls yields the calls that began in the hour, in order. They are a Poisson process, so the gaps between them are
// exponential. The random numbers follow from the seed, the operation and the hour, so the same hour always has the
// same calls.
func (o *operation) calls(h hour) iter.Seq[call] {
	return func(yield func(call) bool) {
		rng := rand.New(rand.NewPCG(o.key, splitMix64(uint64(h.start.Unix()))))
		mean := o.PeakCalls * byHour[h.wall.Hour()] * byWeekday[h.wall.Weekday()]
		gap := float64(time.Hour) / mean
		for at := gap * rng.ExpFloat64(); at < float64(h.length); at += gap * rng.ExpFloat64() {
			minutes := math.Exp(logMedian + callSpread*rng.NormFloat64())
			thousandths := min(max(time.Duration(minutes*1000), shortestCall), LongestCall/thousandth)
			c := call{begin: time.Duration(at), length: thousandths * thousandth}
			if h.start.Add(c.begin).Before(o.Since) {
				continue
			}
			if !yield(c) {
				return
			}
		}
	}
}

// sum is the number and the total length of calls.
type sum struct {
	calls  int64
	length time.Duration
}

func (s *sum) add(other sum) {
	s.calls += other.calls
	s.length += other.length
}

func (s sum) figures() Figures {
	return Figures{Calls: s.calls, Minutes: float64(s.length/thousandth) / 1000}
}

// tally sums the hour's calls that have ended by now.
func (o *operation) tally(h hour, now time.Time) sum {
	return o.tallyWithin(h, 0, h.length, now)
}

// tallyWithin sums the hour's calls that began in [from, to) after its start and have ended by now.
func (o *operation) tallyWithin(h hour, from, to time.Duration, now time.Time) sum {
	var s sum
	if !h.start.Before(now) || !h.end().After(o.Since) {
		return s
	}
	elapsed := now.Sub(h.start)
	for c := range o.calls(h) {
		if c.begin >= to || c.begin >= elapsed {
			break
		}
		if c.begin >= from && c.begin+c.length <= elapsed {
			s.add(sum{1, c.length})
		}
	}
	return s
}

// splitMix64 returns a hash of x, so that the calls of neighboring hours and seeds are unrelated.
func splitMix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
