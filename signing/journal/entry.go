package journal

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/quaestor-engine/quaestor/signing"
)

// The verdicts of an Entry.
const (
	Accepted = "accepted"
	Refused  = "refused"
)

// Unknown is the Outcome of an accepted plan whose end nobody noted: the program
// was killed, or the machine lost its power, before it was on the disk. What it
// found may have left.
const Unknown = "unknown"

// Bounds of what is kept of a plan, in bytes. A longer text is cut, and ends
// in "…".
const (
	maxText    = 64 << 10 // of a query that was signed by those who may; the plan itself may be larger
	maxHearsay = 4 << 10  // of one that was refused: whoever wrote it may want to fill the disk
	maxName    = 256      // of a code, an outcome, a signer
	maxSigners = 64       // twice those that an envelope may have
	maxProof   = 64 << 10 // of a proof of the log; a larger one, which no log gives, is left out
)

// An Entry is what is known of one plan. Times are in UTC.
type Entry struct {
	Plan     signing.ID `json:"plan"`
	At       time.Time  `json:"at"`               // when it was judged
	Expires  time.Time  `json:"expires,omitzero"` // the end of its window
	Query    string     `json:"query,omitempty"`
	Purpose  string     `json:"purpose,omitempty"`
	Signers  []string   `json:"signers,omitempty"` // fingerprints; of one that was refused, as it says
	Verdict  string     `json:"verdict"`           // Accepted or Refused
	Code     string     `json:"code,omitempty"`    // of the refusal
	Reason   string     `json:"reason,omitempty"`  // of the refusal, or of the outcome
	Finished time.Time  `json:"finished,omitzero"` // zero: it was refused, or has not ended
	Outcome  string     `json:"outcome,omitempty"`
	Rows     int64      `json:"rows,omitempty"`  // that left the machine
	Bytes    int64      `json:"bytes,omitempty"` // that left the machine, sealed
	Matched  bool       `json:"matched,omitempty"`
	// Uncounted: more may have left than Rows and Bytes say, in an earlier life of
	// the agent, of which nobody noted how much it was.
	Uncounted bool `json:"uncounted,omitempty"`
	// Deaths is how many processes died that looked for it, Death how the last
	// of them did.
	Deaths int    `json:"deaths,omitempty"`
	Death  string `json:"death,omitempty"`
	// Proof is that the plan is in the transparency log, where the policy asked
	// for it: JSON, as package translog has it.
	Proof json.RawMessage `json:"proof,omitempty"`
}

// A Finish is how a plan ended; the fields are those of Entry.
type Finish struct {
	At      time.Time `json:"at"`
	Outcome string    `json:"outcome"`
	Reason  string    `json:"reason,omitempty"`
	Rows    int64     `json:"rows,omitempty"`
	Bytes   int64     `json:"bytes,omitempty"`
	Matched bool      `json:"matched,omitempty"`
	// Uncounted is as in Entry.
	Uncounted bool `json:"uncounted,omitempty"`
}

// add says how the plan ended.
func (e *Entry) add(f Finish) {
	e.Finished, e.Outcome, e.Reason = f.At, f.Outcome, f.Reason
	e.Rows, e.Bytes, e.Matched, e.Uncounted = f.Rows, f.Bytes, f.Matched, f.Uncounted
}

// state is what the index has of an accepted plan.
func (e *Entry) state() state {
	return state{finished: !e.Finished.IsZero(), end: Ending{Outcome: e.Outcome, Matched: e.Matched}, deaths: e.Deaths}
}

// ending is what the index has of an end.
func (f *Finish) ending() Ending { return Ending{Outcome: f.Outcome, Matched: f.Matched} }

// die counts a process that died.
func (e *Entry) die(d death) { e.Deaths, e.Death = e.Deaths+1, d.Why }

// needed says whether a plan must still be known at a time: it has not ended,
// or could be offered again.
func (e *Entry) needed(latest time.Time) bool {
	return e.Finished.IsZero() || !latest.After(e.Expires.Add(remember))
}

// clean makes of an entry what a record can hold.
func (e Entry) clean(limit int) Entry {
	e.At, e.Expires, e.Finished = clean(e.At), clean(e.Expires), clean(e.Finished)
	e.Query, e.Purpose, e.Reason = cut(e.Query, limit), cut(e.Purpose, maxHearsay), cut(e.Reason, maxHearsay)
	e.Code, e.Outcome = cut(e.Code, maxName), cut(e.Outcome, maxName)
	if len(e.Proof) > maxProof || !json.Valid(e.Proof) {
		e.Proof = nil
	}
	signers := e.Signers[:min(len(e.Signers), maxSigners)]
	e.Signers = nil
	for _, s := range signers {
		e.Signers = append(e.Signers, cut(s, maxName))
	}
	return e
}

func (f Finish) clean() Finish {
	f.At, f.Outcome, f.Reason = clean(f.At), cut(f.Outcome, maxName), cut(f.Reason, maxHearsay)
	return f
}

// clean makes of a time what JSON gives back: in UTC, without a monotonic
// reading. A time outside of the years 1 to 9999, which JSON cannot say, is
// taken for none.
func clean(t time.Time) time.Time {
	t = t.UTC().Round(0)
	if y := t.Year(); y < 1 || y > 9999 {
		return time.Time{}
	}
	return t
}

// cut makes of a text valid UTF-8 of at most limit bytes.
func cut(s string, limit int) string {
	if len(s) > limit {
		n := limit - len("…")
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n] + "…"
	}
	// What replaces a byte may be as long as that byte, but not longer.
	return strings.ToValidUTF8(s, "?")
}
