// Package wolkvox_ivr gathers the calls and minutes by hour of the interactive voice response system of wolkvox, a
// cloud contact centre, from the report "1.2 IVR calls and minutes by time" of its Reports Manager API.
package wolkvox_ivr

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // time zones work where the system has none, such as in an empty container

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/config"
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
	// leastInterval is how often the API may be used (vendor documentation: one consumption every 5 minutes).
	leastInterval = 5 * time.Minute
	// quotaPerLicence is how many calls a day an operation has for each of its licences (vendor documentation).
	quotaPerLicence = 1000
)

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

func (w *WolkvoxIVR) setLedger(l ledger) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ledger = l
}

func (w *WolkvoxIVR) change(f func(ledger) ledger) {
	w.setLedger(f(w.ledger))
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
