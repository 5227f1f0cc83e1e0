package wolkvox_ivr

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/config"
	"github.com/influxdata/telegraf/testutil"
)

// The model knows the operation's calls, the promises of the documentation and nothing of how the plugin keeps them. It
// drives the real plugin as Telegraf does, through a server and a clock of its own.

var (
	modelSeed     = flag.Uint64("model.seed", 0, "play the run of this seed, and show its history")
	modelFailures = flag.Int("model.failures", 3, "how many runs of the model may fail before the rest is left out")
	modelRuns     = flag.Uint64("model.runs", 0, "play so many runs of the model, from the seed on")
)

const (
	simHour = int64(time.Hour / time.Second)

	// simQuota is how many requests a gather may cost in the mean over an hour.
	simQuota = 3

	// simPatience is how many gathers an API in good health may take until each brings the running hour: they suffice
	// to ask for it alone after each failure of something wider.
	simPatience = 3

	// simEpoch is the clock of a machine that has none.
	simEpoch = "1970"
)

// simTraits are what a run's operation and API are like.
type simTraits struct {
	Zone  string        // of the operation
	Begin time.Time     // of the run
	First time.Duration // the operation had calls from this long before the run on
	Gap   [2]int        // days of the run without calls: from, until
	Quiet int           // percentage of hours without calls
	Tail  time.Duration // calls last up to this long after the end of their hour

	Width     int    // hours that a request may span
	WidthForm string // how wider ones are answered
	Future    string // windows may end in the future: "yes", "hour" (the running one) or "no"
	Keep      time.Duration
	KeepForm  string // "empty", or how older windows are answered
	Poison    []int  // days of the run that always fail
	Listed    int    // percentage of the hours without calls that are listed with zeros
	Empty     string // how windows without rows are answered: one of simEmpty, or status and body
	Strays    int    // percentage of answers with a row of another hour
	CutHours  int    // in silence, answers have the first of so many hours alone, or the last if it is negative
	CutRows   int    // and the first of so many rows, or the last
	Latency   time.Duration
	Dialect   int
}

// simOptions are the options of the plugin, as its table has them.
type simOptions struct {
	Timezone, Lookback, Backfill, Hours, EmptyHours, Reread, Interval string
}

// table returns the options as Telegraf reads them.
func (o *simOptions) table(url, token string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[[inputs.wolkvox_ivr]]\nserver = \"0001\"\ntoken = %q\nurl = %q\n", token, url)
	for _, option := range [][2]string{
		{"timezone", o.Timezone}, {"lookback", o.Lookback}, {"backfill", o.Backfill}, {"hours", o.Hours},
		{"empty_hours", o.EmptyHours}, {"reread", o.Reread}, {"interval", o.Interval},
	} {
		if option[1] != "" {
			fmt.Fprintf(&b, "%s = %q\n", option[0], option[1])
		}
	}
	return b.String()
}

func simDuration(text, unset string) time.Duration {
	if text == "" {
		text = unset
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return d
}

func (o *simOptions) lookback() time.Duration { return simDuration(o.Lookback, "3h") }
func (o *simOptions) backfill() time.Duration { return simDuration(o.Backfill, "0s") }
func (o *simOptions) interval() time.Duration { return simDuration(o.Interval, "5m") }

// unflushed is how long an output may lag behind.
func (o *simOptions) unflushed() time.Duration { return max(o.lookback(), time.Hour) }

func (o *simOptions) location() *time.Location {
	name := o.Timezone
	if name == "" {
		name = "America/Bogota"
	}
	return simLocation(name)
}

// rereads returns the instants between which days are to be read again.
func (o *simOptions) rereads() (from, until int64) {
	first, last, ok := strings.Cut(o.Reread, "/")
	if !ok {
		return 0, 0
	}
	location := o.location()
	begin, err := time.ParseInLocation(time.DateOnly, first, location)
	if err != nil {
		panic(err)
	}
	end, err := time.ParseInLocation(time.DateOnly, last, location)
	if err != nil {
		panic(err)
	}
	return begin.Unix(), end.AddDate(0, 0, 1).Unix()
}

var simLocations sync.Map

func simLocation(name string) *time.Location {
	if location, ok := simLocations.Load(name); ok {
		return location.(*time.Location)
	}
	location, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	simLocations.Store(name, location)
	return location
}

// simEvent is a step of a run. Which of the other fields count depends on the kind.
type simEvent struct {
	Kind    string        // "gather", "outage", "clock", "crash", "restart", "width", "heal"
	N       int           // gathers; states that a crash goes back; hours of the new width
	D       time.Duration // how far the clock is ahead; how long the machine is off
	Loss    time.Duration // a crash loses the rows written so long before it
	Form    string        // of an outage, "" ends it; of the new width; "1970" for the clock
	Scope   string        // of an outage: "all", "past" (windows of earlier days alone), "live" (those with the running hour)
	Options *simOptions   // for the next start; nil for the same
}

func (e *simEvent) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "{Kind: %q", e.Kind)
	if e.N != 0 {
		fmt.Fprintf(&b, ", N: %d", e.N)
	}
	if e.D != 0 {
		fmt.Fprintf(&b, ", D: %s", e.D)
	}
	if e.Loss != 0 {
		fmt.Fprintf(&b, ", Loss: %s", e.Loss)
	}
	if e.Form != "" {
		fmt.Fprintf(&b, ", Form: %q", e.Form)
	}
	if e.Scope != "" {
		fmt.Fprintf(&b, ", Scope: %q", e.Scope)
	}
	if e.Options != nil {
		fmt.Fprintf(&b, ", Options: %+v", *e.Options)
	}
	return b.String() + "}"
}

// simScenario is a run, as far as it can be told beforehand.
type simScenario struct {
	Seed    uint64
	Traits  simTraits
	Options simOptions
	Events  []simEvent
}

// simError is a broken promise.
type simError string

func (v simError) Error() string { return string(v) }

// simRequest is one request, as the server saw it.
type simRequest struct {
	at       time.Time
	from, to int64 // local hours, as seconds since 1970 of a clock that shows local time
	answer   string
	rows     int
	honest   bool // the answer tells all calls of the window
	failed   bool // the answer can't be taken for a report
}

// simWrite is one metric.
type simWrite struct {
	at      time.Time
	hour    int64
	calls   int64
	minutes float64
	earlier int // the write that this one replaced
	erased  bool
}

// simGather is one gather, or what happened between two.
type simGather struct {
	note        string
	at, machine time.Time
	requests    []simRequest
	writes      []simWrite
	err         error
	logged      []string
}

// simState is a state as the host has saved it.
type simState struct {
	content []byte
	at      time.Time
	simPast
}

// simPast is what the plugin has lived through, as far as its state can tell.
type simPast struct {
	first  int64 // start by the right clock; 0 for none
	ahead  int64 // the latest that a clock has shown that was ahead, and not yet seen to be; 0 for none
	behind int64 // the instant at which it began to be
}

// simulation plays a scenario. It is the plugin's clock and logger too.
type simulation struct {
	telegraf.Logger // which is nil: only the methods below are used

	scenario *simScenario
	options  simOptions
	url      string
	location *time.Location // of the operation
	token    string

	mu     sync.Mutex
	now    time.Time
	ahead  time.Duration
	unset  time.Time // when a clock without time began to run at 1970; zero for others
	rand   *rand.Rand
	width  int
	form   string // how wider windows are answered
	poison []int
	outage string
	scope  string
	open   *simGather
	told   map[int64][]int64 // honest figures in this gather

	plugin *WolkvoxIVR
	next   time.Time // gather
	log    []*simGather
	spent  []simSpent
	states []simState
	loaded int // of these states, which are certainly saved
	past   simPast

	writes []simWrite
	latest map[int64]int // index in writes, plus 1
	from   int           // writes before it can't be lost any more

	earliest  int64         // first start by any clock that the plugin may have believed
	shortest  time.Duration // lookback of all
	longest   time.Duration // lookback so far
	deepest   time.Duration // that anything was ever wanted
	calm      int           // gathers since anything happened
	changed   bool
	readings  map[int64]*simReading
	repeating bool // hours may be repeated for other reasons than crashes
	quota     time.Time
	stuck     int64      // hour that was missing last
	unseen    [][2]int64 // hours that were read by a clock that nothing has shown to be wrong
	zeros     bool       // hours without calls are asked for all the time
	misled    bool       // the clock or the time zone is wrong at times
	zoneSince time.Time  // when the time zone was changed last
	forgotten bool       // a crash took with it that it was changed: nobody knows what was read under the other one
	everTold  bool       // a row: what is empty before is taken for an operation that never had a call
}

// simReading is what came of an hour with hours = "final".
type simReading struct {
	calls   int64
	last    time.Time
	allowed bool // to come again
}

// simSpent is what a gather cost.
type simSpent struct {
	at       time.Time
	requests int
}

// newSimulation returns a simulation at the beginning of a scenario.
func newSimulation(scenario *simScenario) *simulation {
	s := &simulation{
		scenario: scenario,
		options:  scenario.Options,
		location: simLocation(scenario.Traits.Zone),
		token:    "invented-token-" + strconv.FormatUint(scenario.Seed, 10),
		now:      scenario.Traits.Begin,
		rand:     rand.New(rand.NewPCG(scenario.Seed, 2)),
		width:    scenario.Traits.Width,
		form:     scenario.Traits.WidthForm,
		poison:   scenario.Traits.Poison,
		latest:   make(map[int64]int),
		readings: make(map[int64]*simReading),
		earliest: scenario.Traits.Begin.Unix(),
	}
	s.next = s.now
	s.shortest, s.longest = s.options.lookback(), s.options.lookback()
	s.zeros = s.options.EmptyHours == "zero"
	for i := range scenario.Events {
		event := &scenario.Events[i]
		if event.Kind == "clock" {
			s.repeating, s.misled = true, true
		}
		if options := event.Options; options != nil {
			s.shortest = min(s.shortest, options.lookback())
			s.misled = s.misled || options.Timezone != s.options.Timezone
			s.zeros = s.zeros && options.EmptyHours == "zero"
			next := *options
			next.Backfill, next.EmptyHours = s.options.Backfill, s.options.EmptyHours
			s.repeating = s.repeating || next != s.options
		}
	}
	return s
}

// Now implements Clock.
func (s *simulation) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.machine()
}

// machine is what the machine's clock shows.
func (s *simulation) machine() time.Time {
	if !s.unset.IsZero() {
		return time.Unix(0, 0).Add(s.now.Sub(s.unset)).Add(10 * time.Second)
	}
	return s.now.Add(s.ahead)
}

// After implements Clock. Waiting takes no time but in the simulation.
func (s *simulation) After(d time.Duration) <-chan time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(max(d, 0))
	elapsed := make(chan time.Time, 1)
	elapsed <- s.machine()
	return elapsed
}

// The methods of telegraf.Logger.

func (*simulation) Level() telegraf.LogLevel { return telegraf.Trace }
func (*simulation) AddAttribute(string, any) {}
func (s *simulation) Errorf(format string, args ...any) {
	s.print("E! " + fmt.Sprintf(format, args...))
}
func (s *simulation) Error(args ...any)                { s.print("E! " + fmt.Sprint(args...)) }
func (s *simulation) Warnf(format string, args ...any) { s.print("W! " + fmt.Sprintf(format, args...)) }
func (s *simulation) Warn(args ...any)                 { s.print("W! " + fmt.Sprint(args...)) }
func (s *simulation) Infof(format string, args ...any) { s.print("I! " + fmt.Sprintf(format, args...)) }
func (s *simulation) Info(args ...any)                 { s.print("I! " + fmt.Sprint(args...)) }
func (*simulation) Debugf(string, ...any)              {}
func (*simulation) Debug(...any)                       {}
func (*simulation) Tracef(string, ...any)              {}
func (*simulation) Trace(...any)                       {}
func (s *simulation) print(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open != nil {
		s.open.logged = append(s.open.logged, line)
		return
	}
	s.log = append(s.log, &simGather{note: line, at: s.now, machine: s.machine()})
}

// offset returns how many seconds local time is ahead of UTC.
func simOffset(instant int64, location *time.Location) int64 {
	_, offset := time.Unix(instant, 0).In(location).Zone()
	return int64(offset)
}

// local returns what a local clock shows at the instant, as seconds since it showed 1970.
func (s *simulation) local(instant int64) int64 { return instant + simOffset(instant, s.location) }

// day returns the day of the run of an hour: 0 is that on which it begins.
func (s *simulation) day(instant int64) int {
	day := 24 * simHour
	return int(simFloor(s.local(instant), day)/day - simFloor(s.local(s.scenario.Traits.Begin.Unix()), day)/day)
}

// repeated tells whether an hour shares its local name with another.
func (s *simulation) repeated(hour int64) bool {
	here := s.local(hour)
	return here == s.local(hour+simHour) || here == s.local(hour-simHour)
}

// floor returns the beginning of the operation's hour.
func (s *simulation) floor(instant int64) int64 { return instant - simMod(s.local(instant), simHour) }

func simFloor(n, unit int64) int64 { return n - simMod(n, unit) }

func simMod(n, unit int64) int64 { return ((n % unit) + unit) % unit }

// simDice returns a number below 2^32 that depends on its arguments alone.
func simDice(seed uint64, n int64, salt uint64) uint64 {
	x := seed*0x9e3779b97f4a7c15 + uint64(n)*0xbf58476d1ce4e5b9 + salt*0x94d049bb133111eb
	x ^= x >> 31
	x *= 0xd6e8feb86659fd93
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	return (x ^ x>>32) & 0xffffffff
}

// total returns how many calls begin in an hour.
func (s *simulation) total(hour int64) int64 {
	traits := &s.scenario.Traits
	if hour < traits.Begin.Add(-traits.First).Unix() {
		return 0
	}
	if traits.Gap[0] != traits.Gap[1] {
		if day := s.day(hour); day >= traits.Gap[0] && day < traits.Gap[1] {
			return 0
		}
	}
	if simDice(s.scenario.Seed, hour, 1)%100 < uint64(traits.Quiet) {
		return 0
	}
	return 1 + int64(simDice(s.scenario.Seed, hour, 2)%200)
}

// calls returns how many calls of an hour have ended.
func (s *simulation) calls(hour int64, now time.Time) int64 {
	growing := simHour + int64(min(s.scenario.Traits.Tail, s.shortest)/time.Second)
	return s.total(hour) * min(max(now.Unix()-hour, 0), growing) / growing
}

func simMinutes(calls int64) float64 { return float64(calls) * 2.125 }

// listed tells whether the API lists an hour without calls.
func (s *simulation) listed(hour int64) bool {
	return simDice(s.scenario.Seed, hour, 3)%100 < uint64(s.scenario.Traits.Listed)
}

// kept tells whether the API still knows an hour.
func (s *simulation) kept(hour int64) bool {
	keep := s.scenario.Traits.Keep
	return keep == 0 || hour >= s.now.Add(-keep).Unix()
}

// poisoned tells whether the API fails for an hour for ever.
func (s *simulation) poisoned(hour int64) bool {
	return len(s.poison) > 0 && slices.Contains(s.poison, s.day(hour))
}

// simSuspicion is a warning about the time zone.
var simSuspicion = regexp.MustCompile("(?i)^[EW]! .*time ?zone")

const simStamp = "20060102150405"

// ServeHTTP is the API.
func (s *simulation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	query := r.URL.Query()
	from, err1 := time.Parse(simStamp, query.Get("date_ini"))
	to, err2 := time.Parse(simStamp, query.Get("date_end"))
	if s.open == nil {
		s.open = &simGather{note: "outside of any gather", at: s.now, machine: s.machine()}
		s.log = append(s.log, s.open)
	}
	request := simRequest{at: s.now, from: from.Unix(), to: to.Unix() + 1}
	if err := errors.Join(err1, err2); err != nil {
		request.answer = err.Error()
	}
	if latency := s.scenario.Traits.Latency; latency > 0 {
		s.now = s.now.Add(time.Duration(s.rand.Int64N(int64(latency))))
	}
	w.Header().Set("Date", s.now.UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Type", "application/json; charset=utf-8")

	form, body, hang := s.answer(&request)
	request.answer = form
	s.open.requests = append(s.open.requests, request)
	if hang {
		panic(http.ErrAbortHandler)
	}
	status, text := body, ""
	if code, rest, ok := strings.Cut(body, "\n"); ok {
		status, text = code, rest
	}
	code, err := strconv.Atoi(status)
	if err != nil {
		panic(err)
	}
	w.WriteHeader(code)
	if _, err := io.WriteString(w, text); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// simForms are the answers that are no report, as status and body.
var simForms = map[string]string{
	"400":    "400\n" + `{"code":"400","error":"400","msg":"THE DATE RANGE IS NOT ALLOWED","data":null}`,
	"404":    "404\n" + `{"code":"404","error":"404","msg":"Validate dates entered","data":null}`,
	"200nul": "200\n" + `{"code":"200","error":null,"msg":"Date range exceeds 31 days","data":null}`,
	"200[]":  "200\n" + `{"code":200,"error":"The range of dates is too wide","msg":"","data":[]}`,
	"500":    "500\n" + `{"code":"500","error":"internal error","msg":"","data":null}`,
	"504":    "504\n<html><body>Gateway Time-out</body></html>",
	"403":    "403\n",
	"html":   "200\n<html><body>Under maintenance</body></html>",
	"cut":    "200\n" + `{"code":"200","error":null,"msg":"2 records were found","data":[{"date":"2026-01-18-16","calls":"141"`,
	"body":   "200\n" + `{"code":"500","error":"SERVICE UNAVAILABLE","msg":"","data":[]}`,
	"quota":  "403\n" + `{"code":"403","error":"403","msg":"TOKEN LIMIT EXCEEDED","data":null}`,
}

// simEmpty are the forms of an answer without rows.
var simEmpty = map[string]string{
	"404":   "404\n" + `{"code":"404","error":"404","msg":"Validate dates entered","data":null}`,
	"null":  "200\n" + `{"code":"200","error":null,"msg":"0 records were found","data":null}`,
	"[]":    "200\n" + `{"code":200,"error":"","msg":" 0 records were found","data":[]}`,
	"blank": "200\n" + `{"code":"","error":"null","msg":"","data":[]}`,
	"false": "200\n" + `{"code":200,"error":false,"msg":"0 records were found","data":[]}`,
	"NULL":  "200\n" + `{"code":200.0,"error":"NULL","msg":"0 records were found","data":null}`,
}

// fail answers in one of simForms.
func (r *simRequest) fail(why, form string) (name, body string, hang bool) {
	r.failed = form != "404"
	if form == "close" {
		return why + " close", "", true
	}
	body, ok := simForms[form]
	if !ok {
		panic("no such form: " + form)
	}
	return why + " " + form, body, false
}

// answer returns a name for the answer and what it is.
func (s *simulation) answer(r *simRequest) (name, body string, hang bool) {
	traits := &s.scenario.Traits
	now := s.local(s.now.Unix())
	switch s.scope {
	case "past":
		if s.outage != "" && r.to <= simFloor(now, 24*simHour) {
			return r.fail("outage", s.outage)
		}
	case "live":
		if s.outage != "" && r.to > simFloor(now, simHour) {
			return r.fail("outage", s.outage)
		}
	default:
		if s.outage != "" && s.outage != "strays" {
			return r.fail("outage", s.outage)
		}
	}
	if r.to > now && (traits.Future == "no" || traits.Future == "hour" && r.to > simFloor(now, simHour)+simHour) {
		return r.fail("future", "400")
	}
	if r.to-r.from > int64(s.width)*simHour {
		return r.fail("width", s.form)
	}
	first := r.from - simOffset(r.from, s.location)
	if traits.Keep > 0 && traits.KeepForm != "empty" && !s.kept(s.floor(first)) {
		return r.fail("gone", traits.KeepForm)
	}

	rows := make([]simRow, 0, (r.to-r.from)/simHour+1)
	begin, end := first-3*simHour, r.to-simOffset(r.to, s.location)+3*simHour
	for hour := s.floor(begin); hour < end; hour += simHour {
		local := s.local(hour)
		if local < r.from || local >= r.to {
			continue
		}
		if cut := int64(traits.CutHours) * simHour; cut > 0 && local >= r.from+cut || cut < 0 && local < r.to+cut {
			continue
		}
		if s.poisoned(hour) {
			return r.fail("poison", "500")
		}
		if !s.kept(hour) {
			continue
		}
		calls := s.calls(hour, s.now)
		s.told[hour] = append(s.told[hour], calls)
		s.everTold = s.everTold || calls > 0 && s.outage == ""
		switch {
		case len(rows) > 0 && rows[len(rows)-1].local == local: // an hour that the clock shows twice is one row
			rows[len(rows)-1].calls += calls
		case calls > 0 || s.listed(hour):
			rows = append(rows, simRow{local, calls})
		}
	}
	if cut := traits.CutRows; cut > 0 {
		rows = rows[:min(cut, len(rows))]
	} else if cut < 0 {
		rows = rows[max(len(rows)+cut, 0):]
	}
	r.honest = true
	if s.outage == "strays" {
		r.honest, r.failed = false, true
		rows = rows[:0]
		for range 3 {
			rows = append(rows, simRow{r.from - simHour*(2+s.rand.Int64N(200)), 1 + s.rand.Int64N(9)})
		}
	} else if len(rows) > 0 && int(s.rand.Int64N(100)) < traits.Strays {
		rows = append(rows, simRow{r.from - simHour*(1+s.rand.Int64N(200)), 1 + s.rand.Int64N(9)})
	}
	r.rows = len(rows)
	if len(rows) == 0 {
		body, ok := simEmpty[traits.Empty]
		if !ok {
			body = traits.Empty
		}
		return "no rows", body, false
	}
	return "rows", "200\n" + simReport(rows, traits.Dialect), false
}

// simRow is one row of a report.
type simRow struct{ local, calls int64 }

// simReport returns a report with the rows, in one of the spellings of the API.
func simReport(rows []simRow, dialect int) string {
	b := make([]byte, 0, 64*len(rows)+100)
	b = append(b, `{"code":"200","error":null,"msg":"records were found","data":[`...)
	layout := [...]string{"2006-01-02-15", "2006010215", "2006-01-02 15:00:00"}[dialect%3]
	for i, row := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		if dialect == 1 {
			b = append(b, `{"day":"`...)
		} else {
			b = append(b, `{"date":"`...)
		}
		b = time.Unix(row.local, 0).UTC().AppendFormat(b, layout)
		if dialect == 2 {
			b = append(b, `","calls":`...)
			b = strconv.AppendInt(b, row.calls, 10)
			b = append(b, `,"ivr_minutes":"`...)
		} else {
			b = append(b, `","calls":"`...)
			b = strconv.AppendInt(b, row.calls, 10)
			b = append(b, `","ivr_minutes":"`...)
		}
		b = strconv.AppendFloat(b, simMinutes(row.calls), 'f', 3, 64)
		b = append(b, `"}`...)
	}
	return string(append(b, `]}`...))
}

// note adds a line to the history.
func (s *simulation) note(format string, args ...any) {
	s.log = append(s.log, &simGather{note: fmt.Sprintf(format, args...), at: s.now, machine: s.machine()})
}

// start starts the plugin with the newest saved state, as Telegraf does.
func (s *simulation) start() error {
	cfg := config.NewConfig()
	table := s.options.table(s.url, s.token)
	if err := cfg.LoadConfigData([]byte(table), config.EmptySourcePath); err != nil {
		return fmt.Errorf("loading %s: %w", table, err)
	}
	s.plugin = cfg.Inputs[0].Input.(*WolkvoxIVR)
	s.plugin.Log = s
	s.plugin.Clock = s
	if err := s.plugin.Init(); err != nil {
		return fmt.Errorf("initialising: %w", err)
	}
	s.past, s.loaded = simPast{}, 0
	if n := len(s.states); n > 0 {
		restored, err := simDecode(s.plugin, s.states[n-1].content)
		if err != nil {
			return err
		}
		if err := s.plugin.SetState(restored); err != nil {
			return fmt.Errorf("setting state: %w", err)
		}
		s.past = s.states[n-1].simPast
		s.states, s.loaded = s.states[n-1:], 1
	}
	s.meet()
	if err := s.plugin.Start(nil); err != nil {
		return fmt.Errorf("starting: %w", err)
	}
	s.calm = 0
	s.longest = max(s.longest, s.options.lookback())
	s.deepest = max(s.deepest, s.longest, s.options.backfill())
	return nil
}

// simDecode returns a saved state in the type that the plugin wants.
func simDecode(plugin telegraf.StatefulPlugin, content []byte) (any, error) {
	restored := reflect.New(reflect.TypeOf(plugin.GetState())).Interface()
	if err := json.Unmarshal(content, &restored); err != nil {
		return nil, fmt.Errorf("reading state: %w", err)
	}
	return reflect.ValueOf(restored).Elem().Interface(), nil
}

// save takes the plugin's state as the host does.
func (s *simulation) save() error {
	content, err := json.Marshal(s.plugin.GetState())
	if err != nil {
		return simError("the state is no JSON: " + err.Error())
	}
	restored, err := simDecode(s.plugin, content)
	if err != nil {
		return err
	}
	again, err := json.Marshal(restored)
	if err != nil || string(again) != string(content) {
		return simError(fmt.Sprintf("the state changes on its way through JSON: %s becomes %s", content, again))
	}
	if len(s.states) > 20 {
		s.states, s.loaded = slices.Delete(s.states, 0, 10), 1
	}
	s.states = append(s.states, simState{content, s.now, s.past})
	return nil
}

// right tells whether the machine's clock is.
func (s *simulation) right() bool { return s.ahead == 0 && s.unset.IsZero() }

// zoned tells whether the configured time zone is that of the operation.
func (s *simulation) zoned() bool { return s.options.location().String() == s.location.String() }

// meet notes that the plugin may take the clock's time for its first start.
func (s *simulation) meet() {
	if s.unset.IsZero() {
		s.earliest = min(s.earliest, s.machine().Unix())
	}
}

// see notes what a gather can know of the clock. One that was ahead is seen when it goes back; nothing can show that it
// was where the machine was off until it had been overtaken, and the hours read by it are not held against the plugin.
func (s *simulation) see() {
	machine := s.machine().Unix()
	switch {
	case s.past.ahead == 0:
	case machine < s.past.ahead:
		s.past.ahead = 0
	case s.ahead <= 0:
		s.unseen = append(s.unseen, [2]int64{s.past.behind - int64(s.longest/time.Second) - 2*simHour, s.past.ahead})
		s.past.ahead = 0
	}
	switch {
	case s.right() && s.past.first == 0:
		s.past.first = s.now.Unix()
	case s.ahead > 0 && s.past.ahead == 0:
		s.past.behind = s.now.Unix()
		fallthrough
	case s.ahead > 0:
		s.past.ahead = max(s.past.ahead, machine)
	}
}

// gather lets the plugin gather when it is due, and checks what comes of it.
func (s *simulation) gather() error {
	s.mu.Lock()
	if s.now.Before(s.next) {
		s.now = s.next
	}
	s.next = s.next.Add(s.options.interval())
	if !s.next.After(s.now) {
		s.next = s.now.Add(s.options.interval())
	}
	s.meet()
	s.see()
	g := &simGather{at: s.now, machine: s.machine()}
	s.open, s.told = g, make(map[int64][]int64)
	s.log = append(s.log, g)
	s.mu.Unlock()

	var acc testutil.Accumulator
	g.err = s.plugin.Gather(&acc)

	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = nil
	s.spent = append(s.spent, simSpent{g.at, len(g.requests)})
	if err := s.write(g, acc.GetTelegrafMetrics()); err != nil {
		return err
	}
	if err := s.check(g); err != nil {
		return err
	}
	s.calm++
	return s.save()
}

// write puts metrics into the database.
func (s *simulation) write(g *simGather, metrics []telegraf.Metric) error {
	zone := s.options.location()
	for _, m := range metrics {
		hour := m.Time().Unix()
		calls, ok := m.Fields()["calls"].(int64)
		minutes, ok2 := m.Fields()["minutes"].(float64)
		if !ok || !ok2 {
			return simError(fmt.Sprintf("fields of the wrong type: %v", m.Fields()))
		}
		if hour != m.Time().UnixNano()/1e9 || simMod(hour+simOffset(hour, zone), simHour) != 0 {
			return simError(fmt.Sprintf("%s is not the beginning of an hour", m.Time()))
		}
		if name, _ := m.GetTag("hour"); name != m.Time().In(zone).Format("15") {
			return simError(fmt.Sprintf("%s has hour = %q", m.Time().In(zone), name))
		}
		write := simWrite{at: s.now, hour: hour, calls: calls, minutes: minutes, earlier: s.latest[hour]}
		g.writes = append(g.writes, write)
		s.writes = append(s.writes, write)
		s.latest[hour] = len(s.writes)
		if err := s.checkWrite(&write); err != nil {
			return err
		}
	}
	return nil
}

// checkWrite checks what can be told of a metric by itself.
func (s *simulation) checkWrite(w *simWrite) error {
	name := s.name(w.hour)
	machine := s.machine().Unix()
	ended := machine - w.hour - simHour // since when it has, by the machine's clock
	switch {
	case ended < -simHour:
		return simError(name + " has a figure, but lies in the future")
	case ended < 0 && s.options.Hours != "" && s.options.Hours != "all":
		return simError(name + " comes while it is running")
	case ended < int64(s.options.lookback()/time.Second) && s.options.Hours == "final":
		return simError(name + " comes before it is final")
	}
	if !s.zoned() || s.repeated(w.hour) {
		return nil
	}
	if w.minutes != simMinutes(w.calls) {
		return simError(fmt.Sprintf("%s has %d calls, but %v minutes", name, w.calls, w.minutes))
	}
	if isException := !s.everTold && w.calls == 0; !isException && !slices.Contains(s.told[w.hour], w.calls) {
		if truth := s.calls(w.hour, s.now); w.calls != 0 || truth != 0 {
			return simError(fmt.Sprintf("%s is written as %d calls, where there are %d and the answers said %v", name, w.calls, truth, s.told[w.hour]))
		}
	}
	if s.options.Hours != "final" || s.repeating {
		return nil
	}
	reading, ok := s.readings[w.hour]
	if !ok {
		s.readings[w.hour] = &simReading{calls: w.calls, last: s.now}
		return nil
	}
	if !reading.allowed {
		return simError(fmt.Sprintf("%s comes twice with hours = \"final\", first at %s", name, reading.last.In(s.location).Format(time.DateTime)))
	}
	if reading.calls != w.calls {
		return simError(fmt.Sprintf("%s was final with %d calls, and becomes %d", name, reading.calls, w.calls))
	}
	reading.last, reading.allowed = s.now, false
	return nil
}

// name returns an hour for people.
func (s *simulation) name(hour int64) string {
	return time.Unix(hour, 0).In(s.location).Format("hour 2006-01-02 15")
}

// check checks what can be told of a gather.
func (s *simulation) check(g *simGather) error {
	if err := s.checkQuota(); err != nil {
		return err
	}
	zone := s.options.location()
	machine := g.machine.Unix()
	failed, honest, live := true, true, true
	for i := range g.requests {
		r := &g.requests[i]
		failed = failed && r.failed
		live = live && (r.failed || r.to <= machine+simOffset(machine, zone))
		honest = honest && r.honest
		if r.answer == "outage quota" {
			s.quota = s.now
		}
		if err := s.checkWindow(r); err != nil {
			return err
		}
	}
	if live && s.scenario.Traits.Future != "no" {
		failed = true
	}
	if !failed && !live && g.err != nil && !strings.Contains(g.err.Error(), "quota") && s.outage == "" {
		return simError("the running hour was read, but the gather returned: " + g.err.Error())
	}
	if failed && g.err == nil {
		return simError(fmt.Sprintf("a gather that failed, with %d requests, returned no error", len(g.requests)))
	}
	if honest && len(g.requests) > 0 && g.err != nil && s.zoned() && s.right() {
		return simError("all answers were right, but the gather returned: " + g.err.Error())
	}
	if honest && !s.misled {
		for _, line := range g.logged {
			if simSuspicion.MatchString(line) {
				return simError("the right time zone is suspected: " + line)
			}
		}
	}
	if len(g.requests) > 0 {
		first := &g.requests[0]
		running := machine + simOffset(machine, zone)
		later := first.at.Add(g.machine.Sub(g.at)).Unix() // waiting may have taken the clock into the next hour
		if first.to <= running || first.from > later+simOffset(later, zone) {
			return simError("the running hour isn't asked for first")
		}
	}
	return s.checkRunning(g)
}

// checkWindow checks what can be told of a request.
func (s *simulation) checkWindow(r *simRequest) error {
	const day = 24 * simHour
	switch {
	case r.to <= r.from || simMod(r.from, simHour) != 0 || simMod(r.to, simHour) != 0:
		return simError("a window isn't made of whole hours: " + r.String())
	case simFloor(r.to-1, day)-simFloor(r.from, day) >= 31*day:
		return simError("a window spans more than 31 calendar days: " + r.String())
	}
	if !s.right() {
		return nil
	}
	zone := s.options.location()
	begin, end := r.from-simOffset(r.from, zone)-2*simHour, r.to-simOffset(r.to, zone)+2*simHour
	if from, until := s.options.rereads(); begin < until && end > from {
		return nil
	}
	depth := max(s.longest, s.options.backfill())
	if s.changed {
		depth = s.deepest
	}
	known := slices.ContainsFunc(s.writes, func(w simWrite) bool { return w.hour >= begin && w.hour < end }) // it may show how wide to ask
	if end < s.earliest-int64(depth/time.Second) && !known {
		return simError("nobody wants " + r.String())
	}
	return nil
}

// checkQuota checks what the last hour has cost.
func (s *simulation) checkQuota() error {
	newest := s.spent[len(s.spent)-1].at
	sum, gathers := 0, 0
	for i := len(s.spent) - 1; i >= 0 && newest.Sub(s.spent[i].at) < time.Hour; i-- {
		sum += s.spent[i].requests
		gathers++
	}
	if limit := simQuota * max(gathers, int(time.Hour/s.options.interval())); sum > limit {
		return simError(fmt.Sprintf("%d requests in an hour with %d gathers", sum, gathers))
	}
	return nil
}

// checkRunning checks that the running hour comes with each gather once all has been well for a while.
func (s *simulation) checkRunning(g *simGather) error {
	hour := s.floor(g.at.Unix())
	if s.outage != "" || !s.right() || !s.zoned() || s.scenario.Traits.Future == "no" || s.poisoned(hour) {
		s.calm = 0
	}
	if s.calm < simPatience || s.now.Sub(s.quota) < 26*time.Hour || s.options.Hours != "" && s.options.Hours != "all" ||
		s.repeated(hour) || s.total(hour) == 0 || s.calls(hour, g.at) == 0 {
		return nil
	}
	if !slices.ContainsFunc(g.writes, func(w simWrite) bool { return w.hour == hour }) {
		return simError(fmt.Sprintf("%s is running and doesn't come, %d gathers after all was well", s.name(hour), s.calm))
	}
	return nil
}

func (r *simRequest) String() string {
	const layout = "01-02T15"
	return fmt.Sprintf("[%s..%s: %s %d]", time.Unix(r.from, 0).UTC().Format("06-"+layout), time.Unix(r.to-1, 0).UTC().Format(layout), r.answer, r.rows)
}

// halt ends the plugin, in order or not, and leaves the machine off for a while.
func (s *simulation) halt(e *simEvent) error {
	s.plugin.Stop()
	next := s.options
	if e.Options != nil {
		next = *e.Options
	}
	if e.Kind == "restart" {
		if err := s.save(); err != nil {
			return err
		}
		s.from = len(s.writes)
	} else {
		s.lose(e, min(s.options.unflushed(), next.unflushed()))
	}
	if next.location() != s.options.location() {
		s.changed, s.misled, s.zoneSince = true, true, s.now
	}
	if next.Reread != s.options.Reread && next.Reread != "" {
		s.options = next
		s.erase()
	}
	s.options = next
	s.now = s.now.Add(e.D)
	s.next = s.now
	return s.start()
}

// lose takes back what a crash may lose: the newest rows and states.
func (s *simulation) lose(e *simEvent, most time.Duration) {
	since := s.now.Add(-min(e.Loss, most))
	lost := 0
	for len(s.writes) > s.from && s.writes[len(s.writes)-1].at.After(since) {
		last := s.writes[len(s.writes)-1]
		if last.earlier == 0 {
			delete(s.latest, last.hour)
		} else {
			s.latest[last.hour] = last.earlier
		}
		s.writes = s.writes[:len(s.writes)-1]
		lost++
	}
	s.states = s.states[:max(s.loaded, len(s.states)-e.N)]
	var saved time.Time
	if n := len(s.states); n > 0 {
		saved = s.states[n-1].at
	}
	s.everTold = s.everTold && !saved.IsZero()
	s.forgotten = s.forgotten || !saved.After(s.zoneSince) && !s.zoneSince.IsZero()
	for _, reading := range s.readings {
		reading.allowed = reading.allowed || !reading.last.Before(saved.Add(-s.options.unflushed()-s.options.interval()))
	}
	s.note("crash: %d rows lost, state of %s", lost, saved.Format(time.DateTime))
}

// erase removes the rows that are to be read again from the database.
func (s *simulation) erase() {
	from, until := s.options.rereads()
	for hour := range s.latest {
		if hour >= from && hour < until && s.kept(hour) && !s.poisoned(hour) {
			s.writes = append(s.writes, simWrite{hour: hour, erased: true})
			s.latest[hour] = len(s.writes)
		}
	}
	s.from = len(s.writes)
}

// play plays the scenario's events.
func (s *simulation) play() error {
	if err := s.start(); err != nil {
		return err
	}
	defer func() { s.plugin.Stop() }()
	for i := range s.scenario.Events {
		if err := s.happen(&s.scenario.Events[i]); err != nil {
			return err
		}
	}
	return s.recover()
}

// happen plays one event.
func (s *simulation) happen(e *simEvent) error {
	if e.Kind != "gather" {
		s.note("%s", e)
	}
	s.calm = 0
	switch e.Kind {
	case "gather":
		for range e.N {
			if err := s.gather(); err != nil {
				return err
			}
		}
	case "outage":
		s.outage, s.scope = e.Form, e.Scope
	case "clock":
		before := s.machine()
		s.ahead, s.unset = e.D, time.Time{}
		s.misled = s.misled || e.D != 0 || e.Form == simEpoch
		if e.Form == simEpoch {
			s.unset = s.now
		}
		if s.machine().Before(before) {
			s.earliest -= int64(before.Sub(s.machine()) / time.Second) // the clock may have been ahead from the beginning
		}
	case "width":
		s.width, s.form = e.N, e.Form
	case "heal":
		s.poison = nil
	case "crash", "restart":
		return s.halt(e)
	default:
		panic("no such event: " + e.Kind)
	}
	return nil
}

// recover puts right what can be, and checks that the plugin gets everything in the time that it needs.
func (s *simulation) recover() error {
	events := []simEvent{{Kind: "outage"}, {Kind: "clock"}}
	if !s.zoned() {
		options := s.options
		options.Timezone = s.scenario.Traits.Zone
		events = append(events, simEvent{Kind: "restart", D: time.Minute, Options: &options})
	}
	for i := range events {
		if err := s.happen(&events[i]); err != nil {
			return err
		}
	}
	limit := s.patience()
	s.note("all is well from here on, and %d gathers must do", limit)
	for n, calm := 0, 0; calm < 3; n++ { // three gathers more must change nothing
		missing := s.missing()
		if calm++; missing != nil {
			calm = 0
		}
		if n >= limit && missing != nil {
			return missing
		}
		if err := s.gather(); err != nil {
			return err
		}
	}
	return nil
}

// patience returns how many gathers the plugin needs at most to catch up.
func (s *simulation) patience() int {
	perHour := int(time.Hour / s.options.interval())
	traits := &s.scenario.Traits
	hours := int(s.now.Unix()-s.wanted())/int(simHour) + 1
	from, until := s.options.rereads()
	hours += int((until - from) / simHour)
	width := s.width
	for _, cut := range []int{traits.CutHours, traits.CutRows} {
		if cut != 0 {
			width = min(width, max(cut, -cut))
		}
	}
	windows := hours/width + 2
	limit := 26*perHour + 40 + 4*windows // what failed may be put off for a day
	if len(s.scenario.Traits.Poison) > 0 || traits.Keep > 0 && traits.KeepForm != "empty" {
		limit += 26*perHour + 24*(2+len(traits.Poison))
	}
	return limit
}

// wanted returns the beginning of what is wanted.
func (s *simulation) wanted() int64 {
	first := s.past.first
	if first == 0 {
		first = s.now.Unix()
	}
	return first - int64(max(s.options.lookback(), s.options.backfill())/time.Second)
}

// missing returns the first hour that should be in the database but isn't, or is wrong.
func (s *simulation) missing() error {
	lookback := int64(s.options.lookback() / time.Second)
	due := s.now.Add(-time.Hour-6*s.options.interval()).Unix() - lookback - simHour
	if s.stuck != 0 {
		if err := s.missingHour(s.stuck); err != nil {
			return err
		}
		s.stuck = 0
	}
	from, until := s.options.rereads()
	spans := [][2]int64{{s.wanted(), due}, {from, min(until, due)}}
	if s.changed {
		spans = spans[:1] // other days are those of the other time zone
	}
	for _, span := range spans {
		hour := s.floor(span[0] + simHour - 1)
		begins := false // an operation's history, with its first calls
		for ; hour < span[1]; hour += simHour {
			begins = begins || s.total(hour) > 0 && s.kept(hour-s.margin()) && !s.poisoned(hour) && !s.repeated(hour)
			if !begins && s.total(hour) == 0 {
				continue
			}
			if err := s.missingHour(hour); err != nil {
				s.stuck = hour
				return err
			}
		}
	}
	return nil
}

func (s *simulation) missingHour(hour int64) error {
	if s.poisoned(hour) || s.repeated(hour) || !s.kept(hour-s.margin()) {
		return nil
	}
	if slices.ContainsFunc(s.unseen, func(span [2]int64) bool { return hour >= span[0] && hour <= span[1] }) {
		return nil
	}
	truth := s.total(hour)
	i := s.latest[hour]
	if i == 0 || s.writes[i-1].erased {
		if truth == 0 && !s.zeros {
			return nil
		}
		return simError(fmt.Sprintf("%s is missing: it has %d calls", s.name(hour), truth))
	}
	write := &s.writes[i-1]
	if write.calls == truth {
		return nil
	}
	if truth == 0 && s.changed && !s.zeros && !s.listed(hour) {
		return nil // the row of another hour, which nothing overwrites
	}
	if s.forgotten {
		return nil
	}
	return simError(fmt.Sprintf("%s is wrong: %d calls since %s, where there are %d",
		s.name(hour), write.calls, write.at.In(s.location).Format(time.DateTime), truth))
}

// margin is how much of the oldest hours that the API keeps may be given up with those that it doesn't.
func (s *simulation) margin() int64 {
	if s.scenario.Traits.KeepForm == "empty" {
		return 0
	}
	return 24 * simHour
}

// history returns what happened, the newest last, at most so many lines.
func (s *simulation) history(most int) string {
	lines := make([]string, 0, len(s.log))
	for i, g := range s.log {
		lines = append(lines, fmt.Sprintf("#%d ", i)+g.describe(s.location))
	}
	if len(lines) > most {
		lines = append([]string{fmt.Sprintf("(%d lines before)", len(lines)-most)}, lines[len(lines)-most:]...)
	}
	return strings.Join(lines, "\n")
}

// describe tells what happened, in the time of the location.
func (g *simGather) describe(location *time.Location) string {
	var b strings.Builder
	b.WriteString(g.at.In(location).Format("06-01-02 15:04:05"))
	if off := g.machine.Sub(g.at); off != 0 {
		fmt.Fprintf(&b, " (clock %+.1fh)", off.Hours())
	}
	b.WriteString(" " + g.note)
	for i := range g.requests {
		b.WriteString(" " + g.requests[i].String())
	}
	if n := len(g.writes); n > 0 {
		fmt.Fprintf(&b, " → %d:", n)
		for i := range g.writes {
			switch {
			case i < 3 || i >= n-3:
				fmt.Fprintf(&b, " %s=%d", time.Unix(g.writes[i].hour, 0).In(location).Format("02T15"), g.writes[i].calls)
			case i == 3:
				b.WriteString(" …")
			}
		}
	}
	if g.err != nil {
		b.WriteString(" err: " + g.err.Error())
	}
	for _, line := range g.logged {
		b.WriteString("\n      " + line)
	}
	return b.String()
}

// simulate plays a scenario against a server of its own.
func simulate(scenario *simScenario) (*simulation, error) {
	s := newSimulation(scenario)
	server := httptest.NewServer(s)
	defer server.Close()
	s.url = server.URL
	err := s.play()
	return s, err
}

// simPick returns one of the choices.
func simPick[T any](r *rand.Rand, choices ...T) T { return choices[r.IntN(len(choices))] }

// simUpTo returns a duration of whole minutes.
func simUpTo(r *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(r.Int64N(int64(most/time.Minute)+1)) * time.Minute
}

// newScenario returns the scenario of a seed.
func newScenario(seed uint64) *simScenario {
	r := rand.New(rand.NewPCG(seed, 1))
	chance := func(percent int) bool { return r.IntN(100) < percent }
	const day = 24 * time.Hour

	options := simOptions{
		Timezone: simPick(r, "America/Bogota", "America/Bogota", "America/New_York", "America/Santiago", "Europe/Madrid", "Asia/Kolkata"),
		Interval: simPick(r, "5m", "5m", "15m", "15m", "1h"),
		Lookback: simPick(r, "", "", "", "1h", "6h", "12h"),
		Hours:    simPick(r, "", "", "all", "ended", "final"),
	}
	traits := simTraits{
		Zone:      options.Timezone,
		Begin:     time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.Int64N(int64(365*day/time.Second))) * time.Second),
		First:     3 * 366 * day,
		Quiet:     simPick(r, 0, 20, 60),
		Width:     31 * 24,
		WidthForm: simPick(r, "400", "404", "200nul", "200[]", "500", "504", "close"),
		Future:    simPick(r, "yes", "yes", "yes", "yes", "hour", "no"),
		Empty:     simPick(r, "404", "404", "null", "[]", "blank", "false", "NULL"),
		Listed:    simPick(r, 0, 0, 50, 100),
		Strays:    simPick(r, 0, 0, 20),
		Latency:   simPick(r, 0, 3*time.Second, 50*time.Second),
		Dialect:   r.IntN(3),
	}
	if chance(65) {
		traits.Width = simPick(r, 1, 2, 3, 4, 5, 6, 8, 12, 24, 25, 30, 48, 72, 168, 240, 700, 720)
	}
	if options.Interval == "1h" { // else the quota does not suffice for what comes anew
		traits.Width = max(traits.Width, 2*int(max(options.lookback(), 6*time.Hour)/time.Hour+2))
	}
	span := min(400*day, time.Duration(60*traits.Width)*time.Hour)
	if chance(50) {
		options.Backfill = simUpTo(r, span/2).String()
	}
	if chance(50) {
		options.EmptyHours = "zero"
	}
	if chance(15) {
		traits.First = simUpTo(r, span/2)
	}
	if chance(25) {
		traits.Keep = 2*day + simUpTo(r, span/2)
		traits.KeepForm = simPick(r, "empty", "empty", "400", "500", "200nul")
	}
	if chance(25) {
		for range 1 + r.IntN(3) {
			traits.Poison = append(traits.Poison, 3-r.IntN(4+int(options.backfill()/day)))
		}
	}
	if chance(20) {
		begin := 3 - r.IntN(4+int(span/2/day))
		traits.Gap = [2]int{begin, begin + 1 + r.IntN(20)}
	}
	switch r := rand.New(rand.NewPCG(seed, 2)); r.IntN(8) {
	case 0:
		traits.CutHours = simPick(r, 1, -1) * (24 + r.IntN(480))
	case 1:
		traits.CutRows = simPick(r, 1, -1) * (24 + r.IntN(300))
	}

	scenario := &simScenario{Seed: seed, Traits: traits, Options: options}
	add := func(events ...simEvent) { scenario.Events = append(scenario.Events, events...) }
	gathers := func() simEvent { return simEvent{Kind: "gather", N: 1 + r.IntN(simPick(r, 4, 24))} }
	off := func() time.Duration { return simUpTo(r, simPick(r, 0, time.Hour, time.Hour, day, span/4)) }
	end := func(next *simOptions) simEvent {
		e := simEvent{Kind: simPick(r, "crash", "crash", "restart"), D: off(), Options: next}
		if e.Kind == "crash" {
			e.N = simPick(r, 0, 0, 0, 1, 2, 5)
			e.Loss = simUpTo(r, simPick(r, 0, time.Hour, 12*time.Hour))
		}
		return e
	}
	for range 1 + r.IntN(6) {
		if chance(90) {
			add(gathers())
		}
		switch r.IntN(10) {
		case 0, 1:
			form := simPick(r, "400", "500", "504", "close", "403", "html", "cut", "body", "200nul", "200[]", "strays")
			if chance(3) {
				form = "quota"
			}
			scope := simPick(r, "all", "all", "past", "live")
			if form == "strays" {
				scope = "all"
			}
			add(simEvent{Kind: "outage", Form: form, Scope: scope}, gathers())
			if chance(30) {
				add(end(nil), gathers())
			}
			add(simEvent{Kind: "outage"})
		case 2, 3, 4:
			add(end(nil))
		case 5, 6:
			next := options
			switch r.IntN(6) {
			case 0:
				next.Lookback = simPick(r, "1h", "3h", "6h")
			case 1:
				next.Backfill = simUpTo(r, span/2).String()
			case 2:
				next.Backfill = ""
			case 3:
				next.Hours = simPick(r, "all", "ended", "final")
			case 4:
				next.EmptyHours = simPick(r, "omit", "zero")
			default:
				if next.Reread != "" {
					break
				}
				last := traits.Begin.In(simLocation(traits.Zone)).Add(-simUpTo(r, span/8))
				first := last.Add(-simUpTo(r, span/8))
				next.Reread = first.Format(time.DateOnly) + "/" + last.Format(time.DateOnly)
			}
			options = next
			add(end(&next))
		case 7:
			if traits.WidthForm == "404" {
				break // an API that came to lie about what it once answered could not be seen through
			}
			add(simEvent{Kind: "width", N: max(traits.Width, simPick(r, 1, 24, 240, 744)), Form: traits.WidthForm})
			if chance(50) {
				add(gathers(), simEvent{Kind: "width", N: traits.Width, Form: traits.WidthForm})
			}
		case 8:
			fault := simEvent{Kind: "clock", D: simPick[time.Duration](r, 1, -1) * (3*time.Hour + simUpTo(r, simPick(r, 5*time.Hour, 3*day)))}
			switch {
			case chance(30):
				fault = simEvent{Kind: "clock", Form: simEpoch}
			case chance(20):
				fault.D = simPick(r, 365*day, 3650*day)
			}
			add(fault, gathers())
			if chance(40) {
				add(end(nil), gathers())
			}
			add(simEvent{Kind: "clock"})
		default:
			wrong := options
			_, offset := traits.Begin.In(simLocation(traits.Zone)).Zone()
			east := offset/3600 + simPick(r, -6, -3, -1, 1, 2, 3, 4, 7)
			wrong.Timezone = fmt.Sprintf("Etc/GMT%+d", -east)
			add(end(&wrong), gathers())
			right := options
			add(end(&right))
		}
	}
	if chance(20) {
		add(simEvent{Kind: "heal"})
	}

	scenario.Traits.Tail = newSimulation(scenario).shortest * simPick[time.Duration](r, 0, 30, 95) / 100
	return scenario
}

// shrink returns a simpler scenario that fails too.
func shrink(scenario *simScenario, failed *simulation, failure error) (*simScenario, *simulation, error) {
	until := time.Now().Add(10 * time.Second)
	try := func(change func(*simScenario)) bool {
		simpler := *scenario
		simpler.Events = slices.Clone(scenario.Events)
		change(&simpler)
		if reflect.DeepEqual(&simpler, scenario) || time.Now().After(until) {
			return false
		}
		s, err := simulate(&simpler)
		var violation simError
		if !errors.As(err, &violation) {
			return false
		}
		scenario, failed, failure = &simpler, s, err
		return true
	}
	for again := true; again; {
		again = false
		for i := len(scenario.Events) - 1; i >= 0; i-- {
			removed := try(func(s *simScenario) { s.Events = slices.Delete(s.Events, i, i+1) })
			halved := !removed && scenario.Events[i].Kind == "gather" && scenario.Events[i].N > 1 &&
				try(func(s *simScenario) { s.Events[i].N /= 2 })
			again = again || removed || halved
		}
		for _, change := range []func(*simScenario){
			func(s *simScenario) { s.Traits.Poison = nil },
			func(s *simScenario) { s.Traits.Keep, s.Traits.KeepForm = 0, "" },
			func(s *simScenario) { s.Traits.Gap = [2]int{} },
			func(s *simScenario) { s.Traits.Future = "yes" },
			func(s *simScenario) { s.Traits.Quiet = 0 },
			func(s *simScenario) { s.Traits.Strays = 0 },
			func(s *simScenario) { s.Traits.Latency = 0 },
			func(s *simScenario) { s.Traits.First = 3 * 366 * 24 * time.Hour },
			func(s *simScenario) { s.Traits.Width = 31 * 24 },
			func(s *simScenario) { s.Traits.Empty = "null" },
			func(s *simScenario) { s.Traits.Dialect = 0 },
			func(s *simScenario) { s.Options.Hours = "" },
			func(s *simScenario) { s.Options.Backfill = "" },
			func(s *simScenario) { s.Options.EmptyHours = "" },
			func(s *simScenario) { s.Options.Lookback = "" },
		} {
			again = try(change) || again
		}
	}
	return scenario, failed, failure
}

// report fails the test with a scenario and its history.
func (s *simScenario) report(t *testing.T, played *simulation, err error, lines int) {
	t.Helper()
	events := make([]string, 0, len(s.Events))
	for i := range s.Events {
		events = append(events, "  "+s.Events[i].String())
	}
	t.Errorf("%v\nagain with: -run TestModel -model.seed %d\ntraits: %+v\noptions: %+v\nevents:\n%s\nhistory:\n%s",
		err, s.Seed, s.Traits, s.Options, strings.Join(events, "\n"), played.history(lines))
}

func TestMain(m *testing.M) {
	config.DisableSecretProtection() // protecting takes longer than a request, and is held by the tests of the program
	os.Exit(m.Run())
}

func TestModel(t *testing.T) {
	first, runs := uint64(1), uint64(2000)
	if testing.Short() {
		runs = 50
	}
	if *modelSeed != 0 {
		first, runs = *modelSeed, 1
	}
	if *modelRuns != 0 {
		runs = *modelRuns
	}
	var next, requests, gathers, failures atomic.Int64
	play := func(seed uint64) {
		scenario := newScenario(seed)
		s, err := simulate(scenario)
		gathers.Add(int64(len(s.spent)))
		for _, spent := range s.spent {
			requests.Add(int64(spent.requests))
		}
		if err == nil {
			if runs == 1 {
				t.Log(s.history(10000))
			}
			return
		}
		t.Logf("seed %d: %v", seed, err)
		failures.Add(1)
		lines := 60
		if runs == 1 {
			lines = 1000
		}
		if *modelFailures < 10 {
			scenario, s, err = shrink(scenario, s, err)
		}
		scenario.report(t, s, err, lines)
	}
	var players sync.WaitGroup
	for range min(uint64(runtime.GOMAXPROCS(0)), runs) { // a run is one thing after another
		players.Go(func() {
			for failures.Load() < int64(*modelFailures) {
				n := uint64(next.Add(1)) - 1
				if n >= runs {
					return
				}
				play(first + n)
			}
		})
	}
	players.Wait()
	t.Logf("%d gathers, %d requests", gathers.Load(), requests.Load())
}
