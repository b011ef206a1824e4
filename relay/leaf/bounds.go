package leaf

import (
	"errors"
	"fmt"

	"github.com/quaestor-engine/quaestor/transport/message"
)

// Bounds of what is carried.
const (
	// maxCarried is the largest frame of a channel that a leaf sends, in bytes: a
	// relay takes no larger one, and one that came would end the line.
	maxCarried = message.MaxControl + message.MaxChunk
	// maxWord is the size of a frame of an agent that says one thing, in bytes:
	// a receipt, a goodbye. Relays take no larger ones either.
	maxWord = 4 << 10
	// maxStrangers is how many connections of nobody's are carried at once: those
	// of machines that enrol. Anybody who reaches the leaf can make some.
	maxStrangers = 64
)

// errLarge says that a frame is more than a relay takes.
var errLarge = errors.New("a frame larger than relays take")

// errUnheard says that an end of a line takes nothing of what it is told. Who
// reads a line never waits until it can be written, since the other end may be
// waiting for the same.
var errUnheard = errors.New("the other end does not take that its channels are closed")

// agentLimit bounds what an agent says on its first stream.
func agentLimit(t byte) int {
	switch t {
	case message.TypeHello, message.TypeFacts, message.TypeChunk:
		return message.Limit(t)
	case message.TypeReceipt, message.TypeGoodbye, message.TypeIdle, message.TypeWell:
		return maxWord
	}
	return -1
}

// askLimit bounds what is said on a stream of a kind that the relay answers: one
// type of frame is asked with on each.
func askLimit(kind string) func(t byte) int {
	var asks message.Type
	switch kind {
	case message.KindEnroll, message.KindRenew:
		asks = message.TypeEnroll
	case message.KindLog:
		asks = message.TypeLogQuery
	case message.KindProgram:
		asks = message.TypePieceAsk
	}
	return func(t byte) int {
		if t != asks || asks == 0 {
			return -1
		}
		return message.MaxControl
	}
}

// carriedFrame makes a frame of a channel.
func carriedFrame(number uint32, t message.Type, body []byte) ([]byte, error) {
	c := message.Carried{Channel: number, Type: t, Body: body}
	frame := c.Append(nil)
	if len(frame) > maxCarried {
		return nil, fmt.Errorf("%w: %d bytes of type %d", errLarge, len(body), t)
	}
	return frame, nil
}
