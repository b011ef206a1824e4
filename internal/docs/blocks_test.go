package docs

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/cases"
	"github.com/quaestor-engine/quaestor/internal/render"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

var update = flag.Bool("update", false, "rewrite what the pages show as answers")

// pages lists the pages whose blocks are tried.
func pages(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(list) < 5 {
		t.Fatalf("%d pages were found: %v", len(list), err)
	}
	return append(list, "../../README.md", "../../CONTRIBUTING.md")
}

// TestBlocks tries every block of queries in the docs:
//
//	```qst          is checked for Linux
//	```qst run      is asked of the tree in testdata; the next block is its answer
//	```qst account  likewise; the block after that is the account
//	```qst explain  the next block is its plan
//	```qst wrong    the next block is what is said about it
//	```sh           each query after quaestor run, explain or check is checked
//	```x convert=F  file F is converted; the next block is the query file
//	```x list=F     is the list F of testdata, which queries of the pages name
//	```x file=F     is a file that one that is converted may name
func TestBlocks(t *testing.T) {
	tree, lists := makeTree(t)
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Error(err)
			continue
		}
		blocks := Blocks(string(text))
		texts := map[int]string{}
		for i, b := range blocks {
			p := &trial{blocks: blocks, i: i, tree: tree, lists: lists, texts: texts}
			t.Run(filepath.Base(page)+":"+strconv.Itoa(b.Line), p.try)
		}
		if !*update {
			continue
		}
		if got := Replace(string(text), texts); got != string(text) {
			if err := os.WriteFile(page, []byte(got), 0o644); err != nil {
				t.Error(err)
			}
		}
	}
}

// A trial is one block that is tried.
type trial struct {
	blocks      []Block
	i           int
	tree, lists string
	texts       map[int]string // what the pages should show, by block
}

func (p *trial) try(t *testing.T) {
	b := p.blocks[p.i]
	switch {
	case b.Value("convert") != "":
		p.convert(t)
	case b.Value("list") != "":
		p.list(t)
	case b.Marked("sh"):
		for _, m := range shellQuery.FindAllStringSubmatch(b.Text, -1) {
			p.compile(t, m[1])
		}
	case !b.Marked("qst"):
	case b.Marked("wrong"):
		p.wrong(t)
	case b.Marked("run"), b.Marked("account"):
		p.run(t)
	case b.Marked("explain"):
		s, c := p.compile(t, b.Text)
		defer s.Close()
		p.compare(t, 1, s.Explain(c.Queries[0]), false)
	default:
		s, _ := p.compile(t, b.Text)
		s.Close()
	}
}

// list holds a block to the list that it shows.
func (p *trial) list(t *testing.T) {
	b := p.blocks[p.i]
	data, err := os.ReadFile(filepath.Join(p.lists, b.Value("list")))
	if err != nil {
		t.Fatal(err)
	}
	if p.texts[p.i] = string(data); b.Text != string(data) && !*update {
		t.Errorf("got\n%swant\n%s", b.Text, data)
	}
}

// inlineQuery is a whole query between backquotes in the text of a page.
var inlineQuery = regexp.MustCompile("`((?:EXPLAIN (?:ANALYZE )?)?FIND (?:NOT )?(?:file|host)\\b[^`]*)`")

// Queries in the text of the pages are checked like those in blocks.
func TestInlineQueries(t *testing.T) {
	tree, lists := makeTree(t)
	n := 0
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, m := range inlineQuery.FindAllStringSubmatch(withoutBlocks(string(text)), -1) {
			query := strings.ReplaceAll(m[1], `\|`, "|")
			if strings.Contains(query, "…") {
				continue
			}
			n++
			t.Run(filepath.Base(page)+": "+query, func(t *testing.T) {
				p := &trial{blocks: []Block{{}}, tree: tree, lists: lists}
				s, _ := p.compile(t, query)
				s.Close()
			})
		}
	}
	if n < 40 {
		t.Errorf("only %d queries were found in the text of the pages", n)
	}
}

var shellQuery = regexp.MustCompile(`quaestor (?:run|explain|check)(?: --?[\w-]+(?: [\w/]+)?)* '([^']*)'`)

func (p *trial) session(t *testing.T) *quaestor.LocalSession {
	t.Helper()
	s, err := quaestor.LocalWith(quaestor.Options{
		Root: p.tree, Dir: p.lists, OS: "linux",
		Case: func(name string) (modules.Module, error) {
			return cases.Relation(t.Context(), filepath.Join(p.lists, "cases"), name)
		},
		Now: func() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (p *trial) compile(t *testing.T, text string) (*quaestor.LocalSession, *quaestor.Compiled) {
	t.Helper()
	s := p.session(t)
	c, err := s.Compile(lang.Source{Name: "query", Text: text})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range c.Warnings {
		if !p.blocks[p.i].Marked("doubtful") {
			t.Error(w)
		}
	}
	return s, c
}

func (p *trial) wrong(t *testing.T) {
	s := p.session(t)
	defer s.Close()
	text := strings.TrimSuffix(p.blocks[p.i].Text, "\n")
	c, err := s.Compile(lang.Source{Name: "query", Text: text})
	if err == nil {
		_, err = s.Run(t.Context(), c)
	}
	if err == nil {
		t.Fatal("nothing is wrong with it")
	}
	p.compare(t, 1, err.Error()+"\n", false)
}

func (p *trial) run(t *testing.T) {
	s, c := p.compile(t, p.blocks[p.i].Text)
	defer s.Close()
	table, account, ordered, err := ask(t.Context(), s, c)
	if err != nil {
		t.Fatal(err)
	}
	p.compare(t, 1, table, !ordered)
	if p.blocks[p.i].Marked("account") {
		p.compare(t, 2, account, false)
	}
}

// ask runs queries and shows the answer and its account as the command does,
// without the time that it took.
func ask(ctx context.Context, s *quaestor.LocalSession, c *quaestor.Compiled) (table, account string, ordered bool, err error) {
	rows, err := s.Run(ctx, c)
	if err != nil {
		return "", "", false, err
	}
	defer rows.Close()
	var out, sum bytes.Buffer
	sink, err := render.New("table", &out, render.Options{})
	if err != nil {
		return "", "", false, err
	}
	var tables []render.Table
	ordered = true
	for _, t := range rows.Tables() {
		ordered = ordered && t.Ordered
		table := render.Table{Name: t.Name}
		for _, col := range t.Columns {
			table.Columns = append(table.Columns, render.Column{Name: col.Name, Type: col.Type})
		}
		tables = append(tables, table)
	}
	err = sink.Begin(tables)
	for row, bad := range rows.All() {
		if bad != nil {
			return "", "", false, bad
		}
		err = errors.Join(err, sink.Row(row.Table(), row.Values()))
	}
	err = errors.Join(err, sink.End(rows.Summary()), render.Summary(&sum, rows.Summary(), 0, render.Options{}))
	return out.String(), sum.String(), ordered, err
}

// compare holds what came back to the block that is so much further on.
// Rows without an order may come in any.
func (p *trial) compare(t *testing.T, further int, got string, anyOrder bool) {
	t.Helper()
	i := p.i + further
	if i >= len(p.blocks) || !p.blocks[i].Marked("text") {
		t.Fatalf("the block must be followed by a block of text:\n%s", got)
	}
	want := p.blocks[i].Text
	if normal(want, anyOrder) == normal(got, anyOrder) {
		return
	}
	if p.texts[i] = got; !*update {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func normal(text string, anyOrder bool) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	if anyOrder {
		slices.Sort(lines)
	}
	return strings.Join(lines, "\n")
}

// makeTree writes the machine of testdata/tree.txtar, and the lists that
// queries name.
func makeTree(t *testing.T) (tree, lists string) {
	t.Helper()
	archive, err := txtar.ParseFile(filepath.Join("testdata", "tree.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	tree, lists = filepath.Join(dir, "tree"), filepath.Join(dir, "lists")
	for _, f := range archive.Files {
		if name, isList := strings.CutPrefix(f.Name, "list/"); isList {
			err = errors.Join(err, put(filepath.Join(lists, name), f.Data, 0o644, time.Now()))
			continue
		}
		err = errors.Join(err, putEntry(tree, f))
	}
	err = errors.Join(err, filepath.WalkDir(tree, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return os.Chmod(name, 0o755) // whatever the umask
	}))
	if err := errors.Join(err, keepCase(filepath.Join(lists, "cases"))); err != nil {
		t.Fatal(err)
	}
	return tree, lists
}

// keepCase makes the case that the pages ask.
func keepCase(dir string) error {
	ctx := context.Background()
	c, err := cases.Open(dir, "shop-2026", cases.Options{Who: "the pages"})
	if err != nil {
		return err
	}
	columns := []quaestor.Column{{Name: "path", Type: value.Text}, {Name: "size", Type: value.Size}}
	r, err := c.Begin(ctx, cases.Question{Name: "query", Source: "local", Text: "FIND file", Tables: []quaestor.Table{{Name: "file", Columns: columns}}})
	if err != nil {
		return err
	}
	return errors.Join(r.End(ctx, answer.Summary{Outcome: answer.Complete}, nil), c.Close())
}

func putEntry(tree string, f txtar.File) error {
	var name, day string
	var bits uint32
	if _, err := fmt.Sscanf(f.Name, "%s %o %s", &name, &bits, &day); err != nil {
		return fmt.Errorf("%q is no path, mode and day: %w", f.Name, err)
	}
	when, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return err
	}
	mode := os.FileMode(bits & 0o777)
	if bits&0o4000 != 0 {
		mode |= os.ModeSetuid
	}
	return put(filepath.Join(tree, filepath.FromSlash(name)), f.Data, mode, when)
}

func put(name string, data []byte, mode os.FileMode, when time.Time) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		return err
	}
	return errors.Join(os.Chmod(name, mode), os.Chtimes(name, when, when))
}

// Fences, marks and replacing are tried on a page of their own.
func TestBlocksOfAPage(t *testing.T) {
	page := "a\n```qst run\nFIND\n```\nb\n```text\nold\nold\n```\n```\n```\n"
	want := []Block{{3, "qst run", "FIND\n"}, {7, "text", "old\nold\n"}, {11, "", ""}}
	blocks := Blocks(page)
	if !slices.Equal(blocks, want) {
		t.Fatalf("found %v", blocks)
	}
	if !blocks[0].Marked("run") || blocks[0].Marked("qs") {
		t.Error("marks are words")
	}
	got := Replace(page, map[int]string{1: "new\n"})
	if got != "a\n```qst run\nFIND\n```\nb\n```text\nnew\n```\n```\n```\n" {
		t.Errorf("replaced it reads %q", got)
	}
}
