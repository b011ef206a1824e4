package signing

import (
	"bytes"
	"context"
	"crypto"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/ed25519"
	"github.com/ProtonMail/go-crypto/openpgp/eddsa"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Every bit of an envelope is changed once. Each change is refused: by
// ParseEnvelope, or since no signature counts any more.
func TestEveryBitOfAnEnvelope(t *testing.T) {
	h := newHouse(t)
	for name, signer := range map[string]*PrivateKey{"ed25519": h.alice, "rsa3072": fixture(t, "rsa3072"), "p256": fixture(t, "p256")} {
		t.Run(name, func(t *testing.T) {
			policy := mustPolicy(t, NewPolicyText(PolicySpec{Fleet: h.fleet,
				Administrators: []PrincipalSpec{{Name: "root", Key: h.admin.Public()}},
				Investigators:  []PrincipalSpec{{Name: "it", Key: signer.Public()}}}))
			p := h.plan()
			p.Lists, p.Params = nil, nil
			good := signedPlan(t, p, signer).Encode()
			if e, err := ParseEnvelope(good); err != nil {
				t.Fatal(err)
			} else if _, err := policy.Verify(e, VerifyOptions{At: now()}); err != nil {
				t.Fatal(err)
			}
			for i := range good {
				for bit := range 8 {
					bad := bytes.Clone(good)
					bad[i] ^= 1 << bit
					e, err := ParseEnvelope(bad)
					if err != nil {
						continue
					}
					if v, err := policy.Verify(e, VerifyOptions{At: now()}); err == nil {
						t.Fatalf("bit %d of byte %d changed and accepted: %+v\n%s", bit, i, v, bad)
					}
				}
			}
		})
	}
}

// What is in the envelope but in another spelling is refused, too.
func TestOneSpelling(t *testing.T) {
	h := newHouse(t)
	good := string(signedPlan(t, h.plan(), h.alice).Encode())
	for name, bad := range map[string]string{
		"blank":            strings.Replace(good, `","payloadType`, `", "payloadType`, 1),
		"newline at end":   good + "\n",
		"case":             strings.Replace(good, "payloadType", "PayloadType", 1),
		"lower-case keyid": strings.Replace(good, string(h.alice.Fingerprint()), strings.ToLower(string(h.alice.Fingerprint())), 1),
		"unknown field":    strings.Replace(good, `,"signatures"`, `,"x":1,"signatures"`, 1),
		"doubled field":    strings.Replace(good, `,"signatures"`, `,"payloadType":"a","signatures"`, 1),
		"line break":       strings.Replace(good, `{"payload":"e`, "{\"payload\":\"e\n", 1),
		"escape":           strings.Replace(good, "application", `\u0061pplication`, 1),
		"cut":              good[:len(good)-1],
		"empty":            "",
		"comma":            strings.Replace(good, `]}`, `,]}`, 1),
	} {
		if bad == good {
			t.Fatalf("%s changes nothing", name)
		}
		if _, err := ParseEnvelope([]byte(bad)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// A signer is counted once, however he goes about it.
func TestNobodyIsCountedTwice(t *testing.T) {
	h := newHouse(t)
	// alice has two signing subkeys and a second user id.
	e := at(t, h.alice, now()).entity
	c := config(now().Add(-time.Hour))
	for range 2 {
		if err := e.AddSigningSubkey(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.AddUserId("alice", "again", "again@test", c); err != nil {
		t.Fatal(err)
	}
	alice := public(t, e)
	policy := mustPolicy(t, NewPolicyText(PolicySpec{Fleet: h.fleet,
		Administrators: []PrincipalSpec{{Name: "root", Key: h.admin.Public()}},
		Investigators:  []PrincipalSpec{{Name: "alice", Key: alice}, {Name: "bob", Key: h.bob.Public()}}}))
	env := signedPlan(t, h.plan())
	var parts []uint64
	for _, s := range e.Subkeys {
		if s.PublicKey.PubKeyAlgo.CanSign() {
			parts = append(parts, s.PublicKey.KeyId)
		}
	}
	for _, id := range append(parts, e.PrimaryKey.KeyId) {
		s := &looseSigner{entity: e, name: alice.Fingerprint(), config: config(now())}
		s.config.SigningKeyId = id
		addLoose(t, env, s)
	}
	if len(env.Signatures) != 3 {
		t.Fatalf("%d signatures", len(env.Signatures))
	}
	for i := range env.Signatures {
		one := &Envelope{PayloadType: env.PayloadType, Payload: env.Payload, Signatures: env.Signatures[i : i+1]}
		if v, err := policy.Verify(one, VerifyOptions{At: now()}); err != nil || v.Weight() != 1 {
			t.Errorf("signature %d alone: %v, %v", i, v.Weight(), err)
		}
	}
	env.Signatures = append(env.Signatures, env.Signatures[0], env.Signatures[2])
	v, err := policy.Verify(env, VerifyOptions{At: now()})
	if err != nil || v.Weight() != 1 || len(v.Signers()) != 1 {
		t.Errorf("weight %d, signers %v, %v", v.Weight(), v.Signers(), err)
	}
	// The same signature under another's name.
	env.Signatures = append(env.Signatures, Signature{KeyID: string(h.bob.Fingerprint()), Sig: env.Signatures[0].Sig})
	// And under the fingerprint of a subkey.
	env.Signatures = append(env.Signatures, Signature{KeyID: string(fingerprintOf(e.Subkeys[1].PublicKey)), Sig: env.Signatures[0].Sig})
	v, err = policy.Verify(env, VerifyOptions{At: now()})
	if err != nil || v.Weight() != 1 {
		t.Errorf("weight %d, %v", v.Weight(), err)
	}
}

// Two entries of a policy for one key, one subkey, or one key with two dates.
func TestPolicyRefusesSharedKeys(t *testing.T) {
	h := newHouse(t)
	shared := at(t, h.alice, now()).entity
	if err := shared.AddSigningSubkey(config(now().Add(-time.Hour))); err != nil {
		t.Fatal(err)
	}
	// bob binds alice's subkey to his key with her help.
	bob := at(t, h.bob, now()).entity
	sub := shared.Subkeys[len(shared.Subkeys)-1]
	bind(t, bob, sub)
	// The same numbers with another date are another fingerprint.
	twin := *h.alice.entity.PrivateKey
	again := packet.NewSignerPrivateKey(now().Add(-time.Hour), twin.PrivateKey)
	dressed := selfCertified(t, again)
	// They are another fingerprint, too, under the other number that Ed25519 has.
	old := twin.PrivateKey.(*eddsa.PrivateKey)
	other := ed25519.NewPrivateKey(ed25519.PublicKey{Point: old.X})
	if err := other.UnmarshalByteSecret(old.D); err != nil {
		t.Fatal(err)
	}
	renumbered := selfCertified(t, packet.NewSignerPrivateKey(now().Add(-time.Hour), other))
	for name, pair := range map[string][2]*PublicKey{
		"the same key":       {h.alice.Public(), h.alice.Public()},
		"the same subkey":    {public(t, shared), public(t, bob)},
		"two dates, one key": {h.alice.Public(), dressed},
		"two algorithms":     {h.alice.Public(), renumbered},
	} {
		text := NewPolicyText(PolicySpec{Fleet: h.fleet,
			Administrators: []PrincipalSpec{{Name: "root", Key: h.admin.Public()}},
			Investigators:  []PrincipalSpec{{Name: "one", Key: pair[0]}, {Name: "two", Key: pair[1]}}})
		if _, err := ParsePolicy([]byte(text)); err == nil || !strings.Contains(err.Error(), "counted twice") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// bind makes the subkey of another a subkey of e.
func bind(t *testing.T, e *openpgp.Entity, sub openpgp.Subkey) {
	t.Helper()
	old, _ := sub.LatestValidBindingSignature(time.Time{}, config(now()))
	sig := *old
	sig.IssuerKeyId, sig.IssuerFingerprint = &e.PrimaryKey.KeyId, e.PrimaryKey.Fingerprint
	cross := *old.EmbeddedSignature
	sig.EmbeddedSignature = &cross
	if err := cross.CrossSignKey(sub.PublicKey, e.PrimaryKey, sub.PrivateKey, config(now())); err != nil {
		t.Fatal(err)
	}
	if err := sig.SignKey(sub.PublicKey, e.PrivateKey, config(now())); err != nil {
		t.Fatal(err)
	}
	sub.Primary, sub.Bindings = e, []*packet.VerifiableSignature{packet.NewVerifiableSig(&sig)}
	e.Subkeys = append(e.Subkeys, sub)
}

func selfCertified(t *testing.T, k *packet.PrivateKey) *PublicKey {
	t.Helper()
	e := &openpgp.Entity{PrimaryKey: &k.PublicKey, PrivateKey: k, Identities: map[string]*openpgp.Identity{}}
	if err := e.AddUserId("twin", "", "twin@test", config(now().Add(-time.Hour))); err != nil {
		t.Fatal(err)
	}
	return public(t, e)
}

// Keys that count for nothing, and what is said about each.
func TestKeysThatCountForNothing(t *testing.T) {
	h := newHouse(t)
	made := now().AddDate(0, -2, 0)
	// changed gives alice's key after something was done to it, and a signer with it.
	changed := func(change func(e *openpgp.Entity)) (*PublicKey, Signer) {
		k := at(t, h.alice, now())
		s := loose(at(t, h.alice, now()), now())
		change(k.entity)
		return public(t, k.entity), s
	}
	revoked := func(reason packet.ReasonForRevocation, when time.Time) func(e *openpgp.Entity) {
		return func(e *openpgp.Entity) {
			if err := e.Revoke(reason, "", config(when)); err != nil {
				t.Fatal(err)
			}
		}
	}
	expiring := func(secs uint32) (*PublicKey, Signer) {
		c := config(made)
		c.KeyLifetimeSecs = secs
		e, err := openpgp.NewEntity("short", "", "", c)
		if err != nil {
			t.Fatal(err)
		}
		k := public(t, e)
		return k, &looseSigner{e, k.Fingerprint(), lax(now())}
	}
	weak := func(name string) (*PublicKey, Signer) { k := fixture(t, name); return k.Public(), loose(k, now()) }
	for name, c := range map[string]struct {
		make func() (*PublicKey, Signer)
		says string // "" counts
	}{
		"nothing wrong":        {func() (*PublicKey, Signer) { return changed(func(*openpgp.Entity) {}) }, ""},
		"revoked, compromised": {func() (*PublicKey, Signer) { return changed(revoked(packet.KeyCompromised, now().AddDate(1, 0, 0))) }, "revoked"},
		"revoked, no reason":   {func() (*PublicKey, Signer) { return changed(revoked(packet.NoReason, now())) }, "revoked"},
		"superseded before":    {func() (*PublicKey, Signer) { return changed(revoked(packet.KeySuperseded, now().Add(-time.Hour))) }, "revoked since"},
		"superseded later":     {func() (*PublicKey, Signer) { return changed(revoked(packet.KeySuperseded, now().Add(time.Hour))) }, ""},
		"expired":              {func() (*PublicKey, Signer) { return expiring(3600) }, "expired at"},
		"expires later":        {func() (*PublicKey, Signer) { return expiring(365 * 86400) }, ""},
		"rsa of 1024 bits":     {func() (*PublicKey, Signer) { return weak("rsa1024") }, "RSA with 1024 bits"},
		"rsa of 3072 bits":     {func() (*PublicKey, Signer) { return weak("rsa3072") }, ""},
		"p256":                 {func() (*PublicKey, Signer) { return weak("p256") }, ""},
		"dsa":                  {func() (*PublicKey, Signer) { return weak("dsa") }, "DSA"},
		"certified with sha-1": {func() (*PublicKey, Signer) { return weak("sha1") }, "SHA-1"},
	} {
		t.Run(name, func(t *testing.T) {
			key, signer := c.make()
			policy := mustPolicy(t, NewPolicyText(PolicySpec{Fleet: h.fleet,
				Administrators: []PrincipalSpec{{Name: "root", Key: h.admin.Public()}},
				Investigators:  []PrincipalSpec{{Name: "it", Key: key}}}))
			env := signedPlan(t, h.plan())
			addLooseAnyhow(t, env, signer)
			_, err := policy.Verify(env, VerifyOptions{At: now()})
			usable := key.Usable(now())
			if c.says == "" {
				if err != nil || usable != nil {
					t.Fatal(err, usable)
				}
				return
			}
			wantRefusal(t, err, CodeSignature, c.says)
			if usable == nil || !strings.Contains(usable.Error(), c.says) {
				t.Errorf("Usable does not say %q: %v", c.says, usable)
			}
		})
	}
}

// addLooseAnyhow signs with a key that the library itself would refuse: with
// the numbers of the key, below what decides which keys are good.
func addLooseAnyhow(t *testing.T, e *Envelope, s Signer) {
	t.Helper()
	l := s.(*looseSigner)
	addPacket(t, e, l.name, l.entity.PrivateKey, func(sig *packet.Signature) { sig.CreationTime = l.config.Now() })
}

// addPacket adds a signature packet that the caller has set up.
func addPacket(t *testing.T, e *Envelope, name Fingerprint, key *packet.PrivateKey, change func(*packet.Signature)) {
	t.Helper()
	s := &packet.Signature{Version: key.Version, SigType: packet.SigTypeBinary, PubKeyAlgo: key.PubKeyAlgo, Hash: crypto.SHA512,
		CreationTime: now(), IssuerKeyId: &key.KeyId, IssuerFingerprint: key.Fingerprint}
	change(s)
	h, err := s.PrepareSign(lax(now()))
	if err != nil {
		t.Fatal(err)
	}
	h.Write(PAE(e.PayloadType, e.Payload))
	if err := s.Sign(h, key, lax(now())); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := s.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	e.Signatures = append(e.Signatures, Signature{KeyID: string(name), Sig: b.Bytes()})
}

// Signatures that count for nothing though their key is good.
func TestSignaturesThatCountForNothing(t *testing.T) {
	h := newHouse(t)
	life := uint32(60)
	for name, c := range map[string]struct {
		change func(*packet.Signature)
		says   string
	}{
		"good":                     {func(s *packet.Signature) {}, ""},
		"sha-256":                  {func(s *packet.Signature) { s.Hash = crypto.SHA256 }, ""},
		"sha-1":                    {func(s *packet.Signature) { s.Hash = crypto.SHA1 }, "SHA-1"},
		"sha-224":                  {func(s *packet.Signature) { s.Hash = crypto.SHA224 }, "SHA-224"},
		"text":                     {func(s *packet.Signature) { s.SigType = packet.SigTypeText }, "no binary signature"},
		"certification":            {func(s *packet.Signature) { s.SigType = packet.SigTypeGenericCert }, "no binary signature"},
		"before the key was made":  {func(s *packet.Signature) { s.CreationTime = now().AddDate(-1, 0, 0) }, "was made at"},
		"in 1970":                  {func(s *packet.Signature) { s.CreationTime = time.Unix(1, 0) }, "was made at"},
		"from the future":          {func(s *packet.Signature) { s.CreationTime = now().Add(6 * time.Minute) }, "after"},
		"a minute ahead":           {func(s *packet.Signature) { s.CreationTime = now().Add(time.Minute) }, ""},
		"before the plan was made": {func(s *packet.Signature) { s.CreationTime = now().Add(-10 * time.Minute) }, "before there was anything to sign"},
		"expired": {func(s *packet.Signature) {
			s.CreationTime, s.SigLifetimeSecs = now().Add(-2*time.Minute), &life
		}, "the signature expired"},
		"critical notation": {func(s *packet.Signature) {
			s.Notations = []*packet.Notation{{Name: "only-on@sundays", IsCritical: true}}
		}, "only-on@sundays"},
	} {
		t.Run(name, func(t *testing.T) {
			env := signedPlan(t, h.plan())
			addPacket(t, env, h.alice.Fingerprint(), h.alice.entity.PrivateKey, c.change)
			_, err := h.policy.Verify(env, VerifyOptions{At: now()})
			if c.says == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			wantRefusal(t, err, CodeSignature, c.says)
		})
	}
}

// A subkey that may only encrypt, or that its owner revoked, signs nothing.
func TestSubkeysThatCountForNothing(t *testing.T) {
	h := newHouse(t)
	e := at(t, h.alice, now()).entity
	if err := e.AddSigningSubkey(config(now().Add(-time.Hour))); err != nil {
		t.Fatal(err)
	}
	sub := &e.Subkeys[1]
	env := signedPlan(t, h.plan())
	addPacket(t, env, h.alice.Fingerprint(), sub.PrivateKey, func(*packet.Signature) {})
	k := public(t, e)
	pae := PAE(env.PayloadType, env.Payload)
	if _, err := k.VerifyMessage(pae, env.Signatures[0].Sig, now()); err != nil {
		t.Fatal(err)
	}
	if err := sub.Revoke(packet.KeyCompromised, "", config(now())); err != nil {
		t.Fatal(err)
	}
	_, err := public(t, e).VerifyMessage(pae, env.Signatures[0].Sig, now())
	if err == nil || !strings.Contains(err.Error(), "subkey") || !strings.Contains(err.Error(), "revoked") {
		t.Error(err)
	}
	// Without its own certification, anybody could claim it.
	sub.Revocations = nil
	sub.Bindings[0].Packet.EmbeddedSignature = nil
	if err := sub.Bindings[0].Packet.SignKey(sub.PublicKey, e.PrivateKey, config(now().Add(-time.Hour))); err != nil {
		t.Fatal(err)
	}
	if _, err := public(t, e).VerifyMessage(pae, env.Signatures[0].Sig, now()); err == nil {
		t.Error("a subkey that does not certify itself counts")
	}
}

// What a signature does not cover must not be there.
func TestSignaturesWithMoreInThem(t *testing.T) {
	h := newHouse(t)
	sig, err := h.alice.Sign(t.Context(), []byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"twice":   slices.Concat(sig, sig),
		"longer":  append(bytes.Clone(sig), 0),
		"shorter": sig[:len(sig)-1],
		"empty":   nil,
		"armored": []byte("-----BEGIN PGP SIGNATURE-----\n"),
		"long":    make([]byte, MaxSignature+1),
		"padded":  withBody(sig, func(b []byte) []byte { return append(b, 0) }),
		"unsigned note": withBody(sig, func(b []byte) []byte {
			return withUnhashed(b, []byte{5, 20, 0, 0, 0, 0})
		}),
	} {
		if _, err := h.alice.Public().VerifyMessage([]byte("text"), bad, now()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := h.alice.Public().VerifyMessage([]byte("text"), withBody(sig, func(b []byte) []byte { return b }), now()); err != nil {
		t.Errorf("unchanged: %v", err)
	}
}

// withBody rebuilds a packet around a changed body.
func withBody(sig []byte, change func([]byte) []byte) []byte {
	o, err := packet.NewOpaqueReader(bytes.NewReader(sig)).Next()
	if err != nil {
		panic(err)
	}
	o.Contents = change(bytes.Clone(o.Contents))
	var b bytes.Buffer
	if err := o.Serialize(&b); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// withUnhashed adds a subpacket to the part that is not signed.
func withUnhashed(body, sub []byte) []byte {
	at := 6 + int(body[4])<<8 + int(body[5])
	n := int(body[at])<<8 + int(body[at+1]) + len(sub)
	out := slices.Concat(body[:at], []byte{byte(n >> 8), byte(n)}, sub, body[at+2:])
	return out
}

func TestSecondSignatureIsRefused(t *testing.T) {
	h := newHouse(t)
	e := signedPlan(t, h.plan(), h.alice)
	if err := e.Sign(context.Background(), h.alice); err == nil || !strings.Contains(err.Error(), "already") {
		t.Error(err)
	}
	for i := len(e.Signatures); i < MaxSignatures; i++ {
		e.Signatures = append(e.Signatures, Signature{KeyID: fmt.Sprintf("%040X", i), Sig: []byte{1}})
	}
	if err := e.Sign(context.Background(), h.bob); err == nil {
		t.Error("one signature too many was made")
	}
	if _, err := ParseEnvelope(e.Encode()); err != nil {
		t.Error(err)
	}
	e.Signatures = append(e.Signatures, e.Signatures[0])
	if _, err := ParseEnvelope(e.Encode()); err == nil {
		t.Error("one signature too many was read")
	}
}

func TestFixturesAreWhatTheySay(t *testing.T) {
	for name, algorithm := range map[string]string{"dsa": "dsa2048", "rsa1024": "rsa1024", "rsa3072": "rsa3072", "sha1": "ed25519", "p256": "P256"} {
		if got := fixture(t, name).Public().Algorithm(); !strings.EqualFold(got, algorithm) {
			t.Errorf("%s is %s", name, got)
		}
	}
	if _, err := os.Stat("testdata/README.md"); err != nil {
		t.Error(err)
	}
}
