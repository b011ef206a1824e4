package search

// Atoms finds every place of many byte strings, also where they overlap, and
// says of which: who verifies something longer around them begins there. It
// is read-only once made, and any number of goroutines may use it.
type Atoms struct{ l *list }

// A Hit is a place of one of the strings of Atoms.
type Hit struct {
	ID int // its index
	At int // where it begins
}

// NewAtoms prepares strings, none of which is empty or there twice; fold makes
// ASCII letters ignore case, and the strings are then to be in lower case.
func NewAtoms(texts [][]byte, fold bool) *Atoms { return &Atoms{newList(texts, fold)} }

// Collect adds to hits every place where a string begins in b before limit,
// in no order.
func (a *Atoms) Collect(b []byte, limit int, hits []Hit) []Hit {
	for id, p := range a.l.passes {
		for at := 0; at < limit; at++ {
			i := p.index(b[at:min(len(b), limit+len(p.text)-1)])
			if i < 0 {
				break
			}
			at += i
			hits = append(hits, Hit{id, at})
		}
	}
	for _, g := range a.l.groups {
		hits = g.atoms(b[:min(len(b), limit+g.longest-1)], limit, hits)
	}
	return hits
}

// atoms is collect with the indexes of what was found.
func (g *group) atoms(b []byte, limit int, hits []Hit) []Hit {
	for p := g.next(b, 0); p >= 0; p = g.next(b, p+g.s) {
		mask := g.masks[g.gramHash(load(b, p))*gramMix>>g.maskShift]
		for o := 0; mask != 0 && o < g.s; o++ {
			if mask>>(o&7)&1 == 0 || p < o || p-o+g.m > len(b) {
				continue
			}
			for i := g.head(b, p-o); i != 0; i = g.chain[i-1] {
				start := p - o - int(g.win[i-1])
				if start < limit && g.stands(b, start, i-1) {
					hits = append(hits, Hit{int(g.ids[i-1]), start})
				}
			}
		}
	}
	return hits
}
