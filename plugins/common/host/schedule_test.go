package host

import (
	"errors"
	"regexp"
	"strconv"
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

func TestSchedule(t *testing.T) {
	at := func(clock string) time.Time {
		now, err := time.Parse(time.DateTime, "2026-01-18 "+clock)
		require.NoError(t, err)
		return now
	}
	for _, tt := range []struct {
		name     string
		schedule schedule
		now      []string // the start, and then each tick
		want     []string // the next tick after each
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

// Jitter moves each tick, but adds up to nothing.
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

// shimStub takes rows as the shim does. It writes at once what it is given, unless told to hold it.
type shimStub struct {
	telegraf.Accumulator
	mu   sync.Mutex
	hold bool
	rows []telegraf.Metric
}

func (s *shimStub) AddMetric(m telegraf.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows = append(s.rows, m)
	if !s.hold {
		m.Accept()
	}
}

func (s *shimStub) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rows)
}

// startHost runs the probes in this process, within a synctest bubble.
func startHost(t *testing.T, polling bool, states *stateFile, probes ...*probe) (*host, *shimStub) {
	t.Helper()
	h, stub := prepareHost(t, polling, states, probes...), &shimStub{}
	require.NoError(t, h.Start(stub))
	return h, stub
}

func prepareHost(t *testing.T, polling bool, states *stateFile, probes ...*probe) *host {
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
	h := newHost(instances)
	h.states, h.polling, h.tell = states, polling, true
	h.exit = func(int) {}
	return h
}

func TestGathersAtOnceAndThenOnTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now() // on the minute, in a bubble
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
		h.Stop()
		time.Sleep(time.Hour)
		require.Empty(t, gathers)
	})
}

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
			require.NoError(t, h.Gather(nil))
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
		prompt() // during a gather, and it counts
		prompt() // as does this one, but not twice
		require.EqualValues(t, 2, gathers.Load())
		release <- struct{}{}
		synctest.Wait()
		require.EqualValues(t, 3, gathers.Load())
		release <- struct{}{}
		synctest.Wait()
		require.EqualValues(t, 3, gathers.Load())
		h.Stop()
	})
}

func TestSlowGathers(t *testing.T) {
	out, logs := logTo(t, true)
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
		timeouts, failures := h.instances[0].GatherTimeouts.Get(), h.instances[0].GatherErrors.Get() // of other runs in this process

		time.Sleep(155 * time.Second) // to 2:36, since 0:01
		synctest.Wait()
		require.EqualValues(t, 1, gathers.Load())
		require.Equal(t, 3, stub.count(), "the slow one held up the other")
		require.EqualValues(t, 2, h.instances[0].GatherTimeouts.Get()-timeouts)
		require.EqualValues(t, 1, h.instances[0].GatherErrors.Get()-failures)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.EqualValues(t, 2, gathers.Load())
		go h.Stop()
		time.Sleep(time.Hour)
	})
	require.NoError(t, logs.setLevel(false, false))
	require.Contains(t, out.String(), "W! [inputs.probe::0] Collection took longer than expected; not complete after interval of 1m0s\n")
	require.Contains(t, out.String(), "D! [inputs.probe::0] Previous collection has not completed; scheduled collection skipped\n")
	require.Contains(t, out.String(), "E! [inputs.probe::0] Error in plugin: too late\n")
}

func TestStateIsKeptOnceTheRowsAreWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		states := &stateFile{path: t.TempDir() + "/state", wake: make(chan struct{}, 1), states: make(map[string][]byte)}
		p := &probe{Rows: 2, state: probeState{Gathers: 5}}
		kept := func() string {
			synctest.Wait()
			states.mu.Lock()
			defer states.mu.Unlock()
			return string(states.states["probe 0"])
		}

		h, stub := startHost(t, false, states, p)
		stub.mu.Lock()
		stub.hold = true
		stub.mu.Unlock()
		require.NoError(t, h.Gather(nil))
		require.Empty(t, kept())
		require.Equal(t, 2, stub.count())
		stub.rows[0].Accept()
		require.Empty(t, kept(), "one row is not written yet")
		require.NoError(t, h.Gather(nil))
		require.Empty(t, kept(), "the next gather waits")
		require.Equal(t, 2, stub.count())
		stub.rows[1].Accept()
		require.JSONEq(t, `{"gathers":6}`, kept())

		require.Equal(t, 4, stub.count())
		stub.rows[2].Accept()
		stub.rows[3].Drop() // stdout broke
		require.JSONEq(t, `{"gathers":6}`, kept())
		require.True(t, h.broken.Load())
		stub.rows[3].Accept()
		h.Stop()
	})
}

// Where it can't be told whether Telegraf only tests, no stop is in order.
func TestStopThatMayBeATrials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		states := &stateFile{path: t.TempDir() + "/state", wake: make(chan struct{}, 1), states: make(map[string][]byte)}
		h, _ := startHost(t, false, states, &probe{Does: "count stop"})
		h.tell = false
		h.Stop()
		require.Empty(t, states.states)
	})
}

// A service's own rows keep their time, unless the table sets a precision.
func TestRowsOfAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, stub := startHost(t, false, nil, &probe{AtStart: "row"})
		synctest.Wait()
		require.Equal(t, time.Unix(1, 499_999_999), stub.rows[0].Time())
		h.Stop()
		synctest.Wait()

		require.NoError(t, h.instances[0].Init())
		states := h.states
		h = newHost(h.instances)
		h.states, h.polling = states, false
		h.instances[0].Config.Precision = time.Second
		require.NoError(t, h.Start(stub))
		synctest.Wait()
		require.Equal(t, time.Unix(1, 0), stub.rows[1].Time())
		h.Stop()
	})
}

func TestStopThatIsOverIsNotCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(nil)
		var exits atomic.Int64
		h.exit = func(int) { exits.Add(1) }
		h.end()
		h.ended.Store(true)
		time.Sleep(time.Hour)
		require.Zero(t, exits.Load())
	})
}

// As in Telegraf: an input may clear in Stop what its Gather uses.
func TestStopComesAfterTheGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []string
		p := &probe{Does: "say stop", gather: func(p *probe, _ telegraf.Accumulator) error {
			<-p.ctx.Done()
			time.Sleep(100 * time.Millisecond)
			events = append(events, "gathered")
			return nil
		}}
		p.say = func(event string) { events = append(events, event) }
		h, _ := startHost(t, true, nil, p)
		synctest.Wait()
		h.Stop()
		require.Equal(t, []string{"gathered", "stopped"}, events)
	})
}

func TestNoGatherBeginsAfterTheStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &probe{Rows: 1}
		h, stub := prepareHost(t, true, nil, p), &shimStub{}
		h.end()
		require.NoError(t, h.Start(stub))
		h.Stop()
		require.Zero(t, p.state.Gathers)
		require.Zero(t, stub.count())
	})
}

func TestStartThatFailsStopsWhatHasStarted(t *testing.T) {
	var events []string
	good := &probe{Does: "say stop", say: func(event string) { events = append(events, event) }}
	h := prepareHost(t, true, nil, good, &probe{AtStart: "no way"})
	defer h.cancel()
	require.ErrorContains(t, h.Start(&shimStub{}), "no way")
	require.Equal(t, []string{"stopped"}, events)
}

// What an input returns at each gather of an outage counts each time, and is an error in the log once.
func TestRepeatedErrors(t *testing.T) {
	out, _ := logTo(t, true)
	synctest.Test(t, func(t *testing.T) {
		tags := map[string]string{"_id": "", "input": "probe", "alias": "0"}
		errs, gatherErrs := selfstat.Register("gather", "errors", tags), selfstat.Register("gather", "gather_errors", tags)
		before, gatherErrsBefore := errs.Get(), gatherErrs.Get()
		h, _ := startHost(t, true, nil, &probe{Does: "fail again"})
		time.Sleep(150 * time.Second)
		h.Stop()
		require.EqualValues(t, 3, gatherErrs.Get()-gatherErrsBefore)
		require.EqualValues(t, 3, errs.Get()-before)
		require.Equal(t, 1, h.failed())
	})
	const line = "[inputs.probe::0] Error in plugin: gathering failed: no answer\n"
	require.Equal(t, "E! "+line+"D! "+line+"D! "+line, regexp.MustCompile(`(?m)^D! .* initialising\n`).ReplaceAllString(out.String(), ""))
}

// Inputs with tracking metrics learn that theirs are written.
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
		require.Equal(t, 1, stub.count())
		require.Equal(t, "tracked n=1i 0", lineProtocol(t, stub.rows[0]))
		h.Stop()
	})
}
