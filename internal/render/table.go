package render

import (
	"fmt"
	"io"

	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// sampleRows is how many rows are looked at before the widths are settled.
const sampleRows = 200

// The escape codes that a table uses.
const (
	bold   = "\x1b[1m"
	dim    = "\x1b[2m"
	yellow = "\x1b[33m"
	plain  = "\x1b[0m"
)

// table writes aligned columns for a person. The first rows, or those that
// have come when somebody flushes, decide the widths. Null is a dash. Where a
// terminal is too narrow for the columns, however far they are shortened, rows
// are blocks, as record has them.
type table struct {
	out
	opts    Options
	tables  []Table
	columns []Column
	known   []int // of the columns, what Table.Widths says
	widths  []int // nil until they are settled
	blocks  int   // how many rows were written as blocks; -1: rows are lines
	sample  [][]string
	nulls   [][]bool
}

func newTable(w io.Writer, o Options) *table { return &table{out: out{w: w}, opts: o} }

func (t *table) begin(tables []Table) error {
	t.tables = tables
	return nil
}

func (t *table) table(i int) error {
	if i > 0 {
		if err := t.finish(); err != nil {
			return err
		}
		t.buf = append(t.buf, '\n')
	}
	t.columns, t.known, t.widths = t.tables[i].Columns, t.tables[i].Widths, nil
	t.blocks = -1
	if len(t.tables) > 1 {
		t.paint(bold, value.EscapeText(t.tables[i].Name))
		t.buf = append(t.buf, '\n')
	}
	return nil
}

func (t *table) row(values []value.Value) error {
	cells, nulls := make([]string, len(values)), make([]bool, len(values))
	for i, v := range values {
		cells[i], nulls[i] = cellOf(v), v.IsNull()
	}
	if t.widths != nil {
		t.line(cells, nulls)
		return t.drain()
	}
	t.sample, t.nulls = append(t.sample, cells), append(t.nulls, nulls)
	if len(t.sample) < sampleRows {
		return nil
	}
	t.settle()
	return t.drain()
}

// Flush shows what has come, which settles the widths.
func (t *table) Flush() error {
	if t.widths == nil && len(t.sample) > 0 {
		t.settle()
	}
	return t.out.Flush()
}

func (t *table) end(answer.Summary) error { return t.finish() }

// finish closes a table: one of several says that it has no rows.
func (t *table) finish() error {
	if t.widths != nil {
		return nil
	}
	if len(t.sample) > 0 {
		t.settle()
	} else if len(t.tables) > 1 {
		t.paint(dim, "(no rows)")
		t.buf = append(t.buf, '\n')
	}
	return t.drain()
}

func (t *table) settle() {
	t.widths = make([]int, len(t.columns))
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = value.EscapeText(c.Name)
		t.widths[i] = widthOf(names[i])
		if i < len(t.known) {
			t.widths[i] = max(t.widths[i], t.known[i])
		}
		for _, cells := range t.sample {
			t.widths[i] = max(t.widths[i], widthOf(cells[i]))
		}
	}
	if t.opts.Width > 0 && !fit(t.widths, t.columns, t.opts.Width) {
		t.blocks = 0
	} else {
		t.head(names)
	}
	for r, cells := range t.sample {
		t.line(cells, t.nulls[r])
	}
	t.sample, t.nulls = nil, nil
}

func (t *table) head(names []string) {
	if t.opts.Colour {
		t.buf = append(t.buf, bold...)
	}
	t.line(names, nil)
	if t.opts.Colour {
		t.buf = append(t.buf[:len(t.buf)-1], plain+"\n"...)
	}
}

func (t *table) line(cells []string, nulls []bool) {
	if t.blocks >= 0 {
		t.blocks++
		t.buf = t.opts.block(t.buf, fmt.Sprintf("-- %d ", t.blocks), t.columns, cells)
		return
	}
	start := len(t.buf)
	for i, s := range cells {
		if i > 0 {
			t.pad(gap)
		}
		if t.opts.Width > 0 && canShorten(t.columns[i].Type) {
			s = shorten(s, t.widths[i])
		}
		rest := t.widths[i] - widthOf(s)
		right := isNumber(t.columns[i].Type)
		if right {
			t.pad(rest)
		}
		if nulls != nil && nulls[i] {
			t.paint(dim, s)
		} else {
			t.buf = append(t.buf, s...)
		}
		if !right && i < len(cells)-1 {
			t.pad(rest)
		}
	}
	for len(t.buf) > start && t.buf[len(t.buf)-1] == ' ' {
		t.buf = t.buf[:len(t.buf)-1]
	}
	t.buf = append(t.buf, '\n')
}

func (t *table) pad(n int) {
	for ; n > 0; n-- {
		t.buf = append(t.buf, ' ')
	}
}

func (t *table) paint(code, s string) { t.buf = t.opts.paint(t.buf, code, s) }
