package complete_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/internal/complete"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/file"
	"github.com/quaestor-engine/quaestor/modules/host"
	"github.com/quaestor-engine/quaestor/planner"
)

// surroundings make a tree, lists, and a fleet of n hosts.
func surroundings(t testing.TB, n int) complete.Context {
	t.Helper()
	cat, err := modules.NewCatalogue(file.New(), host.New())
	if err != nil {
		t.Fatal(err)
	}
	c := complete.Context{
		Catalogue: cat, OS: "linux", Root: t.TempDir(), Dir: t.TempDir(),
		Facts: map[string][]string{"os": {"linux", "windows"}, "tags.team": {"shop", "web site"}, "tags.ring": {"canary"}},
		Lists: []string{"last.path"}, Answers: []string{"last", "01J9Z3"}, Cases: []string{"shop-2026"},
	}
	for i := range n {
		c.Hosts = append(c.Hosts, fmt.Sprintf("web-%d", i+1))
	}
	for _, name := range []string{"etc/passwd", "etc/ssh/sshd_config", "etc/my file", "etc/.hidden", "opt/a*b", "opt/;x"} {
		name = filepath.Join(c.Root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"bad.txt", "bad hashes.txt", "known.csv"} {
		if err := os.WriteFile(filepath.Join(c.Dir, name), []byte("x\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func texts(list []complete.Candidate) []string {
	var out []string
	for _, c := range list {
		out = append(out, c.Text)
	}
	return out
}

func TestAt(t *testing.T) {
	c := surroundings(t, 2)
	for _, q := range []struct{ text, want string }{
		{"|", "EXPLAIN PARAM LET FROM FIND WATCH"},
		{"f|", "FROM FIND"},
		{"FROM |", "fleet local host hits( misses( case("},
		{"FROM fl|", "fleet"},
		{"FROM fleet |", "WHERE FIND WATCH"},
		{"WATCH file /etc/** WHERE chan|", "change"},
		{"FIND file /etc/** WHERE chan|", ""},
		{"WATCH file /etc/** WHERE change = |", `created modified deleted moved moved_away "attributes" …`},
		{"FROM host |", `"web-1" "web-2"`},
		{`FROM host "web-1", "|`, `"web-1" "web-2"`},
		{"FROM hits(|", `"last" "01J9Z3"`},
		{`FROM case("|`, `"shop-2026"`},
		{"FROM fleet WHERE o|", "os"},
		{"FROM fleet WHERE os = |", "linux windows darwin @ …"},
		{"FROM fleet WHERE os = l|", "linux lower( len("},
		{`FROM fleet WHERE os = "l|`, `"linux"`},
		{"FROM fleet WHERE ta|", "tags.ring tags.team"},
		{"FROM fleet WHERE tags.|", "ring team"},
		{"FROM fleet WHERE tags.team = |", `shop "web site" @ …`},
		{"FIND |", "file host NOT"},
		{"FIND NOT |", "file host"},
		{"FIND h|", "host"},
		{"FIND file /e|", "/etc/"},
		{"FIND file /etc/|", `"/etc/my file" /etc/passwd /etc/ssh/`},
		{"FIND file /etc/.|", "/etc/.hidden"},
		{"FIND file /opt/|", `"/opt/;x" "/opt/a*b"`},
		{`FIND file "/etc/m|`, `"/etc/my file"`},
		{"FROM fleet FIND file /e|", ""},
		{"FIND file /etc WH|", "WHERE"},
		{"FIND file /etc WHERE si|", "size"},
		{"FIND file /etc WHERE size |", "= != < <= > >= NOT IS IN BETWEEN AND OR RETURN …"},
		{"FIND file /etc WHERE suid |", "= != NOT IS IN AND OR RETURN …"},
		{"FIND file /etc WHERE suid = |", "true false sgid sticky executable world_writable immutable @ …"},
		{"FIND file /etc WHERE type = |", "file directory …"},
		{"FIND file /etc WHERE mtime > |", "now - 1h now - 1d now - 7d atime ctime btime origin_time @ …"},
		{"FIND file /etc WHERE target_path IN (FIND file /etc/* RETURN p|", "path pe package permissions("},
		{"FIND file /etc WHERE path = |", "/etc/ /opt/ name dir …"},
		{"FIND file /etc WHERE sha256 IN |", "@ ("},
		{"FIND file /etc WHERE sha256 IN @|", `@last.path @"bad hashes.txt" @bad.txt @known.csv`},
		{"FIND file /etc WHERE sha256 IN @k|", "@known.csv"},
		{`FIND file /etc WHERE sha256 IN @"bad |`, `@"bad hashes.txt"`},
		{"FIND file a, file b WHERE a|", "atime a. ANY LINE abs( any( all( age("},
		{"FIND file a, host h WHERE h.o|", "os"},
		{"FIND file /etc RETURN path AS place, size ORDER BY pl|", "place"},
		{"FIND file /etc RETURN path, count() AS n GROUP BY path HAVING c|", "ctime capabilities content CONTAINS concat( coalesce( contains( cocoa_time( count("},
		{"FIND file /etc WHERE c|", "ctime capabilities content CONTAINS concat( coalesce( contains( cocoa_time("},
		{"FIND file /etc ORDER |", "ORDER BY WHERE …"},
		{"FIND file /etc ORDER b|", "ORDER BY"},
		{"FIND file /etc WHERE name STARTS |", "STARTS WITH"},
		{"FIND file /etc WITH de|", "decompress depth"},
		{"FIND file /etc WITH archives = |", "on off"},
		{"PARAM x |", "text bytes int float bool size duration time ip cidr hash version mode list"},
		{"PARAM x text LET y = 1 FIND file /etc WHERE name = $|", "$x $y"},
		{"FIND file -- W|", ""},
		{"SELECT |", ""},
	} {
		before, after, _ := strings.Cut(q.text, "|")
		got := strings.Join(texts(complete.At(before+after, len(before), c)), " ")
		front, open := strings.CutSuffix(q.want, "…")
		if got != q.want && !(open && strings.HasPrefix(got, front)) {
			t.Errorf("%s\ngot  %s\nwant %s", q.text, got, q.want)
		}
	}
}

// apply puts a candidate into the text.
func apply(text string, c complete.Candidate) string {
	return text[:c.Span.Start] + c.Text + text[c.Span.End:]
}

// ends are how a query that stands there may come to its end: what it ends
// with, or what the grammar wants, and what to write then.
var ends = []struct{ tail, slot, text string }{
	{" IN", "", `("x") `}, {")IN", "", `("x") `}, {" host", "From", `"x" `}, {"NOT", "Text LIKE", `LIKE "x" `}, {"FIND", "", "file /x "}, {"", "Param <ident>", "text "},
	{"FROM", "", "fleet "}, {"LIMIT", "", "3 "}, {"EVERY", "", "1h "}, {"hits(", "", `"x") `}, {"", ")", ") "}, {"", "Between AND", "AND "}, {"", "FIND", "FIND "}, {"", "<ident>", "path "}, {"", "=", "= "}, {"", "NULL", "NULL "},
}

// finish goes on to a query.
func finish(text string, steps int) (string, *lang.File, error) {
	f, err := lang.Parse(lang.Source{Name: "query", Text: text})
	if err == nil || steps == 0 {
		return text, f, err
	}
	slots := lang.At(text, len(text)).Slots
	for _, end := range ends {
		rule, term, both := strings.Cut(end.slot, " ")
		wanted := end.slot == "" || slices.ContainsFunc(slots, func(s lang.Slot) bool {
			return both && s.Rule == rule && s.Term == term || !both && (s.Term == rule || s.Rule == rule)
		})
		if wanted && strings.HasSuffix(strings.TrimRight(text, " "), end.tail) {
			return finish(text+end.text, steps-1)
		}
	}
	return text, nil, err
}

// Whatever is offered, at any place of any query of the test suite, leads to
// a query that parses, and names nothing that is not there.
func TestWhateverIsOfferedIsRight(t *testing.T) {
	c := surroundings(t, 3)
	tried := map[string]bool{}
	for _, text := range corpus(t) {
		for at := range len(text) + 1 {
			if at > 0 && at < len(text) && text[at-1] != ' ' && text[at] != ' ' {
				continue // in the middle of a word: its beginning was tried
			}
			front := text[:at]
			for _, cand := range complete.At(front, at, c) {
				offered := apply(front, cand)
				if tried[offered] {
					continue
				}
				tried[offered] = true
				check(t, c, cand, offered)
			}
		}
	}
	t.Logf("%d offers", len(tried))
}

func check(t *testing.T, c complete.Context, cand complete.Candidate, offered string) {
	if !strings.HasSuffix(offered, ".") && !strings.HasSuffix(offered, "@") && !strings.HasSuffix(offered, "/") {
		offered += " "
	} else {
		offered += "x "
	}
	whole, file, err := finish(offered, 40)
	if err != nil {
		t.Errorf("%q of kind %s leads nowhere: %s\n%v", cand.Text, cand.Kind, whole, err)
		return
	}
	if cand.Kind != complete.Column && cand.Kind != complete.Module && cand.Kind != complete.Setting && cand.Kind != complete.Source {
		return
	}
	for _, q := range file.Queries {
		_, _, err := planner.Compile(q, c.Catalogue, planner.Inputs{Source: file.Source, OS: c.OS,
			ReadList: func(string) ([]byte, error) { return []byte("x\n"), nil }})
		for _, wrong := range []string{"no column", "no module", "no setting", "no source", "unknown"} {
			if err != nil && strings.Contains(err.Error(), fmt.Sprintf("%s %q", wrong, strings.TrimSpace(cand.Text))) {
				t.Errorf("%q of kind %s is not there: %s\n%v", cand.Text, cand.Kind, whole, err)
			}
		}
	}
}

// corpus gives queries that show every clause.
func corpus(t *testing.T) []string {
	queries := []string{
		`FROM fleet WHERE os = linux AND tags.team IN ("shop", "web") FIND file /etc/* CONTAINS "ioc"`,
		`PARAM since duration = 7d LET big = 10MB FIND file /etc/** WHERE mtime > now - $since OR size BETWEEN 1KB AND $big RETURN path, size AS s ORDER BY s DESC LIMIT 3 PER HOST WITH depth = 2, archives = on`,
		`EXPLAIN ANALYZE FIND file /etc/* a, file /opt/* b WHERE a.path = b.target_path AND a.name NOT LIKE "x%" NOCASE`,
		`FROM host "web-1" FIND NOT file /etc/passwd EVERY LINE MATCHES 'x' AND FIND host WHERE os IS NOT NULL OR FIND host`,
		`FIND file /etc/* WHERE path NOT IN (FIND file /opt/* WHERE size > 1 RETURN path) RETURN DISTINCT owner, count(DISTINCT path) AS n GROUP BY owner HAVING n > 1`,
		`FROM hits("last") FIND file /etc/* STACK BY mode, lower(name)`,
		`FIND host; FIND file /etc/* WHERE (name = "a" OR NOT suid) AND len(name) + 1 > 3`,
	}
	for _, k := range lang.Keywords() {
		if !strings.HasPrefix(k.Example, "…") {
			queries = append(queries, k.Example)
		}
	}
	for _, q := range queries {
		if _, err := lang.Parse(lang.Source{Name: "corpus", Text: q}); err != nil {
			t.Fatal(err)
		}
	}
	return queries
}

func TestHover(t *testing.T) {
	c := surroundings(t, 1)
	for _, q := range []struct{ text, word, want string }{
		{"FI|ND file", "FIND", "**FIND** keyword"},
		{"FIND |file", "file", "**file** module"},
		{"FIND file /etc WHERE si|ze > 1", "size", "**size** column: size, stat"},
		{"FIND file /etc WHERE lower|(name) = 1", "lower", "**lower(text)** function"},
		{"FIND file /etc RETURN owner, count() AS n GRO|UP BY owner", "GROUP BY", "**GROUP BY** keyword"},
		{"FIND file /etc RETURN owner, count() AS n GROUP B|Y owner", "GROUP BY", "**GROUP BY** keyword"},
		{"FIND file /etc RETURN coun|t()", "count", "**count(), count(x), count(DISTINCT x)** aggregate"},
		{"FROM fle|et FIND host", "fleet", "**fleet** source"},
		{"FROM fleet WHERE o|s = linux FIND host", "os", "**os** fact: text"},
		{"FROM fleet WHERE tags.te|am = linux FIND host", "team", "**tags.team** tag"},
		{"FIND file /etc WITH dep|th = 3", "depth", "**depth** setting: int"},
		{"FIND file /etc WHERE name = \"si|ze\"", "", ""},
		{"FIND file /etc -- si|ze", "", ""},
		{"FIND file /etc WHERE nothing|such", "", ""},
		{"|", "", ""},
	} {
		before, after, _ := strings.Cut(q.text, "|")
		doc, span, ok := complete.Hover(before+after, len(before), c)
		word := (before + after)[span.Start:span.End]
		if ok != (q.want != "") || !strings.HasPrefix(doc, q.want) || word != q.word {
			t.Errorf("%s\ngot  %q %s\nwant %q %s", q.text, word, doc, q.word, q.want)
		}
	}
}

func FuzzComplete(f *testing.F) {
	c := surroundings(f, 2)
	for _, q := range []string{"FROM fleet WHERE tags.team = \"w", "FIND file /etc/* WHERE a.b.c IN @\"", "FIND file f, host h WHERE f."} {
		f.Add(q, len(q))
	}
	f.Fuzz(func(t *testing.T, text string, at int) {
		for _, cand := range complete.At(text, at, c) {
			if cand.Span.Start < 0 || cand.Span.Start > cand.Span.End || cand.Span.End > len(text) {
				t.Fatalf("%q: %v", text, cand)
			}
		}
		complete.Hover(text, at, c)
	})
}

// The figure: under 10 ms a keystroke with 2,000 hosts.
func BenchmarkKeystroke(b *testing.B) {
	c := surroundings(b, 2000)
	for _, q := range []string{`FROM host "web-1`, "FROM fleet WHERE os = linux FIND file /etc/** WHERE size > 10MB AND mti"} {
		b.Run(q[:9], func(b *testing.B) {
			for b.Loop() {
				complete.At(q, len(q), c)
			}
		})
	}
}
