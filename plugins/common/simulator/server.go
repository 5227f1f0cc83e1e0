package simulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"sync"
	"time"
)

const (
	reportPath = "/api/v2/reports_manager.php"
	infoPath   = "/api/v2/information.php"
	reportAPI  = "diagram_1_2"
	infoAPI    = "token_info"

	dripPieces = 20
)

// The server's digits are in the first part of the path or, as with the real API, in the first part of the host name.
var (
	serverPath = regexp.MustCompile(`^/wv(\d+)(/.*)$`)
	serverHost = regexp.MustCompile(`(?i)^wv(\d+)\.`)
)

// Serve serves requests on the listener until the context is canceled, and then returns nil. Cancellation also ends
// requests that hang. The simulator can be served again afterwards, as if the network had been down.
func (s *Simulator) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          log.New(io.Discard, "", 0), // errors of misbehaving clients
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 500*time.Millisecond)
	defer cancel()
	if server.Shutdown(grace) != nil {
		_ = server.Close() // a connection that does not close can't be helped
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

// ServeHTTP responds as the server named by the path, /wv0001/api/v2/..., or by the host, wv0001.wolkvox.com.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	server, path := "", r.URL.Path
	if parts := serverPath.FindStringSubmatch(path); parts != nil {
		server, path = parts[1], parts[2]
	} else if parts := serverHost.FindStringSubmatch(r.Host); parts != nil {
		server = parts[1]
	}
	now := s.Now()
	x := &exchange{s: s, w: w, r: r, now: now, query: r.URL.Query()}
	x.entry = &Request{
		Start:     time.Now(),
		SimStart:  now,
		Server:    server,
		Token:     r.Header.Get("wolkvox-token"),
		API:       x.query.Get("api"),
		Query:     r.URL.RawQuery,
		UserAgent: r.UserAgent(),
	}
	s.ledger.add(x.entry)
	defer x.leave(0)

	if !s.hasServer(server) || path != reportPath && path != infoPath {
		x.send(page(http.StatusNotFound, "Not Found"), "")
		return
	}
	x.operation = s.lookup(x.entry.Token)
	if x.operation != nil && x.operation.Server != server {
		x.operation = nil
	}
	if err := x.identify(); err != nil {
		x.refuse(err)
		return
	}
	x.serve(path)
}

// exchange is a request and its response.
type exchange struct {
	s         *Simulator
	w         http.ResponseWriter
	r         *http.Request
	now       time.Time
	query     url.Values
	entry     *Request
	operation *operation // nil if the token is invalid
	form      Form
	once      sync.Once
}

// identify checks the method and the token, and registers the request with its operation.
func (x *exchange) identify() error {
	switch {
	case x.r.Method != http.MethodGet:
		x.operation = nil
		return errMethod
	case x.entry.Token == "":
		return errNoToken
	case x.operation == nil:
		return errBadToken
	}
	inFlight, err := x.operation.enter(x.now)
	x.form = *x.operation.form.Load()
	x.s.ledger.update(func() { x.entry.InFlight = inFlight })
	return err
}

// serve responds to a request that no rule has refused, normally or with a fault.
func (x *exchange) serve(path string) {
	fault := x.s.nextFault(x.operation)
	x.s.ledger.update(func() { x.entry.Fault = fault })
	if !x.wait(x.s.drawLatency()) {
		return
	}
	switch fault {
	case FaultHang:
		<-x.r.Context().Done()
		return
	case FaultReset:
		x.reset()
		return
	}
	normal, err := x.respond(path)
	if err != nil {
		r := refusalOf(err)
		normal = x.form.refuse(r.status, r.status, r.text)
	}
	x.send(x.form.applyFault(fault, normal), fault)
}

// respond returns the normal response.
func (x *exchange) respond(path string) (response, error) {
	api := x.entry.API
	switch {
	case api == "":
		return response{}, errParameters
	case path == reportPath && api == reportAPI:
		return x.report()
	case path == infoPath && api == infoAPI:
		return x.tokenInfo(), nil
	}
	return response{}, errUnknownAPI
}

func (x *exchange) report() (response, error) {
	w, err := windowOf(x.query)
	if err != nil {
		return response{}, err
	}
	x.s.ledger.update(func() {
		x.entry.From, x.entry.To = instantOf(w.first, x.operation.zone), instantOf(w.last, x.operation.zone)
	})
	var rows []string
	if x.form.Stray {
		text, _ := x.form.row(x.operation.stray(w, x.now))
		rows = append(rows, text)
	}
	for _, r := range x.operation.report(w, x.now) {
		if text, listed := x.form.row(r); listed {
			rows = append(rows, text)
		}
	}
	return x.form.records(rows), nil
}

// tokenInfo returns the day's usage. The names are the vendor's. That the values are strings in a list of one is an
// assumption.
func (x *exchange) tokenInfo() response {
	used, usedByToken := x.operation.usage(x.now)
	quota := x.operation.quota()
	return x.form.records([]string{fmt.Sprintf(
		`{"token_limit":"%d","token_use_today":"%d","all_token_today":"%d","available_consumption_options":"%d"}`,
		quota, usedByToken, used, quota-used)})
}

func (x *exchange) refuse(err error) {
	r := refusalOf(err)
	resp := x.form.refuse(r.status, r.status, r.text)
	if r == errMethod {
		resp.header = map[string]string{"Allow": http.MethodGet}
	}
	x.send(resp, "")
}

// send sends a response. Faults of the connection change how it is sent.
func (x *exchange) send(resp response, fault Fault) {
	header := x.w.Header()
	header.Set("Server", "Apache")
	header.Set("Date", x.now.UTC().Format(http.TimeFormat))
	header.Set("Content-Type", resp.contentType)
	for name, value := range resp.header {
		header.Set(name, value)
	}
	if resp.hasLength {
		header.Set("Content-Length", strconv.Itoa(len(resp.body)))
	}
	x.w.WriteHeader(resp.status)
	switch fault {
	case FaultDropped, FaultDroppedChunk:
		x.leave(resp.status)
		x.write(resp.body[:len(resp.body)/2])
		panic(http.ErrAbortHandler)
	case FaultSlow:
		x.drip(resp)
		return
	}
	x.leave(resp.status) // before writing, so that a client with the response finds its request complete and no longer in flight
	if resp.body != "" {
		x.write(resp.body)
	}
}

// write sends text immediately, which makes a response without Content-Length chunked. It ignores errors, because the
// client may have left.
func (x *exchange) write(text string) {
	_, _ = io.WriteString(x.w, text)
	_ = http.NewResponseController(x.w).Flush()
}

// drip sends a response in pieces.
func (x *exchange) drip(resp response) {
	for piece := range dripPieces {
		if piece > 0 && !x.wait(x.s.dripPause) {
			x.leave(resp.status)
			return
		}
		if piece == dripPieces-1 {
			x.leave(resp.status)
		}
		x.write(resp.body[len(resp.body)*piece/dripPieces : len(resp.body)*(piece+1)/dripPieces])
	}
}

// reset closes the connection without a response, and a TCP connection with a reset.
func (x *exchange) reset() {
	x.leave(0)
	connection, _, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := connection.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = connection.Close()
}

// wait returns after the pause. It returns false if the client leaves or the server shuts down earlier.
func (x *exchange) wait(pause time.Duration) bool {
	if pause <= 0 {
		return true
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-x.r.Context().Done():
		return false
	}
}

// leave unregisters the request and completes its entry. Further calls do nothing.
func (x *exchange) leave(status int) {
	x.once.Do(func() {
		if x.operation != nil {
			x.operation.leave()
		}
		now := x.s.Now()
		x.s.ledger.update(func() { x.entry.End, x.entry.SimEnd, x.entry.Status = time.Now(), now, status })
	})
}

func (s *Simulator) drawLatency() time.Duration {
	s.mu.RLock()
	least, most := s.latency[0], s.latency[1]
	s.mu.RUnlock()
	if most == least {
		return least
	}
	s.faultMu.Lock()
	defer s.faultMu.Unlock()
	return least + time.Duration(s.rng.Int64N(int64(most-least)+1))
}
