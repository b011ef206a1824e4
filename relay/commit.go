package relay

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Bounds of what is stored at once.
const (
	// fewTogether is how many messages must wait to be stored together: a batch
	// costs the disk what half a dozen single ones do.
	fewTogether = 8
	// mostTogether is how many are; a spine takes 1,000.
	mostTogether = 256
	// gatherFor is how long messages are gathered after some were stored together,
	// as long as in each gatherStep more come: who is alone does not wait, and a few
	// who send one after the other only for one step.
	gatherFor  = 50 * time.Millisecond
	gatherStep = 10 * time.Millisecond
	// largeAlone is the size in bytes from which a message is stored by itself:
	// a batch is written twice.
	largeAlone = 32 << 10
)

// What the spine calls the parts of a batch.
const (
	headerBatch    = "Nats-Batch-Id"
	headerBatchSeq = "Nats-Batch-Sequence"
	headerBatchEnd = "Nats-Batch-Commit"
)

// errBatch says that a spine did not take messages together.
var errBatch = errors.New("the batch was not taken")

// A committer gives messages to a stream of the spine, and says of each when it
// is stored or not. The disk is synced for every message or batch before that:
// ten thousand answers one by one would take half a minute for it alone, so
// those that come while others are being stored are stored together. Each is
// still put behind the one that it says; where one of a batch cannot be, all of
// it are stored one by one.
type committer struct {
	spine *spine
	work  *sync.WaitGroup // of the goroutines that store, and tell
	// together says that the spine stores batches, and has no faster way: one
	// in this process, of one relay.
	together bool

	mu      sync.Mutex
	waiting []commitment
	running bool          // a goroutine stores until nothing waits
	full    chan struct{} // of capacity one: as many wait as are stored together
}

func newCommitter(s *spine) *committer {
	return &committer{spine: s, work: &s.storing, full: make(chan struct{}, 1)}
}

// A commitment is a message, and who is told of it. done must not block.
type commitment struct {
	msg  *nats.Msg
	done func(sequence uint64, err error)
}

// put takes a message. Where it is taken done is called once.
func (c *committer) put(m commitment) error {
	if !c.together || len(m.msg.Data) >= largeAlone {
		future, err := c.publish(m.msg)
		if err == nil {
			c.work.Go(func() { m.done(c.await(future)) })
		}
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = append(c.waiting, m)
	if len(c.waiting) == mostTogether {
		select {
		case c.full <- struct{}{}:
		default:
		}
	}
	if !c.running {
		c.running = true
		c.work.Go(c.run)
	}
	return nil
}

// store is put for who waits.
func (c *committer) store(ctx context.Context, msg *nats.Msg) (sequence uint64, err error) {
	type stored struct {
		sequence uint64
		err      error
	}
	said := make(chan stored, 1)
	if err := c.put(commitment{msg, func(sequence uint64, err error) { said <- stored{sequence, err} }}); err != nil {
		return 0, err
	}
	select {
	case s := <-said:
		return s.sequence, s.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (c *committer) run() {
	for {
		c.mu.Lock()
		n := min(len(c.waiting), mostTogether)
		batch := c.waiting[:n:n]
		if c.waiting = c.waiting[n:]; n == 0 {
			c.waiting, c.running = nil, false
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		if n < fewTogether || c.batch(batch) != nil {
			c.single(batch)
			continue
		}
		c.gather()
	}
}

// gather waits until as many wait as are stored together, no more come, or
// gatherFor is over.
func (c *committer) gather() {
	t := time.NewTimer(gatherStep)
	defer t.Stop()
	before := -1
	for end := time.Now().Add(gatherFor); time.Now().Before(end); t.Reset(gatherStep) {
		c.mu.Lock()
		n := len(c.waiting)
		if n < mostTogether {
			select {
			case <-c.full: // of those that were stored
			default:
			}
		}
		c.mu.Unlock()
		if n >= mostTogether || n == before {
			return
		}
		before = n
		select {
		case <-c.full:
		case <-t.C:
		}
	}
}

// single stores messages one by one.
func (c *committer) single(all []commitment) {
	futures := make([]jetstream.PubAckFuture, len(all))
	for i, m := range all {
		var err error
		if futures[i], err = c.publish(m.msg); err != nil {
			m.done(0, err)
		}
	}
	for i, f := range futures {
		if f != nil {
			all[i].done(c.await(f))
		}
	}
}

// batch stores messages together, and tells of them; or it gives an error, and
// nobody is told. Whether they were stored is then known of none, and each says
// behind which one it belongs.
func (c *committer) batch(all []commitment) error {
	id := rand.Text()
	var reply *nats.Msg
	var err error
	for i, m := range all {
		h := m.msg.Header
		h.Set(headerBatch, id)
		h.Set(headerBatchSeq, strconv.Itoa(i+1))
		if i < len(all)-1 {
			err = errors.Join(err, c.spine.conn.PublishMsg(m.msg))
			continue
		}
		h.Set(headerBatchEnd, "1")
		if err == nil {
			reply, err = c.spine.conn.RequestMsg(m.msg, spineTimeout)
		}
	}
	for _, m := range all {
		for _, name := range []string{headerBatch, headerBatchSeq, headerBatchEnd} {
			m.msg.Header.Del(name)
		}
	}
	if err != nil {
		return err
	}
	last, err := readBatch(reply.Data, len(all))
	if err != nil {
		return err
	}
	for i, m := range all {
		m.done(last-uint64(len(all)-1-i), nil)
	}
	return nil
}

// readBatch reads what the spine says of a batch, and gives the sequence of its
// last message: the others stand before it.
func readBatch(text []byte, n int) (last uint64, err error) {
	var said struct {
		Error *struct {
			Code        int    `json:"code"`
			Description string `json:"description"`
		} `json:"error"`
		Sequence uint64 `json:"seq"`
		Count    int    `json:"count"`
	}
	if err := json.Unmarshal(text, &said); err != nil {
		return 0, fmt.Errorf("%w: %w", errBatch, err)
	}
	switch {
	case said.Error != nil:
		return 0, fmt.Errorf("%w: %s (%d)", errBatch, said.Error.Description, said.Error.Code)
	case said.Count != n || said.Sequence < uint64(n):
		return 0, fmt.Errorf("%w: %d messages of %d, the last with sequence %d", errBatch, said.Count, n, said.Sequence)
	}
	return said.Sequence, nil
}

func (c *committer) publish(msg *nats.Msg) (jetstream.PubAckFuture, error) {
	return c.spine.js.PublishMsgAsync(msg, jetstream.WithRetryWait(patience), jetstream.WithRetryAttempts(int(spineTimeout/patience)))
}

func (c *committer) await(f jetstream.PubAckFuture) (uint64, error) {
	select {
	case ack := <-f.Ok():
		return ack.Sequence, nil
	case err := <-f.Err():
		if errors.Is(err, jetstream.ErrAsyncPublishTimeout) {
			c.spine.unseat(streamOf(f.Msg().Subject))
		}
		return 0, err
	}
}

// allowBatches has a spine in this process, of one relay, store batches.
func (s *spine) allowBatches(ctx context.Context, c *Config) error {
	s.chunks, s.records = newCommitter(s), newCommitter(s)
	if s.server == nil || c.replicas() > 1 {
		return nil
	}
	for _, of := range []struct {
		stream jetstream.Stream
		by     *committer
	}{{s.answers, s.chunks}, {s.agents.stream, s.records}} {
		cfg := of.stream.CachedInfo().Config
		if !cfg.AllowAtomicPublish {
			cfg.AllowAtomicPublish = true
			if _, err := s.js.UpdateStream(ctx, cfg); err != nil {
				return fmt.Errorf("%s: %w", cfg.Name, err)
			}
		}
		of.by.together = true
	}
	return nil
}
