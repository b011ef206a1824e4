package agent

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/agent/sandbox"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/journal"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

// An offense is something wrong with a plan, in the order in which the gate is
// to find it. Each is put upon a plan that has all those after it, so that a
// check that comes too late is found out.
type offense struct {
	name, code, reason string
	commit             func(*attempt)
}

// An attempt is a plan that somebody tries to have run.
type attempt struct {
	f       *fleet
	q       *question
	plan    *plan.Plan
	typ     string
	signers []signing.Signer
	spoil   func([]byte) []byte
	before  func(*Agent)
}

func offenses() []offense {
	return []offense{
		{"no envelope", signing.CodeMalformed, "no envelope", func(x *attempt) {
			x.spoil = func(b []byte) []byte { return b[:len(b)-1] }
		}},
		{"unknown type", signing.CodeType, "no plan but", func(x *attempt) { x.typ = signing.TypePolicy }},
		{"another fleet", signing.CodeFleet, "the plan is for fleet", func(x *attempt) { x.q.payload.Fleet = signing.NewID() }},
		{"expired", signing.CodeWindow, "expired", func(x *attempt) {
			x.q.expire()
		}},
		{"replayed", signing.CodeSeen, "ran here already", func(x *attempt) {
			before := x.before
			x.before = func(a *Agent) {
				if before != nil {
					before(a)
				}
				if err := a.journal.Begin(journal.Entry{Plan: x.q.payload.ID, At: time.Now(), Expires: time.Now().Add(time.Hour)}); err != nil {
					x.f.t.Fatal(err)
				}
			}
		}},
		{"clock set back", signing.CodeClock, "clock", func(x *attempt) {
			x.before = func(a *Agent) {
				if err := a.journal.Clock(time.Now().Add(time.Hour)); err != nil {
					x.f.t.Fatal(err)
				}
			}
		}},
		{"nobody's signature", signing.CodeSignature, "nobody's signature", func(x *attempt) {
			x.signers = []signing.Signer{newKey(x.f.t, "stranger")}
		}},
		{"too little weight", signing.CodeWeight, "needs weight 2", func(x *attempt) {
			x.q.payload.Modules = append(x.q.payload.Modules, "heavy")
		}},
		{"needs not said", signing.CodeMalformed, "looks with modules", func(x *attempt) { x.q.payload.Modules = append(x.q.payload.Modules, "host") }},
		{"content", signing.CodeContent, "holds content", func(x *attempt) {
			x.plan = x.f.compiled("FROM fleet FIND number RETURN secret")
			x.q.payload.Content = []string{"number.secret"}
		}},
		{"over a ceiling", signing.CodeLimit, "ceiling", func(x *attempt) { x.plan.Limits.Rows = 2_000_000 }},
		{"another host", signing.CodeTarget, "for other hosts", func(x *attempt) {
			x.plan.Source, x.plan.Hosts = "host", []string{"elsewhere"}
		}},
		{"target not true", signing.CodeTarget, "not true of this host", func(x *attempt) {
			with := x.f.compiled("FROM fleet WHERE tags.team = \"db\" FIND number")
			x.plan.Target, x.plan.Facts = with.Target, with.Facts
		}},
		{"not a member", signing.CodePolicy, "no member", func(x *attempt) {
			before := x.before
			x.before = func(a *Agent) {
				if before != nil {
					before(a)
				}
				a.outcast = errors.New("revoked")
			}
		}},
	}
}

func (f *fleet) compiled(query string) *plan.Plan {
	p, err := plan.Decode(f.ask(query).payload.Compiled)
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

// judge has an agent decide about a plan with offenses, the last of them first.
func (f *fleet) judge(dir string, all ...offense) (error, *attempt) {
	x := &attempt{f: f, q: f.ask("FROM fleet FIND number"), typ: signing.TypePlan, signers: []signing.Signer{f.asker}}
	x.plan = f.compiled("FROM fleet FIND number")
	for i := len(all) - 1; i >= 0; i-- {
		all[i].commit(x)
	}
	x.q.payload.Compiled = x.plan.Encode()
	e := &signing.Envelope{PayloadType: x.typ, Payload: x.q.payload.Encode()}
	for _, k := range x.signers {
		if err := e.Sign(f.t.Context(), k); err != nil {
			f.t.Fatal(err)
		}
	}
	raw := e.Encode()
	if x.spoil != nil {
		raw = x.spoil(raw)
	}
	a := f.open(dir, numbers{}, heavy{})
	defer func() {
		if err := a.Close(); err != nil {
			f.t.Error(err)
		}
	}()
	if x.before != nil {
		x.before(a)
	}
	p, err := a.admit(f.t.Context(), arrived(raw))
	if (p == nil) == (err == nil) {
		f.t.Fatalf("permit %v and error %v", p, err)
	}
	if err == nil && !a.journal.Seen(x.q.payload.ID) {
		f.t.Error("it is permitted, and not in the journal")
	}
	return err, x
}

// Each check refuses with its code and a reason that says what is missing, also
// where everything after it is wrong as well.
func TestGateInOrder(t *testing.T) {
	f := newFleet(t)
	all := offenses()
	if err, _ := f.judge(f.enroll()); err != nil {
		t.Fatalf("a plan without fault: %v", err)
	}
	for i, o := range all {
		t.Run(o.name, func(t *testing.T) {
			for _, with := range [][]offense{{o}, all[i:]} {
				err, _ := f.judge(f.enroll(), with...)
				var r *signing.Refusal
				if !errors.As(err, &r) || r.Code != o.code || !strings.Contains(r.Reason, o.reason) {
					t.Errorf("with %d faults: %v", len(with), err)
				}
			}
		})
	}
}

// Sources: a host by name and by ID, and what the journal knows.
func TestSources(t *testing.T) {
	f := newFleet(t)
	a := f.open(f.enroll(), numbers{})
	defer a.Close()
	hit, miss, unknown := signing.NewID(), signing.NewID(), signing.NewID()
	for id, matched := range map[signing.ID]bool{hit: true, miss: false} {
		e := journal.Entry{Plan: id, At: time.Now(), Expires: time.Now().Add(time.Hour)}
		if err := errors.Join(a.journal.Begin(e), a.journal.Finish(id, journal.Finish{At: time.Now(), Outcome: "complete", Matched: matched})); err != nil {
			t.Fatal(err)
		}
	}
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		source string
		args   []string
		ok     bool
	}{
		{"fleet", nil, true}, {"local", nil, false}, {"case", []string{"x"}, false}, {"", nil, false},
		{"host", []string{"elsewhere", strings.ToUpper(name)}, true},
		{"host", []string{a.ID().String()}, true},
		{"host", []string{""}, false}, {"host", nil, false},
		{"hits", []string{hit.String()}, true}, {"hits", []string{miss.String()}, false},
		{"misses", []string{miss.String()}, true}, {"misses", []string{hit.String()}, false},
		{"hits", []string{unknown.String()}, false}, {"misses", []string{unknown.String()}, false},
		{"hits", []string{"x"}, false}, {"hits", nil, false},
	} {
		err := a.checkSource(t.Context(), &permit{plan: &plan.Plan{Source: c.source, Hosts: c.args}})
		if (err == nil) != c.ok || err != nil && !errors.Is(err, signing.ErrRefused) {
			t.Errorf("%s %v: %v", c.source, c.args, err)
		}
	}
}

// A fact that nobody knows makes the target unknown, and the plan is refused.
func TestUnknownFact(t *testing.T) {
	f := newFleet(t)
	a := f.open(f.enroll(), numbers{})
	defer a.Close()
	for query, ok := range map[string]bool{
		`FROM fleet WHERE tags.team = "web" FIND number`:          true,
		`FROM fleet WHERE tags.none IS NULL FIND number`:          true,
		`FROM fleet WHERE agent_version >= "1.2" FIND number`:     true,
		`FROM fleet WHERE last_seen > now - 1h FIND number`:       true,
		`FROM fleet WHERE cloud.provider = "none" FIND number`:    false,
		`FROM fleet WHERE virtualisation = "unheard" FIND number`: false,
	} {
		_, err := a.admit(t.Context(), arrived(f.sign(f.ask(query), f.asker)))
		if (err == nil) != ok {
			t.Errorf("%s: %v", query, err)
		}
	}
}

// Every bit of an envelope: with one of them changed, the plan does not run.
func TestAnyBitChanged(t *testing.T) {
	f := newFleet(t)
	a := f.open(f.enroll(), numbers{})
	defer a.Close()
	raw := f.sign(f.ask("FROM fleet FIND number"), f.asker)
	step := 1
	if testing.Short() {
		step = 37
	}
	for bit := 0; bit < 8*len(raw); bit += step {
		raw[bit/8] ^= 1 << (bit % 8)
		if _, err := a.admit(t.Context(), arrived(raw)); !errors.Is(err, signing.ErrRefused) {
			t.Fatalf("bit %d changed: %v", bit, err)
		}
		raw[bit/8] ^= 1 << (bit % 8)
	}
	if _, err := a.admit(t.Context(), arrived(raw)); err != nil {
		t.Errorf("unchanged: %v", err)
	}
}

// The same plan, once more and after a restart, and a clock that is set back.
func TestReplays(t *testing.T) {
	f := newFleet(t)
	dir := f.enroll()
	raw := f.sign(f.ask("FROM fleet FIND number"), f.asker)
	a := f.open(dir, numbers{})
	if _, err := a.admit(t.Context(), arrived(raw)); err != nil {
		t.Fatal(err)
	}
	code := func(a *Agent) string {
		_, err := a.admit(t.Context(), arrived(raw))
		code, _ := refusalOf(err)
		return code
	}
	if c := code(a); c != signing.CodeSeen {
		t.Errorf("once more: %s", c)
	}
	a.Close()
	a = f.open(dir, numbers{})
	if c := code(a); c != signing.CodeSeen {
		t.Errorf("after a restart: %s", c)
	}
	a.opts.Now = func() time.Time { return time.Now().Add(48 * time.Hour) }
	other := f.ask("FROM fleet FIND number")
	other.payload.Expires = time.Now().Add(72 * time.Hour)
	if _, err := a.admit(t.Context(), arrived(f.sign(other, f.asker))); err != nil {
		t.Fatalf("two days later: %v", err)
	}
	a.Close()
	a = f.open(dir, numbers{})
	defer a.Close()
	late := f.ask("FROM fleet FIND number")
	if _, err := a.admit(t.Context(), arrived(f.sign(late, f.asker))); err == nil {
		t.Error("a clock that was set back by two days is believed")
	} else if c, _ := refusalOf(err); c != signing.CodeClock {
		t.Errorf("clock set back: %v", err)
	}
}

// A refusal goes back, sealed, and stands in the journal; a replay of a plan
// that has its answer gets no second one.
func TestRefusalsAreAnswers(t *testing.T) {
	f := newFleet(t)
	a := f.open(f.enroll(), numbers{rows: 3})
	f.run(a)
	q := f.ask("FROM fleet FIND number")
	q.expire()
	f.relay.offer(f.sign(q, f.asker))
	got := q.open(t, a, f.relay.answerOf(q.payload.ID))
	if got.sum.Outcome != answer.Refused || !strings.HasPrefix(got.sum.Reason, "window: the plan expired") {
		t.Errorf("%+v", got.sum)
	}
	good := f.ask("FROM fleet FIND number")
	raw := f.sign(good, f.asker)
	f.relay.offer(raw)
	f.relay.answerOf(good.payload.ID)
	eventually(t, "the plan has ended", func() bool { return len(a.spool.open()) == 0 && len(a.Status().Running) == 0 })
	f.relay.offer(raw)
	f.relay.say(message.TypePlan, []byte("no envelope"))
	eventually(t, "all is in the journal", func() bool { return len(a.History()) == 4 })
	for i, want := range []string{"window", "", "seen", "malformed"} {
		if e := a.History()[i]; e.Code != want {
			t.Errorf("entry %d: %+v", i, e)
		}
	}
	if n := len(f.relay.answerOf(good.payload.ID)); n != 1 {
		t.Errorf("%d chunks", n)
	}
}

// A hasty runner ends the session while the gate asks whether a plan is for
// this host, the first time.
type hasty struct {
	sandbox.Runner
	end func()
}

func (h *hasty) Matches(ctx context.Context, p *plan.Plan, f plan.Facts) (value.Truth, error) {
	if h.end != nil {
		h.end()
		h.end = nil
		return value.False, ctx.Err()
	}
	return h.Runner.Matches(ctx, p, f)
}

// A plan whose session ended while the gate had it is judged when it is offered
// again, and not taken for one that was refused.
func TestOfferedAgainAfterTheGateWasLeft(t *testing.T) {
	f := newFleet(t)
	a := f.open(f.enroll(), numbers{rows: 3})
	h := &hasty{Runner: a.runner}
	h.end = func() {
		s := a.current()
		s.end(errDown)
		<-s.ctx.Done()
	}
	a.runner = h
	f.run(a)
	q := f.ask("FROM fleet FIND number")
	f.relay.offer(f.sign(q, f.asker))
	if got := q.open(t, a, f.relay.answerOf(q.payload.ID)); got.sum.Outcome != answer.Complete {
		t.Errorf("%+v", got.sum)
	}
}

// A fickle runner finds a plan's target false once, and true as soon as the
// relay has the answer that says so.
type fickle struct {
	sandbox.Runner
	agent *Agent
	once  bool
}

func (r *fickle) Matches(ctx context.Context, _ *plan.Plan, _ plan.Facts) (value.Truth, error) {
	if r.once {
		return value.False, nil
	}
	for len(r.agent.spool.open()) > 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	return value.True, ctx.Err()
}

// A plan that an earlier life refused, and which is offered again since no
// relay had that answer, has been answered: it does not run after all.
func TestRefusedInAnEarlierLife(t *testing.T) {
	f := newFleet(t)
	f.relay.set(func() { f.relay.mute, f.relay.fair = true, true })
	dir := f.enroll()
	a := f.open(dir, numbers{rows: 3})
	a.runner = &fickle{a.runner, a, true}
	stop := f.run(a)
	q := f.ask("FROM fleet FIND number")
	f.relay.offer(f.sign(q, f.asker))
	eventually(t, "it is refused", func() bool { return len(a.spool.open()) == 1 })
	stop()
	f.relay.set(func() { f.relay.mute, f.relay.receipts = false, map[signing.ID]int{} })
	b := f.open(dir, numbers{rows: 3})
	b.runner = &fickle{b.runner, b, false}
	f.run(b)
	if got := q.open(t, b, f.relay.answerOf(q.payload.ID)); got.sum.Outcome != answer.Refused {
		t.Errorf("%+v", got.sum)
	}
	eventually(t, "it was offered", func() (yes bool) {
		f.relay.set(func() { yes = f.relay.receipts[q.payload.ID] == 1 })
		return yes
	})
	if list := b.History(); len(list) != 1 || list[0].Verdict != journal.Refused {
		t.Errorf("%+v", list)
	}
}

func TestPolicies(t *testing.T) {
	f := newFleet(t)
	dir := f.enroll()
	a := f.open(dir, numbers{})
	f.run(a)
	eventually(t, "it is connected", func() bool { return a.current() != nil && a.Status().Relay != "" })
	stranger := newKey(t, "stranger")
	next := strings.Replace(f.policyText(3), "concurrent = 4", "concurrent = 1", 1)
	for _, p := range []*signing.Envelope{
		f.signPolicy(2, f.policyText(2), stranger),
		f.signPolicy(3, next, f.admin),
		f.signPolicy(2, f.policyText(2), f.admin), // rolled back
		f.signPolicy(3, f.policyText(3), f.admin), // another text of the same version
		f.policy,
	} {
		f.relay.say(message.TypePolicy, p.Encode())
	}
	f.relay.say(message.TypePlan, []byte("the end"))
	eventually(t, "all were judged", func() bool {
		list := a.History()
		return len(list) > 0 && list[len(list)-1].Code == signing.CodeMalformed
	})
	if v := a.Policy().Version(); v != 3 {
		t.Errorf("version %d is obeyed", v)
	}
	a.queue.mu.Lock()
	if a.queue.slots != 1 {
		t.Errorf("%d slots", a.queue.slots)
	}
	a.queue.mu.Unlock()
	if refused := a.History()[0]; refused.Code != signing.CodePolicy {
		t.Errorf("%+v", refused)
	}
	// An agent that the next policy revokes obeys nobody.
	gone := strings.Replace(f.policyText(4), "agents = []", "agents = [\""+a.ID().String()+"\"]", 1)
	f.relay.say(message.TypePolicy, f.signPolicy(4, gone, f.admin).Encode())
	eventually(t, "it is revoked", func() bool { return a.Status().Outcast != "" })
	q := f.ask("FROM fleet FIND number")
	f.relay.offer(f.sign(q, f.asker))
	if got := q.open(t, a, f.relay.answerOf(q.payload.ID)); got.sum.Outcome != answer.Refused || !strings.HasPrefix(got.sum.Reason, "policy: ") {
		t.Errorf("%+v", got.sum)
	}
}

// The agent's own folder is left out of what is asked about, and counted.
func TestOwnFiles(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "var", "agent")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	own := sandbox.OwnFilesOf(dir, root)
	sep := string(filepath.Separator)
	for place, want := range map[string]bool{
		"/var/agent": true, "/var/agent/spool/x": true, "/var/agent.d": false, "/var": false, "/var/agents": false, "/": false,
	} {
		if got := own.Has(strings.ReplaceAll(place, "/", sep)); got != want {
			t.Errorf("%s: %v", place, got)
		}
	}
	if live := sandbox.OwnFilesOf(dir, ""); !live.Has(filepath.Join(dir, "journal", "x")) || live.Has(root) {
		t.Errorf("%q", live)
	}
	if elsewhere := sandbox.OwnFilesOf(dir, filepath.Join(root, "tree")); len(elsewhere) != 0 {
		t.Errorf("%q", elsewhere)
	}
}

// The zero permit permits nothing.
func TestZeroPermit(t *testing.T) {
	f := newFleet(t)
	a := f.open(f.enroll(), numbers{rows: 3, before: func(context.Context, int) error { t.Error("it runs"); return nil }})
	defer a.Close()
	q := f.ask("FROM fleet FIND number")
	out, err := a.spool.begin(headOf(q.payload, time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	a.execute(t.Context(), &permit{}, out, &sandbox.Turn{})
	data, final, err := out.take(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	got := q.open(t, a, []message.Chunk{{Data: data, Final: final}})
	if got.sum.Outcome != answer.Refused || len(got.rows) != 0 {
		t.Errorf("%+v", got)
	}
}
