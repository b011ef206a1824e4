package relay

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/translog"
)

// The files of the log in a relay's folder.
const (
	fileLogKey = "log.key"
	dirLog     = "log"
)

// The keys of the log in the spine's state: the checkpoint of its entries with
// what witnesses have signed, and the last that enough of them signed.
const (
	keyHead   = "log.head"
	keySigned = "log.signed"
)

// headerRoot is the root of the entries before one, in base64: who adds an entry
// says what it goes on from, so that a log which went another way shows.
const headerRoot = "Quaestor-Root"

// A ledger is the fleet's transparency log as a relay has it. The entries stand
// in the spine, in one order for all relays: each is put behind the last one
// that its relay saw, or not at all. A relay that takes them from there signs
// the checkpoint of as many as it has, which is the same one everywhere. It is
// idle while the policy names no log. Its lock is taken after Relay.mu.
type ledger struct {
	relay *Relay

	mu      sync.Mutex
	mirror  *mirror
	log     *translog.Log  // nil: it was never needed
	keys    *translog.Keys // of the policy; nil: the fleet has no log
	head    []byte         // the checkpoint of all entries, with what witnesses signed
	signed  []byte         // the last that enough of them signed
	proved  translog.Signed
	kept    map[string]kept // by key, as the spine has it
	trouble error           // why the last entry is not in the folder yet; nil: it is
	changed chan struct{}   // closed when one of these is another
}

// A kept is a value of the spine.
type kept struct {
	text     []byte
	revision uint64
}

func (r *Relay) openLedger() error {
	r.ledger.relay, r.ledger.kept = r, map[string]kept{}
	return nil
}

// LogKey gives the key of the log of a relay's folder, for the policy to name.
// A folder that has none gets one.
func LogKey(dir string) (string, error) {
	private, err := readLogKey(dir)
	if errors.Is(err, fs.ErrNotExist) {
		private, err = newLogKey(dir)
	}
	if err != nil {
		return "", fmt.Errorf("relay: the log's key: %w", err)
	}
	return translog.PublicOf(private)
}

func readLogKey(dir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, fileLogKey))
	return strings.TrimSpace(string(b)), err
}

// newLogKey makes the key of a log, which is called by its fleet.
func newLogKey(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, filePolicy))
	if err != nil {
		return "", err
	}
	e, err := signing.ParseEnvelope(text)
	if err != nil {
		return "", err
	}
	p, err := signing.ParsePolicy(e.Payload)
	if err != nil {
		return "", err
	}
	private, _, err := translog.NewLogKey("quaestor-log/" + p.Fleet().String())
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(filepath.Join(dir, fileLogKey), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(private + "\n")
	return private, errors.Join(err, f.Sync(), f.Close())
}

// takeKept takes what the spine keeps of the witnesses' signatures.
func (l *ledger) takeKept(key string, text []byte, revision uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept[key] = kept{text, revision}
	if err := l.review(); err != nil {
		l.relay.log.Error("a checkpoint of the log was not kept in this relay's folder", "why", err)
	}
}

// review looks anew at what is known of the log's checkpoints; mu is held.
func (l *ledger) review() error {
	defer l.tell()
	if l.keys == nil {
		return nil
	}
	l.head = l.log.Checkpoint()
	if whole, err := l.keys.Merge(l.head, l.kept[keyHead].text); err == nil {
		l.head = whole // it is the checkpoint of as many entries as are here
	}
	l.rely(l.kept[keySigned].text)
	before := l.proved.Size
	if !l.rely(l.head) || l.proved.Size == before {
		return nil
	}
	return l.log.KeepCosigned(l.signed)
}

// rely relies on a checkpoint that enough witnesses signed, of entries that are
// here; mu is held.
func (l *ledger) rely(text []byte) bool {
	s, err := l.keys.Open(text)
	if err != nil || s.Size > l.log.Size() || s.Size < l.proved.Size {
		return false
	}
	l.signed, l.proved = text, s
	return true
}

// tell wakes those who wait; mu is held.
func (l *ledger) tell() {
	if l.changed != nil {
		close(l.changed)
	}
	l.changed = make(chan struct{})
}

// on says whether the fleet has a log.
func (l *ledger) on() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.keys != nil
}

// reach waits until as many entries are here, and relied upon, as somebody has
// seen at another relay.
func (l *ledger) reach(ctx context.Context, size int64) {
	l.mu.Lock()
	behind := l.keys != nil && l.proved.Size < size
	m := l.mirror
	l.mu.Unlock()
	if !behind {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, spineTimeout)
	defer cancel()
	info, err := l.relay.spine.entries.Info(ctx)
	if err == nil {
		err = m.until(ctx, info.State.LastSeq)
	}
	if err == nil {
		err = l.relay.catchUp(ctx, l.relay.spine.state, l.relay.states)
	}
	if err != nil {
		l.relay.log.Warn("somebody has seen more of the log than is here", "entries", size, "why", err)
	}
}

// holds says whether an envelope may be offered: it is in the log, and, where
// agents ask for a proof, there is one.
func (l *ledger) holds(sum translog.Sum, proof bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys == nil {
		return true
	}
	i, ok := l.log.Find(sum)
	return ok && (!proof || i < l.proved.Size)
}

// missing names the witnesses whose signatures the last checkpoint waits for.
func (l *ledger) missing() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys == nil {
		return nil
	}
	s, err := l.keys.ReadCheckpoint(l.head)
	if err != nil {
		return nil
	}
	return l.keys.Missing(s)
}

// cosign takes a checkpoint that a witness signed. One of an older checkpoint
// came too late, which is nobody's fault.
func (l *ledger) cosign(ctx context.Context, brought []byte) error {
	for {
		l.mu.Lock()
		if l.keys == nil {
			l.mu.Unlock()
			return errNoLog
		}
		s, err := l.keys.ReadCheckpoint(brought)
		if err != nil || s.Size < l.log.Size() {
			l.mu.Unlock()
			return err
		}
		head, err := l.keys.Merge(l.head, brought)
		before := l.kept[keyHead].revision
		l.mu.Unlock()
		if err != nil {
			return err
		}
		sequence, err := l.relay.spine.state.swap(ctx, keyHead, head, before)
		if err == nil {
			if err := l.relay.states.until(ctx, sequence); err != nil {
				return err
			}
			return l.keepSigned(ctx, head)
		}
		if !errors.Is(err, errSwapped) {
			return err
		}
		if err := l.relay.catchUp(ctx, l.relay.spine.state, l.relay.states); err != nil {
			return err
		}
	}
}

// keepSigned keeps a checkpoint for relays that are away, if enough witnesses
// signed it and no later one is kept.
func (l *ledger) keepSigned(ctx context.Context, head []byte) error {
	for {
		l.mu.Lock()
		if l.keys == nil {
			l.mu.Unlock()
			return nil
		}
		s, err := l.keys.Open(head)
		before := l.kept[keySigned]
		then, errThen := l.keys.Open(before.text)
		l.mu.Unlock()
		if err != nil || errThen == nil && then.Size >= s.Size {
			return nil
		}
		_, err = l.relay.spine.state.swap(ctx, keySigned, head, before.revision)
		if !errors.Is(err, errSwapped) {
			return err
		}
		if err := l.relay.catchUp(ctx, l.relay.spine.state, l.relay.states); err != nil {
			return err
		}
	}
}

var errNoLog = errors.New("relay: the policy of this fleet names no log")

// pending gives what a witness has not signed yet, with the proof that it goes
// on from the size that he has seen, and else what is closed when that changes.
func (l *ledger) pending(ctx context.Context, name string, seen int64) (*translog.Head, <-chan struct{}, error) {
	l.reach(ctx, seen)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys == nil {
		return nil, nil, errNoLog
	}
	s, err := l.keys.ReadCheckpoint(l.head)
	if err != nil {
		return nil, nil, err
	}
	for _, missing := range l.keys.Missing(s) {
		if missing == name {
			tree, err := l.log.Consistency(seen, s.Size)
			return &translog.Head{Checkpoint: l.log.Checkpoint(), Tree: tree}, nil, err
		}
	}
	return nil, l.changed, nil
}

// latest gives the last checkpoint that enough witnesses signed, with the proof
// that it goes on from one of another size.
func (l *ledger) latest(ctx context.Context, from int64) (*translog.Head, error) {
	l.reach(ctx, from)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.keys == nil:
		return nil, errNoLog
	case l.signed == nil:
		return nil, fmt.Errorf("%w: no checkpoint of the log has enough signatures yet", translog.ErrUnwitnessed)
	}
	tree, err := l.log.Consistency(from, l.proved.Size)
	return &translog.Head{Checkpoint: l.signed, Tree: tree}, err
}

// prove proves that an envelope is in the log.
func (l *ledger) prove(ctx context.Context, sum translog.Sum, from int64) (*translog.Proof, error) {
	l.reach(ctx, from)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys == nil {
		return nil, errNoLog
	}
	return l.log.Prove(sum, l.proved, l.signed, from)
}

// tile and envelope give what an auditor reads.

func (l *ledger) tile(t translog.Tile) ([]byte, error) {
	if !l.on() {
		return nil, errNoLog
	}
	return l.log.Tile(t)
}

func (l *ledger) envelope(sum translog.Sum) ([]byte, error) {
	if !l.on() {
		return nil, errNoLog
	}
	return l.log.Envelope(sum)
}

// wait waits until an envelope may be offered, but not for long: who hands in
// a plan is told whom it waits for.
func (l *ledger) wait(ctx context.Context, sum translog.Sum, proof bool) {
	ctx, cancel := context.WithTimeout(ctx, witnessWithin)
	defer cancel()
	for !l.holds(sum, proof) {
		l.mu.Lock()
		changed := l.changed
		l.mu.Unlock()
		if l.holds(sum, proof) {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// witnessWithin is how long a witness who watches takes, or longer.
const witnessWithin = 2 * time.Second
