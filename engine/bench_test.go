package engine_test

import (
	"context"
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
