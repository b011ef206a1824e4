package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
)

const (
	poolLines   = 40_000  // lines of text that files are put together from
	poolBinary  = 4 << 20 // bytes of machine-like data, likewise
	segmentMin  = 64      // bytes of a piece of binary data
	segmentSpan = 4096
)

// pools are the stuff of contents. Copying from a pool makes a gigabyte a
// second; needles are unknown to it.
type pools struct {
	lines  [][]byte // each with its newline
	binary []byte
}

func newPools(seed uint64) *pools {
	r := stream(seed, streamText)
	words := make([]string, 4000)
	for i := range words {
		words[i] = word(r, "etaoinshrdlucmfwypvbgkjqxz"[:8+r.IntN(19)], 2+r.IntN(9))
		if r.IntN(12) == 0 {
			words[i] = strings.ToUpper(words[i][:1]) + words[i][1:]
		}
	}
	p := &pools{lines: make([][]byte, poolLines)}
	for i := range p.lines {
		p.lines[i] = []byte(textLine(r, words) + "\n")
	}
	p.binary = machineBytes(stream(seed, streamBinary), words)
	return p
}

func textLine(r *rand.Rand, words []string) string {
	w := func() string { return words[r.IntN(len(words))] }
	clock := func() string {
		return fmt.Sprintf("2026-%02d-%02dT%02d:%02d:%02dZ", 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60))
	}
	switch n := r.IntN(100); {
	case n < 15:
		return fmt.Sprintf("%s host%d sshd[%d]: accepted key for %s from 10.%d.%d.%d session=%s-%s;uid=%d",
			clock(), r.IntN(200), r.IntN(32768), w(), r.IntN(256), r.IntN(256), r.IntN(256),
			word(r, hexSet, 8), word(r, digits, 4), 1000+r.IntN(500))
	case n < 35:
		return fmt.Sprintf("%s host%d %s[%d]: %s %s %s code=%d REQ%05d-%s", clock(), r.IntN(200), w(), r.IntN(32768),
			w(), w(), w(), r.IntN(600), r.IntN(100000), word(r, hexSet, 6))
	case n < 50:
		return fmt.Sprintf("%s.%s = %s:%d", w(), w(), w(), r.IntN(100000))
	case n < 60:
		return fmt.Sprintf("\t{\"%s\": \"%s\", \"%s\": %d, \"sum\": \"%s\"},", w(), w(), w(), r.IntN(1000000), word(r, hexSet, 12))
	case n < 65:
		return ""
	default:
		ws := make([]string, 5+r.IntN(10))
		for i := range ws {
			ws[i] = w()
		}
		return strings.Join(ws, " ") + "."
	}
}

// machineBytes looks like programs and data: zeros, skewed bytes, noise and
// names that end in NUL. It never holds a log line.
func machineBytes(r *rand.Rand, words []string) []byte {
	b := make([]byte, 0, poolBinary+segmentSpan)
	common := []byte{0, 0, 0, 0xff, 0x48, 0x8b, 0x89, 0xe8, 0x0f, 0x24, 0xc3, 0x01, 0x10, 0x40, 0x74, 0x85}
	for len(b) < poolBinary {
		n := segmentMin + r.IntN(1024)
		switch r.IntN(5) {
		case 0:
			b = append(b, make([]byte, n)...)
		case 1:
			for range n / 8 {
				b = binary.LittleEndian.AppendUint64(b, r.Uint64())
			}
		case 2:
			for range 16 {
				b = append(append(b, words[r.IntN(len(words))]...), 0)
			}
		default:
			for range n {
				c := common[r.IntN(len(common))]
				if r.IntN(3) == 0 {
					c = byte(r.Uint32())
				}
				b = append(b, c)
			}
		}
	}
	return b
}

// fill makes the contents of one file without needles, in b's memory if that
// is large enough. Every binary file begins with a NUL byte in its first
// block and no file with a byte order mark, at which some peers recode.
func (p *pools) fill(b []byte, r *rand.Rand, f *file) []byte {
	b = b[:0]
	if !f.binary {
		for len(b) < f.size {
			b = append(b, p.lines[r.IntN(len(p.lines))]...)
		}
		return b[:f.size]
	}
	b = append(b, "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00"...)
	for len(b) < f.size {
		n := segmentMin + r.IntN(segmentSpan)
		at := r.IntN(len(p.binary) - n)
		b = append(b, p.binary[at:at+n]...)
	}
	return b[:f.size]
}

// edges are the sizes of blocks in which tools read.
var edges = []int{64 << 10, 256 << 10, 1 << 20}

// plantAll puts the needles of f into b. In big files two of three lie across
// the edge of a block; no two overlap.
func plantAll(b []byte, r *rand.Rand, f *file) {
	type span struct{ from, to int }
	var taken []span
	for i, n := range f.needles {
		for {
			at := 16 + r.IntN(len(b)-len(n.text)-16)
			if e := edges[r.IntN(len(edges))]; i%3 != 2 && len(b) > e+len(n.text) {
				at = e*(1+r.IntN((len(b)-len(n.text))/e)) - 1 - r.IntN(len(n.text)-1)
			}
			// A byte between two needles keeps one from prolonging the other.
			s := span{at - 1, at + len(n.text) + 1}
			free := true
			for _, t := range taken {
				free = free && (s.to <= t.from || t.to <= s.from)
			}
			if free {
				copy(b[at:], n.text)
				taken = append(taken, s)
				break
			}
		}
	}
}
