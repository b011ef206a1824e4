package yara

import (
	"github.com/quaestor-engine/quaestor/internal/search"
	"github.com/quaestor-engine/quaestor/modules/yara/pattern"
)

// atoms are the runs of bytes that are searched for, of all strings.
type atoms struct {
	exact, fold *search.Atoms
	refs        [][]atomRef // by number; those of fold stand behind those of exact
	folded      int         // the first number of fold
	everywhere  []*variant  // what has no atom
	fixed       []*part     // what matters at one offset alone
	before      int         // bytes before the beginning of an atom that matter
	after       int         // bytes from its beginning on that matter
}

// atomRef is where an atom stands in a spelling.
type atomRef struct {
	v    *variant
	site int // of a program
	at   int // of a text, the offset of the atom
}

// atomTable numbers atoms.
type atomTable struct {
	ids   map[string]int
	texts [][]byte
	refs  [][]atomRef
}

func (t *atomTable) add(text []byte, ref atomRef) {
	if t.ids == nil {
		t.ids = map[string]int{}
	}
	id, ok := t.ids[string(text)]
	if !ok {
		id = len(t.texts)
		t.ids[string(text)] = id
		t.texts = append(t.texts, text)
		t.refs = append(t.refs, nil)
	}
	t.refs[id] = append(t.refs[id], ref)
}

// link prepares the search for all strings together.
func (p *program) link() {
	a := &atoms{}
	p.atoms = a
	var exact, fold atomTable
	for _, part := range p.parts {
		for i, v := range part.variants {
			v.rank = uint8(min(i, 255))
			a.reach(v)
		}
		if part.str.isFixed() && len(part.str.parts) == 1 {
			a.fixed = append(a.fixed, part)
			continue
		}
		for _, v := range part.variants {
			a.add(v, &exact, &fold)
		}
	}
	a.refs = append(exact.refs, fold.refs...)
	a.folded = len(exact.refs)
	if len(exact.texts) > 0 {
		a.exact = search.NewAtoms(exact.texts, false)
	}
	if len(fold.texts) > 0 {
		a.fold = search.NewAtoms(fold.texts, true)
	}
}

// reach widens what is kept of a stream by what a spelling needs.
func (a *atoms) reach(v *variant) {
	const edge = 2 // bytes outside of a place that a whole word asks for
	before, after := len(v.text), len(v.text)
	if v.prog != nil {
		before, after = v.prog.Before(), v.prog.After()
	}
	a.before = max(a.before, before+edge)
	a.after = max(a.after, after+edge)
}

func (a *atoms) add(v *variant, exact, fold *atomTable) {
	if v.prog == nil {
		text, at := v.atom()
		if low := pattern.Lower(text); v.fold && hasLetter(text) {
			fold.add(low, atomRef{v: v, at: at})
		} else {
			exact.add(text, atomRef{v: v, at: at})
		}
		return
	}
	list := v.prog.Atoms()
	if len(list) == 0 {
		a.everywhere = append(a.everywhere, v)
		v.part.late = true
	}
	for i, atom := range list {
		if atom.Fold {
			fold.add(pattern.Lower(atom.Text), atomRef{v: v, site: i})
		} else {
			exact.add(atom.Text, atomRef{v: v, site: i})
		}
	}
}

func hasLetter(text []byte) bool {
	for _, c := range text {
		if c|0x20 >= 'a' && c|0x20 <= 'z' {
			return true
		}
	}
	return false
}
