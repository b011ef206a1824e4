package sandbox

import (
	"sync"
	"time"
)

// A meter measures what a child uses, and holds it to its share.
type meter struct {
	limits Limits
	share  *share
	total  *budget       // of all children; nil: no bound
	used   time.Duration // of which total knows
	looked time.Time     // when memory was looked at
}

// memoryEvery is how often the memory of a child is looked at.
const memoryEvery = 200 * time.Millisecond

func newMeter(l Limits, total *budget) *meter {
	m := &meter{limits: l, total: total}
	if l.CPU > 0 {
		m.share = &share{part: float64(l.CPU) / 100}
	}
	return m
}

// over halts the child while it is over its share of a processor, and says
// whether it holds more memory than it may.
func (m *meter) over(p *process, now time.Time) bool {
	if m.share != nil || m.total != nil {
		used := p.cpu()
		p.halt.set("cpu", m.share != nil && !m.share.may(now, used))
		p.halt.set("all", m.total != nil && !m.total.may(now, used-m.used))
		m.used = used
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

// A budget is a share that several processes use.
type budget struct {
	mu    sync.Mutex
	share share
	used  time.Duration
}

// may says whether work may go on, when one of the processes has used more.
func (b *budget) may(now time.Time, more time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used += more
	return b.share.may(now, b.used)
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
