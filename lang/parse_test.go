package lang

import (
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/value"
)

// goodQueries parse; between them they hold every clause and every operator.
var goodQueries = []string{
	`FROM fleet WHERE os=linux FIND file /etc/* CONTAINS "ioc"`,
	`FIND file /etc/* CONTAINS "ioc" AND NOT CONTAINS x"7f454c46"`,
	`FROM fleet FIND NOT file /etc/ssh/sshd_config EVERY LINE MATCHES '^a'`,
	`FIND socket WHERE state = listen AND process.exe.package IS NULL RETURN port, process.exe.sha256, process.parent.cmdline`,
	`FIND process WHERE exe IS MISSING`,
	`FIND process p, file f WHERE f.path = p.exe AND f.sha256 IN @bad.txt`,
	`FIND file WHERE path NOT IN (FIND package_file RETURN path) ORDER BY size DESC, path ASC LIMIT 10 PER HOST`,
	`EXPLAIN ANALYZE PARAM since duration = 7d PARAM n int LET cut = now - $since FROM host "a", "b" FIND file C:\Users\*\*.exe, '/x y' AS f WHERE mtime > $cut AND (name, sha256) IN @pairs.csv STACK BY sha256`,
	`FIND socket 10.0.0.0/8, :22 WHERE remote IN 10.0.0.0/8 AND a = ::1 AND b != fe80::1%eth0 GROUP BY state HAVING count() > 3 OR FIND file f EVERY 1h WITH timeout = 5m, depth = 3`,
	`FROM hits("x") WATCH process ssh* RETURN DISTINCT count(DISTINCT name) AS n, count(*), a + b * -c / (d % 2), contains(a, "b"), if(a, 1, 2)`,
	`FROM misses("x") FIND file $dir, @dirs.txt, @"my dirs.txt" YARA @rules.yar`,
	`FROM case("x") FIND answer`,
	`FIND file x WITH cpu = 10%, io = low`,
	`FIND file x WITH depth = 3, cpu = 10%`,
	"FIND file x WITH cpu = 10% -- of one\n",
	`FIND file x WHERE cpu = 10% 3 WITH cpu = 10%3`,
	`FIND file /srv/{a,b}/[a-z]* ANY LINE NOT IN @allowed_keys.txt AND group = root RETURN group, order, line, any(x), host`,
	`FIND file x WHERE name STARTS WITH "a" NOCASE OR name NOT ENDS WITH ("b", "c") OR size BETWEEN 1 AND 10MB`,
	"-- name: n\n-- tags: a, b\nFIND a; -- c\nFIND b -- d\n-- e",
}

func fileWith(text string, bare bool) *File {
	lit := &Literal{Value: value.NewText(text), Bare: bare}
	list := &ListRef{Path: text}
	if text == "" {
		list.Path = "x"
	}
	name := &Name{Parts: []Ident{{Name: "a"}}}
	or := &Binary{Op: OpOr, X: &Compare{Op: OpEq, X: name, Y: lit}, Y: &Compare{Op: OpMatches, Y: lit}}
	return &File{Queries: []*Query{{Finds: []*Find{{
		Scans: []*Scan{{Module: Ident{Name: "m"}, Locators: []Expr{lit, list}}},
		Where: &Binary{Op: OpOr, X: or, Y: &In{X: name, Y: list}},
	}}}}}
}

func TestGoodQueries(t *testing.T) {
	for _, q := range goodQueries {
		f, err := Parse(Source{"query", q})
		if err != nil {
			t.Errorf("%s\n%v", q, err)
			continue
		}
		if err := checkSpans(f); err != nil {
			t.Error(err)
		}
		if err := checkRoundTrip(f); err != nil {
			t.Error(err)
		}
	}
}

// TestExpressions shows how operators bind, as the tree's own parentheses.
func TestExpressions(t *testing.T) {
	tests := []struct{ in, want string }{
		{"a OR b AND NOT c", "(a OR (b AND (NOT c)))"},
		{"NOT a = b AND c", "((NOT (a = b)) AND c)"},
		{"a + b * -c - d", "((a + (b * (- c))) - d)"},
		{"a = b / c % 2", "(a = ((b / c) % 2))"},
		{"a LIKE \"%x\" NOCASE", `(a LIKE "%x" NOCASE)`},
		{"a NOT LIKE \"%x\"", `(a NOT LIKE "%x")`},
		{"a STARTS\nWITH b", "(a STARTS WITH b)"},
		{"a ends with b", "(a ENDS WITH b)"},
		{"a GLOB *.so AND b", `((a GLOB "*.so") AND b)`},
		{"a GLOB ssh AND b", "((a GLOB ssh) AND b)"},
		{"a MATCHES 'x' AND CONTAINS y", `((a MATCHES "x") AND (CONTAINS y))`},
		{"YARA @r.yar", "(YARA @r.yar)"},
		{"ANY LINE NOT IN @x", "(ANY NOT IN @x)"},
		{"EVERY LINE CONTAINS \"x\"", `(EVERY CONTAINS "x")`},
		{"a IN (1)", "(a IN [1])"},
		{"a IN (1, 2)", "(a IN [1 2])"},
		{"(a, b) NOT IN @x NOCASE", "([a b] NOT IN @x NOCASE)"},
		{"a BETWEEN 1 AND 2 AND b", "((a BETWEEN 1 2) AND b)"},
		{"a NOT BETWEEN 1 AND 2", "(a NOT BETWEEN 1 2)"},
		{"a IS NOT NULL OR a IS MISSING", "((a IS NOT NULL) OR (a IS MISSING))"},
		{"count(DISTINCT a.b) > count(*)", "(count(DISTINCT a.b) > count(*))"},
		{"contains(a, b) AND all(x)", "(contains(a b) AND all(x))"},
		{"a contains(b)", "(a CONTAINS b)"},
		{"f.group.order = line.version", "(f.group.order = line.version)"},
		{"$p = TRUE", "($p = true)"},
	}
	for _, tt := range tests {
		f, err := Parse(Source{"query", "FIND m WHERE " + tt.in})
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
			continue
		}
		if got := sketch(f.Queries[0].Finds[0].Where); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.in, got, tt.want)
		}
	}
}

// sketch writes an expression with a parenthesis around every operator.
func sketch(e Expr) string {
	not := func(n bool) string { return notText(n) }
	switch e := e.(type) {
	case nil:
		return ""
	case *Paren:
		return sketch(e.X)
	case *Unary:
		return "(" + e.Op.String() + " " + sketch(e.X) + ")"
	case *Binary:
		return "(" + sketch(e.X) + " " + e.Op.String() + " " + sketch(e.Y) + ")"
	case *Compare:
		return "(" + strings.TrimLeft(sketch(e.X)+" "+not(e.Not)+e.Op.String()+" "+sketch(e.Y)+noCaseText(e.NoCase), " ") + ")"
	case *In:
		return "(" + sketch(e.X) + " " + not(e.Not) + "IN " + sketch(e.Y) + noCaseText(e.NoCase) + ")"
	case *Between:
		return "(" + sketch(e.X) + " " + not(e.Not) + "BETWEEN " + sketch(e.Low) + " " + sketch(e.High) + ")"
	case *Is:
		return "(" + exprText(e) + ")"
	case *Line:
		return strings.TrimSuffix(exprText(e), " LINE")
	case *Tuple:
		var items []string
		for _, i := range e.Items {
			items = append(items, sketch(i))
		}
		return "[" + strings.Join(items, " ") + "]"
	case *Call:
		return strings.ReplaceAll(callText(e), ",", "")
	}
	return exprText(e)
}

func TestLiterals(t *testing.T) {
	tests := []struct {
		in, want string
		typ      value.Type
		bare     bool
	}{
		{`"a\tb\x41\u00e9"`, `"a\tbAé"`, value.Text, false},
		{`'a''b\n'`, `"a'b\\n"`, value.Text, false},
		{`x"4d5A"`, `x"4d5a"`, value.Bytes, false},
		{`42`, `42`, value.Int, false},
		{`1.5e3`, `1500.0`, value.Float, false},
		{`1e5`, `100000.0`, value.Float, false},
		{`10MB`, `10MB`, value.Size, false},
		{`4KiB`, `4KiB`, value.Size, false},
		{`1h30m`, `1h30m`, value.Duration, false},
		{`2w`, `14d`, value.Duration, false},
		{`2026-11-23`, `2026-11-23T00:00:00Z`, value.Time, false},
		{`2026-11-23T10:00:00.5+02:00`, `2026-11-23T08:00:00.5Z`, value.Time, false},
		{`10.1.2.3`, `10.1.2.3`, value.IP, false},
		{`10.0.0.0/8`, `10.0.0.0/8`, value.CIDR, false},
		{`::1`, `::1`, value.IP, false},
		{`fe80::1%eth0`, `fe80::1%eth0`, value.IP, false},
		{`2001:db8::/32`, `2001:db8::/32`, value.CIDR, false},
		{`1::`, `1::`, value.IP, false},
		{`False`, `false`, value.Bool, false},
		{`d41d8cd98f00b204e9800998ecf8427e`, `"d41d8cd98f00b204e9800998ecf8427e"`, value.Text, true},
		{`12345678901234567890123456789012`, `"12345678901234567890123456789012"`, value.Text, true},
		{`/etc/{a,b}/x`, `"/etc/{a,b}/x"`, value.Text, true},
		{`C:\x\*`, `"C:\\x\\*"`, value.Text, true},
		{`\\srv\share`, `"\\\\srv\\share"`, value.Text, true},
		{`0644`, `"0644"`, value.Text, true},
		{`1.2.3-4ubuntu1~x`, `"1.2.3-4ubuntu1~x"`, value.Text, true},
		{`120.0.6099.129`, `"120.0.6099.129"`, value.Text, true},
	}
	for _, tt := range tests {
		f, err := Parse(Source{"query", "FIND m WHERE a = " + tt.in + " AND b"})
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
			continue
		}
		l, ok := f.Queries[0].Finds[0].Where.(*Binary).X.(*Compare).Y.(*Literal)
		if !ok || l.Value.Literal() != tt.want || l.Value.Type() != tt.typ || l.Bare != tt.bare {
			t.Errorf("%s: got %+v", tt.in, l)
		}
	}
}

func TestScans(t *testing.T) {
	tests := []struct{ in, want string }{
		{`file`, `file`},
		{`file *.so f`, `file *.so f`},
		{`file ./x, ~/y, [a-z]*, C:\x, "q r"`, `file ./x, ~/y, [a-z]*, C:\x, "q r"`},
		{`process ssh* AS p, file f, socket :22`, `process ssh* AS p, file f, socket :22`},
		{`file /a,/b,process p`, `file /a, /b, process p`},
		{`package openssl`, `package openssl`}, // an alias: a plain name stays one
		{`file /etc/{a,b}, /x`, `file /etc/{a,b}, /x`},
		{`file @"a b", @x.txt, $d`, `file @"a b", @x.txt, $d`},
	}
	for _, tt := range tests {
		f, err := Parse(Source{"query", "FIND " + tt.in})
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
		} else if got := commaed(f.Queries[0].Finds[0].Scans, scanText); got != tt.want {
			t.Errorf("%s: got %s", tt.in, got)
		}
	}
}

func TestHeader(t *testing.T) {
	f, err := Parse(Source{"query", "-- name: Bad keys\n-- Description: a: b\n-- severity:high\n-- reference: https://x\n-- tags: a,, b c\n-- other: y\nFIND a; -- name: no\nFIND b"})
	if err != nil {
		t.Fatal(err)
	}
	h := f.Queries[0].Header
	if h.Name != "Bad keys" || h.Description != "a: b" || h.Severity != "high" || h.Reference != "https://x" || strings.Join(h.Tags, "|") != "a|b c" {
		t.Errorf("got %+v", h)
	}
	if h := f.Queries[1].Header; h.Name != "" {
		t.Errorf("a comment behind code became a header: %+v", h)
	}
	if len(f.Comments) != 7 {
		t.Errorf("%d comments", len(f.Comments))
	}
}

func TestNearest(t *testing.T) {
	words := []string{"mtime", "atime", "name", "size", "sha256", "description"}
	tests := []struct{ word, want string }{
		{"mtme", "mtime"}, {"MTIME", "mtime"}, {"naem", "name"}, {"desc", "description"}, {"sha265", "sha256"},
		{"owner", ""}, {"x", ""}, {"", ""}, {strings.Repeat("m", 1000), ""}, {"time", "mtime"},
	}
	for _, tt := range tests {
		if got, ok := Nearest(tt.word, words); got != tt.want || ok != (got != "") {
			t.Errorf("%s: got %q", tt.word, got)
		}
	}
}

func TestPosition(t *testing.T) {
	src := Source{"q", "ab\n日本x\r\n"}
	for offset, want := range map[int][2]int{-1: {1, 1}, 0: {1, 1}, 2: {1, 3}, 3: {2, 1}, 9: {2, 3}, 12: {3, 1}, 99: {3, 1}} {
		if line, col := Position(src, offset); line != want[0] || col != want[1] {
			t.Errorf("%d: got %d:%d, want %v", offset, line, col, want)
		}
	}
}

func TestRender(t *testing.T) {
	d := Diagnostic{Code: "x", Span: Span{24, 28}, Message: `file has no column "mtme"`, Hint: "did you mean mtime?", Warning: true}
	want := "hunt.qst:1:25: warning: file has no column \"mtme\"\n" +
		"  1 | FIND file /etc/** WHERE mtme > now - 2d\n" +
		"    |                         ^^^^ did you mean mtime?"
	if got := d.Render(Source{"hunt.qst", "FIND file /etc/** WHERE mtme > now - 2d"}); got != want {
		t.Errorf("got\n%s", got)
	}
	for _, span := range []Span{{}, {-5, 3}, {2, 1}, {50, 99}, {0, 3}} {
		if got := (Diagnostic{Span: span}).Render(Source{"q", "a\n\x00b"}); strings.Count(got, "\n") != 2 {
			t.Errorf("%v: got %q", span, got)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		if _, err := Parse(Source{"query", goodQueries[3]}); err != nil {
			b.Fatal(err)
		}
	}
}

func TestGrammar(t *testing.T) {
	g := Grammar()
	for _, want := range []string{"File = Query", "Find = Scans", `"PER HOST"`, "Between = "} {
		if !strings.Contains(g, want) {
			t.Errorf("no %s in\n%s", want, g)
		}
	}
	if strings.Contains(g, "Rule") {
		t.Error("a Go name shows in the grammar")
	}
}

func TestWalk(t *testing.T) {
	f, err := Parse(Source{"query", goodQueries[7]})
	if err != nil {
		t.Fatal(err)
	}
	count, last := 0, 0
	Walk(f, func(n Node) bool {
		count++
		if n.Span().Start < last {
			t.Errorf("%T out of order", n)
		}
		last = n.Span().Start
		return true
	})
	if count < 25 {
		t.Errorf("only %d nodes", count)
	}
}
