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
	// mirrorLook is how long nothing may come until it is asked what is there,
	// and impatience how long something that was kept may take to be seen.
	mirrorLook = 5 * time.Second
	impatience = 2 * time.Second
	// mirrorDirect bounds what is read one by one: more is left to a copy.
	mirrorDirect = 1000
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
	stream  stream
	subject string // of which; "" is all
	all     bool   // every message; else the last one of each subject to begin with
	once    bool   // what there is, and no more: nobody else keeps anything there
	headers bool   // without the data
	copies  bool   // there are several
	ahead   int    // 0 is mirrorAhead
	log     *slog.Logger
	// take deals with a message. Where it fails the message is handed on
	// again, and again: what cannot be understood is no failure.
	take func(ctx context.Context, m spineMessage) error

	mu     sync.Mutex
	seen   uint64
	bell   chan struct{} // closed when seen grows
	again  func()        // begins again, at another copy perhaps
	turned time.Time     // when it last did, for who is impatient
}

// run mirrors until ctx ends. It calls ready once, when everything has been
// handed on that was there when it began; of one that is for once that is its end.
func (m *mirror) run(ctx context.Context, ready func()) {
	ready = sync.OnceFunc(ready)
	for first := true; ctx.Err() == nil; first = false {
		here, again := context.WithCancel(ctx)
		m.mu.Lock()
		m.again = again
		m.mu.Unlock()
		var err error
		if !first && m.copies {
			_, err = m.readOn(here)
		}
		if err == nil {
			err = m.attempt(here, ready)
		}
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

// errGap says that the spine left messages out, and errMute that a copy did not
// give what is there.
var (
	errGap  = errors.New("messages are missing")
	errMute = errors.New("a copy does not give what is there")
)

// attempt mirrors a copy as long as it goes on without a gap. That it ended well
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
	left := c.CachedInfo().NumPending
	if left == 0 {
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
	return m.follow(ctx, messages, left, ready)
}

// follow takes what a copy gives, of which so many messages are left that were
// there when it began.
func (m *mirror) follow(ctx context.Context, messages jetstream.MessagesContext, left uint64, ready func()) error {
	for next := uint64(1); ; {
		msg, err := messages.Next(m.soonEnough(left)...)
		if left == 0 && late(err) {
			if n, err := m.readOn(ctx); err != nil || n > 0 {
				return errors.Join(errMute, err)
			}
			continue
		}
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
		next++
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

// readOn takes what the server that leads has behind what was seen, up to
// mirrorDirect messages, and counts them.
func (m *mirror) readOn(ctx context.Context) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, spineTimeout)
	defer cancel()
	for ; n < mirrorDirect; n++ {
		msg, err := m.stream.next(ctx, m.at()+1, m.subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if m.headers {
			msg.Data = nil
		}
		if err := m.take(ctx, spineMessage{msg.Subject, msg.Sequence, msg.Header, msg.Data}); err != nil {
			return n, err
		}
		m.advance(msg.Sequence)
	}
	return n, nil
}

// turn has the mirror begin again, and read what it has not seen of the server
// that leads. Of those who are impatient together the first is enough.
func (m *mirror) turn() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.again != nil && time.Since(m.turned) >= impatience {
		m.turned = time.Now()
		m.again()
	}
}

// soonEnough bounds the wait for a message.
func (m *mirror) soonEnough(left uint64) []jetstream.NextOpt {
	switch {
	case left > 0:
		return []jetstream.NextOpt{jetstream.NextMaxWait(stalled)}
	case m.copies:
		return []jetstream.NextOpt{jetstream.NextMaxWait(mirrorLook)}
	}
	return nil
}

// late says whether an error is that nothing came in time.
func late(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout)
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
	impatient := time.NewTicker(impatience)
	defer impatient.Stop()
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
		case <-impatient.C:
			if m.copies {
				m.turn()
			}
		case <-ctx.Done():
			return fmt.Errorf("relay: what was kept is not seen yet: %w", ctx.Err())
		}
	}
}

// begin starts a mirror of the spine, and waits until it has what is there.
func (r *Relay) begin(ctx context.Context, m *mirror) error {
	m.log, m.copies = r.log, r.cfg.replicas() > 1
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
