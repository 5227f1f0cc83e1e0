package host

import (
	"fmt"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/plugins/serializers/influx"
)

// callback is a function in the queue of metrics. It is a metric because an accumulator writes to a channel of metrics.
type callback struct {
	telegraf.Metric
	call func()
}

// afterwards calls f once everything queued so far is on stdout. It never calls f if writing fails.
func (h *host) afterwards(f func()) { h.queue <- callback{call: f} }

// write writes the queue to stdout until the queue is closed. If stdout breaks, it stops the host and discards the
// rest, so that nothing waits for the queue.
func (h *host) write() {
	var serializer influx.Serializer
	err := serializer.Init()
	for m := range h.queue {
		if err != nil {
			continue
		}
		if cb, ok := m.(callback); ok {
			cb.call()
			continue
		}
		if err = h.writeMetric(&serializer, m); err != nil {
			h.beginStop()
		}
	}
	h.written <- err
}

func (h *host) writeMetric(serializer *influx.Serializer, m telegraf.Metric) error {
	line, err := serializer.Serialize(m)
	if err != nil { // it has no name, or no field that line protocol can express
		log.Debugf("Dropped a metric: %v: %v", err, m)
		m.Drop()
		return nil
	}
	if _, err := h.stdout.Write(line); err != nil {
		return fmt.Errorf("stdout is broken, and the latest rows were not written: %w", err)
	}
	m.Accept()
	return nil
}
