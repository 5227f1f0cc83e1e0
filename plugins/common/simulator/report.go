package simulator

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	requestLayout = "20060102150405" // source: vendor documentation
	longestWindow = 31               // calendar days; source: vendor documentation
	longestJump   = 25 * time.Hour   // more than any clock has ever been put forward or back by
)

// window is what a report was asked for, in what the local clock shows (see wallOf): from the first to the last second, both included.
type window struct{ first, last time.Time }

// windowOf reads a report's window from its parameters, or says which rule it breaks.
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
	const day = 24 * time.Hour // as it always is in UTC
	if days := w.last.Truncate(day).Sub(w.first.Truncate(day))/day + 1; days > longestWindow {
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

// row of a report: an hour of the clock, and those of its calls that began within the window.
type row struct {
	label time.Time // the hour, as the local clock shows it
	until time.Time // what the local clock shows at its end
	sum   sum
}

// report returns a row for each hour of the window, with or without calls, as visible at now.
func (o *operation) report(w window, now time.Time) []row {
	var rows []row
	latest := make(map[time.Time]int) // row of a label
	end := w.last.Add(time.Second)
	stop := instantOf(end, o.zone).Add(longestJump)
	var h hour
	for t := instantOf(w.first, o.zone).Add(-longestJump); t.Before(stop); t = h.end() {
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
	if o.RepeatedHour != "twice" { // a clock put back into another hour
		slices.SortStableFunc(rows, func(a, b row) int { return a.label.Compare(b.label) })
	}
	return rows
}

// stray returns a row for the hour before the window, with only those of its calls that lasted beyond its end, and one at least.
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
