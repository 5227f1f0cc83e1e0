package hours

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	showAll = flag.Bool("sim.show", false, "log the result of each simulation")
	update  = flag.Bool("update", false, "rewrite testdata/simulations.txt")
)

// simAPI is a misbehaving API. Its times are hours on the local clock, or instants.
type simAPI struct {
	name         string
	days         int    // of the simulation
	whyNotSeldom string // why it needs a gather every 5 minutes, so the variant "seldom" is skipped
	backfill     int    // hours

	calls    func(a *simAPI, h Hour) int64                                       // true total of an hour
	shown    func(a *simAPI, h Hour, now time.Time) (calls int64, isListed bool) // what the report shows for it
	window   func(a *simAPI, w Window, now time.Time) (isFailed, isEmpty bool)   // whether a request for a window fails, or the response is empty
	rows     func(a *simAPI, w Window, hours []Hour, now time.Time) []Hour       // which of the rows the response contains
	skew     func(since float64) float64                                         // how far the local clock is ahead, in hours; the API doesn't send its time
	keeps    time.Duration                                                       // retention: older hours are gone; 0 keeps all
	isPoison func(h Hour) bool                                                   // windows that contain such an hour always fail

	calendar Calendar
	first    Hour // first element of hours
	hours    []simHour
	begin    time.Time
	random   *rand.Rand
	last     time.Time // time of the last request
	requests int
}

const simNow = Hour(24*20000 + 13)

func (a *simAPI) at(now time.Time) Hour { return a.calendar.HourAt(now) }

// since returns the hours since the simulation began.
func (a *simAPI) since(now time.Time) float64 { return now.Sub(a.begin).Hours() }

// ago returns the instant that many hours before now.
func ago(now time.Time, hours float64) time.Time {
	return now.Add(-time.Duration(hours * float64(time.Hour)))
}

// simHour caches the fixed properties of an hour.
type simHour struct {
	isKnown bool
	start   time.Time
	total   int64 // calls
}

// hour returns the properties of an hour. An hour that the clock skips has no calls.
func (a *simAPI) hour(h Hour) *simHour {
	known := &a.hours[h-a.first]
	if !known.isKnown {
		t := h.clock()
		*known = simHour{isKnown: true, start: time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), 0, 0, 0, a.calendar.Location)}
		if len(a.calendar.Starts(h)) > 0 {
			known.total = a.calls(a, h)
		}
	}
	return known
}

func (a *simAPI) start(h Hour) time.Time { return a.hour(h).start }

func (a *simAPI) total(h Hour) int64 { return a.hour(h).total }

// grown returns how many calls of an hour have ended by now. The last ones end an hour and a half after the hour.
func (a *simAPI) grown(h Hour, now time.Time) int64 {
	const whole = 150 * time.Minute
	known := a.hour(h)
	return known.total * int64(min(max(now.Sub(known.start), 0), whole)) / int64(whole)
}

func (a *simAPI) isKept(h Hour, now time.Time) bool {
	return a.keeps == 0 || !a.start(h).Before(now.Add(-a.keeps))
}

// respond returns the response to a request, nil if it fails.
func (a *simAPI) respond(w Window, now time.Time) *Response {
	defer func() { a.last = now }()
	a.requests++
	response := NewResponse(w)
	if a.window != nil {
		if isFailed, isEmpty := a.window(a, w, now); isFailed {
			return nil
		} else if isEmpty {
			return response
		}
	}
	hours, figures := make([]Hour, 0, w.Hours()), make([]int64, w.Hours())
	for h := w.From; h < w.To; h++ {
		if a.isPoison != nil && a.isPoison(h) {
			return nil
		}
		if !a.isKept(h, now) || a.start(h).After(now) {
			continue
		}
		calls, isListed := a.grown(h, now), false
		if a.shown != nil {
			calls, isListed = a.shown(a, h, now)
		}
		if calls > 0 || isListed {
			hours, figures[h-w.From] = append(hours, h), calls
		}
	}
	if a.rows != nil {
		hours = a.rows(a, w, hours, now)
	}
	for _, h := range hours {
		calls := figures[h-w.From]
		response.At(h).Reading = Reading{Rows: 1, First: Figures{calls, float64(calls) / 4}}
	}
	return response
}

// The true calls.

func dice(h Hour, below int64) int64 {
	return int64((uint64(h)*0x9e3779b97f4a7c15 ^ 0xd6e8feb86659fd93) * 0xbf58476d1ce4e5b9 >> 33 % uint64(below))
}

func busy(_ *simAPI, h Hour) int64 { return 20 + dice(h, 200) }

func nights(a *simAPI, h Hour) int64 {
	if h.OfDay() < 6 || h.OfDay() > 21 {
		return 0
	}
	return busy(a, h)
}

func weekends(a *simAPI, h Hour) int64 {
	if h/Day%7 > 4 {
		return 0
	}
	return nights(a, h)
}

func sparse(a *simAPI, h Hour) int64 {
	if dice(h, 100) > 0 {
		return 0
	}
	return busy(a, h)
}

func callsFrom(first Hour) func(*simAPI, Hour) int64 {
	return func(a *simAPI, h Hour) int64 {
		if h < first {
			return 0
		}
		return nights(a, h)
	}
}

func closedBetween(from, to Hour) func(*simAPI, Hour) int64 {
	return func(a *simAPI, h Hour) int64 {
		if h > from && h < to {
			return 0
		}
		return nights(a, h)
	}
}

// What the report shows.

type reportFault = func(a *simAPI, h Hour, now time.Time) (int64, bool)

func late(hours float64) reportFault {
	return func(a *simAPI, h Hour, now time.Time) (int64, bool) { return a.grown(h, ago(now, hours)), false }
}

func stalls(hours float64) reportFault {
	return func(a *simAPI, h Hour, now time.Time) (int64, bool) {
		if s := a.since(now); s > 50 && s < 50+hours {
			now = a.begin.Add(50 * time.Hour)
		}
		return a.grown(h, now), false
	}
}

func nightly(a *simAPI, h Hour, now time.Time) (int64, bool) {
	if h < a.at(now.Add(-2*time.Hour)).startOfDay() {
		return a.total(h), false
	}
	return 0, false
}

func zerosFirst(a *simAPI, h Hour, now time.Time) (int64, bool) {
	if now.Before(a.start(h).Add(4 * time.Hour)) {
		return 0, true
	}
	return a.grown(h, now), true
}

func zerosAtNight(a *simAPI, h Hour, now time.Time) (int64, bool) {
	local := now.In(a.calendar.Location)
	if minute := local.Hour()*60 + local.Minute(); minute >= 30 && minute < 270 {
		return 0, true
	}
	return a.grown(h, now), false
}

func halves(a *simAPI, h Hour, now time.Time) (int64, bool) {
	if now.In(a.calendar.Location).Minute() < 5 {
		return a.grown(h, now) / 2, false
	}
	return a.grown(h, now), false
}

func vanishing(a *simAPI, h Hour, now time.Time) (int64, bool) {
	if age := now.Sub(a.start(h)).Hours(); age > 2 && age < 12 {
		return 0, false
	}
	return a.grown(h, now), false
}

func dropping(a *simAPI, h Hour, now time.Time) (int64, bool) {
	if a.random.Float64() < .05 {
		return 0, false
	}
	return a.grown(h, now), false
}

func replica(a *simAPI, h Hour, now time.Time) (int64, bool) {
	if dice(Hour(now.Unix()/300), 2) == 0 {
		now = ago(now, 8)
	}
	return a.grown(h, now), false
}

// How requests for a window fail.

type windowFault = func(a *simAPI, w Window, now time.Time) (isFailed, isEmpty bool)

func failsWider(hours int) windowFault {
	return func(_ *simAPI, w Window, _ time.Time) (bool, bool) { return w.Hours() > hours, false }
}

func emptyWider(hours int) windowFault {
	return func(_ *simAPI, w Window, _ time.Time) (bool, bool) { return false, w.Hours() > hours }
}

func failsAtRandom(rate float64) windowFault {
	return func(a *simAPI, _ Window, _ time.Time) (bool, bool) { return a.random.Float64() < rate, false }
}

func emptyAtRandom(rate float64) windowFault {
	return func(a *simAPI, _ Window, _ time.Time) (bool, bool) { return false, a.random.Float64() < rate }
}

func emptyBetween(from, to float64) windowFault {
	return func(a *simAPI, _ Window, now time.Time) (bool, bool) {
		return false, a.since(now) >= from && a.since(now) < to
	}
}

// Which rows a response contains.

type rowFault = func(a *simAPI, w Window, hours []Hour, now time.Time) []Hour

func firstHours(n Hour) rowFault {
	return func(_ *simAPI, w Window, hours []Hour, _ time.Time) []Hour {
		return slices.DeleteFunc(hours, func(h Hour) bool { return h >= w.From+n })
	}
}

func lastHours(n Hour) rowFault {
	return func(_ *simAPI, w Window, hours []Hour, _ time.Time) []Hour {
		return slices.DeleteFunc(hours, func(h Hour) bool { return h < w.To-n })
	}
}

func firstRows(n int) rowFault {
	return func(_ *simAPI, _ Window, hours []Hour, _ time.Time) []Hour { return hours[:min(n, len(hours))] }
}

func lastRows(n int) rowFault {
	return func(_ *simAPI, _ Window, hours []Hour, _ time.Time) []Hour { return hours[max(len(hours)-n, 0):] }
}

func daysAgo(from, to Hour) func(Hour) bool {
	return func(h Hour) bool { return h >= simNow-from*Day && h < simNow-to*Day }
}

const year = 365 * Day

// documented returns APIs that misbehave in ways known of this API or similar ones.
func documented() []simAPI {
	return []simAPI{
		{name: "as documented, always busy", calls: busy},
		{name: "quiet nights"},
		{name: "quiet nights, closed weekends", calls: weekends, days: 9},
		{name: "closed for 50 days last year", calls: closedBetween(simNow-150*Day, simNow-100*Day)},
		{name: "one hour in a hundred has calls", calls: sparse, days: 6},
		{name: "young operation", calls: callsFrom(simNow - 60*Day)},
		{name: "windows over 10 days fail", window: failsWider(240)},
		{name: "windows over 10 days are empty", window: emptyWider(240), days: 6},
		{name: "windows over a day fail", window: failsWider(24), backfill: 90 * Day, days: 8},
		{name: "windows over 12 h fail", whyNotSeldom: "it takes nearly all of them", window: failsWider(12), backfill: 30 * Day, days: 8},
		{name: "windows over 2 h fail", whyNotSeldom: "it takes nearly all of them", window: failsWider(2), backfill: 72, days: 8},
		{name: "keeps 90 days, older fails", keeps: 90 * 24 * time.Hour, window: func(a *simAPI, w Window, now time.Time) (bool, bool) {
			return !a.isKept(w.From, now), false
		}},
		{name: "keeps 90 days, older is empty", keeps: 90 * 24 * time.Hour},
		{name: "an hour fails", isPoison: func(h Hour) bool { return h == simNow-20*Day }},
		{name: "a day fails", isPoison: daysAgo(20, 19)},
		{name: "ten days fail", isPoison: daysAgo(30, 20)},
		{name: "three stretches fail", days: 6, isPoison: func(h Hour) bool {
			return daysAgo(30, 28)(h) || daysAgo(50, 45)(h) || h == simNow-70*Day
		}},
		{name: "only the first day of a window", rows: firstHours(24), backfill: 60 * Day},
		{name: "only the last day of a window", rows: lastHours(24), backfill: 60 * Day},
		{name: "only the first 100 rows", rows: firstRows(100), backfill: 90 * Day, days: 6},
		{name: "only the last 100 rows", rows: lastRows(100)},
		{name: "only the first 10 rows", rows: firstRows(10), backfill: 30 * Day},
		{name: "no window may end in the future", days: 6, window: func(a *simAPI, w Window, now time.Time) (bool, bool) {
			return w.To > a.at(now)+1, false
		}},
		{name: "a fifth of all requests fail", window: failsAtRandom(.2)},
		{name: "a tenth of all responses are empty", window: emptyAtRandom(.1), days: 6},
		{name: "one request in 5 minutes and no more", window: func(a *simAPI, _ Window, now time.Time) (bool, bool) {
			return now.Sub(a.last) < 5*time.Minute, false
		}},
		{name: "all empty for 8 h from the first hour on", window: emptyBetween(1, 9)},
		{name: "all empty for 72 h", window: emptyBetween(30, 102), days: 8},
		{name: "no newer figures for 6 h", shown: stalls(6), days: 8},
		{name: "no newer figures for 30 h", shown: stalls(30), days: 8},
		{name: "figures come an hour late", shown: late(1)},
		{name: "figures come 26 h late", shown: late(26), days: 8},
		{name: "figures come at night, for the day before", shown: nightly, days: 8},
		{name: "zeros for 4 h, then figures", shown: zerosFirst, days: 8},
		{name: "zeros during maintenance", shown: zerosAtNight, days: 8},
		{name: "half figures for 5 minutes each hour", shown: halves, days: 6},
		{name: "rows vanish after 2 h, are back after 12", shown: vanishing, days: 6},
		{name: "5% of all rows are missing", shown: dropping, backfill: 30 * Day, days: 6},
		{name: "half of all responses are 8 h old", shown: replica, days: 8},
	}
}

// undocumented returns APIs that misbehave in conceivable ways that nobody has reported.
func undocumented() []simAPI {
	return []simAPI{
		{name: "a tenth of all responses are a day old", days: 6, shown: func(a *simAPI, h Hour, now time.Time) (int64, bool) {
			if dice(Hour(now.Unix()/300), 10) == 0 {
				now = ago(now, 24)
			}
			return a.grown(h, now), false
		}},
		{name: "an hour appears when it is half over", calls: busy, shown: func(a *simAPI, h Hour, now time.Time) (int64, bool) {
			if now.Sub(a.start(h)) < 30*time.Minute {
				return 0, false
			}
			return a.grown(h, now), false
		}},
		{name: "the first row is missing now and then", backfill: 60 * Day, rows: func(a *simAPI, _ Window, hours []Hour, _ time.Time) []Hour {
			return hours[min(a.random.IntN(4)/3, len(hours)):]
		}},
		{name: "the last row is missing now and then", backfill: 60 * Day, rows: func(a *simAPI, _ Window, hours []Hour, _ time.Time) []Hour {
			return hours[:max(len(hours)-a.random.IntN(4)/3, 0)]
		}},
		{name: "at most 200 rows from anywhere", backfill: 60 * Day, days: 6, rows: func(a *simAPI, _ Window, hours []Hour, _ time.Time) []Hour {
			first := a.random.IntN(max(len(hours)-200, 0) + 1)
			return hours[first:min(first+200, len(hours))]
		}},
		{name: "every second response knows 30 days", whyNotSeldom: "else it is every second one for the same hours",
			shown: func(a *simAPI, h Hour, now time.Time) (int64, bool) {
				if now.Unix()/300%2 == 0 && h < a.at(now)-30*Day {
					return 0, false
				}
				return a.grown(h, now), false
			}},
		{name: "every third request fails", window: func(a *simAPI, _ Window, _ time.Time) (bool, bool) { return a.requests%3 == 0, false }},
		{name: "fails in office hours", days: 6, window: func(a *simAPI, _ Window, now time.Time) (bool, bool) {
			return a.at(now).OfDay() >= 9 && a.at(now).OfDay() < 17, false
		}},
		{name: "fails in the first 10 minutes of each hour", window: func(_ *simAPI, _ Window, now time.Time) (bool, bool) { return now.Minute() < 10, false }},
		{name: "fails every other hour", days: 6, window: func(a *simAPI, _ Window, now time.Time) (bool, bool) { return a.at(now)%2 == 0, false }},
		{name: "fails for 40 h", days: 6, window: func(a *simAPI, _ Window, now time.Time) (bool, bool) {
			return a.since(now) > 20 && a.since(now) < 60, false
		}},
		{name: "windows across the end of a month fail", days: 6, window: func(_ *simAPI, w Window, _ time.Time) (bool, bool) {
			return w.From.clock().Month() != (w.To - 1).clock().Month(), false
		}},
		{name: "windows with today fail for 10 h", window: func(a *simAPI, w Window, now time.Time) (bool, bool) {
			return a.since(now) > 5 && a.since(now) < 15 && w.To > a.at(now).startOfDay(), false
		}},
		{name: "windows with today and more are empty", days: 8, backfill: 90 * Day, window: func(a *simAPI, w Window, now time.Time) (bool, bool) {
			return false, w.To > a.at(now).startOfDay() && w.From < a.at(now).startOfDay()
		}},
		{name: "no window may reach into the current hour", days: 6, window: func(a *simAPI, w Window, now time.Time) (bool, bool) {
			return w.To > a.at(now), false
		}},
		{name: "windows that end in the future are empty", days: 6, window: func(a *simAPI, w Window, now time.Time) (bool, bool) {
			return false, w.To > a.at(now)
		}},
		{name: "history is empty by day", days: 6, window: func(a *simAPI, w Window, now time.Time) (bool, bool) {
			return false, w.From < a.at(now)-3*Day && a.at(now).OfDay() > 7 && a.at(now).OfDay() < 20
		}},
		{name: "windows over 10 days are empty, figures come 26 h late", window: emptyWider(240), shown: late(26), backfill: 32 * Day, days: 8},
		{name: "windows over 2 days are empty, figures come 26 h late", window: emptyWider(48), shown: late(26), backfill: 30 * Day, days: 8},
		{name: "only the first day of a window, figures come 26 h late", rows: firstHours(24), shown: late(26), backfill: 30 * Day, days: 8},
		{name: "empty on one day of the week", days: 9, window: func(a *simAPI, _ Window, now time.Time) (bool, bool) { return false, a.at(now)/Day%7 == 2 }},
		{name: "empty from the first request on for 8 h", window: emptyBetween(-1, 8)},
		{name: "most figures come two hours after the end", shown: func(a *simAPI, h Hour, now time.Time) (int64, bool) {
			if now.Sub(a.start(h)) < 3*time.Hour {
				return a.grown(h, now) / 3, false
			}
			return a.grown(h, now), false
		}},
		{name: "figures are doubled for two hours", shown: func(a *simAPI, h Hour, now time.Time) (int64, bool) {
			if now.Sub(a.start(h)) < 2*time.Hour {
				return 2 * a.grown(h, now), false
			}
			return a.grown(h, now), false
		}},
		{name: "a day appears when it is over in UTC+5", days: 6, shown: func(a *simAPI, h Hour, now time.Time) (int64, bool) {
			if (h + 5).startOfDay() == (a.at(now) + 5).startOfDay() {
				return 0, false
			}
			return a.grown(h, now), false
		}},
		{name: "the current hour has the label of the next", calls: busy, shown: func(a *simAPI, h Hour, now time.Time) (int64, bool) {
			switch current := a.at(now); h {
			case current:
				return 0, false
			case current + 1:
				return a.grown(current, now), false
			default:
				return a.grown(h, now), false
			}
		}},
		{name: "hours ahead are listed as zeros", shown: func(a *simAPI, h Hour, now time.Time) (int64, bool) { return a.grown(h, now), true }},
		{name: "yesterday is missing after midnight", days: 6, calls: busy, shown: func(a *simAPI, h Hour, now time.Time) (int64, bool) {
			if a.at(now).OfDay() < 3 && h < a.at(now).startOfDay() && h >= a.at(now).startOfDay()-Day {
				return 0, false
			}
			return a.grown(h, now), false
		}},
		{name: "one hour a day comes two hours late", calls: busy, shown: func(a *simAPI, h Hour, now time.Time) (int64, bool) {
			if h.OfDay() == 10 {
				now = ago(now, 2)
			}
			return a.grown(h, now), false
		}},
		{name: "every second response has zeros for the current hour", calls: busy, shown: func(a *simAPI, h Hour, now time.Time) (int64, bool) {
			if h == a.at(now) && now.Unix()/300%2 == 0 {
				return 0, true
			}
			return a.grown(h, now), false
		}},
		{name: "one call a day", days: 8, backfill: 60 * Day, calls: func(_ *simAPI, h Hour) int64 {
			if h.OfDay() == 10 {
				return 4
			}
			return 0
		}},
		{name: "the first call comes after two days", days: 6, calls: callsFrom(simNow + 2*Day)},
		{name: "the clock is a day ahead for six minutes", skew: func(since float64) float64 {
			if since > 30 && since < 30.1 {
				return 24
			}
			return 0
		}},
		{name: "the clock is three hours behind", skew: func(float64) float64 { return -3 }, days: 6},
		{name: "the clock is five hours ahead", skew: func(float64) float64 { return 5 }, days: 6},
	}
}

// seldom is the interval between gathers in the variant "seldom", in steps of 5 minutes.
const seldom = 14

// simulation runs a planner against one API.
type simulation struct {
	*simAPI
	options  Options
	planner  *Planner
	now      time.Time
	saved    []byte
	database map[Hour]int64
	final    map[Hour][]int64 // as sent in Mode Final
	sentAt   map[Hour]time.Time
	crashed  time.Time
	twice    int // rows that mode Final sent twice

	isSeldom  bool // gathers are 70 minutes apart, with requests for history between them
	hasWorked bool // the last request succeeded

	finalHours      int // final hours before the start
	finalAt         time.Time
	history         int // requests for history
	requested       int // requested hours
	sentRows, zeros int
}

func (s *simulation) run(t *testing.T, crashAt int) {
	s.planner = New(s.options)
	for n := range s.days * 288 {
		s.now = s.begin.Add(time.Duration(n) * 5 * time.Minute)
		if n == crashAt {
			s.crash(t)
		}
		switch next := seldom - n%seldom; {
		case !s.isSeldom || next == seldom:
			s.gather()
		case s.hasWorked && next > 1:
			s.requestHistory()
		}
		if n == crashAt-1-crashAt%3 { // the latest states may not have been saved
			s.save(t)
		}
	}
	if !s.isSeldom {
		require.Equal(t, s.days*288, s.requests, "one request per gather")
	}
}

// clock returns the time on the local clock.
func (s *simulation) clock() time.Time {
	if s.skew == nil {
		return s.now
	}
	return ago(s.now, -s.skew(s.since(s.now)))
}

func (s *simulation) gather() {
	s.planner.Start(s.clock())
	s.request(s.planner.Next(s.clock()))
}

func (s *simulation) request(q Request) {
	clock := s.clock()
	s.requested += q.Window.Hours()
	if !q.IsLive() {
		s.history++
	}
	response := s.respond(q.Window, s.now)
	if response == nil {
		s.planner.Fail(q, clock, false)
		s.hasWorked = false
		return
	}
	s.hasWorked = true
	rows := s.planner.Record(q, response, clock).Rows
	if n := s.planner.Final.Within(Window{-maxHour, simNow}).Hours(); n > s.finalHours {
		s.finalHours, s.finalAt = n, s.now
	}
	for _, row := range rows {
		s.sentRows++
		if row.Calls == 0 {
			s.zeros++
		}
		mayRepeat := s.sentAt[row.Hour].After(s.crashed.Add(-s.options.margin()-20*time.Minute)) && s.sentAt[row.Hour].Before(s.crashed)
		if s.options.Mode == Final {
			if slices.Contains(s.final[row.Hour], row.Calls) && !mayRepeat {
				s.twice++
			}
			s.final[row.Hour] = append(s.final[row.Hour], row.Calls)
		}
		s.database[row.Hour], s.sentAt[row.Hour] = row.Calls, s.now
	}
}

// requestHistory makes a request between two gathers.
func (s *simulation) requestHistory() {
	if q, found := s.planner.NextHistory(s.clock()); found {
		s.request(q)
	}
}

func (s *simulation) save(t *testing.T) {
	state, err := json.Marshal(s.planner.Save(false))
	require.NoError(t, err)
	s.saved = state
}

// crash loses the rows sent in the last hour, and resumes from the last saved state.
func (s *simulation) crash(t *testing.T) {
	s.crashed = s.now
	for h, at := range s.sentAt {
		if s.now.Sub(at) < time.Hour {
			delete(s.database, h)
		}
	}
	var state State
	require.NoError(t, json.Unmarshal(s.saved, &state))
	s.planner = New(s.options)
	require.NoError(t, s.planner.Restore(state))
}

// result describes the outcome, and reports whether it is wrong.
func (s *simulation) result() (text string, isWrong bool) {
	var missing, wrong, zeros []Hour
	from, to := s.at(s.begin.Add(-s.options.Backfill)), s.at(s.now)-40
	if s.skew != nil {
		from = s.planner.firstWanted() // the local clock determines which hours are wanted
	}
	for h := from; h < to; h++ {
		if !s.isKept(h, s.now) || s.isPoison != nil && s.isPoison(h) {
			continue
		}
		total := s.total(h)
		calls, isSent := s.database[h]
		switch {
		case total > 0 && !isSent:
			missing = append(missing, h)
		case total > 0 && calls == 0:
			zeros = append(zeros, h)
		case total != calls:
			wrong = append(wrong, h)
		}
	}
	return fmt.Sprintf("missing %d %v, wrong %d %v, false zeros %d %v, twice %d, postponed %d",
			len(missing), sample(missing), len(wrong), sample(wrong), len(zeros), sample(zeros), s.twice, len(s.planner.Postponed)),
		len(missing)+len(wrong)+len(zeros)+s.twice > 0
}

const effortsHeader = "                                                                     " +
	"final hours    after  history requests  requested hours   rows  zeros  postponed\n"

// effort returns a line with the time until the hours before the start were final, and the requests and rows of the whole run.
func (s *simulation) effort(name string) string {
	return fmt.Sprintf("%-68s %12d %6.1f h %17d %16d %6d %6d %10d\n", name, s.finalHours, max(s.since(s.finalAt), 0),
		s.history, s.requested, s.sentRows, s.zeros, len(s.planner.Postponed))
}

func sample(hours []Hour) []Hour { return hours[:min(len(hours), 5)] }

func newSimulation(api simAPI, mode, variant string) *simulation {
	api.random = rand.New(rand.NewPCG(7, 7))
	api.calendar = Calendar{time.UTC}
	api.days = max(api.days, 4)
	if variant == "seldom" { // needs longer
		api.days *= 3
	}
	if api.backfill == 0 {
		api.backfill = year
	}
	if api.calls == nil {
		api.calls = nights
	}
	if variant == "DST" { // the clock repeats an hour in the second night
		api.calendar.Location = madrid
	}
	const margin = 40 * Day // longer than any window
	api.first = simNow - Hour(api.backfill) - margin
	api.hours = make([]simHour, api.backfill+api.days*Day+2*margin)
	api.begin = api.start(simNow)
	s := &simulation{
		simAPI: &api, isSeldom: variant == "seldom",
		database: make(map[Hour]int64), final: make(map[Hour][]int64), sentAt: make(map[Hour]time.Time),
	}
	s.options = Options{Calendar: api.calendar, Lookback: 3 * time.Hour, Backfill: time.Duration(api.backfill) * time.Hour, SendZeros: mode == "zero"}
	s.options.HistoryBetweenGathers = s.isSeldom
	if mode == "final" {
		s.options.Mode = Final
	}
	return s
}

var madrid = func() *time.Location {
	location, err := time.LoadLocation("Europe/Madrid")
	if err != nil {
		panic(err)
	}
	return location
}()

// TestSimulations runs each API in each mode and variant; -short runs each API once. The effort of one run per API is compared with
// testdata/simulations.txt, so a change to the rules shows its cost. `go test -run TestSimulations -update` rewrites the file.
//
//promise:right
//promise:final
//promise:once
//promise:silence
//promise:late
//promise:postponed
//promise:dst
//promise:killed
func TestSimulations(t *testing.T) {
	t.Parallel()
	apis := append(documented(), undocumented()...)
	efforts := make([]string, len(apis))
	t.Cleanup(func() { // after the subtests
		if !t.Failed() {
			compareEfforts(t, efforts)
		}
	})
	for i, api := range apis {
		for j, mode := range []string{"all", "zero", "final"} {
			for k, variant := range []string{"plain", "crash", "DST", "seldom"} {
				if variant == "seldom" && api.whyNotSeldom != "" {
					continue
				}
				isFirst := len(efforts[i]) == 0 && 4*j+k >= i%12
				if isFirst {
					efforts[i] = "pending"
				}
				if testing.Short() && !isFirst {
					continue
				}
				name := api.name + "/" + mode + "/" + variant
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					s := newSimulation(api, mode, variant)
					crashAt := -1
					if variant == "crash" {
						crashAt = 20 + int(dice(Hour(len(api.name)), 800))
					}
					s.run(t, crashAt)
					text, isWrong := s.result()
					if *showAll || isWrong {
						t.Log(text)
					}
					require.False(t, isWrong)
					if isFirst {
						efforts[i] = s.effort(name)
					}
				})
			}
		}
	}
}

func compareEfforts(t *testing.T, efforts []string) {
	const file = "testdata/simulations.txt"
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(effortsHeader+strings.Join(efforts, "")), 0o640))
	}
	expected, err := os.ReadFile(file)
	require.NoError(t, err)
	lines := strings.SplitAfter(string(expected), "\n")
	require.Len(t, lines, len(efforts)+2)
	require.Equal(t, effortsHeader, lines[0])
	for i, effort := range efforts {
		assert.Equal(t, lines[i+1], effort)
	}
}
