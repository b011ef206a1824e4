package yara

import (
	"math"
	"strconv"

	"github.com/quaestor-engine/quaestor/modules/yara/pattern"
)

// A Value is what an expression of a condition gives, and what modules give
// to it. The zero Value is [Undefined].
type Value struct {
	kind Kind
	num  uint64 // of an Int, a Float, a Bool
	text string
	ref  any
}

// Undefined is the value of what does not apply to a content: a condition
// that comes to it does not hold.
func Undefined() Value { return Value{} }

// Integer makes an Int.
func Integer(i int64) Value { return Value{kind: Int, num: uint64(i)} }

// Number makes a Float.
func Number(f float64) Value { return Value{kind: Float, num: math.Float64bits(f)} }

// Text makes a String, of any bytes.
func Text(s string) Value { return Value{kind: String, text: s} }

// Boolean makes a Bool.
func Boolean(b bool) Value {
	if b {
		return Value{kind: Bool, num: 1}
	}
	return Value{kind: Bool}
}

// Object makes a Struct. Field is called when a condition asks for a field,
// each time: what is dear is remembered by who made it.
func Object(field func(name string) (Value, error)) Value { return Value{kind: Struct, ref: field} }

// List makes an Array of n values. At is called with an index that is in
// range, each time a condition asks.
func List(n int, at func(i int) (Value, error)) Value {
	return Value{kind: Array, num: uint64(n), ref: at}
}

// A Dictionary is a Dict that is to be: the keys in the order in which a loop
// meets them, and what stands under one of them. A key that a rule names and
// that is not among Keys gives Undefined without a call.
type Dictionary struct {
	Keys []string
	At   func(key string) (Value, error)
}

// Value makes the Dict.
func (d *Dictionary) Value() Value { return Value{kind: Dict, ref: d} }

// Function makes a Func. Arguments are as one of the type's signatures says,
// and defined: a call with an undefined argument is undefined and never made.
func Function(call func(args []Value) (Value, error)) Value { return Value{kind: Func, ref: call} }

// Kind says what the value is.
func (v Value) Kind() Kind { return v.kind }

// IsDefined says whether there is a value.
func (v Value) IsDefined() bool { return v.kind != None }

// Int gives the number of an Int, or 0.
func (v Value) Int() int64 {
	if v.kind != Int {
		return 0
	}
	return int64(v.num)
}

// Float gives the number of a Float or an Int, or 0.
func (v Value) Float() float64 {
	switch v.kind {
	case Float:
		return math.Float64frombits(v.num)
	case Int:
		return float64(int64(v.num))
	}
	return 0
}

// Text gives the bytes of a String, or "".
func (v Value) Text() string { return v.text }

// Bool gives the truth of a Bool; that of anything else is false.
func (v Value) Bool() bool { return v.kind == Bool && v.num != 0 }

// Matches says whether a Regex matches somewhere in a text.
func (v Value) Matches(text string) bool {
	re, ok := v.ref.(*pattern.Regexp)
	return ok && re.MatchString(text)
}

// String shows the value as a rule's meta section would, texts without quotes.
func (v Value) String() string {
	switch v.kind {
	case Bool:
		return strconv.FormatBool(v.num != 0)
	case Int:
		return strconv.FormatInt(int64(v.num), 10)
	case Float:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case String:
		return v.text
	}
	return v.kind.String()
}
