package engine_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/quaestor-engine/quaestor/engine"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// A bare module costs as good as nothing: what is measured is the engine.
type bare struct{ rows int }

type bareRow struct{ i int }

func (r *bareRow) Column(_ context.Context, i int) (value.Value, error) {
	if i == 1 {
		return value.NewText("some text"), nil
	}
	return value.NewInt(int64(r.i)), nil
}

func (b *bare) Schema() *modules.Schema {
	return &modules.Schema{Name: "bare", Doc: "numbers", Columns: []modules.Column{
		{Name: "n", Type: value.Int, Doc: "a number"}, {Name: "s", Type: value.Text, Doc: "a text"}}}
}

func (b *bare) Scan(ctx context.Context, req *modules.Request, yield func(modules.Row) error) error {
	row := &bareRow{}
	for row.i = range b.rows {
		if err := yield(row); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkRow is a row's way through the engine: refused by the filter,
// returned, and counted in one of ten groups.
func BenchmarkRow(b *testing.B) {
	for _, c := range []struct {
		name  string
		shape func(*plan.Table)
	}{
		{"refused", func(t *plan.Table) { t.Slots[0].Filter = cmp(plan.Lt, col(0, 0), lit(0)) }},
		{"returned", func(t *plan.Table) {}},
		{"counted", func(t *plan.Table) {
			ten := &plan.Call{Func: "%", Args: []plan.Expr{col(0, 0), lit(10)}}
			t.Group = &plan.Group{Keys: []plan.Expr{ten}, Aggs: []plan.Agg{{Func: plan.AggCount}}}
			t.Outputs = returns(out(0), out(1))
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			tab := find(&bare{})
			tab.Outputs = returns(col(0, 0))
			c.shape(tab)
			cat, err := modules.NewCatalogue(&bare{rows: b.N})
			if err != nil {
				b.Fatal(err)
			}
			r := start(b, engine.New(cat, engine.Options{}), query(tab))
			b.ReportAllocs()
			b.ResetTimer()
			for _, err := range r.Rows() {
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkMergeGroups is a group's way into a merge, one of twenty that each
// agent sends of five hundred.
func BenchmarkMergeGroups(b *testing.B) {
	cat, err := modules.NewCatalogue(relationOf("package", "name text, version text"))
	if err != nil {
		b.Fatal(err)
	}
	m := engine.NewMerge(compiled(b, cat, "FIND package STACK name, version", false), engine.MergeOptions{})
	var groups [500][]value.Value
	for i := range groups {
		groups[i] = vals(fmt.Sprintf("package-%03d", i), fmt.Sprintf("1.%d-2", i), 1, 1)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		agent := i / 20
		if _, err := m.Add("host", strconv.Itoa(agent), 0, groups[agent%480+i%20]); err != nil {
			b.Fatal(err)
		}
	}
}
