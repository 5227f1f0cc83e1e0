package hours

import (
	"encoding/json"
	"math/rand/v2"
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

// hour reads an hour such as "2026-11-22T14".
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
	require.Equal(t, 16, h.Of())
	require.Equal(t, HourOf(2026, 1, 18, 0), h.startOfDay())
	require.Equal(t, HourOf(2026, 1, 19, 0), h.endOfDay())
	require.Equal(t, h, hour(t, "2026-01-18T16"))
	require.Error(t, h.UnmarshalText([]byte("2026-01-18")))
}

func TestSet(t *testing.T) {
	w := func(from, to Hour) Window { return Window{from, to} }
	for name, tt := range map[string]struct {
		set            Set
		w              Window
		added, removed Set
	}{
		"to nothing":     {nil, w(1, 2), Set{w(1, 2)}, Set{}},
		"nothing":        {Set{w(1, 2)}, w(5, 5), Set{w(1, 2)}, Set{w(1, 2)}},
		"before":         {Set{w(5, 6)}, w(1, 2), Set{w(1, 2), w(5, 6)}, Set{w(5, 6)}},
		"touching":       {Set{w(2, 4), w(6, 8)}, w(4, 6), Set{w(2, 8)}, Set{w(2, 4), w(6, 8)}},
		"within":         {Set{w(2, 8)}, w(4, 6), Set{w(2, 8)}, Set{w(2, 4), w(6, 8)}},
		"over the start": {Set{w(4, 8)}, w(2, 6), Set{w(2, 8)}, Set{w(6, 8)}},
		"over the end":   {Set{w(4, 8)}, w(6, 9), Set{w(4, 9)}, Set{w(4, 6)}},
		"over all":       {Set{w(2, 3), w(5, 6), w(8, 9)}, w(1, 7), Set{w(1, 7), w(8, 9)}, Set{w(8, 9)}},
	} {
		t.Run(name, func(t *testing.T) {
			before := append(Set(nil), tt.set...)
			require.Equal(t, tt.added, tt.set.Add(tt.w))
			require.Equal(t, tt.removed, tt.set.Remove(tt.w))
			require.Equal(t, before, tt.set, "the set must stay as it is")
			require.True(t, tt.added.isValid())
			require.Equal(t, tt.added.Hours(), tt.removed.Hours()+tt.w.Hours())
			require.Equal(t, tt.set.Hours(), tt.removed.Hours()+tt.set.Within(tt.w).Hours())
		})
	}
	require.False(t, Set{w(2, 4), w(4, 5)}.isValid())
	require.False(t, Set{w(4, 5), w(1, 2)}.isValid())
	require.False(t, Set{w(4, 4)}.isValid())
	require.True(t, Set{w(1, 3), w(5, 7)}.Contains(5))
	require.False(t, Set{w(1, 3), w(5, 7)}.Contains(3))
}

// Sets are as those of single hours.
func TestSetsOfRandomHours(t *testing.T) {
	const most = 40
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var sets [2]Set
		var has [2][most]bool
		for i := range sets {
			for range random.IntN(6) {
				from := random.IntN(most)
				w := Window{Hour(from), Hour(min(from+random.IntN(8), most))}
				sets[i] = sets[i].Add(w)
				for h := w.From; h < w.To; h++ {
					has[i][h] = true
				}
			}
		}
		a, b := sets[0], sets[1]
		union, without, both := a.Union(b), a.Without(b), a.Intersect(b)
		for _, set := range []Set{union, without, both} {
			require.True(t, set.isValid(), "%v %v", a, b)
		}
		for h := range Hour(most) {
			inA, inB := has[0][h], has[1][h]
			require.Equal(t, inA, a.Contains(h))
			require.Equal(t, inA || inB, union.Contains(h), "%v %v", a, b)
			require.Equal(t, inA && !inB, without.Contains(h), "%v %v", a, b)
			require.Equal(t, inA && inB, both.Contains(h), "%v %v", a, b)
		}
	}
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
