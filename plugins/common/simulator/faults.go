package simulator

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Fault is a way in which a request goes wrong, whatever it asked for. Faults meet requests with a valid token that no rule on
// simultaneity or quota refuses; they count towards the quota.
type Fault string

// The faults; Help tells each one's effect. Those with a status are answered with the API's text for it, where one is documented.
const (
	FaultUnknownAPI       Fault = "unknown-api"
	FaultParameters       Fault = "parameters"
	FaultNoToken          Fault = "no-token"
	FaultBadToken         Fault = "bad-token"
	FaultQuota            Fault = "quota"
	FaultSimultaneous     Fault = "simultaneous"
	FaultMaintenance      Fault = "maintenance"
	FaultMaintenanceEmpty Fault = "maintenance-empty"
	FaultNoRecords        Fault = "no-records"
	FaultNotFound         Fault = "not-found"
	FaultConflict         Fault = "conflict"
	FaultTooMany          Fault = "too-many"
	FaultServerError      Fault = "server-error"
	FaultUnavailable      Fault = "unavailable"
	FaultBody403          Fault = "body-403"
	FaultBody500          Fault = "body-500"
	FaultHTML             Fault = "html"
	FaultHTMLError        Fault = "html-error"
	FaultEmptyBody        Fault = "empty-body"
	FaultWrongShape       Fault = "wrong-shape"
	FaultNotice           Fault = "notice"
	FaultNoticeAfter      Fault = "notice-after"
	FaultTruncated        Fault = "truncated"
	FaultDropped          Fault = "dropped"
	FaultDroppedChunk     Fault = "dropped-chunk"
	FaultReset            Fault = "reset"
	FaultHang             Fault = "hang"
	FaultSlow             Fault = "slow"
)

// catalogue lists the faults with their effects.
var catalogue = []struct {
	fault Fault
	help  string
}{
	{FaultUnknownAPI, `400, as for an unknown api`},
	{FaultParameters, `400, as for a missing parameter`},
	{FaultNoToken, `401, as without a token`},
	{FaultBadToken, `403, as for an invalid token`},
	{FaultQuota, `403, as when the daily quota is spent`},
	{FaultSimultaneous, `403, as when the token is in use`},
	{FaultMaintenance, `403 "API consumption is temporarily disabled"`},
	{FaultMaintenanceEmpty, `403 without a body`},
	{FaultNoRecords, `404 "Validate dates entered", even if there are records`},
	{FaultNotFound, `404 with an HTML page`},
	{FaultConflict, `409`},
	{FaultTooMany, `429 with Retry-After`},
	{FaultServerError, `500`},
	{FaultUnavailable, `503 with Retry-After`},
	{FaultBody403, `200, but the body has code 403 and the text of an invalid token`},
	{FaultBody500, `200, but the body has code 500`},
	{FaultHTML, `200 with an HTML page`},
	{FaultHTMLError, `502 with an HTML page`},
	{FaultEmptyBody, `200 without a body`},
	{FaultWrongShape, `200, data is a string`},
	{FaultNotice, `the correct response after a PHP notice`},
	{FaultNoticeAfter, `the correct response before a PHP warning without tags`},
	{FaultTruncated, `JSON cut in the middle, with a matching Content-Length`},
	{FaultDropped, `the connection closes before Content-Length bytes`},
	{FaultDroppedChunk, `the connection closes before the last chunk`},
	{FaultReset, `the connection closes without a response`},
	{FaultHang, `no response until the client disconnects`},
	{FaultSlow, `the correct response, in 20 pieces a quarter of a second apart`},
}

// retryAfter is what Retry-After says, in seconds.
const retryAfter = "30"

// Faults lists all faults.
func Faults() []Fault {
	faults := make([]Fault, len(catalogue))
	for i, entry := range catalogue {
		faults[i] = entry.fault
	}
	return faults
}

// Help says what the fault does.
func (f Fault) Help() string {
	for _, entry := range catalogue {
		if entry.fault == f {
			return entry.help
		}
	}
	return ""
}

// ParseFaults reads a list of faults separated by commas; an empty one is all faults.
func ParseFaults(list string) ([]Fault, error) {
	if strings.TrimSpace(list) == "" {
		return Faults(), nil
	}
	var faults []Fault
	for name := range strings.SplitSeq(list, ",") {
		fault := Fault(strings.TrimSpace(name))
		if !slices.Contains(Faults(), fault) {
			return nil, fmt.Errorf("there is no fault %q", fault)
		}
		faults = append(faults, fault)
	}
	return faults, nil
}

// failures is what shall go wrong: first the script, then some requests by chance.
type failures struct {
	script []Fault
	rate   float64
	faults []Fault
}

// SetFaults makes requests fail with the probability rate, from 0 to 1, each time with one of the faults, or of all faults when none are
// named. It holds for operations without a rate of their own.
func (s *Simulator) SetFaults(rate float64, faults ...Fault) {
	s.chance.Lock()
	defer s.chance.Unlock()
	s.failures.setRate(rate, faults)
}

// SetFaultsFor is SetFaults for one operation; a rate of 0 then keeps it free from faults by chance.
func (s *Simulator) SetFaultsFor(token string, rate float64, faults ...Fault) {
	o := s.operation(token)
	s.chance.Lock()
	defer s.chance.Unlock()
	s.failuresOf(o).setRate(rate, faults)
}

// Script gives the operation's next requests these faults, in order and after those already scripted; an empty Fault is a normal answer.
// With an empty token, the script is for the next requests of any operation that has no script of its own left.
func (s *Simulator) Script(token string, faults ...Fault) {
	for _, fault := range faults {
		if fault != "" {
			mustKnow(fault)
		}
	}
	var o *operation
	if token != "" {
		o = s.operation(token)
	}
	s.chance.Lock()
	defer s.chance.Unlock()
	f := &s.failures
	if o != nil {
		f = s.failuresOf(o)
	}
	f.script = append(f.script, faults...)
}

// failuresOf returns an operation's own failures; until a rate is set, the rate is that of all.
func (s *Simulator) failuresOf(o *operation) *failures {
	if s.perToken[o] == nil {
		s.perToken[o] = &failures{rate: -1}
	}
	return s.perToken[o]
}

func (f *failures) setRate(rate float64, faults []Fault) {
	if !(rate >= 0 && rate <= 1) {
		panic(fmt.Sprintf("simulator: a rate is from 0 to 1, not %v", rate))
	}
	for _, fault := range faults {
		mustKnow(fault)
	}
	if len(faults) == 0 {
		faults = Faults()
	}
	f.rate, f.faults = rate, slices.Clone(faults)
}

func mustKnow(fault Fault) {
	if !slices.Contains(Faults(), fault) {
		panic(fmt.Sprintf("simulator: there is no fault %q", fault))
	}
}

// nextFault says what shall go wrong with a request of the operation, if anything.
func (s *Simulator) nextFault(o *operation) Fault {
	s.chance.Lock()
	defer s.chance.Unlock()
	own, all := s.perToken[o], &s.failures
	for _, f := range []*failures{own, all} {
		if f != nil && len(f.script) > 0 {
			fault := f.script[0]
			f.script = f.script[1:]
			return fault
		}
	}
	f := all
	if own != nil && own.rate >= 0 {
		f = own
	}
	if f.rate <= 0 || s.dice.Float64() >= f.rate {
		return ""
	}
	return f.faults[s.dice.IntN(len(f.faults))]
}

// spoil returns the answer that a fault replaces the right one with. Faults of the connection keep the right one: see exchange.send.
func (f Form) spoil(fault Fault, right answer) answer {
	refuse := func(r refusal) answer { return f.refuse(r.status, r.status, r.text) }
	retry := map[string]string{"Retry-After": retryAfter}
	switch fault {
	case FaultUnknownAPI:
		return refuse(errUnknownAPI)
	case FaultParameters:
		return refuse(errParameters)
	case FaultNoToken:
		return refuse(errNoToken)
	case FaultBadToken:
		return refuse(errBadToken)
	case FaultQuota:
		return refuse(errQuota)
	case FaultSimultaneous:
		return refuse(errSimultaneous)
	case FaultNoRecords:
		return refuse(errNoRecords)
	case FaultMaintenance:
		return f.refuse(http.StatusForbidden, http.StatusForbidden, "API consumption is temporarily disabled")
	case FaultMaintenanceEmpty:
		return answer{status: http.StatusForbidden, contentType: jsonType, measured: true}
	case FaultNotFound:
		return page(http.StatusNotFound, "Not Found")
	case FaultConflict:
		return f.refuse(http.StatusConflict, http.StatusConflict, "")
	case FaultTooMany:
		a := f.refuse(http.StatusTooManyRequests, http.StatusTooManyRequests, "TOO MANY REQUESTS")
		a.header = retry
		return a
	case FaultServerError:
		return f.refuse(http.StatusInternalServerError, http.StatusInternalServerError, "INTERNAL SERVER ERROR")
	case FaultUnavailable:
		a := page(http.StatusServiceUnavailable, "Service Unavailable")
		a.header = retry
		return a
	case FaultBody403:
		return f.refuse(http.StatusOK, errBadToken.status, errBadToken.text)
	case FaultBody500:
		return f.refuse(http.StatusOK, http.StatusInternalServerError, "INTERNAL SERVER ERROR")
	case FaultHTML:
		return page(http.StatusOK, "Welcome")
	case FaultHTMLError:
		return page(http.StatusBadGateway, "Bad Gateway")
	case FaultEmptyBody:
		return answer{status: http.StatusOK, contentType: jsonType, measured: true}
	case FaultWrongShape:
		return f.envelope(http.StatusOK, http.StatusOK, "", "1 records were found", `"2026011819"`)
	case FaultNotice:
		right.body = "<br />\n<b>Notice</b>:  Undefined index: date_ini in <b>/var/www/html/api/v2/reports_manager.php</b> on line <b>512</b><br />\n" +
			right.body
	case FaultNoticeAfter:
		right.body += "\nWarning: Undefined array key \"date_ini\" in /var/www/html/api/v2/reports_manager.php on line 512\n"
	case FaultTruncated:
		right.body = right.body[:len(right.body)/2]
		right.measured = true
		return right
	case FaultDropped:
		right.measured = true
		return right
	}
	return right
}
