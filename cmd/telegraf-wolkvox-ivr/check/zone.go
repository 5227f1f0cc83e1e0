package check

import (
	"fmt"
	"time"

	"telegraf-wolkvox-ivr/plugins/common/hours"
	"telegraf-wolkvox-ivr/plugins/common/wolkvox"
)

// significantCalls is how many calls must be usual in hours that have none before that means anything for the time zone.
const significantCalls = 8

// checkZone finds what the newest calls show of the time zone: none are of hours that have not begun, and where many are usual, some are of
// the hour that is running.
func (t *table) checkZone(r *wolkvox.Report) {
	calendar := t.client.Calendar
	_, newest := callsOf(r.Rows)
	recently := t.now.Add(-farOff) // later ones may not have ended
	current := calendar.HourAt(recently)
	usual := usualCalls(r.Rows)
	missed := 0.0
	for h := max(newest+1, r.Window.From); h <= current; h++ {
		for _, start := range calendar.Starts(h) {
			missed += usual(h) * max(0, min(1, recently.Sub(start).Hours()))
		}
	}
	ahead, late := int(newest-calendar.HourAt(t.now)), int(current-newest)
	switch {
	case newest > calendar.HourAt(t.now.Add(farOff)):
		t.add("time zone", fail, "timezone = %q is too far west: there are calls %d hour(s) ahead of now. If this machine's clock is right, set timezone = %q "+
			"or whatever is the operation's at that distance from UTC", calendar.Location, ahead, fittingZone(calendar.Location, t.now, -ahead))
	case missed >= significantCalls:
		t.add("time zone", warn, "timezone = %q seems to be too far east: the newest calls are %d hour(s) old, though %.0f would be usual since. If "+
			"nobody has called since, all is well; else set timezone = %q or whatever is the operation's at that distance from UTC",
			calendar.Location, late, missed, fittingZone(calendar.Location, t.now, late))
	case late > 0:
		t.add("time zone", good, "too few calls to tell whether timezone = %q fits: try again when there are calls all the time", calendar.Location)
	default:
		t.add("time zone", good, "timezone = %q fits: calls reach the running hour, and none lie ahead", calendar.Location)
	}
}

// usualCalls returns how many calls are to be expected in an hour: as many as a week before, or in the mean of the days before, whichever is
// less.
func usualCalls(rows []wolkvox.Row) func(hours.Hour) float64 {
	calls := make(map[hours.Hour]int64, len(rows))
	for _, r := range rows {
		calls[r.Hour] += r.Calls
	}
	return func(h hours.Hour) float64 {
		sum := int64(0)
		for days := hours.Hour(1); days <= checkedDays; days++ {
			sum += calls[h-days*hours.Day]
		}
		return min(float64(sum)/checkedDays, float64(calls[h-checkedDays*hours.Day]))
	}
}

// fittingZone names a time zone that is so many hours to the west of the one given.
func fittingZone(location *time.Location, now time.Time, west int) string {
	_, offset := now.In(location).Zone()
	offset -= west * 3600
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
