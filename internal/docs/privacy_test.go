package docs

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/engine"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
	"github.com/quaestor-engine/quaestor/signing"
)

var tomlBlock = regexp.MustCompile("(?s)```toml\n(.*?)```")

// The policy of the page is one, and says what the page says of it.
func TestPolicyOfPrivacy(t *testing.T) {
	page, err := os.ReadFile(root + "/docs/privacy.md")
	if err != nil {
		t.Fatal(err)
	}
	rules := tomlBlock.FindStringSubmatch(string(page))
	key, err := signing.NewPrivateKey("ada", "", time.Now())
	if err != nil || rules == nil {
		t.Fatal(err)
	}
	who := []signing.PrincipalSpec{{Name: "ada", Key: key.Public()}}
	text := signing.NewPolicyText(signing.PolicySpec{Fleet: signing.NewID(), Name: "x", Administrators: who, Investigators: who})
	head, rest, _ := strings.Cut(text, "# The rule of modules that have none of their own.")
	_, tail, found := strings.Cut(rest, "# The most that a plan may ask for")
	if !found {
		t.Fatal("a new policy has another form")
	}
	p, err := signing.ParsePolicy([]byte(head + rules[1] + "\n" + tail[strings.Index(tail, "\n"):]))
	if err != nil {
		t.Fatal(err)
	}
	content := map[string][]string{}
	for _, m := range std.Modules() {
		s := m.Schema()
		content[s.Name] = nil
		for _, c := range s.Columns {
			if c.Content {
				content[s.Name] = append(content[s.Name], c.Name)
			}
		}
	}
	for _, m := range []string{"file", "log", "memory", "environment", "shell_history"} {
		r := p.Rule(m)
		if _, known := content[m]; !known || r.Module != m {
			t.Errorf("%s has no rule, or is no module", m)
		}
		for _, c := range r.Content {
			if !slices.Contains(content[m], c) {
				t.Errorf("%s.%s is no content", m, c)
			}
		}
	}
	if r := p.Rule("file"); len(r.Content) != 0 || !slices.Contains(r.Deny, "/home/**") {
		t.Errorf("%+v", r)
	}
	if r := p.Rule("log"); r.ContentWeight != 2 {
		t.Errorf("%+v", r)
	}
	if r := p.Rule("memory"); r.Weight != 1000 {
		t.Errorf("%+v", r)
	}
}

// The page names what an agent tells its relay, all of it: the columns of host
// that tell most about a machine by name.
func TestRelayOfPrivacy(t *testing.T) {
	page, err := os.ReadFile(root + "/docs/privacy.md")
	if err != nil {
		t.Fatal(err)
	}
	said := regexp.MustCompile(`(?m)^- \*\*The relay\*\*.*$`).FindString(string(page))
	cat, err := modules.NewCatalogue(std.Modules()...)
	if err != nil {
		t.Fatal(err)
	}
	facts, err := engine.FactsOf(t.Context(), cat, modules.Host{Root: t.TempDir(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	schema, _ := cat.Schema("host")
	for _, c := range schema.Columns {
		if _, sent := facts[c.Name]; !sent {
			t.Errorf("%s is not told, and the page says that all columns are", c.Name)
		}
	}
	for fact, words := range map[string]string{
		"": "all columns of `host`", "hostname": "the name", "addresses": "addresses", "mac_addresses": "hardware addresses",
		"serial": "serial numbers", "board_serial": "serial numbers",
	} {
		if _, sent := facts[fact]; (sent || fact == "") && !strings.Contains(said, words) {
			t.Errorf("the page does not say that a relay is told %s: %s", words, said)
		}
	}
}
