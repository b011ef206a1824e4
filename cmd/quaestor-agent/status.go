package main

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/quaestor-engine/quaestor/agent"
	"github.com/quaestor-engine/quaestor/value"
)

type statusCommand struct {
	JSON bool `help:"As JSON."`
}

// Run shows the state of the agent, running or not.
func (c statusCommand) Run(s *system) error {
	o, err := s.options()
	if err != nil {
		return err
	}
	st, err := agent.ReadStatus(o)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(s.out, st)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	line := func(k, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", value.EscapeText(k), value.EscapeText(fmt.Sprintf(format, args...)))
	}
	line("agent", "%s", st.Agent)
	line("fleet", "%s (%s)", st.FleetName, st.Fleet)
	line("policy", "version %d", st.Policy)
	if !st.Retired.IsZero() {
		line("retired", "at %s: it has removed its keys and answers nothing; history still shows what was asked", stamp(st.Retired))
		line("hint", "%s", agent.ServiceEnd(runtime.GOOS))
		return w.Flush()
	}
	if st.Outcast != "" {
		line("not a member", "%s", st.Outcast)
	}
	for _, k := range slices.Sorted(maps.Keys(st.Tags)) {
		line("tag "+k, "%s", st.Tags[k])
	}
	if st.Earlier != "" {
		line("earlier", "%s", st.Earlier)
	}
	line("certificate", "good until %s", stamp(st.Certificate))
	switch {
	case st.Process == 0:
		line("running", "no; relays %s", strings.Join(st.Relays, ", "))
	case st.Relay == "":
		line("running", "process %d since %s", st.Process, stamp(st.Started))
		line("connected", "no: %s", st.Error)
		if !st.Again.IsZero() {
			line("", "it tries again at %s", stamp(st.Again))
		}
	default:
		line("running", "process %d since %s", st.Process, stamp(st.Started))
		line("connected", "to %s at %s since %s", st.Relay, st.Address, stamp(st.Connected))
	}
	line("sandbox", "%s", sandboxText(st.Sandbox))
	if u := st.Upgrade; u != nil {
		line("upgrade", "release %s %s at %s%s", u.Release, u.State, stamp(u.At), because(u.Reason))
	}
	line("waiting", "%s for a relay", value.FormatSize(st.Spooled))
	for _, p := range st.Running {
		line("plan", "%s since %s: %s", p.Plan, stamp(p.Since), p.Query)
		if p.Waits != "" {
			line("", "it waits %s", p.Waits)
		}
	}
	return w.Flush()
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// sandboxText says of the sandbox's word where it can be asked.
func sandboxText(word string) string {
	if word == "unknown" {
		word += ": no process that looks was started yet, and quaestor-agent doctor tries them"
	}
	return word
}
