package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/fatih/color"

	"telegraf-wolkvox-ivr/plugins/common/host"
	"telegraf-wolkvox-ivr/plugins/inputs/wolkvox_ivr"
)

const (
	// maxChecks is how many tables are checked at a time: a fleet's file has hundreds, and each may have to wait for its
	// timeout.
	maxChecks = 16
	// leastInterval is how often the API may be used (vendor documentation).
	leastInterval = 5 * time.Minute
)

// checked is what a check has found, as --json prints it.
type checked struct {
	OK       bool                  `json:"ok"`       // nothing failed
	Requests int                   `json:"requests"` // made in all; they count in the quotas
	Findings []wolkvox_ivr.Finding `json:"findings"` // about the configuration as a whole
	Tables   []*checkedTable       `json:"tables"`
}

// checkedTable is what a check has found about a table.
type checkedTable struct {
	At        string                `json:"at"` // file and line
	Server    string                `json:"server,omitempty"`
	Operation string                `json:"operation,omitempty"`
	Requests  int                   `json:"requests"`
	Findings  []wolkvox_ivr.Finding `json:"findings"`
}

// check checks a configuration from its text to the figures that the API gives for it, and prints what it finds as it goes.
// It returns the exit status: 1 if anything failed.
func check(opts host.Options, asJSON bool, out io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	text := out
	if asJSON {
		text = io.Discard
	}

	result := checked{OK: true, Findings: make([]wolkvox_ivr.Finding, 0), Tables: make([]*checkedTable, 0)}
	conf, err := host.Inspect(opts)
	if err != nil {
		conf = &host.Inspection{}
		result.add(text, "configuration", wolkvox_ivr.Fail, strings.ReplaceAll(err.Error(), "\n", " "))
	} else {
		result.addConfiguration(text, conf)
	}
	for _, table := range startChecks(ctx, conf) {
		t := <-table
		fmt.Fprintf(text, "\n%s\n", t.title())
		for _, f := range t.Findings {
			result.print(text, f)
		}
		result.Requests += t.Requests
		result.Tables = append(result.Tables, t)
	}
	fmt.Fprintf(text, "\n%d request(s) made, which count in the quota. No state was read or written, and no metric sent.\n", result.Requests)
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(result)
	}
	if err != nil || !result.OK {
		return 1
	}
	return 0
}

// add adds and prints a finding about the configuration as a whole.
func (c *checked) add(text io.Writer, step string, status wolkvox_ivr.Status, what string) {
	f := wolkvox_ivr.Finding{Step: step, Status: status, Text: what}
	c.Findings = append(c.Findings, f)
	c.print(text, f)
}

// print prints a finding on a line.
func (c *checked) print(text io.Writer, f wolkvox_ivr.Finding) {
	mark := color.GreenString("ok  ")
	switch f.Status {
	case wolkvox_ivr.Warn:
		mark = color.YellowString("warn")
	case wolkvox_ivr.Fail:
		mark = color.RedString("FAIL")
		c.OK = false
	}
	fmt.Fprintf(text, "%s  %-13s  %s\n", mark, f.Step, f.Text)
}

// addConfiguration tells what was loaded, and whether the state can be kept.
func (c *checked) addConfiguration(text io.Writer, conf *host.Inspection) {
	c.add(text, "configuration", wolkvox_ivr.OK, fmt.Sprintf("%d table(s) loaded from %s", len(conf.Inputs), strings.Join(conf.Files, ", ")))
	for _, warning := range conf.Warnings {
		c.add(text, "configuration", wolkvox_ivr.Warn, warning)
	}
	if conf.Statefile == "" {
		c.add(text, "state", wolkvox_ivr.Warn,
			"no statefile: what is missed while the program is down is not caught up; name one in [agent], such as \"/var/lib/telegraf/wolkvox_ivr.state\"")
		return
	}
	switch err := host.CheckStatefile(conf.Statefile); {
	case err == nil:
		c.add(text, "state", wolkvox_ivr.OK, conf.Statefile+" can be kept by the user who runs this check")
	case errors.Is(err, host.ErrHeld):
		c.add(text, "state", wolkvox_ivr.OK, conf.Statefile+" is in use by a service that is running, which this check leaves alone")
	default:
		c.add(text, "state", wolkvox_ivr.Warn, fmt.Sprintf("%s can't be kept by the user who runs this check: %v. Run the check as Telegraf's user; "+
			"if it says the same, give that user the folder", conf.Statefile, err))
	}
}

// startChecks checks all tables, some at a time. The results come in the order of the tables.
func startChecks(ctx context.Context, conf *host.Inspection) []<-chan *checkedTable {
	results := make([]<-chan *checkedTable, 0, len(conf.Inputs))
	free := make(chan struct{}, maxChecks)
	for _, input := range conf.Inputs {
		result := make(chan *checkedTable, 1)
		results = append(results, result)
		go func() {
			free <- struct{}{}
			defer func() { <-free }()
			result <- checkTable(ctx, conf, input)
		}()
	}
	return results
}

func checkTable(ctx context.Context, conf *host.Inspection, input *host.Inspected) *checkedTable {
	plugin := input.Input.(*wolkvox_ivr.WolkvoxIVR)
	t := &checkedTable{At: input.At, Server: string(plugin.Server), Operation: plugin.Operation}
	say := func(f wolkvox_ivr.Finding) { t.Findings = append(t.Findings, f) }
	if input.Err != nil {
		say(wolkvox_ivr.Finding{Step: "options", Status: wolkvox_ivr.Fail, Text: input.Err.Error()})
		return t
	}
	sayOptions(plugin, conf, input, say)
	around := wolkvox_ivr.Surroundings{TokenFrom: input.Origin("token"), Interval: max(input.Interval, time.Second)}
	for _, other := range conf.Inputs {
		if other.Err == nil && plugin.SharesQuota(other.Input.(*wolkvox_ivr.WolkvoxIVR)) {
			around.PerDay += int(24 * time.Hour / max(other.Interval, time.Second))
		}
	}
	t.Requests = plugin.Check(ctx, around, say)
	return t
}

// sayOptions tells of options that are right by themselves, but likely mistakes.
func sayOptions(plugin *wolkvox_ivr.WolkvoxIVR, conf *host.Inspection, input *host.Inspected, say func(wolkvox_ivr.Finding)) {
	status, texts := wolkvox_ivr.OK, []string{fmt.Sprintf("a gather each %s, hours are final %s after their end",
		brief(input.Interval), brief(time.Duration(plugin.Lookback)))}
	if input.Interval < leastInterval {
		status = wolkvox_ivr.Warn
		texts = append(texts, `interval is shorter than the 5 minutes that wolkvox asks for: set interval = "5m"`)
	}
	if plugin.Backfill > 0 && conf.Statefile == "" {
		status = wolkvox_ivr.Warn
		texts = append(texts, "backfill without a statefile is read again at each start: name a statefile in [agent]")
	}
	say(wolkvox_ivr.Finding{Step: "options", Status: status, Text: strings.Join(texts, "; ")})
}

// brief returns a duration as people write it, such as 5m.
func brief(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// title names the table.
func (t *checkedTable) title() string {
	name := "server " + t.Server
	if t.Operation != "" {
		name += ", operation " + t.Operation
	}
	return fmt.Sprintf("[[inputs.wolkvox_ivr]] at %s (%s)", t.At, name)
}
