package search

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// Every place of every string is found, with its index, however long the
// strings and however many: compared with trying all.
func TestAtoms(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		fold := rnd.IntN(2) == 0
		seen := map[string]bool{}
		var texts [][]byte
		for range 1 + rnd.IntN(1<<rnd.IntN(9)) {
			text := make([]byte, 1+rnd.IntN(1<<rnd.IntN(6)))
			for i := range text {
				text[i] = "ab\x00c\xff"[rnd.IntN(5)]
			}
			if !seen[string(text)] {
				seen[string(text)] = true
				texts = append(texts, text)
			}
		}
		b := make([]byte, rnd.IntN(2000))
		for i := range b {
			b[i] = "abAB\x00c\xff"[rnd.IntN(7)]
		}
		limit := len(b)
		if rnd.IntN(3) == 0 && limit > 0 {
			limit = rnd.IntN(limit)
		}
		got := NewAtoms(texts, fold).Collect(b, limit, nil)
		want := everyPlace(texts, fold, b, limit)
		order := func(x, y Hit) int { return (x.At-y.At)*1_000_000 + x.ID - y.ID }
		slices.SortFunc(got, order)
		slices.SortFunc(want, order)
		if !slices.Equal(got, want) {
			t.Fatalf("%d strings, fold %v: %d places, and there are %d", len(texts), fold, len(got), len(want))
		}
	}
}

func everyPlace(texts [][]byte, fold bool, b []byte, limit int) []Hit {
	if fold {
		b = bytes.Clone(b)
		lowerASCII(b)
	}
	var out []Hit
	for id, text := range texts {
		for at := 0; at < limit; at++ {
			if bytes.HasPrefix(b[at:], text) {
				out = append(out, Hit{id, at})
			}
		}
	}
	return out
}
