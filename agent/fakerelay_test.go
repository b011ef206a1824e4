package agent

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/journal"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// A fakeRelay is a relay without any of its virtues: it keeps what it gets in
// memory, and drops connections.
type fakeRelay struct {
	t        *testing.T
	ca       *transport.CA
	listener *transport.Listener
	cancel   func()
	certFor  time.Duration // how long the certificates of agents are good
	policy   []byte
	work     sync.WaitGroup

	mu       sync.Mutex
	name     string
	conns    map[*transport.Conn]bool
	agent    *transport.Stream // the latest
	plans    [][]byte
	chunks   map[signing.ID][]message.Chunk
	receipts map[signing.ID]int
	facts    [][]byte
	hellos   []message.Hello
	// keepsFacts: it has the facts that were told last, also of another connection.
	keepsFacts bool
	renewals   int
	idles      int
	due        int                 // plans on their way, whose receipt has not come
	large      map[signing.ID]bool // answers that came over streams of their own
	done       map[signing.ID]chan struct{}
	drop       func() bool // asked at each chunk; nil: never
	mute       bool        // chunks are not acknowledged
	gaps       bool        // a gap ends the connection, and not the test: what came before was dropped here
	unstored   func() bool // asked at each chunk: it could not be stored; nil: never
	fair       bool        // a plan that has its answer is offered no more
	fail       *message.Failure
	prove      func(message.LogQuery) (*translog.Proof, error) // nil: it has no log
	piece      func(message.PieceQuery) ([]byte, *message.Failure)
	hears      func(statement []byte) translog.Sum // what it says to a program that is tried
}

func newFakeRelay(t *testing.T, policy []byte) *fakeRelay {
	ca, err := transport.NewCA("fake", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := newFakeRelayOn(t, ca, tcp)
	r.policy = policy
	t.Cleanup(r.close)
	return r
}

// newFakeRelayOn is one that takes the connections of a listener until it is
// closed.
func newFakeRelayOn(t *testing.T, ca *transport.CA, tcp net.Listener) *fakeRelay {
	pair, err := ca.ServerCert([]string{"127.0.0.1"}, time.Now(), 1000*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := pair.TLS()
	if err != nil {
		t.Fatal(err)
	}
	l, err := transport.ListenOn(tcp, transport.ListenOptions{Certificate: cert, CA: ca.Certificate()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &fakeRelay{
		t: t, ca: ca, listener: l, cancel: cancel, certFor: time.Hour, conns: map[*transport.Conn]bool{},
		chunks: map[signing.ID][]message.Chunk{}, receipts: map[signing.ID]int{},
		large: map[signing.ID]bool{}, done: map[signing.ID]chan struct{}{},
	}
	r.work.Go(func() {
		for {
			c, err := l.Accept(ctx)
			if err != nil {
				return
			}
			r.mu.Lock()
			r.conns[c] = true
			r.mu.Unlock()
			r.work.Go(func() { r.serve(ctx, c) })
		}
	})
	return r
}

func (r *fakeRelay) close() {
	r.cancel()
	r.listener.Close()
	r.dropAll()
	r.work.Wait()
}

func (r *fakeRelay) addr() string { return r.listener.Addr().String() }

func (r *fakeRelay) dropAll() {
	r.mu.Lock()
	var all []*transport.Conn
	for c := range r.conns {
		all = append(all, c)
	}
	r.mu.Unlock()
	for _, c := range all {
		c.Close()
	}
}

func (r *fakeRelay) serve(ctx context.Context, c *transport.Conn) {
	defer func() {
		c.Close()
		r.mu.Lock()
		delete(r.conns, c)
		r.mu.Unlock()
	}()
	for {
		s, err := c.Accept(ctx)
		if err != nil {
			return
		}
		r.work.Go(func() {
			defer s.Close()
			switch s.Kind() {
			case message.KindEnroll, message.KindRenew:
				r.enroll(s)
			case message.KindLog:
				r.proof(s)
			case message.KindProgram:
				r.program(s)
			case message.KindAgent, message.KindAnswer:
				r.frames(c, s)
			}
		})
	}
}

// program gives pieces of a program.
func (r *fakeRelay) program(s *transport.Stream) {
	for {
		_, body, err := s.ReadFrame(message.Limit)
		var q message.PieceQuery
		if err != nil {
			return
		}
		if err := message.Unmarshal(body, &q); err != nil {
			r.t.Error(err)
			return
		}
		r.mu.Lock()
		b, failure := r.piece(q)
		r.mu.Unlock()
		if failure != nil {
			_ = s.WriteFrame(message.TypeFailure, message.Marshal(failure))
			return
		}
		if s.WriteFrame(message.TypePiece, b) != nil {
			return
		}
	}
}

// proof answers what an agent asks of the log.
func (r *fakeRelay) proof(s *transport.Stream) {
	_, body, err := s.ReadFrame(message.Limit)
	var q message.LogQuery
	if err == nil {
		err = message.Unmarshal(body, &q)
	}
	r.mu.Lock()
	prove := r.prove
	r.mu.Unlock()
	if err != nil || prove == nil {
		return
	}
	p, err := prove(q)
	if err != nil {
		said := &message.Failure{Code: message.FailUnknown, Reason: err.Error()}
		_ = errors.As(err, &said)
		_ = s.WriteFrame(message.TypeFailure, message.Marshal(said))
		return
	}
	_ = s.WriteFrame(message.TypeLogProof, message.Marshal(p))
}

func (r *fakeRelay) enroll(s *transport.Stream) {
	_, body, err := s.ReadFrame(message.Limit)
	var ask message.Enroll
	if err == nil {
		err = message.Unmarshal(body, &ask)
	}
	if err != nil {
		return
	}
	m, err := signing.DecodeMembership(ask.Membership)
	if err != nil {
		r.t.Error(err)
		return
	}
	der, err := r.ca.AgentCert(ask.CSR, m.AgentID().String(), time.Now(), r.certFor)
	if err != nil {
		r.t.Error(err)
		return
	}
	r.mu.Lock()
	if s.Kind() == message.KindRenew {
		r.renewals++
	}
	r.mu.Unlock()
	_ = s.WriteFrame(message.TypeEnrolled, message.Marshal(message.Enrolled{Certificate: der, Policy: r.policy}))
}

func (r *fakeRelay) frames(c *transport.Conn, s *transport.Stream) {
	for {
		t, body, err := s.ReadFrame(message.Limit)
		if err != nil {
			return
		}
		switch t {
		case message.TypeHello:
			r.hello(s, body)
		case message.TypeFacts:
			r.mu.Lock()
			r.facts = append(r.facts, body)
			r.mu.Unlock()
		case message.TypeWell:
			r.mu.Lock()
			sum := r.hears(body)
			r.mu.Unlock()
			_ = s.WriteFrame(message.TypeHeard, message.Marshal(sum))
		case message.TypeReceipt:
			var id signing.ID
			if err := message.Unmarshal(body, &id); err != nil {
				r.t.Error(err)
			}
			r.mu.Lock()
			r.receipts[id]++
			r.due--
			r.mu.Unlock()
		case message.TypeIdle:
			r.mu.Lock()
			r.idles++
			due := r.due
			r.mu.Unlock()
			if due > 0 {
				break // the agent had not seen them when it said so
			}
			_ = s.WriteFrame(message.TypeGoodbye, message.Marshal(message.Failure{Code: message.FailShutdown, Reason: "that was all"}))
		case message.TypeChunk:
			if !r.chunk(s, body) {
				c.Close()
				return
			}
		}
	}
}

func (r *fakeRelay) hello(s *transport.Stream, body []byte) {
	var h message.Hello
	if err := message.Unmarshal(body, &h); err != nil {
		r.t.Error(err)
		return
	}
	w := message.Welcome{Relay: "fake", Time: time.Now()}
	r.set(func() {
		w.Facts = r.keepsFacts && len(r.facts) > 0 && h.Facts == translog.SumOf(r.facts[len(r.facts)-1])
	})
	_ = s.WriteFrame(message.TypeWelcome, message.Marshal(w))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hellos, r.agent = append(r.hellos, h), s
	for _, o := range h.Open {
		have := r.chunks[o.Plan]
		whole := len(have) > 0 && have[len(have)-1].Final
		_ = s.WriteFrame(message.TypeAck, message.Marshal(message.Ack{Plan: o.Plan, Next: uint32(len(have)), Gone: whole}))
	}
	r.due = 0
	for _, p := range r.plans {
		if !r.fair || !r.answered(p) {
			r.due++
			_ = s.WriteFrame(message.TypePlan, p)
		}
	}
}

// answered says whether a plan has its answer.
func (r *fakeRelay) answered(plan []byte) bool {
	payload := payloadOf(plan, &journal.Entry{})
	have := r.chunks[payload.ID]
	return len(have) > 0 && have[len(have)-1].Final
}

// chunk keeps a chunk, which is the next or one that is known. It says whether
// the connection goes on.
func (r *fakeRelay) chunk(s *transport.Stream, body []byte) bool {
	c, err := message.DecodeChunk(body)
	if err != nil {
		r.t.Error(err)
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		_ = s.WriteFrame(message.TypeFailure, message.Marshal(r.fail))
		return true
	}
	if r.mute || r.drop != nil && r.drop() {
		return r.mute
	}
	next := uint32(len(r.chunks[c.Plan]))
	switch {
	case r.unstored != nil && (c.Seq > next || r.unstored()):
		// As a relay whose spine failed: it says what it has.
	case c.Seq > next && r.gaps:
		return false
	case c.Seq > next:
		r.t.Errorf("chunk %d of plan %s, and %d was due", c.Seq, c.Plan, next)
		return false
	case c.Seq == next && next > 0 && r.chunks[c.Plan][next-1].Final:
		r.t.Errorf("chunk %d of plan %s, and the one before was the last", c.Seq, c.Plan)
		return false
	case c.Seq == next:
		r.chunks[c.Plan] = append(r.chunks[c.Plan], c)
		next++
		if c.Final {
			close(r.wait(c.Plan))
		}
	}
	r.large[c.Plan] = r.large[c.Plan] || s.Kind() == message.KindAnswer
	if r.drop != nil && r.drop() {
		return false // it is stored, and the agent does not hear it
	}
	_ = s.WriteFrame(message.TypeAck, message.Marshal(message.Ack{Plan: c.Plan, Next: next}))
	return true
}

// wait gives what is closed when an answer is whole. It needs mu.
func (r *fakeRelay) wait(plan signing.ID) chan struct{} {
	if r.done[plan] == nil {
		r.done[plan] = make(chan struct{})
	}
	return r.done[plan]
}

// offer gives a plan to the agent, at once and at each hello.
func (r *fakeRelay) offer(raw []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.plans = append(r.plans, raw)
	if r.agent != nil {
		r.due++
		_ = r.agent.WriteFrame(message.TypePlan, raw)
	}
}

func (r *fakeRelay) say(t message.Type, body []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.agent.WriteFrame(t, body); err != nil {
		r.t.Error(err)
	}
}

// answerOf waits for an answer.
func (r *fakeRelay) answerOf(plan signing.ID) []message.Chunk {
	r.t.Helper()
	r.mu.Lock()
	done := r.wait(plan)
	r.mu.Unlock()
	select {
	case <-done:
	case <-time.After(60 * time.Second):
		r.t.Fatalf("no answer to plan %s", plan)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.chunks[plan]
}

// set changes the relay under its lock.
func (r *fakeRelay) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !so(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// oneIn gives a dropper that drops with a chance of one in n.
func oneIn(n int, seed uint64) func() bool {
	rng := rand.New(rand.NewPCG(seed, 1))
	return func() bool { return rng.IntN(n) == 0 }
}

// told says whether facts were sent.
func (s *session) told() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.knows
}
