package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/influxdata/telegraf"

	"telegraf-wolkvox-ivr/plugins/common/configcheck"
)

// Inspection is a configuration that was loaded to be checked. Its inputs do not run.
type Inspection struct {
	Files     []string // in the order in which they were loaded
	Warnings  []string // about harmless mistakes
	Statefile string   // empty if none is set
	Inputs    []*InspectedInput
}

// InspectedInput is the table of an input.
type InspectedInput struct {
	telegraf.Input
	At       string        // file and line
	Interval time.Duration // from the table, [agent] or the command line
	Err      error         // from initializing the input; must be fixed before it can run

	instance *instance
}

// Origin returns where the value of an option comes from.
func (i *InspectedInput) Origin(option string) configcheck.Origin {
	return i.instance.file.Origin(i.instance.Config.Name, i.instance.line, option)
}

// File returns the path of the file with the table.
func (i *InspectedInput) File() string { return i.instance.file.Path }

// StateID returns the ID of the table's state. It is empty if Err is set.
func (i *InspectedInput) StateID() string { return i.instance.stateID }

// Inspect loads the configuration as Run does, and initializes its inputs. It returns the errors that would keep Run
// from starting, except errors of single inputs, which are in InspectedInput.Err.
func Inspect(opts Options) (*Inspection, error) {
	var logged strings.Builder
	logs, stopLogging, err := startLogging(&logged, opts.Debug)
	if err != nil {
		return nil, err
	}
	defer stopLogging()
	cfg, instances, err := load(&opts, logs)
	if err != nil {
		return nil, err
	}
	c := &Inspection{Statefile: cfg.Agent.Statefile}
	whole := make([]*instance, 0, len(instances))
	for _, i := range instances {
		if len(c.Files) == 0 || c.Files[len(c.Files)-1] != i.file.Path {
			c.Files = append(c.Files, i.file.Path)
		}
		err := i.initialize(cfg.Agent)
		if err == nil {
			whole = append(whole, i)
		}
		c.Inputs = append(c.Inputs, &InspectedInput{Input: i.Input, At: i.at, Interval: i.schedule.interval, Err: err, instance: i})
	}
	c.Warnings = warningsIn(logged.String())
	return c, identify(whole)
}

// warningsIn returns the texts of the warnings in a log.
func warningsIn(log string) (texts []string) {
	for line := range strings.SplitSeq(log, "\n") {
		if text, isWarning := strings.CutPrefix(line, telegraf.Warn.Indicator()+" "); isWarning {
			texts = append(texts, text)
		}
	}
	return texts
}

// ErrHeld means that another process uses the state file.
var ErrHeld = errors.New("it is in use by another process")

// CheckStatefile checks whether this user can use the state file, without changing it. It returns ErrHeld if another
// process uses the file, ErrDamaged if it can't be read, and otherwise an error with the cause and, for files of
// another user, the command that fixes it.
func CheckStatefile(path string) error {
	return explainStatefile(path, checkStatefile(path))
}

func checkStatefile(path string) error {
	path, err := followLinks(path)
	if err != nil {
		return err
	}
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return errNotRegular
	}
	if _, err := ReadStates(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".check-*")
	if err != nil {
		return fmt.Errorf("its folder can't be written to: %w", err)
	}
	temp.Close()
	os.Remove(temp.Name())
	if _, err := os.Lstat(lockPath(path)); err != nil {
		return nil // no process has ever locked it
	}
	lock := newLock(path, 0)
	defer lock.Close()
	free, err := lock.TryLock()
	if err := explainLock(path, err); err != nil {
		return err
	}
	if !free {
		return ErrHeld
	}
	return nil
}

// ReadStates returns the states in a state file, as JSON by ID. It takes no lock, because writers replace the file in
// one step.
func ReadStates(path string) (map[string][]byte, error) {
	path, err := followLinks(path)
	if err != nil {
		return nil, err
	}
	return readStates(path)
}

func readStates(path string) (map[string][]byte, error) {
	content, err := readRegular(path)
	if err != nil {
		return nil, err
	}
	return parseStates(content)
}
