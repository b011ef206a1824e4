package pattern

import (
	"errors"
	"fmt"
)

// maxProgram is the number of instructions of a program in one direction: a
// step of a match may touch each of them.
const maxProgram = 20_000

// ErrTooLarge says that a pattern's repetitions multiply beyond a bound.
var ErrTooLarge = errors.New("too large")

// A Program is a pattern that is ready to be asked. It is read-only.
type Program struct {
	fwd, rev code
	atoms    []Atom
	sites    []site // by atom
	first    Set    // of the bytes that a match can begin with
	shortest int    // bytes of the shortest match
	longest  int    // bytes of the longest match that is looked for
}

// A site is where an atom stands in the codes: forward from its first byte,
// and backward from the one before.
type site struct{ fwd, rev uint32 }

// Compile makes a program. The error wraps [ErrTooLarge].
func Compile(n *Node) (*Program, error) {
	size := 0
	x, err := expand(n, &size)
	if err != nil {
		return nil, err
	}
	p := &Program{}
	p.fwd.start = p.fwd.emit(x, p.fwd.put(inst{op: opMatch}), false)
	p.rev.start = p.rev.emit(x, p.rev.put(inst{op: opMatch}), true)
	lo, hi := length(x)
	p.shortest, p.longest = lo, hi
	if hi == Endless || hi > 2*MaxReach {
		p.longest = 2 * MaxReach
	}
	p.atoms, p.sites = atomsOf(x, &p.rev)
	p.first = p.firstBytes()
	return p, nil
}

// Atoms are runs of bytes of which each match contains at least one; none
// where nothing can be said, and the pattern has to be tried everywhere.
func (p *Program) Atoms() []Atom { return p.atoms }

// Before and After are how many bytes around the beginning of an atom can
// matter to the answer.
func (p *Program) Before() int { return min(p.longest, MaxReach) + 2 }

// After is as Before.
func (p *Program) After() int { return min(p.longest, MaxReach) + 2 }

// Shortest is the length of the shortest match in bytes.
func (p *Program) Shortest() int { return p.shortest }

// Bytes is about how much memory a program takes, with its atoms.
func (p *Program) Bytes() int {
	return 12*(len(p.fwd.insts)+len(p.rev.insts)) + 32*(len(p.fwd.sets)+len(p.rev.sets)) + 200*len(p.atoms) + 256
}

// MatchesNothing says that no match of the pattern is longer than nothing.
func (p *Program) MatchesNothing() bool { return p.longest == 0 }

// expand writes counted repetitions out as far as each match passes them, so
// that each Byte that must be passed is a node of its own.
func expand(n *Node, size *int) (*Node, error) {
	if *size++; *size > maxProgram {
		return nil, fmt.Errorf("%w: its repetitions come to more than %d parts", ErrTooLarge, maxProgram)
	}
	x := *n
	if n.Op == Repeat {
		return expandRepeat(n, size)
	}
	x.Subs = make([]*Node, len(n.Subs))
	for i, sub := range n.Subs {
		s, err := expand(sub, size)
		if err != nil {
			return nil, err
		}
		x.Subs[i] = s
	}
	return &x, nil
}

func expandRepeat(n *Node, size *int) (*Node, error) {
	if _, hi := length(n.Subs[0]); hi == 0 && n.Min > 1 {
		n = &Node{Op: Repeat, Subs: n.Subs, Min: 1, Max: 1}
	}
	if n.Max > MaxReach && n.Subs[0].Op == Byte {
		// What is longer than a match can reach need not be counted.
		n = &Node{Op: Repeat, Subs: n.Subs, Min: min(n.Min, MaxReach+1), Max: Endless, Lazy: n.Lazy}
	}
	var subs []*Node
	for range n.Min {
		s, err := expand(n.Subs[0], size)
		if err != nil {
			return nil, err
		}
		subs = append(subs, s)
	}
	if n.Max == Endless || n.Max > n.Min {
		before := *size
		s, err := expand(n.Subs[0], size)
		if err != nil {
			return nil, err
		}
		r := &Node{Op: Repeat, Subs: []*Node{s}, Max: n.Max, Lazy: n.Lazy}
		if n.Max != Endless {
			r.Max -= n.Min
			if *size += (*size - before + 1) * r.Max; *size > maxProgram {
				return nil, fmt.Errorf("%w: its repetitions come to more than %d parts", ErrTooLarge, maxProgram)
			}
		}
		subs = append(subs, r)
	}
	if len(subs) == 0 {
		return &Node{Op: Empty}, nil
	}
	return concat(subs...), nil
}

type opcode uint8

const (
	opMatch  opcode = iota
	opSet           // one byte of sets[arg], then out
	opByte          // the byte arg, then out
	opSplit         // out, or else arg
	opJump          // out
	opAssert        // arg is an assertion, then out
)

type inst struct {
	op       opcode
	out, arg uint32
}

// code is a program in one direction.
type code struct {
	insts []inst
	sets  []Set
	start uint32
}

func (c *code) put(i inst) uint32 {
	c.insts = append(c.insts, i)
	return uint32(len(c.insts) - 1)
}

// emit adds a node that goes on at next, and gives where it begins.
func (c *code) emit(n *Node, next uint32, back bool) uint32 {
	switch n.Op {
	case Byte:
		at := c.emitByte(n, next)
		if back {
			n.rev = at
		} else {
			n.fwd = at
		}
		return at
	case Concat:
		for i := range n.Subs {
			if !back {
				i = len(n.Subs) - 1 - i
			}
			next = c.emit(n.Subs[i], next, back)
		}
		return next
	case Alternate:
		at := c.emit(n.Subs[len(n.Subs)-1], next, back)
		for i := len(n.Subs) - 2; i >= 0; i-- {
			at = c.put(inst{op: opSplit, out: c.emit(n.Subs[i], next, back), arg: at})
		}
		return at
	case Repeat:
		return c.emitRepeat(n, next, back)
	case Empty:
		return next
	}
	arg := uint32(n.Op)
	if n.Wide {
		arg |= wideAssert
	}
	return c.put(inst{op: opAssert, out: next, arg: arg})
}

// wideAssert marks an assertion among characters of two bytes.
const wideAssert = 1 << 8

func (c *code) emitByte(n *Node, next uint32) uint32 {
	if n.Set.size() == 1 {
		return c.put(inst{op: opByte, out: next, arg: uint32(n.Set.lowest())})
	}
	for i := range c.sets {
		if c.sets[i] == n.Set {
			return c.put(inst{op: opSet, out: next, arg: uint32(i)})
		}
	}
	c.sets = append(c.sets, n.Set)
	return c.put(inst{op: opSet, out: next, arg: uint32(len(c.sets) - 1)})
}

func (c *code) emitRepeat(n *Node, next uint32, back bool) uint32 {
	if n.Max == Endless {
		at := c.put(inst{op: opSplit})
		c.split(at, c.emit(n.Subs[0], at, back), next, n.Lazy)
		return at
	}
	at := next
	for range n.Max {
		body := c.emit(n.Subs[0], at, back)
		at = c.put(inst{op: opSplit})
		c.split(at, body, next, n.Lazy)
	}
	return at
}

func (c *code) split(at, body, next uint32, lazy bool) {
	if lazy {
		body, next = next, body
	}
	c.insts[at].out, c.insts[at].arg = body, next
}

// firstBytes gives the bytes that a match can begin with.
func (p *Program) firstBytes() Set {
	var s Set
	seen := make([]bool, len(p.fwd.insts))
	stack := []uint32{p.fwd.start}
	for len(stack) > 0 {
		pc := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if seen[pc] {
			continue
		}
		seen[pc] = true
		switch i := p.fwd.insts[pc]; i.op {
		case opMatch:
			return all()
		case opByte:
			s.add(byte(i.arg))
		case opSet:
			s.union(&p.fwd.sets[i.arg])
		case opSplit:
			stack = append(stack, i.out, i.arg)
		default:
			stack = append(stack, i.out)
		}
	}
	return s
}
