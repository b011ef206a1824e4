package value

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"
)

func TestValueIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(Value{}); n > 48 {
		t.Errorf("a Value has %d bytes", n)
	}
}

func TestForms(t *testing.T) {
	want := map[Type][3]string{
		Null: {``, `null`, `null`}, Text: {`a"\\n\u202e\xff`, `"a\"\\\n\u202e\xff"`, `"a\"\\\n\u202e\udcff"`},
		Bytes: {`4d5a`, `x"4d5a"`, `"TVo="`}, Int: {`-7`, `-7`, `-7`}, Float: {`2`, `2.0`, `2`}, Bool: {`true`, `true`, `true`},
		Size: {`4KiB`, `4KiB`, `4096`}, Duration: {`1h30m`, `1h30m`, `5400`},
		Time: {`2026-11-23T08:00:00.5Z`, `2026-11-23T08:00:00.5Z`, `"2026-11-23T08:00:00.5Z"`},
		IP:   {`fe80::1%eth0`, `fe80::1%eth0`, `"fe80::1%eth0"`}, CIDR: {`10.0.0.0/8`, `10.0.0.0/8`, `"10.0.0.0/8"`},
		Hash:    {`30313233343536373839616263646566`, `"30313233343536373839616263646566"`, `"30313233343536373839616263646566"`},
		Version: {`1.2-3`, `"1.2-3"`, `"1.2-3"`}, Mode: {`-rwsr-xr-x`, `"0104755"`, `"-rwsr-xr-x"`},
		List: {`[1, , x]`, `(1, null, "x")`, `[1,null,"x"]`},
	}
	vs := sample(t)
	if len(vs) != typeCount || len(want) != typeCount {
		t.Fatal("a type is missing")
	}
	for typ, v := range vs {
		got := [3]string{v.String(), v.Literal(), string(AppendJSON(nil, v))}
		if v.Type() != typ || got != want[typ] {
			t.Errorf("%v: got %q, want %q", typ, got, want[typ])
		}
	}
}

func TestAccessorsOfWrongType(t *testing.T) {
	for typ, v := range sample(t) {
		got := map[Type]bool{
			Text: v.Text() != "", Bytes: v.Bytes() != nil, Duration: v.Duration() != 0, Time: !v.Time().IsZero(),
			IP: v.IP().IsValid(), CIDR: v.CIDR().IsValid(), Hash: v.Hash() != nil, List: v.List() != nil, Bool: v.Bool(), Int: v.Int() != 0,
		}
		for a, set := range got {
			related := a == typ || a == Text && typ == Version || a == Bytes && typ == Text || a == Int && (typ == Size || typ == Mode || typ == Bool)
			if set != related {
				t.Errorf("the %v accessor of a %v: set is %t", a, typ, set)
			}
		}
		if p, ok := ParseType(typ.String()); !ok || p != typ {
			t.Errorf("ParseType(%q) = %v", typ, p)
		}
	}
}

func TestTimeBounds(t *testing.T) {
	for _, s := range []string{"0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z"} {
		m, _ := time.Parse(time.RFC3339Nano, s)
		if v := NewTime(m); v.String() != s || !v.Time().Equal(m) {
			t.Errorf("%s became %s", s, v)
		}
	}
	if !NewTime(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)).IsNull() || !NewTime(time.Date(0, 12, 31, 0, 0, 0, 0, time.UTC)).IsNull() {
		t.Error("a time outside the years 1 to 9999 is not Null")
	}
}

func TestCloneOwnsItsMemory(t *testing.T) {
	buf := []byte("abc")
	view := NewText(unsafe.String(&buf[0], len(buf)))
	list := NewList([]Value{view})
	c, cl := view.Clone(), list.Clone()
	buf[0] = 'X'
	if c.Text() != "abc" || cl.List()[0].Text() != "abc" || view.Text() != "Xbc" {
		t.Errorf("clone %s, list %s, view %s", c, cl, view)
	}
}

func TestListDepth(t *testing.T) {
	v := NewInt(1)
	for range MaxListDepth {
		v = NewList([]Value{v})
	}
	if v.IsNull() || !NewList([]Value{v}).IsNull() {
		t.Error("the depth of lists is not bounded where it should be")
	}
	if got, _, err := DecodeBinary(AppendBinary(nil, v)); err != nil || got.String() != v.String() {
		t.Errorf("deepest list: %v, %v", got, err)
	}
}

func TestEscapesHideNothing(t *testing.T) {
	for _, r := range []rune{0, 7, 0x1b, 0x7f, 0x85, 0x9b, 0xa0, 0xad, 0x200b, 0x200d, 0x202e, 0x2066, 0x2028, 0x3164, 0xfe0f, 0xfeff, 0xe0041} {
		s := NewText("a" + string(r) + "b")
		for _, form := range []string{s.String(), s.Literal(), string(AppendJSON(nil, s)), NewList([]Value{s}).String()} {
			for _, got := range form {
				if got == r {
					t.Errorf("%U stands in %q", r, form)
				}
			}
		}
	}
	if s := NewText(`C:\Wörk 日本`).String(); s != `C:\Wörk 日本` {
		t.Errorf("plain text became %s", s)
	}
	rapid.Check(t, func(t *rapid.T) {
		v := values().Draw(t, "v")
		for _, form := range []string{v.String(), v.Literal(), string(AppendJSON(nil, v))} {
			for _, r := range form {
				if r < ' ' || r == 0x7f {
					t.Fatalf("%q holds a control character", form)
				}
			}
		}
	})
}

func TestJSONIsValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := values().Draw(t, "v")
		j := AppendJSON(nil, v)
		if !json.Valid(j) {
			t.Fatalf("%s", j)
		}
		if v.Type() == Text && NewText(v.Text()).String() == v.Text() {
			var s string
			if err := json.Unmarshal(j, &s); err != nil || s != v.Text() {
				t.Fatalf("%s reads as %q, %v", j, s, err)
			}
		}
	})
	for d, want := range map[time.Duration]string{1500 * time.Millisecond: "1.5", -1: "-0.000000001", -1 << 63: "-9223372036.854775808"} {
		if got := string(AppendJSON(nil, NewDuration(d))); got != want {
			t.Errorf("%v is %s in JSON, want %s", d, got, want)
		}
	}
}

func TestTruthTables(t *testing.T) {
	all := []Truth{Unknown, False, True}
	and := [3][3]Truth{{Unknown, False, Unknown}, {False, False, False}, {Unknown, False, True}}
	or := [3][3]Truth{{Unknown, Unknown, True}, {Unknown, False, True}, {True, True, True}}
	for i, a := range all {
		for j, b := range all {
			if a.And(b) != and[i][j] || a.Or(b) != or[i][j] {
				t.Errorf("%v, %v: and %v, or %v", a, b, a.And(b), a.Or(b))
			}
		}
		if FromValue(a.Value()) != a || a.Not().Not() != a {
			t.Errorf("%v does not come back", a)
		}
	}
	if True.Not() != False || Unknown.Not() != Unknown || FromValue(NewInt(1)) != Unknown {
		t.Error("not")
	}
}

func TestMappedZone(t *testing.T) {
	v := NewIP(netip.MustParseAddr("::ffff:1.2.3.4").WithZone("eth0"))
	if v.IP().Zone() != "" {
		t.Errorf("got %s", v)
	}
}
