package yara

import (
	"encoding/base64"
	"fmt"

	"github.com/quaestor-engine/quaestor/internal/search"
	"github.com/quaestor-engine/quaestor/modules/yara/pattern"
)

// str is a string of a rule.
type str struct {
	rule     *Rule
	name     string
	index    int // among the strings of its rule
	private  bool
	fullword bool
	greedy   bool // of two places with one beginning the later found counts

	exact   bool // a condition asks how many or where: every place matters
	roaming bool // it matters beyond one offset
	pinned  bool // a condition asks for it at the offset fixed
	fixed   int64

	parts []*part // more than one where long jumps lie between
}

// isFixed says that the string matters at one offset alone.
func (s *str) isFixed() bool { return s.pinned && !s.roaming }

// part is what is sought of a string by itself.
type part struct {
	str            *str
	index          int // among all parts
	prev           *part
	minGap, maxGap int
	last           bool
	late           bool // it is sought after all hits: it has no atom
	variants       []*variant
}

// variant is one spelling of a part.
type variant struct {
	part *part
	rank uint8  // the first spellings are taken for those that a place may have
	text []byte // of a text
	fold bool
	key  byte // of xor
	wide bool
	prog *pattern.Program // of anything else
}

// maxVariant is the atom's length that is taken out of a long text, in bytes.
const maxVariant = 32

// compileString compiles a line of a strings section.
func (c *compiler) compileString(r *Rule, n *stringNode) {
	s := &str{rule: r, name: n.id, index: len(r.strings), private: n.mods.private, fullword: n.mods.fullword}
	r.strings = append(r.strings, s)
	if n.id != "$" {
		c.strs[n.id] = s
	}
	if n.kind == textString {
		p := c.part(s)
		p.last = true
		forms := 1
		if n.mods.xor {
			forms = int(n.mods.xorMax) - int(n.mods.xorMin) + 1
		}
		if !c.charge(n.at, forms*(128+2*len(n.text))) {
			return
		}
		for _, v := range textVariants(n) {
			v.part = p
			p.variants = append(p.variants, v)
		}
		return
	}
	at := span{n.at.src, n.at.start + 1, n.at.end}
	node, err := parsePattern(n)
	if err != nil {
		c.notePattern(at, n.text, err)
		return
	}
	s.greedy = n.kind == regexString && pattern.IsGreedy(node)
	if n.mods.ascii || !n.mods.wide {
		c.patternParts(s, n, pattern.Split(node), false)
	}
	if n.mods.wide {
		c.patternParts(s, n, pattern.Split(pattern.Widen(node)), true)
	}
}

func parsePattern(n *stringNode) (*pattern.Node, error) {
	if n.kind == hexString {
		return pattern.ParseHex(n.text)
	}
	f := n.flag
	f.Fold = f.Fold || n.mods.nocase
	return pattern.ParseRegexp(n.text, f)
}

// part adds a part to a string.
func (c *compiler) part(s *str) *part {
	p := &part{str: s, index: len(c.prog.parts)}
	c.prog.parts = append(c.prog.parts, p)
	s.parts = append(s.parts, p)
	return p
}

// patternParts compiles the pieces of a pattern. A string that is sought in
// two widths has one chain of parts, or two.
func (c *compiler) patternParts(s *str, n *stringNode, pieces []pattern.Piece, wide bool) {
	if len(pieces) == 1 && len(s.parts) == 1 {
		c.variant(s.parts[0], n, pieces[0].Node, wide)
		return
	}
	var prev *part
	for i, piece := range pieces {
		p := c.part(s)
		p.prev, p.minGap, p.maxGap, p.last = prev, piece.MinGap, piece.MaxGap, i == len(pieces)-1
		c.variant(p, n, piece.Node, wide)
		prev = p
	}
}

func (c *compiler) variant(p *part, n *stringNode, node *pattern.Node, wide bool) {
	if !c.charge(n.at, 0) {
		return
	}
	prog, err := pattern.Compile(node)
	if err != nil {
		const inVain = 512 << 10 // what was made before it was too much, in bytes
		c.charge(n.at, inVain)
		c.notePattern(n.at, n.text, err)
		return
	}
	if prog.Shortest() == 0 && n.kind == regexString && prog.MatchesNothing() {
		c.note(n.at, fmt.Sprintf("the expression of %s can match nothing but the empty text", n.id), "")
	}
	if c.charge(n.at, prog.Bytes()) {
		p.variants = append(p.variants, &variant{part: p, wide: wide, prog: prog})
	}
}

// textVariants spells a text in every way that its modifiers ask for.
func textVariants(n *stringNode) []*variant {
	m := &n.mods
	type form struct {
		text []byte
		wide bool
	}
	var forms []form
	if m.ascii || !m.wide {
		forms = append(forms, form{[]byte(n.text), false})
	}
	if m.wide {
		forms = append(forms, form{widen([]byte(n.text)), true})
	}
	var out []*variant
	for _, f := range forms {
		switch {
		case m.xor:
			for key := int(m.xorMin); key <= int(m.xorMax); key++ {
				out = append(out, &variant{text: xored(f.text, byte(key)), wide: f.wide, key: byte(key)})
			}
		case m.base64 || m.base64wide:
			for _, b := range base64Forms(f.text, m.alphabet) {
				if m.base64 {
					out = append(out, &variant{text: b})
				}
				if m.base64wide {
					out = append(out, &variant{text: widen(b)})
				}
			}
		default:
			out = append(out, &variant{text: f.text, wide: f.wide, fold: m.nocase})
		}
	}
	return out
}

func widen(text []byte) []byte {
	out := make([]byte, 2*len(text))
	for i, c := range text {
		out[2*i] = c
	}
	return out
}

func xored(text []byte, key byte) []byte {
	out := make([]byte, len(text))
	for i, c := range text {
		out[i] = c ^ key
	}
	return out
}

// base64Forms gives the three ways in which a text can stand inside of a
// longer one that is coded, without the characters that its neighbours have a
// part in.
func base64Forms(text []byte, alphabet string) [][]byte {
	enc := base64.StdEncoding.WithPadding(base64.NoPadding)
	if alphabet != "" {
		if !distinct(alphabet) {
			return nil
		}
		enc = base64.NewEncoding(alphabet).WithPadding(base64.NoPadding)
	}
	var out [][]byte
	for before := range 3 {
		coded := enc.EncodeToString(append(make([]byte, before), text...))
		from := (before*8 + 5) / 6
		to := (before + len(text)) * 8 / 6
		if to > from {
			out = append(out, []byte(coded[from:to]))
		}
	}
	return out
}

// distinct says whether the characters of an alphabet differ and can be one.
func distinct(alphabet string) bool {
	var seen [256]bool
	for i := range len(alphabet) {
		if c := alphabet[i]; seen[c] || c == '\n' || c == '\r' {
			return false
		}
		seen[alphabet[i]] = true
	}
	return true
}

// atom gives the part of a text that is searched, and where it stands in it.
func (v *variant) atom() (text []byte, at int) {
	if len(v.text) <= maxVariant {
		return v.text, 0
	}
	best := -1
	for i := 0; i+maxVariant <= len(v.text) && i < 256; i++ {
		if r := search.Rarity(v.text[i : i+maxVariant]); r > best {
			best, at = r, i
		}
	}
	return v.text[at : at+maxVariant], at
}
