package answer_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// A record is a row or a summary, as a test keeps it.
type record struct {
	table  int
	values []string
	sum    *answer.Summary
}

func decodeAll(b []byte) ([]record, error) {
	var all []record
	err := answer.Decode(b, func(table int, values []value.Value) error {
		r := record{table: table}
		for _, v := range values {
			r.values = append(r.values, v.Type().String()+" "+v.Literal())
		}
		all = append(all, r)
		return nil
	}, func(s answer.Summary) error {
		all = append(all, record{sum: &s})
		return nil
	})
	return all, err
}

func anyValue(t *rapid.T) value.Value {
	return rapid.OneOf(
		rapid.Just(value.Value{}),
		rapid.Map(rapid.Int64(), value.NewInt),
		rapid.Map(rapid.String(), value.NewText),
		rapid.Map(rapid.SliceOf(rapid.Byte()), value.NewBytes),
		rapid.Map(rapid.Bool(), value.NewBool),
	).Draw(t, "value")
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var wire []byte
		var want []record
		for range rapid.IntRange(0, 20).Draw(rt, "records") {
			r := record{table: rapid.IntRange(-1, 5).Draw(rt, "table")}
			var values []value.Value
			for range rapid.IntRange(0, 6).Draw(rt, "columns") {
				v := anyValue(rt)
				values = append(values, v)
				r.values = append(r.values, v.Type().String()+" "+v.Literal())
			}
			wire = answer.AppendRow(wire, r.table, values)
			want = append(want, r)
		}
		sum := answer.Summary{
			Outcome: answer.Outcome(rapid.IntRange(1, 4).Draw(rt, "outcome")), Reason: rapid.String().Draw(rt, "reason"),
			Looked: map[string]int64{"files": rapid.Int64Min(0).Draw(rt, "files")}, Matched: int64(len(want)),
			Skipped: []answer.Skipped{{Kind: modules.SkipPermission, Count: 3, First: []modules.Skip{{Kind: modules.SkipPermission, Where: "/root"}}}},
			Limits:  []string{"rows"},
		}
		sum.Reason = strings.ToValidUTF8(sum.Reason, "?")
		wire = answer.AppendSummary(wire, sum)
		want = append(want, record{sum: &sum})
		got, err := decodeAll(wire)
		if err != nil || !reflect.DeepEqual(got, want) {
			rt.Fatalf("%v\ngot  %+v\nwant %+v", err, got, want)
		}
		// Whatever is cut off is missed, or was a whole record.
		cut := rapid.IntRange(0, len(wire)-1).Draw(rt, "cut")
		if got, err := decodeAll(wire[:cut]); err == nil && len(got) >= len(want) {
			rt.Fatalf("%d of %d bytes gave %d records", cut, len(wire), len(got))
		}
	})
}

// A summary names fewer skips where all do not fit, and counts all.
func TestLongSummary(t *testing.T) {
	s := answer.Summary{Outcome: answer.Partial, Skipped: []answer.Skipped{{Kind: modules.SkipIO, Count: 5000}}}
	for range 5000 {
		s.Skipped[0].First = append(s.Skipped[0].First, modules.Skip{Kind: modules.SkipIO, Where: strings.Repeat("x", 400)})
	}
	got, err := decodeAll(answer.AppendSummary(nil, s))
	if err != nil || len(got) != 1 {
		t.Fatal(err)
	}
	if skip := got[0].sum.Skipped[0]; skip.Count != 5000 || len(skip.First) == 0 || len(skip.First) >= 5000 {
		t.Errorf("%d counted, %d named", skip.Count, len(skip.First))
	}
}

func TestMalformed(t *testing.T) {
	for name, b := range map[string][]byte{
		"kind":            {9},
		"table":           {1},
		"columns":         {1, 0, 0xff, 0xff, 0xff, 0x7f},
		"value":           {1, 0, 1, 0xee},
		"summary length":  {2, 200},
		"summary":         append([]byte{2, 3}, "{}}"...),
		"unknown outcome": append([]byte{2, 19}, `{"outcome":"superb"}`...),
	} {
		if _, err := decodeAll(b); !errors.Is(err, answer.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(answer.AppendSummary(answer.AppendRow(nil, 0, []value.Value{value.NewInt(1), value.NewText("x")}), answer.Summary{Outcome: answer.Complete}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := decodeAll(b); err != nil && !errors.Is(err, answer.ErrMalformed) {
			t.Fatal(err)
		}
	})
}
