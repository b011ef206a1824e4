package agent

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/agent/sandbox"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// An agent that was ended from outside comes back and says what became of it:
// what it had found stays, and the reason is told in the answer, the journal
// and the status.
func TestEndedFromOutside(t *testing.T) {
	for name, c := range map[string]struct {
		life    life
		outcome answer.Outcome
		reason  string
	}{
		"for want of memory": {life{lifeNow().Boot, sandbox.OOMKills() - 2}, answer.Partial, "its kernel killed 2 processes"},
		"by a signal":        {lifeNow(), answer.Failed, "has come back"},
		"with the machine":   {life{"another", 0}, answer.Failed, "the machine was started anew"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t)
			dir := f.enroll()
			a := f.open(dir, numbers{})
			q := f.ask("FROM fleet FIND number")
			p, err := a.admit(t.Context(), arrived(f.sign(q, f.asker)))
			if err != nil {
				t.Fatal(err)
			}
			out, err := a.spool.begin(headOf(p.payload, time.Now()))
			if err != nil {
				t.Fatal(err)
			}
			w, err := a.newWriter(t.Context(), out, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.send(answer.AppendRow(nil, 0, nil), false); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(a.path(aliveFile)); err != nil {
				t.Errorf("an agent that lives leaves no mark: %v", err)
			}
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(a.path(aliveFile)); err == nil {
				t.Error("the mark outlives an agent that ended by its own will")
			}
			if err := os.WriteFile(a.path(aliveFile), message.Marshal(c.life), 0o600); err != nil {
				t.Fatal(err)
			}
			// It stays so when the relay is met in a later life only.
			if err := f.open(dir, numbers{}).Close(); err != nil {
				t.Fatal(err)
			}
			b := f.open(dir, numbers{})
			f.run(b)
			got := q.open(t, b, f.relay.answerOf(q.payload.ID))
			if got.sum.Outcome != c.outcome || !strings.Contains(got.sum.Reason, c.reason) || len(got.rows) != 1 {
				t.Errorf("%d rows, %+v", len(got.rows), got.sum)
			}
			if list := b.History(); list[0].Outcome != c.outcome.String() || !strings.Contains(list[0].Reason, c.reason) {
				t.Errorf("%+v", list)
			}
		})
	}
}

// The status says how the life before ended.
func TestStatusSaysHowItEnded(t *testing.T) {
	f := newFleet(t)
	dir := f.enroll()
	a := f.open(dir, numbers{})
	if a.Status().Earlier != "" {
		t.Errorf("the first life: %q", a.Status().Earlier)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.path(aliveFile), message.Marshal(life{"another", 0}), 0o600); err != nil {
		t.Fatal(err)
	}
	b := f.open(dir, numbers{})
	defer b.Close()
	if !strings.Contains(b.Status().Earlier, "started anew") {
		t.Errorf("%q", b.Status().Earlier)
	}
}

// A plan that stands, and over which two processes died, in whatever life,
// goes on no more.
func TestNoThirdDeath(t *testing.T) {
	f := newStandingFleet(t, "1s")
	dir := f.enroll()
	a := f.open(dir, numbers{rows: 3})
	stop := f.run(a)
	q := f.ask("FROM fleet FIND number RETURN n EVERY 1s")
	f.relay.offer(f.sign(q, f.asker))
	eventually(t, "the first round", func() bool { return f.chunks(q.payload.ID) > 0 })
	for range sandbox.MaxDeaths {
		if err := a.journal.Died(q.payload.ID, time.Now(), "it fell"); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	b := f.open(dir, numbers{rows: 3})
	f.run(b)
	got := q.open(t, b, f.relay.answerOf(q.payload.ID))
	if got.sum.Outcome != answer.Failed || got.sum.Reason != sandbox.NoThird {
		t.Errorf("%+v", got.sum)
	}
	if list := b.History(); list[0].Deaths != sandbox.MaxDeaths || list[0].Death != "it fell" || list[0].Finished.IsZero() {
		t.Errorf("%+v", list)
	}
}
