package sealing

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// The methods of a body.
const (
	methodPlain = 0
	methodZstd  = 1
)

const (
	// minCompress is where compression begins to be worth its call, in bytes: a
	// chunk has more than as much beside its body that nothing makes shorter.
	minCompress = 1 << 10
	// window is how far zstd looks back, in bytes: over a chunk as agents make it.
	window = 256 << 10
	// decoderMemory is what zstd may take beside the plain bytes, in bytes.
	decoderMemory = 2 * MaxPlain
)

// The pools hold what is costly to make. Nothing of one answer shows in another:
// what is left in a buffer is overwritten before it is used.
var (
	packers   = sync.Pool{New: func() any { return newPacker() }}
	unpackers = sync.Pool{New: func() any { return newUnpacker() }}
)

type packer struct {
	zstd *zstd.Encoder
	buf  []byte
}

func newPacker() *packer {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(window), zstd.WithEncoderCRC(false))
	if err != nil {
		panic("sealing: options that zstd refuses: " + err.Error())
	}
	return &packer{zstd: z}
}

func newUnpacker() *zstd.Decoder {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(decoderMemory), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic("sealing: options that zstd refuses: " + err.Error())
	}
	return z
}

// pack makes a body of plain bytes. It is good until done is called.
func pack(plain []byte) (body []byte, done func()) {
	p := packers.Get().(*packer)
	done = func() { packers.Put(p) }
	if len(plain) >= minCompress {
		b := append(p.buf[:0], methodZstd)
		b = binary.BigEndian.AppendUint32(b, uint32(len(plain)))
		p.buf = p.zstd.EncodeAll(plain, b)
		if len(p.buf) <= len(plain) {
			return p.buf, done
		}
	}
	p.buf = append(append(p.buf[:0], methodPlain), plain...)
	return p.buf, done
}

// unpack gives the plain bytes of a body. The error wraps ErrMalformed or
// ErrBomb.
func unpack(body []byte) ([]byte, error) {
	if len(body) == 0 {
		return nil, fmt.Errorf("%w: no method", ErrMalformed)
	}
	method, rest := body[0], body[1:]
	switch {
	case method == methodPlain && len(rest) > MaxPlain:
		return nil, fmt.Errorf("%w: %d plain bytes", ErrBomb, len(rest))
	case method == methodPlain:
		return rest, nil
	case method != methodZstd || len(rest) < 4:
		return nil, fmt.Errorf("%w: method %d, %d bytes", ErrMalformed, method, len(rest))
	}
	n := binary.BigEndian.Uint32(rest)
	if n > MaxPlain {
		return nil, fmt.Errorf("%w: it says that it has %d plain bytes, more than %d", ErrBomb, n, MaxPlain)
	}
	return expand(rest[4:], int(n))
}

// expand undoes zstd, of which exactly n bytes must come.
func expand(b []byte, n int) ([]byte, error) {
	z := unpackers.Get().(*zstd.Decoder)
	defer unpackers.Put(z)
	plain, err := z.DecodeAll(b, make([]byte, 0, n))
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrFrameSizeExceeded),
		errors.Is(err, zstd.ErrWindowSizeExceeded), len(plain) > n:
		return nil, fmt.Errorf("%w: more than the %d bytes that it says", ErrBomb, n)
	case err != nil:
		return nil, fmt.Errorf("%w: zstd: %w", ErrMalformed, err)
	case len(plain) != n:
		return nil, fmt.Errorf("%w: %d bytes where it says %d", ErrMalformed, len(plain), n)
	}
	return plain, nil
}
