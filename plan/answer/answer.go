// Package answer is the form of what comes back from a host: the account that
// it gives of its work, beside the rows.
//
// A newcomer needs [Summary]. "Found nothing" and "could not look" never look
// alike: [Complete] is said only where nothing was left out, and what was left
// out is counted by its kind, with the first few named. The package only
// describes; package engine fills it in.
package answer

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
)

// Outcome says how far an answer can be trusted to be all there is.
type Outcome uint8

// The outcomes. The zero value is none of them, so that a summary that nobody
// filled in is not taken for a good one.
const (
	Complete Outcome = iota + 1 // everything that was asked about was looked at
	Partial                     // rows are right, and something was left out
	Refused                     // the host did not try
	Failed                      // the host tried and could not
)

var outcomes = [...]string{"unknown", "complete", "partial", "refused", "failed"}

// NotLookedAt is the reason of an answer that left out what its Skipped names,
// and nothing else.
const NotLookedAt = "not everything could be looked at"

// String gives the word that output and JSON use.
func (o Outcome) String() string {
	if int(o) < len(outcomes) {
		return outcomes[o]
	}
	return outcomes[0]
}

// MarshalText gives the word for JSON.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// A Summary is the account of one answer from one host.
type Summary struct {
	Outcome Outcome          `json:"outcome"`
	Reason  string           `json:"reason,omitempty"` // why it is not complete, in one sentence
	Looked  map[string]int64 `json:"looked"`           // directories, files, opened, bytes, …
	Matched int64            `json:"matched"`          // rows of the answer
	Skipped []Skipped        `json:"skipped,omitempty"`
	Limits  []string         `json:"limits,omitempty"` // the bounds of the plan that cut the answer
	// Round and At are the number and the beginning of the round that the
	// account is of, where a host repeats a plan.
	Round int       `json:"round,omitempty"`
	At    time.Time `json:"at,omitzero"`
}

// Skipped counts what was left out for one reason.
type Skipped struct {
	Kind  modules.SkipKind `json:"kind"`
	Count int64            `json:"count"`
	First []modules.Skip   `json:"first"` // the first few, as many as WITH errors asks for
}

// KindName names n things of a kind that was looked at: files, 1 directory,
// rows of process. A kind that is no plural is a module, whose rows are meant.
func KindName(kind string, n int64) string {
	switch kind {
	case "directories":
		if n == 1 {
			return "directory"
		}
	case "answers", "files", "hosts", "watched directories":
		if n == 1 {
			return strings.Replace(strings.TrimSuffix(kind, "s"), "directorie", "directory", 1)
		}
	case "bytes":
		return "bytes"
	case "opened":
		return "opened"
	default:
		if n == 1 {
			return "row of " + kind
		}
		return "rows of " + kind
	}
	return kind
}

// Kinds lists what was looked at, in alphabetical order.
func (s *Summary) Kinds() []string { return slices.Sorted(maps.Keys(s.Looked)) }
