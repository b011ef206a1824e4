package client_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/value"
)

// What is no target of a release is not signed, and a plan that is not what its
// text says is not co-signed.
func TestCompileTarget(t *testing.T) {
	local, err := quaestor.LocalWith(quaestor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	now := time.Now()
	for text, want := range map[string]string{
		"FROM fleet": "FROM fleet", "from fleet  where tags.ring = 'canary'": `FROM fleet WHERE tags.ring = "canary"`, `FROM host("a", "b")`: `FROM host "a", "b"`,
	} {
		got, p, err := client.CompileTarget(local, text, now)
		if err != nil || got != want {
			t.Errorf("%s: %q %v, want %q", text, got, err, want)
			continue
		}
		o := &signing.RollOut{Target: got, Compiled: p.Encode(), Made: now}
		if err := client.Retarget(o, local); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		o.Target = "FROM fleet WHERE os = windows"
		if err := client.Retarget(o, local); !errors.Is(err, client.ErrDiffers) {
			t.Errorf("%s, and says another: %v", text, err)
		}
	}
	for _, text := range []string{
		"", "fleet", "FROM local", `FROM hits("000102030405060708090a0b0c0d0e0f")`, "FROM fleet FIND file /etc/* AND", "FROM fleet WHERE nothing = 1", "FROM fleet FIND host; FROM fleet",
	} {
		if got, _, err := client.CompileTarget(local, text, now); err == nil {
			t.Errorf("%q is a target: %q", text, got)
		}
	}
}

// What an agent says of itself becomes one word, and one of which too little is
// known is counted, and not left out.
func TestProgress(t *testing.T) {
	local, err := quaestor.LocalWith(quaestor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	_, target, err := client.CompileTarget(local, "FROM fleet WHERE os = linux", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	agent := func(os, version, upgrade, of string, online bool) client.FleetAgent {
		f := plan.Facts{"agent_version": value.NewVersion(version, value.AnyScheme)}
		if os != "" {
			f["os"] = value.NewText(os)
		}
		if upgrade != "" {
			f["agent_upgrade"], f["agent_upgrade_version"] = value.NewText(upgrade), value.NewVersion(of, value.AnyScheme)
			f["agent_upgrade_reason"] = value.NewText("because")
		}
		return client.FleetAgent{Facts: f, Online: online}
	}
	st := client.Stage{RollOut: &signing.RollOut{Release: "1.1.0"}, Target: target}
	fleet := []client.FleetAgent{
		agent("linux", "1.1.0", "", "", true), agent("linux", "1.0.0", "rolled-back", "1.1.0", true), agent("linux", "1.0.0", "failed", "1.0.5", true),
		agent("linux", "1.0.0", "", "", false), agent("linux", "1.2.0", "", "", true), agent("windows", "1.0.0", "", "", true), agent("", "1.0.0", "", "", true), {}, {Problem: errors.New("no member")},
	}
	var got []string
	for _, u := range st.Progress(fleet, time.Now()) {
		got = append(got, strings.TrimSpace(u.State+" "+u.Reason))
	}
	if s := strings.Join(got, ", "); s != "installed, rolled-back because, offered, offline, newer" {
		t.Error(s)
	}
	if n := st.Undecided(fleet, time.Now()); n != 2 {
		t.Errorf("of %d the facts are not known", n)
	}
}
