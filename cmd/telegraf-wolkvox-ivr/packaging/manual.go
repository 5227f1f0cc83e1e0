package main

import (
	_ "embed"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
)

// option is a line of a help text: the option, what it takes, and what it does.
var option = regexp.MustCompile(`^ {2}(--?[a-z][a-z_-]*)(?: ([A-Z]+(?:\.\.\.)?))? {2,}(\S.*)$`)

// manual writes a program's manual page. Its help text has the summary in the first line, and then options and paragraphs.
func manual(out io.Writer, version, program string) error {
	at, err := sourceDate()
	if err != nil {
		return err
	}
	help, err := command(program, "--help").Output()
	if err != nil {
		return fmt.Errorf("%s --help failed: %w", program, err)
	}
	page, err := manualPage(string(help), sections, filepath.Base(program), version, at.Format("2006-01-02"))
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, page)
	return err
}

func manualPage(help, sections, name, version, date string) (string, error) {
	first, rest, _ := strings.Cut(help, "\n")
	summary, ok := strings.CutPrefix(first, name+" ")
	if !ok {
		return "", fmt.Errorf("the help text of %s begins with %q, not with its name and what it does", name, first)
	}
	var page, options, text strings.Builder
	for line := range strings.Lines(rest) {
		line = strings.TrimRight(line, "\n")
		if match := option.FindStringSubmatch(line); match != nil {
			fmt.Fprintf(&options, ".TP\n\\fB%s\\fR%s\n%s\n", roff(match[1]), argument(match[2]), roff(match[3]))
			continue
		}
		switch {
		case strings.TrimSpace(line) == "":
			if text.Len() > 0 {
				text.WriteString(".PP\n")
			}
		case strings.HasPrefix(line, "    ") && options.Len() > 0: // goes on
			fmt.Fprintf(&options, "%s\n", roff(strings.TrimSpace(line)))
		case strings.HasPrefix(line, " "):
			return "", fmt.Errorf("the help text of %s has a line that is neither an option nor text: %q", name, line)
		default:
			fmt.Fprintf(&text, "%s\n", roff(line))
		}
	}
	fmt.Fprintf(&page, ".TH %s 1 %s \"%s %s\"\n", strings.ToUpper(roff(name)), date, roff(name), roff(version))
	fmt.Fprintf(&page, ".SH NAME\n%s \\- %s\n", roff(name), roff(strings.TrimSuffix(summary, ".")))
	fmt.Fprintf(&page, ".SH SYNOPSIS\n\\fB%s\\fR [\\fIOPTION\\fR]...\n", roff(name))
	if description := strings.TrimSuffix(text.String(), ".PP\n"); description != "" {
		fmt.Fprintf(&page, ".SH DESCRIPTION\n%s", description)
	}
	fmt.Fprintf(&page, ".SH OPTIONS\n%s", options.String())
	page.WriteString(sections)
	fmt.Fprintf(&page, ".SH SEE ALSO\n/usr/share/doc/%s/README.md\n", roff(name))
	return page.String(), nil
}

// sections are those of the program's manual page that its help text has no room for.
//
//go:embed manual.roff
var sections string

func argument(name string) string {
	if name == "" {
		return ""
	}
	return " \\fI" + roff(name) + "\\fR"
}

// roff keeps text from being taken for commands and hyphens from being typeset.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, `-`, `\-`, `'`, `\(aq`, "’", "'").Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}
