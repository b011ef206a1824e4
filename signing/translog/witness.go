package translog

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/quaestor-engine/quaestor/internal/wholefile"
)

// The files of a witness's folder: the last checkpoint that it signed, and the
// lock of who signs.
const (
	fileSeen = "seen"
	fileLock = "lock"
)

// A Head is what a log shows a witness: its checkpoint, and the proof that it
// goes on from the one that the witness has seen.
type Head struct {
	Checkpoint []byte         `json:"checkpoint"` // signed
	Tree       tlog.TreeProof `json:"tree,omitempty"`
}

// A Witness signs the checkpoints of one log, each only if it goes on from the
// last, whoever of those that have its folder signed that. It is not safe for
// several goroutines.
type Witness struct {
	dir  string
	keys *Keys
	key  *cosigner
	last Checkpoint
}

// OpenWitness takes up a witness: the private half of its key, as
// NewWitnessKey made it, the log that it watches, and a folder that remembers
// what it signed. Without that folder it would sign anything once more.
func OpenWitness(dir, private, log string, now func() time.Time) (*Witness, error) {
	key, err := readCosigner(private, true, now)
	if err != nil {
		return nil, err
	}
	keys, err := ParseKeys(log, nil, 0)
	if err != nil {
		return nil, err
	}
	w := &Witness{dir: dir, keys: keys, key: key}
	return w, w.recall()
}

// recall reads what was signed last. A file that is gone or older takes nothing
// back.
func (w *Witness) recall() error {
	b, err := readAtMost(filepath.Join(w.dir, fileSeen), MaxCheckpoint)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("translog: %w", err)
	}
	seen, err := w.keys.ReadCheckpoint(b)
	if err != nil {
		return fmt.Errorf("translog: %s: %w", filepath.Join(w.dir, fileSeen), err)
	}
	if seen.Size > w.last.Size {
		w.last = seen.Checkpoint
	}
	return nil
}

// Name gives the name of the witness's key.
func (w *Witness) Name() string { return w.key.name }

// Last gives the last checkpoint that was signed; its size is 0 for none.
func (w *Witness) Last() Checkpoint { return w.last }

// Cosign signs a checkpoint, and gives it with the cosignature added. It is
// remembered on the disk before anybody sees the signature. One that does not
// go on from the last is refused: the error wraps ErrFork or ErrRollback, and
// then somebody should be called. nil and no error: another process signed with
// this folder since Last was asked, and the proof has to be one that goes on from
// there.
func (w *Witness) Cosign(h Head) ([]byte, error) {
	s, err := w.keys.ReadCheckpoint(h.Checkpoint)
	if err != nil {
		return nil, err
	}
	if len(h.Tree) > maxHashes {
		return nil, fmt.Errorf("%w: a proof of %d hashes", ErrMalformed, len(h.Tree))
	}
	if err := makeDir(w.dir); err != nil {
		return nil, fmt.Errorf("translog: %w", err)
	}
	lock, err := wholefile.Hold(filepath.Join(w.dir, fileLock))
	if err != nil {
		return nil, fmt.Errorf("translog: %w", err)
	}
	defer lock.Close()
	before := w.last
	if err := w.recall(); err != nil || w.last != before {
		return nil, err
	}
	if err := Follow(w.last, s.Checkpoint, h.Tree); err != nil {
		return nil, err
	}
	n, err := note.Open(h.Checkpoint, note.VerifierList(w.keys.log))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	n.UnverifiedSigs = nil // those of others are for others to bring
	out, err := note.Sign(n, w.key)
	if err != nil {
		return nil, fmt.Errorf("translog: cosigning: %w", err)
	}
	if err := putFile(filepath.Join(w.dir, fileSeen), h.Checkpoint); err != nil {
		return nil, err
	}
	w.last = s.Checkpoint
	return out, nil
}

// Merge gives the first checkpoint with the good cosignatures of the second,
// which is the same one as another brought it back. One of another text is an
// error, and so is one that brings no witness's signature.
func (k *Keys) Merge(have, brought []byte) ([]byte, error) {
	a, err := k.ReadCheckpoint(have)
	if err != nil {
		return nil, err
	}
	b, err := k.ReadCheckpoint(brought)
	if err != nil {
		return nil, err
	}
	if a.Checkpoint != b.Checkpoint {
		return nil, fmt.Errorf("%w: a cosignature of another checkpoint", ErrMalformed)
	}
	if len(b.Witnesses) == 0 {
		return nil, fmt.Errorf("%w: no witness whom the policy names signed it", ErrUnwitnessed)
	}
	var all []note.Verifier
	all = append(all, k.log)
	for _, w := range k.witnesses {
		all = append(all, w)
	}
	known := note.VerifierList(all...)
	first, err := note.Open(have, known)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	second, err := note.Open(brought, known)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	first.UnverifiedSigs = nil
	for _, g := range second.Sigs {
		if !hasSig(first.Sigs, g) {
			first.Sigs = append(first.Sigs, g)
		}
	}
	out, err := note.Sign(first)
	if err != nil {
		return nil, fmt.Errorf("translog: %w", err)
	}
	return out, nil
}

func hasSig(list []note.Signature, g note.Signature) bool {
	for _, have := range list {
		if have.Name == g.Name && have.Hash == g.Hash {
			return true
		}
	}
	return false
}
