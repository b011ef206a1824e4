package agent

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

// newStandingFleet is a fleet whose policy lets plans stand that look at
// numbers no more often than that.
func newStandingFleet(t *testing.T, least string) *fleet {
	f := newFleet(t)
	text := strings.Replace(f.policyText(1), "deny = [\"/n/13\"]\n", "deny = [\"/n/13\"]\nstanding = \""+least+"\"\n", 1)
	f.policy = f.signPolicy(1, text, f.admin)
	f.relay = newFakeRelay(t, f.policy.Encode())
	return f
}

// changes shows rows as "change n", and checks that each has its time.
func changes(t *testing.T, rows [][]value.Value) []string {
	t.Helper()
	var out []string
	for _, r := range rows {
		if r[1].Type() != value.Time {
			t.Errorf("a row without a time: %v", r)
		}
		out = append(out, strings.TrimSpace(r[0].String()+" "+r[2].String()))
	}
	return out
}

// chunks says how many chunks of an answer the relay has.
func (f *fleet) chunks(id signing.ID) (n int) {
	f.relay.set(func() { n = len(f.relay.chunks[id]) })
	return n
}

func (f *fleet) cancel(q *question) {
	f.relay.say(message.TypeCancel, message.Marshal(message.Cancel{Plan: q.payload.ID, Secret: q.key.CancelSecret()}))
}

// firstLife has an agent with three rows be asked a question that stands, and
// stops it when it has told of its first round.
func (f *fleet) firstLife() (dir string, q *question) {
	dir = f.enroll()
	stop := f.run(f.open(dir, numbers{rows: 3}))
	q = f.ask("FROM fleet FIND number RETURN n EVERY 1s")
	f.relay.offer(f.sign(q, f.asker))
	eventually(f.t, "the first round", func() bool {
		_, err := os.Stat(dir + "/standing/" + q.payload.ID.String() + stateExt)
		return err == nil && f.chunks(q.payload.ID) >= 1
	})
	stop()
	return dir, q
}

// A plan that stands goes on in the agent's next life, and tells only what
// has changed.
func TestStandingOutlivesTheAgent(t *testing.T) {
	f := newStandingFleet(t, "1s")
	dir, q := f.firstLife()
	had := f.chunks(q.payload.ID)
	if info, err := os.Stat(dir + "/standing/" + q.payload.ID.String() + stateExt); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the rows of the last round: %v, %v", info, err)
	}
	b := f.open(dir, numbers{rows: 4})
	f.run(b)
	eventually(t, "a round of the next life", func() bool { return f.chunks(q.payload.ID) > had })
	f.cancel(q)
	got := q.open(t, b, f.relay.answerOf(q.payload.ID))
	if rows := changes(t, got.rows); !slices.Equal(rows, []string{"new 0", "new 1", "new 2", "new 3"}) {
		t.Errorf("%q", rows)
	}
	if got.sum.Outcome != answer.Partial || got.sum.Reason != errCancelled.Error() {
		t.Errorf("%+v", got.sum)
	}
	eventually(t, "the end in the journal", func() bool { return len(b.journal.Unfinished()) == 0 })
	if left, _ := os.ReadDir(dir + "/standing"); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if n := len(b.journal.Entries()); n != 1 {
		t.Errorf("%d entries in the journal", n)
	}
}

// What an earlier life found counts: a plan that stood and told its rows before
// the agent was started anew is a hit of this host, and no miss.
func TestStandingMatchedInAnEarlierLife(t *testing.T) {
	f := newStandingFleet(t, "1s")
	dir, q := f.firstLife()
	had := f.chunks(q.payload.ID)
	b := f.open(dir, numbers{rows: 3})
	f.run(b)
	eventually(t, "a round of the next life", func() bool { return f.chunks(q.payload.ID) > had })
	f.cancel(q)
	if got := q.open(t, b, f.relay.answerOf(q.payload.ID)); got.sum.Matched != 3 || len(got.rows) != 3 {
		t.Errorf("%d rows, %+v", len(got.rows), got.sum)
	}
	eventually(t, "the end in the journal", func() bool { return len(b.journal.Unfinished()) == 0 })
	for source, ok := range map[string]bool{"hits": true, "misses": false} {
		p := &permit{plan: &plan.Plan{Source: source, Hosts: []string{q.payload.ID.String()}}}
		if err := b.checkSource(t.Context(), p); (err == nil) != ok {
			t.Errorf("%s: %v", source, err)
		}
	}
}

// Where the rows of the last round are lost, all rows come again, and none of
// them is called new.
func TestStandingForgets(t *testing.T) {
	f := newStandingFleet(t, "1s")
	dir := f.enroll()
	stop := f.run(f.open(dir, numbers{rows: 2}))
	q := f.ask("FROM fleet FIND number RETURN n EVERY 1s")
	f.relay.offer(f.sign(q, f.asker))
	eventually(t, "the first round", func() bool {
		_, err := os.Stat(dir + "/standing/" + q.payload.ID.String() + stateExt)
		return err == nil && f.chunks(q.payload.ID) >= 1
	})
	stop()
	had := f.chunks(q.payload.ID)
	if err := os.WriteFile(dir+"/standing/"+q.payload.ID.String()+stateExt, []byte("QSR3 torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := f.open(dir, numbers{rows: 2})
	f.run(b)
	eventually(t, "a round of the next life", func() bool { return f.chunks(q.payload.ID) > had })
	f.cancel(q)
	got := q.open(t, b, f.relay.answerOf(q.payload.ID))
	if rows := changes(t, got.rows); !slices.Equal(rows, []string{"new 0", "new 1", "0", "1"}) {
		t.Errorf("%q", rows)
	}
}

// A new policy that does not let the plan stand ends it at the next round.
func TestStandingObeysANewPolicy(t *testing.T) {
	f := newStandingFleet(t, "1s")
	a := f.open(f.enroll(), numbers{rows: 2})
	f.run(a)
	q := f.ask("FROM fleet FIND number RETURN n EVERY 1s")
	f.relay.offer(f.sign(q, f.asker))
	eventually(t, "the first round", func() bool { return f.chunks(q.payload.ID) >= 1 })
	f.relay.say(message.TypePolicy, f.signPolicy(2, f.policyText(2), f.admin).Encode())
	got := q.open(t, a, f.relay.answerOf(q.payload.ID))
	if got.sum.Outcome != answer.Partial || !strings.Contains(got.sum.Reason, "lets none stand") {
		t.Errorf("%+v", got.sum)
	}
}

// A plan stands only where a rule allows it, and no more often.
func TestStandingIsRefused(t *testing.T) {
	for least, want := range map[string]string{"": "lets none stand", "1m": "allows module number every 1m0s"} {
		f := newFleet(t)
		if least != "" {
			f = newStandingFleet(t, least)
		}
		a := f.open(f.enroll(), numbers{rows: 1})
		f.run(a)
		q := f.ask("FROM fleet FIND number EVERY 1s")
		f.relay.offer(f.sign(q, f.asker))
		if got := q.open(t, a, f.relay.answerOf(q.payload.ID)); got.sum.Outcome != answer.Refused || !strings.Contains(got.sum.Reason, want) {
			t.Errorf("standing = %q: %+v", least, got.sum)
		}
	}
}

// An agent that is there now and then does a round each time, and does not
// wait for the next.
func TestStandingOnce(t *testing.T) {
	f := newStandingFleet(t, "1s")
	dir := f.enroll()
	q := f.ask("FROM fleet FIND number RETURN n EVERY 1s")
	f.relay.offer(f.sign(q, f.asker))
	for i := range 2 {
		a := f.open(dir, numbers{rows: 1 + i})
		if err := a.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if n := f.chunks(q.payload.ID); n < i+1 {
			t.Errorf("%d chunks after run %d", n, i+1)
		}
		if i == 0 {
			time.Sleep(time.Second) // until the next round is due
		}
	}
}

// The window ends a plan that stands.
func TestStandingEnds(t *testing.T) {
	f := newStandingFleet(t, "1s")
	a := f.open(f.enroll(), numbers{rows: 2})
	f.run(a)
	q := f.ask("FROM fleet FIND number RETURN n EVERY 2h") // of which one round fits
	f.relay.offer(f.sign(q, f.asker))
	got := q.open(t, a, f.relay.answerOf(q.payload.ID))
	if rows := changes(t, got.rows); !slices.Equal(rows, []string{"new 0", "new 1"}) {
		t.Errorf("%q", rows)
	}
	if got.sum.Outcome != answer.Complete || got.sum.Round != 1 || fmt.Sprint(got.sum.Matched) != "2" {
		t.Errorf("%+v", got.sum)
	}
}

// A bell is a module that changes all the time.
type bell struct{ numbers }

func (bell) Schema() *modules.Schema {
	s := *numbers{}.Schema()
	s.Name, s.Watch = "bell", []string{"linux", "darwin", "windows"}
	return &s
}

func (b bell) Watch(ctx context.Context, req *modules.Request, yield func(modules.Row) error) error {
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
		if err := yield(modules.NewChange(number(i), len(b.Schema().Columns), modules.Modified, time.Now())); err != nil {
			return err
		}
	}
}

// A plan that watches goes on in the agent's next life, which says when nobody
// did; and nobody watches whom the policy does not let.
func TestWatchOutlivesTheAgent(t *testing.T) {
	f := newFleet(t)
	text := strings.Replace(f.policyText(1), "[ceilings]", "[module.bell]\nweight = 1\nwatch = true\n\n[ceilings]", 1)
	f.policy = f.signPolicy(1, text, f.admin)
	f.relay = newFakeRelay(t, f.policy.Encode())
	dir := f.enroll()
	stop := f.run(f.open(dir, bell{}))
	q := f.ask("FROM fleet WATCH bell RETURN n")
	f.relay.offer(f.sign(q, f.asker))
	eventually(t, "changes", func() bool { return f.chunks(q.payload.ID) >= 1 })
	stop()
	had := f.chunks(q.payload.ID)
	b := f.open(dir, bell{})
	f.run(b)
	eventually(t, "changes of the next life", func() bool { return f.chunks(q.payload.ID) > had })
	f.cancel(q)
	got := q.open(t, b, f.relay.answerOf(q.payload.ID))
	if len(got.rows) < 2 || got.sum.Outcome != answer.Partial || !strings.Contains(got.sum.Reason, errCancelled.Error()) || !strings.Contains(got.sum.Reason, "were not seen: the agent was not running") {
		t.Errorf("%d rows, %+v", len(got.rows), got.sum)
	}
	for _, r := range got.rows {
		if r[0].Text() != modules.Modified || r[1].Type() != value.Time {
			t.Fatalf("%v", r)
		}
	}
}
