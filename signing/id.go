package signing

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
)

// An ID names a plan, an agent, a token or a fleet: 128 bits. Plans and fleets
// draw theirs at random; an agent's and a token's is the front of the SHA-256
// of its public key.
type ID [16]byte

// ParseID reads the 32 hex digits of an ID. The error wraps ErrMalformed.
func ParseID(s string) (ID, error) {
	var id ID
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return ID{}, fmt.Errorf("%w: %.40q is no ID of 32 hex digits", ErrMalformed, s)
	}
	copy(id[:], b)
	return id, nil
}

// String gives the ID in hex.
func (i ID) String() string { return hex.EncodeToString(i[:]) }

// IsZero says whether nobody set the ID.
func (i ID) IsZero() bool { return i == ID{} }

// MarshalText gives the ID in hex, for JSON and TOML.
func (i ID) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText reads what MarshalText gives.
func (i *ID) UnmarshalText(b []byte) error {
	parsed, err := ParseID(string(b))
	if err == nil {
		*i = parsed
	}
	return err
}

// NewID draws an ID at random.
func NewID() ID {
	var id ID
	rand.Read(id[:])
	return id
}
