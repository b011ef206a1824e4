package yara

import (
	"context"
	"slices"

	"github.com/quaestor-engine/quaestor/internal/search"
)

// window is the part of a content that is looked at.
type window struct {
	buf  []byte
	base int64 // the offset of buf
	from int   // what before it in buf was searched
	end  int64 // the offset of what comes next
	own  []byte
	idle bool // nothing is searched
}

func (w *window) start() { *w = window{own: w.own[:0]} }

// whole looks at a content in memory.
func (w *window) whole(b []byte) { w.buf, w.base, w.from = b, 0, 0 }

// add puts a block behind what is there.
func (w *window) add(off int64, b []byte) {
	if len(w.own) == 0 {
		w.base, w.from = off, 0
	}
	w.own = append(w.own, b...)
	w.buf, w.end = w.own, off+int64(len(b))
}

// drop forgets everything: a region has ended.
func (w *window) drop() { w.own, w.buf, w.from = w.own[:0], nil, 0 }

// shift forgets what lies further before the unsearched part than anything
// reaches.
func (w *window) shift(before int) {
	if n := w.from - before; n > 0 {
		w.own = w.own[:copy(w.own, w.own[n:])]
		w.buf, w.base, w.from = w.own, w.base+int64(n), before
	}
}

// search goes on through the window as far as what follows a place is there,
// or to the end of it where the region ends.
func (r *run) search(ctx context.Context, last bool) {
	w, a := &r.window, r.rules.prog.atoms
	to := len(w.buf)
	if !last {
		to -= max(a.after, r.limits.Data)
	}
	for w.from < to && ctx.Err() == nil {
		n := min(block, to-w.from)
		r.searchBlock(n)
		w.from += n
	}
}

// searchBlock searches for what begins in the next n bytes.
func (r *run) searchBlock(n int) {
	w, a := &r.window, r.rules.prog.atoms
	b := w.buf[w.from:]
	hits := r.hits[:0]
	if a.exact != nil {
		hits = a.exact.Collect(b, n, hits)
	}
	if a.fold != nil {
		k := len(hits)
		hits = a.fold.Collect(b, n, hits)
		for i := k; i < len(hits); i++ {
			hits[i].ID += a.folded
		}
	}
	slices.SortFunc(hits, func(x, y search.Hit) int {
		if x.At != y.At {
			return x.At - y.At
		}
		return x.ID - y.ID
	})
	for k, h := range hits {
		if k&0xff == 0 && r.ctx.Err() != nil {
			return
		}
		for i := range a.refs[h.ID] {
			ref := &a.refs[h.ID][i]
			if r.isWanted(ref.v.part) {
				r.verify(ref, w.from+h.At)
			}
		}
	}
	r.hits = hits
	for _, v := range a.everywhere {
		if r.isWanted(v.part) {
			r.everywhere(v, n)
		}
	}
	for _, p := range a.fixed {
		if at := p.str.fixed - w.base; at >= int64(w.from) && at < int64(w.from+n) && r.isWanted(p) {
			r.atFixed(p, int(at))
		}
	}
}

// isWanted says whether a place of a part can matter.
func (r *run) isWanted(p *part) bool {
	if r.gate(p.str.rule.gate) == gateClosed {
		return false
	}
	if p.prev != nil && !p.prev.late && len(r.parts[p.prev.index].places) == 0 {
		return false
	}
	s := &r.parts[p.index]
	return !s.dead && !(s.more && !p.str.exact)
}

// verify looks at what stands around an atom.
func (r *run) verify(ref *atomRef, at int) {
	v, b := ref.v, r.window.buf
	if v.prog == nil {
		r.text(v, at-ref.at)
		return
	}
	r.matcher.Match(v.prog, ref.site, b, at, func(start, end int) bool {
		r.found(v, start, end)
		return true
	})
	r.checkSteps(v.part)
}

// checkSteps gives up a part when the account is empty.
func (r *run) checkSteps(p *part) {
	if r.matcher.Steps <= 0 {
		r.touch(p)
		r.parts[p.index].dead = true
		r.mark(p.str.rule)
	}
}

// text looks whether a text stands at a place.
func (r *run) text(v *variant, at int) {
	b := r.window.buf
	if r.matcher.Steps--; at < 0 || at+len(v.text) > len(b) {
		return
	}
	if got := b[at : at+len(v.text)]; !v.fold && string(got) == string(v.text) || v.fold && equalFold(got, v.text) {
		r.found(v, at, at+len(v.text))
	}
}

// equalFold compares without regard to the case of ASCII letters.
func equalFold(x, y []byte) bool {
	for i, c := range x {
		d := y[i]
		if c != d && (c^d != 0x20 || c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}

// everywhere tries a pattern without an atom at the next n places.
func (r *run) everywhere(v *variant, n int) {
	w := &r.window
	for at := w.from; at < w.from+n && r.isWanted(v.part); at++ {
		r.matcher.Steps--
		if end := r.matcher.From(v.prog, w.buf, at); end > at {
			r.found(v, at, end)
		}
		r.checkSteps(v.part)
	}
}

// atFixed tries the spellings of a part at the only offset that matters.
func (r *run) atFixed(p *part, at int) {
	for _, v := range p.variants {
		if v.prog == nil {
			r.text(v, at)
		} else if end := r.matcher.From(v.prog, r.window.buf, at); end > at {
			r.found(v, at, end)
		}
		r.checkSteps(p)
	}
}

// touch notes that something is known of a part, so that it is forgotten.
func (r *run) touch(p *part) {
	s := &r.parts[p.index]
	if len(s.places) == 0 && !s.dead && !s.over && !s.more {
		r.touched = append(r.touched, p)
	}
	if p.last {
		r.mark(p.str.rule)
	}
}

// mark notes that a rule has to be asked.
func (r *run) mark(rule *Rule) {
	if !r.marked[rule.index] {
		r.marked[rule.index] = true
		r.hot = append(r.hot, rule)
	}
}

// found notes a place, from start to end in the window.
func (r *run) found(v *variant, start, end int) {
	w, p := &r.window, v.part
	if p.str.fullword && !isWhole(w.buf, v, start, end) {
		return
	}
	s := &r.parts[p.index]
	off := w.base + int64(start)
	if n := len(s.places); n > 0 {
		last := &s.places[n-1]
		if last.off == off {
			if v.rank < last.rank || v.rank == last.rank && p.str.greedy {
				last.n, last.rank = int32(end-start), v.rank
			}
			return
		}
		s.loose = s.loose || off < last.off
	}
	r.touch(p)
	most := r.limits.Matches
	if !p.str.exact && len(p.str.parts) == 1 {
		most = max(1, r.limits.Shown)
	}
	if n := len(s.places); n >= most || n > 0 && r.total >= maxPlaces {
		s.more = true
		s.over = s.over || p.str.exact || len(p.str.parts) > 1
		return
	}
	r.total++
	r.matcher.Steps -= 4
	s.places = append(s.places, place{off: off, n: int32(end - start), rank: v.rank, data: r.keep(p, s, start)})
}

// keep copies the first bytes of a place that will be shown, as the window
// goes on.
func (r *run) keep(p *part, s *partState, start int) int32 {
	if r.data.whole != nil || r.limits.Data <= 0 || p.prev != nil || p.str.private || len(s.places) >= 2*r.limits.Shown {
		return 0
	}
	from := len(r.arena)
	b := r.window.buf[start:]
	r.arena = append(r.arena, b[:min(len(b), r.limits.Data)]...)
	return int32(from) + 1
}

// isWhole says whether a place is a word of its own, as far as a part has to
// know.
func isWhole(b []byte, v *variant, start, end int) bool {
	p := v.part
	if p.prev == nil {
		if v.wide {
			if start >= 2 && b[start-1] == v.key && isAlnum(b[start-2]^v.key) {
				return false
			}
		} else if start >= 1 && isAlnum(b[start-1]^v.key) {
			return false
		}
	}
	if !p.last {
		return true
	}
	if v.wide {
		return end+1 >= len(b) || b[end+1] != v.key || !isAlnum(b[end]^v.key)
	}
	return end >= len(b) || !isAlnum(b[end]^v.key)
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}
