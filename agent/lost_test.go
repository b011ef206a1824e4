package agent

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/agent/sandbox"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/journal"
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
			_, w := f.begin(a, q)
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

// Where nobody noted how a plan ended, since the power was lost between its end
// and the record, the history says that, and neither that it failed nor that
// nothing left; and the host is neither hit nor miss of it.
func TestEndNotKnown(t *testing.T) {
	f := newFleet(t)
	dir := f.enroll()
	a := f.open(dir, numbers{})
	plans := map[string]*question{}
	for _, name := range []string{"taken by a relay", "whole in the spool", "cut"} {
		q := f.ask("FROM fleet FIND number")
		plans[name] = q
		out, w := f.begin(a, q)
		var err error
		if name == "cut" {
			err = w.send(answer.AppendRow(nil, 0, nil), false)
		} else {
			err = w.end(answer.Summary{Outcome: answer.Complete})
		}
		if err != nil {
			t.Fatal(err)
		}
		if name == "taken by a relay" {
			out.ack(1)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.path(aliveFile), message.Marshal(life{"another", 0}), 0o600); err != nil {
		t.Fatal(err)
	}
	b := f.open(dir, numbers{})
	defer b.Close()
	for name, q := range plans {
		want := journal.Unknown
		if name == "cut" {
			want = answer.Failed.String()
		}
		i := slices.IndexFunc(b.History(), func(e journal.Entry) bool { return e.Plan == q.payload.ID })
		if e := b.History()[i]; e.Outcome != want || !e.Uncounted || e.Finished.IsZero() || e.Reason == "" {
			t.Errorf("%s: %+v", name, e)
		}
		for _, word := range []string{"hits", "misses"} {
			if err := source(t, b, word, q.payload.ID); err == nil || want == journal.Unknown && !strings.Contains(err.Error(), "is not known") {
				t.Errorf("%s, %s: %v", name, word, err)
			}
		}
	}
}

// A mark of an earlier life that nobody can read is not one that was set aside in
// order.
func TestMarkCannotBeRead(t *testing.T) {
	f := newFleet(t)
	dir := f.enroll()
	if err := os.WriteFile(filepath.Join(dir, aliveFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a := f.open(dir, numbers{})
	defer a.Close()
	if sum := a.cutShort(); sum.Outcome != answer.Failed || !strings.Contains(sum.Reason, "nobody knows how") {
		t.Errorf("%+v", sum)
	}
}

// What ended, and lost a part on the disk afterwards, does not say that the agent
// was stopped over it.
func TestEndedAndLost(t *testing.T) {
	f := newFleet(t)
	a := f.open(f.enroll(), numbers{})
	defer a.Close()
	for outcome, want := range map[string]string{"complete": errUnkept.Error(), "failed": "the reason"} {
		id := signing.NewID()
		reason := ""
		if outcome == "failed" {
			reason = want
		}
		err := errors.Join(a.journal.Begin(journal.Entry{Plan: id, At: time.Now(), Expires: time.Now().Add(time.Hour)}),
			a.journal.Finish(id, journal.Finish{At: time.Now(), Outcome: outcome, Reason: reason}))
		if err != nil {
			t.Fatal(err)
		}
		if sum := a.endOf(id); sum.Outcome != answer.Failed || sum.Reason != want {
			t.Errorf("%s: %+v", outcome, sum)
		}
	}
	refused := signing.NewID()
	if err := a.journal.Refuse(journal.Entry{Plan: refused, At: time.Now(), Code: signing.CodeWindow, Reason: "too late"}); err != nil {
		t.Fatal(err)
	}
	if sum := a.endOf(refused); sum.Outcome != answer.Refused || sum.Reason != "window: too late" {
		t.Errorf("refused: %+v", sum)
	}
}
