package agent

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
)

// Limits that a plan leaves open are the agent's, below the ceilings.
func TestLimits(t *testing.T) {
	p := &plan.Plan{}
	setLimits(p, signing.Ceilings{Timeout: time.Minute, Rows: 10, Memory: 1 << 40, Workers: 1, Bytes: 7, Read: 8, OpenFiles: 9})
	if l := p.Limits; l.Timeout != time.Minute || l.Rows != 10 || l.Memory != defaultHeld || l.Workers != 1 ||
		l.Sent != 7 || l.Bytes != 8 || l.OpenFiles != 9 || l.IO != plan.IOIdle {
		t.Errorf("%+v", l)
	}
	p = &plan.Plan{Limits: plan.Limits{Timeout: time.Second, Rows: 3, Sent: 4, Bytes: 5, OpenFiles: 6, IO: plan.IOLow}}
	setLimits(p, signing.Ceilings{Timeout: time.Minute, Rows: 10, Memory: 5, Workers: 100, Bytes: 7, Read: 8, OpenFiles: 9})
	if l := p.Limits; l.Timeout != time.Second || l.Rows != 3 || l.Memory != 5 || l.Workers < 1 ||
		l.Sent != 4 || l.Bytes != 5 || l.OpenFiles != 6 || l.IO != plan.IOLow {
		t.Errorf("%+v", l)
	}
}

// What agent.toml says holds each plan where it is less than what the plan may
// otherwise, and is told as this host's own bound only then.
func TestHold(t *testing.T) {
	c := config{Timeout: length(time.Minute), Rows: 10, Read: 1, Sent: 2, OpenFiles: 64, IO: "low"}
	p := &plan.Plan{Limits: plan.Limits{Timeout: time.Hour, Rows: 100, OpenFiles: 100, IO: plan.IONormal}}
	own := c.hold(p)
	if l := p.Limits; l.Timeout != time.Minute || l.Rows != 10 || l.Bytes != 1<<20 || l.Sent != 2<<20 || l.OpenFiles != 64 || l.IO != plan.IOLow {
		t.Errorf("%+v", l)
	}
	sum := whose(own, answer.Summary{Reason: "stopped by rows", Limits: []string{"rows", "memory"}})
	if sum.Reason != "stopped by rows; agent.toml of this host allows 10 rows" {
		t.Errorf("%q", sum.Reason)
	}
	p = &plan.Plan{Watch: true, Limits: plan.Limits{Timeout: time.Hour, Rows: 1, Bytes: 2, Sent: 3, OpenFiles: 4, IO: plan.IOIdle}}
	want := p.Limits
	if own := c.hold(p); p.Limits != want || len(own) != 0 {
		t.Errorf("%+v, %v", p.Limits, own)
	}
	if own := (config{}).hold(p); p.Limits != want || len(own) != 0 {
		t.Errorf("%+v, %v", p.Limits, own)
	}
}

// An answer that is over a bound of the host ends partial, with the reason, and
// keeps what was found.
func TestHostHoldsPlans(t *testing.T) {
	for text, c := range map[string]struct{ limit, says string }{
		"rows = 3\n":     {"rows", "agent.toml of this host allows 3 rows"},
		"sent_mib = 1\n": {"sent", "agent.toml of this host allows 1MiB sent"},
	} {
		f := newFleet(t)
		dir := f.enroll()
		key, _, _ := strings.Cut(text, " ")
		editConfig(t, dir, key, text)
		a := f.open(dir, numbers{rows: 30_000})
		f.run(a)
		q := f.ask("FROM fleet FIND number")
		f.relay.offer(f.sign(q, f.asker))
		got := q.open(t, a, f.relay.answerOf(q.payload.ID))
		if got.sum.Outcome != answer.Partial || !slices.Contains(got.sum.Limits, c.limit) || !strings.Contains(got.sum.Reason, c.says) || len(got.rows) < 3 {
			t.Errorf("%q: %d rows, %+v", text, len(got.rows), got.sum)
		}
	}
}

// editConfig replaces a line of agent.toml.
func editConfig(t *testing.T, dir, key, line string) {
	t.Helper()
	name := filepath.Join(dir, configFile)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	i := strings.Index(string(b), "\n"+key+" = ") + 1
	if i == 0 {
		t.Fatalf("no %s in\n%s", key, b)
	}
	_, rest, _ := strings.Cut(string(b[i:]), "\n")
	if err := os.WriteFile(name, []byte(string(b[:i])+line+rest), 0o600); err != nil {
		t.Fatal(err)
	}
}
