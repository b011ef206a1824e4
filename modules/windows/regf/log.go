package regf

import (
	"cmp"
	"math/bits"
	"slices"
)

// Bounds of a log.
const (
	MaxLog     = 64 << 20 // bytes of a log that is read
	maxEntries = 1 << 16  // entries of one
)

const (
	logHead           = 512
	entryHead         = 40
	newLog            = 6
	marvinSeed uint64 = 0x82ef4d887a4e55c5
)

// recover lays over a hive what its logs say was to be written.
func (h *Hive) recover(head []byte, whole bool, logs [][]byte) {
	h.Dirty = true
	var entries []entry
	var old [][]byte
	for _, log := range logs {
		if len(log) < logHead || string(log[:4]) != Magic || checksum(log) != u32(log, 508) {
			continue
		}
		switch u32(log, 28) {
		case newLog:
			entries = append(entries, readEntries(log)...)
		case 1, 2:
			old = append(old, log)
		}
	}
	since := u32(head, 8)
	if !whole {
		since = 0
	}
	h.apply(entries, since)
	if h.Applied == 0 {
		h.applyOld(old, since)
	}
	if h.Applied > 0 {
		h.Dirty = false
	}
}

// An entry is what one write was to change.
type entry struct {
	sequence uint32
	pages    []logPage
}

type logPage struct {
	at   int64
	data []byte
}

// readEntries reads the entries of a log up to the first that is not whole:
// what follows is of former times.
func readEntries(log []byte) []entry {
	var list []entry
	for at := logHead; at+entryHead <= len(log) && len(list) < maxEntries; {
		b := log[at:]
		size := int(u32(b, 4))
		if string(b[:4]) != "HvLE" || size < entryHead || size%sectorSize != 0 || size > len(b) {
			break
		}
		b = b[:size]
		if u64(b, 32) != marvin32(marvinSeed, b[:32]) || u64(b, 24) != marvin32(marvinSeed, b[entryHead:]) {
			break
		}
		e := entry{sequence: u32(b, 12)}
		if !e.read(b) || len(list) > 0 && e.sequence != list[len(list)-1].sequence+1 {
			break
		}
		list = append(list, e)
		at += size
	}
	return list
}

// read takes the pages of an entry.
func (e *entry) read(b []byte) bool {
	n := int(u32(b, 20))
	if n > (len(b)-entryHead)/8 {
		return false
	}
	data := b[entryHead+8*n:]
	for i := range n {
		at, size := int64(u32(b, entryHead+8*i)), int(u32(b, entryHead+8*i+4))
		if size > len(data) || size%sectorSize != 0 || at%sectorSize != 0 || at+int64(size) > MaxSize {
			return false
		}
		e.pages = append(e.pages, logPage{at, data[:size]})
		data = data[size:]
	}
	return true
}

// apply lays entries over the hive, from the one that was written next on, as
// long as none is missing.
func (h *Hive) apply(entries []entry, since uint32) {
	slices.SortStableFunc(entries, func(a, b entry) int { return cmp.Compare(a.sequence, b.sequence) })
	next := uint32(0)
	for _, e := range entries {
		if e.sequence < since || h.Applied > 0 && e.sequence < next {
			continue
		}
		if h.Applied > 0 && e.sequence != next {
			return
		}
		for _, p := range e.pages {
			h.p.lay(p.at, p.data)
		}
		h.Applied++
		next = e.sequence + 1
	}
}

// applyOld lays the newest log of the former kind over the hive.
func (h *Hive) applyOld(logs [][]byte, since uint32) {
	var best []byte
	for _, log := range logs {
		if u32(log, 4) == u32(log, 8) && u32(log, 4) >= since && (best == nil || u32(log, 4) > u32(best, 4)) {
			best = log
		}
	}
	if best == nil || len(best) < logHead+4 || string(best[logHead:logHead+4]) != "DIRT" {
		return
	}
	sectors := int(u32(best, 40)) / sectorSize
	bitmap := best[logHead+4:]
	if sectors < 0 || sectors/8 > len(bitmap) {
		return
	}
	at := (logHead + 4 + (sectors+7)/8 + sectorSize - 1) / sectorSize * sectorSize
	var laid []logPage
	for s := range sectors {
		if bitmap[s/8]>>(s%8)&1 == 0 {
			continue
		}
		if at+sectorSize > len(best) {
			return // cut: half of what was to be written would be worse than none
		}
		laid = append(laid, logPage{int64(s) * sectorSize, best[at : at+sectorSize]})
		at += sectorSize
	}
	for _, p := range laid {
		h.p.lay(p.at, p.data)
	}
	h.Applied = min(len(laid), 1)
}

// marvin32 is the checksum of entries, by the name that Microsoft gave it.
func marvin32(seed uint64, b []byte) uint64 {
	lo, hi := uint32(seed), uint32(seed>>32)
	mix := func(v uint32) {
		lo += v
		hi ^= lo
		lo = bits.RotateLeft32(lo, 20) + hi
		hi = bits.RotateLeft32(hi, 9) ^ lo
		lo = bits.RotateLeft32(lo, 27) + hi
		hi = bits.RotateLeft32(hi, 19)
	}
	for len(b) >= 4 {
		mix(u32(b, 0))
		b = b[4:]
	}
	last := uint32(0x80)
	for i := len(b) - 1; i >= 0; i-- {
		last = last<<8 | uint32(b[i])
	}
	mix(last)
	mix(0)
	return uint64(hi)<<32 | uint64(lo)
}
