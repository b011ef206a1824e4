package plan

import (
	"encoding/json"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/value"
)

// in_cidr of a list asks for some address in it; what is no address is none.
func TestInCIDRList(t *testing.T) {
	net := value.NewCIDR(netip.MustParsePrefix("10.0.0.0/8"))
	in, out := value.NewIP(netip.MustParseAddr("::ffff:10.1.2.3")), value.NewIP(netip.MustParseAddr("192.168.0.1"))
	for _, c := range [...]struct {
		list []value.Value
		want bool
	}{{nil, false}, {[]value.Value{out}, false}, {[]value.Value{out, {}, in}, true}} {
		if got := inCIDR([]value.Value{value.NewList(c.list), net}).Bool(); got != c.want {
			t.Errorf("%v: %v", c.list, got)
		}
	}
	if _, err := inCIDRType([]value.Type{value.List, value.CIDR}); err != nil {
		t.Error(err)
	}
	if _, err := inCIDRType([]value.Type{value.Text, value.CIDR}); err == nil {
		t.Error("a text is taken for an address")
	}
}

func TestField(t *testing.T) {
	text := value.NewText
	for _, c := range [...]struct {
		json string
		path []value.Value
		want value.Value
	}{
		{`{"a": "x\u00e9"}`, []value.Value{text("a")}, text("xé")},
		{`{"a": 12345678901234567890, "a": 2.50}`, []value.Value{text("a")}, text("2.50")},
		{`{"a": true}`, []value.Value{text("a")}, text("true")},
		{`{"a": null}`, []value.Value{text("a")}, value.Value{}},
		{`{"a": 1}`, []value.Value{text("A")}, value.Value{}},
		{`{"a": [ 1, {"b": []} ]}`, []value.Value{text("a"), value.NewInt(1)}, text(`{"b": []}`)},
		{`[1]`, []value.Value{value.NewInt(1)}, value.Value{}},
		{`[1]`, []value.Value{value.NewInt(-1)}, value.Value{}},
		{`[1]`, []value.Value{text("0")}, value.Value{}},
		{`{"a": {"b": 1}`, []value.Value{text("a")}, value.Value{}},
		{`what`, []value.Value{text("a")}, value.Value{}},
		{``, []value.Value{text("a")}, value.Value{}},
	} {
		if got := field(append([]value.Value{text(c.json)}, c.path...)); value.Order(got, c.want) != 0 {
			t.Errorf("%s %v: %v, not %v", c.json, c.path, got, c.want)
		}
	}
}

func TestCounts(t *testing.T) {
	for _, c := range [...]struct {
		of   string
		arg  []value.Value
		want string
	}{
		{"int", []value.Value{value.NewText(" -7 ")}, "-7"},
		{"int", []value.Value{value.NewText("1e3")}, "1000"},
		{"int", []value.Value{value.NewText("1.5")}, "null"},
		{"int", []value.Value{value.NewFloat(-2)}, "-2"},
		{"int", []value.Value{value.NewFloat(1e300)}, "null"},
		{"unix_time", []value.Value{value.NewInt(-1), value.NewInt(1000)}, "1969-12-31T23:59:59.999Z"},
		{"unix_time", []value.Value{value.NewText("1795430640000001"), value.NewInt(1e6)}, "2026-11-23T10:44:00.000001Z"},
		{"unix_time", []value.Value{value.NewInt(7), value.NewInt(0)}, "null"},
		{"unix_time", []value.Value{value.NewInt(0)}, "null"},
		{"unix_time", []value.Value{value.NewInt(1 << 62)}, "null"},
		{"unix_time", []value.Value{value.NewText("yesterday")}, "null"},
		{"cocoa_time", []value.Value{value.NewText("-0.5")}, "2000-12-31T23:59:59.5Z"},
		{"cocoa_time", []value.Value{value.NewFloat(1e300)}, "null"},
		{"windows_time", []value.Value{value.NewInt(1)}, "1601-01-01T00:00:00.0000001Z"},
		{"webkit_time", []value.Value{value.NewInt(-1)}, "1600-12-31T23:59:59.999999Z"},
	} {
		f, _ := FuncByName(c.of)
		if got := f.Eval(c.arg).String(); got != c.want && !(got == "" && c.want == "null") {
			t.Errorf("%s(%v): %s, not %s", c.of, c.arg, got, c.want)
		}
	}
}

// What field finds by passing over the rest is what a decoder finds.
func FuzzField(f *testing.F) {
	f.Add(`{"a": [1, {"b": "}\"]"}, []], "a\u0062": {"c": null}, "": -1.5e3}`, "ab")
	f.Add(" [ true , [ ] , {} ] ", "a")
	f.Fuzz(func(t *testing.T, doc, name string) {
		var members map[string]json.RawMessage
		var list []json.RawMessage
		want, inList := "", ""
		if json.Unmarshal([]byte(doc), &members) == nil {
			want = string(members[name])
		}
		if json.Unmarshal([]byte(doc), &list) == nil && len(list) > 1 {
			inList = string(list[1])
		}
		for _, c := range []struct {
			arg  value.Value
			want string
		}{{value.NewText(name), want}, {value.NewInt(1), inList}} {
			got, text := field([]value.Value{value.NewText(doc), c.arg}), c.want
			if json.Unmarshal([]byte(c.want), &text) != nil {
				text = c.want
			}
			if null := c.want == "" || c.want == "null"; got.IsNull() != null || !null && got.Text() != text {
				t.Errorf("%q %v: %v, not %q", doc, c.arg, got, c.want)
			}
		}
	})
}

// What overflows has no value, and nothing is computed around the corner.
func TestBorders(t *testing.T) {
	least, long := value.NewInt(math.MinInt64), value.NewText(strings.Repeat("x", maxText))
	at := func(text string) value.Value {
		v, err := value.Convert(value.NewText(text), value.Time, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range [...]struct {
		of   string
		args []value.Value
		want value.Value
	}{
		{"neg", []value.Value{least}, value.Value{}},
		{"neg", []value.Value{value.NewSize(math.MinInt64)}, value.Value{}},
		{"neg", []value.Value{value.NewDuration(math.MinInt64)}, value.Value{}},
		{"neg", []value.Value{value.NewInt(math.MaxInt64)}, value.NewInt(-math.MaxInt64)},
		{"truncate", []value.Value{at("9999-12-31T23:59:59.123456789Z"), value.NewDuration(time.Millisecond)}, at("9999-12-31T23:59:59.123Z")},
		{"truncate", []value.Value{at("1601-01-01T00:00:00.0019Z"), value.NewDuration(time.Millisecond)}, at("1601-01-01T00:00:00.001Z")},
		{"truncate", []value.Value{at("1969-12-31T23:59:59.9Z"), value.NewDuration(1500 * time.Millisecond)}, at("1969-12-31T23:59:58.5Z")},
		{"truncate", []value.Value{at("1969-12-31T01:00:00Z"), value.NewDuration(24 * time.Hour)}, at("1969-12-31")},
		{"concat", []value.Value{long, value.NewText("x")}, value.Value{}},
		{"+", []value.Value{long, value.NewText("x")}, value.Value{}},
		{"+", []value.Value{value.NewText("a"), value.NewText("b")}, value.NewText("ab")},
		{"split", []value.Value{long, value.NewText("")}, value.Value{}},
	} {
		f, _ := FuncByName(c.of)
		if got := f.Eval(c.args); value.Order(got, c.want) != 0 {
			t.Errorf("%s of %.40v: %.40v, not %v", c.of, c.args, got, c.want)
		}
	}
}
