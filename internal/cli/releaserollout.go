package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/value"
)

type releasePublishCommand struct {
	File        string   `arg:"" help:"A signed release, or a signed stage of one."`
	Programs    []string `arg:"" optional:"" name:"program" help:"The programs of the release."`
	signerFlags `embed:""`
}

type releaseRollOutCommand struct {
	Release     string   `arg:"" name:"version" help:"The version, which the relay has."`
	Target      string   `arg:"" help:"Who may install it: FROM fleet WHERE tags.ring = \"canary\", for one."`
	Window      duration `default:"7d" placeholder:"7d" help:"For how long agents may begin with it (default: ${default})."`
	After       duration `placeholder:"1d" help:"Not before this time has passed (default: at once)."`
	Health      duration `default:"5m" placeholder:"5m" help:"How long a new program may take to reach a relay, before the one before it comes back (default: ${default})."`
	Output      string   `short:"o" placeholder:"FILE" help:"Where what was signed is kept (default: roll-out-VERSION-STAGE.env)."`
	signerFlags `embed:""`
}

type releaseWithdrawCommand struct {
	Release     string `arg:"" name:"version" help:"The version."`
	signerFlags `embed:""`
}

// Run sends a release or a stage.
func (c *releasePublishCommand) Run(a *app) error {
	signed, err := readSigned(c.File)
	if err != nil {
		return &exit{ExitWrong, err}
	}
	what, err := signed.describe()
	if err != nil {
		return &exit{ExitWrong, err}
	}
	programs, err := bySum(c.Programs)
	if err != nil {
		return err
	}
	s, err := a.dial(c.signerFlags)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := signed.admitted(s.Policy()); err != nil {
		return err
	}
	if signed.rollOut != nil {
		return a.sendRollOut(s, signed)
	}
	open := func(f signing.File) (io.ReadSeekCloser, error) {
		name, ok := programs[f.Sum]
		if !ok {
			return nil, fmt.Errorf("the relay does not have the program for %s, and none of the files that were named is it\nhint: quaestor release publish %s PROGRAM…", f.System(), c.File)
		}
		return os.Open(name)
	}
	var bytes int64
	if err := s.PublishRelease(a.ctx, signed.envelope, open, func(_, all int64) { bytes = all }); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Err, "the relay has %s (%s sent)\nhint: quaestor release roll-out %s 'FROM fleet WHERE …' lets agents install it\n",
		value.EscapeText(what), value.FormatSize(bytes), signed.release.Release)
	return err
}

// bySum finds programs by what is in them.
func bySum(names []string) (map[translog.Sum]string, error) {
	out := map[translog.Sum]string{}
	for _, name := range names {
		_, sum, err := sumOf(name)
		if err != nil {
			return nil, err
		}
		out[sum] = name
	}
	return out, nil
}

// sendRollOut sends a stage that enough administrators signed.
func (a *app) sendRollOut(s *link, signed *signedFile) error {
	if !s.Policy().Upgrades() {
		fmt.Fprintf(a.Err, "warning: version %d of the policy lets agents install nothing: it would need upgrade = %q\n", s.Policy().Version(), signing.UpgradeSigned)
	}
	out, err := s.RollOut(a.ctx, signed.envelope)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Err, "%s: %s connected, %d not\nhint: quaestor release status %s shows what becomes of it\n",
		value.EscapeText(describeRollOut(signed.rollOut)), agents(out.Online), out.Offline, signed.rollOut.Release)
	return err
}

// Run signs a stage, and sends it where nobody else has to sign.
func (c *releaseRollOutCommand) Run(a *app) error {
	s, err := a.dial(c.signerFlags)
	if err != nil {
		return err
	}
	defer s.Close()
	r, err := findRelease(a, s, c.Release)
	if err != nil {
		return err
	}
	if r.Problem != nil {
		return r.Problem
	}
	now := time.Now().Truncate(time.Second)
	text, target, err := client.CompileTarget(s.local, c.Target, now)
	if err != nil {
		return &exit{ExitWrong, err}
	}
	o := &signing.RollOut{
		Version: signing.Version, Fleet: s.Policy().Fleet(), Release: r.Release.Release, Manifest: r.Manifest, Number: 1,
		Target: text, Compiled: target.Encode(), Made: now, NotBefore: now.Add(time.Duration(c.After)), Health: int64(time.Duration(c.Health) / time.Second),
	}
	o.Expires = o.NotBefore.Add(time.Duration(c.Window))
	for _, st := range r.Stages {
		o.Number = max(o.Number, st.Number+1)
	}
	signed := &signedFile{envelope: &signing.Envelope{PayloadType: signing.TypeRollOut, Payload: o.Encode()}, rollOut: o}
	if _, err := signing.DecodeRollOut(signed.envelope.Payload); err != nil {
		return &exit{ExitWrong, err}
	}
	if err := signed.envelope.Sign(a.ctx, s.signer); err != nil {
		return err
	}
	file := cmp.Or(c.Output, fmt.Sprintf("roll-out-%s-%d%s", o.Release, o.Number, envelopeExt))
	if err := wholefile.Keep(file, 0o644, signed.envelope.Encode()); err != nil {
		return err
	}
	err = signed.admitted(s.Policy())
	var refused *signing.Refusal
	if errors.As(err, &refused) && refused.Code == signing.CodeSignature {
		_, err := fmt.Fprintf(a.Err, "%s: %s\n%s\nhint: the others do quaestor release sign %s, and the last of them quaestor release publish %s\n",
			file, value.EscapeText(describeRollOut(o)), value.EscapeText(refused.Reason), file, file)
		return err
	}
	if err != nil {
		return err
	}
	return a.sendRollOut(s, signed)
}

// findRelease finds a release among those that the relay has.
func findRelease(a *app, s *link, version string) (client.Release, error) {
	all, err := s.Releases(a.ctx)
	if err != nil {
		return client.Release{}, err
	}
	var have []string
	for _, r := range all {
		if r.Release.Release == version {
			return r, nil
		}
		have = append(have, r.Release.Release)
	}
	return client.Release{}, fmt.Errorf("the relay has no release %q: it has %v\nhint: quaestor release publish sends one", version, have)
}

// Run has the relay forget a release.
func (c *releaseWithdrawCommand) Run(a *app) error {
	s, err := a.dial(c.signerFlags)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Withdraw(a.ctx, c.Release); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Err, "the relay has release %s no more; agents that installed it keep it\n", value.EscapeText(c.Release))
	return err
}
