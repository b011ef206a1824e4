package relay

import (
	"encoding/base64"
	"encoding/binary"
	"errors"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// What a plan's log says. A number is never used again.
const (
	entryTarget  byte = 1 // the plan is for this agent
	entryReached byte = 2 // the agent said that it has the plan
	entryChunk   byte = 3 // a chunk of the agent's answer
)

// chunkHead is what stands before the sealed bytes of a chunk: see
// message.Chunk.
const chunkHead = 37

var errLog = errors.New("relay: a plan's log is damaged")

// An entry is one line of a plan's log.
type entry struct {
	kind  byte
	agent signing.ID
	seq   uint32 // of a chunk, as are the others below
	final bool
	size  uint32 // of wire
	wire  []byte // as it came; nil where only the index was read
	from  *outbox
	held  *session // whose budget holds the bytes until they are stored
}

// encodeLog gives the body of a message of the log and its index. The body is
// a row of entries: a byte of kind, then the agent, or for a chunk four bytes
// of length and what the agent sent, as message.Chunk says.
func encodeLog(entries []entry) (body []byte, index string) {
	size := 0
	for _, e := range entries {
		size += 1 + 16 + len(e.wire)
	}
	body, brief := make([]byte, 0, size), make([]byte, 0, 26*len(entries))
	for _, e := range entries {
		body, brief = append(body, e.kind), append(brief, e.kind)
		brief = append(brief, e.agent[:]...)
		if e.kind != entryChunk {
			body = append(body, e.agent[:]...)
			continue
		}
		body = binary.BigEndian.AppendUint32(body, uint32(len(e.wire)))
		body = append(body, e.wire...)
		last := byte(0)
		if e.final {
			last = 1
		}
		brief = binary.BigEndian.AppendUint32(append(binary.BigEndian.AppendUint32(brief, e.seq), last), e.size)
	}
	return body, base64.RawStdEncoding.EncodeToString(brief)
}

// decodeLog reads the body of a message of the log. The wire forms of chunks
// are part of body.
func decodeLog(body []byte, f func(entry) error) error {
	for len(body) > 0 {
		e := entry{kind: body[0]}
		switch body = body[1:]; e.kind {
		case entryTarget, entryReached:
			if len(body) < len(e.agent) {
				return errLog
			}
			copy(e.agent[:], body)
			body = body[len(e.agent):]
		case entryChunk:
			if len(body) < 4 || uint64(binary.BigEndian.Uint32(body)) > uint64(len(body)-4) {
				return errLog
			}
			n := 4 + int(binary.BigEndian.Uint32(body))
			c, err := message.DecodeChunk(body[4:n])
			if err != nil {
				return errLog
			}
			e.agent, e.seq, e.final, e.size, e.wire = c.Agent, c.Seq, c.Final, uint32(n-4), body[4:n:n]
			body = body[n:]
		default:
			return errLog
		}
		if err := f(e); err != nil {
			return err
		}
	}
	return nil
}

// decodeIndex reads what encodeLog said of a message's entries, without their
// bytes: what a relay needs to go on after it was started again.
func decodeIndex(index string, f func(entry)) error {
	b, err := base64.RawStdEncoding.DecodeString(index)
	if err != nil {
		return errLog
	}
	for len(b) > 0 {
		if len(b) < 17 || b[0] == entryChunk && len(b) < 26 || b[0] < entryTarget || b[0] > entryChunk {
			return errLog
		}
		e := entry{kind: b[0]}
		copy(e.agent[:], b[1:])
		b = b[17:]
		if e.kind == entryChunk {
			e.seq, e.final, e.size = binary.BigEndian.Uint32(b), b[4] == 1, binary.BigEndian.Uint32(b[5:])
			b = b[9:]
		}
		f(e)
	}
	return nil
}
