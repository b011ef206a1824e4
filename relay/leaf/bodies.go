package leaf

import (
	"crypto/sha256"
	"sync"

	"github.com/quaestor-engine/quaestor/transport/message"
)

// Bounds of what is sent once.
const (
	// worth is the size from which a body is sent once and then spoken of by
	// its hash, in bytes.
	worth = 128
	// remembered is how many bytes of bodies either end remembers, the last
	// ones: both drop the same ones, since both see them in one order.
	remembered = 64 << 20
)

type sum = [sha256.Size]byte

// A bodies is what one end of the line remembers of bodies that were sent.
type bodies struct {
	known map[sum][]byte // nil values at the end that sent them
	order []sum
	sizes map[sum]int
	total int
}

func newBodies() *bodies { return &bodies{known: map[sum][]byte{}, sizes: map[sum]int{}} }

func (b *bodies) has(of sum) bool { _, ok := b.known[of]; return ok }

// add remembers a body, and drops the oldest. One that is larger than all that
// is remembered is remembered alone.
func (b *bodies) add(of sum, body []byte, size int) {
	if b.has(of) {
		return
	}
	for len(b.order) > 0 && b.total+size > remembered {
		old := b.order[0]
		b.order = b.order[1:]
		b.total -= b.sizes[old]
		delete(b.known, old)
		delete(b.sizes, old)
	}
	b.known[of], b.sizes[of] = body, size
	b.order, b.total = append(b.order, of), b.total+size
}

// A Frames is a stream's way out.
type frames interface {
	WriteFrame(t message.Type, body []byte) error
}

// A thrifty sends frames of channels to a leaf, and each body once.
type thrifty struct {
	line frames

	mu   sync.Mutex
	sent *bodies
}

// carry sends a frame of a channel.
func (t *thrifty) carry(channel uint32, kind message.Type, body []byte) error {
	c := message.Carried{Channel: channel, Type: kind, Body: body}
	if len(body) < worth {
		return t.line.WriteFrame(message.TypeCarry, c.Append(nil))
	}
	of := sha256.Sum256(body)
	c.Body = of[:]
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.sent.has(of) {
		if err := t.line.WriteFrame(message.TypeBody, body); err != nil {
			return err
		}
		t.sent.add(of, nil, len(body))
	}
	return t.line.WriteFrame(message.TypeSame, c.Append(nil))
}
