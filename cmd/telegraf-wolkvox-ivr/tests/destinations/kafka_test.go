//go:build integration

package destinations

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/metric"
	"github.com/influxdata/telegraf/testutil"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// kafka is a cluster of three brokers that speak Kafka's protocol, with a topic of six partitions.
type kafka struct {
	*kfake.Cluster
	t *testing.T
}

const topic = "wolkvox_ivr"

func startKafka(t *testing.T) *kafka {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(6, topic))
	require.NoError(t, err)
	t.Cleanup(cluster.Close)
	return &kafka{Cluster: cluster, t: t}
}

// size returns how many records the topic has.
func (k *kafka) size() int {
	size := 0
	for _, partition := range k.PartitionInfos(topic) {
		size += int(partition.HighWatermark)
	}
	return size
}

// read returns all of the topic's records, in the order of their offsets within each partition.
func (k *kafka) read() []*kgo.Record {
	k.t.Helper()
	consumer, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.ConsumeTopics(topic))
	require.NoError(k.t, err)
	defer consumer.Close()
	ctx, cancel := context.WithTimeout(k.t.Context(), testbed.Timeout)
	defer cancel()
	var records []*kgo.Record
	for size := k.size(); len(records) < size; {
		fetches := consumer.PollFetches(ctx)
		require.NoError(k.t, fetches.Err())
		records = append(records, fetches.Records()...)
	}
	return records
}

// decode parses a message in the format given to the recipe.
func decode(t *testing.T, format string, record *kgo.Record) telegraf.Metric {
	t.Helper()
	if format == "influx" {
		metrics := testbed.Parse(t, string(record.Value))
		require.Len(t, metrics, 1)
		return metrics[0]
	}
	var message struct {
		Name      string
		Tags      map[string]string
		Fields    struct{ Calls, Minutes json.Number }
		Timestamp int64
	}
	require.NoError(t, json.Unmarshal(record.Value, &message), "%s", record.Value)
	return metric.New(message.Name, message.Tags, map[string]any{
		"calls":   testbed.Number(t, message.Fields.Calls, true),
		"minutes": testbed.Number(t, message.Fields.Minutes, false),
	}, time.Unix(message.Timestamp, 0))
}

//promise:destinations
//promise:outages
//promise:append
func TestKafka(t *testing.T) {
	t.Parallel()
	for name, format := range map[string]string{"line protocol": "influx", "JSON": "json"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			operations := testbed.Operations(5, simulator.Operation{PeakCalls: 1000, Timezone: testbed.Afternoon()})
			w, start, k := testbed.StartWolkvox(t, operations...), time.Now(), startKafka(t)
			early := start.Add(-3 * time.Hour)
			behind := func(lag time.Duration) { // so that figures grow at the right moment
				w.SetClock(func() time.Time { return time.Now().Add(-lag) })
			}
			var tables []string
			var truth []telegraf.Metric
			for _, o := range operations {
				tables = append(tables, w.Table(o, `backfill = "168h"`, `lookback = "6h"`, `interval = "1s"`))
				from, to := testbed.FinalHours(t, o, start, 168*time.Hour)
				truth = append(truth, w.TruthOf(t, o, from, to)...)
			}
			tg := testbed.NewRecipe(t, "kafka.conf", testbed.WithState+strings.Join(tables, ""), "KAFKA_BROKER="+k.ListenAddrs()[0], "KAFKA_FORMAT="+format)

			tg.Add("changes.conf", testbed.ReadRecipe(t, "changes.conf"))

			// The brokers report an error although they have written the messages. A producer that sends them again as
			// new messages would duplicate them.
			duplicated := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicasAfterAppend, Count: 2})
			behind(3 * time.Hour)
			tg.Start()
			tg.Await("the history", func() bool { return k.size() >= len(testbed.Between(truth, truth[0].Time(), early.Add(-time.Hour))) })
			require.Equal(t, 2, duplicated.Hits())
			k.ShufflePartitionLeaders()
			size := k.size()
			behind(2 * time.Hour)
			tg.Await("an hour more, after other brokers have taken over", func() bool { return k.size() >= size+len(operations) })
			tg.Stop()
			behind(0)
			size = k.size()
			tg.Start()
			tg.Await("two hours more, after a restart", func() bool { return k.size() >= size+2*len(operations) })
			tg.Stop()

			partitions := make(map[string]int32)
			used := make(map[int32]bool)
			hours := make(map[string][]telegraf.Metric) // by series and time
			for _, record := range k.read() {
				m := decode(t, format, record)
				source, _ := m.GetTag("source")
				require.Equal(t, source, string(record.Key))
				if _, known := partitions[source]; !known {
					partitions[source] = record.Partition
				}
				require.Equal(t, partitions[source], record.Partition, "%s is in two partitions", source)
				used[record.Partition] = true
				require.WithinRange(t, record.Timestamp, start.Truncate(time.Millisecond), time.Now(), "the topic's retention counts from another time")
				hour := fmt.Sprintf("%s %s", source, m.Time())
				hours[hour] = append(hours[hour], m)
			}
			require.Len(t, partitions, len(operations))
			require.Greater(t, len(used), 1, "all operations are in one partition")

			var last []telegraf.Metric
			for hour, metrics := range hours {
				for i, m := range metrics[1:] {
					require.NotEqual(t, metrics[i].Fields(), m.Fields(), "%s was sent again without a change", hour)
					require.GreaterOrEqual(t, m.Fields()["calls"], metrics[i].Fields()["calls"], "%s is not in order", hour)
				}
				last = append(last, metrics[len(metrics)-1])
			}
			from, to := testbed.FinalHours(t, operations[0], start, 168*time.Hour)
			testutil.RequireMetricsEqual(t, truth, testbed.Between(last, from, to), testutil.SortMetrics())
			tg.RequireNoProblems("interval is shorter", "longer than expected", "clock is")
		})
	}
}

// hoursThrough gathers a month of an operation's hours, reads the open ones several more times before and after a
// restart, and sends all rows through the processor. In its time zone it is 5 a.m. and nights are quiet, so the same
// hour of two days often has the same figures: zeros. It returns the hours without calls, which the report lists, and
// how often each final hour came out of the processor.
func hoursThrough(t *testing.T, processor string) (hours []time.Time, times map[int64]int) {
	t.Helper()
	quiet := simulator.Operation{
		Server: "0001", Token: "invented-token-1", PeakCalls: 10, Timezone: testbed.ZoneAt(5), Form: simulator.Form{EmptyHours: "zeros"},
	}
	w, start := testbed.StartWolkvox(t, quiet), time.Now()
	tg := testbed.NewTelegraf(t, testbed.Setup{
		Plugin:   testbed.WithState + w.Table(quiet, `backfill = "744h"`, testbed.ShortInterval),
		Telegraf: testbed.FastFlush + "statefile = \"telegraf.state\"",
		Tables:   processor,
	})
	gather := func(times int) {
		gathers := len(w.Ledger())
		tg.Await("some more gathers", func() bool { return len(w.Ledger()) > gathers+times })
	}
	tg.Start()
	tg.AwaitLog(testbed.HistoryDone)
	gather(4) // every other one requests a single day
	tg.Stop()
	tg.Start()
	gather(2)
	tg.Stop()

	// Hours before the first calls may be older than the operation, and are not sent.
	isSilent := make(map[int64]bool)
	from, to := testbed.FinalHours(t, quiet, start, testbed.Month)
	for hour := w.TruthOf(t, quiet, from, to)[0].Time(); hour.Before(to); hour = hour.Add(time.Hour) {
		if w.Truth(quiet.Token, hour).Calls == 0 {
			hours = append(hours, hour)
			isSilent[hour.Unix()] = true
		}
	}
	times = make(map[int64]int)
	for _, m := range tg.Metrics() {
		if isSilent[m.Time().Unix()] {
			require.Equal(t, map[string]any{"calls": int64(0), "minutes": 0.0}, m.Fields())
		}
		if m.Time().Before(to) {
			times[m.Time().Unix()]++
		}
	}
	return hours, times
}

//promise:append
func TestChangesOnly(t *testing.T) {
	t.Parallel()
	hours, times := hoursThrough(t, testbed.ReadRecipe(t, "changes.conf"))
	for _, hour := range hours {
		require.Equal(t, 1, times[hour.Unix()], hour)
	}
	for at, n := range times {
		require.Equal(t, 1, n, time.Unix(at, 0))
	}
}

// This test shows why no recipe has processors.dedup. It compares an hour with the last one that it saw at the same
// hour of the day, on any day, if that hour began less than dedup_interval ago.
//
//promise:append
func TestDedupIsUnsuitable(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		interval       string
		loses, repeats bool
	}{
		"shorter than hours take to become final": {interval: "4h", loses: true, repeats: true},
		"longer than hours take to become final":  {interval: "96h", loses: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hours, times := hoursThrough(t, "[[processors.dedup]]\ndedup_interval = "+fmt.Sprintf("%q", tt.interval))
			var lost, repeated []string
			for _, hour := range hours {
				switch n := times[hour.Unix()]; {
				case n == 0:
					lost = append(lost, hour.String())
				case n > 1:
					repeated = append(repeated, hour.String())
				}
			}
			require.Equal(t, tt.loses, len(lost) > 0, "lost:\n%s", strings.Join(lost, "\n"))
			require.Equal(t, tt.repeats, len(repeated) > 0, "sent again:\n%s", strings.Join(repeated, "\n"))
		})
	}
}
