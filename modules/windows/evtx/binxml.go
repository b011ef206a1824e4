package evtx

import (
	"fmt"
	"unicode/utf16"
)

// The tokens, without the bit that says that more follow.
const (
	tokenEnd       = 0x00
	tokenElement   = 0x01
	tokenHeadEnds  = 0x02
	tokenEmpty     = 0x03
	tokenElemEnds  = 0x04
	tokenValue     = 0x05
	tokenAttribute = 0x06
	tokenCDATA     = 0x07
	tokenChar      = 0x08
	tokenEntity    = 0x09
	tokenTarget    = 0x0a
	tokenData      = 0x0b
	tokenTemplate  = 0x0c
	tokenNormal    = 0x0d
	tokenOptional  = 0x0e
	tokenFragment  = 0x0f

	more = 0x40
)

// Bounds of one record.
const (
	maxDepth  = 64      // elements and templates in each other
	maxNodes  = 1 << 14 // elements, attributes and texts
	maxValues = 1 << 12 // values of a template
	maxText   = 4 << 20 // bytes of all its texts, which templates multiply; a record has 64 KiB
)

// A node is a part of a template or of a record, as it is written.
type node struct {
	kind     byte   // tokenElement, tokenValue, tokenNormal, tokenOptional, tokenTemplate
	name     string // of an element
	text     string // of a value
	number   int    // of the value that is put in, or on which an element depends: noValue for none
	attrs    []attribute
	children []node
	inst     *instance
}

type attribute struct {
	name  string
	value []node
}

const noValue = 0xffff

// A template is the nodes of a definition.
type template struct{ nodes []node }

// An instance is a template and the values that are put into it.
type instance struct {
	tmpl   *template
	values []value
}

// A value is bytes of a type.
type value struct {
	kind byte
	b    []byte
	at   int // in the chunk
}

// A parser reads tokens of a chunk up to an end.
type parser struct {
	c       *Chunk
	at, end int
	depth   int
	left    *int // nodes that the record may still have
	bare    bool // elements depend on nothing
}

func (p *parser) bad(what string) error { return bad(p.c.at+int64(p.at), what) }

func (p *parser) take(n int) ([]byte, error) {
	if n < 0 || n > p.end-p.at {
		return nil, p.bad("cut")
	}
	b := p.c.b[p.at : p.at+n]
	p.at += n
	return b, nil
}

// number takes a number of that many bytes.
func (p *parser) number(bytes int) (uint32, error) {
	b, err := p.take(bytes)
	if err != nil {
		return 0, err
	}
	n := uint32(0)
	for i := range b {
		n |= uint32(b[i]) << (8 * i)
	}
	return n, nil
}

func (p *parser) token() byte {
	if p.at >= p.end {
		return tokenEnd
	}
	return p.c.b[p.at]
}

// nodes reads what stands up to the end of an element, or of all.
func (p *parser) nodes() ([]node, error) {
	if p.depth > maxDepth {
		return nil, p.bad("too deep")
	}
	var list []node
	for {
		if *p.left--; *p.left < 0 {
			return nil, p.bad("too much in one record")
		}
		t := p.token()
		if t == tokenEnd || t == tokenElemEnds {
			return list, nil
		}
		n, ok, err := p.node(t)
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, n)
		}
	}
}

// node reads one node; false for what is none.
func (p *parser) node(t byte) (node, bool, error) {
	p.at++
	switch t &^ more {
	case tokenFragment:
		_, err := p.take(3)
		return node{}, false, err
	case tokenElement:
		n, err := p.element(t&more != 0)
		return n, true, err
	case tokenTemplate:
		inst, err := p.instance()
		return node{kind: tokenTemplate, inst: inst}, true, err
	case tokenTarget, tokenData:
		if t == tokenTarget {
			_, err := p.name()
			return node{}, false, err
		}
		_, err := p.wide()
		return node{}, false, err
	}
	n, err := p.content(t)
	return n, true, err
}

// content reads what may stand in an element or an attribute.
func (p *parser) content(t byte) (node, error) {
	switch t &^ more {
	case tokenValue:
		kind, err := p.number(1)
		if err == nil && kind != typeText {
			err = p.bad(fmt.Sprintf("a value of type %d in a template", kind))
		}
		if err != nil {
			return node{}, err
		}
		text, err := p.wide()
		return node{kind: tokenValue, text: text}, err
	case tokenCDATA:
		text, err := p.wide()
		return node{kind: tokenValue, text: text}, err
	case tokenChar:
		c, err := p.number(2)
		return node{kind: tokenValue, text: string(rune(c))}, err
	case tokenEntity:
		name, err := p.name()
		return node{kind: tokenValue, text: entity(name)}, err
	case tokenNormal, tokenOptional:
		number, err := p.number(2)
		if err == nil {
			_, err = p.take(1)
		}
		return node{kind: t &^ more, number: int(number)}, err
	}
	p.at--
	return node{}, p.bad(fmt.Sprintf("a token 0x%02x that is not known", t))
}

// entity gives the character that XML has a name for.
func entity(name string) string {
	switch name {
	case "amp":
		return "&"
	case "lt":
		return "<"
	case "gt":
		return ">"
	case "quot":
		return `"`
	case "apos":
		return "'"
	}
	return "&" + name + ";"
}

// wide takes a text with its length before it.
func (p *parser) wide() (string, error) {
	n, err := p.number(2)
	if err != nil {
		return "", err
	}
	b, err := p.take(2 * int(n))
	return utf16Text(b), err
}

func utf16Text(b []byte) string {
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = uint16(u16(b, 2*i))
	}
	return string(utf16.Decode(u))
}

// name takes the offset of a name, and the name where it stands here.
func (p *parser) name() (string, error) {
	at, err := p.number(4)
	if err != nil {
		return "", err
	}
	name, known := p.c.names[at]
	if known && int(at) != p.at {
		return name, nil
	}
	q := parser{c: p.c, at: int(at), end: len(p.c.b)}
	if int(at) > len(p.c.b) || int(at) < 128 {
		return "", p.bad("a name that is nowhere")
	}
	if _, err = q.take(6); err != nil {
		return "", err
	}
	if name, err = q.wide(); err != nil {
		return "", err
	}
	if _, err = q.take(2); err != nil {
		return "", err
	}
	if !isName(name) {
		return "", q.bad("a name that is none of XML")
	}
	p.c.names[at] = name
	if int(at) == p.at {
		p.at = q.at
	}
	return name, nil
}

// isName says whether a text may be the name of an element.
func isName(s string) bool {
	for _, r := range s {
		if r <= ' ' || r < 0x80 && !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.' || r == ':') {
			return false
		}
	}
	return s != ""
}

// element reads an element behind its token.
func (p *parser) element(attrs bool) (node, error) {
	n := node{kind: tokenElement, number: noValue}
	if !p.bare {
		on, err := p.number(2)
		if err != nil {
			return n, err
		}
		n.number = int(on)
	}
	_, err := p.number(4)
	if err == nil {
		n.name, err = p.name()
	}
	if err == nil && attrs {
		n.attrs, err = p.attributes()
	}
	if err != nil {
		return n, err
	}
	switch t := p.token(); t {
	case tokenEmpty:
		p.at++
		return n, nil
	case tokenHeadEnds:
		p.at++
	default:
		return n, p.bad(fmt.Sprintf("a token 0x%02x in the head of an element", t))
	}
	p.depth++
	if n.children, err = p.nodes(); err != nil {
		return n, err
	}
	p.depth--
	if p.token() != tokenElemEnds || p.at >= p.end {
		return n, p.bad("an element without an end")
	}
	p.at++
	return n, nil
}

func (p *parser) attributes() ([]attribute, error) {
	if _, err := p.take(4); err != nil {
		return nil, err
	}
	var list []attribute
	for p.token()&^more == tokenAttribute {
		p.at++
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		a := attribute{name: name}
		for p.isContent() {
			if *p.left--; *p.left < 0 {
				return nil, p.bad("too much in one record")
			}
			t := p.token()
			p.at++
			n, err := p.content(t)
			if err != nil {
				return nil, err
			}
			a.value = append(a.value, n)
		}
		list = append(list, a)
	}
	return list, nil
}

func (p *parser) isContent() bool {
	switch p.token() &^ more {
	case tokenValue, tokenChar, tokenEntity, tokenNormal, tokenOptional:
		return p.at < p.end
	}
	return false
}

// instance reads a template's use behind its token.
func (p *parser) instance() (*instance, error) {
	if _, err := p.take(5); err != nil {
		return nil, err
	}
	at, err := p.number(4)
	if err != nil {
		return nil, err
	}
	tmpl, err := p.template(int(at))
	if err != nil {
		return nil, err
	}
	n, err := p.number(4)
	if err != nil {
		return nil, err
	}
	if n > maxValues {
		return nil, p.bad(fmt.Sprintf("a template with %d values", n))
	}
	heads, err := p.take(4 * int(n))
	if err != nil {
		return nil, err
	}
	inst := &instance{tmpl: tmpl, values: make([]value, n)}
	for i := range inst.values {
		at := p.at
		b, err := p.take(u16(heads, 4*i))
		if err != nil {
			return nil, err
		}
		inst.values[i] = value{heads[4*i+2], b, at}
	}
	return inst, nil
}

// template gives a definition, and goes behind it where it stands here.
func (p *parser) template(at int) (*template, error) {
	const head = 24
	if at < chunkHead || at > len(p.c.b)-head {
		return nil, p.bad("a template that is nowhere")
	}
	size := int(u32(p.c.b, at+20))
	if size < 0 || size > len(p.c.b)-at-head {
		return nil, p.bad("a template beyond its chunk")
	}
	if at == p.at {
		p.at += head + size
		if p.at > p.end {
			return nil, p.bad("a template beyond its record")
		}
	}
	if t, ok := p.c.tmpls[uint32(at)]; ok {
		if t == nil {
			return nil, p.bad("a template in itself, or one that is damaged")
		}
		return t, nil
	}
	p.c.tmpls[uint32(at)] = nil
	left := maxNodes
	q := parser{c: p.c, at: at + head, end: at + head + size, depth: p.depth + 1, left: &left}
	nodes, err := q.nodes()
	if err != nil {
		return nil, err
	}
	t := &template{nodes}
	p.c.tmpls[uint32(at)] = t
	return t, nil
}
