package simulator

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Fault is a way in which a request fails, independent of its parameters. Faults apply to requests with a valid token
// that are within the limits on simultaneous requests and on the quota. These requests count towards the quota.
type Fault string

// The faults. Help describes each of them. Faults with a status have the API's text for it, if one is documented.
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

// catalogue lists the faults with their descriptions.
var catalogue = []struct {
	fault Fault
	help  string
}{
	{FaultUnknownAPI, `400, as for an unknown api`},
	{FaultParameters, `400, as for a missing parameter`},
	{FaultNoToken, `401, as without a token`},
	{FaultBadToken, `403, as for an invalid token`},
	{FaultQuota, `403, as when the daily quota is used up`},
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
	{FaultDropped, `the connection closes before Content-Length bytes have been sent`},
	{FaultDroppedChunk, `the connection closes before the last chunk`},
	{FaultReset, `the connection closes without a response`},
	{FaultHang, `no response until the client disconnects`},
	{FaultSlow, `the correct response, in 20 pieces a quarter of a second apart`},
}

// retryAfter is the value of Retry-After, in seconds.
const retryAfter = "30"

// Faults returns all faults.
func Faults() []Fault {
	faults := make([]Fault, len(catalogue))
	for i, entry := range catalogue {
		faults[i] = entry.fault
	}
	return faults
}

// Help returns the description of the fault.
func (f Fault) Help() string {
	for _, entry := range catalogue {
		if entry.fault == f {
			return entry.help
		}
	}
	return ""
}

// ParseFaults parses a list of faults separated by commas. An empty list is all faults, and an unknown fault is an
// error.
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

// failures says which requests fail: the script comes first, then requests fail at random.
type failures struct {
	script []Fault
	rate   float64
	faults []Fault
}

// SetFaults makes each request fail with probability rate, from 0 to 1. The fault is chosen at random from those given,
// or from all faults if none is given. It applies to operations without their own rate, and panics if the rate or a
// fault is invalid.
func (s *Simulator) SetFaults(rate float64, faults ...Fault) {
	s.faultMu.Lock()
	defer s.faultMu.Unlock()
	s.failures.setRate(rate, faults)
}

// SetFaultsFor is like SetFaults, for one operation. A rate of 0 exempts the operation from random faults.
func (s *Simulator) SetFaultsFor(token string, rate float64, faults ...Fault) {
	o := s.operation(token)
	s.faultMu.Lock()
	defer s.faultMu.Unlock()
	s.failuresOf(o).setRate(rate, faults)
}

// Script queues faults for the operation's next requests, after those already queued. An empty Fault is a normal
// response. With an empty token, the faults are for the next requests of any operation whose own queue is empty.
func (s *Simulator) Script(token string, faults ...Fault) {
	for _, fault := range faults {
		if fault != "" {
			mustExist(fault)
		}
	}
	var o *operation
	if token != "" {
		o = s.operation(token)
	}
	s.faultMu.Lock()
	defer s.faultMu.Unlock()
	f := &s.failures
	if o != nil {
		f = s.failuresOf(o)
	}
	f.script = append(f.script, faults...)
}

// failuresOf returns an operation's own failures. A negative rate means that the common rate applies.
func (s *Simulator) failuresOf(o *operation) *failures {
	if s.failuresByOperation[o] == nil {
		s.failuresByOperation[o] = &failures{rate: -1}
	}
	return s.failuresByOperation[o]
}

func (f *failures) setRate(rate float64, faults []Fault) {
	if !(rate >= 0 && rate <= 1) {
		panic(fmt.Sprintf("simulator: a rate must be from 0 to 1, not %v", rate))
	}
	for _, fault := range faults {
		mustExist(fault)
	}
	if len(faults) == 0 {
		faults = Faults()
	}
	f.rate, f.faults = rate, slices.Clone(faults)
}

func mustExist(fault Fault) {
	if !slices.Contains(Faults(), fault) {
		panic(fmt.Sprintf("simulator: there is no fault %q", fault))
	}
}

// nextFault returns the fault for the operation's next request, or "" for none.
func (s *Simulator) nextFault(o *operation) Fault {
	s.faultMu.Lock()
	defer s.faultMu.Unlock()
	own, all := s.failuresByOperation[o], &s.failures
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
	if f.rate <= 0 || s.rng.Float64() >= f.rate {
		return ""
	}
	return f.faults[s.rng.IntN(len(f.faults))]
}

// applyFault returns the response that replaces the normal one because of a fault. Faults of the connection keep the
// normal one: see exchange.send.
func (f Form) applyFault(fault Fault, normal response) response {
	refuse := func(r refusal) response { return f.refuse(r.status, r.status, r.text) }
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
		return response{status: http.StatusForbidden, contentType: jsonType, hasLength: true}
	case FaultNotFound:
		return page(http.StatusNotFound, "Not Found")
	case FaultConflict:
		return f.refuse(http.StatusConflict, http.StatusConflict, "")
	case FaultTooMany:
		resp := f.refuse(http.StatusTooManyRequests, http.StatusTooManyRequests, "TOO MANY REQUESTS")
		resp.header = retry
		return resp
	case FaultServerError:
		return f.refuse(http.StatusInternalServerError, http.StatusInternalServerError, "INTERNAL SERVER ERROR")
	case FaultUnavailable:
		resp := page(http.StatusServiceUnavailable, "Service Unavailable")
		resp.header = retry
		return resp
	case FaultBody403:
		return f.refuse(http.StatusOK, errBadToken.status, errBadToken.text)
	case FaultBody500:
		return f.refuse(http.StatusOK, http.StatusInternalServerError, "INTERNAL SERVER ERROR")
	case FaultHTML:
		return page(http.StatusOK, "Welcome")
	case FaultHTMLError:
		return page(http.StatusBadGateway, "Bad Gateway")
	case FaultEmptyBody:
		return response{status: http.StatusOK, contentType: jsonType, hasLength: true}
	case FaultWrongShape:
		return f.envelope(http.StatusOK, http.StatusOK, "", "1 records were found", `"2026011819"`)
	case FaultNotice:
		normal.body = "<br />\n<b>Notice</b>:  Undefined index: date_ini in <b>/var/www/html/api/v2/reports_manager.php</b> on line <b>512</b><br />\n" +
			normal.body
	case FaultNoticeAfter:
		normal.body += "\nWarning: Undefined array key \"date_ini\" in /var/www/html/api/v2/reports_manager.php on line 512\n"
	case FaultTruncated:
		normal.body = normal.body[:len(normal.body)/2]
		normal.hasLength = true
		return normal
	case FaultDropped:
		normal.hasLength = true
		return normal
	}
	return normal
}
