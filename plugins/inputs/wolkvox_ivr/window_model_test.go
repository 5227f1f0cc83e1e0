package wolkvox_ivr

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"sort"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// calendar has the hours of a zone's clock, found by looking at the clock every quarter of an hour: hours that repeat or
// last longer are one. It knows nothing of how the planner finds them.
type calendar struct {
	location *time.Location
	starts   []int64 // in seconds
	days     []int64 // number of the local day
}

var (
	calendarFrom = time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)
	calendarTo   = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
)

var modelZones = []string{"America/Bogota", "Europe/Madrid", "America/Santiago", "Asia/Kolkata", "Australia/Lord_Howe", "America/Havana", "Asia/Kathmandu"}

var calendars = sync.OnceValues(func() ([]*calendar, error) {
	var all []*calendar
	for _, name := range modelZones {
		location, err := time.LoadLocation(name)
		if err != nil {
			return nil, err
		}
		c := &calendar{location: location}
		var last time.Time
		for t := calendarFrom; t.Before(calendarTo); t = t.Add(15 * time.Minute) {
			local := t.In(location)
			year, month, day := local.Date()
			if label := time.Date(year, month, day, local.Hour(), 0, 0, 0, time.UTC); !label.Equal(last) {
				last = label
				c.starts = append(c.starts, t.Unix())
				c.days = append(c.days, label.Unix()/(24*60*60))
			}
		}
		all = append(all, c)
	}
	return all, nil
})

// index returns the hour that contains t.
func (c *calendar) index(t time.Time) int {
	return sort.Search(len(c.starts), func(i int) bool { return c.starts[i] > t.Unix() }) - 1
}

// end returns when the hour ends, in seconds.
func (c *calendar) end(i int) int64 { return c.starts[i+1] }

func (c *calendar) name(i int) string {
	return time.Unix(c.starts[i], 0).In(c.location).Format(time.RFC3339)
}

// handed is a window whose rows were handed on.
type handed struct {
	first, last int // hours
	at          time.Time
}

// world is a plugin and all around it, reduced to times: what was asked for when, and which readings have reached the
// database. It keeps each hour's last reading, and goes by the true time where the planner goes by its clock.
type world struct {
	t    *testing.T
	rand *rand.Rand
	*calendar
	pl *planner

	now   time.Time     // true
	ahead time.Duration // the clock is
	wrong time.Duration // it was until it was set right
	slack time.Duration // it was without the planner being able to tell

	state, saved progress
	failing      bool
	days         int
	end          time.Time

	first, savedFirst int       // hour from which on everything is to be read
	done, savedDone   time.Time // when the live window was last read, by the clock
	pipe              []handed
	database          []int64 // by hour: second of the last reading that has arrived, or 0
	read              []int64 // by hour: second of the last reading handed on, or 0
	lost              []bool  // by hour: it may have been lost in a restart, and is to be read again
	jumped            bool    // the clock ever was wrong: nothing is said about repetitions

	liveRate, historyRate float64 // of failures
	lastLive              time.Time
	requests              int // for history
}

func newWorld(t *testing.T, seed uint64) *world {
	all, err := calendars()
	require.NoError(t, err)
	w := &world{t: t, rand: rand.New(rand.NewPCG(seed, 0))}
	w.calendar = pick(w, all...)
	w.database, w.read, w.lost = make([]int64, len(w.starts)), make([]int64, len(w.starts)), make([]bool, len(w.starts))
	w.pl = &planner{
		location:    w.location,
		lookback:    pick(w, 0, 20*time.Minute, time.Hour, 3*time.Hour, 3*time.Hour, 5*time.Hour, 50*time.Hour, 10*24*time.Hour, 30*24*time.Hour),
		backfill:    pick(w, 0, 0, 2*time.Hour, 3*24*time.Hour, 40*24*time.Hour, 365*24*time.Hour),
		omitCurrent: w.chance(0.3),
	}
	w.now = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).Add(w.upTo(730 * 24 * time.Hour))
	w.days = maxDays
	w.liveRate, w.historyRate = pick(w, 0, 0.2, 0.7), pick(w, 0, 0.2, 0.7)
	return w
}

func pick[T any](w *world, choices ...T) T { return choices[w.rand.IntN(len(choices))] }

func (w *world) upTo(limit time.Duration) time.Duration {
	return time.Duration(w.rand.Int64N(int64(limit)))
}

func (w *world) chance(p float64) bool { return w.rand.Float64() < p }

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

func (w *world) clock() time.Time { return w.now.Add(w.ahead) }

// ask checks a window that is asked for, and returns its hours.
func (w *world) ask(asked window, days int) handed {
	require.True(w.t, asked.From.Before(asked.To), "empty or inverted: %v", asked)
	if asked.From.Before(calendarFrom.AddDate(0, 0, 2)) || asked.To.After(calendarTo.AddDate(0, 0, -2)) {
		return handed{0, -1, w.now} // by a clock that is far off
	}
	h := handed{w.index(asked.From), w.index(asked.To.Add(-time.Nanosecond)), w.now}
	span := w.calendar.days[h.last] - w.calendar.days[h.first] + 1
	if w.starts[h.first] != asked.From.Unix() || w.calendar.end(h.last) != asked.To.Unix() || span > int64(days) {
		require.Fail(w.t, "off the hour, or too long", "%v, %d calendar days of %d", asked, span, days)
	}
	return h
}

// handOn notes that a window was read.
func (w *world) handOn(h handed) {
	for i := h.first; i <= h.last; i++ {
		if final := w.read[i] >= w.calendar.end(i)+seconds(w.pl.lookback); final && !w.jumped && !w.lost[i] {
			require.Fail(w.t, "read again without need", "hour %s, read at %v", w.name(i), time.Unix(w.read[i], 0))
		}
		w.read[i] = h.at.Unix()
		w.lost[i] = false
	}
	w.pipe = append(w.pipe, h)
}

// flush has the first n windows in the pipe reach the database.
func (w *world) flush(n int) {
	for _, h := range w.pipe[:n] {
		for i := h.first; i <= h.last; i++ {
			w.database[i] = h.at.Unix()
		}
	}
	w.pipe = w.pipe[n:]
}

func (w *world) save() {
	w.saved, w.savedFirst, w.savedDone = w.state, w.first, w.done
}

// gather does what WolkvoxIVR.gather does.
func (w *world) gather() {
	now := w.clock()
	if w.state.Covered.IsZero() {
		w.first = w.index(later(now, w.now).Add(-w.pl.lookback))
	}
	if w.ahead == 0 {
		if w.state.Covered.Sub(now) <= w.pl.margin() {
			w.slack = max(w.slack, w.wrong)
		}
		w.wrong = 0
		w.first = min(w.first, w.index(now.Add(-w.pl.backfill)))
	}
	for len(w.pipe) > 0 && w.now.Sub(w.pipe[0].at) > w.pl.margin() {
		w.flush(1)
	}
	days := maxDays
	if w.failing {
		days = 2
	}
	live, state := w.pl.live(w.state, now, days)
	w.state = state
	current := w.index(now)
	if due := live.From.Before(live.To); due {
		h := w.ask(live, days)
		if h.last >= 0 {
			if w.pl.omitCurrent {
				current--
			}
			require.Equal(w.t, current, h.last, "the live window ends with the running hour")
		}
		if w.failing = w.chance(w.liveRate); w.failing {
			return
		}
		w.handOn(h)
		w.lastLive, w.done = w.now, now
		w.state = w.pl.liveDone(w.state, live, now)
	} else {
		require.True(w.t, w.pl.omitCurrent, "nothing asked for")
	}
	w.failing = false

	for range historyRequests {
		before := live.From
		if !w.end.IsZero() {
			before = earlier(before, w.end)
		}
		history, found := w.pl.history(w.state, w.days, before)
		if !found {
			w.end = time.Time{}
			break
		}
		require.False(w.t, history.To.After(live.From), "history overlaps the live window")
		h := w.ask(history, w.days)
		w.requests++
		if w.failing = w.chance(w.historyRate); w.failing {
			if w.days == 1 {
				w.end = history.From
			}
			w.days = max(w.days/2, 1)
			break
		}
		w.days = min(w.days*2, maxDays)
		w.handOn(h)
		w.state = w.pl.historyDone(w.state, history, now)
	}
}

// restart ends the process and starts another.
func (w *world) restart(clean bool) {
	saved := w.saved
	if clean {
		w.flush(len(w.pipe))
		saved = w.state
		saved.Clean = true
	} else {
		w.flush(w.rand.IntN(len(w.pipe) + 1))
		w.pipe = nil
		w.first, w.done = w.savedFirst, w.savedDone
	}

	live, history := w.done.Add(-w.pl.margin()-rhythm-w.pl.lookback).Unix(), w.done.Add(-w.pl.margin()).Unix()
	for i, last := range w.read[:w.index(w.clock())+1] {
		if w.calendar.end(i) > live || !clean && last >= history {
			w.lost[i] = true
		}
	}

	content, err := json.Marshal(saved)
	require.NoError(w.t, err)
	w.state = progress{}
	require.NoError(w.t, json.Unmarshal(content, &w.state))
	w.state = w.pl.restore(w.state)
	w.save()
	w.failing, w.days, w.end = false, maxDays, time.Time{}
	if backfill := pick(w, w.pl.backfill, w.pl.backfill, w.pl.backfill, 60*24*time.Hour); backfill > w.pl.backfill {
		w.pl.backfill = backfill
	}
}

// wait lets time go by, mostly the few minutes between two gathers, and seldom months.
func (w *world) wait(limit time.Time) {
	longest := pick(w, 5*time.Minute, 5*time.Minute, 5*time.Minute, 5*time.Minute, time.Hour, time.Hour, 5*time.Hour, 5*time.Hour,
		4*24*time.Hour, 100*24*time.Hour)
	w.now = w.now.Add(time.Second + w.upTo(longest))
	if w.now.After(limit) {
		w.now = limit
	}
}

// setClock puts the clock wrong for some days, or right again.
func (w *world) setClock(ahead time.Duration) {
	w.flush(len(w.pipe)) // a crash and a wrong clock at once are more than is promised
	w.wrong = max(w.wrong, w.ahead)
	w.ahead = ahead
	w.jumped = true
}

func (w *world) run() {
	limit := w.now.AddDate(0, 11, 0)
	jumps := w.chance(0.3)
	var wrongUntil time.Time
	for range 20 + w.rand.IntN(40) {
		if !wrongUntil.IsZero() && !w.now.Before(wrongUntil) {
			w.setClock(0)
			wrongUntil = time.Time{}
		} else if jumps && wrongUntil.IsZero() && w.now.Before(limit) && w.chance(0.1) {
			w.setClock(pick(w, 10*time.Minute, 50*time.Minute, 4*time.Hour, 90*24*time.Hour, 500*24*time.Hour,
				-10*time.Minute, -4*time.Hour, -50*24*time.Hour, time.Unix(0, 0).Sub(w.now)))
			wrongUntil = w.now.Add(w.upTo(pick(w, time.Hour, 20*24*time.Hour, 100*24*time.Hour)))
		}
		w.gather()
		crash := w.chance(0.1) // before the state is saved
		if !crash {
			w.save()
		}
		if crash || w.chance(0.05) {
			w.restart(!crash && w.chance(0.5))
		}
		until := limit
		if !wrongUntil.IsZero() {
			until = wrongUntil
		}
		w.wait(until)
	}

	// All is well from now on, until all is read.
	if w.ahead != 0 {
		w.setClock(0)
	}
	w.liveRate, w.historyRate = 0, 0
	for range 5 {
		w.gather()
		w.save()
		w.now = w.now.Add(30 * time.Minute)
	}
	for gathers := 0; len(w.state.Backlog) > 0 && w.state.Backlog[0].From.Unix() < w.starts[w.index(w.now)]; gathers++ {
		require.Less(w.t, gathers, 100, "the backlog stays")
		w.gather()
		w.save()
		w.now = w.now.Add(5 * time.Minute)
	}
	w.gather()
	w.flush(len(w.pipe))
}

// check returns how many hours there are. It requires each to have been read when it was over for as long as the
// lookback, or else by the last gather.
func (w *world) check() int {
	last := w.index(w.now)
	if w.pl.omitCurrent {
		last--
	}
	for i := w.first; i <= last; i++ {
		if w.database[i] == 0 {
			require.Fail(w.t, "never read", "hour %s", w.name(i))
		}
		if due := min(w.calendar.end(i)+seconds(w.pl.lookback-w.slack), w.lastLive.Unix()); w.database[i] < due {
			require.Fail(w.t, "read too early", "hour %s, last read at %v", w.name(i), time.Unix(w.database[i], 0).In(w.location))
		}
	}
	return last - w.first + 1
}

// play runs and checks a world, and says which it is if that fails.
func (w *world) play(seed int) (hours int) {
	done := false
	defer func() {
		if !done {
			w.t.Logf("seed %d, zone %s, lookback %s, backfill %s, omit %v, jumped %v, by the clock %v",
				seed, w.location, w.pl.lookback, w.pl.backfill, w.pl.omitCurrent, w.jumped, w.clock().In(w.location))
		}
	}()
	w.run()
	hours = w.check()
	done = true
	return hours
}

// TestPlannerAgainstModel lets the planner meet failures, crashes, stops, outages and wrong clocks at random. Whatever
// comes, each hour ends up read when it was final, and none more often than needed.
func TestPlannerAgainstModel(t *testing.T) {
	cases, hours := 1500, 0
	if testing.Short() {
		cases = 300
	}
	for seed := range cases {
		w := newWorld(t, uint64(seed))
		hours += w.play(seed)
	}
	t.Logf("%d cases, %d hours", cases, hours)
}

// TestBackfillRequests counts the requests for a year at any time of the year.
func TestBackfillRequests(t *testing.T) {
	most := 0
	for seed := range 400 {
		w := newWorld(t, uint64(seed))
		w.pl.backfill = 365 * 24 * time.Hour
		w.liveRate, w.historyRate = 0, 0
		for gathers := 1; ; gathers++ {
			w.gather()
			w.save()
			if len(w.state.Backlog) == 0 {
				require.LessOrEqual(t, gathers, 6)
				break
			}
			w.now = w.now.Add(5 * time.Minute)
		}
		w.flush(len(w.pipe))
		w.check()
		most = max(most, w.requests)
	}
	require.Equal(t, 12, most)
}

func TestModelZonesHaveOddities(t *testing.T) {
	all, err := calendars()
	require.NoError(t, err)
	for _, c := range all {
		lengths := make(map[int64]bool)
		for i := range len(c.starts) - 1 {
			lengths[(c.starts[i+1]-c.starts[i])/60] = true
		}
		expected := []int64{60, 120}
		switch c.location.String() {
		case "America/Bogota", "Asia/Kolkata", "Asia/Kathmandu":
			expected = []int64{60}
		case "Australia/Lord_Howe":
			expected = []int64{30, 60, 90}
		}
		var actual []int64
		for length := range lengths {
			actual = append(actual, length)
		}
		slices.Sort(actual)
		require.Equal(t, expected, actual[len(actual)-len(expected):], c.location)
	}
}
