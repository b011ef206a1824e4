package value

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// segment matches one level of a path.
type segment struct {
	key   string // the same for segments that match the same way
	deep  bool   // any number of levels; never in an edge
	any   bool   // every name
	exact bool   // only the name text, and a directory can be opened by it
	text  string
	lit   bool // only the name text
	alts  []wildcard
}

func (s *segment) match(name string) bool {
	switch {
	case s.any:
		return true
	case s.lit:
		return s.text == name
	}
	for i := range s.alts {
		if s.alts[i].match(name) {
			return true
		}
	}
	return false
}

// variants writes out what goes over separators, so that what is left are plain rows of segments.
func (p *globParser) variants(nodes []globNode) ([][]*segment, error) {
	tooMany := fmt.Errorf("glob %q has too many alternatives: write it as several globs", p.src)
	flat, ok := expandGlob(nodes, false, maxGlobVariants)
	if !ok {
		return nil, tooMany
	}
	var out [][]*segment
	for _, seq := range flat {
		rows := [][]*segment{nil}
		pieces := p.split(seq)
		for i, piece := range pieces {
			front := i == 0 && (len(pieces) > 1 || p.opts.Flat || seq[0].kind == globSep)
			choices, err := p.choices(piece, front)
			if err != nil {
				return nil, err
			}
			var next [][]*segment
			for _, r := range rows {
				for _, c := range choices {
					next = append(next, joinSegments(r, c))
				}
			}
			if rows = next; len(rows)+len(out) > maxGlobVariants {
				return nil, tooMany
			}
		}
		for _, r := range rows {
			if len(r) > 0 {
				out = append(out, r)
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("glob %q matches nothing", p.src)
	}
	return out, nil
}

// split cuts at the separators. Empty pieces are dropped but for the root; the root of a network path of
// Windows is the name "\".
func (p *globParser) split(seq []globNode) [][]globNode {
	var out [][]globNode
	lead := 0
	for lead < len(seq) && seq[lead].kind == globSep {
		lead++
	}
	switch {
	case lead >= 2 && p.opts.Windows:
		out = append(out, []globNode{{kind: globLiteral, text: `\`}})
	case lead > 0:
		out = append(out, nil)
	}
	from := lead
	for i := lead; i <= len(seq); i++ {
		if i < len(seq) && seq[i].kind != globSep {
			continue
		}
		if i > from {
			out = append(out, seq[from:i])
		}
		from = i + 1
	}
	return out
}

// joinSegments appends, with two ** in a row as one.
func joinSegments(row, more []*segment) []*segment {
	out := append([]*segment(nil), row...)
	for _, s := range more {
		if s.deep && len(out) > 0 && out[len(out)-1].deep {
			continue
		}
		out = append(out, s)
	}
	return out
}

// choices gives the rows of segments that the piece between two separators stands for. One that may be empty is
// also no segment at all, but at the front it is the root.
func (p *globParser) choices(piece []globNode, front bool) ([][]*segment, error) {
	if i := slices.IndexFunc(piece, func(n globNode) bool { return n.kind == globDeep }); i >= 0 {
		return p.deepChoices(piece, i)
	}
	alts, ok := expandGlob(piece, true, maxGlobChoices)
	if !ok {
		return nil, fmt.Errorf("glob %q has more than %d alternatives in one segment: write it as several globs", p.src, maxGlobChoices)
	}
	var out [][]*segment
	full := alts[:0]
	for _, a := range alts {
		if len(a) == 0 && !front {
			out = [][]*segment{nil}
			continue
		}
		full = append(full, a)
	}
	if len(full) > 0 {
		out = append(out, []*segment{p.segment(full)})
	}
	return out, nil
}

// deepChoices takes a ** within a segment for a star, or for a star, any levels and a star. Alternatives are
// written out first, as an empty one may leave the ** alone.
func (p *globParser) deepChoices(piece []globNode, i int) ([][]*segment, error) {
	if len(piece) == 1 {
		return [][]*segment{{{deep: true}}}, nil
	}
	tooMany := fmt.Errorf("glob %q has too many ** and alternatives in one segment: write it as several globs", p.src)
	plain, ok := expandGlob(piece, true, maxGlobVariants)
	if !ok {
		return nil, tooMany
	}
	if len(plain) > 1 {
		var out [][]*segment
		for _, alt := range plain {
			rows, err := p.choices(alt, false)
			if err != nil {
				return nil, err
			}
			if out = append(out, rows...); len(out) > maxGlobVariants {
				return nil, tooMany
			}
		}
		return out, nil
	}
	star := globNode{kind: globStar}
	before := append(append([]globNode(nil), piece[:i]...), star)
	after := append([]globNode{star}, piece[i+1:]...)
	flat, err := p.choices(append(before[:len(before):len(before)], after...), false)
	if err != nil {
		return nil, err
	}
	ends, err := p.choices(after, false)
	if err != nil {
		return nil, err
	}
	starts, err := p.choices(before, false)
	if err != nil {
		return nil, err
	}
	for _, e := range ends {
		flat = append(flat, joinSegments(append(starts[0][:len(starts[0]):len(starts[0])], &segment{deep: true}), e))
	}
	if len(flat) > maxGlobVariants {
		return nil, tooMany
	}
	return flat, nil
}

// segment compiles the alternatives of one level, which hold no separator and no **.
func (p *globParser) segment(alts [][]globNode) *segment {
	s := &segment{}
	keys := make(map[string]bool)
	for _, a := range alts {
		var ops []op
		key := ""
		for _, n := range a {
			ops = appendOp(ops, op{kind: opKinds[n.kind], text: n.text, class: n.class})
		}
		for _, o := range ops {
			key += o.key()
		}
		if !keys[key] {
			keys[key] = true
			s.alts = append(s.alts, newWildcard(ops, p.opts.Fold))
		}
	}
	var sorted []string
	for k := range keys {
		sorted = append(sorted, k)
	}
	sort.Strings(sorted)
	s.key = strings.Join(sorted, "|")
	s.simplify(p.opts)
	return s
}

// opKinds gives the op of each kind of node that a segment may hold.
var opKinds = [...]opKind{globLiteral: opLiteral, globOne: opOne, globStar: opStar, globClass: opClass}

// key is a text that only the same op has.
func (o op) key() string {
	if o.kind == opClass {
		return fmt.Sprintf("c%t%v", o.class.negated, o.class.ranges)
	}
	return fmt.Sprintf("%d%q", o.kind, o.text)
}

// simplify finds the segments that need no matching.
func (s *segment) simplify(opts GlobOptions) {
	if len(s.alts) != 1 {
		return
	}
	w := &s.alts[0]
	if len(w.ops) == 1 && w.ops[0].kind == opStar {
		s.any = true
		return
	}
	text, ok := w.literal()
	if !ok {
		return
	}
	s.text = text
	s.lit = !opts.Fold || !hasCase(text)
	s.exact = s.lit || opts.Windows
}

func hasCase(s string) bool {
	for s != "" {
		r, n := decodeUnit(s)
		if foldNext(r) != r {
			return true
		}
		s = s[n:]
	}
	return false
}
