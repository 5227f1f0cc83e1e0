package hours

import (
	"fmt"
	"time"
)

// Hour is an hour on an operation's local clock, as its report labels it: the number of hours since 1970-01-01 00:00 on a clock without
// daylight saving time. Every day has 24. An hour that the clock skips never has calls; an hour that it repeats stands for both.
type Hour int64

// Day is the number of hours in a day.
const Day = 24

const textLayout = "2006-01-02T15"

// HourOf returns the hour for a date on the local clock, such as 2026, 1, 18, 16.
func HourOf(year, month, day, hour int) Hour {
	return Hour(time.Date(year, time.Month(month), day, hour, 0, 0, 0, time.UTC).Unix() / 3600)
}

// clock returns the start of the hour on the local clock, as a time in UTC.
func (h Hour) clock() time.Time { return time.Unix(int64(h)*3600, 0).UTC() }

// OfDay returns the hour of the day, 0 to 23.
func (h Hour) OfDay() int { return h.clock().Hour() }

// Format formats the start of the hour on the local clock.
func (h Hour) Format(layout string) string { return h.clock().Format(layout) }

// String returns the hour as "2026-01-18 16:00".
func (h Hour) String() string { return h.Format("2006-01-02 15:00") }

// IsSupported reports whether the hour is in the years 2000 to 2200. Other hours are never requested.
func IsSupported(h Hour) bool { return h >= HourOf(2000, 1, 1, 0) && h < HourOf(2201, 1, 1, 0) }

// startOfDay returns the first hour of the day.
func (h Hour) startOfDay() Hour { return h - Hour(h.OfDay()) }

// endOfDay returns the first hour of the next day.
func (h Hour) endOfDay() Hour { return h.startOfDay() + Day }

// MarshalText writes the hour as "2026-01-18T16".
func (h Hour) MarshalText() ([]byte, error) { return []byte(h.Format(textLayout)), nil }

// UnmarshalText parses the format of MarshalText.
func (h *Hour) UnmarshalText(text []byte) error {
	t, err := time.Parse(textLayout, string(text))
	if err != nil {
		return fmt.Errorf("%q is not an hour such as %s", text, textLayout)
	}
	*h = Hour(t.Unix() / 3600)
	return nil
}

// Figures are the totals of one hour.
type Figures struct {
	Calls   int64
	Minutes float64
}

// Reading is what one response shows for an hour: silence (no row, or a row of zeros), one row, or two rows if the clock repeats the hour
// and the report lists both. Readings are comparable.
type Reading struct {
	Rows          int // 0 to 2
	First, Second Figures
}

// hasCalls reports whether the reading is not silence.
func (r Reading) hasCalls() bool { return r.First != Figures{} || r.Second != Figures{} }
