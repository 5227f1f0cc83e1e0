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

// A server is named by the first part of the path or, as for the real one, by the first part of the host's name.
var (
	serverPath = regexp.MustCompile(`^/wv(\d+)(/.*)$`)
	serverHost = regexp.MustCompile(`(?i)^wv(\d+)\.`)
)

// Serve answers requests on the listener until the context is cancelled, which also ends the requests that hang, and returns nil then.
// The simulator can be served again afterwards, as if the network had been away.
func (s *Simulator) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          log.New(io.Discard, "", 0), // of clients that misbehave
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
		_ = server.Close() // nothing more can be done about a connection that does not close
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

// ServeHTTP answers as the server does that the path, /wv0001/api/v2/..., or the host, wv0001.wolkvox.com, names.
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

// exchange is a request being answered.
type exchange struct {
	s         *Simulator
	w         http.ResponseWriter
	r         *http.Request
	now       time.Time
	query     url.Values
	entry     *Request
	operation *operation // nil when the token is not valid
	form      Form
	once      sync.Once
}

// identify checks who asks, and counts the request in.
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
	x.s.ledger.note(func() { x.entry.InFlight = inFlight })
	return err
}

// serve answers a request that is entitled to an answer, or to a fault.
func (x *exchange) serve(path string) {
	fault := x.s.nextFault(x.operation)
	x.s.ledger.note(func() { x.entry.Fault = fault })
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
	right, err := x.answer(path)
	if err != nil {
		r := refusalOf(err)
		right = x.form.refuse(r.status, r.status, r.text)
	}
	x.send(x.form.spoil(fault, right), fault)
}

// answer is the right one.
func (x *exchange) answer(path string) (answer, error) {
	api := x.entry.API
	switch {
	case api == "":
		return answer{}, errParameters
	case path == reportPath && api == reportAPI:
		return x.report()
	case path == infoPath && api == infoAPI:
		return x.tokenInfo(), nil
	}
	return answer{}, errUnknownAPI
}

func (x *exchange) report() (answer, error) {
	w, err := windowOf(x.query)
	if err != nil {
		return answer{}, err
	}
	x.s.ledger.note(func() {
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

// tokenInfo answers with the day's use. The names are the vendor's, that they are strings in a list of one is an assumption.
func (x *exchange) tokenInfo() answer {
	used, usedByToken := x.operation.usage(x.now)
	quota := x.operation.quota()
	return x.form.records([]string{fmt.Sprintf(
		`{"token_limit":"%d","token_use_today":"%d","all_token_today":"%d","available_consumption_options":"%d"}`,
		quota, usedByToken, used, quota-used)})
}

func (x *exchange) refuse(err error) {
	r := refusalOf(err)
	a := x.form.refuse(r.status, r.status, r.text)
	if r == errMethod {
		a.header = map[string]string{"Allow": http.MethodGet}
	}
	x.send(a, "")
}

// send sends an answer, in the way in which the fault does where it is one of the connection.
func (x *exchange) send(a answer, fault Fault) {
	header := x.w.Header()
	header.Set("Server", "Apache")
	header.Set("Date", x.now.UTC().Format(http.TimeFormat))
	header.Set("Content-Type", a.contentType)
	for name, value := range a.header {
		header.Set(name, value)
	}
	if a.measured {
		header.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	x.w.WriteHeader(a.status)
	switch fault {
	case FaultDropped, FaultDroppedChunk:
		x.leave(a.status)
		x.write(a.body[:len(a.body)/2])
		panic(http.ErrAbortHandler)
	case FaultSlow:
		x.drip(a)
		return
	}
	x.leave(a.status) // first, so that a client that has its answer is never still in flight, nor its request incomplete
	if a.body != "" {
		x.write(a.body)
	}
}

// write sends text at once, which also makes an answer without Content-Length a chunked one. A client that has left is its own affair.
func (x *exchange) write(text string) {
	_, _ = io.WriteString(x.w, text)
	_ = http.NewResponseController(x.w).Flush()
}

// drip sends an answer in pieces.
func (x *exchange) drip(a answer) {
	for piece := range dripPieces {
		if piece > 0 && !x.wait(x.s.dripPause) {
			x.leave(a.status)
			return
		}
		if piece == dripPieces-1 {
			x.leave(a.status)
		}
		x.write(a.body[len(a.body)*piece/dripPieces : len(a.body)*(piece+1)/dripPieces])
	}
}

// reset closes the connection without an answer and, where it is one of TCP, without the usual goodbye.
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

// wait returns false when the client leaves, or the server shuts down, before the time is over.
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

// leave counts the request out and completes its entry, the first time.
func (x *exchange) leave(status int) {
	x.once.Do(func() {
		if x.operation != nil {
			x.operation.leave()
		}
		now := x.s.Now()
		x.s.ledger.note(func() { x.entry.End, x.entry.SimEnd, x.entry.Status = time.Now(), now, status })
	})
}

func (s *Simulator) drawLatency() time.Duration {
	s.mu.RLock()
	least, most := s.latency[0], s.latency[1]
	s.mu.RUnlock()
	if most == least {
		return least
	}
	s.chance.Lock()
	defer s.chance.Unlock()
	return least + time.Duration(s.dice.Int64N(int64(most-least)+1))
}
