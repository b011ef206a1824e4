package agent

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules"
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
	allowed := a.permitted(&permit{policy: a.Policy()})
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
