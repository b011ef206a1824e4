package message

import (
	"encoding/binary"
	"fmt"
	"time"
)

// What a relay says of an agent comes once or more for each plan and agent. It
// is binary, and begins with whom it is about, as a chunk does.

// An Agent is what a relay says of one. Membership and Facts are signed: whoever
// reads them verifies them.
//
//	16 bytes  Agent
//	 1 byte   1 where it is online, else 0
//	 8 bytes  Seen, in nanoseconds since 1970; the least number for never
//	 8 bytes  Policy
//	 4 bytes  length of Membership, 4 of Facts, 4 of Software
//	          Membership, Facts, Software
//
// Numbers are big-endian.
type Agent struct {
	Agent      ID
	Membership []byte
	Facts      []byte // a signing.Statement over plan.Facts
	Online     bool
	Seen       time.Time // when it was last connected, in UTC
	Software   string
	Policy     int64 // the version of the policy that it obeys
}

const (
	agentHead = 16 + 1 + 8 + 8 + 3*4
	never     = -1 << 63
)

// Append encodes a after dst.
func (a *Agent) Append(dst []byte) []byte {
	seen := int64(never)
	if !a.Seen.IsZero() {
		seen = a.Seen.UnixNano()
	}
	dst = append(dst, a.Agent[:]...)
	dst = appendBool(dst, a.Online)
	dst = binary.BigEndian.AppendUint64(dst, uint64(seen))
	dst = binary.BigEndian.AppendUint64(dst, uint64(a.Policy))
	for _, n := range []int{len(a.Membership), len(a.Facts), len(a.Software)} {
		dst = binary.BigEndian.AppendUint32(dst, uint32(n))
	}
	return append(append(append(dst, a.Membership...), a.Facts...), a.Software...)
}

// DecodeAgent reads what Append wrote. Membership and Facts are parts of b.
func DecodeAgent(b []byte) (Agent, error) {
	var a Agent
	if len(b) < agentHead || b[16] > 1 {
		return a, fmt.Errorf("%w: %d bytes about an agent", ErrMalformed, len(b))
	}
	copy(a.Agent[:], b)
	a.Online = b[16] == 1
	if seen := int64(binary.BigEndian.Uint64(b[17:])); seen != never {
		a.Seen = time.Unix(0, seen).UTC()
	}
	a.Policy = int64(binary.BigEndian.Uint64(b[25:]))
	rest := b[agentHead:]
	var part [3][]byte
	for i := range part {
		n := uint64(binary.BigEndian.Uint32(b[33+4*i:]))
		if n > uint64(len(rest)) {
			return a, fmt.Errorf("%w: what is said about an agent is cut off", ErrMalformed)
		}
		part[i], rest = rest[:n:n], rest[n:]
	}
	if len(rest) > 0 {
		return a, fmt.Errorf("%w: something follows what is said about an agent", ErrMalformed)
	}
	a.Membership, a.Facts, a.Software = part[0], part[1], string(part[2])
	return a, nil
}

// A State is how far one agent has come with a plan, as the relay sees it.
//
//	16 bytes  Agent
//	 1 byte   1 for Reached, 2 for Done, 4 for Online, added up
//	 4 bytes  Chunks, big-endian
type State struct {
	Agent   ID
	Reached bool // it said that it has the plan
	Done    bool // its last chunk is stored
	Online  bool
	Chunks  uint32 // stored so far
}

const stateSize = 16 + 1 + 4

// Append encodes s after dst.
func (s *State) Append(dst []byte) []byte {
	var flags byte
	for i, yes := range []bool{s.Reached, s.Done, s.Online} {
		if yes {
			flags |= 1 << i
		}
	}
	return binary.BigEndian.AppendUint32(append(append(dst, s.Agent[:]...), flags), s.Chunks)
}

// DecodeState reads what Append wrote.
func DecodeState(b []byte) (State, error) {
	var s State
	if len(b) != stateSize || b[16] > 7 {
		return s, fmt.Errorf("%w: %d bytes about how far an agent is", ErrMalformed, len(b))
	}
	copy(s.Agent[:], b)
	s.Reached, s.Done, s.Online = b[16]&1 != 0, b[16]&2 != 0, b[16]&4 != 0
	s.Chunks = binary.BigEndian.Uint32(b[17:])
	return s, nil
}

func appendBool(dst []byte, yes bool) []byte {
	if yes {
		return append(dst, 1)
	}
	return append(dst, 0)
}
