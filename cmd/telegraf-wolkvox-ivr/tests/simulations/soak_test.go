package simulations

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"net/http/httptest"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/config"
	"github.com/influxdata/telegraf/plugins/inputs"
	"github.com/influxdata/telegraf/testutil"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
	"telegraf-wolkvox-ivr/plugins/common/simulator"
	"telegraf-wolkvox-ivr/plugins/inputs/wolkvox_ivr"
)

const (
	soakToken    = "invented-token-1"
	soakLookback = 3 * time.Hour
	soakBackfill = 40 * 24 * time.Hour
)

// soak simulates weeks of a plugin whose API fails, whose process crashes, and whose output lags behind.
type soak struct {
	t        *testing.T
	rng      *rand.Rand
	location *time.Location
	clock    *testbed.Clock
	sim      *simulator.Simulator
	url      string
	empty    string // option empty_hours

	plugin *wolkvox_ivr.WolkvoxIVR
	saved  []byte

	pipe     []telegraf.Metric // sent, but not yet in the database
	stuck    time.Time         // since when the output is stuck; zero if it works
	database map[soakKey]simulator.Figures

	gathers, requests, crashes, stops int
}

type soakKey struct {
	series uint64
	time   int64
}

func (s *soak) chance(oneIn int) bool { return s.rng.IntN(oneIn) == 0 }

func (s *soak) upTo(limit time.Duration) time.Duration {
	return time.Duration(s.rng.Int64N(int64(limit)))
}

// start starts a plugin, which resumes from the saved state.
func (s *soak) start() {
	s.t.Helper()
	plugin, ok := inputs.Inputs["wolkvox_ivr"]().(*wolkvox_ivr.WolkvoxIVR)
	require.True(s.t, ok)
	plugin.Server = "0001"
	plugin.Token = config.NewSecret([]byte(soakToken))
	plugin.URL = s.url
	plugin.Timezone = s.location.String()
	plugin.Lookback = config.Duration(soakLookback)
	plugin.Backfill = config.Duration(soakBackfill)
	plugin.EmptyHours = wolkvox_ivr.EmptyHours(s.empty)
	plugin.Interval = config.Duration(5 * time.Minute)
	plugin.Clock = s.clock
	plugin.Log = testutil.Logger{Quiet: true}
	require.NoError(s.t, plugin.Init())
	if s.saved != nil {
		state := reflect.New(reflect.TypeOf(plugin.GetState()))
		require.NoError(s.t, json.Unmarshal(s.saved, state.Interface()))
		require.NoError(s.t, plugin.SetState(state.Elem().Interface()))
	}
	require.NoError(s.t, plugin.Start(nil))
	s.plugin = plugin
}

func (s *soak) save() {
	s.t.Helper()
	var err error
	s.saved, err = json.Marshal(s.plugin.GetState())
	require.NoError(s.t, err)
}

// gather gathers once, and moves the clock forward by five minutes.
func (s *soak) gather() {
	s.t.Helper()
	var acc testutil.Accumulator
	_ = s.plugin.Gather(&acc) // failures are expected
	require.Empty(s.t, acc.Errors)
	s.pipe = append(s.pipe, acc.GetTelegrafMetrics()...)
	s.gathers++
	s.clock.Forward(5 * time.Minute)
}

// flush writes all sent rows to the database.
func (s *soak) flush() {
	s.t.Helper()
	for _, m := range s.pipe {
		calls, ok := m.Fields()["calls"].(int64)
		require.True(s.t, ok)
		minutes, ok := m.Fields()["minutes"].(float64)
		require.True(s.t, ok)
		s.database[soakKey{m.HashID(), m.Time().Unix()}] = simulator.Figures{Calls: calls, Minutes: minutes}
	}
	s.pipe = nil
}

// output makes the output work, or get stuck for no longer than the lookback.
func (s *soak) output() {
	s.t.Helper()
	switch {
	case s.stuck.IsZero() && s.chance(60):
		s.stuck = s.clock.Now()
	case s.stuck.IsZero():
		s.flush()
	case s.clock.Now().Sub(s.stuck) > soakLookback-10*time.Minute || s.chance(30):
		s.stuck = time.Time{}
		s.flush()
	}
}

// end ends the plugin's process, with a clean stop or a crash.
func (s *soak) end(clean bool) {
	s.t.Helper()
	s.plugin.Stop()
	if clean {
		s.save()
		s.flush()
		s.stops++
	} else {
		s.pipe = s.pipe[:s.rng.IntN(len(s.pipe)+1)] // rows that were flushed before the crash
		s.flush()
		s.crashes++
	}
	s.stuck = time.Time{}
	if s.chance(3) {
		s.clock.Forward(s.upTo(30 * time.Hour))
	}
}

// truth returns what the database must contain of the hours in [from, to), by the hour's start. Hours that must be left
// out are missing.
func (s *soak) truth(from, to time.Time, repeated string) map[int64]simulator.Figures {
	truth := make(map[int64]simulator.Figures)
	var start, last time.Time
	hasHistory := false
	for t := from; t.Before(to); t = t.Add(30 * time.Minute) { // no zone here changes its clocks by less
		local := t.In(s.location)
		_, offset := local.Zone()
		_, before := last.Zone()
		sameLabel := local.Format("2006010215") == last.Format("2006010215")
		if !last.IsZero() && sameLabel && offset == before {
			continue
		}
		last = local
		figures := s.sim.Truth(soakToken, local)
		if sameLabel && repeated == "once" {
			figures.Calls += truth[start.Unix()].Calls
			figures.Minutes += truth[start.Unix()].Minutes
		} else {
			start = local
		}
		hasHistory = hasHistory || figures.Calls > 0
		if figures.Calls > 0 || hasHistory && s.empty == "zero" || repeated == "twice" {
			truth[start.Unix()] = figures
		}
	}
	return truth
}

// run simulates gathers until the given time, with outages, crashes and clean stops at random.
func (s *soak) run(until time.Time, rate float64, faults []simulator.Fault) {
	s.t.Helper()
	s.sim.SetFaults(rate, faults...)
	s.start()
	s.gather()
	s.save()
	var outage time.Time // end of the API's outage
	for s.clock.Now().Before(until) {
		switch {
		case !outage.IsZero() && s.clock.Now().After(outage):
			outage = time.Time{}
			s.sim.SetFaults(rate, faults...)
		case outage.IsZero() && s.chance(600):
			outage = s.clock.Now().Add(s.upTo(40 * time.Hour))
			s.sim.SetFaults(1, faults...)
		}
		if s.chance(1000) {
			s.sim.Script(soakToken, simulator.FaultQuota)
		}
		s.gather()
		s.output()
		crash := s.chance(100)
		if !crash || s.chance(2) { // the crash may come before the state is saved
			s.save()
		}
		if crash || s.chance(300) {
			s.end(!crash)
			s.start()
		}
	}
}

// finish gathers without failures until everything is read.
func (s *soak) finish() {
	s.t.Helper()
	s.sim.SetFaults(0)
	s.clock.Forward(24 * time.Hour) // the quota is renewed
	for range 2 * 288 {             // postponed hours are retried once a day
		s.gather()
	}
	s.flush()
	s.plugin.Stop()
	s.requests = len(s.sim.Ledger())
}

// compare counts the final hours since from, and those of them that are missing or wrong in the database.
func (s *soak) compare(from time.Time, repeated string) (hours, missing, wrong int) {
	s.t.Helper()
	actual := make(map[int64]simulator.Figures, len(s.database))
	for key, figures := range s.database {
		require.NotContains(s.t, actual, key.time, "an hour in two series")
		actual[key.time] = figures
	}
	final := s.clock.Now().Add(-time.Hour - simulator.LongestCall)
	truth := s.truth(from, final, repeated)
	for start, figures := range truth {
		got, found := actual[start]
		switch {
		case !found:
			missing++
			s.t.Errorf("hour %s is missing", time.Unix(start, 0).In(s.location))
		case got.Calls != figures.Calls || math.Abs(got.Minutes-figures.Minutes) > 1e-6:
			wrong++
			s.t.Errorf("hour %s is %v, in truth %v", time.Unix(start, 0).In(s.location), got, figures)
		}
	}
	for start, got := range actual {
		isZero := s.empty == "zero" && got.Calls == 0 && s.sim.Truth(soakToken, time.Unix(start, 0).In(s.location)).Calls == 0
		if _, found := truth[start]; !found && !isZero && start < final.Unix() {
			wrong++
			s.t.Errorf("hour %s is %v, where there is none", time.Unix(start, 0).In(s.location), got)
		}
	}
	return len(truth), missing, wrong
}

// TestSoak simulates weeks in which up to 40% of requests fail, the API has outages of hours, the process crashes and
// loses rows, and clocks change. In the end, the database has the true figures of each hour.
//
//promise:right
//promise:dst
//promise:killed
func TestSoak(t *testing.T) {
	tests := []struct {
		zone, middle, empty, repeated string
		rate                          float64 // of requests that fail
	}{
		{"America/Bogota", "2026-06-01T12:00:00Z", "omit", "once", 0.3},
		{"Europe/Madrid", "2026-10-25T12:00:00Z", "zero", "twice", 0.2},
		{"Europe/Madrid", "2026-03-29T12:00:00Z", "omit", "once", 0.4},
		{"America/Santiago", "2026-04-05T12:00:00Z", "zero", "once", 0.4},
		{"America/Santiago", "2026-09-06T12:00:00Z", "zero", "twice", 0.3},
		{"Asia/Kolkata", "2026-06-01T12:00:00Z", "zero", "once", 0.4},
		{"Australia/Lord_Howe", "2026-04-04T12:00:00Z", "zero", "once", 0.3},
	}
	length := 14 * 24 * time.Hour
	if testing.Short() {
		length /= 4
		tests = tests[:2]
	}
	// Left out are faults that take real time, the quota, which is used rarely instead, and FaultNoRecords, which can't
	// be distinguished from the truth.
	faults := slices.DeleteFunc(simulator.Faults(), func(f simulator.Fault) bool {
		return slices.Contains([]simulator.Fault{simulator.FaultHang, simulator.FaultSlow, simulator.FaultQuota, simulator.FaultNoRecords}, f)
	})
	config.DisableSecretProtection() // protection takes longer than everything else
	t.Cleanup(config.EnableSecretProtection)

	var gathers, requests, crashes, stops, hours, missing, wrong int
	for i, tt := range tests {
		t.Run(tt.zone, func(t *testing.T) {
			location, err := time.LoadLocation(tt.zone)
			require.NoError(t, err)
			middle, err := time.Parse(time.RFC3339, tt.middle)
			require.NoError(t, err)
			operation := simulator.Operation{Server: "0001", Token: soakToken, Timezone: tt.zone, RepeatedHour: tt.repeated, Licences: 10}
			if tt.repeated == "twice" {
				operation.Form.EmptyHours = "zeros" // otherwise an hour would be listed once if its repetition has no calls
			}

			clock := testbed.NewClock(middle.Add(-length / 2))
			sim, err := simulator.New(simulator.Options{Seed: uint64(i), Now: clock.Now, Operations: []simulator.Operation{operation}})
			require.NoError(t, err)
			server := httptest.NewServer(sim)
			defer server.Close()
			s := &soak{
				t: t, rng: rand.New(rand.NewPCG(uint64(i), 0)), location: location, clock: clock, sim: sim,
				url: server.URL + "/wv{server}", empty: tt.empty, database: make(map[soakKey]simulator.Figures),
			}
			first := clock.Now().Add(-soakBackfill).In(location)
			first = first.Add(-time.Duration(first.Minute()) * time.Minute)
			s.run(clock.Now().Add(length), tt.rate, faults)
			s.finish()
			h, m, w := s.compare(first, tt.repeated)

			gathers, requests, crashes, stops = gathers+s.gathers, requests+s.requests, crashes+s.crashes, stops+s.stops
			hours, missing, wrong = hours+h, missing+m, wrong+w
		})
	}
	t.Logf("%d gathers, %d requests, %d crashes, %d stops, %d hours, %d missing, %d wrong", gathers, requests, crashes, stops, hours, missing, wrong)
}
