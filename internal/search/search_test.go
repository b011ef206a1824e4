package search

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func lit(s string) Pattern { return Pattern{Literal: []byte(s)} }

func fold(p Pattern) Pattern { p.Fold = true; return p }

func listOf(ss ...string) Pattern {
	var p Pattern
	for _, s := range ss {
		p.List = append(p.List, []byte(s))
	}
	return p
}

func TestTable(t *testing.T) {
	long := strings.Repeat("x", 300<<10)
	for _, tt := range []struct {
		p    Pattern
		in   string
		want bool
	}{
		{lit("a"), "", false},
		{lit("a"), "a", true},
		{lit("needle"), "a needle here", true},
		{lit("needle"), "a NEEDLE here", false},
		{fold(lit("needle")), "a NEEDLE here", true},
		{fold(lit("Kk")), "\u212Ak", false},
		{fold(lit("@[`{")), "`{@[", false},
		{fold(lit("müller")), "MÜLLER", true},
		{fold(lit("\xffMZ")), "\xffmz", true},
		{fold(lit("\xff\xc3\x9c")), "\xff\xc3\xbc", false},
		{lit("\x00\x00"), "a\x00\x00b", true},
		{listOf("one", "two"), "a two", true},
		{fold(listOf("one", "zwölf")), "ZWÖLF", true},
		{Pattern{Regexp: `^foo$`}, "x\nfoo\ny", true},
		{Pattern{Regexp: `\Afoo`}, "x\nfoo", false},
		{Pattern{Regexp: `foo\z`}, "foo\n", false},
		{Pattern{Regexp: `foo$`}, "foo\n", true},
		{Pattern{Regexp: `a.b`}, "a\nb", false},
		{Pattern{Regexp: `a.b`}, "a\xffb", true},
		{Pattern{Regexp: `a.b`}, "aéb", true},
		{Pattern{Regexp: `a..b`}, "aéb", false},
		{Pattern{Regexp: `[ab]\z`}, "a\xe2\x82", false},
		{Pattern{Regexp: `[ab].?\z`}, "a\xe2\x82", false},
		{Pattern{Regexp: `[ab]..$`}, "a\xe2\x82", true},
		{Pattern{Regexp: `a..b`}, "a\xe2\x82b", true},
		{Pattern{Regexp: `a[^x]b`}, "a\x80b", true},
		{Pattern{Regexp: `\x{FFFD}`}, "\x80", true},
		{Pattern{Regexp: `\xe9`}, "\xe9", false},
		{Pattern{Regexp: `\xe9`}, "é", true},
		{Pattern{Regexp: `\bfoo\b`}, "afoo foo", true},
		{Pattern{Regexp: `\bfoo\b`}, "afoo foob", false},
		{Pattern{Regexp: `\Boo`}, "foo", true},
		{Pattern{Regexp: `x*`}, "", true},
		{Pattern{Regexp: `^$`}, "a\n", true},
		{Pattern{Regexp: `^$`}, "a", false},
		{Pattern{Regexp: `[^\x00-\x{10FFFF}]`}, "abc", false},
		{Pattern{Regexp: `(?s)begin.*end`}, "begin\n\n" + long + "\nend", true},
		{Pattern{Regexp: `[0-9]+@end`}, "9" + strings.Repeat("1", 200<<10) + "@end", true},
		{Pattern{Regexp: `[a-z]+[0-9]{3}`}, long + "12", false},
		{fold(Pattern{Regexp: `kiss[0-9]`}), "\u212Aiſs7", true},
		{Pattern{Regexp: `session=[0-9a-f]{8}-[0-9]{4};uid=0`}, "a session=0123abcd-1234;uid=0", true},
	} {
		if got := reference(tt.p, []byte(tt.in)); got != tt.want {
			t.Errorf("table is wrong: %+v in %q: %v", tt.p, clip([]byte(tt.in)), got)
		}
		check(t, tt.p, []byte(tt.in), nil)
		check(t, tt.p, []byte(tt.in), []int{1, 1, 1, 2, 3, 5, 8, 13})
		check(t, tt.p, []byte(tt.in), []int{64 << 10, 64 << 10, 64 << 10, 64 << 10})
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		p    Pattern
		is   error
		text string
	}{
		{Pattern{}, ErrEmpty, "pattern 1"},
		{Pattern{Literal: []byte{}}, ErrEmpty, "pattern 1"},
		{Pattern{Literal: []byte("a"), Regexp: "a"}, ErrAmbiguous, ""},
		{Pattern{Literal: []byte("a"), List: [][]byte{[]byte("a")}}, ErrAmbiguous, ""},
		{listOf("a", ""), ErrEmpty, "list entry 1"},
		{Pattern{Literal: make([]byte, MaxLiteral+1)}, ErrTooLarge, "literal"},
		{Pattern{List: [][]byte{make([]byte, MaxLiteral+1)}}, ErrTooLarge, "list entry 0"},
		{Pattern{List: make([][]byte, MaxList+1)}, ErrTooLarge, "list"},
		{Pattern{Regexp: strings.Repeat("a", MaxRegexp+1)}, ErrTooLarge, "regexp"},
		{Pattern{Regexp: `(?:c|de){900}(?:fg|h){900}(?:ij|k){900}(?:lm|n){900}`}, errProgram, ""},
		{Pattern{Regexp: `a(`}, nil, "missing closing )"},
	} {
		_, err := Compile([]Pattern{lit("fine"), tt.p})
		if err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%.60q: error %v, want %v with %q", tt.p.Regexp, err, tt.is, tt.text)
		}
	}
	if _, err := Compile(make([]Pattern, MaxPatterns+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too many patterns: %v", err)
	}
}

var literalPieces = []string{"a", "b", "A", "B", "aab", "ab", "\x00", "\xff", "é", "É", "k", "\n", "@", "`", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}

func TestLiteralProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Pattern{Literal: drawText(t, literalPieces, 6), Fold: rapid.Bool().Draw(t, "fold")}
		if len(p.Literal) == 0 {
			p.Literal = []byte("a")
		}
		b := drawText(t, literalPieces, 200)
		check(t, p, b, drawCuts(t))
		if p.Fold && foldsWide(p.Literal) {
			return
		}
		l := newLiteral(p.Literal, p.Fold)
		want := l.index(b)
		if l.vector = false; l.index(b) != want {
			t.Fatalf("portable %d, vector %d", l.index(b), want)
		}
		if l.fails = failures(l.text); l.indexLinear(b) != want {
			t.Fatalf("linear %d, vector %d", l.indexLinear(b), want)
		}
	})
}

// Every position, distance and length around the widths of the vectors.
func TestPairVector(t *testing.T) {
	if !hasVector() {
		t.Log("no vector kernel on this machine: the portable one is checked against itself")
	}
	for _, d := range []int{0, 1, 5, 31, 32, 33, 200} {
		for n := vectorMin; n < 300; n++ {
			b := make([]byte, n+d)
			k := pair{d: d, c1: 'x', m1: lowerBit, c2: 'x'}
			for _, at := range []int{0, 1, 30, 31, 32, 33, 63, 64, 95, 127, 128, n - 33, n - 32, n - 1} {
				if at < 0 || at >= n {
					continue
				}
				clear(b)
				b[at], b[at+d] = 'X', 'x'
				if d == 0 {
					b[at] = 'x'
				}
				got, want := pairPortable(b, n, k), at
				if hasVector() {
					got = pairVector(b, n, k)
				}
				if got != want || pairPortable(b, n, k) != want {
					t.Fatalf("n %d d %d: %d, want %d", n, d, got, want)
				}
			}
			clear(b)
			if hasVector() && pairVector(b, n, k) != n || pairPortable(b, n, k) != n {
				t.Fatalf("n %d d %d: found in nothing", n, d)
			}
		}
	}
}

func TestListProperty(t *testing.T) {
	pieces := append([]string{"needle", "xyz-", ".example", "\u212A", "Ж", "ж"}, literalPieces...)
	rapid.Check(t, func(t *rapid.T) {
		p := Pattern{Fold: rapid.Bool().Draw(t, "fold")}
		n := rapid.SampledFrom([]int{1, 8, 9, 40}).Draw(t, "n")
		least := rapid.SampledFrom([]int{1, 2, 3, 6}).Draw(t, "least")
		for range n {
			e := drawText(t, pieces, 8)
			for len(e) < least {
				e = append(e, "-+=xyz"[len(e)])
			}
			p.List = append(p.List, e)
		}
		b := drawText(t, pieces, 80)
		if i := rapid.IntRange(0, 2*n).Draw(t, "plant"); i < n {
			b = append(append(b, p.List[i]...), drawText(t, pieces, 10)...)
		}
		check(t, p, b, drawCuts(t))
	})
}

// Each entry of a long list is found, alone, at every place of a sample.
func TestListEveryEntry(t *testing.T) {
	for _, foldIt := range []bool{false, true} {
		var p Pattern
		for i := range 3000 {
			p.List = append(p.List, []byte(fmt.Sprintf("%d.%s.Evil-%x.example", i, strings.Repeat("q", i%40), i*i)))
			p.List = append(p.List, []byte(fmt.Sprintf("%05x", i)))
		}
		p.Fold = foldIt
		s := mustCompile(t, p)
		c := s.NewScanner()
		for i, e := range p.List {
			b := append(bytes.Repeat([]byte("\xf0"), 50+i%9), e...)
			if foldIt {
				b = bytes.ToUpper(b[50:])
			}
			if !c.Whole(0, b) || !c.Whole(0, append(b, "\xf1\xf2"...)) {
				t.Fatalf("entry %d %q not found, fold %v", i, e, foldIt)
			}
			streamed(c, b, []int{20, 20, 20, 20, 20}, 0)
			if !c.Found(0) {
				t.Fatalf("entry %d %q not found in a stream", i, e)
			}
		}
	}
}

func TestRegexpTreesProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Pattern{Regexp: drawRegexp(t, 3), Fold: rapid.Bool().Draw(t, "fold")}
		if p.Regexp == "" {
			p.Regexp = "(?:)"
		}
		b := drawText(t, regexpPieces, 120)
		check(t, p, b, drawCuts(t))
	})
}

var regexpPieces = []string{"a", "b", "foo", "bar", "x", "\n", " ", "é", "\xe2", "\x82", "\xac", "€", "\xff", "K", "\u212A", "0", "foobar", "\xf0\x9f", "😀", "A", "_"}

// drawRegexp draws an expression over the pieces of the text.
func drawRegexp(t *rapid.T, depth int) string {
	if depth == 0 {
		return rapid.SampledFrom([]string{
			"a", "b", "foo", "bar", "foobar", "x", `\n`, ".", "[ab]", "[^a]", `\w`, `\W`, `\d`, `\s`, "é", "€", "[é-€]",
			`\x{FFFD}`, "k", "^", "$", `\b`, `\B`, `\A`, `\z`, "(?s:.)", `\pL`, "😀", "[^\\n]", "[^é]", "", " ",
		}).Draw(t, "atom")
	}
	sub := func() string { return drawRegexp(t, depth-1) }
	switch rapid.IntRange(0, 8).Draw(t, "op") {
	case 0, 1, 2:
		return sub() + sub()
	case 3:
		return sub() + sub() + sub()
	case 4:
		return "(?:" + sub() + "|" + sub() + ")"
	case 5:
		op := rapid.SampledFrom([]string{"*", "+", "?", "{2}", "{1,3}", "{2,}", "*?", "+?"}).Draw(t, "repeat")
		return "(?:" + sub() + ")" + op
	case 6:
		return "(?i:" + sub() + ")"
	default:
		return sub()
	}
}

// Lines and contents large enough for the lanes, with a cache so small that
// it is flushed all the time.
func TestLanesAndFlushes(t *testing.T) {
	exprs := []string{
		`[A-Z]{3}[0-9]{5}x`, `a.{9}b`, `[^a]{3}\n[0-9]x`, `\b[0-9]+ [a-z]{9}\b`, `(?s)Q.*Z[0-9]{4}`, `^[^a]*$`,
		`[0-9]\n\n[a-f]`, `é[^a]{3}é`, `\A[^Z]*Z`, `[a-z]+Q[0-9]{2}`, `foo.*bar[0-9]`, `(a|b)*c.{12}d\z`, `[x-z]{4}$`, `\Bqq[^q]{2}`,
	}
	for _, e := range exprs {
		s := mustCompile(t, Pattern{Regexp: e})
		small := s.NewScanner()
		small.runs[0].d.limit = 2000
		hunts := small.runs[0].hunts
		rapid.Check(t, func(t *rapid.T) {
			small.runs[0].hunts = hunts && rapid.Bool().Draw(t, "hunt")
			pieces := []string{"abc", "Q1", "Z1234", "\n", "é", "qq", "0123456789 ", "\xff\xfe", "foo", "bar7", "xyzx", "ABC12345x"}
			if rapid.Bool().Draw(t, "tame") {
				pieces = []string{"abc", "\n", "  ", "é ", "aa0a", "\xffa"}
			}
			unit := drawText(t, pieces, 30)
			b := bytes.Repeat(unit, rapid.SampledFrom([]int{1, 5, 40}).Draw(t, "times"))
			b = append(b, drawText(t, pieces, 60)...)
			checkSet(t, s, small, Pattern{Regexp: e}, b, drawCuts(t))
			checkSet(t, s, s.NewScanner(), Pattern{Regexp: e}, b, []int{700, 700, 1500})
			if used := small.runs[0].d.used(); used > 2000+8000 {
				t.Fatalf("%s: cache of %d bytes", e, used)
			}
		})
	}
}

// Where the automaton begins in the middle of a content it must not take the
// end of a rune for invalid bytes.
func TestBeginsOnRunes(t *testing.T) {
	near := []byte(strings.Repeat("z", 40) + "\U0001F600123456789foo")
	check(t, Pattern{Regexp: `(?:abcdefghijkl|\x{FFFD}123456789)foo`}, near, nil)
	check(t, Pattern{Regexp: `(?:abcdefghijkl|\x{FFFD}123456789)foo`}, near, []int{50, 3, 1})
	lanes := bytes.Repeat([]byte("-"), 2000)
	for i := 1; i < liveLanes; i++ {
		copy(lanes[i*500-14:], "\U0001F600123456789x")
	}
	check(t, Pattern{Regexp: `(?:[a-l]{12}|\x{FFFD}[0-9]{9})[x-z\n]`}, lanes, nil)
}

// A match that slides over the places where lanes begin is found at each.
func TestMatchAcrossLanes(t *testing.T) {
	for expr, planted := range map[string]string{
		`[^a-z]{3}[0-9]{5}[\nx]`: "---12345\n",
		`\B[xy]{2}\n?[0-9]`:      "xy\n7",
		`\b[xy]{2}\n?[0-9]`:      "_xy\n7",
		`^[xy]{2}\n?[0-9]`:       "xy7",
	} {
		s := mustCompile(t, Pattern{Regexp: expr})
		c, alone := s.NewScanner(), s.NewScanner()
		alone.runs[0].hunts = false
		for at := 480; at < 1020; at++ {
			b := bytes.Repeat([]byte("a"), 2000)
			copy(b[at:], planted)
			want := reference(Pattern{Regexp: expr}, b)
			if got := c.Whole(0, b); got != want {
				t.Fatalf("%s at %d: %v, want %v", expr, at, got, want)
			}
			if got := alone.Whole(0, b); got != want {
				t.Fatalf("%s at %d by the automaton alone: %v, want %v", expr, at, got, want)
			}
		}
	}
}

// A literal fed byte by byte is found wherever it begins.
func TestByteByByte(t *testing.T) {
	c := mustCompile(t, lit("12345678")).NewScanner()
	for n := range 100 {
		b := append(bytes.Repeat([]byte("1"), n), "12345678"...)
		if streamed(c, b, slices.Repeat([]int{1}, len(b)), 0); !c.Found(0) {
			t.Fatalf("after %d bytes: not found", n)
		}
	}
}

// Several patterns in one stream, with Whole asked in between, and nothing
// carried from one content to the next.
func TestManyPatterns(t *testing.T) {
	ps := []Pattern{
		lit("foobar"), fold(lit("FOO")), listOf("bar", "xx", "€"), {Regexp: `foo.*bar`}, {Regexp: `[a-z]+ bar`}, {Regexp: `a$`},
		{Regexp: `\Aa`}, {Regexp: `x\z`}, {Regexp: `a\nb`}, {Regexp: `[0-9]{2}`}, listOf("a0", "b0", "c0", "d0", "e0", "f0", "g0", "h0", "foobarfoobar"),
	}
	s := mustCompile(t, ps...)
	c := s.NewScanner()
	rapid.Check(t, func(t *rapid.T) {
		b := drawText(t, regexpPieces, 100)
		cuts := drawCuts(t)
		var wanted []int
		for i := range ps {
			if rapid.Bool().Draw(t, "want") {
				wanted = append(wanted, i)
			}
		}
		c.Start()
		for _, i := range wanted {
			c.Want(i)
		}
		pos := 0
		done := len(wanted) == 0
		for _, n := range cuts {
			n = min(n, len(b)-pos)
			done = done || c.Feed(b[pos:pos+n], false)
			pos += n
			c.Whole(len(cuts)%len(ps), b[:pos])
		}
		if !done && !c.Feed(b[pos:], true) {
			t.Fatalf("not done at the end")
		}
		for i, p := range ps {
			want := reference(p, b)
			if c.Whole(i, b) != want {
				t.Fatalf("%+v: whole, want %v", p, want)
			}
			asked := false
			for _, w := range wanted {
				asked = asked || w == i
			}
			if c.Found(i) != (want && asked) {
				t.Fatalf("%+v in %q: found %v, want %v, asked %v", p, b, c.Found(i), want, asked)
			}
		}
	})
}

func TestMatchesStops(t *testing.T) {
	b := []byte("ab ab\nab ab\nab")
	for _, p := range []Pattern{lit("ab"), listOf("ab", "zz"), {Regexp: "a[b]"}, {Regexp: `(?s)a.`}, {Regexp: `\Aab|b\s`}} {
		n := 0
		mustCompile(t, p).NewScanner().Matches(0, b, func(int, int) bool { n++; return n < 2 })
		if n != 2 {
			t.Errorf("%+v: yield called %d times after it said stop", p, n)
		}
	}
}

// A literal made to defeat the pair search is still found in linear time: the
// work is counted, not timed, by the switch to the failure table.
func TestPeriodicLiteral(t *testing.T) {
	text := bytes.Repeat([]byte("ab"), 20000)
	needle := append(bytes.Clone(text[:30000]), 'c')
	for _, hay := range [][]byte{bytes.Repeat([]byte("abc"), 30000), append(bytes.Clone(text), needle...), text} {
		check(t, Pattern{Literal: needle}, hay, []int{1000, 30000, 1, 29999})
	}
	needle = append(bytes.Repeat([]byte("ab"), 5000), bytes.Repeat([]byte("ba"), 5000)...)
	check(t, Pattern{Literal: needle}, append(bytes.Clone(text), needle...), []int{1000, 30000, 1, 29999})
}

func TestNoAllocation(t *testing.T) {
	s := mustCompile(t, lit("needle"), listOf("one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
		Pattern{Regexp: `[a-z]{3}[0-9]{3}`}, Pattern{Regexp: `foo.*bar`})
	c := s.NewScanner()
	b := bytes.Repeat([]byte("foo tw ab12\n"), 3000)
	once := func() {
		for p := range s.Len() {
			c.Whole(p, b)
		}
		c.Start()
		for p := range s.Len() {
			c.Want(p)
		}
		c.Feed(b, false)
		c.Feed(b, true)
	}
	once()
	if n := testing.AllocsPerRun(20, once); n != 0 {
		t.Errorf("%v allocations a content", n)
	}
}
