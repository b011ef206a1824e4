package engine

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// A slotRun is one source of rows while it runs.
type slotRun struct {
	plan   *plan.Slot
	module modules.Module
	schema *modules.Schema
	index  []int // the schema's column for each of the slot's
	filter []int // the schema's columns that the filter asks
	keep   []int // slot columns that are asked for when the row is gone
	asks   []int // questions likewise

	in, out, elapsed atomic.Int64

	lookups lookups
	rows    []*heldRow            // of a join that has no key
	byKey   map[string][]*heldRow // of a hash join
}

// A heldRow is what is kept of a module's row.
type heldRow struct {
	values  []value.Value // by slot column; null where it is never asked
	answers []value.Value // by question
}

// resolve finds the modules and columns that the plan names. The error wraps
// ErrRefused.
func (p *planRun) resolve() error {
	for i, t := range p.plan.Subs {
		tr, err := p.newTable(t, -1-i)
		if err != nil {
			return err
		}
		p.subs = append(p.subs, &subRun{table: tr})
	}
	for i, t := range p.plan.Tables {
		tr, err := p.newTable(t, i)
		if err != nil {
			return err
		}
		p.tables = append(p.tables, tr)
	}
	p.gate = newGate(p)
	return nil
}

func (p *planRun) newTable(t *plan.Table, index int) (*tableRun, error) {
	tr := &tableRun{run: p, plan: t, index: index}
	tr.report = &tableReport{report: p.report}
	for i, s := range t.Slots {
		sr, err := p.newSlot(s)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			sr.keep, sr.asks = outside(t, i)
		}
		tr.slots = append(tr.slots, sr)
	}
	for i, s := range t.Slots {
		if i > 0 && !s.Link {
			tr.joins = append(tr.joins, i)
		}
	}
	tr.envs = sync.Pool{New: func() any { return tr.newEnv() }}
	return tr, nil
}

func (p *planRun) newSlot(s *plan.Slot) (*slotRun, error) {
	m, ok := p.run.engine.cat.Module(s.Module)
	if !ok {
		return nil, fmt.Errorf("%w: this host has no module %q", ErrRefused, s.Module)
	}
	sr := &slotRun{plan: s, module: m, schema: m.Schema()}
	for _, name := range s.Columns {
		k, ok := sr.schema.Column(name)
		if !ok {
			return nil, fmt.Errorf("%w: the module %q of this host has no column %q", ErrRefused, s.Module, name)
		}
		sr.index = append(sr.index, k)
	}
	for _, i := range s.FilterColumns {
		sr.filter = append(sr.filter, sr.index[i])
	}
	if len(s.Questions) > 0 && !sr.schema.Content {
		return nil, fmt.Errorf("%w: the module %q of this host has no content to ask about", ErrRefused, s.Module)
	}
	if s.Key != nil && sr.schema.Key == "" {
		return nil, fmt.Errorf("%w: the module %q of this host has no key to look up", ErrRefused, s.Module)
	}
	return sr, nil
}

// outside finds what expressions other than a slot's own filter ask of it.
func outside(t *plan.Table, slot int) (columns, questions []int) {
	note := func(e plan.Expr) {
		switch e := e.(type) {
		case *plan.Col:
			if e.Slot == slot && !slices.Contains(columns, e.Index) {
				columns = append(columns, e.Index)
			}
		case *plan.Ask:
			if e.Slot == slot && !slices.Contains(questions, e.Question) {
				questions = append(questions, e.Question)
			}
		}
	}
	for i, s := range t.Slots {
		plan.Walk(s.Key, note)
		for k := range s.JoinThere {
			plan.Walk(s.JoinThere[k], note)
			plan.Walk(s.JoinHere[k], note)
		}
		if i != slot {
			plan.Walk(s.Filter, note)
		}
	}
	plan.Walk(t.Where, note)
	if t.Group != nil {
		for _, k := range t.Group.Keys {
			plan.Walk(k, note)
		}
		for _, a := range t.Group.Aggs {
			plan.Walk(a.Arg, note)
		}
		return columns, questions
	}
	for _, o := range t.Outputs {
		plan.Walk(o.Expr, note)
	}
	for _, o := range t.Order {
		plan.Walk(o.Expr, note)
	}
	return columns, questions
}

// request makes the request for a slot's scan.
func (t *tableRun) request(slot int, report modules.Report) *modules.Request {
	s, l := t.slots[slot], t.run.plan.Limits
	workers := t.run.run.engine.opts.Workers
	if l.Workers > 0 {
		workers = int(l.Workers)
	}
	req := &modules.Request{
		Host:     t.run.run.engine.opts.Host,
		Locators: s.plan.Locators, Keys: s.plan.Keys,
		Columns: s.index, Filter: s.filter,
		Workers: workers, Report: report,
		Settings: modules.Settings{
			Depth: int(l.Depth), FollowLinks: l.FollowLinks, OneFilesystem: l.OneFilesystem,
			Archives: l.Archives, Decompress: l.Decompress, MaxFileBytes: l.MaxFile, Context: int(l.Context),
		},
	}
	req.Host.Now = func() time.Time { return t.run.run.now }
	for _, q := range s.plan.Questions {
		req.Questions = append(req.Questions, question(t, q))
	}
	return req
}

// question turns a plan's question into a module's.
func question(t *tableRun, q plan.Question) modules.Question {
	out := modules.Question{Lines: modules.LineMode(q.Lines), Show: q.Show}
	out.Pattern.Fold = q.Fold
	switch {
	case q.Kind == plan.LineTest:
		out.Test = func(line []byte) bool {
			e := env{out: []value.Value{value.NewText(string(line))}, now: t.run.run.now}
			v, err := q.Test.Eval(&e)
			return err == nil && v.Bool()
		}
	case q.Kind == plan.Matches:
		out.Pattern.Regexp = q.Regexp
	case len(q.Literal) == 1:
		out.Pattern.Literal = q.Literal[0]
	default:
		out.Pattern.List = q.Literal
	}
	return out
}
