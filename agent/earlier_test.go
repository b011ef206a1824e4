package agent

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/journal"
)

// source asks the gate whether this host is one of the hits or misses of a plan.
func source(t *testing.T, a *Agent, word string, id signing.ID) error {
	t.Helper()
	err := a.checkSource(t.Context(), &permit{plan: &plan.Plan{Source: word, Hosts: []string{id.String()}}})
	if err != nil && !errors.Is(err, signing.ErrRefused) {
		t.Errorf("%s: %v is no refusal", word, err)
	}
	return err
}

// Whatever became of a plan, the host is a miss only where all was looked at and
// nothing found, and a hit wherever something was; else it says what happened.
func TestMissesLookedAtEverything(t *testing.T) {
	f := newFleet(t)
	dir := f.enroll()
	a := f.open(dir, numbers{})
	type end struct {
		outcome string
		matched bool
	}
	ends := map[end]signing.ID{}
	for _, outcome := range []string{"complete", "partial", "failed", "refused", ""} { // the last is of who did not say
		for _, matched := range []bool{false, true} {
			id := signing.NewID()
			ends[end{outcome, matched}] = id
			e := journal.Entry{Plan: id, At: time.Now(), Expires: time.Now().Add(time.Hour)}
			if err := errors.Join(a.journal.Begin(e), a.journal.Finish(id, journal.Finish{At: time.Now(), Outcome: outcome, Matched: matched})); err != nil {
				t.Fatal(err)
			}
		}
	}
	cut := signing.NewID() // the agent is killed while it looks
	if err := a.journal.Begin(journal.Entry{Plan: cut, At: time.Now(), Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		for e, id := range ends {
			hit, miss := source(t, a, "hits", id), source(t, a, "misses", id)
			if (hit == nil) != e.matched || (miss == nil) != (!e.matched && e.outcome == "complete") {
				t.Errorf("%+v: as a hit %v, as a miss %v", e, hit, miss)
			}
			if hit != nil && miss != nil && (!strings.Contains(miss.Error(), `"`+e.outcome+`"`) || hit.Error() != strings.Replace(miss.Error(), "misses", "hits", 1)) {
				t.Errorf("%+v: %v; %v", e, hit, miss)
			}
		}
		if hit, miss := source(t, a, "hits", cut), source(t, a, "misses", cut); hit == nil || miss == nil {
			t.Errorf("cut short: as a hit %v, as a miss %v", hit, miss)
		}
	}
	check()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	a = f.open(dir, numbers{})
	defer a.Close()
	check()
}

// Plans that were cancelled, timed out, failed or found their module at fault
// looked at a part, if at anything.
func TestMissesOfPlansThatRan(t *testing.T) {
	for name, c := range map[string]struct {
		query  string
		before func(ctx context.Context, i int) error
		cancel bool
		miss   bool
	}{
		"nothing found":    {query: "FROM fleet FIND number WHERE n < 0", miss: true},
		"cut by its time":  {query: "FROM fleet FIND number WHERE n < 0 WITH timeout = 1s", before: hang},
		"cancelled":        {query: "FROM fleet FIND number WHERE n < 0", before: hang, cancel: true},
		"the module fails": {query: "FROM fleet FIND number WHERE n < 0", before: func(context.Context, int) error { return errors.New("a fault") }},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t)
			a := f.open(f.enroll(), numbers{rows: 3, before: c.before})
			f.run(a)
			q := f.asks(c.query, numbers{})
			f.relay.offer(f.sign(q, f.asker))
			if c.cancel {
				eventually(t, "it looks", func() bool { return len(a.Status().Running) == 1 })
				f.cancel(q)
			}
			sum := q.open(t, a, f.relay.answerOf(q.payload.ID)).sum
			if (sum.Outcome == answer.Complete) != c.miss {
				t.Errorf("%+v", sum)
			}
			eventually(t, "the journal has its end", func() bool { return len(a.journal.Unfinished()) == 0 })
			if err := source(t, a, "misses", q.payload.ID); (err == nil) != c.miss {
				t.Errorf("as a miss: %v", err)
			}
			if source(t, a, "hits", q.payload.ID) == nil {
				t.Error("it is a hit")
			}
		})
	}
}

func hang(ctx context.Context, _ int) error {
	<-ctx.Done()
	return ctx.Err()
}
