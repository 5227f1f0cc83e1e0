//go:build integration && linux

package fleet

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

const mebibyte = 1 << 20

// bare is the plugin at work without a Telegraf.
type bare struct {
	cmd     *exec.Cmd
	started time.Time
	ended   chan struct{} // closed when stdout is

	mu          sync.Mutex
	first, last time.Time       // of the lines on stdout
	sources     map[string]bool // in them
	gostats     string          // the last line of inputs.internal's collect_gostats
}

var sourceTag = regexp.MustCompile(`,source=([^ ,]+)`)

func startBare(t *testing.T, conf string) *bare {
	t.Helper()
	b := &bare{
		cmd:     exec.Command(testbed.Built(t, "telegraf-wolkvox-ivr"), "--config", testbed.WriteConfig(t, conf)),
		ended:   make(chan struct{}),
		sources: make(map[string]bool),
	}
	stdin, err := b.cmd.StdinPipe() // its end would end the plugin
	require.NoError(t, err)
	stdout, err := b.cmd.StdoutPipe()
	require.NoError(t, err)
	b.started = time.Now()
	require.NoError(t, b.cmd.Start())
	go func() {
		defer close(b.ended)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			b.mu.Lock()
			b.last = time.Now()
			if b.first.IsZero() {
				b.first = b.last
			}
			if source := sourceTag.FindSubmatch(lines.Bytes()); source != nil {
				b.sources[string(source[1])] = true
			} else if bytes.HasPrefix(lines.Bytes(), []byte("internal_gostats,")) {
				b.gostats = lines.Text()
			}
			b.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = stdin.Close()
		<-b.ended
		_ = b.cmd.Wait() // it may have been killed
	})
	return b
}

// output returns when the first and the last line came so far, and from how many sources there were any.
func (b *bare) output() (first, last time.Time, sources int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.first, b.last, len(b.sources)
}

// kill ends it at once.
func (b *bare) kill() {
	_ = b.cmd.Process.Kill() // fails when it has ended already
	<-b.ended
}

// memory returns a value of /proc/PID/status in bytes: VmRSS, the resident memory, or VmHWM, the most that it ever was.
func memory(t *testing.T, pid int, name string) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(status), "\n"+name+":")
	require.True(t, found, "no %s in %s", name, status)
	kibibytes, err := strconv.Atoi(strings.Fields(rest)[0])
	require.NoError(t, err)
	return kibibytes << 10
}

// descriptors returns how many files and connections a process has open.
func descriptors(t *testing.T, pid any) int {
	t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%v/fd", pid))
	require.NoError(t, err)
	return len(open)
}

// TestThousandOperations in one process, all gathering at once: a round takes less than 3 seconds where each answer takes 0.2.
//
//promise:footprint
func TestThousandOperations(t *testing.T) {
	operations := testbed.Operations(1000, simulator.Operation{Licences: 1000})
	w := testbed.StartWolkvox(t, operations...)
	w.SetLatency(200*time.Millisecond, 200*time.Millisecond)

	round := func() time.Duration {
		w.ResetLedger()
		// Without round_interval no whole interval of the clock can call a second round in the middle of the first.
		b := startBare(t, "[agent]\nround_interval = false\n"+tables(w, operations, `interval = "3s"`))
		defer b.kill()
		testbed.Await(t, "an answer for each operation", func() bool { return len(answered(w)) >= len(operations) })
		requests := w.Ledger()[:len(operations)]
		tokens, talking := make(map[string]bool), talking(t, w, requests) // in a quiet night some have nothing to report
		for _, r := range requests {
			tokens[r.Token] = true
		}
		var took time.Duration
		testbed.Await(t, "the rows of each operation", func() bool {
			_, last, sources := b.output()
			took = last.Sub(requests[0].Start)
			return sources >= len(talking)
		})
		testbed.Await(t, "two more rounds", func() bool { return len(answered(w)) >= 3*len(operations) })
		require.Len(t, tokens, len(operations))
		w.RequireTurns(t)
		most := memory(t, b.cmd.Process.Pid, "VmHWM")
		t.Logf("round: %s, resident memory at its highest: %d MiB", took.Round(time.Millisecond), most/mebibyte)
		require.Less(t, most, 150*mebibyte) // some 105, and the garbage of a busy machine
		return took
	}
	best := round()
	for range 2 { // the machine may be busy with something else
		if best >= 3*time.Second {
			best = min(best, round())
		}
	}
	require.Less(t, best, 3*time.Second)
}

// TestThousandOperationsWithJitter under Telegraf: the requests of an interval are spread evenly over the jitter.
//
//promise:footprint
func TestThousandOperationsWithJitter(t *testing.T) {
	t.Parallel()
	const interval = 6 * time.Second
	operations := testbed.Operations(1000, simulator.Operation{Licences: 1000})
	w := testbed.StartWolkvox(t, operations...)
	w.SetLatency(200*time.Millisecond, 200*time.Millisecond)
	agent := fmt.Sprintf("[agent]\ncollection_jitter = %q\n", interval)
	table := "[[inputs.wolkvox_ivr]]\n"
	tables := strings.ReplaceAll(tables(w, operations), table, fmt.Sprintf("%s  interval = %q\n", table, interval))
	tg := testbed.StartTelegraf(t, testbed.Setup{Plugin: agent + tables})

	testbed.Await(t, "an answer for each operation", func() bool { return len(answered(w)) >= len(operations) })
	// Intervals begin at whole ones of the clock. The one that runs now may have begun before all was started.
	from := time.Now().Truncate(interval).Add(interval)
	to := from.Add(interval)
	tg.Await("the end of an interval", func() bool { return time.Now().After(to.Add(time.Second)) })

	var spread [12]int
	tokens := make(map[string]bool)
	for _, r := range w.Ledger() {
		if !r.Start.Before(from) && r.Start.Before(to) {
			spread[r.Start.Sub(from)*time.Duration(len(spread))/interval]++
			tokens[r.Token] = true
		}
	}
	// One whose gather is still under way when the next is due leaves that out.
	require.Greater(t, len(tokens), len(operations)*9/10)
	for _, n := range spread {
		require.InDelta(t, len(operations)/len(spread), n, 60, "spread: %v", spread)
	}
	w.RequireTurns(t)
	require.Less(t, memory(t, tg.Plugin(), "VmHWM"), 150*mebibyte)

	sources := make(map[string]bool)
	for _, m := range tg.Metrics() {
		source, _ := m.GetTag("source")
		sources[source] = true
	}
	talking := talking(t, w, slices.DeleteFunc(answered(w), func(r simulator.Request) bool { return !r.End.Before(from) }))
	require.GreaterOrEqual(t, len(sources), len(talking))
}

// TestOneOperation is started quickly and takes little memory.
//
//promise:footprint
func TestOneOperation(t *testing.T) {
	w := testbed.StartWolkvox(t, testbed.Operation)
	best := time.Hour
	for range 5 {
		w.ResetLedger()
		b := startBare(t, w.Table(testbed.Operation, `interval = "25ms"`))
		testbed.Await(t, "20 gathers", func() bool { return len(answered(w)) >= 20 })
		first, _, _ := b.output()
		require.NotZero(t, first)
		best = min(best, first.Sub(b.started))
		most := memory(t, b.cmd.Process.Pid, "VmHWM")
		require.Less(t, most, 30*mebibyte)
		t.Logf("first metric after %s, resident memory at its highest: %d MiB", first.Sub(b.started).Round(time.Millisecond), most/mebibyte)
		b.kill()
	}
	require.Less(t, best, time.Second) // some 30ms, but a machine that runs tests may be slow
}

// footprint is what must not grow.
type footprint struct{ goroutines, descriptors, heap, resident int }

// footprint returns that of a program that has inputs.internal.
func (b *bare) footprint(t *testing.T) footprint {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	stat := func(name string) int {
		found := regexp.MustCompile(`[ ,]` + name + `=(\d+)`).FindStringSubmatch(b.gostats)
		require.NotNil(t, found, "no %s in %s", name, b.gostats)
		n, err := strconv.Atoi(found[1])
		require.NoError(t, err)
		return n
	}
	pid := b.cmd.Process.Pid
	return footprint{stat("sched_goroutines_goroutines"), descriptors(t, pid), stat("gc_heap_live_bytes"), memory(t, pid, "VmRSS")}
}

// TestNothingGrows runs 4,000 gathers, a fifth of which fail. They leak no goroutine, connection or memory.
//
//promise:footprint
func TestNothingGrows(t *testing.T) {
	t.Parallel()
	operations := testbed.Operations(50, simulator.Operation{Licences: 1000})
	w := testbed.StartWolkvox(t, operations...)
	w.SetFaults(0.2, slices.DeleteFunc(simulator.Faults(), func(f simulator.Fault) bool { // but for those that take their time
		return f == simulator.FaultHang || f == simulator.FaultSlow || f == simulator.FaultQuota || strings.Contains(f.Help(), "Retry-After")
	})...)
	internal := "[[inputs.internal]]\ninterval = \"100ms\"\ncollect_gostats = true\n"
	b := startBare(t, internal+tables(w, operations, `interval = "100ms"`))
	gathers := func(n int) footprint {
		testbed.Await(t, "gathers", func() bool { return len(answered(w)) >= n })
		return b.footprint(t)
	}
	before := gathers(1000)
	after := gathers(4000)
	t.Logf("before: %+v, after: %+v", before, after)
	// Each operation may have one request in flight: a connection, up to four goroutines, and its response.
	require.LessOrEqual(t, after.goroutines, before.goroutines+4*len(operations))
	require.LessOrEqual(t, after.descriptors, before.descriptors+len(operations))
	require.LessOrEqual(t, after.heap, before.heap+3*mebibyte)
	require.LessOrEqual(t, after.resident, before.resident+10*mebibyte)
	w.RequireTurns(t)
}
