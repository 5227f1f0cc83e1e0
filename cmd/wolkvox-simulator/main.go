// Command wolkvox-simulator is a wolkvox server for trying and testing the plugin. See its --help.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run runs the program and returns its exit status: 1 after an error, 2 after a wrong flag.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		o.help(stdout)
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "wolkvox-simulator: %v; see wolkvox-simulator --help\n", err)
		return 2
	}
	operations := o.all()
	s, err := simulator.New(simulator.Options{Seed: o.seed, Operations: operations})
	if err != nil {
		fmt.Fprintf(stderr, "wolkvox-simulator: %v; see wolkvox-simulator --help\n", err)
		return 2
	}
	s.SetLatency(o.latency, o.latency)
	s.SetFaults(o.faultRate, o.faults...)

	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.addr)
	if err == nil {
		fmt.Fprint(stdout, configuration(operations, listener.Addr()))
		err = s.Serve(ctx, listener)
	}
	if err != nil {
		fmt.Fprintf(stderr, "wolkvox-simulator: %v\n", err)
		return 1
	}
	return 0
}

// maxPrinted is the maximum number of operations in the printed configuration.
const maxPrinted = 3

// configuration returns the tables to paste into the plugin's configuration, as valid TOML.
func configuration(operations []simulator.Operation, addr net.Addr) string {
	var text strings.Builder
	fmt.Fprintf(&text, "# A simulated wolkvox is listening on %s; press Ctrl-C to stop it. Paste this into the plugin's configuration:\n", addr)
	for _, o := range operations[:min(maxPrinted, len(operations))] {
		fmt.Fprintf(&text, "\n[[inputs.wolkvox_ivr]]\n  server = %q\n  token = %q\n  url = \"http://%s/wv{server}\"\n", o.Server, o.Token, reachable(addr))
		if o.Timezone != "" {
			fmt.Fprintf(&text, "  timezone = %q\n", o.Timezone)
		}
	}
	if len(operations) > maxPrinted {
		last := operations[len(operations)-1]
		fmt.Fprintf(&text, "\n# ... and so on, up to server %q with token %q.\n", last.Server, last.Token)
	}
	return text.String()
}

// reachable returns the address to use on this machine, because a listener on all interfaces has no specific one.
func reachable(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return addr.String()
	}
	return fmt.Sprintf("127.0.0.1:%d", tcp.Port)
}

// options are the values of the flags.
type options struct {
	flags        *flag.FlagSet
	addr         string
	operations   int
	seed         uint64
	timezone     string
	peakCalls    float64
	licences     int
	since        time.Time
	repeatedHour string
	form         string
	forms        []simulator.Form
	latency      time.Duration
	faultRate    float64
	faults       []simulator.Fault
}

func parse(args []string) (*options, error) {
	o := &options{flags: flag.NewFlagSet("wolkvox-simulator", flag.ContinueOnError), faults: simulator.Faults()}
	f := o.flags
	f.SetOutput(io.Discard) // errors and help are printed by run
	f.StringVar(&o.addr, "addr", "127.0.0.1:8625", "listen on `host:port`; port 0 picks a free one")
	f.IntVar(&o.operations, "operations", 1, "`number` of operations, each on its own server: 0001, 0002, ...")
	f.Uint64Var(&o.seed, "seed", 1, "`number` that determines all calls and faults")
	f.StringVar(&o.timezone, "timezone", "", "time `zone` of the operations, e.g. Europe/Madrid (default America/Bogota)")
	f.Float64Var(&o.peakCalls, "peak-calls", 120, "mean `number` of calls in the busiest hour of the week")
	f.IntVar(&o.licences, "licences", 1, "`number` of licences per operation; each adds 1000 requests to the daily quota")
	f.Func("since", "`date` of the first call (UTC), e.g. 2026-01-18 or 2026-01-18T19:00:00Z (default: no limit)", func(text string) (err error) {
		for _, layout := range []string{time.DateOnly, time.RFC3339} {
			if o.since, err = time.Parse(layout, text); err == nil {
				return nil
			}
		}
		return errors.New("not a date")
	})
	f.StringVar(&o.repeatedHour, "repeated-hour", "once", "how often to report an hour that a clock change repeats: `once|twice`")
	f.StringVar(&o.form, "form", "default", "`name` of the response format, from the list below, or \"mixed\" for a different one for each operation")
	f.DurationVar(&o.latency, "latency", 0, "delay before each response, e.g. 300ms")
	f.Float64Var(&o.faultRate, "fault-rate", 0, "`share` of requests that fail, from 0 to 1")
	f.Func("faults", "use only these faults, from the list below: `name,name,...` (default all)", func(list string) (err error) {
		o.faults, err = simulator.ParseFaults(list)
		return err
	})
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case o.operations < 1:
		return o, errors.New("-operations must be at least 1")
	case !(o.faultRate >= 0 && o.faultRate <= 1):
		return o, errors.New("-fault-rate must be from 0 to 1")
	case o.latency < 0:
		return o, errors.New("-latency must not be negative")
	}
	for _, p := range simulator.Presets() {
		if o.form == p.Name || o.form == "mixed" {
			o.forms = append(o.forms, p.Form)
		}
	}
	if len(o.forms) == 0 {
		return o, fmt.Errorf("there is no form %q", o.form)
	}
	return o, nil
}

// all returns the operations that the flags describe.
func (o *options) all() []simulator.Operation {
	operations := make([]simulator.Operation, o.operations)
	for i := range operations {
		server := fmt.Sprintf("%04d", i+1)
		operations[i] = simulator.Operation{
			Server:       server,
			Token:        "simulated-token-" + server,
			Timezone:     o.timezone,
			Licences:     o.licences,
			PeakCalls:    o.peakCalls,
			Since:        o.since,
			RepeatedHour: o.repeatedHour,
			Form:         o.forms[i%len(o.forms)],
		}
	}
	return operations
}

func (o *options) help(w io.Writer) {
	fmt.Fprint(w, `wolkvox-simulator simulates wolkvox servers: it serves the report "IVR calls and minutes by time" (diagram_1_2) and token_info over plain
http.

Calls arrive at random: more by day than at night, and more on weekdays than on weekends. A call counts in the hour in which it began,
once it has ended. The same seed always gives the same calls, for any time in the past or present. The simulator enforces the API's
rules: token, parameters, 31 days per request, 2 simultaneous requests per token, and the daily quota.

At startup, it prints tables to paste into the plugin's configuration.

Examples:
  wolkvox-simulator
  wolkvox-simulator -operations 20 -form mixed
  wolkvox-simulator -fault-rate 0.2 -faults quota,maintenance,reset -latency 2s
  curl -H 'wolkvox-token: simulated-token-0001' \
    'http://127.0.0.1:8625/wv0001/api/v2/reports_manager.php?api=diagram_1_2&date_ini=20260118000000&date_end=20260118235959'

Flags:
`)
	o.flags.SetOutput(w)
	o.flags.PrintDefaults()
	fmt.Fprint(w, "\nResponse formats:\n")
	for _, p := range simulator.Presets() {
		fmt.Fprintf(w, "  %-20s %s\n", p.Name, p.Help)
	}
	fmt.Fprint(w, "\nFaults:\n")
	for _, f := range simulator.Faults() {
		fmt.Fprintf(w, "  %-20s %s\n", f, f.Help())
	}
}
