// Package formats lists the formats that can be converted.
//
// [All] gives them to a program. The package holds the list and nothing else.
package formats

import (
	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/artifact"
	"github.com/quaestor-engine/quaestor/internal/convert/feed"
	"github.com/quaestor-engine/quaestor/internal/convert/mig"
	"github.com/quaestor-engine/quaestor/internal/convert/osquery"
	"github.com/quaestor-engine/quaestor/internal/convert/sigma"
)

// All gives the formats, those that are recognised by more of their text
// first.
func All() []convert.Format {
	rules := []convert.Format{
		mig.Format(),
		artifact.Format(),
		artifact.GRR(),
		osquery.Format(),
		sigma.Format(),
	}
	return append(rules, feed.Formats()...)
}
