package agent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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
	if a.offered.note(translog.SumOf(raw)) {
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
