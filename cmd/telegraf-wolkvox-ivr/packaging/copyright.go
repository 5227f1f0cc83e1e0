package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// goPackage is what `go list` tells of a package, as far as it matters here.
type goPackage struct {
	ImportPath string
	Dir        string
	Standard   bool
	Module     *goModule
}

type goModule struct {
	Path, Version, Dir string
	Main               bool
	Replace            *goModule
}

// licence is that of a module or of a folder in it.
type licence struct {
	files   string   // what it is the licence of
	holders []string // lines of copyright
	names   []string // of the licences in it
	text    string   // without the holders
	notice  string   // what else is to be handed on
}

// copyright writes the licences of all that is compiled into programs, in the machine-readable format of debian/copyright.
func copyright(out io.Writer, programs []string, debian bool) error {
	packages, err := compiledIn(programs)
	if err != nil {
		return err
	}
	licences, err := licencesOf(packages)
	if err != nil {
		return err
	}
	return writeCopyright(out, licences, debian)
}

func compiledIn(programs []string) ([]goPackage, error) {
	list := command("go", append([]string{"list", "-deps", "-json=ImportPath,Dir,Standard,Module"}, programs...)...)
	list.Stderr = os.Stderr
	listed, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("%s failed: %w", list, err)
	}
	var packages []goPackage
	for decoder := json.NewDecoder(bytes.NewReader(listed)); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
}

// licencesOf reads the licences of the packages' modules, and of folders in them that packages are in: the programs' own first.
func licencesOf(packages []goPackage) ([]licence, error) {
	goRoot, err := command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	standard := &goModule{Path: "Go", Version: runtime.Version(), Dir: strings.TrimSpace(string(goRoot))}
	licensed := make(map[string]bool) // by folder
	var own, others []licence
	for _, p := range packages {
		module := p.Module
		dir := p.Dir
		switch {
		case p.Standard:
			module, dir = standard, standard.Dir
		case module == nil:
			return nil, fmt.Errorf("%s is in no module", p.ImportPath)
		case module.Replace != nil:
			module = &goModule{Path: module.Path, Version: module.Replace.Version, Dir: module.Replace.Dir}
		}
		for ; ; dir = filepath.Dir(dir) {
			if _, done := licensed[dir]; !done {
				found, err := licenceIn(module, dir)
				switch {
				case err != nil:
					return nil, err
				case found == nil:
				case module.Main:
					own = append(own, *found)
				default:
					others = append(others, *found)
				}
				licensed[dir] = found != nil
			}
			if dir == module.Dir {
				break
			}
		}
		if !licensed[module.Dir] {
			return nil, fmt.Errorf("%s@%s has no licence in %s", module.Path, module.Version, module.Dir)
		}
	}
	slices.SortFunc(others, func(a, b licence) int { return strings.Compare(a.files, b.files) })
	return append(own, others...), nil
}

var (
	licenceFile = regexp.MustCompile(`(?i)^(un)?licen[cs]e|^copying|^copyright`)
	noticeFile  = regexp.MustCompile(`(?i)^notice|^patents`)
	noText      = regexp.MustCompile(`(?i)\.(go|mod|sum|sh|ya?ml|json|tmpl|tpl|py|header)$`)
	holder      = regexp.MustCompile(`(?i)^\W*(portions )?copyright\s*((©|\(c\)|\d{4}|the ).*\w.*)$`)
	blankLines  = regexp.MustCompile(`\n{3,}`)
	mark        = regexp.MustCompile(`(?i)^\W*copyright\s*(\(c\)|©)?\s*`) // which the field's name says already
)

// licenceIn returns the licence that files of a folder hold, or nil.
func licenceIn(module *goModule, dir string) (*licence, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	files := "*"
	if !module.Main {
		inside, err := filepath.Rel(module.Dir, dir)
		if err != nil {
			return nil, err
		}
		files = path.Join(module.Path+"@"+module.Version, filepath.ToSlash(inside), "*")
	}
	var text, notices []string
	for _, entry := range entries {
		name := entry.Name()
		isLicence, isNotice := licenceFile.MatchString(name), noticeFile.MatchString(name)
		if entry.IsDir() || noText.MatchString(name) || !isLicence && !isNotice {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		switch {
		case len(bytes.TrimSpace(content)) == 0:
		case isNotice:
			notices = append(notices, strings.TrimSpace(string(content)))
		default:
			text = append(text, string(content))
		}
	}
	if len(text) == 0 {
		return nil, nil
	}
	l := readLicence(strings.Join(text, "\n\n"))
	l.files, l.notice = files, strings.Join(notices, "\n\n")
	return &l, nil
}

// readLicence parts the holders from the text.
func readLicence(content string) licence {
	var l licence
	var text []string
	for line := range strings.Lines(strings.ReplaceAll(content, "\r\n", "\n")) {
		line = strings.TrimRight(line, " \t\n\f")
		if holder.MatchString(line) {
			l.holders = append(l.holders, mark.ReplaceAllString(line, ""))
		} else {
			text = append(text, line)
		}
	}
	l.text = blankLines.ReplaceAllString(strings.Trim(strings.Join(text, "\n"), "\n"), "\n\n")
	words := normalised(content)
	for _, known := range knownLicences {
		if known.text.MatchString(words) {
			l.names = append(l.names, known.name)
		}
	}
	if len(l.names) == 0 {
		l.names = []string{"other"}
	}
	return l
}

// knownLicences are recognised by what no other says, and named as the format's specification does.
var knownLicences = []struct {
	name string
	text *regexp.Regexp
}{
	{"Apache-2.0", regexp.MustCompile(`apache license,? version 2\.0`)},
	{"MPL-2.0", regexp.MustCompile(`mozilla public license,? version 2\.0`)},
	{"EPL-2.0", regexp.MustCompile(`eclipse public license - v 2\.0`)},
	{"LGPL-3", regexp.MustCompile(`gnu lesser general public license version 3`)},
	{"Expat", regexp.MustCompile(`permission is hereby granted, free of charge, to any person obtaining a copy of this software and`)},
	{"BSD-3-clause", regexp.MustCompile(`redistributions in binary form must reproduce.* (neither the name|the names? of .* may not be used)`)},
	{"BSD-2-clause", regexp.MustCompile(`redistributions in binary form must reproduce`)},
	{"ISC", regexp.MustCompile(`permission to use, copy, modify, (and/or|and) distribute this software for any purpose`)},
	{"Unlicense", regexp.MustCompile(`this is free and unencumbered software released into the public domain`)},
	{"CC0-1.0", regexp.MustCompile(`cc0 1\.0 universal`)},
	{"Zlib", regexp.MustCompile(`altered source versions must be plainly marked`)},
}

func normalised(text string) string {
	return strings.Join(strings.Fields(strings.ToLower(text)), " ")
}

// What Debian has in /usr/share/common-licenses is referred to there, not repeated.
var (
	apacheTerms  = regexp.MustCompile(`(?s)TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION.*?(END OF TERMS AND CONDITIONS|$)`)
	mozillaTerms = regexp.MustCompile(`(?s)1\. Definitions\n.*10\.4\..*?This Source Code Form is "?Incompatible.*`)
)

const (
	apacheOnDebian  = "The full text is in /usr/share/common-licenses/Apache-2.0."
	mozillaOnDebian = "The full text is in /usr/share/common-licenses/MPL-2.0."
)

// writeCopyright writes each licence's stanza, and then each text once.
func writeCopyright(out io.Writer, licences []licence, debian bool) error {
	written := &bytes.Buffer{}
	written.WriteString("Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n")
	texts := make(map[string]string) // by name, which is a number longer where texts differ
	for _, l := range licences {
		if debian {
			l.text = apacheTerms.ReplaceAllLiteralString(l.text, apacheOnDebian)
			if slices.Contains(l.names, "MPL-2.0") {
				l.text = mozillaTerms.ReplaceAllLiteralString(l.text, mozillaOnDebian)
			}
		}
		holders := l.holders
		if len(holders) == 0 {
			holders = []string{"the authors of " + strings.TrimSuffix(l.files, "/*")}
		}
		fmt.Fprintf(written, "\nFiles: %s\nCopyright: %s\nLicense: %s\n", l.files, field(strings.Join(holders, "\n")), nameText(texts, l))
		if l.notice != "" {
			fmt.Fprintf(written, "Comment:%s\n", field("\n"+l.notice))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		fmt.Fprintf(written, "\nLicense: %s%s\n", name, field("\n"+texts[name]))
	}
	_, err := written.WriteTo(out)
	return err
}

// nameText returns the name of a licence's text, which it adds if it isn't there yet.
func nameText(texts map[string]string, l licence) string {
	names := slices.Clone(l.names)
	if i := slices.Index(names, "BSD-2-clause"); i >= 0 && slices.Contains(names, "BSD-3-clause") {
		names = slices.Delete(names, i, i+1) // is a part of the other
	}
	base := strings.Join(names, "-and-")
	for i, name := 1, base; ; name = fmt.Sprintf("%s-%d", base, i) {
		text, taken := texts[name]
		if !taken {
			texts[name] = l.text
			return name
		}
		if normalised(text) == normalised(l.text) {
			return name
		}
		i++
	}
}

// field indents the further lines of a field's value.
func field(value string) string {
	lines := strings.Split(value, "\n")
	for i, line := range lines[1:] {
		if strings.TrimSpace(line) == "" {
			line = "."
		}
		lines[i+1] = " " + line
	}
	return strings.Join(lines, "\n")
}
