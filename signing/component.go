package signing

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/ed25519"
	"github.com/ProtonMail/go-crypto/openpgp/ed448"
	"github.com/ProtonMail/go-crypto/openpgp/eddsa"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// minRSA is the shortest modulus that counts, in bits.
const minRSA = 2048

// config is what the OpenPGP library may use and must refuse. Time is for what
// it makes; what it reads is judged here.
func config(at time.Time) *packet.Config {
	weak := map[crypto.Hash]bool{crypto.MD5: true, crypto.SHA1: true, crypto.RIPEMD160: true}
	return &packet.Config{
		Time:                        func() time.Time { return at },
		DefaultHash:                 crypto.SHA512,
		DefaultCipher:               packet.CipherAES256,
		Algorithm:                   packet.PubKeyAlgoEdDSA,
		Curve:                       packet.Curve25519,
		MinRSABits:                  minRSA,
		RejectPublicKeyAlgorithms:   map[packet.PublicKeyAlgorithm]bool{packet.PubKeyAlgoDSA: true, packet.PubKeyAlgoElGamal: true},
		RejectHashAlgorithms:        weak,
		RejectMessageHashAlgorithms: weak,
	}
}

// A component is the primary key or a subkey, with what its owner certified of
// it. The latest certification counts for all times, as GnuPG has it: an owner
// who puts off the expiry of his key does not lose what he signed before.
type component struct {
	key         *packet.PublicKey
	fingerprint Fingerprint
	algorithm   string
	material    string // the key's numbers, by which copies of a key are known
	weak        string // why it counts for nothing at any time; "" for nothing
	created     time.Time
	expires     time.Time // zero: never
	certified   time.Time // when the owner last said so
	compromised bool      // revoked without saying that it was good before
	retired     time.Time // revoked as superseded or no longer used; zero: not
	signs       bool
	what        string // "the key" or "the subkey 0123456789ABCDEF"
}

// valid says why the component counted for nothing at a moment.
func (c *component) valid(at time.Time) error {
	switch {
	case c.weak != "":
		return fmt.Errorf("%s is %s", c.what, c.weak)
	case c.compromised:
		return fmt.Errorf("%s is revoked", c.what)
	case !c.retired.IsZero() && !at.Before(c.retired):
		return fmt.Errorf("%s is revoked since %s", c.what, stamp(c.retired))
	case at.Before(c.created):
		return fmt.Errorf("%s was made at %s, after %s", c.what, stamp(c.created), stamp(at))
	case !c.expires.IsZero() && !at.Before(c.expires):
		return fmt.Errorf("%s expired at %s", c.what, stamp(c.expires))
	}
	return nil
}

// stamp writes a time in messages.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

func newComponent(p *packet.PublicKey, what string) component {
	c := component{key: p, fingerprint: fingerprintOf(p), created: p.CreationTime, what: what, material: material(p)}
	c.algorithm, c.weak = strength(p)
	return c
}

func primaryComponent(e *openpgp.Entity) component {
	c := newComponent(e.PrimaryKey, "the key")
	self, err := e.PrimarySelfSignature(time.Time{}, config(time.Time{}))
	if err != nil {
		if c.weak == "" {
			c.weak = "certified by nothing that counts" + weakHash(certificationsOf(e))
		}
		return c
	}
	c.signs = self.FlagsValid && self.FlagSign
	c.expireBy(self)
	if direct, err := e.LatestValidDirectSignature(time.Time{}, config(time.Time{})); err == nil && direct != self {
		c.expireBy(direct)
	}
	for _, r := range e.Revocations {
		if e.PrimaryKey.VerifyRevocationSignature(r.Packet) == nil {
			c.revokeBy(r.Packet)
		}
	}
	return c
}

func subkeyComponent(s *openpgp.Subkey) component {
	c := newComponent(s.PublicKey, "the subkey "+fingerprintOf(s.PublicKey).Short())
	self, err := s.LatestValidBindingSignature(time.Time{}, config(time.Time{}))
	if err != nil {
		if c.weak == "" {
			c.weak = "bound by nothing that counts" + weakHash(s.Bindings)
		}
		return c
	}
	c.signs = self.FlagsValid && self.FlagSign
	c.expireBy(self)
	if cross := self.EmbeddedSignature; c.signs && c.weak == "" {
		switch {
		case cross == nil:
			c.weak = "not certified by itself"
		case isWeak(cross.Hash):
			c.weak = "certified by itself with " + cross.Hash.String()
		default:
			c.expireBy(&packet.Signature{CreationTime: cross.CreationTime, SigLifetimeSecs: cross.SigLifetimeSecs})
		}
	}
	for _, r := range s.Revocations {
		if s.Primary.PrimaryKey.VerifySubkeyRevocationSignature(r.Packet, s.PublicKey) == nil {
			c.revokeBy(r.Packet)
		}
	}
	return c
}

// expireBy takes the earlier of the expiries of key and certification.
func (c *component) expireBy(s *packet.Signature) {
	bound := func(from time.Time, secs *uint32) {
		if secs == nil || *secs == 0 {
			return
		}
		if t := from.Add(time.Duration(*secs) * time.Second); c.expires.IsZero() || t.Before(c.expires) {
			c.expires = t
		}
	}
	if s.CreationTime.After(c.certified) {
		c.certified = s.CreationTime
	}
	bound(c.created, s.KeyLifetimeSecs)
	bound(s.CreationTime, s.SigLifetimeSecs)
}

// revokeBy takes a revocation whose signature was verified. One that gives no
// reason is for the worst.
func (c *component) revokeBy(s *packet.Signature) {
	if s.RevocationReason != nil {
		switch *s.RevocationReason {
		case packet.KeySuperseded, packet.KeyRetired:
			if c.retired.IsZero() || s.CreationTime.Before(c.retired) {
				c.retired = s.CreationTime
			}
			return
		}
	}
	c.compromised = true
}

// strength names the algorithm, and says what is wrong with it.
func strength(p *packet.PublicKey) (name, weak string) {
	bits, err := p.BitLength()
	if err != nil {
		bits = 0
	}
	switch p.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly, packet.PubKeyAlgoRSAEncryptOnly:
		name = fmt.Sprintf("rsa%d", bits)
		if bits < minRSA {
			weak = fmt.Sprintf("weak: RSA with %d bits, fewer than %d", bits, minRSA)
		}
	case packet.PubKeyAlgoDSA:
		return fmt.Sprintf("dsa%d", bits), "weak: DSA"
	case packet.PubKeyAlgoElGamal:
		return fmt.Sprintf("elgamal%d", bits), "weak: ElGamal"
	case packet.PubKeyAlgoEd25519:
		name = "ed25519"
	case packet.PubKeyAlgoEd448:
		name = "ed448"
	case packet.PubKeyAlgoX25519:
		name = "x25519"
	case packet.PubKeyAlgoX448:
		name = "x448"
	case packet.PubKeyAlgoECDSA, packet.PubKeyAlgoEdDSA, packet.PubKeyAlgoECDH:
		return curveStrength(p)
	default:
		name = fmt.Sprintf("algorithm%d", p.PubKeyAlgo)
		weak = fmt.Sprintf("of an algorithm that is not known here, number %d", p.PubKeyAlgo)
	}
	return name, weak
}

func curveStrength(p *packet.PublicKey) (name, weak string) {
	curve, err := p.Curve()
	switch {
	case err != nil:
		return "ecc", "on a curve that is not known here"
	case curve == packet.CurveSecP256k1:
		return "secp256k1", "weak: on the curve secp256k1"
	case curve == packet.Curve25519 && p.PubKeyAlgo == packet.PubKeyAlgoECDH:
		return "cv25519", ""
	case curve == packet.Curve25519:
		return "ed25519", ""
	case curve == packet.Curve448 && p.PubKeyAlgo == packet.PubKeyAlgoEdDSA:
		return "ed448", ""
	}
	return string(curve), ""
}

func isWeak(h crypto.Hash) bool {
	switch h {
	case crypto.SHA256, crypto.SHA384, crypto.SHA512, crypto.SHA3_256, crypto.SHA3_512:
		return false
	}
	return true
}

func certificationsOf(e *openpgp.Entity) []*packet.VerifiableSignature {
	list := e.DirectSignatures
	for _, id := range e.Identities {
		list = append(list, id.SelfCertifications...)
	}
	return list
}

// weakHash explains why no certification counts.
func weakHash(list []*packet.VerifiableSignature) string {
	for _, s := range list {
		if isWeak(s.Packet.Hash) {
			return " (weak: with " + s.Packet.Hash.String() + ")"
		}
	}
	return ""
}

// material gives the numbers of a key without its date, so that the same key
// dressed up as two is known again. EdDSA and RSA can be written under several
// numbers of an algorithm, and their points and exponents in several ways.
func material(p *packet.PublicKey) string {
	switch k := p.PublicKey.(type) {
	case *rsa.PublicKey:
		return "rsa " + string(k.N.Bytes())
	case *eddsa.PublicKey:
		return "eddsa " + string(k.X)
	case *ed25519.PublicKey:
		return "eddsa " + string(k.Point)
	case *ed448.PublicKey:
		return "eddsa " + string(k.Point)
	}
	var b bytes.Buffer
	if p.Serialize(&b) != nil {
		return ""
	}
	o, err := packet.NewOpaqueReader(&b).Next()
	if err != nil || len(o.Contents) < 6 {
		return ""
	}
	body := o.Contents[5:] // after version and date
	if p.Version == 6 {
		body = append([]byte{body[0]}, body[min(5, len(body)):]...) // without the length
	}
	return string(body)
}
