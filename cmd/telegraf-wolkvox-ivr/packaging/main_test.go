package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	oci "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/stretchr/testify/require"
)

func TestManualPage(t *testing.T) {
	page, err := manualPage(`tool does what it's for.

  --config PATH    where its *.conf is
  --test           try it,
                   once
  -v               say more

It ends with 1 on failure.
.hidden files are left out.
`, ".SH FILES\nnone\n", "tool", "1.2.3", "2026-01-31")
	require.NoError(t, err)
	require.Equal(t, `.TH TOOL 1 2026-01-31 "tool 1.2.3"
.SH NAME
tool \- does what it\(aqs for
.SH SYNOPSIS
\fBtool\fR [\fIOPTION\fR]...
.SH DESCRIPTION
It ends with 1 on failure.
\&.hidden files are left out.
.SH OPTIONS
.TP
\fB\-\-config\fR \fIPATH\fR
where its *.conf is
.TP
\fB\-\-test\fR
try it,
once
.TP
\fB\-v\fR
say more
.SH FILES
none
.SH SEE ALSO
/usr/share/doc/tool/README.md
`, page)

	_, err = manualPage("usage: tool\n", "", "tool", "1.2.3", "2026-01-31")
	require.ErrorContains(t, err, `begins with "usage: tool"`)
	_, err = manualPage("tool works\n\n --odd\n", "", "tool", "1.2.3", "2026-01-31")
	require.ErrorContains(t, err, `" --odd"`)
}

const changelogText = `# Changelog

About it.

## [Unreleased]

### Fixed

- What was broken, which takes so many words that they do not fit in one line of a changelog.

## [1.0.0] - 2026-01-31

### Added

- First.
- Second,
  in two lines.
`

func TestDebianChangelog(t *testing.T) {
	releases, err := parseChangelog(changelogText)
	require.NoError(t, err)
	now := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	const unreleased = `telegraf-wolkvox-ivr (1.0.1~git20260203.2.g0123456789) stable; urgency=medium

  * What was broken, which takes so many words that they do not fit in one line
    of a changelog.

 -- Authors <authors@example.org>  Tue, 03 Feb 2026 04:05:06 +0000
`
	const first = `telegraf-wolkvox-ivr (1.0.0) stable; urgency=medium

  * First.
  * Second, in two lines.

 -- Authors <authors@example.org>  Sat, 31 Jan 2026 00:00:00 +0000
`
	maintainer := "Authors <authors@example.org>"
	require.Equal(t, unreleased+"\n"+first, debianChangelog(releases, "1.0.1-git20260203.2.g0123456789", maintainer, now))
	require.Equal(t, first, debianChangelog(releases[1:], "1.0.0", maintainer, now))
	require.Contains(t, debianChangelog(releases[1:], "1.0.1-git20260203.1.g0123456789", maintainer, now), "does not tell yet.\n\n -- ")

	empty := append([]release{{}}, releases[1:]...)
	require.Equal(t, first, debianChangelog(empty, "1.0.0", maintainer, now))
	require.Contains(t, debianChangelog(empty, "1.0.1-git20260203.1.g0123456789", maintainer, now), "does not tell yet.\n\n -- ")
}

func TestNotes(t *testing.T) {
	for name, test := range map[string]struct{ changelog, version, notes, err string }{
		"released": {
			changelog: strings.Replace(changelogText, "[Unreleased]", "[1.0.1] - 2026-02-03", 1), version: "1.0.0",
			notes: "### Added\n\n- First.\n- Second,\n  in two lines.\n",
		},
		"nothing unreleased": {changelog: "## [Unreleased]\n\n## [1.0.0] - 2026-01-31\n- First.\n", version: "1.0.0", notes: "- First.\n"},
		"unreleased":         {changelog: changelogText, version: "1.0.0", err: "unreleased changes are in CHANGELOG.md: bring them under ## [1.0.0] - "},
		"unknown":            {changelog: "## [1.0.0] - 2026-01-31\n- First.\n", version: "1.1.0", err: "nothing of version 1.1.0"},
		"empty":              {changelog: "## [1.0.0] - 2026-01-31\n", version: "1.0.0", err: "nothing of version 1.0.0"},
		"no date":            {changelog: "## [1.0.0]\n- First.\n", version: "1.0.0", err: "version 1.0.0 in CHANGELOG.md has no date"},
		"no such date":       {changelog: "## [1.0.0] - 2026-31-01\n- First.\n", version: "1.0.0", err: "version 1.0.0 in CHANGELOG.md has no date"},
		"no heading":         {changelog: "## 1.0.0 - 2026-01-31\n- First.\n", version: "1.0.0", err: "in CHANGELOG.md is no heading"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			require.NoError(t, os.WriteFile("CHANGELOG.md", []byte(test.changelog), 0o600))
			var notes bytes.Buffer
			err := writeNotes(&notes, test.version)
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.notes, notes.String())
		})
	}
}

const (
	mit = "Permission is hereby granted, free of charge, to any person obtaining a copy of this software and …\n"
	bsd = "Redistributions in binary form must reproduce the above …\n"
)

// writeModule writes files of a module and returns it.
func writeModule(t *testing.T, path string, files map[string]string) *goModule {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return &goModule{Path: path, Version: "v1.0.0", Dir: dir}
}

func TestLicences(t *testing.T) {
	main := writeModule(t, "main", map[string]string{"LICENSE": "MIT License\n\nCopyright (c) 2026 Us\n\n" + mit})
	main.Main = true
	plain := writeModule(t, "example.org/plain", map[string]string{"LICENSE.md": "MIT License\n\nCopyright (c) 2020 Them\nCopyright 2021 Others\n\n" + mit})
	apache := writeModule(t, "example.org/apache", map[string]string{
		"COPYING":  "Apache License\nVersion 2.0\n\nTERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION\n\nlong\n\nEND OF TERMS AND CONDITIONS\n",
		"NOTICE":   "Made by\n\nthem\n",
		"licence":  "\n", // is none
		"other.go": "package other",
	})
	parts := writeModule(t, "example.org/parts", map[string]string{
		"LICENSE":          "Copyright 2019 Parts\n" + bsd + "Neither the name of …\n",
		"inside/COPYING":   "(c) Copyright 2018 Inside\n" + bsd,
		"inside/a/a.go":    "package a",
		"left/out/LICENSE": "Copyright 2017 Left\n" + mit,
	})
	packages := []goPackage{
		{ImportPath: "fmt", Standard: true},
		{ImportPath: "example.org/plain", Dir: plain.Dir, Module: plain},
		{ImportPath: "example.org/apache", Dir: apache.Dir, Module: apache},
		{ImportPath: "example.org/parts/inside/a", Dir: filepath.Join(parts.Dir, "inside", "a"), Module: parts},
		{ImportPath: "main", Dir: main.Dir, Module: main},
	}
	licences, err := licencesOf(packages)
	require.NoError(t, err)
	var written bytes.Buffer
	require.NoError(t, writeCopyright(&written, licences, true))
	text := written.String()
	require.True(t, strings.HasPrefix(text, "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n"+
		"Files: *\nCopyright: 2026 Us\nLicense: Expat\n\nFiles: Go@"), text)
	for _, stanza := range []string{
		"Files: example.org/apache@v1.0.0/*\nCopyright: the authors of example.org/apache@v1.0.0\nLicense: Apache-2.0\n" +
			"Comment:\n Made by\n .\n them\n",
		"Files: example.org/plain@v1.0.0/*\nCopyright: 2020 Them\n 2021 Others\nLicense: Expat\n",
		"Files: example.org/parts@v1.0.0/*\nCopyright: 2019 Parts\nLicense: BSD-3-clause-2\n", // the first is Go's
		"Files: example.org/parts@v1.0.0/inside/*\n",
		"License: Apache-2.0\n Apache License\n Version 2.0\n .\n The full text is in /usr/share/common-licenses/Apache-2.0.\n",
		"License: BSD-2-clause\n",
		"License: Expat\n MIT License\n .\n Permission is hereby granted",
	} {
		require.Contains(t, text, "\n\n"+stanza)
	}
	require.Equal(t, 1, strings.Count(text, "Files: Go@"))
	require.NotContains(t, text, "Left", "is not compiled in")
	require.Equal(t, 1, strings.Count(text, "Permission is hereby"), "each text once")

	written.Reset()
	require.NoError(t, writeCopyright(&written, licences, false))
	require.Contains(t, written.String(), "\n long\n", "Debian alone has the text")
}

func TestModuleWithoutLicence(t *testing.T) {
	main := writeModule(t, "main", map[string]string{"LICENSE": mit})
	bare := writeModule(t, "example.org/bare", map[string]string{"bare.go": "package bare", "licence.go": "package bare", "LICENSE": "", "sub/LICENSE": mit})
	_, err := licencesOf([]goPackage{{ImportPath: "main", Dir: main.Dir, Module: main}, {ImportPath: "example.org/bare", Dir: bare.Dir, Module: bare}})
	require.ErrorContains(t, err, "example.org/bare@v1.0.0 has no licence in "+bare.Dir)
}

func TestUnknownCommands(t *testing.T) {
	for _, args := range [][]string{nil, {"archive"}, {"sums"}, {"image", "a", "b"}, {"unknown"}} {
		require.ErrorContains(t, run(args), "usage: package COMMAND")
	}
	t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
	require.ErrorContains(t, run([]string{"archive", "x.zip", "."}), "SOURCE_DATE_EPOCH")
}

func TestImage(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	dir := t.TempDir()
	build := func(name string) string {
		var folders []string
		for _, arch := range []string{"amd64", "arm64"} {
			folder := filepath.Join(dir, name, arch)
			for file, content := range map[string]string{"1/usr/bin/telegraf": "telegraf", "2/usr/bin/plugin": arch, "2/etc/plugin.conf": ""} {
				require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(folder, file)), 0o700))
				require.NoError(t, os.WriteFile(filepath.Join(folder, file), []byte(content), 0o600))
			}
			folders = append(folders, arch+"="+folder)
		}
		archive := filepath.Join(dir, name+".tar")
		require.NoError(t, run(append([]string{"image", archive, "plugin:1.0.0"}, folders...)))
		return archive
	}
	first, err := os.ReadFile(build("first"))
	require.NoError(t, err)
	second, err := os.ReadFile(build("second"))
	require.NoError(t, err)
	require.True(t, bytes.Equal(first, second), "the same files make the same bytes")

	unpacked := filepath.Join(dir, "unpacked")
	for archive := tar.NewReader(bytes.NewReader(first)); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		content, err := io.ReadAll(archive)
		require.NoError(t, err)
		if header.Typeflag == tar.TypeReg {
			path := filepath.Join(unpacked, header.Name) //nolint:gosec // G305: of a test
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
			require.NoError(t, os.WriteFile(path, content, 0o600))
		}
	}
	outer, err := layout.ImageIndexFromPath(unpacked)
	require.NoError(t, err)
	require.NoError(t, validate.Index(outer))
	manifest, err := outer.IndexManifest()
	require.NoError(t, err)
	require.Equal(t, map[string]string{"org.opencontainers.image.ref.name": "plugin:1.0.0", "io.containerd.image.name": "docker.io/library/plugin:1.0.0"},
		manifest.Manifests[0].Annotations)
	index, err := outer.ImageIndex(manifest.Manifests[0].Digest)
	require.NoError(t, err)
	manifest, err = index.IndexManifest()
	require.NoError(t, err)
	var platforms []string
	shared := sameLayers(t, index, manifest.Manifests, &platforms)
	require.Equal(t, []string{"linux/amd64", "linux/arm64"}, platforms)
	require.Equal(t, []bool{true, true, false}, shared, "which layers are the same")
}

// sameLayers returns which layers of an index's two images are the same.
func sameLayers(t *testing.T, index oci.ImageIndex, images []oci.Descriptor, platforms *[]string) (same []bool) {
	t.Helper()
	var digests [][]string
	for _, i := range images {
		*platforms = append(*platforms, i.Platform.String())
		img, err := index.Image(i.Digest)
		require.NoError(t, err)
		config, err := img.ConfigFile()
		require.NoError(t, err)
		require.Equal(t, i.Platform.Architecture, config.Architecture)
		require.Equal(t, "999:999", config.Config.User)
		require.Equal(t, int64(1700000000), config.Created.Unix())
		layers, err := img.Layers()
		require.NoError(t, err)
		var of []string
		for _, layer := range layers {
			digest, err := layer.Digest()
			require.NoError(t, err)
			of = append(of, digest.String())
		}
		digests = append(digests, of)
	}
	for i := range digests[0] {
		same = append(same, digests[0][i] == digests[1][i])
	}
	return same
}
