// Package field makes what rules may import of tables: each field is one
// entry, of which both its type and its value are taken.
//
// A newcomer needs [Table], and [Int], [Text], [List] and their like, which
// make the entries. It knows no format.
package field

import "github.com/quaestor-engine/quaestor/modules/yara"

// A Field is a field of a structure that is made of a T.
type Field[T any] struct {
	Type yara.Type
	Get  func(T) yara.Value
}

// A Table is a structure: its fields by name.
type Table[T any] map[string]Field[T]

// Fields gives the types.
func (t Table[T]) Fields() map[string]yara.Type {
	types := make(map[string]yara.Type, len(t))
	for name, f := range t {
		types[name] = f.Type
	}
	return types
}

// Type is the type of the structure.
func (t Table[T]) Type() yara.Type { return yara.StructOf(t.Fields()) }

// A reader can fail to read what it stands for.
type reader interface{ Err() error }

// Object is the structure that is made of v. Where v has an Err method, its
// error is that of every field which is asked for afterwards.
func (t Table[T]) Object(v T) yara.Value {
	r, _ := any(v).(reader)
	return yara.Object(func(name string) (yara.Value, error) {
		f, ok := t[name]
		if !ok || f.Get == nil {
			return yara.Undefined(), nil
		}
		got := f.Get(v)
		if r != nil {
			return got, r.Err()
		}
		return got, nil
	})
}

// Undefined is the structure of which no field has a value, and of which no
// function gives one.
func (t Table[T]) Undefined() yara.Value {
	return yara.Object(func(string) (yara.Value, error) { return yara.Undefined(), nil })
}

// Const is a number that is the same for all.
func Const[T any](n int64) Field[T] {
	return Field[T]{Type: yara.Const(yara.Integer(n))}
}

// Int is a number.
func Int[T any](get func(T) int64) Field[T] {
	return Field[T]{yara.Type{Kind: yara.Int}, func(v T) yara.Value { return yara.Integer(get(v)) }}
}

// Perhaps is a number that not all have.
func Perhaps[T any](get func(T) (int64, bool)) Field[T] {
	return Field[T]{yara.Type{Kind: yara.Int}, func(v T) yara.Value {
		if n, ok := get(v); ok {
			return yara.Integer(n)
		}
		return yara.Undefined()
	}}
}

// Text is a text that not all have.
func Text[T any](get func(T) (string, bool)) Field[T] {
	return Field[T]{yara.Type{Kind: yara.String}, func(v T) yara.Value {
		if s, ok := get(v); ok {
			return yara.Text(s)
		}
		return yara.Undefined()
	}}
}

// List is an array of structures.
func List[T, E any](of Table[E], get func(T) []E) Field[T] {
	return Field[T]{yara.ArrayOf(of.Type()), func(v T) yara.Value {
		list := get(v)
		return yara.List(len(list), func(i int) (yara.Value, error) { return of.Object(list[i]), nil })
	}}
}

// Struct is a structure inside another.
func Struct[T, E any](of Table[E], get func(T) (E, bool)) Field[T] {
	return Field[T]{of.Type(), func(v T) yara.Value {
		if e, ok := get(v); ok {
			return of.Object(e)
		}
		return of.Undefined()
	}}
}

// A Call is one way to call a function: the kinds of its arguments, and what
// it gives for them.
type Call[T any] struct {
	Args   []yara.Kind
	Result yara.Kind
	Do     func(v T, args []yara.Value) yara.Value
}

// Func is a function, called in any of several ways.
func Func[T any](calls ...Call[T]) Field[T] {
	t := yara.Type{Kind: yara.Func}
	for _, c := range calls {
		t.Calls = append(t.Calls, yara.Signature{Args: c.Args, Result: yara.Type{Kind: c.Result}})
	}
	return Field[T]{t, func(v T) yara.Value {
		r, _ := any(v).(reader)
		return yara.Function(func(args []yara.Value) (yara.Value, error) {
			for _, c := range calls {
				if !fits(c.Args, args) {
					continue
				}
				got := c.Do(v, args)
				if r != nil {
					return got, r.Err()
				}
				return got, nil
			}
			return yara.Undefined(), nil
		})
	}}
}

func fits(kinds []yara.Kind, args []yara.Value) bool {
	if len(kinds) != len(args) {
		return false
	}
	for i, k := range kinds {
		if args[i].Kind() != k {
			return false
		}
	}
	return true
}

// Args lists kinds of arguments.
func Args(kinds ...yara.Kind) []yara.Kind { return kinds }
