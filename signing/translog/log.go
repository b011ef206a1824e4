package translog

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// The files of a log's folder, beside its tiles.
const (
	fileCheckpoint = "checkpoint"
	fileCosigned   = "cosigned"
	dirEnvelopes   = "envelope"
)

// A Log is a log that grows, in a folder of its own. It is safe for several
// goroutines; only one process may have it.
type Log struct {
	dir    string
	signer note.Signer

	mu         sync.Mutex
	tree       Tree
	entries    [][]byte // encoded
	at         map[Sum]int64
	checkpoint []byte // of all entries, signed by the log
	err        error  // why nothing can be added any more
	// hasty: nothing is synced, as tests have it that write thousands of files.
	hasty bool
}

// OpenLog opens the log of a folder, or begins one in a folder that holds none.
// Every entry is read and hashed, and compared with the checkpoint. What a
// process left beyond that when it died is left out: nobody was told of it.
// Hashes that are not as the entries say are written anew. A folder whose
// entries are not those of the checkpoint is ErrDamaged.
func OpenLog(dir, private string) (*Log, error) {
	signer, err := note.NewSigner(private)
	if err != nil {
		return nil, fmt.Errorf("%w: the key of the log: %w", ErrMalformed, err)
	}
	public, err := PublicOf(private)
	if err != nil {
		return nil, err
	}
	keys, err := ParseKeys(public, nil, 0)
	if err != nil {
		return nil, err
	}
	l := &Log{dir: dir, signer: signer, at: map[Sum]int64{}}
	l.checkpoint, err = readAtMost(l.path(fileCheckpoint), MaxCheckpoint)
	if errors.Is(err, fs.ErrNotExist) {
		return l, l.begin()
	}
	if err != nil {
		return nil, fmt.Errorf("translog: %w", err)
	}
	c, err := keys.ReadCheckpoint(l.checkpoint)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, l.path(fileCheckpoint), err)
	}
	if err := l.load(c.Checkpoint); err != nil {
		return nil, err
	}
	return l, l.mend()
}

// begin makes an empty log. A folder that has entries and no checkpoint was
// damaged: to begin anew would be to forget.
func (l *Log) begin() error {
	if _, err := os.Stat(l.path("tile")); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s has tiles and no checkpoint", ErrDamaged, l.dir)
	}
	return l.sign()
}

// load reads the entries that the checkpoint covers.
func (l *Log) load(c Checkpoint) error {
	for l.tree.size < c.Size {
		t := Tile{Level: -1, Index: l.tree.size / TileWidth, Width: int(min(TileWidth, c.Size-l.tree.size))}
		b, err := readAtMost(l.path(t.path()), MaxBundle)
		if err != nil {
			return fmt.Errorf("%w: the entries from %d on: %w", ErrDamaged, l.tree.size, err)
		}
		list, err := ParseBundle(b, t.Width)
		if err != nil {
			return fmt.Errorf("%w: the entries from %d on: %w", ErrDamaged, l.tree.size, err)
		}
		for _, b := range list {
			e, err := ParseEntry(b)
			if err == nil {
				err = l.tree.Add(b)
			}
			if err != nil {
				return fmt.Errorf("%w: entry %d: %w", ErrDamaged, l.tree.size, err)
			}
			l.note(b, e.Sum)
		}
	}
	root, err := l.tree.Root(c.Size)
	if err != nil {
		return err
	}
	if root != c.Root {
		return fmt.Errorf("%w: its %d entries are not those that its checkpoint was signed for", ErrDamaged, c.Size)
	}
	return nil
}

// note takes an entry that is in the tree already.
func (l *Log) note(entry []byte, sum Sum) {
	if _, ok := l.at[sum]; !ok {
		l.at[sum] = int64(len(l.entries))
	}
	l.entries = append(l.entries, entry)
}

// mend writes those tiles of hashes anew that are not as they must be.
func (l *Log) mend() error {
	for _, t := range tilesFor(0, l.tree.size) {
		if t.Level < 0 {
			continue
		}
		want, err := l.tile(t)
		if err != nil {
			return err
		}
		have, err := readAtMost(l.path(t.path()), TileWidth*tlog.HashSize)
		if err == nil && bytes.Equal(have, want) {
			continue
		}
		if err := putFile(l.path(t.path()), want); err != nil {
			return err
		}
	}
	return nil
}

// Append adds an envelope that was accepted, and gives the entry's index. What
// it has added is on the disk when it returns. An envelope that is there
// already is not added twice.
func (l *Log) Append(e Entry, envelope []byte) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Sum = SumOf(envelope)
	if i, ok := l.at[e.Sum]; ok {
		return i, nil
	}
	text := e.Encode()
	if _, err := ParseEntry(text); err != nil {
		return 0, err
	}
	return l.add(e.Sum, text, envelope)
}

// Copy adds the entry that another copy of the log has at an index, the next
// one here, after as many entries of that root. The envelope may be nil, where
// that copy has it no more. The error wraps ErrFork where the entries before it
// are others here, or it is one that is there.
func (l *Log) Copy(index int64, root tlog.Hash, entry, envelope []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, err := ParseEntry(entry)
	switch at, twice := l.at[e.Sum]; {
	case err != nil:
		return err
	case index < 0 || index > l.tree.size:
		return fmt.Errorf("translog: entry %d does not come next after %d", index, l.tree.size)
	case envelope != nil && SumOf(envelope) != e.Sum:
		return fmt.Errorf("%w: entry %d is not of its envelope", ErrMalformed, index)
	case twice && at != index:
		return fmt.Errorf("%w: entry %d is entry %d again", ErrFork, index, at)
	}
	switch have, err := l.tree.Root(index); {
	case err != nil:
		return err
	case have != root, index < l.tree.size && !bytes.Equal(l.entries[index], entry):
		return fmt.Errorf("%w: entry %d of another copy does not go on from the entries in %s", ErrFork, index, l.dir)
	case index < l.tree.size:
		return nil
	}
	_, err = l.add(e.Sum, entry, envelope)
	return err
}

// Entry gives an encoded entry, and the root of those before it.
func (l *Log) Entry(index int64) (entry []byte, root tlog.Hash, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if index < 0 || index >= l.tree.size {
		return nil, root, fmt.Errorf("translog: there is no entry %d of %d", index, l.tree.size)
	}
	root, err = l.tree.Root(index)
	return l.entries[index], root, err
}

// Root gives the hash over the first entries, of which there are so many.
func (l *Log) Root(size int64) (tlog.Hash, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tree.Root(size)
}

// add puts an entry at the end; mu is held.
func (l *Log) add(sum Sum, text, envelope []byte) (int64, error) {
	if l.err != nil {
		return 0, l.err
	}
	if envelope != nil {
		if err := l.put(l.envelopePath(sum), envelope); err != nil {
			return 0, err
		}
	}
	before := l.tree
	if err := l.tree.Add(text); err != nil {
		return 0, err
	}
	l.entries = append(l.entries, text)
	if err := l.write(before.size); err != nil {
		l.tree, l.entries = before, l.entries[:before.size]
		return 0, err
	}
	l.at[sum] = before.size
	l.sweep(before.size)
	return before.size, nil
}

// write puts the tiles on the disk that are new since a size, and then the
// checkpoint.
func (l *Log) write(before int64) error {
	for _, t := range tilesFor(before, l.tree.size) {
		b, err := l.tile(t)
		if err != nil {
			return err
		}
		if err := l.put(l.path(t.path()), b); err != nil {
			return err // the checkpoint does not cover it: another try may write over it
		}
	}
	if err := l.sign(); err != nil {
		// Which checkpoint the disk has is not known, and another of the same
		// size would be a fork.
		l.err = fmt.Errorf("%w: %w", ErrHalted, err)
		return l.err
	}
	return nil
}

// sign makes the checkpoint of all entries, and keeps it.
func (l *Log) sign() error {
	root, err := l.tree.Root(l.tree.size)
	if err != nil {
		return err
	}
	c := Checkpoint{Origin: l.signer.Name(), Size: l.tree.size, Root: root}
	signed, err := note.Sign(&note.Note{Text: c.text()}, l.signer)
	if err != nil {
		return fmt.Errorf("translog: signing a checkpoint: %w", err)
	}
	if err := l.put(l.path(fileCheckpoint), signed); err != nil {
		return err
	}
	l.checkpoint = signed
	return nil
}

// sweep removes the last tiles of an earlier size that have wider ones in their
// place. That it cannot costs room and nothing else.
func (l *Log) sweep(before int64) {
	now := lastTiles(l.tree.size)
	for _, t := range lastTiles(before) {
		if !slices.Contains(now, t) {
			_ = os.Remove(l.path(t.path()))
		}
	}
}

// tile gives the bytes of a tile; mu is held, or nobody else is there yet.
func (l *Log) tile(t Tile) ([]byte, error) {
	if t.Level >= 0 {
		return l.tree.tile(t)
	}
	var b []byte
	for _, e := range l.entries[t.Index*TileWidth:][:t.Width] {
		b = appendBundle(b, e)
	}
	return b, nil
}

// Tile gives the bytes of a tile.
func (l *Log) Tile(t Tile) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := t.check(l.tree.size); err != nil {
		return nil, err
	}
	return l.tile(t)
}

// Size gives the number of entries.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tree.size
}

// Checkpoint gives the checkpoint of all entries, signed by the log alone.
func (l *Log) Checkpoint() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.checkpoint
}

// Find gives the index of an envelope's entry.
func (l *Log) Find(s Sum) (int64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, ok := l.at[s]
	return i, ok
}

// Prove proves that an envelope stands in the log by a checkpoint of it, and
// that this goes on from the one of so many entries. Who has seen none gives
// from as 0; one beyond the checkpoint gets no proof of that.
func (l *Log) Prove(s Sum, checkpoint Signed, signed []byte, from int64) (*Proof, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, ok := l.at[s]
	if !ok || i >= checkpoint.Size {
		return nil, fmt.Errorf("%w: no checkpoint covers envelope %s yet", ErrUnlogged, s)
	}
	p := &Proof{Index: i, Entry: l.entries[i], Checkpoint: signed, From: from}
	var err error
	if p.Record, err = tlog.ProveRecord(checkpoint.Size, i, &l.tree); err != nil {
		return nil, fmt.Errorf("translog: %w", err)
	}
	p.Tree, err = l.tree.consistency(from, checkpoint.Size)
	return p, err
}

// Consistency proves that a checkpoint of the log goes on from the one of so
// many entries.
func (l *Log) Consistency(from, to int64) (tlog.TreeProof, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tree.consistency(from, to)
}

// Envelope gives an envelope that is in the log. An operator who needs room may
// remove old ones: the error wraps fs.ErrNotExist then.
func (l *Log) Envelope(s Sum) ([]byte, error) {
	b, err := os.ReadFile(l.envelopePath(s))
	if err == nil && SumOf(b) != s {
		err = fmt.Errorf("%w: envelope %s", ErrDamaged, s)
	}
	return b, err
}

// Cosigned gives the checkpoint that KeepCosigned kept; nil where there is
// none.
func (l *Log) Cosigned() ([]byte, error) {
	b, err := readAtMost(l.path(fileCosigned), MaxCheckpoint)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// KeepCosigned keeps the last checkpoint that enough witnesses signed, for the
// time after a start.
func (l *Log) KeepCosigned(signed []byte) error { return putFile(l.path(fileCosigned), signed) }

// put is putFile, but for a log that is hasty.
func (l *Log) put(name string, b []byte) error {
	if !l.hasty {
		return putFile(name, b)
	}
	return errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, b, 0o600))
}

func (l *Log) path(name string) string { return filepath.Join(l.dir, filepath.FromSlash(name)) }

func (l *Log) envelopePath(s Sum) string {
	name := s.String()
	return filepath.Join(l.dir, dirEnvelopes, name[:2], name)
}
