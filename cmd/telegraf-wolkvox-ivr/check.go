package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/fatih/color"

	"telegraf-wolkvox-ivr/plugins/common/host"
	"telegraf-wolkvox-ivr/plugins/inputs/wolkvox_ivr"
)

const (
	// maxChecks is how many tables are checked at a time: a fleet's file has hundreds, and each may have to wait for its
	// timeout.
	maxChecks = 16
	// maxFindings is more than a table has: those checked ahead of their turn wait for nobody.
	maxFindings = 32
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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := &checking{out: out, redact: wolkvox_ivr.Redactor(nil)}
	c.result = checked{OK: true, Findings: make([]wolkvox_ivr.Finding, 0), Tables: make([]*checkedTable, 0)}
	if asJSON {
		c.out = io.Discard
	}

	conf, err := host.Inspect(opts)
	if err != nil {
		conf = &host.Inspection{}
		c.add("configuration", wolkvox_ivr.Fail, strings.ReplaceAll(err.Error(), "\n", " "))
	} else {
		c.redact = wolkvox_ivr.Redactor(pluginsOf(conf))
		c.addConfiguration(conf)
	}
	for _, run := range startChecks(ctx, conf) {
		t := run.table
		t.Server, t.Operation = c.redact(t.Server), c.redact(t.Operation)
		c.print("")
		c.print(t.title())
		for f := range run.findings {
			t.Findings = append(t.Findings, c.show(f))
		}
		c.result.Requests += t.Requests
		c.result.Tables = append(c.result.Tables, t)
	}
	c.print("")
	if ctx.Err() != nil {
		c.add("check", wolkvox_ivr.Fail, "interrupted: what is not listed above was not checked")
	}
	c.print(fmt.Sprintf("%d request(s) made, which count in the quota. No state was read or written, and no metric sent.", c.result.Requests))
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		c.failed = encoder.Encode(c.result)
	}
	if c.failed != nil || !c.result.OK {
		return 1
	}
	return 0
}

// checking is a check under way.
type checking struct {
	out    io.Writer
	failed error // the last print that did
	redact func(string) string
	result checked
}

// add adds and prints a finding about the configuration as a whole.
func (c *checking) add(step string, status wolkvox_ivr.Status, what string) {
	c.result.Findings = append(c.result.Findings, c.show(wolkvox_ivr.Finding{Step: step, Status: status, Text: what}))
}

// show prints a finding on a line, and returns it as printed: without any table's token.
func (c *checking) show(f wolkvox_ivr.Finding) wolkvox_ivr.Finding {
	f.Text = c.redact(f.Text)
	mark := color.GreenString("ok  ")
	switch f.Status {
	case wolkvox_ivr.Warn:
		mark = color.YellowString("warn")
	case wolkvox_ivr.Fail:
		mark = color.RedString("FAIL")
		c.result.OK = false
	}
	if _, err := fmt.Fprintf(c.out, "%s  %-13s  %s\n", mark, f.Step, printable(f.Text)); err != nil {
		c.failed = err
	}
	return f
}

func (c *checking) print(line string) {
	if _, err := fmt.Fprintln(c.out, printable(line)); err != nil {
		c.failed = err
	}
}

// printable returns a text with what no terminal should get escaped: a server, or a file's name, may have put it there.
func printable(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}

func pluginsOf(conf *host.Inspection) []*wolkvox_ivr.WolkvoxIVR {
	plugins := make([]*wolkvox_ivr.WolkvoxIVR, 0, len(conf.Inputs))
	for _, input := range conf.Inputs {
		plugins = append(plugins, input.Input.(*wolkvox_ivr.WolkvoxIVR))
	}
	return plugins
}

// addConfiguration tells what was loaded, and whether the state can be kept.
func (c *checking) addConfiguration(conf *host.Inspection) {
	c.add("configuration", wolkvox_ivr.OK, fmt.Sprintf("%d table(s) loaded from %s", len(conf.Inputs), strings.Join(conf.Files, ", ")))
	for _, warning := range conf.Warnings {
		c.add("configuration", wolkvox_ivr.Warn, warning)
	}
	if conf.Statefile == "" {
		c.add("state", wolkvox_ivr.Warn,
			"no statefile: what is missed while the program is down is not caught up; name one in [agent], such as \"/var/lib/telegraf/wolkvox_ivr.state\"")
		return
	}
	switch err := host.CheckStatefile(conf.Statefile); {
	case err == nil:
		c.add("state", wolkvox_ivr.OK, conf.Statefile+" can be kept by the user who runs this check")
	case errors.Is(err, host.ErrHeld):
		c.add("state", wolkvox_ivr.OK, conf.Statefile+" is in use by a service that is running, which this check leaves alone")
	default:
		c.add("state", wolkvox_ivr.Warn, fmt.Sprintf("%s can't be kept by the user who runs this check: %v. Run the check as Telegraf's user; "+
			"if it says the same, give that user the folder", conf.Statefile, err))
	}
}

// runningCheck is a check of a table under way. The table is complete when its findings have ended.
type runningCheck struct {
	table    *checkedTable
	findings chan wolkvox_ivr.Finding
}

// startChecks checks all tables, some at a time.
func startChecks(ctx context.Context, conf *host.Inspection) []*runningCheck {
	checks := make([]*runningCheck, 0, len(conf.Inputs))
	free := make(chan struct{}, maxChecks)
	for _, input := range conf.Inputs {
		plugin := input.Input.(*wolkvox_ivr.WolkvoxIVR)
		run := &runningCheck{
			table:    &checkedTable{At: input.At, Server: string(plugin.Server), Operation: plugin.Operation},
			findings: make(chan wolkvox_ivr.Finding, maxFindings),
		}
		checks = append(checks, run)
		go func() {
			defer close(run.findings)
			free <- struct{}{}
			defer func() { <-free }()
			if ctx.Err() == nil {
				run.check(ctx, conf, input, plugin)
			}
		}()
	}
	return checks
}

func (r *runningCheck) check(ctx context.Context, conf *host.Inspection, input *host.Inspected, plugin *wolkvox_ivr.WolkvoxIVR) {
	say := func(f wolkvox_ivr.Finding) { r.findings <- f }
	if input.Err != nil {
		say(wolkvox_ivr.Finding{Step: "options", Status: wolkvox_ivr.Fail, Text: input.Err.Error()})
		return
	}
	sayOptions(plugin, conf, input, say)
	around := wolkvox_ivr.Surroundings{TokenFrom: input.Origin("token"), Interval: max(input.Interval, time.Second)}
	for _, other := range conf.Inputs {
		if other.Err == nil && plugin.SharesQuota(other.Input.(*wolkvox_ivr.WolkvoxIVR)) {
			around.PerDay += int(24 * time.Hour / max(other.Interval, time.Second))
		}
	}
	r.table.Requests = plugin.Check(ctx, around, say)
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
