// Package message is what agents, relays and investigators say to each other:
// the kinds of streams, the types of frames on them, and their bodies.
//
// A newcomer needs the table of types below, [Chunk] and [Agent]. Control bodies are
// JSON, decoded by [Unmarshal], which refuses what it does not know; what is
// large or frequent is binary. Nothing here is trusted because it was said:
// whoever receives a plan, a policy, facts or a chunk verifies it with package
// signing. The package must not learn what is inside them.
package message

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/translog"
)

// The kinds of streams, named when one is opened.
const (
	KindAgent   = "agent"   // an agent's persistent stream: hello, plans, small answers
	KindAnswer  = "answer"  // one large answer of an agent
	KindEnroll  = "enroll"  // a new agent asks for its certificate
	KindRenew   = "renew"   // an enrolled one asks for its next
	KindAuth    = "auth"    // an investigator proves his key; the first stream of his connection
	KindRequest = "request" // one request of an investigator
	KindLog     = "log"     // an enrolled agent asks for the proof that a plan is in the log
	KindWitness = "witness" // a witness of the log; the first stream of his connection
	KindProgram = "program" // an enrolled agent asks for pieces of a program
	KindLeaf    = "leaf"    // a leaf relay with the agents of its site; the first stream of its connection
	KindSubmit  = "submit"  // a signed plan of somebody who has no key; the first stream of his connection
)

// A Type says what a frame's body is.
type Type = byte

// The types of frames. A number is never used again.
const (
	TypeHello     Type = 1  // agent → relay: Hello
	TypeWelcome   Type = 2  // relay → agent: Welcome
	TypeFacts     Type = 3  // agent → relay: a signed statement, see signing.Statement
	TypePolicy    Type = 4  // relay → agent and investigator: an envelope
	TypePlan      Type = 5  // relay → agent: an envelope
	TypeReceipt   Type = 6  // agent → relay: the ID of a plan that arrived
	TypeChunk     Type = 7  // agent → relay → investigator: Chunk
	TypeAck       Type = 8  // relay → agent: Ack
	TypeCancel    Type = 9  // relay → agent, investigator → relay: Cancel
	TypeGoodbye   Type = 10 // either: Failure; the connection ends
	TypeEnroll    Type = 11 // agent → relay: Enroll
	TypeEnrolled  Type = 12 // relay → agent: Enrolled
	TypeChallenge Type = 13 // relay → investigator: 32 random bytes
	TypeProof     Type = 14 // investigator → relay: Proof
	TypeGranted   Type = 15 // relay → investigator: Granted
	TypeRequest   Type = 16 // investigator → relay: Request
	TypeEnvelope  Type = 17 // either: an envelope that a request speaks of
	TypeResult    Type = 18 // relay → investigator: the JSON result of a request
	TypeFailure   Type = 19 // relay → anyone: Failure; the stream ends
	TypeAgent     Type = 20 // relay → investigator: Agent
	TypeState     Type = 21 // relay → investigator: State
	TypeEnd       Type = 22 // relay → investigator: nothing more will come
	TypeItem      Type = 23 // relay → investigator: Investigation
	TypeIdle      Type = 24 // agent → relay: it has nothing more to send (once mode)
	TypeCaughtUp  Type = 25 // relay → investigator: everything stored so far was sent
	TypeWitness   Type = 26 // witness → relay: Witness
	TypeHead      Type = 27 // relay → witness and investigator: translog.Head
	TypeLogQuery  Type = 28 // agent → relay: LogQuery
	TypeLogProof  Type = 29 // relay → agent: translog.Proof
	TypeTile      Type = 30 // relay → investigator: a tile of the log
	TypeUpgrade   Type = 31 // relay → agent: Upgrade
	TypePieceAsk  Type = 32 // agent → relay: PieceQuery
	TypePiece     Type = 33 // relay → agent, investigator → relay: bytes of a program
	TypeWell      Type = 34 // agent → relay: a signed statement over a Well
	TypeHeard     Type = 35 // relay → agent: the SHA-256 of such a statement
	TypeRelease   Type = 36 // relay → investigator: Release
	TypeLeaf      Type = 37 // leaf ↔ relay: Leaf, the first that each says
	TypeOpen      Type = 38 // leaf → relay: Opened
	TypeCarry     Type = 39 // leaf ↔ relay: Carried
	TypeSame      Type = 40 // relay → leaf: Carried, with the SHA-256 of a TypeBody in the place of its body
	TypeBody      Type = 41 // relay → leaf: a body that TypeSame will speak of
	TypeShut      Type = 42 // leaf ↔ relay: the number of a channel that is closed
	TypeMember    Type = 43 // leaf → relay: signing.Membership of an agent whose chunks follow
	TypeStored    Type = 44 // relay → leaf: how far answers are stored, see Stored
)

// Bounds of frames, in bytes.
const (
	MaxControl  = 1 << 20                 // JSON bodies and facts: thousands of times what they need
	MaxEnvelope = 96 << 20                // a plan of 64 MiB in base64, with signatures
	MaxItem     = MaxEnvelope/3*4 + 4<<10 // an envelope in base64, and what is said of it
	MaxChunk    = 1<<20 + 1               // a sealed chunk: rows are cut at 256 KiB, a single row may be larger
)

// Limit gives the largest body of a type, in bytes.
func Limit(t Type) int {
	switch t {
	case TypePlan, TypePolicy, TypeEnvelope, TypeBody, TypeGranted, TypeEnrolled: // the last two hold policies
		return MaxEnvelope
	case TypeItem:
		return MaxItem
	case TypeCarry:
		return MaxEnvelope + carriedHead
	case TypeChunk:
		return MaxChunk + chunkHead
	case TypeUpgrade, TypeRelease:
		return MaxUpgrade
	case TypePiece:
		return MaxPiece
	}
	return MaxControl
}

// An ID names a plan, an agent or a fleet.
type ID = signing.ID

// ErrMalformed says that bytes are no message of their type.
var ErrMalformed = errors.New("message: malformed")

// Marshal gives the JSON of a control body.
func Marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("message: a body that JSON cannot hold: " + err.Error())
	}
	return b
}

// Unmarshal reads a control body. Unknown fields are taken for what a newer
// peer says to a newer one and passed over; anything else wraps ErrMalformed.
func Unmarshal(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%w: something follows the body", ErrMalformed)
	}
	return nil
}

// A Hello is the first that an agent says.
type Hello struct {
	Version    int    `json:"version"`    // of this protocol: 1
	Agent      ID     `json:"agent"`      // must be what the TLS certificate says
	Membership []byte `json:"membership"` // signing.Membership: the chain up to an administrator
	Software   string `json:"software"`   // the agent's version
	Policy     int64  `json:"policy"`     // the version of the policy that it obeys; 0 for none
	Once       bool   `json:"once"`       // it takes what waits, answers and leaves
	Open       []Open `json:"open"`       // answers that it has begun and not seen acknowledged
	// Facts is the SHA-256 of the last statement of facts that the agent told a
	// relay, whichever; zero: it has told none.
	Facts translog.Sum `json:"facts,omitzero"`
}

// An Open answer is one whose chunks the agent still holds.
type Open struct {
	Plan ID `json:"plan"`
}

// A Welcome answers a Hello. What stood in Hello.Open comes back as Acks.
type Welcome struct {
	Relay  string    `json:"relay"` // its name, for the agent's status
	Time   time.Time `json:"time"`
	Policy int64     `json:"policy"` // the version that the relay has
	// Facts says that the relay has the statement of facts that stood in the
	// Hello: it need not be told again.
	Facts bool `json:"facts,omitempty"`
}

// An Ack says that the chunks of an answer before Next are stored for good.
type Ack struct {
	Plan ID     `json:"plan"`
	Next uint32 `json:"next"`
	Gone bool   `json:"gone"` // nobody wants the answer any more: forget it
}

// A Cancel ends an investigation. Secret is what hashes to the plan's cancel
// digest: who knows it holds the reply key.
type Cancel struct {
	Plan   ID     `json:"plan"`
	Secret []byte `json:"secret"`
}

// An Enroll asks for a certificate.
type Enroll struct {
	Membership []byte `json:"membership"`
	CSR        []byte `json:"csr"` // DER, with the agent's TLS key
	// Proof is the identity key's signature (signing.Identity.Sign, kind
	// "enroll") over the CSR: the identity asked for this TLS key.
	Proof []byte `json:"proof"`
	// Chain asks for the policies that lead to the one in force, too.
	Chain bool `json:"chain,omitempty"`
}

// Enrolled answers an Enroll and a renewal.
type Enrolled struct {
	Certificate []byte `json:"certificate"` // DER
	Policy      []byte `json:"policy"`      // the envelope of the policy
	// Chain are the envelopes of policies that changed the administrators, the
	// oldest first, and of the policy.
	Chain [][]byte `json:"chain,omitempty"`
}

// A Proof is an investigator's OpenPGP signature over AuthMessage.
type Proof struct {
	Fingerprint string `json:"fingerprint"`
	Signature   []byte `json:"signature"`
}

// AuthMessage is what an investigator signs: a challenge of the relay, and the
// keying material that both ends export from their TLS session with the label
// AuthLabel, so that a proof is good for one connection.
func AuthMessage(challenge, exported []byte) []byte {
	m := append([]byte("quaestor investigator v1\x00"), challenge...)
	return append(m, exported...)
}

// AuthLabel is the exporter label of AuthMessage (RFC 8446, 7.5); 32 bytes.
const AuthLabel = "EXPORTER-quaestor-investigator"

// Granted answers a Proof.
type Granted struct {
	Relay  string    `json:"relay"`
	Time   time.Time `json:"time"`
	Policy []byte    `json:"policy"` // the envelope of the policy that the relay has
}

// A Failure is why something was not done.
type Failure struct {
	Code   string `json:"code"` // one of the Fail constants
	Reason string `json:"reason"`
	// Wait is within which time, in nanoseconds, an agent is to come again, each
	// at a moment of its own; 0: as it likes.
	Wait time.Duration `json:"wait,omitempty"`
}

// The codes of failures.
const (
	FailBad      = "bad"       // the message is malformed
	FailDenied   = "denied"    // the policy, or a signature, says no
	FailUnknown  = "unknown"   // there is no such investigation, agent or request
	FailLimit    = "limit"     // too many, too large, too fast; try later
	FailExpired  = "expired"   // the plan's window is over
	FailExists   = "exists"    // the plan was submitted already
	FailStore    = "store"     // the spine could not keep it
	FailPending  = "pending"   // more signatures are needed; it waits for them
	FailShutdown = "shut-down" // the relay is going
)

// Error makes a Failure an error.
func (f *Failure) Error() string { return f.Reason }
