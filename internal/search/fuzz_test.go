package search

import (
	"bytes"
	"testing"
)

// cutsOf turns fuzz bytes into lengths of chunks.
func cutsOf(seed []byte) []int {
	var cuts []int
	for _, c := range seed {
		cuts = append(cuts, int(c)%41)
	}
	return cuts
}

func FuzzLiteral(f *testing.F) {
	f.Add([]byte("needle"), []byte("a NEEDLE in hay needle"), []byte{3, 1, 9}, true)
	f.Add([]byte("\x00\xff"), []byte("\x00\x00\xff"), []byte{}, false)
	f.Add([]byte("É"), []byte("é"), []byte{1}, true)
	f.Fuzz(func(t *testing.T, text, b, cuts []byte, fold bool) {
		if len(text) == 0 || len(text) > 500 {
			return
		}
		check(t, Pattern{Literal: text, Fold: fold}, b, cutsOf(cuts))
	})
}

func FuzzList(f *testing.F) {
	f.Add([]byte("one,two,three,four,five,six,seven,eight,nine,ten"), []byte("xx sevenine"), []byte{4}, false)
	f.Add([]byte("\xe9\x00evil.example,É,k,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,b,c,d,e,f,gggg"), []byte("EVIL.example \u212a"), []byte{4, 2}, true)
	f.Fuzz(func(t *testing.T, texts, b, cuts []byte, fold bool) {
		var p Pattern
		for _, e := range bytes.Split(texts, []byte(",")) {
			if len(e) > 0 && len(p.List) < 60 {
				p.List = append(p.List, e)
			}
		}
		if p.Fold = fold; len(p.List) == 0 || len(texts) > 2000 || len(b) > 4000 {
			return
		}
		check(t, p, b, cutsOf(cuts))
	})
}

func FuzzRegexp(f *testing.F) {
	f.Add(`session=[0-9a-f]{8}`, []byte("session=0123abcd\n"), []byte{5}, false)
	f.Add(`(?s)a.*?b$`, []byte("a\n\xe2\x82b"), []byte{2}, true)
	f.Add(`\bé+\B|^$`, []byte("é\xc3\n\n"), []byte{1, 1, 1}, false)
	f.Add(`[^a-z]{2,5}\pL\z`, []byte("\xf0\x9f\x98\x80\xf0Z"), []byte{1, 2}, false)
	f.Add(`[A-C]{3}[0-9]{2,4}x(?:[a-f]{2}|[k~]Q)`, []byte("AB12xab ABC0123xKq CCC99xff"), []byte{3, 9, 2}, true)
	f.Add(`\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b`, []byte("1.2.3 10.20.30.400"), []byte{6, 5}, false)
	f.Fuzz(func(t *testing.T, expr string, b, cuts []byte, fold bool) {
		if expr == "" || len(expr) > 200 || len(b) > 4000 {
			return
		}
		p := Pattern{Regexp: expr, Fold: fold}
		if _, err := Compile([]Pattern{p}); err != nil {
			return
		}
		check(t, p, b, cutsOf(cuts))
	})
}
