package file

import (
	"github.com/quaestor-engine/quaestor/modules"
)

// An entry is the thing that a worker looks at now, for all requests.
type entry struct {
	w      *worker
	d      *dir // where it was found; nil for a front
	base   handle
	name   []byte // relative to base; NUL behind
	shown  []byte // its name in d, if the system knows it by another
	kind   uint8
	named  bool // it is a front
	link   string
	wanted []target

	attrs   attrs
	statted bool
	statErr error
	raw     content // as it is stored
	plain   content // as it is once decompressed
	within  string  // the path inside an archive
}

// A target is a locator that an entry answers.
type target struct {
	loc  *locator
	base *dir // nil if the entry is the front itself
}

// want adds a locator, once for each request.
func (e *entry) want(l *locator, base *dir) {
	for i := range e.wanted {
		if e.wanted[i].loc.req == l.req {
			return
		}
	}
	e.wanted = append(e.wanted, target{l, base})
}

// begin turns to another thing. What is wanted of it stays.
func (e *entry) begin(d *dir, base handle, name []byte, kind uint8) {
	e.d, e.base, e.name, e.shown, e.kind = d, base, name, name, kind
	e.named, e.link, e.within = false, "", ""
	e.statted, e.statErr = false, nil
	e.raw.phase, e.plain.phase = fresh, fresh
	e.raw.member = nil
}

// end closes what was opened.
func (e *entry) end() {
	e.wanted = e.wanted[:0]
	e.plain.close()
	e.raw.close()
}

// stat fills attrs, once.
func (e *entry) stat() bool {
	if !e.statted {
		e.statted = true
		if e.statErr = e.w.fs.stat(e.base, e.name, &e.attrs); e.statErr == nil && e.kind == kindUnknown {
			e.kind = e.attrs.kind
		}
	}
	return e.statErr == nil
}

// readable says whether an entry has content that may be read, and if not
// whether that is to be told.
func (e *entry) readable() (ok bool, kind modules.SkipKind) {
	switch e.kind {
	case kindFile, kindUnknown:
		return true, ""
	case kindDir, kindLink:
		return false, ""
	case kindChar, kindBlock:
		if e.named {
			return true, ""
		}
	}
	return false, modules.SkipSpecial
}
