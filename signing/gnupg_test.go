package signing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// gnupgHome makes a home for gpg, short enough for the socket of its agent, and
// ends the agent afterwards. Without gpg the test is skipped, and says so.
func gnupgHome(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("gpg"); err != nil {
		t.Skip("GnuPG is not installed: nothing was tested with it")
	}
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run(); err != nil {
			t.Log(err)
		}
		os.RemoveAll(home)
	})
	return home
}

func gpg(t *testing.T, home string, input []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("gpg", append([]string{"--homedir", home, "--batch", "--yes", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
	cmd.Stdin = bytes.NewReader(input)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("gpg %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out
}

// GnuPG reads our keys, verifies our signatures and opens our messages.
func TestGnuPGReadsOurs(t *testing.T) {
	home := gnupgHome(t)
	k, err := NewPrivateKey("alice", "alice@test", time.Now().Add(-time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	for _, pass := range []string{"", "horse"} {
		gpg(t, home, must(k.Armor([]byte(pass))), "--import")
	}
	if out := gpg(t, home, nil, "--with-colons", "--list-secret-keys"); !bytes.Contains(out, []byte(k.Fingerprint())) {
		t.Errorf("%s", out)
	}
	file := filepath.Join(home, "msg")
	for i := range 20 {
		msg := fmt.Appendf(nil, "text %d\r\n", i)
		if err := os.WriteFile(file, msg, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file+".sig", must(k.Sign(t.Context(), msg)), 0o600); err != nil {
			t.Fatal(err)
		}
		out := gpg(t, home, nil, "--status-fd", "1", "--verify", file+".sig", file)
		if !bytes.Contains(out, []byte("VALIDSIG "+string(k.Fingerprint()))) {
			t.Errorf("%s", out)
		}
	}
	msg := must(Encrypt([]byte("secret"), []*PublicKey{k.Public()}))
	if out := gpg(t, home, msg, "--decrypt"); string(out) != "secret" {
		t.Errorf("%q", out)
	}
}

// GnuPG signs for us, with its own keys of several kinds, and what it makes
// counts like any other.
func TestGnuPGSigns(t *testing.T) {
	home := gnupgHome(t)
	for _, kind := range []string{"ed25519/cv25519", "rsa2048/rsa2048", "nistp384/nistp384"} {
		t.Run(kind, func(t *testing.T) {
			sign, encrypt, _ := strings.Cut(kind, "/")
			id := sign + "@test"
			gpg(t, home, nil, "--quick-gen-key", id, sign, "sign", "never")
			fp := fingerprintIn(t, home, id)
			gpg(t, home, nil, "--quick-add-key", string(fp), encrypt, "encrypt", "never")
			g, err := NewGnuPG(fp, GnuPGOptions{Home: home})
			if err != nil {
				t.Fatal(err)
			}
			p, err := g.Public()
			if err != nil || p.Fingerprint() != g.Fingerprint() {
				t.Fatal(err)
			}
			h := newHouse(t)
			policy := mustPolicy(t, NewPolicyText(PolicySpec{Fleet: h.fleet,
				Administrators: []PrincipalSpec{{Name: "root", Key: h.admin.Public()}},
				Investigators:  []PrincipalSpec{{Name: "card", Key: p, Weight: 5}}}))
			n := 1
			if sign == "ed25519" {
				n = 20 // numbers in signatures are of several lengths
			}
			for range n {
				plan := h.plan()
				plan.Planned = time.Now()
				plan.NotBefore, plan.Expires = plan.Planned, plan.Planned.Add(time.Hour)
				e := signedPlan(t, plan, g)
				parsed, err := ParseEnvelope(e.Encode())
				if err != nil {
					t.Fatal(err)
				}
				if v, err := policy.Verify(parsed, VerifyOptions{At: time.Now()}); err != nil || v.Weight() != 5 {
					t.Fatal(err)
				}
			}
			secret := []byte("seed")
			msg, err := Encrypt(secret, []*PublicKey{p, h.alice.Public()})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := g.Decrypt(t.Context(), msg); err != nil || !bytes.Equal(got, secret) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func fingerprintIn(t *testing.T, home, id string) Fingerprint {
	t.Helper()
	for line := range strings.Lines(string(gpg(t, home, nil, "--with-colons", "--list-keys", id))) {
		if f := strings.Split(line, ":"); f[0] == "fpr" {
			return Fingerprint(f[9])
		}
	}
	t.Fatalf("gpg has no key %s", id)
	return ""
}

func TestGnuPGFails(t *testing.T) {
	home := gnupgHome(t)
	unknown := Fingerprint(strings.Repeat("0", 40))
	if _, err := NewGnuPG("x", GnuPGOptions{Home: home}); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
	if _, err := NewGnuPG("--version", GnuPGOptions{}); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
	if _, err := NewGnuPG(unknown, GnuPGOptions{Program: filepath.Join(home, "no-gpg")}); err == nil {
		t.Error("a program that is not there")
	}
	g, err := NewGnuPG(unknown, GnuPGOptions{Home: home})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Sign(t.Context(), []byte("a")); err == nil || !strings.Contains(err.Error(), string(unknown)) {
		t.Error(err)
	}
	if _, err := g.Public(); err == nil || !strings.Contains(err.Error(), string(unknown)) {
		t.Error(err)
	}
	if _, err := g.Decrypt(t.Context(), must(Encrypt([]byte("a"), []*PublicKey{person(t, "alice").Public()}))); err == nil {
		t.Error("opened what is for another")
	}
	if _, err := g.Decrypt(t.Context(), []byte("nonsense")); err == nil {
		t.Error("opened nonsense")
	}
	if _, err := g.Decrypt(t.Context(), make([]byte, maxGnuPGOutput+1)); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
	stop, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.Sign(stop, []byte("a")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestCapped(t *testing.T) {
	c := &capped{most: 3}
	for _, s := range []string{"ab", "cd", "ef"} {
		if n, err := c.Write([]byte(s)); n != 2 || err != nil {
			t.Error(n, err)
		}
	}
	if c.String() != "abc" || !c.over {
		t.Errorf("%q %v", c.String(), c.over)
	}
}
