package lang

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestFormatLaws: Parse(Format(x)) is x but for spans, and Format(Parse(…)) of
// what Format wrote changes nothing.
func TestFormatLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &File{}
		for range rapid.IntRange(1, 2).Draw(t, "queries") {
			f.Queries = append(f.Queries, genQuery(t))
		}
		if err := checkRoundTrip(f); err != nil {
			t.Fatal(err)
		}
		again, err := Parse(Source{"again", Format(f)})
		if err != nil {
			t.Fatal(err)
		}
		if err := checkSpans(again); err != nil {
			t.Fatal(err)
		}
	})
}

// TestFormatKeepsWords: formatting a query with comments anywhere between its
// words keeps its meaning and its comments.
func TestFormatKeepsWords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &File{Queries: []*Query{genQuery(t), genQuery(t)}}
		text := Format(f)
		toks := scan(text).toks
		var b strings.Builder
		end := 0
		for _, tok := range toks {
			b.WriteString(text[end:tok.span.Start])
			kind := rapid.IntRange(0, 9).Draw(t, "comment")
			if tok.span.Start == end && end > 0 {
				kind = 9 // a( is not a (
			}
			switch kind {
			case 0:
				b.WriteString(" -- trailing\n")
			case 1:
				b.WriteString("\n\t--own\n")
			case 2:
				b.WriteString("\n -- name: nobody\n")
			}
			b.WriteString(text[tok.span.Start:tok.span.End])
			end = tok.span.End
		}
		commented, err := Parse(Source{"commented", b.String()})
		if err != nil {
			t.Fatalf("%s\n%v", b.String(), err)
		}
		if err := checkRoundTrip(commented); err != nil {
			t.Fatalf("%s\n%v", b.String(), err)
		}
	})
}

func TestFormat(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"one line", `find file /etc/* contains 'ioc'`, `FIND file /etc/* CONTAINS "ioc"`},
		{"where is optional", `FIND file /etc WHERE CONTAINS "a"`, `FIND file /etc CONTAINS "a"`},
		{"where before not", `FIND file /etc NOT CONTAINS "a"`, `FIND file /etc WHERE NOT CONTAINS "a"`},
		{"long", `FROM fleet WHERE os=linux and arch=amd64 FIND file /usr/**,/opt/** WHERE sha256 in @bad.txt AND (size<10MB or owner != root) and mtime > now - 7d RETURN path ORDER BY mtime desc LIMIT 5 per host WITH timeout=5m`,
			"FROM fleet WHERE os = linux AND arch = amd64\n" +
				"FIND file /usr/**, /opt/**\n" +
				"  WHERE sha256 IN @bad.txt\n    AND (size < 10MB OR owner != root)\n    AND mtime > now - 7d\n" +
				"  RETURN path\n  ORDER BY mtime DESC\n  LIMIT 5 PER HOST\nWITH timeout = 5m"},
		{"conjuncts", `FIND file /etc WHERE name = "aaaaaaaaaaaaaaaaaaaaaaaaa" OR name = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb" OR name = "c" AND size > 1`,
			"FIND file /etc\n  WHERE name = \"aaaaaaaaaaaaaaaaaaaaaaaaa\"\n    OR name = \"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\"\n    OR name = \"c\" AND size > 1"},
		{"backslash", `FIND file WHERE path = "C:\\x" AND MATCHES "a+"`, `FIND file WHERE path = 'C:\x' AND MATCHES 'a+'`},
		{"raw quote", `FIND file WHERE MATCHES 'it''s \d'`, `FIND file MATCHES "it's \\d"`},
		{"locators", `FIND file "/etc/x", '/a b', C:\x, @l, $p AS f`, `FIND file "/etc/x", "/a b", C:\x, @l, $p AS f`},
		{"bare", `FIND f WHERE h = d41d8cd98f00b204e9800998ecf8427e AND p = /etc/x AND m = 0644`, "FIND f\n  WHERE h = \"d41d8cd98f00b204e9800998ecf8427e\" AND p = \"/etc/x\" AND m = \"0644\""},
		{"times", `FIND f WHERE t > 2026-11-23 AND u > 2026-11-23T01:00:00+01:00 AND v > 2026-11-23T10:30`, `FIND f WHERE t > 2026-11-23 AND u > 2026-11-23 AND v > 2026-11-23T10:30:00Z`},
		{"stack", `FIND f STACK BY a AS b`, `FIND f STACK a AS b`},
		{"header", "-- Tags: a,b ,\n--name:x\n-- note\nFIND f;", "-- name: x\n-- tags: a, b\n-- note\nFIND f"},
		{"two names", "-- name: x\n-- name: y\nFIND f", "-- name: x\n-- name: y\nFIND f"},
		{"comments", "FIND file /etc -- where\n-- size\nWHERE size > 1 -- first\n -- own\n AND name = \"x\" -- last\n; -- behind\n-- end",
			"FIND file /etc -- where\n  -- size\n  WHERE size > 1 -- first\n    -- own\n    AND name = \"x\" -- last -- behind\n-- end"},
		{"no header from within", "FIND f RETURN a,\n-- name: x\nb; FIND g", "FIND f RETURN a, b; -- name: x\n\nFIND g"},
		{"controls in comments", "-- a\x1b[31m\nFIND f", "-- a\\x1b[31m\nFIND f"},
		{"minus", `FIND f WHERE a = - -b AND c = -(-1)`, `FIND f WHERE a = - -b AND c = -(-1)`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Parse(Source{"query", tt.in})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.TrimSuffix(Format(f), "\n"); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			if err := checkRoundTrip(f); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestFormatAdds: a tree made by hand gets the parentheses that it needs.
func TestFormatAdds(t *testing.T) {
	a := &Name{Parts: []Ident{{Name: "a"}}}
	sum := &Binary{Op: OpAdd, X: a, Y: a}
	or := &Binary{Op: OpOr, X: a, Y: a}
	tests := []struct {
		node Node
		want string
	}{
		{&Binary{Op: OpMul, X: sum, Y: sum}, "(a + a) * (a + a)"},
		{&Binary{Op: OpSub, X: sum, Y: sum}, "a + a - (a + a)"},
		{&Binary{Op: OpAnd, X: or, Y: &Unary{Op: OpNot, X: or}}, "(a OR a) AND NOT (a OR a)"},
		{&Unary{Op: OpNeg, X: sum}, "-(a + a)"},
		{&Compare{Op: OpGlob, X: a, Y: &Name{Parts: []Ident{{Name: "a"}, {Name: "b"}}}}, "a GLOB (a.b)"},
		{&Setting{Name: Ident{Name: "x"}, Value: a}, "x = a"},
		{&Let{Name: Ident{Name: "x"}, Value: sum}, "LET x = a + a"},
		{&Find{Scans: []*Scan{{Module: Ident{Name: "m"}}}}, "FIND m"},
		{Ident{Name: "x"}, "x"},
	}
	for _, tt := range tests {
		if got := Format(tt.node); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}
