package search

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func coreOf(t tb, p Pattern) *core {
	t.Helper()
	tree, _, err := parse(p.Regexp, p.Fold)
	if err != nil {
		t.Fatalf("%s: %v", p.Regexp, err)
	}
	return bestCore(tree)
}

// String writes a core as an expression.
func (c *core) String() string {
	if c == nil {
		return "none"
	}
	var s strings.Builder
	for _, set := range c.sets {
		s.WriteByte('[')
		for b := range byte(0x80) {
			if set.has(b) {
				s.WriteByte(b)
			}
		}
		s.WriteByte(']')
	}
	return fmt.Sprintf("%s %d", s.String(), c.before)
}

func TestCore(t *testing.T) {
	for _, tt := range []struct {
		p    Pattern
		want string
	}{
		{Pattern{Regexp: `[ab]{2}x`}, "[ab][ab][x] 0"},
		{Pattern{Regexp: `^\b(?:[ab]x)$`}, "[ab][x] 0"},
		{Pattern{Regexp: `([ab])(x[01])`}, "[ab][x][01] 0"},
		{Pattern{Regexp: `[01]{2,4}x`}, "[01][01][x] 2"},
		{Pattern{Regexp: `x[01]{2,4}`}, "[x][01][01] 0"},
		{Pattern{Regexp: `[01]+x`}, "[01][x] -1"},
		{Pattern{Regexp: `y[01]*x[01]`}, "[x][01] -1"},
		{Pattern{Regexp: `.[01]Q`}, "[01][Q] 4"},
		{Pattern{Regexp: `(?:[01]Q)+`}, "[01][Q] 0"},
		{Pattern{Regexp: `ax|by`}, "[ab][xy] 0"},
		{Pattern{Regexp: `q(?:ab|xyz)z`}, "[ax][by] 1"},
		{Pattern{Regexp: `q(?:ab|xy)z`}, "[q][ax][by][z] 0"},
		{Pattern{Regexp: `(?:.|[01]x)`}, "none"},
		{Pattern{Regexp: `(?:[01]x)?`}, "none"},
		{Pattern{Regexp: `[01]é[2-4]Q`}, "[234][Q] 3"},
		{Pattern{Regexp: `[01]{70}Q`}, strings.Repeat("[01]", 63) + "[Q] 7"},
		{Pattern{Regexp: `Q[01]{70}`}, "[Q]" + strings.Repeat("[01]", 63) + " 0"},
		{Pattern{Regexp: `([01]{2,4}){3}Q`}, "[01][01][01][01][01][01][Q] 6"},
		{Pattern{Regexp: `[a-c]x`, Fold: true}, "[ABCabc][Xx] 0"},
		{Pattern{Regexp: `kxq`, Fold: true}, "[Xx][Qq] 3"},
		{Pattern{Regexp: `[^\x00-\x{10FFFF}]x`}, "[][x] 0"},
	} {
		c := coreOf(t, tt.p)
		if got := c.String(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.p.Regexp, got, tt.want)
		}
	}
}

// What is sought ahead of the automaton: two literals or fewer, else classes
// where they are rare, else nothing.
func TestSeekers(t *testing.T) {
	for expr, want := range map[string]string{
		`[A-Z]{3}[0-9]{5}x[a-f]{4}`:        "classes 13",
		`(?:[A-Z]{3}[0-9]{5}x[a-f]{4}){2}`: "classes 26",
		`[a-c][xy]Q[0-9]{4}`:               "classes 7",
		`[0-9]{2,4}-[0-9]{2}-[0-9]{2}`:     "classes 8",
		`ses[0-9]{4}`:                      "literal 3",
		`[a-z]{3}`:                         "",
		`[a-z ]+[^a]`:                      "",
		`[0-9a-f]{1000}`:                   "classes 64",
	} {
		x, err := newRegex(expr, false)
		if err != nil {
			t.Fatalf("%s: %v", expr, err)
		}
		got := ""
		for _, s := range x.seek {
			got = fmt.Sprintf("%s %d", strings.TrimPrefix(fmt.Sprintf("%T", s), "*search."), s.size())
		}
		if !hasVector() && strings.HasPrefix(want, "classes") {
			want = got // the automaton may be the faster here
		}
		if got != want {
			t.Errorf("%s: seeks %q, want %q", expr, got, want)
		}
	}
}

// The kernel agrees with the plain way wherever a sequence stands, at each
// number of positions around its blocks, and for each number of tests.
func TestClassVector(t *testing.T) {
	if !hasVector() {
		t.Log("no vector kernel on this machine: the portable one is checked against itself")
	}
	sets := []byteSet{byteSet{}.with('x'), byteSet{}.with(0).with(127), byteSet{}.with('x').with('y').with('0')}
	for _, length := range []int{2, 3, 5, 16, 40, 300} {
		var seq []byteSet
		var text []byte
		for i := range length {
			seq, text = append(seq, sets[i*i%3]), append(text, "x\x7f0"[i*i%3])
		}
		s := newClasses(seq)
		if s == nil {
			s = &classes{length: length}
			for i := range min(length, maxTests) {
				s.tests = append(s.tests, newClassTest(i, seq[i]))
			}
		}
		for n := 1; n < 260; n++ {
			for _, at := range []int{-1, 0, 1, 31, 32, 63, 64, 65, 127, 128, n - 65, n - 64, n - 2, n - 1} {
				b := bytes.Repeat([]byte("\xf8x"), (n+length)/2+1)[:n+length-1]
				want := -1
				if at >= 0 && at < n {
					copy(b[at:], text)
					want = at
				}
				checkClasses(t, s, b, want)
			}
		}
	}
}

func checkClasses(t tb, s *classes, b []byte, want int) {
	t.Helper()
	plain := *s
	plain.vector = false
	if got := plain.index(b); got != want {
		t.Fatalf("portable: %d, want %d, in %q", got, want, clip(b))
	}
	plain.lone = -1
	if got := plain.index(b); got != want {
		t.Fatalf("portable, none alone: %d, want %d, in %q", got, want, clip(b))
	}
	if got := s.index(b); got != want {
		t.Fatalf("vector: %d, want %d, in %q", got, want, clip(b))
	}
}

// Each byte value is in exactly the sets it was put in, in the kernel too.
func TestClassMembership(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sets := make([]byteSet, rapid.IntRange(2, 20).Draw(t, "length"))
		for i := range sets {
			for _, c := range rapid.SliceOf(rapid.ByteRange(0, 127)).Draw(t, "set") {
				sets[i] = sets[i].with(c)
			}
		}
		s := newClasses(sets)
		if s == nil {
			return
		}
		b := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "b")
		if len(b) >= len(sets) && rapid.Bool().Draw(t, "plant") {
			at := rapid.IntRange(0, len(b)-len(sets)).Draw(t, "at")
			for i, set := range sets {
				for c := range byte(128) {
					if set.has(c) {
						b[at+i] = c
					}
				}
			}
		}
		want := -1
		for i := 0; i+len(sets) <= len(b) && want < 0; i++ {
			ok := true
			for _, k := range s.tests {
				ok = ok && sets[k.at].has(b[i+k.at])
			}
			if ok {
				want = i
			}
		}
		checkClasses(t, s, b, want)
	})
}

// drawClasses draws an expression mostly of classes.
func drawClasses(t *rapid.T, depth int) string {
	if depth == 0 {
		return rapid.SampledFrom([]string{
			"[A-C]", "[0-9]", "x", "[x-z]", "[XQ]", "Q", "~", "[~|]", "k", "[k-m]", "é", ".", "^", "$", `\b`, `\n`, "[\\n~]", "[^Q]", "Q7",
		}).Draw(t, "atom")
	}
	sub := func() string { return drawClasses(t, depth-1) }
	switch rapid.IntRange(0, 7).Draw(t, "op") {
	case 0, 1, 2:
		return sub() + sub()
	case 3:
		return sub() + sub() + sub()
	case 4:
		return "(?:" + sub() + "|" + sub() + ")"
	case 5, 6:
		op := rapid.SampledFrom([]string{"{2}", "{3}", "{1,3}", "{2,4}", "+", "?", "*", "{2,}"}).Draw(t, "repeat")
		return "(" + sub() + ")" + op
	default:
		return "(?i:" + sub() + ")"
	}
}

var classPieces = []string{"A", "B", "0", "7", "x", "z", "X", "Q", "~", "k", "K", "\u212A", "\n", "é", "\xff", "Q7", "~Q0x", "A0x", "AB07xz", " ", "a b c d e f g h i j k l m n o p q r s t u v w x y z A B C D E F G H I J K L M N O P Q R S T U V W X Y Z"}

func TestClassesProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Pattern{Regexp: drawClasses(t, 4), Fold: rapid.Bool().Draw(t, "fold")}
		if _, err := Compile([]Pattern{p}); err != nil {
			return
		}
		b := drawText(t, classPieces, 120)
		check(t, p, b, drawCuts(t))
		c := coreOf(t, p)
		if c == nil {
			return
		}
		for _, m := range refMatches(p, b) {
			at := coreIn(c, b[m[0]:m[1]])
			if at < 0 || c.before != endless && at > c.before {
				t.Fatalf("%s fold %v: core %s at %d of match %q", p.Regexp, p.Fold, c, at, b[m[0]:m[1]])
			}
		}
	})
}

// coreIn returns where c first stands in b, or -1.
func coreIn(c *core, b []byte) int {
	for i := 0; i+len(c.sets) <= len(b); i++ {
		ok := true
		for k, set := range c.sets {
			ok = ok && set.has(b[i+k])
		}
		if ok {
			return i
		}
	}
	return -1
}

// A match is found wherever it stands and wherever the stream is cut through
// it, between near misses.
func TestClassesAcrossChunks(t *testing.T) {
	for expr, match := range map[string]string{
		`[A-Z]{3}[0-9]{5}x[a-f]{4}`:     "QRS01234xabcd",
		`[0-9]{2,4}-[0-9]{2}-[0-9]{2}Z`: "2026-11-23Z",
		`\b[x-z]{2}~[0-9]+Q[0-9]{3}$`:   "xy~123456789Q123",
		`é[0-9]{3}~[A-F]{2}`:            "é012~AB",
	} {
		p := Pattern{Regexp: expr}
		s := mustCompile(t, p)
		c := s.NewScanner()
		for at := range 150 {
			b := bytes.Repeat([]byte("QRS01234 xy~12Q1 2026-11-é01~A "), 8)
			b = append(append(b[:at], ' '), match...)
			b = append(b, "\nQRS01234xabc"...)
			for _, size := range []int{1, 2, 7, 64, at + 4} {
				checkSet(t, s, c, p, b, bytesOf(size, len(b)))
			}
			checkSet(t, s, c, p, append(b[:at:at], match[:len(match)-1]...), []int{at, 3})
		}
	}
}

// bytesOf cuts n bytes into chunks of one size.
func bytesOf(size, n int) []int {
	var cuts []int
	for ; n > 0; n -= size {
		cuts = append(cuts, size)
	}
	return cuts
}
