// Package relay holds the connections of agents and investigators: it hands
// signed plans to the agents that they are for, and keeps sealed answers until
// somebody takes them.
//
// A newcomer needs [Init] and [Open], then [Relay.Serve]. A relay is trusted
// with nothing: it checks what it passes on so that nonsense costs the others
// nothing, and every check that matters is made again by whoever it is passed
// to. It must not be given anything that opens an answer.
//
// What it keeps goes through NATS JetStream (spine.go): in this process, alone
// or joined with those of other relays of the fleet (cluster.go), or in a
// cluster elsewhere. The spine has the word. What is in memory, the agents with
// their facts (agents.go), the plans with how far each agent has come (plans.go,
// shared.go), the policy (policy.go), the log (ledger.go), is what mirrors of
// the spine say (mirror.go), whoever kept it, so that one relay and several go
// the same way. Who is connected where relays tell each other (peers.go). Where
// two might write the same, each writes in the place of what it saw, and looks
// again if another was faster.
//
// A chunk is acknowledged to its agent when the spine has stored it
// (answers.go). A follower reads the spine, from the front, so that what is
// stored and what comes live have no seam (follow.go).
package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/quaestor-engine/quaestor/relay/watch"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// Options are what a relay takes from around it. The zero value is a relay
// that says nothing and goes by the clock.
type Options struct {
	Logger *slog.Logger
	Now    func() time.Time
	NATS   string // instead of what relay.toml says
}

// A Relay serves one fleet.
type Relay struct {
	cfg       *Config
	log       *slog.Logger
	now       func() time.Time
	ca        *transport.CA
	me        string // what this relay is called on the spine
	spine     *spine
	listener  *transport.Listener
	life      context.Context // of what mirrors the spine
	end       context.CancelFunc
	wg        sync.WaitGroup
	keeping   sync.Mutex // held while a plan's record is written; before mu
	fatal     chan error // of capacity one: why the relay has to end
	states    *mirror    // of the state, and so on
	members   *mirror
	shares    *mirror
	chunks    *mirror
	beats     *mirror
	rollOuts  *mirror
	inFlight  *semaphore.Weighted // bytes of chunks that the spine was given
	strangers *semaphore.Weighted // those who hand in plans and proved nothing
	watching  *semaphore.Weighted // those who say that they are witnesses
	ledger    ledger
	meters    meters
	watch     *watch.Server // nil: nobody may watch
	within    within

	publishing sync.Mutex          // held while a release with its programs is taken; before mu
	fetching   *semaphore.Weighted // agents that fetch programs

	mu       sync.Mutex
	policy   *signing.Policy
	envelope []byte // of the policy
	revision uint64 // of it on the spine
	turns    []turn // the policies that changed the administrators, the oldest first
	agents   map[message.ID]*agent
	facts    *factTable // of the agents
	plans    map[message.ID]*investigation
	live     map[message.ID]*investigation // those of plans that agents may have to hear of, see revive
	followed map[*investigation]struct{}   // those that somebody follows
	pending  map[message.ID]*pendingPlan
	early    map[message.ID]*early // what came before its plan
	releases map[string]*release   // by version
	conns    map[*transport.Conn]struct{}
	uses     map[signing.ID]*tokenUse
	peers    map[string]*peer // the other relays
	pulse    pulse
	news     presence // that the other relays were not told of yet
	closing  bool
	cut      bool // this relay cannot keep anything, and serves nobody
}

// Open opens the relay of a folder that Init made, and listens.
func Open(ctx context.Context, dir string, o Options) (*Relay, error) {
	cfg, err := readConfig(dir)
	if err != nil {
		return nil, err
	}
	if o.NATS != "" {
		cfg.NATS = o.NATS
	}
	r := &Relay{
		cfg: cfg, log: o.Logger, now: o.Now, me: cfg.key(), fatal: make(chan error, 1),
		agents: map[message.ID]*agent{}, facts: newFactTable(), plans: map[message.ID]*investigation{}, pending: map[message.ID]*pendingPlan{},
		live: map[message.ID]*investigation{}, followed: map[*investigation]struct{}{},
		early: map[message.ID]*early{}, conns: map[*transport.Conn]struct{}{}, uses: map[signing.ID]*tokenUse{}, peers: map[string]*peer{},
		inFlight: semaphore.NewWeighted(maxInFlight), strangers: semaphore.NewWeighted(maxStrangers),
		releases: map[string]*release{}, fetching: semaphore.NewWeighted(maxFetching), watching: semaphore.NewWeighted(maxWatching),
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.now == nil {
		r.now = time.Now
	}
	if r.ca, err = readCA(dir); err != nil {
		return nil, err
	}
	cert, err := serverCertificate(r.ca, cfg.Hosts)
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	if r.spine, err = openSpine(ctx, cfg, r.ca, r.log); err != nil {
		return nil, err
	}
	r.meters.since = time.Now()
	r.spine.tell(&r.meters)
	r.life, r.end = context.WithCancel(context.Background())
	var keys [][32]byte
	if err = r.spine.guarded(ctx, r.load); err == nil {
		keys, err = tickets(dir, r.now())
	}
	if err == nil {
		r.listener, err = transport.Listen(cfg.Listen, transport.ListenOptions{
			Certificate: cert, CA: r.ca.Certificate(), Window: 1 << 20, MaxPerAddress: cfg.Crowd, Tickets: keys,
		})
	}
	if err == nil {
		err = r.openWatch()
	}
	if err != nil {
		if r.listener != nil {
			_ = r.listener.Close()
		}
		r.end()
		r.wg.Wait()
		r.spine.close()
		return nil, err
	}
	return r, nil
}

// maxInFlight bounds the bytes of chunks that wait for the disk, of all agents.
const maxInFlight = 128 << 20

// Addr gives the address that the relay listens on.
func (r *Relay) Addr() net.Addr { return r.listener.Addr() }

// Pin gives what agents and investigators know the relay by.
func (r *Relay) Pin() string { return r.ca.Pin() }

// Serve takes connections until ctx ends, and then closes everything: what was
// acknowledged is on the disk.
func (r *Relay) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.wg.Go(func() { r.keepHouse(ctx) })
	r.wg.Go(r.serveWatch)
	r.wg.Go(func() { r.tellShares(ctx) })
	r.wg.Go(func() { r.keepTouch(ctx) })
	r.wg.Go(func() { r.keepTickets(ctx) })
	r.wg.Go(func() {
		if r.spine.awaitEnd(ctx, r.spine.recovery()) {
			r.fail(ErrSpine)
		}
	})
	var lost atomic.Pointer[error]
	r.wg.Go(func() {
		select {
		case why := <-r.fatal:
			lost.Store(&why)
			cancel()
		case <-ctx.Done():
		}
	})
	var err error
	for {
		var c *transport.Conn
		if c, err = r.listener.Accept(ctx); err != nil {
			break
		}
		r.wg.Go(func() { r.serve(ctx, c) })
	}
	r.mu.Lock()
	if ctx.Err() != nil || r.closing {
		err = nil
	}
	r.mu.Unlock()
	if why := lost.Load(); why != nil {
		err = *why
	}
	cancel()
	return errors.Join(err, r.Close())
}

// Close ends the relay.
func (r *Relay) Close() error {
	r.mu.Lock()
	if r.closing {
		r.mu.Unlock()
		return nil
	}
	r.closing = true
	var open []*transport.Conn
	for c := range r.conns {
		open = append(open, c)
	}
	var sessions []*agentSession
	for _, a := range r.agents {
		if a.session != nil {
			sessions = append(sessions, a.session)
		}
	}
	r.mu.Unlock()
	err := errors.Join(r.listener.Close(), r.closeWatch(), r.within.close())
	within := comeBack(len(sessions))
	var ending sync.WaitGroup
	for _, s := range sessions {
		ending.Go(func() { s.goodbye(within) })
	}
	ending.Wait()
	for _, c := range open {
		ending.Go(func() { _ = c.Close() })
	}
	ending.Wait()
	r.end()
	r.wg.Wait()
	last, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	r.keepShares(last, r.dirty(true), false)
	r.leavePeers(last)
	r.spine.close()
	return err
}

// fail ends the relay, which cannot go on.
func (r *Relay) fail(why error) {
	select {
	case r.fatal <- why:
	default: // another reason was first
	}
}

// hangUp closes a connection.
func (r *Relay) hangUp(c *transport.Conn) {
	_ = c.Close()
	r.mu.Lock()
	delete(r.conns, c)
	r.mu.Unlock()
}

// serve takes the streams of one connection. Its first stream says who it is.
func (r *Relay) serve(ctx context.Context, c *transport.Conn) {
	stays := false
	defer func() {
		if !stays {
			r.hangUp(c)
		}
	}()
	r.mu.Lock()
	if r.closing {
		r.mu.Unlock()
		return
	}
	cut := r.cut
	r.conns[c] = struct{}{}
	r.mu.Unlock()
	first, cancel := context.WithTimeout(ctx, firstStream)
	s, err := c.Accept(first)
	cancel()
	if err != nil {
		return
	}
	switch kind := s.Kind(); {
	case cut:
		r.meters.refused(refusedCutOff)
		fail(s, message.FailShutdown, isCutOff)
	case kind == message.KindEnroll && c.Peer() == "":
		r.enroll(ctx, s)
	case kind == message.KindAgent && c.Peer() != "":
		stays = r.serveAgent(ctx, c, s)
	case kind == message.KindLeaf && strings.HasPrefix(c.Peer(), transport.LeafPrefix):
		r.serveLeaf(ctx, s)
	case kind == message.KindAuth:
		r.serveInvestigator(ctx, c, s)
	case kind == message.KindWitness && c.Peer() == "":
		r.serveWitness(ctx, c, s)
	case kind == message.KindSubmit && c.Peer() == "":
		r.serveStranger(ctx, s)
	default:
		r.meters.refused(refusedStream)
		fail(s, message.FailBad, fmt.Sprintf("a connection does not begin with a stream of kind %.32q", kind))
	}
}

// firstStream is how long a connection may say nothing.
const firstStream = 30 * time.Second

// fail says why a stream ends, and ends it.
func fail(s replies, code, reason string) {
	_ = s.WriteFrame(message.TypeFailure, message.Marshal(message.Failure{Code: code, Reason: reason}))
	_ = s.Close()
}

// readAs reads a frame of one type; anything else is an error.
func readAs(s *transport.Stream, want message.Type) ([]byte, error) {
	_, body, err := s.ReadFrame(func(t byte) int {
		if t != want {
			return -1
		}
		return min(message.Limit(t), MaxEnvelope)
	})
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return body, err
}

// load takes from the spine what it keeps, and from then on whatever comes.
func (r *Relay) load(ctx context.Context) error {
	if err := r.openLedger(); err != nil {
		return err
	}
	if err := r.loadPolicy(ctx); err != nil {
		return err
	}
	r.members = r.mirrorOf(r.spine.agents, r.takeMember)
	r.shares = r.mirrorOf(r.spine.plans, r.takePlan)
	r.rollOuts = r.mirrorOf(r.spine.releases, r.takeRelease)
	r.chunks = &mirror{stream: r.spine.answers, subject: "answer.*.*", headers: true, take: r.takeAnswer, once: r.spine.chunks.together}
	for _, m := range []*mirror{r.members, r.shares, r.rollOuts, r.chunks} {
		if err := r.begin(ctx, m); err != nil {
			return err
		}
	}
	// The server that was asked may itself have been behind the others.
	if err := errors.Join(r.settle(ctx, r.spine.agents, r.members), r.settle(ctx, r.spine.plans, r.shares), r.settle(ctx, r.spine.releases, r.rollOuts)); err != nil {
		return err
	}
	r.sweep(ctx)
	r.mu.Lock()
	r.retire()
	r.mu.Unlock()
	r.logPlans()
	r.logReleases()
	return r.meetPeers(ctx)
}
