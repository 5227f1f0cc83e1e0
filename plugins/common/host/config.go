package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/influxdata/telegraf/config"
	"github.com/influxdata/telegraf/models"
	"github.com/influxdata/telegraf/plugins/inputs"

	"telegraf-wolkvox-ivr/plugins/common/configcheck"
)

// load reads and checks the configuration, and builds running inputs with Telegraf's loader. The inputs are not
// initialized yet.
func load(opts *Options, logs *logWriter) (*config.Config, []*instance, error) {
	paths, err := configPaths(opts.Config)
	if err != nil {
		return nil, nil, err
	}
	files, secrets, err := readAll(paths, logs)
	if err != nil {
		return nil, nil, err
	}
	if !opts.Unprotected {
		if err := checkLockable(secrets); err != nil {
			return nil, nil, err
		}
		config.EnableSecretProtection()
	}

	cfg := config.NewConfig()
	cfg.Agent.Interval = config.Duration(opts.PollInterval)
	cfg.Agent.OmitHostname = true // the Telegraf that receives the metrics adds its own
	instances := make([]*instance, 0, len(files))
	for _, f := range files {
		if f.WantsHostTag {
			cfg.Agent.OmitHostname = false
		}
		log.Infof("Loading config: %s", f.Path)
		for _, warning := range f.Warnings {
			log.Warn(warning)
		}
		before := len(cfg.Inputs)
		err := cfg.LoadConfigData(f.Content, f.Path)
		loaded := make(map[string]int) // tables by plugin; the loader keeps the file's order within a plugin
		for _, input := range cfg.Inputs[before:] {
			name := input.Config.Name
			line := f.InputLine(name, loaded[name])
			instances = append(instances, &instance{RunningInput: input, file: f, line: line, at: f.At(line)})
			loaded[name]++
		}
		if err != nil {
			return nil, nil, configcheck.LoaderError(err, f)
		}
		if cfg.Agent.Interval <= 0 {
			return nil, nil, fmt.Errorf("%s: interval in [agent] must be positive", f.Path)
		}
		slices.SortFunc(instances[before:], func(a, b *instance) int { return a.line - b.line })
	}
	if len(instances) == 0 {
		return nil, nil, fmt.Errorf("%s: no input: add a table [[inputs.NAME]], where NAME is one of %s",
			strings.Join(paths, ", "), strings.Join(slices.Sorted(maps.Keys(inputs.Inputs)), ", "))
	}
	if err := cfg.LoadAll(); err != nil { // loads no more files, but links the secrets to their stores
		return nil, nil, configcheck.LoaderError(err, files...)
	}
	return cfg, instances, nil
}

// configPaths returns the files at the given paths. Directories are expanded to their *.conf files.
func configPaths(given []string) ([]string, error) {
	var paths []string
	for _, path := range given {
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			paths = append(paths, path)
			continue
		}
		files, err := config.WalkDirectory(path)
		if err != nil {
			return nil, fmt.Errorf("reading the configuration failed: %w", err)
		}
		paths = append(paths, files...)
	}
	if len(paths) == 0 {
		return nil, errors.New("no configuration: name a file, or a folder of *.conf files, with --config")
	}
	return paths, nil
}

// readAll reads and checks the files, and counts their secrets. Because checking decodes the configuration before the
// loader does, logging is muted (the loader logs the same) and secrets are unprotected (memory to protect them may not
// suffice yet).
func readAll(paths []string, logs *logWriter) (files []*configcheck.File, secrets uint64, err error) {
	unmute := logs.mute()
	defer unmute()
	config.DisableSecretProtection()
	defer config.ResetSecrets()
	for _, path := range paths {
		f, err := configcheck.Read(path)
		if err != nil {
			return nil, 0, err
		}
		files = append(files, f)
	}
	counter := config.NewConfig()
	counter.LoadAll() //nolint:errcheck // loads nothing, but counts the secrets seen so far
	return files, counter.NumberSecrets, nil
}

// checkLockable returns an error if this process can't lock enough memory to protect the secrets. memguard would hang
// instead.
func checkLockable(secrets uint64) error {
	if secrets == 0 {
		return nil
	}
	// Three pages for the key, and two for each secret while it is in use.
	size := (3 + 2*int(secrets)) * os.Getpagesize()
	if err := tryLockMemory(size); err != nil {
		return fmt.Errorf("protecting %d secret(s) takes %d KiB of locked memory, more than this process may lock (%w): raise the limit "+
			"(LimitMEMLOCK= in the systemd unit, ulimit -l in a shell), or run with --unprotected", secrets, size/1024, err)
	}
	return nil
}

// identify gives each instance the ID of its state: the plugin's own ID, as in Telegraf. Telegraf refuses a second
// table with the same ID. Here it is allowed if its name, tags or filters differ, which become part of the state's ID.
func identify(instances []*instance) error {
	byID := make(map[string]map[string]*instance)
	for _, i := range instances {
		if byID[i.ID()] == nil {
			byID[i.ID()] = make(map[string]*instance)
		}
		if other := byID[i.ID()][i.series()]; other != nil {
			own := "tags or name_override"
			if plugin, ok := i.Input.(interface{ SeriesOption() string }); ok {
				own = plugin.SeriesOption()
			}
			return fmt.Errorf("%s: this [[inputs.%s]] would write the same series as the one at %s: remove one, or give it its own %s",
				i.at, i.Config.Name, other.at, own)
		}
		byID[i.ID()][i.series()] = i
	}
	for id, same := range byID {
		for series, i := range same {
			if i.stateID = id; len(same) > 1 {
				i.stateID += " " + series
			}
		}
	}
	return nil
}

// series identifies what an instance writes by its name, tags and filters. Instances with the same ID must differ in
// it.
func (i *instance) series() string {
	c := i.Config
	naming := fmt.Sprintf("%s override=%q prefix=%q suffix=%q tags=%q", c.Name, c.NameOverride, c.MeasurementPrefix, c.MeasurementSuffix, c.Tags)
	if filters := filterJSON(c.Filter); filters != filterJSON(models.Filter{}) {
		naming += " filters=" + filters
	}
	return naming
}

// filterJSON returns a filter's options as JSON, without what Telegraf has compiled from them.
func filterJSON(f models.Filter) string {
	text, _ := json.Marshal(f) //nolint:errcheck // strings can always be marshaled
	return string(text)
}
