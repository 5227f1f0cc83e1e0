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

	"github.com/cenkalti/backoff/v4"

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
	// maxPause is the longest day: clocks are set back by an hour at most.
	maxPause = 25 * time.Hour

	// leastInterval is how often the API may be used (vendor documentation: one consumption every 5 minutes).
	leastInterval = 5 * time.Minute
	// quotaPerLicence is how many calls a day an operation has for each of its licences (vendor documentation).
	quotaPerLicence = 1000
)

// earliestNow is before this plugin was written: a clock that shows less is that of a machine that has lost its time.
var earliestNow = time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC)

// WolkvoxIVR is one operation of wolkvox.
type WolkvoxIVR struct {
	Server     textOption      `toml:"server"`
	Token      config.Secret   `toml:"token"`
	Operation  string          `toml:"operation"`
	Timezone   string          `toml:"timezone"`
	Interval   config.Duration `toml:"interval"` // Telegraf's own; 0 if the table sets none
	Lookback   config.Duration `toml:"lookback"`
	Backfill   config.Duration `toml:"backfill"`
	Hours      string          `toml:"hours"`
	Reread     string          `toml:"reread"`
	EmptyHours string          `toml:"empty_hours"`
	URL        string          `toml:"url"`
	Timeout    config.Duration `toml:"timeout"`
	common_http.TransportConfig

	Log        telegraf.Logger     `toml:"-"`
	Statistics *selfstat.Collector `toml:"-"`
	Clock      Clock               `toml:"-"` // the system's, if nil

	source string // the server's host name
	scope  scope
	client *client
	stats  *statistics

	ctx    context.Context
	cancel context.CancelFunc

	ledger  ledger // guarded by mu: Telegraf may save the state at any time
	stopped bool
	mu      sync.Mutex

	liveOutage   outage
	pastOutage   outage
	zone         zoneWatch
	pause        pause
	lastGather   time.Time       // that made requests
	historyHours int64           // the most hours that were missing since none was
	badRows      map[string]bool // reasons of unreadable rows said in this gather
	saidRows     map[string]bool // and in the one before
	lastMerged   time.Time       // repeated hour last said to be listed once
	knownForm    form            // of the rows
}

// pause is a time in which no request is made.
type pause struct {
	until time.Time
	err   error // why
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
	reread, err := parseDays(w.Reread)
	if err != nil {
		return err
	}

	transport, err := w.transport(base)
	if err != nil {
		return err
	}

	w.stats = newStatistics(w.Statistics, w.source, w.Operation)
	w.scope = scope{
		calendar:  calendar{location},
		lookback:  time.Duration(w.Lookback),
		backfill:  time.Duration(w.Backfill),
		interval:  w.interval(),
		reread:    reread,
		zeros:     w.EmptyHours == "zero",
		onlyFinal: w.Hours == "final",
	}
	w.client = &client{
		base:     base,
		token:    &w.Token,
		timeout:  time.Duration(w.Timeout),
		calendar: w.scope.calendar,
		http:     &http.Client{Transport: transport, CheckRedirect: refuseRedirect},
		clock:    w.Clock,
		log:      w.Log,
		stats:    w.stats,
	}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.ledger = newLedger()
	return nil
}

// interval returns the distance of gathers as far as the table tells it.
func (w *WolkvoxIVR) interval() time.Duration {
	if w.Interval > 0 {
		return time.Duration(w.Interval)
	}
	return leastInterval
}

// ID identifies the operation, so that its state survives a change of anything else.
func (w *WolkvoxIVR) ID() string {
	return strings.TrimSuffix("inputs.wolkvox_ivr "+w.source+" "+w.Operation, " ")
}

// GetState returns a copy of the ledger, to be saved.
func (w *WolkvoxIVR) GetState() interface{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	saved := state{ledger: w.ledger.clone()}
	saved.Clean = w.stopped
	return saved
}

// SetState goes on from a saved ledger.
func (w *WolkvoxIVR) SetState(saved interface{}) error {
	s, ok := saved.(state)
	if !ok {
		return fmt.Errorf("state has wrong type %T", saved)
	}
	if s.before != nil {
		w.setLedger(w.scope.carryOver(s.before))
		return nil
	}
	w.setLedger(w.scope.restore(s.ledger))
	return nil
}

func (w *WolkvoxIVR) Start(telegraf.Accumulator) error {
	if w.Interval > 0 && time.Duration(w.Interval) < leastInterval {
		requests := int(day / time.Duration(w.Interval))
		w.Log.Warnf("interval is shorter than the %s that wolkvox asks for: %d requests a day or more, for which the daily quota of %d calls "+
			"a licence, shared by all tokens of an operation, lasts with %d licence(s) or more",
			leastInterval, requests, quotaPerLicence, (requests+quotaPerLicence-1)/quotaPerLicence)
	}
	return nil
}

// Cancel ends a Gather that is under way. Telegraf waits for it to end; what can't wait may call this before Stop.
func (w *WolkvoxIVR) Cancel() {
	w.cancel()
}

// Stop is called when no Gather is under way any more.
func (w *WolkvoxIVR) Stop() {
	w.cancel()
	w.mu.Lock()
	w.stopped = true
	w.mu.Unlock()
}

// Gather asks for the latest hours first, then for some of the past, so that the past never holds up the present.
func (w *WolkvoxIVR) Gather(acc telegraf.Accumulator) error {
	// Hours go by the clock on the wall, even if it is set: without what Go adds to measure elapsed time.
	now := w.Clock.Now().Round(0)
	since := now.Sub(w.lastGather)
	switch pause := w.pause.until.Sub(now); {
	case w.isStopping():
		return nil
	case now.Before(earliestNow):
		return fmt.Errorf("%s: this machine's clock shows %s: set it, as hours go by it", w.name(), now.Format(time.RFC3339))
	case pause > 0 && pause <= maxPause: // a longer one is of a clock that was ahead
		w.Log.Debugf("Pausing until %s", w.pause.until.Format(time.RFC3339))
		return w.liveOutage.failed(now, w.pause.err)
	case w.Interval == 0 && since >= 0 && since < leastInterval*9/10:
		// Telegraf's own interval may be of seconds, for which no quota lasts. Jitter makes some distances shorter.
		w.Log.Debugf("Gathered %s ago, which is less than %s", since.Round(time.Second), leastInterval)
		return nil
	}

	w.lastGather = now
	l := w.scope.begin(w.ledger, now)
	w.setLedger(l)
	w.saidRows, w.badRows = w.badRows, make(map[string]bool)
	turn, err := w.readLatest(acc, now)
	if w.ctx.Err() != nil {
		return nil //nolint:nilerr // being stopped is no failure
	}
	if !turn.isRead() {
		err = w.liveOutage.failed(now, w.pauseAfter(now, err))
	} else {
		err = nil
		if text := w.liveOutage.ended(now); text != "" {
			w.Log.Infof("%s; catching up %d hour(s)", text, hoursOf(w.scope.missing(l, now)))
		}
	}
	if isUp := turn.isRead() || turn.find(hoursBefore).isRead(); isUp || turn.made[len(turn.made)-1].result == isFailure {
		if failure := w.readPast(acc, now, maxRequests-len(turn.made), isUp); err == nil {
			err = failure
		}
	}
	missing := w.scope.missing(w.ledger, now)
	w.stats.backlog.Set(hoursOf(missing))
	w.stats.putOff.Set(hoursOf(missing) - hoursOf(without(missing, putOffWindows(w.ledger.PutOff, now))))
	if w.ctx.Err() != nil {
		return nil //nolint:nilerr // being stopped is no failure
	}
	return err
}

func (w *WolkvoxIVR) isStopping() bool { return w.ctx.Err() != nil }

// pauseAfter returns the failure of a gather at now, after it has seen to the pause that follows from it.
func (w *WolkvoxIVR) pauseAfter(now time.Time, err error) error {
	var failure *apiError
	if !errors.As(err, &failure) {
		return err
	}
	if failure.kind == failedQuota {
		until := w.scope.endOfDay(now)
		if since := now.Sub(w.pause.until); since >= 0 && since < time.Hour {
			until = earlier(until, now.Add(time.Hour)) // the API's day begins later than the operation's
		}
		err = fmt.Errorf("%w; pausing until %s", err, until.Format(time.RFC3339))
		w.pause = pause{until, err}
	}
	if failure.retryAfter > 0 {
		w.pause = pause{later(w.pause.until, now.Add(min(failure.retryAfter, time.Hour))), err}
	}
	return err
}

// readLatest reads the hours that still grow, with new attempts and narrower ones where it fails.
func (w *WolkvoxIVR) readLatest(acc telegraf.Accumulator, now time.Time) (turn, error) {
	t := w.scope.begins(w.ledger, now, w.liveOutage.failures > 0)
	pauses := backoff.NewExponentialBackOff(backoff.WithInitialInterval(time.Second), backoff.WithMaxElapsedTime(0))
	end := now.Add(w.interval())
	var failure error // the last to read the running hour
	for failed := false; ; {
		part, found := t.next(w.ledger.API)
		if !found || failed && !w.wait(pauses, failure, end) {
			break
		}
		r := request{part: part}
		var err error
		r.result, r.hasRows, err = w.read(acc, t.windows[part], now, true)
		if w.ctx.Err() != nil {
			return t, err
		}
		if failed = err != nil; failed && part != hoursBefore {
			failure = err
		}
		var api *apiError
		r.passes = errors.As(err, &api) && api.kind.transient
		r.isWrong = r.result == isEmpty && t.windows[part].contains(w.ledger.Newest)
		t.made = append(t.made, r)
	}
	w.change(func(l ledger) ledger {
		l.API = t.learn(l.API, now)
		return l
	})
	if w.scope.zeros && !w.scope.onlyFinal && w.ledger.API.Answered == 0 && t.isRead() && t.find(allLatest).isRead() {
		// An operation that never had a call: nothing can show that its empty answers are right, and none of this is final.
		ended := within([]window{t.windows[allLatest]}, window{w.scope.settledBefore(now), w.scope.floor(now)})
		for _, r := range w.withZeros(nil, ended) {
			w.send(acc, r)
		}
	}
	if w.ledger.API.Refusals == 2 {
		w.Log.Warnf("%s: the API gives the hours before the running one, but not that: %v", w.name(), failure)
	}
	return t, failure
}

// wait lets the time pass that a new attempt after the failure has to keep. It returns false if there is none left until end.
func (w *WolkvoxIVR) wait(pauses *backoff.ExponentialBackOff, failure error, end time.Time) bool {
	var api *apiError
	if !errors.As(failure, &api) || !api.kind.transient {
		return true // another window is asked for, or nothing would help
	}
	pause := max(pauses.NextBackOff(), api.retryAfter)
	if w.Clock.Now().Add(pause).After(end) || pause > time.Duration(w.Timeout) {
		return false
	}
	w.Log.Debugf("Trying again in %s: %v", pause.Round(time.Millisecond), failure)
	select {
	case <-w.Clock.After(pause):
		return true
	case <-w.ctx.Done():
		return false
	}
}

// readPast reads what is missing of the hours before the latest, by so many requests at most. A failure says something
// about what was asked for only if the API is known to be up.
func (w *WolkvoxIVR) readPast(acc telegraf.Accumulator, now time.Time, requests int, isUp bool) error {
	before := hoursOf(w.scope.missing(w.ledger, now))
	defer func() { w.sayProgress(now, before) }()
	end := now.Add(w.interval())
	for range requests {
		ask, found := w.scope.history(w.ledger, now)
		if !found || w.Clock.Now().After(end) {
			break
		}
		result, hasRows, err := w.read(acc, ask.window, now, false)
		var failure *apiError
		switch {
		case w.ctx.Err() != nil:
			return err
		case err == nil:
			w.change(func(l ledger) ledger { return w.scope.historyAnswered(l, ask, result, hasRows, now) })
		case !isUp:
			return nil
		case !errors.As(err, &failure) || failure.kind.general:
			return w.pastOutage.failed(now, w.pauseAfter(now, err))
		default:
			w.Log.Debugf("Leaving it for later: %v", err)
			w.change(func(l ledger) ledger { return w.scope.historyFailed(l, ask, now) })
		}
		w.sayPutOff(now, err)
	}
	if text := w.pastOutage.ended(now); text != "" {
		w.Log.Infof("%s to read the past", text)
	}
	return nil
}

// read asks for the hours of a window, hands on their rows, and records them.
func (w *WolkvoxIVR) read(acc telegraf.Accumulator, asked window, now time.Time, isLatest bool) (res result, hasRows bool, err error) {
	a, err := w.client.read(w.ctx, asked)
	if err != nil {
		res = isFailure
		var failure *apiError
		if !errors.As(err, &failure) || failure.kind.general {
			res = isRefusal
		}
		return res, false, fmt.Errorf("reading %s, hours %s to %s, failed: %w",
			w.name(), w.scope.label(asked.From), w.scope.label(asked.To.Add(-time.Nanosecond)), err)
	}
	w.sayRows(acc, a, now)

	shown := a.shows(asked, now)
	if isLatest && asked.To.After(w.scope.floor(now)) {
		w.watchZone(a, now)
	}
	before := w.ledger
	isEvidence := w.scope.isEvidence(before, shown)
	after, final, empty := w.scope.record(before, shown, now, w.zone.east > 0)
	rows := a.rows
	if w.scope.zeros {
		rows = w.withZeros(rows, empty)
	}
	due := w.due(before, now, final)
	sent := int64(0)
	for _, r := range rows {
		if isIn(due, r.hour) {
			w.send(acc, r)
			sent++
		}
	}
	w.stats.rows.Incr(sent)
	w.setLedger(after)
	if !isEvidence && shown.isEmpty() {
		res = isEmpty
	}
	return res, !shown.isEmpty(), nil
}

// due returns the hours of which rows are to be handed on at now, by the ledger before they were read and those that
// turned final by it.
func (w *WolkvoxIVR) due(before ledger, now time.Time, final []window) []window {
	if w.scope.onlyFinal {
		return final
	}
	end := w.scope.floor(now)
	if w.Hours == "all" {
		end = w.scope.next(end)
	}
	due := add(w.scope.missing(before, now), window{w.scope.settledBefore(now), end})
	for _, w := range slices.Concat(final, before.Assumed) {
		due = add(due, w)
	}
	return due
}

func (w *WolkvoxIVR) send(acc telegraf.Accumulator, r row) {
	tags := map[string]string{"hour": fmt.Sprintf("%02d", r.hour.In(w.scope.location).Hour()), "source": w.source}
	if w.Operation != "" {
		tags["operation"] = w.Operation
	}
	m := metric.New("wolkvox_ivr", tags, nil, r.hour)
	m.AddField("calls", r.calls)
	m.AddField("minutes", r.minutes)
	acc.AddMetric(m)
}

// withZeros returns the rows with zeros for the empty hours, in order. The second of an hour that comes twice has none:
// its calls may yet be filed under the first.
func (w *WolkvoxIVR) withZeros(rows []row, empty []window) []row {
	rows = slices.Clone(rows)
	for _, part := range empty {
		for _, hour := range w.scope.hours(part) {
			if w.scope.floor(hour).Equal(hour) {
				rows = append(rows, row{hour: hour})
			}
		}
	}
	slices.SortFunc(rows, func(x, y row) int { return x.hour.Compare(y.hour) })
	return rows
}

// watchZone warns where the newest calls show that the time zone is wrong.
func (w *WolkvoxIVR) watchZone(a *answer, now time.Time) {
	for _, r := range slices.Backward(a.rows) {
		if r.calls == 0 {
			continue
		}
		if text := w.zone.observe(w.scope.calendar, now, w.scope.floor(r.hour), w.interval()); text != "" {
			w.Log.Warn(text)
		}
		if w.zone.east > 0 {
			w.change(ledger.forgetAssumed)
		}
		return
	}
}

// sayRows reports the rows that can't be read, each once as long as it comes again.
func (w *WolkvoxIVR) sayRows(acc telegraf.Accumulator, a *answer, now time.Time) {
	if a.strays > 0 {
		w.Log.Debugf("Left out %d row(s) of hours that were not asked for", a.strays)
	}
	for _, hour := range a.merged {
		if next := w.scope.nextHour(hour); !now.Before(next) && hour.After(w.lastMerged) {
			w.lastMerged = hour
			w.Log.Infof("Hour %s comes twice, as clocks are set back, but the report lists it once: its figures are filed under the first",
				w.scope.label(hour))
		}
	}
	w.sayForm(a)
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

// sayForm logs what form the rows of an answer have: the first time, and when it changes.
func (w *WolkvoxIVR) sayForm(a *answer) {
	if len(a.rows) == 0 || a.form.calls == "" { // hours without calls may have but placeholders
		return
	}
	known := w.knownForm
	w.knownForm = a.form.or(known)
	if known.or(a.form) == w.knownForm && known != (form{}) {
		return
	}
	newest := a.rows[len(a.rows)-1].hour.In(w.scope.location)
	w.Log.Infof("source %s: %d row(s), %s, newest hour %s", w.name(), len(a.rows), a.form, newest.Format("15:04"))
}

// sayProgress logs how far the reading of the past has come, if a gather that began with so many hours left read some.
func (w *WolkvoxIVR) sayProgress(now time.Time, before int64) {
	left := hoursOf(w.scope.missing(w.ledger, now))
	w.historyHours = max(w.historyHours, before)
	switch {
	case left >= before:
	case left == 0:
		w.Log.Infof("Reading the past: all %d hours done", w.historyHours)
		w.historyHours = 0
	default:
		w.Log.Infof("Reading the past: %d of %d hours done", w.historyHours-left, w.historyHours)
	}
}

// sayPutOff warns, once, about hours that can't be read although others can, as soon as it is known which these are.
func (w *WolkvoxIVR) sayPutOff(now time.Time, err error) {
	w.change(func(l ledger) ledger {
		l = l.clone()
		missing := w.scope.missing(l, now)
		gaps := without(missing, putOffWindows(l.PutOff, now))
		for i, p := range l.PutOff {
			before := w.scope.last(p.From)
			isStart := !isIn(missing, before) && !isIn(l.Final, before) // nothing before it is wanted
			if p.Said || p.Why != whyFailing || isIn(gaps, before) || !p.skipped().isEmpty() {
				continue
			}
			l.PutOff[i].Said = true
			hours := fmt.Sprintf("%s to %s", w.scope.label(p.From), w.scope.label(p.To.Add(-time.Nanosecond)))
			if isStart {
				l.PutOff[i].Pause, l.PutOff[i].Due = day, now.Add(day)
				w.Log.Warnf("%s: the API gives no hour before %s. Hours %s are asked for once a day from now on",
					w.name(), w.scope.label(p.To), hours)
				continue
			}
			if err == nil {
				w.Log.Warnf("%s: hours %s can't be read, though those around them can. They are asked for again at growing distances, up to a day",
					w.name(), hours)
				continue
			}
			w.Log.Warnf("%s: hours %s can't be read, though those around them can: %v. They are asked for again at growing distances, up to a day",
				w.name(), hours, err)
		}
		return l
	})
}

func (w *WolkvoxIVR) setLedger(l ledger) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ledger = l
}

func (w *WolkvoxIVR) change(f func(ledger) ledger) {
	w.setLedger(f(w.ledger))
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
			Timezone:   "America/Bogota",
			Lookback:   config.Duration(3 * time.Hour),
			Hours:      "all",
			EmptyHours: "omit",
			URL:        "https://wv{server}.wolkvox.com",
			Timeout:    config.Duration(60 * time.Second),
			TransportConfig: common_http.TransportConfig{
				HTTPProxy: proxy.HTTPProxy{UseSystemProxy: true},
			},
		}
	})
}
