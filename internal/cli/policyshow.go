package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/value"
)

type policyShowCommand struct {
	File string `arg:"" optional:"" help:"Text or signed (default: the policy in force)."`
	Text bool   `help:"The text itself."`
}

// Run shows a policy.
func (c *policyShowCommand) Run(a *app) error {
	name := c.File
	if name == "" {
		h, err := a.homeDir()
		if err != nil {
			return err
		}
		name = h.path(policyFile)
	}
	p, err := readPolicy(name)
	switch {
	case c.File == "" && errors.Is(err, fs.ErrNotExist):
		return errors.New("no policy is in force here\nhint: quaestor setup fetches the one of a fleet, and quaestor policy new begins one")
	case err != nil:
		return err
	case c.Text:
		_, err := a.Out.Write(p.policy.Text())
		return err
	}
	state := "not signed"
	if p.envelope != nil {
		state = signedBy(p.envelope, p.policy)
	}
	fmt.Fprintf(a.Out, "%s\nfleet %s, %s\n\n", value.EscapeText(describePolicy(p.policy)), p.policy.Fleet(), state)
	if err := a.showPeople(p.policy); err != nil {
		return err
	}
	fmt.Fprintln(a.Out)
	if err := a.showRules(p.policy); err != nil {
		return err
	}
	return a.showCeilings(p.policy)
}

func (a *app) showPeople(p *signing.Policy) error {
	l := list{}
	for _, name := range []string{"role", "weight", "key"} {
		l.column(name, value.Version)
	}
	l.column("name", value.Text)
	add := func(role, weight string, who signing.Principal) {
		name := who.Name
		if !who.Retired.IsZero() {
			name += ", retired " + who.Retired.UTC().Format("2006-01-02")
		}
		l.row(value.NewText(role), textOrNull(weight), value.NewText(string(who.Key.Fingerprint())), value.NewText(name))
	}
	for _, who := range p.Administrators() {
		add("administrator", "", who)
	}
	for _, who := range p.Investigators() {
		add("investigator", fmt.Sprint(who.Weight), who)
	}
	return a.list(l, "table")
}

func (a *app) showRules(p *signing.Policy) error {
	l := list{}
	for _, name := range []string{"module", "weight", "content", "weight for it"} {
		l.column(name, value.Version)
	}
	for _, name := range []string{"allow", "deny"} {
		l.column(name, value.Text)
	}
	for _, r := range p.Rules() {
		module, weight := r.Module, ""
		if module == "" {
			module = "(any other)"
		}
		if len(r.Content) > 0 {
			weight = fmt.Sprint(r.ContentWeight)
		}
		l.row(value.NewText(module), value.NewText(fmt.Sprint(r.Weight)), textOrNull(strings.Join(r.Content, ", ")), textOrNull(weight),
			textOrNull(strings.Join(r.Allow, " ")), textOrNull(strings.Join(r.Deny, " ")))
	}
	return a.list(l, "table")
}

func (a *app) showCeilings(p *signing.Policy) error {
	_, err := fmt.Fprintf(a.Out, "\nat most: %s\n", ceilingsText(p.Ceilings()))
	for _, r := range p.Rules() {
		module := r.Module
		if module == "" {
			module = "any other module"
		}
		if r.Watch && err == nil {
			_, err = fmt.Fprintf(a.Out, "plans with %s may watch\n", module)
		}
		if r.Standing > 0 && err == nil {
			_, err = fmt.Fprintf(a.Out, "plans with %s may stand, and look every %s at most\n", module, value.FormatDuration(r.Standing))
		}
	}
	for _, r := range []struct {
		what string
		ids  []signing.ID
	}{{"agents", p.RevokedAgents()}, {"tokens", p.RevokedTokens()}} {
		for _, id := range r.ids {
			if _, err := fmt.Fprintf(a.Out, "revoked %s: %s\n", strings.TrimSuffix(r.what, "s"), id); err != nil {
				return err
			}
		}
	}
	if err != nil {
		return err
	}
	upgrades := "agents install nothing"
	if p.Upgrades() {
		upgrades = fmt.Sprintf("agents install what %s sign", counted(p.Threshold(), "administrator", "administrators"))
	}
	if _, err := fmt.Fprintf(a.Out, "upgrades: %s\n", upgrades); err != nil {
		return err
	}
	return a.showLog(p.Log())
}

// showLog shows the rule about the transparency log.
func (a *app) showLog(r *signing.LogRule) error {
	if r == nil {
		_, err := fmt.Fprintln(a.Out, "no transparency log")
		return err
	}
	how := "kept, and agents do not ask for it"
	if r.Required {
		how = "agents run nothing that is not in it"
	}
	_, err := fmt.Fprintf(a.Out, "log %s: %s; %d of %d %s must sign\n", r.Keys.Origin(), how, r.Keys.Threshold(), len(r.Keys.Witnesses()), plural(len(r.Keys.Witnesses()), "witness", "witnesses"))
	for _, name := range r.Keys.Witnesses() {
		if err == nil {
			_, err = fmt.Fprintf(a.Out, "witness %s\n", name)
		}
	}
	return err
}

// doubts says what a policy speaks of that this version does not have: a
// misspelt column would allow nothing, and nobody would know why.
func (a *app) doubts(p *signing.Policy) ([]string, error) {
	cat, err := modules.NewCatalogue(std.Modules()...)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, r := range p.Rules() {
		if r.Module == "" {
			continue
		}
		s, ok := cat.Schema(r.Module)
		if !ok {
			out = append(out, fmt.Sprintf("there is no module %q here: there are %s", r.Module, strings.Join(cat.Names(), ", ")))
			continue
		}
		for _, name := range r.Content {
			switch i, ok := s.Column(name); {
			case !ok && !(name == "content" && s.Content):
				out = append(out, fmt.Sprintf("module %s has no column %q", r.Module, name))
			case ok && !s.Columns[i].Content:
				out = append(out, fmt.Sprintf("%s.%s is no content, and needs no rule", r.Module, name))
			}
		}
	}
	if r := p.Log(); r != nil {
		switch n, must := len(r.Keys.Witnesses()), r.Keys.Threshold(); {
		case must == 0:
			out = append(out, "[log]: no witness must sign: who has the relay can show one log to agents and another to auditors")
		case 2*must <= n:
			out = append(out, fmt.Sprintf("[log]: %d of %d witnesses must sign: two halves of them could sign two logs", must, n))
		}
	}
	if p.Threshold() == 1 && len(p.Administrators()) > 1 {
		out = append(out, "threshold is 1: one stolen key is enough to change everything")
	}
	return out, nil
}
