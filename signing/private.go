package signing

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ProtonMail/go-crypto/openpgp/s2k"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// MaxSecret is the size of what Encrypt and Decrypt carry, in bytes: keys, not
// files.
const MaxSecret = 1 << 20

// ErrLocked says that a private key waits for its passphrase.
var ErrLocked = errors.New("signing: the private key is locked: its passphrase is needed")

// ErrPassphrase says that a passphrase is not that of the key.
var ErrPassphrase = errors.New("signing: the passphrase is wrong")

// A PrivateKey signs and decrypts with an OpenPGP key in memory. Several
// goroutines may use it.
type PrivateKey struct {
	// Clock gives the time of signatures; nil is the system's. Set it before
	// the key is used.
	Clock func() time.Time

	mu     sync.Mutex // the library keeps notes in entities
	entity *openpgp.Entity
	public *PublicKey
}

// NewPrivateKey makes a key of version 4, Ed25519 for signing and X25519 for
// what is encrypted to it, which GnuPG 2.2 reads. It never expires: who may ask
// is the policy's business. Name and email must not hold ()<> or NUL.
func NewPrivateKey(name, email string, at time.Time) (*PrivateKey, error) {
	e, err := openpgp.NewEntity(name, "", email, config(at))
	if err != nil {
		return nil, fmt.Errorf("signing: making a key: %w", err)
	}
	return newPrivateKey(e)
}

// ReadPrivateKey reads exactly one private key, armored or binary, of at most
// MaxKey bytes. It may be locked. The error wraps ErrMalformed.
func ReadPrivateKey(b []byte) (*PrivateKey, error) {
	raw, err := dearmor(b, openpgp.PrivateKeyType)
	if err != nil {
		return nil, err
	}
	var k *PrivateKey
	err = guard(func() error {
		e, err := readEntity(raw)
		if err != nil {
			return err
		}
		if e.PrivateKey == nil {
			return fmt.Errorf("%w: this is a public key, and a private one is asked for", ErrMalformed)
		}
		k, err = newPrivateKey(e)
		return err
	})
	if err != nil {
		return nil, err
	}
	return k, nil
}

func newPrivateKey(e *openpgp.Entity) (*PrivateKey, error) {
	var b bytes.Buffer
	if err := e.Serialize(&b); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	public, err := ReadPublicKey(b.Bytes())
	if err != nil {
		return nil, err
	}
	return &PrivateKey{entity: e, public: public}, nil
}

// Public gives the public half.
func (k *PrivateKey) Public() *PublicKey { return k.public }

// Fingerprint names the key by its primary key.
func (k *PrivateKey) Fingerprint() Fingerprint { return k.public.Fingerprint() }

// Locked says whether any part of the key waits for its passphrase.
func (k *PrivateKey) Locked() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.locked()
}

func (k *PrivateKey) locked() bool {
	for _, p := range k.privates() {
		if p.Encrypted {
			return true
		}
	}
	return false
}

// privates lists the private parts that are there: a key whose primary half is
// kept elsewhere has a dummy for it.
func (k *PrivateKey) privates() []*packet.PrivateKey {
	var list []*packet.PrivateKey
	if p := k.entity.PrivateKey; p != nil && !p.Dummy() {
		list = append(list, p)
	}
	for _, s := range k.entity.Subkeys {
		if p := s.PrivateKey; p != nil && !p.Dummy() {
			list = append(list, p)
		}
	}
	return list
}

// Unlock opens the key with its passphrase. A wrong one gives ErrPassphrase.
func (k *PrivateKey) Unlock(passphrase []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.locked() {
		return nil
	}
	err := guard(func() error { return k.entity.DecryptPrivateKeys(passphrase) })
	if err != nil || k.locked() {
		return ErrPassphrase
	}
	return nil
}

// Armor gives the private key as text, locked with the passphrase, or open to
// whoever reads it when the passphrase is empty. A locked key gives ErrLocked.
func (k *PrivateKey) Armor(passphrase []byte) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.locked() {
		return nil, ErrLocked
	}
	var b bytes.Buffer
	if err := k.entity.SerializePrivateWithoutSigning(&b, nil); err != nil {
		return nil, fmt.Errorf("signing: writing the private key: %w", err)
	}
	if len(passphrase) == 0 {
		return armored(openpgp.PrivateKeyType, b.Bytes()), nil
	}
	// The library locks in place; ours stays open.
	e, err := readEntity(b.Bytes())
	if err != nil {
		return nil, err
	}
	c := config(k.now())
	// Argon2 would be better, and GnuPG 2.2 could not read it.
	c.S2KConfig = &s2k.Config{S2KMode: s2k.IteratedSaltedS2K, Hash: crypto.SHA256, S2KCount: 65011712}
	if err := e.EncryptPrivateKeys(passphrase, c); err != nil {
		return nil, fmt.Errorf("signing: locking the private key: %w", err)
	}
	b.Reset()
	if err := e.SerializePrivateWithoutSigning(&b, nil); err != nil {
		return nil, fmt.Errorf("signing: writing the private key: %w", err)
	}
	return armored(openpgp.PrivateKeyType, b.Bytes()), nil
}

func (k *PrivateKey) now() time.Time {
	if k.Clock != nil {
		return k.Clock()
	}
	return time.Now()
}

// Sign makes a binary detached signature, with the newest subkey that may sign
// if there is one, as GnuPG does. A locked key gives ErrLocked.
func (k *PrivateKey) Sign(ctx context.Context, msg []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.locked() {
		return nil, ErrLocked
	}
	now := k.now()
	if err := k.public.Usable(now); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := openpgp.DetachSign(&b, []*openpgp.Entity{k.entity}, bytes.NewReader(msg), config(now)); err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return b.Bytes(), nil
}

// Encrypt makes a binary OpenPGP message to all of the keys, of at most
// MaxSecret bytes. The error names the key that nothing can be encrypted to.
func Encrypt(plain []byte, to []*PublicKey) ([]byte, error) {
	if len(plain) > MaxSecret {
		return nil, fmt.Errorf("signing: %d bytes to encrypt are more than %d", len(plain), MaxSecret)
	}
	if len(to) == 0 {
		return nil, errors.New("signing: nobody to encrypt to")
	}
	c := config(time.Now())
	var list []*openpgp.Entity
	for _, k := range to {
		e, err := readEntity(k.raw)
		if err != nil {
			return nil, err
		}
		if _, err := e.EncryptionKeyWithError(c.Now(), c); err != nil {
			return nil, fmt.Errorf("signing: nothing can be encrypted to key %s: %w", k.Fingerprint(), err)
		}
		list = append(list, e)
	}
	var b bytes.Buffer
	w, err := openpgp.Encrypt(&b, list, nil, nil, &openpgp.FileHints{IsUTF8: false}, c)
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("signing: encrypting: %w", err)
	}
	return b.Bytes(), nil
}

// Decrypt opens a binary OpenPGP message of at most MaxSecret bytes. Who made
// it is not asked. A locked key gives ErrLocked.
func (k *PrivateKey) Decrypt(ctx context.Context, msg []byte) (plain []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(msg) > 2*MaxSecret {
		return nil, fmt.Errorf("%w: a message of %d bytes is more than %d", ErrMalformed, len(msg), 2*MaxSecret)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.locked() {
		return nil, ErrLocked
	}
	err = guard(func() error {
		most := int64(MaxSecret) + 1
		c := config(k.now())
		c.MaxDecompressedMessageSize = &most
		m, err := openpgp.ReadMessage(bytes.NewReader(msg), openpgp.EntityList{k.entity}, nil, c)
		if err != nil {
			return fmt.Errorf("signing: opening a message with key %s: %w", k.Fingerprint(), err)
		}
		if !m.IsEncrypted {
			return fmt.Errorf("%w: the message is not encrypted", ErrMalformed)
		}
		plain, err = io.ReadAll(io.LimitReader(m.UnverifiedBody, most))
		if err != nil {
			return fmt.Errorf("signing: opening a message with key %s: %w", k.Fingerprint(), err)
		}
		if len(plain) > MaxSecret {
			return fmt.Errorf("%w: the message is larger than %d bytes", ErrMalformed, MaxSecret)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return plain, nil
}
