package pattern

import (
	"bytes"
	"math/bits"

	"github.com/quaestor-engine/quaestor/internal/search"
)

// Bounds on atoms.
const (
	// maxAtom is the length of an atom in bytes: what a list of patterns
	// makes use of.
	maxAtom = 32
	// maxSpread is how many atoms one run of bytes may come to, where places
	// of it can hold several bytes.
	maxSpread = 64
	// maxAtoms is how many atoms a pattern may have.
	maxAtoms = 512
)

// An Atom is a run of bytes. With Fold its ASCII letters ignore case.
type Atom struct {
	Text []byte
	Fold bool
}

// cover is a choice of runs of which each match passes one.
type cover struct {
	runs  [][]*Node
	score int // rarity in sixteenths of bits
	count int // atoms
}

// atomsOf chooses atoms and says where they stand in the codes.
func atomsOf(n *Node, rev *code) ([]Atom, []site) {
	c := coverOf(n)
	if c == nil {
		return nil, nil
	}
	var atoms []Atom
	var sites []site
	for _, run := range c.runs {
		at := site{fwd: run[0].fwd, rev: rev.insts[run[0].rev].out}
		for _, a := range spell(run) {
			atoms = append(atoms, a)
			sites = append(sites, at)
		}
	}
	return atoms, sites
}

func coverOf(n *Node) *cover {
	switch n.Op {
	case Byte:
		return bestRun([]*Node{n})
	case Concat:
		return coverOfConcat(n)
	case Alternate:
		var out *cover
		for i, sub := range n.Subs {
			c := coverOf(sub)
			if c == nil {
				return nil
			}
			if i == 0 {
				out = c
				continue
			}
			out = &cover{runs: append(out.runs, c.runs...), score: min(out.score, c.score), count: out.count + c.count}
		}
		if out.count > maxAtoms {
			return nil
		}
		return out
	}
	return nil
}

func coverOfConcat(n *Node) *cover {
	var best *cover
	offer := func(c *cover) {
		if c != nil && (best == nil || c.worth() > best.worth()) {
			best = c
		}
	}
	var run []*Node
	for _, sub := range flat(n, nil) {
		switch sub.Op {
		case Byte:
			run = append(run, sub)
			continue
		case TextStart, TextEnd, Boundary, NoBoundary, Empty:
			continue
		}
		offer(bestRun(run))
		run = nil
		offer(coverOf(sub))
	}
	offer(bestRun(run))
	return best
}

func (c *cover) worth() int { return c.score - 16*bits.Len(uint(c.count-1)) }

// flat lists the parts of nested sequences as one.
func flat(n *Node, out []*Node) []*Node {
	for _, sub := range n.Subs {
		if sub.Op == Concat {
			out = flat(sub, out)
		} else {
			out = append(out, sub)
		}
	}
	return out
}

// bestRun chooses the part of a run of bytes that is rarest.
func bestRun(run []*Node) *cover {
	text, counts := make([]byte, len(run)), make([]int, len(run))
	for i, n := range run {
		text[i], counts[i] = n.Set.lowest(), kinds(&n.Set)
	}
	var best cover
	from, to := 0, 0
	for i := range run {
		spread := 1
		for j := i; j < len(run) && j-i < maxAtom; j++ {
			if spread *= counts[j]; spread > maxSpread || spread == 0 {
				break
			}
			c := cover{score: search.Rarity(text[i : j+1]), count: spread}
			if to == 0 || c.worth() > best.worth() {
				best, from, to = c, i, j+1
			}
		}
	}
	if to == 0 {
		return nil
	}
	best.runs = [][]*Node{run[from:to]}
	return &best
}

// kinds is how many atoms a place of a run multiplies by: both cases of a
// letter are one.
func kinds(s *Set) int {
	n := s.size()
	if isPair(s) {
		return 1
	}
	return n
}

// isPair says whether a set is the two cases of a letter.
func isPair(s *Set) bool {
	if s.size() != 2 {
		return false
	}
	c := s.lowest()
	return c >= 'A' && c <= 'Z' && s.Has(c|lowerBit)
}

// spell writes a run out as atoms.
func spell(run []*Node) []Atom {
	fold := false
	for _, n := range run {
		fold = fold || isPair(&n.Set)
	}
	atoms := []Atom{{Fold: fold}}
	for _, n := range run {
		members := n.Set.members()
		if isPair(&n.Set) {
			members = members[1:]
		}
		var next []Atom
		for _, a := range atoms {
			for _, c := range members {
				next = append(next, Atom{Text: append(bytes.Clone(a.Text), c), Fold: fold})
			}
		}
		atoms = next
	}
	return atoms
}

// Lower writes the ASCII letters of a text small.
func Lower(text []byte) []byte {
	out := bytes.Clone(text)
	for i, c := range out {
		if c >= 'A' && c <= 'Z' {
			out[i] = c | lowerBit
		}
	}
	return out
}
