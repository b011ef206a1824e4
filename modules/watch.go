package modules

import (
	"context"
	"slices"
	"time"

	"github.com/quaestor-engine/quaestor/value"
)

// A Watcher is a Module that can report changes as they happen. On which
// systems it can, Schema.Watch says.
type Watcher interface {
	Module
	// Watch calls yield for each change, from now on, to what the request
	// locates, until ctx ends, which is no failure, or yield returns an error,
	// which is returned. The columns that may be asked for are those of
	// Watched. What cannot be watched, and every change that was lost, goes to
	// Request.Report. Any other error means that nothing could be watched.
	Watch(ctx context.Context, req *Request, yield func(Row) error) error
}

// The columns that changes have beside those of their module.
const (
	ChangeColumn = "change"
	AtColumn     = "at"
)

// The words of the column change.
const (
	Created    = "created"    // it was made
	Modified   = "modified"   // its content was written to
	Deleted    = "deleted"    // it was removed
	Moved      = "moved"      // it came here from another name
	MovedAway  = "moved_away" // it left for another name
	Attributes = "attributes" // its mode, owner, times or extended attributes were set
)

// Watched gives the schema of a module's changes: its own columns, and behind
// them what happened, and when.
func Watched(s *Schema) *Schema {
	w := *s
	w.Columns = append(slices.Clip(slices.Clone(s.Columns)),
		Column{Name: ChangeColumn, Type: value.Text, Doc: "what happened to it", Values: []string{Created, Modified, Deleted, Moved, MovedAway, Attributes}},
		Column{Name: AtColumn, Type: value.Time, Doc: "when it was noticed"})
	return &w
}

// NewChange makes the row of a change from that of what changed, of a module
// with so many columns.
func NewChange(row Row, columns int, what string, at time.Time) Asker {
	return &change{row: row, columns: columns, what: what, at: at}
}

type change struct {
	row     Row
	columns int
	what    string
	at      time.Time
}

// Column gives the module's own columns, then those of the change.
func (c *change) Column(ctx context.Context, i int) (value.Value, error) {
	switch i {
	case c.columns:
		return value.NewText(c.what), nil
	case c.columns + 1:
		return value.NewTime(c.at), nil
	}
	return c.row.Column(ctx, i)
}

// Ask asks the module's row; one without content has no answer.
func (c *change) Ask(ctx context.Context, q int) (value.Value, error) {
	if a, ok := c.row.(Asker); ok {
		return a.Ask(ctx, q)
	}
	return value.Value{}, nil
}
