package host

import (
	_ "embed"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/plugins/inputs"
	"github.com/influxdata/telegraf/selfstat"
)

// internalInput reimplements Telegraf's [[inputs.internal]], which can't be imported, for this process. It leaves out
// the agent's and its own statistics. The tag process keeps its series apart from Telegraf's.
type internalInput struct {
	CollectMemstats bool `toml:"collect_memstats"`
	CollectGostats  bool `toml:"collect_gostats"`
	PerInstance     bool `toml:"per_instance"`
}

//go:embed internal.conf
var internalSampleConfig string

func (*internalInput) SampleConfig() string {
	return internalSampleConfig
}

func (i *internalInput) Gather(acc telegraf.Accumulator) error {
	process := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	var stats []telegraf.Metric
	for _, m := range selfstat.Metrics() {
		if input, _ := m.GetTag("input"); m.Name() == "internal_agent" || m.Name() == "internal_gather" && input == "internal" {
			continue
		}
		m.AddTag("version", telegrafVersion())
		m.AddTag("process", process)
		stats = append(stats, m)
	}
	if !i.PerInstance {
		stats = sumUp(stats)
	}
	for _, m := range stats {
		acc.AddMetric(m)
	}
	if i.CollectMemstats {
		acc.AddFields("internal_memstats", memstats(), map[string]string{"process": process})
	}
	if i.CollectGostats {
		acc.AddFields("internal_gostats", gostats(), map[string]string{"process": process, "go_version": strings.TrimPrefix(runtime.Version(), "go")})
	}
	return nil
}

// sumUp sums the fields of metrics that differ only in their instance.
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

func memstats() map[string]any {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return map[string]any{
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
	}
}

// gostats returns all metrics of Go's runtime. A histogram is reduced to its median.
func gostats() map[string]any {
	names := strings.NewReplacer("/", "_", ":", "_", "-", "_")
	fields := make(map[string]any)
	for _, description := range metrics.All() {
		sample := []metrics.Sample{{Name: description.Name}}
		metrics.Read(sample)
		name := names.Replace(strings.TrimPrefix(description.Name, "/"))
		switch value := sample[0].Value; value.Kind() {
		case metrics.KindUint64:
			fields[name] = value.Uint64()
		case metrics.KindFloat64:
			fields[name] = value.Float64()
		case metrics.KindFloat64Histogram:
			fields[name] = median(value.Float64Histogram())
		}
	}
	return fields
}

// median returns the lower bound of the bucket that contains the median.
func median(h *metrics.Float64Histogram) float64 {
	var total, below uint64
	for _, count := range h.Counts {
		total += count
	}
	for n, count := range h.Counts {
		if below += count; below >= total/2 {
			return h.Buckets[n]
		}
	}
	return 0
}

// telegrafVersion returns the version of the built-in Telegraf, for the version tag.
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
