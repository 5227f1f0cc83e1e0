//go:build ignore

// Archive writes files into an archive, NAME.tar.gz or NAME.zip, or their checksums into SHA256SUMS. It is for package.sh: tar, zip and
// sha256sum are not on every system, nor do they write the same bytes on all.
package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 3 {
		log.Fatal("usage: archive NAME.tar.gz|NAME.zip|SHA256SUMS FILE...")
	}
	if err := write(os.Args[1], os.Args[2:]); err != nil {
		log.Fatal(err)
	}
}

func write(name string, files []string) error {
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	base := filepath.Base(name)
	switch {
	case base == "SHA256SUMS":
		err = writeSums(out, files)
	case strings.HasSuffix(base, ".tar.gz"):
		err = writeTar(out, strings.TrimSuffix(base, ".tar.gz"), files)
	case strings.HasSuffix(base, ".zip"):
		err = writeZip(out, strings.TrimSuffix(base, ".zip"), files)
	default:
		err = fmt.Errorf("%s: unknown kind of archive", name)
	}
	if err != nil {
		return err
	}
	return out.Close()
}

// writeSums writes what `sha256sum --check` reads in the files' folder.
func writeSums(out io.Writer, files []string) error {
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%x  %s\n", sha256.Sum256(content), filepath.Base(file)); err != nil {
			return err
		}
	}
	return nil
}

func writeTar(out io.Writer, folder string, files []string) error {
	zipped := gzip.NewWriter(out)
	archive := tar.NewWriter(zipped)
	err := each(folder, files, func(name string, mode os.FileMode, at time.Time, content []byte) error {
		header := &tar.Header{Name: name, Mode: int64(mode), Size: int64(len(content)), ModTime: at, Uname: "root", Gname: "root"}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		_, err := archive.Write(content)
		return err
	})
	if err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return zipped.Close()
}

func writeZip(out io.Writer, folder string, files []string) error {
	archive := zip.NewWriter(out)
	err := each(folder, files, func(name string, mode os.FileMode, at time.Time, content []byte) error {
		header := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: at}
		header.SetMode(mode)
		entry, err := archive.CreateHeader(header)
		if err != nil {
			return err
		}
		_, err = entry.Write(content)
		return err
	})
	if err != nil {
		return err
	}
	return archive.Close()
}

// each calls add with every file, in the order given. Only whether a file is a program counts of its mode: the rest follows umask.
func each(folder string, files []string, add func(name string, mode os.FileMode, at time.Time, content []byte) error) error {
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if info.Mode()&0o100 != 0 {
			mode = 0o755
		}
		if err := add(folder+"/"+filepath.Base(file), mode, time.Unix(seconds, 0).UTC(), content); err != nil {
			return err
		}
	}
	return nil
}
