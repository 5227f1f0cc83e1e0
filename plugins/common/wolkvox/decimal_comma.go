package wolkvox

import "strings"

// commaEvidence collects what the rows of a response show about a comma before three digits in minutes: a decimal comma, or a thousands
// separator. A point there is decimal, but may separate thousands if other rows have commas or durations.
type commaEvidence struct {
	hasAmbiguous bool // some rows have such a comma
	hasPoints    bool // some rows have a point before three digits
	hasCommas    bool // some rows have a comma or a duration
	isDecimal    bool // a row proves that the comma is decimal
	isRefuted    bool // a row speaks against that: it has a decimal point, or commas that separate thousands

	// Totals of the ambiguous rows with calls, with the comma read as a thousands separator.
	calls, minutes float64
}

// These limit the mean minutes per call: an interpretation with another mean is wrong.
const (
	minPerCall = 1.0 / 60
	maxPerCall = 60
)

// add takes note of the minutes of a row. calls are the row's calls, or 0 if they can't be read.
func (c *commaEvidence) add(minutes string, calls int64) {
	whole, fraction, hasComma := strings.Cut(minutes, ",")
	c.hasCommas = c.hasCommas || hasComma || strings.Contains(minutes, ":")
	switch {
	case mayHaveThousandsPoint(minutes):
		c.hasPoints = true
	case !hasComma:
		c.isRefuted = c.isRefuted || strings.Contains(minutes, ".")
	case !isDigits(whole) || !isDigits(fraction):
		c.isRefuted = true
	case !mayBeThousands(whole, fraction):
		c.isDecimal = true
	default:
		c.hasAmbiguous = true
		if value, ok := parseMinutes(minutes, true); ok && calls > 0 {
			c.calls += float64(calls)
			c.minutes += 1000 * value
		}
	}
}

// addUnreadableCalls takes note of calls that can't be read: a comma in them separates thousands.
func (c *commaEvidence) addUnreadableCalls(calls string) {
	c.isRefuted = c.isRefuted || strings.Contains(calls, ",")
}

// arePointsAmbiguous reports whether a point before three digits is ambiguous. wereDecimal is the result of areCommasDecimal for earlier
// responses.
func (c *commaEvidence) arePointsAmbiguous(wereDecimal bool) bool {
	return c.hasPoints && (c.hasCommas || wereDecimal && !c.isRefuted)
}

// areCommasDecimal reports whether commas in ambiguous rows are decimal. wereDecimal is the result for earlier responses.
func (c *commaEvidence) areCommasDecimal(wereDecimal bool) bool {
	switch {
	case c.isRefuted, c.minutes/1000 < minPerCall*c.calls:
		return false
	case c.isDecimal:
		return true
	}
	return wereDecimal || c.minutes > maxPerCall*c.calls
}
