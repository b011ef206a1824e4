package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/signing"
)

// A homeDir is the folder in which an investigator's things are: $QUAESTOR_HOME,
// or quaestor in the user's folder for configuration. Package client keeps what
// it knows of a fleet in the same folder; keys and tokens are the command's.
type homeDir struct{ dir string }

// The folders in it, and what files in them are called.
const (
	keysDir   = "keys"   // private keys, FINGERPRINT.asc
	peopleDir = "people" // public keys of others, FINGERPRINT.asc
	tokensDir = "tokens" // what everyone may know of tokens, ID.json
	keyExt    = ".asc"
	tokenExt  = ".json"
)

// policyFile is the policy that the home follows.
const policyFile = "policy.env"

// homeDir finds the folder. It need not be there.
func (a *app) homeDir() (homeDir, error) {
	if dir := a.Getenv("QUAESTOR_HOME"); dir != "" {
		return homeDir{dir}, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return homeDir{}, fmt.Errorf("where to keep keys: %w\nhint: set QUAESTOR_HOME to a folder", err)
	}
	return homeDir{filepath.Join(dir, "quaestor")}, nil
}

func (h homeDir) path(parts ...string) string {
	return filepath.Join(append([]string{h.dir}, parts...)...)
}

// names lists the files of a folder with an extension, without it.
func (h homeDir) names(folder, ext string) ([]string, error) {
	entries, err := os.ReadDir(h.path(folder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var out []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ext); ok && !e.IsDir() {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out, err
}

// private reads a private key.
func (h homeDir) private(fp string) (*signing.PrivateKey, error) {
	name := h.path(keysDir, fp+keyExt)
	b, err := readBounded(name, signing.MaxKey)
	if err != nil {
		return nil, err
	}
	k, err := signing.ReadPrivateKey(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return k, nil
}

// public reads the public half of a key, own or another's.
func (h homeDir) public(folder, fp string) (*signing.PublicKey, error) {
	if folder == keysDir {
		k, err := h.private(fp)
		if err != nil {
			return nil, err
		}
		return k.Public(), nil
	}
	name := h.path(folder, fp+keyExt)
	b, err := readBounded(name, signing.MaxKey)
	if err != nil {
		return nil, err
	}
	k, err := signing.ReadPublicKey(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return k, nil
}

// find gives the one fingerprint in some folders that ref is, or is the end
// of.
func (h homeDir) find(ref string, folders ...string) (folder, fp string, err error) {
	digits := strings.ToUpper(strings.TrimPrefix(strings.ReplaceAll(ref, " ", ""), "0x"))
	const least = 8 // digits: shorter ones are taken for a mistake
	var found []string
	for _, f := range folders {
		names, err := h.names(f, keyExt)
		if err != nil {
			return "", "", err
		}
		for _, n := range names {
			if len(digits) >= least && strings.HasSuffix(n, digits) && !slices.Contains(found, n) {
				folder, fp = f, n
				found = append(found, n)
			}
		}
	}
	switch len(found) {
	case 0:
		return "", "", fmt.Errorf("no key %q here\nhint: quaestor keys list shows those that there are", ref)
	case 1:
		return folder, fp, nil
	}
	return "", "", fmt.Errorf("%d keys end in %q\nhint: write the whole fingerprint", len(found), ref)
}

// add writes a new file for its owner alone, and its folder.
func (h homeDir) add(data []byte, parts ...string) (string, error) {
	name := h.path(parts...)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return "", err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(name))
	}
	return name, nil
}

// readBounded reads a file of at most limit bytes.
func readBounded(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return b, nil
}
