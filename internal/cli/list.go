package cli

import (
	"io"
	"time"

	"github.com/quaestor-engine/quaestor/internal/render"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// A list is a table that a command shows, in any of the formats of answers.
// Columns of type Version are never shortened on a terminal.
type list struct {
	name    string
	columns []render.Column
	rows    [][]value.Value
}

func (l *list) column(name string, t value.Type) {
	l.columns = append(l.columns, render.Column{Name: name, Type: t})
}

func (l *list) row(values ...value.Value) { l.rows = append(l.rows, values) }

// list writes a list.
func (a *app) list(l list, format string) error { return a.listTo(a.Out, l, format) }

func (a *app) listTo(w io.Writer, l list, format string) error {
	sink, err := render.New(format, w, a.options(w, "auto"))
	if err != nil {
		return err
	}
	if err := sink.Begin([]render.Table{{Name: l.name, Columns: l.columns}}); err != nil {
		return err
	}
	for _, r := range l.rows {
		if err := sink.Row(0, r); err != nil {
			return err
		}
	}
	return sink.End(answer.Summary{Outcome: answer.Complete, Matched: int64(len(l.rows))})
}

// textOrNull gives null for what is empty.
func textOrNull(s string) value.Value {
	if s == "" {
		return value.Value{}
	}
	return value.NewText(s)
}

// seconds gives a time without the fraction that no list needs.
func seconds(t time.Time) value.Value {
	if t.IsZero() {
		return value.Value{}
	}
	return value.NewTime(t.Truncate(time.Second))
}
