package simulator

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	requestLayout  = "20060102150405" // source: vendor documentation
	maxWindowDays  = 31               // calendar days; source: vendor documentation
	maxClockChange = 25 * time.Hour   // more than any clock was ever set forward or back
)

// window is the requested period in local time (see wallOf), from the first to the last second, inclusive.
type window struct{ first, last time.Time }

// windowOf parses the window of a report's parameters. The error is the rule that they break.
func windowOf(query url.Values) (window, error) {
	first, last := query.Get("date_ini"), query.Get("date_end")
	if first == "" || last == "" {
		return window{}, errParameters
	}
	var w window
	var err error
	if w.first, err = parseWall(first); err != nil {
		return window{}, err
	}
	if w.last, err = parseWall(last); err != nil {
		return window{}, err
	}
	if w.last.Before(w.first) {
		return window{}, errDateOrder
	}
	const day = 24 * time.Hour // wall times are in UTC, so every day has 24 hours
	if days := w.last.Truncate(day).Sub(w.first.Truncate(day))/day + 1; days > maxWindowDays {
		return window{}, errDateRange
	}
	return w, nil
}

func parseWall(text string) (time.Time, error) {
	wall, err := time.Parse(requestLayout, text)
	if err != nil || len(text) != len(requestLayout) || strings.Trim(text, "0123456789") != "" { // Parse allows fractions of seconds
		return time.Time{}, errDateFormat
	}
	return wall, nil
}

// row is a row of a report: an hour of the local clock, with its calls that began within the window.
type row struct {
	label time.Time // the hour in local time
	until time.Time // local time at its end
	sum   sum
}

// report returns a row for each hour of the window, with or without calls, as visible at now.
func (o *operation) report(w window, now time.Time) []row {
	var rows []row
	latest := make(map[time.Time]int) // index of the latest row with a label
	end := w.last.Add(time.Second)
	stop := instantOf(end, o.zone).Add(maxClockChange)
	var h hour
	for t := instantOf(w.first, o.zone).Add(-maxClockChange); t.Before(stop); t = h.end() {
		h = hourAt(t)
		from, to := max(0, w.first.Sub(h.wall)), min(h.length, end.Sub(h.wall))
		if from >= to {
			continue
		}
		r := row{label: h.label(), until: h.wall.Add(h.length), sum: o.tallyWithin(h, from, to, now)}
		i, known := latest[r.label]
		if known && (o.RepeatedHour != "twice" || !h.wall.Before(rows[i].until)) {
			rows[i].sum.add(r.sum)
			rows[i].until = r.until
			continue
		}
		latest[r.label] = len(rows)
		rows = append(rows, r)
	}
	if o.RepeatedHour != "twice" { // a clock may be set back into another hour
		slices.SortStableFunc(rows, func(a, b row) int { return a.label.Compare(b.label) })
	}
	return rows
}

// stray returns a row for the hour before the window. It counts only calls that lasted beyond the hour's end, or one
// short call if there are none.
func (o *operation) stray(w window, now time.Time) row {
	label := w.first.Truncate(time.Hour).Add(-time.Hour)
	h := hourAt(instantOf(label, o.zone))
	late := sum{}
	for c := range o.calls(h) {
		if ends := c.begin + c.length; ends > h.length && ends <= now.Sub(h.start) {
			late.add(sum{1, c.length})
		}
	}
	if late.calls == 0 {
		late = sum{1, shortestCall * thousandth}
	}
	return row{label: label, sum: late}
}
