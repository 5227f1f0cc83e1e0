package wolkvox

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/tidwall/gjson"
)

// Limits of the API (vendor documentation).
const (
	MinInterval     = 5 * time.Minute // between requests
	QuotaPerLicence = 1000            // requests per day and licence of an operation
)

// Quota is the number of requests that an operation may make and has made today, from the response of QuotaAPI (vendor documentation).
type Quota struct {
	Limit     int // token_limit
	ByToken   int // token_use_today
	Used      int // all_token_today, for the whole operation
	Available int // available_consumption_options
}

// String returns the quota for messages.
func (q Quota) String() string {
	return fmt.Sprintf("quota of %d requests per day: %d used today (%d with this token), %d left", q.Limit, q.Used, q.ByToken, q.Available)
}

// FindQuota searches the body for the keys of a quota at any level, because no sample response has been published.
func FindQuota(body []byte) (q Quota, found bool) {
	content := bytes.TrimSpace(bytes.TrimPrefix(body, []byte(byteOrderMark)))
	if checkJSON(content) != nil {
		return Quota{}, false
	}
	numbers := make(map[string]int)
	findNumbers(gjson.ParseBytes(content), maxDepth, numbers)
	if q.Limit = numbers["token_limit"]; q.Limit == 0 {
		return Quota{}, false
	}
	q.ByToken = numbers["token_use_today"]
	all, hasAll := numbers["all_token_today"]
	q.Used = max(all, q.ByToken)
	available, hasAvailable := numbers["available_consumption_options"]
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

const (
	maxCalls = 1_000_000_000 // exceeds any quota
	maxDepth = 8             // nesting around a number
)

// quotaKeys are the keys of a quota (vendor documentation).
var quotaKeys = []string{"token_limit", "token_use_today", "all_token_today", "available_consumption_options"}

// findNumbers adds whole numbers, or strings that contain one, found under the keys of a quota. The first of each key counts.
func findNumbers(content gjson.Result, depth int, numbers map[string]int) {
	if depth == 0 || !content.IsObject() && !content.IsArray() {
		return
	}
	content.ForEach(func(key, value gjson.Result) bool {
		_, found := numbers[key.Str]
		if text, _ := textOf(value); !found && !isPlaceholder(text) && slices.Contains(quotaKeys, key.Str) {
			if n, ok := parseCalls(text); ok && n < maxCalls {
				numbers[key.Str] = int(n)
			}
		}
		findNumbers(value, depth-1, numbers)
		return true
	})
}
