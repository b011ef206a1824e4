package render

import (
	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// A section writes tables one after another.
type section interface {
	begin(tables []Table) error
	table(i int) error // the rows of table i follow
	row(values []value.Value) error
	end(s answer.Summary) error
	Flush() error
}

// ordered makes a Sink of a section: rows of the first table go through, those
// of later ones are held until it is their turn.
type ordered struct {
	section
	held []spool // of the tables from the second on
}

func newOrdered(s section) *ordered { return &ordered{section: s} }

func (o *ordered) Begin(tables []Table) error {
	o.held = make([]spool, max(len(tables)-1, 0))
	if err := o.begin(tables); err != nil || len(tables) == 0 {
		return err
	}
	return o.table(0)
}

func (o *ordered) Row(table int, values []value.Value) error {
	if table == 0 {
		return o.row(values)
	}
	return o.held[table-1].add(values)
}

// Cover implements Covered, for a section that does.
func (o *ordered) Cover(c quaestor.Coverage) {
	if s, ok := o.section.(Covered); ok {
		s.Cover(c)
	}
}

func (o *ordered) End(s answer.Summary) error {
	defer func() {
		for i := range o.held {
			o.held[i].close()
		}
	}()
	for i := range o.held {
		if err := o.table(i + 1); err != nil {
			return err
		}
		if err := o.held[i].each(o.row); err != nil {
			return err
		}
	}
	if err := o.end(s); err != nil {
		return err
	}
	return o.Flush()
}
