package signing

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

func TestPublicKey(t *testing.T) {
	k := person(t, "alice")
	p := k.Public()
	for _, raw := range [][]byte{p.Armor(), p.raw, append([]byte("\n\n"), p.Armor()...)} {
		q, err := ReadPublicKey(raw)
		if err != nil || q.Fingerprint() != k.Fingerprint() || !bytes.Equal(q.Armor(), p.Armor()) {
			t.Fatal(err)
		}
	}
	if p.Name() != "alice <alice@test>" || p.Algorithm() != "ed25519" || !p.Created().Equal(now().AddDate(0, -2, 0)) || !p.Expires().IsZero() || p.Usable(now()) != nil {
		t.Errorf("%q %q %v %v %v", p.Name(), p.Algorithm(), p.Created(), p.Expires(), p.Usable(now()))
	}
	if err := p.Usable(now().AddDate(-1, 0, 0)); !errors.Is(err, ErrUnusable) {
		t.Error("usable before it was made")
	}
	if !isFingerprint(string(p.Fingerprint())) {
		t.Error(p.Fingerprint())
	}
}

func TestReadPublicKeyRefuses(t *testing.T) {
	k := person(t, "alice")
	p := k.Public()
	private := must(k.Armor(nil))
	for name, bad := range map[string][]byte{
		"empty":            nil,
		"text":             []byte("hello"),
		"private":          private,
		"two keys":         slices.Concat(p.raw, person(t, "bob").Public().raw),
		"two armored":      slices.Concat(p.Armor(), p.Armor()),
		"cut":              p.raw[:len(p.raw)-5],
		"cut armor":        p.Armor()[:100],
		"only the key":     p.raw[:53],
		"long":             make([]byte, MaxKey+1),
		"rubbish after":    slices.Concat(p.raw, []byte{0xC2, 1, 4}),
		"a signature":      must(k.Sign(t.Context(), nil)),
		"begins, no block": []byte("-----BEGIN "),
		"unknown armor":    bytes.ReplaceAll(p.Armor(), []byte("PUBLIC KEY"), []byte("NOTHING")),
	} {
		if q, err := ReadPublicKey(bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, %v", name, q, err)
		}
	}
}

func TestPrivateKeyLocks(t *testing.T) {
	k := person(t, "alice")
	if k.Locked() {
		t.Fatal("a new key is locked")
	}
	locked := must(ReadPrivateKey(must(k.Armor([]byte("horse")))))
	ctx := t.Context()
	if !locked.Locked() || locked.Fingerprint() != k.Fingerprint() {
		t.Fatal("not locked")
	}
	if _, err := locked.Sign(ctx, nil); !errors.Is(err, ErrLocked) {
		t.Error(err)
	}
	if _, err := locked.Decrypt(ctx, nil); !errors.Is(err, ErrLocked) {
		t.Error(err)
	}
	if _, err := locked.Armor(nil); !errors.Is(err, ErrLocked) {
		t.Error(err)
	}
	if err := locked.Unlock([]byte("donkey")); !errors.Is(err, ErrPassphrase) || !locked.Locked() {
		t.Error(err)
	}
	if err := locked.Unlock([]byte("horse")); err != nil || locked.Locked() {
		t.Fatal(err)
	}
	if err := locked.Unlock(nil); err != nil {
		t.Error(err)
	}
	if k.Locked() {
		t.Error("locking a copy locked the key")
	}
	sig := must(locked.Sign(ctx, []byte("a")))
	if _, err := k.Public().VerifyMessage([]byte("a"), sig, time.Now()); err != nil {
		t.Error(err)
	}
	if _, err := ReadPrivateKey(k.Public().Armor()); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
	if _, err := ReadPrivateKey(k.Public().raw); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
	stop, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := k.Sign(stop, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := NewPrivateKey("a<b>", "", now()); err == nil {
		t.Error("a name with brackets")
	}
}

func TestEncrypt(t *testing.T) {
	alice, bob, eve := person(t, "alice"), person(t, "bob"), person(t, "eve")
	ctx := t.Context()
	secret := []byte("a reply key's seed")
	msg := must(Encrypt(secret, []*PublicKey{alice.Public(), bob.Public()}))
	for _, k := range []*PrivateKey{alice, bob} {
		if got, err := k.Decrypt(ctx, msg); err != nil || !bytes.Equal(got, secret) {
			t.Errorf("%q, %v", got, err)
		}
	}
	if got, err := eve.Decrypt(ctx, msg); err == nil {
		t.Errorf("eve reads %q", got)
	}
	for i := range msg {
		bad := bytes.Clone(msg)
		bad[i] ^= 1
		if got, err := alice.Decrypt(ctx, bad); err == nil && !bytes.Equal(got, secret) {
			t.Fatalf("byte %d changed: %q", i, got)
		}
	}
	if _, err := Encrypt(secret, nil); err == nil {
		t.Error("encrypted to nobody")
	}
	if _, err := Encrypt(make([]byte, MaxSecret+1), []*PublicKey{alice.Public()}); err == nil {
		t.Error("encrypted too much")
	}
	if _, err := alice.Decrypt(ctx, make([]byte, 2*MaxSecret+1)); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
	// Weak, and good but for signing alone.
	for _, name := range []string{"dsa", "rsa3072"} {
		k := fixture(t, name).Public()
		if _, err := Encrypt(secret, []*PublicKey{alice.Public(), k}); err == nil || !strings.Contains(err.Error(), string(k.Fingerprint())) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A message that grows when it is opened, as an investigator could be sent.
func TestDecryptRefusesBombs(t *testing.T) {
	alice := person(t, "alice")
	c := config(time.Now())
	c.DefaultCompressionAlgo = packet.CompressionZLIB
	c.CompressionConfig = &packet.CompressionConfig{Level: 9}
	e := alice.entity
	e.Identities["alice <alice@test>"].SelfCertifications[0].Packet.PreferredCompression = []uint8{uint8(packet.CompressionZLIB)}
	var b bytes.Buffer
	w, err := openpgp.Encrypt(&b, []*openpgp.Entity{e}, nil, nil, nil, c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 64<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if b.Len() > MaxSecret {
		t.Fatalf("the bomb has %d bytes: it was not compressed", b.Len())
	}
	if got, err := alice.Decrypt(t.Context(), b.Bytes()); err == nil {
		t.Errorf("%d bytes came out of %d", len(got), b.Len())
	}
}

// Each subkey costs verifications when the key is read.
func TestReadPublicKeyRefusesManySubkeys(t *testing.T) {
	e := person(t, "alice").entity
	for len(e.Subkeys) <= maxSubkeys {
		e.Subkeys = append(e.Subkeys, e.Subkeys[0])
	}
	var b bytes.Buffer
	if err := e.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadPublicKey(b.Bytes()); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "33 subkeys") {
		t.Error(err)
	}
}

func TestReadPublicKeyRefusesLongKeys(t *testing.T) {
	n := new(big.Int).Lsh(big.NewInt(1), maxBits)
	p := packet.NewRSAPublicKey(now(), &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537})
	var b bytes.Buffer
	if err := p.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	if err := packet.NewUserId("long", "", "").Serialize(&b); err != nil {
		t.Fatal(err)
	}
	sig := &packet.Signature{Version: 4, SigType: packet.SigTypePositiveCert, PubKeyAlgo: packet.PubKeyAlgoRSA, Hash: crypto.SHA256, CreationTime: now(), IssuerKeyId: &p.KeyId}
	h := must(sig.PrepareSign(config(now())))
	forger := packet.NewRSAPrivateKey(now(), must(rsa.GenerateKey(nil, 2048)))
	forger.PublicKey = *p
	if err := sig.Sign(h, forger, config(now())); err != nil {
		t.Fatal(err)
	}
	if err := sig.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadPublicKey(b.Bytes()); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "bits is longer") {
		t.Error(err)
	}
}

// An owner who puts off the expiry of his key does not lose what he signed.
func TestLaterCertificationCountsForEarlierSignatures(t *testing.T) {
	k := person(t, "alice")
	sig := must(at(t, k, now().Add(-24*time.Hour)).Sign(t.Context(), []byte("a")))
	e := at(t, k, now()).entity
	for _, id := range e.Identities {
		s := id.SelfCertifications[0].Packet
		s.CreationTime = now().Add(-time.Hour)
		life := uint32(365 * 86400)
		s.KeyLifetimeSecs = &life
		if err := s.SignUserId(id.UserId.Id, e.PrimaryKey, e.PrivateKey, config(now())); err != nil {
			t.Fatal(err)
		}
	}
	p := public(t, e)
	if p.Expires().IsZero() {
		t.Fatal("it does not expire")
	}
	if _, err := p.VerifyMessage([]byte("a"), sig, now()); err != nil {
		t.Error(err)
	}
	if _, err := p.VerifyMessage([]byte("a"), sig, now().AddDate(2, 0, 0)); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Error(err)
	}
}

// Keys and policies are used by all sessions of a relay at once.
func TestManyAtOnce(t *testing.T) {
	h := newHouse(t)
	e := signedPlan(t, h.files(), h.alice, h.bob)
	m := h.token(t, h.admin).Enroll(agent(t).Public(), "a", now())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				if _, err := h.policy.Verify(e, VerifyOptions{At: now()}); err != nil {
					t.Error(err)
				}
				if _, err := h.policy.Member(m); err != nil {
					t.Error(err)
				}
				if _, err := h.alice.Sign(t.Context(), []byte("a")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
