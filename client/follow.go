package client

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/sealing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// FollowOptions say how long answers are waited for.
type FollowOptions struct {
	// Wait is how long to wait for agents that are silent or offline. 0 waits
	// for those that are connected alone, as long as they are at work. Time in
	// which answers wait for who reads the rows does not count.
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
	signed, err := s.signed(ctx, id)
	if err != nil {
		return nil, err
	}
	f := newFollowing(s, o)
	if err := f.add(ctx, signed.Payload, signed.Plan); err != nil {
		return nil, err
	}
	f.start(ctx)
	query := quaestor.Query{Name: id.String(), Plan: signed.Plan}
	return quaestor.NewRows([]quaestor.Query{query}, nil, f), nil
}

// following is the answers to some plans: quaestor.Answers. A reader for each
// plan takes frames from the relay and hands them to the lanes, which verify,
// open and decode them side by side: see lane.go.
type following struct {
	session *Session
	opts    FollowOptions
	clock   clock
	ctx     context.Context // of all of it; reading ends earlier, when everyone has answered
	cancel  context.CancelFunc
	reading context.Context
	stop    context.CancelFunc // ends reading

	lanes []*lane
	room  *semaphore.Weighted // bytes of frames that wait for lanes
	moved chan struct{}       // something changed that waiting depends on; of capacity one
	read  chan struct{}       // closed when every plan's reader has ended
	done  chan struct{}       // closed when the lanes have, too

	ready chan struct{} // closed by Answers, which sets take before
	take  func(quaestor.Answer) (int, error)

	mu      sync.Mutex
	unnamed map[token]int // agents known here that no plan was named for; see countUnnamed
	plans   []*followed
	taken   bool // Answers was called
	ended   bool
	last    moment // when it ended
	cut     bool   // the reader wanted no more
	err     error
}

// followed is one plan. What becomes of its agents stands in the lanes;
// following.mu guards what is below longest.
type followed struct {
	index    int
	payload  *signing.PlanPayload
	compiled *plan.Plan
	key      *sealing.ReplyKey
	every    time.Duration // where agents repeat it; 0: they do not
	longest  time.Duration // that a round may take
	named    atomic.Int64  // agents

	hidden   []string
	doubts   []string
	caughtUp bool
	heard    time.Duration // by the clock: when the relay last said something about it
	over     bool          // the relay says that nothing more will come
}

func newFollowing(s *Session, o FollowOptions) *following {
	return &following{
		session: s, opts: o, clock: clock{begun: time.Now()}, room: semaphore.NewWeighted(ahead), moved: make(chan struct{}, 1),
		read: make(chan struct{}), done: make(chan struct{}), ready: make(chan struct{}),
	}
}

func (f *following) add(ctx context.Context, payload *signing.PlanPayload, compiled *plan.Plan) error {
	key, err := f.session.replyKey(ctx, payload)
	if err != nil {
		return err
	}
	f.plans = append(f.plans, &followed{
		index: len(f.plans), payload: payload, compiled: compiled, key: key,
		every: compiled.Pace(), longest: f.session.Policy().Ceilings().Timeout,
	})
	return nil
}

// start begins to read. Reading ends with ctx, with Close, or when everyone
// who is waited for has answered.
func (f *following) start(ctx context.Context) { f.startWith(ctx, f.keepReading) }

// startWith is start with the reader of a plan.
func (f *following) startWith(ctx context.Context, read func(*followed)) {
	f.ctx, f.cancel = context.WithCancel(ctx)
	f.reading, f.stop = context.WithCancel(f.ctx)
	var lanes, readers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		l := newLane(f, len(f.plans))
		f.lanes = append(f.lanes, l)
		lanes.Go(l.work)
	}
	for _, p := range f.plans {
		p.heard = f.clock.now()
		readers.Go(func() { read(p) })
	}
	go func() {
		readers.Wait()
		close(f.read)
		for _, l := range f.lanes {
			close(l.jobs)
		}
		lanes.Wait()
		close(f.done)
	}()
}

// Close stops listening. Agents go on. What reads the answers sees them end,
// and waits for who brought them.
func (f *following) Close() error {
	f.mu.Lock()
	taken := f.taken
	f.cut = f.cut || !f.ended
	f.mu.Unlock()
	f.cancel()
	if !taken {
		<-f.done
	}
	return nil
}

// Answers gives the rows of agents as they come.
func (f *following) Answers(take func(quaestor.Answer) (int, error)) error {
	f.mu.Lock()
	f.taken, f.take = true, take
	f.mu.Unlock()
	close(f.ready)
	f.await()
	// What was read until now is still opened: it came in time.
	f.stop()
	<-f.done
	f.mu.Lock()
	err := f.err
	f.mu.Unlock()
	if err == nil {
		err = f.ctx.Err()
	}
	f.finish()
	return err
}

// await waits until nothing more is expected.
func (f *following) await() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for !f.enough() {
		select {
		case <-f.read:
			return
		case <-f.ctx.Done():
			return
		case <-f.moved:
		case <-tick.C:
		}
	}
}

// fail ends the answers with an error, the first that there is.
func (f *following) fail(err error) {
	f.mu.Lock()
	if f.err == nil {
		f.err = err
	}
	f.mu.Unlock()
	f.cancel()
}

// finish sees who is missing.
func (f *following) finish() {
	f.cancel()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last, f.ended = f.moment(), true
	f.findHidden()
	if err := f.session.opts.home.saveRoster(); err != nil {
		f.plans[0].doubts = append(f.plans[0].doubts, "who was seen could not be kept, and who is hidden will not be noticed: "+err.Error())
	}
}

// How long an agent may be quiet before it is not waited for.
const (
	patience = 15 * time.Second // connected, and it does not say that it has the question
	// absence is for one that has the question, and is not connected: it tries
	// again within 8 s, or when a busy relay told it to, up to 31 s later.
	absence = time.Minute
	mute    = 2 * time.Minute // the relay, before it has named everyone and sent what it has
)

// enough says whether everyone has answered who is waited for. While something
// that was read has not been dealt with, nobody can say so.
func (f *following) enough() bool {
	listened, stood, stands := f.clock.read()
	if stands {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.opts.Wait > 0 && listened >= f.opts.Wait && !f.opts.Stored {
		return true
	}
	return !slices.ContainsFunc(f.plans, func(p *followed) bool { return f.waitsFor(p, listened, stood) })
}

// waitsFor says whether more is expected of a plan. An agent is at work for as
// long as it may be, at most; mu is held.
func (f *following) waitsFor(p *followed, listened, stood time.Duration) bool {
	longest := f.session.Policy().Ceilings().Timeout + absence
	switch {
	case p.over:
		return false
	case !p.caughtUp:
		return listened-p.heard < mute
	case f.opts.Stored, f.session.opts.now().Add(-stood).After(p.payload.Expires.Add(longest)):
		return false
	}
	return slices.ContainsFunc(f.lanes, func(l *lane) bool {
		return l.waitsFor(p, func(a *answering) bool {
			quiet := listened - a.since
			switch {
			case a.final || a.fault != nil:
				return false
			case p.every > 0 && (a.reached || a.online): // until its window is over
				return true
			}
			return f.opts.Wait > 0 || a.reached && a.online && quiet < longest || a.reached && quiet < absence || a.online && quiet < patience
		})
	})
}
