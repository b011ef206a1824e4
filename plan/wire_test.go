package plan

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/value"
)

// sample is a plan with every kind of node in it.
func sample() *Plan {
	col := &Col{Slot: 0, Index: 0, Name: "path"}
	f, _ := FuncByName("lower")
	return &Plan{
		Query: `FIND file /etc/**`, Source: "local", Hosts: []string{"a"},
		Target: &Cmp{Op: Eq, X: &Out{Index: 0, Name: "os"}, Y: &Const{Value: value.NewText("linux")}},
		Facts:  []string{"os"},
		Tables: []*Table{{
			Name: "file",
			Slots: []*Slot{{
				Module: "file", Alias: "f", Columns: []string{"path", "size"}, Locators: []string{"/etc/**"},
				Filter: &And{Xs: []Expr{
					&Match{Op: Glob, X: col, Patterns: []string{"*.conf"}},
					&Match{Op: StartsWith, X: col, Dynamic: col, Fold: true},
					&Not{X: &Between{X: &Col{Slot: 0, Index: 1, Name: "size"}, Low: &Const{Value: value.NewSize(1)}, High: &Const{Value: value.NewSize(2)}}},
					&Or{Xs: []Expr{&Ask{Question: 0, Name: "x"}, &IsNull{X: col}}},
					&InSet{Xs: []Expr{col}, Set: 0, Name: "@x"},
				}},
				Questions: []Question{
					{Kind: Contains, Literal: [][]byte{[]byte("x")}, Show: true, Text: "x"},
					{Kind: LineTest, Lines: EveryLine, Test: &Not{X: &IsNull{X: &Out{Name: "line"}}}},
				},
			}, {Module: "file", Key: col, Link: true, Columns: []string{"size"}}},
			Where: &And{Xs: []Expr{
				&InSub{Xs: []Expr{col}, Sub: 0},
				&IsMissing{Key: col, Slot: 1, Name: "path"},
				&Cmp{Op: Lt, X: &Now{}, Y: &Const{Value: value.NewTime(time.Unix(5, 6).UTC())}},
			}},
			Group:   &Group{Keys: []Expr{NewCall(f, col)}, Aggs: []Agg{{Func: AggCount}, {Func: AggList, Arg: col, N: 3}}},
			Outputs: []Output{{Name: "n", Type: value.Int, Expr: &Out{Index: 1, Name: "count()"}}},
			Order:   []OrderKey{{Expr: &Out{Index: 0}, Desc: true}},
			Limit:   -1,
		}},
		Subs:   []*Table{{Name: "s", Slots: []*Slot{{Module: "file", Columns: []string{"path"}}}, Outputs: []Output{{Name: "path", Type: value.Text, Expr: &Col{Name: "path"}}}, Limit: 7}},
		Sets:   []*Set{{Name: "@x", Width: 1, Values: []value.Value{value.NewText("/etc/passwd")}}},
		Limits: Limits{Timeout: time.Minute, Depth: -1, Archives: true},
	}
}

func TestRoundTrip(t *testing.T) {
	roundTrip(t, sample())
}

// A plan that stands is of version 2, which who knows version 1 alone does not
// take for a plan; every other is what it was.
func TestStandingPlan(t *testing.T) {
	once, standing := sample(), sample()
	standing.Every = time.Hour
	roundTrip(t, standing)
	first, second := once.Encode(), standing.Encode()
	if string(first[:4]) != "QPL1" || string(second[:4]) != "QPL2" || !bytes.HasPrefix(second[4:], first[4:]) {
		t.Errorf("%.8q and %.8q", first, second)
	}
	// A period of 0 behind it is another encoding of the same plan.
	if _, err := Decode(append([]byte("QPL2"), append(bytes.Clone(first[4:]), 0)...)); !errors.Is(err, ErrMalformed) {
		t.Errorf("a plan of version 2 that needs none: %v", err)
	}
	standing.Every = -1
	if _, err := Decode(standing.Encode()); !errors.Is(err, ErrInvalid) {
		t.Errorf("a period below 0: %v", err)
	}
}

// A plan that asks rules is of version 3, so that an agent that knows none
// refuses it.
func TestPlanWithRules(t *testing.T) {
	p := sample()
	q := &p.Tables[0].Slots[0].Questions[0]
	*q = Question{Kind: Yara, Show: true, Text: "YARA @r.yar", Rules: &Rules{
		Name: "@r.yar", Text: "rule r { condition: n > 1 }", Externals: []External{{Name: "n", Value: value.NewInt(2)}},
	}}
	roundTrip(t, p)
	wire := p.Encode()
	if string(wire[:4]) != "QPL3" {
		t.Errorf("%.8q", wire)
	}
	p.Every, p.Tables = time.Hour, p.Tables[:1]
	roundTrip(t, p)
	for _, c := range []func(){
		func() { q.Rules = nil }, func() { q.Kind, q.Rules = Contains, &Rules{} }, func() { q.Kind, q.Lines = Yara, AnyLine },
	} {
		c()
		if _, err := Decode(p.Encode()); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	standing := sample()
	standing.Every = time.Hour
	wire = standing.Encode()
	wire[3] = '3'
	if _, err := Decode(wire); !errors.Is(err, ErrMalformed) {
		t.Errorf("a plan of version 3 that needs none: %v", err)
	}
}

func roundTrip(t *testing.T, sample *Plan) {
	t.Helper()
	wire := sample.Encode()
	p, err := Decode(wire)
	if err != nil {
		t.Fatal(err)
	}
	if again := p.Encode(); !bytes.Equal(wire, again) {
		t.Errorf("a decoded plan encodes to other bytes")
	}
	if got, want := p.String(), sample.String(); got != want {
		t.Errorf("a decoded plan reads\n%s\nnot\n%s", got, want)
	}
	if len(p.Tables[0].Slots[0].Filter.(*And).Xs) != 5 {
		t.Errorf("parts of the filter were lost")
	}
}

// Every expression that implements Expr must have a tag, and every tag a
// place of its own.
func TestEveryExprHasATag(t *testing.T) {
	seen := map[reflect.Type]bool{}
	Walk(sample().Tables[0].Where, func(e Expr) { seen[reflect.TypeOf(e).Elem()] = true })
	Walk(sample().Tables[0].Slots[0].Filter, func(e Expr) { seen[reflect.TypeOf(e).Elem()] = true })
	Walk(sample().Tables[0].Group.Keys[0], func(e Expr) { seen[reflect.TypeOf(e).Elem()] = true })
	Walk(sample().Target, func(e Expr) { seen[reflect.TypeOf(e).Elem()] = true })
	for _, typ := range exprTags[1:] {
		if !seen[typ] {
			t.Errorf("the sample has no %s", typ)
		}
	}
	if len(seen) != len(exprTags)-1 {
		t.Errorf("%d kinds of expression and %d tags", len(seen), len(exprTags)-1)
	}
}

func TestDecodeRefuses(t *testing.T) {
	wire := sample().Encode()
	for name, b := range map[string][]byte{
		"nothing":          nil,
		"another magic":    append([]byte("QPL2"), wire[4:]...),
		"bytes left over":  append(bytes.Clone(wire), 0),
		"a longer varint":  append([]byte("QPL1\x80\x00"), wire[5:]...),
		"a length of 2^60": append([]byte("QPL1"), 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10),
	} {
		if _, err := Decode(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for n := range wire {
		if _, err := Decode(wire[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes are taken for a plan", n, len(wire))
		}
	}
}

// Deep nesting must be refused before the stack is gone.
func TestDecodeRefusesDepth(t *testing.T) {
	p := sample()
	e := p.Target
	for range maxPlanDepth {
		e = &Not{X: e}
	}
	p.Target = e
	if _, err := Decode(p.Encode()); !errors.Is(err, errNested) {
		t.Errorf("a plan nested %d deep: %v", maxPlanDepth, err)
	}
}

func TestPrepareRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*Plan){
		"no table":             func(p *Plan) { p.Tables = nil },
		"a slot that is not":   func(p *Plan) { p.Tables[0].Where = &Col{Slot: 9} },
		"a column":             func(p *Plan) { p.Tables[0].Where = &Col{Slot: 0, Index: 2} },
		"a question":           func(p *Plan) { p.Tables[0].Where = &Ask{Question: 2} },
		"a set":                func(p *Plan) { p.Sets = nil },
		"a subquery":           func(p *Plan) { p.Subs = nil },
		"an output":            func(p *Plan) { p.Tables[0].Order[0].Expr = &Out{Index: 3} },
		"a fact":               func(p *Plan) { p.Facts = nil },
		"a regexp":             func(p *Plan) { p.Tables[0].Where = &Match{Op: Regexp, X: &Const{}, Patterns: []string{"("}} },
		"a function":           func(p *Plan) { p.Tables[0].Where = &Call{Func: "system"} },
		"arguments":            func(p *Plan) { p.Tables[0].Where = &Call{Func: "lower"} },
		"a link first":         func(p *Plan) { p.Tables[0].Slots[0].Link = true },
		"a set of no width":    func(p *Plan) { p.Sets[0].Width = 0 },
		"a filter's column":    func(p *Plan) { p.Tables[0].Slots[0].FilterColumns = []int{5} },
		"a question's kind":    func(p *Plan) { p.Tables[0].Slots[0].Questions[0].Kind = 0 },
		"a dynamic regexp":     func(p *Plan) { p.Tables[0].Where = &Match{Op: Regexp, X: &Const{}, Dynamic: &Const{}} },
		"a slot not yet read":  func(p *Plan) { p.Tables[0].Slots[0].Filter = &Col{Slot: 1} },
		"an output of nothing": func(p *Plan) { p.Tables[0].Outputs[0].Expr = nil },
		"an order by nothing":  func(p *Plan) { p.Tables[0].Order[0].Expr = nil },
		"an aggregate of none": func(p *Plan) { p.Tables[0].Group.Aggs = []Agg{{Func: AggMax}, {Func: AggCount}} },
		"a target's subquery":  func(p *Plan) { p.Target = &InSub{Xs: []Expr{&Const{}}} },
		"a subquery of groups": func(p *Plan) { p.Source, p.Tables[0].Having = "fleet", &Not{X: &InSub{Xs: []Expr{&Out{}}}} },
		"an aggregate's kind":  func(p *Plan) { p.Tables[0].Group.Aggs = []Agg{{}, {Func: AggCount}} },
	} {
		p := sample()
		spoil(p)
		if err := p.Prepare(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := Decode(p.Encode()); err == nil {
			t.Errorf("%s: it was decoded", name)
		}
	}
}

// Whatever bit is changed, a plan is refused or is another plan that encodes
// to just those bytes.
func TestDecodeIsCanonical(t *testing.T) {
	wire := sample().Encode()
	rapid.Check(t, func(t *rapid.T) {
		b := bytes.Clone(wire)
		for range rapid.IntRange(1, 3).Draw(t, "changes") {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		if p, err := Decode(b); err == nil && !bytes.Equal(p.Encode(), b) {
			t.Fatalf("%x decodes and encodes to %x", b, p.Encode())
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(sample().Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Decode(b)
		if err != nil {
			return
		}
		if again := p.Encode(); !bytes.Equal(again, b) {
			t.Fatalf("%x encodes to %x", b, again)
		}
		_ = p.String()
	})
}

func BenchmarkWire(b *testing.B) {
	wire := sample().Encode()
	b.ReportAllocs()
	for b.Loop() {
		p, err := Decode(wire)
		if err != nil {
			b.Fatal(err)
		}
		p.Encode()
	}
}
