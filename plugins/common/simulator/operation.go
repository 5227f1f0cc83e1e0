package simulator

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultTimezone    = "America/Bogota"
	defaultPeakCalls   = 120
	requestsPerLicence = 1000 // requests per day; source: vendor documentation
	maxSimultaneous    = 2    // requests per token; source: vendor documentation
)

// Operation is one customer's wolkvox operation.
type Operation struct {
	Server       string    // digits, e.g. "0001"; operations may share a server and are then distinguished by token
	Token        string    // unique in a simulator
	Timezone     string    // IANA time zone of the report's hours; default "America/Bogota"
	Licences     int       // the daily quota is 1000 requests × Licences; default 1
	PeakCalls    float64   // mean number of calls in the busiest hour of the week, up to 1,000,000; default 120
	Since        time.Time // no calls began before it; zero: no limit
	RepeatedHour string    // if daylight saving time repeats an hour: "once" (default, one row with the sum) or "twice" (two rows, in order)
	Form         Form      // form of the responses
}

// operation is an Operation at run time.
type operation struct {
	Operation
	key  uint64 // seed of its calls; stays when the token changes
	zone *time.Location

	form atomic.Pointer[Form]

	mu          sync.Mutex
	inFlight    int
	day         string // local day of the counts below
	used        int
	usedByToken int
}

func newOperation(seed uint64, o Operation) (*operation, error) {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("operation of server %q: %w", o.Server, fmt.Errorf(format, args...))
	}
	if o.Server == "" || strings.Trim(o.Server, "0123456789") != "" {
		return nil, wrong("the server must be digits")
	}
	if o.Token == "" || strings.ContainsAny(o.Token, " \t\r\n") {
		return nil, wrong("the token must not be empty or contain spaces")
	}
	if o.Timezone == "" {
		o.Timezone = defaultTimezone
	}
	zone, err := time.LoadLocation(o.Timezone)
	if err != nil {
		return nil, wrong("time zone: %w", err)
	}
	if o.Licences == 0 {
		o.Licences = 1
	}
	if o.Licences < 0 {
		return nil, wrong("licences must be positive, not %d", o.Licences)
	}
	if o.PeakCalls == 0 {
		o.PeakCalls = defaultPeakCalls
	}
	if !(o.PeakCalls > 0 && o.PeakCalls <= 1_000_000) {
		return nil, wrong("peak calls must be between 0 and 1,000,000, not %v", o.PeakCalls)
	}
	if o.RepeatedHour != "" && o.RepeatedHour != "once" && o.RepeatedHour != "twice" {
		return nil, wrong(`a repeated hour is reported "once" or "twice", not %q`, o.RepeatedHour)
	}
	if err := o.Form.check(); err != nil {
		return nil, wrong("%w", err)
	}

	hash := fnv.New64a()
	_, _ = hash.Write([]byte(o.Server + "\x00" + o.Token)) // never fails
	added := &operation{Operation: o, key: splitMix64(seed ^ splitMix64(hash.Sum64())), zone: zone}
	added.form.Store(&o.Form)
	return added, nil
}

// enter registers a request. It returns how many are in flight, including this one, and the rule that refuses it, if
// any. Each call of enter needs a call of leave, even after a refusal.
func (o *operation) enter(now time.Time) (inFlight int, refusal error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.resetDaily(now)
	o.inFlight++
	if o.used >= o.quota() {
		return o.inFlight, errQuota
	}
	o.used++ // whatever the response; source: vendor documentation
	o.usedByToken++
	if o.inFlight > maxSimultaneous {
		return o.inFlight, errSimultaneous
	}
	return o.inFlight, nil
}

func (o *operation) leave() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.inFlight--
}

func (o *operation) usage(now time.Time) (used, usedByToken int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.resetDaily(now)
	return o.used, o.usedByToken
}

func (o *operation) quota() int { return requestsPerLicence * o.Licences }

// resetDaily resets the counts if the local day has changed.
func (o *operation) resetDaily(now time.Time) {
	if day := now.In(o.zone).Format(time.DateOnly); day != o.day {
		o.day, o.used, o.usedByToken = day, 0, 0
	}
}

// refusal is an error response of the API: its status and text. Source: vendor documentation, unless stated otherwise.
type refusal struct {
	status int
	text   string
}

func (r refusal) Error() string { return r.text }

var (
	errUnknownAPI   = refusal{http.StatusBadRequest, "THE API YOU WANT TO CONSULT DOES NOT EXIST"}
	errParameters   = refusal{http.StatusBadRequest, "SOME PARAMETERS ARE REQUIRED"}
	errNoToken      = refusal{http.StatusUnauthorized, "PLEASE ENTER THE WOLKVOX-TOKEN"}
	errBadToken     = refusal{http.StatusForbidden, "PLEASE VALIDATE TOKEN"}
	errQuota        = refusal{http.StatusForbidden, "TOKEN LIMIT EXCEEDED"}
	errSimultaneous = refusal{http.StatusForbidden, "EXCEEDS THE LIMIT OF SIMULTANEOUS REQUESTS PER TOKEN (2)"}
	errNoRecords    = refusal{http.StatusNotFound, "Validate dates entered"} // source: seen in public clients

	// The API's responses to these are unknown; the texts are invented.
	errMethod     = refusal{http.StatusMethodNotAllowed, "ONLY THE METHOD GET IS ALLOWED"}
	errDateFormat = refusal{http.StatusBadRequest, "DATES MUST HAVE THE FORMAT YYYYMMDDHHIISS"}
	errDateOrder  = refusal{http.StatusBadRequest, "DATE_INI MUST NOT BE LATER THAN DATE_END"}
	errDateRange  = refusal{http.StatusBadRequest, "THE DATES MUST NOT SPAN MORE THAN 31 DAYS"}
)

// refusalOf returns the refusal in err. It panics if there is none, which is a mistake in this package.
func refusalOf(err error) refusal {
	var r refusal
	if !errors.As(err, &r) {
		panic(err)
	}
	return r
}
