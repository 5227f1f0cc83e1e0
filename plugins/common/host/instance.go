package host

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/agent"
	"github.com/influxdata/telegraf/config"
	"github.com/influxdata/telegraf/models"

	"telegraf-wolkvox-ivr/plugins/common/configcheck"
)

// instance is one [[inputs.x]] table at work.
type instance struct {
	*models.RunningInput
	host      *host
	file      *configcheck.File
	at        string // file and line of the table
	line      int
	stateID   string
	schedule  schedule
	precision time.Duration
	timer     *time.Timer
	prompts   chan struct{} // holds the one that came during a gather
	busy      atomic.Int32  // gathering or stopping
	failed    atomic.Bool   // has reported an error

	mu        sync.Mutex
	unwritten *sync.WaitGroup // rows since the last gather that are not on stdout yet
}

// configure takes from [agent] what the table does not say, as Telegraf's agent does.
func (i *instance) configure(defaults *config.AgentConfig) error {
	// Of what a variable stands for, the checks of the file have seen nothing.
	for name, d := range map[string]time.Duration{
		"interval": i.Config.Interval, "collection_jitter": i.Config.CollectionJitter, "precision": i.Config.Precision,
	} {
		if d < 0 {
			return fmt.Errorf("%s must not be below zero", name)
		}
	}
	if strings.HasPrefix(i.Config.MeasurementPrefix+cmp.Or(i.Config.NameOverride, i.Config.Name), "#") {
		return errors.New("a name that begins with # makes comments of the lines that Telegraf reads")
	}
	either := func(own time.Duration, set bool, other config.Duration) time.Duration {
		if set || own != 0 {
			return own
		}
		return time.Duration(other)
	}
	i.schedule = schedule{
		interval: either(i.Config.Interval, false, defaults.Interval),
		jitter:   either(i.Config.CollectionJitter, i.Config.CollectionJitterSet, defaults.CollectionJitter),
		offset:   either(i.Config.CollectionOffset, false, defaults.CollectionOffset),
		aligned:  defaults.RoundInterval,
	}
	i.precision = precision(either(i.Config.Precision, false, defaults.Precision), i.schedule.interval)
	i.prompts = make(chan struct{}, 1)
	i.unwritten = &sync.WaitGroup{}
	return nil
}

// precision is what timestamps are rounded to.
func precision(configured, interval time.Duration) time.Duration {
	switch {
	case configured > 0:
		return configured
	case interval >= time.Second:
		return time.Second
	case interval >= time.Millisecond:
		return time.Millisecond
	case interval >= time.Microsecond:
		return time.Microsecond
	default:
		return time.Nanosecond
	}
}

// run gathers at once, by the schedule and when prompted, until the host stops; if not polling, only when prompted.
func (i *instance) run() {
	acc := i.accumulator()
	acc.SetPrecision(i.precision)
	i.timer = time.NewTimer(math.MaxInt64)
	defer i.timer.Stop()
	if i.host.polling || i.host.once {
		i.timer.Reset(i.schedule.start(time.Now()))
		i.gather(acc)
	}
	for !i.host.once {
		select {
		case <-i.host.ctx.Done():
			return
		case <-i.timer.C:
			i.timer.Reset(i.schedule.next(time.Now()))
		case <-i.prompts:
		}
		i.gather(acc)
	}
}

// gather gathers once: until the rows are written to stdout, and the state that goes with them is on its way to the file.
func (i *instance) gather(acc telegraf.Accumulator) {
	if i.host.ctx.Err() != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		i.busy.Add(1)
		defer i.busy.Add(-1)
		defer i.endOnPanic()
		acc.AddError(i.Gather(acc))
		i.keepState()
	}()

	slow := time.NewTicker(i.schedule.interval)
	defer slow.Stop()
	for {
		select {
		case <-done:
			return
		case <-slow.C:
			log.Warnf("[%s] Collection took longer than expected; not complete after interval of %s", i.LogName(), i.schedule.interval)
			i.IncrGatherTimeouts()
		case <-i.timer.C:
			log.Debugf("[%s] Previous collection has not completed; scheduled collection skipped", i.LogName())
			i.timer.Reset(i.schedule.next(time.Now()))
		}
	}
}

// endOnPanic ends the process when the input panics, as Telegraf does.
func (i *instance) endOnPanic() {
	if reason := recover(); reason != nil { //nolint:revive // this is the deferred function
		stack := debug.Stack()
		i.host.abort(func() { i.Log().Errorf("FATAL: panicked: %v, Stack:\n%s", reason, stack) })
	}
}

// keepState keeps the state as it is now, once the rows made up to now have been written: a state that was ahead of
// them would lose them.
func (i *instance) keepState() {
	var state []byte
	plugin, stateful := i.Input.(telegraf.StatefulPlugin)
	if stateful {
		var err error
		if state, err = snapshot(plugin); err != nil {
			i.Log().Errorf("The state cannot be saved: %v", err)
			stateful = false
		}
	}
	// Whether the state that was restored is any good, an input may know no sooner than it has gathered.
	if judge, ok := i.Input.(interface{ RejectedState() error }); ok {
		if err := judge.RejectedState(); err != nil {
			i.host.states.reject(i.stateID, err)
		}
	}

	i.mu.Lock()
	rows := i.unwritten
	i.unwritten = &sync.WaitGroup{}
	i.mu.Unlock()
	rows.Wait()
	if stateful {
		i.host.states.keep(i.stateID, state)
	}
}

// accumulator returns a new one, as Telegraf's, for the instance's rows and errors.
func (i *instance) accumulator() telegraf.Accumulator {
	return &accumulator{agent.NewAccumulator(i, i.host.rows), i}
}

// accumulator is Telegraf's, but for errors.
type accumulator struct {
	telegraf.Accumulator
	instance *instance
}

// AddError counts an error and logs it, at debug level if the input says that it has returned it before: an input may
// so return an error at each gather for as long as an outage lasts.
func (a *accumulator) AddError(err error) {
	if err == nil {
		return
	}
	a.instance.failed.Store(true)
	var again interface{ Repeated() bool }
	if errors.As(err, &again) && again.Repeated() {
		a.instance.Log().Error(repeated{err})
		return
	}
	a.Accumulator.AddError(err)
}

// MakeMetric has the row filtered and tagged as the table says, and then looks after it until it is written.
func (i *instance) MakeMetric(m telegraf.Metric) telegraf.Metric {
	m = i.RunningInput.MakeMetric(m)
	if m == nil {
		return nil
	}
	if !serializable(m) {
		i.Log().Debugf("Dropped a metric without a name or a finite field: %v", m)
		m.Drop()
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.unwritten.Add(1)
	return &row{Metric: m, written: i.unwritten.Done, lost: func() { i.host.broken.Store(true) }}
}

// serializable says whether the shim will be able to write the metric. It gives up at the first that it cannot.
func serializable(m telegraf.Metric) bool {
	for _, field := range m.FieldList() {
		number, isFloat := field.Value.(float64)
		if m.Name() != "" && field.Key != "" && (!isFloat || !math.IsNaN(number) && !math.IsInf(number, 0)) {
			return true
		}
	}
	return false
}

// row is a metric on its way to stdout. The shim accepts it when it is written, and drops or rejects it if it cannot be.
type row struct {
	telegraf.Metric
	written, lost func()
}

// Accept is called once the row is written.
func (r *row) Accept() {
	r.Metric.Accept()
	r.written()
}

// Reject is called if the row could not be serialized.
func (r *row) Reject() {
	r.Metric.Reject()
	r.lost()
}

// Drop is called if the row could not be written.
func (r *row) Drop() {
	r.Metric.Drop()
	r.lost()
}
