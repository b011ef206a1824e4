package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/engine"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// TestHostLogic asks combinations of three things: "yes" is there, "no" is
// not, and "dim" cannot be looked at.
func TestHostLogic(t *testing.T) {
	skip := []modules.Skip{{Kind: modules.SkipPermission, Where: "/"}}
	yes, no, dim := newFake("yes", "x").with([]any{1}, []any{2}), newFake("no", "x"), newFake("dim", "x")
	found := newFake("found", "x").with([]any{5}) // something, though not all of it could be seen
	dim.skips, found.skips = skip, skip
	mods := map[string]*fake{"yes": yes, "no": no, "dim": dim, "found": found}
	each := newEngine(t, yes, no, dim, found)
	shared := newEngine(t, sharer{yes}, sharer{no}, sharer{dim}, sharer{found})
	for _, c := range []struct {
		logic     string
		rows      string
		outcome   answer.Outcome
		undecided bool
	}{
		{"yes", "0:1 0:2", answer.Complete, false},
		{"no", "", answer.Complete, false},
		{"dim", "", answer.Partial, false},
		{"NOT yes", "", answer.Complete, false},
		{"NOT no", "-1:", answer.Complete, false},
		{"NOT dim", "", answer.Partial, true},
		{"NOT found", "", answer.Partial, false},
		{"yes AND yes", "0:1 0:2 1:1 1:2", answer.Complete, false},
		{"yes AND no", "", answer.Complete, false},
		{"no AND yes", "", answer.Complete, false},
		{"yes AND dim", "", answer.Partial, true},
		{"dim AND yes", "", answer.Partial, true},
		{"yes AND found", "0:1 0:2 1:5", answer.Partial, false},
		{"no AND dim", "", answer.Complete, false}, // decided before dim is looked at
		{"yes OR no", "0:1 0:2", answer.Complete, false},
		{"no OR yes", "1:1 1:2", answer.Complete, false},
		{"no OR no", "", answer.Complete, false},
		{"yes OR dim", "0:1 0:2", answer.Partial, false},
		{"no OR dim", "", answer.Partial, true},
		{"NOT no AND yes", "1:1 1:2", answer.Complete, false},
		{"yes AND NOT no", "0:1 0:2", answer.Complete, false},
		{"yes AND NOT yes", "", answer.Complete, false},
		{"yes AND NOT dim", "", answer.Partial, true},
		{"NOT no AND NOT no", "-1:", answer.Complete, false},
		{"NOT no OR yes", "1:1 1:2", answer.Complete, false},
		{"NOT no OR no", "-1:", answer.Complete, false},
		{"NOT dim OR NOT no", "-1:", answer.Partial, false},
		{"yes AND no OR yes", "2:1 2:2", answer.Complete, false},
		{"no OR yes AND yes", "1:1 1:2 2:1 2:2", answer.Complete, false},
		{"yes AND dim OR NOT yes", "", answer.Partial, true},
	} {
		t.Run(c.logic, func(t *testing.T) {
			p := query()
			var table plan.Table
			for word := range strings.FieldsSeq(c.logic) {
				switch word {
				case "AND":
				case "OR":
					table.Or = true
				case "NOT":
					table.Not = true
				default:
					next := find(mods[word])
					next.Or, next.Not = table.Or, table.Not
					p.Tables, table = append(p.Tables, next), plan.Table{}
				}
			}
			for name, e := range map[string]*engine.Engine{"each": each, "shared": shared} {
				rows, sum := byTable(t, e, p)
				if got := strings.Join(rows, " "); got != c.rows {
					t.Errorf("%s: rows %q, want %q", name, got, c.rows)
				}
				if sum.Outcome != c.outcome || strings.Contains(sum.Reason, "could not be decided") != c.undecided {
					t.Errorf("%s: %s: %s", name, sum.Outcome, sum.Reason)
				}
			}
		})
	}
}

func TestNotStopsAtTheFirst(t *testing.T) {
	a := newFake("a", "x").with(ints(4)...)
	a.endless = true
	tab := find(a)
	tab.Not, tab.Order = true, []plan.OrderKey{{Expr: col(0, 0)}}
	rows, r := ask(t, newEngine(t, a), query(tab))
	if o := r.Summary(0).Outcome; len(rows) != 0 || o != answer.Complete {
		t.Errorf("%d rows, %s", len(rows), o)
	}
}

func TestDecidedConjunctionStopsItsOtherScans(t *testing.T) {
	a := newFake("a", "x").with(ints(4)...)
	a.endless = true
	hit, other := find(a), find(a)
	hit.Not = true
	other.Slots[0].Filter = cmp(plan.Gt, col(0, 0), lit(1))
	rows, _ := ask(t, newEngine(t, sharer{a}), query(hit, other))
	same(t, rows)
}

func TestAGroupOfNoRowsIsNothingFound(t *testing.T) {
	none, some := newFake("none", "x"), newFake("some", "x").with(ints(2)...)
	e := newEngine(t, none, some)
	count := func(f *fake, not bool) *plan.Table {
		tab := find(f)
		tab.Not, tab.Group = not, &plan.Group{Aggs: []plan.Agg{{Func: plan.AggCount}}}
		tab.Outputs = returns(out(0))
		return tab
	}
	for _, c := range []struct {
		name string
		p    *plan.Plan
		want string
	}{
		{"alone it is an answer", query(count(none, false)), "0:0"},
		{"NOT none", query(count(none, true)), "-1:"},
		{"NOT some", query(count(some, true)), ""},
		{"some AND none", query(count(some, false), count(none, false)), ""},
		{"some AND some", query(count(some, false), count(some, false)), "0:2 1:2"},
	} {
		rows, _ := byTable(t, e, c.p)
		if got := strings.Join(rows, " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestHavingOverPartOfTheRows: fewer than three were seen, but not all could
// be looked at.
func TestHavingOverPartOfTheRows(t *testing.T) {
	some, yes := newFake("some", "x").with(ints(2)...), newFake("yes", "x").with(ints(1)...)
	some.skips = []modules.Skip{{Kind: modules.SkipIO, Where: "/"}}
	tab := find(some)
	tab.Group = &plan.Group{Aggs: []plan.Agg{{Func: plan.AggCount}}}
	tab.Having, tab.Outputs = cmp(plan.Lt, out(0), lit(3)), returns(out(0))
	rows, sum := byTable(t, newEngine(t, some, yes), query(find(yes), tab))
	if len(rows) != 0 || sum.Outcome != answer.Partial || !strings.Contains(sum.Reason, "could not be decided") {
		t.Errorf("%q, %s: %s", rows, sum.Outcome, sum.Reason)
	}
}

// Nothing matched, because the subquery could not see all of its rows.
func TestNothingFoundThroughASubqueryThatMissedSome(t *testing.T) {
	a, b := newFake("a", "x").with(ints(2)...), newFake("b", "x")
	b.skips = []modules.Skip{{Kind: modules.SkipPermission, Where: "/"}}
	tab := find(a)
	tab.Not, tab.Where = true, &plan.InSub{Xs: []plan.Expr{col(0, 0)}}
	p := query(tab)
	p.Subs = []*plan.Table{find(b)}
	rows, sum := byTable(t, newEngine(t, a, b), p)
	if len(rows) != 0 || !strings.Contains(sum.Reason, "could not be decided") {
		t.Errorf("%q: %s", rows, sum.Reason)
	}
}

// TestHostLogicIsKleenes: any combination, each module shared and not, gives
// the rows of the conjunctions that hold, and says so where none is known to.
func TestHostLogicIsKleenes(t *testing.T) {
	skip := []modules.Skip{{Kind: modules.SkipPermission, Where: "/"}}
	mods := []*fake{newFake("yes", "x").with([]any{1}), newFake("no", "x"), newFake("dim", "x"), newFake("found", "x").with([]any{5})}
	mods[2].skips, mods[3].skips = skip, skip
	truths := []value.Truth{value.True, value.False, value.Unknown, value.True}
	var all, shared []modules.Module
	for _, m := range mods {
		all, shared = append(all, m), append(shared, sharer{m})
	}
	cat, err := modules.NewCatalogue(all...)
	if err != nil {
		t.Fatal(err)
	}
	engines := []*engine.Engine{newEngine(t, all...), newEngine(t, shared...)}
	rapid.Check(t, func(rt *rapid.T) {
		query, whole, rows := "", value.False, []string{}
		conjunction, held, alone, hostAlone := value.True, []string{}, true, false
		closes := func() {
			if whole = whole.Or(conjunction); conjunction == value.True {
				rows, hostAlone = append(rows, held...), hostAlone || alone
			}
			conjunction, held, alone = value.True, nil, true
		}
		for i := range rapid.IntRange(2, 5).Draw(rt, "finds") {
			m, not := rapid.IntRange(0, 3).Draw(rt, "module"), rapid.Bool().Draw(rt, "not")
			or := i > 0 && rapid.Bool().Draw(rt, "or")
			if or {
				closes()
			}
			find, truth := "FIND ", truths[m]
			if not {
				find, truth = "FIND NOT ", truth.Not()
			} else {
				alone = false
				for _, r := range mods[m].rows {
					held = append(held, fmt.Sprintf("%d:%s", i, r[0].Literal()))
				}
			}
			query += map[bool]string{true: " OR ", false: " AND "}[or] + find + mods[m].schema.Name + " RETURN x"
			conjunction = conjunction.And(truth)
		}
		closes()
		if hostAlone && len(rows) == 0 {
			rows = []string{"-1:"}
		}
		slices.Sort(rows)
		p := compiled(t, cat, query[5:], false)
		for i, e := range engines {
			got, sum := byTable(t, e, p)
			undecided := strings.Contains(sum.Reason, "could not be decided")
			if !slices.Equal(got, rows) || undecided != (whole == value.Unknown) || undecided && sum.Outcome != answer.Partial {
				rt.Fatalf("%s\nengine %d: %q, %s: %s\nwant %q, %s", query, i, got, sum.Outcome, sum.Reason, rows, whole)
			}
		}
	})
}
