//go:build integration

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// The plugin and Telegraf are killed at random moments while they bring in two years of history from an API that fails
// now and then. In the end every settled hour is in the database, as it truly is. So it is where the system does not
// tell what becomes of rows that were written.
func TestCrashes(t *testing.T) {
	t.Parallel()
	for program, kills := range map[string]int{"telegraf-wolkvox-ivr": 60, "telegraf-wolkvox-ivr-portable": 30} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			crash(t, program, kills)
		})
	}
}

func crash(t *testing.T, program string, kills int) {
	const past = 2 * 365 * 24 * time.Hour
	db := startInfluxDB(t)
	w := startWolkvox(t, operation)
	w.SetLatency(0, 30*time.Millisecond)
	w.SetFaults(0.1, simulator.FaultServerError, simulator.FaultTruncated, simulator.FaultReset, simulator.FaultMaintenance)

	start := time.Now()
	conf := remembering + w.table(operation, `interval = "100ms"`, fmt.Sprintf(`backfill = "%dh"`, past/time.Hour))
	tg := newTelegraf(t, setup{
		program: program,
		plugin:  conf,
		agent:   "flush_interval = \"200ms\"\nomit_hostname = true\nskip_processors_after_aggregators = true",
		execd:   "signal = \"none\"\nrestart_delay = \"50ms\"",
		tables:  fmt.Sprintf("[[outputs.influxdb]]\nurls = [%q]\ndatabase = \"telegraf\"\n", db.url()),
	})
	t.Cleanup(func() { tg.kill() })

	random := rand.New(rand.NewPCG(1, 2))
	tg.start()
	gone := tg.gone()
	killed := map[string]int{}
	for range kills {
		time.Sleep(time.Duration(random.Int64N(int64(400 * time.Millisecond)))) // a moment of a crash, nothing that is waited for
		if children := childrenOf(t, tg.cmd.Process.Pid); len(children) > 0 && random.IntN(2) == 0 {
			if syscall.Kill(children[0], syscall.SIGKILL) == nil {
				killed["plugin"]++
			}
			continue
		}
		tg.kill()
		killed["Telegraf"]++
		awaitClosed(t, "the plugin to end after Telegraf was killed", gone)
		tg.start()
		gone = tg.gone()
	}

	w.SetFaults(0)
	from, to := hourOf(t, operation, start.Add(-past)).Add(time.Hour), hourOf(t, operation, start.Add(-simulator.LongestCall))
	truth := w.truth(t, operation, from, to)
	var missing, wrong int
	tg.await("all hours to be true", func() bool {
		missing, wrong = compare(db.metrics(from, to), truth)
		return missing+wrong == 0
	})
	summary := fmt.Sprintf("crashes: %d kills of the plugin, %d of Telegraf, %d hours, %d missing, %d wrong",
		killed["plugin"], killed["Telegraf"], len(truth), missing, wrong)
	t.Log(summary)
	require.GreaterOrEqual(t, killed["plugin"]+killed["Telegraf"], kills*5/6)
	require.NotContains(t, tg.log(), "rejected-", "a state file was set aside")
	_, err := os.Stat(tg.dir + "/wolkvox_ivr.state")
	require.NoError(t, err)
}

// compare returns how many of the true metrics are missing, and how many have other figures.
func compare(metrics, truth []telegraf.Metric) (missing, wrong int) {
	figures := make(map[string]string, len(metrics))
	key := func(m telegraf.Metric) string { return fmt.Sprint(m.Time().UnixNano(), m.Tags()) }
	value := func(m telegraf.Metric) string { return fmt.Sprint(m.Fields()) }
	for _, m := range metrics {
		figures[key(m)] = value(m)
	}
	for _, m := range truth {
		switch got, found := figures[key(m)]; {
		case !found:
			missing++
		case !strings.EqualFold(got, value(m)):
			wrong++
		}
	}
	return missing, wrong
}

// A stop in order while Telegraf, busy with its disk buffer, has much of the history still to take.
func TestStopDuringHistory(t *testing.T) {
	t.Parallel()
	const past = 2200 * time.Hour
	w, start := startWolkvox(t, near), time.Now()
	conf := remembering + w.table(near, `interval = "200ms"`, fmt.Sprintf(`backfill = "%dh"`, past/time.Hour))
	tg := newRecipe(t, "influxdb.conf", conf, "INFLUX_URL=http://127.0.0.1:1")
	tg.add("file.conf", "[[outputs.file]]\nfiles = [\"metrics.out\"]\ndata_format = \"influx\"\n")
	from, to := settled(t, near, start, past)
	truth := w.truth(t, near, from, to)

	tg.start()
	tg.awaitLog("history: ")
	tg.stop()
	tg.start()
	tg.awaitMetrics("all hours", func(metrics []telegraf.Metric) bool {
		missing, wrong := compare(between(metrics, from, to), truth)
		return missing+wrong == 0
	})
	tg.stop()
}

// Telegraf is killed with rows in its memory, while the plugin waits for an answer: what the plugin saves at its end is
// not that of an orderly one.
func TestKilledDuringRequest(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"telegraf-wolkvox-ivr", "telegraf-wolkvox-ivr-portable"} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			killDuringRequest(t, program)
		})
	}
}

func killDuringRequest(t *testing.T, program string) {
	const past = 1400 * time.Hour
	w, start := startWolkvox(t, near), time.Now()
	w.Script(near.Token, "", "", simulator.FaultHang)
	tg := newTelegraf(t, setup{
		program: program,
		plugin:  remembering + w.table(near, `interval = "1s"`, fmt.Sprintf(`backfill = "%dh"`, past/time.Hour)),
		agent:   "flush_interval = \"1h\"\nmetric_batch_size = 9000\nomit_hostname = true\nskip_processors_after_aggregators = true",
	})
	from, to := settled(t, near, start, past)
	truth := w.truth(t, near, from, to)

	tg.start()
	tg.await("the request that hangs", func() bool { return len(w.Ledger()) == 3 })
	gone := tg.gone()
	tg.kill()
	awaitClosed(t, "the plugin to end after Telegraf was killed", gone)
	require.Empty(t, tg.metrics(), "nothing was flushed")

	tg.write("telegraf.conf", strings.Replace(tg.read("telegraf.conf"), `"1h"`, `"100ms"`, 1))
	tg.start()
	tg.awaitMetrics("all hours", func(metrics []telegraf.Metric) bool {
		missing, wrong := compare(between(metrics, from, to), truth)
		return missing+wrong == 0
	})
	tg.stop()
}
