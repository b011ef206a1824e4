package plan

import (
	"cmp"
	"time"

	"github.com/quaestor-engine/quaestor/value"
)

// An Expr is an expression over the rows of a table's slots. The set of
// expressions is closed, and so is what they can do: they look at what Env
// gives them and at nothing else.
//
// Truth is three-valued: a comparison with null is null, AND, OR and NOT
// follow Kleene's logic, and only what is true is kept.
type Expr interface {
	// Eval computes the value. An error ends the scan: it comes from Env.
	Eval(env Env) (value.Value, error)
	// children visits the direct parts.
	children(visit func(Expr))
}

// An Env is what an expression may look at.
type Env interface {
	// Column gives column i of a slot, as numbered by Slot.Columns.
	Column(slot, i int) (value.Value, error)
	// Ask puts question q of a slot to its row.
	Ask(slot, q int) (value.Value, error)
	// Missing says whether the link of a slot led nowhere; it is unknown
	// where what the link names could not be looked at.
	Missing(slot int) (value.Truth, error)
	// InSub looks a tuple up among the rows of a subquery.
	InSub(sub int, tuple []value.Value) (value.Truth, error)
	// Given is what is known without looking.
	Given() Given
}

// Given is what an expression has without asking a row.
type Given struct {
	// Out are the columns of a row that was grouped, the line under test, or
	// the facts of the host.
	Out []value.Value
	// Now is the time at which the plan runs.
	Now time.Time
}

// The expressions.
type (
	// Const is a value.
	Const struct{ Value value.Value }
	// Col is a column of a slot.
	Col struct {
		Slot, Index int
		Name        string // as EXPLAIN shows it
	}
	// Out is a column of a group, a line under test (0), or a fact.
	Out struct {
		Index int
		Name  string
	}
	// Now is the time at which the plan runs.
	Now struct{}
	// Ask is the answer to a question about a slot's content.
	Ask struct {
		Slot, Question int
		Name           string
	}
	// Not, And and Or are Kleene's.
	Not struct{ X Expr }
	And struct{ Xs []Expr }
	Or  struct{ Xs []Expr }
	// Cmp compares two values.
	Cmp struct {
		Op   CmpOp
		X, Y Expr
		Fold bool
	}
	// Between is Low <= X AND X <= High.
	Between struct{ X, Low, High Expr }
	// InSet looks a tuple up in a set of the plan.
	InSet struct {
		Xs   []Expr
		Set  int
		Name string
		set  *Set
	}
	// InSub looks X up among the rows of a subquery.
	InSub struct {
		Xs  []Expr
		Sub int
	}
	// Match is a text predicate. The patterns are constants, any of which
	// will do, or Dynamic gives the one pattern of Contains, StartsWith,
	// EndsWith and Glob.
	Match struct {
		Op       MatchOp
		X        Expr
		Patterns []string
		Dynamic  Expr
		Fold     bool
		Name     string // of a list, as EXPLAIN shows it
		tests    []func(string) bool
	}
	// IsNull says whether X is null; it is never null itself.
	IsNull struct{ X Expr }
	// IsMissing says whether a link led nowhere: its key is there and what
	// it names is not. It is null where there is no key, and where what it
	// names could not be looked at.
	IsMissing struct {
		Key  Expr
		Slot int
		Name string
	}
	// Call is a function of the table in funcs.go, operators included.
	Call struct {
		Func string
		Args []Expr
		fn   *Func
	}
)

// CmpOp is a comparison.
type CmpOp uint8

// The comparisons.
const (
	Eq CmpOp = iota + 1
	Ne
	Lt
	Le
	Gt
	Ge
)

// String gives the operator as the language writes it.
func (o CmpOp) String() string { return [...]string{"?", "=", "!=", "<", "<=", ">", ">="}[min(o, Ge)] }

// NewCall makes a call of a function from the table.
func NewCall(f *Func, args ...Expr) *Call { return &Call{Func: f.Name, Args: args, fn: f} }

func (e *Const) Eval(Env) (value.Value, error)   { return e.Value, nil }
func (e *Col) Eval(env Env) (value.Value, error) { return env.Column(e.Slot, e.Index) }
func (e *Out) Eval(env Env) (value.Value, error) { return env.Given().Out[e.Index], nil }
func (e *Now) Eval(env Env) (value.Value, error) { return value.NewTime(env.Given().Now), nil }
func (e *Ask) Eval(env Env) (value.Value, error) { return env.Ask(e.Slot, e.Question) }

func (e *Not) Eval(env Env) (value.Value, error) { return asValue(e.truth(env)) }
func (e *And) Eval(env Env) (value.Value, error) { return asValue(e.truth(env)) }
func (e *Or) Eval(env Env) (value.Value, error)  { return asValue(e.truth(env)) }
func (e *Cmp) Eval(env Env) (value.Value, error) { return asValue(e.truth(env)) }

func asValue(t value.Truth, err error) (value.Value, error) { return t.Value(), err }

// Holds decides a condition: it is Eval without a value in between, for the
// conditions that every row is asked.
func Holds(e Expr, env Env) (value.Truth, error) {
	switch e := e.(type) {
	case *Cmp:
		return e.truth(env)
	case *And:
		return e.truth(env)
	case *Or:
		return e.truth(env)
	case *Not:
		return e.truth(env)
	}
	v, err := e.Eval(env)
	return value.FromValue(v), err
}

func (e *Not) truth(env Env) (value.Truth, error) {
	t, err := Holds(e.X, env)
	return t.Not(), err
}

func (e *And) truth(env Env) (value.Truth, error) {
	all := value.True
	for _, x := range e.Xs {
		t, err := Holds(x, env)
		if err != nil {
			return value.Unknown, err
		}
		if t == value.False {
			return value.False, nil
		}
		all = all.And(t)
	}
	return all, nil
}

func (e *Or) truth(env Env) (value.Truth, error) {
	some := value.False
	for _, x := range e.Xs {
		t, err := Holds(x, env)
		if err != nil {
			return value.Unknown, err
		}
		if t == value.True {
			return value.True, nil
		}
		some = some.Or(t)
	}
	return some, nil
}

func (e *Cmp) truth(env Env) (value.Truth, error) {
	var x, y value.Value
	var err error
	// A column on the left and a constant on the right is the usual form, and
	// is spared the calls.
	if c, ok := e.X.(*Col); ok {
		x, err = env.Column(c.Slot, c.Index)
	} else {
		x, err = e.X.Eval(env)
	}
	if err != nil || x.IsNull() {
		return value.Unknown, err
	}
	if k, ok := e.Y.(*Const); ok {
		y = k.Value
	} else if y, err = e.Y.Eval(env); err != nil {
		return value.Unknown, err
	}
	if y.IsNull() {
		return value.Unknown, nil
	}
	return compare(e.Op, x, y, e.Fold), nil
}

// compare decides a comparison of two values that are not null. The types
// that most rows are asked about first come first.
func compare(op CmpOp, x, y value.Value, fold bool) value.Truth {
	switch typ := x.Type(); {
	case typ != y.Type() || fold:
	case typ == value.Text && op <= Ne:
		return value.TruthOf((x.RawText() == y.RawText()) == (op == Eq), true)
	case typ == value.Size || typ == value.Int || typ == value.Bool:
		return ordered(op, cmp.Compare(x.Int(), y.Int()))
	}
	if op == Eq || op == Ne {
		eq, ok := value.Equal(x, y)
		if fold && x.Type() == value.Text && y.Type() == value.Text {
			eq, ok = value.FoldEqual(x.Text(), y.Text()), true
		}
		if !ok {
			return value.Unknown
		}
		return value.TruthOf(eq == (op == Eq), true)
	}
	c, ok := value.Compare(x, y)
	if !ok {
		return value.Unknown
	}
	return ordered(op, c)
}

// ordered decides a comparison from the order of its sides.
func ordered(op CmpOp, c int) value.Truth {
	holds := false
	switch op {
	case Eq:
		holds = c == 0
	case Ne:
		holds = c != 0
	case Lt:
		holds = c < 0
	case Le:
		holds = c <= 0
	case Gt:
		holds = c > 0
	case Ge:
		holds = c >= 0
	}
	return value.TruthOf(holds, true)
}

func (e *Between) Eval(env Env) (value.Value, error) {
	x, err := e.X.Eval(env)
	if err != nil || x.IsNull() {
		return value.Value{}, err
	}
	lo, err := e.Low.Eval(env)
	if err != nil {
		return value.Value{}, err
	}
	hi, err := e.High.Eval(env)
	return known(Ge, x, lo, false).And(known(Le, x, hi, false)).Value(), err
}

// known is compare for values that may be null.
func known(op CmpOp, x, y value.Value, fold bool) value.Truth {
	if x.IsNull() || y.IsNull() {
		return value.Unknown
	}
	return compare(op, x, y, fold)
}

func (e *InSet) Eval(env Env) (value.Value, error) {
	var buf [96]byte
	var few [4]value.Value
	key, tuple, plain := buf[:0], few[:0], !e.set.loose
	for _, x := range e.Xs {
		v, err := x.Eval(env)
		if err != nil {
			return value.Value{}, err
		}
		plain = plain && !v.IsNull()
		tuple = append(tuple, v)
		key = e.set.appendKey(key, v)
	}
	if !plain {
		return e.set.among(tuple).Value(), nil
	}
	_, found := e.set.index[string(key)]
	return value.NewBool(found), nil
}

func (e *InSub) Eval(env Env) (value.Value, error) {
	tuple, null, err := evalTuple(env, e.Xs)
	if err != nil || null {
		return value.Value{}, err
	}
	t, err := env.InSub(e.Sub, tuple)
	return t.Value(), err
}

// evalTuple computes the values of xs; null tells that one of them is null.
func evalTuple(env Env, xs []Expr) (tuple []value.Value, null bool, err error) {
	var one [1]value.Value
	tuple = one[:0]
	for _, x := range xs {
		v, err := x.Eval(env)
		if err != nil || v.IsNull() {
			return nil, true, err
		}
		tuple = append(tuple, v)
	}
	return tuple, false, nil
}

func (e *IsNull) Eval(env Env) (value.Value, error) {
	v, err := e.X.Eval(env)
	return value.NewBool(v.IsNull()), err
}

func (e *IsMissing) Eval(env Env) (value.Value, error) {
	key, err := e.Key.Eval(env)
	if err != nil || key.IsNull() {
		return value.Value{}, err
	}
	missing, err := env.Missing(e.Slot)
	return missing.Value(), err
}

func (e *Call) Eval(env Env) (value.Value, error) {
	var few [4]value.Value
	args := few[:0]
	for _, a := range e.Args {
		v, err := a.Eval(env)
		if err != nil {
			return value.Value{}, err
		}
		if v.IsNull() && !e.fn.Nulls {
			return value.Value{}, nil
		}
		args = append(args, v)
	}
	return e.fn.Eval(args), nil
}

func (e *Const) children(func(Expr))         {}
func (e *Col) children(func(Expr))           {}
func (e *Out) children(func(Expr))           {}
func (e *Now) children(func(Expr))           {}
func (e *Ask) children(func(Expr))           {}
func (e *Not) children(visit func(Expr))     { visit(e.X) }
func (e *And) children(visit func(Expr))     { each(e.Xs, visit) }
func (e *Or) children(visit func(Expr))      { each(e.Xs, visit) }
func (e *Cmp) children(visit func(Expr))     { visit(e.X); visit(e.Y) }
func (e *Between) children(visit func(Expr)) { visit(e.X); visit(e.Low); visit(e.High) }
func (e *InSet) children(visit func(Expr))   { each(e.Xs, visit) }
func (e *InSub) children(visit func(Expr))   { each(e.Xs, visit) }
func (e *Match) children(visit func(Expr)) {
	visit(e.X)
	if e.Dynamic != nil {
		visit(e.Dynamic)
	}
}
func (e *IsNull) children(visit func(Expr))    { visit(e.X) }
func (e *IsMissing) children(visit func(Expr)) { visit(e.Key) }
func (e *Call) children(visit func(Expr))      { each(e.Args, visit) }

func each(xs []Expr, visit func(Expr)) {
	for _, x := range xs {
		visit(x)
	}
}

// Walk visits e and everything below it, parents first; nil is nothing.
func Walk(e Expr, visit func(Expr)) {
	if e == nil {
		return
	}
	visit(e)
	e.children(func(x Expr) { Walk(x, visit) })
}
