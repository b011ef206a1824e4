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

// A ledger is the fleet's transparency log as its relay keeps it: the entries,
// and the cosignatures that witnesses brought for its checkpoint. It is idle
// while the policy names no log. Its lock is taken after Relay.mu.
type ledger struct {
	dir string // of the relay

	mu      sync.Mutex
	log     *translog.Log  // nil: it was never needed
	keys    *translog.Keys // of the policy; nil: the fleet has no log
	head    []byte         // the checkpoint of all entries, with what witnesses signed
	signed  []byte         // the last that enough of them signed
	proved  translog.Signed
	changed chan struct{} // closed when one of these is another
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

// obey takes what a policy says about the log; nil: there is none.
func (l *ledger) obey(rule *signing.LogRule) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if rule == nil {
		l.keys = nil
		l.tell()
		return nil
	}
	private, err := readLogKey(l.dir)
	if err != nil {
		return fmt.Errorf("relay: the policy names log %s, and this relay has no key for one: quaestor-relay log makes it: %w", rule.Keys.Origin(), err)
	}
	if public, err := translog.PublicOf(private); err != nil || public != rule.Keys.Log() {
		return errors.Join(fmt.Errorf("relay: the policy names log %s, and this relay's is %s", rule.Keys.Log(), public), err)
	}
	if l.log == nil {
		if l.log, err = translog.OpenLog(filepath.Join(l.dir, dirLog), private); err != nil {
			return err
		}
	}
	l.keys, l.head, l.signed, l.proved = rule.Keys, l.log.Checkpoint(), nil, translog.Signed{}
	if kept, err := l.log.Cosigned(); err == nil && kept != nil {
		if s, err := l.keys.Open(kept); err == nil && s.Size <= l.log.Size() {
			l.signed, l.proved = kept, s
			if whole, err := l.keys.Merge(l.head, kept); err == nil {
				l.head = whole // it is the checkpoint of all entries
			}
		}
	}
	return l.settle()
}

// settle relies on the head where enough witnesses signed it; mu is held.
func (l *ledger) settle() error {
	defer l.tell()
	s, err := l.keys.Open(l.head)
	if errors.Is(err, translog.ErrUnwitnessed) {
		return nil // they will come
	}
	if err != nil {
		return err
	}
	if err := l.log.KeepCosigned(l.head); err != nil {
		return err
	}
	l.signed, l.proved = l.head, s
	return nil
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

// add appends an envelope, where the fleet has a log.
func (l *ledger) add(e translog.Entry, envelope []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys == nil {
		return nil
	}
	before := l.log.Size()
	if _, err := l.log.Append(e, envelope); err != nil {
		return err
	}
	if l.log.Size() == before {
		return nil
	}
	l.head = l.log.Checkpoint()
	return l.settle()
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
func (l *ledger) cosign(brought []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys == nil {
		return errNoLog
	}
	s, err := l.keys.ReadCheckpoint(brought)
	if err != nil {
		return err
	}
	if s.Size < l.log.Size() {
		return nil
	}
	head, err := l.keys.Merge(l.head, brought)
	if err != nil {
		return err
	}
	l.head = head
	return l.settle()
}

var errNoLog = errors.New("relay: the policy of this fleet names no log")

// pending gives what a witness has not signed yet, with the proof that it goes
// on from the size that he has seen, and else what is closed when that changes.
func (l *ledger) pending(name string, seen int64) (*translog.Head, <-chan struct{}, error) {
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
func (l *ledger) latest(from int64) (*translog.Head, error) {
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
func (l *ledger) prove(sum translog.Sum, from int64) (*translog.Proof, error) {
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
