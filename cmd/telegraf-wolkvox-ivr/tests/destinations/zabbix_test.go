//go:build integration

package destinations

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/metric"
	"github.com/influxdata/telegraf/testutil"
	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

const (
	callsKey   = "telegraf.wolkvox_ivr.calls"
	minutesKey = "telegraf.wolkvox_ivr.minutes"
)

// TestZabbix follows the guide's steps. Hours are stored at their own times, once, although Zabbix is down meanwhile
// and all hours are sent again. A history that was cleared is filled again. Each trigger fires for the right hosts, and
// no others.
//
//promise:destinations
//promise:outages
//promise:append
func TestZabbix(t *testing.T) {
	t.Parallel()
	guide := testbed.ReadSource(t, "testdata/README.md")
	guideValue := func(expression string) string {
		match := regexp.MustCompile(expression).FindStringSubmatch(guide)
		require.NotNil(t, match, expression)
		return match[1]
	}
	problem := func(trigger string) string {
		require.Contains(t, guide, "\n| "+trigger+" |")
		return "wolkvox IVR: " + trigger
	}
	z := testbed.NewZabbix(t)
	z.Import("testdata/" + guideValue("Import\\*: `/usr/share/telegraf-wolkvox-ivr/(.*)`"))
	template := guideValue(`\*Templates\* ` + "`(.*?)`")
	near, far := z.AddHost(guideValue("host name, such as\\s`(.*?)`"), template, nil), z.AddHost("far", template, nil)
	trouble := z.AddHost("trouble", template, map[string]string{"{$WOLKVOX.SILENCE}": "10s"})
	stopped := z.AddHost("stopped", template, map[string]string{"{$WOLKVOX.STOPPED}": "10s"})
	without := z.AddHost("without", template, nil)
	zeros := z.AddHost("zeros", template, map[string]string{"{$WOLKVOX.SILENCE}": "1d"})
	quiet := z.AddHost("quiet", template, map[string]string{"{$WOLKVOX.SILENCE}": "1d"})
	other := simulator.Operation{Server: "0003", Token: "invented-token-3"}
	w, start := testbed.StartWolkvox(t, testbed.Near, testbed.Far, other), time.Now()
	truths := map[string][]telegraf.Metric{
		near: final(w.MonthOf(t, testbed.Near, "", start), w.Newest(t, testbed.Near, start)),
		far:  final(w.MonthOf(t, testbed.Far, "far", start), w.Newest(t, testbed.Far, start)),
	}
	tg := testbed.NewRecipe(t, "zabbix.conf", testbed.WithState+
		w.Table(testbed.Near, `hours = "final"`, `backfill = "744h"`, testbed.ShortInterval)+
		w.Table(testbed.Far, `hours = "final"`, `backfill = "744h"`, testbed.ShortInterval, `operation = "far"`)+
		w.Table(other, `hours = "final"`, testbed.ShortInterval, `operation = "trouble"`)+
		"[[inputs.internal]]\ninterval = \"1s\"\n", guideValue("echo '(.*)=zabbix.example.com:10051'")+"="+z.Address())
	gather := func() {
		read := strings.Count(tg.Log(), testbed.HistoryDone)
		tg.Start()
		tg.Await("the past to be read", func() bool { return strings.Count(tg.Log(), testbed.HistoryDone) == read+2 })
	}

	z.Start()
	hour := start.Truncate(time.Hour)
	for ago := 30; ago >= 5; ago-- {
		calls := map[string]string{"zeros": "0", "quiet": "0"}
		if ago == 30 {
			calls["zeros"] = "7"
		}
		if ago == 20 {
			calls["quiet"] = "1"
		}
		for host, calls := range calls {
			send(t, z, host, callsKey, calls, hour.Add(-time.Duration(ago)*time.Hour))
		}
	}
	gather()
	tg.Await("some hours", func() bool { return len(z.History(near, minutesKey)) > 0 })
	z.Stop()
	tg.AwaitLog("connection refused")
	z.Start()
	for host, truth := range truths {
		tg.Await("the month", func() bool { return len(z.History(host, minutesKey)) >= len(truth) })
	}
	for _, tt := range []struct {
		fault   simulator.Fault
		problem string
	}{
		{simulator.FaultBadToken, problem("wolkvox rejects the token")},
		{simulator.FaultQuota, problem("the daily quota of API requests is used up")}, // pauses all requests, so it comes last
	} {
		w.SetFaultsFor(other.Token, 1, tt.fault)
		tg.Await(tt.problem, func() bool { return slices.Contains(z.Problems(trouble), tt.problem) })
	}
	tg.Stop()

	// All hours are sent again, to a host that has them and to one whose history was cleared.
	for _, key := range []string{callsKey, minutesKey} {
		z.ClearHistory(far, key)
		require.Empty(t, z.History(far, key))
	}
	require.NoError(t, os.Remove(filepath.Join(tg.Dir, "wolkvox_ivr.state")))
	gather()
	tg.Await("the month again", func() bool { return len(z.History(far, minutesKey)) >= len(truths[far]) })
	tg.Await("silence", func() bool { return slices.Contains(z.Problems(trouble), problem("no hour with calls")+" for 10s") })
	silence := []string{problem("no hour with calls") + " for 1d"}
	tg.Await("a day of zeros", func() bool { return slices.Equal(z.Problems(zeros), silence) })
	send(t, z, "zeros", callsKey, "1", hour.Add(-4*time.Hour))
	tg.Await("its end", func() bool { return len(z.Problems(zeros)) == 0 })
	tg.Await("a stop", func() bool { return len(z.Problems(stopped)) > 0 })
	require.Equal(t, []string{problem("Telegraf or its plugin is not running")}, z.Problems(stopped))
	require.Empty(t, z.Problems(near))
	require.Empty(t, z.Problems(far))
	require.Empty(t, z.Problems(quiet))
	require.Empty(t, z.Problems(without), "a host that is new")
	tg.Stop()
	z.Stop()
	for host, truth := range truths {
		from, to := testbed.Span(truth)
		found := slices.DeleteFunc(hoursOf(t, z, host), func(m telegraf.Metric) bool { return m.Time().Before(from) || !m.Time().Before(to) })
		testutil.RequireMetricsEqual(t, untagged(truth), found, testutil.SortMetrics())
	}
	tg.RequireNoProblems("interval is shorter", "longer than expected", "Error writing to outputs.zabbix", "(trouble)")
}

// send sends a value as Zabbix's own sender does, and requires the server to accept it.
func send(t *testing.T, z *testbed.Zabbix, host, key, value string, at time.Time) {
	t.Helper()
	data := map[string]any{"host": host, "key": key, "value": value, "clock": at.Unix()}
	body, err := json.Marshal(map[string]any{"request": "sender data", "data": []any{data}})
	require.NoError(t, err)
	connection, err := net.Dial("tcp", z.Address())
	require.NoError(t, err)
	defer connection.Close()
	header := binary.LittleEndian.AppendUint64([]byte("ZBXD\x01"), uint64(len(body)))
	_, err = connection.Write(append(header, body...))
	require.NoError(t, err)
	response, err := io.ReadAll(connection)
	require.NoError(t, err)
	require.Contains(t, string(response), "processed: 1; failed: 0")
}

// untagged returns the metrics without tags, because in Zabbix the host identifies the operation.
func untagged(metrics []telegraf.Metric) (plain []telegraf.Metric) {
	for _, m := range metrics {
		plain = append(plain, metric.New(m.Name(), nil, m.Fields(), m.Time()))
	}
	return plain
}

// hoursOf returns the host's values as metrics: one for each time, or for each value if a time has several.
func hoursOf(t *testing.T, z *testbed.Zabbix, host string) (hours []telegraf.Metric) {
	t.Helper()
	calls, minutes := z.History(host, callsKey), z.History(host, minutesKey)
	require.Len(t, minutes, len(calls))
	for n := range calls {
		require.Equal(t, calls[n].Clock, minutes[n].Clock)
		clock, err := strconv.ParseInt(calls[n].Clock, 10, 64)
		require.NoError(t, err)
		hours = append(hours, metric.New("wolkvox_ivr", nil, map[string]any{
			"calls":   testbed.Number(t, calls[n].Value, true),
			"minutes": testbed.Number(t, minutes[n].Value, false),
		}, time.Unix(clock, 0)))
	}
	return hours
}
