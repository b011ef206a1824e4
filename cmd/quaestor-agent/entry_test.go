package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/journal"
)

// Who signed is named beside the fingerprint as far as the policy knows him; who
// is only said to have signed is not called a signer.
func TestHistoryNames(t *testing.T) {
	admin, ada := newKey(t, "root"), newKey(t, "Ada Lovelace")
	policy, err := signing.ParsePolicy([]byte(signing.NewPolicyText(signing.PolicySpec{
		Fleet: signing.NewID(), Name: "test", Administrators: []signing.PrincipalSpec{{Name: "root", Key: admin.Public()}},
		Investigators: []signing.PrincipalSpec{{Name: "Ada Lovelace", Key: ada.Public(), Weight: 1}},
	})))
	if err != nil {
		t.Fatal(err)
	}
	f := string(ada.Fingerprint())
	e := journal.Entry{Verdict: journal.Accepted, Signers: []string{f, "0123"}}
	if text := entryText(e, names(policy, e)); !strings.Contains(text, "  signers  Ada Lovelace ("+f+"), 0123\n") {
		t.Errorf("%q", text)
	}
	e.Verdict = journal.Refused
	if text := entryText(e, names(policy, e)); !strings.Contains(text, "  claimed  Ada Lovelace ("+f+"), 0123\n") {
		t.Errorf("%q", text)
	}
	if text := entryText(e, names(nil, e)); !strings.Contains(text, "  claimed  "+f+", 0123\n") {
		t.Errorf("without a policy: %q", text)
	}
	text, err := json.Marshal(namedEntry{e, names(policy, e)})
	if err != nil || !strings.Contains(string(text), `"names":{"`+f+`":"Ada Lovelace"}`) || !strings.Contains(string(text), `"signers":["`+f) {
		t.Errorf("%s, %v", text, err)
	}
}

func newKey(t *testing.T, name string) *signing.PrivateKey {
	k, err := signing.NewPrivateKey(name, "a@example.com", time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return k
}
