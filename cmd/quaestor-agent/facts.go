package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"

	"github.com/quaestor-engine/quaestor/agent"
	"github.com/quaestor-engine/quaestor/value"
)

type factsCommand struct {
	JSON bool `help:"As JSON."`
}

// Run shows the facts.
func (c factsCommand) Run(s *system) error {
	o, err := s.options()
	if err != nil {
		return err
	}
	facts, err := agent.ReadFacts(s.ctx, o)
	if err != nil {
		return err
	}
	if c.JSON {
		out := map[string]json.RawMessage{}
		for k, v := range facts {
			out[k] = value.AppendJSON(nil, v)
		}
		return writeJSON(s.out, out)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	for _, k := range slices.Sorted(maps.Keys(facts)) {
		fmt.Fprintf(w, "%s\t%s\n", value.EscapeText(k), facts[k])
	}
	return w.Flush()
}
