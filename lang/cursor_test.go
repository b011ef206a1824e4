package lang

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// marked cuts a text at its | and gives what is known there.
func marked(text string) Cursor {
	before, after, _ := strings.Cut(text, "|")
	return At(before+after, len(before))
}

func TestAt(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`|`, `"" in `},
		{`FI|`, `"FI" in `},
		{`FROM |`, `"" in FROM`},
		{`FROM Fleet WHERE o|`, `"o" in TARGET of fleet`},
		{`FROM fleet WHERE os = |`, `"" in TARGET of fleet left os`},
		{`FROM fleet WHERE tags.team = "w|`, `"w" quoted " in TARGET of fleet left tags.team`},
		{`FROM fleet WHERE tags.|`, `"" in TARGET of fleet path tags`},
		{`FROM fleet WHERE os = linux |`, `"" in TARGET of fleet left os`},
		{`FROM fleet WHERE os = linux AND |`, `"" in TARGET of fleet`},
		{`FIND |`, `"" in FIND`},
		{`FIND file /et|`, `"/et" in FIND scans file`},
		{`FIND file "/et|`, `"/et" quoted " in FIND scans file`},
		{`FIND file /etc/*, |`, `"" in FIND scans file`},
		{`FIND file f, host AS h WHERE f.|`, `"" in WHERE path f scans file:f host:h`},
		{`FIND file /a, /b x, host WHERE |`, `"" in WHERE scans file:x host`},
		{`FIND NOT file /etc CONTAINS |`, `"" in WHERE scans file`},
		{`FIND file WHERE owner.name = "|`, `"" quoted " in WHERE left owner.name scans file`},
		{`FIND file WHERE size BETWEEN 1 AND |`, `"" in WHERE left size scans file`},
		{`FIND file WHERE size BETWEEN 1 AND 2 AND |`, `"" in WHERE scans file`},
		{`FIND file WHERE type IN (file, |`, `"" in WHERE left type scans file`},
		{`FIND file WHERE lower(na|`, `"na" in WHERE call lower 0 scans file`},
		{`FIND file WHERE replace(name, "a", |`, `"" in WHERE call replace 2 scans file`},
		{`FIND file WHERE lower(name) = |`, `"" in WHERE scans file`},
		{`FIND file WHERE path IN (FIND host RETURN |`, `"" in RETURN scans host`},
		{`FIND file WHERE path IN (FIND host RETURN os) AND |`, `"" in WHERE scans file`},
		{`FIND file /a AND FIND host WHERE |`, `"" in WHERE scans host`},
		{`FIND file RETURN path AS p, size AS s ORDER BY |`, `"" in ORDER BY scans file columns p s`},
		{`FIND file WHERE sha256 IN @ba|`, `"@ba" in WHERE left sha256 scans file`},
		{`FIND file WHERE sha256 IN @"my li|`, `"@my li" quoted " in WHERE left sha256 scans file`},
		{`PARAM a text LET b = 1 FIND file WHERE name = $|`, `"$" in WHERE left name scans file params a b`},
		{`FIND file WITH depth = |`, `"" in WITH left depth scans file setting depth`},
		{`FIND host; FIND file WHERE s|`, `"s" in WHERE scans file`},
		{`FIND file WHERE s|ize > 3`, `"s" in WHERE scans file`},
	} {
		if got := describe(marked(c.text)); got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.text, got, c.want)
		}
	}
}

func describe(c Cursor) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q", c.Word)
	if c.Quote != 0 {
		fmt.Fprintf(&b, " quoted %c", c.Quote)
	}
	b.WriteString(" in " + c.Clause)
	if c.Source != "local" {
		b.WriteString(" of " + c.Source)
	}
	if c.Left != nil {
		b.WriteString(" left " + strings.Join(c.Left, "."))
	}
	if len(c.Path) > 0 {
		b.WriteString(" path " + strings.Join(c.Path, "."))
	}
	if c.Call != "" {
		fmt.Fprintf(&b, " call %s %d", c.Call, c.Arg)
	}
	if len(c.Scans) > 0 {
		b.WriteString(" scans")
	}
	for _, s := range c.Scans {
		b.WriteString(" " + s.Module)
		if s.Alias != "" {
			b.WriteString(":" + s.Alias)
		}
	}
	if len(c.Columns) > 0 {
		b.WriteString(" columns " + strings.Join(c.Columns, " "))
	}
	if len(c.Params) > 0 {
		b.WriteString(" params " + strings.Join(c.Params, " "))
	}
	if c.Setting != "" {
		b.WriteString(" setting " + c.Setting)
	}
	return b.String()
}

// Nothing is expected where nothing can follow.
func TestAtNowhere(t *testing.T) {
	for _, text := range []string{"SELECT |", "FIND FIND |", "FIND file -- a comment|", `FIND file /etc WHERE name = "a" "b" |`, "FIND file %% ? |"} {
		if c := marked(text); len(c.Slots) > 0 {
			t.Errorf("%s: %v", text, c.Slots)
		}
	}
}

func TestAtPairs(t *testing.T) {
	for _, c := range []struct{ text, pair string }{
		{"FIND file RETURN size ORDER |", "ORDER BY"}, {"FIND file RETURN size ORDER b|", "ORDER BY"},
		{"FIND file GROUP |", "GROUP BY"}, {"FIND file LIMIT 3 PER |", "PER HOST"}, {"FIND file WHERE ANY |", "ANY LINE"},
	} {
		got := marked(c.text)
		if !slices.ContainsFunc(got.PairSlots, func(s Slot) bool { return s.Term == c.pair }) {
			t.Errorf("%s: %v", c.text, got)
		}
	}
}

// fill gives a token for a slot.
func fill(s Slot) string {
	switch s.Term {
	case "<ident>":
		return "path"
	case "<text>":
		return `"x"`
	case "<bare>":
		return "/x"
	case "<value>":
		return "1"
	case "<param>":
		return "$p"
	case "<list>":
		return "@l"
	}
	return s.Term
}

// completes says whether the grammar leads from a text to a whole query, when
// the nearest end is looked for at each step. What the words mean is another
// matter: an IN wants a list, which is no business of the grammar.
func completes(text string, steps int) bool {
	toks := scan(text).toks
	from := 0
	for i, t := range toks {
		if t.is(";") {
			from = i + 1
		}
	}
	if _, _, ok := parseRule[queryRule](toks, from, len(toks)-1); ok {
		return true
	}
	slots := At(text, len(text)).Slots
	for _, end := range []Slot{{Term: ")"}, {"Between", "AND", 0}, {Term: "FIND"}, {Term: "<ident>"}, {Term: "="}, {Term: "NULL"}} {
		i := slices.IndexFunc(slots, func(s Slot) bool { return s.Term == end.Term && (end.Rule == "" || end.Rule == s.Rule) })
		if i >= 0 {
			return steps > 0 && completes(text+gap(slots[i])+fill(slots[i])+" ", steps-1)
		}
	}
	return false
}

// gap is what must stand before a token: nothing beside a dot.
func gap(s Slot) string {
	if s.Term == "." || s.Rule == "Link" {
		return ""
	}
	return " "
}

// Whatever is offered anywhere in any query can be gone on with to a query
// that parses; and what stands there already is among what is offered.
func TestWhateverIsOfferedParses(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := Format(&File{Queries: []*Query{genQuery(rt)}})
		toks := scan(text).toks
		at := rapid.IntRange(0, len(toks)-2).Draw(rt, "token")
		front := text[:toks[at].span.Start]
		if toks[at].isAny(".", "(") {
			return // it decides whether the name before it is a keyword
		}
		if at > 0 && !toks[at-1].is(".") {
			front += " " // what stands before is not being written any more
		}
		c := At(front, len(front))
		there := toks[at].term()
		if !slices.ContainsFunc(c.Slots, func(s Slot) bool { return s.Term == there }) {
			rt.Fatalf("%s|\n%s is not expected: %v", front, there, c.Slots)
		}
		s := rapid.SampledFrom(c.Slots).Draw(rt, "slot")
		if s.Term == "." || s.Rule == "Link" {
			front = strings.TrimRight(front, " \n")
		}
		if offered := front + fill(s) + " "; !completes(offered, 90) {
			rt.Fatalf("%s|\n%v was offered, and leads to no query: %s", front, s, offered)
		}
	})
}

func TestKeywordsAreThose(t *testing.T) {
	inGrammar := map[string]bool{}
	for _, s := range net().states {
		for _, e := range s.edges {
			if e.kind == edgeTerm && e.term[0] >= 'A' && e.term[0] <= 'Z' {
				inGrammar[e.term] = true
			}
		}
	}
	for _, k := range Keywords() {
		if !inGrammar[k.Text] {
			t.Errorf("%s is no keyword of the grammar", k.Text)
		}
		delete(inGrammar, k.Text)
		if front, part := strings.CutPrefix(k.Example, "…"); part {
			if !strings.Contains(front, k.Text) {
				t.Errorf("%s: its example lacks it", k.Text)
			}
			continue
		}
		if _, err := Parse(Source{"example", k.Example}); err != nil || !strings.Contains(k.Example, k.Text) {
			t.Errorf("%s: %v", k.Text, err)
		}
	}
	for k := range inGrammar {
		t.Errorf("the keyword %s is not explained", k)
	}
}

func FuzzAt(f *testing.F) {
	f.Add("FROM fleet WHERE os = \"li", 24)
	f.Add("FIND file f, host WHERE f.path IN (FIND file @\"x", 99)
	f.Fuzz(func(t *testing.T, text string, offset int) {
		c := At(text, offset)
		if c.Span.Start < 0 || c.Span.End > len(text) || c.Span.Start > c.Span.End {
			t.Fatalf("%q at %d: %v", text, offset, c.Span)
		}
	})
}

func BenchmarkAt(b *testing.B) {
	const q = `FIND file /etc/** WHERE size > 10MB AND mtime > now - 2d AND (name LIKE "a%" OR lower(name) = "x") RETURN path, size ORDER BY si`
	for b.Loop() {
		At(q, len(q))
	}
}
