package simulations

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/influxdata/telegraf/config"
	"github.com/influxdata/telegraf/plugins/inputs"
	"github.com/influxdata/telegraf/testutil"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
	"telegraf-wolkvox-ivr/plugins/common/simulator"
	"telegraf-wolkvox-ivr/plugins/inputs/wolkvox_ivr"
)

// simulated is a simulated operation with its own clock. It is the transport of a plugin that uses the same clock, and
// records the times of requests that span several days.
type simulated struct {
	*simulator.Simulator
	clock *testbed.Clock
	wide  []time.Time
}

// newSimulated returns an operation whose report has a preset form.
func newSimulated(t *testing.T, now time.Time, preset string) *simulated {
	t.Helper()
	presets := simulator.Presets()
	index := slices.IndexFunc(presets, func(p simulator.Preset) bool { return p.Name == preset })
	s := &simulated{clock: testbed.NewClock(now)}
	var err error
	s.Simulator, err = simulator.New(simulator.Options{Seed: 7, Now: s.clock.Now, Operations: []simulator.Operation{
		{Server: "0001", Token: soakToken, Form: presets[index].Form},
	}})
	require.NoError(t, err)
	return s
}

// RoundTrip implements http.RoundTripper.
func (s *simulated) RoundTrip(r *http.Request) (*http.Response, error) {
	if query := r.URL.Query(); query.Get("date_ini")[:8] != query.Get("date_end")[:8] {
		s.wide = append(s.wide, s.clock.Now())
	}
	response := httptest.NewRecorder()
	r.URL.Path = "/wv0001" + r.URL.Path
	s.ServeHTTP(response, r)
	response.Header().Set("Date", s.clock.Now().UTC().Format(http.TimeFormat))
	return response.Result(), nil
}

func (s *simulated) plugin(t *testing.T, backfill time.Duration) *wolkvox_ivr.WolkvoxIVR {
	t.Helper()
	plugin := inputs.Inputs["wolkvox_ivr"]().(*wolkvox_ivr.WolkvoxIVR)
	plugin.Server, plugin.Token, plugin.Backfill = "0001", config.NewSecret([]byte(soakToken)), config.Duration(backfill)
	plugin.Clock, plugin.Transport, plugin.Log = s.clock, s, testutil.Logger{Quiet: true}
	require.NoError(t, plugin.Init())
	return plugin
}

// simulateDays runs a plugin for some days, with a restart halfway. It requires all hours, also those of the backfill,
// to arrive with the right figures, and returns the errors to be logged.
func (s *simulated) simulateDays(t *testing.T, backfill time.Duration, days int) (errs []error) {
	t.Helper()
	first := s.clock.Now().Add(-max(backfill, 3*time.Hour)).Truncate(time.Hour)
	plugin := s.plugin(t, backfill)
	sent := make(map[time.Time]simulator.Figures)
	for n := range days * 24 * 12 {
		if n == days*12*12 {
			plugin.Stop()
			next := s.plugin(t, backfill)
			require.NoError(t, next.SetState(plugin.GetState()))
			plugin = next
		}
		var acc testutil.Accumulator
		if err := plugin.Gather(&acc); err != nil {
			if repeat, ok := err.(interface{ Repeated() bool }); !ok || !repeat.Repeated() {
				errs = append(errs, err)
			}
		}
		require.Empty(t, acc.Errors)
		for _, m := range acc.GetTelegrafMetrics() {
			fields := m.Fields()
			sent[m.Time().UTC()] = simulator.Figures{Calls: fields["calls"].(int64), Minutes: fields["minutes"].(float64)}
		}
		s.clock.Forward(5 * time.Minute)
	}
	for hour := first.UTC(); hour.Before(s.clock.Now().Add(-8 * time.Hour)); hour = hour.Add(time.Hour) {
		require.Equal(t, s.Truth(soakToken, hour), sent[hour], hour)
		delete(sent, hour)
	}
	require.LessOrEqual(t, len(sent), 8, "no hours before the first")
	return errs
}

//promise:forms
func TestFormsOfTheReport(t *testing.T) {
	t.Parallel()
	for _, preset := range []string{"date-hour", "data-row", "data-index", "data-index-1", "comma"} {
		t.Run(preset, func(t *testing.T) {
			t.Parallel()
			require.Empty(t, newSimulated(t, time.Date(2026, 11, 18, 15, 40, 0, 0, time.UTC), preset).simulateDays(t, 72*time.Hour, 2))
		})
	}
}

// A report whose hours have no date is requested by single days. The plugin learns this once, and retries windows of
// several days at increasing intervals, also after a restart.
//
//promise:postponed
//promise:forms
func TestHoursWithoutADate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		now      time.Time
		preset   string
		backfill time.Duration
		logged   int
	}{
		{"backfill", time.Date(2026, 11, 22, 19, 20, 0, 0, time.UTC), "hour", 120 * time.Hour, 0},
		{"numbers", time.Date(2026, 11, 22, 19, 20, 0, 0, time.UTC), "hour-number", 30 * time.Hour, 0},
		{"first start after midnight", time.Date(2026, 11, 22, 6, 20, 0, 0, time.UTC), "hour", 0, 1}, // the latest hours span two days
		{"no backfill", time.Date(2026, 11, 22, 19, 20, 0, 0, time.UTC), "hour", 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSimulated(t, c.now, c.preset)
			errs := s.simulateDays(t, c.backfill, 6)
			require.Len(t, errs, c.logged)
			for _, err := range errs {
				require.ErrorContains(t, err, "its rows have an hour without a date, which can be read only in windows of one day")
			}
			require.NotEmpty(t, s.wide)
			require.LessOrEqual(t, len(s.wide), 20)
			late := slices.DeleteFunc(s.wide, func(at time.Time) bool { return at.Before(s.clock.Now().Add(-72 * time.Hour)) })
			require.LessOrEqual(t, len(late), 2*3, "a try and its repetition a day")
		})
	}
}
