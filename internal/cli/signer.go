package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/nocore"
	"github.com/quaestor-engine/quaestor/signing"
)

// signerFlags say who signs.
type signerFlags struct {
	Signer          string `placeholder:"KEY" help:"Who signs: a fingerprint of keys list, or gpg:FINGERPRINT for GnuPG and its smartcards (default: signer in config.toml, or the only key)."`
	KeyFD           *int   `name:"key-fd" placeholder:"N" help:"Read the armoured private key from this file descriptor, as a CI server hands it over. QUAESTOR_KEY can hold it, too."`
	passphraseFlags `embed:""`
}

// gpgPrefix begins the names of keys that GnuPG has.
const gpgPrefix = "gpg:"

// A holder of a key signs, and opens what was encrypted to it.
type holder interface {
	signing.Signer
	Decrypt(ctx context.Context, msg []byte) ([]byte, error)
}

// errNoKey says that nothing names a key, and that there is none to choose.
var errNoKey = errors.New("there is no key to sign with\nhint: quaestor keys new makes one, and --signer gpg:FINGERPRINT takes one of GnuPG")

// open gives the signer, unlocked.
func (s signerFlags) open(a *app) (holder, error) {
	if text, err := s.handed(a); err != nil || text != nil {
		return s.unlocked(a, text, err)
	}
	ref, err := s.ref(a)
	if err != nil {
		return nil, err
	}
	if fp, ok := strings.CutPrefix(ref, gpgPrefix); ok {
		return newGnuPG(fp)
	}
	h, err := a.homeDir()
	if err != nil {
		return nil, err
	}
	_, fp, err := h.find(ref, keysDir)
	if err != nil {
		return nil, err
	}
	k, err := h.private(fp)
	if err != nil {
		return nil, err
	}
	return s.unlock(a, k)
}

// handed gives the text of a key that comes from outside of the home, or nil.
func (s signerFlags) handed(a *app) ([]byte, error) {
	if s.KeyFD != nil {
		f := os.NewFile(uintptr(*s.KeyFD), "key-fd")
		if f == nil {
			return nil, fmt.Errorf("--key-fd %d is no file descriptor", *s.KeyFD)
		}
		defer f.Close()
		text, err := io.ReadAll(io.LimitReader(f, signing.MaxKey+1))
		if err != nil {
			return nil, fmt.Errorf("--key-fd %d: %w", *s.KeyFD, err)
		}
		return text, nil
	}
	if text := a.Getenv("QUAESTOR_KEY"); text != "" && s.Signer == "" {
		return []byte(text), nil
	}
	return nil, nil
}

// unlocked reads a key that was handed over.
func (s signerFlags) unlocked(a *app, text []byte, err error) (holder, error) {
	if err != nil {
		return nil, err
	}
	k, err := signing.ReadPrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("the key of QUAESTOR_KEY or --key-fd: %w", err)
	}
	return s.unlock(a, k)
}

func (s signerFlags) unlock(a *app, k *signing.PrivateKey) (holder, error) {
	_ = nocore.Guard() // where there is none, the key is used all the same
	if !k.Locked() {
		return k, nil
	}
	phrase, err := s.passphrase(a, nameOfKey(k.Public()))
	if err != nil {
		return nil, err
	}
	if err := k.Unlock(phrase); err != nil {
		return nil, fmt.Errorf("%s: %w", k.Fingerprint(), err)
	}
	return k, nil
}

// ref says which key is meant where no flag does.
func (s signerFlags) ref(a *app) (string, error) {
	if s.Signer != "" {
		return s.Signer, nil
	}
	if ref, err := a.configuredSigner(); err != nil || ref != "" {
		return ref, err
	}
	h, err := a.homeDir()
	if err != nil {
		return "", err
	}
	names, err := h.names(keysDir, keyExt)
	if err != nil {
		return "", err
	}
	switch len(names) {
	case 0:
		return "", errNoKey
	case 1:
		return names[0], nil
	}
	return "", fmt.Errorf("there are %d keys, and none was chosen\nhint: --signer FINGERPRINT, one of quaestor keys list", len(names))
}

func newGnuPG(ref string) (*signing.GnuPG, error) {
	fp, err := signing.ParseFingerprint(ref)
	if err != nil {
		return nil, err
	}
	return signing.NewGnuPG(fp, signing.GnuPGOptions{Environ: childEnv()})
}

// childEnv is the environment for what is started, without the variables that
// hold secrets: an editor needs none, and gpg leaves an agent behind, which
// would show them for as long as it lives.
func childEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return name == "QUAESTOR_KEY" || name == "QUAESTOR_KEY_PASSPHRASE" || name == "QUAESTOR_TOKEN"
	})
}

// publicKey gives the public key that a reference means: a file, a key of
// GnuPG, or one that keys list shows. An empty one is the signer's own.
func (a *app) publicKey(ref string) (*signing.PublicKey, error) {
	if ref == "" {
		own, err := signerFlags{}.ref(a)
		if err != nil {
			return nil, err
		}
		ref = own
	}
	if fp, ok := strings.CutPrefix(ref, gpgPrefix); ok {
		g, err := newGnuPG(fp)
		if err != nil {
			return nil, err
		}
		return g.Public()
	}
	if info, err := os.Stat(ref); err == nil && info.Mode().IsRegular() {
		b, err := readBounded(ref, signing.MaxKey)
		if err != nil {
			return nil, err
		}
		k, _, err := readKey(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", ref, err)
		}
		return k, nil
	}
	h, err := a.homeDir()
	if err != nil {
		return nil, err
	}
	folder, fp, err := h.find(ref, keysDir, peopleDir)
	if err != nil {
		return nil, err
	}
	return h.public(folder, fp)
}

// readKey reads a key of either kind; private is nil for a public one.
func readKey(b []byte) (public *signing.PublicKey, private *signing.PrivateKey, err error) {
	if private, err = signing.ReadPrivateKey(b); err == nil {
		return private.Public(), private, nil
	}
	public, publicErr := signing.ReadPublicKey(b)
	if publicErr == nil {
		return public, nil, nil
	}
	if strings.Contains(string(b), "PRIVATE KEY") {
		return nil, nil, err
	}
	return nil, nil, publicErr
}
