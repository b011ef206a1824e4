package yara

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// mustCompile compiles rules that are right.
func mustCompile(t testing.TB, text string, o Options) *Rules {
	t.Helper()
	r, err := Compile(Source{Name: "test.yar", Text: text}, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// condition wraps a condition into a rule; one that begins with a string has
// its strings before a bar.
func condition(c string) string {
	bar := strings.LastIndex(c, " | ")
	if bar < 0 || c[0] != '$' {
		return "rule x { condition: " + c + " }"
	}
	return "rule x { strings: " + c[:bar] + " condition: " + c[bar+3:] + " }"
}

// holds says whether the only rule of a text holds.
func holds(t *testing.T, text string, b []byte, o Options) bool {
	t.Helper()
	res, err := mustCompile(t, text, o).NewScanner(Limits{}).Whole(context.Background(), b)
	if err != nil || len(res.Undecided) > 0 {
		t.Fatalf("%s: %v %+v", text, err, res.Undecided)
	}
	return len(res.Matches) > 0
}

// Each line is a condition over the content below it, and whether it holds.
const sample = "MZ\x90\x00 hello Hello world\x00h\x00i\x00\xff\xfe abcabcabc 2024-11-30\n"

var conditions = []struct {
	text string
	want bool
}{
	{`true`, true}, {`false`, false}, {`1`, true}, {`0`, false}, {`"x" == "x"`, true}, {`not ""  == "x"`, true},
	{`filesize == 51`, true}, {`filesize < 1KB and filesize < 1MB`, true}, {`1KB == 1024 and 1MB == 1048576`, true},
	{`0x10 == 16 and 0o17 == 15`, true}, {`1.5 + 1 == 2.5`, true}, {`7 \ 2 == 3 and 7.0 \ 2 == 3.5`, true},
	{`-7 \ 2 == -3 and -7 % 2 == -1`, true}, {`7 % 4 == 3`, true}, {`6 & 3 == 2`, true}, {`(6 | 1) == 7 and (6 ^ 2) == 4`, true},
	{`1 << 3 == 8 and 256 >> 4 == 16 and 1 << 64 == 0`, true}, {`~0 == -1`, true}, {`-(3) + 4 == 1`, true},
	{`defined (1 << (filesize - 100))`, false}, {`1 + 2 * 3 == 7`, true}, {`2 + 3 << 1 == 10`, true},
	{`uint8(0) == 0x4D and uint16(0) == 0x5A4D and uint16be(0) == 0x4D5A`, true},
	{`uint32(0) == 0x905A4D and uint32be(0) == 0x4D5A9000`, true}, {`int8(2) == -112 and uint8(2) == 144`, true},
	{`int16(27) == -257 and int16be(27) == -2`, true}, {`uint8be(0) == 0x4D and int8be(2) == -112 and int32be(0) == 0x4D5A9000`, true},
	{`defined uint32(48)`, false}, {`defined uint8(50)`, true}, {`defined uint8(-1)`, false},
	{`uint8(99) == 0 or uint8(99) != 0`, false}, {`not defined uint8(99)`, true}, {`not (uint8(99) == 0)`, false},
	{`not (uint8(99) == 0 and true)`, true}, {`defined filesize`, true}, {`entrypoint == 0`, false},
	{`"Hello" contains "ell"`, true}, {`"Hello" contains "ELL"`, false}, {`"Hello" icontains "ELL"`, true},
	{`"Hello" startswith "He" and not "Hello" startswith "he" and "Hello" istartswith "he"`, true},
	{`"Hello" endswith "lo" and "Hello" iendswith "LO" and "Hello" iequals "hELLO"`, true},
	{`"a.b" matches /^a\.b$/`, true}, {`"a.b" matches /A/`, false}, {`"a.b" matches /A/i`, true}, {"\"a\\nb\" matches /a.b/s", true},
	{"\"a\\nb\" matches /a.b/", false}, {`"\x41\"\\" == "A\"\\"`, true}, {`"abc" < "abd" and "b" > "abc" and "a" <= "a" and "a" >= "a"`, true},
	{`$a = "hello" | $a`, true}, {`$a = "hello" | #a == 1 and @a == 5 and @a[1] == 5 and !a == 5 and !a[1] == 5`, true},
	{`$a = "hello" nocase | #a == 2 and @a[2] == 11`, true}, {`$a = "hello" nocase | defined @a[3]`, false},
	{`$a = "hi" wide | @a == 23 and !a == 4`, true}, {`$a = "hi" wide ascii | #a == 1`, true}, {`$a = "hi" | $a`, false},
	{`$a = "abc" | #a == 3 and #a in (0..33) == 2`, true}, {`$a = "abc" | $a at 33 and not $a at 34`, true},
	{`$a = "abc" fullword | $a`, false}, {`$a = "hello" fullword | $a`, true}, {`$a = "2024" fullword | $a`, true},
	{`$a = "abc" | $a in (30..33) and not $a in (0..29)`, true}, {`$a = "abc" | $a in (36..36) and not $a in (37..38)`, true},
	{`$a = { 4D 5A ?? 00 } | $a at 0`, true}, {`$a = { 4D 5? 9? 00 } | $a`, true}, {`$a = { ~4D 5A } | $a`, false},
	{`$a = { ~00 5A ~9? 00 } | $a`, false}, {`$a = { 4D ~00 ~?1 00 } | $a`, true}, {`$a = { 4D [1-2] 00 } | !a == 4`, true},
	{`$a = { 4D [-] FF } | $a`, true}, {`$a = { 4D [30-] FF } | $a`, false}, {`$a = { 4D 5A ( 90 | 91 ) 00 } | $a`, true},
	{`$a = { 4D ( 5B | 5A ( 91 | 90 00 | 92 ) ) 20 } | $a`, true}, {"$a = { 4D // first\n 5A /* } */ 90 } | $a", true},
	{`$a = /[0-9]{4}-[0-9]{2}/ | !a == 7`, true}, {`$a = /h\x00i\x00/ | $a`, true}, {`$a = /HELLO/ nocase | #a == 2`, true},
	{`$a = /HELLO/i | #a == 2`, true}, {`$a = /o.w/ | $a`, true}, {`$a = /abc.+\n$/s | !a == 21`, true}, {`$a = /(abc)+/ | !a == 9`, true},
	{`$a = /(abc)+?/ | !a == 3`, true}, {`$a = /(abc){2,3}/ | !a == 9`, true}, {`$a = /hi/ wide | $a at 23`, true},
	{`$a = /\bhello\b/ | $a`, true}, {`$a = /\Bello\b/ | $a`, true}, {`$a = /ell\b/ | $a`, false}, {`$a = /^MZ/ | $a`, true}, {`$a = /^hello/ | $a`, false},
	{`$a = /[^a-z]Hell[]o]/ | $a`, true}, {`$a = /\d+-\d+-\d+\s/ | $a`, true}, {`$a = /\w{5}\W\w{5}/ | $a`, true}, {`$a = /[\w-]{10}/ | $a`, true},
	{`$a = /a{,2}bc{1,}/ | $a`, true}, {`$a = /a{x}/ | $a`, false}, {`$a = "abc" $b = "zzz" | any of them and not all of them`, true},
	{`$a = "abc" $b = "zzz" | 1 of them and not (2 of them)`, true}, {`$a = "abc" $b = "zzz" | none of ($b) and not none of them`, true},
	{`$a = "abc" $b = "zzz" | 50% of them and not (51% of them)`, true}, {`$a1 = "abc" $a2 = "hello" $b = "zzz" | all of ($a*) and any of ($a1, $b)`, true},
	{`$a = "abc" $b = "hello" | any of them in (0..9) and not (all of them in (0..9))`, true}, {`$a = "MZ" $b = "abc" | any of them at 0`, true},
	{`$a = "MZ" $b = "abc" | all of them at 0`, false}, {`$a = "abc" $b = "hello" | for all of them : ( # > 0 and @ > 3 )`, true},
	{`$a = "abc" $b = "hello" | for any of ($*) : ( $ at 33 )`, true}, {`$a = "abc" $b = "hello" | for 2 of them : ( ! == 3 )`, false},
	{`$a = "abc" | for all i in (1..#a) : ( @a[i] == 27 + 3 * i )`, true}, {`$a = "abc" | for any i in (1..#a) : ( @a[i] == 36 )`, true},
	{`for any i in (1, 5, 9) : ( i == 5 )`, true}, {`for all i in (1, 5, 9) : ( i > 0 )`, true}, {`for 2 i in (1, 5, 9) : ( i > 4 )`, true},
	{`for none i in (1, 5, 9) : ( i > 9 )`, true}, {`for none i in (1, 5, 9) : ( i > 5 )`, false}, {`for any i in (5..1) : ( true )`, false},
	{`for any s in ("a", "bc") : ( s == "bc" )`, true},
	{`for any i in (0..3) : ( for any j in (0..3) : ( i + j == 6 ) )`, true}, {`for any i in (0..uint8(99)) : ( true )`, false},
	{`$ = "abc" $ = "zzz" | any of them`, true}, {`$_unused = "zzz" $a = "abc" | $a`, true}, {`$a = "abc" private | $a`, true},
	{`$a = "hello" xor(1-255) | $a`, false}, {`$a = "hello" xor | $a`, true}, {`$a = "JGNNM" xor(0x22) | $a`, true},
}

func TestConditions(t *testing.T) {
	for _, c := range conditions {
		if got := holds(t, condition(c.text), []byte(sample), Options{}); got != c.want {
			t.Errorf("%s: %v", c.text, got)
		}
	}
}

// The same, in blocks of every length up to ten.
func TestConditionsInBlocks(t *testing.T) {
	ctx := context.Background()
	for _, c := range conditions {
		s := mustCompile(t, condition(c.text), Options{}).NewScanner(Limits{})
		for n := 1; n < 10; n++ {
			s.Start(Content{Size: -1, At: strings.NewReader(sample)})
			for off := 0; off < len(sample); off += n {
				if s.Feed(ctx, int64(off), []byte(sample[off:min(len(sample), off+n)])) {
					break
				}
			}
			if res, _ := s.End(ctx); len(res.Matches) > 0 != c.want || len(res.Undecided) > 0 {
				t.Errorf("%s in blocks of %d: %+v", c.text, n, *res)
			}
		}
	}
}

func TestRules(t *testing.T) {
	rules := mustCompile(t, `
private rule hidden : a b { meta: who = "me" n = -3 yes = true condition: filesize > 0 }
rule seen { strings: $a = "abc" $p = "b" private condition: hidden and all of them }
rule group { condition: 2 of (hidden, see*) and any of (seen) }
rule ext { condition: limit > 3 and name == "n" and on and ratio < 1.0 }
`, Options{Externals: map[string]any{"limit": int64(4), "name": "n", "on": true, "ratio": 0.5}})
	res, _ := rules.NewScanner(Limits{}).Whole(context.Background(), []byte("xabcx"))
	var got []string
	for _, m := range res.Matches {
		got = append(got, fmt.Sprint(m.Rule.Name, m.Rule.Tags, m.Rule.Line))
		for _, p := range m.Strings {
			got = append(got, fmt.Sprintf("%s %d %d %s", p.Name, p.Offset, p.Length, p.Data))
		}
	}
	want := []string{"seen[] 3", "$a 1 3 abc", "group[] 4", "ext[] 5"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	h := rules.Rules()[0]
	if !h.Private || !h.HasTag("b") || h.MetaText("who") != "me" || h.Meta[1].Value.Int() != -3 || !h.Meta[2].Value.Bool() {
		t.Errorf("%+v", h)
	}
}

func TestGlobalRules(t *testing.T) {
	rules := mustCompile(t, `
global rule small { condition: filesize < 10 }
rule yes { condition: true }
rule str { strings: $a = "a" condition: $a }
`, Options{})
	s := rules.NewScanner(Limits{})
	for content, want := range map[string]int{"short a": 3, "much longer a than ten": 0} {
		if res, _ := s.Whole(context.Background(), []byte(content)); len(res.Matches) != want {
			t.Errorf("%q: %+v", content, res.Matches)
		}
	}
}

func TestIncludes(t *testing.T) {
	files := map[string]string{
		"a.yar": "include \"b.yar\"\nrule a { condition: b }",
		"b.yar": "rule b { condition: true } // the end",
	}
	include := func(name string) ([]byte, error) {
		if text, ok := files[name]; ok {
			return []byte(text), nil
		}
		return nil, errors.New("there is no such file")
	}
	const main = "include \"a.yar\"\n\nrule main { condition: a and b }\n"
	rules := mustCompile(t, main, Options{Include: include})
	again := mustCompile(t, rules.Text(), Options{})
	if len(again.Rules()) != 3 || again.Text() != rules.Text() {
		t.Errorf("%q", rules.Text())
	}
	if r := rules.Rules()[0]; r.Name != "b" || r.Source != "b.yar" || r.Line != 1 {
		t.Errorf("%+v", r)
	}
	_, err := Compile(Source{Name: "m.yar", Text: "include \"none.yar\"\nrule x { condition: true }"}, Options{Include: include})
	if err == nil || !strings.Contains(err.Error(), `m.yar:1:9: include "none.yar": there is no such file`) {
		t.Error(err)
	}
	files["b.yar"] = `include "a.yar"`
	if _, err = Compile(Source{Name: "m.yar", Text: main}, Options{Include: include}); err == nil || !strings.Contains(err.Error(), "includes itself") {
		t.Error(err)
	}
	if _, err = Compile(Source{Name: "m.yar", Text: main}, Options{}); err == nil || !strings.Contains(err.Error(), "cannot be followed here") {
		t.Error(err)
	}
}

// A failing reader says of what a scan could not decide.
type failing struct{ io.ReaderAt }

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errors.New("the disk is on fire") }

func TestUndecided(t *testing.T) {
	ctx := context.Background()
	big := bytes.Repeat([]byte("ab"), 100_000)
	cases := []struct {
		name, rule, reason string
		limits             Limits
		at                 io.ReaderAt
	}{
		{"unreadable", `rule x { condition: uint8(150000) == 0x61 }`, "the disk is on fire", Limits{}, failing{}},
		{"gone", `rule x { condition: uint8(150000) == 0x61 }`, ErrGone.Error(), Limits{}, nil},
		{"loop", `rule x { condition: for all i in (0..2000000000) : ( i >= 0 ) }`, tooDear, Limits{Steps: 10_000_000}, bytes.NewReader(big)},
		{"places", `rule x { strings: $a = "a" condition: #a == 100000 }`, "string $a stands in too many places to be counted", Limits{Matches: 1000}, nil},
		{"expression", `rule x { strings: $a = /a(a|b)*(a|b)*[^ab]/ condition: $a }`, tooDear, Limits{Steps: 1_000_000}, nil},
		{"no atom", `rule x { strings: $a = /[ab].*[^ab]/ condition: $a }`, tooDear, Limits{Steps: 1_000_000}, nil},
		{"another", "rule y { condition: uint8(150000) == 0x61 }\nrule x { condition: y }", "rule y is undecided", Limits{}, nil},
		{"global", "global rule y { condition: uint8(150000) == 0x61 }\nrule x { condition: true }", "global rule y is undecided", Limits{}, nil},
		{"chain", `rule x { strings: $a = { 61 62 [10-250] 61 62 [150000-] 61 } condition: not $a }`, "string $a stands in too many places to be counted", Limits{Matches: 10}, nil},
	}
	for _, c := range cases {
		s := mustCompile(t, c.rule, Options{}).NewScanner(c.limits)
		s.Start(Content{Size: int64(len(big)), At: c.at})
		for off := 0; off < len(big); off += 4096 {
			s.Feed(ctx, int64(off), big[off:min(len(big), off+4096)])
		}
		res, err := s.End(ctx)
		found := false
		for _, u := range res.Undecided {
			found = found || u.Rule.Name == "x" && u.Reason == c.reason
		}
		if err != nil || !found || len(res.Matches) > 0 {
			t.Errorf("%s: %+v %v", c.name, *res, err)
		}
	}
}

func TestMorePlacesThanShown(t *testing.T) {
	s := mustCompile(t, `rule x { strings: $a = "a" $b = "b" condition: $a and #b > 500 }`, Options{}).NewScanner(Limits{Shown: 10, Data: 4})
	res, _ := s.Whole(context.Background(), bytes.Repeat([]byte("ab"), 1000))
	if len(res.Matches) != 1 || !res.Matches[0].More || len(res.Matches[0].Strings) != 20 || string(res.Matches[0].Strings[10].Data) != "b" {
		t.Errorf("%+v", res)
	}
}

// Of a stream, too, the bytes of a place are shown, however late it turns out
// that they are wanted.
func TestDataOfStreams(t *testing.T) {
	ctx := context.Background()
	b := []byte(strings.Repeat("ab..", 1000) + "abXY" + strings.Repeat(".", 300) + "end")
	s := mustCompile(t, `rule x { strings: $a = { 61 62 [250-350] 65 6E 64 } condition: $a }`, Options{}).NewScanner(Limits{Shown: 2, Data: 4})
	s.Start(Content{Size: -1, At: bytes.NewReader(b)})
	for off := 0; off < len(b); off += 100 {
		s.Feed(ctx, int64(off), b[off:min(len(b), off+100)])
	}
	res, _ := s.End(ctx)
	if len(res.Matches) != 1 || !res.Matches[0].More {
		t.Fatalf("%+v", res)
	}
	for _, p := range res.Matches[0].Strings {
		if string(p.Data) != string(b[p.Offset:p.Offset+4]) {
			t.Errorf("%d: %q", p.Offset, p.Data)
		}
	}
}

func TestMemoryOfAProcess(t *testing.T) {
	ctx := context.Background()
	s := mustCompile(t, `
rule where { strings: $a = "secret" condition: @a == 0x7f0000001003 and not defined filesize }
rule across { strings: $a = "splitword" condition: $a }
rule joined { strings: $a = "together" condition: $a }
rule read { condition: uint8(0x400000) == 0x73 }
`, Options{}).NewScanner(Limits{})
	regions := []struct {
		at   int64
		text string
	}{{0x400000, "split"}, {0x500000, "word toget"}, {0x50000a, "her"}, {0x7f0000001000, "my secret"}}
	s.Start(Content{Process: true, At: addresses{0x400000: 's'}})
	for _, r := range regions {
		s.Feed(ctx, r.at, []byte(r.text))
	}
	res, _ := s.End(ctx)
	var got []string
	for _, m := range res.Matches {
		got = append(got, m.Rule.Name)
	}
	if !slices.Equal(got, []string{"where", "joined", "read"}) || len(res.Undecided) > 0 {
		t.Errorf("%v %+v", got, res.Undecided)
	}
}

// addresses are bytes of a memory.
type addresses map[int64]byte

func (a addresses) ReadAt(p []byte, off int64) (int, error) {
	for i := range p {
		c, ok := a[off+int64(i)]
		if !ok {
			return i, io.EOF
		}
		p[i] = c
	}
	return len(p), nil
}

// A scan that needs no search says so at once.
func TestStopsEarly(t *testing.T) {
	s := mustCompile(t, `rule x { strings: $a = "abc" condition: uint16(0) == 0x5A4D and filesize < 1MB and $a }`, Options{}).NewScanner(Limits{})
	ctx := context.Background()
	for _, c := range []struct {
		begin string
		size  int64
		done  bool
	}{{"MZ abc", 100_000, false}, {"ELF", 100_000, true}, {"MZ abc", 2 << 20, true}} {
		s.Start(Content{Size: c.size})
		if done := s.Feed(ctx, 0, append([]byte(c.begin), make([]byte, 4096)...)); done != c.done {
			t.Errorf("%q of %d: %v", c.begin, c.size, done)
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s := mustCompile(t, `rule x { strings: $a = "abc" condition: $a }`, Options{}).NewScanner(Limits{})
	if res, err := s.Whole(ctx, []byte("abc")); !errors.Is(err, context.Canceled) || len(res.Matches) > 0 {
		t.Errorf("%+v %v", res, err)
	}
}

// A scanner forgets the content before.
func TestScannerForgets(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	g := &ruleGen{rnd: rnd}
	rules := mustCompile(t, g.file(60), Options{})
	used := rules.NewScanner(manyLimits)
	for range 100 {
		b := g.content()
		a, _ := used.Whole(context.Background(), b)
		first := ours(a)
		f, _ := rules.NewScanner(manyLimits).Whole(context.Background(), b)
		if fresh := ours(f); !slices.Equal(first, fresh) {
			t.Fatal(differ(first, fresh))
		}
	}
}

// Rules are shared: goroutines with a scanner each find the same.
func TestManyGoroutines(t *testing.T) {
	g := &ruleGen{rnd: rand.New(rand.NewPCG(8, 8))}
	rules := mustCompile(t, g.file(40)+"rule re { condition: \"abc\" matches /a.c/ }\n", Options{})
	content := g.bigContent()
	res, _ := rules.NewScanner(manyLimits).Whole(context.Background(), content)
	want := ours(res)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s := rules.NewScanner(manyLimits)
			for range 3 {
				res, _ := s.Whole(context.Background(), content)
				if got := ours(res); !slices.Equal(got, want) {
					t.Error(differ(got, want))
				}
			}
		})
	}
	wg.Wait()
}
