package host

import (
	"fmt"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/plugins/serializers/influx"
)

// callback stands in the queue of metrics, as an accumulator writes to a channel of those alone.
type callback struct {
	telegraf.Metric
	call func()
}

// afterwards has f called once everything queued so far is on stdout, and never if that fails.
func (h *host) afterwards(f func()) { h.queue <- callback{call: f} }

// write writes what is queued, until the queue is closed. When stdout breaks the host ends, and the rest of the queue is
// thrown away, as nothing may wait for it.
func (h *host) write() {
	var serializer influx.Serializer
	err := serializer.Init()
	for m := range h.queue {
		if err != nil {
			continue
		}
		if then, ok := m.(callback); ok {
			then.call()
			continue
		}
		if err = h.writeMetric(&serializer, m); err != nil {
			h.end()
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
