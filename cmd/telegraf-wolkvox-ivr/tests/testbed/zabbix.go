//go:build unix

package testbed

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Zabbix is a real Zabbix on its own PostgreSQL: the server, which a test has to start, and the frontend with the API.
type Zabbix struct {
	t      *testing.T
	db     *PostgreSQL
	port   int
	api    string
	token  string
	server *Server
}

const (
	zabbixSchemas  = "/usr/share/zabbix-server-pgsql/" // Debian's paths
	zabbixFrontend = "/usr/share/zabbix"
)

var phpListening = regexp.MustCompile(`Development Server \((http://\S+)\) started`)

// NewZabbix creates the database and starts the frontend.
func NewZabbix(t *testing.T) *Zabbix {
	t.Helper()
	Need(t, "zabbix_server")
	Need(t, "php")
	for _, folder := range []string{zabbixSchemas, zabbixFrontend} {
		if _, err := os.Stat(folder); err != nil {
			SkipWithout(t, "no "+folder)
		}
	}
	z := &Zabbix{t: t, db: StartPostgreSQL(t), port: lowPort(t)}
	z.load("schema.sql.gz")
	z.load("data.sql.gz")

	// The frontend reads its configuration only from /etc.
	frontend := filepath.Join(z.db.dir, "frontend")
	Execute(t, "", "cp", "-R", zabbixFrontend, frontend)
	config := frontend + "/include/classes/core/CConfigFile.php"
	content, err := os.ReadFile(config)
	require.NoError(t, err)
	require.Contains(t, string(content), "'/etc/zabbix/zabbix.conf.php'")
	content = bytes.Replace(content, []byte("/etc/zabbix/"), []byte(z.db.dir+"/"), 1)
	require.NoError(t, os.WriteFile(config, content, 0o600))
	z.write("zabbix.conf.php", fmt.Sprintf("<?php\n$DB = ['TYPE' => 'POSTGRESQL', 'SERVER' => '%s', 'PORT' => 0, 'DATABASE' => 'telegraf', "+
		"'USER' => 'telegraf', 'PASSWORD' => '', 'SCHEMA' => '', 'ENCRYPTION' => false, 'DOUBLE_IEEE754' => true];\n", z.db.dir))
	php := StartCommand(t, exec.Command("php", "-S", "127.0.0.1:0", "-t", frontend))
	z.api = php.AwaitLog(phpListening) + "/api_jsonrpc.php"
	z.Call("user.login", map[string]any{"username": "Admin", "password": "zabbix"}, &z.token)
	return z
}

// load runs one of Zabbix's SQL scripts without the 350 templates at its end, which would take 20 seconds.
func (z *Zabbix) load(name string) {
	z.t.Helper()
	file, err := os.Open(zabbixSchemas + name)
	require.NoError(z.t, err)
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	require.NoError(z.t, err)
	script, err := io.ReadAll(unpacked)
	require.NoError(z.t, err)
	if base, _, hasTemplates := bytes.Cut(script, []byte("\nINSERT INTO hosts ")); hasTemplates {
		script = append(base, "\nCOMMIT;\n"...)
	}
	cmd := z.db.command("psql", "--host", z.db.dir, "--username", "telegraf", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1")
	cmd.Stdin = bytes.NewReader(script)
	output, err := cmd.CombinedOutput()
	require.NoError(z.t, err, "%s", output)
}

func (z *Zabbix) write(name, content string) {
	z.t.Helper()
	require.NoError(z.t, os.WriteFile(filepath.Join(z.db.dir, name), []byte(content), 0o644)) //nolint:gosec // G306: others run it
}

// lowPort returns a free port that Zabbix accepts: it has to be below the ephemeral ports.
func lowPort(t *testing.T) int {
	t.Helper()
	for port := 20000 + os.Getpid()%10000; port < 32768; port++ {
		if listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			require.NoError(t, listener.Close())
			return port
		}
	}
	require.FailNow(t, "no port is free")
	return 0
}

var zabbixStarted = regexp.MustCompile(`(server #\d+ started \[trapper #1\])`)

// Start starts the server, for the first time or again. It knows everything configured through the API so far.
func (z *Zabbix) Start() {
	z.t.Helper()
	z.write("zabbix_server.conf", strings.Join([]string{
		"DBHost=" + z.db.dir, "DBName=telegraf", "DBUser=telegraf",
		"ListenIP=127.0.0.1", fmt.Sprintf("ListenPort=%d", z.port), "SocketDir=" + z.db.dir, "PidFile=" + z.db.dir + "/zabbix_server.pid",
		"LogType=console", "AllowRoot=1", "CacheUpdateFrequency=1",
		// No pollers are needed, because Telegraf sends all values.
		"StartPollers=0", "StartPollersUnreachable=0", "StartPingers=0", "StartHTTPPollers=0", "StartDiscoverers=0", "StartODBCPollers=0",
		"StartTrappers=1", "StartDBSyncers=1", "StartHistoryPollers=1", "",
	}, "\n"))
	cmd := exec.Command("zabbix_server", "--foreground", "--config", filepath.Join(z.db.dir, "zabbix_server.conf"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: z.db.as}
	server := StartCommand(z.t, cmd)
	z.server = server
	z.t.Cleanup(func() { // killing it would leave its child processes
		_ = server.Cmd.Process.Signal(syscall.SIGTERM) // fails if it has already ended
		AwaitClosed(z.t, "Zabbix to end", server.done)
	})
	server.AwaitLog(zabbixStarted)
}

// Stop stops the server, which writes all received values to the database.
func (z *Zabbix) Stop() { z.server.Stop() }

// Address returns the address at which the server receives values.
func (z *Zabbix) Address() string { return fmt.Sprintf("127.0.0.1:%d", z.port) }

// Call calls a method of the API.
func (z *Zabbix) Call(method string, params, result any) {
	z.t.Helper()
	request := map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
	if z.token != "" {
		request["auth"] = z.token
	}
	body, err := json.Marshal(request)
	require.NoError(z.t, err)
	response, err := http.Post(z.api, "application/json-rpc", bytes.NewReader(body))
	require.NoError(z.t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(z.t, err)
	var reply struct {
		Result json.RawMessage
		Error  any
	}
	require.NoError(z.t, json.Unmarshal(content, &reply), "%s: %s", method, content)
	require.Nil(z.t, reply.Error, method)
	require.NoError(z.t, json.Unmarshal(reply.Result, result), method)
}

// Import imports a template as the frontend does.
func (z *Zabbix) Import(file string) {
	z.t.Helper()
	create := map[string]bool{"createMissing": true}
	var done bool
	z.Call("configuration.import", map[string]any{
		"format": "yaml", "source": ReadSource(z.t, file),
		"rules": map[string]any{"groups": create, "templates": create, "items": create, "triggers": create, "graphs": create},
	}, &done)
	require.True(z.t, done)
}

// AddHost adds a host with a template and its own macros, and returns its ID.
func (z *Zabbix) AddHost(name, template string, macros map[string]string) string {
	z.t.Helper()
	var templates []struct{ TemplateID string }
	z.Call("template.get", map[string]any{"filter": map[string]string{"name": template}}, &templates)
	require.Len(z.t, templates, 1, template)
	values := make([]any, 0, len(macros))
	for macro, value := range macros {
		values = append(values, map[string]string{"macro": macro, "value": value})
	}
	const linuxServers = "2" // a group that always exists
	var created struct{ HostIDs []string }
	z.Call("host.create", map[string]any{
		"host": name, "groups": []any{map[string]string{"groupid": linuxServers}}, "macros": values,
		"templates": []any{map[string]string{"templateid": templates[0].TemplateID}},
	}, &created)
	require.Len(z.t, created.HostIDs, 1)
	return created.HostIDs[0]
}

// Problems returns the names of the host's current problems.
func (z *Zabbix) Problems(host string) (names []string) {
	z.t.Helper()
	var problems []struct{ Name string }
	z.Call("problem.get", map[string]any{"hostids": host}, &problems)
	for _, problem := range problems {
		names = append(names, problem.Name)
	}
	return names
}

// Value is a value of an item.
type Value struct {
	Clock string
	Value json.Number
}

// History returns all values of a host's item, ordered by time.
func (z *Zabbix) History(host, key string) (values []Value) {
	z.t.Helper()
	item, valueType := z.item(host, key)
	z.Call("history.get", map[string]any{"itemids": item, "history": valueType, "sortfield": "clock"}, &values)
	return values
}

// ClearHistory deletes all values of a host's item.
func (z *Zabbix) ClearHistory(host, key string) {
	z.t.Helper()
	item, _ := z.item(host, key)
	var cleared struct{ ItemIDs []string }
	z.Call("history.clear", []string{item}, &cleared)
	require.Equal(z.t, []string{item}, cleared.ItemIDs)
}

func (z *Zabbix) item(host, key string) (id, valueType string) {
	z.t.Helper()
	var items []struct {
		ItemID    string
		ValueType string `json:"value_type"`
	}
	z.Call("item.get", map[string]any{"hostids": host, "filter": map[string]string{"key_": key}}, &items)
	require.Len(z.t, items, 1, key)
	return items[0].ItemID, items[0].ValueType
}
