package signing

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// MaxSignature is the size of one detached signature, in bytes: one by RSA
// with 16384 bits has 2.1 KiB.
const MaxSignature = 8 << 10

// VerifyMessage checks a binary detached signature of msg by any part of the
// key that may sign: the key and the part were valid when the signature says
// it was made, and are at the given moment; the signature is not from after
// that moment, but for Leeway, nor expired. It gives the time when the
// signature says it was made. The error wraps ErrUnusable, or ErrMalformed.
func (k *PublicKey) VerifyMessage(msg, sig []byte, at time.Time) (made time.Time, err error) {
	s, err := k.verify(msg, sig)
	if err != nil {
		return time.Time{}, err
	}
	if err := k.currently(s, at); err != nil {
		return time.Time{}, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	return s.CreationTime, nil
}

// currently says whether a signature that was good when it was made is at a
// later moment.
func (k *PublicKey) currently(s *packet.Signature, at time.Time) error {
	if made := s.CreationTime; made.After(at.Add(Leeway)) {
		return fmt.Errorf("the signature says that it was made at %s, after %s", stamp(made), stamp(at))
	}
	if secs := s.SigLifetimeSecs; secs != nil && *secs > 0 {
		if end := s.CreationTime.Add(time.Duration(*secs) * time.Second); !at.Before(end) {
			return fmt.Errorf("the signature expired at %s", stamp(end))
		}
	}
	// A key made by a clock that is a little ahead of ours is no lie.
	if at.Before(s.CreationTime) {
		at = s.CreationTime
	}
	if err := k.parts[0].valid(at); err != nil {
		return err
	}
	return k.partOf(s).valid(at)
}

// verify checks a signature as of the time when it was made.
func (k *PublicKey) verify(msg, sig []byte) (s *packet.Signature, err error) {
	err = guard(func() error {
		if s, err = parseSignature(sig); err != nil {
			return err
		}
		if err := k.verifyParsed(msg, s); err != nil {
			return fmt.Errorf("%w: %w", ErrUnusable, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (k *PublicKey) verifyParsed(msg []byte, s *packet.Signature) error {
	if isWeak(s.Hash) {
		return fmt.Errorf("the signature is weak: made with %s", s.Hash)
	}
	c := k.partOf(s)
	if c == nil {
		return fmt.Errorf("the signature is not by key %s", k.Fingerprint())
	}
	if err := k.parts[0].valid(s.CreationTime); err != nil {
		return fmt.Errorf("made at %s: %w", stamp(s.CreationTime), err)
	}
	if err := c.valid(s.CreationTime); err != nil {
		return fmt.Errorf("made at %s: %w", stamp(s.CreationTime), err)
	}
	if !c.signs {
		return fmt.Errorf("%s may not sign", c.what)
	}
	for _, n := range s.Notations {
		if n.IsCritical {
			return fmt.Errorf("the signature has a critical notation, %.80q, that is not known here", n.Name)
		}
	}
	h, err := s.PrepareVerify()
	if err != nil {
		return fmt.Errorf("the signature: %w", err)
	}
	h.Write(msg)
	if err := c.key.VerifySignature(h, s); err != nil {
		return fmt.Errorf("the signature is not of this text: %w", err)
	}
	// The library does not look at the copy of the digest's front, which the
	// signature does not cover.
	if !bytes.Equal(h.Sum(nil)[:len(s.HashTag)], s.HashTag[:]) {
		return errors.New("the signature was changed")
	}
	return nil
}

// partOf finds who a signature says it is by.
func (k *PublicKey) partOf(s *packet.Signature) *component {
	for i := range k.parts {
		if s.CheckKeyIdOrFingerprint(k.parts[i].key) {
			return &k.parts[i]
		}
	}
	return nil
}

// parseSignature reads exactly one binary signature packet, in the one
// spelling that it has, and with nothing outside what it signs but the names
// of its issuer. The error wraps ErrMalformed.
func parseSignature(sig []byte) (*packet.Signature, error) {
	if len(sig) > MaxSignature {
		return nil, fmt.Errorf("%w: a signature of %d bytes is more than %d", ErrMalformed, len(sig), MaxSignature)
	}
	if bytes.HasPrefix(sig, []byte("-----BEGIN")) {
		return nil, fmt.Errorf("%w: an armored signature, where a binary one is asked for", ErrMalformed)
	}
	r := bytes.NewReader(sig)
	o, err := packet.NewOpaqueReader(r).Next()
	if err != nil || r.Len() > 0 || !plainHeader(sig, len(o.Contents)) {
		return nil, fmt.Errorf("%w: not one OpenPGP packet", ErrMalformed)
	}
	p, err := o.Parse()
	if err != nil {
		return nil, fmt.Errorf("%w: the signature: %w", ErrMalformed, err)
	}
	s, ok := p.(*packet.Signature)
	if !ok || s.Version != 4 && s.Version != 6 || s.SigType != packet.SigTypeBinary {
		return nil, fmt.Errorf("%w: no binary signature of version 4 or 6", ErrMalformed)
	}
	if err := checkSpelling(s, o.Contents); err != nil {
		return nil, fmt.Errorf("%w: the signature: %w", ErrMalformed, err)
	}
	return s, nil
}

// plainHeader says whether the header of a packet is the shortest of its form
// for a body of n bytes, as all programs write it.
func plainHeader(b []byte, n int) bool {
	head := len(b) - n
	if b[0]&0x40 != 0 {
		return n < 192 && head == 2 || n >= 192 && n < 8384 && head == 3
	}
	return n < 1<<8 && head == 2 || n >= 1<<8 && n < 1<<16 && head == 3
}

// checkSpelling refuses what could be added to, or changed in, a signature
// without making it wrong.
func checkSpelling(s *packet.Signature, body []byte) error {
	var b bytes.Buffer
	if err := s.Serialize(&b); err != nil {
		return err
	}
	o, err := packet.NewOpaqueReader(&b).Next()
	if err != nil || !bytes.Equal(o.Contents, body) {
		return fmt.Errorf("something follows it")
	}
	for _, n := range []interface {
		Bytes() []byte
		BitLength() uint16
	}{s.RSASignature, s.ECDSASigR, s.ECDSASigS, s.EdDSASigR, s.EdDSASigS} {
		if n != nil && !plainNumber(n.Bytes(), int(n.BitLength())) {
			return fmt.Errorf("a number with a wrong length")
		}
	}
	if s.CreationTime.IsZero() {
		return fmt.Errorf("it does not say when it was made")
	}
	return checkUnhashed(body, s.Version)
}

// plainNumber says whether the length of a number, in bits, is the one for its
// bytes. Numbers with leading zero bytes are written by some programs.
func plainNumber(b []byte, length int) bool {
	if len(b) == 0 || b[0] == 0 {
		return length == 8*len(b)
	}
	return length == 8*(len(b)-1)+bits.Len8(b[0])
}

// The subpackets that may stand where no signature covers them.
const (
	subIssuer            = 16
	subIssuerFingerprint = 33
)

// checkUnhashed looks at the part of a signature that it does not cover.
func checkUnhashed(body []byte, version int) error {
	r := bytes.NewBuffer(body[4:]) // after version, type and two algorithms
	area := func() []byte {
		if version == 6 {
			return r.Next(int(binary.BigEndian.Uint32(pad(r.Next(4), 4))))
		}
		return r.Next(int(binary.BigEndian.Uint16(pad(r.Next(2), 2))))
	}
	area()
	free := bytes.NewBuffer(area())
	for free.Len() > 0 {
		n, _ := free.ReadByte()
		kind, err := free.ReadByte()
		if err == io.EOF || kind != subIssuer && kind != subIssuerFingerprint || n == 0 || n > 64 {
			return fmt.Errorf("something in it is not signed")
		}
		free.Next(int(n) - 1)
	}
	return nil
}

// pad makes what the library has parsed already safe to read again.
func pad(b []byte, n int) []byte {
	return append(make([]byte, n-len(b), n), b...)
}
