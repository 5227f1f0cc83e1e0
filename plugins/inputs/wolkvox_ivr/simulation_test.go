// Package wolkvox_ivr_test plays the plugin against a simulated operation. It knows the calls, the promises and how APIs
// misbehave, and nothing of how the plugin keeps the promises.
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
	simRuns = flag.Uint64("sim.runs", 300, "how many random runs to play")
	simSeed = flag.Uint64("sim.seed", 0, "play the random run of this seed alone, and show its history")
)

// All times are in seconds: instants since 1970, and labels, which are what a local clock shows, counted in the same way.
const (
	hour, day = int64(3600), 24 * hour
	interval  = int64(300)
	lookback  = 3 * hour  // the option's default
	none      = int64(-1) // calls of an hour of which there is no row
	always    = 1000      // hours
	perCall   = 2.25      // minutes
)

func init() {
	config.DisableSecretProtection() // protecting a secret takes longer than a simulated request
}

// api is an operation and its report, as its traits make them.
type api struct {
	traits     []*trait
	random     *rand.Rand
	zone       *time.Location
	seed       uint64
	begin, now int64 // of the run
	fault      reply // how it refuses

	requests int
	window   window
	lag      int64
	rows     []row
	reply    reply
	previous reply            // before traits changed it
	cache    map[window]reply // what was answered
	memory   map[string]int64 // of traits, by a name of their own
}

// window is a request: labels, the end exclusive.
type window struct{ from, to int64 }

type row struct {
	label, hour, calls int64
	minutes            string // instead of the right ones
}

type reply struct {
	status int
	body   string
	header http.Header // besides Date, which is the date unless that is 0
	date   int64
	err    error // of the connection
	failed bool  // no report
	rows   []row
}

var (
	unreachable = reply{err: errors.New("connection refused"), failed: true}
	noRecords   = reply{status: 404, body: `{"code":"404","error":"404","msg":"Validate dates entered","data":null}`}
	emptyReport = reply{status: 200, body: `{"code":"200","error":null,"msg":"0 records were found","data":[]}`}
	login       = reply{status: 302, failed: true, header: http.Header{"Location": {"https://manager.wolkvox.com/login"}}}
	quota       = failure(403, `{"code":"403","error":"TOKEN LIMIT EXCEEDED","msg":"","data":null}`)
	twoAtOnce   = failure(403, `{"code":"403","error":"EXCEEDS THE LIMIT OF SIMULTANEOUS REQUESTS PER TOKEN (2)","msg":"","data":null}`)

	// faults are the ways in which an API may refuse; each run has one.
	faults = []reply{
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

func failure(status int, body string) reply { return reply{status: status, body: body, failed: true} }

func newAPI(s *scenario) *api {
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		panic(err)
	}
	a := &api{
		random: rand.New(rand.NewPCG(s.Seed, 3)), zone: zone, seed: s.Seed, begin: s.Begin.Unix(), now: s.Begin.Unix(),
		cache: make(map[window]reply), memory: make(map[string]int64),
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

// shared tells whether the clock shows the hour's label twice. Such hours come as one row; nobody knows how it divides.
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

// calls is how many begin in an hour.
func (a *api) calls(h int64) int64 {
	for _, t := range a.traits {
		if t.calls != nil {
			return t.calls(a, h)
		}
	}
	return a.nights(h)
}

// ended is how many of an hour's calls have ended, of which the last does so long after the hour's beginning.
func (a *api) ended(h, now, after int64) int64 {
	n := a.calls(h) * min(max(now-h, 0), after) / after
	return iff(n > 0, n, none)
}

// shown is what a row says of an hour: the calls that have ended, unless a trait knows better.
func (a *api) shown(h, now int64) int64 {
	n := a.ended(h, now, 150*60)
	for _, t := range a.traits {
		if t.shows != nil {
			n = t.shows(a, h, now, n)
		}
	}
	return n
}

// respond answers a request.
func (a *api) respond(w window) *reply {
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
	a.reply = noRecords
	if len(a.rows) > 0 {
		a.reply = reply{status: 200, body: report(a.rows), rows: a.rows}
	} else if a.requests%2 > 0 {
		a.reply = emptyReport
	}
	a.reply.date = a.now
	honest := a.reply
	for _, t := range a.traits {
		if t.reply != nil {
			t.reply(a)
		}
	}
	a.previous = honest
	return &a.reply
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
	silent              // rows are left out, and nothing in the answer shows it
	blind               // no rows come for hours
	slow                // history takes days
	alone               // nothing else may be wrong, see excluded
	clock               // the machine's clock is wrong
	undated             // the Date header doesn't help
	patchy              // minutes are missing at times
	closes              // the operation, for days
	copies              // an answer may be as old as another
	passing             // figures stay wrong for a while
)

// trait is something about an operation or its API. Of the functions it has those that it needs.
type trait struct {
	name     string
	is       int   // kinds
	days     int   // that a run lasts at least
	backfill int   // days of history at most
	late     int64 // hours that figures may come late for ever
	loud     int64 // hours after which it must be heard of that the API fails or hides

	calls func(a *api, h int64) int64         // that begin in an hour
	shows func(a *api, h, now, n int64) int64 // instead of n
	lag   func(a *api) int64                  // how old an answer is
	rows  func(a *api)                        // changes a.rows
	reply func(a *api)                        // changes a.reply
	ahead func(a *api) int64                  // how far the machine's clock is
	lost  func(a *api, h int64) bool          // tells hours that can't be had in the end
}

func traitOf(name string) *trait {
	return &traits[slices.IndexFunc(traits, func(t trait) bool { return t.name == name })]
}

type when func(a *api) bool

func wider(hours int64) when {
	return func(a *api) bool { return a.window.to-a.window.from > hours*hour }
}

func future(a *api) bool { return a.window.to > a.label(a.now)/hour*hour+hour }

func often(percent int) when { return func(a *api) bool { return a.chance(percent) } }

// between is from so many hours of the run until so many.
func between(from, to int64) when {
	return func(a *api) bool { return a.now >= a.begin+from*hour && a.now < a.begin+to*hour }
}

func oclock(from, to int64) when {
	return func(a *api) bool { return a.clock(a.now) >= from && a.clock(a.now) < to }
}

func says(r reply, is when) func(a *api) {
	return func(a *api) {
		if is(a) {
			a.reply = r
			a.reply.date = a.now
		}
	}
}

func fails(is when) func(a *api) { return func(a *api) { says(a.fault, is)(a) } }

func constant(n int64) func(a *api) int64 { return func(*api) int64 { return n } }

// stalled is how long ago the report ceased to grow, for so many hours from the third day on.
func (a *api) stalled(hours int64) int64 {
	since := a.now - a.begin - 50*hour
	return iff(since < hours*hour, max(since, 0), 0)
}

// lacks leaves out rows.
func lacks(gone func(a *api, r row) bool) func(a *api) {
	return func(a *api) { a.rows = slices.DeleteFunc(a.rows, func(r row) bool { return gone(a, r) }) }
}

// poison has windows fail, for so many hours of the run, that contain an hour of spans, counted from its beginning.
func poison(name string, is int, hours int64, spans ...int64) trait {
	meets := func(a *api, from, to int64) bool {
		floor := a.begin / hour * hour
		for span := range slices.Chunk(spans, 2) {
			if between(0, hours)(a) && from < a.label(floor+span[1]*hour) && to > a.label(floor+span[0]*hour) {
				return true
			}
		}
		return false
	}
	return trait{
		name: name, is: is, loud: 6,
		lost:  func(a *api, h int64) bool { return meets(a, a.label(h), a.label(h)+hour) },
		reply: fails(func(a *api) bool { return meets(a, a.window.from, a.window.to) }),
	}
}

// operations is how many traits are kinds of operations.
const operations = 6

// traits are ways in which an API may behave, above all wrongly: first those that clients have reported, then others.
var traits = []trait{
	{name: "quiet nights", is: sound},
	{name: "calls at all hours", is: sound, calls: (*api).busy},
	{name: "closed weekends", is: sound | closes, days: 8, calls: func(a *api, h int64) int64 {
		return iff((a.date(h)+3)%7 > 4, 0, a.nights(h)) // 1970 began on a Thursday
	}},
	{name: "closed for ten days", is: sound | closes, calls: func(a *api, h int64) int64 {
		return iff(h > a.begin-25*day && h < a.begin-15*day, 0, a.nights(h))
	}},
	{name: "calls in one hour of a hundred", is: sound | alone, days: 6, calls: func(a *api, h int64) int64 { return iff(a.busy(7*h)%100 > 0, 0, a.busy(h)) }},
	{name: "young operation", is: sound, calls: func(a *api, h int64) int64 { return iff(h < a.begin-20*day, 0, a.nights(h)) }},

	{name: "windows over 10 days fail", reply: fails(wider(240))},
	{name: "windows over 10 days are empty", is: silent, days: 6, reply: says(noRecords, wider(240))},
	{name: "windows over a day fail", is: slow, days: 6, backfill: 30, reply: fails(wider(24))},
	{name: "windows over 12 h fail", is: slow, days: 6, backfill: 12, reply: fails(wider(12))},
	{name: "windows over 2 h fail", is: slow | alone, days: 7, backfill: 2, reply: fails(wider(2))},
	{name: "keeps 15 days, older fails", lost: func(a *api, h int64) bool { return h < a.now-15*day },
		reply: fails(func(a *api) bool { return a.window.from < a.label(a.now-15*day) })},
	{name: "keeps 15 days, older is empty", lost: func(a *api, h int64) bool { return h < a.now-15*day },
		shows: func(_ *api, h, now, n int64) int64 { return iff(h < now-15*day, none, n) }},
	poison("an hour fails", 0, always, -480, -479),
	poison("a day fails", 0, always, -480, -456),
	poison("ten days fail", alone, always, -18*24, -8*24),
	poison("three stretches fail", slow|alone, always, -192, -144, -408, -288, -456, -455),
	{name: "only the first day of a window", is: silent | slow, backfill: 40, rows: lacks(func(a *api, r row) bool { return r.label >= a.window.from+day })},
	{name: "only the last day of a window", is: silent | slow, backfill: 40, rows: lacks(func(a *api, r row) bool { return r.label < a.window.to-day })},
	{name: "only the first 100 rows", is: silent, days: 6, rows: func(a *api) { a.rows = a.rows[:min(100, len(a.rows))] }},
	{name: "only the last 100 rows", is: silent, rows: func(a *api) { a.rows = a.rows[max(len(a.rows)-100, 0):] }},
	{name: "only the first 10 rows", is: silent | slow | alone, days: 5, backfill: 20, rows: func(a *api) { a.rows = a.rows[:min(10, len(a.rows))] }},
	{name: "no window may end in the future", days: 6, reply: fails(future)},
	{name: "a fifth of all requests fail", reply: fails(often(20))},
	{name: "a tenth of all answers are empty", is: silent, days: 6, reply: says(noRecords, often(10))},
	{name: "requests sooner than 5 minutes fail", reply: func(a *api) {
		last := a.memory["requested"]
		fails(func(a *api) bool { return a.now < last+interval })(a)
		a.memory["requested"] = a.now
	}},
	{name: "all is empty for 8 h", is: blind, loud: 6, reply: says(noRecords, between(1, 9))},
	{name: "all is empty for 72 h", is: blind, days: 7, loud: 6, reply: says(noRecords, between(30, 102))},
	{name: "nothing newer for 6 h", is: blind | passing, days: 5, lag: func(a *api) int64 { return a.stalled(6) }},
	{name: "nothing newer for 30 h", is: blind | passing, days: 6, loud: 24, lag: func(a *api) int64 { return a.stalled(30) }},
	{name: "figures come an hour late", late: 1, lag: constant(hour)},
	{name: "figures come 26 h late", days: 6, late: 26, lag: constant(26 * hour)},
	{name: "figures come at night, for the day before", days: 6, late: 28, shows: func(a *api, h, now, n int64) int64 {
		return iff(a.date(h) >= a.date(now-2*hour), none, n)
	}},
	{name: "zeros for 4 h, then figures", days: 6, shows: func(_ *api, h, now, n int64) int64 { return iff(h <= now && now < h+4*hour, 0, n) }},
	{name: "zeros during maintenance", is: blind, days: 6, shows: func(a *api, h, now, n int64) int64 {
		return iff(h <= now && a.label(now)%day >= 1800 && a.label(now)%day < 16200, 0, n)
	}},
	{name: "part of the figures for 5 minutes each hour", is: passing, shows: func(a *api, _, now, n int64) int64 {
		return iff(now%hour < 300 && n > 0, max(n-1-a.clock(now)%19, 1), n)
	}},
	{name: "rows vanish after 2 h, are back after 12", days: 6, late: 12, shows: func(a *api, h, now, n int64) int64 {
		return iff(h >= a.begin && now-h > 2*hour && now-h < 12*hour, none, n)
	}},
	{name: "5% of all rows are missing", is: silent | alone, days: 6, backfill: 30, shows: func(a *api, _, _, n int64) int64 {
		return iff(a.chance(5), none, n)
	}},
	{name: "half of all answers are 8 h old", is: copies, days: 6, late: 8, lag: func(a *api) int64 { return iff(a.chance(50), 8*hour, 0) }},

	{name: "an answer of yesterday now and then", late: 6, lag: func(a *api) int64 { return iff(a.chance(3), day, 0) }},
	{name: "an answer to the request before now and then", is: copies, reply: func(a *api) {
		if a.previous.date != 0 && a.chance(3) {
			a.reply = a.previous
		}
	}},
	{name: "figures as of half past", is: passing, lag: func(a *api) int64 { return (a.now + 1800) % hour }},
	{name: "every fifth answer is of a server that keeps 10 days", is: silent, days: 6, rows: lacks(func(a *api, r row) bool {
		return a.requests%5 == 0 && r.hour < a.now-10*day
	})},
	{name: "windows over two billing periods fail", reply: fails(func(a *api) bool {
		first := (a.date(a.begin)+2)*day - 100*31*day
		return (a.window.from-first)/(31*day) != (a.window.to-1-first)/(31*day)
	})},
	poison("a day fails for 40 h", slow, 40, -480, -456),
	{name: "no Date header", is: undated, reply: func(a *api) { a.reply.date = 0 }},
	{name: "Date a year ahead, once", is: undated, reply: func(a *api) { a.reply.date += iff(a.requests == 100, 365*day, 0) }},
	{name: "old Date with Age", is: undated, reply: func(a *api) { a.reply.date, a.reply.header = a.now-5*hour, http.Header{"Age": {"18000"}} }},
	{name: "the same answer for 20 minutes", is: copies, reply: func(a *api) {
		if old, ok := a.cache[a.window]; ok && a.now-old.date < 1200 {
			a.reply = old
			a.reply.header = http.Header{"Age": {strconv.FormatInt(a.now-old.date, 10)}}
		}
		a.cache[a.window] = a.reply
	}},
	{name: "429 with Retry-After", reply: func(a *api) {
		if a.requests%7 == 0 && a.now >= a.memory["until"] {
			a.memory["until"] = a.now + 900
		}
		if left := a.memory["until"] - a.now; left > 0 {
			a.reply = reply{status: 429, date: a.now, failed: true, header: http.Header{"Retry-After": {strconv.FormatInt(left, 10)}}}
		}
	}},
	{name: "409 within 6 minutes of an answer", is: slow, reply: func(a *api) {
		if a.now-a.memory["answered"] < 360 {
			a.reply = failure(409, "")
		} else {
			a.memory["answered"] = a.now
		}
	}},
	{name: "every third request fails", reply: says(failure(500, ""), func(a *api) bool { return a.requests%3 == 0 })},
	{name: "three of five requests are simultaneous with another's", is: slow, reply: says(twoAtOnce, func(a *api) bool { return a.requests%5 > 1 })},
	{name: "an error beside half the rows, for 7 h", is: blind, reply: func(a *api) {
		if between(20, 27)(a) && len(a.rows) > 1 {
			a.reply.body = strings.Replace(report(a.rows[:len(a.rows)/2]), `"error":`, `"error":"PARTIAL DATA","was":`, 1)
			a.reply.failed = true
		}
	}},
	{name: "figures are corrected 2 h later", is: passing, shows: func(_ *api, h, now, n int64) int64 { return iff(now < h+3*hour, n-n/9, n) }},
	{name: "calls last up to 3 h after their hour", shows: func(a *api, h, now, _ int64) int64 { return a.ended(h, now, 235*60) }},
	{name: "no minutes until the hour is over", is: patchy, rows: func(a *api) {
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
	{name: "zeros for hours to come", is: sound, shows: func(_ *api, _, _, n int64) int64 { return max(n, 0) }},
	{name: "zeros for hours that have begun", is: sound, shows: func(_ *api, h, now, n int64) int64 { return iff(h <= now, max(n, 0), n) }},
	{name: "zeros for all hours, for 8 h", is: blind, days: 5, shows: func(a *api, _, _, n int64) int64 { return iff(between(26, 34)(a), 0, n) }},
	{name: "windows that end in the future are empty", is: silent, days: 6, reply: says(emptyReport, future)},
	{name: "a tenth of all bodies is cut", reply: func(a *api) {
		if a.chance(10) {
			a.reply.body, a.reply.failed = a.reply.body[:len(a.reply.body)*2/3], true
		}
	}},
	{name: "a tenth of all requests is redirected to the login", reply: says(login, often(10))},
	{name: "no connection for 40 h", is: blind, days: 6, loud: 6, reply: says(unreachable, between(20, 60))},
	{name: "no connection at first", is: blind, reply: says(unreachable, between(0, 5))},
	{name: "all fails at night", reply: fails(oclock(1, 5))},
	{name: "all fails for 10 h", is: blind, days: 5, loud: 6, reply: fails(between(20, 30))},
	{name: "a quota of 200 requests a day", is: blind, days: 6, loud: 6, reply: func(a *api) {
		today := "requests of " + strconv.FormatInt(a.date(a.now), 10)
		a.memory[today]++
		says(quota, func(a *api) bool { return a.memory[today] > 200 })(a)
	}},
	{name: "rows of hours that were not asked for", is: sound | passing, rows: func(a *api) {
		if len(a.rows) > 0 {
			a.rows = append(a.rows, row{label: a.window.from - 5*hour, calls: 777}, row{label: a.window.to + 2*hour, calls: 777})
		}
	}},
	{name: "each row comes twice", is: sound, rows: func(a *api) { a.rows = append(a.rows, a.rows...) }},
	{name: "rows come in any order", is: sound, rows: func(a *api) {
		a.random.Shuffle(len(a.rows), func(i, j int) { a.rows[i], a.rows[j] = a.rows[j], a.rows[i] })
	}},
	{name: "wrong figures in one of 50 answers", is: passing, rows: func(a *api) {
		wrong := iff(a.chance(2), int64(a.requests), 0) // never the same twice
		for i := range a.rows {
			a.rows[i].calls += iff(a.rows[i].calls > 0, wrong, 0)
		}
	}},
	{name: "the machine's clock a day ahead for 6 minutes", is: clock, ahead: func(a *api) int64 {
		return iff(a.now >= a.begin+30*hour && a.now < a.begin+30*hour+360, day, 0)
	}},
	{name: "the machine's clock a day ahead at first", is: clock, ahead: func(a *api) int64 { return iff(a.now < a.begin+360, day, 0) }},
	{name: "the machine's clock 3 h behind", is: clock, ahead: constant(-3 * hour)},
	{name: "the machine's clock 5 h ahead", is: clock, ahead: constant(5 * hour)},
	{name: "the machine's clock at 1970 for 2 h", is: clock, ahead: func(a *api) int64 { return iff(between(30, 32)(a), a.now%hour-a.now, 0) }},
}

// modes are the options "hours" and, after the plus sign, "empty_hours".
var modes = []string{"all", "all+zero", "ended", "final", "final+zero"}

// scenario decides all of a run.
type scenario struct {
	Seed           uint64
	Traits         []string
	Mode           string
	Zone           string
	Begin          time.Time
	Days, Backfill int // of the run; before it
	Restart        restart
}

// restart is a crash, or a clean stop, after so many gathers; 0 is none.
type restart struct {
	After int
	Clean bool
	Back  int   // a crash comes back with the state of so many gathers before the last
	Loss  int64 // and loses the rows that were written so long before it
	Off   int64 // how long the machine is off
}

// figure is what was written for an hour.
type figure struct {
	hour, calls int64
	minutes     float64
	at          int64
	mayRepeat   bool // after a crash
}

// simulation plays a scenario. It is the plugin's clock, logger, accumulator and way to the API.
type simulation struct {
	telegraf.Logger // nil, as the next: only the methods below are used
	telegraf.Accumulator
	*api
	scenario *scenario
	plugin   *wolkvox_ivr.WolkvoxIVR
	token    string // no other run's, as the plugin uses one only once at a time
	hours    string
	isZero   bool
	kinds    int   // of any trait
	isSound  bool  // nothing is wrong
	loud     int64 // hours after which all that is wrong must be heard of; 0 where it may come late in silence
	broken   error // the first broken promise

	database map[int64]figure
	written  []figure
	saved    [][]byte // states
	sent     []int64  // instants of requests
	isAsking bool     // may make a request
	told     int64    // what the API has said to be now, in this gather

	oldest, newest, newestAt int64          // hours in which the API has shown calls; when it first showed the newest
	zeros                    map[int64]bool // that the API has listed
	heard                    int64          // when a warning or an error was last heard
	fine                     int64          // the last hour that came in time
	restarted                int64
	deep, deepest            int // requests for history, until now and until its last hour came
	history                  []string
	tell                     bool // the history
}

func (s *simulation) fail(format string, args ...any) {
	if s.broken == nil {
		s.broken = fmt.Errorf(format, args...)
	}
}

func (s *simulation) name(instant int64) string {
	return time.Unix(instant, 0).In(s.zone).Format("2006-01-02T15:04")
}

// clockAhead is how far the machine's clock is.
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
	if s.tell {
		s.history = append(s.history, s.name(s.now)+" "+fmt.Sprintf(format, args...))
	}
}

// Now implements Clock.
func (s *simulation) Now() time.Time { return time.Unix(s.now+s.clockAhead(), 0) }

// After implements Clock. Waiting takes no time but in the simulation.
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
func (s *simulation) Error(args ...any)                 { s.hear("E!", args...) }
func (s *simulation) Warnf(format string, args ...any)  { s.Warn(fmt.Sprintf(format, args...)) }
func (s *simulation) Warn(args ...any)                  { s.hear("W!", args...) }
func (s *simulation) Infof(format string, args ...any)  { s.Info(fmt.Sprintf(format, args...)) }
func (s *simulation) Info(args ...any)                  { s.read("I!", args...) }
func (s *simulation) Debugf(format string, args ...any) { s.Info(fmt.Sprintf(format, args...)) }
func (s *simulation) Debug(args ...any)                 { s.Info(args...) }
func (s *simulation) Tracef(format string, args ...any) { s.Info(fmt.Sprintf(format, args...)) }
func (s *simulation) Trace(args ...any)                 { s.Info(args...) }

func (s *simulation) hear(level string, args ...any) {
	s.heard = s.now
	s.read(level, args...)
}

func (s *simulation) read(level string, args ...any) {
	line := fmt.Sprint(args...)
	s.note("  %s %s", level, line)
	if strings.Contains(line, s.token) {
		s.fail("the token is in the log: %s", line)
	}
}

// RoundTrip is the way to the API.
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
	answer := s.respond(*w)
	s.note("%s..%s: %d, %d rows %v", from.Format("01-02T15:04"), to.Format("01-02T15:04"), answer.status, len(answer.rows), answer.err)
	if answer.err != nil {
		return nil, answer.err
	}
	s.learn(w, answer)
	header := http.Header{"Content-Type": {"application/json; charset=utf-8"}}
	if answer.date != 0 {
		header.Set("Date", time.Unix(answer.date, 0).UTC().Format(http.TimeFormat))
	}
	maps.Copy(header, answer.header)
	return &http.Response{StatusCode: answer.status, Header: header, Body: io.NopCloser(strings.NewReader(answer.body)), ContentLength: -1, Request: r}, nil
}

func (s *simulation) checkRequest(w *window) {
	last := len(s.sent)
	s.sent = append(s.sent, s.now)
	isRight := s.kinds&clock == 0 // a plugin that is restarted can't know how far the clock is off
	isLive := w.to > s.label(s.now)
	switch {
	case !s.isAsking:
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
	s.isAsking = false
	if w.from < s.label(s.begin)-4*day {
		s.deep++
	}
}

// learn notes what the plugin can know from an answer.
func (s *simulation) learn(w *window, r *reply) {
	if r.header["Age"] == nil {
		s.told = r.date
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
		s.hear("error:", err)
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
	if s.tell {
		s.note("  %s = %d", s.name(f.hour), calls)
	}
	s.checkFigure(&f)
	s.database[f.hour] = f
	s.written = append(s.written, f)
}

// wanted is since when hours are.
func (s *simulation) wanted() int64 { return s.begin - max(lookback, int64(s.scenario.Backfill)*day) }

func (s *simulation) reject(f *figure, format string, args ...any) {
	s.fail(s.name(f.hour)+" "+format, args...)
}

func (s *simulation) checkFigure(f *figure) {
	now := max(s.now, s.told) // a plugin may believe the API
	before, ok := s.database[f.hour]
	if !ok && f.hour < s.begin {
		s.deepest = s.deep
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
		s.reject(f, "is final as zero, and has %d calls", s.calls(f.hour)) // even if it should come right later
	}
}

// start starts the plugin with the newest state, as Telegraf does.
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

// restored returns a saved state in the type that the plugin wants.
func (s *simulation) restored(content []byte) (any, error) {
	state := reflect.New(reflect.TypeOf(s.plugin.GetState()))
	err := json.Unmarshal(content, state.Interface())
	return state.Elem().Interface(), err
}

// save takes the plugin's state, as Telegraf does.
func (s *simulation) save() error {
	content, err1 := json.Marshal(s.plugin.GetState())
	state, err2 := s.restored(content)
	again, err3 := json.Marshal(state)
	if err := errors.Join(err1, err2, err3); err != nil || !bytes.Equal(again, content) {
		return fmt.Errorf("the state %s changes on its way through JSON to %s: %w", content, again, err)
	}
	if bytes.Contains(content, []byte(s.token)) {
		return errors.New("the token is in the state")
	}
	s.saved = append(s.saved, content)
	return nil
}

// restart ends the plugin, in order or not, and starts it again.
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
			if f.at <= min(saved, s.now-r.Loss) { // what was written after the state was saved is lost as well: nobody could know of it
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

func newSimulation(s *scenario, tell bool) *simulation {
	sim := &simulation{api: newAPI(s), scenario: s, isSound: true, database: make(map[int64]figure, 2000), oldest: math.MaxInt64, zeros: make(map[int64]bool)}
	sim.fine, sim.tell, sim.token = sim.begin, tell, fmt.Sprintf("s3cret-t0ken-%d-", tokens.Add(1))
	sim.hours, sim.isZero = strings.CutSuffix(s.Mode, "+zero")
	isLoud := true
	for _, t := range sim.traits {
		sim.kinds |= t.is
		sim.isSound = sim.isSound && t.is&sound != 0
		isLoud = isLoud && (t.is&sound != 0 || t.loud > 0)
		sim.loud = max(sim.loud, t.loud)
	}
	if !isLoud {
		sim.loud = 0
	}
	return sim
}

// play plays a scenario to its end, or to the first broken promise.
func play(s *scenario, tell bool) (*simulation, error) {
	sim := newSimulation(s, tell)
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
	s.isAsking, s.told = true, 0
	s.AddError(s.plugin.Gather(s))
	if n := len(s.sent); s.isAsking && s.isSound && (n == 0 || s.now-s.sent[n-1] >= 270) {
		s.fail("a gather makes no request")
	}
	if s.isAsking {
		s.note("no request")
	}
	s.isAsking = false
}

// checkProgress checks that hours come in time or, where the API fails or hides, that it is heard of.
func (s *simulation) checkProgress() {
	late := 1800 + s.loud*hour
	if s.hours == "final" {
		late += 15 * hour // an evening's hours wait for calls, or 12 h
	}
	h := s.now - late - hour
	h -= h % hour
	switch {
	case !s.isSound && s.loud == 0 || s.now < s.restarted+day || h < s.begin || s.calls(h) == 0 || s.shared(h) || s.isLost(h):
	case s.database[h].calls > 0:
		s.fine = h
	case s.isSound:
		s.fail("%s is over, but not there", s.name(h))
	case s.loud > 0 && s.heard < s.fine:
		s.fail("%s is missing, and nothing has been heard since %s", s.name(h), s.name(s.heard))
	}
}

// checkEnd checks that all is there, and right.
func (s *simulation) checkEnd() {
	margin := lookback + 3*hour
	if s.hours == "final" {
		margin += 12 * hour
	}
	for _, t := range s.traits {
		margin += t.late * hour
		if t.is&sound == 0 {
			margin += 12 * hour
		}
	}
	first := s.wanted() + hour
	if s.kinds&clock != 0 {
		first += hour // the right time comes with the first answers
	}
	for h := first - first%hour; h < s.now-margin-hour; h += hour {
		truth := s.calls(h)
		f, ok := s.database[h]
		switch {
		case s.isLost(h) && truth > 0 && s.loud > 0 && s.heard == 0:
			s.fail("%s is lost, and nothing has ever been heard of it", s.name(h))
		case s.isSound && s.label(h) == s.label(h+hour) && truth > 0 && max(f.calls, s.database[h+hour].calls) != truth+s.calls(h+hour):
			s.fail("%s comes twice, and neither has the calls of both", s.name(h))
		case s.shared(h) || s.isLost(h) || !ok && truth == 0:
		case !ok:
			s.fail("%s is missing: it has %d calls", s.name(h), truth)
		case !s.isSound && s.now-f.at < 3*hour: // each reading is sent, and the next may put it right
		case f.calls == 0 && truth > 0:
			s.fail("%s is falsely zero since %s: it has %d calls", s.name(h), s.name(f.at), truth)
		case f.calls != truth || f.minutes != perCall*float64(truth):
			s.fail("%s is wrong since %s: %d calls in %g minutes, where there are %d", s.name(h), s.name(f.at), f.calls, f.minutes, truth)
		}
	}
}

// clockChanges are nights in which clocks are set forward or back, in Santiago at midnight.
var clockChanges = []struct {
	zone string
	at   time.Time
}{
	{"Europe/Madrid", time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC)},
	{"America/Santiago", time.Date(2026, 9, 6, 4, 0, 0, 0, time.UTC)},
	{"Europe/Madrid", time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC)},
	{"America/Santiago", time.Date(2026, 4, 5, 3, 0, 0, 0, time.UTC)},
}

// excluded are runs that nobody could get right, or not within days.
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
	of := func(kind int) int { return count(func(t *trait) bool { return t.is&kind != 0 }) }
	late := count(func(t *trait) bool { return t.late > 0 })
	odd := count(func(t *trait) bool { return t.name != "quiet nights" && t.name != "calls at all hours" })
	switch {
	case has("5% of all rows are missing") && (strings.HasSuffix(s.Mode, "+zero") || len(s.Traits) > 1):
		return true // a row that is missing from each of its two readings is silence
	case of(alone) > 0 && odd > 1:
		return true // too little comes to tell what else is wrong, or to be done within days
	case has("rows vanish after 2 h, are back after 12") && (of(blind) > 0 || late > 1 || s.Restart.Off > hour):
		return true // what vanished before anyone saw it is silence
	case of(copies) > 1, of(copies) > 0 && of(passing) > 0:
		return true // the same wrong figures come in several readings
	case of(closes) > 0 && has("windows over 10 days are empty"):
		return true // after ten days without calls, an empty window of ten days proves nothing
	case of(closes) > 0 && has("nothing newer for 30 h"):
		return true // it is not unusual for this operation, so nothing is heard of it
	case of(slow) > 1, of(slow) > 0 && late > 0:
		return true // it takes weeks
	case of(slow) > 0 && of(silent) > 0 && of(blind) > 0:
		return true // what is hidden for hours looks like what is always cut off
	}
	return of(clock) > 0 && of(undated) > 0 // nothing tells the time
}

// plain returns the scenario of traits without chance in it.
func plain(m string, names ...string) *scenario {
	s := &scenario{Seed: 7, Traits: names, Mode: m, Zone: "America/Bogota", Begin: time.Date(2026, 6, 9, 18, 7, 30, 0, time.UTC)}
	s.fit(4, 30)
	return s
}

// fit has the run last as long, and reach back as far, as the traits need and allow.
func (s *scenario) fit(days, backfill int) {
	s.Days, s.Backfill = days, backfill
	for _, name := range s.Traits {
		t := traitOf(name)
		s.Days = max(s.Days, t.days)
		if t.backfill > 0 {
			s.Backfill = min(s.Backfill, t.backfill)
		}
		if t.is&(slow|silent) != 0 && len(s.Traits) > 2 {
			s.Days += 3 // another trait makes it slower
		}
	}
}

// disturb adds a restart and, with one of clockChanges, another zone and beginning.
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

// shrink returns a simpler scenario that fails too.
func shrink(failing *scenario) *scenario {
	until, simplest := time.Now().Add(15*time.Second), *failing
	try := func(change func(s *scenario)) bool {
		simpler := simplest
		simpler.Traits = slices.Clone(simplest.Traits)
		change(&simpler)
		if reflect.DeepEqual(simpler, simplest) || time.Now().After(until) || simpler.Days < 2 {
			return false
		}
		_, err := play(&simpler, false)
		if err != nil {
			simplest = simpler
		}
		return err != nil
	}
	for again := true; again; {
		again = false
		for i := len(simplest.Traits) - 1; i >= 0; i-- {
			again = try(func(s *scenario) { s.Traits = slices.Delete(s.Traits, i, i+1) }) || again
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
			again = try(change) || again
		}
	}
	return &simplest
}

var simFailures, tokens atomic.Int64

// check plays a scenario, and reports the simplest that breaks a promise too.
func check(t *testing.T, s *scenario) {
	t.Helper()
	if *simSeed != 0 {
		sim, err := play(s, true)
		t.Logf("%+v\n%s", *s, strings.Join(sim.history, "\n"))
		require.NoError(t, err)
		return
	}
	if _, err := play(s, false); err != nil {
		if simFailures.Add(1) > 5 { // shrinking all would take too long
			t.Fatalf("%v\n%+v", err, *s)
		}
		simplest := shrink(s)
		sim, simplestErr := play(simplest, true)
		t.Fatalf("%v\n%+v\nmore simply:\n%v\n%+v\n%s", err, *s, simplestErr, *simplest, strings.Join(sim.history[max(len(sim.history)-60, 0):], "\n"))
	}
}

// TestSimulatedTraits plays each trait in each mode, plain, and with a restart and a change of clocks; -short a hundredth of that.
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
		t.Skip("this plays a random run")
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

// TestSimulatedCombinations plays random combinations; -short a hundredth of them.
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

// TestSimulatedYear reads a year of history from an API in which nothing is wrong; -short in one mode.
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
				sim, err := play(s, false)
				require.NoError(t, err)
				require.LessOrEqual(t, sim.deepest, 28, "requests until the last hour of the history has come")
				require.Less(t, len(sim.saved[len(sim.saved)-1]), 4096, "bytes of state")
			})
		}
	}
}
