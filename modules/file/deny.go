package file

import (
	"path/filepath"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
)

// What whoever rules the host denies is neither shown nor opened nor gone
// into, by whatever name it was reached: links, /proc/self/root among them,
// are followed before the question is asked. A hard link, and a second mount,
// are other files to it. So it is with the agent's own folder.

// deniedDetail says why something was left out.
const deniedDetail = "kept from being looked at by the policy"

// ownDetail says why the agent's own folder was left out.
const ownDetail = "the agent's own folder"

// outsideDetail says why something was left out that no rule allows.
const outsideDetail = "where this leads is not among what the policy allows"

// denier asks about real paths.
type denier struct {
	deny  func(path string) bool // nil: nothing is denied
	allow func(path string) bool // nil: everything is allowed
	own   func(path string) bool // nil: nothing is the agent's own
	root  string                 // see realRoot
}

func newDenier(h modules.Host, root string) denier { return denier{h.Deny, h.Allow, h.Own, root} }

// asks says whether there is anything to ask about each file.
func (d denier) asks() bool { return d.deny != nil || d.allow != nil }

// denies says whether a real path of the system may not be looked at.
func (d denier) denies(real string) bool {
	return d.deny != nil && d.deny(d.ofHost(real))
}

// keeps gives the kind of skip, and the reason, by which a real path is kept
// from being looked at; "" where it is not.
func (d denier) keeps(real string) (modules.SkipKind, string) {
	switch {
	case d.own != nil && d.own(d.ofHost(real)):
		return modules.SkipSelf, ownDetail
	case d.denies(real):
		return modules.SkipPolicy, deniedDetail
	}
	return "", ""
}

// allows says whether what has a real path may be shown. Folders on the way to
// what may be are gone through.
func (d denier) allows(real string) bool { return d.allow == nil || d.allow(d.ofHost(real)) }

// ofHost gives a real path of the system as the host has it.
func (d denier) ofHost(real string) string {
	real = strings.TrimPrefix(real, d.root)
	if real == "" {
		real = separator
	}
	return filepath.ToSlash(real)
}

// deniesAbove says whether a place that is not there would lie in what is
// denied: that it is not there is nobody's to know.
func (d denier) deniesAbove(res *resolver, shown string) bool {
	if d.deny == nil {
		return false
	}
	if d.denies(d.root + filepath.Clean(shown)) {
		return true
	}
	for dir := shown; ; {
		up := filepath.Dir(dir)
		if up == dir {
			return false
		}
		if real, err := res.follow(up, 0); err == nil {
			return d.denies(real)
		}
		dir = up
	}
}

// refuses says whether the entry that locators have come to is denied, or the
// agent's own, and tells each request that wants it, or what is below it. Its
// name is not told: the names in a folder are what is denied, too.
func (w *worker) refuses(d *dir, real string) bool {
	if len(w.entry.wanted) == 0 && len(w.states) == 0 {
		return false
	}
	kind, detail := w.s.denier.keeps(real)
	if kind == "" {
		return false
	}
	w.tell(func(l *locator, base *dir) modules.Skip {
		return modules.Skip{Kind: kind, Where: d.shown(l, base), Detail: detail}
	})
	w.entry.wanted, w.states = w.entry.wanted[:0], w.states[:0]
	return true
}

// tell reports something to each request, once, that wants the entry that
// locators have come to, or what is below it.
func (w *worker) tell(skip func(l *locator, base *dir) modules.Skip) {
	told := make(map[*request]bool, 1)
	once := func(l *locator, base *dir) {
		if !told[l.req] {
			told[l.req] = true
			l.req.Report.Skip(skip(l, base))
		}
	}
	for _, t := range w.entry.wanted {
		once(t.loc, t.base)
	}
	for _, st := range w.states {
		once(st.loc, st.base)
	}
}

// lose tells by its name that the entry, or what is below it, is not known.
func (w *worker) lose(d *dir, name []byte, err error) {
	w.tell(func(l *locator, base *dir) modules.Skip {
		return modules.Skip{Kind: skipKind(err), Where: join(d.shown(l, base), string(name)), Detail: words(err)}
	})
}

// allowed says whether the entry of a real path may be shown, and tells by its
// name each request that wants it and may not have it. It was found in d; nil
// for a front.
func (w *worker) allowed(d *dir, real string, name []byte) bool {
	if w.s.denier.allows(real) {
		return true
	}
	for _, t := range w.entry.wanted {
		where := t.loc.shown
		if d != nil {
			where = join(d.shown(t.loc, t.base), string(name))
		}
		t.loc.req.Report.Skip(modules.Skip{Kind: modules.SkipPolicy, Where: where, Detail: outsideDetail})
	}
	return false
}

// shown gives the path of d as a locator's rows have it; base is where that
// began, nil for the locator's front.
func (d *dir) shown(l *locator, base *dir) string {
	if base == nil || base == d {
		return l.shown
	}
	b := d.appendNames([]byte(l.under()), base)
	return string(b[:len(b)-1])
}
