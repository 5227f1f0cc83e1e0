package hours

// Save returns a copy of the state.
func (p *Planner) Save(stoppedCleanly bool) State {
	s := p.clone()
	s.StoppedCleanly = stoppedCleanly
	return s
}

// Restore goes on from a saved state. It refuses one that a planner can't have saved. What outputs may not have stored when the program
// ended is read and sent again: after an unclean end all that was sent within the margin; after a clean one the latest hours, which an
// output may have held back, unless each hour is to be sent once.
func (p *Planner) Restore(s State) error {
	if err := s.validate(); err != nil {
		return err
	}
	p.State = s.clone()
	p.Unacknowledged = nil
	if s.Timezone != p.Calendar.Location.String() { // the report's hours are the same, but start at other instants
		p.Timezone = p.Calendar.Location.String()
		p.Again, p.Reopened, p.Final = p.Again.Union(p.Final), p.Reopened.Union(p.Final), nil
		clear(p.Open)
		return nil
	}
	lost := Window{-maxHour, maxHour}
	switch {
	case s.StoppedCleanly && p.Mode == Final:
		lost = Window{}
	case s.StoppedCleanly:
		lost.From = p.Calendar.HourAt(s.Time.Add(-p.Lookback - p.margin()))
	}
	again := unacknowledged(s.Unacknowledged).Within(lost)
	p.Final, p.Again = p.Final.Without(again), p.Again.Union(again)
	for h, o := range p.Open {
		if lost.Contains(h) && s.Time.Sub(o.sentAt) <= p.margin() {
			o.isSent = false
		}
	}
	return nil
}
