package cli

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/value"
)

type releaseCommand struct {
	Status   releaseStatusCommand   `cmd:"" default:"withargs" help:"Show who runs what, who failed and why (without a command)."`
	Sign     releaseSignCommand     `cmd:"" help:"Make a release of programs and sign it; or add a signature to a release, or to a stage of one."`
	Show     releaseShowCommand     `cmd:"" help:"Show what a file holds that was signed."`
	Publish  releasePublishCommand  `cmd:"" help:"Send a release with its programs to the relay, or a stage that others signed. It installs nothing."`
	RollOut  releaseRollOutCommand  `cmd:"" name:"roll-out" help:"Let the agents that a target means install a release: sign a stage, and send it."`
	Withdraw releaseWithdrawCommand `cmd:"" help:"Have the relay offer a release to nobody any more. Agents that have it keep it."`
}

type releaseSignCommand struct {
	What        string   `arg:"" help:"The version, as 1.4.0; or a file that others signed."`
	Programs    []string `arg:"" optional:"" name:"program" help:"The programs of the version, one for each system; or those of a signed release, to compare."`
	Notes       string   `placeholder:"FILE" help:"What changed, for who signs and for the status."`
	Life        duration `default:"180d" placeholder:"180d" help:"For how long it can be installed (default: ${default})."`
	Output      string   `short:"o" placeholder:"FILE" help:"Where to (default: release-VERSION.env, or the file itself)."`
	signerFlags `embed:""`
}

type releaseShowCommand struct {
	File string `arg:"" help:"A signed release, or a signed stage of one."`
}

// Run signs a new release, or what another signed.
func (c *releaseSignCommand) Run(a *app) error {
	if signing.IsRelease(c.What) {
		return c.begin(a)
	}
	if strings.Count(c.What, ".") == 2 && !strings.HasSuffix(c.What, envelopeExt) {
		return &exit{ExitWrong, fmt.Errorf("%q is no version\nhint: three numbers, as 1.4.0 or 1.4.0-rc.1", c.What)}
	}
	e, err := readSigned(c.What)
	if err != nil {
		return &exit{ExitWrong, err}
	}
	what, err := e.describe()
	if err != nil {
		return &exit{ExitWrong, err}
	}
	if err := compare(e.release, c.Programs); err != nil {
		return err
	}
	k, err := c.open(a)
	if err != nil {
		return err
	}
	if err := e.envelope.Sign(a.ctx, k); err != nil {
		return err
	}
	return a.keepSigned(e, what, cmp.Or(c.Output, c.What))
}

// begin makes a release of programs.
func (c *releaseSignCommand) begin(a *app) error {
	policy, err := a.policyInForce("")
	if err != nil {
		return err
	}
	if len(c.Programs) == 0 {
		return &exit{ExitWrong, errors.New("a release has programs\nhint: quaestor release sign 1.4.0 dist/quaestor-agent_1.4.0_*")}
	}
	now := time.Now()
	r := &signing.Release{Version: signing.Version, Fleet: policy.Fleet(), Release: c.What, Made: now, Expires: now.Add(time.Duration(c.Life))}
	if c.Notes != "" {
		b, err := readBounded(c.Notes, signing.MaxNotes)
		if err != nil {
			return err
		}
		r.Notes = string(b)
	}
	for _, name := range c.Programs {
		f, doubt, err := fileOf(name, c.What)
		if err != nil {
			return err
		}
		if doubt != "" {
			fmt.Fprintln(a.Err, "warning: "+value.EscapeText(doubt))
		}
		r.Files = append(r.Files, f)
	}
	e := &signedFile{envelope: &signing.Envelope{PayloadType: signing.TypeRelease, Payload: r.Encode()}, release: r}
	if _, err := signing.DecodeRelease(e.envelope.Payload); err != nil {
		return &exit{ExitWrong, err}
	}
	k, err := c.open(a)
	if err != nil {
		return err
	}
	if err := e.envelope.Sign(a.ctx, k); err != nil {
		return err
	}
	out := cmp.Or(c.Output, "release-"+c.What+envelopeExt)
	if _, err := os.Lstat(out); err == nil {
		return fmt.Errorf("%s is there already\nhint: quaestor release sign %s adds a signature to it", out, out)
	}
	return a.keepSigned(e, describeRelease(r), out)
}

// fileOf looks at a program: what system it is for stands in it.
func fileOf(name, release string) (f signing.File, doubt string, err error) {
	info, err := buildinfo.ReadFile(name)
	if err != nil {
		return f, "", fmt.Errorf("%s is no program of Go: %w", name, err)
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "GOOS":
			f.OS = s.Value
		case "GOARCH":
			f.Arch = s.Value
		}
	}
	if f.Size, f.Sum, err = sumOf(name); err != nil {
		return f, "", err
	}
	if !strings.HasSuffix(info.Path, "agent") {
		doubt = fmt.Sprintf("%s was made of %s: is it an agent?", name, info.Path)
	} else if v := info.Main.Version; signing.IsRelease(strings.TrimPrefix(v, "v")) && v != "v"+release {
		doubt = fmt.Sprintf("%s was compiled as %s; agents install it only if it calls itself %s", name, v, release)
	}
	return f, doubt, nil
}

func sumOf(name string) (size int64, sum translog.Sum, err error) {
	in, err := os.Open(name)
	if err != nil {
		return 0, sum, err
	}
	defer in.Close()
	h := sha256.New()
	size, err = io.Copy(h, io.LimitReader(in, signing.MaxProgram+1))
	return size, translog.Sum(h.Sum(nil)), err
}

// compare says whether programs are those of a release.
func compare(r *signing.Release, programs []string) error {
	for _, name := range programs {
		if r == nil {
			return &exit{ExitWrong, errors.New("a stage has no programs to compare")}
		}
		_, sum, err := sumOf(name)
		if err != nil {
			return err
		}
		if _, ok := programOf(r, sum); !ok {
			return fmt.Errorf("%s is no program of release %s: its SHA-256 is %s", name, r.Release, sum)
		}
	}
	return nil
}

func programOf(r *signing.Release, sum translog.Sum) (signing.File, bool) {
	for _, f := range r.Files {
		if f.Sum == sum {
			return f, true
		}
	}
	return signing.File{}, false
}

// A signedFile is a release or a stage of one, from a file.
type signedFile struct {
	envelope *signing.Envelope
	release  *signing.Release // or
	rollOut  *signing.RollOut
}

// readSigned reads a signed release or a signed stage. No signature is verified.
func readSigned(name string) (*signedFile, error) {
	b, err := readBounded(name, 8<<20)
	if err != nil {
		return nil, err
	}
	e, err := signing.ParseEnvelope(bytes.TrimSpace(b))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s := &signedFile{envelope: e}
	switch e.PayloadType {
	case signing.TypeRelease:
		s.release, err = signing.DecodeRelease(e.Payload)
	case signing.TypeRollOut:
		s.rollOut, err = signing.DecodeRollOut(e.Payload)
	default:
		err = fmt.Errorf("it holds no release and no stage of one, but %s", e.PayloadType)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// describe says in a line what is signed, after the target of a stage was found
// to be what its text says.
func (s *signedFile) describe() (string, error) {
	if s.release != nil {
		return describeRelease(s.release), nil
	}
	local, err := quaestor.LocalWith(quaestor.Options{})
	if err != nil {
		return "", err
	}
	defer local.Close()
	return describeRollOut(s.rollOut), client.Retarget(s.rollOut, local)
}

func describeRelease(r *signing.Release) string {
	var systems []string
	for _, f := range r.Files {
		systems = append(systems, f.System())
	}
	return fmt.Sprintf("release %s for %s, until %s", r.Release, strings.Join(systems, ", "), r.Expires.Format("2006-01-02"))
}

func describeRollOut(o *signing.RollOut) string {
	return fmt.Sprintf("stage %d of release %s: %s, from %s to %s", o.Number, o.Release, o.Target, o.NotBefore.Format(time.RFC3339), o.Expires.Format(time.RFC3339))
}

// keepSigned writes what was signed, and says who must sign it still.
func (a *app) keepSigned(s *signedFile, what, out string) error {
	if err := wholefile.Keep(out, 0o644, s.envelope.Encode()); err != nil {
		return err
	}
	fmt.Fprintf(a.Err, "%s: %s\n", out, value.EscapeText(what))
	policy, err := a.policyInForce("")
	if err != nil {
		return nil // nobody can say
	}
	_, err = fmt.Fprintln(a.Err, value.EscapeText(signaturesOf(s, policy)))
	return err
}

// signaturesOf says whether enough administrators signed.
func signaturesOf(s *signedFile, policy *signing.Policy) string {
	err := s.admitted(policy)
	var refused *signing.Refusal
	switch {
	case err == nil:
		return "signed by " + counted(policy.Threshold(), "administrator", "administrators") + " or more, as the policy asks"
	case errors.As(err, &refused):
		return "agents would not take it: " + refused.Reason
	}
	return err.Error()
}

// admitted says whether administrators stand behind it.
func (s *signedFile) admitted(policy *signing.Policy) error {
	if s.release != nil {
		_, err := policy.VerifyRelease(s.envelope, time.Now())
		return err
	}
	_, err := policy.AdmitRollOut(s.envelope, time.Now())
	return err
}

// Run shows a file.
func (c *releaseShowCommand) Run(a *app) error {
	s, err := readSigned(c.File)
	if err != nil {
		return &exit{ExitWrong, err}
	}
	what, err := s.describe()
	if err != nil {
		return &exit{ExitWrong, err}
	}
	fmt.Fprintln(a.Out, value.EscapeText(what))
	if policy, err := a.policyInForce(""); err == nil {
		fmt.Fprintln(a.Out, value.EscapeText(signaturesOf(s, policy)))
	} else if !errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(a.Err, "warning: whose signatures count is not known here: "+err.Error())
	}
	if s.rollOut != nil {
		_, err = fmt.Fprintf(a.Out, "a new program has %s to reach a relay\n", time.Duration(s.rollOut.Health)*time.Second)
		return err
	}
	l := list{}
	l.column("system", value.Version)
	l.column("size", value.Size)
	l.column("sha256", value.Version)
	for _, f := range s.release.Files {
		l.row(value.NewText(f.System()), value.NewSize(f.Size), value.NewText(f.Sum.String()))
	}
	if err := a.list(l, "table"); err != nil {
		return err
	}
	if s.release.Notes != "" {
		_, err = fmt.Fprintln(a.Out, "\n"+notesText(s.release.Notes))
	}
	return err
}

// notesText shows notes line by line, harmless to terminals.
func notesText(notes string) string {
	lines := strings.Split(strings.TrimRight(notes, "\n"), "\n")
	for i, l := range lines {
		lines[i] = value.EscapeText(l)
	}
	return strings.Join(lines, "\n")
}
