// Package sealing closes an agent's answer so that only the investigator who
// asked can open it, and so that he sees when any of it was cut, doubled,
// reordered, spliced in from elsewhere or invented.
//
// A newcomer needs [NewSealer] on the agent's side and [NewOpener] on the
// investigator's; both are told by a [Binding] what the answer belongs to. The
// package must not be linked into a relay, which has nothing to open, and must
// not be used for what several may read: there is one reply key a plan.
//
// # The form of a chunk
//
// An answer is a row of chunks, numbered from 0 without gaps. All numbers are
// big-endian.
//
//	0  4     "QSC1"
//	4  1     flags: 1 the last chunk of the answer, 2 a key chunk; others are 0
//	5  4     the chunk's number
//	9  1120  only in a key chunk: the HPKE encapsulation
//	…  n     the sealed body: HPKE ciphertext, of which 16 bytes are the tag
//	…  64    the agent's signature
//
// The suite is HPKE (RFC 9180, base mode) with MLKEM768-X25519, HKDF-SHA256
// and AES-256-GCM. Its info is "quaestor answer v1", a zero byte, fleet, plan
// and agent, 16 bytes each, and the number of the key chunk, 4 bytes; the head
// of each chunk, its first 9 bytes, is the additional data. Opened, a body is
// one byte for the method and then
//
//	0  the plain bytes as they are
//	1  their number in 4 bytes, and one zstd frame of them
//
// The signature is [signing.Identity.Sign] of the kind [Kind] over fleet, plan,
// agent and the SHA-256 of everything before it. Anyone can seal to a reply
// key, which stands in the plan: it is the signature that says who did, and
// the info that keeps another agent from signing what he did not seal.
//
// # Key chunks
//
// The first chunk of a [Sealer] is a key chunk, and the chunks after it are
// sealed in its context. Chunk 0 is one always; a later one is the work of an
// agent that was started again, lost the context with its memory, and goes on
// from the number that it had come to. Each key chunk ends the context before
// it for good. Since the number is in the info and in the signature, an old
// key chunk opens nothing but its own place, and that only once.
package sealing

import (
	"crypto/hpke"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// Bounds, in bytes.
const (
	// MaxPlain is the most that one chunk carries: with everything that is put
	// around it on the way, a chunk stays below the 1 MiB of message.MaxChunk
	// and of a message on the spine.
	MaxPlain = 1020 << 10
	// MaxChunk is the largest chunk: MaxPlain that no compression made smaller,
	// and at most Overhead around it.
	MaxChunk = MaxPlain + Overhead
	// Overhead is what a key chunk adds to what it seals; any other adds
	// encapsulation fewer.
	Overhead = headSize + encapsulation + 1 + tagSize + signatureSize
)

const (
	magic         = "QSC1"
	headSize      = len(magic) + 1 + 4
	encapsulation = 1120 // an ML-KEM-768 ciphertext of 1088, an X25519 point of 32
	tagSize       = 16
	signatureSize = 64

	minChunk = headSize + tagSize + signatureSize
)

// Kind is what the agent's identity signs chunks as.
const Kind = "chunk"

// The errors of Open and Close, each wrapped with what was found.
var (
	// ErrMalformed: the bytes are no chunk.
	ErrMalformed = errors.New("sealing: malformed chunk")
	// ErrForged: the chunk is not the agent's, or is not of this answer, or was
	// not sealed to this key.
	ErrForged = errors.New("sealing: forged chunk")
	// ErrOrder: the chunk is the agent's and of this answer, and it is not its
	// turn: it repeats one, or one is missing before it, or the answer has ended.
	ErrOrder = errors.New("sealing: chunk out of order")
	// ErrBomb: the agent sealed what expands beyond what it said or may.
	ErrBomb = errors.New("sealing: chunk that expands beyond its bound")
	// ErrCut: the answer ended without its last chunk.
	ErrCut = errors.New("sealing: answer without its end")
)

// The errors of a Sealer.
var (
	// ErrTooLarge: more than MaxPlain in one chunk.
	ErrTooLarge = errors.New("sealing: too large for one chunk")
	// ErrEnded: the last chunk was sealed already.
	ErrEnded = errors.New("sealing: the answer has ended")
)

// A Binding says what an answer belongs to. Each field is a signing.ID.
type Binding struct{ Fleet, Plan, Agent [16]byte }

func (b *Binding) append(dst []byte) []byte {
	dst = append(dst, b.Fleet[:]...)
	dst = append(dst, b.Plan[:]...)
	return append(dst, b.Agent[:]...)
}

// info is HPKE's, for a context that begins at a number.
func (b *Binding) info(first uint32) []byte {
	return binary.BigEndian.AppendUint32(b.append([]byte("quaestor answer v1\x00")), first)
}

// message is what the agent signs of a chunk.
func (b *Binding) message(unsigned []byte) []byte {
	sum := sha256.Sum256(unsigned)
	return append(b.append(nil), sum[:]...)
}

// A head is the front of a chunk.
type head struct {
	final, key bool
	seq        uint32
}

const (
	flagFinal = 1 << iota
	flagKey
)

func (h head) append(dst []byte) []byte {
	var flags byte
	if h.final {
		flags |= flagFinal
	}
	if h.key {
		flags |= flagKey
	}
	dst = append(append(dst, magic...), flags)
	return binary.BigEndian.AppendUint32(dst, h.seq)
}

// parseHead reads the head of a chunk and checks that the chunk is neither too
// short for it nor too long.
func parseHead(chunk []byte) (head, error) {
	if len(chunk) < minChunk || len(chunk) > MaxChunk {
		return head{}, fmt.Errorf("%w: %d bytes, not %d to %d", ErrMalformed, len(chunk), minChunk, MaxChunk)
	}
	flags := chunk[len(magic)]
	if string(chunk[:len(magic)]) != magic || flags&^(flagFinal|flagKey) != 0 {
		return head{}, fmt.Errorf("%w: it begins with %x", ErrMalformed, chunk[:headSize])
	}
	h := head{
		final: flags&flagFinal != 0,
		key:   flags&flagKey != 0,
		seq:   binary.BigEndian.Uint32(chunk[len(magic)+1:]),
	}
	if h.key && len(chunk) < minChunk+encapsulation {
		return head{}, fmt.Errorf("%w: a key chunk of %d bytes, not %d or more", ErrMalformed, len(chunk), minChunk+encapsulation)
	}
	return h, nil
}

func kem() hpke.KEM { return hpke.MLKEM768X25519() }
