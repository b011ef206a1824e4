package cli

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/value"
)

type releaseStatusCommand struct {
	Release     string `arg:"" optional:"" name:"version" help:"Of this version alone (default: of all that the relay has)."`
	Agents      bool   `help:"Name every agent, and not only those that do not have it."`
	Format      string `default:"table" placeholder:"FORMAT" help:"table; or jsonl, json or csv: a row for each agent of each stage (default: ${default})."`
	signerFlags `embed:""`
}

// upgradeStates are the states of agents, as they are counted.
var upgradeStates = [...]string{"installed", "fetching", "waiting", "trying", "offered", "offline", "rolled-back", "failed", "refused", "newer"}

// Run shows how far releases are.
func (c *releaseStatusCommand) Run(a *app) error {
	s, err := a.dial(c.signerFlags)
	if err != nil {
		return err
	}
	all, err := s.Releases(a.ctx)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	fleet, err := a.fleetOf(s)
	if err := errors.Join(err, s.Close()); err != nil {
		return err
	}
	if c.Release != "" {
		all = slices.DeleteFunc(all, func(r client.Release) bool { return r.Release.Release != c.Release })
	}
	if len(all) == 0 {
		return fmt.Errorf("the relay has no such release\nhint: quaestor release publish sends one")
	}
	if c.Format == "table" {
		if err := a.showReleases(all, fleet); err != nil {
			return err
		}
	}
	return c.showAgents(a, all, fleet)
}

// showReleases counts the agents of each stage by what became of it there.
func (a *app) showReleases(all []client.Release, fleet []client.FleetAgent) error {
	now := time.Now()
	l := list{name: "releases"}
	for _, name := range []string{"release", "stage", "target", "agents"} {
		l.column(name, value.Version)
	}
	l.column("state", value.Text)
	for _, r := range all {
		state := "published"
		switch {
		case r.Problem != nil:
			state = r.Problem.Error()
		case !r.Complete:
			state = "programs are missing"
		}
		if len(r.Stages) == 0 {
			l.row(value.NewText(r.Release.Release), textOrNull(""), textOrNull(""), textOrNull(""), value.NewText(state+", rolled out to nobody"))
			continue
		}
		for _, st := range r.Stages {
			progress := st.Progress(fleet, now)
			text := countStates(progress)
			switch {
			case r.Problem != nil || !r.Complete:
				text = state
			case st.Problem != nil:
				text += "; over: " + st.Problem.Error()
			case now.Before(st.NotBefore):
				text += "; begins " + st.NotBefore.Format(time.RFC3339)
			}
			if n := st.Undecided(fleet, now); n > 0 {
				text += fmt.Sprintf("; of %s the facts are not known that would decide", agents(n))
			}
			l.row(value.NewText(r.Release.Release), value.NewText(fmt.Sprint(st.Number)), value.NewText(st.RollOut.Target), value.NewText(fmt.Sprint(len(progress))), textOrNull(text))
		}
	}
	return a.list(l, "table")
}

func countStates(list []client.Upgraded) string {
	n := map[string]int{}
	for _, u := range list {
		n[u.State]++
	}
	var out []string
	for _, state := range upgradeStates {
		if n[state] > 0 {
			out = append(out, fmt.Sprintf("%d %s", n[state], state))
		}
	}
	return strings.Join(out, ", ")
}

// showAgents names agents: those that do not have what they should, or all.
func (c *releaseStatusCommand) showAgents(a *app, all []client.Release, fleet []client.FleetAgent) error {
	l := list{name: "agents"}
	for _, name := range []string{"release", "stage", "host", "agent", "runs", "state"} {
		l.column(name, value.Version)
	}
	l.column("reason", value.Text)
	rows := 0
	for _, r := range all {
		for _, st := range r.Stages {
			list := st.Progress(fleet, time.Now())
			slices.SortFunc(list, func(x, y client.Upgraded) int {
				return cmp.Or(cmp.Compare(x.State, y.State), cmp.Compare(x.Agent.Host, y.Agent.Host))
			})
			for _, u := range list {
				if c.Format == "table" && !c.Agents && (u.State == "installed" || u.State == "newer") {
					continue
				}
				rows++
				l.row(value.NewText(r.Release.Release), value.NewText(fmt.Sprint(st.Number)), value.NewText(u.Agent.Host), value.NewText(u.Agent.ID.String()),
					textOrNull(u.Agent.Facts["agent_version"].Text()), value.NewText(u.State), textOrNull(u.Reason))
			}
		}
	}
	if rows == 0 && c.Format == "table" {
		return nil
	}
	if c.Format == "table" {
		fmt.Fprintln(a.Out)
	}
	return a.list(l, c.Format)
}
