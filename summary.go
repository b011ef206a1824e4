package quaestor

import (
	"context"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// mergedPlaces is how many places of a kind a merged summary names.
const mergedPlaces = 10

// merge makes one account of several: the outcome is the worst, and numbers
// are added, so that what two queries looked at counts twice.
func merge(sums []answer.Summary) answer.Summary {
	if len(sums) == 1 {
		return sums[0]
	}
	all := answer.Summary{Looked: map[string]int64{}}
	var reasons []string
	kinds := map[modules.SkipKind]*answer.Skipped{}
	for _, s := range sums {
		all.Outcome = max(all.Outcome, s.Outcome)
		all.Matched += s.Matched
		for kind, n := range s.Looked {
			all.Looked[kind] += n
		}
		if s.Reason != "" && !slices.Contains(reasons, s.Reason) {
			reasons = append(reasons, s.Reason)
		}
		for _, k := range s.Skipped {
			addSkipped(kinds, k)
		}
		all.Limits = append(all.Limits, s.Limits...)
	}
	slices.Sort(all.Limits)
	all.Limits = slices.Compact(all.Limits)
	all.Reason = strings.Join(reasons, "; ")
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		all.Skipped = append(all.Skipped, *kinds[kind])
	}
	return all
}

func addSkipped(kinds map[modules.SkipKind]*answer.Skipped, k answer.Skipped) {
	to := kinds[k.Kind]
	if to == nil {
		to = &answer.Skipped{Kind: k.Kind}
		kinds[k.Kind] = to
	}
	to.Count += k.Count
	for _, f := range k.First {
		if len(to.First) < mergedPlaces && !slices.Contains(to.First, f) {
			to.First = append(to.First, f)
		}
	}
}

// hostname gives this host's name: what the module host says, or the system.
// A tree that does not say it has none.
func (s *LocalSession) hostname(ctx context.Context) value.Value {
	var name value.Value
	if m, ok := s.cat.Module("host"); ok {
		if i, ok := m.Schema().Column("hostname"); ok {
			req := &modules.Request{Host: modules.Host{Root: s.opts.Root, Now: s.opts.Now}, Columns: []int{i}, Workers: 1, Report: quiet{}}
			// A name that cannot be found out is null, which is what it is then shown as.
			_ = m.Scan(ctx, req, func(row modules.Row) error {
				v, err := row.Column(ctx, i)
				name = v.Clone()
				return err
			})
		}
	}
	if name.IsNull() && s.opts.Root == "" {
		if h, err := os.Hostname(); err == nil {
			name = value.NewText(h)
		}
	}
	return name
}

// quiet is a report about a fact that belongs to no answer.
type quiet struct{}

func (quiet) Looked(string, int64) {}
func (quiet) Skip(modules.Skip)    {}
