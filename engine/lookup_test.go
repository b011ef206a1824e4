package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/engine"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// TestLinksToWhatIsKept: what may not be looked at is not missing, and is
// counted; a module is told of the column that decides it.
func TestLinksToWhatIsKept(t *testing.T) {
	for _, kind := range []modules.SkipKind{modules.SkipPolicy, modules.SkipSelf} {
		proc := relationOf("process", "pid int, exe text -> file", []any{1, "/sh"}, []any{2, "/gone"}, []any{3, nil}, []any{4, "/bin"})
		file := relationOf("file", "path text key, size int", []any{"/sh", 10}, []any{"/bin", 20})
		file.schema.Locator = modules.Locator{Use: modules.LocatorOptional, Column: "path"}
		cat, err := modules.NewCatalogue(proc, file)
		if err != nil {
			t.Fatal(err)
		}
		e := engine.New(cat, engine.Options{Workers: 1, Permit: func(module, place string) modules.SkipKind {
			if place == "/sh" {
				return kind
			}
			return ""
		}})
		for _, c := range []struct{ query, want string }{
			{`FIND process WHERE exe IS MISSING RETURN pid`, "2"},
			{`FIND process WHERE NOT exe IS MISSING RETURN pid`, "4"},
			{`FIND process RETURN pid, exe.size`, "1 null|2 null|3 null|4 20"},
			{`FIND file RETURN size`, "20"},
			{`FIND process, file WHERE path = exe RETURN pid`, "4"},
			{`FIND process, file WHERE size > pid RETURN pid, size`, "1 20|2 20|3 20|4 20"},
		} {
			run := e.Start(t.Context(), compiled(t, cat, c.query, false))
			rows, err := read(run)
			slices.Sort(rows)
			if got := strings.Join(rows, "|"); got != c.want || err != nil {
				t.Errorf("%s, %s\ngot  %s, %v\nwant %s", kind, c.query, got, err, c.want)
			}
			if sum := run.Summary(0); len(sum.Skipped) != 1 || sum.Skipped[0].Kind != kind || sum.Skipped[0].First[0].Where != "/sh" {
				t.Errorf("%s, %s: %+v", kind, c.query, sum.Skipped)
			}
		}
	}
}

// generous gives every row for every key.
func generous(name, columns string, rows ...[]any) *fake {
	f := relationOf(name, columns, rows...)
	f.anyKey = true
	return f
}

// TestJoinKeepsItsEquality: whatever a module gives for a key, rows that join
// are equal, and a link has one row.
func TestJoinKeepsItsEquality(t *testing.T) {
	for _, naive := range []bool{false, true} {
		a, b := relationOf("a", "x int -> b", []any{1}, []any{2}), generous("b", "y int key, z text", []any{1, "one"}, []any{2, "two"}, []any{3, "three"})
		b.schema.Locator.Use = modules.LocatorOptional
		got, _, err := answered(t, `FIND a, b WHERE y = x RETURN x, z`, naive, a, b)
		if got = unordered(got); got != `1 "one"|2 "two"` || err != nil {
			t.Errorf("naive %v: %s, %v", naive, got, err)
		}
		before := b.delivered.Load()
		got, _, err = answered(t, `FIND a RETURN x, x.z AS z WITH workers = 1`, naive, a, b)
		if got = unordered(got); got != `1 "one"|2 "one"` || err != nil || b.delivered.Load() != before+2 {
			t.Errorf("naive %v: %s, %v, after %d rows", naive, got, err, b.delivered.Load()-before)
		}
	}
}

// numbered knows its rows by whole numbers alone.
type numbered struct{ *fake }

func (n numbered) Scan(ctx context.Context, req *modules.Request, yield func(modules.Row) error) error {
	own := *req
	own.Keys = slices.DeleteFunc(slices.Clone(req.Keys), func(v value.Value) bool { return v.Type() != value.Int })
	return n.fake.Scan(ctx, &own, yield)
}

// TestKeysOfOtherNumbers: what equals a key finds its row, though the module
// does not know that 1.0 is 1.
func TestKeysOfOtherNumbers(t *testing.T) {
	a := relationOf("a", "f float, z size", []any{1.0, value.NewSize(3)}, []any{1.5, nil}, []any{nil, nil}, []any{2.0, nil}, []any{-1e300, nil})
	b := relationOf("b", "y int key, name text", []any{1, "one"}, []any{2, "two"}, []any{3, "three"})
	b.schema.Locator = modules.Locator{Use: modules.LocatorOptional, Column: "y"}
	bothWays(t, []struct{ query, want string }{
		{`FIND a, b WHERE y = f RETURN f, name`, `1.0 "one"|2.0 "two"`},
		{`FIND b WHERE y = 1.0 RETURN name`, `"one"`},
		{`FIND b WHERE y IN (1.0, 2.5, 3) RETURN name`, `"one"|"three"`},
	}, a, numbered{b})
}

// TestMemoryOfLookups: what is found under keys is held within the plan's
// memory; what can be looked up again makes room for what can not.
func TestMemoryOfLookups(t *testing.T) {
	many, few := newFake("many", "k", "v").keyed(), newFake("few", "x").with(ints(1)...)
	for i := range 500 {
		many.with([]any{0, fmt.Sprint("row ", i)})
	}
	joined := find(few, many)
	joined.Slots[1].Key = col(0, 0)
	joined.Outputs = returns(col(1, 1))
	p := query(joined)
	p.Limits.Memory = 50_000
	rows, r := ask(t, newEngine(t, many, few), p)
	if s := r.Summary(0); len(rows) == 0 || len(rows) > 499 || s.Outcome != answer.Partial || !slices.Equal(s.Limits, []string{"memory"}) {
		t.Errorf("%d rows, %+v", len(rows), s)
	}

	// Each of five hundred keys has one row: no two are needed at once.
	one, linked := newFake("one", "k", "v").keyed().with(ints2(500)...), newFake("linked", "x").with(ints(500)...)
	tab := find(linked)
	tab.Slots = append(tab.Slots, &plan.Slot{Module: "one", Columns: []string{"k", "v"}, Key: col(0, 0), Link: true})
	tab.Outputs = returns(col(1, 1))
	p = query(tab)
	p.Limits.Memory = 10_000
	rows, r = ask(t, newEngine(t, one, linked), p)
	if s := r.Summary(0); len(rows) != 500 || s.Outcome != answer.Complete {
		t.Errorf("%d rows, %+v", len(rows), s)
	}
	tab.Group, tab.Outputs = &plan.Group{Keys: []plan.Expr{&plan.Call{Func: "%", Args: []plan.Expr{col(0, 0), lit(100)}}}, Aggs: []plan.Agg{{Func: plan.AggMin, Arg: col(1, 1)}}}, returns(out(0))
	p = query(tab)
	p.Limits.Memory = 60_000 // of which a hundred groups take most
	rows, r = ask(t, newEngine(t, one, linked), p)
	if s := r.Summary(0); len(rows) != 100 || s.Outcome != answer.Complete {
		t.Errorf("%d groups, %+v", len(rows), s)
	}
}
