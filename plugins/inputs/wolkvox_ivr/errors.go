package wolkvox_ivr

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// kind is a class of failures: what happened, and what to do about it.
type kind struct {
	name      string // in the plugin's own statistics
	what      string
	advice    string
	transient bool // it may pass within a gather
	general   bool // any window would fail, not just the one asked for
}

var (
	failedToken = &kind{name: "token", what: "the token was not accepted", general: true,
		advice: "check that token is the operation's valid wolkvox-token and that server is that operation's server"}
	failedQuota = &kind{name: "quota", what: "the operation's daily quota of API calls is spent", general: true,
		advice: "nothing is lost, the hours are read when it is renewed; " +
			"if this comes again, set a longer interval or find which other clients use the operation's tokens"}
	failedBusy = &kind{name: "busy", what: "the token is being used by another client at the same time", transient: true, general: true,
		advice: "give Telegraf a token of its own"}
	failedDisabled = &kind{name: "disabled", what: "the API is temporarily disabled or refuses access", transient: true,
		advice: "wolkvox does so for maintenance and backups: the hours missed are read when it is back"}
	failedRequest = &kind{name: "request", what: "the API does not accept the request",
		advice: "check url if it is set, and whether there is a newer version of this plugin"}
	failedNotFound = &kind{name: "not_found", what: "there is no such report or server",
		advice: "check server, and url if it is set"}
	failedOverload = &kind{name: "overload", what: "the API has too many requests", transient: true, general: true,
		advice: "the hours missed are read later; if this comes again, set a longer interval or collection_jitter"}
	failedServer = &kind{name: "server", what: "the server failed", transient: true,
		advice: "the hours missed are read when it is back"}
	failedAnswer = &kind{name: "answer", what: "the answer is no report", transient: true,
		advice: "check url and any proxy in between; if they are right, wait: the hours missed are read later"}
	failedConnection = &kind{name: "connection", what: "the server can't be reached", transient: true,
		advice: "check the network, proxy settings, and that this machine's public address is registered in the operation's firewall at wolkvox"}
	failedTimeout = &kind{name: "timeout", what: "the server gave no whole answer in time", transient: true,
		advice: "check that this machine's public address is registered in the operation's firewall at wolkvox; the hours missed are read later"}
	failedTLS = &kind{name: "tls", what: "no trusted connection to the server", general: true,
		advice: "check this machine's clock and its certificates, tls_ca, and any proxy in between"}
	failedRedirect = &kind{name: "redirect", what: "the server redirects, which is not followed", general: true,
		advice: "check url"}

	kinds = []*kind{failedToken, failedQuota, failedBusy, failedDisabled, failedRequest, failedNotFound, failedOverload,
		failedServer, failedAnswer, failedConnection, failedTimeout, failedTLS, failedRedirect}
)

// apiError is a failure of the API or of the way to it.
type apiError struct {
	kind       *kind
	detail     string        // what was seen, with the API's own words in quotes
	retryAfter time.Duration // how long the API asks to wait
}

func (e *apiError) Error() string {
	return fmt.Sprintf("%s: %s", e.seen(), e.kind.advice)
}

// seen is the error without what to do about it.
func (e *apiError) seen() string {
	return fmt.Sprintf("%s (%s)", e.kind.what, e.detail)
}

// maxSaid bounds what is quoted of the API's words, in bytes.
const maxSaid = 200

// texts are the words of the API's errors, in lower case, and what they mean (vendor documentation).
var texts = []struct {
	words string
	kind  *kind
}{
	{"token limit exceeded", failedQuota},
	{"simultaneous requests", failedBusy},
	{"validate token", failedToken},
	{"enter the wolkvox-token", failedToken},
	{"api you want to consult does not exist", failedRequest},
	{"parameters are required", failedRequest},
	{"temporarily disabled", failedDisabled},
	{"maintenance", failedDisabled},
	{"mantenimiento", failedDisabled},
}

// classify returns the failure that an answer tells of, if it does: HTTP status, body code and text may each tell it.
// err is that of reading the body, of which a is the content.
func classify(resp *http.Response, a *answer, err error, token string, now time.Time) error {
	isSuccess := resp.StatusCode >= 200 && resp.StatusCode <= 299
	if err != nil && isSuccess {
		return bodyError(resp, err, token)
	}

	status, said := resp.StatusCode, ""
	if a != nil {
		if said = a.failure; a.message != a.failure {
			said = strings.TrimSpace(said + " " + a.message)
		}
		code, isNumber := a.statusCode()
		switch {
		case !isSuccess || saysNothing.MatchString(a.code):
		case isNumber:
			status, isSuccess = code, code >= 200 && code <= 299
		case len(a.rows) == 0:
			isSuccess = false // "error", for instance
		}
	}

	text := strings.Join(strings.Fields(strings.ToLower(said)), " ")
	switch isError := kindOfText(text) != nil; {
	case isSuccess && a.wrongShape && !isError:
		return bodyError(resp, errShape, token)
	case isSuccess && len(a.rows)+a.unreadable > 0:
		return nil
	case isSuccess && a.strays > 0:
		return &apiError{kind: failedAnswer, detail: fmt.Sprintf("all of its %d row(s) are of hours that were not asked for, such as %s", a.strays, a.stray)}
	case (isSuccess || status == http.StatusNotFound) && !isError && noRecords.MatchString(text):
		return nil
	case isSuccess && a.hasData && a.failure == "" && !isError && (text == "" || success.MatchString(text)):
		return nil
	}

	failure := &apiError{kind: kindOf(status, text), retryAfter: retryAfter(resp, now)}
	switch {
	case said != "":
		failure.detail = fmt.Sprintf("HTTP status %d, %s", resp.StatusCode, quote(redact(said, token), maxSaid))
	case err != nil:
		failure.detail = fmt.Sprintf("HTTP status %d, content type %s", resp.StatusCode, contentType(resp, token))
	default:
		failure.detail = fmt.Sprintf("HTTP status %d, no message", resp.StatusCode)
	}
	if a != nil && a.code != "" && a.code != strconv.Itoa(resp.StatusCode) {
		failure.detail += ", code " + quote(redact(a.code, token), maxSaid)
	}
	return failure
}

// statusCode returns the body's code as a number, which 200.0 is, too.
func (a *answer) statusCode() (code int, isNumber bool) {
	number, err := strconv.ParseFloat(a.code, 64)
	return int(number), err == nil && number == math.Trunc(number) && math.Abs(number) < 1000
}

var (
	// noRecords matches what means that the window has no records. "Validate dates entered" does so when the dates are
	// fine (seen in live answers of a sibling report).
	noRecords = regexp.MustCompile(`validate dates entered|\b(0|no|sin) (records?|registros?|results?|resultados?|data|datos)\b|` +
		`no (existen|hay|tiene|se encontraron) (registros|resultados|datos|información)|no se encontraron`)
	// success matches what is said beside records. Its count is unreliable (seen in live answers of sibling reports).
	success = regexp.MustCompile(`^(\d+ )?(records? (were|was) found|registros? encontrados?|ok|success|successful|null)\.?$`)
	// saysNothing matches a code that is neither a success nor a failure.
	saysNothing = regexp.MustCompile(`(?i)^(|null|true|ok|success)$`)
)

func kindOfText(text string) *kind {
	for _, t := range texts {
		if strings.Contains(text, t.words) {
			return t.kind
		}
	}
	return nil
}

func kindOf(status int, text string) *kind {
	if k := kindOfText(text); k != nil {
		return k
	}
	switch {
	case status >= 200 && status <= 299:
		return failedAnswer
	case status == http.StatusUnauthorized:
		return failedToken
	case status == http.StatusForbidden:
		return failedDisabled
	case status == http.StatusNotFound:
		return failedNotFound
	case status == http.StatusConflict:
		return failedBusy
	case status == http.StatusTooManyRequests:
		return failedOverload
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		return failedServer
	case status >= 500:
		return failedServer
	}
	return failedRequest
}

// bodyError classifies an error in reading the body of an answer with a status of success.
func bodyError(resp *http.Response, err error, token string) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if isTimeout(err) {
		return &apiError{kind: failedTimeout, detail: "the answer did not end"}
	}
	reason := redact(err.Error(), token)
	var netErr *net.OpError
	switch {
	case errors.As(err, &netErr), errors.Is(err, syscall.ECONNRESET):
		return &apiError{kind: failedConnection, detail: quote(reason, maxSaid)}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		reason = errCutShort.Error()
	}
	return &apiError{kind: failedAnswer,
		detail: fmt.Sprintf("%s; HTTP status %d, content type %s", bound(reason, maxSaid), resp.StatusCode, contentType(resp, token))}
}

// connectionError classifies an error in getting an answer at all.
func connectionError(err error, token string) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	// net/http puts the URL before the reason, which would be said twice.
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		err = urlErr.Err
	}
	failure := &apiError{kind: failedConnection, detail: quote(redact(err.Error(), token), maxSaid)}

	var verification *tls.CertificateVerificationError
	var expired x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var remote *net.OpError
	switch {
	case errors.Is(err, errRedirect):
		failure.kind = failedRedirect
	case errors.As(err, &expired) && expired.Reason == x509.Expired:
		failure.kind = failedTLS
		failure.detail = "the server's certificate has expired or is not yet valid, by this machine's clock"
	case errors.As(err, &verification), errors.As(err, &record), errors.As(err, &remote) && remote.Op == "remote error":
		failure.kind = failedTLS
	case isTimeout(err):
		failure.kind = failedTimeout
	}
	return failure
}

func isTimeout(err error) bool {
	var netErr net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &netErr) && netErr.Timeout()
}

func contentType(resp *http.Response, token string) string {
	return quote(redact(resp.Header.Get("Content-Type"), token), 80)
}

// redact takes the token out of words that are not ours, quoted or not and in any case: a server may send back what it got.
func redact(text, token string) string {
	return redactor(token)(text)
}

// redactor returns a function that takes all of these secrets out of a text.
func redactor(secrets ...string) func(text string) string {
	var forms []string
	for _, secret := range secrets {
		for _, form := range []string{secret, strings.Trim(strconv.Quote(secret), `"`), url.QueryEscape(secret)} {
			if form != "" {
				forms = append(forms, regexp.QuoteMeta(form))
			}
		}
	}
	if len(forms) == 0 {
		return func(text string) string { return text }
	}
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	anyForm := regexp.MustCompile("(?i)" + strings.Join(forms, "|"))
	return func(text string) string { return anyForm.ReplaceAllString(text, "<token>") }
}
