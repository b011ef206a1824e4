package message

import (
	"encoding/binary"
	"fmt"
)

// What a leaf and a relay of the centre say to each other goes over one stream,
// in which each stream of an agent is a channel with a number of its own.

// A Leaf is the first that either end of a leaf's line says.
type Leaf struct {
	Version int    `json:"version"` // of what is said on the line: 1
	Name    string `json:"name"`
}

// An Opened opens a channel, as a stream of a kind over an agent's connection;
// without an agent it is one of nobody's, to enrol.
type Opened struct {
	Channel uint32
	Agent   ID
	Kind    string
}

// openedHead is the length of an Opened before the kind, in bytes.
const openedHead = 4 + 16

// maxKind is the length of the longest kind, in bytes, as package transport has
// it.
const maxKind = 32

// Append adds the wire form of o to dst: channel, four bytes in big-endian; the
// agent, sixteen; the kind.
func (o *Opened) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, o.Channel)
	return append(append(dst, o.Agent[:]...), o.Kind...)
}

// DecodeOpened reads the wire form.
func DecodeOpened(b []byte) (Opened, error) {
	if len(b) <= openedHead || len(b) > openedHead+maxKind {
		return Opened{}, fmt.Errorf("%w: a channel opened in %d bytes", ErrMalformed, len(b))
	}
	return Opened{Channel: binary.BigEndian.Uint32(b), Agent: ID(b[4:openedHead]), Kind: string(b[openedHead:])}, nil
}

// A Carried is a frame of a channel.
type Carried struct {
	Channel uint32
	Type    Type
	Body    []byte
}

// carriedHead is the length of a Carried before the body, in bytes.
const carriedHead = 4 + 1

// Append adds the wire form of c to dst: channel, four bytes in big-endian; the
// type, one; the body.
func (c *Carried) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, c.Channel)
	return append(append(dst, c.Type), c.Body...)
}

// DecodeCarried reads the wire form. Body is part of b.
func DecodeCarried(b []byte) (Carried, error) {
	if len(b) < carriedHead {
		return Carried{}, fmt.Errorf("%w: a frame of a channel in %d bytes", ErrMalformed, len(b))
	}
	return Carried{Channel: binary.BigEndian.Uint32(b), Type: b[4], Body: b[carriedHead:]}, nil
}

// AppendShut adds the wire form of the number of a channel that is closed.
func AppendShut(dst []byte, channel uint32) []byte {
	return binary.BigEndian.AppendUint32(dst, channel)
}

// DecodeShut reads what AppendShut wrote.
func DecodeShut(b []byte) (uint32, error) {
	if len(b) != 4 {
		return 0, fmt.Errorf("%w: a channel closed in %d bytes", ErrMalformed, len(b))
	}
	return binary.BigEndian.Uint32(b), nil
}

// A Stored is an Ack of an agent's answer.
type Stored struct {
	Agent ID
	Ack
}

// storedSize is the length of a Stored, in bytes, and MaxStored how many one
// frame has.
const (
	storedSize = 16 + 16 + 4 + 1
	MaxStored  = MaxControl / storedSize
)

// AppendStored adds the wire form of s to dst: agent and plan, sixteen bytes
// each; next, four in big-endian; one that is 1 where nobody wants the answer.
// A frame has one behind the other.
func AppendStored(dst []byte, s Stored) []byte {
	dst = append(append(dst, s.Agent[:]...), s.Plan[:]...)
	dst = binary.BigEndian.AppendUint32(dst, s.Next)
	if s.Gone {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// DecodeStored reads a frame of them.
func DecodeStored(b []byte) ([]Stored, error) {
	if len(b) == 0 || len(b)%storedSize != 0 || len(b)/storedSize > MaxStored {
		return nil, fmt.Errorf("%w: acknowledgements in %d bytes", ErrMalformed, len(b))
	}
	var all []Stored
	for ; len(b) > 0; b = b[storedSize:] {
		if b[36] > 1 {
			return nil, fmt.Errorf("%w: an answer that is neither wanted nor not", ErrMalformed)
		}
		all = append(all, Stored{ID(b[:16]), Ack{Plan: ID(b[16:32]), Next: binary.BigEndian.Uint32(b[32:]), Gone: b[36] == 1}})
	}
	return all, nil
}
