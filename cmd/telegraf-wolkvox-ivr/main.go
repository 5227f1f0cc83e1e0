// Command telegraf-wolkvox-ivr runs the wolkvox_ivr input for Telegraf's inputs.execd.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/influxdata/telegraf/plugins/inputs"
	_ "github.com/influxdata/telegraf/plugins/secretstores/docker"
	_ "github.com/influxdata/telegraf/plugins/secretstores/http"
	_ "github.com/influxdata/telegraf/plugins/secretstores/jose"
	_ "github.com/influxdata/telegraf/plugins/secretstores/oauth2"
	_ "github.com/influxdata/telegraf/plugins/secretstores/os"
	_ "github.com/influxdata/telegraf/plugins/secretstores/systemd"

	"telegraf-wolkvox-ivr/cmd/telegraf-wolkvox-ivr/check"
	"telegraf-wolkvox-ivr/plugins/common/host"
	"telegraf-wolkvox-ivr/plugins/inputs/wolkvox_ivr"
)

// version is set by the release build.
var version = "dev"

const usage = `telegraf-wolkvox-ivr gathers wolkvox's hourly IVR report as an external Telegraf plugin, run by inputs.execd.

  --config PATH               configuration file, or a folder of *.conf files; can be repeated
  --poll_interval DURATION    interval for tables that set none, unless [agent] sets one (default 5m)
  --poll_interval_disabled    gather only when a line arrives on stdin, for signal = "STDIN"
  --test                      gather once, print the metrics, and exit
  --check                     test every step from the configuration to the metrics, explain how to fix what fails, and exit
  --status                    print which hours are final according to the state file, and exit, without making a request or changing a file
  --json                      with --check or --status: print JSON
  --sample-config             print a sample configuration with all options
  --debug                     log debug messages
  --unprotected               keep secrets in ordinary memory, for systems where too little memory can be locked
  --version                   print the version
`

// sampleAgent returns the table [agent] of --sample-config. It is not in the plugin's own sample, because a plugin that
// is compiled into Telegraf uses Telegraf's.
func sampleAgent() string {
	path := `"/var/lib/telegraf/wolkvox_ivr.state"`
	if runtime.GOOS == "windows" {
		path = `'C:\ProgramData\Telegraf\wolkvox_ivr.state'`
	}
	return "[agent]\n  ## Records which hours are final. The file must survive restarts.\n  statefile = " + path + "\n\n"
}

const sampleInternal = `
## The plugin's own statistics, for the dashboard and the alert rules
[[inputs.internal]]
  namepass = ["internal_wolkvox_ivr"]
`

func main() {
	if os.Getenv("GOGC") == "" {
		// The gathers of a thousand operations leave mostly garbage. Collecting it more often saves memory for a little
		// more CPU time.
		debug.SetGCPercent(50)
	}
	status := run(os.Args[1:], os.Stdout, os.Stderr)
	host.CloseOutput()
	os.Exit(status)
}

func run(args []string, stdout, stderr io.Writer) int {
	wolkvox_ivr.Version = version
	opts := host.Options{Memory: 56 << 20, MemoryPerTable: 64 << 10} // never reached with well-behaved servers, so the limit costs nothing there
	var checkOnly, statusOnly, asJSON, sampleConfig, showVersion bool
	flags := flag.NewFlagSet("telegraf-wolkvox-ivr", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Func("config", "", func(path string) error {
		opts.Config = append(opts.Config, path)
		return nil
	})
	flags.DurationVar(&opts.PollInterval, "poll_interval", 5*time.Minute, "")
	flags.BoolVar(&opts.PollIntervalDisabled, "poll_interval_disabled", false, "")
	flags.BoolVar(&opts.Test, "test", false, "")
	flags.BoolVar(&checkOnly, "check", false, "")
	flags.BoolVar(&statusOnly, "status", false, "")
	flags.BoolVar(&asJSON, "json", false, "")
	flags.BoolVar(&opts.Debug, "debug", false, "")
	flags.BoolVar(&opts.Unprotected, "unprotected", false, "")
	flags.BoolVar(&sampleConfig, "sample-config", false, "")
	flags.BoolVar(&showVersion, "version", false, "")

	err := flags.Parse(args)
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err == nil && opts.PollInterval <= 0 {
		err = errors.New("--poll_interval must be positive")
	}
	if err == nil && asJSON && !checkOnly && !statusOnly {
		err = errors.New("--json requires --check or --status")
	}
	if err == nil && checkOnly && opts.Test {
		err = errors.New("--check and --test can't be combined")
	}
	if err == nil && statusOnly && (checkOnly || opts.Test) {
		err = errors.New("--status can't be combined with --check or --test")
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
	case err != nil:
		fmt.Fprintf(stderr, "E! %v; see telegraf-wolkvox-ivr --help\n", err)
		return 2
	case showVersion:
		fmt.Fprintf(stdout, "telegraf-wolkvox-ivr %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	case sampleConfig:
		fmt.Fprint(stdout, sampleAgent(), inputs.Inputs["wolkvox_ivr"]().SampleConfig(), sampleInternal)
	case checkOnly:
		return check.Run(opts, asJSON, stdout)
	case statusOnly:
		return printStatus(opts, asJSON, stdout)
	default:
		return host.Run(opts)
	}
	return 0
}
