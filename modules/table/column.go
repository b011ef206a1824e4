package table

import (
	"net/netip"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// A Column is a column and how it is taken from a thing. The makers give one
// that costs nothing and is not shown; its methods give another that does.
type Column[T any] struct {
	modules.Column
	get func(*Scan, *T) (value.Value, error)
}

// Computed makes a column of a function that may look at the host. An error is
// reported and makes the value null.
func Computed[T any](name string, t value.Type, doc string, get func(*Scan, *T) (value.Value, error)) Column[T] {
	return Column[T]{modules.Column{Name: name, Type: t, Doc: doc}, get}
}

// Value makes a column of values that are at hand; the zero Value is null.
func Value[T any](name string, t value.Type, doc string, get func(*T) value.Value) Column[T] {
	return Computed(name, t, doc, func(_ *Scan, x *T) (value.Value, error) { return get(x), nil })
}

// Text makes a column of texts, of which the empty one is null.
func Text[T any](name, doc string, get func(*T) string) Column[T] {
	return Value(name, value.Text, doc, func(x *T) value.Value { return TextOf(get(x)) })
}

// Int makes a column of numbers.
func Int[T any](name, doc string, get func(*T) int64) Column[T] {
	return Value(name, value.Int, doc, func(x *T) value.Value { return value.NewInt(get(x)) })
}

// Size makes a column of numbers of bytes.
func Size[T any](name, doc string, get func(*T) int64) Column[T] {
	return Value(name, value.Size, doc, func(x *T) value.Value { return value.NewSize(get(x)) })
}

// Bool makes a column of truths.
func Bool[T any](name, doc string, get func(*T) bool) Column[T] {
	return Value(name, value.Bool, doc, func(x *T) value.Value { return value.NewBool(get(x)) })
}

// Time makes a column of times, of which the zero one is null.
func Time[T any](name, doc string, get func(*T) time.Time) Column[T] {
	return Value(name, value.Time, doc, func(x *T) value.Value { return TimeOf(get(x)) })
}

// IP makes a column of addresses, of which the zero one is null.
func IP[T any](name, doc string, get func(*T) netip.Addr) Column[T] {
	return Value(name, value.IP, doc, func(x *T) value.Value { return IPOf(get(x)) })
}

// Texts makes a column of lists of texts.
func Texts[T any](name, doc string, get func(*T) []string) Column[T] {
	return Value(name, value.List, doc, func(x *T) value.Value { return ListOf(get(x), value.NewText) }).Of(value.Text)
}

// TextOf makes a value of a text; the empty one is null.
func TextOf(s string) value.Value {
	if s == "" {
		return value.Value{}
	}
	return value.NewText(s)
}

// TimeOf makes a value of a time; the zero one is null.
func TimeOf(t time.Time) value.Value {
	if t.IsZero() {
		return value.Value{}
	}
	return value.NewTime(t)
}

// IPOf makes a value of an address; the zero one is null.
func IPOf(a netip.Addr) value.Value {
	if !a.IsValid() {
		return value.Value{}
	}
	return value.NewIP(a)
}

// ListOf makes a list of what each member makes.
func ListOf[E any](list []E, made func(E) value.Value) value.Value {
	vs := make([]value.Value, len(list))
	for i, e := range list {
		vs[i] = made(e)
	}
	return value.NewList(vs)
}

// Shown marks a column that a query without RETURN shows.
func (c Column[T]) Shown() Column[T] {
	c.Default = true
	return c
}

// Costs says how dear a column is.
func (c Column[T]) Costs(cost modules.Cost) Column[T] {
	c.Cost = cost
	return c
}

// To makes a column a link to the module whose key it holds.
func (c Column[T]) To(module string) Column[T] {
	c.Link = module
	return c
}

// Sensitive marks a column that carries what is inside a thing, and leaves a
// host only where a query names it.
func (c Column[T]) Sensitive() Column[T] {
	c.Content = true
	return c
}

// Of says what a list's members are.
func (c Column[T]) Of(elem value.Type) Column[T] {
	c.Elem = elem
	return c
}

// On lists the systems on which a column can have a value.
func (c Column[T]) On(systems ...string) Column[T] {
	c.OS = systems
	return c
}

// OneOf lists what a column may be.
func (c Column[T]) OneOf(values ...string) Column[T] {
	c.Values = values
	return c
}
