package cli

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/signing"
)

type fleetRetireCommand struct {
	Agents      []string `arg:"" name:"agent" help:"Agents by their IDs, or by host where one agent alone has that name."`
	Wipe        bool     `help:"Have them remove their keys when they learn of it."`
	draftFlag   `embed:""`
	signerFlags `embed:""`
}

// Run writes agents into the next policy as members no more.
func (c *fleetRetireCommand) Run(a *app) error {
	ids, err := c.meant(a)
	if err != nil {
		return err
	}
	p, err := c.draft(a)
	if err != nil {
		return err
	}
	text := p.Text()
	for _, id := range ids {
		if !slices.Contains(p.RevokedAgents(), id) {
			if text, err = withRevoked(text, "agents", id); err != nil {
				return err
			}
		}
		if c.Wipe && !slices.Contains(p.Wiped(), id) {
			if text, err = withRevoked(text, "wipe", id); err != nil {
				return err
			}
		}
	}
	next, err := signing.ParsePolicy(text)
	if err != nil {
		return err
	}
	what := "retires " + agents(len(ids))
	if c.Wipe {
		what += ", which remove their keys"
	}
	return c.write(a, next, what)
}

// meant gives the IDs of the agents that are named. The relay is asked only
// where a host is.
func (c *fleetRetireCommand) meant(a *app) ([]signing.ID, error) {
	var out []signing.ID
	var all []client.FleetAgent
	for _, name := range c.Agents {
		if id, err := signing.ParseID(strings.ToLower(name)); err == nil {
			out = append(out, id)
			continue
		}
		if all == nil {
			var err error
			if all, err = a.fleet(c.signerFlags); err != nil {
				return nil, err
			}
		}
		found := slices.DeleteFunc(slices.Clone(all), func(g client.FleetAgent) bool { return g.Host != name || g.Problem != nil })
		switch len(found) {
		case 0:
			return nil, fmt.Errorf("no agent %q\nhint: quaestor fleet lists them", name)
		case 1:
			out = append(out, found[0].ID)
		default:
			var ids []string
			for _, g := range found {
				ids = append(ids, g.ID.String())
			}
			return nil, fmt.Errorf("%d agents are called %q\nhint: name them by ID: %s", len(found), name, strings.Join(ids, ", "))
		}
	}
	return out, nil
}

var revokedHeader = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^[ \t]*\[revoked\][^\n]*\n?`) })

// withRevoked adds an ID to a list of those that a policy's text revokes.
func withRevoked(text []byte, list string, id signing.ID) ([]byte, error) {
	entry := fmt.Sprintf("%q", id)
	out := string(text)
	if at := revokedHeader().FindIndex(text); at == nil {
		out = strings.TrimRight(out, "\n") + fmt.Sprintf("\n\n[revoked]\n%s = [%s]\n", list, entry)
	} else {
		head, table, rest := out[:at[1]], out[at[1]:], ""
		if next := regexp.MustCompile(`(?m)^[ \t]*\[[a-z]`).FindStringIndex(table); next != nil {
			table, rest = table[:next[0]], table[next[0]:]
		}
		if !strings.HasSuffix(head, "\n") {
			head += "\n"
		}
		if open := regexp.MustCompile(`(?m)^[ \t]*` + list + `[ \t]*=[ \t]*\[`).FindStringIndex(table); open == nil {
			table = fmt.Sprintf("%s = [%s]\n", list, entry) + table
		} else {
			if !strings.HasPrefix(strings.TrimSpace(table[open[1]:]), "]") {
				entry += ", "
			}
			table = table[:open[1]] + entry + table[open[1]:]
		}
		out = head + table + rest
	}
	p, err := signing.ParsePolicy([]byte(out))
	if err == nil && !slices.Contains(revokedIn(p, list), id) {
		err = errors.New("it is not read from where it was written")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s could not be written into the policy; put it into %s of [revoked] by hand", entry, list), err)
	}
	return []byte(out), nil
}

func revokedIn(p *signing.Policy, list string) []signing.ID {
	switch list {
	case "tokens":
		return p.RevokedTokens()
	case "wipe":
		return p.Wiped()
	}
	return p.RevokedAgents()
}
