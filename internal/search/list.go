package search

import (
	"bytes"
	"slices"
)

// A list is cut into groups of entries of like length. Each group has a
// window length m, no longer than its shortest entry, and each entry a window
// of m bytes within it. A content is looked at only at every s-th position,
// s = m-q+1: wherever a window stands, exactly one of these positions is the
// beginning of one of its q-grams that lies inside it. The q-grams of all
// windows are in a bitmap; where it says yes, a mask says at which offsets of
// a window the q-gram occurs, and a table keyed by the whole window finds the
// entries, which are then compared. Everything is kept with lowerBit set when
// the list ignores case, as only the last comparison need be exact.

// Bounds on the shape of a group.
const (
	// maxWindow is the longest window, in bytes: longer strides gain nothing,
	// as each position then costs a cache line of its own.
	maxWindow = 32
	// maxGram is the longest q-gram: what one load holds.
	maxGram = 8
	// nearBitmap is how large a bitmap may be for the sake of fewer false
	// hits, as a power of two, in bits: 128 KiB.
	nearBitmap = 20
	// maxBitmap is the size of a bitmap as a power of two, in bits: 4 MiB.
	maxBitmap = 25
	// maxMask is the size of the offset masks as a power of two: 4 MiB.
	maxMask = 22
	// manyAlike is how many entries may share a window before another window
	// of the entry is tried.
	manyAlike = 4
	// maxPasses is the number of entries up to which a list is sought as
	// that many literals.
	maxPasses = 8
)

// list finds any of many byte strings. It is read-only once made.
type list struct {
	passes  []*literal // a small list: one pass for each entry
	groups  []*group
	longest int
}

// newList prepares entries; fold makes their ASCII letters ignore case.
func newList(entries [][]byte, fold bool) *list {
	l := &list{}
	for _, e := range entries {
		l.longest = max(l.longest, len(e))
	}
	if len(entries) <= maxPasses {
		for _, e := range entries {
			l.passes = append(l.passes, newLiteral(e, fold))
		}
		return l
	}
	var ends [maxWindow + 2]int // ends[n+1]: entries of up to n bytes
	for _, e := range entries {
		ends[min(len(e), maxWindow)+1]++
	}
	for n := 1; n < len(ends); n++ {
		ends[n] += ends[n-1]
	}
	sorted, ids, at := make([][]byte, len(entries)), make([]uint32, len(entries)), ends
	for i, e := range entries {
		n := min(len(e), maxWindow)
		sorted[at[n]], ids[at[n]] = e, uint32(i)
		at[n]++
	}
	for _, p := range partition(&ends) {
		g := newGroup(sorted[ends[p.lo]:ends[p.hi+1]], p.lo, p.q, fold)
		g.ids = ids[ends[p.lo]:ends[p.hi+1]]
		l.groups = append(l.groups, g)
	}
	return l
}

// span is a group to be: the entries of lo to hi bytes, and its q.
type span struct{ lo, hi, q int }

// partition cuts the lengths into groups so that the sum of their costs is
// least; ends[n] is the number of entries shorter than n.
func partition(ends *[maxWindow + 2]int) []span {
	var cost [maxWindow + 2]float64 // of the lengths below the index
	var last [maxWindow + 2]span
	for hi := 1; hi <= maxWindow; hi++ {
		cost[hi+1], last[hi+1] = cost[hi], span{lo: hi}
		if ends[hi] == ends[hi+1] {
			continue
		}
		for lo := hi; lo >= 1; lo-- {
			if ends[lo] == ends[lo+1] {
				continue
			}
			c, q := groupCost(lo, ends[hi+1]-ends[lo])
			if c += cost[lo]; lo == hi || last[hi+1].q == 0 || c < cost[hi+1] {
				cost[hi+1], last[hi+1] = c, span{lo, hi, q}
			}
		}
	}
	var out []span
	for end := maxWindow + 1; end > 1; {
		s := last[end]
		if s.q > 0 {
			out = append(out, s)
		}
		end = s.lo
	}
	return out
}

// groupCost estimates what a group of n entries with windows of m bytes costs
// for a byte of content, and the best q for it.
func groupCost(m, n int) (cost float64, q int) {
	const (
		pass    = 0.02 // what another group costs anyway
		confirm = 12   // a q-gram that is known, against one that is not
		spread  = 4.5  // bits of surprise in a byte of text
	)
	for g := 1; g <= min(m, maxGram); g++ {
		s := m - g + 1
		grams := float64(n * s)
		kinds := 1.0
		for range g {
			kinds *= 1 << 4 * spread / 4
		}
		known := min(1, grams/kinds) + min(1, grams/float64(uint(1)<<bitmapBits(n*s)))
		if c := pass + (1+confirm*known)/float64(s); q == 0 || c < cost {
			cost, q = c, g
		}
	}
	return cost, q
}

// bitmapBits is the size of the bitmap for so many q-grams, as a power of two.
// A false hit costs what twenty lookups do: it is worth leaving the first
// cache for the second, but not the second.
func bitmapBits(grams int) uint {
	return clampBits(max(16*grams, min(128*grams, 1<<nearBitmap)), 12, maxBitmap)
}

// clampBits is the power of two that is at least n, within bounds.
func clampBits(n int, lo, hi uint) uint {
	b := lo
	for b < hi && 1<<b < n {
		b++
	}
	return b
}

// group is the entries of a list that share a stride.
type group struct {
	m, q, s int
	gramMul uint64 // multiplies a load so that its first q bytes are spread
	lower   uint64 // lowerBit in each byte when case is ignored
	fold    bool
	longest int

	bitShift  uint
	bitmap    []uint64
	maskShift uint
	masks     []uint8 // bit o%8 is set when a q-gram stands at offset o
	headShift uint
	heads     []uint32 // by window, the number of an entry plus one
	chain     []uint32 // by entry, the next of the same head plus one
	offs      []uint32 // where each entry begins in blob, and the end
	win       []uint16 // where in its entry the window begins
	blob      []byte   // the entries, letters in lower case when they fold
	ids       []uint32 // by entry, its index in the list
}

func newGroup(entries [][]byte, m, q int, fold bool) *group {
	g := &group{m: m, q: q, s: m - q + 1, gramMul: gramMul << (64 - 8*q), fold: fold}
	size := 0
	for _, e := range entries {
		size += len(e)
		g.longest = max(g.longest, len(e))
	}
	if fold {
		g.lower = 0x2020202020202020
	}
	grams := len(entries) * g.s
	bm, mm := bitmapBits(grams), clampBits(2*grams, 8, maxMask)
	hm := clampBits(2*len(entries), 6, 31)
	g.bitShift, g.bitmap = 64-bm, make([]uint64, 1<<(bm-6))
	g.maskShift, g.masks = 64-mm, make([]uint8, 1<<mm)
	g.headShift, g.heads = 64-hm, make([]uint32, 1<<hm)
	g.chain = make([]uint32, len(entries))
	g.offs = make([]uint32, 1, len(entries)+1)
	g.win = make([]uint16, len(entries))
	// Eight bytes more, so that whole words can be loaded anywhere.
	g.blob = make([]byte, 0, size+8)
	for _, e := range entries {
		g.blob = append(g.blob, e...)
		if fold {
			lowerASCII(g.blob[len(g.blob)-len(e):])
		}
		g.offs = append(g.offs, uint32(len(g.blob)))
	}
	g.blob = g.blob[:size+8]
	for i := range entries {
		g.insert(uint32(i))
	}
	return g
}

// insert chooses the window of an entry and puts it into the tables.
func (g *group) insert(i uint32) {
	e := g.entry(i)
	w := g.rarestWindow(e)
	if g.alike(e, w) >= manyAlike {
		if g.duplicate(i, w) {
			return
		}
		w = g.lonelyWindow(e, w)
	}
	at := int(g.offs[i]) + w
	g.win[i] = uint16(w)
	h := g.windowHash(g.blob[at:]) >> g.headShift
	g.chain[i], g.heads[h] = g.heads[h], i+1
	for o := range g.s {
		x := g.gramHash(load(g.blob, at+o))
		b := x >> g.bitShift
		g.bitmap[b>>6] |= 1 << (b & 63)
		g.masks[x*gramMix>>g.maskShift] |= 1 << (o & 7)
	}
}

func (g *group) entry(i uint32) []byte { return g.blob[g.offs[i]:g.offs[i+1]] }

// alike counts the entries that share a window, as far as manyAlike.
func (g *group) alike(e []byte, w int) int {
	n := 0
	h := g.windowHash(e[w:cap(e)]) >> g.headShift
	for i := g.heads[h]; i != 0 && n < manyAlike; i = g.chain[i-1] {
		n++
	}
	return n
}

// duplicate tells whether one of the next entries of the same window is the
// same: it need not be found twice.
func (g *group) duplicate(i uint32, w int) bool {
	e, n := g.entry(i), 0
	h := g.windowHash(e[w:cap(e)]) >> g.headShift
	for j := g.heads[h]; j != 0 && n < 4*manyAlike; j = g.chain[j-1] {
		if bytes.Equal(g.entry(j-1), e) {
			return true
		}
		n++
	}
	return false
}

// lonelyWindow returns a window that few other entries share, or w.
func (g *group) lonelyWindow(e []byte, w int) int {
	const tries = 16
	best, least := w, manyAlike
	room := len(e) - g.m
	for k := tries; k >= 0 && least > 0; k-- {
		if n := g.alike(e, room*k/tries); n < least {
			best, least = room*k/tries, n
		}
	}
	return best
}

// rarestWindow returns where the window of the rarest bytes begins.
func (g *group) rarestWindow(e []byte) int {
	const far = 256 // a rare window is found near the beginning, or never
	sum, best, at := 0, 0, 0
	for i := range min(len(e), far) {
		sum += int(rarity[e[i]])
		if i >= g.m {
			sum -= int(rarity[e[i-g.m]])
		}
		if i >= g.m-1 && sum > best {
			best, at = sum, i-g.m+1
		}
	}
	return at
}

func lowerASCII(b []byte) {
	for i, c := range b {
		if isLetter(c) {
			b[i] = c | lowerBit
		}
	}
}

// sortHits orders hits by where they begin, the longest first.
func sortHits(hits []hit) {
	slices.SortFunc(hits, func(x, y hit) int {
		if x.start != y.start {
			return x.start - y.start
		}
		return y.end - x.end
	})
}
