package plan

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/value"
)

// row is an Env whose columns are given.
type row []value.Value

func (r row) Column(_, i int) (value.Value, error)        { return r[i], nil }
func (row) Ask(int, int) (value.Value, error)             { return value.Value{}, nil }
func (row) Missing(int) (value.Truth, error)              { return value.Unknown, nil }
func (row) InSub(int, []value.Value) (value.Truth, error) { return value.Unknown, nil }
func (row) Given() Given                                  { return Given{} }

// TestSetsAgreeWithComparing: IN a list is what comparing with each of its
// members gives, whatever the types, nulls and case.
func TestSetsAgreeWithComparing(t *testing.T) {
	kinds := map[string][]value.Value{
		"number":  {value.NewInt(1), value.NewFloat(1), value.NewFloat(1.5), value.NewSize(2), value.NewInt(-1)},
		"text":    {value.NewText("k"), value.NewText("K"), value.NewText("\u212a"), value.NewText("s"), value.NewText("ſ"), value.NewText("ß"), value.NewText("\xff"), value.NewText("ς"), value.NewText("Σ"), value.NewText("\ufffd")},
		"version": {value.NewVersion("1.0", value.AnyScheme), value.NewVersion("1.0", value.Dpkg), value.NewVersion("1.0~1", value.Dpkg), value.NewVersion("1.0", value.RPM)},
		"hash":    {value.NewHash([]byte{1, 2}), value.NewHash([]byte{1, 3}), value.NewText("0102")},
	}
	names := []string{"number", "text", "version", "hash"}
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.IntRange(1, 2).Draw(t, "width")
		set := &Set{Width: width, Fold: rapid.Bool().Draw(t, "fold")}
		var columns [][]value.Value
		for range width {
			columns = append(columns, kinds[rapid.SampledFrom(names).Draw(t, "kind")])
		}
		for range rapid.IntRange(1, 3).Draw(t, "tuples") {
			for _, c := range columns {
				// A hash meets hashes: the planner has typed what is text.
				v := rapid.SampledFrom(c).Filter(func(v value.Value) bool { return v.Type() == c[0].Type() || v.Type() != value.Text }).Draw(t, "member")
				set.Values = append(set.Values, v)
			}
		}
		var r row
		in := &InSet{}
		for i, c := range columns {
			v := value.Value{}
			if rapid.IntRange(0, 3).Draw(t, "null") > 0 {
				v = rapid.SampledFrom(c).Filter(func(v value.Value) bool { return v.Type() == c[0].Type() || v.Type() != value.Text }).Draw(t, "value")
			}
			r, in.Xs = append(r, v), append(in.Xs, &Col{Index: i})
		}
		p := &Plan{Sets: []*Set{set}, Tables: []*Table{{Slots: []*Slot{{Columns: []string{"a", "b"}}}, Where: in}}}
		if err := p.Prepare(); err != nil {
			t.Fatal(err)
		}
		got, err := Holds(in, r)
		or := &Or{}
		for i := 0; i < len(set.Values); i += width {
			and := &And{}
			for k := range width {
				and.Xs = append(and.Xs, &Cmp{Op: Eq, X: in.Xs[k], Y: &Const{set.Values[i+k]}, Fold: set.Fold})
			}
			or.Xs = append(or.Xs, and)
		}
		want, _ := Holds(or, r)
		if got != want || err != nil {
			t.Fatalf("%v among %v, fold %v: %v, %v; comparing gives %v", r, set.Values, set.Fold, got, err, want)
		}
	})
}
