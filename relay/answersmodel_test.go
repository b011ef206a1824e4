package relay

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/semaphore"
	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// Whatever the spine stores, loses or says nothing about, however often an
// agent comes back or is started anew, and whenever the relay is: what was
// acknowledged is there, once, in order, as the agent had it that sent it; and
// in the end all of it is.
func TestAnswersAgainstModel(t *testing.T) {
	policy := modelPolicy(t)
	// One bubble for all: a step is over when everybody waits for the next.
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) {
			x := &exchange{policy: policy, plan: message.ID{1}, agent: message.ID{2}, spine: &fakeSpine{}, log: slog.New(slog.DiscardHandler)}
			x.startRelay(rt)
			x.connect(rt)
			defer x.hangUp(rt, func() string { return loses })
			rt.Repeat(rapid.StateMachineActions(x))
			x.quiet(rt)
		})
	})
}

func modelPolicy(t *testing.T) *signing.Policy {
	key, err := signing.NewPrivateKey("root", "root@example.com", time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	who := []signing.PrincipalSpec{{Name: "root", Key: key.Public(), Weight: 1}}
	p, err := signing.ParsePolicy([]byte(signing.NewPolicyText(signing.PolicySpec{Fleet: signing.NewID(), Name: "m", Administrators: who, Investigators: who})))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// An exchange is one agent's answer to one plan, on its way through a relay.
type exchange struct {
	policy      *signing.Policy
	plan, agent message.ID
	log         *slog.Logger

	spine *fakeSpine
	relay *Relay
	shown *inOrder // by somebody who follows since the relay was started
	seen  []string

	line   *chunkLine // nil while the agent is away
	acks   []message.Ack
	life   int
	chunks []string // of the answer, as the agent has them or had them
	final  bool     // the last of them is the last
	acked  int
	sent   int
}

func (x *exchange) WriteFrame(t message.Type, body []byte) error {
	if t != message.TypeAck {
		return nil // why the stream ends
	}
	var a message.Ack
	if err := message.Unmarshal(body, &a); err != nil {
		return err
	}
	x.acks = append(x.acks, a)
	return nil
}

func (x *exchange) Offer(t message.Type, body []byte) bool { return x.WriteFrame(t, body) == nil }

func (*exchange) Kind() string { return message.KindAnswer }
func (*exchange) Close() error { return nil }

// startRelay opens a relay over what the spine has.
func (x *exchange) startRelay(rt *rapid.T) {
	p := &investigation{
		id: x.plan, payload: &signing.PlanPayload{}, watchers: map[*watcher]struct{}{},
		agents: map[message.ID]*delivery{x.agent: {}},
	}
	who := &agent{id: x.agent}
	x.relay = &Relay{
		log: x.log, now: time.Now, spine: x.spine.spine(), policy: x.policy, inFlight: semaphore.NewWeighted(maxInFlight),
		plans: map[message.ID]*investigation{x.plan: p}, agents: map[message.ID]*agent{x.agent: who},
		live: map[message.ID]*investigation{},
	}
	for _, m := range x.spine.kept {
		if err := x.relay.takeAnswer(context.Background(), spineMessage{subject: m.Subject, sequence: m.Sequence, header: m.Header}); err != nil {
			rt.Fatal(err)
		}
	}
	x.shown, x.seen = &inOrder{}, nil
	for _, m := range x.spine.kept {
		x.show(rt, x.shown, &x.seen, m)
	}
}

// show has a follower take a message of the spine.
func (x *exchange) show(rt *rapid.T, o *inOrder, seen *[]string, m *jetstream.RawStreamMsg) {
	if len(m.Data) == 0 {
		return // a fence
	}
	c, err := message.DecodeChunk(m.Data)
	if err != nil {
		rt.Fatal(err)
	}
	for _, body := range o.take(&c, m.Data) {
		c, err := message.DecodeChunk(body)
		if err != nil {
			rt.Fatal(err)
		}
		*seen = append(*seen, string(c.Data))
	}
}

// connect has the agent come, and hear how far its answer is stored.
func (x *exchange) connect(rt *rapid.T) {
	sess := &agentSession{relay: x.relay, agent: x.relay.agents[x.agent]}
	acks, err := x.relay.standings(context.Background(), sess, []message.Open{{Plan: x.plan}})
	if err != nil {
		return // it is not welcome, and comes again
	}
	x.line = newChunkLine(sess, x)
	ack := acks[0]
	x.hear(rt, ack)
	x.sent = x.acked
	if int(ack.Next) != x.acked {
		rt.Fatalf("%d chunks were acknowledged, and %d are there", x.acked, ack.Next)
	}
}

func (x *exchange) hear(rt *rapid.T, a message.Ack) {
	whole := x.final && int(a.Next) == len(x.chunks)
	if a.Gone && !whole || int(a.Next) > len(x.chunks) {
		rt.Fatalf("%+v of %d chunks", a, len(x.chunks))
	}
	x.acked = max(x.acked, int(a.Next))
}

func (x *exchange) settle(rt *rapid.T) {
	synctest.Wait()
	for _, a := range x.acks {
		x.hear(rt, a)
	}
	x.acks = nil
	x.sent = max(x.sent, x.acked)
}

// answer has the spine answer one chunk.
func (x *exchange) answer(rt *rapid.T, how string) {
	if m := x.spine.answer(how); m != nil {
		x.show(rt, x.shown, &x.seen, m)
	}
	x.settle(rt)
}

// hangUp ends the session: what is on its way is stored or not.
func (x *exchange) hangUp(rt *rapid.T, how func() string) {
	for len(x.spine.waiting) > 0 {
		x.answer(rt, how())
	}
	if x.line != nil {
		x.line.close()
		x.line = nil
	}
	x.settle(rt)
}

func drawHow(rt *rapid.T) string {
	return rapid.SampledFrom([]string{keeps, keeps, loses, keepsMute}).Draw(rt, "the spine")
}

// Make has the agent find more.
func (x *exchange) Make(rt *rapid.T) {
	for range rapid.IntRange(1, 4).Draw(rt, "chunks") {
		x.make(rapid.IntRange(0, 9).Draw(rt, "final") == 0)
	}
}

func (x *exchange) make(final bool) {
	if !x.final {
		x.chunks = append(x.chunks, fmt.Sprintf("life %d, chunk %d", x.life, len(x.chunks)))
		x.final = final
	}
}

// Send has the agent send what it has not sent yet, some at once.
func (x *exchange) Send(rt *rapid.T) {
	for range rapid.IntRange(1, 5).Draw(rt, "at once") {
		x.send(rt)
	}
}

func (x *exchange) send(rt *rapid.T) {
	// The next one waits until the spine has said something of this one.
	if x.line == nil || x.sent == len(x.chunks) || len(x.spine.waiting) > 0 {
		return
	}
	c := message.Chunk{
		Agent: x.agent, Plan: x.plan, Seq: uint32(x.sent),
		Final: x.final && x.sent == len(x.chunks)-1, Data: []byte(x.chunks[x.sent]),
	}
	x.sent++
	if err := x.line.take(context.Background(), c.Append(nil)); err != nil {
		rt.Fatal(err)
	}
	x.settle(rt)
}

// Again has the agent send again what is not acknowledged, as it does when
// acknowledgements say nothing new.
func (x *exchange) Again(*rapid.T) { x.sent = x.acked }

// Answer has the spine answer.
func (x *exchange) Answer(rt *rapid.T) {
	for range rapid.IntRange(1, 5).Draw(rt, "answers") {
		if len(x.spine.waiting) > 0 {
			x.answer(rt, drawHow(rt))
		}
	}
}

// Down has the spine be away, or back.
func (x *exchange) Down(rt *rapid.T) { x.spine.down = rapid.Bool().Draw(rt, "down") }

// Reconnect is a connection that breaks, and another.
func (x *exchange) Reconnect(rt *rapid.T) {
	x.hangUp(rt, func() string { return drawHow(rt) })
	x.connect(rt)
}

// Kill ends the agent, which is started anew: of what was not acknowledged it
// has a part. What the relay has beyond that came from the life before.
func (x *exchange) Kill(rt *rapid.T) {
	x.hangUp(rt, func() string { return drawHow(rt) })
	x.spine.down = false
	before, had := x.chunks, x.final
	x.connect(rt)
	x.hangUp(rt, nil)
	kept := max(rapid.IntRange(x.acked, len(before)).Draw(rt, "on disk"), int(x.relay.plans[x.plan].agents[x.agent].next))
	x.chunks, x.final = append([]string(nil), before[:kept]...), had && kept == len(before)
	x.life++
	x.connect(rt)
}

// Restart ends the relay, which is started again.
func (x *exchange) Restart(rt *rapid.T) {
	x.hangUp(rt, func() string { return drawHow(rt) })
	x.spine.down = false
	x.startRelay(rt)
	x.connect(rt)
}

// Check compares what is shown with what the agent has.
func (x *exchange) Check(rt *rapid.T) {
	var all []string
	o := &inOrder{}
	for _, m := range x.spine.kept {
		x.show(rt, o, &all, m)
	}
	for who, seen := range map[string][]string{"who follows": x.seen, "who comes later": all} {
		if len(seen) > len(x.chunks) || len(seen) < x.acked {
			rt.Fatalf("%s is shown %d chunks of %d, %d acknowledged", who, len(seen), len(x.chunks), x.acked)
		}
		for i, s := range seen {
			if s != x.chunks[i] {
				rt.Fatalf("%s is shown %q as chunk %d, and it is %q", who, s, i, x.chunks[i])
			}
		}
	}
}

// quiet has nothing go wrong any more.
func (x *exchange) quiet(rt *rapid.T) {
	x.spine.down = false
	x.make(true)
	x.hangUp(rt, func() string { return keeps })
	x.connect(rt)
	for x.acked < len(x.chunks) {
		before := x.acked
		x.send(rt)
		for len(x.spine.waiting) > 0 {
			x.answer(rt, keeps)
		}
		if x.acked == before {
			rt.Fatalf("nothing comes further than %d of %d", x.acked, len(x.chunks))
		}
	}
	x.Check(rt)
	for range 2 {
		if d := x.relay.plans[x.plan].agents[x.agent]; !d.final || int(d.next) != len(x.chunks) {
			rt.Fatalf("the relay has %d of %d chunks, final %v", d.next, len(x.chunks), d.final)
		}
		x.hangUp(rt, nil)
		x.startRelay(rt)
	}
}
