package search

import (
	"encoding/binary"
	"unsafe"
)

// Odd multipliers that spread q-grams and windows over their tables.
const (
	gramMul = 0x9E3779B97F4A7C15
	gramMix = 0xD6E8FEB86659FD93
)

// hit is where an entry stands.
type hit struct{ start, end int }

// contains tells whether any entry stands in b.
func (l *list) contains(b []byte) bool {
	for _, p := range l.passes {
		if p.index(b) >= 0 {
			return true
		}
	}
	for _, g := range l.groups {
		if g.contains(b) {
			return true
		}
	}
	return false
}

// straddles tells whether any entry lies across the edge of a seam.
func (l *list) straddles(v *seam) bool {
	if v.edge == 0 {
		return false
	}
	for _, p := range l.passes {
		if v.straddling(p) >= 0 {
			return true
		}
	}
	for _, g := range l.groups {
		lo, hi := max(0, v.edge-g.longest+1), min(len(v.text), v.edge+g.longest-1)
		if g.contains(v.text[lo:hi]) {
			return true
		}
	}
	return false
}

// collect adds to hits every place where an entry begins in b before limit.
func (l *list) collect(b []byte, limit int, hits []hit) []hit {
	for _, p := range l.passes {
		for at := 0; at < limit; at++ {
			i := p.index(b[at:min(len(b), limit+len(p.text)-1)])
			if i < 0 {
				break
			}
			at += i
			hits = append(hits, hit{at, at + len(p.text)})
		}
	}
	for _, g := range l.groups {
		hits = g.collect(b[:min(len(b), limit+g.longest-1)], limit, hits)
	}
	return hits
}

func (g *group) collect(b []byte, limit int, hits []hit) []hit {
	for p := g.next(b, 0); p >= 0; p = g.next(b, p+g.s) {
		hits = g.confirm(b, p, limit, hits)
	}
	return hits
}

func (g *group) contains(b []byte) bool {
	for p := g.next(b, 0); p >= 0; p = g.next(b, p+g.s) {
		if g.any(b, p) {
			return true
		}
	}
	return false
}

// next returns the first sampled position at or after p, itself one, whose
// q-gram is in the bitmap, or -1.
func (g *group) next(b []byte, p int) int {
	sh, low, mul, s := g.bitShift&63, g.lower, g.gramMul, g.s
	bits, text := &g.bitmap[0], unsafe.SliceData(b)
	// Four at a time; which one it was is found out below. The loop's
	// condition bounds the loads, and the shift leaves as many bits as the
	// bitmap has.
	for end := len(b) - 3*s - 8; p <= end; p += 4 * s {
		x0 := (peek64(text, p) | low) * mul >> sh
		x1 := (peek64(text, p+s) | low) * mul >> sh
		x2 := (peek64(text, p+2*s) | low) * mul >> sh
		x3 := (peek64(text, p+3*s) | low) * mul >> sh
		if peekBit(bits, x0) || peekBit(bits, x1) || peekBit(bits, x2) || peekBit(bits, x3) {
			break
		}
	}
	for ; p+g.q <= len(b); p += s {
		if peekBit(bits, g.gramHash(load(b, p))>>sh) {
			return p
		}
	}
	return -1
}

// any tells whether an entry stands around the q-gram at p.
func (g *group) any(b []byte, p int) bool {
	mask := g.masks[g.gramHash(load(b, p))*gramMix>>g.maskShift]
	if mask == 0 {
		return false
	}
	for o := 0; o < g.s; o++ {
		if mask>>(o&7)&1 == 0 || p < o || p-o+g.m > len(b) {
			continue
		}
		for i := g.head(b, p-o); i != 0; i = g.chain[i-1] {
			if start := p - o - int(g.win[i-1]); g.stands(b, start, i-1) {
				return true
			}
		}
	}
	return false
}

// confirm adds to hits the entries around the q-gram at p.
func (g *group) confirm(b []byte, p, limit int, hits []hit) []hit {
	mask := g.masks[g.gramHash(load(b, p))*gramMix>>g.maskShift]
	if mask == 0 {
		return hits
	}
	for o := 0; o < g.s; o++ {
		if mask>>(o&7)&1 == 0 || p < o || p-o+g.m > len(b) {
			continue
		}
		for i := g.head(b, p-o); i != 0; i = g.chain[i-1] {
			start := p - o - int(g.win[i-1])
			if start < limit && g.stands(b, start, i-1) {
				hits = append(hits, hit{start, start + len(g.entry(i-1))})
			}
		}
	}
	return hits
}

// head returns the first entry, plus one, of the window at w.
func (g *group) head(b []byte, w int) uint32 {
	return g.heads[g.windowHash(b[w:])>>g.headShift]
}

// stands tells whether entry i stands at start in b.
func (g *group) stands(b []byte, start int, i uint32) bool {
	e := g.entry(i)
	if start < 0 || start+len(e) > len(b) {
		return false
	}
	b = b[start : start+len(e)]
	if !g.fold {
		return string(b) == string(e)
	}
	for k, c := range e {
		x := b[k]
		if 'A' <= x && x <= 'Z' {
			x |= lowerBit
		}
		if x != c {
			return false
		}
	}
	return true
}

// gramHash spreads the q-gram at the beginning of a word: the multiplier is
// shifted so that the bytes behind it fall out of the product.
func (g *group) gramHash(word uint64) uint64 { return (word | g.lower) * g.gramMul }

// windowHash spreads the window at the beginning of b.
func (g *group) windowHash(b []byte) uint64 {
	h := uint64(g.m)
	for n := g.m; n > 0; n -= 8 {
		w := load(b, g.m-n) | g.lower
		if n < 8 {
			w <<= 64 - 8*n
		}
		h = (h ^ w) * gramMul
		h ^= h >> 29
	}
	return h * gramMix
}

// load reads the word at p, of which b may hold only a part.
func load(b []byte, p int) uint64 {
	if p+8 <= len(b) {
		return binary.LittleEndian.Uint64(b[p:])
	}
	var w uint64
	for i, c := range b[p:] {
		w |= uint64(c) << (8 * i)
	}
	return w
}
