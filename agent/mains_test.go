package agent

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/agent/sandbox"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
)

// A supplied runner is on a machine that lives on what it says.
type supplied struct {
	sandbox.Runner
	supply *atomic.Int32
}

// Supply implements sandbox.Runner.
func (s supplied) Supply(context.Context) (sandbox.Supply, error) {
	return sandbox.Supply(s.supply.Load()), nil
}

// What reads contents or hashes them is costly; what asks of names is not.
func TestCostly(t *testing.T) {
	cat, err := modules.NewCatalogue(std.Modules()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		slot plan.Slot
		want bool
	}{
		{plan.Slot{Module: "file", Columns: []string{"path", "size"}}, false},
		{plan.Slot{Module: "file", Columns: []string{"path", "sha256"}}, true},
		{plan.Slot{Module: "file", Columns: []string{"path"}, Questions: []plan.Question{{Kind: plan.Contains}}}, true},
		{plan.Slot{Module: "process", Columns: []string{"pid", "name"}}, false},
		{plan.Slot{Module: "nothing", Columns: []string{"x"}}, false},
	} {
		p := &plan.Plan{Subs: []*plan.Table{{Slots: []*plan.Slot{&c.slot}}}}
		if got := costly(cat, p); got != c.want {
			t.Errorf("%+v: %t", c.slot, got)
		}
	}
}

// Where the policy says so a costly plan waits for mains, a cheap one does not,
// and when the window closes first the answer says why nothing was looked at.
func TestOnBattery(t *testing.T) {
	for name, c := range map[string]struct {
		policy, query string
		waits         bool
	}{
		"costly":             {"wait", "FROM fleet FIND number RETURN dear", true},
		"cheap":              {"wait", "FROM fleet FIND number RETURN n", false},
		"the policy lets it": {"run", "FROM fleet FIND number RETURN dear", false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t)
			text := strings.Replace(f.policyText(1), "concurrent = 4\n", "concurrent = 4\non_battery = \""+c.policy+"\"\n", 1)
			f.policy = f.signPolicy(1, text, f.admin)
			f.relay = newFakeRelay(t, f.policy.Encode())
			a := f.open(f.enroll(), numbers{rows: 3})
			var supply atomic.Int32
			supply.Store(int32(sandbox.Battery))
			a.runner, a.mainsEvery = supplied{a.runner, &supply}, 10*time.Millisecond
			f.run(a)
			q := f.ask(c.query)
			f.relay.offer(f.sign(q, f.asker))
			if c.waits {
				eventually(t, "it waits", func() bool {
					s := a.Status()
					return len(s.Running) == 1 && strings.Contains(s.Running[0].Waits, "mains")
				})
				supply.Store(int32(sandbox.Mains))
			}
			got := q.open(t, a, f.relay.answerOf(q.payload.ID))
			if len(got.rows) != 3 || got.sum.Outcome != answer.Complete {
				t.Errorf("%d rows, %+v", len(got.rows), got.sum)
			}
		})
	}
}
