package pretend

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// A Module pretends to be a module: its rows stand in a text.
type Module struct {
	schema modules.Schema
	rows   [][]value.Value
	skips  []modules.Skip
	fail   string
}

var columnForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([a-z0-9_]+):([a-z]+)(\(([a-z]+)\))?([*@?!]*)(->([a-z_]+))?$`)
})

// Parse reads a table whose header declares its columns, name:type each with
// its marks: see the package comment of internal/spec.
func Parse(name, text string) (*Module, error) {
	ls := Lines(text)
	if len(ls) == 0 {
		return nil, errors.New("no header")
	}
	m := &Module{schema: modules.Schema{Name: name, Doc: "what the script says"}}
	for _, word := range strings.Fields(ls[0]) {
		if err := m.column(word); err != nil {
			return nil, err
		}
	}
	for _, l := range ls[1:] {
		if err := m.line(l); err != nil {
			return nil, fmt.Errorf("%q: %w", l, err)
		}
	}
	return m, nil
}

func (m *Module) column(word string) error {
	parts := columnForm().FindStringSubmatch(word)
	if parts == nil {
		return fmt.Errorf("%q is not name:type, with (elem), *, @, ?, ! and ->module as they are needed", word)
	}
	c := modules.Column{Name: parts[1], Default: !strings.ContainsAny(parts[5], "?!"), Link: parts[7],
		Content: strings.Contains(parts[5], "!"), Doc: "a column of the script"}
	var ok bool
	if c.Type, ok = value.ParseType(parts[2]); !ok {
		return fmt.Errorf("%q: no type %q", word, parts[2])
	}
	if c.Type == value.List {
		c.Elem = value.Text
		if parts[4] != "" {
			if c.Elem, ok = value.ParseType(parts[4]); !ok {
				return fmt.Errorf("%q: no type %q", word, parts[4])
			}
		}
	}
	if strings.Contains(parts[5], "*") {
		m.schema.Key = c.Name
	}
	if strings.Contains(parts[5], "@") {
		m.schema.Locator = modules.Locator{Use: modules.LocatorOptional, Column: c.Name, Doc: "a glob of " + c.Name, Example: "x*"}
	}
	m.schema.Columns = append(m.schema.Columns, c)
	return nil
}

// line reads a row, "! KIND WHERE DETAIL" for what could not be looked at, or
// "! fail REASON" for a scan that ends badly.
func (m *Module) line(l string) error {
	if rest, ok := strings.CutPrefix(l, "! "); ok {
		kind, where, _ := strings.Cut(rest, " ")
		if kind == "fail" {
			m.fail = where
			return nil
		}
		where, detail, _ := strings.Cut(where, " ")
		m.skips = append(m.skips, modules.Skip{Kind: modules.SkipKind(kind), Where: where, Detail: detail})
		return nil
	}
	cells := SplitCells(l)
	if len(cells) != len(m.schema.Columns) {
		return fmt.Errorf("%d cells for %d columns", len(cells), len(m.schema.Columns))
	}
	row := make([]value.Value, len(cells))
	for i, cell := range cells {
		v, err := ParseCell(cell, m.schema.Columns[i].Type, m.schema.Columns[i].Elem, Now())
		if err != nil {
			return err
		}
		row[i] = v
	}
	m.rows = append(m.rows, row)
	return nil
}

// Schema implements modules.Module.
func (m *Module) Schema() *modules.Schema { return &m.schema }

// Scan implements modules.Module.
func (m *Module) Scan(ctx context.Context, req *modules.Request, yield func(modules.Row) error) error {
	wanted, err := m.wanted(req)
	if err != nil {
		return err
	}
	if req.Keys == nil {
		for _, s := range m.skips {
			req.Report.Skip(s)
		}
	}
	for _, r := range m.rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		req.Report.Looked(m.schema.Name, 1)
		if !wanted(r) {
			continue
		}
		if err := yield(row(r)); err != nil {
			return err
		}
	}
	if m.fail != "" {
		return errors.New(m.fail)
	}
	return nil
}

// wanted makes the test that keys or locators ask for.
func (m *Module) wanted(req *modules.Request) (func([]value.Value) bool, error) {
	if req.Keys != nil {
		key, _ := m.schema.Column(m.schema.Key)
		return func(r []value.Value) bool {
			for _, k := range req.Keys {
				if eq, ok := value.Equal(r[key], k); ok && eq {
					return true
				}
			}
			return false
		}, nil
	}
	if len(req.Locators) == 0 {
		return func([]value.Value) bool { return true }, nil
	}
	col, ok := m.schema.Column(m.schema.Locator.Column)
	if !ok {
		return nil, fmt.Errorf("rows of %s that are pretended cannot be found by %q: ask with WHERE", m.schema.Name, req.Locators[0])
	}
	var places []place
	for _, l := range req.Locators {
		g, err := value.CompileGlob(l, value.GlobOptions{Windows: value.BackslashSeparates(l)})
		if err != nil {
			return nil, fmt.Errorf("locator %q: %w", l, err)
		}
		p := place{glob: g}
		if g.Literal() && m.schema.Locator.Dir != "" {
			p.below = strings.TrimRight(g.Prefix(), "/") + "/"
		}
		places = append(places, p)
	}
	return func(r []value.Value) bool {
		return slices.ContainsFunc(places, func(p place) bool { return p.holds(r[col].String()) })
	}, nil
}

// A place is where a locator leads.
type place struct {
	glob  *value.Glob
	below string // what lies there belongs to it, too, where it is a folder
}

func (p place) holds(name string) bool {
	return p.glob.Match(name) || p.below != "" && strings.HasPrefix(name, p.below)
}

type row []value.Value

func (r row) Column(_ context.Context, i int) (value.Value, error) { return r[i], nil }

// Facts gives a module host whose one row is what the facts say.
func Facts(schema *modules.Schema, facts map[string]string) (*Module, error) {
	m := &Module{schema: *schema}
	r := make([]value.Value, len(schema.Columns))
	for name, text := range facts {
		i, ok := schema.Column(name)
		if !ok {
			return nil, fmt.Errorf("facts: host has no column %q", name)
		}
		v, err := ParseCell(text, schema.Columns[i].Type, schema.Columns[i].Elem, Now())
		if err != nil {
			return nil, fmt.Errorf("facts: %s: %w", name, err)
		}
		r[i] = v
	}
	m.rows = [][]value.Value{r}
	return m, nil
}
