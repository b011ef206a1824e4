package sealing

import (
	"crypto/ed25519"
	"crypto/hpke"
	"fmt"

	"github.com/quaestor-engine/quaestor/signing"
)

// An Opener opens the chunks of one answer in their order. Until the first it
// holds a hundred bytes, so that there may be one for each agent of a fleet. It
// is not safe for several goroutines.
type Opener struct {
	key       *ReplyKey
	binding   Binding
	agent     ed25519.PublicKey
	recipient *hpke.Recipient
	next      uint32
	ended     bool
	err       error // what the agent did that makes the rest worthless
}

// NewOpener begins to open the answer of one agent to one plan. Agent is its
// public key out of a membership that was verified: the Opener believes it.
func NewOpener(key *ReplyKey, b Binding, agent ed25519.PublicKey) *Opener {
	return &Opener{key: key, binding: b, agent: agent}
}

// Next gives the number of the chunk that Open waits for.
func (o *Opener) Next() uint32 { return o.next }

// Open opens the next chunk. Plain is the caller's to keep, at most MaxPlain
// bytes; final says that it is the last of the answer. An error wraps one of
// ErrMalformed, ErrForged, ErrOrder and ErrBomb. What a stranger can cause
// leaves the Opener as it was, and the right chunk can still come: a chunk that
// is not the agent's, and one of its chunks that comes too early or again. What
// only the agent can, a sealed body that is no plain bytes, ends the answer, and
// every later call gives the same error.
func (o *Opener) Open(chunk []byte) (plain []byte, final bool, err error) {
	if o.err != nil {
		return nil, false, o.err
	}
	h, err := parseHead(chunk)
	if err != nil {
		return nil, false, err
	}
	signed, sig := chunk[:len(chunk)-signatureSize], chunk[len(chunk)-signatureSize:]
	if !signing.Verify(o.agent, Kind, o.binding.message(signed), sig) {
		return nil, false, fmt.Errorf("%w: chunk %d is not signed by agent %x for this plan", ErrForged, h.seq, o.binding.Agent)
	}
	if err := o.turn(h); err != nil {
		return nil, false, err
	}
	body, err := o.unseal(h, signed)
	if err != nil {
		return nil, false, err
	}
	if plain, err = unpack(body); err != nil {
		o.err = fmt.Errorf("chunk %d of agent %x: %w", h.seq, o.binding.Agent, err)
		return nil, false, o.err
	}
	if h.final {
		o.ended = true
	} else {
		o.next++
	}
	return plain, h.final, nil
}

// turn says whether a chunk is the next.
func (o *Opener) turn(h head) error {
	switch {
	case o.ended:
		return fmt.Errorf("%w: chunk %d comes after the last, which was %d", ErrOrder, h.seq, o.next)
	case h.seq < o.next:
		return fmt.Errorf("%w: chunk %d comes again where %d is next", ErrOrder, h.seq, o.next)
	case h.seq > o.next:
		return fmt.Errorf("%w: chunk %d comes where %d is next", ErrOrder, h.seq, o.next)
	case h.seq == 0 && !h.key:
		return fmt.Errorf("%w: chunk 0 is no key chunk", ErrMalformed)
	}
	return nil
}

// unseal opens the body of a chunk that is signed and the next. One that does
// not open ends nothing: of the chunks that two lives of an agent gave one
// number, the other may fit.
func (o *Opener) unseal(h head, signed []byte) ([]byte, error) {
	sealed, recipient := signed[headSize:], o.recipient
	if h.key {
		var err error
		enc := sealed[:encapsulation]
		sealed = sealed[encapsulation:]
		recipient, err = hpke.NewRecipient(enc, o.key.private, hpke.HKDFSHA256(), hpke.AES256GCM(), o.binding.info(h.seq))
		if err != nil {
			return nil, fmt.Errorf("%w: the encapsulation of chunk %d: %w", ErrForged, h.seq, err)
		}
	}
	body, err := recipient.Open(signed[:headSize], sealed)
	if err != nil {
		return nil, fmt.Errorf("%w: chunk %d is not sealed to this reply key, or not in this place", ErrForged, h.seq)
	}
	o.recipient = recipient
	return body, nil
}

// Close says whether the answer came whole: nil after its last chunk, the
// error of Open that ended it, or one that wraps ErrCut.
func (o *Opener) Close() error {
	if o.err == nil && !o.ended {
		return fmt.Errorf("%w: %d chunks of agent %x came", ErrCut, o.next, o.binding.Agent)
	}
	return o.err
}
