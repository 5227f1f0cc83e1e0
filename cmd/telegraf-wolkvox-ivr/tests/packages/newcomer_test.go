//go:build integration && linux

package packages

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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

// TestNewcomer goes from the package to rows in a real InfluxDB and to Grafana's files in a clean Debian. It uses only
// the commands of the page, exactly as written there.
//
//promise:newcomer
func TestNewcomer(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		testbed.SkipWithout(t, "no root, for a Debian in a folder")
	}
	testbed.Need(t, "debootstrap")
	testbed.Need(t, "dpkg-deb")
	m := newDebian(t)
	testbed.Execute(t, "", "cp", packaged(t, "*.deb"), m.path("/root/dist"))

	begun := time.Now()
	for _, command := range testbed.CommandsOf(t, testbed.NewcomersPage) {
		switch {
		case strings.HasPrefix(command, "sudoedit "):
			m.write("/root/edited", m.edited(t))
			m.run(command)
			require.Equal(t, m.edited(t), m.read(testbed.PluginConf))
			m.requireFile(testbed.PluginConf, "640 root:telegraf")
		case strings.HasPrefix(command, "influx "):
			m.requireRows(command)
			t.Logf("From the first command to rows: %s", time.Since(begun).Round(time.Second))
		case strings.HasSuffix(command, " --check"):
			output := m.run(command)
			require.NotContains(t, output, "FAIL")
			require.Contains(t, output, "ok    state          "+testbed.StateFile+" is writable by the user running this check")
		case strings.HasSuffix(command, " --status"):
			require.Contains(t, m.run(command), "(server "+m.server+")")
		default:
			m.run(command)
		}
	}

	// Grafana's files are where it reads them, and refer to the dashboards.
	var sources struct {
		Datasources []struct{ Type, URL, JSONData any }
	}
	require.NoError(t, yaml.Unmarshal([]byte(m.read("/etc/grafana/provisioning/datasources/wolkvox_ivr.yaml")), &sources))
	require.Equal(t, "influxdb", sources.Datasources[0].Type)
	var dashboards struct {
		Providers []struct{ Options struct{ Path string } }
	}
	require.NoError(t, yaml.Unmarshal([]byte(m.read("/etc/grafana/provisioning/dashboards/wolkvox_ivr.yaml")), &dashboards))
	require.FileExists(t, m.path(dashboards.Providers[0].Options.Path+"/wolkvox_ivr.json"))
	require.Contains(t, m.read("/tmp/started"), "grafana-server\n")

	// Other places for the token, from the page on packages
	_, section, _ := strings.Cut(testbed.ReadSource(t, testbed.ProgramDir+"packaging/README.md"), "## Where the token comes from")
	section, _, _ = strings.Cut(section, "\n## ")
	conf := m.read(testbed.PluginConf)
	withToken := func(token string) string { return strings.Replace(conf, fmt.Sprintf("%q", m.token), token, 1) }
	for _, block := range testbed.CodeBlocks(section) {
		if store, isConf := strings.CutPrefix(block, "toml\n"); isConf {
			m.write(testbed.PluginConf, withToken(`"@{secrets:wolkvox_token}"`)+"\n"+store)
			require.Contains(t, m.run("sudo -u telegraf telegraf-wolkvox-ivr --config "+testbed.PluginConf+" --check"),
				"ok    token          from the secret store secrets")
			m.write("/etc/default/telegraf", "WOLKVOX_TOKEN="+m.token+"\n")
			m.run("sudo chmod 640 /etc/default/telegraf")
			m.write(testbed.PluginConf, withToken(`"${WOLKVOX_TOKEN}"`))
			continue
		}
		m.write("/root/edited", m.token)
		for command := range strings.Lines(strings.TrimPrefix(block, "sh\n")) {
			output := m.run(strings.TrimSpace(command))
			if strings.Contains(command, "--check") {
				require.Contains(t, output, "ok    token          from the environment variable WOLKVOX_TOKEN")
				require.NotContains(t, output, "FAIL")
			}
		}
	}
	require.Contains(t, section, "chmod 640 /etc/default/telegraf")
}

// debian is a Debian in a folder with its own network and processes, and a shell of root in it.
type debian struct {
	machine
	server, token, url string // of the simulated wolkvox in it
	shell              io.WriteCloser
	output             *bufio.Reader
}

// peakCalls is so high that the simulated wolkvox has calls in every hour.
const peakCalls = 20_000

func newDebian(t *testing.T) *debian {
	t.Helper()
	m := &debian{machine: machine{t, t.TempDir()}}
	require.NoError(t, os.Chmod(m.root, 0o755)) //nolint:gosec // G302: Telegraf's user needs access
	testbed.Execute(t, "", "debootstrap", "--variant=minbase", "--include=iproute2,sudo", "bookworm", m.root)
	for _, dir := range []string{"/root/dist", "/repository", "/run/systemd/system"} {
		require.NoError(t, os.MkdirAll(m.path(dir), 0o755)) //nolint:gosec // G301: likewise
	}
	m.program("/usr/local/bin/editor", "#!/bin/sh\ncat /root/edited >\"$1\"\n")
	m.program("/usr/bin/systemctl", systemctl)
	m.program("/usr/bin/deb-systemd-invoke", "#!/bin/sh\n")
	m.repository()
	testbed.Execute(t, "", "cp", testbed.ProgramPath(t, "wolkvox-simulator"), m.path("/usr/local/bin"))

	cmd := exec.Command("unshare", "--net", "--pid", "--fork", "--kill-child", "--mount", "chroot", m.root, "/bin/sh")
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "SUDO_EDITOR=/usr/local/bin/editor",
		"DEBIAN_FRONTEND=noninteractive", "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var err error
	m.shell, err = cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	m.output = bufio.NewReader(stdout)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		if t.Failed() {
			content, err := os.ReadFile(m.path("/tmp/telegraf.log"))
			t.Logf("Telegraf's log (%v):\n%s", err, content)
		}
		_ = cmd.Process.Kill() // kills all its processes, too
		_ = cmd.Wait()
		_ = syscall.Unmount(m.path("/proc"), syscall.MNT_DETACH) // only the shell used it
	})
	m.run("mount -t proc proc /proc && ip link set lo up && echo 127.0.0.1 localhost $(hostname) >/etc/hosts")
	m.run("cd /root; apt-get update -qq")
	m.run(fmt.Sprintf("wolkvox-simulator --addr 127.0.0.1:8443 --peak-calls %d >/tmp/simulator 2>&1 &", peakCalls))
	testbed.Await(t, "the simulated wolkvox to listen", func() bool {
		content, err := os.ReadFile(m.path("/tmp/simulator"))
		for name, value := range map[string]*string{"server": &m.server, "token": &m.token, "url": &m.url} {
			if match := regexp.MustCompile(`(?m)^ *` + name + ` = "(.*)"`).FindSubmatch(content); match != nil {
				*value = string(match[1])
			}
		}
		return err == nil && m.url != ""
	})
	return m
}

// systemctl is a script that starts the services of the three packages as their units do.
const systemctl = `#!/bin/sh
echo "$2" >>/tmp/started
if [ "$1" = restart ] && [ -f "/tmp/$2.pid" ]; then kill "$(cat "/tmp/$2.pid")"; sleep 1; fi
case "$1 $2" in
"start telegraf" | "restart telegraf")
	ulimit -l 8192
	setpriv --reuid=telegraf --regid=telegraf --init-groups sh -c '. /etc/default/telegraf
		exec /usr/bin/telegraf -config /etc/telegraf/telegraf.conf -config-directory /etc/telegraf/telegraf.d' >>/tmp/telegraf.log 2>&1 </dev/null & ;;
"start influxdb") influxd run >/tmp/influxd.log 2>&1 </dev/null & ;;
*) exit 0 ;;
esac
echo $! >"/tmp/$2.pid"
sleep 2
`

// program writes an executable.
func (m *debian) program(path, content string) {
	m.t.Helper()
	m.write(path, content)
	require.NoError(m.t, os.Chmod(m.path(path), 0o755)) //nolint:gosec // G302: programs must be executable
}

// repository creates a package repository in place of those of Telegraf, InfluxDB and Grafana: Telegraf with the
// scripts of its own package, InfluxDB's programs and Grafana's folders.
func (m *debian) repository() {
	m.t.Helper()
	source := testbed.Execute(m.t, testbed.Root, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/influxdata/telegraf")
	scripts := filepath.Join(strings.TrimSpace(source), "scripts")
	conf := testbed.Execute(m.t, "", testbed.ProgramPath(m.t, "telegraf"), "config")
	var index strings.Builder
	for name, files := range map[string]map[string]string{
		"telegraf": {
			"DEBIAN/preinst": scripts + "/deb/pre-install.sh", "DEBIAN/postinst": scripts + "/deb/post-install.sh",
			"usr/bin/telegraf": testbed.ProgramPath(m.t, "telegraf"), "usr/lib/telegraf/scripts/telegraf.service": scripts + "/telegraf.service",
		},
		"influxdb": {"usr/bin/influxd": testbed.ProgramPath(m.t, "influxd"), "usr/bin/influx": testbed.ProgramPath(m.t, "influx")},
		"grafana":  {"etc/grafana/provisioning/datasources/": "", "etc/grafana/provisioning/dashboards/": ""},
	} {
		dir := m.t.TempDir()
		require.NoError(m.t, os.Chmod(dir, 0o755)) //nolint:gosec // G302: like the root of every package
		for to, from := range files {
			require.NoError(m.t, os.MkdirAll(filepath.Join(dir, filepath.Dir(to+"x")), 0o755)) //nolint:gosec // G301: likewise
			if from != "" {
				testbed.Execute(m.t, "", "install", "-m", "755", from, filepath.Join(dir, to))
			}
		}
		control := fmt.Sprintf("Package: %s\nVersion: 1.0\nArchitecture: amd64\nMaintainer: none\nDescription: none\n", name)
		if name == "telegraf" {
			require.NoError(m.t, os.MkdirAll(dir+"/etc/telegraf", 0o755))                                     //nolint:gosec // G301: likewise
			require.NoError(m.t, os.WriteFile(dir+"/etc/telegraf/telegraf.conf.sample", []byte(conf), 0o644)) //nolint:gosec // G306: likewise
		}
		control = strings.Replace(control, "amd64", strings.TrimSpace(testbed.Execute(m.t, "", "dpkg", "--print-architecture")), 1)
		require.NoError(m.t, os.MkdirAll(dir+"/DEBIAN", 0o755))                           //nolint:gosec // G301: likewise
		require.NoError(m.t, os.WriteFile(dir+"/DEBIAN/control", []byte(control), 0o644)) //nolint:gosec // G306: likewise
		deb := m.path("/repository/" + name + ".deb")
		testbed.Execute(m.t, "", "dpkg-deb", "-Znone", "--root-owner-group", "--build", dir, deb)
		content, err := os.ReadFile(deb)
		require.NoError(m.t, err)
		fmt.Fprintf(&index, "%sFilename: ./%s.deb\nSize: %d\nSHA256: %x\n\n", control, name, len(content), sha256.Sum256(content))
	}
	m.write("/repository/Packages", index.String())
	m.write("/etc/apt/sources.list", "deb [trusted=yes] file:/repository ./\n")
}

// run executes a command in root's shell, which must succeed, and returns its output.
func (m *debian) run(command string) string {
	m.t.Helper()
	output, status := m.execute(command)
	require.Equal(m.t, "0", status, "%s\n%s", command, output)
	return output
}

func (m *debian) execute(command string) (output, status string) {
	m.t.Helper()
	const end = "=== end of the command: "
	command = strings.ReplaceAll(command, "apt install", "apt-get install -qq -y") // a user confirms
	_, err := fmt.Fprintf(m.shell, "{ %s\n} 2>&1; echo '\n%s'$?\n", command, end)
	require.NoError(m.t, err)
	var text strings.Builder
	for {
		line, err := m.output.ReadString('\n')
		require.NoError(m.t, err, "%s\n%s%s", command, text.String(), line)
		if status, isEnd := strings.CutPrefix(line, end); isEnd {
			return text.String(), strings.TrimSpace(status)
		}
		text.WriteString(line)
	}
}

// edited returns the page's configuration for the simulated operation.
func (m *debian) edited(t *testing.T) string {
	t.Helper()
	server := fmt.Sprintf("server = %q\n  url = %q", m.server, m.url)
	return strings.NewReplacer(`server = "0001"`, server, "…", m.token).Replace(testbed.CodeOf(t, testbed.NewcomersPage, "toml"))
}

// requireRows repeats the page's query for up to 30 seconds until it returns rows, which must be right.
func (m *debian) requireRows(query string) {
	m.t.Helper()
	o := simulator.Operation{Server: m.server, Token: m.token, PeakCalls: peakCalls}
	s, err := simulator.New(simulator.Options{Seed: 1, Operations: []simulator.Operation{o}})
	require.NoError(m.t, err)
	row := regexp.MustCompile(`(?m)^(\d{4}-\S+Z) +(\d\d) +(\d+) +([\d.]+) *$`)
	var rows [][]string
	for deadline := time.Now().Add(30 * time.Second); len(rows) == 0; time.Sleep(time.Second) {
		output, _ := m.execute(query) // the database does not exist at first
		rows = row.FindAllStringSubmatch(output, -1)
		require.True(m.t, len(rows) > 0 || time.Now().Before(deadline), "%s\n%s", query, output)
	}
	require.LessOrEqual(m.t, len(rows), 5, "what the query asks for; from 3 to 4 o'clock there are only 4")
	finalRows := 0
	for _, r := range rows {
		at, err := time.Parse(time.RFC3339, r[1])
		require.NoError(m.t, err)
		hour := testbed.HourOf(m.t, o, at)
		require.Equal(m.t, hour.Format("15"), r[2])
		if truth := s.Truth(o.Token, hour); hour.Add(time.Hour + simulator.LongestCall).Before(time.Now()) {
			require.Equal(m.t, strconv.FormatInt(truth.Calls, 10), r[3])
			require.Equal(m.t, fmt.Sprint(truth.Minutes), r[4])
			finalRows++
		}
	}
	require.Positive(m.t, finalRows)
}
