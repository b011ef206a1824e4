package relay

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// copies are those of a stream with one message, of which the first to be read
// has stopped where it was and says nothing, as one whose server cannot write.
type copies struct {
	jetstream.Stream
	read int
}

type oneCopy struct {
	jetstream.Consumer
	said *oneSaying
}

type oneSaying struct {
	jetstream.MessagesContext
	mute bool
	once sync.Once
	end  chan struct{}
}

type oneMessage struct{ jetstream.Msg }

func (c *copies) CreateConsumer(context.Context, jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	c.read++
	return &oneCopy{said: &oneSaying{mute: c.read == 1, end: make(chan struct{})}}, nil
}

func (c *oneCopy) CachedInfo() *jetstream.ConsumerInfo { return &jetstream.ConsumerInfo{} }

func (c *oneCopy) Messages(...jetstream.PullMessagesOpt) (jetstream.MessagesContext, error) {
	return c.said, nil
}

func (c *oneSaying) Next(...jetstream.NextOpt) (jetstream.Msg, error) {
	if !c.mute {
		c.mute = true
		return oneMessage{}, nil
	}
	<-c.end
	return nil, jetstream.ErrMsgIteratorClosed
}

func (c *oneSaying) Stop() { c.once.Do(func() { close(c.end) }) }

func (oneMessage) Metadata() (*jetstream.MsgMetadata, error) {
	return &jetstream.MsgMetadata{Sequence: jetstream.SequencePair{Consumer: 1, Stream: 7}}, nil
}
func (oneMessage) Subject() string      { return "a" }
func (oneMessage) Headers() nats.Header { return nil }
func (oneMessage) Data() []byte         { return nil }

// Whoever waits for what was kept, and does not see it in time, has the mirror
// read another copy: three relays that all read a mute one would wait for ever.
func TestMuteCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream := &copies{}
		m := &mirror{stream: stream, log: slog.New(slog.DiscardHandler), take: func(context.Context, spineMessage) error { return nil }}
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { m.run(ctx, func() {}); close(ended) }()
		synctest.Wait()
		if err := m.until(ctx, 7); err == nil {
			t.Error("a mute copy shows something")
		}
		time.Sleep(2 * mirrorPause)
		if err := m.until(ctx, 7); err != nil || stream.read != 2 {
			t.Errorf("of %d copies: %v", stream.read, err)
		}
		end()
		<-ended
	})
}
