// Package wolkvox_ivr gathers the calls and minutes by hour of the interactive voice response system of wolkvox, a
// cloud contact centre, from the report "1.2 IVR calls and minutes by time" of its Reports Manager API.
package wolkvox_ivr

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // time zones work where the system has none, such as in an empty container

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/config"
	"github.com/influxdata/telegraf/metric"
	common_http "github.com/influxdata/telegraf/plugins/common/http"
	"github.com/influxdata/telegraf/plugins/common/proxy"
	"github.com/influxdata/telegraf/plugins/inputs"
	"github.com/influxdata/telegraf/selfstat"
)

//go:embed sample.conf
var sampleConfig string

// Version of the plugin, set at build. The API's operator sees it as the User-Agent.
var Version = "dev"

const (
	// historyRequests is how many windows of the backlog a gather asks for at most, after the live one. With at most
	// 744 rows a window, three windows of four operations fit into Telegraf's default metric_buffer_limit of 10,000.
	historyRequests = 2

	// maxPause is the longest day: clocks are set back by an hour at most.
	maxPause = 25 * time.Hour

	// stateVersion is that of the layout of progress.
	stateVersion = 1
)

// WolkvoxIVR is one operation of wolkvox.
type WolkvoxIVR struct {
	Server      textOption      `toml:"server"`
	Token       config.Secret   `toml:"token"`
	Operation   string          `toml:"operation"`
	Timezone    string          `toml:"timezone"`
	Interval    config.Duration `toml:"interval"` // Telegraf's own; 0 if the table sets none
	Lookback    config.Duration `toml:"lookback"`
	Backfill    config.Duration `toml:"backfill"`
	CurrentHour string          `toml:"current_hour"`
	EmptyHours  string          `toml:"empty_hours"`
	URL         string          `toml:"url"`
	Timeout     config.Duration `toml:"timeout"`
	common_http.TransportConfig

	Log        telegraf.Logger     `toml:"-"`
	Statistics *selfstat.Collector `toml:"-"`
	Clock      Clock               `toml:"-"` // the system's, if nil

	source  string // the server's host name
	planner *planner
	client  *client
	stats   *statistics

	ctx    context.Context
	cancel context.CancelFunc

	progress progress // guarded by mu: Telegraf may save the state at any time
	stopped  bool
	mu       sync.Mutex

	outage       outage
	pausedUntil  time.Time       // the quota is spent until then, or the API asked to wait
	historyDays  int             // calendar days of history to ask for at once
	historyEnd   time.Time       // the history after it fails at present: go on with what is before; zero for none
	historyHours int64           // the most hours in the backlog since it was empty
	badRows      map[string]bool // reasons of unreadable rows said in this gather
	saidRows     map[string]bool // and in the one before
	lastMerged   time.Time       // repeated hour last said to be listed once
	lastGather   time.Time
	distances    int       // between gathers, since
	measuredFrom time.Time // this one
}

// Clock is the time that the plugin goes by, and waits in between attempts. Simulations replace it.
type Clock interface {
	// Now returns the time of day.
	Now() time.Time
	// After returns a channel on which the time is sent once d has passed.
	After(d time.Duration) <-chan time.Time
}

// systemClock is the time of the machine.
type systemClock struct{}

// Now implements Clock.
func (systemClock) Now() time.Time { return time.Now() }

// After implements Clock.
func (systemClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

func (*WolkvoxIVR) SampleConfig() string {
	return sampleConfig
}

func (w *WolkvoxIVR) Init() error {
	if w.Clock == nil {
		w.Clock = systemClock{}
	}
	if w.Statistics == nil {
		w.Statistics = selfstat.NewCollector(nil)
	}

	server, err := serverName(string(w.Server))
	if err != nil {
		return err
	}
	w.source = "wv" + server + ".wolkvox.com"

	base, err := baseURL(w.URL, server)
	if err != nil {
		return err
	}
	if w.Token.Empty() {
		return checkToken("")
	}
	// A token from a store that can't be reached now is asked for again at each request.
	if secret, err := w.Token.Get(); err == nil {
		err := checkToken(strings.TrimSpace(secret.String()))
		secret.Destroy()
		if err != nil {
			return err
		}
	}
	if err := checkOperation(w.Operation); err != nil {
		return err
	}
	location, err := loadLocation(w.Timezone)
	if err != nil {
		return err
	}
	if err := w.checkRanges(); err != nil {
		return err
	}

	transport, err := w.transport()
	if err != nil {
		return err
	}

	w.stats = newStatistics(w.Statistics, w.source, w.Operation)
	w.planner = &planner{
		location:    location,
		lookback:    time.Duration(w.Lookback),
		backfill:    time.Duration(w.Backfill),
		omitCurrent: w.CurrentHour == "omit",
	}
	w.client = &client{
		base:    base,
		token:   &w.Token,
		timeout: time.Duration(w.Timeout),
		planner: w.planner,
		http:    &http.Client{Transport: transport, CheckRedirect: refuseRedirect},
		clock:   w.Clock,
		log:     w.Log,
		stats:   w.stats,
	}
	intervals.join(w)
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.progress = progress{Version: stateVersion}
	w.historyDays = maxDays
	return nil
}

// ID identifies the operation, so that its state survives a change of anything else.
func (w *WolkvoxIVR) ID() string {
	return strings.TrimSuffix("inputs.wolkvox_ivr "+w.source+" "+w.Operation, " ")
}

// GetState returns a copy of the progress, to be saved.
func (w *WolkvoxIVR) GetState() interface{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	state := w.progress
	state.Backlog = slices.Clone(state.Backlog)
	state.Recent = slices.Clone(state.Recent)
	state.Clean = w.stopped
	return state
}

// SetState goes on from a saved progress.
func (w *WolkvoxIVR) SetState(state interface{}) error {
	saved, ok := state.(progress)
	if !ok {
		return fmt.Errorf("state has wrong type %T", state)
	}
	if saved.Version != stateVersion {
		return fmt.Errorf("state has version %d, where this version of the plugin reads %d", saved.Version, stateVersion)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.progress = w.planner.restore(saved)
	return nil
}

func (w *WolkvoxIVR) Start(telegraf.Accumulator) error {
	w.sayInterval(time.Duration(w.Interval))
	return nil
}

// Stop ends a Gather that is under way.
func (w *WolkvoxIVR) Stop() {
	w.cancel()
	intervals.leave(w)
	w.mu.Lock()
	w.stopped = true
	w.mu.Unlock()
}

// Gather asks for the live window first, then for some of the backlog, so that the past never holds up the present.
func (w *WolkvoxIVR) Gather(acc telegraf.Accumulator) error {
	now := w.Clock.Now()
	interval := w.gatherInterval(now)
	if pause := w.pausedUntil.Sub(now); pause > 0 && pause <= maxPause { // a longer one is of a clock that was ahead
		w.Log.Debugf("Pausing until %s, as the API asks for", w.pausedUntil.Format(time.RFC3339))
		return nil
	}

	// Hours go by the clock on the wall, even if it is set: without what Go adds to measure elapsed time.
	behind, err := w.gather(acc, now.Round(0), time.Now().Add(interval))
	w.stats.backlog.Set(w.progress.backlogHours())
	if w.ctx.Err() != nil {
		return nil //nolint:nilerr // being stopped is no failure
	}
	if err == nil {
		if text := w.outage.ended(now); text != "" {
			w.Log.Infof("%s; catching up %d hour(s)", text, behind)
		}
		return nil
	}

	var failure *apiError
	if errors.As(err, &failure) && failure.kind == failedQuota {
		year, month, day := now.In(w.planner.location).Date()
		until := w.planner.startOfDay(year, month, day+1)
		if since := now.Sub(w.pausedUntil); since >= 0 && since < time.Hour {
			until = earlier(until, now.Add(time.Hour)) // the API's day begins later than the operation's
		}
		w.pausedUntil = until
		err = fmt.Errorf("%w; pausing until %s", err, w.pausedUntil.Format(time.RFC3339))
	}
	if failure != nil && failure.retryAfter > 0 {
		w.pausedUntil = later(w.pausedUntil, now.Add(min(failure.retryAfter, time.Hour)))
	}
	if reported := w.outage.failed(now, err); reported != nil {
		return reported
	}
	w.Log.Debugf("Still failing: %v", err)
	return nil
}

// gather asks for what is due at now. No request is tried again, and no history asked for, after `end`. It returns how
// many hours there were to catch up.
func (w *WolkvoxIVR) gather(acc telegraf.Accumulator, now, end time.Time) (behind int64, err error) {
	w.saidRows, w.badRows = w.badRows, make(map[string]bool)
	days := maxDays
	if w.outage.failures > 0 {
		days = 2 // the API may fail at a wide window, and the running hour is what matters most
	}
	live, state := w.planner.live(w.progress, now, days)
	w.setProgress(state)
	left := state.backlogHours()
	if left == 0 {
		w.historyHours = 0
	}
	w.historyHours = max(w.historyHours, left)
	behind = left + max(0, hoursIn(window{live.From, w.planner.floor(now.Add(-time.Duration(w.Lookback)))}))
	if live.From.Before(live.To) {
		if err := w.read(acc, live, maxAttempts, now, end); err != nil {
			return behind, err
		}
		w.setProgress(w.planner.liveDone(w.progress, live, now))
	}

	for range historyRequests {
		before := live.From
		if !w.historyEnd.IsZero() {
			before = earlier(before, w.historyEnd)
		}
		history, found := w.planner.history(w.progress, w.historyDays, before)
		if !found {
			w.historyEnd = time.Time{}
			break
		}
		if time.Now().After(end) {
			break
		}
		if err = w.read(acc, history, 1, now, end); err != nil {
			if w.historyDays == 1 {
				w.historyEnd = history.From
			}
			w.historyDays = max(w.historyDays/2, 1) // the API may fail at what takes it long
			break
		}
		w.historyDays = min(w.historyDays*2, maxDays)
		w.setProgress(w.planner.historyDone(w.progress, history, now))
	}
	w.sayHistory(left)
	return behind, err
}

// read asks for the hours of a window and hands on their rows.
func (w *WolkvoxIVR) read(acc telegraf.Accumulator, asked window, attempts int, now, end time.Time) error {
	a, err := w.client.read(w.ctx, asked, attempts, end)
	if err != nil {
		return fmt.Errorf("reading %s, hours %s to %s, failed: %w",
			w.name(), w.planner.label(asked.From), w.planner.label(asked.To.Add(-time.Nanosecond)), err)
	}
	w.sayRows(acc, a, now)

	rows := a.rows
	if w.EmptyHours == "zero" {
		rows = w.withZeros(a, asked, now)
	}
	for _, r := range rows {
		if r.hour.After(now) {
			continue
		}
		tags := map[string]string{"hour": fmt.Sprintf("%02d", r.hour.In(w.planner.location).Hour()), "source": w.source}
		if w.Operation != "" {
			tags["operation"] = w.Operation
		}
		m := metric.New("wolkvox_ivr", tags, nil, r.hour)
		m.AddField("calls", r.calls)
		m.AddField("minutes", r.minutes)
		acc.AddMetric(m)
	}
	w.stats.rows.Incr(int64(len(rows)))
	return nil
}

// withZeros returns the rows of an answer with zeros for the whole past hours that it leaves out. They begin with the
// API's history: where that was known to begin later, the hours in between, read before as empty, are filled too.
func (w *WolkvoxIVR) withZeros(a *answer, asked window, now time.Time) []row {
	state := w.progress
	taken := make(map[int64]bool, len(a.unknown)+len(a.rows))
	for _, hour := range a.unknown {
		taken[hour.Unix()] = true
		state.First = earlier(state.First, hour)
	}
	for _, r := range a.rows {
		taken[r.hour.Unix()] = true
		state.First = earlier(state.First, r.hour)
	}
	if a.dateless {
		state.First = earlier(state.First, asked.From)
	}
	fill := window{later(asked.From, state.First), later(asked.To, w.progress.First)}
	w.setProgress(state)
	if a.dateless {
		fill.From = asked.To // any hour of the window may be that of a row that can't be read
	}
	fill.To = earlier(fill.To, w.planner.floor(now))
	empty := []window{fill}
	for _, unread := range remove(state.Backlog, asked) {
		empty = remove(empty, unread)
	}
	rows := slices.Clone(a.rows)
	for _, part := range empty {
		for _, hour := range w.planner.hours(part) {
			isRepetition := !w.planner.floor(hour).Equal(hour) // its calls may yet be filed under the first
			if !taken[hour.Unix()] && !isRepetition {
				rows = append(rows, row{hour: hour})
			}
		}
	}
	slices.SortFunc(rows, func(x, y row) int { return x.hour.Compare(y.hour) })
	return rows
}

// sayRows reports the rows that can't be read, each once as long as it comes again.
func (w *WolkvoxIVR) sayRows(acc telegraf.Accumulator, a *answer, now time.Time) {
	if a.strays > 0 {
		w.Log.Debugf("Left out %d row(s) of hours that were not asked for", a.strays)
	}
	for _, hour := range a.merged {
		if next := w.planner.nextHour(hour); !now.Before(next) && hour.After(w.lastMerged) {
			w.lastMerged = hour
			w.Log.Infof("Hour %s comes twice, as clocks are set back, but the report lists it once: its figures are filed under the first",
				w.planner.label(hour))
		}
	}
	fresh := 0
	for _, p := range a.problems {
		if !w.saidRows[p.reason] && !w.badRows[p.reason] {
			acc.AddError(fmt.Errorf("%s: %w", w.name(), p))
			fresh++
		}
		w.badRows[p.reason] = true
	}
	if more := a.unreadable - len(a.problems); more > 0 && fresh > 0 {
		acc.AddError(fmt.Errorf("%s: %d more rows can't be read", w.name(), more))
	}
}

// sayHistory logs how far the reading of the past has come, if a gather that began with so many hours left read some.
func (w *WolkvoxIVR) sayHistory(before int64) {
	switch left := w.progress.backlogHours(); left {
	case before:
	case 0:
		w.Log.Infof("Reading the past: all %d hours done", w.historyHours)
	default:
		w.Log.Infof("Reading the past: %d of %d hours done", w.historyHours-left, w.historyHours)
	}
}

func (w *WolkvoxIVR) setProgress(state progress) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.progress = state
}

// name is how messages call the operation.
func (w *WolkvoxIVR) name() string {
	if w.Operation == "" {
		return w.source
	}
	return w.source + " (" + w.Operation + ")"
}

func init() {
	inputs.Add("wolkvox_ivr", func() telegraf.Input {
		return &WolkvoxIVR{
			Timezone:    "America/Bogota",
			Lookback:    config.Duration(3 * time.Hour),
			CurrentHour: "include",
			EmptyHours:  "omit",
			URL:         "https://wv{server}.wolkvox.com",
			Timeout:     config.Duration(60 * time.Second),
			TransportConfig: common_http.TransportConfig{
				HTTPProxy: proxy.HTTPProxy{UseSystemProxy: true},
			},
		}
	})
}
