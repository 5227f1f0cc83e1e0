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

// Inspection is a configuration that has been loaded to be looked at, and of which nothing runs.
type Inspection struct {
	Files     []string // in the order in which they were loaded
	Warnings  []string // about what does no harm
	Statefile string   // empty without one
	Inputs    []*Inspected
}

// Inspected is the table of an input.
type Inspected struct {
	telegraf.Input
	At       string        // file and line
	Interval time.Duration // of the table, of [agent], or of the command line
	Err      error         // of Init: what has to be mended before the input can be used

	instance *instance
}

// Origin returns where the text of an option comes from.
func (i *Inspected) Origin(option string) configcheck.Origin {
	return i.instance.file.Origin(i.instance.Config.Name, i.instance.line, option)
}

// File is the file that the table is in.
func (i *Inspected) File() string { return i.instance.file.Path }

// StateID is the ID under which the table's state is kept, empty if there is Err.
func (i *Inspected) StateID() string { return i.instance.stateID }

// Inspect loads the configuration as Run does, and initializes its inputs. What would keep Run from starting is an error,
// but for what Init says.
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
		c.Inputs = append(c.Inputs, &Inspected{Input: i.Input, At: i.at, Interval: i.schedule.interval, Err: err, instance: i})
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

// ErrHeld says that another process uses a state file.
var ErrHeld = errors.New("it is in use by another process")

// CheckStatefile finds out whether this user could use the state file, which stays as it is. It returns ErrHeld where
// another process does, ErrDamaged if the file can't be read, and else says who owns what can't be used, and the command that mends it.
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
		return nil // no process has ever held it
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

// ReadStates returns the states in a state file, as JSON by ID. It writes nothing and takes no lock: whoever uses the file replaces it in
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
