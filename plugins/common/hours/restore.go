package hours

// Save returns a copy of the state.
func (p *Planner) Save(stoppedCleanly bool) State {
	s := p.clone()
	s.StoppedCleanly = stoppedCleanly
	return s
}

// Restore resumes from a saved state. It returns an error if no planner can have saved the state. Hours that outputs may not have stored
// when the program ended are reread and resent: after a crash, all hours sent within the margin; after a clean stop, the latest hours,
// which an output may have held back, unless the mode is Final.
func (p *Planner) Restore(s State) error {
	if err := s.validate(); err != nil {
		return err
	}
	p.State = s.clone()
	p.Unacknowledged = nil
	if s.Timezone != p.Calendar.Location.String() { // the hours keep their labels, but start at other instants
		p.Timezone = p.Calendar.Location.String()
		p.ToReread, p.Reopened, p.Final = p.ToReread.Union(p.Final), p.Reopened.Union(p.Final), nil
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
	unstored := unacknowledged(s.Unacknowledged).Within(lost)
	p.Final, p.ToReread = p.Final.Without(unstored), p.ToReread.Union(unstored)
	for h, o := range p.Open {
		if lost.Contains(h) && s.Time.Sub(o.sentAt) <= p.margin() {
			o.isSent = false
		}
	}
	return nil
}
