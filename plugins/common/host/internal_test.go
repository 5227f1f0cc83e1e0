package host

import (
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/models"
	"github.com/influxdata/telegraf/selfstat"
	"github.com/influxdata/telegraf/testutil"
)

//promise:statistics
func TestInternal(t *testing.T) {
	captureLog(t, false)
	name := fmt.Sprintf("internal_test_%d", time.Now().UnixNano()) // counters last until the process exits
	for _, alias := range []string{"one", "two"} {
		input := models.NewRunningInput(&probe{Server: "a", gather: func(_ *probe, acc telegraf.Accumulator) error {
			acc.AddError(errors.New("an error"))
			return errors.New("no response")
		}}, &models.InputConfig{Name: name, Alias: alias, ID: alias})
		i := &instance{RunningInput: input}
		require.NoError(t, i.configure(&agentDefaults))
		require.NoError(t, input.Init())
		gatherOnce(t, i)
		require.True(t, i.hasFailed.Load())
		// The same input without an alias, twice. Only the ID differs.
		models.NewRunningInput(&plain{}, &models.InputConfig{Name: name, ID: alias}).MetricsGathered.Incr(10)
	}
	selfstat.Register("of_its_own", "requests", map[string]string{"source": "x"}).Set(3)
	gather := func(i *internalInput) *testutil.Accumulator {
		var acc testutil.Accumulator
		require.NoError(t, i.Gather(&acc))
		return &acc
	}
	tags := func(more map[string]string) map[string]string {
		tags := map[string]string{"input": name, "version": telegrafVersion(), "process": "host.test"}
		maps.Copy(tags, more)
		return tags
	}

	acc := gather(&internalInput{})
	m, found := acc.Get("internal_gather")
	require.True(t, found)
	require.Len(t, m.Fields, 6)
	for _, field := range []string{"errors", "gather_errors", "gather_time_ns", "gather_timeouts", "metrics_gathered", "startup_errors"} {
		require.Contains(t, m.Fields, field)
	}
	require.True(t, acc.HasPoint("internal_gather", tags(map[string]string{"alias": "one"}), "errors", int64(2)))
	require.True(t, acc.HasPoint("internal_gather", tags(map[string]string{"alias": "two"}), "gather_errors", int64(1)))
	require.True(t, acc.HasPoint("internal_gather", tags(nil), "metrics_gathered", int64(20)), "instances do not add up")
	require.True(t, acc.HasPoint("internal_of_its_own",
		map[string]string{"source": "x", "version": telegrafVersion(), "process": "host.test"}, "requests", int64(3)))
	require.False(t, acc.HasMeasurement("internal_agent"), "Telegraf's own")
	require.False(t, acc.HasMeasurement("internal_memstats"))
	require.False(t, acc.HasMeasurement("internal_gostats"))
	for _, m := range acc.Metrics {
		require.NotEqual(t, "internal", m.Tags["input"], "Telegraf's own")
	}

	acc = gather(&internalInput{PerInstance: true, CollectMemstats: true, CollectGostats: true})
	require.True(t, acc.HasPoint("internal_gather", tags(map[string]string{"_id": "two"}), "metrics_gathered", int64(10)))
	require.True(t, acc.HasPoint("internal_gather", tags(map[string]string{"_id": "one", "alias": "one"}), "errors", int64(2)))
	m, found = acc.Get("internal_memstats")
	require.True(t, found)
	require.Len(t, m.Fields, 13)
	require.Equal(t, map[string]string{"process": "host.test"}, m.Tags)
	m, found = acc.Get("internal_gostats")
	require.True(t, found)
	require.Greater(t, len(m.Fields), 50)
	require.NotZero(t, m.Fields["sched_gomaxprocs_threads"])
}
