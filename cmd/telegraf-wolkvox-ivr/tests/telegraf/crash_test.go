//go:build integration

package telegraf

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

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// The plugin and Telegraf are killed at random moments while they read two years of history from an API that sometimes
// fails. In the end, every final hour is in the database with its true figures, also on a system that can't tell
// whether rows were read.
//
//promise:killed
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
	db := testbed.StartInfluxDB(t)
	w := testbed.StartWolkvox(t, testbed.Busy)
	w.SetLatency(0, 30*time.Millisecond)
	w.SetFaults(0.1, simulator.FaultServerError, simulator.FaultTruncated, simulator.FaultReset, simulator.FaultMaintenance)

	start := time.Now()
	conf := testbed.WithState + w.Table(testbed.Busy, `interval = "100ms"`, fmt.Sprintf(`backfill = "%dh"`, past/time.Hour))
	tg := testbed.NewTelegraf(t, testbed.Setup{
		Program:  program,
		Plugin:   conf,
		Telegraf: "flush_interval = \"200ms\"\n" + testbed.Agent,
		Execd:    "signal = \"none\"\nrestart_delay = \"50ms\"",
		Tables:   fmt.Sprintf("[[outputs.influxdb]]\nurls = [%q]\ndatabase = \"telegraf\"\n", db.URL()),
	})

	random := rand.New(rand.NewPCG(1, 2))
	tg.Start()
	gone := tg.Gone()
	killed := map[string]int{}
	for range kills {
		time.Sleep(time.Duration(random.Int64N(int64(400 * time.Millisecond)))) // time of the crash, not a wait for anything
		if children := testbed.ChildrenOf(t, tg.Cmd.Process.Pid); len(children) > 0 && random.IntN(2) == 0 {
			if syscall.Kill(children[0], syscall.SIGKILL) == nil {
				killed["plugin"]++
			}
			continue
		}
		tg.Kill()
		killed["Telegraf"]++
		testbed.AwaitClosed(t, "the plugin to end after Telegraf was killed", gone)
		tg.Start()
		gone = tg.Gone()
	}

	w.SetFaults(0)
	from, to := testbed.HourOf(t, testbed.Busy, start.Add(-past)).Add(time.Hour), testbed.HourOf(t, testbed.Busy, start.Add(-simulator.LongestCall))
	truth := w.TruthOf(t, testbed.Busy, from, to)
	var missing, wrong int
	defer func() { // also if it fails
		t.Logf("crashes: %d kills of the plugin, %d of Telegraf, %d hours, %d missing, %d wrong",
			killed["plugin"], killed["Telegraf"], len(truth), missing, wrong)
	}()
	tg.Await("all hours to be true", func() bool {
		if missing = len(truth) - db.Count(from, to); missing > 0 {
			return false
		}
		missing, wrong = compare(db.Metrics(from, to), truth)
		return missing+wrong == 0
	})
	require.GreaterOrEqual(t, killed["plugin"]+killed["Telegraf"], kills*5/6)
	require.NotContains(t, tg.Log(), "rejected-", "a state file was set aside")
	_, err := os.Stat(tg.Dir + "/wolkvox_ivr.state")
	require.NoError(t, err)
}

// compare returns how many of the true metrics are missing, and how many have wrong figures.
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

// A clean stop while Telegraf, busy with its disk buffer, has much of the history still to read.
//
//promise:killed
func TestStopDuringHistory(t *testing.T) {
	t.Parallel()
	const past = 2200 * time.Hour
	w, start := testbed.StartWolkvox(t, testbed.Near), time.Now()
	conf := testbed.WithState + w.Table(testbed.Near, `interval = "200ms"`, fmt.Sprintf(`backfill = "%dh"`, past/time.Hour))
	tg := testbed.NewRecipe(t, "influxdb.conf", conf, "INFLUX_URL=http://127.0.0.1:1")
	tg.AddFileOutput()
	from, to := testbed.FinalHours(t, testbed.Near, start, past)
	truth := w.TruthOf(t, testbed.Near, from, to)

	tg.Start()
	tg.AwaitLog("history: ")
	tg.Stop()
	tg.Start()
	tg.AwaitMetrics("all hours", func(metrics []telegraf.Metric) bool {
		missing, wrong := compare(testbed.Between(metrics, from, to), truth)
		return missing+wrong == 0
	})
	tg.Stop()
}

// Telegraf is killed with rows in memory while the plugin waits for a response. The state that the plugin then saves
// must not be that of a clean stop.
//
//promise:killed
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
	w, start := testbed.StartWolkvox(t, testbed.Near), time.Now()
	w.Script(testbed.Near.Token, "", "", simulator.FaultHang)
	tg := testbed.NewTelegraf(t, testbed.Setup{
		Program:  program,
		Plugin:   testbed.WithState + w.Table(testbed.Near, `interval = "1s"`, fmt.Sprintf(`backfill = "%dh"`, past/time.Hour)),
		Telegraf: "flush_interval = \"1h\"\nmetric_batch_size = 9000\n" + testbed.Agent,
	})
	from, to := testbed.FinalHours(t, testbed.Near, start, past)
	truth := w.TruthOf(t, testbed.Near, from, to)

	tg.Start()
	tg.Await("the request that hangs", func() bool { return len(w.Ledger()) == 3 })
	gone := tg.Gone()
	tg.Kill()
	testbed.AwaitClosed(t, "the plugin to end after Telegraf was killed", gone)
	require.Empty(t, tg.Metrics(), "nothing was flushed")

	tg.Write("telegraf.conf", strings.Replace(tg.Read("telegraf.conf"), `"1h"`, `"100ms"`, 1))
	tg.Start()
	tg.AwaitMetrics("all hours", func(metrics []telegraf.Metric) bool {
		missing, wrong := compare(testbed.Between(metrics, from, to), truth)
		return missing+wrong == 0
	})
	tg.Stop()
}
