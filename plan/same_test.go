package plan

import (
	"testing"

	"github.com/quaestor-engine/quaestor/value"
)

// Whether two expressions are the same hangs on what they say alone: not on
// whether they were prepared, nor on who made them.
func TestSame(t *testing.T) {
	name := func(shown string) Expr { return &Col{Index: 1, Name: shown} }
	like := func(pattern string) Expr { return &Match{Op: Like, X: name("name"), Patterns: []string{pattern}} }
	list := func(members ...string) Expr {
		var vs []value.Value
		for _, m := range members {
			vs = append(vs, value.NewText(m))
		}
		return &Const{Value: value.NewList(vs)}
	}
	lower, _ := FuncByName("lower")
	for _, c := range []struct {
		a, b Expr
		want bool
	}{
		{name("name"), name("f.name"), true},
		{NewCall(lower, name("name")), NewCall(lower, name("f.name")), true},
		{name("name"), &Col{Index: 2, Name: "name"}, false},
		{like("a%"), like("a%"), true},
		{like("a%"), like("b%"), false},
		{list("a", "b"), list("a", "c"), false},
		{list("a", "b"), list("a", "b"), true},
		{&Const{Value: value.NewInt(1)}, &Const{Value: value.NewFloat(1)}, false},
		{&Out{Index: 1, Name: "a"}, &Out{Index: 1, Name: "b"}, true},
		{&Out{Index: 1}, &Col{Index: 1}, false},
		{nil, nil, true},
		{nil, &Now{}, false},
	} {
		for range 2 { // as they are, and prepared
			if got := Same(c.a, c.b); got != c.want {
				t.Errorf("%s and %s: %v", Text(c.a), Text(c.b), got)
			}
			prep := &preparer{plan: &Plan{}, slots: []*Slot{{Columns: []string{"a", "b", "c"}}}, outs: 2}
			prep.expr(c.a)
			prep.expr(c.b)
			if prep.err != nil {
				t.Fatal(prep.err)
			}
		}
	}
}
