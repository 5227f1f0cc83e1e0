// Package check implements --check. It tests each step from the configuration file to the figures, and advises how to
// fix what fails.
package check

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
	"unicode"

	"github.com/fatih/color"

	"telegraf-wolkvox-ivr/plugins/common/host"
	"telegraf-wolkvox-ivr/plugins/common/redact"
)

// maxChecks is how many tables are checked at a time. A fleet has hundreds, and each may have to wait for its timeout.
const maxChecks = 16

// status says whether a step passed. A single fail fails the whole check.
type status string

const (
	good status = "ok"
	warn status = "warn"
	fail status = "fail"
)

// finding is the result of one step: its status and a text, with advice if something is wrong.
type finding struct {
	Step   string `json:"step"`
	Status status `json:"status"`
	Text   string `json:"text"`
}

// result is the outcome of a check, as --json prints it.
type result struct {
	OK       bool      `json:"ok"`       // nothing failed
	Requests int       `json:"requests"` // in total; they count towards the quotas
	Findings []finding `json:"findings"` // about the configuration as a whole
	Tables   []*table  `json:"tables"`
}

// Run checks a configuration from its text to the figures that the API returns, and prints findings as it goes. It
// returns the exit status: 1 if anything failed.
func Run(opts host.Options, asJSON bool, out io.Writer) int {
	c := &check{out: out, secrets: redact.NewSecrets()}
	c.result = result{OK: true, Findings: make([]finding, 0), Tables: make([]*table, 0)}
	if asJSON {
		c.out = io.Discard
	}

	conf, err := host.Inspect(opts)
	if err != nil {
		c.add("configuration", fail, strings.ReplaceAll(err.Error(), "\n", " "))
	} else {
		c.result.Tables = tablesOf(conf)
		c.secrets = secretsOf(c.result.Tables)
		for _, t := range c.result.Tables {
			t.Server, t.Operation = c.redacted(t.Server), c.redacted(t.Operation)
		}
		c.addConfiguration(conf)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) // until here, a signal ends the process at once
	defer stop()
	start(ctx, c.result.Tables)
	for _, t := range c.result.Tables {
		c.print("")
		c.print(t.title())
		for f := range t.found {
			t.Findings = append(t.Findings, c.show(f))
		}
		c.result.Requests += t.Requests
	}
	c.print("")
	if ctx.Err() != nil {
		c.add("check", fail, "interrupted: steps not listed above were not checked")
	}
	c.print(fmt.Sprintf("Made %d request(s), which count towards the quota. No metrics were sent, and the state was not changed.", c.result.Requests))
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		c.printErr = encoder.Encode(c.result)
	}
	if c.printErr != nil || !c.result.OK {
		return 1
	}
	return 0
}

// start starts the checks of the tables, and runs up to maxChecks at a time. It closes a table's found channel once its
// check has ended.
func start(ctx context.Context, tables []*table) {
	free := make(chan struct{}, maxChecks)
	for _, t := range tables {
		go func() {
			defer close(t.found)
			free <- struct{}{}
			defer func() { <-free }()
			if ctx.Err() == nil {
				t.check(ctx)
			}
		}()
	}
}

// check is a running check.
type check struct {
	out      io.Writer
	printErr error // the last error while printing
	secrets  *redact.Secrets
	result   result
}

// redacted returns a text without the tables' secrets, and without logins and queries of URLs.
func (c *check) redacted(text string) string { return redact.URLs(c.secrets.Redact(text)) }

// add adds and prints a finding about the configuration as a whole.
func (c *check) add(step string, s status, text string) {
	c.result.Findings = append(c.result.Findings, c.show(finding{step, s, text}))
}

// show prints a finding on one line, and returns it as printed.
func (c *check) show(f finding) finding {
	f.Text = c.redacted(f.Text)
	mark := color.GreenString("ok  ")
	switch f.Status {
	case warn:
		mark = color.YellowString("warn")
	case fail:
		mark = color.RedString("FAIL")
		c.result.OK = false
	}
	if _, err := fmt.Fprintf(c.out, "%s  %-13s  %s\n", mark, f.Step, printable(f.Text)); err != nil {
		c.printErr = err
	}
	return f
}

func (c *check) print(line string) {
	if _, err := fmt.Fprintln(c.out, printable(line)); err != nil {
		c.printErr = err
	}
}

// printable escapes characters that can't be printed. Servers and file names may contain terminal sequences.
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

// addConfiguration adds findings about the loaded configuration and the state file.
func (c *check) addConfiguration(conf *host.Inspection) {
	c.add("configuration", good, fmt.Sprintf("%d table(s) loaded from %s", len(conf.Inputs), strings.Join(conf.Files, ", ")))
	for _, warning := range conf.Warnings {
		c.add("configuration", warn, warning)
	}
	for _, file := range exposedFiles(conf) {
		c.add("configuration", warn, fmt.Sprintf("%s contains a secret, and every user on this machine can read the file: "+
			"run sudo chgrp telegraf %s && sudo chmod 640 %s", file, file, file))
	}
	for _, input := range conf.Inputs {
		if _, isOperation := operationOf(input); !isOperation && input.Err != nil {
			c.add("configuration", fail, input.At+": "+input.Err.Error())
		}
	}
	if conf.Statefile == "" {
		c.add("state", warn,
			"no statefile: hours missed while the program is down are not read later; set one in [agent], such as \"/var/lib/telegraf/wolkvox_ivr.state\"")
		return
	}
	rootsFiles := host.LeftByRoot(conf.Statefile)
	switch err := host.CheckStatefile(conf.Statefile); {
	case err == nil && rootsFiles != "":
		c.add("state", warn, "root has run this program before, and Telegraf's user can't use root's files: sudo chown -h telegraf "+rootsFiles)
	case err == nil:
		c.add("state", good, conf.Statefile+" is writable by the user running this check")
	case errors.Is(err, host.ErrHeld):
		c.add("state", good, conf.Statefile+" is in use by a running service, and is not touched by this check")
	case errors.Is(err, host.ErrDamaged):
		c.add("state", warn, conf.Statefile+" is damaged: the service will set it aside and start without it")
	default:
		c.add("state", fail, fmt.Sprintf("%s can't be used: %v", conf.Statefile, err))
	}
}
