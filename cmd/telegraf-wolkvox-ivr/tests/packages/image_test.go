//go:build integration

package packages

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/tests/testbed"
	"telegraf-wolkvox-ivr/plugins/common/simulator"
)

// TestImage builds the image for this machine as `make image` does, but on a stand-in for Telegraf's own image. It runs
// the image as a container engine does, except for namespaces: in its own files, as its user, and with only its
// environment.
//
//promise:image
func TestImage(t *testing.T) {
	t.Parallel()
	testbed.Need(t, "buildah")
	if os.Geteuid() != 0 {
		testbed.SkipWithout(t, "no root, to become another user")
	}
	dir := t.TempDir()
	storage := fmt.Sprintf("[storage]\ndriver = \"vfs\"\ngraphroot = %q\nrunroot = %q\n", dir+"/images", dir+"/run")
	require.NoError(t, os.WriteFile(dir+"/storage.conf", []byte(storage), 0o600))
	run := func(args ...string) string {
		t.Helper()
		return testbed.Execute(t, testbed.Root, "env", append([]string{"CONTAINERS_STORAGE_CONF=" + dir + "/storage.conf", "BUILDAH_ISOLATION=chroot",
			"SOURCE_DATE_EPOCH=" + strconv.Itoa(sourceDate)}, args...)...)
	}

	// The stand-in has the user, folders and entry point of Telegraf's image.
	m := newMachine(t)
	m.script("rpm-pre.sh", "1")
	m.script("rpm-post.sh", "2")
	m.write("/entrypoint.sh", "#!/bin/sh\ncase $1 in -*) set -- telegraf \"$@\" ;; esac\nexec \"$@\"\n")
	require.NoError(t, os.Chmod(m.path("/entrypoint.sh"), 0o755)) //nolint:gosec // G302: programs must be executable
	testbed.Execute(t, m.root, "tar", "-cf", dir+"/base.tar", ".")
	base := "FROM scratch\nADD base.tar /\nENV PATH=/usr/bin:/usr/sbin\nENTRYPOINT [\"/entrypoint.sh\"]\n"
	require.NoError(t, os.WriteFile(dir+"/Containerfile", []byte(base), 0o600))
	run("buildah", "build", "--quiet", "-t", "localhost/telegraf:test", dir)

	dist := dir + "/dist"
	require.NoError(t, os.Mkdir(dist, 0o700))
	testbed.Execute(t, "", "cp", packaged(t, "*_"+testbed.ThisSystem+".tar.gz"), dist)
	run("make", "image", "VERSION=1.0.0", "DIST="+dist, "ENGINE=buildah", "BASE=localhost/telegraf:test")
	require.Equal(t, 2, strings.Count(testbed.Execute(t, dist, "sha256sum", "--check", "SHA256SUMS"), ": OK\n"))

	image := "oci-archive:" + dist + "/telegraf-wolkvox-ivr_1.0.0_image.tar"
	start := func(name string) *container {
		run("buildah", "from", "--pull-always", "--name", name, image)
		c := &container{machine: machine{t, strings.TrimSpace(run("buildah", "mount", name))}}
		var inspected struct{ OCIv1 struct{ Config ociConfig } }
		require.NoError(t, json.Unmarshal([]byte(run("buildah", "inspect", name)), &inspected))
		c.config = inspected.OCIv1.Config
		return c
	}
	plain, pod := start("plain"), start("pod")
	require.Equal(t, "999:999", plain.config.User)
	require.Equal(t, "1.0.0", plain.config.Labels["org.opencontainers.image.version"])
	plain.requireFile("/var/lib/telegraf", "770 root:telegraf")
	for file, source := range map[string]string{
		"etc/telegraf/telegraf.conf": "packaging/container/telegraf.conf", "etc/telegraf/telegraf.d/wolkvox_ivr.conf": "packaging/telegraf.d.conf",
		"etc/telegraf/wolkvox_ivr.conf": "packaging/container/wolkvox_ivr.conf",
	} {
		require.Equal(t, testbed.ReadSource(t, testbed.ProgramDir+source), plain.read(file))
		plain.requireFile("/"+file, "644 root:root")
	}
	requireLicences(t, plain.read("/usr/share/doc/telegraf-wolkvox-ivr/third-party-licences.txt"), plain.read("/usr/bin/telegraf-wolkvox-ivr"))

	w := testbed.StartWolkvox(t, testbed.Busy)
	plain.write(testbed.PluginConf, plain.read(testbed.PluginConf)+fmt.Sprintf("  url = %q\n", w.URL))
	plain.run(plain.config.Cmd, "WOLKVOX_SERVER="+testbed.Busy.Server, "WOLKVOX_TOKEN="+testbed.Busy.Token)
	pod.runManifest(testbed.StartWolkvox(t, testbed.Busy))
}

// ociConfig has the parts of an image's configuration that matter here.
type ociConfig struct {
	User                 string
	Env, Entrypoint, Cmd []string
	Labels               map[string]string
}

// container is an image's files in a folder.
type container struct {
	machine
	config ociConfig
}

// run runs the container until there are metrics, and stops it. It may only write to the folder of the state.
func (c *container) run(args []string, env ...string) {
	c.t.Helper()
	before := c.files()
	chroot, err := exec.LookPath("chroot")
	require.NoError(c.t, err)
	command := slices.Concat([]string{"-i"}, c.config.Env, env, []string{chroot, "--userspec=" + c.config.User, c.root}, c.config.Entrypoint, args)
	a := &testbed.Telegraf{T: c.t, Dir: c.t.TempDir(), Program: "env", Args: command}
	a.Start()
	c.t.Cleanup(func() {
		a.Kill()
		if c.t.Failed() {
			c.t.Logf("Telegraf's log:\n%s", a.Log())
		}
	})
	a.AwaitLog("\nwolkvox_ivr,hour=")
	require.Empty(c.t, a.Problems())
	a.Stop()
	require.ElementsMatch(c.t, append(before, testbed.StateFile, testbed.StateFile+".lock"), c.files())
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

// runManifest runs the container as specified in kubernetes.yaml, with a simulated wolkvox.
func (c *container) runManifest(w *testbed.Wolkvox) {
	t := c.t
	t.Helper()
	secret, configMap, pod := manifest(t)
	require.Equal(t, fmt.Sprintf("%d:%d", pod.SecurityContext.RunAsUser, pod.SecurityContext.FSGroup), c.config.User)

	configMap["wolkvox_ivr.conf"] = onSimulator(configMap["wolkvox_ivr.conf"], w)
	configMap["telegraf.conf"] = strings.Replace(configMap["telegraf.conf"], `"http://:8080"`, `"http://127.0.0.1:0"`, 1)
	secret["wolkvox_token"] = testbed.Busy.Token
	mounts := make(map[string]string)
	for _, mount := range pod.Containers[0].VolumeMounts {
		mounts[mount.Name] = mount.MountPath
	}
	require.NoError(t, os.RemoveAll(c.path(mounts["config"]))) // the volume hides it
	for name, content := range configMap {
		testbed.Execute(t, "", "mkdir", "-p", c.path(mounts["config"]))
		c.write(filepath.Join(mounts["config"], name), content)
	}
	for name, content := range secret {
		path := filepath.Join(mounts["token"], name)
		testbed.Execute(t, "", "mkdir", "-p", c.path(mounts["token"]))
		c.write(path, content)
		require.NoError(t, os.Chmod(c.path(path), 0o440))
		require.NoError(t, os.Chown(c.path(path), 0, pod.SecurityContext.FSGroup))
	}
	require.Equal(t, "/var/lib/telegraf", mounts["state"])
	c.run(pod.Containers[0].Args)
}

// podSpec has the parts of Kubernetes' PodSpec that matter here.
type podSpec struct {
	SecurityContext struct {
		RunAsUser int `yaml:"runAsUser"`
		FSGroup   int `yaml:"fsGroup"`
	} `yaml:"securityContext"`
	Containers []struct {
		Args  []string
		Ports []struct {
			Name          string
			ContainerPort int `yaml:"containerPort"`
		}
		StartupProbe  probe `yaml:"startupProbe"`
		LivenessProbe probe `yaml:"livenessProbe"`
		VolumeMounts  []struct {
			Name      string
			MountPath string `yaml:"mountPath"`
		} `yaml:"volumeMounts"`
	}
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

// manifest returns the contents of kubernetes.yaml: the files of the Secret and the ConfigMap, and the pod.
func manifest(t *testing.T) (secret, configMap map[string]string, pod podSpec) {
	t.Helper()
	var first struct {
		StringData map[string]string `yaml:"stringData"`
	}
	var second struct{ Data map[string]string }
	var claim any
	var deployment struct {
		Spec struct{ Template struct{ Spec podSpec } }
	}
	documents := yaml.NewDecoder(strings.NewReader(testbed.ReadSource(t, testbed.ProgramDir+"packaging/kubernetes.yaml")))
	for _, document := range []any{&first, &second, &claim, &deployment} {
		require.NoError(t, documents.Decode(document))
	}
	return first.StringData, second.Data, deployment.Spec.Template.Spec
}

// onSimulator returns the plugin's configuration with the server and URL of a simulated wolkvox.
func onSimulator(conf string, w *testbed.Wolkvox) string {
	return regexp.MustCompile(`server = .*`).ReplaceAllLiteralString(conf, fmt.Sprintf("server = %q\nurl = %q", testbed.Busy.Server, w.URL))
}

// TestProbes: Kubernetes' probes detect whether the plugin runs, and nothing else. Times are shorter than in the
// manifest.
//
//promise:image
func TestProbes(t *testing.T) {
	t.Parallel()
	_, configMap, pod := manifest(t)
	port := pod.Containers[0].Ports[0]
	for _, probe := range []probe{pod.Containers[0].StartupProbe, pod.Containers[0].LivenessProbe} {
		require.Equal(t, port.Name, probe.HTTPGet.Port)
		require.Equal(t, "/", probe.HTTPGet.Path)
	}
	const timeout = 5 * time.Second
	start := func(conf string) (tg *testbed.Telegraf, status func() int) {
		tg = testbed.NewTelegraf(t, testbed.Setup{})
		tg.Write("wolkvox_token", testbed.Busy.Token)
		tg.Write("wolkvox_ivr.conf", strings.NewReplacer("/run/secrets/wolkvox", tg.Dir, "/var/lib/telegraf/", "", `"1m"`, `"200ms"`).Replace(conf))
		tg.Write("telegraf.conf", strings.NewReplacer("/usr/bin/telegraf-wolkvox-ivr", testbed.ProgramPath(t, "telegraf-wolkvox-ivr"),
			testbed.PluginConf, "wolkvox_ivr.conf", "[agent]\n", "[agent]\nflush_interval = \"100ms\"\n",
			fmt.Sprintf(`"http://:%d"`, port.ContainerPort), `"http://127.0.0.1:0"`,
			`"5m"`, strconv.Quote(timeout.String()), `"1m"`, `"15s"`).Replace(configMap["telegraf.conf"]))
		tg.Start()
		listening := regexp.MustCompile(`Listening on (http://127\S+)`)
		tg.AwaitLog("Listening on http://127")
		url := listening.FindStringSubmatch(tg.Log())[1]
		return tg, func() int {
			response, err := http.Get(url) //nolint:gosec // G107: of the Telegraf that runs here
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			return response.StatusCode
		}
	}

	w := testbed.StartWolkvox(t, testbed.Busy)
	w.SetFaults(1, simulator.FaultServerError)
	tg, status := start(onSimulator(configMap["wolkvox_ivr.conf"], w))
	is := func(expected int) func() bool { return func() bool { return status() == expected } }
	tg.Await("the plugin to run", is(http.StatusOK))
	began := time.Now()
	tg.Await("some time of wolkvox's outage", func() bool {
		require.Equal(t, http.StatusOK, status())
		return time.Since(began) > 2*timeout
	})
	require.Contains(t, tg.Log(), "the server failed")
	for _, end := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
		plugin := tg.Plugin()
		require.NoError(t, syscall.Kill(plugin, end))
		tg.Await("the plugin's end to be seen", is(http.StatusServiceUnavailable))
		if end == syscall.SIGSTOP {
			require.NoError(t, syscall.Kill(plugin, syscall.SIGCONT))
		}
		tg.Await("the plugin to run again", is(http.StatusOK))
	}
	tg.Stop()

	tg, status = start(strings.Replace(configMap["wolkvox_ivr.conf"], `"0001"`, `"?"`, 1))
	tg.AwaitLog("server has no digits")
	require.Equal(t, http.StatusServiceUnavailable, status(), "it never ran")
}

//promise:image
func TestKubernetes(t *testing.T) {
	t.Parallel()
	source := strings.TrimSpace(testbed.Execute(t, "", "go", "list", "-m", "-f", "{{.Dir}}", "github.com/influxdata/telegraf"))
	check, err := filepath.Abs("testdata/kubernetes.go")
	require.NoError(t, err)
	cmd := exec.Command("go", "run", "-C", source, check)
	cmd.Stdin = strings.NewReader(testbed.ReadSource(t, testbed.ProgramDir+"packaging/kubernetes.yaml"))
	var stderr bytes.Buffer // includes Go's downloads
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	require.Equal(t, "v1 Secret\nv1 ConfigMap\nv1 PersistentVolumeClaim\napps/v1 Deployment\n", string(output))
}

// The drop-in works with Telegraf's own unit.
//
//promise:packages
func TestSystemd(t *testing.T) {
	t.Parallel()
	testbed.Need(t, "systemd-analyze")
	source := strings.TrimSpace(testbed.Execute(t, "", "go", "list", "-m", "-f", "{{.Dir}}", "github.com/influxdata/telegraf"))
	unit, err := os.ReadFile(filepath.Join(source, "scripts", "telegraf.service"))
	require.NoError(t, err)
	dir := t.TempDir()
	testbed.Execute(t, "", "cp", "-R", testbed.Root+"/"+testbed.ProgramDir+"packaging/systemd/telegraf.service.d", dir)
	unit = regexp.MustCompile(`(?m)^ExecStart=\S+`).ReplaceAll(unit, []byte("ExecStart=/bin/true"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "telegraf.service"), unit, 0o600))
	path := filepath.Join(dir, "telegraf.service")
	verify := exec.Command("systemd-analyze", "verify", path)
	verify.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":")
	output, err := verify.CombinedOutput()
	require.NoError(t, err, string(output))
	require.NotContains(t, string(output), "wolkvox_ivr.conf") // an older systemd does not know all options of the unit
}
