package quaestor

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/value"
)

// An Argument gives a query a value: see Arg.
type Argument struct {
	name  string
	value any
}

// Arg gives a name of a query its value. A single value is for the parameter
// that PARAM declares, and is used as $name; a slice is for the list @name,
// which then is no file. The value never becomes part of the query's text: it
// is checked against the type that was declared, or that the list meets.
//
// A value is a string, a []byte, a bool, a whole number, a float, a
// time.Time, a time.Duration, a netip.Addr, a netip.Prefix, or a value.Value.
// A string is read as the declared type where that is another one; a whole
// number is a number of bytes where that is size.
func Arg(name string, value any) Argument { return Argument{name, value} }

// ErrArgument is the root of errors about arguments.
var ErrArgument = errors.New("argument")

// given is what arguments and Options.Params give a query.
type given struct {
	params map[string]string
	lists  map[string][]byte
}

// bind turns arguments into what queries are compiled with. Every argument
// must be for some query of the file.
func bind(f *lang.File, args []Argument) (given, error) {
	g := given{params: map[string]string{}, lists: map[string][]byte{}}
	if len(args) == 0 {
		return g, nil
	}
	types, lists := namesOf(f)
	for _, a := range args {
		name := strings.TrimLeft(a.name, "$@")
		data, isList, err := listLines(a.value)
		switch {
		case isList && !slices.Contains(lists, name):
			err = fmt.Errorf("no query names a list @%s: there are %s", name, orNone(lists, "@"))
		case isList && err == nil:
			g.lists[name] = data
		case !isList:
			err = g.bindParam(name, types, a.value)
		}
		if err != nil {
			return given{}, fmt.Errorf("%w %q: %w", ErrArgument, a.name, err)
		}
	}
	return g, nil
}

func (g given) bindParam(name string, types map[string]value.Type, x any) error {
	typ, ok := types[name]
	if !ok {
		return fmt.Errorf("no query declares a parameter $%s: there are %s", name, orNone(slices.Sorted(maps.Keys(types)), "$"))
	}
	v, err := valueOf(x)
	if err != nil {
		return err
	}
	g.params[name], err = paramText(v, typ)
	return err
}

// orNone lists names for a message.
func orNone(names []string, sign string) string {
	if len(names) == 0 {
		return "none"
	}
	return sign + strings.Join(names, ", "+sign)
}

// namesOf gives the parameters that a file's queries declare, with their
// types, and the lists that they name.
func namesOf(f *lang.File) (types map[string]value.Type, lists []string) {
	types = map[string]value.Type{}
	for _, q := range f.Queries {
		for _, p := range q.Params {
			if t, ok := value.ParseType(p.Type.Name); ok {
				types[p.Name.Name] = t
			}
		}
		lang.Walk(q, func(n lang.Node) bool {
			if l, ok := n.(*lang.ListRef); ok && !slices.Contains(lists, l.Path) {
				lists = append(lists, l.Path)
			}
			return true
		})
	}
	slices.Sort(lists)
	return types, lists
}

// valueOf gives a Go value as one of the language.
func valueOf(x any) (value.Value, error) {
	switch x := x.(type) {
	case value.Value:
		return x, nil
	case string:
		return value.NewText(x), nil
	case []byte:
		return value.NewBytes(x), nil
	case bool:
		return value.NewBool(x), nil
	case time.Time:
		return value.NewTime(x), nil
	case time.Duration:
		return value.NewDuration(x), nil
	case netip.Addr:
		return value.NewIP(x), nil
	case netip.Prefix:
		return value.NewCIDR(x), nil
	}
	switch r := reflect.ValueOf(x); {
	case !r.IsValid():
	case r.CanInt():
		return value.NewInt(r.Int()), nil
	case r.CanUint() && r.Uint() <= math.MaxInt64:
		return value.NewInt(int64(r.Uint())), nil
	case r.CanUint():
		return value.Value{}, fmt.Errorf("%d is greater than any int", r.Uint())
	case r.CanFloat():
		return value.NewFloat(r.Float()), nil
	case r.Kind() == reflect.String:
		return value.NewText(r.String()), nil
	}
	return value.Value{}, fmt.Errorf("a %T is no value of the language", x)
}

// paramText gives a value in the text form that a parameter of a type is read
// from, which is what travels with a plan.
func paramText(v value.Value, typ value.Type) (string, error) {
	text := plainText(v)
	switch {
	case v.IsNull():
		return "", errors.New("null is no value for a parameter")
	case v.Type() == typ, v.Type() == value.Text:
	case v.Type() == value.Int && typ == value.Size:
		text += "B"
	case v.Type() == value.Int && typ == value.Float:
	case v.Type() == value.Bytes && typ == value.Hash:
		text = fmt.Sprintf("%x", v.Bytes())
	default:
		return "", fmt.Errorf("it is declared as %s, and a %s was given", typ, v.Type())
	}
	if typ == value.Text {
		return text, nil
	}
	got, err := value.Convert(value.NewText(text), typ, time.Now())
	if err != nil {
		return "", fmt.Errorf("it is declared as %s: %w", typ, err)
	}
	if same, ok := value.Equal(got, v); (v.Type() == typ || v.Type() == value.Int) && (!ok || !same) {
		return "", fmt.Errorf("%s cannot be written as a %s", v.Literal(), typ)
	}
	return text, nil
}

// plainText gives a value as it is read again from a list or a parameter.
func plainText(v value.Value) string {
	switch v.Type() {
	case value.Text, value.Version:
		return v.Text()
	case value.Bytes:
		return string(v.Bytes())
	case value.Hash, value.Mode:
		return v.String()
	}
	return v.Literal()
}

// listLines gives a slice as the lines of a list. What a line cannot hold is
// an error.
func listLines(x any) (data []byte, isList bool, err error) {
	r := reflect.ValueOf(x)
	if _, one := x.([]byte); one || r.Kind() != reflect.Slice {
		return nil, false, nil
	}
	var b strings.Builder
	for i := range r.Len() {
		v, err := valueOf(r.Index(i).Interface())
		if err != nil {
			return nil, true, fmt.Errorf("member %d: %w", i, err)
		}
		text := plainText(v)
		if text == "" || text[0] == '#' || text != strings.TrimSpace(text) || strings.ContainsAny(text, "\n\r") || v.IsNull() {
			return nil, true, fmt.Errorf("member %d: %s cannot stand in a list, which has one value a line", i, v.Literal())
		}
		b.WriteString(text + "\n")
	}
	if r.Len() == 0 {
		return nil, true, errors.New("a list without members: nothing is in it")
	}
	return []byte(b.String()), true, nil
}
