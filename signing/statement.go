package signing

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"time"
)

// MaxStatement is the size of an encoded statement, in bytes: what a control
// message holds.
const MaxStatement = 1 << 20

// A Statement is what an agent says of itself at a time: its facts, for one.
type Statement struct {
	Kind    string    `json:"kind"`
	Agent   ID        `json:"agent"`
	At      time.Time `json:"at"`
	Payload []byte    `json:"payload"`
	Sig     []byte    `json:"sig"`
}

// NewStatement signs a payload of a kind, which must be a lower-case word of at
// most 32 characters. Whole seconds of the time are kept.
func NewStatement(id *Identity, kind string, at time.Time, payload []byte) *Statement {
	s := &Statement{Kind: kind, Agent: id.ID(), At: second(at), Payload: payload}
	s.Sig = id.Sign("statement-"+kind, s.message())
	return s
}

// message is what is signed, beside the kind: agent, seconds, payload.
func (s *Statement) message() []byte {
	b := append([]byte(nil), s.Agent[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(s.At.Unix()))
	return append(b, s.Payload...)
}

// Encode gives the JSON of the statement in its one spelling.
func (s *Statement) Encode() []byte { return encodeJSON(s) }

// DecodeStatement reads what Encode gives, and nothing else, of at most
// MaxStatement bytes. The error wraps ErrMalformed. Nothing is verified yet.
func DecodeStatement(b []byte) (*Statement, error) {
	if len(b) > MaxStatement {
		return nil, fmt.Errorf("%w: a statement of %d bytes is more than %d", ErrMalformed, len(b), MaxStatement)
	}
	s := &Statement{}
	if err := decodeJSON(b, s); err != nil {
		return nil, fmt.Errorf("the statement: %w", err)
	}
	if !isName(s.Kind) || len(s.Kind) > 32 || len(s.Sig) != ed25519.SignatureSize || !s.At.Equal(second(s.At)) {
		return nil, fmt.Errorf("%w: the statement has no kind, no signature or no whole time", ErrMalformed)
	}
	return s, nil
}

// Verify says whether the agent with this key said it. The error is a Refusal.
func (s *Statement) Verify(pub ed25519.PublicKey) error {
	if IDOf(pub) != s.Agent {
		return refuse(CodeSignature, "the statement is of agent %s, and the key is that of agent %s", s.Agent, IDOf(pub))
	}
	if !Verify(pub, "statement-"+s.Kind, s.message(), s.Sig) {
		return refuse(CodeSignature, "the statement is not signed by agent %s", s.Agent)
	}
	return nil
}
