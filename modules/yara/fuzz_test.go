package yara

import (
	"context"
	"math/rand/v2"
	"testing"
)

// FuzzCompile reads texts of rules: none may break it, and what is accepted
// can be asked, written out and read again.
func FuzzCompile(f *testing.F) {
	for _, c := range conditions {
		f.Add(condition(c.text))
	}
	for _, c := range refused {
		f.Add(c.text)
	}
	g := &ruleGen{rnd: rand.New(rand.NewPCG(5, 5))}
	for i := range 20 {
		f.Add(g.rule(string(rune('a' + i))))
	}
	loads := 0
	o := Options{Modules: []*Module{toy(&loads)}, Externals: map[string]any{"ext": int64(1)}}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Compile(Source{Name: "fuzz", Text: text}, o)
		if err != nil {
			_ = err.Error()
			return
		}
		s := r.NewScanner(Limits{Steps: 100_000})
		if _, err := s.Whole(context.Background(), []byte(sample)); err != nil {
			t.Fatal(err)
		}
		if _, err := Compile(Source{Name: "again", Text: r.Text()}, o); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzContent asks fixed rules of contents, whole and in blocks.
func FuzzContent(f *testing.F) {
	g := &ruleGen{rnd: rand.New(rand.NewPCG(6, 6))}
	text := g.file(80)
	r, err := Compile(Source{Name: "fuzz", Text: text}, Options{})
	if err != nil {
		f.Fatal(err)
	}
	for range 20 {
		f.Add(g.content(), uint64(1))
	}
	s := r.NewScanner(Limits{Shown: 1000, Steps: 1 << 40})
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		res, _ := s.Whole(context.Background(), b)
		whole := ours(res)
		if blocks := ours(inBlocks(s, rand.New(rand.NewPCG(seed, 1)), b)); differ(blocks, whole) != "" {
			t.Fatal(differ(blocks, whole))
		}
	})
}
