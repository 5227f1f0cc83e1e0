package host

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/models"
	"github.com/influxdata/telegraf/selfstat"
)

//promise:schedule
func TestSchedule(t *testing.T) {
	at := func(clock string) time.Time {
		now, err := time.Parse(time.DateTime, "2026-01-18 "+clock)
		require.NoError(t, err)
		return now
	}
	for _, tt := range []struct {
		name     string
		schedule schedule
		now      []string // time of the start and of each tick
		want     []string // next tick after each
	}{
		{"aligned", schedule{interval: 5 * time.Minute, aligned: true},
			[]string{"12:02:22", "12:05:00", "12:10:01"}, []string{"12:05:00", "12:10:00", "12:15:00"}},
		{"aligned, started on the slot", schedule{interval: 5 * time.Minute, aligned: true}, []string{"12:05:00"}, []string{"12:10:00"}},
		{"aligned, started just before", schedule{interval: 5 * time.Minute, aligned: true}, []string{"12:04:58"}, []string{"12:10:00"}},
		{"aligned, fired early", schedule{interval: 5 * time.Minute, aligned: true},
			[]string{"12:02:22", "12:04:59"}, []string{"12:05:00", "12:10:00"}},
		{"offset", schedule{interval: 5 * time.Minute, offset: time.Minute, aligned: true},
			[]string{"12:00:30", "12:01:00", "12:06:00"}, []string{"12:01:00", "12:06:00", "12:11:00"}},
		{"not aligned", schedule{interval: 5 * time.Minute}, []string{"12:02:22", "12:07:23"}, []string{"12:07:22", "12:12:22"}},
		{"not aligned, offset", schedule{interval: 5 * time.Minute, offset: time.Minute},
			[]string{"12:02:22", "12:08:22"}, []string{"12:08:22", "12:13:22"}},
		{"slept", schedule{interval: 5 * time.Minute, aligned: true}, []string{"12:02:22", "17:13:00"}, []string{"12:05:00", "17:15:00"}},
		{"slept, not aligned", schedule{interval: 5 * time.Minute}, []string{"12:02:22", "17:13:00"}, []string{"12:07:22", "17:18:00"}},
		{"set back", schedule{interval: 5 * time.Minute, aligned: true}, []string{"12:02:22", "07:13:00"}, []string{"12:05:00", "07:15:00"}},
		{"set back a little", schedule{interval: 5 * time.Minute, aligned: true}, []string{"12:02:22", "11:49:00"}, []string{"12:05:00", "11:50:00"}},
		{"set back, not aligned", schedule{interval: 5 * time.Minute}, []string{"12:02:22", "07:13:00"}, []string{"12:07:22", "07:18:00"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			wait := tt.schedule.start(at(tt.now[0]))
			for n, now := range tt.now {
				if n > 0 {
					wait = tt.schedule.next(at(now))
				}
				got = append(got, at(now).Add(wait).Format(time.TimeOnly))
			}
			require.Equal(t, tt.want, got)
		})
	}
}

// Jitter delays each tick but does not accumulate.
//
//promise:schedule
func TestScheduleJitter(t *testing.T) {
	s := schedule{interval: time.Minute, jitter: 10 * time.Second, aligned: true}
	start := time.Date(2026, 1, 18, 12, 0, 30, 0, time.UTC)
	now := start.Add(s.start(start))
	seen := make(map[time.Duration]bool)
	for n := range 100 {
		late := now.Sub(start.Truncate(time.Minute).Add(time.Duration(n+1) * time.Minute))
		require.True(t, 0 <= late && late < 10*time.Second, "%d: %s", n, late)
		seen[late] = true
		now = now.Add(s.next(now))
	}
	require.Greater(t, len(seen), 90)
}

// stdoutStub collects the lines written to stdout. If hold is set, each write waits for a value from it.
type stdoutStub struct {
	mu    sync.Mutex
	lines []string
	hold  chan struct{}
	fail  bool
}

func (s *stdoutStub) Write(line []byte) (int, error) {
	if s.hold != nil {
		<-s.hold
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail {
		return 0, errors.New("broken")
	}
	s.lines = append(s.lines, strings.TrimSuffix(string(line), "\n"))
	return len(line), nil
}

// written returns the lines once all goroutines in the bubble are blocked.
func (s *stdoutStub) written() []string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lines
}

// startHost runs the probes in this process. It must be called in a synctest bubble.
func startHost(t *testing.T, polling bool, states *stateFile, probes ...*probe) (*host, *stdoutStub) {
	t.Helper()
	h, stub := prepareHost(t, polling, states, probes...)
	require.NoError(t, h.start())
	return h, stub
}

// stopHost stops a host and expects no error.
func stopHost(t *testing.T, h *host) {
	t.Helper()
	h.beginStop()
	require.NoError(t, h.finishStop())
}

func prepareHost(t *testing.T, polling bool, states *stateFile, probes ...*probe) (*host, *stdoutStub) {
	t.Helper()
	var instances []*instance
	for n, p := range probes {
		p.Server = strconv.Itoa(n)
		i := &instance{RunningInput: models.NewRunningInput(p, &models.InputConfig{Name: "probe", Alias: p.Server})}
		require.NoError(t, i.configure(&agentDefaults))
		require.NoError(t, i.Init())
		instances = append(instances, i)
	}
	require.NoError(t, identify(instances))
	if states == nil {
		states = &stateFile{wake: make(chan struct{})}
	}
	h, stub := newHost(instances), &stdoutStub{}
	h.states, h.stdout, h.isPolling, h.isService = states, stub, polling, true
	h.exit = func(int) {}
	return h, stub
}

//promise:schedule
func TestGathersAtOnceAndThenOnTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now() // a bubble starts on the minute
		time.Sleep(50 * time.Second)
		gathers := make(chan string, 100)
		p := &probe{gather: func(*probe, telegraf.Accumulator) error {
			gathers <- time.Since(start).String()
			return nil
		}}
		h, _ := startHost(t, true, nil, p)
		synctest.Wait()
		require.Equal(t, "50s", <-gathers)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Equal(t, "1m0s", <-gathers)
		require.Equal(t, "2m0s", <-gathers)
		stopHost(t, h)
		time.Sleep(time.Hour)
		require.Empty(t, gathers)
	})
}

//promise:schedule
func TestPromptsAreNeitherLostNorDoubled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var gathers, running atomic.Int64
		p := &probe{gather: func(*probe, telegraf.Accumulator) error {
			gathers.Add(1)
			assert.EqualValues(t, 1, running.Add(1))
			<-release
			running.Add(-1)
			return nil
		}}
		h, _ := startHost(t, false, nil, p)
		prompt := func() {
			h.prompt()
			synctest.Wait()
		}

		time.Sleep(24 * time.Hour)
		synctest.Wait()
		require.Zero(t, gathers.Load(), "gathered without a prompt")

		prompt()
		require.EqualValues(t, 1, gathers.Load())
		release <- struct{}{}
		synctest.Wait()
		require.EqualValues(t, 1, gathers.Load())

		prompt()
		prompt() // during a gather: it causes the next one
		prompt() // merged with the previous prompt
		require.EqualValues(t, 2, gathers.Load())
		release <- struct{}{}
		synctest.Wait()
		require.EqualValues(t, 3, gathers.Load())
		release <- struct{}{}
		synctest.Wait()
		require.EqualValues(t, 3, gathers.Load())
		stopHost(t, h)
	})
}

//promise:schedule
func TestSlowGathers(t *testing.T) {
	out, logs := captureLog(t, true)
	synctest.Test(t, func(t *testing.T) {
		var gathers atomic.Int64
		slow := &probe{gather: func(*probe, telegraf.Accumulator) error {
			gathers.Add(1)
			time.Sleep(150 * time.Second)
			return errors.New("too late")
		}}
		quick := &probe{Rows: 1}
		time.Sleep(time.Second)
		h, stub := startHost(t, true, nil, slow, quick)
		timeouts, failures := h.instances[0].GatherTimeouts.Get(), h.instances[0].GatherErrors.Get() // counters are shared by all tests in this process

		time.Sleep(155 * time.Second) // from 0:01 to 2:36
		synctest.Wait()
		require.EqualValues(t, 1, gathers.Load())
		require.Len(t, stub.written(), 3, "the slow one held up the other")
		require.EqualValues(t, 2, h.instances[0].GatherTimeouts.Get()-timeouts)
		require.EqualValues(t, 1, h.instances[0].GatherErrors.Get()-failures)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.EqualValues(t, 2, gathers.Load())
		go func() {
			h.beginStop()
			assert.NoError(t, h.finishStop())
		}()
		time.Sleep(time.Hour)
	})
	require.NoError(t, logs.setLevel(false, false))
	require.Contains(t, out.String(), "W! [inputs.probe::0] Collection took longer than expected; not complete after interval of 1m0s\n")
	require.Contains(t, out.String(), "D! [inputs.probe::0] Previous collection has not completed; scheduled collection skipped\n")
	require.Contains(t, out.String(), "E! [inputs.probe::0] Error in plugin: too late\n")
}

//promise:killed
//promise:state
func TestStateIsKeptOnceTheRowsAreWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		states := &stateFile{path: t.TempDir() + "/state", wake: make(chan struct{}, 1), states: make(map[string][]byte)}
		kept := func() string {
			synctest.Wait()
			states.mu.Lock()
			defer states.mu.Unlock()
			return string(states.states["probe 0"])
		}

		h, stub := prepareHost(t, false, states, &probe{Rows: 2, state: probeState{Gathers: 5}})
		stub.hold = make(chan struct{})
		require.NoError(t, h.start())
		h.prompt()
		require.Empty(t, kept())
		stub.hold <- struct{}{}
		require.Empty(t, kept(), "one row is not written yet")
		h.prompt()
		require.Empty(t, kept(), "the next gather's state came first")
		stub.hold <- struct{}{}
		require.JSONEq(t, `{"gathers":6}`, kept())
		require.Len(t, stub.written(), 2)

		stub.hold <- struct{}{}
		require.Len(t, stub.written(), 3)
		stub.fail = true
		stub.hold <- struct{}{}
		require.JSONEq(t, `{"gathers":6}`, kept(), "a row has not been written")
		require.Error(t, h.ctx.Err(), "the host goes on without a stdout")
		h.prompt()
		require.ErrorContains(t, h.finishStop(), "stdout is broken, and the latest rows were not written: broken")
		require.JSONEq(t, `{"gathers":6}`, kept())
	})
}

// If it is unknown whether Telegraf runs a trial, no stop counts as clean.
//
//promise:trials
func TestStopOfAPossibleTrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		states := &stateFile{path: t.TempDir() + "/state", wake: make(chan struct{}, 1), states: make(map[string][]byte)}
		h, _ := startHost(t, false, states, &probe{Does: "count stop"})
		h.isService = false
		stopHost(t, h)
		require.Empty(t, states.states)
	})
}

// Rows of a service keep their time unless the table sets a precision.
//
//promise:shim
func TestRowsFromStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for precision, want := range map[time.Duration]string{0: "started n=1i 1499999999", time.Second: "started n=1i 1000000000"} {
			h, stub := prepareHost(t, false, nil, &probe{AtStart: "row"})
			h.instances[0].Config.Precision = precision
			require.NoError(t, h.start())
			require.Equal(t, []string{want}, stub.written())
			stopHost(t, h)
		}
	})
}

//promise:stop
func TestFinishedStopIsNotAborted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := startHost(t, false, nil)
		var exits atomic.Int64
		h.exit = func(int) { exits.Add(1) }
		stopHost(t, h)
		time.Sleep(time.Hour)
		require.Zero(t, exits.Load())
	})
}

// As in Telegraf, Stop comes after the last Gather, because it may clear what Gather uses.
//
//promise:stop
func TestStopWaitsForTheGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []string
		p := &probe{Does: "notify stop", gather: func(p *probe, _ telegraf.Accumulator) error {
			<-p.ctx.Done()
			time.Sleep(100 * time.Millisecond)
			events = append(events, "gathered")
			return nil
		}}
		p.notify = func(event string) { events = append(events, event) }
		h, _ := startHost(t, true, nil, p)
		synctest.Wait()
		stopHost(t, h)
		require.Equal(t, []string{"gathered", "stopped"}, events)
	})
}

//promise:stop
func TestNoGatherBeginsAfterTheStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &probe{Rows: 1}
		h, stub := prepareHost(t, true, nil, p)
		h.beginStop()
		require.NoError(t, h.start())
		stopHost(t, h)
		require.Zero(t, p.state.Gathers)
		require.Empty(t, stub.written())
	})
}

//promise:shim
func TestFailedStartStopsStartedInputs(t *testing.T) {
	var events []string
	good := &probe{Does: "notify stop", notify: func(event string) { events = append(events, event) }}
	h, _ := prepareHost(t, true, nil, good, &probe{AtStart: "no way"})
	defer h.cancel()
	require.ErrorContains(t, h.run(), "starting failed: no way")
	require.Equal(t, []string{"stopped"}, events)
}

//promise:tables
func TestPrecisionOfInterval(t *testing.T) {
	for interval, want := range map[time.Duration]time.Duration{
		time.Minute: time.Second, time.Second: time.Second, time.Second - 1: time.Millisecond, time.Millisecond: time.Millisecond,
		time.Millisecond - 1: time.Microsecond, time.Microsecond: time.Microsecond, time.Microsecond - 1: time.Nanosecond,
	} {
		require.Equal(t, want, precision(0, interval), interval)
	}
}

// An error that repeats at each gather of an outage is counted each time, but logged as an error only once.
//
//promise:repeated
func TestRepeatedErrors(t *testing.T) {
	out, _ := captureLog(t, true)
	synctest.Test(t, func(t *testing.T) {
		tags := map[string]string{"_id": "", "input": "probe", "alias": "0"}
		errs, gatherErrs := selfstat.Register("gather", "errors", tags), selfstat.Register("gather", "gather_errors", tags)
		before, gatherErrsBefore := errs.Get(), gatherErrs.Get()
		h, _ := startHost(t, true, nil, &probe{Does: "fail repeatedly"})
		time.Sleep(150 * time.Second)
		stopHost(t, h)
		require.EqualValues(t, 3, gatherErrs.Get()-gatherErrsBefore)
		require.EqualValues(t, 3, errs.Get()-before)
		require.Equal(t, 1, h.countFailed())
	})
	const line = "[inputs.probe::0] Error in plugin: gathering failed: no response\n"
	require.Equal(t, "E! "+line+"D! "+line+"D! "+line, regexp.MustCompile(`(?m)^D! .* initialising\n`).ReplaceAllString(out.String(), ""))
}

// Inputs are notified when their tracking metrics are written.
//
//promise:shim
func TestTrackedMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		delivered := make(chan bool, 2)
		p := &probe{gather: func(_ *probe, acc telegraf.Accumulator) error {
			tracking := acc.WithTracking(2)
			tracking.AddTrackingMetric(newMetric("tracked"))
			tracking.AddTrackingMetric(newMetric("")) // cannot be written, so it is dropped
			for range 2 {
				delivered <- (<-tracking.Delivered()).Delivered()
			}
			return nil
		}}
		h, stub := startHost(t, true, nil, p)
		synctest.Wait()
		require.True(t, <-delivered)
		require.True(t, <-delivered)
		require.Equal(t, []string{"tracked n=1i 0"}, stub.written())
		stopHost(t, h)
	})
}
