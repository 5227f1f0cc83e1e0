package wolkvox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"
)

// Class is a class of failures: what happened, and what to do about it.
type Class struct {
	Name    string // for statistics, such as "not_found"
	What    string
	Advice  string
	General bool // any window would fail, not just the requested one
}

// The classes of failures.
var (
	FailedToken = &Class{Name: "token", What: "the token was rejected", General: true,
		Advice: "check that token is valid and belongs to the operation on server"}
	FailedQuota = &Class{Name: "quota", What: "the operation's daily quota of API calls is spent", General: true,
		Advice: "the missing hours are read after the quota resets; " +
			"if this happens often, set a longer interval, or find out which other clients use the operation's tokens"}
	FailedBusy = &Class{Name: "busy", What: "another client is using the token at the same time", General: true,
		Advice: "give Telegraf its own token"}
	FailedDisabled = &Class{Name: "disabled", What: "the API is temporarily disabled or refuses access",
		Advice: "wolkvox does this for maintenance and backups; the missing hours are read later"}
	FailedRequest = &Class{Name: "request", What: "the API rejected the request",
		Advice: "check url if it is set, and whether there is a newer version of this plugin"}
	FailedNotFound = &Class{Name: "not_found", What: "the report or server does not exist",
		Advice: "check server, and url if it is set"}
	FailedOverload = &Class{Name: "overload", What: "too many requests to the API", General: true,
		Advice: "the missing hours are read later; if this happens often, set a longer interval or collection_jitter"}
	FailedServer = &Class{Name: "server", What: "the server failed",
		Advice: "the missing hours are read later"}
	FailedResponse = &Class{Name: "response", What: "the response is not a report",
		Advice: "check url and any proxy in between; if they are right, wait: the missing hours are read later"}
	FailedPHP = &Class{Name: "php", What: "the server wrote a PHP notice into its response",
		Advice: "this is a fault in wolkvox's server; the missing hours are read later; if it persists, report it to wolkvox's support"}
	// FailedConnection means that there was no connection at all. One that ends without a response is of FailedServer, as it may depend on
	// the request.
	FailedConnection = &Class{Name: "connection", What: "the server can't be reached", General: true,
		Advice: "check the network, proxy settings, and that this machine's public address is registered in the operation's firewall at wolkvox"}
	FailedTimeout = &Class{Name: "timeout", What: "no complete response in time",
		Advice: "check that this machine's public address is registered in the operation's firewall at wolkvox; the missing hours are read later"}
	FailedTLS = &Class{Name: "tls", What: "no trusted connection to the server", General: true,
		Advice: "check this machine's clock and its certificates, tls_ca, and any proxy in between"}
	FailedRedirect = &Class{Name: "redirect", What: "the server redirects; redirects are not followed", General: true,
		Advice: "check url"}

	// Classes are all classes of failures.
	Classes = []*Class{FailedToken, FailedQuota, FailedBusy, FailedDisabled, FailedRequest, FailedNotFound, FailedOverload,
		FailedServer, FailedResponse, FailedPHP, FailedConnection, FailedTimeout, FailedTLS, FailedRedirect}
)

// Failure is the error of a failed request. Its texts are bounded, on one line, and without the token.
//
//nolint:errname // a failure is what the documentation and the statistics call it
type Failure struct {
	Class      *Class
	Detail     string        // what was seen, texts of the API in quotes
	RetryAfter time.Duration // how long the API demands to wait, 0 to 24 h
	Time       time.Time     // the API's time, see Response.Time; zero without a response
	Cause      error         // of net/http, where there was no response; not for messages, as it may contain the token
}

// Error returns what happened, with details and advice.
func (f *Failure) Error() string {
	return f.Summary() + ": " + f.Class.Advice
}

// Summary returns the error without advice.
func (f *Failure) Summary() string {
	return fmt.Sprintf("%s (%s)", f.Class.What, f.Detail)
}

// maxQuote bounds quoted texts of the API, in bytes.
const maxQuote = 200

// requestFailure returns the failure of a request without a response.
func requestFailure(err error, connected bool) *Failure {
	failure := &Failure{Class: FailedConnection, Cause: err}
	// net/http puts the URL before the reason, which messages have already.
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		err = urlErr.Err
	}
	failure.Detail = Quote(err.Error(), maxQuote)

	var verification *tls.CertificateVerificationError
	var expired x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var op *net.OpError
	isOp := errors.As(err, &op)
	switch {
	case errors.Is(err, ErrRedirect):
		failure.Class = FailedRedirect
	case errors.As(err, &expired) && expired.Reason == x509.Expired:
		failure.Class = FailedTLS
		failure.Detail = "the server's certificate has expired or is not yet valid, by this machine's clock"
	case errors.As(err, &verification), errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch), isOp && op.Op == "remote error":
		failure.Class = FailedTLS
	case isTimeout(err):
		failure.Class = FailedTimeout
	case isBroken(err), connected && isOp:
		failure.Class = FailedServer
	case connected:
		failure.Class = FailedResponse // not even of HTTP
	}
	return failure
}

// isBroken reports whether a connection ended early: a server may do so when it can't bear a request.
func isBroken(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

func isTimeout(err error) bool {
	var netErr net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &netErr) && netErr.Timeout()
}

// bodyFailure returns the failure of a response with a status of success, whose body is not a report.
func (r *Response) bodyFailure(err error) *Failure {
	reason := err.Error()
	var op *net.OpError
	switch {
	case errors.Is(err, errHeldUp):
		return r.newFailure(FailedTimeout, errHeldUp.Error())
	case isTimeout(err):
		return r.newFailure(FailedTimeout, "the response did not end")
	case errors.As(err, &op), errors.Is(err, syscall.ECONNRESET):
		return r.newFailure(FailedServer, Quote(reason, maxQuote))
	case isBroken(err):
		reason = errCutShort.Error()
	}
	return r.newFailure(FailedResponse, fmt.Sprintf("%s; HTTP status %d, content type %s", Bound(reason, maxQuote), r.HTTP.StatusCode, r.contentType()))
}

func (r *Response) newFailure(class *Class, detail string) *Failure {
	return &Failure{Class: class, Detail: detail, RetryAfter: r.retryAfter(), Time: r.Time()}
}
