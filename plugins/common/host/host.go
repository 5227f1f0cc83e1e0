// Package host runs Telegraf inputs behind inputs.execd as if they were compiled into Telegraf. Around the shim it puts
// what the shim leaves out, made of Telegraf's own parts: the configuration with several tables, tags, filters and
// secret stores, a schedule for each table, log levels, states that outlive the process, and an end in time.
package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/agent"
	"github.com/influxdata/telegraf/config"
	"github.com/influxdata/telegraf/plugins/common/shim"
)

const (
	stopTime     = 500 * time.Millisecond // for everything to come to an end by itself
	deathTime    = 20 * time.Millisecond  // for the kernel to close all files of a process that was killed
	drainTime    = 200 * time.Millisecond // for Telegraf to take what has been written
	leaveTime    = 100 * time.Millisecond // for Telegraf to see the ends of stdout and stderr
	abortTime    = 300 * time.Millisecond // for an abort
	lockPatience = 2 * time.Second        // for a predecessor to leave the state file
)

// Options are what the command line says.
type Options struct {
	Config               []string      // files, or directories of *.conf files
	PollInterval         time.Duration // where the configuration sets no interval
	PollIntervalDisabled bool          // gather only when prompted by a line on stdin
	Test                 bool          // gather once, print, and end
	Debug                bool          // log at debug level
	Unprotected          bool          // keep secrets in ordinary memory
}

// Run runs the inputs of the configuration until stdin closes or a signal ends it, and returns the exit status. What
// goes wrong has been logged by then.
func Run(opts Options) int {
	logs, stopLogging, err := startLogging(os.Stderr, opts.Debug)
	if err == nil {
		defer stopLogging()
		err = run(&opts, logs)
	}
	if err != nil {
		log.Error(strings.ReplaceAll(err.Error(), "\n", " "))
		return 1
	}
	return 0
}

// Leave is for when nothing is left to be written and the process is about to end. Were Telegraf still reading then,
// the last lines might be lost, and execd would log errors about its own ends of the pipes.
func Leave() {
	drain()
	os.Stdout.Close()
	os.Stderr.Close()
	time.Sleep(leaveTime)
}

func run(opts *Options, logs *logWriter) error {
	if opts.Unprotected {
		log.Warn("Running without secret protection!")
	}
	cfg, instances, err := load(opts, logs)
	if err != nil {
		return err
	}
	if err := logs.setLevel(opts.Debug || cfg.Agent.Debug, cfg.Agent.Quiet && !opts.Debug); err != nil {
		return err
	}
	if err := initialize(cfg, instances); err != nil {
		return err
	}
	if opts.Test {
		return test(instances, os.Stdout)
	}

	states, err := openStateFile(cfg.Agent.Statefile)
	if err != nil {
		return fmt.Errorf("the state file %s cannot be used: %w", cfg.Agent.Statefile, err)
	}
	defer states.close()
	plugins := make(map[string]telegraf.StatefulPlugin)
	for _, i := range instances {
		if plugin, ok := i.Input.(telegraf.StatefulPlugin); ok {
			plugins[i.stateID] = plugin
		}
	}
	states.restore(plugins)
	return newHost(instances, states, !opts.PollIntervalDisabled).run()
}

func initialize(cfg *config.Config, instances []*instance) error {
	for _, i := range instances {
		i.configure(cfg.Agent)
		setLogLevel(i.RunningInput)
		if err := i.Init(); err != nil {
			return fmt.Errorf("[%s] %s: %w", i.LogName(), i.at, err)
		}
	}
	return identify(instances)
}

// host is what the shim takes for its one input: all instances together.
type host struct {
	instances []*instance
	running   []*instance // those that have started
	states    *stateFile
	polling   bool
	exit      func(status int)

	ctx      context.Context // until the stop
	cancel   context.CancelFunc
	gathers  sync.WaitGroup
	rows     chan telegraf.Metric // from the instances to the shim
	broken   atomic.Bool          // stdout, that is
	stopping sync.Once
	ended    atomic.Bool
}

func newHost(instances []*instance, states *stateFile, polling bool) *host {
	h := &host{instances: instances, states: states, polling: polling, exit: os.Exit, rows: make(chan telegraf.Metric, 100)}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

// run is over when stdin has closed, or a signal has come, or stdout breaks.
func (h *host) run() error {
	signal.Ignore(syscall.SIGPIPE) // a broken stdout shall be an error of the write
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM) // which the shim watches too
	go func() {
		<-signals
		h.limitStop()
	}()

	s := shim.New()
	if err := s.AddInput(h); err != nil {
		return err
	}
	if err := s.Run(shim.PollIntervalDisabled); err != nil {
		return err
	}
	h.ended.Store(true)
	if h.broken.Load() {
		h.states.save()
		return errors.New("stdout is broken: the rows since have not been written")
	}
	return nil
}

// SampleConfig is part of telegraf.Input.
func (*host) SampleConfig() string { return "" }

// Start starts all instances. It is called by the shim, as are Gather and Stop.
func (h *host) Start(acc telegraf.Accumulator) error {
	go func() {
		for row := range h.rows {
			acc.AddMetric(row)
		}
	}()
	go h.states.saveChanges(h.ctx)

	for _, i := range h.instances {
		i.host = h
		// As in Telegraf: a service's own metrics are rounded only if the table says so.
		startAcc := agent.NewAccumulator(i, h.rows)
		startAcc.SetPrecision(precision(i.Config.Precision, 0))
		err := i.RunningInput.Start(startAcc)
		if err != nil && !isFatal(err) {
			for _, i := range h.running {
				i.Stop()
			}
			return fmt.Errorf("[%s] %s: %w", i.LogName(), i.at, err)
		}
		if err != nil {
			log.Infof("[agent] Failed to start %s, shutting down plugin: %v", i.LogName(), err)
			continue
		}
		if err := i.Probe(); err != nil {
			log.Infof("[agent] Failed to probe %s, shutting down plugin: %v", i.LogName(), err)
			i.Stop()
			continue
		}
		h.running = append(h.running, i)
	}
	for _, i := range h.running {
		h.gathers.Go(i.run)
	}
	return nil
}

// isFatal recognizes Telegraf's internal.FatalError, by which a RunningInput says that it does without its plugin.
func isFatal(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if fmt.Sprintf("%T", err) == "*internal.FatalError" {
			return true
		}
	}
	return false
}

// Gather prompts all instances. The shim calls it for each line on stdin.
func (h *host) Gather(telegraf.Accumulator) error {
	for _, i := range h.running {
		select {
		case i.prompts <- struct{}{}:
		default: // the prompt before is still to be answered, which answers this one
		}
	}
	return nil
}

// Stop returns when all gathers are over, their rows written, and the states saved.
func (h *host) Stop() {
	h.limitStop()
	h.cancel()
	var stops sync.WaitGroup
	for _, i := range h.running {
		stops.Go(func() {
			i.busy.Add(1)
			defer i.busy.Add(-1)
			i.Stop()
		})
	}
	stops.Wait()
	h.gathers.Wait()
	// Telegraf's death closes stdin like an orderly stop does, but stdout a moment later, and what it had in memory is
	// lost then. So is what it has not taken when this process ends. The states stay those of an unclean end in both cases.
	time.Sleep(deathTime)
	if drain() && hasReader(os.Stdout) {
		for _, i := range h.running {
			i.keepState(nil)
		}
	}
	h.states.save()
	close(h.rows)
}

// limitStop sees to it that the process is gone within a second from now, whatever does not let go.
func (h *host) limitStop() {
	h.stopping.Do(func() {
		time.AfterFunc(stopTime, func() {
			if h.ended.Load() {
				return
			}
			h.abort(func() {
				var busy []string
				for _, i := range h.instances {
					if i.busy.Load() > 0 {
						busy = append(busy, i.LogName())
					}
				}
				log.Warnf("Ending without waiting any longer for %s", strings.Join(busy, ", "))
			})
		})
	})
}

// abort ends the process soon. What has been written is not lost, nor is the state that goes with it.
func (h *host) abort(say func()) {
	time.AfterFunc(abortTime, func() { h.exit(1) }) // neither the disk nor the readers may hold it up
	h.states.save()
	say()
	drain()
	h.exit(1)
}

// drain lets Telegraf take what is in the pipes: execd stops reading as soon as the process is gone. It returns whether
// all rows were taken.
func drain() bool {
	for end := time.Now().Add(drainTime); unread(os.Stdout)+unread(os.Stderr) > 0 && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	return unread(os.Stdout) == 0
}
