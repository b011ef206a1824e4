package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/quaestor-engine/quaestor/engine"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRowsAreFilteredAndProjected(t *testing.T) {
	f := newFake("a", "x", "y").with([]any{1, "one"}, []any{2, "two"}, []any{nil, "none"}, []any{3, "three"})
	tab := find(f)
	tab.Slots[0].Filter = cmp(plan.Ge, col(0, 0), lit(2))
	tab.Slots[0].FilterColumns = []int{0}
	rows, r := ask(t, newEngine(t, f), query(tab))
	same(t, rows, `2 "two"`, `3 "three"`)
	if n := f.count("y"); n != 2 {
		t.Errorf("y was computed %d times, for 2 rows that passed", n)
	}
	s := r.Summary(0)
	if s.Outcome != answer.Complete || s.Reason != "" || s.Matched != 2 || s.Looked["a"] != 4 {
		t.Errorf("summary %+v", s)
	}
	st := r.Stats(0)[0][0]
	if st.In != 4 || st.Out != 2 || st.Elapsed <= 0 {
		t.Errorf("stats %+v", st)
	}
	if p := r.Progress(); p.Matched != 2 || p.Looked["a"] != 4 {
		t.Errorf("progress %+v", p)
	}
}

func TestShapes(t *testing.T) {
	f := newFake("a", "x", "y").with([]any{3, "c"}, []any{1, "b"}, []any{2, nil}, []any{1, "a"}, []any{nil, "d"}, []any{1, "b"})
	e := newEngine(t, f)
	for _, c := range []struct {
		name  string
		shape func(*plan.Table)
		want  string
	}{
		{"ascending, null last, ties by row", func(t *plan.Table) { t.Order = []plan.OrderKey{{Expr: col(0, 0)}} },
			`1 "a"|1 "b"|1 "b"|2 null|3 "c"|null "d"`},
		{"descending, null last", func(t *plan.Table) { t.Order = []plan.OrderKey{{Expr: col(0, 0), Desc: true}} },
			`3 "c"|2 null|1 "a"|1 "b"|1 "b"|null "d"`},
		{"two keys", func(t *plan.Table) { t.Order = []plan.OrderKey{{Expr: col(0, 0)}, {Expr: col(0, 1), Desc: true}} },
			`1 "b"|1 "b"|1 "a"|2 null|3 "c"|null "d"`},
		{"the first of an order", func(t *plan.Table) { t.Order, t.Limit = []plan.OrderKey{{Expr: col(0, 0)}}, 2 }, `1 "a"|1 "b"`},
		{"none of an order", func(t *plan.Table) { t.Order, t.Limit = []plan.OrderKey{{Expr: col(0, 0)}}, 0 }, ``},
		{"a limit past the end", func(t *plan.Table) { t.Order, t.Limit = []plan.OrderKey{{Expr: col(0, 0), Desc: true}}, 99 },
			`3 "c"|2 null|1 "a"|1 "b"|1 "b"|null "d"`},
		{"distinct", func(t *plan.Table) { t.Distinct, t.Order = true, []plan.OrderKey{{Expr: col(0, 0)}} },
			`1 "a"|1 "b"|2 null|3 "c"|null "d"`},
		{"distinct with a limit", func(t *plan.Table) { t.Distinct, t.Limit, t.Outputs = true, 1, returns(lit(7)) }, `7`},
		{"an order by what is not returned", func(t *plan.Table) {
			t.Outputs, t.Order = returns(col(0, 1)), []plan.OrderKey{{Expr: col(0, 0), Desc: true}}
		}, `"c"|null|"a"|"b"|"b"|"d"`},
		{"none at all", func(t *plan.Table) { t.Limit = 0 }, ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			tab := find(f)
			c.shape(tab)
			r := start(t, e, query(tab))
			rows, err := read(r)
			if err != nil || strings.Join(rows, "|") != c.want {
				t.Errorf("got %s, %v, want %s", strings.Join(rows, "|"), err, c.want)
			}
			if o := r.Summary(0).Outcome; o != answer.Complete {
				t.Errorf("outcome %s: %s", o, r.Summary(0).Reason)
			}
		})
	}
}

func TestLimitStopsTheScan(t *testing.T) {
	f := newFake("a", "x").with(ints(4)...)
	f.endless = true
	tab := find(f)
	tab.Limit = 3
	rows, r := ask(t, newEngine(t, f), query(tab))
	if s := r.Summary(0); len(rows) != 3 || s.Outcome != answer.Complete {
		t.Errorf("%d rows, %s", len(rows), s.Outcome)
	}
}

func TestQuestionsAndLines(t *testing.T) {
	f := newFake("a", "x", "line").with([]any{1, 0}, []any{2, 0}, []any{3, 0})
	f.schema.Content, f.schema.Columns[1].Line = true, true
	f.content = []string{"root\nuser", "nothing", "a root\nb\nroot c"}
	e := newEngine(t, f)
	contains := plan.Question{Kind: plan.Contains, Literal: [][]byte{[]byte("root")}, Show: true}
	long := plan.Question{Kind: plan.LineTest, Lines: plan.EveryLine, Test: cmp(plan.Ge, &plan.Call{Func: "len", Args: []plan.Expr{out(0)}}, lit(4))}

	tab := find(f)
	tab.Slots[0].Questions, tab.Slots[0].Lines = []plan.Question{contains}, true
	tab.Slots[0].Filter = &plan.Ask{}
	rows, _ := ask(t, e, query(tab))
	same(t, rows, "1 1", "3 1", "3 3")

	tab = find(f)
	tab.Outputs = returns(col(0, 0))
	tab.Slots[0].Questions = []plan.Question{contains, long}
	tab.Where = and(&plan.Ask{}, &plan.Ask{Question: 1})
	rows, _ = ask(t, e, query(tab))
	same(t, rows, "1")
}

func TestSeveralPlansShareAPass(t *testing.T) {
	f := newFake("a", "x").with(ints(10)...)
	e := newEngine(t, sharer{f})
	one, two, three := find(f), find(f), find(f)
	one.Slots[0].Filter = cmp(plan.Lt, col(0, 0), lit(2))
	two.Slots[0].Filter = cmp(plan.Gt, col(0, 0), lit(8))
	three.Limit = 0
	r := start(t, e, query(one), query(two), query(three))
	rows, err := read(r)
	slices.Sort(rows)
	if same(t, rows, "0", "1", "1.0: 9"); err != nil {
		t.Error(err)
	}
	if f.shared.Load() != 1 || f.scans.Load() != 0 {
		t.Errorf("%d shared scans, %d others", f.shared.Load(), f.scans.Load())
	}
	for i, n := range []int64{2, 1, 0} {
		if s := r.Summary(i); s.Matched != n || s.Outcome != answer.Complete {
			t.Errorf("plan %d: %+v", i, s)
		}
	}
}

func TestTablesOfOnePlanShareAPassWithJoins(t *testing.T) {
	f, g := newFake("a", "x").with(ints(5)...), newFake("b", "y").with(ints(3)...)
	one, two := find(f, g), find(f)
	one.Slots[1].JoinHere, one.Slots[1].JoinThere = []plan.Expr{col(1, 0)}, []plan.Expr{col(0, 0)}
	two.Slots[0].Filter = cmp(plan.Gt, col(0, 0), lit(3))
	rows, _ := ask(t, newEngine(t, sharer{f}, g), query(one, two))
	same(t, rows, "0", "0.1: 4", "1", "2")
	if f.shared.Load() != 1 || f.scans.Load() != 0 {
		t.Errorf("%d shared scans, %d others", f.shared.Load(), f.scans.Load())
	}
}

func TestRefused(t *testing.T) {
	f, keyless := newFake("a", "x").keyed().with(ints(3)...), newFake("b", "x")
	told := newFake("told", "x")
	told.schema.Locator = modules.Locator{Use: modules.LocatorRequired}
	hostFake := newFake("host", "os").with([]any{"linux"}, []any{"linux"})
	hostFake.rows = hostFake.rows[:1]
	e := newEngine(t, f, keyless, told, hostFake)
	for _, c := range []struct {
		name string
		edit func(p *plan.Plan)
		want string
	}{
		{"module", func(p *plan.Plan) { p.Tables[0].Slots[0].Module = "zebra" }, `no module "zebra"`},
		{"column", func(p *plan.Plan) { p.Tables[0].Slots[0].Columns[0] = "colour" }, `no column "colour"`},
		{"column of a subquery", func(p *plan.Plan) {
			p.Subs = []*plan.Table{find(f)}
			p.Subs[0].Slots[0].Columns[0] = "colour"
		}, `no column "colour"`},
		{"content", func(p *plan.Plan) {
			p.Tables[0].Slots[0].Questions = []plan.Question{{Kind: plan.Contains, Literal: [][]byte{{1}}}}
		}, "no content"},
		{"key", func(p *plan.Plan) { p.Tables[0] = find(keyless); p.Tables[0].Slots[0].Keys = vals(1) }, "no key"},
		{"link without a module", func(p *plan.Plan) {
			p.Tables[0].Slots = append(p.Tables[0].Slots, &plan.Slot{Module: "package", Key: col(0, 0), Link: true})
		}, `no module "package"`},
		{"not told where", func(p *plan.Plan) { p.Tables[0] = find(told) }, "must be told where"},
		{"told in vain", func(p *plan.Plan) { p.Tables[0].Slots[0].Locators = []string{"/"} }, "not told where"},
		{"a line test that looks elsewhere", func(p *plan.Plan) {
			p.Tables[0].Slots[0].Questions = []plan.Question{{Kind: plan.LineTest, Test: col(0, 0)}}
			f.schema.Content = true
		}, "speaks of the rows"},
		{"having without groups", func(p *plan.Plan) { p.Tables[0].Having = lit(true) }, "no groups"},
		{"subquery within itself", func(p *plan.Plan) {
			p.Subs = []*plan.Table{find(f), find(f)}
			p.Subs[0].Where = &plan.InSub{Xs: []plan.Expr{lit(1)}, Sub: 1}
			p.Subs[1].Slots[0].Filter = &plan.InSub{Xs: []plan.Expr{lit(1)}, Sub: 0}
		}, "leads back to itself"},
		{"another host", func(p *plan.Plan) {
			p.Facts, p.Target = []string{"os"}, cmp(plan.Eq, out(0), lit("windows"))
		}, "this host is not meant"},
		{"a host that does not say", func(p *plan.Plan) {
			p.Facts, p.Target = []string{"os"}, cmp(plan.Eq, out(0), &plan.Const{})
		}, "cannot be told"},
		{"an unknown fact", func(p *plan.Plan) {
			p.Facts, p.Target = []string{"moon"}, &plan.IsNull{X: out(0)}
		}, `no fact "moon"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.schema.Content = false
			p, good := query(find(f)), query(find(f))
			c.edit(p)
			r := start(t, e, p, good)
			rows, err := read(r)
			if !errors.Is(err, engine.ErrRefused) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
			s := r.Summary(0)
			if s.Outcome != answer.Refused || !strings.Contains(s.Reason, c.want) {
				t.Errorf("summary %+v", s)
			}
			// The other plan is answered all the same.
			if s := r.Summary(1); len(rows) != 3 || s.Outcome != answer.Complete {
				t.Errorf("%d rows of the plan beside it, %s", len(rows), s.Outcome)
			}
		})
	}
}

func TestTargetThatIsTrue(t *testing.T) {
	f, host := newFake("a", "x").with(ints(2)...), newFake("host", "cpus", "os").with([]any{4, "linux"})
	p := query(find(f))
	p.Facts, p.Target = []string{"os", "cpus"}, and(cmp(plan.Eq, out(0), lit("linux")), cmp(plan.Gt, out(1), lit(2)))
	e := newEngine(t, f, host)
	rows, _ := ask(t, e, p)
	same(t, rows, "0", "1")
	if truth, err := e.Matches(t.Context(), p); truth != value.True || err != nil {
		t.Errorf("Matches: %s, %v", truth, err)
	}
}

func TestSkipsAreCountedAndNamed(t *testing.T) {
	f := newFake("a", "x").with(ints(1)...)
	for i := range 9 {
		f.skips = append(f.skips, modules.Skip{Kind: modules.SkipPermission, Where: fmt.Sprintf("/%d", 9-i)})
	}
	f.skips = append(f.skips, modules.Skip{Kind: modules.SkipNotFound, Where: "/misspelt"})
	p := query(find(f))
	p.Limits.Errors = 2
	_, r := ask(t, newEngine(t, f), p)
	s := r.Summary(0)
	if s.Outcome != answer.Partial || len(s.Skipped) != 2 || s.Skipped[0].Kind != modules.SkipNotFound {
		t.Fatalf("summary %+v", s)
	}
	if k := s.Skipped[1]; k.Count != 9 || len(k.First) != 2 || k.First[0].Where != "/1" || k.First[1].Where != "/2" {
		t.Errorf("permission: %+v", k)
	}
	f.skips = f.skips[9:]
	_, r = ask(t, newEngine(t, f), query(find(f)))
	if s := r.Summary(0); s.Outcome != answer.Complete || len(s.Skipped) != 1 {
		t.Errorf("what is not there makes an answer incomplete: %+v", s)
	}
}

func TestRowsAreReadOnce(t *testing.T) {
	f := newFake("a", "x").with(ints(2)...)
	r := start(t, newEngine(t, f), query(find(f)))
	if o := r.Summary(0).Outcome; o == answer.Complete {
		t.Error("complete before it began")
	}
	_, _ = read(r)
	if _, err := read(r); err == nil {
		t.Error("read twice")
	}
}
