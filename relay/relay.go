// Package relay holds the connections of agents and investigators: it hands
// signed plans to the agents that they are for, and keeps sealed answers until
// somebody takes them.
//
// A newcomer needs [Init] and [Open], then [Relay.Serve]. A relay is trusted
// with nothing: it checks what it passes on so that nonsense costs the others
// nothing, and every check that matters is made again by whoever it is passed
// to. It must not be given anything that opens an answer.
//
// What it keeps goes through NATS JetStream (spine.go), in this process or in
// a cluster. In memory are the agents with their facts (agents.go) and the
// plans with how far each agent has come (plans.go); both are read back from
// the spine at a start. A chunk is acknowledged to its agent when the spine has
// stored it (answers.go). A follower reads the spine, from the front, so that
// what is stored and what comes live have no seam (follow.go).
package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

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
	spine     *spine
	listener  *transport.Listener
	wg        sync.WaitGroup
	keeping   sync.Mutex          // held while a plan's record is written; before mu
	mending   sync.Mutex          // held while a torn answer is mended; before mu
	inFlight  *semaphore.Weighted // bytes of chunks that the spine was given
	strangers *semaphore.Weighted // those who hand in plans and proved nothing
	watching  *semaphore.Weighted // those who say that they are witnesses
	ledger    ledger

	publishing sync.Mutex          // held while a release with its programs is taken; before mu
	fetching   *semaphore.Weighted // agents that fetch programs

	mu       sync.Mutex
	policy   *signing.Policy
	envelope []byte // of the policy
	turns    []turn // the policies that changed the administrators, the oldest first
	agents   map[message.ID]*agent
	plans    map[message.ID]*investigation
	pending  map[message.ID]*pendingPlan
	releases map[string]*release // by version
	conns    map[*transport.Conn]struct{}
	uses     map[signing.ID]int // of tokens
	closing  bool
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
		cfg: cfg, log: o.Logger, now: o.Now,
		agents: map[message.ID]*agent{}, plans: map[message.ID]*investigation{}, pending: map[message.ID]*pendingPlan{},
		conns: map[*transport.Conn]struct{}{}, uses: map[signing.ID]int{},
		inFlight: semaphore.NewWeighted(maxInFlight), strangers: semaphore.NewWeighted(maxStrangers),
		releases: map[string]*release{}, fetching: semaphore.NewWeighted(maxFetching),
		watching: semaphore.NewWeighted(maxWatching), ledger: ledger{dir: dir},
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
	if r.spine, err = openSpine(ctx, dir, cfg.NATS, cfg.Replicas); err != nil {
		return nil, err
	}
	if err = r.load(ctx); err == nil {
		r.listener, err = transport.Listen(cfg.Listen, transport.ListenOptions{
			Certificate: cert, CA: r.ca.Certificate(), Window: 1 << 20, MaxPerAddress: cfg.Crowd,
		})
	}
	if err != nil {
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
	var lost atomic.Bool
	r.wg.Go(func() {
		if r.spine.awaitEnd(ctx) {
			lost.Store(true)
			cancel()
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
	if lost.Load() {
		err = ErrSpine
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
	err := r.listener.Close()
	var ending sync.WaitGroup
	for _, s := range sessions {
		ending.Go(s.goodbye)
	}
	ending.Wait()
	for _, c := range open {
		ending.Go(func() { _ = c.Close() })
	}
	ending.Wait()
	r.wg.Wait()
	r.keepDirty(context.Background())
	r.spine.close()
	return err
}

// serve takes the streams of one connection. Its first stream says who it is.
func (r *Relay) serve(ctx context.Context, c *transport.Conn) {
	defer c.Close()
	r.mu.Lock()
	if r.closing {
		r.mu.Unlock()
		return
	}
	r.conns[c] = struct{}{}
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.conns, c)
		r.mu.Unlock()
	}()
	first, cancel := context.WithTimeout(ctx, firstStream)
	s, err := c.Accept(first)
	cancel()
	if err != nil {
		return
	}
	switch kind := s.Kind(); {
	case kind == message.KindEnroll && c.Peer() == "":
		r.enroll(ctx, s)
	case kind == message.KindAgent && c.Peer() != "":
		r.serveAgent(ctx, c, s)
	case kind == message.KindAuth:
		r.serveInvestigator(ctx, c, s)
	case kind == message.KindWitness && c.Peer() == "":
		r.serveWitness(ctx, c, s)
	case kind == message.KindSubmit && c.Peer() == "":
		r.serveStranger(ctx, s)
	default:
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

// load reads back what the spine keeps.
func (r *Relay) load(ctx context.Context) error {
	if err := r.loadPolicy(ctx); err != nil {
		return err
	}
	if err := r.loadAgents(ctx); err != nil {
		return err
	}
	if err := r.loadPlans(ctx); err != nil {
		return err
	}
	r.logPlans()
	if err := r.loadReleases(ctx); err != nil {
		return err
	}
	r.logReleases()
	return nil
}
