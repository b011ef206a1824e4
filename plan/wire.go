package plan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"reflect"
	"slices"
	"sync"

	"github.com/quaestor-engine/quaestor/value"
)

// The wire form of a plan, versions 1 to 5.
//
// It begins with the four bytes "QPL1"; "QPL2" where the plan is standing: who
// knows version 1 alone must refuse such a plan, and not answer it once;
// "QPL3" where it asks rules of YARA; and "QPL4" where it may use a part of a
// processor only; "QPL5" where it bounds what is sent, open files or I/O. The
// Plan follows, its exported fields in the order in which plan.go declares
// them, and each of these by its type:
//
//	bool       one byte, 0 or 1
//	integers   zig-zag varint, as short as can be (encoding/binary); an
//	           unsigned one of a byte is that byte
//	string     its length as varint, its bytes
//	slice      0 for nil, else 1 + its length, as varint; its members
//	pointer    one byte, 0 for nil or 1; what it points to
//	struct     its exported fields in order
//	Expr       one byte, the tag from exprTags, 0 for nil; the fields
//	Value      value.AppendBinary
//
// There is one encoding of every plan, and Decode refuses every other: a
// longer varint, an unknown tag, bytes that are left over.
//
// Fields that are marked with a version are on the wire from that version on.
// A plan is encoded in the lowest version that has all that it needs.
const (
	magic     = "QPL" // a digit follows: the version
	versions  = 5
	fieldMark = "wire" // the key of a field's tag
)

// Bounds of a plan that comes from elsewhere.
const (
	MaxPlan      = 64 << 20  // bytes: room for a million hashes
	maxPlanDepth = 4000      // parts within parts: planner.maxDepth, of which each may take five nodes of three parts
	maxNodes     = 4_000_000 // members and nodes: each takes memory beyond its bytes
)

// ErrMalformed says that bytes are no plan.
var ErrMalformed = errors.New("plan: malformed")

// exprTags number the expressions on the wire. A number is never used again.
var exprTags = []reflect.Type{
	1: reflect.TypeFor[Const](), 2: reflect.TypeFor[Col](), 3: reflect.TypeFor[Out](),
	4: reflect.TypeFor[Now](), 5: reflect.TypeFor[Ask](), 6: reflect.TypeFor[Not](),
	7: reflect.TypeFor[And](), 8: reflect.TypeFor[Or](), 9: reflect.TypeFor[Cmp](),
	10: reflect.TypeFor[Between](), 11: reflect.TypeFor[InSet](), 12: reflect.TypeFor[InSub](),
	13: reflect.TypeFor[Match](), 14: reflect.TypeFor[IsNull](), 15: reflect.TypeFor[IsMissing](),
	16: reflect.TypeFor[Call](),
}

var (
	exprType  = reflect.TypeFor[Expr]()
	valueType = reflect.TypeFor[value.Value]()
)

// Encode gives the wire form.
func (p *Plan) Encode() []byte {
	version := p.version()
	return encoder{version: version}.encode([]byte{magic[0], magic[1], magic[2], '0' + byte(version)}, reflect.ValueOf(p).Elem())
}

// version is the lowest that has all that the plan needs.
func (p *Plan) version() int {
	switch l := p.Limits; {
	case l.Sent != 0 || l.OpenFiles != 0 || l.IO != 0:
		return 5
	case l.CPU != 0:
		return 4
	}
	for _, t := range slices.Concat(p.Tables, p.Subs) {
		for _, s := range t.Slots {
			if slices.ContainsFunc(s.Questions, func(q Question) bool { return q.Rules != nil }) {
				return 3
			}
		}
	}
	if p.Standing() {
		return 2
	}
	return 1
}

// Standing says whether the plan is not answered once and for all.
func (p *Plan) Standing() bool { return p.Every != 0 || p.Watch }

// A wireField is a field that is on the wire.
type wireField struct {
	index int
	since int  // the version
	must  bool // where it is one of an expression: it is never nil
	shown bool // where it is one of an expression: it is shown by that
}

// wireFields has the fields of each struct that a plan can hold, in their order:
// what reflection says of them costs more than to write them.
var wireFields = sync.OnceValue(func() map[reflect.Type][]wireField {
	all := map[reflect.Type][]wireField{}
	var add func(t reflect.Type)
	add = func(t reflect.Type) {
		switch t.Kind() {
		case reflect.Slice, reflect.Pointer:
			add(t.Elem())
		case reflect.Struct:
			if _, known := all[t]; known || t == valueType {
				return
			}
			all[t] = nil // it may hold itself
			var fields []wireField
			for i := range t.NumField() {
				f := t.Field(i)
				if !f.IsExported() {
					continue
				}
				since := 1
				if mark := f.Tag.Get(fieldMark); mark != "" {
					since = int(mark[0] - '0')
				}
				fields = append(fields, wireField{i, since, f.Type == exprType && !optional(t, f.Name), f.Name == "Name"})
				add(f.Type)
			}
			all[t] = fields
		}
	}
	add(reflect.TypeFor[Plan]())
	for _, t := range exprTags[1:] {
		add(t)
	}
	return all
})

// An encoder writes the wire form.
type encoder struct {
	version int
	unnamed bool // what expressions are shown by is left out: see Key
}

func (c encoder) encode(dst []byte, v reflect.Value) []byte {
	if v.Type() == valueType {
		return value.AppendBinary(dst, v.Interface().(value.Value))
	}
	switch v.Kind() {
	case reflect.Bool:
		return append(dst, flag(v.Bool()))
	case reflect.Int, reflect.Int64:
		return binary.AppendVarint(dst, v.Int())
	case reflect.Uint8:
		return append(dst, byte(v.Uint()))
	case reflect.String:
		return append(binary.AppendUvarint(dst, uint64(v.Len())), v.String()...)
	case reflect.Slice:
		if v.IsNil() {
			return append(dst, 0)
		}
		dst = binary.AppendUvarint(dst, uint64(v.Len())+1)
		for i := range v.Len() {
			dst = c.encode(dst, v.Index(i))
		}
	case reflect.Pointer:
		if v.IsNil() {
			return append(dst, 0)
		}
		return c.encode(append(dst, 1), v.Elem())
	case reflect.Interface:
		if v.IsNil() {
			return append(dst, 0)
		}
		node := v.Elem().Elem()
		return c.encode(append(dst, tagOf(node.Type())), node)
	case reflect.Struct:
		for _, f := range wireFields()[v.Type()] {
			if f.since <= c.version && !(c.unnamed && f.shown) {
				dst = c.encode(dst, v.Field(f.index))
			}
		}
	}
	return dst
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func tagOf(t reflect.Type) byte {
	for i, known := range exprTags {
		if known == t {
			return byte(i)
		}
	}
	panic("plan: no tag for " + t.String())
}

// Decode reads a plan from its wire form and prepares it. The error wraps
// ErrMalformed where the bytes are no plan, ErrInvalid where the plan does not
// hold together.
func Decode(b []byte) (*Plan, error) {
	if len(b) > MaxPlan {
		return nil, fmt.Errorf("%w: %d bytes, more than %d", ErrMalformed, len(b), MaxPlan)
	}
	if len(b) <= len(magic) || string(b[:len(magic)]) != magic || b[len(magic)] < '1' || b[len(magic)] > '0'+versions {
		return nil, fmt.Errorf("%w: it does not begin with %s1 to %s%d", ErrMalformed, magic, magic, versions)
	}
	p := &Plan{}
	d := decoder{rest: b[len(magic)+1:], nodes: maxNodes, version: int(b[len(magic)] - '0')}
	err := d.decode(reflect.ValueOf(p).Elem(), 0)
	if err == nil && p.version() != d.version {
		err = errCanonical // it is a plan of a lower version
	}
	if err != nil {
		return nil, fmt.Errorf("%w: byte %d: %w", ErrMalformed, len(b)-len(d.rest), err)
	}
	if len(d.rest) > 0 {
		return nil, fmt.Errorf("%w: %d bytes are left over", ErrMalformed, len(d.rest))
	}
	if err := p.Prepare(); err != nil {
		return nil, err
	}
	return p, nil
}

type decoder struct {
	rest    []byte
	nodes   int // that may still come
	version int
}

var (
	errShort     = errors.New("it ends too early")
	errCanonical = errors.New("it is not in the shortest form")
	errNested    = errors.New("it is nested too deep")
	errNodes     = errors.New("it has too many parts")
	errNilNode   = errors.New("something is missing that must be there")
)

func (d *decoder) decode(v reflect.Value, depth int) error {
	if d.nodes--; d.nodes < 0 {
		return errNodes
	}
	if depth > maxPlanDepth {
		return errNested
	}
	if v.Type() == valueType {
		val, rest, err := value.DecodeBinary(d.rest)
		if err != nil {
			return err
		}
		d.rest = rest
		v.Set(reflect.ValueOf(val))
		return nil
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, f := range wireFields()[v.Type()] {
			if f.since > d.version {
				continue
			}
			if err := d.decode(v.Field(f.index), depth+1); err != nil {
				return err
			}
		}
		return nil
	case reflect.Slice:
		return d.slice(v, depth)
	case reflect.Pointer:
		// Every pointer in a slice must lead somewhere; Group may be nil.
		there, err := d.bool()
		if err != nil || !there {
			return err
		}
		v.Set(reflect.New(v.Type().Elem()))
		return d.decode(v.Elem(), depth+1)
	case reflect.Interface:
		return d.expr(v, depth)
	}
	return d.scalar(v)
}

func (d *decoder) scalar(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Bool:
		b, err := d.bool()
		v.SetBool(b)
		return err
	case reflect.Uint8:
		b, err := d.byte()
		v.SetUint(uint64(b))
		return err
	case reflect.Int, reflect.Int64:
		n, size := binary.Varint(d.rest)
		if size <= 0 {
			return errShort
		}
		if size != uvarintLen(uint64(n<<1)^uint64(n>>63)) {
			return errCanonical
		}
		d.rest = d.rest[size:]
		v.SetInt(n)
		return nil
	}
	n, err := d.count()
	if err != nil {
		return err
	}
	v.SetString(string(d.rest[:n]))
	d.rest = d.rest[n:]
	return nil
}

func (d *decoder) slice(v reflect.Value, depth int) error {
	n, size := binary.Uvarint(d.rest)
	switch {
	case size <= 0:
		return errShort
	case size != uvarintLen(n):
		return errCanonical
	case n == 0:
		d.rest = d.rest[size:]
		return nil
	}
	// Every member takes a byte at least, so a length that lies is refused
	// before memory is given for it.
	if n-1 > uint64(len(d.rest)-size) {
		return errShort
	}
	d.rest = d.rest[size:]
	v.Set(reflect.MakeSlice(v.Type(), int(n-1), int(n-1)))
	for i := range v.Len() {
		item := v.Index(i)
		if err := d.decode(item, depth+1); err != nil {
			return err
		}
		if (item.Kind() == reflect.Pointer || item.Kind() == reflect.Interface) && item.IsNil() {
			return errNilNode
		}
	}
	return nil
}

// optional names the fields of expressions and tables that may be nil.
func optional(t reflect.Type, field string) bool {
	return t == reflect.TypeFor[Match]() && field == "Dynamic"
}

func (d *decoder) expr(v reflect.Value, depth int) error {
	tag, err := d.byte()
	if err != nil || tag == 0 {
		return err
	}
	if int(tag) >= len(exprTags) {
		return fmt.Errorf("no expression has the tag %d", tag)
	}
	node := reflect.New(exprTags[tag])
	if err := d.decode(node.Elem(), depth+1); err != nil {
		return err
	}
	for _, f := range wireFields()[exprTags[tag]] {
		if f.must && node.Elem().Field(f.index).IsNil() {
			return errNilNode
		}
	}
	v.Set(node)
	return nil
}

func (d *decoder) byte() (byte, error) {
	if len(d.rest) == 0 {
		return 0, errShort
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return b, nil
}

func (d *decoder) bool() (bool, error) {
	b, err := d.byte()
	if err == nil && b > 1 {
		err = errCanonical
	}
	return b == 1, err
}

// count reads the length of bytes that follow.
func (d *decoder) count() (int, error) {
	n, size := binary.Uvarint(d.rest)
	switch {
	case size <= 0 || n > uint64(len(d.rest)-size):
		return 0, errShort
	case size != uvarintLen(n):
		return 0, errCanonical
	}
	d.rest = d.rest[size:]
	return int(n), nil
}

// uvarintLen is how many bytes an unsigned varint takes at least.
func uvarintLen(n uint64) int { return (bits.Len64(n|1) + 6) / 7 }
