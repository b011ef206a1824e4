package cases

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Fault is a kind of what Verify finds.
type Fault string

// The faults.
const (
	Changed  Fault = "changed"       // it is not what was written, or the one before it is not
	Removed  Fault = "removed"       // entries are missing before it
	Forged   Fault = "bad signature" // the signature on it is not of it, or by nobody who is known
	Stripped Fault = "not signed"    // it was to be signed, and is not
)

// A Problem is one thing that is wrong with an entry.
type Problem struct {
	Entry  int64
	Fault  Fault
	Detail string
}

// String says it in a line.
func (p Problem) String() string {
	return fmt.Sprintf("entry %d: %s: %s", p.Entry, p.Fault, p.Detail)
}

// A Verification is what Verify found.
type Verification struct {
	Entries  int64
	Problems []Problem // in the order of the entries, the first maxProblems
	More     int64     // how many further ones there are
	// Signed says who signed how many entries; what is in it was proved.
	Signed map[string]int64
	// Unsigned are the entries that nobody's good signature speaks for: those
	// behind the last signed one, and those that should bear one of their own.
	Unsigned []int64
	rows     map[int64]bool // which of them are rows
	// Head names the last entry and its hash. Who keeps it elsewhere can prove
	// later that nothing up to there was rewritten: see Holds.
	Head string
}

// maxProblems is how many problems are told one by one.
const maxProblems = 100

// Good says whether nothing is wrong. A case that nobody signed can be good.
func (v *Verification) Good() bool { return len(v.Problems) == 0 }

// A Check says whether sig is a signature of msg by the signer, at that time.
type Check func(signer string, msg, sig []byte, at time.Time) error

// Verify reads the whole case and says what was changed, removed or not
// signed. With a nil check signatures prove nothing and are not counted.
//
// A chain shows that entries were changed by somebody who did not compute all
// hashes behind them anew; signatures, that nobody else did who has no key.
// Nothing in a file can show that its end was cut off, or that the one who
// holds the file and the key wrote its end anew: a Head that was kept
// elsewhere can.
func (c *Case) Verify(ctx context.Context, check Check) (*Verification, error) {
	v := &Verification{Signed: map[string]int64{}, rows: map[int64]bool{}}
	var last *Entry
	for e, err := range c.Entries(ctx) {
		if err != nil {
			return nil, err
		}
		v.Entries++
		v.gap(last, e)
		if e.Doubt != "" && (last == nil || e.Seq == last.Seq+1) {
			v.add(e, Changed, e.Doubt)
		}
		v.signature(e, check)
		last = e
	}
	if last == nil {
		v.Problems = append(v.Problems, Problem{1, Removed, "there is no entry at all"})
		return v, nil
	}
	v.Head = head(last)
	return v, nil
}

// gap looks for entries that should be between two.
func (v *Verification) gap(last, e *Entry) {
	want := int64(1)
	if last != nil {
		want = last.Seq + 1
	}
	switch {
	case e.Seq == want && (want > 1 || e.Opened != nil):
	case e.Seq == want:
		v.add(e, Changed, "a case begins with its opening")
	case e.Seq == want+1:
		v.add(e, Removed, fmt.Sprintf("entry %d is missing", want))
	default:
		v.add(e, Removed, fmt.Sprintf("entries %d to %d are missing", want, e.Seq-1))
	}
}

func (v *Verification) add(e *Entry, f Fault, detail string) {
	if len(v.Problems) == maxProblems {
		v.More++
		return
	}
	v.Problems = append(v.Problems, Problem{e.Seq, f, detail})
}

func (v *Verification) signature(e *Entry, check Check) {
	switch {
	case len(e.sig) == 0 && e.Signer == "":
		if e.signs() {
			v.add(e, Stripped, "it was written to be signed: the signature was taken away, or never made")
		}
		v.Unsigned = append(v.Unsigned, e.Seq)
		if e.kind == kindRows {
			v.rows[e.Seq] = true
		}
		return
	case check == nil:
		v.Unsigned = append(v.Unsigned, e.Seq)
		return
	}
	if err := check(e.Signer, message(e.hash), e.sig, e.At); err != nil {
		v.add(e, Forged, err.Error())
		v.Unsigned = append(v.Unsigned, e.Seq)
		return
	}
	v.Signed[e.Signer]++
	// Its hash holds those of the rows before it.
	v.Unsigned = slices.DeleteFunc(v.Unsigned, func(n int64) bool { return v.rows[n] })
	clear(v.rows)
}

func head(e *Entry) string { return fmt.Sprintf("%d:%s", e.Seq, hex.EncodeToString(e.hash)) }

// Holds says whether the entry that a head names is still there as it was. The
// case up to there is as it was, then, if Verify finds nothing wrong with it.
func (c *Case) Holds(ctx context.Context, named string) error {
	number, text, _ := strings.Cut(named, ":")
	seq, err := strconv.ParseInt(number, 10, 64)
	hash, bad := hex.DecodeString(text)
	if err != nil || bad != nil || seq < 1 || len(hash) != 32 {
		return errors.New("a head is the number of an entry, a colon and 64 digits, as case verify shows it")
	}
	for e, err := range c.entries(ctx, anyEntry, seq) {
		if err != nil {
			return err
		}
		if e.Seq == seq && bytes.Equal(e.hash, hash) {
			return nil
		}
	}
	return fmt.Errorf("entry %d is not there, or not what it was when that head was noted", seq)
}
