package rounds

import (
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// A Shape says what the columns of a table are to a comparison.
type Shape struct {
	Key   []int // those that say which thing a row is about; nil: all together
	Place int   // the one that says where it lies, as skips do; negative: none
}

// None is the shape of rows of which nothing is known.
func None() Shape { return Shape{Place: -1} }

// Shapes gives those of a plan's tables, by their outputs. Schema gives what a
// module says of itself.
func Shapes(p *plan.Plan, schema func(module string) (*modules.Schema, bool)) []Shape {
	shapes := make([]Shape, len(p.Tables))
	for i, t := range p.Tables {
		shapes[i] = shapeOf(t, schema)
		if len(p.Tables) > 1 || len(p.Subs) > 0 {
			shapes[i].Place = -1 // whether a row is there hangs on other places, too
		}
	}
	return shapes
}

func shapeOf(t *plan.Table, schema func(string) (*modules.Schema, bool)) Shape {
	s := None()
	if t.Group != nil {
		for i, o := range t.Outputs {
			if out, ok := o.Expr.(*plan.Out); ok && out.Index < len(t.Group.Keys) {
				s.Key = append(s.Key, i)
			}
		}
		if len(s.Key) < len(t.Group.Keys) {
			s.Key = nil
		}
		return s
	}
	if len(t.Slots) == 0 {
		return s
	}
	sch, ok := schema(t.Slots[0].Module)
	if !ok {
		return s
	}
	if i := output(t, sch.Key); i >= 0 {
		s.Key = []int{i}
	}
	if t.Limit < 0 && len(t.Slots) == 1 {
		s.Place = output(t, sch.Locator.Column)
	}
	return s
}

// output finds the output that is a column of the first slot as it is.
func output(t *plan.Table, column string) int {
	return slices.IndexFunc(t.Outputs, func(o plan.Output) bool {
		col, ok := o.Expr.(*plan.Col)
		return ok && column != "" && col.Slot == 0 && col.Index < len(t.Slots[0].Columns) && t.Slots[0].Columns[col.Index] == column
	})
}

// Behind gives the shape of the same table with columns before its own, of
// which some belong to the key.
func (s Shape) Behind(columns int, key ...int) Shape {
	out := Shape{Place: s.Place}
	if s.Key != nil {
		out.Key = slices.Clone(key)
		for _, k := range s.Key {
			out.Key = append(out.Key, k+columns)
		}
	}
	if s.Place >= 0 {
		out.Place += columns
	}
	return out
}

// identity gives which thing a row is about; false: only the whole row says.
func (s Shape) identity(table int, values []value.Value) (string, bool) {
	if s.Key == nil {
		return "", false
	}
	key := make([]value.Value, len(s.Key))
	for i, k := range s.Key {
		if k >= len(values) || values[k].IsNull() {
			return "", false
		}
		key[i] = values[k]
	}
	return encode(table, key), true
}

// shownValues is how many values stand for a row without a place.
const shownValues = 3

// at names a row for people.
func (s Shape) at(values []value.Value) string {
	if s.Place >= 0 && s.Place < len(values) {
		return values[s.Place].String()
	}
	var parts []string
	for _, v := range values[:min(len(values), shownValues)] {
		parts = append(parts, v.String())
	}
	return strings.Join(parts, " ")
}

// Gone says whether a row that is not there any more is gone from a host that
// gave this account: whether the host has looked at its place. Where it left
// out more than it names, or stopped early, nobody knows.
func (s Shape) Gone(values []value.Value, sum answer.Summary) bool {
	switch {
	case sum.Outcome == answer.Complete:
		return true
	case sum.Outcome != answer.Partial || len(sum.Limits) > 0 || sum.Reason != answer.NotLookedAt:
		return false
	case s.Place < 0 || s.Place >= len(values) || values[s.Place].IsNull():
		return false
	}
	place := values[s.Place].RawText()
	for _, k := range sum.Skipped {
		if k.Kind.Informative() {
			continue
		}
		if k.Count > int64(len(k.First)) {
			return false
		}
		for _, f := range k.First {
			// A prefix without its separator makes more rows unknown, none less.
			if strings.HasPrefix(place, f.Where) {
				return false
			}
		}
	}
	return true
}
