package relay

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// copies are those of a stream. Its last message is at the server that leads;
// all copies that are read have stopped where they were and say nothing, as
// those whose servers cannot write.
type copies struct {
	jetstream.Stream
	last atomic.Uint64
}

type muteCopy struct{ jetstream.Consumer }

type muteSaying struct {
	jetstream.MessagesContext
	once sync.Once
	end  chan struct{}
}

func (c *copies) CreateConsumer(context.Context, jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	return &muteCopy{}, nil
}

func (c *muteCopy) CachedInfo() *jetstream.ConsumerInfo { return &jetstream.ConsumerInfo{} }

func (c *muteCopy) Messages(...jetstream.PullMessagesOpt) (jetstream.MessagesContext, error) {
	return &muteSaying{end: make(chan struct{})}, nil
}

func (c *muteSaying) Next(...jetstream.NextOpt) (jetstream.Msg, error) {
	select {
	case <-c.end:
		return nil, jetstream.ErrMsgIteratorClosed
	case <-time.After(mirrorLook):
		return nil, nats.ErrTimeout
	}
}

func (c *muteSaying) Stop() { c.once.Do(func() { close(c.end) }) }

func (c *copies) next(_ context.Context, sequence uint64, _ string) (*jetstream.RawStreamMsg, error) {
	last := c.last.Load()
	if sequence > last {
		return nil, jetstream.ErrMsgNotFound
	}
	return &jetstream.RawStreamMsg{Subject: "a", Sequence: last}, nil
}

// muted runs a mirror whose copy gives nothing but what it had at first.
func muted(t *testing.T, do func(ctx context.Context, m *mirror, stream *copies)) {
	synctest.Test(t, func(t *testing.T) {
		stream := &copies{}
		m := &mirror{stream: stream, copies: true, log: slog.New(slog.DiscardHandler)}
		m.take = func(_ context.Context, msg spineMessage) error {
			if msg.sequence <= m.at() {
				t.Errorf("message %d is taken after %d", msg.sequence, m.at())
			}
			return nil
		}
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { m.run(ctx, func() {}); close(ended) }()
		synctest.Wait()
		do(ctx, m, stream)
		end()
		<-ended
	})
}

// Whoever waits for what was kept sees it soon, whatever copy is read: three
// relays that all read a mute one would wait for ever.
func TestMuteCopy(t *testing.T) {
	muted(t, func(ctx context.Context, m *mirror, stream *copies) {
		for last := uint64(7); last < 10; last++ {
			stream.last.Store(last)
			begun := time.Now()
			if err := m.until(ctx, last); err != nil || time.Since(begun) > 2*impatience {
				t.Errorf("message %d after %s: %v", last, time.Since(begun), err)
			}
		}
		if err := m.until(ctx, 100); !late(err) {
			t.Errorf("what was never kept: %v", err)
		}
	})
}

// What others keep is seen though nobody here waits for it.
func TestMuteCopyUnwatched(t *testing.T) {
	muted(t, func(_ context.Context, m *mirror, stream *copies) {
		stream.last.Store(7)
		time.Sleep(2 * mirrorLook)
		synctest.Wait()
		if m.at() != 7 {
			t.Errorf("message 7 is there, and %d was seen", m.at())
		}
	})
}
