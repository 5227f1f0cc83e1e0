//go:build integration

package packages

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	oci "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
)

// TestImage makes the image for this machine, with the Telegraf of the other tests, and runs it as a container engine does, but for
// namespaces: in its own files, as its user, with its environment and nothing else.
func TestImage(t *testing.T) {
	t.Parallel()
	source := copySource(t, testbed.Root)
	dist := filepath.Join(t.TempDir(), "dist")
	testbed.Execute(t, source, "make", "image", "DIST="+dist, "VERSION=1.0.0", "SOURCE_DATE_EPOCH=1700000000",
		"IMAGE_ARCHS="+runtime.GOARCH, "IMAGE_TAGS=$(TELEGRAF_TAGS)")
	require.Equal(t, 3, strings.Count(testbed.Execute(t, dist, "sha256sum", "--check", "SHA256SUMS"), ": OK\n"))
	img := openImage(t, filepath.Join(dist, "telegraf-wolkvox-ivr_1.0.0_image.tar"))
	files := imageFiles(t, img)

	var listed []string
	for _, file := range files {
		listed = append(listed, file.listed)
	}
	slices.Sort(listed)
	doc := "/usr/share/doc/"
	require.Equal(t, []string{
		"1777 0:0 /tmp/",
		"644 0:0 /etc/group",
		"644 0:0 /etc/passwd",
		"644 0:0 /etc/ssl/certs/ca-certificates.crt",
		"644 0:0 /etc/telegraf/telegraf.conf",
		"644 0:0 /etc/telegraf/telegraf.d/wolkvox_ivr.conf",
		"644 0:0 /etc/telegraf/wolkvox_ivr.conf",
		"644 0:0 " + doc + "telegraf-wolkvox-ivr/copyright",
		"644 0:0 " + doc + "telegraf-wolkvox-ivr/sample.conf",
		"644 0:0 " + doc + "telegraf/copyright",
		"700 999:999 /var/lib/telegraf/",
		"755 0:0 /etc/",
		"755 0:0 /etc/ssl/certs/",
		"755 0:0 /etc/telegraf/",
		"755 0:0 /etc/telegraf/telegraf.d/",
		"755 0:0 /usr/",
		"755 0:0 /usr/bin/",
		"755 0:0 /usr/bin/telegraf",
		"755 0:0 /usr/bin/telegraf-wolkvox-ivr",
		"755 0:0 /usr/share/",
		"755 0:0 " + doc,
		"755 0:0 " + doc + "telegraf-wolkvox-ivr/",
		"755 0:0 " + doc + "telegraf/",
	}, listed)
	require.Greater(t, strings.Count(string(files["/etc/ssl/certs/ca-certificates.crt"].content), "BEGIN CERTIFICATE"), 100)
	for program, version := range map[string]string{"telegraf": "1.39.3", "telegraf-wolkvox-ivr": "1.0.0"} {
		content := files["/usr/bin/"+program].content
		requireLicences(t, files[doc+program+"/copyright"].content, content)
		sbom := "telegraf-wolkvox-ivr_1.0.0_image_" + map[string]string{"telegraf": "telegraf_"}[program] + testbed.ThisSystem + ".cdx.json"
		requireSBOM(t, filepath.Join(dist, sbom), content, version)
	}

	if os.Geteuid() != 0 {
		testbed.LeaveOut(t, "no root, to become another user")
	}
	t.Run("as it is", func(t *testing.T) {
		t.Parallel()
		w := testbed.StartWolkvox(t, testbed.Operation)
		c := newContainer(t, img, files)
		c.write("/etc/telegraf/wolkvox_ivr.conf", c.read("/etc/telegraf/wolkvox_ivr.conf")+fmt.Sprintf("  url = %q\n", w.URL))
		c.run(nil, "WOLKVOX_SERVER="+testbed.Operation.Server, "WOLKVOX_TOKEN="+testbed.Operation.Token)
	})
	t.Run("Kubernetes", func(t *testing.T) {
		t.Parallel()
		w := testbed.StartWolkvox(t, testbed.Operation)
		newContainer(t, img, files).runManifest(w)
	})
}

// openImage returns the image for this machine in an OCI image archive.
func openImage(t *testing.T, archive string) oci.Image {
	t.Helper()
	dir := t.TempDir()
	testbed.Execute(t, dir, "tar", "-xf", archive)
	outer, err := layout.ImageIndexFromPath(dir)
	require.NoError(t, err)
	require.NoError(t, validate.Index(outer))
	manifest, err := outer.IndexManifest()
	require.NoError(t, err)
	require.Len(t, manifest.Manifests, 1)
	require.Equal(t, "telegraf-wolkvox-ivr:1.0.0", manifest.Manifests[0].Annotations["org.opencontainers.image.ref.name"])
	index, err := outer.ImageIndex(manifest.Manifests[0].Digest)
	require.NoError(t, err)
	manifest, err = index.IndexManifest()
	require.NoError(t, err)
	for _, m := range manifest.Manifests {
		if m.Platform.OS == "linux" && m.Platform.Architecture == runtime.GOARCH {
			img, err := index.Image(m.Digest)
			require.NoError(t, err)
			return img
		}
	}
	require.FailNow(t, "no image for this machine")
	return nil
}

// imageFiles returns the files of an image, all layers taken together.
func imageFiles(t *testing.T, img oci.Image) map[string]entry {
	t.Helper()
	flat := mutate.Extract(img)
	defer flat.Close()
	files := make(map[string]entry)
	for archive := tar.NewReader(flat); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		require.NoError(t, err)
		content, err := io.ReadAll(archive)
		require.NoError(t, err)
		name := "/" + strings.TrimSuffix(header.Name, "/")
		if header.Typeflag == tar.TypeDir {
			name += "/"
		}
		files[name] = entry{name, fmt.Sprintf("%o %d:%d %s", header.Mode, header.Uid, header.Gid, name), content}
	}
}

// container is an image's files in a folder.
type container struct {
	t      *testing.T
	root   string
	config oci.Config
}

func newContainer(t *testing.T, img oci.Image, files map[string]entry) *container {
	t.Helper()
	file, err := img.ConfigFile()
	require.NoError(t, err)
	c := &container{t, t.TempDir(), file.Config}
	require.NoError(t, os.Chmod(c.root, 0o755)) //nolint:gosec // G302: another user has to get in
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names) // folders before what is in them
	for _, name := range names {
		var mode, user, group int
		_, err := fmt.Sscanf(files[name].listed, "%o %d:%d", &mode, &user, &group)
		require.NoError(t, err)
		if strings.HasSuffix(name, "/") {
			require.NoError(t, os.MkdirAll(c.path(name), 0o755)) //nolint:gosec // G301: likewise
		} else {
			require.NoError(t, os.WriteFile(c.path(name), files[name].content, 0o600))
		}
		require.NoError(t, os.Chown(c.path(name), user, group))
		testbed.Execute(t, "", "chmod", fmt.Sprintf("%o", mode), c.path(name))
	}
	for _, dir := range []string{"dev", "run"} { // an engine's
		require.NoError(t, os.MkdirAll(c.path(dir), 0o755)) //nolint:gosec // G301: likewise
	}
	c.write("/dev/null", "")
	require.NoError(t, os.Chmod(c.path("/dev/null"), 0o666)) //nolint:gosec // G302: likewise
	return c
}

func (c *container) path(path string) string {
	return filepath.Join(c.root, path)
}

func (c *container) write(path, content string) {
	c.t.Helper()
	require.NoError(c.t, os.MkdirAll(filepath.Dir(c.path(path)), 0o755))              //nolint:gosec // G301: likewise
	require.NoError(c.t, os.WriteFile(c.path(path), []byte(content), 0o644))          //nolint:gosec // G306: likewise
	require.NoError(c.t, os.Chmod(c.path(path), 0o644), "whatever umask has made it") //nolint:gosec // G302: likewise
}

func (c *container) read(path string) string {
	c.t.Helper()
	content, err := os.ReadFile(c.path(path))
	require.NoError(c.t, err)
	return string(content)
}

// run runs the container, with other arguments if any are given, until there are metrics, and stops it. It may write where the
// state is, and nowhere else.
func (c *container) run(args []string, env ...string) {
	c.t.Helper()
	if args == nil {
		args = c.config.Cmd
	}
	before := c.files()
	command := append([]string{"-i"}, append(slices.Clone(c.config.Env), env...)...)
	chroot, err := exec.LookPath("chroot")
	require.NoError(c.t, err)
	command = append(command, chroot, "--userspec="+c.config.User, c.root)
	command = append(command, append(slices.Clone(c.config.Entrypoint), args...)...)
	a := &testbed.Telegraf{T: c.t, Dir: c.t.TempDir(), Program: "env", Args: command}
	a.Start()
	c.t.Cleanup(func() {
		a.Kill()
		if c.t.Failed() {
			c.t.Logf("Telegraf's log:\n%s", a.Log())
		}
	})
	a.AwaitLog("\nwolkvox_ivr,hour=")
	require.Empty(c.t, a.Complaints())
	a.Stop()
	require.Equal(c.t, append(before, testbed.StateFile, testbed.StateFile+".lock"), c.files())
}

func (c *container) files() (files []string) {
	c.t.Helper()
	require.NoError(c.t, filepath.WalkDir(c.root, func(path string, d fs.DirEntry, err error) error {
		if !d.IsDir() {
			files = append(files, strings.TrimPrefix(path, c.root))
		}
		return err
	}))
	return files
}

// runManifest runs the container as kubernetes.yaml says, on a simulated wolkvox.
func (c *container) runManifest(w *testbed.Wolkvox) {
	t := c.t
	t.Helper()
	var secret, configMap struct {
		StringData map[string]string `yaml:"stringData"`
		Data       map[string]string `yaml:"data"`
	}
	var deployment struct {
		Spec struct{ Template struct{ Spec podSpec } }
	}
	documents := yaml.NewDecoder(strings.NewReader(testbed.ReadDoc(t, testbed.Ours+"packaging/kubernetes.yaml")))
	var claim any
	for _, document := range []any{&secret, &configMap, &claim, &deployment} {
		require.NoError(t, documents.Decode(document))
	}
	pod := deployment.Spec.Template.Spec
	require.Equal(t, fmt.Sprintf("%d:%d", pod.SecurityContext.RunAsUser, pod.SecurityContext.FSGroup), c.config.User)

	server := regexp.MustCompile(`server = .*`)
	configMap.Data["wolkvox_ivr.conf"] = server.ReplaceAllLiteralString(configMap.Data["wolkvox_ivr.conf"],
		fmt.Sprintf("server = %q\nurl = %q", testbed.Operation.Server, w.URL))
	secret.StringData["wolkvox_token"] = testbed.Operation.Token
	mounts := make(map[string]string)
	for _, mount := range pod.Containers[0].VolumeMounts {
		mounts[mount.Name] = mount.MountPath
	}
	require.NoError(t, os.RemoveAll(c.path(mounts["config"]))) // the volume hides it
	for name, content := range configMap.Data {
		c.write(filepath.Join(mounts["config"], name), content)
	}
	for name, content := range secret.StringData {
		path := filepath.Join(mounts["token"], name)
		c.write(path, content)
		require.NoError(t, os.Chmod(c.path(path), 0o440))
		require.NoError(t, os.Chown(c.path(path), 0, pod.SecurityContext.FSGroup))
	}
	require.Equal(t, "/var/lib/telegraf", mounts["state"])
	c.run(pod.Containers[0].Args)
}

// podSpec is what matters here of Kubernetes'.
type podSpec struct {
	SecurityContext struct {
		RunAsUser int `yaml:"runAsUser"`
		FSGroup   int `yaml:"fsGroup"`
	} `yaml:"securityContext"`
	Containers []struct {
		Args         []string
		VolumeMounts []struct {
			Name      string
			MountPath string `yaml:"mountPath"`
		} `yaml:"volumeMounts"`
	}
}

func TestKubernetes(t *testing.T) {
	t.Parallel()
	source := strings.TrimSpace(testbed.Execute(t, "", "go", "list", "-m", "-f", "{{.Dir}}", "github.com/influxdata/telegraf"))
	check, err := filepath.Abs("testdata/kubernetes.go")
	require.NoError(t, err)
	cmd := exec.Command("go", "run", "-C", source, check)
	cmd.Stdin = strings.NewReader(testbed.ReadDoc(t, testbed.Ours+"packaging/kubernetes.yaml"))
	var complaints bytes.Buffer // and what Go downloads
	cmd.Stderr = &complaints
	output, err := cmd.Output()
	require.NoError(t, err, complaints.String())
	require.Equal(t, "v1 Secret\nv1 ConfigMap\nv1 PersistentVolumeClaim\napps/v1 Deployment\n", string(output))
}

// The drop-in goes with Telegraf's own unit.
func TestSystemd(t *testing.T) {
	t.Parallel()
	testbed.Need(t, "systemd-analyze")
	source := strings.TrimSpace(testbed.Execute(t, "", "go", "list", "-m", "-f", "{{.Dir}}", "github.com/influxdata/telegraf"))
	unit, err := os.ReadFile(filepath.Join(source, "scripts", "telegraf.service"))
	require.NoError(t, err)
	dir := t.TempDir()
	testbed.Execute(t, "", "cp", "-R", testbed.Root+"/"+testbed.Ours+"packaging/systemd/telegraf.service.d", dir)
	unit = regexp.MustCompile(`(?m)^ExecStart=\S+`).ReplaceAll(unit, []byte("ExecStart=/bin/true"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "telegraf.service"), unit, 0o600))
	path := filepath.Join(dir, "telegraf.service")
	verify := exec.Command("systemd-analyze", "verify", path)
	verify.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":")
	output, err := verify.CombinedOutput()
	require.NoError(t, err, string(output))
	require.NotContains(t, string(output), "wolkvox_ivr.conf") // of the unit, an older systemd does not know all
}

// What the Containerfile and the compose file take from the source is there, and goes together.
func TestCompose(t *testing.T) {
	t.Parallel()
	folder := testbed.Ours + "packaging/container"
	copied := regexp.MustCompile(`(?m)^COPY \S+ (\S+) (\S+)$`).FindAllStringSubmatch(testbed.ReadDoc(t, folder+"/Containerfile"), -1)
	require.Len(t, copied, 3)
	require.Equal(t, []string{"${PROGRAM}", "/usr/bin/telegraf-wolkvox-ivr"}, copied[0][1:])
	for _, file := range copied[1:] {
		require.FileExists(t, filepath.Join(testbed.Root, file[1]))
	}

	type service struct {
		Build       struct{ Context, Dockerfile string }
		Command     []string
		Environment map[string]string
		Volumes     []string
		Secrets     []string
	}
	var compose struct {
		Services map[string]service
		Secrets  map[string]struct{ File string }
		Volumes  map[string]any
	}
	require.NoError(t, yaml.Unmarshal([]byte(testbed.ReadDoc(t, folder+"/compose.yaml")), &compose))
	mounted := make(map[string]string) // what is where
	for _, s := range compose.Services {
		for _, volume := range s.Volumes {
			from, to, _ := strings.Cut(volume, ":")
			if !strings.HasPrefix(from, ".") {
				require.Contains(t, compose.Volumes, from)
				continue
			}
			require.FileExists(t, filepath.Join(testbed.Root, folder, from))
			mounted[strings.TrimSuffix(to, ":ro")] = filepath.Clean(filepath.Join(folder, from))
		}
	}
	tg := compose.Services["telegraf"]
	require.FileExists(t, filepath.Join(testbed.Root, folder, tg.Build.Context, tg.Build.Dockerfile))
	require.Equal(t, []string{"wolkvox_token"}, tg.Secrets)
	require.Contains(t, compose.Secrets, "wolkvox_token")
	require.Contains(t, testbed.ReadDoc(t, mounted["/etc/telegraf/wolkvox_ivr.conf"]), `token = "@{secrets:wolkvox_token}"`)
	output := testbed.ReadDoc(t, mounted[tg.Command[len(tg.Command)-1]+"/influxdb.conf"])
	for variable := range tg.Environment {
		if variable != "WOLKVOX_SERVER" { // the plugin's
			require.Contains(t, output, "${"+variable+":-")
		}
	}

	// All that Grafana can be provisioned with is, the dashboard where it looks for it.
	for _, file := range documents(t, testbed.Root) {
		if strings.HasPrefix(file, "testdata/grafana/") && !slices.Contains([]string{".md", ".png"}, filepath.Ext(file)) &&
			filepath.Base(file) != "datasource.yaml" { // which is another machine's
			require.Contains(t, strings.Join(compose.Services["grafana"].Volumes, "\n"), "/"+file+":/")
		}
	}
	provider := testbed.ReadDoc(t, mounted["/etc/grafana/provisioning/dashboards/wolkvox_ivr.yaml"])
	for at, file := range mounted {
		if strings.HasSuffix(file, ".json") {
			require.Contains(t, provider, "path: "+filepath.Dir(at)+"\n")
		}
	}
	require.Contains(t, testbed.ReadDoc(t, mounted["/etc/grafana/provisioning/datasources/wolkvox_ivr.yaml"]), "url: "+tg.Environment["INFLUX_URL"]+"\n")
}
