package relay_test

import (
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

// An agent whose facts the relay has does not tell them again and is offered
// what waits for it, also after a restart; of other facts the relay says that it
// has not got them, and what they are needed for waits.
func TestFactsThatAreKnown(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.newAgent("web-1", f.token(1)).enroll().hello(nil)
	facts := func(os string) []byte {
		text := plan.EncodeFacts(plan.Facts{"os": value.NewText(os), "hostname": value.NewText(a.host)})
		return signing.NewStatement(a.id, "facts", time.Now(), text).Encode()
	}
	told := facts("linux")
	a.say(message.TypeFacts, told)
	a.settle()
	for _, restart := range []bool{false, true} {
		a.conn.Close()
		if restart {
			f.halt()
			f.start()
		}
		p := f.plan("linux")
		f.login(f.alice).submit(f.signed(p, f.alice))
		for sum, want := range map[translog.Sum]bool{
			{}: false, translog.SumOf(facts("windows")): false, translog.SumOf(told): true,
		} {
			a.hello(func(h *message.Hello) { h.Facts = sum })
			if w := read[message.Welcome](t, a.want(message.TypeWelcome)); w.Facts != want {
				t.Fatalf("restart %v: the relay knows the facts: %v, want %v", restart, w.Facts, want)
			}
			if !want {
				a.settle() // it is offered nothing
				a.conn.Close()
			}
		}
		a.hello(func(h *message.Hello) { h.Facts = translog.SumOf(told) })
		a.wantPlan(p.ID)
		a.settle()
	}
}
