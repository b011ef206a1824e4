package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// A naive evaluator of two relations in memory: every pair, one expression.
type pair struct{ rows [2][]value.Value }

func (p pair) Column(slot, i int) (value.Value, error)       { return p.rows[slot][i], nil }
func (p pair) Ask(int, int) (value.Value, error)             { return value.Value{}, nil }
func (p pair) Missing(int) (value.Truth, error)              { return value.Unknown, nil }
func (p pair) InSub(int, []value.Value) (value.Truth, error) { return value.Unknown, nil }
func (p pair) Given() plan.Given                             { return plan.Given{} }

func anyValue() *rapid.Generator[value.Value] {
	return rapid.Custom(func(t *rapid.T) value.Value {
		n := rapid.IntRange(0, 3).Draw(t, "n")
		return vals([]any{n, float64(n), nil, fmt.Sprint(n), fmt.Sprintf("%016x", n), value.NewHash([]byte{0, 0, 0, 0, 0, 0, 0, byte(n)}), n > 1}[rapid.IntRange(0, 6).Draw(t, "kind")])[0]
	})
}

func relation(t *rapid.T, name string) *fake {
	f := newFake(name, "x", "y")
	f.spares = true
	for range rapid.IntRange(0, 6).Draw(t, name) {
		f.rows = append(f.rows, []value.Value{anyValue().Draw(t, "x"), anyValue().Draw(t, "y")})
	}
	return f
}

// condition draws an expression over slots.
func condition(t *rapid.T, slots []int, depth int) plan.Expr {
	operand := func() plan.Expr {
		if rapid.Bool().Draw(t, "const") {
			return &plan.Const{Value: anyValue().Draw(t, "value")}
		}
		return col(rapid.SampledFrom(slots).Draw(t, "slot"), rapid.IntRange(0, 1).Draw(t, "column"))
	}
	kind := rapid.IntRange(0, 5).Draw(t, "expr")
	if depth == 0 {
		kind %= 3
	}
	switch kind {
	case 0, 1:
		return cmp(plan.CmpOp(rapid.IntRange(int(plan.Eq), int(plan.Ge)).Draw(t, "op")), operand(), operand())
	case 2:
		return &plan.IsNull{X: operand()}
	case 3:
		return not(condition(t, slots, depth-1))
	case 4:
		return and(condition(t, slots, depth-1), condition(t, slots, depth-1))
	}
	return &plan.Or{Xs: []plan.Expr{condition(t, slots, depth-1), condition(t, slots, depth-1)}}
}

// TestEngineAgreesWithAllPairs: however a question is spread over filters,
// joins, order and limit, the rows are those that comparing everything finds.
func TestEngineAgreesWithAllPairs(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := relation(rt, "a"), relation(rt, "b")
		tab := find(a, b)
		tab.Outputs = returns(col(0, 0), col(0, 1), col(1, 0), col(1, 1))
		tab.Slots[0].Filter = condition(rt, []int{0}, 2)
		tab.Slots[1].Filter = condition(rt, []int{1}, 2)
		tab.Where = condition(rt, []int{0, 1}, 2)
		all := []plan.Expr{tab.Slots[0].Filter, tab.Slots[1].Filter, tab.Where}
		for i := range rapid.IntRange(0, 2).Draw(rt, "joins") {
			tab.Slots[1].JoinHere = append(tab.Slots[1].JoinHere, col(1, i))
			tab.Slots[1].JoinThere = append(tab.Slots[1].JoinThere, col(0, i))
			all = append(all, cmp(plan.Eq, col(1, i), col(0, i)))
		}
		tab.Distinct = rapid.Bool().Draw(rt, "distinct")
		ordered := rapid.Bool().Draw(rt, "ordered")
		if ordered {
			tab.Order = []plan.OrderKey{{Expr: col(1, 0), Desc: rapid.Bool().Draw(rt, "desc")}, {Expr: col(0, 1)}}
			tab.Limit = int64(rapid.IntRange(-1, 5).Draw(rt, "limit"))
		}
		mods := [2]modules.Module{a, b}
		if rapid.Bool().Draw(rt, "shares") {
			mods[0] = sharer{a}
		}
		p := query(tab)
		if tab.Distinct {
			p.Limits.Workers = 1 // 1 and 1.0 are the same: who came first is shown
		}
		got, err := read(start(t, newEngine(t, mods[0], mods[1]), p))
		if err != nil {
			rt.Fatal(err)
		}
		want := naive(tab, a, b, and(all...))
		if !ordered {
			slices.Sort(got)
			slices.Sort(want)
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("got\n%s\nwant\n%s\nof %s", strings.Join(got, "\n"), strings.Join(want, "\n"), p)
		}
	})
}

func naive(tab *plan.Table, a, b *fake, where plan.Expr) (texts []string) {
	var rows [][]value.Value
	seen := map[string]bool{}
	for _, x := range a.rows {
		for _, y := range b.rows {
			v, _ := where.Eval(pair{[2][]value.Value{x, y}})
			row := append(slices.Clone(x), y...)
			var key []byte
			for _, v := range row {
				key = v.AppendKey(key)
			}
			if !v.Bool() || tab.Distinct && seen[string(key)] {
				continue
			}
			seen[string(key)] = true
			rows = append(rows, row)
		}
	}
	nullLast := func(x, y value.Value, desc bool) int {
		switch {
		case x.IsNull() != y.IsNull():
			if x.IsNull() {
				return 1
			}
			return -1
		case desc:
			return value.Order(y, x)
		}
		return value.Order(x, y)
	}
	slices.SortStableFunc(rows, func(x, y []value.Value) int {
		for _, o := range tab.Order {
			c := o.Expr.(*plan.Col)
			if n := nullLast(x[2*c.Slot+c.Index], y[2*c.Slot+c.Index], o.Desc); n != 0 {
				return n
			}
		}
		for i := range x {
			if n := nullLast(x[i], y[i], false); n != 0 {
				return n
			}
			if n := int(x[i].Type()) - int(y[i].Type()); n != 0 {
				return n
			}
		}
		return 0
	})
	if tab.Limit >= 0 && int64(len(rows)) > tab.Limit {
		rows = rows[:tab.Limit]
	}
	for _, row := range rows {
		var text []string
		for _, v := range row {
			text = append(text, v.Literal())
		}
		texts = append(texts, strings.Join(text, " "))
	}
	return texts
}
