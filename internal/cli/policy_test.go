package cli

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
)

func newPolicy(t *testing.T) string {
	k, err := signing.NewPrivateKey("Ada", "", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	me := []signing.PrincipalSpec{{Name: "Ada", Key: k.Public()}}
	return signing.NewPolicyText(signing.PolicySpec{Fleet: signing.NewID(), Name: "x", Administrators: me, Investigators: me})
}

// However an administrator laid the text out, a token is revoked in it, or the
// user is told to do it by hand. What was revoked before stays so.
func TestRevokedTokenIsWritten(t *testing.T) {
	base := newPolicy(t)
	head, _, _ := strings.Cut(base, "[revoked]")
	id, old := signing.NewID(), signing.NewID()
	for name, test := range map[string]struct {
		tail string
		hand bool
	}{
		"as it is made":    {tail: "[revoked]\nagents = []\ntokens = []\n"},
		"no section":       {tail: ""},
		"another is there": {tail: "[revoked]\nagents = []\ntokens = [\"" + old.String() + "\"]\n"},
		"on lines of their own": {tail: "[revoked]\nagents = [\n  \"" + old.String() + "\",\n]\ntokens = [\n  # stolen\n  \"" +
			old.String() + "\",\n]\n"},
		"tokens first":   {tail: "[revoked]\ntokens = []\nagents = []\n"},
		"with a comment": {tail: "[revoked]\n# nobody yet\nagents = []\n\n# none\ntokens = []\n"},
		"agents alone":   {tail: "[revoked]\nagents = []\n"},
		"a table after":  {tail: "[revoked] # who is gone\nagents = []\n[module.line]\nweight = 1\n"},
		"with blanks":    {tail: "[ revoked ]\nagents = []\n", hand: true},
	} {
		text := []byte(head + test.tail)
		before, err := signing.ParsePolicy(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := withRevoked(text, "tokens", id)
		if test.hand {
			if err == nil || !strings.Contains(err.Error(), "by hand") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		after, err := signing.ParsePolicy(got)
		if err != nil {
			t.Fatal(err)
		}
		for _, was := range append(before.RevokedTokens(), id) {
			if !slices.Contains(after.RevokedTokens(), was) {
				t.Errorf("%s: %s is not revoked in\n%s", name, was, got)
			}
		}
		if len(after.RevokedAgents()) != len(before.RevokedAgents()) {
			t.Errorf("%s: agents changed", name)
		}
	}
}

func TestNextVersion(t *testing.T) {
	text := newPolicy(t)
	for from, to := range map[string]int64{"version = 1\n": 2, "version=9\n": 10, "  version  =  99 # last year\n": 100} {
		p, err := signing.ParsePolicy([]byte(strings.Replace(text, "version = 1\n", from, 1)))
		if err != nil {
			t.Fatal(err)
		}
		next, err := nextVersion(p)
		if err != nil {
			t.Fatal(err)
		}
		got, err := signing.ParsePolicy(next)
		if err != nil || got.Version() != to {
			t.Errorf("%q becomes version %d, %v", from, got.Version(), err)
		}
	}
}

func TestChoice(t *testing.T) {
	for line, want := range map[string]choice{
		"c": cancelAll, " L \r": leave, "g": goOn, "go on": goOn, "cancel": cancelAll, "leave": leave,
		"": 0, "y": 0, "cl": 0, "no": 0,
	} {
		if got := choiceOf(line); got != want {
			t.Errorf("%q: %q, not %q", line, got, want)
		}
	}
}

// A person is found in a policy however the text is laid out, and nothing else
// of it changes.
func TestPeopleAreFoundInTexts(t *testing.T) {
	text := strings.Join([]string{
		"format = 1", "[[administrator]] # the first", "name = 'its'", "key = '''", "[[investigator]]", "'''", "",
		"# of the next", "[[investigator]]", `name = "a # [b]"`, `key = """`, `[[investigator]] \""" # no`, "", "  [[investigator]]", "name = 'x'", "",
		"# a comment at the end", "[default]", "weight = 1", "",
	}, "\n")
	got := tables([]byte(text), "investigator")
	var parts []string
	for _, s := range got {
		parts = append(parts, text[s.start:s.end])
	}
	want := []string{
		"[[investigator]]\nname = \"a # [b]\"\nkey = \"\"\"\n[[investigator]] \\\"\"\" # no\n",
		"  [[investigator]]\nname = 'x'\n",
	}
	if !slices.Equal(parts, want) {
		t.Errorf("%q\nnot %q", parts, want)
	}
	if n := len(tables([]byte(text), "administrator")); n != 1 {
		t.Errorf("%d administrators", n)
	}
}
