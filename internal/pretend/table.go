package pretend

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// maxRows bounds the rows of one table: more are a load test, not a host.
const maxRows = 100_000

// New pretends to be a module that has this schema and no rows yet.
func New(schema *modules.Schema) *Module { return &Module{schema: *schema} }

// Declares says whether the header of a table gives the types of its columns,
// which Parse wants and Add does not.
func Declares(text string) bool {
	ls := Lines(text)
	return len(ls) > 0 && strings.Contains(ls[0], ":")
}

// Add adds the rows of a table whose header names columns of the schema, in
// any order. Those that it does not name are null. Times may count from now.
func (m *Module) Add(text string, now time.Time) error {
	ls := Lines(text)
	if len(ls) == 0 {
		return errors.New("no header")
	}
	columns, err := m.header(ls[0])
	if err != nil {
		return err
	}
	for _, l := range ls[1:] {
		if strings.HasPrefix(l, "! ") {
			if err := m.line(l); err != nil {
				return fmt.Errorf("%q: %w", l, err)
			}
			continue
		}
		cells := SplitCells(l)
		if len(cells) != len(columns) {
			return fmt.Errorf("%q: %d of %d columns; cells stand two blanks or a tab apart", l, len(cells), len(columns))
		}
		row := make([]value.Value, len(m.schema.Columns))
		for i, cell := range cells {
			if row[columns[i]], err = m.cell(columns[i], cell, now); err != nil {
				return fmt.Errorf("%q: %w", l, err)
			}
		}
		if m.rows = append(m.rows, row); len(m.rows) > maxRows {
			return fmt.Errorf("more than %d rows", maxRows)
		}
	}
	return nil
}

// header gives the columns that a header names, as indexes into the schema.
func (m *Module) header(line string) ([]int, error) {
	var columns []int
	for _, word := range strings.Fields(line) {
		name, _, typed := strings.Cut(word, ":")
		i, ok := m.schema.Column(name)
		if !ok {
			return nil, &UnknownColumn{Module: m.schema.Name, Column: name, There: m.names()}
		}
		if slices.Contains(columns, i) {
			return nil, fmt.Errorf("two columns %q", name)
		}
		if parts := columnForm().FindStringSubmatch(word); typed && (parts == nil || parts[2] != m.schema.Columns[i].Type.String()) {
			return nil, fmt.Errorf("%s.%s is known, as %s: leave the type out", m.schema.Name, name, m.schema.Columns[i].Type)
		}
		columns = append(columns, i)
	}
	return columns, nil
}

// UnknownColumn is the error about a header that names a column which the
// module does not have.
type UnknownColumn struct {
	Module, Column string
	There          []string
}

// Error says which one it is.
func (u *UnknownColumn) Error() string {
	return fmt.Sprintf("%s has no column %q", u.Module, u.Column)
}

func (m *Module) names() []string {
	var names []string
	for _, c := range m.schema.Columns {
		names = append(names, c.Name)
	}
	return names
}

func (m *Module) cell(column int, text string, now time.Time) (value.Value, error) {
	c := m.schema.Columns[column]
	v, err := ParseCell(text, c.Type, c.Elem, now)
	if err != nil {
		return v, fmt.Errorf("%s: %w", c.Name, err)
	}
	if len(c.Values) > 0 && v.Type() == value.Text && !slices.Contains(c.Values, v.Text()) {
		return v, fmt.Errorf("%s is never %q: it is one of %s", c.Name, v.Text(), strings.Join(c.Values, ", "))
	}
	return v, nil
}
