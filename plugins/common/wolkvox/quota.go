package wolkvox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Quota is how many requests an operation may make and has made in a day, by the response of QuotaAPI (vendor documentation).
type Quota struct {
	Limit     int // token_limit
	ByToken   int // token_use_today
	Used      int // all_token_today, of the whole operation
	Available int // available_consumption_options
}

// String returns the quota for messages.
func (q Quota) String() string {
	return fmt.Sprintf("%d requests a day, %d used today (%d with this token), %d left", q.Limit, q.Used, q.ByToken, q.Available)
}

// FindQuota looks for the names of the quota in whatever form they come: no response with them has been published.
func FindQuota(body []byte) (q Quota, found bool) {
	decoder := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, []byte(byteOrderMark))))
	decoder.UseNumber()
	var content any
	if decoder.Decode(&content) != nil {
		return Quota{}, false
	}
	if q.Limit, found = findNumber(content, "token_limit"); !found || q.Limit == 0 {
		return Quota{}, false
	}
	q.ByToken, _ = findNumber(content, "token_use_today")
	all, hasAll := findNumber(content, "all_token_today")
	q.Used = max(all, q.ByToken)
	available, hasAvailable := findNumber(content, "available_consumption_options")
	switch {
	case !hasAvailable:
		q.Available = max(q.Limit-q.Used, 0)
	case !hasAll:
		q.Available, q.Used = available, max(q.Used, q.Limit-available)
	default:
		q.Available = available
	}
	return q, true
}

// mostCalls is more than any quota.
const mostCalls = 1_000_000_000

// findNumber looks for a whole number, or a string that is one, under the name at any depth.
func findNumber(content any, name string) (number int, found bool) {
	switch v := content.(type) {
	case map[string]any:
		if n, ok := parseCalls(strings.TrimSpace(fmt.Sprint(v[name]))); ok && n < mostCalls {
			return int(n), true
		}
		for _, inner := range v {
			if n, found := findNumber(inner, name); found {
				return n, true
			}
		}
	case []any:
		for _, inner := range v {
			if n, found := findNumber(inner, name); found {
				return n, true
			}
		}
	}
	return 0, false
}
