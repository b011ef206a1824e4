package agent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/agent/upgrade"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/journal"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

// ErrUpgrade says that a release was fetched and checked, and waits to be tried
// by an upgrade.Starter. The agent goes on where that fails.
var ErrUpgrade = errors.New("agent: a release waits to be tried")

const (
	// quietWithin is how long a release waits for a moment in which no plan
	// runs. After it those that run end, and say so.
	quietWithin = 15 * time.Minute
	quietStep   = 200 * time.Millisecond
	// againAfter is the least time between two attempts to fetch a program; up
	// to as much again is left to chance, lest a fleet comes all at once.
	againAfter = 2 * time.Minute
	// judgeEvery is the least time between two offers that are judged: each
	// costs a few signatures.
	judgeEvery = time.Second
	// pieceWithin is how long a relay may take for a piece of a program: a MiB
	// over a modem.
	pieceWithin = 5 * time.Minute
)

// An upgrading is what an agent has to do with releases.
type upgrading struct {
	store  *upgrade.Store
	offers chan []byte   // the latest; the goroutine of upgrades takes it
	ready  chan struct{} // closed by it when a release waits to be tried
	heard  sync.Once     // a relay has heard that this program is well

	// The constants, and the folder in which package managers keep their
	// databases, but in tests.
	quietWithin, again, pace time.Duration
	root                     string
}

func newUpgrading(o Options) *upgrading {
	u := &upgrading{
		offers: make(chan []byte, 1), ready: make(chan struct{}),
		quietWithin: quietWithin, again: againAfter, pace: judgeEvery, root: "/",
	}
	var err error
	if u.store, err = upgrade.Open(o.Dir, o.Now); err != nil {
		o.Logger.Error("upgrades", "error", err)
	}
	return u
}

// upgradeText gives what agent.toml says of upgrades.
func (c config) upgradeText() string {
	line := "# upgrade = false"
	if c.Upgrade != nil {
		line = fmt.Sprintf("upgrade = %t", *c.Upgrade)
	}
	return `
# false: no release is installed here, whatever administrators sign. true: they
# are, though the program is the property of a package manager. Without it, they
# are where it is nobody's.
` + line + "\n"
}

// onTrial says whether this program is tried.
func (a *Agent) onTrial() bool { return a.opts.Well != nil }

func (a *Agent) isReady() bool {
	select {
	case <-a.upgrade.ready:
		return true
	default:
		return false
	}
}

// offerUpgrade takes what a relay offers; the latest counts.
func (a *Agent) offerUpgrade(s *session, raw []byte) {
	if s.once || a.onTrial() {
		return
	}
	select {
	case <-a.upgrade.offers:
	default:
	}
	a.upgrade.offers <- raw // nobody else sends
}

// upgrades deals with what is offered until ctx ends, or until a release waits
// to be tried.
func (a *Agent) upgrades(ctx context.Context) {
	var latest []byte
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case latest = <-a.upgrade.offers:
		case <-again:
		}
		again = nil
		err := a.prepare(ctx, latest)
		var refused *signing.Refusal
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			close(a.upgrade.ready)
			return
		case errors.As(err, &refused), errors.Is(err, upgrade.ErrCheck):
		default:
			again = time.After(a.upgrade.again + rand.N(a.upgrade.again))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(a.upgrade.pace):
		}
	}
}

// prepare brings a release so far that it can be tried. A *signing.Refusal says
// that it is not to be, and what wraps upgrade.ErrCheck that it cannot be;
// another error may be over the next time.
func (a *Agent) prepare(ctx context.Context, raw []byte) error {
	u, _, err := a.judgeUpgrade(ctx, raw)
	if err != nil {
		a.refuseUpgrade(ctx, u, raw, err)
		return err
	}
	p := programOf(u)
	a.report(p, upgrade.Fetching, "")
	next, hangUp := a.pieces(p)
	err = a.upgrade.store.Fetch(ctx, p, next)
	hangUp()
	if err == nil {
		err = a.upgrade.store.Check(ctx, p, a.opts.Dir)
	}
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, upgrade.ErrCheck):
		a.log.Error("release given up", "release", p.Release, "error", err)
		err = errors.Join(err, a.upgrade.store.Fail(p, upgrade.Failed, err))
		a.tellSoon()
		return err
	default:
		a.report(p, upgrade.Failed, err.Error())
		return err
	}
	a.report(p, upgrade.Waiting, "")
	a.awaitQuiet(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	// What was allowed when it was offered may be no more.
	u, entry, err := a.judgeUpgrade(ctx, raw)
	if err != nil {
		a.refuseUpgrade(ctx, u, raw, err)
		return err
	}
	if err := a.noteUpgrade(entry); err != nil {
		return err
	}
	return a.upgrade.store.Stage(p)
}

// noteUpgrade has the history say that a release is tried, for the owner of the
// machine: nothing is tried that is not in it. Once is enough for a stage.
func (a *Agent) noteUpgrade(e journal.Entry) error {
	err := a.journal.Begin(e)
	if errors.Is(err, journal.ErrSeen) {
		return nil
	}
	if err == nil {
		err = a.journal.Finish(e.Plan, journal.Finish{At: e.At, Outcome: "tried"})
	}
	if err == nil {
		err = a.journal.Sync()
	}
	return err
}

// entryOf gives what the history says of an upgrade: the stage is what was asked
// of this machine.
func entryOf(u signing.Upgrade, rollOut, proof []byte, now time.Time) journal.Entry {
	o := u.RollOut()
	e := journal.Entry{
		Plan: stageID(translog.SumOf(rollOut)), At: now, Expires: o.Expires, Proof: proof,
		Query: fmt.Sprintf("install release %s, stage %d: %s", o.Release, o.Number, o.Target), Purpose: u.Release().Notes,
	}
	for _, f := range u.Signers() {
		e.Signers = append(e.Signers, string(f))
	}
	return e
}

// stageID is what the history calls a stage: the front of the sum of its
// envelope.
func stageID(sum translog.Sum) signing.ID { return signing.ID(sum[:len(signing.ID{})]) }

// programOf gives the program of a release for this machine, which it has.
func programOf(u signing.Upgrade) upgrade.Program {
	f, _ := u.Release().For(runtime.GOOS, runtime.GOARCH)
	return upgrade.Program{
		Release: u.Release().Release, Stage: u.RollOut().Number, Manifest: u.Manifest(), Sum: f.Sum, Size: f.Size,
		Health: time.Duration(u.RollOut().Health) * time.Second,
	}
}

// judgeUpgrade decides about what a relay calls an upgrade. The checks stand in
// the order of docs/upgrade.md, and the first that fails ends it. The error is
// a *signing.Refusal; the upgrade is there where administrators stand behind it
// and mean this machine. entry is what the history says of it.
func (a *Agent) judgeUpgrade(ctx context.Context, raw []byte) (u signing.Upgrade, entry journal.Entry, err error) {
	var m message.Upgrade
	if err := message.Unmarshal(raw, &m); err != nil {
		return u, entry, refusal(signing.CodeMalformed, "no upgrade: %w", err)
	}
	release, err := checkStructure(m.Release)
	if err != nil {
		return u, entry, err
	}
	rollOut, err := checkStructure(m.RollOut)
	if err != nil {
		return u, entry, err
	}
	now, policy := a.opts.Now(), a.Policy()
	if err := a.journal.Clock(now); err != nil {
		return u, entry, refusal(signing.CodeClock, "this machine's clock cannot be trusted: %w", err)
	}
	if u, err = policy.VerifyUpgrade(release, rollOut, now); err != nil {
		return signing.Upgrade{}, entry, err
	}
	if err := a.checkNewer(u); err != nil {
		return signing.Upgrade{}, entry, err
	}
	if err := a.checkMeant(ctx, policy, u.RollOut()); err != nil {
		return signing.Upgrade{}, entry, err
	}
	if err := a.checkMember(); err != nil {
		return u, entry, err
	}
	if err := a.checkOwner(); err != nil {
		return u, entry, err
	}
	if _, ok := u.Release().For(runtime.GOOS, runtime.GOARCH); !ok {
		return u, entry, refusal(signing.CodePlatform, "release %s has no program for %s/%s", u.Release().Release, runtime.GOOS, runtime.GOARCH)
	}
	proof, err := a.checkUpgradeLogged(ctx, policy, u, m)
	return u, entryOf(u, m.RollOut, proof, now), err
}

// checkNewer: the release is newer than what runs and than whatever was active
// here, and did not fail here.
func (a *Agent) checkNewer(u signing.Upgrade) error {
	release := u.Release().Release
	if !signing.Newer(release, a.opts.Software) {
		return refusal(signing.CodeOlder, "release %s is not newer than %s, which runs here: older code comes back under a higher version alone", release, a.opts.Software)
	}
	if h := a.upgrade.store.State().Highest; !signing.Newer(release, h) {
		return refusal(signing.CodeOlder, "release %s is not newer than %s, which ran here: older code comes back under a higher version alone", release, h)
	}
	if f, ok := a.upgrade.store.Tried(u.Manifest()); ok {
		return refusal(signing.CodeTried, "release %s failed here at %s: %s", release, stamp(f.At), f.Reason)
	}
	return nil
}

// checkMeant: the target of the stage is true of this machine as it is now.
func (a *Agent) checkMeant(ctx context.Context, policy *signing.Policy, o *signing.RollOut) error {
	target, err := plan.Decode(o.Compiled)
	if err != nil {
		return refusal(signing.CodeMalformed, "the target of the roll-out: %w", err)
	}
	if target.Source != "fleet" && target.Source != "host" {
		return refusal(signing.CodeTarget, "the roll-out is FROM %s, and releases go to a fleet or to hosts", target.Source)
	}
	p := &permit{policy: policy, plan: target, facts: a.ownFacts()}
	p.facts["last_seen"] = value.NewTime(a.opts.Now())
	if err := a.checkSource(ctx, p); err != nil {
		return err
	}
	return a.checkTarget(ctx, p)
}

// checkOwner: the owner of the machine, and of the program, lets upgrades be.
func (a *Agent) checkOwner() error {
	if !a.opts.Upgrades {
		return refusal(signing.CodeUpgrade, "this program is run by one that does not try releases")
	}
	if own := a.conf.Upgrade; own != nil {
		if !*own {
			return refusal(signing.CodeUpgrade, "the owner of this machine lets nothing be installed: %s says upgrade = false", configFile)
		}
		return nil
	}
	program := a.upgrade.store.State().Starter
	if program == "" {
		var err error
		if program, err = os.Executable(); err == nil {
			program, err = filepath.EvalSymlinks(program)
		}
		if err != nil {
			return refusal(signing.CodeUpgrade, "whose the program is cannot be told: %w", err)
		}
	}
	if who := upgrade.ManagedBy(runtime.GOOS, a.upgrade.root, program); who != "" {
		return refusal(signing.CodeUpgrade, "%s is managed by %s, which upgrades it: upgrade = true in %s would install releases beside it", program, who, configFile)
	}
	return nil
}

// checkUpgradeLogged: where the policy asks for it, both are in the log. It
// gives the proof that the stage is.
func (a *Agent) checkUpgradeLogged(ctx context.Context, policy *signing.Policy, u signing.Upgrade, m message.Upgrade) ([]byte, error) {
	release := u.Release().Release
	if _, err := a.proved(ctx, policy, translog.Entry{Kind: translog.KindRelease, Name: release}, m.Release); err != nil {
		return nil, err
	}
	stage := fmt.Sprintf("%s/%d", release, u.RollOut().Number)
	return a.proved(ctx, policy, translog.Entry{Kind: translog.KindRollOut, Name: stage}, m.RollOut)
}

// refuseUpgrade notes that a release is not installed: for the owner of the
// machine once, and for who signed it where that is told apart from what any
// relay could say.
func (a *Agent) refuseUpgrade(ctx context.Context, u signing.Upgrade, raw []byte, why error) {
	if ctx.Err() != nil {
		return
	}
	code, reason := refusalOf(why)
	a.log.Warn("release refused", "code", code, "reason", reason)
	if u.Release() != nil {
		p := upgrade.Program{Release: u.Release().Release, Stage: u.RollOut().Number}
		a.report(p, upgrade.Refused, code+": "+reason)
	}
	if a.offered.again(raw) {
		return // it is in the journal
	}
	if err := a.journal.Refuse(journal.Entry{At: a.opts.Now(), Verdict: journal.Refused, Code: code, Reason: "a release: " + reason}); err != nil {
		a.log.Error("the journal cannot be written", "error", err)
	}
}

// report says what becomes of a release: in the facts, and to the owner.
func (a *Agent) report(p upgrade.Program, state, reason string) {
	a.log.Info("release", "release", p.Release, "stage", p.Stage, "state", state, "reason", reason)
	last := a.upgrade.store.State().Report
	if last.Release == p.Release && last.Stage == p.Stage && last.State == state && last.Reason == reason {
		return
	}
	if err := a.upgrade.store.Report(upgrade.Report{Release: p.Release, Stage: p.Stage, State: state, Reason: reason}); err != nil {
		a.log.Error("upgrades", "error", err)
	}
	a.tellSoon()
}

// tellSoon has the facts sent soon, since one of them changed.
func (a *Agent) tellSoon() {
	a.touch()
	select {
	case a.obeyed <- struct{}{}:
	default:
	}
}

// upgradeFacts say what became of the latest release.
func (a *Agent) upgradeFacts() plan.Facts {
	r := a.upgrade.store.State().Report
	if r.State == "" || r.State == upgrade.Installed && r.Release != a.opts.Software {
		return nil // the owner has installed another one since
	}
	f := plan.Facts{"agent_upgrade": value.NewText(r.State), "agent_upgrade_version": value.NewVersion(r.Release, value.AnyScheme)}
	if r.Reason != "" {
		f["agent_upgrade_reason"] = value.NewText(r.Reason)
	}
	return f
}

// awaitQuiet waits until there is a relay and no plan runs, but not for ever.
// Plans that stand go on in the next program.
func (a *Agent) awaitQuiet(ctx context.Context) {
	end := time.Now().Add(a.upgrade.quietWithin)
	for a.current() == nil || a.isBusy() && time.Now().Before(end) {
		select {
		case <-time.After(quietStep):
		case <-ctx.Done():
			return
		}
	}
}

func (a *Agent) isBusy() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.running {
		if !r.permit.plan.Standing() {
			return true
		}
	}
	return false
}

// pieces asks a relay for pieces of a program, on one stream, which hangUp
// ends.
func (a *Agent) pieces(p upgrade.Program) (next upgrade.Pieces, hangUp func()) {
	var stream *transport.Stream
	next = func(ctx context.Context, index int64) ([]byte, error) {
		if stream == nil {
			s := a.current()
			if s == nil {
				return nil, errors.New("agent: there is no relay")
			}
			var err error
			if stream, err = s.conn.Open(ctx, message.KindProgram); err != nil {
				return nil, err
			}
		}
		defer context.AfterFunc(ctx, func() { stream.SetReadDeadline(time.Unix(1, 0)) })()
		if err := stream.WriteFrame(message.TypePieceAsk, message.Marshal(message.PieceQuery{Sum: p.Sum, Index: index})); err != nil {
			return nil, err
		}
		stream.SetReadDeadline(time.Now().Add(pieceWithin))
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		t, body, err := stream.ReadFrame(pieceLimit)
		switch {
		case err != nil:
			return nil, fmt.Errorf("agent: a piece of the program: %w", err)
		case t == message.TypeFailure:
			return nil, failureOf(body)
		}
		return body, nil
	}
	return next, func() {
		if stream != nil {
			_ = stream.Close()
		}
	}
}

func pieceLimit(t message.Type) int {
	if t == message.TypePiece || t == message.TypeFailure {
		return message.Limit(t)
	}
	return -1
}

// welcomed notes that a relay knows this program: starts are counted no more.
func (a *Agent) welcomed() {
	if a.onTrial() {
		return
	}
	if err := a.upgrade.store.Well(); err != nil {
		a.log.Error("upgrades", "error", err)
	}
}

// endsInOrder notes that this program was told to end, and did not die.
func (a *Agent) endsInOrder() { a.welcomed() }

// sayWell has the relay hear a program that is tried, by the agent's own key.
func (s *session) sayWell() {
	a := s.agent
	if !a.onTrial() {
		return
	}
	st := signing.NewStatement(a.id, message.KindWell, a.opts.Now(), message.Marshal(message.Well{Release: a.opts.Software})).Encode()
	s.mu.Lock()
	told := s.facts != nil // the log says why not
	s.well = translog.SumOf(st)
	s.mu.Unlock()
	if !told {
		return
	}
	if err := s.stream.WriteFrame(message.TypeWell, st); err != nil {
		s.end(err)
	}
}

// heardWell takes the relay's word that it has heard what was said.
func (s *session) heardWell(body []byte) {
	a := s.agent
	var sum translog.Sum
	err := message.Unmarshal(body, &sum)
	s.mu.Lock()
	same := err == nil && s.well != translog.Sum{} && sum == s.well
	s.mu.Unlock()
	if !same || !a.onTrial() {
		a.log.Warn("the relay hears what was not said")
		return
	}
	a.upgrade.heard.Do(a.opts.Well)
}
