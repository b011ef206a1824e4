package agent

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/host"
	"github.com/quaestor-engine/quaestor/modules/self"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
)

// knocker stands for a module that sends: it writes down where it would.
type knocker struct {
	numbers
	sent *[]string
}

func (knocker) Schema() *modules.Schema {
	s := *numbers{}.Schema()
	s.Name, s.Sends = "knocker", true
	s.Locator = modules.Locator{Use: modules.LocatorRequired, Column: "text", Doc: "A place.", Example: "/tcp/192.0.2.1/80"}
	return &s
}

func (k knocker) Scan(_ context.Context, req *modules.Request, _ func(modules.Row) error) error {
	for _, l := range req.Locators {
		if kind := req.Permit(l); kind != "" {
			req.Report.Skip(modules.Skip{Kind: kind, Where: l})
			continue
		}
		*k.sent = append(*k.sent, l)
	}
	return nil
}

// asks makes a plan with modules that the other tests do not have.
func (f *fleet) asks(query string, mods ...modules.Module) *question {
	s, err := quaestor.LocalWith(quaestor.Options{Modules: append(mods, host.New())})
	if err != nil {
		f.t.Fatal(err)
	}
	c, err := s.Compile(lang.Source{Name: "test", Text: query})
	if err != nil {
		f.t.Fatal(err)
	}
	return f.planned(s.Catalogue(), c.Queries[0].Plan)
}

// A module that sends packets runs where the policy names it, however much the
// default rule allows, and sends where its rule lets it. What the policy says
// of files is nothing to it.
func TestSendersAreNamed(t *testing.T) {
	const query = "FROM fleet FIND knocker '/tcp/192.0.2.1/80', '/tcp/10.0.0.7/80', '/tcp/10.0.0.8/80'"
	for name, x := range map[string]struct {
		rule string
		sent []string // nil: the plan is refused
		left int64
	}{
		"no rule":         {"", nil, 0},
		"its rule":        {"[module.knocker]\nweight = 1\n", []string{"/tcp/192.0.2.1/80", "/tcp/10.0.0.7/80", "/tcp/10.0.0.8/80"}, 0},
		"places":          {"[module.knocker]\nweight = 1\nallow = [\"/tcp/10.0.0.*/80\"]\ndeny = [\"/tcp/10.0.0.8\"]\n", []string{"/tcp/10.0.0.7/80"}, 2},
		"a rule of files": {"[module.knocker]\nweight = 1\ndeny = [\"/tcp/10.*/**\"]\n", []string{"/tcp/192.0.2.1/80"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t)
			text := strings.Replace(f.policyText(1), "allow = []\n", "allow = [\"/etc/**\"]\n", 1)
			text = strings.Replace(text, "[ceilings]", x.rule+"\n[ceilings]", 1)
			f.policy = f.signPolicy(1, text, f.admin)
			f.relay = newFakeRelay(t, f.policy.Encode())
			var sent []string
			a := f.open(f.enroll(), knocker{sent: &sent})
			f.run(a)
			q := f.asks(query, knocker{})
			f.relay.offer(f.sign(q, f.asker))
			got := q.open(t, a, f.relay.answerOf(q.payload.ID))
			if !slices.Equal(sent, x.sent) {
				t.Errorf("sent to %q, not %q", sent, x.sent)
			}
			switch {
			case x.sent == nil:
				if got.sum.Outcome != answer.Refused || !strings.HasPrefix(got.sum.Reason, signing.CodeModule+": ") || !strings.Contains(got.sum.Reason, "[module.knocker]") {
					t.Errorf("%+v", got.sum)
				}
			case x.left == 0:
				if got.sum.Outcome != answer.Complete {
					t.Errorf("%+v", got.sum)
				}
			default:
				if len(got.sum.Skipped) != 1 || got.sum.Skipped[0].Kind != modules.SkipPolicy || got.sum.Skipped[0].Count != x.left {
					t.Errorf("%+v", got.sum)
				}
			}
		})
	}
}

// An agent tells what it is; what was asked of it by others it does not.
func TestItself(t *testing.T) {
	f := newFleet(t)
	a := f.open(f.enroll(), append(self.Modules(), numbers{rows: 3})...)
	f.run(a)
	first := f.ask("FROM fleet FIND number")
	f.relay.offer(f.sign(first, f.asker))
	first.open(t, a, f.relay.answerOf(first.payload.ID))
	q := f.asks("FROM fleet FIND agent RETURN kind, version, policy, id, fleet, fleet_name, relay, running, asked, refused, last_plans, journal_size > 0B, max_rows, max_timeout, uptime >= 0s, certificate_expires > now, outcast", self.Modules()...)
	f.relay.offer(f.sign(q, f.asker))
	got := q.open(t, a, f.relay.answerOf(q.payload.ID))
	if len(got.rows) != 1 {
		t.Fatalf("%v, %+v", got.rows, got.sum)
	}
	var texts []string
	for _, v := range got.rows[0] {
		texts = append(texts, v.String())
	}
	want := []string{"agent", "1.2.3", "1", a.ID().String(), f.id.String(), "test", "fake", "1", "2", "0",
		"[" + q.payload.ID.String() + ", " + first.payload.ID.String() + "]", "true", "1000000", "10m", "true", "true", ""}
	if !slices.Equal(texts, want) {
		t.Errorf("%q\nnot\n%q", texts, want)
	}
	if d := a.describe(); d.Started.After(time.Now()) || d.LastAt.Before(d.Started) {
		t.Errorf("%+v", d)
	}
}
