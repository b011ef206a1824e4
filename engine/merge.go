package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// ErrMalformed is the root of errors about rows that no host sends which runs
// the plan: it lies, or runs another version.
var ErrMalformed = errors.New("engine: malformed rows")

// A Merge makes one answer of what many hosts found with Options.Partial:
// groups are added up, rows are ordered, made distinct and cut over all of
// them. Several goroutines may add at once, those of one agent in the order in
// which it sent them: with ORDER BY, or without LIMIT, the answer is the same
// whoever comes first, but for this: of rows that
// DISTINCT takes for equal though they are written differently (1 and 1.0), that
// which came first is shown. What it holds grows with groups, or with the rows
// that ORDER BY and LIMIT leave, and not with those that come.
type Merge struct {
	plan   *planRun
	tables []*tableRun // nil where a FIND NOT has no rows
}

// MergeOptions say how much a merge may hold.
type MergeOptions struct {
	Now    time.Time // what the query calls now
	Memory int64     // bytes held for groups, order and distinct rows; 0: 1 GiB
}

const defaultMergeMemory = 1 << 30

// NewMerge makes the merge of a plan.
func NewMerge(p *plan.Plan, o MergeOptions) *Merge {
	own := *p
	if own.Limits.Memory = o.Memory; o.Memory == 0 {
		own.Limits.Memory = defaultMergeMemory
	}
	run := &Run{engine: &Engine{}, now: o.Now, started: o.Now}
	m := &Merge{plan: newPlanRun(run, 0, &own)}
	m.plan.begin(context.Background())
	for _, t := range p.Tables {
		if t.Not {
			m.tables = append(m.tables, nil)
			continue
		}
		whole := *t
		if t.PerHost {
			whole.Limit = -1
		}
		tr := &tableRun{run: m.plan, plan: &whole, index: -1}
		tr.report, tr.extra, tr.outputs = &tableReport{report: m.plan.report}, extraKeys(t), orderOutputs(t)
		tr.result.init(tr, nil) // Finish says who takes rows
		if t.Group != nil {
			tr.groups = newGroups(tr)
		}
		m.tables = append(m.tables, tr)
	}
	return m
}

// WithOrigin says whether each row of a table is one host's, and says whose.
// A group is of the whole fleet, and so is a row of which there are no two.
func WithOrigin(t *plan.Table) bool { return t.Group == nil && !t.Distinct }

// Add takes a row that an agent found in a table. Now says that it belongs to
// the answer as it is, and that Finish will not give it: without ORDER BY and
// groups nothing more has to be known. The error wraps ErrMalformed where the
// row is none of this plan's. Values are the caller's again afterwards.
func (m *Merge) Add(host, agent string, table int, values []value.Value) (now bool, err error) {
	if table < 0 || table >= len(m.tables) || m.tables[table] == nil {
		return false, fmt.Errorf("%w: table %d, which the plan does not have", ErrMalformed, table)
	}
	t := m.tables[table]
	if t.groups != nil {
		return false, t.groups.merge(agent, values)
	}
	extra, err := m.fits(t, values)
	if err != nil || t.done.Load() {
		return false, err
	}
	row := ranked{values: values} // which admit keeps only where there is an order
	if len(t.plan.Order) > 0 {
		if row = m.rank(t, values, extra); WithOrigin(t.plan) {
			row.values = append([]value.Value{value.NewText(host), value.NewText(agent)}, row.values...)
		}
	}
	now, err = t.result.admit(row)
	return now, enough(err)
}

// fits says whether a row is one of the table's, and gives the order keys that
// are no outputs, whose values follow those of the outputs.
func (m *Merge) fits(t *tableRun, values []value.Value) (extra []int, err error) {
	n, extra := len(t.plan.Outputs), t.extra
	if len(values) != n+len(extra) {
		return nil, fmt.Errorf("%w: %d columns instead of %d", ErrMalformed, len(values), n+len(extra))
	}
	for i, o := range t.plan.Outputs {
		if typ := values[i].Type(); typ != o.Type && typ != value.Null && o.Type != value.Null && !value.Comparable(typ, o.Type) {
			return nil, fmt.Errorf("%w: %s in the column %q of %s", ErrMalformed, typ, o.Name, o.Type)
		}
	}
	return extra, nil
}

// rank makes a row that can be kept: outputs, and the keys of its order.
func (m *Merge) rank(t *tableRun, values []value.Value, extra []int) ranked {
	n := len(t.plan.Outputs)
	row := ranked{values: make([]value.Value, n)}
	for i := range row.values {
		row.values[i] = values[i].Clone()
	}
	for i := range t.plan.Order {
		if k := slices.Index(extra, i); k >= 0 {
			row.keys = append(row.keys, values[n+k].Clone())
		} else {
			row.keys = append(row.keys, row.values[t.outputs[i]])
		}
	}
	return row
}

// Enough says whether no further row can change the answer: every table has
// the rows that its LIMIT asks for. With a FIND NOT there is no end: hosts
// without rows may follow.
func (m *Merge) Enough() bool {
	return !slices.ContainsFunc(m.tables, func(t *tableRun) bool {
		return t == nil || t.groups != nil || !t.done.Load()
	})
}

// Finish gives the rows that waited for the last host, once, when nobody adds
// any more; those of a table that WithOrigin names begin with two texts, the
// host and the agent. They are valid until the next one.
func (m *Merge) Finish(emit func(Row) error) error {
	defer m.plan.end()
	for i, t := range m.tables {
		if t == nil {
			continue
		}
		t.result.emit = func(values []value.Value) error { return emit(Row{Table: i, Values: values}) }
		if err := t.finish(); err != nil {
			return err
		}
		t.forget()
	}
	return nil
}

// Full says whether rows or groups were left out because they did not fit the
// memory.
func (m *Merge) Full() bool {
	return slices.ContainsFunc(m.tables, func(t *tableRun) bool { return t != nil && t.short.Load() }) ||
		len(m.plan.limits) > 0
}

// merge adds what one host knows of a group.
func (g *groups) merge(agent string, values []value.Value) error {
	spec := g.table.plan.Group
	n := len(spec.Keys)
	if len(values) != n+len(spec.Aggs) {
		return fmt.Errorf("%w: a group of %d columns instead of %d", ErrMalformed, len(values), n+len(spec.Aggs))
	}
	e := env{keys: values[:n], args: values[n:]}
	for _, v := range e.keys {
		e.key = v.AppendKey(e.key)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if ok, err := g.follows(agent, e.keys); !ok {
		return err
	}
	g.rows++
	gr := g.byKey[string(e.key)]
	if gr == nil {
		if gr = g.first(&e); gr == nil {
			return nil
		}
	}
	for i, v := range e.keys {
		if orderExact(v, gr.keys[i]) < 0 {
			gr.keys[i] = v.Clone()
		}
	}
	for i, a := range spec.Aggs {
		if err := g.mergeOne(&gr.aggs[i], a, e.args[i]); err != nil {
			return fmt.Errorf("%s: %w", a.Func, err)
		}
	}
	g.witness(gr, e.args)
	return nil
}

// follows says whether a group stands behind the last one of its agent: each
// sends its groups once, in the order of their keys (see export), and one that
// sends a group again would count as many hosts. Without memory for who sent
// what, that cannot be told, and the group is left out.
func (g *groups) follows(agent string, keys []value.Value) (bool, error) {
	last, came := g.last[agent]
	if came && compareRows(keys, last) <= 0 {
		return false, fmt.Errorf("%w: a group that does not follow the one before it", ErrMalformed)
	}
	size := rowSize(keys) - rowSize(last)
	if !came {
		size = rowSize(keys) + int64(len(agent))
	}
	if !g.table.hold(size) {
		g.table.short.Store(true)
		return false, nil
	}
	if !came {
		if g.last == nil {
			g.last = map[string][]value.Value{}
		}
		last = make([]value.Value, len(keys))
		g.last[strings.Clone(agent)] = last
	}
	for i, v := range keys {
		last[i] = v.Clone()
	}
	return true, nil
}

// mergeOne adds what one host knows of one aggregate: see partial.go.
func (g *groups) mergeOne(agg *aggregate, spec plan.Agg, v value.Value) error {
	switch {
	case spec.Distinct || spec.Func == plan.AggList:
		if v.Type() != value.List {
			return fmt.Errorf("%w: %s instead of a list", ErrMalformed, v.Type())
		}
		for _, member := range v.List() {
			g.count(agg, spec, member)
		}
	case spec.Func == plan.AggCount, spec.Func == plan.AggHosts:
		if v.Type() != value.Int || v.Int() < 0 || spec.Func == plan.AggHosts && v.Int() > 1 {
			return fmt.Errorf("%w: %s", ErrMalformed, v)
		}
		agg.n += v.Int()
		if spec.Func == plan.AggHosts {
			agg.in += v.Int()
		}
	case spec.Func == plan.AggSum, spec.Func == plan.AggAvg:
		if v.Type() != value.List {
			return fmt.Errorf("%w: %s instead of a list", ErrMalformed, v.Type())
		}
		n, s, err := importSum(v.List())
		if err != nil {
			return err
		}
		agg.n += n
		return agg.sum.merge(s)
	case !v.IsNull():
		g.count(agg, spec, v)
	}
	return nil
}

// isHexFloat says whether a text is a float in hex, whose exponent is one of
// two: one of ten would let a short text ask for a long number.
func isHexFloat(s string) bool {
	s = strings.TrimPrefix(s, "-")
	return s == "0" || strings.HasPrefix(s, "0x") && strings.Contains(s, "p")
}
