package wolkvox

import "strings"

// commas is what the rows of a response show of how to read a comma before three digits of their minutes: as decimal, or as thousands. A
// point there is decimal, but may mean thousands where other rows have commas or durations.
type commas struct {
	areAmbiguous bool // there are such rows
	hasPoints    bool // there are rows with a point before three digits
	isMixed      bool // a row has a comma, or a duration
	isDecimal    bool // a row proves that a comma is decimal
	isOther      bool // a row speaks against that: it has a point that is decimal, or commas of thousands

	// Of the ambiguous rows with calls, read as thousands.
	calls, minutes float64
}

// The mean of minutes of a call is between these: a reading that gives another one is wrong.
const (
	leastPerCall = 1.0 / 60
	mostPerCall  = 60
)

// see takes in the minutes of a row, with its calls if they can be read.
func (c *commas) see(minutes string, calls int64) {
	whole, fraction, hasComma := strings.Cut(minutes, ",")
	c.isMixed = c.isMixed || hasComma || strings.Contains(minutes, ":")
	switch {
	case isPointOfThousands(minutes):
		c.hasPoints = true
	case !hasComma:
		c.isOther = c.isOther || strings.Contains(minutes, ".")
	case !isDigits(whole) || !isDigits(fraction):
		c.isOther = true
	case !mayBeThousands(whole, fraction):
		c.isDecimal = true
	default:
		c.areAmbiguous = true
		if value, ok := parseMinutes(minutes, true); ok && calls > 0 {
			c.calls += float64(calls)
			c.minutes += 1000 * value
		}
	}
}

// seeCalls takes in calls that can't be read: a comma in them is one of thousands.
func (c *commas) seeCalls(calls string) {
	c.isOther = c.isOther || strings.Contains(calls, ",")
}

// refusesPoints decides whether a point before three digits can't be read, where decided is what an earlier response has shown of commas.
func (c *commas) refusesPoints(decided bool) bool {
	return c.hasPoints && (c.isMixed || decided && !c.isOther)
}

// areDecimal decides how to read the ambiguous rows, where decided is what an earlier response has shown.
func (c *commas) areDecimal(decided bool) bool {
	switch {
	case c.isOther, c.minutes/1000 < leastPerCall*c.calls:
		return false
	case c.isDecimal:
		return true
	}
	return decided || c.minutes > mostPerCall*c.calls
}
