// Command package does for package.sh, image.sh and release.sh what a shell can't do alike on every system: the same source makes
// the same bytes, wherever and whenever.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"strconv"
	"time"
)

const usage = `usage: package COMMAND

  archive NAME.tar.gz|NAME.zip FOLDER    archives a folder's files in a folder of the archive's name
  gzip                                   compresses what it reads
  sums FILE...                           prints checksums, for sha256sum --check
  copyright [--debian] PACKAGE...        prints the licences of all that go list says is compiled into a program, built in the
                                         working directory for GOOS and GOARCH with GOFLAGS; --debian refers to those Debian has
  manual VERSION PROGRAM                 prints the manual page of a program, out of what its --help says
  changelog VERSION MAINTAINER           prints Debian's changelog, out of CHANGELOG.md
  notes VERSION                          prints a version's section of CHANGELOG.md, and fails if there is none with a date
  image ARCHIVE NAME ARCH=FOLDER...      makes an OCI image archive, of the files in each architecture's folder

Times in what is written are those of SOURCE_DATE_EPOCH.
`

func main() {
	log.SetFlags(0)
	if err := run(os.Args[1:]); err != nil {
		log.Fatalf("package: %v", err)
	}
}

func run(args []string) error {
	command := ""
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	switch {
	case command == "archive" && len(args) == 2:
		return archive(args[0], args[1])
	case command == "gzip" && len(args) == 0:
		return compress(os.Stdout, os.Stdin)
	case command == "sums" && len(args) > 0:
		return writeSums(os.Stdout, args)
	case command == "copyright" && len(args) > 0:
		if args[0] == "--debian" {
			return copyright(os.Stdout, args[1:], true)
		}
		return copyright(os.Stdout, args, false)
	case command == "manual" && len(args) == 2:
		return manual(os.Stdout, args[0], args[1])
	case command == "changelog" && len(args) == 2:
		return writeChangelog(os.Stdout, args[0], args[1])
	case command == "notes" && len(args) == 1:
		return writeNotes(os.Stdout, args[0])
	case command == "image" && len(args) > 2:
		return image(args[0], args[1], args[2:])
	default:
		return fmt.Errorf("%v is not understood\n%s", os.Args[1:], usage)
	}
}

func command(name string, args ...string) *exec.Cmd {
	return exec.CommandContext(context.Background(), name, args...) // it takes as long as it takes
}

// sourceDate returns the time that what is made shall bear.
func sourceDate() (time.Time, error) {
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
