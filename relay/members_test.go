package relay

import (
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/value"
)

// Facts that an agent tells are verified, and so are those that other relays
// kept; what a relay that is alone has kept it has verified before.
func TestFactsAreVerifiedOnce(t *testing.T) {
	own, err := signing.NewIdentity()
	another, err2 := signing.NewIdentity()
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	facts := plan.EncodeFacts(plan.Facts{"os": value.NewText("linux")})
	statement := func(by *signing.Identity, kind string) []byte {
		return signing.NewStatement(by, kind, time.Now(), facts).Encode()
	}
	for name, x := range map[string]struct {
		text             []byte
		told, kept, mine bool // whether it is taken: from the agent, of others, of the relay's own folder
	}{
		"its own":          {statement(own, kindFacts), true, true, true},
		"those of another": {statement(another, kindFacts), false, false, true},
		"of another kind":  {statement(own, "stop"), false, false, false},
		"none":             {[]byte("{}"), false, false, false},
	} {
		for i, how := range []func(r *Relay, a *agent) error{
			func(r *Relay, a *agent) error { return r.learn(a, x.text) },
			func(r *Relay, a *agent) error { return r.relearn(a, x.text) },
			func(r *Relay, a *agent) error { r.spine.records.together = true; return r.relearn(a, x.text) },
		} {
			r := &Relay{facts: newFactTable(), spine: &spine{records: &committer{}}}
			a := &agent{member: signing.Member{Public: own.Public()}}
			err := how(r, a)
			if want := []bool{x.told, x.kept, x.mine}[i]; (err == nil) != want || (a.facts != nil) != want {
				t.Errorf("%s, way %d: %v, %v", name, i, a.facts, err)
			}
		}
	}
}
