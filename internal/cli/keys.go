package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/value"
)

type keysCommand struct {
	New    keysNewCommand    `cmd:"" help:"Make a key."`
	Import keysImportCommand `cmd:"" help:"Take a key from a file: a private one to sign with, or another person's public one."`
	List   keysListCommand   `cmd:"" default:"1" help:"List the keys (without a command)."`
	Export keysExportCommand `cmd:"" help:"Write the public half of a key."`
}

type keysNewCommand struct {
	Name            string `arg:"" optional:"" help:"Whose key it is (default: the user's name)."`
	Email           string `placeholder:"ADDRESS" help:"To be shown beside the name."`
	NoPassphrase    bool   `help:"Whoever can read the file can use the key."`
	passphraseFlags `embed:""`
}

type keysImportCommand struct {
	File string `arg:"" help:"The file, armored or binary, or - for standard input."`
}

type keysListCommand struct {
	Format string `default:"table" placeholder:"FORMAT" help:"table, jsonl, json or csv (default: ${default})."`
}

type keysExportCommand struct {
	Key    string `arg:"" optional:"" help:"A fingerprint, or its end (default: the key that signs)."`
	Output string `short:"o" placeholder:"FILE" help:"Write to a file."`
}

// Run makes a key and keeps it.
func (c *keysNewCommand) Run(a *app) error {
	h, err := a.homeDir()
	if err != nil {
		return err
	}
	if c.NoPassphrase && c.PassphraseFile != "" {
		return errors.New("--no-passphrase and --passphrase-file say different things")
	}
	name := c.Name
	for _, v := range []string{"USER", "LOGNAME", "USERNAME"} {
		if name == "" {
			name = a.Getenv(v)
		}
	}
	if name == "" {
		return errors.New("whose key is it?\nhint: quaestor keys new 'Ada Lovelace'")
	}
	var phrase []byte
	if !c.NoPassphrase {
		if phrase, err = c.newPassphrase(a); err != nil {
			return err
		}
	}
	k, err := signing.NewPrivateKey(name, c.Email, time.Now())
	if err != nil {
		return err
	}
	text, err := k.Armor(phrase)
	if err != nil {
		return err
	}
	file, err := h.add(text, keysDir, string(k.Fingerprint())+keyExt)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Err, "the key of %s is in %s\nhint: keep a copy of the file; quaestor keys export gives others its public half\n", nameOfKey(k.Public()), file)
	_, err = fmt.Fprintln(a.Out, k.Fingerprint())
	return err
}

// nameOfKey gives what a key's owner calls himself, fit to be shown.
func nameOfKey(k *signing.PublicKey) string {
	if k.Name() == "" {
		return string(k.Fingerprint())
	}
	return value.EscapeText(k.Name())
}

// Run keeps a key.
func (c *keysImportCommand) Run(a *app) error {
	h, err := a.homeDir()
	if err != nil {
		return err
	}
	var b []byte
	if c.File == "-" {
		b, err = io.ReadAll(io.LimitReader(a.In, signing.MaxKey+1))
	} else {
		b, err = readBounded(c.File, signing.MaxKey)
	}
	if err != nil {
		return err
	}
	public, private, err := readKey(b)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	folder, what, text := peopleDir, "public", public.Armor()
	if private != nil {
		// The bytes are kept as they came, so that a locked key stays locked.
		folder, what, text = keysDir, "private", b
	}
	if err := public.Usable(time.Now()); err != nil {
		fmt.Fprintf(a.Err, "warning: %s: %v\n", public.Fingerprint(), err)
	}
	file, err := h.add(text, folder, string(public.Fingerprint())+keyExt)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is here already", public.Fingerprint())
	}
	if err != nil {
		return err
	}
	if private != nil && !private.Locked() {
		fmt.Fprintln(a.Err, "warning: the key has no passphrase: whoever can read the file can use it")
	}
	fmt.Fprintf(a.Err, "the %s key of %s is in %s\n", what, nameOfKey(public), file)
	_, err = fmt.Fprintln(a.Out, public.Fingerprint())
	return err
}

// Run lists keys.
func (c *keysListCommand) Run(a *app) error {
	h, err := a.homeDir()
	if err != nil {
		return err
	}
	l := list{name: "keys"}
	l.column("fingerprint", value.Version)
	l.column("name", value.Text)
	l.column("kind", value.Version)
	l.column("algorithm", value.Version)
	l.column("created", value.Time)
	l.column("note", value.Text)
	for _, folder := range []string{keysDir, peopleDir} {
		names, err := h.names(folder, keyExt)
		if err != nil {
			return err
		}
		for _, n := range names {
			k, kind, note, err := h.describe(folder, n)
			if err != nil {
				fmt.Fprintf(a.Err, "warning: %v\n", err)
				continue
			}
			l.row(value.NewText(string(k.Fingerprint())), value.NewText(k.Name()), value.NewText(kind),
				value.NewText(k.Algorithm()), value.NewTime(k.Created()), textOrNull(note))
		}
	}
	if len(l.rows) == 0 && c.Format == "table" {
		fmt.Fprintln(a.Err, "no keys\nhint: quaestor keys new makes one")
	}
	return a.list(l, c.Format)
}

// describe says what there is to say of a key in a list.
func (h homeDir) describe(folder, fp string) (k *signing.PublicKey, kind, note string, err error) {
	kind = "public"
	if folder == keysDir {
		private, err := h.private(fp)
		if err != nil {
			return nil, "", "", err
		}
		k, kind = private.Public(), "private"
		if !private.Locked() {
			note = "no passphrase"
		}
	} else if k, err = h.public(folder, fp); err != nil {
		return nil, "", "", err
	}
	if err := k.Usable(time.Now()); err != nil {
		note = strings.TrimPrefix(err.Error(), signing.ErrUnusable.Error()+": ")
	}
	return k, kind, note, nil
}

// Run writes a public key.
func (c *keysExportCommand) Run(a *app) error {
	k, err := a.publicKey(c.Key)
	if err != nil {
		return err
	}
	if c.Output != "" {
		return os.WriteFile(c.Output, k.Armor(), 0o644)
	}
	_, err = a.Out.Write(k.Armor())
	return err
}
