package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
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
	bounds, err := agent.ExamineBounds(s.ctx, o)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(s.out, map[string]any{"children": checkups, "bounds": bounds})
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	if len(checkups) == 0 {
		fmt.Fprintln(w, "sandbox  off: scans run in the process that holds the keys\nhint: write sandbox = \"on\" into agent.toml")
	}
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
	showBounds(w, bounds)
	return w.Flush()
}

// showBounds shows what holds plans here, beside what they say themselves.
func showBounds(w io.Writer, b agent.Bounds) {
	line := func(name, text string) { fmt.Fprintf(w, "  %s\t%s\n", name, value.EscapeText(text)) }
	number := func(name string, n int64, text string) {
		if n == 0 {
			text = "no bound"
		}
		line(name, text)
	}
	fmt.Fprintln(w, "all plans together, by agent.toml:")
	number("cpu", b.CPU, fmt.Sprintf("%d %% of one processor", b.CPU))
	number("memory", b.Memory, value.FormatSize(b.Memory))
	fmt.Fprintln(w, "each plan, by agent.toml:")
	line("timeout", cmp.Or(b.Timeout, "no bound"))
	number("rows", b.Rows, fmt.Sprint(b.Rows))
	number("read", b.Read, value.FormatSize(b.Read))
	number("sent", b.Sent, value.FormatSize(b.Sent))
	number("open files", b.OpenFiles, fmt.Sprint(b.OpenFiles))
	line("io", b.IO+" at best")
	fmt.Fprintln(w, "this machine:")
	line("lives on", b.Supply+"; on its battery, scans that read contents "+b.OnBattery+" by the policy")
	if len(b.Shadows) > 0 {
		line("hidden", strings.Join(b.Shadows, ", ")+": the unit of the service shows it something else there; answers name what they left out")
	}
	line("control group", cmp.Or(b.Group, "no child is started: the sandbox is off"))
}
