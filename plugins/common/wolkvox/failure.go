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

// FailureClass is a class of failures, with what happened and what to do about it.
type FailureClass struct {
	Name    string // for statistics, such as "not_found"
	Message string
	Advice  string
	General bool // any request would have failed, regardless of its window
}

// The classes of failures.
var (
	FailedToken = &FailureClass{Name: "token", Message: "the token was rejected", General: true,
		Advice: "check that token is valid and belongs to the operation on server"}
	FailedQuota = &FailureClass{Name: "quota", Message: "the operation's daily quota of API requests is used up", General: true,
		Advice: "the missing hours are read after the quota resets; " +
			"if this happens often, set a longer interval, or find out which other clients use the operation's tokens"}
	FailedBusy = &FailureClass{Name: "busy", Message: "another client is using the token at the same time", General: true,
		Advice: "give Telegraf its own token"}
	FailedDisabled = &FailureClass{Name: "disabled", Message: "the API is temporarily disabled or refuses access",
		Advice: "wolkvox does this for maintenance and backups; the missing hours are read later"}
	FailedRequest = &FailureClass{Name: "request", Message: "the API rejected the request",
		Advice: "check url if it is set, and whether there is a newer version of this plugin"}
	FailedNotFound = &FailureClass{Name: "not_found", Message: "the report or server does not exist",
		Advice: "check server, and url if it is set"}
	FailedOverload = &FailureClass{Name: "overload", Message: "too many requests to the API", General: true,
		Advice: "the missing hours are read later; if this happens often, set a longer interval or collection_jitter"}
	FailedServer = &FailureClass{Name: "server", Message: "the server failed",
		Advice: "the missing hours are read later"}
	FailedResponse = &FailureClass{Name: "response", Message: "the response is not a report",
		Advice: "check url and any proxy in between; if both are right, wait: the missing hours are read later"}
	FailedPHP = &FailureClass{Name: "php", Message: "the server wrote a PHP notice into its response",
		Advice: "this is a fault in wolkvox's server; the missing hours are read later; if it persists, report it to wolkvox support"}
	// FailedConnection means that no connection was established. A connection that ends without a response is FailedServer, because it may
	// depend on the request.
	FailedConnection = &FailureClass{Name: "connection", Message: "the server can't be reached", General: true,
		Advice: "check the network and the proxy settings, and that this machine's public IP address is registered in the operation's firewall at wolkvox"}
	FailedTimeout = &FailureClass{Name: "timeout", Message: "no complete response in time",
		Advice: "check that this machine's public IP address is registered in the operation's firewall at wolkvox; the missing hours are read later"}
	FailedTLS = &FailureClass{Name: "tls", Message: "no trusted connection to the server", General: true,
		Advice: "check this machine's clock and its certificates, tls_ca, and any proxy in between"}
	FailedRedirect = &FailureClass{Name: "redirect", Message: "the server sent a redirect, and redirects are not followed", General: true,
		Advice: "check url"}

	// FailureClasses lists all classes.
	FailureClasses = []*FailureClass{FailedToken, FailedQuota, FailedBusy, FailedDisabled, FailedRequest, FailedNotFound, FailedOverload,
		FailedServer, FailedResponse, FailedPHP, FailedConnection, FailedTimeout, FailedTLS, FailedRedirect}
)

// Failure is the error of a failed request. Its texts are limited in length, on one line, and without the token.
//
//nolint:errname // the documentation and statistics call it a failure
type Failure struct {
	Class      *FailureClass
	Detail     string        // what was seen, with texts of the API in quotes
	RetryAfter time.Duration // wait that the API requests, 0 to 24 h
	Time       time.Time     // the API's time, see Response.Time; zero without a response
	Cause      error         // error of net/http if there was no response; not for messages, because it may contain the token
}

// Error returns what happened, with details and advice.
func (f *Failure) Error() string {
	return f.Summary() + ": " + f.Class.Advice
}

// Summary returns the error text without advice.
func (f *Failure) Summary() string {
	return fmt.Sprintf("%s (%s)", f.Class.Message, f.Detail)
}

// maxQuote is the most bytes of an API text that are quoted.
const maxQuote = 200

// requestFailure returns the failure of a request without a response.
func requestFailure(err error, connected bool) *Failure {
	failure := &Failure{Class: FailedConnection, Cause: err}
	// net/http prefixes the reason with the URL, which would repeat the request's details.
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
		failure.Class = FailedResponse // not even HTTP
	}
	return failure
}

// isBroken reports whether the connection ended early, as it may if a server can't handle the request.
func isBroken(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

func isTimeout(err error) bool {
	var netErr net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &netErr) && netErr.Timeout()
}

// bodyFailure returns the failure of a successful response whose body is not a report.
func (r *Response) bodyFailure(err error) *Failure {
	reason := err.Error()
	var op *net.OpError
	switch {
	case errors.Is(err, errQueued):
		return r.newFailure(FailedTimeout, errQueued.Error())
	case isTimeout(err):
		return r.newFailure(FailedTimeout, "the response did not end")
	case errors.As(err, &op), errors.Is(err, syscall.ECONNRESET):
		return r.newFailure(FailedServer, Quote(reason, maxQuote))
	case isBroken(err):
		reason = errCutShort.Error()
	}
	return r.newFailure(FailedResponse, fmt.Sprintf("%s; HTTP status %d, content type %s", Bound(reason, maxQuote), r.HTTP.StatusCode, r.contentType()))
}

func (r *Response) newFailure(class *FailureClass, detail string) *Failure {
	return &Failure{Class: class, Detail: detail, RetryAfter: r.retryAfter(), Time: r.Time()}
}
