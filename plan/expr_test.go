package plan

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/value"
)

// fixed is an Env of one row.
type fixed struct {
	columns []value.Value
	missing bool
}

func (f fixed) Column(_, i int) (value.Value, error) { return f.columns[i], nil }
func (f fixed) Ask(_, q int) (value.Value, error)    { return f.columns[q], nil }
func (f fixed) Missing(int) (value.Truth, error)     { return value.TruthOf(f.missing, true), nil }
func (f fixed) Given() Given                         { return Given{Out: f.columns, Now: time.Unix(1000, 0).UTC()} }
func (f fixed) InSub(_ int, tuple []value.Value) (value.Truth, error) {
	eq, ok := value.Equal(tuple[0], f.columns[0])
	return value.TruthOf(eq, ok), nil
}

func boolean(t value.Truth) Expr { return &Const{Value: t.Value()} }

// Kleene's tables: unknown is what is neither.
func TestLogic(t *testing.T) {
	truths := []value.Truth{value.False, value.Unknown, value.True}
	for _, a := range truths {
		for _, b := range truths {
			and, _ := (&And{Xs: []Expr{boolean(a), boolean(b)}}).Eval(nil)
			or, _ := (&Or{Xs: []Expr{boolean(a), boolean(b)}}).Eval(nil)
			if got := value.FromValue(and); got != a.And(b) {
				t.Errorf("%s AND %s is %s", a, b, got)
			}
			if got := value.FromValue(or); got != a.Or(b) {
				t.Errorf("%s OR %s is %s", a, b, got)
			}
		}
		not, _ := (&Not{X: boolean(a)}).Eval(nil)
		if got := value.FromValue(not); got != a.Not() {
			t.Errorf("NOT %s is %s", a, got)
		}
	}
}

func TestNullMakesUnknown(t *testing.T) {
	null, one := &Const{}, &Const{Value: value.NewInt(1)}
	set := &Set{Width: 1, Values: []value.Value{value.NewInt(1)}}
	if err := set.prepare(); err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]Expr{
		"=":         &Cmp{Op: Eq, X: null, Y: one},
		"!=":        &Cmp{Op: Ne, X: one, Y: null},
		"<":         &Cmp{Op: Lt, X: null, Y: null},
		"BETWEEN":   &Between{X: null, Low: one, High: one},
		"IN":        &InSet{Xs: []Expr{null}, set: set},
		"IN (FIND)": &InSub{Xs: []Expr{null}},
		"LIKE":      &Match{Op: Like, X: null},
		"+":         NewCall(mustFunc(t, "+"), null, one),
		"MISSING":   &IsMissing{Key: null},
	} {
		v, err := e.Eval(fixed{columns: []value.Value{value.NewInt(1)}})
		if err != nil || !v.IsNull() {
			t.Errorf("%s over null is %v, %v", name, v, err)
		}
	}
	v, _ := (&IsNull{X: null}).Eval(nil)
	if !v.Bool() {
		t.Error("null IS NULL is not true")
	}
	// A bound that is not known leaves what the other one decides.
	v, _ = (&Between{X: one, Low: &Const{Value: value.NewInt(2)}, High: null}).Eval(nil)
	if v.IsNull() || v.Bool() {
		t.Errorf("1 BETWEEN 2 AND null is %v, not false", v)
	}
}

func mustFunc(t *testing.T, name string) *Func {
	t.Helper()
	f, ok := FuncByName(name)
	if !ok {
		t.Fatalf("no function %q", name)
	}
	return f
}

// Arithmetic is exact or null: it agrees with numbers of any length wherever
// these fit 64 bits.
func TestArithmeticIsExact(t *testing.T) {
	ops := map[string]func(z, x, y *big.Int) *big.Int{
		"+": (*big.Int).Add, "-": (*big.Int).Sub, "*": (*big.Int).Mul, "/": (*big.Int).Quo, "%": (*big.Int).Rem,
	}
	rapid.Check(t, func(t *rapid.T) {
		op := rapid.SampledFrom([]string{"+", "-", "*", "/", "%"}).Draw(t, "op")
		x, y := rapid.Int64().Draw(t, "x"), rapid.Int64().Draw(t, "y")
		f, _ := FuncByName(op)
		got := f.Eval([]value.Value{value.NewInt(x), value.NewInt(y)})
		if (op == "/" || op == "%") && y == 0 {
			if !got.IsNull() {
				t.Fatalf("%d %s 0 = %v", x, op, got)
			}
			return
		}
		want := ops[op](new(big.Int), big.NewInt(x), big.NewInt(y))
		switch {
		case !want.IsInt64() && !got.IsNull():
			t.Fatalf("%d %s %d = %v, and overflows", x, op, y, got)
		case want.IsInt64() && (got.IsNull() || got.Int() != want.Int64()):
			// The least number by -1 has a remainder of 0 that the
			// processor will not compute.
			if !(op == "%" && y == -1) {
				t.Fatalf("%d %s %d = %v, not %s", x, op, y, got, want)
			}
		}
	})
}

func TestArithmeticOfOtherTypes(t *testing.T) {
	at := value.NewTime(time.Unix(500, 0).UTC())
	hour := value.NewDuration(time.Hour)
	for _, c := range []struct {
		op   string
		x, y value.Value
		want string
	}{
		{"+", at, hour, "1970-01-01T01:08:20Z"},
		{"+", hour, at, "1970-01-01T01:08:20Z"},
		{"-", at, hour, "1969-12-31T23:08:20Z"},
		{"-", at, at, "0s"},
		{"*", hour, value.NewInt(3), "3h"},
		{"/", hour, value.NewInt(2), "30m"},
		{"/", hour, value.NewDuration(time.Minute), "60.0"},
		{"*", value.NewSize(1 << 20), value.NewInt(2), "2MiB"},
		{"/", value.NewSize(10), value.NewSize(4), "2.5"},
		{"+", value.NewInt(1), value.NewFloat(.5), "1.5"},
		{"/", value.NewFloat(1), value.NewFloat(0), ""},
		{"+", value.NewText("a"), value.NewText("b"), "ab"},
	} {
		f := mustFunc(t, c.op)
		got := f.Eval([]value.Value{c.x, c.y})
		if got.String() != c.want && got.String()+".0" != c.want {
			t.Errorf("%v %s %v = %q, not %q", c.x, c.op, c.y, got, c.want)
		}
		if typ, err := f.Type([]value.Type{c.x.Type(), c.y.Type()}); err != nil || !got.IsNull() && typ != got.Type() {
			t.Errorf("%v %s %v is checked as %v (%v) and is %v", c.x, c.op, c.y, typ, err, got.Type())
		}
	}
	for _, c := range [][2]value.Type{{value.Time, value.Time}, {value.Text, value.Int}, {value.Size, value.Duration}, {value.Bool, value.Bool}} {
		if typ, err := mustFunc(t, "+").Type(c[:]); err == nil {
			t.Errorf("%s + %s is taken for %s", c[0], c[1], typ)
		}
	}
}

func TestMatchAgreesWithStrings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[abAB.]{0,6}`).Draw(t, "text")
		part := rapid.StringMatching(`[abAB.]{0,3}`).Draw(t, "part")
		fold := rapid.Bool().Draw(t, "fold")
		x, y := text, part
		if fold {
			x, y = strings.ToLower(x), strings.ToLower(y)
		}
		for op, want := range map[MatchOp]bool{
			TextContains: strings.Contains(x, y), StartsWith: strings.HasPrefix(x, y), EndsWith: strings.HasSuffix(x, y),
			Like: x == y, Glob: x == y,
		} {
			if op == Glob && part == "" {
				continue // no pattern
			}
			test, err := CompileMatch(op, part, fold)
			if err != nil {
				t.Fatal(err)
			}
			if test(text) != want {
				t.Fatalf("%q %s %q (fold %v) is %v", text, op, part, fold, !want)
			}
			if op > EndsWith {
				continue
			}
			m := Match{Op: op, X: &Const{Value: value.NewText(text)}, Dynamic: &Const{Value: value.NewText(part)}, Fold: fold}
			if v, err := m.Eval(nil); err != nil || v.Bool() != want {
				t.Fatalf("%q %s a pattern that is computed: %v, %v", text, op, v, err)
			}
		}
	})
}

// A set finds what Equal would, for one value and for several.
func TestSetAgreesWithEqual(t *testing.T) {
	draw := rapid.Custom(func(t *rapid.T) value.Value {
		switch rapid.IntRange(0, 3).Draw(t, "type") {
		case 0:
			return value.NewInt(rapid.Int64Range(0, 5).Draw(t, "int"))
		case 1:
			return value.NewSize(rapid.Int64Range(0, 5).Draw(t, "size"))
		case 2:
			return value.NewFloat(float64(rapid.Int64Range(0, 5).Draw(t, "float")))
		}
		return value.NewText(rapid.StringMatching(`[ab]{0,2}`).Draw(t, "text"))
	})
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.IntRange(1, 3).Draw(t, "width")
		s := &Set{Width: width, Values: rapid.SliceOfN(draw, 2*width, 2*width).Draw(t, "values")}
		if err := s.prepare(); err != nil {
			t.Fatal(err)
		}
		tuple := rapid.SliceOfN(draw, width, width).Draw(t, "tuple")
		want := false
		for i := 0; i < len(s.Values); i += width {
			all := true
			for k, v := range tuple {
				eq, ok := value.Equal(v, s.Values[i+k])
				all = all && eq && ok
			}
			want = want || all
		}
		var xs []Expr
		for _, v := range tuple {
			xs = append(xs, &Const{Value: v})
		}
		got, err := (&InSet{Xs: xs, set: s}).Eval(nil)
		if err != nil || got.Bool() != want {
			t.Fatalf("%v IN %v: %v, %v", tuple, s.Values, got, err)
		}
	})
}

// Functions never panic, whatever they are given, and give the type that was
// checked or null.
func TestFuncsKeepTheirTypes(t *testing.T) {
	values := []value.Value{
		{}, value.NewText(""), value.NewText("añ\xff:b/c.d"), value.NewInt(-1), value.NewInt(1 << 62), value.NewFloat(1.5),
		value.NewBool(true), value.NewSize(5), value.NewDuration(-time.Second), value.NewTime(time.Unix(1e9, 5).UTC()),
		value.NewBytes([]byte{0, 255}), value.NewList([]value.Value{value.NewText("a"), {}}), value.NewMode(0o100644),
	}
	for i := range funcs {
		f := &funcs[i]
		most := f.Max
		if most < 0 {
			most = 3
		}
		rapid.Check(t, func(t *rapid.T) {
			args := rapid.SliceOfN(rapid.SampledFrom(values), f.Min, most).Draw(t, "args")
			types := make([]value.Type, len(args))
			null := false
			for k, a := range args {
				types[k] = a.Type()
				null = null || a.IsNull()
			}
			typ, err := f.Type(types)
			if err != nil || null && !f.Nulls {
				return
			}
			if v := f.Eval(args); !v.IsNull() && v.Type() != typ && typ != value.Null {
				t.Fatalf("%s%v is %v of type %s, checked as %s", f.Name, args, v, v.Type(), typ)
			}
		})
	}
}
