package engine

import (
	"fmt"
	"math"
	"math/big"
	"slices"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// What a host sends of a table that a Merge ends.
//
// Of a table without groups: its outputs, then the values of those ORDER BY
// keys that are no outputs. DISTINCT and LIMIT were applied to this host's
// rows alone, since no row beyond them can be among the fleet's.
//
// Of a table with groups: the keys, then for each aggregate what is known of
// it here, without HAVING:
//
//	count()           the number, an int
//	count(DISTINCT)   the list of different values
//	hosts()           1
//	min, max, any     the value
//	list              the list
//	sum, avg          a list: how many, the kind of the sum (see sumKinds),
//	                  its whole part in two ints, the sum of infinities and
//	                  NaN, and the exact sum of floats as text, or null

// having gives the condition on groups that this host decides.
func (t *tableRun) having() plan.Expr {
	if t.partial {
		return nil
	}
	return t.plan.Having
}

// extraKeys gives the order keys that are no outputs.
func extraKeys(t *plan.Table) []int {
	if t.Group != nil {
		return nil
	}
	var extra []int
	for i, at := range orderOutputs(t) {
		if at < 0 {
			extra = append(extra, i)
		}
	}
	return extra
}

// orderOutputs gives for each order key the output that it is, or -1.
func orderOutputs(t *plan.Table) []int {
	if len(t.Order) == 0 {
		return nil
	}
	outputs := map[string]int{}
	for i, o := range t.Outputs {
		if key := plan.Key(o.Expr); outputs[key] == 0 {
			outputs[key] = i + 1 // the first of those that are the same
		}
	}
	at := make([]int, len(t.Order))
	for i, o := range t.Order {
		at[i] = outputs[plan.Key(o.Expr)] - 1
	}
	return at
}

// export gives each group on as it is known here. The group of no rows says
// nothing.
func (g *groups) export() error {
	if g.rows == 0 {
		return nil
	}
	for _, gr := range g.sorted() {
		row := gr.keys
		for i := range gr.aggs {
			row = append(row, gr.aggs[i].export(g.table.plan.Group.Aggs[i]))
		}
		if err := g.table.result.emit(row); err != nil {
			return enough(err)
		}
	}
	return nil
}

func (a *aggregate) export(spec plan.Agg) value.Value {
	switch {
	case spec.Distinct:
		return value.NewList(a.diff)
	case spec.Func == plan.AggSum, spec.Func == plan.AggAvg:
		return value.NewList(append([]value.Value{value.NewInt(a.n)}, a.sum.export()...))
	}
	return a.value(spec.Func)
}

// sumKinds are the types that a sum can have, by the numbers that stand for
// them between hosts.
var sumKinds = []value.Type{value.Null, value.Int, value.Float, value.Size, value.Duration}

func (s *sum) export() []value.Value {
	floats := value.Value{}
	if s.floats != nil {
		floats = value.NewText(s.floats.Text('p', 0))
	}
	return []value.Value{
		value.NewInt(int64(slices.Index(sumKinds, s.typ))),
		value.NewInt(int64(s.hi)), value.NewInt(int64(s.lo)),
		value.NewFloat(s.odd), floats,
	}
}

// maxFloatText bounds an exact sum of floats in text: mantissa in hex, and the
// exponent.
const maxFloatText = exactBits/4 + 64

// importSum reads what export gives, from a host that is not trusted.
func importSum(vs []value.Value) (n int64, s sum, err error) {
	types := []value.Type{value.Int, value.Int, value.Int, value.Int, value.Float}
	if len(vs) != len(types)+1 {
		return 0, s, fmt.Errorf("%w: a sum of %d parts", ErrMalformed, len(vs))
	}
	for i, t := range types {
		if vs[i].Type() != t {
			return 0, s, fmt.Errorf("%w: part %d of a sum is %s", ErrMalformed, i, vs[i].Type())
		}
	}
	kind := vs[1].Int()
	if n = vs[0].Int(); n < 0 || kind < 0 || kind >= int64(len(sumKinds)) {
		return 0, s, fmt.Errorf("%w: a sum of %d values of kind %d", ErrMalformed, n, kind)
	}
	if odd := vs[4].Float(); odd != 0 && !math.IsInf(odd, 0) && !math.IsNaN(odd) {
		return 0, s, fmt.Errorf("%w: %v stands with infinities in a sum", ErrMalformed, odd)
	}
	s = sum{typ: sumKinds[kind], hi: uint64(vs[2].Int()), lo: uint64(vs[3].Int()), odd: vs[4].Float()}
	switch f := vs[5]; {
	case f.IsNull():
	case f.Type() != value.Text || len(f.RawText()) > maxFloatText || !isHexFloat(f.RawText()):
		return 0, s, fmt.Errorf("%w: the floats of a sum are no text", ErrMalformed)
	default:
		s.floats, _, err = big.ParseFloat(f.RawText(), 0, exactBits, big.ToNearestEven)
		if err != nil || s.floats.IsInf() || s.floats.MantExp(nil) > exactBits || s.floats.MantExp(nil) < -exactBits {
			return 0, s, fmt.Errorf("%w: the floats of a sum: %.40q", ErrMalformed, f.RawText())
		}
	}
	return n, s, nil
}

// merge adds what another host summed.
func (s *sum) merge(o sum) error {
	for _, t := range []value.Type{s.typ, o.typ} {
		// Durations add to durations; the rest are numbers of a kind.
		if t != value.Null && (t == value.Duration) != (s.typ == value.Duration || s.typ == value.Null && o.typ == value.Duration) {
			return fmt.Errorf("%w: a sum of %s meets one of %s", ErrMalformed, o.typ, s.typ)
		}
	}
	if s.typ == value.Null || o.typ == value.Float {
		s.typ = o.typ
	}
	s.addWhole(o.hi, o.lo)
	s.odd += o.odd
	switch {
	case o.floats == nil:
	case s.floats == nil:
		s.floats = new(big.Float).Copy(o.floats)
	default:
		s.floats.Add(s.floats, o.floats)
	}
	return nil
}
