package engine_test

import (
	"slices"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

func TestLinks(t *testing.T) {
	proc := newFake("process", "pid", "exe").with([]any{1, "/sh"}, []any{2, "/gone"}, []any{3, nil}, []any{4, "/locked"}, []any{5, "/sh"}, []any{6, "/big"})
	file := newFake("file", "path", "size", "hash").keyed().with([]any{"/sh", 10, "aa"}, []any{"/big", 99, "bb"})
	file.schema.Columns[2].Cost = modules.Scan
	file.skips = []modules.Skip{{Kind: modules.SkipPermission, Where: "/locked"}, {Kind: modules.SkipNotFound, Where: "/gone"}}
	e := newEngine(t, proc, file)
	table := func() *plan.Table {
		tab := find(proc)
		tab.Slots = append(tab.Slots, &plan.Slot{Module: "file", Alias: "process.exe", Columns: []string{"size", "hash"}, Key: col(0, 1), Link: true})
		tab.Outputs = returns(col(0, 0), col(1, 0))
		return tab
	}

	t.Run("nulls where nothing is", func(t *testing.T) {
		rows, r := ask(t, e, query(table()))
		same(t, rows, "1 10", "2 null", "3 null", "4 null", "5 10", "6 99")
		if s := r.Summary(0); s.Outcome != answer.Partial || len(s.Skipped) != 1 || s.Skipped[0].Kind != modules.SkipPermission {
			t.Errorf("a lookup that was refused, and one that found nothing: %+v", s)
		}
		if st := r.Stats(0)[0][1]; st.Lookups != 4 {
			t.Errorf("%d lookups for 4 keys", st.Lookups)
		}
	})
	t.Run("missing is known or it is not", func(t *testing.T) {
		tab := table()
		tab.Outputs, tab.Where = returns(col(0, 0)), &plan.IsMissing{Key: col(0, 1), Slot: 1}
		rows, _ := ask(t, e, query(tab))
		same(t, rows, "2")
		tab = table()
		tab.Outputs, tab.Where = returns(col(0, 0)), not(&plan.IsMissing{Key: col(0, 1), Slot: 1})
		rows, _ = ask(t, e, query(tab))
		same(t, rows, "1", "5", "6")
	})
	t.Run("what is dear is looked at for the rows that get there", func(t *testing.T) {
		before := file.count("hash")
		tab := table()
		tab.Outputs, tab.Where = returns(col(0, 0), col(1, 1)), cmp(plan.Gt, col(1, 0), lit(50))
		rows, _ := ask(t, e, query(tab))
		same(t, rows, `6 "bb"`)
		if n := file.count("hash") - before; n != 1 {
			t.Errorf("the hash was computed %d times, for one row", n)
		}
	})
	t.Run("not followed for rows that are refused", func(t *testing.T) {
		before := file.lookups.Load()
		tab := table()
		tab.Slots[0].Filter = cmp(plan.Eq, col(0, 0), lit(1))
		rows, _ := ask(t, e, query(tab))
		if same(t, rows, "1 10"); file.lookups.Load() != before+1 {
			t.Errorf("%d lookups for one row", file.lookups.Load()-before)
		}
	})
}

func TestLinkOfLink(t *testing.T) {
	p := newFake("p", "pid", "parent").keyed().with([]any{1, nil}, []any{2, 1}, []any{3, 2}, []any{4, 3})
	tab := find(p)
	tab.Slots = append(tab.Slots,
		&plan.Slot{Module: "p", Columns: []string{"pid", "parent"}, Key: col(0, 1), Link: true},
		&plan.Slot{Module: "p", Columns: []string{"pid"}, Key: col(1, 1), Link: true})
	tab.Outputs = returns(col(0, 0), col(1, 0), col(2, 0))
	rows, _ := ask(t, newEngine(t, p), query(tab))
	same(t, rows, "1 null null", "2 1 null", "3 2 1", "4 3 2")
}

func TestJoins(t *testing.T) {
	hash := value.NewHash([]byte("0123456789abcdef"))
	a := newFake("a", "x").with([]any{1}, []any{2}, []any{nil}, []any{"AB"}, []any{hash}, []any{value.NewVersion("1.0", value.Dpkg)}, []any{nan()})
	b := newFake("b", "y", "z").keyed().with([]any{1.0, "f"}, []any{2, "i"}, []any{2, "j"}, []any{nil, "n"}, []any{"ab", "lower"},
		[]any{"30313233343536373839616263646566", "hex"}, []any{value.NewVersion("1.0", value.AnyScheme), "v"},
		[]any{value.NewVersion("1.0", value.RPM), "r"}, []any{nan(), "nan"})
	e := newEngine(t, a, b)
	// What comparing all pairs gives is what every other way must give.
	want := []string{`"f"`, `"hex"`, `"i"`, `"j"`, `"v"`}
	for _, c := range []struct {
		name  string
		shape func(*plan.Table)
	}{
		{"all pairs", func(t *plan.Table) { t.Where = cmp(plan.Eq, col(0, 0), col(1, 0)) }},
		{"by hash", func(t *plan.Table) {
			t.Slots[1].JoinHere, t.Slots[1].JoinThere = []plan.Expr{col(1, 0)}, []plan.Expr{col(0, 0)}
		}},
		{"by key", func(t *plan.Table) { t.Slots[1].Key = col(0, 0) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			tab := find(a, b)
			tab.Outputs = returns(col(1, 1))
			c.shape(tab)
			rows, r := ask(t, e, query(tab))
			same(t, rows, want...)
			if o := r.Summary(0).Outcome; o != answer.Complete {
				t.Error(o)
			}
		})
	}
}

func nan() value.Value { v := value.NewFloat(0); return value.NewFloat(v.Float() / v.Float()) }

func TestJoinFiltersAndThreeTables(t *testing.T) {
	a, b, c := newFake("a", "x").with(ints(4)...), newFake("b", "y").with(ints(4)...), newFake("c", "z").keyed().with(ints(4)...)
	tab := find(a, b, c)
	tab.Slots[1].Filter = cmp(plan.Gt, col(1, 0), lit(0))
	tab.Slots[1].JoinHere, tab.Slots[1].JoinThere = []plan.Expr{col(1, 0)}, []plan.Expr{col(0, 0)}
	tab.Slots[2].Key = &plan.Call{Func: "+", Args: []plan.Expr{col(1, 0), lit(1)}}
	tab.Outputs = returns(col(0, 0), col(1, 0), col(2, 0))
	rows, r := ask(t, newEngine(t, a, b, c), query(tab))
	same(t, rows, "1 1 2", "2 2 3")
	if st := r.Stats(0)[0]; st[1].In != 4 || st[1].Out != 3 || st[1].Joined != 3 || st[2].Lookups != 3 || st[2].Joined != 2 {
		t.Errorf("stats %+v", st)
	}
}

func TestSubqueries(t *testing.T) {
	a, b := newFake("a", "x").with([]any{1}, []any{2}, []any{3}, []any{nil}), newFake("b", "y").with([]any{2.0}, []any{nil}, []any{9})
	e := newEngine(t, a, b)
	in := &plan.InSub{Xs: []plan.Expr{col(0, 0)}}
	with := func(where plan.Expr) *plan.Plan {
		tab := find(a)
		tab.Where = where
		p := query(tab)
		p.Subs = []*plan.Table{find(b)}
		return p
	}
	rows, r := ask(t, e, with(in))
	if same(t, rows, "2"); b.scans.Load() != 1 {
		t.Errorf("the subquery ran %d times", b.scans.Load())
	}
	if o := r.Summary(0).Outcome; o != answer.Complete {
		t.Error(o)
	}
	rows, _ = ask(t, e, with(not(in)))
	same(t, rows, "1", "3")

	b.skips = []modules.Skip{{Kind: modules.SkipPermission, Where: "/b"}}
	if _, r = ask(t, e, with(not(in))); r.Summary(0).Outcome != answer.Partial {
		t.Error("not among what could not be seen whole, and the answer is complete")
	}
	// Whatever stands between them: what is not known to be there is not known
	// not to be.
	deep := with(not(&plan.InSub{Xs: []plan.Expr{col(0, 0)}, Sub: 2}))
	for i := range 2 {
		deep.Subs = append(deep.Subs, find(a))
		deep.Subs[i+1].Where = &plan.InSub{Xs: []plan.Expr{col(0, 0)}, Sub: i}
	}
	rows, _ = ask(t, e, deep)
	same(t, rows)
	b.skips = nil
	rows, _ = ask(t, e, deep)
	same(t, rows, "1", "3")

	p := with(cmp(plan.Eq, col(0, 0), lit(77)))
	p.Tables[0].Where = and(p.Tables[0].Where, in)
	before := b.scans.Load()
	if ask(t, e, p); b.scans.Load() != before {
		t.Error("a subquery that nothing asked was run")
	}

	// A subquery that groups, within one that is within another.
	p = with(&plan.InSub{Xs: []plan.Expr{col(0, 0)}, Sub: 1})
	p.Subs = append(p.Subs, find(a))
	p.Subs[1].Where = in
	p.Subs[1].Group = &plan.Group{Aggs: []plan.Agg{{Func: plan.AggMax, Arg: col(0, 0)}}}
	p.Subs[1].Outputs = returns(out(0))
	rows, _ = ask(t, e, p)
	same(t, rows, "2")
}

func TestSubqueryTuples(t *testing.T) {
	hash := value.NewHash([]byte("0123456789abcdef"))
	a := newFake("a", "x", "h").with([]any{1, hash}, []any{2, hash})
	b := newFake("b", "y", "h").with([]any{1, "30313233343536373839616263646566"}, []any{2, "30"})
	tab := find(a)
	tab.Outputs = returns(col(0, 0))
	tab.Where = &plan.InSub{Xs: []plan.Expr{col(0, 0), col(0, 1)}}
	p := query(tab)
	p.Subs = []*plan.Table{find(b)}
	rows, _ := ask(t, newEngine(t, a, b), p)
	same(t, rows, "1")
}

func TestGroups(t *testing.T) {
	dpkg, size := value.NewVersion("2", value.Dpkg), value.NewSize(5)
	a := newFake("a", "k", "v").with(
		[]any{"x", 3}, []any{"x", 1}, []any{"x", nil}, []any{"x", 1}, []any{"y", nil}, []any{nil, 7})
	big := newFake("big", "v").with([]any{1 << 62}, []any{1 << 62}, []any{-5})
	huge := newFake("huge", "v", "d").with([]any{1 << 62, time.Duration(1 << 62)}, []any{1 << 62, time.Duration(1 << 62)})
	mixed := newFake("mixed", "v").with([]any{1e300}, []any{1.0}, []any{-1e300}, []any{2})
	sizes := newFake("sizes", "v", "d").with([]any{size, time.Second}, []any{size, 2 * time.Second})
	versions := newFake("versions", "v").with([]any{dpkg})
	none := newFake("none", "v")
	e := newEngine(t, a, big, huge, mixed, sizes, versions, none)
	v, k := col(0, 1), col(0, 0)
	for _, c := range []struct {
		name string
		mod  *fake
		keys []plan.Expr
		aggs []plan.Agg
		want []string
	}{
		{"all aggregates", a, []plan.Expr{k}, []plan.Agg{
			{Func: plan.AggCount}, {Func: plan.AggCount, Arg: v}, {Func: plan.AggCount, Arg: v, Distinct: true}, {Func: plan.AggHosts},
			{Func: plan.AggMin, Arg: v}, {Func: plan.AggMax, Arg: v}, {Func: plan.AggSum, Arg: v}, {Func: plan.AggAvg, Arg: v},
			{Func: plan.AggAny, Arg: v}, {Func: plan.AggList, Arg: v, N: 2},
		}, []string{`"x" 4 3 2 1 1 3 5 1.6666666666666667 1 (1, 1)`, `"y" 1 0 0 1 null null null null null ()`, `null 1 1 1 1 7 7 7 7.0 7 (7)`}},
		{"no rows, no keys", none, nil, []plan.Agg{{Func: plan.AggCount}, {Func: plan.AggHosts}, {Func: plan.AggSum, Arg: k}, {Func: plan.AggAny, Arg: k}}, []string{"0 0 null null"}},
		{"no rows, keys", none, []plan.Expr{k}, []plan.Agg{{Func: plan.AggCount}}, nil},
		{"a sum that passes 64 bits on its way", big, nil, []plan.Agg{{Func: plan.AggSum, Arg: k}}, []string{"9223372036854775803"}},
		{"a sum past 64 bits is a float", huge, nil, []plan.Agg{{Func: plan.AggSum, Arg: k}, {Func: plan.AggSum, Arg: v}},
			[]string{value.NewFloat(1<<63).Literal() + " null"}},
		{"floats are added exactly", mixed, nil, []plan.Agg{{Func: plan.AggSum, Arg: k}, {Func: plan.AggAvg, Arg: k}}, []string{"3.0 0.75"}},
		{"sizes and durations stay what they are", sizes, nil, []plan.Agg{{Func: plan.AggSum, Arg: k}, {Func: plan.AggSum, Arg: v}, {Func: plan.AggAvg, Arg: v}},
			[]string{value.NewSize(10).Literal() + " 3s " + value.NewDuration(1500*time.Millisecond).Literal()}},
		{"versions", versions, nil, []plan.Agg{{Func: plan.AggMax, Arg: k}}, []string{dpkg.Literal()}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tab := find(c.mod)
			tab.Group, tab.Outputs = &plan.Group{Keys: c.keys, Aggs: c.aggs}, nil
			var outs []plan.Expr
			for i := range len(c.keys) + len(c.aggs) {
				outs = append(outs, out(i))
			}
			tab.Outputs = returns(outs...)
			rows, err := read(start(t, e, query(tab)))
			if err != nil {
				t.Fatal(err)
			}
			same(t, rows, c.want...) // groups come in the order of their keys
		})
	}
}

func TestGroupsAreShaped(t *testing.T) {
	a := newFake("a", "k").with([]any{1}, []any{1}, []any{2}, []any{3}, []any{3}, []any{1.0})
	tab := find(a)
	tab.Group = &plan.Group{Keys: []plan.Expr{col(0, 0)}, Aggs: []plan.Agg{{Func: plan.AggCount}}}
	tab.Having = cmp(plan.Gt, out(1), lit(1))
	tab.Outputs, tab.Order = returns(out(0), out(1)), []plan.OrderKey{{Expr: out(1), Desc: true}}
	rows, err := read(start(t, newEngine(t, a), query(tab)))
	if same(t, rows, "1 3", "3 2"); err != nil {
		t.Error(err)
	}
	tab.Limit = 1
	rows, _ = read(start(t, newEngine(t, a), query(tab)))
	same(t, rows, "1 3")
}

// What any(x) and any(y) show is of one row, on a host and when hosts are
// merged: of those with the fewest nulls the first.
func TestAnyIsOfOneRow(t *testing.T) {
	a := newFake("a", "k", "v", "w").with([]any{1, 9, 1}, []any{1, 3, 5}, []any{1, 3, 4}, []any{1, 1, nil}, []any{1, nil, 0}, []any{2, nil, nil}, []any{2, nil, 7}, []any{2, 8, nil})
	tab := find(a)
	tab.Group = &plan.Group{Keys: []plan.Expr{col(0, 0)}, Aggs: []plan.Agg{{Func: plan.AggAny, Arg: col(0, 1)}, {Func: plan.AggMin, Arg: col(0, 2)}, {Func: plan.AggAny, Arg: col(0, 2)}}}
	tab.Outputs = returns(out(0), out(1), out(2), out(3))
	for range 2 {
		rows, _ := ask(t, newEngine(t, a), query(tab))
		same(t, rows, "1 3 0 4", "2 8 7 null")
		slices.Reverse(a.rows)
	}
}

func TestWhoCameFirstDoesNotShow(t *testing.T) {
	a := newFake("a", "k", "v").with([]any{1.0, 2}, []any{1, 2.0}, []any{1.0, 2.0}, []any{1, 2})
	tab := find(a)
	tab.Group = &plan.Group{Keys: []plan.Expr{col(0, 0)}, Aggs: []plan.Agg{{Func: plan.AggAny, Arg: col(0, 1)}, {Func: plan.AggList, Arg: col(0, 1), N: 3}}}
	tab.Outputs = returns(out(0), out(1), out(2))
	for range 4 {
		rows, _ := ask(t, newEngine(t, a), query(tab))
		same(t, rows, "1 2 (2, 2, 2.0)")
		slices.Reverse(a.rows)
	}
}
