package yara

import (
	"math"
	"strings"
)

// expr is a part of a condition that is ready to be asked.
type expr interface{ eval(r *run) Value }

// truth says what a value is worth as a condition.
func truth(v Value) bool {
	switch v.kind {
	case String:
		return v.text != ""
	case Float:
		return v.Float() != 0
	}
	return v.num != 0
}

type literalExpr struct{ val Value }

func (e *literalExpr) eval(*run) Value { return e.val }

type notExpr struct{ x expr }

func (e *notExpr) eval(r *run) Value {
	v := e.x.eval(r)
	if !v.IsDefined() {
		return v
	}
	return Boolean(!truth(v))
}

type definedExpr struct{ x expr }

func (e *definedExpr) eval(r *run) Value { return Boolean(e.x.eval(r).IsDefined()) }

// andExpr holds where all do; what is undefined does not.
type andExpr struct{ all []expr }

func (e *andExpr) eval(r *run) Value {
	for _, x := range e.all {
		if !truth(x.eval(r)) {
			return Boolean(false)
		}
	}
	return Boolean(true)
}

// orExpr holds where any does; what is undefined does not.
type orExpr struct{ any []expr }

func (e *orExpr) eval(r *run) Value {
	for _, x := range e.any {
		if truth(x.eval(r)) {
			return Boolean(true)
		}
	}
	return Boolean(false)
}

type negateExpr struct{ x expr }

func (e *negateExpr) eval(r *run) Value {
	switch v := e.x.eval(r); v.kind {
	case Int:
		return Integer(-v.Int())
	case Float:
		return Number(-v.Float())
	default:
		return Value{}
	}
}

type flipExpr struct{ x expr }

func (e *flipExpr) eval(r *run) Value {
	if v := e.x.eval(r); v.kind == Int {
		return Integer(^v.Int())
	}
	return Value{}
}

// intExpr is an operation on integers.
type intExpr struct {
	op   string
	x, y expr
}

func (e *intExpr) eval(r *run) Value {
	a, b := e.x.eval(r), e.y.eval(r)
	if a.kind != Int || b.kind != Int {
		return Value{}
	}
	return intOp(e.op, a.Int(), b.Int())
}

func intOp(op string, x, y int64) Value {
	switch op {
	case "+":
		return Integer(x + y)
	case "-":
		return Integer(x - y)
	case "*":
		return Integer(x * y)
	case `\`, "%":
		if y == 0 || x == math.MinInt64 && y == -1 {
			return Value{}
		}
		if op == "%" {
			return Integer(x % y)
		}
		return Integer(x / y)
	case "&":
		return Integer(x & y)
	case "|":
		return Integer(x | y)
	case "^":
		return Integer(x ^ y)
	}
	switch {
	case y < 0:
		return Value{}
	case y >= 64:
		return Integer(0)
	case op == "<<":
		return Integer(int64(uint64(x) << y))
	default:
		return Integer(x >> y)
	}
}

// floatExpr is an operation on numbers of which one at least is a float.
type floatExpr struct {
	op   string
	x, y expr
}

func (e *floatExpr) eval(r *run) Value {
	a, b := e.x.eval(r), e.y.eval(r)
	if !a.IsDefined() || !b.IsDefined() {
		return Value{}
	}
	x, y := a.Float(), b.Float()
	switch e.op {
	case "+":
		return Number(x + y)
	case "-":
		return Number(x - y)
	case "*":
		return Number(x * y)
	default:
		return Number(x / y)
	}
}

// compareExpr compares two numbers or two texts.
type compareExpr struct {
	op   string
	x, y expr
}

func (e *compareExpr) eval(r *run) Value {
	a, b := e.x.eval(r), e.y.eval(r)
	if !a.IsDefined() || !b.IsDefined() {
		return Value{}
	}
	var c int
	switch {
	case a.kind == String:
		c = strings.Compare(a.text, b.text)
	case a.kind == Float || b.kind == Float:
		return compareFloats(e.op, a.Float(), b.Float())
	default:
		x, y := a.Int(), b.Int()
		if c = 1; x < y {
			c = -1
		} else if x == y {
			c = 0
		}
	}
	return Boolean(ordered(e.op, c))
}

func ordered(op string, c int) bool {
	switch op {
	case "==":
		return c == 0
	case "!=":
		return c != 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}

func compareFloats(op string, x, y float64) Value {
	switch op {
	case "==":
		return Boolean(x == y)
	case "!=":
		return Boolean(x != y)
	case "<":
		return Boolean(x < y)
	case "<=":
		return Boolean(x <= y)
	case ">":
		return Boolean(x > y)
	}
	return Boolean(x >= y)
}

// textExpr asks one text of another.
type textExpr struct {
	op   string
	x, y expr
}

func (e *textExpr) eval(r *run) Value {
	a, b := e.x.eval(r), e.y.eval(r)
	if a.kind != String || b.kind != String {
		return Value{}
	}
	r.spend(int64(len(a.text)+len(b.text)) / 8)
	x, y, op := a.text, b.text, e.op
	if op[0] == 'i' {
		x, y, op = lowerASCII(x), lowerASCII(y), op[1:]
	}
	switch op {
	case "contains":
		return Boolean(strings.Contains(x, y))
	case "startswith":
		return Boolean(strings.HasPrefix(x, y))
	case "endswith":
		return Boolean(strings.HasSuffix(x, y))
	default:
		return Boolean(x == y)
	}
}

// lowerASCII writes ASCII letters small and leaves every other byte.
func lowerASCII(s string) string {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			b := []byte(s)
			for i, c := range b {
				if c >= 'A' && c <= 'Z' {
					b[i] = c | 0x20
				}
			}
			return string(b)
		}
	}
	return s
}

// matchExpr asks an expression of a text.
type matchExpr struct {
	x  expr
	re Value
}

func (e *matchExpr) eval(r *run) Value {
	v := e.x.eval(r)
	if v.kind != String {
		return Value{}
	}
	r.spend(int64(len(v.text)))
	return Boolean(e.re.Matches(v.text))
}

type sizeExpr struct{}

func (sizeExpr) eval(r *run) Value {
	if r.data.process {
		return Value{}
	}
	if r.data.size < 0 {
		return r.fail("the size of the content is not known")
	}
	return Integer(r.data.size)
}

type entryExpr struct{}

func (entryExpr) eval(r *run) Value {
	off, ok, err := entryPoint(&r.data)
	if err != nil {
		return r.fail(err.Error())
	}
	if !ok {
		return Value{}
	}
	return Integer(off)
}

// reader is one of int8 to uint32be.
type reader struct {
	bytes  int
	signed bool
	big    bool
}

// readers are the functions that read an integer at an offset.
var readers = map[string]reader{
	"int8": {1, true, false}, "int16": {2, true, false}, "int32": {4, true, false},
	"uint8": {1, false, false}, "uint16": {2, false, false}, "uint32": {4, false, false},
	"int8be": {1, true, true}, "int16be": {2, true, true}, "int32be": {4, true, true},
	"uint8be": {1, false, true}, "uint16be": {2, false, true}, "uint32be": {4, false, true},
}

type readExpr struct {
	reader
	at expr
}

func (e *readExpr) eval(r *run) Value {
	at := e.at.eval(r)
	if at.kind != Int {
		return Value{}
	}
	b, err := r.data.Slice(at.Int(), e.bytes)
	if err != nil {
		return r.fail(err.Error())
	}
	if len(b) < e.bytes {
		return Value{}
	}
	var n uint64
	for i := range e.bytes {
		shift := 8 * i
		if e.big {
			shift = 8 * (e.bytes - 1 - i)
		}
		n |= uint64(b[i]) << shift
	}
	if e.signed {
		unused := 64 - 8*e.bytes
		return Integer(int64(n<<unused) >> unused)
	}
	return Integer(int64(n))
}
