package signing

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"pgregory.net/rapid"
)

// A board is who signs the policies of a fleet at a time.
type board struct {
	threshold int
	admins    []*PrivateKey
}

// textOf gives a policy of a version by a board.
func (h *house) textOf(version int, b board) []byte {
	var admins []PrincipalSpec
	for i, k := range b.admins {
		admins = append(admins, PrincipalSpec{Name: fmt.Sprintf("admin %d", i), Key: k.Public()})
	}
	text := NewPolicyText(PolicySpec{Fleet: h.fleet, Name: "test", Administrators: admins, Investigators: []PrincipalSpec{{Name: "alice", Key: h.alice.Public()}}})
	return []byte(replaced(text, map[string]string{"version = 1": fmt.Sprintf("version = %d", version), "threshold = 1": fmt.Sprintf("threshold = %d", b.threshold)}))
}

// However the administrators of a fleet change, from every policy the newest is
// reached over those that changed them, and without one of these it is not,
// unless the people are the same.
func TestChains(t *testing.T) {
	h := newHouse(t)
	var people []*PrivateKey
	for i := range 5 {
		people = append(people, person(t, fmt.Sprintf("person %d", i)))
	}
	rapid.Check(t, func(rt *rapid.T) {
		var policies []*Policy
		var all, turns []*Envelope
		var before board
		for version := 1; version <= rapid.IntRange(2, 8).Draw(rt, "versions"); version++ {
			now := before
			if version == 1 || rapid.Bool().Draw(rt, "changes") {
				who := rapid.Permutation(people).Draw(rt, "who")
				n := rapid.IntRange(1, 3).Draw(rt, "how many")
				now = board{rapid.IntRange(1, n).Draw(rt, "threshold"), who[:n]}
			}
			text := h.textOf(version, now)
			e := &Envelope{PayloadType: TypePolicy, Payload: text}
			signed := map[*PrivateKey]bool{}
			for _, k := range append(append([]*PrivateKey{}, before.admins[:before.threshold]...), now.admins[:now.threshold]...) {
				if !signed[k] {
					if err := e.Sign(t.Context(), k); err != nil {
						rt.Fatal(err)
					}
					signed[k] = true
				}
			}
			p := mustPolicy(t, string(text))
			if len(policies) == 0 || !policies[len(policies)-1].SameAdministrators(p) {
				turns = append(turns, e)
			}
			policies, all, before = append(policies, p), append(all, e), now
		}
		newest := policies[len(policies)-1]
		chain := append(turns, all[len(all)-1])
		for _, p := range policies {
			for name, way := range map[string][]*Envelope{"all": all, "turns": chain} {
				got, e, err := p.CatchUp(way, now().AddDate(1, 0, 0))
				if err != nil || got.Version() != newest.Version() || (e == nil) != (p == newest) {
					rt.Fatalf("from %d over %s: %d, %v", p.Version(), name, got.Version(), err)
				}
			}
		}
		pinned := []Fingerprint{policies[0].Administrators()[0].Key.Fingerprint()}
		if got, _, err := EnterChain(chain, pinned, now()); err != nil || got.Version() != newest.Version() {
			rt.Fatalf("entering: %v", err)
		}
	})
}

// A chain from which a step is missing, or that a stranger's policy interrupts,
// leads as far as it does, and what is wrong is said.
func TestChainsThatAreNotGood(t *testing.T) {
	h := newHouse(t)
	mallory := person(t, "mallory")
	one, two, three := board{1, []*PrivateKey{h.admin}}, board{1, []*PrivateKey{h.second}}, board{2, []*PrivateKey{h.second, h.carol}}
	first := mustPolicy(t, string(h.textOf(1, one)))
	second := signed(t, TypePolicy, h.textOf(2, two), h.admin, h.second)
	third := signed(t, TypePolicy, h.textOf(3, three), h.second, h.carol)
	coup := signed(t, TypePolicy, h.textOf(4, board{1, []*PrivateKey{mallory}}), mallory)
	half := signed(t, TypePolicy, h.textOf(4, three), h.carol)
	for name, c := range map[string]struct {
		chain []*Envelope
		to    int64
		good  bool
	}{
		"whole":                      {[]*Envelope{second, third}, 3, true},
		"twice":                      {[]*Envelope{second, second, third, third}, 3, true},
		"a step is missing":          {[]*Envelope{third}, 1, false},
		"out of order":               {[]*Envelope{third, second}, 2, true}, // the third comes again, next time
		"a coup at the end":          {[]*Envelope{second, third, coup}, 3, false},
		"a coup in between":          {[]*Envelope{second, coup, third}, 3, true},
		"below the threshold before": {[]*Envelope{second, third, half}, 3, false},
		"nothing":                    {nil, 1, true},
	} {
		got, _, err := first.CatchUp(c.chain, now())
		if got.Version() != c.to || (err == nil) != c.good || err != nil && !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %d, %v", name, got.Version(), err)
		}
	}
	long := make([]*Envelope, MaxChain+1)
	for i := range long {
		long[i] = second
	}
	if _, _, err := first.CatchUp(long, now()); !errors.Is(err, ErrRefused) {
		t.Errorf("a chain without an end: %v", err)
	}
	if _, _, err := EnterChain([]*Envelope{second, third}, pins(mallory), now()); !errors.Is(err, ErrRefused) {
		t.Errorf("entered by a stranger's word: %v", err)
	}
	if p, e, err := EnterChain([]*Envelope{second, third}, pins(h.second), now()); err != nil || p.Version() != 3 || e != third {
		t.Errorf("%v", err)
	}
	if _, _, err := EnterChain(nil, pins(h.second), now()); !errors.Is(err, ErrRefused) {
		t.Errorf("no chain: %v", err)
	}
}

// expiringKey gives a key that counts until a time, and certifies it anew.
func expiringKey(t *testing.T, k *PrivateKey, certified, until time.Time) *PrivateKey {
	t.Helper()
	c := at(t, k, now())
	for _, id := range c.entity.Identities {
		s := id.SelfCertifications[0].Packet
		s.CreationTime = certified
		life := uint32(until.Sub(c.entity.PrimaryKey.CreationTime) / time.Second)
		s.KeyLifetimeSecs = &life
		if err := s.SignUserId(id.UserId.Id, c.entity.PrimaryKey, c.entity.PrivateKey, config(now())); err != nil {
			t.Fatal(err)
		}
	}
	return at(t, c, now())
}

// The key of an administrator expires, and the fleet does not: what he signed
// leads on for ever, and the policy in which his key is renewed is his to sign.
// What he signs with the old certification counts for nothing, and a revocation
// is never undone by an older copy.
func TestExpiredAdministrators(t *testing.T) {
	h := newHouse(t)
	old := expiringKey(t, h.admin, now().AddDate(0, -1, 0), now().AddDate(0, 1, 0))
	later := now().AddDate(1, 0, 0)
	old.Clock = now
	first := mustPolicy(t, string(h.textOf(1, board{1, []*PrivateKey{old}})))
	second := signed(t, TypePolicy, h.textOf(2, board{1, []*PrivateKey{old}}), old)
	if p, err := first.Accept(second, later); err != nil || p.Version() != 2 {
		t.Errorf("what was signed in time is not accepted a year later: %v", err)
	}
	if _, err := FirstPolicy(second, pins(old), later); err != nil {
		t.Errorf("nobody can enter any more: %v", err)
	}
	late := signed(t, TypePolicy, h.textOf(2, board{1, []*PrivateKey{old}}), loose(h.admin, later))
	_, err := first.Accept(late, later)
	wantRefusal(t, err, CodeSignature, "expired")
	renewed := expiringKey(t, old, now().AddDate(0, 11, 0), now().AddDate(3, 0, 0))
	mended := signed(t, TypePolicy, h.textOf(2, board{1, []*PrivateKey{renewed}}), loose(h.admin, later))
	if p, err := first.Accept(mended, later); err != nil || p.Version() != 2 {
		t.Errorf("a renewed key: %v", err)
	}
	// An older certification that lasts longer is not taken for a renewal.
	longer := expiringKey(t, old, now().AddDate(0, -2, 1), now().AddDate(3, 0, 0))
	undone := signed(t, TypePolicy, h.textOf(2, board{1, []*PrivateKey{longer}}), loose(h.admin, later))
	_, err = first.Accept(undone, later)
	wantRefusal(t, err, CodeSignature, "expired")
	// Neither is a copy from before a revocation.
	gone := at(t, h.admin, now())
	if err := gone.entity.Revoke(packet.KeyCompromised, "", config(now())); err != nil {
		t.Fatal(err)
	}
	revoked := mustPolicy(t, strings.Replace(string(h.textOf(1, board{1, []*PrivateKey{h.admin}})),
		string(h.admin.Public().Armor()), string(public(t, gone.entity).Armor()), 1))
	_, err = revoked.Accept(signed(t, TypePolicy, h.textOf(2, board{1, []*PrivateKey{h.admin}}), h.admin), now())
	wantRefusal(t, err, CodeSignature, "revoked")
}

// A plan that runs goes on under a new policy only where its signers still
// count, and weigh enough.
func TestStillVerified(t *testing.T) {
	h := newHouse(t)
	v, err := h.policy.Verify(signedPlan(t, h.files(), h.alice, h.bob), VerifyOptions{At: now()})
	if err != nil {
		t.Fatal(err)
	}
	without := func(name string) *Policy {
		text := h.text
		a := strings.Index(text, "\n[[investigator]]\nname = \""+name)
		b := a + 1 + strings.Index(text[a+1:], "'''\n") + 4
		b += strings.Index(text[b:], "'''\n") + 4
		return mustPolicy(t, text[:a]+text[b:])
	}
	if err := h.policy.StillVerified(v, now()); err != nil {
		t.Error(err)
	}
	if err := without("carol").StillVerified(v, now()); err != nil {
		t.Error(err)
	}
	wantRefusal(t, without("bob").StillVerified(v, now()), CodeWeight, "needs weight 2", string(h.bob.Fingerprint()))
	w, err := h.policy.Verify(signedPlan(t, h.plan(), h.bob), VerifyOptions{At: now()})
	if err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, without("bob").StillVerified(w, now()), CodeSignature, "any more")
	wantRefusal(t, h.policy.StillVerified(Verified{}, now()), CodeMalformed)
	other := mustPolicy(t, strings.Replace(h.text, h.fleet.String(), NewID().String(), 1))
	wantRefusal(t, other.StillVerified(v, now()), CodeFleet)
}

func pins(keys ...*PrivateKey) (out []Fingerprint) {
	for _, k := range keys {
		out = append(out, k.Fingerprint())
	}
	return out
}
