package complete_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/internal/complete"
	"github.com/quaestor-engine/quaestor/internal/hostile"
)

// Names of hosts, facts, files, cases and lists that others chose are offered
// as text: a candidate steers nothing where it is shown, and says what it is.
func TestNothingHostileIsOffered(t *testing.T) {
	c := surroundings(t, 0)
	c.Facts = map[string][]string{}
	for _, v := range hostile.Values() {
		c.Hosts, c.Answers, c.Cases, c.Lists = append(c.Hosts, v), append(c.Answers, v), append(c.Cases, v), append(c.Lists, v)
		c.Facts["os"] = append(c.Facts["os"], v)
		c.Facts["tags."+v] = []string{v}
		c.Facts["tags.team"] = append(c.Facts["tags.team"], v)
		if name := strings.ReplaceAll(v, "/", "_"); name != "" && len(name) < 256 && !strings.Contains(name, "\x00") {
			for _, dir := range []string{filepath.Join(c.Root, "evil"), c.Dir} {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
					t.Logf("the file system has no name %q: %v", name, err)
				}
			}
		}
	}
	slices.Reverse(c.Facts["tags.team"]) // the first few are shown
	for _, q := range []string{
		"FROM host ", `FROM host("`, `FROM host('`, `FROM hits("`, `FROM hits('`, `FROM case("`, `FROM case('`, "FROM fleet WHERE ", "FROM fleet WHERE tags.", "FROM fleet WHERE os = ", `FROM fleet WHERE os = "`, `FROM fleet WHERE os = '`,
		"FIND file /evil/", `FIND file "/evil/`, `FIND file '/evil/`, "FIND file /etc/* WHERE path IN @", `FIND file /etc/* WHERE path IN @"`,
	} {
		all := complete.At(q, len(q), c)
		if len(all) == 0 {
			t.Errorf("%s: nothing is offered", q)
		}
		for _, one := range all {
			for _, said := range []string{one.Text, one.Detail, one.Doc} {
				if err := hostile.Terminal(said); err != nil || strings.Contains(said, "\n") {
					t.Errorf("%s: %q: %v", q, said, err)
				}
			}
		}
	}
}
