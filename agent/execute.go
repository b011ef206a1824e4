package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/agent/sandbox"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/journal"
	"github.com/quaestor-engine/quaestor/signing/sealing"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/value"
)

// Bounds of an answer.
const (
	chunkPlain = 256 << 10              // bytes of rows after which a chunk is sealed
	chunkAfter = 200 * time.Millisecond // or this long after the first of them
	// fullWait is how long a scan waits for a spool that is full.
	fullWait = 10 * time.Minute
)

// Why plans end that did not come to their end.
var (
	errCancelled = errors.New("cancelled by the investigator")
	errStopped   = errors.New("the agent was stopped while it looked")
	errBytes     = errors.New("the answer has as many bytes as it may have")
	errUnsent    = errors.New("no relay took the answer, and the spool of this host is full")
	errUnnoted   = errors.New("how it ended was not on the disk when the agent or the machine was stopped")
	errUnkept    = errors.New("it had ended, and a part of what it found was lost before a relay had it")
)

// A running plan is one that was permitted and has not ended.
type running struct {
	permit  *permit
	out     *outgoing
	cancel  context.CancelCauseFunc
	started time.Time
	sum     translog.Sum // of the envelope
	resting bool         // it waits for its next round; under the agent's lock
	waits   string       // for what it waits, in words, before it looks; likewise
}

// execute runs a plan to its end and seals what it finds. Whatever happens, the
// last chunk says how it ended, and so does the journal.
func (a *Agent) execute(ctx context.Context, p *permit, out *outgoing, turn *sandbox.Turn) {
	w, err := a.newWriter(ctx, out, 0)
	if err != nil {
		a.finish(p, out, nil, answer.Summary{Outcome: answer.Failed, Reason: err.Error()})
		return
	}
	if p.plan != nil { // the zero permit permits nothing
		w.most = p.plan.Limits.Sent
	}
	a.finish(p, out, w, a.look(ctx, p, w, turn))
}

// look runs the engine and gives the account of what it did.
func (a *Agent) look(ctx context.Context, p *permit, w *writer, turn *sandbox.Turn) (sum answer.Summary) {
	defer func() {
		if v := recover(); v != nil {
			a.log.Error("a plan panicked", "plan", p.payload.ID, "panic", v)
			sum = answer.Summary{Outcome: answer.Failed, Reason: fmt.Sprintf("a fault of the agent: %v", v)}
		}
		w.stop()
	}()
	if p == nil || p.plan == nil || p.policy == nil {
		return answer.Summary{Outcome: answer.Refused, Reason: "there is no permit"}
	}
	if reason := a.closed(p); reason != "" {
		return answer.Summary{Outcome: answer.Refused, Reason: reason}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	return whose(p.own, summarize(ctx, a.run(ctx, cancel, p, turn, w.row), w))
}

// closed says, where a plan's window closed while it waited for its turn, that it
// did: a plan does not begin afterwards.
func (a *Agent) closed(p *permit) string {
	now, end := a.opts.Now(), p.payload.Expires
	if now.Before(end) {
		return ""
	}
	return fmt.Sprintf("%s: its turn came at %s, and its window closed at %s", signing.CodeWindow, stamp(now), stamp(end))
}

// run hands the rows that the engine finds to row, whose error is the cause
// with which cancel ends it, and gives the engine's account.
func (a *Agent) run(ctx context.Context, cancel context.CancelCauseFunc, p *permit, turn *sandbox.Turn, row func(int, []value.Value) error) answer.Summary {
	run := a.scan(ctx, p, turn)
	for got, err := range run.Rows() {
		if err != nil {
			break // the summary tells it
		}
		if err := row(got.Table, got.Values); err != nil {
			cancel(err)
			break
		}
	}
	return run.Summary()
}

// scan prepares the run of one plan, whose turn comes and goes.
func (a *Agent) scan(ctx context.Context, p *permit, turn *sandbox.Turn) sandbox.Scan {
	job := sandbox.Job{
		Plan: p.plan, Policy: p.policy, Facts: p.facts, Own: a.own, Turn: turn, Self: a.opts.Host.Self,
		Limits: limitsOf(p.plan.Limits),
	}
	id := p.payload.ID
	job.Deaths = a.journal.Deaths(id)
	job.Died = func(why string) {
		if err := a.journal.Died(id, a.opts.Now(), why); err != nil {
			a.log.Error("the journal cannot be written", "error", err)
		}
	}
	return a.runner.Start(ctx, job)
}

// summarize adds to the engine's account what it cannot know.
func summarize(ctx context.Context, sum answer.Summary, w *writer) answer.Summary {
	cause := context.Cause(ctx)
	if err := w.stop(); err != nil && cause == nil {
		cause = err
	}
	switch {
	case errors.Is(cause, errStopped):
		sum.Outcome, sum.Reason = answer.Failed, errStopped.Error()
	case errors.Is(cause, errBytes):
		sum.Limits = append(sum.Limits, "sent")
		sum.Outcome, sum.Reason = answer.Partial, errBytes.Error()
	case cause != nil:
		sum.Outcome, sum.Reason = answer.Partial, cause.Error()
	}
	if w.tooLarge > 0 {
		if sum.Outcome == answer.Complete {
			sum.Outcome = answer.Partial
		}
		sum.Reason = join(sum.Reason, fmt.Sprintf("%d rows were larger than what can be sent", w.tooLarge))
	}
	// What the engine found and what left are not the same where it was cut.
	sum.Matched = w.rows
	return sum
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// finish seals the account, and notes it in the journal.
func (a *Agent) finish(p *permit, out *outgoing, w *writer, sum answer.Summary) {
	f := journal.Finish{At: a.opts.Now(), Outcome: sum.Outcome.String(), Reason: sum.Reason, Rows: sum.Matched, Matched: sum.Matched > 0}
	if w != nil {
		f.Uncounted = w.first > 0
		if err := w.end(sum); err != nil && !errors.Is(err, errGone) {
			a.log.Error("the answer cannot be ended", "plan", out.head.Plan, "error", err)
		}
		f.Bytes = w.bytes
	} else {
		a.abandon(out)
	}
	if err := a.journal.Finish(out.head.Plan, f); err != nil {
		a.log.Error("the journal cannot be written", "error", err)
	}
	a.log.Info("plan answered", "plan", out.head.Plan, "outcome", sum.Outcome, "reason", sum.Reason, "rows", f.Rows, "bytes", f.Bytes)
	a.mu.Lock()
	if r := a.running[out.head.Plan]; r != nil {
		r.cancel(nil)
		delete(a.running, out.head.Plan)
	}
	a.mu.Unlock()
	a.touch()
	if s := a.current(); s != nil {
		s.leaveIfDone()
	}
}

// A writer makes chunks of rows. A chunk is sealed when it is large enough, or
// when its first row has waited long enough. Rows come from one goroutine.
type writer struct {
	agent  *Agent
	ctx    context.Context
	out    *outgoing
	sealer *sealing.Sealer
	first  uint32 // the number of the chunk that it began with
	most   int64  // bytes of rows; 0: any

	mu       sync.Mutex
	plain    []byte
	timer    *time.Timer // of the first row in plain
	err      error
	stopped  bool
	rows     int64
	waiting  int64 // of them in plain
	size     int64 // bytes of rows
	bytes    int64 // bytes of chunks
	tooLarge int64 // rows that no chunk can hold
}

// newWriter begins an answer, or goes on with one at a chunk.
func (a *Agent) newWriter(ctx context.Context, out *outgoing, first uint32) (*writer, error) {
	b := sealing.Binding{Fleet: out.head.Fleet, Plan: out.head.Plan, Agent: a.id.ID()}
	sealer, err := sealing.NewSealer(out.head.ReplyKey, b, func(msg []byte) []byte { return a.id.Sign(sealing.Kind, msg) }, first)
	if err != nil {
		return nil, err
	}
	return &writer{agent: a, ctx: ctx, out: out, sealer: sealer, first: first}, nil
}

// row adds a row. It waits while the spool is full.
func (w *writer) row(table int, values []value.Value) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	before := len(w.plain)
	w.plain = answer.AppendRow(w.plain, table, values)
	size := len(w.plain) - before
	switch {
	case size > sealing.MaxPlain:
		w.plain = w.plain[:before]
		w.tooLarge++
		return nil
	case w.most > 0 && w.size+int64(size) > w.most:
		w.plain = w.plain[:before]
		return errBytes
	case len(w.plain) > sealing.MaxPlain:
		next := append([]byte(nil), w.plain[before:]...)
		w.plain = w.plain[:before]
		if err := w.flush(); err != nil {
			return err
		}
		w.plain = next
	}
	w.rows++
	w.waiting++
	w.size += int64(size)
	if len(w.plain) >= chunkPlain {
		return w.flush()
	}
	if w.timer == nil {
		w.timer = time.AfterFunc(chunkAfter, w.late)
	}
	return nil
}

// late seals what has waited.
func (w *writer) late() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stopped && w.err == nil && len(w.plain) > 0 {
		_ = w.flush() // the next row gives the error
	}
}

// flush seals the rows that are there. It needs mu.
func (w *writer) flush() error {
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	if w.err = w.send(w.plain, false); w.err != nil {
		w.rows -= w.waiting
	}
	w.plain, w.waiting = w.plain[:0], 0
	return w.err
}

func (w *writer) send(plain []byte, final bool) error {
	chunk, err := w.sealer.Seal(plain, final)
	if err != nil {
		return err
	}
	if err := w.out.put(w.ctx, w.agent.fullWait, chunk, final); err != nil {
		if cause := context.Cause(w.ctx); cause != nil {
			return cause
		}
		if errors.Is(err, errUnsent) {
			return errUnsent
		}
		return err
	}
	w.bytes += int64(len(chunk))
	w.agent.deliver(w.out)
	return nil
}

// round seals what a round found, with its account, in a chunk that is not the
// last.
func (w *writer) round(sum answer.Summary) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	before := len(w.plain)
	w.plain = answer.AppendSummary(w.plain, sum)
	if w.size += int64(len(w.plain) - before); w.most > 0 && w.size > w.most {
		w.plain, w.err = w.plain[:before], errBytes
		return w.err
	}
	return w.flush()
}

// told says how many rows were told, of which some may not have been sealed.
func (w *writer) told() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rows
}

// failed gives the error that ended the writing.
func (w *writer) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// stop ends the timer, and gives the error that ended the writing.
func (w *writer) stop() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	if w.timer != nil {
		w.timer.Stop()
	}
	return w.err
}

// end seals the account as the last chunk, with the rows that still wait: they
// are fewer than chunkPlain bytes, and the account has at most
// answer.MaxSummary. A chunk that was sealed and found no room has taken its
// number with it: then the answer goes on with a new key.
func (w *writer) end(sum answer.Summary) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if next := w.out.following(); w.sealer.Next() != next {
		again, err := w.agent.newWriter(w.ctx, w.out, next)
		if err != nil {
			return err
		}
		w.sealer = again.sealer
	}
	return w.send(answer.AppendSummary(w.plain, sum), true)
}

// endUnfinished ends the answers that an earlier life began: in the journal at
// once, and towards the investigator when a relay has said how much of them it
// has. What the journal does not know was not permitted, and has no answer.
func (a *Agent) endUnfinished() {
	for _, e := range a.journal.Unfinished() {
		if a.leftStanding(e.Plan) {
			continue
		}
		sum := a.cutShort()
		f := journal.Finish{At: a.opts.Now(), Outcome: sum.Outcome.String(), Reason: sum.Reason, Uncounted: true}
		if out := a.spool.find(e.Plan); out == nil || out.ended() {
			// Its answer is whole, or a relay has all of it, or there was none yet.
			f.Outcome, f.Reason = journal.Unknown, errUnnoted.Error()
		}
		if err := a.journal.Finish(e.Plan, f); err != nil { // a full disk keeps no agent from saying so
			a.log.Error("the journal cannot be written", "error", err)
		}
	}
}

// endCut ends an answer of an earlier life, after all of its chunks that are
// still here or that the relay has.
func (a *Agent) endCut(ctx context.Context, out *outgoing) error {
	w, err := a.newWriter(ctx, out, out.following())
	if err != nil {
		return err
	}
	return w.end(a.endOf(out.head.Plan))
}

// refuse notes a refusal in the journal, and seals it to whoever asked, as far
// as that can be told.
func (a *Agent) refuse(raw []byte, why error) {
	code, reason := refusalOf(why)
	e := journal.Entry{At: a.opts.Now(), Verdict: journal.Refused, Code: code, Reason: reason}
	payload := payloadOf(raw, &e)
	if err := a.journal.Refuse(e); err != nil {
		a.log.Error("the journal cannot be written", "error", err)
	}
	a.log.Warn("plan refused", "plan", e.Plan, "code", code, "reason", reason)
	// One plan has one answer: a plan that ran has had it.
	if payload == nil || a.journal.Seen(payload.ID) {
		return
	}
	h := headOf(payload, a.opts.Now())
	if most := h.Made.Add(signing.MaxWindow); h.Expires.After(most) {
		h.Expires = most // it was not verified, and says how long the disk keeps this
	}
	out, err := a.spool.begin(h)
	if err != nil {
		out, err = a.spool.beginEnd(h)
	}
	if err != nil {
		a.log.Warn("the refusal is not sent", "error", err)
		return
	}
	w, err := a.newWriter(context.Background(), out, 0) // the final chunk waits for nothing
	if err == nil {
		err = w.end(answer.Summary{Outcome: answer.Refused, Reason: code + ": " + reason})
	}
	if err != nil {
		a.log.Warn("the refusal is not sent", "error", err)
		a.abandon(out)
	}
}

// payloadOf reads from an envelope that was refused what it says of itself.
func payloadOf(raw []byte, e *journal.Entry) *signing.PlanPayload {
	env, err := signing.ParseEnvelope(raw)
	if err != nil {
		return nil
	}
	for _, s := range env.Signatures {
		e.Signers = append(e.Signers, s.KeyID)
	}
	if env.PayloadType != signing.TypePlan {
		return nil
	}
	payload, err := signing.DecodePlanPayload(env.Payload)
	if err != nil {
		return nil
	}
	e.Plan, e.Expires, e.Query, e.Purpose = payload.ID, payload.Expires, payload.Query, payload.Purpose
	return payload
}

func headOf(p *signing.PlanPayload, now time.Time) head {
	return head{Plan: p.ID, Fleet: p.Fleet, ReplyKey: p.ReplyKey, Expires: p.Expires, Made: now}
}
