// Package host runs Telegraf inputs behind inputs.execd as if they were compiled into Telegraf. It has the flags and
// the protocol of Telegraf's shim: it writes metrics in line protocol to stdout and logs to stderr, gathers for each
// line on stdin, and stops when stdin closes or on SIGINT or SIGTERM. It adds what the shim lacks, built from
// Telegraf's own packages: several tables, tags, filters, secret stores, a schedule for each table, log levels, states
// that survive a restart, and a prompt shutdown.
package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/config"
	"github.com/mattn/go-isatty"
)

const (
	stopTime  = 500 * time.Millisecond // for a clean stop
	crashTime = 20 * time.Millisecond  // for the kernel to close all files of a killed process
	abortTime = 300 * time.Millisecond // for saving the state and logging during an abort
)

// Options are the options of the command line.
type Options struct {
	Config               []string      // files, or directories of *.conf files
	PollInterval         time.Duration // used if the configuration sets no interval
	PollIntervalDisabled bool          // gather only when prompted by a line on stdin
	Test                 bool          // gather once, print and exit
	Debug                bool          // log at debug level
	Unprotected          bool          // keep secrets in ordinary memory

	// Memory and MemoryPerTable, in bytes, add up to the soft memory limit: Memory once, and MemoryPerTable for each
	// table. No limit is set if the sum is 0 or if GOMEMLIMIT is set.
	Memory, MemoryPerTable int64
}

// Run runs the configured inputs until stdin closes or a signal arrives. It logs errors and returns the exit status.
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
	for _, i := range instances {
		i.file.Forget()
	}
	if limit := opts.Memory + opts.MemoryPerTable*int64(len(instances)); limit > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit)
	}
	debug.FreeOSMemory() // frees what loading left behind, which may contain secrets
	h := newHost(instances)
	h.isPolling = !opts.PollIntervalDisabled
	path := cfg.Agent.Statefile
	flag, err := trial()
	switch {
	case opts.Test:
		h.gathersOnce, path = true, ""
		h.stdin = strings.NewReader("") // there may be nobody to close stdin
	case isatty.IsTerminal(os.Stdin.Fd()):
		log.Warn("Started by hand: Telegraf normally starts this program through inputs.execd. It gathers and prints metrics until Ctrl-C, and does " +
			"not change the state. Use --test to gather once, or --check to check the configuration")
		path = ""
	case err != nil:
		log.Debugf("Can't tell whether Telegraf runs with --test or --once: %v", err)
	case flag != "":
		log.Infof("Telegraf runs with %s: gathering once, without changing the state", flag)
		h.gathersOnce, path = true, ""
	default:
		h.isService = true
	}
	if h.isService && path == "" && isStateful(instances) {
		log.Warn("No statefile in [agent]: hours missed while this program is down are not read later, and backfill is read again at each start")
	}
	if h.states, err = openStateFile(path); err != nil {
		return fmt.Errorf("the state file %s can't be used: %w", path, explainStatefile(path, err))
	}
	defer h.states.close()
	h.states.restore(instances)
	if err := h.run(); err != nil {
		return err
	}
	if n := h.countFailed(); opts.Test && n > 0 {
		return fmt.Errorf("gathering failed for %d of %d inputs", n, len(instances))
	}
	return nil
}

func isStateful(instances []*instance) bool {
	return slices.ContainsFunc(instances, func(i *instance) bool {
		_, stateful := i.Input.(telegraf.StatefulPlugin)
		return stateful
	})
}

func initialize(cfg *config.Config, instances []*instance) error {
	for _, i := range instances {
		if err := i.initialize(cfg.Agent); err != nil {
			return fmt.Errorf("[%s] %s: %w", i.LogName(), i.at, err)
		}
	}
	return identify(instances)
}

// initialize prepares an input for its start.
func (i *instance) initialize(agent *config.AgentConfig) error {
	if err := i.configure(agent); err != nil {
		return err
	}
	setLogLevel(i.RunningInput)
	// Telegraf's agent does the same with an interface that can't be imported.
	if plugin, ok := i.Input.(interface{ SetTranslator(name string) }); ok {
		plugin.SetTranslator(agent.SnmpTranslator)
	}
	return i.Init()
}

// host runs the instances.
type host struct {
	instances   []*instance
	running     []*instance // instances that have started
	states      *stateFile
	stdin       io.Reader
	stdout      io.Writer
	isPolling   bool
	gathersOnce bool // gather once and exit
	isService   bool // known to run as a service, not in a trial such as --test
	exit        func(status int)

	ctx     context.Context // canceled when the host stops
	cancel  context.CancelFunc
	gathers sync.WaitGroup
	queue   chan telegraf.Metric // metrics to write, and callbacks to call after them
	written chan error           // the error that ended writing, or nil
	ending  sync.Once
	ended   atomic.Bool
}

func newHost(instances []*instance) *host {
	h := &host{instances: instances, stdin: os.Stdin, stdout: os.Stdout, isPolling: true, exit: os.Exit,
		queue: make(chan telegraf.Metric, 100), written: make(chan error, 1)}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

// run runs the instances until stdin closes, a signal arrives or stdout breaks.
func (h *host) run() error {
	// Ignore SIGPIPE so that a write to a broken stdout returns an error. Ignore SIGHUP because Telegraf, which reloads
	// its configuration on it, restarts this program.
	signal.Ignore(syscall.SIGPIPE, syscall.SIGHUP)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-signals
		h.beginStop()
	}()
	if err := h.start(); err != nil {
		h.cancel()
		stopped := make(chan struct{})
		go func() {
			_ = h.finishStop() // the error of the start matters more
			close(stopped)
		}()
		select {
		case <-stopped:
		case <-time.After(stopTime):
		}
		return err
	}
	go h.readPrompts()
	<-h.ctx.Done()
	return h.finishStop()
}

// start starts all instances and then their schedules. It returns the error of an instance that fails to start, unless
// its startup_error_behavior allows for that. With gathersOnce, the error is only logged.
func (h *host) start() error {
	go h.write()
	go h.states.saveChanges(h.ctx)

	for _, i := range h.instances {
		i.host = h
		// As in Telegraf, metrics of a service are rounded only if its table sets a precision.
		startAcc := i.accumulator()
		startAcc.SetPrecision(precision(i.Config.Precision, 0))
		i.activeCalls.Add(1)
		err := i.RunningInput.Start(startAcc)
		i.activeCalls.Add(-1)
		if err != nil && h.gathersOnce {
			startAcc.AddError(fmt.Errorf("starting failed: %w", err))
			continue
		}
		if err != nil && !isFatal(err) {
			return fmt.Errorf("[%s] %s: starting failed: %w", i.LogName(), i.at, err)
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

// isFatal reports whether err is Telegraf's internal.FatalError, which can't be imported. A RunningInput returns it to
// ask the agent to shut its plugin down.
func isFatal(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if fmt.Sprintf("%T", err) == "*internal.FatalError" {
			return true
		}
	}
	return false
}

// readPrompts prompts all instances for each line on stdin, and stops the host when stdin closes.
func (h *host) readPrompts() {
	for lines := bufio.NewScanner(h.stdin); lines.Scan(); {
		h.prompt()
	}
	if h.gathersOnce {
		h.gathers.Wait()
	}
	h.beginStop()
}

func (h *host) prompt() {
	for _, i := range h.running {
		select {
		case i.prompts <- struct{}{}:
		default: // a pending prompt covers this one
		}
	}
}

// finishStop waits for the gathers, stops the inputs, writes all rows and saves the states. It returns the error that
// ended writing, or nil.
func (h *host) finishStop() error {
	h.gathers.Wait()
	var stops sync.WaitGroup
	for _, i := range h.running {
		stops.Go(func() {
			i.activeCalls.Add(1)
			defer i.activeCalls.Add(-1)
			i.Stop()
		})
	}
	stops.Wait()
	close(h.queue)
	err := <-h.written
	// A crash of Telegraf closes stdin as a clean stop does, but it also closes stdout a moment later and loses the
	// rows in memory. Rows that Telegraf has not read when this process exits are lost as well. In both cases, or if
	// neither can be ruled out, the states of the last gathers are saved instead of the states after the stop.
	if err == nil && h.isService {
		time.Sleep(crashTime)
		if drain() && hasReader(os.Stdout) {
			for _, i := range h.running {
				i.captureState()()
			}
		}
	}
	h.states.save()
	h.ended.Store(true)
	return err
}

// beginStop cancels running gathers, and makes sure that the process exits within a second even if something hangs.
func (h *host) beginStop() {
	h.ending.Do(func() {
		h.cancel()
		for _, i := range h.instances {
			if plugin, ok := i.Input.(interface{ Cancel() }); ok {
				go plugin.Cancel()
			}
		}
		time.AfterFunc(stopTime, func() {
			if h.ended.Load() {
				return
			}
			h.abort(func() {
				var busy []string
				for _, i := range h.instances {
					if i.activeCalls.Load() > 0 {
						busy = append(busy, fmt.Sprintf("[%s] %s", i.LogName(), i.at))
					}
				}
				if len(busy) == 0 {
					busy = []string{"stdout and the state file"}
				}
				log.Warnf("Stopping without waiting any longer for %s", strings.Join(busy, ", "))
			})
		})
	})
}

// countFailed returns how many instances have reported errors.
func (h *host) countFailed() (n int) {
	for _, i := range h.instances {
		if i.hasFailed.Load() {
			n++
		}
	}
	return n
}

// abort saves the states of all rows written so far, calls logReason, and exits with status 1, after abortTime at the
// latest.
func (h *host) abort(logReason func()) {
	time.AfterFunc(abortTime, func() { h.exit(1) }) // even if the disk or a reader blocks
	h.states.save()
	logReason()
	drain()
	h.exit(1)
}
