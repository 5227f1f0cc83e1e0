package wolkvox_ivr

import (
	"encoding/json"
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

// bogota reads a window from two times in Bogota such as "11-22 14".
func bogota(t testing.TB, from, to string) window {
	t.Helper()
	return window{bogotaTime(t, from), bogotaTime(t, to)}
}

func bogotaTime(t testing.TB, text string) time.Time {
	t.Helper()
	for _, layout := range []string{"2006 01-02 15", "2006 01-02 15:04"} {
		if instant, err := time.ParseInLocation(layout, "2026 "+text, zone(t, "America/Bogota")); err == nil {
			return instant
		}
	}
	require.Fail(t, "no time", text)
	return time.Time{}
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
			pl := &planner{location: zone(t, tt.zone)}
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
			pl := &planner{location: zone(t, tt.zone)}
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
			pl := &planner{location: zone(t, tt.zone)}
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

// newPlanner returns one with the defaults.
func newPlanner(t testing.TB) *planner {
	return &planner{location: zone(t, "America/Bogota"), lookback: 3 * time.Hour}
}

// requireProgress compares states by what they are as JSON, in UTC.
func requireProgress(t *testing.T, expected, actual progress) {
	t.Helper()
	text := func(s progress) string {
		s.Covered, s.Since, s.First = s.Covered.UTC(), s.Since.UTC(), s.First.UTC()
		s.Backlog, s.Recent = slices.Clone(s.Backlog), slices.Clone(s.Recent)
		for i, w := range s.Backlog {
			s.Backlog[i] = window{w.From.UTC(), w.To.UTC()}
		}
		for i, r := range s.Recent {
			s.Recent[i] = reading{window{r.From.UTC(), r.To.UTC()}, r.At.UTC()}
		}
		content, err := json.MarshalIndent(s, "", " ")
		require.NoError(t, err)
		return string(content)
	}
	require.Equal(t, text(expected), text(actual))
}

func TestLive(t *testing.T) {
	now := bogotaTime(t, "11-22 14:20")
	since := bogotaTime(t, "11-01 00")
	tests := []struct {
		name    string
		set     func(*planner)
		before  progress
		days    int
		live    window
		covered time.Time
		since   time.Time
		backlog []window
	}{
		{name: "first start", live: bogota(t, "11-22 11", "11-22 15"), covered: now, since: bogotaTime(t, "11-22 11")},
		{name: "first start, whole hours", set: func(pl *planner) { pl.omitCurrent = true },
			live: bogota(t, "11-22 11", "11-22 14"), covered: now, since: bogotaTime(t, "11-22 11")},
		{name: "first start, no lookback", set: func(pl *planner) { pl.lookback = 0 },
			live: bogota(t, "11-22 14", "11-22 15"), covered: now, since: bogotaTime(t, "11-22 14")},
		{name: "first start, nothing due", set: func(pl *planner) { pl.lookback, pl.omitCurrent = 0, true },
			live: bogota(t, "11-22 14", "11-22 14"), covered: now, since: bogotaTime(t, "11-22 14")},
		{name: "first start, backfill", set: func(pl *planner) { pl.backfill = 24 * time.Hour },
			live: bogota(t, "11-22 11", "11-22 15"), covered: now, since: bogotaTime(t, "11-21 14"),
			backlog: []window{bogota(t, "11-21 14", "11-22 11")}},
		{name: "first start, backfill within lookback", set: func(pl *planner) { pl.backfill = time.Hour },
			live: bogota(t, "11-22 11", "11-22 15"), covered: now, since: bogotaTime(t, "11-22 11")},
		{name: "as ever", before: progress{Covered: bogotaTime(t, "11-22 14:15"), Since: since},
			live: bogota(t, "11-22 11", "11-22 15"), covered: bogotaTime(t, "11-22 14:15"), since: since},
		{name: "hour before is read a last time", before: progress{Covered: bogotaTime(t, "11-22 13:59"), Since: since},
			live: bogota(t, "11-22 10", "11-22 15"), covered: bogotaTime(t, "11-22 13:59"), since: since},
		{name: "outage of days", before: progress{Covered: bogotaTime(t, "11-19 10:00"), Since: since},
			live: bogota(t, "11-19 07", "11-22 15"), covered: bogotaTime(t, "11-19 10:00"), since: since},
		{name: "outage of days, while it lasts", days: 2, before: progress{Covered: bogotaTime(t, "11-19 10:00"), Since: since},
			live: bogota(t, "11-21 00", "11-22 15"), covered: bogotaTime(t, "11-19 10:00"), since: since,
			backlog: []window{bogota(t, "11-19 07", "11-21 00")}},
		{name: "outage of months", before: progress{Covered: bogotaTime(t, "08-19 10:00"), Since: bogotaTime(t, "08-01 00")},
			live: bogota(t, "10-23 00", "11-22 15"), covered: bogotaTime(t, "08-19 10:00"), since: bogotaTime(t, "08-01 00"),
			backlog: []window{bogota(t, "08-19 07", "10-23 00")}},
		{name: "outage of years", before: progress{Covered: at(t, "1970-01-01T00:00:00Z"), Since: at(t, "1970-01-01T00:00:00Z")},
			live: bogota(t, "10-23 00", "11-22 15"), covered: at(t, "2025-11-22T08:00:00Z"), since: at(t, "1970-01-01T00:00:00Z"),
			backlog: []window{span(t, "2025-11-22T05:00:00Z", "2026-10-23T05:00:00Z")}},
		{name: "live window takes over backlog",
			before: progress{Covered: bogotaTime(t, "11-22 14:15"), Since: since, Backlog: []window{bogota(t, "11-22 05", "11-22 12")}},
			live:   bogota(t, "11-22 11", "11-22 15"), covered: bogotaTime(t, "11-22 14:15"), since: since,
			backlog: []window{bogota(t, "11-22 05", "11-22 11")}},
		{name: "backfill set later", set: func(pl *planner) { pl.backfill = 30 * 24 * time.Hour },
			before: progress{Covered: bogotaTime(t, "11-22 14:15"), Since: since, Backlog: []window{bogota(t, "11-03 05", "11-04 00")}},
			live:   bogota(t, "11-22 11", "11-22 15"), covered: bogotaTime(t, "11-22 14:15"), since: bogotaTime(t, "10-23 14"),
			backlog: []window{bogota(t, "10-23 14", "11-01 00"), bogota(t, "11-03 05", "11-04 00")}},
		{name: "clock back a little", before: progress{Covered: bogotaTime(t, "11-22 17:20"), Since: since},
			live: bogota(t, "11-22 11", "11-22 15"), covered: now, since: since},
		{name: "clock back by more", before: progress{Covered: bogotaTime(t, "11-22 17:21"), Since: since},
			live: bogota(t, "11-01 00", "11-22 15"), covered: bogotaTime(t, "11-01 03"), since: since},
		{name: "clock back by more, shortly after the first start",
			before: progress{Covered: bogotaTime(t, "11-22 17:21"), Since: bogotaTime(t, "11-22 13")},
			live:   bogota(t, "11-22 11", "11-22 15"), covered: now, since: bogotaTime(t, "11-22 13")},
		{name: "clock back by more, after years", before: progress{Covered: bogotaTime(t, "11-22 17:21"), Since: at(t, "2020-01-01T05:00:00Z")},
			live: bogota(t, "10-23 00", "11-22 15"), covered: at(t, "2025-11-22T08:00:00Z"), since: at(t, "2020-01-01T05:00:00Z"),
			backlog: []window{span(t, "2025-11-22T05:00:00Z", "2026-10-23T05:00:00Z")}},
		{name: "clock back before the backlog",
			before: progress{Covered: bogotaTime(t, "12-31 00"), Since: bogotaTime(t, "10-01 00"),
				Backlog: []window{bogota(t, "10-01 00", "12-20 00")}},
			live: bogota(t, "10-23 00", "11-22 15"), covered: bogotaTime(t, "10-01 03"), since: bogotaTime(t, "10-01 00"),
			backlog: []window{bogota(t, "10-01 00", "10-23 00"), bogota(t, "11-22 15", "12-20 00")}},
		{name: "clock back before all", set: func(pl *planner) { pl.backfill = 24 * time.Hour },
			before: progress{Covered: bogotaTime(t, "12-31 00"), Since: bogotaTime(t, "12-01 00"),
				Backlog: []window{bogota(t, "12-03 00", "12-20 00")}},
			live: bogota(t, "10-23 00", "11-22 15"), covered: at(t, "2025-11-22T08:00:00Z"), since: at(t, "2025-11-22T05:00:00Z"),
			backlog: []window{span(t, "2025-11-22T05:00:00Z", "2026-10-23T05:00:00Z"), bogota(t, "12-03 00", "12-20 00")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pl := newPlanner(t)
			if tt.set != nil {
				tt.set(pl)
			}
			if tt.days == 0 {
				tt.days = maxDays
			}
			before := slices.Clone(tt.before.Backlog)
			live, s := pl.live(tt.before, now, tt.days)
			requireWindows(t, []window{tt.live}, []window{live})
			requireWindows(t, tt.backlog, s.Backlog)
			require.Equal(t, show(tt.covered, pl.location), show(s.Covered, pl.location), "covered")
			require.Equal(t, show(tt.since, pl.location), show(s.Since, pl.location), "since")
			require.Equal(t, before, tt.before.Backlog, "the argument must stay as it is")
		})
	}
}

func TestLiveDone(t *testing.T) {
	now := bogotaTime(t, "11-22 14:20")
	before := progress{Covered: bogotaTime(t, "11-22 00"), Rewound: true}
	tests := []struct {
		name   string
		live   window
		recent []reading
	}{
		{"as ever", bogota(t, "11-22 11", "11-22 15"), nil},
		{"what restore goes back to", bogota(t, "11-22 10", "11-22 15"), nil},
		{"after an outage", bogota(t, "11-20 08", "11-22 15"), []reading{{bogota(t, "11-20 08", "11-22 10"), now}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			requireProgress(t, progress{Covered: now, Recent: tt.recent}, newPlanner(t).liveDone(before, tt.live, now))
		})
	}
}

func TestHistory(t *testing.T) {
	backlog := []window{bogota(t, "03-01 05", "05-01 00"), bogota(t, "10-01 05", "11-20 07")}
	live := bogotaTime(t, "11-22 11")
	tests := []struct {
		name     string
		backlog  []window
		days     int
		end      time.Time
		expected []window
	}{
		{"nothing", nil, maxDays, live, nil},
		{"newest", backlog, maxDays, live, []window{bogota(t, "10-21 00", "11-20 07")}},
		{"two days", backlog, 2, live, []window{bogota(t, "11-19 00", "11-20 07")}},
		{"a day", backlog, 1, live, []window{bogota(t, "11-20 00", "11-20 07")}},
		{"before one that fails", backlog, maxDays, bogotaTime(t, "11-03 00"), []window{bogota(t, "10-03 00", "11-03 00")}},
		{"before the newest", backlog, maxDays, bogotaTime(t, "10-01 05"), []window{bogota(t, "03-31 00", "05-01 00")}},
		{"before all", backlog, maxDays, bogotaTime(t, "03-01 05"), nil},
		{"shorter than allowed", []window{bogota(t, "11-20 05", "11-20 07")}, maxDays, live, []window{bogota(t, "11-20 05", "11-20 07")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, found := newPlanner(t).history(progress{Backlog: tt.backlog}, tt.days, tt.end)
			require.Equal(t, len(tt.expected) > 0, found)
			if found {
				requireWindows(t, tt.expected, []window{w})
			}
		})
	}

	now := bogotaTime(t, "11-22 14:20")
	w := bogota(t, "10-21 00", "11-20 07")
	requireProgress(t,
		progress{Backlog: []window{bogota(t, "03-01 05", "05-01 00"), bogota(t, "10-01 05", "10-21 00")}, Recent: []reading{{w, now}}},
		newPlanner(t).historyDone(progress{Backlog: backlog}, w, now))
}

func TestRecentIsForgotten(t *testing.T) {
	w := bogota(t, "10-21 00", "11-20 07")
	s := progress{Covered: bogotaTime(t, "11-22 14:15"), Recent: []reading{
		{w, bogotaTime(t, "11-22 11:19")},
		{w, bogotaTime(t, "11-22 11:20")},
		{w, bogotaTime(t, "11-22 14:15")},
		{w, bogotaTime(t, "11-25 00")}, // by a clock that was ahead
	}}
	_, after := newPlanner(t).live(s, bogotaTime(t, "11-22 14:20"), maxDays)
	require.Equal(t, s.Recent[1:3], after.Recent)
}

func TestRestore(t *testing.T) {
	covered, since := bogotaTime(t, "11-22 14:20"), bogotaTime(t, "11-01 00")
	recent := []reading{{bogota(t, "11-02 00", "11-20 08"), bogotaTime(t, "11-22 14:15")}}
	backlog := []window{bogota(t, "11-01 00", "11-02 00")}
	back := bogotaTime(t, "11-22 10:20")
	tests := []struct {
		name            string
		set             func(*planner)
		saved, expected progress
	}{
		{name: "nothing", saved: progress{Version: 1}, expected: progress{Version: 1}},
		{name: "unclean",
			saved: progress{Covered: covered, Since: since, First: since, Backlog: backlog, Recent: recent},
			expected: progress{Covered: back, Rewound: true, Since: since, First: since,
				Backlog: []window{bogota(t, "11-01 00", "11-20 08")}}},
		{name: "clean",
			saved:    progress{Covered: covered, Since: since, First: since, Backlog: backlog, Recent: recent, Clean: true},
			expected: progress{Covered: back, Rewound: true, Since: since, First: since, Backlog: backlog, Recent: recent}},
		{name: "nothing was read since the last restore",
			saved:    progress{Covered: back, Rewound: true, Since: since, First: since},
			expected: progress{Covered: back, Rewound: true, Since: since, First: since}},
		{name: "shortly after the first start",
			saved:    progress{Covered: bogotaTime(t, "11-01 04"), Since: since, First: since},
			expected: progress{Covered: bogotaTime(t, "11-01 03"), Rewound: true, Since: since, First: since}},
		{name: "at the first start",
			saved:    progress{Covered: bogotaTime(t, "11-01 02:30"), Since: since, First: since},
			expected: progress{Covered: bogotaTime(t, "11-01 02:30"), Rewound: true, Since: since, First: since}},
		{name: "short lookback", set: func(pl *planner) { pl.lookback = 0 },
			saved:    progress{Covered: covered, Since: since, First: since},
			expected: progress{Covered: bogotaTime(t, "11-22 12:20"), Rewound: true, Since: since, First: since}},
		{name: "another time zone", set: func(pl *planner) { pl.location = zone(t, "Asia/Kolkata") },
			saved: progress{Covered: covered, Since: since, First: since, Backlog: backlog},
			expected: progress{Covered: back, Rewound: true,
				Since: at(t, "2026-11-01T10:00:00+05:30"), First: at(t, "2026-11-01T10:00:00+05:30"),
				Backlog: []window{span(t, "2026-11-01T10:00:00+05:30", "2026-11-02T11:00:00+05:30")}}},
		{name: "windows that nothing saves",
			saved: progress{Covered: covered, Since: since, First: since,
				Backlog: []window{bogota(t, "11-20 00", "11-10 00"), bogota(t, "11-05 00", "11-06 00"), bogota(t, "11-03 00", "11-05 00")}},
			expected: progress{Covered: back, Rewound: true, Since: since, First: since,
				Backlog: []window{bogota(t, "11-03 00", "11-06 00")}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pl := newPlanner(t)
			if tt.set != nil {
				tt.set(pl)
			}
			requireProgress(t, tt.expected, pl.restore(tt.saved))
		})
	}
}
