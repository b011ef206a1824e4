package pattern

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// ends gives every place at which a match of a node from pos on can end, by
// trying everything: slow and plain.
func ends(n *Node, data []byte, pos int) []int {
	switch n.Op {
	case Byte:
		if pos < len(data) && n.Set.Has(data[pos]) {
			return []int{pos + 1}
		}
		return nil
	case Concat:
		at := []int{pos}
		for _, sub := range n.Subs {
			at = each(at, func(p int) []int { return ends(sub, data, p) })
		}
		return at
	case Alternate:
		var out []int
		for _, sub := range n.Subs {
			out = append(out, ends(sub, data, pos)...)
		}
		return each(out, func(p int) []int { return []int{p} })
	case Repeat:
		at, out := []int{pos}, []int(nil)
		for k := 0; len(at) > 0 && (n.Max == Endless || k <= n.Max) && k <= n.Min+len(data)+1; k++ {
			if k >= n.Min {
				out = append(out, at...)
			}
			at = each(at, func(p int) []int { return ends(n.Subs[0], data, p) })
		}
		return each(out, func(p int) []int { return []int{p} })
	case TextStart:
		if pos != 0 {
			return nil
		}
	case TextEnd:
		if pos != len(data) {
			return nil
		}
	case Boundary, NoBoundary:
		if isBoundary(data, pos, n.Wide) != (n.Op == Boundary) {
			return nil
		}
	}
	return []int{pos}
}

// each joins what a function gives for each of a set.
func each(set []int, f func(int) []int) []int {
	var out []int
	for _, p := range set {
		for _, q := range f(p) {
			if !slices.Contains(out, q) {
				out = append(out, q)
			}
		}
	}
	return out
}

// matchesOf asks a program around its atoms, or everywhere, as a scan does.
func matchesOf(p *Program, data []byte) map[int]int {
	m := &Matcher{Steps: math.MaxInt64}
	found := map[int]int{}
	if len(p.Atoms()) == 0 {
		for i := range data {
			if end := m.From(p, data, i); end >= 0 {
				found[i] = end
			}
		}
		return found
	}
	for i, a := range p.Atoms() {
		text := data
		if a.Fold {
			text = Lower(data)
			a.Text = Lower(a.Text)
		}
		for at := 0; at+len(a.Text) <= len(data); at++ {
			if bytes.HasPrefix(text[at:], a.Text) {
				m.Match(p, i, data, at, func(start, end int) bool {
					found[start] = end
					return true
				})
			}
		}
	}
	return found
}

func randomRegexp(rnd *rand.Rand, depth int) string {
	var b strings.Builder
	for range 1 + rnd.IntN(4) {
		switch n := rnd.IntN(12); {
		case n == 0 && depth > 0:
			fmt.Fprintf(&b, "(%s|%s)", randomRegexp(rnd, depth-1), randomRegexp(rnd, depth-1))
		case n == 1 && depth > 0:
			fmt.Fprintf(&b, "(%s)", randomRegexp(rnd, depth-1))
		case n == 2:
			b.WriteString([]string{".", "[ab]", "[^a]", `\w`, `\W`, `\n`, `\x00`}[rnd.IntN(7)])
		case n == 3:
			b.WriteString([]string{"^", "$", `\b`, `\B`}[rnd.IntN(4)] + "a")
		default:
			b.WriteByte("abcA"[rnd.IntN(4)])
		}
		if rnd.IntN(4) == 0 {
			b.WriteString([]string{"*", "+", "?", "{2}", "{1,3}", "{0,2}", "*?", "+?", "??", "{1,2}?"}[rnd.IntN(10)])
		}
	}
	return b.String()
}

// A program finds a match exactly where one begins, and ends it where one
// ends; this holds for its atoms, too, as only around them it looks.
func TestProgramsAgainstTrying(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 4000 {
		text := randomRegexp(rnd, 2)
		n, err := ParseRegexp(text, Flags{Fold: rnd.IntN(4) == 0, DotAll: rnd.IntN(2) == 0})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if rnd.IntN(4) == 0 {
			n = Widen(n)
		}
		p, err := Compile(n)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for range 4 {
			data := make([]byte, rnd.IntN(14))
			for i := range data {
				data[i] = "aabbcA\n\x00"[rnd.IntN(8)]
			}
			checkMatches(t, text, n, data, matchesOf(p, data))
		}
	}
}

func checkMatches(t *testing.T, text string, n *Node, data []byte, got map[int]int) {
	t.Helper()
	for i := range len(data) {
		want := slices.DeleteFunc(ends(n, data, i), func(e int) bool { return e == i })
		end, found := got[i]
		if found && !slices.Contains(want, end) {
			t.Fatalf("/%s/ in %q: a match from %d to %d, and these are right: %v", text, data, i, end, want)
		}
		// Where the preferred match is empty a longer one need not be told.
		if empty := len(want) < len(ends(n, data, i)); !found && len(want) > 0 && !empty {
			t.Fatalf("/%s/ in %q: no match from %d, and these are right: %v", text, data, i, want)
		}
	}
}

func TestSearch(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		text := randomRegexp(rnd, 2)
		n, _ := ParseRegexp(text, Flags{})
		re, err := NewRegexp(text, Flags{})
		if err != nil {
			t.Fatal(err)
		}
		data := make([]byte, rnd.IntN(10))
		for i := range data {
			data[i] = "aabbcA\n\x00"[rnd.IntN(8)]
		}
		want := false
		for i := range len(data) + 1 {
			want = want || len(ends(n, data, i)) > 0
		}
		if got := re.MatchString(string(data)); got != want {
			t.Fatalf("/%s/ in %q: %v", text, data, got)
		}
	}
}

func TestAtoms(t *testing.T) {
	for text, want := range map[string]string{
		"hello": "hello", "/x.*hello.*y/": "x.*", "a(foo|barbaz)b": "foo|barbaz", "[0-9]+MZ": "MZ", "a*": "", ".*": "",
		"(a|b*)": "", "fo+bar": "bar", "(evil){3}": "evil", "x?(long_enough)": "long_enough", "[ab]z": "az|bz",
	} {
		if strings.HasPrefix(text, "/") {
			continue
		}
		n, err := ParseRegexp(text, Flags{})
		if err != nil {
			t.Fatal(err)
		}
		p, err := Compile(n)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range p.Atoms() {
			got = append(got, string(a.Text))
		}
		if s := strings.Join(got, "|"); s != want && !(text == "(evil){3}" && strings.HasPrefix(s, "evil")) {
			t.Errorf("%s: %q", text, s)
		}
	}
}

func TestTooLarge(t *testing.T) {
	for _, text := range []string{"(a{1,200}){1,200}", "((ab){100}){500}", "(a|bc){30000}"} {
		n, err := ParseRegexp(text, Flags{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Compile(n); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v", text, err)
		}
	}
	n, _ := ParseRegexp("a[^x]{1,30000}b", Flags{})
	if _, err := Compile(n); err != nil {
		t.Errorf("a single byte is counted as far as a match can reach: %v", err)
	}
}

// An expression that would take a backtracker for ever is given up when the
// steps are spent, and needs few.
func TestHostile(t *testing.T) {
	n, _ := ParseRegexp("(a|aa|a*)*(a|aa)*b", Flags{})
	p, err := Compile(n)
	if err != nil {
		t.Fatal(err)
	}
	m := &Matcher{Steps: 5_000_000}
	if end := m.From(p, bytes.Repeat([]byte("a"), 10_000), 0); end >= 0 || m.Steps <= 0 {
		t.Errorf("ends at %d with %d steps left", end, m.Steps)
	}
}

func TestSplit(t *testing.T) {
	n, err := ParseHex("4D 5A [0-10] 00 [300-400] 01 02 [-] 03")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range Split(n) {
		lo, hi := length(p.Node)
		got = append(got, fmt.Sprintf("%d..%d after %d..%d", lo, hi, p.MinGap, p.MaxGap))
	}
	if want := []string{"3..13 after 0..0", "2..2 after 300..400", "1..1 after 0..-1"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func FuzzRegexp(f *testing.F) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for range 50 {
		f.Add(randomRegexp(rnd, 2), []byte("aabbcA\n"))
	}
	f.Fuzz(func(t *testing.T, text string, data []byte) {
		n, err := ParseRegexp(text, Flags{})
		if err != nil {
			return
		}
		if p, err := Compile(n); err == nil {
			m := &Matcher{Steps: 1 << 20}
			m.Search(p, data)
			for i := range data {
				m.From(p, data, i)
			}
		}
	})
}

func FuzzHex(f *testing.F) {
	for _, s := range []string{"4D 5A", "4? ?A ~00 [2] (00|01 [1-2] 02) [-] FF", "00 // c\n 01 /* x */ 02", "[", "(((", "00 [1-"} {
		f.Add(s, []byte("MZ\x00\x01"))
	}
	f.Fuzz(func(t *testing.T, text string, data []byte) {
		n, err := ParseHex(text)
		if err != nil {
			return
		}
		for _, piece := range Split(n) {
			if p, err := Compile(piece.Node); err == nil {
				m := &Matcher{Steps: 1 << 20}
				for i := range data {
					m.From(p, data, i)
				}
			}
		}
	})
}
