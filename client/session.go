// Package client asks a fleet: it signs plans, hands them to a relay, opens
// the answers of agents, and says who did not answer.
//
// A newcomer needs [OpenHome] and [Dial], and then [Session.Query], which
// makes a Session as good as quaestor.Local. [Session.Sign], [Session.Submit]
// and [Session.Follow] are its parts, for those who sign elsewhere or come back
// later.
//
// Nothing that a relay says is believed: agents are known by the chain from an
// administrator to their identity, rows by the agent's signature, plans by the
// signatures of investigators, and the policy by those of administrators. What
// a relay can do is stay silent, and [quaestor.Coverage] says where it did.
package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// A Session is connected to a relay, again if need be. It may be used by
// several goroutines.
type Session struct {
	opts    options
	dialing chan struct{} // of capacity one: held by who connects, who may take long

	mu     sync.Mutex // never held while the network or a person is waited for
	conn   *transport.Conn
	policy *signing.Policy
	doubts []string // about the relay
}

// window is how many bytes of answers may be in flight.
const window = 4 << 20

// Dial connects to a relay at host:port, or, where addr is empty, to the first
// of the home's relays that answers, and proves who asks. Without WithKey
// nobody asks, which is an error. A home that knows no relay is ErrNoRelay: to
// trust one takes its pin, which quaestor setup keeps in the home.
func Dial(ctx context.Context, addr string, opts ...Option) (*Session, error) {
	o := options{now: time.Now}
	for _, set := range opts {
		set(&o)
	}
	if o.signer == nil {
		return nil, errors.New("client: there is no key to ask with\nhint: client.WithKey")
	}
	var err error
	if o.home == nil {
		if o.home, err = OpenHome(""); err != nil {
			return nil, err
		}
	}
	if o.relays = o.home.Config.Relays; addr != "" {
		o.relays = []string{addr}
	}
	if len(o.relays) == 0 {
		return nil, fmt.Errorf("%w\nhint: quaestor setup --relay HOST:PORT --pin sha256:…", ErrNoRelay)
	}
	if o.local == nil {
		if o.local, err = quaestor.LocalWith(quaestor.Options{}); err != nil {
			return nil, err
		}
		o.ownLocal = true
	}
	s := &Session{opts: o, dialing: make(chan struct{}, 1)}
	if _, err := s.connected(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Policy gives the policy in force, as it was when the session connected.
func (s *Session) Policy() *signing.Policy {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.policy
}

// obey follows a policy that was in force when it was looked at: whoever was
// slower than another does not put an older one in the place of his.
func (s *Session) obey(p *signing.Policy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.policy == nil || p.Version() > s.policy.Version() {
		s.policy = p
	}
}

// Doubts says what was odd about the relay.
func (s *Session) Doubts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.doubts)
}

// Close ends the connection. Investigations go on.
func (s *Session) Close() error {
	s.mu.Lock()
	conn := s.conn
	s.conn = nil
	s.mu.Unlock()
	err := s.opts.home.saveRoster()
	if conn != nil {
		err = errors.Join(err, conn.Close())
	}
	if s.opts.ownLocal {
		err = errors.Join(err, s.opts.local.Close())
	}
	return err
}

// Compile checks and plans queries that ask others than this machine.
func (s *Session) Compile(sources ...lang.Source) (*quaestor.Compiled, error) {
	return s.opts.local.Compile(sources...)
}

// Query implements quaestor.Session.
func (s *Session) Query(ctx context.Context, text string, args ...quaestor.Argument) (*quaestor.Rows, error) {
	p, err := s.Prepare(text)
	if err != nil {
		return nil, err
	}
	return p.Query(ctx, args...)
}

// Prepare implements quaestor.Session.
func (s *Session) Prepare(text string) (*quaestor.Prepared, error) {
	p, err := s.opts.local.Prepare(text)
	if err != nil {
		return nil, err
	}
	return p.Through(func(ctx context.Context, c *quaestor.Compiled) (*quaestor.Rows, error) {
		return s.Run(ctx, c, s.opts.run)
	}), nil
}

// connected gives the connection, and makes a new one where it has ended.
func (s *Session) connected(ctx context.Context) (*transport.Conn, error) {
	select {
	case s.dialing <- struct{}{}:
		defer func() { <-s.dialing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if conn := s.living(); conn != nil {
		return conn, nil
	}
	conn, err := s.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	granted, err := s.prove(ctx, conn)
	if err == nil {
		err = s.follows(ctx, conn, granted)
	}
	if err != nil {
		return nil, errors.Join(ctx.Err(), err, conn.Close())
	}
	s.mu.Lock()
	s.conn = conn
	s.mu.Unlock()
	return conn, nil
}

// busyFor is how long a session tries relays that are too busy to take it.
const busyFor = time.Minute

// dial connects to a relay. Where all are busy it comes again when one said, as
// agents do.
func (s *Session) dial(ctx context.Context) (*transport.Conn, error) {
	c := s.opts.home.Config
	d := &transport.Dialer{Addrs: s.opts.relays, Pin: c.Pin, Proxy: c.Proxy, Window: window}
	for end := time.Now().Add(busyFor); ; {
		conn, err := d.Dial(ctx)
		var busy *transport.BusyError
		if !errors.As(err, &busy) || time.Now().Add(busy.Wait).After(end) {
			return conn, err
		}
		select {
		case <-time.After(busy.Wait):
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), err)
		}
	}
}

// living gives the connection, if there is one that has not ended.
func (s *Session) living() *transport.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return nil
	}
	select {
	case <-s.conn.Done():
		return nil
	default:
		return s.conn
	}
}

// follows takes the policy that the relay shows. Where the administrators have
// changed since the one that is known, the relay is asked for those in between.
func (s *Session) follows(ctx context.Context, conn *transport.Conn, granted *message.Granted) error {
	policy, err := s.opts.home.TakePolicy(granted.Policy, s.opts.now())
	if errors.Is(err, signing.ErrRefused) && !errors.Is(err, signing.ErrRollback) {
		chain, chainErr := s.chain(ctx, conn, policy)
		if chainErr != nil {
			return errors.Join(err, chainErr)
		}
		policy, err = s.opts.home.TakePolicies(append(chain, granted.Policy), s.opts.now())
	}
	if policy != nil {
		s.obey(policy)
	}
	if policy == nil || !errors.Is(err, signing.ErrRollback) {
		return err
	}
	s.doubt(fmt.Sprintf("the relay %q has an older policy than version %d, which is known here", granted.Relay, policy.Version()))
	return nil
}

// maxChainBytes bounds the policies that a relay may lead over to the newest.
const maxChainBytes = 512 << 20

// chain asks for the policies that lead from a known one to the newest; nil: none
// is known.
func (s *Session) chain(ctx context.Context, conn *transport.Conn, known *signing.Policy) ([][]byte, error) {
	q := message.Request{Op: message.OpPolicy}
	if known != nil {
		q.After = known.Version()
	}
	stream, err := conn.Open(ctx, message.KindRequest)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	defer stream.Close()
	defer context.AfterFunc(ctx, func() { stream.SetReadDeadline(time.Unix(1, 0)) })()
	if err := stream.WriteFrame(message.TypeRequest, message.Marshal(q)); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	var out [][]byte
	for size := 0; ; {
		// Set before ctx is asked, as call does.
		stream.SetReadDeadline(time.Now().Add(silence))
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		t, body, err := stream.ReadFrame(message.Limit)
		switch {
		case err != nil:
			return nil, errors.Join(ctx.Err(), fmt.Errorf("client: the policies since the known one: %w", err))
		case t == message.TypeEnd:
			return out, nil
		case t == message.TypeFailure:
			return nil, failure(body)
		case t != message.TypePolicy:
			return nil, fmt.Errorf("client: the policies since the known one: %w: a frame of type %d", message.ErrMalformed, t)
		}
		if size += len(body); len(out) == signing.MaxChain || size > maxChainBytes {
			return nil, fmt.Errorf("client: %w: the relay leads over more policies than there can be", message.ErrMalformed)
		}
		out = append(out, body)
	}
}

// doubt notes what is odd about the relay, once.
func (s *Session) doubt(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.doubts, text) {
		s.doubts = append(s.doubts, text)
	}
}

// silence is how long a relay that was asked something may say nothing.
const silence = 5 * time.Minute

// prove signs what only this connection can have asked for.
func (s *Session) prove(ctx context.Context, conn *transport.Conn) (*message.Granted, error) {
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	stream, err := conn.Open(ctx, message.KindAuth)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	defer stream.Close()
	stream.SetReadDeadline(time.Now().Add(silence))
	challenge, err := read(stream, message.TypeChallenge)
	if err != nil {
		return nil, err
	}
	exported, err := conn.Export(message.AuthLabel, 32)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	sig, err := s.opts.signer.Sign(ctx, message.AuthMessage(challenge, exported))
	if err != nil {
		return nil, fmt.Errorf("client: proving who asks: %w", err)
	}
	proof := message.Proof{Fingerprint: string(s.opts.signer.Fingerprint()), Signature: sig}
	if err := stream.WriteFrame(message.TypeProof, message.Marshal(proof)); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	stream.SetReadDeadline(time.Now().Add(silence)) // the signer may have waited for a person
	body, err := read(stream, message.TypeGranted)
	if err != nil {
		return nil, fmt.Errorf("client: the relay does not let this key in: %w", err)
	}
	var granted message.Granted
	return &granted, message.Unmarshal(body, &granted)
}

// read reads a frame of a type, or the failure that comes instead.
func read(s *transport.Stream, want message.Type) ([]byte, error) {
	t, body, err := s.ReadFrame(message.Limit)
	switch {
	case err != nil:
		return nil, fmt.Errorf("client: %w", err)
	case t == want:
		return body, nil
	case t == message.TypeFailure:
		return nil, failure(body)
	}
	return nil, fmt.Errorf("client: %w: a frame of type %d instead of %d", message.ErrMalformed, t, want)
}

// failure gives the relay's reason as an error: a *message.Failure.
func failure(body []byte) error {
	f := &message.Failure{}
	if err := message.Unmarshal(body, f); err != nil {
		return err
	}
	// It is a stranger's text.
	f.Reason = clean(f.Reason)
	return f
}

// ask opens a request; the caller reads what comes.
func (s *Session) ask(ctx context.Context, q message.Request, frames ...frame) (*transport.Stream, error) {
	conn, err := s.connected(ctx)
	if err != nil {
		return nil, err
	}
	stream, err := conn.Open(ctx, message.KindRequest)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	// A relay that takes nothing loses the connection when the caller gives up.
	defer context.AfterFunc(ctx, func() { stream.SetWriteDeadline(time.Unix(1, 0)) })()
	frames = append([]frame{{message.TypeRequest, message.Marshal(q)}}, frames...)
	for _, f := range frames {
		if err := stream.WriteFrame(f.t, f.body); err != nil {
			return nil, errors.Join(fmt.Errorf("client: %w", err), stream.Close())
		}
	}
	return stream, nil
}

type frame struct {
	t    message.Type
	body []byte
}

// call asks and hands every frame of one type to take, until the end.
func (s *Session) call(ctx context.Context, q message.Request, t message.Type, take func([]byte) error, frames ...frame) error {
	stream, err := s.ask(ctx, q, frames...)
	if err != nil {
		return err
	}
	defer stream.Close()
	defer context.AfterFunc(ctx, func() { stream.SetReadDeadline(time.Unix(1, 0)) })()
	for {
		// Set before ctx is asked: what ends with ctx sets it again, to the past.
		stream.SetReadDeadline(time.Now().Add(silence))
		if err := ctx.Err(); err != nil {
			return err
		}
		got, body, err := stream.ReadFrame(message.Limit)
		switch {
		case err != nil:
			return errors.Join(ctx.Err(), fmt.Errorf("client: %s: %w", q.Op, err))
		case got == message.TypeEnd:
			return nil
		case got == message.TypeFailure:
			return failure(body)
		case got == t && take != nil:
			if err := take(body); err != nil {
				return err
			}
		default:
			return fmt.Errorf("client: %s: %w: a frame of type %d", q.Op, message.ErrMalformed, got)
		}
	}
}
