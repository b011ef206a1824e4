package engine

import (
	"slices"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// groups gathers rows by their keys.
type groups struct {
	table *tableRun
	mu    sync.Mutex
	byKey map[string]*group
	full  bool // the memory is used up: no further group is begun
}

type group struct {
	keys []value.Value
	aggs []aggregate
}

// An aggregate is what is known so far of one aggregate of one group.
type aggregate struct {
	n    int64
	i    int64   // sum of whole numbers, durations in nanoseconds
	f    float64 // sum of everything, for averages and where i overflows
	wide bool    // i overflowed
	best value.Value
	list []value.Value
	seen map[string]struct{}
}

func newGroups(t *tableRun) *groups {
	g := &groups{table: t, byKey: map[string]*group{}}
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
	keys := make([]value.Value, len(spec.Keys))
	var key []byte
	for i, x := range spec.Keys {
		v, err := x.Eval(e)
		if err != nil {
			return err
		}
		keys[i] = v
		key = v.AppendKey(key)
	}
	args := make([]value.Value, len(spec.Aggs))
	for i, a := range spec.Aggs {
		if a.Arg == nil {
			continue
		}
		v, err := a.Arg.Eval(e)
		if err != nil {
			return err
		}
		args[i] = v
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	gr := g.byKey[string(key)]
	if gr == nil {
		size := int64(2*len(key) + heldOverhead + 160*len(args))
		if g.full || !g.table.run.hold(size) {
			// The groups that are there go on being counted.
			g.full = true
			return nil
		}
		for i := range keys {
			keys[i] = keys[i].Clone()
		}
		gr = g.begin(keys)
		g.byKey[string(key)] = gr
	}
	for i, a := range spec.Aggs {
		g.count(&gr.aggs[i], a, args[i])
	}
	return nil
}

// count takes one value into an aggregate. Null counts for count() and
// hosts() alone, which have no argument.
func (g *groups) count(agg *aggregate, spec plan.Agg, v value.Value) {
	if spec.Arg != nil && v.IsNull() {
		return
	}
	if spec.Distinct && !g.first(agg, v) {
		return
	}
	agg.n++
	switch spec.Func {
	case plan.AggMin, plan.AggAny:
		if agg.best.IsNull() || value.Order(v, agg.best) < 0 {
			agg.best = v.Clone()
		}
	case plan.AggMax:
		if agg.best.IsNull() || value.Order(v, agg.best) > 0 {
			agg.best = v.Clone()
		}
	case plan.AggSum, plan.AggAvg:
		agg.sum(v)
	case plan.AggList:
		g.list(agg, spec.N, v)
	}
}

// first says whether a value is seen for the first time.
func (g *groups) first(agg *aggregate, v value.Value) bool {
	if agg.seen == nil {
		agg.seen = map[string]struct{}{}
	}
	key := v.AppendKey(nil)
	if _, ok := agg.seen[string(key)]; ok || !g.table.run.hold(int64(len(key))+heldOverhead) {
		return false
	}
	agg.seen[string(key)] = struct{}{}
	return true
}

// list keeps the first n values in their order, so that the answer does not
// depend on who came first.
func (g *groups) list(agg *aggregate, n int64, v value.Value) {
	i, _ := slices.BinarySearchFunc(agg.list, v, value.Order)
	if int64(i) >= n || int64(len(agg.list)) < n && !g.table.run.hold(48+textSize(v)) {
		return
	}
	agg.list = slices.Insert(agg.list, i, v.Clone())
	if int64(len(agg.list)) > n {
		agg.list = agg.list[:n]
	}
}

func (a *aggregate) sum(v value.Value) {
	if a.best.IsNull() {
		a.best = v.Clone() // for its type
	}
	switch v.Type() {
	case value.Float:
		a.f += v.Float()
		return
	case value.Duration:
		a.addInt(int64(v.Duration()))
	default:
		a.addInt(v.Int())
	}
}

func (a *aggregate) addInt(n int64) {
	sum := a.i + n
	a.wide = a.wide || (sum > a.i) != (n > 0) && n != 0
	a.i = sum
	a.f += float64(n)
}

// value gives the aggregate's result. A sum that is too large for 64 bits is a
// float.
func (a *aggregate) value(f plan.AggFunc) value.Value {
	switch f {
	case plan.AggCount:
		return value.NewInt(a.n)
	case plan.AggHosts:
		return value.NewInt(min(a.n, 1))
	case plan.AggList:
		return value.NewList(a.list)
	case plan.AggSum:
		return a.total()
	case plan.AggAvg:
		if a.n == 0 {
			return value.Value{}
		}
		if a.best.Type() == value.Duration {
			return value.NewDuration(time.Duration(a.f / float64(a.n)))
		}
		return value.NewFloat(a.f / float64(a.n))
	}
	return a.best
}

func (a *aggregate) total() value.Value {
	switch {
	case a.best.IsNull():
		return value.Value{}
	case a.best.Type() == value.Float || a.wide:
		return value.NewFloat(a.f)
	case a.best.Type() == value.Duration:
		return value.NewDuration(time.Duration(a.i))
	case a.best.Type() == value.Size:
		return value.NewSize(a.i)
	}
	return value.NewInt(a.i)
}

// finish gives each group on as a row, in the order of the keys.
func (g *groups) finish() error {
	all := make([]*group, 0, len(g.byKey))
	for _, gr := range g.byKey {
		all = append(all, gr)
	}
	slices.SortFunc(all, func(a, b *group) int { return slices.CompareFunc(a.keys, b.keys, orderNullLast) })
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
