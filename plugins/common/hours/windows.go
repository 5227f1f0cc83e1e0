package hours

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
)

// longestWindow is the most hours that one request may span (vendor documentation: 31 days).
const longestWindow = 31 * Day

// Window is a range of hours, From inclusive, To exclusive.
type Window struct {
	From, To Hour
}

// Hours returns the number of hours in the window. From must not be after To.
func (w Window) Hours() int { return int(w.To - w.From) }

// IsEmpty reports whether the window has no hour.
func (w Window) IsEmpty() bool { return w.From >= w.To }

// Contains reports whether the hour is in the window.
func (w Window) Contains(h Hour) bool { return w.From <= h && h < w.To }

// String returns the first and the last hour, "2026-01-18 16:00 to 2026-01-18 23:00".
func (w Window) String() string { return fmt.Sprintf("%s to %s", w.From, w.To-1) }

func (w Window) intersect(other Window) Window {
	return Window{max(w.From, other.From), min(w.To, other.To)}
}

// MarshalJSON writes the window as ["2026-01-18T16","2026-01-19T00"].
func (w Window) MarshalJSON() ([]byte, error) { return json.Marshal([2]Hour{w.From, w.To}) }

// UnmarshalJSON reads the format of MarshalJSON. An empty window is an error.
func (w *Window) UnmarshalJSON(content []byte) error {
	var ends []Hour
	if err := json.Unmarshal(content, &ends); err != nil {
		return err
	}
	if len(ends) != 2 || ends[0] >= ends[1] {
		return errors.New("a window must have two hours, the earlier one first")
	}
	w.From, w.To = ends[0], ends[1]
	return nil
}

// Set is a set of hours, stored as sorted, disjoint windows that don't touch. Except for extend, its methods don't modify it.
type Set []Window

// setOf returns the hours of the windows, which may be in any order. It reuses the slice.
func setOf(windows []Window) Set {
	slices.SortFunc(windows, func(a, b Window) int { return int(a.From - b.From) })
	set := windows[:0]
	for _, w := range windows {
		switch last := len(set) - 1; {
		case w.IsEmpty():
		case last >= 0 && w.From <= set[last].To:
			set[last].To = max(set[last].To, w.To)
		default:
			set = append(set, w)
		}
	}
	return set
}

// Add returns the set with the hours of w.
func (s Set) Add(w Window) Set { return s.Union(Set{w}) }

// Remove returns the set without the hours of w.
func (s Set) Remove(w Window) Set { return s.Without(setOf([]Window{w})) }

// extend adds an hour after all others, in place.
func (s *Set) extend(h Hour) {
	if n := len(*s); n > 0 && (*s)[n-1].To == h {
		(*s)[n-1].To++
		return
	}
	*s = append(*s, Window{h, h + 1})
}

// Union returns the hours that are in either set.
func (s Set) Union(other Set) Set { return setOf(slices.Concat(s, other)) }

// Without returns the hours of the set that are not in the other.
func (s Set) Without(other Set) Set {
	rest := make(Set, 0, len(s)+len(other))
	for _, w := range s {
		for len(other) > 0 && other[0].To <= w.From {
			other = other[1:]
		}
		for _, gap := range other {
			if gap.From >= w.To {
				break
			}
			if before := (Window{w.From, gap.From}); !before.IsEmpty() {
				rest = append(rest, before)
			}
			w.From = gap.To
		}
		if !w.IsEmpty() {
			rest = append(rest, w)
		}
	}
	return rest
}

// Intersect returns the hours that are in both sets.
func (s Set) Intersect(other Set) Set { return s.Without(s.Without(other)) }

// Within returns the hours of the set that are in w.
func (s Set) Within(w Window) Set {
	var parts Set
	for _, own := range s {
		if part := own.intersect(w); !part.IsEmpty() {
			parts = append(parts, part)
		}
	}
	return parts
}

// Contains reports whether the hour is in the set.
func (s Set) Contains(h Hour) bool {
	next := sort.Search(len(s), func(i int) bool { return s[i].To > h })
	return next < len(s) && s[next].Contains(h)
}

// Hours returns the number of hours in the set.
func (s Set) Hours() (n int) {
	for _, w := range s {
		n += w.Hours()
	}
	return n
}

// isValid reports whether the windows are non-empty, sorted and don't touch.
func (s Set) isValid() bool {
	var before *Window
	for _, w := range s {
		if w.IsEmpty() || before != nil && w.From <= before.To {
			return false
		}
		before = &w
	}
	return true
}
