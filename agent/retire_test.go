package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// retiring gives a policy that retires an agent.
func (f *fleet) retiring(version int, id signing.ID, wipes bool) []byte {
	text := strings.Replace(f.policyText(version), "agents = []", fmt.Sprintf("agents = [%q]", id), 1)
	if wipes {
		text = strings.Replace(text, "wipe = []", fmt.Sprintf("wipe = [%q]", id), 1)
	}
	return f.signPolicy(version, text, f.admin).Encode()
}

// keysLeft lists what a retired agent must not have.
func keysLeft(dir string) (left []string) {
	for _, name := range secrets {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			left = append(left, name)
		}
	}
	return left
}

// A retired agent ends what it does, removes its keys, and says so where its
// owner looks; neither a start nor an enrolment brings it back.
func TestRetired(t *testing.T) {
	f := newFleet(t)
	dir := f.enroll()
	a := f.open(dir, numbers{rows: 2})
	done := make(chan error, 1)
	go func() { done <- a.Run(context.Background()) }()
	eventually(t, "it is connected", func() bool { return a.current() != nil })
	f.relay.say(message.TypePolicy, f.retiring(2, a.ID(), true))
	select {
	case err := <-done:
		if !errors.Is(err, ErrRetired) {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it goes on")
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if left := keysLeft(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if st, err := ReadStatus(f.options(dir)); err != nil || st.Retired.IsZero() || st.Agent != a.ID() || st.Policy != 2 {
		t.Errorf("%+v, %v", st, err)
	}
	if list, err := ReadHistory(dir); err != nil || len(list) != 1 || !strings.Contains(list[0].Reason, "from now on nothing is answered") {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := Open(f.options(dir)); !errors.Is(err, ErrRetired) {
		t.Errorf("opened: %v", err)
	}
}

// An agent that dies over its retirement, at whatever step, is retired when it
// is started again.
func TestKilledWhileRetiring(t *testing.T) {
	f := newFleet(t)
	for name, step := range map[string]func(dir string, a *Agent){
		"it has the policy alone": func(dir string, a *Agent) {
			if err := wholefile.Keep(filepath.Join(dir, policyFile), 0o600, f.retiring(2, a.ID(), true)); err != nil {
				t.Fatal(err)
			}
		},
		"nothing is removed yet": func(dir string, a *Agent) {
			env, err := signing.ParseEnvelope(f.retiring(2, a.ID(), true))
			if err != nil {
				t.Fatal(err)
			}
			p, err := signing.ParsePolicy(env.Payload)
			if err != nil {
				t.Fatal(err)
			}
			if err := a.retire(p); err != nil {
				t.Fatal(err)
			}
		},
	} {
		for removed := range len(secrets) + 1 {
			dir := f.enroll()
			a := f.open(dir)
			step(dir, a)
			if err := errors.Join(a.spool.close(), a.journal.Close()); err != nil {
				t.Fatal(err)
			}
			if name == "it has the policy alone" && removed > 0 {
				break
			}
			for _, s := range secrets[:removed] {
				if err := os.RemoveAll(filepath.Join(dir, s)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := Open(f.options(dir)); !errors.Is(err, ErrRetired) {
				t.Errorf("%s, %d removed: %v", name, removed, err)
			}
			if left := keysLeft(dir); len(left) > 0 {
				t.Errorf("%s, %d removed: left behind: %v", name, removed, left)
			}
		}
	}
}

// Without wipe an agent answers nothing and keeps its keys: a later policy may
// take it back.
func TestRevokedAndTakenBack(t *testing.T) {
	f := newFleet(t)
	dir := f.enroll()
	a := f.open(dir, numbers{rows: 2})
	f.run(a)
	eventually(t, "it is connected", func() bool { return a.current() != nil })
	f.relay.say(message.TypePolicy, f.retiring(2, a.ID(), false))
	eventually(t, "it is revoked", func() bool { return a.Status().Outcast != "" })
	f.relay.say(message.TypePolicy, f.signPolicy(3, f.policyText(3), f.admin).Encode())
	eventually(t, "it is taken back", func() bool { return a.Status().Outcast == "" })
	if n := len(keysLeft(dir)); n < 4 {
		t.Errorf("of its keys %v are left", keysLeft(dir))
	}
}

// An agent that comes to another relay, or token, stays who it was; it takes no
// policy there that does not follow its own, and not while it runs.
func TestEnrollAgain(t *testing.T) {
	f := newFleet(t)
	dir := f.enroll()
	a := f.open(dir)
	id := a.ID()
	again := func(r *fakeRelay) error {
		token, err := signing.NewToken(signing.TokenSpec{Fleet: f.id, Tags: map[string]string{"team": "db"}, Uses: 1, NotBefore: time.Now().Add(-time.Hour), Expires: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		if err := token.Envelope.Sign(t.Context(), f.admin); err != nil {
			t.Fatal(err)
		}
		got, err := Enroll(t.Context(), EnrollOptions{Dir: dir, Relays: []string{r.addr()}, Token: token.String(nil, r.ca.Pin()), Again: true})
		if err == nil && got != id {
			t.Errorf("it is agent %s now", got)
		}
		return err
	}
	other := newFakeRelay(t, f.signPolicy(2, f.policyText(2), f.admin).Encode())
	if err := again(other); err == nil || !strings.Contains(err.Error(), "stop the agent first") {
		t.Errorf("while it runs: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	stranger := newKey(t, "stranger")
	if err := again(newFakeRelay(t, f.signPolicy(3, f.ruledBy(3, stranger, f.asker), stranger).Encode())); !errors.Is(err, signing.ErrRefused) {
		t.Errorf("to a stranger's policy: %v", err)
	}
	if err := again(other); err != nil {
		t.Fatal(err)
	}
	b := f.open(dir)
	if b.ID() != id || b.Policy().Version() != 2 || b.member().Tags["team"] != "db" || b.conf.Relays[0] != other.addr() {
		t.Errorf("agent %s, version %d, %v, %v", b.ID(), b.Policy().Version(), b.member().Tags, b.conf.Relays)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}
