package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// archive writes a folder's files into an archive. tar and zip are not on every system, nor do they write the same bytes on all.
func archive(name, folder string) error {
	at, err := sourceDate()
	if err != nil {
		return err
	}
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	defer out.Close()
	base := filepath.Base(name)
	if inside, ok := strings.CutSuffix(base, ".tar.gz"); ok {
		err = writeTarGz(out, inside, folder, at)
	} else if inside, ok := strings.CutSuffix(base, ".zip"); ok {
		err = writeZip(out, inside, folder, at)
	} else {
		err = fmt.Errorf("%s: unknown kind of archive", base)
	}
	if err != nil {
		return err
	}
	return out.Close()
}

func writeTarGz(out io.Writer, inside, folder string, at time.Time) error {
	zipped := gzip.NewWriter(out)
	archive := tar.NewWriter(zipped)
	err := eachFile(folder, func(name string, mode fs.FileMode, content []byte) error {
		header := &tar.Header{Name: path.Join(inside, name), Mode: int64(mode), Size: int64(len(content)), ModTime: at, Uname: "root", Gname: "root"}
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

func writeZip(out io.Writer, inside, folder string, at time.Time) error {
	archive := zip.NewWriter(out)
	err := eachFile(folder, func(name string, mode fs.FileMode, content []byte) error {
		header := &zip.FileHeader{Name: path.Join(inside, name), Method: zip.Deflate, Modified: at}
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

// eachFile calls add with every file in a folder and those below, by name. Only whether a file is a program counts of its mode:
// the rest follows umask.
func eachFile(folder string, add func(name string, mode fs.FileMode, content []byte) error) error {
	files := os.DirFS(folder)
	return fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if info.Mode()&0o100 != 0 {
			mode = 0o755
		}
		return add(name, mode, content)
	})
}

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

// compress does as `gzip -9n` on systems that have it, of which each writes bytes of its own.
func compress(out io.Writer, in io.Reader) error {
	zipped, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := io.Copy(zipped, in); err != nil {
		return err
	}
	return zipped.Close()
}
