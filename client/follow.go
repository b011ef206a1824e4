package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/sealing"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

// FollowOptions say how long answers are waited for.
type FollowOptions struct {
	// Wait is how long to wait for agents that are silent or offline. 0 waits
	// for those that are connected alone, as long as they are at work.
	Wait time.Duration
	// Stored takes what is stored and waits for nobody.
	Stored bool
}

// RunOptions say how queries are asked.
type RunOptions struct {
	Sign   SignOptions
	Follow FollowOptions
	// Submitted, where not nil, is told of every plan that the relay took.
	Submitted func(query int, s message.Submitted)
}

// ErrPending says that a plan waits for further signatures, and nobody has
// been asked.
var ErrPending = errors.New("client: the plan waits for further signatures")

// Run signs queries, submits them and follows them all. The error wraps
// ErrPending where one needs more signatures than the session's.
func (s *Session) Run(ctx context.Context, c *quaestor.Compiled, o RunOptions) (*quaestor.Rows, error) {
	f := newFollowing(s, o.Follow)
	var names []quaestor.Query
	for i, q := range c.Queries {
		if q.Explain {
			return nil, errors.New("client: queries that begin with EXPLAIN are drawn here: LocalSession.Explain")
		}
		e, err := s.Sign(ctx, q, o.Sign)
		if err != nil {
			return nil, err
		}
		submitted, err := s.Submit(ctx, e)
		if err != nil {
			return nil, fmt.Errorf("client: the relay does not take the query %q: %w", q.Name, err)
		}
		if o.Submitted != nil {
			o.Submitted(i, submitted)
		}
		if submitted.Pending {
			return nil, fmt.Errorf("%w: %s", ErrPending, submitted.Plan)
		}
		payload, err := signing.DecodePlanPayload(e.Payload)
		if err != nil {
			return nil, err
		}
		if err := f.add(ctx, payload, q.Plan); err != nil {
			return nil, err
		}
		names = append(names, q)
	}
	if len(names) == 0 {
		return nil, errors.New("client: no query")
	}
	f.start(ctx)
	return quaestor.NewRows(names, c.Warnings, f), nil
}

// Follow takes the answers to an investigation: those that are stored, and
// those that come. Its plan is verified first.
func (s *Session) Follow(ctx context.Context, id signing.ID, o FollowOptions) (*quaestor.Rows, error) {
	e, err := s.Envelope(ctx, id)
	if err != nil {
		return nil, err
	}
	signed, err := Examine(e, s.Policy(), s.opts.now())
	if err != nil {
		return nil, err
	}
	if len(signed.Signers) == 0 {
		return nil, fmt.Errorf("client: plan %s: %w", id, signed.Problem)
	}
	f := newFollowing(s, o)
	if err := f.add(ctx, signed.Payload, signed.Plan); err != nil {
		return nil, err
	}
	f.start(ctx)
	query := quaestor.Query{Name: id.String(), Plan: signed.Plan}
	return quaestor.NewRows([]quaestor.Query{query}, nil, f), nil
}

// following is the answers to some plans: quaestor.Answers.
type following struct {
	session *Session
	opts    FollowOptions
	cancel  context.CancelFunc
	ctx     context.Context
	wg      sync.WaitGroup
	opened  chan piece    // closed when every plan's reader has ended
	moved   chan struct{} // something changed that waiting depends on; of capacity one

	mu    sync.Mutex
	plans []*followed
	rows  int64
	ended bool
	cut   bool // the reader wanted no more
	err   error
}

// followed is one plan. following.mu guards what is below key.
type followed struct {
	index    int
	payload  *signing.PlanPayload
	compiled *plan.Plan
	key      *sealing.ReplyKey

	agents    map[message.ID]*answering
	strangers map[message.ID]error // that the relay named and that are no agents
	hidden    []string
	doubts    []string
	caughtUp  bool
	heard     time.Time // when the relay last said something about it
	over      bool      // the relay says that nothing more will come
}

// answering is one agent's answer to one plan.
type answering struct {
	member          signing.Member
	host            string
	online, reached bool
	since           time.Time // when it was named

	opener  *sealing.Opener // used by the plan's reader alone
	whole   bool            // likewise: the last chunk was opened
	final   bool
	summary *answer.Summary
	rows    int64
	every   time.Duration // of a plan that the agent repeats; 0: it does not
	longest time.Duration // that a round may take
	heard   time.Time     // when the last round's account came
	fault   error
	lies    bool // what it sealed makes no sense: nothing of it is shown any more
}

// A piece is what one chunk held.
type piece struct {
	plan  *followed
	id    message.ID
	plain []byte
	final bool
}

// ahead is how many opened chunks wait to be read: a megabyte each at most.
const ahead = 16

func newFollowing(s *Session, o FollowOptions) *following {
	return &following{session: s, opts: o, opened: make(chan piece, ahead), moved: make(chan struct{}, 1)}
}

func (f *following) add(ctx context.Context, payload *signing.PlanPayload, compiled *plan.Plan) error {
	key, err := f.session.replyKey(ctx, payload)
	if err != nil {
		return err
	}
	f.plans = append(f.plans, &followed{
		index: len(f.plans), payload: payload, compiled: compiled, key: key,
		agents: map[message.ID]*answering{}, strangers: map[message.ID]error{},
	})
	return nil
}

// start begins to read. Reading ends with ctx, with Close, or when everyone
// who is waited for has answered.
func (f *following) start(ctx context.Context) {
	f.ctx, f.cancel = context.WithCancel(ctx)
	for _, p := range f.plans {
		p.heard = time.Now()
	}
	for _, p := range f.plans {
		f.wg.Go(func() { f.keepReading(p) })
	}
	go func() {
		f.wg.Wait()
		close(f.opened)
	}()
}

// Close stops listening. Agents go on.
func (f *following) Close() error {
	f.cancel()
	for range f.opened {
	}
	return nil
}

// Progress says what agents have looked at, as far as their accounts came, and
// how many rows they sent.
func (f *following) Progress() (map[string]int64, int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	looked := map[string]int64{}
	for _, p := range f.plans {
		for _, a := range p.agents {
			if a.summary == nil {
				continue
			}
			for kind, n := range a.summary.Looked {
				looked[kind] += n
			}
		}
	}
	return looked, f.rows
}

// Answers gives the rows of agents as they come.
func (f *following) Answers() iter.Seq2[quaestor.Answer, error] {
	return func(yield func(quaestor.Answer, error) bool) {
		defer f.finish()
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		begun := time.Now()
		for {
			// In this order: what was opened before everyone had answered is in
			// the queue by then.
			if f.enough(time.Since(begun)) && len(f.opened) == 0 {
				return
			}
			select {
			case p, ok := <-f.opened:
				if !ok {
					f.mu.Lock()
					err := f.err
					f.mu.Unlock()
					if err == nil {
						err = f.ctx.Err()
					}
					if err != nil {
						yield(quaestor.Answer{}, err)
					}
					return
				}
				if !f.give(p, yield) {
					f.mu.Lock()
					f.cut = true
					f.mu.Unlock()
					return
				}
			case <-f.moved:
			case <-tick.C:
			}
		}
	}
}

// finish ends the reading and sees who is missing.
func (f *following) finish() {
	_ = f.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	f.findHidden()
	if err := f.session.opts.home.saveRoster(); err != nil {
		f.plans[0].doubts = append(f.plans[0].doubts, "who was seen could not be kept, and who is hidden will not be noticed: "+err.Error())
	}
}

// give hands the rows of one chunk on. A chunk that the agent sealed and that
// makes no sense is the agent's fault.
func (f *following) give(p piece, yield func(quaestor.Answer, error) bool) bool {
	f.mu.Lock()
	a := p.plan.agents[p.id]
	lies := a.lies
	f.mu.Unlock()
	goOn, n := true, int64(0)
	out := quaestor.Answer{Host: a.host, Agent: p.id.String(), Query: p.plan.index, Reject: func(err error) {
		lies = true
		f.reject(a, err)
	}}
	err := answer.Decode(p.plain, func(table int, values []value.Value) error {
		if lies {
			return nil
		}
		out.Table, out.Values = table, values
		if n++; !yield(out, nil) {
			goOn = false
			return errStop
		}
		return nil
	}, func(s answer.Summary) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		a.summary, a.heard = &s, time.Now()
		return nil
	})
	if err != nil && goOn {
		f.reject(a, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	a.rows += n
	f.rows += n
	a.final = a.final || p.final
	return goOn
}

var errStop = errors.New("client: nobody reads on")

func (f *following) blame(a *answering, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a.fault == nil {
		a.fault = err
	}
}

// reject is blame for what an agent sealed itself.
func (f *following) reject(a *answering, err error) {
	f.blame(a, fmt.Errorf("it sent what the query has no place for: %w", err))
	f.mu.Lock()
	a.lies = true
	f.mu.Unlock()
}

// How long an agent may be quiet before it is not waited for.
const (
	patience = 15 * time.Second // connected, and it does not say that it has the question
	absence  = 30 * time.Second // it has the question, and is not connected
	mute     = 2 * time.Minute  // the relay, before it has named everyone and sent what it has
)

// enough says whether everyone has answered who is waited for.
func (f *following) enough(waited time.Duration) bool {
	longest := f.session.Policy().Ceilings().Timeout + absence
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.opts.Wait > 0 && waited >= f.opts.Wait && !f.opts.Stored {
		return true
	}
	return !slices.ContainsFunc(f.plans, func(p *followed) bool { return f.waitsFor(p, longest) })
}

// waitsFor says whether more is expected of a plan. An agent is at work for as
// long as it may be, at most; mu is held.
func (f *following) waitsFor(p *followed, longest time.Duration) bool {
	now := time.Now()
	switch {
	case p.over:
		return false
	case !p.caughtUp:
		return now.Sub(p.heard) < mute
	case f.opts.Stored, f.session.opts.now().After(p.payload.Expires.Add(longest)):
		return false
	}
	for _, a := range p.agents {
		quiet := now.Sub(a.since)
		switch {
		case a.final || a.fault != nil:
		case a.every > 0 && (a.reached || a.online): // until its window is over
			return true
		case f.opts.Wait > 0, a.reached && a.online && quiet < longest, a.reached && quiet < absence, a.online && quiet < patience:
			return true
		}
	}
	return false
}
