package wolkvox_ivr

import (
	"errors"
	"time"

	"github.com/influxdata/telegraf/selfstat"
)

// statistics are the plugin's own counts, which Telegraf's inputs.internal reports as internal_wolkvox_ivr.
type statistics struct {
	requests selfstat.Stat
	apiTime  selfstat.Stat // nanoseconds from the requests to the ends of their answers
	rows     selfstat.Stat // handed on
	backlog  selfstat.Stat // hours that are wanted and have not been read, since they ended `lookback` ago
	putOff   selfstat.Stat // hours of them that could not be read, and are asked for again at growing distances
	failures map[*kind]selfstat.Stat
}

func newStatistics(collector *selfstat.Collector, source, operation string) *statistics {
	tags := map[string]string{"source": source}
	if operation != "" {
		tags["operation"] = operation
	}
	register := func(field string) selfstat.Stat {
		return collector.Register("wolkvox_ivr", field, tags)
	}
	s := &statistics{
		requests: register("requests"),
		apiTime:  register("api_time_ns"),
		rows:     register("rows"),
		backlog:  register("backlog_hours"),
		putOff:   register("put_off_hours"),
		failures: make(map[*kind]selfstat.Stat, len(kinds)),
	}
	for _, k := range kinds {
		s.failures[k] = register("failures_" + k.name)
	}
	return s
}

func (s *statistics) request(took time.Duration) {
	s.requests.Incr(1)
	s.apiTime.Incr(took.Nanoseconds())
}

func (s *statistics) failure(err error) {
	var failure *apiError
	if errors.As(err, &failure) {
		s.failures[failure.kind].Incr(1)
	}
}
