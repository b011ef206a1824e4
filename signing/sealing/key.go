package sealing

import (
	"crypto/hkdf"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
)

// seedSize is the length of a reply key's seed, in bytes.
const seedSize = 32

// A ReplyKey is the key of one plan. Its public half stands in the plan, its
// private half stays with the investigator.
type ReplyKey struct {
	seed    [seedSize]byte
	private hpke.PrivateKey
	cancel  []byte
}

// NewReplyKey draws a key.
func NewReplyKey() (*ReplyKey, error) {
	seed := make([]byte, seedSize)
	rand.Read(seed) // it never fails: crypto/rand
	return ParseReplyKey(seed)
}

// ParseReplyKey makes the key of what Seed gave. A seed of another length wraps
// ErrMalformed.
func ParseReplyKey(seed []byte) (*ReplyKey, error) {
	if len(seed) != seedSize {
		return nil, fmt.Errorf("%w: the seed of a reply key has %d bytes, not %d", ErrMalformed, len(seed), seedSize)
	}
	k := &ReplyKey{seed: [seedSize]byte(seed)}
	secret, err := hkdf.Key(sha256.New, seed, nil, "quaestor reply key v1", seedSize)
	if err != nil {
		return nil, fmt.Errorf("sealing: deriving the reply key: %w", err)
	}
	if k.private, err = kem().NewPrivateKey(secret); err != nil {
		return nil, fmt.Errorf("sealing: deriving the reply key: %w", err)
	}
	if k.cancel, err = hkdf.Key(sha256.New, seed, nil, "quaestor cancel v1", seedSize); err != nil {
		return nil, fmt.Errorf("sealing: deriving the cancel secret: %w", err)
	}
	return k, nil
}

// Seed gives the 32 bytes that all of the key is made from. Whoever has them
// opens every answer to the plan.
func (k *ReplyKey) Seed() []byte { return append([]byte(nil), k.seed[:]...) }

// Public gives the public half, 1,216 bytes.
func (k *ReplyKey) Public() []byte { return k.private.PublicKey().Bytes() }

// CancelSecret gives the 32 bytes that end the plan's investigation. They are
// derived from the seed and say nothing about it.
func (k *ReplyKey) CancelSecret() []byte { return append([]byte(nil), k.cancel...) }

// CancelDigest gives the SHA-256 of the cancel secret, which stands in the plan.
func (k *ReplyKey) CancelDigest() [32]byte { return sha256.Sum256(k.cancel) }

// String says nothing of the key, lest a log does.
func (k *ReplyKey) String() string { return "(a reply key)" }

// GoString is as String.
func (k *ReplyKey) GoString() string { return k.String() }
