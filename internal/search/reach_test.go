package search

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Where a content is cut by Cut, the matches that begin before the cut are
// those of the whole content.
func TestCut(t *testing.T) {
	const greedy = `(?s)a.*b`
	patterns := []Pattern{
		{Literal: []byte("a\nb")}, {Literal: []byte("A\n\nB\n"), Fold: true}, {List: [][]byte{[]byte("a\n a"), []byte("b\n")}},
		{Regexp: `a\s+b`}, {Regexp: greedy}, {Regexp: `a[^b]*b`}, {Regexp: `b\n$`}, {Regexp: `^\s*$`}, {Regexp: `\n^a`}, {Regexp: `a\b\s+\Bb?`},
		{Regexp: `(a|\n)+b`}, {Regexp: `\s`}, {Regexp: `\s+b`}, {Regexp: `é\s*é`}, {Literal: []byte("É\né"), Fold: true}, {Regexp: `ab`}, {Regexp: `(?:a\n){2,3}b`},
	}
	cuts, matches := 0, 0
	for _, p := range patterns {
		t.Run(fmt.Sprintf("%s%s%s", p.Literal, p.List, p.Regexp), func(t *testing.T) {
			set, err := Compile([]Pattern{p})
			if err != nil {
				t.Fatal(err)
			}
			c := set.NewScanner()
			rapid.Check(t, func(t *rapid.T) {
				parts := []string{"a", "b", "\n", "\n", " ", "é", "a\n\nb\n", "a\na\nb", "É\né", strings.Repeat("x", cutStep)}
				text := []byte(strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 0, 30).Draw(t, "text"), ""))
				for n, b := range text {
					if b != '\n' || n+1 == len(text) {
						continue
					}
					at := c.Cut(0, text[:n+1])
					starts := func(b []byte) (list []int) {
						c.Matches(0, b, func(start, _ int) bool {
							if start < at {
								list = append(list, start)
							}
							return true
						})
						return list
					}
					want, got := starts(text), starts(text[:n+1])
					if p.Regexp == greedy { // what follows may make one match of several
						got = slices.DeleteFunc(got, func(s int) bool { return !slices.Contains(want, s) })
					}
					if !slices.Equal(got, want) {
						t.Fatalf("%q of %q is cut at %d: %v and %v", text[:n+1], text, at, got, want)
					}
					matches += len(want)
					cuts += bytes.Count(text[:at], []byte("\n"))
				}
			})
		})
	}
	if cuts == 0 || matches == 0 {
		t.Errorf("%d cuts and %d matches try nothing", cuts, matches)
	}
}

func TestReach(t *testing.T) {
	for expr, want := range map[string]Reach{`ab`: InLine, `^a.*b$`: InLine, `a\s`: OverLines, `a[^b]`: OverLines, `\Aa`: WholeText, `a\z`: WholeText} {
		set, err := Compile([]Pattern{{Regexp: expr}})
		if err != nil {
			t.Fatal(err)
		}
		c := set.NewScanner()
		if got := set.Reach(0); got != want || want == WholeText && c.Cut(0, []byte("x\n")) != 0 || want == InLine && c.Cut(0, []byte("x\n")) != 2 {
			t.Errorf("%s: %v", expr, got)
		}
	}
}
