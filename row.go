package quaestor

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// A Row is one row of an answer. Its accessors give the zero value for null,
// for another type, and for a column that is not there: who must tell these
// apart uses Value, or Scan.
type Row struct {
	table  *Table
	index  int
	values []value.Value
}

// Table gives the index of the row's table in Rows.Tables.
func (r Row) Table() int { return r.index }

// Values gives the row's values in the order of its table's columns. They
// must not be changed.
func (r Row) Values() []value.Value { return r.values }

// Value gives the value of the column with that name, and whether there is
// such a column.
func (r Row) Value(column string) (value.Value, bool) {
	if r.table == nil {
		return value.Value{}, false // it stands beside an error, and is none
	}
	i := slices.IndexFunc(r.table.Columns, func(c Column) bool { return c.Name == column })
	if i < 0 || i >= len(r.values) {
		return value.Value{}, false
	}
	return r.values[i], true
}

// Text gives a column for eyes, as tables show it: what could steer a
// terminal is escaped, a size has its unit. It is "" for null.
func (r Row) Text(column string) string {
	v, _ := r.Value(column)
	return v.String()
}

// String gives a column as it is: text unchanged, whatever is in it; another
// type as a query would write it, without quotes. It is "" for null.
func (r Row) String(column string) string {
	v, _ := r.Value(column)
	if v.IsNull() {
		return ""
	}
	return plainText(v)
}

// Int gives a column that is a number, a size or a mode.
func (r Row) Int(column string) int64 {
	v, _ := r.Value(column)
	return v.Int()
}

// Float gives a column that is a number.
func (r Row) Float(column string) float64 {
	v, _ := r.Value(column)
	return floatOf(v)
}

func floatOf(v value.Value) float64 {
	if v.Type() == value.Int {
		return float64(v.Int())
	}
	return v.Float()
}

// Bool gives a column that is true or false.
func (r Row) Bool(column string) bool {
	v, _ := r.Value(column)
	return v.Bool()
}

// Time gives a column that is a time, in UTC.
func (r Row) Time(column string) time.Time {
	v, _ := r.Value(column)
	return v.Time()
}

// Duration gives a column that is a duration.
func (r Row) Duration(column string) time.Duration {
	v, _ := r.Value(column)
	return v.Duration()
}

// Bytes gives a column that is bytes, text or a hash. They must not be changed.
func (r Row) Bytes(column string) []byte {
	v, _ := r.Value(column)
	return bytesOf(v)
}

func bytesOf(v value.Value) []byte {
	switch v.Type() {
	case value.Text:
		return []byte(v.Text())
	case value.Bytes:
		return v.Bytes()
	case value.Hash:
		return v.Hash()
	}
	return nil
}

// List gives the members of a column that is a list.
func (r Row) List(column string) []value.Value {
	v, _ := r.Value(column)
	return v.List()
}

// ErrColumn is the root of errors of Row.Scan: a field that no
// column fills, a type that does not fit, a null where none can be kept.
var ErrColumn = errors.New("column")

// Scan fills the fields of the struct that dst points to. A field names its
// column in its tag, as `quaestor:"mtime"`; one without a tag is left alone.
// Fields are of the types that Arg takes, any, value.Value, slices of them for
// lists, or pointers to them, which are nil for null. The error wraps
// ErrColumn and names the column.
func (r Row) Scan(dst any) error {
	p := reflect.ValueOf(dst)
	if p.Kind() != reflect.Pointer || p.IsNil() || p.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("%w: %T is no pointer to a struct", ErrColumn, dst)
	}
	s := p.Elem()
	for i := range s.NumField() {
		name, ok := s.Type().Field(i).Tag.Lookup("quaestor")
		if !ok || name == "" || name == "-" {
			continue
		}
		v, ok := r.Value(name)
		switch {
		case r.table == nil:
			return fmt.Errorf("%w %s: there is no row beside an error", ErrColumn, name)
		case !s.Field(i).CanSet():
			return fmt.Errorf("%w %s: the field %s is not exported, and cannot be set", ErrColumn, name, s.Type().Field(i).Name)
		case !ok:
			return fmt.Errorf("%w %s: the table %s has none of that name", ErrColumn, name, r.table.Name)
		}
		if err := assign(s.Field(i), v); err != nil {
			return fmt.Errorf("%w %s: %w", ErrColumn, name, err)
		}
	}
	return nil
}

// As gives the rows as structs: see Row.Scan. After an error there are no
// more rows.
func As[T any](rows *Rows) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for row, err := range rows.All() {
			var t T
			if err == nil {
				err = row.Scan(&t)
			}
			if !yield(t, err) || err != nil {
				return
			}
		}
	}
}

// Collect reads all rows into structs, closes the answer and gives its
// account, without which rows that are not there mean nothing.
func Collect[T any](rows *Rows) ([]T, answer.Summary, error) {
	defer rows.Close()
	var all []T
	for t, err := range As[T](rows) {
		if err != nil {
			return nil, rows.Summary(), err
		}
		all = append(all, t)
	}
	return all, rows.Summary(), nil
}

var (
	typeValue    = reflect.TypeFor[value.Value]()
	typeAny      = reflect.TypeFor[any]()
	typeTime     = reflect.TypeFor[time.Time]()
	typeDuration = reflect.TypeFor[time.Duration]()
	typeAddr     = reflect.TypeFor[netip.Addr]()
	typePrefix   = reflect.TypeFor[netip.Prefix]()
)

// assign puts a value into a field.
func assign(f reflect.Value, v value.Value) error {
	switch {
	case f.Type() == typeValue:
		f.Set(reflect.ValueOf(v.Clone()))
		return nil
	case f.Type() == typeAny:
		if x := goValue(v); x != nil {
			f.Set(reflect.ValueOf(x))
		} else {
			f.SetZero()
		}
		return nil
	case f.Kind() == reflect.Pointer && v.IsNull():
		f.SetZero()
		return nil
	case f.Kind() == reflect.Pointer:
		f.Set(reflect.New(f.Type().Elem()))
		return assign(f.Elem(), v)
	case v.IsNull():
		return fmt.Errorf("it is null, and a %s cannot be: use *%s", f.Type(), f.Type())
	case v.Type() == value.List && f.Kind() == reflect.Slice:
		return assignList(f, v.List())
	}
	return assignOne(f, v)
}

func assignList(f reflect.Value, members []value.Value) error {
	s := reflect.MakeSlice(f.Type(), len(members), len(members))
	for i, m := range members {
		if err := assign(s.Index(i), m); err != nil {
			return fmt.Errorf("member %d: %w", i, err)
		}
	}
	f.Set(s)
	return nil
}

func assignOne(f reflect.Value, v value.Value) error {
	var x any
	switch t := v.Type(); {
	case f.Type() == typeTime && t == value.Time:
		x = v.Time()
	case f.Type() == typeDuration && t == value.Duration:
		x = v.Duration()
	case f.Type() == typeAddr && t == value.IP:
		x = v.IP()
	case f.Type() == typePrefix && t == value.CIDR:
		x = v.CIDR()
	case f.Kind() == reflect.String && t != value.List:
		f.SetString(plainText(v))
		return nil
	case f.Kind() == reflect.Bool && t == value.Bool:
		f.SetBool(v.Bool())
		return nil
	case f.Type() != typeDuration && isWhole(t) && f.CanInt() && !f.OverflowInt(v.Int()):
		f.SetInt(v.Int())
		return nil
	case isWhole(t) && f.CanUint() && v.Int() >= 0 && !f.OverflowUint(uint64(v.Int())):
		f.SetUint(uint64(v.Int()))
		return nil
	case f.CanFloat() && (t == value.Float || t == value.Int && math.Abs(float64(v.Int())) <= 1<<53):
		f.SetFloat(floatOf(v))
		return nil
	case f.Type() == reflect.TypeFor[[]byte]() && (t == value.Bytes || t == value.Hash || t == value.Text):
		f.SetBytes(slices.Clone(bytesOf(v)))
		return nil
	default:
		return fmt.Errorf("the %s %s does not fit a %s", t, v.Literal(), f.Type())
	}
	f.Set(reflect.ValueOf(x))
	return nil
}

func isWhole(t value.Type) bool { return t == value.Int || t == value.Size || t == value.Mode }

// goValue gives a value as what Go has for it: nil for null, a string for text
// and versions, a []byte for bytes and hashes, an int64 for numbers, sizes and
// modes, a []any for lists.
func goValue(v value.Value) any {
	switch v.Type() {
	case value.Null:
		return nil
	case value.Text, value.Version:
		return v.Text()
	case value.Bytes, value.Hash:
		return slices.Clone(bytesOf(v))
	case value.Int, value.Size, value.Mode:
		return v.Int()
	case value.Float:
		return v.Float()
	case value.Bool:
		return v.Bool()
	case value.Duration:
		return v.Duration()
	case value.Time:
		return v.Time()
	case value.IP:
		return v.IP()
	case value.CIDR:
		return v.CIDR()
	}
	list := make([]any, len(v.List()))
	for i, m := range v.List() {
		list[i] = goValue(m)
	}
	return list
}
