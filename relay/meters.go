package relay

import (
	"errors"
	"time"

	"github.com/quaestor-engine/quaestor/relay/meter"
)

// meters are what a relay counts of what happens. How things stand is not
// counted but looked at, when somebody asks (gauges.go).
type meters struct {
	since     time.Time // the relay was started
	refusals  [refusedEnd]meter.Counter
	plans     meter.Counter // that were handed in here, and accepted
	fanOut    meter.Histogram
	chunks    meter.Counter // that are stored
	sealed    meter.Counter // bytes of them
	answers   meter.Counter // of which the last chunk is stored
	acks      meter.Counter
	slow      meter.Counter // agents that were cut off
	stores    [storedEnd]meter.Histogram
	failures  [storedEnd]meter.Counter
	conflicts [storedEnd]meter.Counter
}

// A refusal is why somebody was not served. Those of handshakes are counted by
// the listener.
type refusal int

const (
	refusedAgent refusal = iota
	refusedEnrolment
	refusedInvestigator
	refusedPlan
	refusedCosignature
	refusedCutOff
	refusedStream
	refusedEnd
)

// refusalNames are the refusals as a label has them.
func refusalNames() [refusedEnd]string {
	return [...]string{"agent", "enrolment", "investigator", "plan", "cosignature", "cut_off", "stream"}
}

func (m *meters) refused(why refusal) { m.refusals[why].Inc() }

// A storedKind is what the spine is given.
type storedKind int

const (
	storedChunk storedKind = iota
	storedRecord
	storedEnd
)

func storedNames() [storedEnd]string { return [...]string{"chunk", "record"} }

// kept counts that the spine answered about something that it was given.
func (m *meters) kept(what storedKind, given time.Time, err error) {
	switch {
	case err == nil:
		m.stores[what].Observe(time.Since(given))
	case errors.Is(err, errSwapped) || isSwapped(err):
		m.conflicts[what].Inc()
	default:
		m.failures[what].Inc()
	}
}

// timed is kept for a record, where there is somebody who counts.
func (m *meters) timed(given time.Time, err *error) {
	if m != nil {
		m.kept(storedRecord, given, *err)
	}
}

// took counts a chunk that is stored.
func (m *meters) took(size int64, final bool) {
	m.chunks.Inc()
	m.sealed.Add(uint64(size))
	if final {
		m.answers.Inc()
	}
}

// tell has a spine count what it is given.
func (s *spine) tell(m *meters) {
	s.meters = m
	for _, b := range []*bucket{s.agents, s.plans, s.state, s.relays, s.releases, s.pieces} {
		b.meters = m
	}
}

// dueFor gives since when a plan could have been written to an agent: both were
// here.
func (p *investigation) dueFor(s *agentSession) time.Time {
	if s.since.After(p.taken) {
		return s.since
	}
	return p.taken
}
