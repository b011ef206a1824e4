package message

import (
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/translog"
)

// MaxUpgrade is the size of an Upgrade and of a Release, in bytes: notes, and
// targets of a MiB for each of a few stages, in base64 twice.
const MaxUpgrade = 32 << 20

// MaxPiece is the size of a piece of a program, in bytes.
const MaxPiece = 1 << 20

// An Upgrade offers a release to an agent. Both envelopes are signed: the agent
// verifies them.
type Upgrade struct {
	Release []byte `json:"release"`
	RollOut []byte `json:"roll_out"`
}

// A PieceQuery asks for a piece of a program, from 0. All pieces but the last
// have MaxPiece bytes.
type PieceQuery struct {
	Sum   translog.Sum `json:"sum"` // of the program
	Index int64        `json:"index"`
}

// A Release is what a relay says of one. Envelopes are signed: whoever reads
// them verifies them.
type Release struct {
	Envelope []byte   `json:"envelope"`
	RollOuts [][]byte `json:"roll_outs,omitempty"` // of its stages
	Complete bool     `json:"complete"`            // all programs are there
}

// Missing answers the publication of a release: the programs that are to be
// sent, each from a piece on, in this order.
type Missing struct {
	Programs []PieceQuery `json:"programs"`
}

// RolledOut answers a roll-out.
type RolledOut struct {
	Online  int `json:"online"`  // agents of the target that are connected
	Offline int `json:"offline"` // agents of the target that are not
}

// A Well is what an agent whose program is tried signs, as a signing.Statement
// of KindWell: which release it is. The relay answers with the sum of the
// statement.
type Well struct {
	Release string `json:"release"`
}

// KindWell is the kind of the statement over a Well.
const KindWell = "well"

// WellOf reads a statement over a Well; whether the agent said it is for
// signing.Statement.Verify.
func WellOf(s *signing.Statement) (w Well, err error) {
	return w, Unmarshal(s.Payload, &w)
}
