package agent

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/agent/sandbox"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/account"
	"github.com/quaestor-engine/quaestor/modules/packages"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/value"
)

// What must not be read as a file must not be read as lines, and nobody reads
// what is the agent's own.
func TestPathsOfFilesHoldForAll(t *testing.T) {
	f := newFleet(t)
	text := strings.Replace(f.policyText(1), "deny = []", `deny = ["/etc/shadow", "/home/**"]`, 1)
	f.policy = f.signPolicy(1, text, f.admin)
	f.relay = newFakeRelay(t, f.policy.Encode())
	a := f.open(f.enroll(), numbers{})
	defer a.Close()
	allowed := sandbox.Permitted(a.opts.Catalogue, a.own, a.Policy(), modules.Host{})
	for _, c := range []struct {
		module, place string
		want          modules.SkipKind
	}{
		{"file", "/etc/shadow", modules.SkipPolicy},
		{"line", "/etc/shadow", modules.SkipPolicy},
		{"shell_history", "/home/ann/.bash_history", modules.SkipPolicy},
		{"line", "/etc/passwd", ""},
		{"user", "root", ""},
		{"number", "/n/13", modules.SkipPolicy},
		{"file", "/n/13", ""},
		{"line", filepath.Join(a.opts.Dir, "journal"), modules.SkipSelf},
		{"elf", a.opts.Dir, modules.SkipSelf},
	} {
		if got := allowed(c.module, c.place); got != c.want {
			t.Errorf("%s %s: %q, not %q", c.module, c.place, got, c.want)
		}
	}
}

// A module reads files that its places do not name: what the policy denies
// as a file is not read for it either, and the answer says so.
func TestDeniedFilesAreNotRead(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"etc/passwd": "root:x:0:0::/root:/bin/sh\n", "etc/sudoers": "root ALL=(ALL) ALL\n", "etc/group": "root:x:0:\n",
		"var/lib/dpkg/status": "Package: secret\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n",
	} {
		name = filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	f := newFleet(t)
	text := strings.Replace(f.policyText(1), "deny = []", `deny = ["/etc/passwd", "/etc/sudoers", "/var/lib/dpkg"]`, 1)
	f.policy = f.signPolicy(1, text, f.admin)
	f.relay = newFakeRelay(t, f.policy.Encode())
	mods := append(account.Modules(), packages.Modules()...)
	a := f.open(f.enroll(), mods...)
	defer a.Close()
	a.opts.Host = modules.Host{Root: root}
	s, err := quaestor.LocalWith(quaestor.Options{Modules: mods})
	if err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		"FIND user": "/etc/passwd", "FIND sudo_rule": "/etc/sudoers",
		"FIND package": "/var/lib/dpkg", "FIND package_file": "/var/lib/dpkg", "FIND group": "",
	} {
		c, err := s.Compile(lang.Source{Name: "test", Text: query})
		if err != nil {
			t.Fatal(err)
		}
		sum := a.run(t.Context(), func(error) {}, &permit{policy: a.Policy(), payload: &signing.PlanPayload{}, plan: c.Queries[0].Plan}, &sandbox.Turn{}, func(_ int, row []value.Value) error {
			if want != "" {
				t.Errorf("%s: %v", query, row)
			}
			return nil
		})
		named := slices.ContainsFunc(sum.Skipped, func(k answer.Skipped) bool {
			return k.Kind == modules.SkipPolicy && slices.ContainsFunc(k.First, func(s modules.Skip) bool { return s.Where == want })
		})
		if named != (want != "") || (sum.Outcome == answer.Complete) != (want == "") {
			t.Errorf("%s: %v, %v", query, sum.Outcome, sum.Skipped)
		}
	}
}
