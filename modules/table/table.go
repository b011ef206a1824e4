// Package table makes modules out of a list of columns and a function that
// lists things.
//
// A newcomer needs a type for one thing, [New], and the column makers [Text],
// [Int], [Time] and their like, each of which says how a column is taken from
// the thing:
//
//	table.New(schema, []table.Column[user]{
//		table.Text("name", "The name.", func(u *user) string { return u.name }).Shown(),
//	}, list)
//
// What a module has to do for every scan is done here: columns are computed
// when they are asked for and once, an error of a column is reported and makes
// it null, keys and globs over a name choose rows, and the scan ends when it is
// told to. Modules of content, or with several workers, implement
// modules.Module themselves.
package table

import (
	"context"
	"fmt"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/value"
)

// A Lister calls yield for each thing that a scan locates, which is valid
// until yield returns. An error of yield is returned as it is; what could not
// be looked at goes to Scan.Fail, and the list goes on. Things that the
// request's keys, or the globs of a locator of names, leave out need not be
// left out by the lister, which may read less because of them.
type Lister[T any] func(s *Scan, yield func(*T) error) error

// New makes a module. The schema's columns are those of the list; a locator
// whose column is a text is matched as a glob, unless By is set.
func New[T any](schema modules.Schema, columns []Column[T], list Lister[T]) *Module[T] {
	m := &Module[T]{schema: schema, columns: columns, list: list, key: -1, locator: -1}
	m.schema.Columns = make([]modules.Column, len(columns))
	for i, c := range columns {
		m.schema.Columns[i] = c.Column
		if c.Name == schema.Key {
			m.key = i
		}
		if c.Name == schema.Locator.Column && c.Type == value.Text {
			m.locator = i
		}
	}
	return m
}

// A Module is a module made of columns.
type Module[T any] struct {
	schema       modules.Schema
	columns      []Column[T]
	list         Lister[T]
	key, locator int // columns, or -1
	blind        bool
}

// By leaves locators to the lister, which understands more than globs of
// names, or is told by them where to look.
func (m *Module[T]) By() *Module[T] {
	m.locator = -1
	return m
}

// Blind makes a module that is given no files: its Scan.FS is nil, so that it
// can run where none may be read. Fail works as ever.
func (m *Module[T]) Blind() *Module[T] {
	m.blind = true
	return m
}

// Schema implements modules.Module.
func (m *Module[T]) Schema() *modules.Schema { return &m.schema }

// Scan implements modules.Module.
func (m *Module[T]) Scan(ctx context.Context, req *modules.Request, yield func(modules.Row) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s := &Scan{Request: req, ctx: ctx, schema: &m.schema}
	if !m.blind {
		files, err := hostfs.Open(req.Host, req.Report)
		if err != nil {
			return fmt.Errorf("%s: %w", m.schema.Name, err)
		}
		defer files.Close()
		s.FS = files
	}
	pick, err := m.picker(req)
	if err != nil {
		return fmt.Errorf("%s: %w", m.schema.Name, err)
	}
	r := &row[T]{module: m, scan: s, values: make([]value.Value, len(m.columns)), known: make([]bool, len(m.columns))}
	n := int64(0)
	defer func() { req.Report.Looked(m.schema.Name, n) }()
	return m.list(s, func(item *T) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		n++
		clear(r.known)
		r.item = item
		if ok, err := pick(r); err != nil || !ok {
			return err
		}
		return yield(r)
	})
}

// picker makes the function that says whether a row is one of those that the
// request locates.
func (m *Module[T]) picker(req *modules.Request) (func(*row[T]) (bool, error), error) {
	switch {
	case req.Keys != nil && m.key >= 0:
		keys := map[string]bool{}
		for _, k := range req.Keys {
			keys[string(k.AppendKey(nil))] = true
		}
		return func(r *row[T]) (bool, error) {
			v, err := r.Column(r.scan.ctx, m.key)
			return err == nil && !v.IsNull() && keys[string(v.AppendKey(nil))], err
		}, nil
	case len(req.Locators) > 0 && m.locator >= 0:
		match, err := Globs(req.Locators)
		if err != nil {
			return nil, err
		}
		return func(r *row[T]) (bool, error) {
			v, err := r.Column(r.scan.ctx, m.locator)
			return err == nil && match(v.Text()), err
		}, nil
	}
	return func(*row[T]) (bool, error) { return true, nil }, nil
}

// Globs gives the function that says whether a name matches one of the globs;
// without any, each does.
func Globs(patterns []string) (func(string) bool, error) {
	globs := make([]*value.Glob, len(patterns))
	for i, p := range patterns {
		g, err := value.CompileGlob(p, value.GlobOptions{})
		if err != nil {
			return nil, err
		}
		globs[i] = g
	}
	return func(name string) bool {
		for _, g := range globs {
			if g.Match(name) {
				return true
			}
		}
		return len(globs) == 0
	}, nil
}

// A row is the thing that yield is called with.
type row[T any] struct {
	module *Module[T]
	scan   *Scan
	item   *T
	values []value.Value
	known  []bool
}

// Column implements modules.Row.
func (r *row[T]) Column(ctx context.Context, i int) (value.Value, error) {
	if i < 0 || i >= len(r.values) {
		return value.Value{}, fmt.Errorf("%s: no column %d", r.module.schema.Name, i)
	}
	if r.known[i] {
		return r.values[i], nil
	}
	if err := ctx.Err(); err != nil {
		return value.Value{}, err
	}
	c := &r.module.columns[i]
	v, err := c.get(r.scan, r.item)
	if err != nil {
		r.scan.Fail(r.name(ctx, i)+"."+c.Name, err)
		v = value.Value{}
	}
	r.values[i], r.known[i] = v, true
	return v, nil
}

// name says which row it is, for the report of its i-th column: process 1234.
func (r *row[T]) name(ctx context.Context, i int) string {
	k := r.module.key
	if k < 0 || k == i {
		return r.module.schema.Name
	}
	key, err := r.Column(ctx, k)
	if err != nil || key.IsNull() {
		return r.module.schema.Name
	}
	return r.module.schema.Name + " " + key.String()
}

// Item gives the thing that a row of a Module[T] was made of, for modules that
// add abilities to such rows. It is valid until yield returns.
func Item[T any](r modules.Row) *T { return r.(*row[T]).item }
