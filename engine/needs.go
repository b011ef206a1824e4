package engine

import (
	"fmt"
	"slices"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
)

// Needs are what a policy decides about before a plan runs.
type Needs struct {
	Modules []string // that the plan looks at, through links and subqueries too; sorted
	// Content names the columns with content of which something leaves the
	// host, or decides what does: "file.content"; sorted. To ask whether a
	// content contains something is not among them: that is a row, not its
	// content.
	Content     []string
	FollowLinks bool // symbolic links may lead out of the places that were named
	// Sends names those of Modules that send packets; sorted.
	Sends []string
}

// NeedsOf finds what a plan needs. The error wraps ErrRefused where the plan
// names what the catalogue does not have.
func NeedsOf(cat *modules.Catalogue, p *plan.Plan) (Needs, error) {
	n := Needs{FollowLinks: p.Limits.FollowLinks}
	for _, t := range slices.Concat(p.Tables, p.Subs) {
		for _, s := range t.Slots {
			schema, ok := cat.Schema(s.Module)
			if !ok {
				return Needs{}, fmt.Errorf("%w: there is no module %q here", ErrRefused, s.Module)
			}
			if p.Watch {
				schema = modules.Watched(schema)
			}
			n.Modules = append(n.Modules, s.Module)
			if schema.Sends {
				n.Sends = append(n.Sends, s.Module)
			}
			for _, name := range s.Columns {
				k, ok := schema.Column(name)
				if !ok {
					return Needs{}, fmt.Errorf("%w: the module %q has no column %q here", ErrRefused, s.Module, name)
				}
				if schema.Columns[k].Content {
					n.Content = append(n.Content, s.Module+"."+name)
				}
			}
		}
	}
	n.Modules = sortedSet(n.Modules)
	n.Content = sortedSet(n.Content)
	n.Sends = sortedSet(n.Sends)
	return n, nil
}

func sortedSet(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}
