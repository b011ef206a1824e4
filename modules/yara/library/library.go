// Package library is the list of what rules may import: elf, pe, hash, math,
// string, time and console.
//
// A newcomer needs [Modules]. Each module means what it means to YARA; what
// is not in the list is refused by name when rules are compiled. The larger
// ones have packages of their own.
package library

import (
	"time"

	"github.com/quaestor-engine/quaestor/modules/yara"
	"github.com/quaestor-engine/quaestor/modules/yara/elf"
	"github.com/quaestor-engine/quaestor/modules/yara/field"
	"github.com/quaestor-engine/quaestor/modules/yara/pe"
)

// Modules lists the modules. now gives the time that rules call now.
func Modules(now func() time.Time) []*yara.Module {
	return []*yara.Module{
		console(), elf.Module(), hashModule(), mathModule(), pe.Module(), stringModule(), timeModule(now),
	}
}

// simple makes a module of functions that need no content, or look at it
// through what of makes.
func module[T any](name string, fields field.Table[T], of func(*yara.Data) T) *yara.Module {
	return &yara.Module{Name: name, Fields: fields.Fields(), Load: func(d *yara.Data) (yara.Value, error) {
		return fields.Object(of(d)), nil
	}}
}

type nothing struct{}

func noContent(*yara.Data) nothing { return nothing{} }

func timeModule(now func() time.Time) *yara.Module {
	return module("time", field.Table[nothing]{
		"now": field.Func(field.Call[nothing]{Result: yara.Int, Do: func(nothing, []yara.Value) yara.Value {
			return yara.Integer(now().Unix())
		}}),
	}, noContent)
}

// console is accepted and says nothing: there is no terminal where rules run.
func console() *yara.Module {
	var calls []field.Call[nothing]
	say := func(args ...yara.Kind) {
		calls = append(calls, field.Call[nothing]{Args: args, Result: yara.Int, Do: func(nothing, []yara.Value) yara.Value { return yara.Integer(1) }})
	}
	for _, k := range []yara.Kind{yara.String, yara.Int, yara.Float} {
		say(k)
		say(yara.String, k)
	}
	log := field.Func(calls...)
	calls = nil
	say(yara.Int)
	say(yara.String, yara.Int)
	return module("console", field.Table[nothing]{"log": log, "hex": field.Func(calls...)}, noContent)
}
