package search

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"regexp/syntax"
	"unicode"
	"unicode/utf8"
)

// How an instruction treats the runes beyond ASCII, U+FFFD among them.
const (
	wideNone = iota // accepts none of them
	wideAll         // accepts every one
	wideSome        // accepts some
)

// prog is a regular expression compiled for the byte automaton. It is
// read-only once made.
type prog struct {
	inst     []syntax.Inst
	start    uint32
	wide     []uint8    // for each instruction, one of the wide constants
	class    [256]uint8 // byte to class: bytes of a class are never told apart
	rep      []byte     // class to one of its bytes
	lineOnly bool       // no match holds a newline
	textEdge bool       // \A or \z occurs
	lookBack bool       // ^, \A, \b or \B occurs
}

// errProgram tells that an expression is too large once compiled.
var errProgram = errors.New("regular expression compiles to too many instructions")

// newProg compiles a simplified expression.
func newProg(re *syntax.Regexp) (*prog, error) {
	sp, err := syntax.Compile(re)
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	if len(sp.Inst) > MaxProgram {
		return nil, fmt.Errorf("%w: %d, at most %d", errProgram, len(sp.Inst), MaxProgram)
	}
	p := &prog{inst: sp.Inst, start: uint32(sp.Start), lineOnly: true}
	p.wide = make([]uint8, len(p.inst))
	var edges byteEdges
	wide := false
	for i := range p.inst {
		in := &p.inst[i]
		switch in.Op {
		case syntax.InstEmptyWidth:
			p.noteEmpty(syntax.EmptyOp(in.Arg), &edges)
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			rs := runeRanges(in)
			p.wide[i] = wideness(rs)
			wide = wide || p.wide[i] != wideNone
			for j := 0; j < len(rs); j += 2 {
				edges.add(rs[j], rs[j+1])
			}
			if in.MatchRune('\n') {
				p.lineOnly = false
			}
		}
	}
	// Newlines are always told apart: lanes begin after them.
	edges.mark('\n', '\n')
	if wide {
		edges.markUTF8()
	} else {
		edges.mark(utf8.RuneSelf, math.MaxUint8)
	}
	p.classify(&edges)
	return p, nil
}

// noteEmpty records what an assertion needs to know about its surroundings.
func (p *prog) noteEmpty(op syntax.EmptyOp, edges *byteEdges) {
	if op&(syntax.EmptyBeginText|syntax.EmptyEndText) != 0 {
		p.textEdge = true
	}
	if op&(syntax.EmptyWordBoundary|syntax.EmptyNoWordBoundary) != 0 {
		edges.mark('0', '9')
		edges.mark('A', 'Z')
		edges.mark('_', '_')
		edges.mark('a', 'z')
	}
	if op&^(syntax.EmptyEndLine|syntax.EmptyEndText) != 0 {
		p.lookBack = true
	}
}

// classify numbers the classes that the edges leave.
func (p *prog) classify(edges *byteEdges) {
	for c := range 256 {
		if c == 0 || edges[c] {
			p.rep = append(p.rep, byte(c))
		}
		p.class[c] = uint8(len(p.rep) - 1)
	}
}

// byteEdges marks the byte values at which a class begins.
type byteEdges [257]bool

func (e *byteEdges) mark(lo, hi byte) {
	e[lo] = true
	e[int(hi)+1] = true
}

// markUTF8 sets apart the bytes that the decoding of UTF-8 sets apart.
func (e *byteEdges) markUTF8() {
	for _, c := range []byte{0x80, 0x90, 0xA0, 0xC0, 0xC2, 0xE0, 0xE1, 0xED, 0xEE, 0xF0, 0xF1, 0xF4, 0xF5} {
		e[c] = true
	}
}

// add marks the edges of the encodings of the runes lo to hi, so that the
// classes of a rune's bytes tell whether it is among them.
func (e *byteEdges) add(lo, hi rune) {
	if lo > hi {
		return
	}
	for _, edge := range []rune{0x7F, 0x7FF, 0xD7FF, 0xDFFF, 0xFFFF} {
		if lo <= edge && edge < hi {
			e.add(lo, edge)
			e.add(edge+1, hi)
			return
		}
	}
	if lo >= 0xD800 && hi <= 0xDFFF {
		return // surrogates are never decoded
	}
	for i := 1; i < utf8.RuneLen(lo); i++ {
		m := rune(1)<<(6*i) - 1
		if lo&^m == hi&^m {
			continue
		}
		if lo&m != 0 {
			e.add(lo, lo|m)
			e.add((lo|m)+1, hi)
			return
		}
		if hi&m != m {
			e.add(lo, hi&^m-1)
			e.add(hi&^m, hi)
			return
		}
	}
	var a, b [utf8.UTFMax]byte
	n := utf8.EncodeRune(a[:], lo)
	utf8.EncodeRune(b[:], hi)
	for i := range n {
		e.mark(a[i], b[i])
	}
}

// runeRanges lists the runes an instruction accepts as pairs of bounds.
func runeRanges(in *syntax.Inst) []rune {
	switch {
	case in.Op == syntax.InstRuneAny:
		return []rune{0, unicode.MaxRune}
	case in.Op == syntax.InstRuneAnyNotNL:
		return []rune{0, '\n' - 1, '\n' + 1, unicode.MaxRune}
	case len(in.Rune) != 1:
		return in.Rune
	}
	r := in.Rune[0]
	rs := []rune{r, r}
	if syntax.Flags(in.Arg)&syntax.FoldCase != 0 {
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			rs = append(rs, f, f)
		}
	}
	return rs
}

func wideness(rs []rune) uint8 {
	w := uint8(wideNone)
	for i := 0; i < len(rs); i += 2 {
		if rs[i] <= utf8.RuneSelf && rs[i+1] == unicode.MaxRune {
			return wideAll
		}
		if rs[i+1] >= utf8.RuneSelf {
			w = wideSome
		}
	}
	return w
}

// parse reads an expression as a Pattern means it and gives it back
// simplified, with the standard library's own matcher for it.
func parse(expr string, fold bool) (*syntax.Regexp, *regexp.Regexp, error) {
	prefix := "(?m)"
	if fold {
		prefix = "(?mi)"
	}
	std, err := regexp.Compile(prefix + expr)
	if err != nil {
		// Parsed again alone, so that the message shows what the user wrote.
		if _, bare := syntax.Parse(expr, syntax.Perl); bare != nil {
			err = bare
		}
		return nil, nil, fmt.Errorf("parse: %w", err)
	}
	re, err := syntax.Parse(prefix+expr, syntax.Perl)
	if err != nil {
		return nil, nil, fmt.Errorf("parse: %w", err)
	}
	return re.Simplify(), std, nil
}
