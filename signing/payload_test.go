package signing

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestPAE(t *testing.T) {
	// The example of DSSE's specification.
	if got := string(PAE("http://example.com/HelloWorld", []byte("hello world"))); got != "DSSEv1 29 http://example.com/HelloWorld 11 hello world" {
		t.Error(got)
	}
	if string(PAE("", nil)) != "DSSEv1 0  0 " {
		t.Error("empty")
	}
}

func TestEnvelopeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := &Envelope{PayloadType: rapid.StringMatching(`[a-z0-9/.+-]{1,128}`).Draw(t, "type"), Payload: rapid.SliceOf(rapid.Byte()).Draw(t, "payload")}
		for range rapid.IntRange(0, 4).Draw(t, "n") {
			e.Signatures = append(e.Signatures, Signature{KeyID: rapid.StringMatching(`[0-9A-F]{40}`).Draw(t, "id"), Sig: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "sig")})
		}
		b := e.Encode()
		got, err := ParseEnvelope(b)
		if err != nil || !bytes.Equal(got.Encode(), b) || !bytes.Equal(got.Payload, e.Payload) || len(got.Signatures) != len(e.Signatures) {
			t.Fatalf("%v: %s", err, b)
		}
	})
	if _, err := ParseEnvelope(make([]byte, MaxEnvelope+1)); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
}

// Most plans are read without JSON, and none is read otherwise than by it,
// whatever stands in it and whichever byte is another.
func TestPlainPlans(t *testing.T) {
	h := newHouse(t)
	b := h.plain().Encode()
	if !samePlan(t, b) {
		t.Errorf("not read: %s", b)
	}
	for i := range b {
		for _, c := range []byte("\"\\,:{}[]01aZ \n\x00\x7f\x80\xff") {
			changed := bytes.Clone(b)
			changed[i] = c
			samePlan(t, changed)
		}
		samePlan(t, b[:i])
		samePlan(t, append(bytes.Clone(b[:i]), b[i+1:]...))
	}
	text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ -~\n\t\r\x00-\x1f\x7f\x{80}\x{2028}\x{2029}\x{fffd}"\\<>&]*`))
	rapid.Check(t, func(t *rapid.T) {
		p := h.plain()
		p.Query, p.Purpose = text.Draw(t, "query"), text.Draw(t, "purpose")
		p.Modules, p.Content = rapid.SliceOf(text).Draw(t, "modules"), rapid.SliceOf(text).Draw(t, "content")
		p.Wrapped, p.Cancel = rapid.SliceOf(rapid.Byte()).Draw(t, "wrapped"), rapid.SliceOf(rapid.Byte()).Draw(t, "cancel")
		p.Expires = time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, "expires"), 0)
		samePlan(t, p.Encode())
	})
}

func TestPlanRoundTrip(t *testing.T) {
	h := newHouse(t)
	p := h.files()
	p.Modules = []string{"host", "file", "host"}
	p.Content = []string{"file.content"}
	p.Planned = time.Date(2026, 3, 1, 13, 0, 0, 99, time.FixedZone("", 3600))
	b := p.Encode()
	got, err := DecodePlanPayload(b)
	if err != nil {
		t.Fatal(err)
	}
	want := *p
	want.Modules, want.Planned = []string{"file", "host"}, now()
	if !reflect.DeepEqual(got, &want) || !bytes.Equal(got.Encode(), b) {
		t.Errorf("%+v\n%+v", got, &want)
	}
	if !strings.Contains(string(b), `"purpose":"a <test> & no more"`) {
		t.Errorf("cannot be read: %s", b)
	}
}

// What Encode makes of what no plan is, DecodePlanPayload refuses.
func TestDecodePlanRefuses(t *testing.T) {
	h := newHouse(t)
	for name, change := range map[string]func(p *PlanPayload){
		"version":          func(p *PlanPayload) { p.Version = 2 },
		"no version":       func(p *PlanPayload) { p.Version = 0 },
		"no id":            func(p *PlanPayload) { p.ID = ID{} },
		"no fleet":         func(p *PlanPayload) { p.Fleet = ID{} },
		"no query":         func(p *PlanPayload) { p.Query = "" },
		"query no text":    func(p *PlanPayload) { p.Query = "\xff" },
		"long query":       func(p *PlanPayload) { p.Query = strings.Repeat("x", MaxQuery+1) },
		"nothing compiled": func(p *PlanPayload) { p.Compiled = nil },
		"no reply key":     func(p *PlanPayload) { p.ReplyKey = nil },
		"long reply key":   func(p *PlanPayload) { p.ReplyKey = make([]byte, 5000) },
		"long wrapped":     func(p *PlanPayload) { p.Wrapped = make([]byte, 2*MaxSecret+1) },
		"cancel":           func(p *PlanPayload) { p.Cancel = make([]byte, 31) },
		"purpose":          func(p *PlanPayload) { p.Purpose = strings.Repeat("x", MaxPurpose+1) },
		"no time":          func(p *PlanPayload) { p.Planned = time.Time{} },
		"window backwards": func(p *PlanPayload) { p.Expires = p.NotBefore },
		"planned late":     func(p *PlanPayload) { p.Planned = p.Expires.Add(time.Second) },
		"no modules":       func(p *PlanPayload) { p.Modules = nil },
		"module":           func(p *PlanPayload) { p.Modules = []string{"../x"} },
		"column":           func(p *PlanPayload) { p.Content = []string{"content"} },
		"column elsewhere": func(p *PlanPayload) { p.Content = []string{"file.content"} },
		"list twice":       func(p *PlanPayload) { p.Lists = []List{{Name: "a"}, {Name: "a"}} },
		"list name":        func(p *PlanPayload) { p.Lists = []List{{Name: "a\nb"}} },
		"many lists":       func(p *PlanPayload) { p.Lists = make([]List, MaxLists+1) },
		"parameter":        func(p *PlanPayload) { p.Params = map[string]string{"\x1b": ""} },
	} {
		p := h.plan()
		change(p)
		if _, err := DecodePlanPayload(p.Encode()); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := string(h.files().Encode())
	for name, bad := range map[string]string{
		"empty": "", "null": "null", "array": "[]", "number": "1",
		"trailing":       good + "{}",
		"blank":          " " + good,
		"unknown field":  strings.Replace(good, `"query"`, `"x":1,"query"`, 1),
		"doubled field":  strings.Replace(good, `"query"`, `"query":"FIND file","query"`, 1),
		"case":           strings.Replace(good, `"query"`, `"Query"`, 1),
		"modules order":  strings.Replace(good, `["file","host"]`, `["host","file"]`, 1),
		"modules twice":  strings.Replace(good, `["file","host"]`, `["file","file","host"]`, 1),
		"fraction":       strings.Replace(good, `:00Z"`, `:00.5Z"`, 1),
		"zone":           strings.Replace(good, `:00Z"`, `:00+00:00"`, 1),
		"missing":        strings.Replace(good, `"purpose":"a <test> & no more",`, ``, 1),
		"escaped":        strings.Replace(good, `<test>`, `\u003ctest>`, 1),
		"upper-case id":  strings.Replace(good, h.fleet.String(), strings.ToUpper(h.fleet.String())+"", 1),
		"null for empty": strings.Replace(good, `,"wrapped":"d3JhcHBlZA=="`, `,"wrapped":null`, 1),
	} {
		if bad == good {
			t.Fatalf("%s changes nothing", name)
		}
		if _, err := DecodePlanPayload([]byte(bad)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestIDs(t *testing.T) {
	if NewID() == NewID() || NewID().IsZero() {
		t.Error("no random numbers")
	}
	id := NewID()
	if got, err := ParseID(id.String()); err != nil || got != id {
		t.Error(got, err)
	}
	for _, bad := range []string{"", "12", strings.Repeat("g", 32), id.String() + "00"} {
		if _, err := ParseID(bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestFingerprints(t *testing.T) {
	want := Fingerprint("294A2F13BE95EABBF443F769BC61D98CCBB52598")
	for _, s := range []string{string(want), "0x" + strings.ToLower(string(want)), " 294A 2F13 BE95 EABB F443  F769 BC61 D98C CBB5 2598\n"} {
		if got, err := ParseFingerprint(s); err != nil || got != want {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "0x", "CBB52598", "BC61D98CCBB52598", string(want) + "00", strings.Repeat("G", 40)} {
		if _, err := ParseFingerprint(s); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", s, err)
		}
	}
	if want.Short() != "BC61D98CCBB52598" || Fingerprint("").Short() != "" {
		t.Error(want.Short())
	}
}
