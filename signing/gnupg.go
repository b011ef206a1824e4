package signing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// Bounds of what GnuPG gives back, in bytes. A person may be asked for a
// passphrase or for a touch, so there is no bound on time but the context's.
const (
	maxGnuPGOutput = 2 * MaxSecret
	maxGnuPGStatus = 64 << 10
)

// GnuPGOptions say which GnuPG, and with which keys.
type GnuPGOptions struct {
	Program string   // "" is gpg, found in PATH
	Home    string   // its folder; "" is the user's own
	Environ []string // what it gets to know, as of os.Environ; nil is all of it
}

// A GnuPG signs and decrypts through gpg, so that private keys stay with its
// agent, or in a smartcard.
type GnuPG struct {
	fingerprint Fingerprint
	program     string
	home        string
	environ     []string
}

// NewGnuPG makes a signer of the key with this primary fingerprint. Nothing is
// run but a search for the program.
func NewGnuPG(fp Fingerprint, o GnuPGOptions) (*GnuPG, error) {
	if !isFingerprint(string(fp)) {
		return nil, fmt.Errorf("%w: %.80q is no fingerprint", ErrMalformed, fp)
	}
	if o.Program == "" {
		o.Program = "gpg"
	}
	program, err := exec.LookPath(o.Program)
	if err != nil {
		return nil, fmt.Errorf("signing: GnuPG is not there: %w", err)
	}
	return &GnuPG{fingerprint: fp, program: program, home: o.Home, environ: o.Environ}, nil
}

// Fingerprint names the key by its primary key.
func (g *GnuPG) Fingerprint() Fingerprint { return g.fingerprint }

// Sign has gpg make a binary detached signature. gpg may ask its user.
func (g *GnuPG) Sign(ctx context.Context, msg []byte) ([]byte, error) {
	out, status, err := g.run(ctx, msg, "--digest-algo", "SHA512", "--no-armor", "--no-textmode",
		"--local-user", string(g.fingerprint), "--output", "-", "--detach-sign")
	if err != nil {
		return nil, err
	}
	if !status.has("SIG_CREATED") {
		return nil, fmt.Errorf("signing: gpg made no signature with key %s", g.fingerprint)
	}
	if _, err := parseSignature(out); err != nil {
		return nil, fmt.Errorf("signing: what gpg made with key %s: %w", g.fingerprint, err)
	}
	return out, nil
}

// Decrypt has gpg open a message. gpg may ask its user.
func (g *GnuPG) Decrypt(ctx context.Context, msg []byte) ([]byte, error) {
	if len(msg) > maxGnuPGOutput {
		return nil, fmt.Errorf("%w: a message of %d bytes is more than %d", ErrMalformed, len(msg), maxGnuPGOutput)
	}
	out, status, err := g.run(ctx, msg, "--max-output", fmt.Sprint(MaxSecret), "--output", "-", "--decrypt")
	if err != nil {
		return nil, err
	}
	if !status.has("DECRYPTION_OKAY") {
		return nil, fmt.Errorf("signing: gpg did not open the message with key %s", g.fingerprint)
	}
	return out, nil
}

// Public asks gpg for the public key, which must be the one that was named.
func (g *GnuPG) Public() (*PublicKey, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, _, err := g.run(ctx, nil, "--no-armor", "--export-options", "export-minimal", "--export", string(g.fingerprint))
	if err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("signing: gpg has no key %s", g.fingerprint)
	}
	k, err := ReadPublicKey(out)
	if err != nil {
		return nil, fmt.Errorf("signing: what gpg has as key %s: %w", g.fingerprint, err)
	}
	if k.Fingerprint() != g.fingerprint {
		return nil, fmt.Errorf("signing: gpg gave key %s for %s: name the primary key", k.Fingerprint(), g.fingerprint)
	}
	return k, nil
}

// A gpgStatus is what gpg says for programs.
type gpgStatus []string

func (s gpgStatus) has(word string) bool {
	for _, line := range s {
		if first, _, _ := strings.Cut(line, " "); first == word {
			return true
		}
	}
	return false
}

// run starts gpg without a shell. What is for programs comes between what is
// for people: a third pipe would do for all systems but Windows.
func (g *GnuPG) run(ctx context.Context, input []byte, args ...string) ([]byte, gpgStatus, error) {
	all := []string{"--batch", "--yes", "--no-auto-check-trustdb", "--status-fd", "2"}
	if g.home != "" {
		all = append(all, "--homedir", g.home)
	}
	cmd := exec.CommandContext(ctx, g.program, append(all, args...)...)
	out, diag := &capped{most: maxGnuPGOutput}, &capped{most: maxGnuPGStatus}
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = g.environ, bytes.NewReader(input), out, diag
	// The agent that gpg starts may hold on to the pipes.
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	var status gpgStatus
	var people []string
	for line := range strings.Lines(diag.String()) {
		line = strings.TrimRight(line, "\r\n")
		if s, ok := strings.CutPrefix(line, "[GNUPG:] "); ok {
			status = append(status, s)
		} else if line != "" {
			people = append(people, line)
		}
	}
	switch {
	case ctx.Err() != nil:
		return nil, nil, fmt.Errorf("signing: gpg: %w", ctx.Err())
	case err != nil:
		return nil, nil, fmt.Errorf("signing: gpg with key %s: %w: %.500q", g.fingerprint, err, strings.Join(people, "; "))
	case out.over || diag.over:
		return nil, nil, errors.New("signing: gpg gave more than was asked for")
	}
	return out.Bytes(), status, nil
}

// A capped buffer keeps what fits, and takes the rest without keeping it.
type capped struct {
	bytes.Buffer
	most int
	over bool
}

func (c *capped) Write(b []byte) (int, error) {
	if room := c.most - c.Len(); len(b) > room {
		c.over = true
		c.Buffer.Write(b[:room])
		return len(b), nil
	}
	return c.Buffer.Write(b)
}
