package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// release is a section of CHANGELOG.md.
type release struct {
	version string // empty of what is not released yet
	date    time.Time
	text    string
}

var heading = regexp.MustCompile(`^## \[([^]]+)\](?: - (.+))?$`)

func readChangelog() ([]release, error) {
	content, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		return nil, err
	}
	return parseChangelog(string(content))
}

func parseChangelog(content string) ([]release, error) {
	var releases []release
	for line := range strings.Lines(content) {
		if !strings.HasPrefix(line, "## ") {
			if len(releases) > 0 {
				releases[len(releases)-1].text += line
			}
			continue
		}
		line = strings.TrimSpace(line)
		match := heading.FindStringSubmatch(line)
		if match == nil {
			return nil, fmt.Errorf("%q in CHANGELOG.md is no heading of a version: write ## [1.2.3] - 2026-01-31", line)
		}
		var r release
		if match[1] != "Unreleased" {
			date, err := time.Parse(time.DateOnly, match[2])
			if err != nil {
				return nil, fmt.Errorf("version %s in CHANGELOG.md has no date: write ## [%[1]s] - 2026-01-31", match[1])
			}
			r = release{version: match[1], date: date}
		}
		releases = append(releases, r)
	}
	for i := range releases {
		releases[i].text = strings.TrimSpace(releases[i].text)
	}
	return releases, nil
}

// writeNotes writes what a version's release says of it.
func writeNotes(out io.Writer, version string) error {
	releases, err := readChangelog()
	if err != nil {
		return err
	}
	for _, r := range releases {
		switch {
		case r.version == "" && r.text != "":
			return fmt.Errorf("unreleased changes are in CHANGELOG.md: bring them under ## [%s] - %s", version, time.Now().Format(time.DateOnly))
		case r.version == version && r.text != "":
			_, err = fmt.Fprintln(out, r.text)
			return err
		}
	}
	return fmt.Errorf("nothing of version %s is in CHANGELOG.md: write ## [%[1]s] - %s, and what has changed", version, time.Now().Format(time.DateOnly))
}

// writeChangelog writes the releases up to a version as Debian has its changelogs.
func writeChangelog(out io.Writer, version, maintainer string) error {
	now, err := sourceDate()
	if err != nil {
		return err
	}
	releases, err := readChangelog()
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, debianChangelog(releases, version, maintainer, now))
	return err
}

func debianChangelog(releases []release, version, maintainer string, now time.Time) string {
	if len(releases) > 0 && releases[0].version == "" && releases[0].text == "" {
		releases = releases[1:]
	}
	// Between releases, the version that is made is the next one's forerunner, whatever is known of it yet.
	if len(releases) == 0 || releases[0].version != version {
		if len(releases) == 0 || releases[0].version != "" {
			releases = append([]release{{text: "- Changes that CHANGELOG.md does not tell yet."}}, releases...)
		}
		releases[0].version, releases[0].date = version, now
	}
	entries := make([]string, 0, len(releases))
	for _, r := range releases {
		var entry strings.Builder
		fmt.Fprintf(&entry, "telegraf-wolkvox-ivr (%s) stable; urgency=medium\n\n", strings.Replace(r.version, "-", "~", 1))
		for _, item := range items(r.text) {
			entry.WriteString(wrap("  * ", "    ", item))
		}
		fmt.Fprintf(&entry, "\n -- %s  %s\n", maintainer, r.date.Format(time.RFC1123Z))
		entries = append(entries, entry.String())
	}
	return strings.Join(entries, "\n")
}

// wrap returns the text in lines of up to 80 characters, the first with one indent and the further ones with another.
func wrap(first, further, text string) string {
	var wrapped strings.Builder
	line := first
	for i, word := range strings.Fields(text) {
		if i > 0 && utf8.RuneCountInString(line)+utf8.RuneCountInString(word) > 80 {
			fmt.Fprintln(&wrapped, strings.TrimRight(line, " "))
			line = further
		}
		line += word + " "
	}
	fmt.Fprintln(&wrapped, strings.TrimRight(line, " "))
	return wrapped.String()
}

// items returns the items of the lists in a text, each in a line.
func items(text string) []string {
	var found []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch item, starts := strings.CutPrefix(line, "- "); {
		case starts:
			found = append(found, item)
		case line != "" && !strings.HasPrefix(line, "#") && len(found) > 0:
			found[len(found)-1] += " " + line
		}
	}
	return found
}
