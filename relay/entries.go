package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/translog"
)

// errLog is how a relay ends that cannot keep the log which the policy names:
// without its key, or because its folder has another history.
type errLog struct{ error }

func (e errLog) Unwrap() error { return e.error }

func isFatal(err error) bool {
	var e errLog
	return errors.As(err, &e)
}

// may says whether this relay could obey what a policy says about the log.
func (l *ledger) may(rule *signing.LogRule) error {
	if rule == nil {
		return nil
	}
	private, err := readLogKey(l.relay.cfg.dir)
	if err != nil {
		return errLog{fmt.Errorf("relay: the policy names log %s, and this relay has no key for one: quaestor-relay log makes it: %w", rule.Keys.Origin(), err)}
	}
	if public, err := translog.PublicOf(private); err != nil || public != rule.Keys.Log() {
		return errLog{errors.Join(fmt.Errorf("relay: the policy names log %s, and this relay's is %s", rule.Keys.Log(), public), err)}
	}
	return nil
}

// obey takes what a policy says about the log; nil: there is none. One goroutine
// calls it.
func (l *ledger) obey(ctx context.Context, rule *signing.LogRule) error {
	if rule == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.keys = nil
		l.tell()
		return nil
	}
	if err := l.may(rule); err != nil {
		return err
	}
	if l.log == nil {
		if err := l.open(ctx); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys, l.signed, l.proved = rule.Keys, nil, translog.Signed{}
	if before, err := l.log.Cosigned(); err == nil && before != nil {
		l.rely(before)
	}
	return l.review()
}

// open opens the log of the folder, brings the spine what it lacks of it, and
// follows the spine from there.
func (l *ledger) open(ctx context.Context) error {
	private, err := readLogKey(l.relay.cfg.dir)
	if err != nil {
		return errLog{err}
	}
	log, err := translog.OpenLog(filepath.Join(l.relay.cfg.dir, dirLog), private)
	if err != nil {
		return errLog{err}
	}
	entries := l.relay.spine.entries
	for {
		info, err := entries.Info(ctx)
		if err != nil {
			return err
		}
		n := int64(info.State.LastSeq)
		if n >= log.Size() {
			break
		}
		entry, root, err := log.Entry(n)
		if err != nil {
			return err
		}
		e, err := translog.ParseEntry(entry)
		if err != nil {
			return errLog{err}
		}
		envelope, err := log.Envelope(e.Sum)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return errLog{err}
		}
		if err := l.put(ctx, n, root, append(slices.Clone(entry), envelope...)); err != nil && !errors.Is(err, errSwapped) {
			return err
		}
	}
	l.mu.Lock()
	l.log, l.head = log, log.Checkpoint()
	// The last one that is here comes again, to be compared.
	l.mirror = &mirror{stream: entries, all: true, subject: subjectEntry, take: l.take, seen: uint64(max(0, log.Size()-1))}
	l.mu.Unlock()
	return l.relay.begin(ctx, l.mirror)
}

// put adds an entry behind as many others, within spineTimeout.
func (l *ledger) put(ctx context.Context, after int64, root tlog.Hash, body []byte) error {
	msg := nats.NewMsg(subjectEntry)
	msg.Header.Set(headerRoot, root.String())
	msg.Data = body
	_, err := l.relay.spine.publish(ctx, msg, jetstream.WithExpectLastSequence(uint64(after)))
	if isSwapped(err) {
		return errSwapped
	}
	return err
}

// take takes an entry from the spine. One that does not go on from those which
// are here ends the relay: it shows nobody two histories.
func (l *ledger) take(_ context.Context, m spineMessage) error {
	at := 0
	for range 5 { // lines
		if n := bytes.IndexByte(m.data[at:], '\n'); n >= 0 {
			at += n + 1
		}
	}
	root, err := tlog.ParseHash(m.header.Get(headerRoot))
	envelope := m.data[at:]
	if len(envelope) == 0 {
		envelope = nil
	}
	l.mu.Lock()
	if err == nil {
		err = l.log.Copy(int64(m.sequence)-1, root, m.data[:at], envelope)
	}
	if l.trouble = err; err == nil {
		err = l.review()
	} else {
		l.tell()
	}
	l.mu.Unlock()
	switch {
	case errors.Is(err, translog.ErrFork), errors.Is(err, translog.ErrMalformed), errors.Is(err, translog.ErrHalted):
		l.relay.fail(fmt.Errorf("relay: the log: %w", err))
		return err
	case err != nil: // the disk may be full
		l.relay.log.Error("an entry of the log is not in this relay's folder yet", "entry", m.sequence-1, "why", err)
		return err
	}
	l.relay.offerLogged()
	l.relay.offerUpgrades()
	return nil
}

// add appends an envelope, where the fleet has a log, and returns when it is
// in it.
func (l *ledger) add(ctx context.Context, e translog.Entry, envelope []byte) error {
	e.Sum = translog.SumOf(envelope)
	text := e.Encode()
	if _, err := translog.ParseEntry(text); err != nil {
		return err
	}
	for {
		l.mu.Lock()
		if l.keys == nil {
			l.mu.Unlock()
			return nil
		}
		_, there := l.log.Find(e.Sum)
		size := l.log.Size()
		root, err := l.log.Root(size)
		l.mu.Unlock()
		if there || err != nil {
			return err
		}
		err = l.put(ctx, size, root, append(slices.Clone(text), envelope...))
		if err != nil && !errors.Is(err, errSwapped) {
			return err
		}
		// Ours comes back as the next one, or another relay's does.
		if err := l.beyond(ctx, size); err != nil {
			return err
		}
	}
}

// beyond waits until the log here has more entries, within spineTimeout.
func (l *ledger) beyond(ctx context.Context, size int64) error {
	ctx, cancel := context.WithTimeout(ctx, spineTimeout)
	defer cancel()
	for {
		l.mu.Lock()
		more, trouble, changed := l.log.Size() > size, l.trouble, l.changed
		l.mu.Unlock()
		if more || trouble != nil {
			return trouble
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("relay: the log: %w", ctx.Err())
		}
	}
}
