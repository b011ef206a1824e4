package search

import (
	"math/bits"
	"regexp/syntax"
	"slices"
	"unicode/utf8"
)

// What stands before a position, as far as assertions care.
const (
	afterOther = uint8(iota)
	afterText  // nothing: the text begins here
	afterLine  // a newline
	afterWord  // a letter, a digit or an underscore
	afterCount
)

// Values of a transition that are not states. Their top bit is set, so that
// one test finds any of them.
const (
	special  = uint32(1) << 31
	unknown  = special
	matched  = special | 1
	hopeless = special | 2 // no continuation can match
	unset    = special | 3
)

// State identifiers that live across a flush of the cache.
const (
	liveLanes = 4 // the lanes take 0..3
	liveCarry = 4 // the state in which a stream stands between chunks
	liveKept  = 5 // the carry put aside while another content is looked at
	liveCount = 6
)

// dfa is a lazily built deterministic automaton over bytes that tells whether
// an expression matches anywhere. It belongs to one goroutine.
//
// A state is a set of instructions, what stood before, and up to three bytes
// of a rune whose end is not seen yet. A state is named by the offset of its
// row in trans.
type dfa struct {
	p      *prog
	trans  []uint32
	states []state
	arena  []uint32 // instruction sets of the states
	index  map[string]uint32
	starts [afterCount]uint32
	live   [liveCount]uint32
	limit  int // bytes of cache before it is flushed
	keys   int // bytes held by index

	key    []byte
	q1, q2 sparse
	list   []uint32
	stack  []uint32
	spare  []uint32
}

type state struct {
	off, n  uint32 // the set, in the arena
	before  uint8
	npend   uint8
	pending [3]byte
}

func newDFA(p *prog, limit int) *dfa {
	d := &dfa{p: p, limit: limit, index: make(map[string]uint32)}
	d.q1, d.q2 = newSparse(len(p.inst)), newSparse(len(p.inst))
	for i := range d.live {
		d.live[i] = unset
	}
	d.makeStarts()
	return d
}

// idle tells whether a state holds nothing but the hope that a match begins
// here or later.
func (d *dfa) idle(s uint32) bool {
	return s == d.starts[afterOther] || s == d.starts[afterLine] || s == d.starts[afterWord]
}

func (d *dfa) makeStarts() {
	for b := range d.starts {
		d.q2.clear()
		d.add(&d.q2, d.p.start, 0)
		d.starts[b] = d.intern(uint8(b), nil)
	}
}

// next is the slow way from live[lane] over a byte: it builds what is
// missing. It may flush the cache, which renames every state: a caller holds
// states in live only.
func (d *dfa) next(lane int, c byte) uint32 {
	if d.used() > d.limit {
		d.flush()
	}
	from := d.live[lane]
	cls := uint32(d.p.class[c])
	to := d.trans[from+cls]
	if to == unknown {
		to = d.build(from, d.p.rep[cls])
		d.trans[from+cls] = to
	}
	return to
}

// end tells whether the text's end after state s completes a match.
func (d *dfa) end(s uint32) bool {
	if s&special != 0 {
		return s == matched
	}
	st := d.states[int(s)/len(d.p.rep)]
	d.list = append(d.list[:0], d.arena[st.off:st.off+st.n]...)
	before := st.before
	for range st.npend {
		if d.step(before, utf8.RuneError) {
			return true
		}
		before = afterOther
		d.list = append(d.list[:0], d.q2.dense...)
	}
	d.resolve(before, -1)
	return d.hasMatch(&d.q1)
}

// build computes the state reached from a state over a byte.
func (d *dfa) build(from uint32, c byte) uint32 {
	st := d.states[int(from)/len(d.p.rep)]
	d.list = append(d.list[:0], d.arena[st.off:st.off+st.n]...)
	before := st.before
	if c >= utf8.RuneSelf && st.npend == 0 {
		if to, ok := d.uniform(before); ok {
			return to
		}
		d.list = append(d.list[:0], d.arena[st.off:st.off+st.n]...)
	}
	var buf [4]byte
	pend := append(buf[:0], st.pending[:st.npend]...)
	pend = append(pend, c)
	// Runes are taken off exactly as the standard library decodes them: an
	// invalid byte is U+FFFD, one byte wide.
	for len(pend) > 0 && utf8.FullRune(pend) {
		r, size := utf8.DecodeRune(pend)
		if d.step(before, r) {
			return matched
		}
		d.list = append(d.list[:0], d.q2.dense...)
		before = beforeAfter(r)
		pend = pend[size:]
	}
	d.q2.clear()
	for _, pc := range d.list {
		d.q2.insert(pc)
	}
	return d.intern(before, pend)
}

// uniform handles the common case in which no rune beyond ASCII can be told
// from another, nor their number from another number: then their bytes need
// not be decoded, and one state serves for all of them.
func (d *dfa) uniform(before uint8) (uint32, bool) {
	d.resolve(before, utf8.RuneError)
	if d.hasMatch(&d.q1) {
		return matched, true
	}
	if !d.sameWide() || d.step(before, utf8.RuneError) {
		return 0, false
	}
	d.list = append(d.list[:0], d.q2.dense...)
	d.spare = append(d.spare[:0], d.q2.dense...)
	slices.Sort(d.spare)
	d.resolve(afterOther, utf8.RuneError)
	if d.hasMatch(&d.q1) || !d.sameWide() || d.step(afterOther, utf8.RuneError) {
		return 0, false
	}
	slices.Sort(d.q2.dense)
	if !slices.Equal(d.spare, d.q2.dense) {
		return 0, false
	}
	d.q2.clear()
	for _, pc := range d.spare {
		d.q2.insert(pc)
	}
	return d.intern(afterOther, nil), true
}

// sameWide tells whether each instruction of q1 takes all runes beyond ASCII
// or none.
func (d *dfa) sameWide() bool {
	for _, pc := range d.q1.dense {
		if d.p.wide[pc] == wideSome {
			return false
		}
	}
	return true
}

// step moves the set in list over rune r into q2; true is a match before r.
func (d *dfa) step(before uint8, r rune) bool {
	d.resolve(before, r)
	d.q2.clear()
	for _, pc := range d.q1.dense {
		in := &d.p.inst[pc]
		switch in.Op {
		case syntax.InstMatch:
			return true
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			if in.MatchRune(r) {
				d.add(&d.q2, in.Out, 0)
			}
		}
	}
	d.add(&d.q2, d.p.start, 0)
	return false
}

// resolve puts list into q1, following the assertions that hold between what
// stood before and rune r, which is -1 at the end of the text.
func (d *dfa) resolve(before uint8, r rune) {
	flags := syntax.EmptyOpContext(runeBefore(before), r)
	d.q1.clear()
	for _, pc := range d.list {
		d.add(&d.q1, pc, flags)
	}
}

// add inserts what is reached from pc without a rune. Assertions that flags
// do not grant stay in the set.
func (d *dfa) add(q *sparse, pc uint32, flags syntax.EmptyOp) {
	d.stack = append(d.stack[:0], pc)
	for len(d.stack) > 0 {
		pc = d.stack[len(d.stack)-1]
		d.stack = d.stack[:len(d.stack)-1]
		if q.seen(pc) {
			continue
		}
		q.visit(pc)
		in := &d.p.inst[pc]
		switch in.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			d.stack = append(d.stack, in.Out, in.Arg)
		case syntax.InstCapture, syntax.InstNop:
			d.stack = append(d.stack, in.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(in.Arg)&^flags == 0 {
				d.stack = append(d.stack, in.Out)
				continue
			}
			q.insert(pc)
		case syntax.InstFail:
		default:
			q.insert(pc)
		}
	}
}

func (d *dfa) hasMatch(q *sparse) bool {
	for _, pc := range q.dense {
		if d.p.inst[pc].Op == syntax.InstMatch {
			return true
		}
	}
	return false
}

// intern names the state made of q2, what stood before and a part of a rune.
func (d *dfa) intern(before uint8, pend []byte) uint32 {
	if d.hasMatch(&d.q2) {
		return matched
	}
	asserts := false
	set := d.q2.dense[:0]
	for _, pc := range d.q2.dense {
		in := &d.p.inst[pc]
		if in.Op == syntax.InstEmptyWidth {
			if syntax.EmptyOp(in.Arg)&syntax.EmptyBeginText != 0 && before != afterText {
				continue // it can hold no more
			}
			asserts = true
		}
		set = append(set, pc)
	}
	if len(set) == 0 {
		return hopeless
	}
	if !asserts {
		before = afterOther
	}
	slices.Sort(set)
	d.key = append(d.key[:0], before, byte(len(pend)))
	d.key = append(d.key, pend...)
	for _, pc := range set {
		d.key = append(d.key, byte(pc), byte(pc>>8))
	}
	if s, ok := d.index[string(d.key)]; ok {
		return s
	}
	s := uint32(len(d.trans))
	st := state{off: uint32(len(d.arena)), n: uint32(len(set)), before: before, npend: uint8(len(pend))}
	copy(st.pending[:], pend)
	d.states = append(d.states, st)
	d.arena = append(d.arena, set...)
	for range d.p.rep {
		d.trans = append(d.trans, unknown)
	}
	d.index[string(d.key)] = s
	d.keys += len(d.key) + indexEntry
	return s
}

// indexEntry is what an entry of the index costs beside its key, in bytes.
const indexEntry = 64

// used is the size of the cache in bytes.
func (d *dfa) used() int {
	return 4*(len(d.trans)+len(d.arena)) + 16*len(d.states) + d.keys
}

// flush empties the cache but for the live states, which get new names.
func (d *dfa) flush() {
	var kept [liveCount]state
	var sets []uint32
	for i, s := range d.live {
		if s&special != 0 {
			continue
		}
		st := d.states[int(s)/len(d.p.rep)]
		set := d.arena[st.off : st.off+st.n]
		st.off = uint32(len(sets))
		sets = append(sets, set...)
		kept[i] = st
	}
	clear(d.index)
	d.trans, d.states, d.arena, d.keys = d.trans[:0], d.states[:0], d.arena[:0], 0
	d.makeStarts()
	for i, s := range d.live {
		if s&special != 0 {
			continue
		}
		st := kept[i]
		d.q2.clear()
		for _, pc := range sets[st.off : st.off+st.n] {
			d.q2.insert(pc)
		}
		d.live[i] = d.intern(st.before, st.pending[:st.npend])
	}
}

// runeBefore is a rune that stands for what came before.
func runeBefore(before uint8) rune {
	switch before {
	case afterText:
		return -1
	case afterLine:
		return '\n'
	case afterWord:
		return 'a'
	default:
		return ' '
	}
}

// beforeAfter is what stands before the position after r.
func beforeAfter(r rune) uint8 {
	switch {
	case r == '\n':
		return afterLine
	case syntax.IsWordChar(r):
		return afterWord
	default:
		return afterOther
	}
}

// sparse is a set of small numbers that is emptied in no time. Numbers can be
// visited without being members.
type sparse struct {
	dense   []uint32
	visited []uint64
}

func newSparse(n int) sparse {
	return sparse{dense: make([]uint32, 0, n), visited: make([]uint64, (n+bits.UintSize-1)/64+1)}
}

func (s *sparse) clear() {
	s.dense = s.dense[:0]
	clear(s.visited)
}

func (s *sparse) seen(x uint32) bool { return s.visited[x>>6]&(1<<(x&63)) != 0 }

func (s *sparse) visit(x uint32) { s.visited[x>>6] |= 1 << (x & 63) }

func (s *sparse) insert(x uint32) { s.dense = append(s.dense, x) }
