package agent

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/journal"
	"github.com/quaestor-engine/quaestor/transport/message"
)

func TestSmallAnswer(t *testing.T) {
	f := newFleet(t)
	a := f.open(f.enroll(), numbers{rows: 10})
	f.run(a)
	q := f.ask("FROM fleet FIND number")
	f.relay.offer(f.sign(q, f.asker))
	got := q.open(t, a, f.relay.answerOf(q.payload.ID))
	checkNumbers(t, got.rows, 10)
	if got.sum.Outcome != answer.Complete || got.sum.Matched != 10 {
		t.Errorf("%+v", got.sum)
	}
	f.relay.set(func() {
		if f.relay.large[q.payload.ID] || f.relay.receipts[q.payload.ID] != 1 {
			t.Errorf("own stream %v, %d receipts", f.relay.large[q.payload.ID], f.relay.receipts[q.payload.ID])
		}
	})
	eventually(t, "the spool is empty", func() bool { return len(a.spool.open()) == 0 })
	list := a.History()
	if len(list) != 1 || list[0].Verdict != journal.Accepted || list[0].Outcome != "complete" || list[0].Rows != 10 ||
		list[0].Purpose != "a test" || !list[0].Matched || list[0].Signers[0] != string(f.asker.Fingerprint()) {
		t.Errorf("%+v", list)
	}
}

// What the policy denies is left out and counted.
func TestLargeAnswer(t *testing.T) {
	f := newFleet(t)
	a := f.open(f.enroll(), numbers{rows: 30_000})
	f.run(a)
	q := f.ask("FROM fleet FIND number")
	f.relay.offer(f.sign(q, f.asker))
	got := q.open(t, a, f.relay.answerOf(q.payload.ID))
	checkNumbers(t, got.rows, 30_000)
	if got.sum.Outcome != answer.Partial || len(got.sum.Skipped) != 1 || got.sum.Skipped[0].Kind != "policy" || got.sum.Skipped[0].Count != 1 {
		t.Errorf("%+v", got.sum)
	}
	f.relay.set(func() {
		if !f.relay.large[q.payload.ID] {
			t.Error("it came over the persistent stream")
		}
	})
}

// A relay that drops the connection at random chunks, before it stores them
// and after: no row is lost, doubled or changed.
func TestResume(t *testing.T) {
	f := newFleet(t)
	f.relay.drop = oneIn(4, 7)
	a := f.open(f.enroll(), numbers{rows: 30_000})
	f.run(a)
	for range 3 {
		q := f.ask("FROM fleet FIND number")
		f.relay.offer(f.sign(q, f.asker))
		got := q.open(t, a, f.relay.answerOf(q.payload.ID))
		checkNumbers(t, got.rows, 30_000)
	}
	f.relay.set(func() {
		if len(f.relay.hellos) < 3 {
			t.Errorf("%d connections: nothing was dropped", len(f.relay.hellos))
		}
	})
}

// While no relay is there the answer goes to disk; the agent is stopped, and
// the next life delivers it.
func TestFinishedAnswerOutlivesTheAgent(t *testing.T) {
	f := newFleet(t)
	f.relay.mute = true
	dir := f.enroll()
	a := f.open(dir, numbers{rows: 30_000})
	stop := f.run(a)
	q := f.ask("FROM fleet FIND number")
	f.relay.offer(f.sign(q, f.asker))
	eventually(t, "it has ended", func() bool {
		list := a.History()
		return len(list) == 1 && !list[0].Finished.IsZero()
	})
	stop()
	f.relay.set(func() { f.relay.mute, f.relay.plans = false, nil })
	b := f.open(dir, numbers{rows: 30_000})
	f.run(b)
	got := q.open(t, b, f.relay.answerOf(q.payload.ID))
	checkNumbers(t, got.rows, 30_000)
}

// An agent that is stopped in the middle says so; what it had found is right.
func TestStoppedInTheMiddle(t *testing.T) {
	f := newFleet(t)
	dir := f.enroll()
	reached := make(chan struct{})
	a := f.open(dir, numbers{rows: 30_000, before: func(ctx context.Context, i int) error {
		if i == 20_000 {
			close(reached)
			<-ctx.Done()
		}
		return nil
	}})
	stop := f.run(a)
	q := f.ask("FROM fleet FIND number")
	f.relay.offer(f.sign(q, f.asker))
	<-reached
	stop()
	b := f.open(dir, numbers{})
	f.run(b)
	got := q.open(t, b, f.relay.answerOf(q.payload.ID))
	if len(got.rows) > 19_999 || got.sum.Outcome != answer.Failed || got.sum.Reason != errStopped.Error() {
		t.Errorf("%d rows, %+v", len(got.rows), got.sum)
	}
}

// A plan that is begun in one life, which ends without a word, is ended by the
// next one, behind the chunks that the relay has.
func TestKilledInTheMiddle(t *testing.T) {
	for _, stored := range []int{0, 1, 3} {
		f := newFleet(t)
		dir := f.enroll()
		a := f.open(dir, numbers{rows: 30_000})
		q := f.ask("FROM fleet FIND number")
		out, w := f.begin(a, q)
		var sent []message.Chunk
		for i := range 4 {
			data, err := w.sealer.Seal(answer.AppendRow(nil, 0, nil), false)
			if err != nil {
				t.Fatal(err)
			}
			if i < 2 { // the rest is lost with the memory
				if err := out.put(t.Context(), fullWait, data, false); err != nil {
					t.Fatal(err)
				}
			}
			sent = append(sent, message.Chunk{Agent: a.ID(), Plan: q.payload.ID, Seq: uint32(i), Data: data})
		}
		// The files stay as they are; the locks go, as those of a dead process.
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		f.relay.chunks[q.payload.ID] = sent[:stored]
		b := f.open(dir, numbers{})
		f.run(b)
		got := q.open(t, b, f.relay.answerOf(q.payload.ID))
		if got.sum.Outcome != answer.Failed || got.sum.Reason != errStopped.Error() || len(got.rows) != max(2, stored) {
			t.Errorf("%d stored: %d rows, %+v", stored, len(got.rows), got.sum)
		}
		if list := b.History(); len(list) != 1 || list[0].Outcome != "failed" {
			t.Errorf("%+v", list)
		}
	}
}

func TestCancel(t *testing.T) {
	f := newFleet(t)
	reached := make(chan struct{})
	a := f.open(f.enroll(), numbers{rows: 5, before: func(ctx context.Context, i int) error {
		if i == 4 {
			close(reached)
			<-ctx.Done()
		}
		return nil
	}})
	f.run(a)
	q := f.ask("FROM fleet FIND number")
	f.relay.offer(f.sign(q, f.asker))
	<-reached
	cancel := func(secret []byte) {
		f.relay.say(message.TypeCancel, message.Marshal(message.Cancel{Plan: q.payload.ID, Secret: secret}))
	}
	cancel([]byte("a guess"))
	cancel(q.key.CancelSecret())
	got := q.open(t, a, f.relay.answerOf(q.payload.ID))
	if len(got.rows) > 4 || got.sum.Outcome != answer.Partial || got.sum.Reason != errCancelled.Error() {
		t.Errorf("%d rows, %+v", len(got.rows), got.sum)
	}
}

// A wrong secret stops nothing.
func TestCancelByGuess(t *testing.T) {
	f := newFleet(t)
	goOn, reached := make(chan struct{}), make(chan struct{})
	a := f.open(f.enroll(), numbers{rows: 5, before: func(_ context.Context, i int) error {
		if i == 4 {
			close(reached)
			<-goOn
		}
		return nil
	}})
	q := f.ask("FROM fleet FIND number")
	f.run(a)
	f.relay.offer(f.sign(q, f.asker))
	<-reached
	for _, secret := range [][]byte{nil, {}, q.payload.Cancel, make([]byte, 32)} {
		a.cancel(message.Marshal(message.Cancel{Plan: q.payload.ID, Secret: secret}))
	}
	close(goOn)
	if got := q.open(t, a, f.relay.answerOf(q.payload.ID)); got.sum.Outcome != answer.Complete {
		t.Errorf("%+v", got.sum)
	}
}

func TestPanicOfAModule(t *testing.T) {
	f := newFleet(t)
	a := f.open(f.enroll(), numbers{rows: 5, before: func(_ context.Context, i int) error {
		if i == 3 {
			panic("a bug")
		}
		return nil
	}})
	f.run(a)
	q := f.ask("FROM fleet FIND number")
	f.relay.offer(f.sign(q, f.asker))
	got := q.open(t, a, f.relay.answerOf(q.payload.ID))
	if len(got.rows) != 3 || got.sum.Outcome != answer.Failed || !strings.Contains(got.sum.Reason, "a bug") {
		t.Errorf("%d rows, %+v", len(got.rows), got.sum)
	}
	next := f.ask("FROM fleet FIND host")
	f.relay.offer(f.sign(next, f.asker))
	if got := next.open(t, a, f.relay.answerOf(next.payload.ID)); len(got.rows) != 1 {
		t.Errorf("afterwards: %d rows, %+v", len(got.rows), got.sum)
	}
}

// Facts are signed, hold tags, and the administrator's tags win.
func TestFactsAreTold(t *testing.T) {
	f := newFleet(t)
	a := f.open(f.enroll(), numbers{})
	f.run(a)
	eventually(t, "facts came", func() bool {
		f.relay.mu.Lock()
		defer f.relay.mu.Unlock()
		return len(f.relay.facts) == 1
	})
	s, err := signing.DecodeStatement(f.relay.facts[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(a.id.Public()); err != nil {
		t.Fatal(err)
	}
	facts, err := plan.DecodeFacts(s.Payload)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"tags.team": "web", "tags.rack": "7", "agent_version": "1.2.3"} {
		if got := facts[name].String(); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if facts["hostname"].IsNull() {
		t.Error("no hostname")
	}
}

func TestOnce(t *testing.T) {
	f := newFleet(t)
	dir := f.enroll()
	q, old := f.ask("FROM fleet FIND number"), f.ask("FROM fleet FIND number")
	old.expire()
	f.relay.offer(f.sign(q, f.asker))
	f.relay.offer(f.sign(old, f.asker))
	a := f.open(dir, numbers{rows: 30_000})
	if err := a.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	checkNumbers(t, q.open(t, a, f.relay.answerOf(q.payload.ID)).rows, 30_000)
	if got := old.open(t, a, f.relay.answerOf(old.payload.ID)); got.sum.Outcome != answer.Refused {
		t.Errorf("%+v", got.sum)
	}
	if !f.relay.hellos[0].Once || f.relay.idles == 0 || len(a.spool.open()) != 0 {
		t.Errorf("%+v, %d idle", f.relay.hellos, f.relay.idles)
	}
	st, err := ReadStatus(f.options(dir, numbers{}))
	if err != nil || st.Process != 0 || st.FleetName != "test" || st.Tags["team"] != "web" {
		t.Errorf("%+v, %v", st, err)
	}
	list, err := ReadHistory(dir)
	if err != nil || len(list) != 2 || list[1].Verdict != journal.Refused {
		t.Errorf("%+v, %v", list, err)
	}
}

// The owner can look while the agent runs.
func TestStatusWhileItRuns(t *testing.T) {
	f := newFleet(t)
	dir := f.enroll()
	f.run(f.open(dir, numbers{}))
	eventually(t, "it says that it is connected", func() bool {
		st, err := ReadStatus(f.options(dir, numbers{}))
		return err == nil && st.Relay == "fake" && st.Process != 0
	})
	if _, err := ReadHistory(dir); err != nil {
		t.Error(err)
	}
	facts, err := ReadFacts(t.Context(), f.options(dir, numbers{}))
	if err != nil || facts["tags.team"].String() != "web" {
		t.Errorf("%v, %v", facts, err)
	}
	if _, err := Open(f.options(dir, numbers{})); err == nil {
		t.Error("two agents have one folder")
	}
}

// The status of an agent that is stopped says what waits for a relay, and that of
// one that runs once is its own.
func TestStatusOfWhatWaits(t *testing.T) {
	f := newFleet(t)
	f.relay.mute = true
	dir := f.enroll()
	a := f.open(dir, numbers{rows: 30_000})
	if err := os.WriteFile(a.path(statusFile), []byte(`{"process":1,"relay":"of the life before"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Once(ctx) }()
	q := f.ask("FROM fleet FIND number")
	f.relay.offer(f.sign(q, f.asker))
	eventually(t, "it has ended", func() bool { return !endedAt(a, q).IsZero() })
	if st, err := ReadStatus(f.options(dir)); err != nil || st.Process != os.Getpid() || st.Relay != "" {
		t.Errorf("while it runs once: %+v, %v", st, err)
	}
	cancel()
	if err := errors.Join(<-done, a.Close()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if st, err := ReadStatus(f.options(dir)); err != nil || st.Process != 0 || st.Spooled < 10_000 {
		t.Errorf("when it is stopped: %+v, %v", st, err)
	}
}
