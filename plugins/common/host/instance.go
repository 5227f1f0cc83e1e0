package host

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/agent"
	"github.com/influxdata/telegraf/config"
	"github.com/influxdata/telegraf/models"

	"telegraf-wolkvox-ivr/plugins/common/configcheck"
)

// instance is a running [[inputs.x]] table.
type instance struct {
	*models.RunningInput
	host        *host
	file        *configcheck.File
	at          string // file and line of the table
	line        int
	stateID     string
	schedule    schedule
	precision   time.Duration
	timer       *time.Timer
	prompts     chan struct{} // holds a prompt that arrives during a gather
	activeCalls atomic.Int32  // number of Start, Gather and Stop calls in progress
	hasFailed   atomic.Bool   // has reported an error
}

// configure checks the table's options, and takes those that it does not set from [agent], as Telegraf's agent does.
func (i *instance) configure(defaults *config.AgentConfig) error {
	// The file was checked before environment variables were replaced, so their values are checked here.
	for name, d := range map[string]time.Duration{
		"interval": i.Config.Interval, "collection_jitter": i.Config.CollectionJitter, "precision": i.Config.Precision,
	} {
		if d < 0 {
			return fmt.Errorf("%s must not be negative", name)
		}
	}
	if strings.HasPrefix(i.Config.MeasurementPrefix+cmp.Or(i.Config.NameOverride, i.Config.Name), "#") {
		return errors.New("a name that begins with # turns its rows into comments")
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
	return nil
}

// precision returns what timestamps are rounded to. As in Telegraf, the default depends on the interval.
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

// run gathers at once, then on schedule and when prompted, until the host stops. Without polling it gathers only when
// prompted.
func (i *instance) run() {
	acc := i.accumulator()
	acc.SetPrecision(i.precision)
	i.timer = time.NewTimer(math.MaxInt64)
	defer i.timer.Stop()
	if i.host.isPolling || i.host.gathersOnce {
		i.timer.Reset(i.schedule.start(time.Now()))
		i.gather(acc)
	}
	for !i.host.gathersOnce {
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

// gather gathers once. It queues the rows and, after them, the state.
func (i *instance) gather(acc telegraf.Accumulator) {
	if i.host.ctx.Err() != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		i.activeCalls.Add(1)
		defer i.activeCalls.Add(-1)
		defer i.abortOnPanic()
		acc.AddError(i.Gather(acc))
		i.host.afterwards(i.captureState())
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

// abortOnPanic aborts the process if the input panics, as Telegraf does.
func (i *instance) abortOnPanic() {
	if reason := recover(); reason != nil { //nolint:revive // this is the deferred function
		stack := debug.Stack()
		i.host.abort(func() { i.Log().Errorf("FATAL: panicked: %v, Stack:\n%s", reason, stack) })
	}
}

// captureState serializes the input's state and returns a function that stores it. Call that only once the rows are
// written, because a state ahead of its rows would lose them. If the input has rejected its restored state, that is
// dropped from the state file first.
func (i *instance) captureState() (store func()) {
	// An input may discover only during a gather that its restored state is unusable.
	if plugin, ok := i.Input.(interface{ RejectedState() error }); ok {
		if err := plugin.RejectedState(); err != nil {
			i.host.states.reject(i.stateID, err)
		}
	}
	plugin, stateful := i.Input.(telegraf.StatefulPlugin)
	if !stateful {
		return func() {}
	}
	state, err := json.Marshal(plugin.GetState())
	if err != nil {
		i.Log().Errorf("The state can't be saved: %v", err)
		return func() {}
	}
	return func() { i.host.states.set(i.stateID, state) }
}

// accumulator returns a new accumulator for the instance's rows and errors.
func (i *instance) accumulator() telegraf.Accumulator {
	return &accumulator{agent.NewAccumulator(i, i.host.queue), i}
}

// accumulator is Telegraf's accumulator with a different AddError.
type accumulator struct {
	telegraf.Accumulator
	instance *instance
}

// AddError counts and logs an error. An error that the input marks as repeated is logged at debug level, because an
// input may return it at each gather of an outage.
func (a *accumulator) AddError(err error) {
	if err == nil {
		return
	}
	a.instance.hasFailed.Store(true)
	var marked interface{ Repeated() bool }
	if errors.As(err, &marked) && marked.Repeated() {
		a.instance.Log().Error(repeated{err})
		return
	}
	a.Accumulator.AddError(err)
}
