package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	// frameHead is the length of a frame's type and length, in bytes.
	frameHead = 5
	// firstRead is how much of a body is allocated on its length's word alone.
	firstRead = 16 << 10
	// growth is how many times more is allocated for each byte that arrived.
	growth = 4
)

// appendFrame adds a frame's head to dst. The body is at most 4 GiB.
func appendFrame(dst []byte, t byte, n int) []byte {
	return binary.BigEndian.AppendUint32(append(dst, t), uint32(n))
}

// readBody reads n bytes. What it allocates is at most firstRead, or growth
// times what has arrived: a peer that announces much and sends nothing costs
// nothing.
func readBody(r io.Reader, n int) ([]byte, error) {
	body := make([]byte, min(n, firstRead))
	have := 0
	for {
		m, err := io.ReadFull(r, body[have:])
		have += m
		if err != nil {
			return nil, midFrame(err)
		}
		if have == n {
			return body, nil
		}
		more := make([]byte, min(n, growth*have))
		copy(more, body)
		body = more
	}
}

// readHead reads a frame's type and length into h. started says whether any of
// it came: when none did, the stream is still between frames.
func readHead(r io.Reader, h *[frameHead]byte, limit func(t byte) int) (n int, started bool, err error) {
	m, err := io.ReadFull(r, h[:])
	if err != nil {
		if m > 0 {
			err = midFrame(err)
		}
		return 0, m > 0, err
	}
	size := uint64(binary.BigEndian.Uint32(h[1:]))
	most := limit(h[0])
	if most < 0 || size > uint64(most) {
		return 0, true, fmt.Errorf("%w: type %d, %d bytes, at most %d", ErrFrame, h[0], size, max(most, 0))
	}
	return int(size), true, nil
}

// midFrame makes the end of a stream inside a frame the surprise that it is.
func midFrame(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
