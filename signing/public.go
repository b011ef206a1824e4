package signing

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// MaxKey is the size of a key that is read, in bytes, armored or not. A key
// without certifications by others has under 10 KiB.
const MaxKey = 256 << 10

// maxSubkeys is how many subkeys of a key are looked at: each costs up to two
// verifications when the key is read.
const maxSubkeys = 32

// maxBits is the longest key, in bits: with a longer one, a verification takes
// an agent noticeable time.
const maxBits = 16384

// A PublicKey is an OpenPGP key, checked once when it was read: what it says
// about itself never changes, and several goroutines may use it.
type PublicKey struct {
	raw  []byte // the binary key, as it came
	name string
	// The primary key first, then the subkeys.
	parts []component
}

// ReadPublicKey reads exactly one OpenPGP public key, armored or binary, of at
// most MaxKey bytes. A key that is expired, revoked or weak is read all the
// same: Usable says what it is worth. The error wraps ErrMalformed.
func ReadPublicKey(b []byte) (*PublicKey, error) {
	raw, err := dearmor(b, openpgp.PublicKeyType)
	if err != nil {
		return nil, err
	}
	var k *PublicKey
	err = guard(func() error {
		e, err := readEntity(raw)
		if err != nil {
			return err
		}
		if e.PrivateKey != nil {
			return fmt.Errorf("%w: this is a private key, and a public one is asked for", ErrMalformed)
		}
		k = newPublicKey(e, raw)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return k, nil
}

// dearmor gives the binary of what may be armored as kind.
func dearmor(b []byte, kind string) ([]byte, error) {
	if len(b) > MaxKey {
		return nil, fmt.Errorf("%w: a key of %d bytes is more than %d", ErrMalformed, len(b), MaxKey)
	}
	text := bytes.TrimSpace(b)
	if !bytes.HasPrefix(text, []byte("-----BEGIN ")) {
		return b, nil
	}
	if n := bytes.Count(text, []byte("-----BEGIN ")); n != 1 {
		return nil, fmt.Errorf("%w: %d armored blocks, where one key is asked for", ErrMalformed, n)
	}
	block, err := armor.Decode(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%w: the armor: %w", ErrMalformed, err)
	}
	if block.Type != kind {
		return nil, fmt.Errorf("%w: this is a %.40q, and a %q is asked for", ErrMalformed, block.Type, kind)
	}
	raw, err := io.ReadAll(io.LimitReader(block.Body, MaxKey))
	if err != nil {
		return nil, fmt.Errorf("%w: the armor: %w", ErrMalformed, err)
	}
	return raw, nil
}

// readEntity reads the one key that raw must be.
func readEntity(raw []byte) (*openpgp.Entity, error) {
	packets := packet.NewReader(bytes.NewReader(raw))
	e, err := openpgp.ReadEntity(packets)
	if err != nil {
		return nil, fmt.Errorf("%w: no OpenPGP key: %w", ErrMalformed, err)
	}
	if _, err := packets.Next(); err != io.EOF {
		return nil, fmt.Errorf("%w: something follows the key: give one key alone", ErrMalformed)
	}
	if len(e.Subkeys) > maxSubkeys {
		return nil, fmt.Errorf("%w: the key has %d subkeys, more than %d", ErrMalformed, len(e.Subkeys), maxSubkeys)
	}
	keys := []*packet.PublicKey{e.PrimaryKey}
	for _, s := range e.Subkeys {
		keys = append(keys, s.PublicKey)
	}
	for _, p := range keys {
		if n, err := p.BitLength(); err == nil && n > maxBits {
			return nil, fmt.Errorf("%w: a key of %d bits is longer than %d", ErrMalformed, n, maxBits)
		}
	}
	if v := e.PrimaryKey.Version; v != 4 && v != 6 {
		return nil, fmt.Errorf("%w: a key of version %d, where 4 and 6 are known", ErrMalformed, v)
	}
	return e, nil
}

// guard keeps a panic in a library that reads what strangers sent
// from ending an agent.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: a library gave up: %v", ErrMalformed, p)
		}
	}()
	return f()
}

func newPublicKey(e *openpgp.Entity, raw []byte) *PublicKey {
	k := &PublicKey{raw: bytes.Clone(raw)}
	_, id := e.PrimaryIdentity(time.Time{}, config(time.Time{}))
	switch {
	case id != nil:
		k.name = id.Name
	case len(e.Identities) == 1:
		for name := range e.Identities {
			k.name = name
		}
	}
	k.name = strings.ToValidUTF8(k.name, "\uFFFD")
	k.parts = append(k.parts, primaryComponent(e))
	for i := range e.Subkeys {
		k.parts = append(k.parts, subkeyComponent(&e.Subkeys[i]))
	}
	return k
}

// Fingerprint names the key by its primary key.
func (k *PublicKey) Fingerprint() Fingerprint { return k.parts[0].fingerprint }

// Name gives the primary user id: what the key's owner says of himself, which
// nobody checked and which may hold any character.
func (k *PublicKey) Name() string { return k.name }

// Algorithm names the algorithm of the primary key, as in "ed25519" or
// "rsa4096".
func (k *PublicKey) Algorithm() string { return k.parts[0].algorithm }

// Created says when the primary key was made.
func (k *PublicKey) Created() time.Time { return k.parts[0].created }

// Expires says from when on the primary key counts for nothing; zero is never.
func (k *PublicKey) Expires() time.Time { return k.parts[0].expires }

// Armor gives the key as text.
func (k *PublicKey) Armor() []byte { return armored(openpgp.PublicKeyType, k.raw) }

func armored(kind string, raw []byte) []byte {
	var b bytes.Buffer
	w, err := armor.Encode(&b, kind, nil)
	if err == nil {
		_, err = w.Write(raw)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic("signing: armor into memory: " + err.Error())
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// Usable says whether the key can sign something that counts at a moment. The
// error wraps ErrUnusable and says why not.
func (k *PublicKey) Usable(at time.Time) error {
	if err := k.parts[0].valid(at); err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	var last error
	for i := range k.parts {
		c := &k.parts[i]
		if !c.signs {
			continue
		}
		err := c.valid(at)
		if err == nil {
			return nil
		}
		last = err
	}
	if last == nil {
		last = fmt.Errorf("no part of the key may sign")
	}
	return fmt.Errorf("%w: %w", ErrUnusable, last)
}

func fingerprintOf(p *packet.PublicKey) Fingerprint {
	return Fingerprint(strings.ToUpper(hex.EncodeToString(p.Fingerprint)))
}
