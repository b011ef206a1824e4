package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// ErrNoLog says that a fleet's policy names no transparency log.
var ErrNoLog = errors.New("client: the policy of the fleet names no log")

// What a home remembers for an audit.
const (
	fileSeen  = "log.json" // the largest checkpoint of the log that was seen
	dirSigned = "signed"   // PLAN: what was signed here, with its sum once it was handed in
)

// seenLog is what the file says.
type seenLog struct {
	Key        string `json:"key"`
	Checkpoint []byte `json:"checkpoint"` // signed
}

// A Log is the transparency log of a fleet, read to its end and proved: its
// entries are those that its checkpoint was signed for, and they go on from
// those that this home saw before.
type Log struct {
	Entries    []translog.Entry
	Checkpoint translog.Signed
	// Before is how many entries this home had seen.
	Before int64
}

// Log reads the fleet's transparency log. The error wraps translog.ErrFork or
// translog.ErrRollback where the relay shows another log than before; somebody
// should be told then.
func (s *Session) Log(ctx context.Context) (*Log, error) {
	rule := s.Policy().Log()
	if rule == nil {
		return nil, ErrNoLog
	}
	last, err := s.opts.home.seenLog(rule.Keys)
	if err != nil {
		return nil, err
	}
	var head translog.Head
	if err := s.logCall(ctx, message.OpLogHead, message.LogQuery{From: last.Size}, message.TypeHead, func(b []byte) error {
		return message.Unmarshal(b, &head)
	}); err != nil {
		return nil, err
	}
	out := &Log{Before: last.Size}
	if out.Checkpoint, err = rule.Keys.Open(head.Checkpoint); err != nil {
		return nil, fmt.Errorf("client: the log: %w", err)
	}
	if err := translog.Follow(last, out.Checkpoint.Checkpoint, head.Tree); err != nil {
		return nil, fmt.Errorf("client: the log: %w", err)
	}
	root, err := s.readEntries(ctx, out)
	if err != nil {
		return nil, err
	}
	if root != out.Checkpoint.Root {
		return nil, fmt.Errorf("client: the log: %w: its entries are not those that its checkpoint was signed for", translog.ErrFork)
	}
	if out.Checkpoint.Size == last.Size {
		return out, nil
	}
	return out, s.opts.home.keep(message.Marshal(seenLog{Key: rule.Keys.Log(), Checkpoint: head.Checkpoint}), fileSeen)
}

// readEntries reads all entries, and gives the hash over them.
func (s *Session) readEntries(ctx context.Context, out *Log) (tlog.Hash, error) {
	tree := &translog.Tree{}
	for size := out.Checkpoint.Size; tree.Size() < size; {
		t := translog.Tile{Level: -1, Index: tree.Size() / translog.TileWidth, Width: int(min(translog.TileWidth, size-tree.Size()))}
		err := s.logCall(ctx, message.OpLogTile, message.LogQuery{Tile: t}, message.TypeTile, func(b []byte) error {
			list, err := translog.ParseBundle(b, t.Width)
			for _, text := range list {
				e, err := translog.ParseEntry(text)
				if err != nil {
					return err
				}
				if err := tree.Add(text); err != nil {
					return err
				}
				out.Entries = append(out.Entries, e)
			}
			return err
		})
		if err == nil && int64(len(out.Entries)) < t.Index*translog.TileWidth+int64(t.Width) {
			err = fmt.Errorf("%w: it sends no entries", message.ErrMalformed)
		}
		if err != nil {
			return tlog.Hash{}, fmt.Errorf("client: the log, from entry %d on: %w", tree.Size(), err)
		}
	}
	return tree.Root(tree.Size())
}

// logCall asks for one thing of the log.
func (s *Session) logCall(ctx context.Context, op string, q message.LogQuery, t message.Type, take func([]byte) error) error {
	n := 0
	return s.call(ctx, message.Request{Op: op, Log: &q}, t, func(b []byte) error {
		if n++; n > 1 {
			return fmt.Errorf("%w: more than was asked for", message.ErrMalformed)
		}
		return take(b)
	})
}

// LogEnvelope gives the envelope of an entry: exactly that which the log has
// the sum of. A *message.Failure says that the relay has it no more.
func (s *Session) LogEnvelope(ctx context.Context, sum translog.Sum) (*signing.Envelope, error) {
	var e *signing.Envelope
	err := s.logCall(ctx, message.OpLogEnvelope, message.LogQuery{Sum: sum}, message.TypeEnvelope, func(b []byte) (err error) {
		if translog.SumOf(b) != sum {
			return fmt.Errorf("client: the relay gives another envelope than %s", sum)
		}
		e, err = signing.ParseEnvelope(b)
		return err
	})
	if err == nil && e == nil {
		err = fmt.Errorf("%w: no envelope came", message.ErrMalformed)
	}
	return e, err
}

// seenLog gives the largest checkpoint of a log that was seen from this home.
func (h *Home) seenLog(keys *translog.Keys) (translog.Checkpoint, error) {
	b, err := os.ReadFile(h.path(fileSeen))
	if errors.Is(err, fs.ErrNotExist) {
		return translog.Checkpoint{}, nil
	}
	var seen seenLog
	if err == nil {
		err = json.Unmarshal(b, &seen)
	}
	if err != nil {
		return translog.Checkpoint{}, fmt.Errorf("client: %s: %w", h.path(fileSeen), err)
	}
	if seen.Key != keys.Log() {
		return translog.Checkpoint{}, nil // the policy names another log now
	}
	s, err := keys.ReadCheckpoint(seen.Checkpoint)
	if err != nil {
		return translog.Checkpoint{}, fmt.Errorf("client: %s: %w", h.path(fileSeen), err)
	}
	return s.Checkpoint, nil
}

// keepAsked remembers that a plan was signed here. That it was handed in, where
// it was, stays known.
func (h *Home) keepAsked(plan signing.ID) error {
	if _, err := os.Stat(h.path(dirSigned, plan.String())); err == nil {
		return nil
	}
	return h.keep(nil, dirSigned, plan.String())
}

// keepSubmitted remembers that an envelope was handed in from here, and taken.
func (h *Home) keepSubmitted(plan signing.ID, envelope []byte) error {
	return h.keep([]byte(translog.SumOf(envelope).String()+"\n"), dirSigned, plan.String())
}

// signedHere gives the plans that were signed or handed in here, each with the
// sum of what was handed in, "" for nothing.
func (h *Home) signedHere() (map[string]string, error) {
	out := map[string]string{}
	for _, dir := range []string{dirReplies, dirSigned} {
		list, err := os.ReadDir(h.path(dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("client: %w", err)
		}
		for _, f := range list {
			name := strings.TrimSuffix(f.Name(), ".key")
			if _, err := signing.ParseID(name); err != nil {
				continue
			}
			out[name] = ""
			if dir == dirSigned {
				b, err := os.ReadFile(h.path(dir, f.Name()))
				if err != nil {
					return nil, fmt.Errorf("client: %w", err)
				}
				out[name] = strings.TrimSpace(string(b))
			}
		}
	}
	return out, nil
}

// An Audit is what came of replaying a log.
type Audit struct {
	*Log
	Plans, Policies int
	Releases        int // and the stages of them
	Mine            int // plans that were signed here
	// Problems are what should not be: somebody should be told.
	Problems []string
	// Unchecked are entries whose envelopes could not be had.
	Unchecked []string
}

// Audit replays the fleet's log: every policy follows the one before, every
// plan and release is signed as the policy of its time asks, everything that was handed in
// from here is in it, and nothing under this key that was not signed here.
func (s *Session) Audit(ctx context.Context) (*Audit, error) {
	log, err := s.Log(ctx)
	if err != nil {
		return nil, err
	}
	here, err := s.opts.home.signedHere()
	if err != nil {
		return nil, err
	}
	a := &auditor{Audit: &Audit{Log: log}, session: s, here: here, logged: map[string]bool{}}
	for i, e := range log.Entries {
		envelope, err := s.LogEnvelope(ctx, e.Sum)
		var gone *message.Failure
		switch {
		case errors.As(err, &gone) && gone.Code == message.FailUnknown, errors.Is(err, signing.ErrMalformed):
			a.Unchecked = append(a.Unchecked, fmt.Sprintf("entry %d, %s %s: %v", i, e.Kind, e.Name, err))
			a.logged[e.Name+" "+e.Sum.String()] = true
			continue
		case err != nil:
			return nil, err
		case e.Kind == translog.KindPolicy:
			a.policy(i, e, envelope)
		case e.Kind == translog.KindRelease, e.Kind == translog.KindRollOut:
			a.release(i, e, envelope)
		default:
			a.plan(i, e, envelope)
		}
	}
	for _, plan := range slices.Sorted(maps.Keys(here)) {
		if sum := here[plan]; sum != "" && !a.logged[plan+" "+sum] {
			a.problem("plan %s was handed in from here and taken, and is not in the log", plan)
		}
	}
	if len(a.chain) > 0 && a.chain[len(a.chain)-1].policy.Version() < s.Policy().Version() {
		a.problem("policy version %d is in force here, and the log has none beyond %d", s.Policy().Version(), a.chain[len(a.chain)-1].policy.Version())
	}
	return a.Audit, nil
}
