package cli

import (
	"fmt"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/render"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// Run lists modules or the columns of one.
func (c *modulesShowCommand) Run(a *app) error {
	cat, err := modules.NewCatalogue(std.Modules()...)
	if err != nil {
		return err
	}
	names := cat.Names()
	if c.Name != "" {
		if _, ok := cat.Schema(c.Name); !ok {
			hint := "quaestor modules lists them"
			if near, ok := lang.Nearest(c.Name, names); ok {
				hint = lang.DidYouMean(near)
			}
			return &exit{ExitWrong, fmt.Errorf("quaestor: no module %q\nhint: %s", c.Name, hint)}
		}
		names = []string{c.Name}
	}
	switch {
	case c.JSON:
		return a.modulesJSON(cat, names)
	case c.Name != "":
		s, _ := cat.Schema(c.Name)
		return a.module(s)
	}
	rows := [][]string{}
	for _, n := range names {
		s, _ := cat.Schema(n)
		rows = append(rows, []string{n, fmt.Sprint(len(s.Columns)), s.Doc})
	}
	return a.table([]string{"module", "columns", "about"}, rows)
}

func (a *app) module(s *modules.Schema) error {
	fmt.Fprintf(a.Out, "%s: %s\n", s.Name, s.Doc)
	if s.Locator.Use != modules.NoLocator {
		fmt.Fprintf(a.Out, "Where to look: %s. For example: FIND %s %s\n", s.Locator.Doc, s.Name, s.Locator.Example)
	}
	fmt.Fprintln(a.Out)
	var rows [][]string
	for _, c := range s.Columns {
		rows = append(rows, []string{c.Name, typeText(c), c.Cost.String(), marks(c, s.Key), c.Doc})
	}
	return a.table([]string{"column", "type", "cost", "notes", "about"}, rows)
}

func typeText(c modules.Column) string {
	if c.Type == value.List {
		return "list(" + c.Elem.String() + ")"
	}
	return c.Type.String()
}

// marks says in a few words what is special about a column.
func marks(c modules.Column, key string) string {
	var out []string
	if c.Name == key {
		out = append(out, "key")
	}
	if c.Default {
		out = append(out, "default")
	}
	if c.Content {
		out = append(out, "content")
	}
	if c.Line {
		out = append(out, "line")
	}
	if c.Link != "" {
		out = append(out, "-> "+c.Link)
	}
	if len(c.OS) > 0 {
		out = append(out, strings.Join(c.OS, "/"))
	}
	return strings.Join(out, ", ")
}

func (a *app) table(header []string, rows [][]string) error {
	sink, err := render.New("table", a.Out, a.options(a.Out, "auto"))
	if err != nil {
		return err
	}
	t := render.Table{}
	for i, h := range header {
		typ := value.Text
		if i < len(header)-1 {
			typ = value.Version // is never shortened
		}
		t.Columns = append(t.Columns, render.Column{Name: h, Type: typ})
	}
	if err := sink.Begin([]render.Table{t}); err != nil {
		return err
	}
	for _, r := range rows {
		values := make([]value.Value, len(r))
		for i, cell := range r {
			values[i] = value.NewText(cell)
		}
		if err := sink.Row(0, values); err != nil {
			return err
		}
	}
	return sink.End(answer.Summary{})
}

func (a *app) modulesJSON(cat *modules.Catalogue, names []string) error {
	return a.writeJSON(render.Modules(cat, names), "  ")
}
