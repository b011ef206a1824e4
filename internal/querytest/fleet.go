package querytest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/engine"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// A fleet is the pretended hosts, asked as agents are: each decides itself
// whether it is meant, runs the plan in part, and what they find is merged.
// It implements quaestor.Answers.
type fleet struct {
	ctx   context.Context // of the case
	world *world
	plan  *plan.Plan
	meant []*host
	names map[*host]string // what they call themselves
	sums  []answer.Summary // of those that have answered, in their order
}

// aim finds the hosts that the query means.
func (f *fleet) aim(got *outcome) error {
	f.names = map[*host]string{}
	for _, h := range f.world.hosts {
		facts, err := engine.FactsOf(f.ctx, h.cat, f.host(h))
		if err != nil {
			return err
		}
		f.names[h] = facts["hostname"].Text()
		if !f.named(h) {
			continue
		}
		switch truth, err := f.engine(h).Matches(f.ctx, f.plan); {
		case errors.Is(err, engine.ErrRefused):
			got.unsure = append(got.unsure, fmt.Sprintf("%s refuses: %v", h.name, err))
		case err != nil:
			return err
		case truth == value.Unknown:
			got.unsure = append(got.unsure, fmt.Sprintf("whether %s is meant cannot be told from its facts", h.name))
		case truth == value.True:
			f.meant = append(f.meant, h)
			got.asked = append(got.asked, h.name)
		}
	}
	return nil
}

// named says whether what stands after FROM means the host, its facts aside.
func (f *fleet) named(h *host) bool {
	switch f.plan.Source {
	case "host":
		return slices.ContainsFunc(f.plan.Hosts, func(name string) bool {
			return strings.EqualFold(name, f.names[h]) || strings.EqualFold(name, f.agent(h))
		})
	case "hits", "misses":
		return slices.ContainsFunc(f.plan.Hosts, func(id string) bool {
			return slices.Contains(strings.FieldsFunc(h.given[f.plan.Source], func(r rune) bool { return r == ' ' || r == ',' }), id)
		})
	}
	return true
}

func (f *fleet) host(h *host) modules.Host {
	return modules.Host{Root: h.root, Now: f.Now}
}

// Now is the time at which groups of several hosts are added up.
func (f *fleet) Now() time.Time { return f.world.now }

func (f *fleet) engine(h *host) *engine.Engine {
	facts := plan.Facts(maps.Clone(h.more))
	if _, ok := facts["last_seen"]; !ok {
		facts["last_seen"] = value.NewTime(f.world.now)
	}
	return engine.New(h.cat, engine.Options{Host: f.host(h), Workers: 1, Partial: true, Facts: facts})
}

// agent gives the identity of a host's agent: what its facts say, or one that
// is always the same.
func (f *fleet) agent(h *host) string {
	if id := h.given["agent"]; id != "" {
		return id
	}
	sum := sha256.Sum256([]byte(h.name))
	return hex.EncodeToString(sum[:])
}

// Answers implements quaestor.Answers.
func (f *fleet) Answers(take func(quaestor.Answer) (int, error)) error {
	for _, h := range f.meant {
		run := f.engine(h).Start(f.ctx, f.plan)
		var failure error
		for row, err := range run.Rows() {
			if err != nil {
				break // the host's account says it
			}
			found := quaestor.Found{Table: row.Table}
			for _, v := range row.Values {
				found.Values = append(found.Values, v.Clone())
			}
			if _, failure = take(quaestor.Answer{Host: f.names[h], Agent: f.agent(h), Rows: []quaestor.Found{found}}); failure != nil {
				break
			}
		}
		f.sums = append(f.sums, run.Summary(0))
		if failure != nil {
			return failure
		}
	}
	return nil
}

// maxPlaces is how many places of a kind an account names.
const maxPlaces = 10

// Summaries implements quaestor.Answers: the answer is complete where every
// host that is meant answered in full.
func (f *fleet) Summaries() []answer.Summary {
	all := answer.Summary{Outcome: answer.Complete, Looked: map[string]int64{}}
	if len(f.meant) == 0 {
		all.Outcome, all.Reason = answer.Partial, "the target names no host"
	}
	kinds := map[modules.SkipKind]*answer.Skipped{}
	for i, s := range f.sums {
		if name := f.meant[i].name; s.Outcome != answer.Complete {
			all.Outcome = answer.Partial
			all.Reason = strings.TrimPrefix(all.Reason+"; "+strings.TrimSuffix(name+" "+s.Outcome.String()+": "+s.Reason, ": "), "; ")
		}
		for kind, n := range s.Looked {
			all.Looked[kind] += n
		}
		all.Limits = append(all.Limits, s.Limits...)
		for _, k := range s.Skipped {
			f.skipped(kinds, k, f.meant[i].name)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		all.Skipped = append(all.Skipped, *kinds[kind])
	}
	slices.Sort(all.Limits)
	all.Limits = slices.Compact(all.Limits)
	return []answer.Summary{all}
}

func (f *fleet) skipped(kinds map[modules.SkipKind]*answer.Skipped, k answer.Skipped, host string) {
	to := kinds[k.Kind]
	if to == nil {
		to = &answer.Skipped{Kind: k.Kind}
		kinds[k.Kind] = to
	}
	to.Count += k.Count
	for _, s := range k.First {
		if len(to.First) < maxPlaces {
			s.Where = host + ":" + s.Where
			to.First = append(to.First, s)
		}
	}
}

// Coverage implements quaestor.Answers.
func (f *fleet) Coverage() quaestor.Coverage {
	var c quaestor.Coverage
	for _, h := range f.meant {
		c.Agents = append(c.Agents, quaestor.Agent{Agent: f.agent(h), Host: f.names[h], State: quaestor.Reached})
	}
	return c
}

// Progress implements quaestor.Answers.
func (f *fleet) Progress() (map[string]int64, int64) { return nil, 0 }

// Close implements quaestor.Answers.
func (f *fleet) Close() error { return nil }
