package signing

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
)

// The types of payloads.
const (
	TypePlan   = "application/vnd.quaestor.plan.v1+json"
	TypePolicy = "application/vnd.quaestor.policy.v1+toml"
	TypeToken  = "application/vnd.quaestor.token.v1+json"
)

// Bounds of envelopes.
const (
	MaxEnvelope   = 96 << 20 // bytes: a plan of 64 MiB in base64, and signatures
	MaxSignatures = 32       // of one envelope: each costs a verification
	maxType       = 128      // characters of a payload type
)

// An Envelope is a payload and who signed it. It says nothing until a policy
// has verified it.
type Envelope struct {
	PayloadType string
	Payload     []byte
	Signatures  []Signature
}

// A Signature is one of an envelope.
type Signature struct {
	KeyID string // the fingerprint of the signer's primary key; a hint
	Sig   []byte // a binary detached OpenPGP signature over PAE
}

// PAE is DSSE's pre-authentication encoding: what is signed. Type and payload
// are told apart by their lengths, so that no two pairs have the same.
func PAE(payloadType string, payload []byte) []byte {
	b := make([]byte, 0, len(payloadType)+len(payload)+32)
	b = append(b, "DSSEv1 "...)
	b = strconv.AppendInt(b, int64(len(payloadType)), 10)
	b = append(b, ' ')
	b = append(b, payloadType...)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(len(payload)), 10)
	b = append(b, ' ')
	return append(b, payload...)
}

// Sign adds the signer's signature. He signs once: a second signature by the
// same primary key is refused, and so is one that nobody would accept.
func (e *Envelope) Sign(ctx context.Context, s Signer) error {
	id := string(s.Fingerprint())
	if !isFingerprint(id) {
		return fmt.Errorf("%w: the signer has no fingerprint", ErrMalformed)
	}
	for _, have := range e.Signatures {
		if have.KeyID == id {
			return fmt.Errorf("signing: key %s has signed this already", id)
		}
	}
	if len(e.Signatures) >= MaxSignatures {
		return fmt.Errorf("signing: there are %d signatures already, and no more can be added", MaxSignatures)
	}
	sig, err := s.Sign(ctx, PAE(e.PayloadType, e.Payload))
	if err != nil {
		return err
	}
	p, err := parseSignature(sig)
	if err != nil {
		return err
	}
	if isWeak(p.Hash) {
		return fmt.Errorf("%w: the signer made a weak signature, with %s", ErrUnusable, p.Hash)
	}
	e.Signatures = append(e.Signatures, Signature{KeyID: id, Sig: sig})
	return nil
}

// Encode gives the envelope in its one spelling.
func (e *Envelope) Encode() []byte {
	size := base64.StdEncoding.EncodedLen(len(e.Payload)) + 128
	for _, s := range e.Signatures {
		size += base64.StdEncoding.EncodedLen(len(s.Sig)) + len(s.KeyID) + 32
	}
	b := make([]byte, 0, size)
	b = append(b, `{"payload":"`...)
	b = base64.StdEncoding.AppendEncode(b, e.Payload)
	b = append(b, `","payloadType":"`...)
	b = append(b, e.PayloadType...)
	b = append(b, `","signatures":[`...)
	for i, s := range e.Signatures {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"keyid":"`...)
		b = append(b, s.KeyID...)
		b = append(b, `","sig":"`...)
		b = base64.StdEncoding.AppendEncode(b, s.Sig)
		b = append(b, `"}`...)
	}
	return append(b, "]}"...)
}

// ParseEnvelope reads what Encode gives, and nothing else, of at most
// MaxEnvelope bytes. The error wraps ErrMalformed. The envelope shares nothing
// with b.
func ParseEnvelope(b []byte) (*Envelope, error) {
	if len(b) > MaxEnvelope {
		return nil, fmt.Errorf("%w: an envelope of %d bytes is more than %d", ErrMalformed, len(b), MaxEnvelope)
	}
	r := reader{rest: b}
	e := &Envelope{}
	r.word(`{"payload":"`)
	e.Payload = r.base64()
	r.word(`,"payloadType":"`)
	e.PayloadType = r.text(maxType, isTypeByte)
	r.word(`,"signatures":[`)
	for !r.bad && len(r.rest) > 0 && r.rest[0] != ']' {
		if len(e.Signatures) == MaxSignatures {
			return nil, fmt.Errorf("%w: an envelope with more than %d signatures", ErrMalformed, MaxSignatures)
		}
		if len(e.Signatures) > 0 {
			r.word(`,`)
		}
		r.word(`{"keyid":"`)
		id := r.text(64, isHexByte)
		r.word(`,"sig":"`)
		sig := r.base64()
		r.word(`}`)
		if !isFingerprint(id) || len(sig) > MaxSignature {
			r.bad = true
		}
		e.Signatures = append(e.Signatures, Signature{KeyID: id, Sig: sig})
	}
	r.word(`]}`)
	if r.bad || len(r.rest) > 0 || e.PayloadType == "" {
		return nil, fmt.Errorf("%w: not an envelope, or not in the spelling that envelopes have", ErrMalformed)
	}
	return e, nil
}

func isTypeByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '/' || c == '.' || c == '+' || c == '-'
}

func isHexByte(c byte) bool { return c >= '0' && c <= '9' || c >= 'A' && c <= 'F' }

// A reader takes an envelope apart from front to back.
type reader struct {
	rest []byte
	bad  bool // something was not as it must be
}

// word takes exactly w.
func (r *reader) word(w string) {
	var ok bool
	if r.rest, ok = bytes.CutPrefix(r.rest, []byte(w)); !ok {
		r.bad = true
	}
}

// until takes everything before the next quote, and the quote.
func (r *reader) until() []byte {
	i := bytes.IndexByte(r.rest, '"')
	if i < 0 || r.bad {
		r.bad = true
		return nil
	}
	b := r.rest[:i]
	r.rest = r.rest[i+1:]
	return b
}

// text takes a string of at most n of the bytes that are allowed in it.
func (r *reader) text(n int, allowed func(byte) bool) string {
	b := r.until()
	if len(b) > n {
		r.bad = true
		return ""
	}
	for _, c := range b {
		if !allowed(c) {
			r.bad = true
			return ""
		}
	}
	return string(b)
}

// base64 takes a string in base64: padded, without line breaks, and with
// nothing in the bits that count for no byte.
func (r *reader) base64() []byte {
	b := r.until()
	if bytes.IndexByte(b, '\r') >= 0 || bytes.IndexByte(b, '\n') >= 0 { // ContainsAny goes byte by byte
		r.bad = true
		return nil
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(b)))
	n, err := base64.StdEncoding.Strict().Decode(out, b)
	if err != nil {
		r.bad = true
		return nil
	}
	return out[:n]
}
