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
	names  int // the width of its longest column name
	rows   int
}

func newRecord(w io.Writer, o Options) *record { return &record{out: out{w: w}, opts: o} }

func (r *record) begin(tables []Table) error {
	r.tables = tables
	return nil
}

func (r *record) table(i int) error {
	r.at, r.names, r.rows = i, 0, 0
	for _, c := range r.tables[i].Columns {
		r.names = max(r.names, widthOf(value.EscapeText(c.Name)))
	}
	return nil
}

func (r *record) row(values []value.Value) error {
	r.rows++
	t := r.tables[r.at]
	head := fmt.Sprintf("-- %d ", r.rows)
	if len(r.tables) > 1 {
		head = fmt.Sprintf("-- %s %d ", value.EscapeText(t.Name), r.rows)
	}
	r.paint(bold, head+strings.Repeat("-", max(2, 24-widthOf(head))))
	r.buf = append(r.buf, '\n')
	for i, v := range values {
		name := value.EscapeText(t.Columns[i].Name)
		r.paint(dim, name+strings.Repeat(" ", r.names-widthOf(name)))
		if v.IsNull() {
			r.buf = append(r.buf, "  -\n"...)
			continue
		}
		r.buf = append(append(append(r.buf, "  "...), v.String()...), '\n')
	}
	return r.drain()
}

func (r *record) end(answer.Summary) error { return nil }

func (r *record) paint(code, s string) {
	if !r.opts.Colour {
		r.buf = append(r.buf, s...)
		return
	}
	r.buf = append(append(append(r.buf, code...), s...), plain...)
}
