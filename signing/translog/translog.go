// Package translog is the transparency log: a Merkle tree of every plan,
// policy and release that a relay took, which grows at its end and nowhere else, so
// that nothing is asked of a fleet in secret.
//
// A newcomer needs [Keys], which says whose word counts, and [Keys.Check],
// which says whether an envelope stands in the log; a relay has a [Log], and a
// witness a [Witness]. The tree is that of RFC 6962, from golang.org/x/mod's
// tlog. The package must not learn what is inside an envelope: that is for
// package signing to judge.
//
// # Entries
//
// A leaf of the tree is an entry: five lines of text, each ended by a newline.
//
//	quaestor-log-entry/v1
//	plan
//	6f1c9a0be8d74e5f8a0b1c2d3e4f5061
//	2026-11-30T09:07:03Z
//	2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
//
// The kind is "plan", "policy", "release" or "roll-out". The name is the plan's
// ID in hex, the policy's version in decimal, the release's version, or that
// with a slash and the number of the stage. The time is when the relay took it, by its own
// clock, in whole seconds of UTC. The last line is the SHA-256 of the envelope,
// of its exact bytes with every signature. There is one spelling, and others
// are refused.
//
// # Checkpoints
//
// A checkpoint is a C2SP tlog-checkpoint: a signed note (C2SP signed-note)
// whose text is the origin, the number of entries in decimal and the root hash
// in base64. The origin is the name of the log's key.
//
//	quaestor-log/6f1c9a0be8d74e5f8a0b1c2d3e4f5061
//	3
//	CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//
//	— quaestor-log/6f1c… Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5…
//	— witness.example/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZC…
//
// The log signs it with Ed25519. Witnesses add cosignatures, C2SP
// tlog-cosignature v1: four bytes of key ID, the time in eight bytes, and an
// Ed25519 signature over "cosignature/v1", a line with the time, and the text.
//
// # On the disk
//
// A log's folder is laid out as C2SP tlog-tiles has it: checkpoint, tile/L/N
// with hashes, tile/entries/N with entries, each with two bytes of length in
// front; the last tile of a level is N.p/W. Beside them are cosigned, the last
// checkpoint that enough witnesses signed, and envelope/XX/HASH with every
// envelope. What the checkpoint covers is synced before the checkpoint is.
package translog

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The errors that a caller decides by.
var (
	// ErrMalformed: bytes are not what they should be.
	ErrMalformed = errors.New("translog: malformed")
	// ErrUnlogged: nothing proves that the log has it.
	ErrUnlogged = errors.New("translog: not proved to be in the log")
	// ErrUnwitnessed: too few witnesses signed the checkpoint.
	ErrUnwitnessed = errors.New("translog: too few witnesses signed it")
	// ErrFork: the log shows another history than it showed before.
	ErrFork = errors.New("translog: the log shows another history than before")
	// ErrRollback: the log has fewer entries than it had before.
	ErrRollback = errors.New("translog: the log is shorter than before")
	// ErrDamaged: the log's folder does not hold what its checkpoint says.
	ErrDamaged = errors.New("translog: the log is damaged")
	// ErrHalted: nothing is added any more before the log is opened again.
	ErrHalted = errors.New("translog: the log's checkpoint could not be written, and nothing is added before the next start")
)

// The kinds of entries.
const (
	KindPlan    = "plan"
	KindPolicy  = "policy"
	KindRelease = "release"  // of the agent
	KindRollOut = "roll-out" // of a release
)

// Bounds.
const (
	// MaxSize is the most entries that a log can have. A relay holds 64 bytes of
	// memory for each, and nobody asks a fleet a hundred million questions.
	MaxSize = 1 << 27
	// MaxEntry is the size of an entry, in bytes: what the form below can have.
	MaxEntry = 256
	// MaxCheckpoint is the size of a signed checkpoint, in bytes: the log and
	// MaxWitnesses.
	MaxCheckpoint = 16 << 10
	// MaxWitnesses is how many a policy can name.
	MaxWitnesses = 32
)

const entryHead = "quaestor-log-entry/v1\n"

// A Sum is the SHA-256 of an envelope.
type Sum [sha256.Size]byte

// SumOf gives the sum of an envelope's exact bytes.
func SumOf(envelope []byte) Sum { return sha256.Sum256(envelope) }

// String gives the sum in hex.
func (s Sum) String() string { return hex.EncodeToString(s[:]) }

// MarshalText gives the sum in hex, for JSON.
func (s Sum) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText gives.
func (s *Sum) UnmarshalText(b []byte) error {
	raw, err := hex.DecodeString(string(b))
	if err != nil || len(raw) != len(s) {
		return fmt.Errorf("%w: %.80q is no sum", ErrMalformed, b)
	}
	*s = Sum(raw)
	return nil
}

// An Entry is one leaf.
type Entry struct {
	Kind string // one of the Kind constants
	Name string // the plan's ID, the policy's or the release's version, or VERSION/STAGE
	At   time.Time
	Sum  Sum // of the envelope
}

// Encode gives the entry in its one spelling. Whole seconds of the time are
// kept.
func (e Entry) Encode() []byte {
	return fmt.Appendf(nil, "%s%s\n%s\n%s\n%s\n", entryHead, e.Kind, e.Name, e.At.UTC().Format(time.RFC3339), e.Sum)
}

// ParseEntry reads what Encode gives, and nothing else. The error wraps
// ErrMalformed.
func ParseEntry(b []byte) (Entry, error) {
	var e Entry
	if len(b) > MaxEntry {
		return e, fmt.Errorf("%w: an entry of %d bytes", ErrMalformed, len(b))
	}
	rest, ok := strings.CutPrefix(string(b), entryHead)
	lines := strings.Split(rest, "\n")
	if !ok || len(lines) != 5 || lines[4] != "" {
		return e, fmt.Errorf("%w: %.80q is no entry", ErrMalformed, b)
	}
	at, err := time.Parse(time.RFC3339, lines[2])
	sum, err2 := hex.DecodeString(lines[3])
	if err != nil || err2 != nil || len(sum) != len(e.Sum) || !isName(lines[0], lines[1]) {
		return e, fmt.Errorf("%w: %.200q is no entry", ErrMalformed, b)
	}
	e = Entry{Kind: lines[0], Name: lines[1], At: at.UTC(), Sum: Sum(sum)}
	if !bytes.Equal(e.Encode(), b) {
		return Entry{}, fmt.Errorf("%w: an entry in another spelling", ErrMalformed)
	}
	return e, nil
}

// isName says whether a name is one of its kind.
func isName(kind, name string) bool {
	switch kind {
	case KindPlan:
		b, err := hex.DecodeString(name)
		return err == nil && len(b) == 16 && name == strings.ToLower(name)
	case KindPolicy:
		return isNumber(name)
	case KindRelease:
		return isVersion(name)
	case KindRollOut:
		version, stage, ok := strings.Cut(name, "/")
		return ok && isVersion(version) && isNumber(stage)
	}
	return false
}

func isNumber(s string) bool {
	return s != "" && len(s) < 20 && s[0] != '0' && strings.Trim(s, "0123456789") == ""
}

// isVersion says whether s has the letters of a version; what it says is for
// package signing to judge.
func isVersion(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '.' && r != '-'
	})
}
