package message

import (
	"encoding/binary"
	"fmt"
	"time"
)

// The operations of a Request, and what follows it on the stream. Every stream
// ends with TypeEnd, or with a TypeFailure.
const (
	// OpSubmit: the investigator sends TypeEnvelope; TypeResult Submitted.
	OpSubmit = "submit"
	// OpFollow: TypeEnvelope, then TypeAgent for every agent that the plan is
	// for, TypeState and TypeChunk as they come, TypeCaughtUp once; TypeEnd
	// when the plan is over, or at once after TypeCaughtUp where Request.Stored.
	OpFollow = "follow"
	// OpCancel: the investigator sends TypeCancel; TypeEnd.
	OpCancel = "cancel"
	// OpDelete: answers and plan are forgotten; TypeEnd.
	OpDelete = "delete"
	// OpList: a TypeItem for each investigation, the latest first.
	OpList = "list"
	// OpPending: a TypeItem for each plan that waits for signatures.
	OpPending = "pending"
	// OpFleet: a TypeAgent for each agent.
	OpFleet = "fleet"
	// OpPolicy: TypePolicy, for each that leads from Request.After to the one
	// that the relay has: those that changed the administrators, and that one.
	OpPolicy = "policy"
	// OpPublish: the investigator sends TypePolicy; TypeEnd.
	OpPublish = "publish"
	// OpRelease: the investigator sends TypeEnvelope, a release; TypeResult
	// Missing; he sends TypePiece for all that is; TypeEnd.
	OpRelease = "release"
	// OpRollOut: the investigator sends TypeEnvelope, a roll-out; TypeResult
	// RolledOut.
	OpRollOut = "roll-out"
	// OpReleases: a TypeRelease for each.
	OpReleases = "releases"
	// OpWithdraw: the relay forgets Request.Release and offers it no more; for
	// administrators; TypeEnd.
	OpWithdraw = "withdraw"
	// OpLogHead: TypeHead, the last checkpoint of the log that enough witnesses
	// signed, with the proof that it goes on from Request.Log.From entries.
	OpLogHead = "log-head"
	// OpLogTile: TypeTile, Request.Log.Tile.
	OpLogTile = "log-tile"
	// OpLogEnvelope: TypeEnvelope, Request.Log.Sum.
	OpLogEnvelope = "log-envelope"
)

// A Request is the first frame of a request stream.
type Request struct {
	Op     string `json:"op"`
	Plan   ID     `json:"plan,omitzero"`
	Stored bool   `json:"stored,omitempty"` // follow: end after what is stored
	After  int64  `json:"after,omitempty"`  // policy: the version that is known; 0 for none

	Log     *LogQuery `json:"log,omitempty"`     // what of the log
	Release string    `json:"release,omitempty"` // withdraw: which
}

// Submitted answers a submit.
type Submitted struct {
	Plan    ID   `json:"plan"`
	Online  int  `json:"online"`  // agents of the target that are connected
	Offline int  `json:"offline"` // agents of the target that are known and not connected
	Pending bool `json:"pending"` // it waits for further signatures
	// Waits names the witnesses of the log whose signatures it waits for.
	Waits []string `json:"waits,omitempty"`
}

// An Investigation is what a relay says of one. Envelope is signed: whoever
// reads it verifies it.
type Investigation struct {
	Plan      ID        `json:"plan"`
	Envelope  []byte    `json:"envelope"`
	Submitted time.Time `json:"submitted"`
	Expires   time.Time `json:"expires"`
	Agents    int       `json:"agents"` // that the target names
	Reached   int       `json:"reached"`
	Done      int       `json:"done"`
	Bytes     int64     `json:"bytes"` // of answers, stored
	Cancelled bool      `json:"cancelled"`
}

// A Chunk is one sealed piece of an answer.
type Chunk struct {
	Agent ID
	Plan  ID
	Seq   uint32 // from 0, without gaps
	Final bool   // the last of the answer
	Data  []byte // see signing/sealing; it says all of the above again, signed
}

// chunkHead is the length of what stands before a chunk's data, in bytes.
const chunkHead = 16 + 16 + 4 + 1

// Append adds the wire form to dst: agent, plan, sequence in big-endian, one
// byte that is 1 for the last, data.
func (c *Chunk) Append(dst []byte) []byte {
	dst = append(dst, c.Agent[:]...)
	dst = append(dst, c.Plan[:]...)
	dst = binary.BigEndian.AppendUint32(dst, c.Seq)
	if c.Final {
		dst = append(dst, 1)
	} else {
		dst = append(dst, 0)
	}
	return append(dst, c.Data...)
}

// DecodeChunk reads the wire form. Data is part of b.
func DecodeChunk(b []byte) (Chunk, error) {
	var c Chunk
	if len(b) < chunkHead || len(b) > chunkHead+MaxChunk {
		return c, fmt.Errorf("%w: a chunk of %d bytes", ErrMalformed, len(b))
	}
	copy(c.Agent[:], b)
	copy(c.Plan[:], b[16:])
	c.Seq = binary.BigEndian.Uint32(b[32:])
	if b[36] > 1 {
		return c, fmt.Errorf("%w: a chunk that is neither last nor not", ErrMalformed)
	}
	c.Final, c.Data = b[36] == 1, b[chunkHead:]
	return c, nil
}
