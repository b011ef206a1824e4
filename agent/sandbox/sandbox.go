// Package sandbox is where an agent's scans run: in a child process of the same
// program, which may read the machine and do nothing else to it. The process
// that holds the identity key and the connection hands it a plan over a pipe,
// takes rows and the account from another, and never opens the endpoint's
// files itself.
//
// The agent's side needs [Children], or [Local] where a tree stands for a
// machine and nobody need be kept from anything; both are a [Runner]. The
// child's side is [Serve], which a main calls when [IsChild] says so. What
// keeps the child in is told in confine.go, door by door, and [Try] finds out
// whether each is shut. wire.go says what goes over the pipes.
//
// The package knows no relay and no key. Nothing that a child says is believed
// beyond its rows and its account, and it can make its agent hold no more than
// a frame of it.
package sandbox

import (
	"context"
	"iter"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/engine"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/value"
)

// A Runner looks at the machine for an agent.
type Runner interface {
	// Facts gives what targets can say of the machine: the columns of module
	// host, and what the firmware says of its cloud.
	Facts(ctx context.Context) (plan.Facts, error)
	// Matches says whether the target of a plan is true of the machine, of
	// which facts says what module host does not know.
	Matches(ctx context.Context, p *plan.Plan, facts plan.Facts) (value.Truth, error)
	// Supply says what the machine lives on.
	Supply(ctx context.Context) (Supply, error)
	// Start prepares a job. Nothing happens before its rows are asked for.
	Start(ctx context.Context, job Job) Scan
	// Close ends what the runner keeps.
	Close() error
}

// A Scan is a job while it runs: the part of engine.Run that agents need.
type Scan interface {
	// Rows runs it, as engine.Run does.
	Rows() iter.Seq2[engine.Row, error]
	// Summary gives the account of it, at any time; it is whole when Rows has
	// ended.
	Summary() answer.Summary
}

// A Job is what a plan needs to run.
type Job struct {
	Plan   *plan.Plan // with its limits set
	Policy *signing.Policy
	Facts  plan.Facts
	Own    OwnFiles            // what is no part of what is asked about
	Turn   *Turn               // says when it may work
	Self   func() modules.Self // what module agent shows; nil where there is none
	Host   func() modules.Host // of Local: the machine
	Limits Limits
	// Deaths is how many processes have died over the plan before: see
	// MaxDeaths. Died, where not nil, is told of each further one.
	Deaths int
	Died   func(why string)

	share *budget // of a processor, where Limits has one: of all children of the job
}

// MaxDeaths is how many processes may die over one plan, by a fault, or killed
// because they hung: whatever ends two of them would end a third.
const MaxDeaths = 2

// Limits are what a job's process may use, beside what its plan says.
type Limits struct {
	CPU     int64         `json:"cpu"`     // hundredths of one processor; 0: no bound
	Timeout time.Duration `json:"timeout"` // after which it is to have ended; 0: no bound
	Memory  int64         `json:"memory"`  // bytes; 0: no bound
	// OpenFiles is how many a process may have at once; 0: openFiles.
	OpenFiles int64   `json:"open_files"`
	IO        plan.IO `json:"io"`
}

// Local runs jobs in this process.
type Local struct {
	Catalogue *modules.Catalogue
	Host      func() modules.Host
}

// Facts gives what the machine says of itself.
func (l Local) Facts(ctx context.Context) (plan.Facts, error) {
	host := l.Host()
	f, err := engine.FactsOf(ctx, l.Catalogue, host)
	if err == nil {
		maps.Copy(f, cloudFacts(host.Root))
	}
	return f, err
}

// Matches asks the engine.
func (l Local) Matches(ctx context.Context, p *plan.Plan, facts plan.Facts) (value.Truth, error) {
	host := l.Host()
	return engine.New(l.Catalogue, engine.Options{Host: host, Facts: withCloud(facts, p, host.Root)}).Matches(ctx, p)
}

// Supply reads what the machine says of it.
func (l Local) Supply(context.Context) (Supply, error) { return supplyOf(l.Host().Root), nil }

// Start makes an engine of one plan, whose turn comes and goes.
func (l Local) Start(ctx context.Context, job Job) Scan {
	host := l.Host()
	allowance := newAllowance(job.Policy, host)
	host.Allow = allowance.ofFiles()
	var shadowed []string
	if host.Root == "" {
		shadowed = Shadows()
	}
	host.Deny = shaded(job.Policy.Denier(fileModule), shadowed)
	if len(job.Own) > 0 {
		host.Own = job.Own.Has
	}
	if job.Self != nil {
		host.Self = job.Self
	}
	allowed := allowance.permitted(l.Catalogue, job.Own)
	e := engine.New(l.Catalogue, engine.Options{
		Host: host, Workers: int(job.Plan.Limits.Workers), Partial: true, Facts: withCloud(job.Facts, job.Plan, host.Root),
		Permit: func(module, place string) modules.SkipKind {
			job.Turn.Pass(ctx)
			return allowed(module, place)
		},
	})
	job.Turn.Pass(ctx)
	needs, _ := engine.NeedsOf(l.Catalogue, job.Plan) // of a plan that has none, the rule of file says all
	return scan{e.Start(ctx, job.Plan), job.Policy, needs.Modules, shadowed}
}

// Close has nothing to end.
func (Local) Close() error { return nil }

// withCloud adds what the firmware says, where the plan speaks of it; what was
// stated comes first.
func withCloud(facts plan.Facts, p *plan.Plan, root string) plan.Facts {
	if !slices.ContainsFunc(p.Facts, func(name string) bool { return strings.HasPrefix(name, "cloud.") }) {
		return facts
	}
	f := cloudFacts(root)
	maps.Copy(f, facts)
	return f
}

// A scan is the run of one plan.
type scan struct {
	*engine.Run
	policy   *signing.Policy
	modules  []string
	shadowed []string // see Shadows
}

// Summary gives the account of the one plan. What the policy denies is named
// by the glob that denies it: a name is something that was looked at.
func (s scan) Summary() answer.Summary {
	sum := s.Run.Summary(0)
	for i, k := range sum.Skipped {
		if k.Kind != modules.SkipPolicy {
			continue
		}
		first := slices.Clone(k.First)
		tellShadows(first, s.shadowed)
		for j := range first {
			first[j].Where = s.policy.Veiled(first[j].Where, s.modules)
		}
		sum.Skipped[i].First = first
	}
	return sum
}

// localName is the path of a file below a root.
func localName(root, name string) string { return filepath.Join(root, filepath.FromSlash(name)) }
