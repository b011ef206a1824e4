package sealing_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/quaestor-engine/quaestor/signing/sealing"
)

// rows makes plain rows as a scan of files gives them: paths, sizes, times and
// a hash each.
func rows(n int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	var b []byte
	for len(b) < n {
		b = fmt.Appendf(b, "\x04/usr/share/doc/lib%04x/changelog.%d.gz\x01%08d\x02%d\x03%016x%016x",
			random.IntN(1<<16), random.IntN(9), random.IntN(1<<24), 1700000000+random.IntN(1<<24), random.Uint64(), random.Uint64())
	}
	return b[:n]
}

// The chunk of the figures is what an agent sends: 256 KiB of rows.
const benchChunk = 256 << 10

func BenchmarkSeal(b *testing.B) {
	p := newParty(b)
	s, plain := p.sealer(b, 0), rows(benchChunk)
	b.SetBytes(benchChunk)
	b.ReportAllocs()
	sealed := 0
	for b.Loop() {
		c, err := s.Seal(plain, false)
		if err != nil {
			b.Fatal(err)
		}
		sealed = len(c)
	}
	b.ReportMetric(float64(sealed)/benchChunk, "ratio")
}

func BenchmarkOpen(b *testing.B) {
	p := newParty(b)
	// Chunks open once and in their order: a store of them is opened again and
	// again from the front.
	const stored = 64
	s, plain := p.sealer(b, 0), rows(benchChunk)
	var chunks [stored][]byte
	for i := range chunks {
		chunks[i] = mustSeal(b, s, string(plain), false)
	}
	b.SetBytes(benchChunk)
	b.ReportAllocs()
	o := p.opener()
	for n := 0; b.Loop(); n++ {
		if n == stored {
			o, n = p.opener(), 0
		}
		if _, _, err := o.Open(chunks[n]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSmall is an answer of one row: begun, sealed, opened and closed.
func BenchmarkSmall(b *testing.B) {
	p := newParty(b)
	public := p.key.Public()
	b.ReportAllocs()
	for b.Loop() {
		s, err := sealing.NewSealer(public, p.binding, p.sign, 0)
		if err != nil {
			b.Fatal(err)
		}
		o := p.opener()
		if _, _, err := o.Open(mustSeal(b, s, "web-1.example.org linux 6.12", true)); err != nil {
			b.Fatal(err)
		}
		if err := o.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
