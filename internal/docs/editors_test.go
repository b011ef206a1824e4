package docs

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/quaestor-engine/quaestor/lang"
)

// coloured gives queries with all that the language has, in canonical form,
// where keywords are in upper case and nothing else is.
func coloured(t *testing.T) []*lang.File {
	t.Helper()
	texts := []string{
		"-- name: FIND what WHERE\n-- FROM here\nFIND file /etc/FROM/x, \"/srv/a WHERE b\" WHERE name = \"FIND \\\" AND\" OR path MATCHES 'it''s IN' AND size > 10MB",
		`FROM fleet WHERE os = linux AND tags.from = "x" FIND file @"a LIST.txt" AS f WHERE f.sha256 IN @bad.txt AND f.mtime > 2026-01-01T10:00:00Z LIMIT 3 PER HOST`,
		`PARAM since duration = 1h30m FIND NOT file /etc/* WHERE mtime > now - $since AND x"4d5a" = x"00" AND addresses IN 10.0.0.0/8 RETURN count() AS n, basename(path) GROUP BY path HAVING n > 1 ORDER BY n DESC`,
		`FIND file C:\Windows\FIND\* WHERE size / 2 > 1 AND NOT suid STACK BY mode WITH archives = on, timeout = 5m`,
	}
	for _, k := range lang.Keywords() {
		if !strings.HasPrefix(k.Example, "…") {
			texts = append(texts, k.Example)
		}
	}
	var all []*lang.File
	for _, text := range texts {
		f, err := lang.Parse(lang.Source{Name: "query", Text: text})
		if err != nil {
			t.Fatal(err)
		}
		again, err := lang.Parse(lang.Source{Name: "query", Text: lang.Format(f)})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, again)
	}
	return all
}

// quoted says which bytes of a query are text or comment.
func quoted(f *lang.File) []bool {
	in := make([]bool, len(f.Source.Text))
	mark := func(s lang.Span) {
		for i := s.Start; i < s.End; i++ {
			in[i] = true
		}
	}
	for _, c := range f.Comments {
		mark(c.Span)
	}
	for _, q := range f.Queries {
		lang.Walk(q, func(n lang.Node) bool {
			switch n := n.(type) {
			case *lang.ListRef:
				mark(n.Span())
			case *lang.Literal:
				if text := f.Source.Text[n.Span().Start:n.Span().End]; !isWord(text) {
					mark(n.Span())
				}
			}
			return true
		})
	}
	return in
}

func isWord(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) }) < 0
}

// wantColoured checks that keywords and nothing else is coloured as such.
func wantColoured(t *testing.T, f *lang.File, isKeyword []bool) {
	t.Helper()
	text, in := f.Source.Text, quoted(f)
	for _, m := range regexp.MustCompile(`[A-Za-z_]+`).FindAllStringIndex(text, -1) {
		word := text[m[0]:m[1]]
		want := !in[m[0]] && (word == strings.ToUpper(word) && word != "_" || word == "true" || word == "false")
		if want != isKeyword[m[0]] {
			t.Errorf("%q at %d of %s: coloured as a keyword: %v", word, m[0], text, isKeyword[m[0]])
		}
	}
}

// The grammar is tried as editors do: at each place the first pattern of those
// that match the soonest.
func TestTextMate(t *testing.T) {
	type compiled struct {
		pattern
		re *regexp.Regexp
	}
	var all []compiled
	for _, p := range patterns() {
		all = append(all, compiled{p, regexp.MustCompile(p.Match)})
	}
	if !json.Valid([]byte(TextMate())) {
		t.Fatal("the grammar is no JSON")
	}
	for _, name := range []string{"package.json", "language-configuration.json"} {
		if text, err := os.ReadFile("../../docs/editors/" + name); err != nil || !json.Valid(text) {
			t.Errorf("%s is no JSON: %v", name, err)
		}
	}
	for _, f := range coloured(t) {
		isKeyword := make([]bool, len(f.Source.Text))
		base := 0
		for line := range strings.Lines(f.Source.Text) {
			for at := 0; at < len(line); {
				best, place := compiled{}, []int(nil)
				for _, p := range all {
					m := matchFrom(p.re, strings.TrimRight(line, "\n"), at)
					if m != nil && m[1] > m[0] && (place == nil || m[0] < place[0]) {
						best, place = p, m
					}
				}
				if place == nil {
					break
				}
				for i := 0; 2*i < len(place); i++ {
					name := best.Name
					if i > 0 {
						name = best.Captures[string(rune('0'+i))].Name
					}
					for j := place[2*i]; name == scopeKeyword && j < place[2*i+1]; j++ {
						isKeyword[base+j] = true
					}
				}
				at = place[1]
			}
			base += len(line)
		}
		wantColoured(t, f, isKeyword)
	}
}

// matchFrom finds a match at or behind a place, where \b sees what is before.
func matchFrom(re *regexp.Regexp, line string, at int) []int {
	for _, m := range re.FindAllStringSubmatchIndex(line, -1) {
		if m[0] >= at {
			return m
		}
	}
	// One that overlaps what was taken hides those within it.
	if m := re.FindStringSubmatchIndex(line[at:]); m != nil {
		r, _ := utf8.DecodeLastRuneInString(line[:at])
		if m[0] == 0 && (r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return nil
		}
		for i := range m {
			m[i] += at
		}
		return m
	}
	return nil
}

// vimColoursOf has Neovim write, for each byte, whether it is a keyword's.
const vimColoursOf = `
set encoding=utf-8
exe 'source ' . $SYNTAX
let out = []
for l in range(1, line('$'))
  let s = ''
  for c in range(1, strlen(getline(l)))
    let s .= synIDattr(synID(l, c, 1), 'name') ==# 'quaestorKeyword' ? 'k' : '.'
  endfor
  call add(out, s)
endfor
call writefile(out, $OUT)
qa!
`

func TestVim(t *testing.T) {
	if _, err := exec.LookPath("nvim"); err != nil {
		t.Skip("LEFT OUT: there is no Neovim here")
	}
	dir := t.TempDir()
	put := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	script, syntax := put("script.vim", vimColoursOf), put("quaestor.vim", Vim())
	for _, f := range coloured(t) {
		out := filepath.Join(dir, "out")
		cmd := exec.CommandContext(t.Context(), "nvim", "--headless", "-u", "NONE", "-i", "NONE", "-n", put("query.qst", f.Source.Text), "-S", script)
		cmd.Env = append(os.Environ(), "SYNTAX="+syntax, "OUT="+out)
		if said, err := cmd.CombinedOutput(); err != nil || len(said) > 0 {
			t.Fatalf("%v %s", err, said)
		}
		colours, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		isKeyword := make([]bool, len(f.Source.Text)+1)
		for i, c := range colours {
			isKeyword[min(i, len(f.Source.Text))] = c == 'k'
		}
		wantColoured(t, f, isKeyword)
	}
}
