package check

import (
	"fmt"
	"time"

	"telegraf-wolkvox-ivr/plugins/common/hours"
	"telegraf-wolkvox-ivr/plugins/common/wolkvox"
)

// significantCalls is how many calls must be usual in a period for their absence to be significant.
const significantCalls = 8

// zoneEvidence is what a report shows about the time zone.
type zoneEvidence struct {
	calendar hours.Calendar
	rows     map[hours.Hour]int64 // calls
	window   hours.Window
	now      time.Time
	newest   hours.Hour // the newest hour with calls
}

// checkZone checks the time zone by the newest calls. The zone fits if the current hour has calls (in a zone too far
// east it would have none yet) and the next hour has none (in a zone too far west it would already have some).
func (t *table) checkZone(r *wolkvox.Report) {
	e := newZoneEvidence(t.client.Calendar, r, t.now)
	tolerance := farOff
	if t.isTimeKnown {
		tolerance = slightlyOff
	}
	current := e.calendar.HourAt(t.now)
	zone, ahead := e.calendar.Location, int(e.newest-current)
	fitting, missed := fittingZone(zone, t.now, -ahead), e.usualSince(e.newest)
	switch {
	case e.newest > e.calendar.HourAt(t.now.Add(tolerance)) && e.newest == e.window.To-1:
		t.add("time zone", fail, "timezone = %q is too far west: the report shows calls up to the end of its day, at least %d hour(s) in the future. "+
			"Run the check again after midnight in that zone to see which zone fits", zone, ahead)
	case e.newest > e.calendar.HourAt(t.now.Add(tolerance)):
		t.add("time zone", fail, "timezone = %q is too far west: the report shows calls %d hour(s) in the future: %s", zone, ahead, adviseZone(fitting))
	case missed >= significantCalls && fitting == "":
		t.add("time zone", warn, "the report is late: its newest calls are %d hour(s) old, although %.0f calls would be usual since "+
			"then. The plugin sends hours once the report shows them",
			-ahead, missed)
	case missed >= significantCalls:
		t.add("time zone", warn, "timezone = %q is too far east, or the report is late: its newest calls are %d hour(s) old, although %.0f calls would be "+
			"usual since then. Compare the plugin's hours with today's report in wolkvox's own interface. If they agree, the report is late, and "+
			"no action is needed. If they differ, %s",
			zone, -ahead, missed, adviseZone(fitting))
	case e.newest == current && e.usualAhead() >= significantCalls && !t.isTimeKnown:
		t.add("time zone", warn, "timezone = %q fits if this machine's clock is right: the report shows calls in the current hour and none in the future", zone)
	case e.newest == current && e.usualAhead() >= significantCalls:
		t.add("time zone", good, "timezone = %q fits: the report shows calls in the current hour and none in the future", zone)
	default:
		t.add("time zone", warn, "can't tell yet whether timezone = %q fits: %s", zone, e.whenToCheck())
	}
}

func newZoneEvidence(calendar hours.Calendar, r *wolkvox.Report, now time.Time) *zoneEvidence {
	e := &zoneEvidence{calendar: calendar, rows: make(map[hours.Hour]int64, len(r.Rows)), window: r.Window, now: now}
	for _, row := range r.Rows {
		e.rows[row.Hour] += row.Calls
	}
	_, e.newest = firstAndNewestCalls(r.Rows)
	return e
}

// usual returns the expected number of calls in an hour: the number a week before or the mean of the days before,
// whichever is less.
func (e *zoneEvidence) usual(h hours.Hour) float64 {
	sum := int64(0)
	for days := hours.Hour(1); days <= checkedDays; days++ {
		sum += e.rows[h-days*hours.Day]
	}
	return min(float64(sum)/checkedDays, float64(e.rows[h-checkedDays*hours.Day]))
}

// usualSince returns the expected number of calls from the end of an hour until farOff ago. Later calls may not have
// ended.
func (e *zoneEvidence) usualSince(newest hours.Hour) (calls float64) {
	recently := e.now.Add(-farOff)
	for h := max(newest+1, e.window.From); h <= e.calendar.HourAt(recently); h++ {
		for _, start := range e.calendar.Starts(h) {
			calls += e.usual(h) * max(0, min(1, recently.Sub(start).Hours()))
		}
	}
	return calls
}

// usualAhead returns how many calls the report would usually show by now in the next hour's row if the zone were one
// hour too far west.
func (e *zoneEvidence) usualAhead() float64 {
	current := e.calendar.HourAt(e.now)
	starts := e.calendar.Starts(current)
	if next := current + 1; len(starts) == 1 && e.window.Contains(next) {
		return e.usual(next) * e.now.Add(-farOff).Sub(starts[0]).Hours()
	}
	return 0
}

// whenToCheck returns when a check can tell whether the time zone fits: within a day, late in an hour that usually has
// enough calls and is followed by another such hour.
func (e *zoneEvidence) whenToCheck() string {
	const late, part = 40 * time.Minute, 0.4 // part is the share of an hour's calls that have ended by late
	current := e.calendar.HourAt(e.now)
	if !e.window.Contains(current + 1) {
		if current.OfDay() < 23 {
			return "the API shows no future hours. Compare today's hours with the report in wolkvox"
		}
		current++
	}
	for h := current; h < current+hours.Day; h++ {
		starts := e.calendar.Starts(h)
		if len(starts) == 0 || h.OfDay() == 23 || part*e.usual(h) < significantCalls || part*e.usual(h+1) < significantCalls {
			continue
		}
		if at := starts[0].Add(late); at.After(e.now) {
			when := at.In(e.calendar.Location).Format("2006-01-02 15:04 -07:00")
			return fmt.Sprintf("check again at %s, when %.0f calls per hour are usual", when, e.usual(h))
		}
	}
	return "there are too few calls at any time of day. Compare today's hours with the report in wolkvox"
}

// adviseZone returns advice about a wrong time zone. fitting is a zone that fits, or "".
func adviseZone(fitting string) string {
	if fitting == "" {
		return "no time zone is that far off, so check this machine's clock"
	}
	return fmt.Sprintf("set timezone = %q, or the operation's own zone with the same offset from UTC. Rows under the wrong hours stay in the "+
		`database: see "Correcting the time zone" in the destinations guide`, fitting)
}

// fittingZone returns a time zone that many hours west of location, or "" if there is none.
func fittingZone(location *time.Location, now time.Time, west int) string {
	_, offset := now.In(location).Zone()
	offset -= west * 3600
	for _, name := range []string{
		"America/Bogota", "America/Mexico_City", "America/Santiago", "America/La_Paz", "America/Argentina/Buenos_Aires",
		"America/Hermosillo", "America/Tijuana", "Europe/Madrid", "UTC", fmt.Sprintf("Etc/GMT%+d", -offset/3600),
	} {
		if candidate, err := time.LoadLocation(name); err == nil {
			if _, seconds := now.In(candidate).Zone(); seconds == offset {
				return name
			}
		}
	}
	return ""
}
