package relay

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/quaestor-engine/quaestor/transport/message"
)

// Reading what the spine holds.
const (
	// rereads is how often an answer is read again that lacks chunks which are
	// known to be stored: of several copies one may be damaged.
	rereads = 4
	// choices is how often chance is asked for another copy than those.
	choices = 16
	// stalled is how long a copy may take for the next of the messages that it
	// says it has.
	stalled = 5 * time.Second
)

// chunks sends every chunk of the plan, those that are stored first. It reads
// no faster than the investigator takes them.
func (f *follower) chunks(ctx context.Context, stored bool) error {
	line, damaged := map[message.ID]*inOrder{}, map[string]bool{}
	for try := 0; ; try++ {
		want := f.standings()
		whole := func() bool {
			for id, next := range want {
				if o := line[id]; o == nil || o.next < next && !o.ended {
					return try == rereads
				}
			}
			return true
		}
		consumer, err := f.copy(ctx, damaged)
		if err != nil {
			return err
		}
		again, err := f.read(ctx, consumer, line, stored, whole)
		if f.dismiss(consumer); !again {
			return err
		}
		at := serverOf(consumer)
		damaged[at] = at != "" // a relay that is alone has no other copy
		f.relay.log.Warn("a copy of an answer lacks chunks, and another is read", "plan", f.plan.id, "at", at)
	}
}

// copy begins to read a copy of the plan's answers, another than those that are
// damaged where there is one. The spine chooses by chance.
func (f *follower) copy(ctx context.Context, damaged map[string]bool) (jetstream.Consumer, error) {
	for try := 0; ; try++ {
		consumer, err := f.relay.spine.answers.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
			FilterSubjects: []string{"answer." + f.plan.id.String() + ".*"},
		})
		if err != nil || try == choices || !damaged[serverOf(consumer)] {
			return consumer, err
		}
		f.dismiss(consumer)
	}
}

// dismiss has the spine forget who asks no more: by itself it does so after
// minutes, and has room for a thousand.
func (f *follower) dismiss(consumer jetstream.Consumer) {
	if info := consumer.CachedInfo(); info != nil {
		ctx, cancel := context.WithTimeout(f.relay.life, lastWords)
		defer cancel()
		_ = f.relay.spine.answers.DeleteConsumer(ctx, info.Name)
	}
}

// serverOf names the server whose copy a consumer reads.
func serverOf(c jetstream.Consumer) string {
	if info := c.CachedInfo(); info != nil && info.Cluster != nil {
		return info.Cluster.Leader
	}
	return ""
}

// standings gives how many chunks of each agent are known to be stored.
func (f *follower) standings() map[message.ID]uint32 {
	f.relay.mu.Lock()
	defer f.relay.mu.Unlock()
	want := map[message.ID]uint32{}
	for id, d := range f.plan.agents {
		if d.next > 0 && !f.plan.gone {
			want[id] = d.next
		}
	}
	return want
}

// read sends what a copy has and line has not seen, and then what comes. It says
// whether another copy is to be read: this one has given all that it has, and
// what was sent is not whole.
func (f *follower) read(ctx context.Context, consumer jetstream.Consumer, line map[message.ID]*inOrder, stored bool, whole func() bool) (again bool, err error) {
	info, err := consumer.Info(ctx)
	if err != nil {
		return false, err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(readAhead), jetstream.PullExpiry(30*time.Second))
	if err != nil {
		return false, err
	}
	defer context.AfterFunc(ctx, messages.Stop)()
	defer messages.Stop()
	for left := info.NumPending; left > 0; left-- {
		msg, err := messages.Next(jetstream.NextMaxWait(stalled))
		if late(err) {
			break
		}
		if err == nil {
			err = f.pass(line, msg.Data())
		}
		if err != nil {
			return false, f.over(ctx, err)
		}
	}
	if !whole() {
		return true, nil
	}
	if close(f.sent); stored {
		<-ctx.Done()
		return false, nil
	}
	for {
		msg, err := messages.Next()
		if err == nil {
			err = f.pass(line, msg.Data())
		}
		if err != nil {
			return false, f.over(ctx, err)
		}
	}
}

// over gives the error of a reading that has ended; nil where nobody wants more.
func (f *follower) over(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, jetstream.ErrMsgIteratorClosed) || errors.Is(err, errGoneReader) {
		return nil
	}
	return err
}

// errGoneReader says that the investigator takes nothing more.
var errGoneReader = errors.New("relay: the investigator has gone")
