package agent

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// ruledBy gives a policy's text with other people in it.
func (f *fleet) ruledBy(version int, admin, asker *signing.PrivateKey) string {
	text := f.policyText(version)
	text = strings.Replace(text, string(f.admin.Public().Armor()), string(admin.Public().Armor()), 1)
	return strings.Replace(text, string(f.asker.Public().Armor()), string(asker.Public().Armor()), 1)
}

// Who may ask no more is refused by an agent as soon as it has the policy: what
// he asks, and what he asked before and has not ended.
func TestRevokedInvestigator(t *testing.T) {
	f := newStandingFleet(t, "1s")
	a := f.open(f.enroll(), numbers{rows: 2})
	f.run(a)
	before := f.ask("FROM fleet FIND number RETURN n EVERY 10m")
	f.relay.offer(f.sign(before, f.asker))
	eventually(t, "the first round", func() bool { return f.chunks(before.payload.ID) >= 1 })
	other := newKey(t, "other")
	text := strings.Replace(f.ruledBy(2, f.admin, other), "deny = [\"/n/13\"]\n", "deny = [\"/n/13\"]\nstanding = \"1s\"\n", 1)
	f.relay.say(message.TypePolicy, f.signPolicy(2, text, f.admin).Encode())
	got := before.open(t, a, f.relay.answerOf(before.payload.ID))
	if got.sum.Outcome != answer.Partial || !strings.Contains(got.sum.Reason, "it does not go on: signature: ") || !strings.Contains(got.sum.Reason, string(f.asker.Fingerprint())) {
		t.Errorf("what he asked before: %+v", got.sum)
	}
	after := f.ask("FROM fleet FIND number RETURN n")
	f.relay.offer(f.sign(after, f.asker))
	if got := after.open(t, a, f.relay.answerOf(after.payload.ID)); got.sum.Outcome != answer.Refused || !strings.HasPrefix(got.sum.Reason, "signature: ") {
		t.Errorf("what he asks: %+v", got.sum)
	}
	good := f.ask("FROM fleet FIND number RETURN n")
	f.relay.offer(f.sign(good, other))
	if got := good.open(t, a, f.relay.answerOf(good.payload.ID)); got.sum.Outcome != answer.Complete {
		t.Errorf("what another asks: %+v", got.sum)
	}
}

// An agent that was away follows from administrator to administrator, tells
// which policy it obeys, and is led by no relay past a step that is missing.
func TestChainOfPolicies(t *testing.T) {
	f := newFleet(t)
	a := f.open(f.enroll(), numbers{rows: 2})
	f.run(a)
	eventually(t, "it is connected", func() bool { return a.current() != nil })
	const steps = 40
	admin := f.admin
	var chain [][]byte
	for v := 2; v < 2+steps; v++ {
		next := newKey(t, fmt.Sprintf("admin %d", v))
		// The first one's tokens stay good: he has retired, and is not left out.
		first := fmt.Sprintf("[[administrator]]\nname = \"first\"\nretired = %s\nkey = '''\n%s'''\n\n",
			time.Now().Add(time.Minute).UTC().Format(time.RFC3339), f.admin.Public().Armor())
		text := strings.Replace(f.ruledBy(v, next, f.asker), "[[administrator]]", first+"[[administrator]]", 1)
		e := f.signPolicy(v, text, admin)
		if err := e.Sign(t.Context(), next); err != nil {
			t.Fatal(err)
		}
		chain, admin = append(chain, e.Encode()), next
	}
	f.relay.say(message.TypePolicy, chain[1])
	f.relay.say(message.TypePolicy, chain[steps-1])
	eventually(t, "a missing step is noted", func() bool { return len(a.History()) == 2 })
	for range 3 {
		f.relay.say(message.TypePolicy, chain[1]) // a relay that repeats itself fills no journal
	}
	for _, text := range chain {
		f.relay.say(message.TypePolicy, text)
	}
	eventually(t, "the newest is obeyed", func() bool { return a.Policy().Version() == 1+steps })
	if n := len(a.History()); n != 2 {
		t.Errorf("%d entries in the journal", n)
	}
	eventually(t, "the relay is told", func() bool {
		var facts [][]byte
		f.relay.set(func() { facts = f.relay.facts })
		st, err := signing.DecodeStatement(facts[len(facts)-1])
		if err != nil {
			t.Fatal(err)
		}
		told, err := plan.DecodeFacts(st.Payload)
		if err != nil {
			t.Fatal(err)
		}
		if len(facts) > 6 {
			t.Fatalf("it told its facts %d times", len(facts))
		}
		return told["policy_version"].Int() == 1+steps
	})
	q := f.ask("FROM fleet FIND number RETURN n")
	f.relay.offer(f.sign(q, f.asker))
	if got := q.open(t, a, f.relay.answerOf(q.payload.ID)); got.sum.Outcome != answer.Complete {
		t.Errorf("%+v", got.sum)
	}
}

// A lower ceiling ends no plan that asked for nothing beyond it: the gate would
// let it begin, and its next round is held to the new one.
func TestLowerCeilingEndsNothingThatStands(t *testing.T) {
	f := newStandingFleet(t, "1s")
	a := f.open(f.enroll(), numbers{rows: 3})
	f.run(a)
	modest, greedy := f.ask("FROM fleet FIND number RETURN n EVERY 1s"), f.ask("FROM fleet FIND number RETURN n EVERY 1s WITH rows = 1000")
	for _, q := range []*question{modest, greedy} {
		f.relay.offer(f.sign(q, f.asker))
		eventually(t, "the first round", func() bool { return f.chunks(q.payload.ID) >= 1 })
	}
	text := strings.Replace(string(f.policy.Payload), "version = 1", "version = 2", 1)
	lower := regexp.MustCompile(`(?m)^rows = .*$`).ReplaceAllString(text, "rows = 2")
	if lower == text {
		t.Fatalf("no ceiling for rows in\n%s", text)
	}
	f.relay.say(message.TypePolicy, f.signPolicy(2, lower, f.admin).Encode())
	got := greedy.open(t, a, f.relay.answerOf(greedy.payload.ID))
	if !strings.Contains(got.sum.Reason, "it does not go on: limit: ") {
		t.Errorf("what asks for more: %+v", got.sum)
	}
	had := f.chunks(modest.payload.ID)
	eventually(t, "two further rounds", func() bool { return f.chunks(modest.payload.ID) >= had+2 })
	f.cancel(modest)
	if got := modest.open(t, a, f.relay.answerOf(modest.payload.ID)); got.sum.Reason != errCancelled.Error() {
		t.Errorf("what asks for nothing: %+v", got.sum)
	}
}
