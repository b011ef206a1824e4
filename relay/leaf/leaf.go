// Package leaf joins the agents of a site to relays elsewhere over one thin
// line: what is sent to all of them crosses it once, and what they answer is
// kept here while the line is down.
//
// A newcomer needs [Open], then [Leaf.Serve], at the site, and [Carry] at the
// relay. The agents take a leaf for a relay. It makes nothing up: each agent's
// hello, facts and receipts go to the relay, which decides what it is for, and
// what comes for an agent is handed on as it is. A leaf acknowledges a chunk
// when it is on its own disk, and sends it until the relay has stored it. It is
// trusted with less than a relay: it has no key of the fleet's CA, opens
// nothing, and must not be given anything that decides.
//
// A line is one stream of kind "leaf". Both ends say a message.Leaf, then
// frames: those of channels, which stand for the streams of agents, and from
// the leaf chunks, each agent's membership before its first, for which the
// relay says how far answers are stored.
package leaf

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/relay/watch"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// version is of what is said on a line.
const version = 1

// Bounds of a leaf.
const (
	helloWithin = 30 * time.Second
	// maxOutbox is how many frames wait for one agent, before it is cut off.
	maxOutbox = 1024
	// comeAgain is how long it takes until a session that the relay ended, and
	// not the agent, is begun again.
	comeAgain = 2 * time.Second
	// sendAgain is how long an answer waits of which the relay could not store a
	// chunk, the first time, and sendAgainMost after many tries.
	sendAgain, sendAgainMost = time.Second, time.Minute
	// lineMin and lineMax are what is waited between two tries to make a line.
	lineMin, lineMax = 500 * time.Millisecond, 30 * time.Second
	// linePulse is the silence after which the relay is asked whether it lives.
	linePulse   = 20 * time.Second
	maxReceipts = 10_000 // of one agent that are said again over a new line
	// lastWords is how long an agent has to take that the leaf goes, and
	// comeBackEach, up to maxComeBack, within which time it is told to come again,
	// for each agent that is here.
	lastWords    = time.Second
	comeBackEach = 2 * time.Millisecond
	maxComeBack  = 5 * time.Minute
	// fullEvery is the least time between two lines of the log that say that there
	// is no room: each agent tries again and again.
	fullEvery = time.Minute
)

// down is what is said to who needs a relay while there is no line.
const down = "this leaf has no line to the relays at this moment: what you hold is kept with you; come again"

var errDown = errors.New(down)

// Options are what a leaf is opened with.
type Options struct {
	Name        string
	Dir         string          // what waits for the relays is kept in it
	Listen      string          // for agents
	Relays      []string        // host:port, any of which does
	Certificate tls.Certificate // for both: agents see it, and relays
	Crowd       int             // connections of one address; 0 is the default
	Limit       int64           // bytes that may wait for the relays
	Metrics     string          // the loopback address on which it tells how it is; "": none
	Logger      *slog.Logger
}

// A Leaf serves the agents of a site.
type Leaf struct {
	o        Options
	listener *transport.Listener
	dialer   *transport.Dialer
	spool    *spool
	watch    *watch.Server // nil: nobody may watch
	meters   meters
	wg       sync.WaitGroup

	mu       sync.Mutex
	fullSaid time.Time // when the log last said that there is no room
	line     *line     // nil: it is down
	since    time.Time
	sessions map[message.ID]*session
	conns    map[*transport.Conn]struct{}
	closing  bool
	// strangers is how many are carried who want to enrol.
	strangers int
}

// Open opens a leaf, and listens.
func Open(o Options) (*Leaf, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	ca, err := issuer(o.Certificate)
	if err != nil {
		return nil, err
	}
	l := &Leaf{o: o, sessions: map[message.ID]*session{}, conns: map[*transport.Conn]struct{}{}, since: time.Now()}
	if l.meters.until, err = expiry(o.Certificate); err != nil {
		return nil, fmt.Errorf("leaf: %w", err)
	}
	l.meters.since = l.since
	l.dialer = &transport.Dialer{
		Addrs: o.Relays, Pin: transport.PinOf(ca), Certificate: &o.Certificate, KeepAlive: linePulse, Window: 1 << 20, Counts: &l.meters.line,
	}
	// First of all: a leaf that runs already has the port, and goes on writing
	// what would be read here, and cut off where it is not whole.
	l.listener, err = transport.Listen(o.Listen, transport.ListenOptions{Certificate: o.Certificate, CA: ca, Window: 1 << 20, MaxPerAddress: o.Crowd})
	if err != nil {
		return nil, fmt.Errorf("leaf: %w", err)
	}
	if l.spool, err = openSpool(o.Dir, o.Limit, o.Logger); err == nil && o.Metrics != "" {
		l.watch, err = watch.Listen(o.Metrics, watched{l})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("leaf: %w", err), l.listener.Close())
	}
	return l, nil
}

// Addr gives the address that agents reach it by.
func (l *Leaf) Addr() string { return l.listener.Addr().String() }

// A State is how a leaf is.
type State struct {
	Line    bool          // there is one
	For     time.Duration // so, or not so
	Agents  int           // that are connected
	Answers int           // that wait for the relays
	Paused  int           // of these, that could not be sent or stored, and are tried again
	Bytes   int64
}

// State gives how the leaf is.
func (l *Leaf) State() State {
	var s State
	s.Answers, s.Paused, s.Bytes = l.spool.waits()
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Line, s.For, s.Agents = l.line != nil, time.Since(l.since), len(l.sessions)
	return s
}

// Serve takes agents until ctx ends.
func (l *Leaf) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	l.wg.Go(func() { l.keepLine(ctx) })
	if l.watch != nil {
		l.wg.Go(func() {
			if err := l.watch.Serve(); err != nil {
				l.o.Logger.Error("nobody can watch this leaf any more", "why", err)
			}
		})
	}
	var err error
	for {
		var c *transport.Conn
		if c, err = l.listener.Accept(ctx); err != nil {
			break
		}
		l.wg.Go(func() { l.serve(ctx, c) })
	}
	if ctx.Err() != nil {
		err = nil
	}
	l.farewell()
	cancel()
	l.mu.Lock()
	for c := range l.conns {
		l.wg.Go(func() { _ = c.Close() })
	}
	l.mu.Unlock()
	err = errors.Join(err, l.listener.Close())
	if l.watch != nil {
		err = errors.Join(err, l.watch.Close())
	}
	l.wg.Wait()
	return err
}

// farewell takes nobody any more, and tells the agents that are here within
// which time to come again: else all would at once.
func (l *Leaf) farewell() {
	l.mu.Lock()
	l.closing = true
	var here []*session
	for _, s := range l.sessions {
		here = append(here, s)
	}
	l.mu.Unlock()
	body := message.Marshal(message.Failure{Code: message.FailShutdown, Reason: "the leaf is going", Wait: comeBack(len(here))})
	var telling sync.WaitGroup
	for _, s := range here {
		telling.Go(func() {
			s.stream.SetWriteDeadline(time.Now().Add(lastWords))
			if s.stream.WriteFrame(message.TypeGoodbye, body) == nil {
				_ = s.stream.Close()
			}
		})
	}
	telling.Wait()
}

// comeBack is within which time so many agents are told to come again: two
// cores take so many handshakes.
func comeBack(agents int) time.Duration {
	return min(max(time.Duration(agents)*comeBackEach, time.Second), maxComeBack)
}

// enter notes a connection, unless the leaf ends.
func (l *Leaf) enter(c *transport.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closing {
		l.conns[c] = struct{}{}
	}
	return !l.closing
}

// serve takes the streams of one connection.
func (l *Leaf) serve(ctx context.Context, c *transport.Conn) {
	defer func() {
		_ = c.Close()
		l.mu.Lock()
		delete(l.conns, c)
		l.mu.Unlock()
	}()
	if !l.enter(c) {
		return
	}
	first, cancel := context.WithTimeout(ctx, helloWithin)
	s, err := c.Accept(first)
	cancel()
	if err != nil {
		return
	}
	switch kind := s.Kind(); {
	case kind == message.KindEnroll && c.Peer() == "":
		l.carryStranger(ctx, s)
	case kind == message.KindAgent && c.Peer() != "":
		l.serveAgent(ctx, c, s)
	default:
		l.meters.odd.Inc()
		fail(s, message.FailDenied, "this is the leaf of a site, for its agents: investigators and witnesses ask a relay of the centre")
	}
}

// carryStranger has the relay answer who wants to enrol, unless too many do.
func (l *Leaf) carryStranger(ctx context.Context, s *transport.Stream) {
	l.mu.Lock()
	full := l.strangers >= maxStrangers
	if !full {
		l.strangers++
	}
	l.mu.Unlock()
	if full {
		l.meters.crowded.Inc()
		fail(s, message.FailShutdown, fmt.Sprintf("%d others enrol at this leaf at this moment: come again", maxStrangers))
		return
	}
	l.pipe(ctx, s, message.ID{})
	l.mu.Lock()
	l.strangers--
	l.mu.Unlock()
}

// tellFull has the log say that a chunk was not kept since there is no room, now
// and then. Agents keep it, and try again.
func (l *Leaf) tellFull(why error) {
	l.mu.Lock()
	now := time.Now()
	say := now.Sub(l.fullSaid) >= fullEvery
	if say {
		l.fullSaid = now
	}
	l.mu.Unlock()
	if say {
		l.o.Logger.Error("chunks are not kept: agents keep them, and try again", "why", why, "ever", l.spool.meters.full.Value())
	}
}

// fail says why a stream ends, and ends it.
func fail(s *transport.Stream, code, reason string) {
	_ = s.WriteFrame(message.TypeFailure, message.Marshal(message.Failure{Code: code, Reason: reason}))
	_ = s.Close()
}

// keepLine keeps a line to a relay until ctx ends.
func (l *Leaf) keepLine(ctx context.Context) {
	wait := transport.Backoff{Min: lineMin, Max: lineMax}
	for ctx.Err() == nil {
		began := time.Now()
		err := l.tryLine(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > lineMax {
			wait.Reset()
		}
		l.o.Logger.Warn("there is no line to the relays", "relays", l.o.Relays, "why", err)
		select {
		case <-ctx.Done():
		case <-time.After(wait.Next()):
		}
	}
}

// tryLine makes a line, and serves it until it ends.
func (l *Leaf) tryLine(ctx context.Context) error {
	c, err := l.dialer.Dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := c.Open(ctx, message.KindLeaf)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	if err := greet(s, l.o.Name); err != nil {
		return err
	}
	l.o.Logger.Info("there is a line to the relays", "at", c.RemoteAddr())
	return l.serveLine(ctx, s)
}

// greet says who is there, and hears the other end.
func greet(s *transport.Stream, name string) error {
	if err := s.WriteFrame(message.TypeLeaf, message.Marshal(message.Leaf{Version: version, Name: name})); err != nil {
		return err
	}
	return hear(s)
}

// hear hears who is at the other end.
func hear(s *transport.Stream) error {
	s.SetReadDeadline(time.Now().Add(helloWithin))
	t, body, err := s.ReadFrame(func(t byte) int {
		if t == message.TypeLeaf || t == message.TypeFailure {
			return message.MaxControl
		}
		return -1
	})
	if err != nil {
		return err
	}
	s.SetReadDeadline(time.Time{})
	if t == message.TypeFailure {
		var f message.Failure
		if err := message.Unmarshal(body, &f); err != nil {
			return err
		}
		return &f
	}
	var other message.Leaf
	if err := message.Unmarshal(body, &other); err != nil {
		return err
	}
	if other.Version != version {
		return fmt.Errorf("version %d of the line; this end speaks %d", other.Version, version)
	}
	return nil
}

// closedEnd makes the end of a line an error.
func closedEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
