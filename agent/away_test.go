package agent

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/relay"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// A laptop that lay in a drawer for a year comes back as the agent that it was.
// Its certificate has expired, as has the token that let it in; the
// administrators have changed twice, and nobody who could ask then may ask now.
func TestAwayForAYear(t *testing.T) {
	year := time.Now().AddDate(-1, 0, 0)
	ago := func(days int) func() time.Time { return func() time.Time { return year.AddDate(0, 0, days) } }
	key := func(name string, days int) *signing.PrivateKey {
		k, err := signing.NewPrivateKey(name, name+"@example.com", year.AddDate(0, -1, 0))
		if err != nil {
			t.Fatal(err)
		}
		k.Clock = ago(days)
		return k
	}
	f := &fleet{t: t, id: signing.NewID(), admin: key("first", 0), asker: key("leaver", 0)}
	f.policy = f.signPolicy(1, f.policyText(1), f.admin)
	r := &realRelay{t: t, dir: filepath.Join(t.TempDir(), "relay"), now: ago(0)}
	if err := relay.Init(r.dir, relay.InitOptions{Name: "real", Listen: "127.0.0.1:0", Hosts: []string{"127.0.0.1"}, Policy: f.policy.Encode()}); err != nil {
		t.Fatal(err)
	}
	r.start()
	dir := f.enrollAt(r.addr, r.pin, ago(0))
	r.stop()

	r.now = time.Now
	r.start()
	defer func() { r.stop() }()
	newcomer := newKey(t, "newcomer")
	f.passYear(r, newcomer, key("second", 100), key("third", 200), ago)

	a := f.open(dir, numbers{rows: 2})
	if _, leaf, err := a.certificate(); err != nil || !leaf.NotAfter.Before(time.Now()) {
		t.Fatalf("its certificate is good until %v: %v", leaf.NotAfter, err)
	}
	f.run(a)
	eventually(t, "it obeys the policy of today", func() bool { return a.Policy().Version() == 6 })
	if _, leaf, err := a.certificate(); err != nil || !leaf.NotAfter.After(time.Now()) {
		t.Errorf("its certificate is good until %v: %v", leaf.NotAfter, err)
	}
	eventually(t, "the relay has its facts", func() bool { s := a.current(); return s != nil && s.told() })
	q := f.ask(`FROM fleet WHERE tags.team = "web" FIND number RETURN n`)
	r.submit(f, f.sign(q, newcomer))
	if got := q.open(t, a, r.answers(f, q.payload.ID, 1)[a.ID()]); got.sum.Outcome != answer.Complete || len(got.rows) != 2 {
		t.Errorf("%+v", got)
	}
	if h := a.History(); len(h) != 1 || h[0].Plan != q.payload.ID {
		t.Errorf("its history is %+v", h)
	}
	if out := a.Status().Outcast; out != "" {
		t.Error(out)
	}
}

// passYear publishes the policies of a year, in which the administrators change
// twice, each named by the one before, and then who may ask.
func (f *fleet) passYear(r *realRelay, newcomer, second, third *signing.PrivateKey, ago func(days int) func() time.Time) {
	retired := fmt.Sprintf("[[administrator]]\nname = \"first\"\nretired = %s\nkey = '''\n%s'''\n\n", ago(100)().UTC().Format(time.RFC3339), f.admin.Public().Armor())
	f.asker.Clock = nil // it proves who he is today
	for i, step := range []struct {
		admin, asker *signing.PrivateKey
		signers      []*signing.PrivateKey
	}{
		{f.admin, f.asker, []*signing.PrivateKey{f.admin}},
		{second, f.asker, []*signing.PrivateKey{f.admin, second}},
		{second, f.asker, []*signing.PrivateKey{second}},
		{third, f.asker, []*signing.PrivateKey{second, third}},
		{third, newcomer, []*signing.PrivateKey{third}},
	} {
		text := f.ruledBy(2+i, step.admin, step.asker)
		if step.admin != f.admin {
			text = strings.Replace(text, "[[administrator]]", retired+"[[administrator]]", 1)
		}
		e := &signing.Envelope{PayloadType: signing.TypePolicy, Payload: []byte(text)}
		for _, k := range step.signers {
			k.Clock = ago(60 * (1 + i))
			if err := e.Sign(f.t.Context(), k); err != nil {
				f.t.Fatal(err)
			}
		}
		r.publish(f, e.Encode())
	}
	f.asker = newcomer
}

// publish puts the next policy in force.
func (r *realRelay) publish(f *fleet, policy []byte) {
	c := r.investigate(f)
	defer c.Close()
	s := r.request(c, message.Request{Op: message.OpPublish})
	if err := s.WriteFrame(message.TypePolicy, policy); err != nil {
		r.t.Fatal(err)
	}
	if kind, body, err := s.ReadFrame(message.Limit); err != nil || kind != message.TypeEnd {
		r.t.Fatalf("%d %s %v", kind, body, err)
	}
}
