package signing

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/signing/translog"
)

// The rule about the log is read as it stands, and a mistake in it is named:
// one that was passed over would let plans run in secret.
func TestLogRule(t *testing.T) {
	h := newHouse(t)
	if r := mustPolicy(t, h.write(nil)).Log(); r != nil {
		t.Errorf("a policy that says nothing asks for a log: %+v", r)
	}
	_, key, err := translog.NewLogKey("quaestor-log/test")
	if err != nil {
		t.Fatal(err)
	}
	_, one, err1 := translog.NewWitnessKey("one")
	_, two, err2 := translog.NewWitnessKey("two")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	log := func(lines string) string {
		return strings.Replace(h.write(nil), "[revoked]", "[log]\n"+lines+"\n\n[revoked]", 1)
	}
	both := fmt.Sprintf("key = %q\nwitnesses = [%q, %q]\n", key, one, two)
	for lines, want := range map[string]LogRule{
		fmt.Sprintf("key = %q", key):               {},
		both + "required = true":                   {Required: true},
		both + "required = true\nthreshold = 1":    {Required: true},
		both + "required = false\nthreshold = 0\n": {},
	} {
		r := mustPolicy(t, log(lines)).Log()
		if r == nil || r.Required != want.Required || r.Keys.Log() != key || r.Keys.Origin() != "quaestor-log/test" {
			t.Fatalf("%s: %+v", lines, r)
		}
	}
	if k := mustPolicy(t, log(both)).Log().Keys; k.Threshold() != 2 || strings.Join(k.Witnesses(), " ") != "one two" {
		t.Errorf("without a threshold: %d of %v", k.Threshold(), k.Witnesses())
	}
	for lines, want := range map[string]string{
		"required = true":                    "no key of a log",
		fmt.Sprintf("key = %q", one):         "no key of a log",
		both + "threshold = 3":               "3 witnesses must sign, and 2 are named",
		both + "threshold = -1":              "-1 witnesses",
		both + "requierd = true":             "misspelt",
		strings.Replace(both, two, one, 1):   "share a name or a key",
		strings.Replace(both, two, "two", 1): "no key of a witness",
		strings.Replace(both, two, key, 1):   "no key of a witness",
		both + "Threshold = 1":               "lower case",
		both + "witness = [\"" + one + "\"]": "misspelt",
	} {
		if _, err := ParsePolicy([]byte(log(lines))); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", lines, err, want)
		}
	}
}
