package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	oci "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// The user that the image's programs run as. By number, since Kubernetes can't tell from a name that it isn't root.
const imageUser = 999

// image writes an archive of an OCI image layout, with an image for each architecture. The folders in an architecture's folder are
// the layers, in the order of their names, on top of one with what Telegraf needs of a system.
func image(archive, name string, folders []string) error {
	created, err := sourceDate()
	if err != nil {
		return err
	}
	var index oci.ImageIndex = empty.Index
	index = mutate.IndexMediaType(index, types.OCIImageIndex)
	for _, folder := range folders {
		arch, folder, ok := strings.Cut(folder, "=")
		if !ok {
			return fmt.Errorf("%s: must be ARCH=FOLDER", arch)
		}
		img, err := imageFor(arch, folder, name, created)
		if err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: img, Descriptor: oci.Descriptor{Platform: &oci.Platform{OS: "linux", Architecture: arch}},
		})
	}

	dir, err := os.MkdirTemp("", "")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	written, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	// The first is what podman calls a loaded image, the second what containerd and docker do.
	annotations := map[string]string{"org.opencontainers.image.ref.name": name, "io.containerd.image.name": "docker.io/library/" + name}
	if err := written.AppendIndex(index, layout.WithAnnotations(annotations)); err != nil {
		return err
	}
	out, err := os.Create(archive)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := writeTree(out, nil, dir, created); err != nil {
		return err
	}
	return out.Close()
}

func imageFor(arch, folder, name string, created time.Time) (oci.Image, error) {
	base, err := layer(baseFiles(), "")
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	layers := append(make([]oci.Layer, 0, 1+len(entries)), base)
	for _, entry := range entries {
		next, err := layer(nil, filepath.Join(folder, entry.Name()))
		if err != nil {
			return nil, err
		}
		layers = append(layers, next)
	}
	img, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), layers...)
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", arch, oci.Time{Time: created}
	title, version, _ := strings.Cut(name, ":")
	config.Config = oci.Config{
		User:       fmt.Sprintf("%d:%[1]d", imageUser),
		Env:        []string{"PATH=/usr/bin", "HOME=/var/lib/telegraf"}, // without a home, some of Telegraf's plugins complain
		Entrypoint: []string{"/usr/bin/telegraf"},
		Cmd:        []string{"--strict-env-handling", "--config", "/etc/telegraf/telegraf.conf", "--config-directory", "/etc/telegraf/telegraf.d"},
		Labels: map[string]string{
			"org.opencontainers.image.title":       title,
			"org.opencontainers.image.version":     version,
			"org.opencontainers.image.description": "Telegraf, with the calls and minutes of wolkvox's IVR as an input",
			"org.opencontainers.image.licenses":    "MIT",
		},
	}
	return mutate.ConfigFile(img, config)
}

// baseFiles returns what Telegraf needs of a system.
func baseFiles() []tarFile {
	var certificates bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil { // a file can't say until when such a root's certificates are good
			_ = pem.Encode(&certificates, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // writing to memory can't fail
		}
	}
	return []tarFile{
		{name: "etc/", mode: 0o755},
		{name: "etc/group", mode: 0o644, content: fmt.Appendf(nil, "root:x:0:\ntelegraf:x:%d:\n", imageUser)},
		{name: "etc/passwd", mode: 0o644, content: fmt.Appendf(nil,
			"root:x:0:0:root:/root:/sbin/nologin\ntelegraf:x:%d:%[1]d:telegraf:/var/lib/telegraf:/sbin/nologin\n", imageUser)},
		{name: "etc/ssl/certs/", mode: 0o755},
		{name: "etc/ssl/certs/ca-certificates.crt", mode: 0o644, content: certificates.Bytes()},
		{name: "tmp/", mode: fs.ModeSticky | 0o777},
		{name: "var/lib/telegraf/", mode: 0o700, user: imageUser},
	}
}

// tarFile is a file of a layer, or a folder, whose name ends in a slash.
type tarFile struct {
	name    string
	mode    fs.FileMode
	user    int // and group
	content []byte
}

// layer makes one of files and of those in a folder, if one is given. They bear no time, so that an unchanged layer stays the same.
func layer(files []tarFile, folder string) (oci.Layer, error) {
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		reader, writer := io.Pipe()
		go func() {
			writer.CloseWithError(writeTree(writer, files, folder, time.Unix(0, 0)))
		}()
		return reader, nil
	}, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching, tarball.WithCompressionLevel(gzip.DefaultCompression))
}

// writeTree writes a tar file.
func writeTree(out io.Writer, files []tarFile, folder string, at time.Time) error {
	archive := tar.NewWriter(out)
	add := func(f tarFile) error {
		header := &tar.Header{
			Name: f.name, Mode: int64(f.mode.Perm()), Size: int64(len(f.content)), ModTime: at, Uid: f.user, Gid: f.user, Format: tar.FormatPAX,
		}
		if f.mode&fs.ModeSticky != 0 {
			header.Mode |= 0o1000
		}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		_, err := archive.Write(f.content)
		return err
	}
	for _, f := range files {
		if err := add(f); err != nil {
			return err
		}
	}
	if folder != "" {
		parents := make(map[string]bool)
		err := eachFile(folder, func(name string, mode fs.FileMode, content []byte) error {
			for _, parent := range foldersOf(name) {
				if !parents[parent] {
					parents[parent] = true
					if err := add(tarFile{name: parent, mode: 0o755}); err != nil {
						return err
					}
				}
			}
			return add(tarFile{name: name, mode: mode, content: content})
		})
		if err != nil {
			return err
		}
	}
	return archive.Close()
}

// foldersOf returns the folders that a file is in, from the outermost on.
func foldersOf(name string) []string {
	dir := path.Dir(name)
	if dir == "." {
		return nil
	}
	return append(foldersOf(dir), dir+"/")
}
