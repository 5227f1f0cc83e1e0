package host

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/shirou/gopsutil/v4/common"
	"github.com/shirou/gopsutil/v4/process"
)

// trial returns the flag that makes Telegraf gather once and exit, --test, --test-wait or --once, or "" if there is
// none. Only Telegraf's command line shows it.
func trial() (flag string, err error) {
	command, err := telegrafCommand()
	if err != nil {
		return "", fmt.Errorf("reading Telegraf's command line failed: %w", err)
	}
	return trialFlag(command[1:]), nil
}

// telegrafCommand returns the command line of Telegraf. There may be a shell, sudo and the like between Telegraf and
// this process. If no ancestor is recognized as Telegraf, it returns the parent's command line.
func telegrafCommand() ([]string, error) {
	// Ignore HOST_PROC, which may point Telegraf's inputs to the processes of another system.
	ctx := context.WithValue(context.Background(), common.EnvKey, common.EnvMap{common.HostProcEnvKey: "/proc"})
	p, err := process.NewProcessWithContext(ctx, int32(os.Getppid()))
	if err != nil {
		return nil, err
	}
	parent, err := p.CmdlineSliceWithContext(ctx)
	if err == nil && len(parent) == 0 {
		err = fmt.Errorf("process %d has no command line", p.Pid)
	}
	if err != nil {
		return nil, err
	}
	for command := parent; err == nil && len(command) > 0; command, err = p.CmdlineSliceWithContext(ctx) {
		if isTelegraf(ctx, p, command[0]) {
			return command, nil
		}
		if p, err = p.ParentWithContext(ctx); err != nil {
			break
		}
	}
	return parent, nil //nolint:nilerr // the parent is the best guess
}

// isTelegraf recognizes Telegraf by its build information, whatever its name, or by its name if the program can't be
// read.
func isTelegraf(ctx context.Context, p *process.Process, name string) bool {
	program, err := p.ExeWithContext(ctx)
	if err == nil {
		var build *buildinfo.BuildInfo
		if build, err = buildinfo.ReadFile(program); err == nil {
			return path.Base(build.Path) == "telegraf"
		}
	}
	var unreadable *fs.PathError
	return errors.As(err, &unreadable) && strings.Contains(strings.ToLower(filepath.Base(name)), "telegraf")
}

// trialFlag returns the flag for a trial among Telegraf's arguments, or "".
func trialFlag(args []string) string {
	for i, arg := range args {
		name, value, assigned := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
		switch {
		case !strings.HasPrefix(arg, "-"):
		case name == "test" || name == "once":
			if on, err := strconv.ParseBool(value); !assigned || err == nil && on {
				return "--" + name
			}
		case name == "test-wait":
			if !assigned && i+1 < len(args) {
				value = args[i+1]
			}
			if seconds, err := strconv.Atoi(value); err == nil && seconds != 0 {
				return "--" + name
			}
		}
	}
	return ""
}
