package engine

import (
	"context"
	"fmt"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// Matches says whether a plan's target is true of this host. The facts are the
// columns of the module host; one that could not be looked at is null. The
// error wraps ErrRefused where the target names a fact that this host does not
// know.
func (e *Engine) Matches(ctx context.Context, p *plan.Plan) (value.Truth, error) {
	if p.Target == nil {
		return value.True, nil
	}
	if err := onlyOut(p.Target, "the target"); err != nil {
		return value.Unknown, err
	}
	m, ok := e.cat.Module("host")
	if !ok {
		return value.Unknown, fmt.Errorf("%w: this host has no module host to check the target with", ErrRefused)
	}
	now := e.opts.Host.Now()
	req := &modules.Request{Host: e.opts.Host, Workers: 1, Report: discard{}}
	for _, name := range p.Facts {
		k, ok := m.Schema().Column(name)
		if !ok {
			return value.Unknown, fmt.Errorf("%w: this host knows no fact %q", ErrRefused, name)
		}
		req.Columns = append(req.Columns, k)
	}
	truth := value.Unknown
	look := func(row modules.Row) error {
		facts := make([]value.Value, len(req.Columns))
		for i, k := range req.Columns {
			var err error
			if facts[i], err = row.Column(ctx, k); err != nil {
				return err
			}
		}
		v, err := p.Target.Eval(&outEnv{out: facts, now: now})
		truth = value.FromValue(v)
		return err
	}
	err := guard(m, func() error {
		return enough(m.Scan(ctx, req, func(row modules.Row) error {
			// On a goroutine of the module's, perhaps.
			return guard(m, func() error { return look(row) })
		}))
	})
	if err != nil {
		return value.Unknown, fmt.Errorf("engine: facts of this host: %w", err)
	}
	return truth, nil
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
