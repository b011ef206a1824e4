package value

import (
	"fmt"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func compile(t testing.TB, pattern string, o GlobOptions) *Glob {
	t.Helper()
	g, err := CompileGlob(pattern, o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGlobTable(t *testing.T) {
	win := GlobOptions{Windows: true, Fold: true}
	for _, c := range []struct {
		pattern string
		o       GlobOptions
		yes, no string // paths, separated by |
	}{
		{"/etc/**", GlobOptions{}, "/etc/a|/etc/a/b", "/etc|/etcx|/etc/"}, {"/a/**/b", GlobOptions{}, "/a/b|/a/x/b|/a/x/y/b", "/a|/b|/a/bb"},
		{"/etc/**.conf", GlobOptions{}, "/etc/a.conf|/etc/.conf|/etc/x/a.conf|/etc/x/y/.conf", "/etc|/a.conf|/etc/a.confx"},
		{"/a**b", GlobOptions{}, "/ab|/axb|/ax/yb|/a/b|/a/x/b", "/a/bc|/xa/b"}, {"/*", GlobOptions{}, "/a", "/|/a/b"}, {"/", GlobOptions{}, "/|//", "/a|a|"},
		{"/{etc,usr/lib}/x", GlobOptions{}, "/etc/x|/usr/lib/x", "/usr/x"}, {"/a{,.bak}", GlobOptions{}, "/a|/a.bak", "/a.ba"}, {"/a{,/b}/c", GlobOptions{}, "/a/c|/a/b/c", "/a|/a/b"},
		{"/x/{GUID}/y", GlobOptions{}, "/x/{GUID}/y", "/x/GUID/y"}, {"/{a{b,c},d}", GlobOptions{}, "/ab|/ac|/d", "/a"}, {"{,/b}", GlobOptions{}, "/b", "|/"},
		{"/[a-c]?[!x]", GlobOptions{}, "/aéy|/c\xffy", "/dxy|/abx|/a//y"}, {`/\*\{`, GlobOptions{}, "/*{", "/a{"}, {"/[]a]", GlobOptions{}, "/]|/a", "/b"}, {"**/x", GlobOptions{}, "/x|x|/a/x", "/xx"},
		{"//a///b/", GlobOptions{}, "/a/b|/a//b/", "a/b"}, {"*.{exe,dll}", GlobOptions{Fold: true}, "A.EXE|b.Dll", "a/b.exe|c.sys"}, {"kworker*", GlobOptions{Flat: true}, "kworker/0:1", "xkworker"},
		{`C:\Users\*\*.exe`, win, `c:\users\bob\X.EXE|C:/Users/b/c.exe`, `C:\Users\x.exe|D:\Users\b\c.exe`}, {`\\srv\share\**`, win, `\\SRV\share\a\b`, `\srv\share\a`}, {"/é*", GlobOptions{Fold: true}, "/Éa", "/e"},
		{"**", GlobOptions{}, "/|/a|a/b", ""}, {"{,x}", GlobOptions{Flat: true}, "|x", "y"},
	} {
		g := compile(t, c.pattern, c.o)
		for _, p := range strings.Split(c.yes, "|") {
			if !g.Match(p) {
				t.Errorf("%s does not match %q", c.pattern, p)
			}
		}
		for _, p := range strings.Split(c.no, "|") {
			if g.Match(p) {
				t.Errorf("%s matches %q", c.pattern, p)
			}
		}
	}
}

func TestGlobPrefix(t *testing.T) {
	win := GlobOptions{Windows: true, Fold: true}
	for _, c := range []struct {
		pattern string
		o       GlobOptions
		prefix  string
		literal bool
	}{
		{"/etc/*.conf", GlobOptions{}, "/etc", false}, {"/etc/passwd", GlobOptions{}, "/etc/passwd", true}, {"/", GlobOptions{}, "/", true}, {"/*", GlobOptions{}, "/", false},
		{"/etc/**", GlobOptions{}, "/etc", false}, {"**/x", GlobOptions{}, "", false}, {"/a/**/b", GlobOptions{}, "/a", false}, {"/etc{,/x}", GlobOptions{}, "/", false},
		{"/usr/{bin,sbin}/x", GlobOptions{}, "/usr", false}, {"/usr/{bin/x,bin/y}", GlobOptions{}, "/usr/bin", false}, {`/a\*b/c`, GlobOptions{}, "/a*b/c", true},
		{"/1/etc/x", GlobOptions{Fold: true}, "/1", false}, {`C:\*`, win, `C:\`, false}, {`C:\Users\a.txt`, win, `C:\Users\a.txt`, true}, {`\\s\x\*`, win, `\\s\x`, false}, {"a/b*", GlobOptions{}, "a", false},
	} {
		g := compile(t, c.pattern, c.o)
		if g.Prefix() != c.prefix || g.Literal() != c.literal {
			t.Errorf("%s: prefix %q, literal %t", c.pattern, g.Prefix(), g.Literal())
		}
	}
}

func TestGlobErrors(t *testing.T) {
	for pattern, want := range map[string]string{
		"": "empty", "/a[b": "offset 2: [", "/{a,b": "offset 1: {", "/a}": "offset 2: }", `/a\`: "offset 2", "[z-a]": "backwards", strings.Repeat("a", MaxPattern+1): "4096",
		strings.Repeat("{", 20): "deeper", "/" + strings.Repeat("{a,b}", 9): "alternatives", "/" + strings.Repeat("{a,/}", 7): "alternatives", strings.Repeat("/*a", 130): "large",
		"/" + strings.Repeat("a**", 1300): "**", "{,}": "nothing",
	} {
		if _, err := CompileGlob(pattern, GlobOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v", pattern, err)
		}
	}
}

// naive decides by a regexp that is made from the written-out pattern, one of the rules for each token.
func naive(t interface{ Fatal(...any) }, pattern, path string, fold bool) bool {
	p := globParser{src: pattern}
	nodes, err := p.sequence(0)
	if err != nil {
		t.Fatal(err)
	}
	all, ok := expandGlob(nodes, true, 1<<20)
	if !ok {
		t.Fatal("too many")
	}
	for _, seq := range all {
		if naiveOne(seq, path, fold) {
			return true
		}
	}
	return false
}

// naiveNode writes a node as a regular expression.
func naiveNode(n globNode) string {
	switch n.kind {
	case globLiteral:
		return regexp.QuoteMeta(n.text)
	case globOne:
		return "[^/]"
	case globStar:
		return "[^/]*"
	case globDeep:
		return ".*"
	}
	class := "["
	if n.class.negated {
		class += "^/"
	}
	for _, g := range n.class.ranges {
		class += fmt.Sprintf(`\x{%x}-\x{%x}`, g.lo, g.hi)
	}
	return class + "]"
}

func naiveOne(seq []globNode, path string, fold bool) bool {
	var re strings.Builder
	re.WriteString("(?s")
	if fold {
		re.WriteString("i")
	}
	re.WriteString(`)\A`)
	var segs [][]globNode
	segs = append(segs, nil)
	for _, n := range seq {
		if n.kind == globSep {
			segs = append(segs, nil)
			continue
		}
		segs[len(segs)-1] = append(segs[len(segs)-1], n)
	}
	var kept [][]globNode
	for i, s := range segs {
		if len(s) > 0 || i == 0 && len(segs) > 1 {
			kept = append(kept, s)
		}
	}
	if len(kept) == 0 {
		return false
	}
	// Each segment is written with the separator behind it, and so is the path.
	for i, s := range kept {
		if len(s) == 1 && s[0].kind == globDeep {
			if i == len(kept)-1 {
				re.WriteString("(?:[^/]*/)+")
			} else {
				re.WriteString("(?:[^/]*/)*")
			}
			continue
		}
		for _, n := range s {
			re.WriteString(naiveNode(n))
		}
		re.WriteString("/")
	}
	re.WriteString(`\z`)
	if path == "" {
		return false
	}
	// Separators in a row are one, in a path as in a pattern.
	path = regexp.MustCompile("//+").ReplaceAllString(path, "/")
	return regexp.MustCompile(re.String()).MatchString(strings.TrimRight(path, "/") + "/")
}

var (
	globPieces = rapid.SampledFrom([]string{"/", "/", "a", "b", "A", "*", "**", "/**", "?", "[ab]", "[!a]", "{a,b}", "{,a}", "{a,b/a}", "{**,b}", "{a}", "é", "k"})
	globPaths  = rapid.StringMatching(`/?([abAéKk]{1,3}/){0,4}[abAK]{1,2}`)
)

func drawGlob(t *rapid.T) (*Glob, string, GlobOptions) {
	pattern := strings.Join(rapid.SliceOfN(globPieces, 1, 9).Draw(t, "pieces"), "")
	o := GlobOptions{Fold: rapid.Bool().Draw(t, "fold")}
	g, err := CompileGlob(pattern, o)
	if err != nil {
		if !strings.Contains(err.Error(), "nothing") && !strings.Contains(err.Error(), "too") {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return g, pattern, o
}

func TestGlobAgainstNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, pattern, o := drawGlob(t)
		for range 10 {
			path := globPaths.Draw(t, "path")
			if got, want := g.Match(path), naive(t, pattern, path, o.Fold); got != want {
				t.Fatalf("%s on %q: %t, naive %t", pattern, path, got, want)
			}
		}
	})
}

func TestGlobStepIsMatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, pattern, _ := drawGlob(t)
		path := globPaths.Draw(t, "path")
		prefix := g.Prefix()
		rest, under := strings.CutPrefix(path, strings.TrimSuffix(prefix, "/")+"/")
		switch {
		case prefix == "":
			return
		case path == prefix:
			if g.Match(path) != g.Literal() {
				t.Fatalf("%s: the prefix %q itself matches", pattern, prefix)
			}
			return
		case !under || rest == "":
			if g.Match(path) {
				t.Fatalf("%s matches %q outside its prefix %q", pattern, path, prefix)
			}
			return
		}
		s, full, deeper := g.Root(), false, !g.Literal()
		for _, name := range strings.Split(rest, "/") {
			before := deeper
			s, full, deeper = g.Step(s, name)
			if full && !before {
				t.Fatal("a match below where nothing could be")
			}
		}
		if full != g.Match(path) {
			t.Fatalf("%s on %q: step %t, match %t", pattern, path, full, g.Match(path))
		}
	})
}

func TestGlobAgainstFilepath(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the separator of path/filepath is another one")
	}
	piece := rapid.SampledFrom([]string{"a", "b", "*", "?", "[a-b]", "[^a]", `\*`, "é"})
	rapid.Check(t, func(t *rapid.T) {
		pattern := strings.Join(rapid.SliceOfN(piece, 1, 6).Draw(t, "pieces"), "")
		if strings.Contains(pattern, "**") {
			return
		}
		name := rapid.StringMatching(`[abé*]{1,6}`).Draw(t, "name")
		g, err := CompileGlob(pattern, GlobOptions{})
		want, err2 := filepath.Match(pattern, name)
		if err != nil || err2 != nil || g.Match(name) != want {
			t.Fatalf("%s on %s: want %t, %v, %v", pattern, name, want, err, err2)
		}
	})
}

func TestStepDoesNotAllocate(t *testing.T) {
	g := compile(t, "/home/*/{.config,.local}/**/*.{desktop,[ab]sh}", GlobOptions{Fold: true})
	s, _, _ := g.Step(g.nodes[0].reach, "")
	if n := testing.AllocsPerRun(100, func() {
		g.Step(s, "home")
		g.Match("/home/bob/.config/x/y/z.Desktop")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzGlob(f *testing.F) {
	f.Add("/etc/**/{a,b}*[!x]", "/etc/x/ab", false)
	f.Add(`C:\**`, `C:\x`, true)
	f.Fuzz(func(t *testing.T, pattern, path string, other bool) {
		for _, o := range []GlobOptions{{Fold: other}, {Windows: true, Fold: other}, {Flat: true, Fold: other}} {
			g, err := CompileGlob(pattern, o)
			if err != nil {
				continue
			}
			got := g.Match(path)
			if g.Literal() && !o.Flat && !g.Match(g.Prefix()) {
				t.Fatalf("%q does not match its own path %q", pattern, g.Prefix())
			}
			if o == (GlobOptions{}) && utf8.ValidString(pattern) && utf8.ValidString(path) && got != naive(t, pattern, path, false) {
				t.Fatalf("%q on %q: %t", pattern, path, got)
			}
		}
	})
}

func likeRegexp(pattern string, fold bool) *regexp.Regexp {
	re := `(?s)\A`
	if fold {
		re = `(?si)\A`
	}
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '%':
			re += ".*"
		case '_':
			re += "."
		case '\\':
			i++
			c = pattern[i]
			fallthrough
		default:
			re += regexp.QuoteMeta(string(rune(c)))
		}
	}
	return regexp.MustCompile(re + `\z`)
}

func TestLikeAgainstRegexp(t *testing.T) {
	piece := rapid.SampledFrom([]string{"a", "b", "k", "%", "_", `\%`, `\_`})
	rapid.Check(t, func(t *rapid.T) {
		pattern := strings.Join(rapid.SliceOfN(piece, 0, 8).Draw(t, "pieces"), "")
		s := rapid.StringMatching(`[abkKé%_]{0,8}`).Draw(t, "s")
		fold := rapid.Bool().Draw(t, "fold")
		if got, want := Like(pattern, s, fold), likeRegexp(pattern, fold).MatchString(s); got != want {
			t.Fatalf("%s on %s: %t, want %t", pattern, s, got, want)
		}
	})
	if _, err := CompileLike(`a\`, false); err == nil {
		t.Error("a lone backslash was accepted")
	}
}

func FuzzLike(f *testing.F) {
	f.Add("a%_b", "axxb", true)
	f.Fuzz(func(t *testing.T, pattern, s string, fold bool) {
		p, err := CompileLike(pattern, fold)
		if err != nil {
			return
		}
		if p.Match(s) && !fold && !strings.ContainsAny(pattern, `%_\`) && pattern != s {
			t.Fatalf("%q matches %q", pattern, s)
		}
		if !Like("%", s, fold) || s != "" && !Like("%_", s, fold) {
			t.Fatalf("%% does not match %q", s)
		}
	})
}

// foldRunes brings each character to the least of its orbit, and each stray byte among the surrogates.
func foldRunes(s string) (out []rune) {
	for s != "" {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			r = 0xdc00 + rune(s[0])
		} else {
			least := r
			for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
				least = min(least, f)
			}
			r = least
		}
		out, s = append(out, r), s[n:]
	}
	return out
}

func TestFoldAgainstRunes(t *testing.T) {
	char := rapid.SampledFrom([]string{"k", "K", "\u212a", "é", "É", "ß", "ẞ", "σ", "ς", ".", "\xff", "\xc3", "日"})
	text := func(n int) *rapid.Generator[string] {
		return rapid.Map(rapid.SliceOfN(char, 0, n), func(s []string) string { return strings.Join(s, "") })
	}
	rapid.Check(t, func(t *rapid.T) {
		s, sub := text(6).Draw(t, "s"), text(3).Draw(t, "sub")
		a, b := string32(foldRunes(s)), string32(foldRunes(sub))
		if FoldEqual(s, sub) != (a == b) || FoldContains(s, sub) != strings.Contains(a, b) ||
			FoldHasPrefix(s, sub) != strings.HasPrefix(a, b) || FoldHasSuffix(s, sub) != strings.HasSuffix(a, b) {
			t.Fatalf("%q, %q: %t %t %t %t", s, sub, FoldEqual(s, sub), FoldContains(s, sub), FoldHasPrefix(s, sub), FoldHasSuffix(s, sub))
		}
	})
}

// string32 writes runes so that substrings are substrings, surrogates included.
func string32(rs []rune) string {
	var b strings.Builder
	for _, r := range rs {
		b.WriteString(string(0x40000 + r))
	}
	return b.String()
}

func TestBackslashSeparates(t *testing.T) {
	for p, want := range map[string]bool{
		`C:\Windows\*`: true, `c:/x`: true, `\\server\share`: true, `HKLM\SYSTEM\*`: true, `hkcu\x`: true, `HKEY_USERS\*`: true,
		`/etc/\*`: false, `HKLM`: false, `C:`: false, `a\*`: false, "": false, `HKLMX\a`: false,
	} {
		if got := BackslashSeparates(p); got != want {
			t.Errorf("%q: %v", p, got)
		}
	}
}

// TestEscapeGlob: whatever a host calls a file, the pattern that is made of it
// means that file and no other.
func TestEscapeGlob(t *testing.T) {
	// The same path has no empty segments, and one separator.
	same := func(path string, windows bool) string {
		seps := "/"
		if windows {
			seps = `/\`
		}
		isSep := func(r rune) bool { return strings.ContainsRune(seps, r) }
		front := path[:len(path)-len(strings.TrimLeftFunc(path, isSep))]
		if len(front) > 1 && !windows {
			front = front[:1]
		}
		return strings.Repeat("/", min(len(front), 2)) + strings.Join(strings.FieldsFunc(path, isSep), "/")
	}
	path := rapid.OneOf(
		rapid.StringOfN(rapid.SampledFrom([]rune(`ab/\*?[]{},!-^:`)), 1, 6, -1),
		rapid.Custom(func(t *rapid.T) string {
			return rapid.SampledFrom([]string{`C:\`, `C:/`, `\\`, `HKLM\`, `HKEY_`, `HKEY_\`, `*:\`, "/srv/"}).Draw(t, "front") +
				rapid.StringOfN(rapid.SampledFrom([]rune(`ab/\*?[]{},`)), 0, 4, -1).Draw(t, "rest")
		}))
	rapid.Check(t, func(t *rapid.T) {
		text, other := path.Draw(t, "text"), path.Draw(t, "other")
		pattern := EscapeGlob(text)
		windows := BackslashSeparates(pattern)
		g, err := CompileGlob(pattern, GlobOptions{Windows: windows})
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if !g.Match(text) {
			t.Fatalf("%q is not matched by %q", text, pattern)
		}
		if g.Match(other) && same(other, windows) != same(text, windows) {
			t.Fatalf("%q is matched by %q, which is of %q", other, pattern, text)
		}
	})
}
