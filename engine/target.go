package engine

import (
	"context"
	"fmt"
	"maps"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// Matches says whether a plan's target is true of this host. The facts are the
// columns of the module host and Options.Facts; a column that could not be
// looked at is null. The error wraps ErrRefused where the target names a fact
// that this host does not know.
func (e *Engine) Matches(ctx context.Context, p *plan.Plan) (value.Truth, error) {
	if p.Target == nil {
		return value.True, nil
	}
	if err := onlyOut(p.Target, "the target"); err != nil {
		return value.Unknown, err
	}
	facts := plan.Facts{}
	var ask []string
	for _, name := range p.Facts {
		v, stated := e.opts.Facts[name]
		switch schema, ok := e.cat.Schema("host"); {
		case stated:
			facts[name] = v
		case ok && has(schema, name):
			ask = append(ask, name)
		case e.opts.Facts == nil || !plan.KnownAlways(name):
			return value.Unknown, fmt.Errorf("%w: this host knows no fact %q", ErrRefused, name)
		}
	}
	looked, err := factsOf(ctx, e.cat, e.opts.Host, ask)
	if err != nil {
		return value.Unknown, err
	}
	maps.Copy(facts, looked)
	return p.Meets(facts, e.opts.Host.Now())
}

func has(s *modules.Schema, column string) bool {
	_, ok := s.Column(column)
	return ok
}

// FactsOf gives what targets can say of a host: the columns of the module
// host. One that could not be looked at is null.
func FactsOf(ctx context.Context, cat *modules.Catalogue, host modules.Host) (plan.Facts, error) {
	schema, ok := cat.Schema("host")
	if !ok {
		return nil, errNoHost
	}
	var names []string
	for _, c := range schema.Columns {
		names = append(names, c.Name)
	}
	return factsOf(ctx, cat, host, names)
}

var errNoHost = fmt.Errorf("%w: this host has no module host to check the target with", ErrRefused)

// factsOf looks at some columns of the module host.
func factsOf(ctx context.Context, cat *modules.Catalogue, host modules.Host, names []string) (plan.Facts, error) {
	if len(names) == 0 {
		return nil, nil
	}
	m, ok := cat.Module("host")
	if !ok {
		return nil, errNoHost
	}
	req := &modules.Request{Host: host, Workers: 1, Report: discard{}}
	for _, name := range names {
		k, _ := m.Schema().Column(name)
		req.Columns = append(req.Columns, k)
	}
	facts := plan.Facts{}
	look := func(row modules.Row) error {
		for i, k := range req.Columns {
			v, err := row.Column(ctx, k)
			if err != nil {
				return err
			}
			facts[names[i]] = v.Clone()
		}
		return nil
	}
	err := guard(m, func() error {
		return enough(m.Scan(ctx, req, func(row modules.Row) error {
			// On a goroutine of the module's, perhaps.
			return guard(m, func() error { return look(row) })
		}))
	})
	if err != nil {
		return nil, fmt.Errorf("engine: facts of this host: %w", err)
	}
	return facts, nil
}

// accept takes a plan: what it names is found, and it is meant for this host.
// The error wraps ErrRefused, but where this host could not be looked at.
func (p *planRun) accept() error {
	if err := p.resolve(); err != nil {
		return err
	}
	switch truth, err := p.run.engine.Matches(p.ctx, p.plan); {
	case err != nil:
		return err
	case truth == value.False:
		return fmt.Errorf("%w: this host is not meant", ErrRefused)
	case truth == value.Unknown:
		return fmt.Errorf("%w: whether this host is meant cannot be told from its facts", ErrRefused)
	}
	return nil
}

// discard is a report that nobody reads: of facts, where what is unknown is
// null and a target is then not true.
type discard struct{}

func (discard) Looked(string, int64) {}
func (discard) Skip(modules.Skip)    {}
