package plan

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/value"
)

// Facts are what is known of a host, by the names that targets use. A fact
// that is not there is not known, which is not the same as null: null was
// looked for and is not there.
type Facts map[string]value.Value

// Bounds of facts that come from elsewhere.
const (
	maxFacts    = 1000      // hosts have about thirty, and their tags
	maxFactName = 300       // bytes
	MaxFacts    = 256 << 10 // bytes of the wire form
)

// factsMagic begins the wire form of facts, version 1: the number of facts as
// varint, and for each in the order of their names the length of its name as
// varint, the name, and value.AppendBinary.
const factsMagic = "QFA1"

// EncodeFacts gives the wire form. There is one for all facts that are equal.
func EncodeFacts(f Facts) []byte {
	b := binary.AppendUvarint([]byte(factsMagic), uint64(len(f)))
	for _, name := range slices.Sorted(maps.Keys(f)) {
		b = append(binary.AppendUvarint(b, uint64(len(name))), name...)
		b = value.AppendBinary(b, f[name])
	}
	return b
}

// DecodeFacts reads the wire form. The error wraps ErrMalformed.
func DecodeFacts(b []byte) (Facts, error) {
	rest, ok := strings.CutPrefix(string(b[:min(len(b), MaxFacts+1)]), factsMagic)
	if !ok || len(b) > MaxFacts {
		return nil, fmt.Errorf("%w: facts of %d bytes that do not begin with %s", ErrMalformed, len(b), factsMagic)
	}
	d := decoder{rest: []byte(rest)}
	n, err := d.length(maxFacts)
	if err != nil {
		return nil, fmt.Errorf("%w: facts: %w", ErrMalformed, err)
	}
	f, last := Facts{}, ""
	for i := range n {
		size, err := d.length(maxFactName)
		if err != nil || size > len(d.rest) {
			return nil, fmt.Errorf("%w: fact %d: the name: %w", ErrMalformed, i, errShort)
		}
		name := string(d.rest[:size])
		if i > 0 && name <= last {
			return nil, fmt.Errorf("%w: fact %.40q follows %.40q", ErrMalformed, name, last)
		}
		v, rest, err := value.DecodeBinary(d.rest[size:])
		if err != nil {
			return nil, fmt.Errorf("%w: fact %.40q: %w", ErrMalformed, name, err)
		}
		f[name], d.rest, last = v, rest, name
	}
	if len(d.rest) > 0 {
		return nil, fmt.Errorf("%w: %d bytes follow the facts", ErrMalformed, len(d.rest))
	}
	return f, nil
}

// length reads a varint that is at most limit.
func (d *decoder) length(limit int) (int, error) {
	n, size := binary.Uvarint(d.rest)
	switch {
	case size <= 0:
		return 0, errShort
	case len(binary.AppendUvarint(nil, n)) != size:
		return 0, errCanonical
	case n > uint64(limit):
		return 0, errNodes
	}
	d.rest = d.rest[size:]
	return int(n), nil
}

// KnownAlways says whether a fact that a host does not state is not there, and
// not merely unknown: its tags and what its cloud says of it.
func KnownAlways(fact string) bool {
	return strings.HasPrefix(fact, "tags.") || strings.HasPrefix(fact, "cloud.")
}

// Meets says whether the plan's target is true of a host with these facts.
// What is said of a fact that is not known is unknown. The error wraps
// ErrInvalid where the target speaks of more than facts.
func (p *Plan) Meets(f Facts, now time.Time) (value.Truth, error) {
	if p.Target == nil {
		return value.True, nil
	}
	out := make([]value.Value, len(p.Facts))
	var unknown []int
	for i, name := range p.Facts {
		v, ok := f[name]
		if out[i] = v; !ok && !KnownAlways(name) {
			unknown = append(unknown, i)
		}
	}
	v, err := p.Target.Eval(factEnv{Given{Out: out, Now: now}})
	if err != nil {
		return value.Unknown, err
	}
	if len(unknown) > 0 && mistakes(p.Target, unknown) {
		return value.Unknown, nil
	}
	return value.FromValue(v), nil
}

// mistakes says whether an expression would take a fact that is not known for
// one that is null: IS NULL and functions do, comparisons do not.
func mistakes(target Expr, unknown []int) bool {
	found := false
	Walk(target, func(e Expr) {
		switch e.(type) {
		case *IsNull, *Call:
			Walk(e, func(inner Expr) {
				out, ok := inner.(*Out)
				found = found || ok && slices.Contains(unknown, out.Index)
			})
		}
	})
	return found
}

// A factEnv is what a target sees: facts alone.
type factEnv struct{ given Given }

// Given is the facts and the time.
func (e factEnv) Given() Given { return e.given }

var errNotAFact = fmt.Errorf("%w: a target speaks of facts alone", ErrInvalid)

// Column refuses: a target has no rows. So do Ask, Missing and InSub.
func (factEnv) Column(int, int) (value.Value, error) { return value.Value{}, errNotAFact }

// Ask is as Column.
func (factEnv) Ask(int, int) (value.Value, error) { return value.Value{}, errNotAFact }

// Missing is as Column.
func (factEnv) Missing(int) (value.Truth, error) { return value.Unknown, errNotAFact }

// InSub is as Column.
func (factEnv) InSub(int, []value.Value) (value.Truth, error) { return value.Unknown, errNotAFact }
