package sandbox

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
)

// What goes over the pipes between an agent and its child is frames: one byte,
// the kind; four bytes, the length of the body, big-endian; the body.
//
// The agent writes first one frame confine and then any number of the others;
// of jobs one at a time. The child answers confine with hello, facts with facts
// and match with truth, or either with failed; it tells rows as they are
// found, an account when it is asked for one and with each beat, and a summary
// as the last of a job. What it needs of a child that sends it asks for, and
// gets one frame sent for each more, the first unasked; the last has a summary
// behind its rows. When a job has ended, a child that sends takes another.
const (
	frameConfine = 'C' // a Confinement as JSON
	frameFacts   = 'F' // what targets can say; back: plan.EncodeFacts
	frameSupply  = 'L' // back: one byte, a Supply
	frameMatch   = 'M' // parts: a plan, facts; back: frameTruth
	frameJob     = 'J' // parts: a head as JSON, a plan, the text of the policy, facts
	frameCancel  = 'X' // the job is to end
	frameAccount = 'A' // back: a summary of what was done so far, as plan/answer has it
	framePause   = 'P' // the job is to wait, where its process cannot be stopped
	frameGo      = 'G' // and go on
	frameTry     = 'T' // a Trial as JSON; back: doors as JSON
	frameSent    = 'S' // what a child that sends found: a scan's number, records of plan/answer

	frameHello   = 'H' // a hello as JSON; to a trial, doors
	frameTruth   = 'V' // one byte, a value.Truth
	frameFailed  = 'E' // one byte, 1 where the engine refused; a sentence
	frameRows    = 'R' // records of plan/answer
	frameSummary = 'D' // a summary as plan/answer has it
	frameNeed    = 'N' // a need as JSON: a scan by a child that sends
	frameMore    = 'O' // the number of such a scan, whose next rows may come
	frameDrop    = 'K' // the number of such a scan, whose rows nobody wants
	frameBeat    = 'B' // the nanoseconds of processors that the child has used, as varint
)

// Bounds of a frame, in bytes of its body.
const (
	maxToChild  = plan.MaxPlan + 4<<20 // a plan is by far the largest
	maxToParent = 4 << 20              // a row that can be sent is smaller, as is an account
	flushRows   = 64 << 10             // rows are sent when there are so many bytes of them
	maxRow      = 2 << 20              // a larger one cannot be sealed in one chunk
)

// errFrame says that the other end does not keep to the protocol.
var errFrame = errors.New("sandbox: malformed frame")

// A head is what a job needs beside its plan.
type head struct {
	Own    OwnFiles      `json:"own"`
	Agent  int64         `json:"agent"` // the process of the agent
	Self   *modules.Self `json:"self,omitempty"`
	Limits Limits        `json:"limits"`
	Apart  bool          `json:"apart"` // modules that send are scanned by another child
}

// A pipe writes frames, from several goroutines.
type pipe struct {
	mu sync.Mutex
	w  io.Writer
}

func (p *pipe) write(kind byte, body []byte) error {
	b := appendFrame(make([]byte, 0, 5+len(body)), kind, body)
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.w.Write(b)
	return err
}

func appendFrame(dst []byte, kind byte, body []byte) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, kind), uint32(len(body)))
	return append(dst, body...)
}

func (p *pipe) writeJSON(kind byte, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return p.write(kind, body)
}

// readFrame reads one frame. What a length claims costs nothing before its
// bytes are there.
func readFrame(r io.Reader, limit int) (kind byte, body []byte, err error) {
	var b [5]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return 0, nil, err
	}
	n := int64(binary.BigEndian.Uint32(b[1:]))
	if n > int64(limit) {
		return 0, nil, fmt.Errorf("%w: %q has %d bytes, and %d are allowed", errFrame, b[0], n, limit)
	}
	var buf bytes.Buffer
	if n < 64<<10 {
		buf.Grow(int(n))
	}
	if _, err := io.CopyN(&buf, r, n); err != nil {
		return 0, nil, fmt.Errorf("%w: %q is cut: %w", errFrame, b[0], err)
	}
	return b[0], buf.Bytes(), nil
}

// join puts parts into one body: each behind its length as varint.
func join(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(binary.AppendUvarint(b, uint64(len(p))), p...)
	}
	return b
}

// split takes n parts out of a body.
func split(b []byte, n int) ([][]byte, error) {
	var parts [][]byte
	for range n {
		size, k := binary.Uvarint(b)
		if k <= 0 || size > uint64(len(b)-k) {
			return nil, fmt.Errorf("%w: part %d of %d", errFrame, len(parts)+1, n)
		}
		parts = append(parts, b[k:k+int(size)])
		b = b[k+int(size):]
	}
	if len(b) > 0 {
		return nil, fmt.Errorf("%w: %d bytes follow %d parts", errFrame, len(b), n)
	}
	return parts, nil
}
