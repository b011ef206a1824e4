package file

import (
	"path/filepath"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
)

// What whoever rules the host denies is neither shown nor opened nor gone
// into, by whatever name it was reached: links, /proc/self/root among them,
// are followed before the question is asked. A hard link, and a second mount,
// are other files to it.

// deniedDetail says why something was left out.
const deniedDetail = "kept from being looked at by the policy"

// outsideDetail says why something was left out that no rule allows.
const outsideDetail = "where this leads is not among what the policy allows"

// denier asks about real paths.
type denier struct {
	deny  func(path string) bool // nil: nothing is denied
	allow func(path string) bool // nil: everything is allowed
	root  string                 // see realRoot
}

func newDenier(h modules.Host, root string) denier { return denier{h.Deny, h.Allow, root} }

// asks says whether there is anything to ask about.
func (d denier) asks() bool { return d.deny != nil || d.allow != nil }

// denies says whether a real path of the system may not be looked at.
func (d denier) denies(real string) bool {
	return d.deny != nil && d.deny(d.ofHost(real))
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

// refuses says whether the entry that locators have come to is denied, and
// tells each request that wants it, or what is below it. Its name is not
// told: the names in a folder are what is denied, too.
func (w *worker) refuses(d *dir, real string) bool {
	if len(w.entry.wanted) == 0 && len(w.states) == 0 || !w.s.denier.denies(real) {
		return false
	}
	told := make(map[*request]bool, 1)
	tell := func(l *locator, base *dir) {
		if !told[l.req] {
			told[l.req] = true
			l.req.Report.Skip(modules.Skip{Kind: modules.SkipPolicy, Where: d.shown(l, base), Detail: deniedDetail})
		}
	}
	for _, t := range w.entry.wanted {
		tell(t.loc, t.base)
	}
	for _, st := range w.states {
		tell(st.loc, st.base)
	}
	w.entry.wanted, w.states = w.entry.wanted[:0], w.states[:0]
	return true
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
