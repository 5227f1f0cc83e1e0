package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"
	"unicode"

	"telegraf-wolkvox-ivr/plugins/common/host"
	"telegraf-wolkvox-ivr/plugins/common/hours"
	"telegraf-wolkvox-ivr/plugins/common/redact"
	"telegraf-wolkvox-ivr/plugins/inputs/wolkvox_ivr"
)

// fileStatus is the status of all tables in a state file, as --json prints it.
type fileStatus struct {
	OK        bool           `json:"ok"` // everything could be read
	Statefile string         `json:"statefile,omitempty"`
	Error     string         `json:"error,omitempty"` // why nothing could be read
	Tables    []*tableStatus `json:"tables"`
}

// tableStatus is the status of a table. Values that do not exist yet are left out of the JSON.
type tableStatus struct {
	At           string      `json:"at"` // file and line
	Server       string      `json:"server"`
	Operation    string      `json:"operation,omitempty"`
	Error        string      `json:"error,omitempty"`    // why nothing is known
	Timezone     string      `json:"timezone,omitempty"` // of the hours
	Note         string      `json:"note,omitempty"`
	LastRequest  time.Time   `json:"last_request,omitzero"`
	PausedUntil  time.Time   `json:"paused_until,omitzero"`
	PausedBy     string      `json:"paused_by,omitempty"` // name of the failure's class, as in the statistics
	NewestCalls  time.Time   `json:"newest_calls,omitzero"`
	Watermark    time.Time   `json:"watermark,omitzero"`
	CompleteUpTo time.Time   `json:"complete_up_to,omitzero"`
	Final        []hourRange `json:"final"`
	Open         []openRange `json:"open"`

	pauseReason string
}

// hourRange is a range of hours, by the starts of the first and of the last one.
type hourRange struct {
	First time.Time `json:"first_hour"`
	Last  time.Time `json:"last_hour"`
}

// openRange is a range of hours that are not final.
type openRange struct {
	hourRange
	Postponed bool      `json:"postponed"`
	Why       string    `json:"why"`
	Since     time.Time `json:"since,omitzero"`
	NextTry   time.Time `json:"next_try,omitzero"` // left out for one of the next gathers
}

// printStatus prints the status of all tables, and returns the exit status: 1 if anything could not be read.
func printStatus(opts host.Options, asJSON bool, out io.Writer) int {
	s := readStatus(opts)
	var text bytes.Buffer
	if asJSON {
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(s); err != nil {
			s.OK = false
		}
	} else {
		s.print(&text)
	}
	if _, err := out.Write(text.Bytes()); err != nil || !s.OK {
		return 1
	}
	return 0
}

func readStatus(opts host.Options) *fileStatus {
	s := &fileStatus{Tables: make([]*tableStatus, 0)}
	conf, err := host.Inspect(opts)
	if err != nil {
		s.Error = redact.URLs(strings.ReplaceAll(err.Error(), "\n", " "))
		return s
	}
	s.Statefile = conf.Statefile
	states, err := readStates(conf.Statefile)
	if err != nil {
		s.Error = err.Error()
		return s
	}
	s.OK = true
	for _, input := range conf.Inputs {
		if plugin, ok := input.Input.(*wolkvox_ivr.WolkvoxIVR); ok { // not [[inputs.internal]]
			t := tableStatusOf(input, plugin, states)
			s.OK = s.OK && t.Error == ""
			s.Tables = append(s.Tables, t)
		}
	}
	if len(s.Tables) == 0 {
		s.OK, s.Error = false, "the configuration has no table [[inputs.wolkvox_ivr]]"
	}
	return s
}

// readStates reads the state file. Its errors include advice.
func readStates(path string) (map[string][]byte, error) {
	if path == "" {
		return nil, errors.New(`no statefile, so no state is kept: set one in [agent], such as "/var/lib/telegraf/wolkvox_ivr.state"`)
	}
	states, err := host.ReadStates(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("no state yet: the service writes %s after its first gather", path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: run --status as Telegraf's user", err)
	case errors.Is(err, host.ErrDamaged):
		return nil, fmt.Errorf("%s can't be read: %w. The service will set it aside and start without it", path, err)
	case err != nil:
		return nil, fmt.Errorf("%s can't be read: %w. Check statefile in [agent]", path, err)
	}
	return states, nil
}

// tableStatusOf returns the status of a table according to the states.
func tableStatusOf(input *host.InspectedInput, plugin *wolkvox_ivr.WolkvoxIVR, states map[string][]byte) *tableStatus {
	secrets := secretsOf(plugin)
	t := &tableStatus{
		At: input.At, Server: secrets.Redact(string(plugin.Server)), Operation: secrets.Redact(plugin.Operation),
		Final: make([]hourRange, 0), Open: make([]openRange, 0),
	}
	saved, found := states[input.StateID()]
	switch {
	case input.Err != nil:
		t.Error = redact.URLs(secrets.Redact(input.Err.Error()))
	case !found:
		t.Error = "no state yet: the file has none for this table; the table's first gather writes it"
	default:
		status, err := plugin.Status(saved, plugin.Clock.Now())
		if err != nil {
			t.Error = err.Error() + ": the service will set the file aside and start without it"
			break
		}
		t.fill(status)
		if t.Timezone != plugin.Timezone {
			t.Note = fmt.Sprintf("the configuration has timezone = %q: the service will read all hours again", plugin.Timezone)
		}
	}
	return t
}

// secretsOf returns the token as a secret to redact, because it may be in other options by mistake.
func secretsOf(plugin *wolkvox_ivr.WolkvoxIVR) *redact.Secrets {
	secrets := redact.NewSecrets()
	if secret, err := plugin.Token.Get(); err == nil {
		secrets.Add(strings.TrimSpace(secret.String()))
		secret.Destroy()
	}
	return secrets
}

// fill sets the fields from the input's status.
func (t *tableStatus) fill(status *wolkvox_ivr.Status) {
	at := func(instant time.Time) time.Time {
		if instant.IsZero() {
			return instant
		}
		return instant.In(status.Calendar.Location).Truncate(time.Second)
	}
	start := func(h hours.Hour) time.Time {
		if h == 0 {
			return time.Time{}
		}
		return startOf(status.Calendar, h)
	}
	t.Timezone = status.Calendar.Location.String()
	t.LastRequest, t.PausedUntil = at(status.Requested), at(status.PausedUntil)
	if status.PausedBy != nil {
		t.PausedBy, t.pauseReason = status.PausedBy.Name, status.PausedBy.Message
	}
	t.NewestCalls, t.Watermark, t.CompleteUpTo = start(status.Newest), start(status.Watermark), start(status.Complete)
	for _, w := range status.Final {
		t.Final = append(t.Final, hourRange{start(w.From), start(w.To - 1)})
	}
	for _, r := range status.Open {
		t.Open = append(t.Open, openRange{hourRange{start(r.From), start(r.To - 1)}, r.Postponed, r.Reason, at(r.Since), at(r.Due)})
	}
}

// startOf returns the start of an hour, or of the next hour if the clock skips it.
func startOf(c hours.Calendar, h hours.Hour) time.Time {
	for ; ; h++ {
		if starts := c.Starts(h); len(starts) > 0 {
			return starts[0]
		}
	}
}

// print prints the status as text.
func (s *fileStatus) print(out *bytes.Buffer) {
	if s.Error != "" {
		fmt.Fprintln(out, "error:", printable(s.Error))
	}
	for i, t := range s.Tables {
		if i > 0 {
			fmt.Fprintln(out)
		}
		t.print(out)
	}
}

// timeLayout is the layout of printed times.
const timeLayout = "2006-01-02 15:04"

func (t *tableStatus) print(out *bytes.Buffer) {
	line := func(name, text string) { fmt.Fprintf(out, "  %-14s %s\n", name, printable(text)) }
	moment := func(at time.Time) string {
		if at.IsZero() {
			return "none yet"
		}
		return at.Format(timeLayout)
	}
	name := "server " + t.Server
	if t.Operation != "" {
		name += ", operation " + t.Operation
	}
	fmt.Fprintf(out, "[[inputs.wolkvox_ivr]] at %s\n", printable(fmt.Sprintf("%s (%s)", t.At, name)))
	if t.Error != "" {
		line("error", t.Error)
		return
	}
	line("timezone", t.Timezone)
	if t.Note != "" {
		line("note", t.Note)
	}
	line("last request", moment(t.LastRequest))
	if !t.PausedUntil.IsZero() {
		line("paused until", moment(t.PausedUntil)+": "+t.pauseReason)
	}
	line("newest calls", moment(t.NewestCalls))
	line("watermark", moment(t.Watermark))
	if t.CompleteUpTo.IsZero() && len(t.Open) > 0 {
		line("complete up to", "none: "+moment(t.Open[0].First)+" is open")
	} else {
		line("complete up to", moment(t.CompleteUpTo))
	}
	for _, r := range t.Final {
		line("final", r.String())
	}
	width := 0
	for _, r := range t.Open {
		width = max(width, len(r.String()))
	}
	for _, r := range t.Open {
		label := "open"
		if r.Postponed {
			label = "postponed"
		}
		line(label, fmt.Sprintf("%-*s  %s", width, r, r.reason()))
	}
}

// String returns the range, such as "2026-03-31 11:00 to 14:00".
func (r hourRange) String() string {
	first, last := r.First.Format(timeLayout), r.Last.Format(timeLayout)
	switch {
	case first == last:
		return first
	case first[:len(time.DateOnly)] == last[:len(time.DateOnly)]:
		last = last[len(time.DateOnly)+1:]
	}
	return first + " to " + last
}

// reason returns why the range is open, since when, and when it is requested next.
func (r *openRange) reason() string {
	text := r.Why
	if !r.Since.IsZero() {
		text += " (since " + r.Since.Format(timeLayout) + ")"
	}
	if r.NextTry.IsZero() {
		return text + "; will be read soon"
	}
	return text + "; next retry " + r.NextTry.Format(timeLayout)
}

// printable replaces characters that can't be printed. File names and options may contain terminal sequences.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
