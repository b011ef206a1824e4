package pattern

// MaxReach is how far, in bytes, a match of one piece may reach from the
// beginning of its atom to either side: that of YARA.
const MaxReach = 4096

// A Matcher asks programs around places of contents. It belongs to one
// goroutine.
type Matcher struct {
	// Steps is what is left of what may be spent: at zero every answer is no,
	// and the caller has to say that nobody looked.
	Steps int64

	now, next queue
	stack     []uint32
}

// Match calls yield for each match of p in which atom a stands at pos of data,
// until it returns false. Matches that begin at different places are told of
// with the end that the expression prefers, from the last to begin to the
// first.
func (m *Matcher) Match(p *Program, a int, data []byte, pos int, yield func(start, end int) bool) {
	s := p.sites[a]
	end := m.forward(&p.fwd, s.fwd, data, pos)
	if end < 0 {
		return
	}
	m.backward(&p.rev, s.rev, data, pos, func(start int) bool {
		return start == end || yield(start, end)
	})
}

// From gives the end of the match that begins at pos, or -1.
func (m *Matcher) From(p *Program, data []byte, pos int) int {
	if pos >= len(data) || !p.first.Has(data[pos]) {
		return -1
	}
	end := m.forward(&p.fwd, p.fwd.start, data, pos)
	if end == pos {
		return -1
	}
	return end
}

// Search says whether p matches anywhere in data; an empty match is one.
func (m *Matcher) Search(p *Program, data []byte) bool {
	c := &p.fwd
	m.now.reset(len(c.insts))
	for pos := 0; ; pos++ {
		m.add(c, &m.now, c.start, data, pos)
		m.next.reset(len(c.insts))
		for _, pc := range m.now.dense {
			i := c.insts[pc]
			if i.op == opMatch {
				return true
			}
			if pos < len(data) && i.takes(c, data[pos]) {
				m.add(c, &m.next, i.out, data, pos+1)
			}
		}
		if m.Steps--; pos >= len(data) || m.Steps < 0 {
			return false
		}
		m.now, m.next = m.next, m.now
	}
}

// forward gives the end of the preferred match from an instruction on, or -1.
func (m *Matcher) forward(c *code, pc uint32, data []byte, pos int) int {
	best := -1
	limit := min(len(data), pos+MaxReach)
	m.now.reset(len(c.insts))
	m.add(c, &m.now, pc, data, pos)
	for ; len(m.now.dense) > 0 && m.Steps > 0; pos++ {
		m.next.reset(len(c.insts))
		for _, pc := range m.now.dense {
			i := c.insts[pc]
			if i.op == opMatch {
				best = pos
				break // those behind it are liked less
			}
			if pos < limit && i.takes(c, data[pos]) {
				m.add(c, &m.next, i.out, data, pos+1)
			}
		}
		m.now, m.next = m.next, m.now
	}
	return best
}

// backward calls yield with every place before pos from which the code leads
// to it.
func (m *Matcher) backward(c *code, pc uint32, data []byte, pos int, yield func(start int) bool) {
	limit := max(0, pos-MaxReach)
	m.now.reset(len(c.insts))
	m.add(c, &m.now, pc, data, pos)
	for ; len(m.now.dense) > 0 && m.Steps > 0; pos-- {
		m.next.reset(len(c.insts))
		for _, pc := range m.now.dense {
			i := c.insts[pc]
			if i.op == opMatch {
				if !yield(pos) {
					return
				}
				continue
			}
			if pos > limit && i.takes(c, data[pos-1]) {
				m.add(c, &m.next, i.out, data, pos-1)
			}
		}
		m.now, m.next = m.next, m.now
	}
}

// takes says whether an instruction takes a byte.
func (i *inst) takes(c *code, b byte) bool {
	switch i.op {
	case opByte:
		return byte(i.arg) == b
	case opSet:
		return c.sets[i.arg].Has(b)
	}
	return false
}

// add puts an instruction into a queue, following those that take no byte.
func (m *Matcher) add(c *code, q *queue, pc uint32, data []byte, pos int) {
	m.stack = append(m.stack[:0], pc)
	for len(m.stack) > 0 {
		pc := m.stack[len(m.stack)-1]
		m.stack = m.stack[:len(m.stack)-1]
		m.Steps--
		if q.has(pc) {
			continue
		}
		switch i := c.insts[pc]; i.op {
		case opSplit:
			q.mark(pc)
			m.stack = append(m.stack, i.arg, i.out)
		case opJump:
			m.stack = append(m.stack, i.out)
		case opAssert:
			if q.mark(pc); holds(i.arg, data, pos) {
				m.stack = append(m.stack, i.out)
			}
		default:
			q.add(pc)
		}
	}
}

// holds says whether an assertion holds before data[pos].
func holds(arg uint32, data []byte, pos int) bool {
	wide := arg&wideAssert != 0
	switch Op(arg &^ wideAssert) {
	case TextStart:
		return pos == 0
	case TextEnd:
		return pos == len(data)
	case Boundary:
		return isBoundary(data, pos, wide)
	default:
		return !isBoundary(data, pos, wide)
	}
}

// isBoundary says whether a word begins or ends at a place; either end of the
// content is a boundary, whatever stands there, as it is to YARA.
func isBoundary(data []byte, pos int, wide bool) bool {
	if pos == 0 || pos >= len(data) || wide && (pos < 2 || pos+1 >= len(data)) {
		return true
	}
	return isWordAt(data, pos, wide) != isWordBefore(data, pos, wide)
}

func isWordAt(data []byte, pos int, wide bool) bool {
	return isWord(data[pos]) && (!wide || data[pos+1] == 0)
}

func isWordBefore(data []byte, pos int, wide bool) bool {
	if wide {
		return data[pos-1] == 0 && isWord(data[pos-2])
	}
	return isWord(data[pos-1])
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c|lowerBit >= 'a' && c|lowerBit <= 'z' || c == '_'
}

// queue is an ordered set of instructions that is emptied in no time.
type queue struct {
	dense []uint32
	seen  []uint32 // by instruction, the round in which it was seen
	round uint32
}

func (q *queue) reset(n int) {
	if len(q.seen) < n {
		q.seen = make([]uint32, n)
		q.round = 0
	}
	q.dense = q.dense[:0]
	if q.round++; q.round == 0 {
		clear(q.seen)
		q.round = 1
	}
}

func (q *queue) has(pc uint32) bool { return q.seen[pc] == q.round }
func (q *queue) mark(pc uint32)     { q.seen[pc] = q.round }

func (q *queue) add(pc uint32) {
	q.seen[pc] = q.round
	q.dense = append(q.dense, pc)
}
