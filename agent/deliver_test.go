package agent

import (
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/transport/message"
)

// A session forgets the answers that the relay has, wants no more, or that were
// kept for too long.
func TestSessionForgetsAnswers(t *testing.T) {
	f := newFleet(t)
	a := f.open(f.enroll(), numbers{rows: 30_000})
	f.run(a)
	knows := func() int {
		s := a.current()
		if s == nil {
			return -1
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.sent)
	}
	for range 4 {
		small, large := f.ask("FROM fleet FIND host"), f.ask("FROM fleet FIND number")
		f.relay.offer(f.sign(small, f.asker))
		f.relay.offer(f.sign(large, f.asker))
		f.relay.answerOf(small.payload.ID)
		f.relay.answerOf(large.payload.ID)
	}
	refused := f.ask("FROM fleet FIND heavy") // has an answer, too
	f.relay.offer(f.sign(refused, f.asker))
	f.relay.answerOf(refused.payload.ID)
	eventually(t, "the answers are forgotten that were taken", func() bool { return knows() == 0 })

	f.relay.set(func() { f.relay.fail = &message.Failure{Code: message.FailUnknown, Reason: "no"} })
	unwanted := f.ask("FROM fleet FIND number")
	f.relay.offer(f.sign(unwanted, f.asker))
	eventually(t, "it has run", func() bool { return !endedAt(a, unwanted).IsZero() })
	eventually(t, "the answer is forgotten that nobody wants", func() bool { return knows() == 0 })

	f.relay.set(func() { f.relay.fail = &message.Failure{Code: message.FailBad, Reason: "no"} })
	bad := f.ask("FROM fleet FIND number")
	f.relay.offer(f.sign(bad, f.asker))
	eventually(t, "it has run", func() bool { return !endedAt(a, bad).IsZero() })
	if knows() != 1 {
		t.Errorf("%d answers are known, and the relay refused one", knows())
	}
	a.abandon(a.spool.stale(time.Now().Add(2*time.Hour + retention))...)
	if n := knows(); n != 0 || len(a.spool.open()) != 0 {
		t.Errorf("%d answers are known that were kept for too long", n)
	}
}

// endedAt gives when a plan ended, by the journal.
func endedAt(a *Agent, q *question) time.Time {
	for _, e := range a.History() {
		if e.Plan == q.payload.ID {
			return e.Finished
		}
	}
	return time.Time{}
}
