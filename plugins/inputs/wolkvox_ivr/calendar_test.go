package wolkvox_ivr

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	location, err := time.LoadLocation(name)
	require.NoError(t, err)
	return location
}

// at reads an instant such as "2026-11-01T02:30:00+01:00".
func at(t testing.TB, text string) time.Time {
	t.Helper()
	instant, err := time.Parse(time.RFC3339Nano, text)
	require.NoError(t, err)
	return instant
}

// show writes an instant as the location's clock shows it.
func show(instant time.Time, location *time.Location) string {
	return instant.In(location).Format(time.RFC3339Nano)
}

// span reads a window such as "2026-11-01T02:00:00+01:00 2026-11-01T04:00:00+01:00".
func span(t testing.TB, from, to string) window {
	t.Helper()
	return window{at(t, from), at(t, to)}
}

func requireWindows(t *testing.T, expected, actual []window) {
	t.Helper()
	text := func(windows []window) []string {
		lines := make([]string, 0, len(windows))
		for _, w := range windows {
			lines = append(lines, w.From.UTC().Format(time.RFC3339)+" "+w.To.UTC().Format(time.RFC3339))
		}
		return lines
	}
	require.Equal(t, text(expected), text(actual))
}

func TestFloorAndNext(t *testing.T) {
	tests := []struct {
		name, zone         string
		instant            string
		hour, floor, after string // after is the next hour after floor's
	}{
		{"plain", "America/Bogota", "2026-11-22T14:59:59.999999999-05:00",
			"2026-11-22T14:00:00-05:00", "2026-11-22T14:00:00-05:00", "2026-11-22T15:00:00-05:00"},
		{"border", "America/Bogota", "2026-11-22T14:00:00-05:00",
			"2026-11-22T14:00:00-05:00", "2026-11-22T14:00:00-05:00", "2026-11-22T15:00:00-05:00"},
		{"half-hour zone", "Asia/Kolkata", "2026-11-22T14:29:00+05:30",
			"2026-11-22T14:00:00+05:30", "2026-11-22T14:00:00+05:30", "2026-11-22T15:00:00+05:30"},
		{"quarter-hour zone", "Asia/Kathmandu", "2026-11-22T14:14:00+05:45",
			"2026-11-22T14:00:00+05:45", "2026-11-22T14:00:00+05:45", "2026-11-22T15:00:00+05:45"},

		{"set forward", "Europe/Madrid", "2026-03-29T01:30:00+01:00",
			"2026-03-29T01:00:00+01:00", "2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00"},
		{"set back, before", "Europe/Madrid", "2026-10-25T01:30:00+02:00",
			"2026-10-25T01:00:00+02:00", "2026-10-25T01:00:00+02:00", "2026-10-25T02:00:00+02:00"},
		{"set back, first", "Europe/Madrid", "2026-10-25T02:30:00+02:00",
			"2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+02:00", "2026-10-25T03:00:00+01:00"},
		{"set back, second", "Europe/Madrid", "2026-10-25T02:30:00+01:00",
			"2026-10-25T02:00:00+01:00", "2026-10-25T02:00:00+02:00", "2026-10-25T03:00:00+01:00"},

		{"set forward at midnight", "America/Santiago", "2026-09-05T23:30:00-04:00",
			"2026-09-05T23:00:00-04:00", "2026-09-05T23:00:00-04:00", "2026-09-06T01:00:00-03:00"},
		{"set back at midnight, first", "America/Santiago", "2026-04-04T23:30:00-03:00",
			"2026-04-04T23:00:00-03:00", "2026-04-04T23:00:00-03:00", "2026-04-05T00:00:00-04:00"},
		{"set back at midnight, second", "America/Santiago", "2026-04-04T23:30:00-04:00",
			"2026-04-04T23:00:00-04:00", "2026-04-04T23:00:00-03:00", "2026-04-05T00:00:00-04:00"},
		{"midnight repeats", "America/Havana", "2026-11-01T00:30:00-05:00",
			"2026-11-01T00:00:00-05:00", "2026-11-01T00:00:00-04:00", "2026-11-01T01:00:00-05:00"},

		{"half an hour forward", "Australia/Lord_Howe", "2026-10-04T01:40:00+10:30",
			"2026-10-04T01:00:00+10:30", "2026-10-04T01:00:00+10:30", "2026-10-04T02:30:00+11:00"},
		{"hour of 30 minutes", "Australia/Lord_Howe", "2026-10-04T02:59:00+11:00",
			"2026-10-04T02:30:00+11:00", "2026-10-04T02:30:00+11:00", "2026-10-04T03:00:00+11:00"},
		{"hour of 90 minutes", "Australia/Lord_Howe", "2026-04-05T01:40:00+11:00",
			"2026-04-05T01:00:00+11:00", "2026-04-05T01:00:00+11:00", "2026-04-05T02:00:00+10:30"},
		{"hour of 90 minutes, its end", "Australia/Lord_Howe", "2026-04-05T01:40:00+10:30",
			"2026-04-05T01:00:00+11:00", "2026-04-05T01:00:00+11:00", "2026-04-05T02:00:00+10:30"},

		{"skipped day", "Pacific/Apia", "2011-12-29T23:30:00-10:00",
			"2011-12-29T23:00:00-10:00", "2011-12-29T23:00:00-10:00", "2011-12-31T00:00:00+14:00"},
	}
	for _, tt := range tests {
		t.Run(tt.name+" "+tt.zone, func(t *testing.T) {
			pl := calendar{zone(t, tt.zone)}
			require.Equal(t, tt.hour, show(pl.hour(at(t, tt.instant)), pl.location))
			floor := pl.floor(at(t, tt.instant))
			require.Equal(t, tt.floor, show(floor, pl.location))
			require.Equal(t, tt.after, show(pl.next(floor), pl.location))
			require.Same(t, pl.location, floor.Location())
		})
	}
}

func TestHours(t *testing.T) {
	tests := []struct {
		name, zone, from, to string
		expected             []string
	}{
		{"none", "America/Bogota", "2026-11-22T14:00:00-05:00", "2026-11-22T14:00:00-05:00", nil},
		{"inverted", "America/Bogota", "2026-11-22T14:00:00-05:00", "2026-11-22T12:00:00-05:00", nil},
		{"half-hour zone", "Asia/Kolkata", "2026-11-22T23:00:00+05:30", "2026-11-23T01:00:00+05:30",
			[]string{"2026-11-22T23:00:00+05:30", "2026-11-23T00:00:00+05:30"}},
		{"set forward", "Europe/Madrid", "2026-03-29T01:00:00+01:00", "2026-03-29T04:00:00+02:00",
			[]string{"2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00"}},
		{"set back", "Europe/Madrid", "2026-10-25T01:00:00+02:00", "2026-10-25T04:00:00+01:00",
			[]string{"2026-10-25T01:00:00+02:00", "2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00"}},
		{"half an hour forward", "Australia/Lord_Howe", "2026-10-04T01:00:00+10:30", "2026-10-04T04:00:00+11:00",
			[]string{"2026-10-04T01:00:00+10:30", "2026-10-04T02:30:00+11:00", "2026-10-04T03:00:00+11:00"}},
		{"half an hour back", "Australia/Lord_Howe", "2026-04-05T00:00:00+11:00", "2026-04-05T03:00:00+10:30",
			[]string{"2026-04-05T00:00:00+11:00", "2026-04-05T01:00:00+11:00", "2026-04-05T02:00:00+10:30"}},
		{"skipped day", "Pacific/Apia", "2011-12-29T23:00:00-10:00", "2011-12-31T01:00:00+14:00",
			[]string{"2011-12-29T23:00:00-10:00", "2011-12-31T00:00:00+14:00"}},
	}
	for _, tt := range tests {
		t.Run(tt.name+" "+tt.zone, func(t *testing.T) {
			pl := calendar{zone(t, tt.zone)}
			var hours []string
			for _, hour := range pl.hours(span(t, tt.from, tt.to)) {
				hours = append(hours, show(hour, pl.location))
			}
			require.Equal(t, tt.expected, hours)
		})
	}
}

func TestDaysBefore(t *testing.T) {
	tests := []struct {
		name, zone, end string
		days            int
		expected        string
	}{
		{"today", "America/Bogota", "2026-11-22T14:30:00-05:00", 1, "2026-11-22T00:00:00-05:00"},
		{"midnight ends the day before", "America/Bogota", "2026-11-22T00:00:00-05:00", 1, "2026-11-21T00:00:00-05:00"},
		{"31 days", "America/Bogota", "2026-11-22T15:00:00-05:00", 31, "2026-10-23T00:00:00-05:00"},
		{"over February", "America/Bogota", "2028-03-15T15:00:00-05:00", 31, "2028-02-14T00:00:00-05:00"},
		{"half-hour zone", "Asia/Kolkata", "2026-01-01T01:00:00+05:30", 31, "2025-12-02T00:00:00+05:30"},
		{"day begins at one", "America/Santiago", "2026-09-06T12:00:00-03:00", 1, "2026-09-06T01:00:00-03:00"},
		{"day of 25 hours before", "America/Santiago", "2026-04-05T00:00:00-04:00", 1, "2026-04-04T00:00:00-03:00"},
		{"midnight repeats", "America/Havana", "2026-11-01T12:00:00-05:00", 1, "2026-11-01T00:00:00-04:00"},
		{"over both changes", "Europe/Madrid", "2026-10-27T00:00:00+01:00", 31, "2026-09-26T00:00:00+02:00"},
		{"Lord Howe", "Australia/Lord_Howe", "2026-04-06T00:00:00+10:30", 2, "2026-04-04T00:00:00+11:00"},
		{"after a skipped day", "Pacific/Apia", "2011-12-31T05:00:00+14:00", 1, "2011-12-31T00:00:00+14:00"},
		{"to a skipped day", "Pacific/Apia", "2012-01-29T05:00:00+14:00", 31, "2011-12-31T00:00:00+14:00"},
		{"over a skipped day", "Pacific/Apia", "2012-01-28T05:00:00+14:00", 31, "2011-12-29T00:00:00-10:00"},
	}
	for _, tt := range tests {
		t.Run(tt.name+" "+tt.zone, func(t *testing.T) {
			pl := calendar{zone(t, tt.zone)}
			require.Equal(t, tt.expected, show(pl.daysBefore(at(t, tt.end), tt.days), pl.location))
		})
	}
}

func TestAddAndRemove(t *testing.T) {
	base := at(t, "2026-11-22T00:00:00Z")
	w := func(from, to int) window {
		return window{base.Add(time.Duration(from) * time.Hour), base.Add(time.Duration(to) * time.Hour)}
	}
	tests := []struct {
		name           string
		windows        []window
		w              window
		added, removed []window
	}{
		{"to nothing", nil, w(1, 2), []window{w(1, 2)}, nil},
		{"nothing", []window{w(1, 2)}, w(5, 5), []window{w(1, 2)}, []window{w(1, 2)}},
		{"inverted", []window{w(1, 2)}, w(7, 5), []window{w(1, 2)}, []window{w(1, 2)}},
		{"before", []window{w(5, 6)}, w(1, 2), []window{w(1, 2), w(5, 6)}, []window{w(5, 6)}},
		{"touching", []window{w(2, 4), w(6, 8)}, w(4, 6), []window{w(2, 8)}, []window{w(2, 4), w(6, 8)}},
		{"within", []window{w(2, 8)}, w(4, 6), []window{w(2, 8)}, []window{w(2, 4), w(6, 8)}},
		{"over the start", []window{w(4, 8)}, w(2, 6), []window{w(2, 8)}, []window{w(6, 8)}},
		{"over the end", []window{w(4, 8)}, w(6, 9), []window{w(4, 9)}, []window{w(4, 6)}},
		{"over all", []window{w(2, 3), w(5, 6), w(8, 9)}, w(1, 7), []window{w(1, 7), w(8, 9)}, []window{w(8, 9)}},
		{"the same", []window{w(2, 3)}, w(2, 3), []window{w(2, 3)}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := slices.Clone(tt.windows)
			requireWindows(t, tt.added, add(tt.windows, tt.w))
			requireWindows(t, tt.removed, remove(tt.windows, tt.w))
			require.Equal(t, before, tt.windows, "the argument must stay as it is")
		})
	}
}
