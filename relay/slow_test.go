package relay_test

import (
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

// An agent that takes nothing holds no other: whoever is quick has each plan,
// and its answer is stored, while what is for the slow one waits; and when that
// one reads again it has all of them.
func TestSlowAgent(t *testing.T) {
	f := newFleet(t)
	slow, quick := f.agent("web-1", "linux"), f.agent("web-2", "linux")
	slow.settle()
	quick.settle()
	i := f.login(f.alice)
	const plans = 24
	text := strings.Repeat("x", 128<<10) // 3 MB in all: more than a window, and less than the outbox
	var asked []signing.ID
	for range plans {
		p := f.plan("")
		p.Compiled = (&plan.Plan{
			Source: "fleet", Tables: tables(), Facts: []string{"os"},
			Target: &plan.Cmp{Op: plan.Ne, X: &plan.Out{Index: 0, Name: "os"}, Y: &plan.Const{Value: value.NewText(text)}},
		}).Encode()
		i.submit(f.signed(p, f.alice))
		quick.wantPlan(p.ID)
		quick.say(message.TypeChunk, quick.chunk(p.ID, 0, true, "well"))
		quick.wantAck(quick.line, p.ID, 1)
		asked = append(asked, p.ID)
	}
	for _, id := range asked {
		slow.wantPlan(id)
	}
}
