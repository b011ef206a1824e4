package translog

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A Checkpoint is what a log says of itself: how many entries it has, and the
// hash over all of them.
type Checkpoint struct {
	Origin string
	Size   int64
	Root   tlog.Hash
}

// text gives what is signed.
func (c Checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, base64.StdEncoding.EncodeToString(c.Root[:]))
}

// parseCheckpoint reads what text gives; further lines, which the format
// allows, are refused: nobody here could say what they mean.
func parseCheckpoint(text string) (Checkpoint, error) {
	var c Checkpoint
	lines := strings.Split(text, "\n")
	if len(text) > MaxCheckpoint || len(lines) != 4 || lines[3] != "" {
		return c, fmt.Errorf("%w: a checkpoint has three lines", ErrMalformed)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || size > MaxSize {
		return c, fmt.Errorf("%w: a checkpoint of %.40q entries", ErrMalformed, lines[1])
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return c, fmt.Errorf("%w: the root hash of a checkpoint", ErrMalformed)
	}
	c = Checkpoint{Origin: lines[0], Size: size, Root: tlog.Hash(root)}
	if c.text() != text || !goodName(c.Origin) {
		return Checkpoint{}, fmt.Errorf("%w: a checkpoint in another spelling", ErrMalformed)
	}
	if size == 0 && c.Root != sha256.Sum256(nil) {
		return Checkpoint{}, fmt.Errorf("%w: the root hash of no entries is that of no bytes", ErrMalformed)
	}
	return c, nil
}

// A Signed is a checkpoint that the log signed: only Keys.ReadCheckpoint and Keys.Open
// make one.
type Signed struct {
	Checkpoint
	Witnesses []string // whose cosignatures are good, in the order of the keys
	// At is when the last of them signed, by the witness's own clock; zero for
	// none.
	At time.Time
}

// ReadCheckpoint reads a signed checkpoint of this log, whoever of the witnesses signed
// it. The error wraps ErrMalformed, or ErrUnlogged where the log did not sign
// it.
func (k *Keys) ReadCheckpoint(b []byte) (Signed, error) {
	var s Signed
	if len(b) > MaxCheckpoint {
		return s, fmt.Errorf("%w: a checkpoint of %d bytes", ErrMalformed, len(b))
	}
	all := []note.Verifier{k.log}
	for _, w := range k.witnesses {
		all = append(all, w)
	}
	n, err := note.Open(b, note.VerifierList(all...))
	if err != nil {
		return s, fmt.Errorf("%w: its checkpoint is not signed by %s: %w", ErrUnlogged, k.Origin(), err)
	}
	if !slices.ContainsFunc(n.Sigs, func(g note.Signature) bool { return g.Name == k.log.Name() && g.Hash == k.log.KeyHash() }) {
		return s, fmt.Errorf("%w: its checkpoint is not signed by %s", ErrUnlogged, k.Origin())
	}
	if s.Checkpoint, err = parseCheckpoint(n.Text); err != nil {
		return Signed{}, err
	}
	if s.Origin != k.Origin() {
		return Signed{}, fmt.Errorf("%w: a checkpoint of log %q, and this is %q", ErrUnlogged, s.Origin, k.Origin())
	}
	for _, w := range k.witnesses {
		i := slices.IndexFunc(n.Sigs, func(g note.Signature) bool { return g.Name == w.name && g.Hash == w.id })
		if i < 0 {
			continue
		}
		s.Witnesses = append(s.Witnesses, w.name)
		if at := stampOf(n.Sigs[i]); at.After(s.At) {
			s.At = at
		}
	}
	return s, nil
}

// stampOf gives when a witness signed, of a signature that was verified: the
// key's number stands before the time.
func stampOf(g note.Signature) time.Time {
	sig, err := base64.StdEncoding.DecodeString(g.Base64)
	if err != nil || len(sig) < 4+stampLen {
		return time.Time{}
	}
	return time.Unix(int64(binary.BigEndian.Uint64(sig[4:])), 0)
}

// Open is ReadCheckpoint for a checkpoint to rely on: enough witnesses signed it. Else
// the error wraps ErrUnwitnessed and names those who did not.
func (k *Keys) Open(b []byte) (Signed, error) {
	s, err := k.ReadCheckpoint(b)
	if err != nil {
		return s, err
	}
	if len(s.Witnesses) < k.threshold {
		return Signed{}, fmt.Errorf("%w: the checkpoint of %d entries has the signatures of %d witnesses, and %d are asked for; missing: %s", ErrUnwitnessed,
			s.Size, len(s.Witnesses), k.threshold, strings.Join(k.Missing(s), ", "))
	}
	return s, nil
}

// Missing names the witnesses who did not sign.
func (k *Keys) Missing(s Signed) []string {
	return slices.DeleteFunc(k.Witnesses(), func(name string) bool { return slices.Contains(s.Witnesses, name) })
}

// Follow says whether a log that showed one checkpoint may show the next: it
// has no fewer entries, and those that it had are the same. The error wraps
// ErrRollback or ErrFork.
func Follow(last, next Checkpoint, proof tlog.TreeProof) error {
	switch {
	case next.Size < last.Size:
		return fmt.Errorf("%w: it has %d entries, and had %d", ErrRollback, next.Size, last.Size)
	case last.Size == 0:
		return nil // whatever comes goes on from nothing
	case next.Size == last.Size && next.Root != last.Root:
		return fmt.Errorf("%w: two roots of %d entries", ErrFork, next.Size)
	case next.Size == last.Size:
		return nil
	}
	if err := tlog.CheckTree(proof, next.Size, next.Root, last.Size, last.Root); err != nil {
		return fmt.Errorf("%w: its %d entries are not proved to go on from the %d before", ErrFork, next.Size, last.Size)
	}
	return nil
}

// maxHashes bounds a proof: twice the height of the tallest tree there can be.
const maxHashes = 128

// A Proof says that an entry stands in a log, and that the log goes on from
// what was seen of it before. It is JSON on the wire and on the disk.
type Proof struct {
	Index      int64            `json:"index"`
	Entry      []byte           `json:"entry"`
	Record     tlog.RecordProof `json:"record"`
	Checkpoint []byte           `json:"checkpoint"` // signed
	// Tree proves that the checkpoint follows the one of From entries.
	From int64          `json:"from,omitempty"`
	Tree tlog.TreeProof `json:"tree,omitempty"`
}

// Check says whether an envelope stands in the log, by a checkpoint that
// enough witnesses signed. What it gives is the entry, and the checkpoint. The
// error wraps one of this package's.
func (k *Keys) Check(p *Proof, envelope Sum) (Entry, Signed, error) {
	s, err := k.Open(p.Checkpoint)
	if err != nil {
		return Entry{}, s, err
	}
	e, err := p.in(s.Checkpoint, envelope)
	return e, s, err
}

// in checks the proof against a checkpoint that is relied on.
func (p *Proof) in(c Checkpoint, envelope Sum) (Entry, error) {
	e, err := ParseEntry(p.Entry)
	switch {
	case err != nil:
		return Entry{}, err
	case e.Sum != envelope:
		return Entry{}, fmt.Errorf("%w: the proof is that of another envelope", ErrUnlogged)
	case p.Index < 0 || p.Index >= c.Size || len(p.Record) > maxHashes:
		return Entry{}, fmt.Errorf("%w: entry %d, and the log has %d", ErrUnlogged, p.Index, c.Size)
	}
	if err := tlog.CheckRecord(p.Record, c.Size, c.Root, p.Index, tlog.RecordHash(p.Entry)); err != nil {
		return Entry{}, fmt.Errorf("%w: the proof of entry %d does not hold", ErrUnlogged, p.Index)
	}
	return e, nil
}

// Follows says whether the proof's checkpoint, which was opened, follows the
// last that was seen.
func (p *Proof) Follows(last Checkpoint, next Signed) error {
	if len(p.Tree) > maxHashes {
		return fmt.Errorf("%w: a proof of %d hashes", ErrMalformed, len(p.Tree))
	}
	return Follow(last, next.Checkpoint, p.Tree)
}
