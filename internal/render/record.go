package render

import (
	"fmt"
	"io"
	"strings"

	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// record writes each row as a block, a line for each column: for rows that are
// wider than the screen. Nothing is shortened.
type record struct {
	out
	opts   Options
	tables []Table
	at     int // the table
	rows   int
}

func newRecord(w io.Writer, o Options) *record { return &record{out: out{w: w}, opts: o} }

func (r *record) begin(tables []Table) error {
	r.tables = tables
	return nil
}

func (r *record) table(i int) error {
	r.at, r.rows = i, 0
	return nil
}

func (r *record) row(values []value.Value) error {
	r.rows++
	t := r.tables[r.at]
	head := fmt.Sprintf("-- %d ", r.rows)
	if len(r.tables) > 1 {
		head = fmt.Sprintf("-- %s %d ", value.EscapeText(t.Name), r.rows)
	}
	cells := make([]string, len(values))
	for i, v := range values {
		cells[i] = cellOf(v)
	}
	r.buf = r.opts.block(r.buf, head, t.Columns, cells)
	return r.drain()
}

func (r *record) end(answer.Summary) error { return nil }

// cellOf gives a value for eyes; null is a dash.
func cellOf(v value.Value) string {
	if v.IsNull() {
		return "-"
	}
	return v.String()
}

// block adds a row as a line for each column, below a rule that begins so.
func (o Options) block(dst []byte, head string, columns []Column, cells []string) []byte {
	names := 0
	for _, c := range columns {
		names = max(names, widthOf(value.EscapeText(c.Name)))
	}
	dst = append(o.paint(dst, bold, head+strings.Repeat("-", max(2, 24-widthOf(head)))), '\n')
	for i, cell := range cells {
		name := value.EscapeText(columns[i].Name)
		dst = o.paint(dst, dim, name+strings.Repeat(" ", names-widthOf(name)))
		dst = append(append(append(dst, "  "...), cell...), '\n')
	}
	return dst
}

// paint adds a text with an escape code around it, where there may be one.
func (o Options) paint(dst []byte, code, s string) []byte {
	if !o.Colour {
		return append(dst, s...)
	}
	return append(append(append(dst, code...), s...), plain...)
}
