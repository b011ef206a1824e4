package sandbox

import (
	"sync"
	"time"
)

// A meter measures what a child uses, and holds it to its share.
type meter struct {
	memory int64         // bytes that it may hold; 0: no bound
	share  *budget       // of all children of its job; nil: no bound
	total  *budget       // of all children; nil: no bound
	held   *held         // by all children
	used   time.Duration // of which both know
	looked time.Time     // when memory was looked at
}

// memoryEvery is how often the memory of a child is looked at.
const memoryEvery = 200 * time.Millisecond

// newMeter makes that of a child that has used so much before.
func newMeter(job Job, c *Children, used time.Duration) *meter {
	return &meter{memory: job.Limits.Memory, share: job.share, total: c.total, held: &c.held, used: used}
}

// over halts the child while it is over its share of a processor, and says
// why it is to end: it holds more memory than it may, alone or with others.
func (m *meter) over(p *process, now time.Time) string {
	if m.share != nil || m.total != nil {
		used := p.cpu()
		p.halt.set("cpu", m.share != nil && !m.share.may(now, used-m.used))
		p.halt.set("all", m.total != nil && !m.total.may(now, used-m.used))
		m.used = used
	}
	if m.memory == 0 && m.held.most == 0 || now.Sub(m.looked) < memoryEvery {
		return ""
	}
	m.looked = now
	switch n := p.memory(); {
	case m.memory > 0 && n > m.memory:
		return "the process that looked held more memory than it may"
	case m.held.over(p, n):
		return "the processes that look held more memory together than this host lets them, and the one of this plan the most"
	}
	return ""
}

// held is the memory of all children.
type held struct {
	most int64 // bytes; 0: no bound

	mu sync.Mutex
	by map[*process]int64 // bytes
}

// over takes what a child holds, and says whether all hold too much and this
// one the most.
func (h *held) over(p *process, bytes int64) bool {
	if h.most == 0 {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.by == nil {
		h.by = map[*process]int64{}
	}
	h.by[p] = bytes
	sum, largest := int64(0), int64(0)
	for _, n := range h.by {
		sum, largest = sum+n, max(largest, n)
	}
	return sum > h.most && bytes == largest
}

// forget takes a child out that ended, or waits.
func (h *held) forget(p *process) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.by, p)
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

func newBudget(cpu int64) *budget { return &budget{share: share{part: float64(cpu) / 100}} }

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
