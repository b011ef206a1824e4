package search

import "bytes"

// laneMin is the content, in bytes, below which splitting it into lanes costs
// more than it saves.
const laneMin = 512

// lockBlock is how many bytes of each lane are passed between two looks at
// the whole.
const lockBlock = 128

// runBlock is how many bytes runToIdle passes between two looks at whether
// anything is still hoped for.
const runBlock = 64

// run moves live[lane] over b, stopping at an answer, and returns it.
func (d *dfa) run(lane int, b []byte) uint32 {
	s := d.live[lane]
	if s&special != 0 {
		return s
	}
	cls, t := &d.p.class, d.trans
	for _, c := range b {
		n := t[s+uint32(cls[c])]
		if n&special != 0 {
			d.live[lane] = s
			n = d.next(lane, c)
			t = d.trans
			if n&special != 0 {
				d.live[lane] = n
				return n
			}
		}
		s = n
	}
	d.live[lane] = s
	return s
}

// runToIdle moves live[lane] over b until nothing is hoped for, not before
// need bytes, and returns how far it went.
func (d *dfa) runToIdle(lane int, b []byte, need int) int {
	need = min(need, len(b))
	s := d.run(lane, b[:need])
	pos := need
	for pos < len(b) && s&special == 0 && !d.idle(s) {
		end := min(pos+runBlock, len(b))
		s = d.run(lane, b[pos:end])
		pos = end
	}
	return pos
}

// scan moves live[lane], which must not be one of the first four unless it is
// the first, over b and returns it. Where the expression allows it, b is cut
// into four lanes that run in lockstep: each waits for memory while the
// others work. reach is the length in bytes of the longest match, or -1.
func (d *dfa) scan(lane int, b []byte, reach int) uint32 {
	s := d.live[lane]
	if s&special != 0 {
		return s
	}
	var cuts [liveLanes + 1]int
	if len(b) < laneMin || d.starts[afterOther]&special != 0 || !d.cut(b, reach, &cuts) {
		return d.run(lane, b)
	}
	d.live[0] = s
	var parts [liveLanes][]byte
	short := len(b)
	for i := range parts {
		from := cuts[i]
		switch {
		case i > 0 && d.p.lineOnly:
			d.live[i] = d.starts[afterLine]
		case i > 0:
			from = alignRune(b, from-reach)
			d.live[i] = d.starts[beforeAfter(rune(b[from-1]))]
		}
		parts[i] = b[from:cuts[i+1]]
		short = min(short, len(parts[i]))
	}
	if d.lockstep(&parts, short) {
		d.live[lane] = matched
		return matched
	}
	for i := range parts {
		if s = d.run(i, parts[i][short:]); s == matched {
			break
		}
	}
	d.live[lane] = s
	return s
}

// cut chooses where the lanes begin and end.
func (d *dfa) cut(b []byte, reach int, cuts *[liveLanes + 1]int) bool {
	quarter := len(b) / liveLanes
	cuts[liveLanes] = len(b)
	if !d.p.lineOnly {
		for i := 1; i < liveLanes; i++ {
			cuts[i] = i * quarter
		}
		return reach >= 0 && reach < quarter/2
	}
	for i := 1; i < liveLanes; i++ {
		at := i * quarter
		j := bytes.IndexByte(b[at:at+quarter-1], '\n')
		if j < 0 {
			return false
		}
		cuts[i] = at + j + 1
	}
	return true
}

// lockstep moves the four lanes over the first n bytes of their parts; true is
// a match.
func (d *dfa) lockstep(parts *[liveLanes][]byte, n int) bool {
	for pos := 0; pos < n; {
		end := min(pos+lockBlock, n)
		var ahead [liveLanes]uint32
		copy(ahead[:], d.live[:])
		if end-pos == lockBlock && rush(&d.p.class, d.trans, parts, pos, &ahead) {
			copy(d.live[:], ahead[:])
			pos = end
			continue
		}
		for ; pos < end; pos++ {
			if d.stepLanes([liveLanes]byte{parts[0][pos], parts[1][pos], parts[2][pos], parts[3][pos]}) {
				return true
			}
		}
	}
	return false
}

// rush moves four states over lockBlock bytes of the parts from pos on. It
// gives up, the states then being worthless, at the first transition that is
// not there: so it need not remember where it came from, and all that it
// works on stays in registers.
func rush(cls *[256]uint8, trans []uint32, parts *[liveLanes][]byte, pos int, s *[liveLanes]uint32) bool {
	// A state is the offset of a row of trans as long as there are classes,
	// so state plus class is always within it.
	row := &trans[0]
	b0, b1 := (*[lockBlock]byte)(parts[0][pos:]), (*[lockBlock]byte)(parts[1][pos:])
	b2, b3 := (*[lockBlock]byte)(parts[2][pos:]), (*[lockBlock]byte)(parts[3][pos:])
	s0, s1, s2, s3 := s[0], s[1], s[2], s[3]
	for i := range lockBlock {
		s0 = peek32(row, s0+uint32(cls[b0[i]]))
		s1 = peek32(row, s1+uint32(cls[b1[i]]))
		s2 = peek32(row, s2+uint32(cls[b2[i]]))
		s3 = peek32(row, s3+uint32(cls[b3[i]]))
		if (s0|s1|s2|s3)&special != 0 {
			return false
		}
	}
	s[0], s[1], s[2], s[3] = s0, s1, s2, s3
	return true
}

// stepLanes is the slow way of the lanes over one byte each.
func (d *dfa) stepLanes(c [liveLanes]byte) bool {
	for i := range c {
		s := d.next(i, c[i])
		d.live[i] = s
		if s == matched {
			return true
		}
	}
	return false
}

// alignRune moves i back, by three bytes at most, so that it is where the
// decoding of a rune begins: never between a leading byte and its followers.
func alignRune(b []byte, i int) int {
	for j := i; j >= max(0, i-3); j-- {
		if b[j]&0xC0 != 0x80 {
			return j
		}
	}
	return i
}
