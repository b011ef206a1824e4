package plan_test

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

func TestFactsRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := plan.Facts{}
		for name, n := range rapid.MapOf(rapid.String(), rapid.Int64()).Draw(rt, "facts") {
			if len(name) <= 300 {
				f[name] = value.NewInt(n)
			}
		}
		wire := plan.EncodeFacts(f)
		got, err := plan.DecodeFacts(wire)
		if err != nil || !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(f))) {
			rt.Fatalf("%v: %v, %v", f, got, err)
		}
		if !bytes.Equal(plan.EncodeFacts(got), wire) {
			rt.Fatal("two encodings of the same facts")
		}
		if _, err := plan.DecodeFacts(wire[:rapid.IntRange(0, len(wire)-1).Draw(rt, "cut")]); !errors.Is(err, plan.ErrMalformed) {
			rt.Fatal("cut:", err)
		}
		if _, err := plan.DecodeFacts(append(wire, 0)); !errors.Is(err, plan.ErrMalformed) {
			rt.Fatal("longer:", err)
		}
	})
}

// What is not known is not taken for what is not there.
func TestMeets(t *testing.T) {
	out := func(i int, name string) plan.Expr { return &plan.Out{Index: i, Name: name} }
	is := func(i int, name, text string) plan.Expr {
		return &plan.Cmp{Op: plan.Eq, X: out(i, name), Y: &plan.Const{Value: value.NewText(text)}}
	}
	null := func(i int, name string) plan.Expr { return &plan.IsNull{X: out(i, name)} }
	facts := plan.Facts{"os": value.NewText("linux"), "container": value.Value{}}
	for _, c := range []struct {
		what   string
		names  []string
		target plan.Expr
		want   value.Truth
	}{
		{"no target", nil, nil, value.True},
		{"os = linux", []string{"os"}, is(0, "os", "linux"), value.True},
		{"os = windows", []string{"os"}, is(0, "os", "windows"), value.False},
		{"NOT os = windows", []string{"os"}, &plan.Not{X: is(0, "os", "windows")}, value.True},
		{"a fact that is null", []string{"container"}, null(0, "container"), value.True},
		{"a fact that is not known", []string{"moon"}, is(0, "moon", "full"), value.Unknown},
		{"a fact that is not known, as null", []string{"moon"}, null(0, "moon"), value.Unknown},
		{"and what decides alone", []string{"os", "moon"}, &plan.And{Xs: []plan.Expr{is(0, "os", "windows"), is(1, "moon", "full")}}, value.False},
		{"a tag that is not there", []string{"tags.team"}, null(0, "tags.team"), value.True},
	} {
		p := &plan.Plan{Source: "fleet", Target: c.target, Facts: c.names, Tables: []*plan.Table{{Name: "r", Slots: []*plan.Slot{{Module: "r", Alias: "r"}}, Limit: -1}}}
		if err := p.Prepare(); err != nil {
			t.Fatal(c.what, err)
		}
		if got, err := p.Meets(facts, time.Now()); got != c.want || err != nil {
			t.Errorf("%s: %s, %v; want %s", c.what, got, err, c.want)
		}
	}
	rows := &plan.Plan{Target: &plan.Col{}}
	if _, err := rows.Meets(facts, time.Now()); !errors.Is(err, plan.ErrInvalid) {
		t.Errorf("a target that speaks of rows: %v", err)
	}
}

func FuzzDecodeFacts(f *testing.F) {
	f.Add(plan.EncodeFacts(plan.Facts{"os": value.NewText("linux"), "cpus": value.NewInt(2)}))
	f.Fuzz(func(t *testing.T, b []byte) {
		facts, err := plan.DecodeFacts(b)
		if err != nil {
			if !errors.Is(err, plan.ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(plan.EncodeFacts(facts), b) {
			t.Fatal("two encodings of the same facts")
		}
	})
}
