package relay

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

const (
	// maxWatching is how many witnesses may be connected: who is none is found
	// out only by what he signs.
	maxWatching = 2 * translog.MaxWitnesses
	// watchFor is how long a witness waits before he is told that there is
	// nothing new.
	watchFor = 30 * time.Second
)

// logPolicies puts the policies up to the next one into the log that it names,
// before anybody obeys it.
func (r *Relay) logPolicies(ctx context.Context, next *signing.Policy, text []byte) error {
	if err := r.ledger.obey(ctx, next.Log()); err != nil || next.Log() == nil {
		return err
	}
	var chain [][]byte // those by which somebody comes to this one
	r.mu.Lock()
	for _, t := range r.turns {
		if t.version < next.Version() {
			chain = append(chain, t.envelope)
		}
	}
	r.mu.Unlock()
	for _, envelope := range append(chain, text) {
		p, err := policyOf(envelope)
		if err != nil {
			return err
		}
		entry := translog.Entry{Kind: translog.KindPolicy, Name: strconv.FormatInt(p.Version(), 10), At: r.now()}
		if err := r.ledger.add(ctx, entry, envelope); err != nil {
			return err
		}
	}
	return nil
}

// logPlan puts a plan into the log, where the fleet has one.
func (r *Relay) logPlan(ctx context.Context, p *investigation) error {
	return r.ledger.add(ctx, translog.Entry{Kind: translog.KindPlan, Name: p.id.String(), At: p.record.Submitted}, p.envelope)
}

// logPlans puts those plans into the log that are not there: they were taken
// before there was one, or by a relay that died over it.
func (r *Relay) logPlans() {
	if !r.ledger.on() {
		return
	}
	var missing []*investigation
	r.mu.Lock()
	for _, p := range r.live {
		if !p.over(r.now()) && !r.ledger.holds(p.sum, false) {
			missing = append(missing, p)
		}
	}
	r.mu.Unlock()
	for _, p := range missing {
		if err := r.logPlan(r.life, p); err != nil {
			r.log.Error("a plan could not be put into the log, and is offered to nobody", "plan", p.id, "why", err)
			return
		}
	}
	if len(missing) > 0 {
		r.offerLogged()
	}
}

// mayOffer says whether agents may be told of a plan: those who ask for a proof
// would refuse it without one, for good.
func (r *Relay) mayOffer(p *investigation) bool {
	rule := r.policy.Log()
	return rule == nil || r.ledger.holds(p.sum, rule.Required)
}

// offerLogged offers the plans that waited for the log.
func (r *Relay) offerLogged() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.live {
		if !p.waits || p.over(r.now()) || !r.mayOffer(p) {
			continue
		}
		p.waits = false
		for id, d := range p.agents {
			if a := r.agents[id]; a != nil {
				r.offer(p, d, a)
			}
		}
	}
}

// serveWitness shows a witness the log's checkpoints, and takes his signatures.
func (r *Relay) serveWitness(ctx context.Context, c *transport.Conn, s *transport.Stream) {
	defer s.Close()
	if !r.watching.TryAcquire(1) {
		fail(s, message.FailLimit, fmt.Sprintf("%d witnesses are connected already", maxWatching))
		return
	}
	defer r.watching.Release(1)
	for {
		s.SetReadDeadline(time.Now().Add(requestWithin))
		body, err := readAs(s, message.TypeWitness)
		if err != nil {
			return
		}
		var w message.Witness
		if err := message.Unmarshal(body, &w); err != nil {
			fail(s, message.FailBad, err.Error())
			return
		}
		if len(w.Cosigned) > 0 {
			if err := r.ledger.cosign(ctx, w.Cosigned); err != nil {
				r.meters.refused(refusedCosignature)
				r.log.Info("cosignature refused", "from", c.RemoteAddr(), "why", err)
				fail(s, message.FailDenied, err.Error())
				return
			}
			r.offerLogged()
			r.offerUpgrades()
		}
		head, err := r.nextHead(ctx, c, w)
		if err != nil {
			fail(s, message.FailUnknown, err.Error())
			return
		}
		if head == nil {
			head = &translog.Head{}
		}
		if s.WriteFrame(message.TypeHead, message.Marshal(head)) != nil {
			return
		}
	}
}

// nextHead waits for something that a witness is to sign; nil for nothing.
func (r *Relay) nextHead(ctx context.Context, c *transport.Conn, w message.Witness) (*translog.Head, error) {
	ctx, cancel := context.WithTimeout(ctx, watchFor)
	defer cancel()
	for {
		head, changed, err := r.ledger.pending(ctx, w.Name, w.Size)
		if head != nil || err != nil || w.Once {
			return head, err
		}
		select {
		case <-changed:
		case <-c.Done():
			return nil, nil
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// serveProof proves to an agent that a plan is in the log.
func (r *Relay) serveProof(ctx context.Context, s *transport.Stream) {
	defer s.Close()
	s.SetReadDeadline(time.Now().Add(helloWithin))
	body, err := readAs(s, message.TypeLogQuery)
	if err != nil {
		return
	}
	var q message.LogQuery
	if err := message.Unmarshal(body, &q); err != nil {
		fail(s, message.FailBad, err.Error())
		return
	}
	p, err := r.ledger.prove(ctx, q.Sum, q.From)
	if err != nil {
		fail(s, message.FailUnknown, err.Error())
		return
	}
	_ = s.WriteFrame(message.TypeLogProof, message.Marshal(p))
}

// doLog answers what an auditor asks of the log.
func (r *Relay) doLog(ctx context.Context, s *transport.Stream, q message.Request) *message.Failure {
	if q.Log == nil {
		return &message.Failure{Code: message.FailBad, Reason: "the request does not say what of the log it is about"}
	}
	var (
		t    message.Type
		body []byte
		err  error
	)
	switch q.Op {
	case message.OpLogHead:
		var head *translog.Head
		if head, err = r.ledger.latest(ctx, q.Log.From); err == nil {
			t, body = message.TypeHead, message.Marshal(head)
		}
	case message.OpLogTile:
		t = message.TypeTile
		body, err = r.ledger.tile(q.Log.Tile)
	case message.OpLogEnvelope:
		t = message.TypeEnvelope
		body, err = r.ledger.envelope(q.Log.Sum)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &message.Failure{Code: message.FailUnknown, Reason: "the envelope was removed from the relay's folder"}
	case errors.Is(err, translog.ErrUnwitnessed):
		return &message.Failure{Code: message.FailPending, Reason: err.Error()}
	case err != nil:
		return &message.Failure{Code: message.FailUnknown, Reason: err.Error()}
	}
	_ = s.WriteFrame(t, body)
	return nil
}
