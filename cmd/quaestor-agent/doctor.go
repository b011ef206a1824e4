package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/quaestor-engine/quaestor/agent"
	"github.com/quaestor-engine/quaestor/value"
)

type doctorCommand struct {
	JSON bool `help:"As JSON."`
}

// Run shows what keeps the processes that look from doing more.
func (c doctorCommand) Run(s *system) error {
	o, err := s.options()
	if err != nil {
		return err
	}
	checkups, err := agent.Examine(s.ctx, o)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(s.out, checkups)
	}
	if len(checkups) == 0 {
		_, err := fmt.Fprintln(s.out, "sandbox  off: scans run in the process that holds the keys\nhint: write sandbox = \"on\" into agent.toml")
		return err
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	for _, k := range checkups {
		fmt.Fprintf(w, "a child that looks at %s:\n", k.Kind)
		for _, d := range k.Doors {
			state := "open"
			if d.Shut {
				state = "shut"
			}
			fmt.Fprintf(w, "  %s\t%s\t%s\n", state, d.Name, value.EscapeText(d.How))
		}
	}
	return w.Flush()
}
