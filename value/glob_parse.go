package value

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxBraceDepth bounds how deep alternatives may nest.
const maxBraceDepth = 16

type globKind uint8

const (
	globLiteral globKind = iota
	globOne
	globStar
	globDeep // **
	globClass
	globSep
	globAlt
)

// globNode is a piece of a pattern.
type globNode struct {
	kind  globKind
	text  string
	class *class
	alts  [][]globNode
}

type globParser struct {
	src  string
	pos  int
	opts GlobOptions
}

func (p *globParser) fail(at int, format string, args ...any) error {
	return fmt.Errorf("glob %q, offset %d: %s", p.src, at, fmt.Sprintf(format, args...))
}

// sequence reads up to the end, or within braces up to the comma or brace that ends the alternative.
func (p *globParser) sequence(depth int) ([]globNode, error) {
	var out []globNode
	for p.pos < len(p.src) {
		c := p.src[p.pos]
		if depth > 0 && (c == ',' || c == '}') {
			break
		}
		var ns []globNode
		var err error
		switch {
		case p.isSep(c):
			p.pos++
			ns = []globNode{{kind: globSep}}
		case c == '{':
			ns, err = p.braces(depth + 1)
		case c == '}':
			err = p.fail(p.pos, "} without {: write [}] for the character")
		default:
			ns, err = p.simple(c)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, ns...)
	}
	return out, nil
}

func (p *globParser) isSep(c byte) bool {
	return !p.opts.Flat && (c == '/' || p.opts.Windows && c == '\\')
}

// simple reads what is no brace and no separator.
func (p *globParser) simple(c byte) ([]globNode, error) {
	at := p.pos
	switch {
	case c == '?':
		p.pos++
		return []globNode{{kind: globOne}}, nil
	case c == '*':
		for p.pos < len(p.src) && p.src[p.pos] == '*' {
			p.pos++
		}
		if p.pos-at > 1 && !p.opts.Flat {
			return []globNode{{kind: globDeep}}, nil
		}
		return []globNode{{kind: globStar}}, nil
	case c == '[':
		cl, err := p.class()
		return []globNode{{kind: globClass, class: cl}}, err
	}
	text, err := p.char()
	return []globNode{{kind: globLiteral, text: text}}, err
}

// char reads one character, which an escape may precede.
func (p *globParser) char() (string, error) {
	if p.src[p.pos] == '\\' && !p.opts.Windows {
		if p.pos++; p.pos == len(p.src) {
			return "", p.fail(p.pos-1, "a backslash at the end: write \\\\ for the character")
		}
		if p.isSep(p.src[p.pos]) {
			return "", p.fail(p.pos-1, "a separator cannot be escaped: leave the backslash out")
		}
	}
	_, n := utf8.DecodeRuneInString(p.src[p.pos:])
	p.pos += n
	return p.src[p.pos-n : p.pos], nil
}

func (p *globParser) class() (*class, error) {
	at := p.pos
	p.pos++
	c := &class{}
	if p.pos < len(p.src) && (p.src[p.pos] == '!' || p.src[p.pos] == '^') {
		c.negated = true
		p.pos++
	}
	for first := true; ; first = false {
		if p.pos == len(p.src) {
			return nil, p.fail(at, "[ without ]: write [[] for the character")
		}
		if p.src[p.pos] == ']' && !first {
			p.pos++
			return c, nil
		}
		lo, err := p.char()
		if err != nil {
			return nil, err
		}
		hi := lo
		if strings.HasPrefix(p.src[p.pos:], "-") && len(p.src) > p.pos+1 && p.src[p.pos+1] != ']' {
			p.pos++
			if hi, err = p.char(); err != nil {
				return nil, err
			}
		}
		l, _ := decodeUnit(lo)
		h, _ := decodeUnit(hi)
		if l > h {
			return nil, p.fail(at, "the range %s-%s runs backwards", lo, hi)
		}
		c.ranges = append(c.ranges, runeRange{l, h})
	}
}

// braces reads {a,b}. Braces without a comma stand for themselves, as in shells: Windows has files that are
// called {GUID}.
func (p *globParser) braces(depth int) ([]globNode, error) {
	at := p.pos
	if depth > maxBraceDepth {
		return nil, p.fail(at, "braces nest deeper than %d", maxBraceDepth)
	}
	var alts [][]globNode
	for {
		p.pos++
		alt, err := p.sequence(depth)
		if err != nil {
			return nil, err
		}
		alts = append(alts, alt)
		if p.pos == len(p.src) {
			return nil, p.fail(at, "{ without }: write [{] for the character")
		}
		if p.src[p.pos] == '}' {
			break
		}
	}
	p.pos++
	if len(alts) == 1 {
		ns := append([]globNode{{kind: globLiteral, text: "{"}}, alts[0]...)
		return append(ns, globNode{kind: globLiteral, text: "}"}), nil
	}
	return []globNode{{kind: globAlt, alts: alts}}, nil
}

// crosses reports whether the node holds alternatives that reach over a separator.
func (n globNode) crosses() bool {
	for _, alt := range n.alts {
		for _, m := range alt {
			if m.kind == globSep || m.kind == globDeep || m.crosses() {
				return true
			}
		}
	}
	return false
}

// expandGlob writes the alternatives out, all of them or only those that cross a separator. It gives up, with ok
// false, beyond limit sequences.
func expandGlob(nodes []globNode, all bool, limit int) (out [][]globNode, ok bool) {
	out = [][]globNode{nil}
	for _, n := range nodes {
		if n.kind != globAlt || !all && !n.crosses() {
			for i := range out {
				out[i] = append(out[i], n)
			}
			continue
		}
		var next [][]globNode
		for _, alt := range n.alts {
			ends, ok := expandGlob(alt, all, limit)
			if !ok || len(next)+len(out)*len(ends) > limit {
				return nil, false
			}
			for _, o := range out {
				for _, e := range ends {
					next = append(next, append(o[:len(o):len(o)], e...))
				}
			}
		}
		out = next
	}
	return out, true
}
