package simulator

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

//promise:simulator
func TestCurrentHourGrowsUntilFinal(t *testing.T) {
	t.Parallel()
	s := newTest(t, time.Time{}, Operation{})
	start := time.Date(2026, 1, 19, 10, 0, 0, 0, zone(t, defaultTimezone))
	final := start.Add(time.Hour + LongestCall)

	var before Figures
	growthAfterEnd := false
	for now := start; !now.After(final); now = now.Add(time.Minute) {
		s.SetClock(clock(now))
		figures := s.At(token, start.Add(17*time.Minute), now) // any instant of the hour is accepted
		require.GreaterOrEqual(t, figures.Calls, before.Calls)
		require.GreaterOrEqual(t, figures.Minutes, before.Minutes)
		growthAfterEnd = growthAfterEnd || now.After(start.Add(time.Hour)) && figures.Calls > before.Calls
		before = figures

		rows := readReport(t, s, "20260119100000", "20260119105959")
		if figures.Calls == 0 {
			require.Empty(t, rows)
		} else {
			require.Equal(t, []reading{{label: "2026011910", Figures: figures}}, rows)
		}
		require.False(t, now.Equal(start) && figures.Calls > 0)
	}
	require.True(t, growthAfterEnd)
	require.Equal(t, s.Truth(token, start), before)
	require.Equal(t, before, s.At(token, start, final.AddDate(50, 0, 0)))
}

func TestFutureHasATruthButNoCallsYet(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 19, 9, 0, 0, 0, zone(t, defaultTimezone))
	s := newTest(t, now, Operation{})
	require.Empty(t, readReport(t, s, "20260119100000", "20260119235959"))
	require.Zero(t, s.At(token, now.Add(time.Hour), now))
	require.NotZero(t, s.Truth(token, now.Add(time.Hour)))
}

// A window's total is the sum of its parts, wherever it is split, for final and for current hours.
//
//promise:simulator
func TestWindowsAddUp(t *testing.T) {
	t.Parallel()
	for _, name := range []string{defaultTimezone, "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Date(2026, 11, 2, 14, 25, 30, 0, zone(t, name))
			s := newTest(t, now, Operation{Timezone: name, PeakCalls: 40})
			rng := rand.New(rand.NewPCG(1, 2))
			first := time.Date(2026, 10, 31, 0, 0, 0, 0, time.UTC)
			report := func(from, to int) []reading {
				at := func(second int) string { return first.Add(time.Duration(second) * time.Second).Format(requestLayout) }
				return readReport(t, s, at(from), at(to))
			}
			for range 50 {
				from := rng.IntN(3 * 86400)
				to := from + 1 + rng.IntN(3*86400-from)
				cut := from + rng.IntN(to-from)
				calls, thousandths := total(report(from, to))
				calls1, thousandths1 := total(report(from, cut))
				calls2, thousandths2 := total(report(cut+1, to))
				require.Equal(t, calls, calls1+calls2)
				require.Equal(t, thousandths, thousandths1+thousandths2)
			}
			// A split between two hours leaves the rows unchanged.
			require.Equal(t, report(0, 3*86400-1), append(report(0, 50*3600-1), report(50*3600, 3*86400-1)...))
		})
	}
}

func TestWindowInsideAnHourIsPartialTotal(t *testing.T) {
	t.Parallel()
	s := newTest(t, time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), Operation{})
	whole := readReport(t, s, "20260119100000", "20260119105959")
	part := readReport(t, s, "20260119101500", "20260119104459")
	require.Len(t, part, 1)
	require.Equal(t, whole[0].label, part[0].label)
	require.Less(t, part[0].Calls, whole[0].Calls)
	require.NotZero(t, part[0].Calls)
}

//promise:simulator
func TestEverythingFollowsFromTheSeed(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	figures := func(seed uint64, server, token string, backwards bool) map[int]Figures {
		s, err := New(Options{Seed: seed, Now: clock(now), Operations: []Operation{{Server: server, Token: token}}})
		require.NoError(t, err)
		all := make(map[int]Figures)
		for i := range 500 {
			if backwards {
				i = 499 - i
			}
			all[i] = s.Truth(token, now.Add(time.Duration(-i)*time.Hour))
		}
		return all
	}
	original := figures(1, "0001", "a", false)
	require.Equal(t, original, figures(1, "0001", "a", true), "the order of requests matters")
	require.NotEqual(t, original, figures(2, "0001", "a", false))
	require.NotEqual(t, original, figures(1, "0002", "a", false))
	require.NotEqual(t, original, figures(1, "0001", "b", false))
}

// A change of this package must not change the figures of a seed, because users may have noted them.
func TestFiguresAreStable(t *testing.T) {
	t.Parallel()
	s := newTest(t, time.Time{}, Operation{})
	require.Equal(t, Figures{Calls: 115, Minutes: 305.308}, s.Truth(token, time.Date(2026, 1, 19, 15, 0, 0, 0, time.UTC)))
}

func TestShapeOfAWeek(t *testing.T) {
	t.Parallel()
	s := newTest(t, time.Time{}, Operation{Timezone: "UTC", PeakCalls: 200})
	mean := func(weekday, hour int) (calls, minutesEach float64) {
		const weeks = 200
		var sum Figures
		for week := range weeks {
			figures := s.Truth(token, time.Date(2023, 1, 1+7*week+weekday, hour, 0, 0, 0, time.UTC)) // a Sunday
			sum.Calls += figures.Calls
			sum.Minutes += figures.Minutes
		}
		return float64(sum.Calls) / weeks, sum.Minutes / float64(sum.Calls)
	}
	busiest, minutes := mean(1, 10)
	require.InDelta(t, 200, busiest, 4)
	require.InDelta(t, 2.5, minutes, 0.1)
	night, _ := mean(1, 3)
	require.InDelta(t, 1, night, 0.3)
	sunday, _ := mean(0, 10)
	require.InDelta(t, 24, sunday, 1.5)
}

func TestNoCallsBeforeSince(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 1, 19, 15, 30, 0, 0, time.UTC) // 10:30
	always, never := newTest(t, since.AddDate(0, 1, 0), Operation{}), newTest(t, since.AddDate(0, 1, 0), Operation{Since: since})
	require.Zero(t, never.Truth(token, since.Add(-time.Hour)))
	require.Less(t, never.Truth(token, since).Calls, always.Truth(token, since).Calls)
	require.NotZero(t, never.Truth(token, since).Calls)
	require.Equal(t, always.Truth(token, since.Add(time.Hour)), never.Truth(token, since.Add(time.Hour)))
	require.Equal(t, readReport(t, always, "20260119103000", "20260119235959"), readReport(t, never, "20260119000000", "20260119235959"))
}

func TestAnyYear(t *testing.T) {
	t.Parallel()
	s := newTest(t, time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), Operation{Timezone: "Europe/Madrid"})
	for _, year := range []int{1, 1850, 1901, 1970, 2038, 2500, 9998} {
		rows := readReport(t, s, fmt.Sprintf("%04d0301000000", year), fmt.Sprintf("%04d0331235959", year))
		require.Greater(t, len(rows), 500, year)
	}
}
