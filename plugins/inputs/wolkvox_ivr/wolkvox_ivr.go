// Package wolkvox_ivr gathers hourly calls and minutes of the interactive voice response system (IVR) of wolkvox, a cloud contact centre, from
// the report "1.2 IVR calls and minutes by time" of its Reports Manager API.
//
// Package hours decides which hours to request and when they are final. Package wolkvox makes the requests.
package wolkvox_ivr

import (
	"context"
	_ "embed"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // time zones for systems without them, such as empty containers

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/config"
	common_http "github.com/influxdata/telegraf/plugins/common/http"
	"github.com/influxdata/telegraf/plugins/common/proxy"
	"github.com/influxdata/telegraf/plugins/inputs"
	"github.com/influxdata/telegraf/selfstat"

	"telegraf-wolkvox-ivr/plugins/common/hours"
	"telegraf-wolkvox-ivr/plugins/common/wolkvox"
)

//go:embed sample.conf
var sampleConfig string

// Version is the version in the User-Agent header. It is a package variable, set by the program before any plugin is created, because
// Telegraf creates the plugins and passes them only their table.
var Version = "dev"

// WolkvoxIVR is the plugin for one wolkvox operation.
type WolkvoxIVR struct {
	Server     textOption      `toml:"server"`
	Token      config.Secret   `toml:"token"`
	Operation  string          `toml:"operation"`
	Timezone   string          `toml:"timezone"`
	Interval   config.Duration `toml:"interval"` // Telegraf's option; 0 if the table sets none
	Lookback   config.Duration `toml:"lookback"`
	Backfill   config.Duration `toml:"backfill"`
	Hours      HoursOption     `toml:"hours"`
	Reread     string          `toml:"reread"`
	EmptyHours EmptyHours      `toml:"empty_hours"`
	URL        string          `toml:"url"`
	Timeout    config.Duration `toml:"timeout"`
	common_http.TransportConfig

	Log        telegraf.Logger     `toml:"-"`
	Statistics *selfstat.Collector `toml:"-"`
	Clock      Clock               `toml:"-"` // nil for the system's clock
	Transport  http.RoundTripper   `toml:"-"` // nil for a transport with the options

	source  string // host name of the server
	options hours.Options
	client  *wolkvox.Client
	stats   *statistics

	ctx        context.Context
	cancel     context.CancelFunc
	background sync.WaitGroup // history requests between gathers

	requestMu sync.Mutex // held from choosing a request until its response is processed
	// mu guards the fields up to hasRequested, because Telegraf may save the state at any time; code that holds requestMu may read them
	// without it.
	mu        sync.Mutex
	planner   *hours.Planner
	requested time.Time // time of the last request
	pause     pause
	stopped   bool
	restored  *hours.State // set until the API's time shows that it isn't from the future
	rejected  error        // why the restored state was discarded

	hasRequested bool // in this process

	apiTime apiTime
	outage  outage
	logged  logged
}

func (*WolkvoxIVR) SampleConfig() string {
	return sampleConfig
}

// Init checks the options. Its errors don't contain the token, even if it was set in another option by mistake.
func (w *WolkvoxIVR) Init() error {
	if err := w.initialize(); err != nil {
		return errors.New(wolkvox.Redact(err.Error()))
	}
	return nil
}

func (w *WolkvoxIVR) initialize() error {
	if w.Clock == nil {
		w.Clock = systemClock{}
	}
	w.apiTime = apiTime{clock: w.Clock}
	if w.Statistics == nil {
		w.Statistics = selfstat.NewCollector(nil)
	}

	errToken := w.checkToken()
	server, err := serverDigits(string(w.Server))
	if err != nil {
		return err
	}
	w.source = "wv" + server + ".wolkvox.com"
	base, err := baseURL(w.URL, server)
	if err != nil {
		return err
	}
	if errToken != nil {
		return errToken
	}
	if err := checkOperation(w.Operation); err != nil {
		return err
	}
	if err := w.checkRanges(); err != nil {
		return err
	}
	if w.options, err = w.hoursOptions(); err != nil {
		return err
	}
	transport := w.Transport
	if transport == nil {
		if transport, err = w.transport(base); err != nil {
			return err
		}
	}

	w.stats = newStatistics(w.Statistics, w.source, w.Operation)
	w.client = &wolkvox.Client{
		URL:       base,
		Token:     &w.Token,
		Timeout:   time.Duration(w.Timeout),
		Calendar:  w.options.Calendar,
		HTTP:      &http.Client{Transport: transport, CheckRedirect: wolkvox.RefuseRedirect},
		UserAgent: "telegraf-wolkvox-ivr/" + Version,
		Log:       w.Log,
		OnRequest: w.stats.countRequest,
	}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.planner = hours.New(w.options)
	return nil
}

func (w *WolkvoxIVR) Start(telegraf.Accumulator) error {
	w.logShortInterval()
	if w.InsecureSkipVerify {
		w.Log.Warnf("%s: insecure_skip_verify = true: anyone who intercepts the connection gets the token. "+
			"To trust a gateway's certificate, set tls_ca", w.name())
	}
	return nil
}

// Cancel aborts a running Gather. Telegraf waits for it to end; hosts that can't wait may call Cancel before Stop.
func (w *WolkvoxIVR) Cancel() {
	w.cancel()
}

// Stop ends the history requests between gathers, and marks the next saved state as cleanly stopped. Telegraf calls it once no Gather is
// running.
func (w *WolkvoxIVR) Stop() {
	w.cancel()
	w.background.Wait()
	w.mu.Lock()
	w.stopped = true
	w.mu.Unlock()
}

// ID identifies the operation by server and name, so its state survives changes of all other options.
func (w *WolkvoxIVR) ID() string {
	return strings.TrimSuffix("inputs.wolkvox_ivr "+w.source+" "+w.Operation, " ")
}

// SeriesOption returns the option that distinguishes the series of two tables for the same server.
func (*WolkvoxIVR) SeriesOption() string { return "operation" }

// Client returns the operation's client, for checks.
func (w *WolkvoxIVR) Client() *wolkvox.Client { return w.client }

// name returns the operation's name in messages.
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
			Hours:      AllHours,
			EmptyHours: OmitEmpty,
			URL:        "https://wv{server}.wolkvox.com",
			Timeout:    config.Duration(60 * time.Second),
			TransportConfig: common_http.TransportConfig{
				HTTPProxy: proxy.HTTPProxy{UseSystemProxy: true},
			},
		}
	})
}
