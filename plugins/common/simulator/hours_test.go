package simulator

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHoursFollowTheLocalClock(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		at, start, end, label string
	}{
		"Asia/Kolkata":        {"2026-01-19T05:10:00Z", "2026-01-19T04:30:00Z", "2026-01-19T05:30:00Z", "2026011910"},
		"Asia/Kathmandu":      {"2026-01-19T05:10:00Z", "2026-01-19T04:15:00Z", "2026-01-19T05:15:00Z", "2026011910"},
		"America/St_Johns":    {"2010-11-07T02:30:30Z", "2010-11-07T02:30:00Z", "2010-11-07T02:31:00Z", "2010110700"}, // set back at 00:01
		"Australia/Lord_Howe": {"2026-04-04T15:10:00Z", "2026-04-04T15:00:00Z", "2026-04-04T15:30:00Z", "2026040501"}, // set back by half an hour
	} {
		instant, err := time.Parse(time.RFC3339, test.at)
		require.NoError(t, err)
		h := hourAt(instant.In(zone(t, name)))
		require.Equal(t, test.start, h.start.UTC().Format(time.RFC3339), name)
		require.Equal(t, test.end, h.end().UTC().Format(time.RFC3339), name)
		require.Equal(t, test.label, h.label().Format("2006010215"), name)
	}
}

// Hours follow each other without gaps, whatever the clock does, and every instant of an hour belongs to that hour.
//
//promise:simulator
func TestHoursTile(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"America/New_York", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kolkata", "UTC"} {
		location := zone(t, name)
		for at := time.Date(2010, 12, 31, 23, 20, 0, 0, location); at.Year() < 2013; {
			h := hourAt(at)
			if h.length <= 0 || h.length > time.Hour || h != hourAt(h.start) || h != hourAt(h.end().Add(-1)) || !h.end().Equal(hourAt(h.end()).start) {
				require.Fail(t, "no hour", h)
			}
			at = h.end()
		}
	}
}

//promise:simulator
func TestRepeatedHour(t *testing.T) {
	t.Parallel()
	location := zone(t, "America/New_York")
	first := time.Date(2026, 11, 1, 0, 0, 0, 0, location).Add(time.Hour)
	second := first.Add(time.Hour)
	require.Equal(t, second.Hour(), first.Hour())
	for _, how := range []string{"", "once", "twice"} {
		s := newTest(t, second.AddDate(0, 0, 2), Operation{Timezone: "America/New_York", PeakCalls: 10000, RepeatedHour: how})
		a, b := s.Truth(token, first), s.Truth(token, second)
		require.NotEqual(t, a, b)
		rows := readReport(t, s, "20261101000000", "20261101025959")
		if how == "twice" {
			require.Len(t, rows, 4)
			require.Equal(t, []reading{{label: "2026110101", Figures: a}, {label: "2026110101", Figures: b}}, rows[1:3])
		} else {
			require.Len(t, rows, 3)
			require.Equal(t, "2026110101", rows[1].label)
			require.Equal(t, a.Calls+b.Calls, rows[1].Calls)
			require.InDelta(t, a.Minutes+b.Minutes, rows[1].Minutes, 1e-9)
		}
		require.Equal(t, s.Truth(token, second.Add(time.Hour)), rows[len(rows)-1].Figures)
		require.Equal(t, rows[1:len(rows)-1], readReport(t, s, "20261101010000", "20261101015959"), "in a window of its own")
	}
}

//promise:simulator
func TestSkippedHour(t *testing.T) {
	t.Parallel()
	s := newTest(t, time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC), Operation{Timezone: "America/New_York", Form: Form{EmptyHours: "zeros"}})
	rows := readReport(t, s, "20260308000000", "20260308235959")
	require.Len(t, rows, 23)
	require.Equal(t, "2026030801", rows[1].label)
	require.Equal(t, "2026030803", rows[2].label)
	require.Empty(t, readReport(t, s, "20260308020000", "20260308025959"))
}
