package host

import (
	_ "embed"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/plugins/inputs"
	"github.com/influxdata/telegraf/selfstat"
)

// internalInput is Telegraf's [[inputs.internal]], which cannot be imported from outside: same metrics, and its options but collect_gostats.
type internalInput struct {
	CollectMemstats bool `toml:"collect_memstats"`
	PerInstance     bool `toml:"per_instance"`
}

//go:embed internal.conf
var internalSampleConfig string

func (*internalInput) SampleConfig() string {
	return internalSampleConfig
}

func (i *internalInput) Gather(acc telegraf.Accumulator) error {
	stats := selfstat.Metrics()
	for _, m := range stats {
		if m.Name() == "internal_agent" {
			m.AddTag("go_version", goVersion())
		}
		m.AddTag("version", telegrafVersion())
	}
	if !i.PerInstance {
		stats = sumUp(stats)
	}
	for _, m := range stats {
		acc.AddMetric(m)
	}
	if i.CollectMemstats {
		collectMemstats(acc)
	}
	return nil
}

// sumUp adds up the fields of metrics that differ in their instance only.
func sumUp(stats []telegraf.Metric) []telegraf.Metric {
	var sums []telegraf.Metric
	bySeries := make(map[uint64]telegraf.Metric)
	for _, m := range stats {
		m.RemoveTag("_id")
		key := m.HashIDWithFieldsFiltered(nil, nil)
		sum, found := bySeries[key]
		if !found {
			bySeries[key] = m
			sums = append(sums, m)
			continue
		}
		for _, field := range m.FieldList() {
			value, _ := field.Value.(int64)
			if soFar, ok := sum.GetField(field.Key); ok {
				value += soFar.(int64)
			}
			sum.AddField(field.Key, value)
		}
	}
	return sums
}

func collectMemstats(acc telegraf.Accumulator) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	acc.AddFields("internal_memstats", map[string]any{
		"alloc_bytes":         m.Alloc,
		"total_alloc_bytes":   m.TotalAlloc,
		"sys_bytes":           m.Sys,
		"pointer_lookups":     m.Lookups,
		"mallocs":             m.Mallocs,
		"frees":               m.Frees,
		"heap_alloc_bytes":    m.HeapAlloc,
		"heap_sys_bytes":      m.HeapSys,
		"heap_idle_bytes":     m.HeapIdle,
		"heap_in_use_bytes":   m.HeapInuse,
		"heap_released_bytes": m.HeapReleased,
		"heap_objects":        m.HeapObjects,
		"num_gc":              m.NumGC,
	}, nil)
}

func goVersion() string {
	return strings.TrimPrefix(runtime.Version(), "go")
}

// telegrafVersion is the version of Telegraf that is built in: what its own plugin puts into the version tag.
func telegrafVersion() string {
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, module := range build.Deps {
			if module.Path == "github.com/influxdata/telegraf" {
				return strings.TrimPrefix(module.Version, "v")
			}
		}
	}
	return "unknown"
}

func init() {
	inputs.Add("internal", func() telegraf.Input { return &internalInput{CollectMemstats: true} })
}
