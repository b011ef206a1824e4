package lsp

import (
	"fmt"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/complete"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/value"
)

func mistakes(err error) []lang.Diagnostic {
	var all []lang.Diagnostic
	for _, e := range quaestor.Mistakes(err) {
		all = append(all, e.Diagnostics...)
	}
	return all
}

// context is what is known beside a document.
func (s *server) context(d *document) complete.Context {
	c := s.opts.Context
	c.Dir = d.dir()
	return c
}

// An item is one way to go on.
type item struct {
	Label  string `json:"label"`
	Kind   int    `json:"kind"`
	Detail string `json:"detail,omitempty"`
	Doc    string `json:"documentation,omitempty"`
	Sort   string `json:"sortText"`
	Filter string `json:"filterText"`
	Edit   edit   `json:"textEdit"`
}

// itemKinds are the protocol's CompletionItemKind of each kind of ours.
var itemKinds = map[complete.Kind]int{
	complete.Value: 12, complete.Host: 12, complete.Path: 17, complete.Column: 5, complete.Tag: 10,
	complete.Module: 9, complete.Source: 9, complete.Setting: 10, complete.Type: 25, complete.Param: 6,
	complete.List: 17, complete.Operator: 24, complete.Keyword: 14, complete.Function: 3,
}

func (s *server) completion(d *document, p placed) (any, error) {
	at := d.offset(p.Position)
	items := []item{}
	for i, c := range complete.At(d.text, at, s.context(d)) {
		replaced := d.span(c.Span)
		items = append(items, item{
			Label: c.Text, Kind: itemKinds[c.Kind], Detail: c.Detail, Doc: c.Doc, Sort: fmt.Sprintf("%05d", i),
			// Editors look for what they have in this, and what is offered may
			// only sound like it.
			Filter: d.text[c.Span.Start:min(max(at, c.Span.Start), c.Span.End)] + c.Text,
			Edit:   edit{replaced, c.Text},
		})
	}
	return map[string]any{"isIncomplete": true, "items": items}, nil
}

func (s *server) hover(d *document, p placed) (any, error) {
	doc, span, ok := complete.Hover(d.text, d.offset(p.Position), s.context(d))
	if !ok {
		return nil, nil
	}
	return map[string]any{"contents": map[string]string{"kind": "markdown", "value": doc}, "range": d.span(span)}, nil
}

// named are the modules and lists that a document names.
func named(f *lang.File) (mods, lists []lang.Node) {
	for _, q := range f.Queries {
		lang.Walk(q, func(n lang.Node) bool {
			switch n := n.(type) {
			case *lang.Scan:
				mods = append(mods, n.Module)
			case *lang.ListRef:
				lists = append(lists, n)
			}
			return true
		})
	}
	return mods, lists
}

func within(n lang.Node, offset int) bool {
	return n.Span().Start <= offset && offset <= n.Span().End
}

// definition opens a list, or what is known of a module.
func (s *server) definition(d *document, p placed) (any, error) {
	f, _ := lang.Parse(lang.Source{Name: d.name(), Text: d.text})
	if f == nil {
		return nil, nil
	}
	at := d.offset(p.Position)
	mods, lists := named(f)
	for _, n := range lists {
		if within(n, at) {
			if file := d.list(n.(*lang.ListRef)); file != "" {
				return place(file), nil
			}
			return nil, nil
		}
	}
	for _, n := range mods {
		if !within(n, at) {
			continue
		}
		name := n.(lang.Ident).Name
		if _, ok := s.opts.Context.Catalogue.Schema(name); !ok {
			return nil, nil
		}
		page, err := s.opts.Page(name)
		if err != nil {
			return nil, fmt.Errorf("the page of the module %s: %w", name, err)
		}
		return place(page), nil
	}
	return nil, nil
}

// place is the beginning of a file.
func place(file string) any {
	return map[string]any{"uri": uriOf(file), "range": textRange{}}
}

// modulesPage describes all modules.
const modulesPage = "https://github.com/quaestor-engine/quaestor/blob/main/docs/modules.md#"

func (s *server) links(d *document, _ placed) (any, error) {
	type link struct {
		Range   textRange `json:"range"`
		Target  string    `json:"target"`
		Tooltip string    `json:"tooltip"`
	}
	links := []link{}
	f, _ := lang.Parse(lang.Source{Name: d.name(), Text: d.text})
	if f == nil {
		return links, nil
	}
	mods, lists := named(f)
	for _, n := range mods {
		name := n.(lang.Ident).Name
		if _, ok := s.opts.Context.Catalogue.Schema(name); ok {
			links = append(links, link{d.span(n.Span()), modulesPage + name, "the module " + name})
		}
	}
	for _, n := range lists {
		l := n.(*lang.ListRef)
		if file := d.list(l); file != "" {
			links = append(links, link{d.span(l.Span()), uriOf(file), "the list " + l.Path})
		}
	}
	return links, nil
}

// symbols lists the queries.
func (s *server) symbols(d *document, _ placed) (any, error) {
	type symbol struct {
		Name      string    `json:"name"`
		Detail    string    `json:"detail,omitempty"`
		Kind      int       `json:"kind"`
		Range     textRange `json:"range"`
		Selection textRange `json:"selectionRange"`
	}
	const function = 12 // of SymbolKind
	all := []symbol{}
	f, _ := lang.Parse(lang.Source{Name: d.name(), Text: d.text})
	if f == nil {
		return all, nil
	}
	for i, q := range f.Queries {
		name := q.Header.Name
		if name == "" {
			name = fmt.Sprintf("query %d", i+1)
		}
		all = append(all, symbol{name, q.Header.Description, function, d.span(q.Span()), d.span(q.Span())})
	}
	return all, nil
}

// formatting replaces the lines that are not in their canonical form. A text
// with mistakes stays as it is.
func (s *server) formatting(d *document, _ placed) (any, error) {
	f, err := lang.Parse(lang.Source{Name: d.name(), Text: d.text})
	if err != nil {
		return nil, nil
	}
	want := lang.Format(f)
	if want == d.text {
		return []edit{}, nil
	}
	// What is the same at both ends is left alone, whole lines of it, so that
	// the cursor stays where it is.
	front := 0
	for front < len(d.text) && front < len(want) && d.text[front] == want[front] {
		front++
	}
	front = strings.LastIndexByte(d.text[:front], '\n') + 1
	back := 0
	for back < len(d.text)-front && back < len(want)-front && d.text[len(d.text)-1-back] == want[len(want)-1-back] {
		back++
	}
	if cut := strings.IndexByte(d.text[len(d.text)-back:], '\n'); cut >= 0 {
		back -= cut
	} else {
		back = 0
	}
	// Not between the two characters that end a line of Windows.
	if back > 0 && len(d.text) > back && d.text[len(d.text)-back-1] == '\r' {
		back = 0
	}
	return []edit{{textRange{d.position(front), d.position(len(d.text) - back)}, want[front : len(want)-back]}}, nil
}

// actions offers the mends of the mistakes in a range.
func (s *server) actions(d *document, p placed) (any, error) {
	type action struct {
		Title       string         `json:"title"`
		Kind        string         `json:"kind"`
		Diagnostics []diagnostic   `json:"diagnostics"`
		Preferred   bool           `json:"isPreferred"`
		Edit        map[string]any `json:"edit"`
	}
	all := []action{}
	if only := p.Context.Only; len(only) > 0 && !slices.Contains(only, "quickfix") {
		return all, nil
	}
	found := s.check(d)
	start, end := d.offset(p.Range.Start), d.offset(p.Range.End)
	for _, one := range found {
		mend := one.lang.Mend()
		if mend == "" || one.lang.Span.End < start || one.lang.Span.Start > end {
			continue
		}
		all = append(all, action{
			Title: "write " + value.EscapeText(mend), Kind: "quickfix", Diagnostics: []diagnostic{one}, Preferred: true,
			Edit: map[string]any{"changes": map[string][]edit{d.uri: {{one.Range, mend}}}},
		})
	}
	return all, nil
}
