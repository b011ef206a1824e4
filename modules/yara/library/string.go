package library

import (
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/yara"
	"github.com/quaestor-engine/quaestor/modules/yara/field"
)

func stringModule() *yara.Module {
	return module("string", field.Table[nothing]{
		"length": field.Func(field.Call[nothing]{Args: field.Args(yara.String), Result: yara.Int, Do: func(_ nothing, a []yara.Value) yara.Value {
			return yara.Integer(int64(len(a[0].Text())))
		}}),
		"to_int": field.Func(
			field.Call[nothing]{Args: field.Args(yara.String), Result: yara.Int, Do: func(_ nothing, a []yara.Value) yara.Value {
				return toInt(a[0].Text(), 0)
			}},
			field.Call[nothing]{Args: field.Args(yara.String, yara.Int), Result: yara.Int, Do: func(_ nothing, a []yara.Value) yara.Value {
				return toInt(a[0].Text(), a[1].Int())
			}},
		),
	}, noContent)
}

// toInt reads a number as C does: spaces and a sign before it, 0x for sixteen,
// a leading 0 for eight where no base is given. What does not end with the
// text is no number.
func toInt(text string, base int64) yara.Value {
	if base < 0 || base == 1 || base > 36 {
		return yara.Undefined()
	}
	digits := strings.TrimLeft(text, " \t\n\v\f\r")
	negative := strings.HasPrefix(digits, "-")
	if negative || strings.HasPrefix(digits, "+") {
		digits = digits[1:]
	}
	hex := len(digits) > 2 && (digits[:2] == "0x" || digits[:2] == "0X")
	switch {
	case hex && (base == 0 || base == 16):
		digits, base = digits[2:], 16
	case base == 0 && strings.HasPrefix(digits, "0") && len(digits) > 1:
		base = 8
	case base == 0:
		base = 10
	}
	if strings.HasPrefix(digits, "+") || strings.HasPrefix(digits, "-") {
		return yara.Undefined()
	}
	if negative {
		digits = "-" + digits
	}
	n, err := strconv.ParseInt(digits, int(base), 64)
	if err != nil {
		return yara.Undefined()
	}
	return yara.Integer(n)
}
