package wolkvox_ivr

import (
	"errors"
	"time"

	"github.com/influxdata/telegraf/selfstat"

	"telegraf-wolkvox-ivr/plugins/common/wolkvox"
)

// statistics are the plugin's internal metrics, which inputs.internal reports as internal_wolkvox_ivr.
type statistics struct {
	requests     selfstat.Stat
	responseTime selfstat.Stat // nanoseconds from requests to the end of their responses
	rows         selfstat.Stat // sent
	backlog      selfstat.Stat // hours that ended `lookback` ago, aren't final and wait for requests
	postponed    selfstat.Stat // such hours that are postponed, and retried at increasing intervals
	clock        selfstat.Stat // how far the API's clock is ahead of this machine's, in nanoseconds; negative if it is behind
	failures     map[*wolkvox.FailureClass]selfstat.Stat
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
		requests:     register("requests"),
		responseTime: register("api_time_ns"),
		rows:         register("rows"),
		backlog:      register("backlog_hours"),
		postponed:    register("postponed_hours"),
		clock:        register("clock_difference_ns"),
		failures:     make(map[*wolkvox.FailureClass]selfstat.Stat, len(wolkvox.FailureClasses)),
	}
	for _, class := range wolkvox.FailureClasses {
		s.failures[class] = register("failures_" + class.Name)
	}
	return s
}

func (s *statistics) countRequest(took time.Duration) {
	s.requests.Incr(1)
	s.responseTime.Incr(took.Nanoseconds())
}

func (s *statistics) countFailure(err error) {
	var failure *wolkvox.Failure
	if errors.As(err, &failure) {
		s.failures[failure.Class].Incr(1)
	}
}
