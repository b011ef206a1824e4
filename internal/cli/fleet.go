package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/internal/render"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

type fleetCommand struct {
	List    fleetListCommand    `cmd:"" default:"withargs" help:"List the agents that a target means (without a command)."`
	Show    fleetShowCommand    `cmd:"" help:"Show all that is known of some agents."`
	Summary fleetSummaryCommand `cmd:"" help:"Count the agents by what they are."`
	Retire  fleetRetireCommand  `cmd:"" help:"Write the next version of the policy, in which agents are members no more."`
}

type fleetListCommand struct {
	targetFlags `embed:""`
	Format      string `default:"table" placeholder:"FORMAT" help:"table, jsonl, json or csv (default: ${default})."`
}

type fleetShowCommand struct {
	Hosts       []string `arg:"" name:"host" help:"Hosts, or agents by the front of their IDs."`
	signerFlags `embed:""`
}

type fleetSummaryCommand struct {
	targetFlags `embed:""`
}

// targetFlags are a target, as it stands in a query between FROM fleet and
// FIND.
type targetFlags struct {
	Where       []string `arg:"" optional:"" help:"WHERE and a predicate over facts, as in a query: WHERE os = linux AND tags.team = web."`
	signerFlags `embed:""`
}

// plan makes a plan whose target is the predicate.
func (t *targetFlags) plan() (*plan.Plan, error) {
	where := strings.TrimSpace(strings.Join(t.Where, " "))
	if front, rest, _ := strings.Cut(where, " "); strings.EqualFold(front, "where") {
		where = strings.TrimSpace(rest)
	}
	text := "FROM fleet FIND host"
	if where != "" {
		text = "FROM fleet WHERE " + where + " FIND host"
	}
	local, err := quaestor.LocalWith(quaestor.Options{})
	if err != nil {
		return nil, err
	}
	defer local.Close()
	c, err := local.Compile(lang.Source{Name: "target", Text: text})
	if err != nil {
		return nil, &exit{ExitWrong, err}
	}
	if len(c.Queries) != 1 {
		return nil, &exit{ExitWrong, fmt.Errorf("quaestor: %q is no single predicate", where)}
	}
	return c.Queries[0].Plan, nil
}

// meant gives the agents for which the target is true, by host. Those of whom
// too little is known, and those that are no members, are said on the side.
func (t *targetFlags) meant(a *app) ([]client.FleetAgent, error) {
	p, err := t.plan()
	if err != nil {
		return nil, err
	}
	all, err := a.fleet(t.signerFlags)
	if err != nil {
		return nil, err
	}
	var out []client.FleetAgent
	unknown := 0
	for _, g := range all {
		if g.Problem != nil {
			continue
		}
		switch g.Meets(p, time.Now()) {
		case value.True:
			out = append(out, g)
		case value.Unknown:
			unknown++
		}
	}
	if unknown > 0 {
		fmt.Fprintf(a.Err, "warning: of %s the facts are not known that would decide\n", agents(unknown))
	}
	return out, nil
}

// fleet asks the relay for all agents, and says which of them are none.
func (a *app) fleet(who signerFlags) ([]client.FleetAgent, error) {
	s, err := a.dial(who)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return a.fleetOf(s)
}

// fleetOf is fleet over a connection that there is.
func (a *app) fleetOf(s *link) ([]client.FleetAgent, error) {
	all, err := s.Fleet(a.ctx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(x, y client.FleetAgent) int {
		return cmp.Or(cmp.Compare(x.Host, y.Host), cmp.Compare(x.ID.String(), y.ID.String()))
	})
	for _, g := range all {
		if g.Problem != nil {
			fmt.Fprintf(a.Err, "warning: %s is left out: %s\n", render.HostOf(g.Host, g.ID.String()), value.EscapeText(g.Problem.Error()))
		}
	}
	return all, nil
}

// Run lists agents, and says how many a question would reach.
func (c *fleetListCommand) Run(a *app) error {
	found, err := c.meant(a)
	if err != nil {
		return err
	}
	return c.show(a, found)
}

func (c *fleetListCommand) show(a *app, found []client.FleetAgent) error {
	l := list{name: "fleet"}
	for _, name := range []string{"host", "state"} {
		l.column(name, value.Version)
	}
	if c.Format != "table" {
		l.column("agent", value.Version)
	}
	for _, name := range []string{"os", "distro", "version", "agent_version"} {
		l.column(name, value.Version)
	}
	l.column("seen", value.Time)
	l.column("tags", value.Text)
	online := 0
	for _, g := range found {
		state := "offline"
		if g.Online {
			state = "online"
			online++
		}
		cells := []value.Value{value.NewText(g.Host), value.NewText(state)}
		if c.Format != "table" {
			cells = append(cells, value.NewText(g.ID.String()))
		}
		for _, name := range []string{"os", "distro", "version", "agent_version"} {
			cells = append(cells, textOrNull(g.Facts[name].Text()))
		}
		l.row(append(cells, seconds(g.Seen), textOrNull(tagsText(g.Member.Tags)))...)
	}
	if err := a.list(l, c.Format); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.Err, "%s, %d online\n", agents(len(found)), online)
	return err
}

// Run shows agents.
func (c *fleetShowCommand) Run(a *app) error {
	all, err := a.fleet(c.signerFlags)
	if err != nil {
		return err
	}
	for i, name := range c.Hosts {
		found := slices.DeleteFunc(slices.Clone(all), func(g client.FleetAgent) bool {
			const least = 4 // digits of an ID, so that no short host name is taken for one
			return g.Host != name && !(len(name) >= least && strings.HasPrefix(g.ID.String(), strings.ToLower(name)))
		})
		if len(found) == 0 {
			return fmt.Errorf("no agent %q\nhint: quaestor fleet lists them", name)
		}
		for k, g := range found {
			if i+k > 0 {
				fmt.Fprintln(a.Out)
			}
			if err := a.showAgent(g); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *app) showAgent(g client.FleetAgent) error {
	l := list{}
	l.column("fact", value.Version)
	l.column("value", value.Text)
	add := func(name, text string) { l.row(value.NewText(name), textOrNull(text)) }
	state := "offline"
	if g.Online {
		state = "online"
	}
	add("agent", g.ID.String())
	add("state", state)
	add("seen", g.Seen.UTC().Format(time.RFC3339))
	if g.Problem != nil {
		add("not a member", g.Problem.Error())
	} else {
		add("enrolled", g.Member.Enrolled.UTC().Format(time.RFC3339))
		add("token", g.Member.Token.String())
	}
	for _, name := range slices.Sorted(maps.Keys(g.Facts)) {
		add(name, g.Facts[name].String())
	}
	return a.list(l, "table")
}

// Run counts agents.
func (c *fleetSummaryCommand) Run(a *app) error {
	found, err := c.meant(a)
	if err != nil {
		return err
	}
	return a.summarise(found)
}

func (a *app) summarise(found []client.FleetAgent) error {
	l := list{name: "summary"}
	l.column("fact", value.Version)
	l.column("value", value.Version)
	l.column("agents", value.Int)
	count := map[string]map[string]int{}
	add := func(fact, v string) {
		if count[fact] == nil {
			count[fact] = map[string]int{}
		}
		count[fact][v]++
	}
	for _, g := range found {
		add("state", map[bool]string{true: "online", false: "offline"}[g.Online])
		add("os", g.Facts["os"].String())
		add("arch", g.Facts["arch"].String())
		add("distro", strings.TrimSpace(g.Facts["distro"].String()+" "+g.Facts["version"].String()))
		add("agent_version", g.Facts["agent_version"].String())
		for name, v := range g.Member.Tags {
			add("tags."+name, v)
		}
	}
	for _, fact := range slices.Sorted(maps.Keys(count)) {
		values := slices.SortedFunc(maps.Keys(count[fact]), func(x, y string) int {
			return cmp.Or(-cmp.Compare(count[fact][x], count[fact][y]), cmp.Compare(x, y))
		})
		for _, v := range values {
			l.row(value.NewText(fact), textOrNull(v), value.NewInt(int64(count[fact][v])))
		}
	}
	return a.list(l, "table")
}
