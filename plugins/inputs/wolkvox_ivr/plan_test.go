package wolkvox_ivr

import (
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What decides which hours to ask for is a function of its arguments: it knows no clock, no network and no Telegraf.
func TestPlanIsPure(t *testing.T) {
	for _, name := range []string{"calendar.go", "ledger.go", "put_off.go", "plan.go", "zone_watch.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, spec := range file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			first, _, _ := strings.Cut(path, "/")
			require.NotContains(t, first, ".", "%s imports %s", name, path)
			require.NotContains(t, []string{"net", "os", "io"}, first, "%s imports %s", name, path)
		}
	}
}

func TestWaitingGrowsToADay(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var w waiting
	var pauses []time.Duration
	for range 7 {
		w = w.longer(now)
		pauses = append(pauses, w.Pause)
		now = w.Due
	}
	const h = time.Hour
	require.Equal(t, []time.Duration{h, 2 * h, 4 * h, 8 * h, 16 * h, 24 * h, 24 * h}, pauses)
}

func TestWidthIsHalvedToAnHourAndWidenedAgain(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	h := newHabits()
	var limits []int
	for hours := 744; hours > 1; hours = h.Limit {
		h = h.tooWide(hours, now)
		limits = append(limits, h.Limit)
	}
	require.Equal(t, []int{372, 186, 93, 46, 23, 11, 5, 2, 1}, limits)
	require.Equal(t, 1, h.wideEnough(1, now).Limit, "not before its time")
	for now = h.Wider.Due; h.Limit < widest; h = h.wideEnough(h.limit(now), now) {
		require.Greater(t, h.limit(now), h.Limit)
	}
	require.Equal(t, waiting{}, h.Wider)
}

func TestFirstStartByAClockThatIsAhead(t *testing.T) {
	s := scope{calendar: calendar{time.UTC}, interval: 5 * time.Minute}
	right := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, ahead := range []time.Duration{2 * time.Hour, 2 * day} {
		l := newLedger()
		for t := right; t.Before(right.Add(8 * time.Hour)); t = t.Add(5 * time.Minute) {
			l = s.begin(l, t.Add(ahead))
		}
		l = s.begin(l, right.Add(8*time.Hour))
		require.WithinDuration(t, right, l.Started, 5*time.Minute, "what was wanted then still is")
	}
}

func TestNoZeroOfAnHourToComeWhereTheClockIsBehind(t *testing.T) {
	s := scope{calendar: calendar{time.UTC}, interval: 5 * time.Minute, zeros: true}
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	l := newLedger()
	l.Unfilled = []window{{now.Add(2 * time.Hour), now.Add(5 * time.Hour)}} // read before the clock was set back
	l = s.begin(l, now)
	asked := window{now.Add(-2 * time.Hour), now}
	l, _, empty := s.record(l, &answered{window: asked, rows: s.hours(asked), listed: 2}, now, false)
	require.Empty(t, empty)
	require.NotEmpty(t, l.Unfilled)
}
