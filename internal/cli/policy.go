package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/signing"
)

// envelopeExt ends the names of files that hold what was signed.
const envelopeExt = ".env"

type policyCommand struct {
	New     policyNewCommand     `cmd:"" help:"Write the first policy of a new fleet, to be read and changed."`
	Edit    policyEditCommand    `cmd:"" help:"Open a policy in $$VISUAL or $$EDITOR; without a file, the next version of the one in force."`
	Check   policyCheckCommand   `cmd:"" help:"Look for mistakes in a policy."`
	Sign    policySignCommand    `cmd:"" help:"Sign a policy, or add a signature to one."`
	Show    policyShowCommand    `cmd:"" help:"Show who may ask what."`
	Add     policyAddCommand     `cmd:"" help:"Write somebody into the next version of the policy."`
	Remove  policyRemoveCommand  `cmd:"" help:"Take somebody out of the next version of the policy."`
	Replace policyReplaceCommand `cmd:"" help:"Give somebody another key in the next version of the policy."`
	Diff    policyDiffCommand    `cmd:"" help:"Show what the next version changes, and who must still sign it."`
	Publish policyPublishCommand `cmd:"" help:"Send a signed policy to the relay, which hands it to every agent."`
}

type policyNewCommand struct {
	File          string   `arg:"" default:"policy.toml" help:"The file to write (default: ${default})."`
	Name          string   `default:"fleet" placeholder:"NAME" help:"What the fleet is called (default: ${default})."`
	Administrator []string `placeholder:"KEY" help:"Who signs policies and tokens: a file, a fingerprint or gpg:FINGERPRINT (default: the key that signs). Repeatable."`
	Investigator  []string `placeholder:"KEY[=WEIGHT]" help:"Who asks (default: the administrators). Repeatable."`
}

type policyCheckCommand struct {
	File string `arg:"" default:"policy.toml" help:"Text or signed (default: ${default})."`
}

type policySignCommand struct {
	File        string `arg:"" default:"policy.toml" help:"The text, or a policy that others signed (default: ${default})."`
	Output      string `short:"o" placeholder:"FILE" help:"Where to (default: beside the text, with .env)."`
	signerFlags `embed:""`
}

// Run writes a first policy.
func (c *policyNewCommand) Run(a *app) error {
	admins, err := a.principals(c.Administrator, []string{""})
	if err != nil {
		return err
	}
	asking := c.Administrator
	if len(asking) == 0 {
		asking = []string{""}
	}
	investigators, err := a.principals(c.Investigator, asking)
	if err != nil {
		return err
	}
	text := signing.NewPolicyText(signing.PolicySpec{
		Fleet: signing.NewID(), Name: c.Name, Administrators: admins, Investigators: investigators,
	})
	if _, err := signing.ParsePolicy([]byte(text)); err != nil {
		return err
	}
	f, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already\nhint: quaestor policy edit %s changes it", c.File, c.File)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Err, "wrote %s: read it, change it, then quaestor policy sign %s\n", c.File, c.File)
	return err
}

// principals finds the people that references name, each with =WEIGHT behind
// it where it has one.
func (a *app) principals(refs, otherwise []string) ([]signing.PrincipalSpec, error) {
	if len(refs) == 0 {
		refs = otherwise
	}
	var out []signing.PrincipalSpec
	for _, ref := range refs {
		p := signing.PrincipalSpec{}
		if at := strings.LastIndexByte(ref, '='); at >= 0 {
			n, err := strconv.Atoi(ref[at+1:])
			if err != nil || n < 1 || n > signing.MaxWeight {
				return nil, fmt.Errorf("the weight in %q is no number from 1 to %d", ref, signing.MaxWeight)
			}
			ref, p.Weight = ref[:at], n
		}
		k, err := a.publicKey(ref)
		if err != nil {
			return nil, err
		}
		if err := k.Usable(time.Now()); err != nil {
			return nil, fmt.Errorf("%s: %w", k.Fingerprint(), err)
		}
		p.Key, p.Name = k, ownerOf(k)
		out = append(out, p)
	}
	return out, nil
}

// ownerOf gives the name in a user id, without the address.
func ownerOf(k *signing.PublicKey) string {
	name, _, _ := strings.Cut(k.Name(), " <")
	if name == "" {
		return k.Fingerprint().Short()
	}
	return name
}

// A policyText is a policy from a file: the text alone, or signed.
type policyText struct {
	policy   *signing.Policy
	envelope *signing.Envelope // nil: not signed
}

// readPolicy reads a policy of either kind. No signature is verified.
func readPolicy(name string) (policyText, error) {
	b, err := readBounded(name, 2*signing.MaxPolicy)
	if err != nil {
		return policyText{}, err
	}
	var p policyText
	text := b
	if bytes.HasPrefix(b, []byte(`{"payload`)) {
		if p.envelope, err = signing.ParseEnvelope(bytes.TrimSpace(b)); err != nil {
			return policyText{}, fmt.Errorf("%s: %w", name, err)
		}
		if p.envelope.PayloadType != signing.TypePolicy {
			return policyText{}, fmt.Errorf("%s is no policy: it holds %s", name, p.envelope.PayloadType)
		}
		text = p.envelope.Payload
	}
	if p.policy, err = signing.ParsePolicy(text); err != nil {
		return policyText{}, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// Run checks a policy, and what it says of modules.
func (c *policyCheckCommand) Run(a *app) error {
	p, err := readPolicy(c.File)
	if err != nil {
		return &exit{ExitWrong, err}
	}
	doubts, err := a.doubts(p.policy)
	if err != nil {
		return err
	}
	for _, d := range doubts {
		fmt.Fprintln(a.Err, "warning: "+d)
	}
	_, err = fmt.Fprintf(a.Out, "%s, %s, no mistake\n", describePolicy(p.policy), plurals(len(doubts), "warning"))
	return err
}

// describePolicy says in a few words what a policy is.
func describePolicy(p *signing.Policy) string {
	return fmt.Sprintf("version %d of the policy of %q: %s, of whom %d must sign, %s, %s", p.Version(), p.Name(),
		plurals(len(p.Administrators()), "administrator"), p.Threshold(),
		plurals(len(p.Investigators()), "investigator"), plurals(len(p.Rules()), "rule"))
}

// plurals counts things whose plural ends in s.
func plurals(n int, one string) string { return fmt.Sprintf("%d %s", n, plural(n, one, one+"s")) }

// Run adds a signature.
func (c *policySignCommand) Run(a *app) error {
	p, err := readPolicy(c.File)
	if err != nil {
		return &exit{ExitWrong, err}
	}
	out := c.Output
	if out == "" {
		out = strings.TrimSuffix(c.File, ".toml") + envelopeExt
		if p.envelope != nil {
			out = c.File
		}
	}
	if p.envelope == nil {
		if p.envelope, err = earlierSignatures(p.policy, out); err != nil {
			return err
		}
	}
	k, err := c.open(a)
	if err != nil {
		return err
	}
	if _, ok := p.policy.Administrator(k.Fingerprint()); !ok {
		fmt.Fprintf(a.Err, "warning: %s is no administrator in it: the signature counts only if the policy before it says so\n", k.Fingerprint())
	}
	if err := p.envelope.Sign(a.ctx, k); err != nil {
		return err
	}
	if err := wholefile.Keep(out, 0o644, p.envelope.Encode()); err != nil {
		return err
	}
	fmt.Fprintf(a.Err, "%s: version %d of %q, %s\n", out, p.policy.Version(), p.policy.Name(), signedBy(p.envelope, p.policy))
	// Those of the version before must agree, where it is known here.
	if inForce, err := a.policyInForce(""); err == nil && inForce.Fleet() == p.policy.Fleet() && inForce.Version() < p.policy.Version() {
		if more := needed(p.envelope, inForce, p.policy); more != "" {
			fmt.Fprintln(a.Err, more)
		}
	}
	return nil
}

// earlierSignatures gives the envelope at out where it is of the same text, so
// that signatures are added to it, else a new one. A policy of a version that
// was signed with another text is not written over.
func earlierSignatures(p *signing.Policy, out string) (*signing.Envelope, error) {
	fresh := &signing.Envelope{PayloadType: signing.TypePolicy, Payload: p.Text()}
	old, err := readPolicy(out)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fresh, nil
	case err != nil:
		return nil, err
	case old.envelope == nil:
		return nil, fmt.Errorf("%s is a text\nhint: -o FILE says where the signed policy goes", out)
	case bytes.Equal(old.envelope.Payload, p.Text()):
		return old.envelope, nil
	case old.policy.Version() >= p.Version():
		return nil, fmt.Errorf("%s holds version %d already, with another text\nhint: raise version to %d, or remove the file if nobody has it",
			out, old.policy.Version(), old.policy.Version()+1)
	}
	return fresh, nil
}

// signedBy says how many of the administrators' signatures are there.
func signedBy(e *signing.Envelope, p *signing.Policy) string {
	n := 0
	for _, s := range e.Signatures {
		fp, err := signing.ParseFingerprint(s.KeyID)
		if _, ok := p.Administrator(fp); err == nil && ok {
			n++
		}
	}
	if n < p.Threshold() {
		return fmt.Sprintf("signed by %d of the %d that are needed", n, p.Threshold())
	}
	return "signed by " + plurals(n, "administrator")
}
