package wolkvox_ivr

import (
	"fmt"
	"time"
)

const (
	// slowClock is how far a clock may be off without a time zone being suspected.
	slowClock = 15 * time.Minute
	// proofHours is how many hours in a row must show their first calls late for the time zone to be too far east, and
	// proofHoursByOne if they are late by a single hour, as long calls can be.
	proofHours      = 3
	proofHoursByOne = 8
	// farthestZones is how many hours two time zones can be apart, in which the same date is not yet over.
	farthestZones = 14
)

// zoneWatch finds out from the answers whether the time zone is wrong, or the clock.
type zoneWatch struct {
	newest time.Time // hour with calls
	lag    int       // hours after which such an hour appeared, at the least
	late   int       // hours in a row that appeared late
	east   int       // hours that the zone is too far east; 0 if it isn't known to be
	isSaid [2]bool   // east, west
}

// observe takes in the newest hour with calls of an answer that begins with it or earlier, and reaches to the end of the
// running hour at least. It returns what to say, if anything.
func (z *zoneWatch) observe(c calendar, now, newest time.Time, interval time.Duration) string {
	current := c.floor(now)
	if isEarly := now.Sub(current) < slowClock; isEarly && newest.Before(current) { // it may have no calls yet
		if interval < time.Hour-slowClock {
			return ""
		}
		current = c.last(current)
	}
	switch {
	case newest.Sub(now) > slowClock:
		*z = zoneWatch{isSaid: z.isSaid}
		return z.say(c, now, -hoursBetween(current, newest))
	case !newest.Before(current):
		*z = zoneWatch{isSaid: z.isSaid}
		return ""
	}
	isNew := !z.newest.IsZero() && newest.After(z.newest)
	z.newest = newest
	if !isNew {
		return ""
	}
	lag := hoursBetween(newest, current)
	if z.late == 0 || lag < z.lag {
		z.lag = lag
	}
	z.late++
	if z.late < proofHours || z.lag == 1 && z.late < proofHoursByOne {
		return ""
	}
	z.east = z.lag
	return z.say(c, now, z.lag)
}

func hoursBetween(from, to time.Time) int {
	return int(to.Sub(from).Round(time.Hour) / time.Hour)
}

// say returns the warning that the zone is so many hours too far east, or west if they are negative, unless it was returned before.
func (z *zoneWatch) say(c calendar, now time.Time, hours int) string {
	side, direction, seen := 0, "east", fmt.Sprintf("the newest calls are always %d hour(s) old", hours)
	if hours < 0 {
		side, direction, seen = 1, "west", fmt.Sprintf("there are calls %d hour(s) ahead of now", -hours)
	}
	if z.isSaid[side] {
		return ""
	}
	z.isSaid[side] = true
	if hours > farthestZones || hours < -farthestZones {
		return "this machine's clock seems to be wrong, as no time zone can be so far: " + seen
	}
	return fmt.Sprintf("timezone = %q seems to be too far %s: %s. If this machine's clock is right, set timezone = %q or whatever is the "+
		"operation's at that distance from UTC; what was read is then read again", c.location, direction, seen, fittingZone(c.location, now, hours))
}

// fittingZone names a time zone that is so many hours to the west of the one given.
func fittingZone(location *time.Location, now time.Time, hours int) string {
	_, offset := now.In(location).Zone()
	offset -= hours * 3600
	for _, name := range []string{
		"America/Bogota", "America/Mexico_City", "America/Santiago", "America/La_Paz", "America/Argentina/Buenos_Aires",
		"America/Hermosillo", "America/Tijuana", "Europe/Madrid", "UTC",
	} {
		if candidate, err := time.LoadLocation(name); err == nil {
			if _, seconds := now.In(candidate).Zone(); seconds == offset {
				return name
			}
		}
	}
	return fmt.Sprintf("Etc/GMT%+d", -offset/3600)
}
