package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// The keys of policies in the spine: that of the one in force, and with a dot
// and a version behind it that of each policy that ever was, and of each that
// changed the administrators.
const (
	keyPolicy = "policy"
	keyTurn   = "turn"
)

// maxTurns is how many policies may change the administrators: whoever comes
// from the first one takes them all. A weekly change fills it in ten years.
const maxTurns = 500

// A turn is a policy whose administrators are others than those of the one
// before it. The one before it is signed by nobody whom the later ones need, so
// that those who come from there take it first.
type turn struct {
	version  int64
	envelope []byte
}

// loadPolicy takes the policy of the spine, or at the first start that of the
// folder.
func (r *Relay) loadPolicy(ctx context.Context) error {
	text, err := r.spine.get(ctx, r.spine.state, keyPolicy)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		text, err = r.cfg.firstPolicy()
	}
	if err != nil {
		return fmt.Errorf("relay: the policy: %w", err)
	}
	e, err := signing.ParseEnvelope(text)
	if err != nil {
		return fmt.Errorf("relay: the policy: %w", err)
	}
	p, err := signing.ParsePolicy(e.Payload)
	if err != nil {
		return fmt.Errorf("relay: the policy: %w", err)
	}
	err = r.spine.each(ctx, r.spine.state, func(key string, text []byte) error {
		version, ok := strings.CutPrefix(key, keyTurn+".")
		// A later one than that in force was not published to its end.
		if n, err := strconv.ParseInt(version, 10, 64); ok && err == nil && n <= p.Version() {
			r.turns = append(r.turns, turn{n, text})
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(r.turns, func(a, b turn) int { return cmp.Compare(a.version, b.version) })
	if len(r.turns) == 0 {
		return r.follows(ctx, p, text)
	}
	r.policy, r.envelope = p, text
	return r.logPolicies(p, text)
}

// follows puts a policy in force and keeps it, after it is in the log; mu is
// held, or nobody else is there yet.
func (r *Relay) follows(ctx context.Context, p *signing.Policy, text []byte) error {
	if err := r.logPolicies(p, text); err != nil {
		return err
	}
	turns := r.policy == nil || !r.policy.SameAdministrators(p)
	keys := []string{fmt.Sprintf("%s.%d", keyPolicy, p.Version())}
	if turns {
		keys = append(keys, fmt.Sprintf("%s.%d", keyTurn, p.Version()))
	}
	// The one in force comes last: until then it was not published.
	for _, key := range append(keys, keyPolicy) {
		if err := r.spine.put(ctx, r.spine.state, key, text); err != nil {
			return err
		}
	}
	r.policy, r.envelope = p, text
	if turns {
		r.turns = append(r.turns, turn{p.Version(), text})
	}
	return nil
}

// newer gives the policies that lead from a version to the one in force, in
// order: those that changed the administrators, and that one. mu is held.
func (r *Relay) newer(version int64) [][]byte {
	var out [][]byte
	last := version
	for _, t := range r.turns {
		if t.version > version {
			out, last = append(out, t.envelope), t.version
		}
	}
	if last < r.policy.Version() {
		out = append(out, r.envelope)
	}
	return out
}

// policies sends what leads from a version to the one in force.
func (r *Relay) policies(s *transport.Stream, after int64) {
	r.mu.Lock()
	chain := r.newer(after)
	r.mu.Unlock()
	for _, text := range chain {
		if s.WriteFrame(message.TypePolicy, text) != nil {
			return
		}
	}
}

// publish takes the next policy, and hands it to every agent. Agents that are
// members no more are told, and let go.
func (r *Relay) publish(ctx context.Context, s *transport.Stream) *message.Failure {
	text, failure := take(s, message.TypePolicy)
	if failure != nil {
		return failure
	}
	e, err := signing.ParseEnvelope(text)
	if err != nil {
		return &message.Failure{Code: message.FailBad, Reason: err.Error()}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	next, err := r.policy.Accept(e, r.now())
	if err != nil {
		return &message.Failure{Code: message.FailDenied, Reason: err.Error()}
	}
	if next == r.policy {
		return nil
	}
	if len(r.turns) >= maxTurns && !r.policy.SameAdministrators(next) {
		return &message.Failure{Code: message.FailLimit, Reason: fmt.Sprintf("the administrators of this fleet have changed %d times, and agents that were long away could not follow any more", maxTurns)}
	}
	if err := r.follows(ctx, next, text); err != nil {
		return storeFailure(err)
	}
	defer r.wg.Go(r.logPlans) // those that were taken before there was a log
	defer r.wg.Go(r.logReleases)
	for _, p := range r.plans {
		p.notifyAll() // followers who are in it no more are let go
	}
	for id, a := range r.agents {
		err := r.admit(a)
		if a.session != nil && a.session.greeted {
			a.session.send(message.TypePolicy, text)
		}
		if err != nil {
			r.letGo(id, a, err)
		}
	}
	return nil
}

// farewell refuses an agent. One that was a member is told of the policies that
// it missed, by which it learns what became of it.
func (r *Relay) farewell(c *transport.Conn, s *transport.Stream, hello *message.Hello, why error) {
	r.mu.Lock()
	chain := r.newer(hello.Policy)
	welcome := message.Welcome{Relay: r.cfg.Name, Time: r.now(), Policy: r.policy.Version()}
	r.mu.Unlock()
	if hello.Agent.String() != c.Peer() || hello.Policy < 1 || len(chain) == 0 {
		fail(s, message.FailDenied, why.Error())
		return
	}
	s.SetWriteDeadline(time.Now().Add(helloWithin))
	if s.WriteFrame(message.TypeWelcome, message.Marshal(welcome)) != nil {
		return
	}
	for _, text := range chain {
		if s.WriteFrame(message.TypePolicy, text) != nil {
			return
		}
	}
	_ = s.WriteFrame(message.TypeGoodbye, message.Marshal(message.Failure{Code: message.FailDenied, Reason: why.Error()}))
}

// letGo ends what there is with an agent that is a member no more. It is the
// last that it is told; mu is held.
func (r *Relay) letGo(id message.ID, a *agent, why error) {
	r.log.Info("agent let go", "agent", id, "why", why)
	delete(r.agents, id)
	if a.session == nil {
		return
	}
	a.session.send(message.TypeGoodbye, message.Marshal(message.Failure{Code: message.FailDenied, Reason: why.Error()}))
	conn, outbox := a.session.conn, &a.session.outbox
	r.wg.Go(func() {
		outbox.flushed(lastWords)
		_ = conn.Close()
	})
}
