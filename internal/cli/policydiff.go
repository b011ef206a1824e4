package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/value"
)

type policyDiffCommand struct {
	File string `arg:"" default:"policy.toml" help:"The next version, text or signed (default: ${default})."`
	From string `placeholder:"FILE" help:"The version before (default: the one in force)."`
}

// Run shows what a policy changes.
func (c *policyDiffCommand) Run(a *app) error {
	next, err := readPolicy(c.File)
	if err != nil {
		return &exit{ExitWrong, err}
	}
	before, err := a.policyInForce(c.From)
	if err != nil {
		return err
	}
	if before.Fleet() != next.policy.Fleet() {
		return &exit{ExitWrong, errors.New("these are the policies of two fleets")}
	}
	if err := diffPolicies(a.Out, before, next.policy); err != nil {
		return err
	}
	switch more := needed(next.envelope, before, next.policy); {
	case next.policy.Version() <= before.Version():
		fmt.Fprintf(a.Err, "nobody accepts it: version %d is there, and versions only grow\n", before.Version())
	case more != "":
		fmt.Fprintln(a.Err, more)
	default:
		fmt.Fprintln(a.Err, "nobody's signature is missing")
	}
	return nil
}

// diffPolicies writes what differs, a line each: + is new, - is gone, ~ has
// changed.
func diffPolicies(w io.Writer, before, next *signing.Policy) error {
	var lines []string
	line := func(mark, format string, args ...any) {
		lines = append(lines, mark+" "+value.EscapeText(fmt.Sprintf(format, args...)))
	}
	if before.Version() != next.Version() {
		line("~", "version %d, was %d", next.Version(), before.Version())
	}
	if before.Name() != next.Name() {
		line("~", "name %q, was %q", next.Name(), before.Name())
	}
	if before.Threshold() != next.Threshold() {
		line("~", "threshold %d, was %d", next.Threshold(), before.Threshold())
	}
	if word := map[bool]string{true: signing.UpgradeSigned, false: signing.UpgradeNever}; before.Upgrades() != next.Upgrades() {
		line("~", "upgrade %s, was %s", word[next.Upgrades()], word[before.Upgrades()])
	}
	diffPeople(line, administrator, before, next)
	diffPeople(line, investigator, before, next)
	diffRules(line, before, next)
	if before.Ceilings() != next.Ceilings() {
		line("~", "ceilings %s, were %s", ceilingsText(next.Ceilings()), ceilingsText(before.Ceilings()))
	}
	diffLog(line, before.Log(), next.Log())
	for _, r := range []struct {
		what string
		of   func(*signing.Policy) []signing.ID
	}{{"agent", (*signing.Policy).RevokedAgents}, {"token", (*signing.Policy).RevokedTokens}, {"and wiped agent", (*signing.Policy).Wiped}} {
		for _, id := range missingFrom(r.of(before), r.of(next)) {
			line("+", "revoked %s %s", r.what, id)
		}
		for _, id := range missingFrom(r.of(next), r.of(before)) {
			line("-", "revoked %s %s", r.what, id)
		}
	}
	if len(lines) == 0 && !bytes.Equal(before.Text(), next.Text()) {
		line("~", "words alone: comments, blanks or order")
	}
	if len(lines) == 0 {
		return nil
	}
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}

func diffPeople(line func(mark, format string, args ...any), r role, before, next *signing.Policy) {
	for _, q := range r.of(next) {
		was, ok := find(r.of(before), q.Key)
		if !ok {
			line("+", "%s %q, %s%s", r, q.Name, q.Key.Fingerprint(), weightText(r, q))
			continue
		}
		for _, c := range []struct{ what, is, was string }{
			{"name", q.Name, was.Name}, {"weight", fmt.Sprint(q.Weight), fmt.Sprint(was.Weight)},
			{"retired", timeText(q.Retired), timeText(was.Retired)}, {"key expires", timeText(q.Key.Expires()), timeText(was.Key.Expires())},
		} {
			if c.is != c.was {
				line("~", "%s %q: %s %s, was %s", r, q.Name, c.what, c.is, c.was)
			}
		}
	}
	for _, q := range r.of(before) {
		if _, ok := find(r.of(next), q.Key); !ok {
			line("-", "%s %q, %s%s", r, q.Name, q.Key.Fingerprint(), weightText(r, q))
		}
	}
}

func weightText(r role, q signing.Principal) string {
	if r == administrator {
		return ""
	}
	return fmt.Sprintf(", weight %d", q.Weight)
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}

func diffRules(line func(mark, format string, args ...any), before, next *signing.Policy) {
	text := func(r signing.Rule) string {
		return fmt.Sprintf("weight %d, content %v for %d, allow %q, deny %q, follow_links %t, standing %s, watch %t",
			r.Weight, r.Content, r.ContentWeight, r.Allow, r.Deny, r.FollowLinks, value.FormatDuration(r.Standing), r.Watch)
	}
	of := func(p *signing.Policy, module string) (signing.Rule, bool) {
		i := slices.IndexFunc(p.Rules(), func(r signing.Rule) bool { return r.Module == module })
		if i < 0 {
			return signing.Rule{}, false
		}
		return p.Rules()[i], true
	}
	name := func(r signing.Rule) string {
		if r.Module == "" {
			return "default"
		}
		return "module." + r.Module
	}
	for _, r := range next.Rules() {
		switch was, ok := of(before, r.Module); {
		case !ok:
			line("+", "[%s] %s", name(r), text(r))
		case text(r) != text(was):
			line("~", "[%s] %s; was %s", name(r), text(r), text(was))
		}
	}
	for _, r := range before.Rules() {
		if _, ok := of(next, r.Module); !ok {
			line("-", "[%s] %s", name(r), text(r))
		}
	}
}

func diffLog(line func(mark, format string, args ...any), before, next *signing.LogRule) {
	switch {
	case before == nil && next == nil:
	case before == nil:
		line("+", "[log] required %t", next.Required)
	case next == nil:
		line("-", "[log] required %t", before.Required)
	case before.Required != next.Required:
		line("~", "[log] required %t, was %t", next.Required, before.Required)
	case !reflect.DeepEqual(before.Keys, next.Keys):
		line("~", "[log] other keys, of the log or of its witnesses, or another threshold")
	}
}

func ceilingsText(c signing.Ceilings) string {
	return fmt.Sprintf("timeout %s, window %s, rows %d, bytes %s, memory %s, workers %d, at once %d",
		value.FormatDuration(c.Timeout), value.FormatDuration(c.Window), c.Rows, value.NewSize(c.Bytes), value.NewSize(c.Memory), c.Workers, c.Concurrent)
}

// missingFrom gives what is in list and not in from.
func missingFrom(from, list []signing.ID) (out []signing.ID) {
	have := map[signing.ID]bool{}
	for _, id := range from {
		have[id] = true
	}
	for _, id := range list {
		if !have[id] {
			out = append(out, id)
		}
	}
	return out
}
