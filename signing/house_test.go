package signing

import (
	"bytes"
	"context"
	"crypto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// now is when all tests take place.
func now() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// person makes a key that signs at now.
func person(t testing.TB, name string) *PrivateKey {
	t.Helper()
	k, err := NewPrivateKey(name, name+"@test", now().AddDate(0, -2, 0))
	if err != nil {
		t.Fatal(err)
	}
	k.Clock = now
	return k
}

// at gives the same key with another clock.
func at(t testing.TB, k *PrivateKey, when time.Time) *PrivateKey {
	t.Helper()
	b, err := k.Armor(nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ReadPrivateKey(b)
	if err != nil {
		t.Fatal(err)
	}
	c.Clock = func() time.Time { return when }
	return c
}

// fixture reads a private key of testdata; README.md there says what they are.
func fixture(t testing.TB, name string) *PrivateKey {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".asc"))
	if err != nil {
		t.Fatal(err)
	}
	k, err := ReadPrivateKey(b)
	if err != nil {
		t.Fatal(err)
	}
	k.Clock = now
	return k
}

// A house is a fleet with its people and its policy.
type house struct {
	admin, second     *PrivateKey
	alice, bob, carol *PrivateKey
	fleet             ID
	text              string
	policy            *Policy
}

// newHouse has a policy in which file needs weight 2, its content 3, and alice
// and bob weigh 1 each, carol 2.
func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{admin: person(t, "root"), second: person(t, "second"), alice: person(t, "alice"), bob: person(t, "bob"), carol: person(t, "carol"), fleet: NewID()}
	h.text = h.write(map[string]string{
		"[module.file]\nweight = 1": "[module.file]\nweight = 2",
		"content_weight = 2":        "content_weight = 3",
		"content = []":              `content = ["content"]`,
	})
	h.policy = mustPolicy(t, h.text)
	return h
}

// write gives the text of a policy with some of it replaced.
func (h *house) write(replace map[string]string) string {
	text := NewPolicyText(PolicySpec{Fleet: h.fleet, Name: "test", Administrators: []PrincipalSpec{
		{Name: "root", Key: h.admin.Public()}, {Name: "second", Key: h.second.Public()},
	}, Investigators: []PrincipalSpec{
		{Name: "alice", Key: h.alice.Public()}, {Name: "bob", Key: h.bob.Public()}, {Name: "carol", Key: h.carol.Public(), Weight: 2},
	}})
	return replaced(text, replace)
}

func replaced(text string, replace map[string]string) string {
	for from, to := range replace {
		if !strings.Contains(text, from) {
			panic("the text does not have: " + from)
		}
		text = strings.Replace(text, from, to, 1)
	}
	return text
}

func mustPolicy(t testing.TB, text string) *Policy {
	t.Helper()
	p, err := ParsePolicy([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// plan gives a good plan that looks with module host alone.
func (h *house) plan() *PlanPayload {
	return &PlanPayload{
		Version: Version, ID: NewID(), Fleet: h.fleet, Query: "FROM fleet FIND host", Compiled: []byte("compiled"),
		Params: map[string]string{"a": "b"}, Lists: []List{{Name: "bad", Data: []byte("1\n2\n")}},
		Planned: now(), NotBefore: now(), Expires: now().Add(time.Hour), Purpose: "a <test> & no more",
		ReplyKey: []byte("reply key"), Wrapped: []byte("wrapped"), Cancel: make([]byte, 32), Modules: []string{"host"},
	}
}

// plain gives a good plan as most are: without parameters and lists.
func (h *house) plain() *PlanPayload {
	p := h.plan()
	p.Params, p.Lists = nil, nil
	return p
}

// files gives a good plan that looks at files, too.
func (h *house) files() *PlanPayload {
	p := h.plan()
	p.Modules = []string{"file", "host"}
	return p
}

// signed puts payloads into envelopes.
func signed(t testing.TB, kind string, payload []byte, by ...Signer) *Envelope {
	t.Helper()
	e := &Envelope{PayloadType: kind, Payload: payload}
	for _, s := range by {
		if err := e.Sign(context.Background(), s); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

func signedPlan(t testing.TB, p *PlanPayload, by ...Signer) *Envelope {
	t.Helper()
	return signed(t, TypePlan, p.Encode(), by...)
}

// A looseSigner signs with whatever key, hash and time it is told.
type looseSigner struct {
	entity *openpgp.Entity
	name   Fingerprint
	config *packet.Config
}

func (s *looseSigner) Fingerprint() Fingerprint { return s.name }

func (s *looseSigner) Sign(_ context.Context, msg []byte) ([]byte, error) {
	var b bytes.Buffer
	err := openpgp.DetachSign(&b, []*openpgp.Entity{s.entity}, bytes.NewReader(msg), s.config)
	return b.Bytes(), err
}

// lax is a configuration that refuses nothing.
func lax(when time.Time) *packet.Config {
	c := config(when)
	c.MinRSABits = 512
	c.NonDeterministicSignaturesViaNotation = new(bool)
	c.RejectCurves = map[packet.Curve]bool{}
	c.RejectHashAlgorithms = map[crypto.Hash]bool{}
	c.RejectMessageHashAlgorithms = map[crypto.Hash]bool{}
	c.RejectPublicKeyAlgorithms = map[packet.PublicKeyAlgorithm]bool{}
	return c
}

// loose gives a signer with a private key that does what ours would not.
func loose(k *PrivateKey, when time.Time) *looseSigner {
	return &looseSigner{entity: k.entity, name: k.Fingerprint(), config: lax(when)}
}

// addLoose adds a signature without the checks of Envelope.Sign.
func addLoose(t testing.TB, e *Envelope, s Signer) {
	t.Helper()
	sig, err := s.Sign(context.Background(), PAE(e.PayloadType, e.Payload))
	if err != nil {
		t.Fatal(err)
	}
	e.Signatures = append(e.Signatures, Signature{KeyID: string(s.Fingerprint()), Sig: sig})
}

// public gives the public half of an entity that was changed.
func public(t testing.TB, e *openpgp.Entity) *PublicKey {
	t.Helper()
	var b bytes.Buffer
	if err := e.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	k, err := ReadPublicKey(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// wantRefusal asks for a code, and for words in the reason.
func wantRefusal(t testing.TB, err error, code string, words ...string) {
	t.Helper()
	r, ok := err.(*Refusal)
	if !ok {
		t.Fatalf("got %v, want a refusal with code %q", err, code)
	}
	if r.Code != code {
		t.Errorf("code %q, want %q: %s", r.Code, code, r.Reason)
	}
	for _, w := range words {
		if !strings.Contains(r.Reason, w) {
			t.Errorf("the reason does not say %q: %s", w, r.Reason)
		}
	}
}
