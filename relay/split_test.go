package relay_test

import (
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// A relay that is cut off from the others acknowledges nothing, says so, and
// sends everybody away; the others go on. Joined again it has what they took.
func TestSplit(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil)
	a, b := c.relays[0], c.relays[1]
	w := a.agent("web-1", "linux")
	w.settle()
	c.all(1)
	before := a.plan("")
	a.login(a.alice).submit(a.signed(before, a.alice))
	w.wantPlan(before.ID)
	c.cut(0, true)
	w.say(message.TypeChunk, w.chunk(before.ID, 0, true, "rows"))
	for {
		kind, body, err := w.next(long)
		if err != nil {
			break // it was sent away
		}
		if kind == message.TypeAck && read[message.Ack](t, body).Next > 0 {
			t.Fatal("what was stored nowhere else was acknowledged")
		}
	}
	l := a.open(a.dial(nil), message.KindAuth)
	if f := l.wantFailure(message.FailShutdown); !strings.Contains(f.Reason, "cut off") {
		t.Errorf("it says %q", f.Reason)
	}
	b.submitAgain(b.signed(b.plan(""), b.alice))
	w.answerAgain(b, before.ID, w.chunk(before.ID, 0, true, "rows"))
	c.cut(0, false)
	waitFor(t, "it takes its part again", func() bool {
		l := a.open(a.dial(nil), message.KindAuth)
		defer l.Close()
		kind, _ := l.hear()
		return kind == message.TypeChallenge
	})
	waitFor(t, "it has what the others took", func() bool { return len(a.login(a.alice).items(message.OpList)) == 2 })
	waitFor(t, "and the rows", func() bool {
		l := a.login(a.alice).request(message.Request{Op: message.OpFollow, Plan: before.ID, Stored: true})
		defer l.Close()
		for {
			switch kind, body := l.hear(); kind {
			case message.TypeChunk:
				return string(must(message.DecodeChunk(body))(t).Data) == "rows"
			case message.TypeEnd, message.TypeFailure:
				return false
			}
		}
	})
}

// submitAgain hands in a plan until it is kept. Where servers of the spine are
// choosing who leads, which takes them long on a busy machine, a relay says
// that it could not keep it.
func (f *fleet) submitAgain(envelope []byte) {
	f.t.Helper()
	waitFor(f.t, "a plan is kept", func() bool {
		l := f.login(f.alice).send(message.OpSubmit, message.TypeEnvelope, envelope)
		defer l.Close()
		kind, body := l.hear()
		if kind != message.TypeFailure {
			return true
		}
		why := read[message.Failure](f.t, body)
		if why.Code != message.FailStore && why.Code != message.FailExists {
			f.t.Fatalf("%+v", why)
		}
		return why.Code == message.FailExists // an earlier attempt was kept after all
	})
}

// answerAgain moves an agent and has it send its only chunk until that is kept.
func (a *agent) answerAgain(to *fleet, p signing.ID, chunk []byte) {
	a.f.t.Helper()
	waitFor(a.f.t, "an answer is kept", func() bool {
		a.move(to, p)
		defer a.line.Close()
		for sent := false; ; {
			kind, body, err := a.next(long)
			if err != nil || kind == message.TypeFailure || kind == message.TypeGoodbye {
				return false
			}
			if kind != message.TypeAck {
				continue
			}
			ack := read[message.Ack](a.f.t, body)
			if ack.Plan == p && (ack.Next == 1 || ack.Gone) {
				return true
			}
			if sent {
				return false
			}
			sent = true
			a.say(message.TypeChunk, chunk)
		}
	})
}
