package plan

import (
	"fmt"
	"math"
	"math/bits"
	"time"

	"github.com/quaestor-engine/quaestor/value"
)

// arithType gives the type of x op y. Times and durations make sense together
// in a few ways only, and so do sizes; everything else is numbers.
func arithType(op string) func([]value.Type) (value.Type, error) {
	return func(a []value.Type) (value.Type, error) {
		x, y := a[0], a[1]
		if x == value.Null || y == value.Null {
			return value.Null, nil
		}
		if t, ok := arithRules[arithRule{op, x, y}]; ok {
			return t, nil
		}
		if number(x) && number(y) {
			return numberType(x, y), nil
		}
		return value.Null, fmt.Errorf("cannot compute %s %s %s", x, op, y)
	}
}

type arithRule struct {
	op   string
	x, y value.Type
}

var arithRules = map[arithRule]value.Type{
	{"+", value.Time, value.Duration}:     value.Time,
	{"+", value.Duration, value.Time}:     value.Time,
	{"-", value.Time, value.Duration}:     value.Time,
	{"-", value.Time, value.Time}:         value.Duration,
	{"+", value.Duration, value.Duration}: value.Duration,
	{"-", value.Duration, value.Duration}: value.Duration,
	{"*", value.Duration, value.Int}:      value.Duration,
	{"*", value.Int, value.Duration}:      value.Duration,
	{"/", value.Duration, value.Int}:      value.Duration,
	{"/", value.Duration, value.Duration}: value.Float,
	{"/", value.Size, value.Size}:         value.Float,
	{"+", value.Text, value.Text}:         value.Text,
}

func number(t value.Type) bool {
	return t == value.Int || t == value.Float || t == value.Size
}

func numberType(x, y value.Type) value.Type {
	switch {
	case x == value.Float || y == value.Float:
		return value.Float
	case x == value.Size || y == value.Size:
		return value.Size
	}
	return value.Int
}

// arith computes x op y. What overflows or divides by zero is null.
func arith(op string) func([]value.Value) value.Value {
	return func(a []value.Value) value.Value {
		x, y := a[0], a[1]
		switch {
		case x.Type() == value.Text:
			return concat(a)
		case x.Type() == value.Time || y.Type() == value.Time:
			return timeArith(op, x, y)
		case x.Type() == value.Float || y.Type() == value.Float,
			op == "/" && x.Type() == y.Type() && x.Type() != value.Int:
			return floatArith(op, asFloat(x), asFloat(y))
		}
		n, ok := intArith(op, asInt(x), asInt(y))
		if !ok {
			return value.Value{}
		}
		switch {
		case x.Type() == value.Duration || y.Type() == value.Duration:
			return value.NewDuration(time.Duration(n))
		case numberType(x.Type(), y.Type()) == value.Size:
			return value.NewSize(n)
		}
		return value.NewInt(n)
	}
}

func timeArith(op string, x, y value.Value) value.Value {
	switch {
	case op == "-" && y.Type() == value.Time:
		return value.NewDuration(x.Time().Sub(y.Time()))
	case op == "-":
		return value.NewTime(x.Time().Add(-y.Duration()))
	case x.Type() == value.Time:
		return value.NewTime(x.Time().Add(y.Duration()))
	}
	return value.NewTime(y.Time().Add(x.Duration()))
}

func asInt(v value.Value) int64 {
	if v.Type() == value.Duration {
		return int64(v.Duration())
	}
	return v.Int()
}

func asFloat(v value.Value) float64 {
	if v.Type() == value.Float {
		return v.Float()
	}
	return float64(asInt(v))
}

func floatArith(op string, x, y float64) value.Value {
	var f float64
	switch op {
	case "+":
		f = x + y
	case "-":
		f = x - y
	case "*":
		f = x * y
	case "/":
		f = x / y
	case "%":
		f = math.Mod(x, y)
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return value.Value{}
	}
	return value.NewFloat(f)
}

func intArith(op string, x, y int64) (n int64, ok bool) {
	switch op {
	case "+":
		n = x + y
		return n, (n > x) == (y > 0)
	case "-":
		n = x - y
		return n, (n < x) == (y > 0)
	case "*":
		return mulInt(x, y)
	}
	if y == 0 || x == math.MinInt64 && y == -1 {
		return 0, false
	}
	if op == "/" {
		return x / y, true
	}
	return x % y, true
}

func mulInt(x, y int64) (int64, bool) {
	hi, lo := bits.Mul64(abs(x), abs(y))
	most := uint64(math.MaxInt64)
	if (x < 0) != (y < 0) {
		most++ // there is one more below zero
	}
	if hi != 0 || lo > most {
		return 0, false
	}
	return x * y, true
}

func abs(x int64) uint64 {
	if x < 0 {
		return -uint64(x)
	}
	return uint64(x)
}

func negType(a []value.Type) (value.Type, error) {
	return oneOf(a[0], a[0], value.Int, value.Float, value.Size, value.Duration)
}

// negate has no value of the one number that has no opposite.
func negate(a []value.Value) value.Value {
	v := a[0]
	switch {
	case v.Type() == value.Float:
		return value.NewFloat(-v.Float())
	case asInt(v) == math.MinInt64:
		return value.Value{}
	case v.Type() == value.Duration:
		return value.NewDuration(-v.Duration())
	case v.Type() == value.Size:
		return value.NewSize(-v.Int())
	}
	return value.NewInt(-v.Int())
}

// absolute has no value of the one number that has no opposite.
func absolute(a []value.Value) value.Value {
	v := a[0]
	switch {
	case v.Type() == value.Float:
		return value.NewFloat(math.Abs(v.Float()))
	case v.Type() == value.Duration && v.Duration() == math.MinInt64, v.Type() != value.Duration && v.Int() == math.MinInt64:
		return value.Value{}
	case v.Type() == value.Duration && v.Duration() < 0, v.Type() != value.Duration && v.Int() < 0:
		return negate(a)
	}
	return v
}

func bitAnd(a []value.Value) value.Value { return value.NewInt(a[0].Int() & a[1].Int()) }

func bitOr(a []value.Value) value.Value { return value.NewInt(a[0].Int() | a[1].Int()) }
