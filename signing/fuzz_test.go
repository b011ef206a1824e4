package signing

import (
	"bytes"
	"reflect"
	"testing"
)

func FuzzParseEnvelope(f *testing.F) {
	h := newHouse(f)
	f.Add(signedPlan(f, h.plan(), h.alice).Encode())
	f.Add([]byte(`{"payload":"","payloadType":"a","signatures":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseEnvelope(b)
		if err != nil {
			return
		}
		if !bytes.Equal(e.Encode(), b) {
			t.Fatal("read in another spelling than it is written in")
		}
		if _, err := h.policy.Verify(e, VerifyOptions{At: now()}); err == nil && !bytes.Contains(b, []byte(h.alice.Fingerprint())) {
			t.Fatal("accepted")
		}
	})
}

func FuzzDecodePlanPayload(f *testing.F) {
	h := newHouse(f)
	f.Add(h.plan().Encode())
	f.Add(h.files().Encode())
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := DecodePlanPayload(b)
		if err == nil && !bytes.Equal(p.Encode(), b) {
			t.Fatal("read in another spelling than it is written in")
		}
	})
}

// What plainPlan reads decodeJSON reads, too, and as the same.
func FuzzPlainPlan(f *testing.F) {
	h := newHouse(f)
	p := h.plain()
	f.Add(p.Encode())
	f.Add(h.plan().Encode())
	p.Query, p.Purpose, p.Wrapped, p.Content = "FIND \"\\\n\t\r\x7f<é>\u2028", "\ufffd\u2029", []byte{1}, []string{"host.x"}
	f.Add(p.Encode())
	f.Fuzz(func(t *testing.T, b []byte) { samePlan(t, b) })
}

// samePlan fails where plainPlan reads what decodeJSON does not, or otherwise. It
// says whether it read anything.
func samePlan(t interface{ Fatalf(string, ...any) }, b []byte) bool {
	plain, slow := plainPlan(b), &PlanPayload{}
	err := decodeJSON(b, slow)
	if plain != nil && (err != nil || !reflect.DeepEqual(plain, slow)) {
		t.Fatalf("%s\nis read as %+v\nand as %+v, %v", b, plain, slow, err)
	}
	return plain != nil
}

func FuzzParsePolicy(f *testing.F) {
	key := person(f, "a").Public().Armor()
	f.Add([]byte("format = 1\nversion = 1\nthreshold = 1\nfleet = '" + NewID().String() + "'\n[default]\nweight = 1\n[module.file]\nweight = 2\nallow = ['/**']\n" +
		"[[administrator]]\nname = 'a'\nkey = '''\n" + string(key) + "'''\n[[investigator]]\nname = 'a'\nkey = '''\n" + string(key) + "'''\n"))
	f.Add([]byte(`format = 1`))
	f.Add([]byte("[[a.b]]\nc = { d = [ 1, '''x''' ] }"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := ParsePolicy(b); err == nil {
			p.PathAllowed("file", "/etc/passwd")
			if p.Threshold() < 1 || len(p.Administrators()) < p.Threshold() || p.Rule("file").Weight < 1 {
				t.Fatalf("%+v", p)
			}
		}
	})
}

func FuzzParseToken(f *testing.F) {
	h := newHouse(f)
	f.Add(h.token(f, h.admin).String([]Fingerprint{h.admin.Fingerprint()}, "pin"))
	f.Add(tokenPrefix + "e30")
	f.Fuzz(func(t *testing.T, s string) {
		if tok, err := ParseToken(s); err == nil {
			again, err := ParseToken(tok.String(tok.Pinned(), tok.RelayPin()))
			if err != nil || again.ID() != tok.ID() {
				t.Fatal(err)
			}
		}
	})
}

func FuzzDecodeMembership(f *testing.F) {
	h := newHouse(f)
	f.Add(h.token(f, h.admin).Enroll(agent(f).Public(), "web-1", now()).Encode())
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := DecodeMembership(b)
		if err != nil {
			return
		}
		if !bytes.Equal(m.Encode(), b) {
			t.Fatal("read in another spelling than it is written in")
		}
		h.policy.Member(m)
	})
}

func FuzzDecodeStatement(f *testing.F) {
	id := agent(f)
	f.Add(NewStatement(id, "facts", now(), []byte("x")).Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeStatement(b)
		if err != nil {
			return
		}
		if !bytes.Equal(s.Encode(), b) {
			t.Fatal("read in another spelling than it is written in")
		}
		s.Verify(id.Public())
	})
}

func FuzzReadPublicKey(f *testing.F) {
	k := person(f, "alice")
	f.Add(k.Public().Armor())
	f.Add(k.Public().raw)
	for _, name := range []string{"dsa", "sha1", "rsa1024", "p256"} {
		f.Add(fixture(f, name).Public().raw)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ReadPublicKey(b)
		if err != nil {
			return
		}
		again, err := ReadPublicKey(p.Armor())
		if err != nil || again.Fingerprint() != p.Fingerprint() {
			t.Fatal(err)
		}
		p.Usable(now())
	})
}

func FuzzVerifyMessage(f *testing.F) {
	k := person(f, "alice")
	good := must(k.Sign(f.Context(), []byte("a")))
	f.Add(good)
	f.Add(must(fixture(f, "rsa3072").Sign(f.Context(), []byte("a"))))
	f.Add(must(fixture(f, "p256").Sign(f.Context(), []byte("a"))))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := k.Public().VerifyMessage([]byte("a"), b, now()); err == nil && !bytes.Equal(b, good) {
			t.Fatalf("another signature counts: %x", b)
		}
	})
}
