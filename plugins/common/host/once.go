package host

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/agent"
	"github.com/influxdata/telegraf/plugins/serializers/influx"
)

// test gathers once from each instance, and prints the metrics, sorted by time.
func test(instances []*instance, out io.Writer) error {
	var failed atomic.Int64
	results := make([][]telegraf.Metric, len(instances))
	var gathers sync.WaitGroup
	for n, i := range instances {
		gathers.Go(func() {
			var errs int
			results[n], errs = i.gatherOnce()
			if errs > 0 {
				failed.Add(1)
			}
		})
	}
	gathers.Wait()

	serializer := &influx.Serializer{}
	if err := serializer.Init(); err != nil {
		return err
	}
	for _, metrics := range results {
		slices.SortStableFunc(metrics, func(a, b telegraf.Metric) int { return a.Time().Compare(b.Time()) })
		lines, err := serializer.SerializeBatch(metrics)
		if err != nil {
			return err
		}
		if _, err := out.Write(lines); err != nil {
			return err
		}
	}
	if n := failed.Load(); n > 0 {
		return fmt.Errorf("gathering failed for %d of %d inputs", n, len(instances))
	}
	return nil
}

func (i *instance) gatherOnce() (metrics []telegraf.Metric, errs int) {
	rows := make(chan telegraf.Metric)
	acc := &errorCounter{Accumulator: agent.NewAccumulator(i.RunningInput, rows)}
	acc.SetPrecision(i.precision)
	go func() {
		defer close(rows)
		if err := i.Start(acc); err != nil {
			acc.AddError(err)
			return
		}
		acc.AddError(i.Gather(acc))
		i.Stop()
	}()
	for m := range rows {
		metrics = append(metrics, m)
	}
	return metrics, int(acc.errs.Load())
}

// errorCounter counts the errors that an input reports.
type errorCounter struct {
	telegraf.Accumulator
	errs atomic.Int64
}

// AddError is part of telegraf.Accumulator.
func (a *errorCounter) AddError(err error) {
	if err != nil {
		a.errs.Add(1)
	}
	a.Accumulator.AddError(err)
}
