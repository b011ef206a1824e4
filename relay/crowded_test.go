package relay

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// A busySpine keeps everything, each a second after it was given it; nothing
// where it is broken.
type busySpine struct {
	jetstream.JetStream
	kept   atomic.Uint64
	broken bool
}

var errBroken = errors.New("the disk is broken")

func (b *busySpine) PublishMsg(ctx context.Context, _ *nats.Msg, _ ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if b.broken {
		return nil, errBroken
	}
	return &jetstream.PubAck{Sequence: b.kept.Add(1)}, nil
}

// An agent that comes back with a hundred answers to a relay that has much to
// store is welcome before it hangs up, and hears of each how far it is.
func TestBackWithManyAnswers(t *testing.T) {
	const many = 100
	for _, broken := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			js := &busySpine{broken: broken}
			s := &spine{js: js}
			s.chunks = newCommitter(s)
			who := &agent{id: message.ID{1}}
			r := &Relay{now: time.Now, spine: s, plans: map[message.ID]*investigation{}, live: map[message.ID]*investigation{}}
			var open []message.Open
			for i := range many {
				p := &investigation{id: message.ID{2, byte(i)}, payload: &signing.PlanPayload{}, agents: map[message.ID]*delivery{}}
				if i > 0 { // it is the first that the agent had not said that it has
					p.agents[who.id] = &delivery{next: uint32(i), last: uint64(i), reached: true}
				}
				r.plans[p.id] = p
				open = append(open, message.Open{Plan: p.id})
			}
			begun := time.Now()
			acks, err := r.standings(t.Context(), &agentSession{relay: r, agent: who}, open)
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			if broken {
				if !errors.Is(err, errBroken) || acks != nil {
					t.Errorf("%v, %v", acks, err)
				}
				return
			}
			if err != nil || js.kept.Load() != many {
				t.Errorf("%d fences: %v", js.kept.Load(), err)
			}
			for i, ack := range acks {
				if want := (message.Ack{Plan: open[i].Plan, Next: uint32(i)}); ack != want {
					t.Errorf("%+v, want %+v", ack, want)
				}
			}
		})
	}
}

// A relay that keeps nothing for a while sends everybody away to the others, and
// nobody where there are none.
func TestCutOffFromWhom(t *testing.T) {
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	for name, c := range map[string]struct {
		peers      int
		seen, kept time.Duration
		want       bool
	}{
		"all is well":                        {1, 0, 0, false},
		"it sees too few of the others":      {1, 2 * minority, 0, true},
		"it sees them, and keeps nothing":    {1, 0, 2 * stuck, true},
		"it is alone, and keeps nothing":     {0, 0, 2 * stuck, false},
		"it is alone, and sees no spine":     {0, 2 * minority, 2 * stuck, false},
		"it is alone, and has what it needs": {0, 0, 0, false},
	} {
		r := &Relay{peers: map[string]*peer{}}
		for range c.peers {
			r.peers["other"] = &peer{}
		}
		r.pulse.kept = ago(c.kept)
		if got := r.cutOff(ago(c.seen)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
