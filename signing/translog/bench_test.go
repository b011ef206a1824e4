package translog

import "testing"

// BenchmarkProof is what a relay does for each agent that asks, and what the
// agent does, in a log of 100,000 entries with two witnesses.
func BenchmarkProof(b *testing.B) {
	w := newWorld(b)
	w.grow(100_000)
	signed := w.cosigned()
	s := must(w.keys.Open(signed))(b)
	_, envelope := entryOf(70_000)
	p := must(w.log.Prove(SumOf(envelope), s, signed, 50_000))(b)
	before := Checkpoint{Size: 50_000, Root: must(w.log.tree.Root(50_000))(b)}
	b.Run("prove", func(b *testing.B) {
		for b.Loop() {
			must(w.log.Prove(SumOf(envelope), s, signed, 50_000))(b)
		}
	})
	b.Run("check", func(b *testing.B) {
		for b.Loop() {
			_, s, err := w.keys.Check(p, SumOf(envelope))
			if err == nil {
				err = p.Follows(before, s)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
