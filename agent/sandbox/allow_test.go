package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/file"
	"github.com/quaestor-engine/quaestor/modules/records"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/signing"
)

// allowing gives a policy whose rule of module file has some allow globs.
func allowing(t *testing.T, globs string) *signing.Policy {
	t.Helper()
	key, err := signing.NewPrivateKey("a", "a@example.com", time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	who := []signing.PrincipalSpec{{Name: "a", Key: key.Public()}}
	text := signing.NewPolicyText(signing.PolicySpec{Fleet: signing.NewID(), Name: "test", Administrators: who, Investigators: who})
	policy, err := signing.ParsePolicy([]byte(strings.Replace(text, "allow = []", "allow = "+globs, 1)))
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

// plant makes files with a needle in them.
func plant(t *testing.T, root string, names []string) {
	t.Helper()
	for _, name := range names {
		name = filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte("needle\n"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// link makes links, each to where it leads.
func link(t *testing.T, root string, links map[string]string) {
	t.Helper()
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Skip("LEFT OUT: there are no links here: ", err)
		}
	}
}

// A link does not lead out of what a policy allows, whichever module follows
// it, and what is left out is told by its name. A glob that begins with a link
// of the system allows what is there.
func TestAllowHoldsWhereLinksLead(t *testing.T) {
	root := t.TempDir()
	plant(t, root, []string{"open/f", "open/deep/f", "open/x.zip!/f", "secret/planted", "usr/bin/sh"})
	link(t, root, map[string]string{"open/in": "/secret", "open/file": "/secret/planted", "open/own": "deep/f", "open/nowhere": "/secret/nothing", "bin": "usr/bin", "bin/out": "/secret/planted"})
	mods := append(records.Modules(), file.New())
	s, err := quaestor.LocalWith(quaestor.Options{Modules: mods})
	if err != nil {
		t.Fatal(err)
	}
	cat, err := modules.NewCatalogue(mods...)
	if err != nil {
		t.Fatal(err)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which closes what was forgotten
	before, _ := os.ReadDir("/proc/self/fd")
	defer func() {
		if after, _ := os.ReadDir("/proc/self/fd"); len(after) > len(before) {
			t.Errorf("%d files are open afterwards, and were %d", len(after), len(before))
		}
	}()
	for _, c := range []struct{ allow, find, rows, told string }{
		{`["/open/**"]`, "FIND file /open/file CONTAINS 'needle'", "", "/open/file"},
		{`["/open/**"]`, "FIND file /open/own CONTAINS 'needle'", "/open/own", ""},
		{`["/open/**"]`, "FIND file /open/in/* CONTAINS 'needle'", "", "/open/in/planted"},
		{`["/open/**"]`, "FIND file /open/* WHERE type = link", "/open/file /open/in /open/nowhere /open/own", ""},
		{`["/open/**"]`, "FIND line /open/file", "", "/open/file"},
		{`["/open/**"]`, "FIND line /open/own", "/open/own", ""},
		{`["/open/**"]`, "FIND line /open/in/planted", "", "/open/in/planted"},
		{`["/open/**"]`, "FIND line /secret/planted", "", "/secret/planted"},
		{`["/bin/*"]`, "FIND file /bin/* CONTAINS 'needle'", "/bin/sh", ""},
		{`["/bin/*"]`, "FIND line /bin/out", "", "/bin/out"},
		{`["/bin/*"]`, "FIND file /usr/bin/sh", "", "/usr/bin/sh"},
		{`[]`, "FIND line /open/file", "/open/file", ""},
	} {
		compiled, err := s.Compile(lang.Source{Name: "test", Text: c.find + " RETURN path"})
		if err != nil {
			t.Fatal(err)
		}
		local := Local{Catalogue: cat, Host: func() modules.Host { return modules.Host{Root: root, Now: time.Now} }}
		run := local.Start(t.Context(), Job{Plan: compiled.Queries[0].Plan, Policy: allowing(t, c.allow), Facts: plan.Facts{}, Turn: &Turn{}})
		var rows, told []string
		for row, err := range run.Rows() {
			if err != nil {
				t.Fatal(err)
			}
			rows = append(rows, row.Values[0].Text())
		}
		for _, k := range run.Summary().Skipped {
			for _, s := range k.First {
				if k.Kind == modules.SkipPolicy {
					told = append(told, s.Where)
				}
			}
		}
		slices.Sort(rows)
		if strings.Join(rows, " ") != c.rows || strings.Join(slices.Compact(told), " ") != c.told {
			t.Errorf("%s of %s: %q is found and %q told", c.find, c.allow, rows, told)
		}
	}
}

// Of a place as much is resolved as there is, and what is in an archive behind
// a link lies where the archive does.
func TestLeads(t *testing.T) {
	root := t.TempDir()
	if err := errors.Join(os.MkdirAll(filepath.Join(root, "real/x!"), 0o755), os.WriteFile(filepath.Join(root, "real/a.zip"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	link(t, root, map[string]string{"link": "real", "z.zip": "real/a.zip"})
	a := newAllowance(allowing(t, "[]"), modules.Host{Root: root, Now: time.Now})
	for place, want := range map[string]string{
		"/link/a.zip": "/real/a.zip", "/link/no/thing": "/real/no/thing", "/z.zip!/etc/passwd": "/real/a.zip!/etc/passwd",
		"/link/x!/y": "/real/x!/y", "/": "/", "/nothing": "/nothing",
	} {
		for range 2 { // what was asked last is remembered
			if got := a.leads(place); got != want {
				t.Errorf("%s leads to %s, not %s", place, got, want)
			}
		}
	}
}

// What the rule of a module denies is denied to it by whatever link, and by a
// path that goes up from where a link leads; what is the agent's own is left
// out likewise, by module file, too.
func TestDenyHoldsWhereLinksLead(t *testing.T) {
	root := t.TempDir()
	plant(t, root, []string{"open/f", "secret/planted", "secret/deep/planted", "var/agent/key", "other/f"})
	link(t, root, map[string]string{"open/in": "/secret/deep", "open/file": "/secret/planted", "open/own": "f", "open/agent": "/var/agent", "open/other": "/other", "open/key": "/var/agent/key"})
	mods := append(records.Modules(), file.New())
	s, err := quaestor.LocalWith(quaestor.Options{Modules: mods})
	if err != nil {
		t.Fatal(err)
	}
	cat, err := modules.NewCatalogue(mods...)
	if err != nil {
		t.Fatal(err)
	}
	policy := allowing(t, "[]\n[module.line]\nweight = 1\ndeny = [\"/secret/**\"]\n[module.ini]\nweight = 1")
	for _, c := range []struct {
		find, rows string
		kind       modules.SkipKind // of what is left out
		told       string
	}{
		{"line /open/own", "/open/own", "", ""},
		{"line /secret/planted", "", modules.SkipPolicy, "/secret/**"},
		{"line /open/file", "", modules.SkipPolicy, "/open/file"},
		{"line /open/in/planted", "", modules.SkipPolicy, "/open/in/planted"},
		{"line /open/in/**", "", modules.SkipPolicy, "/open/in/planted"},
		{"line /open/* WITH follow_links = on", "/open/f", modules.SkipPolicy, "/open/file"},
		{"line /open/other/../secret/planted", "", modules.SkipPolicy, "/open/other/../secret/planted"},
		{"file /open/file CONTAINS 'needle'", "/open/file", "", ""},
		{"line /var/agent/key", "", modules.SkipSelf, "/var/agent/key"},
		{"line /open/agent/key", "", modules.SkipSelf, "/open/agent/key"},
		{"file /var/agent/**", "", modules.SkipSelf, "/var/agent"},
		{"file /open/agent/**", "", modules.SkipSelf, "/open/agent"},
		{"file /open/other/../var/agent/key CONTAINS 'needle'", "", modules.SkipSelf, "/open/other/../var/agent/key"},
		{"file /open/key CONTAINS 'needle'", "", modules.SkipSelf, "/open/key"},
		{"file /open/** CONTAINS 'needle' AND path GLOB '/open/**/key' WITH follow_links = on", "", modules.SkipSelf, "/open"},
		{"file /var/** WHERE type = file", "", modules.SkipSelf, "/var"},
	} {
		find, with, _ := strings.Cut(c.find, " WITH ")
		text := "FIND " + find + " RETURN path"
		if with != "" {
			text += " WITH " + with
		}
		compiled, err := s.Compile(lang.Source{Name: "test", Text: text})
		if err != nil {
			t.Fatal(err)
		}
		local := Local{Catalogue: cat, Host: func() modules.Host { return modules.Host{Root: root, Now: time.Now} }}
		run := local.Start(t.Context(), Job{Plan: compiled.Queries[0].Plan, Policy: policy, Own: OwnFiles{"/var/agent"}, Facts: plan.Facts{}, Turn: &Turn{}})
		var rows, told []string
		for row, err := range run.Rows() {
			if err != nil {
				t.Fatal(err)
			}
			rows = append(rows, row.Values[0].Text())
		}
		for _, k := range run.Summary().Skipped {
			for _, s := range k.First {
				if k.Kind == c.kind {
					told = append(told, s.Where)
				}
			}
		}
		slices.Sort(rows)
		if strings.Join(rows, " ") != c.rows || !slices.Contains(told, c.told) && c.told != "" {
			t.Errorf("%s: %q is found and %+v told", c.find, rows, run.Summary().Skipped)
		}
	}
}
