package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/term"
)

// maxPassphrase is how long a passphrase can be, in bytes.
const maxPassphrase = 4 << 10

// passphraseFlags say where a passphrase comes from, if not from the terminal.
type passphraseFlags struct {
	PassphraseFile string `placeholder:"FILE" help:"Read the passphrase from the first line of a file."`
}

// passphrase gives the passphrase of a key.
func (p passphraseFlags) passphrase(a *app, what string) ([]byte, error) {
	if p.PassphraseFile != "" {
		return p.fromFile()
	}
	if phrase := a.Getenv("QUAESTOR_KEY_PASSPHRASE"); phrase != "" {
		return []byte(phrase), nil
	}
	return a.secret("passphrase of " + what + ": ")
}

func (p passphraseFlags) fromFile() ([]byte, error) {
	b, err := readBounded(p.PassphraseFile, maxPassphrase)
	if err != nil {
		return nil, err
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	if line = bytes.TrimSuffix(line, []byte("\r")); len(line) == 0 {
		return nil, fmt.Errorf("%s: there is no passphrase in its first line", p.PassphraseFile)
	}
	return line, nil
}

// newPassphrase asks for a passphrase twice.
func (p passphraseFlags) newPassphrase(a *app) ([]byte, error) {
	if p.PassphraseFile != "" {
		return p.fromFile()
	}
	first, err := a.secret("a passphrase for the new key: ")
	if err != nil {
		return nil, err
	}
	if len(first) == 0 {
		return nil, errors.New("the passphrase is empty\nhint: --no-passphrase makes a key that whoever reads the file can use")
	}
	second, err := a.secret("the same again: ")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, second) {
		return nil, errors.New("the two passphrases differ; nothing was kept")
	}
	return first, nil
}

// secret asks on the terminal for what is not to be seen, even where standard
// input or output are something else.
func (a *app) secret(question string) ([]byte, error) {
	tty, closeTTY, err := a.terminal()
	if err != nil {
		return nil, errors.New("a passphrase is needed, and there is no terminal to ask on\nhint: --passphrase-file FILE")
	}
	defer closeTTY()
	if _, err := fmt.Fprint(a.Err, question); err != nil {
		return nil, err
	}
	b, err := term.ReadPassword(int(tty.Fd()))
	fmt.Fprintln(a.Err)
	if err != nil {
		return nil, fmt.Errorf("reading the passphrase: %w", err)
	}
	return b, nil
}

// terminal gives the terminal to read from.
func (a *app) terminal() (*os.File, func(), error) {
	if f, ok := a.In.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f, func() {}, nil
	}
	if _, ok := a.In.(*os.File); !ok {
		return nil, nil, errors.New("standard input is not a file")
	}
	name := "/dev/tty"
	if runtime.GOOS == "windows" {
		name = "CONIN$"
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	return f, func() { _ = f.Close() }, nil
}
