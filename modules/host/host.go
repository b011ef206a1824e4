// Package host is the module host: one row of facts about the machine itself,
// such as its name, its system and its addresses.
//
// [New] makes the module. On Linux, and for a tree that stands for a Linux
// machine, it reads small files below Request.Host.Root and nothing else; on
// other systems it asks the system. Each fact is looked up when a query first
// asks for its column. The package is no inventory of processes, users or
// packages: those are relations of their own.
package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// New makes the module.
func New() modules.Module { return module{facts: facts()} }

type module struct{ facts []fact }

// A fact is a column and how it is found in the files of a Linux machine; on
// a live machine of another kind, native is asked for it by name.
type fact struct {
	column modules.Column
	find   func(*machine) (value.Value, error)
}

// Schema implements modules.Module.
func (m module) Schema() *modules.Schema {
	columns := make([]modules.Column, len(m.facts))
	for i, f := range m.facts {
		columns[i] = f.column
	}
	return &modules.Schema{
		Name:    "host",
		Doc:     "The machine itself: one row of facts about its system, its hardware and its network.",
		Columns: columns,
	}
}

// Scan implements modules.Module.
func (m module) Scan(ctx context.Context, req *modules.Request, yield func(modules.Row) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	mc, err := openMachine(req)
	if err != nil {
		return fmt.Errorf("host: %w", err)
	}
	defer mc.Close()
	req.Report.Looked("hosts", 1)
	n := len(m.facts)
	return yield(&row{module: m, machine: mc, report: req.Report, values: make([]value.Value, n), known: make([]bool, n)})
}

type row struct {
	module  module
	machine *machine
	report  modules.Report
	values  []value.Value
	known   []bool
}

// Column implements modules.Row.
func (r *row) Column(ctx context.Context, i int) (value.Value, error) {
	if i < 0 || i >= len(r.values) {
		return value.Value{}, fmt.Errorf("host: no column %d", i)
	}
	if r.known[i] {
		return r.values[i], nil
	}
	if err := ctx.Err(); err != nil {
		return value.Value{}, err
	}
	f := r.module.facts[i]
	v, err := r.find(f)
	if err != nil {
		r.report.Skip(skip(f.column.Name, err))
		v = value.Value{}
	}
	r.values[i], r.known[i] = v, true
	return v, nil
}

func (r *row) find(f fact) (value.Value, error) {
	if r.machine.files {
		return f.find(r.machine)
	}
	return native(f.column.Name)
}

// errUnsupported says that this system does not tell a fact.
var errUnsupported = errors.New("this system does not say")

// skip says why a fact is missing.
func skip(column string, err error) modules.Skip {
	s := modules.Skip{Kind: modules.SkipIO, Where: column, Detail: err.Error()}
	var path *fs.PathError
	if errors.As(err, &path) {
		s.Where, s.Detail = path.Path, path.Err.Error()
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		s.Kind = modules.SkipPermission
	case errors.Is(err, errUnsupported), errors.Is(err, fs.ErrNotExist):
		s.Kind = modules.SkipUnsupported
	}
	return s
}
