package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/value"
)

type logCommand struct {
	List    logListCommand    `cmd:"" default:"withargs" help:"List what the fleet's log has, after it is proved (without a command)."`
	Show    logShowCommand    `cmd:"" help:"Show one entry: who signed it, and what it asks."`
	Audit   logAuditCommand   `cmd:"" help:"Replay the whole log: exit with 1 where something is in it, or missing, that should not be, and with 3 where something could not be checked."`
	Witness logWitnessCommand `cmd:"" help:"Sign the log's checkpoints for others, each only if it goes on from the last."`
}

type logListCommand struct {
	Last        int    `short:"n" default:"20" placeholder:"N" help:"Only so many, the latest; 0 for all (default: ${default})."`
	Format      string `default:"table" placeholder:"FORMAT" help:"table, jsonl, json or csv (default: ${default})."`
	signerFlags `embed:""`
}

type logShowCommand struct {
	Entry       string `arg:"" help:"The number of an entry, or the ID of a plan, or the front of it."`
	signerFlags `embed:""`
}

type logAuditCommand struct {
	signerFlags `embed:""`
}

// readLog connects, and reads and proves the log.
func (a *app) readLog(flags signerFlags) (*link, *client.Log, error) {
	s, err := a.dial(flags)
	if err != nil {
		return nil, nil, err
	}
	log, err := s.Log(a.ctx)
	if err != nil {
		return nil, nil, errors.Join(hintOfLog(err), s.Close())
	}
	return s, log, nil
}

// hintOfLog says what to do about what is wrong with a log.
func hintOfLog(err error) error {
	switch {
	case errors.Is(err, client.ErrNoLog):
		return fmt.Errorf("%w\nhint: quaestor-relay log prints the key for [log] in the policy; docs/log.md tells the rest", err)
	case errors.Is(err, translog.ErrFork), errors.Is(err, translog.ErrRollback):
		return &exit{ExitAsked, fmt.Errorf("%w\nhint: the relay, or who has its key, shows different logs to different people: docs/log.md says what to do", err)}
	}
	return err
}

// Run lists entries.
func (c *logListCommand) Run(a *app) error {
	s, log, err := a.readLog(c.signerFlags)
	if err != nil {
		return err
	}
	defer s.Close()
	l := list{name: "log"}
	l.column("entry", value.Int)
	l.column("taken", value.Time)
	for _, name := range []string{"kind", "name"} {
		l.column(name, value.Version)
	}
	for _, name := range []string{"signed by", "purpose", "query"} {
		l.column(name, value.Text)
	}
	first := 0
	if c.Last > 0 {
		first = max(0, len(log.Entries)-c.Last)
	}
	for i := first; i < len(log.Entries); i++ {
		e := log.Entries[i]
		d := a.describe(s, e)
		l.row(value.NewInt(int64(i)), seconds(e.At), value.NewText(e.Kind), value.NewText(e.Name),
			textOrNull(d.signers), textOrNull(d.purpose), textOrNull(d.query))
	}
	return a.list(l, c.Format)
}

// A logged is what the envelope of an entry says.
type logged struct{ signers, purpose, query, policy string }

// describe fetches an entry's envelope. Signers are named by the policy in
// force; whether they might have signed is for an audit to say.
func (a *app) describe(s *link, e translog.Entry) logged {
	envelope, err := s.LogEnvelope(a.ctx, e.Sum)
	if err != nil {
		return logged{query: "(not to be had: " + err.Error() + ")"}
	}
	var d logged
	var who []string
	for _, sig := range envelope.Signatures {
		fp := signing.Fingerprint(sig.KeyID)
		name := fp.Short()
		if p, ok := s.Policy().Investigator(fp); ok {
			name = p.Name
		} else if p, ok := s.Policy().Administrator(fp); ok {
			name = p.Name
		}
		who = append(who, name)
	}
	d.signers = strings.Join(who, ", ")
	if payload, err := signing.DecodePlanPayload(envelope.Payload); err == nil {
		d.purpose, d.query = payload.Purpose, payload.Query
	} else if r, err := signing.DecodeRelease(envelope.Payload); err == nil {
		d.purpose, d.query = r.Notes, describeRelease(r)
	} else if o, err := signing.DecodeRollOut(envelope.Payload); err == nil {
		d.query = describeRollOut(o)
	} else if p, err := signing.ParsePolicy(envelope.Payload); err == nil {
		d.policy = describePolicy(p)
	}
	return d
}

// Run shows one entry.
func (c *logShowCommand) Run(a *app) error {
	s, log, err := a.readLog(c.signerFlags)
	if err != nil {
		return err
	}
	defer s.Close()
	i, err := findEntry(log.Entries, c.Entry)
	if err != nil {
		return err
	}
	e := log.Entries[i]
	d := a.describe(s, e)
	for _, line := range [][2]string{
		{"entry", fmt.Sprintf("%d of %d, %s %s", i, len(log.Entries), e.Kind, e.Name)}, {"taken", e.At.Format(time.RFC3339)},
		{"envelope", "sha256:" + e.Sum.String()}, {"signed by", d.signers}, {"purpose", d.purpose}, {"query", d.query}, {"policy", d.policy},
		{"witnesses", strings.Join(log.Checkpoint.Witnesses, ", ")},
	} {
		if line[1] == "" {
			continue
		}
		if _, err := fmt.Fprintf(a.Out, "%-10s %s\n", line[0], value.EscapeText(line[1])); err != nil {
			return err
		}
	}
	return nil
}

// findEntry finds an entry by its number or by the front of a plan's ID.
func findEntry(entries []translog.Entry, ref string) (int, error) {
	if i, err := strconv.Atoi(ref); err == nil && i >= 0 && i < len(entries) {
		return i, nil
	}
	found := -1
	for i, e := range entries {
		if e.Kind != translog.KindPlan || len(ref) < 4 || !strings.HasPrefix(e.Name, strings.ToLower(ref)) {
			continue
		}
		if found >= 0 && entries[found].Name != e.Name {
			return 0, fmt.Errorf("several plans of the log begin with %q\nhint: write more of it", ref)
		}
		found = i
	}
	if found < 0 {
		return 0, fmt.Errorf("the log has no entry %q\nhint: quaestor log lists them", ref)
	}
	return found, nil
}

// Run replays the log.
func (c *logAuditCommand) Run(a *app) error {
	s, err := a.dial(c.signerFlags)
	if err != nil {
		return err
	}
	defer s.Close()
	audit, err := s.Audit(a.ctx)
	if err != nil {
		return hintOfLog(err)
	}
	for _, p := range audit.Problems {
		fmt.Fprintln(a.Out, "PROBLEM: "+p)
	}
	for _, u := range audit.Unchecked {
		fmt.Fprintln(a.Out, "not checked: "+value.EscapeText(u))
	}
	by := "no witness is asked for"
	if len(audit.Checkpoint.Witnesses) > 0 {
		by = "signed by " + strings.Join(audit.Checkpoint.Witnesses, ", ")
	}
	if _, err := fmt.Fprintf(a.Out, "%s of log %s (%s, %s; %d were seen before): %d signed here, %s, %d not checked\n",
		counted(len(audit.Entries), "entry", "entries"), audit.Checkpoint.Origin, counted(audit.Policies, "policy", "policies"),
		counted(audit.Plans, "plan", "plans")+releasesText(audit.Releases)+", "+by, audit.Before, audit.Mine, counted(len(audit.Problems), "problem", "problems"), len(audit.Unchecked)); err != nil {
		return err
	}
	switch {
	case len(audit.Problems) > 0:
		return &exit{code: ExitAsked}
	case len(audit.Unchecked) > 0:
		return &exit{code: ExitIncomplete}
	}
	return nil
}

// releasesText counts releases and their stages, where there are any.
func releasesText(n int) string {
	if n == 0 {
		return ""
	}
	return ", " + counted(n, "release or stage", "releases and stages")
}

func counted(n int, one, many string) string { return fmt.Sprintf("%d %s", n, plural(n, one, many)) }
