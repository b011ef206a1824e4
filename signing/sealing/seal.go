package sealing

import (
	"crypto/hpke"
	"errors"
	"fmt"
	"math"
)

// A Sealer closes the chunks of one answer, one after the other. It is not safe
// for several goroutines.
type Sealer struct {
	binding Binding
	sign    func([]byte) []byte
	sender  *hpke.Sender
	enc     []byte // until the key chunk is out
	next    uint32
	err     error // why nothing more can be sealed
}

// NewSealer begins an answer to a plan's reply key, or goes on with one. Sign is
// signing.Identity.Sign of the agent for the kind Kind. First is 0 for a new
// answer; for one that an earlier process began it is the number after the last
// that this process let out of its hands: where two processes give out one
// number, the relay chooses which of the two chunks the investigator sees.
func NewSealer(replyPublic []byte, b Binding, sign func(msg []byte) []byte, first uint32) (*Sealer, error) {
	if sign == nil {
		return nil, errors.New("sealing: no function to sign with")
	}
	pub, err := kem().NewPublicKey(replyPublic)
	if err != nil {
		return nil, fmt.Errorf("%w: the plan's reply key: %w", ErrMalformed, err)
	}
	enc, sender, err := hpke.NewSender(pub, hpke.HKDFSHA256(), hpke.AES256GCM(), b.info(first))
	if err != nil {
		return nil, fmt.Errorf("sealing: sealing to the plan's reply key: %w", err)
	}
	return &Sealer{binding: b, sign: sign, sender: sender, enc: enc, next: first}, nil
}

// Next gives the number of the chunk that Seal makes next.
func (s *Sealer) Next() uint32 { return s.next }

// Seal makes the next chunk, which is the caller's to keep. Plain is at most
// MaxPlain bytes, or the error is ErrTooLarge, and the Sealer as it was. After
// the final chunk the error is ErrEnded. What is sealed shows its length, as
// compressed.
func (s *Sealer) Seal(plain []byte, final bool) ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	if len(plain) > MaxPlain {
		return nil, fmt.Errorf("%w: %d bytes, more than %d", ErrTooLarge, len(plain), MaxPlain)
	}
	// The last number is kept for a final chunk, or the answer could not end.
	if s.next == math.MaxUint32 && !final {
		return nil, fmt.Errorf("%w: no number is left for a further chunk", ErrTooLarge)
	}
	h := head{final: final, key: s.enc != nil, seq: s.next}
	body, done := pack(plain)
	chunk := make([]byte, 0, headSize+len(s.enc)+len(body)+tagSize+signatureSize)
	chunk = h.append(chunk)
	sealed, err := s.sender.Seal(chunk[:headSize], body)
	done()
	if err != nil {
		return nil, s.fail(fmt.Errorf("sealing: chunk %d: %w", s.next, err))
	}
	chunk = append(append(chunk, s.enc...), sealed...)
	sig := s.sign(s.binding.message(chunk))
	if len(sig) != signatureSize {
		return nil, s.fail(fmt.Errorf("sealing: chunk %d: a signature of %d bytes, not %d", s.next, len(sig), signatureSize))
	}
	s.enc = nil
	if final {
		s.err = ErrEnded
	} else {
		s.next++
	}
	return append(chunk, sig...), nil
}

// fail ends the Sealer: HPKE has counted a chunk that nobody will see.
func (s *Sealer) fail(err error) error {
	s.err = err
	return err
}
