package agent

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/agent/upgrade"
	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// An upgradeWorld is a fleet that may be upgraded, with an agent of 1.2.3 and a
// release 2.0.0, whose program is a script.
type upgradeWorld struct {
	*fleet
	dir     string
	agent   *Agent
	program []byte
}

func newUpgradeWorld(t *testing.T) *upgradeWorld {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the program is a script of Unix")
	}
	w := &upgradeWorld{fleet: newFleet(t)}
	w.policy = w.signPolicy(1, w.upgrading(1), w.admin)
	w.relay.policy = w.policy.Encode()
	w.dir = w.enroll()
	w.agent = w.open(w.dir, numbers{rows: 3})
	w.agent.opts.Upgrades = true
	w.agent.upgrade.pace, w.agent.upgrade.again, w.agent.upgrade.root = time.Millisecond, 20*time.Millisecond, t.TempDir()
	w.program = fmt.Appendf(nil, "#!/bin/sh\necho '{\"release\":\"2.0.0\",\"os\":%q,\"arch\":%q}'\n", runtime.GOOS, runtime.GOARCH)
	w.program = append(w.program, strings.Repeat("#\n", upgrade.PieceSize)...) // three pieces
	w.relay.piece = w.pieceOf
	return w
}

func (f *fleet) upgrading(version int) string {
	return strings.Replace(f.policyText(version), `upgrade = "never"`, `upgrade = "signed"`, 1)
}

func (w *upgradeWorld) pieceOf(q message.PieceQuery) ([]byte, *message.Failure) {
	at := q.Index * message.MaxPiece
	if q.Sum != translog.Sum(sha256.Sum256(w.program)) || at < 0 || at >= int64(len(w.program)) {
		return nil, &message.Failure{Code: message.FailUnknown, Reason: "there is no such piece"}
	}
	return w.program[at:min(at+message.MaxPiece, int64(len(w.program)))], nil
}

// An offering is what a relay offers, before it is signed.
type offering struct {
	release      *signing.Release
	rollOut      *signing.RollOut
	first, other []signing.Signer
	kind         string // of the release's payload
}

// offering gives what is good, for a target.
func (w *upgradeWorld) offering(target string) *offering {
	w.t.Helper()
	now := time.Now()
	o := &offering{kind: signing.TypeRelease, first: []signing.Signer{w.admin}, other: []signing.Signer{w.admin}}
	o.release = &signing.Release{
		Version: signing.Version, Fleet: w.id, Release: "2.0.0", Made: now.Add(-time.Minute), Expires: now.Add(time.Hour),
		Files: []signing.File{{OS: runtime.GOOS, Arch: runtime.GOARCH, Size: int64(len(w.program)), Sum: sha256.Sum256(w.program)}},
	}
	local, err := quaestor.LocalWith(quaestor.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	defer local.Close()
	p, err := local.Recompile(target+" FIND host", quaestor.Inputs{})
	if err != nil {
		w.t.Fatal(err)
	}
	o.rollOut = &signing.RollOut{
		Version: signing.Version, Fleet: w.id, Release: "2.0.0", Number: 1, Target: target, Compiled: p.Encode(),
		Made: now.Add(-time.Minute), NotBefore: now.Add(-time.Minute), Expires: now.Add(time.Hour), Health: 30,
	}
	return o
}

// encode signs.
func (w *upgradeWorld) encode(o *offering) []byte {
	w.t.Helper()
	release := &signing.Envelope{PayloadType: o.kind, Payload: o.release.Encode()}
	if o.rollOut.Manifest == (translog.Sum{}) {
		o.rollOut.Manifest = translog.SumOf(release.Payload)
	}
	rollOut := &signing.Envelope{PayloadType: signing.TypeRollOut, Payload: o.rollOut.Encode()}
	for e, signers := range map[*signing.Envelope][]signing.Signer{release: o.first, rollOut: o.other} {
		for _, k := range signers {
			if err := e.Sign(w.t.Context(), k); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	return message.Marshal(message.Upgrade{Release: release.Encode(), RollOut: rollOut.Encode()})
}

// TestUpgradeRefused: whatever a relay offers that is not what administrators
// sign for this machine, now, is refused, with its own code; nothing is
// fetched, and the owner of the machine reads why.
func TestUpgradeRefused(t *testing.T) {
	w := newUpgradeWorld(t)
	w.relay.piece = func(message.PieceQuery) ([]byte, *message.Failure) {
		t.Error("it is fetched")
		return nil, &message.Failure{}
	}
	if err := w.agent.journal.Clock(time.Now()); err != nil { // that it can be set back
		t.Fatal(err)
	}
	no := false
	for name, c := range map[string]struct {
		target string
		change func(*offering)
		agent  func(*Agent)
		code   string
		report bool // the investigators hear it
	}{
		"nobody signed the release":     {change: func(o *offering) { o.first = nil }, code: signing.CodeSignature},
		"nobody signed the roll-out":    {change: func(o *offering) { o.other = nil }, code: signing.CodeSignature},
		"an investigator signed":        {change: func(o *offering) { o.other = []signing.Signer{w.asker} }, code: signing.CodeSignature},
		"another fleet":                 {change: func(o *offering) { o.release.Fleet = signing.NewID() }, code: signing.CodeFleet},
		"expired":                       {change: func(o *offering) { o.rollOut.Expires = time.Now().Add(-time.Second) }, code: signing.CodeWindow},
		"the release expired":           {change: func(o *offering) { o.release.Expires = time.Now().Add(-time.Second) }, code: signing.CodeWindow},
		"too early":                     {change: func(o *offering) { o.rollOut.NotBefore = time.Now().Add(30 * time.Minute) }, code: signing.CodeWindow},
		"replayed for another release":  {change: func(o *offering) { o.rollOut.Manifest = translog.Sum{1} }, code: signing.CodeManifest},
		"a plan":                        {change: func(o *offering) { o.kind = signing.TypePlan }, code: signing.CodeType},
		"an older version":              {change: func(o *offering) { o.release.Release, o.rollOut.Release = "1.2.2", "1.2.2" }, code: signing.CodeOlder},
		"the same version":              {change: func(o *offering) { o.release.Release, o.rollOut.Release = "1.2.3", "1.2.3" }, code: signing.CodeOlder},
		"for other machines":            {target: `FROM fleet WHERE tags.ring = "canary"`, code: signing.CodeTarget},
		"for another host":              {target: `FROM host("elsewhere")`, code: signing.CodeTarget},
		"for who answered":              {target: `FROM hits("000102030405060708090a0b0c0d0e0f")`, code: signing.CodeTarget},
		"a target that is none":         {change: func(o *offering) { o.rollOut.Compiled = []byte("x") }, code: signing.CodeMalformed},
		"for another system":            {change: func(o *offering) { o.release.Files[0].OS = "plan9" }, code: signing.CodePlatform, report: true},
		"the owner says no":             {agent: func(a *Agent) { a.conf.Upgrade = &no }, code: signing.CodeUpgrade, report: true},
		"its program tries none":        {agent: func(a *Agent) { a.opts.Upgrades = false }, code: signing.CodeUpgrade, report: true},
		"the policy says never":         {agent: func(a *Agent) { a.policy = w.never() }, code: signing.CodeUpgrade},
		"the clock was set back":        {agent: func(a *Agent) { a.opts.Now = func() time.Time { return time.Now().Add(-24 * time.Hour) } }, code: signing.CodeClock},
		"the agent is no member":        {agent: func(a *Agent) { a.outcast = errors.New("revoked") }, code: signing.CodePolicy, report: true},
		"a package manager has it":      {agent: func(a *Agent) { w.starter("/usr/bin/quaestor-agent") }, code: signing.CodeUpgrade, report: true},
		"what cannot be logged is none": {agent: func(a *Agent) { a.policy = w.logged() }, code: signing.CodeUnlogged, report: true},
	} {
		a := w.agent
		conf, policy, opts := a.conf, a.policy, a.opts
		if c.agent != nil {
			c.agent(a)
		}
		if c.target == "" {
			c.target = "FROM fleet"
		}
		o := w.offering(c.target)
		if c.change != nil {
			c.change(o)
		}
		u, _, err := a.judgeUpgrade(t.Context(), w.encode(o))
		code, reason := refusalOf(err)
		if err == nil || code != c.code || (u.Release() != nil) != c.report {
			t.Errorf("%s: %s: %s (%t), want %s", name, code, reason, u.Release() != nil, c.code)
		}
		a.conf, a.policy, a.opts, a.outcast = conf, policy, opts, nil
		w.starter("")
	}
	for _, raw := range []string{"", "{}", `{"release":"e30=","roll_out":"e30="}`, "null"} {
		if _, _, err := w.agent.judgeUpgrade(t.Context(), []byte(raw)); err == nil {
			t.Errorf("%q is an upgrade", raw)
		}
	}
	if _, _, err := w.agent.judgeUpgrade(t.Context(), w.encode(w.offering("FROM fleet"))); err != nil {
		t.Errorf("the good one: %v", err)
	}
	if err := w.agent.Close(); err != nil {
		t.Error(err)
	}
}

func (w *upgradeWorld) never() *signing.Policy {
	p, err := signing.ParsePolicy([]byte(w.policyText(1)))
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *upgradeWorld) logged() *signing.Policy {
	_, key, err := translog.NewLogKey("quaestor-log/test")
	if err != nil {
		w.t.Fatal(err)
	}
	p, err := signing.ParsePolicy([]byte(strings.Replace(w.upgrading(1), "[revoked]", fmt.Sprintf("[log]\nrequired = true\nkey = %q\nwitnesses = []\n\n[revoked]", key), 1)))
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// starter notes which program the system starts.
func (w *upgradeWorld) starter(program string) {
	text := fmt.Sprintf(`{"format":1,"starter":%q}`, program)
	if err := errors.Join(os.MkdirAll(w.dir+"/upgrade", 0o700), os.WriteFile(w.dir+"/upgrade/state.json", []byte(text), 0o600)); err != nil {
		w.t.Fatal(err)
	}
	var err error
	if w.agent.upgrade.store, err = upgrade.Open(w.dir, time.Now); err != nil {
		w.t.Fatal(err)
	}
}

// What is good is fetched, checked and staged, and the agent gives way; what
// ran or failed here once is not offered again with success.
func TestUpgradeFetched(t *testing.T) {
	w := newUpgradeWorld(t)
	done := make(chan error, 1)
	go func() { done <- w.agent.Run(context.Background()) }()
	eventually(t, "it is connected", func() bool { return w.agent.current() != nil })
	offer := w.encode(w.offering(`FROM fleet WHERE tags.team = "web"`))
	w.relay.say(message.TypeUpgrade, offer)
	select {
	case err := <-done:
		if !errors.Is(err, ErrUpgrade) {
			t.Errorf("it ends with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it does not give way")
	}
	if err := w.agent.Close(); err != nil {
		t.Error(err)
	}
	s, err := upgrade.Open(w.dir, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	st := s.State()
	if st.Trial == nil || st.Trial.Release != "2.0.0" || st.Trial.Health != 30*time.Second || st.Trial.Stage != 1 || st.Report.State != upgrade.Trying {
		t.Fatalf("%+v", st)
	}
	if b, err := os.ReadFile(s.Path("2.0.0")); err != nil || string(b) != string(w.program) {
		t.Errorf("the program is another one: %v", err)
	}
	// The owner of the machine reads what was done, and by whose word.
	list, err := ReadHistory(w.dir)
	if err != nil || len(list) != 1 || list[0].Query != `install release 2.0.0, stage 1: FROM fleet WHERE tags.team = "web"` || list[0].Outcome != "tried" ||
		len(list[0].Signers) != 1 || list[0].Signers[0] != string(w.admin.Fingerprint()) {
		t.Errorf("%+v %v", list, err)
	}
	// It failed: the same release is refused from then on.
	if err := s.Fail(*st.Trial, upgrade.RolledBack, errors.New("it died")); err != nil {
		t.Fatal(err)
	}
	b := w.open(w.dir)
	defer b.Close()
	if _, _, err := b.judgeUpgrade(t.Context(), offer); err == nil {
		t.Error("it is tried again")
	} else if code, _ := refusalOf(err); code != signing.CodeTried {
		t.Error(err)
	}
	f, err := b.Facts(t.Context())
	if err != nil || f["agent_upgrade"].RawText() != "rolled-back" || f["agent_upgrade_version"].RawText() != "2.0.0" || f["agent_upgrade_reason"].RawText() != "it died" {
		t.Errorf("%v %v", f, err)
	}
	if sum := b.Status().Upgrade; sum == nil || sum.State != upgrade.RolledBack {
		t.Errorf("%+v", sum)
	}
}

// A relay that alters, truncates or withholds delays a release, and is named in
// the report; once it gives what was signed, the release comes through.
func TestUpgradeOverBadRelay(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(b []byte) ([]byte, *message.Failure)
		want  string
	}{
		"alters":    {func(b []byte) ([]byte, *message.Failure) { return append([]byte("X"), b[1:]...), nil }, "the bytes are not those that were signed"},
		"truncates": {func(b []byte) ([]byte, *message.Failure) { return b[:len(b)/2], nil }, "a piece of another length"},
		"refuses": {func([]byte) ([]byte, *message.Failure) {
			return nil, &message.Failure{Code: message.FailLimit, Reason: "64 agents fetch programs"}
		}, "64 agents fetch programs"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newUpgradeWorld(t)
			var bad atomic.Bool
			bad.Store(true)
			w.relay.piece = func(q message.PieceQuery) ([]byte, *message.Failure) {
				b, failure := w.pieceOf(q)
				if failure == nil && bad.Load() && q.Index == 0 {
					return c.spoil(b)
				}
				return b, failure
			}
			done := make(chan error, 1)
			go func() { done <- w.agent.Run(context.Background()) }()
			eventually(t, "it is connected", func() bool { return w.agent.current() != nil })
			w.relay.say(message.TypeUpgrade, w.encode(w.offering("FROM fleet")))
			eventually(t, "it says why", func() bool {
				r := w.agent.upgrade.store.State().Report
				return r.State == upgrade.Failed && strings.Contains(r.Reason, c.want)
			})
			bad.Store(false)
			select {
			case err := <-done:
				if !errors.Is(err, ErrUpgrade) {
					t.Errorf("it ends with %v", err)
				}
			case <-time.After(30 * time.Second):
				t.Error("it does not come through")
			}
			if err := w.agent.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A release waits for the plans that run, and no longer than it may.
func TestUpgradeWaitsForQuiet(t *testing.T) {
	w := newUpgradeWorld(t)
	if err := w.agent.Close(); err != nil {
		t.Fatal(err)
	}
	goOn := make(chan struct{})
	slow := numbers{rows: 3, before: func(ctx context.Context, _ int) error {
		select {
		case <-goOn:
		case <-ctx.Done():
		}
		return ctx.Err()
	}}
	w.agent = w.open(w.dir, slow)
	w.agent.opts.Upgrades = true
	w.agent.upgrade.pace, w.agent.upgrade.root = time.Millisecond, t.TempDir()
	done := make(chan error, 1)
	go func() { done <- w.agent.Run(context.Background()) }()
	eventually(t, "it is connected", func() bool { return w.agent.current() != nil })
	q := w.ask("FROM fleet FIND number")
	w.relay.offer(w.sign(q, w.asker))
	eventually(t, "the plan runs", w.agent.isBusy)
	w.relay.say(message.TypeUpgrade, w.encode(w.offering("FROM fleet")))
	eventually(t, "it waits", func() bool { return w.agent.upgrade.store.State().Report.State == upgrade.Waiting })
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(3 * quietStep):
	}
	close(goOn)
	checkNumbers(t, q.open(t, w.agent, w.relay.answerOf(q.payload.ID)).rows, 3)
	if err := <-done; !errors.Is(err, ErrUpgrade) {
		t.Error(err)
	}
	if err := w.agent.Close(); err != nil {
		t.Error(err)
	}
}

// A program that is tried says that it is well with the agent's key, hears the
// relay's answer to this and no other, and leaves plans to who comes after it.
func TestTrial(t *testing.T) {
	w := newUpgradeWorld(t)
	if err := w.agent.Close(); err != nil {
		t.Fatal(err)
	}
	well := make(chan struct{})
	o := w.options(w.dir, numbers{rows: 3})
	o.Well = func() { close(well) }
	a, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	var honest atomic.Bool
	heard := make(chan []byte, 100)
	w.relay.hears = func(statement []byte) translog.Sum {
		heard <- statement
		if !honest.Load() {
			return translog.Sum{1}
		}
		return translog.SumOf(statement)
	}
	q := w.ask("FROM fleet FIND number")
	w.relay.offer(w.sign(q, w.asker))
	w.run(a)
	st, err := signing.DecodeStatement(<-heard)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Verify(a.id.Public()); err != nil {
		t.Error(err)
	}
	if said, err := message.WellOf(st); err != nil || said.Release != "1.2.3" || st.Kind != message.KindWell {
		t.Errorf("%+v %v", said, err)
	}
	select {
	case <-well:
		t.Error("it is well by another's word")
	case <-time.After(50 * time.Millisecond):
	}
	honest.Store(true)
	w.relay.dropAll()
	select {
	case <-well:
	case <-time.After(30 * time.Second):
		t.Fatal("it is never well")
	}
	w.relay.set(func() {
		if w.relay.receipts[q.payload.ID] != 0 {
			t.Error("it takes a plan")
		}
		if len(w.relay.facts) == 0 {
			t.Error("it was well before it told its facts")
		}
	})
	if list := a.History(); len(list) != 0 {
		t.Errorf("%+v", list)
	}
}

// SelfCheck finds what a start would find, beside an agent that runs.
func TestSelfCheck(t *testing.T) {
	w := newUpgradeWorld(t)
	if err := SelfCheck(w.options(w.dir)); err != nil {
		t.Error(err)
	}
	for _, name := range []string{configFile, identityFile, membershipFile, policyFile, tlsFile} {
		b, err := os.ReadFile(w.agent.path(name))
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"", "junk"} {
			if err := os.WriteFile(w.agent.path(name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := SelfCheck(w.options(w.dir)); err == nil {
				t.Errorf("%s is %q, and all is well", name, text)
			}
		}
		if err := os.WriteFile(w.agent.path(name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.agent.Close(); err != nil {
		t.Error(err)
	}
}

// The owner's word is kept when an agent comes to another relay.
func TestConfigKeepsUpgrade(t *testing.T) {
	yes := true
	for _, own := range []*bool{nil, &yes, new(bool)} {
		dir := t.TempDir()
		c := newConfig([]string{"localhost:1"}, newFleet(t).relay.ca.Pin(), "")
		c.Upgrade = own
		if err := wholefile.Keep(dir+"/"+configFile, 0o600, c.text()); err != nil {
			t.Fatal(err)
		}
		got, err := readConfig(dir)
		if err != nil || (got.Upgrade == nil) != (own == nil) || own != nil && *got.Upgrade != *own {
			t.Errorf("%v %v", got.Upgrade, err)
		}
	}
}
