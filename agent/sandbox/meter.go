package sandbox

import "time"

// A meter measures what a child uses, and holds it to its share.
type meter struct {
	limits Limits
	share  *share
	looked time.Time // when memory was looked at
}

// memoryEvery is how often the memory of a child is looked at.
const memoryEvery = 200 * time.Millisecond

func newMeter(l Limits) *meter {
	m := &meter{limits: l}
	if l.CPU > 0 {
		m.share = &share{part: float64(l.CPU) / 100}
	}
	return m
}

// over halts the child while it is over its share of a processor, and says
// whether it holds more memory than it may.
func (m *meter) over(p *process, now time.Time) bool {
	if m.share != nil {
		p.halt.set("cpu", !m.share.may(now, p.cpu()))
	}
	if m.limits.Memory == 0 || now.Sub(m.looked) < memoryEvery {
		return false
	}
	m.looked = now
	return p.memory() > m.limits.Memory
}

// A share is a part of one processor that may be used over time. What was not
// used is kept for a moment only; what was used too much is owed until it is
// paid.
type share struct {
	part   float64
	at     time.Time
	used   time.Duration
	credit time.Duration // negative: owed
}

// shareBurst is the time whose share may be used at once.
const shareBurst = 200 * time.Millisecond

// may says whether work may go on, at a time at which so much was used in all.
func (s *share) may(now time.Time, used time.Duration) bool {
	if s.at.IsZero() {
		s.at, s.used = now, used
	}
	s.credit += time.Duration(float64(now.Sub(s.at))*s.part) - (used - s.used)
	s.credit = min(s.credit, time.Duration(float64(shareBurst)*s.part))
	s.at, s.used = now, used
	return s.credit >= 0
}
