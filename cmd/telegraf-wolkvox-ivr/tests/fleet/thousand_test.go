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

// pluginProcess is the plugin running without Telegraf.
type pluginProcess struct {
	cmd     *exec.Cmd
	started time.Time
	ended   chan struct{} // closed when stdout is closed

	mu          sync.Mutex
	first, last time.Time       // times of the first and the last line on stdout
	sources     map[string]bool // in these lines
	gostats     string          // the last line of inputs.internal's collect_gostats
}

var sourceTag = regexp.MustCompile(`,source=([^ ,]+)`)

func startBare(t *testing.T, conf string) *pluginProcess {
	t.Helper()
	b := &pluginProcess{
		cmd:     exec.Command(testbed.ProgramPath(t, "telegraf-wolkvox-ivr"), "--config", testbed.WriteConfig(t, conf)),
		ended:   make(chan struct{}),
		sources: make(map[string]bool),
	}
	stdin, err := b.cmd.StdinPipe() // closing it would stop the plugin
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

// output returns the times of the first and the last line so far, and the number of sources in the lines.
func (b *pluginProcess) output() (first, last time.Time, sources int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.first, b.last, len(b.sources)
}

// kill kills the plugin.
func (b *pluginProcess) kill() {
	_ = b.cmd.Process.Kill() // fails if it has already ended
	<-b.ended
}

// memory returns a value of /proc/PID/status in bytes: VmRSS, the resident memory, or VmHWM, its maximum so far.
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

// descriptors returns the number of open files and connections of a process.
func descriptors(t *testing.T, pid any) int {
	t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%v/fd", pid))
	require.NoError(t, err)
	return len(open)
}

// TestThousandOperations runs a thousand operations in one process, all gathering at the same time. A round takes less
// than 3 seconds if each response takes 0.2.
//
//promise:footprint
func TestThousandOperations(t *testing.T) {
	operations := testbed.Operations(1000, simulator.Operation{Licences: 1000})
	w := testbed.StartWolkvox(t, operations...)
	w.SetLatency(200*time.Millisecond, 200*time.Millisecond)

	round := func() time.Duration {
		w.ResetLedger()
		// Without round_interval, no second round can start in the middle of the first one.
		b := startBare(t, "[agent]\nround_interval = false\n"+tables(w, operations, `interval = "3s"`))
		defer b.kill()
		testbed.Await(t, "a response for each operation", func() bool { return len(served(w)) >= len(operations) })
		requests := w.Ledger()[:len(operations)]
		tokens, expected := make(map[string]bool), withCalls(t, w, requests) // on a quiet night some have no calls
		for _, r := range requests {
			tokens[r.Token] = true
		}
		var took time.Duration
		testbed.Await(t, "the rows of each operation", func() bool {
			_, last, sources := b.output()
			took = last.Sub(requests[0].Start)
			return sources >= len(expected)
		})
		testbed.Await(t, "two more rounds", func() bool { return len(served(w)) >= 3*len(operations) })
		require.Len(t, tokens, len(operations))
		w.RequireOneAtATime(t)
		most := memory(t, b.cmd.Process.Pid, "VmHWM")
		t.Logf("round: %s, resident memory at its highest: %d MiB", took.Round(time.Millisecond), most/mebibyte)
		require.Less(t, most, 150*mebibyte) // about 105, plus the garbage on a busy machine
		return took
	}
	best := round()
	for range 2 { // the machine may be busy
		if best >= 3*time.Second {
			best = min(best, round())
		}
	}
	require.Less(t, best, 3*time.Second)
}

// TestThousandOperationsWithJitter runs under Telegraf: requests are spread evenly over the jitter.
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

	testbed.Await(t, "a response for each operation", func() bool { return len(served(w)) >= len(operations) })
	// Intervals start at multiples on the clock. The current one may have started before all operations did.
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
	// An operation whose gather is still running when the next one is due skips that.
	require.Greater(t, len(tokens), len(operations)*9/10)
	for _, n := range spread {
		require.InDelta(t, len(operations)/len(spread), n, 60, "spread: %v", spread)
	}
	w.RequireOneAtATime(t)
	require.Less(t, memory(t, tg.Plugin(), "VmHWM"), 150*mebibyte)

	sources := make(map[string]bool)
	for _, m := range tg.Metrics() {
		source, _ := m.GetTag("source")
		sources[source] = true
	}
	expected := withCalls(t, w, slices.DeleteFunc(served(w), func(r simulator.Request) bool { return !r.End.Before(from) }))
	require.GreaterOrEqual(t, len(sources), len(expected))
}

// TestOneOperation: an operation starts quickly and takes little memory.
//
//promise:footprint
func TestOneOperation(t *testing.T) {
	w := testbed.StartWolkvox(t, testbed.Busy)
	best := time.Hour
	for range 5 {
		w.ResetLedger()
		b := startBare(t, w.Table(testbed.Busy, `interval = "25ms"`))
		testbed.Await(t, "20 gathers", func() bool { return len(served(w)) >= 20 })
		first, _, _ := b.output()
		require.NotZero(t, first)
		best = min(best, first.Sub(b.started))
		most := memory(t, b.cmd.Process.Pid, "VmHWM")
		require.Less(t, most, 30*mebibyte)
		t.Logf("first metric after %s, resident memory at its highest: %d MiB", first.Sub(b.started).Round(time.Millisecond), most/mebibyte)
		b.kill()
	}
	require.Less(t, best, time.Second) // about 30ms, but a machine that runs tests may be slow
}

// footprint has the values that must not grow.
type footprint struct{ goroutines, descriptors, heap, resident int }

// footprint returns the footprint of a plugin with inputs.internal.
func (b *pluginProcess) footprint(t *testing.T) footprint {
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

// TestNothingGrows runs 4,000 gathers, and every fifth one fails. Goroutines, connections and memory must not grow.
//
//promise:footprint
func TestNothingGrows(t *testing.T) {
	t.Parallel()
	operations := testbed.Operations(50, simulator.Operation{Licences: 1000})
	w := testbed.StartWolkvox(t, operations...)
	w.SetFaults(0.2, slices.DeleteFunc(simulator.Faults(), func(f simulator.Fault) bool { // except those that take long
		return f == simulator.FaultHang || f == simulator.FaultSlow || f == simulator.FaultQuota || strings.Contains(f.Help(), "Retry-After")
	})...)
	internal := "[[inputs.internal]]\ninterval = \"100ms\"\ncollect_gostats = true\n"
	b := startBare(t, internal+tables(w, operations, `interval = "100ms"`))
	gathers := func(n int) footprint {
		testbed.Await(t, "gathers", func() bool { return len(served(w)) >= n })
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
	w.RequireOneAtATime(t)
}
