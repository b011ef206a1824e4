package relay_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/relay"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

func (f *fleet) pendingPlan() *signing.PlanPayload {
	p := f.plan("")
	p.Modules = []string{"file"}
	return p
}

// 1. A plan that waits for signatures was acknowledged.
func TestFaultPendingSurvivesRestart(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	p := f.pendingPlan()
	f.login(f.alice).submit(f.signed(p, f.alice))
	f.restart()
	if l := f.login(f.alice).items(message.OpPending); len(l) != 1 {
		t.Errorf("after a restart %d plans wait", len(l))
	}
}

// 2. Another's pending plan cannot be replaced by another text under its ID.
func TestFaultPendingReplacedByOtherText(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	p := f.pendingPlan()
	f.login(f.alice).submit(f.signed(p, f.alice))
	evil := *p
	evil.Purpose = "another text"
	e := must(signing.ParseEnvelope(f.signed(&evil, f.bob)))(t)
	e.Signatures = append(e.Signatures, signing.Signature{KeyID: string(f.stranger.Fingerprint()), Sig: e.Signatures[0].Sig})
	f.login(f.bob).send(message.OpSubmit, message.TypeEnvelope, e.Encode()).hear()
	l := f.login(f.alice).items(message.OpPending)
	if len(l) != 1 || planOf(t, l[0].Envelope).Purpose != p.Purpose {
		t.Errorf("what waits is %q", planOf(t, l[0].Envelope).Purpose)
	}
}

// 3. Another's pending plan is not anybody's to delete.
func TestFaultPendingDeletedByOther(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	p := f.pendingPlan()
	f.login(f.alice).submit(f.signed(p, f.alice))
	f.login(f.bob).request(message.Request{Op: message.OpDelete, Plan: p.ID}).wantFailure(message.FailDenied)
}

// 4. An agent that was away when a plan was cancelled hears the secret later:
// without it the agent does not stop.
func TestFaultCancelAfterReconnect(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.agent("web-1", "linux")
	a.settle()
	i := f.login(f.alice)
	p := f.plan("")
	i.submit(f.signed(p, f.alice))
	a.wantPlan(p.ID)
	a.settle() // the receipt has arrived
	a.conn.Close()
	i.send(message.OpCancel, message.TypeCancel, message.Cancel{Plan: p.ID, Secret: secret}).want(message.TypeEnd)
	a.up("linux")
	if c := read[message.Cancel](t, a.want(message.TypeCancel)); !bytes.Equal(c.Secret, secret) {
		t.Errorf("the secret is %q", c.Secret)
	}
}

// 5. A follow that lives through a cancel or the expiry has what agents that
// had begun still send.
func TestFaultFollowAfterCancel(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.agent("web-1", "linux")
	a.settle()
	i := f.login(f.alice)
	p := f.plan("")
	i.submit(f.signed(p, f.alice))
	a.wantPlan(p.ID)
	l := i.request(message.Request{Op: message.OpFollow, Plan: p.ID})
	s := newStory()
	for s.hear(l) != message.TypeCaughtUp {
	}
	i.send(message.OpCancel, message.TypeCancel, message.Cancel{Plan: p.ID, Secret: secret}).want(message.TypeEnd)
	a.want(message.TypeCancel)
	a.say(message.TypeChunk, a.chunk(p.ID, 0, true, "cancelled, and this is what was found"))
	a.wantAck(a.line, p.ID, 1)
	for s.hear(l) != message.TypeEnd {
	}
	if len(s.chunks[a.id.ID()]) != 1 {
		t.Error("the follow ended before the agent's last chunk")
	}
}

// 6. A follower that hangs up frees its stream.
func TestFaultFollowersThatLeave(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	i := f.login(f.alice)
	p := f.plan("")
	i.submit(f.signed(p, f.alice))
	for n := range 40 {
		l := i.request(message.Request{Op: message.OpFollow, Plan: p.ID})
		for {
			kind, _, err := l.next(5 * time.Second)
			if err != nil {
				t.Fatalf("follow %d hears nothing: %v", n, err)
			}
			if kind == message.TypeCaughtUp {
				break
			}
		}
		l.Close()
	}
}

// 7. Who is no investigator any more has no rights on an old connection.
func TestFaultFormerInvestigator(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	b := f.login(f.bob)
	text := strings.Replace(signing.NewPolicyText(signing.PolicySpec{
		Fleet: f.id, Name: "test", Administrators: []signing.PrincipalSpec{{Name: "root", Key: f.admin.Public()}},
		Investigators: []signing.PrincipalSpec{{Name: "alice", Key: f.alice.Public()}},
	}), "version = 1", "version = 2", 1)
	f.login(f.admin).send(message.OpPublish, message.TypePolicy, f.sealedPolicy(text, f.admin)).want(message.TypeEnd)
	b.request(message.Request{Op: message.OpList}).wantFailure(message.FailDenied)
}

// 8. Facts that come again bring no plan again that the agent has.
func TestFaultPlanSentAgain(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.agent("web-1", "linux")
	a.settle()
	p := f.plan("")
	f.login(f.alice).submit(f.signed(p, f.alice))
	a.wantPlan(p.ID)
	a.tell("linux", time.Now())
	a.wantNone()
}

// 9. Agents that missed policies take those before the newest that changed the
// administrators, in order, and no others: also after a restart, and so does
// whoever asks.
func TestFaultPolicyHistory(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.newAgent("web-1", f.token(1)).enroll()
	i := f.login(f.admin)
	second := func(s string) string {
		return strings.Replace(s, "[[investigator]]", "[[administrator]]\nname = \"second\"\nkey = '''\n"+string(person(t, "second").Public().Armor())+"'''\n\n[[investigator]]", 1)
	}
	for v := 2; v <= 7; v++ {
		change := map[int]func(string) string{3: second, 5: second}[v]
		i.send(message.OpPublish, message.TypePolicy, f.sealedPolicy(f.nextPolicy(v, change), f.admin)).want(message.TypeEnd)
	}
	versions := func(l interface{ want(message.Type) []byte }, n int) (out []int64) {
		for range n {
			e := must(signing.ParseEnvelope(l.want(message.TypePolicy)))(t)
			out = append(out, must(signing.ParsePolicy(e.Payload))(t).Version())
		}
		return out
	}
	for range 2 {
		a.hello(nil).want(message.TypeWelcome)
		if got := versions(a, 5); !slices.Equal(got, []int64{3, 4, 5, 6, 7}) {
			t.Errorf("the agent that has version 1 gets %v", got)
		}
		for after, want := range map[int64][]int64{0: {1, 3, 4, 5, 6, 7}, 4: {5, 6, 7}, 6: {7}, 7: nil} {
			l := f.login(f.alice).request(message.Request{Op: message.OpPolicy, After: after})
			if got := versions(l, len(want)); !slices.Equal(got, want) {
				t.Errorf("after %d: %v", after, got)
			}
			l.want(message.TypeEnd)
		}
		f.restart()
	}
}

// 10. Whatever is done at once with one plan, the relay starts again.
func TestFaultDeleteAgainstCancel(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	i, b := f.login(f.alice), f.login(f.bob)
	for range 40 {
		p := f.plan("")
		i.submit(f.signed(p, f.alice))
		var both sync.WaitGroup
		both.Go(func() {
			l := b.send(message.OpCancel, message.TypeCancel, message.Cancel{Plan: p.ID, Secret: secret})
			defer l.Close()
			l.hear() // done, or there is no such plan any more
		})
		both.Go(func() { i.end(message.Request{Op: message.OpDelete, Plan: p.ID}) })
		both.Wait()
	}
	f.halt()
	r, err := relay.Open(t.Context(), f.dir, relay.Options{})
	if err != nil {
		t.Fatalf("the relay does not start again: %v", err)
	}
	r.Close()
}

// 11. Agents that appear together are all targets after a restart.
func TestFaultTargetsKept(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	i := f.login(f.alice)
	p := f.plan("")
	i.submit(f.signed(p, f.alice))
	const n = 60
	tok := f.token(n)
	var all []*agent
	for k := range n {
		all = append(all, f.newAgent(fmt.Sprint("web-", k), tok).enroll().hello(nil))
	}
	for _, a := range all {
		a.want(message.TypeWelcome)
	}
	for _, a := range all {
		a.tell("linux", time.Now())
	}
	for _, a := range all {
		a.wantPlan(p.ID)
	}
	f.restart()
	if l := f.login(f.alice).items(message.OpList); len(l) != 1 || l[0].Agents != n {
		t.Errorf("%d agents are targets after a restart, of %d", l[0].Agents, n)
	}
}

// 12. That an agent has a plan is known after a restart: without it, a receipt
// looks like silence.
func TestFaultReachedKept(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.agent("web-1", "linux")
	a.settle()
	i := f.login(f.alice)
	p := f.plan("")
	i.submit(f.signed(p, f.alice))
	a.wantPlan(p.ID)
	waitFor(t, "the receipt arrives", func() bool { return i.items(message.OpList)[0].Reached == 1 })
	f.restart()
	if l := f.login(f.alice).items(message.OpList); l[0].Reached != 1 {
		t.Errorf("reached %d after a restart", l[0].Reached)
	}
}

// 13. An answer may go on after a restart whatever the size of its last chunk.
func TestFaultBytesAfterRestart(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.agent("web-1", "linux")
	a.settle()
	i := f.login(f.alice)
	p := f.plan("")
	i.submit(f.signed(p, f.alice))
	a.wantPlan(p.ID)
	l := f.open(a.conn, message.KindAnswer)
	const small = 2000
	go func() {
		for n := range uint32(small) {
			if l.WriteFrame(message.TypeChunk, a.chunk(p.ID, n, false, "x")) != nil {
				return
			}
		}
		l.WriteFrame(message.TypeChunk, a.chunk(p.ID, small, false, strings.Repeat("x", 1<<20)))
	}()
	a.wantAck(l, p.ID, small+1)
	before := i.items(message.OpList)[0].Bytes
	f.restart()
	if after := f.login(f.alice).items(message.OpList)[0].Bytes; after > 2*before {
		t.Errorf("%d bytes are stored, and %d are counted after a restart", before, after)
	}
	a.hello(func(h *message.Hello) { h.Open = []message.Open{{Plan: p.ID}} })
	a.wantAck(a.line, p.ID, small+1)
	a.say(message.TypeChunk, a.chunk(p.ID, small+1, true, "end"))
	a.wantAck(a.line, p.ID, small+2)
}

// 14. A statement that is older than the one that is known changes nothing.
func TestFaultOldFacts(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.agent("web-1", "linux")
	a.tell("windows", time.Now().Add(-time.Hour))
	a.wantNone()
	if s := f.login(f.alice).submit(f.signed(f.plan("linux"), f.alice)); s.Online != 1 {
		t.Errorf("submitted %+v", s)
	}
}

// 15. Serve that is ended by Close ended well.
func TestFaultCloseEndsServe(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.login(f.alice)
	if err := f.relay.Close(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-f.done:
		if f.stop(); err != nil {
			t.Error("Serve:", err)
		}
		f.stop = nil
	case <-time.After(long):
		t.Fatal("Serve does not end")
	}
}

// 16. Agents are told that the relay goes.
func TestFaultGoodbye(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.agent("web-1", "linux")
	a.settle()
	f.halt()
	if kind, _, err := a.next(long); kind != message.TypeGoodbye {
		t.Errorf("frame %d, %v", kind, err)
	}
}

// 17. What does not enrol uses up no place of the token.
func TestFaultFailedEnrolment(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	tok := f.token(1)
	bad := f.newAgent("web-1", tok)
	l, _ := bad.ask(f.dial(nil), message.KindEnroll, func(e *message.Enroll) {
		e.CSR = []byte("no request")
		e.Proof = bad.id.Sign("enroll", e.CSR)
	})
	l.wantFailure(message.FailDenied)
	f.newAgent("web-2", tok).enroll()
}

// 18. As 10, with agents that appear while the plan is deleted.
func TestFaultDeleteAgainstArrival(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	const n = 24
	tok := f.token(n)
	var all []*agent
	for k := range n {
		a := f.newAgent(fmt.Sprint("web-", k), tok).enroll().hello(nil)
		a.want(message.TypeWelcome)
		all = append(all, a)
	}
	i := f.login(f.alice)
	for round := range 8 {
		os := []string{"linux", "windows"}[round%2]
		p := f.plan(os)
		i.submit(f.signed(p, f.alice))
		var both sync.WaitGroup
		for _, a := range all {
			both.Go(func() { a.tell(os, time.Now()) })
		}
		both.Go(func() { i.end(message.Request{Op: message.OpDelete, Plan: p.ID}) })
		both.Wait()
	}
	f.hangUp()
	f.halt()
	r, err := relay.Open(t.Context(), f.dir, relay.Options{})
	if err != nil {
		t.Fatalf("the relay does not start again: %v", err)
	}
	r.Close()
}

// 20. A relay whose spine has ended, as on a full disk, says so and ends; it
// took connections for ever and kept nothing. Started again it has all.
func TestFaultSpineEnds(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	p := f.plan("")
	f.login(f.alice).submit(f.signed(p, f.alice))
	if err := f.relay.EndSpine(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-f.done:
		if !errors.Is(err, relay.ErrSpine) {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it serves with nothing to keep anything in")
	}
	f.stop = nil
	f.start()
	if l := f.login(f.alice).items(message.OpList); len(l) != 1 {
		t.Errorf("started again it has %d plans", len(l))
	}
}

// 21. What the spine stored though its relay heard nothing of it is not stored
// again: the agent, which sends it again, hears that it is there.
func TestFaultSpineIsMute(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.agent("web-1", "linux")
	a.settle()
	p := f.plan("")
	f.login(f.alice).submit(f.signed(p, f.alice))
	a.wantPlan(p.ID)
	for seq, text := range []string{"0", "1"} {
		if err := f.relay.PutChunk(t.Context(), p.ID, a.id.ID(), a.chunk(p.ID, uint32(seq), false, text)); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "its mirror has them", func() bool { return f.login(f.alice).stored(p.ID).data(a.id.ID()) == "01" })
	a.say(message.TypeChunk, a.chunk(p.ID, 0, false, "0"))
	a.wantAck(a.line, p.ID, 2)
	f.restart()
	a.hello(func(h *message.Hello) { h.Open = []message.Open{{Plan: p.ID}} })
	a.wantAck(a.line, p.ID, 2)
	for n, text := range []string{"2", "3", "4"} {
		a.say(message.TypeChunk, a.chunk(p.ID, uint32(2+n), n == 2, text))
		a.wantAck(a.line, p.ID, uint32(3+n))
	}
	for range 2 {
		if got := f.login(f.alice).stored(p.ID).data(a.id.ID()); got != "01234" {
			t.Errorf("the answer is %q", got)
		}
		f.restart()
	}
}

// 22. An agent that was killed before it heard that the last chunk of an answer
// is stored does not know that there is one. It is told that nothing more is
// wanted: it made another end, which nobody took, and sent it every two seconds.
func TestFaultKilledBeforeTheLastAck(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.agent("web-1", "linux")
	a.settle()
	p := f.plan("")
	f.login(f.alice).submit(f.signed(p, f.alice))
	a.wantPlan(p.ID)
	a.say(message.TypeChunk, a.chunk(p.ID, 0, true, "all"))
	a.wantAck(a.line, p.ID, 1)
	for range 2 {
		a.hello(func(h *message.Hello) { h.Open = []message.Open{{Plan: p.ID}} })
		if ack := read[message.Ack](t, a.want(message.TypeAck)); ack.Plan != p.ID || !ack.Gone {
			t.Errorf("it is told %+v", ack)
		}
		f.restart()
	}
}
