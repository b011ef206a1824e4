package search

import (
	"bytes"
	"fmt"
	"regexp"
	"sort"

	"pgregory.net/rapid"
)

// tb is what rapid.T and testing.T share here.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
}

func mustCompile(t tb, ps ...Pattern) *Set {
	t.Helper()
	s, err := Compile(ps)
	if err != nil {
		t.Fatalf("compile %+v: %v", ps, err)
	}
	return s
}

// reference answers a pattern by the standard library alone.
func reference(p Pattern, b []byte) bool {
	switch {
	case p.Regexp != "":
		return stdRegexp(p).Match(b)
	case p.Literal != nil:
		return refLiteral(p.Literal, p.Fold, b)
	}
	for _, e := range p.List {
		if refLiteral(e, p.Fold, b) {
			return true
		}
	}
	return false
}

func stdRegexp(p Pattern) *regexp.Regexp {
	if p.Fold {
		return regexp.MustCompile("(?mi)" + p.Regexp)
	}
	return regexp.MustCompile("(?m)" + p.Regexp)
}

func refLiteral(e []byte, fold bool, b []byte) bool {
	if fold && foldsWide(e) {
		return regexp.MustCompile("(?i)" + regexp.QuoteMeta(string(e))).Match(b)
	}
	if fold {
		e, b = refLower(e), refLower(b)
	}
	return bytes.Contains(b, e)
}

// refLower puts ASCII letters in lower case and leaves all other bytes.
func refLower(b []byte) []byte {
	out := bytes.Clone(b)
	for i, c := range out {
		if 'A' <= c && c <= 'Z' {
			out[i] = c - 'A' + 'a'
		}
	}
	return out
}

// refMatches lists the matches of a pattern the slow way.
func refMatches(p Pattern, b []byte) [][2]int {
	out := [][2]int{}
	if p.Regexp != "" {
		for _, m := range stdRegexp(p).FindAllIndex(b, -1) {
			out = append(out, [2]int{m[0], m[1]})
		}
		return out
	}
	es := p.List
	if p.Literal != nil {
		es = [][]byte{p.Literal}
	}
	es = append([][]byte(nil), es...)
	sort.SliceStable(es, func(i, j int) bool { return len(es[i]) > len(es[j]) })
	for pos := 0; pos < len(b); {
		n := 0
		for _, e := range es {
			if k := refAt(e, p.Fold, b[pos:]); k > n {
				n = k
			}
		}
		if n == 0 {
			pos++
			continue
		}
		out = append(out, [2]int{pos, pos + n})
		pos += n
	}
	return out
}

// refAt is the length of e at the beginning of b, or 0.
func refAt(e []byte, fold bool, b []byte) int {
	if fold && foldsWide(e) {
		at := regexp.MustCompile(`(?i)\A` + regexp.QuoteMeta(string(e))).FindIndex(b)
		if at == nil {
			return 0
		}
		return at[1]
	}
	if len(b) < len(e) {
		return 0
	}
	if b = b[:len(e)]; fold {
		e, b = refLower(e), refLower(b)
	}
	if bytes.Equal(b, e) {
		return len(e)
	}
	return 0
}

// streamed answers pattern 0 of a scanner over chunks cut at the given places.
func streamed(c *Scanner, b []byte, cuts []int, wanted ...int) {
	c.Start()
	for _, p := range wanted {
		c.Want(p)
	}
	buf := make([]byte, len(b))
	pos := 0
	for _, n := range cuts {
		n = min(n, len(b)-pos)
		chunk := buf[:copy(buf[:n], b[pos:pos+n])]
		pos += n
		done := c.Feed(chunk, false)
		for i := range chunk {
			chunk[i] = 0xEE // the caller reuses it
		}
		if done {
			return
		}
	}
	c.Feed(b[pos:], true)
}

// check compares whole, streamed and listed answers with the reference.
func check(t tb, p Pattern, b []byte, cuts []int) {
	t.Helper()
	s := mustCompile(t, p)
	checkSet(t, s, s.NewScanner(), p, b, cuts)
}

func checkSet(t tb, s *Set, c *Scanner, p Pattern, b []byte, cuts []int) {
	t.Helper()
	want := reference(p, b)
	name := fmt.Sprintf("%q %q list %q fold %v in %q", p.Regexp, p.Literal, p.List, p.Fold, clip(b))
	if got := c.Whole(0, b); got != want {
		t.Fatalf("%s: whole %v, want %v", name, got, want)
	}
	streamed(c, b, cuts, 0)
	if got := c.Found(0); got != want {
		t.Fatalf("%s: streamed in %v: %v, want %v", name, cuts, got, want)
	}
	got := [][2]int{}
	c.Matches(0, b, func(i, j int) bool { got = append(got, [2]int{i, j}); return true })
	if ref := refMatches(p, b); fmt.Sprint(got) != fmt.Sprint(ref) {
		t.Fatalf("%s: matches %v, want %v", name, got, ref)
	}
}

func clip(b []byte) []byte { return b[:min(len(b), 400)] }

// drawCuts draws where a stream is cut: often in tiny pieces.
func drawCuts(t *rapid.T) []int {
	n := rapid.SampledFrom([]int{0, 1, 3, 7, 40, 300}).Draw(t, "chunk")
	return rapid.SliceOfN(rapid.IntRange(0, n), 0, 60).Draw(t, "cuts")
}

// drawText draws bytes from an alphabet of few pieces, so that patterns of
// the same pieces are often nearly there.
func drawText(t *rapid.T, pieces []string, most int) []byte {
	var b []byte
	for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(pieces)-1), 0, most).Draw(t, "text") {
		b = append(b, pieces[i]...)
	}
	return b
}
