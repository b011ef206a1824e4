package agent

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/agent/sandbox"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/value"
)

// Limits of a plan that does not say, before the ceilings of the policy.
const (
	defaultTimeout = 15 * time.Minute
	defaultRows    = 1_000_000
	defaultHeld    = 256 << 20 // bytes
)

// setLimits gives each limit that the plan leaves open the agent's default,
// below the ceilings of the policy. What is not bounded by any of them is
// bounded by the plan's time.
func setLimits(p *plan.Plan, c signing.Ceilings) {
	l := &p.Limits
	if l.Timeout == 0 && !p.Watch { // watching lasts as long as the window
		l.Timeout = min(defaultTimeout, c.Timeout)
	}
	if l.Rows == 0 {
		l.Rows = min(defaultRows, c.Rows)
	}
	if l.Memory == 0 {
		l.Memory = min(defaultHeld, c.Memory)
	}
	if l.Workers == 0 {
		l.Workers = max(1, min(workers(), c.Workers))
	}
	l.CPU = cmp.Or(l.CPU, c.CPU)
	l.Bytes = cmp.Or(l.Bytes, c.Read)
	l.Sent = cmp.Or(l.Sent, c.Bytes)
	l.OpenFiles = cmp.Or(l.OpenFiles, c.OpenFiles)
	l.IO = max(l.IO, plan.IOIdle)
}

// hold bounds a plan by what agent.toml says, and gives in words the bounds
// that are this host's own, by the name that a summary has for each.
func (c config) hold(p *plan.Plan) map[string]string {
	l, own := &p.Limits, map[string]string{}
	least := func(to *int64, bound int64, name, words string) {
		if bound > 0 && (*to == 0 || *to > bound) {
			*to, own[name] = bound, words
		}
	}
	if !p.Watch {
		timeout, bound := int64(l.Timeout), time.Duration(c.Timeout)
		least(&timeout, int64(bound), "timeout", value.FormatDuration(bound))
		l.Timeout = time.Duration(timeout)
	}
	least(&l.Rows, c.Rows, "rows", fmt.Sprintf("%d rows", c.Rows))
	least(&l.Bytes, c.Read<<20, "bytes", value.FormatSize(c.Read<<20)+" read")
	least(&l.Sent, c.Sent<<20, "sent", value.FormatSize(c.Sent<<20)+" sent")
	least(&l.OpenFiles, c.OpenFiles, "", "")
	if most, ok := plan.ParseIO(c.IO); ok {
		l.IO = min(l.IO, most)
	}
	return own
}

// whose says of bounds that cut an answer which of them are this host's own.
func whose(own map[string]string, sum answer.Summary) answer.Summary {
	var words []string
	for _, name := range sum.Limits {
		if w := own[name]; w != "" && !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	if len(words) > 0 {
		sum.Reason = join(sum.Reason, "agent.toml of this host allows "+strings.Join(words, ", "))
	}
	return sum
}

// limitsOf are what processes may use that look for a plan.
func limitsOf(l plan.Limits) sandbox.Limits {
	return sandbox.Limits{CPU: l.CPU, Timeout: l.Timeout, Memory: l.Memory + beside, OpenFiles: l.OpenFiles, IO: l.IO}
}

// beside is what a process that looks may hold beside what a plan keeps:
// buffers of files, the program itself. In bytes.
const beside = 256 << 20

// checkHeld: what the plan asks to be bounded can be bounded here.
func (a *Agent) checkHeld(l plan.Limits) error {
	if _, apart := a.runner.(*sandbox.Children); !apart && (l.CPU > 0 || l.OpenFiles > 0 || l.IO > plan.IOIdle) {
		return refusal(signing.CodeLimit, "the plan says what it may use of a processor, of open files or of a disk, and this agent looks in its own process, which it cannot hold to that: its sandbox is off")
	}
	if l.OpenFiles > 0 && !sandbox.HoldsFiles {
		return refusal(signing.CodeLimit, "the plan bounds the files that are open, and on this system nobody holds it to that")
	}
	return nil
}
