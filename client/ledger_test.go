package client_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/agent"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/relay"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/translog"
)

// A logged fleet asks for proofs, with two witnesses who must both sign.
type logged struct {
	*fleet
	log       string // its key
	witnesses []*translog.Witness
	names     []string
}

// newLogged makes one, with an agent, and publishes the policy that says so.
func newLogged(t *testing.T) (*logged, *client.Session) {
	t.Helper()
	l := &logged{fleet: newFleet(t)}
	l.startAgent("web-0", map[string]string{"/etc/motd": "hello\n"})
	s := l.dial()
	l.waitOnline(s, 1)
	key, err := relay.LogKey(l.path("relay"))
	if err != nil {
		t.Fatal(err)
	}
	l.log = key
	for _, name := range []string{"witness/one", "witness/two"} {
		seed, public, err := translog.NewWitnessKey(name)
		if err != nil {
			t.Fatal(err)
		}
		w, err := translog.OpenWitness(l.path(name), seed, key, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		l.witnesses, l.names = append(l.witnesses, w), append(l.names, fmt.Sprintf("%q", public))
	}
	if _, err := s.Publish(t.Context(), l.sign(signing.TypePolicy, []byte(l.asking(2, 2)))); err != nil {
		t.Fatal(err)
	}
	return l, s
}

// asking gives the text of a policy that asks for the log.
func (l *logged) asking(version, threshold int) string {
	text := strings.Replace(l.text, "version = 1", fmt.Sprintf("version = %d", version), 1)
	return strings.Replace(text, "[revoked]", fmt.Sprintf("[log]\nrequired = true\nkey = %q\nwitnesses = [%s]\nthreshold = %d\n\n[revoked]",
		l.log, strings.Join(l.names, ", "), threshold), 1)
}

// watch runs a witness until the test ends, or stop is called.
func (l *logged) watch(n int) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = client.Watch{Relays: []string{l.addr}, Pin: l.pin}.Run(ctx, l.witnesses[n])
	}()
	stop = func() { cancel(); <-done }
	l.t.Cleanup(stop)
	return stop
}

// hand signs a query and hands it in.
func (l *logged) hand(s *client.Session, query string) (*signing.Envelope, []string) {
	l.t.Helper()
	c, err := s.Compile(lang.Source{Name: "query", Text: query})
	if err != nil {
		l.t.Fatal(err)
	}
	e, err := s.Sign(l.t.Context(), c.Queries[0], client.SignOptions{Purpose: "a test"})
	if err != nil {
		l.t.Fatal(err)
	}
	sub, err := s.Submit(l.t.Context(), e)
	if err != nil {
		l.t.Fatal(err)
	}
	return e, sub.Waits
}

const motd = `FROM fleet FIND file /etc/motd RETURN path`

// A fleet whose policy asks for it is asked with proofs, which the journal
// keeps, and the log can be audited.
func TestLoggedFleet(t *testing.T) {
	l, s := newLogged(t)
	l.watch(0)
	l.watch(1)
	if rows, c := l.ask(s, motd); strings.Join(rows, "|") != "web-0 /etc/motd" || c.Answered() != 1 {
		t.Fatalf("%v %+v", rows, c)
	}
	dir := l.path("agent-web-0")
	list, err := agent.ReadHistory(dir)
	if err != nil || len(list) != 1 {
		t.Fatalf("%v %v", list, err)
	}
	v, err := agent.OpenVerifier(dir)
	if err != nil {
		t.Fatal(err)
	}
	w, err := v.Check(list[0])
	if err != nil || w.Index != 2 || strings.Join(w.Witnesses, " ") != "witness/one witness/two" {
		t.Errorf("%+v %v", w, err)
	}
	other := list[0]
	other.Plan = signing.NewID()
	if _, err := v.Check(other); !errors.Is(err, translog.ErrUnlogged) {
		t.Errorf("the proof of another plan: %v", err)
	}
	a, err := s.Audit(t.Context())
	if err != nil || len(a.Problems)+len(a.Unchecked) > 0 || a.Policies != 2 || a.Plans != 1 || a.Mine != 1 || a.Before != 0 {
		t.Fatalf("%+v %v", a, err)
	}
	id, _ := signing.ParseID(a.Entries[2].Name)
	if err := s.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if a, err = s.Audit(t.Context()); err != nil || len(a.Problems) > 0 || a.Mine != 1 || a.Before != 3 {
		t.Errorf("after it was deleted: %+v %v", a, err)
	}
}

// While a witness is away, plans wait, and who asks is told for whom; they run
// when he comes back, and over a restart of the relay.
func TestWitnessOffline(t *testing.T) {
	l, s := newLogged(t)
	l.watch(0)
	e, waits := l.hand(s, motd)
	if !slices.Equal(waits, []string{"witness/two"}) {
		t.Fatalf("it waits for %v", waits)
	}
	if _, err := s.Log(t.Context()); err == nil || !strings.Contains(err.Error(), "no checkpoint") {
		t.Errorf("the log is shown: %v", err)
	}
	once := client.Watch{Relays: []string{l.addr}, Pin: l.pin, Once: true}
	if err := once.Run(t.Context(), l.witnesses[1]); err != nil {
		t.Fatal(err)
	}
	n := followed(t, s, e)
	if n != 1 {
		t.Errorf("%d rows", n)
	}
	if a, err := s.Audit(t.Context()); err != nil || len(a.Problems) > 0 || a.Checkpoint.Size != 3 {
		t.Errorf("%+v %v", a, err)
	}
}

// A plan under the investigator's key that he did not sign here is shown, and
// so is one that he handed in and the log has not.
func TestAuditFindsWhatIsSecret(t *testing.T) {
	l, s := newLogged(t)
	l.watch(0)
	l.watch(1)
	l.ask(s, motd)
	thief, err := client.OpenHome(l.path("elsewhere"))
	if err != nil {
		t.Fatal(err)
	}
	thief.Config = client.Config{Relays: []string{l.addr}, Pin: l.pin, Administrators: []string{string(l.key.Fingerprint())}}
	other, err := client.Dial(t.Context(), "", client.WithHome(thief), client.WithKey(l.key))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	l.ask(other, `FROM fleet FIND file /etc/hostname RETURN path`)
	a, err := s.Audit(t.Context())
	if err != nil || len(a.Problems) != 1 || !strings.Contains(a.Problems[0], "IT IS SIGNED WITH YOUR KEY") || a.Mine != 1 {
		t.Fatalf("%+v %v", a.Problems, err)
	}
	if a, err = other.Audit(t.Context()); err != nil || len(a.Problems) != 1 {
		t.Errorf("%+v %v", a, err)
	}
}

// A log that was emptied, or another one in its place, is found out by who saw
// more of it: the relay has no other key, and so it is the same log.
func TestLogRolledBack(t *testing.T) {
	l, s := newLogged(t)
	l.watch(0)
	l.watch(1)
	l.ask(s, motd)
	log, err := s.Log(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// What the relay still has it puts into the log again, just as it was.
	id, err := signing.ParseID(log.Entries[2].Name)
	if err == nil {
		err = s.Delete(t.Context(), id)
	}
	if err != nil {
		t.Fatal(err)
	}
	l.stop()
	// The folder alone would be made anew, of what the spine has.
	if err := errors.Join(os.RemoveAll(l.path("relay/log")), os.RemoveAll(l.path("relay/spine/jetstream/$G/streams/QUAESTOR_LOG"))); err != nil {
		t.Fatal(err)
	}
	l.startRelay()
	again := l.dial()
	if _, err := again.Publish(t.Context(), l.sign(signing.TypePolicy, []byte(l.asking(3, 0)))); err != nil {
		t.Fatal(err)
	}
	if _, err := again.Log(t.Context()); !errors.Is(err, translog.ErrFork) && !errors.Is(err, translog.ErrRollback) {
		t.Errorf("another log: %v", err)
	}
	for _, w := range l.witnesses {
		err := client.Watch{Relays: []string{l.addr}, Pin: l.pin, Once: true}.Run(t.Context(), w)
		if !errors.Is(err, translog.ErrFork) && !errors.Is(err, translog.ErrRollback) {
			t.Errorf("witness: %v", err)
		}
	}
}

// A policy that names the log of another relay is not published, and nothing is
// logged for a fleet that has no log.
func TestPolicyOfAnotherLog(t *testing.T) {
	l, s := newLogged(t)
	_, other, err := translog.NewLogKey("quaestor-log/other")
	if err != nil {
		t.Fatal(err)
	}
	l.log = other
	if _, err := s.Publish(t.Context(), l.sign(signing.TypePolicy, []byte(l.asking(3, 2)))); err == nil || !strings.Contains(err.Error(), "quaestor-log/other") {
		t.Errorf("%v", err)
	}
	f := newFleet(t)
	if _, err := f.dial().Log(t.Context()); !errors.Is(err, client.ErrNoLog) {
		t.Errorf("%v", err)
	}
	if err := (client.Watch{Relays: []string{f.addr}, Pin: f.pin, Once: true}).Run(t.Context(), l.witnesses[0]); err == nil || !strings.Contains(err.Error(), "names no log") {
		t.Errorf("%v", err)
	}
}

// A plan that cannot be put into the log is offered to nobody; once it can, it
// is offered without another word.
func TestUnloggedIsOfferedToNobody(t *testing.T) {
	l, s := newLogged(t)
	l.watch(0)
	l.watch(1)
	envelopes := l.path("relay/log/envelope")
	if err := errors.Join(os.RemoveAll(envelopes), os.WriteFile(envelopes, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	c, err := s.Compile(lang.Source{Name: "query", Text: motd})
	if err != nil {
		t.Fatal(err)
	}
	e, err := s.Sign(t.Context(), c.Queries[0], client.SignOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Submit(t.Context(), e); err == nil || !strings.Contains(err.Error(), "could not be kept") {
		t.Fatalf("it is taken: %v", err)
	}
	if list, err := agent.ReadHistory(l.path("agent-web-0")); err != nil || len(list) != 0 {
		t.Fatalf("it was offered: %v %v", list, err)
	}
	if err := os.Remove(envelopes); err != nil {
		t.Fatal(err)
	}
	n := followed(t, s, e)
	if a, err := s.Log(t.Context()); err != nil || n != 1 || len(a.Entries) != 3 {
		t.Errorf("%d rows, %+v %v", n, a, err)
	}
}

// followed counts the rows of the answer to a plan, once it is whole.
func followed(t *testing.T, s *client.Session, e *signing.Envelope) (n int) {
	t.Helper()
	p, err := signing.DecodePlanPayload(e.Payload)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := s.Follow(t.Context(), p.ID, client.FollowOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range rows.All() {
		if n++; err != nil {
			t.Fatal(err)
		}
	}
	return n
}
