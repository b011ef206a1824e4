package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Bounds of mirrors.
const (
	mirrorAhead = 256 // messages that are taken from the spine before they are dealt with
	mirrorBeat  = 2 * time.Second
	mirrorPull  = 10 * time.Second
	mirrorPause = 200 * time.Millisecond // before it begins again
	mirrorIdle  = 30 * time.Second       // after which the spine forgets who asks no more
)

// A spineMessage is a message of the spine, as mirrors hand it on.
type spineMessage struct {
	subject  string
	sequence uint64
	header   nats.Header
	data     []byte
}

// gone says whether a key of a bucket was deleted with it.
func (m *spineMessage) gone() bool { return m.header.Get("KV-Operation") != "" }

// A mirror hands on what a stream of the spine holds and then whatever comes,
// in the stream's order, whichever relay it comes from. This is how relays
// know the same: what one of them keeps, all of them take from their mirrors,
// that one too.
type mirror struct {
	stream  jetstream.Stream
	subject string // of which; "" is all
	all     bool   // every message; else the last one of each subject to begin with
	once    bool   // what there is, and no more: nobody else keeps anything there
	headers bool   // without the data
	ahead   int    // 0 is mirrorAhead
	log     *slog.Logger
	// take deals with a message. Where it fails the message is handed on
	// again, and again: what cannot be understood is no failure.
	take func(ctx context.Context, m spineMessage) error

	mu    sync.Mutex
	seen  uint64
	bell  chan struct{} // closed when seen grows
	again func()        // begins again, at another copy perhaps
}

// run mirrors until ctx ends. It calls ready once, when everything has been
// handed on that was there when it began; of one that is for once that is its end.
func (m *mirror) run(ctx context.Context, ready func()) {
	var once sync.Once
	for ctx.Err() == nil {
		here, again := context.WithCancel(ctx)
		m.mu.Lock()
		m.again = again
		m.mu.Unlock()
		err := m.attempt(here, func() { once.Do(ready) })
		again()
		if ctx.Err() != nil || err == nil {
			return
		}
		m.log.Debug("a mirror of the spine begins again", "subject", m.subject, "why", err)
		select {
		case <-ctx.Done():
		case <-time.After(mirrorPause):
		}
	}
}

// errGap says that the spine left messages out.
var errGap = errors.New("messages are missing")

// attempt mirrors as long as the spine goes on without a gap. That it ended well
// is no error.
func (m *mirror) attempt(ctx context.Context, ready func()) error {
	cfg := jetstream.ConsumerConfig{
		AckPolicy: jetstream.AckNonePolicy, HeadersOnly: m.headers, MemoryStorage: true, Replicas: 1, InactiveThreshold: mirrorIdle,
		DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy,
	}
	// That is asked of a subject, or there is no last one of each.
	cfg.FilterSubject = m.subject
	seen := m.at()
	switch {
	case seen > 0:
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, seen+1
	case m.all:
		cfg.DeliverPolicy = jetstream.DeliverAllPolicy
	}
	within, cancel := context.WithTimeout(ctx, spineTimeout)
	defer cancel()
	c, err := m.stream.CreateConsumer(within, cfg)
	if err != nil {
		return err
	}
	if c.CachedInfo().NumPending == 0 {
		if ready(); m.once {
			return nil
		}
	}
	ahead := m.ahead
	if ahead == 0 {
		ahead = mirrorAhead
	}
	messages, err := c.Messages(jetstream.PullMaxMessages(ahead), jetstream.PullExpiry(mirrorPull), jetstream.PullHeartbeat(mirrorBeat))
	if err != nil {
		return err
	}
	defer messages.Stop()
	defer context.AfterFunc(ctx, messages.Stop)()
	left := c.CachedInfo().NumPending
	for next := uint64(1); ; next++ {
		msg, err := messages.Next(soonEnough(left)...)
		if err != nil {
			return err
		}
		meta, err := msg.Metadata()
		if err != nil {
			return err
		}
		if meta.Sequence.Consumer != next {
			return errGap
		}
		if err := m.take(ctx, spineMessage{msg.Subject(), meta.Sequence.Stream, msg.Headers(), msg.Data()}); err != nil {
			return err
		}
		m.advance(meta.Sequence.Stream)
		if left = meta.NumPending; left == 0 {
			if ready(); m.once {
				return nil
			}
		}
	}
}

// turn has the mirror begin again: of several copies, of which chance chooses
// one, it may follow one that gets nothing any more.
func (m *mirror) turn() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.again != nil {
		m.again()
	}
}

// soonEnough bounds the wait for a message where some are known to be there, and
// no wait for what is still to come.
func soonEnough(left uint64) []jetstream.NextOpt {
	if left == 0 {
		return nil
	}
	return []jetstream.NextOpt{jetstream.NextMaxWait(stalled)}
}

func (m *mirror) at() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seen
}

func (m *mirror) advance(sequence uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen = sequence
	if m.bell != nil {
		close(m.bell)
		m.bell = nil
	}
}

// until waits until a message has been dealt with, within spineTimeout.
func (m *mirror) until(ctx context.Context, sequence uint64) error {
	ctx, cancel := context.WithTimeout(ctx, spineTimeout)
	defer cancel()
	for {
		m.mu.Lock()
		if m.seen >= sequence {
			m.mu.Unlock()
			return nil
		}
		if m.bell == nil {
			m.bell = make(chan struct{})
		}
		bell := m.bell
		m.mu.Unlock()
		select {
		case <-bell:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				m.turn()
			}
			return fmt.Errorf("relay: what was kept is not seen yet: %w", ctx.Err())
		}
	}
}

// begin starts a mirror of the spine, and waits until it has what is there.
func (r *Relay) begin(ctx context.Context, m *mirror) error {
	m.log = r.log
	up := make(chan struct{})
	r.wg.Go(func() { m.run(r.life, func() { close(up) }) })
	t := time.NewTicker(3 * spineTimeout)
	defer t.Stop()
	for last := m.at(); ; {
		select {
		case <-up:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
			now := m.at()
			if now == last {
				err := fmt.Errorf("relay: the spine does not give what it holds (%s)", m.subject)
				if !r.cfg.clustered() {
					return err
				}
				r.log.Warn(waited, "why", err)
			}
			last = now
		}
	}
}

// settle is catchUp with the patience of a start.
func (r *Relay) settle(ctx context.Context, b *bucket, m *mirror) error {
	return r.patient(ctx, func(ctx context.Context) error { return r.catchUp(ctx, b, m) })
}

// mirrorOf mirrors a bucket.
func (r *Relay) mirrorOf(b *bucket, take func(ctx context.Context, key string, m spineMessage) error) *mirror {
	return &mirror{stream: b.stream, subject: b.prefix + ">", take: func(ctx context.Context, m spineMessage) error {
		key := strings.TrimPrefix(m.subject, b.prefix)
		if strings.HasPrefix(key, keyBarrier) {
			return nil
		}
		return take(ctx, key, m)
	}}
}

// catchUp has a mirror of a bucket see everything that any relay had kept
// there before: it keeps something itself, and waits until that comes.
func (r *Relay) catchUp(ctx context.Context, b *bucket, m *mirror) error {
	sequence, err := b.put(ctx, keyBarrier+r.me, []byte("."))
	if err != nil {
		return err
	}
	return m.until(ctx, sequence)
}
