package hours

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func location(t *testing.T, name string) *time.Location {
	t.Helper()
	l, err := time.LoadLocation(name)
	require.NoError(t, err)
	return l
}

// hour parses an hour such as "2026-11-22T14".
func hour(t *testing.T, text string) (h Hour) {
	t.Helper()
	require.NoError(t, h.UnmarshalText([]byte(text)))
	return h
}

//promise:dst
func TestCalendar(t *testing.T) {
	for name, tt := range map[string]struct {
		zone, instant, hour string
		starts              string // of that hour
	}{
		"plain":                    {"America/Bogota", "2026-11-22T14:59:59-05:00", "2026-11-22T14", "2026-11-22T14:00:00-05:00"},
		"border":                   {"America/Bogota", "2026-11-22T15:00:00-05:00", "2026-11-22T15", "2026-11-22T15:00:00-05:00"},
		"half-hour zone":           {"Asia/Kolkata", "2026-11-22T14:29:00+05:30", "2026-11-22T14", "2026-11-22T14:00:00+05:30"},
		"quarter-hour zone":        {"Asia/Kathmandu", "2026-11-22T14:14:00+05:45", "2026-11-22T14", "2026-11-22T14:00:00+05:45"},
		"before set forward":       {"Europe/Madrid", "2026-03-29T01:30:00+01:00", "2026-03-29T01", "2026-03-29T01:00:00+01:00"},
		"after set forward":        {"Europe/Madrid", "2026-03-29T03:30:00+02:00", "2026-03-29T03", "2026-03-29T03:00:00+02:00"},
		"set back, first":          {"Europe/Madrid", "2026-10-25T02:30:00+02:00", "2026-10-25T02", "2026-10-25T02:00:00+02:00 2026-10-25T02:00:00+01:00"},
		"set back, second":         {"Europe/Madrid", "2026-10-25T02:30:00+01:00", "2026-10-25T02", "2026-10-25T02:00:00+02:00 2026-10-25T02:00:00+01:00"},
		"set back at midnight":     {"America/Santiago", "2026-04-04T23:30:00-04:00", "2026-04-04T23", "2026-04-04T23:00:00-03:00 2026-04-04T23:00:00-04:00"},
		"midnight repeats":         {"America/Havana", "2026-11-01T00:30:00-05:00", "2026-11-01T00", "2026-11-01T00:00:00-04:00 2026-11-01T00:00:00-05:00"},
		"hour of 30 minutes":       {"Australia/Lord_Howe", "2026-10-04T02:59:00+11:00", "2026-10-04T02", "2026-10-04T02:30:00+11:00"},
		"hour of 90 minutes":       {"Australia/Lord_Howe", "2026-04-05T01:40:00+10:30", "2026-04-05T01", "2026-04-05T01:00:00+11:00"},
		"hour of 15 minutes":       {"Pacific/Chatham", "2026-09-27T03:50:00+13:45", "2026-09-27T03", "2026-09-27T03:45:00+13:45"},
		"set back within an hour":  {"Pacific/Chatham", "2026-04-05T02:50:00+12:45", "2026-04-05T02", "2026-04-05T02:00:00+13:45 2026-04-05T02:45:00+12:45"},
		"before a day was skipped": {"Pacific/Apia", "2011-12-29T23:30:00-10:00", "2011-12-29T23", "2011-12-29T23:00:00-10:00"},
		"after a day was skipped":  {"Pacific/Apia", "2011-12-31T00:30:00+14:00", "2011-12-31T00", "2011-12-31T00:00:00+14:00"},
	} {
		t.Run(name, func(t *testing.T) {
			c := Calendar{location(t, tt.zone)}
			instant, err := time.Parse(time.RFC3339, tt.instant)
			require.NoError(t, err)
			h := c.HourAt(instant)
			require.Equal(t, hour(t, tt.hour), h)
			var starts []string
			for _, start := range c.Starts(h) {
				starts = append(starts, start.In(c.Location).Format(time.RFC3339))
			}
			require.Equal(t, tt.starts, strings.Join(starts, " "))
		})
	}
	require.Empty(t, Calendar{location(t, "Europe/Madrid")}.Starts(hour(t, "2026-03-29T02")), "a skipped hour")
	require.Empty(t, Calendar{location(t, "America/Santiago")}.Starts(hour(t, "2026-09-06T00")), "a skipped midnight")
	require.Empty(t, Calendar{location(t, "Pacific/Apia")}.Starts(hour(t, "2011-12-30T12")), "a skipped day")
}

//promise:dst
func TestEndOfDay(t *testing.T) {
	for zone, instants := range map[string][2]string{
		"America/Bogota":   {"2026-11-22T14:30:00-05:00", "2026-11-23T00:00:00-05:00"},
		"America/Santiago": {"2026-09-05T14:30:00-04:00", "2026-09-06T01:00:00-03:00"},
		"America/Havana":   {"2026-10-31T14:30:00-04:00", "2026-11-01T00:00:00-04:00"},
		"Pacific/Apia":     {"2011-12-29T14:30:00-10:00", "2011-12-31T00:00:00+14:00"},
	} {
		c := Calendar{location(t, zone)}
		instant, err := time.Parse(time.RFC3339, instants[0])
		require.NoError(t, err)
		require.Equal(t, instants[1], c.EndOfDay(instant).Format(time.RFC3339))
	}
}

func TestHourAsText(t *testing.T) {
	h := HourOf(2026, 1, 18, 16)
	require.Equal(t, "2026-01-18 16:00", h.String())
	require.Equal(t, 16, h.OfDay())
	require.Equal(t, HourOf(2026, 1, 18, 0), h.startOfDay())
	require.Equal(t, HourOf(2026, 1, 19, 0), h.endOfDay())
	require.Equal(t, h, hour(t, "2026-01-18T16"))
	require.Error(t, h.UnmarshalText([]byte("2026-01-18")))
}

// Sets behave like sets of single hours.
func TestSet(t *testing.T) {
	const most = 40
	random := rand.New(rand.NewPCG(1, 2))
	window := func() Window {
		from := random.IntN(most)
		return Window{Hour(from), Hour(min(from+random.IntN(8), most))}
	}
	for range 1000 {
		var sets [2]Set
		var has [2][most]bool
		for i := range sets {
			for range random.IntN(6) {
				w := window()
				sets[i] = sets[i].Add(w)
				for h := w.From; h < w.To; h++ {
					has[i][h] = true
				}
			}
		}
		a, b, w := sets[0], sets[1], window()
		before := slices.Clone(a)
		for name, c := range map[string]struct {
			set Set
			has func(h Hour) bool
		}{
			"unchanged": {a, func(h Hour) bool { return has[0][h] }},
			"union":     {a.Union(b), func(h Hour) bool { return has[0][h] || has[1][h] }},
			"without":   {a.Without(b), func(h Hour) bool { return has[0][h] && !has[1][h] }},
			"intersect": {a.Intersect(b), func(h Hour) bool { return has[0][h] && has[1][h] }},
			"add":       {a.Add(w), func(h Hour) bool { return has[0][h] || w.Contains(h) }},
			"remove":    {a.Remove(w), func(h Hour) bool { return has[0][h] && !w.Contains(h) }},
			"within":    {a.Within(w), func(h Hour) bool { return has[0][h] && w.Contains(h) }},
		} {
			require.True(t, c.set.isValid(), "%s: %v %v %v", name, a, b, w)
			hours := 0
			for h := range Hour(most) {
				require.Equal(t, c.has(h), c.set.Contains(h), "%s: %v %v %v", name, a, b, w)
				if c.has(h) {
					hours++
				}
			}
			require.Equal(t, hours, c.set.Hours(), name)
		}
		require.Equal(t, before, a, "the set must not change")
	}

	require.False(t, Set{{2, 4}, {4, 5}}.isValid())
	require.False(t, Set{{4, 5}, {1, 2}}.isValid())
	require.False(t, Set{{4, 4}}.isValid())
}

func TestWindowAsJSON(t *testing.T) {
	w := Window{HourOf(2026, 1, 1, 0), HourOf(2026, 1, 2, 5)}
	content, err := json.Marshal(w)
	require.NoError(t, err)
	require.JSONEq(t, `["2026-01-01T00","2026-01-02T05"]`, string(content))
	var back Window
	require.NoError(t, json.Unmarshal(content, &back))
	require.Equal(t, w, back)
	for _, bad := range []string{`[]`, `["2026-01-01T00"]`, `["2026-01-02T00","2026-01-01T00"]`, `["2026-01-01T00","2026-01-01T00"]`, `["x","y"]`, `{}`} {
		require.Error(t, json.Unmarshal([]byte(bad), &back), bad)
	}
}
