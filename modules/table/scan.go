package table

import (
	"bytes"
	"context"
	"iter"
	"slices"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/value"
)

// A Scan is what a lister is to do, and what it does it with.
type Scan struct {
	*modules.Request
	// FS is the host's files; what it cannot read goes to the report. It is
	// nil for a module that is Blind.
	FS *hostfs.FS

	ctx    context.Context
	schema *modules.Schema
}

// Context ends when the scan is to end.
func (s *Scan) Context() context.Context { return s.ctx }

// Wants says whether a query may ask for one of the columns, so that what
// nobody asks for is not read.
func (s *Scan) Wants(columns ...string) bool {
	for _, name := range columns {
		if i, ok := s.schema.Column(name); ok && (slices.Contains(s.Columns, i) || slices.Contains(s.Filter, i)) {
			return true
		}
	}
	return false
}

// Wanted says whether rows can matter in which a column of texts is this one:
// what the query throws away need not be read.
func (s *Scan) Wanted(column, text string) bool {
	i, ok := s.schema.Column(column)
	for _, r := range s.Only {
		if ok && r.Column == i && !slices.ContainsFunc(r.Values, func(v value.Value) bool {
			return v.Type() == value.Text && v.Text() == text
		}) {
			return false
		}
	}
	return true
}

// Fail reports that something could not be looked at.
func (s *Scan) Fail(where string, err error) { s.Report.Skip(hostfs.SkipOf(where, err)) }

// Skip reports that something was left out, in a kind that no error has.
func (s *Scan) Skip(kind modules.SkipKind, where, detail string) {
	s.Report.Skip(modules.Skip{Kind: kind, Where: where, Detail: detail})
}

// Lines gives the lines of a text with their numbers from 1, without their
// ends and without white space around them.
func Lines(text []byte) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		n := 0
		for line := range bytes.Lines(text) {
			n++
			if !yield(n, string(bytes.TrimSpace(line))) {
				return
			}
		}
	}
}
