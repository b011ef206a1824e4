package signing

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// pemIdentity is what stands in the first line of an identity's file.
const pemIdentity = "PRIVATE KEY"

// An Identity is an agent's own ed25519 key, made on the endpoint, which never
// leaves it.
type Identity struct {
	key ed25519.PrivateKey
}

// NewIdentity makes an identity. Its error is always nil: the system's source
// of random numbers does not fail.
func NewIdentity() (*Identity, error) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("signing: making an identity: %w", err)
	}
	return &Identity{key: key}, nil
}

// ReadIdentity reads what PEM gives. The error wraps ErrMalformed.
func ReadIdentity(b []byte) (*Identity, error) {
	if len(b) > MaxKey {
		return nil, fmt.Errorf("%w: an identity of %d bytes", ErrMalformed, len(b))
	}
	block, rest := pem.Decode(b)
	if block == nil || block.Type != pemIdentity || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("%w: no identity: one PEM block %q is asked for", ErrMalformed, pemIdentity)
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: the identity: %w", ErrMalformed, err)
	}
	key, ok := k.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%w: the identity is no ed25519 key", ErrMalformed)
	}
	return &Identity{key: key}, nil
}

// PEM gives the private key in PKCS #8, for a file that only the agent reads.
func (i *Identity) PEM() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		panic("signing: an ed25519 key that PKCS #8 cannot hold: " + err.Error())
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemIdentity, Bytes: der})
}

// ID gives the agent's ID.
func (i *Identity) ID() ID { return IDOf(i.Public()) }

// Public gives the public half.
func (i *Identity) Public() ed25519.PublicKey { return i.key.Public().(ed25519.PublicKey) }

// Sign signs a payload as a thing of a kind: a signature of one kind is good
// for no other.
func (i *Identity) Sign(kind string, payload []byte) []byte {
	return ed25519.Sign(i.key, kindMessage(kind, payload))
}

// Verify checks what Identity.Sign made. A key of the wrong length is no key.
func Verify(pub ed25519.PublicKey, kind string, payload, sig []byte) bool {
	return len(pub) == ed25519.PublicKeySize && ed25519.Verify(pub, kindMessage(kind, payload), sig)
}

func kindMessage(kind string, payload []byte) []byte {
	return PAE("application/vnd.quaestor."+kind+".v1", payload)
}

// IDOf gives the ID that goes with a public key: the front of its SHA-256.
func IDOf(pub ed25519.PublicKey) ID {
	h := sha256.Sum256(pub)
	return ID(h[:16])
}
