// Package host runs Telegraf inputs behind inputs.execd as if they were compiled into Telegraf. It has the flags and the
// protocol of Telegraf's shim: metrics in line protocol on stdout, a log on stderr, a gather for each line on stdin, and
// a stop when stdin closes or a SIGINT or SIGTERM comes. What the shim leaves out is made of Telegraf's own parts: the
// configuration with several tables, tags, filters and secret stores, a schedule for each table, log levels, states that
// outlive the process, and a prompt shutdown.
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
	stopTime  = 500 * time.Millisecond // for everything to come to an end by itself
	deathTime = 20 * time.Millisecond  // for the kernel to close all files of a process that was killed
	abortTime = 300 * time.Millisecond // for an abort
)

// Options are what the command line says.
type Options struct {
	Config               []string      // files, or directories of *.conf files
	PollInterval         time.Duration // where the configuration sets no interval
	PollIntervalDisabled bool          // gather only when prompted by a line on stdin
	Test                 bool          // gather once, print, and end
	Debug                bool          // log at debug level
	Unprotected          bool          // keep secrets in ordinary memory

	// Memory and MemoryPerTable are bytes. Above their sum garbage is collected more often, unless it is 0 or GOMEMLIMIT is set.
	Memory, MemoryPerTable int64
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
	debug.FreeOSMemory() // what loading has left, which may be secrets
	h := newHost(instances)
	h.polling = !opts.PollIntervalDisabled
	path := cfg.Agent.Statefile
	flag, err := trial()
	switch {
	case opts.Test:
		h.once, path = true, ""
		h.stdin = strings.NewReader("") // there may be nobody to close stdin
	case isatty.IsTerminal(os.Stdin.Fd()):
		log.Warn("Started by hand: Telegraf normally starts this program through inputs.execd. It gathers and prints metrics until Ctrl-C, and does " +
			"not change the state. Use --test to gather once, or --check to check the configuration")
		path = ""
	case err != nil:
		log.Debugf("Cannot tell whether Telegraf runs with --test or --once: %v", err)
	case flag != "":
		log.Infof("Telegraf runs with %s: gathering once, without changing the state", flag)
		h.once, path = true, ""
	default:
		h.service = true
	}
	if h.service && path == "" && isStateful(instances) {
		log.Warn("No statefile in [agent]: hours missed while this program is down are not caught up, and backfill is read again at each start")
	}
	if h.states, err = openStateFile(path); err != nil {
		return fmt.Errorf("the state file %s cannot be used: %w", path, explainStatefile(path, err))
	}
	defer h.states.close()
	h.states.restore(instances)
	if err := h.run(); err != nil {
		return err
	}
	if n := h.failed(); opts.Test && n > 0 {
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

// initialize does what comes before an input may be started.
func (i *instance) initialize(agent *config.AgentConfig) error {
	if err := i.configure(agent); err != nil {
		return err
	}
	setLogLevel(i.RunningInput)
	// As Telegraf does, by an interface that cannot be imported.
	if plugin, ok := i.Input.(interface{ SetTranslator(name string) }); ok {
		plugin.SetTranslator(agent.SnmpTranslator)
	}
	return i.Init()
}

// host runs the instances.
type host struct {
	instances []*instance
	running   []*instance // those that have started
	states    *stateFile
	stdin     io.Reader
	stdout    io.Writer
	polling   bool
	once      bool // gather once, which Telegraf waits for
	service   bool // known to be no trial of Telegraf's
	exit      func(status int)

	ctx     context.Context // until the stop
	cancel  context.CancelFunc
	gathers sync.WaitGroup
	queue   chan telegraf.Metric // what is to be written, and what is to be done afterwards
	written chan error           // how writing ended
	ending  sync.Once
	ended   atomic.Bool
}

func newHost(instances []*instance) *host {
	h := &host{instances: instances, stdin: os.Stdin, stdout: os.Stdout, polling: true, exit: os.Exit,
		queue: make(chan telegraf.Metric, 100), written: make(chan error, 1)}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

// run is over when stdin has closed, a signal has come, or stdout has broken.
func (h *host) run() error {
	// A write to a broken stdout shall return an error. A SIGHUP makes Telegraf read its configuration anew, for which it
	// starts this program anew.
	signal.Ignore(syscall.SIGPIPE, syscall.SIGHUP)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-signals
		h.end()
	}()
	if err := h.start(); err != nil {
		h.cancel()
		stopped := make(chan struct{})
		go func() {
			_ = h.stop() // why it did not start matters more
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
	return h.stop()
}

// start starts all instances.
func (h *host) start() error {
	go h.write()
	go h.states.saveChanges(h.ctx)

	for _, i := range h.instances {
		i.host = h
		// As in Telegraf: a service's own metrics are rounded only if the table says so.
		startAcc := i.accumulator()
		startAcc.SetPrecision(precision(i.Config.Precision, 0))
		i.busy.Add(1)
		err := i.RunningInput.Start(startAcc)
		i.busy.Add(-1)
		if err != nil && h.once {
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

// isFatal recognizes Telegraf's internal.FatalError, by which a RunningInput says that it does without its plugin.
func isFatal(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if fmt.Sprintf("%T", err) == "*internal.FatalError" {
			return true
		}
	}
	return false
}

// readPrompts prompts all instances for each line on stdin, until it closes: that is the order to stop.
func (h *host) readPrompts() {
	for lines := bufio.NewScanner(h.stdin); lines.Scan(); {
		h.prompt()
	}
	if h.once {
		h.gathers.Wait()
	}
	h.end()
}

func (h *host) prompt() {
	for _, i := range h.running {
		select {
		case i.prompts <- struct{}{}:
		default: // the prompt before is still to be answered, which answers this one
		}
	}
}

// stop returns when all gathers are over, the inputs stopped, all rows written, and the states saved.
func (h *host) stop() error {
	h.gathers.Wait()
	var stops sync.WaitGroup
	for _, i := range h.running {
		stops.Go(func() {
			i.busy.Add(1)
			defer i.busy.Add(-1)
			i.Stop()
		})
	}
	stops.Wait()
	close(h.queue)
	err := <-h.written
	// Telegraf's death closes stdin like an orderly stop does, but stdout a moment later, and what it had in memory is
	// lost then. So is what it has not taken when this process ends. The states stay those of an unclean end in both
	// cases, and where neither can be told.
	if err == nil && h.service {
		time.Sleep(deathTime)
		if drain() && hasReader(os.Stdout) {
			for _, i := range h.running {
				i.snapshot()()
			}
		}
	}
	h.states.save()
	h.ended.Store(true)
	return err
}

// end ends the gathers that are under way, and sees to it that the process is gone within a second from now, whatever
// does not let go.
func (h *host) end() {
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
					if i.busy.Load() > 0 {
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

// failed returns how many instances have reported errors.
func (h *host) failed() (n int) {
	for _, i := range h.instances {
		if i.failed.Load() {
			n++
		}
	}
	return n
}

// abort ends the process soon. What has been written is not lost, nor is the state that goes with it.
func (h *host) abort(say func()) {
	time.AfterFunc(abortTime, func() { h.exit(1) }) // neither the disk nor the readers may hold it up
	h.states.save()
	say()
	drain()
	h.exit(1)
}
