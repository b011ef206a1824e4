package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/internal/cases"
	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/value"
)

type caseCommand struct {
	List   caseListCommand   `cmd:"" default:"withargs" help:"List the cases (without a command)."`
	Show   caseShowCommand   `cmd:"" help:"Show what a case keeps: notes, questions, and the first rows of answers."`
	Note   caseNoteCommand   `cmd:"" help:"Add a note, and make the case where it is not there."`
	Verify caseVerifyCommand `cmd:"" help:"Say what was changed, removed or not signed. Exit with 4 where something was."`
	Export caseExportCommand `cmd:"" help:"Write a report, or the rows for other programs."`
	Delete caseDeleteCommand `cmd:"" help:"Remove a case for good."`
}

type caseListCommand struct {
	Format string `default:"table" placeholder:"FORMAT" help:"table, jsonl, json or csv (default: ${default})."`
}

// oneCase names one.
type oneCase struct {
	Name string `arg:"" help:"The case."`
}

type caseShowCommand struct {
	oneCase `embed:""`
	Rows    int `default:"10" placeholder:"N" help:"Show so many rows of each table (default: ${default})."`
}

type caseNoteCommand struct {
	oneCase     `embed:""`
	Text        []string `arg:"" help:"The note, or - for standard input."`
	signerFlags `embed:""`
}

type caseVerifyCommand struct {
	oneCase `embed:""`
	Head    string `placeholder:"N:HASH" help:"A head that was noted before: say whether it is still there."`
}

type caseExportCommand struct {
	oneCase `embed:""`
	Format  string `required:"" enum:"md,html,jsonl,parquet" placeholder:"FORMAT" help:"md or html, a report; jsonl, everything; parquet, the rows: a file for each table, with -o."`
	Output  string `short:"o" placeholder:"FILE" help:"Where to (default: standard output)."`
	Rows    int    `default:"1000" placeholder:"N" help:"In a report, the most rows of each table (default: ${default})."`
}

type caseDeleteCommand struct {
	oneCase `embed:""`
	Yes     bool `help:"Do not ask."`
}

// caseDir gives the folder of the cases.
func (a *app) caseDir() (string, error) {
	h, err := a.homeDir()
	if err != nil {
		return "", err
	}
	return cases.Dir(h.dir), nil
}

// caseModule gives a case as a module: see quaestor.Options.Case.
func (a *app) caseModule(name string) (modules.Module, error) {
	dir, err := a.caseDir()
	if err != nil {
		return nil, err
	}
	return cases.Relation(a.ctx, dir, name)
}

// findCase opens a case that is there.
func (a *app) findCase(name string) (*cases.Case, error) {
	dir, err := a.caseDir()
	if err != nil {
		return nil, err
	}
	c, err := cases.Find(dir, name, cases.Options{})
	if errors.Is(err, cases.ErrNoCase) {
		return nil, fmt.Errorf("%w\nhint: quaestor run --case %s records a query, and makes it", err, name)
	}
	return c, err
}

// openCase opens a case to write into, and makes it where it is not there.
// With a nil signer entries are not signed, which is said once.
func (a *app) openCase(name string, k signing.Signer) (*cases.Case, error) {
	dir, err := a.caseDir()
	if err != nil {
		return nil, err
	}
	o := cases.Options{Who: whoAmI()}
	if k != nil {
		o.Sign = func(ctx context.Context, msg []byte) ([]byte, string, error) {
			sig, err := k.Sign(context.WithoutCancel(ctx), msg)
			return sig, string(k.Fingerprint()), err
		}
	}
	c, err := cases.Open(dir, name, o)
	if err != nil {
		return nil, err
	}
	if c.Made() {
		signed := ""
		if k == nil {
			signed = ", and not signed: there is no key"
		}
		fmt.Fprintf(a.Err, "the case %s is new%s\n", name, signed)
	}
	return c, nil
}

// whoAmI says in words who writes, which proves nothing.
func whoAmI() string {
	name := "somebody"
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}

// caseSigner gives who signs entries: the one that the flags name, or the only
// key; nil where there is none, or none was chosen.
func (s signerFlags) caseSigner(a *app) (signing.Signer, error) {
	if _, err := s.ref(a); err != nil && s.Signer == "" && s.KeyFD == nil && a.Getenv("QUAESTOR_KEY") == "" {
		return nil, nil
	}
	k, err := a.opened(s)
	if err != nil {
		return nil, err
	}
	return k, nil
}

// signingTime is how long a person may take to sign an entry that is there
// already: a signature is checked as of then.
const signingTime = time.Hour

// caseCheck checks signatures by the keys that are known here: the signer's
// own, those of people, and those of the investigators of the policy.
func (a *app) caseCheck() (check cases.Check, name func(string) string) {
	known := map[string]*signing.PublicKey{}
	find := func(signer string) (*signing.PublicKey, error) {
		if k := known[signer]; k != nil {
			return k, nil
		}
		k, err := a.keyOf(signer)
		known[signer] = k
		return k, err
	}
	check = func(signer string, msg, sig []byte, at time.Time) error {
		k, err := find(signer)
		if err != nil {
			return err
		}
		_, err = k.VerifyMessage(msg, sig, at.Add(signingTime))
		return err
	}
	name = func(signer string) string {
		k, err := find(signer)
		if err != nil || k.Name() == "" {
			return value.EscapeText(signer)
		}
		return value.EscapeText(k.Name()) + " (" + signer + ")"
	}
	return check, name
}

// keyOf finds the public key with a fingerprint, and takes nothing else for
// one: what a case names may be anything.
func (a *app) keyOf(signer string) (*signing.PublicKey, error) {
	fp, err := signing.ParseFingerprint(signer)
	if err != nil {
		return nil, err
	}
	h, err := a.homeDir()
	if err != nil {
		return nil, err
	}
	if folder, found, err := h.find(string(fp), keysDir, peopleDir); err == nil {
		return h.public(folder, found)
	}
	home, err := a.home()
	if err != nil {
		return nil, err
	}
	if policy, err := home.Policy(); err == nil && policy != nil {
		if p, ok := policy.Investigator(fp); ok {
			return p.Key, nil
		}
	}
	return nil, fmt.Errorf("the key %s is not known here; quaestor keys import takes it in", fp)
}

// Run lists the cases.
func (c *caseListCommand) Run(a *app) error {
	dir, err := a.caseDir()
	if err != nil {
		return err
	}
	all, err := cases.List(dir)
	if err != nil {
		return err
	}
	if len(all) == 0 && c.Format == "table" {
		_, err := fmt.Fprintln(a.Err, "there is no case yet; quaestor run --case NAME makes one")
		return err
	}
	l := list{name: "cases"}
	l.column("case", value.Version)
	l.column("opened", value.Time)
	l.column("last", value.Time)
	l.column("questions", value.Int)
	l.column("notes", value.Int)
	l.column("size", value.Size)
	for _, i := range all {
		if i.Err != nil {
			fmt.Fprintf(a.Err, "warning: %s\n", value.EscapeText(i.Err.Error()))
			l.row(value.NewText(i.Name), value.Value{}, value.Value{}, value.Value{}, value.Value{}, value.NewSize(i.Size))
			continue
		}
		l.row(value.NewText(i.Name), seconds(i.Opened), seconds(i.Last), value.NewInt(i.Questions), value.NewInt(i.Notes), value.NewSize(i.Size))
	}
	return a.list(l, c.Format)
}

// Run adds a note.
func (c *caseNoteCommand) Run(a *app) (err error) {
	text := strings.Join(c.Text, " ")
	if text == "-" {
		b, err := io.ReadAll(io.LimitReader(a.In, maxSource))
		if err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
		text = string(b)
	}
	// What cannot be noted makes no case.
	if err := errors.Join(cases.CheckName(c.Name), cases.CheckNote(text)); err != nil {
		return err
	}
	k, err := c.caseSigner(a)
	if err != nil {
		return err
	}
	kept, err := a.openCase(c.Name, k)
	if err != nil {
		return err
	}
	return errors.Join(kept.Note(a.ctx, text), kept.Close())
}

// Run says what is wrong with a case.
func (c *caseVerifyCommand) Run(a *app) (err error) {
	kept, err := a.findCase(c.Name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	check, name := a.caseCheck()
	v, err := kept.Verify(a.ctx, check)
	if err != nil {
		return err
	}
	for _, line := range append(v.Lines(name), "head "+v.Head) {
		if _, err := fmt.Fprintln(a.Out, value.EscapeText(line)); err != nil {
			return err
		}
	}
	if c.Head != "" {
		if err := kept.Holds(a.ctx, c.Head); err != nil {
			return err
		}
		fmt.Fprintln(a.Out, "the head that was noted is still there")
	}
	if !v.Good() {
		return fmt.Errorf("the case %s is not what was written", c.Name)
	}
	return nil
}

// Run removes a case.
func (c *caseDeleteCommand) Run(a *app) error {
	dir, err := a.caseDir()
	if err != nil {
		return err
	}
	if !c.Yes {
		if err := a.confirm(fmt.Sprintf("remove the case %s for good?", c.Name)); err != nil {
			return err
		}
	}
	return cases.Delete(dir, c.Name)
}

// Run writes a case to a file.
func (c *caseExportCommand) Run(a *app) (err error) {
	kept, err := a.findCase(c.Name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	if c.Format == "parquet" {
		return c.columnar(a, kept)
	}
	if c.Output == "" {
		return c.write(a, kept, a.Out)
	}
	// For its owner alone, and whole or not at all.
	return wholefile.Fill(c.Output, 0o600, func(w io.Writer) error { return c.write(a, kept, w) })
}

// Run shows a case.
func (c *caseShowCommand) Run(a *app) (err error) {
	kept, err := a.findCase(c.Name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	check, name := a.caseCheck()
	return kept.Text(a.ctx, a.Out, cases.Report{Rows: c.Rows, Check: check, Name: name})
}

func (c *caseExportCommand) write(a *app, kept *cases.Case, w io.Writer) error {
	check, name := a.caseCheck()
	r := cases.Report{Rows: c.Rows, Check: check, Name: name}
	switch c.Format {
	case "md":
		return kept.Markdown(a.ctx, w, r)
	case "html":
		return kept.HTML(a.ctx, w, r)
	}
	return kept.JSONL(a.ctx, w)
}
