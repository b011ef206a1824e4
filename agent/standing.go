package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/agent/sandbox"
	"github.com/quaestor-engine/quaestor/engine/rounds"
	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/journal"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/value"
)

// A plan that stands has one entry in the journal, one answer, and many
// rounds, each of which waits in the queue as any plan does. Its envelope and
// the rows of its last round are kept in a folder, so that a later life goes
// on with it, when a relay has said what it has of the answer.
const (
	standingDir = "standing"
	planExt     = ".plan"
	stateExt    = ".rows"

	maxStanding = 32 // plans that stand at once: each has a stream of its own
	// standingBytes bounds the rows of its last round that a plan keeps, in
	// memory and on disk.
	standingBytes = 32 << 20
)

// A standing is a plan while it stands.
type standing struct {
	*running
	permit *permit // by the policy that was in force at the last round
	w      *writer
	shapes []rounds.Shape
	state  *rounds.State
	number int       // of the last round
	began  time.Time // when it did; zero: there was none
	// resumed: this life has done no round of it yet.
	resumed bool
	gap     string // when nobody watched, in a sentence
	unsure  bool   // an earlier life may have told rows that are not counted
}

// stands begins a plan that stands.
func (a *Agent) stands(ctx context.Context, r *running, raw []byte) {
	s, err := a.newStanding(ctx, r)
	if err == nil {
		err = wholefile.Keep(a.standingFile(r.permit.payload.ID, planExt), 0o600, raw)
	}
	if err == nil && a.countStanding() > maxStanding {
		err = fmt.Errorf("%s: %d plans stand here already", signing.CodeLimit, maxStanding)
	}
	if err != nil {
		a.endStanding(r, nil, answer.Summary{Outcome: answer.Refused, Reason: err.Error()})
		return
	}
	s.state = rounds.NewState(s.shapes, standingBytes)
	a.rounds.Go(func() { a.stay(ctx, s) })
}

func (a *Agent) newStanding(ctx context.Context, r *running) (*standing, error) {
	w, err := a.newWriter(ctx, r.out, r.out.following())
	if err != nil {
		return nil, err
	}
	w.most = r.permit.plan.Limits.Sent
	r.out.stand()
	return &standing{running: r, permit: r.permit, w: w, shapes: rounds.Shapes(r.permit.plan, a.opts.Catalogue.Schema)}, os.MkdirAll(a.path(standingDir), 0o700)
}

func (a *Agent) countStanding() (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.running {
		if r.permit.plan.Standing() {
			n++
		}
	}
	return n
}

// stay does what a plan that stands asks for.
func (a *Agent) stay(ctx context.Context, s *standing) {
	if s.permit.plan.Watch {
		a.watch(ctx, s)
	} else {
		a.repeat(ctx, s)
	}
}

// repeat does round after round, until no further one fits into the plan's
// window, or the plan is cancelled. When the agent stops it leaves off.
func (a *Agent) repeat(ctx context.Context, s *standing) {
	sum := answer.Summary{Outcome: answer.Partial, Reason: "no round was begun within the window"}
	for {
		due := s.due(a.opts.Now())
		if !due.Before(s.permit.payload.Expires) {
			break
		}
		if a.rest(ctx, s.running, due); ctx.Err() == nil {
			if err := a.permitAgain(s); err != nil {
				sum = ended(err)
				break
			}
			sum = a.oneRound(ctx, s)
		}
		if errors.Is(context.Cause(ctx), errStopped) {
			_ = s.w.stop() // what was not sealed is told by a later life, which goes on
			return
		}
		if ctx.Err() != nil || s.w.failed() != nil {
			sum = summarize(ctx, sum, s.w)
			break
		}
		if err := s.w.round(sum); err != nil {
			sum = summarize(ctx, sum, s.w)
			break
		}
		a.keepRound(s)
		if a.journal.Deaths(s.permit.payload.ID) >= sandbox.MaxDeaths {
			sum = answer.Summary{Outcome: answer.Failed, Reason: sandbox.NoThird}
			break
		}
	}
	if sum.Matched = s.w.rows; s.unsure && sum.Matched == 0 && sum.Outcome == answer.Complete {
		sum.Outcome, sum.Reason = answer.Partial, join(sum.Reason, "nobody knows what was found before the agent was started anew")
	}
	a.endStanding(s.running, s.w, sum)
}

// due gives when the next round begins: at once where there was none, or where
// one was missed while nobody was there.
func (s *standing) due(now time.Time) time.Time {
	every := s.permit.plan.Every
	next := s.began.Add(every)
	if s.began.IsZero() || s.resumed && next.Before(now) {
		return now
	}
	if next.Before(now) { // the round took too long
		next = s.began.Add((now.Sub(s.began)/every + 1) * every)
	}
	return next
}

// rest waits for the next round. A plan that rests keeps no one from leaving.
func (a *Agent) rest(ctx context.Context, r *running, until time.Time) {
	wait := until.Sub(a.opts.Now())
	if wait <= 0 {
		return
	}
	a.setResting(r, true)
	defer a.setResting(r, false)
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (a *Agent) setResting(r *running, yes bool) {
	a.mu.Lock()
	r.resting = yes
	a.mu.Unlock()
	if s := a.current(); s != nil && yes {
		s.leaveIfDone()
	}
}

// oneRound waits for a place in the queue and looks once.
func (a *Agent) oneRound(ctx context.Context, s *standing) (sum answer.Summary) {
	s.began = a.opts.Now()
	s.number++
	s.resumed = false
	done := make(chan struct{})
	err := a.awaitMains(ctx, s.running, s.permit)
	if err == nil || ctx.Err() != nil {
		err = a.queue.submit(func(turn *sandbox.Turn) {
			defer close(done)
			sum = a.lookAgain(ctx, s, turn)
		})
	}
	if err != nil {
		sum = answer.Summary{Outcome: answer.Failed, Reason: signing.CodeLimit + ": " + err.Error()}
	} else {
		<-done
	}
	sum.Round, sum.At = s.number, s.began.UTC()
	return sum
}

// lookAgain runs the engine, and tells what has changed since the last time.
func (a *Agent) lookAgain(ctx context.Context, s *standing, turn *sandbox.Turn) (sum answer.Summary) {
	defer func() {
		if v := recover(); v != nil {
			a.log.Error("a plan panicked", "plan", s.permit.payload.ID, "panic", v)
			s.state = rounds.Forgotten(s.shapes, standingBytes)
			sum = answer.Summary{Outcome: answer.Failed, Reason: fmt.Sprintf("a fault of the agent: %v", v)}
		}
	}()
	if reason := a.closed(s.permit); reason != "" {
		return answer.Summary{Outcome: answer.Failed, Reason: reason}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	before := s.w.rows
	at := value.NewTime(s.began)
	tell := func(table int, change rounds.Change, values []value.Value) error {
		word := value.Value{}
		if change != rounds.Unknown {
			word = value.NewText(string(change))
		}
		return s.w.row(table, append([]value.Value{word, at}, values...))
	}
	sum = a.run(ctx, cancel, s.permit, turn, func(table int, values []value.Value) error {
		if change, now := s.state.Add(table, values); now {
			return tell(table, change, values)
		}
		return nil
	})
	if cause := context.Cause(ctx); cause != nil {
		sum.Outcome, sum.Reason = answer.Partial, cause.Error()
	}
	count := s.state.End(func(r rounds.Row) bool { return s.shapes[r.Table].Gone(r.Values, sum) }, func(r rounds.Row) bool {
		return tell(r.Table, r.Change, r.Values) == nil // the writer remembers
	})
	sum.Matched = s.w.rows - before
	return whose(s.permit.own, doubted(sum, count))
}

// doubted says what nobody can tell of the rows of a round.
func doubted(sum answer.Summary, c rounds.Count) answer.Summary {
	doubt := func(reason string) {
		if sum.Outcome == answer.Complete {
			sum.Outcome = answer.Partial
		}
		sum.Reason = join(sum.Reason, reason)
	}
	if c.Unknown > 0 {
		doubt(fmt.Sprintf("of %d rows of before nobody knows, for want of looking (%s)", c.Unknown, strings.Join(c.Where, ", ")))
	}
	if c.MayBeNew > 0 {
		doubt(fmt.Sprintf("of %d rows nobody knows whether they are new: what was there before is lost", c.MayBeNew))
	}
	if c.Unkept > 0 {
		doubt(fmt.Sprintf("%d rows were not kept for the next round, for want of memory", c.Unkept))
	}
	return sum
}

// resumeStanding goes on with a plan of an earlier life, whose answer the relay
// has up to out's next chunk; false: it does not stand. The error says why it
// goes on no more.
func (a *Agent) resumeStanding(out *outgoing) (bool, error) {
	raw, err := readFile(a.standingFile(out.head.Plan, planExt))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return true, err
	}
	p, err := a.admitAgain(raw)
	if err != nil {
		return true, err
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	r := &running{permit: p, out: out, cancel: cancel, started: a.opts.Now(), sum: translog.SumOf(raw)}
	s, err := a.newStanding(ctx, r)
	if err != nil {
		cancel(nil)
		return true, err
	}
	a.recall(s)
	s.resumed = true
	a.mu.Lock()
	a.running[p.payload.ID] = r
	a.mu.Unlock()
	a.log.Info("plan goes on", "plan", p.payload.ID, "query", p.payload.Query)
	a.rounds.Go(func() { a.stay(ctx, s) })
	return true, nil
}

// permitAgain asks the gate again where another policy is in force than at the
// last round.
func (a *Agent) permitAgain(s *standing) error {
	if a.Policy().Version() == s.permit.policy.Version() {
		return nil
	}
	raw, err := readFile(a.standingFile(s.permit.payload.ID, planExt))
	if err != nil {
		return err
	}
	p, err := a.admitAgain(raw)
	if err == nil {
		s.permit, s.w.most = p, p.plan.Limits.Sent
	}
	return err
}

// ended is the account of a plan that the gate does not let go on.
func ended(why error) answer.Summary {
	code, reason := refusalOf(why)
	return answer.Summary{Outcome: answer.Partial, Reason: "it does not go on: " + code + ": " + reason}
}

// admitAgain is the gate for a plan that passed it in an earlier life: it is in
// the journal, and all else must still be so.
func (a *Agent) admitAgain(raw []byte) (*permit, error) {
	p := &permit{policy: a.Policy()}
	env, err := checkStructure(raw)
	if err != nil {
		return nil, err
	}
	now := a.opts.Now()
	if err := a.journal.Clock(now); err != nil {
		return nil, refusal(signing.CodeClock, "this machine's clock cannot be trusted: %w", err)
	}
	verified, err := p.policy.Verify(env, signing.VerifyOptions{At: now})
	if err != nil {
		return nil, err
	}
	p.verified, p.payload = verified, verified.Payload()
	if p.plan, err = checkPlan(p.payload); err != nil {
		return nil, err
	}
	if err := a.checkAllowed(p, verified); err != nil {
		return nil, err
	}
	p.limit(a.conf)
	p.facts = a.ownFacts()
	p.facts["last_seen"] = value.NewTime(now)
	return p, a.checkMember()
}

// endStanding ends a plan, and forgets what was kept for its next round.
func (a *Agent) endStanding(r *running, w *writer, sum answer.Summary) {
	if w == nil {
		var err error
		if w, err = a.newWriter(context.Background(), r.out, r.out.following()); err != nil {
			w = nil
		}
	}
	a.forgetStanding(r.out.head.Plan)
	a.finish(r.permit, r.out, w, sum)
}

func (a *Agent) forgetStanding(id signing.ID) {
	for _, ext := range []string{planExt, stateExt} {
		if err := os.Remove(a.standingFile(id, ext)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			a.log.Error("what a plan kept cannot be removed", "plan", id, "error", err)
		}
	}
}

// leftStanding says whether a plan of an earlier life goes on when a relay is
// there.
func (a *Agent) leftStanding(id signing.ID) bool {
	_, err := os.Stat(a.standingFile(id, planExt))
	if err == nil && a.spool.find(id) == nil {
		a.forgetStanding(id) // it has no answer that could go on
		return false
	}
	return err == nil
}

// outlived ends the answer of a plan that stood, and goes on no more.
func (a *Agent) outlived(ctx context.Context, out *outgoing, why error) error {
	a.forgetStanding(out.head.Plan)
	_, reason := refusalOf(why)
	f := journal.Finish{At: a.opts.Now(), Outcome: answer.Partial.String(), Reason: reason, Uncounted: true}
	if err := a.journal.Finish(out.head.Plan, f); err != nil {
		a.log.Error("the journal cannot be written", "error", err)
	}
	w, err := a.newWriter(ctx, out, out.following())
	if err != nil {
		return err
	}
	return w.end(answer.Summary{Outcome: answer.Partial, Reason: "it stood until this agent was stopped, and does not go on: " + reason})
}

func (a *Agent) standingFile(id signing.ID, ext string) string {
	return filepath.Join(a.path(standingDir), id.String()+ext)
}
