package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

type signCommand struct {
	sourceFlags `embed:""`
	signFlags   `embed:""`
	Output      string `short:"o" default:"plan.env" placeholder:"FILE" help:"Where the signed plan goes (default: ${default})."`
}

type cosignCommand struct {
	File        string `arg:"" default:"plan.env" help:"The plan that somebody signed (default: ${default})."`
	Yes         bool   `short:"y" help:"Sign without asking."`
	signerFlags `embed:""`
}

type submitCommand struct {
	File        string   `arg:"" default:"plan.env" help:"The signed plan (default: ${default})."`
	Relay       []string `placeholder:"HOST:PORT" help:"Where a relay is, instead of what config.toml says; with --pin, nothing else is needed. Repeatable."`
	Pin         string   `placeholder:"sha256:…" help:"The pin of the relay's CA."`
	signerFlags `embed:""`
}

type pendingCommand struct {
	Format      string `default:"table" placeholder:"FORMAT" help:"table, jsonl, json or csv (default: ${default})."`
	Output      string `short:"o" placeholder:"FILE" help:"Write the one plan with this ID to a file, to be cosigned."`
	ID          string `arg:"" optional:"" help:"With --output: the front of an ID."`
	signerFlags `embed:""`
}

type verifyCommand struct {
	File string `arg:"" default:"plan.env" help:"The signed plan (default: ${default})."`
}

// readPlan reads a signed plan, and says what the policy thinks of it.
func readPlan(name string, policy *signing.Policy) (*signing.Envelope, *client.Signed, error) {
	e, err := readEnvelope(name, signing.TypePlan, "plan")
	if err != nil {
		return nil, nil, err
	}
	known, err := client.Examine(e, policy, time.Now())
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return e, known, nil
}

// readEnvelope reads what somebody signed, of one type.
func readEnvelope(name, payloadType, what string) (*signing.Envelope, error) {
	b, err := readBounded(name, signing.MaxEnvelope)
	if err != nil {
		return nil, err
	}
	e, err := signing.ParseEnvelope(bytes.TrimSpace(b))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if e.PayloadType != payloadType {
		return nil, fmt.Errorf("%s is no %s: it holds %s", name, what, value.EscapeText(e.PayloadType))
	}
	return e, nil
}

// showPlan says what a signed plan asks for, and who signed it. Those whose
// signatures do not count are told apart.
func showPlan(w io.Writer, e *signing.Envelope, known *client.Signed, policy *signing.Policy) error {
	p := known.Payload
	var b strings.Builder
	b.WriteString(value.EscapeLines(p.Query) + "\n")
	for _, name := range slices.Sorted(maps.Keys(p.Params)) {
		fmt.Fprintf(&b, "  parameter %s = %q\n", value.EscapeText(name), p.Params[name])
	}
	lists, err := client.Lists(p, known.Plan)
	if err != nil {
		return err
	}
	for _, l := range lists {
		fmt.Fprintf(&b, "  list @%s: %d bytes, %s\n", value.EscapeText(l.Name), len(l.Data), plurals(bytes.Count(l.Data, []byte("\n")), "line"))
	}
	fmt.Fprintf(&b, "investigation  %s\n", p.ID)
	if p.Purpose != "" {
		fmt.Fprintf(&b, "purpose        %s\n", value.EscapeText(p.Purpose))
	}
	fmt.Fprintf(&b, "window         %s to %s\n", p.NotBefore.UTC().Format(time.RFC3339), p.Expires.UTC().Format(time.RFC3339))
	fmt.Fprintf(&b, "modules        %s\n", value.EscapeText(strings.Join(p.Modules, ", ")))
	if len(p.Content) > 0 {
		fmt.Fprintf(&b, "content        %s\n", value.EscapeText(strings.Join(p.Content, ", ")))
	}
	for _, s := range e.Signatures {
		fp, err := signing.ParseFingerprint(s.KeyID)
		who, ok := policy.Investigator(fp)
		switch {
		case err != nil || !ok:
			fmt.Fprintf(&b, "not counted    %s, who is no investigator\n", s.KeyID)
		case known.Problem == nil && !slices.Contains(known.Signers, fp):
			fmt.Fprintf(&b, "not counted    %s, %s\n", fp, value.EscapeText(who.Name))
		default:
			fmt.Fprintf(&b, "signed by      %s, %s\n", fp, value.EscapeText(who.Name))
		}
	}
	_, err = io.WriteString(w, b.String())
	return err
}

// Run signs a question and asks nobody.
func (c *signCommand) Run(a *app) error {
	local, err := quaestor.LocalWith(quaestor.Options{Params: c.Set})
	if err != nil {
		return err
	}
	defer local.Close()
	compiled, err := a.compile(local, c.Queries, false)
	if err != nil {
		return err
	}
	if err := forFleet(compiled); err != nil {
		return err
	}
	if len(compiled.Queries) != 1 {
		return fmt.Errorf("there are %d queries, and a plan is made from one", len(compiled.Queries))
	}
	s, err := a.dialWith(c.signerFlags, local)
	if err != nil {
		return err
	}
	defer s.Close()
	o, err := c.options(a)
	if err != nil {
		return err
	}
	e, err := s.Sign(a.ctx, compiled.Queries[0], o)
	if err != nil {
		return err
	}
	known, err := client.Examine(e, s.Policy(), time.Now())
	if err != nil {
		return err
	}
	if err := wholefile.Keep(c.Output, 0o644, e.Encode()); err != nil {
		return err
	}
	if err := showPlan(a.Err, e, known, s.Policy()); err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.Out, known.Payload.ID)
	return err
}

// options says how a plan is signed.
func (c *signFlags) options(a *app) (client.SignOptions, error) {
	o := client.SignOptions{Window: time.Duration(c.Window), Purpose: c.Purpose, NoWrap: c.NoWrap}
	for _, ref := range c.Share {
		fp, err := signing.ParseFingerprint(ref)
		if err != nil {
			k, err := a.publicKey(ref)
			if err != nil {
				return client.SignOptions{}, fmt.Errorf("--share: %w", err)
			}
			fp = k.Fingerprint()
		}
		o.Share = append(o.Share, fp)
	}
	return o, nil
}

// Run adds a signature.
func (c *cosignCommand) Run(a *app) error {
	s, err := a.dial(c.signerFlags)
	if err != nil {
		return err
	}
	defer s.Close()
	e, known, err := readPlan(c.File, s.Policy())
	if err != nil {
		return err
	}
	if err := showPlan(a.Err, e, known, s.Policy()); err != nil {
		return err
	}
	if !c.Yes {
		if err := a.confirm("sign it?"); err != nil {
			return err
		}
	}
	if err := s.Cosign(a.ctx, e); err != nil {
		return err
	}
	if err := wholefile.Keep(c.File, 0o644, e.Encode()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Err, "%s: the plan is what the query says; %s\n", c.File, plurals(len(e.Signatures), "signature"))
	return err
}

// confirm asks on the terminal; whatever is not yes is an error.
func (a *app) confirm(question string) error {
	tty, closeTTY, err := a.terminal()
	if err != nil {
		return errors.New("nobody is there to be asked\nhint: --yes")
	}
	defer closeTTY()
	fmt.Fprint(a.Err, question+" [y/N] ")
	select {
	case line := <-lines(a.ctx, tty):
		if l := strings.ToLower(strings.TrimSpace(line)); l == "y" || l == "yes" {
			return nil
		}
		return errors.New("it was not done")
	case <-a.ctx.Done():
		return &exit{code: ExitInterrupted}
	}
}

// Run hands a signed plan to the relay. Where there is a key, one that lacks
// signatures can be left to wait for them; without, it has to be whole.
func (c *submitCommand) Run(a *app) error {
	if c.Relay == nil && c.Pin == "" {
		s, err := a.dial(c.signerFlags)
		if !errors.Is(err, errNoKey) {
			if err != nil {
				return err
			}
			defer s.Close()
			e, _, err := readPlan(c.File, s.Policy())
			if err != nil {
				return err
			}
			sub, err := s.Submit(a.ctx, e)
			if err != nil {
				return err
			}
			return a.tellSubmitted(sub)
		}
	}
	return c.handOver(a)
}

// handOver submits without a key.
func (c *submitCommand) handOver(a *app) error {
	home, err := a.home()
	if err != nil {
		return err
	}
	to := client.Relay{Addrs: home.Config.Relays, Pin: home.Config.Pin, Proxy: home.Config.Proxy}
	if c.Relay != nil {
		to.Addrs = c.Relay
	}
	if c.Pin != "" {
		to.Pin = c.Pin
	}
	if len(to.Addrs) == 0 || to.Pin == "" {
		return fmt.Errorf("%w\nhint: --relay HOST:PORT --pin sha256:…, or quaestor setup with both", client.ErrNoRelay)
	}
	e, err := readEnvelope(c.File, signing.TypePlan, "plan")
	if err != nil {
		return err
	}
	sub, err := client.HandOver(a.ctx, to, e)
	if err != nil {
		return err
	}
	return a.tellSubmitted(sub)
}

// tellSubmitted says what became of a plan, and gives its ID.
func (a *app) tellSubmitted(sub message.Submitted) error {
	if len(sub.Waits) > 0 {
		fmt.Fprintf(a.Err, "it waits for the log: not signed yet by %s\n", value.EscapeText(strings.Join(sub.Waits, ", ")))
	}
	if sub.Pending {
		fmt.Fprintln(a.Err, "it waits for further signatures: quaestor pending lists it, quaestor cosign and submit add one")
	} else {
		fmt.Fprintf(a.Err, "%s connected, %d more when they appear\nhint: quaestor investigations follow %s\n", agents(sub.Online), sub.Offline, sub.Plan)
	}
	_, err := fmt.Fprintln(a.Out, sub.Plan)
	return err
}

// Run lists plans that wait for signatures.
func (c *pendingCommand) Run(a *app) error {
	s, err := a.dial(c.signerFlags)
	if err != nil {
		return err
	}
	defer s.Close()
	all, err := s.Pending(a.ctx)
	if err != nil {
		return err
	}
	if c.Output != "" || c.ID != "" {
		return c.fetch(a, s, all)
	}
	l := list{name: "pending"}
	l.column("investigation", value.Version)
	l.column("expires", value.Time)
	l.column("purpose", value.Text)
	l.column("query", value.Text)
	for _, i := range all {
		purpose, query := asked(i, c.Format)
		l.row(value.NewText(i.Plan.String()), seconds(i.Expires), textOrNull(purpose), value.NewText(query))
	}
	if len(all) == 0 && c.Format == "table" {
		fmt.Fprintln(a.Err, "no plan waits for signatures")
	}
	return a.list(l, c.Format)
}

// fetch writes one of the plans to a file.
func (c *pendingCommand) fetch(a *app, s *link, all []client.Investigation) error {
	var found []signing.ID
	for _, i := range all {
		if strings.HasPrefix(i.Plan.String(), strings.ToLower(c.ID)) {
			found = append(found, i.Plan)
		}
	}
	if len(found) != 1 {
		return fmt.Errorf("%s begin with %q\nhint: quaestor pending lists those that wait", plurals(len(found), "plan"), c.ID)
	}
	e, err := s.Envelope(a.ctx, found[0])
	if err != nil {
		return err
	}
	if c.Output == "" {
		c.Output = "plan.env"
	}
	if err := wholefile.Keep(c.Output, 0o644, e.Encode()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Err, "wrote %s: quaestor cosign %s, then quaestor submit %s\n", c.Output, c.Output, c.Output)
	return err
}

// Run says whether agents would look at a plan, and whether it is what its
// query says. It asks nobody.
func (c *verifyCommand) Run(a *app) error {
	policy, err := a.policyInForce("")
	if err != nil {
		return err
	}
	e, known, err := readPlan(c.File, policy)
	if err != nil {
		return err
	}
	if err := showPlan(a.Out, e, known, policy); err != nil {
		return err
	}
	local, err := quaestor.LocalWith(quaestor.Options{})
	if err != nil {
		return err
	}
	defer local.Close()
	if _, err := client.Replan(known.Payload, local); err != nil {
		return err
	}
	if known.Problem != nil {
		return known.Problem
	}
	_, err = fmt.Fprintf(a.Out, "good: signed by %s with the weight %d, and what the query says is what was signed\n",
		plurals(len(known.Signers), "investigator"), known.Weight)
	return err
}
