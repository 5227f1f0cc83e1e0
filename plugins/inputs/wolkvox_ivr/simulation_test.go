// Package wolkvox_ivr_test runs the plugin against a simulated operation. It knows the true calls, the promises and how APIs misbehave, but
// not how the plugin keeps the promises.
//
//	go test ./plugins/inputs/wolkvox_ivr -run Simulated                 # all
//	go test ./plugins/inputs/wolkvox_ivr -run Combinations -sim.runs 9000
//	go test ./plugins/inputs/wolkvox_ivr -run Combinations -v -sim.seed 7 # one run and its history
package wolkvox_ivr_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/config"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/plugins/inputs/wolkvox_ivr"
)

var (
	simRuns = flag.Uint64("sim.runs", 300, "number of random scenarios to run")
	simSeed = flag.Uint64("sim.seed", 0, "only run the random scenario of this seed, and log its history")
)

// All times are in seconds since 1970: instants, and labels, which are the time shown by the local clock.
const (
	hour, day = int64(3600), 24 * hour
	interval  = int64(300)
	lookback  = 3 * hour  // the option's default
	none      = int64(-1) // calls of an hour without a row
	wholeRun  = 1000      // hours
	perCall   = 2.25      // minutes
)

func init() {
	config.DisableSecretProtection() // which takes longer than a simulated request
}

// api is an operation and its report, shaped by traits.
type api struct {
	traits     []*trait
	random     *rand.Rand
	zone       *time.Location
	seed       uint64
	begin, now int64    // start of the run, and current time
	fault      response // to refused requests

	requests int
	window   window
	lag      int64
	rows     []row
	response response
	previous response            // before traits changed the response
	cache    map[window]response // earlier responses
	memory   map[string]int64    // variables of traits, by name
}

// window is the requested range of labels, without the end.
type window struct{ from, to int64 }

type row struct {
	label, hour, calls int64
	minutes            string // if not empty, instead of the right minutes
}

type response struct {
	status int
	body   string
	header http.Header // except Date
	date   int64       // for the Date header; 0 for none
	err    error       // of the connection
	failed bool        // not a report
	rows   []row
}

var (
	unreachable = response{err: errors.New("connection refused"), failed: true}
	noRecords   = response{status: 404, body: `{"code":"404","error":"404","msg":"Validate dates entered","data":null}`}
	emptyReport = response{status: 200, body: `{"code":"200","error":null,"msg":"0 records were found","data":[]}`}
	login       = response{status: 302, failed: true, header: http.Header{"Location": {"https://manager.wolkvox.com/login"}}}
	quota       = failure(403, `{"code":"403","error":"TOKEN LIMIT EXCEEDED","msg":"","data":null}`)
	twoAtOnce   = failure(403, `{"code":"403","error":"EXCEEDS THE LIMIT OF SIMULTANEOUS REQUESTS PER TOKEN (2)","msg":"","data":null}`)

	// faults are responses to refused requests. Each run uses one.
	faults = []response{
		{err: io.EOF, failed: true}, // the server closes the connection
		failure(500, `{"code":"500","error":"internal error","msg":"","data":null}`),
		failure(400, `{"code":"400","error":"400","msg":"THE DATE RANGE IS NOT ALLOWED","data":null}`),
		failure(403, ``),
		failure(504, `<html><body>Gateway Time-out</body></html>`),
		failure(200, `<html><body>Under maintenance</body></html>`),
		failure(200, ``),
		failure(200, `{"code":"500","error":"SERVICE UNAVAILABLE","msg":"","data":[]}`),
		failure(200, `{"code":"200","error":null,"msg":"Date range exceeds the limit","data":null}`),
		failure(200, `{"code":200,"error":"The range of dates is too wide","msg":"","data":[]}`),
		failure(200, `{"code":"200","error":null,"msg":"2 records were found","data":[{"date":"2026-01-18-16","calls":"141"`),
	}
)

func failure(status int, body string) response {
	return response{status: status, body: body, failed: true}
}

func newAPI(s *scenario) *api {
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		panic(err)
	}
	a := &api{
		random: rand.New(rand.NewPCG(s.Seed, 3)), zone: zone, seed: s.Seed, begin: s.Begin.Unix(), now: s.Begin.Unix(),
		cache: make(map[window]response), memory: make(map[string]int64),
	}
	a.fault = faults[a.random.IntN(len(faults))]
	for _, name := range s.Traits {
		a.traits = append(a.traits, traitOf(name))
	}
	return a
}

func (a *api) label(instant int64) int64 {
	_, offset := time.Unix(instant, 0).In(a.zone).Zone()
	return instant + int64(offset)
}

func (a *api) date(instant int64) int64 { return a.label(instant) / day }

func (a *api) clock(instant int64) int64 { return a.label(instant) % day / hour }

// shared reports whether the clock shows the hour's label twice. The two hours share a row, and their individual calls are unknown.
func (a *api) shared(h int64) bool {
	return a.label(h) == a.label(h+hour) || a.label(h) == a.label(h-hour)
}

func (a *api) chance(percent int) bool { return a.random.IntN(100) < percent }

func iff(is bool, then, otherwise int64) int64 {
	if is {
		return then
	}
	return otherwise
}

func (a *api) busy(h int64) int64 {
	x := (uint64(h) + a.seed) * 0x9e3779b97f4a7c15
	return 20 + int64((x^x>>29)*0xbf58476d1ce4e5b9>>40%200)
}

func (a *api) nights(h int64) int64 { return iff(a.clock(h) < 6 || a.clock(h) > 21, 0, a.busy(h)) }

// calls returns the number of calls that begin in an hour.
func (a *api) calls(h int64) int64 {
	for _, t := range a.traits {
		if t.calls != nil {
			return t.calls(a, h)
		}
	}
	return a.nights(h)
}

// ended returns how many calls of an hour have ended by now. The last one ends `after` seconds after the start of the hour.
func (a *api) ended(h, now, after int64) int64 {
	n := a.calls(h) * min(max(now-h, 0), after) / after
	return iff(n > 0, n, none)
}

// shown returns the calls in the row of an hour: those that have ended, unless a trait changes that.
func (a *api) shown(h, now int64) int64 {
	n := a.ended(h, now, 150*60)
	for _, t := range a.traits {
		if t.shows != nil {
			n = t.shows(a, h, now, n)
		}
	}
	return n
}

// respond returns the response to a request.
func (a *api) respond(w window) *response {
	a.requests++
	a.window, a.lag, a.rows = w, 0, nil
	for _, t := range a.traits {
		if t.lag != nil {
			a.lag += t.lag(a)
		}
	}
	begin := w.from - (a.label(w.from) - w.from)
	for h := begin - begin%hour - 2*hour; h < begin+w.to-w.from+3*hour; h += hour {
		label := a.label(h)
		if label < w.from || label >= w.to {
			continue
		}
		switch n, last := a.shown(h, a.now-a.lag), len(a.rows)-1; {
		case n == none:
		case last >= 0 && a.rows[last].label == label:
			a.rows[last].calls += n
		default:
			a.rows = append(a.rows, row{label: label, hour: h, calls: n})
		}
	}
	for _, t := range a.traits {
		if t.rows != nil {
			t.rows(a)
		}
	}
	a.response = noRecords
	if len(a.rows) > 0 {
		a.response = response{status: 200, body: report(a.rows), rows: a.rows}
	} else if a.requests%2 > 0 {
		a.response = emptyReport
	}
	a.response.date = a.now
	honest := a.response
	for _, t := range a.traits {
		if t.response != nil {
			t.response(a)
		}
	}
	a.previous = honest
	return &a.response
}

func report(rows []row) string {
	b := append(make([]byte, 0, 64*len(rows)+100), `{"code":"200","error":null,"msg":"9 records were found","data":[`...)
	for i, r := range rows {
		b = append(b, `,{"date":"`[iff(i > 0, 0, 1):]...)
		b = append(time.Unix(r.label, 0).UTC().AppendFormat(b, "2006-01-02-15"), `","calls":"`...)
		b = append(strconv.AppendInt(b, r.calls, 10), `","ivr_minutes":"`...)
		if r.minutes == "" {
			b = strconv.AppendFloat(b, perCall*float64(r.calls), 'f', 3, 64)
		}
		b = append(append(b, r.minutes...), `"}`...)
	}
	return string(append(b, `]}`...))
}

// Kinds of traits.
const (
	sound   = 1 << iota // nothing is wrong
	silent              // rows are missing without any sign in the response
	blind               // no rows for hours
	slow                // history takes days
	alone               // can't be combined with other faults, see excluded
	clock               // the machine's clock is wrong
	undated             // the Date header is missing or wrong
	patchy              // minutes are sometimes missing
	closes              // the operation closes for days
	copies              // several responses may show the same old state
	passing             // figures are wrong for a while
)

// trait is a property of an operation or its API. Functions that it doesn't need are nil.
type trait struct {
	name      string
	kinds     int   // constants above, or-ed
	days      int   // minimum for the run
	backfill  int   // maximum days of history; 0 for no limit
	late      int64 // how late figures may be at any time, in hours
	logWithin int64 // how soon the plugin must log that the API fails or hides calls, in hours

	calls    func(a *api, h int64) int64         // calls that begin in an hour
	shows    func(a *api, h, now, n int64) int64 // replaces n, the calls shown in the row of an hour
	lag      func(a *api) int64                  // age of the response
	rows     func(a *api)                        // changes a.rows
	response func(a *api)                        // changes a.response
	ahead    func(a *api) int64                  // by how much the machine's clock is ahead
	lost     func(a *api, h int64) bool          // whether the hour is unavailable at the end
}

func traitOf(name string) *trait {
	return &traits[slices.IndexFunc(traits, func(t trait) bool { return t.name == name })]
}

type condition func(a *api) bool

func wider(hours int64) condition {
	return func(a *api) bool { return a.window.to-a.window.from > hours*hour }
}

func future(a *api) bool { return a.window.to > a.label(a.now)/hour*hour+hour }

func often(percent int) condition { return func(a *api) bool { return a.chance(percent) } }

// between holds between two hours of the run.
func between(from, to int64) condition {
	return func(a *api) bool { return a.now >= a.begin+from*hour && a.now < a.begin+to*hour }
}

func clockBetween(from, to int64) condition {
	return func(a *api) bool { return a.clock(a.now) >= from && a.clock(a.now) < to }
}

func respondWith(r response, is condition) func(a *api) {
	return func(a *api) {
		if is(a) {
			a.response = r
			a.response.date = a.now
		}
	}
}

func fails(is condition) func(a *api) { return func(a *api) { respondWith(a.fault, is)(a) } }

func constant(n int64) func(a *api) int64 { return func(*api) int64 { return n } }

// stalled returns how long the report has been stalled. It stalls for this many hours from the third day on.
func (a *api) stalled(hours int64) int64 {
	since := a.now - a.begin - 50*hour
	return iff(since < hours*hour, max(since, 0), 0)
}

// lacks removes rows.
func lacks(gone func(a *api, r row) bool) func(a *api) {
	return func(a *api) { a.rows = slices.DeleteFunc(a.rows, func(r row) bool { return gone(a, r) }) }
}

// poison returns a trait that makes windows fail if they touch one of the spans, which are pairs of hours relative to the run's start. The
// trait ends that many hours into the run.
func poison(name string, kinds int, hours int64, spans ...int64) trait {
	touches := func(a *api, from, to int64) bool {
		floor := a.begin / hour * hour
		for span := range slices.Chunk(spans, 2) {
			if between(0, hours)(a) && from < a.label(floor+span[1]*hour) && to > a.label(floor+span[0]*hour) {
				return true
			}
		}
		return false
	}
	return trait{
		name: name, kinds: kinds, logWithin: 6,
		lost:     func(a *api, h int64) bool { return touches(a, a.label(h), a.label(h)+hour) },
		response: fails(func(a *api) bool { return touches(a, a.window.from, a.window.to) }),
	}
}

// operations is the number of leading traits that describe operations rather than faults.
const operations = 6

// traits are properties of operations, then faults that clients have reported, then other behaviour.
var traits = []trait{
	{name: "quiet nights", kinds: sound},
	{name: "calls at all hours", kinds: sound, calls: (*api).busy},
	{name: "closed weekends", kinds: sound | closes, days: 8, calls: func(a *api, h int64) int64 {
		return iff((a.date(h)+3)%7 > 4, 0, a.nights(h)) // 1970 began on a Thursday
	}},
	{name: "closed for ten days", kinds: sound | closes, calls: func(a *api, h int64) int64 {
		return iff(h > a.begin-25*day && h < a.begin-15*day, 0, a.nights(h))
	}},
	{name: "calls in one hour of a hundred", kinds: sound | alone, days: 6, calls: func(a *api, h int64) int64 {
		return iff(a.busy(7*h)%100 > 0, 0, a.busy(h))
	}},
	{name: "young operation", kinds: sound, calls: func(a *api, h int64) int64 { return iff(h < a.begin-20*day, 0, a.nights(h)) }},

	{name: "windows over 10 days fail", response: fails(wider(240))},
	{name: "windows over 10 days are empty", kinds: silent, days: 6, response: respondWith(noRecords, wider(240))},
	{name: "windows over a day fail", kinds: slow, days: 6, backfill: 30, response: fails(wider(24))},
	{name: "windows over 12 h fail", kinds: slow, days: 6, backfill: 12, response: fails(wider(12))},
	{name: "windows over 2 h fail", kinds: slow | alone, days: 7, backfill: 2, response: fails(wider(2))},
	{name: "keeps 15 days, older fails", lost: func(a *api, h int64) bool { return h < a.now-15*day },
		response: fails(func(a *api) bool { return a.window.from < a.label(a.now-15*day) })},
	{name: "keeps 15 days, older is empty", lost: func(a *api, h int64) bool { return h < a.now-15*day },
		shows: func(_ *api, h, now, n int64) int64 { return iff(h < now-15*day, none, n) }},
	poison("an hour fails", 0, wholeRun, -480, -479),
	poison("a day fails", 0, wholeRun, -480, -456),
	poison("ten days fail", alone, wholeRun, -18*24, -8*24),
	poison("three stretches fail", slow|alone, wholeRun, -192, -144, -408, -288, -456, -455),
	{name: "only the first day of a window", kinds: silent | slow, backfill: 40, rows: lacks(func(a *api, r row) bool { return r.label >= a.window.from+day })},
	{name: "only the last day of a window", kinds: silent | slow, backfill: 40, rows: lacks(func(a *api, r row) bool { return r.label < a.window.to-day })},
	{name: "only the first 100 rows", kinds: silent, days: 6, rows: func(a *api) { a.rows = a.rows[:min(100, len(a.rows))] }},
	{name: "only the last 100 rows", kinds: silent, rows: func(a *api) { a.rows = a.rows[max(len(a.rows)-100, 0):] }},
	{name: "only the first 10 rows", kinds: silent | slow | alone, days: 5, backfill: 20, rows: func(a *api) { a.rows = a.rows[:min(10, len(a.rows))] }},
	{name: "no window may end in the future", days: 6, response: fails(future)},
	{name: "a fifth of all requests fail", response: fails(often(20))},
	{name: "a tenth of all responses are empty", kinds: silent, days: 6, response: respondWith(noRecords, often(10))},
	{name: "requests sooner than 5 minutes fail", response: func(a *api) {
		last := a.memory["requested"]
		fails(func(a *api) bool { return a.now < last+interval })(a)
		a.memory["requested"] = a.now
	}},
	{name: "all is empty for 8 h", kinds: blind, logWithin: 6, response: respondWith(noRecords, between(1, 9))},
	{name: "all is empty for 72 h", kinds: blind, days: 7, logWithin: 6, response: respondWith(noRecords, between(30, 102))},
	{name: "nothing newer for 6 h", kinds: blind | passing, days: 5, lag: func(a *api) int64 { return a.stalled(6) }},
	{name: "nothing newer for 30 h", kinds: blind | passing, days: 6, logWithin: 24, lag: func(a *api) int64 { return a.stalled(30) }},
	{name: "figures come an hour late", late: 1, lag: constant(hour)},
	{name: "figures come 26 h late", days: 6, late: 26, lag: constant(26 * hour)},
	{name: "figures come at night, for the day before", days: 6, late: 28, shows: func(a *api, h, now, n int64) int64 {
		return iff(a.date(h) >= a.date(now-2*hour), none, n)
	}},
	{name: "zeros for 4 h, then figures", days: 6, shows: func(_ *api, h, now, n int64) int64 { return iff(h <= now && now < h+4*hour, 0, n) }},
	{name: "zeros during maintenance", kinds: blind, days: 6, shows: func(a *api, h, now, n int64) int64 {
		return iff(h <= now && a.label(now)%day >= 1800 && a.label(now)%day < 16200, 0, n)
	}},
	{name: "part of the figures for 5 minutes each hour", kinds: passing, shows: func(a *api, _, now, n int64) int64 {
		return iff(now%hour < 300 && n > 0, max(n-1-a.clock(now)%19, 1), n)
	}},
	{name: "rows vanish after 2 h, are back after 12", days: 6, late: 12, shows: func(a *api, h, now, n int64) int64 {
		return iff(h >= a.begin && now-h > 2*hour && now-h < 12*hour, none, n)
	}},
	{name: "5% of all rows are missing", kinds: silent | alone, days: 6, backfill: 30, shows: func(a *api, _, _, n int64) int64 {
		return iff(a.chance(5), none, n)
	}},
	{name: "half of all responses are 8 h old", kinds: copies, days: 6, late: 8, lag: func(a *api) int64 { return iff(a.chance(50), 8*hour, 0) }},

	{name: "a response of yesterday now and then", late: 6, lag: func(a *api) int64 { return iff(a.chance(3), day, 0) }},
	{name: "a response to the request before now and then", kinds: copies, response: func(a *api) {
		if a.previous.date != 0 && a.chance(3) {
			a.response = a.previous
		}
	}},
	{name: "figures as of half past", kinds: passing, lag: func(a *api) int64 { return (a.now + 1800) % hour }},
	{name: "every fifth response is of a server that keeps 10 days", kinds: silent, days: 6, rows: lacks(func(a *api, r row) bool {
		return a.requests%5 == 0 && r.hour < a.now-10*day
	})},
	{name: "windows over two billing periods fail", response: fails(func(a *api) bool {
		first := (a.date(a.begin)+2)*day - 100*31*day
		return (a.window.from-first)/(31*day) != (a.window.to-1-first)/(31*day)
	})},
	poison("a day fails for 40 h", slow, 40, -480, -456),
	{name: "no Date header", kinds: undated, response: func(a *api) { a.response.date = 0 }},
	{name: "Date a year ahead, once", kinds: undated, response: func(a *api) { a.response.date += iff(a.requests == 100, 365*day, 0) }},
	{name: "old Date with Age", kinds: undated, response: func(a *api) { a.response.date, a.response.header = a.now-5*hour, http.Header{"Age": {"18000"}} }},
	{name: "the same response for 20 minutes", kinds: copies, response: func(a *api) {
		if old, ok := a.cache[a.window]; ok && a.now-old.date < 1200 {
			a.response = old
			a.response.header = http.Header{"Age": {strconv.FormatInt(a.now-old.date, 10)}}
		}
		a.cache[a.window] = a.response
	}},
	{name: "429 with Retry-After", response: func(a *api) {
		if a.requests%7 == 0 && a.now >= a.memory["until"] {
			a.memory["until"] = a.now + 900
		}
		if left := a.memory["until"] - a.now; left > 0 {
			a.response = response{status: 429, date: a.now, failed: true, header: http.Header{"Retry-After": {strconv.FormatInt(left, 10)}}}
		}
	}},
	{name: "409 within 6 minutes of a response", kinds: slow, response: func(a *api) {
		if a.now-a.memory["responded"] < 360 {
			a.response = failure(409, "")
		} else {
			a.memory["responded"] = a.now
		}
	}},
	{name: "every third request fails", response: respondWith(failure(500, ""), func(a *api) bool { return a.requests%3 == 0 })},
	{name: "three of five requests are simultaneous with another's", kinds: slow, response: respondWith(twoAtOnce, func(a *api) bool {
		return a.requests%5 > 1
	})},
	{name: "an error beside half the rows, for 7 h", kinds: blind, response: func(a *api) {
		if between(20, 27)(a) && len(a.rows) > 1 {
			a.response.body = strings.Replace(report(a.rows[:len(a.rows)/2]), `"error":`, `"error":"PARTIAL DATA","was":`, 1)
			a.response.failed = true
		}
	}},
	{name: "figures are corrected 2 h later", kinds: passing, shows: func(_ *api, h, now, n int64) int64 { return iff(now < h+3*hour, n-n/9, n) }},
	{name: "calls last up to 3 h after their hour", shows: func(a *api, h, now, _ int64) int64 { return a.ended(h, now, 235*60) }},
	{name: "no minutes until the hour is over", kinds: patchy, rows: func(a *api) {
		for i := range a.rows {
			if a.rows[i].hour+hour > a.now {
				a.rows[i].minutes = "-"
			}
		}
	}},
	{name: "a day's rows come at midnight", days: 6, late: 25, shows: func(a *api, h, now, n int64) int64 { return iff(a.date(h) >= a.date(now), none, n) }},
	{name: "rows after 19 o'clock come at midnight", days: 6, late: 6, shows: func(a *api, h, now, n int64) int64 {
		return iff(a.clock(h) >= 19 && a.date(h) >= a.date(now), none, n)
	}},
	{name: "a finished hour is left out for an hour", shows: func(_ *api, h, now, n int64) int64 {
		return iff(now >= h+hour && now < h+2*hour, none, n)
	}},
	{name: "zeros for hours to come", kinds: sound, shows: func(_ *api, _, _, n int64) int64 { return max(n, 0) }},
	{name: "zeros for hours that have begun", kinds: sound, shows: func(_ *api, h, now, n int64) int64 { return iff(h <= now, max(n, 0), n) }},
	{name: "zeros for all hours, for 8 h", kinds: blind, days: 5, shows: func(a *api, _, _, n int64) int64 { return iff(between(26, 34)(a), 0, n) }},
	{name: "windows that end in the future are empty", kinds: silent, days: 6, response: respondWith(emptyReport, future)},
	{name: "a tenth of all bodies is cut", response: func(a *api) {
		if a.chance(10) {
			a.response.body, a.response.failed = a.response.body[:len(a.response.body)*2/3], true
		}
	}},
	{name: "a tenth of all requests is redirected to the login", response: respondWith(login, often(10))},
	{name: "no connection for 40 h", kinds: blind, days: 6, logWithin: 6, response: respondWith(unreachable, between(20, 60))},
	{name: "no connection at first", kinds: blind, response: respondWith(unreachable, between(0, 5))},
	{name: "all fails at night", response: fails(clockBetween(1, 5))},
	{name: "all fails for 10 h", kinds: blind, days: 5, logWithin: 6, response: fails(between(20, 30))},
	{name: "a quota of 200 requests a day", kinds: blind, days: 6, logWithin: 6, response: func(a *api) {
		today := "requests of " + strconv.FormatInt(a.date(a.now), 10)
		a.memory[today]++
		respondWith(quota, func(a *api) bool { return a.memory[today] > 200 })(a)
	}},
	{name: "rows of hours that were not asked for", kinds: sound | passing, rows: func(a *api) {
		if len(a.rows) > 0 {
			a.rows = append(a.rows, row{label: a.window.from - 5*hour, calls: 777}, row{label: a.window.to + 2*hour, calls: 777})
		}
	}},
	{name: "each row comes twice", kinds: sound, rows: func(a *api) { a.rows = append(a.rows, a.rows...) }},
	{name: "rows come in any order", kinds: sound, rows: func(a *api) {
		a.random.Shuffle(len(a.rows), func(i, j int) { a.rows[i], a.rows[j] = a.rows[j], a.rows[i] })
	}},
	{name: "wrong figures in one of 50 responses", kinds: passing, rows: func(a *api) {
		wrong := iff(a.chance(2), int64(a.requests), 0) // never the same twice
		for i := range a.rows {
			a.rows[i].calls += iff(a.rows[i].calls > 0, wrong, 0)
		}
	}},
	{name: "the machine's clock a day ahead for 6 minutes", kinds: clock, ahead: func(a *api) int64 {
		return iff(a.now >= a.begin+30*hour && a.now < a.begin+30*hour+360, day, 0)
	}},
	{name: "the machine's clock a day ahead at first", kinds: clock, ahead: func(a *api) int64 { return iff(a.now < a.begin+360, day, 0) }},
	{name: "the machine's clock 3 h behind", kinds: clock, ahead: constant(-3 * hour)},
	{name: "the machine's clock 5 h ahead", kinds: clock, ahead: constant(5 * hour)},
	{name: "the machine's clock at 1970 for 2 h", kinds: clock, ahead: func(a *api) int64 { return iff(between(30, 32)(a), a.now%hour-a.now, 0) }},
}

// modes are values of the option hours, with +zero for empty_hours = "zero".
var modes = []string{"all", "all+zero", "ended", "final", "final+zero"}

// scenario determines everything about a run.
type scenario struct {
	Seed           uint64
	Traits         []string
	Mode           string
	Zone           string
	Begin          time.Time
	Days, Backfill int // days of the run, and of history before it
	Restart        restart
}

// restart is a crash or a clean stop.
type restart struct {
	After int // gathers; 0 for no restart
	Clean bool
	Back  int   // age of the restored state after a crash, in gathers
	Loss  int64 // seconds before a crash whose rows are lost
	Off   int64 // seconds until the next start
}

// figure is a row that was written for an hour.
type figure struct {
	hour, calls int64
	minutes     float64
	at          int64
	mayRepeat   bool // may be sent again, because of a crash
}

// simulation runs a scenario. It is the plugin's clock, logger, accumulator and HTTP transport.
type simulation struct {
	telegraf.Logger // nil, like the accumulator: only the methods below are used
	telegraf.Accumulator
	*api
	scenario  *scenario
	plugin    *wolkvox_ivr.WolkvoxIVR
	token     string // unique, because the plugin never uses a token concurrently
	hours     string
	isZero    bool
	kinds     int   // of all traits, or-ed
	isSound   bool  // nothing is wrong
	logWithin int64 // hours within which any fault must be logged; 0 if it need not be
	broken    error // the first broken promise

	database   map[int64]figure
	written    []figure
	saved      [][]byte // states
	sent       []int64  // instants of requests
	mayRequest bool     // the gather may still make a request
	apiTime    int64    // the API's time in this gather, from the Date header

	oldest, newest, newestAt        int64          // hours in which the API has shown calls, and when it first showed the newest
	zeros                           map[int64]bool // hours that the API has listed as zero
	loggedAt                        int64          // when a warning or an error was last logged
	lastOnTime                      int64          // the last hour that arrived on time
	restarted                       int64
	historyRequests, neededRequests int // requests for history so far, and until its last hour arrived
	history                         []string
	keepHistory                     bool
}

func (s *simulation) fail(format string, args ...any) {
	if s.broken == nil {
		s.broken = fmt.Errorf(format, args...)
	}
}

func (s *simulation) name(instant int64) string {
	return time.Unix(instant, 0).In(s.zone).Format("2006-01-02T15:04")
}

// clockAhead returns by how much the machine's clock is ahead.
func (a *api) clockAhead() int64 {
	sum := int64(0)
	for _, t := range a.traits {
		if t.ahead != nil {
			sum += t.ahead(a)
		}
	}
	return sum
}

func (a *api) isLost(h int64) bool {
	return slices.ContainsFunc(a.traits, func(t *trait) bool { return t.lost != nil && t.lost(a, h) })
}

func (s *simulation) note(format string, args ...any) {
	if s.keepHistory {
		s.history = append(s.history, s.name(s.now)+" "+fmt.Sprintf(format, args...))
	}
}

// Now implements Clock.
func (s *simulation) Now() time.Time { return time.Unix(s.now+s.clockAhead(), 0) }

// After implements Clock. It advances the simulated time instead of waiting.
func (s *simulation) After(d time.Duration) <-chan time.Time {
	s.now += int64(d / time.Second)
	elapsed := make(chan time.Time, 1)
	elapsed <- s.Now()
	return elapsed
}

// The methods of telegraf.Logger.

func (*simulation) Level() telegraf.LogLevel            { return telegraf.Trace }
func (*simulation) AddAttribute(string, any)            {}
func (s *simulation) Errorf(format string, args ...any) { s.Error(fmt.Sprintf(format, args...)) }
func (s *simulation) Error(args ...any)                 { s.logProblem("E!", args...) }
func (s *simulation) Warnf(format string, args ...any)  { s.Warn(fmt.Sprintf(format, args...)) }
func (s *simulation) Warn(args ...any)                  { s.logProblem("W!", args...) }
func (s *simulation) Infof(format string, args ...any)  { s.Info(fmt.Sprintf(format, args...)) }
func (s *simulation) Info(args ...any)                  { s.logLine("I!", args...) }
func (s *simulation) Debugf(format string, args ...any) { s.Info(fmt.Sprintf(format, args...)) }
func (s *simulation) Debug(args ...any)                 { s.Info(args...) }
func (s *simulation) Tracef(format string, args ...any) { s.Info(fmt.Sprintf(format, args...)) }
func (s *simulation) Trace(args ...any)                 { s.Info(args...) }

func (s *simulation) logProblem(level string, args ...any) {
	s.loggedAt = s.now
	s.logLine(level, args...)
}

func (s *simulation) logLine(level string, args ...any) {
	line := fmt.Sprint(args...)
	s.note("  %s %s", level, line)
	if strings.Contains(line, s.token) {
		s.fail("the token is in the log: %s", line)
	}
}

// RoundTrip implements http.RoundTripper.
func (s *simulation) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "wv0001.wolkvox.com" {
		if strings.Contains(fmt.Sprint(r.Header, r.URL), s.token) {
			s.fail("the token goes to %s", r.URL.Host)
		}
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("<html>")), Request: r}, nil
	}
	query := r.URL.Query()
	from, err1 := time.Parse("20060102150405", query.Get("date_ini"))
	to, err2 := time.Parse("20060102150405", query.Get("date_end"))
	if err1 != nil || err2 != nil || query.Get("api") != "diagram_1_2" || r.URL.Path != "/api/v2/reports_manager.php" {
		s.fail("%s is no request for the report", r.URL)
	}
	if r.Header.Get("Wolkvox-Token") != s.token || strings.Contains(r.URL.String(), s.token) {
		s.fail("the token is not where it belongs")
	}
	w := &window{from.Unix(), to.Unix() + 1}
	s.checkRequest(w)
	resp := s.respond(*w)
	s.note("%s..%s: %d, %d rows %v", from.Format("01-02T15:04"), to.Format("01-02T15:04"), resp.status, len(resp.rows), resp.err)
	if resp.err != nil {
		return nil, resp.err
	}
	s.learn(w, resp)
	header := http.Header{"Content-Type": {"application/json; charset=utf-8"}}
	if resp.date != 0 {
		header.Set("Date", time.Unix(resp.date, 0).UTC().Format(http.TimeFormat))
	}
	maps.Copy(header, resp.header)
	return &http.Response{StatusCode: resp.status, Header: header, Body: io.NopCloser(strings.NewReader(resp.body)), ContentLength: -1, Request: r}, nil
}

func (s *simulation) checkRequest(w *window) {
	last := len(s.sent)
	s.sent = append(s.sent, s.now)
	isRight := s.kinds&clock == 0 // a restarted plugin can't know the clock's error
	isLive := w.to > s.label(s.now)
	switch {
	case !s.mayRequest:
		s.fail("a gather makes a second request, or there is one without a gather")
	case last > 0 && s.now-s.sent[last-1] < 270 && isRight:
		s.fail("a request %d s after the last", s.now-s.sent[last-1])
	case last >= 288 && s.now-s.sent[last-288] < day && isRight:
		s.fail("289 requests since %s", s.name(s.sent[last-288]))
	case w.to <= w.from || (w.to-1)/day-w.from/day >= 31 || w.from%hour != 0 || w.to%hour != 0:
		s.fail("a window of %d s", w.to-w.from)
	case s.isSound && isLive && len(s.database) > 0 && (w.from%day != 0 || w.to%day != 0):
		s.fail("a window isn't made of whole days, and nothing has failed: %d h", (w.to-w.from)/hour)
	}
	s.mayRequest = false
	if w.from < s.label(s.begin)-4*day {
		s.historyRequests++
	}
}

// learn records what the plugin can know from a response.
func (s *simulation) learn(w *window, r *response) {
	if r.header["Age"] == nil {
		s.apiTime = r.date
	}
	for i := range r.rows {
		row := &r.rows[i]
		switch {
		case r.failed || row.label < w.from || row.label >= w.to:
		case row.calls == 0:
			s.zeros[row.hour] = true
		default:
			s.oldest = min(s.oldest, row.hour)
			if row.hour > s.newest {
				s.newest, s.newestAt = row.hour, s.now
			}
		}
	}
}

// The methods of telegraf.Accumulator.

func (s *simulation) AddError(err error) {
	if err != nil {
		s.logProblem("error:", err)
	}
}

func (s *simulation) AddMetric(m telegraf.Metric) {
	s.AddFields(m.Name(), m.Fields(), m.Tags(), m.Time())
}

func (s *simulation) AddFields(name string, fields map[string]any, tags map[string]string, t ...time.Time) {
	calls, isInt := fields["calls"].(int64)
	minutes, isFloat := fields["minutes"].(float64)
	f := figure{hour: t[0].Unix(), calls: calls, minutes: minutes, at: s.now}
	if name != "wolkvox_ivr" || !isInt || !isFloat || len(fields) != 2 ||
		t[0].UnixNano() != f.hour*1e9 || s.label(f.hour)%hour != 0 || tags["hour"] != t[0].In(s.zone).Format("15") ||
		tags["source"] != "wv0001.wolkvox.com" {
		s.fail("a metric of the wrong form: %s %v %v %v", name, tags, fields, t)
	}
	for key, value := range tags {
		if strings.Contains(key+value, s.token) {
			s.fail("the token is in a tag")
		}
	}
	if s.keepHistory {
		s.note("  %s = %d", s.name(f.hour), calls)
	}
	s.checkFigure(&f)
	s.database[f.hour] = f
	s.written = append(s.written, f)
}

// wanted returns the instant from which hours are wanted.
func (s *simulation) wanted() int64 { return s.begin - max(lookback, int64(s.scenario.Backfill)*day) }

func (s *simulation) reject(f *figure, format string, args ...any) {
	s.fail(s.name(f.hour)+" "+format, args...)
}

func (s *simulation) checkFigure(f *figure) {
	now := max(s.now, s.apiTime) // a plugin may believe the API
	before, ok := s.database[f.hour]
	if !ok && f.hour < s.begin {
		s.neededRequests = s.historyRequests
	}
	switch {
	case f.hour > now:
		s.reject(f, "has not begun, and is written")
	case f.hour+hour > now && (s.hours != "all" || f.calls == 0):
		s.reject(f, "has not ended, and is written with %d calls", f.calls)
	case f.hour+hour+lookback > now && s.hours == "final":
		s.reject(f, "is written before it can be final")
	case f.hour < s.wanted()-hour+min(s.clockAhead(), 0):
		s.reject(f, "is written, and nobody wants it")
	case f.calls > 0 && f.minutes != perCall*float64(f.calls) && s.kinds&patchy == 0:
		s.reject(f, "has %d calls and %g minutes", f.calls, f.minutes)
	case ok && s.hours == "final" && f.calls == before.calls && f.minutes == before.minutes && !before.mayRepeat:
		s.reject(f, "is sent twice as final with %d calls, first at %s", f.calls, s.name(before.at))
	case f.calls > 0:
	case !s.isZero && !s.zeros[f.hour] && !s.shared(f.hour):
		s.reject(f, "is written as zero, and nobody asked for zeros")
	case f.hour < s.oldest:
		s.reject(f, "is written as zero, before the first calls")
	case before.calls > 0:
		s.reject(f, "is written as zero over %d calls", before.calls)
	case s.hours == "final" && s.calls(f.hour) > 0 && s.now-s.newestAt < 12*hour && !s.shared(f.hour):
		s.reject(f, "is final as zero, and has %d calls", s.calls(f.hour)) // even if it is corrected later
	}
}

// start starts the plugin with the latest saved state, like Telegraf does.
func (s *simulation) start() error {
	table := fmt.Sprintf("[[inputs.wolkvox_ivr]]\nserver = \"0001\"\ntoken = %q\ntimezone = %q\ninterval = \"5m\"\nbackfill = \"%dh\"\nhours = %q\n",
		s.token, s.scenario.Zone, 24*s.scenario.Backfill, s.hours)
	if s.isZero {
		table += "empty_hours = \"zero\"\n"
	}
	cfg := config.NewConfig()
	if err := cfg.LoadConfigData([]byte(table), config.EmptySourcePath); err != nil {
		return fmt.Errorf("loading %s: %w", table, err)
	}
	s.plugin = cfg.Inputs[0].Input.(*wolkvox_ivr.WolkvoxIVR)
	s.plugin.Log, s.plugin.Clock, s.plugin.Transport = s, s, s
	if err := s.plugin.Init(); err != nil {
		return fmt.Errorf("initialising: %w", err)
	}
	if n := len(s.saved); n > 0 {
		state, err := s.restored(s.saved[n-1])
		if err != nil {
			return err
		}
		if err := s.plugin.SetState(state); err != nil {
			return fmt.Errorf("setting the state: %w", err)
		}
	}
	return s.plugin.Start(s)
}

// restored returns a saved state as the plugin's type.
func (s *simulation) restored(content []byte) (any, error) {
	state := reflect.New(reflect.TypeOf(s.plugin.GetState()))
	err := json.Unmarshal(content, state.Interface())
	return state.Elem().Interface(), err
}

// save saves the plugin's state like Telegraf does, and checks that JSON preserves it.
func (s *simulation) save() error {
	content, err1 := json.Marshal(s.plugin.GetState())
	state, err2 := s.restored(content)
	copied, err3 := json.Marshal(state)
	if err := errors.Join(err1, err2, err3); err != nil || !bytes.Equal(copied, content) {
		return fmt.Errorf("the state %s changes on its way through JSON to %s: %w", content, copied, err)
	}
	if bytes.Contains(content, []byte(s.token)) {
		return errors.New("the token is in the state")
	}
	s.saved = append(s.saved, content)
	return nil
}

// restart stops the plugin, cleanly or by a crash, and starts it again.
func (s *simulation) restart() error {
	r := &s.scenario.Restart
	s.note("restart: %+v", *r)
	if r.Clean {
		s.plugin.Stop()
		if err := s.save(); err != nil {
			return err
		}
	} else {
		saved := s.now - int64(r.Back)*interval
		s.saved = s.saved[:max(len(s.saved)-r.Back, 1)]
		kept := s.written[:0]
		clear(s.database)
		for _, f := range s.written {
			before, ok := s.database[f.hour]
			if f.at <= min(saved, s.now-r.Loss) { // rows written after the state was saved are lost too, because the plugin can't know of them
				kept = append(kept, f)
				before, ok = f, true
			}
			before.mayRepeat = before.mayRepeat || f.at >= saved-lookback-interval
			if ok {
				s.database[f.hour] = before
			}
		}
		s.written = kept
	}
	s.now += r.Off - interval
	s.restarted = s.now
	return s.start()
}

func newSimulation(s *scenario, keepHistory bool) *simulation {
	sim := &simulation{api: newAPI(s), scenario: s, isSound: true, database: make(map[int64]figure, 2000), oldest: math.MaxInt64, zeros: make(map[int64]bool)}
	sim.lastOnTime, sim.keepHistory, sim.token = sim.begin, keepHistory, fmt.Sprintf("s3cret-t0ken-%d-", tokens.Add(1))
	sim.hours, sim.isZero = strings.CutSuffix(s.Mode, "+zero")
	mustBeLogged := true
	for _, t := range sim.traits {
		sim.kinds |= t.kinds
		sim.isSound = sim.isSound && t.kinds&sound != 0
		mustBeLogged = mustBeLogged && (t.kinds&sound != 0 || t.logWithin > 0)
		sim.logWithin = max(sim.logWithin, t.logWithin)
	}
	if !mustBeLogged {
		sim.logWithin = 0
	}
	return sim
}

// run runs a scenario until its end or the first broken promise.
func run(s *scenario, keepHistory bool) (*simulation, error) {
	sim := newSimulation(s, keepHistory)
	if err := sim.start(); err != nil {
		return sim, err
	}
	defer func() { sim.plugin.Stop() }()
	for n := 1; n <= s.Days*288; n++ {
		sim.gather()
		if n%12 == 0 {
			sim.checkProgress()
		}
		if soon := s.Restart.After - n; n%288 == 0 || soon >= 0 && soon < 6 {
			if err := sim.save(); err != nil {
				return sim, err
			}
		}
		if sim.broken != nil {
			return sim, sim.broken
		}
		if n == s.Restart.After {
			if err := sim.restart(); err != nil {
				return sim, err
			}
		}
		sim.now += interval
	}
	sim.checkEnd()
	return sim, sim.broken
}

func (s *simulation) gather() {
	s.mayRequest, s.apiTime = true, 0
	s.AddError(s.plugin.Gather(s))
	if n := len(s.sent); s.mayRequest && s.isSound && (n == 0 || s.now-s.sent[n-1] >= 270) {
		s.fail("a gather makes no request")
	}
	if s.mayRequest {
		s.note("no request")
	}
	s.mayRequest = false
}

// checkProgress checks that hours arrive on time or, if the API fails or hides calls, that the plugin logs it.
func (s *simulation) checkProgress() {
	late := 1800 + s.logWithin*hour
	if s.hours == "final" {
		late += 15 * hour // the last hours of an evening wait for newer calls, or 12 h
	}
	h := s.now - late - hour
	h -= h % hour
	switch {
	case !s.isSound && s.logWithin == 0 || s.now < s.restarted+day || h < s.begin || s.calls(h) == 0 || s.shared(h) || s.isLost(h):
	case s.database[h].calls > 0:
		s.lastOnTime = h
	case s.isSound:
		s.fail("%s is over, but not there", s.name(h))
	case s.logWithin > 0 && s.loggedAt < s.lastOnTime:
		s.fail("%s is missing, and nothing has been heard since %s", s.name(h), s.name(s.loggedAt))
	}
}

// checkEnd checks that all hours are present and right.
func (s *simulation) checkEnd() {
	margin := lookback + 3*hour
	if s.hours == "final" {
		margin += 12 * hour
	}
	for _, t := range s.traits {
		margin += t.late * hour
		if t.kinds&sound == 0 {
			margin += 12 * hour
		}
	}
	first := s.wanted() + hour
	if s.kinds&clock != 0 {
		first += hour // the right time is only known after the first responses
	}
	for h := first - first%hour; h < s.now-margin-hour; h += hour {
		truth := s.calls(h)
		f, ok := s.database[h]
		switch {
		case s.isLost(h) && truth > 0 && s.logWithin > 0 && s.loggedAt == 0:
			s.fail("%s is lost, and nothing has ever been heard of it", s.name(h))
		case s.isSound && s.label(h) == s.label(h+hour) && truth > 0 && max(f.calls, s.database[h+hour].calls) != truth+s.calls(h+hour):
			s.fail("%s comes twice, and neither has the calls of both", s.name(h))
		case s.shared(h) || s.isLost(h) || !ok && truth == 0:
		case !ok:
			s.fail("%s is missing: it has %d calls", s.name(h), truth)
		case !s.isSound && s.now-f.at < 3*hour: // the next reading may correct it
		case f.calls == 0 && truth > 0:
			s.fail("%s is falsely zero since %s: it has %d calls", s.name(h), s.name(f.at), truth)
		case f.calls != truth || f.minutes != perCall*float64(truth):
			s.fail("%s is wrong since %s: %d calls in %g minutes, where there are %d", s.name(h), s.name(f.at), f.calls, f.minutes, truth)
		}
	}
}

// clockChanges are nights when clocks are set forward or back, in Santiago at midnight.
var clockChanges = []struct {
	zone string
	at   time.Time
}{
	{"Europe/Madrid", time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC)},
	{"America/Santiago", time.Date(2026, 9, 6, 4, 0, 0, 0, time.UTC)},
	{"Europe/Madrid", time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC)},
	{"America/Santiago", time.Date(2026, 4, 5, 3, 0, 0, 0, time.UTC)},
}

// excluded reports whether a scenario can't be handled correctly, or not within days.
func excluded(s *scenario) bool {
	has := func(name string) bool { return slices.Contains(s.Traits, name) }
	count := func(is func(t *trait) bool) (n int) {
		for _, name := range s.Traits {
			if is(traitOf(name)) {
				n++
			}
		}
		return n
	}
	of := func(kind int) int { return count(func(t *trait) bool { return t.kinds&kind != 0 }) }
	late := count(func(t *trait) bool { return t.late > 0 })
	odd := count(func(t *trait) bool { return t.name != "quiet nights" && t.name != "calls at all hours" })
	switch {
	case has("5% of all rows are missing") && (strings.HasSuffix(s.Mode, "+zero") || len(s.Traits) > 1):
		return true // a row that is missing from both readings is silence
	case of(alone) > 0 && odd > 1:
		return true // too few rows arrive to detect another fault, or to finish within days
	case has("rows vanish after 2 h, are back after 12") && (of(blind) > 0 || late > 1 || s.Restart.Off > hour):
		return true // rows that vanish before they are read are silence
	case of(copies) > 1, of(copies) > 0 && of(passing) > 0:
		return true // several readings have the same wrong figures
	case of(closes) > 0 && has("windows over 10 days are empty"):
		return true // after ten days without calls, an empty window of ten days proves nothing
	case of(closes) > 0 && has("nothing newer for 30 h"):
		return true // this isn't unusual for the operation, so nothing is logged
	case of(slow) > 1, of(slow) > 0 && late > 0:
		return true // takes weeks
	case of(slow) > 0 && of(silent) > 0 && of(blind) > 0:
		return true // rows hidden for hours look like rows that are always cut off
	}
	return of(clock) > 0 && of(undated) > 0 // no clock is right
}

// plain returns the scenario of the traits without any randomness.
func plain(m string, names ...string) *scenario {
	s := &scenario{Seed: 7, Traits: names, Mode: m, Zone: "America/Bogota", Begin: time.Date(2026, 6, 9, 18, 7, 30, 0, time.UTC)}
	s.fit(4, 30)
	return s
}

// fit sets the length of the run and of its history as the traits require and allow.
func (s *scenario) fit(days, backfill int) {
	s.Days, s.Backfill = days, backfill
	for _, name := range s.Traits {
		t := traitOf(name)
		s.Days = max(s.Days, t.days)
		if t.backfill > 0 {
			s.Backfill = min(s.Backfill, t.backfill)
		}
		if t.kinds&(slow|silent) != 0 && len(s.Traits) > 2 {
			s.Days += 3 // combinations are slower
		}
	}
}

// disturb adds a restart and, if change is an index of clockChanges, that zone and a start before the change.
func (s *scenario) disturb(r *rand.Rand, change int) {
	if change < len(clockChanges) {
		s.Zone = clockChanges[change].zone
		s.Begin = clockChanges[change].at.Add(-time.Duration(r.Int64N(2*day)) * time.Second)
	}
	s.Restart = restart{After: 1 + r.IntN((s.Days-2)*288), Clean: r.IntN(4) == 0, Back: max(r.IntN(9)-3, 0), Loss: r.Int64N(lookback + 1)}
	s.Restart.Off = interval + r.Int64N([]int64{300, 2 * hour, 20 * hour}[r.IntN(3)])
	if s.Restart.Back == 0 && r.IntN(3) == 0 {
		s.Restart.Off = 60 + r.Int64N(200)
	}
}

// newScenario returns the random scenario of a seed.
func newScenario(seed uint64) *scenario {
	r := rand.New(rand.NewPCG(seed, 1))
	s := &scenario{Seed: seed, Mode: modes[r.IntN(len(modes))], Zone: "America/Bogota"}
	s.Begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.Int64N(365*day)) * time.Second)
	s.Traits = []string{traits[max(r.IntN(10)-4, 0)].name}
	for range 1 + r.IntN(2) {
		s.Traits = append(s.Traits, traits[operations+r.IntN(len(traits)-operations)].name)
	}
	s.fit(4+r.IntN(2), 24+r.IntN(36))
	if r.IntN(3) > 0 {
		s.disturb(r, r.IntN(2*len(clockChanges)))
	}
	if excluded(s) || len(s.Traits) > 2 && s.Traits[1] == s.Traits[2] {
		return newScenario(seed + 1<<32)
	}
	return s
}

// shrink returns a simpler scenario that also fails.
func shrink(failing *scenario) *scenario {
	until, simplest := time.Now().Add(15*time.Second), *failing
	try := func(change func(s *scenario)) bool {
		simpler := simplest
		simpler.Traits = slices.Clone(simplest.Traits)
		change(&simpler)
		if reflect.DeepEqual(simpler, simplest) || time.Now().After(until) || simpler.Days < 2 {
			return false
		}
		_, err := run(&simpler, false)
		if err != nil {
			simplest = simpler
		}
		return err != nil
	}
	for isSimpler := true; isSimpler; {
		isSimpler = false
		for i := len(simplest.Traits) - 1; i >= 0; i-- {
			isSimpler = try(func(s *scenario) { s.Traits = slices.Delete(s.Traits, i, i+1) }) || isSimpler
		}
		for _, change := range []func(s *scenario){
			func(s *scenario) { s.Restart = restart{} },
			func(s *scenario) { s.Restart.Back, s.Restart.Loss = 0, 0 },
			func(s *scenario) { s.Restart.Off = min(s.Restart.Off, 300) },
			func(s *scenario) { s.Zone = "America/Bogota" },
			func(s *scenario) { s.Mode = modes[0] },
			func(s *scenario) { s.Mode = strings.TrimSuffix(s.Mode, "+zero") },
			func(s *scenario) { s.Backfill /= 2 },
			func(s *scenario) { s.Days-- },
		} {
			isSimpler = try(change) || isSimpler
		}
	}
	return &simplest
}

var simFailures, tokens atomic.Int64

// check runs a scenario. If it breaks a promise, check reports it with a simpler one that does too.
func check(t *testing.T, s *scenario) {
	t.Helper()
	if *simSeed != 0 {
		sim, err := run(s, true)
		t.Logf("%+v\n%s", *s, strings.Join(sim.history, "\n"))
		require.NoError(t, err)
		return
	}
	if _, err := run(s, false); err != nil {
		if simFailures.Add(1) > 5 { // shrinking every failure takes too long
			t.Fatalf("%v\n%+v", err, *s)
		}
		simplest := shrink(s)
		sim, simplestErr := run(simplest, true)
		t.Fatalf("%v\n%+v\nmore simply:\n%v\n%+v\n%s", err, *s, simplestErr, *simplest, strings.Join(sim.history[max(len(sim.history)-60, 0):], "\n"))
	}
}

// TestSimulatedTraits runs each trait in each mode, plain and with a restart and a clock change; -short runs a hundredth of them.
//
//promise:right
//promise:final
//promise:once
//promise:silence
//promise:late
//promise:postponed
//promise:quota
//promise:dst
//promise:clock
//promise:killed
func TestSimulatedTraits(t *testing.T) {
	t.Parallel()
	if *simSeed != 0 {
		t.Skip("-sim.seed selects a random scenario")
	}
	for i := range traits {
		for j, m := range modes {
			for k, variant := range []string{"plain", "disturbed"} {
				n := (i*len(modes)+j)*2 + k
				s := plain(m, traits[i].name)
				if k > 0 {
					s.disturb(rand.New(rand.NewPCG(uint64(n), 2)), (i+j)%len(clockChanges))
				}
				if excluded(s) || testing.Short() && n%100 != i%100 {
					continue
				}
				t.Run(traits[i].name+"/"+m+"/"+variant, func(t *testing.T) {
					t.Parallel()
					check(t, s)
				})
			}
		}
	}
}

// TestSimulatedCombinations runs random combinations; -short runs a hundredth of them.
//
//promise:right
//promise:final
//promise:once
//promise:silence
//promise:late
func TestSimulatedCombinations(t *testing.T) {
	t.Parallel()
	first, runs := max(*simSeed, 1), *simRuns
	if testing.Short() {
		runs /= 100
	}
	if *simSeed != 0 {
		runs = 1
	}
	for seed := first; seed < first+runs; seed++ {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			check(t, newScenario(seed))
		})
	}
}

// TestSimulatedYear reads a year of history from APIs without faults; -short runs one of them in one mode.
//
//promise:backfill
func TestSimulatedYear(t *testing.T) {
	t.Parallel()
	for i := range traits[:3] {
		for j, m := range modes {
			if testing.Short() && i+j > 0 {
				continue
			}
			t.Run(traits[i].name+"/"+m, func(t *testing.T) {
				t.Parallel()
				s := plain(m, traits[i].name)
				s.Backfill = 365
				sim, err := run(s, false)
				require.NoError(t, err)
				require.LessOrEqual(t, sim.neededRequests, 28, "requests until the last hour of the history has come")
				require.Less(t, len(sim.saved[len(sim.saved)-1]), 4096, "bytes of state")
			})
		}
	}
}
