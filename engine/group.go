package engine

import (
	"slices"
	"sync"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// groups gathers rows by their keys.
type groups struct {
	table *tableRun
	mu    sync.Mutex
	byKey map[string]*group
	full  bool // the memory is used up: no further group is begun
	rows  int64
	anys  []int                    // the aggregates that are any(x), which are of one row
	last  map[string][]value.Value // of a Merge: the keys of the last group, by agent
}

type group struct {
	keys []value.Value
	aggs []aggregate
}

// An aggregate is what is known so far of one aggregate of one group.
type aggregate struct {
	n    int64
	in   int64 // hosts, of those that a Merge has added
	sum  sum
	best value.Value
	list []value.Value
	seen map[string]struct{}
	diff []value.Value // what seen holds, where others go on counting
}

func newGroups(t *tableRun) *groups {
	g := &groups{table: t, byKey: map[string]*group{}}
	for i, a := range t.plan.Group.Aggs {
		if a.Func == plan.AggAny {
			g.anys = append(g.anys, i)
		}
	}
	if len(t.plan.Group.Keys) == 0 {
		// Without keys there is one group, of no rows if need be.
		g.byKey[""] = g.begin(nil)
	}
	return g
}

func (g *groups) begin(keys []value.Value) *group {
	return &group{keys: keys, aggs: make([]aggregate, len(g.table.plan.Group.Aggs))}
}

// add puts the row that e sees into its group.
func (g *groups) add(e *env) error {
	spec := g.table.plan.Group
	e.keys, e.args, e.key = e.keys[:0], e.args[:0], e.key[:0]
	for _, x := range spec.Keys {
		v, err := x.Eval(e)
		if err != nil {
			return err
		}
		e.keys = append(e.keys, v)
		e.key = v.AppendKey(e.key)
	}
	for _, a := range spec.Aggs {
		var v value.Value
		if a.Arg != nil {
			var err error
			if v, err = a.Arg.Eval(e); err != nil {
				return err
			}
		}
		e.args = append(e.args, v)
	}
	if g.table.having() == nil {
		if err := g.table.sight(); err != nil {
			return err
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rows++
	gr := g.byKey[string(e.key)]
	if gr == nil {
		if gr = g.first(e); gr == nil {
			return nil
		}
	}
	for i, v := range e.keys {
		// Of keys that are equal the same is shown whoever came first.
		if orderExact(v, gr.keys[i]) < 0 {
			gr.keys[i] = v.Clone()
		}
	}
	for i, a := range spec.Aggs {
		g.count(&gr.aggs[i], a, e.args[i])
	}
	g.witness(gr, e.args)
	return nil
}

// first begins a group; nil where there is no memory for it. The groups that
// are there go on being counted.
func (g *groups) first(e *env) *group {
	size := rowSize(e.keys) + int64(2*len(e.key)+160*len(e.args))
	if g.full || !g.table.hold(size) {
		g.full = true
		g.table.short.Store(true)
		return nil
	}
	keys := make([]value.Value, len(e.keys))
	for i := range keys {
		keys[i] = e.keys[i].Clone()
	}
	gr := g.begin(keys)
	g.byKey[string(e.key)] = gr
	return gr
}

// count takes one value into an aggregate. Null counts for count() and
// hosts() alone, which have no argument.
func (g *groups) count(agg *aggregate, spec plan.Agg, v value.Value) {
	if spec.Arg != nil && v.IsNull() {
		return
	}
	if spec.Distinct && !g.fresh(agg, v) {
		return
	}
	agg.n++
	switch spec.Func {
	case plan.AggMin:
		if agg.best.IsNull() || orderExact(v, agg.best) < 0 {
			g.better(agg, v)
		}
	case plan.AggMax:
		if agg.best.IsNull() || orderExact(v, agg.best) > 0 {
			g.better(agg, v)
		}
	case plan.AggSum, plan.AggAvg:
		agg.sum.add(v)
	case plan.AggList:
		g.list(agg, spec.N, v)
	}
}

// witness lets a row speak for its group in any(x), whose values are all of one
// row: of those with the fewest nulls the first in their order, so that the
// answer does not depend on who came first.
func (g *groups) witness(gr *group, args []value.Value) {
	order, nulls, size := 0, 0, int64(0)
	for _, i := range g.anys {
		v, best := args[i], gr.aggs[i].best
		if order == 0 {
			order = orderExact(v, best)
		}
		if v.IsNull() {
			nulls++
		}
		if best.IsNull() {
			nulls--
		}
		size += textSize(v) - textSize(best)
	}
	if nulls > 0 || nulls == 0 && order >= 0 || !g.table.hold(size) {
		return
	}
	for _, i := range g.anys {
		gr.aggs[i].best = args[i].Clone()
	}
}

// better keeps a value instead of the one before, which may be shorter.
func (g *groups) better(agg *aggregate, v value.Value) {
	if g.table.hold(textSize(v) - textSize(agg.best)) {
		agg.best = v.Clone()
	}
}

// fresh says whether a value is seen for the first time.
func (g *groups) fresh(agg *aggregate, v value.Value) bool {
	if agg.seen == nil {
		agg.seen = map[string]struct{}{}
	}
	key := v.AppendKey(nil)
	if _, ok := agg.seen[string(key)]; ok || !g.table.hold(int64(len(key))+heldOverhead) {
		return false
	}
	agg.seen[string(key)] = struct{}{}
	if g.table.partial {
		if !g.table.hold(valueSize + textSize(v)) {
			return false
		}
		agg.diff = append(agg.diff, v.Clone())
	}
	return true
}

// list keeps the first n values in their order, so that the answer does not
// depend on who came first.
func (g *groups) list(agg *aggregate, n int64, v value.Value) {
	i, _ := slices.BinarySearchFunc(agg.list, v, orderExact)
	if int64(i) >= n {
		return
	}
	size := valueSize + textSize(v)
	full := int64(len(agg.list)) == n
	if full {
		size -= valueSize + textSize(agg.list[n-1])
	}
	if !g.table.hold(size) {
		return
	}
	if full {
		agg.list = agg.list[:n-1]
	}
	agg.list = slices.Insert(agg.list, i, v.Clone())
}

// value gives the aggregate's result.
func (a *aggregate) value(f plan.AggFunc) value.Value {
	switch f {
	case plan.AggCount:
		return value.NewInt(a.n)
	case plan.AggHosts:
		return value.NewInt(max(a.in, min(a.n, 1)))
	case plan.AggList:
		return value.NewList(a.list)
	case plan.AggSum:
		return a.sum.total()
	case plan.AggAvg:
		return a.sum.mean(a.n)
	}
	return a.best
}

// sorted gives the groups in the order of their keys.
func (g *groups) sorted() []*group {
	all := make([]*group, 0, len(g.byKey))
	for _, gr := range g.byKey {
		all = append(all, gr)
	}
	slices.SortFunc(all, func(a, b *group) int { return compareRows(a.keys, b.keys) })
	return all
}

// finish gives each group on as a row, in the order of the keys.
func (g *groups) finish() error {
	all := g.sorted()
	// Without keys there is a group of no rows; that is not to have found one.
	g.table.hollow = g.rows == 0 && g.table.plan.Having == nil
	e := g.table.newEnv()
	for _, gr := range all {
		e.out = append(e.out[:0], gr.keys...)
		for i := range gr.aggs {
			e.out = append(e.out, gr.aggs[i].value(g.table.plan.Group.Aggs[i].Func))
		}
		if h := g.table.plan.Having; h != nil {
			v, err := h.Eval(e)
			if err != nil {
				return err
			}
			if !v.Bool() {
				continue
			}
		}
		if err := g.table.result.add(e); err != nil {
			return enough(err)
		}
	}
	return nil
}
