package evtx

import "strings"

// An Element is one of XML. Of what stands in it, text is in Text and elements
// in Children; no event mixes them.
type Element struct {
	Name     string
	Attrs    []Attr
	Text     string
	Children []*Element
}

// An Attr is an attribute.
type Attr struct{ Name, Value string }

// Attr gives the value of an attribute, "" where there is none.
func (e *Element) Attr(name string) string {
	if e != nil {
		for _, a := range e.Attrs {
			if a.Name == name {
				return a.Value
			}
		}
	}
	return ""
}

// Child gives the first element of that name; nil where there is none.
func (e *Element) Child(name string) *Element {
	if e != nil {
		for _, c := range e.Children {
			if c.Name == name {
				return c
			}
		}
	}
	return nil
}

// String gives the text of an element, "" for none.
func (e *Element) String() string {
	if e == nil {
		return ""
	}
	return e.Text
}

// Event decodes a record.
func (r *Record) Event() (*Element, error) {
	left := maxNodes
	p := parser{c: r.chunk, at: r.at, end: r.end, left: &left}
	nodes, err := p.nodes()
	if err != nil {
		return nil, err
	}
	m := maker{c: r.chunk, left: maxNodes}
	top := &Element{}
	if err := m.fill(top, nodes, nil); err != nil {
		return nil, err
	}
	if len(top.Children) != 1 {
		return nil, bad(r.chunk.at+int64(r.at), "a record that is not one element")
	}
	return top.Children[0], nil
}

// A maker puts values into templates.
type maker struct {
	c     *Chunk
	left  int // elements and texts that it may still make
	bytes int // of the texts so far
	depth int
}

// add puts a text behind another. A template may put a long value in often.
func (m *maker) add(to *string, text string) error {
	if m.bytes += len(*to) + len(text); m.bytes > maxText {
		return bad(m.c.at, "too much text in one record")
	}
	*to += text
	return nil
}

func (m *maker) count(at int) error {
	if m.left--; m.left < 0 {
		return bad(m.c.at+int64(at), "too much in one record")
	}
	return nil
}

// fill puts nodes into an element.
func (m *maker) fill(e *Element, nodes []node, values []value) error {
	if m.depth++; m.depth > maxDepth {
		return bad(m.c.at, "too deep")
	}
	defer func() { m.depth-- }()
	for i := range nodes {
		n := &nodes[i]
		if err := m.count(0); err != nil {
			return err
		}
		switch n.kind {
		case tokenElement:
			if err := m.element(e, n, values); err != nil {
				return err
			}
		case tokenTemplate:
			if err := m.fill(e, n.inst.tmpl.nodes, n.inst.values); err != nil {
				return err
			}
		case tokenNormal, tokenOptional:
			if n.number >= len(values) {
				continue
			}
			v := values[n.number]
			if v.kind == typeBinXML {
				if err := m.embedded(e, v); err != nil {
					return err
				}
				continue
			}
			if err := m.add(&e.Text, v.text()); err != nil {
				return err
			}
		default:
			if err := m.add(&e.Text, n.text); err != nil {
				return err
			}
		}
	}
	return nil
}

// embedded puts a value that is binary XML itself into an element.
func (m *maker) embedded(e *Element, v value) error {
	p := parser{c: m.c, at: v.at, end: v.at + len(v.b), depth: m.depth, left: &m.left, bare: true}
	nodes, err := p.nodes()
	if err != nil {
		return err
	}
	return m.fill(e, nodes, nil)
}

// element makes an element of a node, or several where it holds a list.
func (m *maker) element(in *Element, n *node, values []value) error {
	if n.number < len(values) && values[n.number].kind == typeNull {
		return nil // it depends on what there is not
	}
	e := &Element{Name: n.name}
	for _, a := range n.attrs {
		if err := m.attribute(e, a, values); err != nil {
			return err
		}
	}
	if len(n.children) == 1 && n.children[0].number < len(values) && (n.children[0].kind == tokenNormal || n.children[0].kind == tokenOptional) {
		if v := values[n.children[0].number]; v.kind&typeList != 0 {
			for _, text := range v.texts() {
				if err := m.count(0); err != nil {
					return err
				}
				in.Children = append(in.Children, &Element{Name: e.Name, Attrs: e.Attrs, Text: text})
			}
			return nil
		}
	}
	in.Children = append(in.Children, e)
	return m.fill(e, n.children, values)
}

// attribute adds an attribute, unless all that would stand in it is left out.
func (m *maker) attribute(e *Element, a attribute, values []value) error {
	text, there := "", len(a.value) == 0
	for _, part := range a.value {
		err := m.count(0)
		switch {
		case err != nil:
		case part.kind == tokenValue:
			err, there = m.add(&text, part.text), true
		case part.number < len(values) && values[part.number].kind != typeNull:
			err, there = m.add(&text, values[part.number].text()), true
		}
		if err != nil {
			return err
		}
	}
	if there {
		e.Attrs = append(e.Attrs, Attr{a.name, text})
	}
	return nil
}

// XML gives an element as text.
func (e *Element) XML() string {
	var b strings.Builder
	e.write(&b)
	return b.String()
}

func (e *Element) write(b *strings.Builder) {
	b.WriteString("<" + e.Name)
	for _, a := range e.Attrs {
		b.WriteString(" " + a.Name + `="`)
		escape(b, a.Value)
		b.WriteByte('"')
	}
	if e.Text == "" && len(e.Children) == 0 {
		b.WriteString("/>")
		return
	}
	b.WriteByte('>')
	escape(b, e.Text)
	for _, c := range e.Children {
		c.write(b)
	}
	b.WriteString("</" + e.Name + ">")
}

// escape writes a text with what XML wants written otherwise; a character that
// it cannot have becomes the one that stands for what is unknown.
func escape(b *strings.Builder, s string) {
	for _, r := range s {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '"':
			b.WriteString("&quot;")
		case r < ' ' && r != '\t' && r != '\n' && r != '\r':
			b.WriteRune('\ufffd')
		default:
			b.WriteRune(r)
		}
	}
}
