package search

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// blockSize is what a reader hands over at once.
const blockSize = 256 << 10

// logText is a block of log lines of plain words and numbers.
func logText() []byte {
	r := rand.New(rand.NewPCG(1, 2))
	words := []string{"error", "session", "GET", "/index.html", "user", "accepted", "from", "port", "the", "of", "Mozilla/5.0", "kernel:", "usb", "GMT", "connection", "closed"}
	var b []byte
	for len(b) < blockSize {
		b = fmt.Appendf(b, "2026-11-%02dT%02d:%02d:%02d ", r.IntN(30)+1, r.IntN(24), r.IntN(60), r.IntN(60))
		for range r.IntN(12) + 3 {
			b = append(append(b, words[r.IntN(len(words))]...), ' ')
		}
		b = fmt.Appendf(b, "%x\n", r.Uint32())
	}
	return b[:blockSize]
}

func randomBytes() []byte {
	r := rand.New(rand.NewPCG(3, 4))
	b := make([]byte, blockSize)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func benchWhole(b *testing.B, p Pattern) {
	benchScanner(b, mustCompile(b, p).NewScanner())
}

// benchAutomaton seeks an expression by the automaton alone.
func benchAutomaton(b *testing.B, expr string) {
	c := mustCompile(b, Pattern{Regexp: expr}).NewScanner()
	c.runs[0].hunts = false
	benchScanner(b, c)
}

func benchScanner(b *testing.B, c *Scanner) {
	for name, data := range map[string][]byte{"text": logText(), "random": randomBytes()} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if c.Whole(0, data) {
					b.Fatal("found in noise")
				}
			}
		})
	}
}

func BenchmarkLiteral(b *testing.B) { benchWhole(b, lit("xK9beacon-7f3a9c.evil-c2.example")) }

func BenchmarkLiteralFold(b *testing.B) {
	benchWhole(b, fold(lit("xK9beacon-7f3a9c.evil-c2.example")))
}

func BenchmarkLiteralPortable(b *testing.B) {
	data := logText()
	l := newLiteral([]byte("xK9beacon-7f3a9c.evil-c2.example"), false)
	l.vector = false
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		l.index(data)
	}
}

func indicators(n int) Pattern {
	r := rand.New(rand.NewPCG(5, 6))
	var p Pattern
	for range n {
		e := fmt.Appendf(nil, "%08x-%x.example", r.Uint32(), r.Uint32())
		p.List = append(p.List, e[:11+r.IntN(12)])
	}
	return p
}

func BenchmarkList(b *testing.B) {
	for _, n := range []int{8, 100, 1000, 10_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchWhole(b, indicators(n)) })
	}
}

func BenchmarkListFold(b *testing.B) { benchWhole(b, fold(indicators(1000))) }

func BenchmarkListShort(b *testing.B) {
	p := indicators(1000)
	p.List = append(p.List, []byte("Zq#!"), []byte("~!Q~"))
	benchWhole(b, p)
}

func BenchmarkListCompile(b *testing.B) {
	p := indicators(1_000_000)
	b.ReportAllocs()
	for b.Loop() {
		mustCompile(b, p)
	}
}

func BenchmarkRegexpRequired(b *testing.B) {
	benchWhole(b, Pattern{Regexp: `session=[0-9a-f]{8}-[0-9]{4};uid=0`})
}

func BenchmarkRegexpClasses(b *testing.B) {
	benchWhole(b, Pattern{Regexp: `[A-Z]{3}[0-9]{5}x[a-f]{4}`})
}

func BenchmarkRegexpClassesFold(b *testing.B) {
	benchWhole(b, fold(Pattern{Regexp: `[A-Z]{3}[0-9]{5}x[a-f]{4}`}))
}

func BenchmarkRegexpHash(b *testing.B) { benchWhole(b, Pattern{Regexp: `\b[0-9a-f]{64}\b`}) }

func BenchmarkRegexpLines(b *testing.B) { benchAutomaton(b, `[A-Z]{3}[0-9]{5}x[a-f]{4}`) }

func BenchmarkRegexpBounded(b *testing.B) {
	benchAutomaton(b, `[^a-z]{3}[A-Z][0-9]{6}[\n\r][q-z]{2}[0-9]{3}`)
}

func BenchmarkRegexpOneLane(b *testing.B) { benchAutomaton(b, `[A-Z]{3}[0-9]{5}\s+x[a-f]{4}`) }

func BenchmarkRegexpRequiredUnbounded(b *testing.B) {
	benchWhole(b, Pattern{Regexp: `[a-z]+@evil-c2\.example`})
}

func BenchmarkRegexpStream(b *testing.B) {
	data := logText()
	c := mustCompile(b, Pattern{Regexp: `[A-Z]{3}[0-9]{5}x[a-f]{4}`}).NewScanner()
	b.SetBytes(int64(len(data)))
	c.Start()
	c.Want(0)
	for b.Loop() {
		if c.Feed(data, false) {
			b.Fatal("found in noise")
		}
	}
}
