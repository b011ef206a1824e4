package signing

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// token makes a token and has it signed.
func (h *house) token(t testing.TB, by ...Signer) *Token {
	t.Helper()
	tok, err := NewToken(TokenSpec{Fleet: h.fleet, Tags: map[string]string{"team": "web"}, Uses: 3, NotBefore: now(), Expires: now().Add(time.Hour), Comment: "for the web"})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range by {
		addLoose(t, tok.Envelope, s)
	}
	return tok
}

func agent(t testing.TB) *Identity {
	t.Helper()
	id, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestChain(t *testing.T) {
	h := newHouse(t)
	text := h.token(t, h.admin).String([]Fingerprint{h.admin.Fingerprint()}, "sha256:abc")
	tok, err := ParseToken(" " + text + "\n")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(tok.Pinned(), []Fingerprint{h.admin.Fingerprint()}) || tok.RelayPin() != "sha256:abc" || tok.Spec().Comment != "for the web" || tok.Spec().Uses != 3 {
		t.Errorf("%+v", tok)
	}
	id := agent(t)
	m, err := DecodeMembership(tok.Enroll(id.Public(), "web-1\n\x1b[2J", now().Add(time.Minute)).Encode())
	if err != nil {
		t.Fatal(err)
	}
	// Twice: the second time the policy remembers the token.
	for range 2 {
		got, err := h.policy.Member(m)
		if err != nil {
			t.Fatal(err)
		}
		if got.Agent != id.ID() || !got.Public.Equal(id.Public()) || got.Hostname != "web-1??[2J" || !maps.Equal(got.Tags, map[string]string{"team": "web"}) ||
			got.Token != tok.ID() || got.Uses != 3 || !got.Enrolled.Equal(now().Add(time.Minute)) || !got.Expires.Equal(now().Add(time.Hour)) || m.AgentID() != id.ID() {
			t.Errorf("%+v", got)
		}
	}
}

// A relay cannot make an agent, nor an agent more of itself than it is.
func TestMemberRefuses(t *testing.T) {
	h := newHouse(t)
	good := h.token(t, h.admin)
	id := agent(t)
	enrolled := good.Enroll(id.Public(), "web-1", now())
	revoking := func(what string, id ID) *Policy {
		return mustPolicy(t, replaced(h.text, map[string]string{what + " = []": what + ` = ["` + id.String() + `"]`}))
	}
	retired := mustPolicy(t, replaced(h.text, map[string]string{"# retired = 2030-01-01": "retired = 2026-02-01"}))
	early := at(t, h.admin, now().AddDate(0, 0, -40))
	compromised := at(t, h.admin, now())
	if err := compromised.entity.Revoke(packet.KeyCompromised, "", config(now())); err != nil {
		t.Fatal(err)
	}
	burnt := mustPolicy(t, replaced(h.text, map[string]string{string(h.admin.Public().Armor()): string(public(t, compromised.entity).Armor())}))
	for name, c := range map[string]struct {
		policy *Policy
		member *Membership
		code   string
		says   string
	}{
		"good":                   {h.policy, enrolled, "", ""},
		"good, by another":       {h.policy, h.token(t, h.second).Enroll(id.Public(), "a", now()), "", ""},
		"good, one of two":       {h.policy, h.token(t, h.alice, h.admin).Enroll(id.Public(), "a", now()), "", ""},
		"good, a minute early":   {h.policy, good.Enroll(id.Public(), "a", now().Add(-time.Minute)), "", ""},
		"before retirement":      {retired, h.token(t, early).Enroll(id.Public(), "a", now()), "", ""},
		"after retirement":       {retired, enrolled, CodeSignature, "retired at 2026-02-01"},
		"unsigned":               {h.policy, h.token(t).Enroll(id.Public(), "a", now()), CodeSignature, "nobody signed it"},
		"by an investigator":     {h.policy, h.token(t, h.alice).Enroll(id.Public(), "a", now()), CodeSignature, "no administrator's"},
		"by a stranger":          {h.policy, h.token(t, person(t, "mallory")).Enroll(id.Public(), "a", now()), CodeSignature, "no administrator's"},
		"signed too late":        {h.policy, h.token(t, at(t, h.admin, now().Add(2*time.Hour))).Enroll(id.Public(), "a", now()), CodeSignature, "after it had expired"},
		"key compromised":        {burnt, enrolled, CodeSignature, "revoked"},
		"agent revoked":          {revoking("agents", id.ID()), enrolled, CodePolicy, "agent " + id.ID().String() + " is revoked"},
		"token revoked":          {revoking("tokens", good.ID()), enrolled, CodePolicy, "token " + good.ID().String()},
		"too early":              {h.policy, good.Enroll(id.Public(), "a", now().Add(-time.Hour)), CodeWindow, "the token is good from"},
		"too late":               {h.policy, good.Enroll(id.Public(), "a", now().Add(time.Hour)), CodeWindow, "the token is good from"},
		"another fleet":          {mustPolicy(t, string(h.next("1", map[string]string{h.fleet.String(): ID{1}.String()}))), enrolled, CodeFleet, ID{1}.String()},
		"another key in it":      {h.policy, tampered(enrolled, func(b *membershipBody) { b.Agent = agent(t).Public() }), CodeSignature, "not signed by the key of its token"},
		"another host name":      {h.policy, tampered(enrolled, func(b *membershipBody) { b.Hostname = "db-1" }), CodeSignature, "not signed by the key"},
		"another time":           {h.policy, tampered(enrolled, func(b *membershipBody) { b.Enrolled = now().Add(time.Second) }), CodeSignature, "not signed by the key"},
		"another token":          {h.policy, tampered(enrolled, func(b *membershipBody) { b.Token = h.token(t, h.admin).Envelope.Encode() }), CodeSignature, "not signed by the key"},
		"better tags in a token": {h.policy, retagged(t, h, good, id), CodeSignature, "not of this text"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := DecodeMembership(c.member.Encode())
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.policy.Member(m)
			if c.code == "" {
				if err != nil || got.Agent != id.ID() {
					t.Fatal(err)
				}
				return
			}
			wantRefusal(t, err, c.code, c.says)
			if got.Public != nil {
				t.Errorf("%+v", got)
			}
			// What is remembered says the same.
			_, err = c.policy.Member(m)
			wantRefusal(t, err, c.code, c.says)
		})
	}
}

func tampered(m *Membership, change func(*membershipBody)) *Membership {
	n := &Membership{body: m.body}
	change(&n.body)
	return n
}

// retagged is what the holder of a token makes of it.
func retagged(t *testing.T, h *house, tok *Token, id *Identity) *Membership {
	p := tok.payload
	p.Tags = map[string]string{"team": "directors"}
	mine := &Token{Envelope: &Envelope{PayloadType: TypeToken, Payload: encodeJSON(&p), Signatures: tok.Envelope.Signatures}, payload: p, key: tok.key}
	return mine.Enroll(id.Public(), "a", now())
}

// Every bit of a membership is changed once: it cannot be read, or not verified.
func TestEveryBitOfAMembership(t *testing.T) {
	h := newHouse(t)
	good := h.token(t, h.admin).Enroll(agent(t).Public(), "web-1", now()).Encode()
	for i := range good {
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << bit
			m, err := DecodeMembership(bad)
			if err != nil {
				continue
			}
			if got, err := h.policy.Member(m); err == nil {
				t.Fatalf("bit %d of byte %d changed and accepted: %+v\n%s", bit, i, got, bad)
			}
		}
	}
	if len(h.policy.tokens) > maxChecked {
		t.Errorf("the policy remembers %d tokens", len(h.policy.tokens))
	}
}

func TestNewTokenRefuses(t *testing.T) {
	good := TokenSpec{Fleet: NewID(), Uses: 1, NotBefore: now(), Expires: now().Add(time.Hour)}
	for name, change := range map[string]func(s *TokenSpec){
		"no fleet":   func(s *TokenSpec) { s.Fleet = ID{} },
		"no uses":    func(s *TokenSpec) { s.Uses = 0 },
		"many uses":  func(s *TokenSpec) { s.Uses = MaxUses + 1 },
		"no end":     func(s *TokenSpec) { s.Expires = time.Time{} },
		"backwards":  func(s *TokenSpec) { s.Expires = s.NotBefore },
		"no start":   func(s *TokenSpec) { s.NotBefore = time.Time{} },
		"tag":        func(s *TokenSpec) { s.Tags = map[string]string{"Team": "x"} },
		"tag value":  func(s *TokenSpec) { s.Tags = map[string]string{"team": "a\nb"} },
		"empty tag":  func(s *TokenSpec) { s.Tags = map[string]string{"": "x"} },
		"comment":    func(s *TokenSpec) { s.Comment = "\x1b[31m" },
		"long value": func(s *TokenSpec) { s.Tags = map[string]string{"a": strings.Repeat("x", 257)} },
	} {
		s := good
		change(&s)
		if _, err := NewToken(s); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := NewToken(good); err != nil {
		t.Error(err)
	}
}

func TestParseTokenRefuses(t *testing.T) {
	h := newHouse(t)
	tok := h.token(t, h.admin)
	good := tok.String([]Fingerprint{h.admin.Fingerprint()}, "pin")
	other := h.token(t, h.admin)
	mixed := &Token{Envelope: tok.Envelope, key: other.key}
	for name, bad := range map[string]string{
		"empty":         "",
		"no prefix":     strings.TrimPrefix(good, tokenPrefix),
		"cut":           good[:len(good)-3],
		"cut more":      good[:len(good)/2],
		"broken":        good[:100] + "\n" + good[100:],
		"mixed":         mixed.String(nil, ""),
		"a plan":        (&Token{Envelope: &Envelope{PayloadType: TypePlan, Payload: tok.Envelope.Payload}, key: tok.key}).String(nil, ""),
		"administrator": tok.String([]Fingerprint{"abc"}, ""),
		"pin":           tok.String(nil, "\x00"),
		"long":          tok.String(slices.Repeat([]Fingerprint{h.admin.Fingerprint()}, 2000), ""),
	} {
		if _, err := ParseToken(bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := len(tokenPrefix); i < len(good); i++ {
		b := []byte(good)
		b[i] ^= 1
		if p, err := ParseToken(string(b)); err == nil && p.Envelope.Signatures[0].Sig != nil && bytes.Equal(p.Envelope.Encode(), tok.Envelope.Encode()) && slices.Equal(p.Pinned(), []Fingerprint{h.admin.Fingerprint()}) && p.RelayPin() == "pin" {
			t.Errorf("character %d changed and nothing else", i)
		}
	}
}

func TestIdentity(t *testing.T) {
	id := agent(t)
	again, err := ReadIdentity(id.PEM())
	if err != nil || again.ID() != id.ID() || again.ID() != IDOf(id.Public()) {
		t.Fatal(err)
	}
	sig := id.Sign("chunk", []byte("a"))
	if !Verify(id.Public(), "chunk", []byte("a"), sig) {
		t.Error("not verified")
	}
	for name, ok := range map[string]bool{
		"kind":      Verify(id.Public(), "enroll", []byte("a"), sig),
		"payload":   Verify(id.Public(), "chunk", []byte("b"), sig),
		"key":       Verify(agent(t).Public(), "chunk", []byte("a"), sig),
		"no key":    Verify(nil, "chunk", []byte("a"), sig),
		"short key": Verify(id.Public()[:31], "chunk", []byte("a"), sig),
		"no sig":    Verify(id.Public(), "chunk", []byte("a"), nil),
	} {
		if ok {
			t.Errorf("%s: verified", name)
		}
	}
	for name, bad := range map[string][]byte{"empty": nil, "twice": slices.Concat(id.PEM(), id.PEM()), "long": make([]byte, MaxKey+1), "cut": id.PEM()[:60],
		"der": []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), "another": []byte("-----BEGIN X-----\nAAAA\n-----END X-----\n")} {
		if _, err := ReadIdentity(bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStatement(t *testing.T) {
	id := agent(t)
	good := NewStatement(id, "facts", now().Add(time.Millisecond), []byte("os=linux")).Encode()
	s, err := DecodeStatement(good)
	if err != nil || s.Verify(id.Public()) != nil || !s.At.Equal(now()) || string(s.Payload) != "os=linux" || s.Kind != "facts" {
		t.Fatal(err, s)
	}
	wantRefusal(t, s.Verify(agent(t).Public()), CodeSignature, "is of agent")
	wantRefusal(t, s.Verify(nil), CodeSignature)
	for i := range good {
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << bit
			if s, err := DecodeStatement(bad); err == nil && s.Verify(id.Public()) == nil {
				t.Fatalf("bit %d of byte %d changed and accepted: %s", bit, i, bad)
			}
		}
	}
	if _, err := DecodeStatement(make([]byte, MaxStatement+1)); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
	if _, err := DecodeStatement(NewStatement(id, "Facts!", now(), nil).Encode()); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
}

func TestLongHostnames(t *testing.T) {
	h := newHouse(t)
	m := h.token(t, h.admin).Enroll(make(ed25519.PublicKey, 32), strings.Repeat("é", 200)+"\xff", now())
	if n := m.body.Hostname; len(n) != 254 || strings.Trim(n, "é") != "" {
		t.Errorf("%q", n)
	}
	if _, err := DecodeMembership(m.Encode()); err != nil {
		t.Error(err)
	}
}
